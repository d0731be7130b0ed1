/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): published ports. */
#ifndef NET_FORWARD_H
#define NET_FORWARD_H

#include <stddef.h>

#include "base/error.h"
#include "net/net.h"
#include "net/relay.h"
#include "net/udp.h"

/*
 * Bind every forward and hand it to the relay or udp, of which one may be NULL when there is no forward for it;
 * fills host_port where it was 0. 0 or -errno; the message names address, port and cause.
 */
int forward_bind_all(struct relay *relay, struct udp *udp, struct net_forward *f, size_t n,
		     struct error *e);

#endif
