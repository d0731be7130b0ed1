/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All images of an archive or directory (crt load).
 *
 * Theory of operation
 *
 * One process and one transaction for all of them: the archive is unpacked and
 * listed once, each image is planned and taken in as a single one would be
 * (ingest.c), and layers that several have are read once. For each name that
 * the archive gives an image crt hears a message; it judges the names. An image
 * without one is kept as well. The first failure ends all of it, and the
 * transaction is thrown away: a load takes everything or nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "storage/registry/ingest.h"

#define NAMES_MAX 64u /* of one image */

static int say_image(struct fetch_ctx *c, const char *digest, const char *name, bool docker,
		     struct error *e)
{
	return fetch_say(c,
			 json_pack("{s:s, s:s, s:s, s:b}", "t", "image", "d", digest, "name",
				   name != NULL && strlen(name) <= LIMIT_REFERENCE ? name : "",
				   "docker", docker),
			 e);
}

/* Newer tools write the whole name beside the tag. */
static const char *layout_name(const json_t *entry)
{
	const json_t *a = json_object_get(entry, "annotations");
	const char *name = json_string_value(json_object_get(a, "io.containerd.image.name"));

	if (name == NULL)
		name = json_string_value(json_object_get(a, "org.opencontainers.image.ref.name"));
	/* a tag alone is no name */
	return name != NULL && (strchr(name, '/') != NULL || strchr(name, ':') != NULL) ? name :
											  NULL;
}

static int load_one(struct fetch_ctx *c, struct source *s, const json_t *entry, bool docker,
		    char digest[DIGEST_TEXT_SIZE], struct error *e)
{
	json_t *names = docker ? json_object_get(entry, "RepoTags") : NULL, *v;
	bool named = false;
	size_t i;
	int r = ingest_run(c, s, digest, e);

	if (r < 0)
		return r;
	json_array_foreach(names, i, v) {
		if (i == NAMES_MAX || !json_is_string(v))
			break;
		r = say_image(c, digest, json_string_value(v), true, e);
		if (r < 0)
			return r;
		named = true;
	}
	return named ? 0 : say_image(c, digest, docker ? NULL : layout_name(entry), false, e);
}

int fetch_load(struct fetch_ctx *c, char ret_digest[DIGEST_TEXT_SIZE], struct error *e)
{
	_cleanup_json_ json_t *list = NULL;
	struct source s;
	json_t *entry;
	bool docker = false;
	size_t i;
	int r;

	r = source_local_open(c, &s, e);
	if (r < 0)
		return r;
	r = source_local_images(&s, c, &list, &docker, e);
	if (r == 0 && json_array_size(list) == 0)
		r = error_setf(e, -ENOENT, "there is no image in it");
	c->taken = json_object();
	if (r == 0 && c->taken == NULL)
		r = error_set(e, -ENOMEM, "load images");
	json_array_foreach(list, i, entry) {
		if (r < 0)
			break;
		source_local_choose(&s, i);
		r = load_one(c, &s, entry, docker, ret_digest, e);
	}
	json_decref(c->taken);
	s.free(s.data);
	return r;
}
