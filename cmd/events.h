/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what happened to containers, images and volumes, as lines of the store's
 * file "events". Written by whoever did it, shown by crt events.
 */
#ifndef CMD_EVENTS_H
#define CMD_EVENTS_H

#include <jansson.h>

#include "base/buf.h"
#include "cmd/compose.h"
#include "cmd/container.h"
#include "storage/storage.h"

#define EVENTS_FILE	"events"
#define EVENTS_OLD_FILE "events.1"

/* A container as an event names it; all borrowed, labels may be NULL. */
struct event_subject {
	const char *id, *name, *image;
	const json_t *labels;
};

/*
 * Append one line to b, with the present time. code: the exit code, -1 = none. key and value are one
 * more attribute, or NULL. A line that cannot be made is left out: no operation fails for an event.
 */
void event_container(struct buf *b, const char *status, const struct event_subject *who, int code,
		     const char *key, const char *value);
/* type: "image", "volume" ...; id may be NULL. */
void event_object(struct buf *b, const char *type, const char *status, const char *id,
		  const char *name);
/* One write; b is empty afterwards. Failures are nobody's business: see events.c. */
void events_write(struct storage *s, struct buf *b);

/* One event of a container, one of anything else: the above together. */
void events_container(struct storage *s, const char *status, const struct container *c, int code);
/* The same of a record, which may be NULL: nothing then. */
void events_record(struct storage *s, const char *status, const json_t *record);
void events_object(struct storage *s, const char *type, const char *status, const char *id,
		   const char *name);
/*
 * A container was made (created), by crt run or crt start: the events up to its start, or, where it
 * did not start, that it was made.
 */
void events_launched(struct storage *s, const struct run_plan *p, bool created, bool started,
		     bool attached);
/* The subject that a record describes. */
struct event_subject event_subject_of(const json_t *record);

#endif
