/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-net: user-mode networking of one container by libslirp.
 *
 * Theory of operation
 *
 * Started by crt (net_start), fd 3 is a SOCK_SEQPACKET socket to it, 0-2 are
 * /dev/null, the environment is empty. Steps: read the request; create the
 * libslirp instance; bind the published ports and report; put ourselves into
 * the cage (confine.c); receive the tap device; shuffle frames until the
 * socket's other side is closed for good, which also happens when crt and the
 * keeper are killed. There is no state on disk and nothing to clean up.
 *
 * The attacker is the container: it writes the frames. It is answered by
 * three walls: reass.c and filter.c let only ordinary frames reach libslirp; the cage
 * holds whoever takes libslirp over; and this process holds no secret.
 * Resources: an fd limit bounds the connections (confine.c), and at the limit
 * the listening sockets are left alone, since poll() would report them for
 * ever while accept() fails.
 *
 * Published ports do not pass through libslirp: the relay for TCP (relay.c) and
 * udp.c, which exist only where there are any, are one more fd each in the loop.
 * Neither do questions to the name server by UDP (dns_forward.c), because libslirp
 * knows but one server of the host's; those by TCP do.
 *
 * The loop: libslirp says which fds to watch; after poll() the sockets are
 * served first (that also advances libslirp's clock, which must not be stale
 * when a frame makes a new socket), then the tap is read until it is empty or
 * a batch is done. Timers: libslirp asks for 2 ms or 499 ms while connections
 * exist; when it has no socket besides listening ones we sleep without a
 * timeout. Router advertisements are never sent (addresses are fixed), so
 * its only timer object is a dummy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "net/ack.h"
#include "net/confine.h"
#include "net/datagram.h"
#include "net/dns.h"
#include "net/filter.h"
#include "net/forward.h"
#include "net/layout.h"
#include "net/neigh.h"
#include "net/net.h"
#include "net/pasta.h"
#include "net/pcap.h"
#include "net/reass.h"
#include "net/relay.h"
#include "net/udp.h"
#include "net/wire.h"

#define FRAME_MAX (65536 + 64) /* MTU, Ethernet header and room */
#define TAP_BATCH 64	       /* frames read before the sockets get their turn */
#define FDS_MAX	  32768	       /* open sockets, thus connections */
#define FDS_SPARE \
	256 /* kept free when listening sockets are judged: for questions to name servers */
#define TUN_MAJOR 10
#define TUN_MINOR 200

enum {
	SLOT_CTL,
	SLOT_TAP,
	SLOT_RELAY,
	SLOT_UDP,
	SLOT_DNS,
	SLOT_SLIRP
};

struct net {
	Slirp *slirp;
	int ctl_fd;
	int tap_fd;
	bool pasta;  /* which serves instead */
	int pcap_fd; /* -1 = no copy of the frames */
	struct pollfd *poll;
	size_t poll_n, poll_cap;
	size_t fds_limit;
	size_t open_n;	   /* sockets of libslirp */
	uint8_t *open_map; /* a bit for each fd: counted in open_n */
	uint64_t now_ms;   /* of this round */
	struct reass reass;
	struct relay *relay; /* NULL: no published TCP ports */
	struct udp *udp;     /* NULL: no published UDP ports */
	struct dns_forward *dns;
	uint8_t mac[6];	      /* of the container */
	uint32_t datagram_id; /* of the last one that is ours */
	struct layout layout;
	bool reading;	/* in read_tap() */
	bool wrote;	/* to the tap since it was last read */
	size_t ack_len; /* an acknowledgement held back; 0 = none */
	uint8_t ack[ACK_MAX];
	uint8_t frame[FRAME_MAX];
};

/* ---- fd sets ---- */

static bool map_get(const uint8_t *map, int fd)
{
	return fd >= 0 && fd < FDS_MAX && (map[fd / 8] & (1u << (fd % 8))) != 0;
}

static void map_set(uint8_t *map, int fd, bool on)
{
	if (fd < 0 || fd >= FDS_MAX)
		return;
	if (on)
		map[fd / 8] = (uint8_t)(map[fd / 8] | (1u << (fd % 8)));
	else
		map[fd / 8] = (uint8_t)(map[fd / 8] & ~(1u << (fd % 8)));
}

/* ---- what libslirp calls ---- */

static void copy_frame(struct net *n, const struct iovec *parts, size_t parts_n)
{
	if (n->pcap_fd >= 0 && pcap_frame(n->pcap_fd, parts, parts_n) < 0)
		close_fd(&n->pcap_fd);
}

