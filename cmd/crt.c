/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt: the command line tool.
 *
 * Theory of operation
 *
 * main() makes the process fit for everything that follows (standard streams
 * open, signals as proc_own_signals() says), reads the options in front of the verb, and calls the
 * verb by the table below. A verb parses its own words with cmd/opt.h and
 * returns the exit code. 125 is always a failure of crt itself; 126, 127 and the
 * rest come from running containers.
 *
 * Nothing here is hostile but the environment, of which only the variables
 * that the manual names are read, by the modules that need them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "runtime/runtime.h"

struct options {
	struct cmd_global global;
	bool version;
};

static int set_level(void *data, const char *value, struct error *e)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = { { "error", LOG_LEVEL_ERROR },	 { "fatal", LOG_LEVEL_ERROR },
		       { "panic", LOG_LEVEL_ERROR },	 { "warn", LOG_LEVEL_WARNING },
		       { "warning", LOG_LEVEL_WARNING }, { "info", LOG_LEVEL_INFO },
		       { "debug", LOG_LEVEL_DEBUG },	 { "trace", LOG_LEVEL_DEBUG } };
	struct options *o = data;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, value) == 0) {
			log_set_level(levels[i].level);
			o->global.log_level = value;
			return 0;
		}
	}
	return error_setf(e, -EINVAL, "log level \"%s\" is not one of error, warn, info, debug",
			  value);
}

static const struct option_spec options[] = {
	{ "root", 0, OPT_STRING, offsetof(struct options, global.root), .arg = "DIR",
	  .help = "Directory of images and containers (default ~/.local/share/crt)",
	  .complete = "dir" },
	{ "runroot", 0, OPT_STRING, offsetof(struct options, global.runroot), .arg = "DIR",
	  .help = "Directory for what is needed only while containers run", .complete = "dir" },
	{ "log-level", 0, OPT_CALL, 0, .arg = "LEVEL",
	  .help = "What is reported: error, warn (default), info or debug",
	  .complete = "error|warn|info|debug", .call = set_level },
	{ "version", 'v', OPT_FLAG, offsetof(struct options, version),
	  .help = "Print the version" },
	OPTION_END
};

const struct cmd_verb cmd_verb_crt = {
	.name = "",
	.options = options,
	.usage = "[OPTIONS] COMMAND [ARG...]",
	.summary = "Run containers without root and without a daemon",
	.stops_at_operand = true,
	.verbs = cmd_verbs,
};

/* one a line, so that additions do not meet */
/* clang-format off */
const struct cmd_verb *const cmd_verbs[] = {
	&cmd_verb_run,
	&cmd_verb_create,
	&cmd_verb_start,
	&cmd_verb_stop,
	&cmd_verb_restart,
	&cmd_verb_kill,
	&cmd_verb_pause,
	&cmd_verb_unpause,
	&cmd_verb_update,
	&cmd_verb_wait,
	&cmd_verb_exec,
	&cmd_verb_attach,
	&cmd_verb_logs,
	&cmd_verb_network,
	&cmd_verb_ps,
	&cmd_verb_top,
	&cmd_verb_stats,
	&cmd_verb_port,
	&cmd_verb_events,
	&cmd_verb_healthcheck,
	&cmd_verb_rm,
	&cmd_verb_rename,
	&cmd_verb_commit,
	&cmd_verb_cp,
	&cmd_verb_export,
	&cmd_verb_diff,
	&cmd_verb_mount,
	&cmd_verb_unmount,
	&cmd_verb_pull,
	&cmd_verb_push,
	&cmd_verb_save,
	&cmd_verb_load,
	&cmd_verb_copy,
	&cmd_verb_search,
	&cmd_verb_manifest,
	&cmd_verb_delete,
	&cmd_verb_login,
	&cmd_verb_logout,
	&cmd_verb_images,
	&cmd_verb_rmi,
	&cmd_verb_tag,
	&cmd_verb_untag,
	&cmd_verb_history,
	&cmd_verb_inspect,
	&cmd_verb_container,
	&cmd_verb_image,
	&cmd_verb_volume,
	&cmd_verb_system,
	&cmd_verb_unshare,
	&cmd_verb_info,
	&cmd_verb_version,
	&cmd_verb_completion,
	&cmd_verb_keep,
	&cmd_verb_complete,
	NULL,
};
/* clang-format on */

static int print(const struct buf *b)
{
	struct error e = ERROR_INIT;

	if (out_write(b, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

static int print_version(void)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_printf(&b, "crt version %s\n", CRT_VERSION); /* print() sees a failure */
	return print(&b);
}

/* The verb that the words name: of a group ("image", "ls") the one in it. n words, at least one. NULL = none. */
static const struct cmd_verb *find_verb(char **words, int n)
{
	const struct cmd_verb *v = opt_find_verb(&cmd_verb_crt, words[0]);

	for (int i = 1; v != NULL && v->verbs != NULL && i < n && words[i][0] != '-'; i++)
		v = opt_find_verb(v, words[i]);
	return v;
}

static int help(void)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	opt_help(&cmd_verb_crt, &b);
	(void)buf_puts(&b, "\nSee 'crt COMMAND --help' for the options of a command.\n");
	return print(&b);
}

static int help_of(char **words, int n)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const struct cmd_verb *verb = find_verb(words, n);

	if (verb == NULL)
		return opt_usage_error(&cmd_verb_crt, "unknown command \"%s\"", words[0]);
	opt_help(verb, &b);
	return print(&b);
}

int main(int argc, char **argv)
{
	struct options o = { .version = false };
	struct error e = ERROR_INIT;
	const struct cmd_verb *verb, *inner;
	int first;

	log_set_name("crt");
	if (fd_sanitize_stdio() < 0)
		return EXIT_CRT;
	proc_own_signals();
	first = opt_parse_quiet(&cmd_verb_crt, argc, argv, &o, &e);
	if (first < 0)
		return e.code == 0 ? help() : opt_usage_error(&cmd_verb_crt, "%s", e.msg);
	if (o.version)
		return print_version();
	if (first == argc) {
		(void)help();
		return EXIT_CRT;
	}
	if (strcmp(argv[first], "help") == 0)
		return first + 1 < argc ? help_of(argv + first + 1, argc - first - 1) : help();
	verb = opt_find_verb(&cmd_verb_crt, argv[first]);
	if (verb == NULL)
		return opt_usage_error(&cmd_verb_crt, "unknown command \"%s\"", argv[first]);
	/* an image may name /proc/self/exe as its program: it must not get hold of a file that it can write */
	inner = find_verb(argv + first, argc - first);
	if (inner != NULL && inner->runs_containers && runtime_protect_self(argv, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return verb->run(argc - first, argv + first, &o.global);
}
