/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a tree that an attacker may write.
 *
 * Theory of operation
 *
 * The attacker owns the tree: every component may be a symbolic link to
 * "/etc/shadow", a link to itself, a FIFO, a device, a link of /proc, and may be
 * replaced by another one between two of our system calls. Our answers:
 *
 *  - A path is never resolved by a string from the host's "/". openat2(2) with
 *    RESOLVE_IN_ROOT does the walk in the kernel, against the root fd, so that a
 *    race can change what is found inside the tree but not lead out of it.
 *    RESOLVE_NO_MAGICLINKS refuses /proc/self/root and its like.
 *  - Creation goes one component at a time: open the component with
 *    O_PATH|O_NOFOLLOW relative to the directory that is held open. A directory is
 *    entered; a missing name is created with mkdirat() or O_CREAT|O_EXCL, which
 *    never follow a link; a link is read and its text is put in front of the
 *    remaining path, starting again at the root fd when it is absolute. ".."
 *    goes back to a path that was walked and is opened again from the root with
 *    RESOLVE_NO_SYMLINKS, never by asking the file system for "..".
 *  - Files are opened with O_NONBLOCK|O_NOCTTY and checked to be regular before
 *    they are read: a FIFO must not hang us.
 *
 * path_remove_tree() walks with an explicit stack of frames, each with the
 * device and inode of its directory. Only the last frames keep their directory
 * open; an older one is opened again through ".." and must be the same inode,
 * so that a tree which is moved under our feet stops the removal instead of
 * leading it elsewhere. Each descent uses RESOLVE_NO_XDEV: a mount inside the
 * tree, be it a bind mount of the same file system, is never emptied.
 *
 * A crash leaves some missing directories created, a temporary file beside its
 * target, or a tree that is partly removed. All of them can be repeated.
 */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"

#define LINKS_MAX 40 /* as the kernel's MAXSYMLINKS */
#define RETRIES_MAX \
	128	       /* EAGAIN of openat2 while somebody renames, or a name that comes and goes */
#define OPEN_FRAMES 64 /* directories that path_remove_tree() keeps open */
#define RESCANS_MAX 8  /* how often a directory that should be empty is read again */

static int open_how(int dir_fd, const char *path, int flags, mode_t mode,
		    unsigned long long resolve)
{
	struct open_how how = { .flags = (unsigned int)(flags | O_CLOEXEC), .resolve = resolve };

	if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))
		how.mode = mode & 07777;
	if (path[0] == '\0')
		path = ".";
	for (int tries = 0;; tries++) {
		int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno == EINTR || (errno == EAGAIN && tries < RETRIES_MAX))
			continue;
		return -errno;
	}
}

