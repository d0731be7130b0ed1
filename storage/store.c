/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's directory: where it is, who may own it, its layout, and the
 * check at every opening.
 *
 * Theory of operation
 *
 * The root is found once (argument, CRT_ROOT, XDG_DATA_HOME, HOME, the passwd
 * file) and opened; everything else is reached from that file descriptor with
 * names that we build from checked ids and digests, so no string from outside
 * is ever resolved from "/". The root must be a directory of the effective
 * user that nobody else may write, and no symbolic link: another user of a
 * login node who makes it first (in /tmp, in a shared directory) is refused,
 * not followed. Files of images below layers/ and containers/ID/upper are
 * hostile; they are never opened here.
 *
 * The layout is made in any order with the version file last: a directory
 * without a version is an unfinished layout and is completed by the next
 * opening. A version that we do not know is refused.
 *
 * The check at opening costs one fstatat() in the usual case: the link count
 * of tmp/ says whether a transaction exists. If one does, its lock tells
 * whether its owner lives; if not, it is renamed to trash/. Nothing is deleted
 * here, because the files of a layer may belong to subordinate ids: deleting
 * is storage_trash_empty()'s, called by a process inside a namespace. A crash
 * at any point leaves the entry either in tmp/ or in trash/.
 *
 * The race between a transaction being made and this check: both open (with
 * O_CREAT) and flock the lock file inside the directory. The check keeps the
 * lock while renaming; the maker, once it has the lock, looks whether its
 * directory still has its name, and starts again otherwise (txn.c).
 */
#include "storage/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/path.h"

