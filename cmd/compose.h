/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of one run: where image, request, ids, network and root file system
 * are joined into an OCI runtime configuration. Nothing here touches a
 * namespace; `crt run --explain` prints exactly this.
 */
#ifndef CMD_COMPOSE_H
#define CMD_COMPOSE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/id.h"
#include "base/types.h"
#include "cmd/imageconf.h"
#include "cmd/request.h"
#include "storage/storage.h"
#include "userns/userns.h"

struct run_plan {
	struct run_request *req;    /* borrowed */
	struct storage *store;	    /* borrowed */
	struct storage_image image; /* empty with --rootfs */
	struct imageconf conf;	    /* empty with --rootfs */
	struct userns_caps caps;
	struct id_map keeper_map; /* of the keeper's user namespace */
	struct id_map
		shift_map; /* keep-id, nomap: of the container's, a child of the keeper's; else empty */
	char id[ID_LEN + 1];
	char *name;
	char *hostname;
	char *user; /* "USER[:GROUP]" to be resolved in the root file system; "" = root */
	struct strv env;
	json_t *config; /* the OCI config; process.user and what follows from it: compose_user() */
	struct limits_plan limits; /* how its groups are made */
	char *seccomp; /* text of linux.seccomp where that is the default profile, which is not in config: compose_text() */
	char *rundir; /* the bundle: config.json, rootfs/, hosts, resolv.conf, hostname, .containerenv */
	char *rootfs;		      /* absolute path where the container's root will be */
	struct net_network *networks; /* owned: of the members of the request, see networks_plan() */
	bool own_netns;		      /* the keeper makes a network namespace */
	bool notify;		      /* the container has a socket for NOTIFY_SOCKET */
	bool single_user; /* one id, which may be shown as another than root: compose_user() */
	struct strv net_sysctls; /* KEY=VALUE of it, for the keeper to set */
	struct strv notes;	 /* fallbacks taken and why, for --explain */
};

void run_plan_fini(struct run_plan *p);
/*
 * Fill everything that needs no namespace: p->req, store, image, conf, caps,
 * keeper_map, id, name and rundir must be set. 0 or -errno.
 */
int compose_config(struct run_plan *p, struct error *e);
/*
 * With the root file system in place: resolve the user against its own passwd
 * and group files and fill process.user, capabilities and HOME; *ret_passwd is
 * a passwd file with a line for a user that the image does not know, or NULL.
 * *ret_group likewise for the
 * caller's group with keep-id. root_fd is borrowed. 0 or -errno.
 */
int compose_user(struct run_plan *p, int root_fd, char **ret_passwd, char **ret_group,
		 struct error *e);

/* With --init the command begins with COMPOSE_INIT and "--". */
#define COMPOSE_INIT	  "/run/crt-init"
#define COMPOSE_INIT_ARGS 2

/* config.json: config and the default profile. Caller frees. NULL = no memory. */
char *compose_text(const struct run_plan *p);

/* Parts of compose_user() that exec needs: a file of accounts (*ret NULL: none), process.user, a set of capabilities. */
int compose_read_accounts(int root_fd, const char *path, char **ret, struct error *e);
struct user_identity;
int compose_set_user(json_t *process, const struct user_identity *u, bool with_own,
		     struct error *e);
json_t *compose_caps_json(uint64_t caps);

/*
 * exec_user.c: exec's process.user, capabilities and HOME for another user than the container's own, by the container's accounts.
 * privileged: everything that its user namespace permits. user NULL = the same as before. 0 or -errno.
 */
int compose_exec_user(json_t *process, const char *user, bool privileged, int root_fd,
		      struct error *e);

/* compose_mounts.c: mounts[], devices, masked and read-only paths. */
int compose_mounts(struct run_plan *p, json_t *config, struct error *e);
int compose_linux_paths(struct run_plan *p, json_t *linux_obj, struct error *e);
int compose_devices(struct run_plan *p, json_t *linux_obj, struct error *e);
/* limits.c: linux.resources, cgroupsPath. */
int compose_limits(struct run_plan *p, json_t *linux_obj, struct error *e);

#endif
