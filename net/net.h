/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network of a rootless container: a tap device inside the container's network
 * namespace, served by libslirp in the helper process crt-net, which stays in
 * the host's network namespace; plus the texts of the files that describe the
 * network to the container, and the syntax of -p and --network.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

enum net_mode {
	NET_MODE_SLIRP,
	NET_MODE_HOST,
	NET_MODE_NONE,
	NET_MODE_JOIN, /* the network of somebody else; entering it is the caller's */
	NET_MODE_COUNT
};

enum net_proto {
	NET_PROTO_TCP,
	NET_PROTO_UDP,
	NET_PROTO_COUNT
};

/* One published port after range expansion. */
struct net_forward {
	enum net_proto proto;
	char host_addr[INET6_ADDRSTRLEN]; /* "" = all addresses, IPv4 and IPv6 */
	uint16_t host_port;		  /* 0 = choose a free one (filled in by net_start) */
	uint16_t container_port;
};

/* Plain data; fill with net_request_init() and release with net_request_fini(). */
struct net_request {
	enum net_mode mode;
	unsigned int mtu;	  /* bytes; 0 = our default */
	bool ipv6;		  /* default true */
	bool allow_host_loopback; /* default false: 10.0.2.2 does not reach the host's 127.0.0.1 */
	char cidr[INET_ADDRSTRLEN + 4]; /* "10.0.2.0/24" */
	char outbound_addr[INET_ADDRSTRLEN];
	char outbound_addr6[INET6_ADDRSTRLEN];
	char *join;		      /* owned; JOIN: "container:NAME" or "ns:PATH" */
	char *pcap;		      /* owned; a file for a copy of the frames, NULL = none */
	struct net_forward *forwards; /* owned */
	size_t forwards_n;
	struct strv dns, dns_search, dns_option; /* --dns*: empty = from the host */
};

void net_request_init(struct net_request *r);
void net_request_fini(struct net_request *r);
/* "slirp[:opt=val,...]", "slirp4netns[:...]", "host", "none", "container:NAME", "ns:PATH". 0 or -EINVAL with the reason. */
int net_parse_mode(const char *text, struct net_request *r, struct error *e);
/* -p: [[ip:][hostPort]:]containerPort[-end][/tcp|/udp], IPv6 addresses in brackets. Appends. SCTP is refused by name. */
int net_parse_publish(const char *text, struct net_request *r, struct error *e);
/* -P: PORT[-END][/tcp|/udp], each that is not published yet on a free port of all host addresses. */
int net_parse_exposed(const char *text, struct net_request *r, struct error *e);

/* A running crt-net. Zero with NET_HANDLE_INIT. */
struct net_handle {
	pid_t pid;
	int pid_fd;
	/* private */
	int ctl_fd;  /* closing it makes crt-net end */
	int peer_fd; /* crt-net's end of the socket and its executable, where it is started late */
	int exe_fd;
	int tap_fd;
};
#define NET_HANDLE_INIT       \
	((struct net_handle){ \
		.pid = 0, .pid_fd = -1, .ctl_fd = -1, .peer_fd = -1, .exe_fd = -1, .tap_fd = -1 })

/*
 * Start crt-net (host side; before or beside the container's set-up). Does not
 * wait for it. 0 or -errno.
 */
int net_start(const struct net_request *r, struct net_handle *ret, struct error *e);
/*
 * For a caller that stays with the container: as net_start(); but without published ports crt-net is
 * only prepared, because most containers never use their network. As soon as
 * the set-up child has done net_tap_create(), net_late_tap() says what to poll;
 * when that has input, net_late_start() starts crt-net.
 */
int net_prepare(const struct net_request *r, struct net_handle *ret, struct error *e);
/*
 * 0, and in *ret_fd what becomes readable with the container's first frame
 * (borrowed), or -1 when crt-net runs already; or -errno.
 */
int net_late_tap(struct net_handle *h, int *ret_fd, struct error *e);
int net_late_start(struct net_handle *h, const struct net_request *r, struct error *e);
/* In a forked child of the caller: close what it inherited. crt-net goes on. */
void net_forget(struct net_handle *h);
/* A CLOEXEC duplicate of the socket over which the set-up child hands the tap over (net_tap_create). fd or -errno. */
int net_tap_socket(const struct net_handle *h);
/* Makes sockets inside the container for its published TCP ports. */
struct net_agent {
	int fd; /* -1 = not needed, or crt-net is gone */
	/* private: */
	bool prepared, transparent4, transparent6;
};
#define NET_AGENT_INIT ((struct net_agent){ .fd = -1 })
/*
 * In the set-up child, which is in the container's network namespace with
 * CAP_NET_ADMIN: bring lo up; for SLIRP also make tap0, give it addresses and
 * routes (no DAD), and send its fd to crt-net through tap_sock (closed here;
 * -1 for NONE). Does nothing for HOST. 0 or -errno; -ENOENT/-EACCES on
 * /dev/net/tun say what to do.
 *
 * With published TCP ports *agent gets an fd: for as long as the container
 * lives, the caller calls net_agent_serve() whenever poll() reports anything
 * for it, and net_agent_fini() when that fails.
 */
int net_tap_create(const struct net_request *r, int tap_sock, struct net_agent *agent,
		   struct error *e);
/* Answer one request of crt-net's; does not wait. In the container's network namespace. 0 or -errno. */
int net_agent_serve(struct net_agent *agent);
void net_agent_fini(struct net_agent *agent);
/*
 * Wait until crt-net has bound every forward (and, when need_tap, has taken
 * the tap over). Does not wait for one that is only prepared. Fills host_port 0 entries of r. On a bind failure the message
 * names address, port and cause (in use; below net.ipv4.ip_unprivileged_port_start). 0 or -errno.
 */
int net_wait_ready(struct net_handle *h, struct net_request *r, bool need_tap, int timeout_ms,
		   struct error *e);
/* End crt-net and reap it. Accepts an empty handle. */
void net_stop(struct net_handle *h);

/*
 * Contents for the container's files; appended to b as podman writes them. Call
 * them in the host's network namespace. Nothing is appended for --dns=none:
 * the image's own resolv.conf is then to be kept. 0 or -errno.
 */
int net_resolv_conf(const struct net_request *r, struct buf *b, struct error *e);
/* --dns none: the image's own resolv.conf is to be kept. */
bool net_dns_is_none(const struct net_request *r);
/* --dns: addresses, or "none" alone. 0, or -EINVAL with the reason. */
int net_check_dns(const struct net_request *r, struct error *e);
/* add_host: "name:ip" or "name:host-gateway" entries as given by --add-host. */
int net_hosts(const struct net_request *r, const char *hostname, const char *container_name,
	      const struct strv *add_host, struct buf *b, struct error *e);

/* Main of the crt-net executable; argv is not used beyond argv[0]. Returns the exit status. */
int net_slirp_main(void);
/* The version of libslirp, "4.7.0"; only crt-net is linked with it ("crt-net --version"). */
const char *net_slirp_version(void);
/* What to tell about this version of libslirp ("4.7.0"): its known flaws and what they mean here. NULL = nothing. */
const char *net_slirp_advice(const char *version);

#endif
