/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: make Ethernet frames, and check their checksums the slow way. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "net/frame.h"

#define FRAME_ROOM 2048

/* IPv4 or IPv6 by the addresses' look. Returns the frame's length; payload is filled with 0, 1, 2... */
static inline size_t make_frame(uint8_t *f, unsigned int proto, const char *src, const char *dst,
				unsigned int sport, unsigned int dport, size_t payload)
{
	size_t l4_header = proto == FRAME_PROTO_TCP ? FRAME_TCP_HEADER : FRAME_UDP_HEADER;
	bool six = strchr(dst, ':') != NULL;
	uint8_t *ip = f + FRAME_ETH_HEADER;
	uint8_t *l4 = ip + (six ? FRAME_IPV6_HEADER : FRAME_IPV4_HEADER);
	size_t l4_len = l4_header + payload;
	uint32_t pseudo;

	memset(f, 0, FRAME_ROOM);
	frame_put16(f + 12, six ? FRAME_TYPE_IPV6 : FRAME_TYPE_IPV4);
	if (six) {
		ip[0] = 0x60;
		frame_put16(ip + 4, (unsigned int)l4_len);
		ip[6] = (uint8_t)proto;
		ip[7] = 64;
		(void)inet_pton(AF_INET6, src, ip + 8);
		(void)inet_pton(AF_INET6, dst, ip + 24);
	} else {
		ip[0] = 0x45;
		frame_put16(ip + 2, (unsigned int)(FRAME_IPV4_HEADER + l4_len));
		frame_put16(ip + 4, 0x1234);
		ip[8] = 64;
		ip[9] = (uint8_t)proto;
		(void)inet_pton(AF_INET, src, ip + 12);
		(void)inet_pton(AF_INET, dst, ip + 16);
		frame_put16(ip + 10, frame_fold(frame_sum(ip, FRAME_IPV4_HEADER, 0)));
	}
	frame_put16(l4, sport);
	frame_put16(l4 + 2, dport);
	if (proto == FRAME_PROTO_TCP)
		l4[12] = 0x50;
	else if (proto == FRAME_PROTO_UDP)
		frame_put16(l4 + 4, (unsigned int)l4_len);
	for (size_t i = 0; i < payload; i++)
		l4[l4_header + i] = (uint8_t)i;
	pseudo = frame_sum(six ? ip + 8 : ip + 12, six ? 32 : 8, (uint32_t)l4_len + proto);
	frame_put16(l4 + (proto == FRAME_PROTO_TCP ? 16 :
			  proto == FRAME_PROTO_UDP ? 6 :
						     2),
		    frame_fold(frame_sum(l4, l4_len, pseudo)));
	return (size_t)(l4 - f) + l4_len;
}

/* Both checksums of a whole TCP, UDP or ICMPv6 frame are right. */
static inline bool frame_sums_right(const uint8_t *f, size_t len)
{
	const uint8_t *ip = f + FRAME_ETH_HEADER;
	bool six = ip[0] >> 4 == 6;
	size_t header = six ? FRAME_IPV6_HEADER : (size_t)(ip[0] & 15) * 4;
	size_t l4_len = len - FRAME_ETH_HEADER - header;

	if (!six && frame_fold(frame_sum(ip, header, 0)) != 0)
		return false;
	return frame_fold(frame_sum(ip + header, l4_len,
				    frame_sum(six ? ip + 8 : ip + 12, six ? 32 : 8,
					      (uint32_t)l4_len + (six ? ip[6] : ip[9])))) == 0;
}

#endif
