#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=slow
# dockerd drives crt-oci as its default runtime; it leaves the machine's network alone.
load helpers
load engines

I=busybox
SERVICE='trap "echo term; exit 3" TERM; echo started; while :; do sleep 0.1; done'

setup_file() {
	engine_setup docker dockerd docker containerd containerd-shim-runc-v2 skopeo || return 0
	mkdir "$E/config"
	echo '{}' >"$E/daemon.json"
	engine_daemon dockerd -H "unix://$E/sock" --data-root "$E/data" --exec-root "$E/exec" -p "$E/dockerd.pid" \
		--config-file "$E/daemon.json" --bridge=none --iptables=false --ip6tables=false --ip-forward=false \
		--ip-masq=false --userland-proxy=false --storage-driver vfs --cgroup-parent /crt-test-docker \
		--exec-opt native.cgroupdriver=cgroupfs --add-runtime "crt=$CRT_BIN/crt-oci" --default-runtime crt --log-level warn
	engine_wrap docker root env DOCKER_CONFIG="$E/config" docker -H "unix://$E/sock"
	wait_for 30 "$E/docker" version || engine_broken "dockerd does not work here: $(tail -n 1 "$E/daemon.log")" || return 0
	skopeo copy -q "oci:$CRT_FIXTURES/busybox:latest" "docker-archive:$E/image.tar:$I:latest"
	"$E/docker" load -q -i "$E/image.tar" >"$E/load.log" 2>&1 ||
		engine_broken "dockerd cannot load an image here: $(tail -n 1 "$E/load.log")" || return 0
}

teardown_file() { engine_teardown; }

setup() {
	engine_usable
	world_setup
}

teardown() {
	[ ! -e "$E/broken" ] || return 0
	local left
	mapfile -t left < <("$E/docker" ps -a -q)
	[ ${#left[@]} = 0 ] || "$E/docker" rm -f "${left[@]}" >/dev/null 2>&1
	world_teardown
}

d() { "$E/docker" "$@"; }
dr() { d run --rm --network none "$@"; }
field() { d inspect -f "{{.State.$2}}" "$1"; }

@test "docker: exit codes of run, and what it says" {
	run d info --format '{{.DefaultRuntime}}'
	assert_output crt
	run dr $I echo hi
	assert_status 0
	assert_output hi
	run dr $I sh -c 'exit 7'
	assert_status 7
	run -127 dr $I nope
	assert_contains 'exec: "nope": executable file not found in $PATH: unknown'
	run -127 dr $I /nope
	assert_contains 'no such file or directory: unknown'
	run dr $I /etc/passwd
	assert_status 126
	assert_contains 'permission denied: unknown'
	run dr $I /etc
	assert_status 126
	run dr -v "$E/daemon.json:/etc" $I true
	assert_status 125
	assert_contains 'Are you trying to mount a directory onto a file (or vice-versa)?'
	run dr --badoption $I true
	assert_status 125
	run d ps -a -q
	assert_output ''
}

@test "docker: terminals of run and exec" {
	run pty root size:30x90 'expect:[$#] ' 'send:tty; stty size; exit 4\n' -- "$E/docker" run --rm -it --network none $I sh
	assert_status 4
	assert_contains /dev/pts/0
	assert_contains '30 90'
	d run -d --name box --network none $I sleep 100
	run pty root size:30x90 'expect:[$#] ' 'send:tty; exit 4\n' -- "$E/docker" exec -it box sh
	assert_status 4
	assert_contains /dev/pts/
}

@test "docker: exec, logs, top, kill, stop, restart" {
	local pid
	d run -d --name box --network none $I sh -c "$SERVICE"
	run d exec box sh -c 'echo in; exit 5'
	assert_status 5
	assert_output in
	run d exec -u 1000:5 -w /tmp -e A=b box sh -c 'id -u; id -g; pwd; echo $A'
	assert_output $'1000\n5\n/tmp\nb'
	run d exec box nope
	assert_status 126
	assert_contains 'exec: "nope": executable file not found in $PATH'
	run bash -c 'echo from outside | "$0" exec -i box cat' "$E/docker"
	assert_output 'from outside'
	run d top box
	assert_match 'UID +PID +PPID'
	assert_contains 'echo started'
	run d top box -o pid,args
	assert_contains 'echo started'
	d stop -t 10 box
	[ "$(field box Status) $(field box ExitCode)" = "exited 3" ] || flunk
	run d logs box
	assert_output $'started\nterm'
	d start box
	d restart -t 10 box
	d kill box
	wait_for 10 sh -c "'$E/docker' inspect -f '{{.State.Status}} {{.State.ExitCode}}' box | grep -x 'exited 137'"
	# killed behind docker's back
	d start box
	pid=$(field box Pid)
	kill -KILL "$pid"
	wait_for 10 sh -c "'$E/docker' inspect -f '{{.State.Status}} {{.State.ExitCode}}' box | grep -x 'exited 137'"
	d start box
	d rm -f box
	run d ps -a -q
	assert_output ''
}

@test "docker: many short execs in a container that is short of time" {
	need_cgroup1 cpu
	local i
	d run -d --name box --network none --cpus 0.2 $I sh -c "$SERVICE"
	for i in {1..8}; do
		run d exec box echo "$i"
		assert_status 0
		assert_output "$i"
	done
}

@test "docker: the policy of restarts" {
	d run -d --name box --network none --restart on-failure:2 $I sh -c 'echo run; exit 3'
	wait_for 20 sh -c "'$E/docker' inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' box | grep -x '2 exited 3'"
	run d logs box
	assert_output $'run\nrun\nrun'
}

@test "docker: limits, update, pause, stats" {
	need_cgroup1 memory pids cpu cpuset freezer
	local pid
	d run -d --name box --network none --memory 64m --memory-swap 128m --cpus 0.5 --pids-limit 50 \
		--cpu-shares 512 --cpuset-cpus 0 $I sh -c "$SERVICE"
	pid=$(field box Pid)
	[ "$(cgroup_file "$pid" memory memory.limit_in_bytes)" = 67108864 ] || flunk
	[ "$(cgroup_file "$pid" memory memory.memsw.limit_in_bytes)" = 134217728 ] || flunk
	[ "$(cgroup_file "$pid" pids pids.max)" = 50 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.cfs_quota_us)" = 50000 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.shares)" = 512 ] || flunk
	[ "$(cgroup_file "$pid" cpuset cpuset.cpus)" = 0 ] || flunk
	run d stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' box
	assert_match '^box .* / 64MiB [1-9]'
	# up, where the limit with swap must be raised first, and down, where it must be lowered last
	d update --memory 300m --memory-swap 300m --pids-limit 20 --cpus 0.7 --cpu-shares 100 box
	[ "$(cgroup_file "$pid" memory memory.limit_in_bytes)" = 314572800 ] || flunk
	[ "$(cgroup_file "$pid" pids pids.max)" = 20 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.cfs_quota_us)" = 70000 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.shares)" = 100 ] || flunk
	d update --memory 30m --memory-swap 30m box
	[ "$(cgroup_file "$pid" memory memory.memsw.limit_in_bytes)" = 31457280 ] || flunk
	d pause box
	[ "$(field box Status)" = paused ] || flunk
	[ "$(cgroup_file "$pid" freezer freezer.state)" = FROZEN ] || flunk
	run d exec box true
	[ "$status" != 0 ] || flunk
	d unpause box
	d exec box true
	d rm -f box
	run d run --name oom --network none --memory 16m --memory-swap 16m $I sh -c 'x=a; while :; do x=$x$x$x; done'
	assert_status 137
	[ "$(field oom OOMKilled)" = true ] || flunk
}

