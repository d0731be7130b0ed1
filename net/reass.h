/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): fragmented IPv4 datagrams of the container become whole before libslirp sees them. */
#ifndef NET_REASS_H
#define NET_REASS_H

#include <stddef.h>
#include <stdint.h>

#define REASS_SLOTS 4
#define REASS_MAX   (14 + 65535) /* Ethernet header and the largest datagram */

struct reass {
	struct reass_slot {
		uint64_t expires_ms;
		size_t len;    /* of the frame so far; 0 = unused */
		size_t header; /* of IPv4 */
		uint8_t frame[REASS_MAX];
	} slot[REASS_SLOTS];
};

enum reass_result {
	REASS_NONE, /* not a fragment: use the frame itself */
	REASS_HELD, /* taken or dropped */
	REASS_DONE  /* *ret is the whole frame, valid until the next call */
};

enum reass_result reass_frame(struct reass *r, const uint8_t *frame, size_t len, uint64_t now_ms,
			      uint8_t **ret, size_t *ret_len);

#endif
