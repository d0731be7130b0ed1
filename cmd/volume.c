/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt volume: create, ls, inspect, rm, prune; export and import are in volume_tar.c.
 *
 * Theory of operation: names, filters, JSON keys and exit codes are podman's. What a volume
 * is lies in storage/volume.c, who uses it in cmd/volumes.c. Removal takes the lock of the
 * volumes exclusively, looks whether a record names the volume, and renames it away; the
 * files, which may belong to subordinate ids, are deleted afterwards as root of the user
 * namespace, without the lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/events.h"
#include "cmd/filter.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "cmd/volumes.h"

#define EXIT_MISSING 1
#define EXIT_USED    2

struct options {
	bool all, force, ignore, no_heading, quiet;
	const char *driver, *format;
	struct strv filters, labels, opts;
};
#define AT(m) offsetof(struct options, m)

static void options_fini(struct options *o)
{
	strv_fini(&o->filters);
	strv_fini(&o->labels);
	strv_fini(&o->opts);
}

static int volume_create(int argc, char **argv, const struct cmd_global *g);
static int volume_exists(int argc, char **argv, const struct cmd_global *g);
static int volume_inspect(int argc, char **argv, const struct cmd_global *g);
static int volume_ls(int argc, char **argv, const struct cmd_global *g);
static int volume_prune(int argc, char **argv, const struct cmd_global *g);
static int volume_rm(int argc, char **argv, const struct cmd_global *g);

static const struct option_spec create_options[] = {
	{ "driver", 'd', OPT_STRING, AT(driver), .arg = "DRIVER", .help = "Only local exists",
	  .complete = "local" },
	{ "ignore", 0, OPT_FLAG, AT(ignore), .help = "It is no error when it exists" },
	{ "label", 'l', OPT_STRINGS, AT(labels), .arg = "KEY=VALUE", .help = "Set a label" },
	{ "opt", 'o', OPT_STRINGS, AT(opts), .arg = "KEY=VALUE",
	  .help = "Accepted when empty: there are no options of drivers" },
	OPTION_END
};
static const struct cmd_verb verb_create = {
	.name = "volume create",
	.run = volume_create,
	.options = create_options,
	.usage = "[OPTIONS] [NAME]",
	.summary = "Make a volume",
};

static const struct option_spec no_options[] = { OPTION_END };
static const struct cmd_verb verb_exists = {
	.name = "volume exists",
	.run = volume_exists,
	.options = no_options,
	.usage = "NAME",
	.summary = "Exit with 0 when a volume exists, with 1 when not",
	.operands = OPERANDS_VOLUMES,
};

