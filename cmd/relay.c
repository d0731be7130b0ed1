/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreground: copy bytes, pass signals, wait for the keeper.
 *
 * Theory of operation: one poll loop. Each direction of copying is a channel
 * with a buffer of its own: it polls its source only while the buffer is empty
 * and its sink only while it is not, so a slow reader stops the container's
 * writer and nothing else, and memory does not grow. After the keeper's report
 * of the end the outputs are drained until they are empty or closed.
 *
 * The terminal is put into raw mode after the container was created and
 * restored on every way out; should we be killed by SIGKILL nobody can do that
 * (the shell's own line editor does it for interactive shells).
 *
 * Signals that people send to `crt run` go to the container's first process
 * through its pidfd, which cannot be reused. SIGCHLD, SIGPIPE, SIGURG (sent by
 * runtimes to themselves) and SIGWINCH (handled) are not passed on.
 *
 * crt-net is started here with the container's first frame (net_prepare()). A
 * container whose crt-net cannot be started, or dies, goes on without a network,
 * and we say so once.
 */
#include "cmd/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "cmd/keeper.h"

#define CHANNEL_SIZE 65536
#define DRAIN_MAX    (1024 * 1024) /* bytes: the largest pipe of an unprivileged user */

/* One direction of copying. */
struct channel {
	struct state *state;
	int from, to;
	struct loop_source *from_source, *to_source;
	char *data;
	size_t start, len;
	bool close_to;	/* the sink is ours: close it at the end of the source */
	bool is_output; /* has to be drained before we end */
	size_t drained; /* bytes since the container's end */
	bool done;
};

struct state {
	struct relay *relay;
	struct loop *loop;
	struct loop_source *ctl_source, *net_source;
	struct error *error;
	int pid_fd;
	int console_fd;
	struct termios saved;
	bool raw, ended, started;
	int code;
	struct channel channels[3];
	size_t channels_n;
};

/* ---- stdio ------------------------------------------------------------------------------ */

static int pipe_for(struct relay_stdio *s, int i, struct error *e)
{
	int fds[2];
	int r = fd_pipe(fds);

	if (r < 0)
		return error_set(e, r, "making a pipe");
	s->child[i] = i == 0 ? fds[0] : fds[1];
	s->parent[i] = i == 0 ? fds[1] : fds[0];
	return 0;
}

/*
 * The container gets our own descriptor where it is no terminal. From a directory it could walk to
 * every file of the host that its ids reach.
 */
static int check_passable(int i, struct error *e)
{
	static const char *const names[] = { "input", "output", "error" };
	struct stat st;

	if (fstat(i, &st) < 0)
		return error_set(e, -errno, "standard %s", names[i]);
	if (S_ISDIR(st.st_mode))
		return error_setf(
			e, -EISDIR,
			"standard %s is a directory, through which the container would reach the host's files: use -v",
			names[i]);
	return 0;
}

int relay_stdio_init(struct relay_stdio *s, bool interactive, bool tty, struct error *e)
{
	int r = 0;

	*s = (struct relay_stdio){ { -1, -1, -1 }, { -1, -1, -1 } };
	if (tty)
		return 0;
	if (!interactive) {
		s->child[0] = fd_open_null(e);
		r = s->child[0] < 0 ? s->child[0] : 0;
	}
	for (int i = interactive ? 0 : 1; r == 0 && i < 3; i++) {
		r = check_passable(i, e);
		if (r < 0)
			break;
		if (isatty(i))
			r = pipe_for(s, i, e);
		else
			s->child[i] = i;
	}
	if (r < 0)
		relay_stdio_fini(s);
	return r;
}

void relay_stdio_close_child(struct relay_stdio *s)
{
	for (int i = 0; i < 3; i++)
		if (s->child[i] > 2)
			close_fd(&s->child[i]);
}

void relay_stdio_fini(struct relay_stdio *s)
{
	relay_stdio_close_child(s);
	for (int i = 0; i < 3; i++)
		close_fd(&s->parent[i]);
}

/* ---- signals ------------------------------------------------------------------------------ */

void relay_signals(sigset_t *set)
{
	static const int not_passed[] = { SIGCHLD, SIGPIPE, SIGURG,  SIGSEGV, SIGBUS,
					  SIGFPE,  SIGILL,  SIGABRT, SIGTRAP, SIGSYS,
					  SIGKILL, SIGSTOP, SIGTTIN, SIGTTOU };

	(void)sigfillset(set);
	for (size_t i = 0; i < sizeof(not_passed) / sizeof(not_passed[0]); i++)
		(void)sigdelset(set, not_passed[i]);
}

static void ignore(int sig)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	(void)sigaction(sig, &sa, NULL); /* a valid signal: cannot fail */
}

