#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images as files: what crt writes others read, what others write crt reads, digests stay.
load helpers

# the store of alice holds an image made by umoci; $DIGEST is that of its manifest
pulled() {
	image app --config.env A=1
	printf 'x' >"$T/x" && tar -C "$T" -cf "$T/x.tar" x
	image_add app "$T/x.tar"
	mkdir -m 0777 "$T/out"
	as alice crt copy -q "oci:$T/img/app:latest" localhost/app:1
	DIGEST=$(as alice crt images --digests --format '{{.Digest}}')
	LAYERS=$(skopeo inspect --format '{{.Layers}}' "oci:$T/img/app:latest")
}

raw_digest() { skopeo inspect --raw "$1" | sha256sum | cut -d' ' -f1; }

@test "archives, layouts and directories of save are read by skopeo, umoci and crt itself, with their digests" {
	pulled
	as alice crt save -o "$T/out/docker.tar" app:1
	as alice crt save --format oci-archive -o "$T/out/oci.tar" app:1
	as alice crt save --format oci-dir -o "$T/out/oci" app:1
	as alice crt save --format docker-dir -o "$T/out/dir" app:1
	[ "sha256:$(raw_digest "oci-archive:$T/out/oci.tar")" = "$DIGEST" ]
	[ "sha256:$(raw_digest "oci-archive:$T/out/docker.tar")" = "$DIGEST" ]
	[ "sha256:$(raw_digest "dir:$T/out/dir")" = "$DIGEST" ]
	[ "$(skopeo inspect --format '{{.Layers}}' "oci:$T/out/oci:1")" = "$LAYERS" ]
	umoci stat --image "$T/out/oci:1" >/dev/null
	# skopeo unpacks the layers of a docker archive while it reads
	skopeo copy -q "docker-archive:$T/out/docker.tar:localhost/app:1" "oci:$T/again:x"
	umoci unpack --rootless --image "$T/again:x" "$T/bundle" >/dev/null
	[ "$(cat "$T/bundle/rootfs/x")" = x ]
	for from in "docker-archive:$T/out/docker.tar" "oci-archive:$T/out/oci.tar" "oci:$T/out/oci:1" "dir:$T/out/dir"; do
		as bob crt pull -q "$from"
	done
	run as bob crt images --digests --format '{{.Digest}}'
	[ "$(sort -u <<<"$output")" = "$DIGEST" ] || flunk "digests changed"
}

@test "crt reads what skopeo writes, of every kind" {
	image app --config.env A=1
	for kind in oci-archive docker-archive dir oci; do
		skopeo copy -q "oci:$T/img/app:latest" "$kind:$T/sk-$kind"
		chmod -R a+rX "$T/sk-$kind"
		run as alice crt copy -q "$kind:$T/sk-$kind" "localhost/from-$kind"
		assert_status 0
		run as alice crt run --rm --network none "localhost/from-$kind" sh -c 'echo $A'
		assert_output 1
	done
}

@test "copy between places that are not the store leaves nothing in it" {
	image app
	registry_start
	mkdir -m 0777 "$T/out"
	as alice crt copy -q --dest-tls-verify=false "oci:$T/img/app:latest" "docker://$REGISTRY/a:1"
	as alice crt copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/a:1" "docker://$REGISTRY/b:2"
	as alice crt copy -q --src-tls-verify=false --digestfile "$T/out/digest" "docker://$REGISTRY/b:2" "oci:$T/out/oci:3"
	[ "$(raw_digest "oci:$T/out/oci:3")" = "$(raw_digest "oci:$T/img/app:latest")" ]
	[ "$(cat "$T/out/digest")" = "sha256:$(raw_digest "oci:$T/img/app:latest")" ]
	# a second image in the same layout, and the first one again
	as alice crt copy -q "oci:$T/img/app:latest" "oci:$T/out/oci:4"
	as alice crt copy -q "oci:$T/img/app:latest" "oci:$T/out/oci:3"
	[ "$(umoci ls --layout "$T/out/oci" | sort | tr '\n' ' ')" = "3 4 " ]
	run as alice crt images -q
	assert_output ""
	[ -z "$(find "$(store alice)/layers" "$(store alice)/oci" -type f -name '[0-9a-f]*' 2>/dev/null)" ]
}

@test "several images share their layers in one archive; two saves are the same bytes" {
	pulled
	image two --config.env B=2
	as alice crt copy -q "oci:$T/img/two:latest" localhost/two:1
	as alice crt save -m -o "$T/out/a.tar" app:1 two:1
	as alice crt save app:1 two:1 >"$T/out/b.tar"
	cmp "$T/out/a.tar" "$T/out/b.tar"
	[ "$(tar -tf "$T/out/a.tar" | sort | uniq -d)" = "" ]
	skopeo copy -q "docker-archive:$T/out/a.tar:localhost/two:1" "oci:$T/two:x"
}

@test "what save refuses" {
	pulled
	run --separate-stderr pty alice -- crt save app:1
	assert_status 125
	assert_contains "standard output is a terminal"
	run --separate-stderr as alice crt save -o "$T/out/x.tar" nothing
	assert_error 125 "image not known"
	[ ! -e "$T/out/x.tar" ]
	run --separate-stderr as alice crt save --format cpio -o "$T/out/x.tar" app:1
	assert_error 125 "must be docker-archive"
	run --separate-stderr as alice crt copy docker-daemon:app localhost/app
	assert_error 125 "a transport that crt does not have"
	# a blob that is gone is seen before anything is written
	layer=$(skopeo inspect --format '{{index .Layers 1}}' "oci:$T/img/app:latest")
	rm "$(store alice)/oci/blobs/sha256/${layer#sha256:}"
	run --separate-stderr as alice crt save -o "$T/out/x.tar" app:1
	assert_error 125 "is not in the store: pull or load the image again"
	[ -z "$(ls "$T/out")" ]
}

