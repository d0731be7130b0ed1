/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): tell libslirp the container's Ethernet address. */
#ifndef NET_NEIGH_H
#define NET_NEIGH_H

#include <slirp/libslirp.h>
#include <stdint.h>

#include "net/layout.h"

#define NEIGH_ARP_LEN 42u
#define NEIGH_NA_LEN  78u

/* What the container would say: an ARP answer, an IPv6 neighbour advertisement. Pure. */
void neigh_arp_frame(const struct layout *l, const uint8_t mac[6], uint8_t ret[NEIGH_ARP_LEN]);
void neigh_na_frame(const struct layout *l, const uint8_t mac[6], uint8_t ret[NEIGH_NA_LEN]);
/* Feed both to libslirp. */
void neigh_announce(Slirp *s, const struct layout *l, const uint8_t mac[6]);

#endif
