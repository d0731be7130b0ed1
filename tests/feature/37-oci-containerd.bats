#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=slow
# containerd drives crt-oci through its shim for runc, io.containerd.runc.v2.
load helpers
load engines

SERVICE='trap "exit 4" TERM; echo started; while :; do sleep 0.1; done'

setup_file() {
	engine_setup containerd containerd containerd-shim-runc-v2 ctr || return 0
	local tar
	cat >"$E/config.toml" <<-END
		version = 2
		root = "$E/lib"
		state = "$E/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.devmapper"]
		[grpc]
		address = "$E/sock"
	END
	engine_daemon containerd -c "$E/config.toml" -l warn
	engine_wrap ctr root ctr -a "$E/sock" -n crt-test-containerd
	wait_for 20 "$E/ctr" version || engine_broken "containerd does not work here: $(tail -n 1 "$E/daemon.log")" || return 0
	for tar in "$CRT_BIN/busybox.oci.tar" "$CRT_BIN/../share/crt/busybox.oci.tar"; do
		[ ! -e "$tar" ] || break
	done
	"$E/ctr" image import --snapshotter native "$tar" >"$E/import.log" 2>&1 ||
		engine_broken "containerd cannot import an image here: $(tail -n 1 "$E/import.log")" || return 0
	"$E/ctr" image ls -q | head -n 1 >"$E/name"
}

teardown_file() { engine_teardown; }

setup() {
	engine_usable
	world_setup
	I=$(cat "$E/name")
}

teardown() {
	[ ! -e "$E/broken" ] || return 0
	"$E/ctr" task kill -s KILL -a c1 >/dev/null 2>&1
	wait_for 5 task_gone c1
	"$E/ctr" container rm c1 >/dev/null 2>&1
	world_teardown
}

# task_gone ID: its task is deleted, or there is none
task_gone() {
	"$E/ctr" task rm "$1" >/dev/null 2>&1
	! "$E/ctr" task ls -q | grep -qx "$1"
}

c() { "$E/ctr" "$@"; }
cr() { c run --snapshotter native --runc-binary "$CRT_BIN/crt-oci" --cgroup "/crt-test-containerd/c1" "$@"; }
task_is() { "$E/ctr" task ls | grep -qE "^c1 +[0-9]+ +$1"; }

@test "containerd: exit codes and errors of run" {
	run cr --rm "$I" c1 echo hi
	assert_status 0
	assert_output hi
	run cr --rm "$I" c1 sh -c 'exit 7'
	assert_status 7
	run cr --rm "$I" c1 nope
	assert_status 1
	assert_contains 'OCI runtime create failed: exec: "nope": executable file not found in $PATH: unknown'
	run cr --rm "$I" c1 /nope
	assert_contains 'no such file or directory: unknown'
	run cr --rm "$I" c1 /etc/passwd
	assert_contains 'permission denied: unknown'
	run c container ls -q
	assert_output ''
}

@test "containerd: options of run" {
	run cr --rm --env A=b --cwd /tmp --read-only "$I" c1 sh -c 'pwd; echo $A; touch /x'
	assert_contains $'/tmp\nb'
	assert_contains 'Read-only file system'
	mkdir "$E/vol"
	touch "$E/vol/seen"
	run cr --rm --mount "type=bind,src=$E/vol,dst=/mnt,options=rbind:ro" "$I" c1 sh -c 'ls /mnt; touch /mnt/x'
	assert_contains seen
	assert_contains 'Read-only file system'
	run cr --rm --cap-add CAP_SYS_ADMIN "$I" c1 sh -c 'mount -t tmpfs none /mnt && echo mounted'
	assert_output mounted
	run cr --rm "$I" c1 mount -t tmpfs none /mnt
	[ "$status" != 0 ] || flunk
	run cr --rm --privileged "$I" c1 sh -c 'mount -t tmpfs none /mnt && echo mounted'
	assert_output mounted
	run cr --rm --seccomp "$I" c1 grep '^Seccomp:' /proc/self/status
	assert_match '2$'
	run cr --rm --with-ns "uts:/proc/self/ns/uts" "$I" c1 true
	assert_status 0
}

@test "containerd: a terminal" {
	run pty root size:30x90 'expect:[$#] ' 'send:tty; exit 4\n' -- "$E/ctr" run --rm --tty --snapshotter native \
		--runc-binary "$CRT_BIN/crt-oci" --cgroup /crt-test-containerd/c1 "$I" c1 sh
	assert_status 4
	assert_contains /dev/pts/0
}

@test "containerd: exec, pause, resume, ps, metrics, kill, delete of a task" {
	local pid
	cr -d --memory-limit 67108864 --pid-file "$E/pid" "$I" c1 sh -c "$SERVICE" >/dev/null
	pid=$(cat "$E/pid")
	kill -0 "$pid"
	run c task exec --exec-id e1 c1 sh -c 'echo in; exit 5'
	assert_status 5
	assert_output in
	run c task exec --exec-id e1 --user 1000 --cwd /tmp c1 sh -c 'id -u; pwd'
	assert_output $'1000\n/tmp'
	run c task exec --exec-id e1 c1 nope
	assert_status 1
	assert_contains 'OCI runtime exec failed: exec: "nope": executable file not found in $PATH: unknown'
	run pty root 'expect:pts' -- "$E/ctr" task exec -t --exec-id e2 c1 tty
	assert_contains /dev/pts/
	run c task ps c1
	assert_contains "$pid"
	run c task rm c1
	assert_status 1
	assert_contains 'task must be stopped before deletion'
	if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
		run c task metrics c1
		assert_match 'memory.limit_in_bytes +67108864'
		c task pause c1
		task_is PAUSED
		run c task exec --exec-id e3 c1 true
		assert_status 1
		c task resume c1
		task_is RUNNING
	fi
	c task kill c1
	wait_for 5 task_is STOPPED
	run c task kill c1
	[ "$status" != 0 ] || flunk
	run c task rm c1
	assert_contains 'exit code 4'
	c container rm c1
}
