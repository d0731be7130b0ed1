/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the group "system". */
#ifndef CMD_SYSTEM_H
#define CMD_SYSTEM_H

#include "cmd/opt.h"

/* system_df.c */
extern const struct cmd_verb system_verb_df;

#endif
