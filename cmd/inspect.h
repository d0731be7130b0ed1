/* SPDX-License-Identifier: Apache-2.0 */
/* What `crt inspect` shows of containers and images. */
#ifndef CMD_INSPECT_H
#define CMD_INSPECT_H

#include <jansson.h>

#include "cmd/container.h"

/* A new object with the keys of "podman inspect"; NULL on -ENOMEM. */
json_t *inspect_container_json(struct storage *s, const struct container *c);
/* The same with those of "podman image inspect"; NULL with e set. */
json_t *inspect_image_json(struct storage *s, const struct storage_image *image, struct error *e);

#endif
