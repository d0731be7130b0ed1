#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Health checks: of the image and of --health-*, by the monitor and by hand.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

teardown() {
	as alice crt rm -fa >/dev/null 2>&1 || true
	world_teardown
}

health() { as alice crt inspect -f '{{.State.Health.Status}}' "$1"; }
is_health() { [ "$(health "$1")" = "$2" ]; }
field() { as alice crt inspect -f "$2" "$1"; }

@test "starting, healthy, unhealthy: in inspect, ps, wait and events" {
	as alice crt run -d --name h --network none --health-interval 100ms --health-retries 2 \
		--health-start-period 1h --health-cmd 'echo "try $((1+1))"; test -e /ok' $B sleep 600
	run as alice crt ps --format '{{.Status}}'
	assert_contains "(starting)"
	as alice crt exec h touch /ok
	run as alice timeout 120 crt wait --condition healthy h
	assert_output -1
	run as alice crt ps -a --filter health=healthy --format '{{.Names}} {{.Status}}'
	assert_match '^h Up .* \(healthy\)$'
	as alice crt exec h rm /ok
	run as alice timeout 120 crt wait --condition=unhealthy,exited -i 50ms h
	assert_output -1
	run as alice crt ps --filter health=healthy -q
	assert_output ""
	run field h '{{len .State.Health.Log}} {{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}} {{.Config.Healthcheck.Test}} {{.Config.Healthcheck.Retries}}'
	assert_contains $'try 2\n'
	assert_contains "[CMD-SHELL echo"
	run as alice crt events --stream=false --filter event=health_status --format '{{.HealthStatus}}'
	assert_contains $'healthy\nunhealthy'
	as alice crt stop -t 0 h
	is_health h unhealthy
	as alice crt start h
	is_health h starting
}

@test "crt healthcheck run has podman's exit codes" {
	as alice crt run -d --name m --network none --health-interval disable --health-retries 1 \
		--health-cmd '["test", "-e", "/ok"]' $B sleep 600
	run as alice crt healthcheck run m
	assert_status 1
	assert_output unhealthy
	as alice crt exec m touch /ok
	run as alice crt healthcheck run m
	assert_status 0
	assert_output ""
	is_health m healthy
	as alice crt run -d --name none --network none $B sleep 600
	run --separate-stderr as alice crt healthcheck run none
	assert_error 125 "no defined healthcheck"
	run --separate-stderr as alice timeout 60 crt wait --condition healthy none
	assert_error 125 "no healthcheck"
	as alice crt stop -t 0 m
	run --separate-stderr as alice crt healthcheck run m
	assert_error 125 "not running"
	run --separate-stderr as alice crt healthcheck run nosuch
	assert_error 125 nosuch
	for bad in --health-retries=0 --health-interval=soon --health-timeout=1ms --health-on-failure=cry --health-cmd=; do
		run --separate-stderr as alice crt run -d --health-cmd x $bad $B true
		assert_error 125 "${bad%%=*}"
	done
}

@test "the image's HEALTHCHECK is run, can be changed, and can be switched off" {
	image hc
	python3 - "$T/img/hc" <<-'EOP'
		import hashlib, json, os, sys
		d = sys.argv[1]
		blob = lambda h: os.path.join(d, "blobs/sha256", h)
		def put(obj):
		    text = json.dumps(obj).encode()
		    h = hashlib.sha256(text).hexdigest()
		    open(blob(h), "wb").write(text)
		    return {"digest": "sha256:" + h, "size": len(text)}
		index = json.load(open(d + "/index.json"))
		manifest = json.load(open(blob(index["manifests"][0]["digest"][7:])))
		config = json.load(open(blob(manifest["config"]["digest"][7:])))
		config.setdefault("config", {})["Healthcheck"] = {
		    "Test": ["CMD", "test", "-e", "/etc"], "Interval": 100000000, "Retries": 7}
		manifest["config"].update(put(config))
		index["manifests"][0].update(put(manifest))
		json.dump(index, open(d + "/index.json", "w"))
	EOP
	as alice crt run -d --name i --network none --health-retries 5 "oci:$T/img/hc:latest" sleep 600
	run as alice timeout 120 crt wait --condition healthy i
	assert_status 0
	run field i '{{.Config.Healthcheck.Test}} {{.Config.Healthcheck.Retries}} {{.Config.Healthcheck.Interval}}'
	assert_output "[CMD test -e /etc] 5 100000000"
	as alice crt run -d --name off --network none --no-healthcheck "oci:$T/img/hc:latest" sleep 600
	run as alice crt ps --filter name=off --format '{{.Status}}'
	refute_contains "("
	is_health off ""
}

@test "--health-on-failure kills, stops or restarts, whatever the restart policy says" {
	local check=(--health-cmd 'exit 1' --health-interval 50ms --health-retries 2 --stop-timeout 0 --network none)
	as alice crt run -d --name k "${check[@]}" --health-on-failure kill $B sleep 600
	as alice crt run -d --name s "${check[@]}" --health-on-failure stop --restart always $B sleep 600
	as alice crt run -d --name r "${check[@]}" --health-on-failure restart $B sleep 600
	run as alice timeout 120 crt wait k s
	assert_output $'137\n137'
	is_health k unhealthy
	restarted() { [ "$(field r '{{.RestartCount}}')" -ge 1 ]; }
	wait_for 60 restarted
	run as alice crt stop r
	assert_status 0
	run field r '{{.State.Status}}'
	assert_output exited
	run field s '{{.State.Status}} {{.RestartCount}}'
	assert_output "exited 0"
}

@test "a startup check comes first; a hanging check is killed; hostile output stays text" {
	as alice crt run -d --name u --network none --health-cmd 'exit 1' --health-interval 50ms --health-retries 1 \
		--health-startup-cmd 'test -e /up' --health-startup-interval 50ms $B sleep 600
	as alice crt run -d --name t --network none --health-interval disable --health-retries 1 \
		--health-cmd 'printf "\033[2J\377"; head -c 100000 /dev/zero | tr "\0" x; sleep 600' --health-timeout 1s $B sleep 600
	run as alice timeout 60 crt healthcheck run t
	assert_output unhealthy
	run as alice crt inspect t
	refute_contains $'\033'
	refute_contains $'\377'
	[ "$(field t '{{(index .State.Health.Log 0).Output}}' | wc -c)" -lt 600 ]
	is_health u starting
	as alice crt exec u touch /up
	run as alice timeout 120 crt wait --condition unhealthy u
	assert_status 0
	# none of it is left
	run as alice crt exec t ps
	refute_contains "head -c"
}

@test "single-id users and root have health checks too" {
	need_root
	local who
	for who in carol root; do
		as $who crt run -d --name h --network none --health-cmd 'test $(id -u) = 0' --health-interval 100ms $B sleep 600
		run as $who timeout 120 crt wait --condition healthy h
		assert_status 0
		as $who crt rm -f h
	done
}
