/* SPDX-License-Identifier: Apache-2.0 */
/* How a keeper becomes the monitor of a detached container. */
#ifndef CMD_DETACH_H
#define CMD_DETACH_H

#include "base/error.h"
#include "cmd/compose.h"
#include "cmd/monitor.h"

struct detach {
	struct monitor_life life;
	int child[3]; /* the container's streams; -1 with a terminal */
};

/* lock_fd, net_fd, bundle_fd: become the monitor's. 0 or -errno. */
int detach_init(struct detach *d, const struct run_plan *p, const char *containers, int bundle_fd,
		int lock_fd, int net_fd, struct error *e);
/* Streams and log file for one life; d->child is for the container. 0 or -errno. */
int detach_streams(struct detach *d, struct error *e);
/* The container runs: close what is its own, execute crt-monitor. Returns on failure only. */
int detach_exec(struct detach *d, struct error *e);
/* Our own standard streams are the caller's no more. */
void detach_stdio(void);

#endif
