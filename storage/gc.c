/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mark and sweep of blobs and layers.
 *
 * Theory of operation
 *
 * No reference counts are stored; what is needed is computed from the list of
 * images (manifest, config, packed layers, unpacked layers) and from the
 * containers' records (config and unpacked layers of their image, which may
 * have left the list by force). What is not needed is unlinked
 * (blobs, which are the caller's own files) or renamed to trash/ (layers,
 * whose files may belong to subordinate ids).
 *
 * Who might need something that no record names yet?
 *  - a pull that skipped a layer because the store has it: while any
 *    transaction lives nothing is swept; the file "gc.pending" makes the last
 *    one of them sweep;
 *  - a container being made: it holds gc.lock shared while its record appears,
 *    the sweep holds it exclusively from reading the records to its last
 *    rename. A container that comes later finds the layers gone and says so.
 * The caller holds index.lock, so the list does not change meanwhile.
 *
 * When a document cannot be read for a reason of the machine (memory,
 * descriptors, input/output) nothing is swept and the mark gc.pending stays. A crash in the middle leaves less garbage.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

bool gc_is_pending(const struct storage *s)
{
	return faccessat(s->root_fd, "gc.pending", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Where the mark cannot be made, the next removal sweeps. */
static void set_pending(struct storage *s)
{
	_cleanup_fd_ int fd =
		openat(s->root_fd, "gc.pending", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	(void)fd;
}

int gc_lock(struct storage *s, bool exclusive, struct error *e)
{
	int fd = lock_file_at(s->root_fd, "gc.lock", exclusive, STORE_LOCK_MS, e);

	return fd < 0 ? error_prefix(e, "store %s", s->root) : fd;
}

static int mark(json_t *set, const char *digest)
{
	return json_object_set_new(set, blob_hex(digest), json_true()) < 0 ? -ENOMEM : 0;
}

/* The config of an image and the layers that it names. */
static int mark_config(struct storage *s, const char *digest, json_t *blobs, json_t *layers,
		       struct error *e)
{
	_cleanup_(image_config_fini) struct image_config c = { .created = NULL };
	_cleanup_free_ char *config = NULL;
	size_t len = 0;
	int r;

	r = mark(blobs, digest);
	if (r == 0)
		r = blob_read(s, -1, digest, &config, &len, e);
	if (r == 0)
		r = image_config_parse(config, len, "image config", &c, e);
	for (size_t i = 0; r == 0 && i < c.diff_ids.n; i++)
		r = mark(layers, c.diff_ids.v[i]);
	return r;
}

static int mark_image(struct storage *s, const char *digest, json_t *blobs, json_t *layers,
		      struct error *e)
{
	_cleanup_(image_manifest_fini) struct image_manifest m = { .config = NULL };
	_cleanup_free_ char *manifest = NULL;
	size_t len = 0;
	int r;

	r = mark(blobs, digest);
	if (r == 0)
		r = blob_read(s, -1, digest, &manifest, &len, e);
	if (r == 0)
		r = image_manifest_parse(manifest, len, "manifest", &m, e);
	for (size_t i = 0; r == 0 && i < m.layers.n; i++)
		r = mark(blobs, m.layers.v[i]);
	return r == 0 ? mark_config(s, m.config, blobs, layers, e) : r;
}

static int mark_listed(struct storage *s, const json_t *index, json_t *blobs, json_t *layers,
		       struct error *e)
{
	for (size_t i = 0; i < index_count(index); i++) {
		int r = mark_image(s, index_digest(index, i), blobs, layers, e);

		if (r < 0 &&
		    !store_is_damage(r)) /* a damaged image keeps what could be read of it */
			return error_prefix(e, "clean up the store");
	}
	return 0;
}

static int mark_containers(struct storage *s, json_t *blobs, json_t *layers, struct error *e)
{
	_cleanup_json_ json_t *images = json_object();
	const char *id;
	json_t *unused;
	int r;

	if (images == NULL)
		return error_set(e, -ENOMEM, "clean up the store");
	r = container_mark_images(s, images, e);
	if (r < 0)
		return r;
	json_object_foreach(images, id, unused) {
		_cleanup_free_ char *digest = str_printf(STORE_SHA256 "%s", id);

		if (digest == NULL)
			return error_set(e, -ENOMEM, "clean up the store");
		if (blob_hex(digest) == NULL) /* no image of ours */
			continue;
		r = mark_config(s, digest, blobs, layers, e);
		if (r < 0 && !store_is_damage(r))
			return error_prefix(e, "clean up the store");
	}
	return 0;
}

int gc_mark(struct storage *s, const json_t *index, json_t *blobs, json_t *layers, struct error *e)
{
	int r = mark_listed(s, index, blobs, layers, e);

	return r < 0 ? r : mark_containers(s, blobs, layers, e);
}

static DIR *open_dir(const struct storage *s, const char *name, struct error *e)
{
	int fd = openat(s->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d == NULL) {
		(void)error_set(e, -errno, "open %s/%s", s->root, name);
		close_fd(&fd);
	}
	return d;
}

static int sweep_blobs(struct storage *s, const json_t *keep, struct error *e)
{
	_cleanup_dir_ DIR *d = open_dir(s, "oci/blobs/sha256", e);
	const struct dirent *de;
	int r = 0;

	if (d == NULL)
		return -errno;
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' || json_object_get(keep, de->d_name) != NULL)
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0) < 0 && errno != ENOENT)
			r = error_set(e, -errno, "remove %s/oci/blobs/sha256/%s", s->root,
				      de->d_name);
	}
	return r;
}

static int sweep_layers(struct storage *s, const json_t *keep, struct error *e)
{
	_cleanup_dir_ DIR *d = open_dir(s, "layers", e);
	const struct dirent *de;
	int r = 0;

	if (d == NULL)
		return -errno;
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' || json_object_get(keep, de->d_name) != NULL)
			continue;
		if (store_trash(s, dirfd(d), de->d_name, NULL, e) < 0)
			r = -errno;
	}
	return r;
}

int gc_run(struct storage *s, const json_t *index, const char *except, struct error *e)
{
	_cleanup_json_ json_t *blobs = json_object();
	_cleanup_json_ json_t *layers = json_object();
	_cleanup_fd_ int lock = -1;
	int r;

	if (blobs == NULL || layers == NULL)
		return error_set(e, -ENOMEM, "clean up the store");
	set_pending(s);
	if (store_txn_live(s, except))
		return 0;
	r = mark_listed(s, index, blobs, layers, e);
	if (r < 0)
		return r;
	lock = gc_lock(s, true, e);
	if (lock < 0)
		return lock;
	r = mark_containers(s, blobs, layers, e);
	if (r < 0)
		return r;
	r = sweep_blobs(s, blobs, e);
	if (r == 0)
		r = sweep_layers(s, layers, e);
	if (r == 0)
		(void)unlinkat(s->root_fd, "gc.pending", 0); /* absent in the usual case */
	return r;
}
