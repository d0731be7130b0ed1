/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work as root of the caller's user namespace.
 *
 * Theory of operation
 *
 * What a container wrote belongs to subordinate ids, which the caller may
 * not delete by himself. A child is cloned into a user namespace with the same
 * map that containers have; there it is root over exactly these files. The
 * child has our memory, so that open stores can be used as they are; its error is
 * sent back through a pipe. It dies with us. What it did not finish is still in
 * the store's trash, where the next command finds it.
 */
#include "cmd/inside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "userns/userns.h"

/* The child's part. */
static _Noreturn void answer(int fd, int (*fn)(void *data, struct error *e), void *data)
{
	struct error e = ERROR_INIT;
	int r = fn(data, &e);

	if (r < 0 && e.code == 0)
		(void)error_set(&e, r, "working in the user namespace");
	if (r == 0)
		e = ERROR_INIT;		       /* something may have failed that had a fall-back */
	(void)fd_write_all(fd, &e, sizeof(e)); /* a parent that died needs no answer */
	_exit(r < 0 ? 1 : 0);
}

static _Noreturn void inside_main(struct userns_child *self, const struct userns_caps *caps, int fd,
				  int (*fn)(void *data, struct error *e), void *data)
{
	struct error e = ERROR_INIT;

	if (userns_map_wait(self, caps, &e) < 0) {
		(void)fd_write_all(fd, &e, sizeof(e)); /* as above */
		_exit(1);
	}
	answer(fd, fn, data);
}

static int take_answer(int fd, pid_t pid, struct error *e)
{
	struct error answer = ERROR_INIT;
	ssize_t n = fd_read_full(fd, &answer, sizeof(answer));
	int status = proc_wait(pid);

	if (n != (ssize_t)sizeof(answer) || status < 0)
		return error_setf(e, -ECHILD, "the helper process in the user namespace died");
	answer.msg[sizeof(answer.msg) - 1] = '\0';
	if (answer.code < 0 && e != NULL)
		*e = answer;
	return answer.code < 0 ? answer.code : 0;
}

static int start_mapped(struct inside *i, int (*fn)(void *data, struct error *e), void *data,
			int to, struct error *e)
{
	int r = userns_probe(&i->caps, e);

	if (r == 0)
		r = userns_map_default(&i->caps, &i->map, e);
	if (r == 0)
		r = userns_clone(&i->caps, &i->map, 0, true, &i->child, e);
	if (r < 0)
		return r;
	if (r == 0)
		inside_main(&i->child, &i->caps, to, fn, data);
	return userns_map_finish(&i->child, &i->caps, &i->map, e);
}

/* A child without namespaces of its own. */
static int start_here(struct inside *i, int (*fn)(void *data, struct error *e), void *data, int to,
		      struct error *e)
{
	pid_t parent = getpid();

	i->child.pid = fork();
	if (i->child.pid < 0)
		return error_set(e, -errno, "making a process");
	if (i->child.pid > 0)
		return 0;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	answer(to, fn, data);
}

int inside_start(bool here, int (*fn)(void *data, struct error *e), void *data, struct inside *ret,
		 struct error *e)
{
	_cleanup_fd_ int to = -1;
	int p[2];
	int r;

	*ret = INSIDE_INIT;
	r = fd_pipe(p);
	if (r < 0)
		return error_set(e, r, "making a pipe");
	ret->from_fd = p[0];
	to = p[1];
	r = here ? start_here(ret, fn, data, to, e) : start_mapped(ret, fn, data, to, e);
	ret->running = r == 0;
	if (r < 0)
		inside_fini(ret);
	return r;
}

int inside_finish(struct inside *i, struct error *e)
{
	int r = i->running ? take_answer(i->from_fd, i->child.pid, e) : -ECHILD;

	i->running = false;
	inside_fini(i);
	return r;
}

void inside_fini(struct inside *i)
{
	if (i->running)
		proc_kill(i->child.pid, i->child.pid_fd);
	i->running = false;
	close_fd(&i->from_fd);
	if (i->caps.user != NULL)
		userns_child_fini(&i->child);
	id_map_fini(&i->map);
	userns_caps_fini(&i->caps);
}

int inside_fork(int (*fn)(void *data, struct error *e), void *data, struct error *e)
{
	struct inside i;
	int r = inside_start(false, fn, data, &i, e);

	return r < 0 ? r : inside_finish(&i, e);
}

int inside_run(int (*fn)(void *data, struct error *e), void *data, struct error *e)
{
	struct userns_caps caps = { .kind = USERNS_KIND_NONE };
	int r = userns_probe(&caps, e);

	if (r < 0)
		return r;
	r = caps.kind == USERNS_KIND_NONE ? fn(data, e) : inside_fork(fn, data, e);
	userns_caps_fini(&caps);
	return r;
}

static int empty_trash(void *data, struct error *e)
{
	(void)e; /* best effort */
	storage_trash_empty(data);
	return 0;
}

void inside_empty_trash(struct storage *s)
{
	if (storage_trash_pending(s))
		(void)inside_run(empty_trash, s,
				 NULL); /* what stays is tried again by the next command */
}
