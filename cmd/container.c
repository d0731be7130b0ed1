/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers as the listing verbs see them.
 *
 * Theory of operation
 *
 * The record on disk says what was asked for and, after the end, the exit
 * code. Whether a container lives follows from the lock that its keeper holds,
 * its process number from the file "pid" of its bundle. A container that is not
 * live and has no exit code ended unobserved (power cut, SIGKILL of the keeper).
 *
 * Records are our own files; but strings in them (image, labels, command) come
 * from images and are escaped where they are shown.
 *
 * Stopping: a process number may be reused as soon as the container ended. So the
 * process is first pinned by a pidfd, and only when the lock is still held and
 * the file still names the same number the signal is sent through the pidfd: the
 * keeper removes that file before it lets the lock go.
 */
#include "cmd/container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "cmd/compose.h"
#include "cmd/inside.h"
#include "cmd/out.h"
#include "cmd/record.h"
#include "cmd/rundir.h"
#include "cmd/volumes.h"

#define END_TIMEOUT_MS 10000 /* the keeper unmounts and deletes; a large tmpfs takes its time */
#define POLL_MS	       5
#define SURVIVOR_MS    2000

static const char *get_string(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

/* The container's first process as its keeper noted it, 0 when it is not there; ret_start may be NULL. */
static pid_t read_pid(const json_t *record, unsigned long long *ret_start)
{
	const char *dir = get_string(record, "rundir");
	_cleanup_free_ char *path = str_printf("%s/pid", dir);
	_cleanup_free_ char *text = NULL;
	unsigned long long pid, start;
	char *space;

	if (dir[0] != '/' || path == NULL ||
	    fd_read_file_at(AT_FDCWD, path, 64, &text, NULL, NULL) < 0)
		return 0;
	space = strchr(text, ' ');
	if (space == NULL)
		return 0;
	*space = '\0';
	if (str_to_u64(text, 1u << 22, &pid) < 0 || str_to_u64(space + 1, UINT64_MAX, &start) < 0)
		return 0;
	if (ret_start != NULL)
		*ret_start = start;
	return (pid_t)pid;
}

static time_t get_time(const json_t *record, const char *key)
{
	time_t t = 0;

	return out_parse_time(get_string(record, key), &t) == 0 ? t : 0;
}

int container_load(struct storage *s, const char *id, struct container *ret, struct error *e)
{
	struct container c = { .exit_code = -1 };
	_cleanup_free_ char *text = NULL;
	int r;

	/* Liveness before the record: a container that ends in between is then shown as ended. */
	c.live = storage_container_is_live(s, id);
	r = storage_container_record(s, id, &text, e);
	if (r != 0)
		return r < 0 ? r : -ENOENT;
	c.record = json_parse(text, strlen(text), "container record", e);
	if (c.record == NULL)
		return -EINVAL;
	c.id = strdup(id);
	if (c.id == NULL) {
		container_fini(&c);
		return error_set(e, -ENOMEM, "reading the record of %s", id);
	}
	c.name = get_string(c.record, "name");
	c.image = get_string(c.record, "image");
	if (c.image[0] == '\0')
		c.image = get_string(c.record, "rootfs");
	c.image_id = get_string(c.record, "imageId");
	c.created = get_time(c.record, "created");
	c.finished = get_time(c.record, "finished");
	if (json_is_integer(json_object_get(c.record, "exitCode"))) {
		c.exit_code = (int)json_integer_value(json_object_get(c.record, "exitCode"));
		c.live = false; /* over, while the keeper still cleans up */
	}
	c.pid = c.live ? read_pid(c.record, NULL) : 0;
	c.state = !c.live ? "exited" : c.pid > 0 ? "running" : "created";
	*ret = c;
	return 0;
}

void container_fini(struct container *c)
{
	free(c->id);
	json_decref(c->record);
	*c = (struct container){ .exit_code = -1 };
}

void containers_free(struct container *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		container_fini(&c[i]);
	free(c);
}

/* ---- after a crash of the keeper ------------------------------------------------------- */

/* A process that switched its parent-death signal off can outlive its keeper. */
static void end_survivor(const struct container *c)
{
	_cleanup_fd_ int proc_fd = -1;
	_cleanup_fd_ int pid_fd = -1;
	unsigned long long noted = 0, now;
	pid_t pid = read_pid(c->record, &noted);

	if (pid <= 0 || (proc_fd = procfs_open(NULL)) < 0 || (pid_fd = proc_pidfd_open(pid)) < 0 ||
	    procfs_start_time(proc_fd, pid, &now) < 0 || now != noted)
		return;
	if (proc_pidfd_send_signal(pid_fd, SIGKILL) == 0)
		(void)proc_pidfd_wait(pid_fd,
				      SURVIVOR_MS); /* stuck in the kernel: it is dead anyway */
}

void container_remove_bundle(const struct container *c)
{
	const char *dir = get_string(c->record, "rundir");
	const char *slash = strrchr(dir, '/');
	_cleanup_free_ char *parent = NULL;

	if (slash == NULL || dir[0] != '/' || strcmp(slash + 1, c->id) != 0)
		return;
	end_survivor(c);
	parent = strndup(dir, (size_t)(slash - dir));
	if (parent != NULL)
		(void)rundir_remove(parent, c->id, NULL); /* a reboot removes it as well */
}

/* A store in a home shared by several machines, whose locks need not be seen by each other. */
static bool is_of_this_node(const struct container *c)
{
	_cleanup_free_ char *node = record_node();

	return node != NULL && strcmp(get_string(c->record, "node"), node) == 0;
}

/* Clean up after a keeper that was killed. True: the container is gone. */
static bool clear_away(struct storage *s, const struct container *c)
{
	if (c->live || c->exit_code >= 0 || !is_of_this_node(c) ||
	    storage_container_is_live(s, c->id))
		return false;
	container_remove_bundle(c);
	if (!json_is_true(json_object_get(c->record, "rm")) ||
	    storage_container_remove(s, c->id, NULL) < 0)
		return false;
	volumes_drop_anonymous(s, json_object_get(c->record, "volumes"));
	return true;
}

/* Newest first; the text of RFC 3339 in UTC sorts like the time, to the nanosecond. */
static int by_age(const void *a, const void *b)
{
	const struct container *x = a, *y = b;

	return strcmp(get_string(y->record, "created"), get_string(x->record, "created"));
}

int container_list(struct storage *s, struct container **ret, size_t *ret_n, struct error *e)
{
	_cleanup_strv_ struct strv ids = { .v = NULL };
	struct container *all;
	bool gone = false;
	size_t n = 0;
	int r;

	r = storage_container_list(s, &ids, e);
	if (r < 0)
		return r;
	all = calloc(ids.n + 1, sizeof(*all));
	if (all == NULL)
		return error_set(e, -ENOMEM, "listing containers");
	for (size_t i = 0; i < ids.n; i++) {
		struct error why = ERROR_INIT;

		r = container_load(s, ids.v[i], &all[n], &why);
		if (r == 0 && clear_away(s, &all[n])) {
			container_fini(&all[n]);
			gone = true;
		} else if (r == 0) {
			n++;
		}
		if (r < 0 && r != -ENOENT)
			log_warning("%s", why.msg);
	}
	if (gone)
		inside_empty_trash(s);
	qsort(all, n, sizeof(*all), by_age);
	*ret = all;
	*ret_n = n;
	return 0;
}

char *container_status(const struct container *c, time_t now)
{
	_cleanup_free_ char *age = NULL;

	if (strcmp(c->state, "created") == 0)
		return strdup("Created");
	age = out_duration(c->live ? c->created : c->finished, now);
	if (age == NULL)
		return NULL;
	if (c->live)
		return str_printf("Up %s", age);
	if (c->exit_code < 0)
		return strdup("Exited (unknown)");
	return str_printf("Exited (%d) %s ago", c->exit_code, age);
}

char *container_ports(const struct container *c)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(c->record, "ports"), i, port) {
		const char *ip = get_string(port, "hostIp");
		bool v6 = strchr(ip, ':') != NULL;

		(void)buf_printf(
			&b, "%s%s%s%s:%lld->%lld/%s", i > 0 ? ", " : "", v6 ? "[" : "",
			ip[0] != '\0' ? ip : "0.0.0.0", v6 ? "]" : "",
			(long long)json_integer_value(json_object_get(port, "hostPort")),
			(long long)json_integer_value(json_object_get(port, "containerPort")),
			get_string(port, "protocol")); /* buf_steal() reports a failure */
	}
	return buf_steal(&b);
}

