/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry is asked without pulling: crt search, crt manifest inspect, crt delete.
 *
 * Theory of operation: crt-fetch asks in its cage; its answer is a document of
 * a stranger. Lists are printed escaped, a manifest is parsed and printed anew,
 * so that no control character reaches a terminal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/fetch.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/transport.h"
#include "cmd/verbs.h"

struct options {
	struct cmd_fetch_options f;
	const char *format;
	unsigned int limit;
	bool list_tags, no_trunc, quiet;
	struct strv filters;
};

#define REGISTRY_OPTIONS                                                                                   \
	{ "authfile",	     0,                                                                            \
	  OPT_STRING,	     offsetof(struct options, f.authfile),                                         \
	  .arg = "FILE",     .help = "File with credentials",                                              \
	  .complete = "file" },                                                                            \
	{                                                                                                  \
		"creds", 0, OPT_STRING, offsetof(struct options, f.creds),                                 \
			.arg = "USER:PASSWORD",                                                            \
			.help = "Credentials for the registry (visible to other users: prefer --authfile)" \
	}
#define TLS_OPTION                                                                     \
	{                                                                              \
		"tls-verify", 0, OPT_TRISTATE, offsetof(struct options, f.tls_verify), \
			.help = "Require HTTPS and a valid certificate (default true)" \
	}

/* The text of the answer; caller frees. */
static int ask(const struct options *o, const struct cmd_global *g, enum storage_question question,
	       const char *name, const char *term, char **ret, struct error *e)
{
	struct storage_ref ref = { .transport = NULL };
	struct storage_fetch *f = NULL;
	struct storage *s = NULL;
	int r = storage_ref_parse(name, &ref, e);

	if (r == 0 && strcmp(ref.transport, "docker") != 0)
		r = error_setf(e, -EINVAL, "%s is not in a registry", name);
	if (r == 0)
		r = storage_open(g->root, false, &s, e);
	if (r == 0) {
		struct storage_fetch_request request = cmd_fetch_request(&o->f, &ref);

		r = storage_query_begin(s, question, term, o->limit, &request, &f, e);
	}
	if (r == 0)
		r = cmd_fetch_run(f, true, ret, e);
	storage_fetch_free(f);
	storage_free(s);
	storage_ref_fini(&ref);
	return r;
}

/* ---- search ------------------------------------------------------------------------------- */

static const struct option_spec search_options[] = {
	REGISTRY_OPTIONS,
	{ "filter", 'f', OPT_STRINGS, offsetof(struct options, filters), .arg = "KEY=VALUE",
	  .help = "Show only some: is-official=true, stars=N",
	  .complete = "is-official=true|stars=" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "Print json or by a Go template", .complete = "json|table" },
	{ "limit", 0, OPT_UINT, offsetof(struct options, limit), .arg = "N",
	  .help = "At most so many (default 25; of tags 10)" },
	{ "list-tags", 0, OPT_FLAG, offsetof(struct options, list_tags),
	  .help = "List the tags of a repository" },
	{ "no-trunc", 0, OPT_FLAG, offsetof(struct options, no_trunc),
	  .help = "Show whole descriptions" },
	TLS_OPTION,
	OPTION_END
};

const struct cmd_verb cmd_verb_search = {
	.name = "search",
	.run = cmd_search,
	.options = search_options,
	.usage = "[OPTIONS] [REGISTRY/]TERM",
	.summary = "Search a registry, or list the tags of a repository",
};

static const struct out_column search_columns[] = {
	{ "NAME", "Name" },
	{ "DESCRIPTION", "Description" },
	{ NULL, NULL },
};
static const struct out_column tag_columns[] = {
	{ "NAME", "Name" },
	{ "TAG", "Tag" },
	{ NULL, NULL },
};

/* Does it pass the filters? */
static int passes(const struct options *o, bool official, int64_t stars, struct error *e)
{
	for (size_t i = 0; i < o->filters.n; i++) {
		const char *f = o->filters.v[i];
		unsigned long long n = 0;
		bool want = true;

		if (str_starts(f, "stars=") && str_to_u64(f + 6, INT64_MAX, &n) == 0) {
			if (stars < (int64_t)n)
				return 0;
		} else if (strcmp(f, "is-official") == 0 ||
			   (str_starts(f, "is-official=") && opt_parse_bool(f + 12, &want) == 0)) {
			if (official != want)
				return 0;
		} else {
			return error_setf(e, -EINVAL,
					  "--filter %s: must be is-official=true|false or stars=N",
					  f);
		}
	}
	return 1;
}

