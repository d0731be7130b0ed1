/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a source of documents and layers to a complete transaction.
 *
 * Theory of operation
 *
 * Runs in crt-fetch, in its cage. The order is the same for every source:
 *
 *   1 plan: the manifest for the platform and the image config, every document
 *     checked against the digest and size that named it; as many diff_ids as
 *     layers;
 *   2 ask: crt tells for each layer whether the store holds the tree and the
 *     packed blob. Both: nothing to do. Only the blob: it is read from the
 *     store. Only the tree: the blob is fetched and not unpacked;
 *   3 layers: up to PARALLEL at a time, each in its threads (unpack/layer.c),
 *     while this thread moves bytes and reports;
 *   4 config and manifest are written, the digest is reported.
 *
 * Equal layers of one image (the same diff_id) are fetched once.
 *
 * The attacker chose all documents and bytes; what the threads do with them is
 * described there. The first failure cancels the other layers, whose threads
 * are joined before the error is reported, so that nothing writes any more
 * when crt hears of it. Whatever is half done lies in the transaction
 * directory, which crt throws away.
 */
#include "storage/registry/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "storage/fetch-proto.h"
#include "storage/unpack/apply.h"

#define PARALLEL 4
#define EVENT_MS 100

int fetch_say(struct fetch_ctx *c, json_t *message, struct error *e)
{
	_cleanup_json_ json_t *m = message;
	_cleanup_free_ char *text = m != NULL ? json_to_text(m) : NULL;
	int r;

	if (text == NULL)
		return error_set(e, -ENOMEM, "report progress");
	r = fd_send(c->control_fd, text, strlen(text), NULL, 0);
	if (r < 0)
		return error_set(e, r, "report progress");
	c->last_sent_ms = clock_now_ms();
	return 0;
}

int fetch_say_text(struct fetch_ctx *c, const char *kind, const char *text, struct error *e)
{
	_cleanup_free_ char *shown = str_escape(text);

	return fetch_say(c, json_pack("{s:s, s:s}", "t", kind, "text", shown != NULL ? shown : ""),
			 e);
}

void ingest_plan_fini(struct ingest_plan *p)
{
	for (size_t i = 0; i < p->layers_n; i++)
		close_fd(&p->layers[i].blob_fd);
	for (size_t i = 0; i < p->docs_n; i++)
		buf_fini(&p->docs[i].text);
	free(p->docs);
	free(p->layers);
	buf_fini(&p->manifest);
	buf_fini(&p->config);
	*p = (struct ingest_plan){ .layers = NULL };
}

/* ---- plan ------------------------------------------------------------------------- */

int ingest_plan_layers(struct ingest_plan *p, const struct manifest *m,
		       const struct image_config_info *info, struct error *e)
{
	if (m != NULL && m->layers_n != info->n)
		return error_setf(e, -EBADMSG, "the manifest has %zu layers, the image config %zu",
				  m->layers_n, info->n);
	p->layers = calloc(info->n + 1, sizeof(*p->layers));
	if (p->layers == NULL)
		return error_set(e, -ENOMEM, "plan the layers");
	p->layers_n = info->n;
	for (size_t i = 0; i < info->n; i++) {
		struct ingest_layer *il = &p->layers[i];

		il->blob_fd = -1;
		il->want.size = LAYER_SIZE_UNKNOWN;
		if (m != NULL)
			il->want = m->layers[i];
		memcpy(il->l.diff_id, info->diff_ids[i], sizeof(il->l.diff_id));
		for (il->same_as = 0; il->same_as < i; il->same_as++)
			if (strcmp(p->layers[il->same_as].l.diff_id, il->l.diff_id) == 0)
				break;
		if (il->same_as < i &&
		    strcmp(p->layers[il->same_as].want.digest, il->want.digest) != 0)
			return error_setf(e, -EBADMSG,
					  "layers %zu and %zu unpack to the same but differ",
					  il->same_as, i);
		if (m == NULL)
			continue;
		for (size_t k = 0; k < il->same_as; k++)
			if (strcmp(p->layers[k].want.digest, il->want.digest) == 0)
				return error_setf(
					e, -EBADMSG,
					"layers %zu and %zu are the same but unpack differently", k,
					i);
	}
	return 0;
}

