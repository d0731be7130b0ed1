/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of files as a tar archive.
 *
 * Theory of operation
 *
 * The tree belongs to an image or a container, which may be writing in it at this moment.
 * Every directory is opened below its parent's descriptor with O_NOFOLLOW, files likewise
 * with O_NONBLOCK and are read only when the opened one is regular; so no link leads
 * anywhere and no FIFO stops us. The walk has its own stack. Only the last directories
 * stay open: an older one is opened again from the top (RESOLVE_BENEATH without links) and
 * must be the same inode, else it was moved and the walk ends with an error. So depth
 * costs no descriptors and no stack.
 *
 * The names of a directory are read at once and sorted. What vanishes between that and its
 * turn is left out. A file's size is what fstat() said when it was opened; exactly that
 * many bytes are written.
 *
 * As a layer (is_layer) the overlay's marks are turned into those of image layers: a character
 * device 0:0 becomes ".wh.NAME", an opaque directory gets ".wh..wh..opq" as its first entry. The
 * attributes of overlays and of stores (user.overlay.*, user.fuseoverlayfs.*,
 * user.containers.*) are never written: they would be obeyed when the archive is unpacked
 * by a tool less careful than ours.
 *
 * Nothing is changed; a crash leaves a part of an archive at the writer's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "storage/pack/write.h"
#include "storage/storage.h"

#define OPEN_FRAMES    48
#define SPARSE_MIN     (64u << 10) /* holes smaller than this together are written as zeros */
#define SPARSE_EXTENTS 4096	   /* a file with more pieces is written whole */
#define XATTRS_MAX     64

/* One directory on the way down. */
struct frame {
	int fd; /* -1 = closed for now */
	dev_t dev;
	ino_t ino;
	char *names; /* one behind the other, each with its NUL */
	const char **sorted;
	size_t n, at;
	size_t rel_len; /* of walk.rel and walk.path without this directory's entries */
	size_t path_len;
};

struct link {
	dev_t dev;
	ino_t ino;
	char *path; /* NULL = free */
};

struct walk {
	const struct storage_pack *p;
	struct pack_writer *w;
	struct frame *frames;
	size_t depth, cap;
	struct buf rel;	 /* below root_fd */
	struct buf path; /* in the archive */
	struct link *links;
	size_t links_n, links_cap;
	char *xattr_names, *xattr_values; /* LIMIT_TAR_XATTR_BYTES each */
	struct tar_xattr xattrs[XATTRS_MAX];
	size_t xattrs_n;
	struct tar_extent *extents;
};

/* An entry on its way into the archive. */
struct item {
	int dir_fd;
	const char *name;
	struct stat st;
	struct tar_entry entry;
	bool opaque; /* is_layer: a directory that hides the lower one */
};

static int fail(const struct walk *k, int code, const char *what, struct error *e)
{
	_cleanup_free_ char *shown = str_escape(buf_str(&k->path));

	return error_set(e, code, "%s /%.200s", what, shown != NULL ? shown : "");
}

static bool is_gone(int code)
{
	return code == -ENOENT || code == -ELOOP || code == -ENOTDIR || code == -ESTALE;
}

/* ---- hard links ------------------------------------------------------------------------------ */

static struct link *find_link(struct link *links, size_t cap, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15ull) >> 20) & (cap - 1);

	while (links[i].path != NULL && (links[i].ino != ino || links[i].dev != dev))
		i = (i + 1) & (cap - 1);
	return &links[i];
}

static int grow_links(struct walk *k)
{
	size_t cap = k->links_cap == 0 ? 256 : k->links_cap * 2;
	struct link *links = calloc(cap, sizeof(*links));

	if (links == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < k->links_cap; i++)
		if (k->links[i].path != NULL)
			*find_link(links, cap, k->links[i].dev, k->links[i].ino) = k->links[i];
	free(k->links);
	k->links = links;
	k->links_cap = cap;
	return 0;
}

