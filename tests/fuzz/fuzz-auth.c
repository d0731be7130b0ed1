/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry asks for and what its token server answers: parts "---" apart,
 * WWW-Authenticate values (a line each) and the answer.
 */
#include "storage/registry/auth.c"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_part(&data, &size);
	_cleanup_free_ char *answer = fuzz_part(&data, &size);
	struct http_endpoint ep = { .host = "registry.example:5000", .user = "u", .password = "p" };
	struct challenge *ch = calloc(1, sizeof(*ch));
	_cleanup_free_ char *url = NULL;
	struct error e = ERROR_INIT;
	struct buf body = BUF_INIT;

	MUST(ch != NULL);
	parse_challenge(text, ch);
	MUST(memchr(ch->realm, '\0', sizeof(ch->realm)) != NULL);
	MUST(memchr(ch->service, '\0', sizeof(ch->service)) != NULL);
	MUST(memchr(ch->scope, '\0', sizeof(ch->scope)) != NULL);
	fuzz_check_result(check_realm(&ep, ch->realm, &e), &e);
	url = token_url(ch);
	MUST(buf_puts(&body, answer) == 0);
	fuzz_check_result(take_token(&ep, &body, &e), &e);
	MUST(ep.bearer == NULL || strpbrk(ep.bearer, "\r\n") == NULL);
	http_endpoint_fini(&ep);
	buf_fini(&body);
	free(ch);
	return 0;
}
