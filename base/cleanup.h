/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup attributes for locals; every one of them preserves errno and accepts "nothing". */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_fd_(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd); /* nothing useful can be done about it */
		errno = saved;
	}
}

static inline void cleanup_dir_(DIR **d)
{
	if (*d != NULL) {
		int saved = errno;

		(void)closedir(*d);
		errno = saved;
	}
}

static inline void cleanup_file_(FILE **f)
{
	if (*f != NULL) {
		int saved = errno;

		(void)fclose(*f);
		errno = saved;
	}
}

#define _cleanup_(fn)  __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(cleanup_free_)
#define _cleanup_fd_   _cleanup_(cleanup_fd_)
#define _cleanup_dir_  _cleanup_(cleanup_dir_)
#define _cleanup_file_ _cleanup_(cleanup_file_)

/* Hand an fd over: returns it and leaves -1 behind. */
static inline int steal_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

/* Hand a pointer over: returns it and leaves NULL behind. */
#define steal_ptr(pp)                       \
	__extension__({                     \
		__typeof__(pp) pp_ = (pp);  \
		__typeof__(*pp_) p_ = *pp_; \
		*pp_ = NULL;                \
		p_;                         \
	})

/* Close *fd if open and set it to -1; preserves errno. */
static inline void close_fd(int *fd)
{
	cleanup_fd_(fd);
	*fd = -1;
}

#endif
