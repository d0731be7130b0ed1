/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of id maps.
 *
 * Theory of operation: a map is a short list of ranges (the kernel takes at
 * most 340), so everything is a linear scan. Every range is checked when it is
 * added: no wrap past 2^32-2 ((uid_t)-1 means "no change" to chown(2)), no
 * overlap on either side. After that translations need no further checks.
 */
#include "base/types.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"

void id_map_fini(struct id_map *map)
{
	free(map->uid);
	free(map->gid);
	*map = (struct id_map){ 0 };
}

static bool overlap(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count)
{
	return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

int id_map_add(struct id_range **arr, size_t *n, struct id_range range)
{
	const uint64_t top = UINT32_MAX; /* exclusive: 2^32-1 is no id */
	struct id_range *bigger;
	size_t size;

	if (range.count == 0 || (uint64_t)range.inside + range.count > top ||
	    (uint64_t)range.outside + range.count > top)
		return -EINVAL;
	for (size_t i = 0; i < *n; i++) {
		const struct id_range *o = &(*arr)[i];

		if (overlap(range.inside, o->inside, range.count, o->count) ||
		    overlap(range.outside, o->outside, range.count, o->count))
			return -EINVAL;
	}
	if (*n >= LIMIT_ID_RANGES)
		return -EINVAL;
	if (!mul_size(*n + 1, sizeof(**arr), &size))
		return -ENOMEM;
	bigger = realloc(*arr, size);
	if (bigger == NULL)
		return -ENOMEM;
	bigger[(*n)++] = range;
	*arr = bigger;
	return 0;
}

bool id_map_to_outside(const struct id_range *arr, size_t n, uint32_t inside, uint32_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (inside >= arr[i].inside && inside - arr[i].inside < arr[i].count) {
			*ret = arr[i].outside + (inside - arr[i].inside);
			return true;
		}
	return false;
}
