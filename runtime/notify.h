/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: the socket by which the container's process reports to the service manager. */
#ifndef RUNTIME_NOTIFY_H
#define RUNTIME_NOTIFY_H

#include "base/error.h"
#include "runtime/prepare.h"
#include "runtime/spec.h"

/*
 * Mount a directory of the state (dir_fd, whose absolute path is dir) over the
 * caller's NOTIFY_SOCKET in the container and set the variable there. After
 * prepare_rootfs(). Nothing is done where the process has the variable already.
 */
int notify_prepare(struct prepared *pr, const struct spec *s, int dir_fd, const char *dir,
		   const char *caller, struct error *e);

#endif
