/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits and figures of the container's control groups.
 *
 * Theory of operation: two tables say which number of linux.resources goes to
 * which file, for version 1 and 2; what needs arithmetic or an order has a
 * function. A limit whose controller this host does not have is an error that
 * names it, because a limit that silently does not hold is worse. Values are
 * numbers that we print ourselves; only cpusets and the raw "unified" entries
 * are strings, and those go to files whose names may hold no slash.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "runtime/cgroup.h"

int cgroup_version(const json_t *record)
{
	return json_integer_value(json_object_get(record, "version")) == 2 ? 2 : 1;
}

const char *cgroup_path(const json_t *record, const char *controller)
{
	json_t *paths = json_object_get(record, "paths");
	size_t len = strlen(controller);
	const char *key;
	json_t *v;

	if (cgroup_version(record) == 2)
		return json_string_value(json_object_get(paths, ""));
	json_object_foreach(paths, key, v) {
		for (const char *s = key; *s != '\0';) {
			size_t n = strcspn(s, ",");

			if (n == len && strncmp(s, controller, n) == 0)
				return json_string_value(v);
			s += n + (s[n] == ',');
		}
	}
	return NULL;
}

int cgroup_write(const char *dir, const char *file, const char *value)
{
	_cleanup_free_ char *path = str_printf("%s/%s", dir, file);
	_cleanup_fd_ int fd = -1;
	size_t len = strlen(value);

	if (path == NULL)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	return write(fd, value, len) == (ssize_t)len ? 0 : -errno;
}

int cgroup_read(const char *dir, const char *file, char **ret)
{
	_cleanup_free_ char *path = str_printf("%s/%s", dir, file);
	_cleanup_fd_ int fd = -1;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (path == NULL)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = fd_read_to_end(fd, &b, 16 << 20);
	if (r == 0)
		r = buf_putc(&b, '\0');
	if (r < 0)
		return r;
	*ret = buf_steal(&b);
	return *ret == NULL ? -ENOMEM : 0;
}

static int set_value(const json_t *record, const char *controller, const char *file,
		     const char *value, struct error *e)
{
	const char *dir = cgroup_path(record, controller);
	int r;

	if (dir == NULL)
		return error_setf(e, -ENOTSUP,
				  "cannot set %s: this host has no %s cgroup controller", file,
				  controller);
	r = cgroup_write(dir, file, value);
	return r < 0 ? error_set(e, r, "failed to write \"%s\" to %s/%s", value, dir, file) : 0;
}

static int set_number(const json_t *record, const char *controller, const char *file, int64_t value,
		      struct error *e)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return set_value(record, controller, file, text, e);
}

/* How a number is written. */
enum how {
	HOW_PLAIN,
	HOW_MAX,	 /* negative is "max" */
	HOW_MINUS_ONE,	 /* negative is -1 */
	HOW_MAX_OR_ZERO, /* 0 and below is "max" */
	HOW_COUNT
};

struct number_rule {
	const char *section;
	const char *key;
	const char *controller;
	const char *file;
	enum how how;
};

static const struct number_rule rules1[] = {
	{ "memory", "reservation", "memory", "memory.soft_limit_in_bytes", HOW_MINUS_ONE },
	{ "memory", "kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", HOW_MINUS_ONE },
	{ "memory", "swappiness", "memory", "memory.swappiness", HOW_PLAIN },
	{ "cpu", "shares", "cpu", "cpu.shares", HOW_PLAIN },
	{ "cpu", "quota", "cpu", "cpu.cfs_quota_us", HOW_MINUS_ONE },
	{ "cpu", "burst", "cpu", "cpu.cfs_burst_us", HOW_PLAIN },
	{ "cpu", "idle", "cpu", "cpu.idle", HOW_PLAIN },
	{ "cpu", "realtimePeriod", "cpu", "cpu.rt_period_us", HOW_PLAIN },
	{ "cpu", "realtimeRuntime", "cpu", "cpu.rt_runtime_us", HOW_PLAIN },
	{ "pids", "limit", "pids", "pids.max", HOW_MAX_OR_ZERO },
	{ "blockIO", "weight", "blkio", "blkio.bfq.weight", HOW_PLAIN },
	{ "network", "classID", "net_cls", "net_cls.classid", HOW_PLAIN },
};

