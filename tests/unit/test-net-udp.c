/* SPDX-License-Identifier: Apache-2.0 */
/* Published UDP ports: clients, who they are shown as, and to whom answers go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/udp.h"

#define PORT 53

static struct datagram last;
static uint8_t last_data[4096];
static size_t count;

static void deliver(void *data, const struct datagram *d)
{
	(void)data;
	assert_true(d->len <= sizeof(last_data));
	last = *d;
	memcpy(last_data, d->data, d->len);
	last.data = last_data;
	count++;
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

static struct udp *make(const char *cidr)
{
	struct net_request r;
	struct layout l;
	struct udp *u = NULL;

	net_request_init(&r);
	(void)snprintf(r.cidr, sizeof(r.cidr), "%s", cidr);
	assert_int_equal(layout_make(&r, &l, NULL), 0);
	net_request_fini(&r);
	assert_int_equal(udp_new(&l, deliver, NULL, &u), 0);
	return u;
}

/* A bound socket and its port in network order. */
static int bound(const char *text, in_port_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = a.sin_port;
	return fd;
}

static void say(int fd, in_port_t port, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = port,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };

	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)),
			 (ssize_t)strlen(text));
}

static void run(struct udp *u, uint64_t now)
{
	struct pollfd p = { .fd = udp_fd(u), .events = POLLIN };

	assert_int_equal(poll(&p, 1, 5000), 1);
	(void)udp_dispatch(u, now);
}

static bool answer(struct udp *u, const struct datagram *to, const char *text, uint64_t now)
{
	const struct datagram d = { .from = to->to,
				    .to = to->from,
				    .from_port = to->to_port,
				    .to_port = to->from_port,
				    .data = (const uint8_t *)text,
				    .len = strlen(text) };

	return udp_answer(u, &d, now);
}

static void question_and_answer(void **state)
{
	struct udp *u = make("10.0.2.0/24");
	in_port_t port, own;
	int fd = bound("0.0.0.0", &port), c1 = bound("127.0.0.1", &own), c2, n;
	char block[100];
	struct datagram first;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct in6_addr gateway = address("10.0.2.2"), guest = address("10.0.2.100");

	(void)state;
	assert_int_equal(udp_listen(u, fd, PORT), 0);
	count = 0;
	say(c1, port, "who");
	run(u, 1000);
	assert_int_equal(count, 1);
	assert_memory_equal(&last.from, &gateway, 16); /* not 127.0.0.1 */
	assert_memory_equal(&last.to, &guest, 16);
	assert_int_equal(last.to_port, PORT);
	assert_int_equal(last.from_port, ntohs(own));
	assert_int_equal(last.len, 3);
	assert_memory_equal(last.data, "who", 3);
	first = last;

	/* to nobody else, from no other port, and not for ever */
	last.from_port++;
	assert_false(answer(u, &last, "no", 1000));
	last = first;
	last.to_port++;
	assert_false(answer(u, &last, "no", 1000));
	last = first;
	last.from = address("192.0.2.9");
	assert_false(answer(u, &last, "no", 1000));
	assert_true(answer(u, &first, "me", 1000 + 240000));
	n = (int)recvfrom(c1, block, sizeof(block), 0, (struct sockaddr *)&from, &len);
	assert_int_equal(n, 2);
	assert_int_equal(from.sin_port, port);
	assert_int_equal(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_false(answer(u, &first, "late", 1000 + 240000 + 240001));

	/* another loopback client with the same port is shown with another one */
	c2 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	from = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = own,
				     .sin_addr = { htonl(INADDR_LOOPBACK + 1) } };
	assert_int_equal(bind(c2, (struct sockaddr *)&from, sizeof(from)), 0);
	say(c2, port, "too");
	run(u, 2000);
	assert_memory_equal(&last.from, &gateway, 16);
	assert_int_not_equal(last.from_port, ntohs(own));
	assert_true(answer(u, &last, "you", 2000));
	assert_int_equal(recv(c2, block, sizeof(block), 0), 3);
	assert_true(recv(c1, block, sizeof(block), MSG_DONTWAIT) < 0);
	close(c1);
	close(c2);
	udp_free(u);
}

static void many_clients(void **state)
{
	struct udp *u = make("10.0.2.0/24");
	in_port_t port, own;
	int fd = bound("127.0.0.1", &port), first_fd = bound("127.0.0.1", &own);
	struct datagram first;
	unsigned int p = 1024, n = 0;

	(void)state;
	assert_int_equal(udp_listen(u, fd, PORT), 0);
	say(first_fd, port, "x");
	run(u, 1000);
	first = last;
	while (n < UDP_CLIENTS_MAX) {
		struct sockaddr_in a = { .sin_family = AF_INET,
					 .sin_port = htons((uint16_t)++p),
					 .sin_addr = { htonl(INADDR_LOOPBACK) } };
		int c = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_true(p < UINT16_MAX);
		if (bind(c, (struct sockaddr *)&a, sizeof(a)) == 0) {
			say(c, port, "x");
			run(u, 1000);
			n++;
		}
		close(c);
	}
	assert_true(answer(u, &last, "y", 1000));
	assert_false(answer(u, &first, "y", 1000)); /* the oldest made room */
	close(first_fd);
	udp_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(question_and_answer),
		cmocka_unit_test(many_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
