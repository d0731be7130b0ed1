#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt cp and crt export: files between the host and containers, running or not.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

setup() {
	world_setup
	W=$T/cp
	mkdir -p "$W/d/sub" "$W/out"
	echo file >"$W/f"
	echo a >"$W/d/a"
	echo b >"$W/d/sub/b"
	ln -s a "$W/d/l"
	ln -s f "$W/lf"
	ln "$W/d/a" "$W/d/hard"
	chmod 640 "$W/d/a"
	chown -hR "$(user alice)" "$W"
	chmod 755 "$T"
}

teardown() {
	as alice crt rm -fa -t0 >/dev/null 2>&1 || true
	! [ "$(id -u)" = 0 ] || as carol crt rm -fa -t0 >/dev/null 2>&1 || true
	world_teardown
}

@test "cp has podman's rules for names, for a running container and for one that never ran" {
	as alice crt run -d --name live -v vol:/vol --network none $B sleep 600 >/dev/null
	as alice crt create --name cold -v vol2:/vol $B true >/dev/null
	cd "$W"
	for c in live cold; do
		as alice crt cp "$W/f" "$c:/f1"
		as alice crt cp "$W/f" "$c:/tmp"
		as alice crt cp "$W/d" "$c:/d1"
		as alice crt cp "$W/d" "$c:/tmp/"
		as alice crt cp "$W/d/." "$c:/tmp"
		as alice crt cp "$W/lf" "$c:/lf"
		as alice crt cp "$W/f" "$c:/vol/"
		run --separate-stderr as alice crt cp "$W/f" "$c:/nodir/"
		assert_error 125 "no such directory"
		run --separate-stderr as alice crt cp "$W/f" "$c:/no/dir"
		assert_error 125 "no such file or directory"
		run --separate-stderr as alice crt cp "$W/d" "$c:/f1"
		assert_error 125 "cannot copy a directory over a file"
		run --separate-stderr as alice crt cp "$W/f" "$c:/f1/"
		assert_error 125 "not a directory"
		run --separate-stderr as alice crt cp "$c:/nope" "$W"
		assert_error 125 "no such file"
		as alice crt cp "$c:/tmp" "$W/out"
		as alice crt cp "$c:/d1/." "$W/out/d1"
		as alice crt cp "$c:/lf" "$W/out/"
		as alice crt cp "$c:/vol/f" "$W/out/vf"
		diff -r --no-dereference d "$W/out/d1"
		diff -r --no-dereference d out/tmp/d
		cmp f out/tmp/f && cmp f out/lf && cmp f out/vf && cmp d/a out/tmp/a
		[ "$(stat -c %U:%a out/d1/a)" = "$(user alice):640" ]
		[ "$(stat -c %i out/d1/a)" = "$(stat -c %i out/d1/hard)" ]
		rm -rf out/*
	done
	as alice crt cp live:/d1 cold:/from
	as alice crt cp cold:/from live:/to
	run as alice crt exec live sh -c 'cat /to/sub/b; readlink /to/l'
	assert_output $'b\na'
}

@test "cp: archives on standard input and output, tmpfs, owners, --overwrite" {
	cd "$W"
	as alice crt run -d --name live --user 1000:7 --tmpfs /t --network none $B sleep 600 >/dev/null
	tar -czf - d f | as alice crt cp - live:/mnt
	as alice crt cp live:/mnt/. - | tar -tf - | sort >list
	run cat list
	assert_output $'d/\nd/a\nd/hard\nd/l\nd/sub/\nd/sub/b\nf'
	run as alice crt cp live:/mnt/f -
	assert_status 0
	as alice crt cp "$W/f" live:/t/
	as alice crt cp -a=false "$W/f" live:/asis
	run as alice crt exec -u 0 live stat -c '%n %u:%g %a' /mnt/f /mnt/d/a /t/f /asis
	assert_output $'/mnt/f 1000:7 644\n/mnt/d/a 1000:7 640\n/t/f 1000:7 644\n/asis 0:0 644'
	run --separate-stderr as alice crt cp "$W/f" live:/mnt/d/sub/../../nodir/x
	assert_error 125 "no such file"
	mkdir -p e/f
	run --separate-stderr as alice crt cp "$W/e/." live:/mnt
	assert_error 125 directory
	as alice crt cp --overwrite "$W/e/." live:/mnt
	run as alice crt exec live test -d /mnt/f
	assert_status 0
	run --separate-stderr as alice sh -c 'echo rubbish | crt cp - live:/mnt'
	assert_error 125 archive
	run --separate-stderr as alice sh -c 'echo rubbish | crt cp - live:/nodir'
	assert_error 125 "no such directory"
	run --separate-stderr as alice crt cp "$W/f" "$W/f"
	assert_error 125 "CONTAINER:PATH"
	run --separate-stderr as alice crt cp nosuch:/x "$W"
	assert_error 125 nosuch
}

@test "T37: cp never leaves the container, whatever links say" {
	cd "$W"
	secret=$T/secret
	echo secret >"$secret"
	chmod 644 "$secret"
	as alice crt run -d --name live --network none $B sleep 600 >/dev/null
	as alice crt exec live sh -c "ln -s $secret /link; ln -s $T /dir; ln -s /proc/1/root /proot; \
		ln -s ../../../../../../../$secret /up; mkdir -p /x; ln -s / /x/top"
	for path in /link /dir/secret /proot$secret /up /x/top$secret /proc/1/root$secret /proc/self/cwd/x; do
		run --separate-stderr as alice crt cp "live:$path" "$W/out/stolen"
		assert_status 125
		[ ! -e out/stolen ]
	done
	# writing through them lands inside, or nowhere
	as alice crt cp "$W/f" "live:/x/top/in"
	run as alice crt exec live cat /in
	assert_output file
	run --separate-stderr as alice crt cp "$W/f" live:/dir/secret
	assert_status 125
	run --separate-stderr as alice crt cp "$W/f" live:/link
	assert_status 125
	run cat "$secret"
	assert_output secret
	# an archive that goes up, or through a link that it brings
	mkdir bad
	ln -s "$T" bad/away
	echo evil >evil
	tar -cf bad.tar -C bad away
	tar -rf bad.tar --transform 's,^evil,away/secret,' evil
	as alice crt cp - live:/mnt <bad.tar || true
	tar -cPf up.tar --transform 's,^evil,../../../../../../evil,' evil
	run --separate-stderr as alice crt cp - live:/mnt <up.tar
	assert_error 125 '".." component'
	run cat "$secret"
	assert_output secret
	run as alice crt exec live sh -c 'ls /evil'
	assert_status 1
}

@test "T37: cp against a container that exchanges directories and links at full speed" {
	cd "$W"
	trip=$T/trip
	mkdir "$trip"
	echo trip >"$trip/a"
	chmod 777 "$trip"
	chmod 666 "$trip/a"
	as alice crt run -d --name live --network none $B sh -c "
		mkdir /r /good; echo good >/good/a; ln -s $trip /evil
		while :; do ln -sfn /good /r/now; ln -sfn $trip /r/now; rm -rf /r/dir; mkdir /r/dir; rm -rf /r/dir;
			ln -s $trip /r/dir; done" >/dev/null
	for _ in 1 2 3 4; do
		as alice crt cp "$W/f" live:/r/now/a 2>/dev/null || true
		as alice crt cp "$W/d/." live:/r/dir 2>/dev/null || true
		as alice crt cp live:/r/now/a "$W/out/a" 2>/dev/null || true
		! grep -q trip out/a 2>/dev/null
		tar -cf - d | as alice crt cp - live:/r/dir 2>/dev/null || true
	done
	run sh -c "cd $trip && ls; cat a"
	assert_output $'a\ntrip'
}

@test "export: owners, links, no volumes; the same bytes twice; nothing half when it fails" {
	as alice crt run -d --name live -v vol:/vol --network none $B \
		sh -c 'echo x >/vol/x; echo y >/y; chown 5:6 /y; ln /y /z; rm /bin/vi; sleep 600' >/dev/null
	wait_for 20 as alice crt exec live test -e /z
	as alice crt export -o "$W/one.tar" live
	as alice crt export live >"$T/two.tar"
	cmp "$W/one.tar" "$T/two.tar"
	run sh -c "tar --numeric-owner -tvf $T/two.tar | awk '/ (y|z|vol)/ { print \$1, \$2, \$6, \$9 }'"
	assert_output $'drwxr-xr-x 0/0 vol/ \n-rw-r--r-- 5/6 y \nhrw-r--r-- 5/6 z y'
	run grep -c bin/vi "$T/two.tar"
	assert_output 0
	run --separate-stderr as alice crt export -o "$T/nodir/x" live
	assert_error 125 nodir
	run --separate-stderr as alice crt export nosuch
	assert_error 125 nosuch
	as alice crt stop -t0 live >/dev/null
	as alice crt export live | cmp - "$T/two.tar"
	run bash -c "cd '$W' && ls -A | xargs"
	assert_output 'd f lf one.tar out'
}

@test "cp and export as a user of one id, and with the caller's ids inside" {
	need_root
	cd "$W"
	chmod -R a+rX "$W"
	as carol crt run -d --name live --network none $B sleep 600 >/dev/null
	as carol crt cp "$W/d" live:/d
	as carol sh -c 'crt cp live:/d - | tar -tf - | wc -l; crt export live | tar -tf - | grep -c ^d/; crt rm -ft0 live' >"$T/said"
	run cat "$T/said"
	assert_output $'6\n6\nlive'
	as alice crt run -d --name keep --userns keep-id --network none $B sleep 600 >/dev/null
	as alice crt cp "$W/f" keep:/tmp/
	run as alice crt exec keep sh -c '[ $(stat -c %u /tmp/f) = $(id -u) ]'
	assert_status 0
	as alice crt cp keep:/tmp/f "$W/out/"
	[ "$(stat -c %U out/f)" = "$(user alice)" ]
}
