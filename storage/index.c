/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci/index.json: the list of images and the only record of them.
 *
 * Theory of operation
 *
 * One entry is one name of one manifest, or a manifest without a name. The
 * file is only ever replaced as a whole (written beside it, synced, renamed,
 * directory synced), so a reader needs no lock and sees the old or the new
 * list. Writers hold the lock file "index.lock" from reading to renaming.
 *
 * An entry counts only while its manifest blob exists: that makes removal
 * possible on a full disk, where no new index.json can be written. The
 * manifest is unlinked, which needs no space, and the entry is dead until the
 * next writer leaves it out. Writers leave dead entries out before they bring
 * in a manifest, so that a later pull cannot bring old names back to life.
 *
 * Entries that are not understood (no valid digest) are dropped at reading:
 * one damaged entry does not hide the others. Other keys are kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/lock.h"
#include "storage/store.h"

int index_lock(struct storage *s, struct error *e)
{
	int fd = lock_file_at(s->root_fd, "index.lock", true, STORE_LOCK_MS, e);

	return fd < 0 ? error_prefix(e, "store %s", s->root) : fd;
}

json_t *index_new(void)
{
	return json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType",
			 "application/vnd.oci.image.index.v1+json", "manifests");
}

static json_t *entries(const json_t *index)
{
	return json_object_get(index, "manifests");
}

int index_load(struct storage *s, json_t **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *j = NULL;
	size_t len = 0;
	int r;

	r = s->root_fd < 0 ?
		    -ENOENT :
		    fd_read_file_at(s->root_fd, "oci/index.json", LIMIT_JSON_BYTES, &text, &len, e);
	if (r == -ENOENT) {
		if (e != NULL)
			*e = ERROR_INIT; /* a store without an image is none */
		j = index_new();
		if (j == NULL)
			return error_set(e, -ENOMEM, "list of images");
		*ret = steal_ptr(&j);
		return 0;
	}
	if (r < 0)
		return error_prefix(e, "store %s", s->root);
	j = json_parse(text, len, "oci/index.json", e);
	if (j == NULL || !json_is_array(entries(j))) {
		if (j != NULL)
			(void)error_setf(e, -EBADMSG,
					 "oci/index.json: there is no list \"manifests\"");
		(void)error_prefix(e, "the list of images in %s is damaged", s->root);
		return error_hint(e, "; move the file away to start with an empty one");
	}
	for (size_t i = index_count(j); i-- > 0;) {
		const json_t *d = json_object_get(json_array_get(entries(j), i), "digest");

		if (!storage_digest_valid(json_string_value(d)))
			index_drop(j, i);
	}
	*ret = steal_ptr(&j);
	return 0;
}

/* What a writer that was killed left behind; with the lock held nobody is writing. */
static void sweep_strays(int oci_fd)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd = openat(oci_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (d == NULL) {
		close_fd(&fd);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (str_starts(de->d_name, ".index.json."))
			(void)unlinkat(oci_fd, de->d_name, 0); /* the next writer tries again */
	}
}

int index_save(struct storage *s, const json_t *index, struct error *e)
{
	_cleanup_free_ char *text = json_to_pretty(index);
	_cleanup_fd_ int oci_fd = -1;
	int r;

	if (text == NULL)
		return error_set(e, -ENOMEM, "list of images");
	if (strlen(text) > LIMIT_JSON_BYTES)
		return error_setf(e, -E2BIG,
				  "the list of images of %s is full: remove some with crt rmi",
				  s->root);
	oci_fd = openat(s->root_fd, "oci", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (oci_fd < 0)
		return error_set(e, -errno, "open %s/oci", s->root);
	sweep_strays(oci_fd);
	r = fd_write_file_at(oci_fd, "index.json", text, strlen(text),
			     storage_is_shared(s) ? 0644 : 0600, true, e);
	return r < 0 ? error_prefix(e, "%s/oci", s->root) : 0;
}

size_t index_count(const json_t *index)
{
	return json_array_size(entries(index));
}

const char *index_digest(const json_t *index, size_t i)
{
	const char *d =
		json_string_value(json_object_get(json_array_get(entries(index), i), "digest"));

	return d != NULL ? d : "";
}

static const char *annotation(const json_t *index, size_t i, const char *key)
{
	const json_t *a = json_object_get(json_array_get(entries(index), i), "annotations");

	return json_string_value(json_object_get(a, key));
}

const char *index_name(const json_t *index, size_t i)
{
	const char *name = annotation(index, i, INDEX_REF_NAME);

	return name != NULL && name[0] != '\0' ? name : NULL;
}

uint64_t index_unpacked(const json_t *index, size_t i)
{
	const char *text = annotation(index, i, INDEX_UNPACKED);
	unsigned long long n = 0;

	return text != NULL && str_to_u64(text, UINT64_MAX, &n) == 0 ? n : 0;
}

void index_drop(json_t *index, size_t i)
{
	(void)json_array_remove(entries(index), i); /* fails only for an index out of range */
}

void index_unname(json_t *index, size_t i)
{
	for (size_t k = 0; k < index_count(index); k++) {
		if (k != i && strcmp(index_digest(index, k), index_digest(index, i)) == 0) {
			index_drop(index, i);
			return;
		}
	}
	(void)json_object_del(json_object_get(json_array_get(entries(index), i), "annotations"),
			      INDEX_REF_NAME); /* it fails only when there was none */
}

bool index_prune(struct storage *s, json_t *index)
{
	bool changed = false;

	for (size_t i = index_count(index); i-- > 0;) {
		if (blob_is_gone(s, index_digest(index, i))) {
			index_drop(index, i);
			changed = true;
		}
	}
	return changed;
}

static int append(json_t *index, const char *digest, const char *media_type, size_t size,
		  uint64_t unpacked, const char *name)
{
	char number[32];
	json_t *entry;

	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)unpacked);
	entry = json_pack("{s:s, s:s, s:I, s:{s:s}}", "mediaType", media_type, "digest", digest,
			  "size", (json_int_t)size, "annotations", INDEX_UNPACKED, number);
	if (entry == NULL)
		return -ENOMEM;
	if (name != NULL && json_object_set_new(json_object_get(entry, "annotations"),
						INDEX_REF_NAME, json_string(name)) < 0) {
		json_decref(entry);
		return -ENOMEM;
	}
	return json_array_append_new(entries(index), entry) < 0 ? -ENOMEM : 0;
}

int index_put(json_t *index, const char *digest, const char *media_type, size_t size,
	      uint64_t unpacked, const char *name)
{
	bool known = false;

	for (size_t i = index_count(index); i-- > 0;) {
		const char *other = index_name(index, i);
		bool same = strcmp(index_digest(index, i), digest) == 0;

		if (name != NULL && other != NULL && strcmp(other, name) == 0) {
			if (same) {
				known = true;
				continue;
			}
			/* The former owner stays as an image without a name, unless it has another one. */
			index_unname(index, i);
		} else if (same && (name == NULL || other == NULL)) {
			if (name == NULL)
				known = true;
			else
				index_drop(index, i); /* it gets a name now */
		}
	}
	return known ? 0 : append(index, digest, media_type, size, unpacked, name);
}
