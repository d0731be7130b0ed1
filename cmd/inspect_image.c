/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What inspect shows of an image: podman's keys, and docker's where it has others.
 *
 * Theory of operation: most is copied from the image's configuration and manifest as it stands
 * there, foreign text that JSON escapes. The layers are named by where they lie unpacked, highest
 * first, as an overlay has them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "cmd/image_filter.h"
#include "cmd/inspect.h"

/* A new reference to obj[key], null when it is not there. */
static json_t *copy(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return v != NULL ? json_incref(v) : json_null();
}

/* The same for a text: "" when it is not there. */
static json_t *text(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_string(v) ? json_incref(v) : json_string("");
}

static json_t *repo_digests(const struct storage_image *image)
{
	json_t *list = json_array();

	for (size_t i = 0; i < image->names.n && image->digest != NULL; i++) {
		_cleanup_free_ char *repository = NULL;
		_cleanup_free_ char *tag = NULL;
		_cleanup_free_ char *full = NULL;

		if (image_split_name(image->names.v[i], &repository, &tag) == 0)
			full = str_printf("%s@%s", repository, image->digest);
		if (full != NULL)
			(void)json_array_append_new(
				list, json_string(full)); /* a shorter list is better than none */
	}
	return list;
}

static json_t *name_list(const struct storage_image *image)
{
	json_t *list = json_array();

	for (size_t i = 0; i < image->names.n; i++)
		(void)json_array_append_new(list, json_string(image->names.v[i])); /* as above */
	return list;
}

/* The manifest; NULL when it cannot be read, which takes two keys from the answer and nothing else. */
static json_t *manifest(struct storage *s, const struct storage_image *image)
{
	_cleanup_buf_ struct buf data = BUF_INIT;
	_cleanup_fd_ int fd = -1;

	fd = image->digest != NULL ? storage_open_blob(s, image->digest, NULL) : -1;
	if (fd < 0 || fd_read_to_end(fd, &data, LIMIT_JSON_BYTES) < 0)
		return NULL;
	return json_parse(buf_str(&data), data.len, "manifest", NULL);
}

static json_t *graph_driver(const struct storage_image *image)
{
	_cleanup_buf_ struct buf lower = BUF_INIT;
	_cleanup_json_ json_t *data = json_object();
	size_t n = image->layers.n;

	for (size_t i = n > 0 ? n - 1 : 0; i-- > 0;)
		(void)buf_printf(&lower, "%s%s", lower.len > 0 ? ":" : "", image->layers.v[i]);
	if (data == NULL || lower.err < 0 ||
	    (lower.len > 0 &&
	     json_object_set_new(data, "LowerDir", json_string(buf_str(&lower))) < 0) ||
	    (n > 0 &&
	     json_object_set_new(data, "UpperDir", json_string(image->layers.v[n - 1])) < 0))
		return NULL;
	return json_pack("{s:s, s:O}", "Name", "overlay", "Data", data);
}

json_t *inspect_image_json(struct storage *s, const struct storage_image *image, struct error *e)
{
	_cleanup_json_ json_t *config =
		json_parse(image->config, image->config_len, "image configuration", e);
	_cleanup_json_ json_t *m = NULL;
	_cleanup_json_ json_t *ret = NULL;
	const json_t *inner = json_object_get(config, "config");
	const json_t *annotations, *history, *health;

	if (config == NULL)
		return NULL;
	m = manifest(s, image);
	annotations = json_object_get(m, "annotations");
	history = json_object_get(config, "history");
	ret = json_pack(
		"{s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o,"
		" s:{s:s, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"Id", image->id, "Digest", image->digest != NULL ? image->digest : "", "RepoTags",
		name_list(image), "RepoDigests", repo_digests(image), "Parent", "", "Comment",
		text(config, "comment"), "Created", copy(config, "created"), "Config",
		copy(config, "config"), "Version", text(config, "docker_version"), "DockerVersion",
		text(config, "docker_version"), "Author", text(config, "author"), "Architecture",
		text(config, "architecture"), "Os", text(config, "os"), "Size",
		(json_int_t)image->size, "VirtualSize", (json_int_t)image->size, "GraphDriver",
		graph_driver(image), "RootFS", "Type", "layers", "Layers",
		copy(json_object_get(config, "rootfs"), "diff_ids"), "Labels",
		json_sorted(json_object_get(inner, "Labels")), "Annotations",
		json_is_object(annotations) ? copy(m, "annotations") : json_object(),
		"ManifestType", text(m, "mediaType"), "User", text(inner, "User"), "History",
		json_is_array(history) ? copy(config, "history") : json_array(), "NamesHistory",
		name_list(image), "Variant", text(config, "variant"));
	if (ret == NULL) {
		(void)error_set(e, -ENOMEM, "inspecting an image");
		return NULL;
	}
	health = json_object_get(inner, "Healthcheck");
	if (health != NULL)
		(void)json_object_set(ret, "Healthcheck",
				      (json_t *)(uintptr_t)health); /* it is in Config, too */
	return steal_ptr(&ret);
}
