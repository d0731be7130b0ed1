/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt attach: our terminal or pipes, and the streams of a detached container.
 *
 * Theory of operation: one poll loop over standard input, the monitor's socket
 * (monitor.h) and a signalfd. Output packets are written whole before the next is
 * taken, so that a slow reader of ours slows the container (for as long as its
 * monitor has patience); signals are passed on meanwhile. Input is sent in packets; the keys that detach are looked
 * for before, and a beginning of them that came to nothing is sent late.
 *
 * With a terminal on both sides ours is in raw mode meanwhile and restored on every
 * way out, and window changes are passed on. Signals go to the container's
 * first process through its pidfd; without --sig-proxy those that end programs end us.
 *
 * What the container writes is passed on unread, as by any terminal program.
 */
#include "cmd/attach.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/container.h"
#include "cmd/events.h"
#include "cmd/monitor.h"
#include "cmd/opt.h"
#include "cmd/relay.h"
#include "cmd/verbs.h"

#define KEYS_MAX     16
#define KEYS_DEFAULT "ctrl-p,ctrl-q"

struct state {
	const struct attach *a;
	char keys[KEYS_MAX];
	size_t keys_n, matched;
	bool detached, ended, input_done, raw;
	int code;
	int signal; /* that ends us */
	struct termios saved;
	char packet[MONITOR_PACKET];
	size_t out_at, out_end; /* what of it is still to be written */
};

/* ---- keys -------------------------------------------------------------------------------- */

static int parse_keys(const char *text, char *ret, size_t *ret_n, struct error *e)
{
	const char *p = text;
	size_t n = 0;

	while (*p != '\0') {
		size_t len = strcspn(p, ",");
		char key = p[0];

		if (len == 6 && strncmp(p, "ctrl-", 5) == 0 &&
		    ((p[5] >= 'a' && p[5] <= 'z') || (p[5] >= '@' && p[5] <= '_')))
			key = (char)(p[5] & 0x1f);
		else if (len != 1)
			n = KEYS_MAX;
		if (n >= KEYS_MAX)
			return error_setf(e, -EINVAL,
					  "--detach-keys %s: expected keys such as ctrl-p or a, "
					  "with commas between",
					  text);
		ret[n++] = key;
		p += len;
		p += *p == ',';
	}
	*ret_n = n;
	return 0;
}

int attach_check_keys(const char *keys, struct error *e)
{
	char scratch[KEYS_MAX];
	size_t n;

	return parse_keys(keys, scratch, &n, e);
}

/* ---- input ------------------------------------------------------------------------------- */

static int send_packet(const struct state *s, enum monitor_packet kind, const void *data,
		       size_t len)
{
	char packet[MONITOR_PACKET];
	ssize_t n;

	packet[0] = (char)kind;
	if (len > 0)
		memcpy(packet + 1, data, len);
	do
		n = send(s->a->sock_fd, packet, len + 1, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0; /* a monitor that has gone is seen by its end of the socket */
}

/* Copy data to out without the detach keys; a match so far is held back. Returns the length. */
static size_t filter_keys(struct state *s, const char *data, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len && !s->detached; i++) {
		if (s->keys_n > 0 && data[i] == s->keys[s->matched]) {
			s->detached = ++s->matched == s->keys_n;
			continue;
		}
		memcpy(out + n, s->keys, s->matched);
		n += s->matched;
		s->matched = s->keys_n > 0 && data[i] == s->keys[0];
		if (s->matched == 0)
			out[n++] = data[i];
	}
	return n;
}

static void take_input(struct state *s)
{
	char data[4096], out[sizeof(data) + KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));
	size_t len;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		s->input_done = true;
		(void)send_packet(s, MONITOR_PACKET_EOF, NULL, 0);
		s->detached = s->raw; /* our terminal is gone */
		return;
	}
	len = filter_keys(s, data, (size_t)n, out);
	if (len > 0)
		(void)send_packet(s, MONITOR_PACKET_IN, out, len);
}

/* ---- output ------------------------------------------------------------------------------ */

