/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -v, --mount and --tmpfs of `crt run`.
 *
 * Theory of operation: each text becomes one struct request_mount with OCI
 * mount options, podman's defaults filled in (rbind, rprivate, no set-uid
 * programs and no devices). The texts are the caller's own and trusted, but
 * checked completely, so that a mistake is reported before anything exists.
 * A source without a slash is the name of a volume, none at all a volume without name.
 * A bind source must exist: creating it silently is a trap docker users know.
 * Options that contradict or repeat each other are refused, as podman does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/path.h"
#include "cmd/request.h"

/* Make room for one more mount and return it zeroed, or NULL with e filled. */
static struct request_mount *mount_new(struct run_request *r, struct error *e)
{
	struct request_mount *bigger;

	if (r->mounts_n >= LIMIT_MOUNTS) {
		(void)error_setf(e, -E2BIG, "more than %d mounts", LIMIT_MOUNTS);
		return NULL;
	}
	bigger = realloc(r->mounts, (r->mounts_n + 1) * sizeof(*bigger));
	if (bigger == NULL) {
		(void)error_set(e, -ENOMEM, "adding a mount");
		return NULL;
	}
	r->mounts = bigger;
	bigger[r->mounts_n] = (struct request_mount){ 0 };
	return &bigger[r->mounts_n++];
}

/* Take the newest mount back: it was not understood. Returns what error_prefix() returned. */
static int mount_drop(struct run_request *r, int result)
{
	struct request_mount *m = &r->mounts[--r->mounts_n];

	free(m->source);
	free(m->destination);
	strv_fini(&m->options);
	return result;
}

static int set_destination(const struct run_request *r, struct request_mount *m, const char *text,
			   struct error *e)
{
	if (text[0] != '/')
		return error_setf(e, -EINVAL, "invalid container path \"%s\", must be absolute",
				  text);
	m->destination = path_clean(text);
	if (m->destination == NULL)
		return error_set(e, -ENOMEM, "container path %s", text);
	if (strcmp(m->destination, "/") == 0)
		return error_setf(e, -EINVAL, "the container's root cannot be a mount destination");
	for (size_t i = 0; i + 1 < r->mounts_n; i++)
		if (strcmp(r->mounts[i].destination, m->destination) == 0)
			return error_setf(e, -EINVAL, "%s: duplicate mount destination",
					  m->destination);
	return 0;
}

static int set_source(struct request_mount *m, const char *text, struct error *e)
{
	int r = text[0] == '\0' ? -ENOENT : path_canonical(text, &m->source);

	if (r < 0)
		return error_set(e, r, "source %s", text);
	return 0;
}

/* NULL: a volume without a name, which gets one when all is known (volumes_resolve()). */
static int set_volume(struct request_mount *m, const char *name, struct error *e)
{
	if (name == NULL) {
		m->flags |= REQUEST_MOUNT_ANONYMOUS;
		return 0;
	}
	if (!id_name_valid(name))
		return error_setf(e, -EINVAL,
				  "invalid volume name \"%s\": names must match "
				  "[a-zA-Z0-9][a-zA-Z0-9_.-]*; the path of a directory begins with "
				  "/ or .",
				  name);
	m->source = strdup(name);
	return m->source != NULL ? 0 : error_set(e, -ENOMEM, "volume %s", name);
}

/* ---- options ---------------------------------------------------------------------------- */

/* Options that exclude each other, and what each excludes. One of a group may be given once. */
enum option_group {
	GROUP_ACCESS,
	GROUP_BIND,
	GROUP_PROPAGATION,
	GROUP_SUID,
	GROUP_DEV,
	GROUP_EXEC,
	GROUP_ATIME,
	GROUP_DIRATIME,
	GROUP_SYMFOLLOW,
	GROUP_LABEL,
	GROUP_COPY,
	GROUP_CHOWN,
	GROUP_COPYUP,
	GROUP_SIZE,
	GROUP_MODE,
	GROUP_UID,
	GROUP_GID,
	GROUP_INODES,
	GROUP_BLOCKS,
	GROUP_COUNT
};

