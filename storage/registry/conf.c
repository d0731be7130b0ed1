/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which registries a reference means.
 *
 * Theory of operation
 *
 * registries.conf(5), version 2, as other tools read it: $CONTAINERS_REGISTRIES_CONF,
 * else the user's $XDG_CONFIG_HOME/containers/registries.conf, else
 * /etc/containers/registries.conf; then the drop-ins of /etc/containers/registries.conf.d and
 * of the user's directory, in the order of their names. A later file replaces
 * a [[registry]] of the same prefix, an alias of the same name and the list of
 * search registries. Version 1 (tables called "registries") is refused.
 *
 * A short name is looked up in [aliases], else tried in each of the
 * unqualified-search-registries (docker.io when no file says anything). Each
 * full name is matched with the [[registry]] of the longest prefix; "blocked"
 * refuses it, "location" replaces the prefix, mirrors come before.
 *
 * The files are the user's or administrator's and trusted; they are read in
 * crt, never in crt-fetch. Certificates (certs.d/HOST, files NAME.crt) are passed
 * along in the request.
 */
#include "storage/registry/conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/registry/creds.h"
#include "storage/registry/policy.h"
#include "storage/registry/toml.h"

#define ETC_CONTAINERS "/etc/containers"
#define CA_BYTES_MAX   (64u << 10)

/* All files joined. */
struct conf {
	json_t *registries; /* object: prefix -> table */
	json_t *aliases;
	json_t *search; /* array or NULL */
};

static void conf_fini(struct conf *c)
{
	json_decref(c->registries);
	json_decref(c->aliases);
	json_decref(c->search);
}

/* ---- reading ---------------------------------------------------------------------- */

static int merge_registry(struct conf *c, const json_t *table, const char *path, struct error *e)
{
	const char *prefix = NULL, *location = NULL;

	if (!json_is_object(table) ||
	    json_get_string(table, "registry", "prefix", &prefix, e) < 0 ||
	    json_get_string(table, "registry", "location", &location, e) < 0)
		return error_setf(e, -EINVAL,
				  "%s: a [[registry]] has a prefix or location that is no string",
				  path);
	if (prefix == NULL || prefix[0] == '\0')
		prefix = location;
	if (prefix == NULL || prefix[0] == '\0')
		return error_setf(e, -EINVAL, "%s: a [[registry]] has neither prefix nor location",
				  path);
	/* the table is shared, not changed */
	if (json_object_set(c->registries, prefix, (json_t *)(uintptr_t)table) < 0)
		return error_set(e, -ENOMEM, "read %s", path);
	return 0;
}

static int merge(struct conf *c, const json_t *doc, const char *path, struct error *e)
{
	json_t *list = NULL, *aliases = NULL, *search = NULL, *table;
	size_t i;

	if (json_object_get(doc, "registries") != NULL)
		return error_setf(e, -EINVAL,
				  "%s has the old format (version 1): see registries.conf(5)",
				  path);
	if (json_get_array(doc, "", "registry", &list, e) < 0 ||
	    json_get_object(doc, "", "aliases", &aliases, e) < 0 ||
	    json_get_array(doc, "", "unqualified-search-registries", &search, e) < 0)
		return error_prefix(e, "%s", path);
	json_array_foreach(list, i, table) {
		int r = merge_registry(c, table, path, e);

		if (r < 0)
			return r;
	}
	json_array_foreach(search, i, table)
		if (!json_is_string(table))
			return error_setf(
				e, -EINVAL,
				"%s: unqualified-search-registries has something that is no string",
				path);
	if (aliases != NULL && json_object_update(c->aliases, aliases) < 0)
		return error_set(e, -ENOMEM, "read %s", path);
	if (search != NULL) {
		json_decref(c->search);
		c->search = json_incref(search);
	}
	return 0;
}

/* 1 = read, 0 = not there. */
static int read_conf(struct conf *c, const char *path, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_json_ json_t *doc = NULL;
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 :
							     error_set(e, -errno, "open %s", path);
	r = fd_read_to_end(fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "read %s", path);
	doc = toml_parse(buf_str(&b), b.len, path, e);
	if (doc == NULL)
		return -EINVAL;
	r = merge(c, doc, path, e);
	return r < 0 ? r : 1;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Names in dir that end with suffix, sorted; a missing directory is empty. */
static int list_dir(const char *dir, const char *suffix, struct strv *ret)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.' && str_ends(de->d_name, suffix) &&
		    strv_add(ret, de->d_name) < 0)
			return -ENOMEM;
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return 0;
}

