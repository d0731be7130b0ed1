/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a container or an image.
 *
 * Theory of operation: what a container shows as its root is an overlay of the image's
 * layers and its own writable directory. To read it, the same is mounted again, in a mount
 * namespace of a child of ours, with the writable directory as the highest of the lower ones:
 * nothing can be changed by it, and a running container does not notice. To write, the
 * container must not run: then it is mounted as it would be for a run.
 *
 * The mount point is the directory "mnt" of the store, which is empty always: mounts on it
 * exist in namespaces of children only and go with them, also after a SIGKILL.
 */
#include "cmd/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

void view_fini(struct view *v)
{
	strv_fini(&v->layers);
	free(v->upper);
	free(v->rootfs);
	free(v->id);
	*v = (struct view){ .upper = NULL };
}

static int take_layers(struct storage *s, const char *image, struct view *v, struct error *e)
{
	struct storage_image found = { .name = NULL };
	int r = storage_image_resolve(s, image, &found, e);

	if (r != STORAGE_FOUND)
		return r == STORAGE_MISSING ? -ENOENT : r;
	v->layers = found.layers;
	found.layers = (struct strv){ .v = NULL };
	storage_image_fini(&found);
	return 0;
}

int view_of_image(struct storage *s, const char *image, struct view *ret, struct error *e)
{
	struct view v = { .upper = NULL };
	int r = take_layers(s, image, &v, e);

	if (r == 0)
		*ret = v;
	return r;
}

static bool was_fuse(struct storage *s, const char *id)
{
	_cleanup_fd_ int fd = storage_container_open(s, id, NULL);

	return fd >= 0 && faccessat(fd, "fuse", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int view_of_container(struct storage *s, const struct container *c, struct view *ret,
		      struct error *e)
{
	const char *rootfs = json_string_value(json_object_get(c->record, "rootfs"));
	struct view v = { .upper = NULL };
	int r = 0;

	v.is_foreign = json_is_true(json_object_get(c->record, "rootfsOverlay"));
	v.id = strdup(c->id);
	if (rootfs != NULL && !v.is_foreign)
		v.rootfs = strdup(rootfs);
	else
		v.upper = str_printf("%s/containers/%s/upper", storage_root(s), c->id);
	if (v.id == NULL || (v.rootfs == NULL && v.upper == NULL))
		r = error_set(e, -ENOMEM, "files of container %s", c->name);
	v.fuse = v.upper != NULL && was_fuse(s, c->id);
	if (r == 0 && v.is_foreign && strv_add(&v.layers, rootfs) < 0)
		r = error_set(e, -ENOMEM, "files of container %s", c->name);
	else if (r == 0 && rootfs == NULL)
		r = take_layers(s, c->image_id, &v, e);
	if (r < 0) {
		view_fini(&v);
		return error_prefix(e, "container %s", c->name);
	}
	*ret = v;
	return 0;
}

static int mount_at(struct storage *s, const struct storage_rootfs *q, const char *dir,
		    struct storage_rootfs_handle *h, struct error *e)
{
	struct storage_rootfs rootfs = *q;
	_cleanup_fd_ int target_fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r, fd;

	if (target_fd < 0)
		return error_set(e, -errno, "opening %s", dir);
	rootfs.target_fd = target_fd;
	rootfs.target = dir;
	r = storage_rootfs_mount(s, &rootfs, h, e);
	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		r = error_set(e, -errno, "opening %s", dir);
		view_close(h);
		return r;
	}
	return fd;
}

static int mount_view(struct storage *s, const struct storage_rootfs *q,
		      struct storage_rootfs_handle *ret, struct error *e)
{
	_cleanup_free_ char *dir = str_printf("%s/mnt", storage_root(s));

	if (dir == NULL)
		return error_set(e, -ENOMEM, "mounting the files");
	if (mkdirat(storage_root_fd(s), "mnt", 0700) < 0 && errno != EEXIST)
		return error_set(e, -errno, "creating %s", dir);
	return mount_at(s, q, dir, ret, e);
}

/* layers and one more on top */
static int all_layers(const struct view *v, bool with_upper, struct strv *ret, struct error *e)
{
	for (size_t i = 0; i < v->layers.n; i++)
		if (strv_add(ret, v->layers.v[i]) < 0)
			return error_set(e, -ENOMEM, "mounting the files");
	if (with_upper && v->upper != NULL && strv_add(ret, v->upper) < 0)
		return error_set(e, -ENOMEM, "mounting the files");
	return 0;
}

int view_open(struct storage *s, const struct view *v, bool writable,
	      struct storage_rootfs_handle *ret, struct error *e)
{
	_cleanup_strv_ struct strv layers = { .v = NULL };
	struct storage_rootfs q = {
		.layers = &layers,
		.is_foreign = v->is_foreign,
		.container_id = writable ? v->id : NULL,
		.driver = v->fuse ? STORAGE_DRIVER_FUSE : STORAGE_DRIVER_AUTO,
	};
	int r;

	*ret = (struct storage_rootfs_handle){ .fuse_pid_fd = -1 };
	if (v->rootfs != NULL) {
		int fd = open(v->rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		return fd < 0 ? error_set(e, -errno, "opening %s", v->rootfs) : fd;
	}
	r = all_layers(v, !writable, &layers, e);
	return r < 0 ? r : mount_view(s, &q, ret, e);
}

int view_mount(struct storage *s, const struct view *v, bool writable, const char *dir,
	       struct storage_rootfs_handle *ret, struct error *e)
{
	_cleanup_strv_ struct strv layers = { .v = NULL };
	struct storage_rootfs q = {
		.layers = &layers,
		.is_foreign = v->is_foreign,
		.container_id = writable ? v->id : NULL,
		.driver = v->fuse ? STORAGE_DRIVER_FUSE : STORAGE_DRIVER_AUTO,
	};
	int r = all_layers(v, !writable, &layers, e);

	*ret = (struct storage_rootfs_handle){ .fuse_pid_fd = -1 };
	if (r == 0)
		r = mount_at(s, &q, dir, ret, e);
	if (r < 0)
		return r;
	(void)close(r);
	return 0;
}

int view_open_below(struct storage *s, const struct view *v, struct storage_rootfs_handle *ret,
		    struct error *e)
{
	_cleanup_strv_ struct strv layers = { .v = NULL };
	struct storage_rootfs q = { .layers = &layers, .is_foreign = v->is_foreign };
	int r = all_layers(v, false, &layers, e);

	*ret = (struct storage_rootfs_handle){ .fuse_pid_fd = -1 };
	return r < 0 ? r : mount_view(s, &q, ret, e);
}

void view_close(struct storage_rootfs_handle *h)
{
	storage_rootfs_umount(h, NULL);
}