static struct iovec one_part(const void *frame, size_t len)
{
	struct iovec part = { .iov_len = len };

	memcpy(&part.iov_base, &frame, sizeof(frame)); /* nobody writes to it */
	return part;
}

static void tap_write(struct net *n, const void *buf, size_t len)
{
	const struct iovec part = one_part(buf, len);

	copy_frame(n, &part, 1);
	(void)!write(n->tap_fd, buf,
		     len); /* a frame that does not fit is lost, as on any network */
	n->wrote = true;
}

static void ack_flush(struct net *n)
{
	if (n->ack_len == 0)
		return;
	tap_write(n, n->ack, n->ack_len);
	n->ack_len = 0;
}

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
	struct net *n = opaque;

	if (n->ack_len != 0 && !ack_supersedes(buf, len, n->ack, n->ack_len))
		ack_flush(n);
	if (n->reading && ack_is_pure(buf, len)) {
		memcpy(n->ack, buf, len);
		n->ack_len = len;
	} else {
		tap_write(n, buf, len);
	}
	return (ssize_t)len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
	(void)msg; /* the container's text; nobody would read it */
	(void)opaque;
}

static int64_t cb_clock_get_ns(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *cb_timer_new_opaque(SlirpTimerId id, void *cb_opaque, void *opaque)
{
	(void)id;
	(void)cb_opaque;
	return opaque; /* the router advertisement timer: never fires */
}

static void cb_timer_free(void *timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

static void cb_timer_mod(void *timer, int64_t expire_time, void *opaque)
{
	(void)timer;
	(void)expire_time;
	(void)opaque;
}

static void cb_register_poll_fd(int fd, void *opaque)
{
	struct net *n = opaque;

	(void)fd_set_nonblock(fd, true); /* a blocking socket would stop all traffic */
	if (fd >= 0 && !map_get(n->open_map, fd)) {
		map_set(n->open_map, fd, true);
		n->open_n++;
	}
}

static void cb_unregister_poll_fd(int fd, void *opaque)
{
	struct net *n = opaque;

	if (map_get(n->open_map, fd)) {
		map_set(n->open_map, fd, false);
		n->open_n--;
	}
}

static void cb_notify(void *opaque)
{
	(void)opaque; /* single thread: the loop looks at everything anyway */
}

static const SlirpCb callbacks = {
	.send_packet = cb_send_packet,
	.guest_error = cb_guest_error,
	.clock_get_ns = cb_clock_get_ns,
	.timer_free = cb_timer_free,
	.timer_mod = cb_timer_mod,
	.register_poll_fd = cb_register_poll_fd,
	.unregister_poll_fd = cb_unregister_poll_fd,
	.notify = cb_notify,
	.timer_new_opaque = cb_timer_new_opaque,
};

/* Room for more entries. */
static bool poll_reserve(struct net *n, size_t more)
{
	size_t cap = n->poll_cap;
	struct pollfd *grown;

	while (cap < n->poll_n + more)
		cap *= 2;
	if (cap == n->poll_cap)
		return true;
	grown = reallocarray(n->poll, cap, sizeof(*grown));
	if (grown == NULL)
		return false;
	n->poll = grown;
	n->poll_cap = cap;
	return true;
}

static int cb_add_poll(int fd, int events, void *opaque)
{
	struct net *n = opaque;
	short want = 0;

	if (!poll_reserve(n, 1))
		return -1; /* not watched in this round */
	if (events & SLIRP_POLL_IN)
		want |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		want |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		want |= POLLPRI;
	n->poll[n->poll_n] = (struct pollfd){ .fd = fd, .events = want };
	return (int)n->poll_n++;
}

static int cb_get_revents(int idx, void *opaque)
{
	const struct net *n = opaque;
	short got = idx >= 0 && (size_t)idx < n->poll_n ? n->poll[idx].revents : 0;
	int ret = 0;

	if (got & POLLIN)
		ret |= SLIRP_POLL_IN;
	if (got & POLLOUT)
		ret |= SLIRP_POLL_OUT;
	if (got & POLLPRI)
		ret |= SLIRP_POLL_PRI;
	if (got & (POLLERR | POLLNVAL))
		ret |= SLIRP_POLL_ERR;
	if (got & POLLHUP)
		ret |= SLIRP_POLL_HUP;
	return ret;
}

/* ---- datagrams that are ours ---- */

static void sink_frame(void *data, const struct iovec *parts, size_t parts_n)
{
	struct net *n = data;

	copy_frame(n, parts, parts_n);
	(void)!writev(n->tap_fd, parts, (int)parts_n); /* may be lost */
	n->wrote = true;
}

static void send_datagram(void *data, const struct datagram *d)
{
	struct net *n = data;

	ack_flush(n);
	datagram_emit(d, n->mac, n->layout.mtu, ++n->datagram_id, sink_frame, n);
}

/* An answer for the container; it goes back to where the question came from. */
static void send_answer(struct net *n, const struct sockaddr_in6 *to, const uint8_t *msg,
			size_t len)
{
	struct datagram d = {
		.from = IN6_IS_ADDR_V4MAPPED(&to->sin6_addr) ? datagram_map(n->layout.dns) :
							       n->layout.dns6,
		.to = to->sin6_addr,
		.from_port = DNS_PORT,
		.to_port = ntohs(to->sin6_port),
		.data = msg,
		.len = len,
	};

	send_datagram(n, &d);
}

static void dns_reply(void *data, const struct dns_client *client, uint8_t *msg, size_t len)
{
	if (len != 0) /* else it asks the next one on its list */
		send_answer(data, &client->peer, msg, dns_cut(msg, len, client->udp_size));
}

static void ask_dns(struct net *n, const struct datagram *d)
{
	struct dns_client client = {
		.peer = { .sin6_family = AF_INET6,
			  .sin6_addr = d->from,
			  .sin6_port = htons(d->from_port) },
	};
	uint8_t refusal[DNS_HEADER];
	struct dns_question q;
	int ret = d->len <= DNS_QUERY_MAX ? dns_parse(d->data, d->len, &q) : -ENOMSG;

	if (ret == 0)
		(void)dns_forward_ask(n->dns, d->data, d->len, &q, &client, NULL,
				      0); /* else it asks again */
	else if (ret == -EBADMSG || ret == -EOPNOTSUPP)
		send_answer(n, &client.peer, refusal,
			    dns_refuse(refusal, d->data,
				       ret == -EBADMSG ? DNS_CODE_FORMAT :
							 DNS_CODE_NOT_IMPLEMENTED));
}

/* True: the frame was for us and not for libslirp. */
static bool take_datagram(struct net *n, const uint8_t *frame, size_t len)
{
	struct in6_addr dns = datagram_map(n->layout.dns);
	struct datagram d;

	if (!datagram_parse(frame, len, &d))
		return false;
	memcpy(n->mac, frame + 6, sizeof(n->mac)); /* it may have changed */
	if (d.to_port == DNS_PORT &&
	    (IN6_ARE_ADDR_EQUAL(&d.to, &dns) ||
	     (n->layout.ipv6 && IN6_ARE_ADDR_EQUAL(&d.to, &n->layout.dns6)))) {
		ask_dns(n, &d);
		return true;
	}
	return n->udp != NULL && udp_answer(n->udp, &d, n->now_ms);
}

/* ---- the loop ---- */

/* One frame of the container's on its way to libslirp. */
static void take_frame(struct net *n, size_t len)
{
	uint8_t *frame = n->frame;

	if (reass_frame(&n->reass, n->frame, len, n->now_ms, &frame, &len) == REASS_HELD ||
	    !filter_frame(frame, len) || take_datagram(n, frame, len))
		return;
	slirp_input(n->slirp, frame, (int)len);
}

/*
 * Read a batch of frames. Acknowledgements are held back while there are more
 * frames; writing one makes the container's kernel send what it waited with,
 * so that there may be more afterwards. False when the device is gone.
 */
static bool read_tap(struct net *n)
{
	bool alive = true;

	n->reading = true;
	n->wrote = false;
	for (int i = 0; i < TAP_BATCH && alive; i++) {
		ssize_t len = read(n->tap_fd, n->frame, sizeof(n->frame));

		if (len < 0 && errno == EAGAIN && n->ack_len != 0) {
			ack_flush(n);
			continue;
		}
		if (len < 0) {
			alive = errno == EAGAIN || errno == EINTR;
			break;
		}
		if (n->pcap_fd >= 0) {
			const struct iovec part = one_part(n->frame, (size_t)len);

			copy_frame(n, &part, 1);
		}
		take_frame(n, (size_t)len);
	}
	n->reading = false;
	ack_flush(n);
	return alive;
}

static const int no_others[RELAY_OTHERS] = { -1, -1, -1 };

/*
 * A server in the container that talks to published ports only keeps libslirp idle: then the relay's
 * own wait is enough, which saves every other system call. True when there is something for libslirp
 * or the rest of the loop. *busy: the relay did not finish.
 */
static bool relay_alone(struct net *n, bool *busy)
{
	const int others[RELAY_OTHERS] = { n->ctl_fd, n->tap_fd,
					   n->udp != NULL ? udp_fd(n->udp) : -1 };

	if (n->open_n != 0 || dns_forward_timeout(n->dns) >= 0 ||
	    relay_watch_others(n->relay, others) < 0) {
		(void)relay_watch_others(n->relay, no_others); /* takes away only */
		return true;
	}
	*busy = relay_dispatch(n->relay, *busy ? 0 : -1);
	return relay_others_ready(n->relay);
}

static size_t relay_room(const struct net *n)
{
	size_t spare = n->fds_limit / 4 < FDS_SPARE ? n->fds_limit / 4 : FDS_SPARE;

	return n->open_n + spare < n->fds_limit ? n->fds_limit - spare - n->open_n : 0;
}

/* How long there is nothing to do without an event. */
static int wait_ms(const struct net *n, int slirp_ms)
{
	int ms = n->open_n == 0 ? -1 : slirp_ms;
	int dns_ms = dns_forward_timeout(n->dns);

	return ms < 0 || (dns_ms >= 0 && dns_ms < ms) ? dns_ms : ms;
}

/* Serve until the peer is gone. */
static int serve(struct net *n)
{
	bool busy = false;     /* the relay did not finish */
	bool udp_busy = false; /* nor udp */

	for (;;) {
		uint32_t timeout = UINT32_MAX;
		int ready;

		if (n->relay != NULL && !udp_busy) {
			relay_set_room(n->relay, relay_room(n));
			if (!relay_alone(n, &busy))
				continue;
		}
		n->poll[SLOT_CTL] = (struct pollfd){ .fd = n->ctl_fd, .events = POLLIN };
		n->poll[SLOT_TAP] = (struct pollfd){ .fd = n->tap_fd, .events = POLLIN };
		n->poll[SLOT_RELAY] = (struct pollfd){
			.fd = n->relay != NULL ? relay_fd(n->relay) : -1,
			.events = POLLIN,
		};
		n->poll[SLOT_UDP] = (struct pollfd){
			.fd = n->udp != NULL ? udp_fd(n->udp) : -1,
			.events = POLLIN,
		};
		n->poll[SLOT_DNS] =
			(struct pollfd){ .fd = dns_forward_fd(n->dns), .events = POLLIN };
		n->poll_n = SLOT_SLIRP;
		slirp_pollfds_fill(n->slirp, &timeout, cb_add_poll, n);
		ready = poll(n->poll, n->poll_n, busy || udp_busy ? 0 : wait_ms(n, (int)timeout));
		if (ready < 0 && errno != EINTR)
			return -errno;
		n->now_ms = (uint64_t)cb_clock_get_ns(n) / 1000000;
		slirp_pollfds_poll(n->slirp, ready < 0, cb_get_revents, n);
		if (busy || (ready > 0 && n->poll[SLOT_RELAY].revents != 0))
			busy = relay_dispatch(n->relay, 0);
		if (udp_busy || (ready > 0 && n->poll[SLOT_UDP].revents != 0))
			udp_busy = udp_dispatch(n->udp, n->now_ms);
		if (dns_forward_timeout(n->dns) >= 0)
			dns_forward_dispatch(n->dns);
		if (ready <= 0)
			continue;
		if (n->poll[SLOT_CTL].revents != 0)
			return 0; /* closed; nothing else is sent after the tap */
		/* what we write is often answered within the system call */
		if ((n->poll[SLOT_TAP].revents != 0 || n->wrote) && !read_tap(n))
			return 0; /* the namespace and its device are gone */
	}
}

/* ---- set-up ---- */

/* An address, or the first one of the interface named. 0 or -errno. */
static int outbound_address(const char *text, int family, void *ret, struct error *e)
{
	struct ifaddrs *all = NULL;
	int code = -EADDRNOTAVAIL;

	if (inet_pton(family, text, ret) == 1)
		return 0;
	if (getifaddrs(&all) < 0)
		return error_set(e, -errno, "list the host's network interfaces");
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != family ||
		    strcmp(a->ifa_name, text) != 0)
			continue;
		if (family == AF_INET) {
			memcpy(ret,
			       &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr,
			       sizeof(struct in_addr));
		} else {
			const struct sockaddr_in6 *in6 =
				(const struct sockaddr_in6 *)(const void *)a->ifa_addr;

			if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
				continue;
			memcpy(ret, &in6->sin6_addr, sizeof(struct in6_addr));
		}
		code = 0;
		break;
	}
	freeifaddrs(all);
	if (code < 0)
		return error_setf(
			e, code,
			"outbound address %s: no interface of the host has this name and an %s address",
			text, family == AF_INET ? "IPv4" : "IPv6");
	return 0;
}

