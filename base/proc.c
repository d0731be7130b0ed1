/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes: start a program, wait by pidfd, find our helpers.
 *
 * Theory of operation
 *
 * proc_spawn() uses clone(CLONE_VM|CLONE_VFORK): no page table is copied,
 * and the parent sleeps until the child has called execve() or _exit(). The
 * child runs on a stack of its own in our memory, with all signals blocked
 * until every handler is reset (a handler of ours must never run there), calls
 * nothing but system calls, and leaves a failure (step, errno) in a structure
 * on the parent's stack, so that no pipe is needed. proc_spawn_many() starts
 * several without CLONE_VFORK and sleeps until the last has left our memory:
 * loading a program is most of the cost, and other processors can do it.
 *
 * Order in the child, and why: signals first; death signal before anything
 * that can block, followed by the check that the parent is still there; then
 * descriptors: sources are moved above all targets, so that no copy destroys a
 * source; 0, 1 and 2 get /dev/null where nothing was asked for; everything else
 * is closed or marked to be closed by execve(). No descriptor of ours, and so
 * no socket, lock or directory of the store, reaches a program by accident.
 *
 * Programs are found beside our own executable, never through PATH or another
 * variable: the environment may have been written by somebody else.
 * A crash of the parent leaves the child alone unless die_with_parent is set.
 */
#include "base/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

#define CHILD_STACK (64u << 10)
#define FD_MAPS_MAX 64
#define TARGET_MAX  1024
#define SIGNAL_MAX  64 /* _NSIG of every Linux port but MIPS */
#define RTMIN	    34 /* what programs see as SIGRTMIN; the C library keeps 32 and 33 */

/* ---- starting ---------------------------------------------------------------- */

enum spawn_step {
	STEP_NONE,
	STEP_FDS,
	STEP_PARENT_DIED,
	STEP_SESSION,
	STEP_EXEC
};

/* Shared with the child, which runs in our memory while we sleep. */
struct spawn_state {
	const struct proc_spawn *s;
	char *const *envp;
	int moved[FD_MAPS_MAX];
	int max_target;
	pid_t parent;
	volatile int step;
	volatile int err;
};

static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig <= SIGNAL_MAX; sig++) {
		/* These refuse; and a failure would write errno, which is one for all children. */
		if (sig == SIGKILL || sig == SIGSTOP || (sig >= 32 && sig < RTMIN))
			continue;
		(void)sigaction(sig, &sa, NULL);
	}
	(void)sigemptyset(&none); /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_target(const struct proc_spawn *s, int fd)
{
	for (size_t i = 0; i < s->fds_n; i++)
		if (s->fds[i].target == fd)
			return true;
	return false;
}

/* Lay the descriptors out. *path_fd is moved out of the way as well. 0 or -1 with errno. */
static int child_fds(struct spawn_state *st, int *path_fd)
{
	const struct proc_spawn *s = st->s;
	int above = st->max_target + 1;

	for (size_t i = 0; i < s->fds_n; i++) {
		st->moved[i] = fcntl(s->fds[i].fd, F_DUPFD_CLOEXEC, above);
		if (st->moved[i] < 0)
			return -1;
	}
	if (s->path_fd >= 0) {
		*path_fd = fcntl(s->path_fd, F_DUPFD_CLOEXEC, above);
		if (*path_fd < 0)
			return -1;
	}
	for (size_t i = 0; i < s->fds_n; i++)
		if (dup2(st->moved[i], s->fds[i].target) < 0)
			return -1;
	for (int fd = 0; fd <= st->max_target; fd++) {
		int null_fd;

		if (is_target(s, fd))
			continue;
		if (fd > 2) {
			(void)close(fd); /* may not be open */
			continue;
		}
		null_fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (null_fd < 0)
			return -1;
		if (null_fd == fd) {
			if (fcntl(fd, F_SETFD, 0) < 0)
				return -1;
		} else {
			if (dup2(null_fd, fd) < 0)
				return -1;
			(void)close(null_fd); /* just opened */
		}
	}
	return fd_close_from((unsigned int)above, CLOSE_RANGE_CLOEXEC) < 0 ? -1 : 0;
}

