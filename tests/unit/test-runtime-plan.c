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

#include <fcntl.h>
#include <jansson.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/child.h"
#include "runtime/idmap.h"
#include "runtime/lsm.h"
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

/* "A-B-N#..." as the map that is written; NULL: refused. */
static void check_idmap(const char *text, const char *want)
{
	struct id_range container[] = { { 0, 1000, 1 }, { 1, 100000, 100 } };
	const struct id_map outer = { .uid = container, .uid_n = 2, .gid = container, .gid_n = 2 };
	struct id_map map = { .uid = NULL };
	char got[256] = "";
	int r = idmap_parse(text, &outer, &map);

	if (want == NULL) {
		assert_int_equal(r, -EINVAL);
		return;
	}
	if (r < 0)
		fail_msg("%s: %d", text, r);
	for (size_t i = 0; i < map.uid_n + map.gid_n; i++) {
		const struct id_range *v = i < map.uid_n ? &map.uid[i] : &map.gid[i - map.uid_n];
		size_t len = strlen(got);

		(void)snprintf(got + len, sizeof(got) - len, "%c%u-%u-%u ",
			       i < map.uid_n ? 'u' : 'g', v->inside, v->outside, v->count);
	}
	assert_string_equal(got, want);
	id_map_fini(&map);
}

static void test_idmap_option(void **state)
{
	(void)state;
	check_idmap("uids=0-1-10#10-11-10;gids=0-100-10", "u0-1-10 u10-11-10 g0-100-10 ");
	check_idmap("gids=5-6-1;uids=7-8-2", "u7-8-2 g5-6-1 ");
	check_idmap("uids=@1-3-10", "u1-100002-10 ");
	check_idmap("uids=@0-0-1#1-1-100;gids=0-0-1", "u0-1000-1 u1-100000-100 g0-0-1 ");
	check_idmap("uids=0-5-1#@1-0-1", "u0-5-1 u1-1000-1 ");
	check_idmap("uids=@0-0-2", NULL); /* two ranges of the container */
	check_idmap("uids=@0-101-1", NULL);
	check_idmap("uids=0-0-0", NULL);
	check_idmap("uids=0-0-1#0-5-1", NULL); /* overlap */
	check_idmap("uids=0-0-1;uids=1-1-1", NULL);
	check_idmap("uids=0-0", NULL);
	check_idmap("uids=-1-0-1", NULL);
	check_idmap("uids=0-0-4294967296", NULL);
	check_idmap("uids=4294967295-0-2", NULL);
	check_idmap("uids=0-0-1x", NULL);
	check_idmap("names=0-0-1", NULL);
	check_idmap("uids=", NULL);
	check_idmap("", NULL);
}

