/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply the entries of a layer to a directory.
 *
 * Theory of operation
 *
 * One entry is one look-up of its parent directory (apply-path.c) and then
 * system calls relative to that directory with a single component that is
 * never followed: O_EXCL|O_NOFOLLOW for files, mkdirat, symlinkat, linkat
 * without following. The attacker controls names, kinds, order and repetition
 * of the entries; what each combination does:
 *
 *   - the last entry of a name wins. What is in the way is removed first
 *     (a directory with all that is below it), except that a directory met by
 *     a directory stays and takes the new metadata;
 *   - ".wh.NAME" makes a whiteout, ".wh..wh..opq" marks its directory opaque.
 *     Both speak of lower layers only: NAME of the same layer stays (a
 *     directory becomes opaque, so that the lower one's content is hidden).
 *     Whiteouts are never applied through a symbolic link. Other ".wh..wh."
 *     names are bookkeeping of aufs and are left out;
 *   - a hard link must name an entry of this layer; it is made without
 *     following, its payload is skipped;
 *   - device nodes are left out always: the container gets its own /dev, and a
 *     character device 0:0 would be read as a whiteout;
 *   - set-id bits stay: they mean ids of the user namespace.
 *
 * Directories are made with u+rwx and get their final mode and time last.
 * Nothing is synced here: the store does it once for the transaction. A crash
 * leaves a part of a tree in a transaction that the next start throws away.
 */
#include "storage/unpack/apply.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/path.h"
#include "storage/unpack/apply-priv.h"

#define PUSH_BYTES (256u << 10)

int apply_new(int root_fd, const struct apply_options *o, struct apply **ret)
{
	struct apply *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return -ENOMEM;
	a->root_fd = root_fd;
	a->o = *o;
	for (size_t i = 0; i < APPLY_CACHE; i++)
		a->cache[i].fd = -1;
	*ret = a;
	return 0;
}

void apply_free(struct apply *a)
{
	if (a == NULL)
		return;
	apply_cache_drop(a);
	for (size_t i = 0; i < a->late_n; i++)
		free(a->late[i].path);
	free(a->late);
	free(a);
}

uint64_t apply_size(const struct apply *a)
{
	return a->size;
}

bool apply_size_is_exact(const struct apply *a)
{
	return !a->inexact;
}

unsigned int apply_notes(const struct apply *a)
{
	return a->notes;
}

const char *apply_note_text(enum apply_note n)
{
	static const char *const text[] = {
		[APPLY_NOTE_DEVICE] = "device nodes of the image were left out",
		[APPLY_NOTE_SQUASHED] =
			"owners outside the mapped ids were replaced by the largest mapped id",
		[APPLY_NOTE_XATTR] =
			"extended attributes of the image were refused by the file system",
		[APPLY_NOTE_CAPS] = "file capabilities of the image could not be kept",
		[APPLY_NOTE_OVERRIDE] =
			"owners of the image could not be recorded: the file system has no user attributes",
		[APPLY_NOTE_UNKNOWN] = "entries of an unknown kind were left out",
		[APPLY_NOTE_MARK] =
			"the file system refuses overlay marks: only fuse-overlayfs can use these layers",
	};

	static_assert(sizeof(text) / sizeof(text[0]) == APPLY_NOTE_COUNT, "one text each");
	return text[n];
}

/* Is dir_fd/name a whiteout that this layer made? */
static bool is_whiteout(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(0, 0);
}

/* Remove what is in the way of a new entry. */
static int make_room(struct apply *a, int dir_fd, const char *name, struct error *e)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_set(e, -errno, "look at what is in the way");
	if (a->o.keep_kind && S_ISDIR(st.st_mode))
		return error_setf(e, -EEXIST, "there is a directory of that name");
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(dir_fd, name, 0) < 0)
			return error_set(e, -errno, "replace an earlier entry");
		if (S_ISREG(st.st_mode) && st.st_nlink == 1)
			a->size -= (uint64_t)st.st_size < a->size ? (uint64_t)st.st_size : a->size;
		/* directories may have been found through that link */
		a->stale = a->stale || S_ISLNK(st.st_mode);
		return 0;
	}
	a->stale = a->inexact = true;
	return path_remove_tree(dir_fd, name, e);
}