static int take_packet(struct state *s, struct error *e)
{
	ssize_t n = recv(s->a->sock_fd, s->packet, sizeof(s->packet), 0);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return error_setf(
			e, -EPIPE,
			"the container's monitor died, or gave up waiting for us to read");
	if (s->packet[0] == MONITOR_PACKET_END && n == (ssize_t)(1 + sizeof(s->code))) {
		memcpy(&s->code, s->packet + 1, sizeof(s->code));
		s->ended = true;
	} else if (s->packet[0] == MONITOR_PACKET_OUT || s->packet[0] == MONITOR_PACKET_ERR) {
		s->out_at = 1;
		s->out_end = (size_t)n;
	}
	return 0;
}

static int out_fd(const struct state *s)
{
	return s->packet[0] == MONITOR_PACKET_OUT ? STDOUT_FILENO : STDERR_FILENO;
}

/* As much as does not wait: PIPE_BUF bytes for whom poll() says that there is room. */
static int put_output(struct state *s, struct error *e)
{
	size_t len = s->out_end - s->out_at;
	ssize_t n = write(out_fd(s), s->packet + s->out_at, len < PIPE_BUF ? len : PIPE_BUF);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0)
		return error_set(e, -errno, "writing the container's output");
	s->out_at += (size_t)n;
	return 0;
}

/* ---- signals and the terminal ----------------------------------------------------------------- */

static void send_size(const struct state *s)
{
	struct winsize ws;

	if (s->a->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0)
		(void)send_packet(s, MONITOR_PACKET_SIZE, &ws, sizeof(ws));
}

