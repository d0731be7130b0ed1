/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: the record of a container below the state root. */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "runtime/spec.h"

enum state_status {
	STATE_CREATING,
	STATE_CREATED,
	STATE_RUNNING,
	STATE_PAUSED,
	STATE_STOPPED,
	STATE_COUNT
};

/* Strings are owned; release with state_fini(). */
struct state {
	int dir_fd; /* the container's directory, -1 */
	char *id;
	char *bundle;
	char *rootfs;
	char *created; /* RFC 3339 */
	char *program; /* process.args[0], for texts of failures at start */
	pid_t pid;
	unsigned long long start_time; /* of pid: a reused pid is not ours */
	json_t *annotations;	       /* or NULL */
	json_t *cgroup;		       /* what cgroup.c must undo, or NULL */
	char *path_env;		       /* unused entries stay NULL */
};
#define STATE_INIT   ((struct state){ .dir_fd = -1 })

#define STATE_FILE   "state.json"
#define STATE_CONFIG "config.json"
#define STATE_GATE   "gate"
#define STATE_NOTIFY "notify" /* directory with the notify socket */

/* Write DIR/state.json as a whole. */
int state_save(const struct state *s, struct error *e);
/* Open ID below root_fd and read its record. -ENOENT: "container does not exist". */
int state_load(int root_fd, const char *id, struct state *ret, struct error *e);
void state_fini(struct state *s);
/* Remove the directory ROOT/ID with all in it; dir_fd (may be -1) is open on it. Missing is success. */
int state_remove(int root_fd, int dir_fd, const char *id, struct error *e);
/* What the container is now. */
enum state_status state_status(const struct state *s, int proc_fd);
/* The same, also right after a start that was killed between opening and removing the gate. */
enum state_status state_status_sure(const struct state *s, int proc_fd);
const char *state_status_name(enum state_status st);
/* The OCI state object. pid 0 when stopped. compact: one line without blanks, for hooks. Caller frees. */
char *state_text(const struct state *s, enum state_status st, bool compact);
/* The copy of config.json kept with the state. */
int state_config(const struct state *s, struct spec *ret, struct error *e);
/* "2001-02-03T04:05:06.123456789Z" of now. Caller frees. */
char *state_now(void);
/* Is the recorded process alive (not a zombie, not a reused pid)? */
bool state_alive(const struct state *s, int proc_fd);
/*
 * Signal the first process if it is still the one we made; -ESRCH: it is not.
 * *ret_pid_fd (may be NULL) is its pidfd, owned by the caller. 0 or -errno.
 */
int state_signal(const struct state *s, int proc_fd, int sig, int *ret_pid_fd);

#endif
