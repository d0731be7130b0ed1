/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server of the user-defined networks.
 *
 * Theory of operation
 *
 * A process of its own, forked by the holder of the networks (switch.c) and locked
 * in at once (confine.c), because the questions come from containers and the
 * answers to what is handed on from anywhere. It owns nothing but sockets: for
 * each network two that the holder made on port 53 of the gateway, and those
 * of the questions handed on (dns_forward.c), which are of the host's network.
 * What it knows it is told by the holder: networks, and who is on them by which
 * address and names. Whoever takes it over can answer wrongly, and reach the
 * host's network as the user; the networks themselves are out of reach.
 *
 * Who asks is known by the address from which the question comes, which no
 * other container of the network can use for long. A container sees the names
 * on all networks that it is on, whichever of them it asks by, and none of
 * others. A name is one that was given, an alias, or the id or its first twelve digits,
 * each also with ".dns.podman" behind it. Of names with no dot nothing is handed on:
 * no server of the world could know them. An internal network has no way out, for
 * questions neither.
 *
 * Messages of the holder are read before each question: a container that runs
 * can be sure that those who were there before are known. Memory is bounded by the
 * number of leases, connections and questions under way (dns_forward.c).
 */
#include "net/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "net/confine.h"
#include "net/dns.h"

#define TTL		0 /* a container may have another address at any time */
#define STREAMS_MAX	128
#define STREAMS_ONE_MAX 32    /* of one network */
#define STREAM_MS	10000 /* without a question */
#define STREAM_OUT_MAX	(256u << 10)
#define STREAM_QUERY	4096u
#define DATAGRAMS	32 /* read before the others get their turn */
#define DOMAIN_SUFFIX	".dns.podman"
#define FDS_MAX		8192

struct network {
	struct network *next;
	uint32_t number;
	bool internal;
	struct sockaddr_in6 servers[NET_SERVERS_MAX];
	size_t servers_n;
	int udp_fd, tcp_fd;
	struct loop_source *udp_source, *tcp_source;
	size_t streams_n;
	struct server *server;
};

struct lease {
	struct lease *next;
	uint32_t number;
	struct network *network;
	struct in_addr ip;
	struct in6_addr ip6;
	char id[ID_LEN + 1];
	char host_ip[INET6_ADDRSTRLEN];
	struct names_list names;
	struct sockaddr_in6 servers[NET_SERVERS_MAX];
	size_t servers_n;
};

/* A connection. */
struct stream {
	struct stream *next;
	uint64_t id;
	int fd;
	struct network *network;
	struct sockaddr_in6 peer;
	struct loop_source *source, *timer;
	size_t in_len;
	struct buf out;
	uint8_t in[2 + STREAM_QUERY];
};

struct server {
	struct loop *loop;
	int ctl_fd;
	struct network *networks;
	struct lease *leases;
	struct stream *streams;
	size_t streams_n;
	uint64_t last_stream;
	struct dns_forward *forward;
	struct loop_source *timer;
	uint8_t query[DNS_UDP_MAX];
	uint8_t answer[DNS_UDP_MAX];
};

/* ---- names ---- */

static bool is_named(const struct lease *l, const char *name)
{
	return names_has(&l->names, name) || strcmp(name, l->id) == 0 ||
	       (strlen(name) == ID_SHORT_LEN && strncmp(name, l->id, ID_SHORT_LEN) == 0);
}

/* ---- who is who ---- */

static struct network *find_network(const struct server *s, uint32_t number)
{
	struct network *n = s->networks;

	while (n != NULL && n->number != number)
		n = n->next;
	return n;
}

static bool has_address(const struct lease *l, const struct in6_addr *a)
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		return l->ip.s_addr != 0 && memcmp(&l->ip, a->s6_addr + 12, sizeof(l->ip)) == 0;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && memcmp(&l->ip6, a, sizeof(*a)) == 0;
}

static const struct lease *find_asker(const struct server *s, const struct network *n,
				      const struct sockaddr_in6 *peer)
{
	for (const struct lease *l = s->leases; l != NULL; l = l->next)
		if (l->network == n && has_address(l, &peer->sin6_addr))
			return l;
	return NULL;
}

/* May who asks over n see what is on other? */
static bool can_see(const struct server *s, const struct lease *asker, const struct network *n,
		    const struct network *other)
{
	if (other == n)
		return true;
	for (const struct lease *l = s->leases; asker != NULL && l != NULL; l = l->next)
		if (l->network == other && strcmp(l->id, asker->id) == 0)
			return true;
	return false;
}

