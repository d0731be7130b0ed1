/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-monitor: holds a detached container while it runs.
 *
 * usage: crt-monitor FD ID (internal)
 *
 * Theory of operation
 *
 * `crt run -d` and `crt start` make a container as `crt run` does (launch.c): they
 * clone the keeper, which mounts, creates and starts. Then, where the keeper of
 * a foreground container would wait, it executes this program: the process,
 * its children, namespaces, locks and descriptors stay, the memory of crt is
 * given back. What is left is this: one static process of some ten
 * pages for each container, and crt-net where there is a network.
 *
 *	crt run -d ──clone──> keeper ──exec──> crt-monitor ──exec──> crt keep FD
 *	   prints the id,     (crt)            (this; as long as     (crt again: record,
 *	   ends                                 the container)        clean-up or restart)
 *
 * The loop: output of the container goes to the log (monitor_log.c) and to who
 * is attached (monitor_attach.c); crt-net is given sockets inside the container
 * for published ports (net/agent.c); the end of the container, of fuse-overlayfs or
 * of the time limit is awaited. At the end what is left in the pipes is
 * logged, the exit code sent to who is attached, and `crt keep` executed, which
 * writes the record and removes what was made, or, with a restart policy, creates
 * and starts the container again in the same namespaces and executes us again.
 * Waiting before a restart happens here, where it costs no memory.
 *
 * Signals: SIGTERM says that the end is wanted: no restart, no waiting for one. All others that could
 * end us are ignored; SIGKILL ends the container as well, because its
 * parent-death signal is ours, and the lock is free then: every command
 * sees the truth at once, and the next one removes what is left.
 *
 * The attacker is the container: it writes the bytes that we log and fills
 * pipes. Bytes are never interpreted but for the newline. Its memory is not
 * ours; we allocate none. The clients of the attach socket are the user's own
 * (the directory is private); their packets are checked for size and kind.
 *
 * When the disk is full the log loses what does not fit, and the container
 * goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "cmd/monitor_int.h"

#define BACKOFF_MAX_MS	60000
#define BACKOFF_STEP_MS 100
#define IDLE_MS		1000  /* without output, before the buffers are given back */
#define DRAIN_MAX	64    /* packets: the largest pipe of an unprivileged user */
#define HEALTHY_MS	10000 /* a life this long begins the back-off anew */

enum {
	SLOT_PID,
	SLOT_FUSE,
	SLOT_NET,
	SLOT_NOTIFY,
	SLOT_LISTEN,
	SLOT_HEALTH,
	SLOT_GROUP, /* events of the container's cgroup, and of the one above */
	SLOT_ABOVE,
	SLOT_AGENT, /* crt-net asks for a socket inside */
	SLOT_OUT,
	SLOT_ERR,
	SLOT_IN, /* pending input */
	SLOT_CLIENTS,
	SLOT_COUNT = SLOT_CLIENTS + MONITOR_CLIENTS
};

static volatile sig_atomic_t asked_to_end;

static void on_term(int sig)
{
	(void)sig;
	asked_to_end = 1;
}

/* ---- output ------------------------------------------------------------------------------ */

/* One read from a stream of the container. Closes it at its end. Returns whether there was data. */
static bool pump(struct monitor *m, int *fd, bool is_err)
{
	ssize_t n;

	if (*fd < 0)
		return false;
	n = read(*fd, m->packet + 1, sizeof(m->packet) - 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) { /* EIO is how a pty says that nobody has it open; it may be opened again */
		if (n < 0 && errno == EIO && fd == &m->life.console_fd && !m->ended)
			m->console_idle_until = clock_now_ms() + 100;
		else
			monitor_close(fd);
		return false;
	}
	m->used = true;
	monitor_log_write(m, m->packet + 1, (size_t)n, is_err);
	monitor_attach_send(m, is_err ? MONITOR_PACKET_ERR : MONITOR_PACKET_OUT, (size_t)n);
	return true;
}

static int *main_stream(struct monitor *m)
{
	return m->life.console_fd >= 0 ? &m->life.console_fd : &m->life.out_fd;
}

/*
 * What is in the pipes when the container has ended. A process that inherited them may live on and
 * write for ever: no more is taken than a pipe can hold.
 */
static void drain(struct monitor *m)
{
	m->ended = true;
	for (size_t n = 0; n < DRAIN_MAX && pump(m, main_stream(m), false); n++)
		;
	for (size_t n = 0; n < DRAIN_MAX && pump(m, &m->life.err_fd, true); n++)
		;
}

