#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt diff, mount, container prune, and the group system.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

setup() {
	world_setup
}

teardown() {
	as alice crt rm -fa -t0 >/dev/null 2>&1 || true
	world_teardown
}

@test "diff: lines and json, of containers and images, with hostile names" {
	as alice crt run --name box $B sh -c 'mkdir /new; echo x >/new/f; rm /bin/vi; echo >>/etc/passwd
		rm -r /usr/share; mkdir -p /usr/share/x; touch "/new/$(printf "\033[31m")"'
	run as alice crt diff box
	assert_output 'C /bin
D /bin/vi
C /etc
C /etc/passwd
A /new
A /new/\x1b[31m
A /new/f
C /usr
C /usr/share
D /usr/share/doc
A /usr/share/x'
	as alice crt diff --format json box >"$T/json"
	run jq -c '[.deleted, (.added | length), (.changed | length)]' "$T/json"
	assert_output '[["/bin/vi","/usr/share/doc"],4,5]'
	as alice crt commit -q box img >/dev/null
	run as alice sh -c 'crt diff img | head -n 2'
	assert_output $'C /bin\nD /bin/vi'
	run --separate-stderr as alice crt container diff nosuch
	assert_error 125 nosuch
}

@test "mount: refused outside of unshare; there, writable when stopped and read only when running" {
	need_root
	as alice crt create --name cold $B cat /made >/dev/null
	as alice crt run -d --name live --network none $B sleep 600 >/dev/null
	run --separate-stderr as alice crt mount cold
	assert_error 125 "crt unshare"
	run --separate-stderr as alice crt umount cold
	assert_error 125 "crt unshare"
	run as alice crt unshare sh -ec 'd=$(crt mount cold); echo made >$d/made; crt mount | wc -l; crt unmount cold
		crt mount | wc -l; d=$(crt mount live); ls $d/bin/busybox | wc -l; touch $d/x 2>/dev/null || echo no'
	assert_output $'1\ncold\n0\n1\nno'
	run as alice crt start -a cold
	assert_output made
}

@test "system df is what du says; prune removes what nothing uses, and says how much" {
	as alice crt run --name gone $B true
	as alice crt run -d --name live -v used:/v --network none $B sleep 600 >/dev/null
	as alice crt volume create idle >/dev/null
	as alice crt commit -q gone >/dev/null
	as alice crt commit -q gone named >/dev/null
	as alice crt system df --format json >"$T/df"
	for kind in Images:"layers oci" Containers:containers "Local Volumes":volumes; do
		got=$(jq --arg k "${kind%%:*}" '.[] | select(.Type == $k) | .RawSize' "$T/df")
		# shellcheck disable=SC2086  # several words
		want=$(cd "$(store alice)" && du -sk ${kind##*:} | awk '{ n += $1 } END { print n * 1024 }')
		# the directories themselves are not anybody's
		[ $((want - got)) -ge 0 ] && [ $((want - got)) -le 8192 ] || flunk "$kind: df $got, du $want"
	done
	run as alice crt system df --format '{{.Type}} {{.Total}} {{.Active}}'
	assert_output $'Images 3 1\nContainers 2 1\nLocal Volumes 2 1'
	run as alice sh -c 'crt system df -v | grep -c -e gone -e idle -e localhost/named'
	assert_output 3
	run as alice crt container prune -f --filter label=nosuch
	assert_output ""
	run as alice sh -c 'echo n | crt system prune'
	assert_status 0
	run as alice crt system prune -f
	assert_status 0
	[[ $output == *"Total reclaimed space: "* ]]
	run as alice sh -c 'crt ps -a --format "{{.Names}}"; crt images -q | wc -l; crt volume ls -q'
	assert_output $'live\n2\nidle\nused'
	as alice crt system prune -af --volumes >/dev/null
	run as alice sh -c 'crt images -q | wc -l; crt volume ls -q; crt exec live echo alive'
	assert_output $'1\nused\nalive'
}

@test "system check finds damage and repairs it; reset leaves nothing" {
	as alice crt run --name one -v v:/v $B sh -c 'mkdir -p /d/e; chown 5:5 /d/e; chmod 0 /d'
	run as alice crt system check
	assert_status 0
	blob=$(as alice sh -c 'ls -S ~/.local/share/crt/oci/blobs/sha256/* | head -n 1')
	echo damage >>"$blob"
	run --separate-stderr as alice crt system check
	assert_status 125
	as alice crt system check --repair >/dev/null 2>&1 || true
	run as alice crt system check
	assert_status 0
	as alice crt run -d --name live --network none $B sleep 600 >/dev/null
	as alice crt system reset -f
	[ ! -e "$(store alice)" ]
	run as alice crt run --rm $B echo again
	assert_output again
}

@test "volume export and import: owners, an interrupted import leaves nothing, hostile archives" {
	as alice crt run --rm -v one:/v $B sh -c 'echo x >/v/f; chown 5:6 /v/f; chmod 600 /v/f; mkdir /v/d; ln -s ../../.. /v/d/up'
	as alice crt volume export one | tar --numeric-owner -tvf - | awk '{ print $1, $2, $6 }' >"$T/list"
	run cat "$T/list"
	assert_output $'drwxr-xr-x 0/0 ./\ndrwxr-xr-x 0/0 d/\nlrwxrwxrwx 0/0 d/up\n-rw------- 5/6 f'
	as alice sh -c 'crt volume export -o ~/one.tar one; crt volume create two; gzip -k ~/one.tar; crt volume import two ~/one.tar.gz' >/dev/null
	run as alice crt run --rm -v two:/etc $B sh -c 'stat -c "%u:%g %a" /etc/f; ls /etc | grep passwd'
	assert_output "5:6 600"
	mkdir "$T/bad"
	ln -s "$T" "$T/bad/away"
	echo evil >"$T/evil"
	tar -cf "$T/bad.tar" -C "$T/bad" away
	tar -rf "$T/bad.tar" -C "$T" --transform 's,^evil,away/caught,' evil
	chmod 755 "$T" && chmod 777 "$T/bad"
	as alice crt volume import two - <"$T/bad.tar" || true
	[ ! -e "$T/caught" ]
	as alice crt volume create three >/dev/null
	run --separate-stderr as alice sh -c '{ cat ~/one.tar; echo rubbish; } | head -c 1500 | crt volume import three'
	assert_status 125
	run as alice crt run --rm -v three:/etc $B cat /etc/shells
	assert_status 0
	run --separate-stderr as alice crt volume export nosuch
	assert_error 125 nosuch
}
