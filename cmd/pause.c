/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt pause, crt unpause.
 *
 * Theory of operation: where the container has a cgroup with a freezer, that freezes it
 * and nothing inside can tell. Where it has none, every process of its pid namespace is
 * stopped by SIGSTOP, which cannot be caught; a parent inside that waits for stopped children
 * sees it, and a process started by crt exec is stopped as well. Processes may be
 * forking meanwhile: the walk is repeated until it finds none that was not
 * stopped. Those that were stopped before are remembered and stay stopped.
 *
 * A file of the bundle says by which of the two it was paused; whether it is
 * paused is asked of the freezer or of its first process each time. The file is written first and
 * removed last: a crash in between leaves a container that is shown as what it is, and
 * that the next pause or unpause brings to an end.
 *
 * Signals go by pidfd, after the namespace was compared.
 */
#include "cmd/pause.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "cmd/each.h"
#include "cmd/events.h"
#include "cmd/limits.h"
#include "cmd/processes.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

#define WORD_FREEZER "freezer"
#define WORD_STOP    "stop"
#define ROUNDS	     400 /* of 5 ms: who forks faster has won */
#define ROUND_MS     5

static char *read_file(const char *rundir)
{
	_cleanup_free_ char *path =
		rundir != NULL && rundir[0] == '/' ? str_printf("%s/" PAUSE_FILE, rundir) : NULL;
	char *text = NULL;

	if (path == NULL || faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fd_read_file_at(AT_FDCWD, path, LIMIT_JSON_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	return text;
}

static char state_of(pid_t pid)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	_cleanup_free_ char *text = NULL;
	char *fields[PROCESS_FIELDS];

	return proc_fd < 0 || processes_stat(proc_fd, pid, &text, fields) < 0 ? '?' : fields[0][0];
}

bool pause_is_paused(const char *rundir, pid_t pid)
{
	_cleanup_free_ char *text = read_file(rundir), *cgroup = NULL;

	if (text == NULL)
		return false;
	if (!str_starts(text, WORD_FREEZER))
		return state_of(pid) == 'T';
	cgroup = limits_cgroup(rundir);
	return cgroup != NULL && runtime_cgroup_is_frozen(cgroup);
}

/* ---- by signals ------------------------------------------------------------------------- */

/* "stop 12 34": was this one stopped before us? */
static bool is_listed(const char *text, pid_t pid)
{
	while ((text = strchr(text, ' ')) != NULL) {
		text++;
		if (strtol(text, NULL, 10) == pid)
			return true;
	}
	return false;
}

static void signal_one(const struct processes *t, const struct process *p, int sig)
{
	_cleanup_fd_ int pid_fd = proc_pidfd_open(p->pid);

	/* the number may be another process's by now: of this namespace it is ours in any case */
	if (pid_fd >= 0 && processes_ns(t->proc_fd, p->pid) == p->ns)
		(void)proc_pidfd_send_signal(pid_fd, sig); /* ended: fine */
}

static bool is_stopped(const struct process *p)
{
	return strchr("TtZX", p->state) != NULL;
}

/* One walk. Returns how many were found that were not stopped, or -errno; b: note those that are. */
static int stop_round(pid_t first, struct buf *b, struct error *e)
{
	struct processes t;
	uint64_t ns;
	int n = 0;
	int r = processes_load(&t, e);

	if (r < 0)
		return r;
	ns = processes_ns(t.proc_fd, first);
	for (size_t i = 0; i < t.n; i++) {
		if (!processes_has(&t, first, ns, &t.v[i]))
			continue;
		if (b != NULL && t.v[i].state == 'T')
			(void)buf_printf(b, " %d", (int)t.v[i].pid);
		if (is_stopped(&t.v[i]))
			continue;
		n++;
		if (b == NULL)
			signal_one(&t, &t.v[i], SIGSTOP);
	}
	processes_fini(&t);
	return n;
}

static int stop_all(pid_t first, struct error *e)
{
	for (int i = 0; i < ROUNDS; i++) {
		const struct timespec ts = { .tv_nsec = ROUND_MS * 1000000L };
		int n = stop_round(first, NULL, e);

		if (n <= 0)
			return n;
		(void)nanosleep(&ts, NULL); /* waking early is harmless */
	}
	return error_setf(e, -EBUSY, "its processes do not stop (waiting for a device?)");
}

static int continue_all(pid_t first, const char *text, struct error *e)
{
	struct processes t;
	uint64_t ns;
	int r = processes_load(&t, e);

	if (r < 0)
		return r;
	ns = processes_ns(t.proc_fd, first);
	for (size_t i = 0; i < t.n; i++)
		if (processes_has(&t, first, ns, &t.v[i]) && !is_listed(text, t.v[i].pid))
			signal_one(&t, &t.v[i], SIGCONT);
	processes_fini(&t);
	return 0;
}

/* ---- both ------------------------------------------------------------------------------- */

int pause_end(const char *rundir, pid_t pid, struct error *e)
{
	_cleanup_free_ char *text = read_file(rundir), *path = NULL, *cgroup = NULL;
	int r = 0;

	if (text == NULL)
		return 0;
	if (str_starts(text, WORD_FREEZER)) {
		cgroup = limits_cgroup(rundir);
		r = cgroup != NULL ? runtime_cgroup_freeze(cgroup, false, e) : 0;
	} else if (pid > 0) {
		r = continue_all(pid, text, e);
	}
	path = str_printf("%s/" PAUSE_FILE, rundir);
	if (r == 0 && path != NULL)
		(void)unlink(path); /* what stays does not matter: it is not paused */
	return r;
}

static int write_file(const char *rundir, const char *text, struct error *e)
{
	_cleanup_fd_ int dir_fd = open(rundir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return error_set(e, -errno, "opening the bundle");
	return fd_write_file_at(dir_fd, PAUSE_FILE, text, strlen(text), 0600, false, e);
}

int pause_begin(const char *rundir, pid_t pid, struct error *e)
{
	_cleanup_free_ char *cgroup = limits_cgroup(rundir);
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (cgroup != NULL) {
		r = write_file(rundir, WORD_FREEZER, e);
		return r == 0 ? runtime_cgroup_freeze(cgroup, true, e) : r;
	}
	(void)buf_puts(&b, WORD_STOP);
	r = stop_round(pid, &b, e);
	if (r >= 0)
		r = b.err != 0 ? error_set(e, b.err, "pausing") :
				 write_file(rundir, buf_str(&b), e);
	if (r == 0)
		r = stop_all(pid, e);
	if (r < 0)
		(void)pause_end(rundir, pid, NULL); /* as if it had not been tried */
	return r;
}

/* ---- the verbs ---------------------------------------------------------------------------- */

struct options {
	bool all, latest;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all), .help = "All of them" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest), .help = "The newest" },
	OPTION_END
};

