#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images whose layers attack the unpacker: tests/registry/hostile-tars.py makes one layout per case, and its
# name says what must happen. What the tripwire and the store look like afterwards is the clean check's part.
load helpers

REGISTRY_DIR=$FEATURE_DIR/../registry


make_tars() {
	/usr/bin/python3 -B "$REGISTRY_DIR/hostile-tars.py" "$T/tars" "$T/tripwire"
	chmod -R a+rX "$T/tars"
}

# try_all USER: pull every case; each must end as its name says
try_all() {
	local who=$1 dir name want bad=0
	make_tars
	for dir in "$T"/tars/*; do
		name=${dir##*/}
		case $name in taken-*) want=0 ;; *) want=125 ;; esac
		run --separate-stderr as "$who" crt pull -q "oci:$T/tars/$name:latest"
		if [ "$status" != "$want" ]; then
			echo "$name: status $status instead of $want: $stderr"
			bad=1
		elif [ "$want" = 125 ] && { [ -n "$output" ] || [ "${#stderr_lines[@]}" != 1 ]; }; then
			echo "$name: not one line on stderr: $output $stderr"
			bad=1
		fi
	done
	# nothing of the refused ones is listed
	run as "$who" crt images
	refute_contains refused || bad=1
	return "$bad"
}

# tree USER CASE LAYER: path of an unpacked layer, counted from 0
tree() {
	local dir=$T/tars/$2 manifest
	manifest=$(jq -r '.manifests[0].digest[7:]' "$dir/index.json")
	manifest=$(jq -r '.config.digest[7:]' "$dir/blobs/sha256/$manifest")
	echo "$(store "$1")/layers/$(jq -r ".rootfs.diff_ids[$3][7:]" "$dir/blobs/sha256/$manifest")/fs"
}

pulled() {
	run --separate-stderr as "$1" crt pull "oci:$T/tars/$2:latest"
	assert_status 0
}

xattrs() { /usr/bin/python3 -c 'import os, sys; [print(n, os.getxattr(sys.argv[1], n, follow_symlinks=False)) for n in sorted(os.listxattr(sys.argv[1], follow_symlinks=False))]' "$1"; }

@test "T20 T21 T22: hostile tars are refused or contained (subordinate ids)" {
	try_all alice
}

@test "T20 T21 T22: hostile tars are refused or contained (a single id)" {
	need_root
	try_all carol
}

@test "T20 T21 T22: hostile tars are refused or contained (root)" {
	need_root
	try_all root
}

@test "T20: an absolute name and a link lead to places in the layer itself" {
	need_root
	make_tars
	pulled alice taken-absolute-pax
	[ "$(cat "$(tree alice taken-absolute-pax 0)$T/tripwire/file")" = evil ]
	pulled alice taken-symlink-absolute
	[ "$(cat "$(tree alice taken-symlink-absolute 0)$T/tripwire/new")" = evil ]
	pulled alice taken-symlink-proc
	[ "$(cat "$(tree alice taken-symlink-proc 0)/proc/self/root$T/tripwire/file")" = evil ]
}

@test "T21: overlay marks of a tar are dropped, its own attributes kept" {
	need_root
	make_tars
	pulled alice taken-marks
	run xattrs "$(tree alice taken-marks 0)/d"
	assert_output "user.mine b'v\\x00w'"
}

@test "T21: whiteouts become marks of the overlay and speak of lower layers only" {
	need_root
	make_tars
	pulled alice taken-whiteouts
	upper=$(tree alice taken-whiteouts 1)
	[ "$(stat -c '%F %t:%T' "$upper/a")" = "character special file 0:0" ]
	[ "$(stat -c '%F %t:%T' "$upper/d/x")" = "character special file 0:0" ]
	run xattrs "$upper/o"
	assert_output "user.overlay.opaque b'y'"
	[ "$(cat "$upper/own")" = 2 ]
	[ ! -e "$upper/.wh..wh.plnk" ]
}

