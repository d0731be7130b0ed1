/* SPDX-License-Identifier: Apache-2.0 */
/* resolv.conf and hosts of a container. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/files.h"

static void check_resolv(struct net_request *r, const char *host, const char *expected)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct error e = ERROR_INIT;

	if (files_resolv_build(r, host, &b, &e) != 0)
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(&b), expected);
}

static void resolv_host_servers(void **state)
{
	struct net_request r;

	(void)state;
	net_request_init(&r);
	check_resolv(&r, "nameserver 192.0.2.53\n", "nameserver 10.0.2.3\nnameserver 192.0.2.53\n");
	check_resolv(
		&r,
		"# comment\n; another\nsearch a.test b.test\noptions edns0 trust-ad\nnameserver 127.0.0.53\n",
		"search a.test b.test\nnameserver 10.0.2.3\noptions edns0 trust-ad\n");
	/* only IPv6, and none at all */
	check_resolv(&r, "nameserver ::1\n", "nameserver fd00::3\n");
	check_resolv(&r, "nameserver 2001:db8::1\nnameserver fe80::1%eth0\n",
		     "nameserver fd00::3\nnameserver 2001:db8::1\n");
	check_resolv(
		&r, "nameserver 192.0.2.1\nnameserver 2001:db8::1\n",
		"nameserver 10.0.2.3\nnameserver fd00::3\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n");
	check_resolv(&r, "", "nameserver 10.0.2.3\n");
	/* the host's server has an address of our own network: a virtual machine with the same habits */
	check_resolv(&r, "nameserver 10.0.2.3\n", "nameserver 10.0.2.3\n");
	/* the last of domain and search counts; odd lines are left out */
	check_resolv(
		&r,
		"domain x.test\nsearch\ty.test\nnameserver not-an-address\nnonsense\nnameserver\n  nameserver 192.0.2.1  \r\n",
		"search y.test\nnameserver 10.0.2.3\nnameserver 192.0.2.1\n");
	r.ipv6 = false;
	check_resolv(&r, "nameserver 2001:db8::1\n", "nameserver 10.0.2.3\n");
	net_request_fini(&r);
}

static void resolv_options(void **state)
{
	static const char host[] = "search a.test\nnameserver 192.0.2.53\noptions rotate\n";
	struct net_request r;

	(void)state;
	net_request_init(&r);
	assert_int_equal(strv_add(&r.dns, "9.9.9.9"), 0);
	assert_int_equal(strv_add(&r.dns, "2001:db8::9"), 0);
	check_resolv(&r, host,
		     "search a.test\nnameserver 9.9.9.9\nnameserver 2001:db8::9\noptions rotate\n");
	assert_int_equal(strv_add(&r.dns_search, "."), 0);
	assert_int_equal(strv_add(&r.dns_option, "ndots:2"), 0);
	check_resolv(&r, host, "nameserver 9.9.9.9\nnameserver 2001:db8::9\noptions ndots:2\n");
	net_request_fini(&r);

	net_request_init(&r);
	assert_int_equal(strv_add(&r.dns, "none"), 0);
	check_resolv(&r, host, "");
	net_request_fini(&r);

	net_request_init(&r);
	r.mode = NET_MODE_HOST;
	check_resolv(&r, "nameserver 127.0.0.53\nsearch a.test\n",
		     "search a.test\nnameserver 127.0.0.53\n");
	r.mode = NET_MODE_NONE;
	check_resolv(&r, host, "");
	net_request_fini(&r);
}

static void hosts_default(void **state)
{
	static const char host[] =
		"127.0.0.1 localhost # comment\n127.0.1.1\tbox.test box\n# x\n\n"
		"::1 localhost ip6-localhost\nnonsense line\n"
		"10.1.1.1 host.containers.internal other\n10.1.1.2 host.docker.internal\n";
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct error e = ERROR_INIT;
	struct strv add = { .n = 0 };
	struct net_request r;

	(void)state;
	net_request_init(&r);
	assert_int_equal(strv_add(&add, "db:192.0.2.9"), 0);
	assert_int_equal(strv_add(&add, "up:host-gateway"), 0);
	assert_int_equal(strv_add(&add, "six:[2001:db8::6]"), 0);
	assert_int_equal(strv_add(&add, "six2:2001:db8::7"), 0);
	assert_int_equal(
		files_hosts_build(&r, host, "192.0.2.2", "web", "eager_turing", &add, &b, &e), 0);
	assert_string_equal(buf_str(&b),
			    "192.0.2.9\tdb\n192.0.2.2\tup\n2001:db8::6\tsix\n2001:db8::7\tsix2\n"
			    "127.0.0.1\tlocalhost\n127.0.1.1\tbox.test box\n"
			    "::1\tlocalhost ip6-localhost\n10.1.1.1\tother\n"
			    "192.0.2.2\thost.containers.internal host.docker.internal\n"
			    "10.0.2.100\tweb eager_turing\n");
	strv_fini(&add);
	net_request_fini(&r);
}

static void hosts_modes(void **state)
{
	struct buf b = BUF_INIT;
	struct net_request r;

	(void)state;
	net_request_init(&r);
	r.mode = NET_MODE_NONE;
	assert_int_equal(files_hosts_build(&r, "", "", "web", "web", NULL, &b, NULL), 0);
	assert_string_equal(buf_str(&b),
			    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			    "127.0.0.1\tweb\n");
	buf_fini(&b);
	r.mode = NET_MODE_HOST;
	assert_int_equal(files_hosts_build(&r, "127.0.0.1 localhost\n", "192.0.2.2", "box", "name",
					   NULL, &b, NULL),
			 0);
	assert_string_equal(buf_str(&b),
			    "127.0.0.1\tlocalhost\n"
			    "192.0.2.2\thost.containers.internal host.docker.internal\n");
	buf_fini(&b);
	net_request_fini(&r);
}

static void hosts_bad_entries(void **state)
{
	static const char *const bad[] = { "",
					   "name",
					   ":1.2.3.4",
					   "name:",
					   "name:1.2.3",
					   "name:[::1",
					   "a b:1.2.3.4",
					   "a\nb:1.2.3.4",
					   "a:1.2.3.4\n",
					   "a#:1.2.3.4",
					   "name:[1.2.3.4.5]" };
	struct net_request r;

	(void)state;
	net_request_init(&r);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct error e = ERROR_INIT;
		struct strv add = { .n = 0 };

		assert_int_equal(strv_add(&add, bad[i]), 0);
		if (files_hosts_build(&r, "", "192.0.2.2", "h", "n", &add, &b, &e) != -EINVAL)
			fail_msg("--add-host \"%s\" was accepted", bad[i]);
		assert_non_null(strstr(e.msg, "--add-host"));
		strv_fini(&add);
	}
	net_request_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolv_host_servers), cmocka_unit_test(resolv_options),
		cmocka_unit_test(hosts_default),       cmocka_unit_test(hosts_modes),
		cmocka_unit_test(hosts_bad_entries),
	};

	return cmocka_run_group_tests_name("net/files", tests, NULL, NULL);
}
