/* SPDX-License-Identifier: Apache-2.0 */
/* The cage of crt-fetch. */
#ifndef STORAGE_UNPACK_CAGE_H
#define STORAGE_UNPACK_CAGE_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Give up everything that unpacking (and, with network, downloading) does not
 * need. *txn_fd and *source_fd (each may be NULL) are replaced by descriptors
 * inside the new root. One thread only. 0 or -errno: then nothing may go on.
 */
int cage_enter(int *txn_fd, int *source_fd, bool network, struct error *e);
/*
 * The same around one directory, which may lie in another mount namespace: it becomes the root,
 * nothing is mounted. *dir_fd is replaced.
 */
int cage_enter_dir(int *dir_fd, struct error *e);
/* The bundle of certificate authorities, valid inside the cage. */
const char *cage_ca_path(void);

/* cage-root.c: a root directory of only what is needed. */
int cage_root(int *txn_fd, int *source_fd, bool network, struct error *e);
/* cage-filter.c: the list of system calls. */
int cage_filter(bool network, struct error *e);

#endif
