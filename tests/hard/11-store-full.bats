#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# T54 for the store: a full disk, exactly full at each step of an operation. Nothing is half
# listed, messages say "no space left" and where, and removing works with 0 bytes free.

bats_require_minimum_version 1.5.0

setup() {
	PATH=${CRT_BIN:-}:$PATH
	command -v store-tool >/dev/null || skip "needs the program store-tool in CRT_BIN"
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-full-XXXXXX")
	export T
}

teardown() {
	[ -z "${T-}" ] || rm -rf "$T"
}

# on_tmpfs SCRIPT: in a mount namespace with a tmpfs of 2 MiB at $T
on_tmpfs() {
	unshare -rm true 2>/dev/null || skip "needs a user and mount namespace"
	unshare -rm bash -euc "mount -t tmpfs -o size=2m,mode=0700 tmpfs '$T'; $(declare -f full fill_to ingest_step); $1"
}

# on_ext4 SCRIPT: the same on a small ext4 without reserved blocks
on_ext4() {
	[ "$(id -u)" = 0 ] || skip "needs root for a loop device"
	command -v mkfs.ext4 >/dev/null || skip "needs mkfs.ext4"
	truncate -s 8M "$T.img"
	mkfs.ext4 -q -m 0 -b 1024 "$T.img"
	unshare -m bash -euc "mount -o loop '$T.img' '$T' || exit 77; rmdir '$T/lost+found'; chmod 700 '$T'
		$(declare -f full fill_to ingest_step); $1" || {
		local code=$?
		rm -f "$T.img"
		[ "$code" != 77 ] || skip "loop devices do not work here"
		return 1
	}
	rm -f "$T.img"
}

# not a byte is left
full() {
	dd if=/dev/zero of="$T/fill" bs=1k 2>/dev/null || true
	! echo x >"$T/more" 2>/dev/null || [ ! -s "$T/more" ] || { echo "the disk is not full"; return 1; }
	rm -f "$T/more"
}

# fill_to KIB: about so much is left
fill_to() {
	full
	truncate -s "-${1}K" "$T/fill" 2>/dev/null || rm -f "$T/fill"
}

ingest_step() {
	local out
	if out=$(store-tool "$T/s" ingest localhost/new:latest b 64 2>&1); then
		echo "fits with $1 KiB" >&2
		return 1
	fi
	case $out in
	*"no space left"*) ;;
	*) echo "with $1 KiB: $out"; exit 1 ;;
	esac
	case $out in
	*/*) ;;
	*) echo "names no path: $out"; exit 1 ;;
	esac
	store-tool "$T/s" check >"/dev/shm/list.$$" || exit 1
	out=$(cat "/dev/shm/list.$$"; rm "/dev/shm/list.$$")
	[ "$out" = localhost/old:latest ] || { echo "listed with $1 KiB: $out"; exit 1; }
}

@test "T54 full tmpfs: taking an image in, exactly full at each step" {
	on_tmpfs '
		store-tool "$T/s" ingest localhost/old:latest a 4
		for ((k = 0; k < 400; k += 4)); do
			fill_to $k
			ingest_step $k || break
		done
		[ $k -gt 16 ] && [ $k -lt 400 ]
		store-tool "$T/s" check | grep -q localhost/new'
}

@test "T54 full ext4: taking an image in, exactly full at each step" {
	on_ext4 '
		store-tool "$T/s" ingest localhost/old:latest a 4
		for ((k = 0; k < 400; k += 4)); do
			fill_to $k
			ingest_step $k || break
		done
		[ $k -gt 16 ] && [ $k -lt 400 ]
		store-tool "$T/s" check | grep -q localhost/new'
}

remove_all='
	store-tool "$T/s" ingest localhost/old:latest a 4
	store-tool "$T/s" ingest localhost/new:latest b 64
	store-tool "$T/s" create ab12 first
	full
	if out=$(store-tool "$T/s" create cd34 second 2>&1); then
		echo "a container fits on a full disk"
	else
		case $out in *"no space left"*) ;; *) echo "$out"; exit 1 ;; esac
	fi
	store-tool "$T/s" rm ab12
	full
	store-tool "$T/s" rmi localhost/new:latest
	[ "$(store-tool "$T/s" check)" = localhost/old:latest ]
	full
	store-tool "$T/s" rmi localhost/old:latest
	[ -z "$(store-tool "$T/s" check)" ]
	rm "$T/fill"
	store-tool "$T/s" ingest localhost/again:latest c 4
	[ "$(store-tool "$T/s" check)" = localhost/again:latest ]
	[ "$(ls "$T/s/layers" | wc -l)" = 2 ]'

@test "T54 full tmpfs: removing works with 0 bytes free" {
	on_tmpfs "$remove_all"
}

@test "T54 full ext4: removing works with 0 bytes free" {
	on_ext4 "$remove_all"
}
