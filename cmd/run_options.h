/* SPDX-License-Identifier: Apache-2.0 */
/* The option table of `crt run`: argv -> struct run_request. */
#ifndef CMD_RUN_OPTIONS_H
#define CMD_RUN_OPTIONS_H

#include <stdbool.h>

#include "cmd/request.h"

/*
 * Fill an initialised request. False when the verb is over (--help or an error
 * that was printed): *ret_code is then the exit code.
 */
bool run_options_parse(int argc, char **argv, struct run_request *req, int *ret_code);

#endif
