#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=slow
# podman drives crt-oci, as root and as a user.
load helpers
load engines

I=localhost/busybox
# a first process that ends when it is asked to
SERVICE='trap "echo term; exit 3" TERM; echo started; while :; do sleep 0.1; done'

setup_file() {
	engine_setup podman podman conmon skopeo || return 0
	local who
	# root without CAP_SYS_RESOURCE cannot raise limits, which podman asks for by itself
	cat >"$E/containers.conf" <<-END
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime_supports_json = ["crt-oci"]
		runtime_supports_nocgroup = ["crt-oci"]
		[engine.runtimes]
		crt-oci = ["$CRT_BIN/crt-oci"]
	END
	skopeo copy -q "oci:$CRT_FIXTURES/busybox:latest" "docker-archive:$E/image.tar:$I:latest"
	chmod a+r "$E/image.tar"
	for who in root alice; do
		engine_wrap "$who-podman" "$who" env CONTAINERS_CONF="$E/containers.conf" XDG_RUNTIME_DIR="$E/$who" podman \
			--storage-driver vfs --root "$E/$who/root" --runroot "$E/$who/runroot" --tmpdir "$E/$who/tmp" --runtime '"${RUNTIME:-crt-oci}"'
		"$E/$who-podman" load -q -i "$E/image.tar" >"$E/load.log" 2>&1 ||
			engine_broken "podman does not work here: $(tail -n 1 "$E/load.log")" || return 0
	done
}

teardown_file() {
	local who
	for who in root alice; do
		[ ! -x "$E/$who-podman" ] || "$E/$who-podman" rm -f -a -t 0 >/dev/null 2>&1
	done
	[ ! -x "$E/alice-podman" ] || "$E/alice-podman" unshare rm -rf "$E/alice/root" >/dev/null 2>&1
	[ ! -x "$E/alice-podman" ] || "$E/alice-podman" system migrate >/dev/null 2>&1
	engine_teardown
}

setup() {
	engine_usable
	world_setup
}

teardown() {
	[ ! -e "$E/broken" ] || return 0
	"$E/root-podman" rm -f -a -t 0 >/dev/null 2>&1
	"$E/alice-podman" rm -f -a -t 0 >/dev/null 2>&1
	# the process that keeps rootless podman's namespaces
	"$E/alice-podman" system migrate >/dev/null 2>&1
	world_teardown
}

# p USER ARG...; pr USER ARG...: podman, and podman run --rm without network
p() {
	local who=$1
	shift
	"$E/$who-podman" --log-level error "$@"
}
pr() {
	local who=$1
	shift
	p "$who" run --rm --network none $(parent "$@") "$@"
}
# parent ARG...: the cgroup that is ours, for root
parent() {
	[ "$who" != root ] || [[ " $* " == *" --cgroups=disabled "* ]] || echo --cgroup-parent /crt-test-podman
}
pd() {
	local who=$1 name=$2
	shift 2
	p "$who" run -d --name "$name" --network none $(parent "$@") "$@"
}

exit_codes() {
	run pr "$1" $I echo hi
	assert_status 0
	assert_output hi
	run pr "$1" $I sh -c 'exit 7'
	assert_status 7
	run -127 pr "$1" $I nope
	assert_status 127
	assert_contains 'exec: "nope": executable file not found in $PATH'
	run -127 pr "$1" $I /nope
	assert_status 127
	run pr "$1" $I /etc/passwd
	assert_status 126
	assert_contains 'permission denied'
	run pr "$1" $I /etc
	assert_status 126
	run pr "$1" --badoption $I true
	assert_status 125
	run p "$1" ps -a -q
	assert_output ''
}

@test "podman: exit codes of run" {
	exit_codes root
}

@test "podman, rootless: exit codes of run" {
	exit_codes alice
}

@test "podman: the runtime as a path, without JSON logs" {
	RUNTIME=$CRT_BIN/crt-oci run -127 pr root $I nope
	assert_status 127
	assert_contains 'exec: "nope": executable file not found in $PATH'
	RUNTIME=$CRT_BIN/crt-oci run pr alice $I sh -c 'exit 3'
	assert_status 3
}

