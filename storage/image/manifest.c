/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and image configs (OCI and Docker schema 2), as far as the store
 * needs them: which blobs and layers an image consists of. Pure.
 *
 * Theory of operation
 *
 * Both documents come from a registry. They are parsed under the caps of
 * base/json.h (size, depth, no duplicate keys). A document that has the shape
 * of an index beside that of a manifest is refused, so that no two programs
 * can read two images out of one digest. Every digest is checked before it can
 * become a file name, and manifest and config must agree on the number of
 * layers, which is capped.
 */
#include "storage/image/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "storage/storage.h"

void image_manifest_fini(struct image_manifest *m)
{
	free(m->media_type);
	free(m->config);
	strv_fini(&m->layers);
	*m = (struct image_manifest){ .config = NULL };
}

void image_config_fini(struct image_config *c)
{
	strv_fini(&c->diff_ids);
	free(c->created);
	free(c->architecture);
	free(c->os);
	*c = (struct image_config){ .created = NULL };
}

/* The digest of one descriptor. */
static int descriptor_digest(const json_t *d, const char *what, const char **ret, struct error *e)
{
	const char *digest = NULL;
	int r;

	if (!json_is_object(d))
		return error_setf(e, -EBADMSG, "%s: a descriptor is not an object", what);
	r = json_get_string(d, what, "digest", &digest, e);
	if (r < 0)
		return r;
	if (digest == NULL || !storage_digest_valid(digest))
		return error_setf(e, -EBADMSG, "%s: a descriptor has no valid sha256 digest", what);
	*ret = digest;
	return 0;
}

static int parse_layers(const json_t *layers, const char *what, struct image_manifest *m,
			struct error *e)
{
	size_t n = json_array_size(layers);

	if (n > LIMIT_LAYERS)
		return error_setf(e, -E2BIG, "%s has %zu layers, at most %d are allowed", what, n,
				  LIMIT_LAYERS);
	for (size_t i = 0; i < n; i++) {
		const json_t *d = json_array_get(layers, i);
		const char *digest = NULL;
		int64_t size = 0;
		int r = descriptor_digest(d, what, &digest, e);

		if (r == 0)
			r = json_get_int(d, what, "size", 0, INT64_MAX, &size, e);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(m->packed, (uint64_t)size, &m->packed))
			return error_setf(e, -EBADMSG, "%s: the layers' sizes overflow", what);
		r = strv_add(&m->layers, digest);
		if (r < 0)
			return error_set(e, r, "%s", what);
	}
	return 0;
}

static int parse_manifest(const json_t *j, const char *what, struct image_manifest *m,
			  struct error *e)
{
	const char *media_type = NULL, *digest = NULL;
	json_t *config = NULL, *layers = NULL;
	int r;

	if (!json_is_object(j))
		return error_setf(e, -EBADMSG, "%s is not a JSON object", what);
	if (json_object_get(j, "manifests") != NULL || json_object_get(j, "fsLayers") != NULL)
		return error_setf(
			e, -EBADMSG,
			"%s is not an image manifest, or is more than one kind of document", what);
	r = json_get_string(j, what, "mediaType", &media_type, e);
	if (r >= 0)
		r = json_get_object(j, what, "config", &config, e);
	if (r >= 0)
		r = json_get_array(j, what, "layers", &layers, e);
	if (r < 0)
		return r;
	if (config == NULL || layers == NULL)
		return error_setf(
			e, -EBADMSG,
			"%s is not an image manifest: \"config\" or \"layers\" is missing", what);
	r = descriptor_digest(config, what, &digest, e);
	if (r < 0)
		return r;
	m->config = strdup(digest);
	m->media_type = strdup(media_type != NULL ? media_type :
						    "application/vnd.oci.image.manifest.v1+json");
	if (m->config == NULL || m->media_type == NULL)
		return error_set(e, -ENOMEM, "%s", what);
	return parse_layers(layers, what, m, e);
}

int image_manifest_parse(const char *text, size_t len, const char *what, struct image_manifest *ret,
			 struct error *e)
{
	struct error own = ERROR_INIT; /* the code matters also to who wants no message */
	_cleanup_json_ json_t *j = json_parse(text, len, what, &own);
	struct image_manifest m = { .config = NULL };
	int r;

	if (j == NULL) {
		if (e != NULL)
			*e = own;
		return own.code < 0 ? own.code : -EBADMSG;
	}
	r = parse_manifest(j, what, &m, e);
	if (r < 0) {
		image_manifest_fini(&m);
		return r;
	}
	*ret = m;
	return 0;
}

static int dup_string(const json_t *j, const char *what, const char *key, char **ret,
		      struct error *e)
{
	const char *s = NULL;
	int r = json_get_string(j, what, key, &s, e);

	if (r <= 0)
		return r;
	*ret = strdup(s);
	return *ret == NULL ? error_set(e, -ENOMEM, "%s", what) : 0;
}

static int parse_config(const json_t *j, const char *what, struct image_config *c, struct error *e)
{
	json_t *rootfs = NULL, *ids = NULL;
	int r;

	if (!json_is_object(j))
		return error_setf(e, -EBADMSG, "%s is not a JSON object", what);
	r = dup_string(j, what, "created", &c->created, e);
	if (r == 0)
		r = dup_string(j, what, "architecture", &c->architecture, e);
	if (r == 0)
		r = dup_string(j, what, "os", &c->os, e);
	if (r == 0)
		r = json_get_object(j, what, "rootfs", &rootfs, e);
	if (r >= 0)
		r = json_get_array(rootfs, what, "diff_ids", &ids, e);
	if (r < 0)
		return r;
	if (json_array_size(ids) > LIMIT_LAYERS)
		return error_setf(e, -E2BIG, "%s has more than %d layers", what, LIMIT_LAYERS);
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (id == NULL || !storage_digest_valid(id))
			return error_setf(e, -EBADMSG,
					  "%s: rootfs.diff_ids[%zu] is not a sha256 digest", what,
					  i);
		r = strv_add(&c->diff_ids, id);
		if (r < 0)
			return error_set(e, r, "%s", what);
	}
	return 0;
}

int image_config_parse(const char *text, size_t len, const char *what, struct image_config *ret,
		       struct error *e)
{
	struct error own = ERROR_INIT; /* the code matters also to who wants no message */
	_cleanup_json_ json_t *j = json_parse(text, len, what, &own);
	struct image_config c = { .created = NULL };
	int r;

	if (j == NULL) {
		if (e != NULL)
			*e = own;
		return own.code < 0 ? own.code : -EBADMSG;
	}
	r = parse_config(j, what, &c, e);
	if (r < 0) {
		image_config_fini(&c);
		return r;
	}
	*ret = c;
	return 0;
}