/* ---- answers of our own ---- */

static void put_address(struct dns_answer *a, uint16_t type, const struct in_addr *ip,
			const struct in6_addr *ip6)
{
	if (ip->s_addr != 0 && (type == DNS_TYPE_A || type == DNS_TYPE_ANY))
		dns_answer_address(a, AF_INET, ip, TTL);
	if (!IN6_IS_ADDR_UNSPECIFIED(ip6) && (type == DNS_TYPE_AAAA || type == DNS_TYPE_ANY))
		dns_answer_address(a, AF_INET6, ip6, TTL);
}

/* Every container of that name. How many there are. */
static size_t put_containers(struct server *s, const struct network *n, const struct lease *asker,
			     const struct dns_question *q, const char *name, struct dns_answer *a)
{
	size_t found = 0;

	for (const struct lease *l = s->leases; l != NULL; l = l->next) {
		if (!is_named(l, name) || !can_see(s, asker, n, l->network))
			continue;
		found++;
		put_address(a, q->type, &l->ip, &l->ip6);
	}
	return found;
}

static bool put_reverse(struct server *s, const struct network *n, const struct lease *asker,
			const struct dns_question *q, struct dns_answer *a)
{
	struct in6_addr addr, mapped = { .s6_addr = { [10] = 0xff, 0xff } };
	int family = q->type == DNS_TYPE_PTR ? dns_parse_reverse(q->name, &addr) : 0;
	bool found = false;

	if (family == 0)
		return false;
	if (family == AF_INET)
		memcpy(mapped.s6_addr + 12, &addr, 4);
	for (const struct lease *l = s->leases; l != NULL; l = l->next) {
		if (!has_address(l, family == AF_INET ? &mapped : &addr) ||
		    !can_see(s, asker, n, l->network))
			continue;
		found = true;
		dns_answer_name(a, l->names.n != 0 ? l->names.text : l->id, TTL);
	}
	return found;
}

static bool is_host_name(const char *name)
{
	return strcmp(name, "host.containers.internal") == 0 ||
	       strcmp(name, "host.docker.internal") == 0;
}

static void put_host(const struct lease *asker, const struct dns_question *q, struct dns_answer *a)
{
	struct in6_addr ip6 = { .s6_addr = { 0 } };
	struct in_addr ip = { 0 };

	if (asker == NULL || asker->host_ip[0] == '\0')
		return;
	if (inet_pton(AF_INET, asker->host_ip, &ip) == 1 ||
	    inet_pton(AF_INET6, asker->host_ip, &ip6) == 1)
		put_address(a, q->type, &ip, &ip6);
}

/* The name without ".dns.podman": NULL when it has no such end. */
static const char *without_suffix(const struct dns_question *q, char buf[DNS_NAME_MAX + 1])
{
	size_t len = strlen(q->name), cut = strlen(DOMAIN_SUFFIX);

	if (len <= cut || !str_ends(q->name, DOMAIN_SUFFIX))
		return NULL;
	memcpy(buf, q->name, len - cut);
	buf[len - cut] = '\0';
	return buf;
}

/* An answer of our own, its length; 0: it is for others to answer. cap bytes at s->answer. */
static size_t answer_here(struct server *s, const struct network *n,
			  const struct sockaddr_in6 *peer, const uint8_t *query,
			  const struct dns_question *q, size_t cap)
{
	const struct lease *asker = find_asker(s, n, peer);
	char buf[DNS_NAME_MAX + 1];
	const char *ours = without_suffix(q, buf);
	struct dns_answer a;

	dns_answer_begin(&a, s->answer, cap, query, q, DNS_CODE_OK);
	if (!q->odd && is_host_name(q->name)) {
		put_host(asker, q, &a);
		return dns_answer_end(&a);
	}
	if (!q->odd && q->name[0] != '\0' &&
	    (put_containers(s, n, asker, q, ours != NULL ? ours : q->name, &a) != 0 ||
	     put_reverse(s, n, asker, q, &a)))
		return dns_answer_end(&a);
	if (!n->internal && ours == NULL && (q->odd || strchr(q->name, '.') != NULL))
		return 0;
	dns_answer_begin(&a, s->answer, cap, query, q, DNS_CODE_NAME);
	return dns_answer_end(&a);
}

/* ---- questions ---- */

static void arm(struct server *s)
{
	int ms = dns_forward_timeout(s->forward);

	if (ms >= 0)
		loop_source_set_timer(s->timer, (uint64_t)ms + 1);
}