@test "copy --all takes every platform and the index; without it the one for this machine" {
	registry_start
	image app
	mkdir -m 0777 "$T/out"
	for arch in amd64 arm64; do
		cp -r "$T/img/app" "$T/img/$arch"
		umoci config --image "$T/img/$arch:latest" --architecture "$arch"
		chmod -R a+rX "$T/img/$arch"
		skopeo copy -q "oci:$T/img/$arch:latest" "oci:$T/img/app:$arch"
	done
	# an index of both, as builders write it
	manifests=$(for arch in amd64 arm64; do
		skopeo inspect --raw "oci:$T/img/app:$arch" >"$T/$arch.json"
		printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"}},' \
			"$(sha256sum <"$T/$arch.json" | cut -d' ' -f1)" "$(stat -c %s "$T/$arch.json")" "$arch"
		as alice crt copy -q --dest-tls-verify=false "oci:$T/img/app:$arch" "docker://$REGISTRY/multi:$arch"
	done)
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}' "${manifests%,}" >"$T/index.json"
	curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @"$T/index.json" \
		"http://$REGISTRY/v2/multi/manifests/all"
	as alice crt copy -q --all --src-tls-verify=false "docker://$REGISTRY/multi:all" "oci:$T/out/oci:x"
	[ "$(skopeo inspect --raw "oci:$T/out/oci:x" | sha256sum)" = "$(sha256sum <"$T/index.json")" ]
	skopeo inspect --override-arch arm64 "oci:$T/out/oci:x" | grep -q arm64
	as alice crt copy -q --all --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/multi:all" "docker://$REGISTRY/again:x"
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/again:x" | sha256sum)" = "$(sha256sum <"$T/index.json")" ]
	as alice crt copy -q --all --src-tls-verify=false "docker://$REGISTRY/multi:all" "dir:$T/out/dir"
	skopeo copy -q --all "dir:$T/out/dir" "oci:$T/back:x"
	[ "$(skopeo inspect --raw "oci:$T/back:x" | sha256sum)" = "$(sha256sum <"$T/index.json")" ]
	as alice crt copy -q --src-tls-verify=false "docker://$REGISTRY/multi:all" "oci:$T/out/one:x"
	[ "$(skopeo inspect --raw "oci:$T/out/one:x" | jq -r .config.digest)" = "$(jq -r .config.digest "$T/amd64.json")" ]
}

@test "load: several images of one archive, from a file, a pipe, packed or not, with their digests" {
	pulled
	image two --config.env B=2
	as alice crt copy -q "oci:$T/img/two:latest" localhost/two:1
	as alice crt save -o "$T/out/a.tar" app:1 two:1
	as alice crt save --format oci-archive -o "$T/out/b.tar" app:1 two:1
	gzip -k "$T/out/a.tar"
	zstd -q "$T/out/b.tar" -o "$T/out/b.tar.zst"
	want=$(as alice crt images --digests --format '{{.Repository}} {{.Digest}}' | sort)
	for file in a.tar.gz b.tar.zst; do
		run as bob crt load -i "$T/out/$file"
		assert_output "Loaded image: localhost/app:1
Loaded image: localhost/two:1"
		[ "$(as bob crt images --digests --format '{{.Repository}} {{.Digest}}' | sort)" = "$want" ]
		as bob crt rmi -a >/dev/null
	done
	run as carol sh -c "cat $T/out/b.tar | crt load"
	assert_contains "Loaded image: localhost/two:1"
	run as carol crt run --rm --network none two:1 sh -c 'echo $B'
	assert_output 2
}

@test "load reads what podman, skopeo and docker write, and names as they do" {
	image app
	skopeo copy -q "oci:$T/img/app:latest" "docker-archive:$T/short.tar:busy:1"
	run as alice crt load -i "$T/short.tar"
	assert_output "Loaded image: docker.io/library/busy:1"
	skopeo copy -q "oci:$T/img/app:latest" "oci-archive:$T/tag.tar:v1"
	run as alice crt load -i "$T/tag.tar"
	assert_match '^Loaded image: sha256:[0-9a-f]{64}$'
	run as alice crt load -i "$T/img/app"
	assert_match '^Loaded image: sha256:[0-9a-f]{64}$'
}

@test "T28: an archive that is cut, lies or names what is no name is refused as a whole or kept without the name" {
	pulled
	as alice crt save -o "$T/out/a.tar" app:1
	head -c 100000 "$T/out/a.tar" >"$T/cut.tar"
	run --separate-stderr as bob crt load -i "$T/cut.tar"
	assert_status 125
	run as bob crt images -q
	assert_output ""
	mkdir "$T/un" && tar -C "$T/un" -xf "$T/out/a.tar"
	jq -c '.[0].RepoTags = ["../../evil", "\u001b[31mred", "--flag", "good:1"]' "$T/un/manifest.json" >"$T/m" && mv "$T/m" "$T/un/manifest.json"
	tar -C "$T/un" -cf "$T/names.tar" .
	run as bob crt load -i "$T/names.tar"
	assert_output "Loaded image: docker.io/library/good:1"
	blob=$(find "$T/un/blobs/sha256" -size +100k | head -n 1)
	printf 'X' | dd of="$blob" bs=1 seek=5000 conv=notrunc status=none
	tar -C "$T/un" -cf "$T/lie.tar" .
	run --separate-stderr as carol crt load -i "$T/lie.tar"
	assert_status 125
	run as carol crt images -q
	assert_output ""
	run --separate-stderr pty alice -- crt load
	assert_contains "standard input is a terminal"
}
