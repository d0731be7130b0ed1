#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt run in its simplest forms, as a user with subordinate ids, one without, and root.
load helpers

@test "T1: exit codes and messages: alice" { exit_codes alice; }
@test "T1: exit codes and messages: carol, who has no subordinate ids" { need_root && exit_codes carol; }
@test "T1: exit codes and messages: root" { need_root && exit_codes root; }

exit_codes() {
	run --separate-stderr as "$1" crt run --rm builtin:busybox true
	[ "$status:$output:$stderr" = "0::" ] || flunk
	run --separate-stderr as "$1" crt run --rm builtin:busybox false
	[ "$status:$output:$stderr" = "1::" ] || flunk
	run --separate-stderr as "$1" crt run --rm builtin:busybox sh -c 'exit 42'
	[ "$status:$output:$stderr" = "42::" ] || flunk
	# process 1 cannot kill itself: let crt-init be process 1
	run --separate-stderr as "$1" crt run --rm --init builtin:busybox sh -c 'kill -9 $$'
	assert_status 137
	run -127 --separate-stderr as "$1" crt run --rm builtin:busybox no-such-program
	assert_error 127 no-such-program
	run -127 --separate-stderr as "$1" crt run --rm builtin:busybox /no/such/program
	assert_error 127 /no/such/program
	run --separate-stderr as "$1" crt run --rm builtin:busybox /etc/passwd
	assert_error 126 /etc/passwd
	run --separate-stderr as "$1" crt run --rm builtin:busybox /etc
	assert_error 126 /etc
	run --separate-stderr as "$1" crt run --no-such-option builtin:busybox true
	[ "$status:$output" = "125:" ] || flunk
	[[ $stderr == *no-such-option* ]] || flunk
	run --separate-stderr as "$1" crt run --rm oci:/no/such/layout true
	assert_error 125 /no/such/layout
	run --separate-stderr as "$1" crt run --rm builtin:nothing true
	assert_error 125 nothing
	run --separate-stderr as "$1" crt run --rm 'Not/A//Reference' true
	assert_error 125 'Not/A//Reference'
}

@test "the first run needs nothing: no runtime directory, no store, no terminal" {
	AS_RUNTIME_DIR=none run --separate-stderr as alice crt run --rm builtin:busybox echo hello
	[ "$status:$output:$stderr" = "0:hello:" ] || flunk
	# and leaves a store that nobody else can enter
	[ "$(stat -c %a "$(store alice)")" = 700 ] || flunk
}

@test "a container sees its own processes, host name, root and nothing of the host" {
	run as alice crt run --rm builtin:busybox sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l; hostname; cat /etc/hostname; echo $HOSTNAME'
	assert_status 0
	[ "${lines[0]}" = 1 ] || flunk
	[ "${lines[1]}" -le 4 ] || flunk
	[ "${lines[2]}" = "${lines[3]}" ] || flunk
	[ "${lines[2]}" = "${lines[4]}" ] || flunk
	[[ ${lines[2]} =~ ^[0-9a-f]{12}$ ]] || flunk
	run as alice crt run --rm --hostname box builtin:busybox hostname
	assert_output box
	run as alice crt run --rm builtin:busybox sh -c 'ls -d /home/* /tmp/* /root/* 2>/dev/null | wc -l'
	assert_output 0
}

@test "the environment is podman's: PATH, HOME, TERM with -t, container=, nothing else" {
	run as alice crt run --rm builtin:busybox sh -c 'env | grep -vE "^(SHLVL|PWD|OLDPWD)=" | cut -d= -f1 | sort | tr "\n" " "'
	assert_output "HOME HOSTNAME PATH container "
	run as alice crt run --rm -e A=b -e EMPTY= builtin:busybox sh -c 'echo "$A-${EMPTY-unset}-$HOME"'
	assert_output "b--/root"
	run as alice env FROM_HOST=yes crt run --rm -e FROM_HOST -e NOT_THERE builtin:busybox sh -c 'echo "$FROM_HOST ${NOT_THERE-unset}"'
	assert_output "yes unset"
	printf '# comment\nX=1\nY=two words\nFROM_HOST\n' >"$T/env"
	run as alice env FROM_HOST=yes crt run --rm --env-file "$T/env" builtin:busybox sh -c 'echo "$X $Y $FROM_HOST"'
	assert_output "1 two words yes"
}

