/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between crt and crt-net. */
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
#include "net/wire.h"

static void table(void **state)
{
	const size_t n = 700; /* three messages */
	struct net_forward *f = calloc(n, sizeof(*f)), *got = calloc(n, sizeof(*got));
	int sv[2];

	(void)state;
	assert_non_null(f);
	assert_non_null(got);
	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sv), 0);
	for (size_t i = 0; i < n; i++)
		f[i].host_port = (uint16_t)(1000 + i);
	assert_int_equal(wire_send_forwards(sv[0], f, n), 0);
	assert_int_equal(wire_recv_forwards(sv[1], got, n), 0);
	assert_memory_equal(f, got, n * sizeof(*f));
	/* more than expected is refused, and so is the end */
	assert_int_equal(wire_send_forwards(sv[0], f, 10), 0);
	assert_int_equal(wire_recv_forwards(sv[1], got, 9), -EPROTO);
	close(sv[0]);
	assert_int_equal(wire_recv_forwards(sv[1], got, 1), -ECONNRESET);
	close(sv[1]);
	free(f);
	free(got);
}

static void with_fd(void **state)
{
	struct wire_message m;
	int sv[2], p[2], fd = -1;
	char c = 0;

	(void)state;
	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sv), 0);
	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(wire_send(sv[0], WIRE_TYPE_TAP, NULL, 0, p[1]), 0);
	assert_int_equal(wire_recv(sv[1], &m, &fd), WIRE_TYPE_TAP);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	close(fd);
	close(sv[0]);
	assert_int_equal(wire_recv(sv[1], &m, &fd), 0);
	close(sv[1]);
	close(p[0]);
	close(p[1]);
}

static void malformed(void **state)
{
	struct wire_message m = { .type = WIRE_TYPE_FORWARDS, .u.forwards.n = 2 };
	struct wire_message got;
	int sv[2];

	(void)state;
	assert_int_equal(fd_socketpair(SOCK_SEQPACKET, sv), 0);
	/* announces two, brings one */
	assert_int_equal(
		fd_send(sv[0], &m, offsetof(struct wire_message, u.forwards.f[1]), NULL, 0), 0);
	assert_int_equal(wire_recv(sv[1], &got, NULL), -EPROTO);
	m.u.forwards.n = UINT32_MAX;
	assert_int_equal(
		fd_send(sv[0], &m, offsetof(struct wire_message, u.forwards.f[1]), NULL, 0), 0);
	assert_int_equal(wire_recv(sv[1], &got, NULL), -EPROTO);
	m.type = WIRE_TYPE_COUNT;
	assert_int_equal(fd_send(sv[0], &m, sizeof(m.type), NULL, 0), 0);
	assert_int_equal(wire_recv(sv[1], &got, NULL), -EPROTO);
	m.type = WIRE_TYPE_BOUND;
	assert_int_equal(fd_send(sv[0], &m, sizeof(m.type) + 1, NULL, 0), 0);
	assert_int_equal(wire_recv(sv[1], &got, NULL), -EPROTO);
	assert_int_equal(fd_send(sv[0], "ab", 2, NULL, 0), 0);
	assert_int_equal(wire_recv(sv[1], &got, NULL), -EPROTO);
	/* text without an end gets one */
	m.type = WIRE_TYPE_FAILED;
	memset(&m.u.error, 'x', sizeof(m.u.error));
	assert_int_equal(fd_send(sv[0], &m, offsetof(struct wire_message, u) + sizeof(m.u.error),
				 NULL, 0),
			 0);
	assert_int_equal(wire_recv(sv[1], &got, NULL), WIRE_TYPE_FAILED);
	assert_int_equal(strlen(got.u.error.msg), sizeof(got.u.error.msg) - 1);
	close(sv[0]);
	close(sv[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(with_fd),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests_name("net/wire", tests, NULL, NULL);
}
