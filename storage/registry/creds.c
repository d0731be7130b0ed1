/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for registries.
 *
 * Theory of operation
 *
 * Runs in crt, as the user, before anything foreign was read. The files are
 * those that other tools share: --authfile or $REGISTRY_AUTH_FILE, else
 * $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME/containers/auth.json,
 * $DOCKER_CONFIG/config.json or ~/.docker/config.json; the first that knows
 * the name wins. In a file the key that names most of the repository wins
 * (host/a/b, then host/a, then host); keys may be old-style URLs.
 *
 * "credHelpers" and "credsStore" name programs docker-credential-NAME of the
 * user's PATH: they get the host on stdin and answer JSON; they run with the
 * user's environment and at most HELPER_MS.
 *
 * What is found goes into the request to crt-fetch, which sends it to that
 * endpoint only. A secret is never in an argument, an environment or an error.
 */
#include "storage/registry/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"

#define HELPER_MS	 30000
#define HELPER_BYTES_MAX (64u << 10)
#define DOCKER_KEY	 "https://index.docker.io/v1/"

extern char **environ;

static int put(json_t *endpoint, const char *key, const char *v, struct error *e)
{
	if (json_object_set_new(endpoint, key, json_string(v)) < 0)
		return error_setf(e, -EINVAL, "the %s for a registry is not valid UTF-8", key);
	return 0;
}

int creds_split(const char *text, json_t *endpoint, struct error *e)
{
	const char *colon = strchr(text, ':');
	_cleanup_free_ char *user = NULL;
	int r;

	if (colon == NULL || colon == text)
		return error_setf(e, -EINVAL, "--creds: not USER:PASSWORD");
	user = strndup(text, (size_t)(colon - text));
	if (user == NULL)
		return error_set(e, -ENOMEM, "--creds");
	r = put(endpoint, "user", user, e);
	return r < 0 ? r : put(endpoint, "password", colon + 1, e);
}

int creds_keys(const char *name, struct strv *ret)
{
	_cleanup_free_ char *key = strdup(name);
	char *slash;

	if (key == NULL)
		return -ENOMEM;
	for (;;) {
		if (strv_add(ret, key) < 0)
			return -ENOMEM;
		slash = strrchr(key, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
	}
	if (strcmp(key, "docker.io") == 0 &&
	    (strv_add(ret, "index.docker.io") < 0 || strv_add(ret, "registry-1.docker.io") < 0))
		return -ENOMEM;
	return 0;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

int creds_decode(const char *base64, char **ret_user, char **ret_password)
{
	size_t len = strlen(base64), n = 0;
	_cleanup_free_ char *out = malloc(len + 1);
	char *colon, *user, *password;
	unsigned int bits = 0;
	int have = 0;

	if (out == NULL)
		return -ENOMEM;
	while (len > 0 && base64[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		int v = base64_value(base64[i]);

		if (v < 0)
			return -EINVAL;
		bits = (bits << 6) | (unsigned int)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	while (n > 0 && out[n - 1] == '\0') /* some tools pad the password */
		n--;
	out[n] = '\0';
	colon = strchr(out, ':');
	if (colon == NULL || colon == out || strlen(out) != n)
		return -EINVAL;
	user = strndup(out, (size_t)(colon - out));
	password = strdup(colon + 1);
	explicit_bzero(out, n);
	if (user == NULL || password == NULL) {
		free(user);
		free(password);
		return -ENOMEM;
	}
	*ret_user = user;
	*ret_password = password;
	return 0;
}

char *creds_encode(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text), n = 0;
	char *out = malloc((len + 2) / 3 * 4 + 1);

	for (size_t i = 0; out != NULL && i < len; i += 3) {
		unsigned int v = (unsigned int)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			v |= (unsigned int)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			v |= (unsigned char)text[i + 2];
		out[n++] = digits[v >> 18];
		out[n++] = digits[v >> 12 & 63];
		out[n++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
		out[n++] = i + 2 < len ? digits[v & 63] : '=';
	}
	if (out != NULL)
		out[n] = '\0';
	return out;
}

/* ---- credential helpers ----------------------------------------------------------- */

/* An executable of the user's PATH; NULL = none. */
static char *find_in_path(const char *name)
{
	const char *path = getenv("PATH");

	while (path != NULL && *path != '\0') {
		size_t len = strcspn(path, ":");

		if (len > 0 && path[0] == '/') {
			char *full = str_printf("%.*s/%s", (int)len, path, name);

			if (full != NULL && access(full, X_OK) == 0)
				return full;
			free(full);
		}
		path += len + (path[len] == ':' ? 1 : 0);
	}
	return NULL;
}

static int read_answer(int fd, struct buf *b)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char piece[4096];
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, HELPER_MS) <= 0)
			return -ETIMEDOUT;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (b->len + (size_t)n > HELPER_BYTES_MAX)
			return -EFBIG;
		if (buf_append(b, piece, (size_t)n) < 0)
			return -ENOMEM;
	}
}

