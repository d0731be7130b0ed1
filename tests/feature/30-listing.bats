#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is listed, shown and removed: ps, rm, inspect, images, rmi, pull, and the options of all verbs.
load helpers

c() { as alice crt "$@"; }

# running NAME [run options]: a container in the background that sleeps
running() {
	local name=$1
	shift
	crt_start alice run --name "$name" "$@" builtin:busybox sleep 1000
	wait_for 10 eval "[ \"\$(as alice crt ps -q --filter name=$name)\" != '' ]"
}

@test "ps: running ones only, -a all, newest first, with ports, labels and times" {
	c run --name first --label color=blue builtin:busybox sh -c 'exit 3' || [ $? = 3 ]
	running second -p 127.0.0.1:"$(free_port)":80
	run c ps
	assert_status 0
	[ "${#lines[@]}" = 2 ] || flunk "one container runs"
	[[ ${lines[0]} =~ ^CONTAINER\ ID\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +PORTS\ +NAMES$ ]] || flunk "heading"
	[[ ${lines[1]} =~ ^[0-9a-f]{12}\ +builtin:busybox\ +sleep\ 1000\ .*Up\ .*127.0.0.1:[0-9]+-\>80/tcp\ +second$ ]] || flunk "line"
	run c ps -a --format '{{.Names}} {{.State}} {{.ExitCode}}'
	[ "${lines[0]}" = "second running 0" ] || flunk
	[ "${lines[1]}" = "first exited 3" ] || flunk
	run c ps -a --filter label=color=blue --format '{{.Status}}/{{index .Labels "color"}}'
	assert_match '^Exited \(3\) .* ago/blue$'
	run c ps -a --filter name=fir --filter status=running -q
	assert_output ""
	run c ps -aq --no-trunc
	assert_match '^[0-9a-f]{64}'
	run c ps -l --format '{{.Names}}'
	assert_output second
	run c rm -f second
	assert_status 0
}

@test "ps and images: filters by time, label, volume and name, orders, namespaces, headings of templates" {
	c run --name one -l a=1 -v box:/data builtin:busybox true
	c run --name two -l a=1 -l b=2 builtin:busybox true
	c run --name three -l a=2 builtin:busybox sh -c 'exit 4' || [ $? = 4 ]
	names() { run c ps -a --format '{{.Names}}' "$@"; }
	names --filter since=one
	assert_output $'three\ntwo'
	names --filter before=two
	assert_output one
	names -f label=a=1 -f label=b
	assert_output two
	names -f 'label!=b' -f name=one -f name=three
	assert_output $'three\none'
	names -f 'name=^t.o$'
	assert_output two
	names -f volume=box
	assert_output one
	names -f volume=/data -f status=exited -f exited=0
	assert_output one
	names -f until=1h
	assert_output ""
	names -f exited=4 -f restart-policy=no -f health=none -f network=slirp4netns
	assert_output three
	names --sort names
	assert_output $'one\nthree\ntwo'
	run --separate-stderr c ps -f pod=x
	assert_error 125 "there are no pods"
	run --separate-stderr c ps -f since=nobody
	assert_error 125 "nobody"
	run --separate-stderr c ps -f status=happy
	assert_error 125 "happy"
	run c ps -a --filter name=two --format 'table {{.Names}} {{.CreatedAt}}\t{{.RunningFor}}'
	[[ ${lines[0]} =~ ^NAMES\ +CREATED\ AT\ +RUNNING\ FOR$ ]] || flunk "heading"
	run c ps -a --filter name=two --format '{{range .}}{{.Names}} {{.Label "b"}}{{end}}'
	assert_output "two 2"
	running live
	run c ps --ns --noheading
	assert_match '^[0-9a-f]{12} +live +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+$'
	c rm -fa
	image one --config.label k=v
	c pull -q "oci:$T/img/one:latest"
	run c images -f label=k=v --format '{{.Repository}}'
	assert_match img/one
	run c images -q -f 'label!=k' -f containers=false
	assert_match '^[0-9a-f]{12}$'
	run c images --sort size -q
	[ "${#lines[@]}" = 2 ] || flunk
	run --separate-stderr c images --sort colour
	assert_error 125 colour
}

