#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A file asks for no more than about 800 lines of attention, a function for about 100 (20 more are let pass).
. "$(dirname "$0")/lib.sh"

while read -r file; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 900 ] || complain "$file: $lines lines; split it"
	hits=$(awk -v f="$file" '
		/^\{/ { start = NR }
		/^\}/ && start { if (NR - start > 121) printf "%s:%d: a function of %d lines; split it\n", f, start, NR - start - 1; start = 0 }
	' "$file")
	[ -z "$hits" ] || complain "$hits"
done < <(tracked 'base/*.c' 'cmd/*.c' 'userns/*.c' 'net/*.c' 'storage/*.c' 'runtime/*.c')
done_checking
