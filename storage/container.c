/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container records: containers/<id>/{record.json,lock,upper,work} and
 * names/<name>.
 *
 * Theory of operation
 *
 * Many `crt run` start at once, so nothing here waits for another container.
 * A container is built as containers/+<id> and gets its real name by one
 * rename: what is listed is complete. The file "lock" holds the id and the
 * name, and names/<name> is a hard link to it, whose creation fails when the
 * name exists: the kernel decides who wins. (A link costs no inode: making one
 * is what takes time on some file systems. Where there are no hard links it is
 * a file of the same content.)
 *
 * Removal is the same backwards: one rename to containers/-<id>, which decides
 * who removes it; the name is unlinked; the directory is deleted where it is. So a name
 * belongs to a container that exists as "+id", "id" or "-id", and to nobody
 * else's removal: no lock is needed. A name of none of these (looked for in
 * this order, the one in which they are renamed) is stale, left by a power cut,
 * and may be taken over under names.lock.
 *
 * While a container is built or removed its directory is locked; "+id" and
 * "-id" whose lock can be had are a crash's: listing the containers clears
 * them away. On a file system that cannot lock directories their age decides.
 *
 * The lock file is held by the container's keeper as long as it lives, so the
 * question "is it running?" is answered by the kernel also after a crash.
 *
 * upper/ is made with mode 0; the first mount gives it owner and mode of the
 * image's root directory (rootfs.c). upper/ and work/ are written by the
 * container and by the overlay: hostile, possibly of subordinate ids, never
 * opened here. Who may not delete them moves them to trash/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/lock.h"
#include "base/path.h"
#include "storage/store.h"

#define FRESH_TRIES	   100 /* of a millisecond */
#define UNFINISHED_SECONDS 600 /* age at which a directory that cannot be locked is a crash's */

static int check_id(const char *id, struct error *e)
{
	if (!id_is_hex_prefix(id))
		return error_setf(e, -EINVAL, "not a container id");
	return 0;
}

