/* SPDX-License-Identifier: Apache-2.0 */
/* Image references; the full text of one is a reference to the same. */
#include "base/cleanup.h"
#include "storage/storage.h"
#include "tests/fuzz/fuzz.h"

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct storage_ref r = { .path = NULL }, again = { .path = NULL };
	struct error e = ERROR_INIT;
	_cleanup_free_ char *full = NULL;
	int res = storage_ref_parse(text, &r, &e);

	fuzz_check_result(res, &e);
	if (res < 0)
		return 0;
	full = storage_ref_text(&r);
	MUST(full != NULL);
	if (storage_ref_parse(full, &again, &e) < 0) {
		MUST(strlen(full) > strlen(text)); /* a default tag may make it too long */
		MUST(strcmp(r.transport, "docker") == 0);
	} else {
		MUST(same(r.transport, again.transport) && same(r.path, again.path) &&
		     same(r.digest, again.digest));
		MUST(r.digest != NULL ||
		     same(r.tag, again.tag)); /* beside a digest it is a remark */
		storage_ref_fini(&again);
	}
	MUST(r.digest == NULL || storage_digest_valid(r.digest));
	storage_ref_fini(&r);
	return 0;
}
