/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): numbers and helpers of Ethernet frames, shared by filter, nat and neigh. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_ETH_HEADER  14u
#define FRAME_TYPE_ARP	  0x0806u
#define FRAME_TYPE_IPV4	  0x0800u
#define FRAME_TYPE_IPV6	  0x86ddu
#define FRAME_ARP_LEN	  28u
#define FRAME_IPV4_HEADER 20u
#define FRAME_IPV6_HEADER 40u
#define FRAME_PROTO_ICMP  1u
#define FRAME_PROTO_TCP	  6u
#define FRAME_PROTO_UDP	  17u
#define FRAME_PROTO_ICMP6 58u
#define FRAME_TCP_HEADER  20u
#define FRAME_UDP_HEADER  8u

static inline unsigned int frame_get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static inline void frame_put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* One's complement sum of 16-bit words, added to start; not folded. */
static inline uint32_t frame_sum(const uint8_t *p, size_t len, uint32_t start)
{
	for (; len > 1; p += 2, len -= 2)
		start += frame_get16(p);
	return len != 0 ? start + ((uint32_t)p[0] << 8) : start;
}

static inline unsigned int frame_fold(uint32_t sum)
{
	sum = (sum & 0xffffu) + (sum >> 16);
	sum = (sum & 0xffffu) + (sum >> 16);
	return ~sum & 0xffffu;
}

/* Adjust the checksum at sum for a 16-bit word that changed (RFC 1624). */
static inline void frame_fix_checksum(uint8_t *sum, unsigned int before, unsigned int after)
{
	frame_put16(sum, frame_fold((~frame_get16(sum) & 0xffffu) + (~before & 0xffffu) + after));
}

#endif
