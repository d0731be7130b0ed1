/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): UDP datagrams in Ethernet frames. */
#ifndef NET_DATAGRAM_H
#define NET_DATAGRAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DATAGRAM_MAX 65507u /* bytes that IPv4 can carry */

/* IPv4 addresses are mapped ones. */
struct datagram {
	struct in6_addr from, to;
	uint16_t from_port, to_port;
	const uint8_t *data;
	size_t len;
};

/* What a frame that has passed the filter carries; the data stays where it is. False: no UDP. */
bool datagram_parse(const uint8_t *frame, size_t len, struct datagram *ret);

/* Takes one frame; it must not keep or change what the parts point to. */
typedef void (*datagram_sink)(void *data, const struct iovec *parts, size_t n);

/*
 * Make frames of a datagram, in fragments where it is longer than the MTU. Both addresses are of one
 * family; what IP cannot carry is dropped. id is different for each datagram.
 */
void datagram_emit(const struct datagram *d, const uint8_t mac[6], unsigned int mtu, uint32_t id,
		   datagram_sink sink, void *data);

/* ::ffff:ADDRESS and back */
struct in6_addr datagram_map(struct in_addr a);
struct in_addr datagram_unmap(const struct in6_addr *a);

#endif
