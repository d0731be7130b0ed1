/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime core: takes a bundle (a directory with config.json and a
 * root file system, OCI runtime-spec 1.x) and makes, starts, signals and
 * removes the container. It knows nothing of images, networks or the CLI.
 *
 * Two ways of use: crt-oci keeps state under a state root, so that create,
 * start, kill and delete may be different processes; `crt run` keeps the
 * container in one process (the keeper) and needs no state on disk.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct json_t; /* jansson's */

struct runtime_container; /* a container this process created */

/* What to create. Zero-initialise with RUNTIME_CREATE_INIT, all pointers and fds are borrowed. */
struct runtime_create {
	const char *id;
	const char *bundle; /* absolute path, for state and hooks */
	int bundle_fd;	    /* O_DIRECTORY fd of it; config.json is read from here ... */
	const char *config; /* ... unless its text is given here (it must equal the file) */
	size_t config_len;
	struct json_t *
		config_tree; /* ... or, so that it need not be read again, its tree is given here; */
	const char *
		seccomp; /* and then maybe the text of its linux.seccomp, which is not in the tree */
	const char *config_name; /* another name than "config.json", or NULL */
	int state_root_fd; /* -1: keep no state on disk; the start gate is in this process then */
	const char *state_root;
	int stdio[3]; /* become 0,1,2 of the container; -1 = inherit ours. Ignored with a terminal */
	int console_sock_fd; /* connected AF_UNIX socket that gets the pty master; -1 with terminal=true: see ret_console_fd */
	int *ret_console_fd; /* if not NULL and terminal=true: the pty master, owned by the caller */
	unsigned int preserve_fds; /* 3 .. 3+n-1 stay open in the container */
	unsigned int listen_fds;   /* LISTEN_FDS: as preserve_fds, in front of them */
	bool no_pivot;
	bool no_new_keyring;
	bool detach;	      /* the creator will exit before the container */
	bool start_follows;   /* by this process: nobody else can start it, it counts as running */
	bool die_with_parent; /* the container gets SIGKILL when this process ends */
	const char *notify_socket; /* NOTIFY_SOCKET of our caller, or NULL */
	const char *
		cgroup_manager; /* "cgroupfs", "systemd", "disabled"; NULL = cgroupfs where permitted */
	/* If not NULL, groups that cannot be made are no failure: why is told here, the caller finds other means. */
	struct error *ret_cgroup_error;
};
#define RUNTIME_CREATE_INIT                                \
	((struct runtime_create){ .bundle_fd = -1,         \
				  .state_root_fd = -1,     \
				  .stdio = { -1, -1, -1 }, \
				  .console_sock_fd = -1 })

/*
 * Create: namespaces, mounts, everything up to (not including) execve; the
 * container's first process waits at the start gate. Every failure leaves
 * nothing behind. 0 or -errno. The message of a failure in the child names
 * the step and the object; texts for a missing or forbidden program are runc's:
 * 'exec: "nope": executable file not found in $PATH', 'exec: "/x": stat /x: no
 * such file or directory', 'exec: "/etc/passwd": permission denied'.
 */
int runtime_container_create(const struct runtime_create *c, struct runtime_container **ret,
			     struct error *e);

/* How runtime_container_start() ended when it failed, so that the CLI can choose 126 or 127. */
enum runtime_start_result {
	RUNTIME_START_OK = 0,
	RUNTIME_START_NOT_FOUND = 1,	  /* program does not exist: exit code 127 */
	RUNTIME_START_NOT_EXECUTABLE = 2, /* program exists but cannot be executed: exit code 126 */
};
/*
 * Open the gate and wait until execve succeeded. Returns RUNTIME_START_OK, one
 * of the positive results with e filled (the container is gone then), or -errno.
 */
int runtime_container_start(struct runtime_container *c, struct error *e);
pid_t runtime_container_pid(const struct runtime_container *c);
int runtime_container_pidfd(const struct runtime_container *c); /* borrowed */
/* Wait for the first process and reap it (its creator only). Wait status >= 0 or -errno. */
int runtime_container_wait(struct runtime_container *c, struct error *e);
/* Kill whatever is left, run poststop hooks, remove state and cgroup, free. Accepts NULL. */
void runtime_container_destroy(struct runtime_container *c);

/*
 * The groups of a container without state on disk, as text for runtime_cgroup_*() (caller frees).
 * NULL: it has none of its own, or memory is short.
 */
char *runtime_container_cgroup(const struct runtime_container *c);

/* Free the structure and leave the container alone (crt-oci create; `run --detach`). Accepts NULL. */
void runtime_container_release(struct runtime_container *c);

/*
 * For programs that create containers or enter them: call it before anything
 * else. Where a container's ids could write the executable it is executed again,
 * with this argv (but the executable's path as its first word) and our
 * environment, from a place that cannot be written. 0 = go on, or -errno.
 */
