/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for damage in the store, and removing it.
 *
 * Theory of operation
 *
 * The store needs no repair after a crash: what is listed was complete and synced before it was
 * listed. This looks for what programs cannot prevent: disks that lose data, file systems
 * that lied about syncs, hands in the directory. What can be compared is compared: every blob
 * with the digest that is its name, every listed image with what its documents ask
 * for, every unpacked layer with the bytes that its unpacking counted, records of
 * containers and volumes with their form.
 *
 * Damage is what will be there tomorrow, too: a missing or a wrong document, a wrong digest, a wrong
 * size (store_is_damage()). What the machine refuses for now (input/output, memory, descriptors) is
 * reported, or ends the check, and never a reason to remove anything.
 *
 * The first half reads and locks nothing; what changes meanwhile may be reported wrongly, so the
 * second half, which repairs, takes the lock of the list, then that of the containers being made,
 * and judges again whatever it removes. While an image is taken in it does nothing: a transaction
 * counts on layers that no list names yet.
 * Repair removes: a damaged blob is unlinked, an image that is not
 * complete leaves the list, a damaged layer goes to trash unless a container runs. These can be
 * pulled again; nothing is guessed. A container without a readable record may hold the only copy
 * of somebody's files: it is removed only when that is asked for. A list that cannot be read is kept beside the new one, in
 * which every complete image stands without a name.
 *
 * Files of layers are hostile: they are counted by lstat through descriptors that follow
 * no link, never opened. A crash in a repair leaves less damage than before it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

#define WALK_DEPTH 300 /* deeper trees are not counted: each level holds a descriptor */

struct check {
	struct storage *s;
	unsigned int how;
	storage_finding_fn fn;
	void *data;
	size_t left;	/* findings that remain */
	bool again;	/* the second half: judges quietly */
	json_t *blobs;	/* digits -> true: a damaged blob */
	json_t *layers; /* digits -> text or true: what is wrong with a layer, or that nothing is */
	json_t *images; /* digests of images that are not complete */
	json_t *records; /* ids of containers without a record, that shall go */
};

static bool repairing(const struct check *c)
{
	return (c->how & STORAGE_CHECK_REPAIR) != 0;
}

/* Report one; will_repair: the second half does something about it. */
static void found(struct check *c, enum storage_problem kind, bool will_repair, const char *object,
		  const char *text)
{
	_cleanup_free_ char *shown = str_escape(object);
	struct storage_finding f = { .kind = kind,
				     .object = shown != NULL ? shown : "?",
				     .text = text,
				     .repaired = will_repair && repairing(c) };

	if (c->fn != NULL)
		c->fn(c->data, &f);
	if (!f.repaired && kind != STORAGE_PROBLEM_LEFTOVER)
		c->left++;
}

static DIR *open_dir(const struct storage *s, const char *name)
{
	int fd = openat(s->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d == NULL)
		close_fd(&fd);
	return d;
}

/* ---- blobs ----------------------------------------------------------------------- */

/* 0 and what is wrong (NULL = nothing), or -errno: it cannot be read, for now. */
static int judge_blob(const struct check *c, int dir_fd, const char *name, const char **ret)
{
	_cleanup_fd_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char digest[SHA256_HEX + 1];
	struct stat st;
	int r;

	*ret = NULL;
	if (fd < 0 && errno == ELOOP)
		*ret = "is not a file";
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		*ret = "is not a file";
		return 0;
	}
	if ((c->how & STORAGE_CHECK_QUICK) != 0)
		return 0;
	r = sha256_file(fd, digest);
	if (r == 0 && strcmp(digest, name) != 0)
		*ret = "its content is not what its digest says";
	return r;
}

/* Something that the machine does not let us judge: reported, never repaired. */
static void found_unreadable(struct check *c, enum storage_problem kind, const char *object, int r)
{
	_cleanup_free_ char *text =
		str_printf("cannot be read: %s; nothing is removed for that", error_strerror(-r));

	found(c, kind, false, object, text != NULL ? text : "cannot be read");
}

