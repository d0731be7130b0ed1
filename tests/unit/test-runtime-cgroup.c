/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: which directory has a controller, what counts as a limit, where files are written. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/buf.h"
#include "runtime/cgroup.h"

static json_t *load(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static void test_path(void **state)
{
	json_t *v1 = load(
		"{\"version\":1,\"paths\":{\"cpu,cpuacct\":\"/a\",\"memory\":\"/b\",\"name=systemd\":\"/c\"}}");
	json_t *v2 = load("{\"version\":2,\"paths\":{\"\":\"/u\"}}");

	(void)state;
	assert_int_equal(cgroup_version(v1), 1);
	assert_string_equal(cgroup_path(v1, "cpu"), "/a");
	assert_string_equal(cgroup_path(v1, "cpuacct"), "/a");
	assert_string_equal(cgroup_path(v1, "memory"), "/b");
	assert_null(cgroup_path(v1, "cpuset")); /* not a prefix of "cpu,..." */
	assert_null(cgroup_path(v1, "mem"));
	assert_string_equal(cgroup_path(v2, "pids"), "/u");
	assert_null(cgroup_path(NULL, "cpu"));
	json_decref(v1);
	json_decref(v2);
}

static void test_limits(void **state)
{
	static const struct {
		const char *text;
		bool limits;
	} cases[] = {
		{ "{}", false },
		{ "{\"devices\":[{\"allow\":false}]}", false },
		{ "{\"memory\":{},\"cpu\":{\"shares\":0},\"pids\":{\"limit\":-1}}", false },
		{ "{\"memory\":{\"swappiness\":60}}", false },
		{ "{\"memory\":{\"limit\":1}}", true },
		{ "{\"pids\":{\"limit\":5}}", true },
		{ "{\"cpu\":{\"cpus\":\"0\"}}", true },
		{ "{\"unified\":{\"memory.high\":\"1\"}}", true },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]}", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j = load(cases[i].text);

		if (cgroup_has_limits(j) != cases[i].limits)
			fail_msg("%s", cases[i].text);
		json_decref(j);
	}
	assert_false(cgroup_has_limits(NULL));
}

/* Limits without a group are refused, nothing to set is not. */
static void test_update_without_group(void **state)
{
	json_t *some = load("{\"pids\":{\"limit\":5}}"), *none = load("{}");
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(cgroup_update(NULL, none, &e), 0);
	assert_int_equal(cgroup_update(NULL, some, &e), -ENOTSUP);
	assert_non_null(strstr(e.msg, "no cgroup"));
	json_decref(some);
	json_decref(none);
}

static void make_file(const char *dir, const char *name)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fclose(f);
}

static void expect(const char *dir, const char *name, const char *want)
{
	char path[128], *text = NULL;

	assert_int_equal(cgroup_read(dir, name, &text), 0);
	assert_string_equal(text, want);
	free(text);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

/* Files of version 2, with a plain directory in the place of a group. */
static void test_update2(void **state)
{
	static const char *const names[] = { "memory.max", "memory.swap.max", "cpu.max",
					     "cpu.weight", "pids.max",	      "io.max" };
	char dir[] = "/tmp/crt-unit-cgroup-XXXXXX";
	struct error e = ERROR_INIT;
	json_t *record, *bad,
		*res = load(
			"{\"memory\":{\"limit\":1000,\"swap\":1500},\"cpu\":{\"shares\":1024,\"quota\":-1,"
			"\"period\":50000},\"pids\":{\"limit\":-1},\"blockIO\":{\"throttleReadBpsDevice\":"
			"[{\"major\":8,\"minor\":0,\"rate\":7}]}}");

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		make_file(dir, names[i]);
	record = json_pack("{s:i,s:{s:s}}", "version", 2, "paths", "", dir);
	assert_int_equal(cgroup_update(record, res, &e), 0);
	bad = load("{\"unified\":{\"../memory.max\":\"1\"}}");
	assert_int_equal(cgroup_update(record, bad, &e), -EINVAL);
	json_decref(bad);
	bad = load("{\"memory\":{\"limit\":10,\"swap\":5}}");
	assert_int_equal(cgroup_update(record, bad, &e), -EINVAL);
	json_decref(bad);
	/* a plain file keeps what a longer value left behind it */
	expect(dir, "memory.max", "1000");
	expect(dir, "memory.swap.max", "500");
	expect(dir, "cpu.weight", "100");
	expect(dir, "cpu.max", "max 50000");
	expect(dir, "pids.max", "max");
	expect(dir, "io.max", "8:0 rbps=7");
	assert_int_equal(rmdir(dir), 0);
	json_decref(record);
	json_decref(res);
}

static void check_resources(const char *text, const char *want)
{
	json_t *j = json_loads(text, 0, NULL);
	struct error e = ERROR_INIT;
	int r;

	assert_non_null(j);
	r = cgroup_resources_check(j, "linux.resources", &e);
	if (want == NULL)
		assert_int_equal(r, 0);
	else if (r == 0 || strcmp(e.msg, want) != 0)
		fail_msg("%s: %s", text, e.msg);
	json_decref(j);
}

static void test_resource_types(void **state)
{
	(void)state;
	check_resources("{}", NULL);
	check_resources("{\"future\":[1],\"memory\":{\"limit\":1,\"swap\":null,\"future\":{}},"
			"\"unified\":{\"a\":\"b\"},\"cpu\":null}",
			NULL);
	check_resources("{\"memory\":{\"limit\":\"1\"}}",
			"linux.resources.memory.limit: expected a number");
	check_resources("{\"cpu\":{\"cpus\":1}}", "linux.resources.cpu.cpus: expected a string");
	check_resources("{\"pids\":[]}", "linux.resources.pids: expected an object");
	check_resources("{\"devices\":[{\"allow\":true},{\"allow\":\"true\"}]}",
			"linux.resources.devices[1].allow: expected true or false");
	check_resources("{\"devices\":[1]}", "linux.resources.devices[0]: expected an object");
	check_resources("{\"blockIO\":{\"throttleReadBpsDevice\":[{\"rate\":\"1\"}]}}",
			"linux.resources.blockIO.throttleReadBpsDevice[0].rate: expected a number");
	check_resources("{\"unified\":{\"memory.max\":1}}",
			"linux.resources.unified[\"memory.max\"]: expected a string");
	check_resources("{\"rdma\":{\"mlx\":1}}",
			"linux.resources.rdma[\"mlx\"]: expected an object");
	check_resources("[]", "linux.resources: expected an object");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resource_types), cmocka_unit_test(test_path),
		cmocka_unit_test(test_limits),	       cmocka_unit_test(test_update_without_group),
		cmocka_unit_test(test_update2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
