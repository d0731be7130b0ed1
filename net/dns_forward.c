/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions handed on to the name servers of the host.
 *
 * Theory of operation
 *
 * Each question gets a socket of its own, connected to one server, with a
 * source port of the kernel's choice and a random number as its id: an
 * answer is taken only from that server, with that id and with the very bytes
 * of the question, and can thus be guessed by nobody who does not see it. After
 * a time without answer, an answer that says the server failed, or a refused
 * connection the next server gets a new socket; after two rounds the
 * caller is told that nobody answered. A question that came by TCP is asked by
 * TCP. Long answers are the caller's to shorten (dns_cut()).
 *
 * The servers are those of /etc/resolv.conf, read again when the file is
 * another one than before (looked at once a second at most), so that a
 * changed network or VPN counts from the next question on. One that answered
 * where those before it did not goes first for half a minute.
 *
 * Attackers: those who ask (containers) and those who answer. The table of
 * questions under way is bounded, in whole and for each address that asks, so
 * that one container cannot shut out another for longer than the wait;
 * nothing is kept between questions, so that there is no cache to poison. All
 * memory of a question is freed when it is answered or given up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "net/dns.h"

#define ROUNDS		2
#define WAIT_MS		2500
#define LOOK_MS		1000  /* between looks at resolv.conf */
#define PREFER_MS	30000 /* for so long a server that answered goes first */
#define PENDING_MAX	512
#define PENDING_ONE_MAX 128 /* of one address */
#define RESOLV_CONF	"/etc/resolv.conf"
#define RESOLV_MAX	(64u << 10)
#define EVENTS		32

struct pending {
	struct pending *next;
	struct dns_client client;
	bool done; /* freed when the round of events is over */
	int fd;
	int64_t deadline;
	unsigned int attempts; /* made so far */
	uint8_t *query;	       /* owned; with two bytes of length in front */
	size_t query_len;
	uint16_t question_end;
	struct sockaddr_in6 servers[DNS_SERVERS_MAX];
	size_t servers_n;
	bool tcp;
	size_t sent;	 /* of query, by TCP */
	uint8_t *answer; /* by TCP: two bytes of length, then the message */
	size_t answer_len, answer_cap;
};

struct dns_forward {
	int epoll_fd;
	dns_reply_fn reply;
	void *data;
	struct pending *list;
	size_t n;
	struct sockaddr_in6 servers[DNS_SERVERS_MAX]; /* of resolv.conf */
	size_t servers_n;
	int64_t looked; /* when resolv.conf was looked at */
	int64_t moved;	/* when one that answers was put before one that does not; 0 = never */
	struct stat seen;
	uint8_t udp[DNS_UDP_MAX + 1];
};

/* ---- resolv.conf ---- */

bool dns_parse_server(const char *text, struct sockaddr_in6 *ret)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT) };
	char addr[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	struct in_addr a4;
	char *zone;

	if (strlen(text) >= sizeof(addr))
		return false;
	memcpy(addr, text, strlen(text) + 1);
	zone = strchr(addr, '%');
	if (zone != NULL) {
		*zone++ = '\0';
		sa.sin6_scope_id = if_nametoindex(zone);
	}
	if (inet_pton(AF_INET, addr, &a4) == 1) {
		sa.sin6_addr.s6_addr[10] = sa.sin6_addr.s6_addr[11] = 0xff;
		memcpy(sa.sin6_addr.s6_addr + 12, &a4, sizeof(a4));
	} else if (inet_pton(AF_INET6, addr, &sa.sin6_addr) != 1) {
		return false;
	}
	*ret = sa;
	return true;
}

