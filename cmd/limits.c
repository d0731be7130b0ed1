/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits: from the command line into config.json.
 *
 * Theory of operation: texts are parsed into numbers, which the request keeps, so that
 * crt start and crt update see what crt run was asked for; of the numbers linux.resources is made.
 * The choice of the groups' manager follows from who we are: root makes groups in the
 * hierarchies himself; a user asks his own systemd for a scope, or uses a group
 * that was delegated to him; with version 1 there is nothing for users.
 * Everything here is the caller's own text. No file is written.
 */
#include "cmd/limits.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/procfs.h"
#include "cmd/compose.h"

#define PERIOD_US     100000
#define NANO	      1000000000
#define MEMORY_MIN    (512 * 1024) /* less lets no program begin */
#define CGROUP_ROOT   "/sys/fs/cgroup"
#define LIST_CHARS    "0123456789,-"
#define SELF_TEXT_MAX 65536

static const char *const cgroups_names[] = {
	[LIMITS_CGROUPS_AUTO] = "",
	[LIMITS_CGROUPS_ENABLED] = "enabled",
	[LIMITS_CGROUPS_DISABLED] = "disabled",
	[LIMITS_CGROUPS_NO_CONMON] = "no-conmon",
	[LIMITS_CGROUPS_SPLIT] = "split",
};
_Static_assert(sizeof(cgroups_names) / sizeof(cgroups_names[0]) == LIMITS_CGROUPS_COUNT,
	       "a name for each mode");

const char *limits_cgroups_name(enum limits_cgroups mode)
{
	return mode == LIMITS_CGROUPS_AUTO ? "enabled" : cgroups_names[mode];
}

void limits_fini(struct limits *l)
{
	free(l->cpuset_cpus);
	free(l->cpuset_mems);
	free(l->cgroup_parent);
	strv_fini(&l->read_bps);
	strv_fini(&l->write_bps);
	strv_fini(&l->read_iops);
	strv_fini(&l->write_iops);
	strv_fini(&l->conf);
	*l = LIMITS_INIT;
}

void limits_options_fini(struct limits_options *o)
{
	strv_fini(&o->read_bps);
	strv_fini(&o->write_bps);
	strv_fini(&o->read_iops);
	strv_fini(&o->write_iops);
	strv_fini(&o->conf);
}

bool limits_options_any(const struct limits_options *o)
{
	return o->memory != NULL || o->memory_swap != NULL || o->memory_reservation != NULL ||
	       o->memory_swappiness != NULL || o->cpus != NULL || o->cpu_shares != NULL ||
	       o->cpu_quota != NULL || o->cpu_period != NULL || o->cpu_rt_runtime != NULL ||
	       o->cpu_rt_period != NULL || o->cpuset_cpus != NULL || o->cpuset_mems != NULL ||
	       o->pids != NULL || o->blkio_weight != NULL ||
	       o->read_bps.n + o->write_bps.n + o->read_iops.n + o->write_iops.n > 0;
}

/* ---- the command line ------------------------------------------------------------------- */

/* A size; -1 is "unlimited" where that is allowed. */
static int take_size(const char *option, const char *text, bool unlimited, int64_t *to,
		     struct error *e)
{
	unsigned long long n;

	if (text == NULL)
		return 0;
	if (unlimited && strcmp(text, "-1") == 0) {
		*to = -1;
		return 0;
	}
	if (str_to_size(text, &n) < 0 || n > INT64_MAX)
		return error_setf(e, -EINVAL, "--%s %s: not a size such as 64m or 2g", option,
				  text);
	*to = (int64_t)n;
	return 0;
}

static int take_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *to,
		       struct error *e)
{
	long long n;
	char *end;

	if (text == NULL)
		return 0;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < min || n > max)
		return error_setf(e, -EINVAL, "--%s %s: must be a number from %lld to %lld", option,
				  text, (long long)min, (long long)max);
	*to = n;
	return 0;
}

