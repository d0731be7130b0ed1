#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Calls listed in banned.txt, // comments, and words of unfinished work. Comments and string literals do
# not count as calls.
. "$(dirname "$0")/lib.sh"

names=$(sed -E '/^#/d; /^[[:space:]]*$/d; s/[[:space:]].*//' tests/lint/banned.txt | paste -sd'|')
to="TO""DO" fix="FIX""ME" xxx="X""XX" ni="not ""implemented"

# the text without comments (lines kept) and with empty string literals
strip='
use strict; local $/; my $t = <STDIN>;
$t =~ s{(/\*.*?\*/)|("(?:\\.|[^"\\\n])*")|(\x27(?:\\.|[^\x27\\\n])*\x27)}{
	defined $1 ? "\n" x ($1 =~ tr/\n//) : defined $2 ? "\"\"" : "0" }gse;
print $t;'
while read -r file; do
	code=$(perl -e "$strip" <"$file")
	hits=$(grep -nE '//' <<<"$code") && complain "$file: // comment:
$hits"
	case $file in
	tests/*) ;;
	*)
		hits=$(grep -nE "(^|[^[:alnum:]_.>])($names)[[:space:]]*\(" <<<"$code") && complain "$file: banned call:
$hits"
		;;
	esac
done < <(tracked '*.c' '*.h')
while read -r file; do
	# the text of ENOSYS is what it is
	hits=$(grep -nIE "\\b($to|$fix|$xxx)\\b|$ni" "$file" | grep -v ENOSYS) && complain "$file: unfinished work:
$hits"
done < <(tracked)
done_checking
