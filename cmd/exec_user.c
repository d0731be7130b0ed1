/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user of a process that joins a running container.
 *
 * Theory of operation: as for the container's own process (compose.c), by the
 * container's passwd and group files, which are hostile and read with a size
 * limit. What the container may have at most, its bounding set, bounds this process
 * as well, unless it was asked for with --privileged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/compose.h"
#include "cmd/user.h"

/* Set obj[key] to value (stolen). */
static int put(json_t *obj, const char *key, json_t *value, struct error *e)
{
	if (json_object_set_new(obj, key, value) < 0)
		return error_set(e, -ENOMEM, "composing %s", key);
	return 0;
}

/* The words of an array of config.json. */
static int take_strings(const json_t *list, struct strv *ret, struct error *e)
{
	json_t *one;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
		if (json_is_string(one) && strv_add(ret, json_string_value(one)) < 0)
			return error_set(e, -ENOMEM, "composing the process");
	return 0;
}

/* Who is not root holds no capability, root all that the container may have. */
static int exec_caps(json_t *process, bool root, bool privileged, struct error *e)
{
	json_t *old = json_object_get(process, "capabilities");
	_cleanup_json_ json_t *bounding = privileged ?
						  compose_caps_json(~0ull) :
						  json_incref(json_object_get(old, "bounding"));
	json_t *caps = json_object();
	json_t *held = root || privileged ? json_incref(bounding) : json_array();
	int r = put(process, "capabilities", caps, e);

	if (r == 0)
		r = put(caps, "effective", json_incref(held), e);
	if (r == 0)
		r = put(caps, "permitted", json_incref(held), e);
	if (r == 0)
		r = put(caps, "bounding", json_incref(bounding), e);
	json_decref(held);
	return r;
}

/* A FUSE root file system answers nobody outside of the container's namespaces: then numbers still do. */
static int read_accounts(int root_fd, const char *path, char **ret, struct error *e)
{
	int r = compose_read_accounts(root_fd, path, ret, e);

	if (r != -EACCES && r != -EPERM)
		return r;
	*e = ERROR_INIT;
	*ret = NULL;
	return 0;
}

int compose_exec_user(json_t *process, const char *user, bool privileged, int root_fd,
		      struct error *e)
{
	_cleanup_free_ char *passwd = NULL, *group = NULL, *home = NULL;
	_cleanup_strv_ struct strv env = { 0 };
	struct user_identity u = { 0 };
	int r = 0;

	if (user == NULL) {
		json_t *uid = json_object_get(json_object_get(process, "user"), "uid");

		return privileged ? exec_caps(process, json_integer_value(uid) == 0, true, e) : 0;
	}
	r = read_accounts(root_fd, "etc/passwd", &passwd, e);
	if (r == 0)
		r = read_accounts(root_fd, "etc/group", &group, e);
	if (r == 0)
		r = user_resolve(user, passwd, group, NULL, 0, &u, e);
	if (r == 0)
		r = compose_set_user(process, &u, false, e);
	if (r == 0)
		r = exec_caps(process, u.uid == 0, privileged, e);
	if (r == 0)
		r = take_strings(json_object_get(process, "env"), &env, e);
	if (r == 0) {
		home = str_printf("HOME=%s", u.home != NULL ? u.home : u.uid == 0 ? "/root" : "/");
		if (home == NULL || strv_env_set(&env, home) < 0)
			r = error_set(e, -ENOMEM, "composing the environment");
	}
	if (r == 0)
		r = put(process, "env", json_strings(&env), e);
	user_identity_fini(&u);
	return r;
}
