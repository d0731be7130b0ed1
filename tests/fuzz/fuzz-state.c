/* SPDX-License-Identifier: Apache-2.0 */
/* state.json of a container, and the state object made of it. The reader is private to its file. */
#include "runtime/state.c"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *j = json_parse((const char *)data, size, STATE_FILE, &e);
	_cleanup_json_ json_t *again = NULL;
	_cleanup_free_ char *text = NULL;
	struct state s = STATE_INIT;
	int r;

	if (j == NULL)
		return 0;
	r = parse_state(&s, j, &e);
	fuzz_check_result(r, &e);
	if (r == 0) {
		text = state_text(&s, STATE_RUNNING, true);
		MUST(text != NULL && strchr(text, '\n') == NULL);
		again = json_parse(text, strlen(text), "state", &e);
		MUST(again != NULL || strlen(text) > LIMIT_JSON_BYTES);
	}
	state_fini(&s);
	return 0;
}
