#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Detached containers: run -d, create, start, stop, kill, wait, rm -f, logs.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

# what must run for a test to end: everything of this user's is removed again
teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

state() { as alice crt inspect -f '{{.State.Status}}' "$1"; }
is_state() { [ "$(state "$1")" = "$2" ]; }
log_has() { as alice crt logs "$1" 2>&1 | grep -q "$2"; }

@test "run -d prints the id when the command runs, and the caller's streams are free" {
	# a process that kept the pipe open would hang this
	run as alice timeout 60 crt run -d --name one $B sleep 600
	assert_status 0
	assert_match '^[0-9a-f]{64}$'
	is_state one running
	run as alice crt ps --format '{{.Names}} {{.State}}'
	assert_output "one running"
}

@test "run -d reports what keeps the command from being started" {
	run -127 as alice crt run -d $B /nope
	assert_status 127
	assert_contains /nope
	run as alice crt run -d $B /etc/passwd
	assert_status 126
	run -127 as alice crt run -d --rm $B /nope
	assert_status 127
	run as alice crt ps -aq
	[ "${#lines[@]}" = 2 ]
}

@test "stop sends the stop signal, the exit code is recorded, start begins another life with the same files" {
	as alice crt run -d --name s --network none $B \
		sh -c 'trap "exit 3" TERM; echo life >>/lives; echo ready; while :; do sleep 0.1; done'
	wait_for 60 log_has s ready
	run as alice crt stop s
	assert_output s
	run as alice crt inspect -f '{{.State.Status}} {{.State.ExitCode}}' s
	assert_output "exited 3"
	run as alice crt start s
	assert_output s
	is_state s running
	run as alice crt start s
	assert_status 0
	as alice crt stop -t 0 s
	run cat "$(store alice)"/containers/*/upper/lives
	[ "${#lines[@]}" = 2 ]
	run as alice crt inspect -f '{{.State.ExitCode}}' s
	assert_output 137
}

@test "create, start, wait, logs of an ended container; standard error stays apart" {
	as alice crt create --name c --network none $B sh -c 'echo out; echo err >&2; exit 4'
	is_state c created
	run as alice crt start c
	assert_status 0
	run as alice timeout 60 crt wait c
	assert_output 4
	run --separate-stderr as alice crt logs c
	assert_output out
	[ "$stderr" = err ]
	run as alice crt logs -t --tail 1 c
	assert_match '^[0-9]{4}-[0-9-]+T[0-9:.]+\+00:00 '
	run as alice crt logs --until 2001-01-01 c
	assert_output ""
	# at once after the end, while it is still cleaned up
	as alice crt start c
	as alice timeout 60 crt wait c
	as alice crt start c
	as alice timeout 60 crt wait c
	as alice crt rm c
}

@test "logs -f ends with the container and misses nothing" {
	as alice crt run -d --name f --network none $B sh -c 'for i in $(seq 2000); do echo "line $i"; done; sleep 0.3; echo last'
	run as alice timeout 60 crt logs -f f
	assert_status 0
	[ "${#lines[@]}" = 2001 ]
	[ "${lines[2000]}" = last ]
	run as alice crt logs --tail 3 f
	[ "${lines[0]}" = "line 1999" ]
	[ "${#lines[@]}" = 3 ]
}

@test "json-file, none, max-size with rotation" {
	as alice crt run -d --name j --network none --log-driver json-file $B printf 'a"b\n\001'
	as alice timeout 60 crt wait j
	python3 - "$(store alice)"/containers/*/ctr.log <<-'EOP'
		import json, sys
		lines = [json.loads(l) for l in open(sys.argv[1])]
		assert [l["log"] for l in lines] == ['a"b\n', "\x01"], lines
	EOP
	run as alice crt logs j
	assert_output $'a"b\n\001'
	as alice crt run -d --name n --network none --log-driver none $B echo x
	as alice timeout 60 crt wait n
	run --separate-stderr as alice crt logs n
	assert_error 125 "log-driver none"
	as alice crt run -d --name m --network none --log-opt max-size=20k --log-opt max-file=3 $B \
		sh -c 'i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo "number $i"; done'
	as alice timeout 60 crt wait m
	run as alice crt logs --tail 2 m
	[ "${lines[1]}" = 'number 4000' ]
	[ "$(cat "$(store alice)"/containers/*/ctr.log.* | wc -c)" -le 42000 ]
}

@test "on a terminal the log cannot do more than colours" {
	as alice crt run -d --name t --network none $B printf '\033[2J\033]52;c;aGk=\007red:\033[31m\r\n\302\233x\n'
	as alice timeout 60 crt wait t
	run pty alice -- crt logs t
	assert_contains 'x1b[2J'
	assert_contains $'red:\033[31m'
	refute_contains $'\033[2J'
	refute_contains $'\007'
	refute_contains $'\302\233'
}

