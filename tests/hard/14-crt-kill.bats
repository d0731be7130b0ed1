#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Promise 1 for the real commands: pull, load, run, commit, rm, rmi and prune are killed at every
# system call of each of their processes (strace injects SIGKILL), and every system call fails with
# ENOSPC and EIO. Afterwards, without any repair: the store has no damage, what was there is there and
# runs, the same command works, and everything can be removed until nothing is left.
#
#   CRT_BIN             directory of crt
#   CRT_KILL_STEP=N     N > 1: only about 80 / N points of each command and kind (default 1: all)

bats_require_minimum_version 1.5.0

setup() {
	PATH=${CRT_BIN:-}:$PATH
	for p in crt strace umoci jq; do
		command -v "$p" >/dev/null || skip "needs the program $p"
	done
	strace -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-kills-XXXXXX")
	mkdir -m 0700 "$T/home" "$T/run" "$T/layer"
	export HOME=$T/home XDG_RUNTIME_DIR=$T/run CRT_ROOT=$T/s
	crt run --rm -q --network none builtin:busybox true 2>"$T/err" || skip "crt cannot run here: $(tail -n 1 "$T/err")"
	image new 8
	image extra 3
	crt pull -q "oci:$T/extra" >/dev/null
	crt run -q --network none --name kept builtin:busybox sh -c 'echo precious >/kept'
	cp -a "$T/s" "$T/before"
}

teardown() {
	[ -z "${T-}" ] || rm -rf "$T"
}

# image NAME FILES: an OCI layout with one layer
image() {
	local i
	mkdir "$T/layer/$1"
	for ((i = 0; i < $2; i++)); do echo "$1 $i" >"$T/layer/$1/file$i"; done
	tar -C "$T/layer" -cf "$T/$1.tar" "$1"
	umoci init --layout "$T/$1" && umoci new --image "$T/$1:latest" &&
		umoci raw add-layer --image "$T/$1:latest" "$T/$1.tar"
} >/dev/null 2>&1

fresh() {
	rm -rf "$T/s" "$T/run/crt"
	cp -a "$T/before" "$T/s"
}

# points CMD...: "syscall count", the count being that of the process that makes it most often
points() {
	fresh
	strace -f -qq -o "$T/trace" "$@" >/dev/null
	sed -n 's/^\([0-9]*\) *\([a-z0-9_]*\)(.*/\1 \2/p' "$T/trace" | grep -v ' exit' | sort | uniq -c |
		awk '$1 > n[$3] { n[$3] = $1 } END { for (c in n) print c, n[c] }' | sort
}

# the calls that change something on a disk
WRITES='write pwrite64 writev copy_file_range sendfile splice openat openat2 mkdir mkdirat rename renameat
	renameat2 link linkat symlinkat unlink unlinkat rmdir mknodat fchown fchownat fchmod fchmodat fsetxattr utimensat
	ftruncate fallocate fsync fdatasync syncfs flock'

# whole INJECTION: what every command finds afterwards, whatever happened before
whole() {
	local left
	crt system check || { echo "the store is damaged"; return 1; }
	crt image exists builtin:busybox || { echo "an image is lost"; return 1; }
	[ "$(crt run --rm -q --network none --pull never builtin:busybox echo fine)" = fine ] ||
		{ echo "nothing runs"; return 1; }
	after || return 1
	crt rm -a -f >/dev/null && crt rmi -a -f >/dev/null || { echo "it cannot be emptied"; return 1; }
	left=$(find "$T/s/layers" "$T/s/oci/blobs/sha256" "$T/s/tmp" "$T/s/trash" "$T/s/containers" \
		-mindepth 1 -maxdepth 1)
	# what could not be unlinked once: a name is taken again, a bundle goes with the session
	[[ $1 = error=* ]] || left+=$(find "$T/s/names" "$T/run/crt/containers" -mindepth 1 -maxdepth 1)
	[ -z "$left" ] || { echo "left over: $left"; return 1; }
}

