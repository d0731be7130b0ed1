# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by run.sh with -c: detached containers and the verbs around them, beside podman with the
# distribution's runtime. Uses $bin, $W, $rounds, $podman, $crt_run and the functions of run.sh.

pod_run="$podman run --cgroups disabled"
# a session keyring each is more than the quota of keys allows for 200 containers
printf '[containers]\nkeyring = false\n' >containers.conf
export CONTAINERS_CONF=$W/containers.conf

# the life of one detached container; the last steps leave nothing
detached_row() {
	local label=$1 run=$2 tool=$3 image=$4
	printf '%s\t' "$label" "run -d=$run -d --name %i $image sleep 1000" "exec=$tool exec %i true" \
		"inspect=$tool inspect %i" "logs=$tool logs %i" "stop=$tool stop -t 0 %i" "start=$tool start %i" \
		"kill=$tool kill %i" "wait=$tool wait %i"
	printf '%s\n' "rm=$tool rm %i"
}
for network in "--network none" ""; do
	{
		detached_row "crt" "$bin/crt run $network" "$bin/crt" builtin:busybox
		[ -z "$podman" ] || detached_row "*podman" "$pod_run $network" "$podman" localhost/bench
	} | table "detached containers, ${network:-default network}" 1 "$rounds"
done

# log through the monitor: 64 MiB in lines of 64 bytes, until the container has ended; then read again
# shellcheck disable=SC2016  # for the container
emit='x=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde; yes $x | head -c 67108864'
for tool in crt podman; do
	case $tool in
	crt) command="$bin/crt run --network none" manage=$bin/crt image=builtin:busybox ;;
	podman) command="$pod_run --network none --log-driver k8s-file" manage=$podman image=localhost/bench ;;
	esac
	printf '#!/bin/sh\n%s -d --name "$1" %s sh -c '"'%s'"' && exec %s wait "$1"\n' "$command" "$image" "$emit" "$manage" >"log-$tool"
	chmod +x "log-$tool"
done
log_row() { printf '%s\t' "$1" "write=$W/log-$2 %i" "read=$3 logs %i" && printf '=%s rm -f %%i\n' "$3"; }
{
	log_row "crt" crt "$bin/crt"
	[ -z "$podman" ] || log_row "*podman" podman "$podman"
} | table "log of 64 MiB" 1 3

# resident TOOL: MiB of all helpers of this user's containers, shared pages divided; keepers of namespaces included
resident() {
	local p total=0 kib
	for p in $(pgrep -u "$(id -u)" "^($1)"); do
		kib=$(awk '$1 == "Pss:" { print $2 }' "/proc/$p/smaps_rollup" 2>/dev/null)
		total=$((total + ${kib:-0}))
	done
	awk -v t="$total" 'BEGIN { printf "%.1f", t / 1024 }'
}
echo
echo "### 50 idle detached containers: resident memory (PSS) of all helpers, MiB, $whoami"
echo "| | --network none | default network, used | "
echo "|---|---:|---:|"
for tool in crt podman; do
	[ $tool = crt ] || [ -n "$podman" ] || continue
	line=
	for network in "--network none" ""; do
		for i in {1..50}; do
			case $tool in
			crt) "$bin/crt" run -d $network --name "idle$i" builtin:busybox sh -c 'nc -w 1 10.0.2.2 1; exec sleep 1000' ;;
			podman) $pod_run -d $network --name "idle$i" localhost/bench sh -c 'nc -w 1 10.0.2.2 1; exec sleep 1000' ;;
			esac >/dev/null
		done
		sleep 2
		case $tool in
		crt) helpers='crt-' ;;
		podman) helpers='conmon|slirp4netns|podman|rootlessport|fuse-overlayfs' ;;
		esac
		line="$line | $(resident "$helpers")"
		case $tool in
		crt) "$bin/crt" rm -fa -t 0 ;;
		podman) $podman rm -fa -t 0 ;;
		esac >/dev/null
	done
	echo "| $tool$line |"
done

# listing: 200 containers that run
for i in {1..200}; do
	"$bin/crt" run -d --network none --name "list$i" builtin:busybox sleep 1000
	[ -z "$podman" ] || $pod_run -d --network none --name "list$i" localhost/bench sleep 1000
done >/dev/null
{
	printf '%s\t' "crt" "ps=$bin/crt ps" "ps -a=$bin/crt ps -a"
	printf 'ps --format=%s\n' "$bin/crt ps -a --format {{.ID}}:{{.Names}}:{{.Status}}"
	if [ -n "$podman" ]; then
		printf '%s\t' "*podman" "ps=$podman ps" "ps -a=$podman ps -a"
		printf 'ps --format=%s\n' "$podman ps -a --format {{.ID}}:{{.Names}}:{{.Status}}"
	fi
} | table "200 running containers" 1 "$rounds"
start=$EPOCHREALTIME
"$bin/crt" rm -fa -t 0 >/dev/null
echo
echo "rm -fa of the 200: crt $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')"
[ -z "$podman" ] || {
	start=$EPOCHREALTIME
	$podman rm -fa -t 0 >/dev/null
	echo "rm -fa of the 200: podman $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')"
}
