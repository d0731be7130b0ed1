/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests to registries: libcurl's multi interface with our rules for redirects, retries and credentials. */
#ifndef STORAGE_REGISTRY_HTTP_H
#define STORAGE_REGISTRY_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "storage/registry/ingest.h"

/* One place that serves a repository. Strings are borrowed from the request. */
struct http_endpoint {
	const char *host; /* host[:port] */
	const char *path; /* repository */
	const char *reference;
	const char *user, *password; /* NULL = none */
	const char *token;	     /* identity token for the token server, NULL = none */
	const char *ca;		     /* PEM text of additional authorities, NULL = none */
	const char *cert, *key;	     /* PEM text of our own certificate and its key, NULL = none */
	bool insecure;
	/* learned */
	bool plain;	/* http: https failed and insecure allows it */
	bool answered;	/* it has answered once: plain is settled */
	bool use_basic; /* it asked for basic authentication */
	char *bearer;	/* owned */
};
void http_endpoint_fini(struct http_endpoint *ep);
/* Replace it by one of the request (see conf.h), from which it borrows. */
int http_endpoint_take(struct http_endpoint *ep, const json_t *o, struct error *e);

struct http_client {
	CURLM *multi;
	struct http_request *requests;			   /* list */
	const char *proxy_http, *proxy_https, *proxy_none; /* borrowed, may be NULL */
	struct buf ca_blob;		/* for endpoints with authorities of their own */
	const char *ca_for;		/* whose */
	unsigned int retries, retry_ms; /* how often, and the first pause */
};

/* What a body sink answers. */
enum http_sink_result {
	HTTP_SINK_OK,
	HTTP_SINK_PAUSE, /* nothing was taken: offer it again later */
	HTTP_SINK_STOP,	 /* nobody wants it any more */
};

struct http_request {
	/* set by the caller */
	struct http_endpoint *ep;
	char *path;	    /* "/v2/...", owned; NULL with start_url */
	char *start_url;    /* instead of it: a URL that the registry named, owned */
	const char *method; /* NULL = GET */
	bool once;	    /* a failure that may pass is left to the caller (see may_pass) */
	const char *type;   /* of the body, NULL = no body */
	int body_fd;	    /* borrowed; its bytes from body_offset on */
	uint64_t body_offset, body_len;
	const char *body_range; /* Content-Range of the body, NULL = none */
	const char *accept;	/* NULL = none */
	bool resumable; /* after a broken connection go on where it stopped; else sink_reset() and begin again */
	enum http_sink_result (*sink)(void *data, const void *p, size_t len);
	void (*sink_reset)(void *data);
	void *data;
	/* results, valid when done */
	bool done;
	int status;
	struct error error; /* code 0 = success */
	char content_type[128];
	char content_digest[128];
	char location[4096]; /* as the server wrote it: see http_resolve() */
	char range[64];	     /* of an upload */
	char link[4096];     /* Link header with the next page of a list, unparsed */
	bool may_pass;	     /* the failure was one of those that pass */
	char *url;	     /* of the last attempt */
	uint64_t body_sent;  /* in this attempt */

	/* private */
	struct http_request *next;
	CURL *easy;
	struct curl_slist *headers;
	bool own_host; /* url is at the endpoint: credentials may be sent */
	bool paused, stopped, authenticated, running;
	uint64_t received, skip;
	unsigned int tries, redirects, auth_tries;
	int64_t not_before_ms;
	struct buf error_body;
	struct buf challenge; /* WWW-Authenticate values, a newline between */
	char content_range[64];
	long retry_after;
	size_t header_bytes;
	char curl_error[CURL_ERROR_SIZE];
};

/* Before the cage: load what libcurl and the TLS library need from the host. */
int http_global_init(struct error *e);
int http_client_init(struct http_client *c, const json_t *request, struct error *e);
void http_client_fini(struct http_client *c);
/* Options that every transfer has. */
int http_easy_setup(struct http_client *c, CURL *easy, const struct http_endpoint *ep,
		    const char *url, struct error *e);
/* Queue a request; http_step() drives it. */
void http_submit(struct http_client *c, struct http_request *r);
/* Give a request up and release what it holds. */
void http_request_fini(struct http_client *c, struct http_request *r);
/* Move bytes for at most timeout_ms; returns early on activity, also on wake_fd. */
int http_step(struct http_client *c, int wake_fd, int timeout_ms, struct error *e);
/* Submit and step until it is done, reporting that we live. Its result, whatever it is, is in *r. 0 or -errno of the machinery. */
int http_run(struct http_client *c, struct fetch_ctx *ctx, struct http_request *r, struct error *e);
/* For requests whose answer's body is of no interest. */
enum http_sink_result http_no_sink(void *data, const void *p, size_t len);
void http_no_reset(void *data);
/* A small document, at most max bytes. The request's results are in *r (fini it). 0 or -errno. */
int http_get(struct http_client *c, struct fetch_ctx *ctx, struct http_request *r, size_t max,
	     struct buf *ret, struct error *e);
/* "host" or "host:port" of a URL, and its scheme; -EINVAL. host is owned by the caller. */
int http_url_host(const char *url, char **ret_host, bool *ret_https);
/* Is url at the endpoint itself? Only there credentials are sent. */
bool http_is_own_host(const struct http_endpoint *ep, const char *url);
/*
 * The absolute URL that location means in an answer to base. Only http and https, and
 * never from https to http. Caller frees. 0 or -errno.
 */
int http_resolve(const char *base, const char *location, char **ret, struct error *e);
/* The target of rel="next" in a Link header, as it is written there. Caller frees; NULL = there is none. Pure. */
char *http_link_next(const char *link);

/* auth.c: answer a 401. 0 = try again, -EACCES = there is nothing more to try. */
int auth_answer(struct http_client *c, struct http_request *r, struct error *e);

int source_registry_open(struct fetch_ctx *c, struct source *ret, struct error *e);

#endif
