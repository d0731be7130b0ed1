/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams into frames and back, also in fragments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/datagram.h"
#include "net/reass.h"
#include "tests/unit/frames.h"

#define FRAMES_MAX 64

struct wire {
	size_t n, len[FRAMES_MAX];
	uint8_t frame[FRAMES_MAX][70000];
};

static struct wire wire;
static uint8_t data[DATAGRAM_MAX + 1];

static void sink(void *to, const struct iovec *parts, size_t n)
{
	struct wire *w = to;

	assert_true(w->n < FRAMES_MAX);
	w->len[w->n] = 0;
	for (size_t i = 0; i < n; i++) {
		memcpy(w->frame[w->n] + w->len[w->n], parts[i].iov_base, parts[i].iov_len);
		w->len[w->n] += parts[i].iov_len;
	}
	w->n++;
}

static struct in6_addr address(const char *text)
{
	struct in6_addr ret;
	struct in_addr a4;

	if (inet_pton(AF_INET, text, &a4) == 1)
		return datagram_map(a4);
	assert_int_equal(inet_pton(AF_INET6, text, &ret), 1);
	return ret;
}

static struct datagram make(const char *from, const char *to, size_t len)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	return (struct datagram){ .from = address(from),
				  .to = address(to),
				  .from_port = 5000,
				  .to_port = 53,
				  .data = data,
				  .len = len };
}

static void there_and_back(void **state)
{
	static const uint8_t mac[6] = { 2, 3, 4, 5, 6, 7 };
	static const struct {
		const char *from, *to;
	} pairs[] = { { "192.0.2.1", "10.0.2.100" }, { "2001:db8::1", "fd00::100" } };
	static const size_t sizes[] = { 0, 1, 2, 1000, 1232, 1452, 1472 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct datagram d = make(pairs[i].from, pairs[i].to, sizes[k]), got;

			wire.n = 0;
			datagram_emit(&d, mac, 65520, 1, sink, &wire);
			assert_int_equal(wire.n, 1);
			assert_memory_equal(wire.frame[0], mac, 6);
			assert_true(datagram_parse(wire.frame[0], wire.len[0], &got));
			assert_memory_equal(&got.from, &d.from, 16);
			assert_memory_equal(&got.to, &d.to, 16);
			assert_int_equal(got.from_port, 5000);
			assert_int_equal(got.to_port, 53);
			assert_int_equal(got.len, d.len);
			assert_memory_equal(got.data, data, d.len);
			if (i == 1)
				assert_true(frame_sums_right(wire.frame[0], wire.len[0]));
			/* cut short anywhere it is none */
			for (size_t len = 0; len < wire.len[0]; len += 13)
				assert_false(datagram_parse(wire.frame[0], len, &got));
		}
	}
}

static void fragments_v4(void **state)
{
	static const unsigned int mtus[] = { 576, 1500, 32000 };
	static struct reass r;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct datagram d =
			make("192.0.2.1", "10.0.2.100", mtus[i] == 576 ? 20000 : DATAGRAM_MAX);
		enum reass_result result = REASS_NONE;
		struct datagram got;
		uint8_t *whole = NULL;
		size_t whole_len = 0;

		wire.n = 0;
		datagram_emit(&d, (const uint8_t[6]){ 0 }, mtus[i], 77, sink, &wire);
		assert_true(wire.n > 1);
		for (size_t k = 0; k < wire.n; k++) {
			assert_true(wire.len[k] <= FRAME_ETH_HEADER + mtus[i]);
			result = reass_frame(&r, wire.frame[k], wire.len[k], 1, &whole, &whole_len);
			assert_int_equal(result, k + 1 < wire.n ? REASS_HELD : REASS_DONE);
		}
		assert_true(datagram_parse(whole, whole_len, &got));
		assert_int_equal(got.len, d.len);
		assert_memory_equal(got.data, data, d.len);
	}
}

static void fragments_v6(void **state)
{
	struct datagram d = make("2001:db8::1", "fd00::100", 5000);
	size_t total = 0;

	(void)state;
	wire.n = 0;
	datagram_emit(&d, (const uint8_t[6]){ 0 }, 1280, 77, sink, &wire);
	assert_int_equal(wire.n, 5);
	for (size_t k = 0; k < wire.n; k++) {
		const uint8_t *ip = wire.frame[k] + FRAME_ETH_HEADER;
		size_t part = frame_get16(ip + 4) - 8;

		assert_true(wire.len[k] <= FRAME_ETH_HEADER + 1280);
		assert_int_equal(ip[6], 44);
		assert_int_equal(ip[40], FRAME_PROTO_UDP);
		assert_int_equal(frame_get16(ip + 42) & ~7u, total);
		assert_int_equal(frame_get16(ip + 42) & 1, k + 1 < wire.n);
		assert_int_equal(wire.len[k], FRAME_ETH_HEADER + 48 + part);
		assert_memory_equal(ip + 48 + (k == 0 ? 8 : 0), data + total - (k == 0 ? 0 : 8),
				    part - (k == 0 ? 8 : 0));
		total += part;
	}
	assert_int_equal(total, 5008);
}

static void refused(void **state)
{
	struct datagram d = make("192.0.2.1", "10.0.2.100", DATAGRAM_MAX + 1);

	(void)state;
	wire.n = 0;
	datagram_emit(&d, (const uint8_t[6]){ 0 }, 1500, 1, sink, &wire);
	d = make("2001:db8::1", "10.0.2.100", 1);
	datagram_emit(&d, (const uint8_t[6]){ 0 }, 1500, 1, sink, &wire);
	assert_int_equal(wire.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(fragments_v4),
		cmocka_unit_test(fragments_v6),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
