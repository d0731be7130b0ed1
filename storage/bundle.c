/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image that is to be copied elsewhere: which documents and blobs belong to it.
 *
 * Theory of operation
 *
 * The store keeps manifests, configs and packed layers as they came, so a copy
 * is the same bit for bit and nothing is packed again. Here the documents are
 * read, from a transaction (copies that do not go through the store) or the
 * store, and every digest they name is collected once. Documents are hostile:
 * digests are checked before they become file names, indexes nest no deeper
 * than NEST_MAX, and what lies in a transaction is opened only when it
 * is a regular file. The bytes of blobs are not looked at.
 *
 * A document that was changed on the way (storage_bundle_convert) lives in
 * memory only and is read from a memory file, as if it were a blob.
 *
 * Nothing is written here: a crash leaves nothing.
 */
#include "storage/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/sha256.h"

#define NEST_MAX  4
#define DOCS_MAX  512u
#define BLOBS_MAX 8192u

static int memory(struct error *e)
{
	return error_set(e, -ENOMEM, "copy an image");
}

static void doc_fini(struct bundle_doc *d)
{
	free(d->type);
	free(d->text);
	json_decref(d->doc);
	*d = (struct bundle_doc){ .type = NULL };
}

void storage_bundle_free(struct storage_bundle *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->docs_n; i++)
		doc_fini(&b->docs[i]);
	for (size_t i = 0; i < b->blobs_n; i++)
		free(b->blobs[i].from);
	free(b->docs);
	free(b->blobs);
	strv_fini(&b->names);
	free(b);
}

const struct bundle_doc *bundle_top(const struct storage_bundle *b)
{
	return &b->docs[b->docs_n - 1];
}

const char *storage_bundle_digest(const struct storage_bundle *b)
{
	return bundle_top(b)->digest;
}

int storage_bundle_add_name(struct storage_bundle *b, const char *name, struct error *e)
{
	for (size_t i = 0; i < b->names.n; i++)
		if (strcmp(b->names.v[i], name) == 0)
			return 0;
	return strv_add(&b->names, name) < 0 ? memory(e) : 0;
}

int storage_bundle_set_name(struct storage_bundle *b, const char *name, struct error *e)
{
	strv_fini(&b->names);
	b->names = (struct strv){ .n = 0 };
	return name != NULL ? storage_bundle_add_name(b, name, e) : 0;
}

static const struct bundle_doc *find_doc(const struct storage_bundle *b, const char *digest)
{
	for (size_t i = 0; i < b->docs_n; i++)
		if (strcmp(b->docs[i].digest, digest) == 0)
			return &b->docs[i];
	return NULL;
}

static struct bundle_blob *find_blob(const struct storage_bundle *b, const char *digest)
{
	for (size_t i = 0; i < b->blobs_n; i++)
		if (strcmp(b->blobs[i].digest, digest) == 0)
			return &b->blobs[i];
	return NULL;
}

bool bundle_has(const struct storage_bundle *b, const char *digest)
{
	return find_doc(b, digest) != NULL || find_blob(b, digest) != NULL;
}

/* Of the transaction, else of the store. -ENOENT without a message when neither has it. */
static int open_file(const struct storage_bundle *b, const char *digest, struct error *e)
{
	char path[STORE_PATH_MAX];
	struct stat st;
	int fd = -1;

	if (b->txn_fd >= 0 && store_rel(path, "blobs/sha256/%s", blob_hex(digest)) == 0)
		fd = openat(b->txn_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && b->s->root_fd >= 0 &&
	    store_rel(path, "oci/blobs/sha256/%s", blob_hex(digest)) == 0)
		fd = openat(b->s->root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : error_set(e, -errno, "open blob %s", digest);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return error_setf(e, -EINVAL, "blob %s is not a regular file", digest);
	}
	return fd;
}

