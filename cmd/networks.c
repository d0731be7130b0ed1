/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User-defined networks and the containers on them.
 *
 * Theory of operation
 *
 * What a network is lies in the store (storage/network.c) with podman's keys; the
 * default network "podman" is there without a file. Who uses it follows from the
 * records of the containers. Who is on it, by which address, is known to the
 * holder (net/switch.c) while it lives, and noted in the record of each
 * container: as what was given for this life.
 *
 * A container is plugged in from here, outside of all its namespaces, when its keeper has
 * made the network namespace and before its program starts; or later, by connect.
 * The lease lasts as long as the keeper's process.
 *
 * When the holder was killed, the networks are gone and the containers run on
 * without. The next command that starts a holder, whatever for, tells it from the
 * records who was on which network by which address, and gives them back what they
 * had, before anybody else is served.
 *
 * The definitions are our own files and are read as strictly as any.
 */
#include "cmd/networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/join.h"
#include "cmd/record.h"

#define DEFAULT_ID     "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9"
#define DEFAULT_SUBNET "10.88.0.0/16"
#define TRIES	       3 /* a holder may end, or be killed, between our finding it and our asking */

void network_fini(struct network *n)
{
	json_decref(n->json);
	*n = (struct network){ .json = NULL };
}

/* ---- definitions --------------------------------------------------------------------------- */

static int take_address(const json_t *obj, const char *key, void *to4, void *to6, struct error *e)
{
	const char *text = json_string_value(json_object_get(obj, key));

	if (text == NULL || inet_pton(AF_INET, text, to4) == 1 ||
	    inet_pton(AF_INET6, text, to6) == 1)
		return 0;
	return error_setf(e, -EINVAL, "\"%s\" is not an address", key);
}

