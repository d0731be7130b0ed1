/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments of a container's datagrams become whole datagrams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/reass.h"
#include "tests/unit/frames.h"

#define IP (FRAME_ETH_HEADER)

static struct reass r;
static uint8_t whole[FRAME_ROOM], piece[FRAME_ROOM];

/* Bytes from..to of the datagram in whole (behind its IP header) as a fragment; returns its length. */
static size_t cut(size_t whole_len, size_t from, size_t to)
{
	size_t end = whole_len - IP - FRAME_IPV4_HEADER;

	memcpy(piece, whole, IP + FRAME_IPV4_HEADER);
	memcpy(piece + IP + FRAME_IPV4_HEADER, whole + IP + FRAME_IPV4_HEADER + from, to - from);
	frame_put16(piece + IP + 2, (unsigned int)(FRAME_IPV4_HEADER + to - from));
	frame_put16(piece + IP + 6, (unsigned int)(from / 8) | (to < end ? 0x2000 : 0));
	return IP + FRAME_IPV4_HEADER + to - from;
}

static enum reass_result feed(size_t whole_len, size_t from, size_t to, uint64_t now, uint8_t **ret,
			      size_t *ret_len)
{
	return reass_frame(&r, piece, cut(whole_len, from, to), now, ret, ret_len);
}

static int setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return 0;
}

static void in_order(void **state)
{
	size_t len = make_frame(whole, FRAME_PROTO_UDP, "10.0.2.100", "192.0.2.1", 1000, 2000,
				1500),
	       got_len = 0;
	uint8_t *got = NULL;

	(void)state;
	assert_int_equal(reass_frame(&r, whole, len, 0, &got, &got_len), REASS_NONE);
	assert_int_equal(feed(len, 0, 800, 0, &got, &got_len), REASS_HELD);
	assert_int_equal(feed(len, 800, 1200, 0, &got, &got_len), REASS_HELD);
	assert_int_equal(feed(len, 1200, 1508, 0, &got, &got_len), REASS_DONE);
	assert_int_equal(got_len, len);
	assert_true(frame_sums_right(got, got_len));
	assert_memory_equal(got, whole, len);
	/* and nothing of it is left */
	assert_int_equal(feed(len, 1200, 1508, 0, &got, &got_len), REASS_HELD);
}

static void not_in_order(void **state)
{
	static const size_t bad[][4] = {
		/* first piece, then: a gap, an overlap, the same again, inside */
		{ 0, 800, 1200, 1508 },
		{ 0, 800, 400, 1508 },
		{ 0, 800, 8, 1508 },
		{ 0, 800, 792, 1508 },
	};
	size_t len = make_frame(whole, FRAME_PROTO_UDP, "10.0.2.100", "192.0.2.1", 1000, 2000,
				1500),
	       got_len = 0;
	uint8_t *got = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(feed(len, bad[i][0], bad[i][1], 0, &got, &got_len), REASS_HELD);
		assert_int_equal(feed(len, bad[i][2], bad[i][3], 0, &got, &got_len), REASS_HELD);
		assert_int_equal(feed(len, 800, 1508, 0, &got, &got_len),
				 REASS_HELD); /* it was dropped */
	}
	/* a new first piece begins anew */
	assert_int_equal(feed(len, 0, 400, 0, &got, &got_len), REASS_HELD);
	assert_int_equal(feed(len, 0, 800, 0, &got, &got_len), REASS_HELD);
	assert_int_equal(feed(len, 800, 1508, 0, &got, &got_len), REASS_DONE);
}

static void too_long(void **state)
{
	size_t len = make_frame(whole, FRAME_PROTO_UDP, "10.0.2.100", "192.0.2.1", 1000, 2000,
				2000),
	       got_len = 0;
	uint8_t *got = NULL;
	size_t piece_len;

	(void)state;
	assert_int_equal(feed(len, 0, 1600, 0, &got, &got_len), REASS_HELD);
	for (size_t offset = 1600; offset + 1600 < 65536; offset += 1600) {
		piece_len = cut(len, 0, 1600);
		frame_put16(piece + IP + 6, (unsigned int)(offset / 8) | 0x2000);
		assert_int_equal(reass_frame(&r, piece, piece_len, 0, &got, &got_len), REASS_HELD);
	}
	piece_len = cut(len, 0, 1600);
	frame_put16(piece + IP + 6, 64000 / 8);
	assert_int_equal(reass_frame(&r, piece, piece_len, 0, &got, &got_len), REASS_HELD);
}