int runtime_protect_self(char *const argv[], struct error *e);

/* ---- containers with state on disk, by id; state_root_fd: directory of the state, -1 = it does not exist ---- */

/*
 * For containers made with notify_socket: make the socket inside that their
 * processes send to, before the gate is opened. A datagram socket that does not
 * block (the caller's), -ENOENT when there is none for us, or -errno.
 */
int runtime_notify_open(int state_root_fd, const char *id, struct error *e);
/* A pidfd of the first process (the caller's), and its pid. -ESRCH: "container not running". */
int runtime_pidfd(int state_root_fd, const char *id, pid_t *ret_pid, struct error *e);
/* Open the gate of a created container: as runtime_container_start(). */
int runtime_start(int state_root_fd, const char *id, struct error *e);
/* The OCI state object as indented JSON text (caller frees). */
int runtime_state(int state_root_fd, const char *id, char **ret, struct error *e);
/*
 * Signal the first process, or with all every process of the container.
 * "container not running" (-ESRCH) when it is stopped; with all that is success.
 */
int runtime_kill(int state_root_fd, const char *id, int sig, bool all, struct error *e);
/*
 * Remove a stopped (or created) container: state, cgroups, poststop hooks.
 * force also kills a running one, and accepts an id that does not exist.
 */
int runtime_delete(int state_root_fd, const char *id, bool force, struct error *e);
/* All containers as one line of JSON, an array of state objects (caller frees). */
int runtime_list(int state_root_fd, char **ret, struct error *e);
/* The pids of the container as seen by the caller (caller frees *ret). None when it is stopped. */
int runtime_pids(int state_root_fd, const char *id, pid_t **ret, size_t *ret_n, struct error *e);
/* Freeze or thaw. */
int runtime_pause(int state_root_fd, const char *id, bool paused, struct error *e);
/* Apply a linux.resources object given as JSON text. */
int runtime_update(int state_root_fd, const char *id, const char *resources, size_t len,
		   struct error *e);
/* Resource figures as one line of JSON (caller frees). */
int runtime_stats(int state_root_fd, const char *id, char **ret, struct error *e);

/*
 * The same for a container without state on disk, by the text of runtime_container_cgroup(). All
 * of them refuse a damaged text with -EINVAL.
 */
int runtime_cgroup_freeze(const char *cgroup, bool frozen, struct error *e);
bool runtime_cgroup_is_frozen(const char *cgroup);
int runtime_cgroup_update(const char *cgroup, const char *resources, size_t len, struct error *e);
/* As runtime_stats(), with "blkio" and "cgroup" (a directory) besides. */
int runtime_cgroup_stats(const char *cgroup, char **ret, struct error *e);
/* How many processes were killed for want of memory. */
unsigned int runtime_cgroup_oom_kills(const char *cgroup);
/* Kill what is left and remove the groups. */
void runtime_cgroup_remove(const char *cgroup);

/*
 * Watch a running container for processes that are killed for want of memory:
 * runtime_oom_fd() becomes readable (it may be -1: none can be seen), then
 * runtime_oom_take() says how many there were since last time (version 1: that
 * there were some). runtime_oom_pidfd() becomes readable when the container has ended.
 */
struct runtime_oom;
int runtime_oom_watch(int state_root_fd, const char *id, struct runtime_oom **ret, struct error *e);
int runtime_oom_fd(const struct runtime_oom *w);
int runtime_oom_pidfd(const struct runtime_oom *w);
unsigned int runtime_oom_take(struct runtime_oom *w);
/* Accepts NULL. */
void runtime_oom_free(struct runtime_oom *w);

/* How criu is to save or bring back a container. Zero-initialise with RUNTIME_CRIU_INIT, all is borrowed. */
struct runtime_criu {
	const char *program;	 /* a path, or a name in the system's directories; NULL = criu */
	const char *image_path;	 /* directory of the images, absolute */
	const char *work_path;	 /* directory of the log, absolute */
	const char *parent_path; /* earlier images, relative to image_path; NULL = none */
	const char *page_server_address; /* send the memory there, NULL = to the directory */
	int page_server_port;
	int cgroups_mode;	       /* enum runtime_criu_cgroups */
	int network_lock;	       /* enum runtime_criu_lock */
	int status_fd;		       /* gets a zero byte when lazy pages can be fetched; -1 */
	const char *lsm_profile;       /* restore: "apparmor:NAME", "selinux:LABEL" */
	const char *lsm_mount_context; /* restore */
	bool leave_running;
	bool pre_dump; /* the memory only, and let it run on */
	bool tcp_established;
	bool tcp_skip_in_flight;
	bool link_remap;
	bool ext_unix_sk;
	bool shell_job;
	bool lazy_pages;
	bool file_locks;
	bool auto_dedup;
	bool empty_network; /* leave the network namespace to the caller's hooks */
};
#define RUNTIME_CRIU_INIT \
	((struct runtime_criu){ .status_fd = -1, .cgroups_mode = RUNTIME_CRIU_CGROUPS_SOFT })