static char *read_at(int dir_fd, const char *path)
{
	struct error e = ERROR_INIT;
	char *text = NULL;

	if (fd_read_file_at(dir_fd, path, 4096, &text, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	return text;
}

/* A directory that looks like procfs: what is written where. */
static void test_lsm_files(void **state)
{
	static const char *const files[] = { "self/attr/exec", "self/attr/keycreate",
					     "self/attr/apparmor/exec" };
	char dir[] = "/tmp/crt-lsm-XXXXXX";
	struct child_plan p = { .apparmor_exec = "exec profile",
				.selinux_label = "a:b:c:s0:c1,c2",
				.proc_fd = -1 };
	char *text;

	(void)state;
	assert_non_null(mkdtemp(dir));
	p.proc_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(p.proc_fd, "self", 0700) | mkdirat(p.proc_fd, "self/attr", 0700) |
				 mkdirat(p.proc_fd, "self/attr/apparmor", 0700),
			 0);
	for (int i = 0; i < 3; i++)
		(void)close(openat(p.proc_fd, files[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	child_lsm_exec(&p);
	child_lsm_keys(&p);
	text = read_at(p.proc_fd, files[0]);
	assert_string_equal(text, p.selinux_label);
	free(text);
	text = read_at(p.proc_fd, files[1]);
	assert_string_equal(text, p.selinux_label);
	free(text);
	text = read_at(p.proc_fd, files[2]);
	assert_string_equal(text, p.apparmor_exec);
	free(text);
	/* a kernel without files of their own */
	assert_int_equal(unlinkat(p.proc_fd, files[2], 0), 0);
	assert_int_equal(unlinkat(p.proc_fd, files[0], 0), 0);
	(void)close(openat(p.proc_fd, files[0], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	p.selinux_label = NULL;
	child_lsm_exec(&p);
	text = read_at(p.proc_fd, files[0]);
	assert_string_equal(text, p.apparmor_exec);
	free(text);
	(void)unlinkat(p.proc_fd, files[0], 0);
	(void)unlinkat(p.proc_fd, files[1], 0);
	(void)unlinkat(p.proc_fd, "self/attr/apparmor", AT_REMOVEDIR);
	(void)unlinkat(p.proc_fd, "self/attr", AT_REMOVEDIR);
	(void)unlinkat(p.proc_fd, "self", AT_REMOVEDIR);
	(void)close(p.proc_fd);
	(void)rmdir(dir);
}

static void test_lsm_refused(void **state)
{
	struct error e = ERROR_INIT;
	struct prepared pr;

	(void)state;
	prepared_init(&pr);
	assert_int_equal(lsm_prepare(&pr, "", "", &e), 0);
	assert_int_equal(lsm_prepare(&pr, NULL, NULL, &e), 0);
	assert_int_equal(lsm_prepare(&pr, "two\nlines", NULL, &e), -EINVAL);
	assert_int_equal(lsm_prepare(&pr, NULL, "two\nlines", &e), -EINVAL);
	/* "unconfined" is what hosts without AppArmor give anyway */
	assert_int_equal(lsm_prepare(&pr, "unconfined", NULL, &e), 0);
	prepared_fini(&pr);
}

/* The properties of a scope for these rules as text; "" when systemd is told nothing. */
static void check_devices(const char *rules, const char *want)
{
	struct error e = ERROR_INIT;
	json_t *in = json_loads(rules, 0, NULL), *list = json_array();
	int proc_fd = procfs_open(&e);
	char *text;

	assert_non_null(in);
	assert_int_equal(cgroup_devices_systemd(proc_fd, in, list, &e), 0);
	text = json_dumps(json_array_get(json_array_get(list, 1), 2), JSON_COMPACT);
	if (want == NULL)
		assert_null(text);
	else if (text == NULL || strstr(text, want) == NULL)
		fail_msg("%s: %s", rules, text != NULL ? text : "nothing");
	free(text);
	json_decref(in);
	json_decref(list);
	(void)close(proc_fd);
}

static void test_devices_systemd(void **state)
{
	const char *deny = "{\"allow\":false,\"access\":\"rwm\"}";
	char text[512];

	(void)state;
	check_devices("[]", NULL);
	check_devices("[{\"allow\":true}]", NULL);
	(void)snprintf(text, sizeof(text), "[%s]", deny);
	check_devices(text, "[\"char-*\",\"m\"],[\"block-*\",\"m\"],[\"/dev/char/1:3\",\"rwm\"]");
	(void)snprintf(
		text, sizeof(text),
		"[{\"allow\":true},%s,{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":1,\"access\":\"r\"}]",
		deny);
	check_devices(text, "[\"/dev/block/8:1\",\"r\"]]");
	(void)snprintf(text, sizeof(text),
		       "[%s,{\"allow\":true,\"type\":\"c\",\"major\":1,\"access\":\"rw\"}]", deny);
	check_devices(text, "[\"char-mem\",\"rw\"]]");
	/* no words for these */
	(void)snprintf(text, sizeof(text),
		       "[%s,{\"allow\":true,\"type\":\"c\",\"minor\":1,\"access\":\"rw\"}]", deny);
	check_devices(text, NULL);
	(void)snprintf(text, sizeof(text), "[%s,{\"allow\":true}]", deny);
	check_devices(text, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idmap_option),   cmocka_unit_test(test_lsm_files),
		cmocka_unit_test(test_lsm_refused),    cmocka_unit_test(test_devices_systemd),
		cmocka_unit_test(test_options_sorted), cmocka_unit_test(test_own_dev),
		cmocka_unit_test(test_bound_dev),      cmocka_unit_test(test_options),
		cmocka_unit_test(test_mounts_refused), cmocka_unit_test(test_devices),
		cmocka_unit_test(test_lists),	       cmocka_unit_test(test_reports),
		cmocka_unit_test(test_program_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
