/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from a registry.
 *
 * Theory of operation
 *
 * The request lists candidates (full names that a short name may mean), each
 * with endpoints (mirrors, then the registry itself). They are tried in order
 * until one delivers the manifest; layers then come from that endpoint. A
 * registry that says "unknown" or cannot be reached makes the next one be
 * tried; the error of the last, most authoritative one is reported, with the
 * number of others.
 *
 * The manifest's bytes must have the digest the reference names, and the one
 * the server's Docker-Content-Digest header states. Everything below it is
 * named by digest and checked by size and digest; nothing else of what a
 * server says is believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "storage/registry/http.h"

struct registry {
	struct fetch_ctx *c;
	struct http_client client;
	struct http_endpoint ep; /* the one in use */
};

/* A layer's download. */
struct download {
	struct registry *reg;
	struct ingest_layer *il;
	struct http_request req;
	struct queue_slot *slot;
	bool ended;
};

/* ---- documents -------------------------------------------------------------------- */

static int get(struct registry *reg, const char *what, const char *name, size_t max,
	       const char *accept, struct http_request *r, struct buf *ret, struct error *e)
{
	*r = (struct http_request){ .ep = &reg->ep, .accept = accept };
	r->path = str_printf("/v2/%s/%s/%s", reg->ep.path, what, name);
	if (r->path == NULL)
		return error_set(e, -ENOMEM, "make a request");
	return http_get(&reg->client, reg->c, r, max, ret, e);
}

static int check_digest(const struct buf *b, const char *want, struct error *e)
{
	char got[DIGEST_TEXT_SIZE];

	if (digest_of(buf_str(b), b->len, got) < 0)
		return error_set(e, -ENOMEM, "digest");
	if (strcmp(got, want) != 0)
		return error_setf(e, -EBADMSG, "digest mismatch: the content is %s, not %s", got,
				  want);
	return 0;
}

static int document(void *data, const struct descriptor *d, bool manifest, struct buf *ret,
		    char ret_type[128], struct error *e)
{
	struct registry *reg = data;
	struct http_request r;
	int res;

	res = get(reg, manifest ? "manifests" : "blobs", d->digest, (size_t)d->size,
		  manifest ? MANIFEST_ACCEPT : NULL, &r, ret, e);
	if (res == 0 && ret->len != d->size)
		res = error_setf(e, -EBADMSG,
				 "%zu bytes instead of the %llu that its descriptor says", ret->len,
				 (unsigned long long)d->size);
	if (res == 0)
		res = check_digest(ret, d->digest, e);
	if (res == 0)
		(void)snprintf(ret_type, 128, "%s", r.content_type); /* same size */
	http_request_fini(&reg->client, &r);
	return res;
}

static int top(struct registry *reg, struct buf *ret, char ret_type[128], struct error *e)
{
	struct http_request r;
	int res;

	res = get(reg, "manifests", reg->ep.reference, LIMIT_JSON_BYTES, MANIFEST_ACCEPT, &r, ret,
		  e);
	if (res == 0 && digest_valid(reg->ep.reference))
		res = check_digest(ret, reg->ep.reference, e);
	if (res == 0 && digest_valid(r.content_digest))
		res = check_digest(ret, r.content_digest, e);
	if (res == 0)
		(void)snprintf(ret_type, 128, "%s", r.content_type); /* same size */
	http_request_fini(&reg->client, &r);
	return res;
}

/* Is this a failure of the place, so that another one is worth a try? */
static bool other_may_do(int code)
{
	return code == -ENOENT || code == -EIO || code == -ETIMEDOUT || code == -EACCES;
}

/* Find the endpoint that has the manifest. */
static int find(struct registry *reg, struct buf *ret, char ret_type[128], struct error *e)
{
	json_t *candidates = NULL, *candidate, *endpoints = NULL, *ep;
	size_t i, k, tried = 0;
	int r = error_setf(e, -EINVAL, "malformed request");

	if (json_get_array(reg->c->request, "", "candidates", &candidates, e) < 0)
		return -EINVAL;
	json_array_foreach(candidates, i, candidate) {
		const char *name = "";

		if (json_get_string(candidate, "", "name", &name, e) < 0 ||
		    json_get_array(candidate, "", "endpoints", &endpoints, e) < 0)
			return -EINVAL;
		r = fetch_say_text(reg->c, "resolved", name, e);
		if (r < 0)
			return r;
		json_array_foreach(endpoints, k, ep) {
			if (e != NULL)
				*e = ERROR_INIT;
			r = http_endpoint_take(&reg->ep, ep, e);
			if (r < 0)
				return r;
			r = top(reg, ret, ret_type, e);
			tried++;
			if (r == 0) {
				reg->c->candidate = i;
				return 0;
			}
			if (!other_may_do(r))
				return r;
		}
	}
	if (tried > 1)
		(void)error_hint(e, " (the last of %zu places that were tried)", tried);
	return r;
}

