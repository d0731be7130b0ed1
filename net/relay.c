/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published TCP ports.
 *
 * Theory of operation
 *
 * A client is accepted in the host's network namespace. A socket that lives in
 * the container's network namespace (agent.c says where it comes from) is
 * connected to the container's server, and bytes move between the two
 * (stream.c): two connections of the kernel and no TCP of libslirp's between.
 * Clients that come before the keeper serves, that is before the container has
 * started, wait for their socket.
 *
 * The server sees the client's own address and port: the socket is bound to
 * them. A client of the host's loopback is shown as the gateway, never as
 * 127.0.0.1 or ::1, which servers trust; so is a link-local one, whose address
 * means nothing without its interface. A port that is taken is replaced by any
 * other. Where the keeper has no transparent sockets, the server sees the
 * container's own address.
 *
 * A client is connected by the same family of addresses first and, when nobody
 * listens there, by the other, as the gateway: many servers listen on IPv4
 * only, and what asks for "localhost" tries ::1 first.
 *
 * What happens to one of the two connections happens to the other: the end of
 * sending is passed on when all data is through; a reset is a reset; a refused
 * connection is reset, since it was accepted already. Clients that vanish
 * without a word are found by keep-alive probes of the kernel, on the client's
 * side only, where the server's own cannot reach.
 *
 * Everything is watched by one epoll instance, whose fd is one entry in
 * crt-net's poll: what an idle connection costs is its memory. Connections are
 * edge-triggered and never changed after they were added. Connections that end
 * are only marked while events are being looked at, since a later event of the
 * same batch may point to them.
 *
 * The attacker is a client, or the container, which can refuse, stall and
 * answer in any way it likes: it holds up connections and nothing else. Their
 * number is bounded by the fds that crt-net may open; at the bound the
 * listening sockets are left alone.
 */
#include "net/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "net/agent.h"
#include "net/stream.h"

#define EVENTS	     64
#define ACCEPTS	     32 /* clients of one listening socket in a row */
#define CHUNK_FIRST  4
#define KEEP_IDLE    300
#define KEEP_SPACING 30

enum kind {
	KIND_AGENT,
	KIND_LISTENER,
	KIND_OTHER,
	KIND_CLIENT,
	KIND_SERVER
};

enum family {
	V4,
	V6,
	FAMILY_COUNT
};

/* What an event points to. */
struct source {
	enum kind kind;
	struct conn *conn;
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct listener {
	struct source source;
	int fd;
	uint16_t port; /* of the container */
	int burst;     /* how many clients come at once lately */
	uint64_t turn; /* in which it last had some */
};

struct conn {
	struct source client_source, server_source;
	struct stream_end client, server; /* server.fd = -1: waits for a socket */
	struct stream up, down;		  /* from the client, to the client */
	union address from;		  /* the client's address */
	enum family family;		  /* by which the server is tried */
	uint16_t port;			  /* of the container */
	bool fell_back;			  /* to the other family */
	bool connecting;
	bool watched;  /* the client */
	bool any_port; /* the client's is taken */
	bool dead;
	bool queued;
	struct conn *next_queued;
	struct conn *next; /* of all, or of the dead */
	struct conn **prev;
};

struct queue {
	struct conn *first, **last;
};

/* Unconnected sockets inside the container. */
struct pool {
	int fds[2 * AGENT_SOCKETS];
	size_t n;
	size_t asked; /* and not yet answered */
	size_t chunk; /* how many to ask for; grows when clients have to wait */
	bool transparent;
	struct queue waiting;
};

struct relay {
	struct source agent_source, other_source;
	int others[RELAY_OTHERS]; /* fds of the caller that are watched, too; -1 = none */
	bool others_ready;
	int epoll_fd;
	int agent_fd;
	bool agent_lost;
	struct listener **listeners;
	size_t listeners_n;
	bool accepting;
	struct conn *conns, *dead;
	size_t conns_n;
	size_t room;
	struct pool pools[FAMILY_COUNT];
	struct queue active; /* had more to do when their turn was over */
	struct layout layout;
	uint64_t turn; /* of relay_dispatch() */
	struct stream_pool streams;
};

/* ---- queues ---- */

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_add(struct queue *q, struct conn *c)
{
	c->queued = true;
	c->next_queued = NULL;
	*q->last = c;
	q->last = &c->next_queued;
}

static struct conn *queue_take(struct queue *q)
{
	struct conn *c = q->first;