@test "ps: every port of several, json for programs" {
	running web -p "$(free_port):80" -p "127.0.0.1:$(free_port):53/udp"
	run c ps --format json
	assert_status 0
	[ "$(jq -r '.[0].Names[0] + " " + .[0].State' <<<"$output")" = "web running" ] || flunk
	[ "$(jq -r '.[0].Ports | length' <<<"$output")" = 2 ] || flunk
	local pid
	pid=$(jq -r '.[0].Pid' <<<"$output")
	run cat "/proc/$pid/cmdline"
	assert_match sleep
	run c rm -f web
	assert_output web
	run c ps -aq
	assert_output ""
}

@test "rm: a running one is refused with 2, a missing one with 1, --force removes, sub-ids' files are deleted" {
	running life
	run --separate-stderr c rm life
	assert_error 2 "cannot remove container life as it is running"
	run --separate-stderr c rm nothing
	assert_error 1 nothing
	run c rm -f nothing
	assert_status 0
	run c rm --force life
	assert_status 0
	assert_output life
	job_wait
	assert_status 137
	c run --name owner builtin:busybox sh -c 'mkdir -m 0 /x; mkdir /y; touch /y/z; chown -R 7:7 /x /y; chmod 0 /y'
	run c rm owner
	assert_status 0
	run find "$(store alice)/containers" "$(store alice)/trash" -mindepth 1
	assert_output ""
}

@test "rm -t sends the stop signal first" {
	crt_start alice run --name polite builtin:busybox sh -c 'trap "echo bye; exit 5" TERM; echo up; while :; do sleep 0.05; done'
	wait_for 10 grep -q up "$JOB_LOG"
	run c rm -f -t 10 polite
	assert_status 0
	job_wait
	assert_status 5
	assert_contains bye
}

@test "rm -a: all that have ended; running ones stay, with 2" {
	running stays
	c run --name ends builtin:busybox true
	run c rm -a
	assert_status 2
	run c ps -a --format '{{.Names}}'
	assert_output stays
	run c rm -af
	assert_status 0
	run c ps -aq
	assert_output ""
}

@test "a container whose keeper was killed is shown as ended and can be removed" {
	running lost
	local pid keeper
	pid=$(c inspect -f '{{.State.Pid}}' lost)
	keeper=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")
	kill -KILL "$keeper" "$JOB"
	wait_for 10 eval '[ "$(as alice crt inspect -f "{{.State.Status}}" lost)" = exited ]'
	run c ps -a --format '{{.Status}}'
	assert_output "Exited (unknown)"
	run c rm lost
	assert_status 0
	run find "$(runtime_dir alice)" -name "$pid"
	assert_output ""
}

@test "inspect: a container, an image, both, and what is missing" {
	c run --name box --label a=b -e X=1 -w /tmp -v /tmp:/mnt:ro builtin:busybox sh -c 'exit 4' || [ $? = 4 ]
	run c inspect box
	assert_status 0
	[ "$(jq -r '.[0] | [.Name, .State.Status, .State.ExitCode, .Path, .Args[0], .Config.WorkingDir, .Config.Labels.a] | @csv' <<<"$output")" = \
		'"box","exited",4,"sh","-c","/tmp","b"' ] || flunk
	[ "$(jq -c '.[0].Mounts | map([.Source, .Destination, .RW])' <<<"$output")" = '[["/tmp","/mnt",false]]' ] || flunk "mounts"
	[ "$(jq -c '.[0] | [.RestartCount, .Config.Cmd, .Config.Entrypoint]' <<<"$output")" = '[0,["sh","-c","exit 4"],[]]' ] || flunk "config"
	jq -e '.[0].Config.Env | contains(["X=1", "container=crt"])' <<<"$output" >/dev/null || flunk "environment"
	run c ps -a --format '{{.Names}} {{.Mounts}}'
	assert_output "box /mnt"
	[ "$(c ps -a --format json | jq -c '.[0].Mounts')" = '["/mnt"]' ] || flunk "mounts"
	# an init is not the user's command
	c run --name init --init --entrypoint '["echo","a"]' builtin:busybox b
	run c inspect init
	[ "$(jq -c '.[0] | [.Path, .Args, .Mounts, .Config.Cmd, .Config.Entrypoint]' <<<"$output")" = \
		'["echo",["a","b"],[],["b"],["echo","a"]]' ] || flunk
	run c inspect -f '{{.HostConfig.NetworkMode}} {{json .HostConfig.PortBindings}} {{.HostConfig.RestartPolicy.Name}}.{{.State.OOMKilled}} {{.RestartCount}} {{len .NetworkSettings.Networks}} {{join .HostConfig.Binds " "}} {{if .State.Running}}up{{else}}down{{end}}' box
	assert_output "slirp4netns {} .false 0 0 /tmp:/mnt:rbind,rprivate,nosuid,nodev,ro down"
	run c inspect -f '{{.Architecture}} {{json .Config.Cmd}} {{.RootFS.Type}}' builtin:busybox
	assert_match '^[a-z0-9_]+ \["sh"\] layers$'
	run c inspect --type image box
	assert_status 125
	run --separate-stderr c inspect box nothing
	assert_status 125
	[ "$(jq length <<<"$output")" = 1 ] || flunk
	[[ $stderr == *nothing* ]] || flunk
	run --separate-stderr c inspect -f '{{.Wrong}}' box
	assert_error 125 "can't evaluate field Wrong"
}

