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

log_has() { as alice crt logs "$1" 2>&1 | grep -q "$2"; }

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

# the bundle of the only container; its monitor; its crt-net (by the pidfd that the monitor holds)
bundle() { echo "$(runtime_dir alice)"/crt/containers/*; }
monitor() { cut -d' ' -f3 "$(bundle)/pid"; }
net_of() {
	cat /proc/"$1"/fdinfo/* 2>/dev/null | awk '/^Pid:/ { print $2 }' | while read -r p; do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != crt-net ] || echo "$p"
	done | grep -m 1 .
}
status_of() { as alice crt ps -a --filter "name=$1" --format '{{.Status}}'; }
status_has() { [[ $(status_of "$1") == *"$2"* ]]; }

@test "T3: stop with a handler, without one, stopped by a signal, paused: TERM, then KILL, never for ever" {
	as alice crt run -d --name handler --network none $B sh -c 'trap "exit 143" TERM; echo up; while :; do sleep 0.05; done'
	as alice crt run -d --name deaf --network none --stop-timeout 1 $B sh -c 'trap "" TERM; echo up; while :; do sleep 0.05; done'
	as alice crt run -d --name asleep --network none --stop-timeout 1 $B sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.05; done'
	as alice crt run -d --name frozen --network none --stop-timeout 1 $B sh -c 'trap "exit 5" TERM; echo up; while :; do sleep 0.05; done'
	local c
	for c in handler deaf asleep frozen; do
		wait_for 60 log_has "$c" up
	done
	as alice crt kill -s STOP asleep
	as alice crt pause frozen
	run as alice timeout 120 crt stop handler deaf asleep
	assert_status 0
	run as alice timeout 120 crt stop frozen # as podman
	assert_status 125
	run as alice timeout 120 crt rm -f frozen
	assert_status 0
	run as alice crt ps -a --sort names --format '{{.Names}} {{.State}} {{.ExitCode}}'
	assert_contains "deaf exited 137"
	assert_contains "handler exited 143"
	assert_match 'asleep exited (137|5)'
	refute_contains frozen
}

@test "T19: rm -f, rm twice, rm while exec runs, hostile names, two of one name at once" {
	as alice crt run -d --name x --network none $B sleep 600
	crt_start alice exec x sleep 600
	wait_for 60 sh -c "pgrep -u '$(user alice)' -f '^sleep 600' | wc -l | grep -qx 2"
	run as alice timeout 120 crt rm -f x
	assert_status 0
	job_wait
	[ "$status" != 0 ]
	run as alice crt rm x
	assert_status 1
	run as alice crt rm -f x
	assert_status 0
	local name
	for name in a/b .. -x "$(printf 'a%.0s' {1..300})" $'a\nb' ''; do
		run --separate-stderr as alice crt run -d --name="$name" --network none $B true
		assert_status 125
		run as alice crt rm -- "$name"
		[ "$status" != 0 ] && [ "$status" -lt 126 ]
	done
	crt_start alice create --name twin --network none $B true
	run as alice crt create --name twin --network none $B true
	local first=$status
	job_wait
	[ $((first + status)) = 125 ]
	run as alice crt ps -aq
	[ "${#lines[@]}" = 1 ]
}

@test "T43: no abstract socket, nobody else reaches a monitor, nor does a container with the host's network" {
	need_root
	grep -o '@.*' /proc/net/unix | sort >"$T/before" || true
	as alice crt run -d --name n --network host $B sleep 600
	local sock
	sock="$(bundle)/attach"
	grep -o '@.*' /proc/net/unix | sort | comm -13 "$T/before" - >"$T/new"
	! grep -q crt "$T/new"
	[ "$(stat -c %a "$(bundle)")" = 700 ]
	run as bob python3 -c "
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.chdir(os.path.dirname(sys.argv[1]))" "$sock"
	assert_contains PermissionError
	run as alice crt exec n sh -c "ls $sock $(store alice) 2>&1"
	refute_contains attach$'\n'
	assert_contains "No such file"
}

@test "T44: crt-net killed or stopped under a container: it lives, says so, ends at once, and restarts whole" {
	need_root
	local port net
	port=$(free_port)
	serve='while :; do printf "HTTP/1.0 200 OK\r\n\r\nserved" | nc -l -p 80; done'
	as alice crt run -d --name n -p "127.0.0.1:$port:80" --stop-timeout 0 $B sh -c "$serve"
	wait_for 60 sh -c "curl -s -m 5 http://127.0.0.1:$port | grep -q served"
	net=$(net_of "$(monitor)")
	kill -KILL "$net"
	wait_for 60 status_has n "(no network)"
	run as alice crt exec n echo alive
	assert_output alive
	run as alice crt inspect -f '{{.State.Status}} {{.State.Error}}' n
	assert_contains "running crt-net was killed"
	as alice timeout 120 crt restart n
	wait_for 60 sh -c "curl -s -m 5 http://127.0.0.1:$port | grep -q served"
	run status_of n
	refute_contains "no network"
	net=$(net_of "$(monitor)")
	kill -STOP "$net"
	run as alice timeout 120 crt rm -f n
	assert_status 0
	wait_for 60 sh -c "! grep -q '^State:.[TSR]' /proc/$net/status"
}

@test "a port that was chosen stays over restart; a restarting container's port refuses meanwhile" {
	as alice crt run -d --name p -p 127.0.0.1::80 --stop-timeout 0 $B sleep 600
	run as alice crt port p
	local before=$output
	as alice crt restart p
	as alice crt restart p
	run as alice crt port p
	assert_output "$before"
	as alice crt rm -f p
	as alice crt run -d --name q -p 127.0.0.1::80 --restart always $B true
	status_has_restarts() { [ "$(as alice crt inspect -f '{{.RestartCount}}' q)" -ge 2 ]; }
	wait_for 120 status_has_restarts
	run as alice crt port q
	run curl -s -m 100 "http://${output##*-> }"
	[ "$status" != 28 ] # it was answered or refused, and did not hang
}

@test "T47: a log bomb keeps to its cap, and the monitor lives" {
	as alice crt run -d --name bomb --network none --log-opt max-size=1m --log-opt max-file=2 $B sh -c 'yes | head -c 20000000; sleep 600'
	bombed() { ! as alice crt exec bomb pidof yes; }
	wait_for 120 bombed
	run as alice crt logs --tail 1 bomb
	assert_output y
	[ "$(cat "$(store alice)"/containers/*/ctr.log* | wc -c)" -le 2200000 ]
	run as alice crt exec bomb echo alive
	assert_output alive
}

