/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt stop, crt kill, crt wait: the end of containers.
 *
 * Theory of operation: signals go through pidfds that were checked to be the
 * container's first process (container.c). stop notes in the bundle that the end
 * is wanted, so that no restart policy undoes it, sends the stop signal, waits,
 * kills. kill sends one signal; one that ends a process is wanted as well. wait
 * polls the pidfd and reads the exit code from the record afterwards. None of
 * them holds a lock while it waits.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/each.h"
#include "cmd/events.h"
#include "cmd/health.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "cmd/when.h"

/* ---- stop ------------------------------------------------------------------------------- */

struct stop_options {
	bool all, ignore, latest;
	unsigned int time;
	bool time_set;
};

static int on_time(void *data, const char *value, struct error *e)
{
	struct stop_options *o = data;
	unsigned long long n;

	if (strcmp(value, "-1") == 0)
		n = UINT32_MAX; /* as podman: wait for ever */
	else if (str_to_u64(value, INT32_MAX, &n) < 0)
		return error_setf(e, -EINVAL, "--time %s: not a number of seconds", value);
	o->time = (unsigned int)n;
	o->time_set = true;
	return 0;
}

static const struct option_spec stop_options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct stop_options, all),
	  .help = "Stop all running containers" },
	{ "ignore", 'i', OPT_FLAG, offsetof(struct stop_options, ignore),
	  .help = "A missing container is no error" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct stop_options, latest),
	  .help = "Stop the newest" },
	{ "time", 't', OPT_CALL, 0, .arg = "SECONDS",
	  .help = "Wait this long before SIGKILL (default: --stop-timeout of crt run)",
	  .call = on_time },
	OPTION_END
};

const struct cmd_verb cmd_verb_stop = {
	.name = "stop",
	.run = cmd_stop,
	.options = stop_options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Stop running containers",
	.operands = OPERANDS_CONTAINERS,
};

static int stop_one(struct storage *s, struct container *c, const char *said, void *data,
		    struct error *e)
{
	const struct stop_options *o = data;
	int r;

	(void)said;
	if (!storage_container_is_live(s, c->id))
		return 0; /* as podman: it is stopped */
	if (strcmp(c->state, "paused") == 0)
		return error_setf(e, -EBUSY, "container %s is paused: unpause it first", c->name);
	r = container_stop(s, c, o->time_set ? o->time : container_stop_timeout(c), e);
	if (r == 0)
		events_container(s, "stop", c, -1);
	return r;
}

static bool is_live(const struct container *c)
{
	return c->live;
}

int cmd_stop(int argc, char **argv, const struct cmd_global *g)
{
	struct stop_options o = { .all = false };
	struct each each = {
		.verb = &cmd_verb_stop, .global = g, .fn = stop_one, .wanted = is_live, .data = &o
	};
	int code;
	int first = opt_parse(&cmd_verb_stop, argc, argv, &o, &code);

	if (first < 0)
		return code;
	each.all = o.all;
	each.latest = o.latest;
	each.ignore = o.ignore;
	return each_container(&each, argv + first, argc - first);
}

/* ---- kill -------------------------------------------------------------------------------- */

struct kill_options {
	bool all, latest;
	const char *signal;
	int number;
};

static const struct option_spec kill_options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct kill_options, all),
	  .help = "Signal all running containers" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct kill_options, latest),
	  .help = "Signal the newest" },
	{ "signal", 's', OPT_STRING, offsetof(struct kill_options, signal), .arg = "SIGNAL",
	  .help = "Which signal, by name or number (default KILL)",
	  .complete = "KILL|TERM|HUP|INT|USR1|USR2" },
	OPTION_END
};

const struct cmd_verb cmd_verb_kill = {
	.name = "kill",
	.run = cmd_kill,
	.options = kill_options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Send a signal to running containers",
	.operands = OPERANDS_CONTAINERS,
};

static int kill_one(struct storage *s, struct container *c, const char *said, void *data,
		    struct error *e)
{
	const struct kill_options *o = data;
	int r = container_kill(s, c, o->number, e);

	(void)said;
	if (r == 0)
		events_container(s, "kill", c, -1);
	return r;
}

int cmd_kill(int argc, char **argv, const struct cmd_global *g)
{
	struct kill_options o = { .signal = "KILL" };
	struct each each = {
		.verb = &cmd_verb_kill, .global = g, .fn = kill_one, .wanted = is_live, .data = &o
	};
	int code;
	int first = opt_parse(&cmd_verb_kill, argc, argv, &o, &code);

	if (first < 0)
		return code;
	o.number = proc_signal_parse(o.signal);
	if (o.number <= 0)
		return opt_usage_error(&cmd_verb_kill, "--signal %s: invalid signal", o.signal);
	each.all = o.all;
	each.latest = o.latest;
	return each_container(&each, argv + first, argc - first);
}

/* ---- wait ----------------------------------------------------------------------------------- */

struct wait_options {
	bool ignore, latest;
	struct strv conditions;
	const char *interval;
	unsigned int interval_ms;
};

static const struct option_spec wait_options[] = {
	{ "condition", 0, OPT_LIST, offsetof(struct wait_options, conditions), .arg = "STATE",
	  .help = "Wait for this, or one of these: running, exited, healthy ... (default exited)",
	  .complete = "created|running|paused|exited|stopped|removing|healthy|unhealthy" },
	{ "ignore", 0, OPT_FLAG, offsetof(struct wait_options, ignore),
	  .help = "A missing container is no error" },
	{ "interval", 'i', OPT_STRING, offsetof(struct wait_options, interval), .arg = "DURATION",
	  .help = "Time between two looks at what cannot be waited for (default 250ms)" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct wait_options, latest),
	  .help = "Wait for the newest" },
	OPTION_END
};

