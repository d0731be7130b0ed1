/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/proc.c: what a started program sees, and how failures are told.
 *
 * Theory of operation: /bin/sh is the program; it reports its descriptors,
 * signals and environment through a pipe that it got as its output.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"

/* Run sh -c script, return its output. */
static char *shell(const char *script, struct proc_spawn *s, struct proc_fd_map *map, size_t map_n,
		   int *ret_code)
{
	_cleanup_free_ char *copy = strdup(script);
	char sh[] = "sh", dash_c[] = "-c";
	char *argv[] = { sh, dash_c, copy, NULL };
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct proc_fd_map maps[8];
	int p[2];
	pid_t pid = 0;
	int status;

	assert_int_equal(fd_pipe(p), 0);
	for (size_t i = 0; i < map_n; i++)
		maps[i] = map[i];
	maps[map_n] = (struct proc_fd_map){ .fd = p[1], .target = 1 };
	s->path = "/bin/sh";
	s->path_fd = -1;
	s->argv = argv;
	s->fds = maps;
	s->fds_n = map_n + 1;
	assert_int_equal(proc_spawn(s, &pid, NULL, NULL), 0);
	close_fd(&p[1]);
	assert_int_equal(fd_read_to_end(p[0], &b, 65536), 0);
	close_fd(&p[0]);
	status = proc_wait(pid);
	assert_true(status >= 0);
	*ret_code = proc_status_code(status);
	(void)buf_puts(&b, "");
	return buf_steal(&b);
}

static void test_environment_and_code(void **state)
{
	char one[] = "ONE=1";
	char *env[] = { one, NULL };
	struct proc_spawn s = { .envp = env };
	_cleanup_free_ char *out = NULL;
	_cleanup_free_ char *none = NULL;
	int code;

	(void)state;
	out = shell("echo $ONE; exit 7", &s, NULL, 0, &code);
	assert_string_equal(out, "1\n");
	assert_int_equal(code, 7);
	s = (struct proc_spawn){ .envp = NULL };
	none = shell("echo \"[$ONE]\"; kill -TERM $$", &s, NULL, 0, &code);
	assert_string_equal(none, "[]\n");
	assert_int_equal(code, 128 + SIGTERM);
}

static void test_fds(void **state)
{
	_cleanup_fd_ int leak =
		open("/dev/null", O_RDWR); /* no CLOEXEC: as a careless library does */
	_cleanup_fd_ int a = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int b = open("/dev/full", O_RDONLY | O_CLOEXEC);
	struct proc_spawn s = { .envp = NULL };
	struct proc_fd_map maps[2];
	_cleanup_free_ char *out = NULL;
	int code;

	(void)state;
	assert_true(leak >= 0 && a >= 0 && b >= 0);
	/* Exchanged: each one's target is the other one's number. */
	maps[0] = (struct proc_fd_map){ .fd = a, .target = b };
	maps[1] = (struct proc_fd_map){ .fd = b, .target = a };
	out = shell("for f in /proc/$$/fd/*; do echo ${f##*/}=$(readlink $f); done; exit 0", &s,
		    maps, 2, &code);
	{
		_cleanup_free_ char *want_a = str_printf("%d=/dev/full\n", a);
		_cleanup_free_ char *want_b = str_printf("%d=/dev/zero\n", b);
		_cleanup_free_ char *leaked = str_printf("%d=/dev/null\n", leak);

		assert_non_null(strstr(out, want_a));
		assert_non_null(strstr(out, want_b));
		assert_null(strstr(out, leaked));
	}
	assert_non_null(strstr(out, "0=/dev/null\n"));
	assert_non_null(strstr(out, "2=/dev/null\n"));
}

static void test_signals_are_reset(void **state)
{
	struct proc_spawn s = { .envp = NULL };
	_cleanup_free_ char *out = NULL;
	sigset_t block, old;
	int code;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &block, &old);
	out = shell(
		"while read k v; do case $k in SigBlk:|SigIgn:) echo $v;; esac; done < /proc/$$/status",
		&s, NULL, 0, &code);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	assert_string_equal(out, "0000000000000000\n0000000000000000\n");
}

