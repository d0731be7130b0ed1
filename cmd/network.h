/* SPDX-License-Identifier: Apache-2.0 */
/* Private to cmd/network*.c: what the verbs of crt network share. */
#ifndef CMD_NETWORK_H
#define CMD_NETWORK_H

#include <jansson.h>

#include "cmd/filter.h"
#include "cmd/opt.h"

#define NETWORK_EXIT_MISSING 1
#define NETWORK_EXIT_USED    2

extern const struct cmd_verb network_verb_create, network_verb_exists, network_verb_inspect,
	network_verb_ls, network_verb_connect, network_verb_disconnect;

/* Go names of a definition for --format. NULL on -ENOMEM. */
json_t *network_fields(const json_t *json);
/* --filter: item is a definition (json_t). */
extern const struct filter_spec network_filters[];
#define NETWORK_FILTER_WORDS \
	"name=|id=|driver=bridge|label=|label!=|until=|dangling=true|dangling=false"

#endif
