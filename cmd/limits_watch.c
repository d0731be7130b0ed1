/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limit of memory without a control group.
 *
 * Theory of operation: where a user is given no control group, the container's
 * keeper or monitor looks ten times a second how much memory the container's
 * processes have, and kills it when that is more than the limit. They are found by a
 * procfs of the container's own pid namespace, which costs what the container
 * has of processes and not what the host has. It is the container's /proc, opened when
 * its program was executed, because before nobody may look into that process;
 * that it is the right one is seen by comparing the namespace of its process 1 with that of
 * the container. Later the container may do with its /proc what it likes.
 *
 * Looking has three steps, each only when the one before is over the limit: what
 * is resident (cheap, counts shared pages many times and those of files), then of it
 * what is anonymous or shared memory, then the same by shares, which is exact and costs
 * a walk through page tables. What looking costs decides when it is done again, so that
 * it takes no more than a tenth of one CPU. Files in a tmpfs count only while they are mapped.
 *
 * A group tells by memory.events that a process was killed. A scope of systemd is
 * gone with its last process, before anybody can read that. So the file above is watched, too, which
 * counts for all groups below it: while ours is there to say that it had no kill, kills
 * counted above are others'; one that is counted when ours is gone is ours.
 *
 * The container controls how many processes there are and what they map; names and
 * command lines are not read. Numbers come from the kernel. Nothing is
 * allocated: crt-monitor has this code. It fails open: who cannot be read
 * counts as nothing.
 */
#include "cmd/limits_watch.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define COST_FACTOR 10

enum step {
	STEP_RESIDENT,
	STEP_ANONYMOUS,
	STEP_SHARES,
	STEP_COUNT
};

struct dirent_head { /* of getdents64(2) */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int open_proc(pid_t pid)
{
	char path[64];
	struct stat inside, want, own;
	struct statfs fs;
	int root_fd, fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -errno;
	fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	(void)close(root_fd);
	if (fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC || stat(path, &want) < 0 ||
	    fstatat(fd, "1/ns/pid", &inside, 0) < 0 || stat("/proc/self/ns/pid", &own) < 0 ||
	    want.st_ino != inside.st_ino || want.st_ino == own.st_ino) {
		(void)close(fd);
		return -ENOTSUP;
	}
	return fd;
}

int limits_watch_open(struct limits_watch *w)
{
	int fd = w->proc_fd >= 0 ? w->proc_fd : open_proc(w->pid);

	if (fd < 0)
		return fd;
	w->proc_fd = fd;
	return 0;
}

/* A small file below a process's directory. Its length; 0 = cannot be read. */
static size_t read_small(int proc_fd, const char *pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pid, name) >= (int)sizeof(path))
		return 0;
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		(void)close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The number of kibibytes behind "\nKEY", in bytes. */
static int64_t field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? (int64_t)strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static int64_t memory_of(int proc_fd, const char *pid, enum step step)
{
	char text[4096];

	if (step == STEP_RESIDENT) {
		const char *blank;

		if (read_small(proc_fd, pid, "statm", text, sizeof(text)) == 0)
			return 0;
		blank = strchr(text, ' ');
		return blank == NULL ?
			       0 :
			       (int64_t)strtoull(blank + 1, NULL, 10) * sysconf(_SC_PAGESIZE);
	}
	if (step == STEP_SHARES && read_small(proc_fd, pid, "smaps_rollup", text, sizeof(text)) > 0)
		return field(text, "\nPss_Anon:") + field(text, "\nPss_Shmem:");
	if (read_small(proc_fd, pid, "status", text, sizeof(text)) == 0)
		return 0;
	return field(text, "\nRssAnon:") + field(text, "\nRssShmem:");
}

/* Of all processes; stops where it is more than enough. */
static int64_t sum(int proc_fd, enum step step, int64_t enough)
{
	char entries[4096] __attribute__((aligned(8)));
	int64_t total = 0;
	long n;

	if (lseek(proc_fd, 0, SEEK_SET) < 0)
		return 0;
	while ((n = syscall(SYS_getdents64, proc_fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n && total <= enough;) {
			const struct dirent_head *d = (const void *)(entries + at);

			if (d->name[0] >= '1' && d->name[0] <= '9')
				total += memory_of(proc_fd, d->name, step);
			at += d->len;
		}
	return total;
}

int64_t limits_watch_due(const struct limits_watch *w)
{
	return w->memory > 0 ? w->next : -1;
}

bool limits_watch_check(struct limits_watch *w, int64_t now)
{
	bool over = true;
	int64_t cost;

	if (w->memory <= 0 || now < w->next)
		return false;
	w->next = now + LIMITS_WATCH_MS;
	if (limits_watch_open(w) < 0)
		return false;
	for (int step = 0; over && step < STEP_COUNT; step++)
		over = sum(w->proc_fd, (enum step)step, w->memory) > w->memory;
	cost = (clock_now_ms() - now) * COST_FACTOR;
	w->next = now + (cost > LIMITS_WATCH_MS ? cost : LIMITS_WATCH_MS);
	return over;
}

static int64_t kills_of(int fd)
{
	char text[1024];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;
	const char *at;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strstr(text, "oom_kill ");
	return at != NULL ? (int64_t)strtoull(at + strlen("oom_kill "), NULL, 10) : -1;
}

void limits_watch_group(struct limits_watch *w, const char *dir)
{
	const char *service = strstr(dir, ".service/");
	int above_len = service != NULL ? (int)(service - dir) + (int)strlen(".service") : 0;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/memory.events", dir) >= (int)sizeof(path))
		return;
	w->events_fd = open(path, O_RDONLY | O_CLOEXEC);
	/* the user's systemd itself: slices go with their last scope */
	if (service != NULL)
		(void)snprintf(path, sizeof(path), "%.*s/memory.events", above_len, dir);
	else
		(void)snprintf(path, sizeof(path), "%s/../memory.events", dir);
	w->above_fd = open(path, O_RDONLY | O_CLOEXEC);
	w->kills = kills_of(w->events_fd);
	w->above_kills = kills_of(w->above_fd);
}

void limits_watch_event(struct limits_watch *w)
{
	/* in this order: what is counted in between is not in the one above */
	int64_t above = kills_of(w->above_fd);
	int64_t n = kills_of(w->events_fd);

	if (n > 0)
		w->kills = n;
	else if (n == 0)
		w->above_kills = above;
	if (n >= 0)
		return;
	if (w->events_fd >= 0) /* it is gone: it would be readable for ever */
		(void)close(w->events_fd);
	w->events_fd = -1;
}

bool limits_watch_oom(struct limits_watch *w)
{
	int64_t above = kills_of(w->above_fd);

	limits_watch_event(w);
	if (w->events_fd >= 0 || w->kills > 0)
		return w->kills > 0;
	return w->above_kills >= 0 && above > w->above_kills;
}
