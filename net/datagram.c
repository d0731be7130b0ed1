/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP datagrams in Ethernet frames.
 *
 * Theory of operation
 *
 * What crt-net itself says to the container by UDP (what clients of published
 * ports send, answers of name servers) is put on the wire as finished frames:
 * the container's kernel puts fragments together and finds the socket, and
 * libslirp has no part in it. The way back are frames of the container, which
 * are looked at before libslirp is.
 *
 * A datagram goes out as a header of our own and the data where it lies, in
 * one system call. The checksum of IPv4 datagrams is left out, which UDP
 * allows: the host's kernel has verified the data and the wire is memory.
 * IPv6 demands one.
 *
 * The attackers are clients, who choose the data, and the container, whose
 * frames are parsed: every length is checked against the frame, whatever was
 * checked before. Pure functions.
 */
#include "net/datagram.h"

#include <string.h>

#include "net/frame.h"

#define FRAGMENT_HEADER 8u
#define PROTO_FRAGMENT	44u
#define MORE_FRAGMENTS	0x2000u
#define DONT_FRAGMENT	0x4000u
#define HEAD_MAX	(FRAME_ETH_HEADER + FRAME_IPV6_HEADER + FRAGMENT_HEADER + FRAME_UDP_HEADER)

struct in6_addr datagram_map(struct in_addr a)
{
	struct in6_addr ret = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(ret.s6_addr + 12, &a, sizeof(a));
	return ret;
}

struct in_addr datagram_unmap(const struct in6_addr *a)
{
	struct in_addr ret;

	memcpy(&ret, a->s6_addr + 12, sizeof(ret));
	return ret;
}

bool datagram_parse(const uint8_t *frame, size_t len, struct datagram *ret)
{
	const uint8_t *ip = frame + FRAME_ETH_HEADER;
	struct datagram d;
	const uint8_t *udp;
	struct in_addr a;
	size_t header, total;

	if (len < FRAME_ETH_HEADER + FRAME_IPV4_HEADER)
		return false;
	len -= FRAME_ETH_HEADER;
	if (frame_get16(frame + 12) == FRAME_TYPE_IPV4) {
		header = (size_t)(ip[0] & 0x0f) * 4;
		total = frame_get16(ip + 2);
		if (ip[9] != FRAME_PROTO_UDP || header < FRAME_IPV4_HEADER || total > len ||
		    (frame_get16(ip + 6) & 0x3fff) != 0)
			return false;
		memcpy(&a, ip + 12, sizeof(a));
		d.from = datagram_map(a);
		memcpy(&a, ip + 16, sizeof(a));
		d.to = datagram_map(a);
	} else if (frame_get16(frame + 12) == FRAME_TYPE_IPV6) {
		header = FRAME_IPV6_HEADER;
		if (len < header || ip[6] != FRAME_PROTO_UDP)
			return false;
		total = header + frame_get16(ip + 4);
		memcpy(&d.from, ip + 8, sizeof(d.from));
		memcpy(&d.to, ip + 24, sizeof(d.to));
	} else {
		return false;
	}
	if (total > len || total < header + FRAME_UDP_HEADER)
		return false;
	udp = ip + header;
	d.from_port = (uint16_t)frame_get16(udp);
	d.to_port = (uint16_t)frame_get16(udp + 2);
	d.len = frame_get16(udp + 4);
	if (d.len < FRAME_UDP_HEADER || d.len > total - header)
		return false;
	d.len -= FRAME_UDP_HEADER;
	d.data = udp + FRAME_UDP_HEADER;
	*ret = d;
	return true;
}

/* One frame to be: the headers in front of part of the datagram. */
struct head {
	uint8_t bytes[HEAD_MAX];
	size_t len;
};

static void put_ethernet(struct head *h, const uint8_t mac[6], unsigned int type)
{
	static const uint8_t own[6] = { 0x52, 0x55, 0x63, 0x72, 0x74, 0x00 };

	memcpy(h->bytes, mac, 6);
	memcpy(h->bytes + 6, own, 6);
	frame_put16(h->bytes + 12, type);
	h->len = FRAME_ETH_HEADER;
}

