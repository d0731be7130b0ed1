/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container made by this process: create, start, wait, destroy.
 *
 * Theory of operation: create reads config.json, builds the plan and leads
 * the new process to its gate. With a state root the gate is a listening
 * socket ROOT/ID/gate that the new process holds: `start`, another process,
 * connects, sends one byte, and the connection's end tells that execve
 * succeeded, while a report on it tells why not. Without a state root, or when
 * the creator itself starts it at once, the gate is the socket pair between
 * creator and child, and nothing of it is on disk.
 *
 * Undoing is one function, runtime_container_destroy(): it kills and reaps,
 * removes cgroups and the state directory, whatever of them exists. If this
 * process is killed instead, the child sees end of file and ends; a directory
 * without state.json may stay behind and counts as no container.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/hooks.h"
#include "runtime/notify.h"

static int read_config(const struct runtime_create *c, struct spec *ret, char **ret_text,
		       size_t *ret_len, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	if (c->config_tree != NULL)
		return spec_take(c->config_tree, c->seccomp, ret, e);
	if (c->config != NULL)
		return spec_parse(c->config, c->config_len, ret, e);
	r = fd_read_file_at(c->bundle_fd, c->config_name != NULL ? c->config_name : "config.json",
			    LIMIT_JSON_BYTES, &text, &len, e);
	if (r < 0)
		return r;
	r = spec_parse(text, len, ret, e);
	if (r < 0)
		return r;
	*ret_text = steal_ptr(&text);
	*ret_len = len;
	return 0;
}

/* The socket that start will connect to. Its path is too long for sun_path: named through the directory's fd. */
static int make_gate(struct runtime_container *k, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, r;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(e, -errno, "socket");
	k->pr.plan.listen_fd = fd;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" STATE_GATE,
		       k->state.dir_fd);
	r = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	if (r == 0 && listen(fd, 4) < 0)
		r = -errno;
	if (r < 0)
		return error_set(e, r, "create the start gate");
	return 0;
}

/* Not by rename: without state.json, which comes last, the directory is no container yet. */
static int write_config(int dir_fd, const char *text, size_t len, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(dir_fd, STATE_CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, len);

	return r < 0 ? error_set(e, r, "write the copy of config.json") : 0;
}

static int make_state_dir(struct runtime_container *k, const char *text, size_t len,
			  struct error *e)
{
	if (mkdirat(k->state_root_fd, k->id, 0700) < 0) {
		if (errno == EEXIST)
			return error_setf(
				e, -EEXIST,
				"container with id \"%s\" exists: container with given ID already exists",
				k->id);
		return error_set(e, -errno, "create the state directory of %s", k->id);
	}
	k->made_dir = true;
	k->state.dir_fd =
		openat(k->state_root_fd, k->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (k->state.dir_fd < 0)
		return error_set(e, -errno, "open the state directory of %s", k->id);
	return write_config(k->state.dir_fd, text, len, e);
}

static int fill_state(struct runtime_container *k, const struct runtime_create *c, struct error *e)
{
	struct state *s = &k->state;

	s->id = strdup(k->id);
	s->bundle = strdup(c->bundle);
	s->rootfs = k->spec.root_path[0] == '/' ? strdup(k->spec.root_path) :
						  str_printf("%s/%s", c->bundle, k->spec.root_path);
	s->created = state_now();
	s->program = strdup(k->spec.process.args[0]);
	s->annotations = json_incref(k->spec.annotations);
	if (s->id == NULL || s->bundle == NULL || s->rootfs == NULL || s->created == NULL ||
	    s->program == NULL)
		return error_set(e, -ENOMEM, "container %s", k->id);
	return 0;
}

static int prepare_listen(struct runtime_container *k, const struct runtime_create *c,
			  struct error *e)
{
	struct child_plan *p = &k->pr.plan;

