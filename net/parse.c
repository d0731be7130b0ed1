/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syntax of --network and -p.
 *
 * Theory of operation
 *
 * Pure functions from the user's text to struct net_request. Port ranges are
 * expanded here into one struct net_forward a port, so that everything behind
 * this file deals with single ports. Two forwards of the same host address,
 * port and protocol are one when they also agree on the container's port, and
 * an error when they do not; overlaps that only the kernel can see (0.0.0.0
 * against one address) surface when crt-net binds.
 *
 * Nothing hostile reaches this file today (the command line is the user's
 * own), yet every length is bounded: LIMIT_FORWARDS ports, no fixed buffer
 * that truncates.
 */
#include "net/parse.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "net/layout.h"
#include "net/net.h"
#include "net/pasta.h"

static_assert(IFNAMSIZ <= INET_ADDRSTRLEN, "an interface name fits where an address does");

void net_request_init(struct net_request *r)
{
	*r = (struct net_request){ .mode = NET_MODE_SLIRP, .ipv6 = true, .cidr = "10.0.2.0/24" };
}

void net_request_fini(struct net_request *r)
{
	free(r->forwards);
	free(r->pcap);
	free(r->join);
	strv_fini(&r->pasta_options);
	strv_fini(&r->dns);
	strv_fini(&r->dns_search);
	strv_fini(&r->dns_option);
	strv_fini(&r->own);
	strv_fini(&r->gateways);
	while (r->members_n > 0)
		net_member_remove(r, r->members_n - 1);
	*r = (struct net_request){ .forwards = NULL };
}

