/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: mount options by name. */
#ifndef RUNTIME_MOUNTOPT_H
#define RUNTIME_MOUNTOPT_H

#include <stdbool.h>
#include <stdint.h>

enum mountopt_kind {
	MOUNTOPT_ATTR,	      /* value: MOUNT_ATTR_* to set, clear: to clear */
	MOUNTOPT_REC,	      /* the same for the whole tree */
	MOUNTOPT_PROPAGATION, /* value: MS_* */
	MOUNTOPT_BIND,
	MOUNTOPT_RBIND,
	MOUNTOPT_REMOUNT,
	MOUNTOPT_SB, /* a flag of the file system: passed by name */
	MOUNTOPT_IGNORE,
	MOUNTOPT_COPYUP,
	MOUNTOPT_IDMAP,
	MOUNTOPT_RIDMAP,
	MOUNTOPT_SRC_NOFOLLOW,
	MOUNTOPT_DST_NOFOLLOW,
	MOUNTOPT_COPY_SYMLINK,
	MOUNTOPT_COUNT
};

struct mountopt {
	const char *name;
	enum mountopt_kind kind;
	uint64_t value;
	uint64_t clear;
};

/* The table, sorted as `features` prints it; ends with name NULL. */
extern const struct mountopt mountopt_table[];
/* NULL when the name is not ours: then it belongs to the file system. */
const struct mountopt *mountopt_find(const char *name);

#endif
