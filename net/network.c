/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User-defined networks: --network NAME:..., subnets, ranges, addresses.
 *
 * Theory of operation
 *
 * Pure functions from the user's text to numbers, but for the one that looks at
 * the host's interfaces. Everything is the user's own; still every text is
 * checked where it is given, so that nothing behind this file meets an
 * address outside of its network, a device name that the kernel would refuse or
 * a name that no DNS message can hold.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "net/dns.h"
#include "net/names.h"
#include "net/net.h"

#define PREFIX4_MIN 8u
#define PREFIX4_MAX 30u /* network, gateway, one container, broadcast */
#define PREFIX6_MIN 8u
#define PREFIX6_MAX 126u

static_assert(NET_IFNAME_SIZE == IFNAMSIZ, "a device name");

/* ---- members ---- */

static void member_fini(struct net_member *m)
{
	free(m->name);
	strv_fini(&m->aliases);
}

struct net_member *net_member_add(struct net_request *r, const char *name)
{
	struct net_member *grown =
		r->members_n < NET_MEMBERS_MAX ?
			reallocarray(r->members, r->members_n + 1, sizeof(*grown)) :
			NULL;

	if (grown == NULL)
		return NULL;
	r->members = grown;
	grown[r->members_n] = (struct net_member){ .name = strdup(name) };
	return grown[r->members_n].name != NULL ? &grown[r->members_n++] : NULL;
}

void net_member_remove(struct net_request *r, size_t i)
{
	member_fini(&r->members[i]);
	r->members_n--;
	memmove(r->members + i, r->members + i + 1, (r->members_n - i) * sizeof(*r->members));
	if (r->members_n == 0) {
		free(r->members);
		r->members = NULL;
	}
}

struct net_member *net_member_find(const struct net_request *r, const char *name)
{
	for (size_t i = 0; i < r->members_n; i++)
		if (strcmp(r->members[i].name, name) == 0)
			return &r->members[i];
	return NULL;
}

static int parse_mac(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++) {
		unsigned int value = 0;

		for (int k = 0; k < 2; k++, text++) {
			char c = *text;
			int digit = c >= '0' && c <= '9' ? c - '0' :
				    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
				    c >= 'A' && c <= 'F' ? c - 'A' + 10 :
							   -1;

			if (digit < 0)
				return -EINVAL;
			value = value * 16 + (unsigned int)digit;
		}
		mac[i] = (uint8_t)value;
		if (i < 5 && *text != ':' && *text != '-')
			return -EINVAL;
		text += i < 5;
	}
	/* a group's address, or none */
	return *text != '\0' || (mac[0] & 1) != 0 || memcmp(mac, "\0\0\0\0\0", 6) == 0 ? -EINVAL :
											 0;
}

static bool is_ifname(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len >= IFNAMSIZ || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '/' || s[i] == ':' || s[i] == '%')
			return false;
	return true;
}

