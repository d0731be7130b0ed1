/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of the system's journal.
 *
 * Theory of operation: part of crt, which wants to know before a container is made whether
 * there is a journal, and of crt-monitor, which connects again when the journal was restarted.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/journal.h"

int journal_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int saved;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	return -saved;
}
