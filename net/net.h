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

#define NET_NAME_MAX	255 /* of a network, see id_name_valid() */
#define NET_IFNAME_SIZE 16
#define NET_SERVERS_MAX 3
#define NET_MEMBERS_MAX 32 /* networks of one container */

/* One user-defined network that a container is to be on: --network NAME:... Texts are checked; "" = any. */
struct net_member {
	char *name; /* owned, as all of it */
	struct strv aliases;
	char ip[INET_ADDRSTRLEN];
	char ip6[INET6_ADDRSTRLEN];
	char mac[sizeof("00:00:00:00:00:00")];
	char ifname[NET_IFNAME_SIZE];
};

/* Plain data; fill with net_request_init() and release with net_request_fini(). */
struct net_request {
	enum net_mode mode;
	unsigned int mtu;	  /* bytes; 0 = our default */
	bool ipv6;		  /* default true */
	bool allow_host_loopback; /* default false: 10.0.2.2 does not reach the host's 127.0.0.1 */
	char cidr[INET_ADDRSTRLEN + 4];	  /* "10.0.2.0/24" */
	char cidr6[INET6_ADDRSTRLEN + 4]; /* "" = fd00::/64 */
	char outbound_addr[INET_ADDRSTRLEN];
	char outbound_addr6[INET6_ADDRSTRLEN];
	char *join;		      /* owned; JOIN: "container:NAME" or "ns:PATH" */
	char *pcap;		      /* owned; a file for a copy of the frames, NULL = none */
	bool pasta;		      /* SLIRP: served by the program pasta instead of libslirp */
	struct strv pasta_options;    /* words of its command line */
	struct net_forward *forwards; /* owned */
	size_t forwards_n;
	struct strv dns, dns_search, dns_option; /* --dns*: empty = from the host */
	/*
	 * User-defined networks. mode then says only what else there is: SLIRP for the way out, NONE when
	 * all of them are internal.
	 */
	struct net_member *members; /* owned */
	size_t members_n;
	/* what came of it, for net_hosts() and net_resolv_conf(): own addresses and name servers there */
	struct strv own, gateways;
};

void net_request_init(struct net_request *r);
void net_request_fini(struct net_request *r);
/* "slirp[:opt=val,...]", "slirp4netns[:...]", "pasta[:word,...]", "host", "none", "container:NAME", "ns:PATH". 0 or -EINVAL with the reason. */
int net_parse_mode(const char *text, struct net_request *r, struct error *e);
/*
 * --network: what net_parse_mode() knows, or NAME[:ip=,ip6=,mac=,alias=,interface_name=]; appends a member.
 * "bridge" is the network NET_DEFAULT_NETWORK. 0 or -EINVAL.
 */
int net_parse_network(const char *text, struct net_request *r, struct error *e);
#define NET_DEFAULT_NETWORK "podman"
/* --ip, --ip6, --mac-address (of the only member) and --network-alias; NULL = not given. 0 or -EINVAL. */
int net_check_members(struct net_request *r, const char *ip, const char *ip6, const char *mac,
		      const struct strv *aliases, struct error *e);
/* One value of a member: "ip", "ip6", "mac", "alias" or "interface_name". 0, -ENOMEM or -EINVAL. */
int net_member_set(struct net_member *m, const char *key, const char *value, struct error *e);
/* A new member of this name; NULL on -ENOMEM or NET_MEMBERS_MAX. Borrowed. */
struct net_member *net_member_add(struct net_request *r, const char *name);
void net_member_remove(struct net_request *r, size_t i);
struct net_member *net_member_find(const struct net_request *r, const char *name);
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
	bool ends_itself; /* and somebody else before that */
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

/* ---- user-defined networks ---- */

