/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intermediate process: joins existing namespaces on behalf of the
 * container's process.
 *
 * Theory of operation: a joined pid namespace takes effect only for children,
 * and namespaces that belong to the host's user namespace must be joined
 * before a new user namespace is made. So where any of this is asked for, a
 * process in between makes the joins and then clones the real process as its
 * own sibling (CLONE_PARENT), so that the runtime is its parent and can wait
 * for it, and ends. The kernel itself writes the pid (as seen by the runtime:
 * the pid namespace of the caller itself never changes) to a page shared with
 * the runtime before either process goes on: a message could be overtaken by
 * the first message of the process it speaks of.
 *
 * Joining order, where namespaces are given one by one: first everything that the caller's own rights allow, then
 * the user namespace, then the rest with the rights gained there. It is not
 * dumpable while it is in namespaces that others can see.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

static bool join_one(const struct child_plan *p, size_t i)
{
	return syscall(SYS_setns, p->joins[i].fd, p->joins[i].flag) == 0;
}

/*
 * Where namespaces limit delegation (nsdelegate, which systemd sets), nobody
 * is cloned into a group from inside a cgroup namespace: it is joined after.
 */
static bool is_joined_late(const struct child_plan *p, size_t i)
{
	return p->cgroup_dir_fd >= 0 && p->joins[i].ns == SPEC_NS_CGROUP;
}

static bool join_one_late(const struct child_plan *p, size_t i)
{
	if (p->join_pid_fd < 0)
		return join_one(p, i);
	return syscall(SYS_setns, p->join_pid_fd, p->joins[i].flag) == 0;
}

static void join_late(const struct child_plan *p)
{
	for (size_t i = 0; i < p->joins_n; i++)
		if (is_joined_late(p, i) && !join_one_late(p, i))
			child_fail(STEP_JOIN, i, errno);
}

/*
 * With one call: the rights over all of them are judged before the user namespace changes them, so that
 * namespaces of a container's outer user namespace can be joined together with its inner one.
 */
static void join_process(const struct child_plan *p)
{
	int flags = 0;

	for (size_t i = 0; i < p->joins_n; i++)
		if (!is_joined_late(p, i))
			flags |= p->joins[i].flag;
	if (flags != 0 && syscall(SYS_setns, p->join_pid_fd, flags) < 0)
		child_fail(STEP_JOIN, 0, errno);
}

static void join_all(const struct child_plan *p)
{
	bool done[SPEC_NS_COUNT] = { false };

	if (p->join_pid_fd >= 0) {
		join_process(p);
		return;
	}

	for (size_t i = 0; i < p->joins_n; i++)
		done[i] = is_joined_late(p, i);
	for (size_t i = 0; i < p->joins_n; i++)
		if (!done[i] && p->joins[i].ns != SPEC_NS_USER && p->joins[i].ns != SPEC_NS_MOUNT)
			done[i] = join_one(p, i);
	for (size_t i = 0; i < p->joins_n; i++)
		if (p->joins[i].ns == SPEC_NS_USER) {
			done[i] = join_one(p, i);
			if (!done[i])
				child_fail(STEP_JOIN, i, errno);
		}
	for (size_t i = 0; i < p->joins_n; i++)
		if (!done[i] && !join_one(p, i))
			child_fail(STEP_JOIN, i, errno);
}

static void time_namespace(const struct child_plan *p)
{
	int fd;

	if (syscall(SYS_unshare, CLONE_NEWTIME) < 0)
		child_fail(STEP_UNSHARE, 0, errno);
	fd = openat(p->proc_fd, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, p->time_offsets, strlen(p->time_offsets)) < 0)
		child_fail(STEP_TIME_OFFSETS, 0, errno);
	(void)close(fd);
}

_Noreturn void child_join_main(struct child_plan *p)
{
	struct clone_args args = { .flags = p->clone_flags | CLONE_PARENT | CLONE_PARENT_SETTID };
	pid_t pid;

	child_report_fd = p->sync_fd;
	(void)close(p->parent_fd);
	child_early_process(p);
	if (p->enter)
		for (size_t i = 0; i < p->cgroup_fds_n; i++)
			if (write(p->cgroup_fds[i], "0", 1) < 0)
				child_fail(STEP_CGROUP, i, errno);
	if (p->time_offsets != NULL)
		time_namespace(p);
	/* an unprivileged parent can write the maps of dumpable processes only */
	if (!p->wait_map || p->maps_by_root)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	join_all(p);
	if (p->cgroup_dir_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)p->cgroup_dir_fd;
	}
	args.parent_tid = (uint64_t)(uintptr_t)p->joined_pid;
	pid = sys_clone3(&args);
	if (pid < 0)
		child_fail(STEP_CLONE, 0, errno);
	if (pid == 0) {
		p->parent_fd = -1;
		/* no report of ours may overtake that of our pid */
		if (!child_wait_byte(p->sync_fd))
			_exit(1);
		join_late(p);
		child_main(p);
	}
	_exit(0);
}