static int parse_bool(const char *key, const char *value, bool *ret, struct error *e)
{
	if (strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*ret = true;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*ret = false;
	else
		return error_setf(e, -EINVAL, "--network: %s=%s: expected true or false", key,
				  value);
	return 0;
}

/* An address of family, or (IPv4 and IPv6 alike) the name of a host interface. */
static int parse_outbound(const char *key, const char *value, int family, char *ret, size_t size,
			  struct error *e)
{
	unsigned char addr[sizeof(struct in6_addr)];

	if (inet_pton(family, value, addr) != 1) {
		if (value[0] == '\0' || strlen(value) >= IFNAMSIZ || strpbrk(value, "/ :") != NULL)
			return error_setf(
				e, -EINVAL,
				"--network: %s=%s: neither an %s address nor an interface name",
				key, value, family == AF_INET ? "IPv4" : "IPv6");
	}
	if (strlen(value) >= size)
		return error_setf(e, -EINVAL, "--network: %s=%s: too long", key, value);
	memcpy(ret, value, strlen(value) + 1);
	return 0;
}

static int parse_slirp_option(const char *key, const char *value, struct net_request *r,
			      struct error *e)
{
	if (strcmp(key, "mtu") == 0) {
		unsigned long long n;

		if (str_to_u64(value, LAYOUT_MTU_MAX, &n) < 0 || n < LAYOUT_MTU_MIN4)
			return error_setf(e, -EINVAL, "--network: mtu=%s: must be %u to %u", value,
					  LAYOUT_MTU_MIN4, LAYOUT_MTU_MAX);
		r->mtu = (unsigned int)n;
		return 0;
	}
	if (strcmp(key, "cidr") == 0 && strchr(value, ':') != NULL) {
		struct in6_addr prefix;
		int ret = layout_parse_cidr6(value, &prefix, e);

		if (ret < 0)
			return error_prefix(e, "--network: cidr");
		if (strlen(value) >= sizeof(r->cidr6))
			return error_setf(e, -EINVAL, "--network: cidr=%s: too long", value);
		memcpy(r->cidr6, value, strlen(value) + 1);
		return 0;
	}
	if (strcmp(key, "cidr") == 0) {
		struct in_addr network;
		unsigned int len;
		int ret = layout_parse_cidr(value, &network, &len, e);

		if (ret < 0)
			return error_prefix(e, "--network: cidr");
		if (strlen(value) >= sizeof(r->cidr))
			return error_setf(e, -EINVAL, "--network: cidr=%s: too long", value);
		memcpy(r->cidr, value, strlen(value) + 1);
		return 0;
	}
	if (strcmp(key, "enable_ipv6") == 0)
		return parse_bool(key, value, &r->ipv6, e);
	if (strcmp(key, "allow_host_loopback") == 0)
		return parse_bool(key, value, &r->allow_host_loopback, e);
	if (strcmp(key, "outbound_addr") == 0)
		return parse_outbound(key, value, AF_INET, r->outbound_addr,
				      sizeof(r->outbound_addr), e);
	if (strcmp(key, "outbound_addr6") == 0)
		return parse_outbound(key, value, AF_INET6, r->outbound_addr6,
				      sizeof(r->outbound_addr6), e);
	if (strcmp(key, "port_handler") == 0) {
		/* podman has two programs to choose from, here is one: both names mean it */
		if (strcmp(value, "rootlesskit") == 0 || strcmp(value, "slirp4netns") == 0)
			return 0;
		return error_setf(e, -EINVAL, "--network: port_handler=%s: unknown", value);
	}
	if (strcmp(key, "pcap") == 0) {
		char *path = value[0] != '\0' ? strdup(value) : NULL;

		if (path == NULL)
			return error_setf(e, -EINVAL, "--network: pcap=: expected a file name");
		free(r->pcap);
		r->pcap = path;
		return 0;
	}
	return error_setf(
		e, -EINVAL,
		"--network: unknown option \"%s\"; known: mtu, cidr, enable_ipv6, allow_host_loopback, "
		"outbound_addr, outbound_addr6, pcap",
		key);
}

static int parse_slirp_options(const char *text, struct net_request *r, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy;
	char *item;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--network");
	while ((item = strsep(&rest, ",")) != NULL) {
		char *value = strchr(item, '=');
		int ret;

		if (value == NULL)
			return error_setf(e, -EINVAL, "--network: \"%s\": expected OPTION=VALUE",
					  item);
		*value++ = '\0';
		ret = parse_slirp_option(item, value, r, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int parse_join(const char *text, struct net_request *r, struct error *e)
{
	char *join = strdup(text);

	if (join == NULL)
		return error_set(e, -ENOMEM, "--network");
	if (strchr(text, ':')[1] == '\0') {
		free(join);
		return error_setf(e, -EINVAL, "--network %s: expected container:NAME or ns:PATH",
				  text);
	}
	free(r->join);
	r->join = join;
	r->mode = NET_MODE_JOIN;
	return 0;
}

/* Words with commas between, as podman has them: -T,none,--mtu,1500. */
static int parse_pasta_options(const char *text, struct net_request *r, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--network");
	if (strlen(text) >= PASTA_OPTIONS_MAX)
		return error_setf(e, -EINVAL, "--network pasta: its options are too long");
	while ((word = strsep(&rest, ",")) != NULL) {
		if (word[0] == '\0')
			return error_setf(e, -EINVAL, "--network %s: an empty option", text);
		if (strv_add(&r->pasta_options, word) < 0)
			return error_set(e, -ENOMEM, "--network");
	}
	return 0;
}

int net_parse_mode(const char *text, struct net_request *r, struct error *e)
{
	static const struct {
		const char *name;
		enum net_mode mode;
		bool options;
	} modes[] = {
		{ "slirp", NET_MODE_SLIRP, true },    { "slirp4netns", NET_MODE_SLIRP, true },
		{ "private", NET_MODE_SLIRP, false }, { "default", NET_MODE_SLIRP, false },
		{ "host", NET_MODE_HOST, false },     { "none", NET_MODE_NONE, false },
		{ PASTA_NAME, NET_MODE_SLIRP, true },
	};
	const char *colon = strchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);

	if (strncmp(text, "container:", strlen("container:")) == 0 ||
	    strncmp(text, "ns:", strlen("ns:")) == 0)
		return parse_join(text, r, e);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strlen(modes[i].name) != len || memcmp(modes[i].name, text, len) != 0)
			continue;
		if (colon != NULL && !modes[i].options)
			return error_setf(e, -EINVAL, "--network %s: \"%s\" takes no options", text,
					  modes[i].name);
		r->mode = modes[i].mode;
		r->pasta = strcmp(modes[i].name, PASTA_NAME) == 0;
		if (r->pasta && colon != NULL && colon[1] != '\0')
			return parse_pasta_options(colon + 1, r, e);
		return colon != NULL && colon[1] != '\0' ? parse_slirp_options(colon + 1, r, e) : 0;
	}
	return error_setf(
		e, -EINVAL,
		"--network %s: unknown network; known: slirp[:OPTION=VALUE,...], pasta[:OPTION,...], host, none, "
		"container:NAME, ns:PATH",
		text);
}

int parse_port_range(const char *text, size_t len, uint16_t *ret_first, uint16_t *ret_last)
{
	char copy[sizeof("65535-65535")];
	unsigned long long first, last;
	char *dash;

	if (len == 0 || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	dash = strchr(copy, '-');
	if (dash != NULL)
		*dash++ = '\0';
	if (str_to_u64(copy, UINT16_MAX, &first) < 0 || first == 0)
		return -EINVAL;
	last = first;
	if (dash != NULL && (str_to_u64(dash, UINT16_MAX, &last) < 0 || last < first))
		return -EINVAL;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return 0;
}

static int add_forward(struct net_request *r, const struct net_forward *f, const char *text,
		       struct error *e)
{
	struct net_forward *grown;
	size_t bytes;

	for (size_t i = 0; i < r->forwards_n && f->host_port != 0; i++) {
		const struct net_forward *o = &r->forwards[i];

		if (o->proto != f->proto || o->host_port != f->host_port ||
		    strcmp(o->host_addr, f->host_addr) != 0)
			continue;
		if (o->container_port == f->container_port)
			return 0;
		return error_setf(
			e, -EINVAL,
			"-p %s: host port %u is published twice, to container ports %u and %u",
			text, f->host_port, o->container_port, f->container_port);
	}
	if (r->forwards_n >= LIMIT_FORWARDS)
		return error_setf(e, -EINVAL, "-p %s: more than %u published ports", text,
				  LIMIT_FORWARDS);
	if ((r->forwards_n & (r->forwards_n - 1)) == 0) { /* full at every power of two */
		if (!mul_size(r->forwards_n == 0 ? 1 : 2 * r->forwards_n, sizeof(*grown), &bytes))
			return error_set(e, -ENOMEM, "-p %s", text);
		grown = realloc(r->forwards, bytes);
		if (grown == NULL)
			return error_set(e, -ENOMEM, "-p %s", text);
		r->forwards = grown;
	}
	r->forwards[r->forwards_n++] = *f;
	return 0;
}

/* The host address in front of the ports; *rest is set behind its colon. */
static int parse_host_addr(const char *text, const char **rest, char ret[INET6_ADDRSTRLEN],
			   struct error *e)
{
	unsigned char addr[sizeof(struct in6_addr)];
	char copy[INET6_ADDRSTRLEN];
	const char *start = *rest, *end, *after;
	int family = AF_INET;

	if (*start == '[') {
		family = AF_INET6;
		start++;
		end = strchr(start, ']');
		if (end == NULL || end[1] != ':')
			return error_setf(e, -EINVAL, "-p %s: expected \"[IPV6-ADDRESS]:\"", text);
		after = end + 2;
	} else {
		end = strchr(start, ':');
		if (end == NULL || strchr(end + 1, ':') == NULL) {
			ret[0] = '\0'; /* one colon or none: no address */
			return 0;
		}
		after = end + 1;
		if (strchr(strchr(after, ':') + 1, ':') != NULL)
			return error_setf(
				e, -EINVAL,
				"-p %s: too many colons; write an IPv6 address in brackets: [::1]:8080:80",
				text);
	}
	if (end == start && family == AF_INET) { /* ":8080:80" */
		ret[0] = '\0';
		*rest = after;
		return 0;
	}
	if ((size_t)(end - start) >= sizeof(copy))
		return error_setf(e, -EINVAL, "-p %s: the host address is too long", text);
	memcpy(copy, start, (size_t)(end - start));
	copy[end - start] = '\0';
	if (inet_pton(family, copy, addr) != 1)
		return error_setf(e, -EINVAL, "-p %s: \"%s\" is not an %s address", text, copy,
				  family == AF_INET ? "IPv4" : "IPv6");
	/* one spelling for each address, so that duplicates are seen */
	if (inet_ntop(family, addr, ret, INET6_ADDRSTRLEN) == NULL)
		return error_set(e, -errno, "-p %s", text);
	*rest = after;
	return 0;
}

static int parse_proto(const char *text, const char *proto, enum net_proto *ret, struct error *e)
{
	if (strcasecmp(proto, "tcp") == 0)
		*ret = NET_PROTO_TCP;
	else if (strcasecmp(proto, "udp") == 0)
		*ret = NET_PROTO_UDP;
	else if (strcasecmp(proto, "sctp") == 0)
		return error_setf(
			e, -EINVAL,
			"-p %s: SCTP cannot be published by user-mode networking; use tcp or udp, "
			"or --network host",
			text);
	else
		return error_setf(e, -EINVAL, "-p %s: unknown protocol \"%s\"; known: tcp, udp",
				  text, proto);
	return 0;
}

int net_parse_publish(const char *text, struct net_request *r, struct error *e)
{
	struct net_forward f = { .proto = NET_PROTO_TCP };
	uint16_t host_first = 0, host_last = 0, first, last;
	const char *slash = strchr(text, '/');
	const char *end = slash != NULL ? slash : text + strlen(text);
	const char *rest = text, *colon;
	int ret;

	if (slash != NULL) {
		ret = parse_proto(text, slash + 1, &f.proto, e);
		if (ret < 0)
			return ret;
	}
	ret = parse_host_addr(text, &rest, f.host_addr, e);
	if (ret < 0)
		return ret;
	colon = memchr(rest, ':', (size_t)(end - rest));
	if (colon != NULL && colon != rest &&
	    parse_port_range(rest, (size_t)(colon - rest), &host_first, &host_last) < 0)
		return error_setf(e, -EINVAL,
				  "-p %s: the host port must be 1 to 65535 or a range FIRST-LAST",
				  text);
	if (colon != NULL)
		rest = colon + 1;
	if (parse_port_range(rest, (size_t)(end - rest), &first, &last) < 0)
		return error_setf(
			e, -EINVAL,
			"-p %s: the container port must be 1 to 65535 or a range FIRST-LAST", text);
	if (host_first != 0 && host_last - host_first != last - first)
		return error_setf(
			e, -EINVAL,
			"-p %s: %u host ports for %u container ports; both ranges must be equally long",
			text, host_last - host_first + 1u, last - first + 1u);
	for (unsigned int i = 0; i <= (unsigned int)(last - first); i++) {
		f.container_port = (uint16_t)(first + i);
		f.host_port = host_first != 0 ? (uint16_t)(host_first + i) : 0;
		ret = add_forward(r, &f, text, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static bool is_published(const struct net_request *r, const struct net_forward *f)
{
	for (size_t i = 0; i < r->forwards_n; i++)
		if (r->forwards[i].container_port == f->container_port &&
		    r->forwards[i].proto == f->proto)
			return true;
	return false;
}

int net_parse_exposed(const char *text, struct net_request *r, struct error *e)
{
	struct net_request exposed;
	int ret;

	if (strchr(text, ':') != NULL)
		return error_setf(e, -EINVAL, "%s: expected PORT[-END][/tcp|/udp]", text);
	net_request_init(&exposed);
	ret = net_parse_publish(text, &exposed, e);
	for (size_t i = 0; ret == 0 && i < exposed.forwards_n; i++)
		if (!is_published(r, &exposed.forwards[i]))
			ret = add_forward(r, &exposed.forwards[i], text, e);
	net_request_fini(&exposed);
	return ret;
}
