#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/network.sh [-t SECONDS] [-u USER] [BIN]
#
# The network of a container side by side with slirp4netns, pasta and podman's rootlessport, in one
# run: throughput both ways, round trips, connections, processor time of the helpers. As root: it
# makes two machines out of network namespaces, "host", where USER (default: the first account with
# subordinate ids) runs the containers, and "peer", which is the other end of every measurement.
# Prints a table and fails on nothing. BIN is a build directory or PREFIX/bin.
set -u
seconds=2
user=$(head -n1 /etc/subuid 2>/dev/null | cut -d: -f1)
while getopts t:u: option; do
	case $option in
	t) seconds=$OPTARG ;;
	u) user=$OPTARG ;;
	*) sed -n '3,9p' "$0" && exit 125 ;;
	esac
done
shift $((OPTIND - 1))
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
bin=$(cd "${1:-$here/../../build/plain}" 2>/dev/null && pwd) || { echo "no build directory: give one" >&2 && exit 125; }
[ "$(id -u)" = 0 ] || { echo "only root can make the two machines" >&2 && exit 125; }
[ -n "$user" ] || { echo "no account with subordinate ids: give one with -u" >&2 && exit 125; }
for tool in iperf3 jq nsenter ip; do
	command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2 && exit 125; }
done
netload=$bin/netload
[ -x "$netload" ] || { echo "no netload in $bin: build with -Dtests=true" >&2 && exit 125; }

# crun refuses a machine with both kinds of cgroups; the second kind is hidden
if [ -z "${BENCH_HIDDEN-}" ]; then
	export BENCH_HIDDEN=1
	exec unshare -m bash -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' - "$here/network.sh" -t "$seconds" -u "$user" "$bin"
fi

W=$(mktemp -d /var/tmp/crt-netbench-XXXXXX)
chmod 755 "$W"
install -d -m 700 -o "$user" "$W/home" "$W/run"
cp "$netload" "$W/netload" && chmod 755 "$W/netload"
pids=()
# what USER runs for us has this in its environment
sweep() {
	local signal p
	for signal in TERM KILL; do
		while read -r p; do
			kill -$signal "$p" 2>/dev/null
		done < <(
			grep -lzsF "HOME=$W/home" /proc/[0-9]*/environ | cut -d/ -f3
			pgrep -u "$user" -f "^$W/netload" # has podman's environment
		)
		sleep 0.5
	done
	wait "${run-}" 2>/dev/null
}
cleanup() {
	sweep
	[ ! -d "$W/home/podman" ] || as_user podman --root "$W/home/podman" --runroot "$W/run/podman" unshare rm -rf "$W/home/podman"
	sweep
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf --one-file-system "$W"
}
trap cleanup EXIT

# ---- the two machines ------------------------------------------------------------------------------

unshare -n sleep 100000 & host=$! && pids+=("$host")
unshare -n sleep 100000 & peer=$! && pids+=("$peer")
sleep 0.5
on() { nsenter -t "$1" -n -- "${@:2}"; }
ip link add crtbench0 netns "$host" type veth peer name crtbench0 netns "$peer"
for side in "$host 1" "$peer 2"; do
	on "${side% *}" ip link set lo up
	on "${side% *}" ip link set crtbench0 up
	on "${side% *}" ip addr add "192.0.2.${side#* }/24" dev crtbench0
done
on "$host" ip route add default via 192.0.2.2
as_user() { (user_exec "$@"); }
user_exec() { # for the background: the process is the program
	exec nsenter -t "$host" -n -- setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- \
		env -i HOME="$W/home" USER="$user" PATH="$PATH" XDG_RUNTIME_DIR="$W/run" "$@"
}
nsenter -t "$peer" -n -- iperf3 -s -p 5201 >/dev/null & pids+=($!)
nsenter -t "$peer" -n -- "$W/netload" serve 5202 & pids+=($!)

# ---- what is measured ------------------------------------------------------------------------------

