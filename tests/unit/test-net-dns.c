/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages read and written, and questions handed on to servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "net/dns.h"

/* web.Test, type and flags to be changed */
static const uint8_t base_query[] = { 0x12, 0x34, 1,   0, 0,   1,   0,	 0,   0, 0, 0, 0, 3,
				      'w',  'e',  'b', 4, 'T', 'e', 's', 't', 0, 0, 1, 0, 1 };

static void test_question(void **state)
{
	struct dns_question q;

	(void)state;
	assert_int_equal(dns_parse(base_query, sizeof(base_query), &q), 0);
	assert_string_equal(q.name, "web.test");
	assert_int_equal(q.id, 0x1234);
	assert_int_equal(q.type, DNS_TYPE_A);
	assert_true(q.recursion);
	assert_false(q.odd);
	assert_false(q.edns);
	assert_int_equal(q.udp_size, DNS_UDP_PLAIN);
	assert_int_equal(q.end, sizeof(base_query));
	for (size_t n = 0; n < sizeof(base_query); n++)
		assert_true(dns_parse(base_query, n, &q) < 0);
}

static void test_edns_is_bounded(void **state)
{
	static const uint16_t sizes[][2] = { { 0, 512 }, { 1232, 1232 }, { 65535, 4096 } };
	uint8_t msg[sizeof(base_query) + 11];
	struct dns_question q;

	(void)state;
	memcpy(msg, base_query, sizeof(base_query));
	msg[11] = 1;
	for (size_t i = 0; i < 3; i++) {
		const uint8_t opt[11] = { 0, 0, 41, (uint8_t)(sizes[i][0] >> 8),
					  (uint8_t)sizes[i][0] };

		memcpy(msg + sizeof(base_query), opt, sizeof(opt));
		assert_int_equal(dns_parse(msg, sizeof(msg), &q), 0);
		assert_true(q.edns);
		assert_int_equal(q.udp_size, sizes[i][1]);
	}
}

static void test_odd_names_match_nothing(void **state)
{
	uint8_t msg[sizeof(base_query)];
	struct dns_question q;

	(void)state;
	memcpy(msg, base_query, sizeof(msg));
	msg[14] = '.'; /* a dot inside a label must not look like two labels */
	assert_int_equal(dns_parse(msg, sizeof(msg), &q), 0);
	assert_true(q.odd);
	assert_string_equal(q.name, "");
	msg[14] = 'e';
	msg[sizeof(msg) - 1] = 3; /* class CHAOS */
	assert_int_equal(dns_parse(msg, sizeof(msg), &q), 0);
	assert_true(q.odd);
}

static void test_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int code;
	} cases[] = {
		{ 2, 0x81, -ENOMSG }, { 2, 0x29, -EOPNOTSUPP }, { 5, 0, -EBADMSG },
		{ 5, 2, -EBADMSG },   { 7, 1, -EBADMSG },	{ 12, 0xc0, -EBADMSG },
		{ 12, 64, -EBADMSG },
	};
	struct dns_question q;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t msg[sizeof(base_query)];

		memcpy(msg, base_query, sizeof(msg));
		msg[cases[i].at] = cases[i].value;
		assert_int_equal(dns_parse(msg, sizeof(msg), &q), cases[i].code);
	}
}

static void test_answer(void **state)
{
	static const uint8_t record[] = { 0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 89, 0, 2 };
	const uint8_t addr[4] = { 10, 89, 0, 2 };
	uint8_t out[DNS_UDP_PLAIN];
	struct dns_question q;
	struct dns_answer a;
	size_t len;

	(void)state;
	assert_int_equal(dns_parse(base_query, sizeof(base_query), &q), 0);
	dns_answer_begin(&a, out, sizeof(out), base_query, &q, DNS_CODE_OK);
	dns_answer_address(&a, AF_INET, addr, 60);
	len = dns_answer_end(&a);
	assert_int_equal(len, sizeof(base_query) + sizeof(record));
	assert_memory_equal(out + sizeof(base_query), record, sizeof(record));
	assert_int_equal(out[2], 0x85); /* an answer with authority, recursion wanted */
	assert_int_equal(out[3], 0x80);
	assert_int_equal(out[7], 1);
	/* the name comes back as it was written, not in lower case */
	assert_memory_equal(out + 12, base_query + 12, sizeof(base_query) - 12);
}

static void test_long_answer_is_marked(void **state)
{
	const uint8_t addr[4] = { 10, 89, 0, 2 };
	uint8_t out[DNS_UDP_PLAIN];
	struct dns_question q;
	struct dns_answer a;

	(void)state;
	assert_int_equal(dns_parse(base_query, sizeof(base_query), &q), 0);
	dns_answer_begin(&a, out, sizeof(out), base_query, &q, DNS_CODE_OK);
	for (int i = 0; i < 100; i++)
		dns_answer_address(&a, AF_INET, addr, 60);
	assert_true(dns_answer_end(&a) <= sizeof(out));
	assert_int_equal(out[2] & 2, 2);
	assert_int_equal(out[7], (DNS_UDP_PLAIN - sizeof(base_query)) / 16);
}

static void test_reverse(void **state)
{
	struct in6_addr a;
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_int_equal(dns_parse_reverse("2.0.89.10.in-addr.arpa", &a), AF_INET);
	assert_memory_equal(&a, "\x0a\x59\x00\x02", 4);
	assert_int_equal(
		dns_parse_reverse("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f."
				  "ip6.arpa",
				  &a),
		AF_INET6);
	assert_string_equal(inet_ntop(AF_INET6, &a, text, sizeof(text)), "fd00::1");
	assert_int_equal(dns_parse_reverse("2.0.89.in-addr.arpa", &a), 0);
	assert_int_equal(dns_parse_reverse("2.0.89.256.in-addr.arpa", &a), 0);
	assert_int_equal(dns_parse_reverse("x", &a), 0);
	assert_int_equal(dns_parse_reverse("", &a), 0);
}

static void test_servers(void **state)
{
	struct sockaddr_in6 s[2];
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_int_equal(dns_parse_servers("#nameserver 9.9.9.9\n nameserver\t10.1.1.1\r\n"
					   "nameserver x\nnameserver fd00::53\nnameserver 1.1.1.1",
					   s, 2),
			 2);
	assert_string_equal(inet_ntop(AF_INET6, &s[0].sin6_addr, text, sizeof(text)),
			    "::ffff:10.1.1.1");
	assert_string_equal(inet_ntop(AF_INET6, &s[1].sin6_addr, text, sizeof(text)), "fd00::53");
	assert_int_equal(dns_parse_servers("", s, 2), 1);
	assert_string_equal(inet_ntop(AF_INET6, &s[0].sin6_addr, text, sizeof(text)),
			    "::ffff:127.0.0.1");
}

static void test_cut(void **state)
{
	uint8_t msg[700];

	(void)state;
	memset(msg, 0xff, sizeof(msg));
	memcpy(msg, base_query, sizeof(base_query));
	assert_int_equal(dns_cut(msg, sizeof(msg), 700), 700);
	assert_int_equal(dns_cut(msg, sizeof(msg), 512), sizeof(base_query));
	assert_int_equal(msg[2] & 2, 2);
	msg[12] = 0xc0; /* a question that cannot be read is left out */
	assert_int_equal(dns_cut(msg, sizeof(msg), 512), DNS_HEADER);
	assert_int_equal(msg[5], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_edns_is_bounded),
		cmocka_unit_test(test_odd_names_match_nothing),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_long_answer_is_marked),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
