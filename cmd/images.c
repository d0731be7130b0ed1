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
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	bool all, digests, no_heading, no_trunc, quiet;
	const char *format;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Accepted for scripts: all images are always shown" },
	{ "digests", 0, OPT_FLAG, offsetof(struct options, digests), .help = "Show the digests" },
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: reference=PATTERN, dangling=true|false, id=PREFIX",
	  .complete = "reference=|dangling=true|dangling=false|id=" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc), .help = "Show whole ids" },
	{ "noheading", 'n', OPT_FLAG, offsetof(struct options, no_heading),
	  .help = "Leave the heading out" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show only the ids" },
	OPTION_END
};

const struct cmd_verb cmd_verb_images = {
	.name = "images",
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

/* 1: shown, 0: not, -EINVAL. name may be NULL. */
static int passes(const struct options *o, const struct storage_image *image, const char *name,
		  struct error *e)
{
	for (size_t i = 0; i < o->filters.n; i++) {
		const char *filter = o->filters.v[i];
		bool want;

		if (str_starts(filter, "reference=")) {
			if (name == NULL || !name_matches(name, filter + strlen("reference=")))
				return 0;
		} else if (str_starts(filter, "id=")) {
			if (!str_starts(image->id, filter + strlen("id=")))
				return 0;
		} else if (str_starts(filter, "dangling=") &&
			   opt_parse_bool(filter + strlen("dangling="), &want) == 0) {
			if (want != (name == NULL))
				return 0;
		} else {
			return error_setf(
				e, -EINVAL,
				"filter \"%s\" is not known: use reference=, dangling= or id=",
				filter);
		}
	}
	return 1;
}

/* Refuse what is not known also when there is no image to try it on. */
static int check_filters(const struct options *o, struct error *e)
{
	const struct storage_image nothing = { .id = (char[]){ "" } };

	for (size_t i = 0; i < o->filters.n; i++) {
		struct options one = { .filters = { .v = &o->filters.v[i], .n = 1 } };
		int r = passes(&one, &nothing, "", e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_image(struct out_rows *rows, const struct options *o,
		     const struct storage_image *image, const char *only, struct error *e)
{
	_cleanup_json_ json_t *labels = image_labels(image);
	_cleanup_json_ json_t *data = NULL;
	time_t created = 0;
	size_t n = image->names.n > 0 ? image->names.n : 1;

	if (image->created == NULL || out_parse_time(image->created, &created) < 0)
		created = 0;
	data = image_data(image, created, labels);
	if (data == NULL)
		return error_set(e, -ENOMEM, "listing images");
	for (size_t i = 0; i < n; i++) {
		const char *name = image->names.n > 0 ? image->names.v[i] : NULL;
		int r = passes(o, image, name, e);

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
	size_t n = 0;
	int r;

	r = check_filters(o, e);
	if (r == 0)
		r = storage_open(g->root, false, &s, e);
	if (r == 0)
		r = storage_image_list(s, &images, &n, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing images");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_image(&rows, o, &images[i], only, e);
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