static int copy_text(char *to, size_t size, const char *value)
{
	if (strlen(value) >= size)
		return -EINVAL;
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

int net_member_set(struct net_member *m, const char *key, const char *value, struct error *e)
{
	unsigned char addr[sizeof(struct in6_addr)];
	uint8_t mac[6];
	int r = -EINVAL;

	if (strcmp(key, "ip") == 0 && strchr(value, ':') == NULL) {
		if (inet_pton(AF_INET, value, addr) == 1)
			r = copy_text(m->ip, sizeof(m->ip), value);
	} else if (strcmp(key, "ip6") == 0 || strcmp(key, "ip") == 0) {
		if (inet_pton(AF_INET6, value, addr) == 1)
			r = copy_text(m->ip6, sizeof(m->ip6), value);
	} else if (strcmp(key, "mac") == 0) {
		if (parse_mac(value, mac) == 0)
			r = copy_text(m->mac, sizeof(m->mac), value);
	} else if (strcmp(key, "interface_name") == 0) {
		if (is_ifname(value))
			r = copy_text(m->ifname, sizeof(m->ifname), value);
	} else if (strcmp(key, "alias") == 0) {
		if (id_name_valid(value))
			r = strv_add(&m->aliases, value);
	} else {
		return error_setf(e, -EINVAL,
				  "network %s: unknown option \"%s\"; known: ip, ip6, mac, alias, "
				  "interface_name",
				  m->name, key);
	}
	if (r == -ENOMEM)
		return error_set(e, r, "network %s", m->name);
	return r < 0 ? error_setf(e, r, "network %s: %s=%s is not valid", m->name, key, value) : 0;
}

static int parse_member(const char *text, struct net_request *r, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy != NULL ? strchr(copy, ':') : NULL, *item;
	struct net_member *m;
	const char *name;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--network");
	if (rest != NULL)
		*rest++ = '\0';
	name = strcmp(copy, "bridge") == 0 ? NET_DEFAULT_NETWORK : copy;
	if (!id_name_valid(name))
		return error_setf(
			e, -EINVAL,
			"--network %s: neither a mode (slirp[:OPTION=VALUE,...], host, none, "
			"container:NAME, ns:PATH) nor the name of a network",
			text);
	m = net_member_find(r, name);
	if (m == NULL)
		m = net_member_add(r, name);
	if (m == NULL)
		return error_setf(e, -E2BIG, "--network %s: at most %d networks", text,
				  NET_MEMBERS_MAX);
	while ((item = strsep(&rest, ",")) != NULL) {
		char *value = strchr(item, '=');
		int ret;

		if (value == NULL)
			return error_setf(e, -EINVAL, "--network: \"%s\": expected OPTION=VALUE",
					  item);
		*value++ = '\0';
		ret = net_member_set(m, item, value, e);
		if (ret < 0)
			return error_prefix(e, "--network");
	}
	return 0;
}

static bool is_mode(const char *text, size_t len)
{
	static const char *const words[] = { "slirp", "slirp4netns", "private", "default", "host",
					     "none",  "container",   "ns",	"pasta" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return true;
	return false;
}

int net_parse_network(const char *text, struct net_request *r, struct error *e)
{
	_cleanup_free_ char *copy = NULL;
	char *rest, *name;

	if (is_mode(text, strcspn(text, ":"))) {
		if (r->members_n != 0)
			return error_setf(e, -EINVAL,
					  "--network %s: cannot be joined with the network %s",
					  text, r->members[0].name);
		return net_parse_mode(text, r, e);
	}
	if (r->mode != NET_MODE_SLIRP)
		return error_setf(e, -EINVAL,
				  "--network %s: cannot be joined with another mode of network",
				  text);
	if (strchr(text, ':') != NULL || strchr(text, ',') == NULL)
		return parse_member(text, r, e);
	copy = rest = strdup(text); /* a,b: several networks without options */
	if (copy == NULL)
		return error_set(e, -ENOMEM, "--network");
	while ((name = strsep(&rest, ",")) != NULL) {
		int ret = parse_member(name, r, e);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int net_check_members(struct net_request *r, const char *ip, const char *ip6, const char *mac,
		      const struct strv *aliases, struct error *e)
{
	const struct {
		const char *option, *key, *value;
	} values[] = { { "--ip", "ip", ip },
		       { "--ip6", "ip6", ip6 },
		       { "--mac-address", "mac", mac } };
	int ret;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (values[i].value == NULL)
			continue;
		if (r->members_n != 1)
			return error_setf(
				e, -EINVAL,
				"%s can only be set for a single user-defined network; %s",
				values[i].option,
				r->members_n == 0 ? "name it with --network" :
						    "write --network NAME:ip=...,mac=...");
		if ((strcmp(values[i].key, "ip") == 0) == (strchr(values[i].value, ':') != NULL) &&
		    strcmp(values[i].key, "mac") != 0)
			return error_setf(e, -EINVAL, "%s %s is not valid", values[i].option,
					  values[i].value);
		ret = net_member_set(&r->members[0], values[i].key, values[i].value, e);
		if (ret < 0)
			return error_prefix(e, "%s", values[i].option);
	}
	if (aliases->n != 0 && r->members_n == 0)
		return error_setf(e, -EINVAL,
				  "--network-alias needs a user-defined network, named with "
				  "--network");
	for (size_t i = 0; i < aliases->n; i++)
		for (size_t m = 0; m < r->members_n; m++) {
			ret = net_member_set(&r->members[m], "alias", aliases->v[i], e);
			if (ret < 0)
				return error_prefix(e, "--network-alias");
		}
	return 0;
}

/* ---- networks ---- */

static struct in_addr mask4(unsigned int prefix)
{
	return (struct in_addr){ htonl(prefix == 0 ? 0 : ~0u << (32 - prefix)) };
}

/* Is a in the network? */
static bool in_subnet6(const struct in6_addr *net, unsigned int prefix, const struct in6_addr *a)
{
	unsigned int bytes = prefix / 8, bits = prefix % 8;

	return memcmp(net, a, bytes) == 0 &&
	       (bits == 0 || ((net->s6_addr[bytes] ^ a->s6_addr[bytes]) >> (8 - bits)) == 0);
}

static bool in_subnet4(struct in_addr net, unsigned int prefix, struct in_addr a)
{
	return ((net.s_addr ^ a.s_addr) & mask4(prefix).s_addr) == 0;
}

static int wrong_subnet(const char *text, struct error *e)
{
	return error_setf(e, -EINVAL,
			  "subnet \"%s\": expected ADDRESS/LENGTH such as 10.89.1.0/24 or "
			  "fd00:89::/64",
			  text);
}

int net_parse_subnet(const char *text, struct net_network *n, int *ret_family, struct error *e)
{
	const char *slash = strchr(text, '/');
	char addr[INET6_ADDRSTRLEN];
	unsigned long long len;
	struct in6_addr a6;
	struct in_addr a4;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(addr))
		return wrong_subnet(text, e);
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (str_to_u64(slash + 1, 128, &len) < 0)
		return wrong_subnet(text, e);
	if (inet_pton(AF_INET, addr, &a4) == 1) {
		uint32_t top = ntohl(a4.s_addr) >> 24;

		if (len < PREFIX4_MIN || len > PREFIX4_MAX || top == 0 || top == 127 || top >= 224)
			return wrong_subnet(text, e);
		n->prefix = (unsigned int)len;
		n->subnet.s_addr = a4.s_addr & mask4(n->prefix).s_addr;
		*ret_family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, addr, &a6) != 1 || len < PREFIX6_MIN || len > PREFIX6_MAX ||
	    IN6_IS_ADDR_MULTICAST(&a6) || IN6_IS_ADDR_LINKLOCAL(&a6) || IN6_IS_ADDR_V4MAPPED(&a6) ||
	    IN6_IS_ADDR_LOOPBACK(&a6))
		return wrong_subnet(text, e);
	n->prefix6 = (unsigned int)len;
	for (unsigned int i = 0; i < 128; i++)
		if (i >= len)
			a6.s6_addr[i / 8] = (uint8_t)(a6.s6_addr[i / 8] & ~(0x80u >> (i % 8)));
	n->subnet6 = a6;
	*ret_family = AF_INET6;
	return 0;
}

static int check4(struct net_network *n, struct error *e)
{
	uint32_t net = ntohl(n->subnet.s_addr), top = net | ~ntohl(mask4(n->prefix).s_addr);

	if (n->gateway.s_addr == 0)
		n->gateway.s_addr = htonl(net + 1);
	if (n->first.s_addr == 0)
		n->first.s_addr = htonl(net + 1);
	if (n->last.s_addr == 0)
		n->last.s_addr = htonl(top - 1);
	if (!in_subnet4(n->subnet, n->prefix, n->gateway) || n->gateway.s_addr == htonl(net) ||
	    n->gateway.s_addr == htonl(top))
		return error_setf(e, -EINVAL, "the gateway is not an address of the subnet");
	if (!in_subnet4(n->subnet, n->prefix, n->first) ||
	    !in_subnet4(n->subnet, n->prefix, n->last) ||
	    ntohl(n->first.s_addr) > ntohl(n->last.s_addr))
		return error_setf(e, -EINVAL, "the range of addresses is not part of the subnet");
	if (n->first.s_addr ==
	    htonl(net)) /* the network's own and the broadcast address are nobody's */
		n->first.s_addr = htonl(net + 1);
	if (n->last.s_addr == htonl(top))
		n->last.s_addr = htonl(top - 1);
	return 0;
}

static int check6(struct net_network *n, struct error *e)
{
	if (IN6_IS_ADDR_UNSPECIFIED(&n->gateway6)) {
		n->gateway6 = n->subnet6;
		n->gateway6.s6_addr[15] |= 1;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&n->first6)) {
		n->first6 = n->subnet6;
		n->first6.s6_addr[15] |= 1;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&n->last6)) {
		n->last6 = n->subnet6;
		for (unsigned int i = n->prefix6; i < 128; i++)
			n->last6.s6_addr[i / 8] =
				(uint8_t)(n->last6.s6_addr[i / 8] | 0x80u >> (i % 8));
	}
	if (!in_subnet6(&n->subnet6, n->prefix6, &n->gateway6))
		return error_setf(e, -EINVAL, "the gateway is not an address of the subnet");
	if (!in_subnet6(&n->subnet6, n->prefix6, &n->first6) ||
	    !in_subnet6(&n->subnet6, n->prefix6, &n->last6) ||
	    memcmp(&n->first6, &n->last6, sizeof(n->first6)) > 0)
		return error_setf(e, -EINVAL, "the range of addresses is not part of the subnet");
	return 0;
}