/* The name of the volume that is mounted there, NULL when none is. */
static const char *volume_name(const struct container *c, const char *destination)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(c->record, "volumes"), i, v)
		if (strcmp(get_string(v, "destination"), destination) == 0)
			return json_string_value(json_object_get(v, "name"));
	return NULL;
}

json_t *container_volumes(const struct container *c)
{
	static const char *const propagations[] = { "private", "rprivate", "slave",
						    "rslave",  "shared",   "rshared" };
	const char *rundir = json_string_value(json_object_get(c->record, "rundir"));
	const json_t *mounts = json_object_get(json_object_get(c->record, "config"), "mounts");
	json_t *list = json_array();
	json_t *m, *option;
	size_t i, k;

	json_array_foreach((json_t *)(uintptr_t)mounts, i, m) {
		const char *type = json_string_value(json_object_get(m, "type"));
		const char *source = json_string_value(json_object_get(m, "source"));
		const char *destination = json_string_value(json_object_get(m, "destination"));
		const char *propagation = "";
		bool writable = true;
		const char *name;

		if (type == NULL || strcmp(type, "bind") != 0 || source == NULL ||
		    destination == NULL || strcmp(destination, COMPOSE_INIT) == 0 ||
		    (rundir != NULL && str_starts(source, rundir)))
			continue;
		json_array_foreach(json_object_get(m, "options"), k, option) {
			const char *text = json_string_value(option);

			if (text != NULL && strcmp(text, "ro") == 0)
				writable = false;
			for (size_t p = 0;
			     text != NULL && p < sizeof(propagations) / sizeof(propagations[0]);
			     p++)
				if (strcmp(text, propagations[p]) == 0)
					propagation = propagations[p];
		}
		name = volume_name(c, destination);
		/* A NULL list makes the caller's pack fail. */
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:s*, s:s, s:s, s:s, s:s, s:o, s:b, s:s}", "Type",
				  name != NULL ? "volume" : "bind", "Name", name, "Source", source,
				  "Destination", destination, "Driver", name != NULL ? "local" : "",
				  "Mode", "", "Options", json_incref(json_object_get(m, "options")),
				  "RW", (int)writable, "Propagation", propagation));
	}
	return list;
}