static int check_blobs(struct check *c, struct error *e)
{
	_cleanup_dir_ DIR *d = open_dir(c->s, "oci/blobs/sha256");
	const struct dirent *de;

	if (d == NULL)
		return error_set(e, -errno, "open %s/oci/blobs/sha256", c->s->root);
	while ((de = readdir(d)) != NULL) {
		_cleanup_free_ char *digest = str_printf(STORE_SHA256 "%s", de->d_name);
		_cleanup_free_ char *object = str_printf("blob %.12s", de->d_name);
		const char *wrong;
		int r;

		if (digest == NULL || object == NULL)
			return error_set(e, -ENOMEM, "check the store");
		if (de->d_name[0] == '.' || blob_hex(digest) == NULL)
			continue;
		r = judge_blob(c, dirfd(d), de->d_name, &wrong);
		if (r < 0)
			found_unreadable(c, STORAGE_PROBLEM_BLOB, object, r);
		if (wrong == NULL)
			continue;
		found(c, STORAGE_PROBLEM_BLOB, true, object, wrong);
		if (json_object_set_new(c->blobs, de->d_name, json_true()) < 0)
			return error_set(e, -ENOMEM, "check the store");
	}
	return 0;
}

/* ---- layers ---------------------------------------------------------------------- */

/* Add up the regular files below fd (taken over). seen: inodes with several names. -EAGAIN: cannot be counted. */
static int add_sizes(int fd, unsigned int depth, json_t *seen, uint64_t *sum)
{
	_cleanup_dir_ DIR *d = fdopendir(fd);
	const struct dirent *de;
	int r = 0;

	if (d == NULL) {
		close_fd(&fd);
		return -EAGAIN;
	}
	while (r == 0) {
		struct stat st;

		errno = 0;
		de = readdir(d);
		if (de == NULL)
			return errno != 0 ? -EAGAIN : 0;
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -EAGAIN;
		if (S_ISDIR(st.st_mode)) {
			int sub = depth == WALK_DEPTH ?
					  -1 :
					  openat(dirfd(d), de->d_name,
						 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = sub < 0 ? -EAGAIN : add_sizes(sub, depth + 1, seen, sum);
		} else if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
			char ino[32];

			(void)snprintf(ino, sizeof(ino), "%llu", (unsigned long long)st.st_ino);
			if (json_object_get(seen, ino) != NULL)
				continue;
			if (json_object_set_new(seen, ino, json_true()) < 0)
				return -ENOMEM;
			*sum += (uint64_t)st.st_size;
		} else if (S_ISREG(st.st_mode)) {
			*sum += (uint64_t)st.st_size;
		}
	}
	return r;
}

