/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: find one, list all, remove one.
 *
 * Theory of operation
 *
 * An image is an entry of oci/index.json whose manifest and config are there;
 * everything else is read out of those two documents each time. The hot path
 * (the full name of an image that exists) opens three files: index, manifest,
 * config. Nobody holds a lock while reading.
 *
 * Names in the index are full ("docker.io/library/busybox:latest"). A short
 * name is compared with their ends, localhost first, then docker.io, then the
 * rest, where two different images make it ambiguous: choosing one silently
 * would let a foreign registry's image stand in for another. Ids are looked
 * at only when no name fits, because that reads every manifest.
 *
 * Removal changes the list first, then sweeps (gc.c). On a full disk the list
 * cannot be written; then the manifest is unlinked, which makes the entry dead
 * (index.c), the sweep frees space, and the list is written again.
 * An image that a container was made of is kept unless force is given, and
 * even then gc keeps the layers that any container's record names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

#define ID_PREFIX_MIN 3 /* fewer digits are taken for a name only */
#define RESOLVE_TRIES \
	8 /* an image that others remove and pull meanwhile; a damaged one is read so often */

void storage_image_fini(struct storage_image *i)
{
	free(i->name);
	strv_fini(&i->names);
	free(i->id);
	free(i->digest);
	free(i->config);
	strv_fini(&i->layers);
	free(i->created);
	free(i->architecture);
	free(i->os);
	*i = (struct storage_image){ .name = NULL };
}

void storage_images_free(struct storage_image *images, size_t n)
{
	for (size_t i = 0; i < n; i++)
		storage_image_fini(&images[i]);
	free(images);
}

/* ---- reading one ---------------------------------------------------------------- */

static int collect_names(const json_t *index, const char *digest, struct storage_image *img)
{
	for (size_t i = 0; i < index_count(index); i++) {
		const char *name = index_name(index, i);

		if (strcmp(index_digest(index, i), digest) != 0)
			continue;
		if (img->size == 0)
			img->size = index_unpacked(index, i);
		if (name != NULL && strv_add(&img->names, name) < 0)
			return -ENOMEM;
	}
	if (img->names.n > 0 && (img->name = strdup(img->names.v[0])) == NULL)
		return -ENOMEM;
	return 0;
}

