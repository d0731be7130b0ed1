/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/procfs.c on the real /proc.
 *
 * Theory of operation: values are compared with what the system calls say.
 */
#include "base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void test_self(void **state)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	_cleanup_free_ char *comm = NULL;

	(void)state;
	assert_true(proc_fd >= 0);
	assert_int_equal(procfs_write(proc_fd, "self/comm", "a) (b"), 0);
	assert_int_equal(procfs_read(proc_fd, "thread-self/comm", 64, &comm), 0);
	assert_string_equal(comm, "a) (b\n");
}

static void test_refused(void **state)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	char *text = NULL;

	(void)state;
	assert_int_equal(procfs_open_at(proc_fd, "mounts", O_RDONLY), -ELOOP);
	assert_int_equal(procfs_open_at(proc_fd, "self/exe", O_RDONLY), -ELOOP);
	assert_int_equal(procfs_open_at(proc_fd, "self/root/etc/passwd", O_RDONLY), -ELOOP);
	assert_int_equal(procfs_open_at(proc_fd, "../etc/passwd", O_RDONLY), -EXDEV);
	assert_int_equal(procfs_open_at(proc_fd, "selfish", O_RDONLY), -ENOENT);
	assert_int_equal(procfs_read(proc_fd, "self/maps", 10, &text), -EFBIG);
	assert_null(text);
}

static void test_start_time(void **state)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	unsigned long long mine = 0, parents = 0;

	(void)state;
	/* The name of the program must not shift the fields. */
	assert_int_equal(prctl(PR_SET_NAME, "x ) 1 2 3 (y", 0, 0, 0), 0);
	assert_int_equal(procfs_start_time(proc_fd, getpid(), &mine), 0);
	assert_int_equal(procfs_start_time(proc_fd, getppid(), &parents), 0);
	assert_true(mine > 0 && mine >= parents);
	assert_true(procfs_start_time(proc_fd, 0x7ffffff0, &mine) < 0);
}

static void test_boot_id(void **state)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	char id[37];

	(void)state;
	assert_int_equal(procfs_boot_id(proc_fd, id), 0);
	assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
	assert_int_equal(id[36], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_boot_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
