/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of a podman store (containers-storage, driver overlay), read only.
 *
 * Theory of operation
 *
 * overlay-images/images.json lists the images with id, digest, names and highest layer;
 * overlay-layers/layers.json the layers with their parents; a layer's files are in
 * overlay/ID/diff, whiteouts as the kernel's overlay has them. The image's configuration is
 * the file of overlay-images/ID that is called "=" and base64 of its digest, which
 * is the id. podman replaces these files by renaming, so no lock is needed to read one of
 * them; an image whose layers have gone meanwhile is left out.
 *
 * All of it is the store's owner's text (extra.c says why he is trusted with contents): ids must
 * be hexadecimal before they become names of files, chains of parents have an end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

static int load(struct storage *s, const char *path, json_t **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	json_t *j;
	int r = fd_read_file_at(s->root_fd, path, LIMIT_JSON_BYTES, &text, &len, e);

	if (r < 0)
		return error_prefix(e, "%s", s->root);
	j = json_parse(text, len, path, e);
	if (j == NULL)
		return error_prefix(e, "%s", s->root);
	*ret = j;
	return 0;
}

static const char *string_of(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text != NULL ? text : "";
}

static const json_t *layer_of(const json_t *layers, const char *id)
{
	for (size_t i = 0; i < json_array_size(layers); i++)
		if (strcmp(string_of(json_array_get(layers, i), "id"), id) == 0)
			return json_array_get(layers, i);
	return NULL;
}

/* The paths of the layers, lowest first. 0, -EBADMSG, -ENOMEM. */
static int collect_layers(const struct storage *s, const json_t *layers, const char *top,
			  struct storage_image *img)
{
	const json_t *chain[LIMIT_LAYERS];
	size_t n = 0;

	for (const char *id = top; id[0] != '\0'; id = string_of(chain[n - 1], "parent")) {
		const json_t *layer = id_is_hex_prefix(id) ? layer_of(layers, id) : NULL;

		if (layer == NULL || n == LIMIT_LAYERS)
			return -EBADMSG;
		chain[n++] = layer;
	}
	while (n-- > 0) {
		json_int_t size = json_integer_value(json_object_get(chain[n], "diff-size"));

		if (strv_addf(&img->layers, "%s/overlay/%s/diff", s->root,
			      string_of(chain[n], "id")) < 0)
			return -ENOMEM;
		img->size += size > 0 ? (uint64_t)size : 0;
	}
	return 0;
}

/* "=" and base64 of "sha256:ID". Caller frees. */
static char *config_name(const char *id)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_cleanup_free_ char *text = str_printf(STORE_SHA256 "%s", id);
	struct buf b = BUF_INIT;
	size_t len = text != NULL ? strlen(text) : 0;

	(void)buf_printf(&b, "overlay-images/%s/=", id); /* buf_steal() sees a failure */
	for (size_t i = 0; i < len; i += 3) {
		const unsigned char *p = (const unsigned char *)text + i;
		unsigned int v = (unsigned int)p[0] << 16 |
				 (i + 1 < len ? (unsigned int)p[1] << 8 : 0) |
				 (i + 2 < len ? p[2] : 0);

		(void)buf_putc(&b, digits[v >> 18]);
		(void)buf_putc(&b, digits[v >> 12 & 63]);
		(void)buf_putc(&b, i + 1 < len ? digits[v >> 6 & 63] : '=');
		(void)buf_putc(&b, i + 2 < len ? digits[v & 63] : '=');
	}
	return text != NULL ? buf_steal(&b) : NULL;
}

static int read_one(struct storage *s, const json_t *entry, const json_t *layers,
		    struct storage_image *ret, struct error *e)
{
	_cleanup_(storage_image_fini) struct storage_image img = { .is_readonly = true };
	_cleanup_(image_config_fini) struct image_config c = { .created = NULL };
	const char *id = string_of(entry, "id"), *digest = string_of(entry, "digest");
	const json_t *names = json_object_get(entry, "names");
	_cleanup_free_ char *path = NULL;
	int r;

