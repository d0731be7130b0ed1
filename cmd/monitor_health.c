/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks of a detached container: when they run, and what follows.
 *
 * Theory of operation: a check is rare and large (it enters the container, parses JSON,
 * writes results), so it is a child that executes crt (`crt healthcheck run --monitor`,
 * healthcheck.c), and this process only keeps the time: the first one at the start, then
 * one interval after the last one ended. The child's exit code says what is next: go on,
 * or kill, stop or restart the container. A child that fails otherwise changes nothing. One
 * that does not end is killed after a time that no timeout of a check allows. At the end of the
 * container the child is killed and reaped before the process becomes crt.
 *
 * stop and restart send the stop signal and, after the stop timeout, SIGKILL. restart
 * holds whatever the restart policy says, but not against a crt stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "cmd/monitor_int.h"

#define STUCK_MS (25 * 3600 * 1000) /* a check that takes a day is not one */

void monitor_health_init(struct monitor *m)
{
	m->health.pid_fd = -1;
	m->health.startup = m->life.health_startup_ms > 0;
	if (m->life.health_ms > 0 || m->life.health_startup_ms > 0)
		m->health.due = clock_now_ms();
}

int64_t monitor_health_due(const struct monitor *m)
{
	return m->health.due > 0 ? m->health.due : -1;
}

static void plan_next(struct monitor *m)
{
	uint32_t ms = m->health.startup ? m->life.health_startup_ms : m->life.health_ms;

	m->health.due = ms > 0 ? clock_now_ms() + ms : 0;
}

static void start_check(struct monitor *m)
{
	char name[] = "crt", root[] = "--root", verb[] = "healthcheck", run[] = "run",
	     flag[] = "--monitor";
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	char store[PATH_MAX] = "";
	char *argv[] = { name, root, store, verb, run, flag, m->life.id, NULL };
	char *envp[] = { path, NULL };
	struct proc_spawn s = {
		.path_fd = m->life.crt_fd,
		.argv = argv,
		.envp = envp,
		.die_with_parent = true,
	};

	if (pread(m->memfd, store, sizeof(store), offsetof(struct monitor_life, root)) !=
		    (ssize_t)sizeof(store) ||
	    proc_spawn(&s, &m->health.pid, &m->health.pid_fd, NULL) < 0) {
		m->health.pid_fd = -1;
		plan_next(m); /* no memory for a process now: later perhaps */
		return;
	}
	m->health.due = clock_now_ms() + STUCK_MS;
}

/* The stop signal now, SIGKILL after the stop timeout. */
static void stop_container(struct monitor *m, bool again)
{
	int64_t kill_at = clock_now_ms() + (int64_t)m->life.stop_timeout * 1000;
	int fd;

	m->health.due = 0;
	m->restart_wanted = again;
	if (!again) {
		fd = openat(m->life.rundir_fd, MONITOR_STOP,
			    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		monitor_close(&fd);
		m->stop_wanted = true; /* also where the directory is gone */
	}
	(void)syscall(SYS_pidfd_send_signal, m->life.pid_fd,
		      m->life.stop_signal > 0 ? m->life.stop_signal : SIGTERM, NULL,
		      0); /* ended: fine */
	m->stop_kill_at = kill_at;
}

void monitor_health_event(struct monitor *m)
{
	int status = 0;

	while (waitpid(m->health.pid, &status, 0) < 0 && errno == EINTR)
		;
	monitor_close(&m->health.pid_fd);
	plan_next(m);
	if (!WIFEXITED(status))
		return;
	switch ((enum monitor_health)WEXITSTATUS(status)) {
	case MONITOR_HEALTH_OK:
		if (m->life.sdnotify == REQUEST_SDNOTIFY_HEALTHY && !m->told_healthy)
			notify_tell(m->life.notify_fd, getpid(), true);
		m->told_healthy = true;
		break;
	case MONITOR_HEALTH_REGULAR:
		if (m->health.startup) {
			m->health.startup = false;
			m->health.due = m->life.health_ms > 0 ? clock_now_ms() : 0;
		}
		break;
	case MONITOR_HEALTH_KILL:
		(void)syscall(SYS_pidfd_send_signal, m->life.pid_fd, SIGKILL, NULL, 0);
		m->health.due = 0;
		break;
	case MONITOR_HEALTH_STOP:
		stop_container(m, false);
		break;
	case MONITOR_HEALTH_RESTART:
		stop_container(m, true);
		break;
	case MONITOR_HEALTH_STARTUP:
	default:
		break;
	}
}

void monitor_health_check(struct monitor *m, int64_t now)
{
	if (m->stop_kill_at > 0 && now >= m->stop_kill_at) {
		m->stop_kill_at = 0;
		(void)syscall(SYS_pidfd_send_signal, m->life.pid_fd, SIGKILL, NULL, 0);
	}
	if (m->health.due == 0 || now < m->health.due)
		return;
	if (m->health.pid_fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, m->health.pid_fd, SIGKILL, NULL, 0);
	else
		start_check(m);
}

void monitor_health_end(struct monitor *m)
{
	if (m->health.pid_fd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, m->health.pid_fd, SIGKILL, NULL, 0);
	while (waitpid(m->health.pid, NULL, 0) < 0 && errno == EINTR)
		;
	monitor_close(&m->health.pid_fd);
}
