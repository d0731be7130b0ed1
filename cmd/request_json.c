/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as JSON and back: how `crt start` knows what `crt create` was asked.
 *
 * Theory of operation: everything that the command line said lies in struct
 * run_request, with the values of the host (environment, absolute paths) taken
 * already. Two tables name its members; one function writes and one reads by
 * them, so that a new option needs one more line here. Only what differs from the
 * defaults is written. What belongs to one call only (--explain, --cidfile,
 * --quiet) is not kept, nor is --volumes-from, which has become mounts.
 *
 * The text is our own file in the store. It is read as strictly as any other: a
 * damaged one is refused by name and nothing is started from half of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/request.h"

enum kind {
	KIND_STRING,
	KIND_LIST,
	KIND_BOOL,
	KIND_INT,   /* int */
	KIND_UINT,  /* unsigned int */
	KIND_INT64, /* int64_t */
	KIND_ENUM,  /* an enum of the request's, by number */
	KIND_TEXT,  /* char[size] */
	KIND_COUNT
};

struct member {
	const char *key;
	enum kind kind;
	size_t offset;
	size_t size; /* KIND_TEXT: of the array; KIND_ENUM: how many values there are */
};

#define AT(m)	offsetof(struct run_request, m)
#define TEXT(m) AT(m), sizeof(((struct run_request *)0)->m)

_Static_assert(sizeof(enum request_userns) == sizeof(int), "KIND_ENUM reads an int");

