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
#include "cmd/template.h"

static const char document[] =
	"{\"Id\":\"abc\",\"State\":{\"Running\":true,\"Pid\":12,\"Nothing\":null},\"Names\":[\"one\",\"two\"],"
	"\"Labels\":{\"a.b\":\"c\"},\"Ports\":[{\"p\":80},{\"p\":443}],\"Empty\":[],\"Bad\":\"\\u001b[2J\",\"R\":1.5,"
	"\"Cmd\":null,\"Text\":\"a,b c\",\"Utf\":\"\u00e4\u00f6\"}";

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
	gives("{{(index .Labels \"no)ne\")}}", "");
	gives("{{( index .Ports 1 ).p}}{{(((.Id)))}}", "443abc");
	fails("{{(index .Ports 2)}}", "index out of range: 2");
	fails("{{(.Id}}", "no ) for a (");
	fails("{{.Id)}}", "no ( for this )");
	fails("{{(}}", "missing value");
	fails("{{()}}", "missing value");
	fails("{{(.Id)x}}", "unexpected \"x\"");
	fails("{{(index .Names \"\\", "no end of the text");
	fails("{{((((((((((((((((((((((((((((((((((((.))))))))))))))))))))))))))))))))))))}}",
	      "too many parentheses");
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

/* What Go prints for the same templates on the same values. */
static void test_pipes_and_variables(void **state)
{
	(void)state;
	gives("{{.Id | upper}}{{.Id|upper|lower}}", "ABCabc");
	gives("{{.Names | len | printf \"%03d\"}}", "002");
	gives("{{.Names | json}} {{join .Names \",\" | upper | printf \"<%s>\"}}",
	      "[\"one\",\"two\"] <ONE,TWO>");
	gives("{{(.Id | upper)}}{{print (.Id | upper) 1}}", "ABCABC1");
	gives("{{$x := .Id}}{{$x}}{{$x = 3}}{{$x}}", "abc3");
	gives("{{$x := .State}}{{$x.Pid}}{{with $y := .Id}}{{$y}}{{.}}{{$.Id}}{{end}}",
	      "12abcabcabc");
	gives("{{$n := 0}}{{range .Ports}}{{$n = .p}}{{end}}{{$n}}", "443");
	gives("{{$x := 1}}{{if .Id}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21");
	gives("{{range $i, $e := .Names}}{{$i}}={{$e}};{{end}}", "0=one;1=two;");
	gives("{{range $k, $v := .State}}{{$k}} {{end}}", "Nothing Pid Running ");
	gives("{{range $e := .Names}}{{$e}}{{end}}", "onetwo");
	gives("{{range .Names}}{{if eq . \"two\"}}{{break}}{{end}}{{.}}{{end}}", "one");
	gives("{{range .Names}}{{if eq . \"one\"}}{{continue}}{{end}}{{.}}{{end}}", "two");
	gives("{{with .Empty}}x{{else}}none{{end}}{{with .State}}{{.Pid}}{{end}}", "none12");
	gives("{{if .Empty}}1{{else if .Id}}2{{else}}3{{end}}", "2");
	gives("{{if .Empty}}1{{else if .Empty}}2{{else}}3{{end}}.", "3.");
	gives("{{.Label \"a.b\"}}{{\"a.b\" | .Label}}{{.Label \"none\"}}{{$.Label \"a.b\"}}",
	      "ccc");
	fails("{{$nope}}", "undefined variable \"$nope\"");
	fails("{{if .Id}}{{$x := 1}}{{end}}{{$x}}", "undefined variable");
	fails("{{.Id | .Names}}", "not a method but has arguments");
	fails("{{.Id \"x\"}}", "Id is not a method but has arguments");
	fails("{{.Id | }}", "missing value");
	fails("{{.Id | \"x\"}}", "non executable");
	fails("{{break}}", "outside {{range}}");
	fails("{{range .Id}}{{end}}", "can't iterate");
}

static void test_trim_and_comments(void **state)
{
	(void)state;
	gives("a \n {{- .Id -}} \n b", "aabcb");
	gives("a {{- /* no }} text */ -}} b{{/* x */}}c", "abc");
	gives("{{ .Id -}}\t {{- .Id }} .", "abcabc .");
	gives("{{-1}}{{- 2 -}}", "-12");
	gives("{{range .Names -}} {{.}} {{- end}}", "onetwo");
	fails("{{/* x }}", "unclosed comment");
	fails("{{/* x */ .Id}}", "comment ends");
}

static void test_literals(void **state)
{
	(void)state;
	gives("{{\"\\x41\\102\\u00e4\\U0001f600\\\\\\\"\"}}", "AB\u00e4\U0001f600\\\"");
	gives("{{`a\\n\"b\"`}}{{'a'}} {{'\\n'}} {{'\u00e4'}}", "a\\n\"b\"97 10 228");
	gives("{{1}} {{-5}} {{0x1f}} {{1.5}} {{1e3}} {{true}}", "1 -5 31 1.5 1000 true");
	fails("{{\"\\q\"}}", "no such escape");
	fails("{{'ab'}}", "not one character");
	fails("{{12abc}}", "bad number");
	fails("{{\"a\nb\"}}", "no end of the text");
	fails("{{nil}}{{3 4}}", "non-function");
}