static int take_subnets(const json_t *list, struct net_network *n, struct error *e)
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		const char *text = json_string_value(json_object_get(one, "subnet"));
		const json_t *range = json_object_get(one, "lease_range");
		int family, r;

		r = net_parse_subnet(text != NULL ? text : "", n, &family, e);
		if (r == 0)
			r = take_address(one, "gateway", &n->gateway, &n->gateway6, e);
		if (r == 0)
			r = take_address(range, "start_ip", &n->first, &n->first6, e);
		if (r == 0)
			r = take_address(range, "end_ip", &n->last, &n->last6, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int from_json(const char *name, const json_t *json, struct net_network *ret, struct error *e)
{
	const json_t *options = json_object_get(json, "options");
	const char *mtu = json_string_value(json_object_get(options, "mtu"));
	_cleanup_strv_ struct strv servers = { .v = NULL };
	struct net_network n = { .name = "" };
	unsigned long long number = 0;
	json_t *one;
	size_t i;
	int r;

	if (strlen(name) >= sizeof(n.name))
		return error_setf(e, -ENAMETOOLONG, "name too long");
	memcpy(n.name, name, strlen(name) + 1);
	if (mtu != NULL && str_to_u64(mtu, 65535, &number) < 0)
		return error_setf(e, -EINVAL, "\"mtu\" is not a number");
	n.mtu = (unsigned int)number;
	n.internal = json_is_true(json_object_get(json, "internal"));
	n.dns = json_is_true(json_object_get(json, "dns_enabled"));
	json_array_foreach(json_object_get(json, "network_dns_servers"), i, one)
		if (json_is_string(one) && strv_add(&servers, json_string_value(one)) < 0)
			return error_set(e, -ENOMEM, "reading it");
	r = net_parse_server_list(&servers, n.servers, e);
	if (r < 0)
		return r;
	n.servers_n = (uint32_t)r;
	r = take_subnets(json_object_get(json, "subnets"), &n, e);
	if (r == 0 && n.prefix == 0 && n.prefix6 == 0)
		r = error_setf(e, -EINVAL, "it has no subnet");
	if (r == 0)
		r = net_network_check(&n, e);
	if (r == 0)
		*ret = n;
	return r;
}

static json_t *subnet_json(int family, const void *subnet, unsigned int prefix, const void *gateway,
			   const void *first, const void *last, bool has_range)
{
	char net[INET6_ADDRSTRLEN] = "", gw[INET6_ADDRSTRLEN] = "", from[INET6_ADDRSTRLEN] = "",
	     to[INET6_ADDRSTRLEN] = "";
	json_t *range = NULL;

	/* ENOSPC is impossible */
	(void)inet_ntop(family, subnet, net, sizeof(net));
	(void)inet_ntop(family, gateway, gw, sizeof(gw));
	(void)inet_ntop(family, first, from, sizeof(from));
	(void)inet_ntop(family, last, to, sizeof(to));
	if (has_range)
		range = json_pack("{s:s, s:s}", "start_ip", from, "end_ip", to);
	return json_pack("{s:o, s:s, s:o*}", "subnet", json_sprintf("%s/%u", net, prefix),
			 "gateway", gw, "lease_range", range);
}

json_t *networks_json(const struct net_network *n, const char *id, const char *created,
		      const char *interface, bool ipv6, json_t *labels, json_t *options)
{
	json_t *subnets = json_array(), *servers = json_array(), *obj;
	struct net_network whole = *n;

	/* what the range is when nobody names one: not shown */
	whole.first = whole.last = (struct in_addr){ 0 };
	whole.first6 = whole.last6 = (struct in6_addr){ .s6_addr = { 0 } };
	(void)net_network_check(&whole, NULL);
	if (n->prefix != 0)
		(void)json_array_append_new(
			subnets, subnet_json(AF_INET, &n->subnet, n->prefix, &n->gateway, &n->first,
					     &n->last,
					     n->first.s_addr != whole.first.s_addr ||
						     n->last.s_addr != whole.last.s_addr));
	if (n->prefix6 != 0)
		(void)json_array_append_new(
			subnets, subnet_json(AF_INET6, &n->subnet6, n->prefix6, &n->gateway6,
					     &n->first6, &n->last6,
					     memcmp(&n->first6, &whole.first6, 16) != 0 ||
						     memcmp(&n->last6, &whole.last6, 16) != 0));
	for (size_t i = 0; i < n->servers_n; i++) {
		char text[INET6_ADDRSTRLEN] = "";
		const struct in6_addr *a = &n->servers[i].sin6_addr;
		bool is4 = IN6_IS_ADDR_V4MAPPED(a);

		(void)inet_ntop(is4 ? AF_INET : AF_INET6, is4 ? a->s6_addr + 12 : a->s6_addr, text,
				sizeof(text));
		(void)json_array_append_new(servers, json_string(text));
	}
	obj = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:b, s:O, s:O, s:{s:s}}", "name",
			n->name, "id", id, "driver", "bridge", "network_interface", interface,
			"created", created, "subnets", subnets, "ipv6_enabled", (int)ipv6,
			"internal", (int)n->internal, "dns_enabled", (int)n->dns, "labels", labels,
			"options", options, "ipam_options", "driver", "host-local");
	if (n->servers_n == 0)
		json_decref(servers);
	else if (obj == NULL || json_object_set_new(obj, "network_dns_servers", servers) < 0)
		(void)0; /* obj is NULL, or lacks them; taken in any case */
	return obj;
}

static int load_default(struct network *ret, struct error *e)
{
	_cleanup_json_ json_t *empty = json_object();
	struct net_network n = { .name = NET_DEFAULT_NETWORK };
	int family, r;

	r = net_parse_subnet(DEFAULT_SUBNET, &n, &family, e);
	if (r == 0)
		r = net_network_check(&n, e);
	if (r < 0)
		return r;
	ret->net = n;
	ret->json = networks_json(&n, DEFAULT_ID, "0001-01-01T00:00:00Z", "podman0", false, empty,
				  empty);
	return ret->json != NULL ? 0 : error_set(e, -ENOMEM, "network %s", n.name);
}

int networks_load(struct storage *s, const char *name, struct network *ret, struct error *e)
{
	_cleanup_network_ struct network n = { .json = NULL };
	_cleanup_free_ char *text = NULL;
	int r = storage_network_read(s, name, &text, e);

	if (r == STORAGE_MISSING && strcmp(name, NET_DEFAULT_NETWORK) == 0)
		return load_default(ret, e);
	if (r == STORAGE_MISSING)
		return error_setf(e, -ENOENT,
				  "unable to find network with name or ID %s: network not found",
				  name);
	if (r < 0)
		return r;
	n.json = json_parse(text, strlen(text), "definition", e);
	if (n.json == NULL)
		return error_prefix(e, "network %s", name);
	r = from_json(name, n.json, &n.net, e);
	if (r < 0)
		return error_prefix(e, "network %s", name);
	*ret = n;
	n.json = NULL;
	return 0;
}

