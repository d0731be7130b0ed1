#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci: the life of a container through its commands, as callers use them.
load helpers
load oci

@test "run: the container's output and exit status; nothing stays" {
	bundle alice b "$(args 'echo "$HOSTNAME"; hostname; exit 7')"
	run --separate-stderr oci alice run -b "$(home alice)/b" c1
	assert_status 7
	[[ $output == *box* ]] || flunk
	[ -z "$stderr" ] || flunk
	run oci alice list
	[ "${#lines[@]}" = 1 ] || flunk
	config alice b "$(args 'kill -9 $$')"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 0 # the first process of a pid namespace is immune to itself
}

@test "run as root, without and with a user namespace" {
	need_root
	bundle root b "$(args 'id -u; cat /proc/self/uid_map')"
	run oci root run -b "$(home root)/b" c1
	assert_match '^0
 +0 +0 +4294967295$'
	chmod 0711 "$(home root)"
	config root b "$(args 'id -u; cat /proc/self/uid_map') | .linux.namespaces += [{type:\"user\"}] |
		.linux.uidMappings = [{containerID:0,hostID:100000,size:1000}] |
		.linux.gidMappings = [{containerID:0,hostID:100000,size:1000}]"
	run oci root run -b "$(home root)/b" c1
	assert_match '^0
 +0 +100000 +1000$'
}

@test "run with subordinate ids through newuidmap" {
	need_root
	bundle alice b "$(range_maps alice) | .process.user = {uid:1000,gid:1000,additionalGids:[5,6]} | $(args id)"
	run oci alice run -b "$(home alice)/b" c1
	assert_contains 'uid=1000(user) gid=1000'
	assert_contains 'groups=5,6'
}

@test "create, state, start, exec, ps, kill, delete" {
	bundle alice b "$(args 'exec sleep 1000')"
	cd "$T/run/alice"
	oci alice create -b "$(home alice)/b" --pid-file "$T/run/alice/pid" c1
	local pid
	pid=$(cat "$T/run/alice/pid")
	rm "$T/run/alice/pid"
	[[ $pid =~ ^[0-9]+$ ]] || flunk "pid file: $pid"
	run oci alice state c1
	[ "$(jq -r .status <<<"$output")" = created ] || flunk
	[ "$(jq -r .pid <<<"$output")" = "$pid" ] || flunk
	[ "$(jq -r .bundle <<<"$output")" = "$(home alice)/b" ] || flunk
	# the id is taken, and the container is not yet more than created
	run oci alice create -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'container with given ID already exists'
	oci alice start c1
	[ "$(oci alice state c1 | jq -r .status)" = running ] || flunk
	run oci alice start c1
	assert_status 1
	assert_contains 'cannot start an already running container'
	run oci alice exec c1 sh -c 'echo in; exit 5'
	assert_status 5
	assert_contains in
	run oci alice exec -e A=b --cwd /tmp c1 sh -c 'pwd; echo $A'
	assert_output $'/tmp\nb'
	run oci alice exec c1 nope
	assert_status 255
	assert_contains 'exec: \"nope\": executable file not found in $PATH'
	run oci alice ps --format json c1
	assert_output "[$pid]"
	run oci alice ps c1
	assert_contains 'sleep 1000'
	oci alice kill c1 0
	run oci alice delete c1
	assert_status 1
	assert_contains 'that is not stopped'
	oci alice kill c1 KILL
	wait_for 5 sh -c "! test -d /proc/$pid || grep -q '^State:.Z' /proc/$pid/status"
	run oci alice state c1
	[ "$(jq -r .status <<<"$output")" = stopped ] || flunk
	[ "$(jq -r .pid <<<"$output")" = 0 ] || flunk
	run oci alice kill c1 TERM
	assert_status 1
	assert_contains 'container not running'
	oci alice delete c1
	run oci alice state c1
	assert_status 1
	assert_contains 'does not exist'
	run oci alice delete c1
	assert_status 1
	run oci alice delete --force c1
	assert_status 0
}

@test "delete --force kills; a created container can be deleted" {
	bundle alice b "$(args 'exec sleep 1000')"
	oci alice create -b "$(home alice)/b" c1
	oci alice delete c1
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	oci alice delete --force c1
	run oci alice list -q
	assert_output ''
}