static const struct option_spec inspect_options[] = {
	{ "all", 'a', OPT_FLAG, AT(all), .help = "Show all volumes" },
	{ "format", 'f', OPT_STRING, AT(format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json" },
	OPTION_END
};
static const struct cmd_verb verb_inspect = {
	.name = "volume inspect",
	.run = volume_inspect,
	.options = inspect_options,
	.usage = "[OPTIONS] NAME...",
	.summary = "Show what is known of volumes",
	.operands = OPERANDS_VOLUMES,
};

#define FILTER_WORDS \
	"name=|label=|label!=|dangling=true|dangling=false|driver=local|until=|since=|after="
static const struct option_spec ls_options[] = {
	{ "filter", 'f', OPT_STRINGS, AT(filters), .arg = "KEY=VALUE",
	  .help = "Show only some: name=, label=, dangling=, driver=, until=, since=",
	  .complete = FILTER_WORDS },
	{ "format", 0, OPT_STRING, AT(format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "noheading", 'n', OPT_FLAG, AT(no_heading), .help = "Leave the heading out" },
	{ "quiet", 'q', OPT_FLAG, AT(quiet), .help = "Show only the names" },
	OPTION_END
};
static const struct cmd_verb verb_ls = {
	.name = "volume ls",
	.alias = "volume list",
	.run = volume_ls,
	.options = ls_options,
	.usage = "[OPTIONS]",
	.summary = "List volumes",
};

static const struct option_spec prune_options[] = {
	{ "filter", 0, OPT_STRINGS, AT(filters), .arg = "KEY=VALUE",
	  .help = "Remove only some, see volume ls", .complete = FILTER_WORDS },
	{ "force", 'f', OPT_FLAG, AT(force), .help = "Do not ask" },
	OPTION_END
};
static const struct cmd_verb verb_prune = {
	.name = "volume prune",
	.run = volume_prune,
	.options = prune_options,
	.usage = "[OPTIONS]",
	.summary = "Remove all volumes that no container uses",
};

static const struct option_spec rm_options[] = {
	{ "all", 'a', OPT_FLAG, AT(all), .help = "Remove all volumes" },
	{ "force", 'f', OPT_FLAG, AT(force),
	  .help = "Remove the containers that use them as well" },
	OPTION_END
};
static const struct cmd_verb verb_rm = {
	.name = "volume rm",
	.alias = "volume remove",
	.run = volume_rm,
	.options = rm_options,
	.usage = "[OPTIONS] NAME...",
	.summary = "Remove volumes",
	.operands = OPERANDS_VOLUMES,
};

/* one a line, so that additions do not meet */
/* clang-format off */
static const struct cmd_verb *const verbs[] = {
	&verb_create,
	&verb_exists,
	&volume_verb_export,
	&volume_verb_import,
	&verb_inspect,
	&verb_ls,
	&verb_prune,
	&verb_rm,
	NULL,
};
/* clang-format on */

const struct cmd_verb cmd_verb_volume = {
	.name = "volume",
	.run = cmd_volume,
	.options = no_options,
	.usage = "create|exists|export|import|inspect|ls|prune|rm [ARG...]",
	.summary = "Volumes: directories that outlive containers",
	.stops_at_operand = true,
	.operands = OPERANDS_WORDS,
	.words = "create|exists|export|import|inspect|ls|prune|rm",
	.verbs = verbs,
};

int cmd_volume(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_volume, argc, argv, g);
}

/* ---- one volume ------------------------------------------------------------------------------ */

struct volume {
	const char *name; /* borrowed */
	json_t *record;	  /* owned */
	time_t created;
	size_t users;
};

static void volume_fini(struct volume *v)
{
	json_decref(v->record);
}
#define _cleanup_volume_ __attribute__((cleanup(volume_fini)))

static const char *created_text(const struct volume *v)
{
	const char *text = json_string_value(json_object_get(v->record, "created"));

	return text != NULL ? text : "";
}

/* 0; -ENOENT when it went away. */
static int volume_load(struct storage *s, const char *name, struct volume *ret, struct error *e)
{
	_cleanup_strv_ struct strv users = { .v = NULL };
	_cleanup_free_ char *text = NULL;
	int r = storage_volume_record(s, name, &text, e);

	if (r == 0)
		r = volumes_users(s, name, &users, e);
	if (r < 0)
		return r;
	ret->record = json_parse(text, strlen(text), "volume record", e);
	if (ret->record == NULL)
		return -EINVAL;
	ret->name = name;
	ret->users = users.n;
	if (out_parse_time(created_text(ret), &ret->created) < 0)
		ret->created = 0;
	return 0;
}

static json_t *object_of(const struct volume *v, const char *key)
{
	json_t *obj = json_object_get(v->record, key);

	return json_is_object(obj) ? json_incref(obj) : json_object();
}

static json_t *volume_json(struct storage *s, const struct volume *v)
{
	_cleanup_free_ char *path = storage_volume_path(s, v->name);
	bool fresh = storage_volume_is_fresh(s, v->name);
	json_t *obj;

	if (path == NULL)
		return NULL;
	obj = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:i, s:b, s:b}", "Name", v->name,
			"Driver", "local", "Mountpoint", path, "CreatedAt", created_text(v),
			"Labels", object_of(v, "labels"), "Scope", "local", "Options",
			object_of(v, "options"), "MountCount", (int)v->users, "NeedsCopyUp",
			(int)fresh, "NeedsChown", (int)fresh);
	if (json_is_true(json_object_get(v->record, "anonymous")) &&
	    json_object_set_new(obj, "Anonymous", json_true()) < 0) {
		json_decref(obj);
		return NULL;
	}
	return obj;
}

/* ---- create ------------------------------------------------------------------------------------ */

