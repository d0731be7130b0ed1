/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners, modes, times, extended attributes and overlay marks of unpacked entries.
 *
 * Theory of operation
 *
 * Ids are the tar's (any 64-bit number). Where the user namespace maps a range
 * (keep_ids), an id inside the map is used as it is and one outside becomes
 * the largest mapped id: an image with absurd owners is still usable. Where
 * only one id exists, everything stays the caller's and the wanted owner, mode
 * and kind are written to the attribute user.containers.override_stat as other
 * rootless tools do, but only where they differ from what the inode says.
 *
 * Order on one inode: owner, then mode (chown clears set-id bits), then
 * attributes (security.capability is cleared by chown), then times.
 *
 * The overlay file system obeys marks that are plain data in a layer
 * (user.overlay.*, a character device 0:0). Those of the tar are dropped, also
 * those of fuse-overlayfs and the override attribute; only the marks made here
 * from whiteout names exist afterwards. Where the file system refuses the
 * marks, files called ".wh.NAME" and ".wh..wh..opq" stand in, which
 * fuse-overlayfs understands.
 *
 * Directories get their final mode and time at the end (apply_finish), when
 * nothing is written below them any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "storage/unpack/apply-priv.h"

#define OVERRIDE_XATTR "user.containers.override_stat"
#define OPAQUE_XATTR   "user.overlay.opaque"

static uint32_t squash(struct apply *a, uint64_t id, const struct id_range *r, size_t n)
{
	uint32_t best = 0;

	if (n == 0 && id < UINT32_MAX)
		return (uint32_t)id;
	if (n == 0)
		best = UINT32_MAX - 1;
	for (size_t i = 0; i < n; i++) {
		if (id >= r[i].inside && id - r[i].inside < r[i].count)
			return (uint32_t)id;
		if (r[i].inside + (r[i].count - 1) > best)
			best = r[i].inside + (r[i].count - 1);
	}
	a->notes |= 1u << APPLY_NOTE_SQUASHED;
	return best;
}

struct apply_ids apply_ids(struct apply *a, const struct tar_entry *n)
{
	struct apply_ids ids = { .uid = 0, .gid = 0 };

	if (a->o.set_owner) {
		ids.uid = a->o.uid;
		ids.gid = a->o.gid;
	} else if (a->o.keep_ids) {
		ids.uid = squash(a, n->uid, a->o.map->uid, a->o.map->uid_n);
		ids.gid = squash(a, n->gid, a->o.map->gid, a->o.map->gid_n);
	}
	return ids;
}

static bool foreign_mark(const char *name)
{
	static const char *const prefixes[] = { "user.overlay.", "user.fuseoverlayfs.",
						"user.containers." };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (str_starts(name, prefixes[i]))
			return true;
	return false;
}

static int set_xattrs(struct apply *a, int fd, const struct tar_entry *n, struct error *e)
{
	for (size_t i = 0; i < n->xattrs_n; i++) {
		const struct tar_xattr *x = &n->xattrs[i];
		bool caps = strcmp(x->name, "security.capability") == 0;

		if (caps ? n->type != TAR_FILE :
			   !str_starts(x->name, "user.") || foreign_mark(x->name))
			continue;
		if (caps && !a->o.keep_ids) {
			a->notes |= 1u << APPLY_NOTE_CAPS;
			continue;
		}
		if (fsetxattr(fd, x->name, x->value, x->len, 0) == 0)
			continue;
		if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
			return error_set(e, -errno, "set attribute %.60s", x->name);
		a->notes |= 1u << (caps ? APPLY_NOTE_CAPS : APPLY_NOTE_XATTR);
	}
	return 0;
}

/* Remember owner and mode that this inode cannot have. */
static int set_override(struct apply *a, int fd, const struct tar_entry *n, mode_t have,
			struct error *e)
{
	char text[96];

	if (n->uid == 0 && n->gid == 0 && (have & 07777) == n->mode)
		return 0;
	(void)snprintf(text, sizeof(text), "%llu:%llu:%04o:%s", (unsigned long long)n->uid,
		       (unsigned long long)n->gid, n->mode,
		       n->type == TAR_DIR ? "dir" : "file"); /* bounded: two ids, a mode, a word */
	if (fsetxattr(fd, OVERRIDE_XATTR, text, strlen(text), 0) == 0)
		return 0;
	if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
		return error_set(e, -errno, "set attribute %s", OVERRIDE_XATTR);
	a->notes |= 1u << APPLY_NOTE_OVERRIDE;
	return 0;
}

