/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of --format: the part of Go's text/template that scripts use.
 *
 * Theory of operation
 *
 * A template is text with actions in {{ }}. An action is a field path, a function
 * with arguments, or the head, middle or end of a block. The text is run
 * directly, by recursive descent: a block runs its body once for each
 * element, or not at all, in which case it is walked with output off to find
 * its end. Depth is limited, loops run over data only, so every template ends.
 *
 * The template is the caller's own. The values are foreign, and are never
 * looked at again as template text. What is not known is refused by name: a
 * wrong answer would be worse for a script than none.
 *
 * Fields are looked up exactly first, then without regard to case ("Id", "ID"),
 * first in the printable fields, then in the data.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "cmd/out.h"

#define DEPTH_MAX 16
#define ARGS_MAX  8

struct scope {
	const json_t *dot;
	const json_t
		*data; /* what "json ." prints and where missing keys are looked up; NULL = dot */
	const json_t *root;
	const json_t *root_data;
};

struct run {
	const char *p; /* where we are in the template */
	bool escape;
	int depth;
	struct buf *out;
	struct error *e;
};

/* One argument of an action: a literal or a value. */
struct arg {
	json_t *value; /* new reference */
	bool is_dot;
};

static int bad(struct run *r, const char *what, const char *text, size_t len)
{
	return error_setf(r->e, -EINVAL, "--format: %s \"%.*s\"", what,
			  (int)(len < 100 ? len : 100), text);
}

static json_t *get_key(const json_t *obj, const char *key, size_t len)
{
	const char *k;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)obj, k, v)
		if (strlen(k) == len && memcmp(k, key, len) == 0)
			return v;
	json_object_foreach((json_t *)(uintptr_t)obj, k, v)
		if (strlen(k) == len && strncasecmp(k, key, len) == 0)
			return v;
	return NULL;
}

/* ".A.B", "." or "$.A" at s. A new reference in *ret. */
static int eval_path(struct run *r, const struct scope *sc, const char *s, size_t len,
		     struct arg *ret)
{
	const json_t *at = sc->dot, *behind = sc->data;
	const char *end = s + len;
	const char *p = s;

	if (*p == '$') {
		at = sc->root;
		behind = sc->root_data;
		p++;
	}
	if (p == end || (p[0] == '.' && p + 1 == end)) {
		ret->value = json_incref((json_t *)(uintptr_t)(behind != NULL ? behind : at));
		ret->is_dot = true;
		return 0;
	}
	while (p < end) {
		const json_t *next = NULL;
		size_t n;

		if (*p != '.')
			return bad(r, "cannot understand", s, len);
		p++;
		for (n = 0; p + n < end && p[n] != '.'; n++)
			;
		if (n == 0)
			return bad(r, "cannot understand", s, len);
		if (json_is_object(at))
			next = get_key(at, p, n);
		if (next == NULL && json_is_object(behind))
			next = get_key(behind, p, n);
		if (next == NULL && !json_is_null(at))
			return bad(r, "there is no field", s, len);
		at = next;
		behind = NULL;
		p += n;
		if (at == NULL)
			break;
	}
	ret->value = at != NULL ? json_incref((json_t *)(uintptr_t)at) : json_null();
	return 0;
}

/* A string literal at *p, which is moved behind it. */
static int eval_literal(struct run *r, const char **p, const char *end, struct arg *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char quote = **p;
	const char *s = *p + 1;

	for (; s < end && *s != quote; s++) {
		char c = *s;

		if (c == '\\' && quote == '"' && s + 1 < end) {
			s++;
			c = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
		}
		(void)buf_putc(&b, c); /* a failure stays in b.err */
	}
	if (s == end)
		return bad(r, "no end of the text in", *p, (size_t)(end - *p));
	if (b.err != 0)
		return b.err;
	ret->value = json_stringn(buf_str(&b), b.len);
	if (ret->value == NULL)
		return bad(r, "this is no UTF-8 text:", *p, (size_t)(s + 1 - *p));
	*p = s + 1;
	return 0;
}

static void args_fini(struct arg *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(args[i].value);
}

