/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt tag, crt untag: names of images.
 *
 * Theory of operation: see storage/tag.c, which does it. As podman, a name without a
 * registry is one of localhost, and an image without a name stays.
 */
#include <errno.h>

#include "base/log.h"
#include "cmd/events.h"
#include "cmd/opt.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_tag = {
	.name = "tag",
	.run = cmd_tag,
	.options = options,
	.usage = "IMAGE NAME...",
	.summary = "Give an image further names",
	.operands = OPERANDS_IMAGES,
};

const struct cmd_verb cmd_verb_untag = {
	.name = "untag",
	.run = cmd_untag,
	.options = options,
	.usage = "IMAGE [NAME...]",
	.summary = "Take names from an image",
	.details = "Without a name all are taken. The image stays.",
	.operands = OPERANDS_IMAGES,
};

int cmd_tag(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code, r;
	int first = opt_parse(&cmd_verb_tag, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (argc - first < 2)
		return opt_usage_error(&cmd_verb_tag, "crt tag needs an image and a new name");
	r = storage_open(g->root, false, &s, &e);
	if (r == 0)
		r = storage_image_tag(s, argv[first], argv + first + 1, (size_t)(argc - first - 1),
				      &e);
	for (int i = first + 1; r == 0 && i < argc; i++)
		events_object(s, "image", "tag", NULL, argv[i]);
	storage_free(s);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

int cmd_untag(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code, r;
	int first = opt_parse(&cmd_verb_untag, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (argc - first < 1)
		return opt_usage_error(&cmd_verb_untag, "crt untag needs an image");
	r = storage_open(g->root, false, &s, &e);
	if (r == 0)
		r = storage_image_untag(s, argv[first], argv + first + 1,
					(size_t)(argc - first - 1), &e);
	for (int i = argc - first > 1 ? first + 1 : first; r == 0 && i < argc; i++)
		events_object(s, "image", "untag", NULL, argv[i]);
	storage_free(s);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
