/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/resolv.conf and /etc/hosts of a container.
 *
 * Theory of operation
 *
 * Both start from the host's own files, as podman does, and both are split
 * into a function that reads the host and a pure one that makes the text.
 *
 * resolv.conf: with user-mode networking the first name server is crt-net,
 * which asks the servers of the host's file, looked at again and again,
 * so that a laptop that changes networks needs no restart; servers on
 * the host's loopback (systemd-resolved) are reached only that way. The
 * host's other servers follow for the case that the first is down, but not
 * those that the container cannot reach: loopback, link-local, inside its own
 * network. The
 * forwarder's IPv6 address is named only when the host's file has an IPv6
 * server to forward to, its IPv4 address only when there is an IPv4 one (or
 * nothing). --dns, --dns-search and --dns-option each replace what they name;
 * "--dns-search ." means none. Without a network there are no servers.
 *
 * hosts: --add-host entries first (the first match wins), the host's entries
 * brought into one form, the names of the host as seen from the container,
 * and the container's own address with its host name and name.
 *
 * The attacker controls nothing here but could have a hand in the host name;
 * the parser of --hostname checks it. Lines that we do not understand are
 * left out rather than copied.
 */
#include "net/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "net/layout.h"
#include "net/pasta.h"

#define HOST_FILE_MAX (1u << 20)
#define BLANKS	      " \t\r\n\v\f"

/* Cut the next word off; NULL at the end. */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, BLANKS);

	if (*word == '\0')
		return NULL;
	*rest = word + strcspn(word, BLANKS);
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return word;
}

/* ---- resolv.conf ---- */

struct resolv {
	struct strv servers, search, options;
	bool has4, has6; /* an IPv4/IPv6 server of the host, reachable or not */
};

static void resolv_fini(struct resolv *v)
{
	strv_fini(&v->servers);
	strv_fini(&v->search);
	strv_fini(&v->options);
}

/* Can the container reach this server of the host by itself? */
static bool server_reachable(const struct net_request *r, const char *text, struct resolv *v)
{
	struct layout l = { .ipv6 = false };
	struct in6_addr a6;
	struct in_addr a4;
	char addr[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	char *zone;

	if (strlen(text) >= sizeof(addr))
		return false;
	memcpy(addr, text, strlen(text) + 1);
	zone = strchr(addr, '%');
	if (zone != NULL)
		*zone = '\0';
	if (inet_pton(AF_INET, addr, &a4) == 1) {
		v->has4 = true;
		if (r->mode == NET_MODE_HOST || r->pasta)
			return r->mode == NET_MODE_HOST || ntohl(a4.s_addr) >> 24 != 127;
		/* an address of our own network hides the host's (a virtual machine may have the same one) */
		return ntohl(a4.s_addr) >> 24 != 127 && layout_make(r, &l, NULL) == 0 &&
		       (a4.s_addr & l.mask.s_addr) != l.network.s_addr;
	}
	if (inet_pton(AF_INET6, addr, &a6) != 1)
		return false;
	v->has6 = true;
	if (r->mode == NET_MODE_HOST)
		return true;
	return r->ipv6 && !IN6_IS_ADDR_LOOPBACK(&a6) && !IN6_IS_ADDR_LINKLOCAL(&a6) &&
	       layout_make(r, &l, NULL) == 0 &&
	       memcmp(&a6, &l.prefix6, LAYOUT_PREFIX6_LEN / 8) != 0;
}

static int add_words(struct strv *to, char *rest)
{
	for (char *w = next_word(&rest); w != NULL; w = next_word(&rest))
		if (strv_add(to, w) < 0)
			return -ENOMEM;
	return 0;
}

static int resolv_parse_line(const struct net_request *r, char *line, struct resolv *v)
{
	const char *key = next_word(&line);
	const char *value;

	if (key == NULL || key[0] == '#' || key[0] == ';')
		return 0;
	if (strcmp(key, "nameserver") == 0) {
		value = next_word(&line);
		return value != NULL && server_reachable(r, value, v) ?
			       strv_add(&v->servers, value) :
			       0;
	}
	if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0) {
		strv_fini(&v->search); /* the last one counts */
		return add_words(&v->search, line);
	}
	if (strcmp(key, "options") == 0)
		return add_words(&v->options, line);
	return 0;
}