static int make_slirp(struct net *n, const struct wire_request *w, const struct layout *l,
		      struct error *e)
{
	static struct sockaddr_in out4; /* libslirp keeps the pointers */
	static struct sockaddr_in6 out6;
	SlirpConfig c = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = l->network,
		.vnetmask = l->mask,
		.vhost = l->gateway,
		.in6_enabled = l->ipv6,
		.vprefix_addr6 = l->prefix6,
		.vprefix_len = LAYOUT_PREFIX6_LEN,
		.vhost6 = l->gateway6,
		.vdhcp_start = l->guest,
		.vnameserver = l->dns,
		.vnameserver6 = l->dns6,
		.if_mtu = l->mtu,
		.if_mru = l->mtu,
		.disable_host_loopback = !w->allow_host_loopback,
		.disable_dhcp = true,
	};
	int ret;

	if (w->outbound_addr[0] != '\0') {
		out4.sin_family = AF_INET;
		ret = outbound_address(w->outbound_addr, AF_INET, &out4.sin_addr, e);
		if (ret < 0)
			return ret;
		c.outbound_addr = &out4;
	}
	if (w->outbound_addr6[0] != '\0') {
		out6.sin6_family = AF_INET6;
		ret = outbound_address(w->outbound_addr6, AF_INET6, &out6.sin6_addr, e);
		if (ret < 0)
			return ret;
		c.outbound_addr6 = &out6;
	}
	n->slirp = slirp_new(&c, &callbacks, n);
	if (n->slirp == NULL)
		return error_setf(e, -EINVAL, "libslirp refused the network's configuration");
	return 0;
}

