/* SPDX-License-Identifier: Apache-2.0 */
/* Login names by uid, from passwd texts as administrators leave them. */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "userns/private.h"

static void check(const char *passwd, uid_t uid, const char *want)
{
	_cleanup_free_ char *got = account_find_name(passwd, strlen(passwd), uid);

	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_find_name(void **state)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
				     "\n"
				     "no colons\n"
				     ":x:7:7::/:/bin/sh\n"
				     "short:x:10\n"
				     "ann:x:1000:1000::/home/ann:/bin/sh\n"
				     "twin:x:1000:1000::/:/bin/sh\n"
				     "last:x:2000:1:";

	(void)state;
	check(passwd, 0, "root");
	check(passwd, 1000, "ann");
	check(passwd, 100, NULL);
	check(passwd, 10000, NULL);
	check(passwd, 7, NULL);
	check(passwd, 10, NULL);
	check(passwd, 2000, "last");
	check("", 0, NULL);
	check("x:x:5", 5, NULL);
}

static void test_own_name(void **state)
{
	_cleanup_free_ char *name = account_name(getuid());
	_cleanup_free_ char *nobody = account_name(4000000001u);
	struct passwd *pw = getpwuid(getuid());

	(void)state;
	assert_string_equal(nobody, "4000000001");
	if (pw != NULL)
		assert_string_equal(name, pw->pw_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_find_name),
					    cmocka_unit_test(test_own_name) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
