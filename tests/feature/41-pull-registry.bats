#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A registry that misbehaves: tests/registry/hostile.py has one repository per kind of misbehaviour (T27).
load helpers

setup() {
	world_setup
	job_start /usr/bin/python3 -B "$FEATURE_DIR/../registry/hostile.py" "$T/ports" "$T/requests"
	wait_for 10 test -e "$T/ports"
	read -r PORT _ <"$T/ports"
	HOST=127.0.0.1:$PORT
}

# pull REPOSITORY [OPTION...]
pull() {
	local repo=$1
	shift
	run --separate-stderr as alice timeout "${LIMIT-60}" crt pull -q --tls-verify=false "$@" "$HOST/$repo"
}

# nothing was taken, neither image nor layer nor blob
assert_nothing_stored() {
	local dir
	dir=$(store alice)
	run as alice crt images -q
	assert_status 0
	assert_output ""
	[ -z "$(find "$dir/layers" "$dir/oci/blobs/sha256" -mindepth 1 -maxdepth 1 2>/dev/null)" ] || flunk "something is stored"
}

refused() {
	pull "$1" || return 1
	assert_error 125 "$2" || return 1
	assert_nothing_stored
}

layers() { find "$(store alice)/layers" -mindepth 1 -maxdepth 1 | wc -l; }

requests() { jq -c "select($1)" "$T/requests" | wc -l; }

@test "a good one, to compare with; a second pull fetches nothing but the manifest and config" {
	pull good
	assert_status 0
	run -127 as alice crt run --rm --network none "$HOST/good" true # there is no program in it
	: >"$T/requests"
	pull good
	assert_status 0
	[ "$(requests true)" = 2 ] || flunk "$(cat "$T/requests")"
}

@test "T27: content that is not what its digest says" {
	refused manifest-header-digest "digest mismatch"
	refused "manifest-other@sha256:$(printf '0%.0s' {1..64})" "digest mismatch"
	refused layer-other "digest mismatch"
	refused config-other "digest mismatch"
}

@test "T27: content that is longer or shorter than its descriptor says" {
	refused layer-longer "more bytes than"
	refused layer-shorter "100000 bytes instead of"
}

@test "T27: documents that can be read in two ways" {
	refused type-lie "not what its media type says"
	refused both "members of an index and of an image"
	refused duplicate-keys "duplicate"
}

@test "T27: digests that are none" {
	local repo
	for repo in digest-path digest-upper digest-hex-upper digest-sha512 digest-short; do
		refused "$repo" "64 lower-case hex digits"
	done
}

@test "what is no image for us is named" {
	refused schema1 "old schema 1 manifest"
	refused artifact "this is an artifact (application/vnd.example.chart+json)"
	refused foreign-layer "foreign layer"
	refused no-platform "there is no image for platform linux/"
	[[ $stderr == *"there is: windows/amd64"* ]] || flunk
	[ "$(requests '.path | contains("169.254")')" = 0 ]
}

@test "T24 T27: too much of everything" {
	refused big-manifest "more than"
	refused big-headers "headers are longer"
	refused nested-for-ever "indexes inside each other"
	refused too-many "600 layers are more than the limit"
	refused bad-chunks "GET http"
	refused zipped-json "manifest"
}

@test "T9: the text of a registry cannot control the terminal" {
	refused escapes 'evil'
	[[ $stderr != *$'\e'* && $stderr != *$'\u202e'* && $stderr != *$'\r'* ]] || flunk "raw control characters"
}

@test "T27: redirects to files, to other protocols, in circles" {
	refused redirect-file "refused"
	refused redirect-gopher "refused"
	refused redirect-loop "more than 10 redirects"
}

@test "T27: a redirect to another host is followed without the password" {
	pull redirect-foreign --creds tester:sesame
	assert_status 0
	[ "$(requests '.server == "foreign"')" -gt 0 ]
	[ "$(requests '.server == "foreign" and .auth != null')" = 0 ]
}

