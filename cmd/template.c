/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of --format: running a tree over JSON values.
 *
 * Theory of operation
 *
 * The tree of template_parse.c is walked; a value is a reference to JSON plus what is
 * known of where it came from. Loops run over data only and depth was limited by the
 * parser, so every template ends.
 *
 * The template is the caller's own; values are foreign and are never looked at again
 * as template text. A value carries "foreign" until its text was escaped (or encoded as
 * JSON), so that escaping for terminals touches names of images but not a "\n" of the
 * template.
 *
 * Fields are looked up exactly, then without regard to case (podman takes both "Id" and
 * "ID"), first in the printable fields, then in the data. An unknown one is an error as
 * for Go's structs, but empty in what are Go maps (labels): a wrong answer would be
 * worse for a script than none.
 */
#include "cmd/template.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "cmd/template_tree.h"

enum {
	RUN_BREAK = 1,
	RUN_CONTINUE = 2
};

int template_fail(struct template_run *r, const char *fmt, ...)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *text = r->t->text;
	size_t pos = r->at->pos, line = 1, column = pos;
	va_list ap;

	for (size_t i = 0; i < pos; i++) {
		if (text[i] == '\n') {
			line++;
			column = pos - i - 1;
		}
	}
	va_start(ap, fmt);
	(void)buf_vprintf(&b, fmt, ap); /* a shorter message is better than none */
	va_end(ap);
	return error_setf(r->e, -EINVAL, "template: format:%zu:%zu: at <%.*s>: %s", line, column,
			  (int)(r->at->len < 100 ? r->at->len : 100), text + pos, buf_str(&b));
}

/* ---- values ----------------------------------------------------------------------------- */

static void value_fini(struct template_value *v)
{
	json_decref(v->v);
	*v = (struct template_value){ .v = NULL };
}

static struct template_value value_copy(const struct template_value *v)
{
	struct template_value copy = *v;

	json_incref(copy.v);
	return copy;
}

#define _cleanup_value_ __attribute__((cleanup(value_fini)))

bool template_is_true(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return json_string_length(v) > 0;
	case JSON_INTEGER:
		return json_integer_value(v) != 0;
	case JSON_REAL:
		return json_real_value(v) < 0 || json_real_value(v) > 0;
	case JSON_ARRAY:
		return json_array_size(v) > 0;
	case JSON_OBJECT:
		return json_object_size(v) > 0;
	case JSON_TRUE:
		return true;
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return false;
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "int";
	case JSON_REAL:
		return "float64";
	case JSON_ARRAY:
		return "list";
	case JSON_OBJECT:
		return "object";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_NULL:
		break;
	}
	return "nil";
}

/* Objects under these names are Go maps with strings: a key that is not there is empty. */
static bool is_string_map(const char *key)
{
	static const char *const names[] = { "Labels",	"Annotations", "Options",
					     "Sysctls", "Tmpfs",       "Config.Labels" };

	for (size_t i = 0; key != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], key) == 0)
			return true;
	return false;
}

static bool is_map(const char *key)
{
	static const char *const names[] = { "Ports",	     "PortBindings", "Networks",
					     "ExposedPorts", "Volumes",	     "Namespaces" };

	for (size_t i = 0; key != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], key) == 0)
			return true;
	return is_string_map(key);
}

static json_t *find_key(const json_t *obj, const char *name, size_t len, const char **ret_key)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)obj, key, v) {
		if (strlen(key) == len && memcmp(key, name, len) == 0) {
			*ret_key = key;
			return v;
		}
	}
	json_object_foreach((json_t *)(uintptr_t)obj, key, v) {
		if (strlen(key) == len && strncasecmp(key, name, len) == 0) {
			*ret_key = key;
			return v;
		}
	}
	return NULL;
}

