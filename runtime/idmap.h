/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: writing the id maps of the new user namespace. */
#ifndef RUNTIME_IDMAP_H
#define RUNTIME_IDMAP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/types.h"

/*
 * Give the user namespace of pid its maps. As root of our own namespace, or
 * for the caller's single id, they are written directly; else newuidmap and
 * newgidmap run side by side. 0 or -errno.
 */
int idmap_write(int proc_fd, pid_t pid, const struct id_map *map, uid_t euid, gid_t egid,
		struct error *e);
/*
 * The words of "idmap=uids=A-B-N#...;gids=..." (text behind the first "="): N ids
 * from A on in the file system are shown as B on; with "@" before, B is an id of
 * the container, which container translates. A half that is not given stays
 * empty. The caller releases *ret. 0, -EINVAL, or -ENOMEM.
 */
int idmap_parse(const char *text, const struct id_map *container, struct id_map *ret);
/* A user namespace that only carries this map, for an id-mapped mount. fd or -errno. */
int idmap_namespace(int proc_fd, const struct id_map *map, struct error *e);

#endif
