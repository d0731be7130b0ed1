/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a container: written, read back, judged; `features` and `spec` are valid documents. */
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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "base/procfs.h"
#include "runtime/runtime.h"
#include "runtime/state.h"

static char top[] = "/tmp/crt-unit-state-XXXXXX";
static int root_fd = -1;

static int setup(void **state)
{
	char dir[] = "/tmp/crt-unit-state-XXXXXX";

	(void)state;
	memcpy(top, dir, sizeof(dir));
	assert_non_null(mkdtemp(top));
	root_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int remove_top(void)
{
	int dir_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = path_remove_tree(dir_fd, top + strlen("/tmp/"), NULL);

	close(dir_fd);
	return r;
}

static int teardown(void **state)
{
	(void)state;
	close(root_fd);
	return remove_top();
}

static void write_record(const char *id, pid_t pid, unsigned long long start)
{
	struct state s = STATE_INIT;
	struct error e = ERROR_INIT;

	assert_int_equal(mkdirat(root_fd, id, 0700), 0);
	s.dir_fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s.id = strdup(id);
	s.bundle = strdup("/b");
	s.rootfs = strdup("/b/rootfs");
	s.created = state_now();
	s.program = strdup("/bin/x");
	s.pid = pid;
	s.start_time = start;
	assert_int_equal(state_save(&s, &e), 0);
	state_fini(&s);
}

static void test_round_trip(void **state)
{
	int proc_fd = procfs_open(NULL);
	unsigned long long start = 0;
	struct error e = ERROR_INIT;
	struct state s;
	char *text;

	(void)state;
	assert_int_equal(procfs_start_time(proc_fd, getpid(), &start), 0);
	write_record("c1", getpid(), start);
	assert_int_equal(state_load(root_fd, "c1", &s, &e), 0);
	assert_string_equal(s.bundle, "/b");
	assert_int_equal(state_status(&s, proc_fd), STATE_RUNNING);
	text = state_text(&s, STATE_RUNNING, true);
	assert_non_null(strstr(text, "\"status\":\"running\""));
	assert_non_null(
		strstr(text, "\"bundle\":\"/b\"")); /* slashes are not escaped: hooks parse this */
	free(text);
	text = state_text(&s, STATE_STOPPED, true);
	assert_non_null(strstr(text, "\"pid\":0"));
	free(text);
	/* the gate makes it "created" */
	close(openat(s.dir_fd, STATE_GATE, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(state_status(&s, proc_fd), STATE_CREATED);
	state_fini(&s);
	close(proc_fd);
}

static void test_reused_pid(void **state)
{
	int proc_fd = procfs_open(NULL);
	struct error e = ERROR_INIT;
	struct state s;

	(void)state;
	write_record("c2", getpid(), 1);
	assert_int_equal(state_load(root_fd, "c2", &s, &e), 0);
	assert_int_equal(state_status(&s, proc_fd), STATE_STOPPED);
	state_fini(&s);
	close(proc_fd);
	/* and it is never signalled */
	assert_int_equal(runtime_kill(root_fd, "c2", 9, false, &e), -ESRCH);
	assert_string_equal(e.msg, "container not running");
	assert_int_equal(runtime_delete(root_fd, "c2", false, &e), 0);
	assert_true(faccessat(root_fd, "c2", F_OK, 0) < 0);
}

static void test_missing(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../c1", "a/b", "a b", "\n" };
	struct error e = ERROR_INIT;
	char *text = NULL;

	(void)state;
	assert_int_equal(runtime_state(root_fd, "none", &text, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "does not exist"));
	assert_int_equal(runtime_delete(root_fd, "none", false, &e), -ENOENT);
	assert_int_equal(runtime_delete(root_fd, "none", true, &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(runtime_delete(root_fd, bad[i], true, &e), -EINVAL);
		assert_int_equal(runtime_kill(root_fd, bad[i], 0, true, &e), -EINVAL);
	}
	/* a directory that its creator did not finish */
	assert_int_equal(mkdirat(root_fd, "half", 0700), 0);
	assert_int_equal(runtime_kill(root_fd, "half", 9, false, &e), -ENOENT);
	assert_int_equal(runtime_list(root_fd, &text, &e), 0);
	assert_string_equal(text, "[]");
	free(text);
	assert_int_equal(runtime_delete(root_fd, "half", true, &e), 0);
	assert_true(faccessat(root_fd, "half", F_OK, 0) < 0);
}

static void test_now(void **state)
{
	char *text = state_now(), want[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)state;
	assert_non_null(gmtime_r(&now, &tm));
	assert_true(strftime(want, sizeof(want), "%Y-%m-%dT%H:%M", &tm) > 0);
	assert_int_equal(strlen(text), strlen("2001-02-03T04:05:06.123456789Z"));
	/* a minute may have ended in between */
	if (tm.tm_sec < 58)
		assert_memory_equal(text, want, strlen(want));
	free(text);
}

static void test_documents(void **state)
{
	struct error e = ERROR_INIT;
	struct spec s;
	char *text = NULL;
	json_t *j;

	(void)state;
	assert_int_equal(runtime_features(&text, &e), 0);
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_array_size(json_object_get(j, "hooks")), 6);
	assert_true(json_array_size(json_object_get(j, "mountOptions")) >= 62);
	json_decref(j);
	free(text);
	for (int rootless = 0; rootless < 2; rootless++) {
		assert_int_equal(runtime_spec_template(rootless != 0, &text, &e), 0);
		assert_int_equal(spec_parse(text, strlen(text), &s, &e), 0);
		assert_int_equal(spec_check(&s, &e), 0);
		assert_int_equal(s.idmap.uid_n, rootless);
		spec_fini(&s);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reused_pid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
