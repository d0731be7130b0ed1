/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-bridge: holder of the user-defined networks of one user.
 *
 * Theory of operation
 *
 * It holds for each network the sockets by which its namespace lives (link.c), and
 * knows who is on it. It gives out addresses and plugs containers in; all of it in
 * one process with one thread, one request after the other, so that two
 * containers never get the same address and there is nothing to lock. State is in
 * memory only. Each lease has the pidfd of the process that keeps the container:
 * when that ends, in whatever way, the lease is over. With its last lease a network
 * is taken apart, with its last network and connection the holder ends. Who
 * starts it and how it is found: bridge.c.
 *
 * It parses nothing of a container's. What containers say (questions for names)
 * is read by a child in a cage (names.c), which is told what it needs to know; when
 * that dies or does not listen any more, another is made and told everything again.
 *
 * Its peers are processes of the same user, checked by SO_PEERCRED: they could do
 * all of this without it. Requests have a fixed size; a wrong one closes the connection.
 *
 * A crash takes the networks away from the containers, which go on without; the
 * next command that needs a network starts another holder and tells it who
 * was there (cmd/networks.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/proc.h"
#include "net/link.h"
#include "net/net.h"
#include "net/switch.h"

#define PEERS_MAX    512
#define LEASES_MAX   4096
#define RETRY_MS     20	  /* when somebody has the lock of the directory */
#define NAMES_TRIES  5	  /* name servers that end within ... */
#define NAMES_MS     5000 /* ... this time of each other: then there is none */
#define NAMES_BUFFER (1 << 20)
#define IFNAMES	     64 /* eth0 to eth63 */
#define FDS_WANTED   65536

struct network {
	struct network *next;
	uint32_t number;
	struct net_network conf;
	struct link_space space;
	size_t leases_n;
	uint32_t cursor; /* the address given last, from the first one on */
};

struct lease {
	struct lease *next;
	struct holder *holder;
	struct network *network;
	uint32_t number;
	char host_name[NET_IFNAME_SIZE];
	int life_fd;
	struct loop_source *source;
	struct switch_request who; /* id, names, host_ip */
	struct net_lease l;
};

struct peer {
	struct peer *next;
	struct holder *holder;
	int fd;
	struct loop_source *source;
	bool first; /* the one that is served alone */
};

struct holder {
	struct loop *loop;
	int dir_fd, listen_fd;
	struct loop_source *listener, *end_timer;
	struct network *networks;
	struct lease *leases;
	struct peer *peers;
	size_t leases_n, peers_n;
	uint32_t last_number;
	/* the name server */
	pid_t names_pid;
	int names_fd;
	struct loop_source *names_source;
	unsigned int names_ends;
	int64_t names_began;
};

/* ---- the name server ---- */

static void names_send_network(struct holder *h, const struct network *n);
static void names_send_lease(struct holder *h, const struct lease *l);

static void names_end(struct holder *h)
{
	loop_source_free(h->names_source);
	h->names_source = NULL;
	close_fd(&h->names_fd);
	if (h->names_pid > 0) {
		(void)kill(h->names_pid, SIGKILL); /* not reaped yet: it is the one */
		(void)proc_wait(h->names_pid);
	}
	h->names_pid = 0;
}

static int on_names(void *data, int fd, short revents);

static void names_start(struct holder *h)
{
	const int size = NAMES_BUFFER;
	int sv[2];

	if (h->names_pid > 0 || fd_socketpair(SOCK_SEQPACKET, sv) < 0)
		return;
	(void)setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	h->names_began = clock_now_ms();
	h->names_pid = fork();
	if (h->names_pid == 0) {
		int sock = dup2(sv[1], 3); /* everything else of ours is closed */

		if (sock < 0 || fd_close_from(4, 0) < 0)
			_exit(1);
		names_main(sock);
	}
	close_fd(&sv[1]);
	h->names_fd = sv[0];
	if (h->names_pid < 0 || fd_set_nonblock(h->names_fd, true) < 0 ||
	    loop_add_fd(h->loop, h->names_fd, POLLIN, on_names, h, &h->names_source) < 0) {
		names_end(h);
		return;
	}
	for (const struct network *n = h->networks; n != NULL; n = n->next)
		names_send_network(h, n);
	for (const struct lease *l = h->leases; l != NULL; l = l->next)
		names_send_lease(h, l);
}

/* It says nothing: it has ended. */
static int on_names(void *data, int fd, short revents)
{
	struct holder *h = data;

	(void)fd;
	(void)revents;
	h->names_ends = clock_now_ms() - h->names_began < NAMES_MS ? h->names_ends + 1 : 1;
	names_end(h);
	if (h->names_ends < NAMES_TRIES)
		names_start(h);
	return 0;
}

static void names_send(struct holder *h, const struct names_message *m, const int *fds, size_t n)
{
	/* one that does not read is not waited for; its socket says so, and another begins anew */
	if (h->names_fd >= 0 && fd_send(h->names_fd, m, sizeof(*m), fds, n) < 0)
		(void)kill(h->names_pid, SIGKILL);
}

static void names_send_network(struct holder *h, const struct network *n)
{
	struct names_message m = {
		.op = NAMES_NETWORK,
		.network = n->number,
		.internal = n->conf.internal,
		.servers_n = n->conf.servers_n,
	};
	const int fds[2] = { n->space.udp_fd, n->space.tcp_fd };

	memcpy(m.servers, n->conf.servers, sizeof(m.servers));
	if (n->space.udp_fd >= 0)
		names_send(h, &m, fds, 2);
}

static void names_send_lease(struct holder *h, const struct lease *l)
{
	struct names_message m = {
		.op = NAMES_LEASE,
		.network = l->network->number,
		.lease = l->number,
		.ip = l->l.ip,
		.ip6 = l->l.ip6,
		.names = l->who.names,
		.servers_n = l->who.servers_n,
	};

	memcpy(m.servers, l->who.servers, sizeof(m.servers));
	memcpy(m.id, l->who.id, sizeof(m.id));
	memcpy(m.host_ip, l->who.host_ip, sizeof(m.host_ip));
	names_send(h, &m, NULL, 0);
}

static void names_send_gone(struct holder *h, enum names_op op, uint32_t number)
{
	const struct names_message m = { .op = op, .network = number, .lease = number };

	names_send(h, &m, NULL, 0);
}

/* ---- networks and leases ---- */

static struct network *find_network(const struct holder *h, const char *name)
{
	struct network *n = h->networks;

	while (n != NULL && strcmp(n->conf.name, name) != 0)
		n = n->next;
	return n;
}

/* Whenever a network or a connection has gone. */
static void look_at_end(struct holder *h)
{
	if (h->networks == NULL && h->peers == NULL)
		loop_source_set_timer(h->end_timer, 0);
}

static void network_free(struct holder *h, struct network *n)
{
	struct network **at = &h->networks;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	names_send_gone(h, NAMES_NETWORK_GONE, n->number);
	link_space_close(&n->space);
	free(n);
	look_at_end(h);
}

static int network_make(struct holder *h, const struct net_network *conf, struct network **ret,
			struct error *e)
{
	struct network *n = calloc(1, sizeof(*n));
	int r;

	if (n == NULL)
		return error_set(e, -ENOMEM, "network %s", conf->name);
	n->conf = *conf;
	n->number = ++h->last_number;
	r = link_space_make(conf, &n->space, e);
	if (r < 0) {
		free(n);
		return error_prefix(e, "network %s", conf->name);
	}
	n->next = h->networks;
	h->networks = n;
	if (conf->dns) {
		h->names_ends = 0;
		if (h->names_pid > 0)
			names_send_network(h, n);
		else
			names_start(h);
	}
	*ret = n;
	return 0;
}

static void lease_end(struct lease *l)
{
	struct holder *h = l->holder;
	struct lease **at = &h->leases;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	h->leases_n--;
	names_send_gone(h, NAMES_LEASE_GONE, l->number);
	link_delete(l->network->space.rtnl_fd, l->host_name);
	if (--l->network->leases_n == 0)
		network_free(h, l->network);
	loop_source_free(l->source);
	close_fd(&l->life_fd);
	free(l);
}

/* ---- addresses ---- */

static const struct lease *holder_of4(const struct holder *h, const struct network *n,
				      struct in_addr a)
{
	for (const struct lease *l = h->leases; l != NULL; l = l->next)
		if (l->network == n && l->l.ip.s_addr == a.s_addr)
			return l;
	return NULL;
}

static const struct lease *holder_of6(const struct holder *h, const struct network *n,
				      const struct in6_addr *a)
{
	for (const struct lease *l = h->leases; l != NULL; l = l->next)
		if (l->network == n && memcmp(&l->l.ip6, a, sizeof(*a)) == 0)
			return l;
	return NULL;
}

static int is_taken(const char *addr, const struct lease *by, struct error *e)
{
	return error_setf(e, -EADDRINUSE,
			  "IPAM error: requested ip address %s is already allocated to %s%.12s",
			  addr, by != NULL ? "container " : "the gateway",
			  by != NULL ? by->who.id : "");
}

/* The one wanted, or the next that is free: an address is not given again as long as others are unused. */
static int give4(struct holder *h, struct network *n, struct in_addr *a, struct error *e)
{
	uint32_t first = ntohl(n->conf.first.s_addr),
		 count = ntohl(n->conf.last.s_addr) - first + 1;
	char text[INET_ADDRSTRLEN] = "";

	if (a->s_addr != 0) {
		const struct lease *by = holder_of4(h, n, *a);

		(void)inet_ntop(AF_INET, a, text, sizeof(text)); /* ENOSPC is impossible */
		if (by != NULL || a->s_addr == n->conf.gateway.s_addr)
			return is_taken(text, by, e);
		return 0;
	}
	for (uint32_t i = 0; i < count && i <= LEASES_MAX + 1; i++) {
		struct in_addr try = { htonl(first + (n->cursor + i) % count) };

		if (try.s_addr == n->conf.gateway.s_addr || holder_of4(h, n, try) != NULL)
			continue;
		n->cursor = (n->cursor + i + 1) % count;
		*a = try;
		return 0;
	}
	return error_setf(
		e, -EADDRNOTAVAIL,
		"IPAM error: no free address left on network %s: all of its range is in use",
		n->conf.name);
}

/* a + 1 */
static void next6(struct in6_addr *a)
{
	for (int i = 15; i >= 0 && ++a->s6_addr[i] == 0; i--)
		;
}

static int give6(struct holder *h, struct network *n, struct in6_addr *a, struct error *e)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in6_addr try = n->conf.first6;

	if (!IN6_IS_ADDR_UNSPECIFIED(a)) {
		const struct lease *by = holder_of6(h, n, a);

		(void)inet_ntop(AF_INET6, a, text, sizeof(text)); /* ENOSPC is impossible */
		if (by != NULL || memcmp(a, &n->conf.gateway6, sizeof(*a)) == 0)
			return is_taken(text, by, e);
		return 0;
	}
	for (uint32_t i = 0; i <= LEASES_MAX + 1 && memcmp(&try, &n->conf.last6, sizeof(try)) <= 0;
	     i++, next6(&try)) {
		if (memcmp(&try, &n->conf.gateway6, sizeof(try)) == 0 ||
		    memcmp(&try, &n->conf.subnet6, sizeof(try)) == 0 ||
		    holder_of6(h, n, &try) != NULL)
			continue;
		*a = try;
		return 0;
	}
	return error_setf(e, -EADDRNOTAVAIL, "IPAM error: no free IPv6 address left on network %s",
			  n->conf.name);
}

