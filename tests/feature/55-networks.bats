#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# User-defined networks: names, addresses, isolation, changes at run time, and what is left of them.
load helpers

# web_start USER NAME OPTION...: a detached container whose server on port 80 says its NAME
web_start() {
	local who=$1 name=$2
	shift 2
	as "$who" crt run -d --rm --name "$name" "$@" builtin:busybox sh -c \
		"mkdir /www && echo 'this is $name' >/www/index.html && exec httpd -f -p 80 -h /www" >/dev/null
}

# inside USER OPTION... -- COMMAND: what a shell says in a new container
inside() {
	local who=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	as "$who" crt run --rm "${options[@]}" builtin:busybox sh -c "$2"
}

# fetch URL: a command of the container's that waits until the server is up
fetch() {
	echo "i=0; until timeout 10 wget -qO- $1; do i=\$((i+1)); [ \$i -lt 40 ] || exit 1; sleep 0.1; done"
}

# holders USER PROGRAM: pids of the user's crt-bridge or crt-names
holders() {
	local pid
	for pid in $(pgrep -u "$(user "$1")" -x "$2"); do
		# it may be reaped just now
		! grep -q '^State:[[:space:]]*[RSDTt]' "/proc/$pid/status" 2>/dev/null || echo "$pid"
	done
}

none_left() { [ -z "$(holders "$1" crt-bridge)$(holders "$1" crt-names)" ]; }

@test "containers reach each other by name, alias and id, with subordinate ids, without, and as root" {
	need_root
	local who
	for who in alice carol root; do
		as "$who" crt network create net1
		web_start "$who" web --network net1 --network-alias www
		id=$(as "$who" crt inspect -f '{{.Id}}' web)
		for name in web WWW www.dns.podman "${id:0:12}"; do
			run inside "$who" --network net1 -- "$(fetch "http://$name/")"
			assert_status 0
			assert_output "this is web"
		done
		run as "$who" crt network rm -f net1
		assert_status 0
		wait_for 10 none_left "$who"
	done
}

@test "what ls, inspect and ps say, and that a network in use stays" {
	run as alice crt network create --subnet 10.77.5.0/24 --ip-range 10.77.5.128/25 --gateway 10.77.5.9 \
		--label a=b -o mtu=1400 --ipv6 net1
	assert_status 0
	assert_output net1
	run as alice crt network create net1
	assert_status 125
	assert_contains "already used"
	run as alice crt network create --ignore net1
	assert_status 0
	run as alice crt network create --subnet 10.77.0.0/16 net2
	assert_status 125
	assert_contains "already used by network net1"
	run as alice crt network create
	made=$output
	[[ $made == podman[0-9]* ]]
	run as alice crt network ls --filter label=a --format '{{.Name}} {{.Driver}}'
	assert_output "net1 bridge"
	run as alice crt network inspect -f '{{range .Subnets}}{{.Subnet}} {{.Gateway}},{{end}}{{.Internal}}' net1
	assert_match '^10.77.5.0/24 10.77.5.9,fd.*::/64 fd.*::1,false$'
	web_start alice web --network net1:ip=10.77.5.200,mac=92:00:00:00:00:07,interface_name=lan0
	run as alice crt inspect -f '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Networks.net1.MacAddress}} {{.HostConfig.NetworkMode}}' web
	assert_output "10.77.5.200 92:00:00:00:00:07 bridge"
	run as alice crt exec web ip addr show lan0
	assert_contains "10.77.5.200/24"
	assert_contains "mtu 1400"
	assert_contains "92:00:00:00:00:07"
	run inside alice --network net1 -- 'ip addr show eth0'
	assert_match '10\.77\.5\.(12[89]|1[3-9].|2..)/24'
	run as alice crt ps --filter network=net1 --format '{{.Names}} {{.Networks}}'
	assert_output "web net1"
	run as alice crt ps --filter network="$made" -q
	assert_output ""
	run as alice crt network inspect -f '{{range .Containers}}{{.name}}{{end}}' net1
	assert_output web
	run as alice crt run --rm --network net1 --ip 10.77.5.200 builtin:busybox true
	assert_status 125
	assert_contains "already allocated"
	run as alice crt run --rm --network net1 --ip 10.78.0.1 builtin:busybox true
	assert_status 125
	assert_contains "not in any subnet"
	run as alice crt run --rm --network nosuch builtin:busybox true
	assert_status 125
	assert_contains "network not found"
	run as alice crt network rm net1
	assert_status 2
	assert_contains "network is being used"
	run as alice crt network rm nosuch
	assert_status 1
	run as alice crt network prune -f
	assert_output "$made"
	run as alice crt network exists "$made"
	assert_status 1
	run as alice crt network rm -f net1
	assert_status 0
	run as alice crt ps -aq
	assert_output ""
}

