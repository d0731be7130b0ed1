/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): published ports. */
#ifndef NET_FORWARD_H
#define NET_FORWARD_H

#include <slirp/libslirp.h>
#include <stddef.h>

#include "base/error.h"
#include "net/layout.h"
#include "net/net.h"
#include "net/relay.h"

/*
 * Bind every forward and hand it to libslirp or the relay, which is made when there are TCP ports;
 * fills host_port where it was 0. 0 or -errno; the message names address, port and cause.
 */
int forward_bind_all(Slirp *s, struct relay **relay, const struct layout *l, struct net_forward *f,
		     size_t n, struct error *e);

#endif
