/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests to registries.
 *
 * Theory of operation
 *
 * Everything a server sends is hostile: status, headers, bodies, redirects,
 * delays. All requests run in one thread on one multi handle, so connections
 * are kept and shared. What a response may cause:
 *
 *   - 2xx: the body goes to the sink, which may pause the transfer (its queue
 *     is full) or stop it;
 *   - 3xx: followed by us, not by libcurl: at most LIMIT_HTTP_REDIRECTS, only
 *     to http or https, never from https to http, and credentials are sent
 *     only while the URL is at the endpoint itself (same host and port);
 *   - 401 from the endpoint: answered once or twice (auth.c);
 *   - 408, 429, 5xx, broken connections, stalls: again after a growing pause,
 *     LIMIT_HTTP_RETRIES times. A layer goes on where it stopped by a range
 *     request; where the server sends all of it again, what we have is skipped
 *     (the digest covers the sum);
 *   - anything else: an error with the server's message, escaped.
 *
 * What is sent (uploads of crt push) comes from descriptors of our own and is sent
 * again with the same method after 307 and 308 only; after a failure in the middle the caller
 * asks how much arrived (push.c). A URL that a registry names for an upload gets
 * credentials only at the endpoint's own host, too.
 *
 * Headers are limited to LIMIT_HTTP_HEADER bytes, a body slower than LOW_SPEED
 * for LOW_TIME seconds is a stall. https is verified unless the endpoint is
 * "insecure"; then it is tried without verification first, and plain http
 * when there is no TLS at that port.
 */
#include "storage/registry/http.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "storage/unpack/cage.h"

#define CONNECT_SECONDS 20L
#define LOW_SPEED	256L /* bytes a second */
#define LOW_TIME	20L
#define RETRY_MS	400
#define RETRY_AFTER_MAX 30L
#define ERROR_BODY_MAX	(16u << 10)

void http_endpoint_fini(struct http_endpoint *ep)
{
	free(ep->bearer);
	ep->bearer = NULL;
}

/* ---- callbacks of libcurl --------------------------------------------------------- */

static const char *method(const struct http_request *r)
{
	return r->method != NULL ? r->method : "GET";
}

static bool good_status(const struct http_request *r)
{
	return r->method == NULL ? r->status == 200 || r->status == 206 :
				   r->status >= 200 && r->status < 300;
}

/* May the body of this response be used? Looks at the range once. */
static bool range_ok(struct http_request *r)
{
	unsigned long long from = 0;

	if (r->method != NULL)
		return true;
	if (r->status == 200) {
		r->skip = r->received; /* all of it comes again */
		return true;
	}
	if (strncasecmp(r->content_range, "bytes ", 6) != 0)
		return false;
	from = strtoull(r->content_range + 6, NULL, 10);
	r->skip = 0;
	return from == r->received;
}

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct http_request *r = data;
	size_t len = size * n, use = len;
	long status = 0;

	if (r->status == 0) {
		(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE,
					&status); /* 0 on failure */
		r->status = (int)status;
		if (good_status(r) && !range_ok(r))
			r->status = -1;
	}
	if (!good_status(r)) {
		if (r->error_body.len + len <= ERROR_BODY_MAX)
			(void)buf_append(&r->error_body, p, len); /* only text for an error */
		return len;
	}
	if (r->skip > 0) {
		size_t s = r->skip < use ? (size_t)r->skip : use;

		if (s == use) {
			r->skip -= s;
			return len;
		}
		p += s;
		use -= s;
	}
	switch (r->sink(r->data, p, use)) {
	case HTTP_SINK_OK:
		r->skip = 0;
		r->received += use;
		return len;
	case HTTP_SINK_PAUSE:
		r->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	case HTTP_SINK_STOP:
	default:
		r->stopped = true;
		return 0;
	}
}

static void take_header(char *ret, size_t size, const char *value, size_t len)
{
	if (len >= size)
		len = 0; /* too long to be what we look for */
	memcpy(ret, value, len);
	ret[len] = '\0';
}

