/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passwd(5) and group(5) of a container, and the users they name.
 *
 * Theory of operation: the files are the image's and hostile, and may be huge
 * or malformed (the caller caps their size). They are scanned line by line in
 * place, never modified, nothing allocated but the results. A line that does
 * not parse is skipped, as libc does. Numbers win over names: a text that looks
 * like a number is never looked up as a name, so that a passwd line such as
 * "1000:x:0:0" cannot turn uid 1000 into root.
 */
#include "cmd/user.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

#define FIELDS_MAX 7
#define GROUPS_MAX 1024 /* NGROUPS_MAX is 65536; far beyond any real image */

/* One field of a line: a slice of the file. */
struct field {
	const char *s;
	size_t len;
};

void user_identity_fini(struct user_identity *u)
{
	free(u->groups);
	free(u->name);
	free(u->home);
	*u = (struct user_identity){ 0 };
}

int user_parse_id(const char *text, uint32_t *ret)
{
	unsigned long long v;

	if (*text == '\0' || strchr("0123456789+- \t", *text) == NULL)
		return *text == '\0' ? -EINVAL : 0;
	if (str_to_u64(text, UINT32_MAX - 1, &v) < 0)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 1;
}

/* Split the line at *p into at most FIELDS_MAX fields; *p moves to the next line. False at the end. */
static bool next_line(const char **p, struct field fields[FIELDS_MAX], size_t *ret_n)
{
	const char *s = *p, *end;
	size_t n = 0;

	if (s == NULL || *s == '\0')
		return false;
	end = s + strcspn(s, "\n");
	*p = *end == '\n' ? end + 1 : end;
	while (n < FIELDS_MAX) {
		const char *colon = memchr(s, ':', (size_t)(end - s));

		fields[n++] = (struct field){ s, (size_t)((colon != NULL ? colon : end) - s) };
		if (colon == NULL)
			break;
		s = colon + 1;
	}
	*ret_n = n;
	return true;
}

static bool field_is(const struct field *f, const char *s)
{
	return strlen(s) == f->len && memcmp(f->s, s, f->len) == 0;
}