@test "entrypoint, command, user, working directory, labels of an image are honoured" {
	image app --config.entrypoint /bin/echo --config.entrypoint "entry" --config.cmd one --config.cmd two \
		--config.env GREETING=hi --config.workingdir /srv/app --config.user nobody
	run as alice crt run --rm "oci:$T/img/app:latest"
	assert_output "entry one two"
	run as alice crt run --rm "oci:$T/img/app:latest" three
	assert_output "entry three"
	need_root # ids other than one's own need a range
	run as alice crt run --rm --entrypoint sh "oci:$T/img/app:latest" -c 'id -u; pwd; echo $GREETING'
	assert_output $'65534\n/srv/app\nhi'
	run as alice crt run --rm --entrypoint '["sh","-c","echo $0 $1"]' "oci:$T/img/app:latest" a b
	assert_output "a b"
	run as alice crt run --rm -u 5:6 -w /tmp --entrypoint sh "oci:$T/img/app:latest" -c 'id -u; id -g; pwd'
	assert_output $'5\n6\n/tmp'
}

@test "an image without subordinate ids: foreign owners unpack and run" {
	need_root
	mkdir -p "$T/layer/srv/www"
	echo page >"$T/layer/srv/www/index"
	chown -R 33:33 "$T/layer/srv/www"
	tar -C "$T/layer" -cf "$T/layer.tar" srv
	image foreign
	image_add foreign "$T/layer.tar"
	run as carol crt run --rm "oci:$T/img/foreign:latest" cat /srv/www/index
	assert_status 0
	assert_contains page
	run as alice crt run --rm "oci:$T/img/foreign:latest" stat -c %u:%g /srv/www/index
	assert_output 33:33
}

@test "read-only root, tmpfs, shm size, working directory that does not exist" {
	run as alice crt run --rm --read-only builtin:busybox sh -c 'touch /x 2>&1; touch /tmp/y && echo tmp writable'
	assert_contains "Read-only file system"
	assert_contains "tmp writable"
	run as alice crt run --rm --tmpfs /scratch:size=1m builtin:busybox sh -c 'df -k /scratch | tail -1'
	assert_match '1024'
	run as alice crt run --rm --shm-size 2m builtin:busybox sh -c 'df -k /dev/shm | tail -1'
	assert_match '2048'
	run as alice crt run --rm -w /new/dir builtin:busybox pwd
	assert_output /new/dir
}

@test "--timeout ends the container; --restart is refused in the foreground" {
	run as alice crt run --rm --network none --timeout 1 builtin:busybox sleep 1000
	assert_status 137
	run --separate-stderr as alice crt run --rm --restart on-failure builtin:busybox true
	assert_error 125 '--restart on-failure needs --detach'
}

@test "--init reaps orphans and passes signals; without it the program is process 1" {
	run as alice crt run --rm --init builtin:busybox sh -c 'echo $$; for i in 1 2 3 4 5; do (sleep 0.1 &) ; done; sleep 0.5; ps -o stat,comm | grep -c ^Z; true'
	assert_status 0
	[ "${lines[0]}" != 1 ] || flunk
	[ "${lines[1]}" = 0 ] || flunk
	run as alice crt run --rm builtin:busybox sh -c 'echo $$'
	assert_output 1
}

@test "--cidfile and --pidfile: written, right, and refused when they exist" {
	run as alice crt run --rm --cidfile "$(home alice)/cid" --pidfile "$(home alice)/pid" builtin:busybox cat /etc/hostname
	assert_status 0
	[[ $(cat "$(home alice)/cid") =~ ^[0-9a-f]{64}$ ]] || flunk
	[ "$(cut -c1-12 "$(home alice)/cid")" = "$output" ] || flunk
	[[ $(cat "$(home alice)/pid") =~ ^[0-9]+$ ]] || flunk
	run --separate-stderr as alice crt run --rm --cidfile "$(home alice)/cid" builtin:busybox true
	assert_error 125 cid
}

@test "--explain prints the plan as JSON and does nothing" {
	as alice crt run --rm builtin:busybox true
	find "$(home alice)" | sort >"$T/before"
	run --separate-stderr as alice crt run --explain -p 127.0.0.1:8099:80 -v "$T/tripwire:/mnt" builtin:busybox touch /mnt/x
	assert_status 0
	[ "$(wc -c <<<"$stderr")" -le 1 ] || flunk
	jq -e . <<<"$output" >/dev/null || flunk "not JSON"
	assert_contains 8099
	find "$(home alice)" | sort | diff "$T/before" -
}

@test "signals are passed on, and end the container with 128+n" {
	local pair
	# process 1 has no default actions: it must have a handler
	crt_start alice run --rm builtin:busybox sh -c 'trap "exit 7" USR1; echo up; while :; do sleep 0.1; done'
	wait_for 20 grep -q up "$JOB_LOG"
	kill -USR1 "$JOB"
	job_wait
	assert_status 7
	for pair in TERM:143 INT:130 HUP:129; do
		crt_start alice run --rm --init builtin:busybox sh -c 'echo up; exec sleep 30'
		wait_for 20 grep -q up "$JOB_LOG"
		kill "-${pair%:*}" "$JOB"
		job_wait
		[ "$status" = "${pair#*:}" ] || flunk "signal ${pair%:*}"
	done
}
