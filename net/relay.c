/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published TCP ports reached by IPv6.
 *
 * Theory of operation
 *
 * libslirp would lead an IPv6 client to the container's IPv6 address. Many
 * programs listen on IPv4 only, and a client that tries ::1 first (as
 * "localhost" makes most do) would be connected by libslirp and then reset,
 * instead of falling back to 127.0.0.1. So the listening sockets on IPv6
 * addresses are ours: each connection is joined with one to the same port's
 * IPv4 listening socket of libslirp on 127.0.0.1, and what comes from one
 * side is written to the other, with one buffer for each direction. The
 * container sees the gateway address as the peer.
 *
 * A side that ends its sending is half-closed on the other side as soon as
 * its data is through. An error on either side closes both. All sockets are
 * non-blocking; a buffer that is full stops the reading, so that the peers'
 * flow control works through us.
 *
 * The attacker is a client or the container: neither controls more than the
 * bytes, which are not looked at. Memory is bounded by CONNS_MAX.
 */
#include "net/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define BUFFER	      (64u << 10)
#define CONNS_MAX     4096
#define LISTENERS_MAX 4096

enum {
	CLIENT,
	SERVER
};

/* One direction: from fd[i] to fd[1 - i]. */
struct stream {
	uint8_t *data;
	size_t start, len;
	bool eof;      /* nothing more will be read */
	bool shutdown; /* and that has been passed on */
};

struct conn {
	int fd[2];
	size_t slot[2]; /* in the pollfd array, SIZE_MAX = not watched */
	bool connecting;
	struct stream stream[2];
};

struct listener {
	int fd;
	uint16_t port;
	size_t slot;
};

struct relay {
	struct listener *listeners;
	size_t listeners_n;
	struct conn **conns;
	size_t conns_n, conns_cap;
};

int relay_new(struct relay **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret == NULL ? -ENOMEM : 0;
}

static void conn_free(struct conn *c)
{
	for (size_t i = 0; i < 2; i++) {
		close_fd(&c->fd[i]);
		free(c->stream[i].data);
	}
	free(c);
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->listeners_n; i++)
		close_fd(&r->listeners[i].fd);
	for (size_t i = 0; i < r->conns_n; i++)
		conn_free(r->conns[i]);
	free(r->listeners);
	free(r->conns);
	free(r);
}

