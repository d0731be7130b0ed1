/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a health check, and what became of all of them.
 *
 * Theory of operation: the check is a process in the container as crt exec makes it, with
 * the container's own user and environment, no input, and one pipe for its output. What
 * is beyond the first bytes of it is read and dropped; who keeps the pipe open after the
 * process ended is not waited for. At its timeout it is killed.
 *
 * The results lie in health.json of the bundle: status, failures in a row, the last runs.
 * It is read, changed and replaced under a lock on the bundle's directory, held for
 * microseconds and never while a check runs: crt-monitor's runs and those by hand may come
 * together. A new life begins without the file. When it ends the keeper puts it beside
 * the record, so that inspect shows why a container was killed. What cannot be written
 * (a full disk) is not counted, and the caller is told.
 *
 * The container controls the output, the exit code and how long it takes. The output is
 * kept as JSON text, escaped where it is not UTF-8, and escaped again where it is shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/proc.h"
#include "cmd/container.h"
#include "cmd/events.h"
#include "cmd/exec.h"
#include "cmd/limits.h"
#include "cmd/health.h"
#include "runtime/runtime.h"

#define OUTPUT_MAX (64u << 10)
#define READ_SIZE  4096

static json_int_t number_of(const json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

static const char *rundir_of(const json_t *record)
{
	const char *dir = json_string_value(json_object_get(record, "rundir"));

	return dir != NULL && dir[0] == '/' ? dir : "/nonexistent";
}

static void stamp(char *to, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail for this clock */
	(void)gmtime_r(&ts.tv_sec, &tm);
	n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(to + n, size - n, ".%09ldZ", ts.tv_nsec);
}

/* ---- results ----------------------------------------------------------------------------------- */

static json_t *read_state(int dir_fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (dir_fd < 0 ||
	    fd_read_file_at(dir_fd, HEALTH_FILE, LIMIT_JSON_BYTES, &text, &len, NULL) < 0)
		return NULL;
	return json_parse(text, len, HEALTH_FILE, NULL);
}

/* Of this life, else of the last one. A new reference or NULL. */
static json_t *load_state(struct storage *s, const struct container *c)
{
	_cleanup_fd_ int dir_fd = open(rundir_of(c->record), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	json_t *state = read_state(dir_fd);

	if (state == NULL && s != NULL && !container_is_running(c) &&
	    storage_container_read(s, c->id, HEALTH_FILE, &text, NULL) == 0)
		state = json_parse(text, strlen(text), HEALTH_FILE, NULL);
	return state;
}

const char *health_status(const struct container *c)
{
	static const char *const known[] = { "healthy", "unhealthy" };
	_cleanup_json_ json_t *state = NULL;
	const char *is;

	if (!json_is_object(json_object_get(c->record, "healthcheck")))
		return "";
	state = load_state(NULL, c);
	is = json_string_value(json_object_get(state, "status"));
	for (size_t i = 0; is != NULL && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], is) == 0)
			return known[i];
	return "starting";
}

json_t *health_results(struct storage *s, const struct container *c)
{
	_cleanup_json_ json_t *state = NULL;
	json_t *log;
	const char *status;

	if (!json_is_object(json_object_get(c->record, "healthcheck")))
		return NULL;
	state = load_state(s, c);
	log = json_object_get(state, "log");
	status = json_string_value(json_object_get(state, "status"));
	return json_pack("{s:s, s:I, s:O*}", "Status", status != NULL ? status : "starting",
			 "FailingStreak", number_of(state, "streak"), "Log",
			 json_array_size(log) > 0 ? log : NULL);
}

void health_keep(struct storage *s, const char *id, const json_t *record)
{
	_cleanup_fd_ int dir_fd = -1;
	_cleanup_free_ char *text = NULL;

	if (!json_is_object(json_object_get(record, "healthcheck")))
		return;
	dir_fd = open(rundir_of(record), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0 &&
	    fd_read_file_at(dir_fd, HEALTH_FILE, LIMIT_JSON_BYTES, &text, NULL, NULL) == 0)
		(void)storage_container_write(s, id, HEALTH_FILE, text,
					      NULL); /* only for inspect */
}

/* ---- the process --------------------------------------------------------------------------------- */

struct run {
	int code; /* exit code, -1 = it could not be started */
	bool timed_out;
	struct buf output;
	char start[64], end[64];
};

/* Read what is there; more than max is dropped. False at the end. */
static bool take_output(int fd, struct run *run, size_t max)
{
	char data[READ_SIZE];
	ssize_t n = read(fd, data, sizeof(data));
	size_t room = run->output.len < max ? max - run->output.len : 0;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	(void)buf_append(&run->output, data, (size_t)n < room ? (size_t)n : room);
	return true;
}

static void watch(pid_t pid, int pid_fd, int out_fd, int64_t timeout_ms, size_t max,
		  struct run *run)
{
	struct pollfd p[2] = { { .fd = pid_fd, .events = POLLIN },
			       { .fd = out_fd, .events = POLLIN } };
	int64_t due = clock_now_ms() + timeout_ms;
	int status;

