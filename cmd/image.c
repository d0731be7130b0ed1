/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt image: the verbs of images in one place.
 *
 * Theory of operation: podman and docker know most of them twice, as "images" and as
 * "image ls". The group lists the verbs of the top, each under its name in the group
 * (cmd_verb.grouped), and those that are only here.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

static const struct option_spec no_options[] = { OPTION_END };

/* ---- exists ------------------------------------------------------------------------------ */

static int image_exists(int argc, char **argv, const struct cmd_global *g);
static const struct cmd_verb verb_exists = {
	.name = "image exists",
	.run = image_exists,
	.options = no_options,
	.usage = "IMAGE",
	.summary = "Exit with 0 when an image is in the store, with 1 when not",
	.operands = OPERANDS_IMAGES,
};

static int image_exists(int argc, char **argv, const struct cmd_global *g)
{
	struct storage_image image = { 0 };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code, r;
	int first = opt_parse(&verb_exists, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&verb_exists, "crt image exists needs one image");
	r = storage_open(g->root, false, &s, &e);
	if (r == 0)
		r = storage_image_resolve(s, argv[first], &image, &e);
	storage_image_fini(&image);
	storage_free(s);
	if (r == STORAGE_FOUND || r == STORAGE_MISSING)
		return r == STORAGE_FOUND ? 0 : 1;
	log_error(&e);
	return EXIT_CRT;
}

/* ---- share -------------------------------------------------------------------------------- */

static int image_share(int argc, char **argv, const struct cmd_global *g);
static const struct cmd_verb verb_share = {
	.name = "image share",
	.run = image_share,
	.options = no_options,
	.usage = "",
	.summary = "Let everybody run the images of this store",
	.details = "Other users name the store in CRT_IMAGE_STORES or in the file image-stores.",
};

static int share(void *data, struct error *e)
{
	return storage_share(data, e);
}

static int image_share(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code, r;
	int first = opt_parse(&verb_share, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&verb_share, "crt image share takes no arguments");
	r = storage_open(g->root, true, &s, &e);
	if (r == 0)
		r = inside_run(share, s, &e);
	storage_free(s);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

/* ---- the group ----------------------------------------------------------------------------- */

/* one a line, so that additions do not meet */
/* clang-format off */
static const struct cmd_verb *const verbs[] = {
	&verb_exists,
	&cmd_verb_history,
	&cmd_verb_image_inspect,
	&cmd_verb_images,
	&cmd_verb_image_prune,
	&cmd_verb_pull,
	&cmd_verb_push,
	&cmd_verb_load,
	&cmd_verb_save,
	&cmd_verb_rmi,
	&verb_share,
	&cmd_verb_image_squash,
	&cmd_verb_tag,
	&cmd_verb_image_tree,
	&cmd_verb_untag,
	NULL,
};
/* clang-format on */

const struct cmd_verb cmd_verb_image = {
	.name = "image",
	.run = cmd_image,
	.options = no_options,
	.usage = "COMMAND [ARG...]",
	.summary = "Everything about images",
	.stops_at_operand = true,
	.verbs = verbs,
};

int cmd_image(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_image, argc, argv, g);
}
