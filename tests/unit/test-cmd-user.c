/* SPDX-License-Identifier: Apache-2.0 */
/* The one parser of container users (T13). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "cmd/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "broken line\n"
			     ":x:5:5::/:\n"
			     "1000:x:0:0:trap:/root:/bin/sh\n"
			     "alice:x:1001:1002::/home/alice:/bin/sh\n"
			     "big:x:4294967295:0::/:\n"
			     "web:x:33:33::relative:/bin/sh";
static const char group[] =
	"root:x:0:\nwheel:x:10:root,alice\nstaff:x:50:bob,alic,alice2\naudio:x:29:alice\nweb:x:33:\n7up:x:0:\n";

static int resolve(const char *text, struct user_identity *u, struct error *e)
{
	return user_resolve(text, passwd, group, NULL, 0, u, e);
}

static void test_numbers_are_never_names(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t uid;
	} table[] = {
		{ "1", 0, 1 },
		{ "01", 0, 1 },
		{ "0", 0, 0 },
		{ "1000", 0, 1000 }, /* not the user of that name, who is root */
		{ "2147483648", 0, 2147483648u },
		{ "4294967294", 0, 4294967294u },
		{ "4294967295", -EINVAL, 0 },
		{ "4294967296", -EINVAL, 0 },
		{ "18446744073709551616", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "0x1", -EINVAL, 0 },
		{ "1:", -EINVAL, 0 },
		{ ":1", -EINVAL, 0 },
		{ "1:2:3", -EINVAL, 0 },
		{ "1:7up", -EINVAL, 0 },
		{ "nobody-here", -ENOENT, 0 },
		{ "alice:nogroup", -ENOENT, 0 },
		{ "big", -ENOENT, 0 }, /* its line has no valid uid */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct user_identity u = { 0 };
		struct error e = ERROR_INIT;
		int r = resolve(table[i].text, &u, &e);

		if (r != table[i].result || (r == 0 && u.uid != table[i].uid))
			fail_msg("\"%s\": %d, uid %u (%s)", table[i].text, r, u.uid, e.msg);
		user_identity_fini(&u);
	}
}

static void test_names_and_groups(void **state)
{
	struct user_identity u = { 0 };
	struct error e = ERROR_INIT;
	char extra0[] = "audio", extra1[] = "4000", extra2[] = "nope";
	char *extra[] = { extra0, extra1, extra2 };

	(void)state;
	assert_int_equal(resolve("alice", &u, &e), 0);
	assert_int_equal(u.uid, 1001);
	assert_int_equal(u.gid, 1002);
	assert_string_equal(u.home, "/home/alice");
	assert_int_equal(u.groups_n, 2); /* wheel and audio; "alic" and "alice2" are others */
	assert_int_equal(u.groups[0], 10);
	assert_int_equal(u.groups[1], 29);
	user_identity_fini(&u);

	assert_int_equal(resolve("alice:wheel", &u, &e), 0); /* a group given: no others */
	assert_int_equal(u.gid, 10);
	assert_int_equal(u.groups_n, 0);
	user_identity_fini(&u);

	assert_int_equal(resolve("", &u, &e), 0);
	assert_int_equal(u.uid, 0);
	assert_string_equal(u.home, "/root");
	user_identity_fini(&u);

	assert_int_equal(resolve("web", &u, &e), 0);
	assert_string_equal(u.home, "/"); /* a relative home is none */
	user_identity_fini(&u);

	assert_int_equal(user_resolve("web", passwd, group, extra, 2, &u, &e), 0);
	assert_int_equal(u.groups_n, 2);
	assert_int_equal(u.groups[1], 4000);
	user_identity_fini(&u);
	assert_int_equal(user_resolve("web", passwd, group, extra, 3, &u, &e), -ENOENT);
}

static void test_without_files(void **state)
{
	struct user_identity u = { 0 };
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(user_resolve("12:34", NULL, NULL, NULL, 0, &u, &e), 0);
	assert_int_equal(u.uid, 12);
	assert_int_equal(u.gid, 34);
	assert_null(u.home);
	user_identity_fini(&u);
	assert_int_equal(user_resolve("root", NULL, NULL, NULL, 0, &u, &e), -ENOENT);
}

static void test_hostile_text_in_errors(void **state)
{
	struct user_identity u = { 0 };
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(resolve("\x1b[2Jx", &u, &e), -ENOENT);
	assert_null(strchr(e.msg, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_never_names),
		cmocka_unit_test(test_names_and_groups),
		cmocka_unit_test(test_without_files),
		cmocka_unit_test(test_hostile_text_in_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