static int take_answer(const struct buf *b, json_t *endpoint, struct error *e)
{
	_cleanup_json_ json_t *doc =
		json_parse(buf_str(b), b->len, "answer of the credential helper", e);
	const char *user = NULL, *secret = NULL;
	int r;

	if (doc == NULL || json_get_string(doc, "", "Username", &user, e) < 0 ||
	    json_get_string(doc, "", "Secret", &secret, e) < 0)
		return -EINVAL;
	if (user == NULL || secret == NULL)
		return 0;
	if (strcmp(user, "<token>") == 0)
		return put(endpoint, "token", secret, e);
	r = put(endpoint, "user", user, e);
	return r < 0 ? r : put(endpoint, "password", secret, e);
}

const char *creds_server(const char *host)
{
	return strcmp(host, "docker.io") == 0 ? DOCKER_KEY : host;
}

/* Talk to a helper that runs. 0, 1 when it failed, -errno. */
static int helper_talk(int in, int out, pid_t pid, int pid_fd, const char *input,
		       struct buf *answer)
{
	int r = fd_write_all(in, input, strlen(input)); /* less than a pipe holds */

	(void)close(in);
	if (r == -EPIPE)
		r = 0; /* it wants none; its exit code tells */
	if (r == 0)
		r = read_answer(out, answer);
	if (r < 0) {
		proc_kill(pid, pid_fd);
		return r;
	}
	return proc_wait(pid) == 0 ? 0 : 1;
}

int creds_run_helper(const char *helper, const char *verb, const char *input, struct buf *answer,
		     struct error *e)
{
	_cleanup_free_ char *name = str_printf("docker-credential-%s", helper);
	_cleanup_free_ char *word = strdup(verb);
	_cleanup_free_ char *path = NULL;
	char *argv[] = { name, word, NULL };
	int in[2], out[2], pid_fd = -1, r;
	pid_t pid;

