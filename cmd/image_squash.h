/* SPDX-License-Identifier: Apache-2.0 */
/* Images as one SquashFS file. */
#ifndef CMD_IMAGE_SQUASH_H
#define CMD_IMAGE_SQUASH_H

#include "cmd/fetch.h"
#include "cmd/opt.h"

/* Write an image with its configuration to fd, a regular file. 0 or -errno. */
int image_squash_pack(struct storage *s, const struct storage_image *image, int fd,
		      struct error *e);
/* The same to a file that is whole or not there. 0 or -errno. */
int image_squash_write(const struct cmd_global *g, const char *name, const char *file,
		       struct error *e);
/* Fetch an image into the store as one file. Caller frees the id. 0 or -errno. */
int image_squash_pull(struct storage *s, const char *text, const struct cmd_fetch_options *f,
		      bool quiet, char **ret_id, struct error *e);

#endif
