/* SPDX-License-Identifier: Apache-2.0 */
/* Start a container that exists: crt start and crt restart. */
#ifndef CMD_START_H
#define CMD_START_H

#include "cmd/attach.h"
#include "cmd/container.h"
#include "cmd/opt.h"

/* Detached; created and data as in cmd/launch.h. 0, or -errno with *ret_code the exit code of crt run -d for it (125 to 127). */
int start_container(struct storage *s, const struct cmd_global *g, const struct container *c,
		    int (*created)(void *data, struct error *e), void *data, int *ret_code,
		    struct error *e);

/* Who is attached from the first byte on: joined while the container waits at its gate. */
struct start_join {
	struct storage *s;
	const char *id; /* borrowed */
	struct container c;
	int sock_fd, pid_fd;
};

#define START_JOIN_INIT(store, container_id)                                    \
	{                                                                       \
		.s = (store), .id = (container_id), .sock_fd = -1, .pid_fd = -1 \
	}

/*
 * Join as the one whom it is started for: its output waits for us, however long. For "created" of
 * cmd/launch.h; data is a struct start_join. 0 or -errno.
 */
int start_join(void *data, struct error *e);
/* attach_run() with what was joined. */
int start_follow(struct start_join *j, struct attach *a, bool sig_proxy, struct error *e);
void start_join_fini(struct start_join *j);

#endif