static int read_dropins(struct conf *c, const char *base, struct error *e)
{
	_cleanup_free_ char *dir = str_printf("%s/registries.conf.d", base);
	_cleanup_strv_ struct strv names = { .n = 0 };
	int r = 0;

	if (dir == NULL || list_dir(dir, ".conf", &names) < 0)
		return error_set(e, -ENOMEM, "read %s/registries.conf.d", base);
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", dir, names.v[i]);

		r = path == NULL ? error_set(e, -ENOMEM, "read %s", dir) : read_conf(c, path, e);
	}
	return r < 0 ? r : 0;
}

/* The user's configuration directory for container tools; NULL = none. */
static char *user_dir(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config != NULL && config[0] == '/')
		return str_printf("%s/containers", config);
	return home != NULL && home[0] == '/' ? str_printf("%s/.config/containers", home) : NULL;
}

static int conf_load(struct conf *c, struct error *e)
{
	const char *chosen = getenv("CONTAINERS_REGISTRIES_CONF");
	_cleanup_free_ char *user = user_dir();
	_cleanup_free_ char *file = user != NULL ? str_printf("%s/registries.conf", user) : NULL;
	int r = 0;

	*c = (struct conf){ .registries = json_object(), .aliases = json_object() };
	if (c->registries == NULL || c->aliases == NULL)
		return error_set(e, -ENOMEM, "read registries.conf");
	if (chosen != NULL && chosen[0] != '\0') {
		r = read_conf(c, chosen, e);
		if (r == 0)
			r = error_setf(e, -ENOENT, "CONTAINERS_REGISTRIES_CONF: there is no %s",
				       chosen);
	} else {
		if (file != NULL)
			r = read_conf(c, file, e);
		if (r == 0)
			r = read_conf(c, ETC_CONTAINERS "/registries.conf", e);
	}
	if (r >= 0)
		r = read_dropins(c, ETC_CONTAINERS, e);
	if (r >= 0 && user != NULL)
		r = read_dropins(c, user, e);
	return r < 0 ? r : 0;
}

/* ---- matching --------------------------------------------------------------------- */

/* Length of what prefix covers of name ("host/path"), 0 = no match. */
static size_t prefix_match(const char *prefix, const char *name)
{
	size_t len = strlen(prefix), host = strcspn(name, "/");

	if (str_starts(prefix, "*.")) {
		/* "*.example.com" covers the whole host name of any subdomain */
		len--;
		return host > len && strncmp(name + host - len, prefix + 1, len) == 0 ? host : 0;
	}
	if (!str_starts(name, prefix))
		return 0;
	return name[len] == '\0' || name[len] == '/' || name[len] == ':' || name[len] == '@' ? len :
											       0;
}

static const json_t *find_registry(const struct conf *c, const char *name, size_t *ret_len)
{
	const json_t *best = NULL;
	const char *prefix;
	json_t *table;
	size_t best_len = 0, best_prefix = 0;

	json_object_foreach(c->registries, prefix, table) {
		size_t len = prefix_match(prefix, name);

		if (len > 0 && strlen(prefix) > best_prefix) {
			best = table;
			best_len = len;
			best_prefix = strlen(prefix);
		}
	}
	*ret_len = best_len;
	return best;
}

/* ---- endpoints -------------------------------------------------------------------- */

static int add_ca_dir(const char *base, const char *host, struct buf *ret)
{
	_cleanup_free_ char *dir = str_printf("%s/certs.d/%s", base, host);
	_cleanup_strv_ struct strv names = { .n = 0 };

	if (dir == NULL || list_dir(dir, ".crt", &names) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", dir, names.v[i]);
		_cleanup_fd_ int fd = path != NULL ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) :
						     -1;
		int r;

		if (fd < 0)
			continue;
		r = fd_read_to_end(fd, ret, CA_BYTES_MAX);
		if (r < 0)
			return r;
		if (buf_putc(ret, '\n') < 0)
			return -ENOMEM;
	}
	return 0;
}

/* A file of a certs.d directory into the endpoint. */
static int add_pem(json_t *endpoint, const char *key, const char *dir, const char *name,
		   const char *suffix, struct error *e)
{
	size_t stem = strlen(name) - strlen(".cert");
	_cleanup_free_ char *path = str_printf("%s/%.*s%s", dir, (int)stem, name, suffix);
	_cleanup_fd_ int fd = path != NULL ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (path == NULL)
		return error_set(e, -ENOMEM, "read a certificate");
	if (fd < 0)
		return error_set(e, -errno, "open %s", path);
	r = fd_read_to_end(fd, &b, CA_BYTES_MAX);
	if (r == 0 && json_object_set_new(endpoint, key, json_string(buf_str(&b))) < 0)
		r = error_setf(e, -EINVAL, "%s is not text", path);
	else if (r < 0)
		(void)error_set(e, r, "read %s", path);
	if (b.len > 0)
		explicit_bzero(b.data, b.len);
	return r;
}

