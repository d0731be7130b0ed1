/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detached: the keeper's side of crt-monitor.
 *
 * Theory of operation: before the container is made, the keeper opens what the
 * monitor will need (log, attach socket, both executables), so that every failure
 * is one of `crt run -d`. After the start it writes struct monitor_life into a
 * memfd, marks every descriptor that is not named there close-on-exec, and
 * executes crt-monitor: none of the caller's descriptors stays open in a process
 * that lives for months.
 *
 * The crt that will end this life is the one that began it: its file is held
 * open, so that an upgrade in between changes nothing for running containers.
 */
#include "cmd/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "cmd/request.h"

#define BACKLOG 16

static int copy_path(char *to, const char *from, struct error *e)
{
	size_t len = strlen(from);

	if (len >= PATH_MAX)
		return error_setf(e, -ENAMETOOLONG, "%.100s...: path too long", from);
	memcpy(to, from, len + 1);
	return 0;
}

/* The path is too long for sun_path: named through the directory's fd. */
static int make_socket(int bundle_fd, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_set(e, -errno, "making the attach socket");
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/" MONITOR_SOCKET,
		       bundle_fd);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, BACKLOG) < 0)
		return error_set(e, -errno, "making the attach socket");
	return steal_fd(&fd);
}

static int find_programs(struct monitor_life *l, struct error *e)
{
	_cleanup_free_ char *dir = proc_own_dir(), *path = NULL;

	path = dir != NULL ? str_printf("%s/crt", dir) : NULL;
	if (path == NULL)
		return error_setf(e, -ENOENT, "cannot tell where the executable crt is");
	l->crt_fd = open(path, O_PATH | O_CLOEXEC);
	if (l->crt_fd < 0)
		return error_set(e, -errno, "opening %s", path);
	l->monitor_fd = proc_find_helper("crt-monitor", NULL, e);
	return l->monitor_fd < 0 ? l->monitor_fd : 0;
}

/* Where the log is: --log-opt path, or ctr.log beside the record. */
static int find_log(struct detach *d, const struct run_plan *p, struct error *e)
{
	struct monitor_life *l = &d->life;
	const char *path = p->req->log_path;
	_cleanup_free_ char *dir = NULL;
	const char *slash;

	switch (p->req->log_driver) {
	case REQUEST_LOG_K8S_FILE:
		l->log = MONITOR_LOG_K8S;
		break;
	case REQUEST_LOG_JSON_FILE:
		l->log = MONITOR_LOG_JSON;
		break;
	case REQUEST_LOG_JOURNALD:
		l->log = MONITOR_LOG_JOURNALD;
		return journal_fields(p, l->journal, e);
	case REQUEST_LOG_NONE:
	case REQUEST_LOG_PASSTHROUGH:
	case REQUEST_LOG_COUNT:
	default:
		l->log = MONITOR_LOG_NONE;
		return 0;
	}
	l->log_max_size = p->req->log_max_size;
	l->log_max_files = p->req->log_max_files;
	slash = path != NULL ? strrchr(path, '/') : NULL;
	dir = slash != NULL ? str_printf("%.*s/", (int)(slash - path), path) :
			      str_printf("%s/containers/%s", storage_root(p->store), p->id);
	if (dir == NULL)
		return error_set(e, -ENOMEM, "the log");
	if (snprintf(l->log_name, sizeof(l->log_name), "%s",
		     slash != NULL ? slash + 1 : "ctr.log") >= (int)sizeof(l->log_name))
		return error_setf(e, -ENAMETOOLONG, "--log-opt path=%s", path);
	l->log_dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->log_dir_fd < 0 ? error_set(e, -errno, "opening the log's directory %s", dir) : 0;
}

int detach_init(struct detach *d, const struct run_plan *p, const char *containers, int bundle_fd,
		int lock_fd, int net_fd, struct error *e)
{
	struct monitor_life *l = &d->life;
	_cleanup_json_ json_t *health = NULL;
	int r;

	*d = (struct detach){
		.life = { .version = MONITOR_VERSION,
			  .pid_fd = -1,
			  .in_fd = -1,
			  .out_fd = -1,
			  .err_fd = -1,
			  .console_fd = -1,
			  .listen_fd = -1,
			  .lock_fd = lock_fd,
			  .net_fd = net_fd,
			  .net_pid_fd = -1,
			  .notify_fd = -1,
			  .notify_in_fd = -1,
			  .sdnotify = p->req->sdnotify,
			  .rundir_fd = bundle_fd,
			  .fuse_pid_fd = -1,
			  .agent = NET_AGENT_INIT,
			  .watch = LIMITS_WATCH_INIT,
			  .crt_fd = -1,
			  .monitor_fd = -1,
			  .log_dir_fd = -1,
			  .log_fd = -1,
			  .restart = p->req->restart,
			  .restart_max = p->req->restart_max,
			  .timeout = p->req->timeout,
			  .rm = p->req->rm,
			  .tty = p->req->tty,
			  .interactive = p->req->interactive,
			  .passthrough = p->req->log_driver == REQUEST_LOG_PASSTHROUGH,
			  .pid_host = p->req->pid_host },
		.child = { -1, -1, -1 },
	};
	memcpy(l->id, p->id, sizeof(l->id));
	l->stop_timeout = p->req->stop_timeout;
	l->stop_signal = p->req->stop_signal != 0 ? p->req->stop_signal : p->conf.stop_signal;
	if (health_config(&p->conf.health, &p->req->health, &health) < 0)
		return error_set(e, -ENOMEM, "the health check");
	if (health == NULL && p->req->sdnotify == REQUEST_SDNOTIFY_HEALTHY)
		return error_setf(e, -EINVAL, "--sdnotify healthy: there is no health check");
	l->health_ms = health_interval_ms(health, false);
	l->health_startup_ms = health_interval_ms(health, true);
	r = copy_path(l->root, storage_root(p->store), e);
	if (r == 0)
		r = copy_path(l->containers, containers, e);
	if (r == 0)
		r = find_programs(l, e);
	if (r == 0)
		r = find_log(d, p, e);
	if (r < 0)
		return r;
	l->listen_fd = make_socket(bundle_fd, e);
	return l->listen_fd < 0 ? l->listen_fd : 0;
}

