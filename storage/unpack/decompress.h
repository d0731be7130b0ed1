/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming decompression of gzip, zstd and plain data, chosen by the first bytes. */
#ifndef STORAGE_UNPACK_DECOMPRESS_H
#define STORAGE_UNPACK_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum decompress_kind {
	DECOMPRESS_UNKNOWN, /* nothing fed yet */
	DECOMPRESS_PLAIN,
	DECOMPRESS_GZIP,
	DECOMPRESS_ZSTD,
	DECOMPRESS_KIND_COUNT
};

/* By the first (four) bytes of a stream. */
enum decompress_kind decompress_kind_of(const void *first, size_t len);

struct decompress;
/*
 * Where output goes: room() returns a buffer of *cap bytes (at least 1) or
 * NULL when the receiver is gone; done() says how many were filled.
 */
struct decompress_sink {
	unsigned char *(*room)(void *data, size_t *ret_cap);
	void (*done)(void *data, size_t len);
	void *data;
};

int decompress_new(const struct decompress_sink *sink, struct decompress **ret);
void decompress_free(struct decompress *d); /* accepts NULL */
enum decompress_kind decompress_kind(const struct decompress *d);
/*
 * Feed bytes. 0; -EPIPE when the receiver is gone (no message), -EINVAL for
 * damaged data, -EFBIG for a bomb, -EPROTONOSUPPORT for a compression we do
 * not read.
 */
int decompress_feed(struct decompress *d, const void *data, size_t len, struct error *e);
/* The input is complete: -EINVAL when it stops in the middle. */
int decompress_end(struct decompress *d, struct error *e);

#endif
