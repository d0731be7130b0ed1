/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root directory of crt-fetch.
 *
 * Theory of operation
 *
 * crt-fetch starts in a copy of the caller's mount namespace and must end in
 * one that shows nothing of it. The new root is a small read-only tmpfs with
 *
 *   /txn   the transaction directory, where there is one: the only place that can be written
 *   /src   the local source, when it is a directory; read-only
 *   /etc   with network: copies of resolv.conf, hosts, nsswitch.conf, gai.conf,
 *          host.conf, openssl's configuration and the bundle of certificates
 *
 * Copies, not binds: the files are small, and a bind could be of anything that
 * appears under that name later. No libraries: all that is used was loaded
 * before (the resolver's modules by cage_enter()).
 *
 * A descriptor of a directory that was opened outside is a way out: ".." of it
 * leads to the host's root. So the descriptors that crt passed are replaced by
 * ones of the bind mounts, whose ".." ends at the mount. They belong to mounts
 * of the caller's namespace and cannot be cloned themselves; their path is
 * looked up again and must lead to the same inode.
 *
 * Mounts below such a directory are left behind; only where that is forbidden,
 * because they were made outside of our user namespace and must not be
 * uncovered, they come along, as read-only as the rest.
 *
 * A crash in the middle leaves nothing: the namespace goes with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "storage/unpack/cage.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 1
#define MOUNT_ATTR_NOSUID 2
#define MOUNT_ATTR_NODEV  4
#define MOUNT_ATTR_NOEXEC 8
#endif

#define NEW_ROOT     "/tmp" /* exists everywhere; covered while the new root is made */
#define COPY_MAX     (4u << 20)
#define ROOT_OPTIONS "mode=0755,size=16m,nr_inodes=256"

/* struct mount_attr of the kernel, which libc headers may lack */
struct attr {
	uint64_t set, clear, propagation, userns;
};

/* Bundles as the distributions call them. */
static const char *const ca_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

static const char *const etc_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf",
};

const char *cage_ca_path(void)
{
	return "/etc/ca.pem";
}

