#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci checkpoint and restore, through criu. What needs a criu that works on this kernel is
# skipped where "criu check" fails; the refusals are tested everywhere.
load helpers
load oci

COUNTER='i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'

need_criu() {
	need_root
	need_program criu
	criu check >"$T/criu.log" 2>&1 || skip "criu cannot work on this kernel: $(grep -m 1 Error "$T/criu.log")"
}

# counter NAME [FILTER]: a bundle whose process counts
counter() { bundle root "$1" "$(args "$COUNTER") | ${2-.}"; }

# run_to FILE ARG...: crt-oci with a pipe for output, so that it is nobody's file
run_to() {
	local file=$1
	shift
	(oci root "$@" 2>&1 | cat >"$file") 3>&- </dev/null
}

counts() { [ "$(tail -n 1 "$1" 2>/dev/null)" -ge "$2" ] 2>/dev/null; }

status_of() { oci root state "$1" | jq -r .status; }

in_background() {
	run_to "$@" &
	echo $! >>"$T/jobs"
}

@test "who cannot checkpoint is told why in one line" {
	need_root
	run -1 as alice crt-oci checkpoint box
	[ "${#lines[@]}" = 1 ]
	assert_contains "checkpoint and restore need CRIU with the rights of the machine's root; run this as root"
	run -1 as alice crt-oci restore box
	assert_contains "run this as root"
	run -1 oci root --criu no-such-criu checkpoint box
	[ "${#lines[@]}" = 1 ]
	assert_contains 'install the package criu, or name it with --criu'
}

@test "features says whether there is a criu that can be asked" {
	need_root
	[ "$(as alice crt-oci features | jq -r '.annotations["org.opencontainers.runc.checkpoint.enabled"]')" = false ]
	need_program criu
	[ "$(as root crt-oci features | jq -r '.annotations["org.opencontainers.runc.checkpoint.enabled"]')" = true ]
}

@test "callers that probe find checkpoint and restore" {
	as root crt-oci checkpoint --help
	run -1 as root crt-oci restore --lsm-mount-context
	assert_contains "flag needs an argument"
}

@test "a criu that does not work leaves the container as it is" {
	need_root
	bundle root box "$(args 'sleep 1000')"
	oci root run -d --bundle "$(home root)/box" box </dev/null >/dev/null 2>&1
	run -1 oci root --criu /bin/true checkpoint --image-path "$T/img" box
	assert_contains "criu"
	[ "$(status_of box)" = running ]
	oci root delete --force box
	[ "$(stat -c %a "$T/img")" = 700 ]
}

@test "wrong options, no container, no images" {
	need_root
	need_program criu
	run -1 oci root checkpoint --image-path "$T/img" nobody
	assert_contains "does not exist"
	run -1 oci root checkpoint --manage-cgroups-mode maybe nobody
	assert_contains 'is not known'
	run -1 oci root checkpoint --page-server here nobody
	assert_contains "is not ADDRESS:PORT"
	run -1 oci root checkpoint --empty-ns pid nobody
	assert_contains '--empty-ns'
	bundle root box "$(args true)"
	oci root create --bundle "$(home root)/box" box </dev/null >/dev/null 2>&1
	run -1 oci root checkpoint --image-path "$T/img" box
	assert_contains "was not started yet"
	oci root delete --force box
	mkdir "$T/empty"
	run -1 oci root restore --bundle "$(home root)/box" --image-path "$T/empty" box
	assert_contains "holds no checkpoint"
	run -1 oci root restore --bundle "$(home root)/box" --image-path "$T/missing" box
	assert_contains "$T/missing"
	# nothing is left of them
	[ "$(oci root list -q)" = "" ]
}

@test "descriptors.json of strangers is no way in" {
	need_root
	need_program criu
	bundle root box "$(args true)"
	mkdir "$T/img"
	local text
	for text in '' '{' '{"0":"pipe:[1]"}' '["pipe:[1]]:x","file[zz]",7]' "$(printf '[%.0s' {1..2000})" '["\u0000"]'; do
		printf %s "$text" >"$T/img/descriptors.json"
		run -1 timeout 20 "$CRT_BIN/crt-oci" --root "$T/run/root/oci" restore --bundle "$(home root)/box" --image-path "$T/img" box
		[ "$(oci root list -q)" = "" ]
	done
	rm "$T/img/descriptors.json"
	mkfifo "$T/img/descriptors.json"
	run -1 timeout 20 "$CRT_BIN/crt-oci" --root "$T/run/root/oci" restore --bundle "$(home root)/box" --image-path "$T/img" box
}