/* "1.5" -> 1500000000 */
static int take_cpus(const char *text, int64_t *to, struct error *e)
{
	int64_t n = 0, unit = NANO;
	bool digits = false;

	if (text == NULL)
		return 0;
	for (const char *s = text; *s != '\0'; s++) {
		if (*s == '.' && unit == NANO) {
			unit /= 10;
		} else if (*s >= '0' && *s <= '9' && n < (int64_t)1000000 * NANO) {
			digits = true;
			if (unit == NANO) {
				n = n * 10 + (int64_t)(*s - '0') * NANO;
			} else {
				n += (*s - '0') * unit;
				unit /= 10;
			}
		} else {
			digits = false;
			break;
		}
	}
	if (!digits || (n != 0 && n < NANO / 100))
		return error_setf(
			e, -EINVAL,
			"--cpus %s: must be a number of CPUs such as 0.5 or 2, at least 0.01",
			text);
	*to = n;
	return 0;
}

static int take_list(const char *option, const char *text, char **to, struct error *e)
{
	if (text == NULL)
		return 0;
	if (text[strspn(text, LIST_CHARS)] != '\0')
		return error_setf(e, -EINVAL, "--%s %s: must be a list such as 0-2,7", option,
				  text);
	free(*to);
	*to = text[0] != '\0' ? strdup(text) : NULL;
	return *to == NULL && text[0] != '\0' ? error_set(e, -ENOMEM, "--%s", option) : 0;
}

static int take_mode(struct limits *l, const char *text, struct error *e)
{
	if (text == NULL)
		return 0;
	for (int i = LIMITS_CGROUPS_ENABLED; i < LIMITS_CGROUPS_COUNT; i++)
		if (strcmp(text, cgroups_names[i]) == 0) {
			l->cgroups = (enum limits_cgroups)i;
			return 0;
		}
	return error_setf(e, -EINVAL, "--cgroups %s: must be enabled, disabled, no-conmon or split",
			  text);
}

static void move_list(struct strv *to, struct strv *from)
{
	if (from->n == 0)
		return;
	strv_fini(to);
	*to = *from;
	*from = (struct strv){ 0 };
}

/* "/dev/sda:1mb" */
static int parse_rate(const char *option, const char *text, bool bytes, struct stat *ret_st,
		      unsigned long long *ret_rate, struct error *e)
{
	const char *colon = strrchr(text, ':');
	_cleanup_free_ char *path = colon != NULL ? strndup(text, (size_t)(colon - text)) : NULL;

	if (colon == NULL || (bytes ? str_to_size(colon + 1, ret_rate) :
				      str_to_u64(colon + 1, INT64_MAX, ret_rate)) < 0)
		return error_setf(e, -EINVAL, "--%s %s: expected DEVICE:RATE", option, text);
	if (path == NULL)
		return error_set(e, -ENOMEM, "--%s", option);
	if (stat(path, ret_st) < 0)
		return error_set(e, -errno, "--%s %s", option, text);
	if (!S_ISBLK(ret_st->st_mode))
		return error_setf(e, -ENOTBLK, "--%s %s: not a block device", option, text);
	return 0;
}

static int check(const struct limits *l, struct error *e)
{
	if (l->memory > 0 && l->memory < MEMORY_MIN)
		return error_setf(e, -EINVAL,
				  "--memory %lld: no program can begin with less than 512k",
				  (long long)l->memory);
	if (l->memory_swap > 0 && l->memory <= 0)
		return error_setf(e, -EINVAL, "--memory-swap needs --memory");
	if (l->memory_swap > 0 && l->memory_swap < l->memory)
		return error_setf(
			e, -EINVAL,
			"--memory-swap: memory and swap together must be at least --memory");
	if (l->memory > 0 && l->memory_reservation > l->memory)
		return error_setf(e, -EINVAL, "--memory-reservation: must be less than --memory");
	for (size_t i = 0; i < l->conf.n; i++)
		if (strchr(l->conf.v[i], '=') == NULL)
			return error_setf(e, -EINVAL, "--cgroup-conf %s: expected FILE=VALUE",
					  l->conf.v[i]);
	return 0;
}

