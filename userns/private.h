/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this module share. */
#ifndef USERNS_PRIVATE_H
#define USERNS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "userns/userns.h"

/*
 * subid.c: collect the ranges of one user from the text of /etc/subuid or
 * /etc/subgid. Lines are "NAME-OR-UID:START:COUNT"; what does not parse is
 * skipped, as newuidmap does. The caller's own id is cut out and duplicates
 * are merged. *arr must be NULL or earlier result. 0 or -ENOMEM.
 */
int subid_parse(const char *text, size_t len, const char *user, uint32_t uid, uint32_t own,
		struct id_range **arr, size_t *n);
/* Output of getsubids(1): "0: NAME START COUNT" lines. */
int subid_parse_getsubids(const char *text, size_t len, uint32_t own, struct id_range **arr,
			  size_t *n);
/* True when nsswitch.conf's text names another source than files for subid. */
bool subid_has_foreign_source(const char *text, size_t len);
/* "" when the set-id helper at path can work for this process, else the reason (static or in buf). */
const char *subid_helper_defect(const char *path, char *buf, size_t buf_len);

/* account.c: a file of the administrator's that may be missing; links are followed. Caller frees. 0 or -errno. */
int subid_read_etc(const char *path, char **ret, size_t *ret_len);
/* Run a program of the system (argv[0] is its name) and append its output. 0; -ENOENT when it is missing or fails. */
int subid_ask_program(char *const *argv, struct buf *out);
/* Login name of uid by the text of a passwd file; NULL when it has none. Caller frees. */
char *account_find_name(const char *passwd, size_t len, uid_t uid);
/* Login name, or the decimal uid where there is none. Caller frees; NULL = no memory. */
char *account_name(uid_t uid);

/* idmap.c: true when the map is one id each, the caller's own: written without helpers. */
bool idmap_is_single(const struct userns_caps *c, const struct id_map *map);
/* Start newuidmap and newgidmap for the child side by side. */
int idmap_start_helpers(const struct userns_caps *c, const struct id_map *map,
			struct userns_child *child, struct error *e);
/* Await them. On failure the message quotes what the helper said. */
int idmap_await_helpers(struct userns_child *child, struct error *e);
/* Write setgroups and both maps of process pid ourselves. */
int idmap_write_single(pid_t pid, const struct id_map *map, struct error *e);

/* diagnose.c: why clone() into a new user namespace failed with err (positive errno). Fills e and returns its code. */
int diagnose_clone(int err, const struct userns_caps *c, struct error *e);
/* Why root of a fresh user namespace was refused an operation (EPERM/EACCES). "" or a hint. */
const char *diagnose_powerless(void);

#endif
