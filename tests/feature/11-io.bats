#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Standard input and output without and with a terminal.
load helpers

# bats test_tags=slow
@test "T2: 1 GiB through run -i, both ways, with the same sum" {
	# a stream that can be made again without storing it
	local size=1024 stream
	stream="openssl enc -aes-128-ctr -pass pass:x -nosalt -md sha256 </dev/zero 2>/dev/null | head -c ${size}M"
	as alice bash -c "$stream | sha256sum" >"$T/want"
	run as alice bash -c "$stream | crt run --rm -i builtin:busybox sha256sum"
	assert_status 0
	[ "$output" = "$(cat "$T/want")" ] || flunk "into the container"
	run as alice bash -c "$stream | crt run --rm -i builtin:busybox cat | sha256sum"
	[ "$output" = "$(cat "$T/want")" ] || flunk "through the container"
}

@test "T2: stdout and stderr stay apart" {
	run --separate-stderr as alice crt run --rm builtin:busybox sh -c 'echo out; echo err >&2'
	[ "$status:$output:$stderr" = "0:out:err" ] || flunk
}

@test "T2: without -i standard input is empty" {
	run as alice bash -c 'echo data | crt run --rm builtin:busybox wc -c'
	[ "$status:$output" = "0:0" ] || flunk
	run as alice bash -c 'echo data | crt run --rm -i builtin:busybox wc -c'
	[ "$status:$output" = "0:5" ] || flunk
}

@test "T2: a slow reader gets everything, a reader that goes away hangs nobody" {
	run as alice bash -c 'crt run --rm builtin:busybox sh -c "head -c 3000000 /dev/zero" | (sleep 1; wc -c)'
	[ "$status:$output" = "0:3000000" ] || flunk
	run as alice timeout 20 bash -c 'crt run --rm builtin:busybox yes | head -n 1; echo "${PIPESTATUS[0]}"'
	assert_status 0
	[ "${lines[0]}" = y ] || flunk
	[ "${lines[1]}" != 124 ] || flunk
}

@test "closed descriptors 0, 1, 2 do no harm" {
	run as alice bash -c 'crt run --rm builtin:busybox true 0<&- 1>&- 2>&-; echo $?'
	assert_output 0
}

@test "a terminal: size before the program starts, resize, Ctrl-C, Ctrl-D, exit code" {
	run pty alice size:33x99 'expect:[#$] ' 'send:stty size\n' 'expect:33 99' 'size:40x120' 'sleep:0.2' 'send:stty size\n' \
		'expect:40 120' 'send:tty; echo $TERM\n' 'expect:/dev/(pts/0|console)' 'expect:xterm' \
		'send:sleep 30\n' 'sleep:0.3' 'send:\C-c' 'expect:[#$] ' 'send:exit 9\n' -- crt run --rm -it builtin:busybox sh
	assert_status 9
	run pty alice 'expect:[#$] ' 'send:\C-d' -- crt run --rm -it builtin:busybox sh
	assert_status 0
}

@test "the caller's terminal is as before after an exit, a failure and a kill" {
	cat >"$T/check" <<-'END'
		before=$(stty -g)
		"$@"
		echo "code $?"
		[ "$before" = "$(stty -g)" ] && echo "terminal restored"
	END
	run pty alice expect:restored -- bash "$T/check" crt run --rm -it builtin:busybox sh -c 'exit 3'
	assert_contains "code 3"
	run pty alice expect:restored -- bash "$T/check" crt run --rm -it builtin:busybox no-such-program
	assert_contains "code 127"
	run pty alice expect:restored -- bash "$T/check" crt run --rm -it --init builtin:busybox sh -c 'kill -9 $$'
	assert_contains "code 137"
}

@test "-t without a terminal on our side works; -it says nothing extra" {
	run as alice crt run --rm -t builtin:busybox sh -c 'test -t 1 && echo terminal'
	assert_status 0
	assert_contains terminal
}

@test "hanging up our side ends the container" {
	run pty alice 'expect:[#$] ' hangup -- timeout --foreground -k 1 20 crt run --rm -it builtin:busybox sh
	[ "$status" != 124 ] && [ "$status" != 137 ] || flunk
}
