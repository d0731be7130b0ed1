/* SPDX-License-Identifier: Apache-2.0 */
/* Capability names: every number has one, both spellings parse, junk does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "runtime/runtime.h"

static void test_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i <= 40; i++) {
		const char *name = runtime_cap_name(i);

		assert_non_null(name);
		assert_int_equal(runtime_cap_parse(name), i);
		assert_int_equal(runtime_cap_parse(name + 4), i);
	}
	assert_null(runtime_cap_name(-1));
	assert_null(runtime_cap_name(41));
}

static void test_known_numbers(void **state)
{
	(void)state;
	/* fixed by the kernel's ABI */
	assert_int_equal(runtime_cap_parse("CAP_CHOWN"), 0);
	assert_int_equal(runtime_cap_parse("cap_net_admin"), 12);
	assert_int_equal(runtime_cap_parse("sys_admin"), 21);
	assert_int_equal(runtime_cap_parse("Cap_Setfcap"), 31);
	assert_int_equal(runtime_cap_parse("BPF"), 39);
	assert_int_equal(runtime_cap_parse("CAP_CHECKPOINT_RESTORE"), 40);
}

static void test_junk(void **state)
{
	static const char *const bad[] = { "",	  "CAP_", "CAP_CAP_CHOWN", "CHOWN ",	" CHOWN",
					   "ALL", "21",	  "SYS",	   "SYS_ADMINS" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(runtime_cap_parse(bad[i]), -EINVAL);
	assert_int_equal(runtime_cap_parse(NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_known_numbers),
		cmocka_unit_test(test_junk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
