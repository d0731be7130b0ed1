/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-sdbus: asks systemd for the scope of one container.
 *
 * Theory of operation: crt-oci starts it only when the systemd manager is asked
 * for, so that it can be static itself. Fd 3 is a socket: one JSON object per
 * message, each answered by {"path": ...}, {} or {"error": text}. "start" makes
 * a transient scope with this process in it (systemd has no empty scopes) and
 * "join" takes one that exists; "attach" then moves the container's process
 * over, by systemd, because a user may not move processes out of his login
 * session himself; after it we leave and the scope lives as long as the
 * container. "set" and "stop" are complete by themselves. When the other end
 * closes early we exit, and the scope with us: nothing is left. Property names
 * and values were checked by crt-oci; systemd checks them again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"

#define SOCKET_FD   3
#define MESSAGE_MAX 65536
#define JOB_SECONDS 25
#define SYSTEMD	    "org.freedesktop.systemd1"
#define SYSTEMD_OBJ "/org/freedesktop/systemd1"
#define MANAGER	    "org.freedesktop.systemd1.Manager"

struct job {
	const char *path;
	bool done;
	char result[32];
};

static int bus_error(struct error *e, const char *what, int r, const sd_bus_error *be)
{
	return error_setf(e, r, "%s: %s", what,
			  be->message != NULL ? be->message : error_strerror(r < 0 ? -r : r));
}

static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *be)
{
	const char *path = NULL, *unit = NULL, *result = NULL;
	struct job *job = data;
	uint32_t id;

	(void)be;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && job->path != NULL &&
	    strcmp(path, job->path) == 0) {
		(void)snprintf(job->result, sizeof(job->result), "%s", result);
		job->done = true;
	}
	return 0;
}

/* Who we are on the host: inside a user namespace our own id is another. */
static unsigned int host_uid(void)
{
	_cleanup_free_ char *map = NULL;
	unsigned int inside, outside, count;
	unsigned int uid = (unsigned int)geteuid();

	if (fd_read_file_at(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL, NULL) < 0 ||
	    sscanf(map, "%u %u %u", &inside, &outside, &count) != 3 || uid < inside ||
	    uid - inside >= count)
		return uid;
	return outside + (uid - inside);
}

/* Where the user's bus always is; programs that are not in his session have no variable that says so. */
static int open_users_bus(sd_bus **ret)
{
	_cleanup_free_ char *address = str_printf("unix:path=/run/user/%u/bus", host_uid());
	sd_bus *bus = NULL;
	int r = address == NULL ? -ENOMEM : sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		sd_bus_unref(bus);
	else
		*ret = bus;
	return r;
}

static int connect_bus(bool user, sd_bus **ret, struct error *e)
{
	int r = user ? sd_bus_open_user(ret) : sd_bus_open_system(ret);

	if (r < 0 && user && getenv("DBUS_SESSION_BUS_ADDRESS") == NULL)
		r = open_users_bus(ret);
	if (r >= 0)
		return 0;
	return error_setf(
		e, r,
		"no connection to the %s systemd (its D-Bus socket): %s; log in by a session that systemd knows, or use --cgroup-manager cgroupfs",
		user ? "user's" : "system's", error_strerror(-r));
}

/* Wait for the job that the reply names. */
static int wait_job(sd_bus *bus, struct job *job, sd_bus_message *reply, const char *unit,
		    struct error *e)
{
	time_t end = time(NULL) + JOB_SECONDS;
	int r = sd_bus_message_read(reply, "o", &job->path);

	while (r >= 0 && !job->done) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, 1000000);
		if (time(NULL) > end)
			return error_setf(e, -ETIMEDOUT, "systemd did not finish the job of %s",
					  unit);
	}
	if (r < 0)
		return error_set(e, r, "wait for systemd's job of %s", unit);
	if (strcmp(job->result, "done") != 0)
		return error_setf(e, -EIO, "systemd's job of %s ended as \"%s\"", unit,
				  job->result);
	return 0;
}

