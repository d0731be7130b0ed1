#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: debian-image.sh CACHE_DIRECTORY [PACKAGE]
# Print the path of an OCI layout (tag "latest") of a small Debian (with PACKAGE). mmdebstrap makes it once, from
# the apt sources of this machine; the result stays in the cache directory.
set -euo pipefail

cache=$1
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
package=${2-}
layout=$cache/debian-$release${package:+-$package}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$layout/index.json" ]; then
	work=$(mktemp -d "$cache/work-XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	mirror=()
	[ -e /etc/apt/sources.list ] && mirror=(/etc/apt/sources.list)
	for f in /etc/apt/sources.list.d/*; do
		[ -e "$f" ] && mirror+=("$f")
	done
	proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
	mmdebstrap --quiet --variant=essential --include="apt${package:+,$package}" --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
		"$release" "$work/debian.tar" "${mirror[@]}" >&2
	umoci init --layout "$work/layout" >&2
	umoci new --image "$work/layout:latest" >&2
	umoci raw add-layer --image "$work/layout:latest" "$work/debian.tar" >&2
	umoci config --image "$work/layout:latest" --config.cmd /bin/bash \
		--config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin >&2
	umoci gc --layout "$work/layout" >&2
	chmod -R a+rX "$work/layout"
	mv -T "$work/layout" "$layout"
fi
chmod a+rx "$cache"
echo "$layout"