static int give_mac(uint8_t mac[6], struct error *e)
{
	if (memcmp(mac, "\0\0\0\0\0", 6) != 0)
		return 0;
	if (getrandom(mac, 6, 0) != 6)
		return error_set(e, -errno, "random numbers");
	mac[0] = (uint8_t)((mac[0] & 0xfcu) | 2u); /* of this place only, one station */
	return 0;
}

/* The first eth of the container that is not there. */
static int give_ifname(int rtnl_fd, char name[NET_IFNAME_SIZE], struct error *e)
{
	if (name[0] != '\0') {
		link_delete(rtnl_fd, name); /* what another holder left behind may still be going */
		return 0;
	}
	for (int i = 0; i < IFNAMES; i++) {
		(void)snprintf(name, NET_IFNAME_SIZE, "eth%d", i);
		if (!link_exists(rtnl_fd, name))
			return 0;
	}
	return error_setf(e, -E2BIG, "the container has too many network devices");
}

/* ---- requests ---- */

static int on_life_end(void *data, int fd, short revents)
{
	(void)fd;
	(void)revents;
	lease_end(data);
	return 0;
}

static int plug_in(struct holder *h, struct network *n, struct lease *l, int net_fd, int rtnl_fd,
		   struct error *e)
{
	int r = n->conf.prefix != 0 ? give4(h, n, &l->l.ip, e) : 0;

