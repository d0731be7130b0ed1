/* SPDX-License-Identifier: Apache-2.0 */
/* Paused containers. */
#ifndef CMD_PAUSE_H
#define CMD_PAUSE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define PAUSE_FILE "paused" /* in the bundle: how it was paused */

/* Is the container with this bundle and first process paused at this moment? */
bool pause_is_paused(const char *rundir, pid_t pid);
/* Pause a running container by the best means there is. 0 or -errno. */
int pause_begin(const char *rundir, pid_t pid, struct error *e);
/* Let it go on, whatever it was paused by. 0 or -errno. */
int pause_end(const char *rundir, pid_t pid, struct error *e);

#endif