static int write_data(struct apply *a, struct tar_reader *t, const struct tar_entry *n, int fd,
		      struct error *e)
{
	const void *p;
	uint64_t at, end = 0;
	size_t len;
	int r;

	while ((r = tar_data(t, &p, &len, &at, e)) > 0) {
		while (len > 0) {
			ssize_t w = pwrite(fd, p, len, (off_t)at);

			if (w < 0 && errno == EINTR)
				continue;
			if (w <= 0)
				return error_set(e, w < 0 ? -errno : -EIO, "write");
			p = (const char *)p + w;
			len -= (size_t)w;
			at += (uint64_t)w;
		}
		end = at;
	}
	if (r < 0)
		return r;
	if (end < n->size && ftruncate(fd, (off_t)n->size) < 0)
		return error_set(e, -errno, "write a sparse file");
	if (end >=
	    PUSH_BYTES) /* begin to write it back: the commit will have less to wait for; only a hint */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	a->size += n->size;
	if (a->size > LIMIT_LAYER_BYTES)
		return error_setf(e, -EFBIG,
				  "the files of the layer are larger than %llu bytes together",
				  (unsigned long long)LIMIT_LAYER_BYTES);
	return 0;
}

static int make_file(struct apply *a, struct tar_reader *t, const struct tar_entry *n,
		     const struct apply_name *name, int dir_fd, struct error *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const mode_t mode = n->mode & 0777;
	_cleanup_fd_ int fd = -1;
	int r;

	fd = openat(dir_fd, name->name, flags, mode);
	if (fd < 0 && errno == EEXIST) {
		r = make_room(a, dir_fd, name->name, e);
		if (r < 0)
			return r;
		fd = openat(dir_fd, name->name, flags, mode);
	}
	if (fd < 0)
		return error_set(e, -errno, "create");
	r = write_data(a, t, n, fd, e);
	return r < 0 ? r : apply_meta_fd(a, fd, n, mode, e);
}

