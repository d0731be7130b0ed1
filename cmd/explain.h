/* SPDX-License-Identifier: Apache-2.0 */
/* crt run --explain: the plan as JSON. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include "base/error.h"
#include "cmd/compose.h"

/* Print the plan of a composed run to standard output. 0 or -errno. */
int explain_print(const struct run_plan *p, struct error *e);

#endif
