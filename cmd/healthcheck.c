/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt healthcheck run.
 *
 * Theory of operation: one run of the check (health.c), by hand or, with --monitor, by the
 * container's crt-monitor, whose child this is then: root of the container's user
 * namespace, told by the exit code (enum monitor_health) what is to be done next. By
 * hand the exit codes are podman's, and what --health-on-failure says is done here.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/container.h"
#include "cmd/health.h"
#include "cmd/monitor.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/start.h"
#include "cmd/verbs.h"

#define EXIT_UNHEALTHY 1 /* podman's */

struct options {
	bool monitor;
};

static int run(int argc, char **argv, const struct cmd_global *g);

static const struct option_spec run_options[] = {
	{ "monitor", 0, OPT_FLAG, offsetof(struct options, monitor), .help = NULL },
	OPTION_END
};
static const struct cmd_verb verb_run = {
	.name = "healthcheck run",
	.run = run,
	.options = run_options,
	.usage = "CONTAINER",
	.summary = "Run the health check of a container once",
	.operands = OPERANDS_CONTAINERS,
	.runs_containers = true,
};
static const struct cmd_verb *const verbs[] = { &verb_run, NULL };

static const struct option_spec no_options[] = { OPTION_END };
const struct cmd_verb cmd_verb_healthcheck = {
	.name = "healthcheck",
	.run = cmd_healthcheck,
	.options = no_options,
	.usage = "COMMAND [ARG...]",
	.summary = "Check the health of containers",
	.stops_at_operand = true,
	.verbs = verbs,
	.runs_containers = true,
};

static int answer(const struct health_outcome *o)
{
	switch (o->action) {
	case HEALTH_ACTION_KILL:
		return MONITOR_HEALTH_KILL;
	case HEALTH_ACTION_STOP:
		return MONITOR_HEALTH_STOP;
	case HEALTH_ACTION_RESTART:
		return MONITOR_HEALTH_RESTART;
	case HEALTH_ACTION_NONE:
	case HEALTH_ACTION_COUNT:
	default:
		return o->healthy      ? MONITOR_HEALTH_OK :
		       o->restart      ? MONITOR_HEALTH_RESTART :
		       o->startup_done ? MONITOR_HEALTH_REGULAR :
					 MONITOR_HEALTH_STARTUP;
	}
}

/* What the monitor would do. */
static int act(struct storage *s, const struct cmd_global *g, struct container *c,
	       const struct health_outcome *o, struct error *e)
{
	_cleanup_fd_ int pid_fd = -1;
	int r = 0, code;

	if (o->action == HEALTH_ACTION_KILL) {
		pid_fd = container_pidfd(s, c);
		if (pid_fd >= 0)
			(void)proc_pidfd_send_signal(pid_fd, SIGKILL); /* ended: fine */
	}
	if (o->action == HEALTH_ACTION_STOP || o->action == HEALTH_ACTION_RESTART || o->restart)
		r = container_stop(s, c, container_stop_timeout(c), e);
	if (r == 0 && (o->action == HEALTH_ACTION_RESTART || o->restart))
		r = start_container(s, g, c, NULL, NULL, &code, e);
	return r;
}

static int run_one(const struct options *o, const struct cmd_global *g, const char *name,
		   struct error *e)
{
	struct container c = { .id = NULL };
	struct health_outcome outcome;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct storage *s = NULL;
	int code = EXIT_CRT;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = container_open(s, name, &c, e);
	if (r == 0)
		r = health_run(s, &c, &outcome, e);
	if (r == 0 && o->monitor) {
		code = answer(&outcome);
	} else if (r == 0) {
		code = outcome.ok ? 0 : EXIT_UNHEALTHY;
		if (outcome.shown != NULL) {
			(void)buf_printf(&b, "%s\n", outcome.shown); /* out_write() sees it */
			r = out_write(&b, e);
		}
		if (r == 0)
			r = act(s, g, &c, &outcome, e);
	}
	container_fini(&c);
	storage_free(s);
	return r < 0 ? EXIT_CRT : code;
}

static int run(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .monitor = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_run, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&verb_run, "the name or id of one container is needed");
	code = run_one(&o, g, argv[first], &e);
	if (e.code != 0)
		log_error(&e);
	return code;
}

int cmd_healthcheck(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_healthcheck, argc, argv, g);
}
