/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a user-defined network: a bridge in a network namespace of its
 * own, and a pair of veth devices for each container.
 *
 * Theory of operation
 *
 * Each network is a network namespace that holds nothing but a bridge. There is
 * no route from one to another and none to the host, so that networks are isolated
 * without a firewall, and nothing of the kernel is needed but the devices
 * bridge and veth.
 *
 * The namespace of a network and those of the containers belong to different
 * user namespaces, all children of the one in which the user's processes are.
 * A process that stays outside has every capability in each of them, because
 * their owner is its effective user id; inside one of them it would have lost
 * the others. So a short-lived child makes the namespace and opens the sockets
 * in it (rtnetlink, port 53 of the gateway), sends them out and ends. From then on
 * requests are sent over these sockets from outside: a socket works on the
 * namespace in which it was opened, and the kernel judges who sends. One request
 * makes a pair of devices with an end in two namespaces, of which the second is
 * named by its fd. For root all of it is the same without user namespaces.
 *
 * A namespace lives as long as a socket of it is open. When the holder dies the
 * kernel takes apart what it made, the containers' ends included.
 *
 * Devices get fixed addresses, without duplicate address detection or router
 * solicitation. Nothing here is under a container's control: its end is set up
 * before its program starts, or by name afterwards; a device of the
 * container's own that has the name makes the request fail.
 */
#include "net/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "net/dns.h"
#include "net/rtnl.h"

#define BRIDGE	"br0"
#define BACKLOG 64

/* ---- inside: the child that makes the namespace ---- */

/* A socket for port 53 of every address here. fd or -errno. */
static int listen_names(int type)
{
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT) };
	const struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	_cleanup_fd_ int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int off = 0;
	int r = -1;

	if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)
		r = bind(fd, (const struct sockaddr *)&any6, sizeof(any6));
	if (r < 0) { /* a kernel without IPv6 */
		close_fd(&fd);
		fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || bind(fd, (const struct sockaddr *)&any4, sizeof(any4)) < 0)
			return -errno;
	}
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int random_mac(uint8_t mac[6])
{
	if (getrandom(mac, 6, 0) != 6)
		return -errno;
	mac[0] = (uint8_t)((mac[0] & 0xfcu) | 2u); /* of this place only, one station */
	return 0;
}

static int ifindex_on(int fd, const char *name)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -EINVAL;
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	return ioctl(fd, SIOCGIFINDEX, &ifr) < 0 ? -errno : ifr.ifr_ifindex;
}

static struct rtattr *add_kind(struct rtnl_batch *b, const char *kind)
{
	struct rtattr *info = rtnl_attr(b, IFLA_LINKINFO, NULL, 0);

	(void)rtnl_attr(b, IFLA_INFO_KIND, kind, strlen(kind));
	return info;
}

static void add_mtu(struct rtnl_batch *b, const struct net_network *n)
{
	uint32_t mtu = n->mtu;

	if (mtu != 0)
		(void)rtnl_attr(b, IFLA_MTU, &mtu, sizeof(mtu));
}

static int missing_kind(const char *kind, struct error *e)
{
	if (e != NULL && e->code == -EOPNOTSUPP)
		return error_hint(e, "; networks need it: \"modprobe %s\" as root", kind);
	return e != NULL ? e->code : -EIO;
}

static int make_bridge(int rtnl_fd, const struct net_network *n, struct error *e)
{
	struct rtnl_batch b = { .len = 0 };
	uint8_t mac[6];
	struct ifinfomsg *m;
	int r = random_mac(mac);

	if (r < 0)
		return error_set(e, r, "random numbers");
	m = rtnl_add(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m), "make a bridge",
		     false);
	m->ifi_family = AF_UNSPEC;
	(void)rtnl_attr(&b, IFLA_IFNAME, BRIDGE, sizeof(BRIDGE));
	(void)rtnl_attr(&b, IFLA_ADDRESS, mac, sizeof(mac)); /* else it is that of some port */
	add_mtu(&b, n);
	rtnl_attr_end(&b, add_kind(&b, "bridge"));
	r = rtnl_run_on(rtnl_fd, &b, e);
	return r < 0 ? missing_kind("bridge", e) : 0;
}