static int add_result(struct out_rows *rows, const struct options *o, const char *registry,
		      const json_t *v, struct error *e)
{
	const char *name = json_string_value(v), *description = "";
	_cleanup_free_ char *full = NULL;
	_cleanup_free_ char *shown = NULL;
	bool official = false;
	int64_t stars = 0;
	int r;

	if (name == NULL &&
	    (!json_is_object(v) || json_get_string(v, "", "name", &name, e) < 0 ||
	     json_get_string(v, "", "description", &description, e) < 0 ||
	     json_get_bool(v, "", "is_official", &official, e) < 0 ||
	     json_get_int(v, "", "star_count", 0, INT64_MAX, &stars, e) < 0 || name == NULL))
		return error_setf(e, -EBADMSG, "the registry's answer is malformed");
	r = passes(o, official, stars, e);
	if (r <= 0)
		return r;
	full = str_printf(
		"%s/%s%s", registry,
		strcmp(registry, "docker.io") == 0 && strchr(name, '/') == NULL ? "library/" : "",
		name);
	shown = o->no_trunc || strlen(description) <= 44 ? strdup(description) :
							   str_printf("%.41s...", description);
	if (full == NULL || shown == NULL || !json_is_text(shown)) {
		free(shown);
		shown = strdup("");
	}
	if (full == NULL || shown == NULL ||
	    out_rows_add(rows,
			 json_pack("{s:s, s:s, s:s, s:s, s:o}", "Index", registry, "Name", full,
				   "Description", shown, "Official", official ? "[OK]" : "",
				   "Stars", json_sprintf("%lld", (long long)stars)),
			 json_pack("{s:s, s:s, s:s, s:s, s:I}", "Index", registry, "Name", full,
				   "Description", description, "Official", official ? "[OK]" : "",
				   "Stars", (json_int_t)stars)) < 0)
		return error_set(e, -ENOMEM, "search");
	return 0;
}

static int add_tag(struct out_rows *rows, const char *name, const json_t *v, struct error *e)
{
	const char *tag = json_string_value(v);

	if (tag == NULL)
		return error_setf(e, -EBADMSG, "the registry's answer is malformed");
	return out_rows_add(rows, json_pack("{s:s, s:s}", "Name", name, "Tag", tag),
			    json_pack("{s:s, s:s}", "Name", name, "Tag", tag)) < 0 ?
		       error_set(e, -ENOMEM, "list tags") :
		       0;
}

/* A row for each entry of the answer. */
static int add_all(struct out_rows *rows, const struct options *o, const char *registry,
		   const char *name, json_t *list, struct error *e)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		int r = o->list_tags ? add_tag(rows, name, v, e) :
				       add_result(rows, o, registry, v, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* podman's: one object with all tags. */
static int print_tags_json(const char *name, json_t *list, struct error *e)
{
	_cleanup_json_ json_t *all = json_pack("[{s:s, s:O}]", "Name", name, "Tags", list);
	_cleanup_free_ char *text = all != NULL ? json_to_pretty(all) : NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (text == NULL)
		return error_set(e, -ENOMEM, "list tags");
	(void)buf_puts(&b, text); /* out_write() sees a failure */
	return out_write(&b, e);
}

static int search(struct options *o, const struct cmd_global *g, const char *text, struct error *e)
{
	struct storage_ref ref = { .transport = NULL };
	_cleanup_free_ char *answer = NULL;
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ char *where = NULL;
	_cleanup_json_ json_t *list = NULL;
	struct out_rows rows = { NULL, NULL };
	const char *registry;
	int r;

	if (o->limit == 0)
		o->limit = o->list_tags ? 10 : 25;
	r = storage_ref_parse(text, &ref, e);
	if (r < 0)
		return r;
	registry = ref.domain != NULL ? ref.domain : "docker.io";
	name = str_printf("%s/%s", registry, ref.path);
	where = o->list_tags ? strdup(name != NULL ? name : "") : str_printf("%s/search", registry);
	if (name == NULL || where == NULL || out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "search");
	if (r == 0)
		r = ask(o, g, o->list_tags ? STORAGE_ASK_TAGS : STORAGE_ASK_SEARCH, where,
			o->list_tags ? NULL : ref.path, &answer, e);
	if (r == 0) {
		list = json_parse(answer, strlen(answer), "answer of the registry", e);
		if (list == NULL || !json_is_array(list))
			r = error_setf(e, -EBADMSG, "the registry's answer is malformed");
	}
	if (r == 0 && o->list_tags && o->format != NULL && strcmp(o->format, "json") == 0) {
		r = print_tags_json(name, list, e);
	} else if (r == 0) {
		r = add_all(&rows, o, registry, name, list, e);
		if (r == 0)
			r = out_print(&rows, o->list_tags ? tag_columns : search_columns, o->format,
				      false, e);
	}
	out_rows_fini(&rows);
	storage_ref_fini(&ref);
	return r;
}

int cmd_search(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .f = { .tls_verify = -1 } };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_search, argc, argv, &o, &code);

	if (first >= 0 && argc - first != 1) {
		code = opt_usage_error(&cmd_verb_search, "crt search needs one term");
	} else if (first >= 0) {
		code = search(&o, g, argv[first], &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.filters);
	return code;
}