/* The sanitizer would leave marks of these frames on a stack that is unmapped. */
__attribute__((no_sanitize_address, noinline)) static int child_main(void *arg)
{
	struct spawn_state *st = arg;
	const struct proc_spawn *s = st->s;
	int path_fd = -1;

	reset_signals();
	if (s->die_with_parent) {
		pid_t parent;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* fails for invalid signals only */
		parent = getppid();
		/* 0: the parent is in an outer pid namespace and cannot be told from a dead one. */
		if (parent != st->parent && parent != 0) {
			st->step = STEP_PARENT_DIED;
			st->err = ESRCH;
			_exit(127);
		}
	}
	st->step = STEP_SESSION;
	if (s->new_session && setsid() < 0)
		goto failed;
	st->step = STEP_FDS;
	if (child_fds(st, &path_fd) < 0)
		goto failed;
	st->step = STEP_EXEC;
	if (path_fd >= 0)
		(void)syscall(SYS_execveat, path_fd, "", s->argv, st->envp, AT_EMPTY_PATH);
	else
		(void)execve(s->path, s->argv, st->envp);
failed:
	st->err = errno;
	_exit(127);
}

static const char *spawn_name(const struct proc_spawn *s)
{
	if (s->path != NULL)
		return s->path;
	return s->argv[0] != NULL ? s->argv[0] : "(no name)";
}

static int spawn_failed(const struct spawn_state *st, struct error *e)
{
	const char *name = spawn_name(st->s);

	switch ((enum spawn_step)st->step) {
	case STEP_FDS:
		return error_set(e, -st->err, "starting %s: preparing its file descriptors", name);
	case STEP_SESSION:
		return error_set(e, -st->err, "starting %s: making a session", name);
	case STEP_EXEC:
		return error_set(e, -st->err, "starting %s", name);
	case STEP_NONE:
	case STEP_PARENT_DIED:
		break;
	}
	return error_set(e, st->err != 0 ? -st->err : -ECHILD, "starting %s", name);
}

/* Check the wishes of one program and prepare what its child looks at. */
static int spawn_prepare(const struct proc_spawn *s, struct spawn_state *ret, struct error *e)
{
	static char *const no_env[] = { NULL };
	struct spawn_state st = { .s = s,
				  .envp = s->envp != NULL ? s->envp : no_env,
				  .max_target = 2,
				  .parent = getpid() };

	if (s->fds_n > FD_MAPS_MAX)
		return error_setf(e, -E2BIG, "starting %s: too many file descriptors",
				  spawn_name(s));
	for (size_t i = 0; i < s->fds_n; i++) {
		if (s->fds[i].target < 0 || s->fds[i].target > TARGET_MAX)
			return error_set(e, -EBADF, "starting %s", spawn_name(s));
		if (s->fds[i].target > st.max_target)
			st.max_target = s->fds[i].target;
	}
	*ret = st;
	return 0;
}

/* One child on a stack of its own at stack; the signals are blocked. */
static int spawn_clone(struct spawn_state *st, char *stack, int flags, pid_t *ret_pid,
		       int *ret_pid_fd)
{
	/* Stacks grow downwards on every machine that we build for. */
	pid_t pid = clone(child_main, stack + CHILD_STACK, CLONE_VM | CLONE_PIDFD | SIGCHLD | flags,
			  st, ret_pid_fd);

	if (pid < 0)
		return -errno;
	*ret_pid = pid;
	return 0;
}

/*
 * Several children at once. They run in our memory, so nothing may happen here
 * until each has left it by execve() or _exit(): a pipe whose writing end they
 * alone hold shows that.
 */
static int spawn_side_by_side(struct spawn_state *st, size_t n, char *stacks, pid_t *pids,
			      int *pid_fds)
{
	_cleanup_fd_ int from = -1;
	_cleanup_fd_ int low = -1;
	_cleanup_fd_ int to = -1;
	int above = 3;
	char byte;
	int p[2];
	int r;

	r = fd_pipe(p);
	if (r < 0)
		return r;
	from = p[0];
	low = p[1];
	/* Where no child closes it while it sorts its descriptors. */
	for (size_t i = 0; i < n; i++)
		if (st[i].max_target >= above)
			above = st[i].max_target + 1;
	to = fcntl(low, F_DUPFD_CLOEXEC, above);
	if (to < 0)
		return -errno;
	close_fd(&low);
	for (size_t i = 0; i < n && r == 0; i++)
		r = spawn_clone(&st[i], stacks + i * CHILD_STACK, 0, &pids[i], &pid_fds[i]);
	close_fd(&to);
	(void)fd_read_full(from, &byte, 1); /* end of file: all have left */
	return r;
}

int proc_spawn_many(const struct proc_spawn *s, size_t n, pid_t *ret_pids, int *ret_pid_fds,
		    struct error *e)
{
	struct spawn_state st[PROC_SPAWN_MAX];
	pid_t pids[PROC_SPAWN_MAX] = { 0 };
	int pid_fds[PROC_SPAWN_MAX];
	sigset_t all, old;
	char *stacks;
	int r = 0;

