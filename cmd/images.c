/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt images: the images of the store.
 *
 * Theory of operation: one row per name (an image without a name has one row
 * with <none>). The JSON objects have the keys of "podman images --format json".
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/filter.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	bool all, digests, no_heading, no_trunc, quiet;
	const char *format, *sort;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Accepted for scripts: all images are always shown" },
	{ "digests", 0, OPT_FLAG, offsetof(struct options, digests), .help = "Show the digests" },
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: reference=PATTERN, dangling=true|false, id=, label=, since= ...",
	  .complete =
		  "reference=|dangling=true|dangling=false|id=|label=|label!=|before=|since=|until=|"
		  "containers=true|containers=false" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
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
static const struct out_column columns_quiet[] = { { "IMAGE ID", "ID" }, { NULL, NULL } };

/* "docker.io/library/x:1" -> repository and tag; both "<none>" without a name. */
static int split_name(const char *name, char **ret_repository, char **ret_tag)
{
	const char *at = name != NULL ? strchr(name, '@') : NULL;
	const char *end = at != NULL ? at : name != NULL ? name + strlen(name) : NULL;
	const char *colon = end;

	if (name != NULL)
		while (colon > name && *colon != ':' && *colon != '/')
			colon--;
	if (name == NULL) {
		*ret_repository = strdup("<none>");
		*ret_tag = strdup("<none>");
	} else if (*colon == ':' && colon > name) {
		*ret_repository = strndup(name, (size_t)(colon - name));
		*ret_tag = strndup(colon + 1, (size_t)(end - colon - 1));
	} else {
		*ret_repository = strndup(name, (size_t)(end - name));
		*ret_tag = strdup("<none>");
	}
	return *ret_repository != NULL && *ret_tag != NULL ? 0 : -ENOMEM;
}

static json_t *image_labels(const struct storage_image *image)
{
	_cleanup_json_ json_t *config =
		json_parse(image->config, image->config_len, "image configuration", NULL);
	json_t *labels = json_object_get(json_object_get(config, "config"), "Labels");

	return json_is_object(labels) ? json_incref(labels) : json_null();
}

static json_t *image_data(const struct storage_image *image, time_t created, json_t *labels)
{
	json_t *names = json_array();
	json_t *digests = json_array();

	for (size_t i = 0; i < image->names.n; i++) {
		const char *name = image->names.v[i];
		_cleanup_free_ char *repository = NULL;
		_cleanup_free_ char *tag = NULL;
		_cleanup_free_ char *digest = NULL;

		(void)json_array_append_new(
			names, json_string(name)); /* a shorter list is better than none */
		if (image->digest != NULL && split_name(name, &repository, &tag) == 0 &&
		    (digest = str_printf("%s@%s", repository, image->digest)) != NULL)
			(void)json_array_append_new(digests, json_string(digest));
	}
	return json_pack("{s:s, s:O, s:o, s:o, s:s, s:I, s:I, s:s, s:O}", "Id", image->id, "Names",
			 names, "RepoTags", json_incref(names), "RepoDigests", digests, "Digest",
			 image->digest != NULL ? image->digest : "", "Size",
			 (json_int_t)image->size, "Created", (json_int_t)created, "CreatedAt",
			 image->created != NULL ? image->created : "", "Labels", labels);
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

	if (split_name(name, &repository, &tag) < 0)
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
			    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "ID", id,
				      "Repository", repository, "Tag", tag, "Digest",
				      image->digest != NULL ? image->digest : "<none>",
				      "CreatedSince", since, "CreatedAt", at, "Size", size,
				      "Labels", labels),
			    json_incref((json_t *)(uintptr_t)data));
}

/* True when the name, its last component or its repository matches the shell pattern. */
static bool name_matches(const char *name, const char *pattern)
{
	_cleanup_free_ char *repository = NULL;
	_cleanup_free_ char *tag = NULL;
	const char *last = strrchr(name, '/');

	if (split_name(name, &repository, &tag) < 0)
		return false;
	if (fnmatch(pattern, name, 0) == 0 || fnmatch(pattern, repository, 0) == 0)
		return true;
	if (last == NULL)
		return false;
	if (fnmatch(pattern, last + 1, 0) == 0)
		return true;
	last = strrchr(repository, '/');
	return last != NULL && fnmatch(pattern, last + 1, 0) == 0;
}

/* ---- filters: item is a struct image_name, data all images ------------------------------------- */

/* One line of the listing. */
struct image_name {
	const struct storage_image *image;
	const char *name; /* NULL: it has none */
	const json_t *labels;
	time_t created;
	const struct strv *used; /* ids of the images that containers have */
};

struct all {
	struct storage *store;
	const struct storage_image *images;
	size_t n;
};

static int by_reference(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;

	(void)data;
	(void)e; /* every text is one */
	return i == NULL || (i->name != NULL && name_matches(i->name, value));
}

