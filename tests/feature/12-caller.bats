#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the caller's side may look like: homes, runtime directories, environments; and who may read what.
load helpers

@test "T5: read-only verbs on an account that never ran crt create nothing" {
	local verb
	for verb in --help version "run --help" images "ps -a" "completion bash"; do
		# shellcheck disable=SC2086
		run as alice crt $verb
		assert_status 0
	done
	[ -z "$(find "$(home alice)" "$(runtime_dir alice)" -mindepth 1)" ] || flunk "$(find "$(home alice)")"
}

@test "T5: HOME unset, HOME missing, HOME read-only, current directory deleted" {
	need_root
	run --separate-stderr as alice env -u HOME XDG_DATA_HOME="$(home alice)/data" crt run --rm builtin:busybox echo ok
	assert_output ok
	run --separate-stderr as alice env HOME=/no/such/home crt run --rm builtin:busybox echo ok
	assert_error 125 /no
	mkdir "$T/readonly"
	chmod 0755 "$T/readonly"
	run --separate-stderr as alice env HOME="$T/readonly" crt run --rm builtin:busybox echo ok
	assert_error 125 "$T/readonly"
	run --separate-stderr as alice env HOME="$T/readonly" crt images
	assert_status 0
	run as alice sh -c 'mkdir gone; cd gone; rmdir ../gone; crt run --rm builtin:busybox echo ok'
	assert_status 0
	assert_output ok
}

@test "T16: with umask 000 nothing is open to others" {
	run as alice sh -c 'umask 000; exec crt run --rm --name x builtin:busybox true'
	assert_status 0
	run as alice sh -c 'umask 000; exec crt run --name y builtin:busybox true'
	assert_status 0
	# the directories at the top keep everybody out; below, image files have the modes of the image
	[ "$(stat -c %a "$(store alice)")" = 700 ] || flunk
	if [ "$(id -u)" = 0 ]; then
		run as bob ls "$(store alice)"
		[ "$status" != 0 ] || flunk
	fi
	run find "$(store alice)" "$(runtime_dir alice)" -path '*/layers/*/fs' -prune -o -path '*/upper' -prune -o -path '*/work' -prune -o \
		-perm /022 ! -type l -print
	assert_output ""
}

@test "T16: a store or runtime directory prepared by somebody else is refused with the reason" {
	need_root
	mkdir -m 1777 "$T/sticky"
	chmod 1777 "$T/sticky"
	# a runtime directory that belongs to bob
	AS_RUNTIME_DIR=$(runtime_dir bob) run --separate-stderr as alice crt run --rm builtin:busybox echo ok
	[ "$output" = ok ] || assert_error 125 "$(runtime_dir bob)"
	# a store root that bob made, everybody may write to
	as bob mkdir -m 0777 "$T/sticky/store"
	as bob chmod 0777 "$T/sticky/store"
	run --separate-stderr as alice crt --root "$T/sticky/store" run --rm builtin:busybox echo ok
	assert_error 125 "$T/sticky/store"
	# one that is a link to alice's own files
	mkdir -p "$(home alice)/private"
	chown "$(user alice)" "$(home alice)/private"
	as bob ln -s "$(home alice)/private" "$T/sticky/link"
	run --separate-stderr as alice crt --root "$T/sticky/link" run --rm builtin:busybox echo ok
	assert_error 125 "$T/sticky/link"
	[ -z "$(ls -A "$(home alice)/private")" ] || flunk "followed a link of somebody else"
	# alice's own directory, but open to everybody
	as alice mkdir -m 0777 "$T/sticky/open"
	as alice chmod 0777 "$T/sticky/open"
	run --separate-stderr as alice crt --root "$T/sticky/open" run --rm builtin:busybox echo ok
	assert_error 125 "$T/sticky/open"
}

@test "T16: without a runtime directory nothing is put under a name in /tmp that can be guessed" {
	find /tmp -maxdepth 1 -user "$(user alice)" | sort >"$T/tmp.before"
	AS_RUNTIME_DIR=none run as alice crt run --rm builtin:busybox sh -c 'echo ok'
	assert_output ok
	find /tmp -maxdepth 1 -user "$(user alice)" | sort | diff "$T/tmp.before" -
}

@test "T17: nothing of the caller's environment enters the container or steers a helper" {
	local v
	mkdir "$T/evil"
	for v in newuidmap newgidmap fuse-overlayfs crt-net crt-fetch crt-init sh; do
		printf '#!/bin/sh\ntouch %s/touched\nexit 1\n' "$T/tripwire" >"$T/evil/$v"
	done
	chmod -R a+rx "$T/evil"
	AS_DIR="$T/evil" run as alice env SECRET=1 PATH=".:$T/evil:$CRT_BIN:/usr/bin:/bin" IFS=/ \
		LD_LIBRARY_PATH="$T/evil" GCONV_PATH="$T/evil" LOCPATH="$T/evil" TMPDIR="$T/evil" \
		crt run --rm builtin:busybox env
	assert_status 0
	for v in SECRET LD_ GCONV LOCPATH TMPDIR IFS USER LOGNAME XDG_; do
		refute_contains "$v"
	done
	refute_contains "$T"
	image env --config.env LD_PRELOAD=/lib/evil.so --config.env LD_LIBRARY_PATH=/evil --config.env GCONV_PATH=/evil
	run as alice crt run --rm "oci:$T/img/env:latest" sh -c 'echo $LD_PRELOAD'
	assert_status 0
	assert_contains /lib/evil.so
}

