/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to runtime/: everything the child needs between clone and exec,
 * prepared by the parent. The child reads it from its copy of the parent's
 * memory and allocates nothing; the few fields marked "child" are its own.
 */
#ifndef RUNTIME_PLAN_H
#define RUNTIME_PLAN_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/spec.h"

/* What the child was doing; its texts are in report.c. */
enum child_step {
	STEP_NONE,
	STEP_SYNC,
	STEP_JOIN, /* object: index of plan.joins */
	STEP_UNSHARE,
	STEP_TIME_OFFSETS,
	STEP_CLONE,
	STEP_BECOME_ROOT,
	STEP_KEYRING,
	STEP_CGROUP,
	STEP_PROPAGATION,
	STEP_ROOTFS_OPEN,
	STEP_ROOTFS_MOUNT,
	STEP_SOURCE,	   /* object: index of plan.mounts */
	STEP_MOUNT,	   /* index of plan.mounts, here and below */
	STEP_MOUNT_OPTION, /* aux: index of the option */
	STEP_MOUNT_ATTR,
	STEP_TARGET,
	STEP_TARGET_NOT_DIR,
	STEP_TARGET_PROC,
	STEP_ATTACH,
	STEP_COPYUP,
	STEP_DEVICE_SOURCE, /* object: index of plan.devices, here and below */
	STEP_DEVICE_WRONG,
	STEP_DEVICE,
	STEP_SYMLINK, /* object: index of plan.links */
	STEP_CONSOLE_PTMX,
	STEP_CONSOLE_PEER,
	STEP_CONSOLE_SEND,
	STEP_CONSOLE_BIND,
	STEP_CONSOLE_CTTY,
	STEP_STDIO,
	STEP_MASK,	    /* object: index of plan.masked */
	STEP_READONLY_PATH, /* object: index of plan.readonly */
	STEP_ROOT_READONLY,
	STEP_PIVOT,
	STEP_HOSTNAME,
	STEP_DOMAINNAME,
	STEP_SYSCTL, /* object: index of plan.sysctls */
	STEP_PROC_FD,
	STEP_OOM_SCORE,
	STEP_RLIMIT, /* object: index of process.rlimits */
	STEP_SCHEDULER,
	STEP_IOPRIO,
	STEP_AFFINITY,
	STEP_MEMPOLICY,
	STEP_PERSONALITY,
	STEP_LSM,
	STEP_CWD,
	STEP_CWD_OUTSIDE,
	STEP_SETGROUPS,
	STEP_SETGID,
	STEP_SETUID,
	STEP_CAP_BOUND, /* object: capability */
	STEP_CAPS,
	STEP_CAP_AMBIENT, /* object: capability */
	STEP_NO_NEW_PRIVS,
	STEP_SECCOMP,
	STEP_NOTIFY_SOCKET,
	STEP_GATE,
	STEP_HOOK,	  /* object: index of the hook, aux: kind */
	STEP_HOOK_STATUS, /* err: exit code or -signal */
	STEP_HOOK_TIMEOUT,
	STEP_LOOKUP_PATH, /* name without a slash: searched in PATH */
	STEP_LOOKUP,	  /* name with a slash */
	STEP_EXEC,
	STEP_COUNT
};

enum child_report_kind {
	REPORT_FAILED = 1,
	REPORT_WARNING, /* degraded, going on */
	REPORT_HOOKS,	/* ready for prestart and createRuntime hooks; waits for a byte */
	REPORT_CONSOLE, /* the pty master is attached */
	REPORT_READY,	/* waiting at the gate */
};

struct child_report {
	uint8_t kind;
	uint8_t step;
	uint16_t aux;
	uint32_t index;
	int32_t err; /* positive errno */
};

enum plan_mount_kind {
	PLAN_MOUNT_FS, /* fsopen ... fsmount */
	PLAN_MOUNT_BIND,
	PLAN_MOUNT_CGROUP1, /* a tmpfs with one mount per hierarchy */
	PLAN_MOUNT_REMOUNT, /* change what is there */
};

struct plan_option {
	const char *key;
	const char *value; /* NULL = a flag */
};

struct plan_mount {
	enum plan_mount_kind kind;
	const char *source;
	const char *destination; /* absolute */
	const char *type;
	const char *data; /* options for the file system, comma separated, or NULL */
	struct plan_option *options;
	size_t options_n;
	uint64_t attr_set; /* MOUNT_ATTR_*, this mount */
	uint64_t attr_clr;
	uint64_t rec_set; /* the whole tree */
	uint64_t rec_clr;
	unsigned long propagation[4]; /* MS_* of each propagation option, in order */
	size_t propagation_n;
	bool recursive; /* rbind */
	bool src_nofollow;
	bool dst_nofollow;
	bool copy_symlink;
	bool copyup;	    /* tmpcopyup */
	const char *label;  /* SELinux label of its root, or NULL */
	bool late_readonly; /* a tmpfs, read-only when all is mounted and filled */
	bool strict;	    /* the destination must be a real directory: /proc, /sys, /dev */
	bool is_dev;	    /* this is /dev and we fill it */
	bool idmap;
	bool idmap_recursive;
	const char *idmap_text; /* maps of its own, or NULL */
	int userns_fd;		/* for idmap; -1 */
	int fd;			/* child: the detached mount, -1 */
	bool is_dir;		/* child */
	bool host_sys; /* child: a bind of the host's /sys stands in for a sysfs of our own */
};

struct plan_device {
	const char *path; /* absolute, in the container */
	mode_t mode;	  /* type and permissions */
	dev_t dev;
	uid_t uid;
	gid_t gid;
	bool optional; /* skipped when the host has none */
	int fd;	       /* child: detached bind of the host's node, -1 */
};