	if (n == 0 || n > PROC_SPAWN_MAX)
		return error_setf(e, -EINVAL, "starting %zu programs at once", n);
	for (size_t i = 0; i < n; i++) {
		pid_fds[i] = -1;
		r = spawn_prepare(&s[i], &st[i], e);
		if (r < 0)
			return r;
	}
	stacks = mmap(NULL, n * CHILD_STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED)
		return error_set(e, -errno, "starting %s", spawn_name(&s[0]));
	(void)sigfillset(&all); /* cannot fail */
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	if (n == 1)
		r = spawn_clone(&st[0], stacks, CLONE_VFORK, &pids[0], &pid_fds[0]);
	else
		r = spawn_side_by_side(st, n, stacks, pids, pid_fds);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	(void)munmap(stacks, n * CHILD_STACK); /* ours: cannot fail */
	if (r < 0)
		(void)error_set(e, r, "starting %s: making a process", spawn_name(&s[0]));
	for (size_t i = 0; i < n && r == 0; i++)
		if (st[i].err != 0)
			r = spawn_failed(&st[i], e);
	for (size_t i = 0; i < n; i++) {
		if (r < 0) {
			proc_kill(pids[i], pid_fds[i]);
			close_fd(&pid_fds[i]);
			continue;
		}
		ret_pids[i] = pids[i];
		if (ret_pid_fds != NULL)
			ret_pid_fds[i] = pid_fds[i];
		else
			close_fd(&pid_fds[i]);
	}
	return r;
}

int proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, int *ret_pid_fd, struct error *e)
{
	return proc_spawn_many(s, 1, ret_pid, ret_pid_fd, e);
}

/* ---- waiting ------------------------------------------------------------------- */

