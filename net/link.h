/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to net/: the devices of a user-defined network, seen from outside of all
 * network namespaces that are concerned.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include "base/error.h"
#include "net/net.h"

/* The network namespace of a network: what holds it, and what is open in it. */
struct link_space {
	int rtnl_fd;
	int udp_fd, tcp_fd; /* port 53 of the gateway; -1 = no name server there */
	int bridge;	    /* index of the device */
};
#define LINK_SPACE_INIT ((struct link_space){ -1, -1, -1, 0 })

/*
 * Make a network namespace with a bridge that has the gateway's addresses. It lives as long as its
 * sockets. 0 or -errno.
 */
int link_space_make(const struct net_network *n, struct link_space *ret, struct error *e);
void link_space_close(struct link_space *s);
/*
 * A pair of devices: host_name is a port of the bridge, l->ifname with the lease's addresses is in
 * the namespace net_fd, in which rtnl_fd was opened. 0 or -errno, then neither is there.
 */
int link_attach(const struct link_space *s, const struct net_network *n, const struct net_lease *l,
		const char *host_name, int net_fd, int rtnl_fd, struct error *e);
/* Remove a device with its other end; one that is not there is fine. */
void link_delete(int rtnl_fd, const char *name);
/* Is there a device of this name? */
bool link_exists(int rtnl_fd, const char *name);

#endif
