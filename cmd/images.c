/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt images: the images of the store.
 *
 * Theory of operation: one row per name (an image without a name has one row
 * with <none>). The JSON objects have the keys of "podman images --format json".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/image_filter.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	bool all, digests, history, no_heading, no_trunc, quiet;
	const char *format, *sort;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Accepted for scripts: all images are always shown" },
	{ "digests", 0, OPT_FLAG, offsetof(struct options, digests), .help = "Show the digests" },
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: reference=PATTERN, dangling=true|false, id=, label=, since= ...",
	  .complete = IMAGE_FILTER_WORDS },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "history", 0, OPT_FLAG, offsetof(struct options, history),
	  .help = "Show all names of each image" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc), .help = "Show whole ids" },
	{ "noheading", 'n', OPT_FLAG, offsetof(struct options, no_heading),
	  .help = "Leave the heading out" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show only the ids" },
	{ "sort", 0, OPT_STRING, offsetof(struct options, sort), .arg = "COLUMN",
	  .help = "Sort by created, id, repository, size or tag",
	  .complete = "created|id|repository|size|tag" },
	OPTION_END
};

const struct cmd_verb cmd_verb_images = {
	.name = "images",
	.grouped = "ls|list",
	.run = cmd_images,
	.options = options,
	.usage = "[OPTIONS] [NAME]",
	.summary = "List images",
	.operands = OPERANDS_IMAGES,
};

static const struct out_column columns[] = {
	{ "REPOSITORY", "Repository" }, { "TAG", "Tag" },   { "IMAGE ID", "ID" },
	{ "CREATED", "CreatedSince" },	{ "SIZE", "Size" }, { NULL, NULL },
};
static const struct out_column columns_digests[] = {
	{ "REPOSITORY", "Repository" },
	{ "TAG", "Tag" },
	{ "DIGEST", "Digest" },
	{ "IMAGE ID", "ID" },
	{ "CREATED", "CreatedSince" },
	{ "SIZE", "Size" },
	{ NULL, NULL },
};
static const struct out_column columns_history[] = {
	{ "REPOSITORY", "Repository" },
	{ "TAG", "Tag" },
	{ "IMAGE ID", "ID" },
	{ "CREATED", "CreatedSince" },
	{ "SIZE", "Size" },
	{ "HISTORY", "History" },
	{ NULL, NULL },
};
static const struct out_column columns_quiet[] = { { "IMAGE ID", "ID" }, { NULL, NULL } };

static json_t *image_data(const struct storage_image *image, time_t created, json_t *labels,
			  const struct strv *used)
{
	json_t *names = json_array();
	json_int_t containers = 0;
	json_t *digests = json_array();

	for (size_t i = 0; i < image->names.n; i++) {
		const char *name = image->names.v[i];
		_cleanup_free_ char *repository = NULL;
		_cleanup_free_ char *tag = NULL;
		_cleanup_free_ char *digest = NULL;

		(void)json_array_append_new(
			names, json_string(name)); /* a shorter list is better than none */
		if (image->digest != NULL && image_split_name(name, &repository, &tag) == 0 &&
		    (digest = str_printf("%s@%s", repository, image->digest)) != NULL)
			(void)json_array_append_new(digests, json_string(digest));
	}
	for (size_t i = 0; i < used->n; i++)
		containers += strcmp(used->v[i], image->id) == 0;
	return json_pack(
		"{s:s, s:s, s:o, s:O, s:O, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:O, s:b, s:b}",
		"Id", image->id, "ParentId", "", "Names", names, "History", names, "RepoTags",
		names, "RepoDigests", digests, "Digest", image->digest != NULL ? image->digest : "",
		"Size", (json_int_t)image->size, "VirtualSize", (json_int_t)image->size,
		"SharedSize", (json_int_t)0, "Containers", containers, "Created",
		(json_int_t)created, "CreatedAt", image->created != NULL ? image->created : "",
		"Labels", labels, "Dangling", image->names.n == 0, "ReadOnly",
		(int)image->is_readonly);
}

static int add_row(struct out_rows *rows, const struct options *o,
		   const struct storage_image *image, const char *name, const json_t *data,
		   time_t created, json_t *labels)
{
	_cleanup_free_ char *repository = NULL;
	_cleanup_free_ char *tag = NULL;
	_cleanup_free_ char *id = out_id(image->id, o->no_trunc);
	_cleanup_free_ char *size = out_size(image->size);
	_cleanup_free_ char *since = NULL;
	_cleanup_free_ char *at = NULL;
	_cleanup_buf_ struct buf history = BUF_INIT;

	for (size_t i = 0; i < image->names.n; i++)
		(void)buf_printf(&history, "%s%s", i > 0 ? ", " : "", image->names.v[i]);
	if (history.err < 0 || image_split_name(name, &repository, &tag) < 0)
		return -ENOMEM;
	if (created > 0) {
		_cleanup_free_ char *ago = out_duration(created, time(NULL));

		since = ago != NULL ? str_printf("%s ago", ago) : NULL;
		at = out_time(created);
	} else {
		since = strdup("N/A");
		at = strdup("N/A");
	}
	if (id == NULL || size == NULL || since == NULL || at == NULL)
		return -ENOMEM;
	return out_rows_add(rows,
			    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "ID", id,
				      "Repository", repository, "Tag", tag, "Digest",
				      image->digest != NULL ? image->digest : "<none>",
				      "CreatedSince", since, "CreatedAt", at, "Size", size,
				      "History", buf_str(&history), "Labels", labels),
			    json_incref((json_t *)(uintptr_t)data));
}

