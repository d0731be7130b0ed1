/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published UDP ports.
 *
 * Theory of operation
 *
 * A datagram that a client sends to a published port is put on the container's
 * wire as it is (datagram.c): from the client's own address and port, to the
 * container's. What the container sends from that port to a client that is
 * known here goes back through the published port's socket, from the very
 * address that the client had asked; everything else of the container's is
 * not ours, and libslirp sends it. So libslirp has no part in published ports,
 * no client costs a socket, and a server sees who asks.
 *
 * Some clients are shown as the gateway: those of the host's loopback (a
 * server must not see 127.0.0.1, which programs trust), link-local ones, and
 * those whose address would be a neighbour's in the container's own network.
 * They keep their port unless another such client has it.
 *
 * The attackers: a client can send what it likes, and lie about its address.
 * The table of clients is bounded, the longest silent one gives way, and it
 * holds nothing but addresses. The container can answer to whom is in the
 * table, for four minutes after it last heard from or sent to it, from
 * the port that was asked; to nobody else in this way.
 */
#include "net/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define LIFE_MS	   240000u
#define BATCH	   64 /* datagrams of one socket in a row */
#define EVENTS	   16
#define BUCKETS	   1024u
#define PORT_TRIES 64
#define PORT_FIRST 1024u

struct listener {
	int fd;
	bool v6;
	uint16_t port; /* of the container */
};

struct client {
	struct client *next_asking, *next_shown; /* of the same bucket */
	struct client *older, *newer;
	struct listener *listener;
	struct sockaddr_in6 addr; /* mapped */
	struct in6_addr asked;	  /* the address of the host that it sent to */
	struct in6_addr shown;	  /* in the container */
	uint16_t shown_port;
	uint64_t used_ms;
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp {
	int epoll_fd;
	struct layout layout;
	udp_deliver deliver;
	void *data;
	struct listener **listeners;
	size_t listeners_n;
	struct client *asking[BUCKETS], *shown[BUCKETS];
	struct client *oldest, *newest;
	size_t clients_n;
	uint8_t buffer[DATAGRAM_MAX + 1];
};

/* ---- the table ---- */

/* Not keyed: who fills a bucket makes the table a short list, UDP_CLIENTS_MAX long at most. */
static size_t bucket(const struct in6_addr *a, unsigned int port, unsigned int guest_port)
{
	uint64_t h = port * UINT64_C(0x9e3779b97f4a7c15) + guest_port;

	for (size_t i = 0; i < sizeof(a->s6_addr); i++)
		h = (h ^ a->s6_addr[i]) * UINT64_C(0x100000001b3);
	return (h ^ h >> 32) % BUCKETS;
}

static size_t asking_bucket(const struct client *c)
{
	return bucket(&c->addr.sin6_addr, c->addr.sin6_port, c->listener->port);
}

static size_t shown_bucket(const struct client *c)
{
	return bucket(&c->shown, c->shown_port, c->listener->port);
}

static void unlink_age(struct udp *u, struct client *c)
{
	*(c->older != NULL ? &c->older->newer : &u->oldest) = c->newer;
	*(c->newer != NULL ? &c->newer->older : &u->newest) = c->older;
}

static void link_age(struct udp *u, struct client *c)
{
	c->older = u->newest;
	c->newer = NULL;
	*(u->newest != NULL ? &u->newest->newer : &u->oldest) = c;
	u->newest = c;
}

static void client_used(struct udp *u, struct client *c, uint64_t now_ms)
{
	c->used_ms = now_ms;
	if (u->newest == c)
		return;
	unlink_age(u, c);
	link_age(u, c);
}

static void client_free(struct udp *u, struct client *c)
{
	struct client **at;

	for (at = &u->asking[asking_bucket(c)]; *at != c; at = &(*at)->next_asking)
		;
	*at = c->next_asking;
	for (at = &u->shown[shown_bucket(c)]; *at != c; at = &(*at)->next_shown)
		;
	*at = c->next_shown;
	unlink_age(u, c);
	u->clients_n--;
	free(c);
}

static void drop_old(struct udp *u, uint64_t now_ms)
{
	while (u->oldest != NULL &&
	       (u->oldest->used_ms + LIFE_MS < now_ms || u->clients_n > UDP_CLIENTS_MAX))
		client_free(u, u->oldest);
}

static struct client *find_asking(const struct udp *u, const struct listener *l,
				  const struct sockaddr_in6 *a)
{
	struct client *c = u->asking[bucket(&a->sin6_addr, a->sin6_port, l->port)];

	while (c != NULL && (c->listener != l || c->addr.sin6_port != a->sin6_port ||
			     c->addr.sin6_scope_id != a->sin6_scope_id ||
			     !IN6_ARE_ADDR_EQUAL(&c->addr.sin6_addr, &a->sin6_addr)))
		c = c->next_asking;
	return c;
}

static struct client *find_shown(const struct udp *u, const struct in6_addr *a, unsigned int port,
				 unsigned int guest_port)
{
	struct client *c = u->shown[bucket(a, port, guest_port)];

	while (c != NULL && (c->shown_port != port || c->listener->port != guest_port ||
			     !IN6_ARE_ADDR_EQUAL(&c->shown, a)))
		c = c->next_shown;
	return c;
}

static struct in6_addr shown_address(const struct udp *u, const struct in6_addr *a)
{
	const struct layout *l = &u->layout;
	struct in_addr a4 = datagram_unmap(a);