/* ---- the loop ---------------------------------------------------------------------------- */

static void slot(struct pollfd *p, int fd, short events)
{
	p->fd = events != 0 ? fd : -1;
	p->events = events;
	p->revents = 0;
}

static void fill(struct monitor *m, struct pollfd *p)
{
	struct monitor_life *l = &m->life;
	bool stalled = monitor_attach_stalled(m);
	short readable = stalled ? 0 : POLLIN;
	short console = m->console_idle_until > 0 ? 0 : readable;

	slot(&p[SLOT_PID], l->pid_fd, POLLIN);
	slot(&p[SLOT_FUSE], l->fuse_pid_fd, POLLIN);
	slot(&p[SLOT_HEALTH], m->health.pid_fd, POLLIN);
	slot(&p[SLOT_NET], l->net_pid_fd, POLLIN);
	slot(&p[SLOT_NOTIFY], l->notify_in_fd, POLLIN);
	slot(&p[SLOT_GROUP], l->watch.events_fd, POLLPRI);
	slot(&p[SLOT_ABOVE], l->watch.events_fd >= 0 ? l->watch.above_fd : -1, POLLPRI);
	slot(&p[SLOT_LISTEN], l->listen_fd, POLLIN);
	slot(&p[SLOT_AGENT], l->agent.fd, POLLIN);
	slot(&p[SLOT_OUT], *main_stream(m), l->console_fd >= 0 ? console : readable);
	slot(&p[SLOT_ERR], l->err_fd, readable);
	slot(&p[SLOT_IN], l->console_fd >= 0 ? l->console_fd : l->in_fd,
	     m->input_len > 0 ? POLLOUT : 0);
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		slot(&p[SLOT_CLIENTS + i], m->clients[i].fd, monitor_attach_events(m, i));
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Milliseconds until something is due, -1 = nothing. */
static int timeout(const struct monitor *m)
{
	int64_t now = clock_now_ms(), due = -1;

	if (m->kill_at > 0)
		due = sooner(due, m->kill_at);
	due = sooner(due, limits_watch_due(&m->life.watch));
	if (m->console_idle_until > 0)
		due = sooner(due, m->console_idle_until);
	if (m->used)
		due = sooner(due, now + IDLE_MS);
	if (m->stop_kill_at > 0)
		due = sooner(due, m->stop_kill_at);
	due = sooner(due, monitor_attach_due(m));
	due = sooner(due, monitor_health_due(m));
	if (due < 0)
		return -1;
	return due <= now ? 0 : due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

static void kill_container(struct monitor *m, enum monitor_reason why)
{
	m->life.reason = why;
	(void)syscall(SYS_pidfd_send_signal, m->life.pid_fd, SIGKILL, NULL, 0); /* ended: fine */
}

static void check_due(struct monitor *m)
{
	int64_t now = clock_now_ms();

	if (m->console_idle_until > 0 && now >= m->console_idle_until)
		m->console_idle_until = 0;
	if (m->kill_at > 0 && now >= m->kill_at) {
		m->kill_at = 0;
		kill_container(m, MONITOR_REASON_TIMEOUT);
	}
	if (limits_watch_check(&m->life.watch, now))
		kill_container(m, MONITOR_REASON_MEMORY);
	monitor_attach_check(m, now);
	monitor_health_check(m, now);
}

/* After a quiet while: the pages of the buffers. */
static void give_back(struct monitor *m)
{
	if (m->used && m->input_len == 0) {
		size_t len = sizeof(*m) - offsetof(struct monitor, packet);

		(void)madvise(m->packet, len, MADV_DONTNEED); /* else they stay: no harm */
		m->used = false;
	}
}

/* crt-net was killed: the container goes on without a network, and everybody who asks is told. */
static void note_no_network(struct monitor *m)
{
	int fd = openat(m->life.rundir_fd, MONITOR_NO_NET,
			O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	monitor_close(&fd); /* a directory that is gone after a logout cannot say it */
	monitor_close(&m->life.net_pid_fd);
}

/* Until the container has ended. */
static void watch(struct monitor *m)
{
	struct pollfd p[SLOT_COUNT] = { { .fd = -1 } };
	int n;

	while (p[SLOT_PID].revents == 0 || m->life.pid_fd < 0) {
		fill(m, p);
		n = poll(p, SLOT_COUNT, timeout(m));
		if (n < 0 && errno != EINTR && errno != ENOMEM)
			return;
		if (n < 0)
			continue;
		if (n == 0)
			give_back(m);
		check_due(m);
		if (p[SLOT_AGENT].revents != 0 && net_agent_serve(&m->life.agent) < 0)
			net_agent_fini(&m->life.agent); /* crt-net is gone */
		if (p[SLOT_NOTIFY].revents != 0)
			notify_forward(m->life.notify_in_fd, m->life.notify_fd, getpid());
		if (p[SLOT_NET].revents != 0)
			note_no_network(m);
		if (p[SLOT_HEALTH].revents != 0)
			monitor_health_event(m);
		if (p[SLOT_GROUP].revents != 0 || p[SLOT_ABOVE].revents != 0)
			limits_watch_event(&m->life.watch);
		if (p[SLOT_LISTEN].revents != 0)
			monitor_attach_accept(m);
		for (int i = 0; i < MONITOR_CLIENTS; i++)
			if (p[SLOT_CLIENTS + i].revents != 0)
				monitor_attach_event(m, i, p[SLOT_CLIENTS + i].revents);
		if (p[SLOT_IN].revents != 0)
			monitor_input_flush(m);
		if (p[SLOT_OUT].revents != 0)
			(void)pump(m, main_stream(m), false);
		if (p[SLOT_ERR].revents != 0)
			(void)pump(m, &m->life.err_fd, true);
		if (p[SLOT_FUSE].revents != 0) {
			monitor_close(&m->life.fuse_pid_fd);
			kill_container(m, MONITOR_REASON_FUSE);
		}
	}
}

/* ---- the end ------------------------------------------------------------------------------- */

static int exit_code(const struct monitor *m)
{
	int status = m->life.status;

	if (m->life.reason == MONITOR_REASON_FUSE)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool monitor_is_asked_to_end(void)
{
	sigset_t set;

	return asked_to_end || (sigpending(&set) == 0 && sigismember(&set, SIGTERM) == 1);
}

static bool wants_restart(const struct monitor *m)
{
	const struct monitor_life *l = &m->life;

	if (monitor_is_asked_to_end() || m->stop_wanted ||
	    faccessat(l->rundir_fd, MONITOR_STOP, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return false;
	if (m->restart_wanted)
		return true;
	switch (l->restart) {
	case REQUEST_RESTART_ON_FAILURE:
		return exit_code(m) != 0 &&
		       (l->restart_max == 0 || l->restart_count < l->restart_max);
	case REQUEST_RESTART_ALWAYS:
	case REQUEST_RESTART_UNLESS_STOPPED:
		return true;
	default:
		return false;
	}
}

/*
 * Wait; ends early when we are asked to end. Connections to published ports are refused meanwhile, by
 * the empty network inside, and who attaches is told the end.
 */
static void idle(struct monitor *m, int64_t until, int code)
{
	struct monitor_life *l = &m->life;
	struct pollfd p[2];
	struct timespec ts;
	sigset_t none;
	int64_t left;
	int n;

	(void)sigemptyset(&none);
	while ((left = until - clock_now_ms()) > 0) {
		slot(&p[0], l->agent.fd, POLLIN);
		slot(&p[1], l->listen_fd, POLLIN);
		ts.tv_sec = left / 1000;
		ts.tv_nsec = (long)(left % 1000) * 1000000;
		n = ppoll(p, 2, &ts, &none); /* SIGTERM is blocked but here */
		if (monitor_is_asked_to_end() || (n < 0 && errno != EINTR && errno != ENOMEM))
			return;
		if (n > 0 && p[0].revents != 0 && net_agent_serve(&l->agent) < 0)
			net_agent_fini(&l->agent); /* crt-net is gone */
		if (n > 0 && p[1].revents != 0)
			monitor_attach_finish(m, code);
	}
}

/* Back off before the next life. */
static bool back_off(struct monitor *m, int64_t lived_ms, int code)
{
	struct monitor_life *l = &m->life;

	if (l->backoff_ms == 0 || lived_ms >= HEALTHY_MS)
		l->backoff_ms = BACKOFF_STEP_MS;
	else if (l->backoff_ms < BACKOFF_MAX_MS)
		l->backoff_ms = l->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS :
								     l->backoff_ms * 2;
	idle(m, clock_now_ms() + l->backoff_ms, code);
	return wants_restart(m);
}

/* The process number is free for others from now on; what a restart waits for, others may know. */
static void note_end(const struct monitor *m, int code)
{
	char text[16];
	int fd;

	(void)unlinkat(m->life.rundir_fd, "pid", 0); /* the directory may be gone: a logout */
	if (m->life.reason == MONITOR_REASON_MEMORY)
		monitor_close(&(int){ openat(m->life.rundir_fd, MONITOR_OOM,
					     O_WRONLY | O_CREAT | O_CLOEXEC, 0600) });
	fd = openat(m->life.rundir_fd, MONITOR_EXIT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return;
	(void)snprintf(text, sizeof(text), "%d", code);
	(void)fd_write_all(fd, text, strlen(text)); /* a hint only */
	(void)close(fd);
}

static void keep_open(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, 0); /* open: cannot fail */
}

static int become_crt(struct monitor *m, int memfd)
{
	struct monitor_life *l = &m->life;
	char number[16], name[] = "crt", root[] = "--root", verb[] = "keep";
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	char *argv[] = { name, root, m->packet, verb, number, NULL };
	char *envp[] = { path, NULL };
	int fds[] = { memfd,	      l->listen_fd, l->lock_fd,	    l->net_fd,	   l->rundir_fd,
		      l->fuse_pid_fd, l->crt_fd,    l->monitor_fd,  l->log_dir_fd, l->agent.fd,
		      l->net_pid_fd,  l->notify_fd, l->notify_in_fd };

	(void)snprintf(number, sizeof(number), "%d", memfd);
	monitor_close(&l->in_fd);
	monitor_close(&l->out_fd);
	monitor_close(&l->err_fd);
	monitor_close(&l->console_fd);
	monitor_close(&l->log_fd);
	monitor_close(&l->watch.proc_fd);
	monitor_close(&l->watch.events_fd);
	monitor_close(&l->watch.above_fd);
	if (pread(memfd, m->packet, PATH_MAX, offsetof(struct monitor_life, root)) != PATH_MAX ||
	    pwrite(memfd, l, offsetof(struct monitor_life, root), 0) !=
		    (ssize_t)offsetof(struct monitor_life, root))
		return 1;
	(void)fd_close_from(3, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		keep_open(fds[i]);
	(void)syscall(SYS_execveat, l->crt_fd, "", argv, envp, AT_EMPTY_PATH);
	return 1; /* the container ended without a record of how: ps says so */
}

static void set_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, term = { .sa_handler = on_term };
	const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	sigset_t blocked;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &ignore, NULL); /* valid: cannot fail */
	(void)sigaction(SIGTERM, &term, NULL);
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGTERM); /* delivered in back_off() only */
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

int main(int argc, char **argv)
{
	static struct monitor m; /* zero pages until they are used */
	unsigned long long fd;
	int64_t born = clock_now_ms();
	int code;

	/* before anything: a container with --pid=host sees us */
	(void)prctl(PR_SET_DUMPABLE, 0);
	set_signals();
	if (argc < 2 || str_to_u64(argv[1], INT32_MAX, &fd) < 0 ||
	    pread((int)fd, &m.life, offsetof(struct monitor_life, root), 0) !=
		    (ssize_t)offsetof(struct monitor_life, root) ||
	    m.life.version != MONITOR_VERSION)
		return 1;
	m.memfd = (int)fd;
	monitor_attach_init(&m);
	monitor_health_init(&m);
	monitor_log_init(&m);
	if (m.life.timeout > 0)
		m.kill_at = born + (int64_t)m.life.timeout * 1000;
	watch(&m);
	monitor_health_end(&m);
	while (waitpid(m.life.pid, &m.life.status, 0) < 0 && errno == EINTR)
		;
	if (m.life.reason == MONITOR_REASON_NONE && WIFSIGNALED(m.life.status) &&
	    WTERMSIG(m.life.status) == SIGKILL && limits_watch_oom(&m.life.watch))
		m.life.reason = MONITOR_REASON_MEMORY;
	drain(&m);
	code = exit_code(&m);
	note_end(&m, code);
	monitor_attach_finish(&m, code);
	/* a restarting container has ended for everybody who asks */
	m.life.again = wants_restart(&m);
	if (m.life.again)
		m.life.again = back_off(&m, clock_now_ms() - born, code);
	return become_crt(&m, (int)fd);
}
