/* SPDX-License-Identifier: Apache-2.0 */
/* Which frames of a container reach libslirp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/filter.h"
#include "tests/unit/frames.h"

static uint8_t f[FRAME_ROOM];

static void destinations(void **state)
{
	static const struct {
		const char *src, *dst;
		bool pass;
	} cases[] = {
		{ "10.0.2.100", "192.0.2.1", true },
		{ "10.0.2.100", "10.0.2.2", true }, /* the gateway is libslirp's own affair */
		{ "10.0.2.100", "127.0.0.1", false },
		{ "10.0.2.100", "127.255.255.254", false },
		{ "10.0.2.100", "0.0.0.0", false },
		{ "10.0.2.100", "0.1.2.3", false },
		{ "10.0.2.100", "128.0.0.1", true },
		{ "fd00::100", "2001:db8::1", true },
		{ "fd00::100", "64:ff9b::102:304", true },
		{ "fd00::100", "::1", false },
		{ "fd00::100", "::", false },
		{ "fd00::100", "::7f00:1", false },
		{ "fd00::100", "::ffff:127.0.0.1", false },
		{ "fd00::100", "::ffff:192.0.2.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len =
			make_frame(f, FRAME_PROTO_TCP, cases[i].src, cases[i].dst, 40000, 80, 10);

		if (filter_frame(f, len) != cases[i].pass)
			fail_msg("TCP to %s", cases[i].dst);
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].src, cases[i].dst, 40000, 53, 10);
		if (filter_frame(f, len) != cases[i].pass)
			fail_msg("UDP to %s", cases[i].dst);
	}
}

static void kinds(void **state)
{
	size_t len;

	(void)state;
	/* ARP, NC-SI, VLAN, something else */
	memset(f, 0, sizeof(f));
	frame_put16(f + 12, FRAME_TYPE_ARP);
	assert_true(filter_frame(f, FRAME_ETH_HEADER + FRAME_ARP_LEN));
	assert_false(filter_frame(f, FRAME_ETH_HEADER + FRAME_ARP_LEN - 1));
	frame_put16(f + 12, 0x88f8);
	assert_false(filter_frame(f, 60));
	frame_put16(f + 12, 0x8100);
	assert_false(filter_frame(f, 60));
	/* DHCP, TFTP, DHCPv6, an unknown protocol, a router solicitation */
	len = make_frame(f, FRAME_PROTO_UDP, "0.0.0.0", "255.255.255.255", 68, 67, 300);
	assert_false(filter_frame(f, len));
	len = make_frame(f, FRAME_PROTO_UDP, "10.0.2.100", "10.0.2.2", 5000, 69, 30);
	assert_false(filter_frame(f, len));
	len = make_frame(f, FRAME_PROTO_UDP, "fe80::100", "ff02::1:2", 546, 547, 30);
	assert_false(filter_frame(f, len));
	len = make_frame(f, 132, "10.0.2.100", "192.0.2.1", 5000, 80, 30);
	assert_false(filter_frame(f, len));
	len = make_frame(f, FRAME_PROTO_ICMP6, "fe80::100", "ff02::2", 133 << 8, 0, 8);
	assert_false(filter_frame(f, len));
	len = make_frame(f, FRAME_PROTO_ICMP6, "fe80::100", "ff02::1:ff00:2", 135 << 8, 0, 24);
	assert_true(filter_frame(f, len));
	/* IPv6 extension headers: hop by hop, fragment */
	len = make_frame(f, 0, "fd00::100", "2001:db8::1", 0, 0, 30);
	assert_false(filter_frame(f, len));
	len = make_frame(f, 44, "fd00::100", "2001:db8::1", 0, 0, 30);
	assert_false(filter_frame(f, len));
}

