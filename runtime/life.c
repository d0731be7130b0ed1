/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers by id: state, kill, delete, list, ps, pause, update.
 *
 * Theory of operation: each call loads the record (state.c), derives the
 * status, acts. Processes are signalled by pidfd after the start time was
 * compared, so that a reused pid is never hit. `delete` works in an order that
 * a crash at any point lets the next `delete` finish: kill, wait, cgroups,
 * poststop hooks, then the directory. Error phrases are runc's, because
 * containerd and podman match them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/hooks.h"
#include "runtime/runtime.h"
#include "runtime/state.h"
#include "runtime/sys.h"

#define KILL_WAIT_MS 10000

int runtime_pidfd(int state_root_fd, const char *id, pid_t *ret_pid, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e), pid_fd = -1;
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = state_load(state_root_fd, id, &s, e);
	if (r < 0)
		return r;
	r = state_signal(&s, proc_fd, 0, &pid_fd);
	*ret_pid = s.pid;
	state_fini(&s);
	if (r < 0)
		return error_setf(e, r, "container not running");
	return steal_fd(&pid_fd);
}

int runtime_state(int state_root_fd, const char *id, char **ret, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = state_load(state_root_fd, id, &s, e);
	if (r < 0)
		return r;
	*ret = state_text(&s, state_status_sure(&s, proc_fd), false);
	state_fini(&s);
	return *ret == NULL ? error_set(e, -ENOMEM, "state of container %s", id) : 0;
}

int runtime_kill(int state_root_fd, const char *id, int sig, bool all, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = state_load(state_root_fd, id, &s, e);
	if (r < 0)
		return r;
	r = state_signal(&s, proc_fd, sig, NULL);
	if (all && s.cgroup != NULL && (r == 0 || r == -ESRCH))
		(void)cgroup_kill(s.cgroup, sig,
				  NULL); /* the pid namespace has none left without its init */
	if (r == -ESRCH && all)
		r = 0;
	if (r == -ESRCH)
		(void)error_setf(e, r, "container not running");
	else if (r < 0)
		(void)error_set(e, r, "unable to signal init");
	state_fini(&s);
	return r;
}

static void run_poststop(const struct state *s)
{
	struct spec spec = { .tree = NULL };
	_cleanup_free_ char *text = NULL;
	struct error e = ERROR_INIT;

	if (state_config(s, &spec, &e) == 0 && spec.hooks[SPEC_HOOK_POSTSTOP].n > 0) {
		text = state_text(s, STATE_STOPPED, true);
		if (text == NULL ||
		    hooks_run(&spec.hooks[SPEC_HOOK_POSTSTOP], SPEC_HOOK_POSTSTOP, text, &e) < 0)
			log_warning("%s", e.msg); /* by the specification no error */
	}
	spec_fini(&spec);
}

static int delete_loaded(int state_root_fd, const struct state *s, bool force, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e), pid_fd = -1;
	enum state_status st;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	st = state_status(s, proc_fd);
	if (!force && st != STATE_STOPPED && st != STATE_CREATED)
		return error_setf(e, -EBUSY, "cannot delete container %s that is not stopped: %s",
				  s->id, state_status_name(st));
	if (st != STATE_STOPPED) {
		if (st == STATE_PAUSED)
			(void)cgroup_freeze(s->cgroup, false,
					    NULL); /* a frozen process cannot die on version 1 */
		r = state_signal(s, proc_fd, SIGKILL, &pid_fd);
		if (r == 0)
			r = proc_pidfd_wait(pid_fd, KILL_WAIT_MS);
		if (r < 0 && r != -ESRCH)
			return error_set(e, r, "kill container %s", s->id);
	}
	cgroup_remove(s->cgroup);
	run_poststop(s);
	return state_remove(state_root_fd, s->dir_fd, s->id, e);
}

int runtime_delete(int state_root_fd, const char *id, bool force, struct error *e)
{
	struct error why = ERROR_INIT;
	struct state s;
	int r;

	r = state_load(state_root_fd, id, &s, &why);
	if (r < 0) {
		if (!force || r == -EINVAL) {
			if (e != NULL)
				*e = why;
			return r;
		}
		/* a half-made directory, or none */
		return state_root_fd < 0 ? 0 : path_remove_tree(state_root_fd, id, e);
	}
	r = delete_loaded(state_root_fd, &s, force, e);
	state_fini(&s);
	return r;
}

static int list_one(int state_root_fd, int proc_fd, const char *id, json_t *arr)
{
	struct state s;
	enum state_status st;
	struct stat dir;
	char owner[16] = "root";
	json_t *j;
	int r;

	r = state_load(state_root_fd, id, &s, NULL);
	if (r < 0)
		return 0; /* half-made, or removed while we look */
	if (fstat(s.dir_fd, &dir) == 0 && dir.st_uid != 0)
		(void)snprintf(owner, sizeof(owner), "%u", dir.st_uid);
	st = state_status_sure(&s, proc_fd);
	j = json_pack("{s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:s}", "ociVersion", "1.0.2", "id", s.id, "pid",
		      (json_int_t)(st == STATE_STOPPED ? 0 : s.pid), "status",
		      state_status_name(st), "bundle", s.bundle, "rootfs", s.rootfs, "created",
		      s.created, "owner", owner);
	if (j != NULL && s.annotations != NULL)
		(void)json_object_set(j, "annotations", s.annotations);
	state_fini(&s);
	return json_array_append_new(arr, j) < 0 ? -ENOMEM : 0;
}