@test "T18: a secret of -e NAME and of the password for a registry is in no command line" {
	need_root
	registry_start auth
	image hello
	registry_push "$T/img/hello:latest" test/hello:1 --dest-creds tester:sesame
	mkdir -p "$(home alice)/.docker"
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$REGISTRY" "$(printf tester:sesame | base64)" >"$(home alice)/.docker/config.json"
	chown -R "$(user alice)" "$(home alice)/.docker"
	chmod 0600 "$(home alice)/.docker/config.json"
	# bob looks at everything that he can see while alice works
	job_start setpriv --reuid="$(user bob)" --regid="$(user bob)" --clear-groups env -i bash -c \
		'for ((i = 0; i < 100; i++)); do cat /proc/[0-9]*/{cmdline,environ} 2>/dev/null | tr "\0" "\n"; sleep 0.01; done | sort -u'
	echo swordfish >"$(home alice)/token"
	as alice sh -c 'read -r TOKEN <token; export TOKEN; exec crt run --rm -e TOKEN --tls-verify=false "$1" \
		sh -c "echo \$TOKEN; sleep 1"' sh "$REGISTRY/test/hello:1" >"$T/said"
	[ "$(cat "$T/said")" = swordfish ] # it did arrive
	wait "$JOB" || true
	grep -qx crt "$JOB_LOG" # the spy works
	run grep -E "swordfish|sesame|$(printf tester:sesame | base64)" "$JOB_LOG"
	[ "$status" = 1 ] || flunk "seen by others"
	# and what alice's store and log keep of it
	run grep -rl -e sesame -e swordfish "$(store alice)"
	assert_output ""
	run as alice crt run --rm --pull always --log-level=debug --tls-verify=false "$REGISTRY/test/hello:1" true
	refute_contains sesame
}

# ignoring SIGNAL... -- CMD: a caller that ignores signals and blocks all of them
ignoring() {
	as alice /usr/bin/python3 -c '
import os, signal, sys
end = sys.argv.index("--")
for s in sys.argv[1:end]: signal.signal(getattr(signal, s), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execvp(sys.argv[end + 1], sys.argv[end + 1:])' "$@"
}

@test "a caller that ignores or blocks signals: its children are waited for, and none of it enters the container" {
	# what the C library keeps for itself cannot be blocked or ignored here
	run ignoring SIGCHLD SIGPIPE SIGXFSZ SIGTSTP SIGTTIN SIGTTOU -- crt run --rm builtin:busybox \
		sh -c 'grep -E "Sig(Blk|Ign)" /proc/self/status; (exit 3); echo $?; exit 4'
	[ "$output" = $'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n3' ] || flunk
	assert_status 4
	image quiet
	run ignoring SIGCHLD -- crt pull -q "oci:$T/img/quiet"
	assert_status 0
	run ignoring SIGCHLD -- crt unshare sh -c '(exit 3); echo $?; exit 5'
	assert_output 3
	assert_status 5
}

@test "limits of the caller are named: size of files, descriptors, and a umask that takes everything away" {
	as alice crt run --rm builtin:busybox true
	# into a pipe: a file could not be written to either
	run as alice sh -c 'ulimit -f 0; exec crt run --rm builtin:busybox true 2>&1'
	assert_status 125
	assert_match '^crt: [^
]*file too large$'
	run --separate-stderr as alice sh -c 'ulimit -n 16; exec crt run --rm builtin:busybox true'
	assert_status 125
	assert_output ""
	[[ $stderr == *"too many open files"* ]] || flunk
	run as alice sh -c 'umask 777; exec crt run --rm builtin:busybox sh -c umask'
	assert_output 0022
	image masked
	run as alice sh -c "umask 777; exec crt pull -q oci:$T/img/masked"
	assert_status 0
}

@test "standard output that is full: every command says so" {
	local args
	as alice crt run --name one builtin:busybox true
	for args in --help --version version help "run --help" "completion bash" images "ps -a" "inspect one" "run --explain builtin:busybox"; do
		# shellcheck disable=SC2086  # words
		run --separate-stderr as alice sh -c "exec crt $args >/dev/full"
		assert_error 125 "no space left on device"
	done
}

@test "arguments: 64 KiB, 20000 of them, empty ones, and what is not UTF-8" {
	local long
	long=$(head -c 65536 /dev/zero | tr '\0' a)
	run as alice crt run --rm builtin:busybox sh -c 'echo ${#1}' - "$long"
	assert_output 65536
	# shellcheck disable=SC2046  # words
	run as alice crt run --rm builtin:busybox sh -c 'echo $#' - $(seq 20000)
	assert_output 20000
	run as alice crt run --rm -w '' -u '' builtin:busybox sh -c 'pwd; id -u; echo "<$1>"' - ''
	assert_output $'/\n0\n<>'
	run -127 --separate-stderr as alice crt run --rm builtin:busybox ''
	assert_error 127 'exec: ""'
	run --separate-stderr as alice crt run --rm builtin:busybox echo $'a\xff'
	assert_error 125 'argument "a\xff" is not valid UTF-8'
	run --separate-stderr as alice env V=$'secret\xff' crt run --rm -e V builtin:busybox true
	assert_error 125 'the environment variable V is not valid UTF-8'
	[[ $stderr != *secret* ]] || flunk
}
