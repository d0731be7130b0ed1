#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Options of crt run that scripts rely on: what they do, and what is said when they are wrong.
load helpers

# wrong OPTION... -- TEXT: refused before anything runs, in one line with TEXT
wrong() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	run --separate-stderr as alice crt run --rm "${options[@]}" builtin:busybox true
	assert_error 125 "$2"
}

@test "--sysctl of the container's own network, also without subordinate ids and with keep-id" {
	local who
	run as alice crt run --rm --sysctl net.ipv4.ip_forward=1 --sysctl net.ipv4.conf.tap0.rp_filter=2 \
		builtin:busybox cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/tap0/rp_filter
	assert_output $'1\n2'
	run as alice crt run --rm --network none --userns keep-id --sysctl net/ipv4/ip_forward=1 builtin:busybox \
		cat /proc/sys/net/ipv4/ip_forward
	assert_output 1
	if [ "$(id -u)" = 0 ]; then
		for who in carol root; do
			run as "$who" crt run --rm --network none --sysctl net.ipv4.ip_forward=1 builtin:busybox \
				cat /proc/sys/net/ipv4/ip_forward
			assert_output 1
		done
	fi
	wrong --sysctl net.ipv4.nothing=1 -- "--sysctl net.ipv4.nothing=1: no such file"
	wrong --sysctl net.ipv4.ip_forward=1 --network host -- "not allowed in host network namespace"
	wrong --sysctl vm.swappiness=1 -- vm.swappiness
	wrong --sysctl kernel.msgmax -- KEY=VALUE
}

@test "--ulimit: numbers, unlimited, and a valid config.json" {
	run as alice crt run --rm --ulimit nofile=100:200 --ulimit core=-1 builtin:busybox \
		sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
	assert_output $'100\n200\nunlimited'
	run as alice crt run --explain --ulimit core=unlimited builtin:busybox
	jq -e '.config.process.rlimits[0].soft > 0' <<<"$output" >/dev/null || flunk
	wrong --cap-add chown --cap-drop CAP_CHOWN -- "cannot be dropped and added"
	wrong --ulimit nofile=200:100 -- "soft limit"
	wrong --ulimit files=1 -- files
}

@test "a free host port is chosen, and ps and inspect tell which" {
	local port
	crt_start alice run --rm --init --name web -p 127.0.0.1::80 builtin:busybox \
		sh -c 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www'
	port() { as alice crt inspect web | jq -er '.[0].NetworkSettings.Ports["80/tcp"][0].HostPort'; }
	for _ in {1..100}; do
		port=$(port 2>/dev/null) || port=0
		[ "$port" = 0 ] || break
		sleep 0.1
	done
	[ "$port" != 0 ] || flunk "no port"
	wait_for 20 curl -sf "http://127.0.0.1:$port/"
	run as alice crt inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' web
	assert_output "$port"
	run as alice crt ps --format '{{.Ports}}'
	assert_output "127.0.0.1:$port->80/tcp"
	kill "$JOB"
	job_wait
}

@test "-p where nothing can be published is ignored with a warning" {
	local mode
	for mode in none host; do
		run --separate-stderr as alice crt run --rm --network "$mode" -p 8099:80 builtin:busybox echo runs
		assert_status 0
		assert_output runs
		[[ $stderr == *"-p is ignored"*"$mode"* ]] || flunk
	done
}

@test "--dns none keeps the image's resolv.conf; what is no address is refused" {
	image plain
	run as alice crt run --rm --dns none "oci:$T/img/plain" sh -c 'grep -c /etc/resolv.conf /proc/mounts'
	assert_output 0
	run as alice crt run --rm --dns ::1 --dns 10.0.0.1 "oci:$T/img/plain" cat /etc/resolv.conf
	assert_output $'nameserver ::1\nnameserver 10.0.0.1'
	wrong --dns nothing -- "--dns nothing"
	wrong --dns none --dns 10.0.0.1 -- "--dns none"
}

@test "labels, annotations, host names, names of volumes" {
	wrong --annotation key -- "--annotation key"
	wrong --label =value -- "--label =value"
	wrong -v 'a b:/data' -- "invalid volume name"
	wrong --hostname $'a\nb' -- "--hostname"
	wrong --hostname 'a b' -- "--hostname a b"
}

@test "--platform: another one is not run from the store by mistake" {
	run as alice crt run --rm builtin:busybox true
	wrong --pull never --platform linux/arm64 -- "for linux/amd64 and not for linux/arm64"
	wrong --platform arm64 -- "OS/ARCH"
	run as alice crt run --rm --pull never --platform linux/x86_64 builtin:busybox echo same
	assert_output same
}

@test "fuse-overlayfs killed under a container: it is ended, and the reason named" {
	local pid
	need_root
	need_program fuse-overlayfs
	[ -e /dev/fuse ] || skip "no /dev/fuse"
	crt_start alice run --rm --userns keep-id builtin:busybox sleep 60
	wait_for 20 pgrep -u "$(user alice)" -f '^sleep 60'
	pid=$(pgrep -u "$(user alice)" -f '/fuse-overlayfs -f')
	kill -KILL "$pid"
	job_wait
	assert_status 125
	assert_contains "fuse-overlayfs, which serves the container's root file system, died"
	[ "$(wc -l <"$JOB_LOG")" = 1 ] || flunk
}