	p->keep_fds = c->listen_fds + c->preserve_fds;
	if (c->listen_fds == 0)
		return 0;
	p->envp[p->envp_free] = prepared_printf(&k->pr, "LISTEN_FDS=%u", c->listen_fds);
	if (p->envp[p->envp_free++] == NULL)
		return error_set(e, -ENOMEM, "LISTEN_FDS");
	p->envp[p->envp_free] = prepared_printf(&k->pr, "LISTEN_PID=1");
	if (p->envp[p->envp_free++] == NULL)
		return error_set(e, -ENOMEM, "LISTEN_PID");
	return 0;
}

static int prepare_hook_state(struct runtime_container *k, struct error *e)
{
	struct child_plan *p = &k->pr.plan;
	int *fds[2] = { &p->hook_state_fd, &p->hook_start_state_fd };
	size_t wanted[2] = { p->hooks_create_n, p->hooks_start_n };

	for (int i = 0; i < 2; i++) {
		if (wanted[i] == 0)
			continue;
		*fds[i] = memfd_create("state", MFD_CLOEXEC);
		if (*fds[i] < 0)
			return error_set(e, -errno, "memfd_create");
		*fds[i] = prepared_own_fd(&k->pr, *fds[i]);
		if (*fds[i] < 0)
			return error_set(e, *fds[i], "hooks");
	}
	return 0;
}

static int connect_agent(struct runtime_container *k, struct error *e)
{
	_cleanup_free_ char *state = NULL;

	if (!k->pr.seccomp.has_notify)
		return 0;
	state = state_text(&k->state, STATE_CREATING, true);
	return state == NULL ? error_set(e, -ENOMEM, "seccomp") : prepare_notify(&k->pr, state, e);
}

/* crun's name: engines that keep the caller's supplementary groups use it. */
static bool annotation_is_set(const struct spec *s, const char *key)
{
	const char *v = json_string_value(json_object_get(s->annotations, key));

	return v != NULL && v[0] != '\0' && strcmp(v, "0") != 0 && strcmp(v, "false") != 0;
}

static int prepare_all(struct runtime_container *k, const struct runtime_create *c, struct error *e)
{
	struct child_plan *p = &k->pr.plan;
	struct prepare_host host;
	int r;

	p->proc_fd = procfs_open(e);
	if (p->proc_fd < 0)
		return p->proc_fd;
	p->proc_fd = prepared_own_fd(&k->pr, p->proc_fd);
	if ((r = prepare_host_probe(p->proc_fd, &host, e)) < 0 ||
	    (r = prepare_namespaces(&k->pr, &k->spec, &host, e)) < 0 ||
	    (r = prepare_process(&k->pr, &k->spec.process, k->spec.seccomp, e)) < 0 ||
	    (r = prepare_settings(&k->pr, &k->spec, e)) < 0 ||
	    (r = prepare_rootfs(&k->pr, &k->spec, c->bundle, &host, e)) < 0 ||
	    (r = prepare_hooks(&k->pr, &k->spec, e)) < 0 || (r = prepare_listen(k, c, e)) < 0 ||
	    (r = prepare_hook_state(k, e)) < 0)
		return r;
	if (c->notify_socket != NULL && k->state_root_fd >= 0) {
		_cleanup_free_ char *dir = str_printf("%s/%s", c->state_root, k->id);

		r = dir == NULL ? error_set(e, -ENOMEM, "container %s", k->id) :
				  notify_prepare(&k->pr, &k->spec, k->state.dir_fd, dir,
						 c->notify_socket, e);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < 3; i++)
		p->stdio[i] = c->stdio[i];
	p->console_sock_fd = c->console_sock_fd;
	p->no_pivot = c->no_pivot;
	if (p->no_pivot && (r = prepare_no_pivot(&k->pr, e)) < 0)
		return r;
	p->keep_groups = annotation_is_set(&k->spec, "run.oci.keep_original_groups");
	p->new_keyring = !c->no_new_keyring;
	p->die_with_parent = c->die_with_parent;
	p->keyring_name = prepared_printf(&k->pr, "_ses.%s", k->id);
	if (p->keyring_name == NULL)
		return error_set(e, -ENOMEM, "container %s", k->id);
	r = connect_agent(k, e);
	if (r < 0)
		return r;
	r = cgroup_create(&k->pr, &k->spec, k->id, c->cgroup_manager, c->ret_cgroup_error != NULL,
			  &host, &k->state.cgroup, e);
	if (r < 0 && c->ret_cgroup_error != NULL) {
		*c->ret_cgroup_error = *e;
		*e = ERROR_INIT;
		return 0;
	}
	return r;
}

static int fill_memfd(int fd, const char *text)
{
	if (fd < 0)
		return 0;
	return fd_write_all(fd, text, strlen(text));
}

int container_create_hooks(void *data, pid_t pid, struct error *e)
{
	struct runtime_container *k = data;
	_cleanup_free_ char *creating = NULL, *created = NULL;
	int r;

	k->state.pid = pid;
	creating = state_text(&k->state, STATE_CREATING, true);
	created = state_text(&k->state, STATE_CREATED, true);
	if (creating == NULL || created == NULL)
		return error_set(e, -ENOMEM, "hooks");
	r = hooks_run(&k->spec.hooks[SPEC_HOOK_PRESTART], SPEC_HOOK_PRESTART, creating, e);
	if (r == 0)
		r = hooks_run(&k->spec.hooks[SPEC_HOOK_CREATE_RUNTIME], SPEC_HOOK_CREATE_RUNTIME,
			      creating, e);
	if (r < 0)
		return r;
	r = fill_memfd(k->pr.plan.hook_state_fd, creating);
	if (r == 0)
		r = fill_memfd(k->pr.plan.hook_start_state_fd, created);
	return r < 0 ? error_set(e, r, "hooks: write the state") : 0;
}

static int spawn(struct runtime_container *k, const struct runtime_create *c, struct error *e)
{
	struct parent_job job = { .plan = &k->pr.plan,
				  .euid = geteuid(),
				  .egid = getegid(),
				  .ret_console_fd = c->ret_console_fd,
				  .hooks = container_create_hooks,
				  .data = k };
	int r;

	if (k->pr.plan.wait_map)
		job.idmap = &k->spec.idmap;
	if (c->ret_console_fd != NULL)
		*c->ret_console_fd = -1;
	r = parent_spawn(&job, &k->child, NULL, e);
	/* only the new process speaks to the seccomp agent, which may wait for the end of what it says */
	prepared_close_fd(&k->pr, &k->pr.plan.notify_fd);
	if (r < 0)
		return r;
	k->state.pid = k->child.pid;
	return 0;
}

int container_begin(struct runtime_container *k, const struct runtime_create *c, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	r = read_config(c, &k->spec, &text, &len, e);
	if (r < 0)
		return r;
	r = spec_check(&k->spec, e);
	if (r < 0)
		return r;
	if (k->spec.process.terminal && c->console_sock_fd < 0 && c->ret_console_fd == NULL)
		return error_setf(
			e, -EINVAL,
			"cannot allocate tty if runc will detach without setting console socket: use --console-socket");
	if ((r = fill_state(k, c, e)) < 0)
		return r;
	if (k->state_root_fd < 0)
		return 0;
	return make_state_dir(k, c->config != NULL ? c->config : text,
			      c->config != NULL ? c->config_len : len, e);
}

static int create(struct runtime_container *k, const struct runtime_create *c, struct error *e)
{
	int r = container_begin(k, c, e);

	if (r == 0 && k->state_root_fd >= 0) {
		k->pr.plan.lookup_early = true;
		k->gate_on_disk = !c->start_follows;
		if (k->gate_on_disk)
			r = make_gate(k, e);
	}
	if (r < 0 || (r = prepare_all(k, c, e)) < 0 || (r = spawn(k, c, e)) < 0)
		return r;
	/* the process alone listens: who knocks when it is dead must hear that */
	close_fd(&k->pr.plan.listen_fd);
	if (k->state_root_fd >= 0) {
		r = procfs_start_time(k->pr.plan.proc_fd, k->child.pid, &k->state.start_time);
		if (r < 0)
			return error_set(e, r, "read the start time of process %d",
					 (int)k->child.pid);
		r = state_save(&k->state, e);
		return r < 0 || !k->gate_on_disk ? r : parent_commit(&k->child, e);
	}
	return 0;
}

struct runtime_container *container_new(const struct runtime_create *c, struct error *e)
{
	struct runtime_container *k;