	while (p[0].revents == 0) {
		int64_t left = due - clock_now_ms();

		if (left <= 0) {
			run->timed_out = true;
			(void)proc_pidfd_send_signal(pid_fd, SIGKILL); /* just ended: fine */
			break;
		}
		if (poll(p, 2, left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
			break;
		if (p[1].revents != 0 && !take_output(out_fd, run, max))
			p[1].fd = -1;
	}
	status = proc_wait(pid);
	run->code = status >= 0 ? proc_status_code(status) : -1;
	for (size_t i = 0; i < 16 && p[1].fd >= 0 && poll(&p[1], 1, 0) == 1; i++)
		if (!take_output(out_fd, run, max))
			break;
}

/* The words of test, to be freed with free(). */
static char **words_of(const json_t *test, int *ret_n)
{
	static char shell[] = "/bin/sh", dash_c[] = "-c";
	const char *kind = json_string_value(json_array_get(test, 0));
	size_t n = json_array_size(test), at = 0;
	char **words = calloc(n + 3, sizeof(*words));

	if (words != NULL && kind != NULL && strcmp(kind, "CMD-SHELL") == 0) {
		words[at++] = shell;
		words[at++] = dash_c;
	}
	for (size_t i = 1; words != NULL && i < n; i++)
		words[at++] = (char *)(uintptr_t)json_string_value(json_array_get(test, i));
	*ret_n = (int)at;
	return words;
}

/* 0 also when the command could not be started, which is a failed check. */
static int start_and_watch(struct storage *s, const struct container *c, int bundle_fd,
			   const json_t *check, size_t max, struct run *run, struct error *e)
{
	struct runtime_exec x = RUNTIME_EXEC_INIT;
	_cleanup_fd_ int null_fd = fd_open_null(e), out_fd = -1, child_fd = -1, pid_fd = -1;
	_cleanup_free_ char *process = NULL, *cgroup = limits_cgroup_at(bundle_fd);
	_cleanup_free_ char **words = NULL;
	int fds[2], n, r;
	pid_t pid;

	words = words_of(json_object_get(check, "test"), &n);
	if (words == NULL || n == 0 || null_fd < 0)
		return n == 0 ? error_setf(e, -EINVAL, "the health check of %s has no command",
					   c->name) :
				error_set(e, -ENOMEM, "running the health check");
	container_process(s, c, &x.pid, &x.start_time);
	r = exec_compose(bundle_fd, x.pid, words, n, &process, e);
	if (r == 0 && (r = fd_pipe(fds)) < 0)
		return error_set(e, r, "making a pipe");
	if (r < 0)
		return r;
	out_fd = fds[0];
	child_fd = fds[1];
	(void)fd_set_nonblock(out_fd, true); /* open: cannot fail */
	x.id = c->id;
	x.bundle_fd = bundle_fd;
	x.cgroup_record = cgroup;
	x.process = process;
	x.process_len = strlen(process);
	x.stdio[0] = null_fd;
	x.stdio[1] = x.stdio[2] = child_fd;
	r = runtime_exec(&x, &pid, &pid_fd, e);
	if (r < 0)
		return r;
	if (r != RUNTIME_START_OK) {
		run->code = r == RUNTIME_START_NOT_FOUND ? 127 : 126;
		(void)buf_puts(&run->output, e->msg); /* a text only */
		*e = ERROR_INIT;
		return 0;
	}
	close_fd(&child_fd);
	watch(pid, pid_fd, out_fd, number_of(check, "timeout") / 1000000, max, run);
	return 0;
}

/* ---- counting -------------------------------------------------------------------------------------- */

static json_t *output_json(const struct run *run)
{
	_cleanup_free_ char *safe = NULL;
	const char *text = buf_str(&run->output);
	json_t *j;

	if (run->timed_out && run->output.len == 0)
		return json_string("the health check took longer than its timeout");
	j = json_string(text); /* NULL: not UTF-8 */
	if (j == NULL)
		safe = str_escape(text);
	return j != NULL ? j : json_string(safe != NULL ? safe : "");
}

static int append_log(json_t *state, const json_t *config, const struct run *run)
{
	json_int_t max = number_of(config, "logCount");
	json_t *log = json_object_get(state, "log");

	if (!json_is_array(log)) {
		log = json_array();
		if (json_object_set_new(state, "log", log) < 0)
			return -ENOMEM;
	}
	if (json_array_append_new(log, json_pack("{s:s, s:s, s:i, s:o}", "Start", run->start, "End",
						 run->end, "ExitCode", run->code, "Output",
						 output_json(run))) < 0)
		return -ENOMEM;
	while (max > 0 && (json_int_t)json_array_size(log) > max)
		(void)json_array_remove(log, 0); /* it has one */
	return 0;
}

static int set_number(json_t *state, const char *key, json_int_t n)
{
	return json_object_set_new(state, key, json_integer(n));
}

static enum health_action action_of(const json_t *config)
{
	const char *name = json_string_value(json_object_get(config, "onFailure"));

	return name == NULL		    ? HEALTH_ACTION_NONE :
	       strcmp(name, "kill") == 0    ? HEALTH_ACTION_KILL :
	       strcmp(name, "restart") == 0 ? HEALTH_ACTION_RESTART :
	       strcmp(name, "stop") == 0    ? HEALTH_ACTION_STOP :
					      HEALTH_ACTION_NONE;
}

/* A run of the startup check. */
static int count_startup(json_t *state, const json_t *startup, bool ok, struct health_outcome *o)
{
	json_int_t retries = number_of(startup, "retries"), wanted = number_of(startup, "success");
	json_int_t good = number_of(state, "startupOk") + ok;
	json_int_t bad = ok ? 0 : number_of(state, "startupFailed") + 1;

	o->startup_done = good >= (wanted > 0 ? wanted : 1);
	o->restart = !ok && retries > 0 && bad >= retries;
	return set_number(state, "startupOk", good) < 0 ||
			       set_number(state, "startupFailed", bad) < 0 ||
			       json_object_set_new(state, "startupDone",
						   json_boolean(o->startup_done)) < 0 ?
		       -ENOMEM :
		       0;
}

static int count_regular(json_t *state, const json_t *config, const struct container *c, bool ok,
			 struct health_outcome *o)
{
	json_int_t streak = ok ? 0 : number_of(state, "streak") + 1;
	json_int_t period = number_of(config, "startPeriod") / 1000000000;
	const char *was = json_string_value(json_object_get(state, "status"));
	bool starting = was == NULL || strcmp(was, "starting") == 0;

	o->startup_done = true;
	o->healthy = ok;
	if (!ok && starting && time(NULL) - c->started < period)
		return 0;
	if (!ok && streak >= number_of(config, "retries")) {
		was = "unhealthy";
		o->action = action_of(config);
	} else if (ok) {
		was = "healthy";
	}
	return set_number(state, "streak", streak) < 0 ||
			       json_object_set_new(state, "status",
						   json_string(was != NULL ? was : "starting")) <
				       0 ?
		       -ENOMEM :
		       0;
}

static void tell(struct storage *s, const struct container *c, const char *status)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct event_subject who = event_subject_of(c->record);

	event_container(&b, "health_status", &who, -1, "health_status", status);
	events_write(s, &b);
}

static int count(struct storage *s, const struct container *c, int bundle_fd, const json_t *config,
		 bool startup, const struct run *run, struct health_outcome *o, struct error *e)
{
	_cleanup_json_ json_t *state = NULL;
	_cleanup_free_ char *text = NULL;
	const char *status;
	int r;

	if (flock(bundle_fd, LOCK_EX) < 0)
		return error_set(e, -errno, "locking the bundle of %s", c->name);
	state = read_state(bundle_fd);
	if (state == NULL)
		state = json_pack("{s:s}", "status", "starting");
	o->ok = run->code == 0 && !run->timed_out;
	r = append_log(state, config, run);
	if (r == 0)
		r = startup ? count_startup(state, json_object_get(config, "startup"), o->ok, o) :
			      count_regular(state, config, c, o->ok, o);
	text = r == 0 ? json_to_text(state) : NULL;
	if (text == NULL)
		r = error_set(e, -ENOMEM, "health of %s", c->name);
	else
		r = fd_write_file_at(bundle_fd, HEALTH_FILE, text, strlen(text), 0600, false, e);
	(void)flock(bundle_fd, LOCK_UN); /* closing does it as well */
	status = json_string_value(json_object_get(state, "status"));
	o->shown = o->ok					     ? NULL :
		   status != NULL && strcmp(status, "starting") == 0 ? "starting" :
								       "unhealthy";
	tell(s, c, status != NULL ? status : "starting");
	return r;
}

int health_run(struct storage *s, struct container *c, struct health_outcome *ret, struct error *e)
{
	const json_t *config = json_object_get(c->record, "healthcheck");
	_cleanup_json_ json_t *state = NULL;
	_cleanup_fd_ int bundle_fd = -1;
	struct run run = { .code = -1 };
	json_int_t max = number_of(config, "logSize");
	const json_t *startup;
	int r;

	*ret = (struct health_outcome){ .ok = false };
	if (!json_is_object(config))
		return error_setf(e, -EINVAL, "container %s has no defined healthcheck", c->name);
	if (strcmp(c->state, "running") != 0)
		return error_setf(e, -ESRCH, "container %s is not running but %s", c->name,
				  c->state);
	bundle_fd = open(rundir_of(c->record), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle_fd < 0)
		return error_set(e, -errno, "opening the bundle of container %s", c->name);
	state = read_state(bundle_fd);
	startup = json_object_get(config, "startup");
	if (json_is_true(json_object_get(state, "startupDone")))
		startup = NULL;
	stamp(run.start, sizeof(run.start));
	r = start_and_watch(s, c, bundle_fd, startup != NULL ? startup : config,
			    max > 0 ? (size_t)max : OUTPUT_MAX, &run, e);
	stamp(run.end, sizeof(run.end));
	if (r == 0)
		r = count(s, c, bundle_fd, config, startup != NULL, &run, ret, e);
	buf_fini(&run.output);
	return r;
}