static void many(void **state)
{
	size_t len = make_frame(whole, FRAME_PROTO_UDP, "10.0.2.100", "192.0.2.1", 1000, 2000,
				1500),
	       got_len = 0;
	uint8_t *got = NULL;

	(void)state;
	/* one more datagram than there are slots: the oldest gives way */
	for (unsigned int id = 0; id <= REASS_SLOTS; id++) {
		frame_put16(whole + IP + 4, id);
		assert_int_equal(feed(len, 0, 800, id, &got, &got_len), REASS_HELD);
	}
	frame_put16(whole + IP + 4, 0);
	assert_int_equal(feed(len, 800, 1508, 10, &got, &got_len), REASS_HELD);
	for (unsigned int id = 1; id <= REASS_SLOTS; id++) {
		frame_put16(whole + IP + 4, id);
		assert_int_equal(feed(len, 800, 1508, 10, &got, &got_len), REASS_DONE);
	}
	/* too late */
	assert_int_equal(feed(len, 0, 800, 0, &got, &got_len), REASS_HELD);
	assert_int_equal(feed(len, 800, 1508, 5001, &got, &got_len), REASS_HELD);
}

static void other_protocols(void **state)
{
	size_t len = make_frame(whole, FRAME_PROTO_TCP, "10.0.2.100", "192.0.2.1", 1000, 2000,
				1500),
	       got_len = 0;
	uint8_t *got = NULL;

	(void)state;
	assert_int_equal(feed(len, 0, 800, 0, &got, &got_len), REASS_HELD);
	assert_int_equal(feed(len, 800, 1520, 0, &got, &got_len), REASS_HELD);
	len = make_frame(whole, FRAME_PROTO_UDP, "fd00::100", "2001:db8::1", 1000, 2000, 1500);
	assert_int_equal(reass_frame(&r, whole, len, 0, &got, &got_len), REASS_NONE);
	assert_int_equal(reass_frame(&r, whole, 3, 0, &got, &got_len), REASS_NONE);
}

static void noise(void **state)
{
	unsigned int seed = 7;
	uint8_t *got = NULL;
	size_t got_len = 0;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		size_t len = (size_t)(rand_r(&seed) % 100);
		uint8_t *block = malloc(len != 0 ? len : 1);

		assert_non_null(block);
		for (size_t i = 0; i < len; i++)
			block[i] = (uint8_t)rand_r(&seed);
		if (len >= 40) {
			frame_put16(block + 12, FRAME_TYPE_IPV4);
			block[14] = (uint8_t)(0x45 + (rand_r(&seed) % 8 == 0));
			frame_put16(block + 16, (unsigned int)rand_r(&seed) % 100);
			frame_put16(block + 18, 1);
			frame_put16(block + 20, (unsigned int)(rand_r(&seed) % 8) |
							(rand_r(&seed) % 2 ? 0x2000 : 0));
			block[23] = FRAME_PROTO_UDP;
			memset(block + 26, 1, 8);
		}
		if (reass_frame(&r, block, len, (uint64_t)round, &got, &got_len) == REASS_DONE) {
			assert_true(got_len <= REASS_MAX);
			assert_int_equal(frame_get16(got + IP + 2), got_len - IP);
		}
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(in_order, setup),
		cmocka_unit_test_setup(not_in_order, setup),
		cmocka_unit_test_setup(too_long, setup),
		cmocka_unit_test_setup(many, setup),
		cmocka_unit_test_setup(other_protocols, setup),
		cmocka_unit_test_setup(noise, setup),
	};

	return cmocka_run_group_tests_name("net/reass", tests, NULL, NULL);
}