int networks_list(struct storage *s, struct strv *ret, struct error *e)
{
	_cleanup_strv_ struct strv files = { .v = NULL };
	bool has_default = false;
	int r = storage_network_list(s, &files, e);

	for (size_t i = 0; r == 0 && i <= files.n; i++) {
		const char *next = i < files.n ? files.v[i] : NULL;
		int order = next != NULL ? strcmp(NET_DEFAULT_NETWORK, next) : -1;

		if (!has_default && order <= 0)
			r = strv_add(ret, NET_DEFAULT_NETWORK);
		has_default = has_default || order <= 0;
		if (r == 0 && next != NULL && order != 0)
			r = strv_add(ret, next);
	}
	return r == -ENOMEM ? error_set(e, r, "listing networks") : r;
}

int networks_find(struct storage *s, const char *text, char **ret_name, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	const char *found = NULL;
	int r = networks_list(s, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (strcmp(names.v[i], text) == 0)
			found = names.v[i];
	for (size_t i = 0; r == 0 && found == NULL && id_is_hex_prefix(text) && i < names.n; i++) {
		_cleanup_network_ struct network n = { .json = NULL };
		const char *id;

		if (networks_load(s, names.v[i], &n, NULL) < 0)
			continue; /* cannot be read, or went away */
		id = json_string_value(json_object_get(n.json, "id"));
		if (id == NULL || !str_starts(id, text))
			continue;
		if (found != NULL)
			return error_setf(e, -EINVAL,
					  "more than one result for network ID %s: %s and %s", text,
					  found, names.v[i]);
		found = names.v[i];
	}
	if (r < 0)
		return r;
	if (found == NULL)
		return error_setf(e, -ENOENT,
				  "unable to find network with name or ID %s: network not found",
				  text);
	*ret_name = strdup(found);
	return *ret_name != NULL ? 0 : error_set(e, -ENOMEM, "network %s", text);
}

int networks_users(struct storage *s, const char *name, struct strv *ret_ids, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	int r = storage_container_list(s, &ids, e);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_json_ json_t *record = NULL;

		r = storage_container_record(s, ids.v[i], &text, e);
		if (r == -ENOENT) { /* it went away */
			*e = ERROR_INIT;
			r = 0;
			continue;
		}
		if (r < 0)
			return r; /* what cannot be read may use it */
		record = json_parse(text, strlen(text), "container record", e);
		if (record == NULL)
			return error_prefix(e, "container %.12s", ids.v[i]);
		if (json_object_get(json_object_get(record, "networks"), name) != NULL &&
		    strv_add(ret_ids, ids.v[i]) < 0)
			r = error_set(e, -ENOMEM, "looking for users of network %s", name);
	}
	return r;
}

/* ---- plan -------------------------------------------------------------------------------------- */

int networks_plan(struct run_plan *p, struct error *e)
{
	struct net_request *r = &p->req->net;
	bool way_out = false;

	if (r->members_n == 0)
		return 0;
	free(p->networks);
	p->networks = calloc(r->members_n, sizeof(*p->networks));
	if (p->networks == NULL)
		return error_set(e, -ENOMEM, "networks");
	for (size_t i = 0; i < r->members_n; i++) {
		_cleanup_network_ struct network n = { .json = NULL };
		struct net_lease want;
		int ret = networks_load(p->store, r->members[i].name, &n, e);

		if (ret == 0)
			ret = net_lease_want(&r->members[i], &n.net, &want, e);
		if (ret < 0)
			return ret;
		p->networks[i] = n.net;
		way_out = way_out || !n.net.internal;
	}
	r->mode = way_out ? NET_MODE_SLIRP : NET_MODE_NONE;
	if (!way_out && (r->forwards_n != 0 || p->req->publish_all)) {
		log_warning("%s is ignored: with internal networks only the container cannot be "
			    "reached from the host",
			    r->forwards_n != 0 ? "-p" : "-P");
		r->forwards_n = 0;
	}
	return 0;
}

