/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of a container.
 *
 * Theory of operation
 *
 * A volume is used by the containers whose records name it, running or not; nothing else
 * is kept. So "found or made" and the creation of the record happen under the shared lock
 * of the volumes, and removal under the exclusive one, which is never held while anything
 * is copied, started or waited for.
 *
 * A new volume is filled by the keeper, as root of the user namespace, when the root file
 * system is mounted: it gets what the image has at that place, with owners as the container
 * will see them, and owner and mode of that directory; where the image has none it belongs to
 * the container's user. As in podman this happens once, at the first use. Whether a directory
 * of the image is really a link somewhere is decided inside the container's root.
 *
 * A crash between making a volume and the record leaves an empty volume, which prune removes.
 */
#include "cmd/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd/container.h"
#include "cmd/events.h"

/* ---- the request ------------------------------------------------------------------------ */

static int add_option_list(const json_t *options, const char *access, struct strv *ret)
{
	json_t *o;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)options, i, o) {
		const char *text = json_string_value(o);

		if (text == NULL ||
		    (access != NULL && (strcmp(text, "ro") == 0 || strcmp(text, "rw") == 0)))
			continue;
		if (strv_add(ret, text) < 0)
			return -ENOMEM;
	}
	return access != NULL ? strv_add(ret, access) : 0;
}

/* One entry of container_volumes() of another container. */
static int take_mount(struct run_request *r, const json_t *m, const char *access, struct error *e)
{
	const char *name = json_string_value(json_object_get(m, "Name"));
	const char *source = json_string_value(json_object_get(m, "Source"));
	const char *destination = json_string_value(json_object_get(m, "Destination"));
	_cleanup_strv_ struct strv options = { .v = NULL };
	int ret;

	if (source == NULL || destination == NULL)
		return 0;
	if (add_option_list(json_object_get(m, "Options"), access, &options) < 0)
		return error_set(e, -ENOMEM, "--volumes-from");
	ret = request_add_resolved_mount(r,
					 name != NULL ? REQUEST_MOUNT_VOLUME : REQUEST_MOUNT_BIND,
					 name != NULL ? name : source, destination, &options, e);
	return ret < 0 ? ret : 0; /* what the user mounts there himself stays */
}

/* CONTAINER[:ro|rw|z] */
static int take_volumes_from(struct run_plan *p, const char *text, struct error *e)
{
	_cleanup_free_ char *name = strdup(text);
	_cleanup_free_ char *id = NULL;
	_cleanup_json_ json_t *mounts = NULL;
	struct container c = { .id = NULL };
	const char *access = NULL;
	char *rest;
	json_t *m;
	size_t i;
	int r;

	if (name == NULL)
		return error_set(e, -ENOMEM, "--volumes-from %s", text);
	rest = strchr(name, ':');
	if (rest != NULL)
		*rest++ = '\0';
	for (char *o; (o = strsep(&rest, ",")) != NULL;) {
		if (strcmp(o, "ro") == 0 || strcmp(o, "rw") == 0)
			access = o[1] == 'o' ? "ro" : "rw";
		else if (strcmp(o, "z") != 0) /* SELinux: nothing is ever labelled */
			return error_setf(e, -EINVAL,
					  "--volumes-from %s: the options are ro, rw and z", text);
	}
	r = storage_container_find(p->store, name, &id, e);
	if (r == STORAGE_FOUND)
		r = container_load(p->store, id, &c, e);
	if (r != 0)
		return error_prefix(e, "--volumes-from %s", text);
	mounts = container_volumes(&c);
	json_array_foreach(mounts, i, m)
		if (r == 0)
			r = take_mount(p->req, m, access, e);
	container_fini(&c);
	return r;
}

int volumes_resolve(struct run_plan *p, struct error *e)
{
	struct run_request *req = p->req;
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->volumes_from.n; i++)
		r = take_volumes_from(p, req->volumes_from.v[i], e);
	strv_fini(&req->volumes_from);
	for (size_t i = 0; r == 0 && i < p->conf.volumes.n; i++) {
		bool tmpfs = req->image_volume == REQUEST_IMAGE_VOLUME_TMPFS;

		if (req->image_volume == REQUEST_IMAGE_VOLUME_IGNORE)
			break;
		r = request_add_default_mount(req,
					      tmpfs ? REQUEST_MOUNT_TMPFS : REQUEST_MOUNT_VOLUME,
					      NULL, p->conf.volumes.v[i],
					      tmpfs ? 0 : REQUEST_MOUNT_ANONYMOUS, e);
		r = r > 0 ? 0 : r;
	}
	for (size_t i = 0; r == 0 && i < req->mounts_n; i++) {
		struct request_mount *m = &req->mounts[i];
		char name[ID_LEN + 1];

		if (m->type != REQUEST_MOUNT_VOLUME || m->source != NULL)
			continue;
		r = id_generate(name);
		if (r < 0)
			return error_set(e, r, "naming a volume");
		m->source = strdup(name);
		if (m->source == NULL)
			return error_set(e, -ENOMEM, "naming a volume");
	}
	return r;
}

