/* SPDX-License-Identifier: Apache-2.0 */
/* The network of another container, or of any network namespace, as a container's own. */
#ifndef CMD_JOIN_H
#define CMD_JOIN_H

#include <stdbool.h>

#include "base/error.h"
#include "net/net.h"
#include "storage/storage.h"

struct join {
	int net_fd;  /* the network namespace; -1 = no such thing asked for */
	int user_fd; /* the user namespace that owns it, to be entered first; -1 = ours does */
	char *rundir; /* bundle of the other container, whose hosts and resolv.conf hold; NULL = none */
};
#define JOIN_INIT ((struct join){ .net_fd = -1, .user_fd = -1 })

/* Find and open what n->join names. is_root: no user namespace is made. 0 or -errno. */
int join_open(struct storage *s, const struct net_request *n, bool is_root, struct join *ret,
	      struct error *e);
void join_fini(struct join *j);
/* In the keeper, before it has ids: enter both, and a mount namespace of its own. 0 or -errno. */
int join_enter(const struct join *j, struct error *e);

#endif
