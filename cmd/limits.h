/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits of containers: what was asked for, how it becomes linux.resources, and by which
 * means it holds where no control group is to be had.
 */
#ifndef CMD_LIMITS_H
#define CMD_LIMITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "cmd/limits_watch.h"

enum limits_cgroups {
	LIMITS_CGROUPS_AUTO, /* a group where a limit needs one */
	LIMITS_CGROUPS_ENABLED,
	LIMITS_CGROUPS_DISABLED,
	LIMITS_CGROUPS_NO_CONMON,
	LIMITS_CGROUPS_SPLIT, /* below the caller's own group */
	LIMITS_CGROUPS_COUNT
};

/* The part of a request. 0 = not asked for, -1 = unlimited. */
struct limits {
	int64_t memory, memory_swap, memory_reservation; /* bytes */
	int64_t memory_swappiness;			 /* -1 = not asked for */
	int64_t nano_cpus;
	int64_t cpu_shares, cpu_quota, cpu_period, cpu_rt_runtime, cpu_rt_period;
	int64_t pids, blkio_weight, oom_score_adj;
	bool oom_score_set, oom_kill_disable;
	char *cpuset_cpus, *cpuset_mems;
	struct strv read_bps, write_bps, read_iops, write_iops; /* DEVICE:RATE */
	struct strv conf;					/* FILE=VALUE, of version 2 */
	enum limits_cgroups cgroups;
	char *cgroup_parent;
	bool require; /* what cannot hold by a group is an error */
};
#define LIMITS_INIT ((struct limits){ .memory_swappiness = -1 })
void limits_fini(struct limits *l);

/* What the command line says, as text. Borrowed from argv but for the lists. */
struct limits_options {
	const char *memory, *memory_swap, *memory_reservation, *memory_swappiness, *cpus,
		*cpu_shares, *cpu_quota, *cpu_period, *cpu_rt_runtime, *cpu_rt_period, *cpuset_cpus,
		*cpuset_mems, *pids, *blkio_weight, *oom_score_adj, *cgroups, *cgroup_parent;
	bool oom_kill_disable, require;
	struct strv read_bps, write_bps, read_iops, write_iops, conf;
};
void limits_options_fini(struct limits_options *o);
/* Was any of them given? */
bool limits_options_any(const struct limits_options *o);
/* Merge them into l: what is not given stays. 0 or -errno. */
int limits_take(struct limits *l, struct limits_options *o, struct error *e);
const char *limits_cgroups_name(enum limits_cgroups mode);