static void lengths(void **state)
{
	size_t len;

	(void)state;
	len = make_frame(f, FRAME_PROTO_TCP, "10.0.2.100", "192.0.2.1", 40000, 80, 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(filter_frame(f, cut));
	assert_true(filter_frame(f, len));
	assert_true(filter_frame(f, len + 6)); /* Ethernet padding */
	len = make_frame(f, FRAME_PROTO_UDP, "fd00::100", "2001:db8::1", 40000, 80, 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(filter_frame(f, cut));
	assert_true(filter_frame(f, len));
	/* header lengths that lie */
	len = make_frame(f, FRAME_PROTO_TCP, "10.0.2.100", "192.0.2.1", 40000, 80, 4);
	f[FRAME_ETH_HEADER] = 0x44;
	assert_false(filter_frame(f, len));
	f[FRAME_ETH_HEADER] = 0x65;
	assert_false(filter_frame(f, len));
	f[FRAME_ETH_HEADER] = 0x4f;
	assert_false(filter_frame(f, len));
	len = make_frame(f, FRAME_PROTO_TCP, "10.0.2.100", "192.0.2.1", 40000, 80, 4);
	f[FRAME_ETH_HEADER + FRAME_IPV4_HEADER + 12] = 0x40;
	assert_false(filter_frame(f, len));
	f[FRAME_ETH_HEADER + FRAME_IPV4_HEADER + 12] = 0xf0;
	assert_false(filter_frame(f, len));
}

static void fragments(void **state)
{
	uint8_t *ip = f + FRAME_ETH_HEADER;
	size_t len;

	(void)state;
	len = make_frame(f, FRAME_PROTO_TCP, "10.0.2.100", "192.0.2.1", 40000, 80, 100);
	frame_put16(ip + 6, 0x2000);
	assert_false(filter_frame(f, len));
	frame_put16(ip + 6, 1);
	assert_false(filter_frame(f, len));
	frame_put16(ip + 6, 0x4000); /* "do not fragment" is no fragment */
	assert_true(filter_frame(f, len));
	/* they have been made whole before; what still comes is not for libslirp */
	len = make_frame(f, FRAME_PROTO_UDP, "10.0.2.100", "192.0.2.1", 40000, 80, 100);
	frame_put16(ip + 6, 0x2000);
	assert_false(filter_frame(f, len));
	frame_put16(ip + 6, 0x2001);
	assert_false(filter_frame(f, len));
	frame_put16(ip + 6, 1);
	assert_false(filter_frame(f, len));
}

static void urgent(void **state)
{
	static const char *const dst[] = { "192.0.2.1", "2001:db8::1" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t header = i == 0 ? FRAME_IPV4_HEADER : FRAME_IPV6_HEADER;
		size_t len = make_frame(f, FRAME_PROTO_TCP, i == 0 ? "10.0.2.100" : "fd00::100",
					dst[i], 40000, 80, 33);
		uint8_t *tcp = f + FRAME_ETH_HEADER + header;
		uint32_t sum;

		tcp[13] = 0x38; /* PSH, ACK, URG */
		frame_put16(tcp + 18, 0xffff);
		frame_put16(tcp + 16, 0);
		sum = frame_sum(f + FRAME_ETH_HEADER + (i == 0 ? 12 : 8), i == 0 ? 8 : 32,
				FRAME_TCP_HEADER + 33 + 6);
		frame_put16(tcp + 16, frame_fold(frame_sum(tcp, FRAME_TCP_HEADER + 33, sum)));
		assert_true(frame_sums_right(f, len));
		assert_true(filter_frame(f, len));
		assert_int_equal(tcp[13], 0x18);
		assert_int_equal(frame_get16(tcp + 18), 0);
		assert_true(frame_sums_right(f, len));
	}
}

static void noise(void **state)
{
	unsigned int seed = 1;

	(void)state;
	/* whatever comes, no byte behind the frame is touched: the frame ends at the end of a heap block */
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)(rand_r(&seed) % 120);
		uint8_t *block = malloc(len != 0 ? len : 1);

		assert_non_null(block);
		for (size_t i = 0; i < len; i++)
			block[i] = (uint8_t)rand_r(&seed);
		if (len >= 15) {
			frame_put16(block + 12, round % 2 ? FRAME_TYPE_IPV4 : FRAME_TYPE_IPV6);
			block[14] = (uint8_t)(round % 2 ? 0x40 | (block[14] & 15) : 0x60);
		}
		(void)filter_frame(block, len);
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destinations), cmocka_unit_test(kinds),  cmocka_unit_test(lengths),
		cmocka_unit_test(fragments),	cmocka_unit_test(urgent), cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests_name("net/filter", tests, NULL, NULL);
}