void relay_block_signals(void)
{
	sigset_t set;

	relay_signals(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	ignore(SIGPIPE);
	ignore(SIGTTOU); /* restoring the terminal from the background must not stop us */
}

static void copy_window_size(struct state *s)
{
	struct winsize ws;

	if (s->console_fd >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(s->console_fd, TIOCSWINSZ, &ws);
}

static int on_signal(void *data, int sig)
{
	struct state *s = data;

	if (sig == SIGWINCH && s->relay->tty) {
		copy_window_size(s);
		return 0;
	}
	if (!s->relay->sig_proxy &&
	    (sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT)) {
		s->code = 128 + sig;
		loop_exit(s->loop,
			  0); /* our end of the socket closes: the keeper ends the container */
		return 0;
	}
	if (s->pid_fd >= 0 && s->relay->sig_proxy) {
		(void)proc_pidfd_send_signal(s->pid_fd, sig); /* it may have ended just now */
	} else if (s->pid_fd < 0 &&
		   (sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT)) {
		s->code = 128 + sig;
		loop_exit(s->loop, 0);
	}
	return 0;
}

/* ---- channels ------------------------------------------------------------------------------- */

static void check_finished(struct state *s)
{
	if (!s->ended)
		return;
	for (size_t i = 0; i < s->channels_n; i++)
		if (s->channels[i].is_output && !s->channels[i].done)
			return;
	loop_exit(s->loop, 0);
}

static void channel_finish(struct channel *c)
{
	if (c->done)
		return;
	c->done = true;
	loop_source_free(c->from_source);
	loop_source_free(c->to_source);
	c->from_source = c->to_source = NULL;
	if (c->close_to)
		close_fd(&c->to);
	check_finished(c->state);
}

static void channel_poll(struct channel *c)
{
	if (c->done)
		return;
	loop_source_set_events(c->from_source, c->len == 0 ? POLLIN : 0);
	loop_source_set_events(c->to_source, c->len > 0 ? POLLOUT : 0);
}

/*
 * Our terminal was hung up (in raw mode there is no other end of file). Nobody
 * will ever type again, and process 1 of the container may ignore the SIGHUP
 * that we pass on: end it by closing our end of the keeper's socket.
 */
static void terminal_lost(struct state *s)
{
	s->raw = false;
	s->code = 128 + SIGHUP;
	loop_exit(s->loop, 0);
}

static int on_readable(void *data, int fd, short revents)
{
	struct channel *c = data;
	ssize_t n;

	(void)revents;
	if (c->len > 0)
		return 0;
	n = read(fd, c->data, CHANNEL_SIZE);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) { /* end of file; EIO is how a pty says it */
		channel_finish(c);
		if (c->state->raw && !c->is_output)
			terminal_lost(c->state);
		return 0;
	}
	c->start = 0;
	c->len = (size_t)n;
	channel_poll(c);
	return 0;
}

static int on_writable(void *data, int fd, short revents)
{
	struct channel *c = data;
	ssize_t n;

	if (c->len == 0) {
		if ((revents & (POLLERR | POLLHUP)) != 0)
			channel_finish(
				c); /* the reader has gone: closing our end tells the writer */
		return 0;
	}
	/* a terminal or pipe that is ready takes PIPE_BUF bytes without blocking */
	n = write(fd, c->data + c->start, c->len < 4096 ? c->len : 4096);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0) {
		channel_finish(c);
		return 0;
	}
	c->start += (size_t)n;
	c->len -= (size_t)n;
	if (c->state->ended)
		c->drained += (size_t)n;
	if (c->len == 0 && c->state->ended && c->is_output) {
		struct pollfd p = { .fd = c->from, .events = POLLIN };

		/* who inherited the pipe may live on and write for ever: no more than a pipe can hold */
		if (c->drained >= DRAIN_MAX || poll(&p, 1, 0) == 0) {
			channel_finish(c); /* drained */
			return 0;
		}
	}
	channel_poll(c);
	return 0;
}

