#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Registries that break off, lie or are busy while something is pushed; pulls that share; what policy.json,
# proxies and certificates decide. tests/registry/upload.py has a repository per kind of misbehaviour.
load helpers

uploads_start() {
	job_start /usr/bin/python3 -B "$FEATURE_DIR/../registry/upload.py" "$T/ports" "$T/requests"
	wait_for 10 test -e "$T/ports"
	read -r PORT _ <"$T/ports"
	HOST=127.0.0.1:$PORT
}

# $T/big: an OCI layout with one plain layer of 40 MiB, more than one piece of an upload
big_layout() {
	/usr/bin/python3 - "$T/big" <<-'END'
		import hashlib, io, json, os, sys, tarfile
		root = sys.argv[1]
		os.makedirs(root + "/blobs/sha256")
		def blob(data):
		    h = hashlib.sha256(data).hexdigest()
		    open(root + "/blobs/sha256/" + h, "wb").write(data)
		    return {"digest": "sha256:" + h, "size": len(data)}
		out = io.BytesIO()
		with tarfile.open(fileobj=out, mode="w") as t:
		    info = tarfile.TarInfo("zeros"); info.size = 40 << 20
		    t.addfile(info, io.BytesIO(bytes(40 << 20)))
		layer = dict(blob(out.getvalue()), mediaType="application/vnd.oci.image.layer.v1.tar")
		config = dict(blob(json.dumps({"os": "linux", "architecture": "amd64",
		    "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode()),
		    mediaType="application/vnd.oci.image.config.v1+json")
		manifest = dict(blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		    "config": config, "layers": [layer]}).encode()), mediaType="application/vnd.oci.image.manifest.v1+json")
		json.dump({"schemaVersion": 2, "manifests": [manifest]}, open(root + "/index.json", "w"))
		json.dump({"imageLayoutVersion": "1.0.0"}, open(root + "/oci-layout", "w"))
	END
	chmod -R a+rX "$T/big"
}

# push REPOSITORY [OPTION...]
push() {
	local repo=$1
	shift
	run --separate-stderr as alice timeout 60 crt copy -q --retry-delay 20ms --dest-tls-verify=false "$@" "oci:$T/$FROM" "docker://$HOST/$repo"
}
requests() { jq -c "select($1)" "$T/requests" | wc -l; }
pushed() { [ "$(requests '.method == "PUT" and (.path | contains("/manifests/"))')" -gt 0 ]; }

@test "a push that breaks off in the middle goes on where the registry stopped" {
	uploads_start
	big_layout
	FROM=big
	push break
	assert_status 0
	# 32 MiB, of which 5 arrived, and the rest of the 40 from there on
	[ "$(requests '.method == "PATCH" and (.range // "" | startswith("5242880-"))')" = 1 ] || flunk "$(cat "$T/requests")"
	push less
	assert_status 0
	push forget
	assert_status 0
	push range-lie
	assert_error 125 "does not say how much of the upload it has"
}

@test "T27: a registry that lies while it is pushed to learns nothing and is not believed" {
	uploads_start
	image app
	FROM=img/app
	push good
	assert_status 0
	pushed
	: >"$T/requests"
	push location-foreign --dest-creds tester:sesame
	[ "$(requests '.server == "foreign"')" -gt 0 ]
	[ "$(requests '.server == "foreign" and .auth != null')" = 0 ]
	: >"$T/requests"
	for repo in location-file:refused location-none:"where to upload" digest-lie:"another content" redirect-put:"refused"; do
		push "${repo%%:*}"
		assert_error 125 "${repo#*:}"
	done
	! pushed
	push manifest-lie
	assert_error 125 "another manifest"
}

@test "a password is asked for once and not sent before; a busy registry is waited for, but not for ever" {
	uploads_start
	image app
	FROM=img/app
	push auth
	assert_error 125 "log in first"
	push auth --dest-creds tester:wrong
	assert_error 125 "refuses the user name or password"
	[[ $stderr != *wrong* ]]
	push auth --dest-creds tester:sesame
	assert_status 0
	push busy
	assert_status 0
	push busy-for-ever --retry-times 1
	assert_error 125 "503"
	[ "$(requests '.method == "POST" and (.path | contains("busy-for-ever"))')" -le 4 ]
}

