#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images from Debian's docker-registry on 127.0.0.1.
load helpers

@test "a Debian image made by mmdebstrap, pushed, pulled and run with a shell on a terminal" {
	local layout who
	need_program mmdebstrap
	layout=$(debian_image) || skip "no Debian image: mmdebstrap failed (no package mirror?)"
	registry_start
	registry_push "$layout:latest" debian:test
	for who in alice carol root; do
		[ "$who" = alice ] || [ "$(id -u)" = 0 ] || continue
		run pty "$who" timeout:120 'expect:[#$] ' 'send:. /etc/os-release; echo $ID; id -u\n' 'expect:debian\r\n0\r\n' \
			'send:dpkg -l dpkg | tail -n 1\n' 'expect:ii  dpkg' 'send:exit 5\n' \
			-- crt run --rm -it --tls-verify=false "$REGISTRY/debian:test"
		assert_status 5
	done
	run as alice crt images
	assert_status 0
	assert_contains "$REGISTRY/debian"
}

@test "pull by tag and by digest, images, rmi" {
	local digest
	registry_start
	image hello --config.cmd echo --config.cmd hello
	registry_push "$T/img/hello:latest" test/hello:1
	run as alice crt pull -q --tls-verify=false "$REGISTRY/test/hello:1"
	assert_status 0
	run as alice crt images
	assert_contains "$REGISTRY/test/hello"
	digest=$(skopeo inspect --tls-verify=false "docker://$REGISTRY/test/hello:1" | jq -r .Digest)
	run as alice crt run --rm --tls-verify=false "$REGISTRY/test/hello@$digest"
	assert_output hello
	run as alice crt run --rm --pull never "$REGISTRY/test/hello:1"
	assert_output hello
	run as alice crt rmi "$REGISTRY/test/hello:1"
	assert_status 0
	run --separate-stderr as alice crt run --rm --pull never "$REGISTRY/test/hello:1"
	[ "$status" = 125 ] || [ "$output" = hello ] || flunk
}

@test "a registry with a password: refused without, let in by config.json and by --authfile" {
	registry_start auth
	image hello --config.cmd echo --config.cmd hello
	registry_push "$T/img/hello:latest" test/hello:1 --dest-creds tester:sesame
	run --separate-stderr as alice crt run --rm --tls-verify=false "$REGISTRY/test/hello:1"
	assert_error 125 "$REGISTRY"
	as alice mkdir .docker
	as alice sh -c "umask 077; printf '{\"auths\":{\"$REGISTRY\":{\"auth\":\"%s\"}}}' $(printf tester:sesame | base64) >.docker/config.json"
	run as alice crt run --rm --tls-verify=false "$REGISTRY/test/hello:1"
	assert_output hello
	as alice mv .docker/config.json other.json
	run as alice crt run --rm --pull always -q --tls-verify=false --authfile other.json "$REGISTRY/test/hello:1"
	assert_output hello
}

@test "a certificate nobody signed is refused, and accepted when asked to" {
	registry_start tls
	image hello --config.cmd echo --config.cmd hello
	registry_push "$T/img/hello:latest" test/hello:1
	run --separate-stderr as alice crt run --rm "$REGISTRY/test/hello:1"
	assert_error 125 "$REGISTRY"
	[[ $stderr == *certificate* || $stderr == *TLS* || $stderr == *SSL* ]] || flunk
	run as alice crt run --rm -q --tls-verify=false "$REGISTRY/test/hello:1"
	assert_output hello
}

@test "a plain registry is not spoken to without being asked, an unknown tag and a dead registry are named" {
	registry_start
	image hello
	registry_push "$T/img/hello:latest" test/hello:1
	run --separate-stderr as alice crt run --rm "$REGISTRY/test/hello:1" true
	assert_error 125 "$REGISTRY"
	run --separate-stderr as alice crt run --rm --tls-verify=false "$REGISTRY/test/hello:2" true
	assert_error 125 "$REGISTRY"
	[[ $stderr == *"manifest unknown"* ]] || flunk
	run --separate-stderr as alice crt run --rm --tls-verify=false "127.0.0.1:$(free_port)/x:1" true
	assert_error 125 127.0.0.1
}

