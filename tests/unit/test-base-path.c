/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/path.c against a tree that an attacker wrote.
 *
 * Theory of operation: each test gets a scratch directory with "root", the
 * attacker's tree, and "outside", which nothing may ever touch. Links in the
 * tree point to "outside" in every way there is; after the operation the tests
 * look whether "outside" changed.
 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"

struct fixture {
	char dir[64];
	int dir_fd;
	int root_fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/crt-test-path-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dir_fd >= 0);
	assert_int_equal(mkdirat(f->dir_fd, "root", 0755), 0);
	assert_int_equal(mkdirat(f->dir_fd, "outside", 0755), 0);
	f->root_fd = openat(f->dir_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root_fd >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(path_remove_tree(f->dir_fd, "root", NULL), 0);
	assert_int_equal(path_remove_tree(f->dir_fd, "outside", NULL), 0);
	assert_int_equal(rmdir(f->dir), 0);
	close_fd(&f->root_fd);
	close_fd(&f->dir_fd);
	free(f);
	return 0;
}

static bool exists_at(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static ino_t inode_at(int dir_fd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, name, &st, 0), 0);
	return st.st_ino;
}

static void link_to(int dir_fd, const char *target, const char *name)
{
	assert_int_equal(symlinkat(target, dir_fd, name), 0);
}

