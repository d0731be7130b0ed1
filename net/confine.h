/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): its own cage. */
#ifndef NET_CONFINE_H
#define NET_CONFINE_H

#include <stdbool.h>

#include "base/error.h"

/* First thing in main(): nobody may trace or dump us. */
void confine_early(void);
/*
 * After the ports are bound and before the first frame: empty root, no
 * capabilities, resource limits, system call list. The host's network
 * namespace stays. writes_file: an fd of a file is open that may grow. 0, or -errno when the part that must not fail does.
 */
int confine_self(bool writes_file, struct error *e);

#endif