int limits_take(struct limits *l, struct limits_options *o, struct error *e)
{
	int64_t period = 0;
	int r;

	if (o->cpus != NULL && (o->cpu_quota != NULL || o->cpu_period != NULL))
		return error_setf(e, -EINVAL, "--cpus and --cpu-%s cannot be set together",
				  o->cpu_period != NULL ? "period" : "quota");
	if ((r = take_size("memory", o->memory, true, &l->memory, e)) < 0 ||
	    (r = take_size("memory-swap", o->memory_swap, true, &l->memory_swap, e)) < 0 ||
	    (r = take_size("memory-reservation", o->memory_reservation, true,
			   &l->memory_reservation, e)) < 0 ||
	    (r = take_number("memory-swappiness", o->memory_swappiness, -1, 100,
			     &l->memory_swappiness, e)) < 0 ||
	    (r = take_cpus(o->cpus, &l->nano_cpus, e)) < 0 ||
	    (r = take_number("cpu-shares", o->cpu_shares, 0, 262144, &l->cpu_shares, e)) < 0 ||
	    (r = take_number("cpu-quota", o->cpu_quota, -1, INT32_MAX, &l->cpu_quota, e)) < 0 ||
	    (r = take_number("cpu-period", o->cpu_period, 0, 1000000, &period, e)) < 0 ||
	    (r = take_number("cpu-rt-runtime", o->cpu_rt_runtime, -1, INT32_MAX, &l->cpu_rt_runtime,
			     e)) < 0 ||
	    (r = take_number("cpu-rt-period", o->cpu_rt_period, 0, INT32_MAX, &l->cpu_rt_period,
			     e)) < 0 ||
	    (r = take_number("pids-limit", o->pids, -1, INT32_MAX, &l->pids, e)) < 0 ||
	    (r = take_number("blkio-weight", o->blkio_weight, 0, 1000, &l->blkio_weight, e)) < 0 ||
	    (r = take_number("oom-score-adj", o->oom_score_adj, -1000, 1000, &l->oom_score_adj,
			     e)) < 0 ||
	    (r = take_list("cpuset-cpus", o->cpuset_cpus, &l->cpuset_cpus, e)) < 0 ||
	    (r = take_list("cpuset-mems", o->cpuset_mems, &l->cpuset_mems, e)) < 0 ||
	    (r = take_mode(l, o->cgroups, e)) < 0)
		return r;
	if (o->cpu_period != NULL)
		l->cpu_period = period;
	if (o->cpus != NULL)
		l->cpu_quota = l->cpu_period = 0; /* the later one counts */
	if (o->cpu_quota != NULL || o->cpu_period != NULL)
		l->nano_cpus = 0;
	/* a new limit brings the swap that goes with it */
	if (o->memory != NULL && o->memory_swap == NULL)
		l->memory_swap = 0;
	l->oom_score_set = l->oom_score_set || o->oom_score_adj != NULL;
	l->oom_kill_disable = l->oom_kill_disable || o->oom_kill_disable;
	l->require = l->require || o->require;
	move_list(&l->read_bps, &o->read_bps);
	move_list(&l->write_bps, &o->write_bps);
	move_list(&l->read_iops, &o->read_iops);
	move_list(&l->write_iops, &o->write_iops);
	move_list(&l->conf, &o->conf);
	if (o->cgroup_parent != NULL) {
		free(l->cgroup_parent);
		l->cgroup_parent = strdup(o->cgroup_parent);
		if (l->cgroup_parent == NULL)
			return error_set(e, -ENOMEM, "--cgroup-parent");
	}
	return check(l, e);
}

/* ---- linux.resources ---------------------------------------------------------------------- */

bool limits_any(const struct limits *l)
{
	return l->memory > 0 || l->memory_swap > 0 || l->memory_reservation > 0 ||
	       l->nano_cpus > 0 || l->cpu_shares > 0 || l->cpu_quota > 0 || l->cpu_period > 0 ||
	       l->cpu_rt_runtime > 0 || l->cpu_rt_period > 0 || l->pids > 0 ||
	       l->blkio_weight > 0 || l->cpuset_cpus != NULL || l->cpuset_mems != NULL ||
	       l->read_bps.n + l->write_bps.n + l->read_iops.n + l->write_iops.n + l->conf.n > 0;
}

