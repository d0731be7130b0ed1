#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Published ports: every form of -p, who is seen as the peer, and what happens when it cannot be.
load helpers

# An address of this host that is not loopback.
host_address() {
	ip -4 -o addr show scope global up | awk '{ split($4, a, "/"); print a[1]; exit }'
}

# ports_free N: the first of N consecutive free ports
ports_free() {
	/usr/bin/python3 - "$1" <<-'END'
		import random, socket, sys
		n = int(sys.argv[1])
		while True:
		    first = random.randrange(20000, 30000)
		    try:
		        held = []
		        for p in range(first, first + n):
		            for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
		                s = socket.socket(socket.AF_INET, kind); s.bind(("", p)); held.append(s)
		        break
		    except OSError:
		        pass
		print(first)
	END
}

# A server on container port 80 (IPv4 only) that says who asks.
PEER_SERVER='mkdir -p /www/cgi-bin
	printf "#!/bin/sh\nprintf \"Content-type: text/plain\\r\\n\\r\\npeer %%s\\n\" \$REMOTE_ADDR\n" >/www/cgi-bin/peer
	chmod +x /www/cgi-bin/peer
	exec httpd -f -p 0.0.0.0:80 -h /www'

# peer_start USER OPTION...
peer_start() {
	crt_start "$1" run --rm --init "${@:2}" builtin:busybox sh -c "$PEER_SERVER"
}

# peer_at ADDRESS:PORT: who the server there believes is asking
peer_at() {
	curl -s -m 10 "http://$1/cgi-bin/peer"
}

# peer_wait ADDRESS:PORT: until it serves
peer_wait() {
	wait_for 20 curl -sf "http://$1/cgi-bin/peer"
}

# python_start OPTION...: python of the host in a container, with the program that comes from stdin
python_start() {
	[ -x /usr/lib64/ld-linux-x86-64.so.2 ] || skip "needs the host's /usr in a container (x86-64)"
	cat >"$T/server.py"
	chmod 644 "$T/server.py"
	crt_start alice run --rm --init "$@" -v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro \
		-v "$T/server.py:/server.py:ro" builtin:busybox /usr/bin/python3 /server.py
}

@test "the peer is the gateway for the host's loopback, else the real address; never 127.0.0.1 (T42)" {
	local port address
	port=$(ports_free 1)
	address=$(host_address)
	peer_start alice -p "$port:80"
	peer_wait "127.0.0.1:$port"
	run peer_at "127.0.0.1:$port"
	assert_output "peer 10.0.2.2"
	if [ -n "$address" ]; then
		run peer_at "$address:$port"
		assert_output "peer $address"
	fi
}

@test "IPv6 clients reach a server that listens on IPv4 only" {
	local port
	[ -e /proc/net/if_inet6 ] || skip "this host has no IPv6"
	port=$(ports_free 2)
	peer_start alice -p "$port:80" -p "[::1]:$((port + 1)):80"
	peer_wait "[::1]:$port"
	run peer_at "[::1]:$((port + 1))"
	assert_output "peer 10.0.2.2"
	# the second is for ::1 only
	run curl -s -m 2 "http://127.0.0.1:$((port + 1))/"
	assert_status 7
}

@test "-p 127.0.0.1:PORT is not reached by another address of the host" {
	local port address
	address=$(host_address)
	[ -n "$address" ] || skip "this host has no address besides loopback"
	port=$(ports_free 1)
	peer_start alice -p "127.0.0.1:$port:80"
	peer_wait "127.0.0.1:$port"
	run curl -s -m 2 "http://$address:$port/"
	assert_status 7
}

@test "a range of ports" {
	local port i
	port=$(ports_free 3)
	crt_start alice run --rm --init -p "127.0.0.1:$port-$((port + 2)):8000-8002" builtin:busybox sh -c '
		for p in 8000 8001 8002; do
			mkdir /$p
			echo "this is $p" >/$p/index.html
			httpd -p 0.0.0.0:$p -h /$p
		done
		exec sleep 600'
	for i in 0 1 2; do
		wait_for 20 curl -sf "http://127.0.0.1:$((port + i))/"
		run curl -s "http://127.0.0.1:$((port + i))/"
		assert_output "this is $((8000 + i))"
	done
}

