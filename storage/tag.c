/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images: given and taken.
 *
 * Theory of operation
 *
 * A name is an entry of oci/index.json (index.c), so both change that file only, under its
 * lock, and a crash leaves the old or the new list. All names of one call are
 * checked before the first is given. Names are the user's or, with a pull, the
 * registry's; here they pass the grammar of references, so nothing but a
 * reference ever stands in the list. An image that loses its last name stays as a
 * dangling one: taking a name deletes nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

int storage_name_full(const char *text, char **ret, struct error *e)
{
	_cleanup_(storage_ref_fini) struct storage_ref ref = { .transport = NULL };
	char *name;
	int r = storage_ref_parse(text, &ref, e);

	if (r < 0)
		return r;
	if (strcmp(ref.transport, "docker") != 0)
		return error_setf(e, -EINVAL, "%s: names of images have no transport", text);
	if (ref.digest != NULL)
		return error_setf(e, -EINVAL, "%s: a name cannot have a digest", text);
	name = ref.is_short ? str_printf("localhost/%s:%s", ref.path, ref.tag) :
			      storage_ref_text(&ref);
	if (name == NULL)
		return error_set(e, -ENOMEM, "image name");
	*ret = name;
	return 0;
}

/* The document of the list, locked, and the image that text means. fd of the lock or -errno. */
static int open_list(struct storage *s, const char *text, json_t **ret_index, char **ret_digest,
		     struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *name = NULL;
	_cleanup_fd_ int lock = -1;
	int r;

	if (s->root_fd >=
	    0) { /* without a store there is no image either, which image_find() says */
		lock = index_lock(s, e);
		if (lock < 0)
			return lock;
	}
	r = index_load(s, &index, e);
	if (r < 0)
		return r;
	if (s->root_fd >= 0)
		(void)index_prune(s, index);
	r = image_find(s, index, text, ret_digest, &name, e);
	if (r != STORAGE_FOUND)
		return r == STORAGE_MISSING ? -ENOENT : r;
	*ret_index = steal_ptr(&index);
	return steal_fd(&lock);
}

static int give_names(struct storage *s, json_t *index, const char *digest,
		      const struct strv *names, struct error *e)
{
	_cleanup_(image_manifest_fini) struct image_manifest m = { .config = NULL };
	_cleanup_free_ char *manifest = NULL;
	uint64_t unpacked = 0;
	size_t len = 0;
	int r = blob_read(s, -1, digest, &manifest, &len, e);

	if (r == 0)
		r = image_manifest_parse(manifest, len, "manifest", &m, e);
	if (r < 0)
		return error_prefix(e, "image %s is damaged", digest);
	for (size_t i = 0; i < index_count(index) && unpacked == 0; i++)
		if (strcmp(index_digest(index, i), digest) == 0)
			unpacked = index_unpacked(index, i);
	for (size_t i = 0; r == 0 && i < names->n; i++)
		r = index_put(index, digest, m.media_type, len, unpacked, names->v[i]);
	return r < 0 ? error_set(e, r, "list of images") : 0;
}

int storage_image_tag(struct storage *s, const char *text, char *const *names, size_t n,
		      struct error *e)
{
	_cleanup_strv_ struct strv full = { .v = NULL };
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *digest = NULL;
	_cleanup_fd_ int lock = -1;
	int r;

	for (size_t i = 0; i < n; i++) {
		char *name = NULL;

		r = storage_name_full(names[i], &name, e);
		if (r < 0)
			return r;
		if (strv_add_take(&full, name) < 0)
			return error_set(e, -ENOMEM, "image name");
	}
	lock = open_list(s, text, &index, &digest, e);
	if (lock < 0)
		return lock;
	r = give_names(s, index, digest, &full, e);
	return r < 0 ? r : index_save(s, index, e);
}

/* Is this the stored name that the user's text means? A short one is of localhost or docker.io. */
static bool is_meant(const char *name, const struct storage_ref *ref, const char *full)
{
	static const char *const domains[] = { "localhost/", "docker.io/library/", "docker.io/" };

	if (!ref->is_short)
		return strcmp(name, full) == 0;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
		if (str_starts(name, domains[i]) && strcmp(name + strlen(domains[i]), full) == 0)
			return true;
	return false;
}

/* Take one name, the way the user wrote it, from the image. */
static int take_name(json_t *index, const char *digest, const char *text, struct error *e)
{
	_cleanup_(storage_ref_fini) struct storage_ref ref = { .transport = NULL };
	_cleanup_free_ char *full = NULL;
	int r = storage_ref_parse(text, &ref, e);

	if (r == 0)
		r = storage_ref_make_absolute(&ref, e);
	if (r < 0)
		return r;
	full = ref.is_short && ref.tag != NULL ? str_printf("%s:%s", ref.path, ref.tag) :
						 storage_ref_text(&ref);
	if (full == NULL)
		return error_set(e, -ENOMEM, "image name");
	for (size_t i = 0; i < index_count(index); i++) {
		const char *name = index_name(index, i);

		if (name == NULL || strcmp(index_digest(index, i), digest) != 0 ||
		    !is_meant(name, &ref, full))
			continue;
		index_unname(index, i);
		return 0;
	}
	return error_setf(e, -ENOENT, "%s: the image does not have this name", text);
}

int storage_image_untag(struct storage *s, const char *text, char *const *names, size_t n,
			struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *digest = NULL;
	_cleanup_fd_ int lock = open_list(s, text, &index, &digest, e);
	int r = 0;

	if (lock < 0)
		return lock;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_name(index, digest, names[i], e);
	/* From the end, because entries vanish; the last one left keeps the image. */
	for (size_t i = n == 0 ? index_count(index) : 0; i-- > 0;)
		if (index_name(index, i) != NULL && strcmp(index_digest(index, i), digest) == 0)
			index_unname(index, i);
	return r < 0 ? r : index_save(s, index, e);
}
