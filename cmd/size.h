/* SPDX-License-Identifier: Apache-2.0 */
/* How much containers have written. */
#ifndef CMD_SIZE_H
#define CMD_SIZE_H

#include "cmd/container.h"

/* Fill size_rw and size_image of n containers. What cannot be read is not counted. 0 or -errno. */
int size_containers(struct storage *s, struct container *c, size_t n, struct error *e);
/* "12B (virtual 5.61MB)". Caller frees; NULL on -ENOMEM. */
char *size_text(const struct container *c);

#endif
