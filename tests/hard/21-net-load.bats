#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The long form of tests/feature/54-net-load.bats: ten thousand at once, a hundred thousand in sequence.

@test "10000 connections at once, 100000 in sequence" {
	[ "${CRT_KILL_STEP:-1}" = 1 ] || skip "the sample of it is a feature test"
	[ "$(id -u)" = 0 ] || skip "needs root"
	local n=$((($(ulimit -Hn) - 800) / 2)) # two files each
	[ "$n" -lt 10000 ] || n=10000
	CRT_AT_ONCE=$n CRT_IN_SEQUENCE=100000 run bats "$BATS_TEST_DIRNAME/../feature/54-net-load.bats"
	echo "$output"
	[ "$status" = 0 ]
}
