/* SPDX-License-Identifier: Apache-2.0 */
/* registries.conf: what a reference becomes. The machine's own drop-ins are read too: names here are made up. */
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

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "storage/registry/conf.h"

static char dir[] = "/tmp/crt-unit-conf-XXXXXX";

static void put(const char *name, const char *text)
{
	assert_int_equal(fd_write_file_at(AT_FDCWD, name, text, strlen(text), 0600, false, NULL),
			 0);
}

/* One line per candidate: NAME: host path reference [insecure], ... */
static int resolve(const char *text, int tls_verify, struct buf *out, struct error *e)
{
	struct storage_ref ref;
	struct storage_fetch_request r = { .ref = &ref, .tls_verify = tls_verify };
	json_t *all = NULL, *c, *ep;
	size_t i, k;
	int res;

	assert_int_equal(storage_ref_parse(text, &ref, NULL), 0);
	res = conf_candidates(&r, &all, e);
	storage_ref_fini(&ref);
	if (res < 0)
		return res;
	json_array_foreach(all, i, c) {
		(void)buf_printf(out, "%s:", json_string_value(json_object_get(c, "name")));
		json_array_foreach(json_object_get(c, "endpoints"), k, ep)
			(void)buf_printf(
				out, " %s %s %s%s%s",
				json_string_value(json_object_get(ep, "host")),
				json_string_value(json_object_get(ep, "path")),
				json_string_value(json_object_get(ep, "reference")),
				json_is_true(json_object_get(ep, "insecure")) ? " insecure" : "",
				json_object_get(ep, "ca") != NULL ? " ca" : "");
		(void)buf_putc(out, '\n');
	}
	json_decref(all);
	return 0;
}

static void check(const char *text, const char *want)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct error e = ERROR_INIT;

	assert_int_equal(resolve(text, -1, &out, &e), 0);
	assert_string_equal(buf_str(&out), want);
}

static void check_bad(const char *text, const char *message)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct error e = ERROR_INIT;

	assert_true(resolve(text, -1, &out, &e) < 0);
	if (strstr(e.msg, message) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", e.msg, message);
}

static void test_nothing_said(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	(void)state;
	put("containers/registries.conf", "");
	check("unit-name",
	      "docker.io/library/unit-name:latest: registry-1.docker.io library/unit-name latest\n");
	check("unit/name:1", "docker.io/unit/name:1: registry-1.docker.io unit/name 1\n");
	check("h.example:5000/a/b:t", "h.example:5000/a/b:t: h.example:5000 a/b t\n");
	assert_int_equal(resolve("h.example/a", 0, &out, NULL), 0);
	assert_string_equal(buf_str(&out), "h.example/a:latest: h.example a latest insecure\n");
}

static void test_short_names(void **state)
{
	(void)state;
	put("containers/registries.conf",
	    "unqualified-search-registries = ['one.example', 'docker.io']\n"
	    "[aliases]\n'unit-alias' = 'two.example/x/y'\n'unit-bad' = 'short'\n");
	check("unit-name:2",
	      "one.example/unit-name:2: one.example unit-name 2\n"
	      "docker.io/library/unit-name:2: registry-1.docker.io library/unit-name 2\n");
	check("unit-alias", "two.example/x/y:latest: two.example x/y latest\n");
	check_bad("unit-bad", "alias unit-bad");
	put("containers/registries.conf", "unqualified-search-registries = []\n");
	check_bad("unit-name", "is a short name");
}

static void test_registries(void **state)
{
	(void)state;
	put("containers/registries.conf",
	    "[[registry]]\nlocation = 'a.example'\ninsecure = true\n"
	    "[[registry]]\nprefix = 'a.example/deep'\nlocation = 'b.example/other'\n"
	    "[[registry.mirror]]\nlocation = 'm.example/cache'\n"
	    "[[registry.mirror]]\nlocation = 'n.example'\ninsecure = true\n"
	    "pull-from-mirror = 'digest-only'\n"
	    "[[registry]]\nprefix = '*.wild.example'\nlocation = 'w.example'\n"
	    "[[registry]]\nprefix = 'bad.example/no'\nblocked = true\n");
	check("a.example/x", "a.example/x:latest: a.example x latest insecure\n");
	check("a.example/deep/x",
	      "a.example/deep/x:latest: m.example cache/x latest b.example other/x latest\n");
	check("a.example/deeper/x",
	      "a.example/deeper/x:latest: a.example deeper/x latest insecure\n");
	check("a.example:5000/x", "a.example:5000/x:latest: a.example:5000 x latest insecure\n");
	check("a.example.org/x", "a.example.org/x:latest: a.example.org x latest\n");
	check("q.wild.example/x", "q.wild.example/x:latest: w.example x latest\n");
	check("wild.example/x", "wild.example/x:latest: wild.example x latest\n");
	check_bad("bad.example/no/x", "blocked in registries.conf");
	check("bad.example/nothing", "bad.example/nothing:latest: bad.example nothing latest\n");
}

static void test_dropins_and_certificates(void **state)
{
	(void)state;
	put("containers/registries.conf", "[[registry]]\nlocation = 'a.example'\nblocked = true\n");
	assert_int_equal(mkdir("containers/registries.conf.d", 0700), 0);
	put("containers/registries.conf.d/20.conf",
	    "[[registry]]\nlocation = 'a.example'\ninsecure = true\n");
	put("containers/registries.conf.d/10.conf",
	    "[[registry]]\nlocation = 'a.example'\nlocation2 = 1\n");
	put("containers/registries.conf.d/ignored", "= broken");
	assert_int_equal(mkdir("containers/certs.d", 0700), 0);
	assert_int_equal(mkdir("containers/certs.d/a.example", 0700), 0);
	put("containers/certs.d/a.example/ca.crt", "PEM");
	check("a.example/x", "a.example/x:latest: a.example x latest insecure ca\n");
	put("containers/registries.conf.d/30.conf", "x = ");
	check_bad("a.example/x", "30.conf, line 1");
	assert_int_equal(unlink("containers/registries.conf.d/30.conf"), 0);
}

static void test_mistakes(void **state)
{
	(void)state;
	put("containers/registries.conf", "[registries.search]\nregistries = ['x']\n");
	check_bad("x.example/x", "old format");
	put("containers/registries.conf", "[[registry]]\ninsecure = true\n");
	check_bad("x.example/x", "neither prefix nor location");
	put("containers/registries.conf",
	    "[[registry]]\nlocation = 'x.example'\nblocked = 'yes'\n");
	check_bad("x.example/x", "blocked");
	put("containers/registries.conf", "unqualified-search-registries = [1]\n");
	check_bad("unit-name", "no string");
	(void)setenv("CONTAINERS_REGISTRIES_CONF", "/nonexistent/file", 1);
	check_bad("x.example/x", "/nonexistent/file");
	(void)unsetenv("CONTAINERS_REGISTRIES_CONF");
}

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL || chdir(dir) < 0 || mkdir("containers", 0700) < 0)
		return -1;
	(void)unsetenv("CONTAINERS_REGISTRIES_CONF");
	(void)unsetenv("REGISTRY_AUTH_FILE");
	(void)setenv("XDG_CONFIG_HOME", dir, 1);
	(void)setenv("XDG_RUNTIME_DIR", dir, 1);
	(void)setenv("HOME", dir, 1);
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
		cmocka_unit_test(test_nothing_said),
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_registries),
		cmocka_unit_test(test_dropins_and_certificates),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