@test "UDP: answers come from the published port, large datagrams too, on loopback and others" {
	local port address size
	port=$(ports_free 1)
	address=$(host_address)
	[ -x /usr/lib64/ld-linux-x86-64.so.2 ] || skip "needs the host's /usr in a container (x86-64)"
	# the image has no UDP server: python of the host
	crt_start alice run --rm --init -p "$port:7777/udp" -v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro \
		builtin:busybox /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 7777))
while True:
    data, peer = s.recvfrom(70000)
    s.sendto(data, peer)"
	wait_for 20 /usr/bin/python3 "$FEATURE_DIR/udp.py" 127.0.0.1 "$port" 5
	for size in 1 1400 9000 65507; do
		run /usr/bin/python3 "$FEATURE_DIR/udp.py" 127.0.0.1 "$port" "$size"
		assert_output "$size 127.0.0.1"
		if [ -n "$address" ]; then
			run /usr/bin/python3 "$FEATURE_DIR/udp.py" "$address" "$port" "$size"
			assert_output "$size $address"
		fi
	done
}

@test "UDP: the server sees the client's address and port, IPv4 and IPv6; others are not reached through it" {
	local port address
	[ -e /proc/net/if_inet6 ] || skip "this host has no IPv6"
	port=$(ports_free 1)
	address=$(host_address)
	python_start -p "$port:53/udp" <<-'END'
		import select, socket
		four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); four.bind(("", 53))
		six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); six.bind(("::", 53))
		while True:
		    for s in select.select([four, six], [], [])[0]:
		        data, peer = s.recvfrom(100)
		        s.sendto(b"%s %d" % (peer[0].encode(), peer[1]), peer)
		        # the same port of the gateway was not asked by anybody
		        s.sendto(b"stray", (peer[0], peer[1] + 1))
	END
	wait_for 20 /usr/bin/python3 "$FEATURE_DIR/udp.py" 127.0.0.1 "$port" 5
	run /usr/bin/python3 - "$port" 127.0.0.1=10.0.2.2 127.0.0.9=10.0.2.2 ::1=fd00::2 ${address:+"$address=$address"} <<-'END'
		import socket, sys
		for pair in sys.argv[2:]:
		    address, seen = pair.split("=")
		    family = socket.AF_INET6 if ":" in address else socket.AF_INET
		    while True:
		        mine, next = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
		        mine.bind((address, 0))
		        try:
		            next.bind((address, mine.getsockname()[1] + 1))
		            break
		        except OSError:
		            pass
		    mine.settimeout(10)
		    mine.sendto(b"who", (address, int(sys.argv[1])))
		    got, peer = mine.recvfrom(100)
		    expected = "%s %d" % (seen, mine.getsockname()[1])
		    next.setblocking(False)
		    try:
		        stray = next.recv(100)
		    except BlockingIOError:
		        stray = b""
		    good = got.decode() == expected and peer[:2] == (address, int(sys.argv[1])) and (not stray or seen == address)
		    print("as expected" if good else "%s: %s from %s, %s" % (address, got, peer, stray))
	END
	refute_contains ": "
	assert_contains "as expected"
}

@test "many clients at once" {
	local port
	port=$(ports_free 1)
	peer_start alice -p "127.0.0.1:$port:80"
	peer_wait "127.0.0.1:$port"
	run /usr/bin/python3 - "$port" <<-'END'
		import socket, sys
		clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) for _ in range(60)]
		for c in clients:
		    c.sendall(b"GET /cgi-bin/peer HTTP/1.0\r\n\r\n")
		good = 0
		for c in clients:
		    c.settimeout(60)
		    data = b""
		    while True:
		        more = c.recv(1000)
		        if not more:
		            break
		        data += more
		    good += b"peer 10.0.2.2" in data
		print(good)
	END
	assert_output 60
}

