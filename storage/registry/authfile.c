/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing auth files: crt login and logout.
 *
 * Theory of operation
 *
 * The file is --authfile, else $REGISTRY_AUTH_FILE, else the one that other
 * tools write, too: $XDG_RUNTIME_DIR/containers/auth.json (gone with the
 * session), or where there is no runtime directory the one of the user's
 * configuration directory. What is in it stays, also keys that are not known
 * here; it is replaced as a whole by one with mode 0600, so nobody sees half of
 * it or the password of somebody else.
 *
 * Where the file names a credential helper for the registry ("credHelpers",
 * "credsStore"), the helper keeps the secret, by its standard input.
 *
 * Logging out removes the name from every file that would be read for it. A
 * file that cannot be read as JSON is an error and is not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/registry/creds.h"
#include "storage/storage.h"

static int memory(struct error *e)
{
	return error_set(e, -ENOMEM, "credentials");
}

/* Where a login is written to. */
static char *default_file(void)
{
	const char *given = getenv("REGISTRY_AUTH_FILE"), *runtime = getenv("XDG_RUNTIME_DIR"),
		   *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (given != NULL && given[0] != '\0')
		return strdup(given);
	if (runtime != NULL && runtime[0] == '/')
		return str_printf("%s/containers/auth.json", runtime);
	if (getuid() == 0)
		return strdup("/run/containers/0/auth.json");
	if (config != NULL && config[0] == '/')
		return str_printf("%s/containers/auth.json", config);
	return home != NULL && home[0] == '/' ?
		       str_printf("%s/.config/containers/auth.json", home) :
		       NULL;
}

/* The document, an empty one where the file is missing or empty. */
static int load(const char *path, json_t **ret, bool *ret_exists, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct stat st;
	int r = 0;

	*ret_exists = fd >= 0;
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_set(e, -errno, "open auth file %s", path);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		return error_setf(e, -EINVAL, "auth file %s is not a regular file", path);
	if (fd >= 0)
		r = fd_read_to_end(fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "read auth file %s", path);
	*ret = strspn(buf_str(&b), " \t\r\n") == b.len ? json_object() :
							 json_parse(buf_str(&b), b.len, path, e);
	if (b.len > 0)
		explicit_bzero(b.data, b.len);
	if (*ret != NULL && !json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		(void)error_setf(e, -EINVAL, "auth file %s is not a JSON object", path);
	}
	return *ret != NULL ? 0 : b.len > 0 ? -EINVAL : memory(e);
}

