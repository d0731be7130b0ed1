#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is installed, and that it works from where it lies.
load helpers

installed() {
	[ "$(basename "$CRT_BIN")" = bin ] || skip "CRT_BIN is a build directory, not an installation"
	PREFIX=$(dirname "$CRT_BIN")
}

@test "helpers are in libexec/crt and nowhere in PATH; the image and the completion are there" {
	installed
	[ -x "$PREFIX/libexec/crt/crt-net" ] || flunk
	[ -x "$PREFIX/libexec/crt/crt-fetch" ] || flunk
	[ -x "$PREFIX/libexec/crt/crt-init" ] || flunk
	[ -s "$PREFIX/share/crt/busybox.oci.tar" ] || flunk
	[ -s "$PREFIX/share/bash-completion/completions/crt.bash" ] || flunk
	run find "$PREFIX/bin" -type f -printf '%f %m\n'
	[ "$(sort <<<"$output" | tr '\n' ' ')" = "crt 755 crt-oci 755 " ] || flunk
	# nothing has more rights than others
	run find "$PREFIX" -perm /6022 ! -type l
	assert_output ""
}

@test "man pages are installed and can be shown" {
	installed
	local page
	for page in man1/crt.1 man1/crt-run.1 man1/crt-pull.1; do
		[ -s "$PREFIX/share/man/$page" ] || flunk "$page is missing"
	done
	! command -v man >/dev/null || MANROFFSEQ='' man --warnings -l "$PREFIX/share/man/man1/crt-run.1" >/dev/null
}

@test "an installation that is moved still works" {
	installed
	cp -r "$PREFIX" "$T/elsewhere"
	chmod -R a+rX "$T/elsewhere"
	run as alice "$T/elsewhere/bin/crt" run --rm builtin:busybox echo moved
	assert_status 0
	assert_output moved
}

@test "bash completion offers verbs and options" {
	run bash -c 'source <(crt completion bash) && declare -F | grep -i crt' 2>/dev/null
	PATH="$CRT_BIN:$PATH" run bash -c 'source <(crt completion bash); complete -p crt'
	assert_status 0
	assert_contains crt
}

@test "executables are hardened: PIE, full RELRO, no executable stack" {
	need_program readelf
	local f
	for f in "$CRT_BIN/crt" "$CRT_BIN/crt-oci"; do
		run readelf -Wldh "$f"
		assert_match 'Type: +DYN'
		assert_contains GNU_RELRO
		assert_match 'NOW|BIND_NOW'
		! grep -E 'GNU_STACK.* RWE' <<<"$output" || flunk "executable stack"
	done
}
