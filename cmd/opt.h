/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables: one table per verb drives parsing, --help, the completion of
 * bash and the check of the man pages.
 *
 * How a verb declares itself (see cmd/images.c for a small one):
 *
 *	struct options { bool all; const char *name; struct strv env; };
 *
 *	static const struct option_spec options[] = {
 *		{ "all", 'a', OPT_FLAG, offsetof(struct options, all), .help = "Show all" },
 *		{ "name", 0, OPT_STRING, offsetof(struct options, name), .arg = "NAME", .help = "Name it" },
 *		{ "env", 'e', OPT_STRINGS, offsetof(struct options, env), .arg = "KEY=VALUE", .help = "Set" },
 *		OPTION_END
 *	};
 *	const struct cmd_verb cmd_verb_foo = {
 *		.name = "foo", .run = cmd_foo, .options = options, .usage = "[OPTIONS] IMAGE [ARG...]",
 *		.summary = "Do foo", .stops_at_operand = true, .operands = OPERANDS_IMAGE,
 *	};
 *	int cmd_foo(int argc, char **argv, const struct cmd_global *g)
 *	{
 *		struct options o = { 0 };
 *		int code;
 *		int first = opt_parse(&cmd_verb_foo, argc, argv, &o, &code);
 *
 *		if (first < 0)
 *			return code;	(--help was printed, or the error; code is 0 or 125)
 *		... operands are argv[first] .. argv[argc - 1] ...
 *	}
 *
 * plus "extern const struct cmd_verb cmd_verb_foo; int cmd_foo(...);" in
 * cmd/verbs.h and "&cmd_verb_foo" in the table of cmd/crt.c.
 *
 * Syntax understood, as podman's and docker's: --opt VALUE, --opt=VALUE, -o VALUE,
 * -oVALUE, -o=VALUE, clusters (-it), flags with =true or =false, "--" ends the options.
 * --help and -h are always there (unless the verb has an -h of its own).
 */
#ifndef CMD_OPT_H
#define CMD_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum option_type {
	OPT_FLAG,     /* bool */
	OPT_TRISTATE, /* int, 1 or 0; the caller's default (-1) stays when it is not given */
	OPT_STRING,   /* const char *, borrowed from argv; the last one wins */
	OPT_STRINGS,  /* struct strv, one entry per use; free with strv_fini() */
	OPT_LIST,     /* struct strv, values split at commas */
	OPT_INT,      /* long long, any decimal number, also negative */
	OPT_UINT,     /* unsigned int, 0 to 2^31-1 */
	OPT_SIZE,     /* unsigned long long, bytes with an optional suffix (str_to_size()) */
	OPT_CALL,     /* call() with the data and the value */
	OPT_TYPE_COUNT
};

struct option_spec {
	const char *name; /* long name without "--"; NULL ends the table */
	char letter;	  /* short name or 0 */
	enum option_type type;
	size_t offset;	  /* of the member in the verb's structure; not for OPT_CALL */
	const char *arg;  /* name of the value in --help; NULL for flags */
	const char *help; /* one line without a full stop; NULL: not shown (an alias) */
	/* Completion: "file", "dir", "image", "container", "network", or words separated by "|"; NULL: nothing. */
	const char *complete;
	int (*call)(void *data, const char *value, struct error *e);
};
#define OPTION_END           \
	{                    \
		.name = NULL \
	}

enum operands {
	OPERANDS_NONE,
	OPERANDS_IMAGE, /* one image; what follows is not ours */
	OPERANDS_IMAGES,
	OPERANDS_CONTAINERS,
	OPERANDS_BOTH, /* containers and images */
	OPERANDS_VOLUMES,
	OPERANDS_NETWORKS,
	OPERANDS_NETWORK_CONTAINER, /* one of each */
	OPERANDS_WORDS,		    /* .words */
	OPERANDS_COUNT
};

/* What was given in front of the verb. Strings borrowed from argv or the environment. */
struct cmd_global {
	const char *root; /* --root: the store; NULL = storage's default */
	const char *
		runroot; /* --runroot: directory for what lives as long as containers run; NULL = default */
	const char *log_level; /* as given, NULL = default (already applied) */
};

struct cmd_verb {
	const char *name;
	const char *alias; /* a second name, or NULL */
	/* Its names in a group that lists it without being of it ("ls|list" of images in "image"); NULL: name. */
	const char *grouped;
	int (*run)(int argc, char **argv,
		   const struct cmd_global *g); /* argv[0] is the verb; returns the exit code */
	const struct option_spec *options;
	const char *usage;     /* what follows the name: "[OPTIONS] IMAGE..." */
	const char *summary;   /* one line without a full stop */
	const char *details;   /* more lines for --help, or NULL */
	bool stops_at_operand; /* the first operand ends the options (run) */
	bool hidden;	       /* not listed by crt --help */
	bool runs_containers;  /* our own executable is protected from what it runs */
	enum operands operands;
	const char *words; /* for OPERANDS_WORDS: separated by "|" */
	const struct cmd_verb *const *
		verbs; /* of a group ("volume"): its verbs ("volume ls"), or others; NULL at the end */
};

#define EXIT_CRT 125 /* crt itself failed */

/*
 * Parse argv[1..] into data. Operands are moved behind the options (their order
 * is kept; only without stops_at_operand). Returns the index of the first
 * operand (argc when there is none), or -1 when the verb is over: *ret_code is
 * then its exit code (0 after --help, 125 after an error that was printed).
 */
int opt_parse(const struct cmd_verb *verb, int argc, char **argv, void *data, int *ret_code);
/* As above, without printing anything: -1 leaves the message in e, or e->code 0 for --help. */
int opt_parse_quiet(const struct cmd_verb *verb, int argc, char **argv, void *data,
		    struct error *e);
/* Print "crt: MESSAGE. See 'crt VERB --help'" in one line; returns 125. */
int opt_usage_error(const struct cmd_verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Run the verb of a group that argv names: cmd_verb.run of the group. Returns the exit code. */
int opt_run_group(const struct cmd_verb *group, int argc, char **argv, const struct cmd_global *g);
/* The verb of a group (cmd_verb_crt: of crt) that word names, or NULL. */
const struct cmd_verb *opt_find_verb(const struct cmd_verb *group, const char *word);
/* What a verb is called in a group: the first of its names there. Borrowed, with its length. */
const char *opt_name_in(const struct cmd_verb *group, const struct cmd_verb *verb, size_t *ret_len);
/* "true", "1", "t" ... as Go's strconv.ParseBool. 0 or -EINVAL. */
int opt_parse_bool(const char *text, bool *ret);
/* The --help text of a verb, appended to b. */
void opt_help(const struct cmd_verb *verb, struct buf *b);

#endif
