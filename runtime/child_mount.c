/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of the container, by the new process in its own mount namespace.
 *
 * Theory of operation. Two phases. Before the id maps are written (the
 * helpers that write them run meanwhile) child_mount_prepare() makes detached
 * copies of the root file system and of every bind source: it still has the
 * caller's ids, so that it can reach what the caller can, and a source cannot
 * be exchanged afterwards. Then child_mount_all() walks the list in order:
 * each mount exists as a detached object first, its flags are set on that
 * object, the target is opened inside the root (child_path.c) and the mount
 * is moved onto that very fd. No target is ever named by a string from "/".
 *
 * The attacker owns the root file system and volumes, and may exchange names
 * while we run: every step works on fds; a link at a target stays inside the
 * root; /proc, /sys and /dev must be real directories. Nothing may be mounted
 * inside procfs but a few harmless files, because a fake /proc would receive
 * labels and sysctls. Masked paths get our own /dev/null, verified by device
 * number, or an empty read-only tmpfs.
 *
 * Kernels below 5.12 have no mount_setattr: there flags of binds are set by a
 * remount of the attached mount, named through a verified /proc/self/fd.
 * A crash leaves nothing: the namespace dies with its only process.
 */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

static bool no_setattr; /* the kernel has no mount_setattr(2) */

static unsigned long attr_to_ms(uint64_t attr)
{
	unsigned long ms = 0;

	ms |= (attr & MOUNT_ATTR_RDONLY) ? MS_RDONLY : 0;
	ms |= (attr & MOUNT_ATTR_NOSUID) ? MS_NOSUID : 0;
	ms |= (attr & MOUNT_ATTR_NODEV) ? MS_NODEV : 0;
	ms |= (attr & MOUNT_ATTR_NOEXEC) ? MS_NOEXEC : 0;
	ms |= (attr & MOUNT_ATTR_NODIRATIME) ? MS_NODIRATIME : 0;
	switch (attr & MOUNT_ATTR__ATIME) {
	case MOUNT_ATTR_NOATIME:
		ms |= MS_NOATIME;
		break;
	case MOUNT_ATTR_STRICTATIME:
		ms |= MS_STRICTATIME;
		break;
	default:
		break;
	}
	return ms;
}

/* The mount's present flags as MS_*: a remount would drop what it does not repeat. */
static unsigned long current_flags(int fd)
{
	struct statfs st;
	unsigned long ms = 0;

	if (fstatfs(fd, &st) < 0)
		return 0;
	ms |= (st.f_flags & ST_RDONLY) ? MS_RDONLY : 0;
	ms |= (st.f_flags & ST_NOSUID) ? MS_NOSUID : 0;
	ms |= (st.f_flags & ST_NODEV) ? MS_NODEV : 0;
	ms |= (st.f_flags & ST_NOEXEC) ? MS_NOEXEC : 0;
	ms |= (st.f_flags & ST_NOATIME) ? MS_NOATIME : 0;
	ms |= (st.f_flags & ST_NODIRATIME) ? MS_NODIRATIME : 0;
	ms |= (st.f_flags & ST_RELATIME) ? MS_RELATIME : 0;
	return ms;
}