int path_open_in(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_beneath(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_how(root_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* ---- walking and creating --------------------------------------------------- */

enum walk_want {
	WALK_DIR,     /* the last component must be (or become) a directory */
	WALK_ANY_DIR, /* ... a directory when it is missing, any object when it exists */
	WALK_ANY_FILE /* ... an empty regular file when it is missing, any object when it exists */
};

struct walk {
	int root_fd;
	int fd;		 /* where we are (O_PATH) */
	char *todo;	 /* what is left of the path */
	struct buf done; /* real path of fd below the root: no links, no ".." */
	mode_t mode;
	int links;
};

static void walk_fini(struct walk *w)
{
	close_fd(&w->fd);
	free(w->todo);
	buf_fini(&w->done);
}

/* Go to the real path in w->done, which may not hold links any more. */
static int walk_goto(struct walk *w)
{
	int fd = open_how(w->root_fd, buf_str(&w->done), O_PATH | O_DIRECTORY, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (fd < 0)
		return fd;
	close_fd(&w->fd);
	w->fd = fd;
	return 0;
}

static int walk_up(struct walk *w)
{
	size_t len = w->done.len;

	if (len == 0)
		return 0; /* ".." of the root is the root */
	while (len > 0 && w->done.data[len - 1] != '/')
		len--;
	if (len > 0)
		len--;
	w->done.len = len;
	w->done.data[len] = '\0';
	return walk_goto(w);
}

/* Make name where we are; afterwards it is opened by the caller as any other. */
static int walk_create(struct walk *w, const char *name, bool last, enum walk_want want)
{
	if (last && want == WALK_ANY_FILE) {
		int fd = openat(w->fd, name,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
				0644);

		if (fd < 0)
			return errno == EEXIST ? 0 : -errno;
		(void)close(fd); /* nothing was written */
		return 0;
	}
	if (mkdirat(w->fd, name, w->mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	/* The umask took bits away: give them back, through a descriptor that follows no link. */
	_cleanup_fd_ int fd = openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) != (w->mode & 0777))
		(void)fchmod(fd, w->mode | (st.st_mode &
					    S_ISGID)); /* the directory exists all the same */
	return 0;
}

/* fd is a symbolic link in the directory where we are: put its text before what is left. */
static int walk_link(struct walk *w, int fd)
{
	_cleanup_free_ char *target = NULL;
	struct statfs sfs;
	ssize_t n;
	char *todo;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	/* Links of /proc lead where their text does not say. */
	if (fstatfs(fd, &sfs) < 0)
		return -errno;
	if (sfs.f_type == PROC_SUPER_MAGIC)
		return -ELOOP;
	target = malloc(PATH_MAX + 1);
	if (target == NULL)
		return -ENOMEM;
	n = readlinkat(fd, "", target, PATH_MAX + 1);
	if (n < 0)
		return -errno;
	if (n > PATH_MAX)
		return -ENAMETOOLONG;
	target[n] = '\0';
	todo = str_printf("%s/%s", target, w->todo);
	if (todo == NULL)
		return -ENOMEM;
	if (strlen(todo) > (size_t)PATH_MAX * 2) {
		free(todo);
		return -ENAMETOOLONG;
	}
	free(w->todo);
	w->todo = todo;
	if (target[0] != '/')
		return 0;
	w->done.len = 0;
	if (w->done.data != NULL)
		w->done.data[0] = '\0';
	return walk_goto(w);
}

/* Take the next component off w->todo into *ret (NULL: there is none). *ret_last: only slashes and dots follow. */
static int walk_next(struct walk *w, char **ret, bool *ret_last)
{
	const char *p = w->todo;
	char *name;
	char *rest;
	size_t len;

	for (;;) {
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 1 && p[0] == '.')
			p++;
		else
			break;
	}
	if (len == 0) {
		*ret = NULL;
		return 0;
	}
	name = strndup(p, len);
	rest = strdup(p + len);
	if (name == NULL || rest == NULL) {
		free(name);
		free(rest);
		return -ENOMEM;
	}
	free(w->todo);
	w->todo = rest;
	*ret = name;
	*ret_last = rest[strspn(rest, "/.")] == '\0' && strstr(rest, "..") == NULL;
	return 0;
}

/* One component: enter it, follow it, or create it. 1 = w->fd is the final object. */
static int walk_step(struct walk *w, const char *name, bool last, enum walk_want want)
{
	if (strcmp(name, "..") == 0)
		return walk_up(w);
	for (int tries = 0; tries < RETRIES_MAX; tries++) {
		_cleanup_fd_ int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		int r;

		if (fd < 0) {
			if (errno != ENOENT)
				return -errno;
			r = walk_create(w, name, last, want);
			if (r < 0)
				return r;
			continue;
		}
		if (fstat(fd, &st) < 0)
			return -errno;
		if (S_ISLNK(st.st_mode))
			return walk_link(w, fd);
		if (!S_ISDIR(st.st_mode) && (!last || want == WALK_DIR))
			return -ENOTDIR;
		if (w->done.len > 0)
			(void)buf_putc(&w->done, '/');
		if (buf_puts(&w->done, name) < 0)
			return -ENOMEM;
		close_fd(&w->fd);
		w->fd = steal_fd(&fd);
		return S_ISDIR(st.st_mode) ? 0 : 1;
	}
	return -EAGAIN;
}

static int walk_run(int root_fd, const char *path, mode_t mode, enum walk_want want,
		    struct error *e)
{
	_cleanup_(walk_fini) struct walk w = {
		.root_fd = root_fd, .fd = -1, .done = BUF_INIT, .mode = mode
	};
	int r;

	w.todo = strdup(path);
	if (w.todo == NULL)
		return error_set(e, -ENOMEM, "creating %s", path);
	r = walk_goto(&w);
	while (r == 0) {
		_cleanup_free_ char *name = NULL;
		bool last = false;

		r = walk_next(&w, &name, &last);
		if (r < 0 || name == NULL)
			break;
		r = walk_step(&w, name, last, want);
	}
	if (r < 0)
		return error_set(e, r, "creating %s", path);
	return steal_fd(&w.fd);
}

int path_mkdir_in(int root_fd, const char *path, mode_t mode, struct error *e)
{
	return walk_run(root_fd, path, mode, WALK_DIR, e);
}

int path_mkmountpoint_in(int root_fd, const char *path, bool dir, struct error *e)
{
	return walk_run(root_fd, path, 0755, dir ? WALK_ANY_DIR : WALK_ANY_FILE, e);
}

/* ---- files ------------------------------------------------------------------ */

int path_read_file_in(int root_fd, const char *path, size_t max, char **ret, size_t *ret_len,
		      struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	struct stat st;
	size_t len;
	char *text;
	int r;

	fd = path_open_in(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return error_set(e, fd, "reading %s", path);
	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "reading %s", path);
	if (!S_ISREG(st.st_mode))
		return error_setf(e, -EINVAL, "reading %s: not a regular file", path);
	r = fd_read_to_end(fd, &b, max);
	if (r == -EFBIG)
		return error_setf(e, r, "reading %s: more than %zu bytes", path, max);
	if (r < 0)
		return error_set(e, r, "reading %s", path);
	len = b.len;
	(void)buf_puts(&b, ""); /* an empty file gives "" */
	text = buf_steal(&b);
	if (text == NULL)
		return error_set(e, -ENOMEM, "reading %s", path);
	*ret = text;
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}

/* ---- removing trees ------------------------------------------------------------ */

struct frame {
	DIR *dir; /* NULL: closed because too many are open */
	dev_t dev;
	ino_t ino;
	char *name; /* in its parent */
	int rescans;
};

struct remover {
	struct frame *frames;
	size_t n;
	size_t room;
};

static void remover_fini(struct remover *r)
{
	for (size_t i = 0; i < r->n; i++) {
		cleanup_dir_(&r->frames[i].dir);
		free(r->frames[i].name);
	}
	free(r->frames);
}

/* Open directory name without following anything; take missing permissions of our own directory. */
static int open_victim(int dir_fd, const char *name)
{
	const unsigned long long resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
	_cleanup_fd_ int fd = -1;
	struct stat st;

	fd = open_how(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, resolve);
	if (fd == -EACCES) {
		char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
		_cleanup_fd_ int path_fd =
			open_how(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, resolve);

		if (path_fd < 0)
			return path_fd;
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd); /* fits */
		if (chmod(link, 0700) < 0)
			return -EACCES;
		fd = open_how(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, resolve);
	}
	if (fd < 0)
		return steal_fd(&fd);
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 0700) != 0700)
		(void)fchmod(fd, 0700); /* not ours: then the unlink below says so */
	return steal_fd(&fd);
}

