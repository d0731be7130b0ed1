/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests, indexes and image configs.
 *
 * Theory of operation
 *
 * These documents come from a registry or an archive: every member is the
 * attacker's. json_parse() has refused duplicate keys, depth and size before.
 * What is decided here:
 *
 *   - kind: by shape, and the shape must be of one kind only. A document with
 *     "manifests" beside "config", "layers" or "fsLayers" could be read as an
 *     index by one tool and as an image by another; it is refused, as is one
 *     whose media type speaks of the other kind;
 *   - digests are exactly "sha256:" and 64 lower-case digits, since they become
 *     file names and URL components;
 *   - artifacts (a config that is no image config), schema 1, foreign and
 *     encrypted layers are refused by name. Compression is not taken from the
 *     media type: the bytes decide;
 *   - platform: the best of the entries that can run. For arm a lower variant
 *     will do; "v8" of arm64 and "v1" of amd64 are what no variant means.
 *     Entries for "unknown" are build records and never chosen.
 *
 * Text of the documents that appears in errors is escaped.
 */
#include "storage/registry/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/cleanup.h"

static int copy_part(char ret[64], const char *text, size_t len)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (len == 0 || len >= 64 || strspn(text, allowed) < len)
		return -EINVAL;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

/* Names of this machine as OCI spells them. */
static int platform_host(struct platform *ret, struct error *e)
{
	static const char *const names[][3] = {
		{ "x86_64", "amd64", "" },    { "aarch64", "arm64", "" },
		{ "armv8l", "arm", "v7" },    { "armv7l", "arm", "v7" },
		{ "armv6l", "arm", "v6" },    { "i686", "386", "" },
		{ "i586", "386", "" },	      { "ppc64le", "ppc64le", "" },
		{ "s390x", "s390x", "" },     { "riscv64", "riscv64", "" },
		{ "mips64", "mips64le", "" }, { "loongarch64", "loong64", "" },
	};
	struct utsname u;

	if (uname(&u) < 0)
		return error_set(e, -errno, "uname");
	*ret = (struct platform){ .os = "linux" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(u.machine, names[i][0]) != 0)
			continue;
		(void)snprintf(ret->arch, sizeof(ret->arch), "%s",
			       names[i][1]); /* constants that fit */
		(void)snprintf(ret->variant, sizeof(ret->variant), "%s", names[i][2]);
		return 0;
	}
	if (copy_part(ret->arch, u.machine, strlen(u.machine)) < 0)
		return error_setf(e, -EINVAL,
				  "this machine's architecture is not known: use --platform");
	return 0;
}

int platform_parse(const char *text, struct platform *ret, struct error *e)
{
	struct platform p = { .os = "" };
	const char *slash, *second;

	if (text == NULL)
		return platform_host(ret, e);
	slash = strchr(text, '/');
	second = slash != NULL ? strchr(slash + 1, '/') : NULL;
	if (slash == NULL || copy_part(p.os, text, (size_t)(slash - text)) < 0 ||
	    copy_part(p.arch, slash + 1,
		      second != NULL ? (size_t)(second - slash - 1) : strlen(slash + 1)) < 0 ||
	    (second != NULL && copy_part(p.variant, second + 1, strlen(second + 1)) < 0))
		return error_setf(
			e, -EINVAL,
			"platform \"%.100s\" is not OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT",
			text);
	*ret = p;
	return 0;
}

void manifest_fini(struct manifest *m)
{
	free(m->layers);
	*m = (struct manifest){ .layers = NULL };
}

