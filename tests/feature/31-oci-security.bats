#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci against crafted bundles: the root file system belongs to the attacker.
load helpers
load oci

# Everything the attacks aim at: a directory of the host with the names that devices and masks have.
decoy() {
	mkdir -p "$T/decoy/pts"
	for f in null zero console ptmx fd stdin shm mqueue; do echo decoy >"$T/decoy/$f"; done
	chmod -R a+rwX "$T/decoy"
	find "$T/decoy" -printf '%P %y %m %u %s %T@\n' | sort >"$T/decoy.before"
}

decoy_untouched() {
	find "$T/decoy" -printf '%P %y %m %u %s %T@\n' | sort | diff "$T/decoy.before" - || flunk "the decoy was touched"
}

@test "T10 no descriptor of the caller reaches the container, and cwd cannot be one" {
	bundle alice b "$(args 'ls /proc/self/fd | tr "\n" " "; readlink /proc/self/cwd; ls /proc/1/fd')"
	run as alice bash -c "for i in {3..40}; do eval \"exec \$i</etc\"; done; exec crt-oci --root $T/run/alice/oci run -b $(home alice)/b c1"
	assert_output $'0 1 2 3 /\n0\n1\n2'
	local n
	for n in 0 3 4 5 6 7 8 9 10 11 12; do
		config alice b ".process.cwd = \"/proc/self/fd/$n\" | $(args 'readlink /proc/self/cwd; ls /')"
		run as alice bash -c "exec 7</etc; exec crt-oci --root $T/run/alice/oci run -b $(home alice)/b c1"
		assert_status 1
		assert_contains 'cwd'
	done
	config alice b ".process.cwd = \"/proc/1/cwd\" | $(args 'ls /')"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	ln -s /proc/self/fd/7 "$(home alice)/b/rootfs/dir"
	config alice b ".process.cwd = \"/dir\" | $(args 'ls /')"
	run as alice bash -c "exec 7</etc; exec crt-oci --root $T/run/alice/oci run -b $(home alice)/b c1"
	assert_status 1
}

@test "T10 a working directory that is missing is made inside" {
	bundle alice b ".process.cwd = \"/made/for/you\" | .root.readonly = false | $(args pwd)"
	run oci alice run -b "$(home alice)/b" c1
	assert_output /made/for/you
	ln -s ../../../../"$T"/tripwire "$(home alice)/b/rootfs/out"
	config alice b ".process.cwd = \"/out/dir/new\" | .root.readonly = false | $(args pwd)"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 0
	[ ! -e "$T/tripwire/dir/new" ] || flunk
}

@test "T12 capabilities, no_new_privs and groups, in run and in exec" {
	local status_of='grep -E "^(Cap|NoNewPrivs|Groups)" /proc/self/status | tr -s "\t " " "'
	local caps='["CAP_KILL","CAP_CHOWN"]' want
	bundle alice b "$(args "$status_of; exec sleep 1000") | .process.capabilities = {bounding: $caps, effective: $caps, permitted: $caps}"
	want=$'NoNewPrivs: 1\nCapInh: 0000000000000000\nCapPrm: 0000000000000021\nCapEff: 0000000000000021\nCapBnd: 0000000000000021\nCapAmb: 0000000000000000'
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >"$T/out" 2>&1
	wait_for 5 grep -q CapAmb "$T/out"
	output=$(grep -v Groups "$T/out" | sort -r)
	[ "$output" = "$(sort -r <<<"$want")" ] || flunk "run: want $want"
	run oci alice exec c1 sh -c "$status_of"
	[ "$(grep -v Groups <<<"$output" | sort -r)" = "$(sort -r <<<"$want")" ] || flunk "exec: want $want"
	run oci alice exec -u 1:1 c1 true
	assert_status 255 # not mapped
	oci alice delete --force c1
	# without the object there are none at all
	config alice b "$(args "$status_of") | del(.process.capabilities)"
	run oci alice run -b "$(home alice)/b" c1
	assert_contains 'CapEff: 0000000000000000'
	assert_contains 'CapBnd: 0000000000000000'
}