/* *ret: the path under which this inode is in the archive already, or NULL (then it is noted). */
static int seen_before(struct walk *k, const struct stat *st, const char **ret)
{
	struct link *l;

	if ((k->links_n + 1) * 2 > k->links_cap && grow_links(k) < 0)
		return -ENOMEM;
	l = find_link(k->links, k->links_cap, st->st_dev, st->st_ino);
	*ret = l->path;
	if (l->path != NULL)
		return 0;
	l->path = strdup(buf_str(&k->path));
	if (l->path == NULL)
		return -ENOMEM;
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	k->links_n++;
	return 0;
}

/* ---- attributes ---------------------------------------------------------------------------------- */

static bool is_mark(const char *name)
{
	return str_starts(name, "user.overlay.") || str_starts(name, "user.fuseoverlayfs.") ||
	       str_starts(name, "user.containers.");
}

/* "uid:gid:mode[:kind]" as rootless tools note what the inode cannot have. */
static void use_override(struct item *it, const char *text)
{
	unsigned long uid, gid, mode;
	char *end;

	uid = strtoul(text, &end, 10);
	if (end == text || *end != ':')
		return;
	text = end + 1;
	gid = strtoul(text, &end, 10);
	if (end == text || *end != ':')
		return;
	text = end + 1;
	mode = strtoul(text, &end, 8);
	if (end == text || (*end != '\0' && *end != ':') || uid > UINT32_MAX || gid > UINT32_MAX)
		return;
	it->entry.uid = uid;
	it->entry.gid = gid;
	it->entry.mode = (uint32_t)mode & 07777;
}

static void take_xattr(struct walk *k, struct item *it, int fd, const char *name, size_t *used)
{
	char mark[128];
	ssize_t n;

	if (is_mark(name)) {
		bool override = k->p->use_override &&
				strcmp(name, "user.containers.override_stat") == 0;
		bool opaque = k->p->is_layer && S_ISDIR(it->st.st_mode) &&
			      str_ends(name, ".opaque");

		n = override || opaque ? fgetxattr(fd, name, mark, sizeof(mark) - 1) : 0;
		if (n <= 0)
			return;
		mark[n] = '\0';
		if (override)
			use_override(it, mark);
		else if (mark[0] == 'y')
			it->opaque = true;
		return;
	}
	if ((!str_starts(name, "user.") && strcmp(name, "security.capability") != 0) ||
	    k->xattrs_n == XATTRS_MAX || *used >= LIMIT_TAR_XATTR_BYTES)
		return; /* no room: with a size of 0 the call would only measure */
	n = fgetxattr(fd, name, k->xattr_values + *used, LIMIT_TAR_XATTR_BYTES - *used);
	if (n < 0)
		return; /* vanished, or too large for all of them together */
	k->xattrs[k->xattrs_n++] =
		(struct tar_xattr){ .name = k->xattr_names + (name - k->xattr_names),
				    .value = k->xattr_values + *used,
				    .len = (size_t)n };
	*used += (size_t)n;
}

