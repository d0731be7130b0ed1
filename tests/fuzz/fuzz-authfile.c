/* SPDX-License-Identifier: Apache-2.0 */
/* auth.json and the answers of credential helpers. The readers are private to their file. */
#include "storage/registry/creds.c"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *endpoint = json_object(), *other = json_object();
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct error e = ERROR_INIT;
	struct strv keys = { .v = NULL };
	char *user = NULL, *password = NULL;
	struct buf b = BUF_INIT;

	(void)setenv("PATH", "/nonexistent", 1); /* so that no helper is started */
	MUST(creds_keys("registry.example:5000/team/app", &keys) == 0);
	fuzz_check_result(look_in((const char *)data, size, "auth.json", &keys,
				  "registry.example:5000", endpoint, &e),
			  &e);
	MUST(buf_append(&b, data, size) == 0);
	fuzz_check_result(take_answer(&b, other, &e), &e);
	fuzz_check_result(creds_split(text, other, &e), &e);
	if (creds_decode(text, &user, &password) == 0)
		MUST(user != NULL && password != NULL && strchr(user, ':') == NULL);
	free(user);
	free(password);
	buf_fini(&b);
	strv_fini(&keys);
	return 0;
}