/* What a network is, as plain data that crosses process borders. */
struct net_network {
	char name[NET_NAME_MAX + 1];
	unsigned int prefix; /* 0 = no IPv4 */
	struct in_addr subnet, gateway, first, last;
	unsigned int prefix6; /* 0 = no IPv6 */
	struct in6_addr subnet6, gateway6, first6, last6;
	unsigned int mtu; /* 0 = the kernel's */
	bool internal;	  /* no way out */
	bool dns;	  /* names of containers are answered */
	uint32_t servers_n;
	struct sockaddr_in6 servers[NET_SERVERS_MAX]; /* asked for other names; none = the host's */
};
/* "10.89.0.0/24", "fd00:1::/64": *ret_family, subnet and prefix. 0 or -EINVAL. */
int net_parse_subnet(const char *text, struct net_network *n, int *ret_family, struct error *e);
/* Fill in what was not given (gateway, range), check that all lies in the subnets. 0 or -EINVAL. */
int net_network_check(struct net_network *n, struct error *e);
/* Name servers by their addresses. How many, at most NET_SERVERS_MAX; -EINVAL names one that is none. */
int net_parse_server_list(const struct strv *list, struct sockaddr_in6 ret[NET_SERVERS_MAX],
			  struct error *e);
/* Have two networks an address in common? */
bool net_network_overlaps(const struct net_network *a, const struct net_network *b);
/* Also with a subnet of the host's interfaces? */
bool net_network_is_of_host(const struct net_network *n);

/* What a container has on a network. Zeros: any. */
struct net_lease {
	struct in_addr ip;
	struct in6_addr ip6;
	uint8_t mac[6];
	char ifname[NET_IFNAME_SIZE];
};
/* The texts of a member as numbers, checked against the network. 0 or -EINVAL. */
int net_lease_want(const struct net_member *m, const struct net_network *n, struct net_lease *ret,
		   struct error *e);

#define NET_NAMES_BYTES 2048 /* names of one container, with their NULs */

/* Who wants to be on a network. */
struct net_join {
	const char *id;		  /* of the container */
	const char *const *names; /* answered by the name server; hostile ones are left out */
	size_t names_n;
	const char *host_ip; /* of host.containers.internal, "" = none */
	const struct strv
		*dns; /* addresses of servers to ask for other names; empty = the network's */
	int life_fd;  /* pidfd: the lease ends with this process */
	int net_fd;   /* network namespace of the container */
	int rtnl_fd;  /* rtnetlink socket opened in it */
};

/*
 * The holder of all networks of a runtime directory (crt-bridge): started by the first who needs it, ends
 * with the last container of the last network.
 */
struct net_bridge {
	int fd; /* -1 = not connected */
	bool fresh; /* it was started by us: others wait until we told it what there was before, and closed */
};
#define NET_BRIDGE_INIT ((struct net_bridge){ .fd = -1 })
/* dir: its own directory, made where missing. start false: 1 when there is none. 0 or -errno. */
int net_bridge_open(const char *dir, bool start, struct net_bridge *ret, struct error *e);
/* Join a network, which is made where it is missing; *l says what is wanted and becomes what is given. 0 or -errno. */
int net_bridge_join(const struct net_bridge *b, const struct net_network *n,
		    const struct net_join *j, struct net_lease *l, struct error *e);
/* Leave it. 0, -ENOENT or -errno. */
int net_bridge_leave(const struct net_bridge *b, const char *network, const char *id,
		     struct error *e);
void net_bridge_close(struct net_bridge *b);
/* In a process that is in the container's network namespace: its own rtnetlink socket. fd or -errno. */
int net_rtnl_open(struct error *e);
/* The host's address as containers see it (net_hosts()), "" = none. */
void net_host_address(const struct net_request *r, char ret[INET6_ADDRSTRLEN]);
/* Main of the crt-bridge executable. Returns the exit status. */
int net_switch_main(void);

/* Main of the crt-net executable; argv is not used beyond argv[0]. Returns the exit status. */
int net_slirp_main(void);
/* The version of libslirp, "4.7.0"; only crt-net is linked with it ("crt-net --version"). */
const char *net_slirp_version(void);
/* What to tell about this version of libslirp ("4.7.0"): its known flaws and what they mean here. NULL = nothing. */
const char *net_slirp_advice(const char *version);

#endif