/* ---- order ------------------------------------------------------------------------------------- */

static const char *first_name(const struct storage_image *i)
{
	return i->names.n > 0 ? i->names.v[0] : "";
}

static int compare(const void *a, const void *b, void *data)
{
	const struct storage_image *x = a, *y = b;
	const char *by = data;
	const char *p = first_name(x), *q = first_name(y);

	switch (by[0]) {
	case 'c': /* created: newest first, as without --sort */
		return (image_created(x) < image_created(y)) -
		       (image_created(x) > image_created(y));
	case 'i':
		return strcmp(x->id, y->id);
	case 's':
		return (x->size > y->size) - (x->size < y->size);
	case 't':
		p = strrchr(p, ':') != NULL ? strrchr(p, ':') : p;
		q = strrchr(q, ':') != NULL ? strrchr(q, ':') : q;
		return strcmp(p, q);
	default:
		return strcmp(p, q);
	}
}

static int sort(struct storage_image *images, size_t n, const char *by, struct error *e)
{
	static const char *const known[] = { "created", "id", "repository", "size", "tag" };

	for (size_t i = 0; by != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], by) != 0)
			continue;
		qsort_r(images, n, sizeof(*images), compare, (void *)(uintptr_t)by);
		return 0;
	}
	return by == NULL ?
		       0 :
		       error_setf(e, -EINVAL,
				  "--sort %s: must be created, id, repository, size or tag", by);
}

static int add_image(struct out_rows *rows, const struct options *o,
		     const struct storage_image *image, const char *only, struct storage *s,
		     const struct strv *used, struct error *e)
{
	_cleanup_json_ json_t *labels = image_labels(image);
	_cleanup_json_ json_t *data = NULL;
	time_t created = image_created(image);
	size_t n = image->names.n > 0 ? image->names.n : 1;

	data = image_data(image, created, labels, used);
	if (data == NULL)
		return error_set(e, -ENOMEM, "listing images");
	for (size_t i = 0; i < n; i++) {
		const char *name = image->names.n > 0 ? image->names.v[i] : NULL;
		struct image_item item = { .image = image,
					   .name = name,
					   .labels = labels,
					   .created = created,
					   .used = used };
		int r = filter_pass(image_filters, &o->filters, &item, s, e);

		if (r < 0)
			return r;
		if (r == 0 || (only != NULL && (name == NULL || !image_name_matches(name, only))))
			continue;
		r = add_row(rows, o, image, name, data, created, labels);
		if (r < 0)
			return error_set(e, r, "listing images");
		if (o->quiet || (o->format != NULL && strcmp(o->format, "json") == 0))
			break; /* once per image, not per name */
	}
	return 0;
}

static int list(const struct options *o, const struct cmd_global *g, const char *only,
		struct error *e)
{
	struct storage *s = NULL;
	struct storage_image *images = NULL;
	struct out_rows rows = { NULL, NULL };
	_cleanup_strv_ struct strv used = { .v = NULL };
	size_t n = 0;
	int r;

	r = storage_open(g->root, false, &s, e);
	if (r == 0)
		r = storage_image_list(s, &images, &n, e);
	if (r == 0)
		r = filter_check(image_filters, &o->filters, s, e);
	if (r == 0 && (filter_has(&o->filters, "containers") || o->format != NULL))
		r = image_used(s, &used, e);
	if (r == 0)
		r = sort(images, n, o->sort, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing images");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_image(&rows, o, &images[i], only, s, &used, e);
	if (r == 0)
		r = out_print(&rows,
			      o->quiet	 ? columns_quiet :
			      o->digests ? columns_digests :
			      o->history ? columns_history :
					   columns,
			      o->format, o->quiet || o->no_heading, e);
	out_rows_fini(&rows);
	storage_images_free(images, n);
	storage_free(s);
	return r;
}

int cmd_images(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_images, argc, argv, &o, &code);

	if (first >= 0 && argc - first > 1) {
		code = opt_usage_error(&cmd_verb_images, "crt images takes at most one name");
	} else if (first >= 0) {
		code = list(&o, g, first < argc ? argv[first] : NULL, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.filters);
	return code;
}
