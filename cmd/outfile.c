/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that the user names to take our output.
 *
 * Theory of operation: the data goes into a file without a name (O_TMPFILE) in the wanted
 * directory, so that whatever ends us leaves nothing. When it is complete it gets the name: by
 * link where there is no such file, else by a link beside it and a rename over it. Where
 * the file system has no O_TMPFILE, and for what is no regular file but a link, a device or a
 * FIFO, it is written in place.
 */
#include "cmd/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int open_dir_of(const char *path)
{
	const char *name = last_component(path);
	_cleanup_free_ char *dir = strndup(path, (size_t)(name - path));

	if (dir == NULL)
		return -ENOMEM;
	return open(dir[0] != '\0' ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool outfile_is_in_place(const char *path)
{
	struct stat st;

	/* a link as well: root would put a file in the place of /dev/stdout */
	return lstat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int outfile_put(const char *path, const void *data, size_t len, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (!outfile_is_in_place(path))
		return fd_write_file_at(AT_FDCWD, path, data, len, 0644, false, e);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	r = fd < 0 ? -errno : fd_write_all(fd, data, len);
	return r < 0 ? error_set(e, r, "writing %s", path) : 0;
}

int outfile_open(const char *path, struct outfile *ret, struct error *e)
{
	struct outfile o = OUTFILE_INIT;

	if (path == NULL || strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return error_setf(e, -EINVAL,
					  "refusing to write an archive to a terminal: use -o FILE "
					  "or redirect the output");
		o.fd = fd_dup(STDOUT_FILENO);
		if (o.fd < 0)
			return error_set(e, o.fd, "opening standard output");
		*ret = o;
		return 0;
	}
	o.path = path;
	if (last_component(path)[0] == '\0')
		return error_setf(e, -EISDIR, "%s is a directory", path);
	if (outfile_is_in_place(path)) {
		o.fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	} else {
		o.dir_fd = open_dir_of(path);
		if (o.dir_fd >= 0)
			o.fd = openat(o.dir_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
		if (o.dir_fd >= 0 && o.fd < 0) {
			close_fd(&o.dir_fd);
			o.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		}
	}
	if (o.fd < 0) {
		int err = errno;

		outfile_close(&o);
		return error_set(e, -err, "opening %s", path);
	}
	*ret = o;
	return 0;
}

int outfile_commit(struct outfile *o, struct error *e)
{
	const char *name;
	char from[40], temporary[ID_LEN + 8] = ".crt-";
	int r;

	if (o->dir_fd < 0)
		return 0;
	name = last_component(o->path);
	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", o->fd); /* fits */
	if (linkat(AT_FDCWD, from, o->dir_fd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set(e, -errno, "creating %s", o->path);
	r = id_generate(temporary + strlen(temporary));
	if (r == 0 && linkat(AT_FDCWD, from, o->dir_fd, temporary, AT_SYMLINK_FOLLOW) < 0)
		r = -errno;
	if (r == 0 && renameat(o->dir_fd, temporary, o->dir_fd, name) < 0) {
		r = -errno;
		(void)unlinkat(o->dir_fd, temporary, 0); /* it is ours */
	}
	return r < 0 ? error_set(e, r, "creating %s", o->path) : 0;
}

void outfile_close(struct outfile *o)
{
	close_fd(&o->fd);
	close_fd(&o->dir_fd);
}
