/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet frames that a container sends: reassembly, filter,
 * acknowledgements, datagrams, in the order in which crt-net has them. What is
 * found to be a datagram is made into frames again. The
 * input is a series of frames, each with its length in two bytes in front.
 */
#include "net/ack.h"
#include "net/datagram.h"
#include "net/filter.h"
#include "net/reass.h"
#include "tests/fuzz/fuzz.h"

/* A frame on its way to the container. */
static void sink(void *data, const struct iovec *parts, size_t n)
{
	size_t *total = data;
	struct datagram d;
	uint8_t frame[65536 + 64];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		MUST(len + parts[i].iov_len <= sizeof(frame));
		memcpy(frame + len, parts[i].iov_base, parts[i].iov_len);
		len += parts[i].iov_len;
	}
	MUST(len <= 14 + 1280);
	*total += len;
	if (datagram_parse(frame, len, &d))
		MUST(d.data + d.len <= frame + len);
}

static void look_at_datagram(const uint8_t *frame, size_t len)
{
	static const uint8_t mac[6];
	struct datagram d;
	size_t total = 0;

	if (!datagram_parse(frame, len, &d))
		return;
	MUST(d.data >= frame && d.data + d.len <= frame + len);
	datagram_emit(&d, mac, 1280, (uint32_t)len, sink, &total);
	MUST(total > d.len);
}

static void one(struct reass *r, const uint8_t *data, size_t len, uint64_t now)
{
	uint8_t *frame = malloc(len != 0 ? len : 1), *whole = frame;
	size_t whole_len = len;

	MUST(frame != NULL);
	if (len != 0)
		memcpy(frame, data, len);
	look_at_datagram(frame, len); /* it must not rely on the filter */
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
			look_at_datagram(whole, whole_len);
		break;
	}
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reass r;
	uint64_t now = 1000;

	for (size_t i = 0; i < REASS_SLOTS; i++)
		r.slot[i].len = 0;
	while (size > 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		one(&r, data, len, now);
		now += len;
		data += len;
		size -= len;
	}
	return 0;
}
