/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to runtime/: config.json (OCI runtime-spec 1.x) as a C structure.
 *
 * The structure keeps the jansson tree alive: every string is borrowed from
 * it. Arrays are the structure's own. The parser is pure: text in, structure
 * or error out, no file or system call; the error names the JSON path.
 */
#ifndef RUNTIME_SPEC_H
#define RUNTIME_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/types.h"

enum spec_ns {
	SPEC_NS_USER,
	SPEC_NS_MOUNT,
	SPEC_NS_PID,
	SPEC_NS_NETWORK,
	SPEC_NS_IPC,
	SPEC_NS_UTS,
	SPEC_NS_CGROUP,
	SPEC_NS_TIME,
	SPEC_NS_COUNT
};

struct spec_namespace {
	bool present;
	const char *path; /* join this one; NULL = a new one */
};

enum spec_capset {
	SPEC_CAP_BOUNDING,
	SPEC_CAP_EFFECTIVE,
	SPEC_CAP_INHERITABLE,
	SPEC_CAP_PERMITTED,
	SPEC_CAP_AMBIENT,
	SPEC_CAP_COUNT
};

struct spec_rlimit {
	int resource;	  /* RLIMIT_* */
	const char *name; /* "RLIMIT_NOFILE" */
	uint64_t soft;
	uint64_t hard;
};

/* Matches the layout of the kernel's struct sched_attr, first version. */
struct spec_scheduler {
	bool present;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

struct spec_process {
	bool terminal;
	uint16_t rows; /* consoleSize; 0 = not given */
	uint16_t cols;
	uid_t uid;
	gid_t gid;
	int32_t umask; /* -1 = not given */
	gid_t *gids;
	size_t gids_n;
	const char **args; /* NULL-terminated; NULL when there are none */
	size_t args_n;
	const char **env; /* NULL-terminated; NULL when there are none */
	size_t env_n;
	const char *cwd;
	bool has_caps;
	uint64_t caps[SPEC_CAP_COUNT];
	char unknown_cap[64]; /* the first name that we do not know, for a warning; "" */
	struct spec_rlimit *rlimits;
	size_t rlimits_n;
	bool no_new_privs;
	bool has_oom_score;
	int32_t oom_score_adj;
	const char *apparmor;
	const char *selinux;
	struct spec_scheduler sched;
	bool has_ioprio;
	int32_t ioprio; /* as ioprio_set(2) takes it */
	const char *cpu_affinity_initial;
	const char *cpu_affinity_final;
};

struct spec_mount {
	const char *destination;
	const char *type;     /* NULL = none given */
	const char *source;   /* NULL = none given */
	const char **options; /* NULL-terminated; may be NULL */
	size_t options_n;
	struct id_map idmap; /* uidMappings, gidMappings */
};

enum spec_hook_kind {
	SPEC_HOOK_PRESTART,
	SPEC_HOOK_CREATE_RUNTIME,
	SPEC_HOOK_CREATE_CONTAINER,
	SPEC_HOOK_START_CONTAINER,
	SPEC_HOOK_POSTSTART,
	SPEC_HOOK_POSTSTOP,
	SPEC_HOOK_COUNT
};
extern const char *const spec_hook_names[SPEC_HOOK_COUNT];

struct spec_hook {
	const char *path;
	const char **args; /* NULL-terminated, NULL = { path } */
	size_t args_n;
	const char **env; /* NULL = not given: the hook gets the runtime's environment */
	size_t env_n;
	int32_t timeout; /* seconds; 0 = none */
};

struct spec_hooks {
	struct spec_hook *v;
	size_t n;
};

struct spec_device {
	const char *path;
	mode_t type; /* S_IFCHR, S_IFBLK, S_IFIFO */
	uint32_t major;
	uint32_t minor;
	bool has_mode;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct spec_time_offset {
	bool present;
	int64_t secs;
	uint32_t nanosecs;
};

struct spec {
	json_t *tree;
	const char *oci_version;
	const char *root_path;
	bool root_readonly;
	bool has_process;
	struct spec_process process;
	const char *hostname;
	const char *domainname;
	struct spec_mount *mounts;
	size_t mounts_n;
	struct spec_hooks hooks[SPEC_HOOK_COUNT];
	json_t *annotations; /* object of strings or NULL, borrowed from tree */
	struct spec_namespace ns[SPEC_NS_COUNT];
	struct id_map idmap;
	struct spec_time_offset monotonic;
	struct spec_time_offset boottime;
	struct spec_device *devices;
	size_t devices_n;
	const char *cgroups_path;
	json_t *resources;   /* object or NULL */
	json_t *sysctl;	     /* object of strings or NULL */
	json_t *seccomp;     /* object or NULL */
	json_t *seccomp_own; /* the same when it is not in the tree */
	json_t *intel_rdt;   /* object or NULL */
	json_t *net_devices; /* object or NULL */
	const char *rootfs_propagation;
	const char **masked;
	size_t masked_n;
	const char **readonly;
	size_t readonly_n;
	const char *mount_label;
	bool has_personality;
	uint32_t personality;
	bool has_mempolicy;
	int32_t mempolicy_mode; /* with its flags */
	const char *mempolicy_nodes;
};

/* Parse a whole config.json. Free with spec_fini(). 0 or -errno. */
int spec_parse(const char *text, size_t len, struct spec *ret, struct error *e);
/* The same from a tree, of which a reference is kept, and the text of linux.seccomp if that is not in it (may be NULL). */
int spec_take(json_t *tree, const char *seccomp, struct spec *ret, struct error *e);
void spec_fini(struct spec *s);
/* A process object alone (exec --process). Strings are borrowed from obj. where is its JSON path. */
int spec_process_parse(const json_t *obj, const char *where, struct spec_process *ret,
		       struct error *e);
void spec_process_fini(struct spec_process *p);

/* The refusal rules: what is well-formed but cannot be done. */
int spec_check(const struct spec *s, struct error *e);
/* The same for a process object alone. */
int spec_process_check(const struct spec_process *p, struct error *e);

/* "network" for SPEC_NS_NETWORK and so on; CLONE_NEW* flag of it; file name below /proc/PID/ns. */
const char *spec_ns_name(enum spec_ns ns);
uint64_t spec_ns_flag(enum spec_ns ns);
const char *spec_ns_file(enum spec_ns ns);
/* RLIMIT_* of a name such as "RLIMIT_NOFILE", or -EINVAL. */
int spec_rlimit_parse(const char *name);
/* MPOL_*, its flags: tables for features (NULL-terminated). */
const char *const *spec_mempolicy_modes(void);
const char *const *spec_mempolicy_flags(void);

/*
 * Array of strings as a NULL-terminated vector of borrowed pointers; the
 * vector is the caller's to free. A missing key gives NULL, 0.
 */
int spec_get_strings(const json_t *obj, const char *where, const char *key, const char ***ret,
		     size_t *ret_n, struct error *e);

#endif
