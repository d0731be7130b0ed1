/* SPDX-License-Identifier: Apache-2.0 */
/* Private to storage/: what the store reads out of manifests and image configs. Pure. */
#ifndef STORAGE_IMAGE_MANIFEST_H
#define STORAGE_IMAGE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct image_manifest {
	char *media_type;
	char *config;	    /* digest */
	struct strv layers; /* digests of the packed layers, lowest first */
	uint64_t packed;    /* sum of the layers' sizes as the manifest says */
};
void image_manifest_fini(struct image_manifest *m);
/* what names the document in errors. 0 or -errno. */
int image_manifest_parse(const char *text, size_t len, const char *what, struct image_manifest *ret,
			 struct error *e);

struct image_config {
	struct strv diff_ids; /* digests of the unpacked layers, lowest first */
	char *created;	      /* NULL when absent */
	char *architecture;
	char *os;
};
void image_config_fini(struct image_config *c);
int image_config_parse(const char *text, size_t len, const char *what, struct image_config *ret,
		       struct error *e);

#endif
