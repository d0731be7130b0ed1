/* SPDX-License-Identifier: Apache-2.0 */
/* A file that the user names to take our output: whole or not at all. */
#ifndef CMD_OUTFILE_H
#define CMD_OUTFILE_H

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

#endif
