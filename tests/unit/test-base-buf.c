/* SPDX-License-Identifier: Apache-2.0 */
/* Growing, caps, escaping and number parsing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void test_grow_and_cap(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%03d,", i), 0);
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data + 3996, "999,", 5);
	buf_reset(&b);
	b.max = 10;
	assert_int_equal(buf_puts(&b, "123456789"), 0);
	assert_int_equal(buf_puts(&b, "0"), -E2BIG);
	assert_int_equal(buf_putc(&b, 'x'), -E2BIG); /* sticky */
	assert_string_equal(buf_str(&b), "123456789");
	assert_null(buf_steal(&b));
	assert_null(b.data);
}

static void check_escape(const char *in, const char *want)
{
	_cleanup_free_ char *got = str_escape(in);

	assert_string_equal(got, want);
}

static void test_escape(void **state)
{
	(void)state;
	check_escape("plain text, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		     "plain text, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	check_escape("a\x1b[2Jb\r\n\a\x7f", "a\\x1b[2Jb\\x0d\\x0a\\x07\\x7f");
	check_escape("\xc2\x9b"
		     "x",
		     "\\x9bx");	       /* C1 control as UTF-8 */
	check_escape("\x9b", "\\x9b"); /* and raw */
	check_escape("\xe2\x80\xae"
		     "x",
		     "\\u202ex");				  /* right-to-left override */
	check_escape("\xc0\xaf", "\\xc0\\xaf");			  /* overlong "/" */
	check_escape("\xed\xa0\x80", "\\xed\\xa0\\x80");	  /* surrogate */
	check_escape("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	check_escape("\xe2\x82", "\\xe2\\x82");			  /* cut short */
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "",	 " 1",	"1 ",  "+1",
					   "-1", "0x1", "1.0", "18446744073709551616" };
	unsigned long long v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(str_to_u64(bad[i], UINT64_MAX, &v) < 0);
	assert_int_equal(str_to_u64("18446744073709551615", UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_to_u64("007", 7, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(str_to_u64("8", 7, &v), -ERANGE);
}

static void test_sizes(void **state)
{
	static const char *const bad[] = {
		"", "k", "-1m", "1x", "1kk", "1.5g", "99999999999999999999", "16777216t"
	};
	unsigned long long v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(str_to_size(bad[i], &v) < 0);
	assert_int_equal(str_to_size("64m", &v), 0);
	assert_int_equal(v, 64 << 20);
	assert_int_equal(str_to_size("1GiB", &v), 0);
	assert_int_equal(v, 1 << 30);
	assert_int_equal(str_to_size("512", &v), 0);
	assert_int_equal(v, 512);
	assert_int_equal(str_to_size("2b", &v), 0);
	assert_int_equal(v, 2);
}

static void test_env(void **state)
{
	_cleanup_strv_ struct strv s = { 0 };

	(void)state;
	assert_int_equal(strv_env_set(&s, "A=1"), 0);
	assert_int_equal(strv_env_set(&s, "AB=2"), 0);
	assert_int_equal(strv_env_set(&s, "A=3"), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.v[0], "A=3");
	assert_string_equal(strv_env_get(&s, "AB"), "2");
	assert_null(strv_env_get(&s, "B"));
	assert_null(s.v[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow_and_cap), cmocka_unit_test(test_escape),
		cmocka_unit_test(test_numbers),	     cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
