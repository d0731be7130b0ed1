/* SPDX-License-Identifier: Apache-2.0 */
/* Write tar archives: ustar, with pax records where ustar has no room. Pure: no file system access. */
#ifndef STORAGE_PACK_WRITE_H
#define STORAGE_PACK_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "storage/unpack/tar.h"

/* Where the bytes go; 0 or -errno with e filled. */
typedef int (*pack_write_fn)(void *data, const void *bytes, size_t len, struct error *e);

struct pack_writer;
int pack_writer_new(pack_write_fn write, void *data, struct pack_writer **ret); /* 0 or -ENOMEM */
void pack_writer_free(struct pack_writer *w);					/* accepts NULL */
/*
 * Begin an entry; the last one's data must be complete. Of n are used: type, path, link, mode,
 * uid, gid, mtime, mtime_ns (not 0: written), size (of files only), dev_major, dev_minor, xattrs.
 * extents (n of them, in order) with n->sparse: what pack_data() will bring; the rest of size are
 * holes. 0 or -errno.
 */
int pack_entry(struct pack_writer *w, const struct tar_entry *n, const struct tar_extent *extents,
	       size_t extents_n, struct error *e);
/* Room for data of the entry inside the writer's buffer; *ret_len is at least 1 and at most what is still missing. */
void *pack_room(struct pack_writer *w, size_t *ret_len, struct error *e); /* NULL: e */
/* len bytes of that room were filled. */
void pack_filled(struct pack_writer *w, size_t len);
uint64_t pack_missing(const struct pack_writer *w); /* bytes of data that the entry still needs */
int pack_data(struct pack_writer *w, const void *data, size_t len, struct error *e);
/* The rest of the entry's data is zeros (a file that shrank while it was read). */
int pack_zeros(struct pack_writer *w, struct error *e);
/* The end of the archive. 0 or -errno. */
int pack_end(struct pack_writer *w, struct error *e);

#endif
