#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The sum that bootstrap prints: nothing that broke, stopped early or did not run may look like a success.
load helpers

# sum TEXT STATUS: the last line of the summary of one TAP stream, and its exit status
sum() {
	printf '%s' "$1" >"$T/tap"
	run /usr/bin/python3 -B "$FEATURE_DIR/../summary.py" "tap:$2:x:$T/tap"
}

@test "summary: passed, failed and skipped are counted, the last line stands alone" {
	sum $'1..3\nok 1 a in 5ms\nok 2 b # skip no kvm\nok 3 c\n' 0
	[ "$status:${lines[-1]}" = "0:2 passed, 0 failed, 1 skipped" ] || flunk
	sum $'1..3\nok 1 a\nnot ok 2 b\nok 3 c\n' 1
	[ "$status:${lines[-1]}" = "1:2 passed, 1 failed, 0 skipped" ] || flunk
	# cmocka's way to say skipped
	sum $'1..2\nok 1 - a\nnot ok 2 # SKIP b\n' 0
	[ "$status:${lines[-1]}" = "0:1 passed, 0 failed, 1 skipped" ] || flunk
}

@test "summary: tests that did not run, a runner that died, no plan, no output, no file" {
	sum $'1..5\nok 1 a\nok 2 b\n' 143
	[ "$status:${lines[-1]}" = "1:2 passed, 3 failed, 0 skipped" ] || flunk
	sum $'1..1\nok 1 a\n' 139
	[ "$status:${lines[-1]}" = "1:1 passed, 1 failed, 0 skipped" ] || flunk
	sum $'ok 1 a\n' 0
	[ "$status" = 1 ] || flunk
	sum '' 0
	[ "$status:${lines[-1]}" = "1:0 passed, 1 failed, 0 skipped" ] || flunk
	run /usr/bin/python3 -B "$FEATURE_DIR/../summary.py" "tap:0:x:$T/missing"
	[ "$status" = 1 ] || flunk
	run /usr/bin/python3 -B "$FEATURE_DIR/../summary.py"
	[ "$status" = 1 ] || flunk
}

@test "bootstrap: a run that is ended by a signal is a failure, although all that ran had passed" {
	local signal
	# the real script with its work replaced: one suite that passed, then the signal
	mkdir -p "$T/tree/tests"
	cp "$FEATURE_DIR/../summary.py" "$T/tree/tests/"
	sed '/^VERB=/,$d' "$FEATURE_DIR/../../bootstrap" >"$T/tree/bootstrap"
	for signal in TERM INT HUP; do
		cat >"$T/tree/run" <<-END
			source "\${BASH_SOURCE[0]%/*}/bootstrap"
			VERB=test
			trap finish EXIT
			printf '1..1\nok 1 a\n' >"$T/tap"
			RESULTS+=("tap:0:x:$T/tap")
			kill -$signal \$\$
			true
		END
		run bash "$T/tree/run"
		[ "$status" = 1 ] || flunk "$signal: expected a failure"
		[ "${lines[-1]}" = "1 passed, 1 failed, 0 skipped" ] || flunk "$signal"
	done
}
