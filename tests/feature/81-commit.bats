#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crt commit: images of containers, as crt and other tools see them; interrupted ones.
bats_require_minimum_version 1.5.0

load helpers

B=builtin:busybox

setup() {
	world_setup
}

teardown() {
	as alice crt rm -fa -t0 >/dev/null 2>&1 || true
	! [ "$(id -u)" = 0 ] || as carol crt rm -fa -t0 >/dev/null 2>&1 || true
	world_teardown
}

@test "commit: what changed, whiteouts, owners, configuration, changes, history" {
	as alice crt run --name box -e A=kept -w /data -v vol:/vol $B sh -c \
		'echo hi >f; ln f g; chown 5:6 f; rm /bin/vi; rm -rf /etc; mkdir /etc; echo new >/etc/only; echo v >/vol/v; mkfifo p'
	as alice crt commit -a me -m why -c 'CMD ["cat","/data/f"]' -c 'ENV X=y z' -c 'LABEL l=1' -c 'EXPOSE 80' \
		-c 'ENTRYPOINT []' -c USER=5 --iidfile "$T/home/alice/iid" box new:1 >"$T/id"
	cmp <(tr -d '\n' <"$T/id") "$T/home/alice/iid"
	run as alice crt run --rm new:1
	assert_output hi
	run as alice crt run --rm -u 0 new:1 sh -c \
		'stat -c "%n %u:%g %h %F" f g p; ls /bin/vi /vol/v 2>&1; ls -A /etc | grep -v -e host -e resolv; echo "$A:$X:$PWD"'
	assert_output "f 5:6 2 regular file
g 5:6 2 regular file
p 0:0 1 fifo
ls: /bin/vi: No such file or directory
ls: /vol/v: No such file or directory
only
kept:y z:/data"
	run as alice crt image inspect --format '{{.Author}} {{.Config.User}} {{index .Config.Labels "l"}} {{len .RootFS.Layers}}' new:1
	assert_output "me 5 1 2"
	run as alice sh -c 'crt history --format "{{.Comment}}" new:1 | head -n 1'
	assert_output why
	# again, and the same layer is there once
	as alice crt commit box >/dev/null
	run as alice sh -c 'ls ~/.local/share/crt/layers | wc -l'
	assert_output 2
	for bad in 'RUN x' 'CMD' 'WORKDIR rel' 'STOPSIGNAL no'; do
		run --separate-stderr as alice crt commit -c "$bad" box
		assert_error 125 "--change"
	done
	run --separate-stderr as alice crt commit box 'Bad Name'
	assert_error 125 "Bad Name"
	run --separate-stderr as alice crt commit nosuch
	assert_error 125 nosuch
}

@test "commit: running, paused meanwhile, never run, squashed; skopeo and umoci read it" {
	as alice crt run -d --name live --network none $B sh -c 'echo one >/one; rm /bin/vi; sleep 600' >/dev/null
	wait_for 20 as alice crt exec live sh -c '! test -e /bin/vi'
	as alice crt commit -p live live:1 >/dev/null
	run as alice crt inspect --format '{{.State.Status}}' live
	assert_output running
	as alice crt create --name cold $B true >/dev/null
	as alice crt commit cold cold:1 >/dev/null
	run as alice crt run --rm cold:1 stat -c %a /
	assert_output 755
	as alice crt commit -s -f docker live flat >/dev/null
	run as alice crt run --rm flat sh -c 'cat /one; ls /bin/vi 2>&1'
	assert_output $'one\nls: /bin/vi: No such file or directory'
	run as alice crt image inspect --format '{{len .RootFS.Layers}} {{.ManifestType}}' flat
	assert_output "1 application/vnd.docker.distribution.manifest.v2+json"
	need_program skopeo umoci
	as alice sh -c 'cp -r ~/.local/share/crt/oci ~/oci'
	run as alice sh -c 'skopeo --tmpdir ~ copy -q oci:$HOME/oci:localhost/live:1 oci:$HOME/two:x && umoci unpack --rootless --image ~/two:x ~/b \
		>/dev/null 2>&1; cat ~/b/rootfs/one; ls ~/b/rootfs/bin/vi 2>/dev/null'
	assert_output one
}

@test "commit of many files; interrupted anywhere it leaves nothing" {
	as alice crt run --name many $B sh -c 'mkdir /m; cd /m; for i in $(seq 1000); do echo $i >$i; done; ls | wc -l' >"$T/n"
	for t in 0.02 0.05 0.1; do
		timeout -s KILL $t setpriv --reuid="$(user alice)" --regid="$(user alice)" --init-groups env -i \
			HOME="$(home alice)" XDG_RUNTIME_DIR="$(runtime_dir alice)" PATH=/usr/bin:/bin "$CRT_BIN/crt" commit many half >/dev/null 2>&1 || true
		run as alice crt run --rm half true
		if [ "$status" = 0 ]; then
			as alice crt rmi half >/dev/null
		else
			run as alice crt images -q --filter reference=half
			assert_output ""
		fi
	done
	as alice crt commit many whole >/dev/null
	as alice crt run --rm whole sh -c 'ls /m | wc -l' >"$T/n2"
	cmp "$T/n" "$T/n2"
	run as alice sh -c 'ls ~/.local/share/crt/tmp | wc -l'
	assert_output 0
}

@test "commit as a user of one id keeps the owners of the image" {
	need_root
	as carol crt run --name one $B sh -c 'echo x >/x'
	as carol crt commit one mine >/dev/null
	run as carol crt run --rm mine cat /x
	assert_output x
}
