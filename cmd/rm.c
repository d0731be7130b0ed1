/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt rm: remove containers.
 *
 * Theory of operation: a container that ended is moved to the trash by one
 * rename, which needs no rights over the files inside; the trash is emptied once
 * at the end as root of the user namespace. A living one is refused without
 * --force; with it, it is killed and its keeper awaited, because the keeper
 * still unmounts and writes the record. Exit codes are podman's: 1 when a
 * container does not exist, 2 when one is running.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "cmd/volumes.h"
#include "storage/storage.h"

#define EXIT_MISSING 1
#define EXIT_RUNNING 2

struct options {
	bool all, force, ignore, volumes;
	unsigned int time;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all), .help = "Remove all containers" },
	{ "force", 'f', OPT_FLAG, offsetof(struct options, force),
	  .help = "Kill and remove also running containers" },
	{ "ignore", 'i', OPT_FLAG, offsetof(struct options, ignore),
	  .help = "A missing container is no error" },
	{ "time", 't', OPT_UINT, offsetof(struct options, time), .arg = "SECONDS",
	  .help = "With --force: send the stop signal first and wait this long" },
	{ "volumes", 'v', OPT_FLAG, offsetof(struct options, volumes),
	  .help = "Remove also its volumes that have no name" },
	OPTION_END
};

const struct cmd_verb cmd_verb_rm = {
	.name = "rm",
	.grouped = "rm|remove",
	.run = cmd_rm,
	.options = options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Remove containers",
	.operands = OPERANDS_CONTAINERS,
};

/* Returns an exit code. */
static int remove_loaded(struct storage *s, struct container *c, const char *said,
			 const struct options *o)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct error e = ERROR_INIT;
	int r = 0;

	/* one that has ended may still be cleaned up by its keeper */
	if (c->live && !o->force && strcmp(c->state, "exited") != 0) {
		(void)error_setf(
			&e, -EBUSY,
			"cannot remove container %s as it is %s: stop it first, or use --force",
			said, strcmp(c->state, "paused") == 0 ? "paused" : "running");
		log_error(&e);
		return EXIT_RUNNING;
	}
	r = container_remove(s, c, o->time, &e);
	if (r == 0 && o->volumes)
		volumes_drop_anonymous(s, json_object_get(c->record, "volumes"));
	if (r == 0) {
		(void)buf_puts_escaped(&b, said, strlen(said)); /* out_write() sees a failure */
		(void)buf_putc(&b, '\n');
		r = out_write(&b, &e);
	}
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

static int remove_one(struct storage *s, const char *text, const struct options *o)
{
	struct container c = { .id = NULL };
	_cleanup_free_ char *id = NULL;
	struct error e = ERROR_INIT;
	int r = storage_container_find(s, text, &id, &e);
	int code;

	if (r == STORAGE_FOUND)
		r = container_load(s, id, &c, &e);
	if (r == STORAGE_MISSING || r == -ENOENT) {
		if (o->ignore || o->force)
			return 0;
		log_error(&e);
		return EXIT_MISSING;
	}
	if (r == 0) {
		code = remove_loaded(s, &c, text, o);
		container_fini(&c);
		return code;
	}
	/* A record that cannot be read must not make the container immortal. */
	if (id != NULL && o->force && !storage_container_is_live(s, id) &&
	    storage_container_remove(s, id, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

static int remove_all(struct storage *s, const struct options *o)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	struct error e = ERROR_INIT;
	int code = 0;

	if (storage_container_list(s, &ids, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	for (size_t i = 0; i < ids.n; i++) {
		int one = remove_one(s, ids.v[i], o);

		if (one != EXIT_MISSING && one > code) /* another crt rm was faster */
			code = one;
	}
	return code;
}

int cmd_rm(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code;
	int first = opt_parse(&cmd_verb_rm, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc && !o.all)
		return opt_usage_error(&cmd_verb_rm, "crt rm needs the name or id of a container");
	if (first < argc && o.all)
		return opt_usage_error(&cmd_verb_rm,
				       "--all cannot be combined with names of containers");
	if (storage_open(g->root, false, &s, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	code = o.all ? remove_all(s, &o) : 0;
	for (int i = first; i < argc; i++) {
		int one = remove_one(s, argv[i], &o);

		code = one > code ? one : code;
	}
	inside_empty_trash(s);
	storage_free(s);
	return code;
}