/* The rows of an option table that run, create and update share; member: a struct limits_options of type. */
#define LIMITS_AT(type, member, m) offsetof(type, member.m)
#define LIMITS_OPTIONS(T, M)                                                                   \
	{ "blkio-weight", 0,                                                                   \
	  OPT_STRING,	  LIMITS_AT(T, M, blkio_weight),                                       \
	  "WEIGHT",	  "Share of the block devices, 10 to 1000",                            \
	  NULL,		  NULL },                                                              \
		{ "cpu-period",	  0,                                                           \
		  OPT_STRING,	  LIMITS_AT(T, M, cpu_period),                                 \
		  "MICROSECONDS", "Period of --cpu-quota (default 100000)",                    \
		  NULL,		  NULL },                                                      \
		{ "cpu-quota",	  0,                                                           \
		  OPT_STRING,	  LIMITS_AT(T, M, cpu_quota),                                  \
		  "MICROSECONDS", "CPU time in each period",                                   \
		  NULL,		  NULL },                                                      \
		{ "cpu-rt-period",                                                             \
		  0,                                                                           \
		  OPT_STRING,                                                                  \
		  LIMITS_AT(T, M, cpu_rt_period),                                              \
		  "MICROSECONDS",                                                              \
		  "Period of --cpu-rt-runtime",                                                \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "cpu-rt-runtime",                                                            \
		  0,                                                                           \
		  OPT_STRING,                                                                  \
		  LIMITS_AT(T, M, cpu_rt_runtime),                                             \
		  "MICROSECONDS",                                                              \
		  "Real-time CPU time in each period",                                         \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "cpu-shares", 0,                                                             \
		  OPT_STRING,	LIMITS_AT(T, M, cpu_shares),                                   \
		  "SHARES",	"Weight against others when CPUs are short (default 1024)",    \
		  NULL,		NULL },                                                        \
		{ "cpus",     0,                                                               \
		  OPT_STRING, LIMITS_AT(T, M, cpus),                                           \
		  "NUMBER",   "CPUs worth of time, as 1.5",                                    \
		  NULL,	      NULL },                                                          \
		{ "cpuset-cpus", 0,                                                            \
		  OPT_STRING,	 LIMITS_AT(T, M, cpuset_cpus),                                 \
		  "LIST",	 "Run on these CPUs, as 0-2,7",                                \
		  NULL,		 NULL },                                                       \
		{ "cpuset-mems", 0,                                                            \
		  OPT_STRING,	 LIMITS_AT(T, M, cpuset_mems),                                 \
		  "LIST",	 "Use memory of these nodes",                                  \
		  NULL,		 NULL },                                                       \
		{ "device-read-bps",                                                           \
		  0,                                                                           \
		  OPT_STRINGS,                                                                 \
		  LIMITS_AT(T, M, read_bps),                                                   \
		  "DEVICE:RATE",                                                               \
		  "Bytes a second read from DEVICE",                                           \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "device-read-iops",                                                          \
		  0,                                                                           \
		  OPT_STRINGS,                                                                 \
		  LIMITS_AT(T, M, read_iops),                                                  \
		  "DEVICE:RATE",                                                               \
		  "Reads a second from DEVICE",                                                \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "device-write-bps",                                                          \
		  0,                                                                           \
		  OPT_STRINGS,                                                                 \
		  LIMITS_AT(T, M, write_bps),                                                  \
		  "DEVICE:RATE",                                                               \
		  "Bytes a second written to DEVICE",                                          \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "device-write-iops",                                                         \
		  0,                                                                           \
		  OPT_STRINGS,                                                                 \
		  LIMITS_AT(T, M, write_iops),                                                 \
		  "DEVICE:RATE",                                                               \
		  "Writes a second to DEVICE",                                                 \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "memory",   'm',                                                             \
		  OPT_STRING, LIMITS_AT(T, M, memory),                                         \
		  "SIZE",     "Kill the container's processes that need more memory",          \
		  NULL,	      NULL },                                                          \
		{ "memory-reservation",                                                        \
		  0,                                                                           \
		  OPT_STRING,                                                                  \
		  LIMITS_AT(T, M, memory_reservation),                                         \
		  "SIZE",                                                                      \
		  "Memory to be left when the host runs short of it",                          \
		  NULL,                                                                        \
		  NULL },                                                                      \
		{ "memory-swap", 0,                                                            \
		  OPT_STRING,	 LIMITS_AT(T, M, memory_swap),                                 \
		  "SIZE",	 "Memory and swap together (-1: any; default twice --memory)", \
		  NULL,		 NULL },                                                       \
		{ "memory-swappiness",                                                         \
		  0,                                                                           \
		  OPT_STRING,                                                                  \
		  LIMITS_AT(T, M, memory_swappiness),                                          \
		  "0-100",                                                                     \
		  "How readily memory is swapped out",                                         \
		  NULL,                                                                        \
		  NULL },                                                                      \
	{                                                                                      \
		"pids-limit", 0, OPT_STRING, LIMITS_AT(T, M, pids), "NUMBER",                  \
			"Processes and threads at once (-1: any)", NULL, NULL                  \
	}

/* ---- into the configuration (limits.c) ---- */

/* Is anything asked for that a group is needed for? */
bool limits_any(const struct limits *l);
/* linux.resources, a new reference (empty without limits); NULL with e filled. */
json_t *limits_resources(const struct limits *l, struct error *e);

/* Set podman's keys of HostConfig. 0 or -ENOMEM. */
int limits_inspect(const struct limits *l, json_t *host);

/* How a container's groups are to be made. Strings are owned; release with limits_plan_fini(). */
struct limits_plan {
	const char *manager; /* of struct runtime_create */
	char *path;	     /* linux.cgroupsPath, or NULL */
	char *why;	     /* "disabled" though a group is wanted */
};
int limits_plan(const struct limits *l, const char *id, bool is_root, struct limits_plan *ret,
		struct error *e);
void limits_plan_fini(struct limits_plan *p);

/* ---- for a container that waits at its gate (limits_apply.c) ---- */

#define LIMITS_FILE "limits.json" /* in the bundle: how the limits hold */

struct runtime_container;
struct limits_made {
	const struct limits *limits;
	const char *manager;
	const char *why; /* there is no group; NULL = there may be */
	bool is_root, pid_host, has_fuse, warn;
};
/*
 * Note the groups of c in the bundle, or find other means, say so in one line, and note those.
 * *watch is filled where memory is to be watched. 0 or -errno.
 */
int limits_settle(int bundle_fd, const struct runtime_container *c, const struct limits_made *m,
		  struct limits_watch *watch, struct error *e);
/* The text of the groups' record of a bundle, NULL when there are none. Caller frees. */
char *limits_cgroup(const char *rundir);
char *limits_cgroup_at(int bundle_fd);
/* The whole of LIMITS_FILE, a new reference; NULL = no limits. */
json_t *limits_file(const char *rundir);
/* Were processes of its groups killed for want of memory? */
bool limits_oom(const char *rundir);
/* Remove the groups of a bundle whose container is gone. */
void limits_end(const char *rundir);
/*
 * Change them for a running container without groups: what o has, to what l says now, but for memory,
 * which is its monitor's business. 0, or -ENOTSUP with e naming what cannot be changed.
 */
int limits_change(const char *rundir, pid_t first, const struct limits_options *o,
		  const struct limits *l, struct error *e);
/* Other means for one more process of a container (exec), which this process will start by process. 0 or -ENOMEM. */
int limits_join(int bundle_fd, json_t *process);

#endif
