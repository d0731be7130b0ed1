#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Damage in the store on purpose: what is found, what is repaired, and that nothing else suffers.
load helpers

c() { as alice crt "$@"; }

# fsck [repair|quick|force]: the check as root of alice's user namespace, since layers have other owners
fsck() { as alice crt unshare "$CRT_BUILD/store-tool" "$(store alice)" fsck "$@"; }

setup() {
	world_setup
	mkdir -p "$T/layer/data"
	echo 0123456789 >"$T/layer/data/file"
	ln "$T/layer/data/file" "$T/layer/data/link"
	tar -C "$T/layer" --owner=7 --group=7 --mtime=@0 -cf "$T/one.tar" data
	# an image in two layers, of which builtin:busybox has the lower one
	image box
	image_add box "$T/one.tar"
	c pull -q "oci:$T/img/box" >/dev/null
	c pull -q builtin:busybox >/dev/null
	c tag "oci:$T/img/box" box
	S=$(store alice)
	top=$(c image inspect -f '{{.GraphDriver.Data.UpperDir}}' box)
}

# everything is well, and box can be had again
healed() {
	run fsck
	assert_status 0
	assert_output ""
	run c run --rm -q --network none builtin:busybox echo fine
	assert_output fine
	c pull -q "oci:$T/img/box" >/dev/null
	run c run --rm -q --network none "oci:$T/img/box" cat /data/link
	assert_output 0123456789
	run fsck
	assert_output ""
}

@test "check: a healthy store, and one that does not exist" {
	c run -q --network none --name holder box true
	c volume create v >/dev/null
	run fsck
	assert_status 0
	assert_output ""
	run as bob crt unshare "$CRT_BUILD/store-tool" "$(home bob)/none" fsck
	assert_status 0
}

@test "check and repair: a file of a layer is cut off, a layer is gone" {
	local other
	as alice crt unshare truncate -s 0 "$top/data/file"
	run fsck quick
	assert_status 0
	run fsck
	assert_status 1
	assert_contains "its files have 0 bytes instead of 11"
	assert_contains "image: image localhost/box:latest: layer"
	refute_contains builtin
	run fsck repair
	assert_status 0
	assert_contains "(repaired)"
	run c images -q
	[ "${#lines[@]}" = 1 ] || flunk "only the damaged image has left the list"
	healed
	other=$(dirname "$top")
	as alice crt unshare rm -rf "$other"
	run fsck quick
	assert_status 1
	assert_contains "is not there"
	run fsck repair
	healed
}

@test "check and repair: blobs and the list of images are damaged" {
	local manifest
	manifest=$(c image inspect -f '{{.Digest}}' box)
	echo x >>"$S/oci/blobs/sha256/${manifest#sha256:}"
	run fsck
	assert_status 1
	assert_contains "its content is not what its digest says"
	assert_contains "image localhost/box:latest"
	run fsck repair
	assert_status 0
	healed
	# a list that is none: the images are found again, without names
	echo '{"manifests":' >"$S/oci/index.json"
	run fsck
	assert_status 1
	assert_contains "the list of images"
	run fsck repair
	assert_status 0
	run c images -q -f dangling=true
	[ "${#lines[@]}" = 2 ] || flunk "both images"
	c pull -q builtin:busybox >/dev/null
	healed
}

@test "check and repair: a container without a record, and one whose image is damaged" {
	local id holder
	holder=$(c create -q --network none box true)
	id=$(c create -q --network none builtin:busybox true)
	: >"$S/containers/$id/record.json"
	run fsck
	assert_status 1
	assert_contains "has no readable record"
	# it may hold the only copy of somebody's files
	run fsck repair
	assert_status 1
	assert_contains "has no readable record"
	[ -d "$S/containers/$id" ] || flunk "removed without being asked to"
	run fsck force
	assert_status 0
	run c ps -aq --no-trunc
	assert_output "$holder"
	as alice crt unshare truncate -s 3 "$top/data/file"
	run fsck repair
	assert_status 1
	assert_contains "a layer of its image is damaged"
	c rm "$holder" >/dev/null
	run fsck repair
	healed
}

@test "repair: what cannot be read for now is no damage" {
	local errno id manifest
	id=$(c create -q --network none box true)
	manifest=$(c image inspect -f '{{.Digest}}' box)
	manifest=$S/oci/blobs/sha256/${manifest#sha256:}
	for errno in EIO ENOMEM ENFILE; do
		for file in "$manifest" "$S/containers/$id/record.json"; do
			# only what reads this file is refused
			run as alice crt unshare strace -qq -o /dev/null -P "$file" -e "inject=read:error=$errno" \
				"$CRT_BUILD/store-tool" "$S" fsck force
			assert_status 1
			refute_contains "(repaired)"
			[ -s "$file" ] || flunk "$file is removed after $errno"
		done
	done
	run fsck
	assert_output ""
	run c ps -aq --no-trunc
	assert_output "$id"
	run c run --rm -q --network none box cat /data/link
	assert_output 0123456789
}

@test "repair: nothing while an image is taken in, and no verdict of before" {
	as alice mkdir "$S/tmp/held"
	as alice touch "$S/tmp/held/lock"
	as alice crt unshare truncate -s 0 "$top/data/file"
	exec 8<"$S/tmp/held/lock"
	flock -x 8
	run fsck repair
	assert_status 1
	assert_contains "is being taken into the store"
	[ -d "$top" ] || flunk "a layer is gone under a transaction"
	exec 8<&-
	rm -r "$S/tmp/held"
	# the damage is mended between the look and the repair: stopped at the first lock that the repair takes
	exec 8<"$S/index.lock"
	flock -x 8
	fsck repair >"$T/out" 2>&1 3>&- 8<&- &
	wait_for 60 grep -q 'its files have 0 bytes' "$T/out"
	as alice crt unshare sh -c "echo 0123456789 >'$top/data/file'"
	exec 8<&-
	wait $! || flunk "$(cat "$T/out")"
	[ -d "$top" ] || flunk "removed for a stale verdict: $(cat "$T/out")"
	run c run --rm -q --network none box cat /data/link
	assert_output 0123456789
}
