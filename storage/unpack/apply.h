/* SPDX-License-Identifier: Apache-2.0 */
/* Apply the entries of a layer's tar to a directory, by file descriptors only. */
#ifndef STORAGE_UNPACK_APPLY_H
#define STORAGE_UNPACK_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/types.h"
#include "storage/unpack/tar.h"

/* Things that were done differently than the tar says; each becomes one note for the user. */
enum apply_note {
	APPLY_NOTE_DEVICE,   /* device nodes were left out */
	APPLY_NOTE_SQUASHED, /* ids outside the map were replaced */
	APPLY_NOTE_XATTR,    /* an extended attribute was refused by the file system */
	APPLY_NOTE_CAPS,     /* file capabilities could not be kept */
	APPLY_NOTE_OVERRIDE, /* owners could not be recorded (no extended attributes) */
	APPLY_NOTE_UNKNOWN,  /* entries of unknown kind were left out */
	APPLY_NOTE_MARK,     /* overlay marks were refused; files with .wh. names stand in */
	APPLY_NOTE_COUNT
};

struct apply_options {
	bool keep_ids; /* chown to the ids of the tar (squashed to map); else record them in an attribute */
	const struct id_map *map; /* ids that exist here (inside ids); empty = all */
	bool is_copy; /* not a layer: ".wh." names mean nothing, what the inode cannot have is lost */
	bool keep_kind; /* -EEXIST rather than a directory replaced by something else, or the reverse */
	bool set_owner; /* with keep_ids: everything gets these ids */
	uint32_t uid, gid;
};

struct apply;
/* root_fd: the (empty) directory to fill, borrowed. */
int apply_new(int root_fd, const struct apply_options *o, struct apply **ret);
void apply_free(struct apply *a); /* accepts NULL */
/* Apply one entry of t, reading its data. 0 or -errno; the error names the entry. */
int apply_entry(struct apply *a, struct tar_reader *t, const struct tar_entry *n, struct error *e);
/* After the last entry: modes and times of directories. */
int apply_finish(struct apply *a, struct error *e);
uint64_t apply_size(const struct apply *a);	 /* bytes of regular files written */
bool apply_size_is_exact(const struct apply *a); /* and all of these files are there still */
unsigned int apply_notes(const struct apply *a); /* bits 1 << APPLY_NOTE_* */
/* One line of text for a note (constant). */
const char *apply_note_text(enum apply_note n);

#endif