int store_rel(char ret[STORE_PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(ret, STORE_PATH_MAX, fmt, ap);
	va_end(ap);
	return n < 0 || n >= STORE_PATH_MAX ? -ENAMETOOLONG : 0;
}

int store_need(const struct storage *s, struct error *e)
{
	if (s->root_fd < 0)
		return error_setf(e, -ENOENT, "there is no store at %s", s->root);
	return 0;
}

int store_token(char ret[17])
{
	char id[ID_LEN + 1];
	int r = id_generate(id);

	if (r < 0)
		return r;
	memcpy(ret, id, 16);
	ret[16] = '\0';
	return 0;
}

/* ---- where ------------------------------------------------------------------- */

/* Home directory of uid in /etc/passwd; no NSS, so that nothing is loaded into us. */
static char *home_from_passwd(uid_t uid)
{
	_cleanup_file_ FILE *f = fopen("/etc/passwd", "re");
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (f == NULL)
		return NULL;
	while ((n = getline(&line, &cap, f)) > 0) {
		char *field[7] = { line };
		unsigned long long id;
		size_t k = 1;

		if ((size_t)n > LIMIT_LINE)
			return NULL;
		line[strcspn(line, "\n")] = '\0';
		for (char *p = line; *p != '\0' && k < 7; p++) {
			if (*p == ':') {
				*p = '\0';
				field[k++] = p + 1;
			}
		}
		if (k < 6 || str_to_u64(field[2], UINT32_MAX, &id) < 0 || id != uid)
			continue;
		return field[5][0] == '/' ? strdup(field[5]) : NULL;
	}
	return NULL;
}

static const char *env_abs(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && v[0] == '/' ? v : NULL;
}

/* The absolute path of the store. 0 or -errno. */
static int find_root(const char *root, char **ret, struct error *e)
{
	_cleanup_free_ char *home = NULL;
	const char *base;
	char *path = NULL;

	if (root == NULL)
		root = getenv("CRT_ROOT");
	if (root != NULL && root[0] != '\0') {
		if (root[0] == '/') {
			path = strdup(root);
		} else {
			_cleanup_free_ char *cwd = getcwd(NULL, 0);

			if (cwd == NULL)
				return error_set(e, -errno, "store %s: working directory", root);
			path = str_printf("%s/%s", cwd, root);
		}
	} else if ((base = env_abs("XDG_DATA_HOME")) != NULL) {
		path = str_printf("%s/crt", base);
	} else {
		base = env_abs("HOME");
		if (base == NULL)
			base = home = home_from_passwd(geteuid());
		if (base == NULL)
			return error_setf(
				e, -ENOENT,
				"no place for the store: neither HOME, XDG_DATA_HOME nor CRT_ROOT is "
				"set and user %u has no home directory; set CRT_ROOT to a directory",
				(unsigned int)geteuid());
		path = str_printf("%s/.local/share/crt", base);
	}
	if (path == NULL)
		return error_set(e, -ENOMEM, "store");
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	*ret = path;
	return 0;
}

/* ---- layout and check ---------------------------------------------------------- */

/*
 * skeleton/: the mount points that every container needs, as the lowest layer
 * of every root file system. Where an image lacks one of them it is there
 * already, and nothing has to be created in (and later deleted from) the
 * writable layer of each run. What the image has, wins.
 */
static int make_skeleton(struct storage *s, struct error *e)
{
	static const char *const dirs[] = { "skeleton",	     "skeleton/dev", "skeleton/etc",
					    "skeleton/proc", "skeleton/run", "skeleton/sys" };
	static const char *const files[] = { "skeleton/etc/hosts", "skeleton/etc/hostname",
					     "skeleton/etc/resolv.conf",
					     "skeleton/run/.containerenv" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if ((mkdirat(s->root_fd, dirs[i], 0755) < 0 && errno != EEXIST) ||
		    fchmodat(s->root_fd, dirs[i], 0755, 0) < 0)
			return error_set(e, -errno, "create %s/%s", s->root, dirs[i]);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_fd_ int fd = openat(s->root_fd, files[i],
					     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

		if (fd < 0 || fchmod(fd, 0644) < 0)
			return error_set(e, -errno, "create %s/%s", s->root, files[i]);
	}
	return 0;
}

static int make_layout(struct storage *s, struct error *e)
{
	static const char *const dirs[] = { "oci",    "oci/blobs", "oci/blobs/sha256",
					    "layers", "names",	   "containers",
					    "tmp",    "trash",	   "empty" };
	/* Made now, because a lock must be had also when the disk is full. */
	static const char *const locks[] = { "index.lock", "gc.lock", "names.lock" };
	static const char oci_layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	_cleanup_fd_ int oci_fd = -1;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (mkdirat(s->root_fd, dirs[i], 0700) < 0 && errno != EEXIST)
			return error_set(e, -errno, "create %s/%s", s->root, dirs[i]);
	}
	for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
		_cleanup_fd_ int fd = openat(s->root_fd, locks[i],
					     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return error_set(e, -errno, "create %s/%s", s->root, locks[i]);
	}
	if (make_skeleton(s, e) < 0)
		return e != NULL ? e->code : -EIO;
	oci_fd = openat(s->root_fd, "oci", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (oci_fd < 0)
		return error_set(e, -errno, "open %s/oci", s->root);
	if (fd_write_file_at(oci_fd, "oci-layout", oci_layout, sizeof(oci_layout) - 1, 0600, false,
			     e) < 0 ||
	    fd_write_file_at(s->root_fd, "version", STORE_VERSION "\n", sizeof(STORE_VERSION), 0600,
			     false, e) < 0)
		return error_prefix(e, "store %s", s->root);
	return 0;
}

/* 1 = a version that we know, 0 = none yet, -errno. */
static int check_version(struct storage *s, struct error *e)
{
	char text[32] = "";
	ssize_t n;
	_cleanup_fd_ int fd =
		openat(s->root_fd, "version", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(e, -errno, "open %s/version", s->root);
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return error_set(e, -errno, "read %s/version", s->root);
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '\0')
		return 0; /* cut off by a power failure: the layout is checked again */
	if (strcmp(text, STORE_VERSION) != 0) {
		_cleanup_free_ char *shown = str_escape(text);

		return error_setf(
			e, -EPROTO,
			"store %s has format \"%s\", this program knows format " STORE_VERSION
			" only: use the newer program or another --root",
			s->root, shown != NULL ? shown : "?");
	}
	return 1;
}

/* An existing root must be ours alone. */
static int check_owner(const struct storage *s, struct error *e)
{
	struct stat st;

	if (fstat(s->root_fd, &st) < 0)
		return error_set(e, -errno, "stat %s", s->root);
	if (st.st_uid != geteuid())
		return error_setf(
			e, -EPERM,
			"store %s belongs to user %u, not to you (%u): choose another place with CRT_ROOT",
			s->root, (unsigned int)st.st_uid, (unsigned int)geteuid());
	if ((st.st_mode & 022) != 0)
		return error_setf(
			e, -EPERM,
			"store %s may be written by others (mode %04o): run chmod 700 on it",
			s->root, (unsigned int)(st.st_mode & 07777));
	if ((st.st_mode & 055) != 0 && !storage_is_shared(s) && fchmod(s->root_fd, 0700) < 0)
		return error_set(e, -errno, "chmod 700 %s", s->root);
	return 0;
}

static int open_root(struct storage *s, bool create, struct error *e)
{
	s->root_fd = openat(AT_FDCWD, s->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->root_fd < 0) {
		struct stat st;

		if (errno == ENOENT && !create)
			return 0;
		if ((errno == ELOOP || errno == ENOTDIR) && lstat(s->root, &st) == 0 &&
		    S_ISLNK(st.st_mode))
			return error_setf(
				e, -ELOOP,
				"store %s is a symbolic link, which is not followed: name its target by "
				"CRT_ROOT",
				s->root);
		if (errno != ENOENT)
			return error_set(e, -errno, "open store %s", s->root);
		s->root_fd = path_open_private_dir(s->root, e);
		if (s->root_fd < 0) {
			(void)error_prefix(e, "create store");
			return error_hint(e, " (another place: --root DIR or CRT_ROOT)");
		}
	}
	return check_owner(s, e);
}

int storage_open(const char *root, bool create, struct storage **ret, struct error *e)
{
	struct storage *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return error_set(e, -ENOMEM, "open store");
	s->root_fd = -1;
	r = find_root(root, &s->root, e);
	if (r == 0)
		r = open_root(s, create, e);
	if (r == 0 && s->root_fd >= 0) {
		r = check_version(s, e);
		if (r == 0) {
			if (create)
				r = make_layout(s, e);
			else
				close_fd(&s->root_fd);
		}
		if (r >= 0 && s->root_fd >= 0 && !store_dir_is_empty(s, "tmp"))
			(void)store_txn_live(s, NULL); /* moves the dead ones away */
	}
	if (r < 0) {
		storage_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void storage_free(struct storage *s)
{
	if (s == NULL)
		return;
	extra_free(s);
	close_fd(&s->root_fd);
	free(s->root);
	free(s);
}

const char *storage_root(const struct storage *s)
{
	return s->root;
}

int storage_root_fd(const struct storage *s)
{
	return s->root_fd;
}

bool store_is_damage(int r)
{
	return r == -ENOENT || r == -EBADMSG || r == -EINVAL || r == -E2BIG || r == -EFBIG ||
	       r == -ELOOP;
}

/* ---- tmp and trash ---------------------------------------------------------------- */

/* Open a directory below the root for reading. NULL and errno on failure. */
static DIR *open_dir(const struct storage *s, const char *name)
{
	int fd = openat(s->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d;

	if (fd < 0)
		return NULL;
	d = fdopendir(fd);
	if (d == NULL)
		close_fd(&fd);
	return d;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

bool store_dir_is_empty(const struct storage *s, const char *name)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	struct stat st;

	if (fstatat(s->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	/* Only directories are put there, and most file systems count each as a link; btrfs says 1. */
	if (st.st_nlink >= 2)
		return st.st_nlink == 2;
	d = open_dir(s, name);
	if (d == NULL)
		return true;
	while ((de = readdir(d)) != NULL) {
		if (!is_dots(de->d_name))
			return false;
	}
	return true;
}

int store_trash(struct storage *s, int dir_fd, const char *name, char *ret_name, struct error *e)
{
	char path[STORE_PATH_MAX], token[17];
	int r = store_token(token);

	if (r < 0)
		return error_set(e, r, "random name");
	r = store_rel(path, "trash/%s", token);
	if (r < 0)
		return error_set(e, r, "%s", token);
	if (renameat(dir_fd, name, s->root_fd, path) < 0)
		return error_set(e, -errno, "move %s to %s/trash", name, s->root);
	if (ret_name != NULL)
		memcpy(ret_name, token, sizeof(token));
	return 0;
}

int store_discard(struct storage *s, int dir_fd, const char *name, struct error *e)
{
	_cleanup_fd_ int trash_fd = -1;
	char token[17];
	int r = store_trash(s, dir_fd, name, token, e);

	if (r < 0)
		return r;
	trash_fd = openat(s->root_fd, "trash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (trash_fd >= 0)
		(void)path_remove_tree(trash_fd, token,
				       NULL); /* what is not ours waits for storage_trash_empty() */
	return 0;
}

bool store_txn_live(struct storage *s, const char *except)
{
	_cleanup_dir_ DIR *d = open_dir(s, "tmp");
	const struct dirent *de;
	bool live = d == NULL && errno != ENOENT; /* what cannot be seen may live */

	while (d != NULL && (de = readdir(d)) != NULL) {
		_cleanup_fd_ int dir_fd = -1;
		_cleanup_fd_ int lock = -1;

		if (is_dots(de->d_name) || (except != NULL && strcmp(de->d_name, except) == 0))
			continue;
		dir_fd = openat(dirfd(d), de->d_name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir_fd < 0) {
			live = live || (errno != ENOENT && errno != ENOTDIR && errno != ELOOP);
			continue;
		}
		lock = lock_file_at(dir_fd, "lock", true, 0, NULL);
		if (lock < 0) {
			/* A full disk cannot make the lock file of a directory that has none: then it is stale. */
			live = live || (lock != -ENOSPC && lock != -EDQUOT);
			if (lock != -ENOSPC && lock != -EDQUOT)
				continue;
		}
		(void)store_trash(s, dirfd(d), de->d_name, NULL,
				  NULL); /* stays in tmp/ for the next time */
	}
	return live;
}

bool storage_trash_pending(const struct storage *s)
{
	return s->root_fd >= 0 && !store_dir_is_empty(s, "trash");
}

void storage_trash_empty(struct storage *s)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;

	if (s->root_fd < 0)
		return;
	d = open_dir(s, "trash");
	while (d != NULL && (de = readdir(d)) != NULL) {
		if (!is_dots(de->d_name))
			(void)path_remove_tree(dirfd(d), de->d_name,
					       NULL); /* best effort: the next call retries */
	}
}
