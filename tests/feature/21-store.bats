#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The store: layers as a container sees them, drivers, removing, crashes, whose directory it is.
load helpers

# layer NAME FILE...: an uncompressed tar of the directory $T/layer-NAME
layer() {
	tar -C "$T/layer-$1" --owner=0 --group=0 --mtime=@0 -cf "$T/$1.tar" "${@:2}"
}

# three layers: files; a whiteout, an opaque directory and a replaced file; the first one again
layered_image() {
	mkdir -p "$T"/layer-one/{data,hidden} "$T"/layer-two/{data,hidden}
	echo 1 >"$T/layer-one/data/kept"
	echo 1 >"$T/layer-one/data/gone"
	echo 1 >"$T/layer-one/data/changed"
	echo 1 >"$T/layer-one/hidden/old"
	touch "$T/layer-two/data/.wh.gone" "$T/layer-two/hidden/.wh..wh..opq"
	echo 2 >"$T/layer-two/data/changed"
	echo 2 >"$T/layer-two/hidden/new"
	layer one data hidden
	layer two data/.wh.gone data/changed hidden/.wh..wh..opq hidden/new
	image layered
	image_add layered "$T/one.tar"
	image_add layered "$T/two.tar"
}

@test "store: whiteouts, opaque directories and replaced files, in every way of mounting" {
	local who
	layered_image
	for who in alice carol root; do
		user "$who" >/dev/null && { [ "$who" = alice ] || [ "$(id -u)" = 0 ]; } || continue
		run as "$who" crt run --rm -q --network none "oci:$T/img/layered" \
			sh -c 'cd /data; grep . *; ls /hidden; rm kept; ls; rm -r /hidden; mkdir /hidden; ls /hidden'
		assert_status 0
		assert_output "changed:2
kept:1
new
changed"
	done
	run as alice crt run --rm -q --network none --read-only "oci:$T/img/layered" \
		sh -c 'ls /data; rm /data/kept 2>&1'
	assert_status 1
	assert_contains "changed
kept"
	assert_contains "Read-only file system"
}

@test "store: an image that has the same layer twice" {
	mkdir -p "$T/layer-one/data" "$T/layer-two/data"
	echo 1 >"$T/layer-one/data/file"
	echo 2 >"$T/layer-two/data/file"
	layer one data/file
	layer two data/file
	image twice
	image_add twice "$T/one.tar"
	image_add twice "$T/two.tar"
	image_add twice "$T/one.tar"
	run as alice crt run --rm -q --network none "oci:$T/img/twice" cat /data/file
	assert_status 0
	assert_output 1
}

@test "store: the root directory of a container has the image's mode, under any umask" {
	image plain
	run as alice sh -c "umask 077; crt run --rm -q --network none oci:$T/img/plain stat -c %a:%u /"
	assert_status 0
	assert_output 755:0
}

@test "store: removing an image frees everything that nobody else needs" {
	layered_image
	image other
	as alice crt pull -q "oci:$T/img/layered"
	as alice crt pull -q "oci:$T/img/other"
	as alice crt run -q --network none --name holder "oci:$T/img/layered" true
	run --separate-stderr as alice crt rmi "oci:$T/img/layered"
	assert_error 2 "used by container"
	run as alice crt rmi --force "oci:$T/img/layered"
	assert_status 0
	[ "$(find "$(store alice)/layers" -mindepth 1 -maxdepth 1 | wc -l)" = 3 ] # the container's
	as alice crt rm holder
	run as alice crt rmi "oci:$T/img/other"
	assert_status 0
	run as alice crt images -q
	assert_output ""
	run find "$(store alice)"/{layers,oci/blobs/sha256,trash,tmp,containers,names} -mindepth 1
	assert_output ""
}

@test "store: a container that stays keeps its files in upper/ until it is removed" {
	image plain
	run as alice crt run -q --network none --name one "oci:$T/img/plain" \
		sh -c 'echo x >/new; mkdir /d; chmod 0 /d; chown 5:5 /new'
	assert_status 0
	[ -n "$(find "$(store alice)/containers" -path '*/upper/new')" ]
	run --separate-stderr as alice crt run -q --network none --name one "oci:$T/img/plain" true
	assert_error 125 '"one" is in use by container'
	run as alice crt rm one
	assert_status 0
	run find "$(store alice)"/{trash,containers,names} -mindepth 1
	assert_output ""
}

@test "store: what a killed command left is cleared away by the next one" {
	local dir
	image plain
	as alice crt pull -q "oci:$T/img/plain"
	dir=$(store alice)
	as alice mkdir -p "$dir/tmp/00000000-dead/layers/x/fs" "$dir/containers/+0123abcd/upper"
	run as alice crt images -q
	assert_status 0
	[ -n "$output" ]
	[ -z "$(ls -A "$dir/tmp")" ]
	as alice crt ps -a
	as alice crt run --rm -q --network none "oci:$T/img/plain" true
	as alice crt rmi "oci:$T/img/plain"
	[ -z "$(ls -A "$dir/containers")$(ls -A "$dir/trash")" ]
}

# T56, a sample with the real programs; tests/hard does it at every system call
@test "T56: a pull killed at any time leaves no half image" {
	local ms pid
	layered_image
	for ms in 001 005 010 015 020 030 040 060 080 120; do
		as alice crt pull -q "oci:$T/img/layered" >/dev/null 2>&1 &
		pid=$!
		sleep "0.$ms"
		pkill -KILL -P "$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		run as alice crt images -q
		assert_status 0
		if [ -n "$output" ]; then
			run as alice crt run --rm -q --network none --pull never "oci:$T/img/layered" cat /data/changed
			assert_status 0
			assert_output 2
			as alice crt rmi "oci:$T/img/layered"
		fi
	done
	as alice crt pull -q "oci:$T/img/layered"
	as alice crt rmi -a
	run find "$(store alice)"/{layers,oci/blobs/sha256,trash,tmp} -mindepth 1
	assert_output ""
}