/* A foreign architecture is not an error: emulators exist. */
static int note_platform(struct fetch_ctx *c, const struct image_config_info *info, struct error *e)
{
	char text[320];

	if ((info->arch[0] == '\0' || strcmp(info->arch, c->platform.arch) == 0) &&
	    (info->os[0] == '\0' || strcmp(info->os, c->platform.os) == 0))
		return 0;
	(void)snprintf(text, sizeof(text), "the image is for %s/%s, not for %s/%s", info->os,
		       info->arch, c->platform.os, c->platform.arch); /* bounded names */
	return fetch_say_text(c, "note", text, e);
}

static int plan_config(struct fetch_ctx *c, const struct manifest *m, ingest_document_fn document,
		       void *data, struct ingest_plan *p, struct error *e)
{
	struct image_config_info info = { .n = 0 };
	_cleanup_json_ json_t *doc = NULL;
	char type[128] = "";
	int r;

	r = document(data, &m->config, false, &p->config, type, e);
	if (r < 0)
		return error_prefix(e, "image config");
	memcpy(p->config_digest, m->config.digest, sizeof(p->config_digest));
	doc = json_parse(buf_str(&p->config), p->config.len, "image config", e);
	if (doc == NULL)
		return -EBADMSG;
	r = image_config_info_parse(doc, &info, e);
	if (r == 0)
		r = note_platform(c, &info, e);
	if (r == 0)
		r = ingest_plan_layers(p, m, &info, e);
	free(info.diff_ids);
	return r;
}

int ingest_plan_documents(struct fetch_ctx *c, struct buf *top, const char *top_type,
			  ingest_document_fn document, void *data, struct ingest_plan *ret,
			  struct error *e)
{
	struct manifest m = { .layers = NULL };
	char type[128];
	int r;

	if (c->all)
		return ingest_plan_all(top, top_type, document, data, ret, e);
	(void)snprintf(type, sizeof(type), "%s", top_type); /* a longer one is none that we know */
	for (int depth = 0;; depth++) {
		_cleanup_json_ json_t *doc = json_parse(buf_str(top), top->len, "manifest", e);
		struct descriptor d;

		if (doc == NULL)
			return -EBADMSG;
		r = manifest_kind(doc, type, e);
		if (r < 0)
			return r;
		if (r == MANIFEST_IMAGE) {
			r = manifest_parse(doc, &m, e);
			break;
		}
		if (depth == MANIFEST_NEST_MAX)
			return error_setf(e, -ELOOP, "more than %d indexes inside each other",
					  MANIFEST_NEST_MAX);
		r = manifest_choose(doc, &c->platform, &d, e);
		if (r < 0)
			return r;
		buf_reset(top);
		r = document(data, &d, true, top, type, e);
		if (r < 0)
			return error_prefix(e, "manifest %.19s", d.digest);
	}
	if (r < 0)
		return r;
	r = plan_config(c, &m, document, data, ret, e);
	manifest_fini(&m);
	if (r < 0)
		return r;
	if (digest_of(buf_str(top), top->len, ret->manifest_digest) < 0)
		return error_set(e, -ENOMEM, "digest of the manifest");
	ret->manifest = *top;
	*top = BUF_INIT;
	return 0;
}

/* ---- ask -------------------------------------------------------------------------- */

static int ask_one(struct fetch_ctx *c, struct ingest_layer *il, struct error *e)
{
	_cleanup_json_ json_t *doc = NULL;
	bool layer = false, blob = false;
	char text[256];
	size_t n = 1;
	int fd = -1;
	ssize_t len;
	int r;

	r = fetch_say(c,
		      json_pack("{s:s, s:s, s:s}", "t", "ask", "d", il->want.digest, "diff",
				il->l.diff_id),
		      e);
	if (r < 0)
		return r;
	len = fd_recv(c->control_fd, text, sizeof(text), &fd, &n);
	if (len <= 0)
		return error_set(e, len < 0 ? (int)len : -EPIPE, "answer of crt");
	if (n == 1)
		il->blob_fd = fd;
	doc = json_parse(text, (size_t)len, "answer of crt", e);
	if (doc == NULL || json_get_bool(doc, "", "layer", &layer, e) < 0 ||
	    json_get_bool(doc, "", "blob", &blob, e) < 0)
		return -EPROTO;
	il->l.want_tree = !layer;
	il->l.want_blob = !blob;
	il->exists = layer && blob;
	return 0;
}

