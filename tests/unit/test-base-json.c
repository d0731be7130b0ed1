/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile document may not do, and what the getters say about wrong types. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/limits.h"

static json_t *parse(const char *text, struct error *e)
{
	*e = ERROR_INIT;
	return json_parse(text, strlen(text), "doc", e);
}

static void assert_refused(const char *text, const char *message_part)
{
	struct error e = ERROR_INIT;

	assert_null(parse(text, &e));
	assert_true(e.code < 0);
	if (strstr(e.msg, message_part) == NULL)
		fail_msg("\"%s\" does not hold \"%s\"", e.msg, message_part);
	assert_non_null(strstr(e.msg, "doc"));
	assert_null(parse(text, &(struct error){ .code = 0 }));
	assert_null(json_parse(text, strlen(text), "doc", NULL));
}

static void test_refusals(void **state)
{
	(void)state;
	assert_refused("", "empty");
	assert_refused("{", "line 1");
	assert_refused("{\"a\":1,\"a\":2}", "duplicate");
	assert_refused("{\"x\":{\"a\":1,\"a\":1}}", "duplicate");
	assert_refused("{} {}", "end of file expected");
	assert_refused("{}x", "line 1");
	assert_refused("{\"a\":\"\\u0000\"}", "line 1");
	assert_refused("{\"a\":\"\xff\"}", "unable to decode");
	assert_refused("{\"a\":\"x\ny\"}", "line");
	assert_refused("\"just a string\"", "expected");
	assert_refused("{'a':1}", "line 1");
	assert_refused("{\"a\":01}", "line 1");
	assert_refused("{\"a\":NaN}", "line 1");
	assert_refused("{\"a\":18446744073709551616}", "too big");
	assert_refused("{\"a\":18446744073709551614}", "too big");
	assert_refused("{\"a\":-9223372036854775809}", "too");
	assert_refused("{\"a\":1e999}", "line 1");
	assert_refused("\xef\xbb\xbf{}", "line 1");
}

static void test_nul_byte(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_null(json_parse("{}\0", 3, "doc", &e));
	assert_non_null(strstr(e.msg, "NUL"));
	assert_null(json_parse("{\"a\":\"b\\\0\"}", 10, "doc", &e));
	assert_null(json_parse("{\"a\":\"b\0\"}", 9, "doc", &e));
	assert_non_null(strstr(e.msg, "NUL"));
}

static char *nested(size_t depth, char open, char close)
{
	char *s = malloc(2 * depth + 1);

	assert_non_null(s);
	memset(s, open, depth);
	memset(s + depth, close, depth);
	s[2 * depth] = '\0';
	return s;
}

static void test_depth(void **state)
{
	struct error e = ERROR_INIT;
	char *text = nested(LIMIT_JSON_DEPTH, '[', ']');
	char brackets[4096];
	json_t *j = parse(text, &e);

	(void)state;
	assert_non_null(j);
	json_decref(j);
	free(text);
	text = nested(LIMIT_JSON_DEPTH + 1, '[', ']');
	assert_refused(text, "nested deeper than 64");
	free(text);
	text = nested(1000000, '[', ']'); /* would overflow the stack of a recursive parser */
	assert_refused(text, "nested deeper");
	free(text);
	/* brackets in strings do not count, also behind an escaped quote */
	memset(brackets, '[', sizeof(brackets));
	memcpy(brackets, "[\"\\\"", 4);
	memcpy(brackets + sizeof(brackets) - 3, "\"]", 3);
	j = parse(brackets, &e);
	assert_non_null(j);
	json_decref(j);
}

static void test_size(void **state)
{
	struct error e = ERROR_INIT;
	size_t len = LIMIT_JSON_BYTES + 1u;
	char *text = malloc(len);
	json_t *j;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	text[0] = '[';
	text[1] = ']';
	assert_null(json_parse(text, len, "doc", &e));
	assert_int_equal(e.code, -E2BIG);
	j = json_parse(text, len - 1, "doc", &e);
	assert_non_null(j);
	json_decref(j);
	free(text);
}