static int fill_layers(const struct storage *s, const struct image_config *c,
		       struct storage_image *img)
{
	for (size_t i = 0; i < c->diff_ids.n; i++) {
		if (strv_addf(&img->layers, "%s/layers/%s/fs", s->root,
			      blob_hex(c->diff_ids.v[i])) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Read manifest and config of one digest of the index. */
int image_read(struct storage *s, const json_t *index, const char *digest,
	       struct storage_image *ret, struct error *e)
{
	_cleanup_(image_manifest_fini) struct image_manifest m = { .config = NULL };
	_cleanup_(image_config_fini) struct image_config c = { .created = NULL };
	_cleanup_(storage_image_fini) struct storage_image img = { .name = NULL };
	_cleanup_free_ char *manifest = NULL;
	size_t len = 0;
	int r;

	r = blob_read(s, -1, digest, &manifest, &len, e);
	if (r == 0)
		r = image_manifest_parse(manifest, len, "manifest", &m, e);
	if (r == 0)
		r = blob_read(s, -1, m.config, &img.config, &img.config_len, e);
	if (r == 0)
		r = image_config_parse(img.config, img.config_len, "image config", &c, e);
	if (r < 0)
		return r;
	if (m.layers.n != c.diff_ids.n)
		return error_setf(e, -EBADMSG, "the manifest has %zu layers, the image config %zu",
				  m.layers.n, c.diff_ids.n);
	img.digest = strdup(digest);
	img.id = strdup(blob_hex(m.config));
	if (img.digest == NULL || img.id == NULL || collect_names(index, digest, &img) < 0 ||
	    fill_layers(s, &c, &img) < 0)
		return error_set(e, -ENOMEM, "image");
	if (img.size == 0)
		img.size = m.packed;
	img.created = steal_ptr(&c.created);
	img.architecture = steal_ptr(&c.architecture);
	img.os = steal_ptr(&c.os);
	*ret = img;
	img = (struct storage_image){ .name = NULL };
	return 0;
}

/* Hex of the config digest of an entry without reading the config. NULL when the manifest is unusable. */
static char *read_id(struct storage *s, const char *digest)
{
	_cleanup_(image_manifest_fini) struct image_manifest m = { .config = NULL };
	_cleanup_free_ char *manifest = NULL;
	size_t len = 0;

	if (blob_read(s, -1, digest, &manifest, &len, NULL) < 0 ||
	    image_manifest_parse(manifest, len, "manifest", &m, NULL) < 0)
		return NULL;
	return strdup(blob_hex(m.config));
}

/* ---- finding one ----------------------------------------------------------------- */

/* What the user's text was found to be. */
struct match {
	const char *digest; /* borrowed from the index */
	const char *name;   /* the name that matched, NULL when it was an id or digest */
};

/* Length of the repository part of a full name: without tag and digest. */
static size_t repo_len(const char *name)
{
	const char *at = strchr(name, '@');
	size_t len = at != NULL ? (size_t)(at - name) : strlen(name);

	for (size_t i = len; i > 0 && name[i - 1] != '/'; i--) {
		if (name[i - 1] == ':')
			return i - 1;
	}
	return len;
}

static bool is_docker_name(const char *name)
{
	return !str_starts(name, "oci:") && !str_starts(name, "docker-archive:") &&
	       !str_starts(name, "builtin:");
}

/* Rank of a stored name for a short one: 0 localhost, 1 docker.io, 2 elsewhere, -1 no match. want is "path:tag". */
static int short_rank(const char *stored, size_t stored_len, const char *want, size_t want_len)
{
	size_t head;

	if (!is_docker_name(stored) || stored_len <= want_len)
		return -1;
	head = stored_len - want_len;
	if (memcmp(stored + head, want, want_len) != 0 || stored[head - 1] != '/')
		return -1;
	head--;
	if (head == 9 && memcmp(stored, "localhost", 9) == 0)
		return 0;
	if ((head == 17 && memcmp(stored, "docker.io/library", 17) == 0) ||
	    (head == 9 && memcmp(stored, "docker.io", 9) == 0))
		return 1;
	return 2;
}

static int match_short(const json_t *index, const struct storage_ref *ref, struct match *ret,
		       struct error *e)
{
	_cleanup_free_ char *want = NULL;
	struct match best = { .digest = NULL };
	int best_rank = 3;

	want = ref->digest != NULL ? strdup(ref->path) : str_printf("%s:%s", ref->path, ref->tag);
	if (want == NULL)
		return error_set(e, -ENOMEM, "image name");
	for (size_t i = 0; i < index_count(index); i++) {
		const char *name = index_name(index, i);
		int rank;

		if (name == NULL ||
		    (ref->digest != NULL && strcmp(index_digest(index, i), ref->digest) != 0))
			continue;
		rank = short_rank(name, ref->digest != NULL ? repo_len(name) : strlen(name), want,
				  strlen(want));
		if (rank < 0 || rank > best_rank)
			continue;
		if (rank == 2 && best_rank == 2 && strcmp(best.digest, index_digest(index, i)) != 0)
			return error_setf(e, -EINVAL,
					  "%s is ambiguous: %s or %s; give the full name", want,
					  best.name, name);
		if (rank < best_rank)
			best = (struct match){ .digest = index_digest(index, i), .name = name };
		best_rank = rank;
	}
	if (best.digest == NULL)
		return STORAGE_MISSING;
	*ret = best;
	return STORAGE_FOUND;
}

static int match_full(const json_t *index, const struct storage_ref *ref, struct match *ret,
		      struct error *e)
{
	_cleanup_free_ char *want = storage_ref_text(ref);

	if (want == NULL)
		return error_set(e, -ENOMEM, "image name");
	for (size_t i = 0; i < index_count(index); i++) {
		const char *name = index_name(index, i);
		bool same;

		if (name == NULL)
			continue;
		same = strcmp(name, want) == 0;
		/* With a digest every tag of the same repository will do. */
		if (!same && ref->digest != NULL &&
		    strcmp(index_digest(index, i), ref->digest) == 0)
			same = repo_len(name) == repo_len(want) &&
			       strncmp(name, want, repo_len(want)) == 0;
		if (same) {
			*ret = (struct match){ .digest = index_digest(index, i), .name = name };
			return STORAGE_FOUND;
		}
	}
	return STORAGE_MISSING;
}

/* hex: digits of an image id, whole or a prefix, or all digits of a manifest digest. */
static int match_id(struct storage *s, const json_t *index, const char *hex, struct match *ret,
		    struct error *e)
{
	struct match found = { .digest = NULL };
	size_t len = strlen(hex);

	for (size_t i = 0; i < index_count(index); i++) {
		const char *digest = index_digest(index, i);
		_cleanup_free_ char *id = NULL;

		if (len == STORE_HEX && strcmp(blob_hex(digest), hex) == 0) {
			found.digest = digest;
			break;
		}
		id = read_id(s, digest);
		if (id == NULL || strncmp(id, hex, len) != 0)
			continue;
		if (found.digest != NULL && strcmp(found.digest, digest) != 0 && len < STORE_HEX)
			return error_setf(e, -EINVAL,
					  "%s is ambiguous: several image ids begin with it", hex);
		if (found.digest == NULL)
			found.digest = digest;
	}
	if (found.digest == NULL)
		return STORAGE_MISSING;
	*ret = found;
	return STORAGE_FOUND;
}

static int not_known(const char *text, struct error *e)
{
	_cleanup_free_ char *shown = str_escape(text);

	(void)error_setf(e, -ENOENT, "%s: image not known", shown != NULL ? shown : "?");
	return STORAGE_MISSING;
}

int image_find_name(const json_t *index, const char *text, const char **ret_digest,
		    const char **ret_name, struct error *e)
{
	_cleanup_(storage_ref_fini) struct storage_ref ref = { .transport = NULL };
	struct match m = { .digest = NULL };
	int r = storage_ref_parse(text, &ref, e);

	if (r == 0)
		r = storage_ref_make_absolute(&ref, e);
	if (r == 0)
		r = ref.is_short ? match_short(index, &ref, &m, e) : match_full(index, &ref, &m, e);
	if (r == STORAGE_FOUND) {
		*ret_digest = m.digest;
		*ret_name = m.name;
	}
	return r;
}

static int match_text(struct storage *s, const json_t *index, const char *text, struct match *ret,
		      struct error *e)
{
	bool is_hex = id_is_hex_prefix(text) && strlen(text) >= ID_PREFIX_MIN;
	int r;

	if (blob_hex(text) != NULL)
		r = match_id(s, index, blob_hex(text), ret, e);
	else if (is_hex && strlen(text) == STORE_HEX)
		r = match_id(s, index, text, ret, e);
	else {
		r = image_find_name(index, text, &ret->digest, &ret->name, e);
		if (r == STORAGE_MISSING && is_hex)
			r = match_id(s, index, text, ret, e);
	}
	return r == STORAGE_MISSING ? not_known(text, e) : r;
}

int image_find(struct storage *s, const json_t *index, const char *text, char **ret_digest,
	       char **ret_name, struct error *e)
{
	_cleanup_free_ char *digest = NULL;
	_cleanup_free_ char *name = NULL;
	struct match m;
	int r = match_text(s, index, text, &m, e);

	if (r != STORAGE_FOUND)
		return r;
	if (blob_is_gone(s, m.digest)) /* a dead entry, see index.c */
		return not_known(text, e);
	digest = strdup(m.digest);
	if (digest == NULL || (m.name != NULL && (name = strdup(m.name)) == NULL))
		return error_set(e, -ENOMEM, "image name");
	*ret_digest = steal_ptr(&digest);
	*ret_name = steal_ptr(&name);
	return STORAGE_FOUND;
}

static int resolve_once(struct storage *s, const char *text, struct storage_image *ret,
			struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	struct match m;
	int r;

	r = index_load(s, &index, e);
	if (r == 0)
		r = match_text(s, index, text, &m, e);
	if (r != STORAGE_FOUND)
		return r;
	if (blob_is_gone(s, m.digest)) /* a dead entry, see index.c */
		return not_known(text, e);
	r = image_read(s, index, m.digest, ret, e);
	if (r < 0) {
		(void)error_prefix(e, "image %s is damaged", m.name != NULL ? m.name : m.digest);
		return r;
	}
	if (m.name != NULL) {
		free(ret->name);
		ret->name = strdup(m.name);
		if (ret->name == NULL) {
			storage_image_fini(ret);
			return error_set(e, -ENOMEM, "image name");
		}
	}
	return r;
}

/*
 * Nothing is locked, so an image may be removed between the list and its documents, or be removed and
 * pulled again: then the list says so when it is read once more.
 */
int image_resolve_in(struct storage *s, const char *text, struct storage_image *ret,
		     struct error *e)
{
	struct error why = ERROR_INIT;
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < RESOLVE_TRIES; i++) {
		why = ERROR_INIT;
		r = resolve_once(s, text, ret, &why);
	}
	if (r != STORAGE_FOUND && e != NULL)
		*e = why;
	return r;
}

int storage_image_resolve(struct storage *s, const char *text, struct storage_image *ret,
			  struct error *e)
{
	int r = squash_is_reference(text) ? squash_resolve(text, ret, e) :
					    image_resolve_in(s, text, ret, e);

	if (r != STORAGE_MISSING)
		return r;
	r = squash_find(s, text, ret, NULL);
	if (r != STORAGE_FOUND)
		r = extra_resolve(s, text, ret, e);
	if (r == STORAGE_FOUND && e != NULL)
		*e = ERROR_INIT; /* that it was not known in the first store */
	return r;
}

/* ---- listing ---------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
	const struct storage_image *x = a, *y = b;
	int r = strcmp(y->created != NULL ? y->created : "", x->created != NULL ? x->created : "");

	return r != 0 ? r : strcmp(x->name != NULL ? x->name : "", y->name != NULL ? y->name : "");
}

int image_list_grow(struct storage_image **list, size_t *cap, size_t n)
{
	struct storage_image *more;

	if (n < *cap)
		return 0;
	more = reallocarray(*list, n * 2 + 16, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	*list = more;
	*cap = n * 2 + 16;
	return 0;
}

/* A damaged one does not hide the others; too little memory or descriptors does. */
static bool ends_listing(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int list_own(struct storage *s, struct storage_image **images, size_t *n, size_t *cap,
		    struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	size_t first = *n;
	int r = index_load(s, &index, e);

	for (size_t i = 0; r == 0 && i < index_count(index); i++) {
		const char *digest = index_digest(index, i);
		size_t k = first;

		while (k < *n && strcmp((*images)[k].digest, digest) != 0)
			k++;
		if (k < *n) /* another name of it */
			continue;
		r = image_list_grow(images, cap, *n) < 0 ?
			    error_set(e, -ENOMEM, "list of images") :
			    image_read(s, index, digest, &(*images)[*n], e);
		if (r == 0)
			(*images)[(*n)++].is_readonly = s->is_extra;
		else if (!ends_listing(r))
			r = 0;
	}
	return r;
}

int storage_image_list(struct storage *s, struct storage_image **ret, size_t *ret_n,
		       struct error *e)
{
	struct storage_image *images = NULL;
	size_t n = 0, cap = 0;
	int r = list_own(s, &images, &n, &cap, e);

	if (r == 0 && !s->is_extra)
		r = squash_list(s, &images, &n, &cap, e);
	if (r == 0 && !s->is_extra)
		r = extra_list(s, &images, &n, &cap, e);
	if (r == 0 && image_list_grow(&images, &cap, n) < 0) /* so that it is never NULL */
		r = error_set(e, -ENOMEM, "list of images");
	if (r < 0) {
		storage_images_free(images, n);
		return r;
	}
	if (e != NULL)
		*e = ERROR_INIT;
	qsort(images, n, sizeof(*images), newest_first);
	*ret = images;
	*ret_n = n;
	return 0;
}

/* ---- removal ------------------------------------------------------------------------ */

static bool is_no_space(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

/* Nobody's container, or force. */
static int check_unused(struct storage *s, const struct match *m, const char *id, bool force,
			struct error *e)
{
	_cleanup_free_ char *user = NULL;

	int r;

	if (force || id == NULL)
		return 0;
	r = container_using_image(s, id, &user, e);
	if (r <= 0)
		return r;
	return error_setf(
		e, -EBUSY,
		"image %s is used by container %.12s: remove the container first, or use --force",
		m->name != NULL ? m->name : m->digest, user);
}

static size_t count_names(const json_t *index, const char *digest)
{
	size_t n = 0;

	for (size_t i = 0; i < index_count(index); i++)
		n += strcmp(index_digest(index, i), digest) == 0 && index_name(index, i) != NULL;
	return n;
}

/* Take the matched name, or all of the image, out of the list. */
static int drop_entries(json_t *index, const struct match *m, bool whole, struct strv *untagged)
{
	_cleanup_free_ char *digest = strdup(m->digest);
	_cleanup_free_ char *only = m->name != NULL ? strdup(m->name) : NULL;

	if (digest == NULL || (m->name != NULL && only == NULL))
		return -ENOMEM;
	for (size_t i = index_count(index); i-- > 0;) {
		const char *name = index_name(index, i);

		if (strcmp(index_digest(index, i), digest) != 0)
			continue;
		if (!whole && (name == NULL || only == NULL || strcmp(name, only) != 0))
			continue;
		if (name != NULL && strv_add(untagged, name) < 0)
			return -ENOMEM;
		index_drop(index, i);
	}
	return 0;
}

/* The list without the image, also where the disk is full. */
static int save_removal(struct storage *s, const json_t *index, const char *digest, bool whole,
			struct error *e)
{
	char path[STORE_PATH_MAX];
	int r = index_save(s, index, e);

	if (!is_no_space(r) || !whole)
		return r;
	if (store_rel(path, "oci/blobs/sha256/%s", blob_hex(digest)) < 0 ||
	    (unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT))
		return error_set(e, -errno, "remove %s", digest);
	(void)gc_run(s, index, NULL, NULL); /* whatever it frees helps the next line */
	(void)index_save(s, index,
			 NULL); /* else the entry stays, dead, until a writer finds space */
	if (e != NULL)
		*e = ERROR_INIT;
	return 0;
}

static int remove_locked(struct storage *s, const char *text, unsigned int how,
			 struct strv *untagged, struct strv *deleted, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_free_ char *id = NULL;
	_cleanup_free_ char *digest = NULL;
	struct error swept = ERROR_INIT;
	struct match m;
	bool whole;
	int r;

	r = index_load(s, &index, e);
	if (r < 0)
		return r;
	(void)index_prune(s, index);
	r = match_text(s, index, text, &m, e);
	if (r != STORAGE_FOUND)
		return r == STORAGE_MISSING ? -ENOENT : r;
	digest = strdup(m.digest);
	if (digest == NULL)
		return error_set(e, -ENOMEM, "remove image");
	whole = count_names(index, digest) <= (m.name != NULL ? 1 : 0) ||
		(m.name == NULL && how != 0);
	if (!whole && m.name == NULL) {
		if (count_names(index, digest) > 1)
			return error_setf(
				e, -EBUSY,
				"image %s has several names: remove it by name, or use --force",
				text);
		whole = true;
	}
	id = read_id(s, digest);
	if (whole) {
		r = check_unused(s, &m, id, (how & STORAGE_REMOVE_FORCE) != 0, e);
		if (r < 0)
			return r;
	}
	r = drop_entries(index, &m, whole, untagged);
	if (r < 0)
		return error_set(e, r, "remove image");
	r = save_removal(s, index, digest, whole, e);
	if (r < 0 || !whole)
		return r;
	if (strv_add(deleted, id != NULL ? id : blob_hex(digest)) < 0)
		return error_set(e, -ENOMEM, "remove image");
	/* It is gone from the list; what cannot be swept now is swept with the next one. */
	if (gc_run(s, index, NULL, &swept) < 0)
		log_warning("%s", swept.msg);
	return 0;
}

int storage_image_remove(struct storage *s, const char *text, unsigned int how,
			 struct strv *untagged, struct strv *deleted, struct error *e)
{
	struct storage_image other = { .name = NULL };
	_cleanup_fd_ int lock = -1;
	int r;

	if (s->root_fd < 0) {
		(void)not_known(text, e);
		return -ENOENT;
	}
	lock = index_lock(s, e);
	if (lock < 0)
		return lock;
	r = remove_locked(s, text, how, untagged, deleted, e);
	if (r == -ENOENT) {
		struct error why = ERROR_INIT;
		int k = squash_remove(s, text, (how & STORAGE_REMOVE_FORCE) != 0, untagged, deleted,
				      &why);

		if (k != -ENOENT) {
			if (e != NULL)
				*e = why;
			return k;
		}
	}
	if (r == -ENOENT && extra_resolve(s, text, &other, NULL) == STORAGE_FOUND) {
		storage_image_fini(&other);
		return error_setf(e, -EROFS, "%s is an image of a shared store, which is only read",
				  text);
	}
	return r;
}