/* ---- several images in one transaction --------------------------------------------------- */

/* A layer that an image before brought along is not done again. */
static void use_taken(const struct fetch_ctx *c, struct ingest_layer *il)
{
	const json_t *o = json_object_get(c->taken, il->l.diff_id);
	const char *digest = json_string_value(json_object_get(o, "d"));

	if (digest == NULL)
		return;
	il->l.want_tree = false;
	if (il->want.digest[0] != '\0' && strcmp(il->want.digest, digest) != 0)
		return; /* the same, packed otherwise: its blob is wanted, too */
	(void)snprintf(il->want.digest, sizeof(il->want.digest), "%s", digest); /* is valid */
	il->want.size = (uint64_t)json_integer_value(json_object_get(o, "n"));
	il->l.got_kind = (enum decompress_kind)json_integer_value(json_object_get(o, "k"));
	il->exists = true;
}

static int note_taken(struct fetch_ctx *c, const struct ingest_plan *p, struct error *e)
{
	for (size_t i = 0; c->taken != NULL && i < p->layers_n; i++) {
		const struct ingest_layer *il = &p->layers[i];

		if (il->same_as == i && json_object_get(c->taken, il->l.diff_id) == NULL &&
		    json_object_set_new(c->taken, il->l.diff_id,
					json_pack("{s:s, s:I, s:i}", "d", il->want.digest, "n",
						  (json_int_t)il->want.size, "k",
						  (int)il->l.got_kind)) < 0)
			return error_set(e, -ENOMEM, "load images");
	}
	return 0;
}

/* ---- layers ----------------------------------------------------------------------- */

static int say_layer(struct fetch_ctx *c, struct ingest_layer *il, const char *state,
		     struct error *e)
{
	uint64_t done = atomic_load(&il->l.done);
	uint64_t total = il->want.size == LAYER_SIZE_UNKNOWN ? 0 : il->want.size;

	il->last_event_ms = clock_now_ms();
	il->last_event_bytes = done;
	return fetch_say(c,
			 json_pack("{s:s, s:s, s:I, s:I, s:s}", "t", "layer", "d",
				   il->want.digest[0] != '\0' ? il->want.digest : il->l.diff_id,
				   "n", (json_int_t)done, "m", (json_int_t)total, "s", state),
			 e);
}

static void wake(void *data)
{
	struct fetch_ctx *c = data;
	const uint64_t one = 1;

	(void)!write(c->wake_fd, &one, sizeof(one)); /* a full counter is awake enough */
}

static int start_layer(struct fetch_ctx *c, struct source *s, struct ingest_plan *p, size_t i,
		       struct error *e)
{
	struct ingest_layer *il = &p->layers[i];
	struct layer *l = &il->l;
	int r;

	memcpy(l->digest, il->want.digest, sizeof(l->digest));
	l->size = il->want.size;
	l->txn_fd = c->txn_fd;
	l->source_fd = -1;
	l->apply = (struct apply_options){ .keep_ids = c->keep_ids, .map = &c->map };
	l->wake = wake;
	l->wake_data = c;
	l->index = (unsigned int)i;
	if (il->blob_fd >= 0) {
		l->source_fd = il->blob_fd;
	} else {
		r = s->layer_open(s->data, il, i, e);
		if (r < 0)
			return r;
	}
	r = layer_start(l, e);
	if (r < 0)
		return r;
	il->started = true;
	if (l->from_queue) {
		r = s->layer_begin(s->data, il, e);
		if (r < 0)
			return r;
	}
	return say_layer(c, il, "downloading", e);
}

