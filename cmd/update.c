/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt update: other limits and another restart policy for a container.
 *
 * Theory of operation: the request beside the record is what the next start reads, config.json
 * in the bundle what a restart by policy reads, and the groups or the other means are
 * what holds now (limits_apply.c). A running container is changed first: what cannot be
 * done is an error and nothing is written. Memory without a group is watched by the monitor,
 * which is told by its socket, as it is told the policy. A crash in between leaves a
 * container that has the new limits until its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/events.h"
#include "cmd/limits.h"
#include "cmd/monitor.h"
#include "cmd/out.h"
#include "cmd/record.h"
#include "cmd/request.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

struct options {
	struct limits_options limits;
	const char *restart;
	bool latest;
};

static const struct option_spec options[] = {
	LIMITS_OPTIONS(struct options, limits),
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest), .help = "The newest" },
	{ "restart", 0, OPT_STRING, offsetof(struct options, restart), .arg = "POLICY",
	  .help = "Start again when it ends: no, on-failure[:N], always, unless-stopped",
	  .complete = "no|on-failure|always|unless-stopped" },
	OPTION_END
};

const struct cmd_verb cmd_verb_update = {
	.name = "update",
	.run = cmd_update,
	.options = options,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Change the limits of a container",
	.operands = OPERANDS_CONTAINERS,
};

/* Tell the monitor, and wait for what it answers. 0, -ENOTCONN without one, or -errno. */
static int tell_monitor(const struct container *c, enum monitor_packet kind, const void *data,
			size_t len, struct error *e)
{
	static const char quiet = MONITOR_PACKET_QUIET;
	_cleanup_fd_ int fd = container_connect(c, e);
	char packet[1 + sizeof(struct monitor_policy)] = { (char)kind };
	char answer[1 + sizeof(int)];
	ssize_t n;
	int r;

	if (fd < 0)
		return fd;
	memcpy(packet + 1, data, len);
	if (send(fd, &quiet, 1, MSG_NOSIGNAL) < 0 || send(fd, packet, len + 1, MSG_NOSIGNAL) < 0)
		return error_set(e, -errno, "talking to the monitor of container %s", c->name);
	do
		n = recv(fd, answer, sizeof(answer), 0);
	while ((n < 0 && errno == EINTR) || (n > 0 && answer[0] != (char)kind));
	if (n != (ssize_t)sizeof(answer))
		return error_setf(e, -ECONNRESET, "the monitor of container %s has ended", c->name);
	memcpy(&r, answer + 1, sizeof(r));
	return r < 0 ? error_set(e, r, "the monitor of container %s", c->name) : 0;
}

static int change_memory(const struct container *c, const struct limits *l, struct error *e)
{
	int64_t memory = l->memory > 0 ? l->memory : 0;
	int r = tell_monitor(c, MONITOR_PACKET_MEMORY, &memory, sizeof(memory), e);

	return r == -ENOTCONN && e->code == 0 ?
		       error_setf(
			       e, r,
			       "container %s has no cgroup and no monitor that could watch its memory",
			       c->name) :
		       r;
}

static int change_running(const struct container *c, const struct options *o,
			  const struct run_request *req, const char *resources, struct error *e)
{
	const char *rundir = json_string_value(json_object_get(c->record, "rundir"));
	_cleanup_free_ char *cgroup = limits_cgroup(rundir);
	struct monitor_policy policy = { req->restart, req->restart_max };
	int r = 0;

	if (cgroup != NULL)
		r = runtime_cgroup_update(cgroup, resources, strlen(resources), e);
	else if (limits_options_any(&o->limits))
		r = limits_change(rundir, c->pid, &o->limits, &req->limits, e);
	if (r == 0 && cgroup == NULL && o->limits.memory != NULL)
		r = change_memory(c, &req->limits, e);
	if (r == 0 && o->restart != NULL)
		r = tell_monitor(c, MONITOR_PACKET_POLICY, &policy, sizeof(policy), e);
	if (r == -ENOTCONN && e->code == 0)
		return error_setf(e, r,
				  "container %s was not started with --detach: it cannot be "
				  "restarted by policy",
				  c->name);
	return r;
}

