/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching a container for processes that are killed for want of memory.
 *
 * Theory of operation: version 1 counts into an eventfd that is registered
 * with memory.oom_control; it also fires when the group is removed. Version 2
 * changes memory.events, which inotify tells; of it the number oom_kill
 * counts. Both only say that something may have happened: it is compared with
 * what was seen before. The container's end is told by a pidfd, so that the
 * watch ends with it. Nothing of this changes the container; a crash leaves
 * nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/runtime.h"
#include "runtime/state.h"

struct runtime_oom {
	char *dir; /* the group that has the memory controller */
	bool v2;
	int event_fd; /* eventfd or inotify */
	int control_fd;
	int pid_fd;
	uint64_t seen;
};

static uint64_t kills2(const char *dir)
{
	_cleanup_free_ char *text = NULL;
	const char *at;

	if (cgroup_read(dir, "memory.events", &text) < 0)
		return 0;
	at = strstr(text, "oom_kill ");
	return at != NULL ? strtoull(at + strlen("oom_kill "), NULL, 10) : 0;
}

static int watch1(struct runtime_oom *w, struct error *e)
{
	_cleanup_free_ char *path = str_printf("%s/memory.oom_control", w->dir), *line = NULL;
	int r;

	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->control_fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (w->event_fd < 0 || w->control_fd < 0)
		return error_set(e, -errno, "open %s/memory.oom_control", w->dir);
	line = str_printf("%d %d", w->event_fd, w->control_fd);
	r = line == NULL ? -ENOMEM : cgroup_write(w->dir, "cgroup.event_control", line);
	return r < 0 ? error_set(e, r, "write %s/cgroup.event_control", w->dir) : 0;
}

static int watch2(struct runtime_oom *w, struct error *e)
{
	_cleanup_free_ char *path = str_printf("%s/memory.events", w->dir);

	w->event_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (path == NULL || w->event_fd < 0 || inotify_add_watch(w->event_fd, path, IN_MODIFY) < 0)
		return error_set(e, -errno, "watch %s/memory.events", w->dir);
	w->seen = kills2(w->dir);
	return 0;
}

int runtime_oom_watch(int state_root_fd, const char *id, struct runtime_oom **ret, struct error *e)
{
	struct runtime_oom *w = calloc(1, sizeof(*w));
	const char *dir;
	struct state s;
	pid_t pid;
	int r;

	if (w == NULL)
		return error_set(e, -ENOMEM, "container %s", id);
	w->event_fd = w->control_fd = -1;
	w->pid_fd = runtime_pidfd(state_root_fd, id, &pid, e);
	r = w->pid_fd < 0 ? w->pid_fd : state_load(state_root_fd, id, &s, e);
	if (r < 0) {
		runtime_oom_free(w);
		return r;
	}
	dir = s.cgroup != NULL ? cgroup_path(s.cgroup, "memory") : NULL;
	w->v2 = cgroup_version(s.cgroup) == 2;
	w->dir = dir != NULL ? strdup(dir) : NULL;
	/* without a group of its own there is no event, but an end */
	if (w->dir != NULL)
		r = w->v2 ? watch2(w, e) : watch1(w, e);
	state_fini(&s);
	if (r < 0) {
		runtime_oom_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int runtime_oom_fd(const struct runtime_oom *w)
{
	return w->event_fd;
}

int runtime_oom_pidfd(const struct runtime_oom *w)
{
	return w->pid_fd;
}

unsigned int runtime_oom_take(struct runtime_oom *w)
{
	union {
		struct inotify_event align;
		char bytes[4096];
	} events;
	uint64_t n = 0, now;

	if (w->dir == NULL)
		return 0;
	if (!w->v2) {
		/* one that was removed says nothing about memory */
		if (read(w->event_fd, &n, sizeof(n)) != (ssize_t)sizeof(n) ||
		    access(w->dir, F_OK) < 0)
			return 0;
		return n > UINT32_MAX ? UINT32_MAX : (unsigned int)n;
	}
	while (read(w->event_fd, &events, sizeof(events)) > 0)
		;
	now = kills2(w->dir);
	n = now > w->seen ? now - w->seen : 0;
	w->seen = now > w->seen ? now : w->seen;
	return n > UINT32_MAX ? UINT32_MAX : (unsigned int)n;
}

void runtime_oom_free(struct runtime_oom *w)
{
	if (w == NULL)
		return;
	close_fd(&w->event_fd);
	close_fd(&w->control_fd);
	close_fd(&w->pid_fd);
	free(w->dir);
	free(w);
}
