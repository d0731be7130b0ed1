#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt push: what arrives is what was there, bit for bit, and hostile registries learn nothing.
load helpers

digest_of() { # NAME: of the manifest in $REGISTRY
	curl -fsS -o /dev/null -D - -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		-H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
		"http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}" |
		tr -d '\r' | sed -n 's/^docker-content-digest: //Ip'
}

@test "what was pulled is pushed with the same digest; again only the manifest travels" {
	registry_start
	image app --config.env A=1
	registry_push "$T/img/app:latest" app:1
	as alice crt pull -q --tls-verify=false "$REGISTRY/app:1"
	run --separate-stderr as alice crt push -q --tls-verify=false --digestfile digest "$REGISTRY/app:1" "$REGISTRY/other/name:2"
	assert_status 0
	assert_output ""
	[ "$(cat "$(home alice)/digest")" = "$(digest_of app:1)" ]
	[ "$(digest_of other/name:2)" = "$(digest_of app:1)" ]
	# and podman's tool runs what arrived
	run skopeo inspect --tls-verify=false "docker://$REGISTRY/other/name:2"
	assert_status 0
	assert_contains '"A=1"'
	run as bob crt run --rm --network none --tls-verify=false "$REGISTRY/other/name:2" sh -c 'echo $A'
	assert_output 1
}

@test "to the image's own name without a destination; docker:// and short names of the store" {
	registry_start
	image app
	registry_push "$T/img/app:latest" app:1
	as alice crt pull -q --tls-verify=false "$REGISTRY/app:1"
	run as alice crt push -q --tls-verify=false app:1
	assert_status 0
	run as alice crt push -q --tls-verify=false app:1 "docker://$REGISTRY/third"
	assert_status 0
	[ -n "$(digest_of third:latest)" ]
	run --separate-stderr as alice crt push -q nothing-like-this localhost/x
	assert_error 125 "image not known"
	run --separate-stderr as alice crt push -q app:1 short
	assert_error 125 "Write the registry"
}

@test "a form of the manifest that was asked for" {
	registry_start
	image app
	as alice crt pull -q "oci:$T/img/app:latest"
	run as alice crt push -q --tls-verify=false --format v2s2 "oci:$T/img/app:latest" "$REGISTRY/app:docker"
	assert_status 125 # the transport of another tool's store
	id=$(as alice crt images -q)
	as alice crt push -q --tls-verify=false --format v2s2 "$id" "$REGISTRY/app:docker"
	run skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/app:docker"
	assert_contains "application/vnd.docker.distribution.manifest.v2+json"
	assert_contains "application/vnd.docker.image.rootfs.diff.tar.gzip"
	run as bob crt run --rm --network none --tls-verify=false "$REGISTRY/app:docker" echo runs
	assert_output runs
}

@test "a large layer goes in pieces, with TLS and a password" {
	registry_start tls auth
	image app
	head -c 40000000 /dev/urandom >"$T/big"
	tar -C "$T" -cf "$T/big.tar" big
	image_add app "$T/big.tar"
	mkdir -p "$(home alice)/.config/containers/certs.d/$REGISTRY"
	cp "$REGISTRY_CA" "$(home alice)/.config/containers/certs.d/$REGISTRY/ca.crt"
	chmod -R a+rX "$(home alice)/.config"
	as alice crt pull -q "oci:$T/img/app:latest"
	id=$(as alice crt images -q)
	run --separate-stderr as alice crt push -q "$id" "$REGISTRY/app"
	assert_error 125 "log in first"
	run as alice crt push -q --creds tester:sesame "$id" "$REGISTRY/app"
	assert_status 0
	run skopeo inspect --creds tester:sesame --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/app"
	[ "$output" = "$(as alice crt images --digests --format '{{.Digest}}')" ]
}