/* Replace *at by its field. */
static int get_field(struct template_run *r, struct template_value *at,
		     const struct template_node *name)
{
	const char *text = r->t->text + name->pos;
	struct template_value next = { .foreign = at->foreign };

	next.v = find_key(at->v, text, name->len, &next.key);
	if (next.v == NULL && at->data != NULL)
		next.v = find_key(at->data, text, name->len, &next.key);
	if (next.v != NULL)
		json_incref(next.v);
	else if (json_is_null(at->v) || (json_is_object(at->v) && is_map(at->key)))
		next.v = is_string_map(at->key) ? json_string("") : json_null();
	else
		return template_fail(r, "can't evaluate field %.*s in type %s",
				     (int)(name->len < 100 ? name->len : 100), text,
				     type_name(at->v));
	value_fini(at);
	*at = next;
	return next.v != NULL ? 0 : -ENOMEM;
}

/* ---- printing as Go does --------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object, sorted as Go does; an array the caller frees, NULL when empty or -ENOMEM. */
static const char **sorted_keys(const json_t *obj, size_t *ret_n)
{
	size_t n = json_object_size(obj), i = 0;
	const char **keys = n > 0 ? calloc(n, sizeof(*keys)) : NULL;
	const char *key;
	json_t *v;

	*ret_n = 0;
	if (keys == NULL)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)obj, key, v)
		keys[i++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	*ret_n = n;
	return keys;
}

static void put_text(struct buf *b, bool escape, const char *text, size_t len)
{
	if (escape)
		(void)buf_puts_escaped(b, text, len); /* who made b checks b->err */
	else
		(void)buf_append(b, text, len);
}

/* The shortest text that reads back as the same number. */
static void put_real(struct buf *b, double d)
{
	char text[400];
	int precision = 0;

	do
		(void)snprintf(text, sizeof(text), "%.*e", precision, d);
	while (precision++ < 17 && (strtod(text, NULL) < d || strtod(text, NULL) > d));
	if ((d < 1e21 && d >= 1e-4) || (d > -1e21 && d <= -1e-4) || !(d < 0 || d > 0)) {
		int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
		int decimals = precision - 1 - exponent;

		(void)snprintf(text, sizeof(text), "%.*f", decimals > 0 ? decimals : 0, d);
	}
	(void)buf_puts(b, text);
}

