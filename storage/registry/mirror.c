/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All platforms of an index: what crt copy --all takes along.
 *
 * Theory of operation
 *
 * Nothing is interpreted but the shape: an index names documents, a manifest
 * names a config and layers, each by digest and size, and all of it is fetched
 * and kept packed. So artifacts and platforms that this machine cannot run
 * are copied, too. The attacker chooses the documents: their number, the
 * number of blobs and the depth are limited, a document that was seen is not
 * walked again, and every byte is checked against the digest that names it
 * (documents by the source, blobs by unpack/layer.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "storage/registry/ingest.h"

#define DOCS_MAX  512u
#define BLOBS_MAX 8192u

struct walk {
	struct ingest_plan *p;
	ingest_document_fn document;
	void *data;
};

static int add_blob(struct ingest_plan *p, const json_t *o, const char *where, struct error *e)
{
	struct descriptor d;
	struct ingest_layer *v;
	int r = manifest_descriptor(o, where, LIMIT_LAYER_BYTES, &d, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->layers_n; i++)
		if (strcmp(p->layers[i].want.digest, d.digest) == 0)
			return 0;
	if (p->layers_n == BLOBS_MAX)
		return error_setf(e, -E2BIG, "more than %u blobs", BLOBS_MAX);
	v = reallocarray(p->layers, p->layers_n + 1, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "plan the copy");
	p->layers = v;
	v[p->layers_n] = (struct ingest_layer){ .blob_fd = -1, .want = d, .same_as = p->layers_n };
	p->layers_n++;
	return 0;
}

/* Takes text. */
static int add_doc(struct ingest_plan *p, struct buf *text, struct error *e)
{
	struct ingest_doc *v;

	if (p->docs_n == DOCS_MAX)
		return error_setf(e, -E2BIG, "more than %u manifests", DOCS_MAX);
	v = reallocarray(p->docs, p->docs_n + 1, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "plan the copy");
	p->docs = v;
	if (digest_of(buf_str(text), text->len, v[p->docs_n].digest) < 0)
		return error_set(e, -ENOMEM, "digest of a manifest");
	v[p->docs_n++].text = *text;
	*text = BUF_INIT;
	return 0;
}

static bool seen(const struct ingest_plan *p, const char *digest)
{
	for (size_t i = 0; i < p->docs_n; i++)
		if (strcmp(p->docs[i].digest, digest) == 0)
			return true;
	return false;
}

static int walk(struct walk *w, struct buf *text, const char *type, unsigned int depth,
		struct error *e);

static int walk_index(struct walk *w, const json_t *doc, unsigned int depth, struct error *e)
{
	json_t *list = NULL, *o;
	size_t i;
	int r = 0;

	if (depth >= MANIFEST_NEST_MAX)
		return error_setf(e, -ELOOP, "more than %d indexes inside each other",
				  MANIFEST_NEST_MAX);
	if (json_get_array(doc, "", "manifests", &list, e) < 0)
		return -EBADMSG;
	json_array_foreach(list, i, o) {
		_cleanup_buf_ struct buf text = BUF_INIT;
		struct descriptor d;
		char type[128] = "";

		r = manifest_descriptor(o, "manifests[]", LIMIT_JSON_BYTES, &d, e);
		if (r == 0 && seen(w->p, d.digest))
			continue;
		if (r == 0)
			r = w->document(w->data, &d, true, &text, type, e);
		if (r == 0)
			r = walk(w, &text, type, depth + 1, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int walk_image(struct walk *w, const json_t *doc, struct error *e)
{
	json_t *config = NULL, *layers = NULL, *o;
	size_t i;
	int r = 0;

	if (json_get_object(doc, "", "config", &config, e) < 0 ||
	    json_get_array(doc, "", "layers", &layers, e) < 0)
		return -EBADMSG;
	if (config != NULL)
		r = add_blob(w->p, config, "config", e);
	json_array_foreach(layers, i, o)
		if (r == 0)
			r = add_blob(w->p, o, "layers[]", e);
	return r;
}

static int walk(struct walk *w, struct buf *text, const char *type, unsigned int depth,
		struct error *e)
{
	_cleanup_json_ json_t *doc = json_parse(buf_str(text), text->len, "manifest", e);
	int r;

	if (doc == NULL)
		return -EBADMSG;
	r = manifest_kind(doc, type, e);
	if (r >= 0)
		r = r == MANIFEST_INDEX ? walk_index(w, doc, depth, e) : walk_image(w, doc, e);
	return r < 0 ? r : add_doc(w->p, text, e);
}

int ingest_plan_all(struct buf *top, const char *top_type, ingest_document_fn document, void *data,
		    struct ingest_plan *ret, struct error *e)
{
	struct walk w = { .p = ret, .document = document, .data = data };
	int r = walk(&w, top, top_type, 0, e);

	if (r == 0)
		memcpy(ret->manifest_digest, ret->docs[ret->docs_n - 1].digest,
		       sizeof(ret->manifest_digest));
	return r;
}
