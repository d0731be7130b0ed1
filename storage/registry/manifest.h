/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, indexes and image configs as crt-fetch needs them. Pure. */
#ifndef STORAGE_REGISTRY_MANIFEST_H
#define STORAGE_REGISTRY_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "storage/unpack/digest.h"

/* Accept header for manifests and indexes of both families. */
#define MANIFEST_ACCEPT                                                                         \
	"application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

#define MANIFEST_TYPE_OCI "application/vnd.oci.image.manifest.v1+json"
#define MANIFEST_NEST_MAX 4 /* indexes inside indexes */

struct platform {
	char os[64];
	char arch[64];
	char variant[64]; /* "" = any */
};

/* "os/arch[/variant]"; NULL = this machine. */
int platform_parse(const char *text, struct platform *ret, struct error *e);

struct descriptor {
	char digest[DIGEST_TEXT_SIZE];
	uint64_t size;
};

struct manifest {
	struct descriptor config;
	struct descriptor *layers; /* lowest first */
	size_t layers_n;
};
void manifest_fini(struct manifest *m);

enum manifest_kind {
	MANIFEST_IMAGE,
	MANIFEST_INDEX,
	MANIFEST_KIND_COUNT
};

/*
 * What the document is. content_type (of the transport, may be NULL or "")
 * and its own mediaType must agree with its shape; a document with the members
 * of both kinds is refused. Kind or -errno.
 */
int manifest_kind(const json_t *doc, const char *content_type, struct error *e);
/* The entry for the platform: *ret (nested index or manifest). -ENOENT lists what there is. */
int manifest_choose(const json_t *index, const struct platform *p, struct descriptor *ret,
		    struct error *e);
/* A {digest, size} object; size at most max. */
int manifest_descriptor(const json_t *o, const char *where, uint64_t max, struct descriptor *ret,
			struct error *e);
/* An image manifest. Refuses artifacts, foreign and encrypted layers. Free with manifest_fini(). */
int manifest_parse(const json_t *doc, struct manifest *ret, struct error *e);

/* What the image config says about the layers; diff_ids is malloc'ed, free it. */
struct image_config_info {
	char (*diff_ids)[DIGEST_TEXT_SIZE];
	size_t n;
	char os[64], arch[64];
};
int image_config_info_parse(const json_t *doc, struct image_config_info *ret, struct error *e);

#endif
