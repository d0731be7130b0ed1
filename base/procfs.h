/* SPDX-License-Identifier: Apache-2.0 */
/* Access to /proc only through an fd whose file system was checked to be procfs. */
#ifndef BASE_PROCFS_H
#define BASE_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Open "/proc" (or dup path_fd) and verify PROC_SUPER_MAGIC and root inode. fd or -errno. */
int procfs_open(struct error *e);
/* Open a file below proc_fd (RESOLVE_NO_XDEV|NO_SYMLINKS except "self"/"thread-self" which are replaced by numbers). */
int procfs_open_at(int proc_fd, const char *path, int flags);
/* Write a value to such a file in one write(2). 0 or -errno. */
int procfs_write(int proc_fd, const char *path, const char *value);
/* Read such a file into a new string. Caller frees. 0 or -errno. */
int procfs_read(int proc_fd, const char *path, size_t max, char **ret);
/* Start time (clock ticks since boot) of a process, from /proc/PID/stat. 0 or -errno. */
int procfs_start_time(int proc_fd, pid_t pid, unsigned long long *ret);
/* /proc/sys/kernel/random/boot_id without the newline; 37 bytes with NUL. */
int procfs_boot_id(int proc_fd, char ret[37]);

#endif
