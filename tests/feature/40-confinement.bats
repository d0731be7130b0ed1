#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a process of a container is, sees and may do.

load helpers

# Programs that run inside: static, built here, because the package does not hold them.
setup_file() {
	export TOOLS=$BATS_FILE_TMPDIR
	chmod 0755 "$TOOLS" "$BATS_RUN_TMPDIR"
	if command -v cc >/dev/null; then
		cc -static -O1 -D_GNU_SOURCE -pthread -o "$TOOLS/seccomp-probe" "$BATS_TEST_DIRNAME/../tools/seccomp-probe.c"
		cc -static -O1 -D_GNU_SOURCE -o "$TOOLS/tty-inject" "$BATS_TEST_DIRNAME/../tools/tty-inject.c"
		chmod 0755 "$TOOLS"/*
	fi
}

# tool NAME: a copy in alice's and everybody's reach
tool() {
	[ -x "$TOOLS/$1" ] || skip "needs a C compiler with static libraries"
	cp "$TOOLS/$1" "$T/$1"
	echo "$T/$1"
}

crt_run() { # USER OPTIONS... IMAGE CMD...
	local who=$1
	shift
	as "$who" crt run --rm --network none "$@"
}

# ---- T4 ---------------------------------------------------------------------------------------------

@test "T4: 5000 orphans in a container with --init leave no zombie, and init is idle afterwards" {
	run crt_run alice --init builtin:busybox sh -c '
		i=0
		while [ $i -lt 5000 ]; do (true &); i=$((i + 1)); done
		sleep 1
		grep -l "^State:.Z" /proc/[0-9]*/status
		before=$(cut -d" " -f14,15 /proc/1/stat)
		sleep 0.5
		[ "$before" = "$(cut -d" " -f14,15 /proc/1/stat)" ] && echo idle
		exit 4'
	assert_status 4
	assert_output idle
}

# ---- T6 ---------------------------------------------------------------------------------------------

# what is asked inside: one line per path, "PATH absent|empty|denied|CONTENT"
mask_script='
for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/latency_stats /proc/interrupts; do
	if [ ! -e $f ]; then echo $f absent; elif ! (: <$f) 2>/dev/null; then echo $f denied
	elif [ -z "$(head -c1 $f)" ]; then echo $f empty; else echo $f CONTENT; fi
done
for d in /proc/acpi /proc/scsi /proc/asound /sys/firmware /sys/devices/virtual/powercap /sys/dev/block; do
	if [ ! -e $d ]; then echo $d absent; elif [ -z "$(ls -A $d)" ]; then echo $d empty; else echo $d CONTENT; fi
done
for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/overcommit_memory /proc/sysrq-trigger \
	/proc/irq/default_smp_affinity /proc/bus/new /proc/fs/new /sys/kernel/new /sys/fs/cgroup/new; do
	(echo 1 >$f) 2>/dev/null && echo $f WRITTEN
done
mkdir /sys/fs/cgroup/new 2>/dev/null && echo cgroup WRITTEN
true'

masking() {
	run crt_run "$1" builtin:busybox sh -c "$mask_script"
	assert_status 0
	refute_contains CONTENT
	refute_contains WRITTEN
	assert_contains "/proc/keys empty"
	assert_contains "/proc/timer_list empty"
}
@test "T6: masked and read-only paths: alice" { masking alice; }
@test "T6: masked and read-only paths: carol" { need_root && masking carol; }
@test "T6: masked and read-only paths: root" { need_root && masking root; }

@test "T6: unmask and mask take effect" {
	run crt_run alice --security-opt unmask=/proc/timer_list:/sys/firmware --security-opt mask=/etc builtin:busybox sh -c '
		grep -c " /proc/timer_list \| /sys/firmware " /proc/self/mountinfo; ls -A /etc | wc -l; : </proc/keys && head -c1 /proc/keys'
	assert_status 0
	assert_output "0
0"
}

# ---- T7 ---------------------------------------------------------------------------------------------

# every mount point with the flags that matter, in one word each
mounts_inside() {
	crt_run "$@" builtin:busybox sh -c 'while read -r _ _ _ _ where flags rest; do
		f=
		for w in ro nosuid nodev noexec; do case ",$flags," in *,$w,*) f="$f,$w" ;; esac; done
		echo "$where ${f#,}"; done </proc/self/mountinfo | grep -v "^/sys/fs/cgroup/" | sort'
}

