/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's Ethernet address, for libslirp.
 *
 * Theory of operation
 *
 * libslirp asks by ARP and by neighbour solicitation before it delivers the
 * first frame, and drops what it cannot deliver: the first datagram or
 * connection to a published port would be late or lost when the container
 * has not sent anything yet. Both answers are known beforehand, since crt-net
 * can read the address from the tap device, so it plays them to libslirp at
 * the start. Should the container change its address later, it says so on the
 * wire by itself.
 */
#include "net/neigh.h"

#include <string.h>

#include "net/frame.h"

void neigh_arp_frame(const struct layout *l, const uint8_t mac[6], uint8_t ret[NEIGH_ARP_LEN])
{
	uint8_t *arp = ret + FRAME_ETH_HEADER;

	memset(ret, 0, NEIGH_ARP_LEN);
	memset(ret, 0xff, 6);
	memcpy(ret + 6, mac, 6);
	frame_put16(ret + 12, FRAME_TYPE_ARP);
	frame_put16(arp, 1); /* Ethernet */
	frame_put16(arp + 2, FRAME_TYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	frame_put16(arp + 6, 2); /* reply */
	memcpy(arp + 8, mac, 6);
	memcpy(arp + 14, &l->guest, 4);
	memset(arp + 18, 0xff, 6);
	memcpy(arp + 24, &l->gateway, 4);
}

void neigh_na_frame(const struct layout *l, const uint8_t mac[6], uint8_t ret[NEIGH_NA_LEN])
{
	const unsigned int payload = NEIGH_NA_LEN - FRAME_ETH_HEADER - FRAME_IPV6_HEADER;
	uint8_t *ip = ret + FRAME_ETH_HEADER;
	uint8_t *icmp = ip + FRAME_IPV6_HEADER;

	memset(ret, 0, NEIGH_NA_LEN);
	memset(ret, 0xff, 6);
	memcpy(ret + 6, mac, 6);
	frame_put16(ret + 12, FRAME_TYPE_IPV6);
	ip[0] = 0x60;
	frame_put16(ip + 4, payload);
	ip[6] = FRAME_PROTO_ICMP6;
	ip[7] = 255;
	memcpy(ip + 8, &l->guest6, 16);
	memcpy(ip + 24, &l->gateway6, 16);
	icmp[0] = 136;	/* neighbour advertisement */
	icmp[4] = 0x20; /* override */
	memcpy(icmp + 8, &l->guest6, 16);
	/* the pseudo header is both addresses, length and protocol */
	frame_put16(icmp + 2,
		    frame_fold(frame_sum(ip + 8, 32 + payload, payload + FRAME_PROTO_ICMP6)));
}

void neigh_announce(Slirp *s, const struct layout *l, const uint8_t mac[6])
{
	uint8_t arp[NEIGH_ARP_LEN], na[NEIGH_NA_LEN];

	neigh_arp_frame(l, mac, arp);
	slirp_input(s, arp, (int)sizeof(arp));
	if (l->ipv6) {
		neigh_na_frame(l, mac, na);
		slirp_input(s, na, (int)sizeof(na));
	}
}
