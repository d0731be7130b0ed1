/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, indexes and image configs, as the store and as the fetcher read them. */
#include "base/json.h"
#include "storage/image/manifest.h"
#include "storage/registry/manifest.h"
#include "tests/fuzz/fuzz.h"

static void store_side(const char *text, size_t len)
{
	struct image_manifest m = { .config = NULL };
	struct image_config c = { .os = NULL };
	struct error e = ERROR_INIT;
	int r = image_manifest_parse(text, len, "manifest", &m, &e);

	fuzz_check_result(r, &e);
	if (r == 0) {
		MUST(digest_valid(m.config) && m.layers.n <= LIMIT_LAYERS);
		for (size_t i = 0; i < m.layers.n; i++)
			MUST(digest_valid(m.layers.v[i]));
		image_manifest_fini(&m);
	}
	r = image_config_parse(text, len, "config", &c, &e);
	fuzz_check_result(r, &e);
	if (r == 0) {
		for (size_t i = 0; i < c.diff_ids.n; i++)
			MUST(digest_valid(c.diff_ids.v[i]));
		image_config_fini(&c);
	}
}

static void fetch_side(const json_t *doc)
{
	static const char *const types[] = { NULL, "", MANIFEST_TYPE_OCI,
					     "application/vnd.oci.image.index.v1+json" };
	struct image_config_info info = { .n = 0 };
	struct manifest m = { .layers = NULL };
	struct error e = ERROR_INIT;
	struct descriptor d;
	struct platform p;
	int r;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		fuzz_check_result(manifest_kind(doc, types[i], &e), &e);
	MUST(platform_parse("linux/arm64/v8", &p, &e) == 0);
	r = manifest_choose(doc, &p, &d, &e);
	fuzz_check_result(r, &e);
	MUST(r < 0 || digest_valid(d.digest));
	fuzz_check_result(manifest_descriptor(doc, "x", 1000, &d, &e), &e);
	r = manifest_parse(doc, &m, &e);
	fuzz_check_result(r, &e);
	if (r == 0) {
		MUST(digest_valid(m.config.digest) && m.layers_n <= LIMIT_LAYERS);
		for (size_t i = 0; i < m.layers_n; i++)
			MUST(digest_valid(m.layers[i].digest));
		manifest_fini(&m);
	}
	r = image_config_info_parse(doc, &info, &e);
	fuzz_check_result(r, &e);
	if (r == 0) {
		for (size_t i = 0; i < info.n; i++)
			MUST(digest_valid(info.diff_ids[i]));
		free(info.diff_ids);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *doc = json_parse((const char *)data, size, "input", NULL);

	store_side((const char *)data, size);
	if (doc != NULL)
		fetch_side(doc);
	return 0;
}
