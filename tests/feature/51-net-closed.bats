#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a container's network must not reach, and what crt-net itself may do.
load helpers

# A web server on the host's loopback, IPv4 and IPv6; its port in $PORT.
loopback_server() {
	PORT=$(free_port)
	mkdir "$T/www"
	echo local >"$T/www/page"
	job_start /usr/bin/python3 -m http.server --directory "$T/www" --bind 127.0.0.1 "$PORT"
	job_start /usr/bin/python3 -m http.server --directory "$T/www" --bind ::1 "$PORT"
	wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$PORT/"
}

@test "no way to the host's loopback (T42)" {
	local address
	loopback_server
	for address in 10.0.2.2 10.0.2.3 127.0.0.1 0.0.0.0 '[fd00::2]' '[fd00::3]' '[::1]' '[::ffff:127.0.0.1]'; do
		run as alice crt run --rm --init builtin:busybox timeout 4 wget -q -O - "http://$address:$PORT/page"
		[ "$status" != 0 ] || flunk "reached by $address"
		refute_contains local
	done
	# the means of this test work: the same by an address that is open
	run as alice crt run --rm --init --network slirp4netns:allow_host_loopback=true builtin:busybox timeout 4 wget -q -O - "http://10.0.2.2:$PORT/page"
	assert_output local
}

@test "cidr=: both families have the network that was asked for" {
	[ -e /proc/net/if_inet6 ] || skip "this host has no IPv6"
	loopback_server
	run as alice crt run --rm --init --network slirp:cidr=10.77.0.0/24,cidr=fd77:1::/64,allow_host_loopback=true builtin:busybox sh -c "
		ip -o addr show tap0; timeout 4 wget -q -O - http://10.77.0.2:$PORT/page; timeout 4 wget -q -O - http://[fd77:1::2]:$PORT/page"
	assert_contains 10.77.0.100/24
	assert_contains fd77:1::100/64
	assert_contains "local
local"
}

@test "root of the container cannot send frames to 127.0.0.1 or ::1 either" {
	loopback_server
	run as alice crt run --rm --init --privileged builtin:busybox sh -c "
		sysctl -w net.ipv4.conf.all.route_localnet=1 >/dev/null
		ip addr del 127.0.0.1/8 dev lo && ip addr del ::1/128 dev lo && ip route add 127.0.0.0/8 via 10.0.2.2 &&
		ip -6 route add ::1/128 via fd00::2 && echo prepared
		timeout 4 wget -q -O - http://127.0.0.1:$PORT/page
		timeout 4 wget -q -O - http://[::1]:$PORT/page"
	assert_contains prepared
	refute_contains local
}

# crt_net: pid of the crt-net of $JOB
crt_net() {
	pgrep -P "$JOB" -x crt-net
}
# what makes a container send a frame, so that crt-net is started
FRAME='nc -w 1 10.0.2.2 9 </dev/null >/dev/null 2>&1 &'

@test "crt-net is started with the container's first frame" {
	crt_start alice run --rm builtin:busybox sh -c "trap '$FRAME' USR1; echo up; while :; do sleep 0.1; done"
	wait_for 20 grep -q up "$JOB_LOG"
	sleep 1.5 # what the kernel says by itself when the device comes up
	run crt_net
	[ "$status" != 0 ] || flunk "crt-net runs, but nobody needs it"
	kill -USR1 "$JOB"
	wait_for 20 crt_net
	kill -KILL "$JOB"
	job_wait
}

