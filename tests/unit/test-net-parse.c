/* SPDX-License-Identifier: Apache-2.0 */
/* The syntax of -p and --network. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "net/net.h"
#include "net/parse.h"

static void publish_good(void **state)
{
	static const struct {
		const char *text;
		const char *addr;
		enum net_proto proto;
		unsigned int host, container;
		size_t n;
	} cases[] = {
		{ "80", "", NET_PROTO_TCP, 0, 80, 1 },
		{ "80/udp", "", NET_PROTO_UDP, 0, 80, 1 },
		{ "8080:80", "", NET_PROTO_TCP, 8080, 80, 1 },
		{ "8080:80/tcp", "", NET_PROTO_TCP, 8080, 80, 1 },
		{ "8080:80/UDP", "", NET_PROTO_UDP, 8080, 80, 1 },
		{ ":80", "", NET_PROTO_TCP, 0, 80, 1 },
		{ "127.0.0.1:8080:80", "127.0.0.1", NET_PROTO_TCP, 8080, 80, 1 },
		{ "127.0.0.1::80", "127.0.0.1", NET_PROTO_TCP, 0, 80, 1 },
		{ "0.0.0.0:8080:80", "0.0.0.0", NET_PROTO_TCP, 8080, 80, 1 },
		{ ":8080:80", "", NET_PROTO_TCP, 8080, 80, 1 },
		{ "[::1]:8080:80", "::1", NET_PROTO_TCP, 8080, 80, 1 },
		{ "[::1]::80/udp", "::1", NET_PROTO_UDP, 0, 80, 1 },
		{ "[0:0::0:1]:8080:80", "::1", NET_PROTO_TCP, 8080, 80, 1 },
		{ "8000-8010:9000-9010", "", NET_PROTO_TCP, 8000, 9000, 11 },
		{ "8000-8010", "", NET_PROTO_TCP, 0, 8000, 11 },
		{ "8000-8000:90", "", NET_PROTO_TCP, 8000, 90, 1 },
		{ "10.1.2.3:65535:65535", "10.1.2.3", NET_PROTO_TCP, 65535, 65535, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e = ERROR_INIT;
		struct net_request r;

		net_request_init(&r);
		if (net_parse_publish(cases[i].text, &r, &e) != 0)
			fail_msg("%s: %s", cases[i].text, e.msg);
		if (r.forwards_n != cases[i].n)
			fail_msg("%s: %zu ports", cases[i].text, r.forwards_n);
		assert_string_equal(r.forwards[0].host_addr, cases[i].addr);
		assert_int_equal(r.forwards[0].proto, cases[i].proto);
		assert_int_equal(r.forwards[0].host_port, cases[i].host);
		assert_int_equal(r.forwards[0].container_port, cases[i].container);
		assert_int_equal(r.forwards[r.forwards_n - 1].container_port,
				 cases[i].container + cases[i].n - 1);
		if (cases[i].host != 0)
			assert_int_equal(r.forwards[r.forwards_n - 1].host_port,
					 cases[i].host + cases[i].n - 1);
		net_request_fini(&r);
	}
}

static void publish_bad(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "container port" },
		{ "0", "container port" },
		{ "65536", "container port" },
		{ "-1", "container port" },
		{ "80-", "container port" },
		{ "-80", "container port" },
		{ "90-80", "container port" },
		{ "80 ", "container port" },
		{ "+80", "container port" },
		{ "0x50", "container port" },
		{ "80-90-100", "container port" },
		{ "8080:", "container port" },
		{ "0:80", "host port" },
		{ "x:80", "host port" },
		{ "8080:80:", "not an IPv4 address" },
		{ "8000-8001:80", "equally long" },
		{ "8000:80-81", "equally long" },
		{ "localhost:8080:80", "not an IPv4 address" },
		{ "127.0.0.1.5:8080:80", "not an IPv4 address" },
		{ "::1:8080:80", "brackets" },
		{ "[::1:8080:80", "IPV6-ADDRESS" },
		{ "[::1]8080:80", "IPV6-ADDRESS" },
		{ "[]:8080:80", "not an IPv6 address" },
		{ "[127.0.0.1]:8080:80", "not an IPv6 address" },
		{ "[::1]:80:80:80", "container port" },
		{ "80/", "unknown protocol" },
		{ "80/icmp", "unknown protocol" },
		{ "80/sctp", "SCTP" },
		{ "1-65535:1-65535", "more than" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e = ERROR_INIT;
		struct net_request r;

		net_request_init(&r);
		if (net_parse_publish(cases[i].text, &r, &e) != -EINVAL)
			fail_msg("%s was accepted", cases[i].text);
		if (strstr(e.msg, cases[i].message) == NULL)
			fail_msg("%s: %s", cases[i].text, e.msg);
		net_request_fini(&r);
	}
}

static void publish_twice(void **state)
{
	struct error e = ERROR_INIT;
	struct net_request r;

	(void)state;
	net_request_init(&r);
	assert_int_equal(net_parse_publish("8080-8082:80-82", &r, &e), 0);
	assert_int_equal(net_parse_publish("8081:81", &r, &e), 0);
	assert_int_equal(r.forwards_n, 3);
	assert_int_equal(net_parse_publish("8081:81/udp", &r, &e), 0);
	assert_int_equal(net_parse_publish("127.0.0.1:8081:81", &r, &e), 0);
	assert_int_equal(r.forwards_n, 5);
	assert_int_equal(net_parse_publish("8082:83", &r, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "8082 is published twice"));
	/* a free port each time */
	assert_int_equal(net_parse_publish("90", &r, &e), 0);
	assert_int_equal(net_parse_publish("90", &r, &e), 0);
	assert_int_equal(r.forwards_n, 7);
	net_request_fini(&r);
}

