/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt start: begin another life of a container.
 *
 * Theory of operation: what was asked for lies beside the record (request.json);
 * it is read back and taken the way of crt run -d, with the id, the name, the image
 * and the writable layer that the container has. The container's lock is taken
 * first and handed to the keeper: of two starts at once one wins, and the other
 * finds it running, which is no error.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/each.h"
#include "cmd/events.h"
#include "cmd/launch.h"
#include "cmd/monitor.h"
#include "cmd/record.h"
#include "cmd/start.h"
#include "cmd/verbs.h"

#define LOCK_TRIES 200 /* two seconds */

struct options {
	bool all, attach, interactive, latest, sig_proxy;
	const char *detach_keys;
	const struct cmd_global *global;
	int code; /* of one that could not be started: 125 to 127 */
};

static const struct option_spec options[] = {
	{ "all", 0, OPT_FLAG, offsetof(struct options, all),
	  .help = "Start all containers that do not run" },
	{ "attach", 'a', OPT_FLAG, offsetof(struct options, attach),
	  .help = "Show the output and wait for the end" },
	{ "detach-keys", 0, OPT_STRING, offsetof(struct options, detach_keys), .arg = "KEYS",
	  .help = "With --attach: keys that leave it running (default ctrl-p,ctrl-q)" },
	{ "interactive", 'i', OPT_FLAG, offsetof(struct options, interactive),
	  .help = "With --attach: pass standard input on" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest), .help = "Start the newest" },
	{ "sig-proxy", 0, OPT_FLAG, offsetof(struct options, sig_proxy),
	  .help = "With --attach: pass signals on (default true)" },
	OPTION_END
};

const struct cmd_verb cmd_verb_start = {
	.name = "start",
	.run = cmd_start,
	.options = options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Start containers",
	.operands = OPERANDS_CONTAINERS,
	.runs_containers = true,
};

/* Ports that were chosen for its first life stay what they are. They are in the request's order. */
static void keep_ports(struct net_request *net, const json_t *ports)
{
	for (size_t i = 0; i < net->forwards_n; i++) {
		struct net_forward *f = &net->forwards[i];
		const json_t *p = json_array_get(ports, i);
		json_int_t port = json_integer_value(json_object_get(p, "hostPort"));

		if (f->host_port == 0 && port > 0 && port <= UINT16_MAX &&
		    json_integer_value(json_object_get(p, "containerPort")) == f->container_port)
			f->host_port = (uint16_t)port;
	}
}

static int launch(struct launch *l, struct storage *s, const struct container *c, int *ret_code,
		  struct error *e)
{
	_cleanup_free_ char *text = NULL;
	int r;

	r = storage_container_read(s, c->id, "request.json", &text, e);
	if (r < 0)
		return error_prefix(e, "container %s cannot be started again", c->name);
	r = request_from_json(text, l->req, e);
	if (r == 0)
		r = launch_open(l, e);
	if (r < 0)
		return r;
	memcpy(l->plan.id, c->id, sizeof(l->plan.id));
	l->plan.name = strdup(c->name);
	if (l->plan.name == NULL)
		return error_set(e, -ENOMEM, "starting %s", c->name);
	l->existing = true;
	l->image_id = c->image_id;
	r = launch_plan(l, e);
	if (r == 0)
		keep_ports(&l->req->net, json_object_get(c->record, "ports"));
	if (r == 0)
		r = record_started(s, c->id, l->plan.rundir, 0, e);
	if (r < 0)
		return r;
	*ret_code = launch_detached(l, e);
	return *ret_code == 0 ? 0 : e->code < 0 ? e->code : -EIO;
}

int start_container(struct storage *s, const struct cmd_global *g, const struct container *c,
		    int (*created)(void *data, struct error *e), void *data, int *ret_code,
		    struct error *e)
{
	struct run_request req;
	struct launch l;
	int r;

