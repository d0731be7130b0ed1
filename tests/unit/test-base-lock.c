/* SPDX-License-Identifier: Apache-2.0 */
/* Locks between processes: who waits, who fails and what he is told, who is released by a crash. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"

struct fixture {
	char dir[64];
	int dir_fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/test-lock-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	f->dir_fd = open(f->dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	*state = f;
	return f->dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)unlinkat(f->dir_fd, "l", 0);
	(void)unlinkat(f->dir_fd, "other", 0);
	(void)close(f->dir_fd);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

/* A child that holds the lock until it is killed; returns after it has it. */
static pid_t start_holder(int dir_fd, bool exclusive)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (lock_file_at(dir_fd, "l", exclusive, 0, NULL) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void stop_holder(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_exclusive(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	pid_t pid = start_holder(f->dir_fd, true);
	char text[32];
	struct stat st;
	int fd;

	assert_true(lock_is_held_at(f->dir_fd, "l"));
	assert_int_equal(lock_file_at(f->dir_fd, "l", true, 0, &e), -EWOULDBLOCK);
	assert_non_null(strstr(e.msg, "l is locked by "));
	(void)snprintf(text, sizeof(text), "process %d", (int)pid);
	if (strstr(e.msg, "another process") == NULL)
		assert_non_null(strstr(e.msg, text));
	e = ERROR_INIT;
	assert_int_equal(lock_file_at(f->dir_fd, "l", false, 0, &e), -EWOULDBLOCK);
	stop_holder(pid); /* a killed holder leaves no lock */
	assert_false(lock_is_held_at(f->dir_fd, "l"));
	fd = lock_file_at(f->dir_fd, "l", true, 0, &e);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)close(fd);
}

static void test_shared(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	pid_t pid = start_holder(f->dir_fd, false);
	int fd = lock_file_at(f->dir_fd, "l", false, 0, &e);

	assert_true(fd >= 0);
	assert_false(lock_is_held_at(f->dir_fd, "l"));
	assert_int_equal(lock_file_at(f->dir_fd, "l", true, 0, &e), -EWOULDBLOCK);
	(void)close(fd);
	stop_holder(pid);
}

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	pid_t pid = start_holder(f->dir_fd, true);
	struct timespec a, b;
	long long ms;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	assert_int_equal(lock_file_at(f->dir_fd, "l", true, 60, &e), -ETIMEDOUT);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &b), 0);
	ms = (b.tv_sec - a.tv_sec) * 1000ll + (b.tv_nsec - a.tv_nsec) / 1000000;
	assert_true(ms >= 59);
	stop_holder(pid);
}

static void test_waiting_succeeds(void **state)
{
	static const int timeouts[] = { -1, 20000 };
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		struct error e = ERROR_INIT;
		pid_t holder = start_holder(f->dir_fd, true), killer = fork();
		int fd;

		assert_true(killer >= 0);
		if (killer == 0) {
			(void)usleep(30000);
			(void)kill(holder, SIGKILL);
			_exit(0);
		}
		fd = lock_file_at(f->dir_fd, "l", true, timeouts[i], &e);
		assert_true(fd >= 0);
		(void)close(fd);
		assert_int_equal(waitpid(holder, NULL, 0), holder);
		assert_int_equal(waitpid(killer, NULL, 0), killer);
	}
}

/* The holder removes the file while another one waits: both must not end with "the" lock. */
static void test_removed_while_waiting(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	int fd = lock_file_at(f->dir_fd, "l", true, 0, &e);
	pid_t pid;
	int status;

	assert_true(fd >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct stat mine, named;

		(void)close(fd);
		fd = lock_file_at(f->dir_fd, "l", true, 20000, NULL);
		_exit(fd >= 0 && fstat(fd, &mine) == 0 && fstatat(f->dir_fd, "l", &named, 0) == 0 &&
				      mine.st_ino == named.st_ino ?
			      0 :
			      1);
	}
	(void)usleep(20000);
	assert_int_equal(unlinkat(f->dir_fd, "l", 0), 0);
	(void)close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_planted(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;

	assert_int_equal(symlinkat("other", f->dir_fd, "l"), 0);
	assert_int_equal(lock_file_at(f->dir_fd, "l", true, 0, &e), -ELOOP);
	assert_int_equal(faccessat(f->dir_fd, "other", F_OK, 0), -1);
	assert_false(lock_is_held_at(f->dir_fd, "l"));
	assert_int_equal(unlinkat(f->dir_fd, "l", 0), 0);
	assert_int_equal(mkfifoat(f->dir_fd, "l", 0600), 0);
	assert_int_equal(lock_file_at(f->dir_fd, "l", true, 0, &e),
			 -EINVAL); /* and does not hang */
	assert_false(lock_is_held_at(f->dir_fd, "missing"));
}

static void test_fd(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	int again = openat(f->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(again >= 0);
	assert_int_equal(lock_fd(f->dir_fd, true, 0, &e), 0);
	assert_int_equal(lock_fd(again, true, 0, &e), -EWOULDBLOCK);
	assert_int_equal(lock_fd(f->dir_fd, false, -1, &e), 0); /* downgrade */
	assert_int_equal(lock_fd(again, false, 0, &e), 0);
	(void)close(again);
	assert_int_equal(lock_fd(-1, true, 0, &e), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exclusive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_succeeds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_planted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fd, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
