/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing images to archives and directories.
 *
 * Theory of operation
 *
 * Blobs are copied by the kernel from their files to the target, none is
 * unpacked or packed again, so digests stay and the speed is that of the disk.
 *
 *   oci-archive     a tar of an OCI layout
 *   docker-archive  the same, and docker's manifest.json, which names the same
 *                   blobs: docker, podman and skopeo read either
 *   oci:DIR         an OCI layout; one that is there is added to
 *   dir:DIR         "version", manifest.json, blobs named by their digits
 *
 * In directories every file is written under a temporary name and renamed, blobs
 * before the index that names them: a crash leaves what was there before and
 * perhaps blobs that nothing names, and a file .crt-ID. Several may write into one
 * layout: its list is read and written under a lock of the directory. An archive that is broken off is short, and
 * whoever reads it sees that; cmd/save.c removes what it made.
 *
 * Times in archives are 0 and owners root: the same images give the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/lock.h"
#include "storage/bundle.h"

#define COPY_STEP     (64u << 20)
#define INDEX_WAIT_MS 30000	      /* for another one that writes the list of a layout */
#define OCTAL_MAX     077777777777ull /* what the size of a plain tar header can say */

static int memory(struct error *e)
{
	return error_set(e, -ENOMEM, "write the image");
}

/* All of in_fd from its begin to out_fd. */
static int copy_bytes(int in_fd, int out_fd, uint64_t len, struct error *e)
{
	bool by_range = true, by_send = true;
	_cleanup_free_ char *piece = NULL;

	while (len > 0) {
		size_t want = len < COPY_STEP ? (size_t)len : COPY_STEP;
		ssize_t n = -1;

		errno = 0;
		if (by_range)
			n = copy_file_range(in_fd, NULL, out_fd, NULL, want, 0);
		else if (by_send)
			n = sendfile(out_fd, in_fd, NULL, want);
		if (n < 0 && errno == EINTR)
			continue;
		/* the one is for files, the other for all but files opened for appending */
		if (n < 0 && (by_range || by_send) &&
		    (errno == EXDEV || errno == EINVAL || errno == EBADF || errno == EOPNOTSUPP ||
		     errno == ENOSYS || errno == ETXTBSY || errno == EPERM)) {
			if (by_range)
				by_range = false;
			else
				by_send = false;
			continue;
		}
		if (!by_range && !by_send) {
			int r = 0;

			if (piece == NULL && (piece = malloc(256u << 10)) == NULL)
				return memory(e);
			do
				n = read(in_fd, piece, want < (256u << 10) ? want : (256u << 10));
			while (n < 0 && errno == EINTR);
			if (n > 0)
				r = fd_write_all(out_fd, piece, (size_t)n);
			if (r < 0)
				return error_set(e, r, "write");
		}
		if (n < 0)
			return error_set(e, -errno, "copy a layer");
		if (n == 0)
			return error_setf(e, -EIO, "a layer ends in the middle");
		len -= (uint64_t)n;
	}
	return 0;
}

/* ---- documents of the layouts ------------------------------------------------------------- */

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

static json_t *index_entry(const struct storage_bundle *b, const char *name, bool tag_only)
{
	const struct bundle_doc *top = bundle_top(b);
	const char *shown = name;

	if (name == NULL)
		return json_pack("{s:s, s:s, s:I}", "mediaType", top->type, "digest", top->digest,
				 "size", (json_int_t)top->len);
	if (tag_only && strrchr(name, ':') != NULL && strchr(strrchr(name, ':'), '/') == NULL)
		shown = strrchr(name, ':') + 1;
	return json_pack("{s:s, s:s, s:I, s:{s:s}}", "mediaType", top->type, "digest", top->digest,
			 "size", (json_int_t)top->len, "annotations", INDEX_REF_NAME, shown);
}

static int index_append(json_t *list, const struct storage_bundle *b, bool tag_only)
{
	if (b->names.n == 0)
		return json_array_append_new(list, index_entry(b, NULL, false));
	for (size_t i = 0; i < b->names.n; i++)
		if (json_array_append_new(list, index_entry(b, b->names.v[i], tag_only)) < 0)
			return -1;
	return 0;
}

static json_t *new_index(void)
{
	return json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType",
			 "application/vnd.oci.image.index.v1+json", "manifests");
}