json_t *networks_record(const struct net_request *r)
{
	json_t *obj = json_object();

	for (size_t i = 0; obj != NULL && i < r->members_n; i++)
		if (json_object_set_new(obj, r->members[i].name, json_object()) < 0) {
			json_decref(obj);
			return NULL;
		}
	return obj;
}

/* ---- the holder ---------------------------------------------------------------------------------- */

static int lease_json(const struct net_network *n, const struct net_lease *l,
		      const struct net_member *m, json_t **ret, struct error *e)
{
	char ip[INET_ADDRSTRLEN] = "", gw[INET_ADDRSTRLEN] = "", ip6[INET6_ADDRSTRLEN] = "",
	     gw6[INET6_ADDRSTRLEN] = "";
	json_t *aliases = json_array();

	/* ENOSPC is impossible */
	if (n->prefix != 0 && inet_ntop(AF_INET, &l->ip, ip, sizeof(ip)) != NULL)
		(void)inet_ntop(AF_INET, &n->gateway, gw, sizeof(gw));
	if (n->prefix6 != 0 && inet_ntop(AF_INET6, &l->ip6, ip6, sizeof(ip6)) != NULL)
		(void)inet_ntop(AF_INET6, &n->gateway6, gw6, sizeof(gw6));
	for (size_t i = 0; i < m->aliases.n; i++)
		(void)json_array_append_new(aliases, json_string(m->aliases.v[i]));
	*ret = json_pack("{s:s, s:i, s:s, s:s, s:i, s:s, s:o, s:s, s:o, s:b}", "ip", ip, "prefix",
			 (int)n->prefix, "gateway", gw, "ip6", ip6, "prefix6", (int)n->prefix6,
			 "gateway6", gw6, "mac",
			 json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0], l->mac[1],
				      l->mac[2], l->mac[3], l->mac[4], l->mac[5]),
			 "ifname", l->ifname, "aliases", aliases, "dns", (int)n->dns);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "network %s", n->name);
}

static char *bridge_dir(const char *containers)
{
	const char *slash = strrchr(containers, '/');

	return slash != NULL ? str_printf("%.*s/networks", (int)(slash - containers), containers) :
			       NULL;
}

/* Ask b for one, and say what came of it. */
static int ask(const struct net_bridge *b, const struct networks_join *j,
	       const struct net_network *n, const struct net_member *m, json_t **ret,
	       struct error *e)
{
	const char *names[2 + 64];
	size_t names_n = 0;
	char host_ip[INET6_ADDRSTRLEN];
	struct net_lease l;
	struct net_join q = {
		.id = j->id,
		.names = names,
		.host_ip = host_ip,
		.dns = &j->net->dns,
		.life_fd = j->life_fd,
		.net_fd = j->net_fd,
		.rtnl_fd = j->rtnl_fd,
	};
	int r = net_lease_want(m, n, &l, e);

	if (r < 0)
		return r;
	names[names_n++] = j->name;
	for (size_t i = 0; i < m->aliases.n && names_n < sizeof(names) / sizeof(names[0]); i++)
		names[names_n++] = m->aliases.v[i];
	q.names_n = names_n;
	net_host_address(j->net, host_ip);
	r = net_bridge_join(b, n, &q, &l, e);
	return r < 0 ? r : lease_json(n, &l, m, ret, e);
}

/* What the record of a container says it had, as a member. */
static int take_member(struct net_request *r, const char *name, const json_t *entry,
		       struct net_member **ret)
{
	static const char *const keys[][2] = {
		{ "ip", "ip" }, { "ip6", "ip6" }, { "mac", "mac" }, { "ifname", "interface_name" }
	};
	struct net_member *m = net_member_add(r, name);
	json_t *alias;
	size_t i;

	if (m == NULL)
		return -ENOMEM;
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const char *text = json_string_value(json_object_get(entry, keys[k][0]));

		if (text != NULL && text[0] != '\0' &&
		    net_member_set(m, keys[k][1], text, NULL) < 0)
			return -EINVAL;
	}
	json_array_foreach(json_object_get(entry, "aliases"), i, alias)
		(void)net_member_set(m, "alias", json_string_value(alias), NULL);
	*ret = m;
	return 0;
}

