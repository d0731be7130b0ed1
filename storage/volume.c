/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named volumes: volumes/<name>/{record.json,lock,_data,fresh|copying}.
 *
 * Theory of operation
 *
 * A volume is built as volumes/+<random> and gets its name by one rename, which fails
 * when the name exists: what is listed is complete, and the kernel decides who made it.
 * Removal is one rename to trash/. Nothing says who uses a volume: that follows from the
 * records of the containers, and volumes.lock keeps the answer true while it is acted on:
 * shared from "the volume is there" to "the container's record names it", exclusive from
 * "no record names it" to the rename.
 *
 * _data is written by containers, hostile and possibly of subordinate ids. It is only
 * opened by its own name, in a directory that no container sees; what lies below it is
 * never opened here but by storage_tree_copy() and the removal of trees, which follow no
 * link.
 *
 * "fresh" is there until the first container used the volume: that one fills it with
 * what the image has at its place. Meanwhile it is called "copying", so that who comes
 * after a crash knows that _data holds half a copy. The volume's own lock is held over
 * the copy: a second container waits for it, as it must.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include "storage/store.h"

static int check_name(const char *name, struct error *e)
{
	_cleanup_free_ char *shown = NULL;

	if (id_name_valid(name))
		return 0;
	shown = str_escape(name);
	return error_setf(e, -EINVAL,
			  "volume name \"%.100s\" is invalid: names must match "
			  "[a-zA-Z0-9][a-zA-Z0-9_.-]*",
			  shown != NULL ? shown : "?");
}

/* A directory below the root, made where missing. fd or -errno. */
static int volumes_dir(struct storage *s, struct error *e)
{
	int r = store_need(s, e);

	return r < 0 ? r : path_open_private_dir_at(s->root_fd, "volumes", e);
}

