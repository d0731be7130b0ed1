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

/* Plain documents have a parser of their own: it may accept nothing else than the library, and must read the same. */
static void check_plain(const json_t *j, const char *text, size_t size)
{
	_cleanup_json_ json_t *judge = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	_cleanup_free_ char *ours = json_to_text(j);
	_cleanup_free_ char *theirs = judge != NULL ? json_to_text(judge) : NULL;

	/* integers beyond 63 bits, which the library alone refuses, become numbers with a fraction */
	MUST(judge != NULL || strstr(ours, ".0") != NULL || strstr(ours, "e") != NULL);
	MUST(judge == NULL || strcmp(ours, theirs) == 0);
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
	check_plain(j, (const char *)data, size);
	text = json_to_text(j);
	pretty = json_to_pretty(j);
	MUST(text != NULL && pretty != NULL && strchr(text, '\n') == NULL);
	again = json_parse(text, strlen(text), "own text", &e);
	MUST(strlen(text) > size * 8 || (again != NULL && json_equal(j, again)));
	for (const char *p = pretty; *p != '\0'; p++)
		MUST((*p >= ' ' && *p < 127) || *p == '\n');
	return 0;
}
