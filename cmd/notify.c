/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --sdnotify: datagrams for the service manager.
 *
 * Theory of operation: the manager's socket is connected to before the keeper is cloned,
 * because an abstract one belongs to a network namespace, and kept by who stays: the
 * monitor, or the keeper of a foreground container. The container gets a socket of
 * ours in a directory of its own, never the manager's: it is hostile, and could name another main
 * process, hand over descriptors, or change the unit's limits. Of what it sends only lines of
 * a short list are passed on; descriptors that come with it are closed by the kernel,
 * since nobody takes them. Datagrams are bounded, and one that cannot be sent is lost.
 */
#include "cmd/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX 4096
#define BURST_MAX   16 /* messages in one go: who floods the socket does not keep us from the rest */

int notify_open(int *ret_fd, struct error *e)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	int fd, r;

	if (len == 0)
		return 0;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(sa.sun_path))
		return error_setf(e, -EINVAL, "$NOTIFY_SOCKET is no socket's name");
	memcpy(sa.sun_path, path, len + 1);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
					   (path[0] == '/'))) == 0) {
		*ret_fd = fd;
		return 0;
	}
	r = error_set(e, -errno, "connecting to $NOTIFY_SOCKET (--sdnotify=ignore does not)");
	if (fd >= 0)
		(void)close(fd);
	return r;
}

int notify_listen(int bundle_fd, struct error *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s/%s", bundle_fd,
		       NOTIFY_DIR, NOTIFY_SOCKET);
	/* the bundle is private; inside, whoever the container runs as may send */
	if (fd >= 0 && (mkdirat(bundle_fd, NOTIFY_DIR, 0755) == 0 || errno == EEXIST) &&
	    bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	    fchmodat(bundle_fd, NOTIFY_DIR "/" NOTIFY_SOCKET, 0666, 0) == 0)
		return fd;
	r = error_set(e, -errno, "making the container's notify socket");
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static void tell(int out_fd, const char *text, size_t len)
{
	(void)send(out_fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT); /* lost: see above */
}

void notify_tell(int out_fd, pid_t main, bool ready)
{
	char text[64] = "", pid[32] = "";

	if (out_fd < 0)
		return;
	if (main > 0)
		(void)snprintf(pid, sizeof(pid), "MAINPID=%d\n", (int)main);
	(void)snprintf(text, sizeof(text), "%s%s", pid, ready ? "READY=1\n" : "");
	if (text[0] != '\0')
		tell(out_fd, text, strlen(text));
}

static bool is_allowed(const char *line, size_t len)
{
	static const char *const known[] = {
		"READY=1", "RELOADING=1", "STOPPING=1",		  "STATUS=",
		"ERRNO=",  "WATCHDOG=1",  "EXTEND_TIMEOUT_USEC=", "MONOTONIC_USEC="
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i]);

		if (len >= n && memcmp(line, known[i], n) == 0 &&
		    (known[i][n - 1] == '=' || len == n))
			return true;
	}
	return false;
}

void notify_forward(int in_fd, int out_fd, pid_t main)
{
	char in[MESSAGE_MAX], out[MESSAGE_MAX + 64];

	for (int i = 0; i < BURST_MAX; i++) {
		ssize_t n = recv(in_fd, in, sizeof(in), MSG_DONTWAIT);
		const char *at = in, *end = in + (n < 0 ? 0 : n);
		size_t len = 0;
		bool ready = false;

		if (n < 0)
			break;
		while (at < end) {
			const char *nl = memchr(at, '\n', (size_t)(end - at));
			size_t line = (size_t)((nl != NULL ? nl : end) - at);

			if (is_allowed(at, line)) {
				ready = ready || (line == strlen("READY=1") &&
						  memcmp(at, "READY=1", line) == 0);
				memcpy(out + len, at, line);
				len += line;
				out[len++] = '\n';
			}
			at += line + (nl != NULL);
		}
		if (ready && main > 0)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "MAINPID=%d\n",
						(int)main);
		if (len > 0)
			tell(out_fd, out, len);
	}
}
