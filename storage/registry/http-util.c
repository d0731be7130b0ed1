/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs that servers name, and requests that are waited for.
 *
 * Theory of operation
 *
 * Location and Link headers are hostile text. libcurl's parser of URLs makes
 * them absolute; what is neither http nor https is refused, and so is the way
 * from https to http. Whether a URL is at the endpoint itself is judged by
 * scheme, host and port together, ports written out.
 *
 * Documents are read into memory up to a limit that the caller knows. While
 * one is waited for, crt hears now and then that this process lives.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "storage/registry/http.h"

int http_endpoint_take(struct http_endpoint *ep, const json_t *o, struct error *e)
{
	http_endpoint_fini(ep);
	*ep = (struct http_endpoint){ .host = NULL };
	if (json_get_string(o, "endpoint", "host", &ep->host, e) < 0 ||
	    json_get_string(o, "endpoint", "path", &ep->path, e) < 0 ||
	    json_get_string(o, "endpoint", "reference", &ep->reference, e) < 0 ||
	    json_get_string(o, "endpoint", "user", &ep->user, e) < 0 ||
	    json_get_string(o, "endpoint", "password", &ep->password, e) < 0 ||
	    json_get_string(o, "endpoint", "token", &ep->token, e) < 0 ||
	    json_get_string(o, "endpoint", "ca", &ep->ca, e) < 0 ||
	    json_get_string(o, "endpoint", "cert", &ep->cert, e) < 0 ||
	    json_get_string(o, "endpoint", "key", &ep->key, e) < 0 ||
	    json_get_bool(o, "endpoint", "insecure", &ep->insecure, e) < 0)
		return -EINVAL;
	if (ep->host == NULL || ep->path == NULL || ep->reference == NULL)
		return error_setf(e, -EINVAL, "malformed request");
	if (ep->user != NULL && ep->password == NULL)
		ep->password = "";
	return 0;
}

int http_url_host(const char *url, char **ret_host, bool *ret_https)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	int r = -EINVAL;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0)) {
		char *text = str_printf("%s:%s", host, port);

		if (text != NULL) {
			*ret_https = scheme[4] == 's';
			*ret_host = text;
			r = 0;
		}
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return r;
}

bool http_is_own_host(const struct http_endpoint *ep, const char *url)
{
	_cleanup_free_ char *own = str_printf("%s://%s/", ep->plain ? "http" : "https", ep->host);
	_cleanup_free_ char *a = NULL;
	_cleanup_free_ char *b = NULL;
	bool a_https = false, b_https = false;

	return own != NULL && http_url_host(own, &a, &a_https) == 0 &&
	       http_url_host(url, &b, &b_https) == 0 && a_https == b_https && strcasecmp(a, b) == 0;
}

int http_resolve(const char *base, const char *location, char **ret, struct error *e)
{
	_cleanup_free_ char *from = NULL;
	_cleanup_free_ char *to = NULL;
	_cleanup_free_ char *shown = str_escape(location);
	char *absolute = NULL, *copy = NULL;
	bool from_https = true, to_https = false;
	CURLU *u = curl_url();
	int r = 0;

	if (u == NULL || curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK ||
	    curl_url_set(u, CURLUPART_URL, location, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_URL, &absolute, 0) != CURLUE_OK ||
	    http_url_host(base, &from, &from_https) < 0 ||
	    http_url_host(absolute, &to, &to_https) < 0)
		r = error_setf(e, -EBADMSG, "redirected to \"%.200s\": refused",
			       shown != NULL ? shown : "");
	else if (from_https && !to_https)
		r = error_setf(e, -EACCES, "redirected from https to http: refused");
	else if ((copy = strdup(absolute)) == NULL)
		r = error_set(e, -ENOMEM, "follow a redirect");
	curl_free(absolute);
	curl_url_cleanup(u);
	if (r == 0)
		*ret = copy;
	return r;
}

char *http_link_next(const char *link)
{
	while (*link != '\0') {
		const char *open = strchr(link, '<');
		const char *close = open != NULL ? strchr(open, '>') : NULL;
		const char *end;

		if (close == NULL)
			return NULL;
		end = strchr(close, '<'); /* of the next link */
		if (end == NULL)
			end = close + strlen(close);
		for (const char *p = close; p + 8 <= end; p++)
			if (strncasecmp(p, "rel=next", 8) == 0 ||
			    (p + 10 <= end && strncasecmp(p, "rel=\"next\"", 10) == 0))
				return strndup(open + 1, (size_t)(close - open - 1));
		link = end;
	}
	return NULL;
}

/* ---- small documents -------------------------------------------------------------- */

struct small {
	struct buf *b;
	size_t max;
	bool too_long;
};

static enum http_sink_result small_sink(void *data, const void *p, size_t len)
{
	struct small *s = data;

	s->too_long = len > s->max - s->b->len;
	if (s->too_long || buf_append(s->b, p, len) < 0)
		return HTTP_SINK_STOP;
	return HTTP_SINK_OK;
}

static void small_reset(void *data)
{
	struct small *s = data;

	buf_reset(s->b);
}

enum http_sink_result http_no_sink(void *data, const void *p, size_t len)
{
	(void)data;
	(void)p;
	(void)len;
	return HTTP_SINK_OK;
}

void http_no_reset(void *data)
{
	(void)data;
}

int http_run(struct http_client *c, struct fetch_ctx *ctx, struct http_request *r, struct error *e)
{
	int res = 0;

	http_submit(c, r);
	while (!r->done && res == 0) {
		res = http_step(c, -1, 1000, e);
		if (res == 0 && clock_now_ms() - ctx->last_sent_ms > 4000)
			res = fetch_say(ctx, json_pack("{s:s}", "t", "alive"), e);
	}
	return res;
}

int http_get(struct http_client *c, struct fetch_ctx *ctx, struct http_request *r, size_t max,
	     struct buf *ret, struct error *e)
{
	struct small s = { .b = ret, .max = max };
	int res;

	r->sink = small_sink;
	r->sink_reset = small_reset;
	r->data = &s;
	res = http_run(c, ctx, r, e);
	if (res < 0)
		return res;
	if (s.too_long)
		return error_setf(e, -EFBIG, "GET %s: more than %zu bytes", r->url, max);
	if (r->error.code < 0 && e != NULL)
		*e = r->error;
	return r->error.code;
}
