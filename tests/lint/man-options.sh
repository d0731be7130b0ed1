#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The man pages against the option tables: every option of "crt VERB --help" has an entry in
# man/crt-VERB.1.scd and every entry is an option; every verb has its entry in crt.1; the
# completion script of bash is one. $1 is the crt to ask.
crt=$(realpath "${1:?usage: man-options.sh CRT}")
. "$(dirname "$0")/lib.sh"

# "  -e, --env NAME" -> "-e --env"; aliases without a help line are left to the page
options_of_help() {
	"$crt" "$@" --help | sed -nE '/^Options:/,/^Commands:/ {
		s/^  (-.), (--[a-z0-9-]+).*/\1 \2/p
		s/^      (--[a-z0-9-]+).*/\1/p
	}'
}

# "*-e*, *--env* _NAME_" -> "-e --env"; "*--network*, *--net*" counts as --network
options_of_page() {
	sed -nE 's/^\*(-[a-zA-Z])\*, \*(--[a-z0-9-]+)\*.*/\1 \2/p; s/^\*(--[a-z0-9-]+)\*.*/\1/p' "$1"
}

compare() { # PAGE VERB...
	local page=$1
	shift
	if [ ! -f "$page" ]; then
		complain "$page is missing"
		return
	fi
	diff <(options_of_help "$@" | sort) <(options_of_page "$page" | sort) >&2 ||
		complain "$page (>) does not have the options of crt $* --help (<)"
}

# a group of commands: one page has the options of all of them that are only there
compare_group() { # PAGE VERB
	local subs sub
	subs=
	for sub in $("$crt" "$2" --help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) .*/\1/p'); do
		grep -qE "^\*$sub\*( |,|$)" "$1" || complain "$1 does not list the command $2 $sub"
		# a verb of the top under another name has a page of its own
		! "$crt" "$2" "$sub" --help | grep -q "^  crt $2 $sub" || subs+=" $sub"
	done
	for sub in $subs; do
		options_of_help "$2" "$sub" | sed 's/.*--//; /^help$/d' | sort -c 2>/dev/null ||
			complain "crt $2 $sub --help: options are not in alphabetical order"
	done
	diff <(for sub in $subs; do options_of_help "$2" "$sub"; done | sed 's/^-. //' | sort -u) \
		<(options_of_page "$1" | sed 's/^-. //' | sort -u) >&2 ||
		complain "$1 (>) does not have the options of the commands of crt $2 (<)"
}

compare man/crt.1.scd
verbs=$("$crt" --help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) .*/\1/p')
[ -n "$verbs" ] || complain "crt --help lists no commands"
for verb in $verbs; do
	grep -qE "^\*$verb\*( |$)" man/crt.1.scd || complain "man/crt.1.scd does not list the command $verb"
	case $verb in
	image | manifest | network | system | volume) compare_group "man/crt-$verb.1.scd" "$verb" ;;
	container | version | completion) ;; # described in crt.1, no options of their own
	tag | untag) compare man/crt-tag.1.scd "$verb" ;;
	create) compare man/crt-run.1.scd create ;;
	*) compare "man/crt-$verb.1.scd" "$verb" ;;
	esac
	# the order of a table is that of the alphabet, so that people find an option in it
	options_of_help "$verb" | sed 's/.*--//; /^help$/d' | sort -c 2>/dev/null ||
		complain "crt $verb --help: options are not in alphabetical order"
done

if command -v scdoc >/dev/null; then
	for page in man/*.scd; do
		scdoc <"$page" >/dev/null || complain "$page: scdoc cannot read it"
	done
fi
"$crt" completion bash | bash -n || complain "crt completion bash: not a script"
done_checking
