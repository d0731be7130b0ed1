/* SPDX-License-Identifier: Apache-2.0 */
/* A verb applied to each of the containers that the command line names. */
#ifndef CMD_EACH_H
#define CMD_EACH_H

#include "cmd/container.h"
#include "cmd/opt.h"

struct each {
	const struct cmd_verb *verb;
	const struct cmd_global *global;
	bool all;    /* instead of names: every container ... */
	bool latest; /* ... or the newest one */
	bool ignore; /* a name that does not exist is no error */
	bool quiet;  /* do not print the names of those that succeeded */
	/* which of all; NULL = every one */
	bool (*wanted)(const struct container *c);
	/* said: the name as it was given. 0, or -errno with e filled */
	int (*fn)(struct storage *s, struct container *c, const char *said, void *data,
		  struct error *e);
	void *data;
};

/* Print what succeeded, report what failed, go on with the rest. Returns the exit code: 0 or 125. */
int each_container(const struct each *each, char **names, int n);

#endif
