/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images into a registry.
 *
 * Theory of operation
 *
 * The request lists blobs and manifests, all of crt's own store; their bytes
 * come by descriptors that crt hands over one by one ("open"). Hostile is what
 * the registry answers: status, Location, Range, delays. For each blob, up to
 * PARALLEL at a time:
 *
 *   HEAD      200: the registry has it
 *   MOUNT     POST ?mount=DIGEST&from=REPOSITORY: 201: it took it from there
 *   POST      202: Location is where it wants the bytes
 *   PUT       up to CHUNK bytes: all at once, with the digest
 *   PATCH     longer ones: piece by piece, each answer has the next Location
 *   CLOSE     PUT without a body, with the digest
 *   ASK       after a broken piece: GET of the Location, whose Range says how
 *             much arrived; the rest is sent from there on. 404: from the begin
 *
 * A blob is given up after as many failures as a download. Only when all blobs
 * are there the manifests follow, those of an index before the index and the
 * one with the tag last, so the tag never names something incomplete. A
 * registry that answers with a digest other than ours is an error.
 *
 * Locations may lead to other hosts: they get the bytes and no credentials, and
 * never over http when the registry is https (http.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/fetch-proto.h"
#include "storage/registry/http.h"

#define PARALLEL 4
#define CHUNK	 (32ull << 20)
#define EVENT_MS 100
#define OCTETS	 "application/octet-stream"

enum upload_state {
	UPLOAD_WAITING,
	UPLOAD_HEAD,
	UPLOAD_MOUNT,
	UPLOAD_POST,
	UPLOAD_PUT,
	UPLOAD_PATCH,
	UPLOAD_CLOSE,
	UPLOAD_ASK,
	UPLOAD_DONE,
	UPLOAD_STATE_COUNT
};

struct upload {
	const char *digest, *from; /* borrowed; from: a repository that may have it, or NULL */
	uint64_t size;
	enum upload_state state;
	struct http_request req;
	bool asked; /* req holds something */
	int fd;
	char *location;	 /* absolute */
	uint64_t offset; /* bytes that the registry has */
	char range[64];	 /* of the piece that is sent */
	unsigned int failures;
	int64_t last_event_ms;
};

struct pusher {
	struct fetch_ctx *c;
	struct http_client client;
	struct http_endpoint ep;
	struct upload *uploads;
	size_t uploads_n;
};

static int say_upload(struct pusher *p, struct upload *u, const char *state, struct error *e)
{
	uint64_t done = u->offset +
			(u->state == UPLOAD_PATCH || u->state == UPLOAD_PUT ? u->req.body_sent : 0);

	u->last_event_ms = clock_now_ms();
	return fetch_say(p->c,
			 json_pack("{s:s, s:s, s:I, s:I, s:s}", "t", "layer", "d", u->digest, "n",
				   (json_int_t)(done < u->size ? done : u->size), "m",
				   (json_int_t)u->size, "s", state),
			 e);
}

/* crt's descriptor of a blob or manifest. fd or -errno. */
static int open_ours(struct fetch_ctx *c, const char *digest, struct error *e)
{
	char text[256];
	size_t n = 1;
	int fd = -1, r;
	ssize_t len;

	r = fetch_say(c, json_pack("{s:s, s:s}", "t", "open", "d", digest), e);
	if (r < 0)
		return r;
	len = fd_recv(c->control_fd, text, sizeof(text), &fd, &n);
	if (len <= 0)
		return error_set(e, len < 0 ? (int)len : -EPIPE, "answer of crt");
	return n == 1 ? fd : error_setf(e, -EPROTO, "crt sent no file");
}

/* ---- one blob ----------------------------------------------------------------------- */

static void upload_fini(struct pusher *p, struct upload *u)
{
	if (u->asked)
		http_request_fini(&p->client, &u->req);
	u->asked = false;
	close_fd(&u->fd);
	free(u->location);
	u->location = NULL;
}

static char *with_digest(const char *location, const char *digest)
{
	return str_printf("%s%sdigest=%s", location, strchr(location, '?') != NULL ? "&" : "?",
			  digest);
}

/* Make the request of the state that u is in. */
static int upload_request(struct pusher *p, struct upload *u, struct error *e)
{
	static const char *const methods[UPLOAD_STATE_COUNT] = {
		[UPLOAD_HEAD] = "HEAD", [UPLOAD_MOUNT] = "POST",  [UPLOAD_POST] = "POST",
		[UPLOAD_PUT] = "PUT",	[UPLOAD_PATCH] = "PATCH", [UPLOAD_CLOSE] = "PUT",
	};
	struct http_request *r = &u->req;
	const char *repo = p->ep.path;
	uint64_t len = u->size - u->offset;

	if (u->asked)
		http_request_fini(&p->client, r);
	*r = (struct http_request){ .ep = &p->ep,
				    .method = methods[u->state],
				    .sink = http_no_sink,
				    .sink_reset = http_no_reset };
	u->asked = true;
	switch (u->state) {
	case UPLOAD_HEAD:
		r->path = str_printf("/v2/%s/blobs/%s", repo, u->digest);
		break;
	case UPLOAD_MOUNT:
		r->path = str_printf("/v2/%s/blobs/uploads/?mount=%s&from=%s", repo, u->digest,
				     u->from);
		break;
	case UPLOAD_POST:
		r->path = str_printf("/v2/%s/blobs/uploads/", repo);
		break;
	case UPLOAD_PUT:
	case UPLOAD_PATCH:
		r->start_url = u->state == UPLOAD_PUT ? with_digest(u->location, u->digest) :
							strdup(u->location);
		r->type = OCTETS;
		r->once = true;
		r->body_fd = u->fd;
		r->body_offset = u->offset;
		r->body_len = len > CHUNK ? CHUNK : len;
		if (u->state == UPLOAD_PATCH) {
			(void)snprintf(
				u->range, sizeof(u->range), "%llu-%llu",
				(unsigned long long)u->offset,
				(unsigned long long)(u->offset + r->body_len - 1)); /* fits */
			r->body_range = u->range;
		}
		break;
	case UPLOAD_CLOSE:
		r->start_url = with_digest(u->location, u->digest);
		break;
	case UPLOAD_ASK:
		r->start_url = strdup(u->location);
		r->accept = "*/*";
		break;
	case UPLOAD_WAITING:
	case UPLOAD_DONE:
	case UPLOAD_STATE_COUNT:
	default:
		return error_setf(e, -EINVAL, "upload");
	}
	if (r->path == NULL && r->start_url == NULL)
		return error_set(e, -ENOMEM, "upload");
	http_submit(&p->client, r);
	return 0;
}

static int go(struct pusher *p, struct upload *u, enum upload_state state, struct error *e)
{
	u->state = state;
	return upload_request(p, u, e);
}

/* Where the next bytes go. */
static int take_location(struct upload *u, struct error *e)
{
	char *location = NULL;
	int r;

	if (u->req.location[0] == '\0')
		return error_setf(e, -EBADMSG, "the registry does not say where to upload to");
	r = http_resolve(u->req.url, u->req.location, &location, e);
	if (r < 0)
		return error_prefix(e, "place of the upload");
	free(u->location);
	u->location = location;
	return 0;
}

static int upload_done(struct pusher *p, struct upload *u, const char *how, struct error *e)
{
	if (u->req.content_digest[0] != '\0' && strcmp(u->req.content_digest, u->digest) != 0)
		return error_setf(e, -EBADMSG,
				  "the registry says that it stored another content than was sent");
	u->state = UPLOAD_DONE;
	u->offset = u->size;
	upload_fini(p, u);
	return say_upload(p, u, how, e);
}

/* The registry waits for bytes at u->location. */
static int send_bytes(struct pusher *p, struct upload *u, struct error *e)
{
	if (u->fd < 0) {
		u->fd = open_ours(p->c, u->digest, e);
		if (u->fd < 0)
			return u->fd;
	}
	return go(p, u, u->offset == 0 && u->size <= CHUNK ? UPLOAD_PUT : UPLOAD_PATCH, e);
}

/* "0-N": how much the registry has. Not more than was sent. */
static int take_range(struct upload *u, uint64_t most, struct error *e)
{
	const char *dash = strchr(u->req.range, '-');
	unsigned long long last = 0;

	if (dash == NULL || str_to_u64(dash + 1, UINT64_MAX - 1, &last) < 0 ||
	    strncmp(u->req.range, "0-", 2) != 0 || last + 1 > most)
		return error_setf(e, -EBADMSG,
				  "the registry does not say how much of the upload it has");
	/* some say 0-0 for nothing; one byte is sent again then */
	u->offset = last == 0 ? 0 : last + 1;
	return 0;
}

/* A request failed in a way that may pass. */
static int again(struct pusher *p, struct upload *u, struct error *e)
{
	if (u->failures++ >= p->client.retries) {
		if (e != NULL)
			*e = u->req.error;
		return u->req.error.code;
	}
	if (u->state == UPLOAD_PATCH)
		return go(p, u, UPLOAD_ASK, e);
	u->offset = 0;
	return go(p, u, UPLOAD_POST, e);
}

static int fail(const struct upload *u, struct error *e)
{
	if (e != NULL)
		*e = u->req.error;
	return u->req.error.code < 0 ?
		       u->req.error.code :
		       error_setf(e, -EBADMSG, "the registry answers with status %d",
				  u->req.status);
}

/* A piece arrived; the answer may say that it is less than all of it. */
static int patched(struct pusher *p, struct upload *u, struct error *e)
{
	uint64_t sent = u->offset + u->req.body_len;
	int r = 0;

	u->offset = sent;
	if (u->req.range[0] != '\0')
		r = take_range(u, sent, e);
	if (r == 0 && u->req.location[0] != '\0')
		r = take_location(u, e);
	if (r == 0 && u->offset < sent && u->failures++ >= p->client.retries)
		r = error_setf(e, -EIO, "the registry takes no more than %llu bytes of it",
			       (unsigned long long)u->offset);
	if (r < 0)
		return r;
	return u->offset == u->size ? go(p, u, UPLOAD_CLOSE, e) : send_bytes(p, u, e);
}

/* The request of u is done: the next one. */
static int upload_next(struct pusher *p, struct upload *u, struct error *e)
{
	const struct http_request *r = &u->req;
	bool good = r->error.code == 0;
	int res = 0;

	switch (u->state) {
	case UPLOAD_HEAD:
		if (good)
			return upload_done(p, u, "exists", e);
		if (r->status != 404)
			return fail(u, e);
		return go(p, u, u->from != NULL ? UPLOAD_MOUNT : UPLOAD_POST, e);
	case UPLOAD_MOUNT:
		if (good && r->status == 201)
			return upload_done(p, u, "exists", e);
		if (!good || r->status != 202) /* it may not look there: without */
			return go(p, u, UPLOAD_POST, e);
		res = take_location(u, e);
		return res < 0 ? res : send_bytes(p, u, e);
	case UPLOAD_POST:
		if (!good || r->status != 202)
			return fail(u, e);
		res = take_location(u, e);
		return res < 0 ? res : send_bytes(p, u, e);
	case UPLOAD_PATCH:
		if (good)
			return patched(p, u, e);
		return r->may_pass ? again(p, u, e) : fail(u, e);
	case UPLOAD_PUT:
	case UPLOAD_CLOSE:
		if (good)
			return upload_done(p, u, "done", e);
		return r->may_pass ? again(p, u, e) : fail(u, e);
	case UPLOAD_ASK:
		if (!good && r->status == 404) {
			u->offset = 0;
			return go(p, u, UPLOAD_POST, e);
		}
		if (!good && r->status != 204)
			return fail(u, e);
		res = r->range[0] != '\0' ? take_range(u, u->size, e) : 0;
		if (r->range[0] == '\0')
			u->offset = 0;
		if (res == 0 && r->location[0] != '\0')
			res = take_location(u, e);
		if (res < 0)
			return res;
		return u->offset == u->size ? go(p, u, UPLOAD_CLOSE, e) : send_bytes(p, u, e);
	case UPLOAD_WAITING:
	case UPLOAD_DONE:
	case UPLOAD_STATE_COUNT:
	default:
		return 0;
	}
}

static int report(struct pusher *p, struct error *e)
{
	int64_t now = clock_now_ms();
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->uploads_n; i++) {
		struct upload *u = &p->uploads[i];

		if ((u->state == UPLOAD_PATCH || u->state == UPLOAD_PUT) &&
		    now - u->last_event_ms >= EVENT_MS)
			r = say_upload(p, u, "uploading", e);
	}
	if (r == 0 && now - p->c->last_sent_ms >= FETCH_ALIVE_MS)
		r = fetch_say(p->c, json_pack("{s:s}", "t", "alive"), e);
	return r;
}

