/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's keeper or monitor sees of its memory: a limit without a control group, and
 * that processes of its group (version 2) were killed.
 */
#ifndef CMD_LIMITS_WATCH_H
#define CMD_LIMITS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LIMITS_WATCH_MS 100 /* how often to look */

struct limits_watch {
	int proc_fd;	/* a procfs of the container's pid namespace; -1 = not opened yet */
	pid_t pid;	/* of the container */
	int64_t memory; /* bytes, 0 = any */
	int64_t next;	/* milliseconds of the monotonic clock: when to look again */
	int events_fd;	/* memory.events of its group, and of the one above; -1 = none */
	int above_fd;
	int64_t kills, above_kills; /* of them, as they were read last */
};
#define LIMITS_WATCH_INIT ((struct limits_watch){ .proc_fd = -1, .events_fd = -1, .above_fd = -1 })

/*
 * Open the /proc of the container, which its program must have been executed for. 0; -ENOTSUP when it
 * has none that shows its processes and no others; -errno.
 */
int limits_watch_open(struct limits_watch *w);
/* Look if it is time to. True: the container has more than its limit. */
bool limits_watch_check(struct limits_watch *w, int64_t now);
/* When to look again, -1 = never. */
int64_t limits_watch_due(const struct limits_watch *w);
/* Watch the group in this directory for kills: poll both fds for POLLPRI, call limits_watch_event() then. */
void limits_watch_group(struct limits_watch *w, const char *dir);
void limits_watch_event(struct limits_watch *w);
/* The container was killed by SIGKILL: was it for want of memory? */
bool limits_watch_oom(struct limits_watch *w);

#endif