static int by_xattr_name(const void *a, const void *b)
{
	const struct tar_xattr *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void take_xattrs(struct walk *k, struct item *it, int fd)
{
	ssize_t len = flistxattr(fd, k->xattr_names, LIMIT_TAR_XATTR_BYTES);
	size_t used = 0;

	k->xattrs_n = 0;
	for (ssize_t i = 0; i < len; i += (ssize_t)strlen(k->xattr_names + i) + 1)
		take_xattr(k, it, fd, k->xattr_names + i, &used);
	if (k->xattrs_n > 1)
		qsort(k->xattrs, k->xattrs_n, sizeof(k->xattrs[0]), by_xattr_name);
	it->entry.xattrs = k->xattrs;
	it->entry.xattrs_n = k->xattrs_n;
}

/* ---- one entry ---------------------------------------------------------------------------------------- */

/* Owner, mode, times of the stat. */
static void set_entry(const struct walk *k, struct item *it)
{
	struct tar_entry *n = &it->entry;

	*n = (struct tar_entry){
		.path = buf_str(&k->path),
		.link = "",
		.mode = it->st.st_mode & 07777,
		.uid = it->st.st_uid,
		.gid = it->st.st_gid,
		.mtime = it->st.st_mtim.tv_sec,
		.mtime_ns = k->p->with_fractions ? (uint32_t)it->st.st_mtim.tv_nsec : 0,
	};
}

/* Ask the hook. 0, 1 = leave it out, -errno. */
static int ask(struct walk *k, struct item *it, struct error *e)
{
	struct storage_pack_meta m = { .uid = it->entry.uid,
				       .gid = it->entry.gid,
				       .mode = it->entry.mode,
				       .type = it->st.st_mode & S_IFMT };
	int r = k->p->hook != NULL ? k->p->hook(k->p->hook_data, buf_str(&k->path), &m, e) : 0;

	it->entry.uid = m.uid;
	it->entry.gid = m.gid;
	it->entry.mode = m.mode & 07777;
	return r;
}

/* The pieces of a file that have data. Their number, 0 = write it whole. */
static size_t map_holes(struct walk *k, int fd, const struct stat *st)
{
	uint64_t data = 0;
	off_t at = 0;
	size_t n = 0;

	if ((uint64_t)st->st_blocks * 512 + SPARSE_MIN > (uint64_t)st->st_size)
		return 0;
	if (k->extents == NULL)
		k->extents = reallocarray(NULL, SPARSE_EXTENTS + 1, sizeof(*k->extents));
	if (k->extents == NULL)
		return 0;
	while (at < st->st_size) {
		off_t from = lseek(fd, at, SEEK_DATA), to;

		if (from < 0 && errno == ENXIO)
			break;
		if (from < at || n == SPARSE_EXTENTS)
			return 0;
		if (from >= st->st_size)
			break;
		to = lseek(fd, from, SEEK_HOLE);
		if (to <= from)
			return 0;
		if (to > st->st_size)
			to = st->st_size;
		k->extents[n++] = (struct tar_extent){ (uint64_t)from, (uint64_t)(to - from) };
		data += (uint64_t)(to - from);
		at = to;
	}
	if (data + SPARSE_MIN > (uint64_t)st->st_size)
		return 0;
	/* a last piece of nothing says how long the file is, as GNU tar writes it */
	k->extents[n++] = (struct tar_extent){ (uint64_t)st->st_size, 0 };
	return n;
}

static int copy_bytes(struct walk *k, int fd, uint64_t from, uint64_t len, struct error *e)
{
	while (len > 0) {
		size_t room;
		void *p = pack_room(k->w, &room, e);
		ssize_t n;

		if (p == NULL)
			return e != NULL && e->code < 0 ? e->code : -EIO;
		if (room > len)
			room = (size_t)len;
		n = pread(fd, p, room, (off_t)from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return fail(k, -errno, "reading", e);
		if (n <= 0) {
			/* it became shorter meanwhile: what is missing of the piece is zeros */
			memset(p, 0, room);
			n = (ssize_t)room;
		}
		pack_filled(k->w, (size_t)n);
		from += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int pack_file(struct walk *k, struct item *it, struct error *e)
{
	_cleanup_fd_ int fd = openat(it->dir_fd, it->name,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size_t pieces;
	int r;

	if (fd < 0 || fstat(fd, &it->st) < 0)
		return is_gone(-errno) ? 0 : fail(k, -errno, "opening", e);
	if (!S_ISREG(it->st.st_mode))
		return 0; /* it was exchanged meanwhile */
	set_entry(k, it);
	take_xattrs(k, it, fd);
	r = ask(k, it, e);
	if (r != 0)
		return r < 0 ? r : 0;
	it->entry.type = TAR_FILE;
	it->entry.size = (uint64_t)it->st.st_size;
	if (it->st.st_nlink > 1) {
		const char *first;

		if (seen_before(k, &it->st, &first) < 0)
			return error_set(e, -ENOMEM, "writing the archive");
		if (first != NULL) {
			it->entry.type = TAR_HARDLINK;
			it->entry.link = first;
			it->entry.xattrs_n = 0;
			return pack_entry(k->w, &it->entry, NULL, 0, e);
		}
	}
	pieces = map_holes(k, fd, &it->st);
	it->entry.sparse = pieces > 0;
	r = pack_entry(k->w, &it->entry, k->extents, pieces, e);
	if (pieces == 0 && r == 0)
		r = copy_bytes(k, fd, 0, it->entry.size, e);
	for (size_t i = 0; r == 0 && i < pieces; i++)
		r = copy_bytes(k, fd, k->extents[i].offset, k->extents[i].len, e);
	return r;
}

static int pack_link(struct walk *k, struct item *it, struct error *e)
{
	char target[LIMIT_TAR_NAME + 1];
	const char *first = NULL;
	ssize_t n = readlinkat(it->dir_fd, it->name, target, sizeof(target) - 1);
	int r;

	if (n < 0)
		return is_gone(-errno) || errno == EINVAL ? 0 : fail(k, -errno, "reading", e);
	target[n] = '\0';
	set_entry(k, it);
	r = ask(k, it, e);
	if (r != 0)
		return r < 0 ? r : 0;
	it->entry.type = TAR_SYMLINK;
	it->entry.link = target;
	if (it->st.st_nlink > 1 && seen_before(k, &it->st, &first) < 0)
		return error_set(e, -ENOMEM, "writing the archive");
	if (first != NULL) {
		it->entry.type = TAR_HARDLINK;
		it->entry.link = first;
	}
	return pack_entry(k->w, &it->entry, NULL, 0, e);
}

/* An empty file that is a mark in a layer. */
static int pack_mark(struct walk *k, const char *prefix, const char *name, struct error *e)
{
	struct tar_entry n = { .type = TAR_FILE, .link = "", .mtime = 0 };
	_cleanup_free_ char *path = str_printf("%s%s%s", prefix, name[0] != '\0' ? ".wh." : "",
					       name[0] != '\0' ? name : ".wh..wh..opq");

	if (path == NULL)
		return error_set(e, -ENOMEM, "writing the archive");
	n.path = path;
	return pack_entry(k->w, &n, NULL, 0, e);
}

static int pack_special(struct walk *k, struct item *it, struct error *e)
{
	bool chr = S_ISCHR(it->st.st_mode);
	int r;

	if (k->p->is_layer && chr && it->st.st_rdev == makedev(0, 0)) {
		_cleanup_free_ char *dir =
			strndup(buf_str(&k->path), k->path.len - strlen(it->name));

		return dir == NULL ? error_set(e, -ENOMEM, "writing the archive") :
				     pack_mark(k, dir, it->name, e);
	}
	if (S_ISSOCK(it->st.st_mode))
		return 0; /* an archive has none */
	set_entry(k, it);
	r = ask(k, it, e);
	if (r != 0)
		return r < 0 ? r : 0;
	it->entry.type = S_ISFIFO(it->st.st_mode) ? TAR_FIFO : chr ? TAR_CHAR : TAR_BLOCK;
	it->entry.dev_major = major(it->st.st_rdev);
	it->entry.dev_minor = minor(it->st.st_rdev);
	return pack_entry(k->w, &it->entry, NULL, 0, e);
}

/* ---- directories ------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_names(struct walk *k, struct frame *f, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	_cleanup_buf_ struct buf names = BUF_INIT;
	const struct dirent *de;
	int fd = fd_dup(f->fd);
	const char *s;

	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		close_fd(&fd);
		return fail(k, fd < 0 ? fd : -ENOMEM, "reading", e);
	}
	rewinddir(d);
	errno = 0;
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		(void)buf_append(&names, de->d_name, strlen(de->d_name) + 1);
		f->n++;
	}
	if (errno != 0 && !is_gone(-errno))
		return fail(k, -errno, "reading", e);
	f->sorted = calloc(f->n + 1, sizeof(char *));
	if (names.err != 0 || f->sorted == NULL)
		return error_set(e, -ENOMEM, "writing the archive");
	f->names = names.data;
	names.data = NULL;
	s = f->names;
	for (size_t i = 0; i < f->n; i++, s += strlen(s) + 1)
		f->sorted[i] = s;
	if (f->n > 1)
		qsort(f->sorted, f->n, sizeof(char *), by_name);
	return 0;
}

static void frame_fini(struct frame *f)
{
	close_fd(&f->fd);
	free(f->names);
	free(f->sorted);
}

/* File systems that are views of the kernel. */
static bool is_pseudo(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case BPF_FS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Go into a directory; walk.rel and walk.path name it. fd is taken. */
static int push(struct walk *k, int fd, const struct stat *st, bool pseudo, struct error *e)
{
	_cleanup_fd_ int own = fd;
	struct frame *f;

	if (k->depth == k->cap) {
		size_t cap = k->cap == 0 ? 32 : k->cap * 2;

		f = reallocarray(k->frames, cap, sizeof(*f));
		if (f == NULL)
			return error_set(e, -ENOMEM, "writing the archive");
		k->frames = f;
		k->cap = cap;
	}
	f = &k->frames[k->depth++];
	*f = (struct frame){ .fd = steal_fd(&own),
			     .dev = st->st_dev,
			     .ino = st->st_ino,
			     .rel_len = k->rel.len,
			     .path_len = k->path.len };
	if (k->depth > OPEN_FRAMES)
		close_fd(&k->frames[k->depth - 1 - OPEN_FRAMES].fd);
	return pseudo ? 0 : read_names(k, f, e);
}

static int frame_open(struct walk *k, struct frame *f, struct error *e)
{
	struct stat st;

	if (f->fd >= 0)
		return 0;
	f->fd = path_open_beneath(k->p->root_fd, buf_str(&k->rel), O_RDONLY | O_DIRECTORY, 0);
	if (f->fd < 0)
		return fail(k, f->fd, "opening", e);
	if (fstat(f->fd, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino)
		return fail(k, -ESTALE, "a directory was moved while it was read:", e);
	return 0;
}

static void cut(struct buf *b, size_t len)
{
	if (b->data != NULL)
		b->data[len] = '\0';
	b->len = len;
}

/* The entry of a directory, then into it. parent_dev: to notice mounts. */
static int pack_dir(struct walk *k, struct item *it, dev_t parent_dev, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(it->dir_fd, it->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool pseudo;
	int r;

	if (fd < 0 || fstat(fd, &it->st) < 0)
		return is_gone(-errno) ? 0 : fail(k, -errno, "opening", e);
	pseudo = it->st.st_dev != parent_dev && is_pseudo(fd);
	set_entry(k, it);
	take_xattrs(k, it, fd);
	r = ask(k, it, e);
	if (r != 0)
		return r < 0 ? r : 0;
	(void)buf_putc(&k->path, '/');
	if (k->path.err != 0)
		return error_set(e, -ENOMEM, "writing the archive");
	it->entry.type = TAR_DIR;
	it->entry.path = buf_str(&k->path);
	r = pack_entry(k->w, &it->entry, NULL, 0, e);
	if (r == 0)
		r = push(k, steal_fd(&fd), &it->st, pseudo, e);
	if (r == 0 && it->opaque)
		r = pack_mark(k, buf_str(&k->path), "", e);
	return r;
}

static int pack_one(struct walk *k, int dir_fd, const char *name, dev_t parent_dev, struct error *e)
{
	struct item it = { .dir_fd = dir_fd, .name = name };

	if (fstatat(dir_fd, name, &it.st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(-errno) ? 0 : fail(k, -errno, "looking at", e);
	if (S_ISDIR(it.st.st_mode))
		return pack_dir(k, &it, parent_dev, e);
	if (S_ISREG(it.st.st_mode))
		return pack_file(k, &it, e);
	if (S_ISLNK(it.st.st_mode))
		return pack_link(k, &it, e);
	return pack_special(k, &it, e);
}

/* The next entry of the innermost directory, or out of it. */
static int step(struct walk *k, struct error *e)
{
	struct frame *f = &k->frames[k->depth - 1];
	const char *name;
	dev_t dev = f->dev;
	int r;

	cut(&k->rel, f->rel_len);
	cut(&k->path, f->path_len);
	if (f->at == f->n) {
		frame_fini(f);
		k->depth--;
		return 0;
	}
	r = frame_open(k, f, e);
	if (r < 0)
		return r;
	name = f->sorted[f->at++];
	if (k->p->is_layer && strcmp(name, ".wh..wh..opq") == 0)
		return pack_mark(k, buf_str(&k->path), "", e);
	if (k->rel.len > 0)
		(void)buf_putc(&k->rel, '/');
	(void)buf_puts(&k->rel, name);
	(void)buf_puts(&k->path, name);
	if (k->rel.err != 0 || k->path.err != 0)
		return error_set(e, -ENOMEM, "writing the archive");
	if (k->path.len >= LIMIT_TAR_NAME || k->rel.len >= LIMIT_TAR_NAME)
		return fail(k, -ENAMETOOLONG, "packing", e);
	return pack_one(k, f->fd, name, dev, e);
}

/* Everything below root_fd. */
static int begin_all(struct walk *k, struct error *e)
{
	const struct storage_pack *p = k->p;
	struct item it = { .dir_fd = p->root_fd, .name = "." };
	_cleanup_fd_ int fd = openat(p->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0 || fstat(fd, &it.st) < 0)
		return fail(k, -errno, "opening", e);
	if (p->as != NULL && p->as[0] != '\0') {
		(void)buf_printf(&k->path, "%s/", p->as);
		if (k->path.err != 0)
			return error_set(e, -ENOMEM, "writing the archive");
	}
	set_entry(k, &it);
	take_xattrs(k, &it, fd);
	if (p->with_top) {
		r = ask(k, &it, e);
		if (r < 0)
			return r;
		it.entry.type = TAR_DIR;
		it.entry.path = k->path.len > 0 ? buf_str(&k->path) : "./";
		r = pack_entry(k->w, &it.entry, NULL, 0, e);
		if (r < 0)
			return r;
	}
	return push(k, steal_fd(&fd), &it.st, false, e);
}

static int begin(struct walk *k, struct error *e)
{
	const struct storage_pack *p = k->p;
	struct stat st;

	if (p->name == NULL)
		return begin_all(k, e);
	if (fstat(p->root_fd, &st) < 0)
		return fail(k, -errno, "opening", e);
	(void)buf_puts(&k->rel, p->name);
	(void)buf_puts(&k->path, p->as != NULL ? p->as : p->name);
	if (k->rel.err != 0 || k->path.err != 0)
		return error_set(e, -ENOMEM, "writing the archive");
	return pack_one(k, p->root_fd, p->name, st.st_dev, e);
}

static void walk_fini(struct walk *k)
{
	while (k->depth > 0)
		frame_fini(&k->frames[--k->depth]);
	free(k->frames);
	for (size_t i = 0; i < k->links_cap; i++)
		free(k->links[i].path);
	free(k->links);
	buf_fini(&k->rel);
	buf_fini(&k->path);
	free(k->xattr_names);
	free(k->xattr_values);
	free(k->extents);
	pack_writer_free(k->w);
}

int storage_pack(const struct storage_pack *p, struct error *e)
{
	struct walk k = { .p = p };
	int r;

	k.xattr_names = malloc(LIMIT_TAR_XATTR_BYTES);
	k.xattr_values = malloc(LIMIT_TAR_XATTR_BYTES);
	if (k.xattr_names == NULL || k.xattr_values == NULL ||
	    pack_writer_new(p->write, p->write_data, &k.w) < 0)
		r = error_set(e, -ENOMEM, "writing the archive");
	else
		r = begin(&k, e);
	while (r == 0 && k.depth > 0)
		r = step(&k, e);
	if (r == 0)
		r = pack_end(k.w, e);
	walk_fini(&k);
	return r;
}

int storage_pack_to_fd(void *data, const void *bytes, size_t len, struct error *e)
{
	const int *fd = data;
	int r = fd_write_all(*fd, bytes, len);

	return r < 0 ? error_set(e, r, "writing the archive") : 0;
}