enum option_for {
	FOR_BIND = 1,
	FOR_TMPFS = 2,
	FOR_BOTH = 3
};

/* What becomes of an option: it goes into config.json, or it only keeps others out. */
enum option_action {
	PASS,
	DROP,
	NOCOPY, /* the flags of the mount */
	CHOWN
};

struct mount_word {
	const char *name; /* with "=" at the end it takes a value */
	enum option_group group;
	enum option_for types;
	enum option_action action;
};

static const struct mount_word words[] = {
	{ "ro", GROUP_ACCESS, FOR_BOTH, PASS },
	{ "rw", GROUP_ACCESS, FOR_BOTH, PASS },
	{ "rro", GROUP_ACCESS, FOR_BIND, PASS },
	{ "bind", GROUP_BIND, FOR_BIND, PASS },
	{ "rbind", GROUP_BIND, FOR_BIND, PASS },
	{ "private", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "rprivate", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "shared", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "rshared", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "slave", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "rslave", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "unbindable", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "runbindable", GROUP_PROPAGATION, FOR_BOTH, PASS },
	{ "suid", GROUP_SUID, FOR_BOTH, PASS },
	{ "nosuid", GROUP_SUID, FOR_BOTH, PASS },
	{ "dev", GROUP_DEV, FOR_BOTH, PASS },
	{ "nodev", GROUP_DEV, FOR_BOTH, PASS },
	{ "exec", GROUP_EXEC, FOR_BOTH, PASS },
	{ "noexec", GROUP_EXEC, FOR_BOTH, PASS },
	{ "atime", GROUP_ATIME, FOR_BOTH, PASS },
	{ "noatime", GROUP_ATIME, FOR_BOTH, PASS },
	{ "relatime", GROUP_ATIME, FOR_BOTH, PASS },
	{ "norelatime", GROUP_ATIME, FOR_BOTH, PASS },
	{ "strictatime", GROUP_ATIME, FOR_BOTH, PASS },
	{ "diratime", GROUP_DIRATIME, FOR_BOTH, PASS },
	{ "nodiratime", GROUP_DIRATIME, FOR_BOTH, PASS },
	{ "nosymfollow", GROUP_SYMFOLLOW, FOR_BOTH, PASS },
	{ "z", GROUP_LABEL, FOR_BIND, DROP }, /* SELinux: nothing is ever labelled */
	{ "Z", GROUP_LABEL, FOR_BIND, DROP },
	{ "copy", GROUP_COPY, FOR_BIND, DROP }, /* of the image's files: into new volumes only */
	{ "nocopy", GROUP_COPY, FOR_BIND, NOCOPY },
	{ "U", GROUP_CHOWN, FOR_BIND, CHOWN },
	{ "tmpcopyup", GROUP_COPYUP, FOR_TMPFS, PASS },
	{ "notmpcopyup", GROUP_COPYUP, FOR_TMPFS, DROP },
	{ "size=", GROUP_SIZE, FOR_TMPFS, PASS },
	{ "mode=", GROUP_MODE, FOR_TMPFS, PASS },
	{ "uid=", GROUP_UID, FOR_TMPFS, PASS },
	{ "gid=", GROUP_GID, FOR_TMPFS, PASS },
	{ "nr_inodes=", GROUP_INODES, FOR_TMPFS, PASS },
	{ "nr_blocks=", GROUP_BLOCKS, FOR_TMPFS, PASS },
};

