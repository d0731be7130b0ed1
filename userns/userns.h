/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces: which ids the caller may use, the maps made of them, and a
 * child process inside a new user and mount namespace.
 *
 * See user_namespaces(7), newuidmap(1), subuid(5).
 */
#ifndef USERNS_USERNS_H
#define USERNS_USERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/types.h"

enum userns_kind {
	USERNS_KIND_NONE,   /* real root: no user namespace is made */
	USERNS_KIND_RANGE,  /* subordinate ids, written by newuidmap/newgidmap */
	USERNS_KIND_SINGLE, /* only the caller's own id (written by ourselves, setgroups denied) */
	USERNS_KIND_COUNT
};

/* What the caller may map. Filled by userns_probe(), released by userns_caps_fini(). */
struct userns_caps {
	enum userns_kind kind;
	uid_t uid; /* the caller's effective ids */
	gid_t gid;
	char *user;		 /* login name or decimal uid; never NULL */
	struct id_range *subuid; /* ranges granted; only outside and count are set */
	size_t subuid_n;
	struct id_range *subgid;
	size_t subgid_n;
	char *newuidmap; /* absolute paths, NULL in the other kinds */
	char *newgidmap;
	char reason[240]; /* why kind is SINGLE, for --explain and warnings; else "" */
};

/*
 * Find out what the caller has: /etc/subuid and /etc/subgid (by name and by
 * uid), else the first of `getsubids` where nsswitch.conf names a subid
 * source; newuidmap/newgidmap present and usable. Never creates a namespace.
 * 0 or -errno.
 */
int userns_probe(struct userns_caps *ret, struct error *e);
void userns_caps_fini(struct userns_caps *c);

/*
 * The map of the keeper's namespace: container 0 = the caller, 1.. = the
 * subordinate ids in order (RANGE); 0 = the caller only (SINGLE); empty (NONE).
 * Must be freed with id_map_fini().
 */
int userns_map_default(const struct userns_caps *c, struct id_map *ret, struct error *e);

/*
 * The map of a child namespace of the keeper's for --userns=keep-id: inside
 * uid/gid = the caller, everything else shifted around it. "outside" ids are
 * ids of the keeper's namespace. uid or gid -1 = the caller's own number. With
 * SINGLE the result holds that one id. nomap: the caller's id is left out.
 */
int userns_map_keep_id(const struct userns_caps *c, int64_t uid, int64_t gid, struct id_map *ret,
		       struct error *e);
int userns_map_nomap(const struct userns_caps *c, struct id_map *ret, struct error *e);

/* True when the namespace we are in maps this gid (root may be root of somebody's namespace only). */
bool userns_self_has_gid(uint32_t gid);

/* A child made by userns_clone(). Close/zero with userns_child_fini() (does not kill). */
struct userns_child {
	pid_t pid;
	int pid_fd;
	int sync_fd;	 /* private to this module */
	pid_t helper[2]; /* newuidmap, newgidmap still running; 0 = none */
	int helper_fd[2];
	int helper_err[2];
	bool joined; /* has no namespace of its own */
};

/*
 * Clone a child into new user (not for USERNS_KIND_NONE) and mount namespaces,
 * plus those in extra_flags (CLONE_NEW*). Returns 1 in the parent, 0 in the
 * child, -errno (parent only). In the parent the map helpers are started side
 * by side but not awaited: call userns_map_finish(). The child may do work
 * that needs no mapped ids and then must call userns_map_wait().
 * die_with_parent sets PR_SET_PDEATHSIG SIGKILL in the child.
 *
 * Failure names the cause: user.max_user_namespaces, kernel.unprivileged_userns_clone,
 * kernel.apparmor_restrict_unprivileged_userns, seccomp of an outer container, chroot.
 */
int userns_clone(const struct userns_caps *c, const struct id_map *map, unsigned int extra_flags,
		 bool die_with_parent, struct userns_child *ret, struct error *e);
/*
 * Like userns_clone(), for a child that enters a mapped user namespace and makes a mount namespace
 * there itself, before it calls userns_map_wait().
 */
int userns_clone_join(struct userns_child *ret, struct error *e);
/* Parent: wait for the helpers, write single-id maps, release the child. On failure the child is killed and reaped. */
int userns_map_finish(struct userns_child *child, const struct userns_caps *c,
		      const struct id_map *map, struct error *e);
/* Child: block until mapped, become uid 0 and gid 0 of the namespace (not NONE), make all mounts private-slave. */
int userns_map_wait(struct userns_child *self, const struct userns_caps *c, struct error *e);
void userns_child_fini(struct userns_child *child);

#endif