/* What is wrong with a layer: NULL or a text (caller frees). */
static int judge_layer(struct check *c, const char *diff_id, char **ret)
{
	_cleanup_json_ json_t *seen = json_object();
	char path[STORE_PATH_MAX];
	uint64_t want, sum = 0;
	struct stat st;
	bool exact;
	int fd, r;

	*ret = NULL;
	r = store_rel(path, "layers/%s/fs", blob_hex(diff_id));
	if (r < 0 || seen == NULL)
		return r < 0 ? r : -ENOMEM;
	if (fstatat(c->s->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT &&
	    errno != ENOTDIR)
		return -errno;
	if (!layer_exists_at(c->s->root_fd, diff_id)) {
		*ret = strdup("is not there");
		return *ret == NULL ? -ENOMEM : 0;
	}
	want = layer_size_exact_at(c->s->root_fd, diff_id, &exact);
	if (!exact || (c->how & STORAGE_CHECK_QUICK) != 0)
		return 0;
	fd = openat(c->s->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = add_sizes(fd, 0, seen, &sum);
	if (r < 0 || sum == want)
		return r == -EAGAIN ? 0 : r;
	*ret = str_printf("its files have %llu bytes instead of %llu", (unsigned long long)sum,
			  (unsigned long long)want);
	return *ret == NULL ? -ENOMEM : 0;
}

/* The same, once per layer. ret: borrowed, NULL = nothing is wrong. */
static int check_layer(struct check *c, const char *diff_id, const char **ret, struct error *e)
{
	const json_t *known = json_object_get(c->layers, blob_hex(diff_id));
	_cleanup_free_ char *wrong = NULL;
	json_t *verdict;
	int r;

	if (known == NULL) {
		r = judge_layer(c, diff_id, &wrong);
		verdict = wrong != NULL ? json_string(wrong) : json_true();
		if (r < 0 || json_object_set_new(c->layers, blob_hex(diff_id), verdict) < 0)
			return error_set(e, r < 0 ? r : -ENOMEM, "check layer %.19s", diff_id);
		known = json_object_get(c->layers, blob_hex(diff_id));
		if (wrong != NULL && !c->again) {
			_cleanup_free_ char *object = str_printf("layer %.12s", blob_hex(diff_id));

			found(c, STORAGE_PROBLEM_LAYER, true, object != NULL ? object : "layer",
			      wrong);
		}
	}
	*ret = json_string_value(known);
	return 0;
}

/* ---- images ---------------------------------------------------------------------- */

static bool is_damaged_blob(const struct check *c, const char *digest)
{
	return json_object_get(c->blobs, blob_hex(digest)) != NULL;
}

/*
 * Everything that one manifest asks for. 0 and what is wrong (caller frees, NULL = nothing), -errno:
 * it cannot be read, for now.
 */
static int judge_image(struct check *c, const char *digest, char **ret, struct error *e)
{
	_cleanup_(image_manifest_fini) struct image_manifest m = { .config = NULL };
	_cleanup_(image_config_fini) struct image_config conf = { .created = NULL };
	_cleanup_free_ char *manifest = NULL;
	_cleanup_free_ char *config = NULL;
	struct error why = ERROR_INIT;
	size_t len = 0;
	int r;

	*ret = NULL;
	r = is_damaged_blob(c, digest) ? error_setf(&why, -EBADMSG, "its manifest is damaged") :
					 blob_read(c->s, -1, digest, &manifest, &len, &why);
	if (r == 0)
		r = image_manifest_parse(manifest, len, "manifest", &m, &why);
	if (r == 0 && is_damaged_blob(c, m.config))
		r = error_setf(&why, -EBADMSG, "its configuration is damaged");
	if (r == 0)
		r = blob_read(c->s, -1, m.config, &config, &len, &why);
	if (r == 0)
		r = image_config_parse(config, len, "image config", &conf, &why);
	if (r == 0 && m.layers.n != conf.diff_ids.n)
		r = error_setf(&why, -EBADMSG, "manifest and configuration do not agree");
	if (r < 0 && !store_is_damage(r)) {
		if (e != NULL)
			*e = why;
		return r;
	}
	for (size_t i = 0; r == 0 && i < conf.diff_ids.n; i++) {
		const char *wrong = NULL;

		r = check_layer(c, conf.diff_ids.v[i], &wrong, e);
		if (r < 0)
			return r;
		if (wrong != NULL)
			r = error_setf(&why, -EBADMSG, "layer %.12s: %s",
				       blob_hex(conf.diff_ids.v[i]), wrong);
	}
	if (r == 0)
		return 0;
	*ret = strdup(why.msg);
	return *ret == NULL ? error_set(e, -ENOMEM, "check the store") : 0;
}

static int check_images(struct check *c, const json_t *index, struct error *e)
{
	for (size_t i = 0; i < index_count(index); i++) {
		const char *digest = index_digest(index, i), *name = index_name(index, i);
		_cleanup_free_ char *wrong = NULL;
		_cleanup_free_ char *object = NULL;
		int r;

		object = str_printf("image %s", name != NULL ? name : digest);
		if (object == NULL)
			return error_set(e, -ENOMEM, "check the store");
		if (blob_is_gone(c->s, digest)) {
			/* removed on a full disk (index.c): the next writer leaves it out */
			found(c, STORAGE_PROBLEM_LEFTOVER, true, object,
			      "is an entry of an image that is gone");
			continue;
		}
		r = judge_image(c, digest, &wrong, NULL);
		if (r == -ENOMEM)
			return error_set(e, r, "check the store");
		if (r < 0)
			found_unreadable(c, STORAGE_PROBLEM_IMAGE, object, r);
		if (wrong == NULL)
			continue;
		found(c, STORAGE_PROBLEM_IMAGE, true, object, wrong);
		if (json_object_set_new(c->images, digest, json_true()) < 0)
			return error_set(e, -ENOMEM, "check the store");
	}
	return 0;
}

/* What neither an image nor a container needs. */
static int check_leftovers(struct check *c, const json_t *index, struct error *e)
{
	static const char *const dirs[] = { "oci/blobs/sha256", "layers" };
	_cleanup_json_ json_t *blobs = json_object();
	_cleanup_json_ json_t *layers = json_object();
	int r;

	if (blobs == NULL || layers == NULL)
		return error_set(e, -ENOMEM, "check the store");
	if (store_txn_live(c->s, NULL)) /* whose things look like leftovers */
		return 0;
	r = gc_mark(c->s, index, blobs, layers, e);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		_cleanup_dir_ DIR *d = open_dir(c->s, dirs[i]);
		const struct dirent *de;

		while (d != NULL && (de = readdir(d)) != NULL) {
			_cleanup_free_ char *object = NULL;

			if (de->d_name[0] == '.' ||
			    json_object_get(i == 0 ? blobs : layers, de->d_name) != NULL)
				continue;
			object = str_printf("%s %.12s", i == 0 ? "blob" : "layer", de->d_name);
			found(c, STORAGE_PROBLEM_LEFTOVER, true, object != NULL ? object : "?",
			      "is needed by no image and no container");
		}
	}
	return r;
}

/* ---- containers and volumes ------------------------------------------------------- */

static int check_container(struct check *c, const char *id, struct error *e)
{
	_cleanup_(image_config_fini) struct image_config conf = { .created = NULL };
	_cleanup_free_ char *object = str_printf("container %.12s", id);
	_cleanup_free_ char *record = NULL;
	_cleanup_free_ char *config = NULL;
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *digest = NULL;
	const char *image, *wrong = NULL;
	size_t len = 0;
	int r = storage_container_record(c->s, id, &record, NULL);

	if (object == NULL)
		return error_set(e, -ENOMEM, "check the store");
	if (r < 0 && !store_is_damage(r)) {
		found_unreadable(c, STORAGE_PROBLEM_CONTAINER, object, r);
		return 0;
	}
	j = r == 0 ? json_parse(record, strlen(record), "record.json", NULL) : NULL;
	if (j == NULL) {
		bool live = storage_container_is_live(c->s, id);
		bool force = !live && (c->how & STORAGE_CHECK_FORCE) != 0;

		found(c, STORAGE_PROBLEM_CONTAINER, force, object,
		      live ? "has no readable record, but runs: stop it first" :
		      force ?
			     "has no readable record" :
			     "has no readable record: crt system check --repair --force removes it with its files");
		return force && json_object_set_new(c->records, id, json_true()) < 0 ?
			       error_set(e, -ENOMEM, "check the store") :
			       0;
	}
	image = json_string_value(json_object_get(j, "imageId"));
	if (image == NULL || image[0] == '\0')
		return 0;
	digest = str_printf(STORE_SHA256 "%s", image);
	if (digest == NULL)
		return error_set(e, -ENOMEM, "check the store");
	if (blob_hex(digest) == NULL) /* no image of ours */
		return 0;
	r = blob_read(c->s, -1, digest, &config, &len, NULL);
	if (r < 0 && !store_is_damage(r)) {
		found_unreadable(c, STORAGE_PROBLEM_CONTAINER, object, r);
		return 0;
	}
	if (r < 0 || image_config_parse(config, len, "image config", &conf, NULL) < 0) {
		struct storage_image other = { .name = NULL };

		if (squash_find(c->s, image, &other, NULL) == STORAGE_FOUND ||
		    extra_resolve(c->s, image, &other, NULL) == STORAGE_FOUND) {
			storage_image_fini(&other);
			return 0;
		}
		found(c, STORAGE_PROBLEM_CONTAINER, false, object,
		      "the image that it was made of is gone or damaged: pull it again, or remove the container");
		return 0;
	}
	for (size_t i = 0; wrong == NULL && i < conf.diff_ids.n; i++) {
		r = check_layer(c, conf.diff_ids.v[i], &wrong, e);
		if (r < 0) {
			found_unreadable(c, STORAGE_PROBLEM_CONTAINER, object, r);
			return 0;
		}
	}
	if (wrong != NULL)
		found(c, STORAGE_PROBLEM_CONTAINER, false, object,
		      "a layer of its image is damaged: pull the image again, or remove the container");
	return 0;
}

static int check_containers(struct check *c, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	int r = storage_container_list(c->s, &ids, e);

	for (size_t i = 0; r == 0 && i < ids.n; i++)
		r = check_container(c, ids.v[i], e);
	return r;
}

static int check_volumes(struct check *c, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	int r = storage_volume_list(c->s, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_free_ char *object = str_printf("volume %s", names.v[i]);
		_cleanup_free_ char *record = NULL;
		_cleanup_json_ json_t *j = NULL;
		_cleanup_fd_ int fd = storage_volume_open(c->s, names.v[i], NULL);

		if (object == NULL)
			return error_set(e, -ENOMEM, "check the store");
		if (storage_volume_record(c->s, names.v[i], &record, NULL) == 0)
			j = json_parse(record, strlen(record), "record.json", NULL);
		if (j == NULL)
			found(c, STORAGE_PROBLEM_VOLUME, false, object,
			      "has no readable record; its files are in the store's directory volumes");
		else if (fd < 0 && fd != -EACCES && fd != -EPERM)
			found(c, STORAGE_PROBLEM_VOLUME, false, object,
			      "has no directory of files");
	}
	return r;
}

/* ---- repair ---------------------------------------------------------------------- */

/* A list of every complete image, all without names. */
static int rebuild_list(struct check *c, json_t *index, struct error *e)
{
	_cleanup_dir_ DIR *d = open_dir(c->s, "oci/blobs/sha256");
	const struct dirent *de;
	int r = 0;

	while (d != NULL && r == 0 && (de = readdir(d)) != NULL) {
		_cleanup_(image_manifest_fini) struct image_manifest m = { .config = NULL };
		_cleanup_free_ char *digest = str_printf(STORE_SHA256 "%s", de->d_name);
		_cleanup_free_ char *text = NULL;
		_cleanup_free_ char *wrong = NULL;
		size_t len = 0;

		if (digest == NULL)
			return error_set(e, -ENOMEM, "check the store");
		if (blob_hex(digest) == NULL)
			continue;
		r = blob_read(c->s, -1, digest, &text, &len, NULL);
		if (r == 0)
			r = image_manifest_parse(text, len, "manifest", &m, NULL);
		if (store_is_damage(r)) { /* it is another kind of blob */
			r = 0;
			continue;
		}
		if (r < 0) /* an image that is left out is swept */
			return error_set(e, r, "read %s/oci/blobs/sha256/%s", c->s->root,
					 de->d_name);
		r = judge_image(c, digest, &wrong, e);
		if (r == 0 && wrong == NULL &&
		    index_put(index, digest, m.media_type, len, 0, NULL) < 0)
			r = error_set(e, -ENOMEM, "check the store");
	}
	return r;
}

/* Put the unreadable list aside. */
static int replace_list(struct check *c, json_t **ret, struct error *e)
{
	_cleanup_json_ json_t *index = index_new();
	int r;

	if (index == NULL)
		return error_set(e, -ENOMEM, "check the store");
	r = rebuild_list(c, index, e);
	if (r == 0 && repairing(c)) {
		if (renameat(c->s->root_fd, "oci/index.json", c->s->root_fd,
			     "oci/index.json.damaged") < 0)
			return error_set(e, -errno, "move %s/oci/index.json away", c->s->root);
		r = index_save(c->s, index, e);
	}
	if (r == 0)
		*ret = steal_ptr(&index);
	return r;
}

/* Would moving this layer away pull the floor from under a container that runs? */
static bool is_in_use(struct check *c)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };

	if (storage_container_list(c->s, &ids, NULL) < 0)
		return true;
	for (size_t i = 0; i < ids.n; i++)
		if (storage_container_is_live(c->s, ids.v[i]))
			return true;
	return false;
}