@test "images and rmi: names, filters, templates, an image in use" {
	image one --config.label k=v
	run c pull -q "oci:$T/img/one:latest"
	assert_status 0
	assert_match '^[0-9a-f]{64}$'
	local id=$output
	c pull -q builtin:busybox
	run c images
	[[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]] || flunk "heading"
	[ "${#lines[@]}" = 3 ] || flunk "two images"
	run c images --no-trunc -q
	assert_contains "$id"
	run c images --format json
	[ "$(jq length <<<"$output")" = 2 ] || flunk
	run c images --filter 'reference=builtin:*' --format 'table {{.Repository}}\t{{.Tag}}'
	[ "${#lines[@]}" = 2 ] || flunk
	[[ ${lines[1]} =~ ^builtin\ +busybox$ ]] || flunk
	c run --name uses builtin:busybox true
	run --separate-stderr c rmi builtin:busybox
	assert_error 2 "used by container"
	run --separate-stderr c rmi nothing
	assert_error 1 nothing
	run c rmi "$id"
	assert_status 0
	assert_contains "Deleted: $id"
	c rm uses
	run c rmi -a
	assert_contains "Untagged: builtin:busybox"
	run find "$(store alice)/oci/blobs" "$(store alice)/layers" "$(store alice)/trash" -mindepth 2
	assert_output ""
}

@test "a pull interrupted by SIGINT or SIGKILL leaves no image and no half of one" {
	image one
	local sig
	for sig in INT KILL; do
		crt_start alice pull "oci:$T/img/one:latest"
		kill -"$sig" "$JOB" 2>/dev/null || true
		job_wait
	done
	# either it was faster, and then it is whole, or it is not there
	run c images -q
	if [ -n "$output" ]; then
		run c run --rm "oci:$T/img/one:latest" true
		assert_status 0
	fi
	c rmi -a
	c pull -q builtin:busybox # throws away what a dead one left
	run find "$(store alice)/tmp" "$(store alice)/trash" -mindepth 1
	assert_output ""
}

@test "options: forms, clusters, mistakes" {
	run c run --rm -it=false -eA=1 -e=B=2 --env C=3 --env=D=4 builtin:busybox sh -c 'echo $A$B$C$D'
	assert_output 1234
	run c run --rm builtin:busybox echo --rm -x -- y
	assert_output "--rm -x -- y"
	run c rm nothing -f --ignore=true
	assert_status 0
	run --separate-stderr c run --frob builtin:busybox
	assert_error 125 "unknown flag: --frob"
	[[ $stderr == *"See 'crt run --help'"* ]] || flunk
	run --separate-stderr c run -tx builtin:busybox
	assert_error 125 "unknown shorthand flag: 'x' in -tx"
	run --separate-stderr c run --name
	assert_error 125 "flag needs an argument: --name"
	run --separate-stderr c run --rm=perhaps builtin:busybox
	assert_error 125 'invalid argument "perhaps"'
	run --separate-stderr c frob
	assert_error 125 'unknown command "frob"'
	run --separate-stderr c ps --filter frob=1
	assert_error 125 frob
	run --separate-stderr c images --filter dangling=perhaps
	assert_error 125 dangling
	run --separate-stderr c --log-level loud ps
	assert_error 125 loud
}

