#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The fetcher's cage (T23), what happens when it or its caller dies, and where images and trust come from.
load helpers

# attack USER NAME: in the cage, as crt-fetch is started for that user
attack() {
	local who=$1 dir=$T/attack-$1
	rm -rf "$dir"
	mkdir -p "$dir/layers"
	echo x >"$dir/file"
	[ "$who" = root ] || chown -R "$(user "$who")" "$dir"
	if [ "$who" = root ]; then
		run as root unshare --mount "$CRT_BUILD/cage-attack" "$dir" "$2"
	else
		run as "$who" unshare --user --map-root-user --mount "$CRT_BUILD/cage-attack" "$dir" "$2"
	fi
}

@test "T23: a fetcher that was taken over can do nothing of a long list" {
	need_root
	[ -x "$CRT_BUILD/cage-attack" ] || skip "needs cage-attack of the build directory"
	[ -z "${CRT_SANITIZED-}" ] || skip "a sanitized fetcher is not killed by its filter"
	for who in alice root; do
		attack "$who" control
		assert_status 0
		for name in $("$CRT_BUILD/cage-attack" list); do
			[ "$name" != control ] || continue
			attack "$who" "$name"
			# refused with an error, or killed by SIGSYS
			[ "$status" = 1 ] || [ "$status" = 159 ] || flunk "$who: $name was not refused"
		done
		for name in fork exec userns mount ptrace kill keys; do
			attack "$who" "$name"
			[ "$status" = 159 ] || flunk "$who: $name did not kill the fetcher"
		done
	done
}

# a pull that hangs: repository "stalled" of the misbehaving registry
stalled_pull() {
	job_start /usr/bin/python3 -B "$FEATURE_DIR/../registry/hostile.py" "$T/ports" "$T/requests"
	wait_for 10 test -e "$T/ports"
	read -r PORT _ <"$T/ports"
	crt_start alice pull -q --tls-verify=false "127.0.0.1:$PORT/stalled"
	wait_for 10 grep -q blobs "$T/requests"
	for pid in $(users_processes); do
		[ "$(cat "/proc/$pid/comm")" != crt-fetch ] || fetcher=$pid
	done
	[ -n "$fetcher" ]
}

@test "a fetcher that is killed is an error, and leaves nothing" {
	need_root
	stalled_pull
	kill -KILL "$fetcher"
	job_wait
	assert_status 125
	assert_contains "the fetcher died"
	[ -z "$(find "$(store alice)/tmp" "$(store alice)/layers" -mindepth 1)" ]
}

@test "a crt that is killed takes the fetcher with it; the next command cleans up" {
	need_root
	stalled_pull
	kill -KILL "$JOB"
	job_wait
	wait_for 5 eval '! test -e /proc/'"$fetcher"
	run as alice crt pull -q builtin:busybox
	assert_status 0
	[ -z "$(ls -A "$(store alice)/tmp")" ]
}

@test "T54: a full disk is named, nothing is listed, and it works when there is room" {
	need_root
	mkdir "$T/small"
	mount -t tmpfs -o size=1m,mode=0777 none "$T/small"
	run --separate-stderr as alice env CRT_ROOT="$T/small/store" crt pull -q builtin:busybox
	local full=$status said=$stderr
	run as alice env CRT_ROOT="$T/small/store" crt images -q
	local listed=$output
	mount -o remount,size=50m "$T/small"
	run as alice env CRT_ROOT="$T/small/store" crt pull -q builtin:busybox
	umount -l "$T/small"
	[ "$full" = 125 ]
	[[ $said == *"no space left on device"* ]] || flunk "said: $said"
	[ -z "$listed" ]
	assert_status 0
}

@test "registries.conf: short names, aliases, mirrors, blocked registries" {
	registry_start
	registry_push "$CRT_FIXTURES/busybox:latest" lib/busybox:latest
	mkdir -p "$(home alice)/.config/containers"
	cat >"$(home alice)/.config/containers/registries.conf" <<-END
		unqualified-search-registries = ["127.0.0.1:1", "$REGISTRY"]
		[aliases]
		"unit-alias" = "$REGISTRY/lib/busybox"
		[[registry]]
		location = "$REGISTRY"
		insecure = true
		[[registry]]
		prefix = "far.example/x"
		location = "far.invalid/x"
		[[registry.mirror]]
		location = "$REGISTRY/lib"
		insecure = true
		[[registry]]
		location = "blocked.example"
		blocked = true
	END
	chmod -R a+rX "$(home alice)/.config"
	run --separate-stderr as alice crt pull -q lib/busybox
	assert_status 0
	run --separate-stderr as alice crt pull -q unit-alias
	assert_status 0
	run --separate-stderr as alice crt pull -q far.example/x/busybox
	assert_status 0
	run as alice crt images
	assert_contains "$REGISTRY/lib/busybox"
	assert_contains "far.example/x/busybox"
	run --separate-stderr as alice crt pull -q blocked.example/y
	assert_error 125 "blocked in registries.conf"
	echo "x = " >>"$(home alice)/.config/containers/registries.conf"
	run --separate-stderr as alice crt pull -q lib/busybox
	assert_error 125 "registries.conf, line"
}