static int push_frame(struct remover *r, int fd, const char *name)
{
	_cleanup_fd_ int own_fd = fd;
	struct frame f = { .dir = NULL };
	struct stat st;

	if (fstat(own_fd, &st) < 0)
		return -errno;
	if (r->n == r->room) {
		size_t room = r->room == 0 ? 32 : r->room * 2;
		struct frame *frames = reallocarray(r->frames, room, sizeof(*frames));

		if (frames == NULL)
			return -ENOMEM;
		r->frames = frames;
		r->room = room;
	}
	f.dev = st.st_dev;
	f.ino = st.st_ino;
	f.name = strdup(name);
	if (f.name == NULL)
		return -ENOMEM;
	f.dir = fdopendir(own_fd);
	if (f.dir == NULL) {
		free(f.name);
		return -errno;
	}
	(void)steal_fd(&own_fd); /* belongs to f.dir now */
	r->frames[r->n++] = f;
	if (r->n > OPEN_FRAMES) {
		struct frame *old = &r->frames[r->n - 1 - OPEN_FRAMES];

		cleanup_dir_(&old->dir);
		old->dir = NULL;
	}
	return 0;
}

/* Leave the top frame, whose directory is empty, and remove it from its parent (dir_fd for the first). */
static int pop_frame(struct remover *r, int dir_fd)
{
	struct frame *top = &r->frames[r->n - 1];
	struct frame *parent = r->n > 1 ? &r->frames[r->n - 2] : NULL;

	if (parent != NULL && parent->dir == NULL) {
		_cleanup_fd_ int fd =
			openat(dirfd(top->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0)
			return -errno;
		if (st.st_dev != parent->dev || st.st_ino != parent->ino)
			return -ESTALE; /* the tree was moved while we were in it */
		parent->dir = fdopendir(fd);
		if (parent->dir == NULL)
			return -errno;
		(void)steal_fd(&fd); /* belongs to parent->dir now */
	}
	if (unlinkat(parent != NULL ? dirfd(parent->dir) : dir_fd, top->name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT) {
		/* Some file systems skip entries while others are removed: read it again. */
		if ((errno != ENOTEMPTY && errno != EEXIST) || top->rescans++ >= RESCANS_MAX)
			return -errno;
		rewinddir(top->dir);
		return 0;
	}
	cleanup_dir_(&top->dir);
	free(top->name);
	r->n--;
	return 0;
}

/* Work on the top frame until a subdirectory is entered or the frame is done. */
static int remove_some(struct remover *r, int dir_fd)
{
	DIR *dir = r->frames[r->n - 1].dir;
	struct dirent *ent;

	for (;;) {
		int fd;

		errno = 0;
		ent = readdir(dir);
		if (ent == NULL) {
			if (errno != 0)
				return -errno;
			return pop_frame(r, dir_fd);
		}
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		if (ent->d_type != DT_DIR) {
			if (unlinkat(dirfd(dir), ent->d_name, 0) == 0 || errno == ENOENT)
				continue;
			if (errno != EISDIR)
				return -errno;
		}
		/* many are empty; whatever is wrong shows up again below */
		if (unlinkat(dirfd(dir), ent->d_name, AT_REMOVEDIR) == 0)
			continue;
		fd = open_victim(dirfd(dir), ent->d_name);
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		return push_frame(r, fd, ent->d_name);
	}
}

int path_remove_tree(int dir_fd, const char *name, struct error *e)
{
	_cleanup_(remover_fini) struct remover rm = { .frames = NULL };
	int r;

	if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return error_setf(e, -EINVAL, "removing \"%s\": not the name of a directory entry",
				  name);
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return error_set(e, -errno, "removing %s", name);
	r = open_victim(dir_fd, name);
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = push_frame(&rm, r, name);
	while (r == 0 && rm.n > 0)
		r = remove_some(&rm, dir_fd);
	if (r == -EXDEV)
		return error_setf(e, r, "removing %s: a file system is mounted inside it", name);
	if (r < 0)
		return error_set(e, r, "removing %s", name);
	return 0;
}

/* ---- our own directories ---------------------------------------------------------- */

static int check_private(int fd, const char *path, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "opening %s", path);
	if (st.st_uid != geteuid())
		return error_setf(e, -EPERM,
				  "directory %s belongs to uid %lu, not to you (uid %lu)", path,
				  (unsigned long)st.st_uid, (unsigned long)geteuid());
	if (st.st_mode & 022)
		return error_setf(
			e, -EPERM,
			"directory %s is writable by others (mode %04o): run chmod go-w on it",
			path, (unsigned int)(st.st_mode & 07777));
	return 0;
}

int path_open_private_dir_at(int dir_fd, const char *name, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	int r;

	for (int tries = 0; tries < 2; tries++) {
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT || tries > 0)
			break;
		if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
			return error_set(e, -errno, "creating directory %s", name);
	}
	if (fd < 0)
		return error_set(e, -errno, "opening directory %s", name);
	r = check_private(fd, name, e);
	return r < 0 ? r : steal_fd(&fd);
}

