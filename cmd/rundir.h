/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime directory: bundles of containers that live, gone after a reboot. */
#ifndef CMD_RUNDIR_H
#define CMD_RUNDIR_H

#include "base/error.h"
#include "storage/storage.h"

/*
 * Absolute path of RUNROOT/containers, made where missing (0700, owner
 * checked): the --runroot given, else $XDG_RUNTIME_DIR/crt, else
 * /run/user/UID/crt, else STORE/run/BOOT-ID. A directory of somebody else or
 * one open to others is refused, never replaced by a guessable name.
 * *ret is owned by the caller. 0 or -errno.
 */
int rundir_open(const char *runroot, const struct storage *s, char **ret, struct error *e);
/* Make ROOT/containers/ID with rootfs/ in it; *ret_path (caller frees). fd of the directory or -errno. */
int rundir_make(const char *containers, const char *id, char **ret_path, struct error *e);
/* Remove it with all below. A missing one is success. */
int rundir_remove(const char *containers, const char *id, struct error *e);

#endif
