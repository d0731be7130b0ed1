/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of the container's own network.
 *
 * Theory of operation
 *
 * The container is alone with libslirp on a virtual wire. IPv4: the network
 * of the request (10.0.2.0/24); host part 2 is the gateway, 3 the name
 * server, 100 the container. IPv6: fd00::/64, or the one of the request, with the same three host
 * parts. A network too small to hold host part 100 gets the highest usable
 * number instead. crt-net and the set-up child each derive the same layout
 * from the same request, so nothing has to be negotiated between them.
 *
 * Pure functions, no I/O. The only input is the user's --network option.
 */
#include "net/layout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define HOST_GATEWAY 2u
#define HOST_DNS     3u
#define HOST_GUEST   100u
#define PREFIX_MIN   8u
#define PREFIX_MAX   28u

int layout_parse_cidr(const char *text, struct in_addr *ret_network, unsigned int *ret_len,
		      struct error *e)
{
	char addr[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	unsigned long long len;
	struct in_addr a;
	uint32_t mask;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(addr))
		return error_setf(e, -EINVAL,
				  "network \"%s\": expected ADDRESS/LENGTH such as 10.0.2.0/24",
				  text);
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (inet_pton(AF_INET, addr, &a) != 1)
		return error_setf(e, -EINVAL, "network \"%s\": \"%s\" is not an IPv4 address", text,
				  addr);
	if (str_to_u64(slash + 1, 32, &len) < 0 || len < PREFIX_MIN || len > PREFIX_MAX)
		return error_setf(e, -EINVAL, "network \"%s\": the length must be %u to %u", text,
				  PREFIX_MIN, PREFIX_MAX);
	mask = ~0u << (32 - (unsigned int)len);
	if ((ntohl(a.s_addr) & ~mask) != 0)
		return error_setf(e, -EINVAL, "network \"%s\": bits are set behind the /%llu", text,
				  len);
	if ((ntohl(a.s_addr) >> 24) == 0 || (ntohl(a.s_addr) >> 24) == 127 ||
	    (ntohl(a.s_addr) >> 24) >= 224)
		return error_setf(e, -EINVAL, "network \"%s\": not a unicast network", text);
	*ret_network = a;
	*ret_len = (unsigned int)len;
	return 0;
}

int layout_parse_cidr6(const char *text, struct in6_addr *ret_prefix, struct error *e)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct in6_addr a;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(addr))
		return error_setf(e, -EINVAL,
				  "network \"%s\": expected ADDRESS/64 such as fd00:1::/64", text);
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (inet_pton(AF_INET6, addr, &a) != 1)
		return error_setf(e, -EINVAL, "network \"%s\": \"%s\" is not an IPv6 address", text,
				  addr);
	if (strcmp(slash, "/64") != 0)
		return error_setf(e, -EINVAL, "network \"%s\": the length must be 64", text);
	if (memcmp(a.s6_addr + 8, (const uint8_t[8]){ 0 }, 8) != 0)
		return error_setf(e, -EINVAL, "network \"%s\": bits are set behind the /64", text);
	if (a.s6_addr[0] == 0 || a.s6_addr[0] >= 0xfe)
		return error_setf(e, -EINVAL, "network \"%s\": not a unicast network", text);
	*ret_prefix = a;
	return 0;
}

static struct in_addr host4(struct in_addr network, unsigned int host)
{
	return (struct in_addr){ .s_addr = htonl(ntohl(network.s_addr) | host) };
}

static struct in6_addr host6(const struct in6_addr *prefix, unsigned int host)
{
	struct in6_addr a = *prefix;

	/* the numbers are written as they look in IPv4: fd00::100 */
	a.s6_addr[14] = (uint8_t)(host >= 100 ? 1 : 0);
	a.s6_addr[15] = (uint8_t)(host >= 100 ? host - 100 : host);
	return a;
}

int layout_make(const struct net_request *r, struct layout *ret, struct error *e)
{
	struct layout l = { .ipv6 = r->ipv6, .mtu = r->mtu != 0 ? r->mtu : LAYOUT_MTU_DEFAULT };
	unsigned int min = l.ipv6 ? LAYOUT_MTU_MIN : LAYOUT_MTU_MIN4;
	uint32_t hosts;
	int ret_code;

	ret_code = layout_parse_cidr(r->cidr, &l.network, &l.prefix_len, e);
	if (ret_code < 0)
		return ret_code;
	if (l.mtu < min || l.mtu > LAYOUT_MTU_MAX)
		return error_setf(e, -EINVAL, "mtu %u: must be %u to %u%s", l.mtu, min,
				  LAYOUT_MTU_MAX,
				  l.ipv6 && l.mtu >= LAYOUT_MTU_MIN4 && l.mtu < LAYOUT_MTU_MIN ?
					  " (less needs enable_ipv6=false)" :
					  "");
	l.mask.s_addr = htonl(~0u << (32 - l.prefix_len));
	hosts = ~ntohl(l.mask.s_addr) - 1; /* without the broadcast address */
	l.gateway = host4(l.network, HOST_GATEWAY);
	l.dns = host4(l.network, HOST_DNS);
	l.guest = host4(l.network, hosts < HOST_GUEST ? hosts : HOST_GUEST);
	l.prefix6 = (struct in6_addr){ .s6_addr = { 0xfd } };
	ret_code = r->cidr6[0] != '\0' ? layout_parse_cidr6(r->cidr6, &l.prefix6, e) : 0;
	if (ret_code < 0)
		return ret_code;
	l.gateway6 = host6(&l.prefix6, HOST_GATEWAY);
	l.dns6 = host6(&l.prefix6, HOST_DNS);
	l.guest6 = host6(&l.prefix6, HOST_GUEST);
	*ret = l;
	return 0;
}
