/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd/template.c: what scripts pass to --format.
 *
 * Theory of operation: one document, many templates; the expected text is what
 * Go's text/template prints.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/out.h"

static const char document[] =
	"{\"Id\":\"abc\",\"State\":{\"Running\":true,\"Pid\":12,\"Nothing\":null},\"Names\":[\"one\",\"two\"],"
	"\"Labels\":{\"a.b\":\"c\"},\"Ports\":[{\"p\":80},{\"p\":443}],\"Empty\":[],\"Bad\":\"\\u001b[2J\"}";

static int run(const char *template, bool escape, char **ret, struct error *e)
{
	_cleanup_json_ json_t *doc = json_loads(document, 0, NULL);
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = template_run(template, doc, NULL, escape, &b, e);

	*ret = buf_steal(&b);
	return r;
}

static void gives(const char *template, const char *want)
{
	_cleanup_free_ char *got = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(run(template, false, &got, &e), 0);
	assert_string_equal(got, want);
}

static void fails(const char *template, const char *words)
{
	_cleanup_free_ char *got = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(run(template, false, &got, &e), -EINVAL);
	assert_non_null(strstr(e.msg, words));
}

static void test_parentheses(void **state)
{
	(void)state;
	gives("{{(index .Ports 1).p}}", "443");
	gives("{{(index (index .Ports 0) \"p\")}}", "80");
	gives("{{(.State).Pid}} {{ (.Id) }}", "12 abc");
	gives("{{json (index .Ports 0)}}", "{\"p\":80}");
	gives("{{if (index .Labels \"a.b\")}}yes{{end}}", "yes");
	gives("{{(index .Labels \"no)ne\")}}", "<nil>");
	fails("{{(index .Ports 2)}}", "no such element");
	fails("{{(.Id}}", "no )");
	fails("{{(}}", "no )");
	fails("{{()}}", "cannot understand");
	fails("{{(.Id)x}}", "cannot understand");
	fails("{{(index .Names \"\\", "no }}");
	fails("{{((((((((((((((((((.))))))))))))))))))}}", "too many parentheses");
}

static void test_fields(void **state)
{
	(void)state;
	gives("", "");
	gives("plain }} { text", "plain }} { text");
	gives("{{.Id}}", "abc");
	gives("{{ .Id }}-{{.State.Running}}-{{.State.Pid}}", "abc-true-12");
	gives("{{.ID}} {{.id}}", "abc abc");
	gives("{{$.Id}}", "abc");
	gives("{{.Names}} {{.Labels}} {{.Empty}}", "[one two] map[a.b:c] []");
	gives("{{.State.Nothing}}", "<nil>");
	gives("a\\tb\\nc", "a\tb\nc");
	gives("{{\"x\\n\"}}{{`\\n`}}", "x\n\\n");
}

static void test_functions(void **state)
{
	(void)state;
	gives("{{json .Names}}", "[\"one\",\"two\"]");
	gives("{{json .Id}}", "\"abc\"");
	gives("{{index .Labels \"a.b\"}}{{index .Labels \"none\"}}", "c");
	gives("{{index .Names 1}}", "two");
	gives("{{len .Names}}{{len .Id}}", "23");
	gives("{{upper .Id}}{{lower \"ABC\"}}", "ABCabc");
	gives("{{join .Names \", \"}}", "one, two");
	gives("{{println .Id 1}}", "abc 1\n");
}

static void test_blocks(void **state)
{
	(void)state;
	gives("{{range .Names}}<{{.}}>{{end}}", "<one><two>");
	gives("{{range .Ports}}{{.p}}/{{$.Id}} {{end}}", "80/abc 443/abc ");
	gives("{{range .Empty}}x{{else}}none{{end}}.", "none.");
	gives("{{range .Labels}}{{.}}{{end}}", "c");
	gives("{{if .State.Running}}yes{{else}}no{{end}}", "yes");
	gives("{{if .Empty}}yes{{else}}no{{end}}", "no");
	gives("{{if .Empty}}{{range .Names}}{{.nothing}}{{end}}{{end}}ok", "ok");
	gives("{{range .Ports}}{{if .p}}{{.p}};{{end}}{{end}}", "80;443;");
}

static void test_errors(void **state)
{
	(void)state;
	fails("{{.Nope}}", "there is no field \".Nope\"");
	fails("{{.Id.More}}", "there is no field");
	fails("{{.Id", "no }}");
	fails("{{}}", "nothing between the braces");
	fails("{{\"\xff\"}}", "no UTF-8 text");
	fails("{{..Id}}", "cannot understand");
	fails("{{frob .Id}}", "not known: \"frob\"");
	fails("{{.Id | json}}", "pipes");
	fails("{{range .Names}}x", "no {{end}} for \"range\"");
	fails("{{if .Id}}x{{else}}", "no {{end}}");
	fails("x{{end}}", "without a block");
	fails("{{index .Names 2}}", "no such element");
	fails("{{index .Names \"x\"}}", "wrong kind");
	fails("{{json}}", "one argument");
	fails("{{\"open}}", "no end of the text");
	fails("{{print 1 2 3 4 5 6 7 8 9}}", "too many arguments");
	fails("{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}"
	      "{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}",
	      "too many blocks");
}

static void test_escaping(void **state)
{
	_cleanup_free_ char *raw = NULL;
	_cleanup_free_ char *escaped = NULL;

	(void)state;
	assert_int_equal(run("{{.Bad}}", false, &raw, NULL), 0);
	assert_string_equal(raw, "\033[2J");
	assert_int_equal(run("{{.Bad}}", true, &escaped, NULL), 0);
	assert_string_equal(escaped, "\\x1b[2J");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	  cmocka_unit_test(test_parentheses),
		cmocka_unit_test(test_functions), cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_errors),	  cmocka_unit_test(test_escaping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
