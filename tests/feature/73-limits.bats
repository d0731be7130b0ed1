#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits with and without cgroups, pause, unpause, update.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox
EAT='x=0123456789012345678901234567890123456789; while :; do x=$x$x; done'
COUNT='i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done'

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

# users get control groups here with version 2 only
no_user_cgroup() {
	[ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] || skip "with cgroup version 2 users may have groups"
}

root_cgroup() {
	need_root
	[ -w /sys/fs/cgroup/memory ] && mkdir "/sys/fs/cgroup/memory/crt-probe-$$" 2>/dev/null ||
		skip "root may not make groups of version 1 here"
	rmdir "/sys/fs/cgroup/memory/crt-probe-$$"
}

lines_of() { as alice crt logs "$1" 2>/dev/null | wc -l; }
more_than() { [ "$(lines_of "$1")" -gt "$2" ]; }

@test "without a cgroup one line says by what the limits hold; --require-limits refuses" {
	no_user_cgroup
	run --separate-stderr as alice crt run --rm --network none --memory 64m --cpus 1 --pids-limit 20 \
		--cpu-shares 10 $B sh -c 'nproc; for i in $(seq 40); do sleep 2 & done'
	[ "${lines[0]}" = 1 ]
	[[ $stderr == *"limits without a cgroup"*"--memory by watching"*"--pids-limit by RLIMIT_NPROC"*"--cpus by CPU affinity"*"not applied: --cpu-shares"* ]]
	[[ $stderr == *"can't fork"* ]]
	run as alice crt run --rm --require-limits --memory 64m $B true
	assert_status 125
	assert_contains "--require-limits"
	run as alice crt ps -aq
	assert_output ""
}

@test "the memory limit without a cgroup kills at once, and OOMKilled is known from then on" {
	no_user_cgroup
	not_sanitized "memory is another"
	as alice crt run -d --name m --network none --memory 64m $B sh -c "$EAT" 2>/dev/null
	run as alice timeout 60 crt wait m
	assert_output 137
	run as alice crt inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}} {{.HostConfig.Memory}}' m
	assert_output "true 137 67108864"
	# shared memory and many processes count as well; what fits runs on
	run as alice crt run --rm --network none --memory 200m $B \
		sh -c 'for i in 1 2 3 4 5 6 7 8; do sh -c "sleep 0.3" & done; wait; echo fits'
	assert_status 0
	assert_contains fits
	if [ "$(id -u)" = 0 ]; then
		run as carol timeout 60 crt run --rm --network none --memory 64m $B sh -c "$EAT"
		assert_status 137
		assert_contains "--memory"
	fi
}

@test "a command of crt exec is counted by the same limits" {
	no_user_cgroup
	not_sanitized "memory is another"
	as alice crt run -d --name m --network none --memory 64m --cpus 1 $B sleep 600 2>/dev/null
	run as alice crt exec m nproc
	assert_output 1
	run as alice timeout 60 crt exec m sh -c "$EAT"
	assert_status 137
	run as alice timeout 60 crt wait m
	assert_output 137
	run as alice crt inspect -f '{{.State.OOMKilled}}' m
	assert_output true
}

@test "update changes a running container and what its next start has" {
	no_user_cgroup
	as alice crt run -d --name u --network none --cpus 2 --pids-limit 50 $B sleep 600 2>/dev/null
	run as alice crt update --cpus 1 --pids-limit 30 --memory 100m --restart on-failure:2 u
	assert_match '^[0-9a-f]{64}$'
	run as alice crt exec u sh -c 'nproc; ulimit -u'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" = 31 ]
	run as alice crt inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' u
	assert_output "104857600 1000000000 30 on-failure 2"
	# the policy is the monitor's from now on
	as alice crt exec u kill -9 1 || true
	as alice crt update --restart no u
	run as alice crt update --cpu-shares 5 u
	assert_status 125
	assert_contains "no cgroup"
	as alice crt restart -t 0 u 2>/dev/null
	run as alice crt exec u nproc
	assert_output 1
	run as alice crt update u
	assert_status 125
}

@test "pause stops everything, unpause lets it go on; other verbs say what they cannot do" {
	local n
	as alice crt run -d --name p --network none $B sh -c "$COUNT"
	wait_for 60 more_than p 3
	run as alice crt pause p
	assert_output p
	n=$(lines_of p)
	run as alice crt ps --format '{{.Names}} {{.State}} {{.Status}}'
	assert_output "p paused Paused"
	run as alice crt inspect -f '{{.State.Status}} {{.State.Paused}} {{.State.Running}}' p
	assert_output "paused true false"
	run as alice crt pause p
	assert_status 125
	run as alice crt exec p true
	assert_status 255
	run as alice crt stop p
	assert_status 125
	assert_contains paused
	run as alice crt rm p
	assert_status 2
	sleep 0.2
	[ "$(lines_of p)" = "$n" ]
	run as alice crt unpause p
	assert_output p
	wait_for 60 more_than p $((n + 3))
	run as alice crt unpause p
	assert_status 125
	run as alice crt pause -a
	assert_match '^[0-9a-f]{64}$'
	as alice crt kill p
	run as alice timeout 60 crt wait p
	assert_output 137
	as alice crt start p
	run as alice crt ps --format '{{.State}}'
	assert_output running
	as alice crt pause p
	run as alice timeout 60 crt rm -f -t 0 p
	assert_status 0
}

@test "root's limits are cgroups: enforced, changed, frozen, and gone with the container" {
	root_cgroup
	as root crt run -d --name g --network none --memory 64m --cpus 0.5 --pids-limit 20 $B sleep 600
	run as root crt exec g sh -c 'cat /proc/self/cgroup; cat /sys/fs/cgroup/pids/pids.max'
	[ "${lines[-1]}" = 20 ]
	as root crt update --pids-limit 10 g
	run as root crt exec g sh -c 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us'
	[ "${lines[0]}" = 10 ]
	[ "${lines[1]}" = 50000 ]
	as root crt pause g
	run as root crt inspect -f '{{.State.Status}}' g
	assert_output paused
	as root crt unpause g
	as root crt pause g
	as root timeout 60 crt rm -f -t 0 g
	as root crt run -d --name o --network none --memory 32m $B sh -c "$EAT"
	run as root timeout 60 crt wait o
	assert_output 137
	run as root crt inspect -f '{{.State.OOMKilled}}' o
	assert_output true
	id=$(as root crt inspect -f '{{.Id}}' o)
	as root crt rm o
	[ -z "$(ls -d /sys/fs/cgroup/*/*"$id"* 2>/dev/null)" ]
}

@test "limits that are no limits are refused by name" {
	local bad
	for bad in "--memory foo" "--memory 1k" "--memory-swap 10m" "--memory 20m --memory-swap 10m" \
		"--cpus x" "--cpus 1 --cpu-quota 1000" "--pids-limit x" "--cgroups x" "--cpuset-cpus a" \
		"--oom-score-adj 2000" "--device-read-bps /dev/null:1m" "--device-read-bps x"; do
		# shellcheck disable=SC2086
		run as alice crt run --rm --network none $bad $B true
		assert_status 125
		[ "${#lines[@]}" = 1 ]
		assert_contains "${bad%% *}"
	done
	run as alice crt run --rm --network none --oom-score-adj 300 $B cat /proc/self/oom_score_adj
	assert_output 300
}
