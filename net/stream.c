/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from one socket to another.
 *
 * Theory of operation
 *
 * A direction of a connection is pumped when epoll says that one of its ends
 * changed. Little data is received into one buffer that all share and sent at
 * once: two system calls. Where a whole buffer comes at once there is more to
 * come, and splice() moves the pages by way of a pipe without looking at them.
 * Pipes are few and belong to nobody: a direction borrows one until what it
 * put in has been taken out. While none is free, the buffer serves.
 *
 * What the other end does not take is kept (in the pipe, or in memory of its
 * own, at most one buffer), and nothing more is read before that is gone: the
 * peers' own flow control works through us, and a thousand idle connections
 * need no buffer at all. The pipes' pages count against a limit that all
 * programs of the user share; the number of pipes is chosen to stay far below.
 *
 * Both ends are edge-triggered. A read that returned less than was asked for
 * found everything, unless the end is hung up, when the end of file is still
 * to be read. A budget for each call keeps one fast connection from starving
 * the others.
 *
 * The attacker is a client or the container: neither controls more than the
 * bytes, which are not looked at, and their pace.
 */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PIPES_MAX 32
#define PIPE_SIZE (256u << 10)
#define PIPE_FEW  (8u << 10) /* so little at once is no bulk */
#define BUDGET	  (1u << 20) /* bytes in one call */

/* ---- pipes ---- */

struct stream_pipe {
	int fd[2];
	struct stream_pipe *next;
};

static struct stream_pipe *pipe_take(struct stream_pool *pool)
{
	struct stream_pipe *p = pool->idle;

	if (p != NULL) {
		pool->idle = p->next;
		return p;
	}
	if (pool->pipes_n == PIPES_MAX)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL || pipe2(p->fd, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(p);
		return NULL;
	}
	(void)fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_SIZE); /* only slower without */
	pool->pipes_n++;
	return p;
}

static void pipe_close(struct stream_pool *pool, struct stream_pipe *p)
{
	close_fd(&p->fd[0]);
	close_fd(&p->fd[1]);
	free(p);
	pool->pipes_n--;
}

/* Give an empty one back. */
static void pipe_give(struct stream_pool *pool, struct stream *s)
{
	if (s->pipe == NULL)
		return;
	s->pipe->next = pool->idle;
	pool->idle = s->pipe;
	s->pipe = NULL;
}

void stream_pool_fini(struct stream_pool *pool)
{
	while (pool->idle != NULL) {
		struct stream_pipe *p = pool->idle;

		pool->idle = p->next;
		pipe_close(pool, p);
	}
}

void stream_fini(struct stream_pool *pool, struct stream *s)
{
	if (s->pipe != NULL && s->piped != 0)
		pipe_close(pool, s->pipe); /* what is in it is nobody else's */
	else
		pipe_give(pool, s);
	free(s->kept);
	*s = (struct stream){ .pipe = NULL };
}

/* ---- moving ---- */

/* After a failed write: 1 to try again, 0 when the end takes no more, -1 when it is broken. */
static int failed(struct stream_end *to)
{
	if (errno == EINTR)
		return 1;
	to->writable = false;
	return errno == EAGAIN ? 0 : -1;
}

/* 1 when nothing is left to write, 0 when the end takes no more, -1 when it is broken. */
static int flush_kept(struct stream *s, struct stream_end *to)
{
	while (s->kept_n != 0) {
		ssize_t n;

		if (!to->writable)
			return 0;
		n = send(to->fd, s->kept + s->kept_at, s->kept_n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			int ret = failed(to);

			if (ret <= 0)
				return ret;
			continue;
		}
		s->kept_at += (size_t)n;
		s->kept_n -= (size_t)n;
	}
	free(s->kept);
	s->kept = NULL;
	return 1;
}

static int flush_pipe(struct stream *s, struct stream_end *to)
{
	while (s->piped != 0) {
		ssize_t n;

		if (!to->writable)
			return 0;
		n = splice(s->pipe->fd[0], NULL, to->fd, NULL, s->piped,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0) {
			int ret = failed(to);

			if (ret <= 0)
				return ret;
			continue;
		}
		if (n == 0)
			return -1; /* cannot be: the pipe is not empty */
		s->piped -= (size_t)n;
	}
	return 1;
}

/* Write what the buffer holds; keep the rest. False without memory for it or when the end is broken. */
static bool write_buffer(const uint8_t *data, size_t len, struct stream *s, struct stream_end *to)
{
	ssize_t n = 0;

	if (to->writable) {
		n = send(to->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && failed(to) < 0)
			return false;
		if (n < 0)
			n = 0;
	}
	if ((size_t)n == len)
		return true;
	s->kept = malloc(len - (size_t)n);
	if (s->kept == NULL)
		return false;
	s->kept_at = 0;
	s->kept_n = len - (size_t)n;
	memcpy(s->kept, data + n, s->kept_n);
	return true;
}

/* Bytes read and passed on or kept, 0 at the end or when there is nothing, -1 when an end is broken. */
static ssize_t fill(struct stream_pool *pool, struct stream *s, struct stream_end *from,
		    struct stream_end *to)
{
	ssize_t n;

	if (!s->bulk)
		pipe_give(pool, s);
	else if (s->pipe == NULL)
		s->pipe = pipe_take(pool);
	if (s->bulk && s->pipe != NULL)
		n = splice(from->fd, NULL, s->pipe->fd[1], NULL, PIPE_SIZE,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	else
		n = recv(from->fd, pool->buffer, sizeof(pool->buffer), MSG_DONTWAIT);
	if (n < 0) {
		from->readable = errno == EINTR;
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	}
	s->bytes += (size_t)n;
	if (n == 0) {
		from->readable = false;
		s->eof = true;
	} else if (s->bulk && s->pipe != NULL) {
		s->piped = (size_t)n;
		s->bulk = n >= (ssize_t)PIPE_FEW;
	} else {
		s->bulk = n == (ssize_t)sizeof(pool->buffer);
		from->readable = s->bulk || from->hung_up;
		if (!write_buffer(pool->buffer, (size_t)n, s, to))
			return -1;
	}
	return n;
}

enum stream_result stream_pump(struct stream_pool *pool, struct stream *s, struct stream_end *from,
			       struct stream_end *to, bool last)
{
	size_t moved = 0;

	while (moved < BUDGET) {
		int clear = s->piped != 0 ? flush_pipe(s, to) : flush_kept(s, to);
		ssize_t n;

		if (clear <= 0)
			return clear < 0 ? STREAM_BROKEN : STREAM_WAITS;
		if (s->eof || !from->readable)
			break;
		n = fill(pool, s, from, to);
		if (n < 0)
			return STREAM_BROKEN;
		moved += (size_t)n;
	}
	if (moved >= BUDGET)
		return STREAM_MORE;
	pipe_give(pool, s);
	if (s->eof && !s->shutdown) {
		s->shutdown = true;
		if (!last)
			(void)shutdown(to->fd,
				       SHUT_WR); /* the peer may be gone: nothing to tell it then */
	}
	return STREAM_WAITS;
}
