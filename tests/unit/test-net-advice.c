/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/net.h"

static void test_versions(void **state)
{
	static const struct {
		const char *version, *part;
	} cases[] = {
		{ "4.1.0", "4.3.1" },  { "4.3.0", "4.3.1" }, { "4.3.1", "4.4.0" },
		{ "3.9", "4.3.1" },    { "4.4.0", "4.6.0" }, { "4.7.0", "4.9.2" },
		{ "4.9.1", "4.9.2" },  { "4.9.2", NULL },    { "4.10.0", NULL },
		{ "5.0.0", NULL },     { "", NULL },	     { "unknown", NULL },
		{ "4.9.2-rc1", NULL }, { "4", NULL },	     { "4.7.0-1", "4.9.2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *advice = net_slirp_advice(cases[i].version);

		if (cases[i].part == NULL)
			assert_null(advice);
		else if (advice == NULL || strstr(advice, cases[i].part) == NULL)
			fail_msg("%s: %s", cases[i].version, advice == NULL ? "nothing" : advice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_versions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
