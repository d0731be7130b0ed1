#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an image may say or contain to reach the host when it is started (T25, T26, T34 by crt run).
load helpers

# hostile SCRIPT: an image "hostile" whose second layer is what SCRIPT makes in an empty directory
hostile() {
	rm -rf "$T/layer" "$T/img/hostile"
	mkdir -p "$T/layer"
	(cd "$T/layer" && eval "$1")
	tar -C "$T/layer" -cf "$T/layer.tar" .
	image hostile
	image_add hostile "$T/layer.tar"
}

# configure OPTION...: of umoci config
configure() {
	umoci config --image "$T/img/hostile:latest" "$@"
	chmod -R a+rX "$T/img/hostile"
}

# start ARG...: run the image as alice with a short limit; nothing may hang
start() {
	run as alice timeout 30 crt run --rm --network none "$@"
	[ "$status" -ne 124 ] || flunk "hung"
}

@test "T25: account files that are FIFOs, huge, loops or links to the host are read or refused, never waited for" {
	hostile 'mkdir etc; mkfifo etc/passwd etc/group'
	start -u nobody "oci:$T/img/hostile:latest" true
	assert_status 125
	assert_contains "/etc/passwd"

	hostile 'mkdir etc; truncate -s 1G etc/passwd'
	start "oci:$T/img/hostile:latest" true
	assert_status 125
	assert_contains "/etc/passwd"

	hostile 'mkdir etc; ln -s passwd etc/passwd'
	start "oci:$T/img/hostile:latest" true
	assert_status 125

	# an absolute link leads into the container: the host's file is not read
	hostile "mkdir -p etc; ln -s $T/accounts etc/passwd"
	echo "evil:x:4711:4711::/:/bin/sh" >"$T/accounts"
	start -u evil "oci:$T/img/hostile:latest" id
	assert_status 125
	assert_contains "no matching entries in passwd file"
}

@test "T25: /etc and its files as links, FIFOs and devices: the start works or is refused, the host is untouched" {
	hostile "ln -s $T/tripwire etc"
	start "oci:$T/img/hostile:latest" sh -c 'cat /etc/hostname'
	assert_status 0

	hostile "mkdir etc; ln -s $T/tripwire/hosts etc/hosts; ln -s ../../../../..$T/tripwire/r etc/resolv.conf; mkfifo etc/hostname"
	start "oci:$T/img/hostile:latest" sh -c 'cat /etc/hosts /etc/hostname'
	assert_status 0

	hostile 'mkdir etc; ln -s hosts etc/hosts'
	start "oci:$T/img/hostile:latest" true
	assert_status 125
	# the clean check looks at the tripwire
}

@test "T25, T34: working directory, volumes, home and mount points that are links stay inside" {
	hostile "ln -s $T/tripwire wd; ln -s $T/tripwire data; ln -s ../../../..$T/tripwire rel; mkdir run; ln -s $T/tripwire/run run/lock"
	configure --config.workingdir /wd --config.volume /data --config.volume /rel/deep --config.env HOME=/wd
	as alice mkdir -p src
	start -v ./src:/data/sub -v ./src:/rel/x --tmpfs /wd/t --mount "type=tmpfs,dst=/run/lock/x" \
		"oci:$T/img/hostile:latest" sh -c 'pwd; touch here /data/there /rel/deep/too; ls -d /data/sub /wd/t /run/lock/x'
	assert_status 0
	# the clean check looks at the tripwire
}

@test "T34: a destination that is a file, a FIFO or too deep is an error or a mount, never a hang" {
	hostile 'mkfifo pipe; echo x >file; ln -s loop1 loop2; ln -s loop2 loop1'
	as alice mkdir -p src
	start -v ./src:/file "oci:$T/img/hostile:latest" true
	assert_status 125
	start -v ./src:/loop1/x "oci:$T/img/hostile:latest" true
	assert_status 125
	start -w /pipe "oci:$T/img/hostile:latest" true
	[ "$status" -ne 0 ] || flunk "a FIFO as working directory"
	start -v ./src:/proc/sys "oci:$T/img/hostile:latest" true
	assert_status 125
}

@test "T26: labels and environment of an image are data: nothing of the host is completed or obeyed" {
	image hostile
	configure --config.env 'A=1
B=2' --config.label 'run.oci.keep_original_groups=1' --config.label 'org.systemd.property.X=1' --config.label 'io.container.manager=x'
	run as alice env SECRET=swordfish crt run --rm --network none "oci:$T/img/hostile:latest" env
	assert_status 0
	refute_contains swordfish
	[ "$(grep -c '^B=2$' <<<"$output")" = 1 ] || flunk "the value has two lines, and is one variable"
	run as alice crt run --rm --network none --explain "oci:$T/img/hostile:latest"
	[ "$(jq -c '.config.annotations // {}' <<<"$output")" = '{}' ] || flunk "labels became annotations"
}
