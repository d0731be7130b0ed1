/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to a running container: what run, create and start share. */
#ifndef CMD_LAUNCH_H
#define CMD_LAUNCH_H

#include "base/error.h"
#include "cmd/compose.h"
#include "cmd/opt.h"
#include "cmd/relay.h"
#include "cmd/join.h"
#include "net/net.h"
#include "userns/userns.h"

/* launch_init(), then in this order: open, plan, create (unless it exists), one of foreground and detached; launch_fini(). */
struct launch {
	const struct cmd_global *global;
	struct run_request *req; /* borrowed */
	struct run_plan plan;
	char *containers; /* runtime directory of all containers */
	int lock_fd;	  /* of the container; with existing the caller's, given before plan */
	bool existing; /* the record is there: plan.id and plan.name are set before launch_plan() */
	const char *image_id; /* existing: which image, whatever its name means now */
	/* detached: called when the container waits at its gate, to attach to it; or NULL. 0 or -errno */
	int (*created)(void *data, struct error *e);
	void *created_data;
	/* private */
	int bundle_fd;
	int notify_fd; /* of the service manager, -1 = none */
	bool detached;
	bool recorded;
	struct net_handle net;
	struct join join;
	struct relay_stdio stdio;
	bool net_answered; /* net_wait_ready() was called */
	int ctl[2];	   /* ours, the keeper's */
	struct userns_child keeper;
};

void launch_init(struct launch *l, const struct cmd_global *g, struct run_request *req);
void launch_fini(struct launch *l);
/* Store and runtime directory. 0 or -errno. */
int launch_open(struct launch *l, struct error *e);
/* The image (fetched where the request says so) and the configuration. 0 or -errno. */
int launch_plan(struct launch *l, struct error *e);
/*
 * The container's record and, where it can be started again, its request; locked. started: it is
 * going to be. Also --replace and --cidfile. 0 or -errno.
 */
int launch_create(struct launch *l, bool started, struct error *e);
/* Run it here until it ends. The exit code, 125 to 127 with e filled for failures. */
int launch_foreground(struct launch *l, struct error *e);
/* Start it and leave it to its monitor. 0, or 125 to 127 with e filled. */
int launch_detached(struct launch *l, struct error *e);

#endif
