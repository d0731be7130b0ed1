#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile frames (T41).
load helpers

# python of the host, inside a container
with_python=(-v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro)

@test "odd frames of every kind do not end the network (T41)" {
	local address port
	[ -x /usr/lib64/ld-linux-x86-64.so.2 ] || skip "needs the host's /usr in a container (x86-64)"
	address=$(ip -4 -o addr show scope global up | awk '{ split($4, a, "/"); print a[1]; exit }')
	[ -n "$address" ] || skip "this host has no address besides loopback"
	port=$(free_port)
	mkdir "$T/www"
	echo "still there" >"$T/www/page"
	cp "$FEATURE_DIR/frames.py" "$T/frames.py"
	chmod 644 "$T/frames.py"
	job_start /usr/bin/python3 -m http.server --directory "$T/www" --bind "$address" "$port"
	wait_for 10 curl -s -o /dev/null "http://$address:$port/"
	run as alice crt run --rm --privileged "${with_python[@]}" -v "$T/frames.py:/frames.py:ro" builtin:busybox \
		sh -c "/usr/bin/python3 /frames.py $RANDOM 20000 && wget -q -O - http://$address:$port/page"
	assert_output "sent
still there"
}

@test "datagrams larger than the MTU leave and come back whole" {
	local address port
	[ -x /usr/lib64/ld-linux-x86-64.so.2 ] || skip "needs the host's /usr in a container (x86-64)"
	address=$(ip -4 -o addr show scope global up | awk '{ split($4, a, "/"); print a[1]; exit }')
	[ -n "$address" ] || skip "this host has no address besides loopback"
	port=$(free_port)
	cp "$FEATURE_DIR/udp.py" "$T/udp.py"
	chmod 644 "$T/udp.py"
	job_start /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('$address', $port))
print('ready', flush=True)
while True:
    data, peer = s.recvfrom(70000)
    s.sendto(data, peer)"
	wait_for 10 grep -q ready "$JOB_LOG"
	for mtu in 1500 32000; do
		run as alice crt run --rm --network "slirp4netns:mtu=$mtu" "${with_python[@]}" -v "$T/udp.py:/udp.py:ro" \
			builtin:busybox sh -c "for n in 1 1472 1473 5000 40000 65507; do /usr/bin/python3 /udp.py $address $port \$n; done"
		assert_output "1 $address
1472 $address
1473 $address
5000 $address
40000 $address
65507 $address"
	done
}
