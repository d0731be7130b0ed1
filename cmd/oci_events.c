/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-oci events.
 *
 * Theory of operation: one line of JSON for each event, as runc prints them:
 * figures after each interval, and at once when a process was killed for want
 * of memory. It ends with the container. The id was checked when the
 * container was made, the figures come from the kernel.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cmd/oci.h"
#include "runtime/runtime.h"

static int print_line(char *line, struct error *e)
{
	_cleanup_free_ char *owned = line;
	int r = owned == NULL ? -ENOMEM : fd_write_all(STDOUT_FILENO, owned, strlen(owned));

	return r < 0 ? error_set(e, r, "write to standard output") : 0;
}

static int print_stats(struct oci_global *g, const char *id, struct error *e)
{
	_cleanup_free_ char *data = NULL;
	int r = runtime_stats(g->state_root_fd, id, &data, e);

	if (r < 0)
		return r;
	return print_line(str_printf("{\"type\":\"stats\",\"id\":\"%s\",\"data\":%s}\n", id, data),
			  e);
}

/* Parts such as "1m30s", "100ms" or "2" (seconds) as milliseconds, -1 when it is none of these. */
static int parse_interval(const char *text)
{
	static const struct {
		const char *unit;
		long long ms;
	} units[] = { { "ms", 1 },	{ "s", 1000 }, { "m", 60000 },
		      { "h", 3600000 }, { "us", 0 },   { "ns", 0 } };
	long long total = 0;

	for (const char *s = text; *s != '\0';) {
		char *end;
		double v = *s >= '0' && *s <= '9' ? strtod(s, &end) : -1;
		size_t n, i;

		if (v < 0 || v > 1e6)
			return -1;
		n = strcspn(end, "0123456789.");
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strlen(units[i].unit) == n && strncmp(end, units[i].unit, n) == 0)
				break;
		if (i == sizeof(units) / sizeof(units[0]) && !(n == 0 && s == text))
			return -1;
		total += (long long)(v * (double)(n == 0 ? 1000 : units[i].ms));
		s = end + n;
	}
	return total > 0 && total <= INT32_MAX ? (int)total : -1;
}

/* Until the container ends. 0 or -errno. */
static int follow(struct oci_global *g, const char *id, int ms, struct runtime_oom *w,
		  struct error *e)
{
	long long next = clock_now_ms() + ms;
	int r;

	for (;;) {
		struct pollfd p[2] = { { .fd = runtime_oom_fd(w), .events = POLLIN },
				       { .fd = runtime_oom_pidfd(w), .events = POLLIN } };
		long long left = next - clock_now_ms();

		if (left > 0 && poll(p, 2, (int)left) < 0 && errno != EINTR)
			return error_set(e, -errno, "poll");
		for (unsigned int n = runtime_oom_take(w); n > 0; n--) {
			r = print_line(str_printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", id), e);
			if (r < 0)
				return r;
		}
		if (p[1].revents != 0)
			return 0;
		if (clock_now_ms() < next)
			continue;
		next += ms;
		r = print_stats(g, id, NULL);
		if (r < 0) /* it ended while we looked, or nobody reads any more */
			return r == -ESRCH || r == -ENOENT ? 0 : error_set(e, r, "events");
	}
}

int oci_events(struct oci_global *g, int argc, char **argv, struct error *e)
{
	const char *interval = "5s";
	bool stats = false;
	const struct oci_option opts[] = { { .name = "--interval", .value = &interval },
					   { .name = "--stats", .flag = &stats } };
	struct runtime_oom *w = NULL;
	int at = oci_options_anywhere(argc, argv, opts, 2, e), ms = parse_interval(interval), r;

	if (at < 0)
		return 1;
	if (at + 1 != argc) {
		(void)error_setf(e, -EINVAL, "events: \"events\" requires exactly 1 argument");
		return 1;
	}
	if (ms < 0) {
		(void)error_setf(e, -EINVAL,
				 "--interval: \"%.64s\" is not a duration of a millisecond or more",
				 interval);
		return 1;
	}
	if (oci_open_root(g, false, e) < 0)
		return 1;
	if (stats)
		return print_stats(g, argv[at], e) < 0 ? 1 : 0;
	r = runtime_oom_watch(g->state_root_fd, argv[at], &w, e);
	if (r == 0)
		r = follow(g, argv[at], ms, w, e);
	runtime_oom_free(w);
	return r < 0 ? 1 : 0;
}
