/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from local files: OCI layouts (a directory or a tar of one), the
 * archives of `docker save`, and the directories of dir:.
 *
 * Theory of operation
 *
 * The user names a directory or file; its content may come from anybody. An
 * archive is read once from begin to end to list its entries (name, kind,
 * place of the data); nothing is extracted, layers are later read in place by
 * offset. An archive that is packed as a whole (`docker save | gzip`) is
 * unpacked to a nameless file of the transaction first. Names and link targets
 * are cleaned lexically inside the archive, so a link never names a file of the
 * host. In a directory every file is opened by openat2 with RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS and must be regular: a
 * blob that is a symbolic link is refused, a FIFO does not block.
 *
 * In a docker archive layers are known by name only. Their digest is computed
 * while they are read; the config's diff_ids say what they must unpack to, and
 * the config's own digest is the image id. An OCI layout names everything by
 * digest, which is checked like a registry's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "storage/fetch-proto.h"
#include "storage/registry/ingest.h"
#include "storage/unpack/tar.h"

#define ARCHIVE_ENTRIES_MAX  100000u
#define ARCHIVE_LINKS_MAX    16
#define LIST_MAX	     1024 /* images of one archive that are loaded */
#define LAYOUT_MANIFESTS_MAX 64	  /* that are looked at for one config */

/* One entry of an archive. */
struct member {
	char *path; /* cleaned */
	char *link; /* cleaned target of links, else NULL */
	bool regular;
	uint64_t offset, size;
};

struct local {
	int fd; /* directory or file, borrowed */
	bool own_fd;
	bool is_dir;
	bool docker; /* docker-archive was asked for */
	bool flat;   /* dir: blobs lie beside manifest.json under their digits */
	const char *tag;
	size_t chosen; /* place of the image in the list of the archive, SIZE_MAX: by tag */
	bool listed;   /* the archive was unpacked and its members are known */
	struct member *members;
	size_t members_n, members_cap;
	char (*docker_layers)[LIMIT_TAR_NAME + 1]; /* names by layer index */
	size_t docker_layers_n;
};

/* A file of the source: bytes of fd from offset. */
struct piece {
	int fd;
	bool own;
	uint64_t offset, size;
};

static void piece_fini(struct piece *p)
{
	if (p->own)
		close_fd(&p->fd);
}

/* ---- archives ----------------------------------------------------------------------- */

struct archive_reader {
	int fd;
	uint64_t at;
	char buf[64 << 10];
};

