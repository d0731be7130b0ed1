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
#include "cmd/join.h"
#include "net/net.h"
#include "storage/storage.h"
#include "userns/userns.h"

/* What the keeper reports over its socket, one SOCK_SEQPACKET message each. */
enum keeper_event {
	KEEPER_NETWORK, /* on user-defined networks: fds: the network namespace, an rtnetlink socket of it */
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
	int lock_fd;	  /* of the container's record, kept open by the keeper; -1 = none */
	int tap_sock;	  /* net_tap_socket() or -1 */
	int stdio[3];	  /* for the container, without a terminal or detached */
	struct join join; /* of --network container: and ns:, else empty */
	bool detached;	  /* becomes the monitor when the program runs; never ends with crt */
	int net_fd;	  /* detached: crt-net's life line, else -1 */
	int net_pid_fd;	  /* detached: of crt-net, else -1 */
	int notify_fd;	  /* of the service manager, else -1 */
	bool keep_record; /* it existed before: whatever fails, the record stays */
};

/*
 * The keeper's life, in the child made by userns_clone(). Owns all fds of k.
 * ctl_fd: its end of the socket; a byte read from it opens the gate, its end
 * of file ends the container. Never returns.
 */
void keeper_main(struct keeper_start *k, struct userns_child *self, int ctl_fd)
	__attribute__((noreturn));

/*
 * Write BUNDLE/pid: the container's process and ours, each with its start time. With s also beside
 * the record, with the boot id: a logout can take the runtime directory from a container that goes on. 0 or -errno.
 */
int keeper_write_pid(int bundle_fd, pid_t pid, struct storage *s, const char *id, struct error *e);
/* What is left to do after the end: orphans of --pid=host, mounts, bundle, record. */
struct keeper_end {
	struct storage *store;
	const char *containers, *id, *rootfs;
	struct storage_rootfs_handle *mount; /* NULL = not mounted */
	bool pid_host;
	bool oom;    /* it had more memory than it may, or its processes were killed for that */
	bool remove; /* the container goes with its end */
	bool lived;  /* its program ran */
	int code;    /* exit code, -1 = none to be recorded */
};
void keeper_clean_up(const struct keeper_end *end);

#endif
