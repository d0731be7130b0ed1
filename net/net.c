/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt's side of crt-net: start it, hand the request over, hear from it, end it.
 *
 * Theory of operation
 *
 * net_start() makes a socket pair, starts the helper with one end as fd 3 and
 * puts the whole request into the socket, where it waits until the helper
 * reads it: crt goes on with the container at once. The helper binds all
 * published ports in the host's network namespace and answers BOUND; later
 * the set-up child, which is inside the container's network namespace, sends
 * the tap device's fd over a duplicate of crt's end, and the helper answers
 * TAKEN. net_wait_ready() collects both answers.
 *
 * net_prepare() keeps the helper's end of the socket instead of starting it
 * (loading libslirp and entering the cage are the dearest part of a network, and most containers
 * never send a frame). crt then takes the tap itself and waits until it is readable; it
 * reads nothing, so that the container has no influence but on the time. Then
 * request and tap go into the socket and the helper is started, for which nothing is different; its
 * answers are not read. The frame is still in the device. What the container's
 * kernel says by itself when the device comes up is dropped there (tap.c).
 *
 * Life time: crt-net lives as long as somebody holds crt's end of the socket
 * (net_handle.ctl_fd and its duplicates, all close-on-exec). When crt and the
 * keeper die by SIGKILL the kernel closes them, and crt-net ends itself: there
 * is no pid file and nothing to clean up.
 *
 * crt-net reads packets of the container and is not trusted: see wire.c.
 */
#include "net/net.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "net/layout.h"
#include "net/pasta.h"
#include "net/pcap.h"
#include "net/wire.h"

#define END_MS 5000 /* for who ends itself */

static int send_request(int sock, const struct net_request *r, struct error *e)
{
	struct wire_request w = {
		.version = WIRE_VERSION,
		.mtu = r->mtu,
		.ipv6 = r->ipv6,
		.allow_host_loopback = r->allow_host_loopback,
		.pasta = r->pasta,
		.forwards_n = (uint32_t)r->forwards_n,
	};
	_cleanup_fd_ int file_fd = -1; /* for the frames; with pasta its program */
	int ret;

	memcpy(w.cidr, r->cidr, sizeof(w.cidr));
	memcpy(w.cidr6, r->cidr6, sizeof(w.cidr6));
	memcpy(w.outbound_addr, r->outbound_addr, sizeof(w.outbound_addr));
	memcpy(w.outbound_addr6, r->outbound_addr6, sizeof(w.outbound_addr6));
	if (r->pasta || r->pcap != NULL) {
		file_fd = r->pasta ? pasta_open(e) : pcap_open(r->pcap, e);
		if (file_fd < 0)
			return file_fd;
	}
	ret = wire_send(sock, WIRE_TYPE_REQUEST, &w, sizeof(w), file_fd);
	if (ret >= 0 && r->pasta)
		ret = pasta_send_options(sock, r);
	if (ret >= 0)
		ret = wire_send_forwards(sock, r->forwards, r->forwards_n);
	if (ret < 0)
		return error_set(e, ret, "send the network request to crt-net");
	return 0;
}

static char helper[] = "crt-net";

/* Everything but the process. */
static int prepare(const struct net_request *r, struct net_handle *h, struct error *e)
{
	struct layout layout;
	int sv[2];
	int code;

	code = layout_make(r, &layout, e); /* complain here, where the options are known */
	if (code < 0)
		return code;
	h->exe_fd = proc_find_helper(helper, NULL, e);
	if (h->exe_fd < 0)
		return h->exe_fd;
	code = fd_socketpair(SOCK_SEQPACKET, sv);
	if (code < 0)
		return error_set(e, code, "make a socket pair for crt-net");
	h->ends_itself = r->pasta;
	h->ctl_fd = sv[0];
	h->peer_fd = sv[1];
	return 0;
}

static int start(struct net_handle *h, struct error *e)
{
	char *const argv[] = { helper, NULL };
	const struct proc_fd_map fds[] = { { .fd = h->peer_fd, .target = WIRE_FD } };
	const struct proc_spawn s = {
		.path_fd = h->exe_fd,
		.argv = argv,
		.fds = fds,
		.fds_n = 1,
		.new_session = true, /* Ctrl-C is for the container */
	};
	int code;

	code = proc_spawn(&s, &h->pid, &h->pid_fd, e);
	if (code < 0)
		return error_prefix(e, "start crt-net");
	close_fd(&h->peer_fd);
	close_fd(&h->exe_fd);
	return 0;
}

int net_start(const struct net_request *r, struct net_handle *ret, struct error *e)
{
	struct net_handle h = NET_HANDLE_INIT;
	int code;

	code = prepare(r, &h, e);
	if (code == 0)
		code = start(&h, e);
	if (code == 0)
		code = send_request(h.ctl_fd, r, e);
	if (code < 0) {
		net_stop(&h);
		return code;
	}
	*ret = h;
	return 0;
}

/* ---- started with the first frame ---- */

/* Ports, files and outbound addresses can be refused, so that the container must not start before they are there. */
static bool is_needed_at_once(const struct net_request *r)
{
	return r->pasta || r->forwards_n != 0 || r->pcap != NULL || r->outbound_addr[0] != '\0' ||
	       r->outbound_addr6[0] != '\0';
}

