/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt container prune: remove the containers that do not run.
 *
 * Theory of operation: candidates are those that ended or were never started; filters choose
 * among them. Each is removed as crt rm does it, which looks again whether it lives.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/filter.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"

struct options {
	bool force;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "filter", 0, OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Remove only some: until=, label=, label!=", .complete = "until=|label=|label!=" },
	{ "force", 'f', OPT_FLAG, offsetof(struct options, force), .help = "Do not ask" },
	OPTION_END
};

const struct cmd_verb cmd_verb_container_prune = {
	.name = "container prune",
	.run = cmd_container_prune,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Remove all containers that do not run",
};

static int by_until(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;
	time_t t;

	(void)data;
	if (out_parse_until(value, time(NULL), &t) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is neither a time nor a duration", value);
	return c == NULL || c->created < t;
}

static int by_label(const void *item, const char *value, void *data, struct error *e)
{
	const struct container *c = item;

	(void)data;
	(void)e; /* every text is one */
	return c == NULL || filter_label(json_object_get(c->record, "labels"), value);
}

static int by_no_label(const void *item, const char *value, void *data, struct error *e)
{
	return item == NULL || !by_label(item, value, data, e);
}

static const struct filter_spec filters[] = { { "until", false, by_until },
					      { "label", true, by_label },
					      { "label!", true, by_no_label },
					      { NULL, false, NULL } };

/* As podman: a question on the terminal, no without an answer. */
static bool confirmed(void)
{
	char answer[16] = "";

	(void)fputs("WARNING! This will remove all non running containers.\n"
		    "Are you sure you want to continue? [y/N] ",
		    stdout);
	(void)fflush(stdout); /* a question that cannot be shown gets no answer */
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int prune(const struct options *o, struct storage *s, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct container *all = NULL;
	size_t n = 0;
	int r = filter_check(filters, &o->filters, NULL, e);

	if (r == 0)
		r = container_list(s, &all, &n, e);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (all[i].live)
			continue;
		r = filter_pass(filters, &o->filters, &all[i], NULL, e);
		if (r <= 0)
			continue;
		r = container_remove(s, &all[i], 0, e);
		if (r == 0)
			(void)buf_printf(&b, "%s\n", all[i].id); /* out_write() sees a failure */
		if (r == -ENOENT) {				 /* somebody was faster */
			*e = ERROR_INIT;
			r = 0;
		}
	}
	containers_free(all, n);
	return r < 0 ? r : out_write(&b, e);
}

int cmd_container_prune(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .force = false };
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	int code;
	int first = opt_parse(&cmd_verb_container_prune, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&cmd_verb_container_prune,
				       "crt container prune takes no arguments");
	} else if (first >= 0 && (o.force || confirmed())) {
		code = 0;
		if (storage_open(g->root, false, &s, &e) < 0 || prune(&o, s, &e) < 0) {
			log_error(&e);
			code = EXIT_CRT;
		}
		if (s != NULL)
			inside_empty_trash(s);
		storage_free(s);
	}
	strv_fini(&o.filters);
	return code;
}