/* ---- making them ----------------------------------------------------------------------------- */

char *volumes_record(const char *name, bool anonymous, json_t *labels, json_t *options)
{
	_cleanup_json_ json_t *record = NULL;
	struct timespec ts;
	struct tm tm;
	char created[64];

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || gmtime_r(&ts.tv_sec, &tm) == NULL ||
	    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return NULL;
	record = json_pack("{s:s, s:s+, s:b, s:O?, s:O?}", "name", name, "created", created, "Z",
			   "anonymous", (int)anonymous, "labels", labels, "options", options);
	return record != NULL ? json_to_text(record) : NULL;
}

static int make_one(struct storage *s, const struct request_mount *m, struct error *e)
{
	_cleanup_free_ char *record = NULL;
	_cleanup_free_ char *known = NULL;
	int r;

	if (storage_volume_record(s, m->source, &known, NULL) == 0)
		return 0;
	record = volumes_record(m->source, (m->flags & REQUEST_MOUNT_ANONYMOUS) != 0, NULL, NULL);
	if (record == NULL)
		return error_set(e, -ENOMEM, "making volume %s", m->source);
	r = storage_volume_create(s, m->source, record, e);
	if (r == 0)
		events_object(s, "volume", "create", NULL, m->source);
	if (r != -EEXIST)
		return r;
	*e = ERROR_INIT; /* somebody else was faster: it is there */
	return 0;
}

int volumes_make(struct run_plan *p, int *ret_lock_fd, struct error *e)
{
	const struct run_request *req = p->req;
	_cleanup_fd_ int lock = -1;

	for (size_t i = 0; i < req->mounts_n; i++) {
		int r;

		if (req->mounts[i].type != REQUEST_MOUNT_VOLUME)
			continue;
		if (lock < 0)
			lock = storage_volume_lock(p->store, false, e);
		if (lock < 0)
			return lock;
		r = make_one(p->store, &req->mounts[i], e);
		if (r < 0)
			return r;
	}
	*ret_lock_fd = steal_fd(&lock);
	return 0;
}

json_t *volumes_json(const struct run_request *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list != NULL && i < r->mounts_n; i++) {
		const struct request_mount *m = &r->mounts[i];

		if (m->type != REQUEST_MOUNT_VOLUME)
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s, s:s, s:b}", "name", m->source, "destination",
					    m->destination, "anonymous",
					    (int)((m->flags & REQUEST_MOUNT_ANONYMOUS) != 0))) <
		    0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* ---- in the keeper ------------------------------------------------------------------------------- */

/* An id of the container as the keeper's user namespace has it. */
static uint32_t outside(const struct id_range *map, size_t n, uint32_t id)
{
	uint32_t ret = id;

	(void)id_map_to_outside(map, n, id, &ret); /* without a shift they are the same */
	return ret;
}

static uint32_t user_id(const struct run_plan *p, const char *key, bool group)
{
	const json_t *user = json_object_get(json_object_get(p->config, "process"), "user");
	json_int_t id = json_integer_value(json_object_get(user, key));
	const struct id_map *m = &p->shift_map;

	return group ? outside(m->gid, m->gid_n, (uint32_t)id) :
		       outside(m->uid, m->uid_n, (uint32_t)id);
}

