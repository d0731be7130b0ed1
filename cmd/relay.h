/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreground side of a running container: the terminal or pipes, signals,
 * and the wait for the keeper's reports.
 */
#ifndef CMD_RELAY_H
#define CMD_RELAY_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "net/net.h"

/* Stdio of the container, prepared before the keeper is cloned. */
struct relay_stdio {
	int child[3]; /* for the container: inherited numbers, pipe ends or /dev/null; close with relay_stdio_fini() */
	int parent[3]; /* our ends of pipes, -1 = not relayed */
};

/*
 * Choose: a terminal is never handed to a container as it is, because it could
 * read our keys from it: it gets a pipe and we copy. Everything else is
 * inherited. Without interactive, stdin is /dev/null. tty: all -1, the pty
 * comes with KEEPER_CREATED. 0 or -errno.
 */
int relay_stdio_init(struct relay_stdio *s, bool interactive, bool tty, struct error *e);
/* The keeper has its copies: close the container's ends here. */
void relay_stdio_close_child(struct relay_stdio *s);
void relay_stdio_fini(struct relay_stdio *s);

/* The signals that are passed on to a container. */
void relay_signals(sigset_t *set);
/* Block the signals that relay_run() will read, so that none is lost or kills us before; *old gets the mask. */
void relay_block_signals(void);

struct relay {
	struct relay_stdio *stdio;
	int ctl_fd; /* from the keeper, borrowed; -1: a child of ours, as follows */
	pid_t child_pid;
	int child_pid_fd, console_fd; /* taken over; no terminal: -1 */
	bool tty, interactive, sig_proxy;
	unsigned int timeout; /* seconds that the container may run, then it is killed; 0 = any */
	const char *pidfile;  /* NULL = none */
	struct net_handle
		*net; /* crt-net, which is started when the container needs it; may be empty */
	const struct net_request *net_request;
};

/*
 * Copy and pass signals on until the keeper reports the end or a failure.
 * Returns the exit code for `crt run`; e is filled when it is a failure of
 * ours (e->code != 0). The terminal is restored.
 */
int relay_run(struct relay *r, struct error *e);
/* --pidfile; path NULL = none. 0 or -errno. */
int relay_write_pidfile(const char *path, pid_t pid, struct error *e);

#endif
