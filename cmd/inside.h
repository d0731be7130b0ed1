/* SPDX-License-Identifier: Apache-2.0 */
/* Work that only root of the caller's user namespace can do: delete files of subordinate ids. */
#ifndef CMD_INSIDE_H
#define CMD_INSIDE_H

#include <stdbool.h>

#include "base/error.h"
#include "storage/storage.h"
#include "userns/userns.h"

/*
 * Run fn(data, e) as root of a new user namespace with the caller's map (in a
 * child process), or directly when the caller is root. Memory that fn changes is
 * the child's own: only its result and error come back. 0 or -errno.
 */
int inside_run(int (*fn)(void *data, struct error *e), void *data, struct error *e);
/* The same, always in a child, which has a mount namespace of its own. */
int inside_fork(int (*fn)(void *data, struct error *e), void *data, struct error *e);

/* The same in two steps, to have several at work. */
struct inside {
	struct userns_child child;
	struct userns_caps caps;
	struct id_map map;
	int from_fd;
	bool running;
};
#define INSIDE_INIT ((struct inside){ .from_fd = -1 })
/* here: a mere child, with our ids and namespaces. 0 or -errno. */
int inside_start(bool here, int (*fn)(void *data, struct error *e), void *data, struct inside *ret,
		 struct error *e);
int inside_finish(struct inside *i, struct error *e); /* its result; releases i */
void inside_fini(struct inside *i);		      /* kills it where it still works */
/* Empty the store's trash that way if there is any. Best effort. */
void inside_empty_trash(struct storage *s);

#endif
