/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to runtime/: system calls that an older C library does not wrap, as
 * thin inline functions over syscall(2). Each returns like the C library: -1
 * and errno.
 */
#ifndef RUNTIME_SYS_H
#define RUNTIME_SYS_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

#define SYS_RESOLVE_IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define SYS_RESOLVE_STRICT  (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

static inline int sys_openat2(int dir_fd, const char *path, uint64_t flags, uint64_t mode,
			      uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

	return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
}

static inline int sys_open_tree(int dir_fd, const char *path, unsigned int flags)
{
	return (int)syscall(SYS_open_tree, dir_fd, path, flags | OPEN_TREE_CLOEXEC);
}

/* Attach the (detached) mount mnt_fd on target_fd. */
static inline int sys_attach(int mnt_fd, int target_fd)
{
	return (int)syscall(SYS_move_mount, mnt_fd, "", target_fd, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static inline int sys_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */);
}

static inline int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value,
			       int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static inline int sys_fsmount(int fd, unsigned int attr)
{
	return (int)syscall(SYS_fsmount, fd, 1 /* FSMOUNT_CLOEXEC */, attr);
}

struct sys_mount_attr {
	uint64_t attr_set;
	uint64_t attr_clr;
	uint64_t propagation;
	uint64_t userns_fd;
};

static inline int sys_mount_setattr(int fd, unsigned int flags, const struct sys_mount_attr *a)
{
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
	return (int)syscall(SYS_mount_setattr, fd, "", flags | AT_EMPTY_PATH, a, sizeof(*a));
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int sys_faccessat2(int dir_fd, const char *path, int mode, int flags)
{
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
	return (int)syscall(SYS_faccessat2, dir_fd, path, mode, flags);
}

static inline pid_t sys_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

static inline int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

#endif
