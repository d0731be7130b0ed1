/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thinning out TCP acknowledgements towards the container.
 *
 * Theory of operation
 *
 * libslirp acknowledges each segment at once, and each acknowledgement costs
 * a write to the tap device with a run through the container's TCP. When more
 * segments wait to be read, only the last acknowledgement of a connection
 * tells something: the loop holds a pure acknowledgement back, lets one of
 * more data take its place, and writes it before anything else is written and
 * before it waits. Repeated acknowledgements (of the same data) are never
 * merged, because the sender takes three of them for a loss.
 *
 * Pure functions of frames that libslirp made.
 */
#include "net/ack.h"

#include <string.h>

#include "net/frame.h"

#define FLAGS_ACK 0x10

/* The TCP header of an unfragmented TCP segment without data and options, or NULL. */
static const uint8_t *find_tcp(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + FRAME_ETH_HEADER;
	const uint8_t *tcp;

	if (len == FRAME_ETH_HEADER + FRAME_IPV4_HEADER + FRAME_TCP_HEADER &&
	    frame_get16(frame + 12) == FRAME_TYPE_IPV4 && ip[0] == 0x45 &&
	    ip[9] == FRAME_PROTO_TCP && (frame_get16(ip + 6) & 0x3fff) == 0)
		tcp = ip + FRAME_IPV4_HEADER;
	else if (len == FRAME_ETH_HEADER + FRAME_IPV6_HEADER + FRAME_TCP_HEADER &&
		 frame_get16(frame + 12) == FRAME_TYPE_IPV6 && ip[6] == FRAME_PROTO_TCP)
		tcp = ip + FRAME_IPV6_HEADER;
	else
		return NULL;
	return tcp[12] >> 4 == FRAME_TCP_HEADER / 4 ? tcp : NULL;
}

bool ack_is_pure(const uint8_t *frame, size_t len)
{
	const uint8_t *tcp = find_tcp(frame, len);

	return tcp != NULL && tcp[13] == FLAGS_ACK;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)frame_get16(p) << 16 | frame_get16(p + 2);
}

bool ack_supersedes(const uint8_t *frame, size_t len, const uint8_t *old, size_t old_len)
{
	const uint8_t *tcp, *old_tcp;
	size_t ip_header;

	if (len != old_len || !ack_is_pure(frame, len) || !ack_is_pure(old, old_len))
		return false;
	tcp = find_tcp(frame, len);
	old_tcp = find_tcp(old, old_len);
	if (tcp == NULL || old_tcp == NULL)
		return false;
	ip_header = (size_t)(tcp - frame);
	/* addresses are at the end of either IP header; ports and sequence number follow */
	if (ip_header == FRAME_ETH_HEADER + FRAME_IPV4_HEADER ?
		    memcmp(tcp - 8, old_tcp - 8, 8 + 8) != 0 :
		    memcmp(tcp - 32, old_tcp - 32, 32 + 8) != 0)
		return false;
	return (int32_t)(get32(tcp + 8) - get32(old_tcp + 8)) > 0;
}