static void put_ipv4(struct head *h, const struct datagram *d, size_t offset, size_t part,
		     bool more, uint32_t id)
{
	uint8_t *ip = h->bytes + h->len;
	unsigned int flags = more ? MORE_FRAGMENTS : offset == 0 ? DONT_FRAGMENT : 0;

	memset(ip, 0, FRAME_IPV4_HEADER);
	ip[0] = 0x45;
	frame_put16(ip + 2, (unsigned int)(FRAME_IPV4_HEADER + part));
	frame_put16(ip + 4, id & 0xffff);
	frame_put16(ip + 6, flags | (unsigned int)(offset / 8));
	ip[8] = 64;
	ip[9] = FRAME_PROTO_UDP;
	memcpy(ip + 12, d->from.s6_addr + 12, 4);
	memcpy(ip + 16, d->to.s6_addr + 12, 4);
	frame_put16(ip + 10, frame_fold(frame_sum(ip, FRAME_IPV4_HEADER, 0)));
	h->len += FRAME_IPV4_HEADER;
}

static void put_ipv6(struct head *h, const struct datagram *d, size_t offset, size_t part,
		     bool more, uint32_t id)
{
	bool fragment = more || offset != 0;
	uint8_t *ip = h->bytes + h->len;

	memset(ip, 0, FRAME_IPV6_HEADER + FRAGMENT_HEADER);
	ip[0] = 0x60;
	frame_put16(ip + 4, (unsigned int)(part + (fragment ? FRAGMENT_HEADER : 0)));
	ip[6] = fragment ? PROTO_FRAGMENT : FRAME_PROTO_UDP;
	ip[7] = 64;
	memcpy(ip + 8, &d->from, 16);
	memcpy(ip + 24, &d->to, 16);
	h->len += FRAME_IPV6_HEADER;
	if (!fragment)
		return;
	ip += FRAME_IPV6_HEADER;
	ip[0] = FRAME_PROTO_UDP;
	frame_put16(ip + 2, (unsigned int)offset | (more ? 1 : 0));
	frame_put16(ip + 4, id >> 16);
	frame_put16(ip + 6, id & 0xffff);
	h->len += FRAGMENT_HEADER;
}

static void put_udp(struct head *h, const struct datagram *d, bool checksum)
{
	uint8_t *udp = h->bytes + h->len;
	unsigned int len = (unsigned int)(d->len + FRAME_UDP_HEADER), sum;

	frame_put16(udp, d->from_port);
	frame_put16(udp + 2, d->to_port);
	frame_put16(udp + 4, len);
	frame_put16(udp + 6, 0);
	h->len += FRAME_UDP_HEADER;
	if (!checksum)
		return;
	/* the pseudo header is both addresses, length and protocol */
	sum = frame_fold(frame_sum(
		d->data, d->len,
		frame_sum(udp, FRAME_UDP_HEADER,
			  frame_sum(d->from.s6_addr, 16,
				    frame_sum(d->to.s6_addr, 16, len + FRAME_PROTO_UDP)))));
	frame_put16(udp + 6, sum == 0 ? 0xffff : sum);
}

void datagram_emit(const struct datagram *d, const uint8_t mac[6], unsigned int mtu, uint32_t id,
		   datagram_sink sink, void *data)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&d->to);
	size_t total = d->len + FRAME_UDP_HEADER;
	size_t header = v4 ? FRAME_IPV4_HEADER : FRAME_IPV6_HEADER;
	size_t room = mtu - header;
	size_t done = 0;

	if (d->len > DATAGRAM_MAX || mtu < header + FRAGMENT_HEADER + FRAME_UDP_HEADER + 8 ||
	    v4 != IN6_IS_ADDR_V4MAPPED(&d->from))
		return;
	if (total > room) /* all fragments but the last have a multiple of eight bytes */
		room = (mtu - header - (v4 ? 0 : FRAGMENT_HEADER)) & ~(size_t)7;
	while (done < total) {
		size_t part = total - done < room ? total - done : room;
		bool more = done + part < total;
		/* the UDP header is part of the first one */
		size_t begin = done == 0 ? 0 : done - FRAME_UDP_HEADER;
		struct iovec iov[2];
		const uint8_t *at;
		struct head h;

		put_ethernet(&h, mac, v4 ? FRAME_TYPE_IPV4 : FRAME_TYPE_IPV6);
		if (v4)
			put_ipv4(&h, d, done, part, more, id);
		else
			put_ipv6(&h, d, done, part, more, id);
		if (done == 0)
			put_udp(&h, d, !v4);
		at = d->data + begin;
		iov[0] = (struct iovec){ .iov_base = h.bytes, .iov_len = h.len };
		memcpy(&iov[1].iov_base, &at, sizeof(at)); /* nobody writes to it */
		iov[1].iov_len = done == 0 ? part - FRAME_UDP_HEADER : part;
		sink(data, iov, iov[1].iov_len != 0 ? 2 : 1);
		done += part;
	}
}
