/* SPDX-License-Identifier: Apache-2.0 */
/* Private to storage/: what is copied out of the store or of a transaction. */
#ifndef STORAGE_BUNDLE_H
#define STORAGE_BUNDLE_H

#include "base/json.h"
#include "storage/store.h"

struct bundle_blob {
	char digest[80];
	uint64_t size;
	char *from; /* a repository of the same registry that may have it, or NULL */
};

/* A manifest or index. */
struct bundle_doc {
	char digest[80];
	char *type; /* media type */
	char *text;
	size_t len;
	json_t *doc;
};

struct storage_bundle {
	struct storage *s;	 /* borrowed */
	int txn_fd;		 /* borrowed, -1 = none: looked into before the store */
	struct bundle_doc *docs; /* those of an index before it; the last one is the top */
	size_t docs_n;
	struct bundle_blob *blobs; /* configs and layers, each once */
	size_t blobs_n;
	struct strv names; /* what archives call it */
};

/* Of what lies in a transaction (borrowed) or, what is not there, in the store. 0 or -errno. */
int bundle_of_txn(struct storage *s, int txn_fd, const char *digest, struct storage_bundle **ret,
		  struct error *e);
/* Is it one of the bundle's blobs or documents? */
bool bundle_has(const struct storage_bundle *b, const char *digest);
/* For reading from the begin. fd or -errno. */
int bundle_open(const struct storage_bundle *b, const char *digest, struct error *e);
const struct bundle_doc *bundle_top(const struct storage_bundle *b);

#endif