	if (c->id == NULL || !id_container_valid(c->id)) {
		(void)error_setf(e, -EINVAL, "invalid container id format: \"%.64s\"",
				 c->id != NULL ? c->id : "");
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		(void)error_set(e, -ENOMEM, "container %s", c->id);
		return NULL;
	}
	prepared_init(&k->pr);
	k->state = STATE_INIT;
	k->child = (struct parent_child){ .pid = -1, .pid_fd = -1, .sync_fd = -1 };
	k->state_root_fd = c->state_root_fd;
	k->id = strdup(c->id);
	if (k->id != NULL)
		return k;
	(void)error_set(e, -ENOMEM, "container %s", c->id);
	runtime_container_destroy(k);
	return NULL;
}

int runtime_container_create(const struct runtime_create *c, struct runtime_container **ret,
			     struct error *e)
{
	struct runtime_container *k = container_new(c, e);
	int r;

	if (k == NULL)
		return c->id == NULL || !id_container_valid(c->id) ? -EINVAL : -ENOMEM;
	r = create(k, c, e);
	if (r < 0) {
		runtime_container_destroy(k);
		return r;
	}
	*ret = k;
	return 0;
}

/* Poststart hooks; a failure ends the container. */
static int poststart(const struct spec *spec, const struct state *state, struct error *e)
{
	_cleanup_free_ char *text = NULL;

	if (spec->hooks[SPEC_HOOK_POSTSTART].n == 0)
		return 0;
	text = state_text(state, STATE_RUNNING, true);
	if (text == NULL)
		return error_set(e, -ENOMEM, "hooks");
	return hooks_run(&spec->hooks[SPEC_HOOK_POSTSTART], SPEC_HOOK_POSTSTART, text, e);
}

static int connect_gate(const struct state *s, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(e, -errno, "socket");
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" STATE_GATE, s->dir_fd);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int why = errno;
		_cleanup_fd_ int proc_fd = why == ECONNREFUSED ? procfs_open(NULL) : -1;

		/* nobody listens: it is past the gate, if it lives */
		if (why == ECONNREFUSED && (proc_fd < 0 || !state_alive(s, proc_fd)))
			return error_setf(e, -ESRCH, "cannot start a container that has stopped");
		if (why == ENOENT || why == ECONNREFUSED)
			return error_setf(e, -EEXIST, "cannot start an already running container");
		return error_set(e, -why, "open the start gate of container %s", s->id);
	}
	return steal_fd(&fd);
}

