#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-init by itself, as pid 1 of a pid namespace: exit codes, signals, orphans.

load helpers

# in_pidns CMD...: crt-init -- CMD as pid 1
in_pidns() {
	as alice unshare --user --map-root-user --pid --fork --mount-proc "$INIT" -- "$@"
}

setup() {
	world_setup
	INIT=$CRT_BIN/crt-init
	[ -x "$INIT" ] || INIT=$(cd "$CRT_BIN/../libexec/crt" && pwd)/crt-init
	need_program unshare
}

@test "init: is a static program that needs nothing of an image" {
	run file "$INIT"
	[[ "$output" == *"statically linked"* ]]
}

@test "init: ends as its child ends" {
	run in_pidns sh -c 'exit 7'
	[ "$status" = 7 ]
	run in_pidns true
	[ "$status" = 0 ]
	run in_pidns sh -c 'kill -TERM $$'
	[ "$status" = 143 ]
	run in_pidns sh -c 'kill -KILL $$'
	[ "$status" = 137 ]
}

@test "init: tells a missing program from one that cannot be executed" {
	run -127 in_pidns no-such-program
	[ "$status" = 127 ]
	[[ "$output" == *"no-such-program: no such file or directory"* ]]
	run in_pidns /etc/passwd
	[ "$status" = 126 ]
	[[ "$output" == *"/etc/passwd: permission denied"* ]]
	run in_pidns
	[ "$status" = 125 ]
}

@test "init: the child is not pid 1 and starts with no signal blocked or ignored" {
	run in_pidns sh -c 'echo $$; grep -E "^Sig(Blk|Ign)" /proc/self/status'
	[ "$status" = 0 ]
	[ "${lines[0]}" != 1 ]
	[[ "$output" == *"SigBlk:"*"0000000000000000"* ]]
}

@test "init: forwards signals" {
	local sig
	for sig in HUP INT QUIT USR1 USR2 TERM WINCH; do
		# the signal goes to pid 1, the child must be the one that sees it
		run in_pidns sh -c "trap 'echo got $sig; exit 9' $sig; kill -$sig 1; sleep 5 & wait"
		[ "$status" = 9 ]
		[ "$output" = "got $sig" ]
	done
}

# bats test_tags=slow
@test "T4 init: 5000 orphans are reaped, their exits do not end the container" {
	run in_pidns sh -c '
		i=0
		while [ $i -lt 5000 ]; do (sh -c "exit 3" &); i=$((i + 1)); done
		# the last ones may still run; counted are init, the shell, and the three of the count
		for try in 1 2 3 4 5 6 7 8 9 10; do
			n=$(cat /proc/[0-9]*/stat 2>/dev/null | wc -l)
			[ $n -gt 5 ] || break
			sleep 0.2
		done
		grep -l "^State:.Z" /proc/[0-9]*/status
		echo "left $n"
		exit 5'
	[ "$status" = 5 ]
	[[ "$output" =~ ^left\ [1-5]$ ]]
}

@test "init: reaps orphans outside of a pid namespace too" {
	run as alice "$INIT" -- sh -c '(sh -c "sleep 0.2; exit 4" &); sleep 0.6; cat /proc/$PPID/task/*/children'
	[ "$status" = 0 ]
	# only the child itself is left
	[ "$(wc -w <<<"$output")" = 1 ]
}

@test "init: with a terminal, the child is in the foreground" {
	need_program script
	run as alice script -qec "$INIT -- sh -c 'read -r line </dev/tty; echo \"read \$line\"'" /dev/null <<<hello
	[[ "$output" == *"read hello"* ]]
}
