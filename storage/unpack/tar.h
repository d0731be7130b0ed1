/* SPDX-License-Identifier: Apache-2.0 */
/* A strict streaming reader of tar archives (v7, ustar, GNU, pax). Pure: no file system access. */
#ifndef STORAGE_UNPACK_TAR_H
#define STORAGE_UNPACK_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum tar_type {
	TAR_FILE,
	TAR_HARDLINK,
	TAR_SYMLINK,
	TAR_CHAR,
	TAR_BLOCK,
	TAR_DIR,
	TAR_FIFO,
	TAR_OTHER, /* a kind we do not know; its data is skipped */
	TAR_TYPE_COUNT
};

struct tar_xattr {
	char *name;
	char *value;
	size_t len;
};

/* One piece of a sparse file that has data. */
struct tar_extent {
	uint64_t offset;
	uint64_t len;
};

/* One entry; everything is owned by the reader and valid until the next tar_next(). */
struct tar_entry {
	enum tar_type type;
	char raw_type;	  /* the type byte */
	const char *path; /* as written, no NUL inside, 1..LIMIT_TAR_NAME bytes (may be empty) */
	const char *link; /* target of links, "" otherwise */
	uint32_t mode;	  /* 07777 */
	uint64_t uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	uint64_t size;	      /* bytes of the file as it will be (sparse: with holes) */
	uint64_t stored;      /* bytes of data in the archive */
	uint64_t data_offset; /* where they start in the archive */
	uint32_t dev_major, dev_minor;
	bool sparse;
	const struct tar_xattr *xattrs;
	size_t xattrs_n;
};

/*
 * Source of bytes: sets *ret to the next piece (valid until the next call)
 * and returns its length, 0 at the end, -errno on failure (e set).
 */
typedef ssize_t (*tar_read_fn)(void *data, const void **ret, struct error *e);
/* Optional: skip up to n bytes of the source that were not handed out yet; returns how many were. */
typedef uint64_t (*tar_skip_fn)(void *data, uint64_t n);

struct tar_reader;
int tar_new(tar_read_fn read, tar_skip_fn skip, void *data, struct tar_reader **ret);
void tar_free(struct tar_reader *t); /* accepts NULL */
/* Next entry (data of the last one is skipped). 1, 0 at the end of the archive, -errno (e set). */
int tar_next(struct tar_reader *t, const struct tar_entry **ret, struct error *e);
/*
 * Next piece of the entry's data: *ret_offset is its place in the file (holes
 * of sparse files are skipped). 1, 0 at the end of the data, -errno.
 */
int tar_data(struct tar_reader *t, const void **ret, size_t *ret_len, uint64_t *ret_offset,
	     struct error *e);

#endif