helpers='^(crt-net|crt-keeper|slirp4netns|pas[st].*|rootlessport.*)$'
# cpu: seconds that the helpers of USER have used
cpu() {
	local p t=0
	for p in $(ps -u "$user" -o pid=,comm= | awk -v h="$helpers" '$2 ~ h { print $1 }'); do
		[ "$(readlink "/proc/$p/ns/net")" != "$(readlink /proc/self/ns/net)" ] || continue
		t=$((t + $(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | awk '{ n = $12 + $13 } END { print n + 0 }')))
	done
	awk -v t="$t" -v hz="$(getconf CLK_TCK)" 'BEGIN { print t / hz }'
}
# speed NETNS-PID ADDRESS PORT [-R]: "Gbit/s cpu-seconds/GiB"
speed() {
	local before bytes
	before=$(cpu)
	on "$1" timeout 30 iperf3 -J -t "$seconds" -c "$2" -p "$3" "${@:4}" >"$W/out.json" 2>/dev/null
	bytes=$(jq '.end.sum_received.bytes // 0' "$W/out.json" 2>/dev/null)
	awk -v b="${bytes:-0}" -v s="$seconds" -v c="$(cpu)" -v c0="$before" \
		'BEGIN { if (b > 0) printf "%.1f %.2f", b * 8 / s / 1e9, (c - c0) / b * 2 ^ 30; else printf "- -" }'
}
count() { on "$1" timeout 30 "$W/netload" "$2" "$3" "$4" "$seconds" 2>/dev/null || echo -; }

printf '%-28s %12s %12s %14s %14s %9s %9s %9s %9s\n' "" out in "published in" "published out" "trips/s" "pub." "conn/s" "pub."
# measure NAME PORT PORT: the container's servers are published on these; its own network is that of the newest netload
measure() {
	local inside='' p
	for _ in {1..100}; do
		for p in $(pgrep -n -u "$user" -x netload) $(pgrep -x netload); do
			case $(readlink "/proc/$p/ns/net") in
			"$(readlink "/proc/$host/ns/net")" | "$(readlink "/proc/$peer/ns/net")") ;;
			?*) inside=$p && break ;;
			esac
		done
		[ -z "$inside" ] || ! on "$peer" timeout 2 "$W/netload" rtt 192.0.2.1 "$3" 0.01 >/dev/null 2>&1 || break
		sleep 0.1
	done
	[ -n "$inside" ] || { echo "$1: did not start" && return; }
	printf '%-28s' "$1"
	printf ' %6s %5s' $(speed "$inside" 192.0.2.2 5201) $(speed "$inside" 192.0.2.2 5201 -R)
	printf ' %8s %5s' $(speed "$peer" 192.0.2.1 "$2") $(speed "$peer" 192.0.2.1 "$2" -R)
	printf ' %9s' "$(count "$inside" rtt 192.0.2.2 5202)" "$(count "$peer" rtt 192.0.2.1 "$3")" \
		"$(count "$inside" conn 192.0.2.2 5202)" "$(count "$peer" conn 192.0.2.1 "$3")"
	echo
}
servers="iperf3 -s -p 5201 >/dev/null 2>&1 & exec $W/netload serve 5202"
usr=(-v /usr:/usr:ro -v /usr/lib64:/lib64:ro -v /usr/lib:/lib:ro -v "$W/netload:$W/netload:ro")

# ---- rows --------------------------------------------------------------------------------------------

user_exec "$bin/crt" run --rm --init -p 5201-5202:5201-5202 "${usr[@]}" builtin:busybox sh -c "PATH=/usr/bin:/bin; $servers" & run=$!
measure crt 5201 5202
sweep

for mtu in 1500 65520; do
	command -v slirp4netns >/dev/null || break
	user_exec unshare -rn sh -c "ip link set lo up; echo \$\$ >$W/run/pid; while [ ! -e $W/run/go ]; do sleep 0.1; done; $servers" & run=$!
	sleep 1
	user_exec slirp4netns --configure --mtu=$mtu --disable-host-loopback --api-socket "$W/run/api" "$(cat "$W/run/pid")" tap0 >/dev/null 2>&1 &
	sleep 1
	for port in 5201 5202; do
		echo '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":'$port',"guest_addr":"10.0.2.100","guest_port":'$port'}}' |
			as_user socat - "UNIX:$W/run/api" >/dev/null
	done
	touch "$W/run/go"
	measure "slirp4netns, mtu $mtu" 5201 5202
	sweep
	rm -f "$W/run/go" "$W/run/api"