int net_prepare(const struct net_request *r, struct net_handle *ret, struct error *e)
{
	struct net_handle h = NET_HANDLE_INIT;
	int code;

	if (is_needed_at_once(r))
		return net_start(r, ret, e);
	code = prepare(r, &h, e);
	if (code < 0) {
		net_stop(&h);
		return code;
	}
	*ret = h;
	return 0;
}

int net_late_tap(struct net_handle *h, int *ret_fd, struct error *e)
{
	struct wire_message m;
	int code;

	if (h->peer_fd >= 0 && h->tap_fd < 0) {
		code = wire_recv(h->peer_fd, &m, &h->tap_fd);
		if (code != WIRE_TYPE_TAP || h->tap_fd < 0)
			return error_set(e, code < 0 ? code : -EPROTO, "receive the tap device");
	}
	*ret_fd = h->tap_fd;
	return 0;
}

int net_late_start(struct net_handle *h, const struct net_request *r, struct error *e)
{
	int code;

	code = send_request(h->ctl_fd, r, e);
	if (code == 0) {
		code = wire_send(h->ctl_fd, WIRE_TYPE_TAP, NULL, 0, h->tap_fd);
		if (code < 0)
			(void)error_set(e, code, "hand the tap device over to crt-net");
	}
	if (code == 0)
		code = start(h, e);
	close_fd(&h->tap_fd);
	return code;
}

int net_tap_socket(const struct net_handle *h)
{
	return fd_dup(h->ctl_fd);
}

/* Wait for data from crt-net. 0 or -errno with the error set. */
static int wait_readable(const struct net_handle *h, int64_t deadline, struct error *e)
{
	struct pollfd p = { .fd = h->ctl_fd, .events = POLLIN };

	for (;;) {
		int64_t left = deadline < 0 ? -1 : deadline - clock_now_ms();
		int n;

		if (deadline >= 0 && left < 0)
			left = 0; /* look once in any case */
		n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n == 0 && left == 0)
			return error_setf(e, -ETIMEDOUT, "crt-net did not get ready in time");
		if (n < 0 && errno != EINTR)
			return error_set(e, -errno, "wait for crt-net");
	}
}

static int handle_bound(struct net_handle *h, struct net_request *r, struct error *e)
{
	_cleanup_free_ struct net_forward *got = NULL;
	int ret;

	if (r->forwards_n == 0)
		return 0;
	got = calloc(r->forwards_n, sizeof(*got));
	if (got == NULL)
		return error_set(e, -ENOMEM, "read the ports that crt-net bound");
	ret = wire_recv_forwards(h->ctl_fd, got, r->forwards_n);
	if (ret < 0)
		return error_set(e, ret, "read the ports that crt-net bound");
	for (size_t i = 0; i < r->forwards_n; i++) {
		if (r->forwards[i].host_port == 0)
			r->forwards[i].host_port = got[i].host_port;
	}
	return 0;
}

int net_wait_ready(struct net_handle *h, struct net_request *r, bool need_tap, int timeout_ms,
		   struct error *e)
{
	int64_t deadline = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
	bool bound = h->peer_fd >= 0, taken = bound || !(need_tap || r->pasta);
	struct wire_message m;
	int ret;

	if (r->pasta) {
		ret = wire_send(h->ctl_fd, WIRE_TYPE_GO, NULL, 0, -1);
		if (ret < 0 && ret != -EPIPE) /* then it has said why */
			return error_set(e, ret, "tell crt-net to start pasta");
	}
	while (!bound || !taken) {
		ret = wait_readable(h, deadline, e);
		if (ret < 0)
			return ret;
		ret = wire_recv(h->ctl_fd, &m, NULL);
		if (ret ==
		    -ECONNRESET) /* it ended without reading all from us; its last words come after this */
			ret = wire_recv(h->ctl_fd, &m, NULL);
		if (ret == WIRE_TYPE_BOUND && !bound) {
			bound = true;
			ret = handle_bound(h, r, e);
			if (ret < 0)
				return ret;
		} else if (ret == WIRE_TYPE_TAKEN && !taken) {
			taken = true;
		} else if (ret == WIRE_TYPE_FAILED) {
			if (e != NULL)
				*e = m.u.error;
			return m.u.error.code < 0 ? m.u.error.code : -EPROTO;
		} else if (ret == 0 || ret == -ECONNRESET) {
			return error_setf(e, -ECONNRESET,
					  "crt-net ended before the network was ready");
		} else {
			return error_set(e, ret < 0 ? ret : -EPROTO, "hear from crt-net");
		}
	}
	return 0;
}

void net_forget(struct net_handle *h)
{
	close_fd(&h->ctl_fd);
	close_fd(&h->peer_fd);
	close_fd(&h->exe_fd);
	close_fd(&h->tap_fd);
	close_fd(&h->pid_fd);
	*h = NET_HANDLE_INIT;
}

void net_stop(struct net_handle *h)
{
	struct pollfd p = { .fd = h->pid_fd, .events = POLLIN };

	close_fd(&h->ctl_fd);
	if (h->ends_itself && h->pid_fd >= 0)
		(void)poll(&p, 1, END_MS); /* whatever it says, the next step ends it */
	if (h->pid > 0)
		proc_kill(h->pid, h->pid_fd);
	net_forget(h);
}
