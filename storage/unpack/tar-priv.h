/* SPDX-License-Identifier: Apache-2.0 */
/* Private to tar.c and tar-pax.c. */
#ifndef STORAGE_UNPACK_TAR_PRIV_H
#define STORAGE_UNPACK_TAR_PRIV_H

#include "base/buf.h"
#include "storage/unpack/tar.h"

#define TAR_BLOCK_SIZE 512
#define TAR_OFF_CHKSUM 148
#define TAR_OFF_TYPE   156
#define TAR_OFF_LINK   157
#define TAR_OFF_MAGIC  257
#define TAR_OFF_PREFIX 345

/* What pax records said about the entry to come. */
struct tar_pax {
	bool has_size, has_uid, has_gid, has_mtime;
	uint64_t size, uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	bool sparse;   /* some GNU.sparse record */
	bool sparse_1; /* format 1.0: the map precedes the data */
	bool has_real_size;
	uint64_t real_size;
	bool has_offset; /* format 0.0: an offset waits for its length */
	uint64_t offset;
};

struct tar_reader {
	tar_read_fn read;
	tar_skip_fn skip;
	void *data;
	const char *at; /* bytes at hand */
	size_t avail;
	uint64_t pos; /* bytes consumed */
	bool ended;

	struct tar_entry entry;
	struct buf path, link;
	struct tar_xattr *xattrs;
	size_t xattrs_n, xattrs_cap;
	struct tar_pax pax;
	struct tar_extent *map;
	size_t map_n, map_cap;
	size_t map_at;	   /* extent being read */
	uint64_t map_done; /* bytes of it read */
	uint64_t left, pad, file_at;
};

/* Octal or base-256 field. 0, -EINVAL, -ERANGE. */
int tar_number(const char *field, size_t len, int64_t *ret);
int tar_read_stored(struct tar_reader *t, void *ret, size_t len, struct error *e);
int tar_read_block(struct tar_reader *t, char ret[TAR_BLOCK_SIZE], struct error *e);
int tar_pax_parse(struct tar_reader *t, char *text, size_t len, bool *have_path, bool *have_link,
		  struct error *e);
/* Build and check the sparse map of the entry; sets entry.size. */
int tar_sparse_begin(struct tar_reader *t, const char *h, struct error *e);

#endif