/* Our own certificate for a registry that asks for one: NAME.cert and NAME.key. 1 = found. */
static int add_client_dir(json_t *endpoint, const char *base, const char *host, struct error *e)
{
	_cleanup_free_ char *dir = str_printf("%s/certs.d/%s", base, host);
	_cleanup_strv_ struct strv names = { .n = 0 };
	int r;

	if (dir == NULL || list_dir(dir, ".cert", &names) < 0)
		return error_set(e, -ENOMEM, "read the certificates for %s", host);
	if (names.n == 0)
		return 0;
	r = add_pem(endpoint, "cert", dir, names.v[0], ".cert", e);
	if (r == 0)
		r = add_pem(endpoint, "key", dir, names.v[0], ".key", e);
	return r < 0 ? r : 1;
}

static int add_client(json_t *endpoint, const char *host, struct error *e)
{
	_cleanup_free_ char *user = user_dir();
	int r = 0;

	if (user != NULL)
		r = add_client_dir(endpoint, user, host, e);
	if (r == 0)
		r = add_client_dir(endpoint, ETC_CONTAINERS, host, e);
	if (r == 0)
		r = add_client_dir(endpoint, "/etc/docker", host, e);
	return r < 0 ? r : 0;
}

static int add_ca(json_t *endpoint, const char *host, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *user = user_dir();
	int r = 0;

	if (user != NULL)
		r = add_ca_dir(user, host, &b);
	if (r == 0)
		r = add_ca_dir(ETC_CONTAINERS, host, &b);
	if (r == 0)
		r = add_ca_dir("/etc/docker", host, &b);
	if (r < 0)
		return error_set(e, r, "read the certificates for %s", host);
	if (b.len > 0 && json_object_set_new(endpoint, "ca", json_string(buf_str(&b))) < 0)
		return error_setf(e, -EINVAL, "the certificates for %s are not text", host);
	return 0;
}

/* One endpoint for name ("host[:port]/repository"); primary: --creds are meant for it. */
static int add_endpoint(const struct storage_fetch_request *r, json_t *endpoints, const char *name,
			bool insecure, bool primary, struct error *e)
{
	const char *reference = r->ref->digest != NULL ? r->ref->digest : r->ref->tag;
	const char *slash = strchr(name, '/');
	_cleanup_free_ char *host = slash != NULL ? strndup(name, (size_t)(slash - name)) : NULL;
	json_t *ep;
	int res;

	if (slash == NULL || slash == name || slash[1] == '\0')
		return error_setf(
			e, -EINVAL,
			"registries.conf makes \"%s\" of the name, which is no HOST/REPOSITORY",
			name);
	if (host == NULL)
		return error_set(e, -ENOMEM, "find a registry");
	if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") !=
	    strlen(host))
		return error_setf(e, -EINVAL, "\"%s\" is no name of a host", host);
	ep = json_pack("{s:s, s:s, s:s, s:b}", "host",
		       strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0 ?
			       "registry-1.docker.io" :
			       host,
		       "path", slash + 1, "reference", reference, "insecure",
		       r->tls_verify >= 0 ? r->tls_verify == 0 : insecure);
	if (ep == NULL || json_array_append_new(endpoints, ep) < 0)
		return error_set(e, -ENOMEM, "find a registry");
	if (primary && r->creds != NULL)
		res = creds_split(r->creds, ep, e);
	else
		res = creds_find(name, r->authfile, ep, e);
	if (res == 0)
		res = add_client(ep, host, e);
	return res < 0 ? res : add_ca(ep, host, e);
}

static int add_mirrors(const struct storage_fetch_request *r, json_t *endpoints,
		       const json_t *table, const char *rest, struct error *e)
{
	bool digest_only = false, by_digest = r->ref->digest != NULL;
	json_t *mirrors = NULL, *m;
	size_t i;

	if (json_get_array(table, "registry", "mirror", &mirrors, e) < 0 ||
	    json_get_bool(table, "registry", "mirror-by-digest-only", &digest_only, e) < 0)
		return error_prefix(e, "registries.conf");
	json_array_foreach(mirrors, i, m) {
		const char *location = NULL, *from = "all";
		_cleanup_free_ char *name = NULL;
		bool insecure = false;
		int res;

		if (json_get_string(m, "registry.mirror", "location", &location, e) < 0 ||
		    json_get_string(m, "registry.mirror", "pull-from-mirror", &from, e) < 0 ||
		    json_get_bool(m, "registry.mirror", "insecure", &insecure, e) < 0)
			return error_prefix(e, "registries.conf");
		if (location == NULL)
			return error_setf(e, -EINVAL,
					  "registries.conf: a [[registry.mirror]] has no location");
		if (!by_digest && (digest_only || strcmp(from, "digest-only") == 0))
			continue;
		if (by_digest && strcmp(from, "tag-only") == 0)
			continue;
		name = str_printf("%s%s", location, rest);
		if (name == NULL)
			return error_set(e, -ENOMEM, "find a registry");
		res = add_endpoint(r, endpoints, name, insecure, false, e);
		if (res < 0)
			return res;
	}
	return 0;
}

