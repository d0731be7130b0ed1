/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt network ls, inspect, exists.
 *
 * Theory of operation: what is printed as JSON is the definition as it lies in the store, with podman's
 * keys; templates see the names that podman's have. inspect adds who is on the network now,
 * from the records of running containers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/network.h"
#include "cmd/networks.h"
#include "cmd/out.h"
#include "cmd/rundir.h"

struct options {
	bool no_heading, no_trunc, quiet;
	const char *format;
	struct strv filters;
};
#define AT(m) offsetof(struct options, m)

static int network_ls(int argc, char **argv, const struct cmd_global *g);
/* The holder may have been killed: what is shown shall be so. */
static void repair(struct storage *s, const struct cmd_global *g)
{
	_cleanup_free_ char *containers = NULL;

	if (rundir_open(g->runroot, s, &containers, NULL) == 0)
		networks_repair(s, containers);
}

static int network_inspect(int argc, char **argv, const struct cmd_global *g);
static int network_exists(int argc, char **argv, const struct cmd_global *g);

static const struct option_spec ls_options[] = {
	{ "filter", 'f', OPT_STRINGS, AT(filters), .arg = "KEY=VALUE",
	  .help = "Show only some: name=, id=, driver=, label=, until=, dangling=",
	  .complete = NETWORK_FILTER_WORDS },
	{ "format", 0, OPT_STRING, AT(format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "no-trunc", 0, OPT_FLAG, AT(no_trunc), .help = "Show whole ids" },
	{ "noheading", 'n', OPT_FLAG, AT(no_heading), .help = "Leave the heading out" },
	{ "quiet", 'q', OPT_FLAG, AT(quiet), .help = "Show only the names" },
	OPTION_END
};
const struct cmd_verb network_verb_ls = {
	.name = "network ls",
	.alias = "network list",
	.run = network_ls,
	.options = ls_options,
	.usage = "[OPTIONS]",
	.summary = "List networks",
};

static const struct option_spec inspect_options[] = {
	{ "format", 'f', OPT_STRING, AT(format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json" },
	OPTION_END
};
const struct cmd_verb network_verb_inspect = {
	.name = "network inspect",
	.run = network_inspect,
	.options = inspect_options,
	.usage = "[OPTIONS] NAME...",
	.summary = "Show what is known of networks",
	.operands = OPERANDS_NETWORKS,
};

static const struct option_spec no_options[] = { OPTION_END };
const struct cmd_verb network_verb_exists = {
	.name = "network exists",
	.run = network_exists,
	.options = no_options,
	.usage = "NAME",
	.summary = "Exit with 0 when a network exists, with 1 when not",
	.operands = OPERANDS_NETWORKS,
};

/* ---- one network ----------------------------------------------------------------------------- */

static const char *text_of(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

/* Copy members of an object under other names. */
static json_t *renamed(const json_t *from, const char *const (*names)[2], size_t n)
{
	json_t *obj = json_object();

	for (size_t i = 0; obj != NULL && i < n; i++) {
		json_t *v = json_object_get(from, names[i][0]);

		if (v != NULL && json_object_set(obj, names[i][1], v) < 0) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

json_t *network_fields(const json_t *json)
{
	static const char *const names[][2] = {
		{ "name", "Name" },
		{ "id", "ID" },
		{ "driver", "Driver" },
		{ "network_interface", "NetworkInterface" },
		{ "created", "Created" },
		{ "ipv6_enabled", "IPv6Enabled" },
		{ "internal", "Internal" },
		{ "dns_enabled", "DNSEnabled" },
		{ "network_dns_servers", "NetworkDNSServers" },
		{ "labels", "Labels" },
		{ "options", "Options" },
		{ "ipam_options", "IPAMOptions" },
		{ "containers", "Containers" },
	};
	static const char *const subnet_names[][2] = { { "subnet", "Subnet" },
						       { "gateway", "Gateway" },
						       { "lease_range", "LeaseRange" } };
	json_t *obj = renamed(json, names, sizeof(names) / sizeof(names[0]));
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach(json_object_get(json, "subnets"), i, one)
		(void)json_array_append_new(list, renamed(one, subnet_names, 3));
	if (obj == NULL || json_object_set_new(obj, "Subnets", list) < 0) {
		json_decref(obj);
		return NULL;
	}
	return obj;
}

/* Who is on it: {ID: {name, interfaces: {eth0: {subnets: [...], mac_address}}}} */
static json_t *containers_json(const struct container *list, size_t n, const char *network)
{
	json_t *obj = json_object();

	for (size_t i = 0; obj != NULL && i < n; i++) {
		const json_t *entry =
			json_object_get(json_object_get(list[i].record, "networks"), network);
		const char *ip = text_of(entry, "ip"), *ip6 = text_of(entry, "ip6");
		json_t *subnets, *one;

		if (list[i].pid <= 0 || json_object_get(entry, "mac") == NULL)
			continue;
		subnets = json_array();
		if (ip[0] != '\0')
			(void)json_array_append_new(
				subnets,
				json_pack("{s:o, s:s}", "ipnet",
					  json_sprintf("%s/%d", ip,
						       (int)json_integer_value(
							       json_object_get(entry, "prefix"))),
					  "gateway", text_of(entry, "gateway")));
		if (ip6[0] != '\0')
			(void)json_array_append_new(
				subnets,
				json_pack("{s:o, s:s}", "ipnet",
					  json_sprintf("%s/%d", ip6,
						       (int)json_integer_value(
							       json_object_get(entry, "prefix6"))),
					  "gateway", text_of(entry, "gateway6")));
		one = json_pack("{s:s, s:{s:{s:o, s:s}}}", "name", list[i].name, "interfaces",
				text_of(entry, "ifname"), "subnets", subnets, "mac_address",
				text_of(entry, "mac"));
		(void)json_object_set_new(obj, list[i].id, one); /* NULL is refused */
	}
	return obj;
}

/* ---- filters: item is a json_t, data the store ---------------------------------------------------- */

static int by_name(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e; /* every text is one */
	return item == NULL || filter_regex(text_of(item, "name"), value);
}

static int by_id(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e; /* every text is one */
	return item == NULL || str_starts(text_of(item, "id"), value);
}

static int by_driver(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e; /* every text is one */
	return item == NULL || strcmp(text_of(item, "driver"), value) == 0;
}

static int by_label(const void *item, const char *value, void *data, struct error *e)
{
	(void)data;
	(void)e; /* every text is one */
	return item == NULL || filter_label(json_object_get(item, "labels"), value);
}

static int by_no_label(const void *item, const char *value, void *data, struct error *e)
{
	return item == NULL || !by_label(item, value, data, e);
}

static int by_until(const void *item, const char *value, void *data, struct error *e)
{
	time_t t, created;

	(void)data;
	if (out_parse_until(value, time(NULL), &t) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is neither a time nor a duration", value);
	return item == NULL ||
	       (out_parse_time(text_of(item, "created"), &created) == 0 && created < t);
}

static int by_dangling(const void *item, const char *value, void *data, struct error *e)
{
	_cleanup_strv_ struct strv users = { .v = NULL };
	int want = filter_bool("dangling", value, e), r;

	if (want < 0 || item == NULL)
		return want;
	r = networks_users(data, text_of(item, "name"), &users, e);
	return r < 0 ? r : (want > 0) == (users.n == 0);
}

const struct filter_spec network_filters[] = {
	{ "name", false, by_name },	    { "id", false, by_id },
	{ "driver", false, by_driver },	    { "label", true, by_label },
	{ "label!", true, by_no_label },    { "until", false, by_until },
	{ "dangling", false, by_dangling }, { NULL, false, NULL },
};

/* ---- ls ---------------------------------------------------------------------------------------------- */

static const struct out_column columns[] = { { "NETWORK ID", "ShortID" },
					     { "NAME", "Name" },
					     { "DRIVER", "Driver" },
					     { NULL, NULL } };
static const struct out_column columns_quiet[] = { { "NAME", "Name" }, { NULL, NULL } };

static int add_row(struct out_rows *rows, const struct options *o, json_t *json)
{
	json_t *fields = network_fields(json);
	_cleanup_free_ char *id = out_id(text_of(json, "id"), o->no_trunc);

	if (fields != NULL && id != NULL) {
		/* as podman: the listing's templates show the short id, inspect's the whole one */
		(void)json_object_set_new(fields, "ShortID", json_string(id));
		(void)json_object_set_new(fields, "ID", json_string(id));
	}
	return out_rows_add(rows, fields, json_incref(json));
}

static int ls(const struct options *o, const struct cmd_global *g, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = filter_check(network_filters, &o->filters, s, e);
	if (r == 0)
		r = networks_list(s, &names, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing networks");
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_network_ struct network n = { .json = NULL };

		r = networks_load(s, names.v[i], &n, e);
		if (r < 0) { /* damaged, or it went away: the others are listed */
			if (r != -ENOENT)
				log_warning("%s", e->msg);
			*e = ERROR_INIT;
			r = 0;
			continue;
		}
		r = filter_pass(network_filters, &o->filters, n.json, s, e);
		if (r > 0) {
			r = add_row(&rows, o, n.json);
			if (r < 0)
				r = error_set(e, r, "listing networks");
		}
	}
	if (r == 0)
		r = out_print(&rows, o->quiet ? columns_quiet : columns, o->format,
			      o->quiet || o->no_heading, e);
	out_rows_fini(&rows);
	storage_free(s);
	return r;
}

static int network_ls(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .quiet = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&network_verb_ls, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&network_verb_ls, "crt network ls takes no arguments");
	} else if (first >= 0) {
		code = ls(&o, g, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.filters);
	return code;
}

/* ---- inspect and exists --------------------------------------------------------------------------------- */

static int inspect_one(struct storage *s, const char *text, const struct container *list, size_t n,
		       struct out_rows *rows, struct error *e)
{
	_cleanup_network_ struct network net = { .json = NULL };
	_cleanup_free_ char *name = NULL;
	int r = networks_find(s, text, &name, e);

	if (r == 0)
		r = networks_load(s, name, &net, e);
	if (r < 0)
		return r;
	if (json_object_set_new(net.json, "containers", containers_json(list, n, name)) < 0 ||
	    out_rows_add(rows, network_fields(net.json), json_incref(net.json)) < 0)
		return error_set(e, -ENOMEM, "network %s", name);
	return 0;
}

static int network_inspect(int argc, char **argv, const struct cmd_global *g)
{
	static const struct out_column no_columns[] = { { NULL, NULL } };
	struct options o = { .quiet = false };
	struct out_rows rows = { NULL, NULL };
	struct container *list = NULL;
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	size_t n = 0;
	int code;
	int first = opt_parse(&network_verb_inspect, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(&network_verb_inspect,
				       "crt network inspect needs names of networks");
	code = EXIT_CRT;
	if (storage_open(g->root, false, &s, &e) < 0 || out_rows_init(&rows) < 0 ||
	    container_list(s, &list, &n, &e) < 0) {
		log_error(&e);
	} else {
		code = 0;
		repair(s, g);
		for (int i = first; i < argc; i++) {
			e = ERROR_INIT;
			if (inspect_one(s, argv[i], list, n, &rows, &e) < 0) {
				log_error(&e);
				code = EXIT_CRT;
			}
		}
		e = ERROR_INIT;
		if (out_print(&rows, no_columns, o.format != NULL ? o.format : "json", true, &e) <
		    0) {
			log_error(&e);
			code = EXIT_CRT;
		}
	}
	containers_free(list, n);
	out_rows_fini(&rows);
	storage_free(s);
	return code;
}

static int network_exists(int argc, char **argv, const struct cmd_global *g)
{
	_cleanup_free_ char *name = NULL;
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&network_verb_exists, argc, argv, NULL, &code);
	int r;

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&network_verb_exists, "crt network exists needs one name");
	r = storage_open(g->root, false, &s, &e);
	if (r == 0)
		r = networks_find(s, argv[first], &name, &e);
	storage_free(s);
	if (r == -ENOENT)
		return NETWORK_EXIT_MISSING;
	if (r < 0)
		log_error(&e);
	return r < 0 ? EXIT_CRT : 0;
}