/* index MAP-OR-LIST KEY...: borrowed, NULL for what a map does not have. */
static int index_value(struct run *r, const struct arg *args, int n, const json_t **ret)
{
	const json_t *at;

	if (n < 2)
		return bad(r, "two arguments are needed by", "index", 5);
	at = args[0].value;
	for (int i = 1; i < n && at != NULL && !json_is_null(at); i++) {
		const json_t *k = args[i].value;

		if (json_is_object(at) && json_is_string(k)) {
			at = json_object_get(at, json_string_value(k));
		} else if (json_is_array(at) && json_is_integer(k)) {
			if ((size_t)json_integer_value(k) >= json_array_size(at))
				return bad(r, "there is no such element for", "index", 5);
			at = json_array_get(at, (size_t)json_integer_value(k));
		} else {
			return bad(r, "wrong kind of value for", "index", 5);
		}
	}
	*ret = json_is_null(at) ? NULL : at;
	return 0;
}

static int eval_args(struct run *r, const struct scope *sc, const char *s, const char *end,
		     struct arg *args);

/* The end of the group that begins at s, its parenthesis; NULL when there is none. */
static const char *group_end(const char *s, const char *end)
{
	int depth = 0;

	for (; s < end; s++) {
		if (*s == '"' || *s == '`') {
			char quote = *s;

			for (s++; s < end && *s != quote; s++)
				if (*s == '\\' && quote == '"')
					s++;
		} else if (*s == '(') {
			depth++;
		} else if (*s == ')' && --depth == 0) {
			return s;
		}
	}
	return NULL;
}

/* What stands in parentheses between s and end: "index ..." or one value. A new reference. */
static int eval_inner(struct run *r, const struct scope *sc, const char *s, const char *end,
		      json_t **ret)
{
	struct arg args[ARGS_MAX] = { { NULL, false } };
	const json_t *v = NULL;
	const char *text = s;
	bool index;
	int n, code = 0;

	while (s < end && *s == ' ')
		s++;
	index = end - s > 6 && memcmp(s, "index ", 6) == 0;
	n = eval_args(r, sc, index ? s + 6 : s, end, args);
	if (n < 0)
		return n;
	if (index)
		code = index_value(r, args, n, &v);
	else if (n == 1)
		v = args[0].value;
	else
		code = bad(r, "cannot understand", text, (size_t)(end - text));
	if (code == 0)
		*ret = v != NULL ? json_incref((json_t *)(uintptr_t)v) : json_null();
	args_fini(args, (size_t)n);
	return code;
}

/* "(...)" or "(...).A.B" at *p, which is moved behind it. */
static int eval_group(struct run *r, const struct scope *sc, const char **p, const char *end,
		      struct arg *ret)
{
	const char *close = group_end(*p, end);
	struct scope inner = { .root = sc->root, .root_data = sc->root_data };
	json_t *v = NULL;
	const char *s;
	int code;

	if (close == NULL)
		return bad(r, "no ) for", *p, (size_t)(end - *p));
	if (++r->depth > DEPTH_MAX)
		code = bad(r, "too many parentheses inside each other at", *p, (size_t)(end - *p));
	else
		code = eval_inner(r, sc, *p + 1, close, &v);
	r->depth--;
	if (code < 0)
		return code;
	for (s = close + 1; s < end && *s != ' ' && *s != '\t' && *s != '\n'; s++)
		;
	if (s == close + 1) {
		ret->value = v;
	} else {
		inner.dot = v;
		code = eval_path(r, &inner, close + 1, (size_t)(s - close - 1), ret);
		json_decref(v);
	}
	*p = s;
	return code;
}

/* Words of an action between s and end. The count or -errno. */
static int eval_args(struct run *r, const struct scope *sc, const char *s, const char *end,
		     struct arg *args)
{
	int n = 0;

