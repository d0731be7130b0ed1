/* SPDX-License-Identifier: Apache-2.0 */
/* One layer on its way into a transaction: digest, blob file, inflate, digest, tree; in two threads. */
#ifndef STORAGE_UNPACK_LAYER_H
#define STORAGE_UNPACK_LAYER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "storage/unpack/apply.h"
#include "storage/unpack/decompress.h"
#include "storage/unpack/digest.h"
#include "storage/unpack/queue.h"

#define LAYER_SIZE_UNKNOWN UINT64_MAX

struct layer {
	/* set by the caller before layer_start() */
	char digest[DIGEST_TEXT_SIZE];	/* of the packed blob; "" = not known, it is computed */
	char diff_id[DIGEST_TEXT_SIZE]; /* of the unpacked tar */
	uint64_t size;			/* of the packed blob or LAYER_SIZE_UNKNOWN */
	bool want_blob;			/* write blobs/sha256/<hex> */
	bool want_tree;			/* write layers/<hex>/fs */
	int txn_fd;			/* borrowed */
	int source_fd;			/* borrowed: read from here ... */
	uint64_t source_offset;		/* ... size bytes from this offset ... */
	bool from_queue;		/* ... or from the queue made by layer_start() */
	struct apply_options apply;
	void (*wake)(void *data); /* called in other threads: room in the queue, or finished */
	void *wake_data;
	unsigned int index; /* for names of files in the making */

	/* the caller's thread may read these */
	struct queue *in;
	_Atomic uint64_t done; /* packed bytes processed */
	_Atomic bool finished; /* both threads are at their end */

	/* valid after layer_join() */
	struct error error;
	char got_digest[DIGEST_TEXT_SIZE];
	uint64_t got_size;
	enum decompress_kind got_kind; /* how the blob is packed */
	uint64_t tree_size;	       /* bytes of regular files */
	bool tree_exact;	       /* apply_size_is_exact() */
	unsigned int notes;

	/* private */
	pthread_t packed_thread, tree_thread;
	bool packed_started, tree_started;
	struct queue *out;
	struct error tree_error;
	_Atomic int running;
};

/* Start the threads. 0 or -errno; on failure nothing runs. */
int layer_start(struct layer *l, struct error *e);
/* Make both threads end soon (a failure elsewhere). */
void layer_cancel(struct layer *l);
/* Wait for the threads and free what layer_start() made. Returns l->error.code. */
int layer_join(struct layer *l);

#endif
