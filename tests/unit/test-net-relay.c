/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 connections led to IPv4. */
#include <arpa/inet.h>
#include <errno.h>
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
#include "net/relay.h"

#define SLOTS 64

struct fixture {
	struct relay *relay;
	int server_fd;	/* listens on 127.0.0.1 */
	uint16_t port6; /* the relay's */
};

static int setup(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(in), len6 = sizeof(in6);
	struct fixture *t = calloc(1, sizeof(*t));
	int fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_non_null(t);
	t->server_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(t->server_fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(t->server_fd, 10), 0);
	assert_int_equal(getsockname(t->server_fd, (struct sockaddr *)&in, &len), 0);
	if (fd6 < 0 || bind(fd6, (struct sockaddr *)&in6, sizeof(in6)) < 0) {
		print_message("this host has no IPv6\n");
		skip();
	}
	assert_int_equal(listen(fd6, 10), 0);
	assert_int_equal(getsockname(fd6, (struct sockaddr *)&in6, &len6), 0);
	t->port6 = ntohs(in6.sin6_port);
	assert_int_equal(relay_new(&t->relay), 0);
	assert_int_equal(relay_listen(t->relay, fd6, ntohs(in.sin_port)), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	relay_free(t->relay);
	close(t->server_fd);
	free(t);
	return 0;
}

static int client(const struct fixture *t)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				    .sin6_port = htons(t->port6) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	return fd;
}

/* Serve until nothing happens for a while. */
static void pump(struct fixture *t)
{
	struct pollfd p[SLOTS];
	size_t n;

	do {
		assert_true(relay_poll_max(t->relay) <= SLOTS);
		n = relay_fill(t->relay, p, true);
		if (poll(p, n, 50) <= 0)
			return;
		relay_dispatch(t->relay, p, n);
	} while (true);
}

static void both_ways(void **state)
{
	struct fixture *t = *state;
	char got[16] = "";
	int c = client(t), s;

	pump(t);
	s = accept(t->server_fd, NULL, NULL);
	assert_true(s >= 0);
	assert_int_equal(write(c, "question", 8), 8);
	pump(t);
	assert_int_equal(read(s, got, sizeof(got)), 8);
	assert_memory_equal(got, "question", 8);
	/* the client is through with sending, the server still answers */
	assert_int_equal(shutdown(c, SHUT_WR), 0);
	pump(t);
	assert_int_equal(read(s, got, sizeof(got)), 0);
	assert_int_equal(write(s, "answer", 6), 6);
	close(s);
	pump(t);
	assert_int_equal(read(c, got, sizeof(got)), 6);
	assert_int_equal(read(c, got, sizeof(got)), 0);
	close(c);
	pump(t);
	assert_int_equal(relay_open(t->relay), 0);
}

static void much_data(void **state)
{
	const size_t total = 8u << 20;
	struct fixture *t = *state;
	static uint8_t block[65536];
	size_t sent = 0, got = 0;
	int c = client(t), s;

	pump(t);
	s = accept(t->server_fd, NULL, NULL);
	assert_int_equal(fd_set_nonblock(c, true), 0);
	assert_int_equal(fd_set_nonblock(s, true), 0);
	while (got < total) {
		struct pollfd p[SLOTS];
		size_t n = relay_fill(t->relay, p, true);
		ssize_t r;

		if (sent < total) {
			for (size_t i = 0; i < sizeof(block); i++)
				block[i] = (uint8_t)((sent + i) * 7);
			r = write(c, block,
				  sizeof(block) < total - sent ? sizeof(block) : total - sent);
			if (r > 0)
				sent += (size_t)r;
		}
		if (poll(p, n, 10) > 0)
			relay_dispatch(t->relay, p, n);
		r = read(s, block, sizeof(block));
		for (ssize_t i = 0; i < r; i++)
			if (block[i] != (uint8_t)((got + (size_t)i) * 7))
				fail_msg("byte %zu differs", got + (size_t)i);
		if (r > 0)
			got += (size_t)r;
	}
	close(c);
	close(s);
	pump(t);
	assert_int_equal(relay_open(t->relay), 0);
}

static void nobody_there(void **state)
{
	struct fixture *t = *state;
	char got[4];
	int c;

	close(t->server_fd);
	t->server_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c = client(t);
	pump(t);
	assert_true(read(c, got, sizeof(got)) <= 0);
	assert_int_equal(relay_open(t->relay), 0);
	close(c);
}

static void client_resets(void **state)
{
	const struct linger hard = { .l_onoff = 1 };
	struct fixture *t = *state;
	char got[4];
	int c = client(t), s;

	pump(t);
	s = accept(t->server_fd, NULL, NULL);
	assert_int_equal(setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(c);
	pump(t);
	assert_true(read(s, got, sizeof(got)) <= 0);
	close(s);
	pump(t);
	assert_int_equal(relay_open(t->relay), 0);
}

static void not_accepting(void **state)
{
	struct fixture *t = *state;
	struct pollfd p[SLOTS];

	assert_int_equal(relay_fill(t->relay, p, false), 0);
	assert_int_equal(relay_fill(t->relay, p, true), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(much_data, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(client_resets, setup, teardown),
		cmocka_unit_test_setup_teardown(not_accepting, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/relay", tests, NULL, NULL);
}