static void raise_fd_limit(struct net *n)
{
	struct rlimit lim;

	n->fds_limit = 1024;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	lim.rlim_cur = lim.rlim_max < FDS_MAX ? lim.rlim_max : FDS_MAX;
	if (setrlimit(RLIMIT_NOFILE, &lim) == 0 || getrlimit(RLIMIT_NOFILE, &lim) == 0)
		n->fds_limit = lim.rlim_cur < FDS_MAX ? (size_t)lim.rlim_cur : FDS_MAX;
}

/* What is served beside libslirp. 0 or -errno. */
static int make_servers(struct net *n, const struct net_forward *f, size_t forwards_n)
{
	int ret = 0;

	for (size_t i = 0; i < forwards_n && ret == 0; i++) {
		if (f[i].proto == NET_PROTO_TCP && n->relay == NULL)
			ret = relay_new(&n->layout, &n->relay);
		else if (f[i].proto == NET_PROTO_UDP && n->udp == NULL)
			ret = udp_new(&n->layout, send_datagram, n, &n->udp);
	}
	n->dns = dns_forward_new(dns_reply, n);
	return ret == 0 && n->dns == NULL ? -ENOMEM : ret;
}

/* Read the request, bind, and tell. */
static int set_up(struct net *n, struct error *e)
{
	_cleanup_free_ struct net_forward *f = NULL;
	struct net_request r = { .mode = NET_MODE_SLIRP };
	struct wire_message m;
	int ret;

	ret = wire_recv(n->ctl_fd, &m, &n->pcap_fd);
	if (ret != WIRE_TYPE_REQUEST || m.u.request.version != WIRE_VERSION)
		return error_set(e, ret < 0 ? ret : -EPROTO,
				 "crt-net: read the request (started by another crt?)");
	if (m.u.request.pasta != 0) {
		n->pasta = true;
		return pasta_serve(n->ctl_fd, &m.u.request, steal_fd(&n->pcap_fd), e);
	}
	if (n->pcap_fd >= 0) {
		ret = pcap_begin(n->pcap_fd);
		if (ret < 0)
			return error_set(e, ret, "write the copy of the frames (pcap)");
	}
	if (m.u.request.forwards_n != 0) {
		f = calloc(m.u.request.forwards_n, sizeof(*f));
		if (f == NULL)
			return error_set(e, -ENOMEM, "crt-net: read the published ports");
		ret = wire_recv_forwards(n->ctl_fd, f, m.u.request.forwards_n);
		if (ret < 0)
			return error_set(e, ret, "crt-net: read the published ports");
	}
	r.mtu = m.u.request.mtu;
	r.ipv6 = m.u.request.ipv6 != 0;
	memcpy(r.cidr, m.u.request.cidr, sizeof(r.cidr));
	memcpy(r.cidr6, m.u.request.cidr6, sizeof(r.cidr6));
	ret = layout_make(&r, &n->layout, e);
	if (ret < 0)
		return ret;
	ret = make_slirp(n, &m.u.request, &n->layout, e);
	if (ret < 0)
		return ret;
	ret = make_servers(n, f, m.u.request.forwards_n);
	if (ret < 0)
		return error_set(e, ret, "crt-net: prepare the network");
	ret = forward_bind_all(n->relay, n->udp, f, m.u.request.forwards_n, e);
	if (ret < 0)
		return ret;
	ret = wire_send(n->ctl_fd, WIRE_TYPE_BOUND, NULL, 0, -1);
	if (ret == 0)
		ret = wire_send_forwards(n->ctl_fd, f, m.u.request.forwards_n);
	return ret < 0 ? error_set(e, ret, "crt-net: report the ports") : 0;
}