static int on_timer(void *data)
{
	struct server *s = data;

	dns_forward_dispatch(s->forward);
	arm(s);
	return 0;
}

static int on_forward(void *data, int fd, short revents)
{
	(void)fd;
	(void)revents;
	return on_timer(data);
}

static int hand_on(struct server *s, const struct network *n, const struct dns_client *client,
		   const uint8_t *query, size_t len, const struct dns_question *q)
{
	const struct lease *asker = find_asker(s, n, &client->peer);

	if (asker != NULL && asker->servers_n != 0)
		return dns_forward_ask(s->forward, query, len, q, client, asker->servers,
				       asker->servers_n);
	return dns_forward_ask(s->forward, query, len, q, client, n->servers, n->servers_n);
}

/*
 * Answer at once (the length, in s->answer), or hand on (0). cap: what the peer takes, at most
 * sizeof(s->answer).
 */
static size_t take_query(struct server *s, struct network *n, const struct dns_client *client,
			 const uint8_t *query, size_t len, bool tcp)
{
	struct dns_question q;
	struct dns_answer a;
	int r = dns_parse(query, len, &q);
	size_t out;

	if (r == -ENOMSG)
		return 0;
	if (r < 0)
		return dns_refuse(s->answer, query,
				  r == -EOPNOTSUPP ? DNS_CODE_NOT_IMPLEMENTED : DNS_CODE_FORMAT);
	out = answer_here(s, n, &client->peer, query, &q, tcp ? sizeof(s->answer) : q.udp_size);
	if (out != 0)
		return out;
	if (hand_on(s, n, client, query, len, &q) == 0) {
		arm(s);
		return 0;
	}
	dns_answer_begin(&a, s->answer, DNS_UDP_PLAIN, query, &q, DNS_CODE_SERVER);
	return dns_answer_end(&a);
}

static int read_orders(struct server *s);

static void map_peer(struct sockaddr_in6 *peer)
{
	struct sockaddr_in in;

	if (peer->sin6_family != AF_INET)
		return;
	memcpy(&in, peer, sizeof(in));
	memset(peer, 0, sizeof(*peer));
	peer->sin6_family = AF_INET6;
	peer->sin6_port = in.sin_port;
	peer->sin6_addr.s6_addr[10] = peer->sin6_addr.s6_addr[11] = 0xff;
	memcpy(peer->sin6_addr.s6_addr + 12, &in.sin_addr, 4);
}

static void send_datagram(const struct network *n, const struct sockaddr_in6 *peer,
			  const uint8_t *msg, size_t len)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = peer->sin6_port };
	ssize_t sent = sendto(n->udp_fd, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT,
			      (const struct sockaddr *)peer, sizeof(*peer));

	if (sent < 0 && errno == EAFNOSUPPORT) { /* a socket of IPv4 only */
		memcpy(&in.sin_addr, peer->sin6_addr.s6_addr + 12, 4);
		(void)sendto(n->udp_fd, msg, len, MSG_NOSIGNAL | MSG_DONTWAIT,
			     (const struct sockaddr *)&in, sizeof(in));
	}
}

static int on_datagrams(void *data, int fd, short revents)
{
	struct network *n = data;
	struct server *s = n->server;
	uint32_t number = n->number;
	int r = read_orders(s);

	(void)revents;
	n = find_network(s, number);
	for (int i = 0; r == 0 && n != NULL && i < DATAGRAMS; i++) {
		struct dns_client c = { .where = n };
		socklen_t len = sizeof(c.peer);
		ssize_t got = recvfrom(fd, s->query, sizeof(s->query), MSG_DONTWAIT | MSG_TRUNC,
				       (struct sockaddr *)&c.peer, &len);
		size_t out;

		if (got < 0)
			break; /* nothing, or an error of an answer of before */
		if ((size_t)got > DNS_QUERY_MAX)
			continue;
		map_peer(&c.peer);
		out = take_query(s, n, &c, s->query, (size_t)got, false);
		if (out != 0)
			send_datagram(n, &c.peer, s->answer, out);
	}
	return r;
}

/* ---- connections ---- */

static void stream_close(struct server *s, struct stream *t)
{
	struct stream **at = &s->streams;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	s->streams_n--;
	t->network->streams_n--;
	dns_forward_forget(s->forward, t->network, t->id);
	loop_source_free(t->source);
	loop_source_free(t->timer);
	close_fd(&t->fd);
	buf_fini(&t->out);
	free(t);
}