@test "--pull newer: another image is fetched, the same one is not, and the one in the store is used without a registry" {
	registry_start
	local run=(crt run --rm --network none --tls-verify=false "$REGISTRY/test/new:1")
	image one --config.cmd echo --config.cmd one
	image two --config.cmd echo --config.cmd two
	registry_push "$T/img/one:latest" test/new:1
	run --separate-stderr as alice "${run[@]}"
	assert_output one
	registry_push "$T/img/two:latest" test/new:1
	run --separate-stderr as alice "${run[@]}"
	assert_output one
	run --separate-stderr as alice "${run[@]:0:2}" --pull newer "${run[@]:2}"
	assert_output two
	run --separate-stderr as alice "${run[@]}"
	assert_output two
	kill "$JOB"
	wait "$JOB" || true
	run --separate-stderr as alice "${run[@]:0:2}" --pull newer "${run[@]:2}"
	assert_output two
	run --separate-stderr as alice "${run[@]:0:2}" --pull always "${run[@]:2}"
	assert_error 125 "$REGISTRY"
	run --separate-stderr as alice crt run --rm --pull newer --tls-verify=false "$REGISTRY/test/other:1" true
	assert_error 125 "/test/other/"
}

@test "docker-archive: the older form with a directory per layer, a repeated layer as a link, and repositories" {
	skopeo copy -q "oci:$CRT_FIXTURES/busybox:latest" "docker-archive:$T/new.tar:unit/x:1"
	/usr/bin/python3 - "$T" <<-'END'
		import hashlib, io, json, sys, tarfile
		dir = sys.argv[1]
		a = tarfile.open(dir + "/new.tar")
		manifest = json.load(a.extractfile("manifest.json"))[0]
		config = json.load(a.extractfile(manifest["Config"]))
		data = io.BytesIO()
		with tarfile.open(fileobj=data, mode="w") as t:
		    i = tarfile.TarInfo("second"); i.size = 4; t.addfile(i, io.BytesIO(b"two\n"))
		layers = [a.extractfile(manifest["Layers"][0]).read(), data.getvalue()]
		config["rootfs"]["diff_ids"] += ["sha256:" + hashlib.sha256(layers[1]).hexdigest()] * 2
		config = json.dumps(config).encode()
		name = hashlib.sha256(config).hexdigest() + ".json"
		ids = ["%064x" % n for n in (1, 2, 3)]
		for out, old in ("docker.tar", False), ("ancient.tar", True):
		    o = tarfile.open(dir + "/" + out, "w", format=tarfile.GNU_FORMAT)
		    def put(name, data, kind=tarfile.REGTYPE, link=""):
		        i = tarfile.TarInfo(name); i.size, i.type, i.linkname = len(data), kind, link
		        o.addfile(i, io.BytesIO(data))
		    for n, id in enumerate(ids):
		        put(id, b"", tarfile.DIRTYPE)
		        put(id + "/VERSION", b"1.0")
		        put(id + "/json", json.dumps({"id": id}).encode())
		        if n < 2:
		            put(id + "/layer.tar", layers[n])
		        else:
		            put(id + "/layer.tar", b"", tarfile.SYMTYPE, "../" + ids[1] + "/layer.tar")
		    put(name, config)
		    put("repositories", json.dumps({"old/x": {"1": ids[2]}}).encode())
		    if not old:
		        put("manifest.json", json.dumps([{"Config": name, "RepoTags": ["old/x:1"],
		            "Layers": [id + "/layer.tar" for id in ids]}]).encode())
		    o.close()
	END
	chmod a+r "$T"/*.tar
	run as alice crt run --rm --network none "docker-archive:$T/docker.tar:old/x:1" cat /second
	assert_output two
	run --separate-stderr as alice crt pull "docker-archive:$T/ancient.tar"
	assert_error 125 "docker before 1.10 wrote it"
}

@test "docker-archive and an OCI layout from skopeo" {
	image hello --config.cmd echo --config.cmd hello
	skopeo copy -q "oci:$T/img/hello:latest" "docker-archive:$T/hello.tar:test/hello:1"
	run as alice crt run --rm "docker-archive:$T/hello.tar"
	assert_status 0
	assert_output hello
	run as alice crt run --rm "oci:$T/img/hello:latest"
	assert_output hello
}

@test "zstd and gzip layers" {
	local format
	registry_start
	image hello --config.cmd echo --config.cmd hello
	for format in gzip zstd; do
		registry_push "$T/img/hello:latest" "test/$format:1" --dest-compress-format "$format"
		run as alice crt run --rm -q --tls-verify=false "$REGISTRY/test/$format:1"
		assert_output hello
	done
}