	if (r == 0 && n->conf.prefix6 != 0)
		r = give6(h, n, &l->l.ip6, e);
	if (r == 0)
		r = give_mac(l->l.mac, e);
	if (r == 0)
		r = give_ifname(rtnl_fd, l->l.ifname, e);
	if (r < 0)
		return r;
	l->number = ++h->last_number;
	(void)snprintf(l->host_name, sizeof(l->host_name), "v%u", (unsigned int)l->number);
	return link_attach(&n->space, &n->conf, &l->l, l->host_name, net_fd, rtnl_fd, e);
}

static bool is_valid(const struct switch_request *q)
{
	const struct names_list *l = &q->names;

	if (q->version != SWITCH_VERSION || memchr(q->id, '\0', sizeof(q->id)) == NULL ||
	    memchr(q->network.name, '\0', sizeof(q->network.name)) == NULL)
		return false;
	return memchr(q->host_ip, '\0', sizeof(q->host_ip)) != NULL &&
	       memchr(q->lease.ifname, '\0', sizeof(q->lease.ifname)) != NULL &&
	       q->network.prefix <= 30 && q->network.prefix6 <= 126 && l->len <= sizeof(l->text) &&
	       (l->len == 0 || l->text[l->len - 1] == '\0');
}

static int join(struct holder *h, const struct switch_request *q, int fds[3], struct net_lease *ret,
		struct error *e)
{
	struct network *n = find_network(h, q->network.name);
	struct lease *l;
	int r = 0;