/* Copy a file of the host into the new root; one that is not there is left out. */
static int copy_file(const char *from, const char *to, bool *ret_found, struct error *e)
{
	_cleanup_fd_ int in = open(from, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_fd_ int out = -1;
	struct stat st;
	int r;

	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = fd_read_to_end(in, &b, COPY_MAX);
	if (r < 0)
		return error_set(e, r, "read %s", from);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (out < 0)
		return error_set(e, -errno, "make the cage: create %s", to);
	r = fd_write_all(out, buf_str(&b), b.len);
	*ret_found = true;
	return r < 0 ? error_set(e, r, "make the cage: write %s", to) : 0;
}

static int copy_etc(struct error *e)
{
	bool found = false;
	int r = 0;

	if (mkdir(NEW_ROOT "/etc", 0755) < 0)
		return error_set(e, -errno, "make the cage: create /etc");
	for (size_t i = 0; r == 0 && i < sizeof(etc_files) / sizeof(etc_files[0]); i++) {
		_cleanup_free_ char *to = str_printf("%s%s", NEW_ROOT, etc_files[i]);

		r = to == NULL ? error_set(e, -ENOMEM, "make the cage") :
				 copy_file(etc_files[i], to, &found, e);
	}
	found = false;
	for (size_t i = 0; r == 0 && !found && i < sizeof(ca_bundles) / sizeof(ca_bundles[0]); i++)
		r = copy_file(ca_bundles[i], NEW_ROOT "/etc/ca.pem", &found, e);
	return r;
}

/* A detached bind of the directory behind fd, looked up again in this namespace. fd or -errno. */
static int clone_dir(int fd, uint64_t attrs, struct error *e)
{
	struct attr attr = { .set = attrs };
	unsigned int flags = AT_EMPTY_PATH;
	char link[64], path[PATH_MAX];
	_cleanup_fd_ int again = -1;
	struct stat a, b;
	ssize_t n;
	int tree;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* fits */
	n = readlink(link, path, sizeof(path));
	if (n <= 0 || (size_t)n >= sizeof(path))
		return error_set(e, n < 0 ? -errno : -ENAMETOOLONG, "make the cage: read %s", link);
	path[n] = '\0';
	again = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (again < 0)
		return error_set(e, -errno, "make the cage: open %s", path);
	if (fstat(fd, &a) < 0 || fstat(again, &b) < 0 || a.st_dev != b.st_dev ||
	    a.st_ino != b.st_ino)
		return error_setf(e, -ESTALE,
				  "make the cage: %s is not the directory that was passed", path);
	tree = (int)syscall(SYS_open_tree, again, "", flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 && errno == EINVAL) {
		flags |= AT_RECURSIVE;
		tree = (int)syscall(SYS_open_tree, again, "",
				    flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	}
	if (tree < 0)
		return error_set(e, -errno, "make the cage: bind %s", path);
#ifdef SYS_mount_setattr
	/* Linux 5.12; without it the cage has one lock less */
	if (syscall(SYS_mount_setattr, tree, "", flags, &attr, sizeof(attr)) < 0 &&
	    errno != ENOSYS) {
		int r = error_set(e, -errno, "make the cage: restrict %s", path);

		(void)close(tree);
		return r;
	}
#else
	(void)attr;
#endif
	return tree;
}

static int attach(int tree, const char *at, struct error *e)
{
	if (mkdir(at, 0755) < 0)
		return error_set(e, -errno, "make the cage: create %s", at);
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_set(e, -errno, "make the cage: mount %s", at);
	return 0;
}

static int enter(struct error *e)
{
	if (chdir(NEW_ROOT) < 0)
		return error_set(e, -errno, "make the cage: enter it");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* the old root lies over the new one now */
		if (umount2(".", MNT_DETACH) < 0)
			return error_set(e, -errno, "make the cage: leave the old root");
	} else {
		/* the initial root file system cannot be pivoted away */
		if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
			return error_set(e, -errno, "make the cage: change the root");
	}
	if (chdir("/") < 0)
		return error_set(e, -errno, "make the cage: enter it");
	if (mount(NULL, "/", NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_set(e, -errno, "make the cage: make it read-only");
	return 0;
}

static int reopen(const char *path, int *fd, struct error *e)
{
	int n = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (n < 0)
		return error_set(e, -errno, "make the cage: open %s", path);
	(void)close(*fd); /* nothing was written through it */
	*fd = n;
	return 0;
}

int cage_root(int *txn_fd, int *source_fd, bool network, struct error *e)
{
	const uint64_t closed = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	_cleanup_fd_ int txn_tree = -1;
	_cleanup_fd_ int source_tree = -1;
	struct stat st;
	int r = 0;

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_set(e, -errno, "make the cage: detach the mounts");
	if (txn_fd != NULL) {
		txn_tree = clone_dir(*txn_fd, closed, e);
		if (txn_tree < 0)
			return txn_tree;
	}
	if (source_fd != NULL && fstat(*source_fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		source_tree = clone_dir(*source_fd, closed | MOUNT_ATTR_RDONLY, e);
		if (source_tree < 0)
			return source_tree;
	}
	if (mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ROOT_OPTIONS) < 0)
		return error_set(e, -errno, "make the cage: mount its root");
	if (txn_tree >= 0)
		r = attach(txn_tree, NEW_ROOT "/txn", e);
	if (r == 0 && source_tree >= 0)
		r = attach(source_tree, NEW_ROOT "/src", e);
	if (r == 0 && network)
		r = copy_etc(e);
	if (r == 0)
		r = enter(e);
	if (r == 0 && txn_tree >= 0)
		r = reopen("/txn", txn_fd, e);
	if (r == 0 && source_tree >= 0)
		r = reopen("/src", source_fd, e);
	return r;
}