static bool is_empty(int fd)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy < 0)
		return false;
	d = fdopendir(copy);
	if (d == NULL) {
		(void)close(copy);
		return false;
	}
	while ((de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			return false;
	return true;
}

static int fill_new(const struct run_plan *p, const struct request_mount *m, int root_fd,
		    struct error *e)
{
	_cleanup_fd_ int data_fd = storage_volume_open(p->store, m->source, e);
	_cleanup_fd_ int image_fd = -1;
	struct stat st;
	int r;

	if (data_fd < 0)
		return data_fd;
	if (!is_empty(data_fd)) /* the caller put something there */
		return 0;
	image_fd = path_open_in(root_fd, m->destination, O_RDONLY | O_DIRECTORY, 0);
	if (image_fd >= 0 && (m->flags & REQUEST_MOUNT_NOCOPY) == 0)
		return storage_tree_copy(image_fd, data_fd, e);
	if (image_fd >= 0 && fstat(image_fd, &st) == 0) {
		if (fchmod(data_fd, st.st_mode & 07777) < 0)
			return error_set(e, -errno, "setting the mode of volume %s", m->source);
		r = fchown(data_fd, st.st_uid, st.st_gid);
	} else {
		r = fchown(data_fd, user_id(p, "uid", false), user_id(p, "gid", true));
	}
	if (r < 0 && errno != EPERM &&
	    errno != EINVAL) /* an id that is not mapped: it stays ours */
		return error_set(e, -errno, "setting the owner of volume %s", m->source);
	return 0;
}

static int fill_one(const struct run_plan *p, const struct request_mount *m, int root_fd,
		    struct error *e)
{
	_cleanup_fd_ int lock = -1;
	int r = storage_volume_first_use(p->store, m->source, &lock, e);

	if (r <= 0)
		return r;
	r = fill_new(p, m, root_fd, e);
	return r < 0 ? r : storage_volume_used(p->store, m->source, e);
}

static int give_away(const struct run_plan *p, const struct request_mount *m, struct error *e)
{
	_cleanup_fd_ int fd =
		m->type == REQUEST_MOUNT_VOLUME ?
			storage_volume_open(p->store, m->source, e) :
			open(m->source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uid_t uid = user_id(p, "uid", false);
	gid_t gid = user_id(p, "gid", true);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return m->type == REQUEST_MOUNT_VOLUME ? fd : error_set(e, -errno, "%s", m->source);
	if (!S_ISDIR(st.st_mode))
		return fchown(fd, uid, gid) < 0 ? error_set(e, -errno, "%s", m->source) : 0;
	return storage_tree_chown(fd, uid, gid, e);
}

int volumes_fill(const struct run_plan *p, int root_fd, struct error *e)
{
	const struct run_request *req = p->req;

	for (size_t i = 0; i < req->mounts_n; i++) {
		const struct request_mount *m = &req->mounts[i];
		int r = 0;

		if (m->type == REQUEST_MOUNT_VOLUME)
			r = fill_one(p, m, root_fd, e);
		if (r < 0)
			return error_prefix(e, "filling volume %s from %s of the image", m->source,
					    m->destination);
		if ((m->flags & REQUEST_MOUNT_CHOWN) != 0)
			r = give_away(p, m, e);
		if (r < 0)
			return error_prefix(e, "option U of %s", m->destination);
	}
	return 0;
}

/* ---- who uses them ----------------------------------------------------------------------------------- */

static bool record_names(const json_t *record, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(record, "volumes"), i, v) {
		const char *used = json_string_value(json_object_get(v, "name"));

		if (used != NULL && strcmp(used, name) == 0)
			return true;
	}
	return false;
}

int volumes_users(struct storage *s, const char *name, struct strv *ret_ids, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	int r = storage_container_list(s, &ids, e);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_free_ char *text = NULL;
		_cleanup_json_ json_t *record = NULL;

		r = storage_container_record(s, ids.v[i], &text, e);
		if (r == -ENOENT) { /* it went away */
			*e = ERROR_INIT;
			r = 0;
			continue;
		}
		if (r < 0)
			return r; /* what cannot be read may use it */
		record = json_parse(text, strlen(text), "container record", e);
		if (record == NULL)
			return error_prefix(e, "container %.12s", ids.v[i]);
		if (record_names(record, name) && strv_add(ret_ids, ids.v[i]) < 0)
			r = error_set(e, -ENOMEM, "looking for users of volume %s", name);
	}
	return r;
}

void volumes_drop_anonymous(struct storage *s, const json_t *volumes)
{
	_cleanup_fd_ int lock = -1;
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)volumes, i, v) {
		const char *name = json_string_value(json_object_get(v, "name"));
		_cleanup_strv_ struct strv users = { .v = NULL };
		struct error e = ERROR_INIT;

		if (name == NULL || !json_is_true(json_object_get(v, "anonymous")))
			continue;
		if (lock < 0)
			lock = storage_volume_lock(s, true, &e);
		if (lock < 0 || volumes_users(s, name, &users, &e) < 0 ||
		    (users.n == 0 && storage_volume_remove(s, name, &e) < 0 && e.code != -ENOENT))
			log_warning("%s", e.msg); /* volume prune removes it */
		else if (users.n == 0)
			events_object(s, "volume", "remove", NULL, name);
	}
}
