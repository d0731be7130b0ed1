/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt system: prune, check, reset, and df (system_df.c).
 *
 * Theory of operation: prune is crt container prune, crt image prune and crt volume prune one
 * after the other, so that what goes in one makes room for the next; what it says to have
 * got back was measured before and after. check is storage/check.c. reset ends and removes every
 * container as crt rm -f does, and then deletes the store's directories, the version last:
 * whatever interrupts it, another reset finishes it.
 */
#include "cmd/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd/container.h"
#include "cmd/du.h"
#include "cmd/inside.h"
#include "cmd/out.h"
#include "cmd/verbs.h"

static const struct option_spec no_options[] = { OPTION_END };

/* As podman: a question on the terminal, no without an answer. */
static bool confirmed(const char *warning)
{
	char answer[16] = "";

	(void)printf("WARNING! %s\nAre you sure you want to continue? [y/N] ", warning);
	(void)fflush(stdout); /* a question that cannot be shown gets no answer */
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

/* ---- prune ---------------------------------------------------------------------------------- */

struct prune_options {
	bool all, external, force, volumes;
	struct strv filters;
};

static const struct option_spec prune_options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct prune_options, all),
	  .help = "Remove all images that no container has, not only those without a name" },
	{ "external", 0, OPT_FLAG, offsetof(struct prune_options, external),
	  .help = "Accepted for scripts: there are no containers of other programs" },
	{ "filter", 0, OPT_STRINGS, offsetof(struct prune_options, filters), .arg = "KEY=VALUE",
	  .help = "Remove only some: until=, label=, label!=", .complete = "until=|label=|label!=" },
	{ "force", 'f', OPT_FLAG, offsetof(struct prune_options, force), .help = "Do not ask" },
	{ "volumes", 0, OPT_FLAG, offsetof(struct prune_options, volumes),
	  .help = "Remove volumes that no container has, too" },
	OPTION_END
};

static int prune_main(int argc, char **argv, const struct cmd_global *g);
static const struct cmd_verb verb_prune = {
	.name = "system prune",
	.run = prune_main,
	.options = prune_options,
	.usage = "[OPTIONS]",
	.summary = "Remove all containers that do not run, and what nothing uses",
};

/* Bytes on the disk of the whole store. */
static uint64_t measure(const struct cmd_global *g)
{
	struct storage *s = NULL;
	struct strv all = { .v = NULL };
	uint64_t size = 0;

	if (storage_open(g->root, false, &s, NULL) == 0 && strv_add(&all, ".") == 0)
		(void)du_paths(s, &all, &size, NULL); /* what cannot be read counts nothing */
	strv_fini(&all);
	storage_free(s);
	return size;
}

static int say(const char *text)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s\n", text); /* out_write() sees a failure */
	return out_write(&b, NULL);
}

/* Run "VERB prune -f [-a] [--filter F]..." and print its list under a heading. Returns the exit code. */
static int prune_one(const char *heading, const struct cmd_verb *verb, bool group, bool all,
		     const struct strv *filters, const struct cmd_global *g)
{
	static char prune[] = "prune", force[] = "-f", every[] = "-a", filter[] = "--filter";
	char **argv = calloc(6 + 2 * filters->n, sizeof(char *));
	_cleanup_free_ char *name = strdup(verb->name);
	int argc = 0, code;

	if (argv == NULL || name == NULL) {
		free(argv);
		return EXIT_CRT;
	}
	argv[argc++] = name;
	if (group)
		argv[argc++] = prune;
	argv[argc++] = force;
	if (all)
		argv[argc++] = every;
	for (size_t i = 0; i < filters->n; i++) {
		argv[argc++] = filter;
		argv[argc++] = filters->v[i];
	}
	(void)say(heading); /* the verb sees a failure */
	code = verb->run(argc, argv, g);
	free(argv);
	return code;
}

static int prune(const struct prune_options *o, const struct cmd_global *g)
{
	uint64_t before = measure(g), after;
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int code = prune_one("Deleted Containers", &cmd_verb_container_prune, false, false,
			     &o->filters, g);

	if (code == 0 && o->volumes)
		code = prune_one("Deleted Volumes", &cmd_verb_volume, true, false, &o->filters, g);
	if (code == 0)
		code = prune_one("Deleted Images", &cmd_verb_image_prune, false, o->all,
				 &o->filters, g);
	after = measure(g);
	text = out_size(before > after ? before - after : 0);
	(void)buf_printf(&b, "Total reclaimed space: %s\n", text != NULL ? text : "");
	return out_write(&b, NULL) < 0 ? EXIT_CRT : code;
}

static int prune_main(int argc, char **argv, const struct cmd_global *g)
{
	struct prune_options o = { .all = false };
	int code;
	int first = opt_parse(&verb_prune, argc, argv, &o, &code);

	if (first >= 0 && first < argc)
		code = opt_usage_error(&verb_prune, "crt system prune takes no arguments");
	else if (first >= 0)
		code = o.force || confirmed(
					  o.all ? "This command removes all stopped containers and all "
						  "images without at least one container." :
						  "This command removes all stopped containers and "
						  "dangling images.") ?
			       prune(&o, g) :
			       0;
	strv_fini(&o.filters);
	return code;
}

/* ---- check ------------------------------------------------------------------------------------ */

struct check_options {
	bool force, quick, repair;
};

