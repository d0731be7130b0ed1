/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between crt and crt-net (net/wire.h).
 *
 * Theory of operation
 *
 * SOCK_SEQPACKET keeps message borders, so a message is its type followed by
 * the plain structure of that type, and a wrong length is a protocol error.
 * Tables of forwards travel in chunks, because one message must fit the
 * socket buffer. Neither side is hostile by design, but crt-net handles
 * foreign packets: what comes from it is checked as if it were (lengths, text
 * terminated, ports only taken over for entries that asked for one).
 */
#include "net/wire.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

int wire_send(int sock, enum wire_type type, const void *payload, size_t len, int fd)
{
	struct wire_message m = { .type = type };

	if (len > sizeof(m.u))
		return -EMSGSIZE;
	if (len != 0)
		memcpy(&m.u, payload, len);
	return fd_send(sock, &m, offsetof(struct wire_message, u) + len, &fd, fd >= 0 ? 1 : 0);
}

static bool wire_length_ok(const struct wire_message *m, size_t len)
{
	switch ((enum wire_type)m->type) {
	case WIRE_TYPE_REQUEST:
		return len == sizeof(m->u.request);
	case WIRE_TYPE_FORWARDS:
		return len >= offsetof(struct wire_forwards, f) && m->u.forwards.n <= WIRE_CHUNK &&
		       len == offsetof(struct wire_forwards, f) +
				       m->u.forwards.n * sizeof(struct net_forward);
	case WIRE_TYPE_FAILED:
		return len == sizeof(m->u.error);
	case WIRE_TYPE_PASTA:
		return len == sizeof(m->u.pasta) && m->u.pasta.text[WIRE_PASTA_TEXT - 1] == '\0';
	case WIRE_TYPE_NAMESPACE:
	case WIRE_TYPE_GO:
	case WIRE_TYPE_BOUND:
	case WIRE_TYPE_AGENT:
	case WIRE_TYPE_TAP:
	case WIRE_TYPE_TAKEN:
		return len == 0;
	case WIRE_TYPE_COUNT:
		break;
	}
	return false;
}

int wire_recv(int sock, struct wire_message *ret, int *ret_fd)
{
	_cleanup_fd_ int fd = -1;
	size_t n = 1;
	ssize_t len;

	len = fd_recv(sock, ret, sizeof(*ret), &fd, &n);
	if (n == 0)
		fd = -1;
	if (len <= 0)
		return (int)len;
	if ((size_t)len < offsetof(struct wire_message, u) ||
	    !wire_length_ok(ret, (size_t)len - offsetof(struct wire_message, u)))
		return -EPROTO;
	if (ret->type == WIRE_TYPE_FAILED)
		ret->u.error.msg[sizeof(ret->u.error.msg) - 1] = '\0';
	if (ret_fd != NULL)
		*ret_fd = steal_fd(&fd);
	return (int)ret->type;
}

int wire_send_forwards(int sock, const struct net_forward *f, size_t n)
{
	struct wire_forwards chunk;
	int ret;

	for (size_t done = 0; done < n; done += chunk.n) {
		chunk.n = (uint32_t)(n - done < WIRE_CHUNK ? n - done : WIRE_CHUNK);
		memcpy(chunk.f, f + done, chunk.n * sizeof(*f));
		ret = wire_send(sock, WIRE_TYPE_FORWARDS, &chunk,
				offsetof(struct wire_forwards, f) + chunk.n * sizeof(*f), -1);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int wire_recv_forwards(int sock, struct net_forward *f, size_t n)
{
	struct wire_message m;
	size_t done = 0;
	int type;

	while (done < n) {
		type = wire_recv(sock, &m, NULL);
		if (type < 0)
			return type;
		if (type != WIRE_TYPE_FORWARDS || m.u.forwards.n == 0 || m.u.forwards.n > n - done)
			return type == 0 ? -ECONNRESET : -EPROTO;
		for (size_t i = 0; i < m.u.forwards.n; i++) {
			struct net_forward *to = &f[done + i];

			*to = m.u.forwards.f[i];
			to->host_addr[sizeof(to->host_addr) - 1] = '\0';
			if (to->proto >= NET_PROTO_COUNT)
				return -EPROTO;
		}
		done += m.u.forwards.n;
	}
	return 0;
}