/* Layers that are damaged still. Containers that are being made wait meanwhile, so that none misses one. */
static int drop_layers(struct check *c, struct error *e)
{
	_cleanup_fd_ int lock = gc_lock(c->s, true, e);
	const char *hex;
	json_t *verdict;

	if (lock < 0)
		return lock;
	json_object_foreach(c->layers, hex, verdict) {
		char path[STORE_PATH_MAX];
		int r;

		if (!json_is_string(verdict))
			continue;
		if (is_in_use(c)) {
			found(c, STORAGE_PROBLEM_LAYER, false, "damaged layers",
			      "stay while containers run: stop them and repair again");
			return 0;
		}
		r = store_rel(path, "layers/%s", hex);
		if (r == 0)
			r = store_trash(c->s, c->s->root_fd, path, NULL, e);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == -ENOENT && e != NULL)
			*e = ERROR_INIT;
	}
	return 0;
}

static int drop_blobs(struct check *c, struct error *e)
{
	_cleanup_dir_ DIR *d = open_dir(c->s, "oci/blobs/sha256");
	const char *hex, *wrong;
	json_t *unused;
	void *next;

	if (d == NULL)
		return error_set(e, -errno, "open %s/oci/blobs/sha256", c->s->root);
	json_object_foreach_safe(c->blobs, next, hex, unused)
	{
		if (judge_blob(c, dirfd(d), hex, &wrong) < 0 || wrong == NULL)
			(void)json_object_del(c->blobs, hex); /* another one came, or not now */
		else if (unlinkat(dirfd(d), hex, 0) < 0 && errno != ENOENT && errno != EISDIR)
			return error_set(e, -errno, "remove %s/oci/blobs/sha256/%s", c->s->root,
					 hex);
	}
	return 0;
}

