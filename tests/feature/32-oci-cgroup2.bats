#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci on a host with cgroup version 2 only (made by hiding everything else from it).
load helpers
load oci

# v2 CMD...: in a mount namespace where /sys/fs/cgroup is version 2
v2() {
	unshare --mount sh -c 'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"
}

setup() {
	world_setup
	need_root
	v2 true 2>/dev/null || skip "cannot mount cgroup version 2 here"
}

oci2() { v2 env -u XDG_RUNTIME_DIR "$CRT_BIN/crt-oci" --root "$T/run/root/oci" "$@"; }

@test "device rules are a program of the group: what they do not name is forbidden" {
	bundle root b ".root.readonly = false | (.process.capabilities[\"bounding\",\"effective\",\"permitted\"]) += [\"CAP_MKNOD\"] |
		.linux.resources.devices = [{allow: false, access: \"rwm\"}, {allow: true, type: \"c\", major: 1, minor: 9, access: \"r\"}] |
		$(args 'busybox mknod /tmp/a b 7 0 && cat /tmp/a; busybox mknod /tmp/b c 1 11 && cat /tmp/b; busybox head -c 3 /dev/zero | busybox wc -c; echo x >/dev/null && echo ok')"
	run oci2 run -b "$(home root)/b" "d$$"
	assert_contains "can't open '/tmp/a': Operation not permitted"
	assert_contains "can't open '/tmp/b': Operation not permitted"
	[ "${lines[-2]}" = 3 ] || flunk
	[ "${lines[-1]}" = ok ] || flunk
}

@test "the group, its namespace, pause, resume, kill and removal" {
	bundle root b "$(args 'exec sleep 1000') | .linux.cgroupsPath = \"/crt-test2-$$\""
	oci2 run -d -b "$(home root)/b" "d$$" </dev/null >"$T/log" 2>&1 || flunk "$(cat "$T/log")"
	run oci2 exec "d$$" sh -c 'grep ^0:: /proc/self/cgroup; grep " /sys/fs/cgroup " /proc/self/mounts | cut -d" " -f3,4'
	[ "${lines[0]}" = 0::/ ] || flunk
	assert_contains 'cgroup2 ro,'
	oci2 pause "d$$"
	[ "$(oci2 state "d$$" | jq -r .status)" = paused ] || flunk
	oci2 resume "d$$"
	oci2 kill --all "d$$" KILL
	wait_for 5 sh -c "[ \"\$(unshare --mount sh -c 'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; cat /sys/fs/cgroup/crt-test2-$$/cgroup.procs | wc -l')\" = 0 ]"
	oci2 delete --force "d$$"
	run v2 find /sys/fs/cgroup -maxdepth 1 -name "crt-test2-$$"
	assert_output ''
}

@test "a user without a delegated group: no limits, a warning only when some were asked for" {
	bundle alice b "$(args 'echo ran') | .linux.resources = {pids: {limit: 9}} | .linux.cgroupsPath = \"/nowhere\""
	run v2 setpriv --reuid="$(user alice)" --regid="$(user alice)" --clear-groups env -i XDG_RUNTIME_DIR="$T/run/alice" \
		"$CRT_BIN/crt-oci" --root "$T/run/alice/oci" run -b "$(home alice)/b" c1
	assert_status 0
	assert_contains ran
	assert_contains 'resource limits are not applied'
}
