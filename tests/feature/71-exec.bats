#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt exec: one more process in a running container.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

setup() {
	world_setup
	as alice crt run -d --name box --network none -e KEEP=kept -w /tmp $B sleep 600 >/dev/null
}

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

@test "exec has the container's environment, directory, namespaces and exit codes" {
	run as alice crt exec box sh -c 'echo $KEEP $PWD $HOME; ps | grep -c "[s]leep 600"; exit 9'
	assert_status 9
	assert_output $'kept /tmp /root\n1'
	run --separate-stderr -127 as alice crt exec box nope
	assert_error 127 nope
	run --separate-stderr as alice crt exec box /etc/passwd
	assert_error 126 denied
	run --separate-stderr as alice crt exec nosuch true
	assert_error 125 nosuch
	run as alice crt exec box sh -c 'kill -9 $$'
	assert_status 137
}

@test "-u, -e, --env-file, -w: as asked, and who is not root has no capabilities" {
	echo FILE=yes >"$T/env"
	chmod 644 "$T/env"
	run as alice env HOSTS=value crt exec -u 1000:7 -e A=b -e HOSTS --env-file "$T/env" -w /var box \
		sh -c 'id -u; id -g; echo $A $HOSTS $FILE $PWD; grep CapEff /proc/self/status'
	assert_output $'1000\n7\nb value yes /var\nCapEff:\t0000000000000000'
	run as alice crt exec -u daemon box id -un
	assert_status 0
	run --separate-stderr as alice crt exec -u nosuch box id
	assert_error 125 nosuch
}

@test "-i carries bytes both ways, without it standard input is empty" {
	head -c 300000 /dev/urandom >"$T/data"
	as alice crt exec -i box cat <"$T/data" >"$T/back"
	cmp "$T/data" "$T/back"
	run as alice crt exec box cat <"$T/data"
	assert_output ""
	run --separate-stderr as alice crt exec box sh -c 'echo out; echo err >&2'
	assert_output out
	[ "$stderr" = err ]
}

@test "-it has a terminal of its own with our size" {
	run pty alice size:33x99 -- crt exec -it box sh -c 'tty; stty size; exit 5'
	assert_status 5
	assert_contains "33 99"
	assert_contains /dev/pts/
}

@test "-d leaves it running, and it ends with the container" {
	run as alice crt exec -d box sh -c 'echo there >/mark; exec sleep 601'
	assert_status 0
	assert_output ""
	wait_for 60 as alice crt exec box grep there /mark
	as alice crt stop -t 0 box
	run -255 as alice crt exec box true
}

@test "keep-id, single-id users and root" {
	as alice crt run -d --name kept --network none --userns keep-id $B sleep 600
	run as alice crt exec kept id -u
	assert_output "$(id -u "$(user alice)")"
	run as alice crt exec -u 0 kept id -u
	assert_output 0
	[ "$(id -u)" = 0 ] || return 0
	local who
	for who in carol root; do
		as $who crt run -d --name d --network none $B sleep 600
		run as $who crt exec d id -u
		assert_output 0
		as $who crt rm -f d
	done
}
