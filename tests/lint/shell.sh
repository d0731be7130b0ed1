#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script and bats file goes through shellcheck. .shellcheckrc says what is off, and why.
. "$(dirname "$0")/lib.sh"

need shellcheck
files=()
while read -r file; do
	case $file in
	*.sh | *.bash | *.bats) files+=("$file") ;;
	*) ! head -c 40 "$file" | head -n 1 | grep -qaE '^#!/(usr/)?bin/(env )?(ba)?sh' || files+=("$file") ;;
	esac
done < <(tracked)
shellcheck --source-path=SCRIPTDIR --external-sources "${files[@]}" || bad=1
done_checking