/* The gate of a container with state is the socket in its directory: others may open it too. */
static int open_own_gate(struct runtime_container *k, int *ret_result, struct error *e)
{
	int fd = connect_gate(&k->state, e), r;

	if (fd < 0)
		return fd;
	r = parent_open_gate(&k->pr.plan, fd, true, ret_result, e);
	(void)close(fd);
	(void)unlinkat(k->state.dir_fd, STATE_GATE, 0);
	if (r == -EEXIST && proc_pidfd_wait(k->child.pid_fd, 0) == 0)
		return error_setf(e, -ESRCH, "container %s was killed before its start", k->id);
	return r;
}

int runtime_container_start(struct runtime_container *k, struct error *e)
{
	int result = RUNTIME_START_OK, r;

	k->ran_start = true;
	if (k->gate_on_disk)
		r = open_own_gate(k, &result, e);
	else
		r = parent_open_gate(&k->pr.plan, k->child.sync_fd, false, &result, e);
	close_fd(&k->child.sync_fd);
	if (r == 0)
		r = poststart(&k->spec, &k->state, e);
	if (r < 0) {
		parent_kill(&k->child);
		k->reaped = true;
		return result != RUNTIME_START_OK ? result : r;
	}
	/* not needed any more, by a process that may stay for days; and freeing takes no time of its end */
	if (k->spec.hooks[SPEC_HOOK_POSTSTOP].n == 0)
		spec_fini(&k->spec);
	return RUNTIME_START_OK;
}

