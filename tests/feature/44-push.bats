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

@test "login: a password that the registry takes is kept for all tools, a wrong one is not" {
	registry_start auth
	image app
	run --separate-stderr as alice sh -c "echo wrong | crt login --tls-verify=false -u tester --password-stdin $REGISTRY"
	assert_error 125 "refuses the user name or password"
	[[ $stderr != *wrong* ]]
	[ ! -e "$(runtime_dir alice)/containers/auth.json" ]
	run as alice sh -c "echo sesame | crt login --tls-verify=false -u tester --password-stdin $REGISTRY"
	assert_output "Login Succeeded!"
	auth="$(runtime_dir alice)/containers/auth.json"
	[ "$(stat -c %a "$auth")" = 600 ]
	[ "$(jq -r ".auths[\"$REGISTRY\"].auth" "$auth" | base64 -d)" = tester:sesame ]
	run as alice crt login --get-login "$REGISTRY"
	assert_output tester
	run as alice crt login --tls-verify=false "$REGISTRY"
	assert_contains "Already logged in"
	# what others wrote stays, and others read what is written
	jq '.auths["example.com"] = {"auth": "eDp5"} | .other = 1' "$auth" >"$T/auth" && cat "$T/auth" >"$auth"
	as alice crt copy -q --dest-tls-verify=false "oci:$T/img/app:latest" "docker://$REGISTRY/app:1"
	as alice skopeo inspect --tls-verify=false "docker://$REGISTRY/app:1" >/dev/null
	run as alice crt logout "$REGISTRY"
	assert_output "Removed login credentials for $REGISTRY"
	[ "$(jq -c . "$auth")" = '{"auths":{"example.com":{"auth":"eDp5"}},"other":1}' ]
	run --separate-stderr as alice crt logout "$REGISTRY"
	assert_error 125 "not logged in to"
	as alice crt logout --all
	[ "$(jq -c .auths "$auth")" = '{}' ]
	rm -f "$auth"
}

@test "login asks at the terminal without showing the password; Ctrl-C leaves a terminal that works" {
	registry_start auth
	run pty alice expect:Username: send:'tester\n' expect:Password: send:'sesame\n' expect:Succeeded -- \
		crt login --tls-verify=false "$REGISTRY"
	assert_status 0
	refute_contains sesame
	run pty alice expect:Username: send:'tester\n' expect:Password: send:'secr\C-c' -- \
		sh -c "crt login --tls-verify=false other.invalid; stty -a"
	assert_contains cancelled
	assert_match '[^-]echo '
	refute_contains secr
	rm "$(runtime_dir alice)/containers/auth.json"
}

@test "login hands the password to the credential helper that the file names" {
	registry_start auth
	mkdir "$T/helper"
	cat >"$T/helper/docker-credential-box" <<-END
		#!/bin/sh
		cd "$(home alice)"
		case \$1 in
		store) cat >box ;;
		get) cat >/dev/null; [ -e box ] && cat box || exit 1 ;;
		erase) cat >/dev/null; rm -f box ;;
		esac
	END
	chmod -R a+rx "$T/helper"
	echo "{\"credHelpers\": {\"$REGISTRY\": \"box\"}}" >"$T/auth.json"
	chmod a+rw "$T/auth.json"
	run as alice sh -c "echo sesame | PATH=$T/helper:\$PATH crt login --authfile $T/auth.json --tls-verify=false -u tester --password-stdin $REGISTRY"
	assert_output "Login Succeeded!"
	[ "$(jq -r .Secret "$(home alice)/box")" = sesame ]
	! grep -q sesame "$T/auth.json"
	run as alice sh -c "PATH=$T/helper:\$PATH crt login --authfile $T/auth.json --get-login $REGISTRY"
	assert_output tester
	as alice sh -c "PATH=$T/helper:\$PATH crt logout --authfile $T/auth.json $REGISTRY"
	[ ! -e "$(home alice)/box" ]
}

@test "tags, search, manifest inspect and delete" {
	registry_start
	image app
	for tag in 1 2; do as alice crt copy -q --dest-tls-verify=false "oci:$T/img/app:latest" "docker://$REGISTRY/team/app:$tag"; done
	run as alice crt search --list-tags --tls-verify=false --format '{{.Tag}}' "$REGISTRY/team/app"
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "1 2 " ]
	run as alice crt search --list-tags --limit 1 --tls-verify=false --format json "$REGISTRY/team/app"
	[ "$(jq '.[0].Tags | length' <<<"$output")" = 1 ]
	run as alice crt search --tls-verify=false --format '{{.Name}}' "$REGISTRY/app"
	assert_output "$REGISTRY/team/app"
	run as alice crt manifest inspect --tls-verify=false "$REGISTRY/team/app:1"
	assert_status 0
	[ "$(jq -r .schemaVersion <<<"$output")" = 2 ]
	run --separate-stderr as alice crt delete --tls-verify=false "$REGISTRY/team/app:1"
	assert_error 125 "write docker:// before it"
	as alice crt delete --tls-verify=false "docker://$REGISTRY/team/app:1"
	run --separate-stderr as alice crt manifest inspect --tls-verify=false "$REGISTRY/team/app:2"
	assert_error 125 "404"
	run --separate-stderr as alice crt search --tls-verify=false "127.0.0.1:1/x"
	assert_error 125 "127.0.0.1:1"
}