	if (name == NULL || word == NULL)
		return error_set(e, -ENOMEM, "credential helper");
	if (strspn(helper, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
	    strlen(helper))
		return error_setf(e, -EINVAL,
				  "the name of a credential helper in an auth file is not valid");
	path = find_in_path(name);
	if (path == NULL)
		return error_setf(e, -ENOENT, "the credential helper %s is not in PATH", name);
	if (fd_pipe(in) < 0)
		return error_set(e, -EMFILE, "credential helper %s", name);
	if (fd_pipe(out) < 0) {
		(void)close(in[0]);
		(void)close(in[1]);
		return error_set(e, -EMFILE, "credential helper %s", name);
	}
	{
		const struct proc_fd_map fds[] = { { in[0], 0 }, { out[1], 1 }, { 2, 2 } };
		const struct proc_spawn s = { .path = path,
					      .path_fd = -1,
					      .argv = argv,
					      .envp = environ,
					      .fds = fds,
					      .fds_n = 3,
					      .die_with_parent = true };

		r = proc_spawn(&s, &pid, &pid_fd, e);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	if (r < 0) {
		(void)close(in[1]);
	} else {
		r = helper_talk(in[1], out[0], pid, pid_fd, input, answer);
		if (r < 0)
			(void)error_set(e, r, "credential helper %s", name);
		close_fd(&pid_fd);
	}
	(void)close(out[0]);
	return r;
}

static int ask_helper(const char *helper, const char *host, json_t *endpoint, struct error *e)
{
	_cleanup_buf_ struct buf answer = BUF_INIT;
	int r = creds_run_helper(helper, "get", creds_server(host), &answer, e);

	/* with a failure it knows nothing about this host */
	if (r == 0)
		r = take_answer(&answer, endpoint, e);
	if (answer.len > 0)
		explicit_bzero(answer.data, answer.len);
	return r > 0 ? 0 : r;
}

/* ---- auth files ------------------------------------------------------------------- */

static bool have_any(const json_t *endpoint)
{
	return json_object_get(endpoint, "user") != NULL ||
	       json_object_get(endpoint, "token") != NULL;
}

static int take_entry(const json_t *entry, json_t *endpoint, struct error *e)
{
	const char *auth = NULL, *token = NULL, *user = NULL, *password = NULL;
	_cleanup_free_ char *u = NULL;
	_cleanup_free_ char *p = NULL;
	int r = 0;

	if (json_get_string(entry, "auths", "auth", &auth, e) < 0 ||
	    json_get_string(entry, "auths", "identitytoken", &token, e) < 0 ||
	    json_get_string(entry, "auths", "username", &user, e) < 0 ||
	    json_get_string(entry, "auths", "password", &password, e) < 0)
		return -EINVAL;
	if (token != NULL && token[0] != '\0')
		return put(endpoint, "token", token, e);
	if (auth != NULL && auth[0] != '\0') {
		r = creds_decode(auth, &u, &p);
		if (r < 0)
			return error_setf(e, r, "an \"auth\" value is not base64 of USER:PASSWORD");
		user = u;
		password = p;
	}
	if (user == NULL || password == NULL)
		return 0; /* an empty entry: a helper has it */
	r = put(endpoint, "user", user, e);
	if (r == 0)
		r = put(endpoint, "password", password, e);
	if (p != NULL)
		explicit_bzero(p, strlen(p));
	return r;
}

/* Host of a key that is an old-style URL. Caller frees. */
static char *key_host(const char *key)
{
	const char *s = str_starts(key, "https://") ? key + 8 :
			str_starts(key, "http://")  ? key + 7 :
						      NULL;

	return s != NULL ? strndup(s, strcspn(s, "/")) : strdup(key);
}

bool creds_key_is(const char *key, const char *registry)
{
	_cleanup_free_ char *host = key_host(key);

	return host != NULL && (strcmp(key, registry) == 0 || strcmp(host, registry) == 0 ||
				(strcmp(registry, "docker.io") == 0 &&
				 (strcmp(host, "index.docker.io") == 0 ||
				  strcmp(host, "registry-1.docker.io") == 0)));
}

static const json_t *find_entry(const json_t *auths, const char *key)
{
	const json_t *v = json_object_get(auths, key);
	const char *k;
	json_t *entry;

	if (v != NULL)
		return v;
	json_object_foreach((json_t *)(uintptr_t)auths, k,
			    entry) { /* the macro lacks the const only */
		_cleanup_free_ char *host = key_host(k);

		if (host != NULL && strcmp(host, key) == 0)
			return entry;
	}
	return NULL;
}

static int look_in(const char *text, size_t len, const char *path, const struct strv *keys,
		   const char *host, json_t *endpoint, struct error *e)
{
	_cleanup_json_ json_t *doc = json_parse(text, len, path, e);
	json_t *auths = NULL, *helpers = NULL;
	const char *helper = NULL, *store = NULL;
	int r = 0;

	if (doc == NULL || json_get_object(doc, path, "auths", &auths, e) < 0 ||
	    json_get_object(doc, path, "credHelpers", &helpers, e) < 0 ||
	    json_get_string(doc, path, "credsStore", &store, e) < 0 ||
	    json_get_string(helpers, path, host, &helper, e) < 0)
		return -EINVAL;
	if (helper != NULL)
		return ask_helper(helper, host, endpoint, e);
	for (size_t i = 0; r == 0 && i < keys->n && !have_any(endpoint); i++) {
		const json_t *entry = find_entry(auths, keys->v[i]);

		if (entry != NULL)
			r = take_entry(entry, endpoint, e);
		if (r < 0)
			(void)error_prefix(e, "%s", path);
	}
	if (r == 0 && !have_any(endpoint) && store != NULL && store[0] != '\0')
		r = ask_helper(store, host, endpoint, e);
	return r;
}

static int look_at(const char *path, bool must, const struct strv *keys, const char *host,
		   json_t *endpoint, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct stat st;
	int r;

	if (fd < 0 && !must && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (fd < 0)
		return error_set(e, -errno, "open auth file %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_setf(e, -EINVAL, "auth file %s is not a regular file", path);
	r = fd_read_to_end(fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "read auth file %s", path);
	if (strspn(buf_str(&b), " \t\r\n") == b.len)
		return 0;
	r = look_in(buf_str(&b), b.len, path, keys, host, endpoint, e);
	explicit_bzero(b.data, b.len);
	return r;
}

int creds_places(struct strv *ret)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *config = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	const char *docker = getenv("DOCKER_CONFIG");
	int r = 0;

	if (runtime != NULL && runtime[0] == '/')
		r = strv_addf(ret, "%s/containers/auth.json", runtime);
	else
		r = strv_addf(ret, "/run/containers/%u/auth.json", (unsigned int)getuid());
	if (r == 0 && config != NULL && config[0] == '/')
		r = strv_addf(ret, "%s/containers/auth.json", config);
	else if (r == 0 && home != NULL && home[0] == '/')
		r = strv_addf(ret, "%s/.config/containers/auth.json", home);
	if (r == 0 && docker != NULL && docker[0] == '/')
		r = strv_addf(ret, "%s/config.json", docker);
	else if (r == 0 && home != NULL && home[0] == '/')
		r = strv_addf(ret, "%s/.docker/config.json", home);
	return r;
}

int creds_find(const char *name, const char *authfile, json_t *endpoint, struct error *e)
{
	_cleanup_free_ char *host = strndup(name, strcspn(name, "/"));
	_cleanup_strv_ struct strv keys = { .n = 0 };
	_cleanup_strv_ struct strv files = { .n = 0 };
	int r = 0;

	if (host == NULL || creds_keys(name, &keys) < 0)
		return error_set(e, -ENOMEM, "find credentials");
	if (authfile == NULL)
		authfile = getenv("REGISTRY_AUTH_FILE");
	if (authfile != NULL && authfile[0] != '\0')
		return look_at(authfile, true, &keys, host, endpoint, e);
	if (creds_places(&files) < 0)
		return error_set(e, -ENOMEM, "find credentials");
	for (size_t i = 0; r == 0 && i < files.n && !have_any(endpoint); i++)
		r = look_at(files.v[i], false, &keys, host, endpoint, e);
	return r;
}
