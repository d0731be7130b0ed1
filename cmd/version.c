/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt version: what this is.
 *
 * Theory of operation: prints constants of the build and the kernel's release.
 */
#include <stdio.h>
#include <sys/utsname.h>

#include "cmd/opt.h"
#include "cmd/verbs.h"

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_version = {
	.name = "version",
	.run = cmd_version,
	.options = options,
	.usage = "",
	.summary = "Show the version",
};

int cmd_version(int argc, char **argv, const struct cmd_global *g)
{
	struct utsname u;
	int code;
	int first = opt_parse(&cmd_verb_version, argc, argv, NULL, &code);

	(void)g; /* the version is the same everywhere */
	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&cmd_verb_version, "crt version takes no arguments");
	(void)printf("Version:      %s\n", CRT_VERSION); /* fflush() tells */
	if (uname(&u) == 0)
		(void)printf("Kernel:       %s %s\nArchitecture: %s\n", u.sysname, u.release,
			     u.machine);
	return fflush(stdout) == 0 ? 0 : EXIT_CRT;
}
