/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain structures that may cross a module border.
 *
 * Modules never include each other's headers; what they exchange is file
 * descriptors, integers, strings, struct error and the structures below.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One line of a user namespace's uid_map or gid_map (user_namespaces(7)). */
struct id_range {
	uint32_t inside;  /* first id as seen in the namespace */
	uint32_t outside; /* first id as seen in the parent namespace */
	uint32_t count;	  /* number of consecutive ids, at least 1 */
};

/* A complete map. Arrays are owned by the structure; free with id_map_fini(). */
struct id_map {
	struct id_range *uid;
	size_t uid_n;
	struct id_range *gid;
	size_t gid_n;
};

/* Release the arrays and zero the structure. Accepts a zeroed one. */
void id_map_fini(struct id_map *map);

/*
 * Append one range to *arr (realloc'd, *n grows). Returns 0, -EINVAL when the
 * range is empty, runs past 2^32-2 or overlaps an earlier one on either side,
 * or -ENOMEM.
 */
int id_map_add(struct id_range **arr, size_t *n, struct id_range range);

/* Translate an id. False when the map does not hold it. *ret is then untouched. */
bool id_map_to_outside(const struct id_range *arr, size_t n, uint32_t inside, uint32_t *ret);

#endif
