/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: fill a new tmpfs with what the image has at its place.
 *
 * Theory of operation: the source tree is the image's and hostile. It is
 * walked by fds with O_NOFOLLOW, never by paths; links are copied as links;
 * only directories, regular files, links and fifos are copied, devices and
 * sockets are left out. Depth is bounded by the recursion limit below, size by
 * the tmpfs's own size limit (ENOSPC then ends the creation). Times and
 * extended attributes are not kept.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

#define MAX_DEPTH 64

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int copy_data(int from_fd, int to_fd)
{
	char data[16384];
	ssize_t n;

	while ((n = read(from_fd, data, sizeof(data))) > 0) {
		for (ssize_t at = 0; at < n;) {
			ssize_t w = write(to_fd, data + at, (size_t)(n - at));

			if (w < 0)
				return -errno;
			at += w;
		}
	}
	return n < 0 ? -errno : 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	int from_fd = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), to_fd,
	    r;

	if (from_fd < 0)
		return errno == EACCES || errno == ENOENT ? 0 : -errno;
	to_fd = openat(to_dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = to_fd < 0 ? -errno : copy_data(from_fd, to_fd);
	if (r == 0) {
		(void)!fchown(to_fd, st->st_uid, st->st_gid); /* unmapped owners stay ours */
		if (fchmod(to_fd, st->st_mode & 07777) < 0)
			r = -errno;
	}
	if (to_fd >= 0)
		(void)close(to_fd);
	(void)close(from_fd);
	return r;
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

static int copy_dir(int from_fd, int to_fd, int depth);

static int copy_subdir(int from_dir, int to_dir, const char *name, const struct stat *st, int depth)
{
	int from_fd, to_fd, r;

	if (mkdirat(to_dir, name, 0700) < 0)
		return -errno;
	to_fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to_fd < 0)
		return -errno;
	from_fd = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = from_fd < 0 ? (errno == EACCES ? 0 : -errno) : copy_dir(from_fd, to_fd, depth + 1);
	(void)!fchown(to_fd, st->st_uid, st->st_gid); /* unmapped owners stay ours */
	if (r == 0 && fchmod(to_fd, st->st_mode & 07777) < 0)
		r = -errno;
	if (from_fd >= 0)
		(void)close(from_fd);
	(void)close(to_fd);
	return r;
}

static int copy_entry(int from_fd, int to_fd, const char *name, int depth)
{
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from_fd, to_fd, name, &st);
	case S_IFLNK:
		return copy_link(from_fd, to_fd, name);
	case S_IFDIR:
		return copy_subdir(from_fd, to_fd, name, &st, depth);
	case S_IFIFO:
		return mknodat(to_fd, name, st.st_mode, 0) < 0 ? -errno : 0;
	default:
		return 0;
	}
}

static int copy_dir(int from_fd, int to_fd, int depth)
{
	char buf[4096] __attribute__((aligned(8)));
	long n;
	int r;

	if (depth > MAX_DEPTH)
		return -ELOOP;
	while ((n = syscall(SYS_getdents64, from_fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64_raw *d = (const void *)(buf + at);

			r = copy_entry(from_fd, to_fd, d->name, depth);
			if (r < 0)
				return r;
			at += d->len;
		}
	}
	return n < 0 ? -errno : 0;
}

int child_copyup(int from_fd, int to_fd)
{
	struct stat st;
	int r = copy_dir(from_fd, to_fd, 0);

	/* the root of the tmpfs looks like the directory it covers */
	if (r == 0 && fstat(from_fd, &st) == 0) {
		/* a descriptor of fsmount(2) takes neither call itself */
		int fd = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)!fchown(fd, st.st_uid, st.st_gid);
		(void)fchmod(fd, st.st_mode & 07777);
		child_close(fd);
	}
	return r;
}
