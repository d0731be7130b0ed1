/* SPDX-License-Identifier: Apache-2.0 */
/* In crt-fetch: from a source of documents and layers to a complete transaction. */
#ifndef STORAGE_REGISTRY_INGEST_H
#define STORAGE_REGISTRY_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/types.h"
#include "storage/registry/manifest.h"
#include "storage/unpack/layer.h"

/* What every part of crt-fetch works with. */
struct fetch_ctx {
	int control_fd;
	int txn_fd;
	int source_fd; /* -1 = none */
	int wake_fd;   /* eventfd: a layer's thread wants the main loop */
	json_t *request;
	struct platform platform;
	bool keep_ids;
	struct id_map map;	 /* ids that exist here */
	unsigned int notes_sent; /* bits of enum apply_note */
	int64_t last_sent_ms;
	json_t *taken;	  /* of a load: layers that the transaction has, by diff_id; NULL = none */
	bool all;	  /* every platform of an index, packed */
	size_t candidate; /* of the request: the one that worked */
};

/* One layer while it is worked on. */
struct ingest_layer {
	struct layer l;
	struct descriptor want; /* digest "" and size LAYER_SIZE_UNKNOWN: not known before */
	int blob_fd;		/* the store's own copy, else -1 */
	bool exists;		/* the store, or the transaction already, has both */
	size_t same_as;		/* index of an equal earlier layer, or its own */
	bool started, done;
	struct error source_error; /* a failure of the download */
	int64_t last_event_ms;
	uint64_t last_event_bytes;
	void *source_data; /* the source's own */
};

/* A manifest or index that is kept beside the image's own. */
struct ingest_doc {
	char digest[DIGEST_TEXT_SIZE];
	struct buf text;
};

/* All that is known before the first layer. */
struct ingest_plan {
	struct buf manifest; /* empty: to be made from the layers (docker-archive) */
	char manifest_digest[DIGEST_TEXT_SIZE];
	struct ingest_doc
		*docs; /* with fetch_ctx.all: all of them, and no manifest and config above */
	size_t docs_n;
	struct buf config;
	char config_digest[DIGEST_TEXT_SIZE];
	struct ingest_layer *layers;
	size_t layers_n;
};
void ingest_plan_fini(struct ingest_plan *p);

/* Where documents and layers come from. */
struct source {
	void *data;
	/* Fill the plan: documents verified, layers with want, diff_id. */
	int (*plan)(void *data, struct fetch_ctx *c, struct ingest_plan *ret, struct error *e);
	/* Before layer_start(): set source_fd/offset/size or from_queue. */
	int (*layer_open)(void *data, struct ingest_layer *il, size_t index, struct error *e);
	/* After it: begin to fill il->l.in (from_queue only). */
	int (*layer_begin)(void *data, struct ingest_layer *il, struct error *e);
	/* The layer was joined. */
	void (*layer_end)(void *data, struct ingest_layer *il);
	/* Move bytes; return when c->wake_fd is readable (drained) or after timeout_ms. */
	int (*wait)(void *data, struct fetch_ctx *c, int timeout_ms, struct error *e);
	void (*free)(void *data);
};

/*
 * Build the plan from manifest documents: read the top document with its type
 * (bytes already verified), walk indexes by platform, read the config.
 * document() reads a small blob or manifest and verifies size and digest.
 */
typedef int (*ingest_document_fn)(void *data, const struct descriptor *d, bool manifest,
				  struct buf *ret, char ret_type[128], struct error *e);
int ingest_plan_documents(struct fetch_ctx *c, struct buf *top, const char *top_type,
			  ingest_document_fn document, void *data, struct ingest_plan *ret,
			  struct error *e);
/* mirror.c: the same for all platforms; only blobs, no trees. */
int ingest_plan_all(struct buf *top, const char *top_type, ingest_document_fn document, void *data,
		    struct ingest_plan *ret, struct error *e);
/* Set up the layers of a plan from the config and descriptors (NULL: unknown). */
int ingest_plan_layers(struct ingest_plan *p, const struct manifest *m,
		       const struct image_config_info *info, struct error *e);

/* Run a source to the end: all blobs and layers are in the transaction. ret_digest: the manifest's. */
int ingest_run(struct fetch_ctx *c, struct source *s, char ret_digest[DIGEST_TEXT_SIZE],
	       struct error *e);

/* Messages (see fetch-proto.h). Failures to send are failures of crt: -EPIPE ends the work. */
int fetch_say(struct fetch_ctx *c, json_t *message /* taken */, struct error *e);
int fetch_say_text(struct fetch_ctx *c, const char *kind, const char *text, struct error *e);

/* push.c: blobs and manifests of the request into a registry. ret_digest: the last manifest's. */
int fetch_push(struct fetch_ctx *c, char ret_digest[DIGEST_TEXT_SIZE], struct error *e);
/* query.c: a question; the answer is written to FETCH_FD_SOURCE. */
int fetch_query(struct fetch_ctx *c, struct error *e);

/* "oci:" and "docker-archive:" directories and files. Free with s->free. */
int source_local_open(struct fetch_ctx *c, struct source *ret, struct error *e);
/*
 * The images of an archive or directory: manifest.json's array (docker) or that of
 * index.json. New reference. Then source_local_choose() says which one is planned next.
 */
int source_local_images(struct source *s, struct fetch_ctx *c, json_t **ret, bool *ret_docker,
			struct error *e);
void source_local_choose(struct source *s, size_t i);
/* load.c: all images of a local source. ret_digest: the last one's. */
int fetch_load(struct fetch_ctx *c, char ret_digest[DIGEST_TEXT_SIZE], struct error *e);

#endif
