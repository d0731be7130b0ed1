#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The code between clone and exec (runtime/child*.c) may call system calls and pure functions only:
# what its objects leave undefined must be in child_symbols.txt or defined by one of them.
. "$(dirname "$0")/lib.sh"
cc=${CC:-cc}
need "${cc%% *}"
need nm

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for file in runtime/child*.c; do
	$cc -std=gnu11 -O1 -D_GNU_SOURCE -I. -c -o "$dir/$(basename "$file" .c).o" "$file"
done
nm --defined-only "$dir"/*.o | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u >"$dir/own"
sed -E 's/#.*//; s/[[:space:]].*//; /^$/d' tests/lint/child_symbols.txt | sort -u >"$dir/allowed"
for object in "$dir"/*.o; do
	while read -r symbol; do
		grep -qx -- "$symbol" "$dir/own" "$dir/allowed" ||
			complain "runtime/$(basename "$object" .o).c: calls $symbol, which is not in child_symbols.txt"
	done < <(nm -u "$object" | awk '{ print $NF }')
done
# the ELF entry of crt and crt-oci runs before the C library, so that there is nothing to call (flags as in meson.build)
case $(uname -m) in
x86_64 | aarch64)
	$cc -std=gnu11 -O2 -D_GNU_SOURCE -I. -fPIE -ffreestanding -fno-stack-protector -fno-tree-loop-distribute-patterns \
		-c -o "$dir/entry" cmd/entry.c
	while read -r symbol; do
		[ "$symbol" = _start ] || complain "cmd/entry.c: calls $symbol"
	done < <(nm -u "$dir/entry" | awk '{ print $NF }')
	;;
esac
done_checking