@test "a certificate authority of certs.d is believed for its registry" {
	registry_start tls
	registry_push "$CRT_FIXTURES/busybox:latest" busybox:latest
	run --separate-stderr as alice crt pull -q "$REGISTRY/busybox"
	assert_error 125 "certificate"
	mkdir -p "$(home alice)/.config/containers/certs.d/$REGISTRY"
	cp "$REGISTRY_CA" "$(home alice)/.config/containers/certs.d/$REGISTRY/ca.crt"
	chmod -R a+rX "$(home alice)/.config"
	run --separate-stderr as alice crt pull -q "$REGISTRY/busybox"
	assert_status 0
}

@test "a credential helper is asked" {
	registry_start auth
	registry_push "$CRT_FIXTURES/busybox:latest" busybox:latest --dest-creds tester:sesame
	mkdir -p "$T/bin" "$(home alice)/.docker"
	cat >"$T/bin/docker-credential-unit" <<-'END'
		#!/bin/sh
		read -r host
		[ "$1" = get ] && echo "{\"ServerURL\":\"$host\",\"Username\":\"tester\",\"Secret\":\"sesame\"}"
	END
	echo '{"credsStore":"unit"}' >"$(home alice)/.docker/config.json"
	chmod -R a+rX "$T/bin" "$(home alice)/.docker"
	chmod a+x "$T/bin/docker-credential-unit"
	run --separate-stderr as alice env PATH="$T/bin:$PATH" "$CRT_BIN/crt" pull -q --tls-verify=false "$REGISTRY/busybox"
	assert_status 0
}

@test "docker archives: plain, packed as a whole, with links, with several images, damaged" {
	skopeo copy -q "oci:$CRT_FIXTURES/busybox:latest" "docker-archive:$T/a.tar:unit/x:1"
	chmod a+r "$T/a.tar"
	gzip -k "$T/a.tar"
	run --separate-stderr as alice crt pull -q "docker-archive:$T/a.tar"
	assert_status 0
	plain=$output
	for ref in "$T/a.tar:unit/x:1" "$T/a.tar.gz"; do
		run --separate-stderr as alice crt pull -q "docker-archive:$ref"
		assert_status 0
		assert_output "$plain"
	done
	run as alice crt run --rm --network none "docker-archive:$T/a.tar.gz" echo hello
	assert_output hello
	run --separate-stderr as alice crt pull -q "docker-archive:$T/a.tar:unit/y:1"
	assert_error 125 "no image unit/y:1"
	head -c 1000000 "$T/a.tar" >"$T/cut.tar"
	run --separate-stderr as alice crt pull -q "docker-archive:$T/cut.tar"
	assert_error 125
	# a layer that is a link to a file of the host must not be read
	/usr/bin/python3 - "$T/a.tar" "$T/link.tar" <<-'END'
		import sys, tarfile
		a, b = tarfile.open(sys.argv[1]), tarfile.open(sys.argv[2], "w")
		for m in a:
		    if m.name.endswith("layer.tar") or m.name.endswith(".tar"):
		        m.type, m.linkname, m.size = tarfile.SYMTYPE, "/etc/passwd", 0
		    b.addfile(m, a.extractfile(m) if m.isreg() else None)
		b.close()
	END
	chmod a+r "$T/link.tar"
	run --separate-stderr as alice crt pull -q "docker-archive:$T/link.tar"
	assert_error 125 "in the archive"
}

@test "a layout with a mount below it can be pulled from" {
	need_root
	local who
	image mounted
	mkdir -p "$T/img/mounted/blobs/other"
	mount -t tmpfs none "$T/img/mounted/blobs/other"
	for who in alice carol root; do
		run as "$who" crt pull -q "oci:$T/img/mounted"
		[ "$status" = 0 ] || { umount "$T/img/mounted/blobs/other"; flunk "$who"; }
	done
	umount "$T/img/mounted/blobs/other"
}
