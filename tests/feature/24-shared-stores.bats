#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images of stores that are only read: a site's directory in our format, podman's, and what is not trusted.
load helpers

# a store of bob's, opened for everybody, with site/box:1 whose /etc/shadow only root may read
site_store() {
	need_root
	need_program fuse-overlayfs
	SITE=$T/site
	mkdir -m 0755 "$SITE"
	chown "$(user bob):" "$SITE"
	mkdir -p "$T/layer/etc" "$T/layer/home/x"
	echo secret >"$T/layer/etc/shadow"
	chmod 0600 "$T/layer/etc/shadow"
	chmod 0700 "$T/layer/home/x"
	tar -C "$T/layer" --owner=5 --group=5 --mtime=@0 -cf "$T/more.tar" etc/shadow home/x
	image box
	image_add box "$T/more.tar"
	as bob crt --root "$SITE" image share
	as bob crt --root "$SITE" pull -q "oci:$T/img/box" >/dev/null
	as bob crt --root "$SITE" tag "oci:$T/img/box" site/box:1
}

# what the files of a store look like: nothing of this may change
look_at() { find "$1" -printf '%p %u %m %s %T@ %C@\n' | sort; }

@test "shared store: users with and without subordinate ids run from a site's store" {
	local who
	site_store
	look_at "$SITE/layers" >"$T/before"
	look_at "$SITE/oci" >>"$T/before"
	for who in alice carol root; do
		run as "$who" env CRT_IMAGE_STORES="/nonexistent:$SITE" crt run --rm -q --network none site/box:1 \
			sh -c 'cat /etc/shadow; stat -c %u / /etc/shadow; echo new >/etc/new; rm -r /home/x; ls /home; cat /etc/new'
		assert_status 0
		assert_output "secret
0
0
new"
		[ ! -e "$(store "$who")/oci/index.json" ] || flunk "$who has copied an image"
	done
	{
		look_at "$SITE/layers"
		look_at "$SITE/oci"
	} | diff "$T/before" - || flunk "the shared store was changed"
	# a container of it outlives the shell that named the store
	run as alice env CRT_IMAGE_STORES="$SITE" crt run -d -q --network none --name c1 site/box:1 sleep 1000
	assert_status 0
	run as alice crt exec c1 cat /etc/shadow
	assert_output secret
	run as alice crt rm -f -t 0 c1
	assert_status 0
}

@test "shared store: what is listed, and that nothing of it can be removed" {
	site_store
	mkdir -p "$(home alice)/.config/crt"
	printf '# images of the site\n\n  %s/ \n' "$SITE" >"$(home alice)/.config/crt/image-stores"
	chown -R "$(user alice):" "$(home alice)/.config"
	as alice crt pull -q builtin:busybox >/dev/null
	run as alice crt images --format '{{.Repository}} {{.ReadOnly}}' -f 'reference=*/site/box'
	assert_output "localhost/site/box true"
	run as alice crt images -q -f readonly=false
	[ "${#lines[@]}" = 1 ] || flunk "one of its own"
	run as alice crt image exists site/box:1
	assert_status 0
	run as alice crt history -q site/box:1
	assert_status 0
	run --separate-stderr as alice crt rmi site/box:1
	assert_error 125 "shared store"
	run as alice crt rmi -a
	assert_contains "Untagged: builtin:busybox"
	run as alice crt image prune -a -f
	assert_status 0
	run as alice crt images --format '{{.Repository}}'
	assert_contains localhost/site/box
}

@test "shared store: one that others may write is not used, one without permission is named" {
	site_store
	chmod 0777 "$SITE"
	run as alice env CRT_IMAGE_STORES="$SITE" crt images
	assert_status 0
	assert_contains "others than its owner may write it"
	refute_contains site/box
	chmod 0700 "$SITE"
	run as alice env CRT_IMAGE_STORES="$SITE" crt images
	assert_status 0
	assert_contains "permission denied"
	# not shared: the owner's own doors stay closed
	run as bob crt --root "$(home bob)/private" pull -q builtin:busybox
	run stat -c %a "$(home bob)/private" "$(home bob)/private/oci"
	assert_output "700
700"
}

@test "shared store: podman's, of root and read by others" {
	site_store
	need_program podman
	local pod=$T/pod top
	# in a mount namespace of its own: podman leaves mounts behind
	podman_here() {
		timeout 120 unshare --mount podman --root "$pod" --runroot "$T/podrun" --storage-driver overlay "$@"
	}
	skopeo copy -q "oci:$T/img/box:latest" "docker-archive:$T/box.tar:quay.example/first/box:1"
	podman_here pull -q "docker-archive:$T/box.tar" >"$T/podman.id" 2>"$T/podman.err" ||
		skip "podman cannot pull here: $(tail -n 1 "$T/podman.err")"
	podman_here tag "$(cat "$T/podman.id")" quay.example/pod/box:2
	chmod -R a+rX "$pod"
	top=$(jq -r '.[0].layer' "$pod/overlay-images/images.json")
	run as alice env CRT_IMAGE_STORES="$pod" crt run --rm -q --network none quay.example/pod/box:2 sh -c 'cat /etc/shadow; echo a >/new; cat /new'
	assert_status 0
	assert_output "secret
a"
	run as root env CRT_IMAGE_STORES="$pod" crt run --rm -q --network none pod/box:2 stat -c %u:%g /etc/shadow
	assert_status 0
	assert_output 5:5
	run as alice env CRT_IMAGE_STORES="$pod" crt image inspect -f '{{.GraphDriver.Data.UpperDir}} {{len .RootFS.Layers}}' quay.example/pod/box:2
	assert_output "$pod/overlay/$top/diff 2"
	run as alice env CRT_IMAGE_STORES="$pod" crt run --rm -q --network none "$(jq -r '.[0].id[0:12]' "$pod/overlay-images/images.json")" echo by id
	assert_output "by id"
	# a list of layers that never ends, and ids that are paths
	jq -c '.[0].parent = .[0].id' "$pod/overlay-layers/layers.json" >"$T/loop" && cp "$T/loop" "$pod/overlay-layers/layers.json"
	run as alice env CRT_IMAGE_STORES="$pod" crt run --rm --network none --pull never quay.example/pod/box:2 true
	assert_status 125
	jq -c '.[0].layer = "../../../etc"' "$pod/overlay-images/images.json" >"$T/path" && cp "$T/path" "$pod/overlay-images/images.json"
	run as alice env CRT_IMAGE_STORES="$pod" crt run --rm --network none --pull never quay.example/pod/box:2 true
	assert_status 125
}