static int make_parents(const char *path, struct error *e)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir != NULL ? strrchr(dir, '/') : NULL;

	if (dir == NULL)
		return memory(e);
	if (slash == NULL || slash == dir)
		return 0;
	*slash = '\0';
	for (char *p = dir + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return error_set(e, -errno, "create %s", dir);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

/* The file that a link names: a link to a file elsewhere stays one. Caller frees. */
static char *follow(const char *path)
{
	char *at = strdup(path), target[PATH_MAX];

	for (int hops = 0; at != NULL && hops < 8; hops++) {
		ssize_t n = readlink(at, target, sizeof(target) - 1);
		const char *slash = strrchr(at, '/');
		char *next;

		if (n <= 0)
			break;
		target[n] = '\0';
		next = target[0] == '/' || slash == NULL ?
			       strdup(target) :
			       str_printf("%.*s/%s", (int)(slash - at), at, target);
		free(at);
		at = next;
	}
	return at;
}

static int save(const char *path, const json_t *doc, struct error *e)
{
	_cleanup_free_ char *text = json_to_pretty(doc);
	_cleanup_free_ char *real = NULL;
	_cleanup_free_ char *dir = NULL;
	_cleanup_fd_ int dir_fd = -1;
	char *slash;
	int r;

	if (text == NULL)
		return memory(e);
	r = make_parents(path, e);
	if (r < 0)
		return r;
	real = follow(path);
	if (real == NULL)
		return memory(e);
	slash = strrchr(real, '/');
	dir = slash == NULL ? strdup(".") : strndup(real, (size_t)(slash - real) + 1);
	if (dir == NULL)
		return memory(e);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return error_set(e, -errno, "open %s", dir);
	r = fd_write_file_at(dir_fd, slash != NULL ? slash + 1 : real, text, strlen(text), 0600,
			     false, e);
	explicit_bzero(text, strlen(text));
	return r < 0 ? error_prefix(e, "auth file %s", path) : 0;
}

/* The helper that the file names for this registry, NULL = none. Borrowed. */
static const char *helper_of(const json_t *doc, const char *registry)
{
	const char *helper =
		json_string_value(json_object_get(json_object_get(doc, "credHelpers"), registry));
	const char *store = json_string_value(json_object_get(doc, "credsStore"));

	if (helper != NULL)
		return helper;
	return store != NULL && store[0] != '\0' ? store : NULL;
}

static int helper_store(const char *helper, const char *registry, const char *user,
			const char *password, struct error *e)
{
	_cleanup_json_ json_t *doc = json_pack("{s:s, s:s, s:s}", "ServerURL",
					       creds_server(registry), "Username", user, "Secret",
					       password);
	_cleanup_free_ char *text = doc != NULL ? json_to_text(doc) : NULL;
	_cleanup_buf_ struct buf answer = BUF_INIT;
	int r;

	if (text == NULL)
		return memory(e);
	r = creds_run_helper(helper, "store", text, &answer, e);
	explicit_bzero(text, strlen(text));
	if (r > 0)
		r = error_setf(e, -EIO, "the credential helper docker-credential-%s failed",
			       helper);
	return r;
}

int storage_auth_set(const char *authfile, const char *registry, const char *user,
		     const char *password, struct error *e)
{
	_cleanup_free_ char *path = authfile != NULL ? strdup(authfile) : default_file();
	_cleanup_free_ char *pair = str_printf("%s:%s", user, password);
	_cleanup_free_ char *encoded = pair != NULL ? creds_encode(pair) : NULL;
	_cleanup_json_ json_t *doc = NULL;
	const char *helper;
	json_t *auths;
	bool exists;
	int r;

	if (pair != NULL)
		explicit_bzero(pair, strlen(pair));
	if (encoded == NULL)
		return memory(e);
	if (path == NULL)
		return error_setf(e, -ENOENT,
				  "no place for credentials: name a file by --authfile");
	r = load(path, &doc, &exists, e);
	if (r < 0)
		return r;
	helper = helper_of(doc, registry);
	if (helper != NULL)
		return helper_store(helper, registry, user, password, e);
	auths = json_object_get(doc, "auths");
	if (auths != NULL && !json_is_object(auths))
		return error_setf(e, -EINVAL, "auth file %s: \"auths\" is no object", path);
	if (auths == NULL && json_object_set_new(doc, "auths", auths = json_object()) < 0)
		return memory(e);
	if (json_object_set_new(auths, registry, json_pack("{s:s}", "auth", encoded)) < 0)
		return memory(e);
	explicit_bzero(encoded, strlen(encoded));
	return save(path, doc, e);
}

/* Take the registry (NULL: all) out of one file. 1 = it was there, 0 = not, -errno. */
static int remove_from(const char *path, const char *registry, struct error *e)
{
	_cleanup_json_ json_t *doc = NULL;
	const char *helper, *key;
	json_t *auths, *entry;
	bool exists, found = false;
	void *next;
	int r = load(path, &doc, &exists, e);

	if (r < 0 || !exists)
		return r;
	helper = registry != NULL ? helper_of(doc, registry) : NULL;
	if (helper != NULL) {
		_cleanup_buf_ struct buf answer = BUF_INIT;

		r = creds_run_helper(helper, "erase", creds_server(registry), &answer, e);
		if (r < 0)
			return r;
		found = r == 0;
	}
	auths = json_object_get(doc, "auths");
	if (registry == NULL && json_object_size(auths) > 0) {
		(void)json_object_clear(auths); /* it is an object */
		r = save(path, doc, e);
		return r < 0 ? r : 1;
	}
	json_object_foreach_safe(auths, next, key, entry)
	{
		if (registry != NULL && creds_key_is(key, registry)) {
			(void)json_object_del(auths, key); /* it is there */
			found = true;
			r = save(path, doc, e);
			if (r < 0)
				return r;
		}
	}
	return found;
}

int storage_auth_remove(const char *authfile, const char *registry, struct error *e)
{
	const char *given = getenv("REGISTRY_AUTH_FILE");
	_cleanup_strv_ struct strv files = { .n = 0 };
	bool found = false;

	if (authfile == NULL && given != NULL && given[0] != '\0')
		authfile = given;
	if (authfile != NULL ? strv_add(&files, authfile) < 0 : creds_places(&files) < 0)
		return memory(e);
	for (size_t i = 0; i < files.n; i++) {
		int r = remove_from(files.v[i], registry, e);

		if (r == -EACCES && authfile == NULL) {
			*e = ERROR_INIT;
			continue; /* of another user, as it is when it is read */
		}
		if (r < 0)
			return r;
		found = found || r > 0;
	}
	if (!found && registry != NULL)
		return error_setf(e, -ENOENT, "not logged in to %s", registry);
	return 0;
}

int storage_auth_get(const char *authfile, const char *registry, char **ret_user,
		     char **ret_password, struct error *e)
{
	_cleanup_json_ json_t *found = json_object();
	const char *user, *password;
	int r = found != NULL ? creds_find(registry, authfile, found, e) : memory(e);

	if (r < 0)
		return r;
	user = json_string_value(json_object_get(found, "user"));
	password = json_string_value(json_object_get(found, "password"));
	if (json_object_get(found, "token") != NULL)
		user = password = "<token>";
	if (user == NULL || password == NULL)
		return error_setf(e, -ENOENT, "not logged in to %s", registry);
	*ret_user = strdup(user);
	if (*ret_user == NULL)
		return memory(e);
	if (ret_password != NULL && (*ret_password = strdup(password)) == NULL) {
		free(*ret_user);
		return memory(e);
	}
	return 0;
}