static const struct option_spec check_options[] = {
	{ "force", 'f', OPT_FLAG, offsetof(struct check_options, force),
	  .help = "With --repair: remove containers without a readable record, too, and their files" },
	{ "quick", 'q', OPT_FLAG, offsetof(struct check_options, quick),
	  .help = "Only look whether everything is there, read no contents" },
	{ "repair", 'r', OPT_FLAG, offsetof(struct check_options, repair),
	  .help = "Remove what is damaged, so that it can be pulled again" },
	OPTION_END
};

static int check_main(int argc, char **argv, const struct cmd_global *g);
static const struct cmd_verb verb_check = {
	.name = "system check",
	.run = check_main,
	.options = check_options,
	.usage = "[OPTIONS]",
	.summary = "Look for damage in the store",
};

struct check {
	struct storage *s;
	unsigned int how;
};

static void print_finding(void *data, const struct storage_finding *f)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)data;
	(void)buf_printf(&b, "%s: %s%s\n", f->object, f->text, f->repaired ? " (removed)" : "");
	(void)out_write(&b, NULL); /* the exit code says it, too */
}

static int check_inside(void *data, struct error *e)
{
	struct check *c = data;

	return storage_check(c->s, c->how, print_finding, NULL, e);
}

static int check_main(int argc, char **argv, const struct cmd_global *g)
{
	struct check_options o = { .quick = false };
	struct check c = { .s = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_check, argc, argv, &o, &code);
	int r;

	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&verb_check, "crt system check takes no arguments");
	c.how = (o.quick ? (unsigned int)STORAGE_CHECK_QUICK : 0) |
		(o.repair ? (unsigned int)STORAGE_CHECK_REPAIR : 0) |
		(o.force ? (unsigned int)STORAGE_CHECK_FORCE : 0);
	r = storage_open(g->root, false, &c.s, &e);
	if (r == 0 && storage_root_fd(c.s) >= 0)
		r = inside_run(check_inside, &c, &e);
	if (c.s != NULL && o.repair)
		inside_empty_trash(c.s);
	storage_free(c.s);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

/* ---- reset ------------------------------------------------------------------------------------- */

struct reset_options {
	bool force;
};

static const struct option_spec reset_options[] = {
	{ "force", 'f', OPT_FLAG, offsetof(struct reset_options, force), .help = "Do not ask" },
	OPTION_END
};

static int reset_main(int argc, char **argv, const struct cmd_global *g);
static const struct cmd_verb verb_reset = {
	.name = "system reset",
	.run = reset_main,
	.options = reset_options,
	.usage = "[OPTIONS]",
	.summary = "Remove all containers, images and volumes, and the store itself",
};

static int remove_containers(struct storage *s, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	int r = storage_container_list(s, &ids, e);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		struct container c = { .id = NULL };

		r = container_load(s, ids.v[i], &c, e);
		if (r == 0)
			r = container_remove(s, &c, 0, e);
		else if (!storage_container_is_live(s, ids.v[i]))
			r = storage_container_remove(s, ids.v[i], e); /* a damaged record */
		if (r == -ENOENT)
			r = 0;
		container_fini(&c);
	}
	return r;
}

/* Everything that a store has, the version last: without it there is no store. */
static int remove_all(void *data, struct error *e)
{
	static const char *const names[] = { "names",	"containers", "oci",	"layers",
					     "volumes", "tmp",	      "trash",	"skeleton",
					     "empty",	"mnt",	      "driver", "squash" };
	struct storage *s = data;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		r = path_remove_tree(storage_root_fd(s), names[i], e);
	return r;
}

static int remove_files(struct storage *s, struct error *e)
{
	static const char *const names[] = { "events",	"events.1",	"index.lock", "names.lock",
					     "gc.lock", "volumes.lock", "version" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlinkat(storage_root_fd(s), names[i], 0) < 0 && errno != ENOENT)
			return error_set(e, -errno, "removing %s/%s", storage_root(s), names[i]);
	/* what else is there is not ours, and stays */
	(void)rmdir(storage_root(s));
	return 0;
}

static int reset_main(int argc, char **argv, const struct cmd_global *g)
{
	struct reset_options o = { .force = false };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code;
	int first = opt_parse(&verb_reset, argc, argv, &o, &code);
	int r;

	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&verb_reset, "crt system reset takes no arguments");
	if (!o.force && !confirmed("This will remove all containers, images and volumes."))
		return 0;
	r = storage_open(g->root, false, &s, &e);
	if (r == 0 && storage_root_fd(s) >= 0) {
		r = remove_containers(s, &e);
		if (r == 0)
			r = inside_run(remove_all, s, &e);
		if (r == 0)
			r = remove_files(s, &e);
	}
	storage_free(s);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

/* ---- the group ----------------------------------------------------------------------------------- */

/* one a line, so that additions do not meet */
/* clang-format off */
static const struct cmd_verb *const verbs[] = {
	&verb_check,
	&system_verb_df,
	&cmd_verb_events,
	&verb_prune,
	&verb_reset,
	NULL,
};
/* clang-format on */

const struct cmd_verb cmd_verb_system = {
	.name = "system",
	.run = cmd_system,
	.options = no_options,
	.usage = "COMMAND [ARG...]",
	.summary = "The store as a whole: how much it takes, removing what nothing uses, checking",
	.stops_at_operand = true,
	.verbs = verbs,
};

int cmd_system(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_system, argc, argv, g);
}
