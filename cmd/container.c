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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "cmd/compose.h"
#include "cmd/events.h"
#include "cmd/health.h"
#include "cmd/inside.h"
#include "cmd/limits.h"
#include "cmd/monitor.h"
#include "cmd/out.h"
#include "cmd/pause.h"
#include "cmd/record.h"
#include "cmd/rundir.h"
#include "cmd/volumes.h"

#define END_TIMEOUT_MS 10000 /* the keeper unmounts and deletes; a large tmpfs takes its time */
#define POLL_MS	       5
#define POLL_FIRST_US  200
#define SURVIVOR_MS    2000

static const char *get_string(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s != NULL ? s : "";
}

/* The file "pid" of the bundle: the container's first process and its keeper; zeros when it is not there. */
struct pids {
	unsigned long long pid, start, keeper, keeper_start;
};

static struct pids parse_pids(char *text, const char *boot)
{
	struct pids p = { 0, 0, 0, 0 };
	unsigned long long *to[] = { &p.pid, &p.start, &p.keeper, &p.keeper_start };
	char *rest = text, *word;

	for (size_t i = 0; i < 4 && (word = strsep(&rest, " ")) != NULL; i++)
		if (str_to_u64(word, i % 2 == 0 ? 1u << 22 : UINT64_MAX, to[i]) < 0)
			return (struct pids){ 0, 0, 0, 0 };
	if (boot != NULL && (rest == NULL || strcmp(rest, boot) != 0))
		return (struct pids){ 0, 0, 0, 0 };
	return p;
}

/*
 * The bundle's, else, where the runtime directory was removed while the container lives (a logout), the
 * one beside the record, which may be of another boot or node.
 */
static struct pids read_pids(struct storage *s, const json_t *record)
{
	const char *dir = get_string(record, "rundir");
	_cleanup_free_ char *path = str_printf("%s/pid", dir);
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int proc_fd = -1;
	unsigned long long now;
	struct pids p;
	char boot[37];

	if (dir[0] != '/' || path == NULL)
		return (struct pids){ 0, 0, 0, 0 };
	if (fd_read_file_at(AT_FDCWD, path, 128, &text, NULL, NULL) == 0)
		return parse_pids(text, NULL);
	if (s == NULL || faccessat(AT_FDCWD, dir, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    storage_container_read(s, get_string(record, "id"), "pid", &text, NULL) < 0 ||
	    (proc_fd = procfs_open(NULL)) < 0 || procfs_boot_id(proc_fd, boot) < 0)
		return (struct pids){ 0, 0, 0, 0 };
	p = parse_pids(text, boot);
	/* the bundle may be gone because it ended just now */
	if (p.pid > 0 && (procfs_start_time(proc_fd, (pid_t)p.pid, &now) < 0 || now != p.start))
		p.pid = p.start = 0;
	return p;
}

/* The exit code of a life whose end is not on record yet: BUNDLE/exit. -1 = there is none. */
static int read_exit(const json_t *record)
{
	_cleanup_free_ char *path = str_printf("%s/" MONITOR_EXIT, get_string(record, "rundir"));
	_cleanup_free_ char *text = NULL;
	unsigned long long code;

	if (path == NULL || path[0] != '/' ||
	    fd_read_file_at(AT_FDCWD, path, 16, &text, NULL, NULL) < 0 ||
	    str_to_u64(text, 255, &code) < 0)
		return -1;
	return (int)code;
}

static time_t get_time(const json_t *record, const char *key)
{
	time_t t = 0;

	return out_parse_time(get_string(record, key), &t) == 0 ? t : 0;
}

static int load(struct storage *s, const char *id, struct container *ret, struct error *e)
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
	c.started = get_time(c.record, "started");
	if (c.live) {
		struct pids p = read_pids(s, c.record);

		c.pid = (pid_t)p.pid;
		c.keeper = (pid_t)p.keeper;
	}
	if (c.pid > 0)
		c.state = pause_is_paused(get_string(c.record, "rundir"), c.pid) ? "paused" :
										   "running";
	else if (c.live && (c.exit_code = read_exit(c.record)) >= 0)
		c.state = "exited"; /* just now, or between two lives */
	else if (c.live)
		c.state = "created"; /* being made */
	else
		c.state = c.started == 0 && c.exit_code < 0 ? "created" : "exited";
	*ret = c;
	return 0;
}