static int channel_add(struct state *s, int from, int to, bool is_output, bool close_to)
{
	struct channel *c = &s->channels[s->channels_n];
	int r;

	*c = (struct channel){
		.state = s, .from = from, .to = to, .is_output = is_output, .close_to = close_to
	};
	c->data = malloc(CHANNEL_SIZE);
	if (c->data == NULL)
		return -ENOMEM;
	s->channels_n++;
	r = loop_add_fd(s->loop, from, POLLIN, on_readable, c, &c->from_source);
	if (r == 0)
		r = loop_add_fd(s->loop, to, 0, on_writable, c, &c->to_source);
	return r;
}

/* After the end: a channel with nothing to read and nothing to write is done. */
static void drain(struct state *s)
{
	for (size_t i = 0; i < s->channels_n; i++) {
		struct channel *c = &s->channels[i];
		struct pollfd p = { .fd = c->from, .events = POLLIN };

		if (c->is_output && !c->done && c->len == 0 && poll(&p, 1, 0) == 0)
			channel_finish(c);
	}
	check_finished(s);
}

/* ---- terminal -------------------------------------------------------------------------------- */

static void make_raw(struct state *s)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
		s->raw = true;
}

static void restore_terminal(struct state *s)
{
	if (s->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &s->saved);
	s->raw = false;
}

static int attach_console(struct state *s, int console_fd)
{
	int r;

	s->console_fd = console_fd;
	(void)fd_set_nonblock(console_fd,
			      true); /* who does not read his terminal must not stop us */
	copy_window_size(s);
	if (s->relay->interactive)
		make_raw(s);
	r = channel_add(s, console_fd, STDOUT_FILENO, true, false);
	if (r == 0 && s->relay->interactive)
		r = channel_add(s, STDIN_FILENO, console_fd, false, false);
	return r;
}

/* ---- the network --------------------------------------------------------------------------------- */

static int on_net_end(void *data, int fd, short revents)
{
	struct state *s = data;

	(void)fd;
	(void)revents;
	loop_source_free(s->net_source);
	s->net_source = NULL;
	log_warning(
		"crt-net, which serves the container's network, has ended: there is no network any more");
	return 0;
}

static int watch_net(struct state *s)
{
	int fd = s->relay->net->pid_fd;

	return fd < 0 ? 0 : loop_add_fd(s->loop, fd, POLLIN, on_net_end, s, &s->net_source);
}

/* The first frame, or the device is gone, which crt-net will find out. */
static int on_frame(void *data, int fd, short revents)
{
	struct state *s = data;
	struct error e = ERROR_INIT;

	(void)fd;
	(void)revents;
	loop_source_free(s->net_source);
	s->net_source = NULL;
	if (net_late_start(s->relay->net, s->relay->net_request, &e) < 0) {
		log_warning("the container has no network: %s", e.msg);
		return 0;
	}
	return watch_net(s);
}

static int attach_net(struct state *s)
{
	int fd = -1;

	if (net_late_tap(s->relay->net, &fd, s->error) < 0)
		return s->error->code;
	return fd < 0 ? watch_net(s) :
			loop_add_fd(s->loop, fd, POLLIN, on_frame, s, &s->net_source);
}

/* ---- the keeper's reports ----------------------------------------------------------------------- */

int relay_write_pidfile(const char *path, pid_t pid, struct error *e)
{
	_cleanup_free_ char *text = str_printf("%d", (int)pid);
	FILE *f;

	if (path == NULL)
		return 0;
	f = fopen(path, "we");
	if (f == NULL || text == NULL || fputs(text, f) < 0) {
		int r = error_set(e, -errno, "--pidfile %s", path);

		if (f != NULL)
			(void)fclose(f);
		return r;
	}
	return fclose(f) == 0 ? 0 : error_set(e, -errno, "--pidfile %s", path);
}

static int on_created(struct state *s, const struct keeper_message *m, int *fds, size_t n)
{
	if (n < 1)
		return error_setf(s->error, -EPROTO, "the keeper's report lacks a descriptor");
	s->pid_fd = steal_fd(&fds[0]);
	if (relay_write_pidfile(s->relay->pidfile, m->pid, s->error) < 0 || attach_net(s) < 0)
		return s->error->code;
	if (n > 1 && attach_console(s, steal_fd(&fds[1])) < 0)
		return error_setf(s->error, -ENOMEM, "attaching the terminal");
	return 0;
}

/* --timeout. The end is reported by the keeper, as always. */
static int on_timeout(void *data)
{
	const struct state *s = data;

	if (s->pid_fd >= 0)
		(void)proc_pidfd_send_signal(s->pid_fd, SIGKILL); /* gone: it ended by itself */
	return 0;
}

