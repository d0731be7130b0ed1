/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a registry that have a short answer: a manifest, the tags of a repository,
 * a search, whether a password is right; and the removal of a manifest.
 *
 * Theory of operation
 *
 * The answer is written to the descriptor that crt handed over (a memory
 * file); crt reads it when "done" was said. Documents are limited, lists too:
 * LIST_MAX entries, PAGES_MAX pages, and every page must be at the registry
 * itself, because the Link header that names it is the server's word. Entries
 * that are no tags or repository names are left out: what is written is a list
 * of checked names, or a manifest as it came.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/fetch-proto.h"
#include "storage/registry/http.h"

#define LIST_MAX  100000u
#define PAGES_MAX 1000u

struct query {
	struct fetch_ctx *c;
	struct http_client client;
	struct http_endpoint ep;
	const char *term; /* of a search */
	int64_t limit;
	json_t *result;
};

static int put(struct query *q, const void *data, size_t len, struct error *e)
{
	int r = fd_write_all(FETCH_FD_SOURCE, data, len);

	(void)q;
	return r < 0 ? error_set(e, r, "write the answer") : 0;
}

static int get(struct query *q, const char *path, const char *accept, size_t max,
	       struct http_request *r, struct buf *ret, struct error *e)
{
	*r = (struct http_request){ .ep = &q->ep, .accept = accept };
	r->path = strdup(path);
	return r->path == NULL ? error_set(e, -ENOMEM, "make a request") :
				 http_get(&q->client, q->c, r, max, ret, e);
}

/* ---- lists ------------------------------------------------------------------------ */

static bool name_ok(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 255 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/:") ==
		       len;
}

static int take_names(struct query *q, const struct buf *b, const char *key, struct error *e)
{
	_cleanup_json_ json_t *doc = json_parse(buf_str(b), b->len, "list", e);
	json_t *list = NULL, *v;
	size_t i;

	if (doc == NULL || json_get_array(doc, "", key, &list, e) < 0)
		return -EBADMSG;
	json_array_foreach(list, i, v) {
		const char *name = json_string_value(v);

		if (name == NULL || !name_ok(name) ||
		    (q->term != NULL && strstr(name, q->term) == NULL))
			continue;
		if (json_array_size(q->result) >= (size_t)q->limit)
			return 0;
		if (json_array_append(q->result, v) < 0)
			return error_set(e, -ENOMEM, "list");
	}
	return 0;
}

/* The path of the next page, NULL = this was the last. */
static int next_page(const struct http_request *r, char **ret, struct error *e)
{
	_cleanup_free_ char *next = http_link_next(r->link);
	_cleanup_free_ char *url = NULL;
	const char *path;
	int res;

	*ret = NULL;
	if (next == NULL)
		return 0;
	res = http_resolve(r->url, next, &url, e);
	if (res < 0)
		return error_prefix(e, "next page of the list");
	if (!http_is_own_host(r->ep, url))
		return error_setf(e, -EACCES,
				  "the next page of the list is at another host: refused");
	path = strchr(url + strlen("https://"), '/');
	*ret = path != NULL ? strdup(path) : NULL;
	return 0;
}

/* All pages of /v2/.../list from path on. */
static int list(struct query *q, const char *path, const char *key, struct error *e)
{
	_cleanup_free_ char *at = strdup(path);
	int res = at != NULL ? 0 : error_set(e, -ENOMEM, "list");

	for (unsigned int page = 0; res == 0 && at != NULL; page++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct http_request r;
		char *next = NULL;

		if (page == PAGES_MAX)
			return error_setf(e, -E2BIG, "the list has more than %u pages", PAGES_MAX);
		res = get(q, at, NULL, LIMIT_JSON_BYTES, &r, &b, e);
		if (res == 0)
			res = take_names(q, &b, key, e);
		if (res == 0 && json_array_size(q->result) < (size_t)q->limit)
			res = next_page(&r, &next, e);
		if (res == 0 && next != NULL && strcmp(next, at) == 0)
			res = error_setf(e, -ELOOP, "the list goes in a circle");
		http_request_fini(&q->client, &r);
		free(at);
		at = next;
	}
	return res;
}

/* The search of old registries and of docker.io. */
static int search_v1(struct query *q, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *path = NULL;
	char *term = curl_easy_escape(NULL, q->term, 0);
	json_t *results = NULL;
	struct http_request r;
	int res;

	path = term != NULL ? str_printf("/v1/search?q=%s&n=%lld", term, (long long)q->limit) :
			      NULL;
	curl_free(term);
	if (path == NULL)
		return error_set(e, -ENOMEM, "search");
	res = get(q, path, NULL, LIMIT_JSON_BYTES, &r, &b, e);
	http_request_fini(&q->client, &r);
	if (res < 0)
		return res;
	doc = json_parse(buf_str(&b), b.len, "result of the search", e);
	if (doc == NULL || json_get_array(doc, "", "results", &results, e) < 0)
		return -EBADMSG;
	return json_array_extend(q->result, results) < 0 ? error_set(e, -ENOMEM, "search") : 0;
}

static int search(struct query *q, struct error *e)
{
	struct error first = ERROR_INIT;
	int r = list(q, "/v2/_catalog?n=1000", "repositories", &first);

	if (r == 0)
		return 0;
	if (json_array_clear(q->result) == 0 && search_v1(q, e) == 0)
		return 0;
	if (e != NULL)
		*e = first;
	return r;
}

/* ---- manifests --------------------------------------------------------------------- */

