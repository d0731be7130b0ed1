/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a detached container in the system's journal.
 *
 * Theory of operation: each line is one datagram of the journal's native protocol:
 * "KEY=VALUE" lines of which the constant ones were made by the keeper (journal.c) and are
 * read from the memfd once, into a page that only such containers touch. What a container
 * writes is split at newlines, so that it cannot begin a field of its own; any other byte is
 * data there. A piece without its newline is marked as podman marks it.
 *
 * The journal may be slow or be restarted: a send that would block waits for some time, one
 * that finds nobody connects again, and then the line is lost: a log that blocks would stop
 * the container.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cmd/monitor_int.h"

#define WAIT_MS 1000

static bool load_fields(struct monitor *m)
{
	if (m->journal[0] != '\0')
		return true;
	if (pread(m->memfd, m->journal, sizeof(m->journal),
		  offsetof(struct monitor_life, journal)) != (ssize_t)sizeof(m->journal))
		return false;
	m->journal[sizeof(m->journal) - 1] = '\0';
	return m->journal[0] != '\0';
}

static void send_line(struct monitor *m, const char *text, size_t len, bool is_err, bool partial)
{
	static char out[] = "PRIORITY=6\nMESSAGE=", err[] = "PRIORITY=3\nMESSAGE=";
	static char whole[] = "\n", piece[] = "\nCONTAINER_PARTIAL_MESSAGE=true\n";
	struct iovec iov[] = {
		{ m->journal, strlen(m->journal) },
		{ is_err ? err : out, sizeof(out) - 1 },
		{ (char *)(uintptr_t)text, len },
		{ partial ? piece : whole, partial ? sizeof(piece) - 1 : sizeof(whole) - 1 },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 4 };

	for (int tries = 0; tries < 3; tries++) {
		struct pollfd p = { .fd = m->life.log_fd, .events = POLLOUT };

		if (m->life.log_fd < 0) {
			m->life.log_fd = journal_connect();
			if (m->life.log_fd < 0)
				return;
			p.fd = m->life.log_fd;
		}
		if (sendmsg(m->life.log_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return;
		if (errno == EAGAIN || errno == ENOBUFS)
			(void)poll(&p, 1, WAIT_MS);
		else if (errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET)
			monitor_close(&m->life.log_fd);
		else if (errno != EINTR)
			return; /* EMSGSIZE, say */
	}
}

void monitor_journal_write(struct monitor *m, const char *data, size_t len, bool is_err)
{
	if (!load_fields(m))
		return;
	while (len > 0) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl != NULL ? (size_t)(nl - data) : len;
		size_t text = n > 0 && data[n - 1] == '\r' ? n - 1 : n; /* how a pty ends a line */

		send_line(m, data, text, is_err, nl == NULL);
		n += nl != NULL;
		data += n;
		len -= n;
	}
}
