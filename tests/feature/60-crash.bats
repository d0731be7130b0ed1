#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is left when crt or its helpers are killed, and what a container could make of it.
load helpers

# children PID: its children
children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }

# keeper_of PID: the keeper among the children of that process
keeper_of() {
	local pid
	for pid in $(children "$1"); do
		if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = crt-keeper ]; then
			echo "$pid"
			return
		fi
	done
	return 1
}

# start_sleeper USER OPTION...: a container that sleeps; CRT and KEEPER are their pids
start_sleeper() {
	crt_start "$1" run "${@:2}"
	CRT=$JOB
	wait_for 10 keeper_of "$CRT"
	KEEPER=$(keeper_of "$CRT")
	wait_for 10 grep -qs up "$JOB_LOG"
}

store_is_empty() {
	output=$(find "$(store "$1")"/{containers,names,tmp,trash} "$(runtime_dir "$1")/crt/containers" -mindepth 1)
	[ -z "$output" ] || flunk "something is left"
}

@test "T49 --rm: crt and keeper killed at once, the next crt ps clears away what they left" {
	need_root
	start_sleeper alice --rm --name gone builtin:busybox sh -c 'echo up; sleep 1000'
	kill -KILL "$CRT" "$KEEPER"
	wait_for 5 bash -c "! kill -0 $KEEPER"
	run as alice crt ps -a --noheading
	assert_status 0
	assert_output ""
	store_is_empty alice
	run as alice crt run --rm --name gone builtin:busybox true
	assert_status 0
}

@test "T49 without --rm the container stays, ended, and the bundle goes" {
	need_root
	local monitor
	crt_start alice run --name kept builtin:busybox sh -c 'echo up; echo data >/file; sleep 1000'
	wait_for 10 grep -qs up "$JOB_LOG"
	monitor=$(as alice crt inspect -f '{{.State.ConmonPid}}' kept)
	[ "$(cat "/proc/$monitor/comm")" = crt-monitor ] || flunk
	kill -KILL "$JOB" "$monitor"
	wait_for 5 bash -c "! kill -0 $monitor"
	run as alice crt ps -a --noheading --format '{{.Names}} {{.Status}}'
	assert_output "kept Exited (unknown)"
	[ -z "$(find "$(runtime_dir alice)" -mindepth 3)" ] || flunk "the bundle is left"
	run as alice crt rm kept
	assert_status 0
	store_is_empty alice
}

@test "T49 crt ps never clears away a container that lives or is being made" {
	local pids=() pid
	for _ in 1 2 3 4 5 6; do
		as alice crt run --rm builtin:busybox sh -c 'sleep 0.2' &
		pids+=($!)
	done
	for _ in {1..40}; do
		as alice crt ps -a >/dev/null
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || flunk "a run failed"
	done
	as alice crt rm -a # the trash of the pulls that were not needed
	store_is_empty alice
}

# a program that switches its parent-death signal off, as any container may
survivor() {
	start_sleeper alice "$@" -v /usr:/usr:ro -v "$(readlink -f /lib)":/lib:ro -v "$(readlink -f /lib64)":/lib64:ro \
		builtin:busybox sh -c 'echo up; exec /usr/bin/setpriv --pdeathsig clear -- /bin/sleep 1000'
	SURVIVOR=$(children "$KEEPER")
	wait_for 5 grep -qx sleep "/proc/${SURVIVOR// /}/comm"
}

@test "T49 a container without parent-death signal ends when the keeper alone is killed" {
	need_root
	need_program setpriv
	survivor --rm
	kill -KILL "$KEEPER"
	job_wait
	assert_status 125
	assert_contains "keeper died"
	wait_for 5 bash -c "! kill -0 ${SURVIVOR// /}"
	as alice crt ps -a >/dev/null
	store_is_empty alice
}

@test "T49 a container without parent-death signal ends with the next command when crt was killed too" {
	need_root
	need_program setpriv
	survivor --rm
	kill -KILL "$CRT" "$KEEPER"
	run as alice crt ps -aq
	assert_status 0
	wait_for 5 bash -c "! kill -0 ${SURVIVOR// /}"
	store_is_empty alice
}

@test "T10 a directory as standard input is not handed to the container" {
	AS_DIR=/ run as alice bash -c 'crt run --rm -i builtin:busybox ls /proc/self/fd/0/ </etc'
	assert_status 125
	assert_contains "standard input is a directory"
	run as alice bash -c 'crt run --rm builtin:busybox true </etc'
	assert_status 0
}

@test "T30 CVE-2019-5736: an image that executes /proc/self/exe never runs a file that it could write" {
	need_root
	not_sanitized "the copy in the container has no libasan"
	local dir who pid safe
	for who in alice root; do
		dir="$(home "$who")"
		mkdir -p "$dir/bin" "$dir/root"/{proc,sys,dev,etc,run,bin}
		cp "$CRT_BIN/crt" "$dir/bin/"
		cp "$(command -v busybox)" "$dir/root/bin/"
		ln -s busybox "$dir/root/bin/sleep"
		ln -s /proc/self/exe "$dir/root/exe"
		chown -R "$(user "$who")" "$dir/bin" "$dir/root"
		# crt inside, as the image's program: it waits for its child, its executable can be opened
		as_exec "$who" "$dir/bin/crt" run --rm --network none --security-opt seccomp=unconfined --cap-add SYS_ADMIN \
			--rootfs "$dir/root" /exe unshare sleep 1000 </dev/null >"$T/log" 2>&1 &
		JOB=$!
		wait_for 10 keeper_of "$JOB"
		wait_for 10 eval 'pid=$(children "$(keeper_of "$JOB")"); pid=${pid// /}; [ "$(tr "\0" " " <"/proc/$pid/cmdline")" = "/exe unshare sleep 1000 " ]'
		# a copy, or the file by a mount that is read-only: that the file is busy lasts only as long as it runs
		safe=yes
		if [ "$(stat -Lc %d:%i "/proc/$pid/exe")" = "$(stat -c %d:%i "$dir/bin/crt")" ]; then
			/usr/bin/python3 -c 'import os, sys; sys.exit(not os.statvfs(sys.argv[1]).f_flag & os.ST_RDONLY)' "/proc/$pid/exe" || safe=no
		fi
		kill -TERM "$JOB"
		kill -KILL "$pid"
		wait "$JOB" || true
		[ "$safe" = yes ] || flunk "$who: the container runs the host's own file"
	done
}

@test "--pid host: what the container left in the background ends with it" {
	as alice crt run --rm --pid host --network none builtin:busybox sh -c 'sleep 54321 & (sleep 54322 &) ; exit 4' || [ $? = 4 ]
	! pgrep -u "$(id -u "$(user alice)")" -f '^sleep 5432[12]'
}
