/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A further process in a running container.
 *
 * Theory of operation: the container's first process is the handle: its
 * namespaces are opened below the verified procfs after its start time was
 * compared. An intermediate process joins them (child_join.c) and clones the
 * real one as a child of the caller; from then on the steps are those of a new
 * container without its file systems: working directory by openat2, ids,
 * capabilities, seccomp, exec.
 *
 * The processes of the container are hostile and see the newcomer as soon as
 * it is in their pid namespace: it is not dumpable from before the join until
 * its exec (so nobody can trace it or look at its fds), holds no fd of the
 * host that is not CLOEXEC, and its program is looked for inside only after
 * the join. The ids of -u are strict decimal numbers, never names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/parent.h"
#include "runtime/prepare.h"
#include "runtime/runtime.h"
#include "runtime/state.h"

/* Everything of one exec, released together. */
struct exec_call {
	const struct runtime_exec *x;
	struct state state;
	struct spec spec;
	struct prepared pr;
	json_t *process_tree;
	struct spec_process given; /* from process_tree */
	struct spec_process p;	   /* what is run; arrays belong to spec, given or pr */
};

static int parse_id(const char *text, size_t len, uint32_t *ret)
{
	unsigned long long v;
	char copy[16];

	if (len == 0 || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (str_to_u64(copy, 0xfffffffeULL, &v) < 0)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

static int apply_user(struct exec_call *k, struct error *e)
{
	const char *user = k->x->user, *colon;
	uint32_t uid, gid;

	if (user == NULL || user[0] == '\0')
		return 0;
	colon = strchr(user, ':');
	if (parse_id(user, colon != NULL ? (size_t)(colon - user) : strlen(user), &uid) < 0)
		return error_setf(e, -EINVAL, "--user: \"%.64s\" is not UID[:GID] in decimal",
				  user);
	k->p.uid = uid;
	if (colon == NULL)
		return 0;
	if (parse_id(colon + 1, strlen(colon + 1), &gid) < 0)
		return error_setf(e, -EINVAL, "--user: \"%.64s\" is not UID[:GID] in decimal",
				  user);
	k->p.gid = gid;
	return 0;
}

static int apply_gids(struct exec_call *k, struct error *e)
{
	size_t n = 0;
	gid_t *v;

	while (k->x->gids != NULL && k->x->gids[n] != NULL)
		n++;
	if (n == 0)
		return 0;
	v = prepared_alloc(&k->pr, n, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "--additional-gids");
	for (size_t i = 0; i < n; i++)
		if (parse_id(k->x->gids[i], strlen(k->x->gids[i]), &v[i]) < 0)
			return error_setf(e, -EINVAL,
					  "--additional-gids: \"%.64s\" is not a group id",
					  k->x->gids[i]);
	k->p.gids = v;
	k->p.gids_n = n;
	return 0;
}

static int apply_env(struct exec_call *k, struct error *e)
{
	size_t n = 0;
	const char **v;

	while (k->x->env != NULL && k->x->env[n] != NULL)
		n++;
	if (n == 0)
		return 0;
	v = prepared_alloc(&k->pr, k->p.env_n + n + 1, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "--env");
	if (k->p.env_n > 0)
		memcpy(v, k->p.env, k->p.env_n * sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[k->p.env_n + i] = k->x->env[i];
	k->p.env = v;
	k->p.env_n += n;
	return 0;
}

static void apply_caps(struct exec_call *k)
{
	for (size_t i = 0; k->x->caps != NULL && k->x->caps[i] != NULL; i++) {
		int cap = runtime_cap_parse(k->x->caps[i]);

		if (cap < 0) {
			log_warning("--cap: there is no capability \"%.64s\"", k->x->caps[i]);
			continue;
		}
		k->p.caps[SPEC_CAP_BOUNDING] |= 1ull << cap;
		k->p.caps[SPEC_CAP_PERMITTED] |= 1ull << cap;
		k->p.caps[SPEC_CAP_EFFECTIVE] |= 1ull << cap;
	}
}

/* The process that the options describe, on the base of the container's own. */
static int by_options(struct exec_call *k, struct error *e)
{
	const struct runtime_exec *x = k->x;
	size_t n = 0;
	int r;

	k->p = k->spec.process;
	k->p.terminal = x->terminal;
	k->p.rows = k->p.cols = 0;
	while (x->args != NULL && x->args[n] != NULL)
		n++;
	if (n > 0) {
		const char **args = prepared_alloc(&k->pr, n + 1, sizeof(*args));

		if (args == NULL)
			return error_set(e, -ENOMEM, "exec");
		for (size_t i = 0; i < n; i++)
			args[i] = x->args[i];
		k->p.args = args;
		k->p.args_n = n;
	}
	if (x->cwd != NULL)
		k->p.cwd = x->cwd;
	if (x->no_new_privs)
		k->p.no_new_privs = true;
	if (x->apparmor != NULL)
		k->p.apparmor = x->apparmor;
	if (x->selinux != NULL)
		k->p.selinux = x->selinux;
	if ((r = apply_user(k, e)) < 0 || (r = apply_gids(k, e)) < 0 || (r = apply_env(k, e)) < 0)
		return r;
	apply_caps(k);
	return 0;
}

static int by_process(struct exec_call *k, struct error *e)
{
	const struct spec_process *base = &k->spec.process;
	int r;

	k->process_tree = json_parse(k->x->process, k->x->process_len, "process", e);
	if (k->process_tree == NULL)
		return -EINVAL;
	r = spec_process_parse(k->process_tree, "process", &k->given, e);
	if (r < 0)
		return r;
	k->p = k->given;
	if (!k->p.has_caps) {
		memcpy(k->p.caps, base->caps, sizeof(k->p.caps));
		k->p.has_caps = true;
	}
	if (k->p.rlimits_n == 0) {
		k->p.rlimits = base->rlimits;
		k->p.rlimits_n = base->rlimits_n;
	}
	if (!k->p.has_oom_score) {
		k->p.has_oom_score = base->has_oom_score;
		k->p.oom_score_adj = base->oom_score_adj;
	}
	if (k->p.apparmor == NULL)
		k->p.apparmor = base->apparmor;
	if (k->p.selinux == NULL)
		k->p.selinux = base->selinux;
	return 0;
}

/* The user namespace is joined: the ids of its root are taken there. */
static void become_its_root(struct exec_call *k)
{
	struct child_plan *plan = &k->pr.plan;

	plan->become_root = true;
	plan->in_userns = true;
	plan->setgroups_denied = true;
	for (size_t i = 0; i < k->spec.idmap.uid_n; i++)
		if (i == 0 || k->spec.idmap.uid[i].inside == 0)
			plan->root_uid = k->spec.idmap.uid[i].inside;
	for (size_t i = 0; i < k->spec.idmap.gid_n; i++)
		if (i == 0 || k->spec.idmap.gid[i].inside == 0)
			plan->root_gid = k->spec.idmap.gid[i].inside;
}

/* By the process: only which namespaces are not ours already is of interest. */
static int note_join(struct exec_call *k, enum spec_ns ns, const char *path, const char *self,
		     struct error *e)
{
	struct child_plan *plan = &k->pr.plan;
	struct stat ours, theirs;

	if (fstatat(plan->proc_fd, path, &theirs, 0) < 0)
		return errno == ENOENT && ns == SPEC_NS_TIME ?
			       0 :
			       error_set(e, -errno, "open the container's %s namespace",
					 spec_ns_name(ns));
	if (fstatat(plan->proc_fd, self, &ours, 0) == 0 && ours.st_ino == theirs.st_ino &&
	    ours.st_dev == theirs.st_dev)
		return 0;
	plan->joins[plan->joins_n].fd = -1;
	plan->joins[plan->joins_n].flag = (int)spec_ns_flag(ns);
	plan->joins[plan->joins_n++].ns = ns;
	if (ns == SPEC_NS_USER)
		become_its_root(k);
	return 0;
}

/* Open one namespace of the container unless it is ours already. */
static int add_join(struct exec_call *k, enum spec_ns ns, struct error *e)
{
	struct child_plan *plan = &k->pr.plan;
	char path[64], self[64];
	struct stat ours, theirs;
	int fd;

	(void)snprintf(path, sizeof(path), "%d/ns/%s", (int)k->state.pid, spec_ns_file(ns));
	(void)snprintf(self, sizeof(self), "self/ns/%s", spec_ns_file(ns));
	if (plan->join_pid_fd >= 0)
		return note_join(k, ns, path, self, e);
	/* magic links by their nature; plan->proc_fd was checked to be procfs */
	fd = openat(plan->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && ns == SPEC_NS_TIME ?
			       0 :
			       error_set(e, -errno, "open the container's %s namespace",
					 spec_ns_name(ns));
	if (fstat(fd, &theirs) == 0 && fstatat(plan->proc_fd, self, &ours, 0) == 0 &&
	    ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev) {
		(void)close(fd);
		return 0;
	}
	fd = prepared_own_fd(&k->pr, fd);
	if (fd < 0)
		return error_set(e, fd, "exec");
	plan->joins[plan->joins_n].fd = fd;
	plan->joins[plan->joins_n].flag = (int)spec_ns_flag(ns);
	plan->joins[plan->joins_n++].ns = ns;
	if (ns == SPEC_NS_USER)
		become_its_root(k);
	return 0;
}

static int check_status(struct exec_call *k, struct error *e)
{
	switch (state_status(&k->state, k->pr.plan.proc_fd)) {
	case STATE_RUNNING:
	case STATE_CREATED:
		return 0;
	case STATE_PAUSED:
		if (k->x->ignore_paused)
			return 0;
		return error_setf(
			e, -EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");
	case STATE_STOPPED:
	case STATE_CREATING:
	case STATE_COUNT:
		break;
	}
	return error_setf(e, -ESRCH, "cannot exec in a stopped container: container not running");
}

static int prepare_affinity(struct exec_call *k, struct error *e)
{
	struct child_plan *plan = &k->pr.plan;
	const char *early = k->p.cpu_affinity_initial, *late = k->p.cpu_affinity_final;

	if (early != NULL && early[0] != '\0') {
		plan->has_affinity_early = true;
		if (prepare_parse_list(early, plan->affinity_early, 128) < 0)
			return error_setf(
				e, -EINVAL,
				"process.execCPUAffinity.initial: \"%.64s\" is not a CPU list",
				early);
	}
	if (late != NULL && late[0] != '\0') {
		plan->has_affinity = true;
		if (prepare_parse_list(late, plan->affinity, 128) < 0)
			return error_setf(
				e, -EINVAL,
				"process.execCPUAffinity.final: \"%.64s\" is not a CPU list", late);
	}
	return 0;
}

/* What is known of the container: its state on disk, or what the caller says. */
static int load(struct exec_call *k, struct error *e)
{
	const struct runtime_exec *x = k->x;
	int r;

	if (x->pid <= 0)
		return state_load(x->state_root_fd, x->id, &k->state, e);
	k->state.id = strdup(x->id);
	k->state.pid = x->pid;
	k->state.start_time = x->start_time;
	k->state.dir_fd = fd_dup(x->bundle_fd);
	if (x->cgroup_record != NULL) {
		k->state.cgroup =
			json_parse(x->cgroup_record, strlen(x->cgroup_record), "cgroup", e);
		if (k->state.cgroup == NULL)
			return -EINVAL;
	}
	if (k->state.id == NULL || k->state.dir_fd < 0)
		return error_set(e, k->state.id == NULL ? -ENOMEM : k->state.dir_fd, "exec");
	/* before check_status() compares the start time: then it is that process's for sure */
	r = proc_pidfd_open(x->pid);
	if (r >= 0)
		r = prepared_own_fd(&k->pr, r);
	if (r < 0)
		return r == -ESRCH ? error_setf(e, r, "the container is not running") :
				     error_set(e, r, "exec");
	k->pr.plan.join_pid_fd = r;
	return 0;
}

static int prepare_call(struct exec_call *k, struct error *e)
{
	struct child_plan *plan = &k->pr.plan;
	const struct runtime_exec *x = k->x;
	struct prepare_host host;
	int r;

	plan->proc_fd = procfs_open(e);
	if (plan->proc_fd < 0)
		return plan->proc_fd;
	plan->proc_fd = prepared_own_fd(&k->pr, plan->proc_fd);
	if ((r = load(k, e)) < 0 || (r = check_status(k, e)) < 0 ||
	    (r = state_config(&k->state, &k->spec, e)) < 0)
		return r;
	r = x->process != NULL ? by_process(k, e) : by_options(k, e);
	if (r < 0 || (r = spec_process_check(&k->p, e)) < 0)
		return r;
	if (k->p.terminal && x->console_sock_fd < 0 && x->ret_console_fd == NULL)
		return error_setf(
			e, -EINVAL,
			"cannot allocate tty if runc will detach without setting console socket: use --console-socket");
	if ((r = prepare_host_probe(plan->proc_fd, &host, e)) < 0)
		return r;
	plan->enter = true;
	plan->intermediate = true;
	plan->in_userns = plan->setgroups_denied = host.in_userns;
	plan->cgroup2 = host.cgroup2;
	for (int ns = 0; ns < SPEC_NS_COUNT; ns++)
		if ((r = add_join(k, (enum spec_ns)ns, e)) < 0)
			return r;
	/* it lives still: its number was its own when the namespaces were compared by it */
	if (plan->join_pid_fd >= 0 && (r = proc_pidfd_send_signal(plan->join_pid_fd, 0)) < 0)
		return error_set(e, r, "container %s", x->id);
	if ((r = prepare_affinity(k, e)) < 0 ||
	    (r = prepare_process(&k->pr, &k->p, k->spec.seccomp, e)) < 0 ||
	    (r = cgroup_enter(&k->pr, k->state.cgroup, x->cgroup, k->state.pid, e)) < 0)
		return r;
	if (k->pr.seccomp.has_notify) {
		pid_t pid = k->state.pid;
		_cleanup_free_ char *state = NULL;

		k->state.pid = 0; /* the agent is told the new process's */
		state = state_text(&k->state, STATE_RUNNING, true);
		k->state.pid = pid;
		r = state == NULL ? error_set(e, -ENOMEM, "seccomp") :
				    prepare_notify(&k->pr, state, e);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < 3; i++)
		plan->stdio[i] = x->stdio[i];
	plan->console_sock_fd = x->console_sock_fd;
	plan->keep_fds = x->listen_fds + x->preserve_fds;
	plan->has_personality = k->spec.has_personality;
	plan->personality = k->spec.personality;
	return 0;
}

static int spawn_call(struct exec_call *k, pid_t *ret_pid, int *ret_pid_fd, struct error *e)
{
	struct parent_job job = { .plan = &k->pr.plan, .ret_console_fd = k->x->ret_console_fd };
	struct parent_child child;
	int result = RUNTIME_START_OK, r;

	if (k->x->ret_console_fd != NULL)
		*k->x->ret_console_fd = -1;
	r = parent_spawn(&job, &child, &result, e);
	/* only the new process speaks to the seccomp agent, which may wait for the end of what it says */
	prepared_close_fd(&k->pr, &k->pr.plan.notify_fd);
	if (r < 0)
		return result != RUNTIME_START_OK ? result : r;
	r = parent_open_gate(&k->pr.plan, child.sync_fd, false, &result, e);
	if (r < 0) {
		if (k->x->ret_console_fd != NULL)
			close_fd(k->x->ret_console_fd);
		parent_kill(&child);
		return result != RUNTIME_START_OK ? result : r;
	}
	close_fd(&child.sync_fd);
	*ret_pid = child.pid;
	*ret_pid_fd = child.pid_fd;
	return RUNTIME_START_OK;
}

int runtime_exec(const struct runtime_exec *x, pid_t *ret_pid, int *ret_pid_fd, struct error *e)
{
	struct exec_call k = { .x = x, .state = STATE_INIT };
	int r;

	prepared_init(&k.pr);
	r = prepare_call(&k, e);
	if (r == 0)
		r = spawn_call(&k, ret_pid, ret_pid_fd, e);
	prepared_fini(&k.pr);
	spec_process_fini(&k.given);
	json_decref(k.process_tree);
	spec_fini(&k.spec);
	state_fini(&k.state);
	return r;
}
