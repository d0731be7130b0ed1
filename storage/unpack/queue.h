/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded ring of buffers between exactly one producing and one consuming thread. */
#ifndef STORAGE_UNPACK_QUEUE_H
#define STORAGE_UNPACK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue_slot {
	unsigned char *data;
	size_t len; /* set by the producer */
	size_t cap;
};

/* released: called (in the consumer's thread) when a slot became free; may be NULL. */
int queue_new(size_t slots, size_t slot_size, void (*released)(void *data), void *data,
	      struct queue **ret);
void queue_free(struct queue *q); /* both threads must be done; accepts NULL */
/* A slot to fill. NULL: full and !wait, or the consumer is gone (see queue_is_gone). */
struct queue_slot *queue_claim(struct queue *q, bool wait);
/* Hand the claimed slot over. */
void queue_publish(struct queue *q);
/* No more slots will come; error: the consumer's queue_take() reports that the stream is broken. */
void queue_end(struct queue *q, bool error);
bool queue_is_gone(struct queue *q);
/* The next filled slot, valid until queue_release(). NULL at the end; *ret_broken tells how it ended. */
struct queue_slot *queue_take(struct queue *q, bool *ret_broken);
void queue_release(struct queue *q);
/* The consumer wants nothing more: the producer is woken and gets NULL from now on. */
void queue_leave(struct queue *q);

#endif
