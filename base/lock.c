/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flock(2) locks on files.
 *
 * Theory of operation
 *
 * A lock belongs to an open file description. When its last fd is closed,
 * also by a crash or SIGKILL, the kernel releases it: there are no stale locks
 * and nothing to clean up at the next start. Every fd is CLOEXEC, so that a
 * lock is not carried into a container by accident.
 *
 * A lock file may be removed by its holder (a container's, when the container
 * goes). Whoever waited for it then holds a lock on a file without a name,
 * while the next one creates and locks a new file. So after each success the
 * name is looked up again, and when it is another file we start over.
 *
 * flock has no time limit. Waiting for ever is one blocking call, woken by the
 * kernel; waiting with a limit tries with pauses that double from 1 to 20 ms.
 * lock_is_held_at() has to take a shared lock for an instant to find out; a
 * try for an exclusive one at that very instant would fail for no reason,
 * therefore "try once" tries a second time after a millisecond.
 *
 * The directory is one of ours (0700, checked by the caller). O_NOFOLLOW and
 * the check for a regular file keep a planted link or fifo out nevertheless.
 * The holder's pid comes from /proc/locks and is only text for people: file
 * systems whose inodes carry another device number there yield no pid.
 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/procfs.h"

#define PROC_LOCKS_MAX (4u << 20)
#define PAUSE_FIRST_MS 1
#define PAUSE_LAST_MS  20

static void pause_ms(long long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL); /* an early end only means one more try */
}

/* The process that holds a flock on this file, 0 when it cannot be told. */
static pid_t find_holder(int fd)
{
	_cleanup_fd_ int proc_fd = -1;
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	proc_fd = procfs_open(NULL);
	if (proc_fd < 0 || procfs_read(proc_fd, "locks", PROC_LOCKS_MAX, &text) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned int maj, min;
		unsigned long long ino;
		int pid;

		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &maj, &min, &ino) != 4)
			continue;
		if (pid > 0 && maj == major(st.st_dev) && min == minor(st.st_dev) &&
		    ino == st.st_ino)
			return pid;
	}
	return 0;
}

static int raise_busy(int fd, int code, const char *what, struct error *e)
{
	pid_t holder = e != NULL ? find_holder(fd) : 0;

	if (holder > 0)
		return error_setf(e, code, "%s is locked by process %d", what, (int)holder);
	return error_setf(e, code, "%s is locked by another process", what);
}

static int try_lock(int fd, int op)
{
	while (flock(fd, op) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int lock_wait(int fd, const char *what, bool exclusive, int timeout_ms, struct error *e)
{
	int op = exclusive ? LOCK_EX : LOCK_SH;
	long long deadline, pause = PAUSE_FIRST_MS;
	int r;

	if (timeout_ms < 0) {
		r = try_lock(fd, op);
		return r < 0 ? error_set(e, r, "lock %s", what) : 0;
	}
	deadline = clock_now_ms() + timeout_ms;
	for (bool second = false;; second = true) {
		long long left;

		r = try_lock(fd, op | LOCK_NB);
		if (r == 0)
			return 0;
		if (r != -EWOULDBLOCK)
			return error_set(e, r, "lock %s", what);
		left = deadline - clock_now_ms();
		if (left <= 0 && (second || timeout_ms > 0))
			return raise_busy(fd, timeout_ms == 0 ? -EWOULDBLOCK : -ETIMEDOUT, what, e);
		pause_ms(left <= 0 || pause < left ? pause : left);
		pause = pause * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : pause * 2;
	}
}

int lock_fd(int fd, bool exclusive, int timeout_ms, struct error *e)
{
	return lock_wait(fd, "the file", exclusive, timeout_ms, e);
}

/* A shared lock is also wanted on stores that we may only read. */
static int open_lock_file(int dir_fd, const char *name, bool exclusive)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | flags, 0600);

	if (fd < 0 && !exclusive && (errno == EROFS || errno == EACCES))
		fd = openat(dir_fd, name, O_RDONLY | flags);
	return fd < 0 ? -errno : fd;
}

int lock_file_at(int dir_fd, const char *name, bool exclusive, int timeout_ms, struct error *e)
{
	for (;;) {
		_cleanup_fd_ int fd = open_lock_file(dir_fd, name, exclusive);
		struct stat mine, named;
		int r;

		if (fd < 0)
			return error_set(e, fd, "open lock file %s", name);
		if (fstat(fd, &mine) < 0)
			return error_set(e, -errno, "stat lock file %s", name);
		if (!S_ISREG(mine.st_mode))
			return error_setf(e, -EINVAL, "lock file %s: not a regular file", name);
		r = lock_wait(fd, name, exclusive, timeout_ms, e);
		if (r < 0)
			return r;
		if (fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return error_set(e, -errno, "stat lock file %s", name);
			continue; /* removed while we waited */
		}
		if (named.st_dev == mine.st_dev && named.st_ino == mine.st_ino)
			return steal_fd(&fd);
	}
}

bool lock_is_held_at(int dir_fd, const char *name)
{
	_cleanup_fd_ int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return false;
	return try_lock(fd, LOCK_SH | LOCK_NB) == -EWOULDBLOCK;
}
