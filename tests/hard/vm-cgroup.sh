#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# tests/feature/39-oci-cgroup2.bats on a machine with cgroup version 2 and systemd: as a user in a
# login session, as root, and without systemd in a directory that was delegated to a user.
#
#   VMHOST=PROGRAM CRT_BIN=PREFIX/bin tests/hard/vm-cgroup.sh
#
# PROGRAM [-s] -u USER -c CPUS -t SECONDS -w DIR -- COMMAND... starts a machine whose root is this
# one's file tree, -s with systemd, shares DIR with it, and runs COMMAND there as USER; it exits
# with its status. CRT_BIN is an installation, for crt-sdbus is looked for beside it.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
if [ -z "${VMHOST-}" ]; then
	echo "skipped: VMHOST does not name a program that starts machines"
	exit 77
fi
if [ ! -x "${CRT_BIN-}/crt-oci" ]; then
	echo "set CRT_BIN to the directory that holds crt-oci" >&2
	exit 1
fi

stage=$(mktemp -d /var/tmp/crt-vm-XXXXXX) || exit 1
trap 'rm -rf "$stage"' EXIT
chmod 0755 "$stage"
prefix=${CRT_BIN%/bin}
mkdir "$stage/prefix"
cp -r "$prefix/bin" "$stage/prefix/" && cp -r tests/feature "$stage/" || exit 1
for dir in libexec/crt share/crt; do
	[ ! -d "$prefix/$dir" ] || { mkdir -p "$stage/prefix/${dir%/*}" && cp -r "$prefix/$dir" "$stage/prefix/$dir"; }
done
chmod -R a+rX "$stage"
cat >"$stage/inside" <<END
#!/bin/bash
export CRT_BIN=$stage/prefix/bin CRT_TEST_CACHE=/tmp/cache CRT_TEST_PREFIX=crtvm HOME=\${HOME:-/root}
cd $stage/feature && exec bats --formatter tap 39-oci-cgroup2.bats
END
chmod 0755 "$stage/inside"

failed=0
for options in "-s -u alice" "-s -u root" "-u alice"; do
	echo "# machine: $options"
	# shellcheck disable=SC2086  # a list of options
	timeout 600 "$VMHOST" $options -c 2 -t 550 -w "$stage" -- "$stage/inside" || failed=1
done
exit "$failed"
