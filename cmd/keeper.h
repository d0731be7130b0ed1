/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: the process between `crt run` and the container. It lives in the
 * container's outer user, mount and network namespaces, mounts the root file
 * system, makes the container through the OCI core, waits for it and cleans up
 * what only it can delete.
 */
#ifndef CMD_KEEPER_H
#define CMD_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "cmd/compose.h"
#include "net/net.h"
#include "userns/userns.h"

/* What the keeper reports over its socket, one SOCK_SEQPACKET message each. */
enum keeper_event {
	KEEPER_CREATED, /* pid; fds: pidfd of the container, then the pty master with a terminal */
	KEEPER_STARTED,
	KEEPER_FAILED, /* value: exit code to end with; error */
	KEEPER_EXITED, /* value: exit code of the container; error: why it was killed, if it was */
	KEEPER_EVENT_COUNT
};

struct keeper_message {
	enum keeper_event event;
	int value;
	pid_t pid;
	struct error error;
};

struct keeper_start {
	struct run_plan *plan;
	const char *containers; /* runtime directory, parent of the bundle */
	int bundle_fd;
	int lock_fd;  /* of the container's record, kept open by the keeper; -1 = none */
	int tap_sock; /* net_tap_socket() or -1 */
	int stdio[3]; /* for the container, without a terminal */
};

/*
 * The keeper's life, in the child made by userns_clone(). Owns all fds of k.
 * ctl_fd: its end of the socket; a byte read from it opens the gate, its end
 * of file ends the container. Never returns.
 */
void keeper_main(struct keeper_start *k, struct userns_child *self, int ctl_fd)
	__attribute__((noreturn));

#endif
