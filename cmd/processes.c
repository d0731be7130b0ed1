/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of containers, by /proc.
 *
 * Theory of operation: one walk over /proc notes for each process its parent, state and
 * pid namespace, so that a hundred containers cost one walk. A container's processes
 * are those of its first process's pid namespace, which none can leave; where that is the
 * host's (--pid=host) its descendants, which is all that can be said. What may not be
 * looked into is another user's and left out. The container controls names, which
 * stand in parentheses in /proc/PID/stat and may contain anything: the fields begin behind the
 * last one. A process may end at any time; then it is left out.
 */
#include "cmd/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/procfs.h"

#define STAT_MAX  4096
#define MAX_DEPTH 64

uint64_t processes_ns(int proc_fd, pid_t pid)
{
	return processes_inode(proc_fd, pid, "pid");
}

uint64_t processes_inode(int proc_fd, pid_t pid, const char *ns)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, ns);
	return fstatat(proc_fd, path, &st, 0) < 0 ? 0 : (uint64_t)st.st_ino;
}

int processes_stat(int proc_fd, pid_t pid, char **text, char *fields[PROCESS_FIELDS])
{
	char path[32], *rest;
	int r;

	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	r = procfs_read(proc_fd, path, STAT_MAX, text);
	if (r < 0)
		return r;
	rest = strrchr(*text, ')');
	if (rest == NULL || rest[1] != ' ') {
		free(*text);
		*text = NULL;
		return -EINVAL;
	}
	rest += 2;
	rest[strcspn(rest, "\n")] = '\0';
	for (size_t i = 0; i < PROCESS_FIELDS; i++) {
		char *word = strsep(&rest, " ");

		fields[i] = word != NULL ? word : *text + strlen(*text);
	}
	return 0;
}

static int add(struct processes *t, pid_t pid)
{
	struct process p = { .pid = pid, .ns = processes_ns(t->proc_fd, pid) };
	_cleanup_free_ char *text = NULL;
	char *fields[PROCESS_FIELDS];
	struct process *more;

	if (p.ns == 0 || processes_stat(t->proc_fd, pid, &text, fields) < 0)
		return 0;
	p.state = fields[0][0];
	p.ppid = (pid_t)strtol(fields[1], NULL, 10);
	if (t->n % 64 == 0) {
		more = reallocarray(t->v, t->n + 64, sizeof(*t->v));
		if (more == NULL)
			return -ENOMEM;
		t->v = more;
	}
	t->v[t->n++] = p;
	return 0;
}

int processes_load(struct processes *t, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	struct dirent *de;
	int fd, r = 0;

	*t = PROCESSES_INIT;
	t->proc_fd = procfs_open(e);
	if (t->proc_fd < 0)
		return t->proc_fd;
	t->own_ns = processes_ns(t->proc_fd, getpid());
	fd = openat(t->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL)
		r = error_set(e, -errno, "reading /proc");
	while (r == 0 && (de = readdir(d)) != NULL) {
		unsigned long long pid;

		if (str_to_u64(de->d_name, INT32_MAX, &pid) == 0 && add(t, (pid_t)pid) < 0)
			r = error_set(e, -ENOMEM, "reading /proc");
	}
	if (r < 0)
		processes_fini(t);
	return r;
}

void processes_fini(struct processes *t)
{
	if (t->proc_fd >= 0)
		(void)close(t->proc_fd);
	free(t->v);
	*t = PROCESSES_INIT;
}

static const struct process *find(const struct processes *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].pid == pid)
			return &t->v[i];
	return NULL;
}

bool processes_has(const struct processes *t, pid_t first, uint64_t first_ns,
		   const struct process *p)
{
	if (first_ns != t->own_ns)
		return p->ns == first_ns;
	for (int i = 0; p != NULL && i < MAX_DEPTH; i++) {
		if (p->pid == first)
			return true;
		p = find(t, p->ppid);
	}
	return false;
}