/* What a restart by policy begins with. */
static int change_config(const struct container *c, json_t *resources, struct error *e)
{
	const char *rundir = json_string_value(json_object_get(c->record, "rundir"));
	_cleanup_fd_ int dir_fd =
		open(rundir != NULL ? rundir : "", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL, *changed = NULL;
	_cleanup_json_ json_t *config = NULL;
	int r;

	if (dir_fd < 0)
		return 0; /* it is gone after a logout: there will be no restart */
	r = fd_read_file_at(dir_fd, "config.json", LIMIT_JSON_BYTES, &text, NULL, e);
	if (r < 0)
		return r;
	config = json_parse(text, strlen(text), "config.json", e);
	if (config == NULL)
		return -EINVAL;
	if (json_object_set(json_object_get(config, "linux"), "resources", resources) < 0 ||
	    (changed = json_to_text(config)) == NULL)
		return error_set(e, -ENOMEM, "changing config.json");
	return fd_write_file_at(dir_fd, "config.json", changed, strlen(changed), 0600, false, e);
}

static int change(struct storage *s, struct container *c, struct options *o,
		  struct run_request *req, struct error *e)
{
	_cleanup_free_ char *text = NULL, *resources_text = NULL;
	_cleanup_json_ json_t *resources = NULL;
	int r = storage_container_read(s, c->id, "request.json", &text, e);

	if (r < 0)
		return error_prefix(e, "container %s cannot be changed", c->name);
	if ((r = request_from_json(text, req, e)) < 0 ||
	    (r = limits_take(&req->limits, &o->limits, e)) < 0 ||
	    (r = o->restart != NULL ? request_set_restart(req, o->restart, e) : 0) < 0)
		return r;
	if (req->rm && req->restart != REQUEST_RESTART_NO &&
	    req->restart != REQUEST_RESTART_ON_FAILURE)
		return error_setf(e, -EINVAL, "container %s goes with its end (--rm): --restart %s",
				  c->name, o->restart);
	resources = limits_resources(&req->limits, e);
	if (resources == NULL)
		return e->code;
	free(text);
	text = request_to_json(req);
	resources_text = json_to_text(resources);
	if (text == NULL || resources_text == NULL)
		return error_set(e, -ENOMEM, "changing container %s", c->name);
	if (container_is_running(c) && ((r = change_running(c, o, req, resources_text, e)) < 0 ||
					(r = change_config(c, resources, e)) < 0))
		return r;
	return storage_container_write(s, c->id, "request.json", text, e);
}

static int find_and_change(const struct cmd_global *g, const char *name, struct options *o,
			   struct error *e)
{
	struct container c = { .id = NULL }, *all = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct run_request req;
	struct storage *s = NULL;
	size_t n = 0;
	int r = storage_open(g->root, false, &s, e);

	run_request_init(&req);
	if (r == 0 && name == NULL) {
		r = container_list(s, &all, &n, e);
		if (r == 0 && n == 0)
			r = error_setf(e, -ENOENT, "there is no container");
		if (r == 0)
			r = container_load(s, all[0].id, &c, e);
		containers_free(all, n);
	} else if (r == 0) {
		r = container_open(s, name, &c, e);
	}
	if (r == 0)
		r = change(s, &c, o, &req, e);
	if (r == 0) {
		events_container(s, "update", &c, -1);
		(void)buf_printf(&b, "%s\n", c.id); /* out_write() sees a failure */
		r = out_write(&b, e);
	}
	container_fini(&c);
	run_request_fini(&req);
	storage_free(s);
	return r;
}

int cmd_update(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .latest = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_update, argc, argv, &o, &code);

	if (first >= 0 && argc - first != (o.latest ? 0 : 1)) {
		code = opt_usage_error(&cmd_verb_update, "one container is needed");
	} else if (first >= 0 && !limits_options_any(&o.limits) && o.restart == NULL) {
		code = opt_usage_error(&cmd_verb_update, "say what is to be changed");
	} else if (first >= 0) {
		code = 0;
		if (find_and_change(g, o.latest ? NULL : argv[first], &o, &e) < 0) {
			log_error(&e);
			code = EXIT_CRT;
		}
	}
	limits_options_fini(&o.limits);
	return code;
}
