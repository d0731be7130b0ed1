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

@test "pcap=FILE: every frame of both directions, readable by others" {
	local address port
	address=$(ip -4 -o addr show scope global up | awk '{ split($4, a, "/"); print a[1]; exit }')
	[ -n "$address" ] || skip "this host has no address besides loopback"
	port=$(free_port)
	mkdir "$T/www"
	head -c 100000 /dev/zero >"$T/www/page"
	job_start /usr/bin/python3 -m http.server --directory "$T/www" --bind "$address" "$port"
	wait_for 10 curl -s -o /dev/null "http://$address:$port/"
	run as alice crt run --rm --network "slirp:pcap=$T/home/alice/frames.pcap" builtin:busybox wget -q -O /dev/null "http://$address:$port/page"
	assert_status 0
	[ "$(stat -c '%a %U' "$T/home/alice/frames.pcap")" = "600 $(user alice)" ] || flunk "the file's owner and mode"
	run /usr/bin/python3 - "$T/home/alice/frames.pcap" "$port" <<-'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		magic, major, minor, _, _, _, link = struct.unpack("=IHHiIII", data[:24])
		assert (magic, major, minor, link) == (0xa1b23c4d, 2, 4, 1)
		at, to, back = 24, 0, 0
		while at < len(data):
		    _, nano, stored, length = struct.unpack("=IIII", data[at:at + 16])
		    frame = data[at + 16:at + 16 + stored]
		    assert stored == length == len(frame) and nano < 10**9
		    at += 16 + stored
		    if frame[12:14] == b"\x08\0" and frame[23] == 6:
		        source, destination = struct.unpack("!HH", frame[34:38])
		        to += destination == int(sys.argv[2])
		        back += (source == int(sys.argv[2])) * (length - 54)
		print("sent" if to > 2 else to, "received" if back >= 100000 else back)
	END
	assert_output "sent received"
	run --separate-stderr as alice crt run --rm --network "slirp:pcap=/dev/null" builtin:busybox true
	assert_error 125 "must be a regular file"
	run --separate-stderr as alice crt run --rm --network "slirp:pcap=$T/none/frames" builtin:busybox true
	assert_error 125 "pcap=$T/none/frames"
}
