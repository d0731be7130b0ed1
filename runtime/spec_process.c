/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process object of config.json and of `exec --process`.
 *
 * Theory of operation: see spec.c; this is the part that both a new container
 * and a process entering a running one are described by. Numbers are range
 * checked here (ids fit 32 bits and are not the reserved -1), names (rlimits,
 * capabilities, scheduler policies) become numbers here, so that the code
 * behind the clone compares no strings. An unknown capability is remembered
 * for one warning, not refused: newer engines name newer capabilities.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "runtime/runtime.h"
#include "runtime/spec.h"

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int spec_rlimit_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(rlimit_names) / sizeof(rlimit_names[0]); i++)
		if (strcmp(rlimit_names[i].name, name) == 0)
			return rlimit_names[i].resource;
	return -EINVAL;
}

static int parse_user(const json_t *obj, const char *where, struct spec_process *p, struct error *e)
{
	char path[96];
	json_t *user = NULL, *arr = NULL;
	int64_t id = 0, umask_value = -1;
	int r;

	(void)snprintf(path, sizeof(path), "%s.user", where);
	p->umask = -1;
	r = json_get_object(obj, where, "user", &user, e);
	if (r <= 0)
		return r;
	/* 2^32-1 is "no change" to the kernel and never an id */
	if ((r = json_get_int(user, path, "uid", 0, 0xfffffffeLL, &id, e)) < 0)
		return r;
	p->uid = (uid_t)id;
	id = 0;
	if ((r = json_get_int(user, path, "gid", 0, 0xfffffffeLL, &id, e)) < 0 ||
	    (r = json_get_int(user, path, "umask", 0, 0777, &umask_value, e)) < 0)
		return r;
	p->gid = (gid_t)id;
	p->umask = (int32_t)umask_value;
	r = json_get_array(user, path, "additionalGids", &arr, e);
	if (r <= 0)
		return r;
	p->gids_n = json_array_size(arr);
	if (p->gids_n > 65536)
		return error_setf(e, -E2BIG, "%s.additionalGids: more than 65536 groups", path);
	p->gids = calloc(p->gids_n + 1, sizeof(*p->gids));
	if (p->gids == NULL)
		return error_set(e, -ENOMEM, "%s", path);
	for (size_t i = 0; i < p->gids_n; i++) {
		const json_t *item = json_array_get(arr, i);
		json_int_t v = json_integer_value(item);

		if (!json_is_integer(item) || v < 0 || v > 0xfffffffeLL)
			return error_setf(e, -EINVAL, "%s.additionalGids[%zu]: expected a group id",
					  path, i);
		p->gids[i] = (gid_t)v;
	}
	return 0;
}

static int parse_caps(const json_t *obj, const char *where, struct spec_process *p, struct error *e)
{
	static const char *const keys[SPEC_CAP_COUNT] = { "bounding", "effective", "inheritable",
							  "permitted", "ambient" };
	char path[96];
	json_t *caps = NULL;
	int r;

	(void)snprintf(path, sizeof(path), "%s.capabilities", where);
	r = json_get_object(obj, where, "capabilities", &caps, e);
	if (r <= 0)
		return r;
	p->has_caps = true;
	for (int set = 0; set < SPEC_CAP_COUNT; set++) {
		json_t *arr = NULL;

		r = json_get_array(caps, path, keys[set], &arr, e);
		if (r < 0)
			return r;
		for (size_t i = 0; r > 0 && i < json_array_size(arr); i++) {
			const char *name = json_string_value(json_array_get(arr, i));
			int cap;

			if (name == NULL)
				return error_setf(e, -EINVAL, "%s.%s[%zu]: expected a string", path,
						  keys[set], i);
			cap = runtime_cap_parse(name);
			if (cap >= 0 && cap < 64)
				p->caps[set] |= 1ull << cap;
			else if (p->unknown_cap[0] == '\0')
				(void)snprintf(p->unknown_cap, sizeof(p->unknown_cap), "%s", name);
		}
	}
	return 0;
}

/* Limits reach 2^64-1; jansson keeps integers signed, base/json.h turns larger ones into reals or refuses them. */
static int get_limit(const json_t *item, const char *where, const char *key, uint64_t *ret,
		     struct error *e)
{
	const json_t *v = json_object_get(item, key);

	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);

		/* -1 and the largest signed number are how some writers say "unlimited" */
		*ret = n < 0 || n == INT64_MAX ? UINT64_MAX : (uint64_t)n;
		return 0;
	}
	if (json_is_real(v) && json_real_value(v) >= 9.2e18) {
		*ret = UINT64_MAX;
		return 0;
	}
	return error_setf(e, -EINVAL, "%s.%s: expected a number", where, key);
}

