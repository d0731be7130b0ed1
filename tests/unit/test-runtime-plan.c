/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of mounts and devices, the option table, and the texts of failures. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "runtime/mountopt.h"
#include "runtime/prepare.h"

static struct spec parse(const char *mounts, const char *lin)
{
	char text[2048];
	struct error e = ERROR_INIT;
	struct spec s;

	(void)snprintf(
		text, sizeof(text),
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},"
		"\"mounts\":[%s],\"linux\":{%s}}",
		mounts, lin);
	if (spec_parse(text, strlen(text), &s, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return s;
}

static void test_options_sorted(void **state)
{
	(void)state;
	for (const struct mountopt *o = mountopt_table; o->name != NULL; o++) {
		assert_ptr_equal(mountopt_find(o->name), o);
		if (o != mountopt_table)
			assert_true(strcmp(o[-1].name, o->name) < 0);
	}
	assert_null(mountopt_find("size=1"));
	assert_null(mountopt_find(""));
}

static void test_own_dev(void **state)
{
	struct spec s = parse("", "");
	struct error e = ERROR_INIT;
	struct prepared pr;

	(void)state;
	prepared_init(&pr);
	assert_int_equal(prepare_mounts(&pr, &s, "/b", &e), 0);
	assert_int_equal(prepare_devices(&pr, &s, &e), 0);
	assert_true(pr.plan.own_dev);
	assert_string_equal(pr.plan.mounts[0].destination, "/dev");
	assert_true(pr.plan.mounts[0].strict);
	assert_true(pr.plan.mounts[0].is_dev);
	assert_int_equal(pr.plan.devices_n, 6);
	assert_true(pr.plan.devices[0].dev == makedev(1, 3));
	prepared_fini(&pr);
	spec_fini(&s);
}

static void test_bound_dev(void **state)
{
	struct spec s = parse(
		"{\"destination\":\"/dev//\",\"type\":\"bind\",\"source\":\"/dev\",\"options\":[\"rbind\"]}",
		"");
	struct error e = ERROR_INIT;
	struct prepared pr;

	(void)state;
	prepared_init(&pr);
	assert_int_equal(prepare_mounts(&pr, &s, "/b", &e), 0);
	assert_int_equal(prepare_devices(&pr, &s, &e), 0);
	assert_false(pr.plan.own_dev);
	assert_int_equal(pr.plan.devices_n, 0);
	assert_int_equal(pr.plan.mounts_n, 1);
	prepared_fini(&pr);
	spec_fini(&s);
}

static void test_options(void **state)
{
	struct spec s = parse(
		"{\"destination\":\"t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
		"[\"ro\",\"nosuid\",\"rw\",\"size=1k\",\"mode=755\",\"rslave\",\"sync\",\"rro\",\"tmpcopyup\"]},"
		"{\"destination\":\"/b\",\"source\":\"rel\",\"options\":[\"bind\",\"ro\",\"noatime\"]}",
		"");
	struct error e = ERROR_INIT;
	const struct plan_mount *t, *b;
	struct prepared pr;

	(void)state;
	prepared_init(&pr);
	assert_int_equal(prepare_mounts(&pr, &s, "/bundle", &e), 0);
	t = &pr.plan.mounts[2]; /* behind our /dev and /dev/pts */
	b = &pr.plan.mounts[3];
	assert_string_equal(t->destination, "/t");
	assert_int_equal(t->attr_set, MOUNT_ATTR_NOSUID); /* rw came after ro */
	assert_int_equal(t->rec_set, MOUNT_ATTR_RDONLY);
	assert_true(t->copyup);
	assert_int_equal(t->propagation_n, 1);
	assert_int_equal(t->propagation[0], MS_SLAVE | MS_REC);
	assert_int_equal(t->options_n, 3);
	assert_string_equal(t->options[0].key, "size");
	assert_string_equal(t->options[0].value, "1k");
	assert_string_equal(t->options[2].key, "sync");
	assert_null(t->options[2].value);
	assert_int_equal(b->kind, PLAN_MOUNT_BIND);
	assert_string_equal(b->source, "/bundle/rel");
	assert_false(b->recursive);
	assert_int_equal(b->attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
	prepared_fini(&pr);
	spec_fini(&s);
}

static void test_mounts_refused(void **state)
{
	static const char *const bad[] = {
		"{\"destination\":\"/\",\"type\":\"tmpfs\"}",
		"{\"destination\":\"//.//\",\"type\":\"tmpfs\"}",
		"{\"destination\":\"/a\",\"options\":[\"bind\"]}",
		"{\"destination\":\"/a\"}",
		"{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"idmap\"]}",
		"{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"shared\",\"slave\",\"shared\",\"slave\",\"shared\"]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spec s = parse(bad[i], "");
		struct error e = ERROR_INIT;
		struct prepared pr;

		prepared_init(&pr);
		if (prepare_mounts(&pr, &s, "/b", &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_true(e.msg[0] != '\0');
		prepared_fini(&pr);
		spec_fini(&s);
	}
}

static void test_devices(void **state)
{
	struct spec s = parse(
		"",
		"\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3,\"fileMode\":384},"
		"{\"path\":\"/dev/console\",\"type\":\"c\",\"major\":5,\"minor\":1},"
		"{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229}]");
	struct error e = ERROR_INIT;
	struct prepared pr;

	(void)state;
	prepared_init(&pr);
	assert_int_equal(prepare_mounts(&pr, &s, "/b", &e), 0);
	assert_int_equal(prepare_devices(&pr, &s, &e), 0);
	assert_int_equal(pr.plan.devices_n, 7); /* the console is ours, null is replaced */
	assert_int_equal(pr.plan.devices[0].mode & 07777, 0600);
	assert_string_equal(pr.plan.devices[6].path, "/dev/fuse");
	prepared_fini(&pr);
	spec_fini(&s);
}

static void test_lists(void **state)
{
	unsigned long w[2] = { 0 };

	(void)state;
	assert_int_equal(prepare_parse_list("0-2,64\n", w, 2), 0);
	assert_true(w[0] == 7 && w[1] == 1);
	assert_int_equal(prepare_parse_list("", w, 2), 0);
	assert_int_equal(prepare_parse_list("3-1", w, 2), -EINVAL);
	assert_int_equal(prepare_parse_list("1-", w, 2), -EINVAL);
	assert_int_equal(prepare_parse_list("x", w, 2), -EINVAL);
	assert_int_equal(prepare_parse_list("128", w, 2), -ERANGE);
	assert_int_equal(prepare_parse_list("0-99999999999999999999", w, 2), -ERANGE);
}

/* Whatever a report says, there is a text, and no index leads astray. */
static void test_reports(void **state)
{
	struct child_plan plan = { .rootfs = "/r" };

	(void)state;
	for (int step = 0; step < 256; step++) {
		struct child_report rep = { .kind = REPORT_FAILED,
					    .step = (uint8_t)step,
					    .index = 0xffffffff,
					    .aux = 0xffff,
					    .err = ENOENT };
		struct error e = ERROR_INIT;

		assert_true(report_format(&plan, &rep, &e) < 0);
		assert_true(e.msg[0] != '\0');
	}
}

static void test_program_texts(void **state)
{
	const char *args[] = { "nope", NULL };
	struct spec_process process = { .args = args, .args_n = 1 };
	struct child_plan plan = { .process = &process };
	struct child_report rep = { .kind = REPORT_FAILED,
				    .step = STEP_LOOKUP_PATH,
				    .err = ENOENT };
	struct error e = ERROR_INIT;

	(void)state;
	(void)report_format(&plan, &rep, &e);
	assert_string_equal(e.msg, "exec: \"nope\": executable file not found in $PATH");
	args[0] = "/x";
	rep.step = STEP_LOOKUP;
	(void)report_format(&plan, &rep, &e);
	assert_string_equal(e.msg, "exec: \"/x\": stat /x: no such file or directory");
	rep.err = EACCES;
	(void)report_format(&plan, &rep, &e);
	assert_string_equal(e.msg, "exec: \"/x\": permission denied");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_sorted), cmocka_unit_test(test_own_dev),
		cmocka_unit_test(test_bound_dev),      cmocka_unit_test(test_options),
		cmocka_unit_test(test_mounts_refused), cmocka_unit_test(test_devices),
		cmocka_unit_test(test_lists),	       cmocka_unit_test(test_reports),
		cmocka_unit_test(test_program_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
