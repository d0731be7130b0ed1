/* SPDX-License-Identifier: Apache-2.0 */
/* Work that only root of the caller's user namespace can do: delete files of subordinate ids. */
#ifndef CMD_INSIDE_H
#define CMD_INSIDE_H

#include "base/error.h"
#include "storage/storage.h"

/*
 * Run fn(data, e) as root of a new user namespace with the caller's map (in a
 * child process), or directly when the caller is root. Memory that fn changes is
 * the child's own: only its result and error come back. 0 or -errno.
 */
int inside_run(int (*fn)(void *data, struct error *e), void *data, struct error *e);
/* The same, always in a child, which has a mount namespace of its own. */
int inside_fork(int (*fn)(void *data, struct error *e), void *data, struct error *e);
/* Empty the store's trash that way if there is any. Best effort. */
void inside_empty_trash(struct storage *s);

#endif