static int parse_rlimits(const json_t *obj, const char *where, struct spec_process *p,
			 struct error *e)
{
	json_t *arr = NULL;
	char path[96];
	size_t n;
	int r;

	r = json_get_array(obj, where, "rlimits", &arr, e);
	if (r <= 0)
		return r;
	n = json_array_size(arr);
	if (n > RLIM_NLIMITS)
		return error_setf(e, -EINVAL, "%s.rlimits: more than %d entries", where,
				  RLIM_NLIMITS);
	p->rlimits = calloc(n + 1, sizeof(*p->rlimits));
	if (p->rlimits == NULL)
		return error_set(e, -ENOMEM, "%s.rlimits", where);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(arr, i);
		struct spec_rlimit *l = &p->rlimits[i];

		(void)snprintf(path, sizeof(path), "%s.rlimits[%zu]", where, i);
		if (!json_is_object(item))
			return error_setf(e, -EINVAL, "%s: expected an object", path);
		if ((r = json_get_string(item, path, "type", &l->name, e)) < 0)
			return r;
		l->resource = l->name != NULL ? spec_rlimit_parse(l->name) : -EINVAL;
		if (l->resource < 0)
			return error_setf(e, -EINVAL, "%s.type: unknown limit \"%s\"", path,
					  l->name != NULL ? l->name : "");
		if ((r = get_limit(item, path, "soft", &l->soft, e)) < 0 ||
		    (r = get_limit(item, path, "hard", &l->hard, e)) < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (p->rlimits[k].resource == l->resource)
				return error_setf(e, -EINVAL, "%s.type: %s is given twice", path,
						  l->name);
		p->rlimits_n = i + 1;
	}
	return 0;
}

static int parse_scheduler(const json_t *obj, const char *where, struct spec_process *p,
			   struct error *e)
{
	static const char *const policies[] = { "SCHED_OTHER",	 "SCHED_FIFO", "SCHED_RR",
						"SCHED_BATCH",	 "SCHED_ISO",  "SCHED_IDLE",
						"SCHED_DEADLINE" };
	static const char *const flags[] = {
		"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
		"SCHED_FLAG_KEEP_POLICY",   "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
		"SCHED_FLAG_UTIL_CLAMP_MAX"
	};
	_cleanup_free_ const char **names = NULL;
	struct spec_scheduler *s = &p->sched;
	const char *policy = NULL;
	json_t *o = NULL;
	char path[96];
	int64_t nice = 0, prio = 0, runtime = 0, deadline = 0, period = 0;
	size_t n = 0, k;
	int r;

	(void)snprintf(path, sizeof(path), "%s.scheduler", where);
	r = json_get_object(obj, where, "scheduler", &o, e);
	if (r <= 0)
		return r;
	if ((r = json_get_string(o, path, "policy", &policy, e)) < 0 ||
	    (r = json_get_int(o, path, "nice", -20, 19, &nice, e)) < 0 ||
	    (r = json_get_int(o, path, "priority", 0, 99, &prio, e)) < 0 ||
	    (r = json_get_int(o, path, "runtime", 0, INT64_MAX, &runtime, e)) < 0 ||
	    (r = json_get_int(o, path, "deadline", 0, INT64_MAX, &deadline, e)) < 0 ||
	    (r = json_get_int(o, path, "period", 0, INT64_MAX, &period, e)) < 0 ||
	    (r = spec_get_strings(o, path, "flags", &names, &n, e)) < 0)
		return r;
	for (k = 0; k < sizeof(policies) / sizeof(policies[0]); k++)
		if (policy != NULL && strcmp(policy, policies[k]) == 0)
			break;
	if (k == sizeof(policies) / sizeof(policies[0]))
		return error_setf(e, -EINVAL, "%s.policy: unknown policy \"%s\"", path,
				  policy != NULL ? policy : "");
	*s = (struct spec_scheduler){ .present = true,
				      .policy = (uint32_t)k,
				      .nice = (int32_t)nice,
				      .priority = (uint32_t)prio,
				      .runtime = (uint64_t)runtime,
				      .deadline = (uint64_t)deadline,
				      .period = (uint64_t)period };
	for (size_t i = 0; i < n; i++) {
		for (k = 0; k < sizeof(flags) / sizeof(flags[0]); k++)
			if (strcmp(names[i], flags[k]) == 0)
				break;
		if (k == sizeof(flags) / sizeof(flags[0]))
			return error_setf(e, -EINVAL, "%s.flags[%zu]: unknown flag \"%s\"", path, i,
					  names[i]);
		s->flags |= 1ull << k;
	}
	return 0;
}

