/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that are one file: a SquashFS with the image's configuration behind it.
 *
 * Theory of operation
 *
 * A file system of a cluster may refuse foreign owners, attributes and links, and counts files.
 * There an image is one file that is never unpacked: "squashfs:FILE" is resolved without the
 * store, and rootfs.c mounts it by squashfuse below the container's writable directory. The
 * file is a SquashFS as every tool makes and mounts it; behind it stand the configuration as JSON
 * text, its length in eight bytes (little-endian) and eight characters that say so. Without them
 * the image has an empty configuration.
 *
 * The file is foreign data that may change while it is used: the configuration is read once, with
 * the limit of all configurations and parsed as one from a registry; the SquashFS is
 * read by squashfuse only, a process of the container's own user namespace. Such an image has no
 * digest: its id is its name, so that what was started from it finds it again.
 *
 * A store has such images, too (crt pull --squash): squash/<id> is one file for the whole image, and
 * squash/index.json has their names in the form of the list of images, with the id as digest. A new
 * file is written and locked as squash/.<random>, synced, and under index.lock renamed and listed; a
 * crash before leaves a file that the next one deletes, a crash between a file that is not
 * listed and is replaced by the next pull. Removal unlists first. No links, no owners, no attributes.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

#define SQUASH_MAGIC "hsqs"
#define FOOTER_MAGIC "crtimage"
#define NO_CONFIG \
	"{\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"

struct footer {
	uint64_t len; /* little-endian */
	char magic[8];
};

/* The configuration behind the file system. Caller frees. */
static int read_config(int fd, const char *path, char **ret, size_t *ret_len, struct error *e)
{
	struct footer footer = { .len = 0 };
	_cleanup_free_ char *text = NULL;
	char magic[4] = "";
	struct stat st;
	uint64_t len;

	if (fstat(fd, &st) < 0)
		return error_set(e, -errno, "%s", path);
	if (!S_ISREG(st.st_mode) || pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
	    memcmp(magic, SQUASH_MAGIC, sizeof(magic)) != 0)
		return error_setf(e, -EBADMSG, "%s is not a SquashFS file", path);
	if (pread(fd, &footer, sizeof(footer), st.st_size - (off_t)sizeof(footer)) !=
		    (ssize_t)sizeof(footer) ||
	    memcmp(footer.magic, FOOTER_MAGIC, sizeof(footer.magic)) != 0) {
		*ret = strdup(NO_CONFIG);
		*ret_len = strlen(NO_CONFIG);
		return *ret == NULL ? error_set(e, -ENOMEM, "%s", path) : 0;
	}
	len = le64toh(footer.len);
	if (len > LIMIT_JSON_BYTES || len + sizeof(footer) > (uint64_t)st.st_size)
		return error_setf(e, -EBADMSG,
				  "%s: the length of the image configuration is nonsense", path);
	text = calloc(1, len + 1);
	if (text == NULL)
		return error_set(e, -ENOMEM, "%s", path);
	if (pread(fd, text, len, st.st_size - (off_t)(sizeof(footer) + len)) != (ssize_t)len)
		return error_setf(e, -EIO, "%s: the image configuration cannot be read", path);
	*ret = steal_ptr(&text);
	*ret_len = len;
	return 0;
}

bool squash_is_reference(const char *text)
{
	return str_starts(text, SQUASH_PREFIX);
}

int squash_resolve(const char *text, struct storage_image *ret, struct error *e)
{
	_cleanup_(storage_image_fini) struct storage_image img = { .is_readonly = true };
	_cleanup_(image_config_fini) struct image_config c = { .created = NULL };
	const char *file = text + strlen(SQUASH_PREFIX);
	_cleanup_free_ char *cwd = file[0] == '/' ? strdup("") : getcwd(NULL, 0);
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r;

	if (file[0] == '\0')
		return error_setf(e, -EINVAL, "squashfs: needs the path of a file");
	path = cwd != NULL ? str_printf("%s%s%s", cwd, file[0] == '/' ? "" : "/", file) : NULL;
	if (path == NULL)
		return error_set(e, -ENOMEM, "%s", text);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(e, -errno, "open %s", path);
	r = read_config(fd, path, &img.config, &img.config_len, e);
	if (r == 0)
		r = image_config_parse(img.config, img.config_len, "image config", &c, e);
	if (r < 0)
		return r;
	img.name = str_printf(SQUASH_PREFIX "%s", path);
	img.id = str_printf(SQUASH_PREFIX "%s", path);
	img.size = (uint64_t)st.st_size;
	if (img.name == NULL || img.id == NULL || strv_add(&img.names, img.name) < 0 ||
	    strv_add(&img.layers, path) < 0)
		return error_set(e, -ENOMEM, "%s", text);
	img.created = steal_ptr(&c.created);
	img.architecture = steal_ptr(&c.architecture);
	img.os = steal_ptr(&c.os);
	*ret = img;
	img = (struct storage_image){ .name = NULL };
	return STORAGE_FOUND;
}

