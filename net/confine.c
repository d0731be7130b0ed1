/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cage of crt-net.
 *
 * Theory of operation
 *
 * Whoever takes libslirp over by a crafted frame shall find nothing: no files
 * but the directory of resolv.conf, no capability, no way to start a program,
 * to trace another process or to talk to a local service by a Unix socket.
 * The host's network stays reachable as the user, that is crt-net's purpose.
 *
 * Order: not traceable (before anything is read); the ports are bound by the
 * caller; then here
 *  1. a user and mount namespace (an ordinary user) or a mount namespace (root);
 *  2. in it an empty tmpfs as root, with the directory that really holds
 *     resolv.conf, read-only: libslirp looks at it at every query, and
 *     programs replace the file by rename, so that the directory and not the
 *     file has to stay visible;
 *  3. no_new_privs, all capabilities dropped, root becomes nobody;
 *  4. resource limits: no core file, no file growth, no process;
 *  5. Landlock: nothing but reading below that directory;
 *  6. the list of allowed system calls. Others fail with EPERM, those that
 *     only an intruder would try kill the process.
 *
 * Steps 1, 2 and 5 are best effort: hosts without user namespaces or Landlock
 * exist, an empty root and Landlock cover for each other, and 6 covers much of both. Steps
 * 3, 4 and 6 must succeed. The network namespace is left as it is.
 *
 * A crash at any step ends crt-net, and with it everything made here.
 */
#include "net/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/confine_filter.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

#define RESOLV_CONF "/etc/resolv.conf"
#define NOBODY	    65534
#define CAPS_MAX    63

void confine_early(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0); /* cannot fail */
	(void)prctl(PR_SET_NAME, "crt-net");
}

/* ---- what stays visible ---- */

struct view {
	int dir_fd;		 /* directory of the real resolv.conf, O_PATH; -1 = there is none */
	char name[NAME_MAX + 1]; /* of the file in it */
};

static void open_view(struct view *v)
{
	_cleanup_fd_ int file_fd = open(RESOLV_CONF, O_PATH | O_CLOEXEC);
	char link[sizeof("/proc/self/fd/") + 12], real[PATH_MAX];
	ssize_t len;
	char *slash;

	v->dir_fd = -1;
	if (file_fd < 0)
		return;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file_fd);
	len = readlink(link, real, sizeof(real) - 1);
	if (len <= 0)
		return;
	real[len] = '\0';
	slash = strrchr(real, '/');
	if (slash == NULL || slash == real || strlen(slash + 1) >= sizeof(v->name))
		return;
	memcpy(v->name, slash + 1, strlen(slash + 1) + 1);
	*slash = '\0';
	v->dir_fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* ---- namespaces and the empty root ---- */

static int write_text(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int enter_namespaces(bool root)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];

	if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)) < 0)
		return -1;
	if (root)
		return 0;
	/* /proc/self belongs to root while we are not dumpable */
	(void)prctl(PR_SET_DUMPABLE, 1);
	(void)snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (write_text("/proc/self/setgroups", "deny") < 0 ||
	    write_text("/proc/self/uid_map", map) < 0)
		goto failed;
	(void)snprintf(map, sizeof(map), "0 %u 1\n", gid);
	if (write_text("/proc/self/gid_map", map) < 0)
		goto failed;
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
failed:
	(void)prctl(PR_SET_DUMPABLE, 0);
	return -1;
}

/* Show the directory at "r" below the current directory and link etc/resolv.conf to its file. */
static int mount_view(const struct view *v)
{
	char target[sizeof("../r/") + NAME_MAX + 1];
	_cleanup_fd_ int tree_fd = -1;

	if (v->dir_fd < 0)
		return 0;
	if (mkdir("etc", 0755) < 0 || mkdir("r", 0755) < 0)
		return -1;
	(void)snprintf(target, sizeof(target), "../r/%s", v->name);
	if (symlink(target, "etc/resolv.conf") < 0)
		return -1;
	tree_fd = (int)syscall(SYS_open_tree, v->dir_fd, "",
			       AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree_fd < 0 ||
	    syscall(SYS_move_mount, tree_fd, "", AT_FDCWD, "r", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -1;
	return mount(NULL, "r", NULL,
		     MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* Best effort: -1 leaves us where we were or in a root that is at least not ours to write. */
static int empty_root(const struct view *v)
{
	/* /proc is a directory everywhere, and nothing needs its contents any more */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0755,size=64k,nr_inodes=8") < 0 ||
	    chdir("/proc") < 0 || mount_view(v) < 0)
		return -1;
	if (mount(NULL, "/proc", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -1;
	return 0;
}

/* ---- rights ---- */

static int drop_rights(bool root, struct error *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = 0 } };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(e, -errno, "crt-net: set no_new_privs");
	if (root) {
		for (unsigned long cap = 0; cap <= CAPS_MAX && prctl(PR_CAPBSET_DROP, cap) == 0;
		     cap++)
			;
		/* In a container around us that has no such id, root stays root, without capabilities. */
		(void)setgroups(0, NULL);
		if ((setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		     setresuid(NOBODY, NOBODY, NOBODY) < 0) &&
		    errno != EINVAL)
			return error_set(e, -errno, "crt-net: become nobody");
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return error_set(e, -errno, "crt-net: drop capabilities");
	(void)prctl(PR_SET_DUMPABLE, 0); /* changing ids may have reset it */
	return 0;
}

static int limit_resources(bool writes_file, struct error *e)
{
	static const int zero[] = { RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_MSGQUEUE,
				    RLIMIT_MEMLOCK };
	const struct rlimit none = { 0, 0 };

	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		if (!(writes_file && zero[i] == RLIMIT_FSIZE) &&
		    setrlimit((__rlimit_resource_t)zero[i], &none) < 0)
			return error_set(e, -errno, "crt-net: limit resource %d", zero[i]);
	return 0;
}

/* Best effort: file access limited to reading below the view. */
static void landlock(const struct view *v)
{
	struct landlock_ruleset_attr attr = {
		/* all rights of the first version; no later one matters without any of these */
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = v->dir_fd,
	};
	_cleanup_fd_ int fd = -1;

	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0)
		return;
	if (v->dir_fd >= 0 &&
	    syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return;
	(void)syscall(SYS_landlock_restrict_self, fd, 0);
}

int confine_self(bool writes_file, struct error *e)
{
	bool root = geteuid() == 0;
	struct view v;
	bool entered;
	int ret;

	entered = enter_namespaces(root) == 0;
	open_view(&v); /* after that: only mounts of our own namespace can be cloned */
	if (entered)
		(void)empty_root(&v);
	ret = drop_rights(root, e);
	if (ret == 0)
		ret = limit_resources(writes_file, e);
	if (ret == 0)
		landlock(&v);
	close_fd(&v.dir_fd);
	if (ret == 0)
		ret = confine_filter(e);
	return ret;
}