static int registry_plan(void *data, struct fetch_ctx *c, struct ingest_plan *ret, struct error *e)
{
	struct registry *reg = data;
	_cleanup_buf_ struct buf b = BUF_INIT;
	char type[128] = "";
	int r;

	r = find(reg, &b, type, e);
	return r < 0 ? r : ingest_plan_documents(c, &b, type, document, reg, ret, e);
}

/* ---- layers ----------------------------------------------------------------------- */

static int registry_layer_open(void *data, struct ingest_layer *il, size_t index, struct error *e)
{
	(void)data;
	(void)index;
	(void)e;
	il->l.from_queue = true;
	return 0;
}

static enum http_sink_result layer_sink(void *data, const void *p, size_t len)
{
	struct download *d = data;
	struct queue *q = d->il->l.in;

	if (d->slot != NULL && d->slot->cap - d->slot->len < len) {
		d->slot = NULL;
		queue_publish(q);
	}
	if (d->slot == NULL)
		d->slot = queue_claim(q, false);
	if (d->slot == NULL)
		return queue_is_gone(q) ? HTTP_SINK_STOP : HTTP_SINK_PAUSE;
	if (len > d->slot->cap)
		return HTTP_SINK_STOP; /* libcurl delivers 16 KiB at most */
	memcpy(d->slot->data + d->slot->len, p, len);
	d->slot->len += len;
	return HTTP_SINK_OK;
}

static void layer_reset(void *data)
{
	(void)data; /* resumable: never called */
}

static int registry_layer_begin(void *data, struct ingest_layer *il, struct error *e)
{
	struct registry *reg = data;
	struct download *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return error_set(e, -ENOMEM, "download a layer");
	d->reg = reg;
	d->il = il;
	d->req = (struct http_request){ .ep = &reg->ep,
					.resumable = true,
					.sink = layer_sink,
					.sink_reset = layer_reset,
					.data = d };
	d->req.path = str_printf("/v2/%s/blobs/%s", reg->ep.path, il->want.digest);
	if (d->req.path == NULL) {
		free(d);
		return error_set(e, -ENOMEM, "download a layer");
	}
	il->source_data = d;
	http_submit(&reg->client, &d->req);
	return 0;
}

static void registry_layer_end(void *data, struct ingest_layer *il)
{
	struct registry *reg = data;
	struct download *d = il->source_data;

	il->source_data = NULL;
	if (d == NULL)
		return;
	http_request_fini(&reg->client, &d->req);
	free(d);
}

static int registry_wait(void *data, struct fetch_ctx *c, int timeout_ms, struct error *e)
{
	struct registry *reg = data;
	int r = http_step(&reg->client, c->wake_fd, timeout_ms, e);

	for (struct http_request *q = reg->client.requests; r == 0 && q != NULL; q = q->next) {
		struct download *d = q->data;

		/* only downloads are in the list while layers are worked on */
		if (!q->done || d->ended)
			continue;
		d->ended = true;
		if (q->error.code < 0 && !q->stopped)
			d->il->source_error = q->error;
		if (d->slot != NULL) {
			d->slot = NULL;
			queue_publish(d->il->l.in);
		}
		queue_end(d->il->l.in, q->error.code < 0);
	}
	return r;
}

static void registry_free(void *data)
{
	struct registry *reg = data;

	http_endpoint_fini(&reg->ep);
	http_client_fini(&reg->client);
	free(reg);
}

int source_registry_open(struct fetch_ctx *c, struct source *ret, struct error *e)
{
	struct registry *reg = calloc(1, sizeof(*reg));
	int r;

	if (reg == NULL)
		return error_set(e, -ENOMEM, "open the source");
	reg->c = c;
	r = http_client_init(&reg->client, c->request, e);
	if (r < 0) {
		free(reg);
		return r;
	}
	*ret = (struct source){
		.data = reg,
		.plan = registry_plan,
		.layer_open = registry_layer_open,
		.layer_begin = registry_layer_begin,
		.layer_end = registry_layer_end,
		.wait = registry_wait,
		.free = registry_free,
	};
	return 0;
}
