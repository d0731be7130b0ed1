/* SPDX-License-Identifier: Apache-2.0 */
/* A limit of memory without a control group: the container's keeper or monitor looks. */
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
};
#define LIMITS_WATCH_INIT ((struct limits_watch){ .proc_fd = -1 })

/*
 * Open the /proc of the container, which its program must have been executed for. 0; -ENOTSUP when it
 * has none that shows its processes and no others; -errno.
 */
int limits_watch_open(struct limits_watch *w);
/* Look if it is time to. True: the container has more than its limit. */
bool limits_watch_check(struct limits_watch *w, int64_t now);
/* When to look again, -1 = never. */
int64_t limits_watch_due(const struct limits_watch *w);

#endif