static int push_blobs(struct pusher *p, struct error *e)
{
	size_t next = 0, active = 0;
	int r = 0;

	while (r == 0 && (next < p->uploads_n || active > 0)) {
		while (r == 0 && active < PARALLEL && next < p->uploads_n) {
			r = go(p, &p->uploads[next++], UPLOAD_HEAD, e);
			active++;
		}
		if (r == 0)
			r = http_step(&p->client, -1, EVENT_MS, e);
		for (size_t i = 0; r == 0 && i < next; i++) {
			struct upload *u = &p->uploads[i];

			if (u->state == UPLOAD_DONE || !u->req.done)
				continue;
			r = upload_next(p, u, e);
			if (u->state == UPLOAD_DONE)
				active--;
			if (r < 0)
				(void)error_prefix(e, "blob %.19s", u->digest);
		}
		if (r == 0)
			r = report(p, e);
	}
	return r;
}

/* ---- manifests ---------------------------------------------------------------------- */

static int push_manifest(struct pusher *p, const json_t *m, const char **ret_digest,
			 struct error *e)
{
	const char *digest = NULL, *type = NULL, *reference = NULL;
	_cleanup_fd_ int fd = -1;
	struct http_request r;
	int64_t size = 0;
	int res;

	if (json_get_string(m, "manifest", "digest", &digest, e) < 0 ||
	    json_get_string(m, "manifest", "type", &type, e) < 0 ||
	    json_get_string(m, "manifest", "reference", &reference, e) < 0 ||
	    json_get_int(m, "manifest", "size", 0, LIMIT_JSON_BYTES, &size, e) < 0)
		return -EINVAL;
	if (digest == NULL || !digest_valid(digest) || type == NULL || reference == NULL)
		return error_setf(e, -EINVAL, "malformed request");
	fd = open_ours(p->c, digest, e);
	if (fd < 0)
		return fd;
	r = (struct http_request){ .ep = &p->ep,
				   .method = "PUT",
				   .type = type,
				   .body_fd = fd,
				   .body_len = (uint64_t)size,
				   .sink = http_no_sink,
				   .sink_reset = http_no_reset };
	r.path = str_printf("/v2/%s/manifests/%s", p->ep.path, reference);
	if (r.path == NULL)
		return error_set(e, -ENOMEM, "push a manifest");
	res = http_run(&p->client, p->c, &r, e);
	if (res == 0 && r.error.code < 0) {
		if (e != NULL)
			*e = r.error;
		res = r.error.code;
	}
	if (res == 0 && r.content_digest[0] != '\0' && strcmp(r.content_digest, digest) != 0)
		res = error_setf(e, -EBADMSG,
				 "the registry says that it stored another manifest than was sent");
	http_request_fini(&p->client, &r);
	*ret_digest = digest;
	return res;
}

