/* SPDX-License-Identifier: Apache-2.0 */
/* Our streams joined with those of a detached container. */
#ifndef CMD_ATTACH_H
#define CMD_ATTACH_H

#include <stdbool.h>

#include "base/error.h"

struct attach {
	int sock_fd; /* container_connect(); borrowed */
	int pid_fd;  /* signals go there; -1 = not passed on */
	bool tty;    /* the container has a terminal */
	bool no_stdin;
	const char *detach_keys; /* NULL = ctrl-p,ctrl-q; "" = none */
};

/*
 * Until the container ends or the detach keys are typed. The exit code (0 after
 * detaching), 125 with e filled for failures. The terminal is restored.
 */
int attach_run(const struct attach *a, struct error *e);
/* Are these keys ("ctrl-p,ctrl-q", "a,ctrl-]", "")? 0 or -EINVAL. */
int attach_check_keys(const char *keys, struct error *e);

#endif