@test "docker: options of run" {
	run dr --init $I ps
	assert_match '1 .*docker-init -- ps'
	run dr --read-only --tmpfs /tmp $I sh -c 'touch /x; touch /tmp/x && echo tmp'
	assert_contains 'Read-only file system'
	assert_contains tmp
	mkdir -p "$E/vol"
	run dr -v "$E/vol:/v" $I touch /v/a
	assert_status 0
	run dr -v "$E/vol:/v:ro" -v named:/n $I sh -c 'ls /v; touch /v/b; touch /n/x && echo named'
	# errors may come first
	assert_match $'(^|\n)a($|\n)'
	assert_contains 'Read-only file system'
	assert_contains named
	run dr --cap-drop ALL --cap-add CHOWN $I grep CapEff /proc/self/status
	assert_match '0000000000000001$'
	run dr --privileged $I sh -c 'mount -t tmpfs none /mnt && echo mounted'
	assert_output mounted
	run dr --security-opt seccomp=unconfined $I grep '^Seccomp:' /proc/self/status
	assert_match '0$'
	run dr $I grep '^Seccomp:' /proc/self/status
	assert_match '2$'
	cat >"$E/profile.json" <<-END
		{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 } ] }
	END
	run dr --security-opt "seccomp=$E/profile.json" $I mkdir /x
	assert_status 1
	assert_contains 'not supported'
	run dr --ulimit nofile=100:200 $I sh -c 'ulimit -n; ulimit -Hn'
	assert_output $'100\n200'
	run dr --hostname box --user 1000:1000 --sysctl net.ipv4.ip_forward=1 $I sh -c 'hostname; id -u; cat /proc/sys/net/ipv4/ip_forward'
	assert_output $'box\n1000\n1'
	run dr --security-opt no-new-privileges --shm-size 2m $I sh -c 'grep NoNewPrivs /proc/self/status; grep /dev/shm /proc/mounts'
	assert_match 'NoNewPrivs:.1'
	assert_contains size=2048k
	run dr --device /dev/null:/dev/mine $I sh -c 'echo x >/dev/mine && test -c /dev/mine && echo device'
	assert_output device
}

@test "docker: an archive of docker save is run" {
	d save -o "$T/saved.tar" $I
	chmod a+r "$T/saved.tar"
	run as alice crt run --rm --network none "docker-archive:$T/saved.tar" echo saved
	assert_output saved
}