/* Judge the damaged layers once more. */
static int judge_layers_again(struct check *c, struct error *e)
{
	const char *hex;
	json_t *verdict;
	void *next;

	json_object_foreach_safe(c->layers, next, hex, verdict)
	{
		_cleanup_free_ char *diff_id = str_printf(STORE_SHA256 "%s", hex);
		_cleanup_free_ char *wrong = NULL;
		int r = diff_id == NULL ? -ENOMEM : 0;

		if (r == 0 && json_is_string(verdict))
			r = judge_layer(c, diff_id, &wrong);
		if (r < 0)
			return error_set(e, r, "check layer %.12s", hex);
		if (wrong == NULL)
			(void)json_object_del(c->layers, hex);
	}
	return 0;
}

static int repair_locked(struct check *c, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	int r;

	if (store_txn_live(c->s, NULL))
		return error_setf(
			e, -EBUSY,
			"an image is being taken into the store %s, so nothing was removed: "
			"repair it again afterwards",
			c->s->root);
	c->again = true;
	r = drop_blobs(c, e);
	if (r == 0)
		r = judge_layers_again(c, e);
	if (r == 0)
		r = index_load(c->s, &index, e);
	if (r < 0)
		return r;
	(void)index_prune(c->s, index);
	for (size_t i = index_count(index); i-- > 0;) {
		const char *digest = index_digest(index, i);
		_cleanup_free_ char *wrong = NULL;

		if (json_object_get(c->images, digest) != NULL &&
		    judge_image(c, digest, &wrong, NULL) == 0 && wrong != NULL)
			index_drop(index, i);
	}
	r = drop_layers(c, e);
	if (r == 0)
		r = index_save(c->s, index, e);
	return r == 0 ? gc_run(c->s, index, NULL, e) : r;
}