/* All that a running container was on. */
static int tell_one(const struct net_bridge *b, struct storage *s, const struct container *c,
		    struct error *e)
{
	const json_t *networks = json_object_get(c->record, "networks");
	struct networks_join j;
	struct net_request scratch;
	const char *name;
	json_t *entry;
	int r;

	r = networks_open_container(s, c, &j, e);
	if (r < 0)
		return r;
	net_request_init(&scratch);
	j.net = &scratch;
	json_object_foreach((json_t *)(uintptr_t)networks, name, entry) {
		_cleanup_network_ struct network n = { .json = NULL };
		_cleanup_json_ json_t *result = NULL;
		struct net_member *m = NULL;

		if (json_object_get(entry, "mac") == NULL)
			continue; /* not yet */
		r = networks_load(s, name, &n, e);
		if (r == 0 && take_member(&scratch, name, entry, &m) < 0)
			r = error_setf(e, -EINVAL, "its record is damaged");
		if (r == 0)
			r = ask(b, &j, &n.net, m, &result, e);
		if (r < 0)
			break;
	}
	net_request_fini(&scratch);
	networks_close_container(&j);
	return r;
}

static void tell_all(const struct net_bridge *b, struct storage *s)
{
	struct container *list = NULL;
	struct error e = ERROR_INIT;
	size_t n = 0;

	if (container_list(s, &list, &n, &e) < 0) {
		log_warning("networks of running containers: %s", e.msg);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i].pid <= 0 ||
		    json_object_size(json_object_get(list[i].record, "networks")) == 0)
			continue;
		e = ERROR_INIT;
		if (tell_one(b, s, &list[i], &e) < 0)
			log_warning("container %s is not on its networks any more: %s",
				    list[i].name, e.msg);
	}
	containers_free(list, n);
}

static int open_bridge(struct storage *s, const char *containers, struct net_bridge *ret,
		       struct error *e)
{
	_cleanup_free_ char *dir = bridge_dir(containers);
	int r = dir != NULL ? net_bridge_open(dir, true, ret, e) :
			      error_set(e, -ENOMEM, "networks");

	if (r == 0 && ret->fresh)
		tell_all(ret, s);
	return r;
}

int networks_join_one(const struct networks_join *j, const struct net_network *n,
		      const struct net_member *m, json_t **ret, struct error *e)
{
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		struct net_bridge b = NET_BRIDGE_INIT;

		*e = ERROR_INIT;
		r = open_bridge(j->store, j->containers, &b, e);
		if (r == 0)
			r = ask(&b, j, n, m, ret, e);
		net_bridge_close(&b);
		if (r != -ECONNRESET && r != -EPIPE)
			break;
	}
	return r;
}

/* For hosts and resolv.conf. */
static int note(struct net_request *r, const json_t *entry)
{
	static const char *const keys[2][2] = { { "ip", "gateway" }, { "ip6", "gateway6" } };

	for (size_t i = 0; i < 2; i++) {
		const char *ip = json_string_value(json_object_get(entry, keys[i][0]));
		const char *gw = json_string_value(json_object_get(entry, keys[i][1]));

		if (ip == NULL || ip[0] == '\0' || gw == NULL)
			continue;
		if (strv_add(&r->own, ip) < 0 ||
		    (json_is_true(json_object_get(entry, "dns")) && strv_add(&r->gateways, gw) < 0))
			return -ENOMEM;
	}
	return 0;
}

int networks_join_all(const struct networks_join *j, const struct run_plan *p, struct error *e)
{
	_cleanup_json_ json_t *all = json_object(), *changes = NULL;

	for (size_t i = 0; i < j->net->members_n; i++) {
		json_t *entry = NULL;
		int r = networks_join_one(j, &p->networks[i], &j->net->members[i], &entry, e);

		if (r < 0)
			return r;
		if (note(j->net, entry) < 0 ||
		    json_object_set_new(all, j->net->members[i].name, entry) < 0)
			return error_set(e, -ENOMEM, "networks");
	}
	changes = json_pack("{s:O}", "networks", all);
	return record_update(j->store, j->id, changes, e);
}