static int make_dir(struct apply *a, const struct tar_entry *n, const struct apply_name *name,
		    int dir_fd, const char *path, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	bool opaque = false;
	int r;

	if (name->name[0] == '\0') {
		fd = fcntl(a->root_fd, F_DUPFD_CLOEXEC, 3);
	} else {
		r = mkdirat(dir_fd, name->name, 0755) < 0 ? -errno : 0;
		if (r == -EEXIST) {
			struct stat st;

			if (fstatat(dir_fd, name->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				return error_set(e, -errno, "look at what is in the way");
			r = 0;
			if (!S_ISDIR(st.st_mode) && a->o.keep_kind)
				return error_setf(e, -EEXIST,
						  "there is something of that name that is no "
						  "directory");
			if (!S_ISDIR(st.st_mode)) {
				opaque = is_whiteout(dir_fd, name->name);
				r = make_room(a, dir_fd, name->name, e);
				if (r < 0)
					return r;
				r = mkdirat(dir_fd, name->name, 0755) < 0 ? -errno : 0;
			}
		}
		if (r < 0)
			return error_set(e, r, "create");
		fd = openat(dir_fd, name->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return error_set(e, -errno, "open");
	if (opaque) {
		r = apply_mark_opaque(a, fd, e);
		if (r < 0)
			return r;
	}
	if (apply_late_add(a, path, n) < 0)
		return error_set(e, -ENOMEM, "unpack");
	return apply_meta_fd(a, fd, n, 0755, e);
}

static int make_symlink(struct apply *a, const struct tar_entry *n, const struct apply_name *name,
			int dir_fd, struct error *e)
{
	int r;

	if (n->link[0] == '\0')
		return error_setf(e, -EINVAL, "a symbolic link without a target");
	if (symlinkat(n->link, dir_fd, name->name) < 0) {
		if (errno != EEXIST)
			return error_set(e, -errno, "create");
		r = make_room(a, dir_fd, name->name, e);
		if (r < 0)
			return r;
		if (symlinkat(n->link, dir_fd, name->name) < 0)
			return error_set(e, -errno, "create");
	}
	return apply_meta_at(a, dir_fd, name->name, n, e);
}

static int make_hardlink(struct apply *a, const struct tar_entry *n, const struct apply_name *name,
			 struct error *e)
{
	_cleanup_free_ struct apply_name *target = malloc(sizeof(*target));
	_cleanup_fd_ int from_fd = -1;
	struct stat st, have;
	int dir_fd, r;

	if (target == NULL)
		return error_set(e, -ENOMEM, "unpack");
	r = apply_name_set(target, n->link, "the target of a hard link", e);
	if (r < 0)
		return r;
	if (target->name[0] == '\0')
		return error_setf(e, -EINVAL, "a hard link to a directory");
	r = apply_parent(a, target->parent, false, false, e);
	if (r < 0)
		return error_prefix(e, "the target of the hard link is not in the layer");
	/* the cache may close it when the other parent is opened */
	from_fd = fcntl(r, F_DUPFD_CLOEXEC, 3);
	if (from_fd < 0)
		return error_set(e, -errno, "open");
	if (fstatat(from_fd, target->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(e, -errno, "the target of the hard link is not in the layer");
	if (S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode))
		return error_setf(e, -EINVAL, "a hard link to a directory or a whiteout");
	dir_fd = apply_parent(a, name->parent, true, false, e);
	if (dir_fd < 0)
		return dir_fd;
	if (fstatat(dir_fd, name->name, &have, AT_SYMLINK_NOFOLLOW) == 0) {
		if (have.st_dev == st.st_dev && have.st_ino == st.st_ino)
			return 0; /* it is that file already */
		/* the target may lie below a directory that is in the way: then the link fails as it must */
		r = make_room(a, dir_fd, name->name, e);
		if (r < 0)
			return r;
	}
	if (linkat(from_fd, target->name, dir_fd, name->name, 0) < 0)
		return error_set(e, -errno, "make a hard link");
	return 0;
}

static int make_fifo(struct apply *a, const struct tar_entry *n, const struct apply_name *name,
		     int dir_fd, struct error *e)
{
	int r;

	if (mknodat(dir_fd, name->name, S_IFIFO | (n->mode & 0777), 0) < 0) {
		if (errno != EEXIST)
			return error_set(e, -errno, "create");
		r = make_room(a, dir_fd, name->name, e);
		if (r < 0)
			return r;
		if (mknodat(dir_fd, name->name, S_IFIFO | (n->mode & 0777), 0) < 0)
			return error_set(e, -errno, "create");
	}
	return apply_meta_at(a, dir_fd, name->name, n, e);
}

/* Names of whiteouts. Returns 1 when the entry was one (or bookkeeping of aufs). */
static int apply_whiteout(struct apply *a, const struct apply_name *name, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	const char *what = name->name + 4;
	struct stat st;
	int dir_fd, r;

	if (!str_starts(name->name, ".wh."))
		return 0;
	if (str_starts(what, ".wh.") && strcmp(what, ".wh..opq") != 0)
		return 1;
	if (what[0] == '\0' || strcmp(what, ".") == 0 || strcmp(what, "..") == 0)
		return error_setf(e, -EINVAL, "a whiteout of nothing");
	dir_fd = apply_parent(a, name->parent, true, true, e);
	if (dir_fd < 0)
		return error_prefix(e, "a whiteout");
	if (strcmp(what, ".wh..opq") == 0) {
		/* attributes need an fd that is more than a path */
		fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return error_set(e, -errno, "open");
		r = apply_mark_opaque(a, fd, e);
		return r < 0 ? r : 1;
	}
	r = apply_mark_whiteout(a, dir_fd, what, e);
	if (r != -EEXIST)
		return r < 0 ? r : 1;
	/* This layer has such an entry itself: it stays, and a directory hides the lower one. */
	if (fstatat(dir_fd, what, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
		fd = openat(dir_fd, what, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return error_set(e, -errno, "open");
		r = apply_mark_opaque(a, fd, e);
		return r < 0 ? r : 1;
	}
	return 1;
}

static int apply_one(struct apply *a, struct tar_reader *t, const struct tar_entry *n,
		     struct error *e)
{
	_cleanup_free_ struct apply_name *name = malloc(sizeof(*name));
	_cleanup_free_ char *path = NULL;
	int dir_fd, r;

	if (name == NULL)
		return error_set(e, -ENOMEM, "unpack");
	r = apply_name_set(name, n->path, "the name", e);
	if (r < 0)
		return r;
	if (name->name[0] == '\0' && n->type != TAR_DIR)
		return error_setf(e, -EINVAL, "the name is empty");
	r = a->o.is_copy ? 0 : apply_whiteout(a, name, e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (n->type == TAR_CHAR || n->type == TAR_BLOCK) {
		a->notes |= 1u << APPLY_NOTE_DEVICE;
		return 0;
	}
	if (n->type == TAR_OTHER || n->type == TAR_TYPE_COUNT) {
		a->notes |= 1u << APPLY_NOTE_UNKNOWN;
		return 0;
	}
	if (n->type == TAR_HARDLINK)
		return make_hardlink(a, n, name, e);
	dir_fd = apply_parent(a, name->parent, true, false, e);
	if (dir_fd < 0)
		return dir_fd;
	switch (n->type) {
	case TAR_FILE:
		return make_file(a, t, n, name, dir_fd, e);
	case TAR_DIR:
		path = name->parent[0] == '\0' ? strdup(name->name) :
						 str_printf("%s/%s", name->parent, name->name);
		if (path == NULL)
			return error_set(e, -ENOMEM, "unpack");
		return make_dir(a, n, name, dir_fd, path, e);
	case TAR_SYMLINK:
		return make_symlink(a, n, name, dir_fd, e);
	case TAR_FIFO:
		return make_fifo(a, n, name, dir_fd, e);
	case TAR_HARDLINK:
	case TAR_CHAR:
	case TAR_BLOCK:
	case TAR_OTHER:
	case TAR_TYPE_COUNT:
		break;
	}
	return 0;
}

int apply_entry(struct apply *a, struct tar_reader *t, const struct tar_entry *n, struct error *e)
{
	_cleanup_free_ char *shown = NULL;
	int r;

	if (++a->entries > LIMIT_TAR_ENTRIES)
		return error_setf(e, -E2BIG, "the layer has more than %u entries",
				  LIMIT_TAR_ENTRIES);
	if (a->stale) {
		apply_cache_drop(a);
		a->stale = false;
	}
	r = apply_one(a, t, n, e);
	if (r < 0) {
		shown = str_escape(n->path);
		return error_prefix(e, "entry \"%.200s\"", shown != NULL ? shown : "");
	}
	return 0;
}

int apply_finish(struct apply *a, struct error *e)
{
	for (size_t i = 0; i < a->late_n; i++) {
		const struct apply_late *l = &a->late[i];
		struct timespec t = { .tv_sec = l->mtime, .tv_nsec = (long)l->mtime_ns };
		struct timespec times[2] = { t, t };
		_cleanup_fd_ int fd = -1;

		if (l->path[0] == '\0')
			fd = fcntl(a->root_fd, F_DUPFD_CLOEXEC, 3);
		else
			fd = path_open_in(a->root_fd, l->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
					  0);
		if (fd < 0)
			continue; /* replaced by something else later on */
		if (fchmod(fd, l->mode & 07777) < 0)
			return error_set(e, -errno, "change the mode of a directory");
		if (futimens(fd, times) < 0 && errno != EINVAL)
			return error_set(e, -errno, "set the time of a directory");
	}
	return 0;
}
