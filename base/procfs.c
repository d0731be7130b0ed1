/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to /proc through a verified descriptor.
 *
 * Theory of operation
 *
 * What is mounted on /proc may have been chosen by somebody else: a container
 * image with a regular directory "proc", or a bind mount over one file of it,
 * that turns "write the LSM label" into "write nothing" (or into "write to a
 * file of the attacker's choice"). Therefore /proc is opened once, its file
 * system type and root inode are checked, and every file below it is opened
 * with RESOLVE_NO_XDEV, so that a mount on top of that file is an error.
 *
 * "self" is a symbolic link. It is replaced by what this procfs calls us (and
 * not by getpid(), which names somebody else when the procfs belongs to
 * another pid namespace), so that no link at all needs to be followed.
 */
#include "base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"

#define PROC_ROOT_INODE 1 /* fs/proc/root.c: fixed since 2.6 */

int procfs_open(struct error *e)
{
	_cleanup_fd_ int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs sfs;
	struct stat st;

	if (fd < 0)
		return error_set(e, -errno, "opening /proc");
	if (fstatfs(fd, &sfs) < 0 || fstat(fd, &st) < 0)
		return error_set(e, -errno, "opening /proc");
	if (sfs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE)
		return error_setf(e, -ENOTSUP, "/proc is not the root of a proc file system");
	return steal_fd(&fd);
}

/* "self/x" -> "123/x", "thread-self/x" -> "123/task/124/x"; other paths are copied. */
static int resolve_self(int proc_fd, const char *path, char **ret)
{
	char link[64];
	const char *rest;
	const char *name;
	ssize_t n;
	char *s;

	while (*path == '/')
		path++;
	if (strcmp(path, "self") == 0 || str_starts(path, "self/")) {
		name = "self";
	} else if (strcmp(path, "thread-self") == 0 || str_starts(path, "thread-self/")) {
		name = "thread-self";
	} else {
		s = strdup(path);
		if (s == NULL)
			return -ENOMEM;
		*ret = s;
		return 0;
	}
	rest = path + strlen(name);
	n = readlinkat(proc_fd, name, link, sizeof(link));
	if (n < 0)
		return -errno;
	if ((size_t)n >= sizeof(link))
		return -ENAMETOOLONG;
	s = str_printf("%.*s%s", (int)n, link, rest);
	if (s == NULL)
		return -ENOMEM;
	*ret = s;
	return 0;
}

int procfs_open_at(int proc_fd, const char *path, int flags)
{
	_cleanup_free_ char *real = NULL;
	struct open_how how = { .flags = (unsigned int)(flags | O_CLOEXEC),
				.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
					   RESOLVE_BENEATH };
	int r;

	r = resolve_self(proc_fd, path, &real);
	if (r < 0)
		return r;
	do
		r = (int)syscall(SYS_openat2, proc_fd, real, &how, sizeof(how));
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : r;
}

int procfs_write(int proc_fd, const char *path, const char *value)
{
	_cleanup_fd_ int fd = procfs_open_at(proc_fd, path, O_WRONLY);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, value, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int procfs_read(int proc_fd, const char *path, size_t max, char **ret)
{
	_cleanup_fd_ int fd = procfs_open_at(proc_fd, path, O_RDONLY);
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *s;
	int r;

	if (fd < 0)
		return fd;
	r = fd_read_to_end(fd, &b, max);
	if (r < 0)
		return r;
	(void)buf_puts(&b,
		       ""); /* an empty file gives "" and not NULL; buf_steal() reports a failure */
	s = buf_steal(&b);
	if (s == NULL)
		return -ENOMEM;
	*ret = s;
	return 0;
}

int procfs_start_time(int proc_fd, pid_t pid, unsigned long long *ret)
{
	_cleanup_free_ char *path = str_printf("%ld/stat", (long)pid);
	_cleanup_free_ char *text = NULL;
	char *p;
	char *end;
	int r;

	if (path == NULL)
		return -ENOMEM;
	r = procfs_read(proc_fd, path, 4096, &text);
	if (r < 0)
		return r;
	/* The second field is the program's name in parentheses, which may hold any byte. */
	p = strrchr(text, ')');
	if (p == NULL)
		return -EBADMSG;
	p++;
	for (int field = 3; field <= 22; field++) {
		while (*p == ' ')
			p++;
		if (*p == '\0')
			return -EBADMSG;
		if (field == 22)
			break;
		p += strcspn(p, " ");
	}
	end = p + strcspn(p, " \n");
	*end = '\0';
	return str_to_u64(p, ~0ULL, ret);
}

int procfs_boot_id(int proc_fd, char ret[37])
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = procfs_read(proc_fd, "sys/kernel/random/boot_id", 128, &text);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) != 36)
		return -EBADMSG;
	memcpy(ret, text, 37);
	return 0;
}