static bool stream_flush(struct stream *t)
{
	while (t->out.len > 0) {
		ssize_t n = send(t->fd, t->out.data, t->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n <= 0)
			break;
		t->out.len -= (size_t)n;
		memmove(t->out.data, t->out.data + n, t->out.len);
	}
	loop_source_set_events(t->source, (short)(POLLIN | (t->out.len > 0 ? POLLOUT : 0)));
	return true;
}

/* False: to be closed. */
static bool stream_answer(struct stream *t, const uint8_t *msg, size_t len)
{
	const uint8_t head[2] = { (uint8_t)(len >> 8), (uint8_t)len };

	if (buf_append(&t->out, head, 2) < 0 || buf_append(&t->out, msg, len) < 0)
		return false;
	return stream_flush(t);
}

/* What has arrived. False: to be closed. */
static bool stream_read(struct server *s, struct stream *t)
{
	ssize_t got = recv(t->fd, t->in + t->in_len, sizeof(t->in) - t->in_len, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	t->in_len += (size_t)got;
	while (t->in_len >= 2) {
		size_t len = (size_t)(t->in[0] << 8 | t->in[1]), out;
		struct dns_client c = {
			.where = t->network, .id = t->id, .peer = t->peer, .tcp = true
		};

		if (len > STREAM_QUERY || len == 0)
			return false;
		if (t->in_len < 2 + len)
			break;
		out = take_query(s, t->network, &c, t->in + 2, len, true);
		t->in_len -= 2 + len;
		memmove(t->in, t->in + 2 + len, t->in_len);
		loop_source_set_timer(t->timer, STREAM_MS);
		if (out != 0 && !stream_answer(t, s->answer, out))
			return false;
	}
	return true;
}

static int on_stream(void *data, int fd, short revents)
{
	struct stream *t = data;
	struct server *s = t->network->server;
	uint64_t id = t->id;
	int r = read_orders(s); /* may close us */

	(void)fd;
	for (t = s->streams; t != NULL && t->id != id;)
		t = t->next;
	if (t == NULL || r < 0)
		return r;
	if (((revents & POLLOUT) != 0 && !stream_flush(t)) ||
	    ((revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !stream_read(s, t)))
		stream_close(s, t);
	return 0;
}

static int on_stream_timeout(void *data)
{
	struct stream *t = data;

	stream_close(t->network->server, t);
	return 0;
}

static int on_connection(void *data, int fd, short revents)
{
	struct network *n = data;
	struct server *s = n->server;
	struct stream *t = calloc(1, sizeof(*t));
	socklen_t len = sizeof(t->peer);

	(void)revents;
	if (t == NULL)
		return 0;
	t->fd = accept4(fd, (struct sockaddr *)&t->peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (t->fd < 0 || s->streams_n >= STREAMS_MAX || n->streams_n >= STREAMS_ONE_MAX) {
		close_fd(&t->fd);
		free(t);
		return 0;
	}
	map_peer(&t->peer);
	t->network = n;
	t->id = ++s->last_stream;
	t->out.max = STREAM_OUT_MAX;
	t->next = s->streams;
	s->streams = t;
	s->streams_n++;
	n->streams_n++;
	if (loop_add_fd(s->loop, t->fd, POLLIN, on_stream, t, &t->source) < 0 ||
	    loop_add_timer(s->loop, STREAM_MS, on_stream_timeout, t, &t->timer) < 0)
		stream_close(s, t);
	return 0;
}

/* An answer to what was handed on. */
static void on_reply(void *data, const struct dns_client *c, uint8_t *msg, size_t len)
{
	struct server *s = data;
	struct network *n = s->networks;
	uint8_t failed[DNS_HEADER];

	while (n != NULL && n != c->where)
		n = n->next;
	if (n == NULL)
		return;
	if (len == 0) {
		const uint8_t query[DNS_HEADER] = { (uint8_t)(c->query_id >> 8),
						    (uint8_t)c->query_id, 1 };

		msg = failed;
		len = dns_refuse(failed, query, DNS_CODE_SERVER);
	}
	if (!c->tcp) {
		send_datagram(n, &c->peer, msg, dns_cut(msg, len, c->udp_size));
		return;
	}
	for (struct stream *t = s->streams; t != NULL; t = t->next)
		if (t->id == c->id) {
			if (!stream_answer(t, msg, len))
				loop_source_set_timer(t->timer,
						      0); /* not from within its own call */
			return;
		}
}

/* ---- orders of the holder ---- */

static void lease_gone(struct server *s, const struct network *n, uint32_t number)
{
	struct lease **at = &s->leases;

	while (*at != NULL) {
		struct lease *l = *at;

		if (n != NULL ? l->network != n : l->number != number) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l);
	}
}

static void network_gone(struct server *s, uint32_t number)
{
	struct network **at = &s->networks, *n;
	struct stream *t = s->streams, *next;

	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	n = *at;
	if (n == NULL)
		return;
	for (; t != NULL; t = next) {
		next = t->next;
		if (t->network == n)
			stream_close(s, t);
	}
	lease_gone(s, n, 0);
	dns_forward_forget(s->forward, n, 0);
	*at = n->next;
	loop_source_free(n->udp_source);
	loop_source_free(n->tcp_source);
	close_fd(&n->udp_fd);
	close_fd(&n->tcp_fd);
	free(n);
}

static void add_network(struct server *s, const struct names_message *m, int fds[2])
{
	struct network *n = calloc(1, sizeof(*n));

	if (n == NULL || fds[0] < 0 || fds[1] < 0) {
		free(n);
		return;
	}
	n->server = s;
	n->number = m->network;
	n->internal = m->internal;
	n->servers_n = m->servers_n < NET_SERVERS_MAX ? m->servers_n : NET_SERVERS_MAX;
	memcpy(n->servers, m->servers, sizeof(n->servers));
	n->udp_fd = steal_fd(&fds[0]);
	n->tcp_fd = steal_fd(&fds[1]);
	n->next = s->networks;
	s->networks = n;
	if (loop_add_fd(s->loop, n->udp_fd, POLLIN, on_datagrams, n, &n->udp_source) < 0 ||
	    loop_add_fd(s->loop, n->tcp_fd, POLLIN, on_connection, n, &n->tcp_source) < 0)
		network_gone(s, n->number);
}

static void add_lease(struct server *s, const struct names_message *m)
{
	struct network *n = find_network(s, m->network);
	struct lease *l = n != NULL ? calloc(1, sizeof(*l)) : NULL;

	if (l == NULL)
		return;
	l->network = n;
	l->number = m->lease;
	l->ip = m->ip;
	l->ip6 = m->ip6;
	memcpy(l->id, m->id, sizeof(l->id));
	memcpy(l->host_ip, m->host_ip, sizeof(l->host_ip));
	l->names = m->names;
	l->servers_n = m->servers_n < NET_SERVERS_MAX ? m->servers_n : NET_SERVERS_MAX;
	memcpy(l->servers, m->servers, sizeof(l->servers));
	l->next = s->leases;
	s->leases = l;
}

/* All that are there. 0, or -ECONNRESET when the holder has gone. */
static int read_orders(struct server *s)
{
	for (;;) {
		struct names_message m;
		int fds[2] = { -1, -1 };
		size_t fds_n = 2;
		ssize_t len = fd_recv(s->ctl_fd, &m, sizeof(m), fds, &fds_n);

		if (len == -EAGAIN)
			return 0;
		if (len != (ssize_t)sizeof(m)) {
			close_fd(&fds[0]);
			close_fd(&fds[1]);
			return -ECONNRESET;
		}
		if (m.op == NAMES_NETWORK)
			add_network(s, &m, fds);
		else if (m.op == NAMES_NETWORK_GONE)
			network_gone(s, m.network);
		else if (m.op == NAMES_LEASE)
			add_lease(s, &m);
		else if (m.op == NAMES_LEASE_GONE)
			lease_gone(s, NULL, m.lease);
		close_fd(&fds[0]);
		close_fd(&fds[1]);
	}
}

static int on_order(void *data, int fd, short revents)
{
	(void)fd;
	(void)revents;
	return read_orders(data);
}

void names_main(int sock)
{
	const struct rlimit fds = { FDS_MAX, FDS_MAX };
	struct server s = { .ctl_fd = sock };
	struct error e = ERROR_INIT;

	confine_early();
	(void)prctl(PR_SET_NAME, "crt-names");
	(void)setrlimit(RLIMIT_NOFILE, &fds); /* less will do, too */
	s.forward = dns_forward_new(on_reply, &s);
	if (s.forward == NULL || loop_new(&s.loop) < 0 || fd_set_nonblock(sock, true) < 0 ||
	    loop_add_fd(s.loop, sock, POLLIN, on_order, &s, NULL) < 0 ||
	    loop_add_fd(s.loop, dns_forward_fd(s.forward), POLLIN, on_forward, &s, NULL) < 0 ||
	    loop_add_timer(s.loop, 1000, on_timer, &s, &s.timer) < 0 || confine_self(false, &e) < 0)
		_exit(1);
	(void)loop_run(s.loop);
	_exit(0);
}
