/* SPDX-License-Identifier: Apache-2.0 */
/* Published UDP ports and clients on the host's loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/nat.h"
#include "tests/unit/frames.h"

static uint8_t f[FRAME_ROOM];
static uint8_t head[NAT_HEAD];

static struct nat make_nat(void)
{
	struct nat n = { .gateway.s_addr = 0 };

	(void)inet_pton(AF_INET, "10.0.2.2", &n.gateway);
	(void)inet_pton(AF_INET6, "fd00::2", &n.gateway6);
	return n;
}

static bool address_is(const uint8_t *at, const char *text)
{
	uint8_t addr[16];
	bool six = strchr(text, ':') != NULL;

	(void)inet_pton(six ? AF_INET6 : AF_INET, text, addr);
	return memcmp(at, addr, six ? 16 : 4) == 0;
}

static void answers(void **state)
{
	static const struct {
		const char *gateway, *guest, *loopback;
		size_t src, dst;
	} cases[] = {
		{ "10.0.2.2", "10.0.2.100", "127.0.0.1", 12, 16 },
		{ "fd00::2", "fd00::100", "::1", 8, 24 },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct nat n = make_nat();
		uint8_t *ip = f + FRAME_ETH_HEADER;
		size_t len, head_len;

		/* nobody asked: stays with the gateway */
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].guest, cases[i].gateway, 53, 5000,
				 11);
		nat_from_container(&n, f, len, 1000);
		assert_true(address_is(ip + cases[i].dst, cases[i].gateway));
		/* a question, then the answer */
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].gateway, cases[i].guest, 5000, 53, 7);
		head_len = nat_to_container(&n, f, len, 1000, head);
		if (head_len != 0)
			memcpy(f, head, head_len);
		assert_true(address_is(ip + cases[i].src, cases[i].gateway));
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].guest, cases[i].gateway, 53, 5000,
				 11);
		nat_from_container(&n, f, len, 1000 + 239999);
		assert_true(address_is(ip + cases[i].dst, cases[i].loopback));
		assert_true(frame_sums_right(f, len));
		/* another port of either side is another matter */
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].guest, cases[i].gateway, 53, 5001,
				 11);
		nat_from_container(&n, f, len, 1000);
		assert_true(address_is(ip + cases[i].dst, cases[i].gateway));
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].guest, cases[i].gateway, 54, 5000,
				 11);
		nat_from_container(&n, f, len, 1000);
		assert_true(address_is(ip + cases[i].dst, cases[i].gateway));
		/* TCP is left alone */
		len = make_frame(f, FRAME_PROTO_TCP, cases[i].guest, cases[i].gateway, 53, 5000,
				 11);
		nat_from_container(&n, f, len, 1000);
		assert_true(address_is(ip + cases[i].dst, cases[i].gateway));
		/* the answer renewed the association; it ends some time */
		len = make_frame(f, FRAME_PROTO_UDP, cases[i].guest, cases[i].gateway, 53, 5000,
				 11);
		nat_from_container(&n, f, len, 1000 + 2 * 240000);
		assert_true(address_is(ip + cases[i].dst, cases[i].gateway));
	}
}

static void source(void **state)
{
	static const struct {
		const char *src, *guest, *shown;
		size_t at;
	} cases[] = {
		{ "127.0.0.1", "10.0.2.100", "10.0.2.2", 12 },
		{ "127.0.0.53", "10.0.2.100", "10.0.2.2", 12 },
		{ "::1", "fd00::100", "fd00::2", 8 },
	};
	struct nat n = make_nat();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len =
			make_frame(f, FRAME_PROTO_UDP, cases[i].src, cases[i].guest, 5000, 53, 300);
		size_t head_len = nat_to_container(&n, f, len, 1000, head);

		assert_int_equal(head_len, NAT_HEAD);
		memcpy(f, head, head_len);
		assert_true(address_is(f + FRAME_ETH_HEADER + cases[i].at, cases[i].shown));
		assert_true(frame_sums_right(f, len));
	}
	/* other sources are shown as they are */
	assert_int_equal(
		nat_to_container(&n, f,
				 make_frame(f, FRAME_PROTO_UDP, "192.0.2.1", "10.0.2.100", 1, 2, 9),
				 0, head),
		0);
	assert_int_equal(
		nat_to_container(&n, f,
				 make_frame(f, FRAME_PROTO_TCP, "127.0.0.1", "10.0.2.100", 1, 2, 9),
				 0, head),
		0);
}

static void no_checksum(void **state)
{
	struct nat n = make_nat();
	uint8_t *udp = f + FRAME_ETH_HEADER + FRAME_IPV4_HEADER;
	size_t len;

	(void)state;
	(void)nat_to_container(
		&n, f, make_frame(f, FRAME_PROTO_UDP, "10.0.2.2", "10.0.2.100", 5000, 53, 7), 0,
		head);
	len = make_frame(f, FRAME_PROTO_UDP, "10.0.2.100", "10.0.2.2", 53, 5000, 11);
	frame_put16(udp + 6, 0);
	nat_from_container(&n, f, len, 0);
	assert_true(address_is(f + FRAME_ETH_HEADER + 16, "127.0.0.1"));
	assert_int_equal(frame_get16(udp + 6), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(source),
		cmocka_unit_test(no_checksum),
	};

	return cmocka_run_group_tests_name("net/nat", tests, NULL, NULL);
}