	for (;;) {
		const char *word;
		int ret;

		while (s < end && (*s == ' ' || *s == '\t' || *s == '\n'))
			s++;
		if (s == end)
			return n;
		if (n == ARGS_MAX) {
			ret = bad(r, "too many arguments in", s, (size_t)(end - s));
		} else if (*s == '"' || *s == '`') {
			ret = eval_literal(r, &s, end, &args[n]);
		} else if (*s == '(') {
			ret = eval_group(r, sc, &s, end, &args[n]);
		} else {
			unsigned long long num;
			_cleanup_free_ char *copy = NULL;

			for (word = s; s < end && *s != ' ' && *s != '\t' && *s != '\n'; s++)
				;
			copy = strndup(word, (size_t)(s - word));
			if (copy == NULL)
				ret = -ENOMEM;
			else if (*word == '.' || *word == '$')
				ret = eval_path(r, sc, word, (size_t)(s - word), &args[n]);
			else if (str_to_u64(copy, INT64_MAX, &num) == 0)
				ret = (args[n].value = json_integer((json_int_t)num)) != NULL ?
					      0 :
					      -ENOMEM;
			else
				ret = bad(r, "cannot understand", word, (size_t)(s - word));
		}
		if (ret < 0) {
			args_fini(args, (size_t)n);
			return ret;
		}
		n++;
	}
}

/* ---- printing a value as Go does ------------------------------------------------------- */

static void put_text(struct run *r, const char *text, size_t len)
{
	if (r->escape)
		(void)buf_puts_escaped(r->out, text, len); /* the caller checks out->err */
	else
		(void)buf_append(r->out, text, len);
}