static void file_at(int dir_fd, const char *name, const char *text)
{
	_cleanup_fd_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void test_open_stays_inside(void **state)
{
	struct fixture *f = *state;
	_cleanup_fd_ int a = -1;
	_cleanup_fd_ int b = -1;

	file_at(f->dir_fd, "outside/secret", "x");
	link_to(f->root_fd, "../outside/secret", "relative");
	link_to(f->root_fd, "/../../../../etc/passwd", "absolute");
	link_to(f->root_fd, "loop", "loop");
	assert_int_equal(path_open_in(f->root_fd, "relative", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(f->root_fd, "absolute", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(f->root_fd, "../outside/secret", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(f->root_fd, "/etc/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(path_open_in(f->root_fd, "loop", O_RDONLY, 0), -ELOOP);
	/* "/" and "" and ".." are the root itself. */
	a = path_open_in(f->root_fd, "/", O_PATH, 0);
	b = path_open_in(f->root_fd, "../..", O_PATH, 0);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(inode(a), inode(f->root_fd));
	assert_int_equal(inode(b), inode(f->root_fd));
	close_fd(&a);
	a = path_open_in(f->root_fd, "", O_PATH, 0);
	assert_true(a >= 0);
	assert_int_equal(fcntl(a, F_GETFD), FD_CLOEXEC);
}

static void test_open_follows_inside(void **state)
{
	struct fixture *f = *state;
	_cleanup_fd_ int fd = -1;

	assert_int_equal(mkdirat(f->root_fd, "usr", 0755), 0);
	file_at(f->root_fd, "usr/x", "content");
	link_to(f->root_fd, "/usr/x", "link");
	fd = path_open_in(f->root_fd, "/link", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(path_open_beneath(f->root_fd, "link", O_RDONLY, 0), -ELOOP);
	assert_int_equal(path_open_beneath(f->root_fd, "usr/../../x", O_RDONLY, 0), -EXDEV);
	close_fd(&fd);
	fd = path_open_beneath(f->root_fd, "usr/x", O_RDONLY, 0);
	assert_true(fd >= 0);
}

static void test_magic_links(void **state)
{
	_cleanup_fd_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error e = ERROR_INIT;

	(void)state;
	assert_true(root >= 0);
	assert_int_equal(path_open_in(root, "proc/self/root", O_PATH, 0), -ELOOP);
	assert_int_equal(path_open_in(root, "proc/self/fd/0", O_PATH, 0), -ELOOP);
	assert_int_equal(path_mkdir_in(root, "proc/self/cwd", 0755, &e), -ELOOP);
	assert_int_equal(e.code, -ELOOP);
	assert_int_equal(path_mkmountpoint_in(root, "proc/self/fd/0", false, NULL), -ELOOP);
}

static void test_mkdir(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(077);
	_cleanup_fd_ int fd = path_mkdir_in(f->root_fd, "/a//b/./c/../d", 0755, NULL);
	struct stat st;

	(void)umask(old);
	assert_true(fd >= 0);
	assert_int_equal(inode(fd), inode_at(f->root_fd, "a/b/d"));
	assert_int_equal(fstatat(f->root_fd, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* whatever the umask is */
	assert_true(exists_at(f->root_fd, "a/b/c"));
	close_fd(&fd);
	/* An existing directory keeps its mode. */
	assert_int_equal(fchmodat(f->root_fd, "a/b", 0711, 0), 0);
	fd = path_mkdir_in(f->root_fd, "a/b/e", 0700, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(f->root_fd, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
}

static void test_mkdir_through_links(void **state)
{
	struct fixture *f = *state;
	_cleanup_fd_ int fd = -1;

	/* A dangling link leads to the creation of its target, inside. */
	link_to(f->root_fd, "/../outside/made", "abs");
	fd = path_mkdir_in(f->root_fd, "abs/sub", 0755, NULL);
	assert_true(fd >= 0);
	assert_false(exists_at(f->dir_fd, "outside/made"));
	assert_int_equal(inode(fd), inode_at(f->root_fd, "outside/made/sub"));
	close_fd(&fd);

	assert_int_equal(mkdirat(f->root_fd, "d", 0755), 0);
	link_to(f->root_fd, "../../../outside/rel", "d/rel");
	fd = path_mkdir_in(f->root_fd, "d/rel", 0755, NULL);
	assert_true(fd >= 0);
	assert_false(exists_at(f->dir_fd, "outside/rel"));
	assert_int_equal(inode(fd), inode_at(f->root_fd, "outside/rel"));
	close_fd(&fd);

	link_to(f->root_fd, "two", "one");
	link_to(f->root_fd, "one", "two");
	assert_int_equal(path_mkdir_in(f->root_fd, "one/x", 0755, NULL), -ELOOP);
	file_at(f->root_fd, "file", "");
	assert_int_equal(path_mkdir_in(f->root_fd, "file", 0755, NULL), -ENOTDIR);
	assert_int_equal(path_mkdir_in(f->root_fd, "file/x", 0755, NULL), -ENOTDIR);
}

static void test_mkdir_link_chain_grows(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *target = malloc(4001);

	/* Links whose text grows with each step must end in an error, not in memory. */
	assert_non_null(target);
	memset(target, '/', 4000);
	memcpy(target, "self", 4);
	target[4000] = '\0';
	link_to(f->root_fd, target, "self");
	assert_true(path_mkdir_in(f->root_fd, "self/x", 0755, NULL) < 0);
}

static void test_mountpoints(void **state)
{
	struct fixture *f = *state;
	_cleanup_fd_ int fd = path_mkmountpoint_in(f->root_fd, "/etc/resolv.conf", false, NULL);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 0);
	close_fd(&fd);

	link_to(f->root_fd, "../run/made/conf", "etc/dangling");
	fd = path_mkmountpoint_in(f->root_fd, "etc/dangling", false, NULL);
	assert_true(fd >= 0);
	assert_int_equal(inode(fd), inode_at(f->root_fd, "run/made/conf"));
	close_fd(&fd);

	link_to(f->root_fd, "/../outside/file", "etc/escape");
	fd = path_mkmountpoint_in(f->root_fd, "etc/escape", false, NULL);
	assert_true(fd >= 0);
	assert_false(exists_at(f->dir_fd, "outside/file"));
	assert_true(exists_at(f->root_fd, "outside/file"));
	close_fd(&fd);

	/* What exists is kept, whatever it is; a FIFO does not block. */
	assert_int_equal(mkfifoat(f->root_fd, "fifo", 0600), 0);
	fd = path_mkmountpoint_in(f->root_fd, "fifo", true, NULL);
	assert_true(fd >= 0);
	assert_int_equal(inode(fd), inode_at(f->root_fd, "fifo"));
	close_fd(&fd);
	fd = path_mkmountpoint_in(f->root_fd, "mnt/dir", true, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
}

static void test_read_file_refuses(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	char *text = NULL;

	assert_int_equal(mkfifoat(f->root_fd, "fifo", 0600), 0);
	assert_int_equal(path_read_file_in(f->root_fd, "fifo", 100, &text, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "not a regular file"));
	file_at(f->root_fd, "big", "0123456789");
	assert_int_equal(path_read_file_in(f->root_fd, "big", 9, &text, NULL, NULL), -EFBIG);
	assert_int_equal(path_read_file_in(f->root_fd, ".", 9, &text, NULL, NULL), -EINVAL);
	assert_null(text);
	assert_int_equal(path_read_file_in(f->root_fd, "big", 10, &text, NULL, NULL), 0);
	free(text);
	file_at(f->root_fd, "empty", "");
	assert_int_equal(path_read_file_in(f->root_fd, "empty", 0, &text, NULL, NULL), 0);
	assert_string_equal(text, "");
	free(text);
}

static void test_remove_tree(void **state)
{
	struct fixture *f = *state;

	file_at(f->dir_fd, "outside/keep", "");
	assert_int_equal(mkdirat(f->root_fd, "t", 0755), 0);
	assert_int_equal(mkdirat(f->root_fd, "t/closed", 0755), 0);
	file_at(f->root_fd, "t/closed/file", "");
	assert_int_equal(mkdirat(f->root_fd, "t/closed/in", 0755), 0);
	link_to(f->root_fd, "../../../outside", "t/closed/in/link");
	assert_int_equal(mkfifoat(f->root_fd, "t/fifo", 0600), 0);
	assert_int_equal(fchmodat(f->root_fd, "t/closed/in", 0500, 0), 0);
	assert_int_equal(fchmodat(f->root_fd, "t/closed", 0, 0), 0);
	assert_int_equal(path_remove_tree(f->root_fd, "t", NULL), 0);
	assert_false(exists_at(f->root_fd, "t"));
	assert_true(exists_at(f->dir_fd, "outside/keep"));

	/* A missing name is success; a link is removed, not what it points to. */
	assert_int_equal(path_remove_tree(f->root_fd, "t", NULL), 0);
	link_to(f->root_fd, "../outside", "link");
	assert_int_equal(path_remove_tree(f->root_fd, "link", NULL), 0);
	assert_true(exists_at(f->dir_fd, "outside/keep"));
	assert_int_equal(path_remove_tree(f->root_fd, "..", NULL), -EINVAL);
	assert_int_equal(path_remove_tree(f->root_fd, "a/b", NULL), -EINVAL);
	assert_int_equal(path_remove_tree(f->root_fd, "", NULL), -EINVAL);
}

static void test_remove_deep(void **state)
{
	struct fixture *f = *state;
	_cleanup_fd_ int fd = fd_dup(f->root_fd);

	/* Deeper than PATH_MAX, than the number of open files and than any stack. */
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		if (i % 100 == 0)
			file_at(fd, "file", "");
		next = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close_fd(&fd);
		fd = next;
	}
	assert_int_equal(path_remove_tree(f->root_fd, "d", NULL), 0);
	assert_false(exists_at(f->root_fd, "d"));
}

static void test_remove_wide(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->root_fd, "wide", 0755), 0);
	for (int i = 0; i < 1500; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "wide/%d", i);
		if (i % 3 == 0)
			assert_int_equal(mkdirat(f->root_fd, name, 0), 0);
		else
			file_at(f->root_fd, name, "");
	}
	assert_int_equal(path_remove_tree(f->root_fd, "wide", NULL), 0);
	assert_false(exists_at(f->root_fd, "wide"));
}

static void test_private_dir(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = str_printf("%s/outside/p/q/", f->dir);
	_cleanup_free_ char *link = str_printf("%s/outside/link/", f->dir);
	_cleanup_fd_ int fd = -1;
	struct error e = ERROR_INIT;
	struct stat st;

	assert_true(path != NULL && link != NULL);
	fd = path_open_private_dir(path, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	link_to(f->dir_fd, "p", "outside/link");
	assert_true(path_open_private_dir(link, NULL) < 0);
	assert_int_equal(fchmod(fd, 0770), 0);
	assert_int_equal(path_open_private_dir(path, &e), -EPERM);
	assert_non_null(strstr(e.msg, "chmod"));
	assert_int_equal(path_open_private_dir("relative", NULL), -EINVAL);
	close_fd(&fd);
	fd = path_open_private_dir_at(f->dir_fd, "outside", NULL);
	assert_true(fd >= 0); /* 0755: not writable by others */
	close_fd(&fd);
	link_to(f->dir_fd, "outside", "link");
	assert_true(path_open_private_dir_at(f->dir_fd, "link", NULL) < 0);
	assert_int_equal(unlinkat(f->dir_fd, "link", 0), 0);
}

static void test_clean(void **state)
{
	static const char *const cases[][2] = {
		{ "a//b/./c", "a/b/c" }, { "/", "/" },		 { "", "." },	    { "..", "." },
		{ "/../..", "/" },	 { "/a/../../b", "/b" }, { "a/b/..", "a" }, { "./a/", "a" },
		{ "a/../../b", "b" },	 { "/...", "/..." },	 { "//x//", "/x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *got = path_clean(cases[i][0]);

		assert_non_null(got);
		assert_string_equal(got, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_stays_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_follows_inside, setup, teardown),
		cmocka_unit_test(test_magic_links),
		cmocka_unit_test_setup_teardown(test_mkdir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdir_through_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdir_link_chain_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mountpoints, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_file_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_wide, setup, teardown),
		cmocka_unit_test_setup_teardown(test_private_dir, setup, teardown),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