static bool dir_exists(const struct storage *s, const char *prefix, const char *id)
{
	char path[STORE_PATH_MAX];
	struct stat st;

	return store_rel(path, "containers/%s%s", prefix, id) == 0 &&
	       fstatat(s->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* In some stage of its life; the order matters, see above. */
static bool is_somewhere(const struct storage *s, const char *id)
{
	return dir_exists(s, "+", id) || dir_exists(s, "", id) || dir_exists(s, "-", id);
}

/* ---- names -------------------------------------------------------------------- */

/* "ID NAME\n" of a lock file or name; name may be NULL. 0, -ENOENT, -errno. */
static int read_tie(const struct storage *s, const char *path, char ret_id[ID_LEN + 1],
		    char ret_name[LIMIT_NAME + 1])
{
	_cleanup_fd_ int fd =
		openat(s->root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[ID_LEN + LIMIT_NAME + 3];
	size_t id_len, name_len;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	id_len = strcspn(text, " ");
	if (id_len == 0 || id_len > ID_LEN || text[id_len] != ' ')
		return -EINVAL;
	text[id_len] = '\0';
	name_len = strcspn(text + id_len + 1, "\n");
	if (!id_is_hex_prefix(text) || name_len > LIMIT_NAME)
		return -EINVAL;
	memcpy(ret_id, text, id_len + 1);
	if (ret_name != NULL) {
		memcpy(ret_name, text + id_len + 1, name_len);
		ret_name[name_len] = '\0';
	}
	return 0;
}

/* The id a name points to. 0, -ENOENT, -errno. */
static int name_target(const struct storage *s, const char *name, char ret[ID_LEN + 1])
{
	char path[STORE_PATH_MAX];

	if (store_rel(path, "names/%s", name) < 0)
		return -ENAMETOOLONG;
	return read_tie(s, path, ret, NULL);
}

static int taken(const char *name, const char *id, struct error *e)
{
	return error_setf(
		e, -EEXIST,
		"the container name \"%s\" is in use by container %.12s: remove it or use "
		"another name",
		name, id);
}

/* Write the tie into dir_fd/path, which must not exist. 0 or -errno. */
static int write_tie(int dir_fd, const char *path, const char *id, const char *name)
{
	_cleanup_fd_ int fd =
		openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char text[ID_LEN + LIMIT_NAME + 3];
	int n = snprintf(text, sizeof(text), "%s %s\n", id, name != NULL ? name : "");

	if (fd < 0)
		return -errno;
	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	return fd_write_all(fd, text, (size_t)n);
}

/* names/<name> for the container that is being built in dir_fd. 0, -EEXIST, -errno. */
static int link_name(struct storage *s, int dir_fd, const char *path, const char *id,
		     const char *name)
{
	if (linkat(dir_fd, "lock", s->root_fd, path, 0) == 0)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK && errno != ENOSYS)
		return -errno;
	return write_tie(s->root_fd, path, id, name);
}

/* Take the name; a stale one is replaced. */
static int name_take(struct storage *s, int dir_fd, const char *name, const char *id,
		     struct error *e)
{
	_cleanup_fd_ int lock = -1;
	char path[STORE_PATH_MAX];
	char old[ID_LEN + 1] = "";
	int r;

	r = store_rel(path, "names/%s", name);
	if (r < 0)
		return error_set(e, r, "container name");
	r = link_name(s, dir_fd, path, id, name);
	if (r == 0)
		return 0;
	if (r != -EEXIST)
		return error_set(e, r, "create %s/%s", s->root, path);
	r = name_target(s, name, old);
	if (r == 0 && is_somewhere(s, old))
		return taken(name, old, e);

	lock = lock_file_at(s->root_fd, "names.lock", true, STORE_LOCK_MS, e);
	if (lock < 0)
		return error_prefix(e, "store %s", s->root);
	r = name_target(s, name, old);
	if (r == 0 && is_somewhere(s, old))
		return taken(name, old, e);
	if (r != -ENOENT && unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT)
		return error_set(e, -errno, "replace %s/%s", s->root, path);
	r = link_name(s, dir_fd, path, id, name);
	if (r == -EEXIST)
		return taken(name, "another", e);
	return r < 0 ? error_set(e, r, "create %s/%s", s->root, path) : 0;
}

/* Remove the name if it is this container's, which only we are removing. */
static void name_drop(struct storage *s, const char *name, const char *id)
{
	char path[STORE_PATH_MAX];
	char now[ID_LEN + 1];

	/* A name that stays is stale and will be replaced by whoever wants it. */
	if (name_target(s, name, now) == 0 && strcmp(now, id) == 0 &&
	    store_rel(path, "names/%s", name) == 0)
		(void)unlinkat(s->root_fd, path, 0);
}

/* ---- creation ------------------------------------------------------------------ */

static int write_record(int dir_fd, const char *text, bool durable)
{
	_cleanup_fd_ int fd = openat(dir_fd, "record.json",
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* Fill the fresh directory. */
static int build(struct storage *s, int dir_fd, const char *id, const char *name,
		 const char *record, bool durable, struct error *e)
{
	int r;

	if (mkdirat(dir_fd, "upper", 0) < 0 || mkdirat(dir_fd, "work", 0700) < 0)
		return error_set(e, -errno, "create %s/containers/%s/upper", s->root, id);
	r = write_tie(dir_fd, "lock", id, name);
	if (r < 0)
		return error_set(e, r, "write %s/containers/%s/lock", s->root, id);
	r = write_record(dir_fd, record, durable);
	if (r < 0)
		return error_set(e, r, "write %s/containers/%s/record.json", s->root, id);
	return 0;
}

static int sync_path(const struct storage *s, const char *path, int flags, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(s->root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);

	if (fd < 0 || fsync(fd) < 0)
		return error_set(e, -errno, "sync %s/%s", s->root, path);
	return 0;
}

static int publish(struct storage *s, const char *fresh, const char *path, bool durable,
		   struct error *e)
{
	if (renameat(s->root_fd, fresh, s->root_fd, path) < 0)
		return error_set(e, -errno, "create %s/%s", s->root, path);
	return durable ? sync_path(s, "containers", O_DIRECTORY, e) : 0;
}

int storage_container_sync(struct storage *s, const char *id, struct error *e)
{
	char path[STORE_PATH_MAX];
	int r;

	r = check_id(id, e);
	if (r == 0 && store_rel(path, "containers/%s/record.json", id) < 0)
		r = error_set(e, -ENAMETOOLONG, "container id");
	if (r == 0)
		r = sync_path(s, path, 0, e);
	return r < 0 ? r : sync_path(s, "containers", O_DIRECTORY, e);
}

/*
 * The directory to build in, locked, which tells the listing of other processes that we live (some file
 * systems cannot). A listing that comes between its making and the lock takes it for that of a process
 * that died, and away: then once more.
 */
static int make_fresh(struct storage *s, const char *fresh, struct error *e)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0;; tries++) {
		_cleanup_fd_ int fd = -1;
		struct stat mine, named;

		if (mkdirat(s->root_fd, fresh, 0700) < 0 && (errno != EEXIST || tries == 0))
			return error_set(e, -errno, "create %s/%s", s->root, fresh);
		fd = openat(s->root_fd, fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && (errno != ENOENT || tries == FRESH_TRIES))
			return error_set(e, -errno, "open %s/%s", s->root, fresh);
		if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
		    fstat(fd, &mine) == 0 &&
		    fstatat(s->root_fd, fresh, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    named.st_ino == mine.st_ino)
			return steal_fd(&fd);
		if (tries == FRESH_TRIES)
			return error_setf(e, -EBUSY, "create %s/%s: others remove it", s->root,
					  fresh);
		(void)nanosleep(&pause, NULL); /* waking early is harmless */
	}
}

int storage_container_create(struct storage *s, const char *id, const char *name,
			     const char *record_json, bool durable, int *ret_lock_fd,
			     struct error *e)
{
	char fresh[STORE_PATH_MAX], path[STORE_PATH_MAX];
	_cleanup_fd_ int lock = -1;
	_cleanup_fd_ int own_lock = -1;
	_cleanup_fd_ int dir_fd = -1;
	int r;

	r = store_need(s, e);
	if (r == 0)
		r = check_id(id, e);
	if (r == 0 && name != NULL && !id_name_valid(name))
		r = error_setf(
			e, -EINVAL,
			"invalid container name: letters, digits, \"_\", \".\" and \"-\" only, "
			"beginning with a letter or digit, at most %d",
			LIMIT_NAME);
	if (r < 0)
		return r;
	if (store_rel(fresh, "containers/+%s", id) < 0 || store_rel(path, "containers/%s", id) < 0)
		return error_set(e, -ENAMETOOLONG, "container id");
	lock = gc_lock(s, false, e);
	if (lock < 0)
		return lock;
	if (faccessat(s->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_setf(e, -EEXIST, "a container with id %s exists", id);
	dir_fd = make_fresh(s, fresh, e);
	if (dir_fd < 0)
		return dir_fd;
	r = build(s, dir_fd, id, name, record_json, durable, e);
	if (r == 0 && ret_lock_fd != NULL) {
		own_lock = lock_file_at(dir_fd, "lock", true, 0, e);
		r = own_lock < 0 ? own_lock : 0;
	}
	if (r == 0 && name != NULL)
		r = name_take(s, dir_fd, name, id, e);
	if (r == 0) {
		r = publish(s, fresh, path, durable, e);
		if (r < 0 && name != NULL)
			name_drop(s, name, id);
	}
	if (r < 0) {
		(void)store_discard(s, s->root_fd, fresh, NULL); /* the listing does it otherwise */
		return r;
	}
	if (ret_lock_fd != NULL)
		*ret_lock_fd = steal_fd(&own_lock);
	return 0;
}

int storage_container_open(struct storage *s, const char *id, struct error *e)
{
	char path[STORE_PATH_MAX];
	int fd, r;

	r = store_need(s, e);
	if (r == 0)
		r = check_id(id, e);
	if (r == 0)
		r = store_rel(path, "containers/%s", id);
	if (r < 0)
		return r;
	fd = openat(s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set(e, -errno, "container %.12s", id) : fd;
}

int storage_container_write(struct storage *s, const char *id, const char *name, const char *text,
			    struct error *e)
{
	_cleanup_fd_ int dir_fd = storage_container_open(s, id, e);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = fd_write_file_at(dir_fd, name, text, strlen(text), 0600, false, e);
	return r < 0 ? error_prefix(e, "%s/containers/%s", s->root, id) : 0;
}

int storage_container_read(struct storage *s, const char *id, const char *name, char **ret,
			   struct error *e)
{
	_cleanup_fd_ int dir_fd = storage_container_open(s, id, e);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = fd_read_file_at(dir_fd, name, LIMIT_JSON_BYTES, ret, NULL, e);
	return r < 0 ? error_prefix(e, "container %.12s", id) : 0;
}

int storage_container_update(struct storage *s, const char *id, const char *record_json,
			     struct error *e)
{
	return storage_container_write(s, id, "record.json", record_json, e);
}

/*
 * The name is taken as that of a new container is, by a link to the lock file, whose text is
 * then written in place, since the keeper holds the lock by this very file. A crash in
 * between leaves two names of this container, of which the one that the text does
 * not say stays until its container is removed; then it is stale.
 */
int storage_container_rename(struct storage *s, const char *id, const char *name,
			     const char *record_json, struct error *e)
{
	_cleanup_fd_ int dir_fd = -1, fd = -1;
	char tied_id[ID_LEN + 1], old[LIMIT_NAME + 1], path[STORE_PATH_MAX];
	char text[ID_LEN + LIMIT_NAME + 3];
	int n, r;

	if (!id_name_valid(name))
		return error_setf(
			e, -EINVAL,
			"invalid container name: letters, digits, \"_\", \".\" and \"-\" only, "
			"beginning with a letter or digit, at most %d",
			LIMIT_NAME);
	dir_fd = storage_container_open(s, id, e);
	if (dir_fd < 0)
		return dir_fd;
	r = store_rel(path, "containers/%s/lock", id);
	if (r == 0)
		r = read_tie(s, path, tied_id, old);
	if (r < 0)
		return error_set(e, r, "read %s/%s", s->root, path);
	fd = openat(dir_fd, "lock", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -errno, "open %s/%s", s->root, path);
	r = name_take(s, dir_fd, name, id, e);
	if (r < 0)
		return r;
	n = snprintf(text, sizeof(text), "%s %s\n", id, name);
	if (n < 0 || pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0) {
		r = error_set(e, -errno, "write %s/%s", s->root, path);
		name_drop(s, name, id);
		return r;
	}
	r = storage_container_update(s, id, record_json, e);
	if (r == 0 && id_name_valid(old) && strcmp(old, name) != 0)
		name_drop(s, old, id);
	return r;
}

/* ---- life ------------------------------------------------------------------------ */

int storage_container_lock(struct storage *s, const char *id, struct error *e)
{
	char path[STORE_PATH_MAX];
	int r;

	r = store_need(s, e);
	if (r == 0)
		r = check_id(id, e);
	if (r == 0)
		r = store_rel(path, "containers/%s/lock", id);
	if (r < 0)
		return r;
	r = lock_file_at(s->root_fd, path, true, 0, e);
	return r < 0 ? error_prefix(e, "container %.12s", id) : r;
}

bool storage_container_is_live(struct storage *s, const char *id)
{
	char path[STORE_PATH_MAX];

	return s->root_fd >= 0 && id_is_hex_prefix(id) &&
	       store_rel(path, "containers/%s/lock", id) == 0 && lock_is_held_at(s->root_fd, path);
}

/* ---- reading ---------------------------------------------------------------------- */

/* Take the name of "-id" and the directory away. 0 or -errno. */
static int finish_removal(struct storage *s, const char *id, struct error *e)
{
	char path[STORE_PATH_MAX], tie[STORE_PATH_MAX];
	char tied_id[ID_LEN + 1], name[LIMIT_NAME + 1];
	_cleanup_fd_ int fd = -1;

	if (store_rel(path, "containers/-%s", id) < 0 ||
	    store_rel(tie, "containers/-%s/lock", id) < 0)
		return error_set(e, -ENAMETOOLONG, "container id");
	/* Unreadable: the name becomes stale. */
	if (read_tie(s, tie, tied_id, name) == 0 && id_name_valid(name))
		name_drop(s, name, id);
	/* In place, because the directory is invisible already and locked by us. What cannot be removed waits in the trash. */
	fd = openat(s->root_fd, "containers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && path_remove_tree(fd, path + strlen("containers/"), NULL) == 0)
		return 0;
	return store_discard(s, s->root_fd, path, e);
}

/* "+id" or "-id" of a process that died. */
static void sweep_unfinished(struct storage *s, int dir_fd, const char *entry)
{
	_cleanup_fd_ int fd =
		openat(dir_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !id_is_hex_prefix(entry + 1))
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 &&
	    (errno == EWOULDBLOCK || st.st_ctime + UNFINISHED_SECONDS > time(NULL)))
		return;
	/* What fails is tried again by the next listing. */
	if (entry[0] == '-')
		(void)finish_removal(s, entry + 1, NULL);
	else
		(void)store_trash(s, dir_fd, entry, NULL, NULL);
}

int storage_container_list(struct storage *s, struct strv *ret_ids, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd;

	if (s->root_fd < 0) {
		*ret_ids = (struct strv){ .v = NULL };
		return 0;
	}
	fd = openat(s->root_fd, "containers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (d = fdopendir(fd)) == NULL) {
		(void)error_set(e, -errno, "open %s/containers", s->root);
		close_fd(&fd);
		return -errno;
	}
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '+' || de->d_name[0] == '-')
			sweep_unfinished(s, dirfd(d), de->d_name);
		else if (id_is_hex_prefix(de->d_name) && strv_add(&ids, de->d_name) < 0)
			return error_set(e, -ENOMEM, "list of containers");
	}
	*ret_ids = ids;
	ids = (struct strv){ .v = NULL };
	return 0;
}

int storage_container_find(struct storage *s, const char *text, char **ret_id, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	_cleanup_free_ char *shown = NULL;
	char target[ID_LEN + 1];
	const char *found = NULL;
	int r;

	if (s->root_fd >= 0 && id_name_valid(text) && name_target(s, text, target) == 0 &&
	    dir_exists(s, "", target)) {
		found = target;
	} else if (s->root_fd >= 0 && id_is_hex_prefix(text)) {
		if (dir_exists(s, "", text)) {
			found = text;
		} else {
			r = storage_container_list(s, &ids, e);
			if (r < 0)
				return r;
			for (size_t i = 0; i < ids.n; i++) {
				if (!str_starts(ids.v[i], text))
					continue;
				if (found != NULL)
					return error_setf(
						e, -EINVAL,
						"%s is ambiguous: containers %.12s and %.12s", text,
						found, ids.v[i]);
				found = ids.v[i];
			}
		}
	}
	if (found == NULL) {
		shown = str_escape(text);
		(void)error_setf(e, -ENOENT, "no container with name or id \"%.300s\"",
				 shown != NULL ? shown : "?");
		return STORAGE_MISSING;
	}
	*ret_id = strdup(found);
	return *ret_id == NULL ? error_set(e, -ENOMEM, "container id") : STORAGE_FOUND;
}

int storage_container_record(struct storage *s, const char *id, char **ret_json, struct error *e)
{
	char path[STORE_PATH_MAX];
	int r;

	r = store_need(s, e);
	if (r == 0)
		r = check_id(id, e);
	if (r == 0)
		r = store_rel(path, "containers/%s/record.json", id);
	if (r < 0)
		return r;
	r = fd_read_file_at(s->root_fd, path, LIMIT_JSON_BYTES, ret_json, NULL, e);
	if (r < 0) /* r is the answer even when nobody asks for a text */
		(void)error_prefix(e, "container %.12s", id);
	return r;
}

/*
 * The image id in a record, NULL when it has none or is damaged; the caller
 * frees it. 0, or -errno when the machine does not let us read it.
 */
static int record_image(struct storage *s, const char *id, char **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *j = NULL;
	const char *image;
	int r;

	*ret = NULL;
	r = storage_container_record(s, id, &text, e);
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -EFBIG && r != -ELOOP)
		return r;
	if (r == 0)
		j = json_parse(text, strlen(text), "record", NULL);
	if (j == NULL && storage_container_is_live(s, id))
		return error_setf(
			e, -EBADMSG,
			"the record of running container %.12s cannot be read, so nothing is "
			"removed",
			id);
	image = json_string_value(json_object_get(j, "imageId"));
	if (image == NULL)
		return 0;
	*ret = strdup(image);
	return *ret == NULL ? error_set(e, -ENOMEM, "container %.12s", id) : 0;
}

int container_using_image(struct storage *s, const char *image_id, char **ret_id, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	int r = storage_container_list(s, &ids, e);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_free_ char *used = NULL;

		r = record_image(s, ids.v[i], &used, e);
		if (r == 0 && used != NULL && strcmp(used, image_id) == 0) {
			*ret_id = strdup(ids.v[i]);
			return *ret_id == NULL ? error_set(e, -ENOMEM, "container") : 1;
		}
	}
	return r;
}

int container_mark_images(struct storage *s, json_t *set, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	int r = storage_container_list(s, &ids, e);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_free_ char *image = NULL;

		r = record_image(s, ids.v[i], &image, e);
		if (r == 0 && image != NULL && json_object_set_new(set, image, json_true()) < 0)
			r = error_set(e, -ENOMEM, "clean up the store");
	}
	return r;
}

/* ---- removal ------------------------------------------------------------------------ */

int storage_container_remove(struct storage *s, const char *id, struct error *e)
{
	char path[STORE_PATH_MAX], going[STORE_PATH_MAX];
	_cleanup_fd_ int dir_fd = -1;
	int r;

	r = store_need(s, e);
	if (r == 0)
		r = check_id(id, e);
	if (r < 0)
		return r;
	if (store_rel(path, "containers/%s", id) < 0 || store_rel(going, "containers/-%s", id) < 0)
		return error_set(e, -ENAMETOOLONG, "container id");
	dir_fd = openat(s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Tells the listing of other processes that we live; some file systems cannot. */
	if (dir_fd >= 0)
		(void)flock(dir_fd, LOCK_EX | LOCK_NB);
	if (renameat(s->root_fd, path, s->root_fd, going) < 0)
		return errno == ENOENT ? error_setf(e, -ENOENT, "no container %.12s", id) :
					 error_set(e, -errno, "remove %s/%s", s->root, path);
	return finish_removal(s, id, e);
}
