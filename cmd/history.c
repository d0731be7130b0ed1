/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt history: how an image was made, newest step first.
 *
 * Theory of operation: the configuration of an image lists its steps, those that made no layer
 * ("empty_layer") among them; the others take the layers in order. All of it is foreign
 * text and need not fit: steps without a layer left have size 0, and layers without
 * a step are shown as such. A layer's size is what its unpacking noted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/image_filter.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

#define SHORT_COMMAND 45 /* characters of a step that fit into the table, as podman */

struct options {
	int human;
	bool no_trunc, quiet;
	const char *format;
};

static const struct option_spec options[] = {
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "human", 'H', OPT_TRISTATE, offsetof(struct options, human),
	  .help = "Sizes and times for people (default); --human=false: bytes and dates" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc),
	  .help = "Show whole ids and commands" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show only the ids" },
	OPTION_END
};

const struct cmd_verb cmd_verb_history = {
	.name = "history",
	.run = cmd_history,
	.options = options,
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show how an image was made",
	.operands = OPERANDS_IMAGES,
};

static const struct out_column columns[] = {
	{ "ID", "ID" },	    { "CREATED", "Created" }, { "CREATED BY", "CreatedBy" },
	{ "SIZE", "Size" }, { "COMMENT", "Comment" }, { NULL, NULL },
};
static const struct out_column columns_quiet[] = { { "ID", "ID" }, { NULL, NULL } };

static const char *string_of(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text != NULL ? text : "";
}

/* The beginning of a command that does not fit, cut between characters. */
static char *shorten(const char *text)
{
	int len = SHORT_COMMAND - 3;

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return str_printf("%.*s...", len, text);
}

/* newest: it has the image's id; the images of other steps are not there. */
static int add_step(struct out_rows *rows, const struct options *o,
		    const struct storage_image *image, bool newest, const json_t *step,
		    uint64_t size)
{
	const char *at = string_of(step, "created"), *by = string_of(step, "created_by");
	_cleanup_free_ char *id = newest ? out_id(image->id, o->no_trunc) : strdup("<missing>");
	_cleanup_free_ char *bytes = o->human != 0 ? out_size(size) :
						     str_printf("%llu", (unsigned long long)size);
	_cleanup_free_ char *ago = NULL;
	_cleanup_free_ char *since = NULL;
	_cleanup_free_ char *command = NULL;
	json_t *data;
	time_t t = 0;

	if (out_parse_time(at, &t) < 0)
		since = strdup("N/A");
	else if (o->human == 0)
		since = strdup(at);
	else if ((ago = out_duration(t, time(NULL))) != NULL)
		since = str_printf("%s ago", ago);
	command = o->no_trunc || strlen(by) <= SHORT_COMMAND ? strdup(by) : shorten(by);
	if (id == NULL || bytes == NULL || since == NULL || command == NULL)
		return -ENOMEM;
	data = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "id",
			 newest ? image->id : "<missing>", "created", at, "Created", at,
			 "CreatedBy", by, "size", (json_int_t)size, "comment",
			 string_of(step, "comment"), "tags", json_array());
	for (size_t i = 0; newest && i < image->names.n; i++)
		(void)json_array_append_new(
			json_object_get(data, "tags"),
			json_string(image->names.v[i])); /* a shorter list is better than none */
	return out_rows_add(rows,
			    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ID", id, "Created",
				      since, "CreatedSince", since, "CreatedAt", at, "CreatedBy",
				      command, "Size", bytes, "Comment",
				      string_of(step, "comment")),
			    data);
}

static int add_steps(struct out_rows *rows, const struct options *o, struct storage *s,
		     const struct storage_image *image, struct error *e)
{
	_cleanup_json_ json_t *config =
		json_parse(image->config, image->config_len, "image configuration", e);
	const json_t *steps = json_object_get(config, "history");
	const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	size_t n = json_array_size(steps), layer = json_array_size(ids), with_layer = 0;
	bool newest = true;
	int r = 0;

	if (config == NULL)
		return e->code;
	for (size_t i = 0; i < n; i++)
		with_layer +=
			!json_is_true(json_object_get(json_array_get(steps, i), "empty_layer"));
	/* layers that no step speaks of are the newest */
	while (r == 0 && layer > with_layer) {
		const char *id = json_string_value(json_array_get(ids, --layer));

		r = add_step(rows, o, image, newest, NULL,
			     id != NULL ? storage_layer_size(s, id) : 0);
		newest = false;
	}
	for (size_t i = n; r == 0 && i-- > 0;) {
		const json_t *step = json_array_get(steps, i);
		const char *id = NULL;

		if (!json_is_true(json_object_get(step, "empty_layer")) && with_layer-- <= layer)
			id = json_string_value(json_array_get(ids, --layer));
		r = add_step(rows, o, image, newest, step,
			     id != NULL ? storage_layer_size(s, id) : 0);
		newest = false;
	}
	return r < 0 ? error_set(e, r, "history of an image") : 0;
}

static int history(const struct options *o, const struct cmd_global *g, const char *text,
		   struct error *e)
{
	struct storage_image image = { 0 };
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = storage_image_resolve(s, text, &image, e);
	if (r == STORAGE_MISSING)
		r = -ENOENT;
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "history of an image");
	if (r == 0)
		r = add_steps(&rows, o, s, &image, e);
	if (r == 0)
		r = out_print(&rows, o->quiet ? columns_quiet : columns, o->format, o->quiet, e);
	out_rows_fini(&rows);
	storage_image_fini(&image);
	storage_free(s);
	return r;
}

int cmd_history(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .human = -1 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_history, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&cmd_verb_history, "crt history needs one image");
	if (history(&o, g, argv[first], &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
