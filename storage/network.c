/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions of user-defined networks: networks/<name>.json.
 *
 * Theory of operation
 *
 * One small file each, written as a whole under a temporary name and renamed, so that
 * what is listed is complete. What is in it is the caller's (cmd/networks.c).
 * networks.lock makes several steps one: exclusive from "no network has that
 * name or subnet" to the new file and from "no record names it" to the removal,
 * shared from "the network is there" to "the container's record names it". It is
 * never held while anything is started or waited for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/path.h"
#include "storage/store.h"

#define SUFFIX	 ".json"
#define LOCKFILE "networks.lock"

static int file_name(const char *name, char **ret, struct error *e)
{
	if (!id_name_valid(name) || strlen(name) > 255 - strlen(SUFFIX)) {
		_cleanup_free_ char *shown = str_escape(name);

		return error_setf(e, -EINVAL,
				  "network name \"%.100s\" is invalid: names must match "
				  "[a-zA-Z0-9][a-zA-Z0-9_.-]*",
				  shown != NULL ? shown : "?");
	}
	*ret = str_printf("%s" SUFFIX, name);
	return *ret == NULL ? error_set(e, -ENOMEM, "network %s", name) : 0;
}

/* The directory; -ENOENT, without words, when there is none and it is not to be made. */
static int networks_dir(struct storage *s, bool make, struct error *e)
{
	int fd;

	if (make) {
		int r = store_need(s, e);

		return r < 0 ? r : path_open_private_dir_at(s->root_fd, "networks", e);
	}
	if (s->root_fd < 0)
		return -ENOENT;
	fd = openat(s->root_fd, "networks", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	return fd < 0 ? error_set(e, -errno, "opening %s/networks", s->root) : fd;
}

int storage_network_lock(struct storage *s, bool exclusive, struct error *e)
{
	int fd = store_need(s, e);

	if (fd == 0)
		fd = lock_file_at(s->root_fd, LOCKFILE, exclusive, STORE_LOCK_MS, e);
	return fd < 0 ? error_prefix(e, "locking the networks") : fd;
}

int storage_network_write(struct storage *s, const char *name, const char *json, struct error *e)
{
	_cleanup_free_ char *file = NULL;
	_cleanup_fd_ int dir_fd = -1;
	int r = file_name(name, &file, e);

	if (r < 0)
		return r;
	dir_fd = networks_dir(s, true, e);
	if (dir_fd < 0)
		return dir_fd;
	return fd_write_file_at(dir_fd, file, json, strlen(json), 0600, true, e);
}

int storage_network_read(struct storage *s, const char *name, char **ret_json, struct error *e)
{
	_cleanup_free_ char *file = NULL;
	_cleanup_fd_ int dir_fd = -1;
	int r = file_name(name, &file, e);

	if (r < 0)
		return r;
	dir_fd = networks_dir(s, false, e);
	if (dir_fd < 0)
		return dir_fd == -ENOENT ? STORAGE_MISSING : dir_fd;
	r = fd_read_file_at(dir_fd, file, LIMIT_JSON_BYTES, ret_json, NULL, e);
	if (r == -ENOENT && e != NULL)
		*e = ERROR_INIT;
	return r == -ENOENT ? STORAGE_MISSING : r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int storage_network_list(struct storage *s, struct strv *ret, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd = networks_dir(s, false, e);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return error_set(e, -ENOMEM, "listing networks");
	}
	while ((de = readdir(d)) != NULL) {
		size_t len = strlen(de->d_name);

		if (len <= strlen(SUFFIX) || !str_ends(de->d_name, SUFFIX) ||
		    !id_name_valid(de->d_name))
			continue;
		if (strv_add_take(&names, strndup(de->d_name, len - strlen(SUFFIX))) < 0)
			return error_set(e, -ENOMEM, "listing networks");
	}
	if (names.n > 0)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	*ret = names;
	names = (struct strv){ .v = NULL };
	return 0;
}

int storage_network_remove(struct storage *s, const char *name, struct error *e)
{
	_cleanup_free_ char *file = NULL;
	_cleanup_fd_ int dir_fd = -1;
	int r = file_name(name, &file, e);

	if (r < 0)
		return r;
	dir_fd = networks_dir(s, false, e);
	if (dir_fd < 0 && dir_fd != -ENOENT)
		return dir_fd;
	if (dir_fd < 0 || unlinkat(dir_fd, file, 0) < 0)
		return error_set(e, dir_fd < 0 ? -ENOENT : -errno, "removing network %s", name);
	return 0;
}
