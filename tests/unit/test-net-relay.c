/* SPDX-License-Identifier: Apache-2.0 */
/* Published TCP ports. The "container" is 127.0.0.1, its gateway 127.0.0.2; the test plays the keeper. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
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
#include "net/relay.h"

#define MANY 300

struct fixture {
	struct relay *relay;
	int server_fd; /* listens on 127.0.0.1 */
	int agent_fd;  /* the keeper's end; -1 = none */
	uint16_t port4, port6;
};

static int listener(int family, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *sa = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, sa, len) < 0) {
		print_message("this host has no such loopback address\n");
		skip();
	}
	assert_int_equal(listen(fd, MANY), 0);
	assert_int_equal(getsockname(fd, sa, &len), 0);
	*ret_port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
	return fd;
}

static void start_agent(struct fixture *t)
{
	int sv[2];

	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sv), 0);
	assert_int_equal(relay_set_agent(t->relay, sv[1]), 0);
	t->agent_fd = sv[0];
}

static int setup_without_agent(void **state)
{
	struct layout l = { .ipv6 = true,
			    .guest6 = IN6ADDR_LOOPBACK_INIT,
			    .gateway6 = IN6ADDR_LOOPBACK_INIT };
	struct fixture *t = calloc(1, sizeof(*t));
	uint16_t port;

	assert_non_null(t);
	l.guest.s_addr = htonl(INADDR_LOOPBACK);
	l.gateway.s_addr = htonl(INADDR_LOOPBACK + 1);
	t->agent_fd = -1;
	t->server_fd = listener(AF_INET, &port);
	assert_int_equal(relay_new(&l, &t->relay), 0);
	assert_int_equal(relay_listen(t->relay, listener(AF_INET, &t->port4), port), 0);
	assert_int_equal(relay_listen(t->relay, listener(AF_INET6, &t->port6), port), 0);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	int ret = setup_without_agent(state);

	start_agent(*state);
	return ret;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	relay_free(t->relay);
	close(t->server_fd);
	if (t->agent_fd >= 0)
		close(t->agent_fd);
	free(t);
	return 0;
}

