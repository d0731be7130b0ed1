/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which overlay works for this store.
 *
 * Theory of operation
 *
 * Whether the kernel's overlay works depends on the kernel (5.11 in a user
 * namespace), on security modules, and on the file system of the store (user
 * xattrs, whiteouts, not being an overlay itself, not NFS). It cannot be told
 * from versions, so a tiny overlay is mounted in a transaction directory and
 * used: a file of the lower layer is removed (must become a whiteout), a
 * directory is removed and made again (must be opaque), a file is written.
 *
 * The answer is kept in the store's file "driver" with a key of boot id,
 * kernel release and file system; another key means that it is asked again.
 * That nothing works is not kept: the user may be about to install something.
 * The file is only a hint: a torn or foreign one does not match and is replaced.
 * The attacker controls nothing here; a crash leaves a stale transaction.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/procfs.h"
#include "storage/store.h"

#define CACHE_MAX     1024
#define UMOUNT_DETACH 2 /* MNT_DETACH; see native.c about the headers */

/* ---- the cache -------------------------------------------------------------------- */

static int make_key(const struct storage *s, char *ret, size_t len)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	struct utsname u;
	struct stat st;
	char boot[37];
	int n;

	if (proc_fd < 0 || procfs_boot_id(proc_fd, boot) < 0 || uname(&u) < 0 ||
	    fstat(s->root_fd, &st) < 0)
		return -EIO;
	n = snprintf(ret, len, "%s %s %u:%u", boot, u.release, major(st.st_dev), minor(st.st_dev));
	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

static enum storage_driver cache_read(struct storage *s, const char *key, char *why, size_t why_len)
{
	_cleanup_free_ char *text = NULL;
	enum storage_driver d;
	char *word, *reason;

	if (fd_read_file_at(s->root_fd, "driver", CACHE_MAX, &text, NULL, NULL) < 0)
		return STORAGE_DRIVER_AUTO;
	word = strchr(text, '\n');
	reason = word != NULL ? strchr(word + 1, '\n') : NULL;
	if (word == NULL || reason == NULL)
		return STORAGE_DRIVER_AUTO;
	*word++ = '\0';
	*reason++ = '\0';
	reason[strcspn(reason, "\n")] = '\0';
	if (strcmp(text, key) != 0)
		return STORAGE_DRIVER_AUTO;
	if (strcmp(word, "overlay") == 0)
		d = STORAGE_DRIVER_OVERLAY;
	else if (strcmp(word, "fuse") == 0)
		d = STORAGE_DRIVER_FUSE;
	else
		return STORAGE_DRIVER_AUTO;
	(void)snprintf(why, why_len, "%s", reason); /* cut where too long */
	return d;
}

static void cache_write(struct storage *s, const char *key, enum storage_driver d, const char *why)
{
	_cleanup_free_ char *text = str_printf(
		"%s\n%s\n%s\n", key, d == STORAGE_DRIVER_OVERLAY ? "overlay" : "fuse", why);

	/* Without it the next run probes again. */
	if (text != NULL)
		(void)fd_write_file_at(s->root_fd, "driver", text, strlen(text), 0600, false, NULL);
}

void overlay_probe_forget(struct storage *s)
{
	(void)unlinkat(s->root_fd, "driver", 0); /* absent is fine */
}

enum storage_driver storage_driver_cached(struct storage *s, char *why, size_t why_len)
{
	char key[256];

	if (s->root_fd < 0 || make_key(s, key, sizeof(key)) < 0)
		return STORAGE_DRIVER_AUTO;
	return cache_read(s, key, why, why_len);
}

/* ---- the try ----------------------------------------------------------------------- */

static int put_file(int dir_fd, const char *name)
{
	_cleanup_fd_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, "x", 1);

	return r;
}

