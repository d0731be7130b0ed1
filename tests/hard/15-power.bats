#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Promise 1 after a power cut: the store lies on an ext4 of its own, which is shut down (EXT4_IOC_SHUTDOWN
# without a flush of the journal: what is not on the disk at that instant is lost) while pull, run, commit, rm
# and rmi run, at instants spread over the whole command. After the next mount there is no damage, what
# was there before is there, and what a command said to have done is done.
#
#   CRT_BIN             directory of crt
#   CRT_KILL_STEP=N     N > 1: only about 80 / N instants of each command (default 1: 80)

bats_require_minimum_version 1.5.0

setup() {
	PATH=${CRT_BIN:-}:$PATH
	for p in crt umoci mkfs.ext4 losetup python3; do
		command -v "$p" >/dev/null || skip "needs the program $p"
	done
	[ "$(id -u)" = 0 ] || skip "needs root to mount a disk"
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-power-XXXXXX")
	mkdir -m 0700 "$T/home" "$T/run" "$T/layer" "$T/d"
	export HOME=$T/home XDG_RUNTIME_DIR=$T/run CRT_ROOT=$T/d/s
	truncate -s 64M "$T/disk"
	mkfs.ext4 -q "$T/disk"
	mount -o loop "$T/disk" "$T/d" 2>"$T/err" || skip "loop devices do not work here: $(cat "$T/err")"
	crt run --rm -q --network none builtin:busybox true 2>"$T/err" || skip "crt cannot run here: $(tail -n 1 "$T/err")"
	image new 40
	image extra 10
	crt pull -q "oci:$T/extra" >/dev/null
	crt run -q --network none --name kept builtin:busybox sh -c 'echo precious >/kept'
	unmount
	cp --sparse=always "$T/disk" "$T/before"
}

teardown() {
	[ -n "${T-}" ] || return 0
	unmount
	rm -rf "$T"
}

# processes that clean up may still be ending, with the disk in their mount namespaces
unmount() {
	local i
	for ((i = 0; i < 600; i++)); do
		if ! mountpoint -q "$T/d" && [ -z "$(losetup -n -j "$T/disk")" ]; then return 0; fi
		umount "$T/d" 2>"$T/err" || sleep 0.05
	done
	cat "$T/err"
	echo "the disk is busy"
	return 1
}

# image NAME FILES: an OCI layout with one layer
image() {
	local i
	mkdir "$T/layer/$1"
	for ((i = 0; i < $2; i++)); do seq "$i" $((i + 2000)) >"$T/layer/$1/file$i"; done
	tar -C "$T/layer" -cf "$T/$1.tar" "$1"
	umoci init --layout "$T/$1" && umoci new --image "$T/$1:latest" &&
		umoci raw add-layer --image "$T/$1:latest" "$T/$1.tar"
} >/dev/null 2>&1

power_cut() {
	python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$T/d" || return 1
}

fresh() {
	unmount
	rm -rf "$T/run/crt"
	cp --sparse=always "$T/before" "$T/disk"
	mount -o loop "$T/disk" "$T/d"
}

# the machine starts again: the runtime directory was in memory
boot() {
	unmount
	rm -rf "$T/run/crt"
	mount -o loop "$T/disk" "$T/d"
}

whole() {
	crt system check || { echo "the store is damaged"; return 1; }
	[ "$(crt run --rm -q --network none --pull never builtin:busybox echo fine)" = fine ] ||
		{ echo "nothing runs"; return 1; }
	after || return 1
	crt rm -a -f >/dev/null && crt rmi -a -f >/dev/null || { echo "it cannot be emptied"; return 1; }
}

# each_instant CMD...: the power goes at the i-th part of its time, and at last when it has ended
each_instant() {
	local i n start took pid code
	fresh
	start=$(date +%s%N)
	"$@" >/dev/null
	took=$((($(date +%s%N) - start) / 1000))
	n=$((80 / ${CRT_KILL_STEP:-1}))
	for ((i = 0; i < n; i++)); do
		fresh
		"${BEFORE[@]}" "$@" >"$T/out" 2>&1 3>&- &
		pid=$!
		python3 -c 'import time, sys; time.sleep(int(sys.argv[1]) / 1e6)' $((took * i / n)) 3>&-
		power_cut
		code=0
		wait $pid || code=$?
		boot
		DONE=$([ "$code" = 0 ] && echo yes || echo no)
		whole >"$T/after" 2>&1 || {
			echo "after a power cut at $i/$n of $* (status $code):"
			cat "$T/out" "$T/after"
			return 1
		}
	done
	fresh
	"${BEFORE[@]}" "$@" >"$T/out" 2>&1
	power_cut
	boot
	DONE=yes
	whole >"$T/after" 2>&1 || {
		echo "after a power cut at the end of $*:"
		cat "$T/out" "$T/after"
		return 1
	}
	echo "# $n instants of $((took / 1000)) ms: ${*:1:3}" >&3
}

is_kept() { [ "$(crt cp kept:/kept - | tar xO)" = precious ] || { echo "the container's file is lost"; return 1; }; }

BEFORE=(env)

@test "power cut: crt pull" {
	after() {
		is_kept && { [ "$DONE" = no ] || crt image exists "oci:$T/new" || { echo "it said that it was pulled"; return 1; }; } &&
			crt pull -q "oci:$T/new" && crt system check
	}
	each_instant crt pull -q "oci:$T/new"
}

@test "power cut: crt run" {
	after() { is_kept && crt rm -f -i again && crt run -q --network none --name again builtin:busybox true; }
	each_instant crt run -q --network none --name again builtin:busybox sh -c 'echo x >/x'
}

@test "power cut: crt commit" {
	after() {
		is_kept && { [ "$DONE" = no ] || crt image exists fresh || { echo "it said that it was made"; return 1; }; } &&
			crt commit -q kept fresh && [ "$(crt run --rm -q --network none fresh cat /kept)" = precious ]
	}
	each_instant crt commit -q kept fresh
}

@test "power cut: crt rm" {
	after() { [ -z "$(crt ps -aq --filter name=kept)" ] || { is_kept && crt rm kept; }; }
	each_instant crt rm kept
}

@test "power cut: crt rmi" {
	after() { is_kept && { ! crt image exists "oci:$T/extra" || crt rmi "oci:$T/extra"; }; }
	each_instant crt rmi "oci:$T/extra"
}

@test "power cut: without syncs this test would see damage" {
	command -v strace >/dev/null || skip "needs the program strace"
	after() { crt image exists "oci:$T/new"; }
	BEFORE=(strace -f -qq -o /dev/null -e 'inject=syncfs,fsync,fdatasync:retval=0')
	fresh
	"${BEFORE[@]}" crt pull -q "oci:$T/new"
	power_cut
	boot
	! whole || { echo "it would not notice"; false; }
}
