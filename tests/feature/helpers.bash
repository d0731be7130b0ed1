# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # bats sets status, output, lines
#
# What every feature test shares. A file starts with "load helpers" and gets:
#
#   setup, teardown   a fresh world per test in $T (own homes, own stores), and the clean check
#                     after it; a file with needs of its own defines them again and calls
#                     world_setup and world_teardown first.
#   as USER CMD...    run as alice (has subordinate ids), bob (has some too), carol (has none) or
#                     root, in a clean environment: HOME, USER, PATH and XDG_RUNTIME_DIR only.
#                     "as alice env K=V crt ..." for more; AS_RUNTIME_DIR=none for none.
#   home USER, runtime_dir USER    their directories of this test
#   image, debian_image, registry_start, pty, free_port, wait_for, ... see below
#
# Run as root, since several users are needed. Run by another user, alice is this user, and
# tests that need anybody else are skipped with that reason.
#
#   CRT_BIN    directory of the programs under test: a build directory or PREFIX/bin
#   CRT_BUILD  the build directory, when CRT_BIN is an installation (programs for tests are there)
#   CRT_TEST_PREFIX   of the account names, default "crt": two runs at once need different ones
#   CRT_FIXTURES, CRT_TEST_CACHE   made by setup_suite.bash

bats_require_minimum_version 1.5.0

FEATURE_DIR=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
export FEATURE_DIR
export CRT_TEST_PREFIX=${CRT_TEST_PREFIX:-crt}

# ---- users ----------------------------------------------------------------------------------

# user NAME: the account behind alice, bob, carol or root
user() {
	if [ "$(id -u)" != 0 ]; then
		[ "$1" = alice ] || return 1
		id -un
	elif [ "$1" = root ]; then
		echo root
	else
		echo "$CRT_TEST_PREFIX-$1"
	fi
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# not_sanitized WHY: the test cannot be made with binaries that hold a sanitizer
not_sanitized() {
	[ -z "${CRT_SANITIZED-}" ] || skip "not with sanitizers: $1"
}

need_program() {
	local p
	for p; do
		command -v "$p" >/dev/null || skip "needs the program $p"
	done
}

home() { echo "$T/home/$1"; }
runtime_dir() { echo "$T/run/$1"; }
store() { echo "$T/home/$1/.local/share/crt"; }

# account_ensure NAME subids|none: create a test account, with an unused range of subordinate ids
account_ensure() {
	local name=$1 kind=$2 start
	getent passwd "$name" >/dev/null ||
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /bin/bash "$name"
	if [ "$kind" = subids ] && ! grep -q "^$name:" /etc/subuid 2>/dev/null; then
		start=$(cat /etc/subuid /etc/subgid 2>/dev/null |
			awk -F: 'BEGIN { m = 524288 } $2 + $3 > m { m = $2 + $3 } END { print m }')
		usermod --add-subuids "$start-$((start + 65535))" --add-subgids "$start-$((start + 65535))" "$name"
	fi
}

# as USER CMD...
as() {
	(as_exec "$@")
}

# as_exec USER CMD...: the same in place of the calling shell: "as_exec alice crt ... &" makes $! the pid of crt
as_exec() {
	local who=$1 account runtime=()
	shift
	account=$(user "$who") || {
		echo "only root can run as $who: begin the test with need_root" >&2
		exit 1
	}
	case ${AS_RUNTIME_DIR-} in
	none) ;;
	"") runtime=("XDG_RUNTIME_DIR=$(runtime_dir "$who")") ;;
	*) runtime=("XDG_RUNTIME_DIR=$AS_RUNTIME_DIR") ;;
	esac
	set -- env -i HOME="$(home "$who")" USER="$account" LOGNAME="$account" LANG=C.UTF-8 TERM=xterm \
		PATH="$CRT_BIN:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" \
		"${runtime[@]}" ${SANITIZER_ENV:+$SANITIZER_ENV} "$@"
	cd "${AS_DIR-$T/home/$who}" || exit 1
	# bats has fds of its own open: none of them may reach the program
	close_fds
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid="$account" --regid="$account" --init-groups "$@"
	fi
	exec "$@"
}