/* Seconds, or a date; 0 = our own pause. */
static long seconds_until(const char *text)
{
	time_t t;

	if (text[0] >= '0' && text[0] <= '9')
		return strtol(text, NULL, 10);
	t = curl_getdate(text, NULL);
	return t > time(NULL) ? (long)(t - time(NULL)) : 0;
}

/* The next piece of the body that is sent. */
static size_t on_send(char *p, size_t size, size_t n, void *data)
{
	struct http_request *r = data;
	uint64_t left = r->body_len - r->body_sent;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got;

	if (want == 0)
		return 0;
	do
		got = pread(r->body_fd, p, want, (off_t)(r->body_offset + r->body_sent));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return CURL_READFUNC_ABORT;
	r->body_sent += (uint64_t)got;
	return (size_t)got;
}

static int on_seek(void *data, curl_off_t offset, int origin)
{
	struct http_request *r = data;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > r->body_len)
		return CURL_SEEKFUNC_FAIL;
	r->body_sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_header(char *p, size_t size, size_t n, void *data)
{
	struct http_request *r = data;
	size_t len = size * n, key, vlen;
	const char *colon = memchr(p, ':', len), *v;
	char number[32];

	r->header_bytes += len;
	if (r->header_bytes > LIMIT_HTTP_HEADER)
		return 0;
	if (len > 5 && strncmp(p, "HTTP/", 5) == 0) { /* a new response (100-continue, proxy) */
		r->content_type[0] = r->content_digest[0] = r->location[0] = r->content_range[0] =
			r->range[0] = r->link[0] = '\0';
		buf_reset(&r->challenge);
		return len;
	}
	if (colon == NULL)
		return len;
	key = (size_t)(colon - p);
	v = colon + 1;
	vlen = len - key - 1;
	while (vlen > 0 && (*v == ' ' || *v == '\t')) {
		v++;
		vlen--;
	}
	while (vlen > 0 && (v[vlen - 1] == '\r' || v[vlen - 1] == '\n' || v[vlen - 1] == ' '))
		vlen--;
	if (memchr(v, '\0', vlen) != NULL)
		return 0;
#define IS(name) (key == sizeof(name) - 1 && strncasecmp(p, name, key) == 0)
	if (IS("content-type")) {
		take_header(r->content_type, sizeof(r->content_type), v, vlen);
		r->content_type[strcspn(r->content_type, "; ")] = '\0';
	} else if (IS("docker-content-digest")) {
		take_header(r->content_digest, sizeof(r->content_digest), v, vlen);
	} else if (IS("location")) {
		take_header(r->location, sizeof(r->location), v, vlen);
	} else if (IS("content-range")) {
		take_header(r->content_range, sizeof(r->content_range), v, vlen);
	} else if (IS("retry-after")) {
		take_header(number, sizeof(number), v, vlen);
		r->retry_after = seconds_until(number);
	} else if (IS("range")) {
		take_header(r->range, sizeof(r->range), v, vlen);
	} else if (IS("link")) {
		take_header(r->link, sizeof(r->link), v, vlen);
	} else if (IS("www-authenticate")) {
		(void)buf_append(&r->challenge, v, vlen); /* a failure means no challenge */
		(void)buf_putc(&r->challenge, '\n');
	}
#undef IS
	return len;
}

/* ---- one transfer ----------------------------------------------------------------- */