static int by_id(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;

	(void)data;
	(void)e; /* every text is one */
	return i == NULL || str_starts(i->image->id, value);
}

static int by_dangling(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;
	int want = filter_bool("dangling", value, e);

	(void)data;
	return want < 0 || i == NULL ? want : (want > 0) == (i->name == NULL);
}

/* Nothing is ever read-only or left by a build. */
static int by_never(const void *item, const char *value, void *data, struct error *e)
{
	int want = filter_bool("readonly or intermediate", value, e);

	(void)item;
	(void)data;
	return want < 0 ? want : want == 0;
}

static int by_containers(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;
	int want = filter_bool("containers", value, e);
	bool used = false;

	(void)data;
	if (want < 0 || i == NULL)
		return want;
	for (size_t k = 0; k < i->used->n; k++)
		used = used || strcmp(i->used->v[k], i->image->id) == 0;
	return (want > 0) == used;
}

static int by_label(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;

	(void)data;
	(void)e; /* every text is one */
	return i == NULL || filter_label(i->labels, value);
}

static int by_no_label(const void *item, const char *value, void *data, struct error *e)
{
	return item == NULL || !by_label(item, value, data, e);
}

static int by_until(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;
	time_t t;

	(void)data;
	if (out_parse_until(value, time(NULL), &t) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is neither a time nor a duration", value);
	return i == NULL || i->created < t;
}

static time_t created_of(const struct storage_image *image)
{
	time_t t = 0;

	return image->created != NULL && out_parse_time(image->created, &t) == 0 ? t : 0;
}

/* The time of another image, -ENOENT. */
static int time_of(struct all *all, const char *name, time_t *ret, struct error *e)
{
	struct storage_image other = { 0 };
	int r = storage_image_resolve(all->store, name, &other, e);

	if (r != STORAGE_FOUND)
		return r < 0 ? r : -ENOENT;
	*ret = created_of(&other);
	storage_image_fini(&other);
	return 0;
}

static int by_before(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;
	time_t t = 0;
	int r = time_of(data, value, &t, e);

	return r < 0 ? r : i == NULL || i->created < t;
}

static int by_since(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_name *i = item;
	time_t t = 0;
	int r = time_of(data, value, &t, e);

	return r < 0 ? r : i == NULL || i->created > t;
}

static const struct filter_spec filters[] = {
	{ "reference", false, by_reference },
	{ "dangling", false, by_dangling },
	{ "id", false, by_id },
	{ "label", true, by_label },
	{ "label!", true, by_no_label },
	{ "before", false, by_before },
	{ "since", false, by_since },
	{ "after", false, by_since },
	{ "until", false, by_until },
	{ "containers", false, by_containers },
	{ "readonly", false, by_never },
	{ "intermediate", false, by_never },
	{ NULL, false, NULL },
};

/* Ids of the images that containers were made of. */
static int used_images(struct storage *s, struct strv *ret, struct error *e)
{
	struct container *all = NULL;
	size_t n = 0;
	int r = container_list(s, &all, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (strv_add(ret, all[i].image_id) < 0)
			r = error_set(e, -ENOMEM, "listing containers");
	containers_free(all, n);
	return r;
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
		return (created_of(x) < created_of(y)) - (created_of(x) > created_of(y));
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
		     const struct storage_image *image, const char *only, struct all *all,
		     const struct strv *used, struct error *e)
{
	_cleanup_json_ json_t *labels = image_labels(image);
	_cleanup_json_ json_t *data = NULL;
	time_t created = created_of(image);
	size_t n = image->names.n > 0 ? image->names.n : 1;

	data = image_data(image, created, labels);
	if (data == NULL)
		return error_set(e, -ENOMEM, "listing images");
	for (size_t i = 0; i < n; i++) {
		const char *name = image->names.n > 0 ? image->names.v[i] : NULL;
		struct image_name item = { .image = image,
					   .name = name,
					   .labels = labels,
					   .created = created,
					   .used = used };
		int r = filter_pass(filters, &o->filters, &item, all, e);

		if (r < 0)
			return r;
		if (r == 0 || (only != NULL && (name == NULL || !name_matches(name, only))))
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
	struct all all;
	size_t n = 0;
	int r;

	r = storage_open(g->root, false, &s, e);
	if (r == 0)
		r = storage_image_list(s, &images, &n, e);
	all = (struct all){ .store = s, .images = images, .n = n };
	if (r == 0)
		r = filter_check(filters, &o->filters, &all, e);
	if (r == 0 && filter_has(&o->filters, "containers"))
		r = used_images(s, &used, e);
	if (r == 0)
		r = sort(images, n, o->sort, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing images");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_image(&rows, o, &images[i], only, &all, &used, e);
	if (r == 0)
		r = out_print(&rows,
			      o->quiet	 ? columns_quiet :
			      o->digests ? columns_digests :
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