static json_t *pairs_json(const struct strv *pairs)
{
	json_t *obj = json_object();

	for (size_t i = 0; i < pairs->n; i++) {
		size_t len = strcspn(pairs->v[i], "=");
		_cleanup_free_ char *key = strndup(pairs->v[i], len);

		if (key == NULL ||
		    json_object_set_new(
			    obj, key, json_string(pairs->v[i] + len + (pairs->v[i][len] == '='))) <
			    0) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

static int create(const struct options *o, const struct cmd_global *g, const char *name,
		  struct error *e)
{
	_cleanup_json_ json_t *labels = pairs_json(&o->labels);
	_cleanup_free_ char *record = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct storage *s = NULL;
	char random_name[ID_LEN + 1];
	int r = 0;

	if (o->driver != NULL && strcmp(o->driver, "local") != 0)
		return error_setf(e, -EINVAL, "volume driver \"%s\" does not exist: use local",
				  o->driver);
	if (o->opts.n > 0)
		return error_setf(e, -EINVAL,
				  "volume option \"%s\" is not known: mount what you need with -v "
				  "or --mount",
				  o->opts.v[0]);
	if (name == NULL) {
		r = id_generate(random_name);
		name = random_name;
	}
	if (r < 0)
		return error_set(e, r, "naming the volume");
	record = labels != NULL ? volumes_record(name, false, labels, NULL) : NULL;
	if (record == NULL)
		return error_set(e, -ENOMEM, "creating volume %s", name);
	r = storage_open(g->root, true, &s, e);
	if (r == 0)
		r = storage_volume_create(s, name, record, e);
	if (r == 0)
		events_object(s, "volume", "create", NULL, name);
	if (r == -EEXIST && o->ignore) {
		*e = ERROR_INIT;
		r = 0;
	}
	if (r == 0) {
		(void)buf_printf(&b, "%s\n", name); /* out_write() sees a failure */
		r = out_write(&b, e);
	}
	storage_free(s);
	return r;
}

static int volume_create(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_create, argc, argv, &o, &code);

	if (first >= 0 && argc - first > 1) {
		code = opt_usage_error(&verb_create, "crt volume create takes at most one name");
	} else if (first >= 0) {
		code = create(&o, g, first < argc ? argv[first] : NULL, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	options_fini(&o);
	return code;
}

/* ---- filters: item is a struct volume, data the store ---------------------------------------- */

static int by_name(const void *item, const char *value, void *data, struct error *e)
{
	const struct volume *v = item;

	(void)data;
	(void)e; /* every text is one */
	return v == NULL || filter_regex(v->name, value);
}

static int by_label(const void *item, const char *value, void *data, struct error *e)
{
	const struct volume *v = item;

	(void)data;
	(void)e; /* every text is one */
	return v == NULL || filter_label(json_object_get(v->record, "labels"), value);
}

static int by_no_label(const void *item, const char *value, void *data, struct error *e)
{
	return item == NULL || !by_label(item, value, data, e);
}

static int by_driver(const void *item, const char *value, void *data, struct error *e)
{
	(void)item;
	(void)data;
	(void)e; /* every text is one */
	return strcmp(value, "local") == 0;
}

static int by_dangling(const void *item, const char *value, void *data, struct error *e)
{
	const struct volume *v = item;
	int want = filter_bool("dangling", value, e);

	(void)data;
	return want < 0 || v == NULL ? want : (want > 0) == (v->users == 0);
}

static int by_until(const void *item, const char *value, void *data, struct error *e)
{
	const struct volume *v = item;
	time_t t;

	(void)data;
	if (out_parse_until(value, time(NULL), &t) < 0)
		return error_setf(e, -EINVAL, "\"%s\" is neither a time nor a duration", value);
	return v == NULL || v->created < t;
}

static int by_since(const void *item, const char *value, void *data, struct error *e)
{
	const struct volume *v = item;
	_cleanup_volume_ struct volume other = { .name = NULL };
	int r = volume_load(data, value, &other, e);

	return r < 0 ? r : v == NULL || v->created > other.created;
}

static const struct filter_spec filters[] = {
	{ "name", false, by_name },	 { "label", true, by_label },
	{ "label!", true, by_no_label }, { "driver", false, by_driver },
	{ "scope", false, by_driver },	 { "dangling", false, by_dangling },
	{ "until", false, by_until },	 { "since", false, by_since },
	{ "after", false, by_since },	 { NULL, false, NULL },
};

/* ---- ls and inspect ------------------------------------------------------------------------------------ */

static const struct out_column columns[] = { { "DRIVER", "Driver" },
					     { "VOLUME NAME", "Name" },
					     { NULL, NULL } };
static const struct out_column columns_quiet[] = { { "VOLUME NAME", "Name" }, { NULL, NULL } };

static int ls(const struct options *o, const struct cmd_global *g, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = filter_check(filters, &o->filters, s, e);
	if (r == 0)
		r = storage_volume_list(s, &names, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing volumes");
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_volume_ struct volume v = { .name = NULL };
		json_t *data;

		r = volume_load(s, names.v[i], &v, e);
		if (r == -ENOENT) { /* it went away */
			r = 0;
			continue;
		}
		if (r == 0)
			r = filter_pass(filters, &o->filters, &v, s, e);
		if (r <= 0)
			continue;
		data = volume_json(s, &v);
		r = out_rows_add(&rows, json_incref(data), data);
		if (r < 0)
			r = error_set(e, r, "listing volumes");
	}
	if (r == 0)
		r = out_print(&rows, o->quiet ? columns_quiet : columns, o->format,
			      o->quiet || o->no_heading, e);
	out_rows_fini(&rows);
	storage_free(s);
	return r;
}

static int volume_ls(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_ls, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&verb_ls, "crt volume ls takes no arguments");
	} else if (first >= 0) {
		code = ls(&o, g, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	options_fini(&o);
	return code;
}

/* Find and add one to rows. 0, or an error that was logged. */
static int inspect_one(struct storage *s, const char *text, struct out_rows *rows)
{
	_cleanup_volume_ struct volume v = { .name = NULL };
	_cleanup_free_ char *name = NULL;
	struct error e = ERROR_INIT;
	json_t *data;
	int r = storage_volume_find(s, text, &name, &e);

	if (r == STORAGE_FOUND)
		r = volume_load(s, name, &v, &e);
	if (r != 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	data = volume_json(s, &v);
	return out_rows_add(rows, json_incref(data), data) < 0 ? EXIT_CRT : 0;
}

static int volume_inspect(int argc, char **argv, const struct cmd_global *g)
{
	static const struct out_column no_columns[] = { { NULL, NULL } };
	_cleanup_strv_ struct strv names = { .v = NULL };
	struct options o = { .all = false };
	struct out_rows rows = { NULL, NULL };
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_inspect, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (o.all == (first < argc))
		return opt_usage_error(&verb_inspect,
				       "crt volume inspect needs names of volumes or --all");
	if (storage_open(g->root, false, &s, &e) < 0 || out_rows_init(&rows) < 0 ||
	    (o.all && storage_volume_list(s, &names, &e) < 0)) {
		log_error(&e);
		code = EXIT_CRT;
	} else {
		code = 0;
		for (size_t i = 0; i < names.n; i++)
			code |= inspect_one(s, names.v[i], &rows);
		for (int i = first; i < argc; i++)
			code |= inspect_one(s, argv[i], &rows);
		if (out_print(&rows, no_columns, o.format != NULL ? o.format : "json", true, &e) <
		    0) {
			log_error(&e);
			code = EXIT_CRT;
		}
	}
	out_rows_fini(&rows);
	storage_free(s);
	return code;
}

static int volume_exists(int argc, char **argv, const struct cmd_global *g)
{
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	_cleanup_free_ char *text = NULL;
	int code;
	int first = opt_parse(&verb_exists, argc, argv, NULL, &code);
	int r;

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&verb_exists, "crt volume exists needs one name");
	r = storage_open(g->root, false, &s, &e);
	if (r < 0)
		log_error(&e);
	else
		r = storage_volume_record(s, argv[first], &text, &e) < 0 ? EXIT_MISSING : 0;
	storage_free(s);
	return r < 0 ? EXIT_CRT : r;
}

/* ---- rm and prune ------------------------------------------------------------------------------------------ */

static int remove_users(struct storage *s, const struct strv *ids, struct error *e)
{
	for (size_t i = 0; i < ids->n; i++) {
		struct container c = { .id = NULL };
		int r = container_load(s, ids->v[i], &c, e);

		if (r == 0 && (c.live || storage_container_is_live(s, c.id)))
			r = container_stop(s, &c, 0, e);
		if (r == 0) {
			container_remove_bundle(&c);
			r = storage_container_remove(s, c.id, e);
		}
		container_fini(&c);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* 0, -EBUSY when it is used, -ENOENT. */
static int remove_volume(struct storage *s, const char *name, bool force, struct error *e)
{
	for (int tries = 0;; tries++) {
		_cleanup_strv_ struct strv users = { .v = NULL };
		_cleanup_fd_ int lock = storage_volume_lock(s, true, e);
		int r = lock < 0 ? lock : volumes_users(s, name, &users, e);

		if (r < 0)
			return r;
		if (users.n == 0) {
			r = storage_volume_remove(s, name, e);
			if (r == 0)
				events_object(s, "volume", "remove", NULL, name);
			return r;
		}
		if (!force || tries == 3)
			return error_setf(
				e, -EBUSY,
				"volume %s is being used by the following container(s): %.12s%s",
				name, users.v[0], users.n > 1 ? " and others" : "");
		close_fd(&lock); /* containers are stopped without it */
		r = remove_users(s, &users, e);
		if (r < 0)
			return r;
	}
}

static int say(const char *name, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s\n", name); /* out_write() sees a failure */
	return out_write(&b, e);
}

/* An exit code. */
static int rm_one(struct storage *s, const char *text, const struct options *o)
{
	_cleanup_free_ char *name = NULL;
	struct error e = ERROR_INIT;
	int r = storage_volume_find(s, text, &name, &e);

	if (r == STORAGE_MISSING && o->force)
		return 0;
	if (r == STORAGE_FOUND)
		r = remove_volume(s, name, o->force, &e);
	if (r == 0)
		r = say(name, &e);
	if (r == 0)
		return 0;
	log_error(&e);
	return r == STORAGE_MISSING || r == -ENOENT ? EXIT_MISSING :
	       r == -EBUSY			    ? EXIT_USED :
						      EXIT_CRT;
}

static int volume_rm(int argc, char **argv, const struct cmd_global *g)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	struct options o = { .all = false };
	struct storage *s = NULL;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_rm, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (o.all == (first < argc))
		return opt_usage_error(&verb_rm, "crt volume rm needs names of volumes or --all");
	if (storage_open(g->root, false, &s, &e) < 0 ||
	    (o.all && storage_volume_list(s, &names, &e) < 0)) {
		log_error(&e);
		storage_free(s);
		return EXIT_CRT;
	}
	code = 0;
	for (size_t i = 0; i < names.n; i++) {
		int one = rm_one(s, names.v[i], &o);

		code = one > code ? one : code;
	}
	for (int i = first; i < argc; i++) {
		int one = rm_one(s, argv[i], &o);

		code = one > code ? one : code;
	}
	inside_empty_trash(s);
	storage_free(s);
	return code;
}

/* As podman: a question on the terminal, no without an answer. */
static bool confirmed(void)
{
	char answer[16] = "";

	(void)fputs("WARNING! This will remove all volumes not used by at least one container.\n"
		    "Are you sure you want to continue? [y/N] ",
		    stdout);
	(void)fflush(stdout); /* a question that cannot be shown gets no answer */
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int prune(const struct options *o, const struct cmd_global *g, struct error *e)
{
	_cleanup_strv_ struct strv names = { .v = NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = filter_check(filters, &o->filters, s, e);
	if (r == 0)
		r = storage_volume_list(s, &names, e);
	for (size_t i = 0; r >= 0 && i < names.n; i++) {
		_cleanup_volume_ struct volume v = { .name = NULL };

		r = volume_load(s, names.v[i], &v, e);
		if (r == 0)
			r = v.users > 0 ? 0 : filter_pass(filters, &o->filters, &v, s, e);
		if (r > 0)
			r = remove_volume(s, names.v[i], false, e);
		else if (r == 0)
			continue;
		if (r == 0)
			r = say(names.v[i], e);
		if (r == -EBUSY || r == -ENOENT) {
			*e = ERROR_INIT; /* taken or removed meanwhile */
			r = 0;
		}
	}
	if (s != NULL && storage_root_fd(s) >= 0)
		inside_empty_trash(s);
	storage_free(s);
	return r;
}

static int volume_prune(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_prune, argc, argv, &o, &code);

	if (first >= 0 && first < argc) {
		code = opt_usage_error(&verb_prune, "crt volume prune takes no arguments");
	} else if (first >= 0) {
		code = (o.force || confirmed()) && prune(&o, g, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	options_fini(&o);
	return code;
}