static int is_container(const struct dirent *de)
{
	return id_container_valid(de->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int runtime_list(int state_root_fd, char **ret, struct error *e)
{
	_cleanup_json_ json_t *arr = json_array();
	_cleanup_fd_ int proc_fd = procfs_open(e);
	struct dirent **names = NULL;
	int n, r = 0;

	if (proc_fd < 0)
		return proc_fd;
	if (arr == NULL)
		return error_set(e, -ENOMEM, "list");
	if (state_root_fd >= 0) {
		n = scandirat(state_root_fd, ".", &names, is_container, by_name);
		if (n < 0)
			return error_set(e, -errno, "read the state directory");
		for (int i = 0; i < n; i++) {
			if (r == 0)
				r = list_one(state_root_fd, proc_fd, names[i]->d_name, arr);
			free(names[i]);
		}
		free(names);
		if (r < 0)
			return error_set(e, r, "list");
	}
	*ret = json_to_text(arr);
	return *ret == NULL ? error_set(e, -ENOMEM, "list") : 0;
}

/* The record of a container that must be alive. */
static int load_running(int state_root_fd, const char *id, int proc_fd, struct state *ret,
			struct error *e)
{
	int r = state_load(state_root_fd, id, ret, e);

	if (r < 0)
		return r;
	if (state_alive(ret, proc_fd))
		return 0;
	state_fini(ret);
	return error_setf(e, -ESRCH, "container not running");
}

/* Without cgroups: the processes of the pid namespace, seen in procfs. */
static int pids_by_namespace(const struct state *s, int proc_fd, pid_t **ret, size_t *ret_n)
{
	_cleanup_free_ pid_t *v = NULL;
	_cleanup_dir_ DIR *d = NULL;
	struct stat want, st;
	struct dirent *de;
	char path[300];
	size_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%d/ns/pid", (int)s->pid);
	if (fstatat(proc_fd, path, &want, 0) < 0) {
		/* not ours to look at: the first process only */
		v = malloc(sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		v[0] = s->pid;
		*ret = steal_ptr(&v);
		*ret_n = 1;
		return 0;
	}
	fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL)
		return -errno;
	while ((de = readdir(d)) != NULL) {
		unsigned long long pid;
		pid_t *more;

		if (str_to_u64(de->d_name, INT32_MAX, &pid) < 0)
			continue;
		(void)snprintf(path, sizeof(path), "%llu/ns/pid", pid);
		if (fstatat(proc_fd, path, &st, 0) < 0 || st.st_ino != want.st_ino ||
		    st.st_dev != want.st_dev)
			continue;
		more = reallocarray(v, n + 1, sizeof(*v));
		if (more == NULL)
			return -ENOMEM;
		v = more;
		v[n++] = (pid_t)pid;
	}
	*ret = steal_ptr(&v);
	*ret_n = n;
	return 0;
}

int runtime_pids(int state_root_fd, const char *id, pid_t **ret, size_t *ret_n, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = state_load(state_root_fd, id, &s, e);
	if (r < 0)
		return r;
	*ret = NULL;
	*ret_n = 0;
	if (state_alive(&s, proc_fd)) {
		r = cgroup_pids(s.cgroup, ret, ret_n, NULL);
		if (r < 0 || *ret_n == 0)
			r = pids_by_namespace(&s, proc_fd, ret, ret_n);
		if (r < 0)
			(void)error_set(e, r, "list the processes of container %s", id);
	}
	state_fini(&s);
	return r;
}

int runtime_pause(int state_root_fd, const char *id, bool paused, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	enum state_status st;
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = load_running(state_root_fd, id, proc_fd, &s, e);
	if (r < 0)
		return r;
	st = state_status(&s, proc_fd);
	if (!paused && st != STATE_PAUSED)
		r = error_setf(e, -EINVAL, "container not paused");
	else if (paused && st == STATE_PAUSED)
		r = error_setf(e, -EBUSY, "container paused");
	else
		r = cgroup_freeze(s.cgroup, paused, e);
	state_fini(&s);
	return r;
}

int runtime_update(int state_root_fd, const char *id, const char *resources, size_t len,
		   struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	_cleanup_json_ json_t *j = NULL;
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	j = json_parse(resources, len, "resources", e);
	if (j == NULL || cgroup_resources_check(j, "resources", e) < 0)
		return -EINVAL;
	r = load_running(state_root_fd, id, proc_fd, &s, e);
	if (r < 0)
		return r;
	if (json_object_get(s.cgroup, "scope") != NULL)
		r = cgroup_systemd_update(s.cgroup, j, e);
	if (r == 0)
		r = cgroup_update(s.cgroup, j, e);
	state_fini(&s);
	return r;
}

int runtime_stats(int state_root_fd, const char *id, char **ret, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	_cleanup_json_ json_t *stats = NULL;
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = load_running(state_root_fd, id, proc_fd, &s, e);
	if (r < 0)
		return r;
	stats = cgroup_stats(s.cgroup);
	state_fini(&s);
	if (stats == NULL)
		stats = json_object();
	*ret = json_to_text(stats);
	return *ret == NULL ? error_set(e, -ENOMEM, "stats") : 0;
}