size_t dns_parse_servers(const char *text, struct sockaddr_in6 *ret, size_t max)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line;
	size_t n = 0;

	while (n < max && rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
		static const char blanks[] = " \t\r\v\f";
		char *word = line + strspn(line, blanks);

		if (!str_starts(word, "nameserver") ||
		    strchr(blanks, word[strlen("nameserver")]) == NULL)
			continue;
		word += strlen("nameserver");
		word += strspn(word, blanks);
		word[strcspn(word, blanks)] = '\0';
		if (dns_parse_server(word, &ret[n]))
			n++;
	}
	if (n == 0 && max != 0)
		n = dns_parse_server("127.0.0.1", &ret[0]) ? 1 : 0;
	return n;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_at_servers(struct dns_forward *f)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	int64_t now = clock_now_ms();
	struct stat st;

	if (f->servers_n != 0 && now - f->looked < LOOK_MS)
		return;
	f->looked = now;
	if (f->moved != 0 && now - f->moved >= PREFER_MS) {
		f->moved = 0;
		f->seen = (struct stat){ .st_size = -1 }; /* back to the order of the file */
	}
	if (f->servers_n != 0 && stat(RESOLV_CONF, &st) == 0 && is_same_file(&st, &f->seen))
		return;
	fd = open(RESOLV_CONF, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &f->seen) < 0 || fd_read_to_end(fd, &b, RESOLV_MAX) < 0) {
		if (f->servers_n != 0)
			return; /* just being replaced: what was there will do */
		buf_reset(&b);
	}
	f->servers_n = dns_parse_servers(buf_str(&b), f->servers, DNS_SERVERS_MAX);
	f->moved = 0;
}

/* It has answered: the next questions need not wait for one before it that does not. */
static void prefer_server(struct dns_forward *f, const struct sockaddr_in6 *server)
{
	for (size_t i = 1; i < f->servers_n; i++) {
		const struct sockaddr_in6 it = f->servers[i];

		if (memcmp(&it, server, sizeof(it)) != 0)
			continue;
		memmove(f->servers + 1, f->servers, i * sizeof(it));
		f->servers[0] = it;
		f->moved = clock_now_ms();
		return;
	}
}

/* ---- one question ---- */

static void hang_up(struct pending *p)
{
	close_fd(&p->fd); /* leaves the epoll set with it */
	free(p->answer);
	p->answer = NULL;
	p->answer_len = p->answer_cap = p->sent = 0;
}

static void finish(struct dns_forward *f, struct pending *p, uint8_t *msg, size_t len)
{
	p->done = true;
	f->n--;
	if (len != 0) {
		msg[0] = (uint8_t)(p->client.query_id >> 8);
		msg[1] = (uint8_t)p->client.query_id;
	}
	f->reply(f->data, &p->client, msg, len);
	hang_up(p);
}

/* Free what is done; not while events that name it may follow. */
static void sweep(struct dns_forward *f)
{
	struct pending **at = &f->list;

	while (*at != NULL) {
		struct pending *p = *at;

		if (!p->done) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		close_fd(&p->fd);
		free(p->answer);
		free(p->query);
		free(p);
	}
}

/* Connect to one server. 0 or -errno. */
static int connect_server(struct pending *p, const struct sockaddr_in6 *server)
{
	const int type = (p->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = server->sin6_port };
	bool is4 = IN6_IS_ADDR_V4MAPPED(&server->sin6_addr);
	int r;

	p->fd = socket(is4 ? AF_INET : AF_INET6, type, 0);
	if (p->fd < 0)
		return -errno;
	memcpy(&in.sin_addr, server->sin6_addr.s6_addr + 12, sizeof(in.sin_addr));
	r = is4 ? connect(p->fd, (const struct sockaddr *)&in, sizeof(in)) :
		  connect(p->fd, (const struct sockaddr *)server, sizeof(*server));
	return r < 0 && errno != EINPROGRESS ? -errno : 0;
}

