#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# T56 for the store: the process is killed at every single system call of an operation (strace
# injects the signal at its entry). After each kill one ordinary command must find a store in
# which everything listed is complete, nothing is left over, and the operation works.
#
#   CRT_BIN             directory of store-tool
#   CRT_KILL_STEP=N     only every N-th point (default 1: all)

bats_require_minimum_version 1.5.0

setup() {
	for p in strace store-tool; do
		PATH=${CRT_BIN:-}:$PATH command -v "$p" >/dev/null || skip "needs the program $p"
	done
	PATH=${CRT_BIN:-}:$PATH
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-kill-XXXXXX")
	strace -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
}

teardown() {
	[ -z "${T-}" ] || rm -rf "$T"
}

# points CMD...: "syscall count" for every system call that the command makes
points() {
	strace -qq -o "$T/trace" "$@" >/dev/null
	sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' "$T/trace" | grep -v '^exit' | sort | uniq -c |
		awk '{ print $2, $1 }'
}

# each_point PREPARE CMD...: CMD is killed at each of its system calls in a fresh copy of $T/before
# (the store is called $T/s); afterwards the function "after" decides.
each_point() {
	local call count n=0 k
	rm -rf "$T/s" && cp -a "$T/before" "$T/s"
	points "$@" >"$T/points"
	while read -r call count; do
		for ((k = 1; k <= count; k++)); do
			n=$((n + 1))
			[ $((n % ${CRT_KILL_STEP:-1})) = 0 ] || continue
			rm -rf "$T/s" && cp -a "$T/before" "$T/s"
			strace -qq -o /dev/null -e inject="$call:signal=KILL:when=$k" "$@" >/dev/null 2>&1 || true
			if ! after >"$T/after" 2>&1; then
				echo "killed at $call number $k:"
				cat "$T/after"
				return 1
			fi
		done
	done <"$T/points"
	echo "# $n points" >&3
	[ "$n" -gt 30 ]
}

@test "T56 kill: taking an image in" {
	store-tool "$T/before" ingest localhost/old:latest a 4
	after() {
		store-tool "$T/s" check >"$T/list" || return 1
		grep -q localhost/old "$T/list" || { echo "the old image is lost"; return 1; }
		store-tool "$T/s" ingest localhost/new:latest b 4 || return 1
		store-tool "$T/s" check | grep -q localhost/new || { echo "not listed"; return 1; }
	}
	each_point store-tool "$T/s" ingest localhost/new:latest b 4
}

@test "T56 kill: making the store" {
	mkdir -m 0700 "$T/before"
	after() {
		store-tool "$T/s" check && store-tool "$T/s" ingest localhost/new:latest b 4 &&
			store-tool "$T/s" check | grep -q localhost/new
	}
	each_point store-tool "$T/s" check
}

@test "T56 kill: removing an image" {
	store-tool "$T/before" ingest localhost/old:latest a 4
	store-tool "$T/before" ingest localhost/new:latest b 4
	after() {
		store-tool "$T/s" check >"$T/list" || return 1
		grep -q localhost/old "$T/list" || { echo "the other image is lost"; return 1; }
		if grep -q localhost/new "$T/list"; then
			store-tool "$T/s" rmi localhost/new:latest || return 1
		fi
		# the next removal sweeps what the killed one left behind
		store-tool "$T/s" rmi localhost/old:latest && store-tool "$T/s" check || return 1
		[ -z "$(ls -A "$T/s/layers")$(ls -A "$T/s/oci/blobs/sha256")" ] || { ls "$T/s/layers"; return 1; }
	}
	each_point store-tool "$T/s" rmi localhost/new:latest
}

@test "T56 kill: a container comes and goes" {
	store-tool "$T/before" create ab12 first
	after() {
		store-tool "$T/s" check >"$T/list" || return 1
		grep -q "container ab12" "$T/list" || { echo "the other container is lost"; return 1; }
		if grep -q "container cd34" "$T/list"; then
			store-tool "$T/s" rm cd34 || return 1
		fi
		store-tool "$T/s" create ef56 second || return 1
		[ -z "$(ls -A "$T/s/trash")" ]
	}
	each_point store-tool "$T/s" create cd34 second
	rm -rf "$T/before"
	store-tool "$T/before" create ab12 first
	store-tool "$T/before" create cd34 second
	each_point store-tool "$T/s" rm cd34
}
