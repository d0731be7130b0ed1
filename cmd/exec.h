/* SPDX-License-Identifier: Apache-2.0 */
/* What crt exec and health checks share. */
#ifndef CMD_EXEC_H
#define CMD_EXEC_H

#include <sys/types.h>

#include "base/error.h"

/*
 * The process object (JSON text, freed by the caller) of a command without options in the container whose
 * bundle and first process these are: its own user, environment and directory. 0 or -errno.
 */
int exec_compose(int bundle_fd, pid_t pid, char **args, int n, char **ret, struct error *e);

#endif