static bool is_v2(void)
{
	struct statfs fs;

	return statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Put a number unless it was not asked for. */
static int put(json_t *obj, const char *key, int64_t n)
{
	return n == 0 ? 0 : json_object_set_new(obj, key, json_integer(n));
}

static json_t *memory_json(const struct limits *l)
{
	json_t *obj = json_object();
	int64_t swap = l->memory_swap;
	int failed;

	/* version 1 may be without accounting of swap */
	if (swap == 0 && l->memory > 0 && l->memory <= INT64_MAX / 2 &&
	    (is_v2() || access(CGROUP_ROOT "/memory/memory.memsw.limit_in_bytes", F_OK) == 0))
		swap = 2 * l->memory;
	failed = put(obj, "limit", l->memory) | put(obj, "swap", swap) |
		 put(obj, "reservation", l->memory_reservation);
	if (l->memory_swappiness >= 0)
		failed |=
			json_object_set_new(obj, "swappiness", json_integer(l->memory_swappiness));
	if (l->oom_kill_disable)
		failed |= json_object_set_new(obj, "disableOOMKiller", json_true());
	if (failed == 0)
		return obj;
	json_decref(obj);
	return NULL;
}

static json_t *cpu_json(const struct limits *l)
{
	json_t *obj = json_object();
	int64_t quota = l->cpu_quota, period = l->cpu_period;
	int failed;

	if (l->nano_cpus > 0) {
		period = PERIOD_US;
		quota = l->nano_cpus / (NANO / PERIOD_US);
	}
	failed = put(obj, "shares", l->cpu_shares) | put(obj, "quota", quota) |
		 put(obj, "period", period) | put(obj, "realtimeRuntime", l->cpu_rt_runtime) |
		 put(obj, "realtimePeriod", l->cpu_rt_period);
	if (l->cpuset_cpus != NULL)
		failed |= json_object_set_new(obj, "cpus", json_string(l->cpuset_cpus));
	if (l->cpuset_mems != NULL)
		failed |= json_object_set_new(obj, "mems", json_string(l->cpuset_mems));
	if (failed == 0)
		return obj;
	json_decref(obj);
	return NULL;
}

static int add_rates(json_t *obj, const char *option, const char *key, const struct strv *list,
		     bool bytes, struct error *e)
{
	json_t *arr;

	if (list->n == 0)
		return 0;
	arr = json_array();
	if (json_object_set_new(obj, key, arr) < 0)
		return error_set(e, -ENOMEM, "--%s", option);
	for (size_t i = 0; i < list->n; i++) {
		unsigned long long rate = 0;
		struct stat st;
		int r = parse_rate(option, list->v[i], bytes, &st, &rate, e);

		if (r < 0)
			return r;
		if (json_array_append_new(arr, json_pack("{s:i,s:i,s:I}", "major",
							 (int)major(st.st_rdev), "minor",
							 (int)minor(st.st_rdev), "rate",
							 (json_int_t)rate)) < 0)
			return error_set(e, -ENOMEM, "--%s", option);
	}
	return 0;
}

static int add_conf(json_t *resources, const struct limits *l, struct error *e)
{
	json_t *obj;

	if (l->conf.n == 0)
		return 0;
	obj = json_object();
	if (json_object_set_new(resources, "unified", obj) < 0)
		return error_set(e, -ENOMEM, "--cgroup-conf");
	for (size_t i = 0; i < l->conf.n; i++) {
		size_t len = strcspn(l->conf.v[i], "=");
		_cleanup_free_ char *key = strndup(l->conf.v[i], len);

		if (key == NULL ||
		    json_object_set_new(obj, key, json_string(l->conf.v[i] + len + 1)) < 0)
			return error_set(e, -ENOMEM, "--cgroup-conf");
	}
	return 0;
}

/* A section, unless it is empty. Takes it. */
static int add_section(json_t *obj, const char *key, json_t *section, struct error *e)
{
	if (section != NULL && json_object_size(section) == 0) {
		json_decref(section);
		return 0;
	}
	return json_object_set_new(obj, key, section) < 0 ?
		       error_set(e, -ENOMEM, "composing the limits") :
		       0;
}

json_t *limits_resources(const struct limits *l, struct error *e)
{
	_cleanup_json_ json_t *obj = json_object(), *io = json_object(), *pids = json_object();
	int r;

	if ((r = add_section(obj, "memory", memory_json(l), e)) < 0 ||
	    (r = add_section(obj, "cpu", cpu_json(l), e)) < 0 ||
	    (r = add_rates(io, "device-read-bps", "throttleReadBpsDevice", &l->read_bps, true, e)) <
		    0 ||
	    (r = add_rates(io, "device-write-bps", "throttleWriteBpsDevice", &l->write_bps, true,
			   e)) < 0 ||
	    (r = add_rates(io, "device-read-iops", "throttleReadIOPSDevice", &l->read_iops, false,
			   e)) < 0 ||
	    (r = add_rates(io, "device-write-iops", "throttleWriteIOPSDevice", &l->write_iops,
			   false, e)) < 0 ||
	    (r = add_conf(obj, l, e)) < 0)
		return NULL;
	if (put(io, "weight", l->blkio_weight) < 0 || put(pids, "limit", l->pids) < 0) {
		(void)error_set(e, -ENOMEM, "composing the limits");
		return NULL;
	}
	if ((r = add_section(obj, "blockIO", json_incref(io), e)) < 0 ||
	    (r = add_section(obj, "pids", json_incref(pids), e)) < 0)
		return NULL;
	return json_incref(obj);
}

static json_t *rates_json(const struct strv *list, bool bytes)
{
	json_t *arr = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const char *colon = strrchr(list->v[i], ':');
		unsigned long long rate = 0;
		json_t *path;

		if (colon == NULL || (bytes ? str_to_size(colon + 1, &rate) :
					      str_to_u64(colon + 1, INT64_MAX, &rate)) < 0)
			continue;
		path = json_stringn(list->v[i], (size_t)(colon - list->v[i]));
		(void)json_array_append_new(
			arr, json_pack("{s:o,s:I}", "Path", path, "Rate",
				       (json_int_t)rate)); /* a shorter list is better than none */
	}
	return arr;
}