struct plan_link {
	const char *target;
	const char *path; /* absolute, in the container */
};

struct plan_sysctl {
	const char *path; /* "sys/net/ipv4/ip_forward" */
	const char *value;
};

struct plan_join {
	int fd;
	int flag; /* CLONE_NEW* */
	enum spec_ns ns;
};

struct plan_cgroup1 {
	const char *name;    /* directory below the mount: "cpu,cpuacct" */
	const char *options; /* as a mount wants them: "cpu,cpuacct" or "name=systemd" */
	const char *host;    /* the host's mount point */
	const char *path; /* our own group in it, for the bind when there is no cgroup namespace */
};

struct plan_hook {
	char *const *argv;
	char *const *envp; /* NULL = ours */
	const char *path;
	int timeout;
};

struct child_plan {
	/* talk with the parent */
	int sync_fd;
	int parent_fd;	   /* the parent's end: closed at once, so that its death is seen */
	int listen_fd;	   /* gate on disk: a listening socket; -1: the gate is sync_fd */
	bool lookup_early; /* look for the program before the gate */
	bool die_with_parent;

	/* namespaces */
	bool enter;	   /* exec: no root file system work at all */
	bool wait_map;	   /* the parent writes our id maps */
	bool maps_by_root; /* ... and needs no access to our procfs files for it */
	bool become_root;  /* take ids root_uid and root_gid once mapped */
	uid_t root_uid;
	gid_t root_gid;
	struct plan_join joins[SPEC_NS_COUNT];
	size_t joins_n;
	int join_pid_fd; /* >= 0: of a process that is in all of them; joined with one call, fds are -1 */
	bool intermediate; /* the joins are made by an intermediate process */
	pid_t *joined_pid; /* shared page: the pid of the process that it made */
	uint64_t clone_flags;
	uint64_t unshare_flags;	  /* done after the clone: cgroup, time */
	const char *time_offsets; /* text for timens_offsets, or NULL */
	bool in_userns;		  /* the process lives in a user namespace: no mknod */
	bool new_net;
	int cgroup_fds[16]; /* version 1: cgroup.procs files of the groups */
	size_t cgroup_fds_n;
	int cgroup_dir_fd; /* version 2: the group to be cloned into, -1 */
	int scope_fd;	   /* crt-sdbus, which has systemd move the process into its scope; -1 */
	pid_t scope_helper;
	const char *scope_unit;
	const char *scope_sub; /* group below the scope, or "" */
	int proc_fd;	       /* verified procfs of the host */

	/* root file system */
	const char *rootfs;
	unsigned long root_propagation;
	bool root_readonly;
	bool no_pivot;
	char **host_proc; /* with no_pivot: where the host's procfs and sysfs are mounted */
	size_t host_proc_n;
	bool late_readonly; /* some mount is */
	struct plan_mount *mounts;
	size_t mounts_n;
	struct plan_device *devices;
	size_t devices_n;
	const struct plan_link *links;
	size_t links_n;
	bool own_dev;
	const char *const *masked;
	size_t masked_n;
	const char *const *readonly;
	size_t readonly_n;
	struct plan_cgroup1 *cgroup1;
	size_t cgroup1_n;
	bool cgroup2; /* the host's main hierarchy is version 2 */
	bool cgroup_ns;

	/* console and stdio */
	bool terminal;
	int console_sock_fd; /* send the master there; -1: to the parent */
	int stdio[3];

	/* hooks */
	bool wait_hooks;
	const struct plan_hook *hooks_create; /* createContainer */
	size_t hooks_create_n;
	const struct plan_hook *hooks_start; /* startContainer */
	size_t hooks_start_n;
	int hook_state_fd; /* state JSON; read from the start by each hook */
	int hook_start_state_fd;

	/* the process */
	const struct spec_process *process;
	const char *hostname;
	const char *domainname;
	const struct plan_sysctl *sysctls;
	size_t sysctls_n;
	bool new_keyring;
	const char *keyring_name;
	char **envp; /* with two free slots at envp_free for HOME and NOTIFY */
	size_t envp_free;
	bool set_home;
	const char *const *path_dirs; /* PATH split at ':' */
	size_t path_dirs_n;
	unsigned int keep_fds; /* 3 .. 3+n-1 survive */
	bool keep_groups;
	bool setgroups_denied;
	uint64_t caps[SPEC_CAP_COUNT];
	const char *apparmor_exec; /* "exec PROFILE", or NULL */
	const char *selinux_label; /* or NULL */
	const struct sock_fprog *seccomp;
	unsigned int seccomp_flags;
	int notify_fd;		    /* connected socket for the seccomp listener, -1 */
	const char *notify_text[3]; /* the process state's JSON; our pid belongs between the pieces */
	bool has_personality;
	unsigned long personality;
	bool has_mempolicy;
	int mempolicy_mode;
	unsigned long mempolicy_nodes[16];
	bool has_affinity_early; /* before the cgroup is entered */
	unsigned long affinity_early[128];
	bool has_affinity;
	unsigned long affinity[128]; /* 8192 processors */
};

/* child.c: the body of the new process. Never returns. */
_Noreturn void child_main(struct child_plan *p);
/* child_join.c: join plan->joins, make the real child as our sibling, tell the parent its pid. Never returns. */
_Noreturn void child_join_main(struct child_plan *p);

/* report.c: the text of a failure. 0 is never returned: the negative errno is. */
int report_format(const struct child_plan *p, const struct child_report *rep, struct error *e);

#endif
