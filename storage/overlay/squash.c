/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SquashFS file as the lowest layer, served by squashfuse_ll.
 *
 * Theory of operation
 *
 * The kernel mounts no foreign block of data for an unprivileged user, so a process reads the
 * file: squashfuse_ll, of the user's namespace like fuse-overlayfs (fuse.c), with the device
 * and the file as inherited descriptors, so that no path is resolved twice. A defect of it that
 * the file's maker uses gives him what a container has anyway: the user namespace's ids. It
 * dies with us (a parent-death signal) or with its mount, so nothing is left by a crash.
 *
 * The mount lets everybody try: who may do what is decided by the overlay above it. The first
 * look at the mount waits until the server answers or has died.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "storage/store.h"

#define PROGRAM	  "squashfuse_ll"
#define DEVICE_FD 10 /* where the server finds its descriptors */
#define FILE_FD	  11

static int start_server(int device_fd, int file_fd, pid_t *ret_pid, int *ret_pid_fd,
			struct error *e)
{
	_cleanup_free_ char *program = NULL;
	char mountpoint[32], file[32];
	const struct proc_fd_map fds[] = { { device_fd, DEVICE_FD }, { file_fd, FILE_FD } };

	if (proc_find_program(PROGRAM, &program) < 0)
		return error_setf(e, -ENOENT,
				  PROGRAM " is not installed, which mounts SquashFS files "
					  "(Debian: package squashfuse)");
	(void)snprintf(mountpoint, sizeof(mountpoint), "/dev/fd/%d", DEVICE_FD);
	(void)snprintf(file, sizeof(file), "/proc/self/fd/%d", FILE_FD);
	{
		char *argv[] = { program, (char[]){ "-f" }, file, mountpoint, NULL };
		const struct proc_spawn spawn = {
			.path = program,
			.path_fd = -1,
			.argv = argv,
			.fds = fds,
			.fds_n = sizeof(fds) / sizeof(fds[0]),
			.die_with_parent = true,
			.new_session = true, /* no signals of the user's terminal */
		};

		return proc_spawn(&spawn, ret_pid, ret_pid_fd, e);
	}
}

int overlay_squash_mount(const char *path, int target_fd, pid_t *ret_pid, int *ret_pid_fd,
			 struct error *e)
{
	_cleanup_fd_ int device_fd = -1;
	_cleanup_fd_ int file_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fd_ int mnt_fd = -1;
	_cleanup_fd_ int pid_fd = -1;
	struct stat st;
	pid_t pid;
	int r;

	if (file_fd < 0)
		return error_set(e, -errno, "open %s", path);
	device_fd = overlay_fuse_open_device(PROGRAM, e);
	if (device_fd < 0)
		return device_fd;
	mnt_fd = overlay_fuse_make_mount(device_fd, PROGRAM, true, true, e);
	if (mnt_fd < 0)
		return mnt_fd;
	r = start_server(device_fd, file_fd, &pid, &pid_fd, e);
	if (r < 0)
		return r;
	close_fd(&device_fd); /* now the server's death ends the mount */
	if (fstatat(mnt_fd, "", &st, AT_EMPTY_PATH) < 0)
		r = error_set(e, -errno, PROGRAM " cannot mount %s", path);
	else if (syscall(SYS_move_mount, mnt_fd, "", target_fd, "",
			 MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = error_set(e, -errno, PROGRAM ": attach the mount");
	if (r < 0) {
		proc_kill(pid, pid_fd);
		return r;
	}
	*ret_pid = pid;
	*ret_pid_fd = steal_fd(&pid_fd);
	return 0;
}
