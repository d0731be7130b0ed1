/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between crt and crt-net: the input is one message, then the same as a table of forwards. */
#include <sys/socket.h>
#include <unistd.h>

#include "net/wire.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_message *m = malloc(sizeof(*m));
	struct net_forward f[WIRE_CHUNK];
	int sock[2], fd = -1, type;

	if (size > 65536)
		size = 65536;
	MUST(m != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) == 0);
	MUST(size == 0 || send(sock[0], data, size, 0) == (ssize_t)size);
	MUST(size == 0 || send(sock[0], data, size, 0) == (ssize_t)size);
	MUST(shutdown(sock[0], SHUT_WR) == 0);
	type = wire_recv(sock[1], m, &fd);
	MUST(type < WIRE_TYPE_COUNT && fd == -1);
	if (type == WIRE_TYPE_FAILED)
		MUST(memchr(m->u.error.msg, '\0', sizeof(m->u.error.msg)) != NULL);
	if (wire_recv_forwards(sock[1], f, type == WIRE_TYPE_FORWARDS ? m->u.forwards.n : 3) == 0 &&
	    type == WIRE_TYPE_FORWARDS)
		for (size_t i = 0; i < m->u.forwards.n; i++)
			MUST(f[i].proto < NET_PROTO_COUNT &&
			     memchr(f[i].host_addr, '\0', sizeof(f[i].host_addr)) != NULL);
	MUST(close(sock[0]) == 0 && close(sock[1]) == 0);
	free(m);
	return 0;
}