const struct cmd_verb cmd_verb_pause = {
	.name = "pause",
	.run = cmd_pause,
	.options = options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Pause all processes of containers",
	.operands = OPERANDS_CONTAINERS,
};

const struct cmd_verb cmd_verb_unpause = {
	.name = "unpause",
	.run = cmd_unpause,
	.options = options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Let paused containers go on",
	.operands = OPERANDS_CONTAINERS,
};

static const char *rundir_of(const struct container *c)
{
	return json_string_value(json_object_get(c->record, "rundir"));
}

static int pause_one(struct storage *s, struct container *c, const char *said, void *data,
		     struct error *e)
{
	int r;

	(void)said;
	(void)data;
	if (strcmp(c->state, "paused") == 0)
		return error_setf(e, -EBUSY, "container %s is already paused", c->name);
	if (!container_is_running(c))
		return error_setf(e, -ESRCH, "container %s cannot be paused: it is %s", c->name,
				  c->state);
	r = pause_begin(rundir_of(c), c->pid, e);
	if (r == 0)
		events_container(s, "pause", c, -1);
	return r < 0 ? error_prefix(e, "pausing container %s", c->name) : 0;
}

static int unpause_one(struct storage *s, struct container *c, const char *said, void *data,
		       struct error *e)
{
	int r;

	(void)said;
	(void)data;
	if (strcmp(c->state, "paused") != 0)
		return error_setf(e, -EINVAL, "container %s is not paused", c->name);
	r = pause_end(rundir_of(c), c->pid, e);
	if (r == 0)
		events_container(s, "unpause", c, -1);
	return r < 0 ? error_prefix(e, "unpausing container %s", c->name) : 0;
}

static bool is_running(const struct container *c)
{
	return strcmp(c->state, "running") == 0;
}

static bool is_paused(const struct container *c)
{
	return strcmp(c->state, "paused") == 0;
}

static int run(struct each *each, int argc, char **argv)
{
	struct options o = { .all = false };
	int code;
	int first = opt_parse(each->verb, argc, argv, &o, &code);

	if (first < 0)
		return code;
	each->all = o.all;
	each->latest = o.latest;
	return each_container(each, argv + first, argc - first);
}

int cmd_pause(int argc, char **argv, const struct cmd_global *g)
{
	struct each each = {
		.verb = &cmd_verb_pause, .global = g, .fn = pause_one, .wanted = is_running
	};

	return run(&each, argc, argv);
}

int cmd_unpause(int argc, char **argv, const struct cmd_global *g)
{
	struct each each = {
		.verb = &cmd_verb_unpause, .global = g, .fn = unpause_one, .wanted = is_paused
	};

	return run(&each, argc, argv);
}
