#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Volumes: made, listed, filled from the image once, shared, removed; whose files they hold.
load helpers

setup() { world_setup; }
c() { as alice crt "$@"; }

# an image whose /data holds files of several owners, and VOLUME /data
volume_image() {
	mkdir -p "$T/layer/data/sub" "$T/layer/dir"
	echo one >"$T/layer/data/file"
	ln -s /etc/passwd "$T/layer/data/link"
	echo x >"$T/layer/data/sub/suid"
	chmod 4755 "$T/layer/data/sub/suid"
	chmod 0750 "$T/layer/data"
	tar -C "$T/layer" --owner=7 --group=8 -cf "$T/layer.tar" data
	image vol "$@"
	image_add vol "$T/layer.tar"
}

@test "volume create, ls, exists, inspect, rm, prune: names, JSON and exit codes" {
	run c volume create --label color=blue one
	assert_output one
	run --separate-stderr c volume create one
	assert_error 125 "volume with name one already exists"
	run c volume create --ignore one
	assert_status 0
	run c volume create
	assert_match '^[0-9a-f]{64}$'
	local anon=$output
	run c volume ls
	[[ ${lines[0]} =~ ^DRIVER\ +VOLUME\ NAME$ ]] || flunk
	[ "${#lines[@]}" = 3 ] || flunk
	run c volume ls -q --filter label=color=blue
	assert_output one
	run c volume ls -q --filter name=nothing
	assert_output ""
	run c volume inspect on
	[ "$(jq -r '.[0] | [.Name, .Driver, .Scope, .Labels.color, .MountCount] | @csv' <<<"$output")" = '"one","local","local","blue",0' ] || flunk
	run c volume inspect one --format '{{.Mountpoint}}'
	assert_output "$(store alice)/volumes/one/_data"
	run c volume exists one
	assert_status 0
	run c volume exists on
	assert_status 1
	c run --name user -v one:/x builtin:busybox true
	run --separate-stderr c volume rm one
	assert_error 2 "volume one is being used by the following container(s):"
	run --separate-stderr c volume rm nothing
	assert_error 1 "no such volume: nothing"
	run c volume ls -q -f dangling=true
	assert_output "$anon"
	run c volume prune -f
	assert_output "$anon"
	run c volume rm -f one
	assert_output one
	run c ps -aq
	assert_output ""
	run find "$(store alice)/volumes" "$(store alice)/trash" -mindepth 1
	assert_output ""
	for bad in ../x .x a/b 'a b' ''; do
		run --separate-stderr c volume create -- "$bad"
		assert_error 125 invalid
	done
}

@test "a volume is made by -v, keeps what was written, and is shared at once" {
	c run --rm -v disk:/w builtin:busybox sh -c 'echo kept >/w/f'
	run c run --rm -v disk:/w:ro builtin:busybox sh -c 'cat /w/f; echo no >/w/f'
	assert_contains kept
	assert_contains "Read-only file system"
	run c run --rm --mount type=volume,src=disk,dst=/m builtin:busybox cat /m/f
	assert_output kept
	[ "$(cat "$(store alice)/volumes/disk/_data/f")" = kept ] || flunk
	c run --name from -v disk:/w -v "$(home alice):/host:ro" builtin:busybox true
	run c run --rm --volumes-from from builtin:busybox sh -c 'cat /w/f; ls -d /host; touch /host/x'
	assert_contains kept
	assert_contains "Read-only file system"
	run c run --rm --volumes-from from:ro builtin:busybox touch /w/g
	assert_contains "Read-only file system"
	run --separate-stderr c run --rm --volumes-from nobody builtin:busybox true
	assert_error 125 nobody
	run --separate-stderr c run --rm -v a/b:/x builtin:busybox true
	assert_error 125 'invalid volume name "a/b"'
}

@test "a new volume gets the image's files once, with owners and modes; nocopy: only those of the directory" {
	need_root
	volume_image
	local list='cd /data; stat -c "%n %u:%g %a" . file sub sub/suid; readlink link; cat file'
	run c run --rm -v v:/data "oci:$T/img/vol:latest" sh -c "$list"
	assert_output $'. 7:8 750\nfile 7:8 644\nsub 7:8 755\nsub/suid 7:8 4755\n/etc/passwd\none'
	c run --rm -v v:/data "oci:$T/img/vol:latest" rm /data/file
	run c run --rm -v v:/data "oci:$T/img/vol:latest" ls /data
	assert_output $'link\nsub'
	run c run --rm -v n:/data:nocopy "oci:$T/img/vol:latest" sh -c 'stat -c "%u:%g %a" /data; ls -A /data'
	assert_output '7:8 750'
	# in a place that the image does not have it is the user's; U gives all of it away
	run c run --rm -u 5:6 -v fresh:/new/place "oci:$T/img/vol:latest" sh -c 'stat -c %u:%g /new/place; touch /new/place/x'
	assert_output 5:6
	run c run --rm -u 9:9 -v v:/data:U "oci:$T/img/vol:latest" stat -c %u:%g /data /data/sub/suid
	assert_output $'9:9\n9:9'
}