static int pipe_to(int *ours, int *theirs, bool ours_reads, struct error *e)
{
	int fds[2];
	int r = fd_pipe(fds);

	if (r < 0)
		return error_set(e, r, "making a pipe");
	*ours = fds[ours_reads ? 0 : 1];
	*theirs = fds[ours_reads ? 1 : 0];
	return fd_set_nonblock(*ours, true);
}

int detach_streams(struct detach *d, struct error *e)
{
	struct monitor_life *l = &d->life;
	int r = 0;

	if (l->log == MONITOR_LOG_JOURNALD) {
		l->log_fd = journal_connect();
		if (l->log_fd < 0)
			return error_set(
				e, l->log_fd,
				"--log-driver journald: no journal answers at " JOURNAL_SOCKET
				" (k8s-file and json-file need none)");
	} else if (l->log != MONITOR_LOG_NONE) {
		l->log_fd = openat(l->log_dir_fd, l->log_name,
				   O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (l->log_fd < 0)
			return error_set(e, -errno, "opening the log %s", l->log_name);
	}
	if (l->tty)
		return 0;
	if (l->passthrough) {
		for (int i = 0; i < 3; i++)
			d->child[i] = i;
		return 0;
	}
	if (l->interactive)
		r = pipe_to(&l->in_fd, &d->child[0], false, e);
	else
		d->child[0] = fd_open_null(e);
	if (r == 0 && d->child[0] < 0)
		r = d->child[0];
	if (r == 0)
		r = pipe_to(&l->out_fd, &d->child[1], true, e);
	if (r == 0)
		r = pipe_to(&l->err_fd, &d->child[2], true, e);
	return r;
}

void detach_stdio(void)
{
	_cleanup_fd_ int fd = fd_open_null(NULL);

	for (int i = 0; fd >= 0 && i < 3; i++)
		(void)dup2(fd, i); /* cannot fail for open descriptors */
}

static int keep_open(int fd)
{
	return fd < 0 ? 0 : fd_set_cloexec(fd, false);
}

int detach_exec(struct detach *d, struct error *e)
{
	struct monitor_life *l = &d->life;
	const int fds[] = { l->pid_fd,		l->in_fd,	   l->out_fd,	   l->err_fd,
			    l->console_fd,	l->listen_fd,	   l->lock_fd,	   l->net_fd,
			    l->rundir_fd,	l->crt_fd,	   l->fuse_pid_fd, l->monitor_fd,
			    l->log_dir_fd,	l->log_fd,	   l->agent.fd,	   l->watch.proc_fd,
			    l->watch.events_fd, l->watch.above_fd, l->net_pid_fd,  l->notify_fd,
			    l->notify_in_fd };
	char name[] = "crt-monitor", number[16];
	char *argv[] = { name, number, l->id, NULL };
	char *envp[] = { NULL };
	_cleanup_fd_ int memfd = memfd_create("life", 0);
	int r;

	if (memfd < 0)
		return error_set(e, -errno, "memfd_create");
	for (int i = 0; i < 3; i++)
		if (d->child[i] > 2)
			close_fd(&d->child[i]);
	if (l->console_fd >= 0)
		(void)fd_set_nonblock(l->console_fd, true); /* open: cannot fail */
	(void)snprintf(number, sizeof(number), "%d", memfd);
	r = fd_write_all(memfd, l, sizeof(*l));
	if (r == 0)
		r = fd_close_from(3, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; r == 0 && i < sizeof(fds) / sizeof(fds[0]); i++)
		r = keep_open(fds[i]);
	if (r == 0)
		r = keep_open(memfd);
	if (r < 0)
		return error_set(e, r, "handing over to crt-monitor");
	if (chdir("/") < 0)
		return error_set(e, -errno, "chdir /");
	detach_stdio();
	(void)syscall(SYS_execveat, l->monitor_fd, "", argv, envp, AT_EMPTY_PATH);
	return error_set(e, -errno, "executing crt-monitor");
}
