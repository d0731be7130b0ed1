/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --sdnotify: telling the service manager that started us ($NOTIFY_SOCKET) that the
 * container runs. Part of crt and of crt-monitor.
 */
#ifndef CMD_NOTIFY_H
#define CMD_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

enum request_sdnotify {
	REQUEST_SDNOTIFY_CONTAINER, /* the container says READY=1 itself */
	REQUEST_SDNOTIFY_CONMON,    /* when it has been started */
	REQUEST_SDNOTIFY_HEALTHY,   /* when it is healthy */
	REQUEST_SDNOTIFY_IGNORE,
	REQUEST_SDNOTIFY_COUNT
};

#define NOTIFY_DIR    "notify"	    /* in the bundle */
#define NOTIFY_SOCKET "notify.sock" /* in it */
#define NOTIFY_INSIDE "/run/notify" /* where the container has it */

/*
 * A socket that is connected to the manager, the caller's, in *ret_fd, which stays as it is when
 * there is no manager. Call it in the caller's namespaces.
 */
int notify_open(int *ret_fd, struct error *e);
/* The container's socket in the bundle's directory. fd or -errno. */
int notify_listen(int bundle_fd, struct error *e);
/* What the container has sent, without what is not its business. main: 0 = do not name one. */
void notify_forward(int in_fd, int out_fd, pid_t main);
/* Say who the main process is (0: do not), and, with ready, that all is up. */
void notify_tell(int out_fd, pid_t main, bool ready);

#endif
