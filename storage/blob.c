/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-addressed files: oci/blobs/sha256/<hex>.
 *
 * Theory of operation
 *
 * A digest is checked to be "sha256:" and 64 lower-case digits before it
 * becomes a file name, so it can name nothing else. The bytes were checked
 * against the digest by crt-fetch while they streamed in. A transaction's
 * files were written by crt-fetch, which has read hostile bytes: here they are
 * opened without following links and only when they are regular files.
 * Blobs are never changed, only renamed into place (txn.c) and unlinked (gc.c).
 */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

const char *blob_hex(const char *digest)
{
	const char *hex;

	if (digest == NULL || strncmp(digest, STORE_SHA256, sizeof(STORE_SHA256) - 1) != 0)
		return NULL;
	hex = digest + sizeof(STORE_SHA256) - 1;
	if (strspn(hex, "0123456789abcdef") != STORE_HEX || hex[STORE_HEX] != '\0')
		return NULL;
	return hex;
}

bool storage_digest_valid(const char *digest)
{
	return blob_hex(digest) != NULL;
}

bool blob_exists_at(int dir_fd, const char *digest)
{
	const char *hex = blob_hex(digest);
	char path[STORE_PATH_MAX];
	struct stat st;

	return hex != NULL && store_rel(path, "blobs/sha256/%s", hex) == 0 &&
	       fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool blob_is_gone(const struct storage *s, const char *digest)
{
	const char *hex = blob_hex(digest);
	char path[STORE_PATH_MAX];
	struct stat st;

	return hex == NULL ||
	       (s->root_fd >= 0 && store_rel(path, "oci/blobs/sha256/%s", hex) == 0 &&
		fstatat(s->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT);
}

bool storage_has_blob(struct storage *s, const char *digest)
{
	const char *hex = blob_hex(digest);
	char path[STORE_PATH_MAX];
	struct stat st;

	return hex != NULL && s->root_fd >= 0 && store_rel(path, "oci/blobs/sha256/%s", hex) == 0 &&
	       fstatat(s->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int storage_open_blob(struct storage *s, const char *digest, struct error *e)
{
	const char *hex = blob_hex(digest);
	char path[STORE_PATH_MAX];
	int fd, r;

	if (hex == NULL)
		return error_setf(e, -EINVAL, "not a sha256 digest");
	r = store_need(s, e);
	if (r < 0)
		return r;
	r = store_rel(path, "oci/blobs/sha256/%s", hex);
	if (r < 0)
		return error_set(e, r, "%s", hex);
	fd = openat(s->root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -errno, "open %s/%s", s->root, path);
	return fd;
}

int blob_read(struct storage *s, int txn_fd, const char *digest, char **ret, size_t *ret_len,
	      struct error *e)
{
	const char *hex = blob_hex(digest);
	char path[STORE_PATH_MAX];
	int r;

	if (hex == NULL)
		return error_setf(e, -EINVAL, "not a sha256 digest");
	if (txn_fd >= 0) {
		r = store_rel(path, "blobs/sha256/%s", hex);
		if (r == 0)
			r = fd_read_file_at(txn_fd, path, LIMIT_JSON_BYTES, ret, ret_len, e);
		if (r != -ENOENT)
			return r;
	}
	r = store_rel(path, "oci/blobs/sha256/%s", hex);
	if (r < 0)
		return error_set(e, r, "%s", hex);
	r = fd_read_file_at(s->root_fd, path, LIMIT_JSON_BYTES, ret, ret_len, e);
	if (r < 0) /* r is the answer even when nobody asks for a text */
		(void)error_prefix(e, "%s", s->root);
	return r;
}