@test "T21: devices are left out with one note, a fifo is kept" {
	need_root
	make_tars
	run --separate-stderr as alice crt pull "oci:$T/tars/taken-devices:latest"
	assert_status 0
	[ "$(grep -c 'device nodes' <<<"$stderr")" = 1 ] || flunk "expected one note"
	dir=$(tree alice taken-devices 0)
	[ "$(cd "$dir" && echo *)" = "contiguous fifo good" ]
	[ -p "$dir/fifo" ]
}

@test "T21: modes and owners: set-id bits stay, huge ids become the largest mapped one" {
	need_root
	make_tars
	pulled alice taken-modes
	dir=$(tree alice taken-modes 0)
	[ "$(cd "$dir" && stat -c %a suid sgid sticky closed closed/x setgid setgid/x | tr '\n' ' ')" = \
		"4755 2755 1777 0 0 2775 644 " ]
	run --separate-stderr as alice crt pull "oci:$T/tars/taken-owners:latest"
	assert_status 0
	[[ $stderr == *"largest mapped id"* ]] || flunk "expected a note"
	dir=$(tree alice taken-owners 0)
	range=$(awk -F: -v u="$(user alice)" '$1 == u { print $2; exit }' /etc/subuid)
	[ "$(stat -c %u "$dir/user")" = $((range + 999)) ]
	[ "$(stat -c %u "$dir/big")" = $((range + 65535)) ]
}

@test "T21: with a single id the owners are kept in an attribute" {
	need_root
	make_tars
	pulled carol taken-owners
	dir=$(tree carol taken-owners 0)
	[ "$(stat -c %U "$dir/user")" = "$(user carol)" ]
	run xattrs "$dir/user"
	assert_output "user.containers.override_stat b'1000:1000:0644:file'"
	run xattrs "$dir/home"
	assert_output "user.containers.override_stat b'1000:1000:0755:dir'"
	pulled carol taken-modes
	dir=$(tree carol taken-modes 0)
	[ "$(stat -c %a "$dir/closed")" = 700 ] # its owner must be able to remove it
	run xattrs "$dir/closed"
	assert_output "user.containers.override_stat b'0:0:0000:dir'"
}

@test "T22: the last entry of a name counts; sparse files have their holes" {
	need_root
	make_tars
	pulled alice taken-duplicates
	dir=$(tree alice taken-duplicates 0)
	[ "$(cat "$dir/f" "$dir/t" "$dir/d/x")" = "two!file again1" ]
	[ "$(stat -c %a "$dir/d")" = 700 ]
	pulled alice taken-sparse
	dir=$(tree alice taken-sparse 0)
	[ "$(stat -c %s "$dir/s")" = 1000000 ]
	[ "$(tail -c +500001 "$dir/s" | head -c 5)" = "data!" ]
	[ "$(stat -c %b "$dir/s")" -lt 100 ]
}

@test "a layer that is not packed as its media type says is read by its bytes" {
	need_root
	make_tars
	pulled alice taken-gzip-members
	[ "$(cat "$(tree alice taken-gzip-members 0)/good")" = good ]
}

@test "a layout with a blob that is a symbolic link is refused" {
	make_tars
	cd "$T/tars/taken-no-end/blobs/sha256"
	layer=$(jq -r '.layers[0].digest[7:]' "$(jq -r '.manifests[0].digest[7:]' ../../index.json)")
	mv "$layer" ../../elsewhere
	ln -s ../../elsewhere "$layer"
	run --separate-stderr as alice crt pull -q "oci:$T/tars/taken-no-end:latest"
	assert_error 125 "symbolic link: refused"
}

@test "one name in a layout that holds several images must be given" {
	make_tars
	cd "$T/tars/taken-no-end"
	jq '.manifests += [.manifests[0] * {annotations: {"org.opencontainers.image.ref.name": "second"}}]' index.json >i
	mv i index.json
	run --separate-stderr as alice crt pull -q "oci:$T/tars/taken-no-end"
	assert_error 125 "several images, name one of them: latest, second"
	run --separate-stderr as alice crt pull -q "oci:$T/tars/taken-no-end:second"
	assert_status 0
	run --separate-stderr as alice crt pull -q "oci:$T/tars/taken-no-end:third"
	assert_error 125 "no image tagged third"
}