/* Is its record still unreadable, and nothing alive in it? */
static bool is_wreck(struct check *c, const char *id)
{
	_cleanup_free_ char *record = NULL;
	_cleanup_json_ json_t *j = NULL;
	int r = storage_container_record(c->s, id, &record, NULL);

	if (r == 0)
		j = json_parse(record, strlen(record), "record.json", NULL);
	return j == NULL && (r == 0 || store_is_damage(r)) && !storage_container_is_live(c->s, id);
}

static int repair(struct check *c, struct error *e)
{
	_cleanup_fd_ int lock = -1;
	const char *id;
	json_t *unused;
	int r = 0;

	json_object_foreach(c->records, id, unused) {
		r = is_wreck(c, id) ? storage_container_remove(c->s, id, e) : 0;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	lock = index_lock(c->s, e);
	if (lock < 0)
		return lock;
	r = repair_locked(c, e);
	if (r == 0)
		storage_trash_empty(c->s);
	return r;
}

/* ---- all of it -------------------------------------------------------------------- */

static int look(struct check *c, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	struct error why = ERROR_INIT;
	int r = check_blobs(c, e);

	if (r < 0)
		return r;
	r = index_load(c->s, &index, &why);
	if (r < 0 && store_is_damage(r)) {
		_cleanup_fd_ int lock = -1;

		if (repairing(c)) { /* perhaps somebody repaired it meanwhile */
			lock = index_lock(c->s, e);
			if (lock < 0)
				return lock;
			r = index_load(c->s, &index, &why);
		}
		if (r < 0 && store_is_damage(r)) {
			found(c, STORAGE_PROBLEM_LIST, true, "the list of images", why.msg);
			r = replace_list(c, &index, e);
			why = e != NULL ? *e : why;
		}
	}
	if (r < 0 && e != NULL)
		*e = why;
	if (r == 0)
		r = check_images(c, index, e);
	if (r == 0)
		r = check_containers(c, e);
	if (r == 0)
		r = check_volumes(c, e);
	return r == 0 ? check_leftovers(c, index, e) : r;
}

int storage_check(struct storage *s, unsigned int how, storage_finding_fn fn, void *data,
		  struct error *e)
{
	struct check c = { .s = s, .how = how, .fn = fn, .data = data };
	int r;

	if (s->root_fd < 0)
		return 0;
	c.blobs = json_object();
	c.layers = json_object();
	c.images = json_object();
	c.records = json_object();
	if (c.blobs == NULL || c.layers == NULL || c.images == NULL || c.records == NULL)
		r = error_set(e, -ENOMEM, "check the store");
	else
		r = look(&c, e);
	if (r == 0 && repairing(&c))
		r = repair(&c, e);
	json_decref(c.blobs);
	json_decref(c.layers);
	json_decref(c.images);
	json_decref(c.records);
	if (r == 0 && c.left > 0)
		return error_setf(e, -EUCLEAN, "the store %s has %zu problem%s", s->root, c.left,
				  c.left == 1 ? "" : "s");
	return r;
}