done

if command -v pasta >/dev/null; then
	user_exec pasta --config-net -4 -f -q -t 5201,5202 -- sh -c "$servers" >/dev/null 2>&1 & run=$!
	measure pasta 5201 5202
	sweep
fi

archive=$bin/busybox.oci.tar
[ -e "$archive" ] || archive=$bin/../share/crt/busybox.oci.tar
if command -v podman >/dev/null; then
	podman=(podman --root "$W/home/podman" --runroot "$W/run/podman" --storage-driver vfs --cgroup-manager cgroupfs)
	image=$(as_user "${podman[@]}" pull -q "oci-archive:$archive" 2>/dev/null | tail -n1)
	user_exec "${podman[@]}" run --rm --cgroups disabled --name bench -p 5201-5202:5201-5202 "${usr[@]}" "$image" \
		sh -c "PATH=/usr/bin:/bin; $servers" 2>"$W/podman.err" & run=$!
	measure "podman (rootlessport)" 5201 5202
	grep -i error "$W/podman.err"
	sweep
fi

user_exec sh -c "$servers" & run=$!
sleep 0.5
printf '%-28s' "floor: no container"
printf ' %6s %5s' $(speed "$host" 192.0.2.2 5201) $(speed "$host" 192.0.2.2 5201 -R)
printf ' %8s %5s' $(speed "$peer" 192.0.2.1 5201) $(speed "$peer" 192.0.2.1 5201 -R)
printf ' %9s' "$(count "$host" rtt 192.0.2.2 5202)" "$(count "$peer" rtt 192.0.2.1 5202)" \
	"$(count "$host" conn 192.0.2.2 5202)" "$(count "$peer" conn 192.0.2.1 5202)"
echo
sweep

# two containers on one network, beside a pair of veth devices with nothing between: the machines. The
# programs are not the containers' own, so that only the network differs.
as_user "$bin/crt" network create bench >/dev/null
for name in server client; do
	as_user "$bin/crt" run -d --rm --name "$name" --network bench builtin:busybox sleep 1000 >/dev/null
done
server=$(as_user "$bin/crt" inspect -f '{{.NetworkSettings.IPAddress}}' server)
inside=$(as_user "$bin/crt" inspect -f '{{.State.Pid}}' server)
client=$(as_user "$bin/crt" inspect -f '{{.State.Pid}}' client)
nsenter -t "$inside" -n -- iperf3 -s -p 5201 >/dev/null & pids+=($!)
nsenter -t "$inside" -n -- "$W/netload" serve 5202 & pids+=($!)
sleep 0.5
printf '\n%-28s %6s %6s %9s %9s   (ratio to veth)\n' "container to container" out in trips/s conn/s
row=() floor=()
for what in "speed" "speed -R" "count rtt" "count conn"; do
	case $what in
	speed*)
		row+=("$(speed "$client" "$server" 5201 ${what#speed} | cut -d' ' -f1)")
		floor+=("$(speed "$host" 192.0.2.2 5201 ${what#speed} | cut -d' ' -f1)")
		;;
	count*)
		row+=("$(count "$client" "${what#count }" "$server" 5202)")
		floor+=("$(count "$host" "${what#count }" 192.0.2.2 5202)")
		;;
	esac
done
printf '%-28s %6s %6s %9s %9s   ' "crt network" "${row[@]}"
for i in 0 1 2 3; do awk -v a="${row[i]}" -v b="${floor[i]}" 'BEGIN { printf "%.2f ", (b > 0 ? a / b : 0) }'; done
printf '\n%-28s %6s %6s %9s %9s\n' "floor: veth" "${floor[@]}"
as_user "$bin/crt" network rm -f bench >/dev/null
exit 0
