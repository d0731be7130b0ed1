/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of image references, by tables and by damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "storage/storage.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define L60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct good {
	const char *text, *transport, *domain, *path, *tag, *digest, *full;
};

static const struct good good[] = {
	{ "busybox", "docker", NULL, "busybox", "latest", NULL, "busybox:latest" },
	{ "builtin", "docker", NULL, "builtin", "latest", NULL, "docker://builtin:latest" },
	{ "oci", "docker", NULL, "oci", "latest", NULL, "docker://oci:latest" },
	{ "busybox:1.36", "docker", NULL, "busybox", "1.36", NULL, "busybox:1.36" },
	{ "library/busybox", "docker", NULL, "library/busybox", "latest", NULL,
	  "library/busybox:latest" },
	{ "docker.io/busybox", "docker", "docker.io", "library/busybox", "latest", NULL,
	  "docker.io/library/busybox:latest" },
	{ "index.docker.io/a/b", "docker", "docker.io", "a/b", "latest", NULL,
	  "docker.io/a/b:latest" },
	{ "docker://quay.io/a/b/c:T_1.x-y", "docker", "quay.io", "a/b/c", "T_1.x-y", NULL,
	  "quay.io/a/b/c:T_1.x-y" },
	{ "localhost/x", "docker", "localhost", "x", "latest", NULL, "localhost/x:latest" },
	{ "localhost:5000/x", "docker", "localhost:5000", "x", "latest", NULL,
	  "localhost:5000/x:latest" },
	{ "127.0.0.1:5000/x:y", "docker", "127.0.0.1:5000", "x", "y", NULL, "127.0.0.1:5000/x:y" },
	{ "[::1]:5000/x:y", "docker", "[::1]:5000", "x", "y", NULL, "[::1]:5000/x:y" },
	{ "[2001:db8::1]/x", "docker", "[2001:db8::1]", "x", "latest", NULL,
	  "[2001:db8::1]/x:latest" },
	{ "Host/x", "docker", "Host", "x", "latest", NULL, "Host/x:latest" },
	{ "a__b/c--d/e.f_g", "docker", NULL, "a__b/c--d/e.f_g", "latest", NULL,
	  "a__b/c--d/e.f_g:latest" },
	{ "busybox@sha256:" HEX, "docker", NULL, "busybox", NULL, "sha256:" HEX,
	  "busybox@sha256:" HEX },
	{ "r.io/x:t@sha256:" HEX, "docker", "r.io", "x", "t", "sha256:" HEX, "r.io/x@sha256:" HEX },
	{ "0123456789ab", "docker", NULL, "0123456789ab", "latest", NULL, "0123456789ab:latest" },
	{ "oci:dir", "oci", NULL, "dir", NULL, NULL, "oci:dir" },
	{ "oci:/a b/dir:tag", "oci", NULL, "/a b/dir", "tag", NULL, "oci:/a b/dir:tag" },
	{ "oci:../x:reg.io/a:b", "oci", NULL, "../x", "reg.io/a:b", NULL, "oci:../x:reg.io/a:b" },
	{ "docker-archive:/x.tar", "docker-archive", NULL, "/x.tar", NULL, NULL,
	  "docker-archive:/x.tar" },
	{ "docker-archive:x.tar:a:1", "docker-archive", NULL, "x.tar", "a:1", NULL,
	  "docker-archive:x.tar:a:1" },
	{ "builtin:busybox", "builtin", NULL, "busybox", NULL, NULL, "builtin:busybox" },
};