/* A number field of passwd or group. */
static bool field_id(const struct field *f, uint32_t *ret)
{
	uint64_t v = 0;

	if (f->len == 0 || f->len > 10)
		return false;
	for (size_t i = 0; i < f->len; i++) {
		if (f->s[i] < '0' || f->s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(f->s[i] - '0');
	}
	if (v >= UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* The first passwd line with this name (or, name NULL, with this uid). Fills u. 1 found, 0 not, -ENOMEM. */
static int find_user(const char *passwd, const char *name, uint32_t uid, struct user_identity *u)
{
	struct field f[FIELDS_MAX];
	size_t n;

	while (next_line(&passwd, f, &n)) {
		uint32_t id, gid;

		if (n < 6 || f[0].len == 0 || !field_id(&f[2], &id) || !field_id(&f[3], &gid))
			continue;
		if (name != NULL ? !field_is(&f[0], name) : id != uid)
			continue;
		u->uid = id;
		u->gid = gid;
		u->name = strndup(f[0].s, f[0].len);
		u->home = f[5].len > 0 && f[5].s[0] == '/' ? strndup(f[5].s, f[5].len) :
							     strdup("/");
		return u->name != NULL && u->home != NULL ? 1 : -ENOMEM;
	}
	return 0;
}

static bool find_group(const char *group, const char *name, uint32_t *ret)
{
	struct field f[FIELDS_MAX];
	size_t n;

	while (next_line(&group, f, &n))
		if (n >= 3 && field_is(&f[0], name) && field_id(&f[2], ret))
			return true;
	return false;
}

bool user_group_known(const char *group, uint32_t gid)
{
	struct field f[FIELDS_MAX];
	uint32_t id;
	size_t n;

	while (next_line(&group, f, &n))
		if (n >= 3 && field_id(&f[2], &id) && id == gid)
			return true;
	return false;
}

static int add_group(struct user_identity *u, uint32_t gid)
{
	uint32_t *bigger;

	for (size_t i = 0; i < u->groups_n; i++)
		if (u->groups[i] == gid)
			return 0;
	if (u->groups_n >= GROUPS_MAX)
		return 0;
	bigger = realloc(u->groups, (u->groups_n + 1) * sizeof(*bigger));
	if (bigger == NULL)
		return -ENOMEM;
	bigger[u->groups_n++] = gid;
	u->groups = bigger;
	return 0;
}

static bool is_member(const struct field *members, const char *name)
{
	const char *s = members->s, *end = s + members->len;

	while (s <= end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		struct field one = { s, (size_t)((comma != NULL ? comma : end) - s) };

		if (field_is(&one, name))
			return true;
		if (comma == NULL)
			return false;
		s = comma + 1;
	}
	return false;
}

/* Every group that lists the user as a member. */
static int add_memberships(const char *group, struct user_identity *u)
{
	struct field f[FIELDS_MAX];
	uint32_t gid;
	size_t n;
	int r = 0;

	while (r == 0 && next_line(&group, f, &n))
		if (n >= 4 && field_id(&f[2], &gid) && is_member(&f[3], u->name))
			r = add_group(u, gid);
	return r;
}

static int resolve_user(const char *text, const char *passwd, struct user_identity *u,
			struct error *e)
{
	_cleanup_free_ char *safe = str_escape(text);
	uint32_t uid = 0;
	int r;

	if (safe == NULL)
		return error_set(e, -ENOMEM, "user");
	r = *text == '\0' ? 1 : user_parse_id(text, &uid);
	if (r < 0)
		return error_setf(e, -EINVAL, "user \"%s\" is not an id in the range 0-4294967294",
				  safe);
	if (r == 0) {
		r = find_user(passwd, text, 0, u);
		if (r == 0)
			return error_setf(
				e, -ENOENT,
				"unable to find user %s: no matching entries in passwd file", safe);
	} else {
		u->uid = uid;
		r = find_user(passwd, NULL, uid, u);
	}
	return r < 0 ? error_set(e, r, "user %s", safe) : 0;
}

static int resolve_group(const char *text, const char *group, uint32_t *ret, struct error *e)
{
	_cleanup_free_ char *safe = str_escape(text);
	int r;

	if (safe == NULL)
		return error_set(e, -ENOMEM, "group");
	r = user_parse_id(text, ret);
	if (r < 0)
		return error_setf(e, -EINVAL, "group \"%s\" is not an id in the range 0-4294967294",
				  safe);
	if (r == 0 && !find_group(group, text, ret))
		return error_setf(e, -ENOENT,
				  "unable to find group %s: no matching entries in group file",
				  safe);
	return 0;
}

static int resolve(const char *text, const char *passwd, const char *group, char *const *extra,
		   size_t extra_n, struct user_identity *u, struct error *e)
{
	size_t user_len = strcspn(text, ":");
	_cleanup_free_ char *user = strndup(text, user_len);
	const char *group_text = text[user_len] == ':' ? text + user_len + 1 : NULL;
	uint32_t gid;
	int r;

	if (user == NULL)
		return error_set(e, -ENOMEM, "user");
	if (group_text != NULL &&
	    (user_len == 0 || *group_text == '\0' || strchr(group_text, ':') != NULL)) {
		_cleanup_free_ char *safe = str_escape(text);

		return error_setf(e, -EINVAL, "user \"%s\": expected USER or USER:GROUP",
				  safe != NULL ? safe : "");
	}
	r = resolve_user(user, passwd, u, e);
	if (r < 0)
		return r;
	if (group_text != NULL) {
		r = resolve_group(group_text, group, &u->gid, e);
		if (r < 0)
			return r;
	} else if (u->name != NULL && add_memberships(group, u) < 0) {
		return error_set(e, -ENOMEM, "groups of user %s", user);
	}
	for (size_t i = 0; i < extra_n; i++) {
		r = resolve_group(extra[i], group, &gid, e);
		if (r < 0)
			return r;
		if (add_group(u, gid) < 0)
			return error_set(e, -ENOMEM, "groups of user %s", user);
	}
	return 0;
}

int user_resolve(const char *text, const char *passwd, const char *group, char *const *extra,
		 size_t extra_n, struct user_identity *ret, struct error *e)
{
	struct user_identity u = { 0 };
	int r;

	r = resolve(text, passwd, group, extra, extra_n, &u, e);
	if (r < 0) {
		user_identity_fini(&u);
		return r;
	}
	*ret = u;
	return 0;
}