/* mount(2) wants a string: "N" relative to /proc/self/fd of the verified procfs, as the current directory. */
static int mount_on_fd(const struct child_plan *p, int fd, unsigned long flags)
{
	char name[24];
	int dir_fd = openat(p->proc_fd, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (dir_fd < 0)
		return -errno;
	(void)child_append_num(name, name + sizeof(name) - 1, (unsigned long)fd);
	if (fchdir(dir_fd) < 0 || mount(NULL, name, NULL, flags, NULL) < 0)
		r = -errno;
	child_close(dir_fd);
	return r;
}

int child_mount_attr(const struct child_plan *p, int fd, bool attached, bool recursive,
		     uint64_t set, uint64_t clr)
{
	struct sys_mount_attr a = { .attr_set = set, .attr_clr = clr };
	unsigned int flags = recursive ? AT_RECURSIVE : 0;
	int r;

	if (set == 0 && clr == 0)
		return 0;
	if (!no_setattr) {
		if (sys_mount_setattr(fd, flags, &a) == 0)
			return 0;
		if (errno == EPERM && (clr & ~set & ~(uint64_t)MOUNT_ATTR__ATIME) != 0) {
			/* flags that are locked by the parent user namespace stay */
			a.attr_clr = set & MOUNT_ATTR__ATIME ? clr & MOUNT_ATTR__ATIME : 0;
			if (set == 0 || sys_mount_setattr(fd, flags, &a) == 0)
				return 0;
		}
		if (errno != ENOSYS)
			return -errno;
		no_setattr = true;
	}
	if (!attached)
		return -EAGAIN;
	if (set & MOUNT_ATTR_NOSYMFOLLOW)
		return -ENOSYS;
	r = mount_on_fd(p, fd,
			MS_REMOUNT | MS_BIND | (current_flags(fd) & ~attr_to_ms(clr)) |
				attr_to_ms(set));
	if (r == -EPERM && clr != 0)
		r = mount_on_fd(p, fd, MS_REMOUNT | MS_BIND | current_flags(fd) | attr_to_ms(set));
	return r;
}

static int set_propagation(const struct child_plan *p, int fd, unsigned long flags)
{
	struct sys_mount_attr a = { .propagation = flags & ~(unsigned long)MS_REC };

	if (!no_setattr) {
		if (sys_mount_setattr(fd, (flags & MS_REC) ? AT_RECURSIVE : 0, &a) == 0)
			return 0;
		if (errno != ENOSYS)
			return -errno;
		no_setattr = true;
	}
	return mount_on_fd(p, fd, flags);
}

static void open_source(struct plan_mount *m, size_t index)
{
	unsigned int flags = OPEN_TREE_CLONE | (m->recursive ? AT_RECURSIVE : 0u) |
			     (m->src_nofollow ? (unsigned int)AT_SYMLINK_NOFOLLOW : 0u);
	struct stat st;

	if (m->fd < 0)
		m->fd = sys_open_tree(AT_FDCWD, m->source, flags);
	if (m->fd < 0)
		child_fail(STEP_SOURCE, index, errno);
	if (fstat(m->fd, &st) < 0)
		child_fail(STEP_SOURCE, index, errno);
	m->is_dir = S_ISDIR(st.st_mode);
	if (m->recursive && (m->attr_set & MOUNT_ATTR_RDONLY) &&
	    child_path_is(m->destination, "sys") && child_path_is(m->source, "sys")) {
		/* "rbind,ro" alone would leave the host's cgroups below it writable */
		m->rec_set |= MOUNT_ATTR_RDONLY;
		m->host_sys = true;
	}
}

static bool wants_shared(const struct plan_mount *m)
{
	for (size_t i = 0; i < m->propagation_n; i++)
		if (m->propagation[i] & MS_SHARED)
			return true;
	return false;
}

int child_mount_prepare(struct child_plan *p)
{
	unsigned long prop = (p->root_propagation & MS_PRIVATE) ? p->root_propagation :
								  MS_SLAVE | MS_REC;
	int dir_fd, root_fd;

	/* shared volumes stay peers of the host's mounts: copied before these become slaves for us */
	for (size_t i = 0; i < p->mounts_n; i++)
		if (p->mounts[i].kind == PLAN_MOUNT_BIND && wants_shared(&p->mounts[i]))
			open_source(&p->mounts[i], i);
	if (mount(NULL, "/", NULL, prop, NULL) < 0)
		child_fail(STEP_PROPAGATION, 0, errno);
	dir_fd = open(p->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		child_fail(STEP_ROOTFS_OPEN, 0, errno);
	root_fd = sys_open_tree(dir_fd, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH);
	if (root_fd < 0)
		child_fail(STEP_ROOTFS_MOUNT, 0, errno);
	for (size_t i = 0; i < p->mounts_n; i++)
		if (p->mounts[i].kind == PLAN_MOUNT_BIND && !wants_shared(&p->mounts[i]))
			open_source(&p->mounts[i], i);
	/* attached last: a source above the root must not take the copy along */
	if (sys_attach(root_fd, dir_fd) < 0)
		child_fail(STEP_ROOTFS_MOUNT, 0, errno);
	(void)close(dir_fd); /* of the host's tree: must not stay open at the gate */
	return root_fd;
}

/* What is allowed to be covered inside procfs. */
static bool proc_target_allowed(const char *destination)
{
	static const char *const allowed[] = {
		"proc/cpuinfo",
		"proc/diskstats",
		"proc/meminfo",
		"proc/stat",
		"proc/swaps",
		"proc/uptime",
		"proc/loadavg",
		"proc/slabinfo",
		"proc/net/dev",
		"proc/sys/kernel/ns_last_pid",
		"proc/sys/crypto/fips_enabled",
	};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (child_path_is(destination, allowed[i]))
			return true;
	return false;
}

static void check_target(const struct plan_mount *m, size_t index, int target_fd)
{
	struct statfs sfs;
	struct stat st;

	if (m->strict && (fstat(target_fd, &st) < 0 || !S_ISDIR(st.st_mode)))
		child_fail(STEP_TARGET_NOT_DIR, index, ENOTDIR);
	if (child_path_is(m->destination, "proc")) {
		/* only a procfs may become /proc */
		if (m->kind == PLAN_MOUNT_FS && strcmp(m->type, "proc") != 0)
			child_fail(STEP_TARGET_PROC, index, EPERM);
		if (m->kind == PLAN_MOUNT_BIND &&
		    (fstatfs(m->fd, &sfs) < 0 || sfs.f_type != PROC_SUPER_MAGIC))
			child_fail(STEP_TARGET_PROC, index, EPERM);
		return;
	}
	if (fstatfs(target_fd, &sfs) < 0)
		child_fail(STEP_TARGET, index, errno);
	if (sfs.f_type == PROC_SUPER_MAGIC && !proc_target_allowed(m->destination)) {
		struct statfs src;

		/* a piece of another procfs, such as /proc/sys of the host for a process that may see it */
		if (m->kind != PLAN_MOUNT_BIND || fstatfs(m->fd, &src) < 0 ||
		    src.f_type != PROC_SUPER_MAGIC)
			child_fail(STEP_TARGET_PROC, index, EPERM);
	}
}

static void apply_attrs(const struct child_plan *p, const struct plan_mount *m, size_t index,
			bool attached)
{
	uint64_t set = m->attr_set & ~(m->late_readonly ? (uint64_t)MOUNT_ATTR_RDONLY : 0);
	int r;

	r = child_mount_attr(p, m->fd, attached, false, set, m->attr_clr);
	if (r == 0)
		r = child_mount_attr(p, m->fd, attached, true, m->rec_set, m->rec_clr);
	if (r < 0 && (r != -EAGAIN || attached))
		child_fail(STEP_MOUNT_ATTR, index, -r);
}

static void remount(const struct child_plan *p, int root_fd, struct plan_mount *m, size_t index)
{
	int r;

	m->fd = child_path_open(root_fd, m->destination, O_PATH, false);
	if (m->fd < 0)
		child_fail(STEP_TARGET, index, -m->fd);
	apply_attrs(p, m, index, true);
	for (size_t i = 0; i < m->propagation_n; i++)
		if ((r = set_propagation(p, m->fd, m->propagation[i])) < 0)
			child_fail(STEP_MOUNT_ATTR, index, -r);
	child_close(m->fd);
}

static void copy_up(const struct plan_mount *m, size_t index, int from_fd)
{
	int r = child_copyup(from_fd, m->fd);

	if (r < 0)
		child_fail(STEP_COPYUP, index, -r);
}

/* Re-create the link that the source is; nothing is mounted. */
static bool copy_symlink(const struct plan_mount *m, size_t index, int root_fd)
{
	char target[4096];
	const char *name = NULL;
	ssize_t n = readlinkat(AT_FDCWD, m->source, target, sizeof(target) - 1);
	int fd;

	if (n < 0)
		return false;
	target[n] = '\0';
	fd = child_path_parent(root_fd, m->destination, &name);
	if (fd < 0)
		child_fail(STEP_TARGET, index, -fd);
	if (symlinkat(target, fd, name) < 0 && errno != EEXIST)
		child_fail(STEP_TARGET, index, errno);
	child_close(fd);
	return true;
}

/* An empty, read-only directory to lay over masked ones; one file system for all of them. */
static int empty_dir(size_t index)
{
	int fs_fd = sys_fsopen("tmpfs"), fd;

	if (fs_fd < 0)
		child_fail(STEP_MASK, index, errno);
	(void)sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", "0k", 0);
	(void)sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "mode", "555", 0);
	if (sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		child_fail(STEP_MASK, index, errno);
	fd = sys_fsmount(fs_fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		child_fail(STEP_MASK, index, errno);
	child_close(fs_fd);
	return fd;
}

/* Where a remount reaches only the top, the writable cgroups below the host's /sys are covered instead. */
static void cover_host_cgroups(const struct plan_mount *m, size_t index)
{
	int fd = child_path_open(m->fd, "fs/cgroup", O_PATH | O_DIRECTORY, true), cover_fd;

	if (fd == -ENOENT)
		return;
	cover_fd = empty_dir(index);
	if (fd < 0 || sys_attach(cover_fd, fd) < 0)
		child_fail(STEP_ATTACH, index, fd < 0 ? -fd : errno);
	child_close(cover_fd);
	child_close(fd);
}

/* move_mount(2) says EINVAL for a file over a directory, where callers match mount(2)'s ENOTDIR. */
static int attach_errno(int target_fd, bool is_dir)
{
	int why = errno;
	struct stat st;

	if (why == EINVAL && !is_dir && fstat(target_fd, &st) == 0 && S_ISDIR(st.st_mode))
		return ENOTDIR;
	return why;
}

static void mount_one(struct child_plan *p, int root_fd, struct plan_mount *m, size_t index)
{
	unsigned int how;
	int target_fd, from_fd = -1, r;

	if (m->kind == PLAN_MOUNT_REMOUNT) {
		remount(p, root_fd, m, index);
		return;
	}
	if (m->copy_symlink && copy_symlink(m, index, root_fd))
		return;
	if (m->kind != PLAN_MOUNT_BIND) {
		m->fd = child_fs_mount(p, m, index);
		m->is_dir = true;
		if (m->fd < 0)
			return; /* optional and impossible here */
	}
	how = (m->is_dir ? CHILD_PATH_DIR : 0u) | (m->strict ? CHILD_PATH_STRICT : 0u) |
	      (m->dst_nofollow ? CHILD_PATH_NOFOLLOW : 0u);
	target_fd = child_path_target(root_fd, m->destination, how);
	if (target_fd < 0)
		child_fail(target_fd == -ELOOP && m->strict ? STEP_TARGET_NOT_DIR : STEP_TARGET,
			   index, -target_fd);
	check_target(m, index, target_fd);
	if (m->kind == PLAN_MOUNT_BIND)
		apply_attrs(p, m, index, false);
	else if (m->rec_set != 0 || m->rec_clr != 0)
		(void)child_mount_attr(p, m->fd, false, true, m->rec_set, m->rec_clr);
	for (size_t i = 0; !no_setattr && i < m->propagation_n; i++)
		if ((r = set_propagation(p, m->fd, m->propagation[i])) < 0 && r != -ENOSYS)
			child_fail(STEP_MOUNT_ATTR, index, -r);
	if (m->copyup)
		from_fd = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (sys_attach(m->fd, target_fd) < 0)
		child_fail(STEP_ATTACH, index, attach_errno(target_fd, m->is_dir));
	if (no_setattr) {
		if (m->kind == PLAN_MOUNT_BIND)
			apply_attrs(p, m, index, true);
		for (size_t i = 0; i < m->propagation_n; i++)
			if ((r = mount_on_fd(p, m->fd, m->propagation[i])) < 0)
				child_fail(STEP_MOUNT_ATTR, index, -r);
		if (m->host_sys)
			cover_host_cgroups(m, index);
	}
	if (from_fd >= 0) {
		copy_up(m, index, from_fd);
		child_close(from_fd);
	}
	if (m->kind == PLAN_MOUNT_CGROUP1)
		child_fs_cgroup1(p, root_fd, m);
	child_close(target_fd);
	if (m->late_readonly)
		return; /* until child_mount_masks() */
	child_close(m->fd);
	m->fd = -1;
}

void child_mount_all(struct child_plan *p, int root_fd)
{
	for (size_t i = 0; i < p->mounts_n; i++) {
		mount_one(p, root_fd, &p->mounts[i], i);
		if (p->mounts[i].is_dev)
			child_dev_fill(p, root_fd);
	}
}

static void mask_paths(struct child_plan *p, int root_fd)
{
	int dir_fd = -1, null_fd = -1, cover_fd;

	for (size_t i = 0; i < p->masked_n; i++) {
		int fd = child_path_open(root_fd, p->masked[i], O_PATH, false);
		struct stat st;

		if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			child_fail(STEP_MASK, i, fd < 0 ? -fd : errno);
		if (S_ISDIR(st.st_mode)) {
			bool first = dir_fd < 0;

			/* the first use attaches the original, the others are copies of it */
			if (first)
				dir_fd = empty_dir(i);
			cover_fd =
				first ? dir_fd :
					sys_open_tree(dir_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
		} else {
			if (null_fd < 0)
				null_fd = child_dev_null(root_fd);
			cover_fd = null_fd < 0 ? -1 :
						 sys_open_tree(null_fd, "",
							       OPEN_TREE_CLONE | AT_EMPTY_PATH);
			if (null_fd < 0)
				errno = -null_fd;
		}
		if (cover_fd < 0 || sys_attach(cover_fd, fd) < 0)
			child_fail(STEP_MASK, i, errno);
		if (cover_fd != dir_fd)
			child_close(cover_fd);
		child_close(fd);
	}
	if (dir_fd >= 0)
		child_close(dir_fd);
	if (null_fd >= 0)
		child_close(null_fd);
}

static void readonly_paths(struct child_plan *p, int root_fd)
{
	for (size_t i = 0; i < p->readonly_n; i++) {
		int fd = child_path_open(root_fd, p->readonly[i], O_PATH, false), tree_fd, r;

		if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
			continue;
		if (fd < 0)
			child_fail(STEP_READONLY_PATH, i, -fd);
		tree_fd = sys_open_tree(fd, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH);
		if (tree_fd < 0)
			child_fail(STEP_READONLY_PATH, i, errno);
		r = child_mount_attr(p, tree_fd, false, true, MOUNT_ATTR_RDONLY, 0);
		if (r < 0 && r != -EAGAIN)
			child_fail(STEP_READONLY_PATH, i, -r);
		if (sys_attach(tree_fd, fd) < 0)
			child_fail(STEP_READONLY_PATH, i, errno);
		if (r == -EAGAIN &&
		    (r = child_mount_attr(p, tree_fd, true, true, MOUNT_ATTR_RDONLY, 0)) < 0)
			child_fail(STEP_READONLY_PATH, i, -r);
		child_close(tree_fd);
		child_close(fd);
	}
}

/* A missing working directory, while it can still be made. Whether it is usable is seen later. */
static void make_cwd(const struct child_plan *p, int root_fd)
{
	const char *cwd = p->process->cwd;
	int fd = child_path_open(root_fd, cwd, O_PATH | O_DIRECTORY, false);

	if (fd == -ENOENT)
		fd = child_path_target(root_fd, cwd, CHILD_PATH_DIR);
	if (fd >= 0)
		child_close(fd);
}

void child_mount_masks(struct child_plan *p, int root_fd)
{
	int r;

	if (p->root_readonly && strcmp(p->process->cwd, "/") != 0)
		make_cwd(p, root_fd);
	for (size_t i = 0; i < p->mounts_n; i++) {
		struct plan_mount *m = &p->mounts[i];

		if (!m->late_readonly || m->fd < 0)
			continue;
		r = child_mount_attr(p, m->fd, true, false, MOUNT_ATTR_RDONLY, 0);
		if (r < 0)
			child_fail(STEP_MOUNT_ATTR, i, -r);
		child_close(m->fd);
	}
	readonly_paths(p, root_fd);
	mask_paths(p, root_fd);
	if (!p->root_readonly)
		return;
	r = child_mount_attr(p, root_fd, true, false, MOUNT_ATTR_RDONLY, 0);
	if (r < 0)
		child_fail(STEP_ROOT_READONLY, 0, -r);
}

/*
 * Without pivot_root(2) the old tree stays below the new root, unreachable but there: the kernel
 * lets a container mount a new procfs as long as a whole one is anywhere in its mount namespace.
 */
static void drop_host_proc(const struct child_plan *p)
{
	/* in a user namespace they are locked to their parents and stay */
	for (size_t i = p->host_proc_n; i-- > 0;)
		if (umount2(p->host_proc[i], MNT_DETACH) < 0 && errno != ENOENT && !p->in_userns)
			child_fail(STEP_PIVOT, 0, errno);
}

void child_mount_pivot(const struct child_plan *p, int root_fd)
{
	if (fchdir(root_fd) < 0)
		child_fail(STEP_PIVOT, 0, errno);
	if (p->no_pivot) {
		drop_host_proc(p);
		if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
			child_fail(STEP_PIVOT, 0, errno);
		return;
	}
	/* the old root ends up on top of the new one, where "." then names it */
	if (sys_pivot_root(".", ".") < 0)
		child_fail(STEP_PIVOT, 0, errno);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		child_fail(STEP_PIVOT, 0, errno);
	/* "shared" and "unbindable" would have been in the way until here */
	if ((p->root_propagation & (MS_SHARED | MS_UNBINDABLE)) &&
	    mount(NULL, "/", NULL, p->root_propagation, NULL) < 0)
		child_fail(STEP_PROPAGATION, 0, errno);
}
