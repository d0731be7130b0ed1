/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd/opt.c: the command line as podman's users write it.
 *
 * Theory of operation: a table with one option of each type; each test gives
 * words and looks at the structure, the operands or the message.
 */
#include "cmd/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

struct options {
	bool tty, interactive;
	int verify;
	const char *name;
	struct strv env, caps;
	long long number;
	unsigned int count;
	unsigned long long size;
	char called[32];
};

static int call(void *data, const char *value, struct error *e)
{
	struct options *o = data;

	if (strlen(value) >= sizeof(o->called))
		return error_setf(e, -EINVAL, "too long for the test");
	memcpy(o->called, value, strlen(value) + 1);
	return 0;
}

static const struct option_spec table[] = {
	{ "tty", 't', OPT_FLAG, offsetof(struct options, tty), .help = "A terminal" },
	{ "interactive", 'i', OPT_FLAG, offsetof(struct options, interactive), .help = "Input" },
	{ "tls-verify", 0, OPT_TRISTATE, offsetof(struct options, verify), .help = "Verify" },
	{ "name", 'n', OPT_STRING, offsetof(struct options, name), .arg = "NAME", .help = "Name" },
	{ "env", 'e', OPT_STRINGS, offsetof(struct options, env), .arg = "K=V",
	  .help = "Variable" },
	{ "cap-add", 0, OPT_LIST, offsetof(struct options, caps), .arg = "CAP", .help = "Add" },
	{ "number", 0, OPT_INT, offsetof(struct options, number), .arg = "N", .help = "Number" },
	{ "count", 'c', OPT_UINT, offsetof(struct options, count), .arg = "N", .help = "Count" },
	{ "shm-size", 0, OPT_SIZE, offsetof(struct options, size), .arg = "SIZE", .help = "Size" },
	{ "call", 0, OPT_CALL, 0, .arg = "X", .help = "Call", .call = call },
	{ "hidden", 0, OPT_FLAG, offsetof(struct options, tty), .help = NULL },
	OPTION_END
};

static const struct cmd_verb run = { .name = "run",
				     .options = table,
				     .usage = "[OPTIONS] IMAGE",
				     .summary = "Run",
				     .stops_at_operand = true };
static const struct cmd_verb rm = { .name = "rm",
				    .options = table,
				    .usage = "X...",
				    .summary = "Remove" };

/* Split a line at blanks (a copy in *store) and parse it. Words end up in argv. */
static int parse(const struct cmd_verb *verb, const char *line, char **argv, int *argc, char *store,
		 size_t size, struct options *o, struct error *e)
{
	char *save = NULL;

	assert_true(strlen(line) < size);
	memcpy(store, line, strlen(line) + 1);
	*argc = 0;
	for (char *w = strtok_r(store, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[(*argc)++] = w;
	*o = (struct options){ .verify = -1 };
	*e = ERROR_INIT;
	return opt_parse_quiet(verb, *argc, argv, o, e);
}

#define PARSE(verb, line)           \
	char *argv[32], store[512]; \
	struct options o;           \
	struct error e;             \
	int argc;                   \
	int first = parse(verb, line, argv, &argc, store, sizeof(store), &o, &e)

static void fini(struct options *o)
{
	strv_fini(&o->env);
	strv_fini(&o->caps);
}

static void test_forms(void **state)
{
	PARSE(&run,
	      "run -it -eA=1 -e B=2 -e=C=3 --env D=4 --env=E=5 --name=x -n y --tls-verify=false "
	      "--cap-add A,B --cap-add C -c7 --number -5 --shm-size 64m --call=z img -x");

	(void)state;
	assert_int_equal(e.code, 0);
	assert_string_equal(argv[first], "img");
	assert_int_equal(argc - first, 2);
	assert_true(o.tty && o.interactive);
	assert_int_equal(o.verify, 0);
	assert_string_equal(o.name, "y");
	assert_int_equal(o.env.n, 5);
	assert_string_equal(o.env.v[0], "A=1");
	assert_string_equal(o.env.v[2], "C=3");
	assert_string_equal(o.env.v[4], "E=5");
	assert_int_equal(o.caps.n, 3);
	assert_string_equal(o.caps.v[1], "B");
	assert_int_equal(o.count, 7);
	assert_int_equal(o.number, -5);
	assert_int_equal(o.size, 64 << 20);
	assert_string_equal(o.called, "z");
	fini(&o);
}

static void test_flags(void **state)
{
	PARSE(&run, "run -i=false --tty=true --interactive --tty=0 --tls-verify");

	(void)state;
	assert_int_equal(first, argc);
	assert_false(o.tty);
	assert_true(o.interactive);
	assert_int_equal(o.verify, 1);
}

static void test_stops_at_operand(void **state)
{
	PARSE(&run, "run -t img -i --name x -- y");

	(void)state;
	assert_int_equal(first, 2);
	assert_false(o.interactive);
	assert_null(o.name);
	assert_string_equal(argv[6], "--");
}

static void test_double_dash(void **state)
{
	PARSE(&run, "run -t -- -i");

	(void)state;
	assert_string_equal(argv[first], "-i");
	assert_false(o.interactive);
}

static void test_mixed_operands(void **state)
{
	PARSE(&rm, "rm a -t b --name x c - -- -d");

	(void)state;
	assert_int_equal(argc - first, 5);
	assert_string_equal(argv[first], "a");
	assert_string_equal(argv[first + 1], "b");
	assert_string_equal(argv[first + 2], "c");
	assert_string_equal(argv[first + 3], "-");
	assert_string_equal(argv[first + 4], "-d");
	assert_true(o.tty);
	assert_string_equal(o.name, "x");
}

static void expect_error(const char *line, const char *words)
{
	PARSE(&run, line);

	fini(&o);
	assert_int_equal(first, -1);
	assert_int_equal(e.code, -EINVAL);
	assert_non_null(strstr(e.msg, words));
}

static void test_errors(void **state)
{
	(void)state;
	expect_error("run --foo", "unknown flag: --foo");
	expect_error("run --foo=bar", "unknown flag: --foo");
	expect_error("run --nam x", "unknown flag: --nam");
	expect_error("run -tx", "unknown shorthand flag: 'x' in -tx");
	expect_error("run --name", "flag needs an argument: --name");
	expect_error("run -te", "flag needs an argument: 'e' in -te");
	expect_error("run --tty=maybe", "invalid argument \"maybe\" for \"--tty\"");
	expect_error("run --tty=", "invalid argument");
	expect_error("run -c -1", "invalid argument \"-1\"");
	expect_error("run -c 4294967296", "invalid argument");
	expect_error("run --number 9223372036854775808", "invalid argument");
	expect_error("run --shm-size 1x", "invalid argument");
	expect_error("run --call xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "too long");
	expect_error("run ---", "unknown flag");
}

static void test_help(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	{
		PARSE(&run, "run -t --help --foo");

		assert_int_equal(first, -1);
		assert_int_equal(e.code, 0);
	}
	opt_help(&run, &b);
	assert_non_null(strstr(b.data, "crt run [OPTIONS] IMAGE"));
	assert_non_null(strstr(b.data, "  -e, --env K=V"));
	assert_non_null(strstr(b.data, "      --cap-add CAP"));
	assert_non_null(strstr(b.data, "  -h, --help"));
	assert_null(strstr(b.data, "hidden"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_stops_at_operand),
		cmocka_unit_test(test_double_dash),
		cmocka_unit_test(test_mixed_operands),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
