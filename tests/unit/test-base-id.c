/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are unique and hexadecimal; names and ids from outside are checked to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"
#include "base/limits.h"

static void test_generate(void **state)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];

	(void)state;
	assert_int_equal(id_generate(a), 0);
	assert_int_equal(id_generate(b), 0);
	assert_int_equal(strlen(a), ID_LEN);
	assert_true(id_is_hex_prefix(a));
	assert_true(id_container_valid(a));
	assert_string_not_equal(a, b);
}

static void test_random_name(void **state)
{
	int different = 0;
	char *first = id_random_name();

	(void)state;
	assert_non_null(first);
	for (int i = 0; i < 64; i++) {
		char *name = id_random_name();

		assert_non_null(name);
		assert_true(id_name_valid(name));
		assert_non_null(strchr(name, '_'));
		different += strcmp(name, first) != 0;
		free(name);
	}
	assert_true(different > 32);
	free(first);
}

static void test_name_valid(void **state)
{
	static const char *const good[] = { "a", "0", "web-1", "a.b_c-d", "A9" };
	static const char *const bad[] = { "",	  "-a",	   ".a",       "_a",  "a/b", "a b",
					   "a\n", "a\x7f", "\xc3\xa4", "a:b", "../x" };
	char *longest = malloc(LIMIT_NAME + 2);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(id_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(id_name_valid(bad[i]));
	assert_false(id_name_valid(NULL));
	assert_non_null(longest);
	memset(longest, 'a', LIMIT_NAME + 1);
	longest[LIMIT_NAME + 1] = '\0';
	assert_false(id_name_valid(longest));
	longest[LIMIT_NAME] = '\0';
	assert_true(id_name_valid(longest));
	free(longest);
}

static void test_container_valid(void **state)
{
	static const char *const good[] = { "a", "-a", "_x", "+x", "a+b.c-d_e", "..a1" + 2 };
	static const char *const bad[] = { "",	  ".",	  "..",	  "..a", "a/b",
					   "a b", "a\tb", "a\\b", "a:b", "a\033[m" };
	char *longest = malloc(1026);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(id_container_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(id_container_valid(bad[i]));
	assert_false(id_container_valid(NULL));
	assert_non_null(longest);
	memset(longest, 'a', 1025);
	longest[1025] = '\0';
	assert_false(id_container_valid(longest));
	longest[1024] = '\0';
	assert_true(id_container_valid(longest));
	free(longest);
}

static void test_hex_prefix(void **state)
{
	char digits[ID_LEN + 2];

	(void)state;
	assert_true(id_is_hex_prefix("0"));
	assert_true(id_is_hex_prefix("deadbeef"));
	assert_false(id_is_hex_prefix(""));
	assert_false(id_is_hex_prefix(NULL));
	assert_false(id_is_hex_prefix("DEAD"));
	assert_false(id_is_hex_prefix("xyz"));
	memset(digits, 'f', ID_LEN + 1);
	digits[ID_LEN + 1] = '\0';
	assert_false(id_is_hex_prefix(digits));
	digits[ID_LEN] = '\0';
	assert_true(id_is_hex_prefix(digits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generate),   cmocka_unit_test(test_random_name),
		cmocka_unit_test(test_name_valid), cmocka_unit_test(test_container_valid),
		cmocka_unit_test(test_hex_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
