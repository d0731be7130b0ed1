/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt inspect: everything that is known of containers and images, as JSON.
 *
 * Theory of operation: a name is looked up among containers first, then among
 * images, as podman does. The objects have podman's keys, as far as there is
 * something to say; the parts of an image configuration are copied as they are.
 * JSON escapes control characters, so foreign text cannot reach the terminal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/inspect.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/size.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	const char *format, *type;
	bool size;
};

static const struct option_spec options[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json" },
	{ "size", 's', OPT_FLAG, offsetof(struct options, size),
	  .help = "Measure what containers have written" },
	{ "type", 't', OPT_STRING, offsetof(struct options, type), .arg = "TYPE",
	  .help = "What the names mean: container, image or all (default)",
	  .complete = "container|image|all" },
	OPTION_END
};

const struct cmd_verb cmd_verb_inspect = {
	.name = "inspect",
	.run = cmd_inspect,
	.options = options,
	.usage = "[OPTIONS] CONTAINER|IMAGE...",
	.summary = "Show what is known of containers and images",
	.operands = OPERANDS_BOTH,
};

static const struct option_spec typed_options[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json" },
	OPTION_END
};

const struct cmd_verb cmd_verb_image_inspect = {
	.name = "image inspect",
	.run = cmd_image_inspect,
	.options = typed_options,
	.usage = "[OPTIONS] IMAGE...",
	.summary = "Show what is known of images",
	.operands = OPERANDS_IMAGES,
};

static const struct option_spec container_options[] = {
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json" },
	{ "size", 's', OPT_FLAG, offsetof(struct options, size),
	  .help = "Measure what containers have written" },
	OPTION_END
};

const struct cmd_verb cmd_verb_container_inspect = {
	.name = "container inspect",
	.run = cmd_container_inspect,
	.options = container_options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Show what is known of containers",
	.operands = OPERANDS_CONTAINERS,
};

static const struct out_column no_columns[] = { { NULL, NULL } };

/* ---- containers ----------------------------------------------------------------------- */

static int inspect_container(struct storage *s, const char *text, bool size, json_t **ret,
			     struct error *e)
{
	struct container c = { .id = NULL };
	_cleanup_free_ char *id = NULL;
	int r = storage_container_find(s, text, &id, e);

	if (r == STORAGE_FOUND)
		r = container_load(s, id, &c, e);
	if (r != 0)
		return r;
	if (size)
		r = size_containers(s, &c, 1, e);
	if (r == 0)
		*ret = inspect_container_json(s, &c);
	if (r == 0 && *ret != NULL && size &&
	    (json_object_set_new(*ret, "SizeRw", json_integer((json_int_t)c.size_rw)) < 0 ||
	     json_object_set_new(*ret, "SizeRootFs",
				 json_integer((json_int_t)(c.size_rw + c.size_image))) < 0)) {
		json_decref(*ret);
		*ret = NULL;
	}
	container_fini(&c);
	if (r < 0)
		return r;
	return *ret != NULL ? 0 : error_set(e, -ENOMEM, "inspecting %s", text);
}

/* ---- images ---------------------------------------------------------------------------- */

static int inspect_image(struct storage *s, const char *text, json_t **ret, struct error *e)
{
	struct storage_image image = { 0 };
	int r = storage_image_resolve(s, text, &image, e);

	if (r != STORAGE_FOUND)
		return r;
	*ret = inspect_image_json(s, &image, e);
	storage_image_fini(&image);
	if (*ret != NULL)
		return 0;
	return e->code < 0 ? e->code : error_set(e, -ENOMEM, "inspecting %s", text);
}

/* ---- the verb ---------------------------------------------------------------------------- */

static int inspect_one(struct storage *s, const char *text, const char *type, bool size,
		       json_t **ret, struct error *e)
{
	bool containers = type == NULL || strcmp(type, "all") == 0 ||
			  strcmp(type, "container") == 0;
	bool images = type == NULL || strcmp(type, "all") == 0 || strcmp(type, "image") == 0;
	int r = STORAGE_MISSING;

	if (containers)
		r = inspect_container(s, text, size, ret, e);
	if (images && (r == STORAGE_MISSING || r == -ENOENT)) {
		*e = ERROR_INIT;
		r = inspect_image(s, text, ret, e);
	}
	if (r != STORAGE_MISSING && r != -ENOENT)
		return r;
	if (containers && images)
		return error_setf(e, -ENOENT, "no such container or image: %s", text);
	return error_setf(e, -ENOENT, "no such %s: %s", containers ? "container" : "image", text);
}

static int inspect(const struct options *o, const struct cmd_global *g, char **names, int n)
{
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	int code = 0;

	if (storage_open(g->root, false, &s, &e) < 0 || out_rows_init(&rows) < 0) {
		log_error(&e);
		storage_free(s);
		return EXIT_CRT;
	}
	for (int i = 0; i < n; i++) {
		json_t *object = NULL;

		e = ERROR_INIT;
		if (inspect_one(s, names[i], o->type, o->size, &object, &e) == 0 &&
		    out_rows_add(&rows, json_incref(object), object) < 0)
			(void)error_set(&e, -ENOMEM, "inspecting %s", names[i]);
		if (e.code < 0) {
			log_error(&e);
			code = EXIT_CRT;
		}
	}
	e = ERROR_INIT;
	/* What was found is shown, also when something else was not; podman prints "[]" for nothing. */
	if (out_print(&rows, no_columns, o->format != NULL ? o->format : "json", true, &e) < 0) {
		log_error(&e);
		code = EXIT_CRT;
	}
	out_rows_fini(&rows);
	storage_free(s);
	return code;
}

int cmd_inspect(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	int code;
	int first = opt_parse(&cmd_verb_inspect, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(&cmd_verb_inspect,
				       "crt inspect needs the name of a container or an image");
	if (o.type != NULL && strcmp(o.type, "all") != 0 && strcmp(o.type, "container") != 0 &&
	    strcmp(o.type, "image") != 0)
		return opt_usage_error(&cmd_verb_inspect,
				       "--type is container, image or all, not \"%s\"", o.type);
	return inspect(&o, g, argv + first, argc - first);
}

static int inspect_typed(const struct cmd_verb *verb, const char *type, int argc, char **argv,
			 const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	int code;
	int first = opt_parse(verb, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(verb, "crt %s needs a name", verb->name);
	o.type = type;
	return inspect(&o, g, argv + first, argc - first);
}

int cmd_image_inspect(int argc, char **argv, const struct cmd_global *g)
{
	return inspect_typed(&cmd_verb_image_inspect, "image", argc, argv, g);
}

int cmd_container_inspect(int argc, char **argv, const struct cmd_global *g)
{
	return inspect_typed(&cmd_verb_container_inspect, "container", argc, argv, g);
}
