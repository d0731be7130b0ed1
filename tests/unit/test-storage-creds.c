/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: which file, which key, what becomes of the values. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "storage/registry/creds.h"

static char dir[] = "/tmp/crt-unit-creds-XXXXXX";

static void put(const char *name, const char *text, mode_t mode)
{
	assert_int_equal(fd_write_file_at(AT_FDCWD, name, text, strlen(text), mode, false, NULL),
			 0);
}

/* What is found for name, as text. */
static void check(const char *name, const char *file, const char *want)
{
	_cleanup_json_ json_t *ep = json_object();
	struct error e = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(creds_find(name, file, ep, &e), 0);
	text = json_to_text(ep);
	assert_string_equal(text, want);
}

static void test_decode(void **state)
{
	_cleanup_free_ char *user = NULL;
	_cleanup_free_ char *password = NULL;

	(void)state;
	assert_int_equal(creds_decode("dGVzdGVyOnNlc2FtZQ==", &user, &password), 0);
	assert_string_equal(user, "tester");
	assert_string_equal(password, "sesame");
	assert_int_equal(creds_decode("dGVzdGVy", &user, &password), -EINVAL);	   /* no colon */
	assert_int_equal(creds_decode("OnNlc2FtZQ==", &user, &password), -EINVAL); /* no user */
	assert_int_equal(creds_decode("dGVz dGVy", &user, &password), -EINVAL);
}

static void test_keys(void **state)
{
	static const char file[] =
		"{\"auths\":{\"h:5\":{\"auth\":\"YTox\"},\"h:5/x\":{\"auth\":\"Yjoy\"},"
		"\"h:5/x/y\":{\"username\":\"c\",\"password\":\"3\"},"
		"\"https://index.docker.io/v1/\":{\"auth\":\"ZDo0\"},"
		"\"http://old/v2/\":{\"identitytoken\":\"tok\"},\"empty\":{}}}";

	(void)state;
	put("auth.json", file, 0600);
	check("h:5/z", "auth.json", "{\"user\":\"a\",\"password\":\"1\"}");
	check("h:5/x/z", "auth.json", "{\"user\":\"b\",\"password\":\"2\"}");
	check("h:5/x/y", "auth.json", "{\"user\":\"c\",\"password\":\"3\"}");
	check("h:5/xx", "auth.json", "{\"user\":\"a\",\"password\":\"1\"}");
	check("docker.io/library/x", "auth.json", "{\"user\":\"d\",\"password\":\"4\"}");
	check("old/x", "auth.json", "{\"token\":\"tok\"}");
	check("empty/x", "auth.json", "{}");
	check("h/x", "auth.json", "{}"); /* another port is another registry */
}

static void test_bad_files(void **state)
{
	_cleanup_json_ json_t *ep = json_object();
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(creds_find("h/x", "nothing.json", ep, &e), -ENOENT);
	put("bad.json", "{\"auths\":{\"h\":{\"auth\":\"c2VjcmV0\"}}}", 0600);
	assert_true(creds_find("h/x", "bad.json", ep, &e) < 0);
	assert_null(strstr(e.msg, "c2VjcmV0"));
	put("twice.json", "{\"auths\":{},\"auths\":{}}", 0600);
	assert_true(creds_find("h/x", "twice.json", ep, &e) < 0);
	put("blank.json", "\n", 0600);
	check("h/x", "blank.json", "{}");
}

static void test_places(void **state)
{
	(void)state;
	assert_int_equal(mkdir("run", 0700), 0);
	assert_int_equal(mkdir("run/containers", 0700), 0);
	assert_int_equal(mkdir(".docker", 0700), 0);
	put("run/containers/auth.json", "{\"auths\":{\"one\":{\"auth\":\"YTox\"}}}", 0600);
	put(".docker/config.json",
	    "{\"auths\":{\"one\":{\"auth\":\"Yjoy\"},\"two\":{\"auth\":\"Yjoy\"}}}", 0600);
	check("one/x", NULL, "{\"user\":\"a\",\"password\":\"1\"}");
	check("two/x", NULL, "{\"user\":\"b\",\"password\":\"2\"}");
	check("three/x", NULL, "{}");
}

static void test_helper(void **state)
{
	_cleanup_json_ json_t *ep = json_object();
	struct error e = ERROR_INIT;

	(void)state;
	put("docker-credential-unit",
	    "#!/bin/sh\nread h\n[ \"$1:$h\" = get:h ] || exit 1\n"
	    "echo '{\"Username\":\"u\",\"Secret\":\"s\"}'\n",
	    0755);
	put("store.json", "{\"credsStore\":\"unit\"}", 0600);
	put("some.json", "{\"credHelpers\":{\"h\":\"unit\",\"x\":\"../evil\",\"y\":\"none\"}}",
	    0600);
	check("h/x", "store.json", "{\"user\":\"u\",\"password\":\"s\"}");
	check("other/x", "store.json", "{}"); /* the helper does not know it */
	check("h/x", "some.json", "{\"user\":\"u\",\"password\":\"s\"}");
	check("z/x", "some.json", "{}");
	assert_true(creds_find("x/x", "some.json", ep, &e) < 0);
	assert_true(creds_find("y/x", "some.json", ep, &e) < 0);
	assert_non_null(strstr(e.msg, "docker-credential-none is not in PATH"));
}

static void test_split(void **state)
{
	_cleanup_json_ json_t *ep = json_object();
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_int_equal(creds_split("u:p:q", ep, NULL), 0);
	text = json_to_text(ep);
	assert_string_equal(text, "{\"user\":\"u\",\"password\":\"p:q\"}");
	assert_true(creds_split("nobody", ep, NULL) < 0);
	assert_true(creds_split(":p", ep, NULL) < 0);
}

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		return -1;
	(void)unsetenv("REGISTRY_AUTH_FILE");
	(void)unsetenv("DOCKER_CONFIG");
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)setenv("HOME", dir, 1);
	(void)setenv("PATH", dir, 1);
	{
		char *run = str_printf("%s/run", dir);

		(void)setenv("XDG_RUNTIME_DIR", run, 1);
		free(run);
	}
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return chdir("/tmp") < 0 || path_remove_tree(AT_FDCWD, dir + strlen("/tmp/"), NULL) < 0 ?
		       -1 :
		       0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),	  cmocka_unit_test(test_keys),
		cmocka_unit_test(test_bad_files), cmocka_unit_test(test_places),
		cmocka_unit_test(test_helper),	  cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