static void put_value(struct run *r, const json_t *v, int depth)
{
	const char *key;
	json_t *item;
	size_t i;

	switch (json_typeof(v)) {
	case JSON_STRING:
		put_text(r, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		(void)buf_printf(r->out, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		(void)buf_printf(r->out, "%g", json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		(void)buf_puts(r->out, json_is_true(v) ? "true" : "false");
		break;
	case JSON_NULL:
		(void)buf_puts(r->out, "<nil>");
		break;
	case JSON_ARRAY:
		(void)buf_putc(r->out, '[');
		json_array_foreach((json_t *)(uintptr_t)v, i, item) {
			if (i > 0)
				(void)buf_putc(r->out, ' ');
			if (depth < LIMIT_JSON_DEPTH)
				put_value(r, item, depth + 1);
		}
		(void)buf_putc(r->out, ']');
		break;
	case JSON_OBJECT:
		i = 0;
		(void)buf_puts(r->out, "map[");
		json_object_foreach((json_t *)(uintptr_t)v, key, item) {
			if (i++ > 0)
				(void)buf_putc(r->out, ' ');
			put_text(r, key, strlen(key));
			(void)buf_putc(r->out, ':');
			if (depth < LIMIT_JSON_DEPTH)
				put_value(r, item, depth + 1);
		}
		(void)buf_putc(r->out, ']');
		break;
	}
}

/* ---- functions ------------------------------------------------------------------------------ */

static int put_json(struct run *r, const struct arg *args, int n)
{
	_cleanup_free_ char *text = NULL;

	if (n != 1)
		return bad(r, "one argument is needed by", "json", 4);
	text = json_dumps(args[0].value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL)
		return -ENOMEM;
	put_text(r, text, strlen(text));
	return 0;
}

static int put_index(struct run *r, const struct arg *args, int n)
{
	const json_t *at;
	int ret = index_value(r, args, n, &at);

	if (ret == 0 && at != NULL) /* Go: the zero value of a string */
		put_value(r, at, 0);
	return ret;
}

static int put_case(struct run *r, const struct arg *args, int n, bool upper)
{
	_cleanup_free_ char *text = NULL;

	if (n != 1 || !json_is_string(args[0].value))
		return bad(r, "one text is needed by", upper ? "upper" : "lower", 5);
	text = strdup(json_string_value(args[0].value));
	if (text == NULL)
		return -ENOMEM;
	for (char *p = text; *p != '\0'; p++) {
		if (upper && *p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		else if (!upper && *p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	put_text(r, text, strlen(text));
	return 0;
}

static int put_join(struct run *r, const struct arg *args, int n)
{
	size_t i;
	json_t *item;

	if (n != 2 || !json_is_array(args[0].value) || !json_is_string(args[1].value))
		return bad(r, "a list and a text are needed by", "join", 4);
	json_array_foreach(args[0].value, i, item) {
		if (i > 0)
			put_text(r, json_string_value(args[1].value),
				 json_string_length(args[1].value));
		put_value(r, item, 0);
	}
	return 0;
}

static int put_length(struct run *r, const struct arg *args, int n)
{
	size_t len = 0;

	if (n != 1)
		return bad(r, "one argument is needed by", "len", 3);
	if (json_is_array(args[0].value))
		len = json_array_size(args[0].value);
	else if (json_is_object(args[0].value))
		len = json_object_size(args[0].value);
	else if (json_is_string(args[0].value))
		len = json_string_length(args[0].value);
	return buf_printf(r->out, "%zu", len);
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(s, word, len) == 0;
}

static int run_function(struct run *r, const char *name, size_t len, const struct arg *args, int n)
{
	if (is_word(name, len, "json"))
		return put_json(r, args, n);
	if (is_word(name, len, "index"))
		return put_index(r, args, n);
	if (is_word(name, len, "len"))
		return put_length(r, args, n);
	if (is_word(name, len, "upper"))
		return put_case(r, args, n, true);
	if (is_word(name, len, "lower"))
		return put_case(r, args, n, false);
	if (is_word(name, len, "join"))
		return put_join(r, args, n);
	if (is_word(name, len, "print") || is_word(name, len, "println")) {
		for (int i = 0; i < n; i++) {
			if (i > 0)
				(void)buf_putc(r->out, ' ');
			put_value(r, args[i].value, 0);
		}
		return len == 7 ? buf_putc(r->out, '\n') : 0;
	}
	return bad(r, "this function is not known:", name, len);
}

/* ---- walking the template ---------------------------------------------------------------------- */

enum stop {
	STOP_END_OF_TEXT,
	STOP_END,
	STOP_ELSE
};

static int run_body(struct run *r, const struct scope *sc, bool active, enum stop *ret);

static bool is_true(const json_t *v)
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

/* The rest of a block from r->p: bodies up to its {{end}}. */
static int run_if(struct run *r, const struct scope *sc, const json_t *value, bool active)
{
	enum stop stop;
	bool yes = active && is_true(value);
	int ret = run_body(r, sc, yes, &stop);

	if (ret == 0 && stop == STOP_ELSE)
		ret = run_body(r, sc, active && !yes, &stop);
	if (ret == 0 && stop != STOP_END)
		return bad(r, "no {{end}} for", "if", 2);
	return ret;
}

static int run_range(struct run *r, const struct scope *sc, const json_t *value, bool active)
{
	const char *body = r->p;
	enum stop stop;
	bool any = false;
	const char *key;
	json_t *item;
	size_t i;
	int ret;

	if (active && json_is_array(value)) {
		json_array_foreach((json_t *)(uintptr_t)value, i, item) {
			struct scope inner = { .dot = item,
					       .root = sc->root,
					       .root_data = sc->root_data };

			r->p = body;
			ret = run_body(r, &inner, true, &stop);
			if (ret < 0)
				return ret;
			any = true;
		}
	} else if (active && json_is_object(value)) {
		json_object_foreach((json_t *)(uintptr_t)value, key, item) {
			struct scope inner = { .dot = item,
					       .root = sc->root,
					       .root_data = sc->root_data };

			r->p = body;
			ret = run_body(r, &inner, true, &stop);
			if (ret < 0)
				return ret;
			any = true;
		}
	}
	if (!any) {
		r->p = body;
		ret = run_body(r, sc, false, &stop);
		if (ret < 0)
			return ret;
	}
	if (stop == STOP_ELSE) {
		ret = run_body(r, sc, active && !any, &stop);
		if (ret < 0)
			return ret;
	}
	return stop == STOP_END ? 0 : bad(r, "no {{end}} for", "range", 5);
}

/* "if X", "range X", "with X" whose arguments lie in [s, end). */
static int run_block(struct run *r, const struct scope *sc, const char *name, size_t len,
		     const char *s, const char *end, bool active)
{
	struct arg args[ARGS_MAX] = { { NULL, false } };
	int n = 0;
	int ret;

	if (active) {
		n = eval_args(r, sc, s, end, args);
		if (n < 0)
			return n;
		if (n != 1) {
			args_fini(args, (size_t)n);
			return bad(r, "one value is needed by", name, len);
		}
	}
	if (++r->depth > DEPTH_MAX)
		ret = bad(r, "too many blocks inside each other at", name, len);
	else if (is_word(name, len, "if"))
		ret = run_if(r, sc, args[0].value, active);
	else
		ret = run_range(r, sc, args[0].value, active);
	r->depth--;
	args_fini(args, (size_t)n);
	return ret;
}

/* The action in [s, end). *stop is set where it ends a body. */
static int run_action(struct run *r, const struct scope *sc, const char *s, const char *end,
		      bool active, enum stop *stop, bool *over)
{
	struct arg args[ARGS_MAX] = { { NULL, false } };
	size_t len;
	int ret = 0;
	int n;

	while (s < end && (*s == ' ' || *s == '\t' || (*s == '-' && s + 1 < end && s[1] == ' ')))
		s++;
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	for (len = 0; s + len < end && s[len] != ' ' && s[len] != '\t'; len++)
		;
	if (is_word(s, len, "end") || is_word(s, len, "else")) {
		if (s + len != end)
			return bad(r, "cannot understand", s, (size_t)(end - s));
		*stop = len == 3 ? STOP_END : STOP_ELSE;
		*over = true;
		return 0;
	}
	if (is_word(s, len, "if") || is_word(s, len, "range"))
		return run_block(r, sc, s, len, s + len, end, active);
	if (!active)
		return 0;
	if (len == 0)
		return bad(r, "nothing between the braces:", "{{}}", 4);
	if (memchr(s, '|', (size_t)(end - s)) != NULL)
		return bad(r, "pipes are not known:", s, (size_t)(end - s));
	if (*s == '(' || *s == '.' || *s == '$' || *s == '"' || *s == '`') {
		n = eval_args(r, sc, s, end, args);
		if (n < 0)
			return n;
		if (n != 1)
			ret = bad(r, "cannot understand", s, (size_t)(end - s));
		else
			put_value(r, args[0].value, 0);
	} else {
		n = eval_args(r, sc, s + len, end, args);
		if (n < 0)
			return n;
		ret = run_function(r, s, len, args, n);
	}
	args_fini(args, (size_t)n);
	return ret;
}

static int run_body(struct run *r, const struct scope *sc, bool active, enum stop *ret)
{
	for (;;) {
		const char *open = strstr(r->p, "{{");
		const char *close;
		bool over = false;
		size_t len = open != NULL ? (size_t)(open - r->p) : strlen(r->p);
		int code;

		for (size_t i = 0; active && i < len; i++) {
			/* podman lets \t and \n through as typed in a shell. */
			if (r->p[i] == '\\' && i + 1 < len &&
			    (r->p[i + 1] == 't' || r->p[i + 1] == 'n'))
				(void)buf_putc(r->out, r->p[++i] == 't' ? '\t' : '\n');
			else
				(void)buf_putc(r->out, r->p[i]);
		}
		if (open == NULL) {
			r->p += len;
			*ret = STOP_END_OF_TEXT;
			return 0;
		}
		close = strstr(open, "}}");
		if (close == NULL)
			return bad(r, "no }} after", open, strlen(open));
		r->p = close + 2;
		code = run_action(r, sc, open + 2, close, active, ret, &over);
		if (code < 0 || over)
			return code;
	}
}

int template_run(const char *template, const json_t *fields, const json_t *data, bool escape,
		 struct buf *b, struct error *e)
{
	struct run r = { .p = template, .escape = escape, .out = b, .e = e };
	struct scope sc = { .dot = fields, .data = data, .root = fields, .root_data = data };
	enum stop stop;
	int ret = run_body(&r, &sc, true, &stop);

	if (ret == 0 && stop != STOP_END_OF_TEXT)
		ret = bad(&r, "{{end}} or {{else}} without a block in", template, strlen(template));
	if (ret == -ENOMEM)
		return error_set(e, ret, "--format");
	if (ret == 0 && b->err != 0)
		return error_set(e, b->err, "--format");
	return ret;
}