@test "T12 an ordinary user of the container has no capabilities, and ambient ones when asked" {
	need_root
	bundle root b ".process.user = {uid: 1000, gid: 1000, additionalGids: [7]} | $(args 'grep -E "^(CapEff|CapPrm|CapInh|CapAmb|Groups)" /proc/self/status | tr -s "\t " " "')"
	run oci root run -b "$(home root)/b" c1
	assert_output $'Groups: 7 \nCapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapAmb: 0000000000000000'
	config root b ".process.user = {uid: 1000, gid: 1000} | (.process.capabilities[\"inheritable\",\"ambient\"]) = [\"CAP_KILL\"] | $(args 'grep -E "^(CapEff|CapAmb)" /proc/self/status | tr -s "\t " " "')"
	run oci root run -b "$(home root)/b" c1
	assert_output $'CapEff: 0000000000000020\nCapAmb: 0000000000000020'
}

@test "T13 exec --user is a strict decimal number" {
	bundle alice b "$(args 'exec sleep 1000')"
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	local u
	for u in -1 +0 0x0 ' 0' '0 ' 4294967295 4294967296 18446744073709551616 root :0 0: 0:x 0:0:0; do
		run oci alice exec -u "$u" c1 id
		assert_status 255
		assert_contains 'is not UID[:GID] in decimal'
	done
	for u in 0 0:0 00; do
		run oci alice exec -u "$u" c1 id -u
		assert_output 0
	done
	oci alice delete --force c1
}

@test "T14 the container's terminal is its own, in its own session" {
	bundle alice b ".process.terminal = true | $(args 'tty; sed "s/.*) . [0-9]* [0-9]* \([0-9]*\) .*/session \1/" /proc/self/stat; stat -c %t:%T /dev/console')"
	cat >"$T/spawn.py" <<-'PY'
		import os, pty, sys
		status = pty.spawn(sys.argv[1:])
		sys.exit(os.waitstatus_to_exitcode(status))
	PY
	run as alice /usr/bin/python3 "$T/spawn.py" crt-oci --root "$T/run/alice/oci" run -b "$(home alice)/b" c1
	assert_contains /dev/pts/0
	assert_contains 'session 1'
	# its own instance of devpts: the terminal's number says nothing of ours
	assert_contains '88:0'
}

