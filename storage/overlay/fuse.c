/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse-overlayfs: where the kernel's overlay does not work, and where ids have
 * to be shown shifted.
 *
 * Theory of operation
 *
 * The keeper opens /dev/fuse itself (a FUSE mount in a user namespace wants a
 * descriptor opened in that namespace), makes a detached FUSE mount of it,
 * and starts fuse-overlayfs with the descriptor ("/dev/fd/N" as the mount
 * point, which libfuse understands) and the directories as descriptors too:
 * so no path of the store meets its option parser (with very many layers they
 * are paths, and a store path that it would take apart is refused), and
 * nothing needs to be polled. Our copy of the descriptor is closed at once; the first
 * question to the mount then waits for the server's first answer, or fails as
 * soon as the server has died, and only after an answer the mount is attached
 * to its place. What the server complains about lands in a 4 KiB memory file
 * that cannot grow, for the error message.
 *
 * The server is our child, gets no environment, three descriptors for stdio
 * and those named above, and dies with us. When it dies first, the container's
 * files answer ENOTCONN; nothing else is affected.
 *
 * allow_other is needed: without it only processes with the keeper's own id
 * could enter, and a container has many. Inside a user namespace the kernel
 * limits it to that namespace and its children, and the mount is visible in
 * our mount namespace only.
 *
 * Shift of ids. uidmapping=A:B:N of fuse-overlayfs means: a file stored with
 * owner A+i is shown with owner B+i, and a file made by B+i is stored as A+i
 * (found by experiment with 1.10; an id outside all ranges is 65534 in both
 * directions). Layers are stored as the image says, N as the keeper's N. The
 * container's namespace is a child of the keeper's that shows the keeper's id
 * K as N for every line "N K count" of its map. So the option is the map
 * itself: stored N, shown K.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "storage/store.h"

#define PROGRAM	  "fuse-overlayfs"
#define DEVICE	  "/dev/fuse"
#define TEXT_SIZE 4096 /* of the server's messages */
#define FIRST_FD  10   /* where the server finds its descriptors: the device, upper, work, layers */
#define FIXED_FDS 3
#define LAYER_FDS \
	48 /* what proc_spawn() takes beside them; images with more layers are named by path */

int overlay_fuse_open_device(const char *program, struct error *e)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_setf(e, -errno, "%s needs " DEVICE ", which does not exist here",
				  program);
	return error_set(e, -errno, "%s: open " DEVICE, program);
}

int overlay_fuse_usable(struct error *e)
{
	_cleanup_free_ char *program = NULL;
	_cleanup_fd_ int fd = -1;

	if (proc_find_program(PROGRAM, &program) < 0)
		return error_setf(e, -ENOENT, PROGRAM " is not installed");
	fd = overlay_fuse_open_device(PROGRAM, e);
	return fd < 0 ? fd : 0;
}

/* ---- options ---------------------------------------------------------------------- */

static void put_ids(struct buf *b, const char *key, const struct id_range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)buf_printf(b, "%s%u:%u:%u", i == 0 ? key : ":", r[i].inside, r[i].outside,
				 r[i].count);
}

/* The -o text; failures are kept in b->err. */
static int put_options(struct buf *b, const struct overlay_plan *p, struct error *e)
{
	bool by_path = p->lower_n > LAYER_FDS;

	for (size_t i = 0; i < p->lower_n; i++) {
		if (!by_path)
			(void)buf_printf(b, "%s/proc/self/fd/%zu", i == 0 ? "lowerdir=" : ":",
					 FIRST_FD + FIXED_FDS + i);
		else if (strpbrk(p->lower[i], ":,\\") != NULL)
			return error_setf(
				e, -EINVAL,
				PROGRAM
				" takes no path with a colon, comma or backslash (%s) when an "
				"image has more than %d layers: choose another store by CRT_ROOT",
				p->lower[i], LAYER_FDS);
		else
			(void)buf_printf(b, "%s%s", i == 0 ? "lowerdir=" : ":", p->lower[i]);
	}
	if (p->upper_fd >= 0)
		(void)buf_printf(b, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
				 FIRST_FD + 1, FIRST_FD + 2);
	if (p->is_volatile && p->upper_fd >= 0)
		(void)buf_puts(b, ",volatile");
	if (p->squash)
		(void)buf_puts(b, ",squash_to_root");
	if (p->shift != NULL) {
		put_ids(b, ",uidmapping=", p->shift->uid, p->shift->uid_n);
		put_ids(b, ",gidmapping=", p->shift->gid, p->shift->gid_n);
	}
	return b->err < 0 ? error_set(e, b->err, PROGRAM) : 0;
}

/* ---- the mount --------------------------------------------------------------------- */

static int set_string(int fs_fd, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, key, value, 0);
}

static int set_flag(int fs_fd, const char *key)
{
	return (int)syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_FLAG, key, NULL, 0);
}

