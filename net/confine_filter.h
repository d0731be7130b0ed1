/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): the system calls that remain. */
#ifndef NET_CONFINE_FILTER_H
#define NET_CONFINE_FILTER_H

#include "base/error.h"

/* Install the seccomp filter for good. no_new_privs must be set. 0 or -errno. */
int confine_filter(struct error *e);

#endif
