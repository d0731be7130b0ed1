/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where bundles live while their container does.
 *
 * Theory of operation: another local user may have prepared a directory under
 * the name that we want, to read our bundles or to make us write into his. So
 * every directory is opened with its owner and mode checked
 * (path_open_private_dir), and where none can be had the bundle goes into the
 * store, which is ours anyway, under the boot id: a reboot makes it another
 * directory, and a home shared by several nodes gives each its own. Nothing
 * here is ever put into /tmp.
 */
#include "cmd/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/procfs.h"

/* Is path a directory of ours that only we can write? */
static bool is_own_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 022) == 0;
}

/* The store's own place, per boot. */
static char *fallback(const struct storage *s, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	char boot[37];
	char *path;
	int r;

	if (proc_fd < 0)
		return NULL;
	r = procfs_boot_id(proc_fd, boot);
	if (r < 0) {
		(void)error_set(e, r, "reading the boot id");
		return NULL;
	}
	path = str_printf("%s/run/%s", storage_root(s), boot);
	if (path == NULL)
		(void)error_set(e, -ENOMEM, "runtime directory");
	return path;
}

static char *choose(const char *runroot, const struct storage *s, struct error *e)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *user_dir = str_printf("/run/user/%u", (unsigned int)geteuid());
	char *path;

	if (runroot == NULL && (xdg == NULL || xdg[0] != '/') && geteuid() == 0)
		runroot = "/run/crt";
	if (runroot != NULL)
		path = strdup(runroot);
	else if (xdg != NULL && xdg[0] == '/')
		path = str_printf("%s/crt", xdg);
	else if (user_dir != NULL && is_own_dir(user_dir))
		path = str_printf("%s/crt", user_dir);
	else
		return fallback(s, e);
	if (path == NULL)
		(void)error_set(e, -ENOMEM, "runtime directory");
	return path;
}

int rundir_open(const char *runroot, const struct storage *s, char **ret, struct error *e)
{
	_cleanup_free_ char *root = choose(runroot, s, e), *path = NULL;
	_cleanup_fd_ int fd = -1;

	if (root == NULL)
		return -ENOMEM;
	path = str_printf("%s/containers", root);
	if (path == NULL)
		return error_set(e, -ENOMEM, "runtime directory");
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !is_own_dir(path)) {
		close_fd(&fd);
		fd = path_open_private_dir(path, e);
	}
	if (fd < 0) {
		(void)error_prefix(e, "runtime directory");
		return error_hint(
			e,
			" (set XDG_RUNTIME_DIR to a directory of yours with mode 0700, or unset it)");
	}
	*ret = steal_ptr(&path);
	return 0;
}

int rundir_make(const char *containers, const char *id, char **ret_path, struct error *e)
{
	_cleanup_free_ char *path = str_printf("%s/%s", containers, id);
	_cleanup_fd_ int fd = -1;

	if (path == NULL)
		return error_set(e, -ENOMEM, "bundle");
	if (mkdir(path, 0700) < 0)
		return error_set(e, -errno, "making the bundle %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || mkdirat(fd, "rootfs", 0700) < 0) {
		int r = error_set(e, -errno, "making the bundle %s", path);

		(void)rmdir(path); /* the first error is the one to report */
		return r;
	}
	*ret_path = steal_ptr(&path);
	return steal_fd(&fd);
}

int rundir_remove(const char *containers, const char *id, struct error *e)
{
	_cleanup_fd_ int fd = open(containers, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(e, -errno, "opening %s", containers);
	return path_remove_tree(fd, id, e);
}
