#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Files of the host inside of a container, and who owns what is written.
load helpers

setup() {
	world_setup
	as alice mkdir -p src
	as alice sh -c 'echo mine >src/file'
}

@test "a volume shows the caller's files as root's, and files written belong to the caller" {
	run as alice crt run --rm -v "$(home alice)/src:/src" builtin:busybox sh -c 'stat -c %u:%g /src/file; cat /src/file; echo new >/src/new'
	assert_output $'0:0\nmine'
	[ "$(stat -c %U "$(home alice)/src/new")" = "$(user alice)" ] || flunk
	[ "$(cat "$(home alice)/src/new")" = new ] || flunk
	# a path relative to the current directory
	run as alice crt run --rm -v ./src:/src builtin:busybox cat /src/new
	assert_output new
}

@test "files of other users of the container get subordinate ids" {
	need_root
	as alice chmod 0777 src
	run as alice crt run --rm -u 1000:1000 -v ./src:/src builtin:busybox sh -c 'echo other >/src/other; stat -c %u:%g /src/other'
	assert_output 1000:1000
	local first
	first=$(awk -F: -v u="$(user alice)" '$1 == u { print $2; exit }' /etc/subuid)
	[ "$(stat -c %u "$(home alice)/src/other")" = $((first + 999)) ] || flunk "owner $(stat -c %u "$(home alice)/src/other")"
}

@test "keep-id: the caller's number inside, and files written belong to the caller" {
	local uid gid
	uid=$(id -u "$(user alice)") gid=$(id -g "$(user alice)")
	run as alice crt run --rm --userns=keep-id -v ./src:/src builtin:busybox sh -c 'id -u; id -g; stat -c %u:%g /src/file; echo new >/src/new'
	assert_output "$uid"$'\n'"$gid"$'\n'"$uid:$gid"
	[ "$(stat -c %U "$(home alice)/src/new")" = "$(user alice)" ] || flunk
	need_root
	run as alice crt run --rm --userns=keep-id:uid=1234,gid=4321 -v ./src:/src builtin:busybox sh -c 'id -u; id -g; stat -c %u:%g /src/file'
	assert_output $'1234\n4321\n1234:4321'
	# root of the image stays root
	run as alice crt run --rm --userns=keep-id builtin:busybox stat -c %u /bin/busybox
	assert_output 0
}

@test "a volume without subordinate ids: root inside or keep-id, always the caller's files" {
	need_root
	as carol mkdir src
	run as carol crt run --rm -v ./src:/src builtin:busybox sh -c 'echo x >/src/x; stat -c %u:%g /src/x'
	assert_output 0:0
	[ "$(stat -c %U "$(home carol)/src/x")" = "$(user carol)" ] || flunk
	run as carol crt run --rm --userns=keep-id -v ./src:/src builtin:busybox sh -c 'id -u; stat -c %u /src/x'
	assert_output "$(id -u "$(user carol)")"$'\n'"$(id -u "$(user carol)")"
}

@test "read-only volumes, single files, --mount, and a source that does not exist" {
	run as alice crt run --rm -v ./src:/src:ro builtin:busybox sh -c 'cat /src/file; echo x 2>&1 >/src/file'
	assert_contains mine
	assert_contains "Read-only file system"
	[ "$(cat "$(home alice)/src/file")" = mine ] || flunk
	run as alice crt run --rm -v ./src/file:/etc/file builtin:busybox cat /etc/file
	assert_output mine
	run as alice crt run --rm --mount "type=bind,src=$(home alice)/src,dst=/src,ro" builtin:busybox cat /src/file
	assert_output mine
	run as alice crt run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m builtin:busybox sh -c 'df -k /t | tail -1'
	assert_match 1024
	run --separate-stderr as alice crt run --rm -v "$(home alice)/missing:/src" builtin:busybox true
	assert_error 125 "$(home alice)/missing"
	[ ! -e "$(home alice)/missing" ] || flunk
}

@test "destinations that an image made into links stay inside" {
	mkdir -p "$T/layer"
	ln -s "$T/tripwire" "$T/layer/abs"
	ln -s ../../../../../../../"$T/tripwire" "$T/layer/rel"
	tar -C "$T/layer" -cf "$T/layer.tar" abs rel
	image links
	image_add links "$T/layer.tar"
	run as alice crt run --rm -v ./src:/abs -v ./src:/rel/deeper "oci:$T/img/links:latest" sh -c 'cat /abs/file /rel/deeper/file'
	assert_status 0
	assert_output $'mine\nmine'
	# the clean check looks at the tripwire
}

@test "the writable layer of one container is not seen by the next, a --rootfs DIR:O stays as it was" {
	run as alice crt run --rm builtin:busybox touch /mark
	run as alice crt run --rm builtin:busybox ls /mark
	assert_status 1
	as alice mkdir tree
	as alice sh -c 'cd tree; mkdir bin; cp /bin/busybox bin/; ln -s busybox bin/sh; ln -s busybox bin/touch; ln -s busybox bin/ls'
	as alice find tree >"$T/before"
	run as alice crt run --rm --rootfs "$(home alice)/tree:O" /bin/touch /mark
	assert_status 0
	as alice find tree | diff "$T/before" -
	run as alice crt run --rm --rootfs "$(home alice)/tree" /bin/touch /mark
	assert_status 0
	[ -e "$(home alice)/tree/mark" ] || flunk
}

@test "--rootfs with a directory of somebody else: one line that names the way out, and with :O it runs" {
	need_root
	local who
	mkdir -p "$T/foreign/bin" "$T/foreign/etc" "$T/closed"
	chmod 0700 "$T/closed"
	cp /bin/busybox "$T/foreign/bin/sh"
	echo theirs >"$T/foreign/etc/file"
	for who in alice carol; do
		run --separate-stderr as "$who" crt run --rm --rootfs "$T/foreign" sh -c 'echo ran'
		assert_error 125 "use --rootfs $T/foreign:O"
		run as "$who" crt run --rm --rootfs "$T/foreign:O" \
			sh -c 'cat /etc/file; echo mine >/etc/file; cat /etc/file; mkdir /etc/new && busybox stat -c %u /etc /etc/new'
		assert_output $'theirs\nmine\n0\n0'
		run --separate-stderr as "$who" crt run --rm --rootfs "$T/closed:O" sh
		assert_error 125 "--rootfs $T/closed: permission denied"
	done
	[ "$(cd "$T/foreign" && echo * */*)" = "bin etc bin/sh etc/file" ] || flunk "$(find "$T/foreign")"
	# a /dev without fuse
	run --separate-stderr as alice unshare -rm sh -ec "cd $(home alice) && mkdir dev && mount --rbind /dev dev
		mount -t tmpfs none /dev && : >/dev/null && mount --bind dev/null /dev/null
		exec crt run --rm --network none --rootfs $T/foreign:O sh"
	assert_error 125 "fuse-overlayfs needs /dev/fuse"
}

@test "--rootfs /:O: the host itself as a root file system, although mounts lie below it" {
	need_root
	local who
	for who in alice carol root; do
		run as "$who" crt run --rm --network none --rootfs /:O sh -c \
			'echo mine >/etc/crt-test-mark && cat /etc/crt-test-mark && rm /bin/true && ! ls /bin/true 2>/dev/null && id -u'
		assert_output $'mine\n0'
		assert_status 0
		[ ! -e /etc/crt-test-mark ] && [ -e /bin/true ] || flunk "the host was changed"
	done
}
