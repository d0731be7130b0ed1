/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses in a container's network. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/layout.h"

static void check4(struct in_addr a, const char *expected)
{
	char text[INET_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET, &a, text, sizeof(text)), expected);
}

static void check6(const struct in6_addr *a, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET6, a, text, sizeof(text)), expected);
}

static void defaults(void **state)
{
	struct error e = ERROR_INIT;
	struct net_request r;
	struct layout l;

	(void)state;
	net_request_init(&r);
	assert_int_equal(layout_make(&r, &l, &e), 0);
	check4(l.network, "10.0.2.0");
	check4(l.mask, "255.255.255.0");
	check4(l.gateway, "10.0.2.2");
	check4(l.dns, "10.0.2.3");
	check4(l.guest, "10.0.2.100");
	check6(&l.prefix6, "fd00::");
	check6(&l.gateway6, "fd00::2");
	check6(&l.dns6, "fd00::3");
	check6(&l.guest6, "fd00::100");
	assert_int_equal(l.mtu, LAYOUT_MTU_DEFAULT);
	assert_true(l.ipv6);
}

static void small_network(void **state)
{
	struct error e = ERROR_INIT;
	struct net_request r;
	struct layout l;

	(void)state;
	net_request_init(&r);
	memcpy(r.cidr, "192.168.7.16/28", sizeof("192.168.7.16/28"));
	assert_int_equal(layout_make(&r, &l, &e), 0);
	check4(l.gateway, "192.168.7.18");
	check4(l.guest, "192.168.7.30");
	memcpy(r.cidr, "10.0.0.0/8", sizeof("10.0.0.0/8"));
	assert_int_equal(layout_make(&r, &l, &e), 0);
	check4(l.guest, "10.0.0.100");
}

static void mtu(void **state)
{
	static const struct {
		unsigned int mtu;
		bool ipv6, good;
	} cases[] = {
		{ 1280, true, true },  { 1279, true, false }, { 1279, false, true },
		{ 575, false, false }, { 65521, true, true }, { 65522, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_request r;
		struct layout l;

		net_request_init(&r);
		r.mtu = cases[i].mtu;
		r.ipv6 = cases[i].ipv6;
		assert_int_equal(layout_make(&r, &l, NULL), cases[i].good ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(small_network),
		cmocka_unit_test(mtu),
	};

	return cmocka_run_group_tests_name("net/layout", tests, NULL, NULL);
}
