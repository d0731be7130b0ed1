/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt image prune: remove the images that nothing uses.
 *
 * Theory of operation: candidates are the images without a name, with --all also those with
 * names; filters choose among them. Whether a container has one is decided by storage under its
 * locks at the moment of removal, so a container that comes meanwhile keeps its
 * image. Removed is by manifest digest, which names exactly what was listed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/events.h"
#include "cmd/image_filter.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"

struct options {
	bool all, external, force;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Remove all images that no container has, not only those without a name" },
	{ "external", 0, OPT_FLAG, offsetof(struct options, external),
	  .help = "Accepted for scripts: there are no containers of other programs" },
	{ "filter", 0, OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Remove only some, see crt images", .complete = IMAGE_FILTER_WORDS },
	{ "force", 'f', OPT_FLAG, offsetof(struct options, force), .help = "Do not ask" },
	OPTION_END
};

const struct cmd_verb cmd_verb_image_prune = {
	.name = "image prune",
	.run = cmd_image_prune,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Remove the images that nothing uses",
};

/* As podman: a question on the terminal, no without an answer. */
static bool confirmed(const struct options *o)
{
	char answer[16] = "";

	(void)printf("WARNING! This command removes all %s.\n"
		     "Are you sure you want to continue? [y/N] ",
		     o->all ? "images without at least one container associated with them" :
			      "dangling images");
	(void)fflush(stdout); /* a question that cannot be shown gets no answer */
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

/* 1: remove it, 0: not, -errno. One name that the filters choose is enough. */
static int is_chosen(struct storage *s, const struct options *o, const struct storage_image *image,
		     const struct strv *used, struct error *e)
{
	_cleanup_json_ json_t *labels = image_labels(image);
	struct image_item item = {
		.image = image, .labels = labels, .created = image_created(image), .used = used
	};
	int r = 0;

	if (image->is_readonly || (image->names.n > 0 && !o->all))
		return 0;
	for (size_t i = 0; r == 0 && i < (image->names.n > 0 ? image->names.n : 1); i++) {
		item.name = image->names.n > 0 ? image->names.v[i] : NULL;
		r = filter_pass(image_filters, &o->filters, &item, s, e);
	}
	return r;
}

static int prune(struct storage *s, const struct options *o, struct error *e)
{
	_cleanup_strv_ struct strv used = { .v = NULL };
	_cleanup_strv_ struct strv untagged = { .v = NULL };
	_cleanup_strv_ struct strv deleted = { .v = NULL };
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct storage_image *images = NULL;
	size_t n = 0;
	int r = filter_check(image_filters, &o->filters, s, e);

	if (r == 0)
		r = image_used(s, &used, e);
	if (r == 0)
		r = storage_image_list(s, &images, &n, e);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = is_chosen(s, o, &images[i], &used, e);
		if (r > 0)
			r = storage_image_remove(s, images[i].digest, STORAGE_REMOVE_NAMES,
						 &untagged, &deleted, e);
		if (r == -EBUSY || r == -ENOENT) { /* in use, or gone meanwhile */
			*e = ERROR_INIT;
			r = 0;
		}
	}
	storage_images_free(images, n);
	for (size_t i = 0; i < deleted.n; i++) {
		(void)buf_printf(&b, "%s\n", deleted.v[i]); /* out_write() sees a failure */
		events_object(s, "image", "remove", deleted.v[i], NULL);
	}
	return r < 0 ? r : out_write(&b, e);
}

int cmd_image_prune(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code;
	int first = opt_parse(&cmd_verb_image_prune, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&cmd_verb_image_prune, "crt image prune takes no arguments");
	} else if (first >= 0 && (o.force || confirmed(&o))) {
		code = 0;
		if (storage_open(g->root, false, &s, &e) < 0 || prune(s, &o, &e) < 0) {
			log_error(&e);
			code = EXIT_CRT;
		}
		if (s != NULL)
			inside_empty_trash(s);
		storage_free(s);
	}
	strv_fini(&o.filters);
	return code;
}