@test "kill sends any signal; wrong states and unknown names are errors with one line" {
	as alice crt run -d --name k --network none $B sh -c 'trap "echo got" USR1; echo ready; while :; do sleep 0.1; done'
	wait_for 60 log_has k ready
	run as alice crt kill -s USR1 k
	assert_output k
	wait_for 60 log_has k got
	run as alice crt rm k
	assert_status 2
	as alice crt kill k
	run as alice timeout 60 crt wait k
	assert_output 137
	run --separate-stderr as alice crt kill k
	assert_error 125 "state exited"
	for verb in start stop kill wait logs; do
		run --separate-stderr as alice crt $verb nosuch
		assert_error 125 nosuch
	done
	run as alice crt stop k
	assert_status 0
	run --separate-stderr as alice crt run -d --name k $B true
	assert_error 125 "in use"
	run as alice crt run -d --replace --name k --network none $B sleep 600
	assert_status 0
	run as alice crt ps -aq
	[ "${#lines[@]}" = 1 ]
}

@test "--rm -d leaves nothing, and wait still tells the exit code" {
	as alice crt run -d --rm --name r --network none $B \
		sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
	wait_for 60 log_has r ready
	crt_start alice wait r
	wait_for 60 sh -c "ls -l /proc/$JOB/fd | grep -q socket"
	as alice crt kill -s TERM r
	job_wait
	assert_output 7
	wait_for 60 sh -c "[ -z \"\$(ls '$(store alice)/containers')\" ]"
}

@test "restart policies, and stop ends them" {
	as alice crt run -d --name on --network none --restart on-failure:2 $B sh -c 'echo life; exit 1'
	wait_for 60 is_state on exited
	wait_for 60 sh -c "[ \"\$(grep -c life '$(store alice)'/containers/*/ctr.log)\" = 3 ]"
	run as alice timeout 60 crt wait on
	assert_output 1
	as alice crt run -d --name al --network none --restart always $B sh -c 'echo again; sleep 0.2'
	wait_for 60 sh -c "[ \"\$(cat '$(store alice)'/containers/*/ctr.log | grep -c again)\" -ge 2 ]"
	run as alice crt stop al
	assert_status 0
	is_state al exited
}

@test "after SIGKILL of the monitor every command tells the truth at once, and rm leaves nothing" {
	as alice crt run -d --name v $B sleep 600
	local pid
	pid=$(cut -d' ' -f3 "$(runtime_dir alice)"/crt/containers/*/pid)
	wait_for 60 grep -qx crt-monitor "/proc/$pid/comm"
	kill -KILL "$pid"
	wait_for 60 is_state v exited
	run as alice crt wait v
	assert_status 0
	run as alice crt start v
	assert_status 0
	is_state v running
	# one that is stopped dead cannot end: rm -f ends it
	pid=$(cut -d' ' -f3 "$(runtime_dir alice)"/crt/containers/*/pid)
	kill -STOP "$pid"
	run as alice timeout 50 crt rm -f v
	assert_status 0
	run as alice crt ps -aq
	assert_output ""
}

@test "single-id users and root have detached containers too" {
	need_root
	local who
	for who in carol root; do
		run as $who crt run -d --name d $B sh -c 'id -u; sleep 600'
		assert_status 0
		wait_for 60 grep -q 'stdout F 0' "$(store $who)"/containers/*/ctr.log
		run as $who crt stop -t 0 d
		assert_status 0
		run as $who crt logs d
		assert_output 0
		as $who crt rm d
	done
}

@test "no descriptor of the caller stays open in the monitor or in crt-net" {
	exec 7>"$T/mark"
	AS_FDS=7 as alice crt run -d --name q $B sleep 600
	exec 7>&-
	run bash -c "ls -l /proc/*/fd/* 2>/dev/null | grep -c '$T/mark'"
	assert_output 0
}

@test "restart begins another life, rename keeps it running" {
	as alice crt run -d --name old --network none --stop-timeout 0 $B sh -c 'echo life; exec sleep 600'
	wait_for 60 log_has old life
	run as alice crt restart old
	assert_output old
	wait_for 60 sh -c "[ \"\$(grep -c life '$(store alice)'/containers/*/ctr.log)\" = 2 ]"
	is_state old running
	run as alice crt rename old new
	assert_status 0
	is_state new running
	run --separate-stderr as alice crt logs old
	assert_error 125 old
	as alice crt create --name old --network none $B true
	run --separate-stderr as alice crt rename old new
	assert_error 125 "in use"
	run --separate-stderr as alice crt rename new 'a/b'
	assert_error 125 "invalid container name"
	run as alice crt rm -f new
	assert_status 0
	as alice crt create --name new --network none $B true
}

@test "a runtime directory that is gone, as after a logout, hides no container" {
	as alice crt run -d --name lost --network none --restart always $B sleep 600
	rm -rf "$(runtime_dir alice)/crt"
	is_state lost running
	run as alice timeout 60 crt stop -t 0 lost
	assert_status 0
	is_state lost exited
	run as alice crt start lost
	assert_status 0
	rm -rf "$(runtime_dir alice)/crt"
	run as alice timeout 60 crt rm -f lost
	assert_status 0
	run as alice crt ps -aq
	assert_output ""
}