static int append_value(sd_bus_message *m, const char *type, const json_t *v)
{
	const char *text = json_string_value(v);
	size_t n = json_array_size(v);
	_cleanup_free_ uint8_t *bytes = NULL;
	int r;

	if (strcmp(type, "ay") == 0) {
		bytes = malloc(n + 1);
		if (bytes == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)json_integer_value(json_array_get(v, i));
		return sd_bus_message_append_array(m, 'y', bytes, n);
	}
	if (strcmp(type, "as") == 0) {
		r = sd_bus_message_open_container(m, 'a', "s");
		for (size_t i = 0; r >= 0 && i < n; i++)
			r = sd_bus_message_append(m, "s", json_string_value(json_array_get(v, i)));
		return r < 0 ? r : sd_bus_message_close_container(m);
	}
	if (strcmp(type, "a(ss)") == 0) {
		r = sd_bus_message_open_container(m, 'a', "(ss)");
		for (size_t i = 0; r >= 0 && i < n; i++) {
			const json_t *pair = json_array_get(v, i);

			r = sd_bus_message_append(m, "(ss)",
						  json_string_value(json_array_get(pair, 0)),
						  json_string_value(json_array_get(pair, 1)));
		}
		return r < 0 ? r : sd_bus_message_close_container(m);
	}
	switch (type[0]) {
	case 's':
		return sd_bus_message_append(m, "s", text);
	case 'b':
		return sd_bus_message_append(m, "b", json_is_true(v) ? 1 : 0);
	case 't':
		return sd_bus_message_append(
			m, "t", text != NULL ? UINT64_MAX : (uint64_t)json_integer_value(v));
	case 'x':
		return sd_bus_message_append(m, "x", (int64_t)json_integer_value(v));
	case 'u':
		return sd_bus_message_append(m, "u", (uint32_t)json_integer_value(v));
	case 'i':
		return sd_bus_message_append(m, "i", (int32_t)json_integer_value(v));
	default:
		return -EINVAL;
	}
}

