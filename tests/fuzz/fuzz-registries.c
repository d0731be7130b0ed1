/* SPDX-License-Identifier: Apache-2.0 */
/* registries.conf: TOML, and what is made of it. The joining is private to its file. */
#include "storage/registry/conf.c"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *doc = toml_parse((const char *)data, size, "input", &e);
	struct storage_ref ref = { .path = (char[]){ "app" },
				   .tag = (char[]){ "latest" },
				   .is_short = true };
	const struct storage_fetch_request req = { .ref = &ref, .tls_verify = -1 };
	struct conf c = { .registries = json_object(), .aliases = json_object() };
	json_t *candidates = json_array();
	size_t len = 0;
	int r;

	fuzz_check_result(doc == NULL ? -1 : 0, &e);
	if (doc != NULL) {
		r = merge(&c, doc, "input", &e);
		fuzz_check_result(r, &e);
		if (r == 0) {
			(void)find_registry(&c, "docker.io/library/busybox", &len);
			fuzz_check_result(short_name(&req, &c, candidates, &e), &e);
			fuzz_check_result(add_candidate(&req, &c, "docker.io/library/busybox",
							candidates, &e),
					  &e);
		}
	}
	json_decref(candidates);
	conf_fini(&c);
	return 0;
}
