/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of TOML.
 *
 * Theory of operation
 *
 * registries.conf belongs to the user or the administrator; it is trusted in
 * what it says, but a mistake in it must be an error with a line number and
 * not a registry that is silently not blocked. So the grammar is followed to
 * the letter for the parts of TOML that the file uses: comments, [tables],
 * [[arrays of tables]], bare, quoted and dotted keys, basic and literal
 * strings, integers, booleans, arrays over several lines, inline tables. What
 * is not read (dates, floats, multi-line strings) is refused by name.
 *
 * A key may be defined once; a table may be opened once by its own header.
 * Recursive descent over one buffer; nesting is limited by LIMIT_JSON_DEPTH.
 */
#include "storage/registry/toml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

#define PATH_MAX_KEYS 8

struct toml {
	const char *p, *end;
	const char *what;
	unsigned int line;
	unsigned int depth;
	json_t *root;
	json_t *headers; /* names of tables that were opened */
	struct error *e;
};

static int bad(struct toml *t, const char *why)
{
	return error_setf(t->e, -EINVAL, "%s, line %u: %s", t->what, t->line, why);
}

static int memory(struct toml *t)
{
	return error_set(t->e, -ENOMEM, "read %s", t->what);
}

static char peek(const struct toml *t)
{
	return t->p < t->end ? *t->p : '\0';
}

static void blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		t->p++;
}

static void comment(struct toml *t)
{
	if (peek(t) == '#')
		while (t->p < t->end && *t->p != '\n')
			t->p++;
}

/* Blanks, comments and newlines. */
static void space(struct toml *t)
{
	for (;;) {
		blanks(t);
		comment(t);
		if (peek(t) == '\r' && t->p + 1 < t->end && t->p[1] == '\n')
			t->p++;
		if (peek(t) != '\n')
			return;
		t->p++;
		t->line++;
	}
}

/* The end of a line, behind a value or header. */
static int line_end(struct toml *t)
{
	blanks(t);
	comment(t);
	if (peek(t) == '\r')
		t->p++;
	if (t->p < t->end && *t->p != '\n')
		return bad(t, "something follows that does not belong there");
	return 0;
}

static int hex_escape(struct toml *t, int digits, struct buf *b)
{
	unsigned long v = 0;

	for (int i = 0; i < digits; i++) {
		char c = peek(t);
		unsigned int d;

		if (c >= '0' && c <= '9')
			d = (unsigned int)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			d = (unsigned int)((c | 0x20) - 'a' + 10);
		else
			return bad(t, "a broken \\u escape");
		v = v * 16 + d;
		t->p++;
	}
	if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return bad(t, "a \\u escape of no character");
	if (v < 0x80) {
		(void)buf_putc(b, (char)v); /* failures stay in the buffer */
	} else if (v < 0x800) {
		(void)buf_putc(b, (char)(0xc0 | (v >> 6)));
		(void)buf_putc(b, (char)(0x80 | (v & 0x3f)));
	} else if (v < 0x10000) {
		(void)buf_putc(b, (char)(0xe0 | (v >> 12)));
		(void)buf_putc(b, (char)(0x80 | ((v >> 6) & 0x3f)));
		(void)buf_putc(b, (char)(0x80 | (v & 0x3f)));
	} else {
		(void)buf_putc(b, (char)(0xf0 | (v >> 18)));
		(void)buf_putc(b, (char)(0x80 | ((v >> 12) & 0x3f)));
		(void)buf_putc(b, (char)(0x80 | ((v >> 6) & 0x3f)));
		(void)buf_putc(b, (char)(0x80 | (v & 0x3f)));
	}
	return 0;
}

static int escape(struct toml *t, struct buf *b)
{
	static const char from[] = "btnfr\"\\";
	static const char to[] = "\b\t\n\f\r\"\\";
	char c = peek(t);
	const char *found = c != '\0' ? strchr(from, c) : NULL;

	t->p++;
	if (found != NULL)
		return buf_putc(b, to[found - from]);
	if (c == 'u')
		return hex_escape(t, 4, b);
	if (c == 'U')
		return hex_escape(t, 8, b);
	return bad(t, "an unknown escape in a string");
}