int limits_inspect(const struct limits *l, json_t *host)
{
	int64_t quota = l->cpu_quota, period = l->cpu_period;
	bool group =
		l->cgroups != LIMITS_CGROUPS_DISABLED &&
		(limits_any(l) || l->cgroups != LIMITS_CGROUPS_AUTO || l->cgroup_parent != NULL);
	json_t *obj;
	int r;

	if (l->nano_cpus > 0) {
		period = PERIOD_US;
		quota = l->nano_cpus / (NANO / PERIOD_US);
	}
	obj = json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:s,s:I,s:I,s:I,s:b,s:o,s:o,s:o,s:o,s:s,"
		"s:s}",
		"Memory", (json_int_t)l->memory, "MemorySwap",
		(json_int_t)(l->memory_swap == 0 && l->memory > 0 ? 2 * l->memory : l->memory_swap),
		"MemoryReservation", (json_int_t)l->memory_reservation, "MemorySwappiness",
		(json_int_t)l->memory_swappiness, "NanoCpus",
		(json_int_t)(l->nano_cpus > 0	     ? l->nano_cpus :
			     quota > 0 && period > 0 ? quota * NANO / period :
						       0),
		"CpuShares", (json_int_t)l->cpu_shares, "CpuPeriod", (json_int_t)period, "CpuQuota",
		(json_int_t)quota, "CpuRealtimePeriod", (json_int_t)l->cpu_rt_period,
		"CpuRealtimeRuntime", (json_int_t)l->cpu_rt_runtime, "CpusetCpus",
		l->cpuset_cpus != NULL ? l->cpuset_cpus : "", "CpusetMems",
		l->cpuset_mems != NULL ? l->cpuset_mems : "", "PidsLimit", (json_int_t)l->pids,
		"BlkioWeight", (json_int_t)l->blkio_weight, "OomScoreAdj",
		(json_int_t)l->oom_score_adj, "OomKillDisable", (int)l->oom_kill_disable,
		"BlkioDeviceReadBps", rates_json(&l->read_bps, true), "BlkioDeviceWriteBps",
		rates_json(&l->write_bps, true), "BlkioDeviceReadIOps",
		rates_json(&l->read_iops, false), "BlkioDeviceWriteIOps",
		rates_json(&l->write_iops, false), "CgroupParent",
		l->cgroup_parent != NULL ? l->cgroup_parent : "", "Cgroups",
		group ? "default" : "disabled");
	r = obj == NULL || json_object_update(host, obj) < 0 ? -ENOMEM : 0;
	json_decref(obj);
	return r;
}

/* ---- who makes the groups ------------------------------------------------------------------ */

void limits_plan_fini(struct limits_plan *p)
{
	free(p->path);
	free(p->why);
	*p = (struct limits_plan){ .manager = "disabled" };
}

