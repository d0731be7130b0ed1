/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: making the container's process and talking to it until it waits at the gate. */
#ifndef RUNTIME_PARENT_H
#define RUNTIME_PARENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/types.h"
#include "runtime/plan.h"

/* What the parent does while the child is prepared. All borrowed. */
struct parent_job {
	struct child_plan *plan;
	const struct id_map *idmap; /* NULL: none to write */
	uid_t euid;
	gid_t egid;
	int *ret_console_fd; /* where the pty master goes; may be NULL */
	/* called when the child is ready for prestart and createRuntime hooks */
	int (*hooks)(void *data, pid_t pid, struct error *e);
	void *data;
};

/* The process at the gate. */
struct parent_child {
	pid_t pid;
	int pid_fd;
	int sync_fd;
};

/*
 * Clone and lead the child to its gate. On failure it was killed and reaped.
 * 0 or -errno; *ret_start (may be NULL) tells an RUNTIME_START_* for failures
 * about the program itself.
 */
int parent_spawn(const struct parent_job *job, struct parent_child *ret, int *ret_start,
		 struct error *e);
/* The container is on record: its process now outlives us. 0 or -errno. */
int parent_commit(const struct parent_child *c, struct error *e);
/* Open the gate behind fd (the sync socket or a connection to the gate socket) and wait for exec: as above. */
int parent_open_gate(const struct child_plan *plan, int fd, bool socket_gate, int *ret_start,
		     struct error *e);
/* SIGKILL, reap, close. */
void parent_kill(struct parent_child *c);

#endif
