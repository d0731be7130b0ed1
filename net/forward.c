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
 * TCP sockets are ours and go to the relay (relay.c); UDP is libslirp's, which
 * makes its sockets itself (slirp_add_hostxfwd). Two things about them need
 * repair, for which their number must be known; it is the lowest free one, and
 * getsockname() confirms it: they block, and the port chosen for "any" is
 * wanted.
 *
 * The peer's address stays the real one in the container; what comes from the
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
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define BACKLOG	   4096
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

static int udp_flags(void)
{
	return SLIRP_HOSTFWD_V6ONLY | SLIRP_HOSTFWD_UDP;
}

/* A UDP port on one address family. 0 or -errno. */
static int bind_udp(Slirp *s, const struct layout *l, const struct net_forward *f, int family,
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
			       udp_flags()) < 0)
		return errno != 0 ? -errno : -EIO;
	if (getsockname(fd, &got.sa, &len) < 0 || got.sa.sa_family != family ||
	    fd_set_nonblock(fd, true) < 0)
		return -EBADF;
	*ret_port = ntohs(family == AF_INET ? got.in.sin_port : got.in6.sin6_port);
	return 0;
}

static void unbind_udp(Slirp *s, const struct net_forward *f, int family, uint16_t port)
{
	union address host;

	address_fill(&host, family, f->host_addr, port);
	/* it was just added */
	(void)slirp_remove_hostxfwd(s, &host.sa, address_len(family), udp_flags());
}

/* A TCP port on one address family. The listening socket or -errno. */
static int bind_tcp(const struct net_forward *f, int family, uint16_t port, uint16_t *ret_port)
{
	_cleanup_fd_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union address host;
	socklen_t len = sizeof(host);
	const int on = 1;

	if (fd < 0)
		return -errno;
	address_fill(&host, family, f->host_addr, port);
	if ((family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &host.sa, address_len(family)) < 0 || listen(fd, BACKLOG) < 0 ||
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

static int forward_tcp(struct relay *relay, struct net_forward *f, int family, bool both,
		       struct error *e)
{
	for (int round = 0; round < ANY_ROUNDS; round++) {
		_cleanup_fd_ int first = -1, second = -1;
		uint16_t port;
		int ret;

		first = bind_tcp(f, family, f->host_port, &port);
		if (first < 0)
			return bind_failed(f, family, first, e);
		if (both)
			second = bind_tcp(f, AF_INET6, port, &port);
		if (both && second < 0 && !family_missing(second)) {
			if (f->host_port != 0 || second != -EADDRINUSE)
				return bind_failed(f, AF_INET6, second, e);
			continue;
		}
		ret = relay_listen(relay, steal_fd(&first), f->container_port);
		if (ret == 0 && second >= 0)
			ret = relay_listen(relay, steal_fd(&second), f->container_port);
		f->host_port = port;
		return ret < 0 ? bind_failed(f, family, ret, e) : 0;
	}
	return error_setf(e, -EADDRINUSE,
			  "publish a free port to container port %u/tcp: found none",
			  f->container_port);
}

static int forward_udp(Slirp *s, const struct layout *l, struct net_forward *f, int family,
		       bool both, struct error *e)
{
	for (int round = 0; round < ANY_ROUNDS; round++) {
		uint16_t port;
		int ret = bind_udp(s, l, f, family, f->host_port, &port);

		if (ret < 0)
			return bind_failed(f, family, ret, e);
		if (both)
			ret = bind_udp(s, l, f, AF_INET6, port, &port);
		if (ret == 0 || family_missing(ret)) {
			f->host_port = port;
			return 0;
		}
		if (f->host_port != 0 || ret != -EADDRINUSE)
			return bind_failed(f, AF_INET6, ret, e);
		unbind_udp(s, f, family, port);
	}
	return error_setf(e, -EADDRINUSE,
			  "publish a free port to container port %u/udp: found none",
			  f->container_port);
}

int forward_bind_all(Slirp *s, struct relay **relay, const struct layout *l, struct net_forward *f,
		     size_t n, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		int family = strchr(f[i].host_addr, ':') != NULL ? AF_INET6 : AF_INET;
		bool tcp = f[i].proto == NET_PROTO_TCP;
		bool both = f[i].host_addr[0] == '\0' && (tcp || l->ipv6);
		int ret = 0;

		if (tcp && *relay == NULL)
			ret = relay_new(l, relay);
		if (ret < 0)
			return error_set(e, ret, "prepare published ports");
		if (!tcp && family == AF_INET6 && !l->ipv6)
			return error_setf(
				e, -EINVAL,
				"publish [%s]:%u/udp: the network has no IPv6 (enable_ipv6=false)",
				f[i].host_addr, f[i].host_port);
		ret = tcp ? forward_tcp(*relay, &f[i], family, both, e) :
			    forward_udp(s, l, &f[i], family, both, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}
