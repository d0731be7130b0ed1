#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/run.sh [-o|-c] [-n ROUNDS] [-u USER] [BIN]
#
# Side by side with the peers of the distribution, in one run: one container with its engine, its
# OCI runtime, many at once. Prints tables and fails on nothing: the machine decides the figures, a
# person reads the ratios. BIN is a build directory (default build/plain or build/run) or PREFIX/bin.
#
# As root, the unprivileged tables are measured as USER (default crt-demo, else the first account
# with subordinate ids) and the OCI runtimes also as root. -o measures only the OCI runtimes, with
# their verbs and their system calls; -c measures detached containers and the verbs around them. Only public tools, no network, no image but busybox; everything
# lies in one directory below /var/tmp and one in /dev/shm, which are removed at the end.
set -u
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
rounds=15
user=
stage=${BENCH_STAGE-}
only=
while getopts ocn:u: option; do
	case $option in
	o) only=-o ;;
	c) only=-c ;;
	n) rounds=$OPTARG ;;
	u) user=$OPTARG ;;
	*) sed -n '3,14p' "$0" && exit 125 ;;
	esac
done
shift $((OPTIND - 1))
bin=${1-}
for dir in "$here/../../build/plain" "$here/../../build/run"; do
	[ -n "$bin" ] || [ ! -x "$dir/crt" ] || bin=$dir
done
bin=$(cd "${bin:-.}" 2>/dev/null && pwd)

note() { echo "  ($*)"; }
have() {
	command -v "$1" >/dev/null && return 0
	note "no row for $1: not installed"
	return 1
}
# helper NAME: a program of ours, from the build directory or libexec
helper() {
	local p
	for p in "$bin/$1" "$bin/../libexec/crt/$1"; do
		[ ! -x "$p" ] || { echo "$p" && return; }
	done
}

# ---- as root: prepare, hand over, clean up ---------------------------------------------------------

if [ "$(id -u)" = 0 ] && [ -z "$stage" ]; then
	if [ -z "$user" ]; then
		user=$(getent passwd crt-demo | cut -d: -f1)
		[ -n "$user" ] || user=$(head -n1 /etc/subuid | cut -d: -f1)
	fi
	[ -n "$user" ] || { echo "no account with subordinate ids: give one with -u" >&2 && exit 125; }
	W=$(mktemp -d /var/tmp/crt-bench-XXXXXX)
	chmod 755 "$W"
	install -d -m 700 -o "$user" "$W/user"
	self=$here/run.sh
	export W user rounds bin self only
	# crun refuses a machine with both kinds of cgroups; hide the second kind from everybody here
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare -m bash -c '
		if [ -d /sys/fs/cgroup/unified ] && umount /sys/fs/cgroup/unified 2>/dev/null; then
			echo "  (cgroup2 at /sys/fs/cgroup/unified is hidden, because crun refuses hybrid machines)"
		fi
		(cd "$W/user" && BENCH_STAGE=user setpriv --reuid="$user" --regid="$user" --init-groups \
			env -i HOME="$W/user" USER="$user" PATH="$PATH" W="$W/user" BENCH_STAGE=user BENCH_VERBOSE="${BENCH_VERBOSE-}" \
			XDG_RUNTIME_DIR="$W/user/run" "$self" $only -n "$rounds" "$bin")
		mkdir "$W/root" && W=$W/root HOME=$W/root XDG_RUNTIME_DIR= BENCH_STAGE=root "$self" $only -n "$rounds" "$bin"'
	rm -rf --one-file-system "$W"
	exit 0
fi
if [ -z "$stage" ]; then
	W=$(mktemp -d /var/tmp/crt-bench-XXXXXX)
	export XDG_RUNTIME_DIR=$W/run
fi
cd "$W" || exit 125
[ -z "${XDG_RUNTIME_DIR-}" ] || (umask 077 && mkdir -p "$XDG_RUNTIME_DIR")
mkdir -p tmp && export TMPDIR=$W/tmp
# the state of OCI runtimes: on a tmpfs, as in /run
state=$(mktemp -d /dev/shm/crt-bench-XXXXXX)
# W itself is removed by who made it
made=$state
[ -n "$stage" ] || made="$made $W"
# shellcheck disable=SC2064,SC2086  # now; two words
trap "rm -rf $made" EXIT

measure=$(helper measure)
floor=$(helper floor)
[ -n "$measure" ] && [ -n "$floor" ] || { echo "measure and floor are not in $bin: build with -Dtests=true" >&2 && exit 125; }
whoami=$([ "$(id -u)" = 0 ] && echo "as root" || echo "unprivileged")

