/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child process in a new user and mount namespace.
 *
 * Theory of operation
 *
 *	parent					child
 *	clone(NEWUSER|NEWNS|...) ------------->	works on what needs no ids
 *	start newuidmap, newgidmap
 *	(does something else)			userns_map_wait(): read(sync)
 *	userns_map_finish(): await helpers,
 *	  or write the single-id map
 *	write(sync, "m") --------------------->	setresgid(0), setresuid(0)
 *						mount(/, MS_REC|MS_SLAVE)
 *
 * The system call is used directly and not fork() + unshare(): the namespaces
 * are there when it returns, so that the helpers can be started at once. This
 * process has one thread, therefore no lock of the C library can be held by
 * somebody who does not exist in the child.
 *
 * One socket pair synchronises. Its ends close with their processes: a parent
 * that dies shows as end-of-file in the child, which then gives up. A child that
 * dies before it is mapped makes the helpers fail, and they are reaped. A child
 * whose map failed is killed and reaped by userns_map_finish(). Nothing of this
 * exists on disk.
 *
 * The death signal is set first in the child and again after it became root of
 * its namespace, because a change of credentials may clear it.
 */
#include "userns/userns.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "userns/private.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static const char mapped_byte = 'm';

static void child_init(struct userns_child *child)
{
	*child = (struct userns_child){ .pid_fd = -1, .sync_fd = -1 };
	for (size_t i = 0; i < 2; i++)
		child->helper_fd[i] = child->helper_err[i] = -1;
}

void userns_child_fini(struct userns_child *child)
{
	if (child->pid == 0 && child->pid_fd == 0 && child->sync_fd == 0)
		return; /* zeroed, never used */
	close_fd(&child->pid_fd);
	close_fd(&child->sync_fd);
	for (size_t i = 0; i < 2; i++) {
		if (child->helper[i] > 0)
			proc_kill(child->helper[i], child->helper_fd[i]);
		close_fd(&child->helper_fd[i]);
		close_fd(&child->helper_err[i]);
	}
	child_init(child);
}

/* fork() with namespaces. */
static pid_t raw_clone(unsigned long flags, int *pid_fd)
{
#if defined(__s390__) || defined(__s390x__)
	return (pid_t)syscall(SYS_clone, NULL, flags, pid_fd, NULL, 0);
#else
	return (pid_t)syscall(SYS_clone, flags, NULL, pid_fd, NULL, 0);
#endif
}

/* Kill the child and forget it; the error that led here is kept. */
static int give_up(struct userns_child *child, int code)
{
	proc_kill(child->pid, child->pid_fd);
	userns_child_fini(child);
	return code;
}

int userns_clone(const struct userns_caps *c, const struct id_map *map, unsigned int extra_flags,
		 bool die_with_parent, struct userns_child *ret, struct error *e)
{
	unsigned long flags = CLONE_NEWNS | CLONE_PIDFD | SIGCHLD | extra_flags;
	pid_t parent = getpid();
	struct userns_child child;
	int sync[2];
	int r;

	child_init(&child);
	if (c->kind != USERNS_KIND_NONE)
		flags |= CLONE_NEWUSER;
	r = fd_socketpair(SOCK_SEQPACKET, sync);
	if (r < 0)
		return error_set(e, r, "making a user namespace");
	child.pid = raw_clone(flags, &child.pid_fd);
	if (child.pid < 0) {
		int err = errno;

		close_fd(&sync[0]);
		close_fd(&sync[1]);
		return diagnose_clone(err, c, e);
	}
	if (child.pid == 0) {
		/* As parent and child have the same pid namespace except with CLONE_NEWPID, which shows 0. */
		if (die_with_parent) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* fails for invalid signals only */
			if ((extra_flags & CLONE_NEWPID) == 0 && getppid() != parent)
				_exit(125);
		}
		close_fd(&sync[0]);
		child.pid_fd = -1;
		child.sync_fd = sync[1];
		*ret = child;
		return 0;
	}
	close_fd(&sync[1]);
	child.sync_fd = sync[0];
	if (c->kind != USERNS_KIND_NONE && !idmap_is_single(c, map)) {
		r = idmap_start_helpers(c, map, &child, e);
		if (r < 0)
			return give_up(&child, r);
	}
	*ret = child;
	return 1;
}

int userns_clone_join(struct userns_child *ret, struct error *e)
{
	struct userns_child child;
	int sync[2];
	int r;

	child_init(&child);
	child.joined = true;
	r = fd_socketpair(SOCK_SEQPACKET, sync);
	if (r < 0)
		return error_set(e, r, "starting a process");
	child.pid = raw_clone(CLONE_PIDFD | SIGCHLD, &child.pid_fd);
	if (child.pid < 0) {
		r = error_set(e, -errno, "starting a process");
		close_fd(&sync[0]);
		close_fd(&sync[1]);
		return r;
	}
	child.sync_fd = child.pid == 0 ? sync[1] : sync[0];
	close_fd(child.pid == 0 ? &sync[0] : &sync[1]);
	if (child.pid == 0)
		child.pid_fd = -1;
	*ret = child;
	return child.pid == 0 ? 0 : 1;
}

int userns_map_finish(struct userns_child *child, const struct userns_caps *c,
		      const struct id_map *map, struct error *e)
{
	int r = 0;

	if (c->kind != USERNS_KIND_NONE && !child->joined) {
		if (child->helper[0] > 0)
			r = idmap_await_helpers(child, e);
		else
			r = idmap_write_single(child->pid, map, e);
	}
	if (r < 0)
		return give_up(child, r);
	r = fd_send(child->sync_fd, &mapped_byte, 1, NULL, 0);
	if (r < 0) {
		r = error_setf(e, -ECHILD,
			       "the process in the new user namespace died before it was mapped");
		return give_up(child, r);
	}
	close_fd(&child->sync_fd);
	return 0;
}

static int become_root(struct error *e)
{
	int death = 0;

	(void)prctl(PR_GET_PDEATHSIG, &death); /* cannot fail with a valid pointer */
	if (setresgid(0, 0, 0) < 0)
		return error_set(e, -errno, "becoming group 0 of the user namespace");
	if (setresuid(0, 0, 0) < 0)
		return error_set(e, -errno, "becoming root of the user namespace");
	if (death != 0)
		(void)prctl(PR_SET_PDEATHSIG, death); /* was accepted before */
	return 0;
}

int userns_map_wait(struct userns_child *self, const struct userns_caps *c, struct error *e)
{
	char byte = 0;
	size_t n = 0;
	ssize_t got;
	int r;

	got = fd_recv(self->sync_fd, &byte, 1, NULL, &n);
	close_fd(&self->sync_fd);
	if (got != 1 || byte != mapped_byte)
		return error_setf(e, -ECHILD, "the process that makes the id map has given up");
	if (c->kind != USERNS_KIND_NONE) {
		r = become_root(e);
		if (r < 0)
			return r;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	r = -errno;
	if (r == -EINVAL)
		return error_setf(
			e, r,
			"\"/\" is not a mount point (a chroot?): crt needs a root that is one");
	error_set(e, r, "making the mounts of the new namespace private");
	if (r == -EPERM || r == -EACCES)
		error_hint(e, "%s", diagnose_powerless());
	return r;
}
