/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of JSON and its getters; what is written is read back as the same. */
#include "base/cleanup.h"
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

static void get_all(const json_t *obj, const char *key)
{
	struct error e = ERROR_INIT;
	const char *s = NULL;
	json_t *j = NULL;
	uint32_t u32 = 0;
	uint64_t u64 = 0;
	int64_t i = 0;
	bool b = false;
	int r;

	r = json_get_string(obj, "x.y", key, &s, &e);
	fuzz_check_result(r, &e);
	MUST(r <= 0 || s != NULL);
	fuzz_check_result(json_get_bool(obj, "x.y", key, &b, &e), &e);
	r = json_get_int(obj, "x.y", key, -5, 1000, &i, &e);
	fuzz_check_result(r, &e);
	MUST(i >= -5 && i <= 1000);
	fuzz_check_result(json_get_u32(obj, "x.y", key, &u32, &e), &e);
	fuzz_check_result(json_get_u64(obj, "x.y", key, &u64, &e), &e);
	r = json_get_object(obj, "x.y", key, &j, &e);
	fuzz_check_result(r, &e);
	MUST(r <= 0 || json_is_object(j));
	r = json_get_array(obj, "x.y", key, &j, &e);
	fuzz_check_result(r, &e);
	MUST(r <= 0 || json_is_array(j));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *j = json_parse((const char *)data, size, "input", &e);
	_cleanup_json_ json_t *again = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *pretty = NULL;
	const char *key;
	json_t *v;

	fuzz_check_result(j == NULL ? -1 : 0, &e);
	if (j == NULL)
		return 0;
	json_object_foreach(j, key, v)
		get_all(j, key);
	text = json_to_text(j);
	pretty = json_to_pretty(j);
	MUST(text != NULL && pretty != NULL && strchr(text, '\n') == NULL);
	again = json_parse(text, strlen(text), "own text", &e);
	MUST(strlen(text) > size * 8 || (again != NULL && json_equal(j, again)));
	for (const char *p = pretty; *p != '\0'; p++)
		MUST((*p >= ' ' && *p < 127) || *p == '\n');
	return 0;
}
