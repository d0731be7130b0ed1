/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors: whole reads and writes, passing them, durable files, closing all. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Write everything, retrying EINTR and short writes. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len);
/* Read exactly len bytes. Returns bytes read (fewer only at end of file) or -errno. */
ssize_t fd_read_full(int fd, void *data, size_t len);
/* Append everything up to end of file to b; more than max bytes is -EFBIG. 0 or -errno. */
int fd_read_to_end(int fd, struct buf *b, size_t max);
/*
 * Read a small regular file relative to dir_fd (AT_FDCWD allowed) into a new
 * NUL-terminated string; O_NOFOLLOW|O_NONBLOCK, refuses what is not regular
 * and more than max bytes. *ret_len may be NULL. Caller frees *ret.
 */
int fd_read_file_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len,
		    struct error *e);
/*
 * Replace dir_fd/name as a whole: temporary name, write, rename. With durable
 * set also fsync of file and directory. Mode as given, umask ignored.
 */
int fd_write_file_at(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		     bool durable, struct error *e);
/*
 * Create dir_fd/name, which must not exist; mode as given, umask ignored. For files of a directory that nobody
 * looks into yet: a reader could see it while it is being written. name is in dir_fd itself. 0 or -errno.
 */
int fd_create_file_at(int dir_fd, const char *name, const void *data, size_t len, mode_t mode,
		      struct error *e);
/* Duplicate to a number >= 3 with CLOEXEC. New fd or -errno. */
int fd_dup(int fd);
int fd_set_cloexec(int fd, bool on);
int fd_set_nonblock(int fd, bool on);
/* A /dev/null opened O_RDWR|O_CLOEXEC and verified to be character device 1:3. fd or -errno. */
int fd_open_null(struct error *e);
/*
 * Make sure fds 0, 1, 2 are open (to /dev/null where they are not); call first in main().
 * 0 or -errno.
 */
int fd_sanitize_stdio(void);
/* close_range(first, ~0, flags) with a /proc/self/fd loop where the call is missing. 0 or -errno. */
int fd_close_from(unsigned int first, unsigned int flags);
/* A CLOEXEC pipe / AF_UNIX SOCK_SEQPACKET pair (type may be SOCK_STREAM). 0 or -errno. */
int fd_pipe(int ret[2]);
int fd_socketpair(int type, int ret[2]);
/* Send a message with n fds (n <= 32). 0 or -errno. MSG_NOSIGNAL. */
int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n);
/*
 * Receive one message; up to *n fds are stored in fds (CLOEXEC), *n becomes
 * their number (0 on failure), surplus ones are closed. What a peer sent before
 * it died comes first, -ECONNRESET after it. Returns bytes, 0 at end, or -errno.
 */
ssize_t fd_recv(int sock, void *data, size_t len, int *fds, size_t *n);

#endif
