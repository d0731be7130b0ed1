/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clone the container's process and lead it to the start gate.
 *
 * Theory of operation: one clone3 with all new namespaces and a pidfd (or an
 * intermediate process where existing namespaces are joined, see
 * child_join.c). Parent and child share one SOCK_SEQPACKET pair; each closes
 * the other's end, so that the death of either is end of file for the other.
 * The parent writes the id maps while the child already copies its mounts,
 * then answers the child's reports: hooks to run, a pty master to keep, ready.
 *
 * The child is inside hostile surroundings only after its exec; until then it
 * is our own code, still its reports are range checked. Any failure kills the
 * child by pidfd and reaps it: with it go its namespaces and all mounts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "runtime/idmap.h"
#include "runtime/cgroup.h"
#include "runtime/parent.h"
#include "runtime/runtime.h"
#include "runtime/sys.h"

static int send_byte(int fd)
{
	while (send(fd, "g", 1, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* One report; an fd that came with it goes to *ret_fd. 1, 0 at end of file, -errno. */
static int get_report(int fd, struct child_report *rep, int *ret_fd)
{
	int fds[1];
	size_t n = 1;
	ssize_t len = fd_recv(fd, rep, sizeof(*rep), fds, &n);

	if (n == 1 && len == (ssize_t)sizeof(*rep) && rep->kind == REPORT_CONSOLE && ret_fd != NULL)
		*ret_fd = fds[0];
	else if (n == 1)
		(void)close(fds[0]); /* not asked for */
	if (len == -ECONNRESET || len == 0)
		return 0;
	if (len < 0)
		return (int)len;
	return len == (ssize_t)sizeof(*rep) ? 1 : -EPROTO;
}

static int start_result(const struct child_report *rep)
{
	if (rep->step != STEP_LOOKUP && rep->step != STEP_LOOKUP_PATH && rep->step != STEP_EXEC)
		return RUNTIME_START_OK;
	if (rep->err == ENOENT || rep->err == ENOTDIR)
		return RUNTIME_START_NOT_FOUND;
	return RUNTIME_START_NOT_EXECUTABLE;
}

static void warn(const struct child_plan *plan, const struct child_report *rep)
{
	struct error e = ERROR_INIT;

	(void)report_format(plan, rep, &e);
	log_debug("going on: %s", e.msg);
}

static int death_error(struct parent_child *c, struct error *e)
{
	int status = proc_wait(c->pid);

	c->pid = -1;
	if (status >= 0 && WIFSIGNALED(status))
		return error_setf(
			e, -EIO,
			"the container's process was killed by signal %d before it was ready",
			WTERMSIG(status));
	return error_setf(e, -EIO, "the container's process ended before it was ready");
}

void parent_kill(struct parent_child *c)
{
	if (c->pid > 0)
		proc_kill(c->pid, c->pid_fd);
	c->pid = -1;
	close_fd(&c->pid_fd);
	close_fd(&c->sync_fd);
}

static int spawn_direct(struct child_plan *plan, struct parent_child *c, struct error *e)
{
	struct clone_args args = { .flags = plan->clone_flags | CLONE_PIDFD,
				   .exit_signal = SIGCHLD };
	int pid_fd = -1;
	pid_t pid;

	memset(&args.pidfd, 0, sizeof(args.pidfd));
	args.pidfd = (uint64_t)(uintptr_t)&pid_fd;
	if (plan->cgroup_dir_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)plan->cgroup_dir_fd;
	}
	pid = sys_clone3(&args);
	if (pid < 0 && errno == ENOSYS)
		return error_setf(
			e, -ENOSYS,
			"clone3(2) is refused, as by the seccomp filter of an outer container: that one needs more rights (--privileged)");
	if (pid < 0)
		return error_set(e, -errno, "clone the container's process into its namespaces%s",
				 plan->cgroup_dir_fd >= 0 ? " and its cgroup" : "");
	if (pid == 0)
		child_main(plan);
	c->pid = pid;
	c->pid_fd = pid_fd;
	return 0;
}

static int spawn_intermediate(struct child_plan *plan, struct parent_child *c, struct error *e)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct child_report rep;
	pid_t mid;
	int r;

	plan->joined_pid = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan->joined_pid == MAP_FAILED)
		return error_set(e, -errno, "mmap");
	mid = sys_clone3(&args);
	if (mid < 0)
		(void)error_set(e, -errno, "clone");
	if (mid == 0)
		child_join_main(plan);
	close_fd(&plan->sync_fd); /* from here on only they hold it */
	if (mid > 0)
		(void)proc_wait(mid);
	c->pid = *plan->joined_pid > 0 ? *plan->joined_pid : -1;
	(void)munmap(plan->joined_pid, sizeof(pid_t));
	plan->joined_pid = NULL;
	if (mid < 0)
		return e->code;
	while (c->pid < 0) {
		r = get_report(c->sync_fd, &rep, NULL);
		if (r <= 0)
			return error_setf(e, -EIO,
					  "the process that joins the namespaces ended early");
		if (rep.kind == REPORT_FAILED)
			return report_format(plan, &rep, e);
		if (rep.kind == REPORT_WARNING)
			warn(plan, &rep);
	}
	c->pid_fd = sys_pidfd_open(c->pid, 0);
	if (c->pid_fd < 0)
		return error_set(e, -errno, "pidfd_open");
	r = send_byte(c->sync_fd);
	return r < 0 ? error_set(e, r, "talk to the container's process") : 0;
}

static int lead(const struct parent_job *job, struct parent_child *c, int *ret_start,
		struct error *e)
{
	struct child_plan *plan = job->plan;
	struct child_report rep;
	int console_fd = -1, r;

