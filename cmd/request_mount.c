/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -v, --mount and --tmpfs of `crt run`.
 *
 * Theory of operation: each text becomes one struct request_mount with OCI
 * mount options, podman's defaults filled in (rbind, rprivate, no set-uid
 * programs and no devices). The texts are the caller's own and trusted, but
 * checked completely, so that a mistake is reported before anything exists.
 * A bind source must exist: creating it silently is a trap docker users know.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
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
	int r = path_canonical(text, &m->source);

	if (r < 0)
		return error_set(e, r, "source %s", text);
	return 0;
}

static const char *const propagation_options[] = { "private",	 "rprivate",	"shared",
						   "rshared",	 "slave",	"rslave",
						   "unbindable", "runbindable", NULL };
static const char *const bind_options[] = { "bind", "rbind", NULL };
static const char *const access_options[] = { "ro", "rw", "rro", NULL };
static const char *const suid_options[] = { "suid", "nosuid", NULL };
static const char *const dev_options[] = { "dev", "nodev", NULL };
static const char *const other_options[] = { "exec",	    "noexec",	   "noatime",  "atime",
					     "relatime",    "norelatime",  "diratime", "nodiratime",
					     "strictatime", "nosymfollow", NULL };

static bool in_list(const char *const *list, const char *o)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, o) == 0)
			return true;
	return false;
}

/* Options that pass through to the OCI mount as they are. */
static bool is_plain_option(const char *o)
{
	return in_list(propagation_options, o) || in_list(bind_options, o) ||
	       in_list(access_options, o) || in_list(suid_options, o) || in_list(dev_options, o) ||
	       in_list(other_options, o);
}

/* Add an option unless one of its group was given. */
static int default_option(struct strv *options, const char *const *group, const char *o)
{
	for (size_t i = 0; i < options->n; i++)
		if (in_list(group, options->v[i]))
			return 0;
	return strv_add(options, o);
}

static int bind_defaults(struct request_mount *m, struct error *e)
{
	if (default_option(&m->options, access_options, "rw") < 0 ||
	    default_option(&m->options, bind_options, "rbind") < 0 ||
	    default_option(&m->options, propagation_options, "rprivate") < 0 ||
	    default_option(&m->options, suid_options, "nosuid") < 0 ||
	    default_option(&m->options, dev_options, "nodev") < 0)
		return error_set(e, -ENOMEM, "mount options");
	return 0;
}

static int add_option(struct request_mount *m, const char *o, struct error *e)
{
	if (strv_add(&m->options, o) < 0)
		return error_set(e, -ENOMEM, "mount options");
	return 0;
}

static int add_bind_option(struct request_mount *m, const char *o, struct error *e)
{
	if (strcmp(o, "z") == 0 || strcmp(o, "Z") == 0 || *o == '\0')
		return 0; /* SELinux labels: nothing is ever labelled */
	if (!is_plain_option(o))
		return error_setf(e, -EINVAL, "invalid volume option \"%s\"", o);
	return add_option(m, o, e);
}

static int read_volume(struct run_request *r, struct request_mount *m, char *text, struct error *e)
{
	char *dst, *options, *o;
	int ret;

	dst = strchr(text, ':');
	if (dst == NULL)
		return error_setf(e, -EINVAL,
				  "expected HOST-PATH:CONTAINER-PATH[:OPTIONS] (volumes without a "
				  "host path do not exist)");
	*dst++ = '\0';
	options = strchr(dst, ':');
	if (options != NULL)
		*options++ = '\0';
	if (options != NULL && strchr(options, ':') != NULL)
		return error_setf(e, -EINVAL, "expected HOST-PATH:CONTAINER-PATH[:OPTIONS]");
	if (text[0] != '/' && text[0] != '.')
		return error_setf(
			e, -EINVAL,
			"the host path \"%s\" must begin with / or . (named volumes do not "
			"exist: use a directory)",
			text);
	ret = set_destination(r, m, dst, e);
	if (ret == 0)
		ret = set_source(m, text, e);
	while (ret == 0 && options != NULL && (o = strsep(&options, ",")) != NULL)
		ret = add_bind_option(m, o, e);
	return ret == 0 ? bind_defaults(m, e) : ret;
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

static int add_tmpfs_option(struct request_mount *m, const char *o, struct error *e)
{
	static const char *const keys[] = { "mode=",	  "uid=",	"gid=",
					    "nr_inodes=", "nr_blocks=", NULL };
	unsigned long long size;

	if (*o == '\0' || strcmp(o, "notmpcopyup") == 0)
		return 0;
	if (str_starts(o, "size=")) {
		if (!str_ends(o, "%") && str_to_size(o + 5, &size) < 0)
			return error_setf(e, -EINVAL, "invalid tmpfs size \"%s\"", o + 5);
		return add_option(m, o, e);
	}
	for (size_t i = 0; keys[i] != NULL; i++)
		if (str_starts(o, keys[i]))
			return add_option(m, o, e);
	if (is_plain_option(o) || strcmp(o, "tmpcopyup") == 0)
		return add_option(m, o, e);
	return error_setf(e, -EINVAL, "unknown tmpfs option \"%s\"", o);
}

/* podman's defaults, before the user's options so that these win. */
static int tmpfs_defaults(struct request_mount *m, struct error *e)
{
	static const char *const base[] = { "rw", "rprivate", "nosuid", "nodev", "tmpcopyup" };
	struct strv all = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(base) / sizeof(base[0]); i++)
		r = strv_add(&all, base[i]);
	for (size_t i = 0; r == 0 && i < m->options.n; i++)
		r = strv_add(&all, m->options.v[i]);
	strv_fini(&m->options);
	m->options = all;
	return r < 0 ? error_set(e, r, "mount options") : 0;
}

