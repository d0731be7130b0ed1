/* SPDX-License-Identifier: Apache-2.0 */
/* The poll loop: sources that come and go inside callbacks, timers in order, signals and the mask. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"

struct ctx {
	struct loop *loop;
	struct loop_source *s[4];
	int pipe[2];
	int calls;
	int order[16];
	int last_revents;
};

static int setup(void **state)
{
	struct ctx *c = calloc(1, sizeof(*c));

	if (c == NULL || loop_new(&c->loop) < 0 || pipe2(c->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *c = *state;

	loop_free(c->loop);
	(void)close(c->pipe[0]);
	(void)close(c->pipe[1]);
	free(c);
	return 0;
}

static int quit(void *data)
{
	struct ctx *c = data;

	loop_exit(c->loop, 99);
	return 0;
}

static int on_readable(void *data, int fd, short revents)
{
	struct ctx *c = data;
	char ch;

	c->calls++;
	c->last_revents = revents;
	if ((revents & POLLIN) && read(fd, &ch, 1) == 1)
		return 0;
	loop_exit(c->loop, 7);
	return 0;
}

static void test_fd(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_fd(c->loop, c->pipe[0], POLLIN, on_readable, c, &c->s[0]), 0);
	assert_int_equal(write(c->pipe[1], "abc", 3), 3);
	(void)close(c->pipe[1]);
	c->pipe[1] = -1;
	assert_int_equal(loop_run(c->loop), 7);
	assert_int_equal(c->calls, 4); /* three bytes, then the hang-up */
	assert_true(c->last_revents & POLLHUP);
	assert_int_equal(loop_add_fd(c->loop, -1, POLLIN, on_readable, c, NULL), -EBADF);
}

static int fail_fd(void *data, int fd, short revents)
{
	(void)data;
	(void)fd;
	(void)revents;
	return -EPROTO;
}

static void test_callback_fails(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_fd(c->loop, c->pipe[1], POLLOUT, fail_fd, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), -EPROTO);
}

/* A paused source gets nothing, not even the hang-up, and costs no turns. */
static void test_paused(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_fd(c->loop, c->pipe[0], POLLIN, on_readable, c, &c->s[0]), 0);
	loop_source_set_events(c->s[0], 0);
	(void)close(c->pipe[1]);
	c->pipe[1] = -1;
	assert_int_equal(loop_add_timer(c->loop, 20, quit, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), 99);
	assert_int_equal(c->calls, 0);
	loop_source_set_events(c->s[0], POLLIN);
	assert_int_equal(loop_run(c->loop), 7);
}

static int free_both(void *data, int fd, short revents)
{
	struct ctx *c = data;

	(void)fd;
	(void)revents;
	c->calls++;
	loop_source_free(c->s[0]);
	loop_source_free(c->s[1]);
	loop_source_free(c->s[1]); /* twice in one turn is harmless */
	return 0;
}

/* Two ready sources, each frees both: exactly one callback may run. */
static void test_free_inside(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_fd(c->loop, c->pipe[1], POLLOUT, free_both, c, &c->s[0]), 0);
	assert_int_equal(loop_add_fd(c->loop, c->pipe[1], POLLOUT, free_both, c, &c->s[1]), 0);
	assert_int_equal(loop_add_timer(c->loop, 10, quit, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), 99);
	assert_int_equal(c->calls, 1);
	loop_source_free(NULL);
}

static int add_many(void *data)
{
	struct ctx *c = data;

	for (int i = 0; i < 40; i++)
		if (loop_add_fd(c->loop, c->pipe[0], POLLIN, on_readable, c, NULL) < 0)
			return -ENOMEM;
	return loop_add_timer(c->loop, 1, quit, c, NULL);
}

static void test_add_inside(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_timer(c->loop, 0, add_many, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), 99);
}

#define ORDER(n)                                    \
	static int order_##n(void *data)            \
	{                                           \
		struct ctx *c = data;               \
		c->order[c->calls++] = n;           \
		return c->calls == 3 ? quit(c) : 0; \
	}
