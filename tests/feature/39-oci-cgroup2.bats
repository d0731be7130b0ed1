#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci with limits that hold: in a delegated directory of cgroup version 2 and in scopes of
# systemd. Most machines for tests have neither; tests/hard/vm-cgroup.sh brings one that has.
load helpers
load oci

setup() {
	world_setup
	ME=alice SYSTEMCTL=(systemctl --user)
	if [ "$(id -u)" = 0 ]; then
		ME=root SYSTEMCTL=(systemctl)
	fi
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || skip "this host does not have cgroup version 2 alone"
	ID="t$$-$BATS_TEST_NUMBER"
	LIMITS='.linux.resources += {memory: {limit: 67108864, swap: 67108864}, pids: {limit: 50},
		cpu: {shares: 512, quota: 25000, period: 100000}}'
}

# our own environment: systemd is found by it
oci2() {
	timeout 120 "$CRT_BIN/crt-oci" --root "$T/run/$ME/oci" "${MANAGER[@]}" "$@"
}

need_systemd() {
	need_program systemctl
	timeout 20 "${SYSTEMCTL[@]}" show -p Version >/dev/null 2>&1 || skip "no systemd answers for $(id -un)"
	MANAGER=(--systemd-cgroup)
	UNIT=crt-$ID.scope
}

# a directory of ours in $GROUP, as linux.cgroupsPath in $PATH2
need_delegation() {
	local own
	own=$(sed -n 's/^0:://p' /proc/self/cgroup)
	for PATH2 in "${own%/}" "${own%/*}"; do
		GROUP=/sys/fs/cgroup$PATH2/$ID
		if mkdir "$GROUP" 2>/dev/null; then
			rmdir "$GROUP"
			PATH2=$PATH2/$ID MANAGER=(--cgroup-manager cgroupfs)
			[ -w "${GROUP%/*}/cgroup.procs" ] && grep -q memory "${GROUP%/*}/cgroup.subtree_control" && return
		fi
	done
	skip "no directory of cgroup version 2 with the memory controller is delegated to $(id -un)"
}

start() {
	oci2 run -d -b "$(home "$ME")/b" "$ID" </dev/null >"$T/log" 2>&1 || flunk "$(cat "$T/log")"
	local pid
	pid=$(oci2 state "$ID" | jq .pid)
	GROUP=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
}

value() { cat "$GROUP/$1"; }

limits_hold() {
	[ "$(value memory.max)" = 67108864 ] || flunk "memory.max $(value memory.max)"
	[ "$(value memory.swap.max)" = 0 ] || flunk "memory.swap.max $(value memory.swap.max)"
	[ "$(value cpu.max)" = '25000 100000' ] || flunk "cpu.max $(value cpu.max)"
	[ "$(value cpu.weight)" = 59 ] || flunk "cpu.weight $(value cpu.weight)"
	[ "$(value pids.max)" = 50 ] || flunk "pids.max $(value pids.max)"
	# nobody of ours stays in it
	[ "$(value cgroup.procs | wc -l)" = 1 ] || flunk "processes: $(value cgroup.procs)"
}

life() {
	run oci2 exec "$ID" sh -c 'cat /proc/self/cgroup; exit 7'
	assert_status 7
	assert_contains '0::/'
	refute_contains '0::/..'
	oci2 pause "$ID"
	[ "$(oci2 state "$ID" | jq -r .status)" = paused ] || flunk "not paused"
	wait_for 5 grep -q 'frozen 1' "$GROUP/cgroup.events"
	oci2 resume "$ID"
	[ "$(oci2 state "$ID" | jq -r .status)" = running ] || flunk "not running"
	oci2 update --memory 33554432 --memory-swap 33554432 --pids-limit 20 --cpu-quota 50000 "$ID"
	[ "$(value memory.max) $(value pids.max) $(value cpu.max)" = '33554432 20 50000 100000' ] || flunk "after the update: $(value memory.max) $(value pids.max) $(value cpu.max)"
	[ "$(oci2 events --stats "$ID" | jq .data.memory.usage.limit)" = 33554432 ] || flunk "events"
}

@test "a delegated directory: limits, exec, pause, update, events; nothing is left" {
	need_delegation
	bundle "$ME" b "$(args 'exec sleep 1000') | $LIMITS | .linux.cgroupsPath = \"$PATH2\""
	start
	limits_hold
	life
	oci2 delete --force "$ID"
	[ ! -e "$GROUP" ] || flunk "$GROUP is left"
}

@test "exec follows a first process that moved into a sub-group and hands controllers down" {
	need_delegation
	bundle "$ME" b "$(args 'mkdir /sys/fs/cgroup/init && echo 1 >/sys/fs/cgroup/init/cgroup.procs && echo +memory >/sys/fs/cgroup/cgroup.subtree_control && echo moved; exec sleep 1000') |
		.linux.cgroupsPath = \"$PATH2\" | (.mounts[] | select(.type == \"cgroup\").options) -= [\"ro\"]"
	oci2 run -b "$(home "$ME")/b" -d "$ID" >"$T/out" 2>&1 </dev/null
	wait_for grep -q . "$T/out"
	[ "$(cat "$T/out")" = moved ] || skip "the container may not make groups: $(cat "$T/out")"
	run oci2 exec "$ID" cat /proc/self/cgroup
	assert_output 0::/init
	oci2 delete --force "$ID"
	[ ! -e "$GROUP" ] || flunk "$GROUP is left"
}