static int resolv_parse(const struct net_request *r, const char *host, struct resolv *v)
{
	_cleanup_free_ char *copy = strdup(host);
	char *rest = copy, *line;

	if (copy == NULL)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (resolv_parse_line(r, line, v) < 0)
			return -ENOMEM;
	return 0;
}

static void put_list(struct buf *b, const char *key, const struct strv *list)
{
	if (list->n == 0 || (list->n == 1 && strcmp(list->v[0], ".") == 0))
		return;
	(void)buf_puts(b, key); /* b->err is checked once at the end */
	for (size_t i = 0; i < list->n; i++)
		(void)buf_printf(b, " %s", list->v[i]);
	(void)buf_putc(b, '\n');
}

static int put_forwarders(const struct net_request *r, const struct resolv *v, struct buf *b,
			  struct error *e)
{
	char text[INET6_ADDRSTRLEN];
	struct layout l;
	int ret = layout_make(r, &l, e);

	if (ret < 0)
		return ret;
	if ((v->has4 || !v->has6 || !l.ipv6) &&
	    inet_ntop(AF_INET, &l.dns, text, sizeof(text)) != NULL)
		(void)buf_printf(b, "nameserver %s\n", text);
	if (v->has6 && l.ipv6 && inet_ntop(AF_INET6, &l.dns6, text, sizeof(text)) != NULL)
		(void)buf_printf(b, "nameserver %s\n", text);
	return 0;
}

/*
 * On user-defined networks: their name servers, which know the containers and ask for the rest whoever
 * --dns names or the host does. v is released.
 */
static int resolv_of_networks(const struct net_request *r, struct resolv *v, struct buf *b,
			      struct error *e)
{
	if (r->dns_search.n == 0 && strv_add(&v->search, "dns.podman") < 0)
		b->err = -ENOMEM;
	put_list(b, "search", r->dns_search.n != 0 ? &r->dns_search : &v->search);
	for (size_t i = 0; i < r->gateways.n; i++)
		(void)buf_printf(b, "nameserver %s\n", r->gateways.v[i]);
	put_list(b, "options", r->dns_option.n != 0 ? &r->dns_option : &v->options);
	resolv_fini(v);
	return b->err < 0 ? error_set(e, b->err, "make resolv.conf") : 0;
}

int files_resolv_build(const struct net_request *r, const char *host, struct buf *b,
		       struct error *e)
{
	struct resolv v = { .has4 = false };
	const struct strv *search, *options;
	int ret = 0;

	if (net_dns_is_none(r))
		return 0; /* the image's own file is used */
	if (r->mode != NET_MODE_NONE && resolv_parse(r, host, &v) < 0) {
		resolv_fini(&v);
		return error_set(e, -ENOMEM, "make resolv.conf");
	}
	if (r->gateways.n != 0)
		return resolv_of_networks(r, &v, b, e);
	search = r->dns_search.n != 0 ? &r->dns_search : &v.search;
	options = r->dns_option.n != 0 ? &r->dns_option : &v.options;
	put_list(b, "search", search);
	if (r->dns.n != 0) {
		for (size_t i = 0; i < r->dns.n; i++)
			(void)buf_printf(b, "nameserver %s\n", r->dns.v[i]);
	} else {
		if (r->mode == NET_MODE_SLIRP && r->pasta)
			(void)buf_puts(b, "nameserver " PASTA_DNS "\n"); /* as below */
		else if (r->mode == NET_MODE_SLIRP)
			ret = put_forwarders(r, &v, b, e);
		for (size_t i = 0; i < v.servers.n; i++)
			(void)buf_printf(b, "nameserver %s\n", v.servers.v[i]);
	}
	put_list(b, "options", options);
	resolv_fini(&v);
	if (ret < 0)
		return ret;
	return b->err < 0 ? error_set(e, b->err, "make resolv.conf") : 0;
}

/* ---- hosts ---- */

