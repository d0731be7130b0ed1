/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to net/: what crt and crt-bridge say to each other over SOCK_SEQPACKET.
 * One question, one answer; JOIN comes with three fds: pidfd, network namespace
 * and rtnetlink socket of the container.
 */
#ifndef NET_SWITCH_H
#define NET_SWITCH_H

#include "net/names.h"

#define SWITCH_VERSION 0x6272001u
#define SWITCH_SOCKET  "socket"
/* what crt-bridge is started with */
#define SWITCH_LISTEN_FD 3
#define SWITCH_DIR_FD	 4 /* where the socket lies */
#define SWITCH_FIRST_FD	 5 /* a connection that is served before all others */

enum switch_op {
	SWITCH_JOIN = 1,
	SWITCH_LEAVE
};

struct switch_request {
	uint32_t version, op;
	char id[ID_LEN + 1];
	char host_ip[INET6_ADDRSTRLEN];
	struct net_network network; /* LEAVE: the name only */
	struct net_lease lease;
	struct names_list names;
	uint32_t servers_n; /* asked for other names */
	struct sockaddr_in6 servers[NET_SERVERS_MAX];
};

struct switch_answer {
	struct error error; /* code 0 = done */
	struct net_lease lease;
};

#endif
