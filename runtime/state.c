/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's record on disk.
 *
 * Theory of operation: ROOT/ID/ (0700) holds state.json (replaced as a whole
 * by rename), a copy of config.json, and, until the container was started,
 * the socket "gate". The status is never stored but derived: the process is
 * alive or not (pid and start time must match), the gate is there or not, the
 * freezer says frozen or not. So no crash can leave a wrong status: a creator
 * that dies before state.json is written leaves a directory without it, which
 * counts as "does not exist" and is removed by `delete --force`.
 *
 * Only the owner of the state root can write here; the files are parsed as
 * carefully as everything else.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/state.h"

static const char *const status_names[] = { "creating", "created", "running", "paused", "stopped" };
static_assert(sizeof(status_names) / sizeof(status_names[0]) == STATE_COUNT,
	      "one name for each status");

const char *state_status_name(enum state_status st)
{
	return status_names[st];
}

/* The civil date of a day number; gmtime_r() would read the time zone's file. */
static void civil_date(long days, int *ret_year, int *ret_month, int *ret_day)
{
	/* 400-year eras that begin on the first of March: leap days come last */
	long z = days + 719468, era = z / 146097, doe = z - era * 146097;
	long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
	     doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	long mp = (5 * doy + 2) / 153;

	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (int)(yoe + era * 400 + (*ret_month <= 2 ? 1 : 0));
}

char *state_now(void)
{
	struct timespec ts;
	int year, month, day;
	long second;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	civil_date(ts.tv_sec / 86400, &year, &month, &day);
	second = ts.tv_sec % 86400;
	return str_printf("%04d-%02d-%02dT%02ld:%02ld:%02ld.%09ldZ", year, month, day,
			  second / 3600, second / 60 % 60, second % 60, ts.tv_nsec);
}

void state_fini(struct state *s)
{
	close_fd(&s->dir_fd);
	free(s->id);
	free(s->bundle);
	free(s->rootfs);
	free(s->created);
	free(s->program);
	json_decref(s->annotations);
	json_decref(s->cgroup);
	*s = STATE_INIT;
}

int state_save(const struct state *s, struct error *e)
{
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	j = json_pack("{s:s,s:I,s:s,s:s,s:s,s:s,s:s*}", "id", s->id, "pid", (json_int_t)s->pid,
		      "bundle", s->bundle, "rootfs", s->rootfs, "created", s->created, "startTime",
		      "", "program", s->program);
	if (j == NULL ||
	    json_object_set_new(j, "startTime", json_sprintf("%llu", s->start_time)) < 0 ||
	    (s->annotations != NULL && json_object_set(j, "annotations", s->annotations) < 0) ||
	    (s->cgroup != NULL && json_object_set(j, "cgroup", s->cgroup) < 0))
		return error_set(e, -ENOMEM, "state of container %s", s->id);
	text = json_to_text(j);
	if (text == NULL)
		return error_set(e, -ENOMEM, "state of container %s", s->id);
	r = fd_write_file_at(s->dir_fd, STATE_FILE, text, strlen(text), 0600, false, e);
	return r < 0 ? error_prefix(e, "state of container %s", s->id) : 0;
}

static int dup_string(const json_t *j, const char *key, char **ret, struct error *e)
{
	const char *v = "";
	int r = json_get_string(j, STATE_FILE, key, &v, e);

	if (r < 0)
		return r;
	*ret = strdup(v);
	return *ret == NULL ? error_set(e, -ENOMEM, STATE_FILE) : 0;
}

static int parse_state(struct state *s, const json_t *j, struct error *e)
{
	const char *start = "0";
	json_t *obj = NULL;
	int64_t pid = 0;
	int r;

	if ((r = dup_string(j, "id", &s->id, e)) < 0 ||
	    (r = dup_string(j, "bundle", &s->bundle, e)) < 0 ||
	    (r = dup_string(j, "rootfs", &s->rootfs, e)) < 0 ||
	    (r = dup_string(j, "created", &s->created, e)) < 0 ||
	    (r = dup_string(j, "program", &s->program, e)) < 0 ||
	    (r = json_get_int(j, STATE_FILE, "pid", 0, INT32_MAX, &pid, e)) < 0 ||
	    (r = json_get_string(j, STATE_FILE, "startTime", &start, e)) < 0)
		return r;
	s->pid = (pid_t)pid;
	r = str_to_u64(start, UINT64_MAX, &s->start_time);
	if (r < 0)
		return error_set(e, r, STATE_FILE ": startTime");
	if ((r = json_get_object(j, STATE_FILE, "annotations", &obj, e)) < 0)
		return r;
	if (r > 0)
		s->annotations = json_incref(obj);
	if ((r = json_get_object(j, STATE_FILE, "cgroup", &obj, e)) < 0)
		return r;
	if (r > 0)
		s->cgroup = json_incref(obj);
	return 0;
}

