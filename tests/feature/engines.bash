# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What the tests with other people's engines share: a mount namespace with a /run of its own, in
# which an engine and its clients live, on sockets and directories below $E. So nothing of theirs
# can touch the machine's, and their mounts end with them.
#
#   engine_setup NAME PROGRAM...   in setup_file: $E, the namespace; skips all when PROGRAM is missing
#   engine_daemon CMD...           start a daemon in there, pid in $E/daemon
#   engine_wrap NAME USER CMD...   make $E/NAME, a script that runs CMD in there, as USER, within 60 s
#   engine_teardown                in teardown_file: end whatever still lives in there

engine_setup() {
	local p
	export ENGINE=$1
	shift
	E=$(mktemp -d /tmp/crt-eng-XXXXXX)
	export E
	chmod 0755 "$E"
	[ "$(id -u)" = 0 ] || engine_broken "needs root" || return 0
	for p; do
		command -v "$p" >/dev/null || engine_broken "needs the program $p" || return 0
	done
	engine_spawn holder unshare --mount --propagation private sh -c \
		'mount -t tmpfs -o mode=755 tmpfs /run && touch "$E/ready" && exec sleep 900'
	wait_for 10 test -e "$E/ready" || engine_broken "no mount namespace: $(tail -n 1 "$E/holder.log")" || return 0
}

# engine_broken REASON: all tests of this file are skipped with it
engine_broken() {
	[ -e "$E/broken" ] || echo "$*" >"$E/broken"
	return 1
}

# engine_usable: first line of setup in such a file
engine_usable() { [ ! -e "$E/broken" ] || skip "$(cat "$E/broken")"; }

# engine_spawn NAME CMD...: in the background; pid in $E/NAME, what it says in $E/NAME.log
engine_spawn() {
	local name=$1
	shift
	(
		close_fds
		exec "$@"
	) </dev/null >"$E/$name.log" 2>&1 &
	echo $! >"$E/$name"
}

engine_enter() { nsenter --mount="/proc/$(cat "$E/holder")/ns/mnt" -- "$@"; }

engine_daemon() { engine_spawn daemon nsenter --mount="/proc/$(cat "$E/holder")/ns/mnt" -- "$@"; }

# engine_wrap NAME USER CMD...
engine_wrap() {
	local name=$1 account
	account=$(user "$2")
	mkdir -p "$E/$2"
	chmod 0700 "$E/$2"
	chown "$account" "$E/$2"
	cat >"$E/$name" <<-END
		#!/bin/bash
		cd "$E/$2" || exit 125
		exec nsenter --mount="/proc/$(cat "$E/holder")/ns/mnt" --wd="$E/$2" -- setpriv --reuid=$account --regid=$account --init-groups \\
			env -i HOME="$E/$2" USER=$account LANG=C.UTF-8 TERM=xterm PATH="/usr/sbin:/usr/bin:/sbin:/bin" \\
			timeout --foreground --kill-after=5 60 ${*:3} "\$@"
	END
	chmod 0755 "$E/$name"
}

# engine_pids: all that still live in the namespace, the holder last
engine_pids() {
	local ns pid holder
	holder=$(cat "$E/holder" 2>/dev/null) || return 0
	ns=$(readlink "/proc/$holder/ns/mnt" 2>/dev/null) || return 0
	for pid in /proc/[0-9]*; do
		[ "$(readlink "$pid/ns/mnt" 2>/dev/null)" != "$ns" ] || [ "${pid#/proc/}" = "$holder" ] || echo "${pid#/proc/}"
	done
	echo "$holder"
}

engine_teardown() {
	local pid
	if [ -e "$E/daemon" ]; then
		kill "$(cat "$E/daemon")" 2>/dev/null
		wait_for 15 sh -c "! kill -0 $(cat "$E/daemon")" || true
	fi
	for pid in $(engine_pids); do
		kill -KILL "$pid" 2>/dev/null
	done
	[ "$(id -u)" != 0 ] ||
		find /sys/fs/cgroup/ -depth -type d -path "*/crt-test-$ENGINE*" -exec rmdir {} \; 2>/dev/null
	[ -z "${BATS_VERBOSE_ENGINE-}" ] || cat "$E"/*.log >&3
	rm -rf --one-file-system "$E"
	return 0
}

# cgroup_file PID CONTROLLER FILE: its value in the group of a process, version 1
cgroup_file() {
	local group
	group=$(awk -F: -v c="$2" '$2 == c { print $3 }' "/proc/$1/cgroup")
	cat "/sys/fs/cgroup/$2$group/$3"
}

# need_cgroup1 CONTROLLER...
need_cgroup1() {
	local c
	for c; do
		[ -w "/sys/fs/cgroup/$c/cgroup.procs" ] || skip "no writable cgroup version 1 hierarchy of $c"
	done
}
