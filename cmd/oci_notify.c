/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness of a container's process, passed on to the service manager.
 *
 * Theory of operation: see runtime/notify.c for the socket. Everything that
 * arrives was chosen by the container, so it is never forwarded as it is: of
 * each datagram only the assignments listed below are sent on, each in a
 * message that we make. Commands detached from the container wait until it
 * is ready or has ended, say which process is the main one, and leave; what
 * comes later is lost with them. Foreground ones pass messages on until the
 * end. File descriptors that come along are closed by the kernel unseen.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/oci.h"
#include "runtime/runtime.h"

#define DATAGRAM_MAX 4096

static bool is_line_text(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

static bool may_pass(const char *line)
{
	static const char *const whole[] = { "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1" };
	unsigned long long v;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (strcmp(line, whole[i]) == 0)
			return true;
	if (str_starts(line, "MONOTONIC_USEC="))
		return str_to_u64(line + strlen("MONOTONIC_USEC="), UINT64_MAX, &v) == 0;
	return str_starts(line, "STATUS=") && is_line_text(line);
}

static void send_host(const struct buf *b)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = path != NULL ? strlen(path) : 0;

	if (fd < 0 || len == 0 || len >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, path, len);
	if (path[0] == '@') /* a name that is in no file system */
		sa.sun_path[0] = '\0';
	if (sendto(fd, b->data, b->len, MSG_NOSIGNAL, (const struct sockaddr *)&sa,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warning("NOTIFY_SOCKET %s: %s", path, error_strerror(errno));
}

bool oci_notify_pass(int fd, pid_t main_pid)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char text[DATAGRAM_MAX + 1], *rest = text, *line;
	ssize_t n = recv(fd, text, DATAGRAM_MAX, 0);
	bool ready = false;

	if (n <= 0)
		return false;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (!may_pass(line))
			continue;
		if (strcmp(line, "READY=1") == 0) {
			ready = true;
			if (main_pid > 0)
				(void)buf_printf(&out, "MAINPID=%d\n", (int)main_pid);
		}
		(void)buf_printf(&out, "%s\n", line);
	}
	if (out.len > 0 && out.err == 0)
		send_host(&out);
	return ready;
}

int oci_notify_open(struct oci_global *g, const char *id, int *ret_fd, struct error *e)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct error why = ERROR_INIT;
	int fd;

	if (path == NULL || path[0] == '\0')
		return 0;
	fd = runtime_notify_open(g->state_root_fd, id, &why);
	if (fd >= 0)
		*ret_fd = fd;
	else if (fd != -ENOENT) /* made without, or no container: start tells */
		*e = why;
	return fd >= 0 || fd == -ENOENT ? 0 : fd;
}

void oci_notify_wait(int fd, int pid_fd, pid_t main_pid)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
				       { .fd = pid_fd, .events = POLLIN } };

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (p[0].revents != 0) {
			if (oci_notify_pass(fd, main_pid))
				return;
		} else if (p[1].revents != 0) {
			return;
		}
	}
}
