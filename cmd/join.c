/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --network container:NAME and ns:PATH.
 *
 * Theory of operation
 *
 * A network namespace can be entered only with power over the user namespace
 * that owns it. That of a container is owned by its keeper's user namespace,
 * in which the caller, who made it, has all capabilities. So the new keeper
 * does not get a user namespace of its own: it enters that one, makes a mount
 * namespace there, and enters the network namespace. Both containers then have
 * the same ids, as two containers of one user always have. Root of the host
 * has power over all of them and needs to enter no user namespace.
 *
 * The network lives as long as its first owner: crt-net and the published
 * ports belong to that container.
 *
 * The namespaces are opened once, by the name that /proc has for the
 * container's process, while the container's lock says that it lives; what
 * is entered is the fd. A path of the user's is checked to be a network
 * namespace.
 */
#include "cmd/join.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cmd/container.h"

void join_fini(struct join *j)
{
	close_fd(&j->net_fd);
	close_fd(&j->user_fd);
	free(j->rundir);
	*j = JOIN_INIT;
}

/* The user namespace that owns the network, unless it is ours. */
static int open_owner(struct join *j, const char *what, struct error *e)
{
	struct stat ours, theirs;

	j->user_fd = ioctl(j->net_fd, NS_GET_USERNS);
	if (j->user_fd < 0 && errno == EPERM)
		return error_setf(e, -EPERM, "--network %s: it belongs to another user", what);
	if (j->user_fd < 0 || fd_set_cloexec(j->user_fd, true) < 0 ||
	    fstat(j->user_fd, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
		return error_set(e, -errno, "--network %s: finding the owner", what);
	if (ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev)
		return error_setf(
			e, -EPERM,
			"--network %s: it belongs to the host, and only root can enter it", what);
	return 0;
}

static int open_container(struct storage *s, const char *name, struct join *j, struct error *e)
{
	struct container c = { .id = NULL };
	_cleanup_free_ char *id = NULL, *path = NULL;
	const char *rundir;
	int r = storage_container_find(s, name, &id, e);

	if (r == STORAGE_MISSING)
		return -ENOENT;
	if (r == STORAGE_FOUND)
		r = container_load(s, id, &c, e);
	if (r < 0)
		return r;
	rundir = json_string_value(json_object_get(c.record, "rundir"));
	if (!c.live || c.pid <= 0) {
		r = error_setf(e, -ESRCH, "--network container:%s: the container is not running",
			       name);
	} else {
		path = str_printf("/proc/%d/ns/net", (int)c.pid);
		j->rundir = rundir != NULL ? strdup(rundir) : NULL;
		j->net_fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		r = j->net_fd < 0 ? error_set(e, -errno, "--network container:%s", name) : 0;
	}
	container_fini(&c);
	return r;
}

int join_open(struct storage *s, const struct net_request *n, bool is_root, struct join *ret,
	      struct error *e)
{
	struct join j = JOIN_INIT;
	int r;

	if (str_starts(n->join, "container:")) {
		r = open_container(s, n->join + strlen("container:"), &j, e);
	} else {
		j.net_fd = open(n->join + strlen("ns:"), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		r = j.net_fd < 0 ? error_set(e, -errno, "--network %s", n->join) :
		    ioctl(j.net_fd, NS_GET_NSTYPE) != CLONE_NEWNET ?
				   error_setf(e, -EINVAL, "--network %s: not a network namespace",
					      n->join) :
				   0;
	}
	if (r == 0 && !is_root)
		r = open_owner(&j, n->join, e);
	if (r < 0) {
		join_fini(&j);
		return r;
	}
	*ret = j;
	return 0;
}

int join_enter(const struct join *j, struct error *e)
{
	if (j->user_fd >= 0 && setns(j->user_fd, CLONE_NEWUSER) < 0)
		return error_set(e, -errno, "entering the user namespace of the other network");
	/* /proc/self belongs to root otherwise, and id maps are written by way of it */
	(void)prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWNS) < 0)
		return error_set(e, -errno, "making a mount namespace");
	if (setns(j->net_fd, CLONE_NEWNET) < 0)
		return error_set(e, -errno, "entering the other network");
	return 0;
}