life() {
	local who=$1 pid
	pd "$who" a --health-cmd 'test -e /tmp/ok' --health-interval disable $I sh -c "$SERVICE"
	run p "$who" ps --format '{{.Names}} {{.Status}}'
	assert_match '^a Up '
	run p "$who" exec a sh -c 'echo in; exit 5'
	assert_status 5
	assert_output in
	run p "$who" exec -u 1000:5 -w /tmp -e A=b a sh -c 'id -u; id -g; pwd; echo $A'
	assert_output $'1000\n5\n/tmp\nb'
	run -127 p "$who" exec a nope
	assert_status 127
	run -127 p "$who" exec a /nope
	assert_status 127
	run p "$who" exec a /etc
	assert_status 126
	run bash -c 'echo from outside | "$0" exec -i a cat' "$E/$who-podman"
	assert_output 'from outside'
	run p "$who" healthcheck run a
	assert_status 1
	p "$who" exec a touch /tmp/ok
	p "$who" healthcheck run a
	run p "$who" top a pid comm
	assert_match '1 +sh'
	run pr "$who" --pid=container:a $I ps
	assert_contains 'echo started'
	p "$who" kill -s USR1 a || true
	p "$who" exec -d a sleep 100
	p "$who" stop -t 5 a
	[ "$(p "$who" inspect -f '{{.State.Status}} {{.State.ExitCode}}' a)" = "exited 3" ] || flunk
	run p "$who" logs a
	assert_output $'started\nterm'
	p "$who" start a
	p "$who" restart -t 5 a
	# a process that ignores the polite signal is killed after the time
	p "$who" kill a
	wait_for 10 sh -c "'$E/$who-podman' inspect -f '{{.State.Status}} {{.State.ExitCode}}' a | grep -x 'exited 137'"
	# killed behind podman's back
	p "$who" start a
	pid=$(p "$who" inspect -f '{{.State.Pid}}' a)
	kill -KILL "$pid"
	wait_for 10 sh -c "'$E/$who-podman' ps -a --format '{{.Status}}' | grep 'Exited (137)'"
	p "$who" start a
	p "$who" rm -f -t 0 a
	run p "$who" ps -a -q
	assert_output ''
}

@test "podman: the life of a container" {
	life root
}

@test "podman, rootless: the life of a container" {
	life alice
}

terminals() {
	run pty root size:30x90 'expect:[$#] ' 'send:tty; stty size; exit 4\n' -- "$E/$1-podman" run --rm -it --network none $I sh
	assert_status 4
	assert_contains /dev/pts/0
	assert_contains '30 90'
	pd "$1" t $I sleep 100
	run pty root size:30x90 'expect:[$#] ' 'send:tty; test -t 2 && echo is a tty; exit 4\n' -- "$E/$1-podman" exec -it t sh
	assert_status 4
	assert_contains 'is a tty'
	pd "$1" t2 -t $I sh -c 'tty; exit 2'
	wait_for 10 sh -c "'$E/$1-podman' logs t2 | grep /dev/pts/0"
	run p "$1" rm -f -t 0 t t2
	assert_status 0
}

@test "podman: terminals of run and exec" {
	terminals root
}

@test "podman, rootless: terminals of run and exec" {
	terminals alice
}