static void check_string(const char *text, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0))
		fail_msg("%s: got \"%s\", expected \"%s\"", text, got != NULL ? got : "(null)",
			 want != NULL ? want : "(null)");
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct good *g = &good[i];
		struct storage_ref r;
		struct error e = ERROR_INIT;
		char *full;

		if (storage_ref_parse(g->text, &r, &e) < 0)
			fail_msg("%s", e.msg);
		check_string(g->text, r.transport, g->transport);
		check_string(g->text, r.domain, g->domain);
		check_string(g->text, r.path, g->path);
		check_string(g->text, r.tag, g->tag);
		check_string(g->text, r.digest, g->digest);
		assert_int_equal(r.is_short,
				 strcmp(g->transport, "docker") == 0 && g->domain == NULL);
		full = storage_ref_text(&r);
		check_string(g->text, full, g->full);
		storage_ref_fini(&r);

		/* The full text is a reference with the same meaning. */
		assert_int_equal(storage_ref_parse(full, &r, &e), 0);
		check_string(full, r.path, g->path);
		check_string(full, r.domain, g->domain);
		storage_ref_fini(&r);
		free(full);
	}
}

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "empty" },
	{ ":", "tag" },
	{ ":tag", "empty" },
	{ "@sha256:" HEX, "empty" },
	{ "/x", "empty" },
	{ "x/", "empty" },
	{ "a//b", "empty" },
	{ "..", "components" },
	{ "../x", "registry" },
	{ "a/../b", "components" },
	{ "./x", "registry" },
	{ "-x", "components" },
	{ "x-", "components" },
	{ "x_", "components" },
	{ "x___y", "components" },
	{ "x..y", "components" },
	{ "x._y", "components" },
	{ "BusyBox", "lower case" },
	{ "docker.io/BusyBox", "lower case" },
	{ "bus ybox", "components" },
	{ "busybox\n", "components" },
	{ "b\x1b[31mx", "components" },
	{ "b\xc3\xbcx", "components" },
	{ "busybox:", "tag" },
	{ "busybox:-x", "tag" },
	{ "busybox:.x", "tag" },
	{ "busybox:a b", "tag" },
	{ "busybox:a:b", "components" },
	{ "busybox:" L60 L60 "aaaaaaaaa", "tag" },
	{ "busybox@", "digest" },
	{ "busybox@sha256:", "digest" },
	{ "busybox@sha256:" HEX "0", "digest" },
	{ "busybox@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
	  "digest" },
	{ "busybox@SHA256:" HEX, "digest" },
	{ "busybox@sha512:" HEX HEX, "digest" },
	{ "busybox@sha256:../../../etc/passwd", "digest" },
	{ "busybox@sha256:" HEX "@sha256:" HEX, "digest" },
	{ "host.:/x", "registry" },
	{ "host:/x", "registry" },
	{ "host:0/x", "registry" },
	{ "host:65536/x", "registry" },
	{ "host:99999999999999999999/x", "registry" },
	{ "host:80a/x", "registry" },
	{ "a..b/x", "registry" },
	{ "-a.b/x", "registry" },
	{ "a.b-/x", "registry" },
	{ "user@host.io/x", "digest" },
	{ "user:pw@host.io/x", "digest" },
	{ "[::1/x", "registry" },
	{ "[]/x", "registry" },
	{ "[::1]x/y", "registry" },
	{ "https://docker.io/x", "registry" },
	{ HEX, "image id" },
	{ L60 "/" L60 "/" L60 "/" L60 "/" L60, "longer than 255" },
	{ "oci:", "path is empty" },
	{ "oci::tag", "path is empty" },
	{ "oci:dir:", "tag" },
	{ "oci:dir:a b", "tag" },
	{ "oci:dir:a\x1b", "tag" },
	{ "docker-archive:", "path is empty" },
	{ "builtin:", "built-in" },
	{ "builtin:../x", "built-in" },
	{ "builtin:a/b", "built-in" },
	{ "docker://", "empty" },
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct storage_ref r;
		struct error e = ERROR_INIT;

		if (storage_ref_parse(bad[i].text, &r, &e) >= 0)
			fail_msg("accepted: \"%s\"", bad[i].text);
		if (strstr(e.msg, bad[i].why) == NULL)
			fail_msg("\"%s\": the message \"%s\" does not say \"%s\"", bad[i].text,
				 e.msg, bad[i].why);
		for (const char *p = e.msg; *p != '\0'; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
}

/* Whatever is accepted after damage is harmless in a path, a URL and a message. */
static void test_damaged(void **state)
{
	static const char alphabet[] = "aZ0._-:/@[]\\%+ \n\x1b\x7f\xc3~\"'";
	uint32_t seed = 1;

	(void)state;
	for (unsigned int round = 0; round < 60000; round++) {
		char text[256];
		struct storage_ref r;
		struct error e = ERROR_INIT;
		size_t len;

		(void)snprintf(text, sizeof(text), "%s",
			       good[round % (sizeof(good) / sizeof(good[0]))].text);
		len = strlen(text);
		for (unsigned int k = 0; k <= round % 3; k++) {
			seed = seed * 1664525u + 1013904223u;
			text[(seed >> 8) % len] = alphabet[(seed >> 20) % (sizeof(alphabet) - 1)];
		}
		if (storage_ref_parse(text, &r, &e) < 0) {
			assert_true(e.msg[0] != '\0');
			continue;
		}
		if (strcmp(r.transport, "docker") == 0) {
			char *full = storage_ref_text(&r);

			assert_non_null(full);
			assert_true(strstr(full, "/.") == NULL && full[0] != '/' &&
				    full[0] != '.' && strpbrk(full, " \n\\%+~\"'") == NULL);
			assert_true(r.digest == NULL || storage_digest_valid(r.digest));
			assert_true(r.tag != NULL || r.digest != NULL);
			free(full);
		}
		storage_ref_fini(&r);
	}
}

static void test_absolute(void **state)
{
	struct storage_ref r;
	char *cwd = getcwd(NULL, 0);
	char *want;

	(void)state;
	assert_non_null(cwd);
	assert_int_equal(storage_ref_parse("oci:a/../dir/./x:t", &r, NULL), 0);
	assert_int_equal(storage_ref_make_absolute(&r, NULL), 0);
	want = strcmp(cwd, "/") == 0 ? strdup("/dir/x") : str_printf("%s/dir/x", cwd);
	assert_string_equal(r.path, want);
	storage_ref_fini(&r);
	free(want);
	free(cwd);
	assert_int_equal(storage_ref_parse("busybox", &r, NULL), 0);
	assert_int_equal(storage_ref_make_absolute(&r, NULL), 0);
	assert_string_equal(r.path, "busybox");
	storage_ref_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_absolute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