@test "crt-net sits in its cage: alice, carol and root" {
	local who pid uid
	need_root
	not_sanitized "crt-net is not confined then"
	for who in alice carol root; do
		crt_start "$who" run --rm --init builtin:busybox sh -c "$FRAME sleep 60"
		wait_for 20 crt_net
		pid=$(crt_net)
		wait_for 20 grep -q 'Seccomp:.*[12]' "/proc/$pid/status"
		[ -z "${SANITIZER_ENV-}" ] || skip "a sanitized crt-net has no system call filter"
		run cat "/proc/$pid/status"
		assert_match 'CapEff:[[:space:]]+0000000000000000'
		assert_match 'CapPrm:[[:space:]]+0000000000000000'
		assert_match 'NoNewPrivs:[[:space:]]+1'
		uid=$(id -u "$(user "$who")")
		[ "$who" != root ] || uid=65534
		assert_match "Uid:[[:space:]]+$uid"
		# an empty root but for the directory of resolv.conf
		run ls "/proc/$pid/root/"
		assert_match '^(etc[[:space:]]r)?$'
		run touch "/proc/$pid/root/x" "/proc/$pid/root/r/crt-net-x"
		[ "$status" != 0 ] || flunk "its root can be written"
		# nobody but root may look into it
		[ "$(stat -c %u "/proc/$pid/environ")" = 0 ] || flunk "crt-net can be traced"
		run wc -c "/proc/$pid/environ"
		assert_match '^0 '
		# nothing is open but null, the socket to crt, the tap device, and what waits for name servers
		run sh -c "readlink /proc/$pid/fd/* | sed 's/:.*//' | LC_ALL=C sort | uniq -c | tr -s ' '"
		assert_output " 1 /dev/net/tun
 3 /dev/null
 1 anon_inode
 1 socket"
		kill "$JOB"
		job_wait
	done
}

@test "crt-net sleeps while nothing happens, with a published port too" {
	local pid before after
	crt_start alice run --rm --init -p "127.0.0.1:$(free_port):80" builtin:busybox sleep 60
	wait_for 20 crt_net
	pid=$(crt_net)
	sleep 2
	before=$(awk '/ctxt/ { n += $2 } END { print n }' "/proc/$pid/status")
	sleep 2
	after=$(awk '/ctxt/ { n += $2 } END { print n }' "/proc/$pid/status")
	[ $((after - before)) -le 1 ] || flunk "$((after - before)) wake-ups in two seconds"
}

@test "the container goes on when crt-net is killed, and ends cleanly" {
	local pid
	crt_start alice run --rm --init builtin:busybox sh -c "$FRAME"'trap "echo asked to end; exit 7" TERM; while :; do sleep 0.1; done'
	wait_for 20 crt_net
	pid=$(crt_net)
	sleep 0.5
	kill -KILL "$pid"
	sleep 0.3
	kill -0 "$JOB"
	kill -TERM "$JOB"
	job_wait
	assert_status 7
	assert_contains "asked to end"
	assert_contains "crt-net, which serves the container's network, has ended"
}

@test "a server that hangs up in the middle of an upload does not end the network" {
	local address port
	address=$(ip -4 -o addr show scope global up | awk '{ split($4, a, "/"); print a[1]; exit }')
	[ -n "$address" ] || skip "this host has no address besides loopback"
	port=$(free_port)
	job_start /usr/bin/python3 -c "
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('$address', $port)); s.listen(10)
for i in range(6):
    c, _ = s.accept(); c.recv(1000); c.close()
c, _ = s.accept(); c.recv(1000); c.sendall(b'HTTP/1.0 200 OK\r\n\r\nstill there\n'); c.close()"
	sleep 0.5
	run as alice crt run --rm builtin:busybox sh -c "
		for i in 1 2 3 4 5 6; do head -c 3000000 /dev/zero | nc -w 3 $address $port >/dev/null 2>&1; done
		wget -q -O - http://$address:$port/"
	assert_output "still there"
}

@test "crt-net killed or stopped with 100 connections: clients hear of it, the container goes on and is removed at once (T44)" {
	local port signal id
	port=$(free_port)
	for signal in KILL STOP; do
		crt_start alice run --rm --init -p "127.0.0.1:$port:80" builtin:busybox sh -c 'httpd -f -p 0.0.0.0:80 & exec sleep 600'
		wait_for 20 curl -s -o /dev/null "http://127.0.0.1:$port/"
		run timeout 60 /usr/bin/python3 - "$port" "$(crt_net)" "$signal" <<-'END'
			import os, signal, socket, sys
			port, pid, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
			flows = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(100)]
			os.kill(pid, getattr(signal, "SIG" + name))
			lost = 0
			for c in flows if name == "KILL" else []:
			    c.settimeout(10)
			    try:
			        lost += c.recv(1) == b""
			    except ConnectionResetError:
			        lost += 1
			print("lost", lost)
		END
		assert_output "lost $([ "$signal" = KILL ] && echo 100 || echo 0)"
		run as alice crt ps -q
		id=$output
		[ -n "$id" ] || flunk "the container is gone"
		run as alice timeout 10 crt rm -f "$id"
		assert_status 0
		job_wait
	done
}
