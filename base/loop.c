/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A poll loop for single-threaded programs: fds, timers, signals.
 *
 * Theory of operation
 *
 * A loop owns an array of sources. Each turn waits in poll(2) until an fd is
 * ready or the nearest timer is due, calls the callbacks of the ready fds in
 * the order in which they were added, then those of the timers due, earliest
 * first. The pollfd array is made anew only after sources or events changed.
 *
 * Callbacks may add, change and free any source, their own too. A source
 * freed while callbacks run is only marked; its memory goes when the turn
 * ends, so a pointer in the running turn never dangles, and an fd number that
 * is closed and opened again within one turn cannot receive the events of its
 * predecessor. A timer set again by a callback fires in the next turn at the
 * earliest: no timer can starve the fds.
 *
 * A source with events 0 is paused: it is left out of poll altogether, since
 * poll would report POLLHUP and POLLERR in spite of it and the loop would spin.
 * An fd that was closed behind the loop's back (POLLNVAL) ends the loop with
 * -EBADF instead of spinning.
 *
 * Signals are blocked and read from a signalfd, one by one, so that a loop
 * which ends early leaves the rest pending. loop_free() restores the mask.
 * fds of the loop are CLOEXEC; a child must still reset its signal mask.
 *
 * Peers of the fds decide when callbacks run and how often, nothing more.
 */
#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum source_kind {
	SOURCE_FD,
	SOURCE_TIMER,
	SOURCE_KIND_COUNT
};

struct loop_source {
	struct loop *loop;
	enum source_kind kind;
	bool dead; /* freed inside a callback; memory goes at the end of the turn */
	void *data;
	/* SOURCE_FD */
	int fd;
	short events;
	loop_fd_fn fd_fn;
	/* SOURCE_TIMER */
	bool armed;
	uint64_t due;  /* CLOCK_MONOTONIC nanoseconds */
	uint64_t turn; /* the turn in which it was armed */
	loop_timer_fn timer_fn;
};

struct loop {
	struct loop_source **sources;
	size_t sources_n;
	size_t sources_cap;
	struct pollfd *polls;		   /* what poll(2) gets ... */
	struct loop_source **poll_sources; /* ... and whose entry it is */
	size_t polls_n;
	size_t polls_cap;
	size_t timers_n;
	bool polls_stale;
	bool has_dead;
	bool running;
	bool exiting;
	int exit_value;
	uint64_t turn;
	/* signals */
	int signal_fd;
	sigset_t old_mask;
	loop_signal_fn signal_fn;
	void *signal_data;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Saturating: a timer of 2^64-1 ms never fires. */
static uint64_t due_in(uint64_t ms)
{
	uint64_t ns, due;

	if (__builtin_mul_overflow(ms, 1000000u, &ns) || __builtin_add_overflow(now_ns(), ns, &due))
		return UINT64_MAX;
	return due;
}

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	l->signal_fd = -1;
	l->polls_stale = true;
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	int saved = errno;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->sources_n; i++)
		free(l->sources[i]);
	free(l->sources);
	free(l->polls);
	free(l->poll_sources);
	if (l->signal_fd >= 0) {
		close_fd(&l->signal_fd);
		(void)sigprocmask(SIG_SETMASK, &l->old_mask,
				  NULL); /* a mask that the kernel gave us */
	}
	free(l);
	errno = saved;
}