static void put_value(struct buf *b, bool escape, const json_t *v, int depth)
{
	_cleanup_free_ const char **keys = NULL;
	json_t *item;
	size_t i, n;

	switch (json_typeof(v)) {
	case JSON_STRING:
		put_text(b, escape, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		(void)buf_printf(b, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		put_real(b, json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		(void)buf_puts(b, json_is_true(v) ? "true" : "false");
		break;
	case JSON_NULL:
		(void)buf_puts(b, "<nil>");
		break;
	case JSON_ARRAY:
		(void)buf_putc(b, '[');
		json_array_foreach((json_t *)(uintptr_t)v, i, item) {
			if (i > 0)
				(void)buf_putc(b, ' ');
			if (depth < LIMIT_JSON_DEPTH)
				put_value(b, escape, item, depth + 1);
		}
		(void)buf_putc(b, ']');
		break;
	case JSON_OBJECT:
		(void)buf_puts(b, "map[");
		keys = sorted_keys(v, &n);
		for (i = 0; i < n; i++) {
			if (i > 0)
				(void)buf_putc(b, ' ');
			put_text(b, escape, keys[i], strlen(keys[i]));
			(void)buf_putc(b, ':');
			if (depth < LIMIT_JSON_DEPTH)
				put_value(b, escape, json_object_get(v, keys[i]), depth + 1);
		}
		(void)buf_putc(b, ']');
		break;
	}
}

/* What Go prints for a nil of the type that stands under this name. */
static const char *nil_text(const char *key)
{
	static const char *const lists[] = { "Cmd",	"Entrypoint",  "Env",	   "Args",
					     "Mounts",	"Binds",       "Names",	   "Command",
					     "OnBuild", "Healthcheck", "RepoTags", "RepoDigests" };

	if (is_map(key))
		return "map[]";
	for (size_t i = 0; key != NULL && i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(lists[i], key) == 0)
			return "[]";
	return "<nil>";
}

void template_print(const struct template_run *r, const struct template_value *v, struct buf *b)
{
	const json_t *shown = v->data != NULL ? v->data : v->v;

	if (json_is_null(shown))
		(void)buf_puts(b, nil_text(v->key)); /* who made b checks b->err */
	else
		put_value(b, r->escape && v->foreign, shown, 0);
}

/* ---- pipes -------------------------------------------------------------------------------------- */

static int eval_pipe(struct template_run *r, const struct template_node *n,
		     const struct template_value *dot, struct template_value *ret);

/* ret is empty or, after success, set. */
static int eval_operand(struct template_run *r, const struct template_node *n,
			const struct template_value *dot, struct template_value *ret)
{
	_cleanup_value_ struct template_value v = { .v = NULL };
	int code;

	switch ((int)n->kind) {
	case NODE_DOT:
		v = value_copy(dot);
		break;
	case NODE_VARIABLE:
		v = value_copy(&r->vars[n->slot[0]]);
		break;
	case NODE_LITERAL:
		v.v = json_incref(n->value);
		break;
	case NODE_PIPE:
		code = eval_pipe(r, n, dot, &v);
		if (code < 0)
			return code;
		break;
	default: /* a function without arguments, as an argument */
		r->at = n;
		if (n->function->min > 0)
			return template_fail(r,
					     "wrong number of args for %s: want at least %d got 0",
					     n->function->name, n->function->min);
		if (n->function->fn == NULL)
			return template_fail(r, "%s needs arguments", n->function->name);
		code = n->function->fn(r, NULL, 0, &v);
		if (code < 0)
			return code;
	}
	if (v.v == NULL)
		v.v = json_null();
	r->at = n;
	for (const struct template_node *f = n->fields; f != NULL; f = f->next) {
		code = get_field(r, &v, f);
		if (code < 0)
			return code;
	}
	*ret = v;
	v.v = NULL;
	return 0;
}

/* "and" and "or": the first argument that decides, the rest is not looked at. */
static int eval_logic(struct template_run *r, const struct template_node *n,
		      const struct template_value *dot, const struct template_value *piped,
		      struct template_value *ret)
{
	bool stops_at = n->first->function->name[0] == 'o';
	const struct template_node *arg = n->first->next;
	int code;

	for (; arg != NULL; arg = arg->next) {
		value_fini(ret);
		code = eval_operand(r, arg, dot, ret);
		if (code < 0)
			return code;
		if (template_is_true(ret->v) == stops_at)
			return 0;
	}
	if (piped != NULL) {
		value_fini(ret);
		*ret = value_copy(piped);
	}
	return 0;
}

static int eval_function(struct template_run *r, const struct template_node *n,
			 const struct template_value *dot, const struct template_value *piped,
			 struct template_value *ret)
{
	const struct template_function *f = n->first->function;
	struct template_value args[TEMPLATE_ARGS + 1] = { { .v = NULL } };
	const struct template_node *arg;
	size_t count = 0;
	int code = 0;

	for (arg = n->first->next; arg != NULL; arg = arg->next)
		count++;
	count += piped != NULL;
	r->at = n;
	if (count < (size_t)f->min || (f->max >= 0 && count > (size_t)f->max))
		return template_fail(r, "wrong number of args for %s: want %s%d got %zu", f->name,
				     f->max == f->min ? "" : "at least ", f->min, count);
	if (f->fn == NULL)
		return eval_logic(r, n, dot, piped, ret);
	count = 0;
	for (arg = n->first->next; code == 0 && arg != NULL; arg = arg->next) {
		args[count] = (struct template_value){ .v = NULL };
		code = eval_operand(r, arg, dot, &args[count++]);
	}
	if (code == 0 && piped != NULL)
		args[count++] = value_copy(piped);
	r->at = n;
	if (code == 0)
		code = f->fn(r, args, count, ret);
	for (size_t i = 0; i < count; i++)
		value_fini(&args[i]);
	return code == 0 && ret->v == NULL ? -ENOMEM : code;
}

/* .Label "key": the one method there is. */
static int eval_method(struct template_run *r, const struct template_node *n,
		       const struct template_value *dot, const struct template_value *piped,
		       struct template_value *ret)
{
	static const char method[] = "Label";
	struct template_node object = *n->first;
	const struct template_node *last = n->first->fields;
	_cleanup_value_ struct template_value v = { .v = NULL };
	_cleanup_value_ struct template_value key = { .v = NULL };
	const json_t *labels;
	const char *text;
	int code;

	r->at = n->first;
	while (last != NULL && last->next != NULL)
		last = last->next;
	if (last == NULL)
		return template_fail(r, "can't give argument to non-function");
	text = r->t->text + last->pos;
	if (last != n->first->fields || last->len != strlen(method) ||
	    strncasecmp(text, method, last->len) != 0)
		return template_fail(r, "%.*s is not a method but has arguments",
				     (int)(last->len < 100 ? last->len : 100), text);
	object.fields = NULL;
	code = eval_operand(r, &object, dot, &v);
	if (code == 0 && n->first->next != NULL)
		code = eval_operand(r, n->first->next, dot, &key);
	else if (code == 0)
		key = value_copy(piped);
	if (code < 0)
		return code;
	r->at = n;
	if ((n->first->next != NULL && (piped != NULL || n->first->next->next != NULL)) ||
	    !json_is_string(key.v))
		return template_fail(r, "%s takes one text, the name of a label", method);
	labels = json_object_get(v.v, "Labels");
	if (labels == NULL && v.data != NULL)
		labels = json_object_get(v.data, "Labels");
	if (labels == NULL)
		return template_fail(r, "can't evaluate field %s in type %s", method,
				     type_name(v.v));
	ret->v = json_object_get(labels, json_string_value(key.v));
	ret->v = ret->v != NULL ? json_incref(ret->v) : json_string("");
	ret->foreign = true;
	return ret->v != NULL ? 0 : -ENOMEM;
}

static int eval_command(struct template_run *r, const struct template_node *n,
			const struct template_value *dot, const struct template_value *piped,
			struct template_value *ret)
{
	if (n->first->kind == NODE_FUNCTION)
		return eval_function(r, n, dot, piped, ret);
	if (n->first->next != NULL || piped != NULL)
		return eval_method(r, n, dot, piped, ret);
	return eval_operand(r, n->first, dot, ret);
}

static void set_variable(struct template_run *r, unsigned int slot, const struct template_value *v)
{
	struct template_value old = r->vars[slot];

	r->vars[slot] = value_copy(v);
	value_fini(&old);
}

/* The value of a pipe, a new reference in *ret; its variables are set unless a range does it. */
static int eval_pipe(struct template_run *r, const struct template_node *n,
		     const struct template_value *dot, struct template_value *ret)
{
	_cleanup_value_ struct template_value v = { .v = NULL };

	for (const struct template_node *c = n->first; c != NULL; c = c->next) {
		_cleanup_value_ struct template_value next = { .v = NULL };
		int code = eval_command(r, c, dot, c == n->first ? NULL : &v, &next);

		if (code < 0)
			return code;
		value_fini(&v);
		v = next;
		next.v = NULL;
	}
	for (unsigned int i = 0; i < n->slots; i++)
		set_variable(r, n->slot[i], &v);
	*ret = v;
	v.v = NULL;
	return 0;
}

/* ---- blocks --------------------------------------------------------------------------------------- */

/* 0, RUN_BREAK, RUN_CONTINUE or -errno. */
static int run_list(struct template_run *r, const struct template_node *n,
		    const struct template_value *dot);

/* One turn of a range. */
static int run_turn(struct template_run *r, const struct template_node *n, json_t *index,
		    const struct template_value *item)
{
	const struct template_node *pipe = n->first;
	_cleanup_value_ struct template_value number = { .v = index, .foreign = item->foreign };

	if (pipe->slots == 2)
		set_variable(r, pipe->slot[0], &number);
	if (pipe->slots > 0)
		set_variable(r, pipe->slot[pipe->slots - 1], item);
	return run_list(r, n->body, item);
}

static int range_list(struct template_run *r, const struct template_node *n,
		      const struct template_value *v)
{
	json_t *item;
	size_t i;
	int code = 0;

	json_array_foreach(v->v, i, item) {
		struct template_value turn = { .v = item,
					       .data = json_array_get(v->data, i),
					       .foreign = v->foreign };

		code = run_turn(r, n, json_integer((json_int_t)i), &turn);
		if (code < 0 || code == RUN_BREAK)
			break;
	}
	return code;
}

static int range_map(struct template_run *r, const struct template_node *n,
		     const struct template_value *v)
{
	size_t count;
	_cleanup_free_ const char **keys = sorted_keys(v->v, &count);
	int code = 0;

	for (size_t i = 0; i < count; i++) {
		struct template_value turn = { .v = json_object_get(v->v, keys[i]),
					       .foreign = v->foreign };

		code = run_turn(r, n, json_string(keys[i]), &turn);
		if (code < 0 || code == RUN_BREAK)
			break;
	}
	return code;
}

static int run_range(struct template_run *r, const struct template_node *n,
		     const struct template_value *dot)
{
	_cleanup_value_ struct template_value v = { .v = NULL };
	int code = eval_pipe(r, n->first, dot, &v);

	if (code < 0)
		return code;
	if (!json_is_array(v.v) && !json_is_object(v.v) && !json_is_null(v.v)) {
		r->at = n->first;
		return template_fail(r, "range can't iterate over a value of type %s",
				     type_name(v.v));
	}
	if (!template_is_true(v.v))
		return run_list(r, n->otherwise, dot);
	code = json_is_array(v.v) ? range_list(r, n, &v) : range_map(r, n, &v);
	return code < 0 ? code : 0;
}

static int run_choice(struct template_run *r, const struct template_node *n,
		      const struct template_value *dot)
{
	_cleanup_value_ struct template_value v = { .v = NULL };
	int code = eval_pipe(r, n->first, dot, &v);

	if (code < 0)
		return code;
	if (!template_is_true(v.v))
		return run_list(r, n->otherwise, dot);
	return run_list(r, n->body, n->kind == NODE_WITH ? &v : dot);
}

static int run_action(struct template_run *r, const struct template_node *n,
		      const struct template_value *dot)
{
	_cleanup_value_ struct template_value v = { .v = NULL };
	int code = eval_pipe(r, n->first, dot, &v);

	if (code == 0 && !n->first->declares)
		template_print(r, &v, r->out);
	return code;
}

static int run_list(struct template_run *r, const struct template_node *n,
		    const struct template_value *dot)
{
	int code = 0;

	for (; n != NULL && code == 0; n = n->next) {
		switch ((int)n->kind) {
		case NODE_TEXT:
			(void)buf_append(r->out, n->text, n->text_len); /* checked at the end */
			break;
		case NODE_IF:
		case NODE_WITH:
			code = run_choice(r, n, dot);
			break;
		case NODE_RANGE:
			code = run_range(r, n, dot);
			break;
		case NODE_BREAK:
			return RUN_BREAK;
		case NODE_CONTINUE:
			return RUN_CONTINUE;
		default:
			code = run_action(r, n, dot);
			break;
		}
		if (r->out->err != 0)
			return r->out->err;
	}
	return code;
}

int template_execute(const struct template *t, const json_t *fields, const json_t *data,
		     bool escape, struct buf *b, struct error *e)
{
	struct template_run r = { .t = t, .escape = escape, .out = b, .e = e };
	struct template_value dot = { .v = (json_t *)(uintptr_t)fields,
				      .data = data,
				      .foreign = true };
	int code;

	set_variable(&r, 0, &dot);
	code = run_list(&r, t->body, &dot);
	for (size_t i = 0; i < TEMPLATE_VARS; i++)
		value_fini(&r.vars[i]);
	if (code == 0 && b->err != 0)
		code = b->err;
	return code < 0 && code != -EINVAL ? error_set(e, code, "--format") : code;
}

int template_run(const char *text, const json_t *fields, const json_t *data, bool escape,
		 struct buf *b, struct error *e)
{
	_cleanup_template_ struct template *t = NULL;
	int r = template_parse(text, &t, e);

	return r < 0 ? r : template_execute(t, fields, data, escape, b, e);
}