static int on_report(void *data, int fd, short revents)
{
	struct state *s = data;
	struct keeper_message m;
	int fds[2] = { -1, -1 };
	size_t n = 2;
	ssize_t len = fd_recv(fd, &m, sizeof(m), fds, &n);
	int r = 0;

	(void)revents;
	if (len != (ssize_t)sizeof(m)) {
		loop_source_free(s->ctl_source);
		s->ctl_source = NULL;
		if (!s->ended) {
			s->code = 125;
			/* its parent-death signal it may have switched off */
			if (s->pid_fd >= 0)
				(void)proc_pidfd_send_signal(s->pid_fd, SIGKILL);
			(void)error_setf(
				s->error, -EPIPE,
				"the container's keeper died; the container was killed with it");
			loop_exit(s->loop, 0);
		}
		return 0;
	}
	switch (m.event) {
	case KEEPER_CREATED:
		r = on_created(s, &m, fds, n);
		break;
	case KEEPER_STARTED:
		s->started = true;
		if (s->relay->timeout > 0)
			r = loop_add_timer(s->loop, (uint64_t)s->relay->timeout * 1000, on_timeout,
					   s, NULL);
		if (r < 0)
			(void)error_set(s->error, r, "--timeout");
		break;
	case KEEPER_FAILED:
		*s->error = m.error;
		s->code = m.value;
		loop_exit(s->loop, 0);
		break;
	case KEEPER_EXITED:
		if (m.error.code != 0)
			*s->error = m.error;
		s->code = m.value;
		s->ended = true;
		drain(s);
		break;
	case KEEPER_NETWORK: /* came before us */
	case KEEPER_EVENT_COUNT:
	default:
		break;
	}
	close_fd(&fds[0]);
	close_fd(&fds[1]);
	if (r < 0) {
		s->code = 125;
		loop_exit(s->loop, 0);
	}
	return 0;
}

/* Without a keeper: the process that we carry is our child. */
static int on_child_end(void *data, int fd, short revents)
{
	struct state *s = data;
	int status = proc_wait(s->relay->child_pid);

	(void)fd;
	(void)revents;
	loop_source_free(s->ctl_source);
	s->ctl_source = NULL;
	s->code = status < 0 ? 125 : proc_status_code(status);
	s->ended = true;
	drain(s);
	return 0;
}

static int watch(struct state *s)
{
	struct relay *r = s->relay;
	int ret;

	if (r->ctl_fd >= 0)
		return loop_add_fd(s->loop, r->ctl_fd, POLLIN, on_report, s, &s->ctl_source);
	s->pid_fd = steal_fd(&r->child_pid_fd);
	ret = loop_add_fd(s->loop, s->pid_fd, POLLIN, on_child_end, s, &s->ctl_source);
	if (ret == 0 && r->console_fd >= 0)
		ret = attach_console(s, steal_fd(&r->console_fd));
	return ret;
}

static int set_up(struct state *s)
{
	struct relay *r = s->relay;
	sigset_t set;
	int ret;

	ret = loop_new(&s->loop);
	if (ret < 0)
		return ret;
	relay_signals(&set);
	ret = loop_add_signals(s->loop, &set, on_signal, s);
	if (ret == 0)
		ret = watch(s);
	if (ret == 0 && r->stdio->parent[0] >= 0)
		ret = channel_add(s, STDIN_FILENO, steal_fd(&r->stdio->parent[0]), false, true);
	for (int i = 1; ret == 0 && i < 3; i++)
		if (r->stdio->parent[i] >= 0)
			ret = channel_add(s, r->stdio->parent[i], i, true, false);
	return ret;
}

int relay_run(struct relay *relay, struct error *e)
{
	struct state s = { .relay = relay, .error = e, .pid_fd = -1, .console_fd = -1, .code = 125 };
	int r;

	r = set_up(&s);
	if (r == 0)
		r = loop_run(s.loop);
	if (r < 0)
		(void)error_set(e, r, "waiting for the container");
	restore_terminal(&s);
	for (size_t i = 0; i < s.channels_n; i++) {
		if (s.channels[i].close_to)
			close_fd(&s.channels[i].to);
		free(s.channels[i].data);
	}
	loop_free(s.loop);
	close_fd(&s.pid_fd);
	close_fd(&s.console_fd);
	return s.code;
}