static int open_at(int dir_fd, const char *name, int flags)
{
	return openat(dir_fd, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Use the mounted overlay as a container would. */
static int exercise(int dir_fd, struct error *e)
{
	_cleanup_fd_ int m = open_at(dir_fd, "m", O_RDONLY);
	struct stat st;
	int r;

	if (m < 0)
		return error_set(e, -errno, "kernel overlay: open");
	if (unlinkat(m, "file", 0) < 0)
		return error_set(e, -errno, "kernel overlay: remove a file of a layer");
	if (fstatat(dir_fd, "u/file", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != 0)
		return error_setf(e, -EOPNOTSUPP,
				  "kernel overlay: a removed file leaves no whiteout");
	if (unlinkat(m, "dir/file", 0) < 0 || unlinkat(m, "dir", AT_REMOVEDIR) < 0 ||
	    mkdirat(m, "dir", 0700) < 0)
		return error_set(e, -errno, "kernel overlay: replace a directory of a layer");
	if (fstatat(m, "dir/file", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_setf(e, -EOPNOTSUPP,
				  "kernel overlay: a replaced directory shows its old files");
	r = put_file(m, "dir/new");
	return r < 0 ? error_set(e, r, "kernel overlay: write a file") : 0;
}

/* Make the directories of the trial and open them: lower, lower, upper, work, target. 0 or -errno. */
static int prepare(struct storage *s, int dir_fd, int fds[5], struct error *e)
{
	static const char *const dirs[] = { "l2", "l", "u", "w", "m", "l/dir" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		r = mkdirat(dir_fd, dirs[i], 0700) < 0 ? -errno : 0;
	for (size_t i = 0; r == 0 && i < 5; i++) {
		fds[i] = open_at(dir_fd, dirs[i], O_PATH);
		r = fds[i] < 0 ? -errno : 0;
	}
	if (r == 0)
		r = put_file(dir_fd, "l/file");
	if (r == 0)
		r = put_file(dir_fd, "l/dir/file");
	return r < 0 ? error_set(e, r, "probe the overlay in %s/tmp", s->root) : 0;
}

/* Mount and use it. 0 = works, -errno = does not. */
static int trial(const char *path, int dir_fd, int fds[5], struct error *e)
{
	const char *names[2] = { path, path };
	const struct overlay_plan p = {
		.lower_fd = fds,
		.lower = names,
		.lower_n = 2,
		.upper_fd = fds[2],
		.work_fd = fds[3],
		.upper = path,
		.work = path,
	};
	_cleanup_free_ char *m = str_printf("%s/m", path);
	int r;

	if (m == NULL)
		return error_set(e, -ENOMEM, "probe the overlay");
	r = overlay_native_mount(&p, fds[4], OVERLAY_API_FD, e);
	if (r < 0)
		return r;
	r = exercise(dir_fd, e);
	if (syscall(SYS_umount2, m, UMOUNT_DETACH) < 0)
		r = error_set(e, -errno, "probe the overlay: unmount");
	return r;
}

/* 0 = works, 1 = the trial could not be set up, -errno = does not work. */
static int try_native(struct storage *s, struct error *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int dir_fd = -1;
	struct storage_txn *t = NULL;
	int fds[5] = { -1, -1, -1, -1, -1 };
	int r = 1;

	if (storage_txn_begin(s, &t, e) < 0)
		return 1;
	/*
	 * The store may have been opened before this mount namespace was made, and
	 * an overlay takes no directory of another namespace: go by the path.
	 */
	path = str_printf("%s/tmp/%s", s->root, txn_name(t));
	dir_fd = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (dir_fd < 0)
		(void)error_set(e, path != NULL ? -errno : -ENOMEM, "probe the overlay in %s/tmp",
				s->root);
	else if (prepare(s, dir_fd, fds, e) == 0)
		r = trial(path, dir_fd, fds, e);
	for (size_t i = 0; i < 5; i++)
		close_fd(&fds[i]);
	storage_txn_abort(t);
	return r;
}

int overlay_probe(struct storage *s, char *why, size_t why_len, struct error *e)
{
	struct error native = ERROR_INIT, fuse = ERROR_INIT;
	enum storage_driver d;
	char key[256];
	bool keep = make_key(s, key, sizeof(key)) == 0;
	int r;

	d = keep ? cache_read(s, key, why, why_len) : STORAGE_DRIVER_AUTO;
	if (d != STORAGE_DRIVER_AUTO)
		return (int)d;
	r = try_native(s, &native);
	if (r >= 0) {
		d = STORAGE_DRIVER_OVERLAY;
		(void)snprintf(why, why_len, "%s",
			       r == 0 ? "the kernel's overlay works here" : native.msg);
		keep = keep && r == 0;
	} else {
		r = overlay_fuse_usable(&fuse);
		if (r < 0)
			return error_setf(e, r, "no way to mount a root file system: %s; %s",
					  native.msg, fuse.msg);
		d = STORAGE_DRIVER_FUSE;
		(void)snprintf(why, why_len, "%s", native.msg);
	}
	if (keep)
		cache_write(s, key, d, why);
	return (int)d;
}