/* How an error names a group. */
static const char *const group_names[] = {
	[GROUP_ACCESS] = "ro, rw",
	[GROUP_BIND] = "bind, rbind",
	[GROUP_PROPAGATION] = "[r]private, [r]shared, [r]slave, [r]unbindable",
	[GROUP_SUID] = "suid, nosuid",
	[GROUP_DEV] = "dev, nodev",
	[GROUP_EXEC] = "exec, noexec",
	[GROUP_ATIME] = "atime, noatime, relatime, norelatime, strictatime",
	[GROUP_DIRATIME] = "diratime, nodiratime",
	[GROUP_SYMFOLLOW] = "nosymfollow",
	[GROUP_LABEL] = "z, Z",
	[GROUP_COPY] = "copy, nocopy",
	[GROUP_CHOWN] = "U",
	[GROUP_COPYUP] = "tmpcopyup, notmpcopyup",
	[GROUP_SIZE] = "size",
	[GROUP_MODE] = "mode",
	[GROUP_UID] = "uid",
	[GROUP_GID] = "gid",
	[GROUP_INODES] = "nr_inodes",
	[GROUP_BLOCKS] = "nr_blocks",
};
_Static_assert(sizeof(group_names) / sizeof(group_names[0]) == GROUP_COUNT, "a name for each");

/* One mount while its text is read. */
struct mount_text {
	struct request_mount *m;
	uint32_t seen;	       /* groups, by bit */
	const char *src, *dst; /* of --mount, borrowed */
};

static const struct mount_word *find_word(const struct mount_text *t, const char *o)
{
	enum option_for type = t->m->type == REQUEST_MOUNT_TMPFS ? FOR_TMPFS : FOR_BIND;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct mount_word *w = &words[i];

		if (((unsigned int)w->types & (unsigned int)type) != 0 &&
		    (str_ends(w->name, "=") ? str_starts(o, w->name) : strcmp(o, w->name) == 0))
			return w;
	}
	return NULL;
}

static int check_value(enum option_group group, const char *o, struct error *e)
{
	const char *value = strchr(o, '=');
	unsigned long long n;
	char *end;

	if (value == NULL)
		return 0;
	value++;
	if (group == GROUP_SIZE && str_ends(value, "%"))
		return 0;
	if (group == GROUP_SIZE ? str_to_size(value, &n) < 0 :
	    group == GROUP_MODE ? value[0] < '0' || value[0] > '7' ||
					  strtoul(value, &end, 8) > 07777 || *end != '\0' :
				  str_to_u64(value, UINT32_MAX - 1, &n) < 0)
		return error_setf(e, -EINVAL, "invalid %s \"%s\"", group_names[group], value);
	return 0;
}

/* Podman knows these and crt does not: say what to do instead. */
static const char *other_way(const char *o)
{
	if (strcmp(o, "O") == 0)
		return "; an overlay over a volume does not exist, mount a copy or use ro";
	if (strcmp(o, "idmap") == 0 || str_starts(o, "idmap="))
		return "; ids are mapped for the whole container, see --userns";
	return "";
}

static int add_option(struct mount_text *t, const char *o, struct error *e)
{
	const struct mount_word *w = find_word(t, o);

	if (*o == '\0')
		return error_setf(e, -EINVAL, "an empty mount option");
	if (w == NULL)
		return error_setf(e, -EINVAL, "invalid mount option \"%s\"%s", o, other_way(o));
	if ((t->seen & (1u << w->group)) != 0)
		return error_setf(e, -EINVAL, "mount option \"%s\": only one of %s, and once", o,
				  group_names[w->group]);
	t->seen |= 1u << w->group;
	if (check_value(w->group, o, e) < 0)
		return -EINVAL;
	t->m->flags |= w->action == NOCOPY ? REQUEST_MOUNT_NOCOPY :
		       w->action == CHOWN  ? REQUEST_MOUNT_CHOWN :
					     0;
	if (w->action == PASS && strv_add(&t->m->options, o) < 0)
		return error_set(e, -ENOMEM, "mount options");
	return 0;
}

static int add_options(struct mount_text *t, char *list, struct error *e)
{
	char *o;
	int r = 0;

	while (r == 0 && (o = strsep(&list, ",")) != NULL)
		r = add_option(t, o, e);
	return r;
}

