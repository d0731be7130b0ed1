#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The container's network as its user meets it: out, in, names, and what stays closed.
load helpers

# A network namespace of the test with one address, reached from the host through a veth pair.
netns_make() {
	need_root
	need_program ip
	NETNS=$CRT_TEST_PREFIX-t$$
	ip netns add "$NETNS" || skip "no network namespaces here"
	ip link add "v$$a" type veth peer name "v$$b"
	ip link set "v$$b" netns "$NETNS"
	ip addr add 10.213.77.1/30 dev "v$$a"
	ip link set "v$$a" up
	ip -n "$NETNS" addr add 10.213.77.2/30 dev "v$$b"
	ip -n "$NETNS" link set "v$$b" up
	ip -n "$NETNS" link set lo up
	SERVER=10.213.77.2
}

teardown() {
	jobs_stop
	if [ -n "${NETNS-}" ]; then
		ip netns del "$NETNS"
		ip link del "v$$a" 2>/dev/null || true
	fi
	world_teardown
}

# web_start DIRECTORY: an HTTP server in the namespace
web_start() {
	job_start ip netns exec "$NETNS" /usr/bin/python3 -m http.server --directory "$1" --bind "$SERVER" 8000
	wait_for 10 curl -s -o /dev/null "http://$SERVER:8000/"
}

@test "a server in another network namespace is reached: alice, carol and root" {
	netns_make
	mkdir "$T/www"
	echo "hello from outside" >"$T/www/page"
	web_start "$T/www"
	for who in alice carol root; do
		run as "$who" crt run --rm builtin:busybox wget -q -O - "http://$SERVER:8000/page"
		assert_status 0
		assert_output "hello from outside"
	done
}

@test "a big download arrives whole" {
	netns_make
	mkdir "$T/www"
	head -c 100000000 /dev/urandom >"$T/www/big"
	web_start "$T/www"
	run as alice crt run --rm builtin:busybox sh -c "wget -q -O - http://$SERVER:8000/big | sha256sum"
	assert_output "$(sha256sum <"$T/www/big")"
}

@test "T8: a published port is reached with curl, an unpublished one is not, and all is closed at the end" {
	local port
	port=$(free_port)
	crt_start alice run --rm --init -p "127.0.0.1:$port:80" builtin:busybox \
		sh -c 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www'
	wait_for 20 curl -sf "http://127.0.0.1:$port/"
	run curl -s "http://127.0.0.1:$port/"
	assert_output served
	kill "$JOB"
	job_wait
	run curl -s -m 2 "http://127.0.0.1:$port/"
	assert_status 7
}

@test "a port that is in use is refused by name" {
	local port
	port=$(free_port)
	job_start /usr/bin/python3 -m http.server --bind 127.0.0.1 "$port"
	wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$port/"
	run --separate-stderr as alice crt run --rm -p "127.0.0.1:$port:80" builtin:busybox true
	assert_error 125 "$port"
}

@test "host loopback is closed, and open with allow_host_loopback" {
	local port
	port=$(free_port)
	mkdir "$T/www"
	echo local >"$T/www/page"
	job_start /usr/bin/python3 -m http.server --directory "$T/www" --bind 127.0.0.1 "$port"
	wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$port/"
	run as alice crt run --rm --init builtin:busybox timeout 5 wget -q -O - "http://10.0.2.2:$port/page"
	[ "$status" != 0 ] || flunk
	run as alice crt run --rm --init --network slirp4netns:allow_host_loopback=true builtin:busybox timeout 5 wget -q -O - "http://10.0.2.2:$port/page"
	assert_output local
}

@test "T8: --network none has lo only, --network host has the host's" {
	run as alice crt run --rm --network none builtin:busybox sh -c 'ls /sys/class/net 2>/dev/null || ip -o link | cut -d: -f2'
	assert_match '^ *lo$'
	run as alice crt run --rm --network host builtin:busybox readlink /proc/self/ns/net
	assert_output "$(readlink /proc/self/ns/net)"
}