void proc_own_signals(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct sigaction standard = { .sa_handler = SIG_DFL };

	/* valid signals: none of these can fail */
	(void)sigaction(SIGCHLD, &standard, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
}

int proc_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

int proc_status_code(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return 255;
}

void proc_kill(pid_t pid, int pid_fd)
{
	if (pid <= 0)
		return;
	if (pid_fd >= 0)
		(void)proc_pidfd_send_signal(pid_fd, SIGKILL); /* it may have ended by itself */
	else
		(void)kill(pid, SIGKILL); /* our child: the number is ours until we reap it */
	(void)proc_wait(pid);
}

int proc_pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int proc_pidfd_send_signal(int pid_fd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pid_fd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_pidfd_wait(int pid_fd, int timeout_ms)
{
	long long end = timeout_ms < 0 ? 0 : clock_now_ms() + timeout_ms;
	struct pollfd p = { .fd = pid_fd, .events = POLLIN };

	for (;;) {
		int wait = -1;
		int r;

		if (timeout_ms >= 0) {
			long long left = end - clock_now_ms();

			wait = left < 0 ? 0 : (int)left;
		}
		r = poll(&p, 1, wait);
		if (r > 0)
			return p.revents & POLLNVAL ? -EBADF : 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* ---- finding programs -------------------------------------------------------------- */

static int open_program(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return -EACCES;
	return steal_fd(&fd);
}

/* The absolute path of the running executable, NULL when nobody tells. */
static char *own_path(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	struct stat running, named;

	if (n > 0 && (size_t)n < sizeof(path) && path[0] == '/') {
		path[n] = '\0';
		if (stat("/proc/self/exe", &running) == 0 && stat(path, &named) == 0 &&
		    named.st_dev == running.st_dev && named.st_ino == running.st_ino)
			return strdup(path);
	}
	/* we run a protected copy (runtime_protect_self()), which was given the path of the original */
	return program_invocation_name[0] == '/' ? strdup(program_invocation_name) : NULL;
}

char *proc_own_dir(void)
{
	char *path = own_path();
	char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash != NULL)
		slash[slash == path ? 1 : 0] = '\0';
	return path;
}

int proc_find_helper(const char *name, char **ret_path, struct error *e)
{
	_cleanup_free_ char *dir = proc_own_dir();
	_cleanup_strv_ struct strv places = { .v = NULL };
	int r = 0;

	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return error_setf(e, -EINVAL, "\"%s\" is not the name of a helper", name);
	if (dir != NULL) {
		r = strv_addf(&places, "%s/%s", dir, name);
		if (r == 0)
			r = strv_addf(&places, "%s/../libexec/crt/%s", dir, name);
	}
	if (r == 0)
		r = strv_addf(&places, "%s/%s", CRT_LIBEXECDIR, name);
	if (r < 0)
		return error_set(e, r, "looking for %s", name);
	for (size_t i = 0; i < places.n; i++) {
		_cleanup_fd_ int fd = open_program(places.v[i]);

		if (fd < 0)
			continue;
		if (ret_path != NULL) {
			char *path = strdup(places.v[i]);

			if (path == NULL)
				return error_set(e, -ENOMEM, "looking for %s", name);
			*ret_path = path;
		}
		return steal_fd(&fd);
	}
	error_setf(e, -ENOENT, "helper program %s not found; looked at", name);
	for (size_t i = 0; i < places.n; i++)
		error_hint(e, "%s %s", i > 0 ? "," : "", places.v[i]);
	return -ENOENT;
}

int proc_find_program(const char *name, char **ret_path)
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin",
					    "/sbin" };

	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		_cleanup_free_ char *path = str_printf("%s/%s", dirs[i], name);
		_cleanup_fd_ int fd = -1;

		if (path == NULL)
			return -ENOMEM;
		fd = open_program(path);
		if (fd >= 0 && access(path, X_OK) == 0) {
			*ret_path = steal_ptr(&path);
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- signals by name ------------------------------------------------------------------ */

static const char *const signal_names[SIGNAL_MAX + 1] = {
	[SIGHUP] = "SIGHUP",	   [SIGINT] = "SIGINT",	      [SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",	   [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",	   [SIGFPE] = "SIGFPE",	      [SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",	   [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",	   [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",	   [SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",	   [SIGURG] = "SIGURG",	      [SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",	   [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",	      [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",	   [RTMIN] = "SIGRTMIN",      [35] = "SIGRTMIN+1",
	[36] = "SIGRTMIN+2",	   [37] = "SIGRTMIN+3",	      [38] = "SIGRTMIN+4",
	[39] = "SIGRTMIN+5",	   [40] = "SIGRTMIN+6",	      [41] = "SIGRTMIN+7",
	[42] = "SIGRTMIN+8",	   [43] = "SIGRTMIN+9",	      [44] = "SIGRTMIN+10",
	[45] = "SIGRTMIN+11",	   [46] = "SIGRTMIN+12",      [47] = "SIGRTMIN+13",
	[48] = "SIGRTMIN+14",	   [49] = "SIGRTMIN+15",      [50] = "SIGRTMAX-14",
	[51] = "SIGRTMAX-13",	   [52] = "SIGRTMAX-12",      [53] = "SIGRTMAX-11",
	[54] = "SIGRTMAX-10",	   [55] = "SIGRTMAX-9",	      [56] = "SIGRTMAX-8",
	[57] = "SIGRTMAX-7",	   [58] = "SIGRTMAX-6",	      [59] = "SIGRTMAX-5",
	[60] = "SIGRTMAX-4",	   [61] = "SIGRTMAX-3",	      [62] = "SIGRTMAX-2",
	[63] = "SIGRTMAX-1",	   [64] = "SIGRTMAX",
};

/* "RTMIN+N" and "RTMAX-N" without the prefix; 0 when s is neither. */
static int parse_realtime(const char *s)
{
	unsigned long long n = 0;
	bool from_min = strncasecmp(s, "RTMIN", 5) == 0;

	if (!from_min && strncasecmp(s, "RTMAX", 5) != 0)
		return 0;
	s += 5;
	if (*s != '\0') {
		if (*s != (from_min ? '+' : '-') || str_to_u64(s + 1, SIGNAL_MAX - RTMIN, &n) < 0)
			return 0;
	}
	return from_min ? RTMIN + (int)n : SIGNAL_MAX - (int)n;
}

int proc_signal_parse(const char *s)
{
	unsigned long long n;
	int sig;

	if (isdigit((unsigned char)s[0]))
		return str_to_u64(s, SIGNAL_MAX, &n) == 0 && n > 0 ? (int)n : -EINVAL;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (sig = 1; sig <= SIGNAL_MAX; sig++)
		if (signal_names[sig] != NULL && strcasecmp(signal_names[sig] + 3, s) == 0)
			return sig;
	if (strcasecmp(s, "IOT") == 0)
		return SIGABRT;
	if (strcasecmp(s, "POLL") == 0)
		return SIGIO;
	if (strcasecmp(s, "CLD") == 0)
		return SIGCHLD;
	sig = parse_realtime(s);
	return sig > 0 ? sig : -EINVAL;
}

const char *proc_signal_name(int sig)
{
	return sig > 0 && sig <= SIGNAL_MAX ? signal_names[sig] : NULL;
}
