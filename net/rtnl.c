/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of rtnetlink requests.
 *
 * Theory of operation
 *
 * Requests are collected in one buffer, sent by one system call and answered
 * by one acknowledgement each, in order. The number of a request is its place
 * in the batch and finds the words for the error. All of it runs in processes
 * of ours inside the container's network namespace; the only peer is the
 * kernel. A crash in the middle leaves a namespace that nobody uses.
 */
#include "net/rtnl.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

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

int rtnl_run(const struct rtnl_batch *b, struct error *e)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	_Alignas(struct nlmsghdr) unsigned char answer[8192];
	_cleanup_fd_ int fd = -1;
	unsigned int seen = 0;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return error_set(e, -errno, "open a netlink socket");
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
