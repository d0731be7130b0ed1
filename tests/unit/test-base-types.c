/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of id maps at its edges. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/types.h"

static void test_add(void **state)
{
	struct id_map m = { 0 };

	(void)state;
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ 0, 1000, 1 }), 0);
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ 1, 100000, 65536 }), 0);
	/* empty, overlapping inside, overlapping outside, past the end */
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ 70000, 300000, 0 }),
			 -EINVAL);
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ 65536, 300000, 1 }),
			 -EINVAL);
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ 70000, 1000, 1 }),
			 -EINVAL);
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ 70000, UINT32_MAX, 1 }),
			 -EINVAL);
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ UINT32_MAX - 1, 2000, 2 }),
			 -EINVAL);
	assert_int_equal(id_map_add(&m.uid, &m.uid_n, (struct id_range){ UINT32_MAX - 1, 2000, 1 }),
			 0);
	assert_int_equal(m.uid_n, 3);
	id_map_fini(&m);
	assert_null(m.uid);
}

static void test_translate(void **state)
{
	struct id_map m = { 0 };
	uint32_t id = 7;

	(void)state;
	assert_int_equal(id_map_add(&m.gid, &m.gid_n, (struct id_range){ 0, 1000, 1 }), 0);
	assert_int_equal(id_map_add(&m.gid, &m.gid_n, (struct id_range){ 1, 100000, 10 }), 0);
	assert_true(id_map_to_outside(m.gid, m.gid_n, 0, &id));
	assert_int_equal(id, 1000);
	assert_true(id_map_to_outside(m.gid, m.gid_n, 10, &id));
	assert_int_equal(id, 100009);
	assert_false(id_map_to_outside(m.gid, m.gid_n, 11, &id));
	assert_int_equal(id, 100009); /* untouched */
	id_map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_add),
					    cmocka_unit_test(test_translate) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