static const struct member members[] = {
	{ "image", KIND_STRING, AT(image), 0 },
	{ "rootfs", KIND_STRING, AT(rootfs), 0 },
	{ "rootfsOverlay", KIND_BOOL, AT(rootfs_overlay), 0 },
	{ "args", KIND_LIST, AT(args), 0 },
	{ "entrypointSet", KIND_BOOL, AT(entrypoint_set), 0 },
	{ "entrypoint", KIND_LIST, AT(entrypoint), 0 },
	{ "platform", KIND_STRING, AT(platform), 0 },
	{ "rm", KIND_BOOL, AT(rm), 0 },
	{ "interactive", KIND_BOOL, AT(interactive), 0 },
	{ "tty", KIND_BOOL, AT(tty), 0 },
	{ "init", KIND_BOOL, AT(init), 0 },
	{ "stopSignal", KIND_INT, AT(stop_signal), 0 },
	{ "stopTimeout", KIND_UINT, AT(stop_timeout), 0 },
	{ "timeout", KIND_UINT, AT(timeout), 0 },
	{ "restart", KIND_ENUM, AT(restart), REQUEST_RESTART_COUNT },
	{ "restartMax", KIND_UINT, AT(restart_max), 0 },
	{ "logDriver", KIND_ENUM, AT(log_driver), REQUEST_LOG_COUNT },
	{ "logPath", KIND_STRING, AT(log_path), 0 },
	{ "logTag", KIND_STRING, AT(log_tag), 0 },
	{ "logMaxSize", KIND_INT64, AT(log_max_size), 0 },
	{ "logMaxFiles", KIND_UINT, AT(log_max_files), 0 },
	{ "healthNone", KIND_BOOL, AT(health.none), 0 },
	{ "healthCmd", KIND_STRING, AT(health.cmd), 0 },
	{ "healthInterval", KIND_INT64, AT(health.interval), 0 },
	{ "healthTimeout", KIND_INT64, AT(health.timeout), 0 },
	{ "healthStartPeriod", KIND_INT64, AT(health.start_period), 0 },
	{ "healthRetries", KIND_INT64, AT(health.retries), 0 },
	{ "healthOnFailure", KIND_ENUM, AT(health.on_failure), HEALTH_ACTION_COUNT },
	{ "healthLogCount", KIND_INT64, AT(health.log_count), 0 },
	{ "healthLogSize", KIND_INT64, AT(health.log_size), 0 },
	{ "healthStartupCmd", KIND_STRING, AT(health.startup_cmd), 0 },
	{ "healthStartupInterval", KIND_INT64, AT(health.startup_interval), 0 },
	{ "healthStartupTimeout", KIND_INT64, AT(health.startup_timeout), 0 },
	{ "healthStartupRetries", KIND_INT64, AT(health.startup_retries), 0 },
	{ "healthStartupSuccess", KIND_INT64, AT(health.startup_success), 0 },
	{ "sdnotify", KIND_ENUM, AT(sdnotify), REQUEST_SDNOTIFY_COUNT },
	{ "conmonPidfile", KIND_STRING, AT(conmon_pidfile), 0 },
	{ "labels", KIND_LIST, AT(labels), 0 },
	{ "annotations", KIND_LIST, AT(annotations), 0 },
	{ "memory", KIND_INT64, AT(limits.memory), 0 },
	{ "memorySwap", KIND_INT64, AT(limits.memory_swap), 0 },
	{ "memoryReservation", KIND_INT64, AT(limits.memory_reservation), 0 },
	{ "memorySwappiness", KIND_INT64, AT(limits.memory_swappiness), 0 },
	{ "nanoCpus", KIND_INT64, AT(limits.nano_cpus), 0 },
	{ "cpuShares", KIND_INT64, AT(limits.cpu_shares), 0 },
	{ "cpuQuota", KIND_INT64, AT(limits.cpu_quota), 0 },
	{ "cpuPeriod", KIND_INT64, AT(limits.cpu_period), 0 },
	{ "cpuRtRuntime", KIND_INT64, AT(limits.cpu_rt_runtime), 0 },
	{ "cpuRtPeriod", KIND_INT64, AT(limits.cpu_rt_period), 0 },
	{ "pids", KIND_INT64, AT(limits.pids), 0 },
	{ "blkioWeight", KIND_INT64, AT(limits.blkio_weight), 0 },
	{ "oomScoreAdj", KIND_INT64, AT(limits.oom_score_adj), 0 },
	{ "oomScoreSet", KIND_BOOL, AT(limits.oom_score_set), 0 },
	{ "oomKillDisable", KIND_BOOL, AT(limits.oom_kill_disable), 0 },
	{ "cpusetCpus", KIND_STRING, AT(limits.cpuset_cpus), 0 },
	{ "cpusetMems", KIND_STRING, AT(limits.cpuset_mems), 0 },
	{ "deviceReadBps", KIND_LIST, AT(limits.read_bps), 0 },
	{ "deviceWriteBps", KIND_LIST, AT(limits.write_bps), 0 },
	{ "deviceReadIops", KIND_LIST, AT(limits.read_iops), 0 },
	{ "deviceWriteIops", KIND_LIST, AT(limits.write_iops), 0 },
	{ "cgroupConf", KIND_LIST, AT(limits.conf), 0 },
	{ "cgroups", KIND_ENUM, AT(limits.cgroups), LIMITS_CGROUPS_COUNT },
	{ "cgroupParent", KIND_STRING, AT(limits.cgroup_parent), 0 },
	{ "requireLimits", KIND_BOOL, AT(limits.require), 0 },
	{ "workdir", KIND_STRING, AT(workdir), 0 },
	{ "user", KIND_STRING, AT(user), 0 },
	{ "env", KIND_LIST, AT(env), 0 },
	{ "groupAdd", KIND_LIST, AT(group_add), 0 },
	{ "keepGroups", KIND_BOOL, AT(keep_groups), 0 },
	{ "userns", KIND_ENUM, AT(userns), REQUEST_USERNS_COUNT },
	{ "keepUid", KIND_INT64, AT(keep_uid), 0 },
	{ "keepGid", KIND_INT64, AT(keep_gid), 0 },
	{ "pidHost", KIND_BOOL, AT(pid_host), 0 },
	{ "ipcHost", KIND_BOOL, AT(ipc_host), 0 },
	{ "utsHost", KIND_BOOL, AT(uts_host), 0 },
	{ "privileged", KIND_BOOL, AT(privileged), 0 },
	{ "readOnly", KIND_BOOL, AT(read_only), 0 },
	{ "noNewPrivs", KIND_BOOL, AT(no_new_privs), 0 },
	{ "capAdd", KIND_LIST, AT(cap_add), 0 },
	{ "capDrop", KIND_LIST, AT(cap_drop), 0 },
	{ "seccomp", KIND_STRING, AT(seccomp), 0 },
	{ "mask", KIND_LIST, AT(mask), 0 },
	{ "unmask", KIND_LIST, AT(unmask), 0 },
	{ "sysctls", KIND_LIST, AT(sysctls), 0 },
	{ "devices", KIND_LIST, AT(devices), 0 },
	{ "imageVolume", KIND_ENUM, AT(image_volume), REQUEST_IMAGE_VOLUME_COUNT },
	{ "shmSize", KIND_INT64, AT(shm_size), 0 },
	{ "addHost", KIND_LIST, AT(add_host), 0 },
	{ "hostname", KIND_STRING, AT(hostname), 0 },
	{ "network", KIND_ENUM, AT(net.mode), NET_MODE_COUNT },
	{ "netMtu", KIND_UINT, AT(net.mtu), 0 },
	{ "netIpv6", KIND_BOOL, AT(net.ipv6), 0 },
	{ "netHostLoopback", KIND_BOOL, AT(net.allow_host_loopback), 0 },
	{ "netCidr", KIND_TEXT, TEXT(net.cidr) },
	{ "netCidr6", KIND_TEXT, TEXT(net.cidr6) },
	{ "netOutbound", KIND_TEXT, TEXT(net.outbound_addr) },
	{ "netOutbound6", KIND_TEXT, TEXT(net.outbound_addr6) },
	{ "netJoin", KIND_STRING, AT(net.join), 0 },
	{ "netPcap", KIND_STRING, AT(net.pcap), 0 },
	{ "netPasta", KIND_BOOL, AT(net.pasta), 0 },
	{ "netPastaOptions", KIND_LIST, AT(net.pasta_options), 0 },
	{ "publishAll", KIND_BOOL, AT(publish_all), 0 },
	{ "expose", KIND_LIST, AT(expose), 0 },
	{ "dns", KIND_LIST, AT(net.dns), 0 },
	{ "dnsSearch", KIND_LIST, AT(net.dns_search), 0 },
	{ "dnsOption", KIND_LIST, AT(net.dns_option), 0 },
};
#define MEMBERS_N (sizeof(members) / sizeof(members[0]))

