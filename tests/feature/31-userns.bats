#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# User namespaces: which ids a caller gets, what is done where the usual way is barred, and what
# crt says where there is none.
load helpers

setup() {
	need_root
	world_setup
}

# as_in SETUP USER CMD...: as, in a mount namespace of its own that SETUP (run by root) has prepared
as_in() {
	local setup=$1 who=$2 path=$CRT_BIN:/usr/bin:/bin:/usr/sbin:/sbin
	shift 2
	(
		cd "$(home "$who")" || exit 1
		close_fds
		# shellcheck disable=SC2016  # expanded by the inner shell
		exec unshare -m bash -ec "$setup"'
			exec setpriv --reuid="$0" --regid="$0" --init-groups $AS_SETPRIV \
				env -i HOME="$1" PATH="$2" XDG_RUNTIME_DIR="$3" LANG=C.UTF-8 "${@:4}"
		' "$(user "$who")" "$(home "$who")" "$path" "$(runtime_dir "$who")" "$@"
	)
}

# the kind of map and its reason, from the plan
kind() { jq -r '.userNamespace.kind + ": " + .userNamespace.reason'; }

@test "alice gets her subordinate ids, carol one id, root no namespace; the plan says so" {
	run as alice crt run --rm builtin:busybox cat /proc/self/uid_map
	assert_status 0
	[[ ${lines[0]} =~ ^\ +0\ +$(id -u "$(user alice)")\ +1$ ]] || flunk
	[[ ${lines[1]} =~ ^\ +1\ +$(awk -F: -v u="$(user alice)" '$1 == u { print $2 }' /etc/subuid)\ +65536$ ]] || flunk
	run as carol crt run --rm builtin:busybox cat /proc/self/uid_map
	[ "${#lines[@]}" = 1 ] || flunk
	[[ ${lines[0]} =~ ^\ +0\ +$(id -u "$(user carol)")\ +1$ ]] || flunk
	run as root crt run --rm builtin:busybox cat /proc/self/uid_map
	assert_match '^ +0 +0 +4294967295$'
	run kind < <(as alice crt run --explain builtin:busybox)
	assert_output "subordinate-ids: "
	run kind < <(as carol crt run --explain builtin:busybox)
	assert_match "^single-id: no subordinate user ids for .* in /etc/subuid$"
	run kind < <(as root crt run --explain builtin:busybox)
	assert_output "none: "
}

@test "keep-id, keep-id with other ids, nomap" {
	local uid
	uid=$(id -u "$(user alice)")
	run as alice crt run --rm --userns=keep-id builtin:busybox id -u
	assert_output "$uid"
	run as alice crt run --rm --userns=keep-id builtin:busybox sh -c 'id -un; id -gn'
	assert_output "$(user alice)"$'\n'"$(user alice)"
	run as alice crt run --rm --userns=keep-id:uid=200,gid=210 builtin:busybox sh -c 'id -u; id -g; cat /proc/self/uid_map'
	[ "${lines[0]}${lines[1]}" = 200210 ] || flunk
	[ "${#lines[@]}" = 5 ] || flunk "three ranges"
	run as alice crt run --rm --userns=nomap builtin:busybox cat /proc/self/uid_map
	assert_status 0
	[ "${#lines[@]}" = 1 ] || flunk
	assert_match '^ +0 +1 +65536$'
	run as carol crt run --rm --userns=keep-id builtin:busybox id -u
	assert_output "$(id -u "$(user carol)")"
	run --separate-stderr as carol crt run --rm --userns=nomap builtin:busybox true
	assert_error 125 "needs subordinate ids"
	run --separate-stderr as alice crt run --rm --userns=keep-id:uid=4294967295 builtin:busybox true
	assert_error 125 keep-id
}

