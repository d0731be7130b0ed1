/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt image tree: the layers of an image, and which images end with one of them.
 *
 * Theory of operation: a layer is known by the digests of itself and all below it; an image
 * ends with a layer when its own list of layers ends there. With --whatrequires the images are
 * shown that begin with all layers of this one. Lines are drawn as podman does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	bool what_requires;
};

static const struct option_spec options[] = {
	{ "whatrequires", 0, OPT_FLAG, offsetof(struct options, what_requires),
	  .help = "Show the images that are built on this one" },
	OPTION_END
};

const struct cmd_verb cmd_verb_image_tree = {
	.name = "image tree",
	.run = cmd_image_tree,
	.options = options,
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show the layers of an image",
	.operands = OPERANDS_IMAGES,
};

/* Does image consist of the first n layers of other (n: of all of them), and of no more with exactly? */
static bool begins_with(const struct storage_image *image, const struct storage_image *other,
			size_t n, bool exactly)
{
	if (image->layers.n < n || (exactly && image->layers.n != n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(image->layers.v[i], other->layers.v[i]) != 0)
			return false;
	return true;
}

static void put_names(struct buf *b, const struct storage_image *image)
{
	for (size_t i = 0; i < image->names.n; i++) {
		if (i > 0)
			(void)buf_putc(b, ' ');
		(void)buf_puts_escaped(b, image->names.v[i], strlen(image->names.v[i]));
	}
	if (image->names.n == 0)
		(void)buf_printf(b, "%.12s", image->id);
}

/* The first 12 digits of the layer, and its bytes. */
static void put_layer(struct buf *b, struct storage *s, const json_t *ids, size_t i)
{
	const char *id = json_string_value(json_array_get(ids, i));
	_cleanup_free_ char *size = NULL;

	if (id == NULL || strlen(id) < sizeof("sha256:") + 11)
		return;
	size = out_size(storage_layer_size(s, id));
	(void)buf_printf(b, "ID: %.12s Size: %7s", id + sizeof("sha256:") - 1,
			 size != NULL ? size : "?");
}

static int put_layers(struct buf *b, struct storage *s, const struct storage_image *image,
		      const struct storage_image *all, size_t n, struct error *e)
{
	_cleanup_json_ json_t *config =
		json_parse(image->config, image->config_len, "image configuration", e);
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");

	if (config == NULL)
		return e->code;
	(void)buf_puts(b, "Image Layers\n");
	for (size_t i = 0; i < image->layers.n; i++) {
		bool any = false;

		(void)buf_puts(b, i + 1 < image->layers.n ? "├── " : "└── ");
		put_layer(b, s, ids, i);
		for (size_t k = 0; k < n; k++) {
			if (!begins_with(&all[k], image, i + 1, true))
				continue;
			(void)buf_puts(b, any ? " " : " Top Layer of: [");
			put_names(b, &all[k]);
			any = true;
		}
		(void)buf_puts(b, any ? "]\n" : "\n");
	}
	return 0;
}

static void put_children(struct buf *b, const struct storage_image *image,
			 const struct storage_image *all, size_t n)
{
	size_t left = 0;

	for (size_t k = 0; k < n; k++)
		left += begins_with(&all[k], image, image->layers.n, false);
	(void)buf_puts(b, "Images\n");
	for (size_t k = 0; k < n; k++) {
		if (!begins_with(&all[k], image, image->layers.n, false))
			continue;
		(void)buf_printf(b, "%sID: %.12s [", --left > 0 ? "├── " : "└── ", all[k].id);
		put_names(b, &all[k]);
		(void)buf_puts(b, "]\n");
	}
}

static int tree(const struct options *o, struct storage *s, const char *text, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *size = NULL;
	struct storage_image image = { 0 };
	struct storage_image *all = NULL;
	size_t n = 0;
	int r = storage_image_resolve(s, text, &image, e);

	if (r == STORAGE_MISSING)
		r = -ENOENT;
	if (r == 0)
		r = storage_image_list(s, &all, &n, e);
	if (r == 0) {
		size = out_size(image.size);
		(void)buf_printf(&b, "Image ID: %.12s\nTags:     [", image.id);
		put_names(&b, &image);
		(void)buf_printf(&b, "]\nSize:     %s\n", size != NULL ? size : "?");
		if (o->what_requires)
			put_children(&b, &image, all, n);
		else
			r = put_layers(&b, s, &image, all, n, e);
	}
	if (r == 0)
		r = out_write(&b, e); /* also sees that memory was short */
	storage_images_free(all, n);
	storage_image_fini(&image);
	return r;
}

int cmd_image_tree(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .what_requires = false };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code, r;
	int first = opt_parse(&cmd_verb_image_tree, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&cmd_verb_image_tree, "crt image tree needs one image");
	r = storage_open(g->root, false, &s, &e);
	if (r == 0)
		r = tree(&o, s, argv[first], &e);
	storage_free(s);
	if (r == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