static int open_volume(struct storage *s, const char *name, struct error *e)
{
	char path[STORE_PATH_MAX];
	int fd, r;

	r = store_need(s, e);
	if (r == 0)
		r = check_name(name, e);
	if (r == 0)
		r = store_rel(path, "volumes/%s", name);
	if (r < 0)
		return r;
	fd = openat(s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return error_setf(e, -ENOENT, "no such volume: %s", name);
	return fd < 0 ? error_set(e, -errno, "opening volume %s", name) : fd;
}

int storage_volume_lock(struct storage *s, bool exclusive, struct error *e)
{
	int fd = store_need(s, e);

	if (fd == 0)
		fd = lock_file_at(s->root_fd, "volumes.lock", exclusive, STORE_LOCK_MS, e);
	return fd < 0 ? error_prefix(e, "locking the volumes") : fd;
}

static int fill_new(int dir_fd, const char *record_json, struct error *e)
{
	_cleanup_fd_ int data_fd = -1;
	int r = fd_write_file_at(dir_fd, "record.json", record_json, strlen(record_json), 0600,
				 true, e);

	if (r == 0)
		r = fd_write_file_at(dir_fd, "fresh", "", 0, 0600, false, e);
	if (r < 0)
		return r;
	if (mkdirat(dir_fd, "_data", 0755) < 0)
		return error_set(e, -errno, "making _data");
	data_fd = openat(dir_fd, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (data_fd < 0 || fchmod(data_fd, 0755) < 0) /* whatever the umask is */
		return error_set(e, -errno, "making _data");
	return 0;
}

int storage_volume_create(struct storage *s, const char *name, const char *record_json,
			  struct error *e)
{
	_cleanup_fd_ int parent_fd = -1, dir_fd = -1;
	char building[18] = "+";
	int r = check_name(name, e);

	if (r < 0)
		return r;
	parent_fd = volumes_dir(s, e);
	if (parent_fd < 0)
		return parent_fd;
	r = store_token(building + 1);
	if (r < 0)
		return error_set(e, r, "random name");
	dir_fd = path_open_private_dir_at(parent_fd, building, e);
	r = dir_fd < 0 ? dir_fd : fill_new(dir_fd, record_json, e);
	/* the name of a directory that is not empty is never replaced */
	if (r == 0 && renameat(parent_fd, building, parent_fd, name) < 0)
		r = errno == EEXIST || errno == ENOTEMPTY ?
			    error_setf(e, -EEXIST, "volume with name %s already exists", name) :
			    error_set(e, -errno, "naming volume %s", name);
	if (r < 0)
		(void)path_remove_tree(parent_fd, building, NULL); /* its name is listed nowhere */
	return r < 0 && r != -EEXIST ? error_prefix(e, "creating volume %s", name) : r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int storage_volume_list(struct storage *s, struct strv *ret, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd;

	if (s->root_fd < 0)
		return 0;
	fd = openat(s->root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(e, -errno, "opening %s/volumes", s->root);
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return error_set(e, -ENOMEM, "listing volumes");
	}
	while ((de = readdir(d)) != NULL)
		if (id_name_valid(de->d_name) && strv_add(&names, de->d_name) < 0)
			return error_set(e, -ENOMEM, "listing volumes");
	if (names.n > 0)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	*ret = names;
	names = (struct strv){ .v = NULL };
	return 0;
}

int storage_volume_find(struct storage *s, const char *text, char **ret_name, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	_cleanup_free_ char *shown = NULL;
	const char *found = NULL;
	int r = storage_volume_list(s, &names, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		if (strcmp(names.v[i], text) == 0) {
			found = text;
			break;
		}
		if (text[0] == '\0' || !str_starts(names.v[i], text))
			continue;
		if (found != NULL)
			return error_setf(e, -EINVAL, "%s is ambiguous: volumes %s and %s", text,
					  found, names.v[i]);
		found = names.v[i];
	}
	if (found != NULL) {
		*ret_name = strdup(found);
		return *ret_name != NULL ? STORAGE_FOUND : error_set(e, -ENOMEM, "volume name");
	}
	shown = str_escape(text);
	(void)error_setf(e, -ENOENT, "no such volume: %.300s", shown != NULL ? shown : "?");
	return STORAGE_MISSING;
}

int storage_volume_record(struct storage *s, const char *name, char **ret_json, struct error *e)
{
	_cleanup_fd_ int dir_fd = open_volume(s, name, e);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = fd_read_file_at(dir_fd, "record.json", LIMIT_JSON_BYTES, ret_json, NULL, e);
	return r < 0 ? error_prefix(e, "volume %s", name) : 0;
}

char *storage_volume_path(const struct storage *s, const char *name)
{
	return str_printf("%s/volumes/%s/_data", s->root, name);
}

int storage_volume_open(struct storage *s, const char *name, struct error *e)
{
	_cleanup_fd_ int dir_fd = open_volume(s, name, e);
	int fd;

	if (dir_fd < 0)
		return dir_fd;
	fd = openat(dir_fd, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set(e, -errno, "opening the data of volume %s", name) : fd;
}

bool storage_volume_is_fresh(struct storage *s, const char *name)
{
	_cleanup_fd_ int dir_fd = open_volume(s, name, NULL);

	return dir_fd >= 0 && (faccessat(dir_fd, "fresh", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
			       faccessat(dir_fd, "copying", F_OK, AT_SYMLINK_NOFOLLOW) == 0);
}

/* What a copy that was not finished left. */
static int empty_data(int dir_fd, struct error *e)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd = openat(dir_fd, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return error_set(e, -errno, "opening _data");
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return error_set(e, -ENOMEM, "opening _data");
	}
	while (r == 0 && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = path_remove_tree(dirfd(d), de->d_name, e);
	return r;
}

int storage_volume_first_use(struct storage *s, const char *name, int *ret_lock_fd, struct error *e)
{
	_cleanup_fd_ int dir_fd = open_volume(s, name, e);
	_cleanup_fd_ int lock = -1;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	if (!storage_volume_is_fresh(s, name))
		return 0;
	lock = lock_file_at(dir_fd, "lock", true, -1, e);
	if (lock < 0)
		return error_prefix(e, "locking volume %s", name);
	if (faccessat(dir_fd, "copying", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		r = empty_data(dir_fd, e);
		if (r < 0)
			return error_prefix(e, "volume %s, of which half a copy was left", name);
	} else if (renameat(dir_fd, "fresh", dir_fd, "copying") < 0) {
		/* another container was faster, and filled it while we waited */
		return errno == ENOENT ? 0 : error_set(e, -errno, "preparing volume %s", name);
	}
	*ret_lock_fd = steal_fd(&lock);
	return 1;
}

int storage_volume_used(struct storage *s, const char *name, struct error *e)
{
	_cleanup_fd_ int dir_fd = open_volume(s, name, e);

	if (dir_fd < 0)
		return dir_fd;
	(void)unlinkat(dir_fd, "fresh", 0); /* an import makes it used without a copy */
	if (unlinkat(dir_fd, "copying", 0) < 0 && errno != ENOENT)
		return error_set(e, -errno, "preparing volume %s", name);
	return 0;
}

int storage_volume_remove(struct storage *s, const char *name, struct error *e)
{
	_cleanup_fd_ int parent_fd = -1;
	int r = check_name(name, e);

	if (r < 0)
		return r;
	parent_fd = volumes_dir(s, e);
	if (parent_fd < 0)
		return parent_fd;
	r = store_discard(s, parent_fd, name, e);
	if (r == -ENOENT)
		return error_setf(e, -ENOENT, "no such volume: %s", name);
	return r < 0 ? error_prefix(e, "removing volume %s", name) : 0;
}
