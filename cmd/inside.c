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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "userns/userns.h"

/* The child's part. */
static void inside_main(struct userns_child *self, const struct userns_caps *caps, int fd,
			int (*fn)(void *data, struct error *e), void *data)
{
	struct error e = ERROR_INIT;
	int r = userns_map_wait(self, caps, &e);

	if (r == 0)
		r = fn(data, &e);
	if (r < 0 && e.code == 0)
		(void)error_set(&e, r, "working in the user namespace");
	(void)fd_write_all(fd, &e, sizeof(e)); /* a parent that died needs no answer */
	_exit(r < 0 ? 1 : 0);
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

static int run_child(const struct userns_caps *caps, const struct id_map *map,
		     int (*fn)(void *data, struct error *e), void *data, struct error *e)
{
	struct userns_child child = { .pid = 0 };
	_cleanup_fd_ int from = -1;
	_cleanup_fd_ int to = -1;
	int p[2];
	int r;

	r = fd_pipe(p);
	if (r < 0)
		return error_set(e, r, "making a pipe");
	from = p[0];
	to = p[1];
	r = userns_clone(caps, map, 0, true, &child, e);
	if (r < 0)
		return r;
	if (r == 0)
		inside_main(&child, caps, to, fn, data);
	close_fd(&to);
	r = userns_map_finish(&child, caps, map, e);
	if (r == 0)
		r = take_answer(from, child.pid, e);
	userns_child_fini(&child);
	return r;
}

static int run(bool always_child, int (*fn)(void *data, struct error *e), void *data,
	       struct error *e)
{
	struct userns_caps caps = { .kind = USERNS_KIND_NONE };
	struct id_map map = { 0 };
	int r;

	r = userns_probe(&caps, e);
	if (r < 0)
		return r;
	if (caps.kind == USERNS_KIND_NONE && !always_child) {
		r = fn(data, e);
	} else {
		r = userns_map_default(&caps, &map, e);
		if (r == 0)
			r = run_child(&caps, &map, fn, data, e);
	}
	id_map_fini(&map);
	userns_caps_fini(&caps);
	return r;
}

int inside_run(int (*fn)(void *data, struct error *e), void *data, struct error *e)
{
	return run(false, fn, data, e);
}

int inside_fork(int (*fn)(void *data, struct error *e), void *data, struct error *e)
{
	return run(true, fn, data, e);
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