static void test_exec_failure(void **state)
{
	char name[] = "x";
	char *argv[] = { name, NULL };
	struct proc_spawn s = { .path = "/nonexistent/program", .path_fd = -1, .argv = argv };
	struct error e = ERROR_INIT;
	pid_t pid = 4711;

	(void)state;
	assert_int_equal(proc_spawn(&s, &pid, NULL, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent/program"));
	assert_int_equal(pid, 4711);
	s.path = "/etc/passwd";
	assert_int_equal(proc_spawn(&s, &pid, NULL, &e), -EACCES);
	s.path = "/";
	assert_int_equal(proc_spawn(&s, &pid, NULL, &e), -EACCES);
	/* Nothing is left to be reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_many(void **state)
{
	char sh[] = "sh", dash_c[] = "-c", one[] = "echo one", two[] = "echo two; exit 3";
	char *argv[2][4] = { { sh, dash_c, one, NULL }, { sh, dash_c, two, NULL } };
	struct proc_spawn s[2];
	struct proc_fd_map maps[2];
	struct error e = ERROR_INIT;
	pid_t pids[2] = { 0, 0 };
	int pid_fds[2] = { -1, -1 };
	int p[2][2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fd_pipe(p[i]), 0);
		maps[i] = (struct proc_fd_map){ .fd = p[i][1], .target = 1 };
		s[i] = (struct proc_spawn){ .path = "/bin/sh",
					    .path_fd = -1,
					    .argv = argv[i],
					    .fds = &maps[i],
					    .fds_n = 1 };
	}
	for (int round = 0; round < 50; round++) {
		char got[2][5] = { "", "" };

		assert_int_equal(proc_spawn_many(s, 2, pids, round % 2 ? pid_fds : NULL, &e), 0);
		assert_int_equal(proc_status_code(proc_wait(pids[1])), 3);
		assert_int_equal(proc_status_code(proc_wait(pids[0])), 0);
		assert_int_equal(fd_read_full(p[0][0], got[0], 4), 4);
		assert_int_equal(fd_read_full(p[1][0], got[1], 4), 4);
		assert_string_equal(got[0], "one\n");
		assert_string_equal(got[1], "two\n");
		close_fd(&pid_fds[0]);
		close_fd(&pid_fds[1]);
	}
	/* One that is missing takes the other one with it. */
	s[0].path = "/bin/sleep";
	s[0].argv = (char *[]){ sh, (char[]){ "60" }, NULL };
	s[1].path = "/nonexistent";
	assert_int_equal(proc_spawn_many(s, 2, pids, pid_fds, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(pid_fds[0], -1);
	assert_int_equal(proc_spawn_many(s, PROC_SPAWN_MAX + 1, pids, pid_fds, &e), -EINVAL);
	for (size_t i = 0; i < 2; i++) {
		close_fd(&p[i][0]);
		close_fd(&p[i][1]);
	}
}

static void test_pidfd(void **state)
{
	char sleep[] = "sleep", secs[] = "60";
	char *argv[] = { sleep, secs, NULL };
	_cleanup_fd_ int prog = open("/bin/sleep", O_PATH | O_CLOEXEC);
	struct proc_spawn s = { .path_fd = prog, .argv = argv, .new_session = true };
	_cleanup_fd_ int pid_fd = -1;
	pid_t pid = 0;

	(void)state;
	assert_int_equal(proc_spawn(&s, &pid, &pid_fd, NULL), 0);
	assert_true(pid_fd >= 0);
	assert_int_equal(fcntl(pid_fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(getsid(pid), pid);
	assert_int_equal(proc_pidfd_wait(pid_fd, 20), -ETIMEDOUT);
	proc_kill(pid, pid_fd);
	assert_int_equal(proc_pidfd_wait(pid_fd, 0), 0);
	assert_int_equal(proc_pidfd_send_signal(pid_fd, 0), -ESRCH);
}

static void test_die_with_parent(void **state)
{
	int p[2];
	pid_t middle;
	char c;

	(void)state;
	assert_int_equal(fd_pipe(p), 0);
	middle = fork();
	if (middle == 0) {
		char sleep[] = "sleep", secs[] = "60";
		char *argv[] = { sleep, secs, NULL };
		struct proc_fd_map map = { .fd = p[1], .target = 1 };
		struct proc_spawn s = { .path = "/bin/sleep",
					.path_fd = -1,
					.argv = argv,
					.fds = &map,
					.fds_n = 1,
					.die_with_parent = true };
		pid_t pid;

		_exit(proc_spawn(&s, &pid, NULL, NULL) == 0 ? 0 : 1);
	}
	assert_true(middle > 0);
	close_fd(&p[1]);
	assert_int_equal(proc_wait(middle), 0);
	/* End of file arrives when sleep, the last holder, is killed: long before its minute is over. */
	(void)alarm(20);
	assert_int_equal(fd_read_full(p[0], &c, 1), 0);
	(void)alarm(0);
	close_fd(&p[0]);
}

static void test_helper(void **state)
{
	struct error e = ERROR_INIT;
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd =
		proc_find_helper("test-base-proc", &path, NULL); /* beside this executable */

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(path);
	assert_int_equal(access(path, X_OK), 0);
	assert_int_equal(setenv("PATH", "/bin", 1), 0);
	assert_int_equal(proc_find_helper("sh", NULL, &e), -ENOENT); /* PATH is not consulted */
	assert_non_null(strstr(e.msg, CRT_LIBEXECDIR));
	assert_int_equal(proc_find_helper("../bin/sh", NULL, NULL), -EINVAL);
}

static void test_program(void **state)
{
	_cleanup_free_ char *path = NULL;
	char *none = NULL;

	(void)state;
	assert_int_equal(proc_find_program("sh", &path), 0);
	assert_int_equal(path[0], '/');
	assert_int_equal(proc_find_program("no-such-program-here", &none), -ENOENT);
	assert_int_equal(proc_find_program("./sh", &none), -EINVAL);
	assert_null(none);
}

static void test_signal_names(void **state)
{
	(void)state;
	assert_int_equal(proc_signal_parse("TERM"), SIGTERM);
	assert_int_equal(proc_signal_parse("sigterm"), SIGTERM);
	assert_int_equal(proc_signal_parse("15"), 15);
	assert_int_equal(proc_signal_parse("SIGRTMIN+3"), 37);
	assert_int_equal(proc_signal_parse("rtmax-1"), 63);
	assert_int_equal(proc_signal_parse("RTMIN"), 34);
	assert_int_equal(proc_signal_parse("RTMIN+30"), 64);
	assert_int_equal(proc_signal_parse("RTMAX-30"), 34);
	assert_int_equal(proc_signal_parse("RTMIN+31"), -EINVAL);
	assert_int_equal(proc_signal_parse("65"), -EINVAL);
	assert_int_equal(proc_signal_parse("0"), -EINVAL);
	assert_int_equal(proc_signal_parse("-1"), -EINVAL);
	assert_int_equal(proc_signal_parse(""), -EINVAL);
	assert_int_equal(proc_signal_parse("SIG"), -EINVAL);
	assert_int_equal(proc_signal_parse("15x"), -EINVAL);
	for (int sig = 1; sig <= 64; sig++) {
		const char *name = proc_signal_name(sig);

		if (name != NULL)
			assert_int_equal(proc_signal_parse(name), sig);
		else
			assert_true(sig == 32 || sig == 33);
	}
	assert_null(proc_signal_name(65));
	assert_null(proc_signal_name(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment_and_code),
		cmocka_unit_test(test_fds),
		cmocka_unit_test(test_signals_are_reset),
		cmocka_unit_test(test_exec_failure),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_pidfd),
		cmocka_unit_test(test_die_with_parent),
		cmocka_unit_test(test_helper),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_signal_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
