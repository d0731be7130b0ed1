/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt network create.
 *
 * Theory of operation: options, JSON and messages are podman's. Under the exclusive
 * lock of the networks: is the name free, which subnets are taken (of other networks
 * and of the host's interfaces), then the definition is written as a whole. Nothing
 * is made in the kernel before a container wants to be on it.
 *
 * Without --subnet the first free /24 of 10.89.0.0 to 10.255.255.0 is taken, with --ipv6
 * and no subnet of IPv6 a random one of fd00::/8, as RFC 4193 wants it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/network.h"
#include "cmd/networks.h"
#include "cmd/out.h"

#define FIRST_SUBNET 0x0a590000u /* 10.89.0.0 */
#define LAST_SUBNET  0x0affff00u
#define NAMES_MAX    10000

struct options {
	bool ignore, internal, ipv6, disable_dns;
	const char *driver, *interface;
	struct strv labels, opts, subnets, gateways, ranges, dns;
};
#define AT(m) offsetof(struct options, m)

static int network_create(int argc, char **argv, const struct cmd_global *g);

static const struct option_spec options[] = {
	{ "disable-dns", 0, OPT_FLAG, AT(disable_dns), .help = "No name server on this network" },
	{ "dns", 0, OPT_LIST, AT(dns), .arg = "ADDRESS",
	  .help = "Who is asked for names that are no container's" },
	{ "driver", 'd', OPT_STRING, AT(driver), .arg = "DRIVER", .help = "Only bridge exists",
	  .complete = "bridge" },
	{ "gateway", 0, OPT_STRINGS, AT(gateways), .arg = "ADDRESS",
	  .help = "Address of the name server in the subnet" },
	{ "ignore", 0, OPT_FLAG, AT(ignore), .help = "It is no error when it exists" },
	{ "interface-name", 0, OPT_STRING, AT(interface), .arg = "NAME",
	  .help = "Accepted: the bridge is in a network namespace of its own" },
	{ "internal", 0, OPT_FLAG, AT(internal), .help = "No way out of this network" },
	{ "ip-range", 0, OPT_STRINGS, AT(ranges), .arg = "RANGE",
	  .help = "Give out addresses of this part only: ADDRESS/LENGTH or FIRST-LAST" },
	{ "ipv6", 0, OPT_FLAG, AT(ipv6), .help = "IPv6 as well" },
	{ "label", 0, OPT_STRINGS, AT(labels), .arg = "KEY=VALUE", .help = "Set a label" },
	{ "opt", 'o', OPT_STRINGS, AT(opts), .arg = "KEY=VALUE", .help = "mtu=BYTES, isolate=true",
	  .complete = "mtu=|isolate=true" },
	{ "subnet", 0, OPT_STRINGS, AT(subnets), .arg = "ADDRESS/LENGTH",
	  .help = "The network's addresses, IPv4 and IPv6 once each" },
	OPTION_END
};
const struct cmd_verb network_verb_create = {
	.name = "network create",
	.run = network_create,
	.options = options,
	.usage = "[OPTIONS] [NAME]",
	.summary = "Make a network",
};

/* ---- from options to a definition ------------------------------------------------------------ */

static int take_gateways(const struct options *o, struct net_network *n, struct error *e)
{
	for (size_t i = 0; i < o->gateways.n; i++) {
		const char *text = o->gateways.v[i];
		bool is4 = strchr(text, ':') == NULL;

		if (inet_pton(is4 ? AF_INET : AF_INET6, text,
			      is4 ? (void *)&n->gateway : (void *)&n->gateway6) != 1)
			return error_setf(e, -EINVAL, "--gateway %s: not an address", text);
		if ((is4 ? n->prefix : n->prefix6) == 0)
			return error_setf(e, -EINVAL, "--gateway %s: no --subnet contains it",
					  text);
	}
	return 0;
}

/* FIRST-LAST */
static int take_pair(const char *text, struct net_network *n)
{
	_cleanup_free_ char *first = strdup(text);
	char *last = first != NULL ? strchr(first, '-') : NULL;
	bool is4 = strchr(text, ':') == NULL;

	if (last == NULL)
		return -EINVAL;
	*last++ = '\0';
	if (is4)
		return inet_pton(AF_INET, first, &n->first) == 1 &&
				       inet_pton(AF_INET, last, &n->last) == 1 && n->prefix != 0 ?
			       0 :
			       -EINVAL;
	return inet_pton(AF_INET6, first, &n->first6) == 1 &&
			       inet_pton(AF_INET6, last, &n->last6) == 1 && n->prefix6 != 0 ?
		       0 :
		       -EINVAL;
}

static int take_ranges(const struct options *o, struct net_network *n, struct error *e)
{
	for (size_t i = 0; i < o->ranges.n; i++) {
		struct net_network part = { .name = "" };
		int family;

		if (strchr(o->ranges.v[i], '/') == NULL) {
			if (take_pair(o->ranges.v[i], n) < 0)
				return error_setf(e, -EINVAL, "--ip-range %s is not valid",
						  o->ranges.v[i]);
			continue;
		}
		if (net_parse_subnet(o->ranges.v[i], &part, &family, e) < 0 ||
		    net_network_check(&part, e) < 0)
			return error_prefix(e, "--ip-range");
		if ((family == AF_INET ? n->prefix : n->prefix6) == 0)
			return error_setf(e, -EINVAL, "--ip-range %s: no --subnet contains it",
					  o->ranges.v[i]);
		if (family ==
		    AF_INET) { /* every address of the part can be used, but for the subnet's own */
			n->first = part.subnet;
			n->last.s_addr = htonl(ntohl(part.last.s_addr) + 1);
		} else {
			n->first6 = part.subnet6;
			n->last6 = part.last6;
		}
	}
	return 0;
}

static int take_option(struct net_network *n, const char *text, struct error *e)
{
	const char *eq = strchr(text, '=');
	size_t len = eq != NULL ? (size_t)(eq - text) : strlen(text);
	unsigned long long mtu;

	if (eq != NULL && ((len == 3 && strncmp(text, "mtu", 3) == 0) ||
			   str_starts(text, "com.docker.network.driver.mtu="))) {
		if (str_to_u64(eq + 1, 65535, &mtu) < 0 || mtu == 0)
			return error_setf(e, -EINVAL, "--opt %s: not a number of bytes", text);
		n->mtu = (unsigned int)mtu;
		return 0;
	}
	/* they are isolated from each other in any case */
	if (len == 7 && strncmp(text, "isolate", 7) == 0)
		return 0;
	return error_setf(e, -EINVAL, "unsupported bridge network option %.*s", (int)len, text);
}

static int take_all(const struct options *o, const char *name, struct net_network *n,
		    struct error *e)
{
	int r = 0;

	if (strlen(name) > NET_NAME_MAX - 5)
		return error_setf(e, -ENAMETOOLONG, "the network's name is too long");
	memcpy(n->name, name, strlen(name) + 1);
	n->internal = o->internal;
	n->dns = !o->disable_dns;
	for (size_t i = 0; i < o->subnets.n; i++) {
		unsigned int before[2] = { n->prefix, n->prefix6 };
		int family;

		r = net_parse_subnet(o->subnets.v[i], n, &family, e);
		if (r == 0 && before[family == AF_INET ? 0 : 1] != 0)
			r = error_setf(e, -EINVAL,
				       "--subnet %s: one subnet of each family is enough",
				       o->subnets.v[i]);
		if (r < 0)
			return r;
	}
	r = take_gateways(o, n, e);
	if (r == 0)
		r = take_ranges(o, n, e);
	for (size_t i = 0; r == 0 && i < o->opts.n; i++)
		r = take_option(n, o->opts.v[i], e);
	if (r == 0)
		r = net_parse_server_list(&o->dns, n->servers, e);
	n->servers_n = r > 0 ? (uint32_t)r : 0;
	return r < 0 ? r : 0;
}

/* ---- among the others --------------------------------------------------------------------------- */

static bool is_free(const struct net_network *n, const struct net_network *others, size_t others_n,
		    const char **ret_by)
{
	*ret_by = "an interface of the host";
	for (size_t i = 0; i < others_n; i++)
		if (net_network_overlaps(n, &others[i])) {
			*ret_by = others[i].name;
			return false;
		}
	return !net_network_is_of_host(n);
}

/* What was not given. */
static int choose(const struct options *o, struct net_network *n, const struct net_network *others,
		  size_t others_n, struct error *e)
{
	const char *by;

	if (o->subnets.n > 0) {
		for (size_t i = 0; i < others_n; i++)
			if (net_network_overlaps(n, &others[i]))
				return error_setf(e, -EEXIST,
						  "subnet %s is already used by network %s",
						  o->subnets.v[0], others[i].name);
		if (!is_free(n, others, others_n, &by))
			return error_setf(e, -EEXIST, "subnet %s is already used on the host",
					  o->subnets.v[0]);
	}
	for (uint32_t s = FIRST_SUBNET; n->prefix == 0 && (n->prefix6 == 0 || o->ipv6); s += 256) {
		struct net_network try = { .prefix = 24, .subnet = { htonl(s) } };

		if (s > LAST_SUBNET)
			return error_setf(e, -ENOSPC, "could not find free subnet: use --subnet");
		if (is_free(&try, others, others_n, &by)) {
			n->prefix = try.prefix;
			n->subnet = try.subnet;
		}
	}
	if (o->ipv6 && n->prefix6 == 0) {
		n->prefix6 = 64;
		n->subnet6.s6_addr[0] = 0xfd;
		if (getrandom(n->subnet6.s6_addr + 1, 7, 0) != 7)
			return error_set(e, -errno, "random numbers");
	}
	return net_network_check(n, e);
}

/* The definitions of all; what cannot be read is left out with a warning. */
static int load_all(struct storage *s, const struct strv *names, struct net_network **ret,
		    size_t *ret_n, struct strv *interfaces, struct error *e)
{
	struct net_network *list = calloc(names->n + 1, sizeof(*list));
	size_t n = 0;

	if (list == NULL)
		return error_set(e, -ENOMEM, "networks");
	for (size_t i = 0; i < names->n; i++) {
		_cleanup_network_ struct network one = { .json = NULL };
		struct error sub = ERROR_INIT;
		const char *interface;

		if (networks_load(s, names->v[i], &one, &sub) < 0) {
			log_warning("%s", sub.msg);
			continue;
		}
		interface = json_string_value(json_object_get(one.json, "network_interface"));
		list[n++] = one.net;
		if (interface != NULL && strv_add(interfaces, interface) < 0) {
			free(list);
			return error_set(e, -ENOMEM, "networks");
		}
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static bool has(const struct strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

/* "podman1", the first that is in neither list. NULL on -ENOMEM. */
static char *free_name(const struct strv *a, const struct strv *b)
{
	for (unsigned int i = 1; i < NAMES_MAX; i++) {
		_cleanup_free_ char *name = str_printf("podman%u", i);

		if (name == NULL || (!has(a, name) && !has(b, name)))
			return steal_ptr(&name);
	}
	return NULL;
}

static json_t *pairs_json(const struct strv *pairs)
{
	json_t *obj = json_object();

	for (size_t i = 0; i < pairs->n; i++) {
		size_t len = strcspn(pairs->v[i], "=");
		_cleanup_free_ char *key = strndup(pairs->v[i], len);

		if (key == NULL ||
		    json_object_set_new(
			    obj, key, json_string(pairs->v[i] + len + (pairs->v[i][len] == '='))) <
			    0) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

static int write_definition(struct storage *s, const struct options *o, const struct net_network *n,
			    const char *interface, struct error *e)
{
	_cleanup_json_ json_t *labels = pairs_json(&o->labels), *opts = pairs_json(&o->opts),
			      *json = NULL;
	_cleanup_free_ char *text = NULL;
	char id[ID_LEN + 1], created[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int r = id_generate(id);

	if (r < 0)
		return error_set(e, r, "naming the network");
	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (labels != NULL && opts != NULL)
		json = networks_json(n, id, created, interface, n->prefix6 != 0, labels, opts);
	text = json != NULL ? json_to_pretty(json) : NULL;
	return text != NULL ? storage_network_write(s, n->name, text, e) :
			      error_set(e, -ENOMEM, "network %s", n->name);
}

static bool is_mode(const char *name)
{
	static const char *const words[] = { "bridge",	    "host",	 "none",    "slirp",
					     "slirp4netns", "container", "private", "pasta",
					     "ns",	    "default" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], name) == 0)
			return true;
	return false;
}

static int create(struct storage *s, const struct options *o, const char *name, char **ret_name,
		  struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL }, interfaces = { .v = NULL };
	_cleanup_free_ struct net_network *others = NULL;
	_cleanup_free_ char *own_name = NULL, *interface = NULL;
	_cleanup_fd_ int lock = storage_network_lock(s, true, e);
	struct net_network n = { .name = "" };
	size_t others_n = 0;
	int r = lock < 0 ? lock : networks_list(s, &names, e);

	if (r == 0)
		r = load_all(s, &names, &others, &others_n, &interfaces, e);
	if (r < 0)
		return r;
	if (name == NULL)
		name = own_name = free_name(&names, &interfaces);
	*ret_name = name != NULL ? strdup(name) : NULL;
	interface = o->interface != NULL ? strdup(o->interface) :
					   free_name(&interfaces, &interfaces);
	if (*ret_name == NULL || interface == NULL)
		return error_set(e, -ENOMEM, "naming the network");
	if (has(&names, name))
		return error_setf(e, -EEXIST,
				  "network name %s already used: network already exists", name);
	r = take_all(o, name, &n, e);
	if (r == 0)
		r = choose(o, &n, others, others_n, e);
	return r == 0 ? write_definition(s, o, &n, interface, e) : r;
}

static int run(const struct options *o, const struct cmd_global *g, const char *name,
	       struct error *e)
{
	_cleanup_free_ char *made = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct storage *s = NULL;
	int r;

	if (o->driver != NULL && strcmp(o->driver, "bridge") != 0)
		return error_setf(e, -EINVAL, "unsupported driver %s: use bridge", o->driver);
	if (name != NULL && is_mode(name))
		return error_setf(
			e, -EINVAL,
			"cannot create network with name \"%s\" because it conflicts with a "
			"valid network mode",
			name);
	if (name != NULL && !id_name_valid(name))
		return error_setf(e, -EINVAL,
				  "network name %s invalid: names must match "
				  "[a-zA-Z0-9][a-zA-Z0-9_.-]*",
				  name);
	r = storage_open(g->root, true, &s, e);
	if (r == 0)
		r = create(s, o, name, &made, e);
	if (r == -EEXIST && o->ignore && made != NULL) {
		*e = ERROR_INIT;
		r = 0;
	}
	if (r == 0) {
		(void)buf_printf(&b, "%s\n", made); /* out_write() sees a failure */
		r = out_write(&b, e);
	}
	storage_free(s);
	return r;
}

static int network_create(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .ignore = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&network_verb_create, argc, argv, &o, &code);
	struct strv *lists[] = { &o.labels, &o.opts, &o.subnets, &o.gateways, &o.ranges, &o.dns };

	if (first >= 0 && argc - first > 1) {
		code = opt_usage_error(&network_verb_create,
				       "crt network create takes at most one name");
	} else if (first >= 0) {
		code = run(&o, g, first < argc ? argv[first] : NULL, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		strv_fini(lists[i]);
	return code;
}
