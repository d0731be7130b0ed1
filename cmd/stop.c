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
#include "cmd/out.h"
#include "cmd/verbs.h"

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
};

static const struct option_spec wait_options[] = {
	{ "ignore", 0, OPT_FLAG, offsetof(struct wait_options, ignore),
	  .help = "A missing container is no error" },
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

static int wait_one(struct storage *s, struct container *c, const char *said, void *data,
		    struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int exit_code;
	int r = container_wait(s, c, &exit_code, e);

	(void)said;
	(void)data;
	if (r < 0)
		return r;
	(void)buf_printf(&b, "%d\n", exit_code); /* out_write() sees a failure */
	return out_write(&b, e);
}

int cmd_wait(int argc, char **argv, const struct cmd_global *g)
{
	struct wait_options o = { .ignore = false };
	struct each each = { .verb = &cmd_verb_wait, .global = g, .fn = wait_one, .quiet = true };
	int code;
	int first = opt_parse(&cmd_verb_wait, argc, argv, &o, &code);

	if (first < 0)
		return code;
	each.latest = o.latest;
	each.ignore = o.ignore;
	return each_container(&each, argv + first, argc - first);
}