int container_load(struct storage *s, const char *id, struct container *ret, struct error *e)
{
	struct container c;
	int r = load(s, id, &c, e);

	/* live, started, and nothing of the bundle: it is being made, or was cleaned up while we looked */
	if (r == 0 && c.live && c.started != 0 && strcmp(c.state, "created") == 0) {
		container_fini(&c);
		r = load(s, id, &c, e);
	}
	if (r == 0)
		*ret = c;
	return r;
}

void container_fini(struct container *c)
{
	free(c->id);
	json_decref(c->record);
	*c = (struct container){ .exit_code = -1 };
}

int container_open(struct storage *s, const char *text, struct container *ret, struct error *e)
{
	_cleanup_free_ char *id = NULL;
	int r = storage_container_find(s, text, &id, e);

	if (r == STORAGE_MISSING)
		return -ENOENT;
	return r == 0 ? container_load(s, id, ret, e) : r;
}

bool container_is_running(const struct container *c)
{
	return c->pid > 0;
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
	struct pids p = read_pids(NULL, c->record);
	unsigned long long now;
	pid_t pid = (pid_t)p.pid;

	if (pid <= 0 || (proc_fd = procfs_open(NULL)) < 0 || (pid_fd = proc_pidfd_open(pid)) < 0 ||
	    procfs_start_time(proc_fd, pid, &now) < 0 || now != p.start)
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
	limits_end(dir);
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
	events_container(s, "remove", c, -1);
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

bool container_has_lost_network(const struct container *c)
{
	_cleanup_free_ char *path =
		str_printf("%s/" MONITOR_NO_NET, get_string(c->record, "rundir"));

	return container_is_running(c) && path != NULL && path[0] == '/' &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

char *container_status(const struct container *c, time_t now)
{
	_cleanup_free_ char *age = NULL;

	if (strcmp(c->state, "created") == 0)
		return strdup("Created");
	if (strcmp(c->state, "paused") == 0)
		return strdup("Paused");
	age = out_duration(container_is_running(c) ? c->started :
			   c->finished > 0	   ? c->finished :
						     now,
			   now);
	if (age == NULL)
		return NULL;
	if (container_is_running(c)) {
		const char *health = health_status(c);

		return str_printf("Up %s%s%s%s%s", age, *health != '\0' ? " (" : "", health,
				  *health != '\0' ? ")" : "",
				  container_has_lost_network(c) ? " (no network)" : "");
	}
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

static void pause_us(long us)
{
	const struct timespec ts = { .tv_nsec = us * 1000 };

	(void)nanosleep(&ts, NULL); /* waking early is harmless */
}

/* Short pauses first: what is awaited usually takes 2 ms. */
static void pause_a_little(int tries)
{
	pause_us(tries < 20 ? POLL_FIRST_US : POLL_MS * 1000L);
}

int container_pidfd(struct storage *s, const struct container *c)
{
	pid_t pid = (pid_t)read_pids(s, c->record).pid;
	_cleanup_fd_ int pid_fd = -1;

	if (pid <= 0)
		return -ESRCH;
	pid_fd = proc_pidfd_open(pid);
	if (pid_fd < 0)
		return pid_fd;
	if (!storage_container_is_live(s, c->id) || (pid_t)read_pids(s, c->record).pid != pid)
		return -ESRCH;
	return steal_fd(&pid_fd);
}

void container_process(struct storage *s, const struct container *c, pid_t *ret_pid,
		       unsigned long long *ret_start)
{
	struct pids p = read_pids(s, c->record);

	*ret_pid = (pid_t)p.pid;
	*ret_start = p.start;
}

int container_keeper_pidfd(struct storage *s, const struct container *c)
{
	struct pids p = read_pids(s, c->record);
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	_cleanup_fd_ int pid_fd = p.keeper > 0 ? proc_pidfd_open((pid_t)p.keeper) : -ESRCH;
	unsigned long long now;

	if (pid_fd < 0)
		return pid_fd;
	if (proc_fd < 0 || procfs_start_time(proc_fd, (pid_t)p.keeper, &now) < 0 ||
	    now != p.keeper_start || !storage_container_is_live(s, c->id))
		return -ESRCH;
	return steal_fd(&pid_fd);
}

static int wait_end(struct storage *s, const char *id, int timeout_ms)
{
	for (int tries = 0; tries < timeout_ms / POLL_MS; tries++) {
		if (!storage_container_is_live(s, id))
			return 0;
		pause_a_little(tries);
	}
	return storage_container_is_live(s, id) ? -ETIMEDOUT : 0;
}

/* The end is wanted: a restart policy does not undo it. */
static void note_stop(const struct container *c)
{
	_cleanup_free_ char *path = str_printf("%s/" MONITOR_STOP, get_string(c->record, "rundir"));
	_cleanup_fd_ int fd = -1;

	if (path != NULL && path[0] == '/')
		fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* the bundle may have gone just now: then there is nothing to be noted */
}

unsigned int container_stop_timeout(const struct container *c)
{
	json_int_t n = json_integer_value(
		json_object_get(json_object_get(c->record, "config"), "stopTimeout"));

	return n >= 0 && n <= INT32_MAX ? (unsigned int)n : 0;
}

/* The stop signal, then SIGKILL. */
static int end_process(const struct container *c, int pid_fd, unsigned int grace, struct error *e)
{
	int sig = proc_signal_parse(get_string(json_object_get(c->record, "config"), "stopSignal"));
	int timeout_ms = grace == UINT32_MAX ? -1 : grace > 86400 ? 86400000 : (int)grace * 1000;
	int r;

	if (grace > 0) {
		(void)proc_pidfd_send_signal(pid_fd,
					     sig > 0 ? sig : SIGTERM); /* ESRCH: it is over */
		(void)proc_pidfd_wait(pid_fd, timeout_ms);
	}
	r = proc_pidfd_send_signal(pid_fd, SIGKILL);
	return r < 0 && r != -ESRCH ? error_set(e, r, "killing container %.12s", c->id) : 0;
}

int container_stop(struct storage *s, struct container *c, unsigned int grace, struct error *e)
{
	_cleanup_fd_ int pid_fd = -1, keeper_fd = -1;
	int r;

	note_stop(c);
	pid_fd = container_pidfd(s, c);
	keeper_fd = container_keeper_pidfd(s, c);
	if (keeper_fd >= 0) /* says the same, also where the bundle is gone; a keeper blocks it */
		(void)proc_pidfd_send_signal(keeper_fd, SIGTERM);
	/* A container that is just being made, or between two lives, has no process. */
	for (int tries = 0; pid_fd == -ESRCH && tries < 200 && storage_container_is_live(s, c->id);
	     tries++) {
		if (keeper_fd < 0)
			keeper_fd = container_keeper_pidfd(s, c);
		if (keeper_fd >= 0)
			(void)proc_pidfd_send_signal(keeper_fd, SIGTERM); /* stops waiting */
		pause_a_little(tries);
		pid_fd = container_pidfd(s, c);
	}
	if (pid_fd < 0 && pid_fd != -ESRCH)
		return error_set(e, pid_fd, "stopping container %.12s", c->id);
	if (pid_fd >= 0) {
		(void)pause_end(get_string(c->record, "rundir"), c->pid,
				NULL); /* a frozen one neither hears nor, with version 1, dies */
		r = end_process(c, pid_fd, grace, e);
		if (r < 0)
			return r;
	}
	if (keeper_fd >= 0) /* somebody may have stopped it by SIGSTOP */
		(void)proc_pidfd_send_signal(keeper_fd, SIGCONT);
	r = wait_end(s, c->id, END_TIMEOUT_MS);
	if (r < 0 && keeper_fd >= 0) { /* stuck: the kernel frees the lock */
		(void)proc_pidfd_send_signal(keeper_fd, SIGKILL);
		r = wait_end(s, c->id, END_TIMEOUT_MS);
	}
	if (r < 0)
		return error_setf(e, r,
				  "container %.12s was killed but did not end within %d seconds",
				  c->id, END_TIMEOUT_MS / 1000);
	c->live = false;
	return 0;
}

int container_kill(struct storage *s, struct container *c, int sig, struct error *e)
{
	_cleanup_fd_ int pid_fd = container_pidfd(s, c);
	int r = pid_fd;

	if (pid_fd >= 0) {
		if (sig == SIGKILL)
			note_stop(c);
		r = proc_pidfd_send_signal(pid_fd, sig);
		if (r == 0 && sig == SIGKILL)
			(void)pause_end(get_string(c->record, "rundir"), c->pid,
					NULL); /* with version 1 a frozen one does not die */
	}
	if (r == -ESRCH)
		return error_setf(e, -ESRCH,
				  "can only kill running containers: container %s is in state %s",
				  c->name, container_is_running(c) ? "exited" : c->state);
	return r < 0 ? error_set(e, r, "signalling container %s", c->name) : 0;
}

int container_connect(const struct container *c, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int dir_fd = -1;
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(e, -errno, "attaching to container %s", c->name);
	dir_fd = open(get_string(c->record, "rundir"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -ENOTCONN;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" MONITOR_SOCKET,
		       dir_fd);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ?
			       -ENOTCONN :
			       error_set(e, -errno, "attaching to container %s", c->name);
	return steal_fd(&fd);
}

/* The exit code by the monitor's last packet; -ENOTCONN where there is none to be had. */
static int await_packet(const struct container *c, int *ret_code, struct error *e)
{
	static const char quiet = MONITOR_PACKET_QUIET;
	_cleanup_fd_ int fd = container_connect(c, e);
	char packet[1 + sizeof(int)];
	ssize_t n;

	if (fd < 0)
		return fd;
	if (send(fd, &quiet, 1, MSG_NOSIGNAL) < 0)
		return -ENOTCONN;
	for (;;) {
		n = recv(fd, packet, sizeof(packet), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ENOTCONN;
		if (packet[0] == MONITOR_PACKET_END && n == (ssize_t)sizeof(packet)) {
			memcpy(ret_code, packet + 1, sizeof(*ret_code));
			return 0;
		}
	}
}

int container_wait(struct storage *s, struct container *c, int *ret_code, struct error *e)
{
	_cleanup_free_ char *id = strdup(c->id);
	int r;

	if (id == NULL)
		return error_set(e, -ENOMEM, "waiting");
	/* "created": podman waits for the end of the life to come */
	for (int tries = 0; strcmp(c->state, "exited") != 0; tries++) {
		_cleanup_fd_ int pid_fd = -1;

		r = await_packet(c, ret_code, e);
		if (r != -ENOTCONN)
			return r;
		pid_fd = container_pidfd(s, c);
		if (pid_fd >= 0)
			(void)proc_pidfd_wait(pid_fd, -1); /* a foreground one */
		else
			pause_a_little(tries);
		container_fini(c);
		r = container_load(s, id, c, e);
		if (r < 0)
			return r;
	}
	*ret_code = c->exit_code;
	return 0;
}

int container_remove(struct storage *s, struct container *c, unsigned int grace, struct error *e)
{
	int r = 0;

	/* A record with an exit code can still belong to a keeper that cleans up. */
	if (c->live || storage_container_is_live(s, c->id))
		r = container_stop(s, c, grace, e);
	if (r < 0)
		return r;
	container_remove_bundle(c);
	r = storage_container_remove(s, c->id, e);
	if (r == 0)
		events_container(s, "remove", c, -1);
	if (r == -ENOENT) { /* one that goes with its end was removed by its keeper */
		*e = ERROR_INIT;
		r = 0;
	}
	return r;
}
