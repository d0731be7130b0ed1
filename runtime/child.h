/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the files child*.c: the code that runs between clone and exec.
 * Raw system calls only: no allocation, no stdio, no locks, no variable
 * arguments; tests/lint/child_symbols.sh checks what these objects call.
 */
#ifndef RUNTIME_CHILD_H
#define RUNTIME_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/plan.h"

/* Where reports go: the parent, and from the gate on whoever opened it. */
extern int child_report_fd;

/* Report and end the process. err is a positive errno (or what the step says). */
_Noreturn void child_fail(enum child_step step, size_t index, int err);
_Noreturn void child_fail_aux(enum child_step step, size_t index, unsigned int aux, int err);
void child_warn(enum child_step step, size_t index, int err);
void child_send(enum child_report_kind kind);
/* Send with one fd attached. */
int child_send_fd(int sock, const void *data, size_t len, int fd);
/*
 * How often a call that was interrupted is made again. We have no signal handlers; but the
 * container's seccomp filter may answer EINTR to everything, for ever.
 */
#define CHILD_TRIES 1000
/* Block until the peer sends its byte. False when the peer is gone. */
bool child_wait_byte(int fd);

/*
 * Everything here is CLOEXEC and the exec comes soon: fds are only closed
 * one by one where there may be too many of them.
 */
extern bool child_close_early;
void child_close(int fd);

/* ---- child_path.c: paths inside the root; fd or -errno ---- */
#define CHILD_PATH_DIR	    1u /* make a directory where nothing is (else an empty file) */
#define CHILD_PATH_STRICT   2u /* no symbolic link anywhere */
#define CHILD_PATH_NOFOLLOW 4u /* the last component may be a link, and is the target itself */
int child_path_open(int root_fd, const char *path, int flags, bool strict);
int child_path_target(int root_fd, const char *path, unsigned int flags);
/* The directory that holds path's last component (made where missing); *ret_name = that component. */
int child_path_parent(int root_fd, const char *path, const char **ret_name);
/* path below root with '.' and '//' removed equals want ("proc/meminfo")? */
bool child_path_is(const char *path, const char *want);

/* ---- child_mount.c ---- */
/* Before the id maps are written: detached binds of all sources and of the root. Returns the root's mount fd. */
int child_mount_prepare(struct child_plan *p);
void child_mount_all(struct child_plan *p, int root_fd);
void child_mount_masks(struct child_plan *p, int root_fd);
void child_mount_pivot(const struct child_plan *p, int root_fd);
/* mount_setattr(2), or a remount where the kernel has none and the mount is attached. 0 or -errno. */
int child_mount_attr(const struct child_plan *p, int fd, bool attached, bool recursive,
		     uint64_t set, uint64_t clr);

/* ---- child_fs.c ---- */
/* A detached mount of a file system made from m. fd or ends the process. */
int child_fs_mount(struct child_plan *p, struct plan_mount *m, size_t index);
/* cgroup version 1: after the tmpfs was attached at target, one mount for each hierarchy. */
void child_fs_cgroup1(struct child_plan *p, int root_fd, struct plan_mount *m);

/* ---- child_copyup.c: copy the tree at from_fd into to_fd. 0 or -errno ---- */
int child_copyup(int from_fd, int to_fd);

/* ---- child_dev.c ---- */
void child_dev_prepare(struct child_plan *p);
void child_dev_fill(struct child_plan *p, int root_fd);
/* An O_PATH fd of the container's /dev/null, verified to be character device 1:3. */
int child_dev_null(int root_fd);
/* The same for any character device. */
int child_dev_node(int root_fd, const char *path, dev_t dev);
/* Open a pty in the container's devpts, send the master, bind the slave; returns the slave. */
int child_console_open(struct child_plan *p, int root_fd);

/* ---- child_hook.c ---- */
void child_hooks_run(const struct child_plan *p, const struct plan_hook *hooks, size_t n,
		     int state_fd, enum spec_hook_kind kind);

/* ---- child_exec.c ---- */
void child_early_process(
	const struct child_plan *p); /* right after the clone, still with the caller's ids */
_Noreturn void child_finish(struct child_plan *p);

/* ---- child_lsm.c: the labels of AppArmor and SELinux ---- */
void child_lsm_exec(const struct child_plan *p);
void child_lsm_keys(const struct child_plan *p); /* of keys to be made */

/* strlen, memcpy and friends are the C library's; these are not. */
static inline char *child_append(char *at, const char *end, const char *s)
{
	while (*s != '\0' && at < end)
		*at++ = *s++;
	*at = '\0';
	return at;
}

static inline char *child_append_num(char *at, const char *end, unsigned long v)
{
	char digits[24];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n > 0 && at < end)
		*at++ = digits[--n];
	*at = '\0';
	return at;
}

#endif