static const struct number_rule rules2[] = {
	{ "memory", "limit", "memory", "memory.max", HOW_MAX },
	{ "memory", "reservation", "memory", "memory.low", HOW_MAX },
	{ "cpu", "burst", "cpu", "cpu.max.burst", HOW_PLAIN },
	{ "cpu", "idle", "cpu", "cpu.idle", HOW_PLAIN },
	{ "pids", "limit", "pids", "pids.max", HOW_MAX_OR_ZERO },
};

bool cgroup_number(const json_t *resources, const char *section, const char *key, int64_t *ret)
{
	const json_t *v = json_object_get(json_object_get(resources, section), key);

	if (json_is_integer(v))
		*ret = json_integer_value(v);
	else if (json_is_real(v))
		*ret = json_real_value(v) >= 9.2e18 ? INT64_MAX : (int64_t)json_real_value(v);
	else
		return false;
	return true;
}

static int apply_numbers(const json_t *record, const json_t *resources,
			 const struct number_rule *rules, size_t n, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		int64_t v;
		int r;

		if (!cgroup_number(resources, rules[i].section, rules[i].key, &v))
			continue;
		if (v == 0 && rules[i].how != HOW_MAX_OR_ZERO &&
		    strcmp(rules[i].key, "swappiness") != 0 && strcmp(rules[i].key, "idle") != 0)
			continue; /* engines send 0 for "not set" */
		if ((rules[i].how == HOW_MAX && v < 0) ||
		    (rules[i].how == HOW_MAX_OR_ZERO && v <= 0))
			r = set_value(record, rules[i].controller, rules[i].file, "max", e);
		else
			r = set_number(record, rules[i].controller, rules[i].file,
				       rules[i].how == HOW_MINUS_ONE && v < 0 ? -1 : v, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Version 1 keeps memory <= memory+swap at every instant, so the order
 * depends on the direction: the wrong one is refused, then the other is right.
 */
static int apply_memory1(const json_t *record, const json_t *resources, struct error *e)
{
	int64_t limit = 0, swap = 0;
	bool has_limit = cgroup_number(resources, "memory", "limit", &limit) && limit != 0;
	bool has_swap = cgroup_number(resources, "memory", "swap", &swap) && swap != 0;
	json_t *oom = json_object_get(json_object_get(resources, "memory"), "disableOOMKiller");
	struct error first = ERROR_INIT;
	int r = 0;

	limit = limit < 0 ? -1 : limit;
	swap = swap < 0 ? -1 : swap;
	if (has_limit && has_swap) {
		r = set_number(record, "memory", "memory.limit_in_bytes", limit, &first);
		if (r < 0) {
			r = set_number(record, "memory", "memory.memsw.limit_in_bytes", swap, e);
			if (r == 0)
				r = set_number(record, "memory", "memory.limit_in_bytes", limit, e);
		} else {
			r = set_number(record, "memory", "memory.memsw.limit_in_bytes", swap, e);
		}
	} else if (has_limit) {
		/* not more than memory+swap, which has to be without a limit then, too; a kernel may not count it */
		if (limit < 0)
			(void)set_number(record, "memory", "memory.memsw.limit_in_bytes", -1,
					 &first);
		r = set_number(record, "memory", "memory.limit_in_bytes", limit, e);
	} else if (has_swap) {
		r = set_number(record, "memory", "memory.memsw.limit_in_bytes", swap, e);
	}
	if (r == 0 && json_is_true(oom))
		r = set_value(record, "memory", "memory.oom_control", "1", e);
	return r;
}

static int apply_memory2(const json_t *record, const json_t *resources, struct error *e)
{
	int64_t limit = 0, swap = 0;
	char text[32] = "max";

	if (!cgroup_number(resources, "memory", "swap", &swap) || swap == 0)
		return 0;
	(void)cgroup_number(resources, "memory", "limit", &limit);
	if (swap > 0) {
		if (limit <= 0 || swap < limit)
			return error_setf(
				e, -EINVAL,
				"linux.resources.memory.swap: must be at least the memory limit");
		(void)snprintf(text, sizeof(text), "%lld", (long long)(swap - limit));
	}
	return set_value(record, "memory", "memory.swap.max", text, e);
}

/* The curve through the default: 1024 shares are weight 100. */
int64_t cgroup_cpu_weight(int64_t shares)
{
	double l;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2((double)shares);
	return (int64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

static int apply_cpu2(const json_t *record, const json_t *resources, struct error *e)
{
	int64_t shares = 0, quota = 0, period = 0;
	char text[64];
	bool has_quota, has_period;
	int r;

	if (cgroup_number(resources, "cpu", "shares", &shares) && shares != 0) {
		r = set_number(record, "cpu", "cpu.weight", cgroup_cpu_weight(shares), e);
		if (r < 0)
			return r;
	}
	has_quota = cgroup_number(resources, "cpu", "quota", &quota) && quota != 0;
	has_period = cgroup_number(resources, "cpu", "period", &period) && period != 0;
	if (!has_quota && !has_period)
		return 0;
	if (!has_period)
		period = 100000;
	if (quota > 0)
		(void)snprintf(text, sizeof(text), "%lld %lld", (long long)quota,
			       (long long)period);
	else
		(void)snprintf(text, sizeof(text), "max %lld", (long long)period);
	return set_value(record, "cpu", "cpu.max", text, e);
}

static int apply_cpuset(const json_t *record, const json_t *resources, struct error *e)
{
	static const char *const keys[] = { "cpus", "mems" }, *const files[] = { "cpuset.cpus",
										 "cpuset.mems" };

	for (int i = 0; i < 2; i++) {
		const char *v = json_string_value(
			json_object_get(json_object_get(resources, "cpu"), keys[i]));
		int r;

		if (v == NULL || v[0] == '\0')
			continue;
		r = set_value(record, "cpuset", files[i], v, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Version 1 keeps period and quota in two files and checks each against the parent's share at
 * once. The period goes first; where it is refused with the old quota, the quota does.
 */
static int apply_period1(const json_t *record, const json_t *resources, struct error *e)
{
	struct error first = ERROR_INIT;
	int64_t quota = 0, period = 0;

	if (!cgroup_number(resources, "cpu", "period", &period) || period == 0)
		return 0;
	if (!cgroup_number(resources, "cpu", "quota", &quota) || quota == 0)
		return set_number(record, "cpu", "cpu.cfs_period_us", period, e);
	if (set_number(record, "cpu", "cpu.cfs_period_us", period, &first) == 0)
		return 0;
	if (set_number(record, "cpu", "cpu.cfs_quota_us", quota < 0 ? -1 : quota, e) < 0)
		return e->code;
	return set_number(record, "cpu", "cpu.cfs_period_us", period, e);
}

static bool has_file(const json_t *record, const char *controller, const char *file)
{
	_cleanup_free_ char *text = NULL;
	const char *dir = cgroup_path(record, controller);

	return dir != NULL && cgroup_read(dir, file, &text) == 0;
}

/* Weights of block devices: BFQ's own file where its scheduler is loaded, else version 2's of 1 to 10000. */
static int apply_weight(const json_t *record, const json_t *resources, struct error *e)
{
	bool v2 = cgroup_version(record) == 2;
	const char *controller = v2 ? "io" : "blkio";
	bool bfq = !v2 || has_file(record, "io", "io.bfq.weight");
	json_t *arr = json_object_get(json_object_get(resources, "blockIO"), "weightDevice"), *item;
	int64_t weight = 0;
	char text[96];
	size_t k;
	int r = 0;

	if (v2 && cgroup_number(resources, "blockIO", "weight", &weight) && weight != 0)
		r = set_number(record, "io", bfq ? "io.bfq.weight" : "io.weight",
			       bfq ? weight : 1 + (weight - 10) * 9999 / 990, e);
	json_array_foreach(arr, k, item) {
		weight = json_integer_value(json_object_get(item, "weight"));
		if (r < 0 || weight == 0)
			continue;
		(void)snprintf(text, sizeof(text), "%lld:%lld %lld",
			       (long long)json_integer_value(json_object_get(item, "major")),
			       (long long)json_integer_value(json_object_get(item, "minor")),
			       (long long)(bfq ? weight : 1 + (weight - 10) * 9999 / 990));
		r = set_value(record, controller,
			      !v2 ? "blkio.bfq.weight_device" :
			      bfq ? "io.bfq.weight" :
				    "io.weight",
			      text, e);
	}
	return r;
}

static int apply_throttle(const json_t *record, const json_t *resources, struct error *e)
{
	static const struct {
		const char *key;
		const char *file1;
		const char *word2;
	} lists[] = {
		{ "throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps" },
		{ "throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps" },
		{ "throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops" },
		{ "throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops" },
	};
	bool v2 = cgroup_version(record) == 2;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *arr = json_object_get(json_object_get(resources, "blockIO"), lists[i].key),
		       *item;
		size_t k;

		json_array_foreach(arr, k, item) {
			long long major = json_integer_value(json_object_get(item, "major"));
			long long minor = json_integer_value(json_object_get(item, "minor"));
			long long rate = json_integer_value(json_object_get(item, "rate"));
			char text[96];
			int r;

			(void)snprintf(text, sizeof(text),
				       v2 ? "%lld:%lld %s=%lld" : "%lld:%lld %s%lld", major, minor,
				       v2 ? lists[i].word2 : "", rate);
			r = set_value(record, v2 ? "io" : "blkio", v2 ? "io.max" : lists[i].file1,
				      text, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int apply_hugetlb(const json_t *record, const json_t *resources, struct error *e)
{
	json_t *arr = json_object_get(resources, "hugepageLimits"), *item;
	size_t k;

	json_array_foreach(arr, k, item) {
		const char *size = json_string_value(json_object_get(item, "pageSize"));
		char file[64], text[32];
		int r;

		if (size == NULL || strlen(size) > 16 || strchr(size, '/') != NULL)
			return error_setf(
				e, -EINVAL,
				"linux.resources.hugepageLimits[%zu].pageSize: not a size", k);
		(void)snprintf(file, sizeof(file), "hugetlb.%s.%s", size,
			       cgroup_version(record) == 2 ? "max" : "limit_in_bytes");
		(void)snprintf(
			text, sizeof(text), "%llu",
			(unsigned long long)json_integer_value(json_object_get(item, "limit")));
		r = set_value(record, "hugetlb", file, text, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An object with a member for each device: {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}. */
static int apply_rdma(const json_t *record, const json_t *resources, struct error *e)
{
	json_t *obj = json_object_get(resources, "rdma"), *v;
	const char *name;

	json_object_foreach(obj, name, v) {
		const json_t *handles = json_object_get(v, "hcaHandles"),
			     *objects = json_object_get(v, "hcaObjects");
		char text[192];
		size_t n;
		int r;

		if (name[0] == '\0' || strlen(name) > 64 || strpbrk(name, " \n") != NULL)
			return error_setf(e, -EINVAL,
					  "linux.resources.rdma: \"%.64s\" is not a device", name);
		n = (size_t)snprintf(text, sizeof(text), "%s", name);
		if (json_is_integer(handles))
			n += (size_t)snprintf(text + n, sizeof(text) - n, " hca_handle=%lld",
					      (long long)json_integer_value(handles));
		if (json_is_integer(objects))
			(void)snprintf(text + n, sizeof(text) - n, " hca_object=%lld",
				       (long long)json_integer_value(objects));
		r = set_value(record, "rdma", "rdma.max", text, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_unified(const json_t *record, const json_t *resources, struct error *e)
{
	json_t *obj = json_object_get(resources, "unified"), *v;
	const char *key;

	if (json_object_size(obj) == 0)
		return 0;
	if (cgroup_version(record) != 2)
		return error_setf(
			e, -ENOTSUP,
			"invalid configuration: linux.resources.unified on a host with cgroup version 1");
	json_object_foreach(obj, key, v) {
		int r;

		if (strchr(key, '/') != NULL || key[0] == '.' || json_string_value(v) == NULL)
			return error_setf(
				e, -EINVAL,
				"linux.resources.unified: \"%.64s\" is not a file of a cgroup",
				key);
		r = set_value(record, "", key, json_string_value(v), e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One device rule as devices.allow and devices.deny want it. */
static int device_rule(const char *dir, const json_t *rule, struct error *e)
{
	const char *type = json_string_value(json_object_get(rule, "type"));
	const char *access_word = json_string_value(json_object_get(rule, "access"));
	const json_t *major = json_object_get(rule, "major"),
		     *minor = json_object_get(rule, "minor");
	bool allow = json_is_true(json_object_get(rule, "allow"));
	char text[96], maj[24] = "*", min[24] = "*";
	int r;

	if (json_is_integer(major) && json_integer_value(major) >= 0)
		(void)snprintf(maj, sizeof(maj), "%lld", (long long)json_integer_value(major));
	if (json_is_integer(minor) && json_integer_value(minor) >= 0)
		(void)snprintf(min, sizeof(min), "%lld", (long long)json_integer_value(minor));
	(void)snprintf(text, sizeof(text), "%c %s:%s %.3s",
		       type != NULL && type[0] != '\0' ? type[0] : 'a', maj, min,
		       access_word != NULL && access_word[0] != '\0' ? access_word : "rwm");
	r = cgroup_write(dir, allow ? "devices.allow" : "devices.deny", text);
	return r < 0 ? error_set(e, r, "device rule \"%s\"", text) : 0;
}

/* What every container may use, whatever the rules say. */
static const char *const default_rules[] = { "c *:* m",	  "b *:* m",	"c 1:3 rwm", "c 1:5 rwm",
					     "c 1:7 rwm", "c 1:8 rwm",	"c 1:9 rwm", "c 5:0 rwm",
					     "c 5:2 rwm", "c 136:* rwm" };

static int apply_devices1(const json_t *record, const json_t *resources, struct error *e)
{
	json_t *arr = json_object_get(resources, "devices"), *item;
	const char *dir = cgroup_path(record, "devices");
	size_t k;

	if (json_array_size(arr) == 0 || dir == NULL)
		return 0;
	json_array_foreach(arr, k, item) {
		int r = device_rule(dir, item, e);

		if (r < 0)
			return error_prefix(e, "linux.resources.devices[%zu]", k);
	}
	for (size_t i = 0; i < sizeof(default_rules) / sizeof(default_rules[0]); i++)
		(void)cgroup_write(dir, "devices.allow",
				   default_rules[i]); /* a parent may forbid some */
	return 0;
}

bool cgroup_has_limits(const json_t *resources)
{
	static const char *const sections[] = { "memory",	  "cpu",  "pids",   "blockIO",
						"hugepageLimits", "rdma", "unified" };

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		json_t *v = json_object_get(resources, sections[i]), *item;
		const char *key;

		if (json_array_size(v) > 0)
			return true;
		json_object_foreach(v, key, item) {
			/* zeros and "unlimited" are what engines send for nothing */
			if (json_is_string(item) || json_is_array(item) || json_is_object(item) ||
			    (json_is_integer(item) && json_integer_value(item) > 0 &&
			     strcmp(key, "swappiness") != 0))
				return true;
		}
	}
	return false;
}

int cgroup_update(const json_t *record, const json_t *resources, struct error *e)
{
	bool v2 = cgroup_version(record) == 2;
	int r;

	if (record == NULL)
		return cgroup_has_limits(resources) ?
			       error_setf(
				       e, -ENOTSUP,
				       "the container has no cgroup of its own: its limits cannot be changed") :
			       0;
	if (v2) {
		r = apply_numbers(record, resources, rules2, sizeof(rules2) / sizeof(rules2[0]), e);
		if (r == 0)
			r = apply_memory2(record, resources, e);
		if (r == 0)
			r = apply_cpu2(record, resources, e);
	} else {
		r = apply_memory1(record, resources, e);
		if (r == 0)
			r = apply_period1(record, resources, e);
		if (r == 0)
			r = apply_numbers(record, resources, rules1,
					  sizeof(rules1) / sizeof(rules1[0]), e);
		if (r == 0)
			r = apply_devices1(record, resources, e);
	}
	if (r == 0)
		r = apply_cpuset(record, resources, e);
	if (r == 0)
		r = apply_weight(record, resources, e);
	if (r == 0)
		r = apply_throttle(record, resources, e);
	if (r == 0)
		r = apply_hugetlb(record, resources, e);
	if (r == 0)
		r = apply_rdma(record, resources, e);
	return r == 0 ? apply_unified(record, resources, e) : r;
}

static json_t *read_number(const json_t *record, const char *controller, const char *file)
{
	_cleanup_free_ char *text = NULL;
	const char *dir = cgroup_path(record, controller);

	if (dir == NULL || cgroup_read(dir, file, &text) < 0)
		return json_integer(0);
	if (strncmp(text, "max", 3) == 0)
		return json_integer(INT64_MAX);
	return json_integer((json_int_t)strtoull(text, NULL, 10));
}

/* "key value" lines as an object. */
static json_t *read_flat(const json_t *record, const char *controller, const char *file)
{
	_cleanup_free_ char *text = NULL;
	const char *dir = cgroup_path(record, controller);
	json_t *obj = json_object();
	char *rest, *line;

	if (dir == NULL || cgroup_read(dir, file, &text) < 0)
		return obj;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *blank = strchr(line, ' ');

		if (blank == NULL)
			continue;
		*blank = '\0';
		(void)json_object_set_new(obj, line,
					  json_integer((json_int_t)strtoull(blank + 1, NULL, 10)));
	}
	return obj;
}

json_t *cgroup_stats(const json_t *record)
{
	_cleanup_json_ json_t *cpu = NULL;
	bool v2 = cgroup_version(record) == 2;
	json_t *total;

	if (record == NULL)
		return NULL;
	if (v2) {
		cpu = read_flat(record, "cpu", "cpu.stat");
		total = json_integer(1000 * json_integer_value(json_object_get(cpu, "usage_usec")));
	} else {
		total = read_number(record, "cpuacct", "cpuacct.usage");
	}
	return json_pack(
		"{s:{s:{s:o,s:i,s:i},s:{}},s:{s:{s:o,s:o,s:o},s:o},s:{s:o,s:o}}", "cpu", "usage",
		"total", total, "kernel", 0, "user", 0, "throttling", "memory", "usage", "limit",
		read_number(record, "memory", v2 ? "memory.max" : "memory.limit_in_bytes"), "usage",
		read_number(record, "memory", v2 ? "memory.current" : "memory.usage_in_bytes"),
		"max",
		read_number(record, "memory", v2 ? "memory.peak" : "memory.max_usage_in_bytes"),
		"raw", read_flat(record, "memory", "memory.stat"), "pids", "current",
		read_number(record, "pids", "pids.current"), "limit",
		read_number(record, "pids", "pids.max"));
}
