/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: one line, prefixes in front, cut when too long, lower-case reasons. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void test_set_and_prefix(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(error_set(&e, -ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(e.msg, "open /x: no such file or directory");
	assert_int_equal(error_prefix(&e, "mounting %s", "/proc"), -ENOENT);
	assert_string_equal(e.msg, "mounting /proc: open /x: no such file or directory");
	assert_int_equal(error_hint(&e, " (try %d)", 2), -ENOENT);
	assert_string_equal(e.msg, "mounting /proc: open /x: no such file or directory (try 2)");
	assert_int_equal(error_setf(&e, -EINVAL, "two\nlines"), -EINVAL);
	assert_string_equal(e.msg, "two lines");
}

static void test_own_bugs_and_null(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(error_set(&e, 0, "zero"), -EINVAL);
	assert_int_equal(error_set(&e, 5, "positive"), -EINVAL);
	assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
	assert_int_equal(error_prefix(NULL, "nobody"), -EINVAL);
}

static void test_cut(void **state)
{
	char big[2000];
	struct error e = ERROR_INIT;

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	(void)error_set(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_string_equal(e.msg + sizeof(e.msg) - 4, "...");
	(void)error_prefix(&e, "front");
	assert_memory_equal(e.msg, "front: xxx", 10);
	assert_string_equal(e.msg + sizeof(e.msg) - 4, "...");
}

static void test_phrases(void **state)
{
	(void)state;
	assert_string_equal(error_strerror(EACCES), "permission denied");
	assert_string_equal(error_strerror(-EPERM), "operation not permitted");
	assert_string_equal(error_strerror(ENOLCK), "no locks available");
	assert_string_equal(error_strerror(EPROTO), "protocol error");
	assert_non_null(error_strerror(99999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_prefix),
		cmocka_unit_test(test_own_bugs_and_null),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_phrases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
