/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: the criu program as a service of one caller, and what it is told for a container. */
#ifndef RUNTIME_CRIU_H
#define RUNTIME_CRIU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/proc.h"
#include "runtime/runtime.h"
#include "runtime/spec.h"
#include "runtime/state.h"

#define CRIU_VERSION_MIN 31500 /* 3.15: control groups of version 2, pid namespaces of others */
#define CRIU_DESCRIPTORS "descriptors.json"
#define CRIU_NET_KEY	 "extRootNetNS"
#define CRIU_PID_KEY	 "extRootPidNS"
#define CRIU_FD_FIRST	 10 /* numbers of descriptors that criu gets: the container's 0, 1, 2 ... */
#define CRIU_FD_NET	 13 /* ... and its namespaces */
#define CRIU_FD_PID	 14

/* ---- criu_wire.c: the few messages of criu's protocol (Protocol Buffers). Pure functions. ---- */

enum criu_type {
	CRIU_EMPTY = 0,
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_PRE_DUMP = 4,
	CRIU_NOTIFY = 6,
	CRIU_VERSION = 10,
};

/* Append one field; b->err tells in the end. */
void criu_put_int(struct buf *b, unsigned int field, int64_t value);
void criu_put_string(struct buf *b, unsigned int field, const char *value);
void criu_put_message(struct buf *b, unsigned int field, const struct buf *message);

struct criu_answer {
	int type; /* enum criu_type, or another */
	bool success;
	pid_t pid;	   /* of RESTORE and NOTIFY, 0 */
	int error;	   /* criu's errno, 0 */
	int version;	   /* 31701 for 3.17.1 */
	char script[32];   /* of NOTIFY: "post-restore" */
	char message[256]; /* criu's first error, "" */
};
/* 0 or -EBADMSG. Fields that are not known are skipped, texts are cut. */
int criu_answer_parse(const void *data, size_t len, struct criu_answer *ret);

/* ---- criu.c ---- */

struct criu {
	pid_t pid;
	int sock_fd;
	int image_fd;
	int work_fd;
	const char *work_path; /* where its log is, for errors */
};
#define CRIU_INIT ((struct criu){ .pid = -1, .sock_fd = -1, .image_fd = -1, .work_fd = -1 })

/* Is there anything that could be asked for? -EPERM, -ENOENT or 0; e says what to do. *ret_path may be NULL. */
int criu_usable(const char *program, char **ret_path, struct error *e);
/*
 * Open the directories, in the mount namespace that criu will live in: it
 * mounts there. *ret is CRIU_INIT; release with criu_end(), also after a failure.
 */
int criu_open(const struct runtime_criu *o, struct criu *ret, struct error *e);
/* Start it with these descriptors; too old a version is refused. */
int criu_start(struct criu *c, const struct runtime_criu *o, const struct proc_fd_map *fds,
	       size_t fds_n, struct error *e);
void criu_end(struct criu *c);

/* Called for each step that criu reports; fd (or -1) is the callee's. < 0 makes criu give up. */
typedef int (*criu_notify_fn)(void *data, const char *script, pid_t pid, int fd, struct error *e);
/*
 * One request. opts are the fields of criu_opts. 0 or -errno; what notify
 * reported goes before what criu says itself.
 */
int criu_call(struct criu *c, enum criu_type type, const struct buf *opts, criu_notify_fn notify,
	      void *data, struct criu_answer *ret, struct error *e);

/* The options that dump and restore have in common. root: the root directory as mounted for it. */
int criu_put_common(struct buf *b, const struct criu *c, const struct runtime_criu *o,
		    const char *root, const char *log, const json_t *cgroup, struct error *e);
/* external = "mnt[KEY]:VALUE", and as given */
void criu_put_mount(struct buf *b, const char *key, const char *value);
void criu_put_external(struct buf *b, const char *text);
/* ---- checkpoint.c, used by restore.c, too ---- */
/* "\\040" of mountinfo, in place. */
void criu_unescape(char *s);
bool criu_mount_is_bind(const struct spec_mount *m);
/* Is path DIR or below it? *ret_rest is what follows: "" or "/...". Lexical. */
bool criu_path_below(const char *path, const char *dir, const char **ret_rest);
/* Refuse what criu cannot restore: joined user and mount namespaces. */
int criu_check_spec(const struct spec *s, const char *id, struct error *e);

#endif
