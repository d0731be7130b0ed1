#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt-oci driven by other engines, each on private directories and sockets.
load helpers
load oci

# an image archive made of a busybox bundle, by podman
archive() {
	need_program podman jq busybox
	bundle alice b
	chmod 1777 "$(home alice)/b/rootfs/tmp"
	(cd "$(home alice)/b/rootfs" && tar -cf "$T/rootfs.tar" .)
	rm -rf "$(home alice)/b"
}

# the same marks for every engine: what it prints is compared
@test "podman as a user" {
	archive
	cat >"$T/podman.sh" <<-'SH'
		p="podman --cgroup-manager=cgroupfs --storage-driver vfs --events-backend none --runtime $CRT_OCI"
		$p import -q "$1/rootfs.tar" full >/dev/null
		run="$p run --rm --network none full"
		$run id -u
		$run sh -c 'exit 7'
		echo "7 $?"
		$run nope 2>/dev/null
		echo "127 $?"
		$run /etc/passwd 2>/dev/null
		echo "126 $?"
		$p run -d --name d --network none full sleep 1000 >/dev/null
		$p exec d sh -c 'echo hello; exit 5'
		echo "5 $?"
		$p ps --format '{{.Names}} up'
		$p stop -t 1 d >/dev/null 2>&1
		$p ps -a --format '{{.Names}} {{.State}}'
		$p rm d >/dev/null
		$p run --rm --network none --read-only --user 1000:1000 --tmpfs /tmp full sh -c 'id -u; echo x >/x || echo denied; echo y >/tmp/y && cat /tmp/y' 2>/dev/null
	SH
	run as alice env CRT_OCI="$CRT_BIN/crt-oci" sh "$T/podman.sh" "$T"
	[[ $output != *'cannot clone'* && $output != *newuidmap* ]] || skip "podman cannot work here: $output"
	assert_contains $'0\n7 7\n127 127\n126 126\nhello\n5 5\nd '
	assert_contains 'd Exited (137)'
	assert_match $'\n1000\ndenied\ny$'
	as alice podman --storage-driver vfs system reset -f >/dev/null 2>&1 || true
	as alice podman unshare rm -rf "$(home alice)/.local/share/containers" "$(runtime_dir alice)/containers" 2>/dev/null || true
	# podman's own process that holds its user namespace
	local pause
	pause=$(cat "$(runtime_dir alice)/libpod/tmp/pause.pid" 2>/dev/null || true)
	[ -z "$pause" ] || kill "$pause"
	rm -rf "${T:?}/run/alice"/* "/tmp/podman-run-$(id -u "$(user alice)")"
}

# engine_image: an archive in docker's format at $T/image.tar
engine_image() {
	local p=(podman --root "$T/proot" --runroot "$T/prunroot" --storage-driver vfs)
	"${p[@]}" import -q "$T/rootfs.tar" full >/dev/null 2>&1 || skip "podman as root cannot import here"
	"${p[@]}" save -q -o "$T/image.tar" full 2>/dev/null
	rm -rf "$T/proot" "$T/prunroot"
}

@test "containerd's shim" {
	need_root
	need_program containerd ctr
	archive
	engine_image
	cat >"$T/containerd.toml" <<-EOF
		version = 2
		root = "$T/ctd/root"
		state = "$T/ctd/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$T/ctd.sock"
		[ttrpc]
		  address = "$T/ctd.ttrpc"
	EOF
	mkdir "$T/ctd"
	job_start containerd -c "$T/containerd.toml"
	local c=(ctr -a "$T/ctd.sock") d=(--runtime io.containerd.runc.v2 --runc-binary "$CRT_BIN/crt-oci" --snapshotter native) i
	wait_for 20 "${c[@]}" version || skip "containerd does not start here: $(tail -n 1 "$JOB_LOG")"
	"${c[@]}" images import "$T/image.tar" >/dev/null
	i=$("${c[@]}" images ls -q | head -n 1)
	run "${c[@]}" run --rm "${d[@]}" "$i" c1 sh -c 'echo out; exit 3'
	assert_status 3
	assert_contains out
	run "${c[@]}" run --rm "${d[@]}" "$i" c1 /nope
	assert_contains 'OCI runtime create failed: exec: "/nope": stat /nope: no such file or directory'
	"${c[@]}" containers rm c1 2>/dev/null || true
	"${c[@]}" run -d "${d[@]}" "$i" c2 sleep 1000
	run "${c[@]}" tasks exec --exec-id e1 c2 echo hi
	assert_output hi
	run "${c[@]}" tasks ps c2
	[ "${#lines[@]}" = 2 ] || flunk
	"${c[@]}" tasks pause c2
	run "${c[@]}" tasks ls
	assert_contains PAUSED
	"${c[@]}" tasks resume c2
	"${c[@]}" tasks kill -s 9 c2
	wait_for 5 sh -c "ctr -a $T/ctd.sock tasks ls | grep -q STOPPED"
	"${c[@]}" tasks rm c2 2>/dev/null || true
	"${c[@]}" containers rm c2
}

@test "dockerd" {
	need_root
	need_program dockerd docker
	archive
	engine_image
	cat >"$T/docker.json" <<-EOF
		{"runtimes": {"crt": {"path": "$CRT_BIN/crt-oci"}}, "default-runtime": "crt", "bridge": "none",
		 "iptables": false, "ip6tables": false, "storage-driver": "vfs", "data-root": "$T/dk/data",
		 "exec-root": "$T/dk/exec", "pidfile": "$T/dk/pid", "hosts": ["unix://$T/dk/sock"]}
	EOF
	mkdir "$T/dk"
	job_start dockerd --config-file "$T/docker.json"
	local k=(docker -H "unix://$T/dk/sock") img=localhost/full:latest
	wait_for 30 "${k[@]}" version || skip "dockerd does not start here: $(tail -n 1 "$JOB_LOG")"
	"${k[@]}" load -i "$T/image.tar" >/dev/null
	local r=("${k[@]}" run --rm --network none)
	run "${r[@]}" "$img" sh -c 'id -u; exit 4'
	assert_status 4
	run -127 "${r[@]}" "$img" nope
	run "${r[@]}" "$img" /etc/passwd
	assert_status 126
	run "${r[@]}" --privileged "$img" sh -c 'echo fine'
	assert_output fine
	run "${r[@]}" --memory 64m "$img" sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
	assert_output 67108864
	"${k[@]}" run -d --name d1 --network none "$img" sh -c 'echo logged; exec sleep 1000' >/dev/null
	run "${k[@]}" exec d1 echo hi
	assert_output hi
	"${k[@]}" pause d1
	"${k[@]}" unpause d1
	"${k[@]}" update --memory 50m --memory-swap 60m d1 >/dev/null
	run "${k[@]}" top d1
	assert_contains 'sleep 1000'
	"${k[@]}" stop -t 1 d1 >/dev/null
	run "${k[@]}" logs d1
	assert_output logged
	"${k[@]}" rm d1 >/dev/null
	kill "$JOB"
	wait "$JOB" || true
}