static int load_ca(struct http_client *c, const struct http_endpoint *ep)
{
	FILE *f;
	char piece[8192];
	size_t n;

	if (c->ca_for == ep->ca)
		return c->ca_blob.err;
	buf_reset(&c->ca_blob);
	f = fopen(cage_ca_path(), "re");
	while (f != NULL && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		(void)buf_append(&c->ca_blob, piece, n); /* failures stay in the buffer */
	if (f != NULL)
		(void)fclose(f); /* was only read */
	(void)buf_putc(&c->ca_blob, '\n');
	(void)buf_puts(&c->ca_blob, ep->ca);
	c->ca_for = ep->ca;
	return c->ca_blob.err;
}

int http_easy_setup(struct http_client *c, CURL *easy, const struct http_endpoint *ep,
		    const char *url, struct error *e)
{
	bool https = str_starts(url, "https:");
	const char *proxy = https ? c->proxy_https : c->proxy_http;
	struct curl_blob blob;
	CURLcode r = CURLE_OK;

#define SET(opt, value)                                         \
	do {                                                    \
		if (r == CURLE_OK)                              \
			r = curl_easy_setopt(easy, opt, value); \
	} while (0)
	SET(CURLOPT_URL, url);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "crt/" CRT_VERSION);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	SET(CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED);
	SET(CURLOPT_LOW_SPEED_TIME, LOW_TIME);
	SET(CURLOPT_BUFFERSIZE, 256L << 10);
	SET(CURLOPT_PROXY, proxy != NULL ? proxy : "");
	SET(CURLOPT_NOPROXY, c->proxy_none != NULL ? c->proxy_none : "");
	SET(CURLOPT_SSL_VERIFYPEER, ep->insecure ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, ep->insecure ? 0L : 2L);
	if (ep->ca != NULL && !ep->insecure) {
		if (load_ca(c, ep) < 0)
			return error_set(e, -ENOMEM, "load certificates");
		blob = (struct curl_blob){ .data = c->ca_blob.data,
					   .len = c->ca_blob.len,
					   .flags = CURL_BLOB_COPY };
		SET(CURLOPT_CAINFO_BLOB, &blob);
	} else {
		SET(CURLOPT_CAINFO, cage_ca_path());
	}
	if (ep->cert != NULL && ep->key != NULL) {
		struct curl_blob pem = { .data = (void *)(uintptr_t)ep->cert, /* is copied */
					 .len = strlen(ep->cert),
					 .flags = CURL_BLOB_COPY };

		SET(CURLOPT_SSLCERT_BLOB, &pem);
		pem.data = (void *)(uintptr_t)ep->key;
		pem.len = strlen(ep->key);
		SET(CURLOPT_SSLKEY_BLOB, &pem);
	}
#undef SET
	if (r != CURLE_OK)
		return error_setf(e, -EINVAL, "set up a request: %s", curl_easy_strerror(r));
	return 0;
}

static int add_header(struct http_request *r, const char *fmt, const char *value)
{
	_cleanup_free_ char *text = str_printf("%s%s", fmt, value);
	struct curl_slist *l = text != NULL ? curl_slist_append(r->headers, text) : NULL;

	if (l == NULL)
		return -ENOMEM;
	r->headers = l;
	return 0;
}

static int set_auth(struct http_request *r)
{
	CURLcode code = CURLE_OK;

	if (!r->own_host)
		return 0;
	if (r->ep->bearer != NULL)
		return add_header(r, "Authorization: Bearer ", r->ep->bearer);
	if (!r->ep->use_basic || r->ep->user == NULL)
		return 0;
	code = curl_easy_setopt(r->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	if (code == CURLE_OK)
		code = curl_easy_setopt(r->easy, CURLOPT_USERNAME, r->ep->user);
	if (code == CURLE_OK)
		code = curl_easy_setopt(r->easy, CURLOPT_PASSWORD, r->ep->password);
	return code == CURLE_OK ? 0 : -ENOMEM;
}

/* Method and body. */
static int set_method(struct http_request *r)
{
	CURLcode code = CURLE_OK;

	if (r->method == NULL)
		return 0;
	if (strcmp(r->method, "HEAD") == 0)
		return curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L) == CURLE_OK ? 0 : -ENOMEM;
	if (r->type != NULL) {
		code = curl_easy_setopt(r->easy, CURLOPT_UPLOAD, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_INFILESIZE_LARGE,
						(curl_off_t)r->body_len);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, on_send);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_SEEKFUNCTION, on_seek);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_SEEKDATA, r);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
		if (code != CURLE_OK || add_header(r, "Content-Type: ", r->type) < 0 ||
		    add_header(r, "Expect:", "") < 0 ||
		    (r->body_range != NULL && add_header(r, "Content-Range: ", r->body_range) < 0))
			return -ENOMEM;
	} else if (strcmp(r->method, "DELETE") != 0) {
		code = curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE, 0L);
		if (code != CURLE_OK || add_header(r, "Content-Type:", "") < 0)
			return -ENOMEM;
	}
	code = curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, r->method);
	return code == CURLE_OK ? 0 : -ENOMEM;
}

