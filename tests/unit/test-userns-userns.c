/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns/userns.c and diagnose.c with real namespaces.
 *
 * Theory of operation: the tests run as whoever starts them. Started by root
 * they become an unprivileged user without subordinate ids first (and test the
 * way of root before that). Causes of failure are made for real inside a
 * namespace of our own: a limit of zero, a chroot, a seccomp filter.
 */
#include "userns/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/procfs.h"

#define STRANGER 64999 /* a uid without a name and without ranges */

/* Run fn as an ordinary user in a process of its own; its return value is compared with 0. */
static void as_user(int (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
				       setresuid(STRANGER, STRANGER, STRANGER) < 0))
			_exit(90);
		/* After the change of ids /proc/self would belong to root. */
		(void)prctl(PR_SET_DUMPABLE, 1);
		_exit(fn());
	}
	assert_true(pid > 0);
	assert_int_equal(proc_wait(pid), 0);
}

/* In the child: 0 when the ids are as expected and a mount namespace of our own is there. */
static int child_report(struct userns_child *self, const struct userns_caps *c, size_t want_lines)
{
	_cleanup_fd_ int proc_fd = -1;
	_cleanup_free_ char *map = NULL;
	struct error e = ERROR_INIT;
	size_t lines = 0;

	if (userns_map_wait(self, c, &e) < 0) {
		(void)fprintf(stderr, "child: %s\n", e.msg);
		return 10;
	}
	if (getuid() != 0 || geteuid() != 0 || getgid() != 0 || getegid() != 0)
		return 11;
	proc_fd = procfs_open(NULL);
	if (procfs_read(proc_fd, "self/uid_map", 65536, &map) < 0)
		return 12;
	for (const char *p = map; *p != '\0'; p++)
		lines += *p == '\n';
	if (lines != want_lines) {
		(void)fprintf(stderr, "child: map is\n%s", map);
		return 13;
	}
	return 0;
}

static int run_default(void)
{
	struct userns_caps c;
	struct id_map map = { 0 };
	struct userns_child child;
	struct error e = ERROR_INIT;
	int r;

	if (userns_probe(&c, &e) < 0 || userns_map_default(&c, &map, &e) < 0)
		return 1;
	r = userns_clone(&c, &map, CLONE_NEWPID | CLONE_NEWNET, true, &child, &e);
	if (r == 0)
		_exit(child_report(&child, &c, c.kind == USERNS_KIND_NONE ? 1 : map.uid_n));
	if (r < 0 || userns_map_finish(&child, &c, &map, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return 2;
	}
	r = proc_wait(child.pid);
	userns_child_fini(&child);
	userns_child_fini(&child);
	id_map_fini(&map);
	userns_caps_fini(&c);
	return r < 0 ? 3 : proc_status_code(r);
}

static void test_default(void **state)
{
	(void)state;
	assert_int_equal(run_default(), 0);
}

static void test_default_as_stranger(void **state)
{
	(void)state;
	as_user(run_default);
}

/* A map with ids that nobody granted: the helper says no, we quote it, and no process is left. */
static int run_refused(void)
{
	struct id_range wrong[2] = { { 0, 0, 1 }, { 1, 4000000000u, 10 } };
	struct userns_caps c;
	struct id_map map = { .uid = wrong, .uid_n = 2, .gid = wrong, .gid_n = 2 };
	struct userns_child child;
	struct error e = ERROR_INIT;
	int r;

	if (userns_probe(&c, &e) < 0)
		return 1;
	c.kind = USERNS_KIND_RANGE;
	if (c.newuidmap == NULL && (proc_find_program("newuidmap", &c.newuidmap) < 0 ||
				    proc_find_program("newgidmap", &c.newgidmap) < 0)) {
		(void)fprintf(stderr, "(newuidmap is not installed: nothing to test)\n");
		return 0;
	}
	wrong[0].outside = (uint32_t)c.uid;
	r = userns_clone(&c, &map, 0, true, &child, &e);
	if (r == 0) {
		(void)userns_map_wait(&child, &c, NULL);
		_exit(0);
	}
	if (r < 0)
		return 2;
	if (userns_map_finish(&child, &c, &map, &e) >= 0)
		return 3;
	if (strstr(e.msg, "newuidmap failed: ") == NULL || strstr(e.msg, "/etc/subuid") == NULL) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return 4;
	}
	if (waitpid(-1, NULL, 0) != -1 || errno != ECHILD)
		return 5;
	userns_caps_fini(&c);
	return 0;
}

static void test_refused(void **state)
{
	(void)state;
	as_user(run_refused);
}

