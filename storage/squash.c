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
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
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
