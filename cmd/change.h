/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of an image configuration, written as instructions of a Dockerfile (--change). */
#ifndef CMD_CHANGE_H
#define CMD_CHANGE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Apply "CMD ...", "ENTRYPOINT ...", "ENV ...", "EXPOSE ...", "LABEL ...", "ONBUILD ...", "STOPSIGNAL ...",
 * "USER ...", "VOLUME ..." or "WORKDIR ..." ("CMD=..." is the same) to the object "config" of an
 * image configuration. 0, -EINVAL that names the instruction, -ENOMEM.
 */
int change_apply(json_t *config, const char *text, struct error *e);
/* The same for each of a list. */
int change_apply_all(json_t *config, const struct strv *list, struct error *e);
/* Set one entry "NAME=VALUE" of "Env". 0 or -ENOMEM. */
int change_set_env(json_t *config, const char *entry);

#endif