@test "resolv.conf, hosts and their options" {
	run as alice crt run --rm --dns 10.9.8.7 --dns-search example.test --dns-option ndots:3 builtin:busybox cat /etc/resolv.conf
	assert_contains "nameserver 10.9.8.7"
	assert_contains "search example.test"
	assert_contains "ndots:3"
	run as alice crt run --rm --add-host db:10.1.2.3 --hostname box --name web builtin:busybox cat /etc/hosts
	assert_match "10\.1\.2\.3[[:space:]]+db"
	assert_contains box
	assert_contains localhost
}

# bats test_tags=slow
@test "apt-get update and install from a server in another namespace, in a Debian image" {
	local layout
	netns_make
	need_program mmdebstrap dpkg-deb
	layout=$(debian_image) || skip "no Debian image: mmdebstrap failed (no package mirror?)"
	mkdir -p "$T/pkg/DEBIAN" "$T/pkg/usr/share/crt-test" "$T/www"
	printf 'Package: crt-test\nVersion: 1\nArchitecture: all\nMaintainer: test <test@example.test>\nDescription: test\n' >"$T/pkg/DEBIAN/control"
	echo installed >"$T/pkg/usr/share/crt-test/proof"
	dpkg-deb --root-owner-group -b "$T/pkg" "$T/www/crt-test_1_all.deb" >/dev/null
	(
		cd "$T/www"
		{
			dpkg-deb -f crt-test_1_all.deb
			echo "Filename: ./crt-test_1_all.deb"
			echo "Size: $(stat -c %s crt-test_1_all.deb)"
			echo "SHA256: $(sha256sum crt-test_1_all.deb | cut -d' ' -f1)"
		} >Packages
	)
	web_start "$T/www"
	for who in alice carol; do
		run as "$who" crt run --rm "oci:$layout:latest" sh -c "
			rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/99*
			echo 'deb [trusted=yes] http://$SERVER:8000/ ./' >/etc/apt/sources.list
			# apt wants to become the user _apt, which only a range of ids permits
			[ $who = alice ] || echo 'APT::Sandbox::User \"root\";' >/etc/apt/apt.conf.d/sandbox
			apt-get -q update && apt-get -q install -y crt-test && cat /usr/share/crt-test/proof"
		assert_status 0
		[ "${lines[-1]}" = installed ] || flunk "$who"
	done
}

@test "--network container:NAME and ns:PATH: one network for two containers, alice, carol and root" {
	local who name pid
	need_root
	for who in alice carol root; do
		name=first$RANDOM
		run as "$who" crt run -d --name "$name" --init builtin:busybox sh -c \
			'mkdir /www; echo "from the first" >/www/index.html; exec httpd -f -p 127.0.0.1:80 -h /www'
		assert_status 0
		wait_for 20 as "$who" crt run --rm --network "container:$name" builtin:busybox wget -q -O /dev/null http://127.0.0.1/
		run as "$who" crt run --rm --network "container:$name" builtin:busybox sh -c \
			"wget -q -O - http://127.0.0.1/; ip -4 -o addr show tap0 | awk '{ print \$4 }'; grep -c '$name' /etc/hosts; cat /etc/resolv.conf"
		assert_contains "from the first"
		assert_contains "10.0.2.100/24"
		assert_match $'\n1\n'
		assert_contains "nameserver 10.0.2.3"
		run as "$who" crt inspect -f '{{.State.Pid}}' "$name"
		pid=$output
		run as "$who" crt run --rm --network "ns:/proc/$pid/ns/net" builtin:busybox wget -q -O - http://127.0.0.1/
		assert_output "from the first"
		run as "$who" timeout 30 crt stop -t 0 "$name"
		assert_status 0
		run --separate-stderr as "$who" crt run --rm --network "container:$name" builtin:busybox true
		assert_error 125 "the container is not running"
		run as "$who" crt rm "$name"
		assert_status 0
	done
	run --separate-stderr as alice crt run --rm --network container:nobody builtin:busybox true
	assert_error 125 "nobody"
	run --separate-stderr as alice crt run --rm --network ns:/proc/self/ns/net builtin:busybox true
	assert_error 125 "only root can enter it"
	run --separate-stderr as alice crt run --rm --network ns:/dev/null builtin:busybox true
	assert_error 125 "not a network namespace"
}