static void mode(void **state)
{
	struct error e = ERROR_INIT;
	struct net_request r;

	(void)state;
	net_request_init(&r);
	assert_int_equal(r.mode, NET_MODE_SLIRP);
	assert_true(r.ipv6);
	assert_false(r.allow_host_loopback);
	assert_int_equal(net_parse_mode("none", &r, &e), 0);
	assert_int_equal(r.mode, NET_MODE_NONE);
	assert_int_equal(net_parse_mode("container:web", &r, &e), 0);
	assert_int_equal(r.mode, NET_MODE_JOIN);
	assert_string_equal(r.join, "container:web");
	assert_int_equal(net_parse_mode("ns:/run/netns/x", &r, &e), 0);
	assert_string_equal(r.join, "ns:/run/netns/x");
	assert_int_equal(net_parse_mode("host", &r, &e), 0);
	assert_int_equal(r.mode, NET_MODE_HOST);
	assert_int_equal(net_parse_mode("slirp", &r, &e), 0);
	assert_int_equal(r.mode, NET_MODE_SLIRP);
	assert_int_equal(
		net_parse_mode(
			"slirp4netns:mtu=1500,cidr=10.9.0.0/16,cidr=fd77:1::/64,enable_ipv6=false,"
			"allow_host_loopback=true,outbound_addr=192.0.2.7,outbound_addr6=eth0,"
			"port_handler=rootlesskit",
			&r, &e),
		0);
	assert_int_equal(r.mtu, 1500);
	assert_string_equal(r.cidr, "10.9.0.0/16");
	assert_string_equal(r.cidr6, "fd77:1::/64");
	assert_false(r.ipv6);
	assert_true(r.allow_host_loopback);
	assert_string_equal(r.outbound_addr, "192.0.2.7");
	assert_string_equal(r.outbound_addr6, "eth0");
	net_request_fini(&r);
}