/* 1 when the tap is there, 0 when the peer went away without one, or -errno. */
static int take_tap(struct net *n, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	struct ifreq ifr = { .ifr_ifindex = 0 };
	struct wire_message m;
	struct stat st;
	int ret;

	ret = wire_recv(n->ctl_fd, &m, &fd);
	if (ret == WIRE_TYPE_AGENT && fd >= 0 && n->relay != NULL) {
		ret = relay_set_agent(n->relay, steal_fd(&fd));
		if (ret < 0)
			return error_set(e, ret, "crt-net: prepare the published ports");
		ret = wire_recv(n->ctl_fd, &m, &fd);
	}
	if (ret == 0)
		return 0;
	if (ret != WIRE_TYPE_TAP || fd < 0)
		return error_set(e, ret < 0 ? ret : -EPROTO, "crt-net: receive the tap device");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || major(st.st_rdev) != TUN_MAJOR ||
	    minor(st.st_rdev) != TUN_MINOR)
		return error_setf(e, -EPROTO, "crt-net: what came is not a tap device");
	if (fd_set_nonblock(fd, true) < 0)
		return error_set(e, -EBADF, "crt-net: prepare the tap device");
	n->tap_fd = steal_fd(&fd);
	if (ioctl(n->tap_fd, SIOCGIFHWADDR, &ifr) == 0) {
		memcpy(n->mac, ifr.ifr_hwaddr.sa_data, sizeof(n->mac));
		neigh_announce(n->slirp, &n->layout, n->mac);
	}
	ret = wire_send(n->ctl_fd, WIRE_TYPE_TAKEN, NULL, 0, -1);
	return ret < 0 ? error_set(e, ret, "crt-net: report the tap device") : 1;
}