@test "volumes under keep-id, without subordinate ids and as root" {
	need_root
	volume_image
	local uid
	uid=$(id -u "$(user alice)")
	run c run --rm --userns=keep-id -v k:/mine -v k2:/data "oci:$T/img/vol:latest" sh -c 'id -u; touch /mine/x; stat -c %u /mine /mine/x /data'
	assert_output "$uid"$'\n'"$uid"$'\n'"$uid"$'\n'7
	[ "$(stat -c %U "$(store alice)/volumes/k/_data/x")" = "$(user alice)" ] || flunk
	run as carol crt run --rm -v v:/data "oci:$T/img/vol:latest" sh -c 'cat /data/file; touch /data/x; stat -c %u /data/x'
	assert_output $'one\n0'
	run as root crt --root "$T/rootstore" run --rm -v v:/data "oci:$T/img/vol:latest" stat -c %u:%g /data /data/file
	assert_output $'7:8\n7:8'
	as root crt --root "$T/rootstore" volume rm v
	as root crt --root "$T/rootstore" rmi -a
}

@test "anonymous volumes go with --rm and with rm -v, and VOLUME of the image is one" {
	volume_image --config.volume /data
	run c run --rm -v /scratch "oci:$T/img/vol:latest" sh -c 'touch /scratch/x /data/y; grep -cE " /(scratch|data) " /proc/mounts'
	assert_output 2
	run c volume ls -q
	assert_output ""
	c run --name stays "oci:$T/img/vol:latest" touch /data/y
	run c volume ls -q
	assert_match '^[0-9a-f]{64}$'
	[ "$(c inspect stays -f '{{(index .Mounts 0).Type}} {{(index .Mounts 0).Name}} {{(index .Mounts 0).Destination}}')" = "volume $output /data" ] || flunk
	c rm -v stays
	run c volume ls -q
	assert_output ""
	run c run --rm --image-volume=ignore "oci:$T/img/vol:latest" grep -c ' /data ' /proc/mounts
	assert_output 0
	run c run --rm --image-volume=tmpfs "oci:$T/img/vol:latest" sh -c 'grep -c "^tmpfs /data tmpfs" /proc/mounts; cat /data/file'
	assert_output $'1\none'
	run c run --rm --read-only "oci:$T/img/vol:latest" touch /data/new
	assert_status 0
}

@test "what an image or a container puts in the way of a volume stays inside" {
	mkdir -p "$T/layer"
	ln -s "$T/tripwire" "$T/layer/abs"
	ln -s ../../../../../../../"$T/tripwire" "$T/layer/rel"
	tar -C "$T/layer" -cf "$T/layer.tar" abs rel
	image links
	image_add links "$T/layer.tar"
	run c run --rm -v a:/abs -v r:/rel/deep:U "oci:$T/img/links:latest" sh -c 'echo x >/abs/x; echo y >/rel/deep/y; cat /abs/x'
	assert_output x
	# a volume full of links out is mounted, given away and removed without following one
	c run --rm -v a:/v builtin:busybox sh -c "rm /v/x; ln -s / /v/root; ln -s $T/tripwire /v/t; ln -s /v/root /v/sub"
	run c run --rm -v a:/v:U -v b:/v/sub/inner builtin:busybox sh -c 'ls /v'
	assert_status 0
	run c volume rm -a
	assert_status 0
	# the clean check looks at the tripwire
}

@test "many containers at once fill a new volume once, and a killed one leaves it whole for the next" {
	volume_image
	c pull -q "oci:$T/img/vol:latest"
	local i pids=()
	for i in 1 2 3 4; do
		c run --rm -v shared:/data "oci:$T/img/vol:latest" sh -c 'cat /data/file; rm -f /data/sub/suid' >"$T/out.$i" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	for i in 1 2 3 4; do
		[ "$(cat "$T/out.$i")" = one ] || flunk "$i: $(cat "$T/out.$i")"
	done
	run ls "$(store alice)/volumes/shared"
	assert_output $'_data\nlock\nrecord.json'
	# half a copy is thrown away
	as alice sh -c "cd '$(store alice)/volumes'; mkdir -p '$(store alice)/volumes/half/_data'; cp shared/record.json half/; touch half/copying half/_data/file"
	run c run --rm -v half:/data "oci:$T/img/vol:latest" cat /data/file
	assert_output one
}
