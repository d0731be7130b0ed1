#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: fuzz.sh BUILD SECONDS [NAME...]
# Run each fuzzer of a build with -Dfuzz=true for so many seconds, beginning with tests/corpus. What is
# new is kept in BUILD/corpus/NAME, what fails in BUILD/found/NAME-*. One line per fuzzer; fails when one failed.
set -euo pipefail
[ $# -ge 2 ] || {
	sed -n '3s/^# //p' "$0" >&2
	exit 2
}
corpora=$(cd "$(dirname "$0")/../corpus" && pwd)
build=$(cd "$1" && pwd)
seconds=$2
shift 2
if [ $# = 0 ]; then
	for f in "$build"/fuzz-*; do
		[ ! -f "$f" ] || set -- "$@" "${f##*/fuzz-}"
	done
fi
[ $# -gt 0 ] || {
	echo "no fuzzers in $build: meson setup with -Dfuzz=true, see HACKING.md" >&2
	exit 2
}
mkdir -p "$build/found"
bad=0
for name; do
	seeds=$corpora/$name
	[ "$name" != layer ] || seeds=$corpora/tar
	mkdir -p "$build/corpus/$name"
	log=$build/found/$name.log
	status=ok
	nice -n 10 timeout $((seconds + 120)) "$build/fuzz-$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/found/$name-" \
		"$build/corpus/$name" "$seeds" >"$log" 2>&1 || status=FAILED bad=1
	printf '%-12s %-7s %12s executions, see %s\n' "$name" "$status" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$log"
done
exit "$bad"
