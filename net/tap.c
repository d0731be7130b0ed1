/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's side of the network: lo, and the tap device with its
 * addresses and routes.
 *
 * Theory of operation
 *
 * Runs in the set-up child, inside the container's network namespace and
 * before anything of the image runs, so nothing here is under foreign
 * control. No memory is allocated.
 *
 * The tap device is made by TUNSETIFF on /dev/net/tun. Everything else is one
 * batch of rtnetlink messages, sent by one system call and answered by one
 * acknowledgement each: lo up; tap0 with its MTU up; IPv4 address and default
 * route; IPv6 link-local and global address, both without duplicate address
 * detection (we are alone on the wire, and detection would keep the addresses
 * unusable for a second), and the IPv6 default route. Automatic IPv6
 * addresses are switched off first, so that the kernel neither invents a
 * second link-local address nor solicits routers. IPv6 messages may fail
 * (kernel without IPv6): the container then has IPv4 only.
 *
 * The fd of the tap then goes to crt-net. The device is made persistent: it
 * lives as long as the namespace, which is destroyed in the background when
 * its last process ends. Without that, the end of crt-net would unregister the
 * device and wait some 15 ms for every CPU to forget it, on the way out of
 * each run.
 */
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "net/layout.h"
#include "net/pasta.h"
#include "net/rtnl.h"
#include "net/wire.h"

/*
 * The device drops reports of multicast groups and solicitations of routers (33:33:00:00:00:16 and :02),
 * which the container's kernel sends by itself: nobody would answer, and the first frame is
 * to be the container's. Where that is refused crt-net drops them.
 */
static void drop_chatter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x33330000, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0016, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0002, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	(void)ioctl(fd, TUNATTACHFILTER, &prog);
}

static int tap_open(struct error *e)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	_cleanup_fd_ int fd = -1;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		(void)error_set(e, -errno, "open /dev/net/tun");
		if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			return error_hint(
				e, "; the container's network needs it: \"modprobe tun\" as root, "
				   "or use --network host or none");
		if (errno == EACCES || errno == EPERM)
			return error_hint(
				e,
				"; the container's network needs it: \"chmod 666 /dev/net/tun\" as root, "
				"or use --network host or none");
		return -errno;
	}
	memcpy(ifr.ifr_name, LAYOUT_TAP_NAME, sizeof(LAYOUT_TAP_NAME));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return error_set(e, -errno, "make the network device " LAYOUT_TAP_NAME);
	(void)ioctl(fd, TUNSETPERSIST, 1); /* costs only time where it is refused */
	drop_chatter(fd);
	return steal_fd(&fd);
}

static int ifindex_of(const char *name, struct error *e)
{
	struct ifreq ifr = { .ifr_ifindex = 0 };
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
		return error_set(e, -errno, "find the network device %s", name);
	return ifr.ifr_ifindex;
}

static bool has_tcp(const struct net_request *r)
{
	for (size_t i = 0; i < r->forwards_n; i++)
		if (r->forwards[i].proto == NET_PROTO_TCP)
			return true;
	return false;
}

/* The way by which crt-net asks for sockets. */
static int agent_create(int tap_sock, struct net_agent *agent, struct error *e)
{
	int sv[2];
	int ret = fd_socketpair(SOCK_SEQPACKET, sv);

	if (ret < 0)
		return error_set(e, ret, "make a socket pair for published ports");
	ret = fd_set_nonblock(sv[0], true);
	if (ret == 0)
		ret = wire_send(tap_sock, WIRE_TYPE_AGENT, NULL, 0, sv[1]);
	close_fd(&sv[1]);
	if (ret < 0) {
		close_fd(&sv[0]);
		return error_set(e, ret, "prepare published ports");
	}
	agent->fd = sv[0];
	return 0;
}

static int tap_create(const struct net_request *r, int tap_sock, struct net_agent *agent,
		      struct error *e)
{
	/* fe80::100, the container's host part, as its link-local address */
	static const struct in6_addr link_local = { .s6_addr = { 0xfe, 0x80, [14] = 1 } };
	_cleanup_fd_ int tap_fd = -1;
	struct rtnl_batch b = { .len = 0 };
	struct layout l;
	int ifindex, ret;
	uint32_t mtu;

	ret = layout_make(r, &l, e);
	if (ret < 0)
		return ret;
	tap_fd = tap_open(e);
	if (tap_fd < 0)
		return tap_fd;
	ifindex = ifindex_of(LAYOUT_TAP_NAME, e);
	if (ifindex < 0)
		return ifindex;
	rtnl_add_link_up(&b, RTNL_LOOPBACK, "bring lo up");
	rtnl_add_no_autoconf(&b, ifindex);
	rtnl_add_link_up(&b, ifindex, "bring " LAYOUT_TAP_NAME " up");
	mtu = l.mtu;
	(void)rtnl_attr(&b, IFLA_MTU, &mtu, sizeof(mtu));
	rtnl_add_address(&b, ifindex, AF_INET, &l.guest, sizeof(l.guest), l.prefix_len,
			 RT_SCOPE_UNIVERSE, "give " LAYOUT_TAP_NAME " its IPv4 address");
	rtnl_add_default_route(&b, ifindex, AF_INET, &l.gateway, sizeof(l.gateway),
			       "set the IPv4 default route");
	if (l.ipv6) {
		rtnl_add_address(&b, ifindex, AF_INET6, &link_local, sizeof(link_local),
				 LAYOUT_PREFIX6_LEN, RT_SCOPE_LINK,
				 "give " LAYOUT_TAP_NAME " its link-local address");
		rtnl_add_address(&b, ifindex, AF_INET6, &l.guest6, sizeof(l.guest6),
				 LAYOUT_PREFIX6_LEN, RT_SCOPE_UNIVERSE,
				 "give " LAYOUT_TAP_NAME " its IPv6 address");
		rtnl_add_default_route(&b, ifindex, AF_INET6, &l.gateway6, sizeof(l.gateway6),
				       "set the IPv6 default route");
	}
	ret = rtnl_run(&b, e);
	if (ret < 0)
		return ret;
	if (has_tcp(r)) {
		ret = agent_create(tap_sock, agent, e);
		if (ret < 0)
			return ret;
	}
	ret = wire_send(tap_sock, WIRE_TYPE_TAP, NULL, 0, tap_fd);
	if (ret < 0)
		return error_set(e, ret, "hand " LAYOUT_TAP_NAME " over to crt-net");
	return 0;
}

int net_tap_create(const struct net_request *r, int tap_sock, struct net_agent *agent,
		   struct error *e)
{
	_cleanup_fd_ int sock = tap_sock;
	struct rtnl_batch b = { .len = 0 };

	/* pasta's device is its own, and may need them */
	if ((r->mode == NET_MODE_SLIRP && !r->pasta) || r->mode == NET_MODE_NONE)
		rtnl_refuse_advertisements();
	switch (r->mode) {
	case NET_MODE_SLIRP:
		return r->pasta ? pasta_send_namespaces(sock, e) : tap_create(r, sock, agent, e);
	case NET_MODE_NONE:
		rtnl_add_link_up(&b, RTNL_LOOPBACK, "bring lo up");
		return rtnl_run(&b, e);
	case NET_MODE_HOST:
	case NET_MODE_JOIN:
	case NET_MODE_COUNT:
		break;
	}
	return 0;
}
