/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and redirect targets of a registry. The reader of headers is private to its file. */
#include "storage/registry/http.c"
#include "tests/fuzz/fuzz.h"

static enum http_sink_result no_sink(void *data, const void *p, size_t len)
{
	(void)data;
	(void)p;
	(void)len;
	return HTTP_SINK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request r = { .sink = no_sink };
	_cleanup_free_ char *host = NULL;
	_cleanup_free_ char *shown = NULL;
	_cleanup_free_ char *next = NULL;
	_cleanup_free_ char *url = NULL;
	bool https = false;

	/* as libcurl does: one call a line, the line end with it */
	while (size > 0) {
		const uint8_t *nl = memchr(data, '\n', size);
		size_t len = nl != NULL ? (size_t)(nl - data) + 1 : size;
		char *line = malloc(len);

		MUST(line != NULL);
		memcpy(line, data, len);
		if (on_header(line, 1, len, &r) != len)
			size = len; /* refused: the transfer ends */
		free(line);
		data += len;
		size -= len;
	}
	MUST(memchr(r.content_type, '\0', sizeof(r.content_type)) != NULL);
	MUST(memchr(r.content_digest, '\0', sizeof(r.content_digest)) != NULL);
	MUST(memchr(r.content_range, '\0', sizeof(r.content_range)) != NULL);
	MUST(memchr(r.location, '\0', sizeof(r.location)) != NULL);
	MUST(r.challenge.len <= LIMIT_HTTP_HEADER);
	r.status = 206;
	(void)range_ok(&r);
	if (http_url_host(r.location, &host, &https) == 0)
		MUST(host != NULL && strchr(host, ':') != NULL);
	MUST(memchr(r.range, '\0', sizeof(r.range)) != NULL);
	MUST(memchr(r.link, '\0', sizeof(r.link)) != NULL);
	next = http_link_next(r.link);
	MUST(next == NULL || strstr(r.link, next) != NULL);
	/* wherever a registry sends an upload or the reader of a list: http or https only */
	if (http_resolve("https://registry.example:5000/v2/x/blobs/uploads/1", r.location, &url,
			 NULL) == 0)
		MUST(str_starts(url, "https://"));
	if (next != NULL) {
		free(url);
		url = NULL;
		if (http_resolve("http://registry.example/v2/_catalog", next, &url, NULL) == 0)
			MUST(str_starts(url, "https://") || str_starts(url, "http://"));
	}
	(void)buf_append(&r.error_body, buf_str(&r.challenge), r.challenge.len);
	shown = server_message(&r);
	buf_fini(&r.challenge);
	buf_fini(&r.error_body);
	return 0;
}
