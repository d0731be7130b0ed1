/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt rmi: remove images.
 *
 * Theory of operation: storage takes the names out of the index and moves what
 * nothing else needs to its trash; the trash is emptied as root of the user
 * namespace, since layers hold files of subordinate ids. Exit codes are
 * podman's: 1 when an image does not exist, 2 when one is used by a container.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/events.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

#define EXIT_MISSING 1
#define EXIT_IN_USE  2

struct options {
	bool all, force, ignore, no_prune;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all), .help = "Remove all images" },
	{ "force", 'f', OPT_FLAG, offsetof(struct options, force),
	  .help = "Remove also images that stopped containers use" },
	{ "ignore", 'i', OPT_FLAG, offsetof(struct options, ignore),
	  .help = "A missing image is no error" },
	{ "no-prune", 0, OPT_FLAG, offsetof(struct options, no_prune),
	  .help = "Accepted for scripts: parents of an image are images of their own" },
	OPTION_END
};

const struct cmd_verb cmd_verb_rmi = {
	.name = "rmi",
	.grouped = "rm|remove",
	.run = cmd_rmi,
	.options = options,
	.usage = "[OPTIONS] IMAGE...",
	.summary = "Remove images",
	.operands = OPERANDS_IMAGES,
};

/* What was removed, as podman says it. */
static int report(const struct strv *untagged, const struct strv *deleted, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < untagged->n; i++) {
		(void)buf_puts(&b, "Untagged: "); /* out_write() sees a failure */
		(void)buf_puts_escaped(&b, untagged->v[i], strlen(untagged->v[i]));
		(void)buf_putc(&b, '\n');
	}
	for (size_t i = 0; i < deleted->n; i++)
		(void)buf_printf(&b, "Deleted: %s\n", deleted->v[i]);
	return out_write(&b, e);
}

/* Remove one and return the exit code it asks for. */
static int remove_one(struct storage *s, const char *text, const struct options *o)
{
	_cleanup_strv_ struct strv untagged = { .v = NULL };
	_cleanup_strv_ struct strv deleted = { .v = NULL };
	struct error e = ERROR_INIT;
	int r = storage_image_remove(s, text, o->force ? STORAGE_REMOVE_FORCE : 0, &untagged,
				     &deleted, &e);

	if (r == STORAGE_MISSING || r == -ENOENT) {
		if (o->ignore || o->force)
			return 0;
		log_error(&e);
		return EXIT_MISSING;
	}
	for (size_t i = 0; r == 0 && i < untagged.n; i++)
		events_object(s, "image", "untag", NULL, untagged.v[i]);
	for (size_t i = 0; r == 0 && i < deleted.n; i++)
		events_object(s, "image", "remove", deleted.v[i], text);
	if (r == 0)
		r = report(&untagged, &deleted, &e);
	if (r == 0)
		return 0;
	log_error(&e);
	return r == -EBUSY ? EXIT_IN_USE : EXIT_CRT;
}

/* The worst of several exit codes: 125, then 2, then 1. */
static int worse(int a, int b)
{
	return a > b ? a : b;
}

static int remove_all(struct storage *s, const struct options *o)
{
	struct storage_image *images = NULL;
	struct error e = ERROR_INIT;
	size_t n = 0;
	int code = 0;

	if (storage_image_list(s, &images, &n, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	for (size_t i = 0; i < n; i++) {
		/* By each name, because an image with several is not removed by one of them. */
		for (size_t k = 0; k < images[i].names.n; k++)
			code = worse(code, remove_one(s, images[i].names.v[k], o));
		if (images[i].names.n == 0)
			code = worse(code, remove_one(s, images[i].id, o));
	}
	storage_images_free(images, n);
	return code;
}

int cmd_rmi(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code;
	int first = opt_parse(&cmd_verb_rmi, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc && !o.all)
		return opt_usage_error(&cmd_verb_rmi, "crt rmi needs the name or id of an image");
	if (first < argc && o.all)
		return opt_usage_error(&cmd_verb_rmi,
				       "--all cannot be combined with names of images");
	if (storage_open(g->root, false, &s, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	code = 0;
	if (o.all)
		code = remove_all(s, &o);
	for (int i = first; i < argc; i++)
		code = worse(code, remove_one(s, argv[i], &o));
	inside_empty_trash(s);
	storage_free(s);
	return code;
}
