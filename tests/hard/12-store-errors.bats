#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# T57 for the store: every system call of an operation fails once (strace injects the error).
# The operation may fail, with a message; it must not crash, claim success after a failed sync,
# or leave a store in which something listed is incomplete or the operation does not work.
#
#   CRT_BIN           directory of store-tool
#   CRT_FAIL_STEP=N   only every N-th point (default 1: all)

bats_require_minimum_version 1.5.0

setup() {
	PATH=${CRT_BIN:-}:$PATH
	for p in strace store-tool; do
		command -v "$p" >/dev/null || skip "needs the program $p"
	done
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-errors-XXXXXX")
	strace -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
}

teardown() {
	[ -z "${T-}" ] || rm -rf "$T"
}

# each_error ERRNO CMD...: see 10-store-kill.bats; calls of the dynamic loader are left out
each_error() {
	local errno=$1 call first count n=0 k code
	shift
	rm -rf "$T/s" && cp -a "$T/before" "$T/s"
	strace -qq -o "$T/trace" "$@" >/dev/null
	# the store's first own call opens its directory: count what the loader made before it
	sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' "$T/trace" >"$T/calls"
	first=$(grep -n "\"$T/s\"" "$T/trace" | sed -n '2s/:.*//p')
	awk -v first="$first" '{ n[$1]++ } NR == first { for (c in n) m[c] = n[c] - ($1 == c) }
		END { for (c in n) if (c !~ /^(exit|exit_group|brk|munmap|execve)$/ && n[c] > m[c]) print c, m[c] + 1, n[c] }' \
		"$T/calls" >"$T/points"
	while read -r call first count; do
		for ((k = first; k <= count; k++)); do
			n=$((n + 1))
			[ $((n % ${CRT_FAIL_STEP:-1})) = 0 ] || continue
			rm -rf "$T/s" && cp -a "$T/before" "$T/s"
			code=0
			strace -qq -o /dev/null -e inject="$call:error=$errno:when=$k" "$@" >/dev/null 2>"$T/err" || code=$?
			if [ "$code" -gt 1 ] || { [ "$code" = 1 ] && [ ! -s "$T/err" ]; }; then
				echo "$call number $k with $errno: status $code"
				cat "$T/err"
				return 1
			fi
			case $call in
			fsync | syncfs) [ "$code" = 1 ] || [ "$errno" = "${recovers-}" ] || { echo "success after $errno of $call"; return 1; } ;;
			esac
			if ! after >"$T/after" 2>&1; then
				echo "$call number $k with $errno:"
				cat "$T/err" "$T/after"
				return 1
			fi
		done
	done <"$T/points"
	echo "# $n points" >&3
	[ "$n" -gt 20 ]
}

@test "T57 errors: taking an image in" {
	local errno
	store-tool "$T/before" ingest localhost/old:latest a 4
	after() {
		store-tool "$T/s" check >"$T/list" || return 1
		grep -q localhost/old "$T/list" || { echo "the old image is lost"; return 1; }
		store-tool "$T/s" ingest localhost/new:latest b 4 || return 1
		store-tool "$T/s" check | grep -q localhost/new || { echo "not listed"; return 1; }
	}
	for errno in EIO ENOSPC EMFILE; do
		each_error "$errno" store-tool "$T/s" ingest localhost/new:latest b 4
	done
}

@test "T57 errors: removing an image" {
	local errno
	store-tool "$T/before" ingest localhost/old:latest a 4
	store-tool "$T/before" ingest localhost/new:latest b 4
	after() {
		store-tool "$T/s" check >"$T/list" || return 1
		grep -q localhost/old "$T/list" || { echo "the other image is lost"; return 1; }
		if grep -q localhost/new "$T/list"; then
			store-tool "$T/s" rmi localhost/new:latest || return 1
		fi
		store-tool "$T/s" rmi localhost/old:latest && store-tool "$T/s" check || return 1
		[ -z "$(ls -A "$T/s/layers")$(ls -A "$T/s/oci/blobs/sha256")" ] || { ls "$T/s/layers"; return 1; }
	}
	recovers=ENOSPC # removing works on a full disk
	for errno in EIO ENOSPC EMFILE; do
		each_error "$errno" store-tool "$T/s" rmi localhost/new:latest
	done
}

@test "T57 errors: a container comes and goes" {
	local errno
	store-tool "$T/before" create ab12 first
	after() {
		store-tool "$T/s" check >"$T/list" || return 1
		grep -q "container ab12" "$T/list" || { echo "the other container is lost"; return 1; }
		if grep -q "container cd34" "$T/list"; then
			store-tool "$T/s" rm cd34 || return 1
		fi
		store-tool "$T/s" create ef56 second
	}
	for errno in EIO ENOSPC EMFILE; do
		each_error "$errno" store-tool "$T/s" create cd34 second
	done
	rm -rf "$T/before"
	store-tool "$T/before" create ab12 first
	store-tool "$T/before" create cd34 second
	for errno in EIO ENOSPC EMFILE; do
		each_error "$errno" store-tool "$T/s" rm cd34
	done
}
