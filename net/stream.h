/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): bytes from one socket to another. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_BUFFER (64u << 10)

struct stream_pipe;

/* What all streams share. Zero to begin with. */
struct stream_pool {
	struct stream_pipe *idle; /* empty pipes */
	size_t pipes_n;		  /* that are open */
	uint8_t buffer[STREAM_BUFFER];
};

/* One end of a connection, watched edge-triggered: what epoll said last. */
struct stream_end {
	int fd;
	bool readable;
	bool writable;
	bool hung_up; /* nothing more will come after what is there */
};

/* One direction of a connection. Zero to begin with. */
struct stream {
	struct stream_pipe *pipe;
	size_t piped;  /* bytes in it */
	uint8_t *kept; /* what could not be written from the buffer */
	size_t kept_at, kept_n;
	uint64_t bytes;
	bool bulk;     /* much comes at once: by way of a pipe */
	bool eof;      /* nothing more will be read */
	bool shutdown; /* and that has been passed on */
};

enum stream_result {
	STREAM_WAITS, /* for an end to become readable or writable, or it is through */
	STREAM_MORE,  /* had its share; there is more to do at once */
	STREAM_BROKEN
};

/*
 * Move what can be moved now; passes the end of file on, unless the other direction is through:
 * then it is the last and both ends are to be closed.
 */
enum stream_result stream_pump(struct stream_pool *pool, struct stream *s, struct stream_end *from,
			       struct stream_end *to, bool last);
void stream_fini(struct stream_pool *pool, struct stream *s);
/* After all streams. */
void stream_pool_fini(struct stream_pool *pool);

#endif