/* One entry of docker's manifest.json. */
static json_t *docker_entry(const struct storage_bundle *b)
{
	const struct bundle_doc *top = bundle_top(b);
	const char *config =
		json_string_value(json_object_get(json_object_get(top->doc, "config"), "digest"));
	json_t *names = json_array(), *layers = json_array(), *o;
	size_t i;

	for (i = 0; i < b->names.n; i++)
		if (strchr(b->names.v[i], '@') == NULL)
			(void)json_array_append_new(
				names, json_string(b->names.v[i])); /* seen by json_pack() */
	json_array_foreach(json_object_get(top->doc, "layers"), i, o) {
		const char *digest = json_string_value(json_object_get(o, "digest"));

		if (digest != NULL && blob_hex(digest) != NULL)
			(void)json_array_append_new(layers,
						    json_sprintf("blobs/sha256/%s",
								 blob_hex(digest))); /* as above */
	}
	return json_pack(
		"{s:o, s:o, s:o}", "Config",
		json_sprintf("blobs/sha256/%s",
			     config != NULL && blob_hex(config) != NULL ? blob_hex(config) : ""),
		"RepoTags", names, "Layers", layers);
}

/* ---- archives --------------------------------------------------------------------------------- */

static void octal(char *field, size_t size, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*llo", (int)size - 1, (unsigned long long)value);
	memcpy(field, text, size - 1);
}

/* A plain header; sizes above 8 GiB as GNU tar writes them (base 256). */
static int put_header(int fd, const char *name, uint64_t size, char type, struct error *e)
{
	unsigned char h[512] = { 0 };
	unsigned int sum = 0;
	int r;

	memcpy(h, name, strlen(name)); /* ours: below 100 bytes */
	octal((char *)h + 100, 8, type == '5' ? 0755 : 0644);
	octal((char *)h + 108, 8, 0);
	octal((char *)h + 116, 8, 0);
	if (size <= OCTAL_MAX) {
		octal((char *)h + 124, 12, size);
	} else {
		h[124] = 0x80;
		for (int i = 0; i < 8; i++)
			h[135 - i] = (unsigned char)(size >> (8 * i));
	}
	octal((char *)h + 136, 12, 0);
	h[156] = (unsigned char)type;
	memcpy(h + 257, "ustar", 6);
	memcpy(h + 263, "00", 2);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += h[i];
	octal((char *)h + 148, 7, sum);
	r = fd_write_all(fd, h, sizeof(h));
	return r < 0 ? error_set(e, r, "write the archive") : 0;
}

static int put_padding(int fd, uint64_t size, struct error *e)
{
	static const char zeros[512];
	size_t n = (size_t)((512 - size % 512) % 512);
	int r = fd_write_all(fd, zeros, n);

	return r < 0 ? error_set(e, r, "write the archive") : 0;
}

static int put_text(int fd, const char *name, const char *text, size_t len, struct error *e)
{
	int r = put_header(fd, name, len, '0', e);

	if (r < 0)
		return r;
	r = fd_write_all(fd, text, len);
	return r < 0 ? error_set(e, r, "write the archive") : put_padding(fd, len, e);
}

static int put_json(int fd, const char *name, const json_t *doc, struct error *e)
{
	_cleanup_free_ char *text = doc != NULL ? json_to_text(doc) : NULL;

	return text == NULL ? memory(e) : put_text(fd, name, text, strlen(text), e);
}

static int put_blob(const struct storage_bundle *b, int fd, const char *digest, uint64_t size,
		    json_t *seen, struct error *e)
{
	char name[96];
	_cleanup_fd_ int in = -1;
	int r;

	if (json_object_get(seen, digest) != NULL)
		return 0;
	if (json_object_set_new(seen, digest, json_true()) < 0)
		return memory(e);
	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", blob_hex(digest)); /* fits */
	in = bundle_open(b, digest, e);
	if (in < 0)
		return in;
	r = put_header(fd, name, size, '0', e);
	if (r == 0)
		r = copy_bytes(in, fd, size, e);
	return r < 0 ? r : put_padding(fd, size, e);
}

