#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images that are one SquashFS file: made, run by every kind of user, damaged.
load helpers

setup() {
	world_setup
	need_program squashfuse_ll
	need_program mksquashfs
	[ -e /dev/fuse ] || skip "no /dev/fuse"
	mkdir -p "$T/layer/data"
	echo owned >"$T/layer/data/file"
	chmod 0600 "$T/layer/data/file"
	tar -C "$T/layer" --owner=7 --group=8 --mtime=@0 -cf "$T/one.tar" data
	image box --config.env K=v --config.workingdir /data --config.cmd 'cat' --config.cmd 'file'
	image_add box "$T/one.tar"
	as alice crt pull -q "oci:$T/img/box" >/dev/null
	FILE=$(home alice)/box.sqfs
	run --separate-stderr as alice crt image squash "oci:$T/img/box" box.sqfs
	assert_status 0
}

@test "squashfs: one file holds files, owners and configuration; the container writes elsewhere" {
	local sum who
	sum=$(sha256sum "$FILE")
	run as alice crt run --rm -q --network none squashfs:box.sqfs
	assert_status 0
	assert_output owned
	run as alice crt run --rm -q --network none "squashfs:$FILE" sh -c 'stat -c %u:%g:%a file; echo $K; echo x >>file; cat file; rm -r /data; ls /data'
	assert_status 1
	assert_contains "7:8:600
v
owned
x"
	if [ "$(id -u)" = 0 ]; then
		install -m 0644 "$FILE" "$T/site.sqfs"
		for who in carol root; do
			run as "$who" crt run --rm -q --network none "squashfs:$T/site.sqfs" sh -c 'cat file; echo x >>file; cat file'
			assert_status 0
			assert_output "owned
owned
x"
		done
	fi
	[ "$(sha256sum "$FILE")" = "$sum" ] || flunk "the file was changed"
	run as alice crt run -d -q --network none --name d "squashfs:$FILE" sleep 1000
	assert_status 0
	as alice crt exec d touch new
	as alice crt stop -t 0 d
	as alice crt start d
	run as alice crt exec d ls
	assert_output "file
new"
	run as alice crt rm -f -t 0 d
	assert_status 0
}

@test "squashfs: what is none, what is cut off, a configuration that lies" {
	local size
	head -c 5000 /dev/urandom >"$T/none.sqfs"
	size=$(stat -c %s "$FILE")
	head -c $((size / 2)) "$FILE" >"$T/half.sqfs"
	{
		head -c $((size - 16)) "$FILE"
		printf '\377\377\377\377\377\377\377\177crtimage'
	} >"$T/lies.sqfs"
	chmod 0644 "$T"/*.sqfs
	run --separate-stderr as alice crt run --rm --network none "squashfs:$T/none.sqfs" true
	assert_error 125 "is not a SquashFS file"
	run --separate-stderr as alice crt run --rm --network none "squashfs:$T/half.sqfs" true
	assert_status 125
	run --separate-stderr as alice crt run --rm --network none "squashfs:$T/lies.sqfs" true
	assert_error 125 "nonsense"
	run --separate-stderr as alice crt run --rm --network none "squashfs:$T/missing.sqfs" true
	assert_error 125 "missing.sqfs"
	# a file of another program has no configuration, but runs
	mksquashfs "$T/layer" "$T/plain.sqfs" -noappend -quiet -no-progress >/dev/null
	chmod 0644 "$T/plain.sqfs"
	run -127 --separate-stderr as alice crt run --rm --network none "squashfs:$T/plain.sqfs" /missing
	assert_status 127
}

@test "squashfs: on a file system that knows no owners, attributes and links" {
	need_root
	need_program mkfs.vfat
	truncate -s 24M "$T/disk"
	mkfs.vfat "$T/disk" >/dev/null
	mkdir "$T/fat"
	mount -o loop,ro=0,uid="$(id -u "$(user alice)")",umask=022 "$T/disk" "$T/fat" 2>/dev/null || skip "no loop devices or no vfat here"
	as alice crt image squash "oci:$T/img/box" "$T/fat/box.img" || { umount "$T/fat" && flunk "not written"; }
	run as alice crt run --rm -q --network none "squashfs:$T/fat/box.img" sh -c 'stat -c %u file; echo x >>file; cat file'
	umount "$T/fat"
	assert_status 0
	assert_output "7
owned
x"
}

@test "squashfs: crt pull --squash keeps one file in the store; names, containers, removal" {
	local who files image_id
	run --separate-stderr as alice crt save --format squashfs -o "$(home alice)/saved.sqfs" "oci:$T/img/box"
	assert_status 0
	cmp "$FILE" "$(home alice)/saved.sqfs" || [ "$(stat -c %s "$FILE")" = "$(stat -c %s "$(home alice)/saved.sqfs")" ]
	as alice crt rmi -f -a >/dev/null
	for who in alice carol root; do
		[ "$(id -u)" = 0 ] || [ "$who" = alice ] || continue
		run --separate-stderr as "$who" crt pull -q --squash "oci:$T/img/box"
		assert_status 0
		image_id=$output
		files=$(as "$who" find "$(store "$who")/squash" "$(store "$who")/layers" "$(store "$who")/oci/blobs" -type f | sort)
		[ "$files" = "$(store "$who")/squash/$image_id
$(store "$who")/squash/index.json" ] || flunk "more than one file: $files"
		[ -z "$(find /var/tmp -maxdepth 1 -name 'crt-squash-*' -user "$(id -u "$(user "$who")")")" ] || flunk "the other store is left"
		as "$who" crt images --no-trunc | grep "$image_id" || flunk "not listed"
		run as "$who" crt run --rm -q --pull never --network none "oci:$T/img/box" sh -c 'cat file; echo x >>file; cat file'
		assert_output "owned
owned
x"
		as "$who" crt create -q --network none --name c "${image_id:0:12}" sh -c 'echo again >>file; cat file' >/dev/null
		run as "$who" crt start -a c
		assert_output "owned
again"
		run as "$who" crt system check
		assert_status 0
		run --separate-stderr as "$who" crt rmi "oci:$T/img/box"
		assert_status 2
		as "$who" crt image prune -a -f >/dev/null
		as "$who" crt system df >/dev/null
		as "$who" crt rm c >/dev/null
		run --separate-stderr as "$who" crt rmi "oci:$T/img/box"
		assert_status 0
		[ ! -e "$(store "$who")/squash/$image_id" ] || flunk "the file is left"
		run as "$who" crt image exists "$image_id"
		assert_status 1
	done
}