@test "T15 the filter of the bundle is in force, with and without no_new_privs" {
	local nnp
	for nnp in true false; do
		bundle alice b ".process.noNewPrivileges = $nnp | .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\",
			syscalls: [{names: [\"mkdir\", \"mkdirat\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 95}]} |
			$(args 'mkdir /tmp/x; grep -E "^(Seccomp|NoNewPrivs):" /proc/self/status | tr -s "\t " " "')"
		run oci alice run -b "$(home alice)/b" c1
		assert_contains 'not supported'
		assert_contains 'Seccomp: 2'
		assert_contains "NoNewPrivs: $([ "$nnp" = true ] && echo 1 || echo 0)"
	done
	config alice b '.linux.seccomp = {defaultAction: "SCMP_ACT_NONSENSE"}'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'linux.seccomp'
}

@test "T32 what exec gives its process, and exec --cwd" {
	bundle alice b "$(args 'exec sleep 1000')"
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >/dev/null 2>&1
	run as alice bash -c "for i in {3..40}; do eval \"exec \$i</etc\"; done; exec crt-oci --root $T/run/alice/oci exec c1 sh -c 'ls /proc/self/fd | tr \"\\n\" \" \"'"
	assert_output '0 1 2 3 '
	local d
	for d in /proc/self/fd/3 /proc/self/fd/7 /proc/self/cwd /proc/1/root/proc/self/fd/5; do
		run as alice bash -c "exec 7</etc; exec crt-oci --root $T/run/alice/oci exec --cwd $d c1 ls"
		assert_status 255
	done
	oci alice delete --force c1
}

@test "T33 /proc and /sys must be real directories; nothing but procfs becomes /proc" {
	local dir
	bundle alice b '.process.args = ["/bin/true"]'
	dir="$(home alice)/b/rootfs"
	rmdir "$dir/proc"
	ln -s tmp "$dir/proc"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'must be mounted on ordinary directory'
	rm "$dir/proc"
	echo file >"$dir/proc"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	rm "$dir/proc"
	rmdir "$dir/sys"
	ln -s "$T/tripwire/dir" "$dir/sys"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	rm "$dir/sys"
	as alice mkdir -p "$dir/proc" "$dir/sys"
	config alice b '.process.args = ["/bin/true"] | .mounts[0] = {destination: "/proc", type: "tmpfs", source: "tmpfs"}'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'inside /proc'
	local d
	for d in /proc/self /proc/self/attr /proc/sys/kernel /proc/1/../sys /tmp/../proc/self; do
		config alice b ".process.args = [\"/bin/true\"] | .mounts += [{destination: \"$d\", type: \"tmpfs\", source: \"tmpfs\"}]"
		run oci alice run -b "$(home alice)/b" c1
		assert_status 1
	done
	# through a link of the image
	ln -s proc/self "$dir/self"
	config alice b '.process.args = ["/bin/true"] | .mounts += [{destination: "/self/attr", type: "tmpfs", source: "tmpfs"}]'
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	# the harmless ones
	config alice b ".mounts += [{destination: \"/proc/uptime\", type: \"bind\", source: \"/etc/hostname\", options: [\"bind\", \"ro\"]}] | $(args 'cat /proc/uptime')"
	run oci alice run -b "$(home alice)/b" c1
	assert_output "$(cat /etc/hostname)"
}

@test "T34 mount points through links stay inside the root" {
	local dir d
	bundle alice b
	dir="$(home alice)/b/rootfs"
	ln -s "$T/tripwire/dir" "$dir/abs"
	ln -s ../../../../../.."$T/tripwire/dir" "$dir/rel"
	ln -s "$T/tripwire/dangling" "$dir/dangling"
	ln -s loop "$dir/loop"
	mkfifo "$dir/fifo"
	[ "$(id -u)" != 0 ] || chown -R -h "$(user alice)" "$dir"
	for d in /abs /rel /abs/new /rel/new /dangling /../../../../../abs /tmp/../abs/x; do
		config alice b ".root.readonly = false | .mounts += [{destination: \"$d\", type: \"tmpfs\", source: \"tmpfs\"}] | $(args 'grep -c " tmpfs" /proc/self/mounts >/dev/null; echo in >'"$d"'/witness; cat '"$d"'/witness')"
		run oci alice run -b "$(home alice)/b" c1
		assert_output in
		config alice b ".root.readonly = false | .mounts += [{destination: \"$d-file\", type: \"bind\", source: \"/etc/hostname\", options: [\"bind\", \"ro\"]}] | $(args "cat $d-file")"
		run oci alice run -b "$(home alice)/b" c1
		assert_output "$(cat /etc/hostname)"
	done
	for d in /loop /loop/x /fifo/x /bin/busybox/x; do
		config alice b ".root.readonly = false | .mounts += [{destination: \"$d\", type: \"tmpfs\", source: \"tmpfs\"}] | $(args true)"
		run oci alice run -b "$(home alice)/b" c1
		assert_status 1
		assert_contains "$d"
	done
	config alice b ".mounts += [{destination: \"/x\", type: \"bind\", source: \"$T/nothing\", options: [\"bind\"]}] | $(args true)"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 1
	assert_contains 'no such file or directory'
}

@test "T35 /dev as a link, or full of links: the host's files stay untouched" {
	local dir link
	decoy
	bundle alice b "$(args 'stat -c %t:%T /dev/null /dev/zero | tr "\n" " "; stat -f -c %T /dev; readlink /dev/fd')"
	dir="$(home alice)/b/rootfs"
	rmdir "$dir/dev"
	for link in "$T/decoy" "../../../../..$T/decoy" /tmp proc; do
		ln -s "$link" "$dir/dev"
		run oci alice run -b "$(home alice)/b" c1
		assert_status 1
		assert_contains 'must be mounted on ordinary directory'
		rm "$dir/dev"
		decoy_untouched
	done
	as alice mkdir "$dir/dev"
	for f in null zero console ptmx fd stdin shm mqueue pts; do ln -s "$T/decoy/$f" "$dir/dev/$f"; done
	run oci alice run -b "$(home alice)/b" c1
	assert_output $'1:3 1:5 tmpfs\n/proc/self/fd'
	decoy_untouched
	# without a /dev in the configuration there is one nevertheless, with and without a terminal
	config alice b ".mounts |= map(select(.destination | startswith(\"/dev\") | not)) | $(args 'stat -c %t:%T /dev/null; stat -f -c %T /dev; test -c /dev/ptmx && echo ptmx')"
	run oci alice run -b "$(home alice)/b" c1
	assert_output $'1:3\ntmpfs\nptmx'
	decoy_untouched
}

@test "T35 masked and read-only paths: our null device, an empty directory, or nothing" {
	local dir
	bundle alice b ".linux.maskedPaths = [\"/etc/passwd\", \"/tmp\", \"/proc/keys\", \"/no/such\", \"/evil\"] |
		.linux.readonlyPaths = [\"/proc/sys\", \"/rw\", \"/none\"] | .root.readonly = false |
		$(args 'stat -c %t:%T /etc/passwd; cat /etc/passwd; ls /tmp | wc -l; echo x >/tmp/x; echo x >/rw/x; echo x >/proc/sys/kernel/hostname; echo end')"
	dir="$(home alice)/b/rootfs"
	echo secret >"$dir/tmp/secret"
	as alice mkdir "$dir/rw"
	ln -s "$T/tripwire/file" "$dir/evil"
	run oci alice run -b "$(home alice)/b" c1
	assert_contains 1:3
	refute_contains root:x
	refute_contains secret
	[ "$(grep -c 'Read-only file system' <<<"$output")" = 3 ] || flunk
	assert_contains end
	[ ! -e "$dir/rw/x" ] || flunk
}

@test "T36 nothing is ever written into the root file system but mount points" {
	need_program find
	local dir
	bundle alice b ".root.readonly = false | .process.args = [\"/bin/true\"] | .mounts += [{destination: \"/new/dir\", type: \"tmpfs\", source: \"tmpfs\"}]"
	dir="$(home alice)/b/rootfs"
	ln -s "$T/tripwire/file" "$dir/etc/resolv.conf"
	ln "$T/tripwire/file" "$dir/etc/hosts" 2>/dev/null || true
	(cd "$dir" && find . -printf '%p %y %m\n' | sort) >"$T/before"
	run oci alice run -b "$(home alice)/b" c1
	assert_status 0
	run bash -c "cd $dir && find . -printf '%p %y %m\n' | sort | diff $T/before - | grep '^[<>]' | sort"
	assert_output $'> ./new d 755\n> ./new/dir d 755'
	rm -f "$dir/etc/hosts"
	tripwire_list >"$T/tripwire.before" # the hard link changed its count
}

@test "T30 a program that is our own executable can be run but not written" {
	need_root
	not_sanitized "the copy in the container has no libasan"
	local before dir
	cp "$CRT_BIN/crt-oci" "$T/crt-oci"
	before=$(sha256sum "$T/crt-oci")
	bundle root b ".root.readonly = false | .process.args = [\"/evil\", \"--version\"]"
	dir="$(home root)/b/rootfs"
	ln -s /proc/self/exe "$dir/evil"
	run as root "$T/crt-oci" --root "$T/run/root/oci" run -b "$(home root)/b" c1
	# an executable with shared libraries finds them not in there
	ldd "$T/crt-oci" 2>&1 | grep -q '=>' || assert_contains 'crt-oci version'
	printf '#!/proc/self/exe --version\n' >"$dir/script"
	chmod 0755 "$dir/script"
	config root b ".root.readonly = false | .process.args = [\"/script\"]"
	run as root "$T/crt-oci" --root "$T/run/root/oci" run -b "$(home root)/b" c1
	# a process that keeps trying to open whatever runs here for writing
	config root b ".root.readonly = false | $(args 'while :; do for p in /proc/[0-9]*/exe; do { echo x >>$p; } 2>/dev/null && echo "wrote $p"; done; done')"
	as root "$T/crt-oci" --root "$T/run/root/oci" run -d -b "$(home root)/b" c1 </dev/null >"$T/log" 2>&1
	for _ in {1..20}; do
		as root "$T/crt-oci" --root "$T/run/root/oci" exec c1 /bin/true
	done
	as root "$T/crt-oci" --root "$T/run/root/oci" delete --force c1
	[ "$(sha256sum "$T/crt-oci")" = "$before" ] || flunk "our executable was changed"
	run grep -v busybox "$T/log"
	rm -f "$T/log"
}

@test "T30 what waits at the gate as root runs from a mount that cannot be written" {
	need_root
	local pid
	bundle root b "$(args true)"
	oci root create -b "$(home root)/b" c1 </dev/null >"$T/log" 2>&1
	pid=$(oci root state c1 | jq .pid)
	/usr/bin/python3 -c 'import os, sys; sys.exit(not os.statvfs(sys.argv[1]).f_flag & os.ST_RDONLY)' "/proc/$pid/exe"
	# the same file, and the name it was started by is left to find helpers beside it
	[ "$(stat -Lc %d:%i "/proc/$pid/exe")" = "$(stat -c %d:%i "$CRT_BIN/crt-oci")" ]
	[ "$(tr '\0' '\n' <"/proc/$pid/cmdline" | head -n1)" = "$(readlink -f "$CRT_BIN/crt-oci")" ]
	oci root delete --force c1
}

@test "kernels without mount_setattr: flags by remount, and the host's cgroups stay out of reach" {
	need_program strace
	bundle alice b ".root.readonly = true | .mounts += [{destination: \"/tmp\", type: \"bind\", source: \"$T/tripwire\", options: [\"bind\", \"ro\", \"nosuid\"]}] |
		$(args 'for f in /x /tmp/x /proc/sys/x /sys/fs/cgroup/x /sys/fs/cgroup/*/x; do echo x >$f; done; grep -c "/tmp .*ro,nosuid" /proc/self/mounts; cat /tmp/file')"
	run as alice env ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null -e trace=mount_setattr -e inject=mount_setattr:error=ENOSYS \
		crt-oci --root "$T/run/alice/oci" run -b "$(home alice)/b" c1
	assert_contains secret
	assert_contains $'\n1\n'
	[ "$(grep -c 'Read-only file system' <<<"$output")" -ge 3 ] || flunk
	config alice b "$(args 'echo x >/sys/fs/cgroup/memory/x; echo x >/sys/fs/cgroup/x; ls /sys/fs/cgroup | wc -l; ls /sys | wc -l') | .mounts |= map(select(.type != \"cgroup\")) | .linux.namespaces |= map(select(.type != \"network\"))"
	run as alice env ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null -e trace=mount_setattr -e inject=mount_setattr:error=ENOSYS \
		crt-oci --root "$T/run/alice/oci" run -b "$(home alice)/b" c1
	[ "${lines[-2]}" = 0 ] || flunk "cgroups of the host are visible"
	[ "${lines[-1]}" -gt 3 ] || flunk
}

@test "T31 a process of the container sees nothing of an exec before its program runs" {
	bundle alice b "$(args 'while :; do for p in /proc/[0-9]*; do readlink $p/exe; readlink $p/cwd; readlink $p/root; ls -l $p/fd; cat $p/maps; done; done')"
	oci alice run -d -b "$(home alice)/b" c1 </dev/null >"$T/seen" 2>/dev/null
	for _ in {1..60}; do
		oci alice exec c1 /bin/true </dev/null >/dev/null 2>&1
	done
	oci alice delete --force c1
	[ -s "$T/seen" ] || flunk "the spy saw nothing at all"
	run grep -E "crt-oci|config\.json|state\.json|$T/(run|home)/alice/(oci|b)/[^r]" "$T/seen"
	assert_output ''
}

# what a container must never change on its host
host_values() {
	cat /proc/sys/kernel/{core_pattern,modprobe,hostname,domainname,sysrq} /proc/self/loginuid \
		/sys/kernel/uevent_helper /proc/sys/vm/overcommit_memory 2>/dev/null
	ls /proc/sys/fs/binfmt_misc 2>/dev/null
}

@test "T39 the host's switches cannot be written: by run and by exec, as a user and as root" {
	local before who script
	before=$(host_values)
	# each that can be opened for writing is named; 2>&1 shows nothing else but errors
	script='for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/sysrq /proc/sysrq-trigger /proc/sys/vm/overcommit_memory \
		/proc/sys/vm/drop_caches /proc/sys/fs/binfmt_misc/register /sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled \
		/sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs /sys/power/state \
		/proc/self/timens_offsets /proc/1/timens_offsets /proc/irq/default_smp_affinity /proc/mtrr /proc/bus/pci; do
			[ ! -d $f ] && { echo x >$f; } 2>/dev/null && echo "wrote $f"
		done
		busybox date -s 2001-01-01 >/dev/null 2>&1
		[ "$(busybox date +%Y)" != 2001 ] || echo "set the time"
		busybox hostname leak 2>/dev/null; echo leak 2>/dev/null >/proc/sys/kernel/domainname
		busybox mount -o remount,rw /proc/sys 2>/dev/null && echo remounted
		busybox mount -t tmpfs none /tmp 2>/dev/null && echo mounted
		busybox mknod /tmp/mem c 1 1 2>/dev/null && { echo x >/tmp/mem; } 2>/dev/null && echo "wrote memory"
		echo end'
	for who in alice root; do
		[ "$who" = alice ] || [ "$(id -u)" = 0 ] || continue
		bundle "$who" b "$(args "$script; exec sleep 1000") | .root.readonly = false | .linux.namespaces += [{type: \"time\"}]"
		oci "$who" run -d -b "$(home "$who")/b" c1 </dev/null >"$T/out" 2>&1
		wait_for 20 grep -q end "$T/out"
		[ "$(cat "$T/out")" = end ] || flunk "$who: $(cat "$T/out")"
		run oci "$who" exec c1 sh -c "$script"
		assert_output end
		oci "$who" delete --force c1
	done
	rm "$T/out"
	[ "$(host_values)" = "$before" ] || flunk "the host's values changed: $before / $(host_values)"
}

@test "T40 two containers of one user: nothing of each other, and kill -9 -1 ends only one's own" {
	need_root # a network namespace for each, with subordinate ids
	local base pid ns
	base="$(range_maps alice) | .linux.namespaces += [{type: \"network\"}] | .root.readonly = false"
	bundle alice a "$base | $(args 'echo secret >/dev/shm/of-a; echo secret >/tmp/of-a; mkdir /dev/mqueue/x 2>/dev/null; exec sleep 1234')"
	bundle alice b "$base | $(args 'exec sleep 1000')"
	oci alice run -d -b "$(home alice)/a" ca </dev/null >"$T/out" 2>&1
	oci alice run -d -b "$(home alice)/b" cb </dev/null >"$T/out" 2>&1
	rm "$T/out"
	pid=$(oci alice state ca | jq .pid)
	run oci alice exec cb sh -c 'cat /proc/[0-9]*/cmdline | tr "\0" " "; ls /dev/shm /dev/mqueue /tmp; cat /proc/net/unix /proc/sysvipc/*; cat /proc/keys 2>/dev/null'
	assert_status 0
	refute_contains 1234
	refute_contains of-a
	refute_contains crt-oci
	for ns in mnt pid ipc uts net user cgroup; do
		[ "$(readlink "/proc/$pid/ns/$ns")" != "$(oci alice exec cb readlink "/proc/self/ns/$ns")" ] || flunk "both are in $ns"
		[ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] || flunk "ca is in the host's $ns"
	done
	# of the host's process ids none is another's
	run oci alice exec cb sh -c "kill -9 $pid; ls /proc/$pid"
	[ "$status" != 0 ] || flunk "$output"
	oci alice exec cb sh -c 'kill -9 -1' || true
	[ "$(oci alice state ca | jq -r .status)" = running ] || flunk "ca ended"
	[ "$(oci alice state cb | jq -r .status)" = running ] || flunk "the first process of cb ended"
	kill -0 "$pid"
	oci alice delete --force ca
	oci alice delete --force cb
}

@test "pipes become the user's, a device of the host never does" {
	need_root
	bundle root b ".process.user = {uid: 1000, gid: 1000} | $(args 'echo x >/dev/stderr && echo ok')"
	run oci root run -b "$(home root)/b" c1
	assert_contains ok
	oci root run -b "$(home root)/b" c1 </dev/null >/dev/null 2>/dev/null || true
	[ "$(stat -c %u:%g /dev/null)" = 0:0 ] || flunk "/dev/null belongs to $(stat -c %u:%g /dev/null)"
}
