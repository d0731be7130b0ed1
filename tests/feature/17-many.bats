#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many containers of one user at once.
load helpers

# bats test_tags=slow
@test "T51: 200 x run --rm true at once" {
	local i pids=() failed=0 start
	as alice crt run --rm builtin:busybox true
	start=$SECONDS
	for ((i = 0; i < 200; i++)); do
		as_exec alice crt run --rm builtin:busybox true </dev/null >"$T/many.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		wait "${pids[i]}" || {
			failed=$((failed + 1))
			cat "$T/many.$i"
		}
	done
	[ "$failed" = 0 ] || flunk "$failed of 200 failed"
	[ $((SECONDS - start)) -lt 120 ] || flunk "took $((SECONDS - start)) s"
	echo "# 200 runs at once: $((SECONDS - start)) s" >&3
}

# 50 are a sample; tests/hard/20-many.bats makes it 200
# bats test_tags=slow
@test "T51: many long-lived ones with a port each, then rm -fa" {
	local i pids=() ports=() n=${CRT_MANY:-50} start=$SECONDS
	mapfile -t ports < <(/usr/bin/python3 -c '
import socket, sys
socks = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in socks: s.bind(("127.0.0.1", 0))
for s in socks: print(s.getsockname()[1])' "$n")
	for ((i = 0; i < n; i++)); do
		as_exec alice crt run --rm --init --name "many-$i" -p "127.0.0.1:${ports[i]}:80" builtin:busybox \
			sh -c "mkdir /www; echo $i >/www/index.html; exec httpd -f -p 80 -h /www" </dev/null >"$T/many.$i" 2>&1 &
		pids+=($!)
	done
	for ((i = 0; i < n; i++)); do
		wait_for 60 curl -sf "http://127.0.0.1:${ports[i]}/" || flunk "container $i: $(cat "$T/many.$i")"
		[ "$(curl -s "http://127.0.0.1:${ports[i]}/")" = "$i" ] || flunk "port ${ports[i]} is not container $i's"
	done
	echo "# memory of $n containers: $(cat /proc/[0-9]*/status 2>/dev/null | awk -v u="$(id -u "$(user alice)")" '
		/^Name:/ { name = $2 } /^Uid:/ { mine = $2 == u } /^RssAnon:/ && mine { sum[name] += $2; n[name]++ }
		END { for (x in sum) if (x ~ /^crt/) printf "%s %d KiB each  ", x, sum[x] / n[x] }')" >&3
	[ "$(as alice crt ps -q | sort -u | wc -l)" = "$n" ] || flunk "ps does not list $n containers"
	run as alice crt rm -fa
	assert_status 0
	for i in "${!pids[@]}"; do
		status=0
		wait "${pids[i]}" || status=$?
		[ "$status" = 137 ] || flunk "container $i ended with $status: $(cat "$T/many.$i")"
	done
	[ $((SECONDS - start)) -lt 120 ] || flunk "took $((SECONDS - start)) s"
	run as alice crt ps -aq
	assert_output ""
}

@test "T51: two containers of one name: exactly one runs" {
	local a b ra=0 rb=0
	as alice crt run --rm builtin:busybox true
	as_exec alice crt run --rm --name same builtin:busybox sleep 1 </dev/null >"$T/a" 2>&1 &
	a=$!
	as_exec alice crt run --rm --name same builtin:busybox sleep 1 </dev/null >"$T/b" 2>&1 &
	b=$!
	wait "$a" || ra=$?
	wait "$b" || rb=$?
	[ "$ra,$rb" = 0,125 ] || [ "$ra,$rb" = 125,0 ] || flunk "$ra $rb $(cat "$T/a" "$T/b")"
	grep -q same "$T/a" "$T/b"
}