	if (h->leases_n >= LEASES_MAX)
		return error_setf(e, -ENOSPC, "crt-bridge holds %d containers already", LEASES_MAX);
	for (l = h->leases; l != NULL; l = l->next)
		if (l->network == n && strcmp(l->who.id, q->id) == 0)
			return error_setf(e, -EEXIST,
					  "container %.12s is already connected to network %s",
					  q->id, q->network.name);
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return error_set(e, -ENOMEM, "network %s", q->network.name);
	if (n == NULL)
		r = network_make(h, &q->network, &n, e);
	if (r < 0 || n == NULL) {
		free(l);
		return r;
	}
	l->holder = h;
	l->network = n;
	l->who = *q;
	l->l = q->lease;
	l->life_fd = -1;
	r = plug_in(h, n, l, fds[1], fds[2], e);
	if (r == 0) {
		r = loop_add_fd(h->loop, fds[0], POLLIN, on_life_end, l, &l->source);
		if (r < 0) {
			link_delete(n->space.rtnl_fd, l->host_name);
			(void)error_set(e, r, "watch the container");
		}
	}
	if (r < 0) {
		free(l);
		if (n->leases_n == 0)
			network_free(h, n);
		return r;
	}
	l->life_fd = steal_fd(&fds[0]);
	l->next = h->leases;
	h->leases = l;
	h->leases_n++;
	n->leases_n++;
	names_send_lease(h, l);
	*ret = l->l;
	return 0;
}

static int leave(struct holder *h, const struct switch_request *q, struct error *e)
{
	struct lease *l = h->leases;

	while (l != NULL && (strcmp(l->who.id, q->id) != 0 ||
			     strcmp(l->network->conf.name, q->network.name) != 0))
		l = l->next;
	if (l == NULL)
		return error_setf(e, -ENOENT, "container %.12s is not connected to network %s",
				  q->id, q->network.name);
	lease_end(l);
	return 0;
}

/* ---- peers ---- */

static void peer_close(struct peer *p)
{
	struct holder *h = p->holder;
	struct peer **at = &h->peers;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	h->peers_n--;
	if (p->first || h->peers_n == PEERS_MAX - 1)
		loop_source_set_events(h->listener, POLLIN);
	loop_source_free(p->source);
	close_fd(&p->fd);
	free(p);
	look_at_end(h);
}

