#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci: rows of config.json, one after the other, seen from inside of the container.
load helpers
load oci

# inside FILTER COMMAND: run as alice, what the command prints in $output
inside() {
	local name=${BUNDLE-b}
	[ -d "$(home alice)/$name" ] || bundle alice "$name"
	config alice "$name" "$1 | $(args "$2")"
	run oci alice run -b "$(home alice)/$name" c1
}

# inside_root FILTER COMMAND: the same as root
inside_root() {
	need_root
	[ -d "$(home root)/b" ] || bundle root b
	config root b "$1 | $(args "$2")"
	run oci root run -b "$(home root)/b" c1
}

@test "mount options: each flag is seen in mountinfo, data goes to the file system" {
	local m='.mounts += [{destination: "/tmp", type: "tmpfs", source: "mine", options: ['
	inside "$m\"ro\",\"nosuid\",\"nodev\",\"noexec\",\"noatime\",\"nodiratime\",\"size=64k\",\"mode=700\"]}]" \
		'grep " /tmp " /proc/self/mounts; stat -c %a /tmp; touch /tmp/x'
	[[ ${lines[0]} == "mine /tmp tmpfs ro,nosuid,nodev,noexec,noatime,nodiratime,"*size=64k*mode=700* ]] || flunk
	[ "${lines[1]}" = 700 ] || flunk
	assert_contains 'Read-only file system'
	inside "$m\"ro\",\"rw\",\"noexec\",\"exec\",\"strictatime\"]}]" 'grep " /tmp " /proc/self/mounts'
	[[ $output == "mine /tmp tmpfs rw,"* ]] || flunk
	refute_contains noexec
	refute_contains relatime
	inside "$m\"bogus=1\"]}]" true
	assert_status 1
	assert_contains 'option \"bogus\"'
}

@test "bind mounts: read-only, recursive read-only, single files, a relative source" {
	bundle alice b
	as alice mkdir b/src
	as alice sh -c 'echo data >b/src/file'
	inside '.mounts += [{destination: "/v", type: "bind", source: "src", options: ["rbind", "ro"]},
		{destination: "/f", source: "src/file", options: ["bind"]}] | .root.readonly = false' 'cat /v/file /f; echo x >/v/new; echo changed >/f'
	assert_contains $'data\ndata'
	assert_contains 'Read-only file system'
	[ "$(cat "$(home alice)/b/src/file")" = changed ] || flunk
	inside '.mounts += [{destination: "/v", type: "bind", source: "/sys", options: ["rbind", "rro"]}] | .root.readonly = false' \
		'grep -c " /v.* rw" /proc/self/mounts'
	assert_output 0
}

@test "tmpcopyup fills the new file system with what it covers" {
	bundle alice b
	as alice mkdir -p b/rootfs/data/sub
	as alice sh -c 'echo one >b/rootfs/data/sub/file; ln -s sub/file b/rootfs/data/link; chmod 0750 b/rootfs/data/sub; mkfifo b/rootfs/data/fifo'
	ln -s "$T/tripwire/file" "$(home alice)/b/rootfs/data/out"
	inside '.mounts += [{destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "ro"]}]' \
		'cat /data/link; stat -c %a /data/sub; stat -f -c %T /data; readlink /data/out; touch /data/x'
	[ "${lines[0]}" = one ] || flunk
	[ "${lines[1]}" = 750 ] || flunk
	[ "${lines[2]}" = tmpfs ] || flunk
	[ "${lines[3]}" = "$T/tripwire/file" ] || flunk
	assert_contains 'Read-only file system'
}

@test "the root file system is read-only when asked, and the propagation is what was asked for" {
	inside '.root.readonly = true' 'echo x >/file; grep " / / " /proc/self/mountinfo | head -1 | grep -c shared:; grep -c "shared:" /proc/self/mountinfo'
	assert_contains 'Read-only file system'
	[ "${lines[-1]}" = 0 ] || flunk
	inside '.root.readonly = false | .linux.rootfsPropagation = "shared"' 'echo x >/file && cat /file; grep -c "shared:" /proc/self/mountinfo'
	[ "${lines[0]}" = x ] || flunk
	[ "${lines[1]}" -gt 0 ] || flunk
}

