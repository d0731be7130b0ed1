/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the user at a terminal. */
#ifndef CMD_PROMPT_H
#define CMD_PROMPT_H

#include <stdbool.h>

#include "base/error.h"

/*
 * One line from the controlling terminal; hidden: what is typed is not shown. Caller frees
 * (and erases). -ENOTTY when there is no terminal, -ECANCELED after Ctrl-C or Ctrl-D.
 */
int prompt_line(const char *question, bool hidden, char **ret, struct error *e);

#endif