/* podman's defaults where nothing else was said. They stand first, so that what was said wins where it touches the same. */
static int add_defaults(struct mount_text *t, struct error *e)
{
	static const char *const bind[] = { "rw", "rbind", "rprivate", "nosuid", "nodev", NULL };
	static const char *const tmpfs[] = {
		"rw", "rprivate", "nosuid", "nodev", "tmpcopyup", NULL
	};
	struct strv all = { 0 };
	int r = 0;

	for (const char *const *o = t->m->type == REQUEST_MOUNT_TMPFS ? tmpfs : bind;
	     r == 0 && *o != NULL; o++)
		if ((t->seen & (1u << find_word(t, *o)->group)) == 0)
			r = strv_add(&all, *o);
	for (size_t i = 0; r == 0 && i < t->m->options.n; i++)
		r = strv_add(&all, t->m->options.v[i]);
	strv_fini(&t->m->options);
	t->m->options = all;
	return r < 0 ? error_set(e, r, "mount options") : 0;
}

/* ---- the three options of the command line -------------------------------------------------- */

static int read_volume(struct run_request *r, struct request_mount *m, char *text, struct error *e)
{
	struct mount_text t = { .m = m };
	char *dst, *options;
	int ret;

	dst = strchr(text, ':');
	if (dst == NULL)
		dst = text; /* a volume without a name */
	else
		*dst++ = '\0';
	options = strchr(dst, ':');
	if (options != NULL)
		*options++ = '\0';
	if (options != NULL && strchr(options, ':') != NULL)
		return error_setf(
			e, -EINVAL,
			"expected CONTAINER-PATH or HOST-PATH|VOLUME:CONTAINER-PATH[:OPTIONS]");
	if (dst == text || (text[0] != '/' && text[0] != '.'))
		m->type = REQUEST_MOUNT_VOLUME;
	ret = set_destination(r, m, dst, e);
	if (ret == 0 && m->type == REQUEST_MOUNT_VOLUME)
		ret = set_volume(m, dst == text ? NULL : text, e);
	else if (ret == 0)
		ret = set_source(m, text, e);
	if (ret == 0)
		ret = add_options(&t, options, e);
	return ret == 0 ? add_defaults(&t, e) : ret;
}

int request_add_default_mount(struct run_request *r, enum request_mount_type type,
			      const char *source, const char *destination, unsigned int flags,
			      struct error *e)
{
	struct request_mount *m;
	struct mount_text t;
	int ret;

	for (size_t i = 0; i < r->mounts_n; i++)
		if (strcmp(r->mounts[i].destination, destination) == 0)
			return 1;
	m = mount_new(r, e);
	if (m == NULL)
		return -ENOMEM;
	m->type = type;
	m->flags = flags;
	ret = set_destination(r, m, destination, e);
	if (ret == 0 && source != NULL && (m->source = strdup(source)) == NULL)
		ret = error_set(e, -ENOMEM, "adding a mount");
	t = (struct mount_text){ .m = m };
	if (ret == 0)
		ret = add_defaults(&t, e);
	return ret < 0 ? mount_drop(r, ret) : 0;
}

int request_add_resolved_mount(struct run_request *r, enum request_mount_type type,
			       const char *source, const char *destination,
			       const struct strv *options, struct error *e)
{
	int ret = request_add_default_mount(r, type, source, destination, REQUEST_MOUNT_NOCOPY, e);
	struct request_mount *m;

	if (ret != 0)
		return ret;
	m = &r->mounts[r->mounts_n - 1];
	strv_fini(&m->options);
	for (size_t i = 0; i < options->n; i++)
		if (strv_add(&m->options, options->v[i]) < 0)
			return mount_drop(r, error_set(e, -ENOMEM, "adding a mount"));
	return 0;
}