static int write_size(struct fetch_ctx *c, const struct layer *l, struct error *e)
{
	char name[96], text[40];
	int fd, r;

	(void)snprintf(name, sizeof(name), "layers/%.64s", l->diff_id + 7); /* fits */
	fd = openat(c->txn_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -errno, "open %s", name);
	(void)snprintf(text, sizeof(text), "%llu%s\n", (unsigned long long)l->tree_size,
		       l->tree_exact ? " exact" : ""); /* fits */
	r = fd_write_file_at(fd, "size", text, strlen(text), 0600, false, e);
	(void)close(fd);
	return r;
}

/* Leave a note beside the tree that only fuse-overlayfs understands it (storage/rootfs.c). */
static int mark_stand_ins(struct fetch_ctx *c, const struct layer *l, struct error *e)
{
	char name[96];
	int fd;

	if ((l->notes & 1u << APPLY_NOTE_MARK) == 0)
		return 0;
	(void)snprintf(name, sizeof(name), "layers/%.64s/" STAND_INS, l->diff_id + 7); /* fits */
	fd = openat(c->txn_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(e, -errno, "create %s", name);
	(void)close(fd); /* nothing was written */
	return 0;
}

static int say_notes(struct fetch_ctx *c, unsigned int notes, struct error *e)
{
	int r = 0;

	for (int n = 0; r == 0 && n < APPLY_NOTE_COUNT; n++) {
		unsigned int bit = 1u << n;

		if ((notes & bit) != 0 && (c->notes_sent & bit) == 0) {
			c->notes_sent |= bit;
			r = fetch_say_text(c, "note", apply_note_text((enum apply_note)n), e);
		}
	}
	return r;
}

/* Join a layer whose threads are at their end and judge it. */
static int finish_layer(struct fetch_ctx *c, struct source *s, struct ingest_layer *il,
			struct error *e)
{
	int r = layer_join(&il->l);

	il->started = false;
	if (s->layer_end != NULL)
		s->layer_end(s->data, il);
	if (il->source_error.code < 0) {
		if (e != NULL)
			*e = il->source_error;
		r = il->source_error.code;
	} else if (r < 0 && e != NULL) {
		*e = il->l.error;
	}
	if (r < 0) {
		const char *name = il->want.digest[0] != '\0' ? il->want.digest : il->l.diff_id;

		if (e != NULL && e->msg[0] == '\0')
			(void)error_setf(e, r, "broken off");
		return error_prefix(e, "layer %.19s", name);
	}
	il->done = true;
	memcpy(il->want.digest, il->l.got_digest, sizeof(il->want.digest));
	il->want.size = il->l.got_size;
	if (il->l.want_tree)
		r = write_size(c, &il->l, e);
	if (r == 0)
		r = mark_stand_ins(c, &il->l, e);
	if (r == 0)
		r = say_notes(c, il->l.notes, e);
	return r < 0 ? r : say_layer(c, il, "done", e);
}

static int report(struct fetch_ctx *c, struct ingest_plan *p, struct error *e)
{
	int64_t now = clock_now_ms();
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->layers_n; i++) {
		struct ingest_layer *il = &p->layers[i];
		uint64_t done = atomic_load(&il->l.done);

		if (il->started && done != il->last_event_bytes &&
		    now - il->last_event_ms >= EVENT_MS)
			r = say_layer(c, il, done == il->want.size ? "unpacking" : "downloading",
				      e);
	}
	if (r == 0 && now - c->last_sent_ms >= FETCH_ALIVE_MS)
		r = fetch_say(c, json_pack("{s:s}", "t", "alive"), e);
	return r;
}

static void cancel_all(struct source *s, struct ingest_plan *p)
{
	for (size_t i = 0; i < p->layers_n; i++)
		if (p->layers[i].started)
			layer_cancel(&p->layers[i].l);
	for (size_t i = 0; i < p->layers_n; i++) {
		if (!p->layers[i].started)
			continue;
		(void)layer_join(&p->layers[i].l); /* another failure is reported */
		p->layers[i].started = false;
		if (s->layer_end != NULL)
			s->layer_end(s->data, &p->layers[i]);
	}
}