int overlay_fuse_make_mount(int device_fd, const char *program, bool read_only, bool open,
			    struct error *e)
{
	_cleanup_fd_ int fs_fd = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC);
	char number[16];
	int mnt_fd;

	if (fs_fd < 0)
		return error_set(e, -errno, "%s: this kernel offers no FUSE", program);
	(void)snprintf(number, sizeof(number), "%d", device_fd); /* 10 digits at most */
	if (set_string(fs_fd, "source", program) < 0 || set_string(fs_fd, "subtype", program) < 0 ||
	    set_string(fs_fd, "fd", number) < 0 || set_string(fs_fd, "rootmode", "40000") < 0 ||
	    set_string(fs_fd, "user_id", "0") < 0 || set_string(fs_fd, "group_id", "0") < 0 ||
	    (!open && set_flag(fs_fd, "default_permissions") < 0) ||
	    set_flag(fs_fd, "allow_other") < 0 ||
	    syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_set(e, -errno, "%s: the kernel refuses the FUSE mount", program);
	mnt_fd = (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC,
			      MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME |
				      (read_only ? MOUNT_ATTR_RDONLY : 0));
	if (mnt_fd < 0)
		return error_set(e, -errno, "%s: fsmount", program);
	return mnt_fd;
}

/* A file for the server's messages that cannot eat our memory. fd or -errno. */
static int make_text_file(void)
{
	int fd = memfd_create("fuse-overlayfs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, TEXT_SIZE) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0) {
		int r = -errno;

		close_fd(&fd);
		return r;
	}
	return fd;
}

/* The last line the server wrote, escaped, "" when none. Caller frees. */
static char *last_words(int text_fd)
{
	char text[TEXT_SIZE + 1];
	ssize_t n = pread(text_fd, text, TEXT_SIZE, 0);
	char *line;

	text[n > 0 ? n : 0] = '\0';
	for (size_t len = strlen(text); len > 0 && text[len - 1] == '\n'; len--)
		text[len - 1] = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	if (str_starts(line, PROGRAM ": "))
		line += strlen(PROGRAM ": ");
	return str_escape(line);
}

static int start_server(const struct overlay_plan *p, int device_fd, int text_fd, pid_t *ret_pid,
			int *ret_pid_fd, struct error *e)
{
	_cleanup_buf_ struct buf options = BUF_INIT;
	_cleanup_free_ char *program = NULL;
	_cleanup_free_ struct proc_fd_map *fds = NULL;
	char mountpoint[32];
	size_t n = 0;
	int r;

	r = put_options(&options, p, e);
	if (r < 0)
		return r;
	fds = calloc(LAYER_FDS + FIXED_FDS + 1, sizeof(*fds));
	if (fds == NULL)
		return error_set(e, -ENOMEM, PROGRAM);
	if (proc_find_program(PROGRAM, &program) < 0)
		return error_setf(e, -ENOENT, PROGRAM " is not installed");
	if (text_fd >= 0)
		fds[n++] = (struct proc_fd_map){ text_fd, 2 };
	fds[n++] = (struct proc_fd_map){ device_fd, FIRST_FD };
	if (p->upper_fd >= 0) {
		fds[n++] = (struct proc_fd_map){ p->upper_fd, FIRST_FD + 1 };
		fds[n++] = (struct proc_fd_map){ p->work_fd, FIRST_FD + 2 };
	}
	for (size_t i = 0; i < p->lower_n && p->lower_n <= LAYER_FDS; i++)
		fds[n++] = (struct proc_fd_map){ p->lower_fd[i], FIRST_FD + FIXED_FDS + (int)i };
	(void)snprintf(mountpoint, sizeof(mountpoint), "/dev/fd/%d", FIRST_FD);
	{
		char *argv[] = { program,      (char[]){ "-f" }, (char[]){ "-o" },
				 options.data, mountpoint,	 NULL };
		const struct proc_spawn spawn = {
			.path = program,
			.path_fd = -1,
			.argv = argv,
			.fds = fds,
			.fds_n = n,
			.die_with_parent = true,
			.new_session = true, /* no signals of the user's terminal */
		};

		return proc_spawn(&spawn, ret_pid, ret_pid_fd, e);
	}
}

int overlay_fuse_mount(const struct overlay_plan *p, int target_fd, pid_t *ret_pid, int *ret_pid_fd,
		       struct error *e)
{
	_cleanup_fd_ int device_fd = overlay_fuse_open_device(PROGRAM, e);
	_cleanup_fd_ int text_fd = make_text_file();
	_cleanup_fd_ int mnt_fd = -1;
	_cleanup_fd_ int pid_fd = -1;
	struct stat st;
	pid_t pid;
	int r;

	if (device_fd < 0)
		return device_fd;
	mnt_fd = overlay_fuse_make_mount(device_fd, PROGRAM, p->upper_fd < 0, false, e);
	if (mnt_fd < 0)
		return mnt_fd;
	r = start_server(p, device_fd, text_fd, &pid, &pid_fd, e);
	if (r < 0)
		return r;
	close_fd(&device_fd); /* now the server's death ends the mount */
	if (fstatat(mnt_fd, "", &st, AT_EMPTY_PATH) < 0) {
		_cleanup_free_ char *words = text_fd >= 0 ? last_words(text_fd) : NULL;
		int code = -errno;

		proc_kill(pid, pid_fd);
		return error_setf(e, code, PROGRAM " does not start: %s",
				  words != NULL && words[0] != '\0' ? words :
								      error_strerror(-code));
	}
	if (syscall(SYS_move_mount, mnt_fd, "", target_fd, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		r = error_set(e, -errno, PROGRAM ": attach the mount");
		proc_kill(pid, pid_fd);
		return r;
	}
	*ret_pid = pid;
	*ret_pid_fd = steal_fd(&pid_fd);
	return 0;
}