static bool type_is_index(const char *type)
{
	return strcmp(type, "application/vnd.oci.image.index.v1+json") == 0 ||
	       strcmp(type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

static bool type_is_image(const char *type)
{
	return strcmp(type, MANIFEST_TYPE_OCI) == 0 ||
	       strcmp(type, "application/vnd.docker.distribution.manifest.v2+json") == 0;
}

/* A claimed type against the shape. Unknown types prove nothing and are let pass. */
static int check_type(const char *type, bool index, struct error *e)
{
	if (type == NULL || type[0] == '\0')
		return 0;
	if (str_starts(type, "application/vnd.docker.distribution.manifest.v1+"))
		return error_setf(
			e, -EPROTONOSUPPORT,
			"the image has only an old schema 1 manifest: push it again with a current tool");
	if ((type_is_index(type) && !index) || (type_is_image(type) && index))
		return error_setf(e, -EBADMSG,
				  "the manifest is not what its media type says: refused");
	return 0;
}

int manifest_kind(const json_t *doc, const char *content_type, struct error *e)
{
	bool index = json_object_get(doc, "manifests") != NULL;
	bool image = json_object_get(doc, "config") != NULL ||
		     json_object_get(doc, "layers") != NULL;
	bool old = json_object_get(doc, "fsLayers") != NULL;
	const char *own = NULL;
	int64_t version = 0;
	int r;

	if (json_get_string(doc, "", "mediaType", &own, e) < 0 ||
	    json_get_int(doc, "", "schemaVersion", 0, INT32_MAX, &version, e) < 0)
		return -EBADMSG;
	if ((index && (image || old)) || (image && old))
		return error_setf(
			e, -EBADMSG,
			"the manifest has the members of an index and of an image: refused");
	if (old || version == 1)
		return check_type("application/vnd.docker.distribution.manifest.v1+json", false, e);
	if (version != 2 || (!index && !image))
		return error_setf(e, -EBADMSG,
				  "not an image manifest (schemaVersion is not 2, or no layers)");
	r = check_type(content_type, index, e);
	if (r == 0)
		r = check_type(own, index, e);
	if (r < 0)
		return r;
	return index ? MANIFEST_INDEX : MANIFEST_IMAGE;
}

int manifest_descriptor(const json_t *o, const char *where, uint64_t max, struct descriptor *ret,
			struct error *e)
{
	const char *digest = NULL;
	int64_t size = -1;

	if (!json_is_object(o))
		return error_setf(e, -EBADMSG, "%s: expected an object", where);
	if (json_get_string(o, where, "digest", &digest, e) < 0 ||
	    json_get_int(o, where, "size", 0, INT64_MAX, &size, e) < 0)
		return -EBADMSG;
	if (digest == NULL || !digest_valid(digest)) {
		_cleanup_free_ char *shown = digest != NULL ? str_escape(digest) : NULL;

		return error_setf(
			e, -EBADMSG,
			"%s.digest: \"%.100s\" is not \"sha256:\" and 64 lower-case hex digits",
			where, shown != NULL ? shown : "");
	}
	if (size < 0)
		return error_setf(e, -EBADMSG, "%s.size is missing", where);
	if ((uint64_t)size > max)
		return error_setf(e, -EFBIG, "%s.size: %lld bytes are more than the limit of %llu",
				  where, (long long)size, (unsigned long long)max);
	memcpy(ret->digest, digest, sizeof(ret->digest));
	ret->size = (uint64_t)size;
	return 0;
}

/* How well a variant suits: 0 = not at all. */
static int score_variant(const struct platform *p, const char *variant)
{
	const char *want = p->variant;

	if (strcmp(p->arch, "arm64") == 0 || strcmp(p->arch, "amd64") == 0) {
		const char *base = p->arch[1] == 'r' ? "v8" : "v1";

		want = want[0] == '\0' ? base : want;
		variant = variant[0] == '\0' ? base : variant;
	}
	if (strcmp(want, variant) == 0)
		return 100;
	if (want[0] == 'v' && variant[0] == 'v' && want[1] >= '0' && want[1] <= '9' &&
	    variant[1] >= '0' && variant[1] <= '9' && want[2] == '\0' && variant[2] == '\0')
		return variant[1] < want[1] ? 10 + variant[1] - '0' :
					      0; /* older ones run on newer processors */
	if (variant[0] == '\0')
		return 5;
	return want[0] == '\0' ? 2 : 0;
}

static int score(const json_t *entry, const struct platform *p, struct buf *list, struct error *e)
{
	const char *os = "", *arch = "", *variant = "", *type = "";
	json_t *pl = NULL;

	if (json_get_object(entry, "manifests[]", "platform", &pl, e) < 0 ||
	    json_get_string(entry, "manifests[]", "mediaType", &type, e) < 0 ||
	    json_get_string(pl, "manifests[].platform", "os", &os, e) < 0 ||
	    json_get_string(pl, "manifests[].platform", "architecture", &arch, e) < 0 ||
	    json_get_string(pl, "manifests[].platform", "variant", &variant, e) < 0)
		return -EBADMSG;
	if (type[0] != '\0' && !type_is_image(type) && !type_is_index(type))
		return 0;
	if (pl == NULL)
		return 1; /* nothing is said: a layout with one image, or a nested index */
	if (strcmp(os, "unknown") == 0)
		return 0;
	if (list->len < 200) {
		(void)buf_puts(list, list->len > 0 ? ", " : ""); /* only text for an error */
		(void)buf_puts_escaped(list, os, strlen(os));
		(void)buf_putc(list, '/');
		(void)buf_puts_escaped(list, arch, strlen(arch));
		(void)buf_puts(list, variant[0] != '\0' ? "/" : "");
		(void)buf_puts_escaped(list, variant, strlen(variant));
	}
	if (strcmp(os, p->os) != 0 || strcmp(arch, p->arch) != 0)
		return 0;
	return score_variant(p, variant);
}

int manifest_choose(const json_t *index, const struct platform *p, struct descriptor *ret,
		    struct error *e)
{
	_cleanup_buf_ struct buf list = BUF_INIT;
	const json_t *best = NULL;
	json_t *all = NULL, *entry;
	int best_score = 0;
	size_t i;

	if (json_get_array(index, "", "manifests", &all, e) < 0)
		return -EBADMSG;
	json_array_foreach(all, i, entry) {
		int s;

		if (!json_is_object(entry))
			return error_setf(e, -EBADMSG, "manifests[%zu]: expected an object", i);
		s = score(entry, p, &list, e);
		if (s < 0)
			return s;
		if (s > best_score) {
			best_score = s;
			best = entry;
		}
	}
	if (best == NULL)
		return error_setf(e, -ENOENT,
				  "there is no image for platform %s/%s%s%s; there is: %s", p->os,
				  p->arch, p->variant[0] != '\0' ? "/" : "", p->variant,
				  list.len > 0 ? buf_str(&list) : "nothing");
	return manifest_descriptor(best, "manifests[]", LIMIT_JSON_BYTES, ret, e);
}

static int check_config_type(const char *type, struct error *e)
{
	_cleanup_free_ char *shown = NULL;

	if (type[0] == '\0' || strcmp(type, "application/vnd.oci.image.config.v1+json") == 0 ||
	    strcmp(type, "application/vnd.docker.container.image.v1+json") == 0)
		return 0;
	shown = str_escape(type);
	return error_setf(e, -EPROTONOSUPPORT,
			  "this is an artifact (%.120s), not a container image",
			  shown != NULL ? shown : "?");
}

static int check_layer_type(const char *type, size_t i, struct error *e)
{
	static const char *const known[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
	};
	_cleanup_free_ char *shown = NULL;

	for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
		if (strcmp(type, known[k]) == 0)
			return 0;
	if (strstr(type, "foreign") != NULL || strstr(type, "nondistributable") != NULL)
		return error_setf(e, -EPROTONOSUPPORT,
				  "layers[%zu] is a foreign layer that the registry does not hold",
				  i);
	shown = str_escape(type);
	return error_setf(e, -EPROTONOSUPPORT,
			  "layers[%zu] has a media type that is not read: %.120s", i,
			  shown != NULL ? shown : "?");
}

int manifest_parse(const json_t *doc, struct manifest *ret, struct error *e)
{
	struct manifest m = { .layers = NULL };
	json_t *config = NULL, *layers = NULL, *layer;
	const char *type = "";
	size_t i;
	int r;

	if (json_get_object(doc, "", "config", &config, e) < 0 ||
	    json_get_array(doc, "", "layers", &layers, e) < 0)
		return -EBADMSG;
	if (config == NULL || layers == NULL)
		return error_setf(e, -EBADMSG, "the manifest has no config or no layers");
	if (json_get_string(config, "config", "mediaType", &type, e) < 0)
		return -EBADMSG;
	r = check_config_type(type, e);
	if (r == 0)
		r = manifest_descriptor(config, "config", LIMIT_JSON_BYTES, &m.config, e);
	if (r < 0)
		return r;
	m.layers_n = json_array_size(layers);
	if (m.layers_n > LIMIT_LAYERS)
		return error_setf(e, -E2BIG, "%zu layers are more than the limit of %d", m.layers_n,
				  LIMIT_LAYERS);
	m.layers = calloc(m.layers_n + 1, sizeof(*m.layers));
	if (m.layers == NULL)
		return error_set(e, -ENOMEM, "read the manifest");
	json_array_foreach(layers, i, layer) {
		char where[32];

		(void)snprintf(where, sizeof(where), "layers[%zu]", i); /* fits */
		type = "";
		r = json_is_object(layer) ?
			    json_get_string(layer, where, "mediaType", &type, e) :
			    error_setf(e, -EBADMSG, "%s: expected an object", where);
		if (r >= 0)
			r = check_layer_type(type, i, e);
		if (r == 0)
			r = manifest_descriptor(layer, where, LIMIT_LAYER_BYTES, &m.layers[i], e);
		if (r < 0) {
			manifest_fini(&m);
			return r;
		}
	}
	*ret = m;
	return 0;
}

int image_config_info_parse(const json_t *doc, struct image_config_info *ret, struct error *e)
{
	struct image_config_info info = { .n = 0 };
	const char *os = "", *arch = "";
	json_t *rootfs = NULL, *ids = NULL, *id;
	size_t i;

	if (json_get_string(doc, "", "os", &os, e) < 0 ||
	    json_get_string(doc, "", "architecture", &arch, e) < 0 ||
	    json_get_object(doc, "", "rootfs", &rootfs, e) < 0 ||
	    json_get_array(rootfs, "rootfs", "diff_ids", &ids, e) < 0)
		return -EBADMSG;
	if (rootfs == NULL)
		return error_setf(e, -EBADMSG, "the image config has no rootfs");
	info.n = json_array_size(ids);
	if (info.n > LIMIT_LAYERS)
		return error_setf(e, -E2BIG, "%zu layers are more than the limit of %d", info.n,
				  LIMIT_LAYERS);
	if ((os[0] != '\0' && copy_part(info.os, os, strlen(os)) < 0) ||
	    (arch[0] != '\0' && copy_part(info.arch, arch, strlen(arch)) < 0))
		return error_setf(e, -EBADMSG,
				  "the image config has an invalid os or architecture");
	info.diff_ids = calloc(info.n + 1, sizeof(*info.diff_ids));
	if (info.diff_ids == NULL)
		return error_set(e, -ENOMEM, "read the image config");
	json_array_foreach(ids, i, id) {
		if (!json_is_string(id) || !digest_valid(json_string_value(id))) {
			free(info.diff_ids);
			return error_setf(e, -EBADMSG,
					  "rootfs.diff_ids[%zu] is not a sha256 digest", i);
		}
		memcpy(info.diff_ids[i], json_string_value(id), sizeof(info.diff_ids[i]));
	}
	*ret = info;
	return 0;
}