int net_network_check(struct net_network *n, struct error *e)
{
	int r = n->prefix != 0 ? check4(n, e) : 0;

	if (r == 0 && n->prefix6 != 0)
		r = check6(n, e);
	if (r == 0 && n->mtu != 0 && (n->mtu < (n->prefix6 != 0 ? 1280u : 576u) || n->mtu > 65535))
		r = error_setf(e, -EINVAL, "mtu %u: must be %s to 65535", n->mtu,
			       n->prefix6 != 0 ? "1280" : "576");
	return r;
}

int net_parse_server_list(const struct strv *list, struct sockaddr_in6 ret[NET_SERVERS_MAX],
			  struct error *e)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n && n < NET_SERVERS_MAX; i++, n++)
		if (!dns_parse_server(list->v[i], &ret[n]))
			return error_setf(e, -EINVAL, "--dns %s: must be an IPv4 or IPv6 address",
					  list->v[i]);
	return (int)n;
}

bool net_network_overlaps(const struct net_network *a, const struct net_network *b)
{
	if (a->prefix != 0 && b->prefix != 0 &&
	    in_subnet4(a->subnet, a->prefix < b->prefix ? a->prefix : b->prefix, b->subnet))
		return true;
	return a->prefix6 != 0 && b->prefix6 != 0 &&
	       in_subnet6(&a->subnet6, a->prefix6 < b->prefix6 ? a->prefix6 : b->prefix6,
			  &b->subnet6);
}