flags() {
	run mounts_inside "$1"
	assert_status 0
	local want line
	for want in "/ nodev" "/dev nosuid,noexec" "/dev/mqueue nosuid,nodev,noexec" "/dev/pts nosuid,noexec" \
		"/dev/shm nosuid,nodev,noexec" "/proc nosuid,nodev,noexec" "/proc/bus ro,nosuid,nodev,noexec" \
		"/proc/fs ro,nosuid,nodev,noexec" "/proc/irq ro,nosuid,nodev,noexec" "/proc/sys ro,nosuid,nodev,noexec" \
		"/sys ro,nosuid,nodev,noexec"; do
		# root's own overlay needs no nodev: device nodes in layers of a real root are refused by the device rules
		[ "$1" != root ] || [ "$want" != "/ nodev" ] || continue
		grep -qxF "$want" <<<"$output" || flunk "expected the mount: $want"
	done
	# nothing else but what is masked, bound and known
	while read -r line; do
		case ${line%% *} in
		/ | /proc | /sys | /sys/fs/cgroup | /dev | /dev/pts | /dev/mqueue | /dev/shm) ;;
		/dev/null | /dev/zero | /dev/full | /dev/random | /dev/urandom | /dev/tty) ;;
		/proc/* | /sys/*) ;;
		/etc/hosts | /etc/hostname | /etc/resolv.conf | /run/.containerenv)
			[[ $line == *nosuid,nodev* ]] || flunk "$line"
			;;
		*) flunk "a mount that nobody asked for: $line" ;;
		esac
	done <<<"$output"
}
@test "T7: mounts and their flags: alice" { flags alice; }
@test "T7: mounts and their flags: carol" { need_root && flags carol; }
@test "T7: mounts and their flags: root" { need_root && flags root; }

devices() {
	run crt_run "$1" builtin:busybox sh -c 'cd /dev && ls -A | tr "\n" " "; ls -A pts | tr "\n" " "
		for d in sda kmsg mem fuse kvm port; do
			(: <$d) 2>/dev/null && echo "$d OPENED"
		done
		mknod sda b 8 0 2>/dev/null && (: <sda) && echo "sda OPENED"
		mknod /tmp/kmsg c 1 11 2>/dev/null && (: </tmp/kmsg) && echo "kmsg OPENED"
		true'
	assert_status 0
	# shellcheck disable=SC2154
	[ "$(tr ' ' '\n' <<<"${lines[0]}" | grep -vx core | sort | tr '\n' ' ')" = \
		" fd full mqueue null ptmx ptmx pts random shm stderr stdin stdout tty urandom zero " ] || flunk "/dev"
	refute_contains OPENED
}
@test "T7: what /dev holds, and no other device can be had: alice" { devices alice; }
@test "T7: what /dev holds, and no other device can be had: carol" { need_root && devices carol; }
@test "T7: what /dev holds, and no other device can be had: root" { need_root && devices root; }

@test "T7: with -t there is a console, and it is the terminal" {
	run crt_run alice -t builtin:busybox sh -c 'ls /dev/console && test -t 0 && tty'
	assert_status 0
	assert_match '/dev/(pts/0|console)'
}

# ---- T12 --------------------------------------------------------------------------------------------

# rights USER [OPTIONS]: the five capability sets, "nnp N seccomp N" in one line, without leading zeros
rights() {
	local who=$1
	shift
	run crt_run "$who" "$@" builtin:busybox sh -c '
		while read -r k v; do case $k in
		Cap*) printf "%x " 0x$v ;;
		NoNewPrivs:) printf "nnp %s " "$v" ;;
		Seccomp:) printf "seccomp %s" "$v" ;;
		esac; done </proc/self/status'
	assert_status 0
}

golden_rights() {
	local who=$1 default=800405fb all=1ffffffffff
	if [ "$who" = root ]; then
		# real root has what the machine gives it
		all=$(awk '/^CapBnd/ { sub(/^0+/, "", $2); print $2 }' /proc/self/status)
	fi
	rights "$who"
	assert_output "0 $default $default $default 0 nnp 0 seccomp 2"
	rights "$who" --cap-drop all
	assert_output "0 0 0 0 0 nnp 0 seccomp 2"
	rights "$who" --cap-add NET_RAW
	assert_output "0 800425fb 800425fb 800425fb 0 nnp 0 seccomp 2"
	rights "$who" --cap-drop all --cap-add chown --cap-add CAP_KILL
	assert_output "0 21 21 21 0 nnp 0 seccomp 2"
	rights "$who" --cap-add all
	assert_output "0 $all $all $all 0 nnp 0 seccomp 2"
	rights "$who" --privileged
	assert_output "0 $all $all $all 0 nnp 0 seccomp 0"
	rights "$who" --security-opt no-new-privileges
	assert_output "0 $default $default $default 0 nnp 1 seccomp 2"
	rights "$who" --security-opt seccomp=unconfined
	assert_output "0 $default $default $default 0 nnp 0 seccomp 0"
}
@test "T12: capabilities, no_new_privs and seccomp: alice" { golden_rights alice; }
@test "T12: capabilities, no_new_privs and seccomp: carol" { need_root && golden_rights carol; }
@test "T12: capabilities, no_new_privs and seccomp: root" { need_root && golden_rights root; }

@test "T12: a user other than root has no capabilities but those that were asked for" {
	rights alice -u 1000
	assert_output "0 0 0 800405fb 0 nnp 0 seccomp 2"
	rights alice -u 1000 --privileged
	assert_output "0 0 0 1ffffffffff 0 nnp 0 seccomp 0"
	# as podman: an added one is ambient, else it would be lost
	rights alice -u 1000 --cap-add NET_RAW
	assert_output "2000 2000 2000 800425fb 2000 nnp 0 seccomp 2"
}

@test "T12: supplementary groups are the image's, and those of --group-add" {
	image groups
	mkdir -p "$T/layer/etc"
	printf 'root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\n' >"$T/layer/etc/passwd"
	printf 'root:x:0:\nada:x:1000:\nlab:x:2000:ada,root\nother:x:2001:bob\n' >"$T/layer/etc/group"
	tar -C "$T/layer" --owner=0 --group=0 -cf "$T/layer.tar" etc
	image_add groups "$T/layer.tar"
	run crt_run alice "oci:$T/img/groups" grep Groups /proc/self/status
	assert_match '^Groups:.(0 )?2000 $'
	run crt_run alice -u ada "oci:$T/img/groups" grep Groups /proc/self/status
	# and the user's own, as podman has it
	assert_match '^Groups:.1000 2000 $'
	run crt_run alice -u ada --group-add 3000 "oci:$T/img/groups" grep Groups /proc/self/status
	assert_match '^Groups:.1000 2000 3000 $'
	run crt_run alice -u 5:6 builtin:busybox grep Groups /proc/self/status
	assert_match '^Groups:.6 $'
}

@test "T12: without subordinate ids a group that denies access cannot be dropped" {
	need_root
	local gid=54321
	echo secret >"$T/denied"
	chown "root:$gid" "$T/denied"
	chmod 0604 "$T/denied"
	local account
	account=$(user carol)
	# as carol, member of the group
	run setpriv --reuid="$account" --regid="$account" --groups="$gid" env -i HOME="$(home carol)" PATH="$CRT_BIN:/usr/bin:/bin" \
		XDG_RUNTIME_DIR="$(runtime_dir carol)" \
		crt run --rm --network none -v "$T/denied:/denied" builtin:busybox cat /denied
	assert_status 1
	refute_contains secret
}

# ---- T14 --------------------------------------------------------------------------------------------

legacy_tiocsti() {
	need_root
	TIOCSTI_BEFORE=$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null) || return 0
	echo 1 >/proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || skip "cannot set dev.tty.legacy_tiocsti"
}

teardown() {
	[ -z "${TIOCSTI_BEFORE-}" ] || echo "$TIOCSTI_BEFORE" >/proc/sys/dev/tty/legacy_tiocsti
	world_teardown
}

@test "T14: nothing in a container can type into the caller's terminal" {
	local inject
	legacy_tiocsti
	inject=$(tool tty-inject)
	# what this test would see if the call worked
	run pty alice -- "$inject"
	assert_contains "TIOCSTI 0 DONE"

	cat >"$T/check" <<-END
		crt run --rm --network none \$1 -v $inject:/inject:ro builtin:busybox sh -c '/inject; (sleep 0.3; /inject) &'
		echo "code \$?"
		sleep 0.6
		read -r -t 0.5 -n 1 typed && echo "typed <\$typed>" || echo "nothing typed"
	END
	for how in "" -i -t -it; do
		run pty alice 'expect:typed' -- bash "$T/check" "$how"
		assert_contains "nothing typed"
		assert_contains "TIOCSTI 1"
		refute_contains DONE
	done
}

# ---- T15 --------------------------------------------------------------------------------------------

probe() {
	local probe
	[ "$(uname -m)" = x86_64 ] || skip "the list is for x86_64"
	probe=$(tool seccomp-probe)
	run crt_run "$1" -v "$probe:/probe:ro" "${@:2}" builtin:busybox /probe
	assert_status 0
}
golden_seccomp() {
	probe "$1"
	diff -u <(grep -v '^#' "$BATS_TEST_DIRNAME/seccomp-golden.txt") - <<<"${output/i386 absent from this kernel/i386 ENOSYS 0-500}"
}
@test "T15: the answer to every system call, family of sockets and foreign ABI: alice" { golden_seccomp alice; }
@test "T15: the answer to every system call, family of sockets and foreign ABI: carol" { need_root && golden_seccomp carol; }
@test "T15: the answer to every system call, family of sockets and foreign ABI: root" { need_root && golden_seccomp root; }

@test "T15: capabilities open what they are about, but never AF_ALG, AF_VSOCK, keys, io_uring" {
	probe alice --cap-add all
	assert_contains "socket EAFNOSUPPORT 0 3-9 11-15 18-46"
	assert_contains "ioctl ENOTTY 21522 21532"
	assert_match $'native EPERM [^\n]*248-249'
	assert_match $'native ENOSYS 425-427'
	refute_contains "clone-flag-bit"
	refute_contains "netlink"
	! grep -E '^native EPERM.* (165|272|308|428-433) ' <<<"$output" || flunk "mounts are still closed"
}

@test "T15: seccomp=FILE is used, a broken one is refused by name, unconfined closes nothing" {
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' \
		>"$T/profile.json"
	run crt_run alice --security-opt "seccomp=$T/profile.json" builtin:busybox sh -c 'mkdir /x; touch /y && echo touched'
	assert_contains "No space left"
	assert_contains touched
	echo '{"defaultAction":"SCMP_ACT_MAYBE"}' >"$T/broken.json"
	run --separate-stderr crt_run alice --security-opt "seccomp=$T/broken.json" builtin:busybox true
	assert_error 125 'unknown action "SCMP_ACT_MAYBE"'
	run --separate-stderr crt_run alice --security-opt "seccomp=$T/absent.json" builtin:busybox true
	assert_error 125 "$T/absent.json"
	probe alice --security-opt seccomp=unconfined
	assert_output ""
}

@test "T15: programs fall back where a call is closed: threads without clone3, sockets without AF_ALG" {
	local probe
	[ "$(uname -m)" = x86_64 ] || skip "the list is for x86_64"
	probe=$(tool seccomp-probe)
	# the probe itself starts a thread; unshare and mount from busybox say EPERM and nothing worse
	run crt_run alice -v "$probe:/probe:ro" builtin:busybox sh -c '/probe >/dev/null && echo thread; unshare -U true; mount -t tmpfs x /mnt'
	assert_contains thread
	assert_contains "Operation not permitted"
}

@test "T39: a container of root gets its own null device, not the host's, whose mode it could change" {
	need_root
	# which node of the container descriptors 0 and 1 are
	cat >"$T/which" <<-'END'
		for fd in 0 1; do
			for name in null zero full; do
				[ "$(stat -L -c %d:%i /proc/$$/fd/$fd)" != "$(stat -c %d:%i /dev/$name)" ] || echo "$fd is $name" >&2
			done
		done
		echo x
	END
	run --separate-stderr as root sh -c "crt run --rm -v $T/which:/which:ro builtin:busybox sh /which >/dev/full"
	[[ $stderr == *"0 is null"*"1 is full"*"No space left"* ]] || flunk
	run --separate-stderr as root sh -c "crt run -i --rm -v $T/which:/which:ro builtin:busybox sh /which </dev/zero >/dev/null"
	[ "$stderr" = $'0 is zero\n1 is null' ] || flunk
}
