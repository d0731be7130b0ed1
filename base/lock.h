/* SPDX-License-Identifier: Apache-2.0 */
/* flock(2) locks on files: owned by an open file, so a dead process leaves none behind. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Open (creating 0600, O_NOFOLLOW) dir_fd/name and lock it, shared or
 * exclusive. timeout_ms 0 = try once, < 0 = for ever. The fd returned is the
 * lock: close it to release. -EWOULDBLOCK / -ETIMEDOUT name the holder (pid
 * from /proc/locks where it can be found) in e.
 */
int lock_file_at(int dir_fd, const char *name, bool exclusive, int timeout_ms, struct error *e);
/* Lock an open file or directory. 0 or -errno. */
int lock_fd(int fd, bool exclusive, int timeout_ms, struct error *e);
/* True when somebody else holds an exclusive lock on it. */
bool lock_is_held_at(int dir_fd, const char *name);

#endif
