/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.json: which sources an administrator or user allows.
 *
 * Theory of operation
 *
 * The file is --signature-policy's, else ~/.config/containers/policy.json, else
 * /etc/containers/policy.json, as other tools read it (containers-policy.json(5)). The
 * requirements of the most particular scope count: the image itself, its
 * repository, the parents of that, the host, "*.domain" of the host, "" of the
 * transport, "default". All of them must be met. "insecureAcceptAnything" is
 * met by all, "reject" by none. Signatures are not verified by crt yet: where
 * the file demands one the image is refused, and the message says so; a
 * requirement that is not known is refused as well. So what the file protects
 * stays protected.
 *
 * The file is the user's or administrator's and trusted. It is read in crt,
 * before anything is fetched. Where there is none everything is allowed.
 */
#include "storage/registry/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

#define SYSTEM_POLICY "/etc/containers/policy.json"

/* The list for one scope, NULL = it is not there. */
static const json_t *at(const json_t *scopes, const char *key)
{
	return json_object_get(scopes, key);
}

/* The most particular list of requirements. */
static const json_t *find(const json_t *policy, const char *transport, const char *identity,
			  const char *scope, int *ret_err)
{
	const json_t *scopes = json_object_get(json_object_get(policy, "transports"), transport);
	const json_t *found = at(scopes, identity);
	_cleanup_free_ char *key = strdup(scope);
	char *slash, *dot;

	*ret_err = key == NULL ? -ENOMEM : 0;
	while (found == NULL && key != NULL) {
		found = at(scopes, key);
		slash = strrchr(key, '/');
		if (slash == NULL || slash == key)
			break;
		if (found == NULL)
			*slash = '\0';
	}
	/* what is left of a repository is its host */
	for (dot = key;
	     found == NULL && key != NULL && key[0] != '/' && (dot = strchr(dot, '.')) != NULL;
	     dot++) {
		_cleanup_free_ char *wild = str_printf("*%s", dot);

		if (wild == NULL)
			*ret_err = -ENOMEM;
		else
			found = at(scopes, wild);
	}
	if (found == NULL)
		found = at(scopes, "");
	return found != NULL ? found : json_object_get(policy, "default");
}

int policy_judge(const json_t *policy, const char *transport, const char *identity,
		 const char *scope, struct error *e)
{
	int err = 0;
	const json_t *list = find(policy, transport, identity, scope, &err);
	const json_t *o;
	size_t i;

	if (err < 0)
		return error_set(e, err, "read policy.json");
	if (!json_is_array(list) || json_array_size(list) == 0)
		return error_setf(e, -EINVAL, "there is no list of requirements for %s", identity);
	json_array_foreach(list, i, o) {
		const char *type = json_string_value(json_object_get(o, "type"));

		if (type == NULL)
			return error_setf(e, -EINVAL, "a requirement has no type");
		if (strcmp(type, "insecureAcceptAnything") == 0)
			continue;
		if (strcmp(type, "reject") == 0)
			return error_setf(e, -EACCES, "%s is rejected", identity);
		return error_setf(
			e, -EACCES,
			"%s needs a signature (%.40s), and crt does not verify signatures yet",
			identity, type);
	}
	return 0;
}

/* 1 = read, 0 = not there. */
static int load(const char *path, bool must, json_t **ret, struct error *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (fd < 0)
		return !must && (errno == ENOENT || errno == ENOTDIR) ?
			       0 :
			       error_set(e, -errno, "open %s", path);
	r = fd_read_to_end(fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "read %s", path);
	*ret = json_parse(buf_str(&b), b.len, path, e);
	return *ret != NULL ? 1 : -EINVAL;
}

int policy_check(const char *file, const char *transport, const char *identity, const char *scope,
		 struct error *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	_cleanup_free_ char *user = NULL;
	_cleanup_json_ json_t *policy = NULL;
	const char *used = file;
	int r = 0;

	if (file != NULL) {
		r = load(file, true, &policy, e);
	} else {
		if (config != NULL && config[0] == '/')
			user = str_printf("%s/containers/policy.json", config);
		else if (home != NULL && home[0] == '/')
			user = str_printf("%s/.config/containers/policy.json", home);
		used = user;
		if (user != NULL)
			r = load(user, false, &policy, e);
		if (r == 0) {
			used = SYSTEM_POLICY;
			r = load(SYSTEM_POLICY, false, &policy, e);
		}
	}
	if (r <= 0)
		return r;
	r = policy_judge(policy, transport, identity, scope, e);
	return r < 0 ? error_prefix(e, "%s", used) : 0;
}
