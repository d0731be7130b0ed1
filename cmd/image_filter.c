/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --filter of images and image prune, and what else both need of an image.
 *
 * Theory of operation: the keys are podman's and docker's. An item is one name of an image;
 * an image without a name is one item. Labels come from the image's configuration, which is
 * foreign: they are compared, never interpreted.
 */
#include "cmd/image_filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/container.h"
#include "cmd/out.h"

int image_split_name(const char *name, char **ret_repository, char **ret_tag)
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

json_t *image_labels(const struct storage_image *image)
{
	_cleanup_json_ json_t *config =
		json_parse(image->config, image->config_len, "image configuration", NULL);
	json_t *labels = json_object_get(json_object_get(config, "config"), "Labels");

	return json_is_object(labels) ? json_incref(labels) : json_null();
}

time_t image_created(const struct storage_image *image)
{
	time_t t = 0;

	return image->created != NULL && out_parse_time(image->created, &t) == 0 ? t : 0;
}

bool image_name_matches(const char *name, const char *pattern)
{
	_cleanup_free_ char *repository = NULL;
	_cleanup_free_ char *tag = NULL;
	const char *last = strrchr(name, '/');

	if (image_split_name(name, &repository, &tag) < 0)
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

int image_used(struct storage *s, struct strv *ret, struct error *e)
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

/* ---- the keys: item is a struct image_item, data the store ---------------------------------- */

static int by_reference(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;

	(void)data;
	(void)e; /* every text is one */
	return i == NULL || (i->name != NULL && image_name_matches(i->name, value));
}

static int by_id(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;

	(void)data;
	(void)e; /* every text is one */
	return i == NULL || str_starts(i->image->id, value);
}

static int by_dangling(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;
	int want = filter_bool("dangling", value, e);

	(void)data;
	return want < 0 || i == NULL ? want : (want > 0) == (i->name == NULL);
}

static int by_readonly(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;
	int want = filter_bool("readonly", value, e);

	(void)data;
	return want < 0 || i == NULL ? want : (want > 0) == i->image->is_readonly;
}

/* Nothing is left by a build. */
static int by_never(const void *item, const char *value, void *data, struct error *e)
{
	int want = filter_bool("intermediate", value, e);

	(void)item;
	(void)data;
	return want < 0 ? want : want == 0;
}

static int by_containers(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;
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
	const struct image_item *i = item;

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
	const struct image_item *i = item;
	time_t t;

	(void)data;
	if (out_parse_until(value, time(NULL), &t) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is neither a time nor a duration", value);
	return i == NULL || i->created < t;
}

/* The time of another image, -ENOENT. */
static int time_of(struct storage *s, const char *name, time_t *ret, struct error *e)
{
	struct storage_image other = { 0 };
	int r = storage_image_resolve(s, name, &other, e);

	if (r != STORAGE_FOUND)
		return r < 0 ? r : -ENOENT;
	*ret = image_created(&other);
	storage_image_fini(&other);
	return 0;
}

static int by_before(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;
	time_t t = 0;
	int r = time_of(data, value, &t, e);

	return r < 0 ? r : i == NULL || i->created < t;
}

static int by_since(const void *item, const char *value, void *data, struct error *e)
{
	const struct image_item *i = item;
	time_t t = 0;
	int r = time_of(data, value, &t, e);

	return r < 0 ? r : i == NULL || i->created > t;
}

const struct filter_spec image_filters[] = {
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
	{ "readonly", false, by_readonly },
	{ "intermediate", false, by_never },
	{ NULL, false, NULL },
};