int storage_squash_finish(int fd, const char *config, size_t len, struct error *e)
{
	struct footer footer = { .len = htole64(len) };
	int r;

	memcpy(footer.magic, FOOTER_MAGIC, sizeof(footer.magic));
	if (lseek(fd, 0, SEEK_END) < 0)
		return error_set(e, -errno, "write the image configuration");
	r = fd_write_all(fd, config, len);
	if (r == 0)
		r = fd_write_all(fd, &footer, sizeof(footer));
	return r < 0 ? error_set(e, r, "write the image configuration") : 0;
}

/* ---- those of a store -------------------------------------------------------------- */

#define SQUASH_TYPE "application/vnd.crt.image.squashfs"

/* As index_load() and index_save(). */
static int load(const struct storage *s, json_t **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = s->root_fd < 0 ? -ENOENT :
				 fd_read_file_at(s->root_fd, "squash/index.json", LIMIT_JSON_BYTES,
						 &text, &len, NULL);
	json_t *j;

	if (r < 0 && r != -ENOENT)
		return error_set(e, r, "read %s/squash/index.json", s->root);
	j = r == 0 ? json_parse(text, len, "squash/index.json", e) : index_new();
	if (j == NULL)
		return r == 0 ? -EBADMSG : error_set(e, -ENOMEM, "list of images");
	*ret = j;
	return 0;
}

