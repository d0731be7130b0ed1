/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a container: what ps and inspect show and what survives its end. */
#ifndef CMD_RECORD_H
#define CMD_RECORD_H

#include "base/error.h"
#include "cmd/compose.h"
#include "storage/storage.h"

/*
 * JSON text of a new record, to be freed by the caller; NULL with e filled. started: it is started
 * at once; else it is a "created" one until record_started().
 */
char *record_new(const struct run_plan *p, bool started, struct error *e);
/* A new life begins: note the time, forget how the last one ended; restarts: how many by policy. 0 or -errno. */
int record_started(struct storage *s, const char *id, const char *rundir, unsigned int restarts,
		   struct error *e);
/* Merge an object into the record. 0 or -errno. */
int record_update(struct storage *s, const char *id, json_t *changes, struct error *e);
/* Note the host ports that were chosen. 0 or -errno. */
int record_ports(struct storage *s, const struct run_plan *p, struct error *e);
/* The labels of image and request. NULL on -ENOMEM. */
json_t *record_labels(const struct run_plan *p);
/* What a record says about the machine it was made on; the caller frees it. NULL when nobody tells. */
char *record_node(void);
/* Note the exit code, the time of the end, and whether memory was the reason. 0 or -errno. */
int record_finish(struct storage *s, const char *id, int exit_code, bool oom, struct error *e);

#endif
