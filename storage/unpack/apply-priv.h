/* SPDX-License-Identifier: Apache-2.0 */
/* Private to apply.c, apply-path.c and apply-meta.c. */
#ifndef STORAGE_UNPACK_APPLY_PRIV_H
#define STORAGE_UNPACK_APPLY_PRIV_H

#include <limits.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/limits.h"
#include "storage/unpack/apply.h"

#define APPLY_CACHE 16

struct apply_dir {
	char *path;
	int fd;
	uint64_t used;
};

/* A directory whose mode and times are set at the end. */
struct apply_late {
	char *path;
	uint32_t mode;
	int64_t mtime;
	uint32_t mtime_ns;
};

struct apply {
	int root_fd;
	struct apply_options o;
	struct apply_dir cache[APPLY_CACHE];
	uint64_t clock;
	struct apply_late *late;
	size_t late_n, late_cap;
	uint64_t entries, size;
	unsigned int notes;
	bool inexact; /* directories were replaced: size counts files that are gone */
	bool stale;   /* a directory or link was replaced: cached directories may be wrong */
	bool no_mark; /* overlay marks were refused once */
};

/* A cleaned path split into parent and last component; the root is parent "" and name "". */
struct apply_name {
	char text[LIMIT_TAR_NAME + 1];
	const char *parent;
	const char *name;
};

/* ".." and names that cannot exist are refused; "/" at the start and "." are dropped. */
int apply_name_set(struct apply_name *n, const char *path, const char *what, struct error *e);
/*
 * The directory that holds the entry, borrowed from the cache. Missing parents
 * are made (create). Symbolic links on the way lead to places in the layer's
 * own tree; with strict they are refused (-ELOOP).
 */
int apply_parent(struct apply *a, const char *parent, bool create, bool strict, struct error *e);
void apply_cache_drop(struct apply *a);

struct apply_ids {
	uid_t uid;
	gid_t gid;
};
struct apply_ids apply_ids(struct apply *a, const struct tar_entry *n);
/* Owner, mode, attributes and times of an open file or directory. */
int apply_meta_fd(struct apply *a, int fd, const struct tar_entry *n, mode_t have_mode,
		  struct error *e);
/* Owner and times of what cannot be opened (links, fifos). */
int apply_meta_at(struct apply *a, int dir_fd, const char *name, const struct tar_entry *n,
		  struct error *e);
int apply_late_add(struct apply *a, const char *path, const struct tar_entry *n);
int apply_mark_opaque(struct apply *a, int fd, struct error *e);
/* Write a whiteout called name. -EEXIST when something is there. */
int apply_mark_whiteout(struct apply *a, int dir_fd, const char *name, struct error *e);

#endif
