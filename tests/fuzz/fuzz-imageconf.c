/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an image's config that a run needs. */
#include "cmd/imageconf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imageconf c = { .user = NULL };
	struct error e = ERROR_INIT;
	int r = imageconf_parse((const char *)data, size, "image", &c, &e);

	fuzz_check_result(r, &e);
	if (r < 0)
		return 0;
	for (size_t i = 0; i < c.env.n; i++)
		MUST(strchr(c.env.v[i], '=') != NULL && c.env.v[i][0] != '=');
	for (size_t i = 0; i < c.volumes.n; i++)
		MUST(c.volumes.v[i][0] == '/' && strstr(c.volumes.v[i], "/../") == NULL);
	MUST(c.stop_signal >= 0 && c.stop_signal <= 64);
	imageconf_fini(&c);
	return 0;
}
