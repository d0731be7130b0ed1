/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns/subid.c: parsing of /etc/subuid as administrators and scripts write it.
 *
 * Theory of operation: the parsers are pure, so texts go in and ranges come out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "userns/private.h"

struct expect {
	uint32_t outside, count;
};

static void check(const char *text, const struct expect *want, size_t want_n)
{
	_cleanup_free_ struct id_range *arr = NULL;
	size_t n = 0;

	assert_int_equal(subid_parse(text, strlen(text), "alice", 1000, 1000, &arr, &n), 0);
	assert_int_equal(n, want_n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(arr[i].outside, want[i].outside);
		assert_int_equal(arr[i].count, want[i].count);
	}
}

#define CHECK(text, ...)                                              \
	do {                                                          \
		const struct expect want_[] = { __VA_ARGS__ };        \
		check(text, want_, sizeof(want_) / sizeof(want_[0])); \
	} while (0)
#define CHECK_NONE(text) check(text, NULL, 0)

static void test_plain(void **state)
{
	(void)state;
	CHECK("alice:100000:65536\n", { 100000, 65536 });
	CHECK("alice:100000:65536", { 100000, 65536 }); /* no newline at the end */
	CHECK("bob:1:2\nalice:100000:65536\nalice2:5:6\n", { 100000, 65536 });
	CHECK("1000:100000:65536\nalice:300000:10\n", { 100000, 65536 }, { 300000, 10 });
	CHECK_NONE("");
	CHECK_NONE("\n\n#alice:1:2\nalic:5:6\nalicex:5:6\n10:5:6\n10000:5:6\n");
}

static void test_malformed(void **state)
{
	(void)state;
	CHECK_NONE(
		"alice\nalice:\nalice:1\nalice:1:\nalice::1\nalice:a:b\nalice:-1:5\nalice:1:-5\nalice: 1:5\n");
	CHECK_NONE(
		"alice:1:5 \nalice:1:5:6\nalice:0x10:5\nalice:1:0\nalice:99999999999999999999999:1\n");
	CHECK_NONE(
		"alice:4294967295:1\nalice:4294967290:6\nalice:1:4294967296\nalice:18446744073709551615:2\n");
	CHECK("alice:4294967290:5\n", { 4294967290u, 5 }); /* up to 2^32-2 */
	CHECK("alice:bad:1\nalice:7:1\n", { 7, 1 });
}

static void test_overlap(void **state)
{
	(void)state;
	CHECK("alice:100000:65536\n1000:100000:65536\n", { 100000, 65536 });
	CHECK("alice:100:10\nalice:105:10\n", { 100, 10 }, { 110, 5 });
	CHECK("alice:100:10\nalice:90:30\n", { 100, 10 }, { 90, 10 }, { 110, 10 });
	/* The caller's own id may not appear twice in the map. */
	CHECK("alice:999:3\n", { 999, 1 }, { 1001, 1 });
	CHECK_NONE("alice:1000:1\n");
	CHECK("alice:1000:2\n", { 1001, 1 });
}

static void test_limits(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ struct id_range *arr = NULL;
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++)
		assert_int_equal(buf_printf(&b, "alice:%u:5\n", 100000 + i * 10), 0);
	assert_int_equal(subid_parse(b.data, b.len, "alice", 1000, 1000, &arr, &n), 0);
	assert_int_equal(n, LIMIT_ID_RANGES - 1);

	/* A line that is too long is skipped, not cut. */
	buf_reset(&b);
	for (unsigned int i = 0; i < LIMIT_LINE; i++)
		assert_int_equal(buf_putc(&b, 'a'), 0);
	assert_int_equal(buf_puts(&b, ":1:5\nalice:7:1\n"), 0);
	free(arr);
	arr = NULL;
	n = 0;
	assert_int_equal(subid_parse(b.data, b.len, "alice", 1000, 1000, &arr, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(arr[0].outside, 7);
}

static void test_binary(void **state)
{
	static const char text[] = "\0:\0alice:\0:5\nalice:7\0:1\nalice:8:2\n";
	_cleanup_free_ struct id_range *arr = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(subid_parse(text, sizeof(text) - 1, "alice", 1000, 1000, &arr, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(arr[0].outside, 8);
}

static void test_getsubids(void **state)
{
	static const char text[] =
		"0: a lice 100000 65536\n1: alice 300000 5\nError fetching ranges\n";
	_cleanup_free_ struct id_range *arr = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(subid_parse_getsubids(text, strlen(text), 1000, &arr, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(arr[0].outside, 100000);
	assert_int_equal(arr[1].count, 5);
}

static bool foreign(const char *text)
{
	return subid_has_foreign_source(text, strlen(text));
}

static void test_nsswitch(void **state)
{
	(void)state;
	assert_false(foreign(""));
	assert_false(foreign("passwd: sss\n"));
	assert_false(foreign("subid: files\n"));
	assert_false(foreign("#subid: sss\n"));
	assert_false(foreign("subid:\n"));
	assert_true(foreign("passwd: files\nsubid:\tsss\n"));
	assert_true(foreign("  subid: sss files"));
}

static void test_defects(void **state)
{
	char buf[240];

	(void)state;
	assert_non_null(strstr(subid_helper_defect("/nonexistent/newuidmap", buf, sizeof(buf)),
			       "/nonexistent"));
	assert_non_null(
		strstr(subid_helper_defect("/bin/true", buf, sizeof(buf)), "neither setuid"));
}

static void test_probe(void **state)
{
	struct userns_caps c;

	(void)state;
	assert_int_equal(userns_probe(&c, NULL), 0);
	assert_non_null(c.user);
	assert_int_equal(c.uid, geteuid());
	if (c.kind == USERNS_KIND_SINGLE)
		assert_true(c.reason[0] != '\0');
	else
		assert_string_equal(c.reason, "");
	if (c.kind == USERNS_KIND_RANGE)
		assert_true(c.subuid_n > 0 && c.subgid_n > 0 && c.newuidmap != NULL &&
			    c.newgidmap != NULL);
	userns_caps_fini(&c);
	userns_caps_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	 cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_overlap),	 cmocka_unit_test(test_limits),
		cmocka_unit_test(test_binary),	 cmocka_unit_test(test_getsubids),
		cmocka_unit_test(test_nsswitch), cmocka_unit_test(test_defects),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
