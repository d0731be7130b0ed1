/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of `crt run`, as plain data: what the command line said, checked
 * for syntax, not yet joined with an image. Nothing behind cmd/run.c sees argv.
 */
#ifndef CMD_REQUEST_H
#define CMD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/error.h"
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

enum request_mount_type {
	REQUEST_MOUNT_BIND,
	REQUEST_MOUNT_TMPFS,
	REQUEST_MOUNT_COUNT
};

/* One mount asked for by -v, --mount or --tmpfs. Strings are owned. */
struct request_mount {
	enum request_mount_type type;
	char *source;	     /* absolute host path; NULL for tmpfs */
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
	char *cidfile, *pidfile;
	int stop_signal;		 /* 0 = the image's, else SIGTERM */
	unsigned int stop_timeout;	 /* seconds */
	struct strv labels, annotations; /* key=value */

	/* the process */
	char *workdir, *user;
	struct strv env; /* NAME=VALUE, values of the host already taken */
	struct strv group_add;
	bool keep_groups;
	unsigned int preserve_fds;
	struct request_ulimit *ulimits;
	size_t ulimits_n;

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
int request_add_tmpfs(struct run_request *r, const char *text, struct error *e);
int request_add_env(struct run_request *r, const char *text, struct error *e);
int request_add_env_file(struct run_request *r, const char *path, struct error *e);
int request_add_ulimit(struct run_request *r, const char *text, struct error *e);
int request_add_security_opt(struct run_request *r, const char *text, struct error *e);
int request_set_userns(struct run_request *r, const char *text, struct error *e);
int request_set_entrypoint(struct run_request *r, const char *text, struct error *e);

#endif
