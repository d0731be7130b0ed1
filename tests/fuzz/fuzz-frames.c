/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet frames that a container sends: reassembly, filter, address
 * translation, acknowledgements, in the order in which crt-net has them. The
 * input is a series of frames, each with its length in two bytes in front.
 */
#include <arpa/inet.h>

#include "net/ack.h"
#include "net/filter.h"
#include "net/nat.h"
#include "net/reass.h"
#include "tests/fuzz/fuzz.h"

static void one(struct nat *n, struct reass *r, const uint8_t *data, size_t len, uint64_t now)
{
	uint8_t *frame = malloc(len != 0 ? len : 1), *whole = frame, head[NAT_HEAD];
	size_t whole_len = len, h;

	MUST(frame != NULL);
	if (len != 0)
		memcpy(frame, data, len);
	h = nat_to_container(n, frame, len, now, head);
	MUST(h <= sizeof(head) && h <= len);
	switch (reass_frame(r, frame, len, now, &whole, &whole_len)) {
	case REASS_HELD:
		break;
	case REASS_DONE:
		MUST(whole_len <= REASS_MAX);
		__attribute__((fallthrough));
	case REASS_NONE:
	default:
		(void)ack_is_pure(whole, whole_len);
		(void)ack_supersedes(whole, whole_len, frame, len);
		if (filter_frame(whole, whole_len))
			nat_from_container(n, whole, whole_len, now);
		break;
	}
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reass r;
	static struct nat n;
	uint64_t now = 1000;

	memset(&n, 0, sizeof(n));
	for (size_t i = 0; i < REASS_SLOTS; i++)
		r.slot[i].len = 0;
	MUST(inet_pton(AF_INET, "10.0.2.2", &n.gateway) == 1);
	while (size > 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		one(&n, &r, data, len, now);
		now += len;
		data += len;
		size -= len;
	}
	return 0;
}