@test "environment, HOME, umask, working directory, host and domain name" {
	inside '.process.env = ["PATH=/bin", "A=b c"] | .process.cwd = "/tmp" | .domainname = "dom" | .process.user.umask = 23' \
		'echo "$A $HOME"; pwd; hostname; cat /proc/sys/kernel/domainname; umask; cat /proc/1/environ | tr "\0" "\n" | wc -l'
	assert_output $'b c /root\n/tmp\nbox\ndom\n0027\n3'
	inside '.process.env = ["PATH=/bin", "HOME=/else"]' 'echo $HOME; umask'
	assert_output $'/else\n0022'
	inside_root '.process.user = {uid: 1000, gid: 1000}' 'echo $HOME'
	assert_output /home/user
	inside_root '.process.user = {uid: 4242, gid: 1000}' 'echo $HOME'
	assert_output /
}

@test "limits, scheduling, personality, oom score" {
	inside '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 40, hard: 50}, {type: "RLIMIT_CORE", soft: 0, hard: 0}] |
		.process.oomScoreAdj = 321 | .process.scheduler = {policy: "SCHED_BATCH", nice: 5} | .linux.personality = {domain: "LINUX32"}' \
		'ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; busybox uname -m; sed "s/.*) //" /proc/self/stat | cut -d" " -f17,39'
	[ "${lines[0]}" = 40 ] || flunk
	[ "${lines[1]}" = 50 ] || flunk
	[ "${lines[2]}" = 321 ] || flunk
	[ "${lines[3]}" != "$(uname -m)" ] || flunk
	[ "${lines[4]}" = '5 3' ] || flunk
}

@test "sysctls of the container's own namespaces are set, all others refused" {
	inside '.linux.namespaces += [{type: "network"}] | .linux.sysctl = {"kernel.shmmax": "12345", "net.ipv4.ip_forward": "1"}' \
		'cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward'
	assert_output $'12345\n1'
	inside '.linux.sysctl = {"kernel.core_pattern": "|/evil"}' true
	assert_status 1
	assert_contains 'not in a separate kernel namespace'
}

@test "devices of the configuration, with mode; bound where they cannot be made" {
	inside '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 3}, {path: "/dev/fuse", type: "c", major: 10, minor: 229}]' true
	assert_status 1 # the host has no /dev/mine to bind
	assert_contains '/dev/mine'
	inside '.linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 5}]' true
	assert_status 1
	assert_contains 'another type or number'
	inside_root '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 3, fileMode: 416, uid: 5, gid: 6}, {path: "/sub/fifo", type: "p", fileMode: 420}] | .root.readonly = false | .linux.resources = {}' \
		'stat -c "%F %a %u:%g %t:%T" /dev/mine; stat -c "%F %a" /sub/fifo'
	assert_output $'character special file 640 5:6 1:3\nfifo 644'
}