static int parse_ioprio(const json_t *obj, const char *where, struct spec_process *p,
			struct error *e)
{
	static const char *const classes[] = { "", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
					       "IOPRIO_CLASS_IDLE" };
	const char *cls = NULL;
	json_t *o = NULL;
	char path[96];
	int64_t prio = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s.ioPriority", where);
	r = json_get_object(obj, where, "ioPriority", &o, e);
	if (r <= 0)
		return r;
	if ((r = json_get_string(o, path, "class", &cls, e)) < 0 ||
	    (r = json_get_int(o, path, "priority", 0, 7, &prio, e)) < 0)
		return r;
	for (int k = 1; k < 4; k++) {
		if (cls != NULL && strcmp(cls, classes[k]) == 0) {
			p->has_ioprio = true;
			p->ioprio = (k << 13) | (int32_t)prio;
			return 0;
		}
	}
	return error_setf(e, -EINVAL, "%s.class: unknown class \"%s\"", path,
			  cls != NULL ? cls : "");
}

static int parse_console_size(const json_t *obj, const char *where, struct spec_process *p,
			      struct error *e)
{
	char path[96];
	json_t *o = NULL;
	int64_t h = 0, w = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s.consoleSize", where);
	r = json_get_object(obj, where, "consoleSize", &o, e);
	if (r <= 0)
		return r;
	if ((r = json_get_int(o, path, "height", 0, 65535, &h, e)) < 0 ||
	    (r = json_get_int(o, path, "width", 0, 65535, &w, e)) < 0)
		return r;
	p->rows = (uint16_t)h;
	p->cols = (uint16_t)w;
	return 0;
}

static int parse_process(const json_t *obj, const char *where, struct spec_process *p,
			 struct error *e)
{
	json_t *aff = NULL;
	int64_t oom = 0;
	int r;

	if ((r = json_get_bool(obj, where, "terminal", &p->terminal, e)) < 0 ||
	    (r = parse_console_size(obj, where, p, e)) < 0 ||
	    (r = parse_user(obj, where, p, e)) < 0 ||
	    (r = spec_get_strings(obj, where, "args", &p->args, &p->args_n, e)) < 0 ||
	    (r = spec_get_strings(obj, where, "env", &p->env, &p->env_n, e)) < 0 ||
	    (r = json_get_string(obj, where, "cwd", &p->cwd, e)) < 0 ||
	    (r = parse_caps(obj, where, p, e)) < 0 || (r = parse_rlimits(obj, where, p, e)) < 0 ||
	    (r = json_get_bool(obj, where, "noNewPrivileges", &p->no_new_privs, e)) < 0)
		return r;
	r = json_get_int(obj, where, "oomScoreAdj", -1000, 1000, &oom, e);
	if (r < 0)
		return r;
	p->has_oom_score = r > 0;
	p->oom_score_adj = (int32_t)oom;
	if ((r = json_get_string(obj, where, "apparmorProfile", &p->apparmor, e)) < 0 ||
	    (r = json_get_string(obj, where, "selinuxLabel", &p->selinux, e)) < 0 ||
	    (r = parse_scheduler(obj, where, p, e)) < 0 ||
	    (r = parse_ioprio(obj, where, p, e)) < 0 ||
	    (r = json_get_object(obj, where, "execCPUAffinity", &aff, e)) < 0 ||
	    (r = json_get_string(aff, "process.execCPUAffinity", "initial",
				 &p->cpu_affinity_initial, e)) < 0 ||
	    (r = json_get_string(aff, "process.execCPUAffinity", "final", &p->cpu_affinity_final,
				 e)) < 0)
		return r;
	if (p->env_n > LIMIT_ENV)
		return error_setf(e, -E2BIG, "%s.env: more than %d entries", where, LIMIT_ENV);
	return 0;
}

int spec_process_parse(const json_t *obj, const char *where, struct spec_process *ret,
		       struct error *e)
{
	struct spec_process p = { .umask = -1 };
	int r;

	r = parse_process(obj, where, &p, e);
	if (r < 0) {
		spec_process_fini(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void spec_process_fini(struct spec_process *p)
{
	free(p->gids);
	free(p->args);
	free(p->env);
	free(p->rlimits);
	*p = (struct spec_process){ .umask = -1 };
}
