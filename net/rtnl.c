/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of rtnetlink requests.
 *
 * Theory of operation
 *
 * Requests are collected in one buffer, sent by one system call and answered
 * by one acknowledgement each, in order. The number of a request is its place
 * in the batch and finds the words for the error. The only peer is the
 * kernel. A crash in the middle leaves a namespace that nobody uses.
 */
#include "net/rtnl.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/procfs.h"

/* linux/if_link.h and linux/if_addr.h of old headers miss some of these */
#ifndef IFA_F_NODAD
#define IFA_F_NODAD 0x02
#endif
#define ADDR_GEN_MODE_NONE 1

void *rtnl_add(struct rtnl_batch *b, unsigned short type, unsigned short flags, size_t body,
	       const char *what, bool optional)
{
	struct nlmsghdr *h;

	assert(b->n < RTNL_STEPS_MAX && b->len + NLMSG_SPACE(body) <= sizeof(b->data));
	h = (struct nlmsghdr *)(void *)(b->data + b->len);
	memset(h, 0, NLMSG_SPACE(body));
	h->nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	h->nlmsg_type = type;
	h->nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
	h->nlmsg_seq = b->n;
	b->steps[b->n++] = (struct step){ .what = what, .optional = optional };
	b->len += NLMSG_SPACE(body);
	b->last = h;
	return NLMSG_DATA(h);
}

struct rtattr *rtnl_attr(struct rtnl_batch *b, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a;

	assert(b->len + RTA_SPACE(len) <= sizeof(b->data));
	a = (struct rtattr *)(void *)(b->data + b->len);
	memset(a, 0, RTA_SPACE(len));
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len != 0)
		memcpy(RTA_DATA(a), data, len);
	b->len += RTA_SPACE(len);
	b->last->nlmsg_len += (uint32_t)RTA_SPACE(len);
	return a;
}

void rtnl_attr_end(struct rtnl_batch *b, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)(b->data + b->len - (unsigned char *)nest);
}

/* ---- what is asked for more than once ---- */

void rtnl_add_link_up(struct rtnl_batch *b, int ifindex, const char *what)
{
	struct ifinfomsg *m = rtnl_add(b, RTM_NEWLINK, 0, sizeof(*m), what, false);

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = ifindex;
	m->ifi_flags = IFF_UP;
	m->ifi_change = IFF_UP;
}

void rtnl_add_no_autoconf(struct rtnl_batch *b, int ifindex)
{
	struct ifinfomsg *m = rtnl_add(b, RTM_NEWLINK, 0, sizeof(*m),
				       "switch automatic IPv6 addresses off", true);
	struct rtattr *spec, *inet6;
	uint8_t mode = ADDR_GEN_MODE_NONE;

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = ifindex;
	spec = rtnl_attr(b, IFLA_AF_SPEC, NULL, 0);
	inet6 = rtnl_attr(b, AF_INET6, NULL, 0);
	(void)rtnl_attr(b, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	rtnl_attr_end(b, inet6);
	rtnl_attr_end(b, spec);
}

void rtnl_add_address(struct rtnl_batch *b, int ifindex, int family, const void *addr, size_t len,
		      unsigned int prefix, unsigned int scope, const char *what)
{
	struct ifaddrmsg *m = rtnl_add(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m), what,
				       family == AF_INET6);
	uint32_t flags = IFA_F_NODAD | IFA_F_PERMANENT;

	m->ifa_family = (unsigned char)family;
	m->ifa_prefixlen = (unsigned char)prefix;
	m->ifa_scope = (unsigned char)scope;
	m->ifa_index = (unsigned int)ifindex;
	(void)rtnl_attr(b, IFA_LOCAL, addr, len);
	(void)rtnl_attr(b, IFA_ADDRESS, addr, len);
	if (family == AF_INET6)
		(void)rtnl_attr(b, IFA_FLAGS, &flags, sizeof(flags));
}

void rtnl_add_default_route(struct rtnl_batch *b, int ifindex, int family, const void *gateway,
			    size_t len, const char *what)
{
	struct rtmsg *m = rtnl_add(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m), what,
				   family == AF_INET6);

	m->rtm_family = (unsigned char)family;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	(void)rtnl_attr(b, RTA_GATEWAY, gateway, len);
	(void)rtnl_attr(b, RTA_OIF, &ifindex, sizeof(ifindex));
}

int rtnl_open(struct error *e)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? error_set(e, -errno, "open a netlink socket") : fd;
}

/*
 * Sent with the kernel's address: without one it would ask for the powers of who opened the socket, too,
 * who has none over a second namespace that a request names.
 */
int rtnl_run_on(int fd, const struct rtnl_batch *b, struct error *e)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	_Alignas(struct nlmsghdr) unsigned char answer[8192];
	unsigned int seen = 0;

	if (sendto(fd, b->data, b->len, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return error_set(e, -errno, "set up the network by netlink");
	while (seen < b->n) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		size_t left = n > 0 ? (size_t)n : 0;
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(e, n < 0 ? -errno : -EPROTO, "hear from netlink");
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *err;

			if (h->nlmsg_type != NLMSG_ERROR ||
			    h->nlmsg_len < NLMSG_LENGTH(sizeof(*err)) || h->nlmsg_seq >= b->n)
				return error_set(e, -EPROTO, "hear from netlink");
			err = (const struct nlmsgerr *)(const void *)((const unsigned char *)h +
								      NLMSG_HDRLEN);
			if (err->error < 0 && !b->steps[h->nlmsg_seq].optional)
				return error_set(e, err->error, "%s", b->steps[h->nlmsg_seq].what);
			seen++;
		}
	}
	return 0;
}

int rtnl_run(const struct rtnl_batch *b, struct error *e)
{
	_cleanup_fd_ int fd = rtnl_open(e);

	return fd < 0 ? fd : rtnl_run_on(fd, b, e);
}

void rtnl_refuse_advertisements(void)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);

	if (proc_fd >= 0) /* a kernel without IPv6 has none */
		(void)procfs_write(proc_fd, "sys/net/ipv6/conf/default/accept_ra", "0");
}
