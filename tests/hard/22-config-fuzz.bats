#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# T60: a million generated config.json and command lines, see config-fuzz.py. CRT_FUZZ_RUNS changes how
# many, CRT_FUZZ_SEED where they begin; the sample is a few hundred.
load ../feature/helpers
load ../feature/oci

@test "T60: generated config.json and command lines: one error each, no crash, no hang, no state" {
	need_root # to be somebody else
	need_program python3
	local runs=${CRT_FUZZ_RUNS:-1000000}
	[ "${CRT_KILL_STEP:-1}" = 1 ] || runs=400
	bundle alice fuzz '.process.args = ["/bin/true"]'
	ln -s /etc "$(home alice)/fuzz/rootfs/link"
	run as alice python3 "$BATS_TEST_DIRNAME/config-fuzz.py" "$CRT_BIN/crt-oci" "$(home alice)/fuzz" "$runs" "${CRT_FUZZ_SEED:-1}"
	echo "$output"
	assert_status 0
	assert_contains " 0 failed"
}