bool net_network_is_of_host(const struct net_network *n)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *a = all; a != NULL && !found; a = a->ifa_next) {
		if (a->ifa_addr == NULL || a->ifa_netmask == NULL)
			continue;
		if (a->ifa_addr->sa_family == AF_INET && n->prefix != 0) {
			struct in_addr addr, mask;

			memcpy(&addr,
			       (const char *)a->ifa_addr + offsetof(struct sockaddr_in, sin_addr),
			       sizeof(addr));
			memcpy(&mask,
			       (const char *)a->ifa_netmask +
				       offsetof(struct sockaddr_in, sin_addr),
			       sizeof(mask));
			mask.s_addr &= mask4(n->prefix).s_addr;
			found = ((addr.s_addr ^ n->subnet.s_addr) & mask.s_addr) == 0;
		} else if (a->ifa_addr->sa_family == AF_INET6 && n->prefix6 != 0) {
			struct in6_addr addr;

			memcpy(&addr,
			       (const char *)a->ifa_addr + offsetof(struct sockaddr_in6, sin6_addr),
			       sizeof(addr));
			found = in_subnet6(&n->subnet6, n->prefix6, &addr);
		}
	}
	freeifaddrs(all);
	return found;
}

static int not_in(const char *text, const struct net_network *n, struct error *e)
{
	return error_setf(e, -EINVAL, "requested static ip %s not in any subnet on network %s",
			  text, n->name);
}

int net_lease_want(const struct net_member *m, const struct net_network *n, struct net_lease *ret,
		   struct error *e)
{
	struct net_lease l = { .ip = { 0 } };

	if (m->ip[0] != '\0' &&
	    (inet_pton(AF_INET, m->ip, &l.ip) != 1 || n->prefix == 0 ||
	     !in_subnet4(n->subnet, n->prefix, l.ip) || l.ip.s_addr == n->subnet.s_addr ||
	     l.ip.s_addr == (n->subnet.s_addr | ~mask4(n->prefix).s_addr)))
		return not_in(m->ip, n, e);
	if (m->ip6[0] != '\0' && (inet_pton(AF_INET6, m->ip6, &l.ip6) != 1 || n->prefix6 == 0 ||
				  !in_subnet6(&n->subnet6, n->prefix6, &l.ip6)))
		return not_in(m->ip6, n, e);
	if (m->mac[0] != '\0' && parse_mac(m->mac, l.mac) < 0)
		return error_setf(e, -EINVAL, "%s is not an address of a network device", m->mac);
	memcpy(l.ifname, m->ifname, sizeof(l.ifname));
	*ret = l;
	return 0;
}

/* ---- names ---- */

void names_add(struct names_list *l, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > DNS_NAME_MAX - 2 || len >= sizeof(l->text) - l->len)
		return;
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];

		l->text[l->len + i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	if (names_has(l, l->text + l->len))
		return;
	l->len += (uint32_t)len + 1;
	l->n++;
}

bool names_has(const struct names_list *l, const char *name)
{
	size_t at = 0;

	for (uint32_t i = 0; i < l->n && at < l->len; i++) {
		if (strcmp(l->text + at, name) == 0)
			return true;
		at += strlen(l->text + at) + 1;
	}
	return false;
}
