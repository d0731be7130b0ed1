/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published UDP ports and the host's loopback.
 *
 * Theory of operation
 *
 * A client on the host's 127.0.0.1 or ::1 appears in the container as the
 * gateway address. The container answers to the gateway, and libslirp refuses
 * to send there while the host's loopback is closed, which is the default;
 * TCP connections know their peer and are not affected. So the answers, and
 * only they, get the loopback address as destination before libslirp sees
 * them; it then sends them from the published port's socket.
 *
 * An answer is a datagram from container port G to gateway port P after a
 * datagram from gateway port P to container port G was seen, for four minutes
 * (libslirp's own life time of UDP associations). The attacker, who is the
 * container, can therefore send to no loopback port that did not write to it
 * first. Once libslirp has sent to a loopback address, it shows that address
 * as the source of what follows: the container would drop it, so it is put
 * back to the gateway's.
 *
 * The table is a fixed hash without chains: a collision ends the older
 * association, whose client sends again. Checksums are adjusted, not
 * computed (RFC 1624).
 */
#include "net/nat.h"

#include <stdbool.h>
#include <string.h>

#include "net/frame.h"

#define LIFE_MS 240000u

static const uint8_t loopback4[4] = { 127, 0, 0, 1 };
static const uint8_t loopback6[16] = { [15] = 1 };

static struct nat_entry *slot(struct nat *n, unsigned int version, unsigned int guest_port,
			      unsigned int peer_port)
{
	uint32_t h = (guest_port * 0x9e3779b1u) ^ (peer_port * 0x85ebca6bu) ^ (version << 7);

	return &n->entry[(h ^ h >> 16) % NAT_ENTRIES];
}

/* Where the UDP header of a frame is, or NULL: not UDP, or a later fragment. Frame length checked. */
static const uint8_t *find_udp(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + FRAME_ETH_HEADER;

	if (len < FRAME_ETH_HEADER + FRAME_IPV4_HEADER)
		return NULL;
	if (frame_get16(frame + 12) == FRAME_TYPE_IPV4) {
		size_t header = (size_t)(ip[0] & 0x0f) * 4;

		if (ip[9] != FRAME_PROTO_UDP || (frame_get16(ip + 6) & 0x1fff) != 0 ||
		    len < FRAME_ETH_HEADER + header + FRAME_UDP_HEADER)
			return NULL;
		return ip + header;
	}
	if (frame_get16(frame + 12) == FRAME_TYPE_IPV6) {
		if (len < FRAME_ETH_HEADER + FRAME_IPV6_HEADER + FRAME_UDP_HEADER ||
		    ip[6] != FRAME_PROTO_UDP)
			return NULL;
		return ip + FRAME_IPV6_HEADER;
	}
	return NULL;
}

/* Replace the address at addr, adjusting up to two checksums (NULL = none). */
static void replace(uint8_t *addr, const uint8_t *with, size_t len, uint8_t *sum1, uint8_t *sum2)
{
	for (size_t i = 0; i < len; i += 2) {
		unsigned int before = frame_get16(addr + i), after = frame_get16(with + i);

		if (sum1 != NULL)
			frame_fix_checksum(sum1, before, after);
		if (sum2 != NULL)
			frame_fix_checksum(sum2, before, after);
	}
	memcpy(addr, with, len);
}

size_t nat_to_container(struct nat *n, const uint8_t *frame, size_t len, uint64_t now_ms,
			uint8_t head[NAT_HEAD])
{
	const uint8_t *udp = find_udp(frame, len);
	const uint8_t *ip = frame + FRAME_ETH_HEADER;
	size_t head_len = len < NAT_HEAD ? len : NAT_HEAD;
	uint8_t *sum = NULL;
	unsigned int version, type;

	if (len < FRAME_ETH_HEADER + FRAME_IPV4_HEADER)
		return 0;
	type = frame_get16(frame + 12); /* it, not the header, says what the header is */
	if (type != FRAME_TYPE_IPV4 &&
	    (type != FRAME_TYPE_IPV6 || len < FRAME_ETH_HEADER + FRAME_IPV6_HEADER))
		return 0;
	version = type == FRAME_TYPE_IPV4 ? 4 : 6;
	if (version == 4 ? ip[9] != FRAME_PROTO_UDP : ip[6] != FRAME_PROTO_UDP)
		return 0;
	if (version == 4 ?
		    ip[12] != 127 && memcmp(ip + 12, &n->gateway, 4) != 0 :
		    memcmp(ip + 8, loopback6, 16) != 0 && memcmp(ip + 8, &n->gateway6, 16) != 0)
		return 0;
	if (udp != NULL)
		*slot(n, version, frame_get16(udp + 2), frame_get16(udp)) = (struct nat_entry){
			.expires_ms = now_ms + LIFE_MS,
			.guest_port = (uint16_t)frame_get16(udp + 2),
			.peer_port = (uint16_t)frame_get16(udp),
			.version = (uint8_t)version,
		};
	memcpy(head, frame, head_len);
	if (udp != NULL && (version == 6 || frame_get16(udp + 6) != 0))
		sum = head + (udp - frame) + 6;
	if (version == 4)
		replace(head + FRAME_ETH_HEADER + 12, (const uint8_t *)&n->gateway, 4,
			head + FRAME_ETH_HEADER + 10, sum);
	else
		replace(head + FRAME_ETH_HEADER + 8, (const uint8_t *)&n->gateway6, 16, sum, NULL);
	return head_len;
}

static bool is_answer(struct nat *n, unsigned int version, const uint8_t *udp, uint64_t now_ms)
{
	unsigned int guest_port = frame_get16(udp), peer_port = frame_get16(udp + 2);
	struct nat_entry *s = slot(n, version, guest_port, peer_port);

	if (s->version != version || s->guest_port != guest_port || s->peer_port != peer_port ||
	    s->expires_ms < now_ms)
		return false;
	s->expires_ms = now_ms + LIFE_MS;
	return true;
}

static void translate4(struct nat *n, uint8_t *frame, size_t len, uint64_t now_ms)
{
	uint8_t *ip = frame + FRAME_ETH_HEADER;
	const uint8_t *udp;

	if (ip[9] != FRAME_PROTO_UDP || memcmp(ip + 16, &n->gateway, 4) != 0)
		return;
	udp = find_udp(frame, len);
	if (udp == NULL || !is_answer(n, 4, udp, now_ms))
		return;
	/* a checksum of 0 means that there is none */
	replace(ip + 16, loopback4, 4, ip + 10,
		frame_get16(udp + 6) != 0 ? frame + (udp - frame) + 6 : NULL);
}

void nat_from_container(struct nat *n, uint8_t *frame, size_t len, uint64_t now_ms)
{
	uint8_t *ip = frame + FRAME_ETH_HEADER;
	const uint8_t *udp;

	if (len < FRAME_ETH_HEADER + FRAME_IPV4_HEADER)
		return;
	if (frame_get16(frame + 12) == FRAME_TYPE_IPV4) {
		translate4(n, frame, len, now_ms);
		return;
	}
	udp = find_udp(frame, len);
	if (udp == NULL || memcmp(ip + 24, &n->gateway6, 16) != 0 || !is_answer(n, 6, udp, now_ms))
		return;
	replace(ip + 24, loopback6, 16, frame + (udp - frame) + 6, NULL);
}
