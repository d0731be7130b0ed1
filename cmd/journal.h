/* SPDX-License-Identifier: Apache-2.0 */
/* --log-driver journald: fields as podman's, by the journal's native protocol. */
#ifndef CMD_JOURNAL_H
#define CMD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct container;
struct run_plan;

#define JOURNAL_SOCKET	   "/run/systemd/journal/socket"
#define JOURNAL_FIELDS_MAX 4096

/* journal_socket.c, also part of crt-monitor: a connected datagram socket, or -errno. */
int journal_connect(void);

/* "KEY=VALUE\n" of everything that is the same in all messages of a container, NUL-terminated. 0 or -errno. */
int journal_fields(const struct run_plan *p, char to[JOURNAL_FIELDS_MAX], struct error *e);

struct journal_query {
	const char *id;		/* of the container */
	unsigned long long max; /* only the last messages */
	bool has_max;
	int end_fd; /* to follow: readable when the container has ended; -1 = not */
};
/*
 * Call line for each message, as a line of a k8s-file log, through journalctl. 0, -ENOENT (there is no
 * journalctl), what line says, or -errno.
 */
int journal_read(const struct journal_query *q,
		 int (*line)(void *data, const char *text, size_t len, struct error *e), void *data,
		 struct error *e);

#endif
