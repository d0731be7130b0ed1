/* SPDX-License-Identifier: Apache-2.0 */
/* --network NAME:..., subnets, ranges and what a container may ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/names.h"
#include "net/net.h"

static struct in_addr ip4(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return a;
}

static void test_members(void **state)
{
	struct net_request r;
	struct error e = ERROR_INIT;

	(void)state;
	net_request_init(&r);
	assert_int_equal(net_parse_network("a:ip=10.1.2.3,ip6=fd00::3,mac=92:00:00:00:00:01,"
					   "alias=x,alias=y,interface_name=lan0",
					   &r, &e),
			 0);
	assert_int_equal(net_parse_network("b,c", &r, &e), 0);
	assert_int_equal(net_parse_network("bridge", &r, &e), 0);
	assert_int_equal(net_parse_network("b:alias=z", &r, &e), 0); /* the same one again */
	assert_int_equal(r.members_n, 4);
	assert_string_equal(r.members[0].ip, "10.1.2.3");
	assert_string_equal(r.members[0].ip6, "fd00::3");
	assert_string_equal(r.members[0].mac, "92:00:00:00:00:01");
	assert_string_equal(r.members[0].ifname, "lan0");
	assert_int_equal(r.members[0].aliases.n, 2);
	assert_string_equal(r.members[3].name, NET_DEFAULT_NETWORK);
	assert_string_equal(net_member_find(&r, "b")->aliases.v[0], "z");
	net_member_remove(&r, 0);
	assert_null(net_member_find(&r, "a"));
	assert_int_equal(r.members_n, 3);
	net_request_fini(&r);
}

static void test_members_refused(void **state)
{
	static const char *const bad[] = { "a:ip=10.1.2",
					   "a:ip6=10.1.2.3",
					   "a:mac=01:00:00:00:00:00",
					   "a:mac=1:2:3:4:5:6",
					   "a:alias=-x",
					   "a:interface_name=",
					   "a:interface_name=a/b",
					   "a:interface_name=0123456789abcdef",
					   "a:what=x",
					   "a:ip",
					   "-a",
					   "",
					   "a,-b",
					   "host:x=y",
					   "a:mac=00:00:00:00:00:00" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error e = ERROR_INIT;
		struct net_request r;

		net_request_init(&r);
		assert_int_equal(net_parse_network(bad[i], &r, &e), -EINVAL);
		assert_true(e.msg[0] != '\0');
		net_request_fini(&r);
	}
}

static void test_modes_do_not_mix(void **state)
{
	struct error e = ERROR_INIT;
	struct net_request r;

	(void)state;
	net_request_init(&r);
	assert_int_equal(net_parse_network("host", &r, &e), 0);
	assert_int_equal(net_parse_network("a", &r, &e), -EINVAL);
	net_request_fini(&r);
	net_request_init(&r);
	assert_int_equal(net_parse_network("a", &r, &e), 0);
	assert_int_equal(net_parse_network("none", &r, &e), -EINVAL);
	net_request_fini(&r);
}

static void test_single_options(void **state)
{
	struct strv none = { .v = NULL }, one = { .v = NULL };
	struct error e = ERROR_INIT;
	struct net_request r;

	(void)state;
	net_request_init(&r);
	assert_int_equal(strv_add(&one, "x"), 0);
	assert_int_equal(net_check_members(&r, NULL, NULL, NULL, &none, &e), 0);
	assert_int_equal(net_check_members(&r, "10.0.0.1", NULL, NULL, &none, &e), -EINVAL);
	assert_int_equal(net_check_members(&r, NULL, NULL, NULL, &one, &e), -EINVAL);
	assert_int_equal(net_parse_network("a", &r, &e), 0);
	assert_int_equal(net_check_members(&r, "fd00::1", NULL, NULL, &none, &e), -EINVAL);
	assert_int_equal(net_check_members(&r, "10.0.0.1", "fd00::1", "92:0:0:0:0:1", &none, &e),
			 -EINVAL);
	assert_int_equal(net_check_members(&r, "10.0.0.1", "fd00::1", NULL, &one, &e), 0);
	assert_string_equal(r.members[0].ip, "10.0.0.1");
	assert_string_equal(r.members[0].aliases.v[0], "x");
	assert_int_equal(net_parse_network("b", &r, &e), 0);
	assert_int_equal(net_check_members(&r, "10.0.0.1", NULL, NULL, &none, &e), -EINVAL);
	net_request_fini(&r);
	strv_fini(&one);
}