options() {
	local who=$1
	run pr "$who" --init $I ps
	assert_match '1 .*init -- ps'
	run pr "$who" --read-only $I sh -c 'touch /x; touch /tmp/x && echo tmp'
	assert_contains 'Read-only file system'
	assert_contains tmp
	mkdir -p "$E/$who/vol"
	chown "$(user "$who")" "$E/$who/vol"
	run pr "$who" -v "$E/$who/vol:/v" $I touch /v/a
	assert_status 0
	[ -e "$E/$who/vol/a" ] || flunk
	run pr "$who" -v "$E/$who/vol:/v:ro" -v named:/n $I sh -c 'ls /v; touch /v/b; touch /n/x && echo named'
	assert_contains a
	assert_contains 'Read-only file system'
	assert_contains named
	run pr "$who" --ulimit nofile=100:200 --ulimit nproc=300:300 $I sh -c 'ulimit -n; ulimit -Hn'
	assert_output $'100\n200'
	run pr "$who" --privileged $I sh -c 'mount -t tmpfs none /mnt && echo mounted; ls /dev | wc -l'
	assert_contains mounted
	run pr "$who" --cap-drop ALL --cap-add CHOWN $I grep CapEff /proc/self/status
	assert_match '0000000000000001$'
	run pr "$who" --security-opt seccomp=unconfined $I grep '^Seccomp:' /proc/self/status
	assert_match '0$'
	run pr "$who" $I grep '^Seccomp:' /proc/self/status
	assert_match '2$'
	run pr "$who" --hostname box --user 1000:1000 --tmpfs /t:size=1m $I sh -c 'hostname; id -u; grep " /t " /proc/mounts'
	assert_contains box
	assert_contains 1000
	assert_contains size=1024k
	run pr "$who" --cgroups=disabled $I echo free
	assert_status 0
	assert_output free
}

@test "podman: options of run" {
	options root
}

@test "podman, rootless: options of run" {
	options alice
}

# crt-oci in a container that podman made with crt-oci
nested() {
	not_sanitized "the copy in the container has no libasan"
	run pr "$1" --privileged -v "$CRT_BIN/crt-oci:/crt-oci:ro" $I sh -ec '
		mkdir -p /b/rootfs/proc /b/rootfs/sys /b/rootfs/dev
		cp -a /bin /b/rootfs/
		cd /b
		/crt-oci spec "$@"
		sed -i "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"sh\", \"-c\", \"echo \$\$; cat\"/" config.json
		echo deeper | /crt-oci --root /tmp/oci run inner
		/crt-oci --root /tmp/oci create inner </dev/null
		/crt-oci --root /tmp/oci start inner
		/crt-oci --root /tmp/oci delete -f inner
		/crt-oci --root /tmp/oci list -q' sh $2
	assert_status 0
	[ "${lines[0]} ${lines[1]}" = "1 deeper" ] || flunk
	refute_contains level=error
}

@test "podman: crt-oci inside a privileged container" {
	nested root ""
	nested root --rootless
}

@test "podman, rootless: crt-oci inside a privileged container" {
	nested alice ""
	nested alice --rootless
}

@test "podman: user namespaces" {
	run pr root --uidmap 0:100000:1000 --gidmap 0:100000:1000 $I cat /proc/self/uid_map
	assert_match '^ +0 +100000 +1000$'
	run pr alice --userns=keep-id $I id -u
	assert_output "$(id -u "$(user alice)")"
	run pr alice --userns=nomap $I sh -c 'id -u'
	assert_status 0
	run pr alice --userns=auto:size=100 $I sh -c 'cat /proc/self/uid_map; touch /x; stat -c %u:%g /x'
	assert_match '^ +0 +[1-9][0-9]* +100
0:0$'
}

@test "podman: resource limits, update, pause, stats of root's containers" {
	need_cgroup1 memory pids cpu freezer
	local pid
	pd root a --memory 64m --memory-swap 64m --pids-limit 50 --cpus 0.5 --cpu-shares 512 $I sh -c "$SERVICE"
	pid=$(p root inspect -f '{{.State.Pid}}' a)
	[ "$(cgroup_file "$pid" memory memory.limit_in_bytes)" = 67108864 ] || flunk
	[ "$(cgroup_file "$pid" pids pids.max)" = 50 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.cfs_quota_us)" = 50000 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.shares)" = 512 ] || flunk
	p root update --memory 128m --memory-swap 128m --cpus 0.7 a
	[ "$(cgroup_file "$pid" memory memory.limit_in_bytes)" = 134217728 ] || flunk
	[ "$(cgroup_file "$pid" cpu cpu.cfs_quota_us)" = 70000 ] || flunk
	run p root stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' a
	assert_match '^a [1-9].* / 67.11MB' # podman looks at its own record for the limit
	p root pause a
	[ "$(p root inspect -f '{{.State.Status}}' a)" = paused ] || flunk
	[ "$(cgroup_file "$pid" freezer freezer.state)" = FROZEN ] || flunk
	run p root exec a true
	[ "$status" != 0 ] || flunk
	p root unpause a
	p root exec a true
	# more than it may have: the kernel ends it
	run pr root --memory 16m --memory-swap 16m $I sh -c 'x=a; while :; do x=$x$x$x; done'
	assert_status 137
}