@test "a program that is missing or forbidden: runc's words, status 1, nothing left" {
	bundle alice b '.process.args = ["nope"]'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'exec: \"nope\": executable file not found in $PATH'
	config alice b '.process.args = ["/nope"]'
	run oci alice create -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'exec: \"/nope\": stat /nope: no such file or directory'
	config alice b '.process.args = ["/etc/passwd"]'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'exec: \"/etc/passwd\": permission denied'
	run oci alice list -q
	assert_output ''
}

@test "errors as JSON in the log, with an RFC 3339 time" {
	bundle alice b '.process.args = ["nope"]'
	run as alice crt-oci --root "$T/run/alice/oci" --log "$(home alice)/log" --log-format json run -b "$(home alice)/b" c1
	assert_status 1
	run tail -n 1 "$(home alice)/log"
	[ "$(jq -r .level <<<"$output")" = error ] || flunk
	[[ $(jq -r .msg <<<"$output") == *'executable file not found in $PATH'* ]] || flunk
	[[ $(jq -r .time <<<"$output") =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$ ]] || flunk
}

@test "bad bundles: one error that names the field, no state left" {
	local text
	bundle alice b
	for text in '{' '[]' '{"ociVersion":"2.0.0"}' '{"ociVersion":"1.0.2"}' \
		'{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"cwd":"/","args":"x"}}' \
		'{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"cwd":"x","args":["x"]}}'; do
		echo "$text" >"$(home alice)/b/config.json"
		run oci alice run -b "$(home alice)/b" c1
		assert_status 1
		[ "${#lines[@]}" = 1 ] || flunk "more than one line for $text"
	done
	head -c 5000000 /dev/zero | tr '\0' ' ' >"$(home alice)/b/config.json"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	rm "$(home alice)/b/config.json"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'no such file or directory'
	run oci alice list -q
	assert_output ''
	run oci alice run -b "$(home alice)/b" ../c1
	assert_status 1
	assert_contains 'invalid container id format'
}

@test "--preserve-fds and LISTEN_FDS: exactly these are open" {
	bundle alice b "$(args 'ls /proc/self/fd | tr "\n" " "; echo "$LISTEN_FDS $LISTEN_PID"; cat <&4')"
	run as alice bash -c "exec 3</dev/null 4<<<four 5</dev/null 7</; crt-oci --root $T/run/alice/oci run --preserve-fds 2 -b $(home alice)/b c1"
	# 5 is what ls itself opens
	assert_output $'0 1 2 3 4 5  \nfour'
	run as alice bash -c "exec 3</dev/null 4<<<four 5</dev/null; LISTEN_FDS=2 crt-oci --root $T/run/alice/oci run -b $(home alice)/b c1"
	assert_output $'0 1 2 3 4 5 2 1\nfour'
}

@test "--console-socket: the pty master is sent, of the size asked for" {
	bundle alice b ".process.terminal = true | .process.consoleSize = {height: 33, width: 99} | $(args 'tty; stty size; readlink /proc/self/fd/0')"
	cat >"$T/recv.py" <<-'PY'
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); os.chmod(sys.argv[1], 0o777)
		c, _ = s.accept()
		_, anc, _, _ = c.recvmsg(100, 100)
		fd = array.array("i", anc[0][2][:4])[0]
		try:
		    while True:
		        b = os.read(fd, 1000)
		        if not b: break
		        sys.stdout.write(b.decode()); sys.stdout.flush()
		except OSError:
		    pass
		os.unlink(sys.argv[1])
	PY
	job_start /usr/bin/python3 "$T/recv.py" "$T/home/alice/sock"
	wait_for 5 test -S "$T/home/alice/sock"
	oci alice create -b "$(home alice)/b" --console-socket "$T/home/alice/sock" c1
	oci alice start c1
	job_wait
	output=${output//$'\r'/}
	assert_output $'/dev/pts/0\n33 99\n/dev/pts/0'
	oci alice delete --force c1
	run oci alice create -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'use --console-socket'
}