/* --image-volume */
int request_set_image_volume(struct run_request *r, const char *text, struct error *e)
{
	static const char *const known[] = { "anonymous", "tmpfs", "ignore", "bind" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i]) != 0)
			continue;
		r->image_volume = i == 3 ? REQUEST_IMAGE_VOLUME_ANONYMOUS :
					   (enum request_image_volume)i;
		return 0;
	}
	return error_setf(
		e, -EINVAL,
		"--image-volume %s: must be anonymous (the same as bind), tmpfs or ignore", text);
}

/* -v SRC:DST[:OPTIONS] */
int request_add_volume(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct request_mount *m = mount_new(r, e);

	if (copy == NULL)
		return error_set(e, -ENOMEM, "-v %s", text);
	if (m == NULL)
		return -ENOMEM;
	m->type = REQUEST_MOUNT_BIND;
	if (read_volume(r, m, copy, e) < 0)
		return mount_drop(r, error_prefix(e, "-v %s", text));
	return 0;
}

/* --tmpfs DST[:OPTIONS] */
int request_add_tmpfs(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct request_mount *m = mount_new(r, e);
	struct mount_text t = { .m = m };
	char *options;
	int ret;

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--tmpfs %s", text);
	if (m == NULL)
		return -ENOMEM;
	m->type = REQUEST_MOUNT_TMPFS;
	options = strchr(copy, ':');
	if (options != NULL)
		*options++ = '\0';
	ret = set_destination(r, m, copy, e);
	if (ret == 0)
		ret = add_options(&t, options, e);
	if (ret == 0)
		ret = add_defaults(&t, e);
	return ret < 0 ? mount_drop(r, error_prefix(e, "--tmpfs %s", text)) : 0;
}