@test "T8: no device takes a route from a neighbour that advertises itself as a router" {
	as alice crt network create ra
	run inside alice --network ra -- 'cat /proc/sys/net/ipv6/conf/eth0/accept_ra /proc/sys/net/ipv6/conf/tap0/accept_ra; ip -6 route | grep -c "^default"'
	assert_output $'0\n0\n1'
	as alice crt network rm ra
}

@test "networks are isolated; an internal one has no way out and answers for nobody else (T8)" {
	as alice crt network create net1
	as alice crt network create --internal net2
	web_start alice web --network net1
	inside alice --network net1 -- "$(fetch http://web/)"
	ip=$(as alice crt inspect -f '{{.NetworkSettings.IPAddress}}' web)
	run inside alice --network net2 -- "timeout 3 wget -qO- http://$ip/; timeout 3 wget -qO- http://10.0.2.2/
		timeout 5 nslookup web; timeout 5 nslookup web.example.org; ip route; ls /sys/class/net"
	refute_contains "this is web"
	refute_contains tap0
	refute_contains default
	assert_contains "can't find web.dns.podman: NXDOMAIN"
	assert_contains "can't find web.example.org: NXDOMAIN"
	# another network with a way out, too, cannot see the first
	as alice crt network create net3
	run inside alice --network net3 -- "timeout 3 wget -qO- http://$ip/; timeout 5 nslookup web"
	refute_contains "this is web"
	# on both networks a container finds both
	web_start alice quiet --network net2
	run inside alice --network net2 --network net1 -- "$(fetch http://web/); $(fetch http://quiet/)"
	assert_output "this is web
this is quiet"
	as alice crt network rm -f net1 net2 net3
}

@test "connect and disconnect while it runs, and what a restart keeps" {
	as alice crt network create --subnet 10.76.0.0/24 net1
	as alice crt network create net2
	as alice crt run -d --name web --network net1 --ip 10.76.0.77 builtin:busybox sh -c \
		"mkdir -p /www && echo 'this is web' >/www/index.html && exec httpd -f -p 80 -h /www"
	run as alice crt network connect --alias other net2 web
	assert_status 0
	run inside alice --network net2 -- "$(fetch http://other/)"
	assert_output "this is web"
	run as alice crt network connect net2 web
	assert_status 125
	assert_contains "already connected"
	run as alice crt network disconnect net2 web
	assert_status 0
	run inside alice --network net2 -- 'timeout 5 wget -qO- http://other/'
	assert_status 1
	run as alice crt network disconnect net2 web
	assert_status 125
	run as alice crt network connect net2 web
	assert_status 0
	as alice crt restart -t 0 web
	run as alice crt inspect -f '{{.NetworkSettings.Networks.net1.IPAddress}} {{len .NetworkSettings.Networks}}' web
	assert_output "10.76.0.77 2"
	run inside alice --network net2 -- "$(fetch http://web/)"
	assert_output "this is web"
	run as alice crt run --rm -d --network none --name lonely builtin:busybox sleep 100
	run as alice crt network connect net2 lonely
	assert_status 125
	assert_contains "invalid network mode"
	as alice crt rm -ft 0 web lonely
	run as alice crt network prune -f
	assert_status 0
}

@test "published ports of a container on a network" {
	as alice crt network create net1
	port=$(free_port)
	web_start alice web --network net1 -p "127.0.0.1:$port:80"
	wait_for 10 curl -sf "http://127.0.0.1:$port/"
	run curl -s "http://127.0.0.1:$port/"
	assert_output "this is web"
	as alice crt network rm -f net1
}