static void transfer_reset(struct http_client *c, struct http_request *r)
{
	if (r->easy != NULL) {
		if (r->running)
			(void)curl_multi_remove_handle(c->multi, r->easy); /* both are ours */
		curl_easy_cleanup(r->easy);
	}
	r->easy = NULL;
	curl_slist_free_all(r->headers);
	r->headers = NULL;
	r->running = r->paused = false;
}

/* Begin an attempt at r->url (NULL: the endpoint's own). */
static int transfer_start(struct http_client *c, struct http_request *r, struct error *e)
{
	char range[48];
	int res;

	transfer_reset(c, r);
	r->status = 0;
	r->skip = 0;
	r->header_bytes = 0;
	r->retry_after = 0;
	r->curl_error[0] = '\0';
	buf_reset(&r->error_body);
	buf_reset(&r->challenge);
	if (!r->resumable) {
		r->received = 0;
		r->sink_reset(r->data);
	}
	r->body_sent = 0;
	if (r->url == NULL && r->start_url != NULL) {
		r->url = strdup(r->start_url);
		r->own_host = http_is_own_host(r->ep, r->start_url);
	} else if (r->url == NULL) {
		r->url = str_printf("%s://%s%s", r->ep->plain ? "http" : "https", r->ep->host,
				    r->path);
		r->own_host = true;
	}
	r->easy = curl_easy_init();
	if (r->url == NULL || r->easy == NULL)
		return error_set(e, -ENOMEM, "make a request");
	res = http_easy_setup(c, r->easy, r->ep, r->url, e);
	if (res < 0)
		return res;
	if ((r->accept != NULL && add_header(r, "Accept: ", r->accept) < 0) || set_method(r) < 0 ||
	    set_auth(r) < 0)
		return error_set(e, -ENOMEM, "make a request");
	if (r->received > 0) {
		(void)snprintf(range, sizeof(range), "%llu-",
			       (unsigned long long)r->received); /* fits */
		(void)curl_easy_setopt(r->easy, CURLOPT_RANGE,
				       range); /* without it everything comes again */
	}
	if (curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers) != CURLE_OK ||
	    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
	    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r) != CURLE_OK ||
	    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK ||
	    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r) != CURLE_OK ||
	    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->curl_error) != CURLE_OK ||
	    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r) != CURLE_OK ||
	    curl_multi_add_handle(c->multi, r->easy) != CURLM_OK)
		return error_set(e, -ENOMEM, "make a request");
	r->running = true;
	return 0;
}

static void finish(struct http_client *c, struct http_request *r, int code)
{
	transfer_reset(c, r);
	r->error.code = code;
	r->done = true;
}

/* Begin again at the endpoint after a pause, unless it was tried too often: then fail. */
static void retry(struct http_client *c, struct http_request *r, int code)
{
	long after = r->retry_after > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : r->retry_after;
	int64_t pause = (int64_t)c->retry_ms << (r->tries < 6 ? r->tries : 6);

	r->may_pass = true;
	if (r->once || r->tries++ >= c->retries) {
		finish(c, r, code);
		return;
	}
	transfer_reset(c, r);
	free(r->url);
	r->url = NULL;
	if (after > 0 && after * 1000 > pause)
		pause = after * 1000;
	r->not_before_ms = clock_now_ms() + pause;
	r->error = ERROR_INIT;
}

static void again(struct http_client *c, struct http_request *r)
{
	transfer_reset(c, r);
	r->not_before_ms = 0;
}

/* ---- the end of a transfer -------------------------------------------------------- */

static bool worth_retrying(CURLcode code)
{
	return code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
	       code == CURLE_PARTIAL_FILE || code == CURLE_OPERATION_TIMEDOUT ||
	       code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
}

