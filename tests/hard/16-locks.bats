#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Promise 5: a lock that a hung process holds is waited for, for a minute, and then named with its owner.
# Commands that only read do not wait at all.
#
#   CRT_BIN             directory of crt
#   CRT_KILL_STEP=N     N > 1: only the commands that do not wait

bats_require_minimum_version 1.5.0

setup() {
	PATH=${CRT_BIN:-}:$PATH
	command -v crt >/dev/null || skip "needs the program crt"
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-locks-XXXXXX")
	mkdir -m 0700 "$T/home" "$T/run"
	export HOME=$T/home XDG_RUNTIME_DIR=$T/run CRT_ROOT=$T/s
	crt run --rm -q --network none builtin:busybox true 2>"$T/err" || skip "crt cannot run here: $(tail -n 1 "$T/err")"
	for lock in index.lock gc.lock; do
		: >>"$T/s/$lock"
	done
	exec 8<"$T/s/index.lock" 9<"$T/s/gc.lock"
	flock -x 8
	flock -x 9
}

teardown() {
	exec 8<&- 9<&-
	[ -z "${T-}" ] || rm -rf "$T"
}

@test "a lock that is never given back: reading goes on" {
	exec 9<&- # a sweep, which a new container waits for
	local verb
	for verb in "images" "ps -a" "image inspect builtin:busybox" "system df" "run --rm -q --network none builtin:busybox true"; do
		# shellcheck disable=SC2086 # words
		timeout 30 crt $verb 8<&- 9<&- || { echo "crt $verb waited, or failed: $?"; false; }
	done
}

@test "a lock that is never given back: changing ends with its name" {
	[ "${CRT_KILL_STEP:-1}" = 1 ] || skip "takes a minute"
	local verb pid pids=()
	for verb in "tag builtin:busybox x" "rmi builtin:busybox" "pull -q builtin:busybox" "system check --repair" "image prune -f"; do
		# shellcheck disable=SC2086 # words
		timeout 300 crt $verb >"$T/out.${verb%% *}" 2>&1 8<&- 9<&- &
		pids+=("$!:${verb%% *}")
	done
	for pid in "${pids[@]}"; do
		code=0
		wait "${pid%%:*}" || code=$?
		echo "${pid#*:}: $code: $(cat "$T/out.${pid#*:}")"
		[ "$code" != 124 ]
		case ${pid#*:} in
		image) ;;
		*) [ "$code" != 0 ] && grep -q lock "$T/out.${pid#*:}" ;;
		esac
	done
}
