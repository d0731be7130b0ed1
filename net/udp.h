/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): published UDP ports. */
#ifndef NET_UDP_H
#define NET_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/datagram.h"
#include "net/layout.h"

#define UDP_CLIENTS_MAX 4096 /* that are remembered, of all ports */

struct udp;
/* Gets what clients sent, addressed to the container. */
typedef void (*udp_deliver)(void *data, const struct datagram *d);

/* 0 or -errno. */
int udp_new(const struct layout *l, udp_deliver deliver, void *data, struct udp **ret);
void udp_free(struct udp *u);
/* Serve the bound socket fd (owned from here on, also on failure) for the container's port. 0 or -errno. */
int udp_listen(struct udp *u, int fd, uint16_t port);
/* Becomes readable when udp_dispatch() has something to do. */
int udp_fd(const struct udp *u);
/* True: call again, there may be more. */
bool udp_dispatch(struct udp *u, uint64_t now_ms);
/* What the container sends: true when it was the answer to a client, and has been sent to it. */
bool udp_answer(struct udp *u, const struct datagram *d, uint64_t now_ms);

#endif