# each_point INJECTION CMD...: one point after the other in a fresh copy of the store; errors only where something is written
each_point() {
	local what=$1 call count k n=0 visited=0 step code
	shift
	points "$@" >"$T/all"
	while read -r call count; do
		[[ $what != error=* || " ${WRITES//[[:space:]]/ } " == *" $call "* ]] && echo "$call $count"
	done <"$T/all" >"$T/points"
	n=$(awk '{ n += $2 } END { print n }' "$T/points")
	echo "# $n points: $what of ${*:1:3}" >&3
	[ "$n" -gt 20 ]
	step=$((n * ${CRT_KILL_STEP:-1} / 80))
	[ "${CRT_KILL_STEP:-1}" -gt 1 ] && [ "$step" -gt 0 ] || step=1
	n=$((step / 2))
	while read -r call count; do
		for ((k = 1; k <= count; k++)); do
			n=$((n + 1))
			[ $((n % step)) = 0 ] || continue
			visited=$((visited + 1))
			fresh
			code=0
			(
				timeout 120 strace -f -qq -o /dev/null -e "inject=$call:$what:when=$k" "$@" >"$T/out" 2>&1
				exit $?
			) 2>/dev/null || code=$?
			[ "$code" != 124 ] || { echo "hangs after $what of $call number $k"; return 1; }
			case $what:$call:$2 in
			error=*:syncfs:*) [ "$code" != 0 ] || { echo "success after $what of $call"; return 1; } ;;
			esac
			if ! whole "$what" >"$T/after" 2>&1; then
				echo "$what of $call number $k in $*:"
				cat "$T/out" "$T/after"
				return 1
			fi
		done
	done <"$T/points"
	echo "# $visited visited" >&3
}

is_kept() { [ "$(crt cp kept:/kept - | tar xO)" = precious ] || { echo "the container's file is lost"; return 1; }; }

# every_way CMD...
every_way() {
	each_point signal=KILL "$@"
	each_point error=ENOSPC "$@"
	each_point error=EIO "$@"
}

@test "kill, full disk, bad disk: crt pull" {
	after() { is_kept && crt pull -q "oci:$T/new" && crt system check && crt images | grep -q "$T/new"; }
	every_way crt pull -q "oci:$T/new"
}

@test "kill, full disk, bad disk: crt load" {
	tar -C "$T/new" -cf "$T/new.oci" .
	after() { is_kept && crt load -q -i "$T/new.oci" && crt system check; }
	every_way crt load -q -i "$T/new.oci"
}

@test "kill, full disk, bad disk: crt run" {
	after() { is_kept && crt rm -f -i again && crt run -q --network none --name again builtin:busybox true; }
	every_way crt run -q --network none --name again builtin:busybox true
}

@test "kill, full disk, bad disk: crt run --rm" {
	after() { is_kept && [ "$(crt ps -aq | wc -l)" -le 2 ]; }
	every_way crt run --rm -q --network none builtin:busybox true
}

@test "kill, full disk, bad disk: crt commit" {
	after() {
		is_kept && crt commit -q kept fresh && crt system check &&
			[ "$(crt run --rm -q --network none fresh cat /kept)" = precious ]
	}
	every_way crt commit -q kept fresh
}

@test "kill, full disk, bad disk: crt rm" {
	after() { [ -z "$(crt ps -aq --filter name=kept)" ] || { is_kept && crt rm kept; }; }
	every_way crt rm kept
}

@test "kill, full disk, bad disk: crt rmi" {
	after() { is_kept && { ! crt image exists "oci:$T/extra" || crt rmi "oci:$T/extra"; }; }
	every_way crt rmi "oci:$T/extra"
}

@test "kill, full disk, bad disk: crt system prune" {
	after() { [ -z "$(crt ps -aq --filter name=kept)" ] || is_kept; }
	crt rmi "oci:$T/extra" # an image without a name and a container go
	every_way crt system prune -f
}
