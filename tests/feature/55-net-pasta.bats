#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --network pasta, where the program is installed.
load helpers

setup() {
	world_setup
	need_program pasta
	need_root # for machines of our own
	job_start unshare -n sleep 300
	HOST_NS=$JOB
	job_start unshare -n sleep 300
	PEER_NS=$JOB
	wait_for 10 own_namespaces
	ip link add crtp0 netns "$HOST_NS" type veth peer name crtp0 netns "$PEER_NS"
	for side in "$HOST_NS 1" "$PEER_NS 2"; do
		nsenter -t "${side% *}" -n ip link set lo up
		nsenter -t "${side% *}" -n ip addr add "192.0.2.${side#* }/24" dev crtp0
		nsenter -t "${side% *}" -n ip link set crtp0 up
	done
	nsenter -t "$HOST_NS" -n ip route add default via 192.0.2.2
}
own_namespaces() {
	[ "$(readlink "/proc/$HOST_NS/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(readlink "/proc/$PEER_NS/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# here COMMAND...: on the machine where the containers are; there: on the other one
here() {
	nsenter -t "$HOST_NS" -n -- setpriv --reuid="$(user alice)" --regid="$(id -g "$(user alice)")" --init-groups -- \
		env -i HOME="$(home alice)" USER="$(user alice)" PATH="$CRT_BIN:/usr/bin:/bin:/usr/sbin:/sbin" \
		XDG_RUNTIME_DIR="$(runtime_dir alice)" ${SANITIZER_ENV:+$SANITIZER_ENV} "$@"
}
there() {
	nsenter -t "$PEER_NS" -n -- "$@"
}
pastas() {
	pgrep -u "$(user alice)" -f '^pasta --config-net' | wc -l
}

@test "pasta: the host's own address, a way out, and nothing left afterwards" {
	mkdir "$T/www"
	echo outside >"$T/www/page"
	job_start nsenter -t "$PEER_NS" -n -- /usr/bin/python3 -m http.server --directory "$T/www" --bind 192.0.2.2 8000
	wait_for 10 there curl -sf -o /dev/null http://192.0.2.2:8000/page
	run here timeout 60 crt run --rm --init --network pasta:--mtu,1400 builtin:busybox sh -c '
		ip addr show crtp0; wget -q -O - http://192.0.2.2:8000/page; cat /etc/resolv.conf'
	assert_status 0
	assert_contains 192.0.2.1/24
	assert_contains "mtu 1400"
	assert_contains outside
	assert_contains "nameserver 169.254.1.1"
	wait_for 10 no_pasta
}

@test "pasta: published ports of a detached container, also after a restart" {
	run here timeout 60 crt run -d --name p --init --network pasta -p 5300:80 -p 127.0.0.1::81 builtin:busybox \
		sh -c 'echo inside >/index.html; exec httpd -f -p 80 -h /'
	assert_status 0
	wait_for 10 there curl -sf http://192.0.2.1:5300/
	run here crt port p
	assert_contains "80/tcp -> 0.0.0.0:5300"
	assert_match '81/tcp -> 127\.0\.0\.1:[1-9]'
	run here timeout 60 crt restart -t 2 p
	assert_status 0
	wait_for 10 there curl -sf http://192.0.2.1:5300/
	run here crt inspect --format '{{.HostConfig.NetworkMode}}' p
	assert_output pasta
	run here timeout 60 crt rm -f -t 1 p
	assert_status 0
	wait_for 10 no_pasta
}
no_pasta() {
	[ "$(pastas)" = 0 ]
}

@test "pasta: what it refuses, its absence and root are told in one line" {
	run --separate-stderr here timeout 60 crt run --rm --network pasta:--bogus builtin:busybox true
	assert_error 125 "unrecognized option '--bogus'"
	run --separate-stderr here timeout 60 crt run --rm --network pasta -p 80:80 builtin:busybox true
	assert_error 125 "80"
	run --separate-stderr here env PATH=/nowhere "$CRT_BIN/crt" run --rm --network pasta builtin:busybox true
	assert_error 125 "install the package passt"
	run --separate-stderr as root crt run --rm --network pasta builtin:busybox true
	assert_error 125 "as root use --network slirp"
	wait_for 10 no_pasta
}
