/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: who has which address in the container's network. */
#ifndef NET_LAYOUT_H
#define NET_LAYOUT_H

#include <netinet/in.h>

#include "base/error.h"
#include "net/net.h"

#define LAYOUT_PREFIX6_LEN 64
/*
 * With its headers and the kernel's bookkeeping a frame of this size still fits a block of 32 KiB.
 * Larger frames need more contiguous memory than the kernel hands out willingly; one that is lost for
 * want of it costs a second in libslirp's timers. Measured: as little processor time for a byte as 65520.
 */
#define LAYOUT_MTU_DEFAULT 32000u
#define LAYOUT_MTU_MIN	   1280u  /* what IPv6 asks for */
#define LAYOUT_MTU_MIN4	   576u	  /* without IPv6 */
#define LAYOUT_MTU_MAX	   65521u /* libslirp's own bound */
#define LAYOUT_TAP_NAME	   "tap0"

struct layout {
	struct in_addr network, mask, gateway, dns, guest;
	unsigned int prefix_len;
	struct in6_addr prefix6, gateway6, dns6, guest6;
	unsigned int mtu;
	bool ipv6;
};

/* Derive everything from the request; -EINVAL names the value at fault. */
int layout_make(const struct net_request *r, struct layout *ret, struct error *e);
/* "fd00:1::/64": the prefix. 0 or -EINVAL. */
int layout_parse_cidr6(const char *text, struct in6_addr *ret_prefix, struct error *e);
/* "10.0.2.0/24" into its halves (network order). 0 or -EINVAL. */
int layout_parse_cidr(const char *text, struct in_addr *ret_network, unsigned int *ret_len,
		      struct error *e);

#endif
