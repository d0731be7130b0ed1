#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt events.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

# what happened to NAME, in one line
story() {
	as alice crt events --stream=false --filter "container=$1" --format '{{.Status}}' | tr '\n' ' '
}

@test "a container's life is told from create to remove, in order, with podman's words" {
	as alice crt run --rm --name one --network none --label mark=1 $B true
	run story one
	assert_output "create init start attach died cleanup remove "
	as alice crt run -d --name two --network none $B sleep 600
	as alice crt exec two true
	as alice crt stop -t 0 two
	run story two
	assert_output "create init start exec exec_died died cleanup stop "
	as alice crt start two
	as alice crt kill two
	as alice timeout 60 crt wait two
	as alice crt rename two three
	as alice crt rm -f three
	run story three
	assert_output "rename remove "
	run -127 as alice crt run --name four --network none $B /nope
	as alice crt rm four
	run story four
	assert_output "create remove "
	run as alice crt events --stream=false --filter event=died --filter label=mark
	[ "${#lines[@]}" = 1 ]
	assert_match '^[0-9]{4}-[0-9-]{5} [0-9:]{8}(\.[0-9]+)? \+0000 UTC container died [0-9a-f]{64} \(image=builtin:busybox, name=one, .*mark=1\)$'
	run as alice crt events --stream=false --no-trunc=false --filter event=died --filter label=mark
	assert_match ' died [0-9a-f]{12} '
}

@test "JSON has podman's keys, died the exit code; images and volumes are told, too" {
	run -3 as alice crt run --name e --network none $B sh -c 'exit 3'
	as alice crt volume create vol
	as alice crt volume rm vol
	as alice crt events --stream=false --format json >"$T/events"
	python3 - "$T/events" <<-'EOP'
		import json, sys
		events = [json.loads(l) for l in open(sys.argv[1])]
		died = [e for e in events if e["Status"] == "died"][0]
		assert died["ContainerExitCode"] == 3 and died["Type"] == "container", died
		assert set(died) >= {"ID", "Image", "Name", "Status", "Time", "Type", "Attributes"}, died
		assert [e["Status"] for e in events if e["Type"] == "volume"] == ["create", "remove"]
		assert [e["Status"] for e in events if e["Type"] == "image"] == ["pull"]
	EOP
	as alice crt rm e
	as alice crt rmi $B
	run as alice crt events --stream=false --filter type=image --format '{{.Status}}'
	assert_output $'pull\nuntag\nremove'
}

@test "events streams what happens from now on, and ends at --until" {
	as alice crt create --name old --network none $B true
	crt_start alice events --filter type=container --format '{{.Status}} {{.Name}}'
	wait_for 60 sh -c "ls -l /proc/$JOB/fd 2>/dev/null | grep -q inotify"
	as alice crt create --name new --network none $B true
	wait_for 60 grep -qx 'create new' "$JOB_LOG"
	kill "$JOB"
	job_wait
	refute_contains old
	run as alice timeout 60 crt events --until 100ms --format '{{.Name}}' --filter event=create
	assert_status 0
	assert_contains old
	run as alice timeout 60 crt events --since 1h --until 1s --stream=false --filter container=new --format '{{.Name}}'
	assert_output new
	run as alice crt events --stream=false --until 2001-01-01
	assert_output ""
	run --separate-stderr as alice crt events --since yesterday
	assert_error 125 yesterday
	run --separate-stderr as alice crt events --filter bad=1
	assert_error 125 "invalid filter"
}

@test "T9: hostile labels do nothing to a terminal or to the file; a file grown large is kept once" {
	as alice crt create --name h --network none --label "$(printf 'a\033]0;x\007=\n\342\200\256')" $B true
	run as alice crt events --stream=false
	refute_contains $'\033'
	refute_contains $'\342\200\256'
	[ "${#lines[@]}" = 2 ] # the pull and the create
	head -c 2200000 /dev/zero | tr '\0' '\n' >>"$(store alice)/events"
	as alice crt rm h
	as alice crt create --name h2 --network none $B true
	[ -e "$(store alice)/events.1" ]
	[ "$(stat -c %s "$(store alice)/events")" -lt 4096 ]
	run as alice crt events --stream=false --filter type=container --format '{{.Status}} {{.Name}}'
	assert_output $'create h\nremove h\ncreate h2'
}

@test "events that cannot be written fail nothing" {
	as alice crt run --rm --network none $B true
	rm "$(store alice)/events"
	as alice ln -s /nowhere/x "$(store alice)/events"
	run as alice crt run --rm --network none $B echo fine
	assert_output fine
	rm "$(store alice)/events"
	as alice ln -s /dev/full "$(store alice)/events"
	run as alice crt run --rm --network none $B echo fine
	assert_output fine
	rm "$(store alice)/events"
	as alice mkfifo "$(store alice)/events"
	run as alice timeout 60 crt run --rm --network none $B echo fine
	assert_output fine
	rm "$(store alice)/events"
}
