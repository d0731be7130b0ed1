/* SPDX-License-Identifier: Apache-2.0 */
/* What `crt inspect` shows of a container. */
#ifndef CMD_INSPECT_H
#define CMD_INSPECT_H

#include <jansson.h>

#include "cmd/container.h"

/* A new object with the keys of "podman inspect"; NULL on -ENOMEM. */
json_t *inspect_container_json(struct storage *s, const struct container *c);

#endif