static void make_raw(struct state *s)
{
	struct termios raw;

	if (!s->a->tty || s->a->no_stdin || tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static int open_signals(const struct state *s, struct error *e)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t set;
	int fd;

	relay_signals(&set);
	if (s->a->pid_fd < 0) { /* they are for us; who started it for us may have blocked them */
		(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
		(void)sigemptyset(&set);
		for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
			(void)sigaddset(&set, ending[i]);
	}
	(void)sigaddset(&set, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(e, -errno, "signalfd") : fd;
}

static void take_signal(struct state *s, int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH)
		send_size(s);
	else if (s->a->pid_fd < 0)
		s->signal = (int)si.ssi_signo;
	else
		(void)proc_pidfd_send_signal(s->a->pid_fd, (int)si.ssi_signo); /* it may be over */
}

static int loop(struct state *s, int signal_fd, struct error *e)
{
	struct pollfd p[4] = { { .fd = s->a->sock_fd, .events = POLLIN },
			       { .fd = signal_fd, .events = POLLIN },
			       { .fd = STDIN_FILENO, .events = POLLIN },
			       { .fd = -1, .events = POLLOUT } };
	int r = 0;

	while (r == 0 && !s->ended && !s->detached && s->signal == 0) {
		bool pending = s->out_at < s->out_end;

		p[0].fd = pending ? -1 : s->a->sock_fd;
		p[3].fd = pending ? out_fd(s) : -1;
		if (s->input_done)
			p[2].fd = -1;
		if (poll(p, 4, -1) < 0) {
			if (errno != EINTR)
				return error_set(e, -errno, "waiting for the container");
			continue;
		}
		if (p[1].revents != 0)
			take_signal(s, signal_fd);
		if (p[2].fd >= 0 && p[2].revents != 0)
			take_input(s);
		if (p[0].fd >= 0 && p[0].revents != 0)
			r = take_packet(s, e);
		if (p[3].fd >= 0 && p[3].revents != 0)
			r = put_output(s, e);
	}
	return r;
}

int attach_run(const struct attach *a, struct error *e)
{
	_cleanup_free_ struct state *s = calloc(1, sizeof(*s));
	_cleanup_fd_ int signal_fd = -1;
	int r;

	if (s == NULL) {
		(void)error_set(e, -ENOMEM, "attaching");
		return EXIT_CRT;
	}
	s->a = a;
	s->input_done = a->no_stdin;
	r = parse_keys(a->detach_keys != NULL ? a->detach_keys : KEYS_DEFAULT, s->keys, &s->keys_n,
		       e);
	if (r < 0)
		return EXIT_CRT;
	signal_fd = open_signals(s, e);
	if (signal_fd < 0)
		return EXIT_CRT;
	send_size(s);
	make_raw(s);
	if (!s->raw) /* they are for people at a terminal; a pipe may hold any bytes */
		s->keys_n = a->detach_keys != NULL ? s->keys_n : 0;
	r = loop(s, signal_fd, e);
	if (s->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &s->saved); /* nothing else can be done */
	if (s->signal != 0)
		return 128 + s->signal;
	return r < 0 ? EXIT_CRT : s->detached ? 0 : s->code;
}

/* ---- the verb -------------------------------------------------------------------------------- */

struct options {
	bool latest, no_stdin, sig_proxy;
	const char *detach_keys;
};

static const struct option_spec options[] = {
	{ "detach-keys", 0, OPT_STRING, offsetof(struct options, detach_keys), .arg = "KEYS",
	  .help = "Keys that leave it running (default: those of crt run, or ctrl-p,ctrl-q)" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest),
	  .help = "Attach to the newest container" },
	{ "no-stdin", 0, OPT_FLAG, offsetof(struct options, no_stdin),
	  .help = "Do not pass standard input on" },
	{ "sig-proxy", 0, OPT_FLAG, offsetof(struct options, sig_proxy),
	  .help = "Pass signals on to the container (default true)" },
	OPTION_END
};

const struct cmd_verb cmd_verb_attach = {
	.name = "attach",
	.run = cmd_attach,
	.options = options,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Join the streams of a detached container",
	.operands = OPERANDS_CONTAINERS,
};

static int attach(struct storage *s, const struct container *c, const struct options *o,
		  struct error *e)
{
	const json_t *config = json_object_get(c->record, "config");
	_cleanup_fd_ int sock_fd = -1, pid_fd = -1;
	struct attach a = {
		.tty = json_is_true(json_object_get(config, "tty")),
		.no_stdin = o->no_stdin || !json_is_true(json_object_get(config, "openStdin")),
		.detach_keys = o->detach_keys,
	};

	if (!container_is_running(c)) {
		(void)error_setf(e, -ESRCH,
				 "you can only attach to running containers: %s is in state %s",
				 c->name, c->state);
		return EXIT_CRT;
	}
	sock_fd = container_connect(c, e);
	if (sock_fd == -ENOTCONN)
		(void)error_setf(
			e, -ENOTCONN,
			"container %s was run in the foreground: its streams are those of its crt run",
			c->name);
	if (sock_fd < 0)
		return EXIT_CRT;
	pid_fd = o->sig_proxy ? container_pidfd(s, c) : -1;
	if (a.detach_keys == NULL)
		a.detach_keys = json_string_value(json_object_get(config, "detachKeys"));
	a.sock_fd = sock_fd;
	a.pid_fd = pid_fd < 0 ? -1 : pid_fd;
	events_container(s, "attach", c, -1);
	return attach_run(&a, e);
}

int cmd_attach(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .sig_proxy = true };
	struct container c = { .id = NULL }, *all = NULL;
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	size_t n = 0;
	int code = EXIT_CRT;
	int first = opt_parse(&cmd_verb_attach, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != (o.latest ? 0 : 1))
		return opt_usage_error(&cmd_verb_attach, "exactly one container is needed");
	code = EXIT_CRT;
	if (storage_open(g->root, false, &s, &e) == 0 && o.latest) {
		if (container_list(s, &all, &n, &e) == 0 && n == 0)
			(void)error_setf(&e, -ENOENT, "there is no container");
		else if (n > 0)
			code = attach(s, &all[0], &o, &e);
		containers_free(all, n);
	} else if (s != NULL && container_open(s, argv[first], &c, &e) == 0) {
		code = attach(s, &c, &o, &e);
		container_fini(&c);
	}
	if (e.code != 0)
		log_error(&e);
	storage_free(s);
	return code;
}