/* Ask the next server that can be asked. 0, or -errno when there is none left. */
static int ask_next(struct dns_forward *f, struct pending *p)
{
	int r = -ETIMEDOUT;

	while (p->attempts < p->servers_n * ROUNDS) {
		struct epoll_event ev = { .events = p->tcp ? EPOLLOUT : EPOLLIN, .data.ptr = p };
		uint16_t id = 0;

		hang_up(p);
		r = connect_server(p, &p->servers[p->attempts++ % p->servers_n]);
		if (r < 0)
			continue;
		if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
			return -EAGAIN;
		memcpy(p->query + 2, &id, sizeof(id));
		p->deadline = clock_now_ms() + WAIT_MS;
		if (!p->tcp && send(p->fd, p->query + 2, p->query_len, MSG_NOSIGNAL) < 0)
			r = -errno;
		else if (epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, p->fd, &ev) < 0)
			r = -errno;
		if (r == 0)
			return 0;
	}
	return r;
}

static void try_next(struct dns_forward *f, struct pending *p)
{
	if (ask_next(f, p) < 0)
		finish(f, p, NULL, 0);
}

static bool is_our_answer(const struct pending *p, const uint8_t *msg, size_t len)
{
	const uint8_t *q = p->query + 2;

	return len >= p->question_end && memcmp(msg, q, 2) == 0 && (msg[2] & 0x80) != 0 &&
	       memcmp(msg + 4, q + 4, 2) == 0 &&
	       memcmp(msg + DNS_HEADER, q + DNS_HEADER, p->question_end - DNS_HEADER) == 0;
}

/* Some servers answer failures without the question. */
static bool is_bare_failure(const struct pending *p, const uint8_t *msg, size_t len)
{
	return len >= DNS_HEADER && memcmp(msg, p->query + 2, 2) == 0 && (msg[2] & 0x80) != 0 &&
	       (msg[3] & 0x0f) != DNS_CODE_OK && msg[4] == 0 && msg[5] == 0;
}

static void take_answer(struct dns_forward *f, struct pending *p, uint8_t *msg, size_t len)
{
	unsigned int code;

	if (!is_our_answer(p, msg, len) && !is_bare_failure(p, msg, len)) {
		if (p->tcp)
			try_next(f, p);
		return; /* of somebody else: go on waiting */
	}
	code = msg[3] & 0x0fu;
	if ((code == DNS_CODE_SERVER || code == DNS_CODE_REFUSED) && p->attempts < p->servers_n) {
		try_next(f, p);
		return;
	}
	if (p->attempts > 1 && code != DNS_CODE_SERVER && code != DNS_CODE_REFUSED)
		prefer_server(f, &p->servers[(p->attempts - 1) % p->servers_n]);
	finish(f, p, msg, len);
}

static void serve_udp(struct dns_forward *f, struct pending *p)
{
	ssize_t n = recv(p->fd, f->udp, sizeof(f->udp), 0);

	if (n >= 0 && (size_t)n < sizeof(f->udp))
		take_answer(f, p, f->udp, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		try_next(f, p); /* refused, unreachable */
}

/* Room for want bytes. */
static bool reserve(struct pending *p, size_t want)
{
	uint8_t *grown;

	if (want <= p->answer_cap)
		return true;
	grown = realloc(p->answer, want);
	if (grown == NULL)
		return false;
	p->answer = grown;
	p->answer_cap = want;
	return true;
}

/* Read as far as the length says. 1 = complete, 0 = later, or -errno. */
static int read_tcp(struct pending *p)
{
	for (;;) {
		size_t want = 2;
		ssize_t n;

		if (p->answer_len >= 2)
			want += (size_t)(p->answer[0] << 8 | p->answer[1]);
		if (p->answer_len >= 2 && p->answer_len == want)
			return 1;
		if (!reserve(p, want))
			return -ENOMEM;
		n = recv(p->fd, p->answer + p->answer_len, want - p->answer_len, 0);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		p->answer_len += (size_t)n;
	}
}

static void serve_tcp(struct dns_forward *f, struct pending *p)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };
	size_t total = p->query_len + 2;
	int r;

	if (p->sent < total) {
		ssize_t n = send(p->fd, p->query + p->sent, total - p->sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			try_next(f, p);
			return;
		}
		p->sent += n > 0 ? (size_t)n : 0;
		if (p->sent == total && epoll_ctl(f->epoll_fd, EPOLL_CTL_MOD, p->fd, &ev) < 0)
			try_next(f, p);
		return;
	}
	r = read_tcp(p);
	if (r < 0)
		try_next(f, p);
	else if (r == 1)
		take_answer(f, p, p->answer + 2, p->answer_len - 2);
}

