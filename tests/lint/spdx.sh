#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every file that can hold a comment says its licence in the first three lines.
. "$(dirname "$0")/lib.sh"

while read -r file; do
	case $file in
	LICENSE | *.json | *.md | *.txt.golden | *.golden | *.out | *.differences | .gitignore | .gitattributes | tests/corpus/*) continue ;;
	esac
	[ -s "$file" ] && grep -qI . "$file" || continue # empty or binary
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
		complain "$file: no line \"SPDX-License-Identifier: Apache-2.0\" at the head"
done < <(tracked)
done_checking
