/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt container: the verbs of containers in one place.
 *
 * Theory of operation: as cmd/image.c.
 */
#include "cmd/opt.h"
#include "cmd/verbs.h"

static const struct option_spec no_options[] = { OPTION_END };

/* one a line, so that additions do not meet */
/* clang-format off */
static const struct cmd_verb *const verbs[] = {
	&cmd_verb_attach,
	&cmd_verb_commit,
	&cmd_verb_cp,
	&cmd_verb_create,
	&cmd_verb_diff,
	&cmd_verb_mount,
	&cmd_verb_container_prune,
	&cmd_verb_unmount,
	&cmd_verb_exec,
	&cmd_verb_export,
	&cmd_verb_container_inspect,
	&cmd_verb_kill,
	&cmd_verb_logs,
	&cmd_verb_pause,
	&cmd_verb_ps,
	&cmd_verb_port,
	&cmd_verb_rename,
	&cmd_verb_restart,
	&cmd_verb_rm,
	&cmd_verb_run,
	&cmd_verb_start,
	&cmd_verb_stats,
	&cmd_verb_stop,
	&cmd_verb_top,
	&cmd_verb_unpause,
	&cmd_verb_update,
	&cmd_verb_wait,
	NULL,
};
/* clang-format on */

const struct cmd_verb cmd_verb_container = {
	.name = "container",
	.run = cmd_container,
	.options = no_options,
	.usage = "COMMAND [ARG...]",
	.summary = "Everything about containers",
	.stops_at_operand = true,
	.verbs = verbs,
};

int cmd_container(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_container, argc, argv, g);
}