static int open_memory(const struct bundle_doc *d, struct error *e)
{
	_cleanup_fd_ int fd = memfd_create("document", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set(e, -errno, "make a file in memory");
	r = fd_write_all(fd, d->text, d->len);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(e, r < 0 ? r : -errno, "write a file in memory");
	return steal_fd(&fd);
}

int bundle_open(const struct storage_bundle *b, const char *digest, struct error *e)
{
	const struct bundle_doc *d = find_doc(b, digest);
	const struct bundle_blob *blob;
	struct stat st;
	int fd;

	if (d != NULL)
		return open_memory(d, e);
	blob = find_blob(b, digest);
	if (blob == NULL)
		return error_setf(e, -EINVAL, "%s does not belong to the image", digest);
	fd = open_file(b, digest, e);
	if (fd == -ENOENT)
		return error_setf(
			e, -ENOENT,
			"the packed data of %.19s... is not in the store: pull or load the image again",
			digest);
	if (fd >= 0 && (fstat(fd, &st) < 0 || (uint64_t)st.st_size != blob->size)) {
		(void)close(fd);
		return error_setf(e, -EBADMSG,
				  "blob %s is damaged: it has another size than its manifest says",
				  digest);
	}
	return fd;
}

/* ---- the documents ---------------------------------------------------------------------- */

static int add_blob(struct storage_bundle *b, const json_t *descriptor, struct error *e)
{
	struct bundle_blob *v, *last;
	const char *digest = NULL;
	int64_t size = -1;

	if (json_get_string(descriptor, "descriptor", "digest", &digest, e) < 0 ||
	    json_get_int(descriptor, "descriptor", "size", 0, INT64_MAX, &size, e) < 0)
		return -EBADMSG;
	if (digest == NULL || blob_hex(digest) == NULL || size < 0)
		return error_setf(e, -EBADMSG, "a manifest names a blob without a valid digest");
	if (find_blob(b, digest) != NULL)
		return 0;
	if (b->blobs_n == BLOBS_MAX)
		return error_setf(e, -E2BIG, "the image has more than %u blobs", BLOBS_MAX);
	v = reallocarray(b->blobs, b->blobs_n + 1, sizeof(*v));
	if (v == NULL)
		return memory(e);
	b->blobs = v;
	last = &v[b->blobs_n++];
	*last = (struct bundle_blob){ .size = (uint64_t)size };
	memcpy(last->digest, digest, strlen(digest) + 1);
	return 0;
}

/* The media type: the document's own, the descriptor's, or by its shape. */
static char *doc_type(const json_t *doc, const char *said)
{
	const char *own = json_string_value(json_object_get(doc, "mediaType"));
	const char *config =
		json_string_value(json_object_get(json_object_get(doc, "config"), "mediaType"));

	if (own != NULL && own[0] != '\0')
		return strdup(own);
	if (said != NULL && said[0] != '\0')
		return strdup(said);
	if (json_object_get(doc, "manifests") != NULL)
		return strdup("application/vnd.oci.image.index.v1+json");
	if (config != NULL && str_starts(config, "application/vnd.docker."))
		return strdup("application/vnd.docker.distribution.manifest.v2+json");
	return strdup("application/vnd.oci.image.manifest.v1+json");
}

static int add_doc(struct storage_bundle *b, struct bundle_doc *d, struct error *e)
{
	struct bundle_doc *v;

	if (b->docs_n == DOCS_MAX)
		return error_setf(e, -E2BIG, "the image has more than %u manifests", DOCS_MAX);
	v = reallocarray(b->docs, b->docs_n + 1, sizeof(*v));
	if (v == NULL)
		return memory(e);
	b->docs = v;
	b->docs[b->docs_n++] = *d;
	*d = (struct bundle_doc){ .type = NULL };
	return 0;
}

static int walk(struct storage_bundle *b, const char *digest, const char *said, unsigned int depth,
		struct error *e);

/* What a document names, before the document itself. */
static int walk_below(struct storage_bundle *b, const json_t *doc, unsigned int depth,
		      struct error *e)
{
	json_t *list = NULL, *o, *config = NULL;
	size_t i;
	int r = 0;

	if (json_get_array(doc, "", "manifests", &list, e) < 0 ||
	    json_get_object(doc, "", "config", &config, e) < 0)
		return -EBADMSG;
	json_array_foreach(list, i, o) {
		const char *digest = NULL, *type = NULL;

		if (json_get_string(o, "manifests[]", "digest", &digest, e) < 0 ||
		    json_get_string(o, "manifests[]", "mediaType", &type, e) < 0)
			return -EBADMSG;
		if (digest == NULL || blob_hex(digest) == NULL)
			return error_setf(e, -EBADMSG, "an index names no valid digest");
		r = walk(b, digest, type, depth + 1, e);
		if (r < 0)
			return r;
	}
	if (config != NULL)
		r = add_blob(b, config, e);
	list = NULL;
	if (r == 0 && json_get_array(doc, "", "layers", &list, e) < 0)
		return -EBADMSG;
	json_array_foreach(list, i, o)
		if (r == 0)
			r = add_blob(b, o, e);
	return r;
}

static int walk(struct storage_bundle *b, const char *digest, const char *said, unsigned int depth,
		struct error *e)
{
	struct bundle_doc d = { .type = NULL };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_fd_ int fd = -1;
	int r;

	if (find_doc(b, digest) != NULL)
		return 0;
	if (depth > NEST_MAX)
		return error_setf(e, -ELOOP, "more than %d indexes inside each other", NEST_MAX);
	fd = open_file(b, digest, e);
	if (fd == -ENOENT && depth > 0)
		return 0; /* a platform that was not copied: a sparse index */
	if (fd < 0)
		return fd == -ENOENT ? error_setf(e, fd, "manifest %s is not there", digest) : fd;
	r = fd_read_to_end(fd, &text, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "read manifest %s", digest);
	d.doc = json_parse(buf_str(&text), text.len, "manifest", e);
	if (d.doc == NULL)
		return -EBADMSG;
	memcpy(d.digest, digest, strlen(digest) + 1);
	d.type = doc_type(d.doc, said);
	d.len = text.len;
	d.text = buf_steal(&text);
	r = d.type == NULL || d.text == NULL ? memory(e) : walk_below(b, d.doc, depth, e);
	if (r == 0)
		r = add_doc(b, &d, e);
	doc_fini(&d);
	return r;
}

static int make(struct storage *s, int txn_fd, const char *digest, struct storage_bundle **ret,
		struct error *e)
{
	struct storage_bundle *b = calloc(1, sizeof(*b));
	int r;

	if (b == NULL)
		return memory(e);
	b->s = s;
	b->txn_fd = txn_fd;
	r = blob_hex(digest) != NULL ? walk(b, digest, NULL, 0, e) :
				       error_setf(e, -EINVAL, "not a sha256 digest");
	if (r < 0) {
		storage_bundle_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

int bundle_of_txn(struct storage *s, int txn_fd, const char *digest, struct storage_bundle **ret,
		  struct error *e)
{
	return make(s, txn_fd, digest, ret, e);
}

int storage_bundle_image(struct storage *s, const struct storage_image *image,
			 struct storage_bundle **ret, struct error *e)
{
	struct storage_bundle *b = NULL;
	int r = make(s, -1, image->digest, &b, e);

	/* early, before half an archive is written */
	for (size_t i = 0; r == 0 && i < b->blobs_n; i++) {
		_cleanup_fd_ int fd = bundle_open(b, b->blobs[i].digest, e);

		r = fd < 0 ? fd : 0;
	}
	if (r < 0) {
		storage_bundle_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

/* ---- the other form -------------------------------------------------------------------- */

/* Types of docker and OCI that mean the same. */
static const char *const types[][2] = {
	{ "application/vnd.docker.distribution.manifest.v2+json",
	  "application/vnd.oci.image.manifest.v1+json" },
	{ "application/vnd.docker.container.image.v1+json",
	  "application/vnd.oci.image.config.v1+json" },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip",
	  "application/vnd.oci.image.layer.v1.tar+gzip" },
	{ "application/vnd.docker.image.rootfs.diff.tar",
	  "application/vnd.oci.image.layer.v1.tar" },
};

static int convert_type(json_t *o, bool to_oci, struct error *e)
{
	const char *have = json_string_value(json_object_get(o, "mediaType"));

	for (size_t i = 0; have != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(have, types[i][to_oci]) == 0)
			return 0;
		if (strcmp(have, types[i][!to_oci]) == 0)
			return json_object_set_new(o, "mediaType", json_string(types[i][to_oci])) <
					       0 ?
				       memory(e) :
				       0;
	}
	if (have != NULL &&
	    strcmp(have, "application/vnd.docker.image.rootfs.diff.tar.zstd") == 0 && to_oci)
		return json_object_set_new(
			       o, "mediaType",
			       json_string("application/vnd.oci.image.layer.v1.tar+zstd")) < 0 ?
			       memory(e) :
			       0;
	if (to_oci)
		return 0; /* OCI may hold anything */
	return error_setf(e, -EPROTONOSUPPORT,
			  "the image cannot have the form v2s2: it has a part of type %.100s",
			  have != NULL ? have : "(none)");
}

int storage_bundle_convert(struct storage_bundle *b, const char *format, struct error *e)
{
	bool to_oci = strcmp(format, "oci") == 0;
	struct bundle_doc *d = &b->docs[b->docs_n - 1];
	json_t *list = NULL, *o;
	char hex[SHA256_HEX + 1];
	char *text, *type;
	struct sha256 h;
	size_t i;
	int r;

	if (!to_oci && strcmp(format, "v2s2") != 0)
		return error_setf(e, -EINVAL, "the form \"%.40s\" is neither oci nor v2s2", format);
	if (strcmp(d->type, types[0][to_oci]) == 0)
		return 0;
	if (json_object_get(d->doc, "manifests") != NULL)
		return error_setf(e, -EINVAL,
				  "an index is copied as it is: --format is for one image");
	if (json_object_set_new(d->doc, "mediaType", json_string(d->type)) < 0)
		return memory(e);
	r = convert_type(d->doc, to_oci, e);
	if (r == 0)
		r = convert_type(json_object_get(d->doc, "config"), to_oci, e);
	if (json_get_array(d->doc, "", "layers", &list, e) < 0)
		return -EBADMSG;
	json_array_foreach(list, i, o)
		if (r == 0)
			r = convert_type(o, to_oci, e);
	if (r < 0)
		return r;
	text = json_to_text(d->doc);
	type = strdup(types[0][to_oci]);
	if (text == NULL || type == NULL) {
		free(text);
		free(type);
		return memory(e);
	}
	free(d->text);
	free(d->type);
	d->text = text;
	d->type = type;
	d->len = strlen(text);
	sha256_init(&h);
	sha256_add(&h, text, d->len);
	sha256_end(&h, hex);
	(void)snprintf(d->digest, sizeof(d->digest), STORE_SHA256 "%s", hex); /* fits */
	return 0;
}