const char *net_slirp_version(void)
{
	return slirp_version_string();
}

int net_slirp_main(void)
{
	static struct net n = { .ctl_fd = WIRE_FD, .tap_fd = -1, .pcap_fd = -1 };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct error e = ERROR_INIT;
	int ret;

	(void)sigaction(SIGPIPE, &ignore,
			NULL); /* libslirp writes to sockets that the peer has closed */
	confine_early();
	n.poll_cap = 64;
	n.poll = calloc(n.poll_cap, sizeof(*n.poll));
	n.open_map = calloc(1, FDS_MAX / 8);
	if (n.poll == NULL || n.open_map == NULL)
		return 1;
	if (fd_set_cloexec(WIRE_FD, true) < 0)
		return 1; /* not started by crt */
	raise_fd_limit(&n);
	ret = set_up(&n, &e);
	if (ret == 0 && n.pasta)
		return 0; /* it was served, and is over */
	if (ret == 0)
		ret = confine_self(n.pcap_fd >= 0, &e);
	if (ret == 0)
		ret = take_tap(&n, &e);
	if (ret < 0) {
		(void)wire_send(n.ctl_fd, WIRE_TYPE_FAILED, &e, sizeof(e),
				-1); /* the peer may be gone */
		return 1;
	}
	return ret == 0 || serve(&n) == 0 ? 0 : 1;
}