/* One candidate for "host/repository". */
static int add_candidate(const struct storage_fetch_request *r, const struct conf *c,
			 const char *name, json_t *candidates, struct error *e)
{
	const json_t *table;
	const char *location = NULL;
	bool insecure = false, blocked = false;
	_cleanup_free_ char *where = NULL;
	_cleanup_free_ char *full = NULL;
	json_t *endpoints = json_array();
	size_t covered = 0;
	int res = 0;

	full = str_printf("%s%s%s", name, r->ref->digest != NULL ? "@" : ":",
			  r->ref->digest != NULL ? r->ref->digest : r->ref->tag);
	if (full == NULL || endpoints == NULL ||
	    json_array_append_new(candidates, json_pack("{s:s, s:o}", "name", full, "endpoints",
							endpoints)) < 0)
		return error_set(e, -ENOMEM, "find a registry");
	table = find_registry(c, name, &covered);
	if (json_get_bool(table, "registry", "blocked", &blocked, e) < 0 ||
	    json_get_bool(table, "registry", "insecure", &insecure, e) < 0 ||
	    json_get_string(table, "registry", "location", &location, e) < 0)
		return error_prefix(e, "registries.conf");
	if (blocked)
		return error_setf(e, -EACCES, "%s is blocked in registries.conf", name);
	if (!r->any_policy)
		res = policy_check(r->policy, "docker", full, name, e);
	if (res < 0)
		return res;
	if (table != NULL)
		res = add_mirrors(r, endpoints, table, name + covered, e);
	if (res < 0)
		return res;
	where = location != NULL && location[0] != '\0' ?
			str_printf("%s%s", location, name + covered) :
			strdup(name);
	if (where == NULL)
		return error_set(e, -ENOMEM, "find a registry");
	return add_endpoint(r, endpoints, where, insecure, true, e);
}

static char *join(const char *domain, const char *path)
{
	bool library = strcmp(domain, "docker.io") == 0 && strchr(path, '/') == NULL;

	return str_printf("%s/%s%s", domain, library ? "library/" : "", path);
}

static int short_name(const struct storage_fetch_request *r, const struct conf *c,
		      json_t *candidates, struct error *e)
{
	const char *path = r->ref->path, *alias = NULL;
	_cleanup_(storage_ref_fini) struct storage_ref target = { .transport = NULL };
	_cleanup_free_ char *name = NULL;
	json_t *registry;
	size_t i;
	int res = 0;

	if (json_get_string(c->aliases, "aliases", path, &alias, e) < 0)
		return error_prefix(e, "registries.conf");
	if (alias != NULL && alias[0] != '\0') {
		res = storage_ref_parse(alias, &target, e);
		if (res == 0 && target.domain == NULL)
			res = error_setf(e, -EINVAL, "it has no registry");
		if (res < 0)
			return error_prefix(e, "registries.conf: alias %s", path);
		name = join(target.domain, target.path);
		return name == NULL ? error_set(e, -ENOMEM, "find a registry") :
				      add_candidate(r, c, name, candidates, e);
	}
	if (c->search == NULL) {
		name = join("docker.io", path);
		return name == NULL ? error_set(e, -ENOMEM, "find a registry") :
				      add_candidate(r, c, name, candidates, e);
	}
	json_array_foreach(c->search, i, registry) {
		free(name);
		name = join(json_string_value(registry), path);
		res = name == NULL ? error_set(e, -ENOMEM, "find a registry") :
				     add_candidate(r, c, name, candidates, e);
		if (res < 0)
			return res;
	}
	if (json_array_size(c->search) == 0)
		return error_setf(
			e, -ENOENT,
			"\"%s\" is a short name, and registries.conf has no alias for it and no "
			"unqualified-search-registries: write the registry, as in docker.io/%s",
			path, path);
	return 0;
}

int conf_candidates(const struct storage_fetch_request *r, json_t **ret, struct error *e)
{
	_cleanup_json_ json_t *candidates = json_array();
	_cleanup_free_ char *name = NULL;
	struct conf c = { .registries = NULL };
	int res;

	if (candidates == NULL)
		return error_set(e, -ENOMEM, "find a registry");
	res = conf_load(&c, e);
	if (res == 0 && r->ref->domain == NULL) {
		res = short_name(r, &c, candidates, e);
	} else if (res == 0) {
		name = join(r->ref->domain, r->ref->path);
		res = name == NULL ? error_set(e, -ENOMEM, "find a registry") :
				     add_candidate(r, &c, name, candidates, e);
	}
	conf_fini(&c);
	if (res < 0)
		return res;
	*ret = json_incref(candidates);
	return 0;
}