/* The user's own systemd can be asked. */
static bool has_user_bus(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *path = NULL;

	if (getenv("DBUS_SESSION_BUS_ADDRESS") != NULL)
		return true;
	path = dir != NULL ? str_printf("%s/bus", dir) :
			     str_printf("/run/user/%u/bus", (unsigned int)getuid());
	return path != NULL && access(path, W_OK) == 0;
}

/* The group above our own (version 2), when we may make others in it. Caller frees; NULL. */
static char *delegated_parent(void)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	_cleanup_free_ char *text = NULL, *dir = NULL, *procs = NULL;
	char *line, *slash;

	if (proc_fd < 0 || procfs_read(proc_fd, "self/cgroup", SELF_TEXT_MAX, &text) < 0)
		return NULL;
	line = strstr(text, "0::/");
	if (line == NULL)
		return NULL;
	line += strlen("0::");
	line[strcspn(line, "\n")] = '\0';
	slash = strrchr(line, '/');
	if (slash == line)
		return NULL;
	*slash = '\0';
	dir = str_printf(CGROUP_ROOT "%s", line);
	procs = str_printf(CGROUP_ROOT "%s/cgroup.procs", line);
	if (dir == NULL || procs == NULL || access(dir, W_OK) < 0 || access(procs, W_OK) < 0)
		return NULL;
	return strdup(line);
}

static int choose(const struct limits *l, const char *id, bool is_root, struct limits_plan *p)
{
	const char *parent = l->cgroup_parent;
	_cleanup_free_ char *above = NULL;
	bool v2 = is_v2(), slice = parent != NULL && str_ends(parent, ".slice");

	if (!is_root && !v2) {
		p->why = strdup("users are given none with cgroup version 1");
		return p->why == NULL ? -ENOMEM : 0;
	}
	if (l->cgroups == LIMITS_CGROUPS_SPLIT) {
		p->manager = "cgroupfs";
		p->path = str_printf("crt-%s", id);
	} else if (is_root && !(v2 && slice)) {
		p->manager = "cgroupfs";
		p->path = str_printf("%s%s/crt-%s", parent != NULL && parent[0] != '/' ? "/" : "",
				     parent != NULL ? parent : "", id);
	} else if (is_root || has_user_bus()) {
		p->manager = "systemd";
		p->path = str_printf("%s:crt:%s", parent != NULL ? parent : "", id);
	} else if ((above = delegated_parent()) != NULL) {
		p->manager = "cgroupfs";
		p->path = str_printf("%s/crt-%s", above, id);
	} else {
		p->why = strdup("none is delegated, and there is no session of the user's systemd");
		return p->why == NULL ? -ENOMEM : 0;
	}
	return p->path == NULL ? -ENOMEM : 0;
}

int limits_plan(const struct limits *l, const char *id, bool is_root, struct limits_plan *ret,
		struct error *e)
{
	struct limits_plan p = { .manager = "disabled" };
	bool wanted = limits_any(l) || l->cgroup_parent != NULL ||
		      l->cgroups != LIMITS_CGROUPS_AUTO;
	int r = 0;

	if (l->cgroups == LIMITS_CGROUPS_DISABLED)
		p.why = strdup("--cgroups disabled");
	else if (wanted)
		r = choose(l, id, is_root, &p);
	if (r < 0) {
		limits_plan_fini(&p);
		return error_set(e, r, "choosing a cgroup");
	}
	*ret = p;
	return 0;
}

int compose_limits(struct run_plan *p, json_t *linux_obj, struct error *e)
{
	const struct limits *l = &p->req->limits;
	json_t *resources;
	int r;

	r = limits_plan(l, p->id, p->caps.kind == USERNS_KIND_NONE, &p->limits, e);
	if (r < 0)
		return r;
	resources = limits_resources(l, e);
	if (resources == NULL)
		return e->code;
	if (json_object_size(resources) == 0)
		json_decref(resources);
	else
		r = json_object_set_new(linux_obj, "resources", resources);
	if (r == 0 && p->limits.path != NULL)
		r = json_object_set_new(linux_obj, "cgroupsPath", json_string(p->limits.path));
	return r < 0 && e->code == 0 ? error_set(e, -ENOMEM, "composing the limits") : r;
}
