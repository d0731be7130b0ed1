/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container records.
 *
 * Theory of operation: a record holds what cannot be derived: what was asked
 * for, and after the end the exit code. Whether the container runs is never
 * written down; it follows from the lock that the keeper holds. A container
 * whose record has no exit code and whose lock is free ended unobserved.
 */
#include "cmd/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/proc.h"
#include "cmd/networks.h"
#include "cmd/volumes.h"

/* Now, RFC 3339 with nanoseconds, UTC. */
static json_t *now_json(void)
{
	char text[80];
	struct timespec ts;
	struct tm tm;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || gmtime_r(&ts.tv_sec, &tm) == NULL)
		return json_null();
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
		       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		       tm.tm_sec, ts.tv_nsec);
	return json_string(text);
}

/* key=value lists -> object */
json_t *record_labels(const struct run_plan *p)
{
	const struct strv *lists[] = { &p->conf.labels, &p->req->labels };
	json_t *obj = json_object();

	for (size_t l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l]->n; i++) {
			const char *text = lists[l]->v[i];
			size_t len = strcspn(text, "=");
			_cleanup_free_ char *k = strndup(text, len);

			if (k == NULL ||
			    json_object_set_new(obj, k,
						json_string(text + len + (text[len] == '='))) < 0) {
				json_decref(obj);
				return NULL;
			}
		}
	return obj;
}

static int set_ports(json_t *record, const struct net_request *net)
{
	json_t *list = json_array();

	for (size_t i = 0; i < net->forwards_n; i++) {
		const struct net_forward *f = &net->forwards[i];
		json_t *one = json_pack("{s:s,s:i,s:i,s:s}", "hostIp", f->host_addr, "hostPort",
					(int)f->host_port, "containerPort", (int)f->container_port,
					"protocol", f->proto == NET_PROTO_UDP ? "udp" : "tcp");

		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	return json_object_set_new(record, "ports", list);
}

static int set_string(json_t *record, const char *key, const char *value)
{
	return json_object_set_new(record, key, value != NULL ? json_string(value) : json_null());
}

/* The command as the user knows it: without the init in front. */
static json_t *command_json(const struct run_plan *p)
{
	const json_t *args = json_object_get(json_object_get(p->config, "process"), "args");
	json_t *list = json_array();
	json_t *word;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)args, i, word)
		if (!p->req->init || i >= COMPOSE_INIT_ARGS)
			(void)json_array_append(list, word); /* as in a pack */
	return list;
}

/* The words of the command that came from ENTRYPOINT or --entrypoint. */
static const struct strv *entrypoint(const struct run_plan *p)
{
	return p->req->entrypoint_set ? &p->req->entrypoint : &p->conf.entrypoint;
}

/* The part of the request that `inspect` shows. */
static json_t *config_json(const struct run_plan *p)
{
	const struct run_request *req = p->req;
	const char *signal = proc_signal_name(req->stop_signal != 0    ? req->stop_signal :
					      p->conf.stop_signal != 0 ? p->conf.stop_signal :
									 15);

	return json_pack("{s:s*,s:s,s:s,s:b,s:b,s:O?,s:o,s:o,s:O?,s:s,s:s,s:i}", "detachKeys",
			 req->detach_keys, "hostname", p->hostname, "user", p->user, "tty",
			 (int)req->tty, "openStdin", (int)req->interactive, "cwd",
			 json_object_get(json_object_get(p->config, "process"), "cwd"), "env",
			 json_strings(&p->env), "entrypoint", json_strings(entrypoint(p)), "mounts",
			 json_object_get(p->config, "mounts"), "networkMode",
			 req->net.members_n > 0		? "bridge" :
			 req->net.mode == NET_MODE_HOST ? "host" :
			 req->net.mode == NET_MODE_NONE ? "none" :
			 req->net.mode == NET_MODE_JOIN ? req->net.join :
			 req->net.pasta			? "pasta" :
							  "slirp4netns",
			 "stopSignal", signal != NULL ? signal : "SIGTERM", "stopTimeout",
			 (int)req->stop_timeout);
}

char *record_node(void)
{
	char name[256] = "";

	return gethostname(name, sizeof(name) - 1) < 0 ? NULL : strdup(name);
}