	if (c == NULL)
		return NULL;
	q->first = c->next_queued;
	if (q->first == NULL)
		q->last = &q->first;
	c->queued = false;
	return c;
}

/* ---- connections ---- */

static void conn_free(struct relay *r, struct conn *c)
{
	stream_fini(&r->streams, &c->up);
	stream_fini(&r->streams, &c->down);
	close_fd(&c->client.fd);
	close_fd(&c->server.fd);
	free(c);
}

/* Close both sides; memory goes at the end of the turn. */
static void conn_end(struct relay *r, struct conn *c, bool reset)
{
	const struct linger hard = { .l_onoff = 1 };

	if (c->dead)
		return;
	c->dead = true;
	if (reset) {
		(void)setsockopt(c->client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (c->server.fd >= 0)
			(void)setsockopt(c->server.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	}
	close_fd(&c->client.fd);
	close_fd(&c->server.fd);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = r->dead;
	r->dead = c;
	r->conns_n--;
}

static void bury_dead(struct relay *r)
{
	struct conn **at = &r->dead;

	while (*at != NULL) {
		struct conn *c = *at;

		if (c->queued) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		conn_free(r, c);
	}
}

/* ---- sockets inside the container ---- */

static const int families[FAMILY_COUNT] = { [V4] = AF_INET, [V6] = AF_INET6 };

static void pool_ask(struct relay *r, enum family family)
{
	struct pool *p = &r->pools[family];
	struct agent_request q = { .family = (uint32_t)families[family] };

	if (r->agent_fd < 0 || p->asked != 0)
		return;
	if (p->waiting.first != NULL && p->chunk < AGENT_SOCKETS)
		p->chunk *= 2;
	q.count = (uint32_t)p->chunk;
	if (fd_send(r->agent_fd, &q, sizeof(q), NULL, 0) == 0)
		p->asked = p->chunk;
}

static void conn_connect(struct relay *r, struct conn *c);

static void serve_waiting(struct relay *r, struct pool *p)
{
	while (p->n != 0 && p->waiting.first != NULL)
		conn_connect(r, queue_take(&p->waiting));
}

static void refuse_waiting(struct relay *r, struct pool *p)
{
	struct conn *c;

	while ((c = queue_take(&p->waiting)) != NULL)
		conn_end(r, c, true);
}

static void agent_gone(struct relay *r)
{
	close_fd(&r->agent_fd);
	r->agent_lost = true;
	for (size_t i = 0; i < FAMILY_COUNT; i++)
		refuse_waiting(r, &r->pools[i]);
}

static void agent_event(struct relay *r)
{
	struct agent_answer a;
	int fds[AGENT_SOCKETS];
	size_t n = AGENT_SOCKETS;
	ssize_t len = fd_recv(r->agent_fd, &a, sizeof(a), fds, &n);
	enum family family;
	struct pool *p;

	if (len == -EAGAIN || len == -EINTR)
		return;
	family = len == (ssize_t)sizeof(a) && a.family == AF_INET6 ? V6 : V4;
	p = &r->pools[family];
	if (len != (ssize_t)sizeof(a) || n > p->asked ||
	    p->n + n > sizeof(p->fds) / sizeof(p->fds[0])) {
		for (size_t i = 0; len > 0 && i < n; i++)
			close_fd(&fds[i]);
		agent_gone(r);
		return;
	}
	p->asked = 0;
	p->transparent = a.transparent != 0;
	memcpy(p->fds + p->n, fds, n * sizeof(fds[0]));
	p->n += n;
	serve_waiting(r, p);
	if (n == 0)
		refuse_waiting(r, p);
	else if (p->waiting.first != NULL)
		pool_ask(r, family);
}

/* ---- connecting ---- */

/* The address that the server is to see. */
static void source_address(const struct relay *r, const struct conn *c, union address *ret)
{
	const struct in6_addr *a6 = &c->from.in6.sin6_addr;
	bool gateway = c->fell_back;

	memset(ret, 0, sizeof(*ret));
	ret->sa.sa_family = (sa_family_t)families[c->family];
	if (c->from.sa.sa_family == AF_INET)
		gateway = gateway || ntohl(c->from.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	else
		gateway = gateway || c->family == V4 || IN6_IS_ADDR_LOOPBACK(a6) ||
			  IN6_IS_ADDR_LINKLOCAL(a6);
	if (c->family == V4) {
		ret->in.sin_addr = gateway ? r->layout.gateway : c->from.in.sin_addr;
		ret->in.sin_port = c->any_port ? 0 : c->from.in.sin_port;
	} else {
		ret->in6.sin6_addr = gateway ? r->layout.gateway6 : *a6;
		ret->in6.sin6_port = c->any_port ? 0 : c->from.in6.sin6_port;
	}
}

static void server_address(const struct relay *r, const struct conn *c, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sa.sa_family = (sa_family_t)families[c->family];
	if (c->family == V4) {
		ret->in.sin_addr = r->layout.guest;
		ret->in.sin_port = htons(c->port);
	} else {
		ret->in6.sin6_addr = r->layout.guest6;
		ret->in6.sin6_port = htons(c->port);
	}
}

static socklen_t address_len(const union address *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

static bool watch(struct relay *r, int fd, struct source *source)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				  .data.ptr = source };

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* The attempt failed: another way, or the end. */
static void connect_failed(struct relay *r, struct conn *c, int err)
{
	bool tuple = err == EADDRNOTAVAIL || err == EADDRINUSE;

	close_fd(&c->server.fd);
	c->connecting = false;
	if (tuple && !c->any_port) {
		c->any_port = true; /* the same client by another published port, for example */
	} else if (r->layout.ipv6 && !c->fell_back && err != ETIMEDOUT) {
		c->fell_back = true;
		c->any_port = false;
		c->family = c->family == V4 ? V6 : V4;
	} else {
		conn_end(r, c, true);
		return;
	}
	conn_connect(r, c);
}

static void conn_bind(const struct relay *r, struct conn *c)
{
	union address from;

	source_address(r, c, &from);
	if (bind(c->server.fd, &from.sa, address_len(&from)) == 0 || c->any_port)
		return;
	c->any_port = true;
	source_address(r, c, &from);
	/* else the container's own address is seen */
	(void)bind(c->server.fd, &from.sa, address_len(&from));
}

static void conn_connect(struct relay *r, struct conn *c)
{
	struct pool *p = &r->pools[c->family];
	union address to;
	int ret;

	if (p->n == 0) {
		if (r->agent_lost) {
			conn_end(r, c, true);
			return;
		}
		queue_add(&p->waiting, c);
		pool_ask(r, c->family);
		return;
	}
	c->server.fd = p->fds[--p->n];
	if (p->n < p->chunk / 2)
		pool_ask(r, c->family);
	if (p->transparent)
		conn_bind(r, c);
	server_address(r, c, &to);
	ret = connect(c->server.fd, &to.sa, address_len(&to));
	if (ret < 0 && errno != EINPROGRESS && errno != EINTR) {
		connect_failed(r, c, errno);
		return;
	}
	/* usually it is through by now, the way is short: epoll tells, also what the client has sent meanwhile */
	c->connecting = true;
	if (!watch(r, c->server.fd, &c->server_source) ||
	    (!c->watched && !watch(r, c->client.fd, &c->client_source)))
		conn_end(r, c, true);
	c->watched = true;
}

static void connecting_event(struct relay *r, struct conn *c, uint32_t events)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if ((events & (EPOLLERR | EPOLLHUP)) != 0 &&
	    getsockopt(c->server.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err != 0) {
		connect_failed(r, c, err);
		return;
	}
	c->connecting = false;
	c->client.writable = c->server.writable = true;
}

/* ---- clients ---- */

static void conn_new(struct relay *r, int client_fd, const union address *from, uint16_t port)
{
	_cleanup_fd_ int fd = client_fd;
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return;
	c->client_source = (struct source){ .kind = KIND_CLIENT, .conn = c };
	c->server_source = (struct source){ .kind = KIND_SERVER, .conn = c };
	c->client.fd = steal_fd(&fd);
	c->server.fd = -1;
	c->from = *from;
	c->port = port;
	c->family = from->sa.sa_family == AF_INET6 && r->layout.ipv6 ? V6 : V4;
	c->next = r->conns;
	c->prev = &r->conns;
	if (c->next != NULL)
		c->next->prev = &c->next;
	r->conns = c;
	r->conns_n++;
	conn_connect(r, c);
}

static bool has_room(const struct relay *r)
{
	return relay_open(r) + AGENT_SOCKETS < r->room;
}

/* Epoll tells of those who are left; to look for one who is not there is a system call, too. */
static void listener_event(struct relay *r, struct listener *l)
{
	int i;

	for (i = 0; i < l->burst && has_room(r); i++) {
		union address from = { .sa = { .sa_family = AF_UNSPEC } };
		socklen_t len = sizeof(from);
		int fd = accept4(l->fd, &from.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			break;
		conn_new(r, fd, &from, l->port);
	}
	if (i < l->burst)
		l->burst = i > 1 ? i : 1;
	else if (l->turn + 1 == r->turn && i < ACCEPTS)
		l->burst = 2 * i;
	l->turn = r->turn;
}

/* ---- traffic ---- */

static void conn_pump(struct relay *r, struct conn *c)
{
	uint64_t before = c->up.bytes + c->down.bytes;
	enum stream_result up =
		stream_pump(&r->streams, &c->up, &c->client, &c->server, c->down.shutdown);
	enum stream_result down =
		stream_pump(&r->streams, &c->down, &c->server, &c->client, c->up.shutdown);

	if (up == STREAM_BROKEN || down == STREAM_BROKEN) {
		/* last words are not to be overtaken by the reset */
		conn_end(r, c, c->up.bytes + c->down.bytes == before);
	} else if (c->up.shutdown && c->down.shutdown) {
		conn_end(r, c, false);
	} else if ((up == STREAM_MORE || down == STREAM_MORE) && !c->queued) {
		queue_add(&r->active, c);
	}
}

static void conn_event(struct relay *r, struct source *s, uint32_t events)
{
	struct conn *c = s->conn;
	struct stream_end *end = s->kind == KIND_CLIENT ? &c->client : &c->server;

	if (c->dead)
		return;
	if (c->connecting && s->kind == KIND_SERVER) {
		connecting_event(r, c, events);
		/* with the connection may have come what the server said first; it is told only once */
		if (c->dead || c->connecting || end->fd < 0)
			return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->hung_up = true;
	if (events & EPOLLOUT)
		end->writable = true;
	if (!c->connecting && c->server.fd >= 0)
		conn_pump(r, c);
	/* reading found no error because it waits for the other side: that one is to hear of it now */
	if (!c->dead && (events & EPOLLERR))
		conn_end(r, c, true);
}

static void active_turn(struct relay *r)
{
	struct queue now = r->active;
	struct conn *c;

	if (now.first == NULL)
		return;
	queue_init(&r->active);
	while ((c = queue_take(&now)) != NULL)
		if (!c->dead)
			conn_pump(r, c);
}

bool relay_dispatch(struct relay *r, int timeout_ms)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(r->epoll_fd, ev, EVENTS, timeout_ms);

	r->others_ready = false;
	r->turn++;
	for (int i = 0; i < n; i++) {
		struct source *s = ev[i].data.ptr;

		switch (s->kind) {
		case KIND_AGENT:
			if (r->agent_fd >= 0)
				agent_event(r);
			break;
		case KIND_LISTENER:
			listener_event(r, (struct listener *)(void *)s);
			break;
		case KIND_OTHER:
			r->others_ready = true;
			break;
		case KIND_CLIENT:
		case KIND_SERVER:
			conn_event(r, s, ev[i].events);
			break;
		}
	}
	active_turn(r);
	bury_dead(r);
	return n == EVENTS || r->active.first != NULL;
}

/* ---- set-up ---- */

int relay_new(const struct layout *l, struct relay **ret)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->agent_source.kind = KIND_AGENT;
	r->other_source.kind = KIND_OTHER;
	for (size_t i = 0; i < RELAY_OTHERS; i++)
		r->others[i] = -1;
	r->agent_fd = -1;
	r->layout = *l;
	r->accepting = true;
	r->room = SIZE_MAX;
	queue_init(&r->active);
	for (size_t i = 0; i < FAMILY_COUNT; i++) {
		queue_init(&r->pools[i].waiting);
		r->pools[i].chunk = CHUNK_FIRST;
	}
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0) {
		int code = -errno;

		free(r);
		return code;
	}
	*ret = r;
	return 0;
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < FAMILY_COUNT; i++) {
		while (queue_take(&r->pools[i].waiting) != NULL)
			;
		while (r->pools[i].n != 0)
			close_fd(&r->pools[i].fds[--r->pools[i].n]);
	}
	while (queue_take(&r->active) != NULL)
		;
	while (r->conns != NULL)
		conn_end(r, r->conns, false);
	bury_dead(r);
	stream_pool_fini(&r->streams);
	for (size_t i = 0; i < r->listeners_n; i++) {
		close_fd(&r->listeners[i]->fd);
		free(r->listeners[i]);
	}
	free(r->listeners);
	close_fd(&r->agent_fd);
	close_fd(&r->epoll_fd);
	free(r);
}

/* Of a listening socket; those accepted from it inherit this. */
static void set_options(int fd)
{
	const int on = 1, idle = KEEP_IDLE, spacing = KEEP_SPACING;

	/* only slower, or longer, without */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &spacing, sizeof(spacing));
}

int relay_listen(struct relay *r, int listen_fd, uint16_t port)
{
	_cleanup_fd_ int fd = listen_fd;
	_cleanup_free_ struct listener *l = calloc(1, sizeof(*l));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	struct listener **grown;

	grown = reallocarray(r->listeners, r->listeners_n + 1, sizeof(struct listener *));
	if (grown == NULL || l == NULL)
		return -ENOMEM;
	r->listeners = grown;
	set_options(fd);
	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*l = (struct listener){
		.source.kind = KIND_LISTENER, .fd = steal_fd(&fd), .port = port, .burst = 1
	};
	r->listeners[r->listeners_n++] = steal_ptr(&l);
	return 0;
}

int relay_set_agent(struct relay *r, int agent_fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &r->agent_source };
	int ret = fd_set_nonblock(agent_fd, true);