static int set_up_bridge(int rtnl_fd, const struct net_network *n, struct error *e)
{
	struct rtnl_batch b = { .len = 0 };
	int index = ifindex_on(rtnl_fd, BRIDGE);

	if (index < 0)
		return error_set(e, index, "find the bridge");
	rtnl_add_link_up(&b, RTNL_LOOPBACK, "bring lo up");
	rtnl_add_no_autoconf(&b, index);
	if (n->prefix != 0)
		rtnl_add_address(&b, index, AF_INET, &n->gateway, sizeof(n->gateway), n->prefix,
				 RT_SCOPE_UNIVERSE, "give the bridge its IPv4 address");
	if (n->prefix6 != 0)
		rtnl_add_address(&b, index, AF_INET6, &n->gateway6, sizeof(n->gateway6), n->prefix6,
				 RT_SCOPE_UNIVERSE, "give the bridge its IPv6 address");
	rtnl_add_link_up(&b, index, "bring the bridge up");
	return rtnl_run_on(rtnl_fd, &b, e);
}

static int make_inside(const struct net_network *n, int fds[3], struct error *e)
{
	int flags = CLONE_NEWNET | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	int r;

	if (unshare(flags) < 0)
		return error_set(e, -errno, "make a network namespace");
	rtnl_refuse_advertisements();
	fds[0] = rtnl_open(e);
	if (fds[0] < 0)
		return fds[0];
	r = make_bridge(fds[0], n, e);
	if (r == 0)
		r = set_up_bridge(fds[0], n, e);
	if (r < 0 || !n->dns)
		return r;
	fds[1] = listen_names(SOCK_DGRAM);
	fds[2] = listen_names(SOCK_STREAM);
	r = fds[1] < 0 ? fds[1] : fds[2] < 0 ? fds[2] : 0;
	return r < 0 ? error_set(e, r, "listen for the network's name server") : 0;
}

static _Noreturn void child(const struct net_network *n, int sock)
{
	struct error e = ERROR_INIT;
	int fds[3] = { -1, -1, -1 };
	int r = make_inside(n, fds, &e);

	(void)fd_send(sock, &e, sizeof(e), fds, r < 0 ? 0 : fds[1] < 0 ? 1 : 3);
	_exit(0);
}

/* ---- outside ---- */

int link_space_make(const struct net_network *n, struct link_space *ret, struct error *e)
{
	struct link_space s = LINK_SPACE_INIT;
	int fds[3] = { -1, -1, -1 };
	size_t fds_n = 3;
	struct error got;
	int sv[2];
	ssize_t len;
	pid_t pid;
	int r = fd_socketpair(SOCK_SEQPACKET, sv);

	if (r < 0)
		return error_set(e, r, "make a socket pair");
	pid = fork();
	if (pid == 0)
		child(n, sv[1]);
	r = pid < 0 ? error_set(e, -errno, "fork") : 0;
	close_fd(&sv[1]);
	len = r < 0 ? r : fd_recv(sv[0], &got, sizeof(got), fds, &fds_n);
	close_fd(&sv[0]);
	if (pid > 0)
		(void)proc_wait(pid);
	s.rtnl_fd = fds[0];
	s.udp_fd = fds[1];
	s.tcp_fd = fds[2];
	if (r == 0 && len != (ssize_t)sizeof(got)) {
		r = error_setf(e, -ECHILD, "the process that makes the network died");
	} else if (r == 0 && (got.code < 0 || s.rtnl_fd < 0)) {
		r = got.code < 0 ? got.code : -EPROTO;
		if (e != NULL)
			*e = got;
	}
	if (r == 0) {
		s.bridge = ifindex_on(s.rtnl_fd, BRIDGE);
		if (s.bridge < 0)
			r = error_set(e, s.bridge, "find the bridge");
	}
	if (r < 0)
		link_space_close(&s);
	else
		*ret = s;
	return r;
}

