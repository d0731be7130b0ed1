/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt's side of pushes and of questions to a registry.
 *
 * Theory of operation
 *
 * As in fetch.c: what is trusted (configuration, credentials, the store) is
 * read here, what a registry answers is read in crt-fetch. For a push the
 * request lists digests and sizes; crt-fetch asks for the bytes of one after
 * the other and gets a descriptor of exactly that file, read-only, and of
 * nothing else (answer_open() in fetch.c). A question gets a memory file for
 * its answer, whose size is limited when it is read.
 *
 * A layer that came from the same registry may lie in another repository
 * there: its name is known from the names of stored images that have it, and
 * the registry is asked to take it from there instead of receiving it again.
 *
 * Nothing changes in the store, so nothing is left by a crash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "storage/bundle.h"
#include "storage/fetch-priv.h"
#include "storage/image/manifest.h"

static int memory(struct error *e)
{
	return error_set(e, -ENOMEM, "make the request");
}

int storage_bundle_fetched(struct storage_fetch *f, const char *digest, struct storage_bundle **ret,
			   struct error *e)
{
	return bundle_of_txn(f->s, storage_txn_fd(f->txn), digest, ret, e);
}

/* ---- push --------------------------------------------------------------------------- */

/* "HOST/REPOSITORY[:TAG]" -> repository when the host is the one meant; caller frees. */
static char *repository_at(const char *name, const struct storage_ref *to)
{
	struct storage_ref ref = { .transport = NULL };
	char *path = NULL;

	if (storage_ref_parse(name, &ref, NULL) == 0 && strcmp(ref.transport, "docker") == 0 &&
	    ref.domain != NULL && to->domain != NULL && strcmp(ref.domain, to->domain) == 0 &&
	    strcmp(ref.path, to->path) != 0)
		path = steal_ptr(&ref.path);
	storage_ref_fini(&ref);
	return path;
}

static int note_layers(struct storage_bundle *b, const struct storage_image *image,
		       const char *repository)
{
	_cleanup_free_ char *text = NULL;
	struct image_manifest m = { .media_type = NULL };
	size_t len = 0;

	if (blob_read(b->s, -1, image->digest, &text, &len, NULL) < 0 ||
	    image_manifest_parse(text, len, "manifest", &m, NULL) < 0)
		return 0;
	for (size_t i = 0; i < m.layers.n; i++) {
		for (size_t k = 0; k < b->blobs_n; k++) {
			struct bundle_blob *blob = &b->blobs[k];

			if (blob->from == NULL && strcmp(blob->digest, m.layers.v[i]) == 0 &&
			    (blob->from = strdup(repository)) == NULL) {
				image_manifest_fini(&m);
				return -ENOMEM;
			}
		}
	}
	image_manifest_fini(&m);
	return 0;
}

/* Which repositories of that registry may have blobs of b already? */
static int find_mounts(struct storage_bundle *b, const struct storage_ref *to)
{
	struct storage_image *images = NULL;
	size_t n = 0;
	int r = 0;

	if (storage_image_list(b->s, &images, &n, NULL) < 0)
		return 0; /* only a way to be faster */
	for (size_t i = 0; r == 0 && i < n; i++) {
		for (size_t k = 0; r == 0 && k < images[i].names.n; k++) {
			_cleanup_free_ char *repository = repository_at(images[i].names.v[k], to);

			if (repository != NULL)
				r = note_layers(b, &images[i], repository);
		}
	}
	storage_images_free(images, n);
	return r;
}