static void test_more_functions(void **state)
{
	(void)state;
	gives("{{split .Text \",\"}}{{index (split .Text \",\") 1}}", "[a b c]b c");
	gives("{{join (split .Utf \"\") \"-\"}}", "\u00e4-\u00f6");
	gives("{{title \"one two_three 4x\"}}", "One Two_three 4x");
	gives("{{truncate .Id 2}}{{truncate .Id 9}}{{pad .Id 1 2}}|", "ababc abc  |");
	gives("{{truncate .Utf 1}}{{truncate .Utf 3}}", "\u00e4");
	gives("{{slice .Id 1}}{{slice .Id 0 2}}{{slice .Names 1 2}}", "bcab[two]");
	gives("{{print 1 2 \"a\" \"b\" 3}}{{print}}", "1 2ab3");
	gives("{{println \"a\" 1}}", "a 1\n");
	gives("{{eq .Id \"abc\"}}{{eq 1 2 3 1}}{{ne 1 2}}{{lt \"a\" \"b\"}}{{le 2 1}}{{gt 2 1}}{{ge 1 1}}",
	      "truetruetruetruefalsetruetrue");
	gives("{{and 1 0}}{{and 1 2}}{{or 0 \"x\"}}{{not .Empty}}{{or .Empty .Id | upper}}",
	      "02xtrueABC");
	gives("{{if and .Id (eq .State.Pid 12)}}y{{end}}{{if or .Id .Nope}}y{{end}}", "yy");
	gives("{{.Cmd}}{{.R}}{{len .Cmd}}{{.Labels.none}}", "[]1.50");
	fails("{{if and .Id .Nope}}y{{end}}", "can't evaluate field Nope");
	fails("{{lt 1 \"a\"}}", "incompatible types");
	fails("{{eq .Names .Names}}", "incompatible types");
	fails("{{slice .Id 2 1}}", "out of range");
	fails("{{slice .Id 9}}", "out of range");
	fails("{{pad .Id 99999 1}}", "out of range");
	fails("{{upper 3}}", "text is needed");
	fails("{{len true}}", "no length");
}

static void test_printf(void **state)
{
	(void)state;
	gives("{{printf \"%s %d %v %t %%\" .Id 3 .Names true}}", "abc 3 [one two] true %");
	gives("{{printf \"[%5s|%-5s|%05d|%x|%X|%q]\" .Id .Id 42 255 \"hi\" \"a\\\"b\\n\"}}",
	      "[  abc|abc  |00042|ff|6869|\"a\\\"b\\n\"]");
	gives("{{printf \"%.2s %+d %6.2f %e %g\" .Id 7 .R .R .R}}",
	      "ab +7   1.50 1.500000e+00 1.5");
	gives("{{printf \"%d %s\" \"x\"}}", "%!d(string=x) %!s(MISSING)");
	gives("{{printf \"%d\" 1 2 \"z\"}}", "1%!(EXTRA int=2, string=z)");
	gives("{{printf \"%s %\" 3}}", "%!s(int=3) %!(NOVERB)");
	gives("{{printf \"%06d|%-4d|% d\" -5 3 4}}", "-00005|3   | 4");
	gives("{{printf \"%3s|\" .Utf}}", " \u00e4\u00f6|");
}

static void test_errors(void **state)
{
	(void)state;
	fails("{{.Nope}}", "format:1:2: at <.Nope>: can't evaluate field Nope");
	fails("x\n y{{.State.Nope}}", "format:2:4: at <.State.Nope>");
	fails("{{.Id.More}}", "can't evaluate field More in type string");
	fails("{{.Id", "unclosed action");
	fails("{{}}", "nothing between the braces");
	fails("{{\"\xff\"}}", "no UTF-8 text");
	fails("{{..Id}}", "unexpected");
	fails("{{.Id..}}", "unexpected");
	fails("{{frob .Id}}", "function \"frob\" not defined");
	fails("{{range .Names}}x", "no {{end}} for \"range\"");
	fails("{{if .Id}}x{{else}}", "no {{end}}");
	fails("{{if .Id}}x{{else}}y{{else}}z{{end}}", "second {{else}}");
	fails("{{if .Id}}x{{else range .Id}}y{{end}}", "unexpected");
	fails("{{if}}x{{end}}", "missing value");
	fails("x{{end}}", "unexpected {{end}}");
	fails("{{end 1}}", "in end");
	fails("{{template \"x\"}}", "not supported");
	fails("{{index .Names 2}}", "out of range");
	fails("{{index .Names \"x\"}}", "wrong kind");
	fails("{{json}}", "wrong number of args for json: want 1 got 0");
	fails("{{\"open}}", "no end of the text");
	fails("{{.Id @}}", "cannot understand");
	fails("{{print 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1}}",
	      "too many arguments");
	fails("{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}"
	      "{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}"
	      "{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}"
	      "{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}{{if .Id}}",
	      "too many blocks");
}

/* Only what comes from the values is escaped, however it reaches the output. */
static void escapes(const char *template, const char *want)
{
	_cleanup_free_ char *got = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(run(template, true, &got, &e), 0);
	assert_string_equal(got, want);
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
	escapes("{{\"\\n\"}}{{join .Names \"\\n\"}}{{println .Bad}}", "\none\ntwo\\x1b[2J\n");
	escapes("{{.Bad | upper}}{{$x := .Bad}}{{$x}}{{print $x}}{{printf \"%s%v\" $x $x}}",
		"\\x1b[2J\\x1b[2J\\x1b[2J\\x1b[2J\\x1b[2J");
	escapes("{{json .Bad}}{{printf \"%q\" .Bad}}", "\"\\u001B[2J\"\"\\x1b[2J\"");
	escapes("{{split .Bad \"[\"}}{{slice .Bad 0 1}}", "[\\x1b 2J]\\x1b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_parentheses),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_pipes_and_variables),
		cmocka_unit_test(test_trim_and_comments),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_more_functions),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_escaping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