int relay_listen(struct relay *r, int listen_fd, uint16_t port)
{
	_cleanup_fd_ int fd = listen_fd;
	struct listener *grown;

	if (r->listeners_n == LISTENERS_MAX)
		return -EMFILE;
	grown = reallocarray(r->listeners, r->listeners_n + 1, sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	r->listeners = grown;
	r->listeners[r->listeners_n++] =
		(struct listener){ .fd = steal_fd(&fd), .port = port, .slot = SIZE_MAX };
	return 0;
}

size_t relay_poll_max(const struct relay *r)
{
	return r->listeners_n + 2 * r->conns_n;
}

size_t relay_open(const struct relay *r)
{
	return 2 * r->conns_n;
}

/* What to wait for on side i of a connection. */
static short conn_events(const struct conn *c, size_t i)
{
	const struct stream *in = &c->stream[i], *out = &c->stream[1 - i];
	short events = 0;

	if (c->connecting)
		return i == SERVER ? POLLOUT : 0;
	if (!in->eof && in->len == 0)
		events |= POLLIN;
	if (out->len != 0)
		events |= POLLOUT;
	return events;
}

size_t relay_fill(struct relay *r, struct pollfd *p, bool accept)
{
	size_t n = 0;

	for (size_t i = 0; i < r->listeners_n; i++) {
		r->listeners[i].slot = SIZE_MAX;
		if (!accept || r->conns_n >= CONNS_MAX)
			continue;
		r->listeners[i].slot = n;
		p[n++] = (struct pollfd){ .fd = r->listeners[i].fd, .events = POLLIN };
	}
	for (size_t i = 0; i < r->conns_n; i++) {
		struct conn *c = r->conns[i];

		for (size_t side = 0; side < 2; side++) {
			short events = conn_events(c, side);

			c->slot[side] = SIZE_MAX;
			if (events == 0)
				continue; /* not even errors: they would be reported again and again */
			c->slot[side] = n;
			p[n++] = (struct pollfd){ .fd = c->fd[side], .events = events };
		}
	}
	return n;
}

/* ---- moving data ---- */

/* Write what the direction from side i holds; pass its end on. False: the connection is broken. */
static bool stream_write(struct conn *c, size_t i)
{
	struct stream *s = &c->stream[i];

	while (s->len != 0) {
		ssize_t sent = send(c->fd[1 - i], s->data + s->start, s->len, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		s->start += (size_t)sent;
		s->len -= (size_t)sent;
	}
	if (s->eof && !s->shutdown) {
		s->shutdown = true;
		(void)shutdown(c->fd[1 - i],
			       SHUT_WR); /* the peer may be gone: nothing to tell it then */
	}
	return true;
}

static bool stream_read(struct conn *c, size_t i)
{
	struct stream *s = &c->stream[i];
	ssize_t got;

	if (s->eof || s->len != 0)
		return true;
	got = recv(c->fd[i], s->data, BUFFER, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	s->eof = got == 0;
	s->start = 0;
	s->len = (size_t)got;
	return stream_write(c, i);
}

static bool conn_connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(c->fd[SERVER], SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err != 0)
		return false;
	c->connecting = false;
	return true;
}

/* Serve one connection. False: close it. */
static bool conn_dispatch(struct conn *c, const struct pollfd *p, size_t n)
{
	for (size_t side = 0; side < 2; side++) {
		short got = c->slot[side] < n ? p[c->slot[side]].revents : 0;

		if (got == 0)
			continue;
		if (c->connecting) {
			if (!conn_connected(c))
				return false;
			continue;
		}
		if ((got & POLLOUT) && !stream_write(c, 1 - side))
			return false;
		if ((got & (POLLIN | POLLHUP | POLLERR)) && !stream_read(c, side))
			return false;
		if ((got & (POLLERR | POLLHUP)) && c->stream[side].eof &&
		    c->stream[1 - side].len != 0)
			return false; /* nobody will take the rest */
	}
	return !c->stream[CLIENT].shutdown || !c->stream[SERVER].shutdown;
}

static void set_nodelay(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
}

static struct conn *conn_new(int client_fd, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	_cleanup_fd_ int client = client_fd;
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->fd[CLIENT] = steal_fd(&client);
	c->slot[CLIENT] = c->slot[SERVER] = SIZE_MAX;
	c->connecting = true;
	c->stream[0].data = malloc(BUFFER);
	c->stream[1].data = malloc(BUFFER);
	c->fd[SERVER] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (c->stream[0].data == NULL || c->stream[1].data == NULL || c->fd[SERVER] < 0 ||
	    (connect(c->fd[SERVER], (const struct sockaddr *)&to, sizeof(to)) < 0 &&
	     errno != EINPROGRESS)) {
		conn_free(c);
		return NULL;
	}
	set_nodelay(c->fd[CLIENT]);
	set_nodelay(c->fd[SERVER]);
	return c;
}

static void listener_dispatch(struct relay *r, const struct listener *l)
{
	while (r->conns_n < CONNS_MAX) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct conn *c;

		if (fd < 0)
			return;
		if (r->conns_n == r->conns_cap) {
			size_t cap = r->conns_cap == 0 ? 16 : 2 * r->conns_cap;
			struct conn **grown = reallocarray(r->conns, cap, sizeof(struct conn *));

			if (grown == NULL) {
				close_fd(&fd);
				return;
			}
			r->conns = grown;
			r->conns_cap = cap;
		}
		c = conn_new(fd, l->port);
		if (c != NULL)
			r->conns[r->conns_n++] = c;
	}
}

void relay_dispatch(struct relay *r, const struct pollfd *p, size_t n)
{
	size_t known = r->conns_n;

	for (size_t i = 0; i < r->listeners_n; i++)
		if (r->listeners[i].slot < n && p[r->listeners[i].slot].revents != 0)
			listener_dispatch(r, &r->listeners[i]);
	/* backwards, so that the last one can take the place of one that ends */
	for (size_t i = known; i-- > 0;) {
		if (conn_dispatch(r->conns[i], p, n))
			continue;
		conn_free(r->conns[i]);
		r->conns[i] = r->conns[--r->conns_n];
	}
}
