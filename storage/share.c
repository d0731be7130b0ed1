/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a store readable for everybody.
 *
 * Theory of operation
 *
 * The empty file "shared" in the root says that the store may be read by others. The list, blobs and
 * layers then get r for all, directories also x; containers, volumes and everything else keep
 * their modes, and writing stays the owner's alone. A file of an image that not all may read
 * (etc/shadow) first gets the owner and mode that it has as the attribute that other rootless
 * tools use, so that what the image says is not lost, and then r for all: whoever may run
 * an image sees its files anyway.
 *
 * Runs as root of the owner's user namespace, since files may be of subordinate ids. Layers are
 * hostile but nobody writes in them; no link is followed. A crash leaves some files
 * unreadable; doing it again is cheap where nothing is to be done.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "storage/store.h"

#define SHARED_FILE    "shared"
#define OVERRIDE_XATTR "user.containers.override_stat"
#define WALK_DEPTH     300

bool storage_is_shared(const struct storage *s)
{
	return s->root_fd >= 0 &&
	       faccessat(s->root_fd, SHARED_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Owner and mode of the image, before the mode is changed. A file system without attributes loses them. */
static void remember(int fd, const struct stat *st)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%u:%u:%04o:%s", (unsigned int)st->st_uid,
		       (unsigned int)st->st_gid, (unsigned int)(st->st_mode & 07777),
		       S_ISDIR(st->st_mode) ? "dir" : "file"); /* bounded */
	(void)fsetxattr(fd, OVERRIDE_XATTR, text, strlen(text), XATTR_CREATE);
}

static int open_up(int fd, const struct stat *st, struct error *e)
{
	mode_t more = S_ISDIR(st->st_mode) ? 0555 : (st->st_mode & 0111) != 0 ? 0555 : 0444;

	if ((st->st_mode & more) == more)
		return 0;
	remember(fd, st);
	return fchmod(fd, (st->st_mode & 07777) | more) < 0 ?
		       error_set(e, -errno, "make a file readable") :
		       0;
}

/* All below fd, which is taken over. */
static int open_tree(int fd, unsigned int depth, struct error *e)
{
	_cleanup_dir_ DIR *d = fdopendir(fd);
	const struct dirent *de;
	struct stat st;
	int r;

	if (d == NULL) {
		r = error_set(e, -errno, "share a layer");
		close_fd(&fd);
		return r;
	}
	r = fstat(fd, &st) < 0 ? error_set(e, -errno, "share a layer") : open_up(fd, &st, e);
	while (r == 0 && (de = readdir(d)) != NULL) {
		_cleanup_fd_ int sub = -1;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
		    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || (st.st_mode & 0444) == 0444)))
			continue;
		sub = openat(fd, de->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (sub < 0)
			r = error_set(e, -errno, "share a layer");
		else if (!S_ISDIR(st.st_mode))
			r = open_up(sub, &st, e);
		else if (depth == WALK_DEPTH)
			r = error_setf(e, -ELOOP, "share a layer: directories are too deep");
		else
			r = open_tree(steal_fd(&sub), depth + 1, e);
	}
	return r;
}

static int open_dir(struct storage *s, const char *name, DIR **ret, struct error *e)
{
	int fd = openat(s->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 || fchmod(fd, 0755) < 0 ? NULL : fdopendir(fd);

	if (d == NULL) {
		int r = error_set(e, -errno, "share %s/%s", s->root, name);

		close_fd(&fd);
		return r;
	}
	*ret = d;
	return 0;
}

static int share_blobs(struct storage *s, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int r = open_dir(s, "oci/blobs/sha256", &d, e);

	while (r == 0 && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.' && fchmodat(dirfd(d), de->d_name, 0644, 0) < 0 &&
		    errno != ENOENT)
			r = error_set(e, -errno, "share %s/oci/blobs", s->root);
	return r;
}

static int share_layers(struct storage *s, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int r = open_dir(s, "layers", &d, e);

	while (r == 0 && (de = readdir(d)) != NULL) {
		char path[STORE_PATH_MAX];
		int fd;

		if (de->d_name[0] == '.' || store_rel(path, "%s/fs", de->d_name) < 0 ||
		    fchmodat(dirfd(d), de->d_name, 0755, 0) < 0)
			continue;
		fd = openat(dirfd(d), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? 0 : open_tree(fd, 0, e); /* one that is just being removed */
	}
	return r;
}

int storage_share(struct storage *s, struct error *e)
{
	static const struct {
		const char *name;
		mode_t mode;
	} own[] = { { "version", 0644 },	{ "oci", 0755 },
		    { "oci/blobs", 0755 },	{ "empty", 0755 },
		    { "oci/oci-layout", 0644 }, { "oci/index.json", 0644 } };
	_cleanup_fd_ int fd = -1;
	int r = store_need(s, e);

	if (r < 0)
		return r;
	fd = openat(s->root_fd, SHARED_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_set(e, -errno, "create %s/" SHARED_FILE, s->root);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (fchmodat(s->root_fd, own[i].name, own[i].mode, 0) < 0 && errno != ENOENT)
			return error_set(e, -errno, "share %s/%s", s->root, own[i].name);
	r = share_blobs(s, e);
	if (r == 0)
		r = share_layers(s, e);
	if (r == 0 && fchmod(s->root_fd, 0755) < 0)
		r = error_set(e, -errno, "share %s", s->root);
	return r;
}