@test "systemd: a scope with limits, its properties, exec, pause, update, events; no scope is left" {
	need_systemd
	bundle "$ME" b "$(args 'exec sleep 1000') | $LIMITS | .annotations[\"org.systemd.property.TimeoutStopSec\"] = \"5\" |
		.linux.resources.devices = [{allow: false, access: \"rwm\"}, {allow: true, type: \"c\", major: 10, minor: 229, access: \"rw\"}]"
	start
	limits_hold
	[ "${GROUP##*/}" = "$UNIT" ] || flunk "$GROUP"
	run "${SYSTEMCTL[@]}" show "$UNIT" -p MemoryMax -p TasksMax -p CPUQuotaPerSecUSec -p Delegate -p TimeoutStopUSec
	for want in MemoryMax=67108864 TasksMax=50 CPUQuotaPerSecUSec=250ms Delegate=yes TimeoutStopUSec=5s; do
		assert_contains "$want"
	done
	if [ "$ME" = root ]; then
		run "${SYSTEMCTL[@]}" show "$UNIT" -p DevicePolicy -p DeviceAllow
		assert_contains DevicePolicy=strict
		assert_contains '/dev/char/10:229 rw'
		assert_contains 'char-pts rwm'
		run oci2 exec "$ID" sh -c 'echo x >/dev/null && cat /dev/zero | head -c 1 | wc -c'
		assert_output 1
	fi
	life
	run "${SYSTEMCTL[@]}" show "$UNIT" -p MemoryMax -p TasksMax
	assert_contains MemoryMax=33554432
	assert_contains TasksMax=20
	oci2 delete --force "$ID"
	[ ! -e "$GROUP" ] || flunk "$GROUP is left"
	run "${SYSTEMCTL[@]}" list-units --all --no-legend "$UNIT"
	assert_output ''
}

@test "systemd: a container killed for its memory leaves no failed scope" {
	need_systemd
	bundle "$ME" b "$(args 'busybox dd if=/dev/zero of=/tmp/big bs=1M count=200; echo survived') | .linux.resources = {memory: {limit: 20971520, swap: 20971520}} |
		.mounts += [{destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\"}] | .root.readonly = true"
	run oci2 run -b "$(home "$ME")/b" "$ID"
	assert_contains Killed
	run "${SYSTEMCTL[@]}" list-units --all --no-legend "$UNIT"
	assert_output ''
}

@test "systemd: no bus, a path in place of slice:prefix:name, a property of the wrong form" {
	need_systemd
	bundle "$ME" b "$(args true)"
	run env DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere \
		timeout 60 "$CRT_BIN/crt-oci" --root "$T/run/$ME/oci" --systemd-cgroup run -b "$(home "$ME")/b" "$ID"
	assert_status 1
	assert_contains 'no connection to the '
	# outside of a session the user's bus is where it always is
	run env -u DBUS_SESSION_BUS_ADDRESS -u XDG_RUNTIME_DIR \
		timeout 60 "$CRT_BIN/crt-oci" --root "$T/run/$ME/oci" --systemd-cgroup run -b "$(home "$ME")/b" "$ID"
	assert_status 0
	config "$ME" b "$(args true) | .linux.cgroupsPath = \"/a/b\""
	run oci2 run -b "$(home "$ME")/b" "$ID"
	assert_status 1
	assert_contains 'expected cgroupsPath to be of format'
	config "$ME" b "$(args true) | .annotations[\"org.systemd.property.TimeoutStopUSec\"] = \"[1\""
	run oci2 run -b "$(home "$ME")/b" "$ID"
	assert_status 1
	assert_contains 'annotation org.systemd.property.TimeoutStopUSec'
	[ -z "$(ls "$T/run/$ME/oci")" ] || flunk "state is left"
}

@test "systemd: podman makes scopes through crt-oci" {
	need_systemd
	need_program podman
	local podman=(timeout 120 podman --root "$T/home/$ME/pods" --runroot "$T/podrun" --cgroup-manager systemd
		--runtime "$CRT_BIN/crt-oci")
	bundle "$ME" b
	tar -C "$(home "$ME")/b/rootfs" -c . | "${podman[@]}" import - localhost/bb
	run "${podman[@]}" run --rm --network none -m 64m localhost/bb cat /sys/fs/cgroup/memory.max
	"${podman[@]}" unshare true 2>/dev/null && "${podman[@]}" unshare rm -rf "$T/home/$ME/pods" "$T/podrun"
	umount -l "$T/home/$ME/pods/overlay" 2>/dev/null || true
	assert_status 0
	assert_contains 67108864
}
