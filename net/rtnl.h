/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: batches of rtnetlink requests. No memory is allocated. */
#ifndef NET_RTNL_H
#define NET_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/rtnetlink.h>

#include "base/error.h"

#define RTNL_STEPS_MAX 12
#define RTNL_LOOPBACK  1 /* the kernel makes lo first in every network namespace */

/* Zero to begin with. */
struct rtnl_batch {
	_Alignas(struct nlmsghdr) unsigned char data[2048];
	size_t len;
	struct nlmsghdr *last;
	unsigned int n;
	struct step {
		const char *what;
		bool optional;
	} steps[RTNL_STEPS_MAX];
};

/*
 * Append a request whose fixed part has body bytes; returns that part, zeroed. what says in the
 * error what failed; the failure of an optional one is ignored.
 */
void *rtnl_add(struct rtnl_batch *b, unsigned short type, unsigned short flags, size_t body,
	       const char *what, bool optional);
/* Append an attribute to the last request; with what follows until rtnl_attr_end() a nest. */
struct rtattr *rtnl_attr(struct rtnl_batch *b, unsigned short type, const void *data, size_t len);
void rtnl_attr_end(struct rtnl_batch *b, struct rtattr *nest);
/* Send the batch and collect one answer for each request. 0 or -errno. */
int rtnl_run(const struct rtnl_batch *b, struct error *e);
/* The same over a socket that somebody opened in another network namespace. */
int rtnl_run_on(int fd, const struct rtnl_batch *b, struct error *e);
/* An rtnetlink socket of the network namespace that we are in. fd or -errno. */
int rtnl_open(struct error *e);

/* Requests that are made more than once. */
void rtnl_add_link_up(struct rtnl_batch *b, int ifindex, const char *what);
/* No automatic link-local address and thus no router solicitation. */
void rtnl_add_no_autoconf(struct rtnl_batch *b, int ifindex);
/* IPv6: without duplicate address detection, and may fail. */
void rtnl_add_address(struct rtnl_batch *b, int ifindex, int family, const void *addr, size_t len,
		      unsigned int prefix, unsigned int scope, const char *what);
void rtnl_add_default_route(struct rtnl_batch *b, int ifindex, int family, const void *gateway,
			    size_t len, const char *what);

/*
 * In a network namespace of ours, before it has devices: those that come take no address and no
 * route from who advertises one, as any neighbour on a bridge may (CVE-2020-13401).
 */
void rtnl_refuse_advertisements(void);

#endif