static int mount_bool(const char *key, const char *value, bool *ret, struct error *e)
{
	if (value == NULL || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
		*ret = true;
	else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		*ret = false;
	else
		return error_setf(e, -EINVAL, "%s=%s: must be true or false", key, value);
	return 0;
}

static bool is_one_of(const char *key, const char *a, const char *b, const char *c)
{
	return strcmp(key, a) == 0 || strcmp(key, b) == 0 || strcmp(key, c) == 0;
}

/* KEY=VALUE of a bind */
static int bind_key(struct mount_text *t, const char *key, const char *value, struct error *e)
{
	bool on = false;

	if (strcmp(key, "bind-propagation") == 0 && value != NULL) {
		const struct mount_word *w = find_word(t, value);

		if (w == NULL || w->group != GROUP_PROPAGATION)
			return error_setf(e, -EINVAL, "bind-propagation=%s: must be one of %s",
					  value, group_names[GROUP_PROPAGATION]);
		return add_option(t, value, e);
	}
	if (strcmp(key, "bind-nonrecursive") == 0) {
		int r = mount_bool(key, value, &on, e);

		return r < 0 ? r : add_option(t, on ? "bind" : "rbind", e);
	}
	if (strcmp(key, "relabel") == 0 && value != NULL) {
		if (strcmp(value, "shared") != 0 && strcmp(value, "private") != 0)
			return error_setf(e, -EINVAL, "relabel=%s: must be shared or private",
					  value);
		return add_option(t, value[0] == 's' ? "z" : "Z", e);
	}
	if (strcmp(key, "consistency") == 0)
		return 0; /* another system's */
	if (strcmp(key, "volume-nocopy") == 0 || is_one_of(key, "U", "chown", "chown")) {
		int r = mount_bool(key, value, &on, e);

		return r < 0 || !on ? r : add_option(t, key[0] == 'v' ? "nocopy" : "U", e);
	}
	return 1;
}

static int tmpfs_key(struct mount_text *t, const char *key, const char *value, struct error *e)
{
	_cleanup_free_ char *o = NULL;

	if ((strcmp(key, "tmpfs-size") != 0 && strcmp(key, "tmpfs-mode") != 0) || value == NULL)
		return 1;
	o = str_printf("%s=%s", key + strlen("tmpfs-"), value);
	return o == NULL ? error_set(e, -ENOMEM, "mount options") : add_option(t, o, e);
}

/* One part of a --mount: KEY[=VALUE] in place. */
static int mount_key(struct mount_text *t, char *key, struct error *e)
{
	char *value = strchr(key, '=');
	bool on = false, is_bind = t->m->type != REQUEST_MOUNT_TMPFS;
	int r;

	if (value != NULL)
		*value++ = '\0';
	if (is_one_of(key, "ro", "rw", "readonly")) {
		r = mount_bool(key, value, &on, e);
		return r < 0 ? r : add_option(t, on == (key[1] == 'w') ? "rw" : "ro", e);
	}
	if (value != NULL && is_one_of(key, "dst", "destination", "target")) {
		if (t->dst != NULL)
			return error_setf(e, -EINVAL, "two destinations");
		t->dst = value;
		return 0;
	}
	if (is_bind && value != NULL && is_one_of(key, "src", "source", "source")) {
		if (t->src != NULL)
			return error_setf(e, -EINVAL, "two sources");
		t->src = value;
		return 0;
	}
	r = is_bind ? bind_key(t, key, value, e) : tmpfs_key(t, key, value, e);
	if (r <= 0)
		return r;
	if (value == NULL)
		return add_option(t, key, e);
	return error_setf(e, -EINVAL, "invalid mount option \"%s\"%s", key, other_way(key));
}

/* Which type= a --mount names; it may stand anywhere in the list. */
static int mount_type(const char *text, enum request_mount_type *ret, struct error *e)
{
	const char *p = text, *type = NULL;

	for (; p != NULL; p = strchr(p, ','), p = p != NULL ? p + 1 : NULL) {
		if (!str_starts(p, "type="))
			continue;
		if (type != NULL)
			return error_setf(e, -EINVAL, "two types");
		type = p + strlen("type=");
	}
	if (type == NULL)
		type = "volume";
	if (strcspn(type, ",") == 4 && str_starts(type, "bind"))
		*ret = REQUEST_MOUNT_BIND;
	else if (strcspn(type, ",") == 5 && str_starts(type, "tmpfs"))
		*ret = REQUEST_MOUNT_TMPFS;
	else if (strcspn(type, ",") == 6 && str_starts(type, "volume"))
		*ret = REQUEST_MOUNT_VOLUME;
	else
		return error_setf(e, -EINVAL,
				  "invalid mount type \"%.*s\": bind, tmpfs and volume exist",
				  (int)strcspn(type, ","), type);
	return 0;
}

static int read_mount(struct run_request *r, struct request_mount *m, const char *text, char *copy,
		      struct error *e)
{
	struct mount_text t = { .m = m };
	char *rest = copy, *part;
	int ret;

	ret = mount_type(text, &m->type, e);
	while (ret == 0 && (part = strsep(&rest, ",")) != NULL)
		ret = str_starts(part, "type=") ? 0 : mount_key(&t, part, e);
	if (ret < 0)
		return ret;
	if (t.dst == NULL)
		return error_setf(e, -EINVAL, "the destination (dst=PATH) is missing");
	ret = set_destination(r, m, t.dst, e);
	if (ret == 0 && m->type == REQUEST_MOUNT_BIND) {
		if (t.src == NULL)
			return error_setf(e, -EINVAL, "the source (src=PATH) is missing");
		ret = set_source(m, t.src, e);
	} else if (ret == 0 && m->type == REQUEST_MOUNT_VOLUME) {
		ret = set_volume(m, t.src, e);
	}
	return ret == 0 ? add_defaults(&t, e) : ret;
}

/* --mount type=bind,src=…,dst=…[,…] */
int request_add_mount(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct request_mount *m = mount_new(r, e);

	if (copy == NULL)
		return error_set(e, -ENOMEM, "--mount %s", text);
	if (m == NULL)
		return -ENOMEM;
	if (read_mount(r, m, text, copy, e) < 0)
		return mount_drop(r, error_prefix(e, "--mount %s", text));
	return 0;
}