# close_fds: all but 0, 1, 2, those in $AS_FDS ("5 6") and bash's own
close_fds() {
	local fd
	for fd in "/proc/$BASHPID/fd/"*; do
		fd=${fd##*/}
		if [ "$fd" -gt 2 ] && [ "$fd" -lt 255 ] && [[ " ${AS_FDS-} " != *" $fd "* ]]; then
			eval "exec $fd>&-"
		fi
	done
}

# ---- the world of one test --------------------------------------------------------------------

world_setup() {
	local who
	T=$(mktemp -d /tmp/crt-test-XXXXXX)
	export T
	chmod 0755 "$T"
	mkdir "$T/home" "$T/run" "$T/tripwire"
	for who in alice bob carol root; do
		mkdir -m 0700 "$T/home/$who" "$T/run/$who"
		if [ "$(id -u)" = 0 ] && [ "$who" != root ]; then
			chown "$CRT_TEST_PREFIX-$who:$CRT_TEST_PREFIX-$who" "$T/home/$who" "$T/run/$who"
		fi
	done
	tripwire_make
}

world_teardown() {
	local failed=0
	jobs_stop
	clean_check || failed=1
	if [ "$(id -u)" = 0 ]; then
		rm -rf --one-file-system "$T"
	else
		"$CRT_BIN/crt" unshare rm -rf "$T" 2>/dev/null || rm -rf --one-file-system "$T"
	fi
	return "$failed"
}

setup() { world_setup; }
teardown() { world_teardown; }

# ---- the clean check ----------------------------------------------------------------------------

# Files that nothing in a test may touch: readable and writable by everybody, so that only the
# behaviour of the programs under test protects them.
tripwire_make() {
	mkdir "$T/tripwire/dir"
	echo secret >"$T/tripwire/file"
	echo inner >"$T/tripwire/dir/file"
	ln -s file "$T/tripwire/link"
	chmod 0666 "$T/tripwire/file" "$T/tripwire/dir/file"
	chmod 0777 "$T/tripwire" "$T/tripwire/dir"
	tripwire_list >"$T/tripwire.before"
}

tripwire_list() {
	find "$T/tripwire" -printf '%P %y %m %U:%G %s %n %T@ %C@ %l\n' | sort
	cat "$T/tripwire/file" "$T/tripwire/dir/file"
	# what root in a container could reach if a device node or file were the host's own
	stat -c '%n %a %u:%g' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /etc /etc/passwd /etc/group
	cat /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname
}

# users_processes: pids of all processes with an id of a test account, subordinate ones included
users_processes() {
	local who account ranges=() me
	if [ "$(id -u)" = 0 ]; then
		for who in "$CRT_TEST_PREFIX"-{alice,bob,carol}; do
			account=$(id -u "$who" 2>/dev/null) || continue
			ranges+=("$account:1")
			mapfile -t -O "${#ranges[@]}" ranges < <(awk -F: -v u="$who" '$1 == u { print $2 ":" $3 }' /etc/subuid)
		done
	else
		me=$(id -un)
		mapfile -t ranges < <(awk -F: -v u="$me" '$1 == u { print $2 ":" $3 }' /etc/subuid)
	fi
	# by cat: awk gives up at the first file that is gone
	cat /proc/[0-9]*/status 2>/dev/null | awk -v ranges="${ranges[*]}" '
		BEGIN { n = split(ranges, r, " ") }
		/^State:/ { zombie = $2 == "Z" }
		/^Pid:/ { pid = $2 }
		/^Uid:/ && !zombie { for (i = 1; i <= n; i++) { split(r[i], p, ":"); if ($2 >= p[1] && $2 < p[1] + p[2]) { print pid; break } } }
	'
}

describe_processes() {
	local pid
	for pid; do
		echo "  $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
	done
}

# After every test, whatever it did: nothing runs, nothing is mounted, nothing lies around in the
# runtime directories and in tmp/ of the stores, and nothing outside was touched.
clean_check() {
	local left='' bad=0 files
	for _ in {1..40}; do
		left=$(users_processes)
		[ -n "$left" ] || break
		sleep 0.05
	done
	if [ -n "$left" ]; then
		echo "clean check: processes are left:"
		# shellcheck disable=SC2086  # a list of pids
		describe_processes $left
		# shellcheck disable=SC2086
		kill -KILL $left 2>/dev/null || true
		bad=1
	fi
	grep " $T" /proc/self/mountinfo >"$T/mounts.inside" && {
		echo "clean check: mounts are left below $T:"
		cat "$T/mounts.inside"
		awk '{ print $5 }' "$T/mounts.inside" | sort -r | xargs -r -n1 umount -l
		bad=1
	}
	files=$(find "$T"/run -mindepth 2 ! -type d 2>/dev/null)
	if [ -n "$files" ]; then
		echo "clean check: files in the runtime directory:"
		echo "$files"
		bad=1
	fi
	files=$(find "$T"/home/*/.local/share/crt/tmp -mindepth 1 2>/dev/null)
	if [ -n "$files" ]; then
		echo "clean check: files in tmp/ of a store:"
		echo "$files"
		bad=1
	fi
	tripwire_list | diff "$T/tripwire.before" - || {
		echo "clean check: the tripwire was touched"
		bad=1
	}
	if [ -n "${SANITIZER_LOGS-}" ] && [ -n "$(find "$SANITIZER_LOGS" -type f)" ]; then
		echo "clean check: a sanitizer reported:"
		cat "$SANITIZER_LOGS"/*
		rm -f "$SANITIZER_LOGS"/*
		bad=1
	fi
	return "$bad"
}

# ---- background helpers of a test ------------------------------------------------------------------

# job_start CMD...: run in the background until the test ends; pid in $JOB, what it says in $JOB_LOG
job_start() {
	JOB_LOG=$(mktemp "$T/job.XXXXXX")
	(
		close_fds
		exec "$@"
	) </dev/null >"$JOB_LOG" 2>&1 &
	JOB=$!
	echo "$JOB" >>"$T/jobs"
}

jobs_stop() {
	local pid
	[ -e "$T/jobs" ] || return 0
	while read -r pid; do
		kill "$pid" 2>/dev/null || continue
		# what it runs may ignore the signal that it passes on
		for _ in {1..100}; do
			kill -0 "$pid" 2>/dev/null || continue 2
			sleep 0.05
		done
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done <"$T/jobs"
	return 0
}

# crt_start USER ARG...: crt in the background; pid in $JOB, its stdout and stderr in $JOB_LOG
crt_start() {
	JOB_LOG=$(mktemp "$T/job.XXXXXX")
	as_exec "$1" crt "${@:2}" </dev/null >"$JOB_LOG" 2>&1 &
	JOB=$!
	echo "$JOB" >>"$T/jobs"
}

# job_wait: its exit code in $status
job_wait() {
	status=0
	wait "$JOB" || status=$?
	output=$(cat "$JOB_LOG")
}

# free_port: a TCP port of 127.0.0.1 that nobody uses now
free_port() {
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS CMD...: try again until it succeeds; on a busy machine all takes its multiple
wait_for() {
	local end=$((SECONDS + 5 * $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || {
			echo "timed out: $*"
			return 1
		}
		sleep 0.05
	done
}

# ---- images ------------------------------------------------------------------------------------------

# image NAME [umoci config options]: an OCI layout $T/img/NAME with tag "latest", made of busybox
image() {
	local name=$1
	shift
	mkdir -p "$T/img"
	cp -r "$CRT_FIXTURES/busybox" "$T/img/$name"
	[ $# = 0 ] || umoci config --image "$T/img/$name:latest" "$@" >/dev/null
	chmod -R a+rX "$T/img/$name"
}

# image_add NAME TAR: one more layer, from an uncompressed tar as it is
image_add() {
	umoci raw add-layer --image "$T/img/$1:latest" "$2" >/dev/null
	chmod -R a+rX "$T/img/$1"
}

# debian_image: path of an OCI layout (tag latest) of a small Debian, made once by mmdebstrap and kept
debian_image() {
	"$FEATURE_DIR/debian-image.sh" "$CRT_TEST_CACHE"
}

# ---- registry ------------------------------------------------------------------------------------------

# registry_start [tls] [auth]: Debian's docker-registry on 127.0.0.1 until the test ends.
# Sets REGISTRY=127.0.0.1:PORT; with tls REGISTRY_CA, with auth the user is "tester", password "sesame".
registry_start() {
	local port dir option tls='' auth=''
	need_program docker-registry
	port=$(free_port)
	dir="$T/registry-$port"
	mkdir -p "$dir/data"
	for option; do
		case $option in
		tls)
			need_program openssl
			openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
				-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
				-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
			REGISTRY_CA="$dir/cert.pem"
			export REGISTRY_CA
			tls="  tls: { certificate: $dir/cert.pem, key: $dir/key.pem }"
			;;
		auth)
			need_program htpasswd
			htpasswd -Bbn tester sesame >"$dir/htpasswd"
			auth="auth: { htpasswd: { realm: test, path: $dir/htpasswd } }"
			;;
		*) return 1 ;;
		esac
	done
	cat >"$dir/config.yml" <<-END
		version: 0.1
		log: { level: error, accesslog: { disabled: true } }
		storage:
		  filesystem: { rootdirectory: $dir/data }
		  delete: { enabled: true }
		http:
		  addr: 127.0.0.1:$port
		$tls
		$auth
	END
	job_start docker-registry serve "$dir/config.yml"
	export REGISTRY="127.0.0.1:$port"
	wait_for 20 curl -ksS -o /dev/null "http${tls:+s}://$REGISTRY/v2/"
}

# registry_push LAYOUT[:TAG] NAME[:TAG] [skopeo options]
registry_push() {
	local from=$1 to=$2
	shift 2
	skopeo copy -q --dest-tls-verify=false "$@" "oci:$from" "docker://$REGISTRY/$to"
}

# ---- terminals --------------------------------------------------------------------------------------------

# pty USER STEP... -- CMD...: run on a pseudo-terminal of its own; see terminal.py for the steps
pty() {
	local who=$1 steps=()
	shift
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	as "$who" /usr/bin/python3 "$FEATURE_DIR/terminal.py" "${steps[@]}" -- "$@"
}

# ---- assertions --------------------------------------------------------------------------------------------

# fail with what was seen
flunk() {
	{
		printf '%s\n' "$*"
		printf 'status %s, output:\n%s\n' "${status-}" "${output-}"
		[ -z "${stderr-}" ] || printf 'stderr:\n%s\n' "$stderr"
	} | cut -c1-1000 | head -n 50
	return 1
}
assert_status() { [ "$status" = "$1" ] || flunk "expected status $1"; }
assert_output() { [ "$output" = "$1" ] || flunk "expected output: $1"; }
assert_contains() { [[ $output == *"$1"* ]] || flunk "expected to contain: $1"; }
refute_contains() { [[ $output != *"$1"* ]] || flunk "expected not to contain: $1"; }
assert_match() { [[ $output =~ $1 ]] || flunk "expected to match: $1"; }
# an error as the house wants it: exit code, one line on stderr (and where the help is), nothing on stdout
# (needs run --separate-stderr)
assert_error() {
	assert_status "$1" || return 1
	[ -z "$output" ] || flunk "expected nothing on stdout" || return 1
	# shellcheck disable=SC2154
	[ "${#stderr_lines[@]}" = 1 ] || [[ ${#stderr_lines[@]} = 2 && ${stderr_lines[1]} == "See 'crt"* ]] ||
		flunk "expected one line on stderr" || return 1
	[[ $stderr == *"${2-}"* ]] || flunk "expected stderr to contain: $2"
}
