/* SPDX-License-Identifier: Apache-2.0 */
/* The process object of crt-oci exec --process. */
#include "base/json.h"
#include "runtime/spec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *j = json_parse((const char *)data, size, "process", &e);
	struct spec_process p = { .args = NULL };
	int r;

	if (j == NULL)
		return 0;
	r = spec_process_parse(j, "process", &p, &e);
	fuzz_check_result(r, &e);
	if (r == 0)
		fuzz_check_result(spec_process_check(&p, &e), &e);
	spec_process_fini(&p);
	return 0;
}