@test "every verb explains itself, and takes its store from --root and CRT_ROOT" {
	local verb
	for verb in run ps rm pull images rmi inspect version completion; do
		run --separate-stderr c "$verb" --help
		assert_status 0
		[ -z "$stderr" ] || flunk "$verb"
		assert_contains "crt $verb"
	done
	run c version
	assert_match '^Version: +[0-9]+\.[0-9]+'
	assert_match 'libslirp: +[0-9]+\.[0-9]+\.[0-9]+( |$)'
	run c --version
	assert_match '^crt version [0-9]'
	c --root "$(home alice)/other" pull -q builtin:busybox
	run c images -q
	assert_output ""
	run as alice env CRT_ROOT="$(home alice)/other" crt images -q
	assert_match '^[0-9a-f]{12}$'
}

@test "completion of bash offers verbs, options, values, images and containers" {
	c run --name box builtin:busybox true
	cat >"$T/complete" <<'END'
. <(crt completion bash)
complete_line() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_crt
	echo "${COMPREPLY[*]}"
}
complete_line crt im
complete_line crt run --entr
complete_line crt run --pull ne
complete_line crt rm b
complete_line crt rmi built
complete_line crt --root
complete_line crt volume r
complete_line crt volume rm d
complete_line crt run --pull = ne
complete_line crt rmi builtin : b
complete_line crt ps --filter status = ru
END
	c volume create data-1
	run as alice bash "$T/complete"
	[ "${lines[0]}" = "images image" ] || flunk
	[ "${lines[1]}" = --entrypoint ] || flunk
	[ "${lines[2]}" = "never newer" ] || flunk
	[ "${lines[3]}" = box ] || flunk
	[ "${lines[4]}" = builtin:busybox ] || flunk
	[ "${lines[5]}" = --root ] || flunk
	[ "${lines[6]}" = rm ] || flunk
	[ "${lines[7]}" = data-1 ] || flunk
	[ "${lines[8]}" = "never newer" ] || flunk
	[ "${lines[9]}" = busybox ] || flunk
	[ "${lines[10]}" = running ] || flunk
	# what the other shells ask; a name that is none of ours never reaches them
	run c __complete -- volume inspect da
	assert_output $'data-1\tvolume'
	run c __complete -- run builtin:busybox ''
	assert_output :file
	run c completion nosuchshell
	assert_status 125
	local shell
	for shell in zsh fish; do
		c completion "$shell" >"$T/script"
		if command -v "$shell" >/dev/null; then
			"$shell" -n "$T/script" || flunk "$shell"
		else
			echo "# $shell is not installed: its script is not read" >&3
		fi
	done
}

@test "a reader that goes away is no error" {
	c run --name box builtin:busybox true
	run as alice bash -c 'crt inspect box | head -c 1; echo " ${PIPESTATUS[0]}"'
	assert_output "[ 0"
}

@test "ps --size and inspect --size count what was written, also where only the container may look" {
	c run --name big --network none builtin:busybox sh -c 'mkdir -m 700 /d; head -c 12345 /dev/zero >/d/f; chown -R 5:5 /d'
	c create --name small --network none --restart always builtin:busybox true
	run c ps -a --sort size --format '{{.Names}}'
	assert_output $'small\nbig'
	run c ps -a --size --filter name=big
	assert_contains '12.3kB (virtual '
	run c inspect --size -f '{{.SizeRw}}' big
	assert_output 12345
	run c ps -aq --filter restart-policy=always --external --sync --pod
	[ "${#lines[@]}" = 1 ]
	run bash -c 'as_exec alice timeout 60 crt ps -w 1 | head -n 1'
	assert_status 0
}