@test "ten pulls of one image at the same time: one fetches, all have it" {
	job_start /usr/bin/python3 -B "$FEATURE_DIR/../registry/hostile.py" "$T/ports" "$T/requests"
	wait_for 10 test -e "$T/ports"
	read -r PORT _ <"$T/ports"
	pids=()
	for _ in {1..10}; do
		as alice crt pull -q --tls-verify=false "127.0.0.1:$PORT/good" >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	layers=$(requests '.path | contains("/blobs/")')
	blobs=$(jq -r 'select(.path | contains("/blobs/")) | .path' "$T/requests" | sort -u | wc -l)
	# the config is asked for by everybody, each layer once
	[ "$layers" -le $((blobs - 1 + 10)) ] || flunk "$layers requests for $blobs blobs"
	[ "$(as alice crt images -q | wc -l)" = 1 ]
}

@test "policy.json: reject refuses, a demanded signature refuses and says why, the most particular scope counts" {
	image app
	registry_start
	registry_push "$T/img/app:latest" team/app:1
	dir="$(home alice)/.config/containers"
	mkdir -p "$dir"
	pull() { run --separate-stderr as alice crt pull -q --tls-verify=false "$@" "$REGISTRY/team/app:1"; }
	echo '{"default": [{"type": "reject"}]}' >"$dir/policy.json"
	pull
	assert_error 125 "is rejected"
	run --separate-stderr as alice crt pull -q "oci:$T/img/app:latest"
	assert_error 125 "is rejected"
	echo "{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": {\"$REGISTRY\": [{\"type\": \"signedBy\"}], \"$REGISTRY/team\": [{\"type\": \"insecureAcceptAnything\"}]}}}" >"$dir/policy.json"
	pull
	assert_status 0
	sed -i 's,/team",/other",' "$dir/policy.json"
	pull
	assert_error 125 "needs a signature (signedBy), and crt does not verify signatures yet"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$T/open.json"
	pull --signature-policy "$T/open.json"
	assert_status 0
	echo '{' >"$dir/policy.json"
	pull
	assert_status 125
	rm "$dir/policy.json"
	pull --policy never
	assert_status 0
	run --separate-stderr as bob crt pull -q --policy never "$REGISTRY/team/app:1"
	assert_error 125 "--policy is never"
}

@test "proxies of the environment are used, and not for what no_proxy names; all tags of a repository" {
	image app
	registry_start
	for tag in 1 2 3; do registry_push "$T/img/app:latest" "app:$tag"; done
	run --separate-stderr as alice env ALL_PROXY=http://127.0.0.1:1 crt pull -q --retry 0 --tls-verify=false "$REGISTRY/app:1"
	assert_status 125
	run --separate-stderr as alice env ALL_PROXY=http://127.0.0.1:1 no_proxy=127.0.0.1 crt pull -q --tls-verify=false -a "$REGISTRY/app"
	assert_status 0
	[ "$(as alice crt images --format '{{.Tag}}' | sort | tr '\n' ' ')" = "1 2 3 " ]
}

@test "a registry that wants our certificate gets it from certs.d" {
	need_program docker-registry openssl
	image app
	dir="$T/mtls"
	mkdir -p "$dir/data"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	port=$(free_port)
	cat >"$dir/config.yml" <<-END
		version: 0.1
		log: { level: error, accesslog: { disabled: true } }
		storage: { filesystem: { rootdirectory: $dir/data } }
		http:
		  addr: 127.0.0.1:$port
		  tls: { certificate: $dir/cert.pem, key: $dir/key.pem, clientcas: [$dir/cert.pem] }
	END
	job_start docker-registry serve "$dir/config.yml"
	wait_for 20 curl -fsS -o /dev/null --cacert "$dir/cert.pem" --cert "$dir/cert.pem" --key "$dir/key.pem" "https://127.0.0.1:$port/v2/"
	certs="$(home alice)/.config/containers/certs.d/127.0.0.1:$port"
	mkdir -p "$certs"
	cp "$dir/cert.pem" "$certs/ca.crt"
	run --separate-stderr as alice crt copy -q --retry-times 0 "oci:$T/img/app:latest" "docker://127.0.0.1:$port/app"
	assert_status 125
	cp "$dir/cert.pem" "$certs/client.cert"
	cp "$dir/key.pem" "$certs/client.key"
	chmod -R a+rX "$(home alice)/.config"
	run --separate-stderr as alice crt copy -q "oci:$T/img/app:latest" "docker://127.0.0.1:$port/app"
	assert_status 0
	run --separate-stderr as alice crt pull -q "127.0.0.1:$port/app"
	assert_status 0
	rm "$certs/client.key"
	run --separate-stderr as alice crt pull -q "127.0.0.1:$port/app"
	assert_error 125 "client.key"
}