@test "namespaces by path: network, pid and time; a new user namespace beside them" {
	need_root
	bundle root b "$(args 'exec sleep 1000')"
	oci root run -d -b "$(home root)/b" first </dev/null >/dev/null 2>&1
	local pid
	pid=$(oci root state first | jq .pid)
	inside_root ".linux.namespaces = [{type: \"mount\"}, {type: \"uts\"}, {type: \"ipc\"}, {type: \"network\", path: \"/proc/$pid/ns/net\"}, {type: \"pid\", path: \"/proc/$pid/ns/pid\"}]" \
		'readlink /proc/self/ns/net; tr "\0" " " </proc/1/cmdline'
	assert_output "$(readlink "/proc/$pid/ns/net")"$'\nsleep 1000 '
	inside_root ".linux.namespaces = [{type: \"mount\"}, {type: \"uts\"}, {type: \"ipc\"}, {type: \"pid\"}, {type: \"user\"}, {type: \"time\"}, {type: \"network\", path: \"/proc/$pid/ns/net\"}] |
		.linux.uidMappings = [{containerID:0,hostID:100000,size:1000}] | .linux.gidMappings = [{containerID:0,hostID:100000,size:1000}] |
		.linux.timeOffsets = {boottime: {secs: 1000000}}" \
		'readlink /proc/self/ns/net; cat /proc/self/uid_map | tr -s " "; cut -d. -f1 /proc/uptime'
	chmod 0711 "$(home root)"
	run oci root run -b "$(home root)/b" c1
	[ "${lines[0]}" = "$(readlink "/proc/$pid/ns/net")" ] || flunk
	[ "${lines[1]}" = ' 0 100000 1000' ] || flunk
	[ "${lines[2]}" -gt 1000000 ] || flunk
	oci root delete --force first
}

