/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): published TCP ports. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/layout.h"

#define RELAY_OTHERS 3

struct relay;

/* The layout says where the container is. 0 or -errno. */
int relay_new(const struct layout *l, struct relay **ret);
void relay_free(struct relay *r);
/* Accept on listen_fd (owned from here on, also on failure) for the container's port. 0 or -errno. */
int relay_listen(struct relay *r, int listen_fd, uint16_t port);
/* Where sockets inside the container come from (agent.h); owned from here on. 0 or -errno. */
int relay_set_agent(struct relay *r, int agent_fd);
/* Becomes readable when relay_dispatch() has something to do. */
int relay_fd(const struct relay *r);
/* Do what there is to do, waiting for it at most so long (-1 = for ever). True: call again without waiting. */
bool relay_dispatch(struct relay *r, int timeout_ms);
/*
 * While the caller waits in relay_dispatch() alone: it returns also when one of these fds, which
 * stay the caller's, becomes readable; relay_others_ready() says whether. -1 stands for none. 0 or -errno.
 */
int relay_watch_others(struct relay *r, const int fds[RELAY_OTHERS]);
bool relay_others_ready(const struct relay *r);
/* How many fds it may have open; listening sockets wait at the limit. Cheap when nothing changed. */
void relay_set_room(struct relay *r, size_t fds);
/* Fds of connections and of what is kept ready for them. */
size_t relay_open(const struct relay *r);

#endif