/* mkdir -p for host paths, which are trusted as far as their owners are. */
static int make_parents(char *path, struct error *e)
{
	for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		int r;

		*p = '\0';
		r = mkdir(path, 0700) < 0 ? -errno : 0;
		if (r < 0 && r != -EEXIST && access(path, F_OK) < 0)
			return error_set(e, r, "creating directory %s", path);
		*p = '/';
	}
	return 0;
}

int path_open_private_dir(const char *path, struct error *e)
{
	_cleanup_free_ char *copy = NULL;
	_cleanup_fd_ int fd = -1;
	int r;

	if (path[0] != '/')
		return error_setf(e, -EINVAL, "directory \"%s\" is not an absolute path", path);
	copy = strdup(path);
	if (copy == NULL)
		return error_set(e, -ENOMEM, "opening directory %s", path);
	/* A slash at the end would make the kernel follow a link. */
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	for (int tries = 0; tries < 2; tries++) {
		fd = open(copy, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT || tries > 0)
			break;
		r = make_parents(copy, e);
		if (r < 0)
			return r;
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return error_set(e, -errno, "creating directory %s", copy);
	}
	if (fd < 0)
		return error_set(e, -errno, "opening directory %s", copy);
	r = check_private(fd, copy, e);
	return r < 0 ? r : steal_fd(&fd);
}

int path_canonical(const char *path, char **ret)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	char link[32];

	if (fd < 0)
		return -errno;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	for (size_t room = 256; room <= 1u << 20; room *= 2) {
		char *p = buf_reserve(&b, room);
		ssize_t n = p == NULL ? -1 : readlink(link, p, room);

		if (n < 0)
			return p == NULL ? b.err : -errno;
		if ((size_t)n < room) {
			p[n] = '\0';
			*ret = strdup(p);
			return *ret != NULL ? 0 : -ENOMEM;
		}
	}
	return -ENAMETOOLONG;
}

char *path_clean(const char *path)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool absolute = path[0] == '/';
	size_t start;

	if (absolute)
		(void)buf_putc(&b, '/'); /* errors are kept in b and seen by buf_steal() */
	start = b.len;
	while (*path != '\0') {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			break;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (b.len > start && b.data[b.len - 1] != '/')
				b.len--;
			if (b.len > start)
				b.len--;
			if (b.data != NULL)
				b.data[b.len] = '\0';
		} else if (len != 1 || path[0] != '.') {
			if (b.len > start)
				(void)buf_putc(&b, '/');
			(void)buf_append(&b, path, len);
		}
		path += len;
	}
	if (b.len == 0)
		(void)buf_putc(&b, '.');
	return buf_steal(&b);
}