static int string(struct toml *t, struct buf *b)
{
	char quote = *t->p++;

	if (t->p + 1 < t->end && t->p[0] == quote && t->p[1] == quote)
		return bad(t, "multi-line strings are not read");
	for (;;) {
		char c = peek(t);
		int r = 0;

		if (t->p >= t->end || c == '\n' || ((unsigned char)c < ' ' && c != '\t') ||
		    c == 0x7f)
			return bad(t, "a string is not closed or has a control character");
		t->p++;
		if (c == quote)
			return b->err < 0 ? memory(t) : 0;
		if (c == '\\' && quote == '"')
			r = escape(t, b);
		else
			r = buf_putc(b, c);
		if (r < 0)
			return r == -ENOMEM ? memory(t) : r;
	}
}

static int key_part(struct toml *t, struct buf *b)
{
	static const char bare[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	blanks(t);
	if (peek(t) == '"' || peek(t) == '\'')
		return string(t, b);
	while (peek(t) != '\0' && strchr(bare, peek(t)) != NULL)
		(void)buf_putc(b, *t->p++); /* a failure stays in the buffer */
	if (b->len == 0)
		return bad(t, "a key was expected");
	return b->err < 0 ? memory(t) : 0;
}

/* The object behind key in o, made where missing; of an array the last element. */
static int descend(struct toml *t, json_t *o, const char *key, json_t **ret)
{
	json_t *v = json_object_get(o, key);

	if (v == NULL) {
		v = json_object();
		if (v == NULL || json_object_set_new(o, key, v) < 0)
			return memory(t);
	}
	if (json_is_array(v))
		v = json_array_get(v, json_array_size(v) - 1);
	if (!json_is_object(v))
		return bad(t, "a key is used as a table and as a value");
	*ret = v;
	return 0;
}

/* a.b.c: *ret is the table of the last part, whose name is left in b. */
static int key_path(struct toml *t, json_t *from, struct buf *b, json_t **ret)
{
	for (int i = 0; i < PATH_MAX_KEYS; i++) {
		int r;

		buf_reset(b);
		r = key_part(t, b);
		if (r < 0)
			return r;
		blanks(t);
		if (peek(t) != '.') {
			*ret = from;
			return 0;
		}
		t->p++;
		r = descend(t, from, buf_str(b), &from);
		if (r < 0)
			return r;
	}
	return bad(t, "a key has too many parts");
}

static int value(struct toml *t, json_t **ret);

static int array(struct toml *t, json_t **ret)
{
	_cleanup_json_ json_t *a = json_array();

	if (a == NULL)
		return memory(t);
	t->p++;
	for (;;) {
		json_t *v = NULL;
		int r;

		space(t);
		if (peek(t) == ']')
			break;
		r = value(t, &v);
		if (r < 0)
			return r;
		if (json_array_append_new(a, v) < 0)
			return memory(t);
		space(t);
		if (peek(t) == ',')
			t->p++;
		else if (peek(t) != ']')
			return bad(t, "a comma or \"]\" was expected");
	}
	t->p++;
	*ret = json_incref(a);
	return 0;
}

/* key = value into table. */
static int pair(struct toml *t, json_t *table)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *v = NULL;
	int r;

	r = key_path(t, table, &b, &table);
	if (r < 0)
		return r;
	if (peek(t) != '=')
		return bad(t, "\"=\" was expected behind a key");
	t->p++;
	blanks(t);
	if (json_object_get(table, buf_str(&b)) != NULL)
		return bad(t, "a key is defined twice");
	r = value(t, &v);
	if (r < 0)
		return r;
	return json_object_set_new(table, buf_str(&b), v) < 0 ? memory(t) : 0;
}

static int inline_table(struct toml *t, json_t **ret)
{
	_cleanup_json_ json_t *o = json_object();
	int r;

	if (o == NULL)
		return memory(t);
	t->p++;
	blanks(t);
	while (peek(t) != '}') {
		r = pair(t, o);
		if (r < 0)
			return r;
		blanks(t);
		if (peek(t) == ',')
			t->p++;
		else if (peek(t) != '}')
			return bad(t, "a comma or \"}\" was expected");
		blanks(t);
	}
	t->p++;
	*ret = json_incref(o);
	return 0;
}

