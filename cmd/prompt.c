/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the user at a terminal.
 *
 * Theory of operation: the terminal itself is asked (/dev/tty), so that
 * redirected streams do not matter. It is switched to single characters
 * without echo and without signals, and switched back before anything is
 * returned: Ctrl-C is seen here as a character, so it never leaves a terminal
 * without echo. Only a SIGKILL does; "stty sane" then helps. The line is kept
 * in memory of a fixed size that is erased.
 */
#include "cmd/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define LINE_MAX_BYTES 4096

/* 0, -ECANCELED, -errno. */
static int read_line(int fd, bool hidden, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		char c = '\0';
		ssize_t got = read(fd, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || c == 3 || (c == 4 && n == 0))
			return got < 0 ? -errno : -ECANCELED;
		if (c == '\n' || c == '\r' || c == 4)
			break;
		if (c == 127 || c == 8) {
			if (n > 0 && !hidden)
				(void)fd_write_all(fd, "\b \b", 3); /* only what is seen */
			n -= n > 0 ? 1 : 0;
		} else if (c == 21) {
			n = 0;
		} else if ((unsigned char)c >= ' ' && n + 1 < size) {
			line[n++] = c;
			if (!hidden)
				(void)fd_write_all(fd, &c, 1); /* only what is seen */
		}
	}
	line[n] = '\0';
	return 0;
}

int prompt_line(const char *question, bool hidden, char **ret, struct error *e)
{
	_cleanup_fd_ int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios before, quiet;
	char line[LINE_MAX_BYTES];
	int r;

	if (fd < 0 || tcgetattr(fd, &before) < 0)
		return error_setf(e, -ENOTTY, "there is no terminal to ask");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSAFLUSH, &quiet) < 0)
		return error_set(e, -errno, "switch the terminal");
	(void)fd_write_all(fd, question, strlen(question)); /* only what is seen */
	r = read_line(fd, hidden, line, sizeof(line));
	(void)fd_write_all(fd, "\n", 1);
	(void)tcsetattr(fd, TCSAFLUSH, &before); /* it worked a moment ago */
	if (r == 0 && (*ret = strdup(line)) == NULL)
		r = -ENOMEM;
	explicit_bzero(line, sizeof(line));
	return r < 0 ? error_setf(e, r, r == -ECANCELED ? "cancelled" : "read from the terminal") :
		       0;
}
