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
 * TCP on IPv6 addresses goes through the relay to the same port on IPv4
 * (relay.c says why); all the rest is libslirp's.
 * libslirp makes the sockets itself (slirp_add_hostxfwd). Three things about
 * them need repair, for which their number must be known; it is the lowest
 * free one, and getsockname() confirms it: the backlog of 1 refuses bursts of
 * connections; a blocking accept() would stop all traffic when a client went
 * away between poll() and accept(); and the port chosen for "any" is wanted.
 *
 * The peer's address stays the real one in the container; connections from
 * the host's loopback come from the gateway address (libslirp), never from
 * 127.0.0.1, which programs trust.
 *
 * What the attacker controls: nothing yet; no frame of the container has been
 * read. A crash closes all sockets.
 */
#include "net/forward.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define BACKLOG	   1024
#define ANY_ROUNDS 16 /* attempts to find a port that is free for IPv4 and IPv6 */

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

/* The number that the next socket() will return. */
static int next_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		(void)close(fd);
	return fd;
}

static int flags_of(const struct net_forward *f)
{
	return SLIRP_HOSTFWD_V6ONLY | (f->proto == NET_PROTO_UDP ? SLIRP_HOSTFWD_UDP : 0);
}

/* Bind f on one address family. Returns the socket's fd (libslirp's) or -errno. */
static int bind_family(Slirp *s, const struct layout *l, const struct net_forward *f, int family,
		       uint16_t port, uint16_t *ret_port)
{
	union address host, guest, got;
	socklen_t len = sizeof(got);
	int fd = next_fd();

	if (fd < 0)
		return -errno;
	address_fill(&host, family, f->host_addr, port);
	address_fill(&guest, family, "", f->container_port);
	if (family == AF_INET)
		guest.in.sin_addr = l->guest;
	else
		guest.in6.sin6_addr = l->guest6;
	if (slirp_add_hostxfwd(s, &host.sa, address_len(family), &guest.sa, address_len(family),
			       flags_of(f)) < 0)
		return errno != 0 ? -errno : -EIO;
	if (getsockname(fd, &got.sa, &len) < 0 || got.sa.sa_family != family)
		return -EBADF;
	if (f->proto == NET_PROTO_TCP && listen(fd, BACKLOG) < 0)
		return -errno;
	if (fd_set_nonblock(fd, true) < 0)
		return -EBADF;
	*ret_port = ntohs(family == AF_INET ? got.in.sin_port : got.in6.sin6_port);
	return fd;
}

static void unbind_family(Slirp *s, const struct net_forward *f, int family, uint16_t port)
{
	union address host;

	address_fill(&host, family, f->host_addr, port);
	(void)slirp_remove_hostxfwd(s, &host.sa, address_len(family),
				    flags_of(f)); /* it was just added */
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

/* A listening IPv6 socket of our own. fd or -errno. */
static int listen6(const struct net_forward *f, uint16_t port)
{
	_cleanup_fd_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union address host;
	int on = 1;

	if (fd < 0)
		return -errno;
	address_fill(&host, AF_INET6, f->host_addr, port);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &host.sa, sizeof(host.in6)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* TCP on one IPv6 address: a way in on IPv4 that only we know the port of, and the relay. */
static int bind_only6(Slirp *s, struct relay *relay, const struct layout *l, struct net_forward *f,
		      int *ret_fd, struct error *e)
{
	struct net_forward inner = *f;
	uint16_t inner_port;
	union address got;
	socklen_t len = sizeof(got);
	int fd, ret;

	fd = listen6(f, f->host_port);
	if (fd < 0)
		return bind_failed(f, AF_INET6, fd, e);
	if (getsockname(fd, &got.sa, &len) == 0)
		f->host_port = ntohs(got.in6.sin6_port);
	memcpy(inner.host_addr, "127.0.0.1", sizeof("127.0.0.1"));
	*ret_fd = bind_family(s, l, &inner, AF_INET, 0, &inner_port);
	if (*ret_fd < 0) {
		(void)close(fd);
		return bind_failed(&inner, AF_INET, *ret_fd, e);
	}
	ret = relay_listen(relay, fd, inner_port);
	return ret < 0 ? bind_failed(f, AF_INET6, ret, e) : 0;
}

/* The IPv6 half of a forward on all addresses. fd of libslirp's socket, INT_MAX for the relay's, or -errno. */
static int bind_second6(Slirp *s, struct relay *relay, const struct layout *l,
			const struct net_forward *f, uint16_t port)
{
	int fd, ret;

	if (f->proto == NET_PROTO_UDP)
		return bind_family(s, l, f, AF_INET6, port, &port);
	fd = listen6(f, port);
	if (fd < 0)
		return fd;
	ret = relay_listen(relay, fd, port);
	return ret < 0 ? ret : INT_MAX;
}

static int forward_bind(Slirp *s, struct relay *relay, const struct layout *l,
			struct net_forward *f, int *ret_fd, struct error *e)
{
	bool both = f->host_addr[0] == '\0' && l->ipv6;
	int family = strchr(f->host_addr, ':') != NULL ? AF_INET6 : AF_INET;
	uint16_t port;
	int second;

	if (family == AF_INET6 && f->proto == NET_PROTO_TCP)
		return bind_only6(s, relay, l, f, ret_fd, e);
	if (family == AF_INET6 && !l->ipv6)
		return error_setf(e, -EINVAL,
				  "publish [%s]:%u/%s: the network has no IPv6 (enable_ipv6=false)",
				  f->host_addr, f->host_port, proto_names[f->proto]);
	for (int round = 0; round < ANY_ROUNDS; round++) {
		*ret_fd = bind_family(s, l, f, family, f->host_port, &port);
		if (*ret_fd < 0)
			return bind_failed(f, family, *ret_fd, e);
		second = both ? bind_second6(s, relay, l, f, port) : 0;
		if (second >= 0 || family_missing(second)) {
			f->host_port = port;
			return 0;
		}
		if (f->host_port != 0 || second != -EADDRINUSE)
			return bind_failed(f, AF_INET6, second, e);
		unbind_family(s, f, family, port);
	}
	return error_setf(e, -EADDRINUSE, "publish a free port to container port %u/%s: found none",
			  f->container_port, proto_names[f->proto]);
}

int forward_bind_all(Slirp *s, struct relay *relay, const struct layout *l, struct net_forward *f,
		     size_t n, void (*on_listener)(int fd, void *data), void *data, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		int fd = -1;
		int ret = forward_bind(s, relay, l, &f[i], &fd, e);

		if (ret < 0)
			return ret;
		if (f[i].proto == NET_PROTO_TCP && on_listener != NULL)
			on_listener(fd, data);
	}
	return 0;
}