@test "NOTIFY_SOCKET: readiness is passed on, with the main process; nothing else of what is sent" {
	local dir pid py='import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(os.environ["NOTIFY_SOCKET"]); [s.send(x.encode()) for x in ("STATUS=up", "EVIL=1\nMAINPID=1\nREADY=1", "WATCHDOG=1")]'
	dir=$(home alice)
	cat >"$T/recv.py" <<-'PY'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777)
		while True:
		    print(repr(s.recv(4096).decode()), flush=True)
	PY
	[ -x /usr/bin/python3 ] || skip "no python3"
	bundle alice b "$(args "ls -d \$NOTIFY_SOCKET; echo x >$dir/sock/x; /usr/bin/python3 -c '$py'; exec sleep 1000") | .root.readonly = false |
		.mounts += [\"/usr\", \"/lib\", \"/lib64\" | {destination: ., type: \"bind\", source: ., options: [\"rbind\", \"ro\"]}]"
	job_start /usr/bin/python3 "$T/recv.py" "$dir/sock"
	wait_for 10 test -S "$dir/sock"
	# detached it returns when the container is ready
	as alice env NOTIFY_SOCKET="$dir/sock" timeout 60 crt-oci --root "$T/run/alice/oci" run -d -b "$dir/b" c1 </dev/null >"$T/out" 2>&1
	pid=$(oci alice state c1 | jq .pid)
	wait_for 10 grep -q READY "$JOB_LOG"
	[ "$(cat "$JOB_LOG")" = "$(printf "'STATUS=up\\\\n'\n'MAINPID=%s\\\\nREADY=1\\\\n'" "$pid")" ] || flunk "$(cat "$JOB_LOG" "$T/out")"
	grep -q "^$dir/sock/notify" "$T/out" || flunk "$(cat "$T/out")"
	grep -q 'Read-only file system' "$T/out" || flunk "$(cat "$T/out")"
	oci alice delete --force c1
	# the same by start; a caller without the variable does not wait
	as alice env NOTIFY_SOCKET="$dir/sock" timeout 60 crt-oci --root "$T/run/alice/oci" create -b "$dir/b" c1 </dev/null >"$T/out" 2>&1
	as alice env NOTIFY_SOCKET="$dir/sock" timeout 60 crt-oci --root "$T/run/alice/oci" start c1
	pid=$(oci alice state c1 | jq .pid)
	wait_for 10 grep -q "MAINPID=$pid" "$JOB_LOG"
	oci alice delete --force c1
	config alice b "$(args 'exec sleep 1000')"
	as alice env NOTIFY_SOCKET="$dir/sock" timeout 60 crt-oci --root "$T/run/alice/oci" create -b "$dir/b" c1 </dev/null >"$T/out" 2>&1
	oci alice start c1
	oci alice delete --force c1
	rm "$dir/sock"
}