	*ret_code = EXIT_CRT;
	if (strlen(c->id) >= sizeof(l.plan.id))
		return error_setf(e, -EINVAL, "not a container id");
	run_request_init(&req);
	launch_init(&l, g, &req);
	l.created = created;
	l.created_data = data;
	r = storage_container_lock(s, c->id, e);
	for (int tries = 0; r == -EWOULDBLOCK && tries < LOCK_TRIES; tries++) {
		const struct timespec ts = { .tv_nsec = 10000000 };

		(void)nanosleep(&ts, NULL); /* its last life is being cleaned up, most likely */
		*e = ERROR_INIT;
		r = storage_container_lock(s, c->id, e);
	}
	l.lock_fd = r;
	if (r == -EWOULDBLOCK) /* another crt start was faster, or it ends just now */
		r = error_setf(e, -EBUSY, "container %s is being started or stopped", c->name);
	if (r >= 0) {
		container_remove_bundle(c); /* of a life that nobody saw the end of */
		r = launch(&l, s, c, ret_code, e);
	}
	launch_fini(&l);
	run_request_fini(&req);
	return r < 0 ? r : 0;
}

static int join(struct start_join *j, struct error *e)
{
	int r = container_load(j->s, j->id, &j->c, e);

	if (r < 0)
		return r;
	j->sock_fd = container_connect(&j->c, e);
	if (j->sock_fd < 0)
		return e->code < 0 ? e->code : error_set(e, j->sock_fd, "attaching");
	j->pid_fd = container_pidfd(j->s, &j->c);
	return 0;
}

int start_join(void *data, struct error *e)
{
	static const char patient = MONITOR_PACKET_PATIENT;
	struct start_join *j = data;
	int r = join(j, e);

	if (r == 0) /* it cannot have gone: it is being started */
		(void)send(j->sock_fd, &patient, 1, MSG_NOSIGNAL);
	return r;
}

int start_follow(struct start_join *j, struct attach *a, bool sig_proxy, struct error *e)
{
	a->sock_fd = j->sock_fd;
	a->pid_fd = sig_proxy && j->pid_fd >= 0 ? j->pid_fd : -1;
	*e = ERROR_INIT; /* a step may have failed that had a fall-back */
	events_container(j->s, "attach", &j->c, -1);
	return attach_run(a, e);
}

void start_join_fini(struct start_join *j)
{
	close_fd(&j->sock_fd);
	close_fd(&j->pid_fd);
	container_fini(&j->c);
}

static int start_attached(struct storage *s, struct container *c, struct options *o,
			  struct error *e)
{
	struct start_join j = START_JOIN_INIT(s, c->id);
	const json_t *config = json_object_get(c->record, "config");
	struct attach a = {
		.tty = json_is_true(json_object_get(config, "tty")),
		.no_stdin = !o->interactive,
		.detach_keys = o->detach_keys,
	};
	int r = container_is_running(c) ?
			join(&j, e) :
			start_container(s, o->global, c, start_join, &j, &o->code, e);

	if (r == 0) {
		o->code = start_follow(&j, &a, o->sig_proxy, e);
		r = e->code;
	}
	start_join_fini(&j);
	return r;
}

static int start_one(struct storage *s, struct container *c, const char *said, void *data,
		     struct error *e)
{
	struct options *o = data;
	int r = 0, code = 0;

	(void)said;
	if (strcmp(c->state, "paused") == 0)
		return error_setf(e, -EBUSY, "container %s is paused: unpause it", c->name);
	if (o->attach)
		return start_attached(s, c, o, e);
	if (!container_is_running(c))
		r = start_container(s, o->global, c, NULL, NULL, &code, e);
	if (r < 0 && code > 0)
		o->code = code;
	return r;
}

static bool is_stopped(const struct container *c)
{
	return !c->live;
}

int cmd_start(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .sig_proxy = true, .global = g };
	struct each each = {
		.verb = &cmd_verb_start,
		.global = g,
		.fn = start_one,
		.wanted = is_stopped,
		.data = &o,
	};
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_start, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (o.attach && (o.all || argc - first > 1))
		return opt_usage_error(&cmd_verb_start, "--attach takes one container");
	if (o.detach_keys != NULL && attach_check_keys(o.detach_keys, &e) < 0)
		return opt_usage_error(&cmd_verb_start, "%s", e.msg);
	each.all = o.all;
	each.quiet = o.attach;
	each.latest = o.latest;
	code = each_container(&each, argv + first, argc - first);
	if (o.attach && code == 0)
		return o.code;
	return code != 0 && o.code != 0 && first + 1 == argc ? o.code : code;
}
