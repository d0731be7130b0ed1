/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded ring of buffers between two threads.
 *
 * Theory of operation
 *
 * The stages of a layer (download, digest and inflate, write) run side by
 * side; a stage that is slower makes the one before it wait, so memory is
 * bounded by slots * slot_size whatever the input does. The ring belongs to
 * one producer and one consumer; a slot is owned by the producer from claim to
 * publish and by the consumer from take to release. Either side may end it:
 * queue_end() (no more data, or broken) and queue_leave() (wants no more).
 * Slots are made when first used: a small layer costs little.
 */
#include "storage/unpack/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t can_fill, can_take;
	struct queue_slot *slots;
	size_t n, slot_size;
	size_t head; /* filled so far */
	size_t tail; /* released so far */
	bool ended, broken, gone;
	void (*released)(void *data);
	void *data;
};

int queue_new(size_t slots, size_t slot_size, void (*released)(void *data), void *data,
	      struct queue **ret)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	q->slots = calloc(slots, sizeof(*q->slots));
	if (q->slots == NULL) {
		free(q);
		return -ENOMEM;
	}
	q->n = slots;
	q->slot_size = slot_size;
	q->released = released;
	q->data = data;
	(void)pthread_mutex_init(&q->lock, NULL); /* cannot fail with default attributes */
	(void)pthread_cond_init(&q->can_fill, NULL);
	(void)pthread_cond_init(&q->can_take, NULL);
	*ret = q;
	return 0;
}

void queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	for (size_t i = 0; i < q->n; i++)
		free(q->slots[i].data);
	free(q->slots);
	(void)pthread_cond_destroy(&q->can_fill);
	(void)pthread_cond_destroy(&q->can_take);
	(void)pthread_mutex_destroy(&q->lock);
	free(q);
}

struct queue_slot *queue_claim(struct queue *q, bool wait)
{
	struct queue_slot *s = NULL;

	pthread_mutex_lock(&q->lock);
	while (wait && !q->gone && q->head - q->tail == q->n)
		pthread_cond_wait(&q->can_fill, &q->lock);
	if (!q->gone && q->head - q->tail < q->n) {
		s = &q->slots[q->head % q->n];
		if (s->data == NULL) {
			s->data = malloc(q->slot_size);
			s->cap = q->slot_size;
		}
		if (s->data == NULL) {
			/* out of memory: the stream cannot go on; the consumer sees a broken end */
			s = NULL;
			q->gone = q->ended = q->broken = true;
			pthread_cond_signal(&q->can_take);
		} else {
			s->len = 0;
		}
	}
	pthread_mutex_unlock(&q->lock);
	return s;
}

void queue_publish(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->head++;
	pthread_cond_signal(&q->can_take);
	pthread_mutex_unlock(&q->lock);
}

void queue_end(struct queue *q, bool error)
{
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	if (error)
		q->broken = true;
	pthread_cond_signal(&q->can_take);
	pthread_mutex_unlock(&q->lock);
}

bool queue_is_gone(struct queue *q)
{
	bool r;

	pthread_mutex_lock(&q->lock);
	r = q->gone;
	pthread_mutex_unlock(&q->lock);
	return r;
}

struct queue_slot *queue_take(struct queue *q, bool *ret_broken)
{
	struct queue_slot *s = NULL;

	pthread_mutex_lock(&q->lock);
	while (q->head == q->tail && !q->ended)
		pthread_cond_wait(&q->can_take, &q->lock);
	if (q->head != q->tail)
		s = &q->slots[q->tail % q->n];
	else
		*ret_broken = q->broken;
	pthread_mutex_unlock(&q->lock);
	return s;
}

void queue_release(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->tail++;
	pthread_cond_signal(&q->can_fill);
	pthread_mutex_unlock(&q->lock);
	if (q->released != NULL)
		q->released(q->data);
}

void queue_leave(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->gone = true;
	pthread_cond_signal(&q->can_fill);
	pthread_mutex_unlock(&q->lock);
	if (q->released != NULL)
		q->released(q->data);
}
