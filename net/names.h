/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to net/ (crt-bridge): the name server of the user-defined networks, a process
 * of its own, and what it is told over a SOCK_SEQPACKET pair.
 */
#ifndef NET_NAMES_H
#define NET_NAMES_H

#include "base/id.h"
#include "net/net.h"

enum names_op {
	NAMES_NETWORK = 1, /* with two sockets: datagrams, listening stream */
	NAMES_NETWORK_GONE,
	NAMES_LEASE,
	NAMES_LEASE_GONE
};

/* Names one after the other, each with its NUL. */
struct names_list {
	uint32_t n, len;
	char text[NET_NAMES_BYTES];
};
/* Append in lower case. What no DNS name can be, or does not fit, is left out. */
void names_add(struct names_list *l, const char *name);
bool names_has(const struct names_list *l, const char *name);

struct names_message {
	uint32_t op;
	uint32_t network, lease; /* numbers of the holder's choice */
	/* who is asked for other names: on this network, by this container */
	uint32_t servers_n;
	struct sockaddr_in6 servers[NET_SERVERS_MAX];
	/* NAMES_NETWORK */
	bool internal;
	/* NAMES_LEASE */
	struct in_addr ip;
	struct in6_addr ip6;
	char id[ID_LEN + 1];
	char host_ip[INET6_ADDRSTRLEN];
	struct names_list names;
};

/* The process: ends when the other side of sock is closed. */
void names_main(int sock) __attribute__((noreturn));

#endif
