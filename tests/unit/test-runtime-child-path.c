/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points inside a hostile root: nothing is ever made or opened outside (T34). */
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
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "runtime/child.h"

static char top[] = "/tmp/crt-unit-child-XXXXXX";
static int top_fd = -1, root_fd = -1;

/* top/ has the root and, beside it, what must never be touched. */
static int setup(void **state)
{
	char dir[] = "/tmp/crt-unit-child-XXXXXX";

	(void)state;
	memcpy(top, dir, sizeof(dir));
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(top_fd, "root", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "host", 0755), 0);
	root_fd = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
	/* the tripwire: still empty */
	assert_int_equal(unlinkat(top_fd, "host", AT_REMOVEDIR), 0);
	close(root_fd);
	close(top_fd);
	return remove_top();
}

static bool exists(const char *path)
{
	return faccessat(root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make(const char *path, unsigned int flags, int want)
{
	int fd = child_path_target(root_fd, path, flags);

	if (want < 0) {
		assert_int_equal(fd, want);
		return;
	}
	assert_true(fd >= 0);
	close(fd);
}

static void test_plain(void **state)
{
	struct stat st;

	(void)state;
	make("/a/b/c", CHILD_PATH_DIR, 0);
	make("a/b/file", 0, 0);
	assert_true(exists("a/b/c"));
	assert_int_equal(fstatat(root_fd, "a/b/file", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	make("/a/./b//d/", CHILD_PATH_DIR, 0);
	assert_true(exists("a/b/d"));
	make("a/b/file/x", CHILD_PATH_DIR, -ENOTDIR);
}

static void test_T34_links(void **state)
{
	char host[64];

	(void)state;
	(void)snprintf(host, sizeof(host), "%s/host", top);
	assert_int_equal(symlinkat(host, root_fd, "abs"), 0);
	assert_int_equal(symlinkat("../../../host", root_fd, "up"), 0);
	assert_int_equal(symlinkat("new/deep", root_fd, "dangling"), 0);
	assert_int_equal(symlinkat("loop", root_fd, "loop"), 0);
	make("abs/x", CHILD_PATH_DIR, 0);
	assert_true(exists("tmp")); /* the link's target was made inside */
	make("up/y", CHILD_PATH_DIR, 0);
	assert_true(exists("host/y"));
	make("dangling", 0, 0);
	assert_true(exists("new/deep"));
	make("dangling2/../../../../host/z", CHILD_PATH_DIR, 0);
	assert_true(exists("host/z"));
	make("loop/x", CHILD_PATH_DIR, -ELOOP);
	make("/../../host/w", CHILD_PATH_DIR, 0);
	assert_true(exists("host/w"));
}

static void test_T33_strict(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(root_fd, "real", 0755), 0);
	assert_int_equal(symlinkat("real", root_fd, "proc"), 0);
	make("/proc", CHILD_PATH_DIR | CHILD_PATH_STRICT, -ELOOP);
	make("/real", CHILD_PATH_DIR | CHILD_PATH_STRICT, 0);
	make("/sys", CHILD_PATH_DIR | CHILD_PATH_STRICT, 0);
	assert_true(exists("sys"));
}

static void test_nofollow(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(symlinkat("elsewhere", root_fd, "link"), 0);
	fd = child_path_target(root_fd, "link", CHILD_PATH_NOFOLLOW);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_false(exists("elsewhere"));
	close(fd);
}

static void test_long(void **state)
{
	char path[PATH_MAX * 2];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_true(child_path_target(root_fd, path, CHILD_PATH_DIR) < 0);
	for (size_t i = 100; i < sizeof(path) - 1; i += 100)
		path[i] = '/';
	assert_true(child_path_target(root_fd, path, CHILD_PATH_DIR) < 0);
}

static void test_is(void **state)
{
	(void)state;
	assert_true(child_path_is("/proc", "proc"));
	assert_true(child_path_is("//proc/./", "proc"));
	assert_true(child_path_is("proc//meminfo", "proc/meminfo"));
	assert_false(child_path_is("/procx", "proc"));
	assert_false(child_path_is("/proc/x", "proc"));
	assert_false(child_path_is("/pro", "proc"));
	assert_true(child_path_is("/.//", ""));
	assert_false(child_path_is("/a", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_T34_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_T33_strict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nofollow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long, setup, teardown),
		cmocka_unit_test(test_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
