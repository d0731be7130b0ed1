/* SPDX-License-Identifier: Apache-2.0 */
/* A file that the user names to take our output: whole or not at all. */
#ifndef CMD_OUTFILE_H
#define CMD_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct outfile {
	const char *path; /* borrowed; NULL = standard output */
	int fd;		  /* write here */
	int dir_fd;	  /* -1: written in place */
};
#define OUTFILE_INIT ((struct outfile){ .fd = -1, .dir_fd = -1 })

/*
 * path NULL or "-": standard output, refused when it is a terminal. A file gets its name when
 * it is complete (outfile_commit()); what is no regular file (/dev/stdout) is written to directly.
 */
int outfile_open(const char *path, struct outfile *ret, struct error *e);
int outfile_commit(struct outfile *o, struct error *e);
void outfile_close(struct outfile *o); /* what was not committed is gone */

/* path exists and is no regular file (/dev/stdout, a FIFO, a link): to be written to, never replaced. */
bool outfile_is_in_place(const char *path);
/* A few bytes as that file, mode 0644: replaced as a whole, or written in place. */
int outfile_put(const char *path, const void *data, size_t len, struct error *e);

#endif
