/* SPDX-License-Identifier: Apache-2.0 */
/* The TOML reader against the JSON that it must become, and against mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "storage/registry/toml.h"

static void good(const char *toml, const char *json)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *got = toml_parse(toml, strlen(toml), "test", &e);
	_cleanup_json_ json_t *want = json_loads(json, 0, NULL);

	assert_string_equal(e.msg, "");
	assert_non_null(got);
	assert_non_null(want);
	if (!json_equal(got, want)) {
		_cleanup_free_ char *text = json_to_text(got);

		fail_msg("%s became %s", toml, text);
	}
}

static void bad(const char *toml, const char *message)
{
	struct error e = ERROR_INIT;
	_cleanup_json_ json_t *got = toml_parse(toml, strlen(toml), "test", &e);

	assert_null(got);
	if (strstr(e.msg, message) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", e.msg, message);
}

static void test_good(void **state)
{
	(void)state;
	good("", "{}");
	good("# only a comment", "{}");
	good("a = 1\nb=true # x\n c = \"x\"\r\nd = 'y\\n'\n",
	     "{\"a\":1,\"b\":true,\"c\":\"x\",\"d\":\"y\\\\n\"}");
	good("a = \"\\t\\\"\\\\\\u00e9\\U0001F600\"",
	     "{\"a\":\"\\t\\\"\\\\\\u00e9\\ud83d\\ude00\"}");
	good("list = [ \"a\", # one\n  \"b\",\n]\nnone = []",
	     "{\"list\":[\"a\",\"b\"],\"none\":[]}");
	good("[t]\nx=1\n[t.u]\ny=2\n[v.w]\nz=3",
	     "{\"t\":{\"x\":1,\"u\":{\"y\":2}},\"v\":{\"w\":{\"z\":3}}}");
	good("a.b.c = 1\na.\"d e\" = {f = 1, g = \"h\"}",
	     "{\"a\":{\"b\":{\"c\":1},\"d e\":{\"f\":1,\"g\":\"h\"}}}");
	good("[[r]]\nx=1\n[[r.m]]\ny=1\n[[r.m]]\ny=2\n[[r]]\nx=2\n[r.t]\nz=1\n",
	     "{\"r\":[{\"x\":1,\"m\":[{\"y\":1},{\"y\":2}]},{\"x\":2,\"t\":{\"z\":1}}]}");
	good("[aliases]\n\"a/b\" = \"docker.io/a/b\"", "{\"aliases\":{\"a/b\":\"docker.io/a/b\"}}");
	good("n = -1_000", "{\"n\":-1000}");
}

static void test_bad(void **state)
{
	(void)state;
	bad("a = 1\na = 2", "line 2: a key is defined twice");
	bad("[a]\n[a]", "line 2: a table is opened twice");
	bad("a = b", "strings need quotes");
	bad("a = 1.5", "value was expected");
	bad("a = 2020-01-01", "value was expected");
	bad("a = \"\"\"x\"\"\"", "multi-line strings");
	bad("a = \"x", "not closed");
	bad("a = \"\\q\"", "unknown escape");
	bad("a = \"\\ud800\"", "no character");
	bad("a", "\"=\" was expected");
	bad("= 1", "key was expected");
	bad("a = 1 b = 2", "does not belong");
	bad("[a\nx = 1", "not closed");
	bad("[[a]\nx = 1", "not closed");
	bad("a = 1\n[a]", "as a table and as a value");
	bad("a = 1\n[[a]]", "something else");
	bad("a = [1 2]", "comma");
	bad("a = {b = 1", "comma");
	bad("a.b.c.d.e.f.g.h.i.j = 1", "too many parts");
}

static void test_depth(void **state)
{
	char text[400];

	(void)state;
	memset(text, '[', sizeof(text));
	memcpy(text, "a = ", 4);
	text[sizeof(text) - 1] = '\0';
	bad(text, "nested too deeply");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
