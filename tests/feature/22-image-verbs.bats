#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Names of images, what is known of them, and removing them: tag, untag, history, image ..., images, rmi.
load helpers

c() { as alice crt "$@"; }

# a store with box:1 (two layers, labelled) and builtin:busybox
two_images() {
	mkdir -p "$T/layer"
	echo more >"$T/layer/more"
	tar -C "$T/layer" --owner=0 --group=0 --mtime=@0 -cf "$T/more.tar" more
	image box --config.label k=v --author me --config.stopsignal SIGINT
	umoci raw add-layer --image "$T/img/box:latest" --history.created_by "put more" \
		--history.comment "a comment" --history.created 2020-02-03T04:05:06Z "$T/more.tar" >/dev/null
	chmod -R a+rX "$T/img/box"
	c pull -q "oci:$T/img/box" >/dev/null
	c pull -q builtin:busybox >/dev/null
	c tag "oci:$T/img/box" box:1
	c untag box:1 "oci:$T/img/box"
}

@test "tag and untag: new names, taken names, names that are none" {
	two_images
	run c tag box:1 box:2 quay.example/a/b
	assert_status 0
	run c images --format '{{.Repository}}:{{.Tag}}' --sort repository
	assert_output "builtin:busybox
localhost/box:1
localhost/box:2
quay.example/a/b:latest"
	# a name moves; an image that loses its last one stays
	run c tag builtin:busybox box:1 box:2 quay.example/a/b
	run c images -f dangling=true --format '{{.Repository}} {{.Tag}}'
	assert_output "<none> <none>"
	# all or nothing
	run --separate-stderr c tag builtin:busybox new:1 'Not/Valid'
	assert_error 125 "Not/Valid"
	run --separate-stderr c tag builtin:busybox new:1 "new@sha256:$(printf '%064d' 0)"
	assert_error 125 "digest"
	run --separate-stderr c tag nothing new:1
	assert_error 125 "nothing: image not known"
	run c image exists new:1
	assert_status 1
	run --separate-stderr c untag builtin:busybox box:1 other:1
	assert_error 125 "other:1: the image does not have this name"
	run c image exists box:1
	assert_status 0
	run c untag box:1 box:2 quay.example/a/b
	assert_status 0
	run c images --format '{{.History}}' -f reference=box
	assert_output "builtin:busybox, localhost/box:1"
	run c untag box:1
	assert_status 0
	run c images -q -f dangling=true
	[ "${#lines[@]}" = 2 ] || flunk "two images without a name"
	run c rmi -a
	assert_status 0
	run c images -q
	assert_output ""
}

@test "history, inspect and tree tell how an image was made" {
	two_images
	run c history box:1
	assert_status 0
	[ "${#lines[@]}" -ge 3 ] || flunk "a heading and steps"
	assert_contains "put more"
	assert_contains "a comment"
	assert_contains "make-busybox-image.py"
	run c history -q box:1
	[ "${lines[0]}" = "$(c images -q -f reference=box)" ] || flunk "the newest has the image's id"
	[ "${lines[1]}" = "<missing>" ] || flunk
	run c history --human=false --format '{{.CreatedAt}} {{.Size}} {{.CreatedBy}}' box:1
	[ "${lines[0]}" = "2020-02-03T04:05:06Z 5 put more" ] || flunk
	run c history --no-trunc --format json box:1
	jq -e 'length >= 2 and .[0].CreatedBy == "put more" and (.[0].tags | index("localhost/box:1"))' <<<"$output" ||
		flunk
	run --separate-stderr c history nothing
	assert_error 125 "image not known"
	run c image inspect box:1
	jq -e '.[0] | .Author == "me" and .Labels.k == "v" and .Config.StopSignal == "SIGINT" and
		(.RootFS.Layers | length) == 2 and .RepoTags == ["localhost/box:1"] and
		.ManifestType == "application/vnd.oci.image.manifest.v1+json" and .GraphDriver.Name == "overlay" and
		.Size == .VirtualSize and .User == "" and .Parent == "" and .NamesHistory == .RepoTags' <<<"$output" || flunk
	[ -f "$(c image inspect -f '{{.GraphDriver.Data.UpperDir}}' box:1)/more" ] || flunk "the highest layer"
	run --separate-stderr c image inspect nothing
	assert_status 125
	[[ $stderr == *"no such image: nothing"* ]] || flunk
	run c image tree box:1
	assert_contains "Tags:     [localhost/box:1]"
	assert_contains "Top Layer of: [builtin:busybox]"
	assert_contains "Top Layer of: [localhost/box:1]"
	run c image tree --whatrequires builtin:busybox
	assert_contains "localhost/box:1"
}

@test "image prune and rmi: what has no name, what nothing uses, by name, id and digest" {
	local id digest
	two_images
	c tag box:1 old:1
	c run -q --network none --name holder box:1 true
	run c image prune -f
	assert_status 0
	assert_output ""
	run c image prune -a <<<n
	assert_contains "Are you sure"
	run c image exists builtin:busybox
	assert_status 0
	c tag builtin:busybox box:1 old:1
	run c image prune -f # without a name, but a container has it
	assert_output ""
	id=$(c images -q --no-trunc -f dangling=true)
	c rm holder
	run c image prune --filter label=other=v -f
	assert_output ""
	run c image prune --filter label=k=v -f
	assert_output "$id"
	run c image prune -f -a --filter until=1s --filter dangling=true
	assert_output ""
	# several names: by id only with force, by digest with the repository one of them
	id=$(c images -q | head -n 1)
	digest=$(c image inspect -f '{{.Digest}}' builtin:busybox)
	run --separate-stderr c rmi "$id"
	assert_error 2 "several names"
	run --separate-stderr c rmi nothing
	assert_error 1 "image not known"
	run c rmi --ignore nothing
	assert_status 0
	run c rmi "localhost/old@$digest"
	assert_output "Untagged: localhost/old:1"
	run c image rm -f "$id"
	assert_contains "Untagged: localhost/box:1"
	assert_contains "Deleted: $id"
	run c images -q
	assert_output ""
}

@test "image and container: the groups have the verbs of the top, with their names there" {
	local sub
	two_images
	run c image ls --format '{{.Repository}}'
	assert_contains localhost/box
	for sub in rm remove ls list tag untag history inspect tree exists prune pull; do
		run c image "$sub" --help
		assert_status 0
	done
	run c container run --rm -q --network none builtin:busybox echo inside
	assert_output inside
	run c container ls -a -q
	assert_status 0
	run --separate-stderr c container inspect builtin:busybox
	assert_status 125
	run --separate-stderr c image bogus
	assert_error 125 'unknown command "image bogus"'
	run c help image tree
	assert_contains "crt image tree"
}