void link_space_close(struct link_space *s)
{
	close_fd(&s->rtnl_fd);
	close_fd(&s->udp_fd);
	close_fd(&s->tcp_fd);
}

bool link_exists(int rtnl_fd, const char *name)
{
	return ifindex_on(rtnl_fd, name) > 0;
}

void link_delete(int rtnl_fd, const char *name)
{
	struct rtnl_batch b = { .len = 0 };
	int index = ifindex_on(rtnl_fd, name);
	struct ifinfomsg *m;

	if (index <= 0)
		return;
	m = rtnl_add(&b, RTM_DELLINK, 0, sizeof(*m), "remove a network device", true);
	m->ifi_family = AF_UNSPEC;
	m->ifi_index = index;
	(void)rtnl_run_on(rtnl_fd, &b, NULL); /* gone with its namespace is fine */
}

static int make_pair(const struct link_space *s, const struct net_network *n,
		     const struct net_lease *l, const char *host_name, int net_fd, struct error *e)
{
	const struct ifinfomsg peer = { .ifi_family = AF_UNSPEC };
	struct rtnl_batch b = { .len = 0 };
	struct rtattr *info, *data, *nest;
	struct ifinfomsg *m;
	uint32_t fd = (uint32_t)net_fd, master = (uint32_t)s->bridge;
	int r;

	m = rtnl_add(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m),
		     "make a pair of network devices (veth)", false);
	m->ifi_family = AF_UNSPEC;
	m->ifi_flags = m->ifi_change = IFF_UP;
	(void)rtnl_attr(&b, IFLA_IFNAME, host_name, strlen(host_name) + 1);
	(void)rtnl_attr(&b, IFLA_MASTER, &master, sizeof(master));
	add_mtu(&b, n);
	info = add_kind(&b, "veth");
	data = rtnl_attr(&b, IFLA_INFO_DATA, NULL, 0);
	nest = rtnl_attr(&b, VETH_INFO_PEER, &peer, sizeof(peer));
	(void)rtnl_attr(&b, IFLA_IFNAME, l->ifname, strlen(l->ifname) + 1);
	(void)rtnl_attr(&b, IFLA_ADDRESS, l->mac, sizeof(l->mac));
	(void)rtnl_attr(&b, IFLA_NET_NS_FD, &fd, sizeof(fd));
	add_mtu(&b, n);
	rtnl_attr_end(&b, nest);
	rtnl_attr_end(&b, data);
	rtnl_attr_end(&b, info);
	r = rtnl_run_on(s->rtnl_fd, &b, e);
	return r < 0 ? missing_kind("veth", e) : 0;
}

static int set_up_inside(const struct net_network *n, const struct net_lease *l, int rtnl_fd,
			 struct error *e)
{
	int index = ifindex_on(rtnl_fd, l->ifname);
	struct rtnl_batch b = { .len = 0 };

	if (index < 0)
		return error_set(e, index, "find the network device %s", l->ifname);
	rtnl_add_no_autoconf(&b, index);
	if (n->prefix != 0)
		rtnl_add_address(&b, index, AF_INET, &l->ip, sizeof(l->ip), n->prefix,
				 RT_SCOPE_UNIVERSE, "give the container its IPv4 address");
	if (n->prefix6 != 0)
		rtnl_add_address(&b, index, AF_INET6, &l->ip6, sizeof(l->ip6), n->prefix6,
				 RT_SCOPE_UNIVERSE, "give the container its IPv6 address");
	rtnl_add_link_up(&b, index, "bring the container's network device up");
	return rtnl_run_on(rtnl_fd, &b, e);
}

int link_attach(const struct link_space *s, const struct net_network *n, const struct net_lease *l,
		const char *host_name, int net_fd, int rtnl_fd, struct error *e)
{
	int r = make_pair(s, n, l, host_name, net_fd, e);

	if (r < 0)
		return r;
	r = set_up_inside(n, l, rtnl_fd, e);
	if (r < 0)
		link_delete(s->rtnl_fd, host_name);
	return r;
}