static struct timespec entry_time(const struct tar_entry *n)
{
	return (struct timespec){ .tv_sec = n->mtime, .tv_nsec = (long)n->mtime_ns };
}

int apply_meta_fd(struct apply *a, int fd, const struct tar_entry *n, mode_t have_mode,
		  struct error *e)
{
	struct apply_ids ids = apply_ids(a, n);
	struct timespec times[2] = { entry_time(n), entry_time(n) };
	bool chowned = a->o.keep_ids && (ids.uid != 0 || ids.gid != 0 || a->o.is_copy);
	int r;

	if (chowned && fchown(fd, ids.uid, ids.gid) < 0)
		return error_set(e, -errno, "change the owner to %u:%u", ids.uid, ids.gid);
	if (n->type != TAR_DIR) {
		if ((have_mode & 07777) != n->mode || (n->mode & 07000) != 0)
			if (fchmod(fd, n->mode) < 0)
				return error_set(e, -errno, "change the mode");
		have_mode = n->mode;
	} else {
		have_mode = a->o.keep_ids ? n->mode : n->mode | 0700;
	}
	r = n->xattrs_n > 0 ? set_xattrs(a, fd, n, e) : 0;
	if (r == 0 && !a->o.keep_ids && !a->o.is_copy)
		r = set_override(a, fd, n, have_mode, e);
	if (r < 0)
		return r;
	if (n->type != TAR_DIR && futimens(fd, times) < 0 && errno != EINVAL)
		return error_set(e, -errno, "set the time");
	return 0;
}

int apply_meta_at(struct apply *a, int dir_fd, const char *name, const struct tar_entry *n,
		  struct error *e)
{
	struct apply_ids ids = apply_ids(a, n);
	struct timespec times[2] = { entry_time(n), entry_time(n) };

	if (a->o.keep_ids && (ids.uid != 0 || ids.gid != 0 || a->o.is_copy) &&
	    fchownat(dir_fd, name, ids.uid, ids.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(e, -errno, "change the owner to %u:%u", ids.uid, ids.gid);
	if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != EINVAL)
		return error_set(e, -errno, "set the time");
	return 0;
}

int apply_late_add(struct apply *a, const char *path, const struct tar_entry *n)
{
	struct apply_late *l;

	if (a->late_n == a->late_cap) {
		size_t cap = a->late_cap == 0 ? 64 : a->late_cap * 2;

		l = reallocarray(a->late, cap, sizeof(*l));
		if (l == NULL)
			return -ENOMEM;
		a->late = l;
		a->late_cap = cap;
	}
	l = &a->late[a->late_n];
	*l = (struct apply_late){
		.path = strdup(path), .mode = n->mode, .mtime = n->mtime, .mtime_ns = n->mtime_ns
	};
	if (l->path == NULL)
		return -ENOMEM;
	if (!a->o.keep_ids && !a->o.is_copy)
		l->mode |= 0700;
	a->late_n++;
	return 0;
}

/* An empty file that stands in for a mark. */
static int stand_in(struct apply *a, int dir_fd, const char *name, struct error *e)
{
	_cleanup_fd_ int fd = -1;

	a->notes |= 1u << APPLY_NOTE_MARK;
	a->no_mark = true;
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? error_set(e, -errno, "write a whiteout") : 0;
}

int apply_mark_opaque(struct apply *a, int fd, struct error *e)
{
	if (!a->no_mark) {
		if (fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) == 0)
			return 0;
		if (errno == ENOSPC || errno == EDQUOT || errno == EIO)
			return error_set(e, -errno, "mark a directory opaque");
	}
	return stand_in(a, fd, ".wh..wh..opq", e);
}

int apply_mark_whiteout(struct apply *a, int dir_fd, const char *name, struct error *e)
{
	char text[NAME_MAX + 1];

	if (mknodat(dir_fd, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != EINVAL)
		return error_set(e, -errno, "write a whiteout");
	if ((size_t)snprintf(text, sizeof(text), ".wh.%s", name) >= sizeof(text))
		return error_setf(e, -ENAMETOOLONG, "the name of a whiteout is too long");
	return stand_in(a, dir_fd, text, e);
}