static void on_failure(struct http_client *c, struct http_request *r, CURLcode code)
{
	_cleanup_free_ char *shown =
		str_escape(r->curl_error[0] != '\0' ? r->curl_error : curl_easy_strerror(code));
	int err = code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;

	if (r->stopped) {
		finish(c, r, -ECANCELED);
		return;
	}
	/* several may find that out at the same time */
	if (r->ep->insecure && str_starts(r->url, "https:") && r->start_url == NULL &&
	    (r->ep->plain || !r->ep->answered) &&
	    (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_COULDNT_CONNECT)) {
		r->ep->plain = true;
		free(r->url);
		r->url = NULL;
		again(c, r);
		return;
	}
	if (r->header_bytes > LIMIT_HTTP_HEADER)
		(void)error_setf(&r->error, err,
				 "%s %s: the response headers are longer than %u bytes", method(r),
				 r->url, LIMIT_HTTP_HEADER);
	else
		(void)error_setf(&r->error, err, "%s %s: %s", method(r), r->url,
				 shown != NULL ? shown : "failed");
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		(void)error_hint(&r->error,
				 "; its certificate is not trusted here: see --tls-verify=false");
	else if (code == CURLE_SSL_CONNECT_ERROR)
		(void)error_hint(&r->error,
				 "; if it is a registry without TLS, use --tls-verify=false");
	if (code == CURLE_OPERATION_TIMEDOUT)
		r->tries = r->tries + 1 < c->retries ?
				   c->retries - 1 :
				   r->tries; /* it took long enough: once more */
	if (worth_retrying(code) && r->header_bytes <= LIMIT_HTTP_HEADER)
		retry(c, r, err);
	else
		finish(c, r, err);
}

static void on_redirect(struct http_client *c, struct http_request *r)
{
	char *url = NULL;
	int code;

	if (r->type != NULL && r->status != 307 && r->status != 308)
		code = error_setf(&r->error, -EBADMSG, "redirected with status %d: refused",
				  r->status);
	else if (++r->redirects > LIMIT_HTTP_REDIRECTS)
		code = error_setf(&r->error, -ELOOP, "more than %d redirects",
				  LIMIT_HTTP_REDIRECTS);
	else
		code = http_resolve(r->url, r->location, &url, &r->error);
	if (code < 0) {
		(void)error_prefix(&r->error, "%s %s", method(r), r->url);
		finish(c, r, code);
		return;
	}
	r->own_host = r->own_host && http_is_own_host(r->ep, url);
	free(r->url);
	r->url = url;
	again(c, r);
}

/* The message of {"errors":[{"code","message"}]}, escaped and short; "" when there is none. */
static char *server_message(const struct http_request *r)
{
	_cleanup_json_ json_t *doc =
		json_parse(buf_str(&r->error_body), r->error_body.len, "error", NULL);
	const json_t *first = json_array_get(json_object_get(doc, "errors"), 0);
	const char *text = json_string_value(json_object_get(first, "message"));
	_cleanup_free_ char *shown = NULL;

	if (text == NULL)
		text = json_string_value(json_object_get(first, "code"));
	if (text == NULL)
		text = json_string_value(json_object_get(doc, "details"));
	if (text == NULL)
		return strdup("");
	shown = str_escape(text);
	return shown != NULL ? str_printf(" (%.160s)", shown) : NULL;
}

static void on_status(struct http_client *c, struct http_request *r)
{
	_cleanup_free_ char *said = server_message(r);
	int code = -EIO;

	if (r->status == 404)
		code = -ENOENT;
	else if (r->status == 401 || r->status == 403)
		code = -EACCES;
	if (r->status == -1)
		(void)error_setf(&r->error, code,
				 "%s %s: the server sent another range than was asked for",
				 method(r), r->url);
	else
		(void)error_setf(&r->error, code, "%s %s: HTTP status %d%s", method(r), r->url,
				 r->status, said != NULL ? said : "");
	if (r->status == 408 || r->status == 429 || r->status >= 500)
		retry(c, r, code);
	else
		finish(c, r, code);
}

static void on_done(struct http_client *c, struct http_request *r, CURLcode code)
{
	long status = 0;

	if (code != CURLE_OK) {
		on_failure(c, r, code);
		return;
	}
	if (r->status == 0) { /* no body came */
		(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE,
					&status); /* 0 on failure */
		r->status = (int)status;
	}
	r->ep->answered = true;
	if (good_status(r)) {
		finish(c, r, 0);
	} else if (r->status == 401 && r->own_host) {
		int res = auth_answer(c, r, &r->error);

		if (res < 0)
			finish(c, r, res);
		else
			again(c, r);
	} else if ((r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
		    r->status == 308) &&
		   r->location[0] != '\0') {
		on_redirect(c, r);
	} else {
		on_status(c, r);
	}
}

