/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is attached to a detached container: up to MONITOR_CLIENTS at once.
 *
 * Theory of operation: a SOCK_SEQPACKET socket in the bundle's directory, which
 * only the user can enter. Everybody who is connected gets all output, one packet
 * for each read, and may send input and window sizes (cmd/monitor.h). Input that
 * the container does not take waits in one buffer, and nobody's input is read
 * while it is not empty. A client that does not read stops the container's
 * output for at most MONITOR_STALL_MS and is let go then: nobody can hold a
 * container for ever. But the crt run or start that it was started by is waited
 * for (MONITOR_PACKET_PATIENT), as a program waits for a pipe: its output and its
 * exit code are the caller's. It holds the end, too, until we are asked to end.
 *
 * At the end everybody gets the exit code, also who is connecting just then: the
 * queue of the listening socket is emptied before it is closed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cmd/monitor_int.h"

void monitor_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void monitor_attach_init(struct monitor *m)
{
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		m->clients[i].fd = -1;
}

void monitor_attach_accept(struct monitor *m)
{
	for (;;) {
		int fd = accept4(m->life.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		int i = 0;

		if (fd < 0)
			return; /* nobody (any more) */
		while (i < MONITOR_CLIENTS && m->clients[i].fd >= 0)
			i++;
		if (i == MONITOR_CLIENTS) {
			(void)close(fd);
			continue;
		}
		m->clients[i] = (struct monitor_client){ .fd = fd };
	}
}

static void let_go(struct monitor *m, int i)
{
	monitor_close(&m->clients[i].fd);
	m->clients[i].full = false;
}

short monitor_attach_events(const struct monitor *m, int i)
{
	const struct monitor_client *c = &m->clients[i];
	if (c->fd < 0)
		return 0;
	/* also its hang-up waits until its last input was taken */
	return (short)((m->input_len == 0 ? POLLIN : 0) | (c->full ? POLLOUT : 0));
}

bool monitor_attach_stalled(const struct monitor *m)
{
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		if (m->clients[i].full)
			return true;
	return false;
}

int64_t monitor_attach_due(const struct monitor *m)
{
	int64_t due = -1;

	for (int i = 0; i < MONITOR_CLIENTS; i++)
		if (m->clients[i].full && !m->clients[i].patient &&
		    (due < 0 || m->clients[i].full_since + MONITOR_STALL_MS < due))
			due = m->clients[i].full_since + MONITOR_STALL_MS;
	return due;
}

void monitor_attach_check(struct monitor *m, int64_t now)
{
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		if (m->clients[i].full && !m->clients[i].patient &&
		    now >= m->clients[i].full_since + MONITOR_STALL_MS)
			let_go(m, i);
}

static bool wait_for_room(const struct monitor_client *c)
{
	const struct timespec stall = { .tv_sec = MONITOR_STALL_MS / 1000 };
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	sigset_t none;
	int n;

	(void)sigemptyset(&none);
	do { /* SIGTERM may come in: then even who is patient has only this long */
		bool forever = c->patient && !monitor_is_asked_to_end();

		n = ppoll(&p, 1, forever ? NULL : &stall, &none);
	} while (n < 0 && errno == EINTR);
	return n == 1 && (p.revents & POLLOUT) != 0;
}

static void send_one(struct monitor *m, int i, size_t len)
{
	struct monitor_client *c = &m->clients[i];
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	ssize_t n;

	while ((n = send(c->fd, m->packet, len, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
		if (errno == EINTR)
			continue;
		/* rare: the queue had room for the last packet but not for this one */
		if (errno != EAGAIN || !wait_for_room(c))
			break;
	}
	if (n < 0) {
		let_go(m, i);
		return;
	}
	if (poll(&p, 1, 0) == 0) {
		c->full = true;
		c->full_since = clock_now_ms();
	}
}

void monitor_attach_send(struct monitor *m, enum monitor_packet kind, size_t len)
{
	m->packet[0] = (char)kind;
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		if (m->clients[i].fd >= 0 && (!m->clients[i].quiet || kind == MONITOR_PACKET_END))
			send_one(m, i, len + 1);
}

void monitor_attach_finish(struct monitor *m, int code)
{
	monitor_attach_accept(m);
	memcpy(m->packet + 1, &code, sizeof(code));
	monitor_attach_send(m, MONITOR_PACKET_END, sizeof(code));
	for (int i = 0; i < MONITOR_CLIENTS; i++) {
		/* what it sent and nobody read would become an error that hides the end from it */
		if (m->clients[i].fd >= 0 && shutdown(m->clients[i].fd, SHUT_RD) == 0)
			while (recv(m->clients[i].fd, m->packet, sizeof(m->packet), MSG_DONTWAIT) >
			       0)
				;
		let_go(m, i);
	}
}

/* ---- input ------------------------------------------------------------------------------- */

void monitor_input_flush(struct monitor *m)
{
	int fd = m->life.console_fd >= 0 ? m->life.console_fd : m->life.in_fd;

	while (m->input_len > 0) {
		ssize_t n = write(fd, m->input + m->input_start, m->input_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* the container does not read it any more */
			m->input_len = 0;
			monitor_close(&m->life.in_fd);
			return;
		}
		m->input_start += (size_t)n;
		m->input_len -= (size_t)n;
	}
	if (m->input_eof)
		monitor_close(&m->life.in_fd);
}

static void take_input(struct monitor *m, const char *data, size_t len)
{
	if (m->life.console_fd < 0 && m->life.in_fd < 0)
		return; /* nobody reads it */
	memcpy(m->input, data, len);
	m->input_start = 0;
	m->input_len = len;
	monitor_input_flush(m);
}

static void reply(const struct monitor_client *c, enum monitor_packet kind, int r)
{
	char answer[1 + sizeof(r)] = { (char)kind };

	memcpy(answer + 1, &r, sizeof(r));
	(void)send(c->fd, answer, sizeof(answer),
		   MSG_NOSIGNAL | MSG_DONTWAIT); /* who asked may have gone */
}

/* A new limit; from now on it is watched, also where it was not. */
static void take_memory(struct monitor *m, struct monitor_client *c, const char *data)
{
	struct limits_watch *w = &m->life.watch;
	int r;

	w->pid = m->life.pid;
	r = limits_watch_open(w);
	if (r == 0) {
		memcpy(&w->memory, data, sizeof(w->memory));
		w->next = 0;
	}
	reply(c, MONITOR_PACKET_MEMORY, r);
}

static void take_policy(struct monitor *m, struct monitor_client *c, const char *data)
{
	struct monitor_policy p;

	memcpy(&p, data, sizeof(p));
	if (p.restart < REQUEST_RESTART_COUNT) {
		m->life.restart = p.restart;
		m->life.restart_max = p.restart_max;
	}
	reply(c, MONITOR_PACKET_POLICY, p.restart < REQUEST_RESTART_COUNT ? 0 : -EINVAL);
}

static void take_packet(struct monitor *m, struct monitor_client *c, const char *data, size_t len)
{
	struct winsize ws;

	switch ((enum monitor_packet)data[0]) {
	case MONITOR_PACKET_IN:
		take_input(m, data + 1, len - 1);
		break;
	case MONITOR_PACKET_EOF:
		m->input_eof = true;
		if (m->life.console_fd < 0)
			monitor_input_flush(m);
		break;
	case MONITOR_PACKET_QUIET:
		c->quiet = true;
		break;
	case MONITOR_PACKET_PATIENT:
		c->patient = true;
		break;
	case MONITOR_PACKET_SIZE:
		if (len == 1 + sizeof(ws) && m->life.console_fd >= 0) {
			memcpy(&ws, data + 1, sizeof(ws));
			(void)ioctl(m->life.console_fd, TIOCSWINSZ, &ws); /* a wish */
		}
		break;
	case MONITOR_PACKET_MEMORY:
		if (len == 1 + sizeof(int64_t))
			take_memory(m, c, data + 1);
		break;
	case MONITOR_PACKET_POLICY:
		if (len == 1 + sizeof(struct monitor_policy))
			take_policy(m, c, data + 1);
		break;
	case MONITOR_PACKET_OUT:
	case MONITOR_PACKET_ERR:
	case MONITOR_PACKET_END:
	default:
		break;
	}
}

void monitor_attach_event(struct monitor *m, int i, short revents)
{
	struct monitor_client *c = &m->clients[i];
	ssize_t n;

	if (c->fd < 0)
		return;
	if ((revents & POLLOUT) != 0)
		c->full = false;
	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0 || m->input_len > 0)
		return;
	n = recv(c->fd, m->packet, sizeof(m->packet), MSG_DONTWAIT);
	if (n > 0)
		take_packet(m, c, m->packet, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		let_go(m, i);
}