static int push_lists(const struct storage_bundle *b, const struct storage_ref *to, json_t *request)
{
	json_t *blobs = json_array(), *manifests = json_array();

	if (json_object_set_new(request, "blobs", blobs) < 0 ||
	    json_object_set_new(request, "manifests", manifests) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < b->blobs_n; i++)
		if (json_array_append_new(blobs, json_pack("{s:s, s:I, s:s*}", "digest",
							   b->blobs[i].digest, "size",
							   (json_int_t)b->blobs[i].size, "from",
							   b->blobs[i].from)) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < b->docs_n; i++) {
		const struct bundle_doc *d = &b->docs[i];
		bool top = i + 1 == b->docs_n;

		if (json_array_append_new(
			    manifests,
			    json_pack("{s:s, s:I, s:s, s:s}", "digest", d->digest, "size",
				      (json_int_t)d->len, "type", d->type, "reference",
				      top && to->digest == NULL ? to->tag : d->digest)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int storage_push_begin(struct storage *s, struct storage_bundle *b,
		       const struct storage_fetch_request *r, struct storage_fetch **ret,
		       struct error *e)
{
	struct storage_fetch_request any = *r;
	struct storage_fetch *f = fetch_new(s, FETCH_OP_PUSH);
	_cleanup_json_ json_t *request = json_pack("{s:s}", "source", "docker");
	int res = 0;

	if (f == NULL || request == NULL) {
		free(f);
		return memory(e);
	}
	f->offer = b;
	if (r->ref->domain == NULL)
		res = error_setf(e, -EINVAL,
				 "where to? Write the registry, as in docker.io/USER/%s",
				 r->ref->path);
	else if (r->ref->digest != NULL && strcmp(r->ref->digest, storage_bundle_digest(b)) != 0)
		res = error_setf(e, -EINVAL, "the image has the digest %s",
				 storage_bundle_digest(b));
	any.any_policy = true;
	if (res == 0)
		res = fetch_registry_request(f, &any, request, e);
	if (res == 0 && (find_mounts(b, r->ref) < 0 || push_lists(b, r->ref, request) < 0))
		res = memory(e);
	if (res == 0)
		res = fetch_start(f, request, e);
	if (res < 0) {
		storage_fetch_free(f);
		return res;
	}
	*ret = f;
	return 0;
}

/* ---- questions ---------------------------------------------------------------------- */

/* docker.io answers searches at another host than the one that has the images. */
static void search_host(json_t *request)
{
	json_t *list = json_object_get(json_array_get(json_object_get(request, "candidates"), 0),
				       "endpoints");
	json_t *ep;
	size_t i;

	json_array_foreach(list, i, ep) {
		const char *host = json_string_value(json_object_get(ep, "host"));

		if (host != NULL && strcmp(host, "registry-1.docker.io") == 0)
			(void)json_object_set_new(
				ep, "host",
				json_string("index.docker.io")); /* else it is refused */
	}
}

int storage_query_begin(struct storage *s, enum storage_question question, const char *term,
			unsigned int limit, const struct storage_fetch_request *r,
			struct storage_fetch **ret, struct error *e)
{
	static const char *const names[] = {
		[STORAGE_ASK_MANIFEST] = "manifest", [STORAGE_ASK_TAGS] = "tags",
		[STORAGE_ASK_SEARCH] = "search",     [STORAGE_ASK_LOGIN] = "login",
		[STORAGE_ASK_DELETE] = "delete",
	};
	struct storage_fetch_request any = *r;
	struct storage_fetch *f = fetch_new(s, FETCH_OP_QUERY);
	_cleanup_json_ json_t *request = json_pack("{s:s, s:s, s:s*}", "source", "docker", "what",
						   names[question], "term", term);
	int res;

	if (f == NULL || request == NULL ||
	    (limit > 0 && json_object_set_new(request, "limit", json_integer(limit)) < 0)) {
		free(f);
		return memory(e);
	}
	any.any_policy = true;
	res = fetch_registry_request(f, &any, request, e);
	if (res == 0 && question == STORAGE_ASK_SEARCH)
		search_host(request);
	if (res == 0) {
		f->source_fd = memfd_create("answer", MFD_CLOEXEC);
		if (f->source_fd < 0)
			res = error_set(e, -errno, "make a file in memory");
	}
	if (res == 0)
		res = fetch_start(f, request, e);
	if (res < 0) {
		storage_fetch_free(f);
		return res;
	}
	*ret = f;
	return 0;
}
