/* SPDX-License-Identifier: Apache-2.0 */
/* --format templates on a fixed document; with escape nothing that moves a cursor comes out. */
#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/template.h"
#include "tests/fuzz/fuzz.h"

static const char document[] =
	"{\"Id\":\"abc\",\"State\":{\"Running\":true,\"Pid\":12,\"Nothing\":null},\"Names\":[\"one\",\"two\"],"
	"\"Labels\":{\"a.b\":\"c\"},\"Ports\":[{\"p\":80},{\"p\":443}],\"Empty\":[],\"Bad\":\"\\u001b[2J\",\"R\":1.5}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *doc = json_loads(document, 0, NULL);
	_cleanup_free_ char *text = fuzz_text(data, size);

	MUST(doc != NULL);
	for (int escape = 0; escape < 2; escape++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct error e = ERROR_INIT;
		int r = template_run(text, doc, escape != 0 ? doc : NULL, escape != 0, &b, &e);

		fuzz_check_result(r, &e);
		if (r == 0 && escape != 0 && strchr(text, '\033') == NULL &&
		    strstr(text, "\\") == NULL)
			MUST(b.len == 0 || memchr(b.data, '\033', b.len) == NULL);
	}
	return 0;
}
