/* SPDX-License-Identifier: Apache-2.0 */
/* config.json of a bundle. */
#include "runtime/spec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	struct spec s;
	int r = spec_parse((const char *)data, size, &s, &e);

	fuzz_check_result(r, &e);
	if (r < 0)
		return 0;
	fuzz_check_result(spec_check(&s, &e), &e);
	if (s.has_process)
		MUST(s.process.args_n == 0 || s.process.args[s.process.args_n] == NULL);
	spec_fini(&s);
	return 0;
}