static int put_all_blobs(const struct storage_bundle *b, int fd, json_t *seen, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->blobs_n; i++)
		r = put_blob(b, fd, b->blobs[i].digest, b->blobs[i].size, seen, e);
	for (size_t i = 0; r == 0 && i < b->docs_n; i++)
		r = put_blob(b, fd, b->docs[i].digest, b->docs[i].len, seen, e);
	return r;
}

static int write_archive(struct storage_bundle *const *bundles, size_t n, bool docker, int fd,
			 struct error *e)
{
	static const char zeros[1024];
	_cleanup_json_ json_t *seen = json_object();
	_cleanup_json_ json_t *index = new_index();
	_cleanup_json_ json_t *list = json_array();
	int r;

	if (seen == NULL || index == NULL || list == NULL)
		return memory(e);
	r = put_text(fd, "oci-layout", layout_text, strlen(layout_text), e);
	if (r == 0)
		r = put_header(fd, "blobs/", 0, '5', e);
	if (r == 0)
		r = put_header(fd, "blobs/sha256/", 0, '5', e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (docker && json_object_get(bundle_top(bundles[i])->doc, "manifests") != NULL)
			return error_setf(
				e, -EINVAL,
				"a docker archive holds images of one platform: use oci-archive for all of them");
		r = put_all_blobs(bundles[i], fd, seen, e);
		if (r == 0 &&
		    (index_append(json_object_get(index, "manifests"), bundles[i], false) < 0 ||
		     (docker && json_array_append_new(list, docker_entry(bundles[i])) < 0)))
			r = memory(e);
	}
	if (r == 0)
		r = put_json(fd, "index.json", index, e);
	if (r == 0 && docker)
		r = put_json(fd, "manifest.json", list, e);
	if (r == 0) {
		r = fd_write_all(fd, zeros, sizeof(zeros));
		if (r < 0)
			(void)error_set(e, r, "write the archive");
	}
	return r;
}

/* ---- directories -------------------------------------------------------------------------------- */

static int dir_blob(const struct storage_bundle *b, int dir_fd, const char *digest,
		    const char *name, uint64_t size, struct error *e)
{
	char part[sizeof(".crt-") + ID_LEN] = ".crt-";
	_cleanup_fd_ int in = -1;
	_cleanup_fd_ int out = -1;
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size == size)
		return 0;
	in = bundle_open(b, digest, e);
	if (in < 0)
		return in;
	/* a name of our own: several may write into one directory */
	r = id_generate(part + strlen(part));
	if (r < 0)
		return error_set(e, r, "random numbers");
	out = openat(dir_fd, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (out < 0)
		return error_set(e, -errno, "create a file in the directory");
	r = copy_bytes(in, out, size, e);
	if (r == 0 && renameat(dir_fd, part, dir_fd, name) < 0)
		r = error_set(e, -errno, "rename %s", name);
	if (r < 0)
		(void)unlinkat(dir_fd, part, 0); /* the first error counts */
	return r;
}

static int make_dir(int dir_fd, const char *name, struct error *e)
{
	if (mkdirat(dir_fd, name, 0777) < 0 && errno != EEXIST)
		return error_set(e, -errno, "create %s", name);
	return 0;
}

static int write_text(int dir_fd, const char *name, const char *text, size_t len, struct error *e)
{
	return fd_write_file_at(dir_fd, name, text, len, 0644, false, e);
}

/* The layout's index without the names that are written anew. */
static int old_index(int dir_fd, const struct storage_bundle *b, json_t **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_json_ json_t *fresh = json_array();
	json_t *list = NULL, *o, *added;
	size_t len = 0, i, k;
	int r;

	r = fd_read_file_at(dir_fd, "index.json", LIMIT_JSON_BYTES, &text, &len, NULL);
	if (r < 0 && r != -ENOENT)
		return error_set(e, r, "read index.json");
	doc = r == -ENOENT ? new_index() : json_parse(text, len, "index.json", e);
	if (doc == NULL || fresh == NULL)
		return r == -ENOENT || fresh == NULL ? memory(e) : -EBADMSG;
	if (json_get_array(doc, "index.json", "manifests", &list, e) < 0)
		return -EBADMSG;
	if (list == NULL)
		return error_setf(e, -EBADMSG, "index.json: there is no list \"manifests\"");
	if (index_append(fresh, b, true) < 0)
		return memory(e);
	for (i = json_array_size(list); i-- > 0;) {
		json_t *annotations;
		const char *name;

		o = json_array_get(list, i);
		annotations = json_object_get(o, "annotations");
		name = json_string_value(json_object_get(annotations, INDEX_REF_NAME));
		json_array_foreach(fresh, k, added) {
			const char *other = json_string_value(json_object_get(
				json_object_get(added, "annotations"), INDEX_REF_NAME));
			const char *digest = json_string_value(json_object_get(o, "digest"));

			if ((name != NULL && other != NULL && strcmp(name, other) == 0) ||
			    (name == NULL && other == NULL && digest != NULL &&
			     strcmp(digest, storage_bundle_digest(b)) == 0)) {
				(void)json_array_remove(list, i); /* it is there */
				break;
			}
		}
	}
	if (json_array_extend(list, fresh) < 0)
		return memory(e);
	*ret = json_incref(doc);
	return 0;
}