static bool is_address(const char *text)
{
	unsigned char addr[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

static int put_add_host(const char *entry, const char *host_ip, struct buf *b, struct error *e)
{
	const char *colon = strchr(entry, ':');
	const char *ip;

	if (colon == NULL || colon == entry)
		return error_setf(e, -EINVAL, "--add-host %s: expected NAME:ADDRESS", entry);
	if (memchr(entry, ' ', (size_t)(colon - entry)) != NULL ||
	    strpbrk(entry, "\t\n\r#") != NULL)
		return error_setf(e, -EINVAL,
				  "--add-host: blanks and \"#\" cannot be part of a name");
	ip = colon + 1;
	if (strcmp(ip, "host-gateway") == 0) {
		if (host_ip[0] == '\0')
			return error_setf(
				e, -EINVAL,
				"--add-host %s: the host has no address that the container could use",
				entry);
		ip = host_ip;
	} else if (ip[0] == '[' && ip[1] != '\0' && ip[strlen(ip) - 1] == ']') {
		_cleanup_free_ char *bare = strndup(ip + 1, strlen(ip) - 2);

		if (bare == NULL)
			return error_set(e, -ENOMEM, "--add-host %s", entry);
		if (!is_address(bare))
			return error_setf(e, -EINVAL, "--add-host %s: \"%s\" is not an address",
					  entry, bare);
		(void)buf_printf(b, "%s\t%.*s\n", bare, (int)(colon - entry), entry);
		return 0;
	} else if (!is_address(ip)) {
		return error_setf(e, -EINVAL, "--add-host %s: \"%s\" is not an address", entry, ip);
	}
	(void)buf_printf(b, "%s\t%.*s\n", ip, (int)(colon - entry), entry);
	return 0;
}

static bool own_name(const char *name)
{
	return strcmp(name, "host.containers.internal") == 0 ||
	       strcmp(name, "host.docker.internal") == 0;
}

/* Copy one line of the host's file. Notes which loopback names it defines. */
static void put_host_line(char *line, struct buf *b, bool *has_localhost4, bool *has_localhost6)
{
	char *hash = strchr(line, '#');
	const char *ip, *name;
	bool first = true;

	if (hash != NULL)
		*hash = '\0';
	ip = next_word(&line);
	if (ip == NULL || !is_address(ip))
		return;
	while ((name = next_word(&line)) != NULL) {
		if (own_name(name))
			continue; /* of an engine around us; ours follow */
		if (strcmp(name, "localhost") == 0)
			*(strchr(ip, ':') != NULL ? has_localhost6 : has_localhost4) = true;
		(void)buf_printf(b, "%s%s", first ? ip : "", first ? "\t" : " ");
		(void)buf_puts(b, name);
		first = false;
	}
	if (!first)
		(void)buf_putc(b, '\n');
}

static void put_names(const char *addr, const char *hostname, const char *container_name,
		      struct buf *b)
{
	(void)buf_printf(b, "%s\t%s", addr, hostname);
	if (container_name != NULL && container_name[0] != '\0' &&
	    strcmp(container_name, hostname) != 0)
		(void)buf_printf(b, " %s", container_name);
	(void)buf_putc(b, '\n');
}

static int put_own_address(const struct net_request *r, const char *hostname,
			   const char *container_name, struct buf *b, struct error *e)
{
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";
	struct layout l;
	int ret;

	if (r->mode == NET_MODE_SLIRP && !r->pasta) { /* pasta's is the host's, and may change */
		ret = layout_make(r, &l, e);
		if (ret < 0)
			return ret;
		if (inet_ntop(AF_INET, &l.guest, text, sizeof(text)) == NULL)
			return error_set(e, -errno, "make hosts");
	}
	if (hostname == NULL || hostname[0] == '\0')
		return 0;
	for (size_t i = 0; i < r->own.n; i++)
		put_names(r->own.v[i], hostname, container_name, b);
	if (r->own.n == 0)
		put_names(text, hostname, container_name, b);
	return 0;
}

int files_hosts_build(const struct net_request *r, const char *host, const char *host_ip,
		      const char *hostname, const char *container_name, const struct strv *add_host,
		      struct buf *b, struct error *e)
{
	_cleanup_free_ char *copy = strdup(host);
	bool has4 = false, has6 = false;
	char *rest = copy, *line;
	int ret;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "make hosts");
	for (size_t i = 0; add_host != NULL && i < add_host->n; i++) {
		ret = put_add_host(add_host->v[i], host_ip, b, e);
		if (ret < 0)
			return ret;
	}
	while ((line = strsep(&rest, "\n")) != NULL)
		put_host_line(line, b, &has4, &has6);
	if (!has4)
		(void)buf_puts(b, "127.0.0.1\tlocalhost\n");
	if (!has6 && r->mode != NET_MODE_HOST)
		(void)buf_puts(b, "::1\tlocalhost ip6-localhost ip6-loopback\n");
	if (host_ip[0] != '\0')
		(void)buf_printf(b, "%s\thost.containers.internal host.docker.internal\n", host_ip);
	if (r->mode != NET_MODE_HOST) {
		ret = put_own_address(r, hostname, container_name, b, e);
		if (ret < 0)
			return ret;
	}
	return b->err < 0 ? error_set(e, b->err, "make hosts") : 0;
}

/* ---- the parts that look at the host ---- */

/* Text of a file of the host; a missing one is empty. */
static int read_host_file(const char *path, char **ret, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	int code;

	/* links are followed: resolv.conf usually is one */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno != ENOENT && errno != EACCES && errno != ELOOP && errno != ENOTDIR)
		return error_set(e, -errno, "open %s", path);
	if (fd >= 0) {
		code = fd_read_to_end(fd, &b, HOST_FILE_MAX);
		if (code < 0)
			return error_set(e, code, "read %s", path);
	}
	*ret = strdup(buf_str(&b));
	return *ret == NULL ? error_set(e, -ENOMEM, "read %s", path) : 0;
}

