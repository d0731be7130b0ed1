#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The long form of T51 (tests/feature/17-many.bats): 200 at once, 200 long-lived ones with a port each.

@test "T51: 200 long-lived containers of one user" {
	[ "${CRT_KILL_STEP:-1}" = 1 ] || skip "the sample of it is a feature test"
	[ "$(id -u)" = 0 ] || skip "needs root"
	CRT_MANY=200 run bats -f T51 "$BATS_TEST_DIRNAME/../feature/17-many.bats"
	echo "$output"
	[ "$status" = 0 ]
}
