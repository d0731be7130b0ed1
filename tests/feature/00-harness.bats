#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The helpers themselves: what every other file relies on.
load helpers

@test "harness: as gives a clean environment, cwd and descriptors" {
	export SECRET=1
	exec 7</dev/null
	run as alice /bin/sh -c 'env | cut -d= -f1 | grep -v ASAN_OPTIONS | sort | tr "\n" " "; pwd; ls /proc/self/fd | tr "\n" " "'
	assert_status 0
	[ "${lines[0]}" = "HOME LANG LOGNAME PATH PWD TERM USER XDG_RUNTIME_DIR $(home alice)" ] || flunk
	[ "${lines[1]}" = "0 1 2 3 " ] || flunk # 3 is the directory that ls reads
}

@test "harness: alice has subordinate ids, carol has none, bob cannot enter alice's home" {
	need_root
	grep -q "^$(user alice):" /etc/subuid
	run ! grep -q "^$(user carol):" /etc/subuid
	run as bob ls "$(home alice)"
	assert_status 2
	run as carol id -G
	assert_output "$(id -g "$(user carol)")"
}

@test "harness: the clean check sees a process, a file, a touched tripwire" {
	need_root
	as alice sleep 60 &
	wait_for 5 eval '[ -n "$(users_processes)" ]'
	run clean_check
	assert_status 1
	assert_contains "processes are left"
	echo x >"$(runtime_dir alice)/x"
	run clean_check
	assert_status 1
	assert_contains "files in the runtime directory"
	rm "$(runtime_dir alice)/x"
	chmod 0600 "$T/tripwire/file"
	run clean_check
	assert_status 1
	assert_contains "tripwire was touched"
	tripwire_list >"$T/tripwire.before"
}

@test "harness: images, the registry with tls and a password, the terminal" {
	image hello --config.cmd echo --config.cmd hello
	run umoci stat --image "$T/img/hello:latest"
	assert_status 0
	registry_start tls auth
	registry_push "$T/img/hello:latest" test/hello:1 --dest-creds tester:sesame
	run curl -sS --cacert "$REGISTRY_CA" "https://$REGISTRY/v2/test/hello/tags/list"
	assert_contains UNAUTHORIZED
	run curl -sS --cacert "$REGISTRY_CA" -u tester:sesame "https://$REGISTRY/v2/test/hello/tags/list"
	assert_contains '"tags":["1"]'
	run pty alice size:40x100 'send:stty size\nexit 3\n' -- sh
	assert_status 3
	assert_contains "40 100"
}