int state_load(int root_fd, const char *id, struct state *ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *j = NULL;
	struct state s = STATE_INIT;
	size_t len = 0;
	int r;

	if (!id_container_valid(id))
		return error_setf(e, -EINVAL, "invalid container id format: \"%.64s\"", id);
	s.dir_fd = root_fd < 0 ?
			   -1 :
			   openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.dir_fd < 0 && root_fd >= 0 && errno != ENOENT)
		return error_set(e, -errno, "open the state of container %s", id);
	if (s.dir_fd < 0 || faccessat(s.dir_fd, STATE_FILE, F_OK, 0) < 0) {
		close_fd(&s.dir_fd);
		return error_setf(e, -ENOENT,
				  "container \"%s\" does not exist: container does not exist", id);
	}
	r = fd_read_file_at(s.dir_fd, STATE_FILE, LIMIT_JSON_BYTES, &text, &len, e);
	if (r == 0) {
		j = json_parse(text, len, STATE_FILE, e);
		r = j == NULL ? -EINVAL : parse_state(&s, j, e);
	}
	if (r < 0) {
		state_fini(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int state_remove(int root_fd, int dir_fd, const char *id, struct error *e)
{
	static const char *const names[] = { STATE_FILE, STATE_CONFIG, STATE_GATE };

	/* state.json first: without it there is no container any more */
	for (size_t i = 0; dir_fd >= 0 && i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlinkat(dir_fd, names[i], 0); /* rmdir will tell */
	if (unlinkat(root_fd, id, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return path_remove_tree(root_fd, id, e);
}

/* State letter of /proc/PID/stat, 0 when there is no such process. */
static char process_state(int proc_fd, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[32];
	const char *s;

	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (procfs_read(proc_fd, path, 4096, &text) < 0)
		return 0;
	s = strrchr(text, ')'); /* the name before it is the process's own choice */
	return s != NULL && s[1] == ' ' ? s[2] : 0;
}

bool state_alive(const struct state *s, int proc_fd)
{
	unsigned long long start = 0;
	char st;

	if (s->pid <= 0)
		return false;
	st = process_state(proc_fd, s->pid);
	if (st == 0 || st == 'Z' || st == 'X')
		return false;
	return procfs_start_time(proc_fd, s->pid, &start) == 0 && start == s->start_time;
}

int state_signal(const struct state *s, int proc_fd, int sig, int *ret_pid_fd)
{
	_cleanup_fd_ int pid_fd = s->pid > 0 ? proc_pidfd_open(s->pid) : -ESRCH;
	int r;

	if (pid_fd < 0)
		return pid_fd == -EINVAL ? -ESRCH : pid_fd;
	/* the pidfd came first: what is alive and ours now is what it names */
	if (!state_alive(s, proc_fd))
		return -ESRCH;
	r = proc_pidfd_send_signal(pid_fd, sig);
	if (r == 0 && ret_pid_fd != NULL)
		*ret_pid_fd = steal_fd(&pid_fd);
	return r;
}

enum state_status state_status(const struct state *s, int proc_fd)
{
	if (!state_alive(s, proc_fd))
		return STATE_STOPPED;
	if (faccessat(s->dir_fd, STATE_GATE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return STATE_CREATED;
	return cgroup_is_frozen(s->cgroup) ? STATE_PAUSED : STATE_RUNNING;
}

/* Nobody listens at the gate: the program runs, and a start was killed before it removed the gate. */
static bool gate_is_stale(const struct state *s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" STATE_GATE, s->dir_fd);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 &&
	       errno == ECONNREFUSED;
}

enum state_status state_status_sure(const struct state *s, int proc_fd)
{
	enum state_status st = state_status(s, proc_fd);

	if (st != STATE_CREATED || !gate_is_stale(s))
		return st;
	(void)unlinkat(s->dir_fd, STATE_GATE, 0); /* else the next one looks again */
	return cgroup_is_frozen(s->cgroup) ? STATE_PAUSED : STATE_RUNNING;
}

char *state_text(const struct state *s, enum state_status st, bool compact)
{
	_cleanup_json_ json_t *j = NULL;

	j = json_pack("{s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:s}", "ociVersion", "1.0.2", "id", s->id,
		      "pid", (json_int_t)(st == STATE_STOPPED ? 0 : s->pid), "status",
		      status_names[st], "bundle", s->bundle, "rootfs", s->rootfs, "created",
		      s->created, "owner", "");
	if (j == NULL)
		return NULL;
	if (s->annotations != NULL && json_object_set(j, "annotations", s->annotations) < 0)
		return NULL;
	return compact ? json_to_text(j) : json_to_pretty(j);
}

int state_config(const struct state *s, struct spec *ret, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	r = fd_read_file_at(s->dir_fd, STATE_CONFIG, LIMIT_JSON_BYTES, &text, &len, e);
	if (r < 0)
		return error_prefix(e, "configuration of container %s", s->id);
	return spec_parse(text, len, ret, e);
}
