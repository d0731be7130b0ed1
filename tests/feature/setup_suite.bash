# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Made once per run of bats: the accounts, the fixtures, and where the programs are.

setup_suite() {
	local here name dir
	here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
	# shellcheck source=helpers.bash
	source "$here/helpers.bash"

	if [ -z "${CRT_BIN-}" ]; then
		for dir in "$here/../../build/plain" "$here/../../build/run"; do
			[ -x "$dir/crt" ] && CRT_BIN=$(cd "$dir" && pwd) && break
		done
	fi
	if [ ! -x "${CRT_BIN-}/crt" ]; then
		echo "no program to test: set CRT_BIN to the directory that holds crt" >&2
		return 1
	fi
	export CRT_BIN
	# programs that are built for tests only are not installed
	export CRT_BUILD=${CRT_BUILD:-$CRT_BIN}

	if [ "$(id -u)" = 0 ]; then
		# the accounts are shared by all runs with this prefix, and the clean check counts their processes
		exec 8>"/tmp/$CRT_TEST_PREFIX-feature-tests.lock"
		if ! flock --nonblock 8; then
			echo "# waiting for another run with CRT_TEST_PREFIX=$CRT_TEST_PREFIX" >&3
			flock --timeout 1200 8 || return 1
		fi
		account_ensure "$CRT_TEST_PREFIX-alice" subids
		account_ensure "$CRT_TEST_PREFIX-bob" subids
		account_ensure "$CRT_TEST_PREFIX-carol" none
		if ! setpriv --reuid="$CRT_TEST_PREFIX-alice" --regid="$CRT_TEST_PREFIX-alice" --clear-groups \
			test -x "$CRT_BIN/crt"; then
			echo "the test users cannot reach $CRT_BIN: install to a place that everybody can read" >&2
			return 1
		fi
	fi

	CRT_FIXTURES=$(mktemp -d /tmp/crt-fixtures-XXXXXX)
	chmod 0755 "$CRT_FIXTURES"
	export CRT_FIXTURES
	if [ -z "${CRT_TEST_CACHE-}" ]; then
		CRT_TEST_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/crt-tests
		[ "$(id -u)" != 0 ] || CRT_TEST_CACHE=/var/cache/crt-tests
	fi
	mkdir -p "$CRT_TEST_CACHE"
	export CRT_TEST_CACHE

	for name in "$CRT_BIN" "$CRT_BIN/../share/crt"; do
		if [ -e "$name/busybox.oci.tar" ]; then
			skopeo copy -q "oci-archive:$name/busybox.oci.tar" "oci:$CRT_FIXTURES/busybox:latest"
			break
		fi
	done
	[ -d "$CRT_FIXTURES/busybox" ] || {
		echo "busybox.oci.tar is neither in $CRT_BIN nor in $CRT_BIN/../share/crt" >&2
		return 1
	}

	# under a sanitizer: reports go to files that the clean check looks at
	if [ -n "${CRT_SANITIZED-}" ]; then
		export SANITIZER_LOGS=$CRT_FIXTURES/sanitizer
		mkdir -m 1777 "$SANITIZER_LOGS"
		chmod 1777 "$SANITIZER_LOGS"
		export SANITIZER_ENV="ASAN_OPTIONS=detect_leaks=0:log_path=$SANITIZER_LOGS/asan"
	fi
}

teardown_suite() {
	[ -z "${CRT_FIXTURES-}" ] || rm -rf --one-file-system "$CRT_FIXTURES"
}
