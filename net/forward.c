/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports: listening sockets of the host that lead into the container.
 *
 * Theory of operation
 *
 * crt-net binds before it takes the tap device and before it cages itself, in
 * the host's network namespace and with the user's own rights, and reports
 * the first failure: a port in use stops the container before it starts.
 * A forward without address takes 0.0.0.0 and, where the host has IPv6, [::].
 *
 * TCP sockets go to the relay (relay.c), UDP sockets to udp.c: neither passes
 * through libslirp. The peer's address stays the real one in the container; what comes from the
 * host's loopback comes from the gateway address, never from 127.0.0.1, which
 * programs trust.
 *
 * What the attacker controls: nothing yet; no frame of the container has been
 * read. A crash closes all sockets.
 */
#include "net/forward.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define BACKLOG	   4096
#define UDP_QUEUE  (1 << 20) /* bytes that wait for us */
#define ANY_ROUNDS 16	     /* attempts to find a port that is free for IPv4 and IPv6 */

static const char *const proto_names[] = {
	[NET_PROTO_TCP] = "tcp",
	[NET_PROTO_UDP] = "udp",
};
static_assert(sizeof(proto_names) / sizeof(proto_names[0]) == NET_PROTO_COUNT,
	      "a name for each protocol");

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t address_len(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static void address_fill(union address *a, int family, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		a->in.sin_port = htons(port);
		if (text[0] != '\0')
			(void)inet_pton(AF_INET, text, &a->in.sin_addr); /* checked by the parser */
	} else {
		a->in6.sin6_port = htons(port);
		if (text[0] != '\0')
			(void)inet_pton(AF_INET6, text, &a->in6.sin6_addr);
	}
}

/* A socket on one address family, listening for TCP. fd or -errno. */
static int bind_one(const struct net_forward *f, int family, uint16_t port, uint16_t *ret_port)
{
	bool tcp = f->proto == NET_PROTO_TCP;
	_cleanup_fd_ int fd =
		socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1, queue = UDP_QUEUE;
	union address host;
	socklen_t len = sizeof(host);

	if (fd < 0)
		return -errno;
	address_fill(&host, family, f->host_addr, port);
	if (!tcp)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue,
				 sizeof(queue)); /* as much as allowed */
	if ((family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    (tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
	    bind(fd, &host.sa, address_len(family)) < 0 || (tcp && listen(fd, BACKLOG) < 0) ||
	    getsockname(fd, &host.sa, &len) < 0)
		return -errno;
	*ret_port = ntohs(family == AF_INET ? host.in.sin_port : host.in6.sin6_port);
	return steal_fd(&fd);
}

static int bind_failed(const struct net_forward *f, int family, int code, struct error *e)
{
	const char *addr = f->host_addr[0] != '\0' ? f->host_addr :
			   family == AF_INET	   ? "0.0.0.0" :
						     "::";
	const char *open = family == AF_INET6 ? "[" : "", *close_ = family == AF_INET6 ? "]" : "";
	const char *proto = proto_names[f->proto];

	switch (-code) {
	case EADDRINUSE:
		return error_setf(
			e, code,
			"publish %s%s%s:%u/%s: the port is in use: another program or container has it",
			open, addr, close_, f->host_port, proto);
	case EACCES:
	case EPERM:
		return error_setf(
			e, code,
			"publish %s%s%s:%u/%s: permission denied: an ordinary user may only bind ports from "
			"the sysctl net.ipv4.ip_unprivileged_port_start up; choose a higher port or lower it",
			open, addr, close_, f->host_port, proto);
	case EADDRNOTAVAIL:
		return error_setf(
			e, code,
			"publish %s%s%s:%u/%s: no network interface of the host has this address",
			open, addr, close_, f->host_port, proto);
	case EMFILE:
		return error_setf(e, code,
				  "publish %s%s%s:%u/%s: too many open files (raise \"ulimit -n\")",
				  open, addr, close_, f->host_port, proto);
	default:
		return error_set(e, code, "publish %s%s%s:%u/%s", open, addr, close_, f->host_port,
				 proto);
	}
}

/* No IPv6 on this host: nothing to complain about unless it was asked for. */
static bool family_missing(int code)
{
	return code == -EAFNOSUPPORT || code == -EADDRNOTAVAIL || code == -EPROTONOSUPPORT;
}

static int serve(struct relay *relay, struct udp *udp, const struct net_forward *f, int fd)
{
	return f->proto == NET_PROTO_TCP ? relay_listen(relay, fd, f->container_port) :
					   udp_listen(udp, fd, f->container_port);
}

static int forward_bind(struct relay *relay, struct udp *udp, struct net_forward *f,
			struct error *e)
{
	int family = strchr(f->host_addr, ':') != NULL ? AF_INET6 : AF_INET;
	bool both = f->host_addr[0] == '\0';

	for (int round = 0; round < ANY_ROUNDS; round++) {
		_cleanup_fd_ int first = -1, second = -1;
		uint16_t port;
		int ret;

		first = bind_one(f, family, f->host_port, &port);
		if (first < 0)
			return bind_failed(f, family, first, e);
		if (both)
			second = bind_one(f, AF_INET6, port, &port);
		if (both && second < 0 && !family_missing(second)) {
			if (f->host_port != 0 || second != -EADDRINUSE)
				return bind_failed(f, AF_INET6, second, e);
			continue;
		}
		ret = serve(relay, udp, f, steal_fd(&first));
		if (ret == 0 && second >= 0)
			ret = serve(relay, udp, f, steal_fd(&second));
		f->host_port = port;
		return ret < 0 ? bind_failed(f, family, ret, e) : 0;
	}
	return error_setf(e, -EADDRINUSE, "publish a free port to container port %u/%s: found none",
			  f->container_port, proto_names[f->proto]);
}

int forward_bind_all(struct relay *relay, struct udp *udp, struct net_forward *f, size_t n,
		     struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		int ret = forward_bind(relay, udp, &f[i], e);

		if (ret < 0)
			return ret;
	}
	return 0;
}
