/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's part in published TCP ports: sockets inside the container.
 *
 * Theory of operation
 *
 * crt-net accepts a client in the host's network namespace and joins it with a
 * connection to the container's server (relay.c). That connection must be made
 * inside the container's network namespace, where crt-net is not and cannot
 * go, having no capability. The keeper is there anyhow for as long as the
 * container lives, so it makes the sockets: stream sockets, unbound and
 * unconnected, handed over by SCM_RIGHTS in answer to a request that says how
 * many. No process and no memory is spent for this, and nothing happens before
 * the first request.
 *
 * The server is to see the client's own address as its peer. The sockets are
 * transparent (IP_TRANSPARENT), so that crt-net can bind them to any address,
 * and carry a mark. A rule sends what has this mark to a table in which every
 * address is local; the sysctl tcp_fwmark_accept puts the mark on the
 * server's end of the connection too, so that its answers, which are addressed
 * to the client, stay inside and reach the socket; fwmark_reflect does so for
 * the resets that answer for no server. Nothing else in the container carries
 * the mark: its own connections, to the same client or from
 * the published port, go out as ever. Where the kernel refuses one of these
 * steps the sockets are ordinary ones, and the server sees the container's own
 * address as its peer.
 *
 * The attacker is crt-net, taken over by the container: it can ask for as many
 * sockets of the container's as it likes, which the container can make itself.
 * The request has a fixed size, its numbers are checked, and what the peer
 * does not collect is bounded by the kernel; the keeper never waits for it.
 * The rules and the sysctl are those of the container's namespace and go with
 * it.
 */
#include "net/agent.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/procfs.h"
#include "net/net.h"
#include "net/rtnl.h"

#define MARK	      0x63727400u /* of the sockets */
#define TABLE	      0x637274u	  /* in which every address is local */
#define RULE_PRIORITY 100u

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

static void add_rule(struct rtnl_batch *b, int family)
{
	const uint32_t mark = MARK, table = TABLE, priority = RULE_PRIORITY;
	struct fib_rule_hdr *m = rtnl_add(b, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m),
					  "add a routing rule", false);

	m->family = (uint8_t)family;
	m->action = FR_ACT_TO_TBL;
	(void)rtnl_attr(b, FRA_FWMARK, &mark, sizeof(mark));
	(void)rtnl_attr(b, FRA_TABLE, &table, sizeof(table));
	(void)rtnl_attr(b, FRA_PRIORITY, &priority, sizeof(priority));
}

static void add_local_route(struct rtnl_batch *b, int family)
{
	const uint32_t table = TABLE, out = RTNL_LOOPBACK;
	struct rtmsg *m = rtnl_add(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m),
				   "add a local route", false);

	m->rtm_family = (unsigned char)family;
	m->rtm_table = RT_TABLE_UNSPEC;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_HOST;
	m->rtm_type = RTN_LOCAL;
	(void)rtnl_attr(b, RTA_TABLE, &table, sizeof(table));
	(void)rtnl_attr(b, RTA_OIF, &out, sizeof(out));
}

static bool route_marked(int family)
{
	struct rtnl_batch b = { .len = 0 };
	struct error e = ERROR_INIT;

	add_local_route(&b, family);
	add_rule(&b, family);
	return rtnl_run(&b, &e) == 0;
}

static void prepare(struct net_agent *a)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);

	a->prepared = true;
	if (proc_fd < 0 || procfs_write(proc_fd, "sys/net/ipv4/tcp_fwmark_accept", "1") < 0)
		return;
	a->transparent4 = procfs_write(proc_fd, "sys/net/ipv4/fwmark_reflect", "1") == 0 &&
			  route_marked(AF_INET);
	a->transparent6 = procfs_write(proc_fd, "sys/net/ipv6/fwmark_reflect", "1") == 0 &&
			  route_marked(AF_INET6);
}

/* fd or -errno */
static int make_socket(int family, bool transparent)
{
	_cleanup_fd_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const uint32_t mark = MARK;
	const int on = 1;
	int ret;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
	if (!transparent)
		return steal_fd(&fd);
	ret = family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) :
				  setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
	if (ret < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	return steal_fd(&fd);
}

int net_agent_serve(struct net_agent *a)
{
	struct agent_answer answer = { .code = 0 };
	struct agent_request q;
	int fds[AGENT_SOCKETS];
	size_t n = 0, none = 0;
	ssize_t len = fd_recv(a->fd, &q, sizeof(q), NULL, &none);
	int ret;

	if (len == -EAGAIN || len == -ENOMEM || len == -ENOBUFS)
		return 0; /* asked again when there is memory */
	if (len != (ssize_t)sizeof(q) || (q.family != AF_INET && q.family != AF_INET6) ||
	    q.count == 0 || q.count > AGENT_SOCKETS)
		return len < 0 ? (int)len : -EPROTO; /* gone, or it is not crt-net any more */
	if (!a->prepared)
		prepare(a);
	answer.family = q.family;
	answer.transparent = q.family == AF_INET ? a->transparent4 : a->transparent6;
	while (n < q.count && answer.code == 0) {
		fds[n] = make_socket((int)q.family, answer.transparent != 0);
		if (fds[n] < 0)
			answer.code = fds[n];
		else
			n++;
	}
	ret = fd_send(a->fd, &answer, sizeof(answer), fds, n);
	if (ret == -ETOOMANYREFS || ret == -ENOMEM || ret == -ENOBUFS) {
		/* too many are on their way (the user's limit of open files), or no memory for them */
		answer.code = ret;
		ret = fd_send(a->fd, &answer, sizeof(answer), NULL, 0);
	}
	for (size_t i = 0; i < n; i++)
		close_fd(&fds[i]);
	return ret;
}

void net_agent_fini(struct net_agent *a)
{
	close_fd(&a->fd);
	*a = NET_AGENT_INIT;
}