static ssize_t archive_read(void *data, const void **ret, struct error *e)
{
	struct archive_reader *r = data;
	ssize_t n;

	do
		n = pread(r->fd, r->buf, sizeof(r->buf), (off_t)r->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set(e, -errno, "read the archive");
	r->at += (uint64_t)n;
	*ret = r->buf;
	return n;
}

static uint64_t archive_skip(void *data, uint64_t n)
{
	struct archive_reader *r = data;

	r->at += n;
	return n;
}

/* ---- packed archives ---------------------------------------------------------------- */

/* Where a packed archive is unpacked to. */
struct unpacked {
	int fd;
	unsigned char buf[256 << 10];
	int err;
};

static unsigned char *unpacked_room(void *data, size_t *ret_cap)
{
	struct unpacked *u = data;

	*ret_cap = sizeof(u->buf);
	return u->err < 0 ? NULL : u->buf;
}

static void unpacked_done(void *data, size_t len)
{
	struct unpacked *u = data;

	if (u->err == 0)
		u->err = fd_write_all(u->fd, u->buf, len);
}

static int unpack_whole(struct fetch_ctx *c, struct local *l, struct unpacked *u, struct error *e)
{
	const struct decompress_sink sink = { .room = unpacked_room,
					      .done = unpacked_done,
					      .data = u };
	struct archive_reader *in = malloc(sizeof(*in));
	struct decompress *d = NULL;
	const void *p;
	ssize_t n;
	int r;

	if (in == NULL || decompress_new(&sink, &d) < 0) {
		free(in);
		return error_set(e, -ENOMEM, "unpack the archive");
	}
	in->fd = l->fd;
	in->at = 0;
	while ((n = archive_read(in, &p, e)) > 0) {
		r = decompress_feed(d, p, (size_t)n, e);
		if (r == 0 && u->err < 0)
			r = -EPIPE;
		if (r == 0 && clock_now_ms() - c->last_sent_ms >= FETCH_ALIVE_MS)
			r = fetch_say(c, json_pack("{s:s}", "t", "alive"), e);
		if (r < 0) {
			n = r;
			break;
		}
	}
	r = n < 0 ? (int)n : decompress_end(d, e);
	decompress_free(d);
	free(in);
	return u->err < 0 ? error_set(e, u->err, "unpack the archive") : r;
}

/* An archive that is packed as a whole becomes a nameless file of the transaction. */
static int archive_unpack(struct fetch_ctx *c, struct local *l, struct error *e)
{
	unsigned char first[4] = { 0 };
	struct unpacked *u;
	int r;

	if (pread(l->fd, first, sizeof(first), 0) < (ssize_t)sizeof(first) ||
	    decompress_kind_of(first, sizeof(first)) == DECOMPRESS_PLAIN)
		return 0;
	u = malloc(sizeof(*u));
	if (u == NULL)
		return error_set(e, -ENOMEM, "unpack the archive");
	u->err = 0;
	u->fd = openat(c->txn_fd, "archive", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (u->fd < 0 || unlinkat(c->txn_fd, "archive", 0) < 0) {
		r = error_set(e, -errno, "unpack the archive");
	} else {
		r = unpack_whole(c, l, u, e);
	}
	if (r == 0) {
		l->fd = u->fd;
		l->own_fd = true;
	} else if (u->fd >= 0) {
		(void)close(u->fd); /* it has no name */
	}
	free(u);
	return r;
}

/* ---- the entries of an archive --------------------------------------------------------------------- */

/* Cleaned path of a link's target; relative ones start at the directory of the link. */
static char *link_target(const char *path, const char *target, bool hard)
{
	_cleanup_free_ char *joined = NULL;
	const char *slash = strrchr(path, '/');

	if (hard || target[0] == '/' || slash == NULL)
		return path_clean(target[0] == '/' ? target + strspn(target, "/") : target);
	joined = str_printf("%.*s/%s", (int)(slash - path), path, target);
	return joined != NULL ? path_clean(joined) : NULL;
}

static int member_add(struct local *l, const struct tar_entry *n, struct error *e)
{
	bool link = n->type == TAR_SYMLINK || n->type == TAR_HARDLINK;
	struct member m = { .regular = n->type == TAR_FILE && !n->sparse,
			    .offset = n->data_offset,
			    .size = n->size };

	if (!link && !m.regular)
		return 0;
	if (l->members_n >= ARCHIVE_ENTRIES_MAX)
		return error_setf(e, -E2BIG, "the archive has more than %u entries",
				  ARCHIVE_ENTRIES_MAX);
	if (l->members_n == l->members_cap) {
		size_t cap = l->members_cap == 0 ? 64 : l->members_cap * 2;
		struct member *v = reallocarray(l->members, cap, sizeof(*v));

		if (v == NULL)
			return error_set(e, -ENOMEM, "read the archive");
		l->members = v;
		l->members_cap = cap;
	}
	m.path = path_clean(n->path + strspn(n->path, "/"));
	if (link && m.path != NULL)
		m.link = link_target(m.path, n->link, n->type == TAR_HARDLINK);
	if (m.path == NULL || (link && m.link == NULL)) {
		free(m.path);
		return error_set(e, -ENOMEM, "read the archive");
	}
	l->members[l->members_n++] = m;
	return 0;
}

static int archive_list(struct local *l, struct error *e)
{
	struct archive_reader *in = malloc(sizeof(*in));
	struct tar_reader *t = NULL;
	const struct tar_entry *n;
	int r;

	if (in == NULL)
		return error_set(e, -ENOMEM, "read the archive");
	in->fd = l->fd;
	in->at = 0;
	r = tar_new(archive_read, archive_skip, in, &t);
	if (r < 0)
		(void)error_set(e, r, "read the archive");
	while (r >= 0 && (r = tar_next(t, &n, e)) > 0)
		r = member_add(l, n, e);
	tar_free(t);
	free(in);
	return r;
}

static const struct member *member_find(const struct local *l, const char *path)
{
	for (int hops = 0; hops < ARCHIVE_LINKS_MAX; hops++) {
		const struct member *found = NULL;

		for (size_t i = l->members_n; i > 0 && found == NULL;
		     i--) /* the last of a name counts */
			if (strcmp(l->members[i - 1].path, path) == 0)
				found = &l->members[i - 1];
		if (found == NULL || found->link == NULL)
			return found;
		path = found->link;
	}
	return NULL;
}

/* ---- files of either -------------------------------------------------------------- */

static int piece_open(const struct local *l, const char *path, struct piece *ret, struct error *e)
{
	_cleanup_free_ char *shown = str_escape(path);
	struct piece p = { .fd = l->fd };
	struct stat st, whole;

	if (!l->is_dir) {
		_cleanup_free_ char *clean = path_clean(path + strspn(path, "/"));
		const struct member *m = clean != NULL ? member_find(l, clean) : NULL;

		if (m == NULL)
			return error_setf(e, -ENOENT, "there is no %.200s in the archive",
					  shown != NULL ? shown : "");
		p.offset = m->offset;
		p.size = m->size;
		if (fstat(l->fd, &whole) < 0 || p.offset > (uint64_t)whole.st_size ||
		    p.size > (uint64_t)whole.st_size - p.offset)
			return error_setf(e, -EBADMSG, "the archive is cut off");
		*ret = p;
		return 0;
	}
	p.fd = path_open_beneath(l->fd, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0);
	p.own = true;
	if (p.fd == -ELOOP)
		return error_setf(e, -ELOOP, "%.200s is a symbolic link: refused",
				  shown != NULL ? shown : "");
	if (p.fd < 0)
		return error_set(e, p.fd, "open %.200s", shown != NULL ? shown : "");
	if (fstat(p.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		piece_fini(&p);
		return error_setf(e, -EINVAL, "%.200s is not a regular file",
				  shown != NULL ? shown : "");
	}
	p.size = (uint64_t)st.st_size;
	*ret = p;
	return 0;
}

static int piece_read(const struct piece *p, struct buf *ret, struct error *e)
{
	size_t done = 0, len = (size_t)p->size;
	char *to;

	if (p->size > LIMIT_JSON_BYTES)
		return error_setf(e, -EFBIG, "%llu bytes are more than the limit of %u",
				  (unsigned long long)p->size, LIMIT_JSON_BYTES);
	buf_reset(ret);
	to = buf_reserve(ret, len + 1);
	if (to == NULL)
		return error_set(e, -ENOMEM, "read");
	while (done < len) {
		ssize_t n = pread(p->fd, to + done, len - done, (off_t)(p->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(e, n < 0 ? -errno : -EBADMSG, "read");
		done += (size_t)n;
	}
	to[len] = '\0';
	ret->len = len;
	return 0;
}

static int read_file(const struct local *l, const char *path, struct buf *ret, struct error *e)
{
	struct piece p;
	int r = piece_open(l, path, &p, e);

	if (r < 0)
		return r;
	r = piece_read(&p, ret, e);
	piece_fini(&p);
	return r < 0 ? error_prefix(e, "%s", path) : 0;
}

static int open_blob(const struct local *l, const struct descriptor *d, struct piece *ret,
		     struct error *e)
{
	char path[96];
	int r;

	(void)snprintf(path, sizeof(path), l->flat ? "%.64s" : "blobs/sha256/%.64s",
		       d->digest + 7); /* fits */
	r = piece_open(l, path, ret, e);
	if (r < 0)
		return r;
	if (ret->size != d->size) {
		r = error_setf(e, -EBADMSG,
			       "%llu bytes instead of the %llu that its descriptor says",
			       (unsigned long long)ret->size, (unsigned long long)d->size);
		piece_fini(ret);
	}
	return r;
}

/* ---- OCI layout ------------------------------------------------------------------- */

/* Of an index in a dir: its manifests are files of their own. */
static int open_flat_manifest(const struct local *l, const struct descriptor *d, struct piece *ret,
			      struct error *e)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%.64s.manifest.json", d->digest + 7); /* fits */
	return piece_open(l, path, ret, e);
}

static int oci_document(void *data, const struct descriptor *d, bool manifest, struct buf *ret,
			char ret_type[128], struct error *e)
{
	const struct local *l = data;
	char got[DIGEST_TEXT_SIZE];
	struct piece p;
	int r;

	/* a layout keeps everything in one place, dir: has other names for manifests */
	r = manifest && l->flat ? open_flat_manifest(l, d, &p, e) : open_blob(l, d, &p, e);
	if (r < 0)
		return r;
	r = piece_read(&p, ret, e);
	piece_fini(&p);
	if (r < 0)
		return r;
	if (digest_of(buf_str(ret), ret->len, got) < 0)
		return error_set(e, -ENOMEM, "digest");
	if (strcmp(got, d->digest) != 0)
		return error_setf(e, -EBADMSG, "digest mismatch: the content is %s", got);
	ret_type[0] = '\0';
	return 0;
}

static const char *ref_name(const json_t *entry)
{
	return json_string_value(json_object_get(json_object_get(entry, "annotations"),
						 "org.opencontainers.image.ref.name"));
}

/* Does the annotation name this tag: the tag itself, or a full name that ends with it? */
static bool tag_matches(const char *name, const char *tag)
{
	const char *colon = name != NULL ? strrchr(name, ':') : NULL;

	return name != NULL &&
	       (strcmp(name, tag) == 0 || (colon != NULL && strcmp(colon + 1, tag) == 0));
}

/* Keep only the entries of index.json that the user means. */
static int oci_filter(const json_t *index, const char *tag, size_t chosen, json_t **ret,
		      struct error *e)
{
	_cleanup_json_ json_t *kept = json_array();
	_cleanup_buf_ struct buf list = BUF_INIT;
	const char *first = NULL;
	json_t *all = NULL, *entry;
	bool several = false;
	size_t i;

	if (json_get_array(index, "index.json", "manifests", &all, e) < 0)
		return -EBADMSG;
	if (chosen != SIZE_MAX) {
		if (chosen >= json_array_size(all))
			return error_setf(e, -ENOENT, "it holds %zu images", json_array_size(all));
		*ret = json_pack("{s:i, s:[O]}", "schemaVersion", 2, "manifests",
				 json_array_get(all, chosen));
		return *ret != NULL ? 0 : error_set(e, -ENOMEM, "read index.json");
	}
	json_array_foreach(all, i, entry) {
		const char *name = ref_name(entry);

		if (name != NULL && list.len < 200) {
			(void)buf_puts(&list,
				       list.len > 0 ? ", " : ""); /* only text for an error */
			(void)buf_puts_escaped(&list, name, strlen(name));
		}
		if (i > 0 && tag == NULL && (name == NULL) != (first == NULL))
			several = true;
		if (i > 0 && tag == NULL && name != NULL && first != NULL &&
		    strcmp(name, first) != 0)
			several = true;
		if (i == 0)
			first = name;
		if ((tag == NULL || tag_matches(name, tag)) && json_array_append(kept, entry) < 0)
			return error_set(e, -ENOMEM, "read index.json");
	}
	if (several)
		return error_setf(e, -EINVAL, "it holds several images, name one of them: %s",
				  buf_str(&list));
	if (json_array_size(kept) == 0)
		return error_setf(e, -ENOENT, "there is no image %s%s in it; there is: %s",
				  tag != NULL ? "tagged " : "", tag != NULL ? tag : "",
				  list.len > 0 ? buf_str(&list) : "nothing");
	*ret = json_pack("{s:i, s:O}", "schemaVersion", 2, "manifests", kept);
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "read index.json");
}

static int oci_plan(struct local *l, struct fetch_ctx *c, struct ingest_plan *ret, struct error *e)
{
	_cleanup_buf_ struct buf top = BUF_INIT;
	_cleanup_json_ json_t *index = NULL;
	_cleanup_json_ json_t *kept = NULL;
	struct descriptor d;
	char type[128] = "";
	int r;

	r = read_file(l, "index.json", &top, e);
	if (r < 0)
		return error_prefix(e, "not an OCI image layout");
	index = json_parse(buf_str(&top), top.len, "index.json", e);
	if (index == NULL)
		return -EBADMSG;
	r = manifest_kind(index, NULL, e);
	if (r == MANIFEST_IMAGE)
		r = error_setf(e, -EBADMSG, "index.json is not an index");
	if (r >= 0)
		r = oci_filter(index, l->tag, l->chosen, &kept, e);
	if (r >= 0 && json_array_size(json_object_get(kept, "manifests")) == 1)
		/* the only one: whatever its platform is, the user asked for it */
		r = manifest_descriptor(json_array_get(json_object_get(kept, "manifests"), 0),
					"manifests[0]", LIMIT_JSON_BYTES, &d, e);
	else if (r >= 0)
		r = manifest_choose(kept, &c->platform, &d, e);
	if (r >= 0)
		r = oci_document(l, &d, true, &top, type, e);
	return r < 0 ? r : ingest_plan_documents(c, &top, type, oci_document, l, ret, e);
}

/* dir: manifest.json is the manifest, or an index. */
static int flat_plan(struct local *l, struct fetch_ctx *c, struct ingest_plan *ret, struct error *e)
{
	_cleanup_buf_ struct buf top = BUF_INIT;
	int r = read_file(l, "manifest.json", &top, e);

	if (r < 0)
		return error_prefix(e, "not a directory of an image");
	return ingest_plan_documents(c, &top, "", oci_document, l, ret, e);
}

/* ---- docker archive --------------------------------------------------------------- */

static bool repo_tag_matches(const json_t *entry, const char *tag)
{
	json_t *tags = json_object_get(entry, "RepoTags"), *t;
	size_t i;

	json_array_foreach(tags, i, t) {
		const char *name = json_string_value(t);

		/* "busybox" and "busybox:latest", "x:1" and "docker.io/library/x:1" mean the same */
		if (name == NULL)
			continue;
		if (strcmp(name, tag) == 0 ||
		    (str_ends(name, tag) && name[strlen(name) - strlen(tag) - 1] == '/') ||
		    (str_ends(tag, name) && tag[strlen(tag) - strlen(name) - 1] == '/'))
			return true;
		if (str_starts(name, tag) && strcmp(name + strlen(tag), ":latest") == 0)
			return true;
	}
	return false;
}

static int docker_entry(const json_t *list, const char *tag, size_t chosen, const json_t **ret,
			struct error *e)
{
	const json_t *found = NULL;
	json_t *entry;
	size_t i;

	if (!json_is_array(list))
		return error_setf(e, -EBADMSG, "manifest.json is not an array");
	if (chosen != SIZE_MAX && chosen < json_array_size(list)) {
		*ret = json_array_get(list, chosen);
		return 0;
	}
	json_array_foreach(list, i, entry)
		if (found == NULL && (tag == NULL || repo_tag_matches(entry, tag)))
			found = entry;
	if (found == NULL)
		return error_setf(e, -ENOENT, "there is no image %s in the archive",
				  tag != NULL ? tag : "");
	if (tag == NULL && json_array_size(list) > 1)
		return error_setf(
			e, -EINVAL,
			"the archive holds %zu images, name one: docker-archive:FILE:NAME:TAG",
			json_array_size(list));
	*ret = found;
	return 0;
}

static int docker_layer_names(struct local *l, const json_t *entry, size_t want, struct error *e)
{
	json_t *layers = NULL, *name;
	size_t i;

	if (json_get_array(entry, "manifest.json", "Layers", &layers, e) < 0)
		return -EBADMSG;
	if (json_array_size(layers) != want)
		return error_setf(e, -EBADMSG, "manifest.json has %zu layers, the image config %zu",
				  json_array_size(layers), want);
	free(l->docker_layers);
	l->docker_layers = calloc(want + 1, sizeof(*l->docker_layers));
	if (l->docker_layers == NULL)
		return error_set(e, -ENOMEM, "read the archive");
	l->docker_layers_n = want;
	json_array_foreach(layers, i, name) {
		if (!json_is_string(name) || json_string_length(name) > LIMIT_TAR_NAME)
			return error_setf(e, -EBADMSG, "manifest.json: Layers[%zu] is not a name",
					  i);
		memcpy(l->docker_layers[i], json_string_value(name), json_string_length(name) + 1);
	}
	return 0;
}

/*
 * Newer archives have an OCI layout beside manifest.json: its manifest for that config, so
 * that the digest is kept. 1 = the plan is made of it, 0 = there is none, -errno.
 */
static int layout_plan(struct local *l, struct fetch_ctx *c, const char *config,
		       struct ingest_plan *ret, struct error *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ json_t *index = NULL;
	json_t *list = NULL, *o;
	size_t i;
	int r;

	if (member_find(l, "index.json") == NULL || read_file(l, "index.json", &text, NULL) < 0)
		return 0;
	index = json_parse(buf_str(&text), text.len, "index.json", NULL);
	if (index == NULL || json_get_array(index, "index.json", "manifests", &list, NULL) < 0)
		return 0;
	json_array_foreach(list, i, o) {
		_cleanup_json_ json_t *doc = NULL;
		struct manifest m = { .layers = NULL };
		struct descriptor d;
		char type[128];
		bool same;

		if (i == LAYOUT_MANIFESTS_MAX)
			break;
		buf_reset(&text);
		if (manifest_descriptor(o, "manifests[]", LIMIT_JSON_BYTES, &d, NULL) < 0 ||
		    oci_document(l, &d, true, &text, type, NULL) < 0)
			continue;
		doc = json_parse(buf_str(&text), text.len, "manifest", NULL);
		if (doc == NULL || manifest_kind(doc, NULL, NULL) != MANIFEST_IMAGE ||
		    manifest_parse(doc, &m, NULL) < 0)
			continue;
		same = strcmp(m.config.digest, config) == 0;
		manifest_fini(&m);
		if (!same)
			continue;
		r = ingest_plan_documents(c, &text, "", oci_document, l, ret, e);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int docker_plan(struct local *l, struct fetch_ctx *c, struct ingest_plan *ret,
		       struct error *e)
{
	struct image_config_info info = { .n = 0 };
	_cleanup_buf_ struct buf list = BUF_INIT;
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_json_ json_t *config = NULL;
	const json_t *entry = NULL;
	const char *config_name = NULL;
	char digest[DIGEST_TEXT_SIZE];
	struct buf kept;
	int r;

	r = read_file(l, "manifest.json", &list, e);
	if (r < 0)
		return error_prefix(e, "not an archive of `docker save`");
	doc = json_parse(buf_str(&list), list.len, "manifest.json", e);
	if (doc == NULL)
		return -EBADMSG;
	r = docker_entry(doc, l->tag, l->chosen, &entry, e);
	if (r == 0 && (json_get_string(entry, "manifest.json", "Config", &config_name, e) < 0 ||
		       config_name == NULL))
		r = error_setf(e, -EBADMSG, "manifest.json names no config");
	if (r == 0)
		r = read_file(l, config_name, &ret->config, e);
	if (r < 0)
		return r;
	config = json_parse(buf_str(&ret->config), ret->config.len, "image config", e);
	if (config == NULL)
		return -EBADMSG;
	if (digest_of(buf_str(&ret->config), ret->config.len, ret->config_digest) < 0)
		return error_set(e, -ENOMEM, "digest");
	memcpy(digest, ret->config_digest, sizeof(digest));
	kept = ret->config;
	ret->config = BUF_INIT;
	r = layout_plan(l, c, digest, ret, e);
	if (r != 0) {
		buf_fini(&kept);
		return r < 0 ? r : 0;
	}
	ret->config = kept;
	memcpy(ret->config_digest, digest, sizeof(digest));
	r = image_config_info_parse(config, &info, e);
	if (r == 0)
		r = ingest_plan_layers(ret, NULL, &info, e);
	if (r == 0)
		r = docker_layer_names(l, entry, info.n, e);
	free(info.diff_ids);
	return r;
}

/* ---- the source ------------------------------------------------------------------- */

/* Once: what is in the archive? */
static int local_list(struct local *l, struct fetch_ctx *c, struct error *e)
{
	int r = 0;

	if (!l->is_dir && !l->listed) {
		r = archive_unpack(c, l, e);
		if (r == 0)
			r = archive_list(l, e);
	}
	l->listed = true;
	return r;
}

static int local_plan(void *data, struct fetch_ctx *c, struct ingest_plan *ret, struct error *e)
{
	struct local *l = data;
	int r;

	r = local_list(l, c, e);
	if (r < 0)
		return r;
	if (l->flat)
		return flat_plan(l, c, ret, e);
	if (!l->is_dir && member_find(l, "index.json") == NULL &&
	    member_find(l, "manifest.json") == NULL)
		return error_setf(
			e, -EBADMSG,
			"not an archive of an image: there is no manifest.json in it%s",
			member_find(l, "repositories") != NULL ?
				" (docker before 1.10 wrote it: load and save it with a newer one)" :
				"");
	if (l->docker ? l->is_dir || member_find(l, "manifest.json") != NULL :
			!l->is_dir && member_find(l, "index.json") == NULL &&
				member_find(l, "manifest.json") != NULL)
		return docker_plan(l, c, ret, e);
	return oci_plan(l, c, ret, e);
}

static int local_layer_open(void *data, struct ingest_layer *il, size_t index, struct error *e)
{
	struct local *l = data;
	struct piece p;
	int r;

	if (l->docker_layers != NULL)
		r = piece_open(l, l->docker_layers[index], &p, e);
	else
		r = open_blob(l, &il->want, &p, e);
	if (r < 0)
		return error_prefix(e, "layer %zu", index);
	if (p.own)
		il->blob_fd = p.fd; /* closed with the plan */
	il->l.source_fd = p.fd;
	il->l.source_offset = p.offset;
	il->l.size = p.size;
	return 0;
}

static int local_wait(void *data, struct fetch_ctx *c, int timeout_ms, struct error *e)
{
	struct pollfd p = { .fd = c->wake_fd, .events = POLLIN };
	uint64_t n;

	(void)data;
	(void)e;
	(void)poll(&p, 1, timeout_ms);		/* an interruption is a wake-up too */
	(void)!read(c->wake_fd, &n, sizeof(n)); /* non-blocking: only resets the counter */
	return 0;
}

static void local_free(void *data)
{
	struct local *l = data;

	for (size_t i = 0; i < l->members_n; i++) {
		free(l->members[i].path);
		free(l->members[i].link);
	}
	free(l->members);
	free(l->docker_layers);
	if (l->own_fd)
		close_fd(&l->fd);
	free(l);
}

int source_local_open(struct fetch_ctx *c, struct source *ret, struct error *e)
{
	struct local *l = calloc(1, sizeof(*l));
	const char *kind = "";
	unsigned long long n;
	struct stat st;

	if (l == NULL)
		return error_set(e, -ENOMEM, "open the source");
	l->fd = c->source_fd;
	if (fstat(l->fd, &st) < 0 || json_get_string(c->request, "", "source", &kind, e) < 0 ||
	    json_get_string(c->request, "", "tag", &l->tag, e) < 0) {
		free(l);
		return error_setf(e, -EINVAL, "malformed request");
	}
	l->is_dir = S_ISDIR(st.st_mode);
	l->chosen = SIZE_MAX;
	if (l->tag != NULL && l->tag[0] == '@' && str_to_u64(l->tag + 1, LIST_MAX, &n) == 0)
		l->chosen = (size_t)n;
	l->docker = strcmp(kind, "docker-archive") == 0;
	l->flat = l->is_dir && strcmp(kind, "dir") == 0;
	*ret = (struct source){
		.data = l,
		.plan = local_plan,
		.layer_open = local_layer_open,
		.wait = local_wait,
		.free = local_free,
	};
	return 0;
}

/* ---- all images of it (load.c) ------------------------------------------------------ */

int source_local_images(struct source *s, struct fetch_ctx *c, json_t **ret, bool *ret_docker,
			struct error *e)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ json_t *doc = NULL;
	struct local *l = s->data;
	json_t *list;
	int r = local_list(l, c, e);

	if (r < 0)
		return r;
	/* manifest.json has the names as they were written, where both are there */
	*ret_docker = !l->is_dir && member_find(l, "manifest.json") != NULL;
	l->docker = *ret_docker;
	if (!*ret_docker && l->is_dir && read_file(l, "index.json", &text, NULL) < 0) {
		l->flat = true; /* a dir: one image without a name */
		*ret = json_pack("[{}]");
		return *ret != NULL ? 0 : error_set(e, -ENOMEM, "list the images");
	}
	r = read_file(l, *ret_docker ? "manifest.json" : "index.json", &text, e);
	if (r < 0)
		return error_prefix(e, "not an archive of an image");
	doc = json_parse(buf_str(&text), text.len, *ret_docker ? "manifest.json" : "index.json", e);
	if (doc == NULL)
		return -EBADMSG;
	list = *ret_docker ? doc : json_object_get(doc, "manifests");
	if (!json_is_array(list) || json_array_size(list) > LIST_MAX)
		return error_setf(e, -EBADMSG,
				  "the archive has no list of images, or one of more than %d",
				  LIST_MAX);
	*ret = json_incref(list);
	return 0;
}

void source_local_choose(struct source *s, size_t i)
{
	struct local *l = s->data;

	l->chosen = i;
}
