/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a tree that an attacker may write: a root directory's fd and a
 * path relative to it, resolved by openat2(2) with RESOLVE_IN_ROOT and
 * RESOLVE_NO_MAGICLINKS. Absolute paths and symbolic links are taken to start
 * at the root. Nothing here ever resolves a string from the host's "/".
 * There is no fall-back where openat2 is missing (Linux 5.6): -ENOSYS.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* openat2 in root. flags as open(2), O_CLOEXEC is added. fd or -errno. */
int path_open_in(int root_fd, const char *path, int flags, mode_t mode);
/* The same but no symbolic link anywhere and never leaving root (RESOLVE_BENEATH|NO_SYMLINKS). */
int path_open_beneath(int root_fd, const char *path, int flags, mode_t mode);
/*
 * Walk path component by component inside root, creating missing directories
 * with mode (existing ones are left alone; symbolic links are followed inside
 * the root, at most 40, dangling ones lead to the creation of their target).
 * Returns an O_PATH|O_DIRECTORY fd of the last one, or -errno.
 */
int path_mkdir_in(int root_fd, const char *path, mode_t mode, struct error *e);
/*
 * Make sure that a mount point exists at path inside root: a directory, or an
 * empty regular file when !dir; parents are made with 0755. An existing object
 * of any kind is kept. Returns an O_PATH fd of the object (links followed
 * inside the root) or -errno.
 */
int path_mkmountpoint_in(int root_fd, const char *path, bool dir, struct error *e);
/* Read a regular file inside root (links followed inside, O_NONBLOCK, <= max bytes). Caller frees *ret. */
int path_read_file_in(int root_fd, const char *path, size_t max, char **ret, size_t *ret_len,
		      struct error *e);
/*
 * Remove dir_fd/name and all below it, without following links and without
 * crossing into other file systems; makes directories writable where needed.
 * A missing name is success. Iterative: depth is not limited by the stack.
 */
int path_remove_tree(int dir_fd, const char *name, struct error *e);
/*
 * Open (creating with 0700 where missing, parents too) a private directory of
 * our own at an absolute host path: must be a directory owned by the
 * effective uid, not writable by group or others, last component no link.
 * Returns an O_RDONLY|O_DIRECTORY fd or -errno.
 */
int path_open_private_dir(const char *path, struct error *e);
/* As above, relative to a trusted dir_fd, single component. */
int path_open_private_dir_at(int dir_fd, const char *name, struct error *e);
/*
 * For paths that the caller of the program wrote, never for those of an image:
 * the absolute name without links of an existing object of the host. Caller
 * frees *ret. 0 or -errno.
 */
int path_canonical(const char *path, char **ret);
/* Lexical: "a//b/./c" -> "a/b/c"; ".." removed as the shell would, never above the start. Caller frees. */
char *path_clean(const char *path);

#endif
