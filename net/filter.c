/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate in front of libslirp.
 *
 * Theory of operation
 *
 * The attacker is the container: with CAP_NET_RAW, or as root of its network
 * namespace, it can put any bytes into the tap device. libslirp opens a host
 * socket for whatever destination a frame names, so a raw frame to 127.0.0.1
 * would reach the services of the host's loopback interface, closed or not;
 * and its rarely used code paths are where its memory bugs were found. So
 * a frame passes only if it is one that an ordinary container sends:
 *
 * - Ethernet type ARP, IPv4 or IPv6; nothing else (NC-SI in particular).
 * - IPv4: a sane header; destination not 0.0.0.0/8 (which connect() takes for
 *   "this host") and not 127.0.0.0/8; no fragments (reass.c made them whole).
 * - IPv6: no extension headers; destination not ::, ::1, another
 *   IPv4-compatible nor an IPv4-mapped address; no router solicitation
 *   (addresses are fixed, the answer would only add expiring ones).
 * - TCP: a whole header; urgent data is turned into ordinary data, because
 *   libslirp's handling of it has read beyond its buffer.
 * - No DHCP, BOOTP, TFTP: UDP to ports 67, 69 and 547 is dropped.
 *
 * The gateway address is libslirp's own affair (disable_host_loopback).
 * Pure function of the frame, no state.
 */
#include "net/filter.h"

#include <string.h>

#include "net/frame.h"

#define TCP_URG 0x20u

static bool filter_tcp(uint8_t *tcp, size_t len)
{
	if (len < FRAME_TCP_HEADER || (size_t)(tcp[12] >> 4) * 4 < FRAME_TCP_HEADER ||
	    (size_t)(tcp[12] >> 4) * 4 > len)
		return false;
	if (tcp[13] & TCP_URG) {
		unsigned int before = frame_get16(tcp + 12);

		tcp[13] = (uint8_t)(tcp[13] & ~TCP_URG);
		frame_fix_checksum(tcp + 16, before, frame_get16(tcp + 12));
	}
	if (frame_get16(tcp + 18) != 0) {
		frame_fix_checksum(tcp + 16, frame_get16(tcp + 18), 0);
		frame_put16(tcp + 18, 0);
	}
	return true;
}

static bool filter_udp(const uint8_t *udp, size_t len)
{
	unsigned int port;

	if (len < FRAME_UDP_HEADER)
		return false;
	port = frame_get16(udp + 2);
	return port != 67 && port != 69 && port != 547;
}

static bool filter_ipv4(uint8_t *ip, size_t len)
{
	size_t header, total;

	if (len < FRAME_IPV4_HEADER || ip[0] >> 4 != 4)
		return false;
	header = (size_t)(ip[0] & 0x0f) * 4;
	total = frame_get16(ip + 2);
	if (header < FRAME_IPV4_HEADER || total < header || total > len)
		return false;
	if (ip[16] == 0 || ip[16] == 127)
		return false;
	if ((frame_get16(ip + 6) & 0x3fff) != 0)
		return false; /* a fragment */
	switch (ip[9]) {
	case FRAME_PROTO_TCP:
		return filter_tcp(ip + header, total - header);
	case FRAME_PROTO_UDP:
		return filter_udp(ip + header, total - header);
	case FRAME_PROTO_ICMP:
		return true;
	default:
		return false;
	}
}

static bool filter_ipv6(uint8_t *ip, size_t len)
{
	static const uint8_t zero[12];
	const uint8_t *dst = ip + 24;
	size_t payload;

	if (len < FRAME_IPV6_HEADER || ip[0] >> 4 != 6)
		return false;
	payload = frame_get16(ip + 4);
	if (payload > len - FRAME_IPV6_HEADER)
		return false;
	/* ::/96 (with :: and ::1) and ::ffff:0:0/96 */
	if (memcmp(dst, zero, 10) == 0 &&
	    (frame_get16(dst + 10) == 0 || frame_get16(dst + 10) == 0xffff))
		return false;
	switch (ip[6]) {
	case FRAME_PROTO_TCP:
		return filter_tcp(ip + FRAME_IPV6_HEADER, payload);
	case FRAME_PROTO_UDP:
		return filter_udp(ip + FRAME_IPV6_HEADER, payload);
	case FRAME_PROTO_ICMP6:
		return payload >= 8 && ip[FRAME_IPV6_HEADER] != 133;
	default:
		return false;
	}
}

bool filter_frame(uint8_t *frame, size_t len)
{
	if (len < FRAME_ETH_HEADER)
		return false;
	switch (frame_get16(frame + 12)) {
	case FRAME_TYPE_ARP:
		return len >= FRAME_ETH_HEADER + FRAME_ARP_LEN;
	case FRAME_TYPE_IPV4:
		return filter_ipv4(frame + FRAME_ETH_HEADER, len - FRAME_ETH_HEADER);
	case FRAME_TYPE_IPV6:
		return filter_ipv6(frame + FRAME_ETH_HEADER, len - FRAME_ETH_HEADER);
	default:
		return false;
	}
}