static int on_peer(void *data, int fd, short revents)
{
	struct peer *p = data;
	struct switch_request q;
	struct switch_answer a = { .error = ERROR_INIT };
	int fds[3] = { -1, -1, -1 };
	size_t fds_n = 3;
	ssize_t len = fd_recv(fd, &q, sizeof(q), fds, &fds_n);
	int r;

	(void)revents;
	if (len == -EAGAIN)
		return 0;
	if (len != (ssize_t)sizeof(q) || !is_valid(&q) || (q.op == SWITCH_JOIN && fds_n != 3)) {
		peer_close(p);
	} else {
		r = q.op == SWITCH_JOIN	 ? join(p->holder, &q, fds, &a.lease, &a.error) :
		    q.op == SWITCH_LEAVE ? leave(p->holder, &q, &a.error) :
					   error_setf(&a.error, -EINVAL, "not understood");
		a.error.code = r;
		if (fd_send(fd, &a, sizeof(a), NULL, 0) < 0)
			peer_close(p);
	}
	for (size_t i = 0; i < 3; i++)
		close_fd(&fds[i]);
	return 0;
}

static int peer_add(struct holder *h, int fd, bool first)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->holder = h;
	p->fd = fd;
	p->first = first;
	p->next = h->peers;
	h->peers = p;
	h->peers_n++;
	if (fd_set_nonblock(fd, true) < 0 ||
	    loop_add_fd(h->loop, fd, POLLIN, on_peer, p, &p->source) < 0) {
		peer_close(p);
		return -ENOMEM;
	}
	if (first || h->peers_n == PEERS_MAX)
		loop_source_set_events(h->listener, 0);
	return 0;
}

static int on_listener(void *data, int fd, short revents)
{
	struct holder *h = data;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	(void)revents;
	if (peer < 0)
		return 0;
	if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    (cred.uid != geteuid() && cred.uid != 0) || peer_add(h, peer, false) < 0)
		(void)close(peer);
	return 0;
}

/*
 * Nobody is there: end, unless somebody waits in the queue of the socket. Under the lock of the directory
 * nobody can come in between.
 */
static int on_end_timer(void *data)
{
	struct holder *h = data;
	struct pollfd queue = { .fd = h->listen_fd, .events = POLLIN };

	if (h->networks != NULL || h->peers != NULL)
		return 0;
	if (flock(h->dir_fd, LOCK_EX | LOCK_NB) < 0) {
		loop_source_set_timer(h->end_timer, RETRY_MS);
		return 0;
	}
	if (poll(&queue, 1, 0) == 0) {
		(void)unlinkat(h->dir_fd, SWITCH_SOCKET, 0); /* only a name is left */
		names_end(h);
		loop_exit(h->loop, 0);
	} else {
		(void)flock(h->dir_fd, LOCK_UN); /* whoever comes is the next to go */
	}
	return 0;
}

/* ---- main ---- */

/* Nobody waits for us: who started us has other children. */
static void leave_parent(void)
{
	pid_t pid = fork();

	if (pid != 0)
		_exit(pid < 0);
	(void)setsid(); /* fails for a leader only */
}

int net_switch_main(void)
{
	static struct holder h = {
		.dir_fd = SWITCH_DIR_FD,
		.listen_fd = SWITCH_LISTEN_FD,
		.names_fd = -1,
	};
	const struct rlimit none = { 0, 0 };
	struct rlimit fds;

	if (fd_set_cloexec(SWITCH_LISTEN_FD, true) < 0 || fd_set_cloexec(SWITCH_DIR_FD, true) < 0 ||
	    fd_set_cloexec(SWITCH_FIRST_FD, true) < 0)
		return 1; /* not started by crt */
	leave_parent();
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0) {
		fds.rlim_cur = fds.rlim_max < FDS_WANTED ? fds.rlim_max : FDS_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &fds);
	}
	proc_own_signals();
	if (chdir("/") < 0 || loop_new(&h.loop) < 0 ||
	    fd_set_nonblock(SWITCH_LISTEN_FD, true) < 0 ||
	    loop_add_fd(h.loop, SWITCH_LISTEN_FD, POLLIN, on_listener, &h, &h.listener) < 0 ||
	    loop_add_timer(h.loop, RETRY_MS, on_end_timer, &h, &h.end_timer) < 0 ||
	    peer_add(&h, SWITCH_FIRST_FD, true) < 0)
		return 1;
	return loop_run(h.loop) == 0 ? 0 : 1;
}