@test "getpeername() inside: address and port of the client, IPv4 and IPv6" {
	local port address
	[ -e /proc/net/if_inet6 ] || skip "this host has no IPv6"
	port=$(ports_free 1)
	address=$(host_address)
	python_start -p "$port:80" <<-'END'
		import socket
		s = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=50)
		while True:
		    c, peer = s.accept()
		    c.sendall(b"%s %d" % (peer[0].replace("::ffff:", "").encode(), peer[1]))
		    c.close()
	END
	wait_for 20 curl -s --http0.9 "http://127.0.0.1:$port/"
	run /usr/bin/python3 - "$port" 127.0.0.1=10.0.2.2 ::1=fd00::2 ${address:+"$address=$address"} <<-'END'
		import socket, sys
		for pair in sys.argv[2:]:
		    address, seen = pair.split("=")
		    c = socket.create_connection((address, int(sys.argv[1])), 10)
		    mine = c.getsockname()[1]
		    got = b"".join(iter(lambda: c.recv(100), b"")).decode()
		    print("as expected" if got == "%s %d" % (seen, mine) else "%s: %s" % (address, got))
	END
	refute_contains ": "
	assert_contains "as expected"
}

@test "a connection ends as it would without us: half-closed, reset, refused" {
	local port
	port=$(ports_free 2)
	python_start -p "127.0.0.1:$port-$((port + 1)):80-81" <<-'END'
		import socket, struct
		s = socket.create_server(("", 80))
		while True:
		    c, peer = s.accept()
		    data = b"".join(iter(lambda: c.recv(65536), b""))
		    if data == b"reset":
		        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		    else:
		        c.sendall(b"%d" % len(data))
		    c.close()
	END
	run timeout 60 /usr/bin/python3 - "$port" <<-'END'
		import socket, sys, time
		def talk(port, data):
		    try:
		        c = socket.create_connection(("127.0.0.1", port), 10)
		        c.sendall(data)
		        c.shutdown(socket.SHUT_WR)
		        return b"".join(iter(lambda: c.recv(100), b"")).decode()
		    except ConnectionResetError:
		        return "reset"
		    except ConnectionRefusedError:
		        return "refused"
		port = int(sys.argv[1])
		while talk(port, b"") != "0":
		    time.sleep(0.1)
		print(talk(port, b"x" * 5000000), talk(port, b"reset"), talk(port + 1, b""))
	END
	assert_output "5000000 reset reset"
}

@test "a port that cannot be bound: one line with address, port and reason, and nothing is left" {
	local port
	port=$(ports_free 2)
	run --separate-stderr as alice crt run --rm -p 203.0.113.9:"$port":80 builtin:busybox true
	assert_error 125 "203.0.113.9:$port"
	assert_error 125 "no network interface of the host has this address"
	if [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 81 ]; then
		run --separate-stderr as alice crt run --rm -p 127.0.0.1:81:80 builtin:busybox true
		assert_error 125 "net.ipv4.ip_unprivileged_port_start"
	fi
	# by a program that has the port on all addresses; and UDP
	job_start /usr/bin/python3 -c "import socket, time
t = socket.socket(); t.bind(('', $port)); t.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('', $((port + 1))))
print('ready', flush=True); time.sleep(60)"
	wait_for 10 grep -q ready "$JOB_LOG"
	run --separate-stderr as alice crt run --rm -p "$port:80" builtin:busybox true
	assert_error 125 "0.0.0.0:$port/tcp: the port is in use"
	run --separate-stderr as alice crt run --rm -p "$((port + 1)):80/udp" builtin:busybox true
	assert_error 125 "0.0.0.0:$((port + 1))/udp: the port is in use"
	# one of a range: nothing starts
	run --separate-stderr as alice crt run --rm -p "$((port - 1))-$port:80-81" builtin:busybox true
	assert_error 125 ":$port/tcp: the port is in use"
	run as alice crt ps -aq
	assert_output ""
}