	for (;;) {
		r = get_report(c->sync_fd, &rep, &console_fd);
		if (r < 0)
			return error_set(e, r, "talk to the container's process");
		if (r == 0)
			return death_error(c, e);
		switch ((enum child_report_kind)rep.kind) {
		case REPORT_FAILED:
			if (ret_start != NULL)
				*ret_start = start_result(&rep);
			return report_format(plan, &rep, e);
		case REPORT_WARNING:
			warn(plan, &rep);
			break;
		case REPORT_HOOKS:
			r = job->hooks != NULL ? job->hooks(job->data, c->pid, e) : 0;
			if (r == 0 && (r = send_byte(c->sync_fd)) < 0)
				(void)error_set(e, r, "talk to the container's process");
			if (r < 0)
				return r;
			break;
		case REPORT_CONSOLE:
			if (job->ret_console_fd == NULL)
				close_fd(&console_fd);
			else
				*job->ret_console_fd = steal_fd(&console_fd);
			break;
		case REPORT_READY:
			return 0;
		}
	}
}

/* Moving a process is slow (the kernel waits for all processors): the child prepares its mounts meanwhile. */
static int move_into_groups(const struct child_plan *plan, const struct parent_child *c,
			    struct error *e)
{
	char pid[16];
	int r;

	if (plan->scope_fd >= 0) {
		r = cgroup_systemd_attach(plan, c->pid, e);
		if (r == 0 && !plan->enter)
			(void)send_byte(c->sync_fd); /* as below */
		return r;
	}
	if (plan->enter || plan->cgroup_fds_n == 0)
		return 0;
	(void)snprintf(pid, sizeof(pid), "%d", (int)c->pid);
	for (size_t i = 0; i < plan->cgroup_fds_n; i++)
		if (write(plan->cgroup_fds[i], pid, strlen(pid)) < 0 && errno != ESRCH)
			return error_set(e, -errno, "move the container's process into its cgroup");
	(void)send_byte(c->sync_fd); /* a child that ended has said why */
	return 0;
}

/*
 * The map of a process that has ended cannot be written (its files in /proc belong to the host's
 * root then): why it ended is what the caller has to hear.
 */
static int give_map(const struct parent_job *job, struct parent_child *c, int *ret_start,
		    struct error *e)
{
	struct error why = ERROR_INIT;
	int r = idmap_write(job->plan->proc_fd, c->pid, job->idmap, job->euid, job->egid, e);

	if (r == 0) {
		(void)send_byte(c->sync_fd); /* a child that ended has said why */
		return 0;
	}
	/* one in the middle of its end has lost its memory already, but cannot be waited for yet */
	if (proc_pidfd_wait(c->pid_fd, r == -EACCES ? 1000 : 0) < 0)
		return r; /* it lives */
	/* at its end at the latest: it waits for nobody but us, and it is dead */
	if (lead(job, c, ret_start, &why) < 0)
		*e = why;
	return e->code;
}

int parent_spawn(const struct parent_job *job, struct parent_child *ret, int *ret_start,
		 struct error *e)
{
	struct parent_child c = { .pid = -1, .pid_fd = -1, .sync_fd = -1 };
	struct child_plan *plan = job->plan;
	int pair[2], r;

	r = fd_socketpair(SOCK_SEQPACKET, pair);
	if (r < 0)
		return error_set(e, r, "socketpair");
	c.sync_fd = plan->parent_fd = pair[0];
	plan->sync_fd = pair[1];
	r = plan->intermediate ? spawn_intermediate(plan, &c, e) : spawn_direct(plan, &c, e);
	close_fd(&plan->sync_fd);
	plan->parent_fd = -1;
	if (r == 0)
		log_debug("process %d prepares its %zu mounts and %zu devices", (int)c.pid,
			  plan->mounts_n, plan->devices_n);
	if (r == 0 && job->idmap != NULL)
		r = give_map(job, &c, ret_start, e);
	if (r == 0)
		r = move_into_groups(plan, &c, e);
	if (r == 0)
		r = lead(job, &c, ret_start, e);
	if (r < 0) {
		if (job->ret_console_fd != NULL)
			close_fd(job->ret_console_fd);
		parent_kill(&c);
		return r;
	}
	log_debug("process %d waits for its start", (int)c.pid);
	*ret = c;
	return 0;
}

int parent_commit(const struct parent_child *c, struct error *e)
{
	int r = send_byte(c->sync_fd);

	return r < 0 ? error_set(e, r, "the container's process is gone") : 0;
}

int parent_open_gate(const struct child_plan *plan, int fd, bool socket_gate, int *ret_start,
		     struct error *e)
{
	struct child_report rep;
	bool answered = !socket_gate;
	int r = send_byte(fd);

	if (r == -EPIPE || r == -ECONNRESET)
		r = 0;
	while (r >= 0) {
		r = get_report(fd, &rep, NULL);
		if (r <= 0)
			break;
		if (rep.kind == REPORT_WARNING)
			warn(plan, &rep);
		if (rep.kind == REPORT_READY)
			answered = true;
		if (rep.kind != REPORT_FAILED)
			continue;
		if (ret_start != NULL)
			*ret_start = start_result(&rep);
		return report_format(plan, &rep, e);
	}
	if (r < 0 && r != -ECONNRESET)
		return error_set(e, r, "talk to the container's process");
	/* somebody else's start came first, or the process died at its gate */
	if (!answered)
		return error_setf(e, -EEXIST, "cannot start an already running container");
	return 0; /* end of file: execve closed it */
}