/* ---- all of them ---- */

struct dns_forward *dns_forward_new(dns_reply_fn reply, void *data)
{
	struct dns_forward *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd < 0) {
		free(f);
		return NULL;
	}
	f->reply = reply;
	f->data = data;
	return f;
}

void dns_forward_free(struct dns_forward *f)
{
	if (f == NULL)
		return;
	for (struct pending *p = f->list; p != NULL; p = p->next)
		p->done = true;
	sweep(f);
	close_fd(&f->epoll_fd);
	free(f);
}

static bool has_too_many(const struct dns_forward *f, const struct dns_client *c)
{
	size_t n = 0;

	if (f->n >= PENDING_MAX)
		return true;
	for (const struct pending *p = f->list; p != NULL; p = p->next)
		n += !p->done && p->client.where == c->where &&
		     memcmp(&p->client.peer.sin6_addr, &c->peer.sin6_addr,
			    sizeof(c->peer.sin6_addr)) == 0;
	return n >= PENDING_ONE_MAX;
}

int dns_forward_ask(struct dns_forward *f, const uint8_t *query, size_t len,
		    const struct dns_question *q, const struct dns_client *client,
		    const struct sockaddr_in6 *servers, size_t servers_n)
{
	struct pending *p;
	int r;

	if (len < q->end || len > DNS_TCP_MAX)
		return -EMSGSIZE;
	if (has_too_many(f, client))
		return -EBUSY;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->fd = -1;
	p->client = *client;
	p->client.query_id = q->id;
	p->client.udp_size = q->udp_size;
	p->tcp = client->tcp;
	p->question_end = q->end;
	p->query_len = len;
	p->query = malloc(len + 2);
	if (p->query == NULL) {
		free(p);
		return -ENOMEM;
	}
	p->query[0] = (uint8_t)(len >> 8);
	p->query[1] = (uint8_t)len;
	memcpy(p->query + 2, query, len);
	if (servers_n == 0) {
		look_at_servers(f);
		servers = f->servers;
		servers_n = f->servers_n;
	}
	p->servers_n = servers_n < DNS_SERVERS_MAX ? servers_n : DNS_SERVERS_MAX;
	memcpy(p->servers, servers, p->servers_n * sizeof(*servers));
	r = ask_next(f, p);
	if (r < 0) {
		close_fd(&p->fd);
		free(p->query);
		free(p);
		return r;
	}
	p->next = f->list;
	f->list = p;
	f->n++;
	return 0;
}

void dns_forward_forget(struct dns_forward *f, const void *where, uint64_t id)
{
	for (struct pending *p = f->list; p != NULL; p = p->next) {
		if (p->done || p->client.where != where || p->client.id != id)
			continue;
		p->done = true;
		f->n--;
		hang_up(p);
	}
}

int dns_forward_fd(const struct dns_forward *f)
{
	return f->epoll_fd;
}

int dns_forward_timeout(const struct dns_forward *f)
{
	int64_t first = INT64_MAX, left;

	for (const struct pending *p = f->list; p != NULL; p = p->next)
		if (p->done)
			return 0;
		else if (p->deadline < first)
			first = p->deadline;
	if (first == INT64_MAX)
		return -1;
	left = first - clock_now_ms();
	return left < 0 ? 0 : (int)left;
}

void dns_forward_dispatch(struct dns_forward *f)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(f->epoll_fd, events, EVENTS, 0);
	int64_t now = clock_now_ms();

	for (int i = 0; i < n; i++) {
		struct pending *p = events[i].data.ptr;

		if (p->done)
			continue;
		if (p->tcp)
			serve_tcp(f, p);
		else
			serve_udp(f, p);
	}
	for (struct pending *p = f->list; p != NULL; p = p->next)
		if (!p->done && p->deadline <= now)
			try_next(f, p);
	sweep(f);
}
