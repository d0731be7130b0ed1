/* SPDX-License-Identifier: Apache-2.0 */
/* Private to fetch.c and transfer.c: one run of crt-fetch, seen from crt. */
#ifndef STORAGE_FETCH_PRIV_H
#define STORAGE_FETCH_PRIV_H

#include "base/json.h"
#include "storage/fetch-proto.h"
#include "storage/storage.h"

#define FETCH_ANSWER_MAX (16u << 20)

struct storage_fetch {
	struct storage *s; /* borrowed */
	enum fetch_op op;
	struct storage_txn *txn;	    /* NULL: nothing is taken in */
	bool packed_only;		    /* blobs without trees, and no commit */
	const struct storage_bundle *offer; /* push: what crt-fetch may open; borrowed */
	struct strv names;		    /* full name of each candidate */
	struct storage_commit *images;	    /* load: what was reported */
	size_t images_n;
	char *store_as; /* instead of them, or NULL */
	int control_fd; /* ours */
	int child_fd;	/* crt-fetch's end */
	int source_fd;	/* query: the memory file for the answer */
	int helper_fd;
	int share_fd; /* holds the lock of this image's name while it is fetched; -1 = none */
};

/* NULL = -ENOMEM. Free with storage_fetch_free(). */
struct storage_fetch *fetch_new(struct storage *s, enum fetch_op op);
/* Put candidates, proxies and retries into the request, and their names into f. 0 or -errno. */
int fetch_registry_request(struct storage_fetch *f, const struct storage_fetch_request *r,
			   json_t *request, struct error *e);
/* Find the helper, begin a transaction where the work needs one, send the request. 0 or -errno. */
int fetch_start(struct storage_fetch *f, json_t *request, struct error *e);
/* load.c: an image of the archive and one of its names ("" = none). 0 or -errno. */
int fetch_load_note(struct storage_fetch *f, const char *digest, const char *name, bool docker,
		    struct error *e);
/* Commit what was noted; *ret is what was loaded, one a line. 0 or -errno. */
int fetch_load_commit(struct storage_fetch *f, char **ret, struct error *e);

#endif
