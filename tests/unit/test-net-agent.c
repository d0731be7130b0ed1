/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's side of published TCP ports. The test plays crt-net, hostile too. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "net/agent.h"
#include "net/net.h"

struct fixture {
	struct net_agent agent;
	int peer_fd;
};

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));
	int sv[2];

	assert_non_null(t);
	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sv), 0);
	assert_int_equal(fd_set_nonblock(sv[0], true), 0);
	t->agent = NET_AGENT_INIT;
	t->agent.fd = sv[0];
	t->agent.prepared = true; /* or it would add rules to the network of whoever runs this */
	t->peer_fd = sv[1];
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	net_agent_fini(&t->agent);
	assert_int_equal(t->agent.fd, -1);
	if (t->peer_fd >= 0)
		close(t->peer_fd);
	free(t);
	return 0;
}

static void gives_sockets(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct fixture *t = *state;

	for (size_t f = 0; f < 2; f++) {
		const struct agent_request q = { .family = (uint32_t)families[f],
						 .count = AGENT_SOCKETS };
		struct agent_answer a;
		int fds[AGENT_SOCKETS], value;
		size_t n = AGENT_SOCKETS;
		socklen_t len = sizeof(value);

		assert_int_equal(fd_send(t->peer_fd, &q, sizeof(q), NULL, 0), 0);
		assert_int_equal(net_agent_serve(&t->agent), 0);
		assert_int_equal(fd_recv(t->peer_fd, &a, sizeof(a), fds, &n), sizeof(a));
		assert_int_equal(a.family, families[f]);
		assert_int_equal(a.transparent, 0);
		if (a.code == -EAFNOSUPPORT && families[f] == AF_INET6)
			continue; /* a host without IPv6 */
		assert_int_equal(a.code, 0);
		assert_int_equal(n, AGENT_SOCKETS);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(getsockopt(fds[i], SOL_SOCKET, SO_DOMAIN, &value, &len),
					 0);
			assert_int_equal(value, families[f]);
			assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
			close(fds[i]);
		}
	}
}

static void refuses_what_is_no_request(void **state)
{
	static const struct agent_request odd[] = {
		{ AF_INET, 0 },		 { AF_INET, AGENT_SOCKETS + 1 },
		{ AF_INET, UINT32_MAX }, { AF_NETLINK, 1 },
		{ AF_PACKET, 1 },	 { AF_UNIX, 1 },
		{ AF_INET | 256, 1 }
	};
	struct fixture *t = *state;
	const uint32_t half = AF_INET;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(fd_send(t->peer_fd, &odd[i], sizeof(odd[i]), NULL, 0), 0);
		assert_int_equal(net_agent_serve(&t->agent), -EPROTO);
	}
	assert_int_equal(fd_send(t->peer_fd, &half, sizeof(half), NULL, 0), 0);
	assert_int_equal(net_agent_serve(&t->agent), -EPROTO);
	/* nothing was sent */
	assert_int_equal(recv(t->peer_fd, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
}

static void fds_of_the_peer_are_dropped(void **state)
{
	const struct agent_request q = { .family = AF_INET, .count = 1 };
	struct fixture *t = *state;
	int sv[2];
	char byte;

	assert_int_equal(fd_socketpair(SOCK_STREAM, sv), 0);
	assert_int_equal(fd_send(t->peer_fd, &q, sizeof(q), &sv[0], 1), 0);
	close(sv[0]);
	assert_int_equal(net_agent_serve(&t->agent), 0);
	assert_int_equal(read(sv[1], &byte, 1), 0); /* its last copy is gone */
	close(sv[1]);
}

/* A peer that asks and never reads does not stop the keeper. */
static void never_waits(void **state)
{
	const struct agent_request q = { .family = AF_INET, .count = 1 };
	struct fixture *t = *state;
	int ret = 0;

	assert_int_equal(net_agent_serve(&t->agent), 0); /* nothing to read */
	for (int i = 0; i < 100000 && ret == 0; i++) {
		assert_int_equal(fd_send(t->peer_fd, &q, sizeof(q), NULL, 0), 0);
		ret = net_agent_serve(&t->agent);
	}
	assert_int_equal(ret, -EAGAIN);
}

static void peer_gone(void **state)
{
	struct fixture *t = *state;

	close(t->peer_fd);
	t->peer_fd = -1;
	assert_true(net_agent_serve(&t->agent) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_request, setup, teardown),
		cmocka_unit_test_setup_teardown(fds_of_the_peer_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(never_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(peer_gone, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/agent", tests, NULL, NULL);
}
