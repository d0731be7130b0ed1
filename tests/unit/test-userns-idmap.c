/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns/idmap.c: the arithmetic of the maps.
 *
 * Theory of operation: a caller with two ranges (5 + 3 ids) keeps the numbers
 * small enough to be written down; every map is compared line by line.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "userns/private.h"

static struct id_range ranges[] = { { .outside = 100, .count = 5 },
				    { .outside = 200, .count = 3 } };
static char user[] = "alice";

static struct userns_caps caps(enum userns_kind kind)
{
	struct userns_caps c = { .kind = kind,
				 .uid = 1000,
				 .gid = 1001,
				 .user = user,
				 .subuid = ranges,
				 .subuid_n = 2,
				 .subgid = ranges,
				 .subgid_n = 1 };

	if (kind == USERNS_KIND_SINGLE)
		(void)snprintf(c.reason, sizeof(c.reason), "because of the test");
	return c;
}

static void same(const struct id_range *got, size_t got_n, const struct id_range *want,
		 size_t want_n)
{
	assert_int_equal(got_n, want_n);
	for (size_t i = 0; i < want_n; i++) {
		assert_int_equal(got[i].inside, want[i].inside);
		assert_int_equal(got[i].outside, want[i].outside);
		assert_int_equal(got[i].count, want[i].count);
	}
}

#define SAME(arr, arr_n, ...)                                              \
	do {                                                               \
		const struct id_range want_[] = { __VA_ARGS__ };           \
		same(arr, arr_n, want_, sizeof(want_) / sizeof(want_[0])); \
	} while (0)

static void test_default(void **state)
{
	struct userns_caps c = caps(USERNS_KIND_RANGE);
	struct id_map m = { 0 };

	(void)state;
	assert_int_equal(userns_map_default(&c, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1000, 1 }, { 1, 100, 5 }, { 6, 200, 3 });
	SAME(m.gid, m.gid_n, { 0, 1001, 1 }, { 1, 100, 5 });
	assert_false(idmap_is_single(&c, &m));
	id_map_fini(&m);

	c = caps(USERNS_KIND_SINGLE);
	assert_int_equal(userns_map_default(&c, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1000, 1 });
	SAME(m.gid, m.gid_n, { 0, 1001, 1 });
	assert_true(idmap_is_single(&c, &m));
	id_map_fini(&m);

	c = caps(USERNS_KIND_NONE);
	assert_int_equal(userns_map_default(&c, &m, NULL), 0);
	assert_int_equal(m.uid_n + m.gid_n, 0);
}

static void test_huge_ranges(void **state)
{
	struct id_range huge[] = { { .outside = 2000, .count = 4000000000u },
				   { .outside = 4000002000u, .count = 294965295u } };
	struct userns_caps c = caps(USERNS_KIND_RANGE);
	struct id_map m = { 0 };

	/* Together they are more than fit behind id 0: the last is cut. */
	(void)state;
	huge[1].count = UINT32_MAX - huge[1].outside;
	c.subuid = huge;
	assert_int_equal(userns_map_default(&c, &m, NULL), 0);
	assert_int_equal(m.uid_n, 3);
	assert_true((uint64_t)m.uid[2].inside + m.uid[2].count <= UINT32_MAX);
	id_map_fini(&m);
	assert_int_equal(userns_map_keep_id(&c, -1, -1, &m, NULL), 0);
	id_map_fini(&m);
}

static void test_keep_id(void **state)
{
	struct userns_caps c = caps(USERNS_KIND_RANGE);
	struct id_map m = { 0 };

	(void)state;
	/* The caller's number is above all subordinate ids. */
	assert_int_equal(userns_map_keep_id(&c, -1, -1, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1, 8 }, { 1000, 0, 1 });
	SAME(m.gid, m.gid_n, { 0, 1, 5 }, { 1001, 0, 1 });
	id_map_fini(&m);
	/* In the middle of them, at both ends. */
	assert_int_equal(userns_map_keep_id(&c, 3, 0, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1, 3 }, { 3, 0, 1 }, { 4, 4, 5 });
	SAME(m.gid, m.gid_n, { 0, 0, 1 }, { 1, 1, 5 });
	id_map_fini(&m);
	assert_int_equal(userns_map_keep_id(&c, 8, 5, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1, 8 }, { 8, 0, 1 });
	SAME(m.gid, m.gid_n, { 0, 1, 5 }, { 5, 0, 1 });
	id_map_fini(&m);
	assert_int_equal(userns_map_keep_id(&c, 4294967294, 7, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1, 8 }, { 4294967294u, 0, 1 });
	id_map_fini(&m);
	assert_int_equal(userns_map_keep_id(&c, 4294967295, 7, &m, NULL), -EINVAL);
	assert_int_equal(userns_map_keep_id(&c, -2, 7, &m, NULL), -EINVAL);
	assert_int_equal(userns_map_keep_id(&c, 1, 1LL << 40, &m, NULL), -EINVAL);
	assert_null(m.uid);

	c = caps(USERNS_KIND_SINGLE);
	assert_int_equal(userns_map_keep_id(&c, -1, 5, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 1000, 0, 1 });
	SAME(m.gid, m.gid_n, { 5, 0, 1 });
	id_map_fini(&m);
	c = caps(USERNS_KIND_NONE);
	assert_int_equal(userns_map_keep_id(&c, -1, -1, &m, NULL), -EINVAL);
}

static void test_nomap(void **state)
{
	struct userns_caps c = caps(USERNS_KIND_RANGE);
	struct error e = ERROR_INIT;
	struct id_map m = { 0 };

	(void)state;
	assert_int_equal(userns_map_nomap(&c, &m, NULL), 0);
	SAME(m.uid, m.uid_n, { 0, 1, 8 });
	SAME(m.gid, m.gid_n, { 0, 1, 5 });
	id_map_fini(&m);
	c = caps(USERNS_KIND_SINGLE);
	assert_int_equal(userns_map_nomap(&c, &m, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "because of the test"));
	c = caps(USERNS_KIND_NONE);
	assert_int_equal(userns_map_nomap(&c, &m, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_huge_ranges),
		cmocka_unit_test(test_keep_id),
		cmocka_unit_test(test_nomap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
