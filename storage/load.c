/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt's side of loading archives.
 *
 * Theory of operation
 *
 * crt-fetch reads the archive in its cage and reports for each image a digest
 * and the names that the archive gives it. The names are hostile: each must be
 * a reference without a digest, else the image is kept without it. Names
 * without a registry are docker.io's in an archive of docker, ours
 * (localhost/) in an OCI layout, as other tools read them.
 *
 * An archive must be read at any place. What is no regular file (a pipe) is
 * copied to a nameless file in tmp/ first; the kernel frees it with the
 * descriptor. All images are committed at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/fetch-priv.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

#define IMAGES_MAX 1024u
#define PIECE	   (1u << 20)

/* The full name, NULL = it is none that an image can have. */
static char *full_name(const char *name, bool docker)
{
	struct storage_ref ref = { .transport = NULL };
	char *domain, *full = NULL;

	if (name[0] == '\0' || storage_ref_parse(name, &ref, NULL) < 0)
		return NULL;
	if (strcmp(ref.transport, "docker") == 0 && ref.digest == NULL && ref.tag != NULL) {
		if (ref.domain == NULL) {
			domain = strdup(docker ? "docker.io" : "localhost");
			if (domain != NULL && docker && strchr(ref.path, '/') == NULL) {
				char *path = str_printf("library/%s", ref.path);

				if (path != NULL) {
					free(ref.path);
					ref.path = path;
				}
			}
			ref.domain = domain;
		}
		if (ref.domain != NULL)
			full = storage_ref_text(&ref);
	}
	storage_ref_fini(&ref);
	return full;
}

int fetch_load_note(struct storage_fetch *f, const char *digest, const char *name, bool docker,
		    struct error *e)
{
	_cleanup_free_ char *full = full_name(name, docker);
	struct storage_commit *image = NULL, *v;

	for (size_t i = 0; i < f->images_n && image == NULL; i++)
		if (strcmp(f->images[i].digest, digest) == 0)
			image = &f->images[i];
	if (image == NULL) {
		if (f->images_n == IMAGES_MAX)
			return error_setf(e, -E2BIG, "more than %u images", IMAGES_MAX);
		v = reallocarray(f->images, f->images_n + 1, sizeof(*v));
		if (v == NULL)
			return error_set(e, -ENOMEM, "load images");
		f->images = v;
		image = &v[f->images_n];
		*image = (struct storage_commit){ .digest = strdup(digest) };
		if (image->digest == NULL)
			return error_set(e, -ENOMEM, "load images");
		f->images_n++;
	}
	return full != NULL && strv_add(&image->names, full) < 0 ?
		       error_set(e, -ENOMEM, "load images") :
		       0;
}

int fetch_load_commit(struct storage_fetch *f, char **ret, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = storage_txn_commit_all(steal_ptr(&f->txn), f->images, f->images_n, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < f->images_n; i++) {
		const struct storage_commit *image = &f->images[i];
		struct storage_image stored = { .name = NULL };

		for (size_t k = 0; k < image->names.n; k++)
			(void)buf_printf(&b, "%s\n", image->names.v[k]); /* a failure stays in b */
		if (image->names.n == 0 &&
		    storage_image_resolve(f->s, image->digest, &stored, e) == STORAGE_FOUND)
			(void)buf_printf(&b, "sha256:%s\n", stored.id); /* as above */
		storage_image_fini(&stored);
	}
	*ret = buf_steal(&b);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "load images");
}

/* A copy of a pipe that can be read at any place. fd or -errno. */
static int spool(struct storage *s, int from, struct error *e)
{
	_cleanup_free_ char *piece = malloc(PIECE);
	_cleanup_fd_ int fd = -1;
	uint64_t total = 0;

	if (piece == NULL)
		return error_set(e, -ENOMEM, "load images");
	fd = openat(s->root_fd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		char token[17], name[STORE_PATH_MAX];
		int r = store_token(token);

		/* a file system without nameless files */
		if (r < 0 || store_rel(name, "tmp/load-%s", token) < 0)
			return error_set(e, -EIO, "random name");
		fd = openat(s->root_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || unlinkat(s->root_fd, name, 0) < 0)
			return error_set(e, -errno, "create %s/%s", s->root, name);
	}
	for (;;) {
		ssize_t n = fd_read_full(from, piece, PIECE);
		int r;

		if (n < 0)
			return error_set(e, (int)n, "read the archive");
		if (n == 0)
			break;
		total += (uint64_t)n;
		if (total > LIMIT_LAYER_BYTES)
			return error_setf(e, -EFBIG, "the archive is too long");
		r = fd_write_all(fd, piece, (size_t)n);
		if (r < 0)
			return error_set(e, r, "write %s/tmp", s->root);
	}
	return steal_fd(&fd);
}

int storage_load_begin(struct storage *s, int fd, const char *platform, bool keep_ids,
		       struct storage_fetch **ret, struct error *e)
{
	struct storage_fetch *f = fetch_new(s, FETCH_OP_LOAD);
	_cleanup_json_ json_t *request = json_pack("{s:s, s:b, s:s*}", "source", "archive",
						   "keep_ids", keep_ids, "platform", platform);
	struct stat st;
	int r;

	if (f == NULL || request == NULL) {
		free(f);
		return error_set(e, -ENOMEM, "load images");
	}
	r = store_need(s, e);
	if (r == 0 && fstat(fd, &st) < 0)
		r = error_set(e, -errno, "stat the archive");
	if (r == 0) {
		f->source_fd = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ?
				       fcntl(fd, F_DUPFD_CLOEXEC, 3) :
				       spool(s, fd, e);
		if (f->source_fd < 0)
			r = f->source_fd == -1 ? error_set(e, -errno, "the archive") : f->source_fd;
	}
	if (r == 0)
		r = fetch_start(f, request, e);
	if (r < 0) {
		storage_fetch_free(f);
		return r;
	}
	*ret = f;
	return 0;
}
