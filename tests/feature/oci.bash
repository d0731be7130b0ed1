# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What the tests of crt-oci share: bundles, and a state directory of their own.

# bundle USER NAME [JQ-FILTER]: $(home USER)/NAME with a busybox root and a config.json made by
# "crt-oci spec" (users other than root: with --rootless), without a terminal, then filtered.
# The config is written again by "config USER NAME FILTER".
bundle() {
	local who=$1 dir applet
	dir="$(home "$1")/$2"
	need_program jq busybox
	mkdir -p "$dir/rootfs"/{bin,etc,proc,sys,dev,tmp}
	cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
	for applet in sh cat id ls echo sleep true false mount stat readlink touch mkdir grep env kill ps \
		head wc hostname tty stty test sed tr sort printf; do
		ln -sf busybox "$dir/rootfs/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' >"$dir/rootfs/etc/passwd"
	config "$who" "$2" "${3-.}"
	[ "$(id -u)" != 0 ] || chown -R "$(user "$who")" "$dir"
}

# config USER NAME FILTER [FILE]: write the bundle's config.json (or FILE beside it) anew
config() {
	local who=$1 dir options=() group=.
	dir="$(home "$1")/$2"
	if [ "$(user "$who")" = root ]; then
		# other runs of the tests have containers of the same names
		group=".linux.cgroupsPath = \"/crt-test-$CRT_TEST_PREFIX-$BATS_TEST_NUMBER-$2-$RANDOM\""
	else
		options=(--rootless)
	fi
	rm -f "$dir/config.json.tmp"
	(cd "$dir" && as_ids "$who" "$CRT_BIN/crt-oci" spec "${options[@]}" --file config.json.tmp)
	jq ".process.terminal = false | .hostname = \"box\" | $group | $3" "$dir/config.json.tmp" >"$dir/${4-config.json}"
	rm -f "$dir/config.json.tmp"
	[ "$(id -u)" != 0 ] || chown "$(user "$who")" "$dir/${4-config.json}"
}

# as_ids USER CMD...: only the ids, in the current directory (as itself where we are nobody else)
as_ids() {
	local account
	account=$(user "$1")
	shift
	if [ "$(id -u)" = 0 ] && [ "$account" != root ]; then
		chown "$account" .
		setpriv --reuid="$account" --regid="$account" --clear-groups "$@"
	else
		"$@"
	fi
}

# oci USER ARG...: crt-oci with a state directory of this test
oci() {
	local who=$1
	shift
	as "$who" crt-oci --root "$T/run/$who/oci" "$@"
}

# args CMD...: a jq filter that sets process.args to a shell command
args() {
	printf '.process.args = ["/bin/sh", "-c", %s]' "$(jq -Rs . <<<"$*")"
}

# range_maps USER: a jq filter for the user's subordinate ids
range_maps() {
	local account uid gid first
	account=$(user "$1")
	uid=$(id -u "$account") gid=$(id -g "$account")
	first=$(awk -F: -v u="$account" '$1 == u { print $2; exit }' /etc/subuid)
	printf '.linux.uidMappings = [{containerID:0,hostID:%s,size:1},{containerID:1,hostID:%s,size:65535}] | .linux.gidMappings = [{containerID:0,hostID:%s,size:1},{containerID:1,hostID:%s,size:65535}]' \
		"$uid" "$first" "$gid" "$first"
}