char *record_new(const struct run_plan *p, bool started, struct error *e)
{
	_cleanup_json_ json_t *record = json_object();
	_cleanup_json_ json_t *health = NULL;
	_cleanup_free_ char *node = record_node();
	char *text;

	if (set_string(record, "id", p->id) < 0 || set_string(record, "name", p->name) < 0 ||
	    set_string(record, "image",
		       p->req->rootfs != NULL ? NULL :
		       p->image.name != NULL  ? p->image.name :
						p->req->image) < 0 ||
	    set_string(record, "imageId", p->image.id) < 0 ||
	    set_string(record, "rootfs", p->req->rootfs) < 0 ||
	    json_object_set_new(record, "rootfsOverlay", json_boolean(p->req->rootfs_overlay)) <
		    0 ||
	    json_object_set_new(record, "command", command_json(p)) < 0 ||
	    json_object_set_new(record, "created", now_json()) < 0 ||
	    json_object_set_new(record, "started", started ? now_json() : json_null()) < 0 ||
	    json_object_set_new(record, "rm", json_boolean(p->req->rm)) < 0 ||
	    set_string(record, "restartPolicy", request_restart_name(p->req->restart)) < 0 ||
	    set_ports(record, &p->req->net) < 0 ||
	    json_object_set_new(record, "volumes", volumes_json(p->req)) < 0 ||
	    json_object_set_new(record, "networks", networks_record(&p->req->net)) < 0 ||
	    json_object_set_new(record, "labels", record_labels(p)) < 0 ||
	    set_string(record, "exitCode", NULL) < 0 || set_string(record, "finished", NULL) < 0 ||
	    set_string(record, "rundir", p->rundir) < 0 || set_string(record, "node", node) < 0 ||
	    json_object_set_new(record, "config", config_json(p)) < 0 ||
	    health_config(&p->conf.health, &p->req->health, &health) < 0 ||
	    (health != NULL && json_object_set(record, "healthcheck", health) < 0) ||
	    (text = json_to_text(record)) == NULL) {
		(void)error_set(e, -ENOMEM, "composing the container's record");
		return NULL;
	}
	return text;
}

static int read_record(struct storage *s, const char *id, json_t **ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	int r = storage_container_record(s, id, &text, e);

	if (r < 0)
		return r;
	*ret = json_parse(text, strlen(text), "the container's record", e);
	return *ret == NULL ? -EINVAL : 0;
}

int record_ports(struct storage *s, const struct run_plan *p, struct error *e)
{
	_cleanup_free_ char *updated = NULL;
	_cleanup_json_ json_t *record = NULL;
	int r = read_record(s, p->id, &record, e);

	if (r < 0)
		return r;
	if (set_ports(record, &p->req->net) < 0 || (updated = json_to_text(record)) == NULL)
		return error_set(e, -ENOMEM, "updating the container's record");
	return storage_container_update(s, p->id, updated, e);
}

int record_update(struct storage *s, const char *id, json_t *changes, struct error *e)
{
	_cleanup_free_ char *updated = NULL;
	_cleanup_json_ json_t *record = NULL;
	int r = read_record(s, id, &record, e);

	if (r < 0)
		return r;
	if (changes == NULL || json_object_update(record, changes) < 0 ||
	    (updated = json_to_text(record)) == NULL)
		return error_set(e, -ENOMEM, "updating the container's record");
	return storage_container_update(s, id, updated, e);
}

int record_started(struct storage *s, const char *id, const char *rundir, unsigned int restarts,
		   struct error *e)
{
	_cleanup_json_ json_t *changes = json_pack("{s:o,s:n,s:n,s:s,s:i}", "started", now_json(),
						   "finished", "exitCode", "rundir", rundir,
						   "restarts", (int)restarts);

	return record_update(s, id, changes, e);
}

int record_finish(struct storage *s, const char *id, int exit_code, bool oom, struct error *e)
{
	_cleanup_json_ json_t *changes = json_pack("{s:i,s:o,s:b}", "exitCode", exit_code,
						   "finished", now_json(), "oomKilled", (int)oom);

	return record_update(s, id, changes, e);
}
