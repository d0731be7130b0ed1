#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Four processes pull, run, remove and prune the same images at once. A run either works or says that there is no
# such image; nobody waits long for anybody; afterwards the store is whole and nothing is left over.
#
#   CRT_BIN              directory of crt
#   CRT_RACE_SECONDS=N   how long (default 600)

bats_require_minimum_version 1.5.0

setup() {
	PATH=${CRT_BIN:-}:$PATH
	for p in crt skopeo jq; do
		command -v "$p" >/dev/null || skip "needs the program $p"
	done
	T=$(mktemp -d "${BATS_TMPDIR:-/tmp}/crt-race-XXXXXX")
	mkdir -m 0700 "$T/home" "$T/run"
	export HOME=$T/home XDG_RUNTIME_DIR=$T/run CRT_ROOT=$T/store
	crt run --rm -q --network none builtin:busybox true 2>"$T/err" || skip "crt cannot run here: $(tail -n 1 "$T/err")"
	# two images that share the layer of builtin:busybox, and one that is the same under another name
	skopeo copy -q "oci-archive:$CRT_BIN/busybox.oci.tar" "oci:$T/one:latest"
	cp -r "$T/one" "$T/two"
	retext "$T/two" '.config.Env += ["WHO=two"]'
	retext "$T/one" '.config.Env += ["WHO=one"]'
}

teardown() {
	[ -z "${T-}" ] || rm -rf "$T"
}

# retext LAYOUT FILTER: change the configuration of the only image
retext() {
	local dir=$1 manifest config
	manifest=$(jq -r '.manifests[0].digest[7:]' "$dir/index.json")
	config=$(jq -r '.config.digest[7:]' "$dir/blobs/sha256/$manifest")
	jq -c "$2" "$dir/blobs/sha256/$config" >"$dir/new"
	jq -c --arg d "sha256:$(sha256sum "$dir/new" | cut -d ' ' -f 1)" --argjson n "$(stat -c %s "$dir/new")" \
		'.config.digest = $d | .config.size = $n' "$dir/blobs/sha256/$manifest" >"$dir/newer"
	mv "$dir/new" "$dir/blobs/sha256/$(sha256sum "$dir/new" | cut -d ' ' -f 1)"
	jq -c --arg d "sha256:$(sha256sum "$dir/newer" | cut -d ' ' -f 1)" --argjson n "$(stat -c %s "$dir/newer")" \
		'.manifests[0].digest = $d | .manifests[0].size = $n' "$dir/index.json" >"$dir/index"
	mv "$dir/newer" "$dir/blobs/sha256/$(sha256sum "$dir/newer" | cut -d ' ' -f 1)"
	mv "$dir/index" "$dir/index.json"
}

# until the time is over; what must not happen goes to $T/bad
again() {
	while [ "$SECONDS" -lt "$UNTIL" ] && [ ! -s "$T/bad" ]; do "$@"; done
}

allowed() { grep -qE 'image not known|no such image|is missing; the image was removed|another command removed|used by container' <<<"$1"; }

attempt() { # WANTED-OUTPUT CMD...: succeeds with it, or fails for a reason that is allowed
	local want=$1 out code=0
	shift
	out=$(timeout 120 "$@" 2>&1) || code=$?
	if [ "$code" = 0 ]; then
		[ "$want" = - ] || [ "$out" = "$want" ] || echo "$* printed: $out" >>"$T/bad"
	elif ! allowed "$out"; then
		echo "$*: status $code: $out" >>"$T/bad"
	fi
	echo >>"$T/count"
}

pulls() {
	attempt - crt pull -q "oci:$T/one"
	attempt - crt tag "oci:$T/one" "name$((RANDOM % 3))"
	attempt - crt pull -q "oci:$T/two"
	attempt - crt tag "oci:$T/two" "name$((RANDOM % 3))"
}
runs() {
	attempt one crt run --rm -q --network none --pull never "oci:$T/one" sh -c 'echo $WHO'
	attempt two crt run --rm -q --network none --pull never "oci:$T/two" sh -c 'echo $WHO'
}
removes() {
	attempt - crt rmi "oci:$T/one"
	attempt - crt rmi "oci:$T/two"
	attempt - crt rmi "name$((RANDOM % 3))"
}
prunes() {
	attempt - crt image prune -f
	attempt - crt images --format json
	attempt - crt image prune -a -f
}

@test "pull, run, rmi and prune at once never see half an image" {
	SECONDS=0
	UNTIL=${CRT_RACE_SECONDS:-600}
	for job in pulls runs removes prunes; do
		again "$job" 3>&- &
	done
	wait
	[ ! -s "$T/bad" ] || {
		cat "$T/bad"
		false
	}
	echo "# $(wc -l <"$T/count") commands" >&3
	crt system check
	crt rmi -a -f
	crt pull -q "oci:$T/one"
	crt rmi -a
	crt system check
	run find "$T/store/tmp" "$T/store/layers" "$T/store/oci/blobs/sha256" "$T/store/trash" -mindepth 1 -maxdepth 2
	echo "$output"
	[ -z "$output" ]
}