@test "two containers cannot have the same port; it is free when the first has ended" {
	local port
	port=$(ports_free 1)
	peer_start alice -p "127.0.0.1:$port:80"
	peer_wait "127.0.0.1:$port"
	run --separate-stderr as alice crt run --rm -p "127.0.0.1:$port:80" builtin:busybox true
	assert_error 125 "the port is in use"
	kill "$JOB"
	job_wait
	run as alice crt run --rm -p "127.0.0.1:$port:80" builtin:busybox true
	assert_status 0
}

@test "crt killed by SIGKILL: the port is free again" {
	local port
	port=$(ports_free 1)
	peer_start alice -p "127.0.0.1:$port:80"
	peer_wait "127.0.0.1:$port"
	kill -KILL "$JOB"
	wait_for 5 /usr/bin/python3 -c "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', $port))"
}

@test "-P publishes what the image and --expose name; crt port finds it" {
	local name=ports$RANDOM port
	crt_start alice run --rm --init --name "$name" -P --expose 53/udp --expose 80 -p 127.0.0.1::81 builtin:busybox sh -c "$PEER_SERVER"
	wait_for 20 as alice crt port "$name" 80
	run as alice crt port "$name" 80
	assert_match '^0\.0\.0\.0:[0-9]+$'
	port=${output##*:}
	peer_wait "127.0.0.1:$port"
	run as alice crt port "$name"
	assert_match '80/tcp -> 0\.0\.0\.0:[0-9]+'
	assert_match '53/udp -> 0\.0\.0\.0:[0-9]+'
	assert_match '81/tcp -> 127\.0\.0\.1:[0-9]+'
	run as alice crt port -a
	assert_match "80/tcp -> 0\\.0\\.0\\.0:$port"
	run --separate-stderr as alice crt port "$name" 53
	assert_error 125 "port 53 is not published"
	run --separate-stderr as alice crt port nobody
	assert_error 125 "nobody"
}

@test "a detached container: its ports lead to it while it runs, and again when it is started again" {
	local name=detached$RANDOM port
	port=$(ports_free 1)
	run as alice crt run -d --name "$name" --init -p "127.0.0.1:$port:80" builtin:busybox sh -c "$PEER_SERVER"
	assert_status 0
	peer_wait "127.0.0.1:$port"
	run peer_at "127.0.0.1:$port"
	assert_output "peer 10.0.2.2"
	# what went through is counted
	run as alice crt inspect --format '{{.NetworkSettings.Counters.Tcp.Accepted}} {{.NetworkSettings.Counters.Interfaces.lo.RxBytes}} {{.NetworkSettings.Counters.Interfaces.tap0.TxDropped}}' "$name"
	assert_match '^[1-9][0-9]* [1-9][0-9]{2,} [0-9]+$'
	run as alice timeout 30 crt stop -t 5 "$name"
	assert_status 0
	run curl -s -m 2 "http://127.0.0.1:$port/"
	assert_status 7
	run as alice timeout 30 crt start "$name"
	assert_status 0
	peer_wait "127.0.0.1:$port"
	run as alice timeout 30 crt rm -f -t 0 "$name"
	assert_status 0
	run curl -s -m 2 "http://127.0.0.1:$port/"
	assert_status 7
}

@test "what -p does not understand is refused with the reason" {
	local spec
	for spec in 80/sctp 8000-8001:80 70000:80 0:80 localhost:8080:80 ::1:8080:80 80/foo 8080:; do
		run --separate-stderr as alice crt run --rm -p "$spec" builtin:busybox true
		assert_error 125 "$spec"
	done
	run --separate-stderr as alice crt run --rm -p 80/sctp builtin:busybox true
	assert_error 125 "SCTP cannot be published"
}
