/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt restart and crt rename.
 *
 * Theory of operation: restart is stop, then start, of each container; one that does
 * not run is only started. rename gives a container another name: the store's name
 * and the record change together (storage), and a name that is taken is refused by
 * the kernel's decision there. Inside a running container nothing changes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/each.h"
#include "cmd/events.h"
#include "cmd/start.h"
#include "cmd/verbs.h"

/* ---- restart ------------------------------------------------------------------------------ */

struct options {
	bool all, latest, running;
	unsigned int time;
	bool time_set;
	const struct cmd_global *global;
};

static int on_time(void *data, const char *value, struct error *e)
{
	struct options *o = data;
	unsigned long long n;

	if (str_to_u64(value, INT32_MAX, &n) < 0)
		return error_setf(e, -EINVAL, "--time %s: not a number of seconds", value);
	o->time = (unsigned int)n;
	o->time_set = true;
	return 0;
}

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all), .help = "Restart all containers" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest), .help = "Restart the newest" },
	{ "running", 0, OPT_FLAG, offsetof(struct options, running),
	  .help = "Restart all that run" },
	{ "time", 't', OPT_CALL, 0, .arg = "SECONDS",
	  .help = "Wait this long before SIGKILL (default: --stop-timeout of crt run)",
	  .call = on_time },
	OPTION_END
};

const struct cmd_verb cmd_verb_restart = {
	.name = "restart",
	.run = cmd_restart,
	.options = options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Stop and start containers",
	.operands = OPERANDS_CONTAINERS,
	.runs_containers = true,
};

static int restart_one(struct storage *s, struct container *c, const char *said, void *data,
		       struct error *e)
{
	const struct options *o = data;
	int code, r = 0;

	(void)said;
	if (json_is_true(json_object_get(c->record, "rm")) && container_is_running(c))
		return error_setf(e, -EINVAL,
				  "container %s goes with its end (--rm): it cannot be restarted",
				  c->name);
	if (strcmp(c->state, "paused") == 0)
		return error_setf(e, -EBUSY, "container %s is paused: unpause it first", c->name);
	if (storage_container_is_live(s, c->id))
		r = container_stop(s, c, o->time_set ? o->time : container_stop_timeout(c), e);
	if (r == 0)
		r = start_container(s, o->global, c, NULL, NULL, &code, e);
	if (r == 0)
		events_container(s, "restart", c, -1);
	return r;
}

int cmd_restart(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .global = g };
	struct each each = { .verb = &cmd_verb_restart, .global = g, .fn = restart_one, .data = &o };
	int code;
	int first = opt_parse(&cmd_verb_restart, argc, argv, &o, &code);

	if (first < 0)
		return code;
	each.all = o.all || o.running;
	each.latest = o.latest;
	each.wanted = o.running ? container_is_running : NULL;
	return each_container(&each, argv + first, argc - first);
}

/* ---- rename ------------------------------------------------------------------------------- */

static const struct option_spec no_options[] = { OPTION_END };

const struct cmd_verb cmd_verb_rename = {
	.name = "rename",
	.run = cmd_rename,
	.options = no_options,
	.usage = "CONTAINER NAME",
	.summary = "Give a container another name",
	.operands = OPERANDS_CONTAINERS,
};

static int rename_container(struct storage *s, const char *text, const char *name, struct error *e)
{
	struct container c = { .id = NULL };
	_cleanup_free_ char *record = NULL;
	int r = container_open(s, text, &c, e);

	if (r < 0)
		return r;
	if (json_object_set_new(c.record, "name", json_string(name)) < 0 ||
	    (record = json_to_text(c.record)) == NULL)
		r = error_set(e, -ENOMEM, "renaming %s", text);
	if (r == 0)
		r = storage_container_rename(s, c.id, name, record, e);
	if (r == 0)
		events_container(s, "rename", &c, -1);
	container_fini(&c);
	return r;
}

int cmd_rename(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	char unused;
	int code;
	int first = opt_parse(&cmd_verb_rename, argc, argv, &unused, &code);

	if (first < 0)
		return code;
	if (argc - first != 2)
		return opt_usage_error(&cmd_verb_rename, "a container and its new name are needed");
	code = 0;
	if (storage_open(g->root, false, &s, &e) < 0 ||
	    rename_container(s, argv[first], argv[first + 1], &e) < 0) {
		log_error(&e);
		code = EXIT_CRT;
	}
	storage_free(s);
	return code;
}
