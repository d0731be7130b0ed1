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

@test "--sdnotify tells a service manager, and a container cannot tell it more than its own state" {
	cat >"$T/unit.py" <<-'EOP'
		# what "Type=notify, NotifyAccess=all" does: run a command, print what it is told until "end"
		import os, socket, subprocess, sys
		name, end, args = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind("\0" + name[1:] if name[0] == "@" else name)
		if name[0] != "@":
		    os.chmod(name, 0o666)
		s.settimeout(120)
		p = subprocess.Popen(args, env=dict(os.environ, NOTIFY_SOCKET=name), stdout=subprocess.DEVNULL)
		assert p.wait() == 0
		bundle = os.listdir(os.environ["XDG_RUNTIME_DIR"] + "/crt/containers")[0]
		ours = os.environ["XDG_RUNTIME_DIR"] + "/crt/containers/" + bundle + "/notify/notify.sock"
		if os.path.exists(ours):
		    c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		    os.chdir(os.path.dirname(ours))
		    c.sendto(b"FDSTORE=1\nMAINPID=1", "notify.sock")
		    c.sendto(b"READY=1\nMAINPID=1\nSTATUS=up", "notify.sock")
		told = b""
		while end not in told:
		    told += s.recv(4096)
		print(told.decode(), end="")
	EOP
	local pid dir
	dir="$(runtime_dir alice)/crt/containers"
	run -0 as alice python3 "$T/unit.py" "$(home alice)/n1" READY=1 crt run -d --name c --network none \
		--sdnotify conmon --conmon-pidfile "$(home alice)/pid" $B sleep 600
	pid=$(cut -d' ' -f3 "$dir"/*/pid)
	assert_output "MAINPID=$pid"$'\n'"READY=1"
	[ "$(cat "$(home alice)/pid")" = "$pid" ]
	as alice crt rm -f c
	run -0 as alice python3 "$T/unit.py" "@$CRT_TEST_PREFIX-n2" READY=1 crt run -d --name h --network none \
		--sdnotify healthy --health-cmd true $B sleep 600
	pid=$(cut -d' ' -f3 "$dir"/*/pid)
	assert_output "MAINPID=$pid"$'\n'"MAINPID=$pid"$'\n'"READY=1"
	as alice crt rm -f h
	run -0 as alice python3 "$T/unit.py" "$(home alice)/n3" STATUS=up crt run -d --name k --network none \
		$B sh -c 'ls $NOTIFY_SOCKET; exec sleep 600'
	pid=$(cut -d' ' -f3 "$dir"/*/pid)
	refute_contains MAINPID=1$'\n'
	refute_contains FDSTORE
	assert_contains $'READY=1\nSTATUS=up'
	assert_contains "MAINPID=$pid"
	run as alice crt logs k
	assert_output /run/notify/notify.sock
	as alice crt rm -f k
	run --separate-stderr as alice env NOTIFY_SOCKET=/nonexistent crt run --rm --network none $B true
	assert_error 125 NOTIFY_SOCKET
	run as alice env NOTIFY_SOCKET=/nonexistent crt run --rm --network none --sdnotify ignore $B env
	refute_contains NOTIFY
	run --separate-stderr as alice crt run -d --sdnotify healthy $B true
	assert_error 125 "no health check"
	run --separate-stderr as alice crt run -d --sdnotify never $B true
	assert_error 125 never
}