char *container_command(const struct container *c)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *word;
	size_t i;

	json_array_foreach(json_object_get(c->record, "command"), i, word)
		(void)buf_printf(&b, "%s%s", i > 0 ? " " : "",
				 json_is_string(word) ? json_string_value(word) : "");
	return buf_steal(&b);
}

/* ---- stopping ------------------------------------------------------------------------- */

static void pause_a_little(void)
{
	const struct timespec ts = { .tv_nsec = POLL_MS * 1000000L };

	(void)nanosleep(&ts, NULL); /* waking early is harmless */
}

/* A pidfd of the container's first process. -ESRCH when it is over. */
static int pin(struct storage *s, const struct container *c)
{
	pid_t pid = read_pid(c->record, NULL);
	_cleanup_fd_ int pid_fd = -1;

	if (pid <= 0)
		return -ESRCH;
	pid_fd = proc_pidfd_open(pid);
	if (pid_fd < 0)
		return pid_fd;
	if (!storage_container_is_live(s, c->id) || read_pid(c->record, NULL) != pid)
		return -ESRCH;
	return steal_fd(&pid_fd);
}

static int wait_end(struct storage *s, const char *id, int timeout_ms)
{
	for (int waited = 0; waited < timeout_ms; waited += POLL_MS) {
		if (!storage_container_is_live(s, id))
			return 0;
		pause_a_little();
	}
	return storage_container_is_live(s, id) ? -ETIMEDOUT : 0;
}

int container_stop(struct storage *s, struct container *c, unsigned int grace, struct error *e)
{
	_cleanup_fd_ int pid_fd = pin(s, c);
	int sig = proc_signal_parse(get_string(json_object_get(c->record, "config"), "stopSignal"));
	int r;

	/* A container that is just being made has no process yet. */
	for (int tries = 0; pid_fd == -ESRCH && tries < 200 && storage_container_is_live(s, c->id);
	     tries++) {
		pause_a_little();
		pid_fd = pin(s, c);
	}
	if (pid_fd < 0 && pid_fd != -ESRCH)
		return error_set(e, pid_fd, "stopping container %.12s", c->id);
	if (pid_fd >= 0 && grace > 0) {
		(void)proc_pidfd_send_signal(pid_fd,
					     sig > 0 ? sig : SIGTERM); /* ESRCH: it is over */
		(void)proc_pidfd_wait(pid_fd, grace > 86400 ? 86400000 : (int)grace * 1000);
	}
	if (pid_fd >= 0) {
		r = proc_pidfd_send_signal(pid_fd, SIGKILL);
		if (r < 0 && r != -ESRCH)
			return error_set(e, r, "killing container %.12s", c->id);
	}
	r = wait_end(s, c->id, END_TIMEOUT_MS);
	if (r < 0)
		return error_setf(e, r,
				  "container %.12s was killed but did not end within %d seconds",
				  c->id, END_TIMEOUT_MS / 1000);
	c->live = false;
	return 0;
}