static void mode_bad(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "unknown network" },
		{ "bridge", "unknown network" },
		{ "hostx", "unknown network" },
		{ "none:mtu=1500", "takes no options" },
		{ "container:", "expected container:NAME" },
		{ "ns:", "ns:PATH" },
		{ "slirp:pcap=", "file name" },
		{ "slirp:mtu", "OPTION=VALUE" },
		{ "slirp:mtu=1500,", "OPTION=VALUE" },
		{ "slirp:mtu=0", "mtu=0" },
		{ "slirp:mtu=65522", "mtu=65522" },
		{ "slirp:cidr=10.0.2.0", "ADDRESS/LENGTH" },
		{ "slirp:cidr=10.0.2.1/24", "behind the /24" },
		{ "slirp:cidr=10.0.2.0/31", "length must be" },
		{ "slirp:cidr=127.0.0.0/8", "unicast" },
		{ "slirp:cidr=224.0.0.0/8", "unicast" },
		{ "slirp:cidr=fd00::/48", "must be 64" },
		{ "slirp:cidr=fd00::1/64", "behind the /64" },
		{ "slirp:cidr=fe80::/64", "unicast" },
		{ "slirp:cidr=::/64", "unicast" },
		{ "slirp:cidr=fd00:x::/64", "not an IPv6 address" },
		{ "slirp:enable_ipv6=maybe", "true or false" },
		{ "slirp:outbound_addr=a b", "interface name" },
		{ "slirp:port_handler=x", "unknown" },
		{ "slirp:bandwidth=9", "unknown option" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error e = ERROR_INIT;
		struct net_request r;

		net_request_init(&r);
		if (net_parse_mode(cases[i].text, &r, &e) != -EINVAL)
			fail_msg("%s was accepted", cases[i].text);
		if (strstr(e.msg, cases[i].message) == NULL)
			fail_msg("%s: %s", cases[i].text, e.msg);
		net_request_fini(&r);
	}
}

static void port_range(void **state)
{
	uint16_t first = 7, last = 7;

	(void)state;
	assert_int_equal(parse_port_range("1-65535", 7, &first, &last), 0);
	assert_int_equal(first, 1);
	assert_int_equal(last, 65535);
	/* only the given length counts */
	assert_int_equal(parse_port_range("8080:80", 4, &first, &last), 0);
	assert_int_equal(first, 8080);
	first = 7;
	assert_int_equal(parse_port_range("000000000000000000080", 21, &first, &last), -EINVAL);
	assert_int_equal(first, 7);
}

static void exposed_ports(void **state)
{
	struct net_request r;
	struct error e = ERROR_INIT;

	(void)state;
	net_request_init(&r);
	assert_int_equal(net_parse_publish("8080:80", &r, &e), 0);
	assert_int_equal(net_parse_exposed("80/tcp", &r, &e), 0); /* is published */
	assert_int_equal(r.forwards_n, 1);
	assert_int_equal(net_parse_exposed("80/udp", &r, &e), 0);
	assert_int_equal(net_parse_exposed("79-81", &r, &e), 0);
	assert_int_equal(r.forwards_n, 4);
	assert_int_equal(r.forwards[1].proto, NET_PROTO_UDP);
	assert_int_equal(r.forwards[2].container_port, 79);
	assert_int_equal(r.forwards[2].host_port, 0);
	assert_int_equal(r.forwards[3].container_port, 81);
	assert_int_equal(net_parse_exposed("8080:80", &r, &e), -EINVAL);
	assert_int_equal(net_parse_exposed("0", &r, &e), -EINVAL);
	assert_int_equal(net_parse_exposed("9/sctp", &r, &e), -EINVAL);
	net_request_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publish_good),	 cmocka_unit_test(publish_bad),
		cmocka_unit_test(publish_twice), cmocka_unit_test(mode),
		cmocka_unit_test(mode_bad),	 cmocka_unit_test(port_range),
		cmocka_unit_test(exposed_ports),
	};

	return cmocka_run_group_tests_name("net/parse", tests, NULL, NULL);
}