#define RUNTIME_CRIU_DUMP_LOG	 "dump.log"
#define RUNTIME_CRIU_RESTORE_LOG "restore.log"
/* Numbers of criu's own. */
enum runtime_criu_cgroups {
	RUNTIME_CRIU_CGROUPS_IGNORE = 0,
	RUNTIME_CRIU_CGROUPS_NONE = 1,
	RUNTIME_CRIU_CGROUPS_PROPS = 2,
	RUNTIME_CRIU_CGROUPS_SOFT = 3,
	RUNTIME_CRIU_CGROUPS_FULL = 4,
	RUNTIME_CRIU_CGROUPS_STRICT = 5,
};
enum runtime_criu_lock {
	RUNTIME_CRIU_LOCK_DEFAULT = 0,
	RUNTIME_CRIU_LOCK_IPTABLES = 1,
	RUNTIME_CRIU_LOCK_NFTABLES = 2,
	RUNTIME_CRIU_LOCK_SKIP = 3,
};
/* -EPERM, -ENOENT with what to do when this caller cannot checkpoint at all, otherwise 0. */
int runtime_criu_usable(const char *program, struct error *e);
/*
 * Save a running or paused container. It is gone afterwards, as after delete,
 * unless it is to run on; when this fails it runs on unchanged.
 */
int runtime_checkpoint(int state_root_fd, const char *id, const struct runtime_criu *o,
		       struct error *e);
/*
 * Create a container from such images: it runs when this returns, and is a
 * child of the caller. c as for runtime_container_create(), with a state root.
 * The caller gets a mount namespace of its own. 0 or -errno, then nothing is
 * left behind.
 */
int runtime_container_restore(const struct runtime_create *c, const struct runtime_criu *o,
			      struct runtime_container **ret, struct error *e);

/* A process to add to a running container. Zero-initialise with RUNTIME_EXEC_INIT, all is borrowed. */
struct runtime_exec {
	const char *id;
	int state_root_fd;
	/* Or, for a container without state on disk: its first process, and its bundle with config.json. */
	pid_t pid; /* 0 = by state_root_fd */
	unsigned long long start_time;
	int bundle_fd;
	const char *cgroup_record; /* of runtime_container_cgroup(), NULL = it has no groups */
	const char *
		process; /* a process object as JSON text; NULL = the container's, changed by the rest */
	size_t process_len;
	char *const *args;	 /* NULL-terminated; NULL = from process */
	char *const *env;	 /* added entries NAME=VALUE; may be NULL */
	const char *cwd;	 /* NULL = the container's */
	const char *user;	 /* "UID[:GID]", strict decimal; NULL = the container's */
	const char *const *gids; /* additional groups, decimal; may be NULL */
	const char *const *caps; /* capabilities to add; may be NULL */
	const char *apparmor;
	const char *selinux;
	const char *cgroup; /* sub-group; NULL = the container's */
	bool terminal;	    /* with args: allocate one */
	bool no_new_privs;  /* set it in addition to what the container says */
	bool ignore_paused;
	bool detach;
	int stdio[3];
	int console_sock_fd;
	int *ret_console_fd;
	unsigned int preserve_fds;
	unsigned int listen_fds;
};
#define RUNTIME_EXEC_INIT                                \
	((struct runtime_exec){ .state_root_fd = -1,     \
				.bundle_fd = -1,         \
				.stdio = { -1, -1, -1 }, \
				.console_sock_fd = -1 })
/*
 * Start it; it is a child of the caller. RUNTIME_START_OK, a positive
 * RUNTIME_START_* with e filled, or -errno. The caller reaps *ret_pid.
 */
int runtime_exec(const struct runtime_exec *x, pid_t *ret_pid, int *ret_pid_fd, struct error *e);

/* What this runtime can do, as `features` prints it (caller frees). */
int runtime_features(char **ret, struct error *e);
/* A config.json to begin with (caller frees); rootless maps the caller's ids to 0. */
int runtime_spec_template(bool rootless, char **ret, struct error *e);

/*
 * The default seccomp profile of `crt run` as the JSON text of an OCI
 * linux.seccomp object, for the capabilities that the container keeps
 * (bit n of caps = capability n, as in <linux/capability.h>). Appends to b. 0 or -errno.
 */
int runtime_seccomp_default_profile(uint64_t caps, struct buf *b, struct error *e);

/* "CAP_SYS_ADMIN", "sys_admin", any case: number, or -EINVAL. And back: a constant or NULL. */
int runtime_cap_parse(const char *name);
const char *runtime_cap_name(int cap);

#endif