	if (!id_is_hex_prefix(id) || strlen(id) != STORE_HEX || !storage_digest_valid(digest))
		return error_setf(e, -EBADMSG, "%s: an image without a valid id", s->root);
	path = config_name(id);
	img.id = strdup(id);
	img.digest = strdup(digest);
	if (path == NULL || img.id == NULL || img.digest == NULL)
		return error_set(e, -ENOMEM, "image");
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name != NULL && strv_add(&img.names, name) < 0)
			return error_set(e, -ENOMEM, "image");
	}
	if (img.names.n > 0 && (img.name = strdup(img.names.v[0])) == NULL)
		return error_set(e, -ENOMEM, "image");
	r = fd_read_file_at(s->root_fd, path, LIMIT_JSON_BYTES, &img.config, &img.config_len, e);
	if (r == 0)
		r = image_config_parse(img.config, img.config_len, "image config", &c, e);
	if (r < 0)
		return error_prefix(e, "%s", s->root);
	r = collect_layers(s, layers, string_of(entry, "layer"), &img);
	if (r < 0)
		return error_set(e, r, "%s: the layers of image %.12s", s->root, id);
	img.created = steal_ptr(&c.created);
	img.architecture = steal_ptr(&c.architecture);
	img.os = steal_ptr(&c.os);
	*ret = img;
	img = (struct storage_image){ .name = NULL };
	return 0;
}

static int load_both(struct storage *s, json_t **ret_images, json_t **ret_layers, struct error *e)
{
	int r = load(s, "overlay-images/images.json", ret_images, e);

	return r == 0 ? load(s, "overlay-layers/layers.json", ret_layers, e) : r;
}

/* The names as a list of ours, so that they are compared by the same rules. */
static json_t *as_index(const json_t *images)
{
	json_t *index = index_new();

	for (size_t i = 0; index != NULL && i < json_array_size(images); i++) {
		const json_t *entry = json_array_get(images, i);
		const json_t *names = json_object_get(entry, "names");

		for (size_t k = 0; k < json_array_size(names); k++) {
			const char *name = json_string_value(json_array_get(names, k));

			if (name != NULL && storage_digest_valid(string_of(entry, "digest")) &&
			    index_put(index, string_of(entry, "digest"), "", 0, 0, name) < 0) {
				json_decref(index);
				return NULL;
			}
		}
	}
	return index;
}

/* By id, the beginning of one, or digest. NULL = none; -EINVAL in *ret_r: several. */
static const json_t *by_id(const json_t *images, const char *text, int *ret_r)
{
	const char *hex = blob_hex(text) != NULL ? blob_hex(text) : text;
	const json_t *found = NULL;

	*ret_r = 0;
	for (size_t i = 0; i < json_array_size(images); i++) {
		const json_t *entry = json_array_get(images, i);

		if (strcmp(string_of(entry, "digest"), text) != 0 &&
		    strncmp(string_of(entry, "id"), hex, strlen(hex)) != 0)
			continue;
		if (found != NULL)
			*ret_r = -EINVAL;
		found = entry;
	}
	return found;
}

int podman_resolve(struct storage *s, const char *text, struct storage_image *ret, struct error *e)
{
	_cleanup_json_ json_t *images = NULL;
	_cleanup_json_ json_t *layers = NULL;
	_cleanup_json_ json_t *index = NULL;
	const char *digest = NULL, *name = NULL;
	const json_t *entry = NULL;
	int r = load_both(s, &images, &layers, e);

	if (r < 0)
		return r;
	index = as_index(images);
	if (index == NULL)
		return error_set(e, -ENOMEM, "image names");
	r = blob_hex(text) != NULL ? STORAGE_MISSING :
				     image_find_name(index, text, &digest, &name, e);
	if (r < 0)
		return r;
	if (r == STORAGE_FOUND) {
		for (size_t i = 0; i < json_array_size(images) && entry == NULL; i++)
			if (strcmp(string_of(json_array_get(images, i), "digest"), digest) == 0)
				entry = json_array_get(images, i);
	} else if (blob_hex(text) != NULL || (id_is_hex_prefix(text) && strlen(text) >= 3)) {
		entry = by_id(images, text, &r);
		if (r < 0)
			return error_setf(e, r, "%s is ambiguous: several image ids begin with it",
					  text);
	}
	return entry != NULL ? read_one(s, entry, layers, ret, e) : STORAGE_MISSING;
}

int podman_list(struct storage *s, struct storage_image **list, size_t *n, size_t *cap,
		struct error *e)
{
	_cleanup_json_ json_t *images = NULL;
	_cleanup_json_ json_t *layers = NULL;
	int r = load_both(s, &images, &layers, e);

	for (size_t i = 0; r == 0 && i < json_array_size(images); i++) {
		r = image_list_grow(list, cap, *n) < 0 ?
			    error_set(e, -ENOMEM, "list of images") :
			    read_one(s, json_array_get(images, i), layers, &(*list)[*n], e);
		if (r == 0)
			(*n)++;
		else if (r != -ENOMEM) /* a damaged one does not hide the others */
			r = 0;
	}
	return r;
}
