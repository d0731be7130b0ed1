/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of `crt run`, as plain data: what the command line said, checked
 * for syntax, not yet joined with an image. Nothing behind cmd/run_options.c sees argv.
 */
#ifndef CMD_REQUEST_H
#define CMD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/error.h"
#include "cmd/health.h"
#include "cmd/notify.h"
#include "cmd/limits.h"
#include "net/net.h"

enum request_userns {
	REQUEST_USERNS_HOST, /* the default map: container root is the caller */
	REQUEST_USERNS_KEEP_ID,
	REQUEST_USERNS_NOMAP,
	REQUEST_USERNS_COUNT
};

enum request_pull {
	REQUEST_PULL_MISSING,
	REQUEST_PULL_ALWAYS,
	REQUEST_PULL_NEVER,
	REQUEST_PULL_NEWER,
	REQUEST_PULL_COUNT
};

enum request_restart {
	REQUEST_RESTART_NO,
	REQUEST_RESTART_ON_FAILURE,
	REQUEST_RESTART_ALWAYS,
	REQUEST_RESTART_UNLESS_STOPPED,
	REQUEST_RESTART_COUNT
};

/* What becomes of the output of a detached container. */
enum request_log {
	REQUEST_LOG_K8S_FILE, /* "TIME stdout F LINE" in the store */
	REQUEST_LOG_JSON_FILE,
	REQUEST_LOG_NONE,
	REQUEST_LOG_PASSTHROUGH, /* the container has our own standard streams */
	REQUEST_LOG_JOURNALD,
	REQUEST_LOG_COUNT
};

enum request_mount_type {
	REQUEST_MOUNT_BIND,
	REQUEST_MOUNT_TMPFS,
	REQUEST_MOUNT_VOLUME,
	REQUEST_MOUNT_COUNT
};

/* Flags of a mount. */
#define REQUEST_MOUNT_NOCOPY	1u /* a new volume is not filled with the image's files */
#define REQUEST_MOUNT_CHOWN	2u /* U: everything in it is given to the container's user */
#define REQUEST_MOUNT_ANONYMOUS 4u /* a volume without a name of the user's: goes with --rm */

/* What becomes of the VOLUME directories of an image. */
enum request_image_volume {
	REQUEST_IMAGE_VOLUME_ANONYMOUS,
	REQUEST_IMAGE_VOLUME_TMPFS,
	REQUEST_IMAGE_VOLUME_IGNORE,
	REQUEST_IMAGE_VOLUME_COUNT
};

/* One mount asked for by -v, --mount, --tmpfs or the image. Strings are owned. */
struct request_mount {
	enum request_mount_type type;
	unsigned int flags;
	char *source; /* absolute host path; name of a volume; NULL for tmpfs and a volume not named yet */
	char *destination;   /* absolute and clean path in the container */
	struct strv options; /* OCI mount options */
};

struct request_ulimit {
	const char *type; /* "RLIMIT_NOFILE", a constant */
	uint64_t soft, hard;
};

/* All pointers are owned; run_request_fini() releases them. */
struct run_request {
	/* the image or root file system, and the command */
	char *image;
	char *rootfs; /* --rootfs DIR, absolute */
	bool rootfs_overlay;
	struct strv args;
	bool entrypoint_set;
	struct strv entrypoint; /* --entrypoint; empty and set = cleared */
	enum request_pull pull;
	char *platform;
	int tls_verify; /* -1 = as configured */
	char *authfile;

	/* identity and life */
	char *name;
	bool rm, interactive, tty, init, quiet, explain, sig_proxy;
	bool detach, replace;
	char *cidfile, *pidfile;
	char *detach_keys;	   /* NULL = ctrl-p,ctrl-q */
	int stop_signal;	   /* 0 = the image's, else SIGTERM */
	unsigned int stop_timeout; /* seconds */
	unsigned int timeout;	   /* seconds the container may run, 0 = any */
	enum request_restart restart;
	unsigned int restart_max; /* on-failure: how often, 0 = any number */
	enum request_log log_driver;
	char *log_path, *log_tag;	 /* --log-opt */
	int64_t log_max_size;		 /* bytes, 0 = no limit */
	unsigned int log_max_files;	 /* kept beside the current one */
	struct strv labels, annotations; /* key=value */
	struct request_health health;
	enum request_sdnotify sdnotify;
	char *conmon_pidfile;

	/* the process */
	char *workdir, *user;
	struct strv env; /* NAME=VALUE, values of the host already taken */
	struct strv group_add;
	bool keep_groups;
	unsigned int preserve_fds;
	struct request_ulimit *ulimits;
	size_t ulimits_n;
	struct limits limits;

	/* isolation */
	enum request_userns userns;
	int64_t keep_uid, keep_gid; /* -1 = the caller's */
	bool pid_host, ipc_host, uts_host;
	bool privileged, read_only, no_new_privs;
	struct strv cap_add, cap_drop;
	char *seccomp; /* NULL = default, "unconfined", or a file name */
	struct strv mask, unmask;
	struct strv sysctls; /* key=value */
	struct strv devices; /* host[:container[:perms]] */

	/* files and network */
	struct request_mount *mounts;
	size_t mounts_n;
	struct strv volumes_from; /* CONTAINER[:OPTIONS]; resolved by volumes_resolve() */
	enum request_image_volume image_volume;
	uint64_t shm_size; /* bytes */
	struct net_request net;
	bool publish_all;
	struct strv expose; /* PORT[-END][/PROTO] */
	struct strv add_host;
	char *hostname;
};

void run_request_init(struct run_request *r);
void run_request_fini(struct run_request *r);

/*
 * Parsers of single option values: each appends to or sets the request.
 * 0, -ENOMEM, or -EINVAL with an e that names option and value.
 */
int request_add_volume(struct run_request *r, const char *text, struct error *e);
int request_add_mount(struct run_request *r, const char *text, struct error *e);
/* One more mount with podman's defaults, unless something is mounted there: then 1. source is copied. */
int request_add_default_mount(struct run_request *r, enum request_mount_type type,
			      const char *source, const char *destination, unsigned int flags,
			      struct error *e);
/* As above with these options (an array of strings). */
int request_add_resolved_mount(struct run_request *r, enum request_mount_type type,
			       const char *source, const char *destination,
			       const struct strv *options, struct error *e);
int request_set_image_volume(struct run_request *r, const char *text, struct error *e);
int request_add_tmpfs(struct run_request *r, const char *text, struct error *e);
int request_add_env(struct run_request *r, const char *text, struct error *e);
int request_add_env_file(struct run_request *r, const char *path, struct error *e);
int request_add_ulimit(struct run_request *r, const char *text, struct error *e);
int request_add_security_opt(struct run_request *r, const char *text, struct error *e);
/* The constant "RLIMIT_..." equal to text, or NULL. */
const char *request_ulimit_name(const char *text);
int request_set_userns(struct run_request *r, const char *text, struct error *e);
int request_set_entrypoint(struct run_request *r, const char *text, struct error *e);
int request_set_restart(struct run_request *r, const char *text, struct error *e);
int request_set_log_driver(struct run_request *r, const char *text, struct error *e);
int request_add_log_opt(struct run_request *r, const char *text, struct error *e);
/* "no", "on-failure" ...; "k8s-file" ...: constants */
const char *request_restart_name(enum request_restart restart);
const char *request_log_name(enum request_log log);

/* request_json.c: the whole request as text, to be freed by the caller (NULL on -ENOMEM), and back
 * into an initialised one. 0 or -errno. */
char *request_to_json(const struct run_request *r);
int request_from_json(const char *text, struct run_request *r, struct error *e);

#endif
