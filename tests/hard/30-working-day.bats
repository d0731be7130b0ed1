#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A working day with crt, compared line by line with the same day with podman.

load ../feature/helpers

# day NAME TOOL: the steps as alice, in a directory of its own
day() {
	as alice mkdir -p "$(home alice)/$1"
	AS_DIR=$(home alice)/$1 as alice env CONTAINERS_CONF="$T/containers.conf" \
		timeout 900 bash "$BATS_TEST_DIRNAME/working-day.sh" "$2" "$T/web.tar"
}

# exec -d prints no id, the stop signal is a name, start of a running one prints it, top works without cgroups
differences() {
	cat <<-'END'
		-ID
		-["nginx","-g","daemon off;"] /  3 {"day":"1","n":"3"}
		+["nginx","-g","daemon off;"] /  SIGQUIT {"day":"1","n":"3"}
		+web3
		+USER PID PPID %CPU ELAPSED TTY TIME COMMAND
	END
}

@test "a working day: what crt prints and returns is what podman prints and returns" {
	need_root
	need_program podman skopeo mmdebstrap umoci
	layout=$("$FEATURE_DIR/debian-image.sh" "$CRT_TEST_CACHE" nginx-light) || skip "no Debian image: mmdebstrap failed (no package mirror?)"
	cp -r "$layout" "$T/web"
	umoci config --image "$T/web:latest" --config.cmd nginx --config.cmd -g --config.cmd 'daemon off;' \
		--config.exposedports 80/tcp --config.stopsignal SIGQUIT
	skopeo copy -q "oci:$T/web:latest" "docker-archive:$T/web.tar:localhost/web:1"
	chmod a+r "$T/web.tar"
	printf '[containers]\ncgroups = "disabled"\nkeyring = false\nlog_driver = "k8s-file"\n[engine]\nevents_logger = "file"\n' >"$T/containers.conf"
	day crt crt >"$T/crt.out"
	# crun refuses a machine with both kinds of cgroups
	podman=(podman --root "$(home alice)/podman" --runroot "$(runtime_dir alice)/podman" --storage-driver overlay --cgroup-manager cgroupfs)
	export BATS_TEST_DIRNAME
	export -f day as as_exec home user runtime_dir close_fds
	unshare -m bash -c 'umount /sys/fs/cgroup/unified 2>/dev/null; day podman "$*"' - "${podman[@]}" >"$T/podman.out"
	[ -z "${CRT_DAY_KEEP-}" ] || cp "$T"/*.out "$CRT_DAY_KEEP"
	as alice "${podman[@]}" unshare sh -c "umount $(home alice)/podman/overlay; rm -rf $(home alice)/podman"
	as alice podman --runroot "$(runtime_dir alice)/podman" system migrate || true
	rm -rf "$(runtime_dir alice)/"{podman,libpod,containers}
	differences >"$T/expected"
	diff -U2 "$T/expected" <(diff -U0 "$T/podman.out" "$T/crt.out" | grep -E '^[-+][^-+]')
}
