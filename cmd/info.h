/* SPDX-License-Identifier: Apache-2.0 */
/* What crt info and crt version share. */
#ifndef CMD_INFO_H
#define CMD_INFO_H

#include <jansson.h>

#include "base/buf.h"

/* The version of libslirp that crt-net is linked with; an empty buffer when it cannot be asked. */
void version_slirp(struct buf *ret);
/* podman's object of a version: APIVersion, Version, GitCommit ... New reference, NULL on -ENOMEM. */
json_t *version_json(void);
/*
 * A copy of a tree with Go's names of podman's fields for the keys: "cpus" is "CPUs", "ociRuntime" "OCIRuntime",
 * "arch" "Arch". New reference, NULL on -ENOMEM.
 */
json_t *info_go_names(const json_t *tree);

#endif