static int manifest_get(struct query *q, struct buf *ret, char ret_type[128], struct error *e)
{
	_cleanup_free_ char *path = str_printf("/v2/%s/manifests/%s", q->ep.path, q->ep.reference);
	char got[DIGEST_TEXT_SIZE];
	struct http_request r;
	int res;

	if (path == NULL)
		return error_set(e, -ENOMEM, "make a request");
	res = get(q, path, MANIFEST_ACCEPT, LIMIT_JSON_BYTES, &r, ret, e);
	if (res == 0 && digest_of(buf_str(ret), ret->len, got) < 0)
		res = error_set(e, -ENOMEM, "digest");
	if (res == 0 && digest_valid(q->ep.reference) && strcmp(got, q->ep.reference) != 0)
		res = error_setf(e, -EBADMSG, "digest mismatch: the content is %s, not %s", got,
				 q->ep.reference);
	if (res == 0)
		(void)snprintf(ret_type, 128, "%s", r.content_type); /* same size */
	http_request_fini(&q->client, &r);
	return res;
}

static int say_manifest(struct query *q, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_json_ json_t *doc = NULL;
	char type[128] = "";
	int r;

	r = manifest_get(q, &b, type, e);
	if (r < 0)
		return r;
	doc = json_parse(buf_str(&b), b.len, "manifest", e);
	return doc == NULL ? -EBADMSG : put(q, buf_str(&b), b.len, e);
}

static int send_simple(struct query *q, const char *method, const char *path, int *ret_status,
		       struct error *e)
{
	struct http_request r = {
		.ep = &q->ep, .method = method, .sink = http_no_sink, .sink_reset = http_no_reset
	};
	int res;

	r.path = strdup(path);
	res = r.path != NULL ? http_run(&q->client, q->c, &r, e) :
			       error_set(e, -ENOMEM, "make a request");
	if (res == 0 && r.error.code < 0) {
		if (e != NULL)
			*e = r.error;
		res = r.error.code;
	}
	*ret_status = r.status;
	http_request_fini(&q->client, &r);
	return res;
}

static int remove_manifest(struct query *q, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *path = NULL;
	char type[128] = "", digest[DIGEST_TEXT_SIZE];
	int status = 0, r;

	r = manifest_get(q, &b, type, e);
	if (r < 0)
		return r;
	if (digest_of(buf_str(&b), b.len, digest) < 0 ||
	    (path = str_printf("/v2/%s/manifests/%s", q->ep.path, digest)) == NULL)
		return error_set(e, -ENOMEM, "delete");
	r = send_simple(q, "DELETE", path, &status, e);
	if (status == 405)
		(void)error_hint(e, "; the registry does not allow it");
	return r < 0 ? r : put(q, digest, strlen(digest), e);
}

/* ---- all of it ---------------------------------------------------------------------- */

static int say_result(struct query *q, struct error *e)
{
	_cleanup_free_ char *text = json_to_text(q->result);

	return text == NULL ? error_set(e, -ENOMEM, "write the answer") :
			      put(q, text, strlen(text), e);
}

static int tags(struct query *q, struct error *e)
{
	_cleanup_free_ char *path = str_printf("/v2/%s/tags/list?n=1000", q->ep.path);

	return path == NULL ? error_set(e, -ENOMEM, "list") : list(q, path, "tags", e);
}

/* Does the registry let these credentials in? */
static int login(struct query *q, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct http_request r;
	int res = get(q, "/v2/", NULL, LIMIT_JSON_BYTES, &r, &b, e);

	http_request_fini(&q->client, &r);
	return res;
}

static int ask(struct query *q, const char *what, struct error *e)
{
	int r;

	if (strcmp(what, "manifest") == 0)
		return say_manifest(q, e);
	if (strcmp(what, "delete") == 0)
		return remove_manifest(q, e);
	if (strcmp(what, "login") == 0)
		return login(q, e);
	q->result = json_array();
	if (q->result == NULL)
		return error_set(e, -ENOMEM, "ask");
	if (strcmp(what, "tags") == 0)
		r = tags(q, e);
	else if (strcmp(what, "search") == 0)
		r = search(q, e);
	else
		r = error_setf(e, -EINVAL, "malformed request");
	if (r == 0)
		r = say_result(q, e);
	json_decref(q->result);
	q->result = NULL;
	return r;
}

int fetch_query(struct fetch_ctx *c, struct error *e)
{
	struct query q = { .c = c, .limit = LIST_MAX };
	json_t *candidates = NULL, *candidate, *endpoints = NULL, *ep;
	const char *what = "";
	bool own;
	size_t i, k;
	int r;

	if (json_get_array(c->request, "", "candidates", &candidates, e) < 0 ||
	    json_get_string(c->request, "", "what", &what, e) < 0 ||
	    json_get_string(c->request, "", "term", &q.term, e) < 0 ||
	    json_get_int(c->request, "", "limit", 1, LIST_MAX, &q.limit, e) < 0)
		return -EINVAL;
	r = http_client_init(&q.client, c->request, e);
	if (r < 0)
		return r;
	own = strcmp(what, "delete") == 0 || strcmp(what, "login") == 0;
	r = error_setf(e, -EINVAL, "malformed request");
	json_array_foreach(candidates, i, candidate) {
		endpoints = json_object_get(candidate, "endpoints");
		json_array_foreach(endpoints, k, ep) {
			/* the registry itself, which is the last: no mirror gets its password */
			if (own && k + 1 < json_array_size(endpoints))
				continue;
			if (r == 0)
				break;
			if (e != NULL)
				*e = ERROR_INIT;
			r = http_endpoint_take(&q.ep, ep, e);
			if (r == 0)
				r = ask(&q, what, e);
		}
	}
	http_endpoint_fini(&q.ep);
	http_client_fini(&q.client);
	return r;
}