static int run_layers(struct fetch_ctx *c, struct source *s, struct ingest_plan *p, struct error *e)
{
	size_t next = 0, active = 0;
	int r = 0;

	while (next < p->layers_n || active > 0) {
		while (active < PARALLEL && next < p->layers_n) {
			struct ingest_layer *il = &p->layers[next];

			if (il->same_as < next || il->exists) {
				il->done = true;
				next++;
				continue;
			}
			r = start_layer(c, s, p, next, e);
			if (r < 0)
				return r;
			next++;
			active++;
		}
		if (active == 0)
			break;
		r = s->wait(s->data, c, EVENT_MS, e);
		for (size_t i = 0; r == 0 && i < next; i++) {
			struct ingest_layer *il = &p->layers[i];

			if (il->started &&
			    (atomic_load(&il->l.finished) || il->source_error.code < 0)) {
				if (il->source_error.code < 0)
					layer_cancel(&il->l);
				r = finish_layer(c, s, il, e);
				active--;
			}
		}
		if (r == 0)
			r = report(c, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the end ---------------------------------------------------------------------- */

static int write_blob(struct fetch_ctx *c, const char *digest, const struct buf *b, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(c->txn_fd, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set(e, -errno, "open blobs/sha256");
	return fd_write_file_at(fd, digest + 7, buf_str(b), b->len, 0600, false, e);
}

/* A manifest for layers that came without one. */
static int make_manifest(struct ingest_plan *p, struct error *e)
{
	static const char *const types[] = {
		[DECOMPRESS_UNKNOWN] = "application/vnd.oci.image.layer.v1.tar",
		[DECOMPRESS_PLAIN] = "application/vnd.oci.image.layer.v1.tar",
		[DECOMPRESS_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
		[DECOMPRESS_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
	};
	_cleanup_json_ json_t *layers = json_array();
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < p->layers_n; i++) {
		const struct ingest_layer *il = &p->layers[p->layers[i].same_as];

		if (json_array_append_new(layers, json_pack("{s:s, s:s, s:I}", "mediaType",
							    types[il->l.got_kind], "digest",
							    il->want.digest, "size",
							    (json_int_t)il->want.size)) < 0)
			return error_set(e, -ENOMEM, "make a manifest");
	}
	doc = json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:O}", "schemaVersion", 2, "mediaType",
			MANIFEST_TYPE_OCI, "config", "mediaType",
			"application/vnd.oci.image.config.v1+json", "digest", p->config_digest,
			"size", (json_int_t)p->config.len, "layers", layers);
	text = doc != NULL ? json_to_text(doc) : NULL;
	if (text == NULL || buf_puts(&p->manifest, text) < 0 ||
	    digest_of(text, strlen(text), p->manifest_digest) < 0)
		return error_set(e, -ENOMEM, "make a manifest");
	return 0;
}

int ingest_run(struct fetch_ctx *c, struct source *s, char ret_digest[DIGEST_TEXT_SIZE],
	       struct error *e)
{
	struct ingest_plan p = { .layers = NULL };
	int r;

	r = s->plan(s->data, c, &p, e);
	for (size_t i = 0; r == 0 && i < p.layers_n; i++) {
		if (p.layers[i].same_as != i)
			continue;
		r = ask_one(c, &p.layers[i], e);
		if (r == 0)
			use_taken(c, &p.layers[i]);
		if (r == 0)
			r = say_layer(c, &p.layers[i], p.layers[i].exists ? "exists" : "waiting",
				      e);
	}
	if (r == 0)
		r = run_layers(c, s, &p, e);
	if (r < 0)
		cancel_all(s, &p);
	if (r == 0)
		r = note_taken(c, &p, e);
	if (r == 0 && p.manifest.len == 0 && p.docs_n == 0)
		r = make_manifest(&p, e);
	for (size_t i = 0; r == 0 && i < p.docs_n; i++)
		r = write_blob(c, p.docs[i].digest, &p.docs[i].text, e);
	if (r == 0 && p.docs_n == 0)
		r = write_blob(c, p.config_digest, &p.config, e);
	if (r == 0 && p.docs_n == 0)
		r = write_blob(c, p.manifest_digest, &p.manifest, e);
	if (r == 0)
		memcpy(ret_digest, p.manifest_digest, sizeof(p.manifest_digest));
	ingest_plan_fini(&p);
	return r;
}
