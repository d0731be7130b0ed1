# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the lint scripts share: the list of our files, and one way to complain.
set -euo pipefail
export LC_ALL=C.UTF-8
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
bad=0

# tracked [GLOB...]: files of the project, one a line; without git (a tarball) whatever is not a build
tracked() {
	if git -C "$ROOT" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -co --exclude-standard -- "$@" | while read -r f; do
			[ ! -f "$f" ] || [ -L "$f" ] || printf '%s\n' "$f"
		done | sort -u
	else
		local args=() g
		for g; do
			args+=(-o -name "${g##*/}")
		done
		find . -path './build*' -prune -o -type f \( "${args[@]:1}" ${args[0]+} \) -print | sed 's|^\./||' | sort
	fi
}

complain() {
	printf '%s\n' "$*" >&2
	bad=1
}

# a tool that is not installed is a skip, with its name (77 is how meson knows)
need() {
	command -v "$1" >/dev/null || {
		echo "1..1"
		echo "ok 1 $0 # SKIP needs the program $1"
		exit 77
	}
}

done_checking() { exit "$bad"; }
