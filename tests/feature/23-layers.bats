#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Layers of every real kind, unpacked and mounted: compared with what podman makes of them, and many of them.
load helpers

# odd_image NAME MANY: busybox and the layers of odd-layers.py
odd_image() {
	need_program python3
	need_program zstd
	image "$1"
	/usr/bin/python3 -B "$FEATURE_DIR/odd-layers.py" "$T/img/$1" "$2"
}

# every object of the tree in $1 with kind, mode, owner, size, blocks, time, target, links, attributes;
# directories that no layer has an entry for have the time of the unpacking
tree_list() {
	(
		cd "$1" || exit 1
		find odd bin home -path '*d000*' -prune -o \
			! -path odd -printf '%p|%y|%m|%U:%G|%s|%T@|%l|%n\0' | sort -z | tr '\0' '\n' | sed '/|d|/s/|[0-9]*|\([0-9.]*\)|/|\1|/'
		find odd -name leaf -exec cat {} \; # below 3800 bytes of names
		du -k odd/sparse | cut -f 1
		/usr/bin/python3 -c 'import os; print([(n, os.getxattr("odd/attr", n)) for n in sorted(os.listxattr("odd/attr")) if n.startswith("user.")])'
		find odd -type f ! -perm 0 -size -100k -print0 | sort -z | xargs -0 sha256sum
	)
}

@test "layers: gzip members, zstd with a table of contents, plain, empty; all kinds of entries, as podman has them" {
	need_root
	need_program skopeo
	need_program podman
	local pid
	odd_image odd 12
	run --separate-stderr as root crt run -d --network none --name odd "oci:$T/img/odd" sleep 1000
	assert_status 0
	pid=$(as root crt inspect -f '{{.State.Pid}}' odd)
	tree_list "/proc/$pid/root" >"$T/ours"
	as root crt rm -f -t 0 odd >/dev/null
	export -f tree_list
	# in a mount namespace of its own: podman leaves mounts behind
	timeout 120 unshare --mount bash -c '
		skopeo copy -q "oci:$1/img/odd:latest" "containers-storage:[overlay@$1/pod+$1/podrun]localhost/odd:1" &&
			at=$(podman --root "$1/pod" --runroot "$1/podrun" --storage-driver overlay image mount localhost/odd:1) &&
			tree_list "$at" >"$1/theirs"' - "$T" 2>"$T/podman.err" || skip "podman cannot be compared with here: $(tail -n 1 "$T/podman.err")"
	[ "$(wc -l <"$T/theirs")" -gt 100 ] || flunk "nothing was compared"
	diff -a "$T/theirs" "$T/ours" | head -n 20
	cmp "$T/theirs" "$T/ours" || flunk "podman (<) and crt (>) differ"
}

@test "layers: the same tree for every kind of user, and a new container has what another one removed" {
	local who
	odd_image odd 3
	for who in alice carol root; do
		user "$who" >/dev/null && { [ "$who" = alice ] || [ "$(id -u)" = 0 ]; } || continue
		run --separate-stderr as "$who" crt run --rm -q --network none "oci:$T/img/odd" sh -c '
			cd /odd && cat turn/y && echo && cat empty && echo && ls gone opaque && cat count && echo &&
			[ -f hard ] || echo "no hard"; [ both -ef both2 ] && echo linked; stat -c %s sparse; ls | grep -c "^n*$"; cat flip;
			rm -r /odd/turn && mkdir /odd/turn && ls /odd/turn'
		assert_status 0
		assert_output "a directory again
a file again
gone:
z

opaque:
new
2
no hard
linked
1048579
1
2"
	done
}

@test "layers: 130 of them, by the kernel and by fuse-overlayfs" {
	odd_image many 126
	run --separate-stderr as alice crt run --rm -q --network none "oci:$T/img/many" sh -c 'cat /odd/count; echo; ls /odd | grep -c layer-; ls /odd/flip; echo w >/odd/new; cat /odd/new'
	assert_status 0
	assert_output "125
50
f125
w"
	if command -v fuse-overlayfs >/dev/null; then
		run as alice crt run --rm -q --network none --userns keep-id "oci:$T/img/many" cat /odd/count
		assert_status 0
		assert_output 125
	fi
}