static void test_subnets(void **state)
{
	static const char *const bad[] = { "10.0.0.0",	  "10.0.0.0/31",  "10.0.0.0/7",
					   "127.0.0.0/8", "224.0.0.0/24", "fe80::/64",
					   "ff00::/64",	  "x/24",	  "10.0.0.0/",
					   "fd00::/127",  "::1/64",	  "0.0.0.0/8" };
	struct net_network n = { .name = "n" };
	struct error e = ERROR_INIT;
	char text[INET6_ADDRSTRLEN];
	int family;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(net_parse_subnet(bad[i], &n, &family, &e), -EINVAL);
	assert_int_equal(net_parse_subnet("10.89.7.77/24", &n, &family, &e), 0);
	assert_int_equal(family, AF_INET);
	assert_int_equal(net_parse_subnet("fd00:1:2:3:4::/60", &n, &family, &e), 0);
	assert_int_equal(family, AF_INET6);
	assert_int_equal(net_network_check(&n, &e), 0);
	assert_int_equal(n.subnet.s_addr, ip4("10.89.7.0").s_addr);
	assert_int_equal(n.gateway.s_addr, ip4("10.89.7.1").s_addr);
	assert_int_equal(n.last.s_addr, ip4("10.89.7.254").s_addr);
	assert_string_equal(inet_ntop(AF_INET6, &n.subnet6, text, sizeof(text)), "fd00:1:2::");
	assert_string_equal(inet_ntop(AF_INET6, &n.gateway6, text, sizeof(text)), "fd00:1:2::1");
	n.gateway = ip4("10.89.8.1");
	assert_int_equal(net_network_check(&n, &e), -EINVAL);
	n.gateway = ip4("10.89.7.255"); /* broadcast */
	assert_int_equal(net_network_check(&n, &e), -EINVAL);
	n.gateway = ip4("10.89.7.1");
	n.first = ip4("10.89.7.9");
	n.last = ip4("10.89.7.8");
	assert_int_equal(net_network_check(&n, &e), -EINVAL);
	n.last = ip4("10.89.7.255"); /* all of it: but not the last */
	assert_int_equal(net_network_check(&n, &e), 0);
	assert_int_equal(n.last.s_addr, ip4("10.89.7.254").s_addr);
	n.mtu = 1279;
	assert_int_equal(net_network_check(&n, &e), -EINVAL);
}

static struct net_network of(const char *subnet)
{
	struct net_network n = { .name = "n" };
	struct error e = ERROR_INIT;
	int family;

	assert_int_equal(net_parse_subnet(subnet, &n, &family, &e), 0);
	assert_int_equal(net_network_check(&n, &e), 0);
	return n;
}

static void test_overlap(void **state)
{
	static const struct {
		const char *a, *b;
		bool yes;
	} cases[] = {
		{ "10.89.0.0/24", "10.89.0.0/16", true },
		{ "10.89.0.0/24", "10.89.1.0/24", false },
		{ "10.0.0.0/8", "10.255.0.0/24", true },
		{ "fd00::/64", "fd00::/48", true },
		{ "fd00::/64", "fd00:0:0:1::/64", false },
		{ "fd00::/64", "10.0.0.0/8", false },
		{ "fd00::/61", "fd00:0:0:7::/64", true },
	};
	struct net_network lo = of("10.0.2.0/24");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_network a = of(cases[i].a), b = of(cases[i].b);

		assert_int_equal(net_network_overlaps(&a, &b), cases[i].yes);
		assert_int_equal(net_network_overlaps(&b, &a), cases[i].yes);
	}
	lo.subnet = ip4("127.0.0.0");
	lo.prefix = 24;
	assert_true(net_network_is_of_host(&lo));
}

static void test_wants(void **state)
{
	struct net_network n = of("10.89.0.0/24");
	struct net_member m = { .name = NULL };
	struct error e = ERROR_INIT;
	struct net_lease l;

	(void)state;
	assert_int_equal(net_lease_want(&m, &n, &l, &e), 0);
	assert_int_equal(l.ip.s_addr, 0);
	memcpy(m.ip, "10.89.0.7", 10);
	memcpy(m.mac, "92:aB:00:00:00:01", 18);
	assert_int_equal(net_lease_want(&m, &n, &l, &e), 0);
	assert_int_equal(l.ip.s_addr, ip4("10.89.0.7").s_addr);
	assert_memory_equal(l.mac, "\x92\xab\0\0\0\x01", 6);
	memcpy(m.ip, "10.89.0.0", 10);
	assert_int_equal(net_lease_want(&m, &n, &l, &e), -EINVAL);
	memcpy(m.ip, "10.89.1.7", 10);
	assert_int_equal(net_lease_want(&m, &n, &l, &e), -EINVAL);
	m.ip[0] = '\0';
	memcpy(m.ip6, "fd00::7", 8); /* the network has no IPv6 */
	assert_int_equal(net_lease_want(&m, &n, &l, &e), -EINVAL);
}

static void test_names(void **state)
{
	static struct names_list l;
	char longest[260];

	(void)state;
	names_add(&l, "Web");
	names_add(&l, "web");
	names_add(&l, "");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	names_add(&l, longest);
	assert_int_equal(l.n, 1);
	assert_true(names_has(&l, "web"));
	assert_false(names_has(&l, "Web"));
	for (int i = 0; i < 1000; i++) { /* what does not fit is left out */
		char name[32];

		(void)snprintf(name, sizeof(name), "name-%d", i);
		names_add(&l, name);
	}
	assert_true(l.len <= sizeof(l.text) && l.n > 100 && l.text[l.len - 1] == '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_members_refused),
		cmocka_unit_test(test_modes_do_not_mix),
		cmocka_unit_test(test_single_options),
		cmocka_unit_test(test_subnets),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
