/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt ps: the containers of the store.
 *
 * Theory of operation: records are loaded, filtered, and shown by cmd/out.h. The
 * JSON objects have the keys of "podman ps --format json".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

#define COMMAND_SHOWN 17

struct options {
	bool all, latest, no_heading, no_trunc, quiet;
	unsigned int last;
	const char *format;
	struct strv filters;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "Show also containers that have ended" },
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: name=, id=, status=, exited=, ancestor=, label=",
	  .complete =
		  "name=|id=|status=running|status=exited|status=created|exited=|ancestor=|label=" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "last", 'n', OPT_UINT, offsetof(struct options, last), .arg = "N",
	  .help = "Show the N newest, in any state" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest),
	  .help = "Show the newest, in any state" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc),
	  .help = "Show whole ids and commands" },
	{ "noheading", 0, OPT_FLAG, offsetof(struct options, no_heading),
	  .help = "Leave the heading out" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show only the ids" },
	OPTION_END
};

const struct cmd_verb cmd_verb_ps = {
	.name = "ps",
	.run = cmd_ps,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "List containers",
};

static const struct out_column columns[] = {
	{ "CONTAINER ID", "ID" },      { "IMAGE", "Image" },   { "COMMAND", "Command" },
	{ "CREATED", "CreatedHuman" }, { "STATUS", "Status" }, { "PORTS", "Ports" },
	{ "NAMES", "Names" },	       { NULL, NULL },
};
static const struct out_column columns_quiet[] = { { "CONTAINER ID", "ID" }, { NULL, NULL } };

/* ---- filters ---------------------------------------------------------------------------- */

static bool label_matches(const struct container *c, const char *want)
{
	const char *eq = strchr(want, '=');
	_cleanup_free_ char *key = eq != NULL ? strndup(want, (size_t)(eq - want)) : strdup(want);
	const char *value;

	if (key == NULL)
		return false;
	value = json_string_value(json_object_get(json_object_get(c->record, "labels"), key));
	return value != NULL && (eq == NULL || strcmp(value, eq + 1) == 0);
}

static bool image_matches(const struct container *c, const char *want)
{
	const char *at;

	if (strcmp(c->image, want) == 0 ||
	    (c->image_id[0] != '\0' && str_starts(c->image_id, want)))
		return true;
	/* "busybox" and "busybox:latest" for "docker.io/library/busybox:latest" */
	for (at = strstr(c->image, want); at != NULL; at = strstr(at + 1, want)) {
		const char *end = at + strlen(want);

		if ((at == c->image || at[-1] == '/') && (*end == '\0' || *end == ':'))
			return true;
	}
	return false;
}

/* Refuse what filter_matches() would, also when there is no container to try it on. */
static int check_filters(const struct options *o, struct error *e)
{
	static const char *const keys[] = { "name=",   "id=",	    "status=",
					    "exited=", "ancestor=", "label=" };
	const size_t n = sizeof(keys) / sizeof(keys[0]);

	for (size_t i = 0; i < o->filters.n; i++) {
		size_t k = 0;

		while (k < n && !str_starts(o->filters.v[i], keys[k]))
			k++;
		if (k == n)
			return error_setf(
				e, -EINVAL,
				"filter \"%s\" is not known: use name=, id=, status=, exited=, "
				"ancestor= or label=",
				o->filters.v[i]);
	}
	return 0;
}

/* 1: matches, 0: not, -EINVAL. The key is one of check_filters(). */
static int filter_matches(const struct container *c, const char *filter, struct error *e)
{
	const char *value = strchr(filter, '=');
	size_t len = value != NULL ? (size_t)(value - filter) : 0;
	unsigned long long code;

	if (value == NULL)
		return 0;
	value++;
	if (len == 4 && memcmp(filter, "name", 4) == 0)
		return strstr(c->name, value) != NULL;
	if (len == 2 && memcmp(filter, "id", 2) == 0)
		return str_starts(c->id, value);
	if (len == 6 && memcmp(filter, "status", 6) == 0)
		return strcmp(c->state, value) == 0;
	if (len == 6 && memcmp(filter, "exited", 6) == 0) {
		if (str_to_u64(value, 255, &code) < 0)
			return error_setf(e, -EINVAL, "filter \"%s\": not an exit code", filter);
		return c->exit_code == (int)code;
	}
	if (len == 8 && memcmp(filter, "ancestor", 8) == 0)
		return image_matches(c, value);
	return label_matches(c, value);
}

