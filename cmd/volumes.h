/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of a container: found or made, filled from the image, and who uses them. */
#ifndef CMD_VOLUMES_H
#define CMD_VOLUMES_H

#include "base/error.h"
#include "cmd/compose.h"
#include "cmd/opt.h"

/*
 * Before compose_config(): add to the request what --volumes-from names and the image's
 * VOLUME directories, and give volumes without a name a random one. 0 or -errno.
 */
int volumes_resolve(struct run_plan *p, struct error *e);
/*
 * Before the record is made: make the volumes that do not exist. *ret_lock_fd, to be closed
 * when the record names them, keeps them from being removed; -1 without volumes. 0 or -errno.
 */
int volumes_make(struct run_plan *p, int *ret_lock_fd, struct error *e);
/*
 * In the keeper, behind compose_user(): fill new volumes with the image's files, give them
 * the owner that the image or the container's user says, do what U asks. 0 or -errno.
 */
int volumes_fill(const struct run_plan *p, int root_fd, struct error *e);
/* [{"name", "destination", "anonymous"}] for the record; NULL on -ENOMEM. */
json_t *volumes_json(const struct run_request *r);
/* Remove the volumes without a name of this list (volumes_json()) that no container has. Best effort. */
void volumes_drop_anonymous(struct storage *s, const json_t *volumes);
/* The record of a new volume: labels and options may be NULL. Caller frees; NULL on -ENOMEM. */
char *volumes_record(const char *name, bool anonymous, json_t *labels, json_t *options);
/* Ids of the containers whose records name the volume. 0 or -errno. */
int volumes_users(struct storage *s, const char *name, struct strv *ret_ids, struct error *e);

/* volume_tar.c */
extern const struct cmd_verb volume_verb_export;
extern const struct cmd_verb volume_verb_import;

#endif
