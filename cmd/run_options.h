/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of `crt run` and `crt create`: argv -> struct run_request. */
#ifndef CMD_RUN_OPTIONS_H
#define CMD_RUN_OPTIONS_H

#include <stdbool.h>

#include "cmd/opt.h"
#include "cmd/request.h"

/*
 * Fill an initialised request. False when the verb is over (--help or an error
 * that was printed): *ret_code is then the exit code.
 */
bool run_options_parse(const struct cmd_verb *verb, int argc, char **argv, struct run_request *req,
		       int *ret_code);

#endif