	if (IN6_IS_ADDR_V4MAPPED(a))
		return ntohl(a4.s_addr) >> 24 == IN_LOOPBACKNET ||
				       (a4.s_addr & l->mask.s_addr) == l->network.s_addr ?
			       datagram_map(l->gateway) :
			       *a;
	if (!l->ipv6)
		return datagram_map(l->gateway);
	return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
			       memcmp(a, &l->prefix6, LAYOUT_PREFIX6_LEN / 8) == 0 ?
		       l->gateway6 :
		       *a;
}

static struct client *client_new(struct udp *u, struct listener *l, const struct sockaddr_in6 *addr,
				 uint64_t now_ms)
{
	struct in6_addr shown = shown_address(u, &addr->sin6_addr);
	unsigned int port = ntohs(addr->sin6_port);
	struct client *c;

	for (int i = 0; find_shown(u, &shown, port, l->port) != NULL; i++) {
		if (i == PORT_TRIES)
			return NULL;
		port = port < UINT16_MAX ? port + 1 : PORT_FIRST;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->listener = l;
	c->addr = *addr;
	c->shown = shown;
	c->shown_port = (uint16_t)port;
	c->used_ms = now_ms;
	c->next_asking = u->asking[asking_bucket(c)];
	u->asking[asking_bucket(c)] = c;
	c->next_shown = u->shown[shown_bucket(c)];
	u->shown[shown_bucket(c)] = c;
	link_age(u, c);
	u->clients_n++;
	drop_old(u, now_ms);
	return c;
}

/* ---- from clients ---- */

/* The address of the host that a datagram was sent to; :: when the kernel does not tell. */
static struct in6_addr asked_address(struct msghdr *m)
{
	struct in6_addr ret = { .s6_addr = { 0 } };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			ret = datagram_map(info.ipi_spec_dst);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
				ret = info.ipi6_addr;
		}
	}
	return ret;
}

static struct sockaddr_in6 map_address(const union address *a)
{
	struct sockaddr_in6 ret = { .sin6_family = AF_INET6 };

	if (a->sa.sa_family == AF_INET6) {
		ret.sin6_addr = a->in6.sin6_addr;
		ret.sin6_port = a->in6.sin6_port;
		ret.sin6_scope_id = a->in6.sin6_scope_id;
	} else {
		ret.sin6_addr = datagram_map(a->in.sin_addr);
		ret.sin6_port = a->in.sin_port;
	}
	return ret;
}

/* False when there is no more. */
static bool take_one(struct udp *u, struct listener *l, uint64_t now_ms)
{
	struct iovec iov = { .iov_base = u->buffer, .iov_len = sizeof(u->buffer) };
	union address from = { .sa = { .sa_family = AF_UNSPEC } };
	union control control;
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(l->fd, &m, MSG_DONTWAIT);
	struct sockaddr_in6 addr;
	struct datagram d;
	struct client *c;

	if (len < 0)
		return errno == EINTR;
	if ((size_t)len > DATAGRAM_MAX || from.sa.sa_family == AF_UNSPEC)
		return true;
	addr = map_address(&from);
	c = find_asking(u, l, &addr);
	if (c == NULL)
		c = client_new(u, l, &addr, now_ms);
	if (c == NULL)
		return true; /* lost, as on any network */
	client_used(u, c, now_ms);
	c->asked = asked_address(&m);
	d = (struct datagram){
		.from = c->shown,
		.to = IN6_IS_ADDR_V4MAPPED(&c->shown) ? datagram_map(u->layout.guest) :
							u->layout.guest6,
		.from_port = c->shown_port,
		.to_port = l->port,
		.data = u->buffer,
		.len = (size_t)len,
	};
	u->deliver(u->data, &d);
	return true;
}

