#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Published ports with many connections, and with such that do not move: nothing leaks, nothing spins.
# CRT_AT_ONCE and CRT_IN_SEQUENCE: how many; tests/hard/21-net-load.bats asks for more.
load helpers

# load_start OPTION... [-- COMMAND...]: a container that sends every byte back, published on 127.0.0.1:$PORT; its
# crt-net, which may open $LIMIT files, is $NET
load_start() {
	need_root
	local netload=$CRT_BUILD/netload options=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift $(($# > 0))
	[ $# -gt 0 ] || set -- /netload serve 80
	[ -x "$netload" ] || skip "there is no netload beside the programs"
	cp "$netload" "$T/netload"
	chmod 755 "$T/netload"
	ulimit -n "${LIMIT:-$(ulimit -Hn)}"
	PORT=$(free_port)
	crt_start alice run --rm --init "${options[@]}" -p "127.0.0.1:$PORT:80" \
		-v "$T/netload:/netload:ro" builtin:busybox "$@"
	wait_for 20 "$T/netload" count 127.0.0.1 "$PORT" 1
	NET=$(pgrep -P "$JOB" -x crt-net)
}
fds() {
	find "/proc/$NET/fd" -type l | wc -l
}
# as few as there were, but for what is kept ready
fds_are_few() {
	[ "$(fds)" -le 100 ]
}
memory() {
	awk '/^RssAnon/ { print $2 }' "/proc/$NET/status"
}

# client PROGRAM: python; idle() there is the processor time that crt-net uses in a second of waiting, in ticks
client() {
	/usr/bin/python3 - "$PORT" "$NET" "$@" <<-END
		import os, socket, sys, time
		port, net = int(sys.argv[1]), sys.argv[2]
		def dial():
		    return socket.create_connection(("127.0.0.1", port), 60)
		def ticks():
		    return sum(map(int, open("/proc/%s/stat" % net).read().rsplit(")", 1)[1].split()[11:13]))
		def idle():
		    # until it rests; a spinning one never does
		    for _ in range(20):
		        before = ticks()
		        time.sleep(0.5)
		        if ticks() - before <= 1:
		            return "rests"
		    return "spins"
		$(cat)
	END
}

@test "connections in sequence leave nothing behind" {
	local n=${CRT_IN_SEQUENCE:-2000} before
	load_start
	"$T/netload" count 127.0.0.1 "$PORT" $((n / 4))
	before=$(memory)
	run timeout 600 "$T/netload" count 127.0.0.1 "$PORT" "$n"
	assert_match "^$n in sequence"
	wait_for 20 fds_are_few
	[ -n "${CRT_SANITIZED-}" ] || [ $(($(memory) - before)) -le 512 ] ||
		flunk "memory grew from $before to $(memory) KiB"
}

@test "many connections at once, idle, then each with a byte" {
	local n=${CRT_AT_ONCE:-300}
	load_start
	[ "$(ulimit -n)" -gt $((2 * n + 700)) ] || skip "the limit of open files is too low for $n"
	run client "$n" <<-'END'
		n = int(sys.argv[3])
		all = [dial() for _ in range(n)]
		for c in all:
		    c.sendall(b"x")
		print(sum(c.recv(1) == b"x" for c in all) == n, idle())
		for c in all:
		    c.sendall(b"y")
		print(sum(c.recv(1) == b"y" for c in all) == n)
	END
	assert_output "True rests
True"
	wait_for 60 fds_are_few
}

@test "a peer that does not read stops its sender and nobody else; half-closed is kept" {
	[ -x /usr/lib64/ld-linux-x86-64.so.2 ] || skip "needs the host's /usr in a container (x86-64)"
	cat >"$T/server.py" <<-'END'
		import socket, threading
		def echo(c):
		    with c:
		        while True:
		            data = c.recv(65536)
		            if not data:
		                return
		            c.sendall(data)
		s = socket.create_server(("", 80), backlog=100)
		while True:
		    threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
	END
	chmod 644 "$T/server.py"
	load_start -v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro -v "$T/server.py:/server.py:ro" -- /usr/bin/python3 /server.py
	run client <<-'END'
		stalled, other, half = dial(), dial(), dial()
		stalled.setblocking(False)
		sent, full = 0, 0
		while full < 20:
		    try:
		        sent += stalled.send(b"z" * 65536)
		        full = 0
		    except BlockingIOError:
		        full += 1
		        time.sleep(0.02)
		half.sendall(b"h" * 1000)
		half.shutdown(socket.SHUT_WR)
		print(b"".join(iter(lambda: half.recv(100), b"")) == b"h" * 1000)
		print(sent > 100000, idle())
		other.sendall(b"o")
		print(other.recv(1))
		stalled.setblocking(True)
		got = 0
		while got < sent:
		    got += len(stalled.recv(65536))
		print(got == sent)
	END
	assert_output "True
True rests
b'o'
True"
	[ -n "${CRT_SANITIZED-}" ] || [ "$(memory)" -lt 8192 ] || flunk "memory is $(memory) KiB"
	wait_for 20 fds_are_few
}

@test "at the limit of open files clients wait, without spinning, until others have gone" {
	LIMIT=200
	load_start
	run client <<-'END'
		all = [dial() for _ in range(100)]
		for c in all:
		    c.sendall(b"x")
		    c.settimeout(0.01)
		def answered(c):
		    try:
		        return c.recv(1) == b"x"
		    except socket.timeout:
		        return False
		time.sleep(0.5)
		served = [c for c in all if answered(c)]
		waiting = [c for c in all if c not in served]
		print(len(served) > 20, len(waiting) > 20, idle())
		for c in served:
		    c.close()
		for c in waiting:
		    c.settimeout(60)
		    if c.recv(1) != b"x":
		        print("lost")
	END
	assert_output "True True rests"
}