@test "twenty at once on a new network: one holder, each its own address, nothing left" {
	as alice crt network create net1
	local i pids=()
	for i in {1..20}; do
		as_exec alice crt run -d --rm --name "c$i" --network net1 builtin:busybox sleep 1000 </dev/null >"$T/out$i" 2>&1 &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		wait "${pids[i]}" || flunk "$(cat "$T/out$((i + 1))")"
	done
	run as alice crt network inspect -f '{{len .Containers}}' net1
	assert_output 20
	run bash -c "$(declare -f user holders); CRT_TEST_PREFIX=$CRT_TEST_PREFIX holders alice crt-bridge | wc -l"
	assert_output 1
	addresses=$(for i in {1..20}; do as alice crt inspect -f '{{.NetworkSettings.IPAddress}}' "c$i"; done | sort -u | wc -l)
	[ "$addresses" = 20 ]
	run inside alice --network net1 -- 'for i in 1 7 20; do nslookup c$i.dns.podman | grep -c "^Name"; done'
	assert_output "1
1
1"
	as alice crt network rm -f net1
	wait_for 10 none_left alice
}

@test "after SIGKILL of the name server or of the holder the networks come back (T44)" {
	as alice crt network create net1
	web_start alice web --network net1
	inside alice --network net1 -- "$(fetch http://web/)"
	# who reads what containers send is locked in: no capability, a filter, an empty root, no network namespace of ours
	names=$(holders alice crt-names)
	run cat "/proc/$names/status"
	assert_match $'CapEff:\t0000000000000000'
	assert_match $'NoNewPrivs:\t1'
	[ -n "${CRT_SANITIZED-}" ] || assert_match $'Seccomp:\t2'
	[ "$(id -u)" != 0 ] || [ "$(find "/proc/$names/root/" -mindepth 1 -maxdepth 1 ! -name etc ! -name r)" = "" ]
	kill -KILL "$names"
	run inside alice --network net1 -- "$(fetch http://web/)"
	assert_output "this is web"
	before=$(as alice crt inspect -f '{{.NetworkSettings.IPAddress}}' web)
	mapfile -t pids < <(holders alice crt-bridge)
	kill -KILL "${pids[@]}"
	run as alice crt ps --format '{{.Names}} {{.State}}'
	assert_output "web running"
	# the next one that needs a network, or asks about it, tells a new holder who was there
	as alice crt network inspect net1 >/dev/null
	[ -n "$(holders alice crt-bridge)" ]
	run inside alice --network net1 -- "$(fetch http://web/)"
	assert_output "this is web"
	run as alice crt inspect -f '{{.NetworkSettings.IPAddress}}' web
	assert_output "$before"
	as alice crt network rm -f net1
	wait_for 10 none_left alice
}

# dns_start ADDRESS IPV4: a name server of the host's that gives this address for every name
dns_start() {
	job_start /usr/bin/python3 "$FEATURE_DIR/dns.py" "$@"
	wait_for 10 grep -q ready "$JOB_LOG"
}

@test "names of the world are handed on by UDP and TCP, to whom the network or the container names" {
	need_root
	dns_start 127.0.55.53 192.0.2.79
	dns_start 127.0.55.54 192.0.2.80
	as alice crt network create --dns 127.0.55.53 --subnet 10.75.0.0/24 net1
	run inside alice --network net1 -- 'nslookup -type=a www.crt.test | tail -n 3'
	assert_contains "Address: 192.0.2.79"
	run inside alice --network net1 --dns 127.0.55.54 -- 'nslookup -type=a www.crt.test | tail -n 3; cat /etc/resolv.conf'
	assert_contains "Address: 192.0.2.80"
	assert_contains "nameserver 10.75.0.1"
	# two questions on one connection, one of the world and one of ours
	as alice crt run -d --rm --name db --network net1 --ip 10.75.0.9 builtin:busybox sleep 1000
	run as alice crt run --rm --network net1 -v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro \
		builtin:busybox /usr/bin/python3 -c '
import socket, struct
def ask(name):
    q = b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(l)]) + l for l in name) + b"\0\0\1\0\1"
    c.sendall(struct.pack(">H", len(q)) + q)
    got = f.read(struct.unpack(">H", f.read(2))[0])
    print(socket.inet_ntoa(got[-4:]), flush=True)
c = socket.create_connection(("10.75.0.1", 53), 10)
f = c.makefile("rb")
ask([b"www", b"crt", b"test"])
ask([b"db"])'
	assert_output "192.0.2.79
10.75.0.9"
	as alice crt network rm -f net1
}
