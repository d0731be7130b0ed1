#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# System calls that are refused, as by an older kernel or by the filter of an outer container.
load helpers

setup() {
	need_root
	[ -x "$CRT_BUILD/refuse" ] || skip "needs refuse of the build directory"
	world_setup
}

teardown() {
	[ -z "${T-}" ] || world_teardown
}

# refusing USER CALL=ERRNO[,...] CMD...
refusing() {
	local who=$1 calls=$2
	shift 2
	(
		cd "$(home "$who")" || exit 1
		close_fds
		exec "$CRT_BUILD/refuse" "$calls" setpriv --reuid="$(user "$who")" --regid="$(user "$who")" --init-groups \
			env -i HOME="$(home "$who")" PATH="$CRT_BIN:/usr/bin:/bin:/usr/sbin:/sbin" ${SANITIZER_ENV:+$SANITIZER_ENV} \
			XDG_RUNTIME_DIR="$(runtime_dir "$who")" LANG=C.UTF-8 "$@"
	)
}

@test "fall-backs: each newer system call may be missing" {
	local call
	for call in mount_setattr pidfd_open pidfd_send_signal close_range landlock_create_ruleset memfd_create statx \
		faccessat2 copy_file_range keyctl; do
		run --separate-stderr refusing alice "$call=ENOSYS" crt run --rm builtin:busybox echo "without $call"
		assert_output "without $call"
		[ -z "$stderr" ] || flunk "$call"
	done
}

@test "what crt cannot do without is named in one line" {
	local call
	run --separate-stderr refusing alice clone=EPERM,clone3=EPERM crt run --rm builtin:busybox true
	assert_error 125 "a seccomp filter forbids user namespaces"
	for call in unshare=EPERM mount=EPERM pivot_root=EPERM getrandom=ENOSYS flock=ENOLCK socket=EPERM; do
		run --separate-stderr refusing alice "$call" crt run --rm builtin:busybox true
		assert_error 125 ": "
	done
}

@test "whiteouts that cannot be made: names stand in, and only fuse-overlayfs uses such layers" {
	local who calls
	/usr/bin/python3 - "$T" <<-'END'
		import io, sys, tarfile
		for name, entries in ("low", ["d/", "d/gone", "d/stays", "o/", "o/hidden"]), \
		        ("high", ["d/.wh.gone", "o/", "o/.wh..wh..opq", "o/new"]):
		    with tarfile.open(f"{sys.argv[1]}/{name}.tar", "w") as t:
		        for e in entries:
		            i = tarfile.TarInfo(e.rstrip("/"))
		            i.type, i.mode = (tarfile.DIRTYPE, 0o755) if e.endswith("/") else (tarfile.REGTYPE, 0o644)
		            t.addfile(i)
	END
	image white
	image_add white "$T/low.tar"
	image_add white "$T/high.tar"
	for who in alice carol; do
		for calls in mknodat=EPERM setxattr=EPERM,fsetxattr=EPERM; do
			run refusing "$who" "$calls" crt pull "oci:$T/img/white"
			assert_contains "only fuse-overlayfs can use these layers"
			run as "$who" crt run --rm --network none "oci:$T/img/white" ls /d /o
			assert_output $'/d:\nstays\n\n/o:\nnew'
			as "$who" crt rmi -af
		done
	done
}