static int write_layout(const struct storage_bundle *b, int fd, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int blobs_fd = -1;
	int r;

	r = make_dir(fd, "blobs", e);
	if (r == 0)
		r = make_dir(fd, "blobs/sha256", e);
	if (r < 0)
		return r;
	blobs_fd = openat(fd, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (blobs_fd < 0)
		return error_set(e, -errno, "open blobs/sha256");
	for (size_t i = 0; r == 0 && i < b->blobs_n; i++)
		r = dir_blob(b, blobs_fd, b->blobs[i].digest, blob_hex(b->blobs[i].digest),
			     b->blobs[i].size, e);
	for (size_t i = 0; r == 0 && i < b->docs_n; i++)
		r = dir_blob(b, blobs_fd, b->docs[i].digest, blob_hex(b->docs[i].digest),
			     b->docs[i].len, e);
	if (r == 0)
		r = write_text(fd, "oci-layout", layout_text, strlen(layout_text), e);
	if (r == 0)
		r = lock_fd(fd, true, INDEX_WAIT_MS, e); /* until the caller closes it */
	if (r == -ENOLCK || r == -EOPNOTSUPP || r == -EBADF) {
		*e = ERROR_INIT; /* a file system without locks */
		r = 0;
	}
	if (r == 0)
		r = old_index(fd, b, &index, e);
	if (r < 0)
		return r;
	text = json_to_text(index);
	return text == NULL ? memory(e) : write_text(fd, "index.json", text, strlen(text), e);
}

static int write_dir(const struct storage_bundle *b, int fd, struct error *e)
{
	static const char version[] = "Directory Transport Version: 1.1\n";
	const struct bundle_doc *top = bundle_top(b);
	int r;

	r = write_text(fd, "version", version, strlen(version), e);
	for (size_t i = 0; r == 0 && i < b->blobs_n; i++)
		r = dir_blob(b, fd, b->blobs[i].digest, blob_hex(b->blobs[i].digest),
			     b->blobs[i].size, e);
	for (size_t i = 0; r == 0 && i + 1 < b->docs_n; i++) {
		char name[96];

		(void)snprintf(name, sizeof(name), "%s.manifest.json",
			       blob_hex(b->docs[i].digest)); /* fits */
		r = write_text(fd, name, b->docs[i].text, b->docs[i].len, e);
	}
	return r < 0 ? r : write_text(fd, "manifest.json", top->text, top->len, e);
}

int storage_bundle_write(struct storage_bundle *const *bundles, size_t n,
			 enum storage_format format, int fd, struct error *e)
{
	int r = 0;

	switch (format) {
	case STORAGE_FORMAT_DOCKER_ARCHIVE:
	case STORAGE_FORMAT_OCI_ARCHIVE:
		return write_archive(bundles, n, format == STORAGE_FORMAT_DOCKER_ARCHIVE, fd, e);
	case STORAGE_FORMAT_OCI_DIR:
		for (size_t i = 0; r == 0 && i < n; i++)
			r = write_layout(bundles[i], fd, e);
		return r;
	case STORAGE_FORMAT_DIR:
		if (n != 1)
			return error_setf(e, -EINVAL, "such a directory holds one image");
		return write_dir(bundles[0], fd, e);
	case STORAGE_FORMAT_COUNT:
	default:
		return error_setf(e, -EINVAL, "unknown format");
	}
}
