/* SPDX-License-Identifier: Apache-2.0 */
/* A poll loop for single-threaded programs: fds, timers, signals. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <sys/types.h>

#include "base/error.h"

struct loop;
struct loop_source;

/* events and revents are poll(2) bits. A negative return ends loop_run() with that value. */
typedef int (*loop_fd_fn)(void *data, int fd, short revents);
typedef int (*loop_timer_fn)(void *data);
typedef int (*loop_signal_fn)(void *data, int sig);

int loop_new(struct loop **ret);
void loop_free(struct loop *l); /* closes nothing that callers own */
/* fd stays the caller's. Sources live until loop_source_free() or loop_free(). */
int loop_add_fd(struct loop *l, int fd, short events, loop_fd_fn fn, void *data,
		struct loop_source **ret);
void loop_source_set_events(struct loop_source *s, short events); /* 0 = paused */
/* One-shot timer, milliseconds from now (CLOCK_MONOTONIC). */
int loop_add_timer(struct loop *l, uint64_t ms, loop_timer_fn fn, void *data,
		   struct loop_source **ret);
void loop_source_set_timer(struct loop_source *s, uint64_t ms);
/* Block the signals of set and deliver them here (signalfd). One call per loop; old mask restored by loop_free(). */
int loop_add_signals(struct loop *l, const sigset_t *set, loop_signal_fn fn, void *data);
void loop_source_free(struct loop_source *s); /* safe inside callbacks; NULL accepted */
/* Run until loop_exit() or a callback fails. Returns loop_exit()'s value or -errno. */
int loop_run(struct loop *l);
void loop_exit(struct loop *l, int value);

#endif