/* ---- manifest inspect ----------------------------------------------------------------------- */

static int manifest_inspect(int argc, char **argv, const struct cmd_global *g);

static const struct option_spec manifest_options[] = { REGISTRY_OPTIONS, TLS_OPTION, OPTION_END };

static const struct cmd_verb verb_manifest_inspect = {
	.name = "manifest inspect",
	.run = manifest_inspect,
	.options = manifest_options,
	.usage = "[OPTIONS] IMAGE",
	.summary = "Print the manifest or index of an image in a registry",
	.operands = OPERANDS_IMAGES,
};

static const struct cmd_verb *const manifest_verbs[] = { &verb_manifest_inspect, NULL };
static const struct option_spec no_options[] = { OPTION_END };

const struct cmd_verb cmd_verb_manifest = {
	.name = "manifest",
	.run = cmd_manifest,
	.options = no_options,
	.usage = "COMMAND [ARG...]",
	.summary = "Manifests of images in registries",
	.stops_at_operand = true,
	.verbs = manifest_verbs,
};

int cmd_manifest(int argc, char **argv, const struct cmd_global *g)
{
	return opt_run_group(&cmd_verb_manifest, argc, argv, g);
}

static int inspect(const struct options *o, const struct cmd_global *g, const char *name,
		   struct error *e)
{
	_cleanup_free_ char *answer = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = ask(o, g, STORAGE_ASK_MANIFEST, name, NULL, &answer, e);

	if (r < 0)
		return r;
	doc = json_parse(answer, strlen(answer), "manifest", e);
	if (doc == NULL)
		return -EBADMSG;
	text = json_to_pretty(doc);
	if (text == NULL)
		return error_set(e, -ENOMEM, "print a manifest");
	(void)buf_puts(&b, text); /* out_write() sees a failure */
	return out_write(&b, e);
}

static int manifest_inspect(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .f = { .tls_verify = -1 } };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&verb_manifest_inspect, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&verb_manifest_inspect,
				       "crt manifest inspect needs one image");
	if (inspect(&o, g, argv[first], &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}

/* ---- delete ----------------------------------------------------------------------------------- */

static const struct option_spec delete_options[] = { REGISTRY_OPTIONS, TLS_OPTION, OPTION_END };

const struct cmd_verb cmd_verb_delete = {
	.name = "delete",
	.run = cmd_delete,
	.options = delete_options,
	.usage = "[OPTIONS] docker://IMAGE",
	.summary = "Remove an image from a registry",
	.details = "All tags of that manifest go. Images of the store are removed by crt rmi.",
};

int cmd_delete(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .f = { .tls_verify = -1 } };
	_cleanup_free_ char *digest = NULL;
	struct error e = ERROR_INIT;
	int code, r;
	int first = opt_parse(&cmd_verb_delete, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&cmd_verb_delete, "crt delete needs one image");
	/* what is gone there is gone for everybody: no short form */
	r = str_starts(argv[first], "docker://") ?
		    ask(&o, g, STORAGE_ASK_DELETE, argv[first], NULL, &digest, &e) :
		    error_setf(&e, -EINVAL,
			       "%s: write docker:// before it; images of the store go by crt rmi",
			       argv[first]);
	if (r < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