@test "id-mapped mounts show the owners shifted" {
	need_root
	bundle root b
	mkdir "$(home root)/vol"
	touch "$(home root)/vol/file"
	chown 1234:1234 "$(home root)/vol/file"
	chmod 0711 "$(home root)"
	config root b ".linux.namespaces += [{type: \"user\"}] | .root.readonly = false |
		.linux.uidMappings = [{containerID:0,hostID:100000,size:65536}] | .linux.gidMappings = [{containerID:0,hostID:100000,size:65536}] |
		.mounts += [{destination: \"/vol\", type: \"bind\", source: \"$(home root)/vol\", options: [\"bind\", \"idmap\"]}] | $(args 'stat -c %u:%g /vol/file')"
	chown 100000:100000 "$(home root)/b/rootfs"
	run oci root run -b "$(home root)/b" c1
	[[ $output != *'id-map'*'invalid argument'* ]] || skip "the file system of $T has no id-mapped mounts"
	assert_output 1234:1234
}

@test "id-mapped mounts: maps in the option, alone and relative to the container's" {
	need_root
	bundle root b
	mkdir "$(home root)/vol"
	touch "$(home root)/vol/file"
	chown 1234:1235 "$(home root)/vol/file"
	chmod 0711 "$(home root)"
	local user=".linux.namespaces += [{type: \"user\"}] | .root.readonly = false |
		.linux.uidMappings = [{containerID:0,hostID:100000,size:65536}] | .linux.gidMappings = [{containerID:0,hostID:100000,size:65536}]"
	volume() {
		printf '.mounts += [{destination: "/vol", type: "bind", source: "%s", options: ["bind", "%s"]}] | %s' "$(home root)/vol" "$1" "$(args 'stat -c %u:%g /vol/file')"
	}
	config root b "$(volume 'idmap=uids=1234-5-1;gids=1235-6-1')"
	run oci root run -b "$(home root)/b" c1
	[[ $output != *'id-map'*'invalid argument'* ]] || skip "the file system of $T has no id-mapped mounts"
	assert_output 5:6
	chown 100000:100000 "$(home root)/b/rootfs"
	config root b "$user | $(volume 'ridmap=uids=@1234-7-1;gids=@1235-8-1')"
	run oci root run -b "$(home root)/b" c1
	assert_output 7:8
	config root b "$user | $(volume 'idmap=uids=@1234-70000-1')"
	run oci root run -b "$(home root)/b" c1
	assert_status 1
	assert_contains 'expected uids='
}

@test "labels of AppArmor and SELinux are refused where the host has neither" {
	bundle alice b
	if ! [ -e /sys/module/apparmor ]; then
		config alice b "$(args true) | .process.apparmorProfile = \"profile\""
		run oci alice run -b "$(home alice)/b" c1
		assert_status 1
		assert_contains 'process.apparmorProfile: apparmor is not enabled'
		inside '.process.apparmorProfile = "unconfined"' 'echo fine'
		assert_output fine
	fi
	[ ! -e /sys/fs/selinux/enforce ] || skip "this host has SELinux"
	for field in .process.selinuxLabel .linux.mountLabel; do
		config alice b "$(args true) | $field = \"a:b:c:s0\""
		run oci alice run -b "$(home alice)/b" c1
		assert_status 1
		assert_contains "selinux is disabled or not supported: ${field#.}"
	done
}

@test "seccomp: a system call is answered by the agent of the listener, which is told whose it is" {
	need_program python3
	local dir spec
	dir=$(home alice)
	# one connection: the state as JSON with the listener; each call is answered by 42 + its number
	cat >"$T/agent.py" <<-'PY'
		import array, fcntl, os, socket, struct, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen(4)
		RECV, SEND = 0xC0502100, 0xC0182101
		while True:
		    c, _ = s.accept()
		    data, anc, _, _ = c.recvmsg(65536, 1000)
		    fds = array.array("i"); fds.frombytes(anc[0][2][:4]); rest = c.recv(10)
		    print(data.decode(), "fds", len(anc[0][2]) // 4, "rest", len(rest), flush=True)
		    c.close()
		    req = bytearray(80); fcntl.ioctl(fds[0], RECV, req)
		    id, pid = struct.unpack_from("QI", req)
		    fcntl.ioctl(fds[0], SEND, bytearray(struct.pack("QqiI", id, 0, -95, 0)))
		    print("asked by", pid, flush=True)
		    os.close(fds[0])
	PY
	job_start /usr/bin/python3 "$T/agent.py" "$dir/agent"
	wait_for 10 test -S "$dir/agent"
	spec=".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", listenerPath: \"$dir/agent\", listenerMetadata: \"some { text\",
		syscalls: [{names: [\"mkdir\", \"mkdirat\"], action: \"SCMP_ACT_NOTIFY\"}]} | .annotations = {a: \"\\\"pid\\\":0,\"}"
	bundle alice b "$spec | $(args 'mkdir /tmp/x; echo end')"
	run oci alice run -b "$dir/b" c1
	assert_output $'mkdir: can\'t create directory \'/tmp/x\': Operation not supported\nend'
	wait_for 5 grep -q 'asked by' "$JOB_LOG"
	run head -n 1 "$JOB_LOG"
	assert_contains ' fds 1 rest 0'
	local state=${output% fds *}
	[ "$(jq -r '.fds[0], .metadata, .state.id, .state.status, (.pid == .state.pid), .state.annotations.a' <<<"$state")" = $'seccompFd\nsome { text\nc1\ncreating\ntrue\n"pid":0,' ] || flunk "$state"
	# exec has a listener of its own
	config alice b "$spec | $(args 'exec sleep 1000') | .process.noNewPrivileges = false"
	oci alice run -d -b "$dir/b" c1 </dev/null >"$T/out" 2>&1
	kill "$JOB"
	rm "$dir/agent"
	job_start /usr/bin/python3 "$T/agent.py" "$dir/agent"
	wait_for 10 test -S "$dir/agent"
	run oci alice exec c1 mkdir /tmp/x
	assert_status 1
	assert_contains 'not supported'
	wait_for 5 grep -q 'asked by' "$JOB_LOG"
	oci alice delete --force c1
	# nobody listens
	kill "$JOB"
	rm "$dir/agent"
	config alice b "$spec | $(args true)"
	run oci alice run -b "$dir/b" c1
	assert_status 1
	assert_contains 'seccomp agent'
}

@test "inside a user namespace of somebody else, and inside another container" {
	need_program unshare
	local dir inner map
	inner=$(args 'id -u; tr -s " " </proc/self/uid_map')
	map=$'0\n'" 0 $(id -u "$(user alice)") 1"
	dir=$(home alice)
	bundle alice b "$inner"
	run as alice unshare -c crt-oci --root "$T/run/alice/oci" run -b "$dir/b" c1
	assert_output "$map"
	run as alice unshare -cpf --mount-proc crt-oci --root "$T/run/alice/oci" run -b "$dir/b" c1
	assert_output "$map"
	# the configuration for root: no namespace of its own, a group that is not mapped for terminals
	(cd "$dir" && "$CRT_BIN/crt-oci" spec --file root.json)
	jq ".process.terminal = false | $inner" "$dir/root.json" >"$dir/b/root.json"
	run as alice unshare -r crt-oci --root "$T/run/alice/oci" run -b "$dir/b" -f "$dir/b/root.json" c1
	assert_output "$map"
	rm -f "$dir/root.json"
	not_sanitized "the copy in the container has no libasan"
	ldd "$CRT_BIN/crt-oci" 2>&1 | grep -q '=>' && skip "crt-oci is not static here"
	as alice cp "$CRT_BIN/crt-oci" "$dir/b/rootfs/bin/"
	as alice sh -c 'mkdir -p b/rootfs/in; cp -a b/rootfs/bin b/rootfs/in/bin; mkdir -p b/in; mv b/rootfs/in b/in/rootfs; mkdir b/in/rootfs/proc b/in/rootfs/sys b/in/rootfs/dev b/in/rootfs/tmp'
	config alice b "$inner" inner.json
	as alice mv b/inner.json b/in/config.json
	# as engines do it with --privileged
	inside ".root.readonly = false | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .linux.seccomp = null |
		.process.capabilities |= map_values([\"CAP_SYS_ADMIN\", \"CAP_SETUID\", \"CAP_SETGID\", \"CAP_SETFCAP\", \"CAP_SETPCAP\", \"CAP_CHOWN\", \"CAP_DAC_OVERRIDE\", \"CAP_KILL\"]) |
		.mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$dir/b/in\", options: [\"bind\", \"rw\"]},
			{destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\"}]" \
		"sed -i 's/\"hostID\": [0-9]*/\"hostID\": 0/' /mnt/config.json; crt-oci --root /tmp/oci run -b /mnt inner"
	assert_output $'0\n 0 0 1'
}

@test "inside a container of crt: privileged it works, else it is told what it takes" {
	not_sanitized "the copy in the container has no libasan"
	cat >"$(home alice)/in.sh" <<-'EOF'
		set -e
		mkdir -p /b/rootfs/proc /b/rootfs/sys /b/rootfs/dev
		cp -a /bin /b/rootfs/
		cd /b
		/crt-oci spec --rootless
		sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sh", "-c", "echo $$; cat"/' config.json
		echo deeper | /crt-oci --root /tmp/oci run inner
	EOF
	chmod 0755 "$(home alice)/in.sh"
	local inner=(-v "$CRT_BIN/crt-oci:/crt-oci:ro" -v "$(home alice)/in.sh:/in.sh:ro" builtin:busybox sh /in.sh)
	run as alice crt run --rm --privileged "${inner[@]}"
	assert_output $'1\ndeeper'
	run as alice crt run --rm "${inner[@]}"
	assert_status 1
	assert_contains 'outer container: that one needs more rights'
}

@test "an unknown annotation, an unknown field and a minor version of tomorrow change nothing" {
	inside '.ociVersion = "1.99.0" | .annotations = {"a": "b"} | .future = {x: [1]} | .process.future = true | .linux.future = {}' 'echo ok'
	assert_output ok
}

@test "the root is found by an absolute path too, and --no-pivot works" {
	bundle alice b
	config alice b ".root.path = \"$(home alice)/b/rootfs\" | $(args 'ls / | tr "\n" " "')"
	run oci alice run -b "$(home alice)/b" c1
	assert_output 'bin dev etc proc sys tmp '
	run oci alice run --no-pivot -b "$(home alice)/b" c1
	assert_output 'bin dev etc proc sys tmp '
}

@test "of two words of the environment for one name the last counts; an empty HOME is none" {
	inside '.process.env = ["PATH=/none", "A=1", "HOME=", "PATH=/bin", "A=2"]' 'cat /proc/1/environ | tr "\0" "\n" | grep -E "^(PATH|A|HOME)=" | sort'
	assert_output $'A=2\nHOME=/root\nPATH=/bin'
}

@test "a working directory that is missing is made, also below a read-only root" {
	inside '.root.readonly = true | .process.cwd = "/new/deep"' 'pwd; touch x'
	[ "${lines[0]}" = /new/deep ] || flunk
	assert_contains 'Read-only file system'
}

@test "a read-only /dev and tmpfs still hold the nodes, the terminal and what is mounted on them" {
	local ro='(.mounts[] | select(.destination == "/dev").options) += ["ro"] | .mounts += [
		{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["ro"]},
		{destination: "/tmp/sub", type: "tmpfs", source: "tmpfs"}]'
	inside "$ro" 'echo x >/dev/null && echo x >/tmp/sub/f && ls /dev/pts/ptmx; echo x >/dev/new; echo x >/tmp/new'
	[ "${lines[0]}" = /dev/pts/ptmx ] || flunk
	assert_contains "can't create /dev/new: Read-only file system"
	assert_contains "can't create /tmp/new: Read-only file system"
	inside_root "$ro" 'echo x >/dev/null && echo x >/dev/new'
	assert_contains "can't create /dev/new: Read-only file system"
}

@test "inheritable capabilities that are not permitted are inherited all the same" {
	inside '.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], inheritable: ["CAP_KILL"]}' 'grep -E "^Cap[IP]" /proc/self/status'
	[ "${lines[0]##*[[:blank:]]}" = 0000000000000020 ] || flunk
	inside_root '.process.capabilities = {bounding: ["CAP_KILL"], inheritable: ["CAP_KILL"]} | .process.user.uid = 1000' 'grep CapInh /proc/self/status'
	[ "${lines[0]##*[[:blank:]]}" = 0000000000000020 ] || flunk
}

@test "kernel.hostname is no sysctl of a configuration: there is the field hostname" {
	inside 'del(.hostname) | .linux.sysctl = {"kernel.hostname": "x"}' true
	assert_status 1
	assert_contains 'conflicts with the field hostname'
}

@test "a startContainer hook is under the container's seccomp filter" {
	bundle alice b
	local hook='.root.readonly = false | .hooks = {startContainer: [{path: "/bin/mkdir", args: ["mkdir", "/made"]}]} | .linux.seccomp = {
		defaultAction: "SCMP_ACT_ALLOW", syscalls: [
			{names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38},
			{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
	config alice b "$hook | .process.args = [\"/bin/true\"]"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'error running startContainer hook #0: exit status 1'
	config alice b "$hook | .linux.seccomp.syscalls |= .[:1] | .process.args = [\"/bin/ls\", \"-d\", \"/made\"]"
	run oci alice run -b "$(home alice)/b" c1
	assert_output /made
}

@test "a filter that interrupts every system call ends the container, and nobody waits" {
	not_sanitized "the runtime of the sanitizers tries again for ever under such a filter"
	inside '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 4}' true
	[ "$status" -ne 0 ] || flunk
	run oci alice list -q
	assert_output ''
}

@test "--no-pivot: the host's procfs is not below, where it would allow to mount one that masks nothing" {
	need_root
	bundle root b
	config root b "$(args 'busybox unshare -Urmpf sh -c "mount -t proc proc /tmp && ls -d /tmp/1"') | .process.capabilities[] += [\"CAP_SETFCAP\"]"
	run oci root run --no-pivot -b "$(home root)/b" c1
	refute_contains /tmp/1
	assert_contains 'ermission denied'
}
