/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): answers of published UDP ports to clients on the host's loopback. */
#ifndef NET_NAT_H
#define NET_NAT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define NAT_ENTRIES 512

struct nat {
	struct in_addr gateway;
	struct in6_addr gateway6;
	struct nat_entry {
		uint64_t expires_ms;
		uint16_t guest_port, peer_port;
		uint8_t version; /* 4, 6, or 0 = unused */
	} entry[NAT_ENTRIES];
};

#define NAT_HEAD 128 /* Ethernet header, the longest IPv4 header, UDP header */

/*
 * A frame that libslirp sends to the container: notes datagrams from the
 * host's loopback. When its source must change, the new beginning of the frame
 * is put into head and its length returned; else 0.
 */
size_t nat_to_container(struct nat *n, const uint8_t *frame, size_t len, uint64_t now_ms,
			uint8_t head[NAT_HEAD]);
/* A frame that passed filter_frame(): an answer to a noted datagram gets its real destination. */
void nat_from_container(struct nat *n, uint8_t *frame, size_t len, uint64_t now_ms);

#endif