	r->agent_fd = agent_fd;
	if (ret == 0 && epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, agent_fd, &ev) < 0)
		ret = -errno;
	for (size_t i = 0; ret == 0 && i < FAMILY_COUNT; i++)
		if (r->pools[i].waiting.first != NULL)
			pool_ask(r, (enum family)i);
	return ret;
}

int relay_fd(const struct relay *r)
{
	return r->epoll_fd;
}

int relay_watch_others(struct relay *r, const int fds[RELAY_OTHERS])
{
	for (size_t i = 0; i < RELAY_OTHERS; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &r->other_source };

		if (r->others[i] == fds[i])
			continue;
		if (r->others[i] >= 0) /* it was added */
			(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, r->others[i], NULL);
		r->others[i] = -1;
		if (fds[i] >= 0 && epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fds[i], &ev) < 0)
			return -errno;
		r->others[i] = fds[i];
	}
	return 0;
}

bool relay_others_ready(const struct relay *r)
{
	return r->others_ready;
}

size_t relay_open(const struct relay *r)
{
	return 2 * (r->conns_n + r->streams.pipes_n) + r->pools[V4].n + r->pools[V6].n;
}

void relay_set_room(struct relay *r, size_t fds)
{
	bool accepting;

	r->room = fds;
	accepting = has_room(r);
	if (accepting == r->accepting)
		return;
	r->accepting = accepting;
	for (size_t i = 0; i < r->listeners_n; i++) {
		struct epoll_event ev = { .events = accepting ? EPOLLIN : 0,
					  .data.ptr = r->listeners[i] };

		(void)epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, r->listeners[i]->fd,
				&ev); /* it was added */
	}
}
