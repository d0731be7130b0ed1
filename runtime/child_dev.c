/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev of the container: device nodes, links, the console.
 *
 * Theory of operation: /dev is always a tmpfs of our own that nobody else has
 * seen yet, so that nothing here can meet a link planted by the image (the
 * path "dev" itself was checked to be a real directory). Nodes are made by
 * mknod; a user namespace forbids that, so there the host's node is bound: it
 * was opened before the root file system was touched, and its type and number
 * were compared with what was asked for.
 *
 * The console: the pty is opened in the container's own devpts instance
 * through /dev/pts/ptmx (checked to be character device 5:2), the slave comes
 * from TIOCGPTPEER on that very fd, never from a path, and /dev/console is a
 * bind of that fd.
 */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/* Detach a copy of the host's node. False when there is none and it may be missing. */
static bool open_device(struct plan_device *d, size_t index)
{
	struct stat st;

	d->fd = sys_open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE);
	if (d->fd < 0) {
		if (d->optional && errno == ENOENT)
			return false;
		child_fail(STEP_DEVICE_SOURCE, index, errno);
	}
	if (fstat(d->fd, &st) < 0)
		child_fail(STEP_DEVICE_SOURCE, index, errno);
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) || st.st_rdev != d->dev)
		child_fail(STEP_DEVICE_WRONG, index, EINVAL);
	return true;
}

void child_dev_prepare(struct child_plan *p)
{
	if (!p->in_userns)
		return;
	for (size_t i = 0; i < p->devices_n; i++)
		if (!S_ISFIFO(p->devices[i].mode))
			(void)open_device(&p->devices[i],
					  i); /* a missing optional one keeps fd -1 */
}

static void make_device(const struct child_plan *p, struct plan_device *d, size_t index,
			int root_fd, int dev_fd)
{
	const char *name = NULL;
	int dir_fd = dev_fd, target_fd;

	if (strncmp(d->path, "/dev/", 5) == 0 && strchr(d->path + 5, '/') == NULL &&
	    d->path[5] != '\0')
		name = d->path + 5;
	else if ((dir_fd = child_path_parent(root_fd, d->path, &name)) < 0)
		child_fail(STEP_DEVICE, index, -dir_fd);
	if (d->fd < 0) {
		if (p->in_userns && !S_ISFIFO(d->mode))
			goto out; /* optional and missing on the host */
		if (mknodat(dir_fd, name, d->mode, d->dev) < 0) {
			if (errno == EEXIST)
				goto out;
			if (errno != EPERM || !open_device(d, index))
				child_fail(STEP_DEVICE, index, errno);
		} else {
			if ((d->uid != 0 || d->gid != 0) &&
			    fchownat(dir_fd, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
				child_fail(STEP_DEVICE, index, errno);
			goto out;
		}
	}
	target_fd =
		openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target_fd < 0 && errno == EEXIST)
		target_fd = sys_openat2(dir_fd, name, O_PATH | O_NOFOLLOW, 0, SYS_RESOLVE_STRICT);
	if (target_fd < 0 || sys_attach(d->fd, target_fd) < 0)
		child_fail(STEP_DEVICE, index, errno);
	child_close(target_fd);
	child_close(d->fd);
	d->fd = -1;
out:
	if (dir_fd != dev_fd)
		child_close(dir_fd);
}

static void make_link(const struct plan_link *l, size_t index, int dev_fd)
{
	/* links lie in /dev itself; a device or mount of that name wins */
	if (symlinkat(l->target, dev_fd, l->path + strlen("/dev/")) < 0 && errno != EEXIST)
		child_fail(STEP_SYMLINK, index, errno);
}

void child_dev_fill(struct child_plan *p, int root_fd)
{
	int dev_fd = child_path_open(root_fd, "dev", O_PATH | O_DIRECTORY, true);

	if (dev_fd < 0)
		child_fail(STEP_DEVICE, 0, -dev_fd);
	for (size_t i = 0; i < p->devices_n; i++)
		make_device(p, &p->devices[i], i, root_fd, dev_fd);
	for (size_t i = 0; i < p->links_n; i++)
		make_link(&p->links[i], i, dev_fd);
	child_close(dev_fd);
}

int child_dev_node(int root_fd, const char *path, dev_t dev)
{
	int fd = child_path_open(root_fd, path, O_PATH | O_NOFOLLOW, true);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == dev)
		return fd;
	child_close(fd);
	return -EPERM;
}

int child_dev_null(int root_fd)
{
	return child_dev_node(root_fd, "dev/null", makedev(1, 3));
}

static int open_ptmx(int root_fd)
{
	struct statfs sfs;
	struct stat st;
	int fd = child_path_open(root_fd, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, true);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
	    fstatfs(fd, &sfs) == 0 && sfs.f_type == DEVPTS_SUPER_MAGIC)
		return fd;
	child_close(fd);
	return -ENOTTY;
}

/* A bind of the slave at /dev/console, in our own /dev only. */
static void bind_console(int root_fd, int slave_fd)
{
	int dev_fd, tree_fd, target_fd;

	dev_fd = child_path_open(root_fd, "dev", O_PATH | O_DIRECTORY, true);
	if (dev_fd < 0)
		child_fail(STEP_CONSOLE_BIND, 0, -dev_fd);
	target_fd = openat(dev_fd, "console", O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC,
			   0600);
	if (target_fd < 0 && errno == EEXIST)
		target_fd =
			sys_openat2(dev_fd, "console", O_PATH | O_NOFOLLOW, 0, SYS_RESOLVE_STRICT);
	tree_fd = sys_open_tree(slave_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (target_fd < 0 || tree_fd < 0 || sys_attach(tree_fd, target_fd) < 0)
		child_fail(STEP_CONSOLE_BIND, 0, errno);
	child_close(tree_fd);
	child_close(target_fd);
	child_close(dev_fd);
}

int child_console_open(struct child_plan *p, int root_fd)
{
	struct child_report rep = { .kind = REPORT_CONSOLE };
	struct winsize ws = { .ws_row = p->process->rows, .ws_col = p->process->cols };
	int master_fd = open_ptmx(root_fd), slave_fd, unlock = 0, r;

	if (master_fd < 0)
		child_fail(STEP_CONSOLE_PTMX, 0, -master_fd);
	if (ioctl(master_fd, TIOCSPTLCK, &unlock) < 0)
		child_fail(STEP_CONSOLE_PTMX, 0, errno);
	slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave_fd < 0)
		child_fail(STEP_CONSOLE_PEER, 0, errno);
	if (ws.ws_row != 0 || ws.ws_col != 0)
		(void)ioctl(master_fd, TIOCSWINSZ, &ws); /* the terminal works without */
	if (!p->enter)
		bind_console(root_fd, slave_fd);
	if (p->console_sock_fd >= 0)
		r = child_send_fd(p->console_sock_fd, "/dev/pts/ptmx", strlen("/dev/pts/ptmx"),
				  master_fd);
	else
		r = child_send_fd(child_report_fd, &rep, sizeof(rep), master_fd);
	if (r < 0)
		child_fail(STEP_CONSOLE_SEND, 0, -r);
	child_close(master_fd);
	/* ours to hand over; a single-id map may refuse and then it already belongs to the only id */
	(void)!fchown(slave_fd, p->process->uid, (gid_t)-1);
	return slave_fd;
}
