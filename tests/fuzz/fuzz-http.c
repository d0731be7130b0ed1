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
	(void)buf_append(&r.error_body, buf_str(&r.challenge), r.challenge.len);
	shown = server_message(&r);
	buf_fini(&r.challenge);
	buf_fini(&r.error_body);
	return 0;
}
