/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: the container's control groups. */
#ifndef RUNTIME_CGROUP_H
#define RUNTIME_CGROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/prepare.h"
#include "runtime/spec.h"

/*
 * Make the container's groups, set its limits, and put the fds that the child
 * enters them by into the plan. *ret_record (new reference, may stay NULL when
 * there is nothing) is what the other functions want: {"version": 1 or 2,
 * "paths": {CONTROLLERS: DIRECTORY}}. Where this host forbids it, nothing is
 * done and 0 returned, unless the configuration demands a limit; strict: then it is an error also
 * for an unprivileged user, who is otherwise warned only.
 */
int cgroup_create(struct prepared *pr, const struct spec *s, const char *id, const char *manager,
		  bool strict, const struct prepare_host *h, json_t **ret_record, struct error *e);
/*
 * Put the fds for entering the groups of a running container, whose first process is given, into
 * the plan (exec). sub: a sub-group or NULL.
 */
int cgroup_enter(struct prepared *pr, const json_t *record, const char *sub, pid_t first,
		 struct error *e);
/* Move a process of ours into the groups that cgroup_create() made with this plan. */
int cgroup_attach(const json_t *record, const struct child_plan *plan, pid_t pid, struct error *e);
/* Kill what is left and remove the groups with their sub-groups. */
void cgroup_remove(const json_t *record);
/* A signal to every process of the groups. Number of processes or -errno. */
int cgroup_kill(const json_t *record, int sig, struct error *e);
int cgroup_freeze(const json_t *record, bool frozen, struct error *e);
bool cgroup_is_frozen(const json_t *record);
/* All pids in the groups (caller frees). -ENOENT without groups. */
int cgroup_pids(const json_t *record, pid_t **ret, size_t *ret_n, struct error *e);

/* ---- cgroup_res.c ---- */
/* The directory of the hierarchy that has this controller; NULL when there is none. Borrowed. */
const char *cgroup_path(const json_t *record, const char *controller);
int cgroup_version(const json_t *record);
int cgroup_write(const char *dir, const char *file, const char *value);
int cgroup_read(const char *dir, const char *file, char **ret);
/* Does this resources object demand any limit (other than device rules)? */
bool cgroup_has_limits(const json_t *resources);
/* Apply a linux.resources object. */
int cgroup_update(const json_t *record, const json_t *resources, struct error *e);
/* A number of linux.resources; false when it is not there. */
bool cgroup_number(const json_t *resources, const char *section, const char *key, int64_t *ret);
/* CPU shares 2..262144 as weights 1..10000. */
int64_t cgroup_cpu_weight(int64_t shares);
/* ---- cgroup_check.c: the types of a linux.resources object (may be NULL); where is its JSON path ---- */
int cgroup_resources_check(const json_t *resources, const char *where, struct error *e);
/* ---- cgroup_dev.c: attach linux.resources.devices to a group of version 2 ---- */
int cgroup_devices2(const char *dir, const json_t *rules, struct error *e);
/*
 * The same as properties [NAME, TYPE, VALUE] of a scope, appended to list. What systemd has no
 * words for is left to the program of cgroup_devices2(): then nothing is appended.
 */
int cgroup_devices_systemd(int proc_fd, const json_t *rules, json_t *list, struct error *e);
/* Figures for `events --stats` as a JSON object (new reference), NULL when there are none. */
json_t *cgroup_stats(const json_t *record);

/* ---- cgroup_systemd.c: a scope of systemd; the record has "scope" and "user" besides ---- */
/* Make the scope with its limits and fill in the record; the plan then says how its process gets there. */
int cgroup_systemd_create(struct prepared *pr, const struct spec *s, const char *id, bool user,
			  json_t *record, struct error *e);
/* The plan of a process that will be moved into a running container's scope. */
int cgroup_systemd_enter(struct prepared *pr, const json_t *record, const char *sub,
			 struct error *e);
/* Move the process where the plan says. */
int cgroup_systemd_attach(const struct child_plan *plan, pid_t pid, struct error *e);
int cgroup_systemd_update(const json_t *record, const json_t *resources, struct error *e);
/* End the scope, and forget it when it had failed. */
int cgroup_systemd_stop(const json_t *record, struct error *e);

#endif
