/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's overlay inside a user namespace.
 *
 * Theory of operation
 *
 * Mounted with "userxattr", so that marks are kept in user.overlay.* which
 * root of a user namespace may write (Linux 5.11), and with "volatile" where
 * the writable layer does not survive anyway: no syncs. Our layers never hold
 * user.overlay.* marks of an image (the unpacker drops them).
 *
 * Layers are given as descriptors that the caller opened without following
 * links, so no path is resolved again between the check and the mount. Three
 * ways, the newest first, because each older one is more limited:
 *   - fsconfig(2) with descriptors (Linux 6.13);
 *   - fsconfig(2) with strings (6.5); "lowerdir+" adds one layer a call, and
 *     the string is "/proc/self/fd/N", which stays below the limit of 256 bytes;
 *   - mount(2), whose options must fit one page: the working directory is
 *     /proc/self/fd meanwhile and layers are called "N", so that 500 layers
 *     (the kernel's limit) need 2 KiB.
 * A way that the kernel does not know fails with EINVAL at its first call and
 * leaves nothing behind; a crash neither, for the mount lives in our namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "storage/store.h"

/* linux/mount.h and sys/mount.h of some C libraries exclude each other, and older ones lack the calls. */
static int sys_fsopen(const char *name, unsigned int flags)
{
	return (int)syscall(SYS_fsopen, name, flags);
}

static int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static int sys_fsmount(int fd, unsigned int flags, unsigned int attr)
{
	return (int)syscall(SYS_fsmount, fd, flags, attr);
}

static int sys_move_mount(int from, int to)
{
	return (int)syscall(SYS_move_mount, from, "", to, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* What the kernel noted about the failure, "" when nothing. */
static void fs_message(int fs_fd, char *ret, size_t len)
{
	int saved = errno;
	ssize_t n = read(fs_fd, ret, len - 1);

	ret[0] = n < 2 ? '\0' : ret[0];
	if (n >= 2) {
		ret[n] = '\0';
		ret[strcspn(ret, "\n")] = '\0';
		memmove(ret, ret + 2,
			strlen(ret + 2) + 1); /* the first two bytes are the class: "e " */
	}
	errno = saved;
}

static int fail(int fs_fd, const char *what, struct error *e)
{
	int code = -errno;
	char msg[160];

	fs_message(fs_fd, msg, sizeof(msg));
	if (msg[0] != '\0')
		return error_set(e, code, "kernel overlay: %s (%s)", what, msg);
	return error_set(e, code, "kernel overlay: %s", what);
}

static int set_dir(int fs_fd, enum overlay_api api, const char *key, int dir_fd)
{
	char path[32];

	if (api == OVERLAY_API_FD)
		return sys_fsconfig(fs_fd, FSCONFIG_SET_FD, key, NULL, dir_fd);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd); /* 10 digits at most */
	return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, path, 0);
}

/*
 * 0, 1 = this kernel does not know the way, -errno. Before Linux 6.5 overlay
 * knows nothing of fsconfig: descriptors are refused with EOPNOTSUPP, strings
 * are only collected, and fail together at the end. So EOPNOTSUPP leaves
 * mount(2) alone: 2.
 */
static int mount_new(const struct overlay_plan *p, int target_fd, enum overlay_api api,
		     struct error *e)
{
	_cleanup_fd_ int fs_fd = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	_cleanup_fd_ int mnt_fd = -1;

	if (fs_fd < 0)
		return errno == ENOSYS ?
			       1 :
		       errno == ENODEV ?
			       error_setf(
				       e, -ENODEV,
				       "this kernel has no overlay file system (module \"overlay\")") :
			       error_set(e, -errno, "kernel overlay");
	for (size_t i = 0; i < p->lower_n; i++) {
		int r = set_dir(fs_fd, api, "lowerdir+", p->lower_fd[i]);

		if (r < 0 && i == 0 && errno == EOPNOTSUPP)
			return 2;
		if (r < 0)
			return i == 0 && (errno == EINVAL || errno == EBADF) ?
				       1 :
				       fail(fs_fd, p->lower[i], e);
	}
	if (p->upper_fd >= 0 && (set_dir(fs_fd, api, "upperdir", p->upper_fd) < 0 ||
				 set_dir(fs_fd, api, "workdir", p->work_fd) < 0))
		return fail(fs_fd, p->upper, e);
	if (sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return fail(fs_fd, "option userxattr (needs Linux 5.11)", e);
	/* Only a matter of speed: kernels that do not know it go without. */
	if (p->is_volatile && p->upper_fd >= 0)
		(void)sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "volatile", NULL, 0);
	if (sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail(fs_fd, p->upper != NULL ? p->upper : p->lower[0], e);
	mnt_fd = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC,
			     MOUNT_ATTR_NODEV | (p->upper_fd < 0 ? MOUNT_ATTR_RDONLY : 0));
	if (mnt_fd < 0)
		return fail(fs_fd, "fsmount", e);
	if (sys_move_mount(mnt_fd, target_fd) < 0)
		return error_set(e, -errno, "kernel overlay: attach the mount");
	return 0;
}

static int mount_old(const struct overlay_plan *p, int target_fd, struct error *e)
{
	_cleanup_fd_ int cwd_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_buf_ struct buf opt = BUF_INIT;
	char target[32];
	int r = 0;

	(void)buf_puts(&opt, "userxattr"); /* failures are kept in opt.err */
	if (p->is_volatile && p->upper_fd >= 0)
		(void)buf_puts(&opt, ",volatile");
	if (p->upper_fd >= 0)
		(void)buf_printf(&opt, ",upperdir=%d,workdir=%d", p->upper_fd, p->work_fd);
	for (size_t i = 0; i < p->lower_n; i++)
		(void)buf_printf(&opt, "%s%d", i == 0 ? ",lowerdir=" : ":", p->lower_fd[i]);
	if (opt.err < 0)
		return error_set(e, opt.err, "kernel overlay");
	if (opt.len >= (size_t)sysconf(_SC_PAGESIZE))
		return error_setf(e, -E2BIG,
				  "kernel overlay: too many layers (%zu) for this kernel",
				  p->lower_n);
	(void)snprintf(target, sizeof(target), "%d", target_fd); /* 10 digits at most */
	if (cwd_fd < 0 || chdir("/proc/self/fd") < 0)
		return error_set(e, -errno, "kernel overlay: /proc/self/fd");
	if (syscall(SYS_mount, "overlay", target, "overlay",
		    (unsigned long)(MS_NODEV | (p->upper_fd < 0 ? MS_RDONLY : 0)),
		    buf_str(&opt)) < 0)
		r = error_set(e, -errno, "kernel overlay: %s",
			      p->upper != NULL ? p->upper : p->lower[0]);
	if (fchdir(cwd_fd) < 0 && r == 0)
		r = error_set(e, -errno, "kernel overlay: return to the working directory");
	return r;
}

int overlay_native_mount(const struct overlay_plan *p, int target_fd, enum overlay_api api,
			 struct error *e)
{
	for (unsigned int a = api; a < OVERLAY_API_MOUNT; a++) {
		int r = mount_new(p, target_fd, (enum overlay_api)a, e);

		if (r <= 0)
			return r;
		if (r == 2)
			break;
	}
	return mount_old(p, target_fd, e);
}