static int word(struct toml *t, json_t **ret)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789+-_.:TZE";
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *s;
	long long n;
	char *end;

	while (peek(t) != '\0' && strchr(chars, peek(t)) != NULL) {
		if (*t->p != '_')
			(void)buf_putc(&b, *t->p); /* a failure gives a word that is none */
		t->p++;
	}
	s = buf_str(&b);
	errno = 0;
	n = strtoll(s, &end, 10);
	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
		*ret = json_boolean(s[0] == 't');
	else if (s[0] != '\0' && *end == '\0' && errno == 0)
		*ret = json_integer(n);
	else
		return bad(t, "a value was expected (strings need quotes)");
	return *ret == NULL ? memory(t) : 0;
}

static int value(struct toml *t, json_t **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (++t->depth > LIMIT_JSON_DEPTH)
		return bad(t, "values are nested too deeply");
	switch (peek(t)) {
	case '"':
	case '\'':
		r = string(t, &b);
		if (r == 0) {
			*ret = json_stringn(buf_str(&b), b.len);
			r = *ret != NULL ? 0 : bad(t, "a string is not valid UTF-8");
		}
		break;
	case '[':
		r = array(t, ret);
		break;
	case '{':
		r = inline_table(t, ret);
		break;
	default:
		r = word(t, ret);
		break;
	}
	t->depth--;
	return r;
}

static int header(struct toml *t, json_t **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool many = t->p + 1 < t->end && t->p[1] == '[';
	const char *start;
	json_t *parent = NULL, *list, *o;
	int r;

	t->p += many ? 2 : 1;
	start = t->p;
	r = key_path(t, t->root, &b, &parent);
	if (r < 0)
		return r;
	if (peek(t) != ']' || (many && (t->p + 1 >= t->end || t->p[1] != ']')))
		return bad(t, "a table header is not closed");
	if (many) {
		list = json_object_get(parent, buf_str(&b));
		if (list == NULL) {
			list = json_array();
			if (list == NULL || json_object_set_new(parent, buf_str(&b), list) < 0)
				return memory(t);
		}
		o = json_object();
		if (!json_is_array(list)) {
			json_decref(o);
			return bad(t, "a key is used as an array of tables and as something else");
		}
		if (o == NULL || json_array_append_new(list, o) < 0)
			return memory(t);
	} else {
		_cleanup_free_ char *name = strndup(start, (size_t)(t->p - start));

		r = descend(t, parent, buf_str(&b), &o);
		if (r < 0)
			return r;
		/* below an array of tables the same name opens another table each time */
		if (name == NULL)
			return memory(t);
		if (parent == t->root && json_object_get(t->headers, name) != NULL)
			return bad(t, "a table is opened twice");
		if (json_object_set_new(t->headers, name, json_true()) < 0)
			return memory(t);
	}
	t->p += many ? 2 : 1;
	*ret = o;
	return line_end(t);
}

json_t *toml_parse(const char *text, size_t len, const char *what, struct error *e)
{
	_cleanup_json_ json_t *root = json_object();
	_cleanup_json_ json_t *headers = json_object();
	struct toml t = { .p = text,
			  .end = text + len,
			  .what = what,
			  .line = 1,
			  .root = root,
			  .headers = headers,
			  .e = e };
	json_t *table = root;
	int r = 0;

	if (root == NULL || headers == NULL) {
		(void)memory(&t);
		return NULL;
	}
	if (memchr(text, '\0', len) != NULL) {
		(void)error_setf(e, -EINVAL, "%s holds a NUL byte", what);
		return NULL;
	}
	for (space(&t); r == 0 && t.p < t.end; space(&t)) {
		if (peek(&t) == '[') {
			r = header(&t, &table);
		} else {
			r = pair(&t, table);
			if (r == 0)
				r = line_end(&t);
		}
	}
	return r < 0 ? NULL : json_incref(root);
}