bool net_dns_is_none(const struct net_request *r)
{
	return r->dns.n == 1 && strcmp(r->dns.v[0], "none") == 0;
}

int net_check_dns(const struct net_request *r, struct error *e)
{
	struct in6_addr a6;
	struct in_addr a4;

	for (size_t i = 0; i < r->dns.n && !net_dns_is_none(r); i++)
		if (inet_pton(AF_INET, r->dns.v[i], &a4) != 1 &&
		    inet_pton(AF_INET6, r->dns.v[i], &a6) != 1)
			return error_setf(
				e, -EINVAL,
				"--dns %s: must be an IPv4 or IPv6 address, or the word none alone",
				r->dns.v[i]);
	return 0;
}

int net_resolv_conf(const struct net_request *r, struct buf *b, struct error *e)
{
	_cleanup_free_ char *host = NULL;
	int ret = read_host_file("/etc/resolv.conf", &host, e);

	return ret < 0 ? ret : files_resolv_build(r, host, b, e);
}

/*
 * The address that the host has towards the world. Connecting a datagram socket looks for a route and sends
 * nothing; the peer is an address of the documentation, so it is nobody's neighbour.
 * To list all addresses is fifty times dearer, and waits while the kernel makes or removes network
 * namespaces, which is what it does when many containers start at once. False without a route.
 */
static bool outward_address(struct in_addr *ret)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(9),
					.sin_addr = { htonl(0xcb007101) } }; /* 203.0.113.1 */
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in own;
	socklen_t len = sizeof(own);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0 || own.sin_family != AF_INET ||
	    ntohl(own.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return false;
	*ret = own.sin_addr;
	return true;
}

/*
 * Where a container reaches the host: the gateway address when that leads to
 * the host's loopback, else the host's address towards the world or the first one that is no loopback
 * one, which leads to services that listen on all addresses.
 */
void net_host_address(const struct net_request *r, char ret[INET6_ADDRSTRLEN])
{
	struct ifaddrs *all = NULL;
	struct in_addr outward;
	struct layout l;

	ret[0] = '\0';
	if (r->mode == NET_MODE_SLIRP && !r->pasta && r->allow_host_loopback &&
	    layout_make(r, &l, NULL) == 0) {
		(void)inet_ntop(AF_INET, &l.gateway, ret,
				INET6_ADDRSTRLEN); /* ENOSPC is impossible */
		return;
	}
	if (r->mode == NET_MODE_NONE ||
	    r->pasta) /* there the host's address is the container's own */
		return;
	if (outward_address(&outward)) {
		(void)inet_ntop(AF_INET, &outward, ret, INET6_ADDRSTRLEN);
		return;
	}
	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next) {
		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET ||
		    (a->ifa_flags & IFF_LOOPBACK) || !(a->ifa_flags & IFF_UP))
			continue;
		(void)inet_ntop(AF_INET,
				&((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr,
				ret, INET6_ADDRSTRLEN);
		break;
	}
	freeifaddrs(all);
}

int net_hosts(const struct net_request *r, const char *hostname, const char *container_name,
	      const struct strv *add_host, struct buf *b, struct error *e)
{
	_cleanup_free_ char *host = NULL;
	char host_ip[INET6_ADDRSTRLEN];
	int ret = read_host_file("/etc/hosts", &host, e);

	if (ret < 0)
		return ret;
	net_host_address(r, host_ip);
	return files_hosts_build(r, host, host_ip, hostname, container_name, add_host, b, e);
}