/* ---- writing ------------------------------------------------------------------------------ */

static json_t *value_json(const struct member *m, const void *p)
{
	switch (m->kind) {
	case KIND_STRING:
		return json_string(*(char *const *)p);
	case KIND_LIST:
		return json_strings(p);
	case KIND_BOOL:
		return json_boolean(*(const bool *)p);
	case KIND_INT:
	case KIND_ENUM:
		return json_integer(*(const int *)p);
	case KIND_UINT:
		return json_integer(*(const unsigned int *)p);
	case KIND_INT64:
		return json_integer(*(const int64_t *)p);
	case KIND_TEXT:
		return json_string(p);
	case KIND_COUNT:
	default:
		return NULL;
	}
}

static bool is_default(const struct member *m, const void *p, const void *q)
{
	switch (m->kind) {
	case KIND_STRING:
		return *(char *const *)p == NULL;
	case KIND_LIST:
		return ((const struct strv *)p)->n == 0;
	case KIND_BOOL:
		return *(const bool *)p == *(const bool *)q;
	case KIND_INT:
	case KIND_UINT:
	case KIND_ENUM:
		return *(const int *)p == *(const int *)q;
	case KIND_INT64:
		return *(const int64_t *)p == *(const int64_t *)q;
	case KIND_TEXT:
		return strcmp(p, q) == 0;
	case KIND_COUNT:
	default:
		return true;
	}
}