static int save(const struct storage *s, const json_t *index, struct error *e)
{
	_cleanup_free_ char *text = json_to_pretty(index);
	_cleanup_fd_ int dir_fd =
		openat(s->root_fd, "squash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir_fd < 0)
		return error_set(e, -errno, "open %s/squash", s->root);
	return text == NULL ?
		       error_set(e, -ENOMEM, "list of images") :
		       fd_write_file_at(dir_fd, "index.json", text, strlen(text), 0600, true, e);
}

/* Which one a name or an id means: STORAGE_FOUND or STORAGE_MISSING, -errno. Borrowed from index. */
static int find(const json_t *index, const char *text, const char **ret_digest,
		const char **ret_name, struct error *e)
{
	size_t len = strlen(text);
	int r = image_find_name(index, text, ret_digest, ret_name, e);

	if (r == STORAGE_FOUND || !id_is_hex_prefix(text) || len < 8)
		return r;
	for (size_t i = 0; i < index_count(index); i++) {
		const char *hex = blob_hex(index_digest(index, i));

		if (hex != NULL && strncmp(hex, text, len) == 0) {
			*ret_digest = index_digest(index, i);
			*ret_name = NULL;
			return STORAGE_FOUND;
		}
	}
	return STORAGE_MISSING;
}

static int read_stored(const struct storage *s, const json_t *index, const char *digest,
		       const char *name, struct storage_image *ret, struct error *e)
{
	_cleanup_free_ char *text =
		str_printf(SQUASH_PREFIX "%s/squash/%s", s->root, blob_hex(digest));
	_cleanup_(storage_image_fini) struct storage_image img = { .name = NULL };
	int r = text == NULL ? error_set(e, -ENOMEM, "image") : squash_resolve(text, &img, e);

	if (r < 0)
		return r;
	strv_fini(&img.names);
	img.names = (struct strv){ .v = NULL };
	free(img.name);
	free(img.id);
	img.name = NULL;
	img.id = strdup(blob_hex(digest));
	for (size_t i = 0; i < index_count(index); i++) {
		const char *one = index_name(index, i);

		if (one == NULL || strcmp(index_digest(index, i), digest) != 0)
			continue;
		if (strv_add(&img.names, one) < 0)
			return error_set(e, -ENOMEM, "image");
		if (img.name == NULL || (name != NULL && strcmp(name, one) == 0)) {
			free(img.name);
			img.name = strdup(one);
		}
	}
	if (img.id == NULL)
		return error_set(e, -ENOMEM, "image");
	*ret = img;
	img = (struct storage_image){ .name = NULL };
	return STORAGE_FOUND;
}

int squash_find(struct storage *s, const char *text, struct storage_image *ret, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	const char *digest, *name;
	int r = load(s, &index, e);

	if (r == 0)
		r = index_count(index) == 0 ? STORAGE_MISSING :
					      find(index, text, &digest, &name, e);
	return r == STORAGE_FOUND ? read_stored(s, index, digest, name, ret, e) : r;
}

int squash_list(struct storage *s, struct storage_image **list, size_t *n, size_t *cap,
		struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	int r = load(s, &index, e);

	for (size_t i = 0; r == 0 && i < index_count(index); i++) {
		const char *digest = index_digest(index, i);
		bool again = blob_hex(digest) == NULL;

		for (size_t k = 0; k < i; k++) /* another name of it */
			again = again || strcmp(index_digest(index, k), digest) == 0;
		if (again)
			continue;
		if (image_list_grow(list, cap, *n) < 0)
			return error_set(e, -ENOMEM, "list of images");
		if (read_stored(s, index, digest, NULL, &(*list)[*n], NULL) == STORAGE_FOUND)
			(*n)++; /* a damaged one does not hide the others */
	}
	return r;
}

int squash_remove(struct storage *s, const char *text, bool force, struct strv *untagged,
		  struct strv *deleted, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *file = NULL;
	const char *digest, *name;
	bool left = false;
	int r = load(s, &index, e);

	if (r == 0)
		r = find(index, text, &digest, &name, e);
	if (r != STORAGE_FOUND)
		return r == STORAGE_MISSING ? -ENOENT : r;
	file = str_printf("squash/%s", blob_hex(digest));
	if (file == NULL)
		return error_set(e, -ENOMEM, "remove image");
	for (size_t i = 0; name != NULL && i < index_count(index); i++)
		left = left || (strcmp(index_digest(index, i), digest) == 0 &&
				index_name(index, i) != name);
	if (!left && !force) {
		_cleanup_free_ char *user = NULL;

		r = container_using_image(s, blob_hex(digest), &user, e);
		if (r != 0)
			return r < 0 ? r :
				       error_setf(e, -EBUSY,
						  "image %s is used by container %.12s: remove the "
						  "container first, or use --force",
						  text, user);
	}
	for (size_t i = index_count(index); i-- > 0;) {
		if (strncmp(index_digest(index, i) + strlen(STORE_SHA256), file + strlen("squash/"),
			    STORE_HEX) != 0 ||
		    (left && index_name(index, i) != name))
			continue;
		if (index_name(index, i) != NULL && strv_add(untagged, index_name(index, i)) < 0)
			return error_set(e, -ENOMEM, "remove image");
		index_drop(index, i);
		if (left)
			break;
	}
	r = save(s, index, e);
	if (r < 0 || left)
		return r;
	if (unlinkat(s->root_fd, file, 0) < 0 && errno != ENOENT)
		return error_set(e, -errno, "remove %s/%s", s->root, file);
	return strv_add(deleted, file + strlen("squash/")) < 0 ?
		       error_set(e, -ENOMEM, "remove image") :
		       0;
}

/* Files of those who died while they wrote. */
static void sweep(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		_cleanup_fd_ int file_fd = -1;

		if (de->d_name[0] != '.' || strlen(de->d_name) != 17)
			continue;
		file_fd =
			openat(dir_fd, de->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (file_fd >= 0 && flock(file_fd, LOCK_EX | LOCK_NB) == 0)
			(void)unlinkat(dir_fd, de->d_name,
				       0); /* else the next one tries it again */
	}
}

int storage_squash_create(struct storage *s, char ret_name[STORAGE_SQUASH_NAME], struct error *e)
{
	_cleanup_fd_ int dir_fd = -1;
	_cleanup_fd_ int fd = -1;
	char token[17];
	int r = store_need(s, e);

	if (r < 0)
		return r;
	if (mkdirat(s->root_fd, "squash", 0700) < 0 && errno != EEXIST)
		return error_set(e, -errno, "create %s/squash", s->root);
	dir_fd = openat(s->root_fd, "squash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return error_set(e, -errno, "open %s/squash", s->root);
	sweep(dir_fd);
	r = store_token(token);
	if (r < 0)
		return error_set(e, r, "random numbers");
	(void)snprintf(ret_name, STORAGE_SQUASH_NAME, ".%s", token); /* fits */
	fd = openat(dir_fd, ret_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(e, -errno, "create a file in %s/squash", s->root);
	(void)flock(fd, LOCK_EX | LOCK_NB); /* where there are no locks, nothing is swept either */
	return steal_fd(&fd);
}

int storage_squash_add(struct storage *s, int fd, const char *name,
		       const struct storage_image *image, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *from = str_printf("squash/%s", name);
	_cleanup_free_ char *to = str_printf("squash/%s", image->id);
	_cleanup_free_ char *digest = str_printf(STORE_SHA256 "%s", image->id);
	_cleanup_fd_ int lock = -1;
	struct stat st;
	int r;

	if (from == NULL || to == NULL || digest == NULL)
		return error_set(e, -ENOMEM, "list of images");
	if (blob_hex(digest) == NULL)
		return error_setf(e, -EINVAL, "the id of the image is none");
	if (fsync(fd) < 0 || fstat(fd, &st) < 0)
		return error_set(e, -errno, "write %s/%s", s->root, from);
	lock = index_lock(s, e);
	if (lock < 0)
		return lock;
	r = load(s, &index, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < image->names.n || i == 0; i++)
		if (index_put(index, digest, SQUASH_TYPE, (size_t)st.st_size, 0,
			      i < image->names.n ? image->names.v[i] : NULL) < 0)
			return error_set(e, -ENOMEM, "list of images");
	if (renameat(s->root_fd, from, s->root_fd, to) < 0)
		return error_set(e, -errno, "rename %s/%s", s->root, from);
	return save(s, index, e);
}
