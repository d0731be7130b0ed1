/* SPDX-License-Identifier: Apache-2.0 */
/* Start a container that exists: crt start and crt restart. */
#ifndef CMD_START_H
#define CMD_START_H

#include "cmd/container.h"
#include "cmd/opt.h"

/* Detached; created and data as in cmd/launch.h. 0, or -errno with *ret_code the exit code of crt run -d for it (125 to 127). */
int start_container(struct storage *s, const struct cmd_global *g, const struct container *c,
		    int (*created)(void *data, struct error *e), void *data, int *ret_code,
		    struct error *e);

#endif
