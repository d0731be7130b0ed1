/* SPDX-License-Identifier: Apache-2.0 */
/* How much of the disk parts of the store take. */
#ifndef CMD_DU_H
#define CMD_DU_H

#include <stdint.h>

#include "storage/storage.h"

/*
 * Bytes on the disk of each of these names below the store, as du counts them: a file with several
 * names in one of the parts counts once there. What is not there or cannot be read counts nothing.
 * sizes has room for paths->n. 0 or -errno.
 */
int du_paths(struct storage *s, const struct strv *paths, uint64_t *sizes, struct error *e);

#endif
