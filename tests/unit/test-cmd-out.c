/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd/out.c: sizes, times and the alignment of tables.
 *
 * Theory of operation: values are compared with what podman prints for them;
 * tables are printed into a pipe that stands for standard output.
 */
#include "cmd/out.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"

static void size_is(uint64_t bytes, const char *want)
{
	_cleanup_free_ char *got = out_size(bytes);

	assert_string_equal(got, want);
}

static void test_sizes(void **state)
{
	(void)state;
	size_is(0, "0 B");
	size_is(999, "999 B");
	size_is(1000, "1 kB");
	size_is(5612345, "5.61 MB");
	size_is(77812345, "77.8 MB");
	size_is(142000000, "142 MB");
	size_is(999900, "1 MB");
	size_is(2500000000, "2.5 GB");
	size_is(UINT64_MAX, "18.4 EB");
}

static void age_is(time_t seconds, const char *want)
{
	_cleanup_free_ char *got = out_duration(1000000000, 1000000000 + seconds);

	assert_string_equal(got, want);
}

static void test_durations(void **state)
{
	(void)state;
	age_is(-5, "Less than a second");
	age_is(0, "Less than a second");
	age_is(1, "1 second");
	age_is(59, "59 seconds");
	age_is(60, "About a minute");
	age_is(179, "2 minutes");
	age_is(3000, "50 minutes");
	age_is(3600, "About an hour");
	age_is(3600 * 5, "5 hours");
	age_is(3600 * 47, "47 hours");
	age_is(3600 * 49, "2 days");
	age_is(86400 * 15, "2 weeks");
	age_is(86400 * 70, "2 months");
	age_is(86400 * 800, "2 years");
}

static void test_parse_time(void **state)
{
	static const char *const wrong[] = { "",
					     "2026",
					     "2026-11-23",
					     "2026-11-23T19:06:33",
					     "2026-13-23T19:06:33Z",
					     "2026-11-23T19:06:33ZZ",
					     "2026-11-23T19:06:33.Z",
					     "2026-11-23T19:06:33+1:00",
					     "-026-11-23T19:06:33Z" };
	time_t t = 0;

	(void)state;
	assert_int_equal(out_parse_time("2026-11-23T19:06:33Z", &t), 0);
	assert_int_equal(t, 1795460793);
	assert_int_equal(out_parse_time("2026-11-23T20:06:33.123456789+01:00", &t), 0);
	assert_int_equal(t, 1795460793);
	assert_int_equal(out_parse_time("2026-11-23T18:36:33-00:30", &t), 0);
	assert_int_equal(t, 1795460793);
	assert_int_equal(out_parse_time("1970-01-01T00:00:00Z", &t), 0);
	assert_int_equal(t, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(out_parse_time(wrong[i], &t), -EINVAL);
}

/* What out_print() writes. */
static char *printed(const struct out_rows *rows, const char *format, bool no_heading)
{
	static const struct out_column columns[] = { { "NAME", "Name" },
						     { "WHAT IT IS", "What" },
						     { NULL, NULL } };
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct error e = ERROR_INIT;
	int saved = fd_dup(STDOUT_FILENO);
	int p[2];
	int r;

	assert_int_equal(fd_pipe(p), 0);
	assert_int_equal(dup2(p[1], STDOUT_FILENO), STDOUT_FILENO);
	close_fd(&p[1]);
	r = out_print(rows, columns, format, no_heading, &e);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close_fd(&saved);
	assert_int_equal(fd_read_to_end(p[0], &b, 65536), 0);
	close_fd(&p[0]);
	if (r < 0)
		return strdup(e.msg);
	return buf_steal(&b);
}

static void is_printed(const struct out_rows *rows, const char *format, bool no_heading,
		       const char *want)
{
	_cleanup_free_ char *got = printed(rows, format, no_heading);

	assert_string_equal(got, want);
}

static void test_tables(void **state)
{
	struct out_rows rows = { NULL, NULL };

	(void)state;
	assert_int_equal(out_rows_init(&rows), 0);
	is_printed(&rows, NULL, false, "NAME        WHAT IT IS\n");
	is_printed(&rows, "json", false, "[]\n");
	is_printed(&rows, "{{.Name}}", false, "");
	assert_int_equal(out_rows_add(&rows, json_pack("{s:s, s:s}", "Name", "a", "What", "b"),
				      json_pack("{s:i}", "n", 1)),
			 0);
	assert_int_equal(out_rows_add(&rows,
				      json_pack("{s:s, s:s}", "Name", "a-name-of-16-byt", "What",
						"c\033[2Jd\ne"),
				      json_pack("{s:i}", "n", 2)),
			 0);
	is_printed(&rows, NULL, false,
		   "NAME              WHAT IT IS\n"
		   "a                 b\n"
		   "a-name-of-16-byt  c\\x1b[2Jd\\x0ae\n");
	is_printed(&rows, NULL, true,
		   "a                 b\n"
		   "a-name-of-16-byt  c\\x1b[2Jd\\x0ae\n");
	is_printed(&rows, "table {{.What}}\\t{{.Name}}", false,
		   "WHAT IT IS      NAME\n"
		   "b               a\n"
		   "c\\x1b[2Jd\\x0ae  a-name-of-16-byt\n");
	/* Programs get what is there. */
	is_printed(&rows, "{{.What}}", false, "b\nc\033[2Jd\ne\n");
	is_printed(&rows, "{{.Name}}={{json .}}", false,
		   "a={\"n\":1}\na-name-of-16-byt={\"n\":2}\n");
	is_printed(
		&rows, "{{.Missing}}", false,
		"template: format:1:2: at <.Missing>: can't evaluate field Missing in type object");
	/* as podman: blanks make columns, one newline at the end, {{range .}} sees all rows */
	is_printed(&rows, "table {{ .Name }} {{.What}}\\n", true,
		   "a                 b\na-name-of-16-byt  c\\x1b[2Jd\\x0ae\n");
	is_printed(&rows, "{{.Name}} x\n", false, "a x\na-name-of-16-byt x\n");
	is_printed(&rows, "{{range .}}{{.Name}},{{end}}", false, "a,a-name-of-16-byt,\n");
	is_printed(&rows, "{{ json . }}", false,
		   "[\n  {\n    \"n\": 1\n  },\n  {\n    \"n\": 2\n  }\n]\n");
	is_printed(&rows, "table {{len .Name}}", false, "4\n1\n16\n");
	out_rows_fini(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_parse_time),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