int networks_leave(const char *containers, const char *network, const char *id, struct error *e)
{
	_cleanup_free_ char *dir = bridge_dir(containers);
	struct net_bridge b = NET_BRIDGE_INIT;
	int r = dir != NULL ? net_bridge_open(dir, false, &b, e) :
			      error_set(e, -ENOMEM, "networks");

	if (r == 0)
		r = net_bridge_leave(&b, network, id, e);
	net_bridge_close(&b);
	return r == 1 ? -ENOENT : r;
}

void networks_repair(struct storage *s, const char *containers)
{
	_cleanup_free_ char *dir = bridge_dir(containers);
	struct net_bridge b = NET_BRIDGE_INIT;
	struct container *list = NULL;
	struct error e = ERROR_INIT;
	size_t n = 0;
	int r = dir != NULL ? net_bridge_open(dir, false, &b, &e) : -ENOMEM;

	net_bridge_close(&b);
	if (r != 1 || container_list(s, &list, &n, &e) < 0)
		return;
	for (size_t i = 0; i < n && r == 1; i++)
		if (list[i].pid > 0 &&
		    json_object_size(json_object_get(list[i].record, "networks")) != 0)
			r = open_bridge(s, containers, &b, &e);
	if (r < 0)
		log_warning("networks: %s", e.msg);
	net_bridge_close(&b);
	containers_free(list, n);
}

/* ---- a running container ------------------------------------------------------------------------------- */

/* An rtnetlink socket of the container's, opened by a child that goes there. fd or -errno. */
static int open_rtnl(const struct join *place, struct error *e)
{
	struct error got;
	size_t n = 1;
	int sv[2], fd = -1, r;
	ssize_t len;
	pid_t pid;

	r = fd_socketpair(SOCK_SEQPACKET, sv);
	if (r < 0)
		return error_set(e, r, "making a socket pair");
	pid = fork();
	if (pid == 0) {
		struct error mine = ERROR_INIT;

		if (place->user_fd >= 0 && setns(place->user_fd, CLONE_NEWUSER) < 0)
			(void)error_set(&mine, -errno, "entering its user namespace");
		else if (setns(place->net_fd, CLONE_NEWNET) < 0)
			(void)error_set(&mine, -errno, "entering its network namespace");
		else
			fd = net_rtnl_open(&mine);
		(void)fd_send(sv[1], &mine, sizeof(mine), &fd, fd >= 0 ? 1 : 0);
		_exit(0);
	}
	r = pid < 0 ? error_set(e, -errno, "fork") : 0;
	close_fd(&sv[1]);
	len = r < 0 ? r : fd_recv(sv[0], &got, sizeof(got), &fd, &n);
	close_fd(&sv[0]);
	if (pid > 0)
		(void)proc_wait(pid);
	if (r < 0)
		return r;
	if (len == (ssize_t)sizeof(got) && got.code < 0) {
		*e = got;
		return got.code;
	}
	return len == (ssize_t)sizeof(got) && n == 1 ?
		       fd :
		       error_setf(e, -ECHILD, "the process that enters the network died");
}

void networks_close_container(struct networks_join *j)
{
	close_fd(&j->life_fd);
	close_fd(&j->net_fd);
	close_fd(&j->rtnl_fd);
}

int networks_open_container(struct storage *s, const struct container *c, struct networks_join *ret,
			    struct error *e)
{
	struct networks_join j = {
		.store = s, .id = c->id, .name = c->name, .life_fd = -1, .net_fd = -1, .rtnl_fd = -1
	};
	const char *rundir = json_string_value(json_object_get(c->record, "rundir"));
	_cleanup_free_ char *join = str_printf("container:%s", c->id);
	struct net_request place_request = { .join = join };
	struct join place = JOIN_INIT;
	int r;

	if (join == NULL || rundir == NULL)
		return error_set(e, -ENOMEM, "container %s", c->name);
	j.life_fd = container_keeper_pidfd(s, c);
	r = j.life_fd < 0 ? error_set(e, j.life_fd, "container %s", c->name) : 0;
	if (r == 0)
		r = join_open(s, &place_request, geteuid() == 0, &place, e);
	if (r == 0)
		j.rtnl_fd = open_rtnl(&place, e);
	j.net_fd = steal_fd(&place.net_fd);
	join_fini(&place);
	if (r < 0 || j.rtnl_fd < 0) {
		r = r < 0 ? r : j.rtnl_fd;
		networks_close_container(&j);
		return r;
	}
	*ret = j;
	return 0;
}
