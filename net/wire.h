/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to net/: what travels between crt and crt-net over their
 * SOCK_SEQPACKET pair. Both ends are built from the same source and started
 * from the same installation; the version check only catches a half-done
 * upgrade.
 *
 *   crt -> crt-net    REQUEST, then FORWARDS until all are sent, with pasta PASTA before them
 *   crt-net -> crt    BOUND, then FORWARDS (with the ports chosen) likewise; or FAILED and the end
 *   child -> crt-net  with published TCP ports AGENT with one fd (agent.h); TAP with one fd
 *   crt-net -> crt    TAKEN; or FAILED and the end
 *
 * With pasta the child sends NAMESPACE twice, with the user and the network namespace, instead of TAP,
 * and crt sends GO when the ids are mapped. BOUND comes after all of these.
 *
 * crt-net ends when its peer's last copy of the socket is closed.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdint.h>

#include "base/error.h"
#include "net/net.h"

#define WIRE_FD	     3 /* crt-net's end */
#define WIRE_VERSION (0x6e740004u)
#define WIRE_CHUNK   256 /* forwards in one message */

enum wire_type {
	WIRE_TYPE_REQUEST = 1,
	WIRE_TYPE_FORWARDS,
	WIRE_TYPE_BOUND,
	WIRE_TYPE_FAILED,
	WIRE_TYPE_AGENT,
	WIRE_TYPE_TAP,
	WIRE_TYPE_TAKEN,
	WIRE_TYPE_PASTA,
	WIRE_TYPE_NAMESPACE,
	WIRE_TYPE_GO,
	WIRE_TYPE_COUNT
};

/* net_request without what only crt needs. */
struct wire_request {
	uint32_t version;
	uint32_t mtu;
	uint8_t ipv6;
	uint8_t allow_host_loopback;
	uint8_t pasta;
	char cidr[INET_ADDRSTRLEN + 4];
	char cidr6[INET6_ADDRSTRLEN + 4];
	char outbound_addr[INET_ADDRSTRLEN];
	char outbound_addr6[INET6_ADDRSTRLEN];
	uint32_t forwards_n;
};

#define WIRE_PASTA_TEXT 1024

/* The words of pasta's options, each with its NUL. */
struct wire_pasta {
	uint32_t n;
	char text[WIRE_PASTA_TEXT];
};

struct wire_forwards {
	uint32_t n;
	struct net_forward f[WIRE_CHUNK];
};

struct wire_message {
	uint32_t type;
	union {
		struct wire_request request;
		struct wire_forwards forwards;
		struct wire_pasta pasta;
		struct error error;
	} u;
};

/* Send a message of len payload bytes with one fd (-1 = none). 0 or -errno. */
int wire_send(int sock, enum wire_type type, const void *payload, size_t len, int fd);
/*
 * Receive one message. *ret_fd (may be NULL when none is expected) gets the fd
 * that came along or -1. Returns the type, 0 at the end, or -errno; -EPROTO
 * for a message whose length does not fit its type.
 */
int wire_recv(int sock, struct wire_message *ret, int *ret_fd);
/* Send or receive the whole table in chunks. 0 or -errno. */
int wire_send_forwards(int sock, const struct net_forward *f, size_t n);
int wire_recv_forwards(int sock, struct net_forward *f, size_t n);

#endif
