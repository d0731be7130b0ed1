/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of a container: "USER[:GROUP]" texts, and the container's own passwd
 * and group files, read by a parser of ours and never through the host's NSS.
 */
#ifndef CMD_USER_H
#define CMD_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Release with user_identity_fini(). */
struct user_identity {
	uint32_t uid, gid;
	uint32_t *groups; /* supplementary groups of /etc/group for a user known to passwd, owned */
	size_t groups_n;
	char *name; /* login name, NULL when passwd does not know the uid */
	char *home; /* home directory, NULL likewise */
};
void user_identity_fini(struct user_identity *u);

/*
 * A numeric id: decimal digits only, 0..4294967294. Returns 1 and the id, 0 when
 * text is a name, -EINVAL when it is neither: what begins with a digit, a sign
 * or a blank is never looked up as a name, so "1abc", "-1", "0x1" and
 * "4294967296" are errors.
 */
int user_parse_id(const char *text, uint32_t *ret);

/* Does a line of the group file (NULL = none) have this gid? */
bool user_group_known(const char *group, uint32_t gid);

/*
 * Resolve "", "user", "user:group", "uid", "uid:gid" against passwd and group
 * texts (NULL = file does not exist). A numeric uid without ":gid" takes its
 * gid from passwd, else 0. extra: more groups (names or gids, --group-add).
 * 0; -EINVAL malformed; -ENOENT unknown user or group.
 */
int user_resolve(const char *text, const char *passwd, const char *group, char *const *extra,
		 size_t extra_n, struct user_identity *ret, struct error *e);

#endif