/* ---- the client ------------------------------------------------------------------- */

int http_global_init(struct error *e)
{
	CURLcode r = curl_global_init(CURL_GLOBAL_DEFAULT);

	return r == CURLE_OK ? 0 : error_setf(e, -EIO, "start libcurl: %s", curl_easy_strerror(r));
}

int http_client_init(struct http_client *c, const json_t *request, struct error *e)
{
	int64_t retries = LIMIT_HTTP_RETRIES, retry_ms = RETRY_MS;

	*c = (struct http_client){ .multi = NULL };
	if (json_get_int(request, "", "retries", 0, 100, &retries, e) < 0 ||
	    json_get_int(request, "", "retry_ms", 1, 600000, &retry_ms, e) < 0 ||
	    json_get_string(request, "", "proxy_http", &c->proxy_http, e) < 0 ||
	    json_get_string(request, "", "proxy_https", &c->proxy_https, e) < 0 ||
	    json_get_string(request, "", "proxy_none", &c->proxy_none, e) < 0)
		return -EINVAL;
	c->retries = (unsigned int)retries;
	c->retry_ms = (unsigned int)retry_ms;
	c->multi = curl_multi_init();
	return c->multi != NULL ? 0 : error_set(e, -ENOMEM, "start libcurl");
}

void http_client_fini(struct http_client *c)
{
	(void)curl_multi_cleanup(c->multi); /* NULL is accepted; all handles were removed */
	buf_fini(&c->ca_blob);
}

void http_submit(struct http_client *c, struct http_request *r)
{
	r->next = c->requests;
	c->requests = r;
}

void http_request_fini(struct http_client *c, struct http_request *r)
{
	for (struct http_request **p = &c->requests; *p != NULL; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			break;
		}
	}
	transfer_reset(c, r);
	free(r->url);
	free(r->path);
	free(r->start_url);
	r->url = r->path = r->start_url = NULL;
	buf_fini(&r->error_body);
	buf_fini(&r->challenge);
}

/* Start what may start. Returns ms until the next one may, or max. */
static int start_due(struct http_client *c, int max)
{
	int64_t now = clock_now_ms();

	for (struct http_request *r = c->requests; r != NULL; r = r->next) {
		int res;

		if (r->done || r->running)
			continue;
		if (r->not_before_ms > now) {
			if (r->not_before_ms - now < max)
				max = (int)(r->not_before_ms - now);
			continue;
		}
		res = transfer_start(c, r, &r->error);
		if (res < 0)
			finish(c, r, res);
	}
	return max;
}

static void unpause(struct http_client *c)
{
	for (struct http_request *r = c->requests; r != NULL; r = r->next) {
		if (!r->paused)
			continue;
		r->paused = false;
		(void)curl_easy_pause(
			r->easy,
			CURLPAUSE_CONT); /* a failure ends the transfer, which is reported */
	}
}

int http_step(struct http_client *c, int wake_fd, int timeout_ms, struct error *e)
{
	struct curl_waitfd extra = { .fd = wake_fd, .events = CURL_WAIT_POLLIN };
	int running = 0, left = 0;
	CURLMsg *m;
	uint64_t n;

	timeout_ms = start_due(c, timeout_ms);
	unpause(c);
	if (curl_multi_perform(c->multi, &running) != CURLM_OK)
		return error_setf(e, -EIO, "libcurl failed");
	while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct http_request *r = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
					(char **)&r); /* set by us */
		if (r != NULL)
			on_done(c, r, code);
		timeout_ms = 0; /* something happened: let the caller see */
	}
	if (timeout_ms > 0)
		(void)curl_multi_poll(c->multi, wake_fd >= 0 ? &extra : NULL, wake_fd >= 0 ? 1 : 0,
				      timeout_ms, NULL); /* a failure only shortens the wait */
	if (wake_fd >= 0)
		(void)!read(wake_fd, &n, sizeof(n)); /* non-blocking: only resets the counter */
	return 0;
}
