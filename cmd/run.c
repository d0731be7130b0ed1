/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt run and crt create: an image becomes a container.
 *
 * Theory of operation: options become a request, the request a plan, the plan a
 * record in the store (launch.c). run then starts it, detached or in the
 * foreground; create leaves it to crt start. One in the foreground that goes
 * with its end (--rm) is a child of this process, on its streams: the fastest
 * way. One that stays has a log, and can be joined and left by others: it gets a
 * monitor, and this process is the first one attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/events.h"
#include "cmd/explain.h"
#include "cmd/launch.h"
#include "cmd/run_options.h"
#include "cmd/start.h"
#include "cmd/verbs.h"

/* Ports below --preserve-fds must be open before we open anything of ours. */
static int check_preserved_fds(const struct run_request *req, struct error *e)
{
	for (unsigned int i = 0; i < req->preserve_fds; i++)
		if (fcntl((int)(3 + i), F_GETFD) < 0)
			return error_setf(
				e, -EBADF,
				"--preserve-fds %u: file descriptor %u is not available, the preserve-fds option requires that file descriptors must be passed",
				req->preserve_fds, 3 + i);
	return 0;
}

static int print_id(const struct launch *l, struct error *e)
{
	_cleanup_free_ char *line = str_printf("%s\n", l->plan.id);
	int r = line == NULL ? -ENOMEM : fd_write_all(STDOUT_FILENO, line, strlen(line));

	return r < 0 ? error_set(e, r, "printing the id") : 0;
}

static bool wants_monitor(const struct run_request *req)
{
	return !req->rm && req->preserve_fds == 0 && req->log_driver != REQUEST_LOG_NONE &&
	       req->log_driver != REQUEST_LOG_PASSTHROUGH;
}

static int run_attached(struct launch *l, struct error *e)
{
	struct start_join j = START_JOIN_INIT(l->plan.store, l->plan.id);
	struct attach a = {
		.tty = l->req->tty,
		.no_stdin = !l->req->interactive,
		.detach_keys = l->req->detach_keys,
	};
	int code;

	l->created = start_join;
	l->created_data = &j;
	code = launch_detached(l, e);
	close_fd(&l->lock_fd); /* the container is its monitor's: nobody waits for us to end */
	if (code == 0)
		code = start_follow(&j, &a, l->req->sig_proxy, e);
	start_join_fini(&j);
	return code;
}

static int run(struct launch *l, struct error *e)
{
	const struct run_request *req = l->req;
	int code;

	/* in the foreground the first exit code is the caller's */
	if (!req->detach && req->restart != REQUEST_RESTART_NO) {
		(void)error_setf(e, -EINVAL, "--restart %s needs --detach",
				 request_restart_name(req->restart));
		return EXIT_CRT;
	}
	if (check_preserved_fds(req, e) < 0 || launch_open(l, e) < 0 || launch_plan(l, e) < 0)
		return EXIT_CRT;
	if (req->explain)
		return explain_print(&l->plan, e) < 0 ? EXIT_CRT : 0;
	if (req->tty && !req->detach && !isatty(STDIN_FILENO) && req->interactive)
		log_warning(
			"the input device is not a TTY; the --tty and --interactive flags might not work properly");
	if (launch_create(l, true, e) < 0)
		return EXIT_CRT;
	if (!req->detach)
		return wants_monitor(req) ? run_attached(l, e) : launch_foreground(l, e);
	code = launch_detached(l, e);
	if (code == 0 && print_id(l, e) < 0)
		code = EXIT_CRT;
	return code;
}

static int create(struct launch *l, struct error *e)
{
	if (launch_open(l, e) < 0 || launch_plan(l, e) < 0)
		return EXIT_CRT;
	if (l->req->explain)
		return explain_print(&l->plan, e) < 0 ? EXIT_CRT : 0;
	if (launch_create(l, false, e) < 0)
		return EXIT_CRT;
	events_launched(l->plan.store, &l->plan, true, false, false);
	return print_id(l, e) < 0 ? EXIT_CRT : 0;
}

static int make(const struct cmd_verb *verb, int argc, char **argv, const struct cmd_global *g,
		int (*fn)(struct launch *l, struct error *e))
{
	struct run_request req;
	struct error e = ERROR_INIT;
	struct launch l;
	int code;

	run_request_init(&req);
	launch_init(&l, g, &req);
	if (run_options_parse(verb, argc, argv, &req, &code)) {
		if (verb == &cmd_verb_create)
			req.detach = true; /* whatever starts it, it is not this process */
		code = fn(&l, &e);
		if (e.code != 0)
			log_error(&e);
	}
	launch_fini(&l);
	run_request_fini(&req);
	return code;
}

int cmd_run(int argc, char **argv, const struct cmd_global *g)
{
	return make(&cmd_verb_run, argc, argv, g, run);
}

int cmd_create(int argc, char **argv, const struct cmd_global *g)
{
	return make(&cmd_verb_create, argc, argv, g, create);
}
