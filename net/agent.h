/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to net/: how crt-net gets sockets that live inside the container's network namespace.
 * crt-net sends agent_request, the keeper answers each with one agent_answer and up to that many
 * sockets (SCM_RIGHTS), over a SOCK_SEQPACKET pair. Each side may close.
 */
#ifndef NET_AGENT_H
#define NET_AGENT_H

#include <stdint.h>

#define AGENT_SOCKETS 32 /* in one answer at most */

struct agent_request {
	uint32_t family; /* AF_INET or AF_INET6 */
	uint32_t count;	 /* 1 to AGENT_SOCKETS */
};

struct agent_answer {
	uint32_t family;
	int32_t code;	      /* 0; else -errno and fewer sockets than asked for, or none */
	uint32_t transparent; /* they can be bound to any address: answers to it stay inside */
};

#endif
