/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options of crt run, each line with a letter in front: v(olume),
 * m(ount), t(mpfs), u(limit), s(ecurity-opt), n (--userns), e(ntrypoint).
 */
#include "base/cleanup.h"
#include "base/id.h"
#include "cmd/request.h"
#include "tests/fuzz/fuzz.h"

static int one(struct run_request *r, const char *line, struct error *e)
{
	switch (line[0]) {
	case 'v':
		return request_add_volume(r, line + 1, e);
	case 'm':
		return request_add_mount(r, line + 1, e);
	case 't':
		return request_add_tmpfs(r, line + 1, e);
	case 'u':
		return request_add_ulimit(r, line + 1, e);
	case 's':
		return request_add_security_opt(r, line + 1, e);
	case 'n':
		return request_set_userns(r, line + 1, e);
	case 'e':
		return request_set_entrypoint(r, line + 1, e);
	case 'E':
		return request_add_env(r, line + 1, e);
	default:
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct run_request r;
	char *save = NULL;

	run_request_init(&r);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		struct error e = ERROR_INIT;

		fuzz_check_result(one(&r, line, &e), &e);
	}
	for (size_t i = 0; i < r.mounts_n; i++) {
		const struct request_mount *m = &r.mounts[i];

		MUST(m->destination != NULL && m->destination[0] == '/' &&
		     m->destination[1] != '\0');
		MUST(strstr(m->destination, "/../") == NULL &&
		     strstr(m->destination, "//") == NULL);
		if (m->type == REQUEST_MOUNT_VOLUME)
			MUST(m->source == NULL || id_name_valid(m->source));
		else
			MUST((m->type == REQUEST_MOUNT_TMPFS) == (m->source == NULL));
		MUST(m->source == NULL || m->type == REQUEST_MOUNT_VOLUME || m->source[0] == '/');
	}
	for (size_t i = 0; i < r.env.n; i++)
		MUST(strchr(r.env.v[i], '=') != NULL);
	run_request_fini(&r);
	return 0;
}