@test "a counter is saved, is gone, and comes back where it was" {
	need_criu
	counter box '.root.readonly = true'
	in_background "$T/out" run -d --bundle "$(home root)/box" box
	wait_for 20 counts "$T/out" 3
	local before after groups pid
	pid=$(oci root state box | jq .pid)
	before=$(cut -d ' ' -f 4- "/proc/$pid/mountinfo" | sort)
	groups=$(cat "/proc/$pid/cgroup")
	oci root checkpoint --image-path "$T/img" --work-path "$T/logs" box
	[ "$(oci root list -q)" = "" ]
	[ -s "$T/logs/dump.log" ]
	[ -s "$T/img/inventory.img" ]
	in_background "$T/out2" restore --detach --bundle "$(home root)/box" --image-path "$T/img" \
		--work-path "$T/logs" --pid-file "$T/pid" box
	wait_for 20 counts "$T/out2" 6
	[ "$(head -n 1 "$T/out2")" = "$(($(tail -n 1 "$T/out") + 1))" ]
	[ "$(status_of box)" = running ]
	[ "$(oci root state box | jq .pid)" = "$(cat "$T/pid")" ]
	# as confined as before: mounts, read-only root, no_new_privs, capabilities, cgroup
	after=$(cut -d ' ' -f 4- "/proc/$(cat "$T/pid")/mountinfo" | sort)
	diff <(echo "$before") <(echo "$after")
	grep -q "^NoNewPrivs:.*1$" "/proc/$(cat "$T/pid")/status"
	grep -q "^CapBnd:.*20000420$" "/proc/$(cat "$T/pid")/status"
	[ "$(cat "/proc/$(cat "$T/pid")/cgroup")" = "$groups" ]
	[ "$(oci root exec box hostname)" = box ]
	oci root kill box KILL
	wait_for 10 eval '[ "$(status_of box)" = stopped ]'
	oci root delete box
	[ ! -e "$T/run/root/oci/box" ]
	run ! grep -q criu-root /proc/self/mountinfo
}

@test "--leave-running and --pre-dump leave it running, --parent-path builds on them" {
	need_criu
	counter box
	in_background "$T/out" run -d --bundle "$(home root)/box" box
	wait_for 20 counts "$T/out" 2
	oci root checkpoint --pre-dump --image-path "$T/pre" box
	[ "$(status_of box)" = running ]
	oci root checkpoint --leave-running --image-path "$T/img" --parent-path ../pre box
	[ "$(status_of box)" = running ]
	[ -e "$T/img/parent" ]
	oci root delete --force box
	in_background "$T/out2" restore --detach --bundle "$(home root)/box" --image-path "$T/img" again
	wait_for 20 counts "$T/out2" 4
	oci root delete --force again
}

@test "bind mounts and user namespaces are given anew" {
	need_criu
	mkdir -p "$T/old/sub" "$T/new/sub"
	echo old >"$T/old/word" && echo new >"$T/new/word" && echo below >"$T/new/sub/word"
	counter box '.mounts += [{destination:"/v", type:"bind", source:"'"$T"'/old", options:["rbind","ro"]},
		{destination:"/link/word", type:"bind", source:"'"$T"'/old/word", options:["bind"]}] |
		.linux.uidMappings = [{containerID:0, hostID:100000, size:65536}] | .linux.gidMappings = .linux.uidMappings |
		.linux.namespaces += [{type:"user"}]'
	ln -s tmp "$(home root)/box/rootfs/link"
	chown -R 100000:100000 "$(home root)/box/rootfs"
	chmod a+x "$(home root)" "$(home root)/box"
	in_background "$T/out" run -d --bundle "$(home root)/box" box
	wait_for 20 counts "$T/out" 2
	oci root checkpoint --image-path "$T/img" box
	jq '(.mounts[] | select(.type == "bind").source) |= sub("/old"; "/new")' "$(home root)/box/config.json" >"$T/config"
	cp "$T/config" "$(home root)/box/config.json"
	in_background "$T/out2" restore -d --bundle "$(home root)/box" --image-path "$T/img" box
	wait_for 20 counts "$T/out2" 4
	[ "$(oci root exec box cat /v/word /tmp/word /v/sub/word)" = "$(printf 'new\nnew\nbelow')" ]
	[ "$(stat -c %u "$T/img")" = 0 ]
	oci root delete --force box
}

@test "in the foreground restore ends with the status of the process" {
	need_criu
	bundle root box "$(args 'while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 7') | .root.readonly = false"
	oci root run -d --bundle "$(home root)/box" box </dev/null >/dev/null 2>&1
	oci root checkpoint --image-path "$T/img" box
	touch "$(home root)/box/rootfs/tmp/go"
	run -7 timeout 60 "$CRT_BIN/crt-oci" --root "$T/run/root/oci" restore --bundle "$(home root)/box" --image-path "$T/img" box
	[ "$(oci root list -q)" = "" ]
}