const struct cmd_verb cmd_verb_wait = {
	.name = "wait",
	.run = cmd_wait,
	.options = wait_options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Wait until containers have ended and print their exit codes",
	.operands = OPERANDS_CONTAINERS,
};

/* podman's names */
static const char *const conditions[] = { "configured",	 "created",  "exited",	 "healthy",
					  "initialized", "paused",   "removing", "running",
					  "stopped",	 "stopping", "unhealthy" };

static bool is_known(const char *condition)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (strcmp(conditions[i], condition) == 0)
			return true;
	return false;
}

static bool is_health(const char *condition)
{
	return str_ends(condition, "healthy");
}

static bool fulfils(const struct container *c, const char *condition)
{
	if (is_health(condition))
		return container_is_running(c) && strcmp(health_status(c), condition) == 0;
	if (strcmp(condition, "stopped") == 0)
		condition = "exited";
	if (strcmp(condition, "configured") == 0 || strcmp(condition, "initialized") == 0)
		condition = "created";
	return strcmp(c->state, condition) == 0;
}

/* Can any of the conditions come true? */
static int check_hopeless(const struct container *c, const struct strv *wanted, struct error *e)
{
	bool ended = strcmp(c->state, "exited") == 0 && !c->live;

	for (size_t i = 0; i < wanted->n; i++) {
		if (!is_health(wanted->v[i]))
			return 0;
		if (*health_status(c) == '\0')
			return error_setf(e, -EINVAL,
					  "cannot wait for %s: container %s has no healthcheck",
					  wanted->v[i], c->name);
	}
	return !ended ? 0 :
			error_setf(e, -ESRCH, "container %s has ended: it does not become %s",
				   c->name, wanted->v[0]);
}

/* *ret_code: -1 unless it has ended. */
static int wait_conditions(struct storage *s, struct container *c, const struct wait_options *o,
			   int *ret_code, struct error *e)
{
	_cleanup_free_ char *id = strdup(c->id);
	const struct timespec ts = { .tv_sec = o->interval_ms / 1000,
				     .tv_nsec = (long)(o->interval_ms % 1000) * 1000000 };
	int r;

	if (id == NULL)
		return error_set(e, -ENOMEM, "waiting");
	for (;;) {
		for (size_t i = 0; i < o->conditions.n; i++)
			if (fulfils(c, o->conditions.v[i])) {
				*ret_code = strcmp(c->state, "exited") == 0 ? c->exit_code : -1;
				return 0;
			}
		r = check_hopeless(c, &o->conditions, e);
		if (r < 0)
			return r;
		(void)nanosleep(&ts, NULL); /* waking early is harmless */
		container_fini(c);
		r = container_load(s, id, c, e);
		for (size_t i = 0; r == -ENOENT && i < o->conditions.n; i++)
			if (strcmp(o->conditions.v[i], "removing") == 0 ||
			    strcmp(o->conditions.v[i], "exited") == 0) {
				*e = ERROR_INIT;
				*ret_code = -1; /* with --rm */
				return 0;
			}
		if (r < 0)
			return r;
	}
}

static int wait_one(struct storage *s, struct container *c, const char *said, void *data,
		    struct error *e)
{
	const struct wait_options *o = data;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int exit_code;
	int r = o->conditions.n == 0 ? container_wait(s, c, &exit_code, e) :
				       wait_conditions(s, c, o, &exit_code, e);

	(void)said;
	if (r < 0)
		return r;
	(void)buf_printf(&b, "%d\n", exit_code); /* out_write() sees a failure */
	return out_write(&b, e);
}

/* What can be waited for without looking again is not polled. */
static int check_wait(struct wait_options *o, struct error *e)
{
	unsigned long long ms;
	long long ns = 250000000;

	for (size_t i = 0; i < o->conditions.n; i++)
		if (!is_known(o->conditions.v[i]))
			return error_setf(e, -EINVAL,
					  "--condition %s: must be created, running, paused, "
					  "exited, stopped, removing, healthy or unhealthy",
					  o->conditions.v[i]);
	if (o->interval != NULL && str_to_u64(o->interval, INT32_MAX, &ms) == 0)
		ns = (long long)ms * 1000000;
	else if (o->interval != NULL && when_parse_duration(o->interval, &ns) < 0)
		return error_setf(e, -EINVAL, "--interval %s: must be a duration such as 250ms",
				  o->interval);
	o->interval_ms = ns < 1000000		  ? 1 :
			 ns / 1000000 > INT32_MAX ? INT32_MAX :
						    (unsigned int)(ns / 1000000);
	if (o->conditions.n == 1 && (strcmp(o->conditions.v[0], "exited") == 0 ||
				     strcmp(o->conditions.v[0], "stopped") == 0))
		strv_fini(&o->conditions);
	return 0;
}

int cmd_wait(int argc, char **argv, const struct cmd_global *g)
{
	struct wait_options o = { .ignore = false };
	struct each each = {
		.verb = &cmd_verb_wait, .global = g, .fn = wait_one, .quiet = true, .data = &o
	};
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_wait, argc, argv, &o, &code);

	each.latest = o.latest;
	each.ignore = o.ignore;
	if (first >= 0 && check_wait(&o, &e) < 0)
		code = opt_usage_error(&cmd_verb_wait, "%s", e.msg);
	else if (first >= 0)
		code = each_container(&each, argv + first, argc - first);
	strv_fini(&o.conditions);
	return code;
}
