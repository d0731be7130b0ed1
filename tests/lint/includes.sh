#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The picture of the modules, checked: userns, net, storage and runtime include their own headers and
# base/; base includes only itself; cmd/ joins them through their public headers; nobody includes
# tests/; main() lives in cmd/ alone (crt-init, which links nothing else, and
# programs of the build, make-*.c, are the exceptions).
. "$(dirname "$0")/lib.sh"

public='^(userns/userns|net/net|storage/storage|runtime/runtime)\.h$'
while read -r file; do
	module=${file%%/*}
	while IFS=: read -r line text; do
		header=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]*)".*/\1/' <<<"$text")
		case $module in
		base)
			[[ $header == base/* ]] || complain "$file:$line: base/ may not include \"$header\""
			;;
		userns | net | storage | runtime)
			[[ $header == base/* || $header == "$module"/* ]] ||
				complain "$file:$line: $module/ may include only $module/ and base/, not \"$header\""
			;;
		cmd)
			[[ $header == base/* || $header == cmd/* || $header =~ $public ]] ||
				complain "$file:$line: cmd/ may include only public headers, not \"$header\""
			;;
		esac
	done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file")
	case $module in
	cmd | tests) ;;
	*)
		[[ $file == runtime/init/init.c || $file == */make-*.c ]] || ! grep -nE '^(int|void)[[:space:]]+main[[:space:]]*\(' "$file" ||
			complain "$file: main() belongs into cmd/"
		;;
	esac
done < <(tracked '*.c' '*.h')
done_checking
