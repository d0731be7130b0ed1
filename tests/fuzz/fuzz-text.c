/* SPDX-License-Identifier: Apache-2.0 */
/* Small readers of words, and the escaping that every foreign text goes through. */
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "runtime/mountopt.h"
#include "runtime/prepare.h"
#include "runtime/runtime.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	_cleanup_buf_ struct buf b = BUF_INIT;
	unsigned long words[4] = { 0 };
	unsigned long long v = 0;
	struct error e = ERROR_INIT;
	_cleanup_free_ char *escaped = str_escape(text);

	MUST(escaped != NULL && buf_puts_escaped(&b, (const char *)data, size) == 0);
	for (size_t i = 0; i < b.len; i++) {
		unsigned char c = (unsigned char)b.data[i];

		MUST(c >= ' ' && c != 127);
		MUST(c != 0xc2 || (unsigned char)b.data[i + 1] >= 0xa0); /* no C1 control */
	}
	if (str_to_u64(text, 1000, &v) == 0)
		MUST(v <= 1000);
	(void)str_to_size(text, &v);
	MUST(runtime_cap_parse(text) < 64);
	(void)mountopt_find(text);
	(void)prepare_parse_list(text, words, 4);
	fuzz_check_result(error_set(&e, -5, "%s", text), &e);
	(void)error_prefix(&e, "%s", text);
	(void)error_hint(&e, "%s", text);
	MUST(memchr(e.msg, '\0', sizeof(e.msg)) != NULL);
	return 0;
}