@test "T27: 401 for ever ends" {
	pull 401-for-ever --creds tester:wrong
	assert_error 125 "refuses the user name or password"
	[[ $stderr != *wrong* ]] || flunk "the password is in the message"
	pull token-for-ever --creds tester:sesame
	assert_error 125 "refuses access"
	[ "$(requests true)" -lt 20 ]
	assert_nothing_stored
}

@test "a token server: with the password it names a token, and only it gets the password" {
	pull token --creds tester:sesame
	assert_status 0
	[ "$(requests '.auth != null and (.auth | startswith("Basic")) and (.path | startswith("/v2"))')" = 0 ]
	pull token --creds tester:wrong
	assert_error 125 "refused the user name or password"
}

@test "T27: a token server without TLS at another host gets nothing" {
	pull token-foreign --creds tester:sesame
	assert_error 125 "without TLS: refused"
	[ "$(requests '.server == "foreign"')" = 0 ]
	pull token-header --creds tester:sesame
	assert_error 125 "invalid token"
}

@test "T27: 429 and 503 are tried again, but not for ever" {
	pull busy
	assert_status 0
	pull busy-for-ever
	assert_error 125 "HTTP status 503 (come back later)"
	[ "$(requests '.path | contains("busy-for-ever")')" = 4 ]
}

@test "a broken connection: the rest is asked for, or all of it again" {
	pull broken-range
	assert_status 0
	[ "$(requests '(.path | contains("broken-range")) and .range != null')" -gt 0 ]
	pull broken-whole
	assert_status 0
	pull broken-lie
	assert_status 0 # the layer is there already
}

@test "a broken connection, then another range than was asked for" {
	refused broken-lie "another range"
}

@test "T24: one byte now and then is not waited for" {
	LIMIT=120 pull stalled
	assert_error 125 "layer sha256:"
	assert_nothing_stored
}

@test "an index in an index; the platform and its variant are chosen" {
	pull multi
	assert_status 0
	amd=$output
	pull multi --platform linux/arm/v7
	assert_status 0
	[ "$output" != "$amd" ]
	pull multi --platform linux/arm/v5
	assert_error 125 "no image for platform linux/arm/v5; there is: linux/arm/v6, linux/arm/v7"
	pull multi --platform linux
	assert_error 125
}

@test "40 layers at once, and one layer twice" {
	pull many
	assert_status 0
	[ "$(layers)" = 40 ]
	pull twice
	assert_status 0
	pull good # its layer is the same
	assert_status 0
	[ "$(layers)" = 41 ]
}

@test "a registry that is not there, or speaks no TLS" {
	run --separate-stderr as alice crt pull -q "$HOST/good"
	assert_error 125 "without TLS, use --tls-verify=false"
	run --separate-stderr as alice crt pull -q --tls-verify=false "127.0.0.1:1/good"
	assert_error 125 "onnect"
	run --separate-stderr as alice crt pull -q "no-such-host.invalid/good"
	assert_error 125 "resolve"
}

@test "T18: a password is in no argument and no environment" {
	need_root
	as alice timeout 20 crt pull -q --tls-verify=false --authfile "$(printf '{"auths":{"%s":{"auth":"dGVzdGVyOnNlc2FtZQ=="}}}' "$HOST" >"$T/auth.json" && chmod 0644 "$T/auth.json" && echo "$T/auth.json")" "$HOST/stalled" &
	puller=$!
	wait_for 10 grep -q blobs "$T/requests"
	for pid in $(users_processes); do
		! tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q sesame
		! tr '\0' '\n' <"/proc/$pid/environ" | grep -q sesame
		if [ "$(cat "/proc/$pid/comm")" = crt-fetch ]; then
			found=1
			[ ! -s "/proc/$pid/environ" ]
			[ "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")" = 1 ]
			[ "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" = 2 ]
			[ "$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status")" = 000000008000001b ]
		fi
	done
	[ "${found-}" = 1 ]
	kill "$puller"
	wait "$puller" || true # of the registry, which runs in the background too, nothing is waited for
}