@test "newuidmap that is missing, not setuid, or on a nosuid mount: one id, and the reason" {
	run kind < <(as_in 'mount --bind /dev/null /usr/bin/newuidmap' alice crt run --explain builtin:busybox)
	assert_output "single-id: newuidmap not found (package uidmap)"
	run as_in 'mount --bind /dev/null /usr/bin/newuidmap' alice crt run --rm builtin:busybox id -u
	assert_output 0
	cp /usr/bin/newgidmap "$T/plain"
	chmod 0755 "$T/plain"
	run kind < <(as_in "mount --bind $T/plain /usr/bin/newgidmap" alice crt run --explain builtin:busybox)
	assert_output "single-id: /usr/bin/newgidmap is neither setuid root nor has file capabilities"
	run kind < <(as_in 'mount -t tmpfs none /mnt; cp /usr/bin/newuidmap /mnt; chmod 4755 /mnt/newuidmap;
		mount -o remount,nosuid /mnt; mount --bind /mnt/newuidmap /usr/bin/newuidmap' alice crt run --explain builtin:busybox)
	assert_output "single-id: /usr/bin/newuidmap is on a file system mounted nosuid"
	run kind < <(AS_SETPRIV=--no-new-privs as_in true alice crt run --explain builtin:busybox)
	assert_match "^single-id: no_new_privs is set"
}

@test "a helper that refuses the range is quoted" {
	# what crt reads and what newuidmap reads differ: here the helper is another program
	cat >"$T/helper" <<-'END'
		#!/bin/sh
		echo "newuidmap: uid range [1-65537) -> [1-65537) not allowed" >&2
		exit 1
	END
	chmod 4755 "$T/helper"
	run --separate-stderr as_in "mount --bind $T/helper /usr/bin/newuidmap" alice crt run --rm builtin:busybox true
	assert_error 125 "not allowed"
	[[ $stderr == *newuidmap* && $stderr == */etc/subuid* ]] || flunk
}

@test "/etc/subuid with comments, nonsense, overlaps, numbers that wrap, a line for somebody else" {
	local me
	me=$(user alice)
	cat >"$T/subuid" <<-END
		# a comment
		$me
		$me:
		$me:x:y
		$me:4294967290:100
		$me:18446744073709551616:1
		someone:1:4294967294
		$me:300000:1000
		$me:300500:1000
		$(id -u "$me"):300000:1000
	END
	run as_in "mount --bind $T/subuid /etc/subuid; mount --bind $T/subuid /etc/subgid" alice \
		crt run --rm builtin:busybox cat /proc/self/uid_map
	assert_status 0
	[ "${#lines[@]}" = 3 ] || flunk "own id, 1000, 500"
	[[ ${lines[1]} =~ ^\ +1\ +300000\ +1000$ && ${lines[2]} =~ ^\ +1001\ +301000\ +500$ ]] || flunk
}

@test "subordinate group ids only for somebody else: one id, and the reason" {
	echo "someone:1:5" >"$T/subgid"
	run kind < <(as_in "mount --bind $T/subgid /etc/subgid" alice crt run --explain builtin:busybox)
	assert_match "^single-id: no subordinate group ids for .* in /etc/subgid$"
}

@test "no user namespaces by sysctl: one line with the name of the switch" {
	# a user namespace with all ids, in which no further one may be made
	unshare -U sleep 60 3>&- &
	local pid=$!
	wait_for 5 eval '[ "$(readlink /proc/'$pid'/ns/user)" != "$(readlink /proc/self/ns/user)" ]'
	echo "0 0 4294967295" >"/proc/$pid/uid_map"
	echo "0 0 4294967295" >"/proc/$pid/gid_map"
	nsenter -t "$pid" -U sh -c 'echo 0 >/proc/sys/user/max_user_namespaces'
	run --separate-stderr nsenter -t "$pid" -U setpriv --reuid="$(user alice)" --regid="$(user alice)" --init-groups \
		env -i HOME="$(home alice)" PATH="$CRT_BIN:/usr/bin:/bin" XDG_RUNTIME_DIR="$(runtime_dir alice)" \
		crt run --rm builtin:busybox true
	kill "$pid"
	wait "$pid" || true
	assert_error 125 "user.max_user_namespaces = 0"
}

@test "root in a user namespace of somebody else runs containers" {
	run as alice unshare -Ur crt run --rm builtin:busybox id -u
	assert_status 0
	assert_output 0
}

@test "files of subordinate ids in the store are deleted with the image and the container" {
	local file
	file=$(as alice crt run --name w builtin:busybox sh -c 'mkdir /d; echo x >/d/f; chown -R 55:66 /d; chmod 0700 /d; echo done')
	[ "$file" = "done" ]
	run find "$(store alice)/containers" -uid +100000 -name f
	assert_match '/f$'
	as alice crt rm w
	as alice crt rmi -a
	run find "$(store alice)" -uid +100000
	assert_output ""
}

@test "unshare: root over the files of subordinate ids, exit codes, the caller's environment" {
	as alice crt run --rm -v "$(home alice):/h" builtin:busybox sh -c 'mkdir -m 0700 /h/d; touch /h/d/f; chown -R 5:6 /h/d'
	run ! as alice ls "$(home alice)/d"
	run as alice crt unshare stat -c '%u:%g' d/f
	assert_output 5:6
	run as alice crt unshare rm -r d
	assert_status 0
	[ ! -e "$(home alice)/d" ] || flunk
	run as alice env A=b crt unshare sh -c 'echo $A; id -u; exit 9'
	assert_status 9
	[ "${lines[*]}" = "b 0" ] || flunk
	run as alice crt unshare sh -c 'kill -TERM $$'
	assert_status 143
	run -127 --separate-stderr as alice crt unshare nothing-of-that-name
	assert_error 127 nothing-of-that-name
	run --separate-stderr as alice crt unshare /etc/passwd
	assert_error 126 /etc/passwd
	run as carol crt unshare id -u
	assert_output 0
	run as root crt unshare id -u
	assert_output 0
}

@test "a single id is shown as the image's USER, by number or name, or as --user" {
	need_root
	image numbered --config.user 1000:100 --config.workingdir /w
	image named --config.user nobody
	run as carol crt run --rm -q "oci:$T/img/numbered" sh -c 'id -u; id -g; touch new; stat -c %u:%g new; ls /sys >/dev/null'
	assert_output $'1000\n100\n1000:100'
	run as carol crt run --rm -q "oci:$T/img/named" id -un
	assert_output nobody
	run as carol crt run --rm -u 7:8 -v "$(home carol):/mine" builtin:busybox sh -c 'touch /mine/file; stat -c %u:%g /mine/file'
	assert_output 7:8
	[ "$(stat -c %U "$(home carol)/file")" = "$(user carol)" ] || flunk
	run as carol crt run --rm -u 0 -q "oci:$T/img/numbered" id -u
	assert_output 0
	run --separate-stderr as carol crt run --rm --group-add 33 builtin:busybox id -u
	assert_status 0
	[[ $stderr == *"--group-add is ignored"* ]] || flunk
}
