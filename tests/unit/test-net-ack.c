/* SPDX-License-Identifier: Apache-2.0 */
/* Which acknowledgement makes which one superfluous. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/ack.h"
#include "tests/unit/frames.h"

static uint8_t a[FRAME_ROOM], b[FRAME_ROOM];

/* A pure acknowledgement of n bytes; returns the length and the TCP header. */
static size_t make_ack(uint8_t *f, bool six, unsigned int port, unsigned int n, uint8_t **ret_tcp)
{
	size_t len = make_frame(f, FRAME_PROTO_TCP, six ? "2001:db8::1" : "192.0.2.1",
				six ? "fd00::100" : "10.0.2.100", 80, port, 0);

	*ret_tcp = f + len - FRAME_TCP_HEADER;
	(*ret_tcp)[13] = 0x10;
	frame_put16(*ret_tcp + 8, n >> 16);
	frame_put16(*ret_tcp + 10, n & 0xffff);
	return len;
}

static void pure(void **state)
{
	uint8_t *tcp;
	size_t len;

	(void)state;
	for (int six = 0; six < 2; six++) {
		len = make_ack(a, six, 40000, 1000, &tcp);
		assert_true(ack_is_pure(a, len));
		assert_false(ack_is_pure(a, len - 1));
		assert_false(ack_is_pure(a, len + 1)); /* data */
		for (unsigned int bit = 1; bit < 256; bit <<= 1) {
			tcp[13] = (uint8_t)(0x10 ^ bit);
			assert_false(ack_is_pure(a, len));
		}
	}
	len = make_frame(a, FRAME_PROTO_UDP, "192.0.2.1", "10.0.2.100", 1, 2, 12);
	assert_false(ack_is_pure(a, len));
	assert_false(ack_is_pure(a, 0));
}

static void order(void **state)
{
	static const struct {
		unsigned int old, new;
		bool yes;
	} cases[] = {
		{ 1000, 1001, true },	      { 1000, 1000, false }, { 1000, 999, false },
		{ 0xffffff00, 0x100, true }, /* sequence numbers wrap */
		{ 0x100, 0xffffff00, false },
	};
	uint8_t *tcp;

	(void)state;
	for (int six = 0; six < 2; six++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			size_t old_len = make_ack(a, six, 40000, cases[i].old, &tcp);
			size_t len = make_ack(b, six, 40000, cases[i].new, &tcp);

			assert_int_equal(ack_supersedes(b, len, a, old_len), cases[i].yes);
		}
	}
}

static void other_connection(void **state)
{
	uint8_t *tcp;
	size_t old_len, len;

	(void)state;
	for (int six = 0; six < 2; six++) {
		old_len = make_ack(a, six, 40000, 1000, &tcp);
		len = make_ack(b, six, 40001, 2000, &tcp);
		assert_false(ack_supersedes(b, len, a, old_len));
		len = make_ack(b, six, 40000, 2000, &tcp);
		assert_true(ack_supersedes(b, len, a, old_len));
		tcp[-1] ^= 1; /* another destination */
		assert_false(ack_supersedes(b, len, a, old_len));
		tcp[-1] ^= 1;
		tcp[7] ^= 1; /* data went in between */
		assert_false(ack_supersedes(b, len, a, old_len));
	}
	old_len = make_ack(a, false, 40000, 1000, &tcp);
	len = make_ack(b, true, 40000, 2000, &tcp);
	assert_false(ack_supersedes(b, len, a, old_len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pure),
		cmocka_unit_test(order),
		cmocka_unit_test(other_connection),
	};

	return cmocka_run_group_tests_name("net/ack", tests, NULL, NULL);
}