ORDER(1)
ORDER(2)
ORDER(3)

static void test_timer_order(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_timer(c->loop, 12, order_3, c, &c->s[0]), 0);
	assert_int_equal(loop_add_timer(c->loop, 1, order_1, c, &c->s[1]), 0);
	assert_int_equal(loop_add_timer(c->loop, 6, order_2, c, &c->s[2]), 0);
	assert_int_equal(loop_add_timer(c->loop, UINT64_MAX, order_2, c, &c->s[3]), 0); /* never */
	assert_int_equal(loop_run(c->loop), 99);
	assert_int_equal(c->order[0], 1);
	assert_int_equal(c->order[1], 2);
	assert_int_equal(c->order[2], 3);
}

static int rearm(void *data)
{
	struct ctx *c = data;

	c->calls++;
	loop_source_set_timer(c->s[0], 0);
	return 0;
}

static int quit_fd(void *data, int fd, short revents)
{
	struct ctx *c = data;

	(void)fd;
	(void)revents;
	if (c->calls >= 3)
		loop_exit(c->loop, 5);
	return 0;
}

/* A timer that sets itself to "now" for ever does not starve the fds. */
static void test_timer_no_starvation(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_timer(c->loop, 0, rearm, c, &c->s[0]), 0);
	assert_int_equal(loop_add_fd(c->loop, c->pipe[1], POLLOUT, quit_fd, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), 5);
	assert_int_equal(c->calls, 3);
}

static int on_signal(void *data, int sig)
{
	struct ctx *c = data;

	c->order[c->calls++] = sig;
	if (sig == SIGUSR2)
		loop_exit(c->loop, 3);
	return 0;
}

static void test_signals(void **state)
{
	struct ctx *c = *state;
	sigset_t set, before, during, after, pending;

	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &before), 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	assert_int_equal(loop_add_signals(c->loop, &set, on_signal, c), 0);
	assert_int_equal(loop_add_signals(c->loop, &set, on_signal, c), -EBUSY);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &during), 0);
	assert_int_equal(sigismember(&during, SIGUSR1), 1);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	assert_int_equal(loop_run(c->loop), 3);
	assert_int_equal(c->calls, 2);
	assert_int_equal(c->order[0], SIGUSR1);
	assert_int_equal(c->order[1], SIGUSR2);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGUSR1), 0);
	loop_free(c->loop);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &after), 0);
	assert_int_equal(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
	assert_int_equal(loop_new(&c->loop), 0);
}

static int close_it(void *data)
{
	struct ctx *c = data;

	(void)close(c->pipe[0]);
	return 0;
}

/* An fd closed behind the loop's back ends it instead of spinning. */
static void test_closed_behind(void **state)
{
	struct ctx *c = *state;
	int dup_fd;

	assert_int_equal(loop_add_fd(c->loop, c->pipe[0], POLLIN, on_readable, c, NULL), 0);
	assert_int_equal(loop_add_timer(c->loop, 0, close_it, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), -EBADF);
	dup_fd = dup(c->pipe[1]);
	assert_true(dup_fd >= 0);
	c->pipe[0] = dup_fd;
}

static int run_nested(void *data)
{
	struct ctx *c = data;

	c->calls = loop_run(c->loop);
	return quit(c);
}

static void test_no_nesting(void **state)
{
	struct ctx *c = *state;

	assert_int_equal(loop_add_timer(c->loop, 0, run_nested, c, NULL), 0);
	assert_int_equal(loop_run(c->loop), 99);
	assert_int_equal(c->calls, -EBUSY);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fd),
		TEST(test_callback_fails),
		TEST(test_paused),
		TEST(test_free_inside),
		TEST(test_add_inside),
		TEST(test_timer_order),
		TEST(test_timer_no_starvation),
		TEST(test_signals),
		TEST(test_closed_behind),
		TEST(test_no_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