static int add_source(struct loop *l, enum source_kind kind, void *data, struct loop_source **ret)
{
	struct loop_source *s;

	if (l->sources_n == l->sources_cap) {
		size_t cap = l->sources_cap == 0 ? 8 : l->sources_cap * 2;
		struct loop_source **grown = reallocarray(l->sources, cap, sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		l->sources = grown;
		l->sources_cap = cap;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->loop = l;
	s->kind = kind;
	s->data = data;
	s->fd = -1;
	l->sources[l->sources_n++] = s;
	*ret = s;
	return 0;
}

int loop_add_fd(struct loop *l, int fd, short events, loop_fd_fn fn, void *data,
		struct loop_source **ret)
{
	struct loop_source *s;
	int r;

	if (fd < 0)
		return -EBADF;
	r = add_source(l, SOURCE_FD, data, &s);
	if (r < 0)
		return r;
	s->fd = fd;
	s->events = events;
	s->fd_fn = fn;
	l->polls_stale = true;
	if (ret != NULL)
		*ret = s;
	return 0;
}

void loop_source_set_events(struct loop_source *s, short events)
{
	if (s->kind != SOURCE_FD || s->events == events)
		return;
	s->events = events;
	s->loop->polls_stale = true;
}

int loop_add_timer(struct loop *l, uint64_t ms, loop_timer_fn fn, void *data,
		   struct loop_source **ret)
{
	struct loop_source *s;
	int r = add_source(l, SOURCE_TIMER, data, &s);

	if (r < 0)
		return r;
	s->timer_fn = fn;
	l->timers_n++;
	loop_source_set_timer(s, ms);
	if (ret != NULL)
		*ret = s;
	return 0;
}

void loop_source_set_timer(struct loop_source *s, uint64_t ms)
{
	if (s->kind != SOURCE_TIMER)
		return;
	s->due = due_in(ms);
	s->turn = s->loop->turn;
	s->armed = true;
}

/* Take the marked ones out, keeping the order of the others. */
static void bury_dead(struct loop *l)
{
	size_t kept = 0;

	if (!l->has_dead)
		return;
	for (size_t i = 0; i < l->sources_n; i++) {
		if (l->sources[i]->dead)
			free(l->sources[i]);
		else
			l->sources[kept++] = l->sources[i];
	}
	l->sources_n = kept;
	l->has_dead = false;
}

void loop_source_free(struct loop_source *s)
{
	struct loop *l;

	if (s == NULL || s->dead)
		return;
	l = s->loop;
	if (s->kind == SOURCE_TIMER)
		l->timers_n--;
	s->dead = true;
	s->armed = false;
	l->has_dead = true;
	l->polls_stale = true;
	if (!l->running)
		bury_dead(l);
}

static int on_signal_fd(void *data, int fd, short revents)
{
	struct loop *l = data;

	(void)revents; /* POLLIN is all that a signalfd has */
	while (!l->exiting) {
		struct signalfd_siginfo info;
		ssize_t n = read(fd, &info, sizeof(info));
		int r;

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -errno;
		}
		if ((size_t)n != sizeof(info))
			return -EIO;
		r = l->signal_fn(l->signal_data, (int)info.ssi_signo);
		if (r < 0)
			return r;
	}
	return 0;
}

int loop_add_signals(struct loop *l, const sigset_t *set, loop_signal_fn fn, void *data)
{
	_cleanup_fd_ int fd = -1;
	sigset_t old;
	int r;

	if (l->signal_fd >= 0)
		return -EBUSY;
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (sigprocmask(SIG_BLOCK, set, &old) < 0)
		return -errno;
	r = loop_add_fd(l, fd, POLLIN, on_signal_fd, l, NULL);
	if (r < 0) {
		(void)sigprocmask(SIG_SETMASK, &old, NULL); /* a mask that the kernel gave us */
		return r;
	}
	l->old_mask = old;
	l->signal_fn = fn;
	l->signal_data = data;
	l->signal_fd = steal_fd(&fd);
	return 0;
}

static int rebuild_polls(struct loop *l)
{
	size_t n = 0;

	if (l->polls_cap < l->sources_cap) {
		struct pollfd *polls = reallocarray(l->polls, l->sources_cap, sizeof(*polls));
		struct loop_source **owners;

		if (polls == NULL)
			return -ENOMEM;
		l->polls = polls;
		owners = reallocarray(l->poll_sources, l->sources_cap, sizeof(*owners));
		if (owners == NULL)
			return -ENOMEM;
		l->poll_sources = owners;
		l->polls_cap = l->sources_cap;
	}
	for (size_t i = 0; i < l->sources_n; i++) {
		struct loop_source *s = l->sources[i];

		if (s->dead || s->kind != SOURCE_FD || s->events == 0)
			continue;
		l->polls[n] = (struct pollfd){ .fd = s->fd, .events = s->events };
		l->poll_sources[n++] = s;
	}
	l->polls_n = n;
	l->polls_stale = false;
	return 0;
}

/* The armed timer with the earliest due time that is not newer than the given turn. */
static struct loop_source *next_timer(const struct loop *l, uint64_t before_turn)
{
	struct loop_source *best = NULL;

	for (size_t i = 0; i < l->sources_n && l->timers_n > 0; i++) {
		struct loop_source *s = l->sources[i];

		if (s->kind != SOURCE_TIMER || !s->armed || s->turn >= before_turn)
			continue;
		if (best == NULL || s->due < best->due)
			best = s;
	}
	return best;
}

static int wait_ready(struct loop *l)
{
	const struct loop_source *timer = next_timer(l, UINT64_MAX);
	struct timespec ts, *timeout = NULL;

	if (timer != NULL && timer->due != UINT64_MAX) {
		uint64_t now = now_ns();
		uint64_t left = timer->due > now ? timer->due - now : 0;

		ts.tv_sec = (time_t)(left / 1000000000u);
		ts.tv_nsec = (long)(left % 1000000000u);
		timeout = &ts;
	}
	if (ppoll(l->polls, l->polls_n, timeout, NULL) < 0) {
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
		for (size_t i = 0; i < l->polls_n; i++)
			l->polls[i].revents = 0;
	}
	return 0;
}

static int dispatch_fds(struct loop *l)
{
	size_t n = l->polls_n;

	for (size_t i = 0; i < n && !l->exiting; i++) {
		struct loop_source *s = l->poll_sources[i];
		short revents = l->polls[i].revents;
		int r;

		/* an earlier callback of this turn may have freed, paused or narrowed it */
		if (s->dead || s->events == 0)
			continue;
		revents = (short)(revents & (s->events | POLLERR | POLLHUP | POLLNVAL));
		if (revents == 0)
			continue;
		if (revents & POLLNVAL)
			return -EBADF;
		r = s->fd_fn(s->data, s->fd, revents);
		if (r < 0)
			return r;
	}
	return 0;
}

static int dispatch_timers(struct loop *l)
{
	uint64_t now;

	if (l->timers_n == 0)
		return 0;
	now = now_ns();
	while (!l->exiting) {
		struct loop_source *s = next_timer(l, l->turn);
		int r;

		if (s == NULL || s->due > now)
			return 0;
		s->armed = false;
		r = s->timer_fn(s->data);
		if (r < 0)
			return r;
	}
	return 0;
}

int loop_run(struct loop *l)
{
	int r = 0;

	if (l->running)
		return -EBUSY;
	l->running = true;
	while (r >= 0 && !l->exiting) {
		if (l->polls_stale)
			r = rebuild_polls(l);
		if (r >= 0)
			r = wait_ready(l);
		l->turn++;
		if (r >= 0)
			r = dispatch_fds(l);
		if (r >= 0)
			r = dispatch_timers(l);
		bury_dead(l);
	}
	l->running = false;
	if (r < 0)
		return r;
	l->exiting = false; /* the loop may be run again */
	return l->exit_value;
}

void loop_exit(struct loop *l, int value)
{
	l->exiting = true;
	l->exit_value = value;
}
