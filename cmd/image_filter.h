/* SPDX-License-Identifier: Apache-2.0 */
/* --filter of images and image prune, and what else both need of an image. */
#ifndef CMD_IMAGE_FILTER_H
#define CMD_IMAGE_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "base/error.h"
#include "cmd/filter.h"
#include "storage/storage.h"

/* One name of an image. */
struct image_item {
	const struct storage_image *image;
	const char *name; /* NULL: it has none */
	const json_t *labels;
	time_t created;
	const struct strv *used; /* image_used() */
};

#define IMAGE_FILTER_WORDS                                                                  \
	"reference=|dangling=true|dangling=false|id=|label=|label!=|before=|since=|until=|" \
	"containers=true|containers=false|readonly=true|readonly=false"

/* For filter_check() and filter_pass(); item is a struct image_item, data the struct storage. */
extern const struct filter_spec image_filters[];

/* "docker.io/library/x:1" -> repository and tag; both "<none>" without a name. 0 or -ENOMEM. */
int image_split_name(const char *name, char **ret_repository, char **ret_tag);
/* The labels of the configuration, a new reference; null when there are none. */
json_t *image_labels(const struct storage_image *image);
/* When it was made; 0 = not known. */
time_t image_created(const struct storage_image *image);
/* True when the name, its last component or its repository matches the shell pattern. */
bool image_name_matches(const char *name, const char *pattern);
/* Add the ids of the images that containers were made of, one for each container. 0 or -errno. */
int image_used(struct storage *s, struct strv *ret, struct error *e);

#endif
