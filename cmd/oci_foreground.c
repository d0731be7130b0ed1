/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A foreground process of crt-oci: signals passed on, the terminal carried.
 *
 * Theory of operation: one poll loop over a signalfd, the process's pidfd,
 * and, where the container has a terminal of its own, our terminal and the
 * pty master. Our terminal is in raw mode meanwhile and is restored on every
 * way out of this function; if we are killed by SIGKILL it is not, as with
 * any program. Window changes are passed on. Everything that comes from the
 * container is copied to our standard output unread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "cmd/oci.h"

struct carry {
	int tty_fd;	/* our terminal, -1 */
	int console_fd; /* the container's pty master, -1 */
	int notify_fd;	/* what it reports to the service manager, -1 */
	bool raw;
	bool input_done;
	struct termios saved;
};

static int find_tty(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (isatty(fd))
			return fd;
	return -1;
}

static void copy_size(const struct carry *c)
{
	struct winsize ws;

	if (c->tty_fd >= 0 && ioctl(c->tty_fd, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0)
		(void)ioctl(c->console_fd, TIOCSWINSZ, &ws); /* cosmetic */
}

static void raw_mode(struct carry *c)
{
	struct termios t;

	if (c->tty_fd < 0 || tcgetattr(c->tty_fd, &c->saved) < 0)
		return;
	t = c->saved;
	cfmakeraw(&t);
	t.c_oflag |= c->saved.c_oflag & OPOST;
	c->raw = tcsetattr(c->tty_fd, TCSADRAIN, &t) == 0;
}

/* Copy what is there; false when this direction is over. */
static bool copy_some(int from, int to)
{
	char data[8192];
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && fd_write_all(to, data, (size_t)n) == 0;
}

static void pass_signals(int sig_fd, int pid_fd, const struct carry *c)
{
	struct signalfd_siginfo si;

	if (read(sig_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		return;
	if (si.ssi_signo == SIGWINCH && c->console_fd >= 0) {
		copy_size(c);
		return;
	}
	(void)proc_pidfd_send_signal(pid_fd, (int)si.ssi_signo); /* it may have ended just now */
}

static int open_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGPIPE);
	sigdelset(&all, SIGTSTP);
	sigdelset(&all, SIGTTIN);
	sigdelset(&all, SIGTTOU);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return -1;
	return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void drain_console(const struct carry *c)
{
	struct pollfd p = { .fd = c->console_fd, .events = POLLIN };

	while (c->console_fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN))
		if (!copy_some(c->console_fd, STDOUT_FILENO))
			break;
}

static void carry_until_end(struct carry *c, int sig_fd, int pid_fd)
{
	for (;;) {
		struct pollfd p[5] = { { .fd = pid_fd, .events = POLLIN },
				       { .fd = sig_fd, .events = POLLIN },
				       { .fd = c->console_fd, .events = POLLIN },
				       { .fd = c->console_fd >= 0 && !c->input_done ? STDIN_FILENO :
										      -1,
					 .events = POLLIN },
				       { .fd = c->notify_fd, .events = POLLIN } };

		if (poll(p, 5, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents != 0)
			pass_signals(sig_fd, pid_fd, c);
		if (p[2].revents != 0 && !copy_some(c->console_fd, STDOUT_FILENO))
			c->console_fd = -1;
		if (p[3].revents != 0 && !copy_some(STDIN_FILENO, c->console_fd)) {
			char eof = 4;

			c->input_done = true;
			(void)!write(c->console_fd, &eof,
				     1); /* ^D: the other side of a closed pipe */
		}
		if (p[4].revents != 0)
			(void)oci_notify_pass(c->notify_fd, 0);
		else if (p[0].revents != 0)
			return;
	}
}

int oci_foreground(int pid_fd, int console_fd, int notify_fd, struct error *e)
{
	struct carry c = { .tty_fd = -1, .console_fd = console_fd, .notify_fd = notify_fd };
	_cleanup_fd_ int sig_fd = open_signals();

	if (sig_fd < 0)
		return error_set(e, -errno, "signalfd");
	if (console_fd >= 0) {
		c.tty_fd = find_tty();
		copy_size(&c);
		raw_mode(&c);
	}
	carry_until_end(&c, sig_fd, pid_fd);
	drain_console(&c);
	if (c.raw)
		(void)tcsetattr(c.tty_fd, TCSADRAIN, &c.saved);
	return 0;
}
