/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own executable must not be writable from inside a container.
 *
 * Theory of operation: until its exec the container's process runs our
 * executable, and an image whose program is a link to /proc/self/exe (or a
 * script with it as interpreter) even executes it: from there the file can be
 * opened, and once nobody runs it any more, written, with the rights of the
 * container's ids on the host. Where those cannot write it anyway (the usual
 * case: the file belongs to the host's root and the container lives in a user
 * namespace) nothing is done. Otherwise we execute ourselves again, before
 * anything was created: as root from a read-only detached mount of the file,
 * else from a sealed copy in memory. Both are recognised the second time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define OVERFLOW_ID 65534
#define ALL_SEALS   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

extern char **environ;

static bool in_user_namespace(void)
{
	_cleanup_free_ char *map = NULL;

	/* "0 0 4294967295" is the first one; the blanks vary */
	if (fd_read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL, NULL) < 0)
		return false;
	return strstr(map, "4294967295") == NULL;
}

static bool is_exposed(const struct stat *st)
{
	if (geteuid() == 0 && !in_user_namespace())
		return true; /* a container without a user namespace has the rights of the host's root */
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return true;
	/* the host's root, seen directly or as an id that is not mapped here, is never mapped for a user */
	return geteuid() == 0 ? st->st_uid != OVERFLOW_ID : st->st_uid != 0;
}

static bool is_read_only(void)
{
	struct statfs sfs;

	return statfs("/proc/self/exe", &sfs) == 0 && (sfs.f_flags & ST_RDONLY);
}

static bool is_sealed(int exe_fd)
{
	int seals = fcntl(exe_fd, F_GET_SEALS);

	return seals >= 0 && (seals & ALL_SEALS) == ALL_SEALS;
}

/* A detached read-only mount of the file. fd or -errno. */
static int read_only_mount(void)
{
	const struct sys_mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };
	int fd = sys_open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE), r;

	if (fd < 0)
		return -errno;
	if (sys_mount_setattr(fd, 0, &a) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

static int sealed_copy(int exe_fd, off_t size)
{
	_cleanup_fd_ int fd = memfd_create("crt-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("crt-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	while (size > 0) {
		ssize_t n = sendfile(fd, exe_fd, NULL, (size_t)size);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		size -= n;
	}
	if (fchmod(fd, 0500) < 0 || fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* argv with the path of the original in front: helpers are looked for beside it (proc_own_dir()). */
static char **name_original(char *const argv[])
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	size_t argc = 0;
	char **copy;

	while (argv[argc] != NULL)
		argc++;
	copy = calloc(argc + 2, sizeof(*copy));
	if (copy == NULL)
		return NULL;
	memcpy(copy, argv, argc * sizeof(*copy));
	path[n > 0 ? n : 0] = '\0';
	if (path[0] == '/' && argc > 0)
		copy[0] = path;
	copy[0] = strdup(argc > 0 ? copy[0] : "crt");
	if (copy[0] == NULL) {
		free(copy);
		return NULL;
	}
	return copy;
}

int runtime_protect_self(char *const argv[], struct error *e)
{
	_cleanup_fd_ int exe_fd = -1, fd = -1;
	struct stat st;
	char **words;

	/* root first of all asks whether it is done: mostly by the ELF entry, cmd/entry.c */
	if (geteuid() == 0 && is_read_only())
		return 0;
	if (stat("/proc/self/exe", &st) < 0)
		return error_set(e, -errno, "stat /proc/self/exe");
	if (!is_exposed(&st))
		return 0;
	exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (exe_fd < 0)
		return error_set(e, -errno, "open /proc/self/exe");
	if (is_read_only() || is_sealed(exe_fd))
		return 0;
	fd = read_only_mount();
	if (fd < 0)
		fd = sealed_copy(exe_fd, st.st_size);
	if (fd < 0)
		return error_set(e, fd, "copy our own executable out of reach of the container");
	words = name_original(argv);
	if (words == NULL)
		return error_set(e, -ENOMEM, "execute our own executable again");
	(void)syscall(SYS_execveat, fd, "", words, environ, AT_EMPTY_PATH);
	(void)error_set(e, -errno, "execute our own executable again");
	free(words[0]);
	free(words);
	return e != NULL ? e->code : -EIO;
}