# ---- table TITLE COPIES ROUNDS: rows come from stdin ------------------------------------------------

table() {
	local title=$1 copies=$2 n=$3
	cat >rows
	[ -s rows ] || return 0
	echo
	echo "### $title, $whoami"
	"$measure" "$n" "$copies" rows
}
row() { printf '%s\t%s\n' "$1" "$2"; }

# ---- OCI runtimes on one bundle ----------------------------------------------------------------------

mkdir -p root/bin root/proc root/dev root/sys root/tmp root/etc
busybox=$(command -v busybox) || { echo "busybox is not installed" >&2 && exit 125; }
cp "$busybox" root/bin/busybox
ln -sf busybox root/bin/true

# bundle DIR [PROFILE [PROGRAM]]: the usual container, as podman and docker describe it
bundle() {
	local seccomp=null ns='{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network"}' ids=
	[ -z "${2-}" ] || seccomp=$(cat "$2")
	if [ "$(id -u)" != 0 ]; then
		ns="$ns,{\"type\":\"user\"}"
		ids="\"uidMappings\":[{\"containerID\":0,\"hostID\":$(id -u),\"size\":1}],
			\"gidMappings\":[{\"containerID\":0,\"hostID\":$(id -g),\"size\":1}],"
	fi
	mkdir -p "$1"
	cat >"$1/config.json" <<-END
		{ "ociVersion": "1.0.2", "hostname": "bench",
		  "process": { "user": { "uid": 0, "gid": 0 }, "args": [ ${3-\"/bin/true\"} ], "cwd": "/",
		    "env": [ "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm" ], "noNewPrivileges": true,
		    "capabilities": { "bounding": [ "CAP_KILL" ], "effective": [ "CAP_KILL" ], "permitted": [ "CAP_KILL" ] } },
		  "root": { "path": "$W/root", "readonly": true },
		  "mounts": [
		    { "destination": "/proc", "type": "proc", "source": "proc" },
		    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": [ "nosuid", "strictatime", "mode=755" ] },
		    { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
		      "options": [ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" ] },
		    { "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [ "nosuid", "noexec", "nodev" ] },
		    { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": [ "nosuid", "noexec", "nodev" ] },
		    { "destination": "/sys", "type": "none", "source": "/sys", "options": [ "rbind", "nosuid", "noexec", "nodev", "ro" ] } ],
		  "linux": { "namespaces": [ $ns ], $ids "seccomp": $seccomp,
		    "maskedPaths": [ "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware" ],
		    "readonlyPaths": [ "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" ] } }
	END
	[ "$seccomp" != null ] || sed -i 's/"seccomp": null,//' "$1/config.json"
}

# podman's default profile as it reaches the runtime for a container without capabilities
podman_profile() {
	[ -e /usr/share/containers/seccomp.json ] && have jq || return 1
	jq -c '{ defaultAction, defaultErrnoRet, architectures: [ "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" ],
		syscalls: [ .syscalls[] | select(.includes.caps == null)
			| select(.includes.arches == null or (.includes.arches | index("amd64")))
			| { names, action } + (if .errnoRet then { errnoRet } else {} end) + (if .args then { args } else {} end) ] }' \
		/usr/share/containers/seccomp.json >profile.json
}

oci="$bin/crt-oci --root $state/crt --cgroup-manager disabled"
crun="crun --root $state/crun --cgroup-manager=disabled"
runc="runc --root $state/runc"

oci_rows() {
	row "crt-oci" "$oci run -b $W/$1 %i"
	have crun >&2 && row "*crun" "$crun run -b $W/$1 %i"
	have runc >&2 && row "runc" "$runc run -b $W/$1 %i"
	have bwrap >&2 && row "bubblewrap" "bwrap --unshare-all --uid 0 --gid 0 --ro-bind $W/root / --proc /proc --dev /dev /bin/true"
	row "floor" "$floor $W/root /bin/true"
}

# the life of one container, each step with its own figures; the process is gone before its delete
life_row() {
	local b="-b $W/life"
	printf '%s\t' "$1" "create=$2 create $b %i" "start=$2 start %i" "exec=$2 exec %i /bin/true" \
		"kill=$2 kill %i KILL" "="
	printf '%s\n' "delete=$2 delete %i"
}
life_rows() {
	life_row "crt-oci" "$oci"
	have crun >&2 && life_row "*crun" "$crun"
	have runc >&2 && life_row "runc" "$runc"
}

# calls LABEL COMMAND...: how many system calls all its processes make
calls() {
	local label=$1
	shift
	strace -f -qq -c -o calls "$@" </dev/null >/dev/null 2>calls.err || note "$label: $(tail -n1 calls.err)"
	awk -v label="$label" '$1 + 0 == $1 && $NF != "total" { n += $4 } END { printf "| %s | %d |\n", label, n }' calls
}
call_table() {
	local label command
	echo
	echo "### System calls of run, all processes together, $whoami"
	echo "| | calls |"
	echo "|---|---:|"
	while IFS=$'\t' read -r label command; do
		# shellcheck disable=SC2086  # words
		calls "${label#\*}" ${command//%i/calls-$$}
	done
}

if [ "$only" = -c ]; then
	[ "$stage" != root ] || exit 0
elif [ -x "$bin/crt-oci" ]; then
	mkdir "$state"/{crt,crun,runc}
	bundle plain
	bundle life "" '"/bin/busybox", "sleep", "1000"'
	oci_rows plain | table "OCI runtime: run of /bin/true" 1 "$rounds"
	life_rows | table "OCI runtime: the verbs" 1 "$rounds"
	if [ "$(id -u)" = 0 ]; then
		mkdir "$state"/{crt2,crun2,runc2}
		{
			row "crt-oci" "$bin/crt-oci --root $state/crt2 run -b $W/plain %i"
			have crun >&2 && row "*crun" "crun --root $state/crun2 run -b $W/plain %i"
			have runc >&2 && row "runc" "runc --root $state/runc2 run -b $W/plain %i"
		} | table "OCI runtime: run of /bin/true in control groups of its own" 1 "$rounds"
	fi
	if podman_profile; then
		bundle filtered profile.json
		{
			oci_rows filtered | head -n2
			row "crt-oci without the profile" "$oci run -b $W/plain %i"
		} | table "run with podman's default seccomp profile" 1 "$rounds"
	fi
	! have strace || oci_rows plain | call_table
else
	note "no crt-oci in $bin"
fi
[ "$stage" != root ] && [ "$only" != -o ] || exit 0

# ---- the command line: run --rm busybox true ---------------------------------------------------------

podman=
if have podman; then
	podman="podman --root $W/podman/root --runroot $W/podman/run --storage-driver overlay --cgroup-manager cgroupfs"
	for archive in "$bin/busybox.oci.tar" "$bin/../share/crt/busybox.oci.tar"; do
		[ ! -e "$archive" ] || break
	done
	$podman pull -q "oci-archive:$archive" >image 2>podman.err && $podman tag "$(tail -n1 image)" localhost/bench &&
		$podman run --cgroups disabled --rm --network none localhost/bench true 2>podman.err || {
		note "no rows for podman: $(tail -n1 podman.err)"
		podman=
	}
fi
mkdir -p uppers
crt_run="$bin/crt run --rm"
if ! $crt_run --network none builtin:busybox true 2>crt.err; then
	note "no rows for crt: $(tail -n1 crt.err)"
	crt_run=
fi

cli_rows() {
	local network=$1 label=$2
	[ -z "$crt_run" ] || row "crt$label" "$crt_run $network builtin:busybox true"
	[ -z "$podman" ] || row "*podman$label" "$podman run --cgroups disabled --rm $network localhost/bench true"
}
floor_rows() {
	if have bwrap >&2; then
		if bwrap --help | grep -q -e --overlay-src; then
			row "bubblewrap, overlay" "bwrap --unshare-all --uid 0 --gid 0 --overlay-src $W/root --tmp-overlay / --proc /proc --dev /dev /bin/true"
		else
			row "bubblewrap (too old for an overlay)" "bwrap --unshare-all --uid 0 --gid 0 --ro-bind $W/root / --proc /proc --dev /dev /bin/true"
		fi
	fi
	row "floor, overlay" "$floor --overlay $W/uppers $W/root /bin/true"
}

if [ "$only" = -c ]; then
	. "$here/containers.bash"
else
	{
		cli_rows "--network none" ", --network none"
		floor_rows
	} | table "run --rm busybox true" 1 "$rounds"
	cli_rows "" ", default network" | table "run --rm busybox true" 1 "$rounds"
	{
		cli_rows "--network none" ", --network none"
		floor_rows
	} | table "run --rm busybox true" 50 2
	cli_rows "" ", default network" | table "run --rm busybox true" 50 2
	if [ -n "$crt_run" ]; then
		{
			row "crt, --network none" "$crt_run --network none builtin:busybox true"
			row "crt, default network" "$crt_run builtin:busybox true"
		} | table "run --rm busybox true" 200 1
	fi
fi
if [ -n "$podman" ]; then
	$podman unshare rm -rf "$W/podman"
	$podman system migrate # ends the process that keeps podman's namespace
fi 2>/dev/null
exit 0
