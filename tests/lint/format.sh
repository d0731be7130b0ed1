#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: format.sh [--fix [FILE...]]
# Layout of the C sources as in .clang-format, with the version that Debian 12 has (others differ).
. "$(dirname "$0")/lib.sh"

tool=clang-format-14
command -v "$tool" >/dev/null || tool=clang-format
need "$tool"
"$tool" --version | grep -q 'version 14\.' || {
	echo "1..1"
	echo "ok 1 format # SKIP needs clang-format 14"
	exit 77
}
if [ "${1-}" = --fix ]; then
	shift
	if [ $# = 0 ]; then
		mapfile -t files < <(tracked '*.c' '*.h')
		set -- "${files[@]}"
	fi
	exec "$tool" -i --style=file "$@"
fi
while read -r file; do
	hits=$("$tool" --style=file "$file" | diff -u --label "$file" --label "$file (formatted)" "$file" -) ||
		complain "$hits"
done < <(tracked '*.c' '*.h')
[ "$bad" = 0 ] || echo "run: tests/lint/format.sh --fix" >&2
done_checking