/* --tmpfs DST[:OPTIONS] */
int request_add_tmpfs(struct run_request *r, const char *text, struct error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct request_mount *m = mount_new(r, e);
	char *options, *o;
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
	while (ret == 0 && options != NULL && (o = strsep(&options, ",")) != NULL)
		ret = add_tmpfs_option(m, o, e);
	if (ret == 0)
		ret = tmpfs_defaults(m, e);
	return ret < 0 ? mount_drop(r, error_prefix(e, "--tmpfs %s", text)) : 0;
}

/* What one --mount said besides options. Borrowed from its text. */
struct mount_keys {
	const char *src, *dst;
};

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

static int bind_key(struct request_mount *m, struct mount_keys *k, const char *key,
		    const char *value, struct error *e)
{
	bool on = false;
	int r;

	if (strcmp(key, "src") == 0 || strcmp(key, "source") == 0) {
		k->src = value;
		return 0;
	}
	if (strcmp(key, "bind-propagation") == 0)
		return add_bind_option(m, value, e);
	if (strcmp(key, "bind-nonrecursive") == 0) {
		r = mount_bool(key, value, &on, e);
		return r < 0 || !on ? r : add_option(m, "bind", e);
	}
	return error_setf(e, -EINVAL, "%s: invalid mount option", key);
}

static int mount_key(struct request_mount *m, struct mount_keys *k, const char *key,
		     const char *value, struct error *e)
{
	bool on = false;
	int r;

	if (strcmp(key, "type") == 0 || strcmp(key, "relabel") == 0 ||
	    strcmp(key, "consistency") == 0)
		return 0; /* the type is known; the others are SELinux's and another system's */
	if (strcmp(key, "ro") == 0 || strcmp(key, "readonly") == 0) {
		r = mount_bool(key, value, &on, e);
		return r < 0 ? r : add_option(m, on ? "ro" : "rw", e);
	}
	if (value == NULL && is_plain_option(key))
		return add_option(m, key, e);
	if (value == NULL)
		return error_setf(e, -EINVAL, "%s: invalid mount option or its value is missing",
				  key);
	if (strcmp(key, "dst") == 0 || strcmp(key, "destination") == 0 ||
	    strcmp(key, "target") == 0) {
		k->dst = value;
		return 0;
	}
	if (m->type == REQUEST_MOUNT_BIND)
		return bind_key(m, k, key, value, e);
	if (strcmp(key, "tmpfs-size") == 0 || strcmp(key, "tmpfs-mode") == 0) {
		_cleanup_free_ char *o = str_printf("%s=%s", key + strlen("tmpfs-"), value);

		return o == NULL ? error_set(e, -ENOMEM, "mount options") :
				   add_tmpfs_option(m, o, e);
	}
	return error_setf(e, -EINVAL, "%s: invalid mount option", key);
}

/* Which type= a --mount names; it may stand anywhere in the list. */
static int mount_type(const char *text, enum request_mount_type *ret, struct error *e)
{
	const char *p = text;

	while (p != NULL && !str_starts(p, "type=")) {
		p = strchr(p, ',');
		p = p != NULL ? p + 1 : NULL;
	}
	if (p == NULL)
		return error_setf(e, -EINVAL, "type=bind or type=tmpfs is missing");
	p += strlen("type=");
	if (strcspn(p, ",") == 4 && str_starts(p, "bind"))
		*ret = REQUEST_MOUNT_BIND;
	else if (strcspn(p, ",") == 5 && str_starts(p, "tmpfs"))
		*ret = REQUEST_MOUNT_TMPFS;
	else
		return error_setf(e, -EINVAL, "invalid mount type \"%.*s\": bind and tmpfs exist",
				  (int)strcspn(p, ","), p);
	return 0;
}

static int read_mount(struct run_request *r, struct request_mount *m, const char *text, char *copy,
		      struct error *e)
{
	struct mount_keys k = { 0 };
	char *rest = copy, *part;
	int ret;

	ret = mount_type(text, &m->type, e);
	while (ret == 0 && (part = strsep(&rest, ",")) != NULL) {
		char *value = strchr(part, '=');

		if (value != NULL)
			*value++ = '\0';
		ret = mount_key(m, &k, part, value, e);
	}
	if (ret < 0)
		return ret;
	if (k.dst == NULL)
		return error_setf(e, -EINVAL, "the destination (dst=PATH) is missing");
	ret = set_destination(r, m, k.dst, e);
	if (ret < 0 || m->type == REQUEST_MOUNT_TMPFS)
		return ret < 0 ? ret : tmpfs_defaults(m, e);
	if (k.src == NULL)
		return error_setf(e, -EINVAL, "the source (src=PATH) is missing");
	ret = set_source(m, k.src, e);
	return ret < 0 ? ret : bind_defaults(m, e);
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