/* As podman: values of one key are alternatives, different keys must all match. */
static int passes(const struct options *o, const struct container *c, struct error *e)
{
	bool any_status = o->all || o->latest || o->last > 0;

	for (size_t i = 0; i < o->filters.n; i++) {
		size_t key = strcspn(o->filters.v[i], "=") + 1;
		bool found = false;

		if (str_starts(o->filters.v[i], "status=") ||
		    str_starts(o->filters.v[i], "exited="))
			any_status = true;
		for (size_t k = 0; k < o->filters.n; k++) {
			int r;

			if (strncmp(o->filters.v[i], o->filters.v[k], key) != 0)
				continue;
			r = filter_matches(c, o->filters.v[k], e);
			if (r < 0)
				return r;
			found = found || r > 0;
		}
		if (!found)
			return 0;
	}
	return any_status || strcmp(c->state, "running") == 0;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Where the volumes are in the container. */
static json_t *mount_points(const struct container *c)
{
	_cleanup_json_ json_t *volumes = container_volumes(c);
	json_t *list = json_array();
	json_t *v;
	size_t i;

	json_array_foreach(volumes, i, v)
		(void)json_array_append(list, json_object_get(v, "Destination")); /* as in a pack */
	return list;
}

/* The same as one text, which the caller frees. */
static char *mount_text(const struct container *c)
{
	_cleanup_json_ json_t *points = mount_points(c);
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *v;
	size_t i;

	json_array_foreach(points, i, v)
		(void)buf_printf(&b, "%s%s", i > 0 ? "," : "", json_string_value(v));
	return b.err < 0 ? NULL : strdup(buf_str(&b));
}

static json_t *row_data(const struct container *c, const char *status)
{
	json_t *labels = json_object_get(c->record, "labels");
	json_t *ports = json_object_get(c->record, "ports");
	json_t *command = json_object_get(c->record, "command");
	json_t *nothing = json_null();

	return json_pack(
		"{s:s, s:[s], s:s, s:s, s:O, s:s, s:s, s:b, s:i, s:i, s:I, s:s, s:b, s:O, s:O, s:o}",
		"Id", c->id, "Names", c->name, "Image", c->image, "ImageID", c->image_id, "Command",
		command != NULL ? command : nothing, "State", c->state, "Status", status, "Exited",
		(int)(strcmp(c->state, "exited") == 0), "ExitCode", c->exit_code, "Pid",
		(int)c->pid, "Created", (json_int_t)c->created, "CreatedAt",
		json_string_value(json_object_get(c->record, "created")) != NULL ?
			json_string_value(json_object_get(c->record, "created")) :
			"",
		"AutoRemove", (int)json_is_true(json_object_get(c->record, "rm")), "Labels",
		labels != NULL ? labels : nothing, "Ports", ports != NULL ? ports : nothing,
		"Mounts", mount_points(c));
}

static char *shown_command(const struct container *c, bool full)
{
	char *text = container_command(c);
	size_t len = COMMAND_SHOWN;

	if (text == NULL || full || strlen(text) <= len)
		return text;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--; /* not in the middle of a character */
	text[len] = '\0';
	char *cut = str_printf("%s...", text);

	free(text);
	return cut;
}

static int add_row(struct out_rows *rows, const struct options *o, const struct container *c)
{
	time_t now = time(NULL);
	_cleanup_free_ char *id = out_id(c->id, o->no_trunc);
	_cleanup_free_ char *image_id = out_id(c->image_id, o->no_trunc);
	_cleanup_free_ char *command = shown_command(c, o->no_trunc);
	_cleanup_free_ char *status = container_status(c, now);
	_cleanup_free_ char *ports = container_ports(c);
	_cleanup_free_ char *mounts = mount_text(c);
	_cleanup_free_ char *age = out_duration(c->created, now);
	_cleanup_free_ char *at = out_time(c->created);
	_cleanup_free_ char *human = age != NULL ? str_printf("%s ago", age) : NULL;
	json_t *labels = json_object_get(c->record, "labels");

	if (id == NULL || image_id == NULL || command == NULL || status == NULL || ports == NULL ||
	    at == NULL || human == NULL || mounts == NULL)
		return -ENOMEM;
	return out_rows_add(
		rows,
		json_pack(
			"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:O?}",
			"ID", id, "Image", c->image, "ImageID", image_id, "Command", command,
			"CreatedHuman", human, "RunningFor", human, "CreatedAt", at, "Status",
			status, "State", c->state, "Ports", ports, "Names", c->name, "Pid",
			(int)c->pid, "ExitCode", c->exit_code, "Mounts", mounts, "Labels", labels),
		row_data(c, status));
}

static int list(const struct options *o, const struct cmd_global *g, struct error *e)
{
	struct container *all = NULL;
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	size_t limit = o->latest ? 1 : o->last > 0 ? o->last : SIZE_MAX;
	size_t n = 0;
	int r;

	r = check_filters(o, e);
	if (r == 0)
		r = storage_open(g->root, false, &s, e);
	if (r == 0)
		r = container_list(s, &all, &n, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing containers");
	for (size_t i = 0; r == 0 && i < n && json_array_size(rows.fields) < limit; i++) {
		r = passes(o, &all[i], e);
		if (r > 0 && (r = add_row(&rows, o, &all[i])) < 0)
			r = error_set(e, r, "listing containers");
	}
	if (r == 0)
		r = out_print(&rows, o->quiet ? columns_quiet : columns, o->format,
			      o->quiet || o->no_heading, e);
	out_rows_fini(&rows);
	containers_free(all, n);
	storage_free(s);
	return r;
}

int cmd_ps(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_ps, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&cmd_verb_ps, "crt ps takes no arguments");
	} else if (first >= 0) {
		code = list(&o, g, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.filters);
	return code;
}