bool udp_dispatch(struct udp *u, uint64_t now_ms)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(u->epoll_fd, ev, EVENTS, 0);
	bool more = n == EVENTS;

	for (int i = 0; i < n; i++) {
		int k = 0;

		while (k < BATCH && take_one(u, ev[i].data.ptr, now_ms))
			k++;
		more = more || k == BATCH;
	}
	return more;
}

/* ---- to clients ---- */

static void put_pktinfo(struct msghdr *m, union control *control, const struct client *c)
{
	struct cmsghdr *h = &control->align;

	if (IN6_IS_ADDR_UNSPECIFIED(&c->asked))
		return;
	memset(control, 0, sizeof(*control));
	m->msg_control = control;
	if (c->listener->v6) {
		struct in6_pktinfo info = { .ipi6_addr = c->asked };

		h->cmsg_level = IPPROTO_IPV6;
		h->cmsg_type = IPV6_PKTINFO;
		h->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(h), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_spec_dst = datagram_unmap(&c->asked) };

		h->cmsg_level = IPPROTO_IP;
		h->cmsg_type = IP_PKTINFO;
		h->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(h), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

bool udp_answer(struct udp *u, const struct datagram *d, uint64_t now_ms)
{
	struct client *c = find_shown(u, &d->to, d->to_port, d->from_port);
	struct iovec iov = { .iov_len = d->len };
	union control control;
	union address to;
	struct msghdr m = { .msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1 };

	if (c == NULL || c->used_ms + LIFE_MS < now_ms)
		return false;
	client_used(u, c, now_ms);
	memset(&to, 0, sizeof(to));
	if (c->listener->v6) {
		to.in6 = c->addr;
		m.msg_namelen = sizeof(to.in6);
	} else {
		to.in.sin_family = AF_INET;
		to.in.sin_port = c->addr.sin6_port;
		to.in.sin_addr = datagram_unmap(&c->addr.sin6_addr);
		m.msg_namelen = sizeof(to.in);
	}
	memcpy(&iov.iov_base, &d->data, sizeof(d->data)); /* sendmsg() does not write to it */
	put_pktinfo(&m, &control, c);
	(void)sendmsg(c->listener->fd, &m,
		      MSG_DONTWAIT | MSG_NOSIGNAL); /* lost, as on any network */
	return true;
}

/* ---- set-up ---- */

int udp_new(const struct layout *l, udp_deliver deliver, void *data, struct udp **ret)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return -ENOMEM;
	u->layout = *l;
	u->deliver = deliver;
	u->data = data;
	u->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (u->epoll_fd < 0) {
		int code = -errno;

		free(u);
		return code;
	}
	*ret = u;
	return 0;
}

void udp_free(struct udp *u)
{
	if (u == NULL)
		return;
	while (u->oldest != NULL)
		client_free(u, u->oldest);
	for (size_t i = 0; i < u->listeners_n; i++) {
		close_fd(&u->listeners[i]->fd);
		free(u->listeners[i]);
	}
	free(u->listeners);
	close_fd(&u->epoll_fd);
	free(u);
}

int udp_listen(struct udp *u, int fd, uint16_t port)
{
	_cleanup_fd_ int owned = fd;
	_cleanup_free_ struct listener *l = calloc(1, sizeof(*l));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	struct listener **grown;
	int family;
	socklen_t len = sizeof(family);
	const int on = 1;

	grown = reallocarray(u->listeners, u->listeners_n + 1, sizeof(struct listener *));
	if (grown == NULL || l == NULL)
		return -ENOMEM;
	u->listeners = grown;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return -errno;
	/* without it the kernel chooses the address that answers come from */
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (epoll_ctl(u->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*l = (struct listener){ .fd = steal_fd(&owned), .v6 = family == AF_INET6, .port = port };
	u->listeners[u->listeners_n++] = steal_ptr(&l);
	return 0;
}

int udp_fd(const struct udp *u)
{
	return u->epoll_fd;
}
