#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# top, stats, info, version.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

has_two() { [ "$(as alice crt top t pid | wc -l)" = 3 ]; }
has_exec() { as alice crt top t args | grep -q '^sleep 500$'; }

@test "top lists the processes with podman's columns, by inside and outside numbers and names" {
	as alice crt run -d --name t --network none $B sh -c 'sleep 600 & wait'
	wait_for 60 has_two
	run as alice crt top t
	[[ ${lines[0]} =~ ^USER\ +PID\ +PPID\ +%CPU\ +ELAPSED\ +TTY\ +TIME\ +COMMAND$ ]]
	[[ ${lines[1]} =~ ^root\ +1\ +0\ +[0-9.]+\ +[0-9.]+m?s\ +\?\ +[0-9.]+m?s\ +sh\ -c\ sleep\ 600\ \&\ wait$ ]]
	[[ ${lines[2]} =~ ^root\ +2\ +1\ .*sleep\ 600$ ]]
	run as alice crt top t pid,hpid huser comm %p state
	[[ ${lines[0]} =~ ^PID\ +HPID\ +HUSER\ +COMMAND\ +PID\ +STATE$ ]]
	[[ ${lines[1]} =~ ^1\ +$(as alice crt inspect -f '{{.State.Pid}}' t)\ +$(user alice)\ +sh\ +1\ +S$ ]]
	as alice crt exec -d t sleep 500
	wait_for 60 has_exec
	run as alice crt top t capeff,seccomp
	assert_contains "SETUID"
	assert_contains "filter"
	run as alice crt top t nothing
	assert_status 125
	assert_contains '"nothing" is no format descriptor'
	run as alice crt top t -o pid,args
	assert_status 0
	assert_contains "ps -o pid,args"
	run as alice crt top nobody
	assert_status 125
	as alice crt stop -t 0 t
	run as alice crt top t
	assert_status 125
	assert_contains "can only be used on running containers"
}

@test "a process cannot write to the terminal by its name or arguments" {
	as alice crt run -d --name t --network none $B sh -c 'exec sleep 600 2>/dev/null "$(printf "\033[31m")"' || true
	as alice crt rm -f -t 0 t
	as alice crt run -d --name t --network none $B sh -c "sh -c 'sleep 600; :' \"\$(printf 'a\033[31m\nb\377')\"; :"
	wait_for 60 eval 'as alice crt top t args | grep -q x1b'
	run as alice crt top t
	assert_status 0
	[[ $output != *$'\033'* ]]
}

@test "stats without a cgroup: the figures of the processes, podman's columns and keys" {
	as alice crt run -d --name s $B sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 600 & sleep 600 & wait'
	as alice crt run -d --name h --network host $B sleep 600
	wait_for 60 eval '[ "$(as alice crt stats --no-stream --format "{{.PIDS}}" s)" = 3 ]'
	run as alice crt stats --no-stream
	[[ ${lines[0]} =~ ^ID\ +NAME\ +CPU\ %\ +MEM\ USAGE\ /\ LIMIT\ +MEM\ %\ +NET\ IO\ +BLOCK\ IO\ +PIDS\ +CPU\ TIME\ +AVG\ CPU\ %$ ]]
	[ "${#lines[@]}" = 3 ]
	run as alice crt stats --no-stream --format json s
	[ "$(jq -r '.[0] | keys_unsorted | join(" ")' <<<"$output")" = \
		"id name cpu_time cpu_percent avg_cpu mem_usage mem_percent net_io block_io pids" ]
	run as alice crt stats --no-stream --format '{{.CPUNano}} {{.Memory}} {{.MemLimit}} {{.NetIO}}' s
	read -r cpu memory limit net <<<"$output"
	[ "$cpu" -gt 10000000 ]
	[ "$memory" -gt 100000 ]
	[ "$limit" -gt "$memory" ]
	[ "$net" != "-- / --" ]
	run as alice crt stats --no-stream --format '{{.NetIO}}' h
	assert_output "-- / --"
	run as alice crt stats nobody
	assert_status 125
	# a stream ends with its containers, and repeats until then
	as alice timeout 60 crt stats --interval 1 --format '{{.Name}}' h >"$T/stream" &
	wait_for 60 eval '[ "$(wc -l <"$T/stream")" -ge 2 ]'
	as alice crt rm -f -t 0 h
	wait $!
	run as alice crt stats --no-stream -a --format '{{.Name}} {{.PIDS}}'
	assert_output "s 3"
}

@test "info works for everybody, with or without a store, a home, subordinate ids" {
	local who
	for who in alice $([ "$(id -u)" != 0 ] || echo carol root); do
		run as "$who" crt info --format json
		assert_status 0
		[ "$(jq -r '[.host.arch, .host.os, (.host.cpus > 0), (.host.memTotal > 0), .store.imageStore.number] | join(" ")' \
			<<<"$output")" = "$(jq -r .host.arch <<<"$output") linux true true 0" ]
		[ ! -e "$(store "$who")" ]
	done
	run as alice env -u HOME -u XDG_RUNTIME_DIR crt info
	assert_status 0
	assert_contains "graphDriverName: overlay"
	run as alice crt info -f '{{.Host.OS}} {{.Host.OCIRuntime.Name}} {{.Store.ContainerStore.Number}} {{.Version.Version}}'
	assert_match '^linux crt-oci 0 [0-9.]+$'
	run as alice crt info -f '{{.Nothing}}'
	assert_status 125
	if [ "$(id -u)" = 0 ]; then
		run as carol crt info --format '{{.Host.IDMappings.SingleId}}'
		assert_contains "no subordinate"
	fi
	as alice crt run -d --name i --network none $B sleep 600
	run as alice crt info -f '{{.Store.ContainerStore.Running}} {{.Store.ImageStore.Number}}'
	assert_output "1 1"
}

@test "version has podman's fields" {
	run as alice crt version --format '{{.Client.Version}} {{.Version}}'
	assert_match '^([0-9.]+) \1$'
	run as alice crt version --format json
	[ "$(jq -r '.Client.Os' <<<"$output")" = linux ]
	run as alice crt version
	assert_contains "libslirp"
}
