/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt load: the images of an archive into the store.
 *
 * Theory of operation: crt-fetch reads the archive in its cage; storage judges
 * the names that are in it. All images are taken or none. Two of the same name
 * are no error: the last one has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/events.h"
#include "cmd/fetch.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "userns/userns.h"

struct options {
	const char *input, *platform;
	bool quiet;
};

static const struct option_spec options[] = {
	{ "input", 'i', OPT_STRING, offsetof(struct options, input), .arg = "FILE",
	  .help = "Archive or directory to read (default: standard input)", .complete = "file" },
	{ "platform", 0, OPT_STRING, offsetof(struct options, platform), .arg = "OS/ARCH[/VARIANT]",
	  .help = "Platform, if not this machine's",
	  .complete = "linux/amd64|linux/arm64|linux/386|linux/arm/v7" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show no progress" },
	OPTION_END
};

const struct cmd_verb cmd_verb_load = {
	.name = "load",
	.run = cmd_load,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Take the images of an archive into the store",
};

static int report(char *lines, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *rest = NULL;

	for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		(void)buf_printf(&b, "Loaded image: %s\n", line); /* out_write() sees a failure */
	return out_write(&b, e);
}

static int load_from(const struct options *o, struct storage *s, int fd, struct error *e)
{
	struct userns_caps caps = { 0 };
	struct storage_fetch *f = NULL;
	_cleanup_free_ char *names = NULL;
	int r = userns_probe(&caps, e);

	if (r == 0)
		r = storage_load_begin(s, fd, o->platform, caps.kind != USERNS_KIND_SINGLE, &f, e);
	userns_caps_fini(&caps);
	if (r == 0)
		r = cmd_fetch_run(f, o->quiet, &names, e);
	storage_fetch_free(f);
	if (r >= 0)
		events_object(s, "image", "load", NULL, names);
	return r < 0 ? r : report(names, e);
}

static int load(const struct options *o, const struct cmd_global *g, struct error *e)
{
	const char *shown = o->input != NULL ? o->input : "standard input";
	_cleanup_fd_ int file = -1;
	struct storage *s = NULL;
	int r = 0;

	if (o->input != NULL && strcmp(o->input, "-") != 0) {
		file = open(o->input, O_RDONLY | O_NOCTTY | O_CLOEXEC);
		if (file < 0)
			return error_set(e, -errno, "open %s", o->input);
	} else if (isatty(STDIN_FILENO) == 1) {
		return error_setf(
			e, -EINVAL,
			"standard input is a terminal: name a file by --input, or redirect it");
	}
	r = storage_open(g->root, true, &s, e);
	if (r == 0) {
		r = load_from(o, s, file >= 0 ? file : STDIN_FILENO, e);
		if (r < 0)
			(void)error_prefix(e, "%s", shown);
		inside_empty_trash(s);
	}
	storage_free(s);
	return r;
}

int cmd_load(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .input = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_load, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return opt_usage_error(&cmd_verb_load, "crt load takes no operands: see --input");
	(void)umask(022); /* as in cmd_run() */
	if (load(&o, g, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