static void test_getters(void **state)
{
	struct error e = ERROR_INIT;
	json_t *j = parse(
		"{\"s\":\"x\",\"b\":true,\"i\":-5,\"u\":4294967295,\"o\":{\"k\":1},\"a\":[1],\"n\":null,\"r\":1.5}",
		&e);
	const char *s = "before";
	bool b = false;
	int64_t i = 7;
	uint32_t u = 7;
	json_t *o = NULL, *a = NULL;

	(void)state;
	assert_non_null(j);
	assert_int_equal(json_get_string(j, "", "s", &s, &e), 1);
	assert_string_equal(s, "x");
	assert_int_equal(json_get_bool(j, "", "b", &b, &e), 1);
	assert_true(b);
	assert_int_equal(json_get_int(j, "", "i", -5, 5, &i, &e), 1);
	assert_int_equal(i, -5);
	assert_int_equal(json_get_u32(j, "", "u", &u, &e), 1);
	assert_true(u == UINT32_MAX);
	assert_int_equal(json_get_object(j, "", "o", &o, &e), 1);
	assert_int_equal(json_get_array(j, "", "a", &a, &e), 1);
	assert_int_equal(json_array_size(a), 1);
	/* missing and null leave the default */
	s = "before";
	assert_int_equal(json_get_string(j, "", "missing", &s, &e), 0);
	assert_int_equal(json_get_string(j, "", "n", &s, &e), 0);
	assert_int_equal(json_get_string(NULL, "", "s", &s, &e), 0);
	assert_string_equal(s, "before");
	/* wrong types and ranges name the path */
	assert_int_equal(json_get_string(j, "process", "i", &s, &e), -EINVAL);
	assert_string_equal(e.msg, "process.i: expected a string, found number");
	assert_int_equal(json_get_bool(j, "", "s", &b, &e), -EINVAL);
	assert_string_equal(e.msg, "s: expected a boolean, found string");
	assert_int_equal(json_get_int(j, "x", "i", 0, 5, &i, &e), -EINVAL);
	assert_string_equal(e.msg, "x.i: -5 is out of range, expected 0 to 5");
	assert_int_equal(json_get_u32(j, "x", "r", &u, &e), -EINVAL);
	assert_int_equal(json_get_object(j, "x", "a", &o, &e), -EINVAL);
	assert_int_equal(json_get_array(j, "x", "o", &a, &e), -EINVAL);
	assert_string_equal(e.msg, "x.o: expected an array, found object");
	assert_int_equal(json_get_string(a, "x.a", "k", &s, &e), -EINVAL);
	assert_string_equal(e.msg, "x.a: expected an object, found array");
	assert_string_equal(s, "before");
	assert_int_equal(json_get_bool(j, "", "s", &b, NULL), -EINVAL);
	json_decref(j);
}

static void test_unsigned_64(void **state)
{
	struct error e = ERROR_INIT;
	json_t *j = parse(
		"{\"max\":18446744073709551615,\"half\":9223372036854775808,\"s\":\"18446744073709551615\",\n"
		"\"small\":3,\"neg\":-1,\"list\":[18446744073709551615, 1],\"frac\":1.5}",
		&e);
	uint64_t u = 0;
	const char *s = NULL;

	(void)state;
	assert_non_null(j);
	assert_int_equal(json_get_u64(j, "", "max", &u, &e), 1);
	assert_true(u == UINT64_MAX);
	assert_int_equal(json_get_u64(j, "", "half", &u, &e), 1);
	assert_true(u == (uint64_t)1 << 63);
	assert_int_equal(json_get_u64(j, "", "small", &u, &e), 1);
	assert_true(u == 3);
	assert_int_equal(json_get_u64(j, "", "neg", &u, &e), -EINVAL);
	assert_int_equal(json_get_u64(j, "", "frac", &u, &e), -EINVAL);
	assert_int_equal(json_get_u64(j, "", "s", &u, &e), -EINVAL);
	assert_int_equal(json_get_string(j, "", "s", &s, &e), 1);
	assert_string_equal(s, "18446744073709551615");
	json_decref(j);
}

static void test_output(void **state)
{
	struct error e = ERROR_INIT;
	json_t *j = parse("{\"a\":\"x/y\",\"b\":[1,true,null]}", &e);
	char *text;

	(void)state;
	assert_non_null(j);
	text = json_to_text(j);
	assert_string_equal(text, "{\"a\":\"x/y\",\"b\":[1,true,null]}");
	free(text);
	text = json_to_pretty(j);
	assert_non_null(strstr(text, "\n  \"b\": [\n"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
	json_decref(j);
	j = parse("[\"\xe2\x80\xae\xc2\x9b\\u001b\177\"]",
		  &e); /* right-to-left override, C1 control, escape, delete */
	text = json_to_pretty(j);
	assert_string_equal(text, "[\n  \"\\u202E\\u009B\\u001B\\u007F\"\n]\n");
	free(text);
	json_decref(j);
}

/* Documents that overlap in time, of all sizes, with parts that outlive them and errors between. */
static void test_many(void **state)
{
	struct error e = ERROR_INIT;
	json_t *kept[8] = { NULL };

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		unsigned int n = (i * 37) % 300 * (i % 16 == 0 ? 20 : 1);
		json_t *j = json_object(), *again, *list = json_array();
		char *text;

		for (unsigned int k = 0; k < n; k++)
			json_array_append_new(list, json_sprintf("item %u of %u", k, i));
		json_object_set_new(j, "list", list);
		json_object_set_new(j, "long", json_sprintf("%01500u", i));
		json_object_set_new(j, "i", json_integer(i));
		text = json_to_text(j);
		again = parse(text, &e);
		assert_true(json_equal(j, again));
		json_decref(j);
		assert_null(parse("{\"a\":[1,2,{\"b\":\"x\"}],}", &e));
		/* what was parsed is added to, and a part of it stays */
		json_object_set_new(again, "more", json_string("made by hand"));
		json_decref(kept[i % 8]);
		kept[i % 8] = json_incref(json_object_get(again, i % 3 == 0 ? "long" : "list"));
		json_decref(again);
		free(text);
	}
	for (size_t i = 0; i < 8; i++) {
		assert_true(json_is_string(kept[i]) || json_is_array(kept[i]));
		json_decref(kept[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_nul_byte),
		cmocka_unit_test(test_depth),	 cmocka_unit_test(test_size),
		cmocka_unit_test(test_getters),	 cmocka_unit_test(test_unsigned_64),
		cmocka_unit_test(test_output),	 cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
