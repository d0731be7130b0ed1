/* SPDX-License-Identifier: Apache-2.0 */
/* criu's messages: what we write has the bytes of the protocol, what we read may be anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/criu.h"

static void test_integers(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	criu_put_int(&b, 1, 1);
	criu_put_int(&b, 63, 300);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "\x08\x01\xf8\x03\xac\x02", 6);
	buf_fini(&b);
	criu_put_int(&b, 1, -1); /* negative ones have all ten bytes */
	assert_int_equal(b.len, 11);
	assert_int_equal((unsigned char)b.data[10], 1);
	buf_fini(&b);
}

static void test_texts_and_messages(void **state)
{
	struct buf b = BUF_INIT, m = BUF_INIT;

	(void)state;
	criu_put_string(&m, 2, "hi");
	criu_put_message(&b, 27, &m);
	criu_put_mount(&b, "/a", "/b");
	assert_int_equal(b.err, 0);
	assert_memory_equal(b.data, "\xda\x01\x04\x12\x02hi\xaa\x02\x0amnt[/a]:/b", b.len);
	assert_int_equal(b.len, 7 + 13);
	buf_fini(&b);
	buf_fini(&m);
}

static void test_an_empty_message(void **state)
{
	struct buf b = BUF_INIT, m = BUF_INIT;

	(void)state;
	criu_put_message(&b, 2, &m);
	assert_int_equal(b.len, 2);
	assert_memory_equal(b.data, "\x12\x00", 2);
	buf_fini(&b);
}

static void test_a_failed_part_fails_the_whole(void **state)
{
	struct buf b = BUF_INIT, m = BUF_INIT;

	(void)state;
	m.err = -12;
	criu_put_message(&b, 2, &m);
	assert_int_equal(b.err, -12);
	buf_fini(&b);
}

#define PARSE(text) criu_answer_parse(text, sizeof(text) - 1, &a)

static void test_answers(void **state)
{
	struct criu_answer a;

	(void)state;
	/* RESTORE, success, pid 300 */
	assert_int_equal(PARSE("\x08\x02\x10\x01\x22\x03\x08\xac\x02"), 0);
	assert_int_equal(a.type, CRIU_RESTORE);
	assert_true(a.success);
	assert_int_equal(a.pid, 300);
	/* NOTIFY "post-restore" of 7 */
	assert_int_equal(PARSE("\x08\x06\x10\x01\x2a\x10\x0a\x0cpost-restore\x10\x07"), 0);
	assert_string_equal(a.script, "post-restore");
	assert_int_equal(a.pid, 7);
	/* VERSION 3.17.1 */
	assert_int_equal(PARSE("\x08\x0a\x10\x01\x52\x06\x08\x03\x10\x11\x20\x01"), 0);
	assert_int_equal(a.version, 31701);
	/* DUMP failed with 22 and a text */
	assert_int_equal(PARSE("\x08\x01\x10\x00\x38\x16\x4a\x03why"), 0);
	assert_false(a.success);
	assert_int_equal(a.error, 22);
	assert_string_equal(a.message, "why");
}

static void test_unknown_fields_are_skipped(void **state)
{
	struct criu_answer a;

	(void)state;
	assert_int_equal(PARSE("\xf9\x07"
			       "12345678"
			       "\xfd\x07"
			       "1234"
			       "\xfa\x07\x02hi\xf8\x07\x05\x08\x01"),
			 0);
	assert_int_equal(a.type, CRIU_DUMP);
}

static void test_long_texts_are_cut(void **state)
{
	struct criu_answer a;
	char text[2 + 2 + 400];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "\x08\x06\x2a\x7e\x0a\x7c", 6);
	assert_int_equal(criu_answer_parse(text, 4 + 126, &a), 0);
	assert_int_equal(strlen(a.script), sizeof(a.script) - 1);
}

static void test_nonsense(void **state)
{
	static const char *const bad[] = {
		"",							/* no type */
		"\x10\x01",						/* no type either */
		"\x08",							/* ends in a field */
		"\x08\x80",						/* ends in a number */
		"\x08\x02\x22\x7f",					/* longer than the whole */
		"\x08\x02\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* far longer */
		"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* no number */
		"\x08\x02\x22\x02\x08\x80",				/* ends inside a part */
		"\x0b\x01", /* a type that is no more used */
		"\x02\x01", /* field 0 */
	};
	struct criu_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(criu_answer_parse(bad[i], strlen(bad[i]), &a) < 0);
}

static void test_every_cut_is_survived(void **state)
{
	static const char whole[] = "\x08\x06\x10\x01\x2a\x10\x0a\x0cpost-restore\x10\x07"
				    "\x52\x06\x08\x03\x10\x11\x20\x01\x4a\x03why";
	struct criu_answer a;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *part = test_malloc(n + 1);

		memcpy(part, whole, n);
		(void)criu_answer_parse(part, n, &a);
		test_free(part);
	}
}

static void test_paths(void **state)
{
	const char *rest = NULL;
	char text[] = "/a\\040b\\134c\\9";

	(void)state;
	criu_unescape(text);
	assert_string_equal(text, "/a b\\c\\9");
	assert_true(criu_path_below("/dev/pts", "/dev", &rest));
	assert_string_equal(rest, "/pts");
	assert_true(criu_path_below("/dev", "/dev/", &rest));
	assert_string_equal(rest, "");
	assert_true(criu_path_below("/dev", "/", &rest));
	assert_false(criu_path_below("/device", "/dev", &rest));
	assert_false(criu_path_below("/de", "/dev", &rest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_texts_and_messages),
		cmocka_unit_test(test_an_empty_message),
		cmocka_unit_test(test_a_failed_part_fails_the_whole),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_unknown_fields_are_skipped),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_every_cut_is_survived),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