@test "hooks: all six kinds run, with the state on standard input, in order" {
	bundle alice b "$(args 'echo main')"
	local dir
	dir=$(home alice)
	cat >"$dir/hook" <<-EOF
		#!/bin/sh
		read -r line
		echo "\$1 \$line" >>$dir/hooks
	EOF
	chmod 0755 "$dir/hook"
	cp "$dir/hook" "$dir/b/rootfs/hook"
	config alice b "$(args 'echo main') | .root.readonly = false | .mounts += [{destination: \"$dir\", type: \"bind\", source: \"$dir\", options: [\"bind\", \"rw\"]}] | .hooks = {
		prestart: [{path: \"$dir/hook\", args: [\"hook\", \"1prestart\"]}],
		createRuntime: [{path: \"$dir/hook\", args: [\"hook\", \"2createRuntime\"]}],
		createContainer: [{path: \"$dir/hook\", args: [\"hook\", \"3createContainer\"]}],
		startContainer: [{path: \"/hook\", args: [\"hook\", \"4startContainer\"]}],
		poststart: [{path: \"$dir/hook\", args: [\"hook\", \"5poststart\"]}],
		poststop: [{path: \"$dir/hook\", args: [\"hook\", \"6poststop\"]}]}"
	run oci alice run -b "$dir/b" c1
	assert_output main
	run sort -s -k1,1 "$dir/hooks"
	[ "${#lines[@]}" = 6 ] || flunk
	local i status=(creating creating creating created running stopped)
	for i in 0 1 2 3 4 5; do
		[[ ${lines[i]} == $((i + 1))* ]] || flunk "line $i"
		[ "$(jq -r .status <<<"${lines[i]#* }")" = "${status[i]}" ] || flunk "status in line $i"
		[ "$(jq -r .id <<<"${lines[i]#* }")" = c1 ] || flunk "id in line $i"
	done
}

@test "hooks: a failure ends the creation, a late one is killed, poststop only warns" {
	bundle alice b '.process.args = ["/bin/true"] | .hooks = {createRuntime: [{path: "/bin/true"}, {path: "/bin/false"}]}'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'error running createRuntime hook #1: exit status 1'
	config alice b '.process.args = ["/bin/true"] | .hooks = {createContainer: [{path: "/bin/sleep", args: ["sleep", "60"], timeout: 1}]}'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'error running createContainer hook #0: timed out'
	config alice b '.process.args = ["/bin/true"] | .hooks = {poststop: [{path: "/bin/false"}]}'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 0
	assert_contains 'error running poststop hook'
	config alice b '.process.args = ["/bin/sleep", "60"] | .hooks = {poststart: [{path: "/bin/false"}]}'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'error running poststart hook'
	run oci alice list -q
	assert_output ''
}

@test "cgroups: limits are set, pause and resume, update, events; removed with the container" {
	need_root
	bundle root b "$(args 'exec sleep 1000') | .linux.resources.pids.limit = 50 | .linux.cgroupsPath = \"/crt-test-$$\""
	if ! oci root run -d -b "$(home root)/b" "c$$" </dev/null >"$T/log" 2>&1; then
		grep -q cgroup "$T/log" && skip "no cgroups here: $(cat "$T/log")"
		flunk "$(cat "$T/log")"
	fi
	local max
	max=$(cat /sys/fs/cgroup/pids/crt-test-$$/pids.max /sys/fs/cgroup/crt-test-$$/pids.max 2>/dev/null || true)
	[ "$max" = 50 ] || flunk "pids.max is $max"
	oci root pause "c$$"
	[ "$(oci root state "c$$" | jq -r .status)" = paused ] || flunk
	run oci root exec "c$$" true
	assert_status 255
	assert_contains 'paused'
	oci root resume "c$$"
	[ "$(oci root state "c$$" | jq -r .status)" = running ] || flunk
	oci root update --pids-limit 60 "c$$"
	max=$(cat /sys/fs/cgroup/pids/crt-test-$$/pids.max /sys/fs/cgroup/crt-test-$$/pids.max 2>/dev/null || true)
	[ "$max" = 60 ] || flunk "pids.max is $max"
	echo '{"pids":{"limit":70}}' | oci root update --resources - "c$$"
	run oci root events --stats "c$$"
	[ "$(jq .data.pids.limit <<<"$output")" = 70 ] || flunk
	oci root delete --force "c$$"
	run find /sys/fs/cgroup -maxdepth 2 -name "crt-test-$$"
	assert_output ''
}

@test "events: figures at each interval, a kill for want of memory at once, the end with the container" {
	need_root
	bundle root b "$(args 'read -r go </go; cat /dev/zero | tail; exec sleep 1000') | .linux.resources.memory = {limit: 20971520, swap: 20971520} |
		.linux.cgroupsPath = \"/crt-oom-$$\""
	ln -s busybox "$(home root)/b/rootfs/bin/tail"
	mkfifo "$(home root)/b/rootfs/go"
	if ! oci root run -d -b "$(home root)/b" "c$$" </dev/null >"$T/log" 2>&1; then
		grep -q -e cgroup -e memsw "$T/log" && skip "no memory cgroup here: $(cat "$T/log")"
		flunk "$(cat "$T/log")"
	fi
	job_start "$CRT_BIN/crt-oci" --root "$T/run/root/oci" events --interval 100ms "c$$"
	wait_for 10 grep -q '"type":"stats"' "$JOB_LOG"
	echo go >"$(home root)/b/rootfs/go"
	wait_for 20 grep -q "^{\"type\":\"oom\",\"id\":\"c$$\"}" "$JOB_LOG"
	[ "$(grep stats "$JOB_LOG" | head -1 | jq .data.memory.usage.limit)" = 20971520 ] || flunk "$(cat "$JOB_LOG")"
	oci root delete --force "c$$"
	job_wait
	assert_status 0
	run oci root events --interval 0 "c$$"
	assert_status 1
	assert_contains 'is not a duration'
	run oci root events "c$$"
	assert_status 1
	assert_contains 'does not exist'
}

@test "a cgroup that somebody left frozen is refused; one with processes is told" {
	need_root
	bundle root b '.process.args = ["/bin/sleep", "1000"]'
	local path group=/sys/fs/cgroup/freezer on=FROZEN off=THAWED file=freezer.state
	path=$(jq -r .linux.cgroupsPath "$(home root)/b/config.json")
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || { group=/sys/fs/cgroup on=1 off=0 file=cgroup.freeze; }
	mkdir "$group$path" 2>/dev/null && echo "$on" >"$group$path/$file" || skip "no cgroup here can be frozen"
	run -1 timeout 60 "$CRT_BIN/crt-oci" --root "$T/run/root/oci" run -b "$(home root)/b" c1
	assert_contains "container's cgroup unexpectedly frozen"
	echo "$off" >"$group$path/$file"
	rmdir "$group$path"
	oci root create -b "$(home root)/b" c1 <&- >&- 2>&-
	oci root create -b "$(home root)/b" c2 <&- >&- 2>"$T/told"
	grep -q "container's cgroup is not empty" "$T/told" || flunk
	oci root delete -f c1
	oci root delete -f c2
}

@test "options behind the id, --regex, an ordered list, a process file behind a link, debug lines" {
	bundle alice b '.process.args = ["/bin/sleep", "1000"]'
	local id
	for id in b2 a1 b1; do oci alice create "$id" -b "$(home alice)/b" <&- >&- 2>&-; done
	run oci alice list -q
	assert_output $'a1\nb1\nb2'
	run oci alice kill --regex '^b' KILL
	assert_status 0
	run oci alice start a1
	assert_status 0
	echo '{"args":["/bin/echo","linked"],"cwd":"/"}' >"$(home alice)/process"
	ln -s process "$(home alice)/link"
	run oci alice exec --process "$(home alice)/link" a1
	assert_output linked
	run oci alice exec -c CAP_OF_TOMORROW -e PATH=/bin -e A=1 -e A=2 a1 sh -c 'echo $A'
	assert_contains 'there is no capability'
	[ "${lines[-1]}" = 2 ] || flunk
	run oci alice --debug --log "$(home alice)/log" state a1
	[ "$(jq -r .status <<<"$output")" = running ] || flunk
	grep -q 'level=debug' "$(home alice)/log" || flunk
	run oci alice delete --regex '['
	assert_status 1
	assert_contains 'not a regular expression'
	run oci alice delete '^[ab]' --regex --force
	assert_status 0
	run oci alice list -q
	assert_output ''
}

@test "features and spec are valid, and spec does not overwrite" {
	need_program jq
	run --separate-stderr as alice crt-oci features
	[ "$(jq -r .ociVersionMin <<<"$output")" = 1.0.0 ] || flunk
	[ -z "$stderr" ] || flunk
	jq -e '.mountOptions | index("rro") and index("idmap") and index("tmpcopyup")' <<<"$output" >/dev/null || flunk
	mkdir "$T/spec"
	crt-oci() { "$CRT_BIN/crt-oci" "$@"; }
	(cd "$T/spec" && crt-oci spec && jq -e .process config.json >/dev/null)
	run crt-oci spec -b "$T/spec"
	assert_status 1
	assert_contains 'exists'
	run crt-oci nosuchverb
	assert_status 3
	assert_contains "No help topic for 'nosuchverb'"
}

# points STEP ARG...: run crt-oci as alice; every STEP-th of its system calls as "NAME:N", its N-th call of that name
points() {
	local step=$1
	shift
	as alice strace -o "$(home alice)/trace" crt-oci --root "$T/run/alice/oci" "$@" </dev/null >/dev/null 2>&1
	# what comes first is the loader's, and the program that makes sure it cannot be written
	sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' "$(home alice)/trace" |
		awk -v step="$step" '{ n[$1]++ } $1 !~ /^(exit|exit_group|execve)$/ && NR > 10 && NR % step == 0 { print $1 ":" n[$1] }'
	rm "$(home alice)/trace"
}

# killed_at POINT ARG...: crt-oci as alice, killed there
killed_at() {
	local point=$1
	shift
	as alice strace -o /dev/null -e trace="${point%:*}" -e inject="${point%:*}:signal=KILL:when=${point#*:}" \
		crt-oci --root "$T/run/alice/oci" "$@" </dev/null >/dev/null 2>&1 && return 1
	return 0
}

no_process_of_alice() {
	# whoever reaps orphans may take his time
	wait_for 10 sh -c "! ps -u $(user alice) -o stat=,comm= | grep -v ^Z | grep -q ' $1$'" || flunk "$(ps -u "$(user alice)" -o pid,args)"
}

# bats test_tags=slow
@test "T57 create killed at any system call leaves no process, and delete --force clears the rest" {
	need_program strace
	bundle alice b "$(args 'exec sleep 1000')"
	local point killed=0 all
	all=$(points "${CRT_KILL_STEP-17}" create -b "$(home alice)/b" c1)
	oci alice delete --force c1
	for point in $all; do
		killed_at "$point" create -b "$(home alice)/b" c1 && killed=$((killed + 1))
		# created in full, or nothing that anybody could start
		[ -n "$(oci alice list -q)" ] || no_process_of_alice crt-oci
		oci alice delete --force c1
		[ ! -e "$T/run/alice/oci/c1" ] || flunk "killed at $point: something is left"
	done
	[ "$killed" -gt 3 ] || flunk "$killed of $(wc -w <<<"$all") were killed"
	no_process_of_alice crt-oci
}

# bats test_tags=slow
@test "T57 start, exec and delete killed at any system call: what they say afterwards is true" {
	need_program strace
	bundle alice b "$(args 'exec sleep 1000')"
	local point killed=0 step=${CRT_KILL_STEP-17} all
	oci alice create -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	all=$(points "$step" start c1)
	oci alice delete --force c1
	for point in $all; do
		oci alice create -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
		killed_at "$point" start c1 && killed=$((killed + 1))
		# still created, running, or ended with its starter: never in between
		case $(oci alice state c1 | jq -r .status) in
		created) oci alice start c1 || flunk "start after one that was killed at $point" ;;
		running) oci alice exec c1 true ;;
		stopped) ;;
		*) flunk "after a start killed at $point" ;;
		esac
		oci alice delete --force c1
		no_process_of_alice sleep
	done
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	for point in $(points "$step" exec -d c1 true); do
		killed_at "$point" exec -d c1 sleep 77 && killed=$((killed + 1))
		oci alice exec c1 true || flunk "exec after one that was killed at $point"
	done
	oci alice delete --force c1
	no_process_of_alice sleep
	no_process_of_alice crt-oci
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	for point in $(points "$step" delete --force c1); do
		oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
		killed_at "$point" delete --force c1 && killed=$((killed + 1))
		oci alice delete --force c1
		[ ! -e "$T/run/alice/oci/c1" ] || flunk "killed at $point: something is left"
		no_process_of_alice sleep
	done
	[ "$killed" -gt 5 ] || flunk "only $killed were killed"
}

# bats test_tags=slow
@test "many execs at once, and a delete among them" {
	bundle alice b "$(args 'exec sleep 1000')"
	local i pids=() failed=0
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	for i in {1..16}; do
		oci alice exec c1 sh -c "exit $i" </dev/null >/dev/null 2>&1 &
		pids+=($!)
	done
	for i in {1..16}; do
		wait "${pids[i - 1]}" && flunk "exec $i succeeded"
		[ $? = "$i" ] || failed=$((failed + 1))
	done
	[ "$failed" = 0 ] || flunk "$failed of 16 have another exit status"
	pids=()
	for i in {1..8}; do
		oci alice exec c1 sleep 1000 </dev/null >/dev/null 2>&1 &
		pids+=($!)
	done
	oci alice delete --force c1
	for i in "${pids[@]}"; do
		wait "$i" && flunk "an exec outlived its container"
	done
	no_process_of_alice sleep
}

@test "a container that is killed before its start: start says so" {
	need_root
	local who
	for who in alice root; do
		bundle "$who" b "$(args true)"
		oci "$who" create -b "$(home "$who")/b" c1 </dev/null >/dev/null 2>&1
		kill -KILL "$(oci "$who" state c1 | jq -r .pid)"
		run oci "$who" start c1
		assert_status 1
		assert_contains 'cannot start a container that has stopped'
		oci "$who" delete c1
	done
}

# bats test_tags=slow
@test "of many starts at once exactly one succeeds" {
	bundle alice b "$(args 'exec sleep 1000')"
	local i good=0 pids=()
	oci alice create -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	for i in {1..8}; do
		oci alice start c1 >/dev/null 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && good=$((good + 1))
	done
	[ "$good" = 1 ] || flunk "$good starts succeeded"
	oci alice delete --force c1
}

@test "the state directory: never a guessable name in /tmp, never somebody else's" {
	bundle alice b "$(args true)"
	AS_RUNTIME_DIR=none run as alice crt-oci run -b "$(home alice)/b" c1
	assert_status 0
	[ ! -e "/tmp/crt-oci-$(id -u "$(user alice)")" ] || flunk
	need_root
	mkdir -m 0777 "$T/open"
	run as alice crt-oci --root "$T/open" run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains "$T/open"
	ln -s "$T/tripwire" "$T/link"
	run as alice crt-oci --root "$T/link" run -b "$(home alice)/b" c1
	assert_status 1
}