static int start_loaded(const struct state *s, int proc_fd, struct error *e)
{
	struct spec_process process = { .umask = -1 };
	struct child_plan plan = { .process = &process };
	struct spec spec = { .tree = NULL };
	const char *args[2] = { s->program, NULL };
	int result = RUNTIME_START_OK, fd, r;

	switch (state_status(s, proc_fd)) {
	case STATE_CREATED:
		break;
	case STATE_RUNNING:
	case STATE_PAUSED:
		return error_setf(e, -EEXIST, "cannot start an already running container");
	case STATE_STOPPED:
		return error_setf(e, -ESRCH, "cannot start a container that has stopped");
	case STATE_CREATING:
	case STATE_COUNT:
		return error_setf(e, -EBUSY, "cannot start a container that is being created");
	}
	process.args = args;
	process.args_n = 1;
	fd = connect_gate(s, e);
	if (fd < 0)
		return fd;
	r = parent_open_gate(&plan, fd, true, &result, e);
	(void)close(fd);
	(void)unlinkat(s->dir_fd, STATE_GATE, 0);
	if (r == -EEXIST && state_status(s, proc_fd) == STATE_STOPPED)
		return error_setf(e, -ESRCH, "cannot start a container that has stopped");
	if (r < 0)
		return result != RUNTIME_START_OK ? result : r;
	r = state_config(s, &spec, e);
	if (r == 0)
		r = poststart(&spec, s, e);
	spec_fini(&spec);
	/* the next state query sees it stopped */
	if (r < 0)
		(void)state_signal(s, proc_fd, SIGKILL, NULL);
	return r;
}

int runtime_start(int state_root_fd, const char *id, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	struct state s;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	r = state_load(state_root_fd, id, &s, e);
	if (r < 0)
		return r;
	r = start_loaded(&s, proc_fd, e);
	state_fini(&s);
	return r;
}

pid_t runtime_container_pid(const struct runtime_container *k)
{
	return k->child.pid;
}

int runtime_container_pidfd(const struct runtime_container *k)
{
	return k->child.pid_fd;
}

int runtime_container_wait(struct runtime_container *k, struct error *e)
{
	int status;

	if (k->reaped || k->child.pid <= 0)
		return error_setf(e, -ECHILD, "container %s has no process", k->id);
	status = proc_wait(k->child.pid);
	if (status < 0)
		return error_set(e, status, "wait for container %s", k->id);
	k->reaped = true;
	k->child.pid = -1;
	return status;
}

char *runtime_container_cgroup(const struct runtime_container *k)
{
	return k->state.cgroup != NULL ? json_to_text(k->state.cgroup) : NULL;
}

void runtime_container_release(struct runtime_container *k)
{
	if (k == NULL)
		return;
	k->keep = true;
	runtime_container_destroy(k);
}

void runtime_container_destroy(struct runtime_container *k)
{
	struct error e = ERROR_INIT;

	if (k == NULL)
		return;
	if (k->keep) {
		close_fd(&k->child.pid_fd);
		close_fd(&k->child.sync_fd);
	} else {
		parent_kill(&k->child);
		cgroup_remove(k->state.cgroup);
		if (k->ran_start || (k->made_dir && k->reaped)) {
			_cleanup_free_ char *text = state_text(&k->state, STATE_STOPPED, true);

			if (text != NULL && k->spec.hooks[SPEC_HOOK_POSTSTOP].n > 0 &&
			    hooks_run(&k->spec.hooks[SPEC_HOOK_POSTSTOP], SPEC_HOOK_POSTSTOP, text,
				      &e) < 0)
				log_warning("%s", e.msg);
		}
		if (k->made_dir)
			(void)state_remove(k->state_root_fd, k->state.dir_fd, k->id,
					   NULL); /* nothing is left to undo */
	}
	state_fini(&k->state);
	prepared_fini(&k->pr);
	spec_fini(&k->spec);
	free(k->id);
	free(k);
}