/* ---- all of it ---------------------------------------------------------------------- */

static int take_blobs(struct pusher *p, struct error *e)
{
	json_t *blobs = NULL, *b;
	size_t i;

	if (json_get_array(p->c->request, "", "blobs", &blobs, e) < 0)
		return -EINVAL;
	p->uploads = calloc(json_array_size(blobs) + 1, sizeof(*p->uploads));
	if (p->uploads == NULL)
		return error_set(e, -ENOMEM, "push");
	json_array_foreach(blobs, i, b) {
		struct upload *u = &p->uploads[i];
		int64_t size = -1;

		u->fd = -1;
		p->uploads_n = i + 1;
		if (json_get_string(b, "blob", "digest", &u->digest, e) < 0 ||
		    json_get_string(b, "blob", "from", &u->from, e) < 0 ||
		    json_get_int(b, "blob", "size", 0, INT64_MAX, &size, e) < 0)
			return -EINVAL;
		if (u->digest == NULL || !digest_valid(u->digest) || size < 0)
			return error_setf(e, -EINVAL, "malformed request");
		u->size = (uint64_t)size;
	}
	return 0;
}

static int push_all(struct pusher *p, char ret[DIGEST_TEXT_SIZE], struct error *e)
{
	json_t *candidates = NULL, *endpoints = NULL, *manifests = NULL, *m;
	const char *digest = "";
	size_t i;
	int r;

	if (json_get_array(p->c->request, "", "candidates", &candidates, e) < 0 ||
	    json_get_array(json_array_get(candidates, 0), "", "endpoints", &endpoints, e) < 0 ||
	    json_get_array(p->c->request, "", "manifests", &manifests, e) < 0)
		return -EINVAL;
	/* mirrors are for reading: the last one is the registry itself */
	r = http_endpoint_take(&p->ep, json_array_get(endpoints, json_array_size(endpoints) - 1),
			       e);
	if (r == 0)
		r = take_blobs(p, e);
	if (r == 0)
		r = push_blobs(p, e);
	json_array_foreach(manifests, i, m)
		if (r == 0)
			r = push_manifest(p, m, &digest, e);
	if (r == 0)
		(void)snprintf(ret, DIGEST_TEXT_SIZE, "%s", digest); /* is valid */
	return r;
}

int fetch_push(struct fetch_ctx *c, char ret_digest[DIGEST_TEXT_SIZE], struct error *e)
{
	struct pusher p = { .c = c };
	int r;

	r = http_client_init(&p.client, c->request, e);
	if (r < 0)
		return r;
	r = push_all(&p, ret_digest, e);
	for (size_t i = 0; i < p.uploads_n; i++)
		upload_fini(&p, &p.uploads[i]);
	free(p.uploads);
	http_endpoint_fini(&p.ep);
	http_client_fini(&p.client);
	return r;
}
