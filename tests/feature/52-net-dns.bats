#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Names: the container asks the host's name server, wherever that is.
load helpers

# with_etc COMMAND...: run it where /etc is a copy of the host's that only this test sees ($T/etc), so that
# resolv.conf can be anything. The command is a function of this file.
with_etc() {
	need_root
	# files come and go there
	cp -a /etc "$T/etc" 2>/dev/null || [ -e "$T/etc/passwd" ]
	rm -f "$T/etc/resolv.conf"
	# shellcheck disable=SC2163  # the function that $1 names
	export -f "$1" as as_exec close_fds user home runtime_dir
	unshare -m --propagation private bash -c "mount --bind '$T/etc' /etc && $*"
}

# lookup NAME: what a container of alice's makes of it
lookup() {
	as alice crt run --rm builtin:busybox nslookup -type=a "$1" | awk '/^Address/ && !/:53$/ { print $NF }'
}
export -f lookup

dns_start() {
	job_start /usr/bin/python3 "$FEATURE_DIR/dns.py" "$@"
	wait_for 10 grep -q ready "$JOB_LOG"
}

resolv_is() {
	printf "nameserver %s\n" "$1" >/etc/resolv.conf
	lookup www.crt.test
}

@test "a name server on the host's loopback (as systemd-resolved is) serves the container" {
	need_root
	dns_start 127.0.0.53 192.0.2.77
	run with_etc resolv_is 127.0.0.53
	assert_output 192.0.2.77
}

@test "a name server with an IPv6 address only" {
	need_root
	[ -e /proc/net/if_inet6 ] || skip "this host has no IPv6"
	dns_start ::1 192.0.2.78
	run with_etc resolv_is ::1
	assert_output 192.0.2.78
}

resolv_by_tcp() {
	printf "nameserver %s\n" "$1" >/etc/resolv.conf
	as alice crt run --rm -v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro builtin:busybox /usr/bin/python3 -c '
import socket, struct
q = b"\0\1\1\0\0\1\0\0\0\0\0\0\3www\3crt\4test\0\0\1\0\1"
c = socket.create_connection(("10.0.2.3", 53), 10)
c.sendall(struct.pack(">H", len(q)) + q)
got = b"".join(iter(lambda: c.recv(1000), b""))
print(socket.inet_ntoa(got[-4:]))'
}

@test "names are asked for by TCP, too, on the host's loopback" {
	need_root
	[ -x /usr/lib64/ld-linux-x86-64.so.2 ] || skip "needs the host's /usr in a container (x86-64)"
	dns_start 127.0.0.53 192.0.2.80
	run with_etc resolv_by_tcp 127.0.0.53
	assert_output 192.0.2.80
}

resolv_with_dead_first() {
	printf "nameserver 127.0.0.99\nnameserver 127.0.0.53\n" >/etc/resolv.conf
	as alice crt run --rm builtin:busybox sh -c 'cat /etc/resolv.conf; nslookup -type=a www.crt.test' | awk '/^nameserver/ || /^Address/ && !/:53$/ { print $NF }'
}

@test "where nobody answers the next name server is asked" {
	need_root
	dns_start 127.0.0.53 192.0.2.81
	run with_etc resolv_with_dead_first
	assert_output "10.0.2.3
192.0.2.81"
}

# asked is the log of who hears questions and says nothing
resolv_with_silent_first() {
	printf "nameserver 127.0.0.98\nnameserver 127.0.0.53\n" >/etc/resolv.conf
	as alice crt run --rm -v "$T/home/alice:/signs" builtin:busybox sh -c '
		ask() { nslookup -type=a www.crt.test | awk "/^Address/ && !/:53\$/ { print \$NF }"; }
		ask; touch /signs/first; while [ ! -e /signs/counted ]; do sleep 0.1; done; ask; ask' &
	for _ in {1..300}; do
		[ ! -e "$T/home/alice/first" ] || break
		sleep 0.1
	done
	wc -l <"$T/silent"
	touch "$T/home/alice/counted"
	wait
	wc -l <"$T/silent"
}

@test "a name server that says nothing is not asked again and again" {
	need_root
	job_start /usr/bin/python3 -u -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.98", 53))
print("ready")
log = open(sys.argv[1], "w", buffering=1)
while True:
    s.recv(4096); log.write("asked\n")' "$T/silent"
	wait_for 10 grep -q ready "$JOB_LOG"
	dns_start 127.0.0.53 192.0.2.82
	run with_etc resolv_with_silent_first
	assert_status 0
	[ "${lines[0]}" = 192.0.2.82 ] && [ "${lines[2]}" = 192.0.2.82 ] && [ "${lines[3]}" = 192.0.2.82 ] ||
		flunk "answers: $output"
	[ "${lines[1]}" -ge 1 ] && [ "${lines[4]}" = "${lines[1]}" ] || flunk "asked before and after: $output"
}

# Another file takes the place of resolv.conf while the container runs.
roam() {
	mkdir "$T/resolv"
	ln -s "$T/resolv/stub.conf" /etc/resolv.conf
	chmod 755 "$T/resolv"
	echo "nameserver 127.0.0.53" >"$T/resolv/stub.conf"
	as alice crt run --rm -v "$T/home/alice:/signs" builtin:busybox sh -c '
		ask() { nslookup -type=a www.crt.test | awk "/^Address/ && !/:53\$/ { print \$NF }"; }
		ask; touch /signs/first; while [ ! -e /signs/moved ]; do sleep 0.1; done; sleep 1.2; ask' &
	for _ in {1..200}; do
		[ ! -e "$T/home/alice/first" ] || break
		sleep 0.1
	done
	echo "nameserver 127.0.0.54" >"$T/resolv/new"
	mv "$T/resolv/new" "$T/resolv/stub.conf"
	touch "$T/home/alice/moved"
	wait
}

@test "the container follows the host to another network" {
	need_root
	dns_start 127.0.0.53 192.0.2.77
	dns_start 127.0.0.54 192.0.2.79
	run with_etc roam
	assert_output "192.0.2.77
192.0.2.79"
}

no_resolv() {
	as alice crt run --rm builtin:busybox cat /etc/resolv.conf
}

@test "a host without resolv.conf" {
	need_root
	run with_etc no_resolv
	assert_status 0
	assert_output "nameserver 10.0.2.3"
}

@test "--dns none keeps the image's file; --dns-search . means none" {
	run as alice crt run --rm --dns none builtin:busybox cat /etc/resolv.conf
	refute_contains 10.0.2.3
	run as alice crt run --rm --dns 192.0.2.5 --dns-search . builtin:busybox cat /etc/resolv.conf
	assert_contains "nameserver 192.0.2.5"
	refute_contains search
}

@test "--add-host: host-gateway, IPv6, and what is refused" {
	run as alice crt run --rm --add-host up:host-gateway --add-host 'six:[2001:db8::6]' builtin:busybox cat /etc/hosts
	assert_match $'2001:db8::6\tsix'
	assert_match $'\thost\\.containers\\.internal host\\.docker\\.internal'
	run --separate-stderr as alice crt run --rm --add-host up builtin:busybox true
	assert_error 125 "--add-host up"
	run --separate-stderr as alice crt run --rm --add-host up:300.1.1.1 builtin:busybox true
	assert_error 125 "300.1.1.1"
}