/* properties: [[NAME, TYPE, VALUE], ...]; own_pid adds this process. */
static int append_properties(sd_bus_message *m, const json_t *properties, bool own_pid)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");
	json_t *item;
	size_t i;

	if (r >= 0 && own_pid)
		r = sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
	json_array_foreach(properties, i, item) {
		const char *name = json_string_value(json_array_get(item, 0));
		const char *type = json_string_value(json_array_get(item, 1));

		if (name == NULL || type == NULL)
			return -EINVAL;
		if (r < 0 || (r = sd_bus_message_open_container(m, 'r', "sv")) < 0 ||
		    (r = sd_bus_message_append(m, "s", name)) < 0 ||
		    (r = sd_bus_message_open_container(m, 'v', type)) < 0 ||
		    (r = append_value(m, type, json_array_get(item, 2))) < 0 ||
		    (r = sd_bus_message_close_container(m)) < 0 ||
		    (r = sd_bus_message_close_container(m)) < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int control_group(sd_bus *bus, const char *unit, json_t *answer, struct error *e)
{
	_cleanup_(sd_bus_error_free) sd_bus_error be = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *object = NULL, *path = NULL;
	int r = sd_bus_path_encode(SYSTEMD_OBJ "/unit", unit, &object);

	if (r >= 0)
		r = sd_bus_get_property_string(bus, SYSTEMD, object, SYSTEMD ".Scope",
					       "ControlGroup", &be, &path);
	if (r < 0)
		return bus_error(e, "read the control group of the scope", r, &be);
	if (path[0] != '/' || json_object_set_new(answer, "path", json_string(path)) < 0)
		return error_setf(e, -EIO, "systemd made the scope %s without a control group",
				  unit);
	return 0;
}

static int start(sd_bus *bus, const json_t *request, const char *unit, json_t *answer,
		 struct error *e)
{
	_cleanup_(sd_bus_error_free) sd_bus_error be = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	struct job job = { .path = NULL };
	int r;

	r = sd_bus_match_signal(bus, NULL, SYSTEMD, SYSTEMD_OBJ, MANAGER, "JobRemoved",
				on_job_removed, &job);
	if (r >= 0)
		r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, SYSTEMD_OBJ, MANAGER,
						   "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(m, json_object_get(request, "properties"), true);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &be, &reply);
	if (r < 0)
		return bus_error(e, "systemd refuses the container's scope", r, &be);
	r = wait_job(bus, &job, reply, unit, e);
	return r < 0 ? r : control_group(bus, unit, answer, e);
}

static int set(sd_bus *bus, const json_t *request, const char *unit, struct error *e)
{
	_cleanup_(sd_bus_error_free) sd_bus_error be = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(bus, &m, SYSTEMD, SYSTEMD_OBJ, MANAGER,
					       "SetUnitProperties");

	if (r >= 0)
		r = sd_bus_message_append(m, "sb", unit, 1);
	if (r >= 0)
		r = append_properties(m, json_object_get(request, "properties"), false);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &be, NULL);
	return r < 0 ? bus_error(e, "systemd refuses the new limits", r, &be) : 0;
}

static int stop(sd_bus *bus, const char *unit, struct error *e)
{
	_cleanup_(sd_bus_error_free) sd_bus_error be = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct job job = { .path = NULL };
	int r = sd_bus_match_signal(bus, NULL, SYSTEMD, SYSTEMD_OBJ, MANAGER, "JobRemoved",
				    on_job_removed, &job);

	if (r >= 0)
		r = sd_bus_call_method(bus, SYSTEMD, SYSTEMD_OBJ, MANAGER, "StopUnit", &be, &reply,
				       "ss", unit, "replace");
	if (r < 0 && sd_bus_error_has_name(&be, SYSTEMD ".NoSuchUnit"))
		return 0; /* it ended with its last process */
	if (r < 0)
		return bus_error(e, "systemd refuses to stop the scope", r, &be);
	r = wait_job(bus, &job, reply, unit, e);
	/* one that failed would stay listed; others are gone, which is an error here */
	(void)sd_bus_call_method(bus, SYSTEMD, SYSTEMD_OBJ, MANAGER, "ResetFailedUnit", NULL, NULL,
				 "s", unit);
	return r;
}

static int attach(sd_bus *bus, const json_t *request, const char *unit, struct error *e)
{
	_cleanup_(sd_bus_error_free) sd_bus_error be = SD_BUS_ERROR_NULL;
	const char *sub = json_string_value(json_object_get(request, "sub"));
	uint32_t pid = (uint32_t)json_integer_value(json_object_get(request, "pid"));
	int r = sd_bus_call_method(bus, SYSTEMD, SYSTEMD_OBJ, MANAGER, "AttachProcessesToUnit", &be,
				   NULL, "ssau", unit, sub != NULL ? sub : "", 1, pid);

	return r < 0 ? bus_error(e, "systemd does not move the process into its scope", r, &be) : 0;
}

/* One request. *ret_last: it was the last one. */
static int serve(sd_bus **bus, const json_t *request, json_t *answer, bool *ret_last,
		 struct error *e)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	const char *unit = json_string_value(json_object_get(request, "unit"));
	int r;

	*ret_last = true;
	if (op == NULL || unit == NULL)
		return error_setf(e, -EINVAL, "crt-sdbus: not a request");
	if (*bus == NULL) {
		r = connect_bus(json_is_true(json_object_get(request, "user")), bus, e);
		if (r < 0)
			return r;
	}
	*ret_last = false;
	if (strcmp(op, "start") == 0)
		return start(*bus, request, unit, answer, e);
	if (strcmp(op, "join") == 0)
		return 0;
	*ret_last = true;
	if (strcmp(op, "attach") == 0)
		return attach(*bus, request, unit, e);
	if (strcmp(op, "set") == 0)
		return set(*bus, request, unit, e);
	if (strcmp(op, "stop") == 0)
		return stop(*bus, unit, e);
	return error_setf(e, -EINVAL, "crt-sdbus: unknown request");
}

int main(void)
{
	static char text[MESSAGE_MAX];
	sd_bus *bus = NULL;
	bool last = false;
	int r = 0;

	while (!last && r == 0) {
		_cleanup_json_ json_t *request = NULL, *answer = json_object();
		_cleanup_free_ char *out = NULL;
		struct error e = ERROR_INIT;
		ssize_t n = recv(SOCKET_FD, text, sizeof(text), 0);

		if (n <= 0)
			break; /* crt-oci is gone */
		request = json_parse(text, (size_t)n, "request", &e);
		r = request == NULL ? -EINVAL : serve(&bus, request, answer, &last, &e);
		if (r < 0)
			(void)json_object_set_new(answer, "error", json_string(e.msg));
		out = json_to_text(answer);
		if (out == NULL || send(SOCKET_FD, out, strlen(out), MSG_NOSIGNAL) < 0)
			break;
	}
	sd_bus_flush_close_unref(bus);
	return r < 0 ? 1 : 0;
}
