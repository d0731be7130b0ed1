/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a tree of files, by descriptors.
 *
 * Theory of operation
 *
 * What is copied comes from an image or a container: names, links and depth are hostile.
 * No link is followed on either side: every object is opened below its directory's fd
 * with O_NOFOLLOW, and its kind is taken from the opened fd. A new object is made with
 * O_EXCL and mode 0600 or 0700, and gets owner, then mode, then times, so that nothing is
 * ever more open than it will be. Depth is limited, since each level holds two fds.
 *
 * The caller is root of a user namespace: files of ids that are not mapped there stay the
 * caller's. Devices and sockets are left out. Blocks are shared where the file system can.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/storage.h"

#define COPY_DEPTH 200
#define COPY_CHUNK (1u << 20)

static int what(struct error *e, int code, const char *name)
{
	_cleanup_free_ char *shown = str_escape(name);

	return error_set(e, code, "copying %.200s", shown != NULL ? shown : "?");
}

/* An owner that our user namespace does not map cannot be given: the file stays ours. */
static bool is_unmapped(int code)
{
	return code == EPERM || code == EINVAL || code == EOVERFLOW;
}

/* Only what users may set; overlay's own marks are no part of the files. */
static void copy_xattrs(int from, int to)
{
	char names[4096];
	ssize_t len = flistxattr(from, names, sizeof(names));

	for (ssize_t i = 0; i < len; i += (ssize_t)strlen(names + i) + 1) {
		char value[4096];
		ssize_t n;

		if ((!str_starts(names + i, "user.") &&
		     strcmp(names + i, "security.capability") != 0) ||
		    str_starts(names + i, "user.overlay.") ||
		    str_starts(names + i, "user.containers.") ||
		    str_starts(names + i, "user.fuseoverlayfs."))
			continue;
		n = fgetxattr(from, names + i, value, sizeof(value));
		if (n >= 0)
			(void)fsetxattr(to, names + i, value, (size_t)n,
					0); /* not every file system can */
	}
}

static int set_owner(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 && !is_unmapped(errno))
		return -errno;
	if (fchmod(fd, st->st_mode & 07777) < 0)
		return -errno;
	(void)futimens(fd, times); /* a time is not worth a failure */
	return 0;
}

static int copy_content(int from, int to)
{
	_cleanup_free_ char *buffer = NULL;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_CHUNK, 0);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			break;
	}
	if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
		return -errno;
	/* between these two file systems it has to be read and written, from where it stopped */
	buffer = malloc(COPY_CHUNK);
	if (buffer == NULL)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(from, buffer, COPY_CHUNK);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = fd_write_all(to, buffer, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_file(int from_dir, int to_dir, const char *name)
{
	_cleanup_fd_ int from =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_fd_ int to = -1;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE; /* it was exchanged meanwhile */
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_content(from, to);
	if (r == 0)
		copy_xattrs(from, to);
	return r < 0 ? r : set_owner(to, &st);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[LIMIT_TAR_NAME + 1];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0)
		return -errno;
	if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	    !is_unmapped(errno))
		return -errno;
	return 0;
}

static int copy_tree(int from_fd, int to_fd, int depth, struct error *e);

static int copy_dir(int from_dir, int to_dir, const char *name, int depth, struct error *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_fd_ int from = openat(from_dir, name, flags);
	_cleanup_fd_ int to = -1;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0 || mkdirat(to_dir, name, 0700) < 0)
		return what(e, -errno, name);
	to = openat(to_dir, name, flags);
	if (to < 0)
		return what(e, -errno, name);
	if (depth >= COPY_DEPTH)
		return what(e, -ELOOP, name);
	r = copy_tree(from, to, depth + 1, e);
	if (r < 0)
		return r;
	copy_xattrs(from, to);
	r = set_owner(to, &st);
	return r < 0 ? what(e, r, name) : 0;
}

static int copy_one(int from_dir, int to_dir, const char *name, int depth, struct error *e)
{
	struct stat st;
	int r = 0;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return what(e, -errno, name);
	if (S_ISDIR(st.st_mode))
		return copy_dir(from_dir, to_dir, name, depth, e);
	if (S_ISREG(st.st_mode))
		r = copy_file(from_dir, to_dir, name);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from_dir, to_dir, name, &st);
	else if (S_ISFIFO(st.st_mode) && mkfifoat(to_dir, name, st.st_mode & 0777) < 0)
		r = -errno;
	return r < 0 ? what(e, r, name) : 0;
}

static int copy_tree(int from_fd, int to_fd, int depth, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd = fd_dup(from_fd);
	int r = 0;

	if (fd < 0)
		return error_set(e, fd, "copying a directory");
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return error_set(e, -ENOMEM, "copying a directory");
	}
	rewinddir(d);
	while (r == 0 && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = copy_one(dirfd(d), to_fd, de->d_name, depth, e);
	return r;
}

int storage_tree_copy(int from_fd, int to_fd, struct error *e)
{
	struct stat st;
	int r = copy_tree(from_fd, to_fd, 0, e);

	if (r < 0)
		return r;
	if (fstat(from_fd, &st) < 0)
		return error_set(e, -errno, "copying a directory");
	copy_xattrs(from_fd, to_fd);
	r = set_owner(to_fd, &st);
	return r < 0 ? error_set(e, r, "setting the owner of a directory") : 0;
}

static int chown_tree(int dir_fd, uid_t uid, gid_t gid, int depth, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd = fd_dup(dir_fd);

	if (fd < 0)
		return error_set(e, fd, "changing owners");
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return error_set(e, -ENOMEM, "changing owners");
	}
	rewinddir(d);
	while ((de = readdir(d)) != NULL) {
		_cleanup_fd_ int sub = -1;
		struct stat st;
		int r;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (fchownat(dirfd(d), de->d_name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno != ENOENT)
			return what(e, -errno, de->d_name);
		sub = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0 || fstat(sub, &st) < 0)
			continue; /* no directory, or gone */
		if (depth >= COPY_DEPTH)
			return what(e, -ELOOP, de->d_name);
		r = chown_tree(sub, uid, gid, depth + 1, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int storage_tree_chown(int fd, uid_t uid, gid_t gid, struct error *e)
{
	if (fchown(fd, uid, gid) < 0)
		return error_set(e, -errno, "changing the owner of a directory");
	return chown_tree(fd, uid, gid, 0, e);
}
