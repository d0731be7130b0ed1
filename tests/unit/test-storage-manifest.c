/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: kinds, platforms, refusals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "storage/registry/manifest.h"

#define D(c)                                                                                      \
	"sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c \
		c c c c c c c c c c c c c c c c c c c c c c c c
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE  "application/vnd.oci.image.layer.v1.tar+gzip"

static json_t *doc(const char *text)
{
	json_t *j = json_parse(text, strlen(text), "test", NULL);

	assert_non_null(j);
	return j;
}

static void kind(const char *text, const char *type, int want)
{
	_cleanup_json_ json_t *j = doc(text);

	assert_int_equal(manifest_kind(j, type, NULL), want);
}

static void test_kind(void **state)
{
	static const char image[] = "{\"schemaVersion\":2,\"config\":{},\"layers\":[]}";
	static const char index[] = "{\"schemaVersion\":2,\"manifests\":[]}";

	(void)state;
	kind(image, NULL, MANIFEST_IMAGE);
	kind(image, "application/json", MANIFEST_IMAGE);
	kind(image, MANIFEST_TYPE_OCI, MANIFEST_IMAGE);
	kind(index, "application/vnd.oci.image.index.v1+json", MANIFEST_INDEX);
	kind(index, MANIFEST_TYPE_OCI, -EBADMSG);
	kind(image, "application/vnd.docker.distribution.manifest.list.v2+json", -EBADMSG);
	kind("{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE_OCI "\",\"manifests\":[]}", NULL,
	     -EBADMSG);
	kind("{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", NULL, -EBADMSG);
	kind("{\"schemaVersion\":2,\"manifests\":[],\"config\":null}", NULL, -EBADMSG);
	kind("{\"schemaVersion\":2,\"manifests\":[],\"fsLayers\":[]}", NULL, -EBADMSG);
	kind("{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, -EPROTONOSUPPORT);
	kind("{\"schemaVersion\":3,\"config\":{},\"layers\":[]}", NULL, -EBADMSG);
	kind("{\"schemaVersion\":2}", NULL, -EBADMSG);
	kind("{\"schemaVersion\":\"2\",\"config\":{},\"layers\":[]}", NULL, -EBADMSG);
}

static void test_platform(void **state)
{
	struct platform p;

	(void)state;
	assert_int_equal(platform_parse(NULL, &p, NULL), 0);
	assert_string_equal(p.os, "linux");
	assert_int_equal(platform_parse("linux/arm/v7", &p, NULL), 0);
	assert_string_equal(p.variant, "v7");
	assert_int_equal(platform_parse("linux", &p, NULL), -EINVAL);
	assert_int_equal(platform_parse("linux/", &p, NULL), -EINVAL);
	assert_int_equal(platform_parse("/amd64", &p, NULL), -EINVAL);
	assert_int_equal(platform_parse("linux/arm/v7/x", &p, NULL), -EINVAL);
}

/* Digit of the digest that is chosen, or an error. */
static int choose(const char *platform, const char *index, struct error *e)
{
	_cleanup_json_ json_t *j = doc(index);
	struct platform p;
	struct descriptor d;
	int r;

	assert_int_equal(platform_parse(platform, &p, NULL), 0);
	r = manifest_choose(j, &p, &d, e);
	return r < 0 ? r : d.digest[7];
}

#define ENTRY(c, plat)                        \
	"{\"mediaType\":\"" MANIFEST_TYPE_OCI \
	"\",\"size\":5,\"digest\":\"" D(c) "\",\"platform\":{" plat "}}"
#define INDEX(...)     "{\"schemaVersion\":2,\"manifests\":[" __VA_ARGS__ "]}"
#define PLAT(os, arch) "\"os\":\"" os "\",\"architecture\":\"" arch "\""
#define VARIANT(v)     ",\"variant\":\"" v "\""

static void test_choose(void **state)
{
	static const char arms[] = INDEX(
		ENTRY("1", PLAT("linux", "arm") VARIANT("v5")) "," ENTRY("2", PLAT("linux", "arm") VARIANT("v7")) "," ENTRY(
			"3",
			PLAT("linux", "arm") VARIANT(
				"v6")) "," ENTRY("4",
						 PLAT("linux", "arm64") VARIANT(
							 "v8")) "," ENTRY("5",
									  PLAT("linux",
									       "amd64")) "," ENTRY("6",
												   PLAT("linux", "amd64") VARIANT(
													   "v3")) "," ENTRY("7",
															    PLAT("unknown",
																 "unknown")));
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(choose("linux/arm/v7", arms, NULL), '2');
	assert_int_equal(choose("linux/arm/v6", arms, NULL), '3');
	assert_int_equal(choose("linux/arm64", arms, NULL), '4');
	assert_int_equal(choose("linux/amd64", arms, NULL), '5');
	assert_int_equal(choose("linux/amd64/v1", arms, NULL), '5');
	assert_int_equal(choose("linux/amd64/v3", arms, NULL), '6');
	assert_int_equal(choose("linux/s390x", arms, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "linux/arm/v5, linux/arm/v7"));
	assert_null(strstr(e.msg, "unknown"));
	assert_int_equal(choose("unknown/unknown", arms, NULL), -ENOENT);
	/* an older variant will do, a newer one not */
	assert_int_equal(choose("linux/arm/v7",
				INDEX(ENTRY("1", PLAT("linux", "arm") VARIANT("v6"))), NULL),
			 '1');
	assert_int_equal(choose("linux/arm/v5",
				INDEX(ENTRY("1", PLAT("linux", "arm") VARIANT("v6"))), NULL),
			 -ENOENT);
	assert_int_equal(choose("linux/arm/v7", INDEX(ENTRY("1", PLAT("linux", "arm"))), NULL),
			 '1');
	assert_int_equal(choose("linux/amd64", INDEX(), NULL), -ENOENT);
	assert_int_equal(choose("linux/amd64", INDEX("7"), NULL), -EBADMSG);
}

static int parse(const char *text, struct error *e)
{
	_cleanup_json_ json_t *j = doc(text);
	struct manifest m;
	int r = manifest_parse(j, &m, e);

	if (r == 0) {
		r = (int)m.layers_n;
		manifest_fini(&m);
	}
	return r;
}

#define MANIFEST_OF(ctype, ltype, digest, size)                                    \
	"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" ctype                  \
	"\",\"size\":5,\"digest\":\"" D("a") "\"},"                                \
					     "\"layers\":[{\"mediaType\":\"" ltype \
					     "\",\"size\":" size ",\"digest\":\"" digest "\"}]}"

static void test_parse(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(parse(MANIFEST_OF(CONFIG_TYPE, LAYER_TYPE, D("b"), "7"), NULL), 1);
	assert_int_equal(parse(MANIFEST_OF("application/x", LAYER_TYPE, D("b"), "7"), NULL),
			 -EPROTONOSUPPORT);
	assert_int_equal(
		parse(MANIFEST_OF(CONFIG_TYPE,
				  "application/vnd.oci.image.layer.nondistributable.v1.tar", D("b"),
				  "7"),
		      &e),
		-EPROTONOSUPPORT);
	assert_non_null(strstr(e.msg, "foreign"));
	assert_int_equal(parse(MANIFEST_OF(CONFIG_TYPE, LAYER_TYPE "+encrypted", D("b"), "7"),
			       NULL),
			 -EPROTONOSUPPORT);
	assert_int_equal(parse(MANIFEST_OF(CONFIG_TYPE, LAYER_TYPE, "sha256:../x", "7"), NULL),
			 -EBADMSG);
	assert_int_equal(parse(MANIFEST_OF(CONFIG_TYPE, LAYER_TYPE, D("B"), "7"), NULL), -EBADMSG);
	assert_int_equal(parse(MANIFEST_OF(CONFIG_TYPE, LAYER_TYPE, D("b"), "-1"), NULL), -EBADMSG);
	assert_int_equal(parse(MANIFEST_OF(CONFIG_TYPE, LAYER_TYPE, D("b"), "9223372036854775807"),
			       NULL),
			 -EFBIG);
	assert_int_equal(parse("{\"schemaVersion\":2,\"layers\":[]}", NULL), -EBADMSG);
}

static void test_config(void **state)
{
	struct image_config_info info;
	_cleanup_json_ json_t *good =
		doc("{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"" D(
			"c") "\"]}}");
	_cleanup_json_ json_t *none = doc("{\"os\":\"linux\"}");
	_cleanup_json_ json_t *wrong = doc("{\"rootfs\":{\"diff_ids\":[\"sha512:aa\"]}}");
	_cleanup_json_ json_t *escape = doc("{\"os\":\"\\u001b[2J\",\"rootfs\":{\"diff_ids\":[]}}");

	(void)state;
	assert_int_equal(image_config_info_parse(good, &info, NULL), 0);
	assert_int_equal(info.n, 1);
	assert_string_equal(info.diff_ids[0], D("c"));
	free(info.diff_ids);
	assert_int_equal(image_config_info_parse(none, &info, NULL), -EBADMSG);
	assert_int_equal(image_config_info_parse(wrong, &info, NULL), -EBADMSG);
	assert_int_equal(image_config_info_parse(escape, &info, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind),   cmocka_unit_test(test_platform),
		cmocka_unit_test(test_choose), cmocka_unit_test(test_parse),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