static int client_at(int family, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				    .sin6_port = htons(port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(family == AF_INET ? connect(fd, (struct sockaddr *)&in, sizeof(in)) :
					     connect(fd, (struct sockaddr *)&in6, sizeof(in6)),
			 0);
	return fd;
}

static int client(const struct fixture *t)
{
	return client_at(AF_INET, t->port4);
}

/* What the keeper does. */
static void serve_agent(struct fixture *t)
{
	struct agent_request q;
	struct agent_answer a = { .transparent = 1 };
	int fds[AGENT_SOCKETS];

	assert_int_equal(recv(t->agent_fd, &q, sizeof(q), 0), sizeof(q));
	assert_in_range(q.count, 1, AGENT_SOCKETS);
	for (uint32_t i = 0; i < q.count; i++)
		fds[i] = socket((int)q.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	a.family = q.family;
	assert_int_equal(fd_send(t->agent_fd, &a, sizeof(a), fds, q.count), 0);
	for (uint32_t i = 0; i < q.count; i++)
		close(fds[i]);
}

/* One turn. False when nothing happened for some milliseconds. */
static bool turn(struct fixture *t, int timeout)
{
	struct pollfd p[] = { { .fd = relay_fd(t->relay), .events = POLLIN },
			      { .fd = t->agent_fd, .events = POLLIN } };

	if (poll(p, 2, timeout) <= 0)
		return false;
	if (p[1].revents != 0)
		serve_agent(t);
	while (p[0].revents != 0 && relay_dispatch(t->relay, 0))
		;
	return true;
}

#define TURNS 2000 /* of 10 ms: longer than any machine is busy */

/* Serve until fd has something to say. */
static void until_readable(struct fixture *t, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < TURNS && poll(&p, 1, 0) == 0; i++)
		(void)turn(t, 10);
	assert_int_not_equal(p.revents, 0);
}

static void until_open(struct fixture *t, size_t fds)
{
	for (int i = 0; i < TURNS && relay_open(t->relay) != fds; i++)
		(void)turn(t, 10);
	assert_int_equal(relay_open(t->relay), fds);
}

static int accept_server(struct fixture *t)
{
	int fd;

	until_readable(t, t->server_fd);
	fd = accept4(t->server_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A connection through the relay. */
static void join(struct fixture *t, int *ret_client, int *ret_server)
{
	*ret_client = client(t);
	*ret_server = accept_server(t);
	while (turn(t, 0)) /* both sides know of the other now */
		;
}

static void both_ways(void **state)
{
	struct fixture *t = *state;
	char got[16] = "";
	size_t idle;
	int c, s;

	join(t, &c, &s);
	idle = relay_open(t->relay) - 2;
	assert_int_equal(write(c, "question", 8), 8);
	until_readable(t, s);
	assert_int_equal(read(s, got, sizeof(got)), 8);
	assert_memory_equal(got, "question", 8);
	/* the client is through with sending, the server still answers */
	assert_int_equal(shutdown(c, SHUT_WR), 0);
	until_readable(t, s);
	assert_int_equal(read(s, got, sizeof(got)), 0);
	assert_int_equal(write(s, "answer", 6), 6);
	close(s);
	until_readable(t, c);
	assert_int_equal(read(c, got, sizeof(got)), 6);
	until_readable(t, c);
	assert_int_equal(read(c, got, sizeof(got)), 0);
	close(c);
	until_open(t, idle);
}

static void peer_is_the_gateway(void **state)
{
	struct fixture *t = *state;
	struct sockaddr_in mine, peer;
	socklen_t len = sizeof(mine);
	int c, s;

	join(t, &c, &s);
	assert_int_equal(getsockname(c, (struct sockaddr *)&mine, &len), 0);
	assert_int_equal(getpeername(s, (struct sockaddr *)&peer, &len), 0);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK + 1);
	assert_int_equal(peer.sin_port, mine.sin_port);
	close(c);
	close(s);
}

static void falls_back_to_ipv4(void **state)
{
	struct fixture *t = *state;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int c = client_at(AF_INET6, t->port6), s;

	until_readable(t, t->server_fd);
	s = accept4(t->server_fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	assert_true(s >= 0);
	assert_int_equal(ntohl(peer.sin_addr.s_addr), INADDR_LOOPBACK + 1);
	close(c);
	close(s);
}

static void fill_block(uint8_t *block, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++)
		block[i] = (uint8_t)((at + i) * 7 + (at + i) / 65521);
}

static void check_block(const uint8_t *block, ssize_t len, size_t at)
{
	for (ssize_t i = 0; i < len; i++)
		if (block[i] != (uint8_t)((at + (size_t)i) * 7 + (at + (size_t)i) / 65521))
			fail_msg("byte %zu differs", at + (size_t)i);
}

/* total bytes from one end to the other, which reads nothing before the way is full. */
static void move_much(struct fixture *t, int from, int to, size_t total)
{
	static uint8_t block[200000];
	size_t sent = 0, got = 0;
	bool full = false;

	assert_int_equal(fd_set_nonblock(from, true), 0);
	assert_int_equal(fd_set_nonblock(to, true), 0);
	while (got < total) {
		size_t len = sizeof(block) < total - sent ? sizeof(block) : total - sent;
		ssize_t n = 0;

		if (len > 0) {
			fill_block(block, len, sent);
			n = write(from, block, len);
		}
		if (n > 0)
			sent += (size_t)n;
		else if (!turn(t, 20))
			full = true;
		if (!full && sent < total)
			continue;
		n = read(to, block, sizeof(block));
		assert_true(n != 0);
		check_block(block, n, got);
		if (n > 0)
			got += (size_t)n;
		(void)turn(t, 0);
	}
}

static void much_data(void **state)
{
	struct fixture *t = *state;
	int c, s;

	join(t, &c, &s);
	move_much(t, c, s, 24u << 20);
	move_much(t, s, c, 24u << 20);
	close(c);
	close(s);
}

static void end_with_data_on_the_way(void **state)
{
	struct fixture *t = *state;
	static uint8_t block[100000];
	size_t sent = 0, got = 0, open;
	ssize_t n;
	int c, s;

	join(t, &c, &s);
	assert_int_equal(fd_set_nonblock(c, true), 0);
	do {
		n = write(c, block, sizeof(block));
		if (n > 0)
			sent += (size_t)n;
	} while (turn(t, 20) || n > 0);
	close(c);
	do {
		until_readable(t, s);
		n = read(s, block, sizeof(block));
		got += (size_t)n;
	} while (n > 0);
	assert_int_equal(got, sent);
	open = relay_open(t->relay);
	close(s);
	until_open(t, open - 2);
}

static void assert_reset(struct fixture *t, int fd)
{
	char got[4];

	until_readable(t, fd);
	assert_int_equal(read(fd, got, sizeof(got)), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static void nobody_there(void **state)
{
	struct fixture *t = *state;
	int c;

	close(t->server_fd);
	t->server_fd = -1;
	c = client(t);
	assert_reset(t, c);
	t->server_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void reset(int fd)
{
	const struct linger hard = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
}

static void resets_are_passed_on(void **state)
{
	struct fixture *t = *state;
	int c, s;

	join(t, &c, &s);
	reset(c);
	assert_reset(t, s);
	join(t, &c, &s);
	reset(s);
	assert_reset(t, c);
}

static void reset_of_a_stalled_peer(void **state)
{
	static uint8_t block[100000];
	struct fixture *t = *state;
	size_t before;
	ssize_t n;
	int c, s;

	join(t, &c, &s);
	before = relay_open(t->relay);
	assert_int_equal(fd_set_nonblock(c, true), 0);
	do
		n = write(c, block, sizeof(block));
	while (turn(t, 20) || n > 0);
	reset(c);
	for (int i = 0; i < TURNS && relay_open(t->relay) >= before; i++)
		(void)turn(t, 10);
	assert_true(relay_open(t->relay) < before);
	close(s);
}

static void clients_wait_for_the_keeper(void **state)
{
	struct fixture *t = *state;
	int c = client(t);

	while (turn(t, 20))
		;
	assert_int_equal(accept4(t->server_fd, NULL, NULL, SOCK_CLOEXEC), -1);
	start_agent(t);
	close(accept_server(t));
	close(c);
}

static void keeper_gone(void **state)
{
	struct fixture *t = *state;

	close(t->agent_fd);
	t->agent_fd = -1;
	for (int i = 0; i < 2; i++) {
		int c = client(t);

		assert_reset(t, c);
	}
	assert_int_equal(relay_open(t->relay), 0);
}

/* Answers that the keeper would not give end its service and nothing else. */
static void odd_answers(void **state)
{
	struct fixture *t = *state;
	struct agent_answer a = { .family = AF_INET };
	int fds[2] = { 0, 0 };
	int c;

	assert_int_equal(fd_send(t->agent_fd, &a, sizeof(a), fds, 2), 0); /* not asked for */
	for (int i = 0; i < 3; i++)
		(void)relay_dispatch(t->relay, 0);
	close(t->agent_fd);
	t->agent_fd = -1;
	c = client(t);
	assert_reset(t, c);
}

static void no_room(void **state)
{
	struct fixture *t = *state;
	int c;

	relay_set_room(t->relay, 0);
	c = client(t);
	assert_false(turn(t, 20));
	relay_set_room(t->relay, 1000);
	close(accept_server(t));
	close(c);
}

static void others_are_watched(void **state)
{
	struct fixture *t = *state;
	int a[2], b[2];

	assert_int_equal(fd_pipe(a), 0);
	assert_int_equal(fd_pipe(b), 0);
	assert_int_equal(relay_watch_others(t->relay, (const int[RELAY_OTHERS]){ a[0], -1, b[0] }),
			 0);
	(void)relay_dispatch(t->relay, 0);
	assert_false(relay_others_ready(t->relay));
	assert_int_equal(write(b[1], "x", 1), 1);
	(void)relay_dispatch(t->relay, -1);
	assert_true(relay_others_ready(t->relay));
	assert_int_equal(relay_watch_others(t->relay, (const int[RELAY_OTHERS]){ -1, -1, -1 }), 0);
	(void)relay_dispatch(t->relay, 0);
	assert_false(relay_others_ready(t->relay));
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void many_at_once(void **state)
{
	struct fixture *t = *state;
	static int c[MANY], s[MANY];
	size_t idle;
	char byte;

	for (int i = 0; i < MANY; i++)
		c[i] = client(t);
	for (int i = 0; i < MANY; i++) {
		s[i] = accept_server(t);
		assert_int_equal(write(c[i], "x", 1), 1);
	}
	for (int i = 0; i < MANY; i++) {
		until_readable(t, s[i]);
		assert_int_equal(read(s[i], &byte, 1), 1);
	}
	idle = relay_open(t->relay) - 2 * MANY;
	for (int i = 0; i < MANY; i++) {
		close(s[i]);
		close(c[i]);
	}
	until_open(t, idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(peer_is_the_gateway, setup, teardown),
		cmocka_unit_test_setup_teardown(falls_back_to_ipv4, setup, teardown),
		cmocka_unit_test_setup_teardown(much_data, setup, teardown),
		cmocka_unit_test_setup_teardown(end_with_data_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(resets_are_passed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_of_a_stalled_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_wait_for_the_keeper, setup_without_agent,
						teardown),
		cmocka_unit_test_setup_teardown(keeper_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(others_are_watched, setup, teardown),
		cmocka_unit_test_setup_teardown(many_at_once, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/relay", tests, NULL, NULL);
}