static int run_orphan(void)
{
	struct userns_caps c;
	struct id_map map = { 0 };
	struct userns_child child;
	int p[2];
	pid_t middle;
	char answer = 0;

	if (userns_probe(&c, NULL) < 0 || userns_map_default(&c, &map, NULL) < 0 || fd_pipe(p) < 0)
		return 1;
	middle = fork();
	if (middle == 0) {
		int r = userns_clone(&c, &map, 0, false, &child, NULL);

		if (r == 0) {
			struct error e = ERROR_INIT;

			r = userns_map_wait(&child, &c, &e);
			(void)fd_write_all(p[1], r == -ECHILD ? "y" : "n", 1);
			_exit(0);
		}
		_exit(r > 0 ? 0 : 1); /* without userns_map_finish() */
	}
	close_fd(&p[1]);
	if (proc_wait(middle) != 0)
		return 2;
	(void)alarm(20);
	if (fd_read_full(p[0], &answer, 1) != 1)
		return 3;
	(void)alarm(0);
	return answer == 'y' ? 0 : 4;
}

static void test_parent_gives_up(void **state)
{
	(void)state;
	as_user(run_orphan);
}

/* ---- causes of failure ------------------------------------------------------------- */

/* Inside a namespace of our own, as its root, run prepare and then expect a failure that says "words". */
static int expect_failure(int (*prepare)(void), const char *words)
{
	struct userns_caps c;
	struct id_map map = { 0 };
	struct userns_child child, inner;
	struct error e = ERROR_INIT;
	int r;

	if (userns_probe(&c, NULL) < 0)
		return 1;
	c.kind = USERNS_KIND_SINGLE;
	if (userns_map_default(&c, &map, NULL) < 0)
		return 2;
	r = userns_clone(&c, &map, 0, true, &child, &e);
	if (r == 0) {
		if (userns_map_wait(&child, &c, &e) < 0 || prepare() != 0)
			_exit(20);
		c.uid = 0;
		c.gid = 0;
		r = userns_clone(&c, &map, 0, true, &inner, &e);
		if (r == 0)
			_exit(0);
		if (r > 0)
			_exit(21);
		if (strstr(e.msg, words) == NULL) {
			(void)fprintf(stderr, "got: %s\n", e.msg);
			_exit(22);
		}
		_exit(0);
	}
	if (r < 0 || userns_map_finish(&child, &c, &map, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return 3;
	}
	r = proc_wait(child.pid);
	userns_child_fini(&child);
	id_map_fini(&map);
	userns_caps_fini(&c);
	return proc_status_code(r);
}

static int prepare_limit(void)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);

	return procfs_write(proc_fd, "sys/user/max_user_namespaces", "0");
}

static int run_limit(void)
{
	return expect_failure(prepare_limit, "user.max_user_namespaces = 0");
}

static int prepare_mnt_limit(void)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);

	return procfs_write(proc_fd, "sys/user/max_mnt_namespaces", "0");
}

static int run_mnt_limit(void)
{
	return expect_failure(prepare_mnt_limit, "user.max_mnt_namespaces = 0");
}

static int prepare_seccomp(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int run_seccomp(void)
{
	return expect_failure(prepare_seccomp, "seccomp");
}

static char chroot_dir[64], chroot_proc[72];

/* A new root that is a plain directory, with the /proc that the diagnosis reads. */
static int prepare_chroot(void)
{
	if (mount("/proc", chroot_proc, NULL, MS_BIND | MS_REC, NULL) < 0 || chroot(chroot_dir) < 0)
		return -1;
	return chdir("/");
}

static int run_chroot(void)
{
	return expect_failure(prepare_chroot, "chroot");
}

static void test_limit(void **state)
{
	(void)state;
	as_user(run_limit);
}

static void test_mnt_limit(void **state)
{
	(void)state;
	as_user(run_mnt_limit);
}

static void test_seccomp(void **state)
{
	(void)state;
	as_user(run_seccomp);
}

static void test_chroot(void **state)
{
	(void)state;
	(void)snprintf(chroot_dir, sizeof(chroot_dir), "/tmp/crt-test-chroot-XXXXXX");
	assert_non_null(mkdtemp(chroot_dir));
	(void)snprintf(chroot_proc, sizeof(chroot_proc), "%s/proc", chroot_dir);
	assert_int_equal(mkdir(chroot_proc, 0755), 0);
	assert_int_equal(chmod(chroot_dir, 0755), 0);
	as_user(run_chroot);
	/* The mount was in a namespace that is gone. */
	assert_int_equal(rmdir(chroot_proc), 0);
	assert_int_equal(rmdir(chroot_dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default), cmocka_unit_test(test_default_as_stranger),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_parent_gives_up),
		cmocka_unit_test(test_limit),	cmocka_unit_test(test_mnt_limit),
		cmocka_unit_test(test_seccomp), cmocka_unit_test(test_chroot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
