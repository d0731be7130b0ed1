/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reassembly of fragmented IPv4 datagrams.
 *
 * Theory of operation
 *
 * libslirp's own reassembly keeps its bookkeeping inside the packets and has
 * been the place of several memory errors; hostile fragments still make it
 * jump to nowhere. So no fragment gets there. Containers do fragment: every
 * datagram larger than the MTU.
 *
 * The container's kernel sends the fragments of a datagram in order and the
 * wire between us loses none but whole ones, so this code takes fragments in
 * order only: the first one opens a slot, each further one must begin exactly
 * where the last ended, and the last one closes it. Whatever does not fit
 * (overlap, gap, too long, another header length) drops the datagram. There
 * are REASS_SLOTS slots; a new datagram takes the one that expires first.
 *
 * The attacker is the container; it can at worst spoil its own datagrams.
 * Only UDP and ICMP are accepted: TCP does not fragment.
 */
#include "net/reass.h"

#include <stdbool.h>
#include <string.h>

#include "net/frame.h"

#define LIFE_MS	  5000u
#define MORE	  0x2000u
#define OFFSET	  0x1fffu
#define IP_LENGTH 2 /* places in the IPv4 header */
#define IP_FLAGS  6
#define IP_SUM	  10

/* Same datagram: identification, protocol, both addresses. */
static bool belongs(const struct reass_slot *s, const uint8_t *ip)
{
	const uint8_t *first = s->frame + FRAME_ETH_HEADER;

	return s->len != 0 && memcmp(first + 4, ip + 4, 2) == 0 && first[9] == ip[9] &&
	       memcmp(first + 12, ip + 12, 8) == 0;
}

static struct reass_slot *slot_find(struct reass *r, const uint8_t *ip, uint64_t now_ms)
{
	for (size_t i = 0; i < REASS_SLOTS; i++)
		if (belongs(&r->slot[i], ip) && r->slot[i].expires_ms >= now_ms)
			return &r->slot[i];
	return NULL;
}

static struct reass_slot *slot_take(struct reass *r, uint64_t now_ms)
{
	struct reass_slot *best = &r->slot[0];

	for (size_t i = 0; i < REASS_SLOTS; i++) {
		struct reass_slot *s = &r->slot[i];

		if (s->len == 0 || s->expires_ms < now_ms)
			return s;
		if (s->expires_ms < best->expires_ms)
			best = s;
	}
	return best;
}

/* The header of the whole datagram: its length, no fragment flags, a fresh checksum. */
static void finish(struct reass_slot *s)
{
	uint8_t *ip = s->frame + FRAME_ETH_HEADER;

	frame_put16(ip + IP_LENGTH, (unsigned int)(s->len - FRAME_ETH_HEADER));
	frame_put16(ip + IP_FLAGS, 0);
	frame_put16(ip + IP_SUM, 0);
	frame_put16(ip + IP_SUM, frame_fold(frame_sum(ip, s->header, 0)));
}

enum reass_result reass_frame(struct reass *r, const uint8_t *frame, size_t len, uint64_t now_ms,
			      uint8_t **ret, size_t *ret_len)
{
	const uint8_t *ip = frame + FRAME_ETH_HEADER;
	size_t header, total, offset, payload;
	struct reass_slot *s;
	bool more;

	if (len < FRAME_ETH_HEADER + FRAME_IPV4_HEADER ||
	    frame_get16(frame + 12) != FRAME_TYPE_IPV4 ||
	    (frame_get16(ip + IP_FLAGS) & (MORE | OFFSET)) == 0)
		return REASS_NONE;
	header = (size_t)(ip[0] & 0x0f) * 4;
	total = frame_get16(ip + IP_LENGTH);
	if (ip[0] >> 4 != 4 || header < FRAME_IPV4_HEADER || total <= header ||
	    total > len - FRAME_ETH_HEADER ||
	    (ip[9] != FRAME_PROTO_UDP && ip[9] != FRAME_PROTO_ICMP))
		return REASS_HELD;
	payload = total - header;
	offset = (size_t)(frame_get16(ip + IP_FLAGS) & OFFSET) * 8;
	more = (frame_get16(ip + IP_FLAGS) & MORE) != 0;
	s = slot_find(r, ip, now_ms);
	if (offset == 0) {
		if (s == NULL)
			s = slot_take(r, now_ms);
		s->len = FRAME_ETH_HEADER + total;
		s->header = header;
		s->expires_ms = now_ms + LIFE_MS;
		memcpy(s->frame, frame, s->len);
		return REASS_HELD;
	}
	if (s == NULL)
		return REASS_HELD;
	if (s->len - FRAME_ETH_HEADER - s->header != offset ||
	    payload > sizeof(s->frame) - s->len) {
		s->len = 0;
		return REASS_HELD;
	}
	memcpy(s->frame + s->len, ip + header, payload);
	s->len += payload;
	if (more)
		return REASS_HELD;
	finish(s);
	*ret = s->frame;
	*ret_len = s->len;
	s->len = 0;
	return REASS_DONE;
}
