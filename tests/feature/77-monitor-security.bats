#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Monitors, their helpers and their logs when something goes wrong around them.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

state() { as alice crt inspect -f '{{.State.Status}}' "$1"; }
is_state() { [ "$(state "$1")" = "$2" ]; }

@test "--log-driver journald: podman's fields in a real journal, and crt logs reads them back" {
	need_root
	need_program journalctl
	[ -x /lib/systemd/systemd-journald ] || skip "needs /lib/systemd/systemd-journald"
	cat >"$T/journal.sh" <<-'EOS'
		set -eu
		mkdir -p /run/systemd /run/log
		mount -t tmpfs tmpfs /run/systemd
		mount -t tmpfs tmpfs /run/log
		mkdir /run/systemd/journal "$T/var-log"
		mount --bind "$T/var-log" /var/log
		crt() { "$CRT_BIN/crt" --root "$T/jroot" --runroot "$T/jrun" "$@"; }
		if crt run -d --log-driver journald "$1" true 2>"$T/refused"; then exit 70; fi
		/lib/systemd/systemd-journald >/dev/null 2>&1 &
		trap 'kill $!; crt rm -fa >/dev/null' EXIT
		n=0
		until [ -S /run/systemd/journal/socket ] && [ -S /run/systemd/journal/stdout ]; do
			n=$((n + 1)); [ $n -lt 600 ]; sleep 0.1
		done
		crt run -d --name j --network none --log-driver journald --log-opt tag='{{.Name}}/x' "$1" \
			sh -c 'echo one; echo "PRIORITY=0" >&2; printf "\377bin\n"; printf last' >/dev/null
		crt wait j
		n=0
		until journalctl -q -o json CONTAINER_NAME=j >"$T/journal.json" && grep -q last "$T/journal.json"; do
			n=$((n + 1)); [ $n -lt 600 ]; sleep 0.1
		done
		crt logs j 2>"$T/journal.err"
	EOS
	run -0 timeout 300 env T="$T" CRT_BIN="$CRT_BIN" unshare -m bash "$T/journal.sh" $B
	assert_output $'0\none\n\377bin\nlast'
	[ "$(cat "$T/journal.err")" = PRIORITY=0 ]
	grep -q 'no journal answers' "$T/refused"
	python3 - "$T/journal.json" <<-'EOP'
		import json, sys
		e = [json.loads(l) for l in open(sys.argv[1])]
		by = {str(m["MESSAGE"]): m for m in e}
		assert by["one"]["PRIORITY"] == "6" and by["PRIORITY=0"]["PRIORITY"] == "3", e
		one = by["one"]
		assert one["CONTAINER_NAME"] == "j" and one["CONTAINER_TAG"] == "j/x"
		assert one["SYSLOG_IDENTIFIER"] == "j/x" and one["IMAGE_NAME"] == "builtin:busybox"
		assert one["CONTAINER_ID_FULL"].startswith(one["CONTAINER_ID"]) and len(one["CONTAINER_ID"]) == 12
		assert by["last"]["CONTAINER_PARTIAL_MESSAGE"] == "true"
	EOP
}