@test "T48: many first uses of one volume at once: one complete copy" {
	image vol --config.volume /etc
	local i jobs=()
	for i in {1..6}; do
		crt_start alice run --rm --network none -v shared:/etc "oci:$T/img/vol:latest" sh -c 'cat /etc/passwd | wc -l; ls /etc | wc -l'
		jobs+=("$JOB:$JOB_LOG")
	done
	for i in "${jobs[@]}"; do
		JOB=${i%%:*} JOB_LOG=${i#*:}
		job_wait
		assert_status 0
		[ "$output" = "$(cat "${jobs[0]#*:}")" ]
	done
	as alice crt run --rm --network none -v shared:/etc $B sh -c 'echo mine >/etc/passwd'
	run as alice crt run --rm --network none -v shared:/etc $B cat /etc/passwd
	assert_output mine
}

@test "T49: SIGKILL of the monitor while somebody is attached, follows the log, and waits: all end, the truth is told" {
	as alice crt run -d --name m --network none $B sh -c 'while :; do echo tick; sleep 0.05; done'
	crt_start alice attach --no-stdin m
	local attach=$JOB follow wait
	crt_start alice logs -f m
	follow=$JOB
	crt_start alice wait m
	wait=$JOB
	wait_for 60 sh -c "ls -l /proc/$wait/fd | grep -q socket"
	kill -KILL "$(monitor)"
	for JOB in $attach $follow $wait; do
		wait "$JOB" || true
	done
	wait_for 60 is_state m exited
	run status_of m
	assert_contains "Exited (unknown)"
	run as alice timeout 60 crt logs --tail 1 m
	assert_output tick
	run as alice timeout 60 crt stop m
	assert_status 0
	as alice crt rm m
}

@test "T58: exec, attach and resize storms leave a monitor as it was" {
	not_sanitized "the sanitizer's own memory grows"
	as alice crt run -d -i --name s --network none $B sleep 600
	local pid before i
	pid=$(monitor)
	for i in 1 2 3; do as alice crt exec s true; done
	open_fds() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
	before=$(open_fds)
	local maps
	maps=$(grep -c . "/proc/$pid/maps")
	for i in {1..8}; do
		as alice crt exec s true
		as alice sh -c 'echo | timeout 60 crt attach --detach-keys=a --sig-proxy=false s >/dev/null & sleep 0.01; kill $! 2>/dev/null; wait' || true
	done
	# its end of the input is closed by the first end of an attached one's
	settled() { [ "$(open_fds)" -le "$before" ] && [ "$(grep -c . "/proc/$pid/maps")" = "$maps" ]; }
	wait_for 60 settled
	run as alice crt exec s ps
	[ "${#lines[@]}" -le 3 ]
}

@test "T38: an image's own ps, tar, nsenter and libraries are only ever run inside" {
	as alice crt run -d --name t --network none --health-interval disable --health-cmd true $B sh -c '
		for p in ps tar nsenter gzip xz unpigz ldconfig mount; do
			mkdir -p /usr/local/sbin /sbin /usr/bin
			for d in /usr/local/sbin /sbin /usr/bin; do
				rm -f $d/$p
				printf "#!/bin/busybox sh\necho hit >'"$T/tripwire/hit"'; echo hit >/hit\n" >$d/$p
				chmod 755 $d/$p
			done
		done
		mkdir -p /lib/x86_64-linux-gnu; echo broken >/lib/x86_64-linux-gnu/libnss_files.so.2
		echo ready; exec sleep 600'
	wait_for 60 log_has t ready
	local verb
	for verb in "top t" "stats --no-stream t" "logs t" "healthcheck run t" "exec t true" "diff t" \
		"export -o $(home alice)/t.tar t" "cp t:/bin/busybox $(home alice)/copied" "commit -q t mine" "ps --size"; do
		# shellcheck disable=SC2086
		run as alice timeout 120 crt $verb
		[ "$status" = 0 ] || flunk "$verb"
	done
	[ ! -e "$T/tripwire/hit" ]
	run as alice crt exec t cat /hit
	[ "$status" != 0 ]
}

@test "T45: fuse-overlayfs killed under a detached container: it ends with 125, and the image runs again" {
	need_root
	need_program fuse-overlayfs
	[ -x "$CRT_BUILD/refuse" ] || skip "needs refuse of the build directory"
	/usr/bin/python3 - "$T" <<-'END'
		import sys, tarfile
		for name, entry in ("low", "gone"), ("high", ".wh.gone"):
		    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w") as t:
		        t.addfile(tarfile.TarInfo(entry))
	END
	image white
	image_add white "$T/low.tar"
	image_add white "$T/high.tar"
	# a store that cannot keep whiteouts: only fuse-overlayfs can use such layers
	"$CRT_BUILD/refuse" mknodat=EPERM setpriv --reuid="$(user alice)" --regid="$(user alice)" --init-groups \
		env -i HOME="$(home alice)" XDG_RUNTIME_DIR="$(runtime_dir alice)" PATH="$CRT_BIN:/usr/bin:/bin" \
		${SANITIZER_ENV:+$SANITIZER_ENV} crt pull -q "oci:$T/img/white"
	as alice crt run -d --name f --network none "oci:$T/img/white" sleep 600
	local mon
	mon=$(monitor)
	wait_for 60 grep -qx crt-monitor "/proc/$mon/comm"
	tr ' ' '\n' <"/proc/$mon/task/$mon/children" | while read -r pid; do
		[ "$(cat "/proc/$pid/comm")" != fuse-overlayfs ] || kill -KILL "$pid"
	done
	run as alice timeout 120 crt wait f
	assert_output 125
	wait_for 60 is_state f exited
	run as alice timeout 60 crt start f
	assert_status 0
	run as alice crt exec f ls /gone
	[ "$status" != 0 ]
	as alice crt rm -f f
}

@test "T54: with a full disk every command about a container answers at once, and stop and rm work" {
	need_root
	local full
	full=$(store alice)
	mkdir -p "$full"
	mount -t tmpfs -o "size=24m,mode=0700,uid=$(id -u "$(user alice)"),gid=$(id -g "$(user alice)")" tmpfs "$full"
	as alice crt run -d --name d --network none $B sh -c 'while :; do echo line; sleep 0.02; done'
	as alice crt run -d --name e --network none --health-cmd true --health-interval 50ms $B sleep 600
	cat /dev/zero >"$full/filler" 2>/dev/null || true
	run as alice timeout 60 crt ps --format '{{.Names}} {{.State}}' --sort names
	assert_output $'d running\ne running'
	run as alice timeout 60 crt exec d echo alive
	assert_output alive
	run as alice timeout 60 crt logs --tail 1 d
	assert_status 0
	run as alice timeout 60 crt inspect -f '{{.State.Status}}' e
	assert_output running
	run as alice timeout 60 crt stop -t 0 d
	assert_status 0
	is_state d exited
	run as alice timeout 60 crt rm -f d e
	assert_status 0
	rm "$full/filler"
	run as alice crt run --rm --network none $B echo again
	assert_output again
	as alice crt ps -aq
	umount -l "$full"
}

@test "after a reboot, that is without processes and runtime directory: ended, unknown how, and it starts" {
	as alice crt run -d --name b --network none --restart always $B sleep 600
	kill -KILL "$(monitor)"
	rm -rf "$(runtime_dir alice)/crt"
	run as alice crt ps -a --format '{{.State}} {{.Status}}'
	assert_output "exited Exited (unknown)"
	run as alice timeout 60 crt wait b
	assert_output -1
	run as alice timeout 60 crt logs b
	assert_status 0
	as alice crt start b
	is_state b running
}