static json_t *mounts_json(const struct run_request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < r->mounts_n; i++) {
		const struct request_mount *m = &r->mounts[i];
		json_t *options = json_strings(&m->options);
		json_t *one = json_pack("{s:i,s:i,s:s?,s:s,s:o}", "type", (int)m->type, "flags",
					(int)m->flags, "source", m->source, "destination",
					m->destination, "options", options);

		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *ulimits_json(const struct run_request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < r->ulimits_n; i++) {
		const struct request_ulimit *u = &r->ulimits[i];

		/* RLIM_INFINITY becomes -1 and back */
		if (json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "type", u->type, "soft",
							  (json_int_t)u->soft, "hard",
							  (json_int_t)u->hard)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *forwards_json(const struct net_request *n)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < n->forwards_n; i++) {
		const struct net_forward *f = &n->forwards[i];

		if (json_array_append_new(
			    list, json_pack("{s:i,s:s,s:i,s:i}", "proto", (int)f->proto, "hostIp",
					    f->host_addr, "hostPort", (int)f->host_port,
					    "containerPort", (int)f->container_port)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *networks_json(const struct net_request *n)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < n->members_n; i++) {
		const struct net_member *m = &n->members[i];

		if (json_array_append_new(
			    list, json_pack("{s:s,s:o,s:s,s:s,s:s,s:s}", "name", m->name, "aliases",
					    json_strings(&m->aliases), "ip", m->ip, "ip6", m->ip6,
					    "mac", m->mac, "ifname", m->ifname)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

char *request_to_json(const struct run_request *r)
{
	_cleanup_json_ json_t *obj = json_object();
	struct run_request defaults;
	char *text = NULL;
	int failed = 0;

	run_request_init(&defaults);
	for (size_t i = 0; i < MEMBERS_N; i++) {
		const void *p = (const char *)r + members[i].offset;

		if (!is_default(&members[i], p, (const char *)&defaults + members[i].offset))
			failed |= json_object_set_new(obj, members[i].key,
						      value_json(&members[i], p));
	}
	run_request_fini(&defaults);
	failed |= json_object_set_new(obj, "mounts", mounts_json(r));
	failed |= json_object_set_new(obj, "ulimits", ulimits_json(r));
	failed |= json_object_set_new(obj, "forwards", forwards_json(&r->net));
	failed |= json_object_set_new(obj, "networks", networks_json(&r->net));
	if (failed == 0)
		text = json_to_text(obj);
	return text;
}

/* ---- reading ------------------------------------------------------------------------------ */

static int wrong(const char *key, struct error *e)
{
	return error_setf(e, -EINVAL, "\"%s\" is not as crt writes it", key);
}

static int take_string(char **to, const json_t *v)
{
	const char *s = json_string_value(v);

	if (s == NULL)
		return -EINVAL;
	free(*to);
	*to = strdup(s);
	return *to != NULL ? 0 : -ENOMEM;
}

static int take_list(struct strv *to, const json_t *v)
{
	json_t *one;
	size_t i;

	if (!json_is_array(v))
		return -EINVAL;
	json_array_foreach((json_t *)(uintptr_t)v, i, one) {
		if (!json_is_string(one))
			return -EINVAL;
		if (strv_add(to, json_string_value(one)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int take_text(char *to, size_t size, const json_t *v)
{
	const char *s = json_string_value(v);
	size_t len = s != NULL ? strlen(s) : size;

	if (len >= size)
		return -EINVAL;
	memcpy(to, s, len + 1);
	return 0;
}

static int take_number(const json_t *v, json_int_t min, json_int_t max, json_int_t *ret)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int take_value(const struct member *m, void *p, const json_t *v)
{
	json_int_t n = 0;
	int r = 0;

	switch (m->kind) {
	case KIND_STRING:
		return take_string(p, v);
	case KIND_LIST:
		return take_list(p, v);
	case KIND_BOOL:
		*(bool *)p = json_is_true(v);
		return json_is_boolean(v) ? 0 : -EINVAL;
	case KIND_INT:
		r = take_number(v, INT32_MIN, INT32_MAX, &n);
		*(int *)p = (int)n;
		return r;
	case KIND_ENUM:
		r = take_number(v, 0, (json_int_t)m->size - 1, &n);
		*(int *)p = (int)n;
		return r;
	case KIND_UINT:
		r = take_number(v, 0, UINT32_MAX, &n);
		*(unsigned int *)p = (unsigned int)n;
		return r;
	case KIND_INT64:
		r = take_number(v, INT64_MIN, INT64_MAX, &n);
		*(int64_t *)p = n;
		return r;
	case KIND_TEXT:
		return take_text(p, m->size, v);
	case KIND_COUNT:
	default:
		return -EINVAL;
	}
}

static int take_mounts(struct run_request *r, const json_t *list)
{
	json_t *one;
	size_t i;

	r->mounts = calloc(json_array_size(list) + 1, sizeof(*r->mounts));
	if (r->mounts == NULL)
		return -ENOMEM;
	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		struct request_mount *m = &r->mounts[r->mounts_n++];
		json_t *source = json_object_get(one, "source");
		json_int_t type = 0, flags = 0;
		int ret = take_number(json_object_get(one, "type"), 0, REQUEST_MOUNT_COUNT - 1,
				      &type);

		m->type = (enum request_mount_type)type;
		if (ret == 0)
			ret = take_number(json_object_get(one, "flags"), 0, INT32_MAX, &flags);
		m->flags = (unsigned int)flags;
		if (ret == 0 && !json_is_null(source))
			ret = take_string(&m->source, source);
		if (ret == 0)
			ret = take_string(&m->destination, json_object_get(one, "destination"));
		if (ret == 0)
			ret = take_list(&m->options, json_object_get(one, "options"));
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int take_ulimits(struct run_request *r, const json_t *list)
{
	json_t *one;
	size_t i;

	r->ulimits = calloc(json_array_size(list) + 1, sizeof(*r->ulimits));
	if (r->ulimits == NULL)
		return -ENOMEM;
	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		struct request_ulimit *u = &r->ulimits[r->ulimits_n++];
		json_int_t soft, hard;

		u->type = request_ulimit_name(json_string_value(json_object_get(one, "type")));
		if (u->type == NULL ||
		    take_number(json_object_get(one, "soft"), INT64_MIN, INT64_MAX, &soft) < 0 ||
		    take_number(json_object_get(one, "hard"), INT64_MIN, INT64_MAX, &hard) < 0)
			return -EINVAL;
		u->soft = (uint64_t)soft;
		u->hard = (uint64_t)hard;
	}
	return 0;
}

static int take_forwards(struct net_request *n, const json_t *list)
{
	json_t *one;
	size_t i;

	n->forwards = calloc(json_array_size(list) + 1, sizeof(*n->forwards));
	if (n->forwards == NULL)
		return -ENOMEM;
	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		struct net_forward *f = &n->forwards[n->forwards_n++];
		json_int_t proto, host, container;

		if (take_number(json_object_get(one, "proto"), 0, NET_PROTO_COUNT - 1, &proto) <
			    0 ||
		    take_number(json_object_get(one, "hostPort"), 0, UINT16_MAX, &host) < 0 ||
		    take_number(json_object_get(one, "containerPort"), 0, UINT16_MAX, &container) <
			    0 ||
		    take_text(f->host_addr, sizeof(f->host_addr), json_object_get(one, "hostIp")) <
			    0)
			return -EINVAL;
		f->proto = (enum net_proto)proto;
		f->host_port = (uint16_t)host;
		f->container_port = (uint16_t)container;
	}
	return 0;
}

static int take_networks(struct net_request *n, const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		struct net_member *m = name != NULL ? net_member_add(n, name) : NULL;
		int r;

		if (m == NULL)
			return name != NULL ? -ENOMEM : -EINVAL;
		r = take_list(&m->aliases, json_object_get(one, "aliases"));
		if (r < 0)
			return r;
		if (take_text(m->ip, sizeof(m->ip), json_object_get(one, "ip")) < 0 ||
		    take_text(m->ip6, sizeof(m->ip6), json_object_get(one, "ip6")) < 0 ||
		    take_text(m->mac, sizeof(m->mac), json_object_get(one, "mac")) < 0 ||
		    take_text(m->ifname, sizeof(m->ifname), json_object_get(one, "ifname")) < 0)
			return -EINVAL;
	}
	return 0;
}

int request_from_json(const char *text, struct run_request *r, struct error *e)
{
	_cleanup_json_ json_t *obj = json_parse(text, strlen(text), "the container's request", e);
	int ret = 0;

	if (obj == NULL)
		return -EINVAL;
	for (size_t i = 0; ret == 0 && i < MEMBERS_N; i++) {
		const json_t *v = json_object_get(obj, members[i].key);

		if (v != NULL)
			ret = take_value(&members[i], (char *)r + members[i].offset, v);
		if (ret == -EINVAL)
			return wrong(members[i].key, e);
	}
	if (ret == 0 && (ret = take_mounts(r, json_object_get(obj, "mounts"))) == -EINVAL)
		return wrong("mounts", e);
	if (ret == 0 && (ret = take_ulimits(r, json_object_get(obj, "ulimits"))) == -EINVAL)
		return wrong("ulimits", e);
	if (ret == 0 && (ret = take_forwards(&r->net, json_object_get(obj, "forwards"))) == -EINVAL)
		return wrong("forwards", e);
	if (ret == 0 && (ret = take_networks(&r->net, json_object_get(obj, "networks"))) == -EINVAL)
		return wrong("networks", e);
	return ret < 0 ? error_set(e, ret, "reading the container's request") : 0;
}