@test "T16: a store that is a link, somebody else's, or writable by others is refused" {
	need_root
	image plain
	ln -s "$(home alice)/target" "$(home alice)/link"
	mkdir "$T/foreign" "$(home alice)/open"
	chown "$(user bob):" "$T/foreign"
	chmod 0777 "$T/foreign"
	chown "$(user alice):" "$(home alice)/open"
	chmod 0777 "$(home alice)/open"
	run --separate-stderr as alice env CRT_ROOT="$(home alice)/link" crt run --rm "oci:$T/img/plain" true
	assert_error 125 "symbolic link"
	[ ! -e "$(home alice)/target" ]
	run --separate-stderr as alice env CRT_ROOT="$T/foreign" crt run --rm "oci:$T/img/plain" true
	assert_error 125 "belongs to user"
	run --separate-stderr as alice env CRT_ROOT="$(home alice)/open" crt run --rm "oci:$T/img/plain" true
	assert_error 125 "may be written by others"
	run find "$T/foreign" "$(home alice)/open" -mindepth 1
	assert_output ""
}

@test "T16: everything in the store is 0700 or 0600 under umask 000" {
	image plain
	as alice sh -c "umask 000; crt run -q --network none --name x oci:$T/img/plain true"
	run find "$(store alice)" \( -path '*/fs' -o -path '*/skeleton' -o -path '*/upper' -o -path '*/work' \) -prune -o \
		! -type l -perm /077 -print
	assert_output ""
}

@test "store: no home directory, a home that cannot be written, a store of the future" {
	need_root
	image plain
	chmod 0555 "$(home bob)"
	run --separate-stderr as bob crt run --rm --network none "oci:$T/img/plain" true
	assert_error 125 "$(home bob)/.local"
	chmod 0700 "$(home bob)"
	as alice crt images
	as alice mkdir -p "$(store alice)"
	echo 99 >"$(store alice)/version"
	run --separate-stderr as alice crt run --rm --network none "oci:$T/img/plain" true
	assert_error 125 'format "99"'
	rm -r "$(store alice)"
}

# An overlay cannot be the writable directory of another one: there fuse-overlayfs steps in.
@test "store: fuse-overlayfs where the kernel's overlay does not work, and it says why" {
	need_root
	need_program fuse-overlayfs
	[ -e /dev/fuse ] || skip "no /dev/fuse"
	image plain
	mkdir "$T"/{ov,ov-lower,ov-upper,ov-work}
	# in a mount namespace, so that other runs do not see the mount come and go
	run unshare -m bash -c '
		mount -t overlay -o "lowerdir=$T/ov-lower,upperdir=$T/ov-upper,workdir=$T/ov-work" overlay "$T/ov"
		chown "$1:" "$T/ov"
		in_store() {
			setpriv --reuid="$1" --regid="$1" --init-groups env -i HOME="$T/home/alice" PATH=/usr/bin:/bin \
				CRT_ROOT="$T/ov/store" "$CRT_BIN/crt" run --rm -q --network none "oci:$T/img/plain" "${@:2}"
		}
		in_store "$1" sh -c "grep \" / \" /proc/self/mounts; echo x >/new; rm /bin/vi; ls /bin/vi 2>&1; cat /new"
		sed -n 2p "$T/ov/store/driver"
		mount --bind /dev/null "$(command -v fuse-overlayfs)"
		rm "$T/ov/store/driver"
		in_store "$1" true
		echo "status $?"' - "$(user alice)"
	assert_match '^fuse-overlayfs / fuse'
	assert_contains "No such file or directory
x
fuse
crt: "
	assert_contains "not supported as upperdir"
	assert_contains "fuse-overlayfs is not installed"
	assert_contains "status 125"
}

@test "store: keep-id shows the image's owners and takes no copy" {
	local before after
	image plain
	as alice crt pull -q "oci:$T/img/plain"
	before=$(du -s "$(store alice)/layers" | cut -f1)
	run as alice crt run --rm -q --network none --userns keep-id "oci:$T/img/plain" \
		sh -c 'stat -c %u:%g /bin /etc; touch /tmp/x; stat -c %u /tmp/x; id -u; touch /bin/x 2>&1'
	assert_status 1
	[ "${lines[0]} ${lines[1]}" = "0:0 0:0" ] || flunk
	[ "${lines[2]}" = "$(id -u "$(user alice)")" ] || flunk
	[ "${lines[3]}" = "$(id -u "$(user alice)")" ] || flunk
	assert_contains "Permission denied"
	after=$(du -s "$(store alice)/layers" | cut -f1)
	[ "$before" = "$after" ]
}

@test "store: 20 containers want one name, one gets it" {
	local i pids=() won=0
	image plain
	as alice crt pull -q "oci:$T/img/plain"
	for i in {1..20}; do
		as alice crt run -q --network none --name wanted "oci:$T/img/plain" true 2>"$T/err.$i" &
		pids+=($!)
	done
	for i in {1..20}; do
		if wait "${pids[i - 1]}"; then
			won=$((won + 1))
		else
			grep -q '"wanted" is in use' "$T/err.$i" || { cat "$T/err.$i"; return 1; }
		fi
	done
	[ "$won" = 1 ]
	run as alice crt ps -aq
	[ "${#lines[@]}" = 1 ] || flunk
}
