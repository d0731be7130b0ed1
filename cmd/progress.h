/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of a pull on standard error: bars on a terminal, a few lines elsewhere, nothing when quiet. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/storage.h"

/* One layer's line. */
struct progress_layer {
	char digest[20]; /* its beginning, as shown; the rest tells nothing to people */
	uint64_t done, total;
	int state; /* STORAGE_LAYER_* */
};

struct progress {
	bool quiet, bars;
	struct progress_layer *layers; /* owned */
	size_t layers_n;
	size_t drawn; /* lines on the screen */
};

void progress_init(struct progress *p, bool quiet);
void progress_fini(struct progress *p);
/* A storage_fetch_fn; data is the struct progress. */
void progress_event(void *data, const struct storage_fetch_event *event);

#endif
