#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt attach, crt start --attach: detach keys, several at once, sizes, input, exit codes.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

log_has() { as alice crt logs "$1" 2>&1 | grep -q "$2"; }

@test "start -a shows all of the output and ends with the container's exit code" {
	as alice crt create --name a --network none $B sh -c 'echo first; echo err >&2; exit 6'
	run --separate-stderr as alice timeout 60 crt start -a a
	assert_status 6
	assert_output first
	[ "$stderr" = err ]
	as alice crt create -i --name i --network none $B cat
	head -c 300000 /dev/urandom >"$T/data"
	as alice timeout 60 crt start -ai i <"$T/data" >"$T/back"
	cmp "$T/data" "$T/back"
	as alice crt create --name n --network none $B nope
	run --separate-stderr -127 as alice crt start -a n
	assert_error 127 nope
}

@test "-t: size and its changes, detach keys leave it running, input reaches it, several at once" {
	as alice crt run -dit --name t --network none $B sh
	run pty alice size:31x91 'send:stty size\n' 'expect:31 91' 'size:40x101' sleep:0.3 'send:stty size\n' 'expect:40 101' \
		'send:\C-p\C-q' -- crt attach t
	assert_status 0
	run as alice crt inspect -f '{{.State.Status}}' t
	assert_output running
	# somebody else watches
	crt_start alice attach --no-stdin t
	wait_for 60 log_has t '40 101'
	run pty alice 'send:echo se""en; exit 3\n' expect:seen -- crt attach --detach-keys ctrl-x t
	assert_status 3
	job_wait
	assert_status 3
	run as alice timeout 60 crt wait t
	assert_output 3
}

@test "signals are passed on; who cannot be attached to is told why" {
	as alice crt run -d --name s --network none $B sh -c 'trap "echo got; exit 8" TERM; echo ready; while :; do sleep 0.1; done'
	wait_for 60 log_has s ready
	crt_start alice attach s
	wait_for 60 sh -c "ls -l /proc/$JOB/fd | grep -q signalfd"
	kill -TERM "$JOB"
	job_wait
	assert_status 8
	run --separate-stderr as alice crt attach s
	assert_error 125 "state exited"
	run --separate-stderr as alice crt attach nosuch
	assert_error 125 nosuch
	run --separate-stderr as alice crt run -d --detach-keys ctrl-7 $B true
	assert_error 125 detach-keys
}

@test "one that does not read cannot hold the container for ever" {

	as alice crt run -di --name h --network none $B sh -c 'read x; seq 200000; echo end'
	crt_start alice attach --no-stdin h
	sleep 0.2
	kill -STOP "$JOB"
	echo go | as alice timeout 30 crt attach h | tail -1 >"$T/last"
	kill -CONT "$JOB"
	[ "$(cat "$T/last")" = end ]
	job_wait
}

@test "crt run waits for its reader, however long; the exit code is not lost" {
	# two times as much as all queues hold; the reader sleeps longer than any attached one may
	run as alice timeout 100 bash -c 'crt run --network none '$B' sh -c "head -c 3000000 /dev/zero; exit 5" |
		(sleep 7; wc -c); echo "${PIPESTATUS[0]}"'
	assert_output $'3000000\n5'
	# neither rm -f nor a signal waits for a reader that sleeps
	mkfifo -m 0666 "$T/fifo"
	exec 8<>"$T/fifo"
	as_exec alice crt run --name slow --network none $B sh -c 'trap "exit 9" INT; echo up; head -c 3000000 /dev/zero & wait' </dev/null >"$T/fifo" 2>&1 &
	JOB=$!
	wait_for 60 log_has slow up
	run as alice timeout 30 crt rm -f slow
	assert_status 0
	cat <&8 >/dev/null &
	wait "$JOB" || true
	kill $!
	exec 8>&-
}

@test "signals without --sig-proxy end crt and not the container; with it every signal goes in" {
	crt_start alice run --sig-proxy=false --name p --network none $B sh -c 'echo up; exec sleep 1000'
	wait_for 60 log_has p up
	wait_for 60 sh -c "ls -l /proc/$JOB/fd | grep -q signalfd"
	kill -TERM "$JOB"
	job_wait
	assert_status 143
	run as alice crt inspect -f '{{.State.Status}}' p
	assert_output running
	crt_start alice run --name q --network none $B sh -c 'trap "echo got; exit 8" VTALRM; echo up; while :; do sleep 0.1; done'
	wait_for 60 log_has q up
	wait_for 60 sh -c "ls -l /proc/$JOB/fd | grep -q signalfd"
	kill -VTALRM "$JOB"
	job_wait
	assert_status 8
}

@test "a foreground container that stays has a log and can be left by the keys" {
	run as alice crt run --name f --network none $B sh -c 'echo out; echo err >&2; exit 4'
	assert_status 4
	run --separate-stderr as alice crt logs f
	assert_output out
	[ "$stderr" = err ] || flunk "standard error: $stderr"
	run pty alice 'send:echo se""en\n' expect:seen 'send:\C-p\C-q' -- crt run -it --name left --network none $B sh
	assert_status 0
	run as alice crt inspect -f '{{.State.Status}}' left
	assert_output running
	as alice crt rm -f -t 0 left f
	# with --rm it is a child of crt, without a monitor
	run as alice crt run --rm --network none $B sh -c 'echo out; exit 5'
	assert_status 5
	assert_output out
}