@test "podman: a container in another's namespaces" {
	pd root a $I sleep 100
	run pr root --pid container:a --ipc container:a $I ps
	assert_contains 'sleep 100'
}

@test "podman, rootless: a pod of several containers, and many execs at once" {
	local i pids=()
	p alice pod create --name pod --infra-image $I --infra-command '/bin/sleep 1000' --share ipc,uts,net,pid --network none >/dev/null
	pd alice a --pod pod $I sh -c 'echo shared >/dev/shm/x; hostname mine 2>/dev/null; exec sleep 1000'
	run pr alice --pod pod $I sh -c 'cat /dev/shm/x; ps | grep -c "[s]leep 1000"; hostname'
	assert_output $'shared\n2\npod'
	for i in {1..8}; do
		p alice exec a sh -c "exit $i" >/dev/null 2>&1 &
		pids+=($!)
	done
	for i in {1..8}; do
		wait "${pids[i - 1]}" && flunk "exec $i succeeded"
		[ $? = "$i" ] || flunk "exec $i has another exit status"
	done
	p alice pod stop -t 0 pod >/dev/null
	p alice pod start pod >/dev/null
	[ "$(p alice exec a cat /dev/shm/x)" = shared ] || flunk "the pod did not start again"
	p alice pod rm -f -t 0 pod >/dev/null
}

@test "podman: container checkpoint and restore, also by an archive" {
	need_program criu
	criu check >"$T/criu.log" 2>&1 || skip "criu cannot work on this kernel: $(grep -m 1 Error "$T/criu.log")"
	local before
	pd root a $I sh -c 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done' >/dev/null
	wait_for 20 eval '[ "$(p root logs a | tail -n 1)" -ge 3 ]'
	p root container checkpoint a
	[ "$(p root inspect --format '{{.State.Status}}' a)" = exited ] || flunk "it runs on"
	before=$(p root logs a | tail -n 1)
	p root container restore a
	wait_for 20 eval '[ "$(p root logs a | tail -n 1)" -gt "$((before + 1))" ]'
	# nothing was counted twice, nothing left out
	p root logs a | awk '$1 != NR - 1 { exit 1 }' || flunk "$(p root logs a)"
	[ "$(p root exec a echo in)" = in ] || flunk "no exec"
	p root container checkpoint --export "$E/root/a.tar.gz" a
	p root rm -f a >/dev/null
	p root container restore --import "$E/root/a.tar.gz" --name b >/dev/null
	wait_for 20 eval '[ "$(p root logs b | tail -n 1)" -gt "$((before + 3))" ]'
	p root rm -f -t 0 b >/dev/null
}

@test "podman: a terminal is saved and restored" {
	need_program criu
	criu check >"$T/criu.log" 2>&1 || skip "criu cannot work on this kernel: $(grep -m 1 Error "$T/criu.log")"
	pd root a -t $I sh -c 'tty; i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done' >/dev/null
	wait_for 20 eval '[ "$(p root logs a | grep -c .)" -ge 4 ]'
	p root container checkpoint a
	local before
	# shellcheck disable=SC2034  # used below, by eval
	before=$(p root logs a | grep -c .)
	p root container restore a
	wait_for 20 eval '[ "$(p root logs a | grep -c .)" -gt "$((before + 2))" ]'
	p root rm -f -t 0 a >/dev/null
}
