/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of --format: the functions.
 *
 * Theory of operation
 *
 * Names, order of arguments and results are those of Go's text/template and of what
 * podman and docker add (join, split, json, upper, lower, title, truncate, pad). Texts
 * are cut between characters only, so that every result is UTF-8. A function that
 * composes text of several arguments escapes the foreign ones itself (where the run
 * escapes at all) and returns what is not foreign any more; the others pass the mark
 * on. Widths, precisions and lengths are limited: no argument makes megabytes of blanks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cmd/template_tree.h"

#define WIDTH_MAX 10000

/* The text of b as the result; it is not foreign unless the caller says so. */
static int return_text(struct template_run *r, const struct buf *b, struct template_value *ret)
{
	if (b->err != 0)
		return b->err;
	ret->v = json_stringn(buf_str(b), b->len);
	return ret->v != NULL ? 0 : template_fail(r, "the result is no UTF-8 text");
}

static int return_bool(bool v, struct template_value *ret)
{
	ret->v = json_boolean(v);
	return 0;
}

static int need_text(struct template_run *r, const char *name, const json_t *v)
{
	return json_is_string(v) ? 0 : template_fail(r, "error calling %s: text is needed", name);
}

/* A number between 0 and max. */
static int need_number(struct template_run *r, const char *name, const json_t *v, size_t max,
		       size_t *ret)
{
	if (!json_is_integer(v))
		return template_fail(r, "error calling %s: a number is needed", name);
	if (json_integer_value(v) < 0 || (size_t)json_integer_value(v) > max)
		return template_fail(r, "error calling %s: index out of range: %lld", name,
				     (long long)json_integer_value(v));
	*ret = (size_t)json_integer_value(v);
	return 0;
}

/* The largest position <= n of text at which a character begins. */
static size_t character_start(const char *text, size_t len, size_t n)
{
	while (n > 0 && n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* ---- values --------------------------------------------------------------------------------- */

static int do_json(struct template_run *r, const struct template_value *args, size_t n,
		   struct template_value *ret)
{
	const json_t *v = args[0].data != NULL ? args[0].data : args[0].v;
	/* For a terminal only ASCII: nothing is left that would have to be escaped. */
	size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | (r->escape ? JSON_ENSURE_ASCII : 0);
	_cleanup_free_ char *text = json_dumps(v, flags);

	(void)n; /* always one */
	ret->v = text != NULL ? json_string(text) : NULL;
	return ret->v != NULL ? 0 : -ENOMEM;
}

static int index_one(struct template_run *r, const json_t **at, const json_t *key)
{
	if (json_is_null(*at))
		return 0;
	if (json_is_object(*at) && json_is_string(key)) {
		*at = json_object_get(*at, json_string_value(key));
		return 0;
	}
	if (json_is_array(*at) && json_is_integer(key)) {
		size_t i = 0;
		int code = need_number(r, "index", key, SIZE_MAX / 2, &i);

		if (code == 0 && i >= json_array_size(*at))
			code = template_fail(r, "error calling index: index out of range: %zu", i);
		*at = code == 0 ? json_array_get(*at, i) : NULL;
		return code;
	}
	return template_fail(r, "error calling index: wrong kind of value or of index");
}

/* Go's zero value for what a map does not have: of the kind of the others. */
static json_t *zero_of(const json_t *map)
{
	const json_t *other = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)map));

	return other == NULL || json_is_string(other) ? json_string("") : json_null();
}

static int do_index(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	const json_t *at = args[0].v;
	const json_t *map = NULL;

	for (size_t i = 1; i < n && at != NULL; i++) {
		int code;

		map = at;
		code = index_one(r, &at, args[i].v);
		if (code < 0)
			return code;
	}
	ret->v = at == NULL || json_is_null(at) ? zero_of(map) :
						  json_incref((json_t *)(uintptr_t)at);
	ret->foreign = args[0].foreign;
	return ret->v != NULL ? 0 : -ENOMEM;
}

static int do_slice(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	const json_t *v = args[0].v;
	const char *text = json_string_value(v);
	size_t len = text != NULL ? json_string_length(v) : json_array_size(v);
	size_t from = 0, to = len;
	int code = 0;

	if (text == NULL && !json_is_array(v))
		return template_fail(r, "error calling slice: a text or a list is needed");
	if (n > 1)
		code = need_number(r, "slice", args[1].v, len, &from);
	if (code == 0 && n > 2)
		code = need_number(r, "slice", args[2].v, len, &to);
	if (code < 0)
		return code;
	if (from > to)
		return template_fail(r, "error calling slice: index out of range: %zu", from);
	if (text != NULL) {
		from = character_start(text, len, from);
		to = character_start(text, len, to);
		ret->v = json_stringn(text + from, to - from);
	} else {
		ret->v = json_array();
		for (size_t i = from; i < to; i++)
			if (json_array_append(ret->v, json_array_get(v, i)) < 0)
				return -ENOMEM;
	}
	ret->foreign = args[0].foreign;
	return ret->v != NULL ? 0 : -ENOMEM;
}

static int do_len(struct template_run *r, const struct template_value *args, size_t n,
		  struct template_value *ret)
{
	const json_t *v = args[0].v;
	size_t len = json_is_array(v)  ? json_array_size(v) :
		     json_is_object(v) ? json_object_size(v) :
		     json_is_string(v) ? json_string_length(v) :
					 0;

	(void)n; /* always one */
	if (!json_is_array(v) && !json_is_object(v) && !json_is_string(v) && !json_is_null(v))
		return template_fail(r, "error calling len: it has no length");
	ret->v = json_integer((json_int_t)len);
	return ret->v != NULL ? 0 : -ENOMEM;
}

/* ---- texts ------------------------------------------------------------------------------------ */

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (c & 0x80) != 0;
}

static int change_case(struct template_run *r, const char *name, const struct template_value *arg,
		       struct template_value *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *s = json_string_value(arg->v);
	int code = need_text(r, name, arg->v);

	for (size_t i = 0; code == 0 && i < json_string_length(arg->v); i++) {
		bool up = name[0] == 'u' || (name[0] == 't' && (i == 0 || !is_word_byte(s[i - 1])));
		char c = s[i];

		if (up && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (name[0] == 'l' && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		(void)buf_putc(&b, c); /* return_text() sees a failure */
	}
	ret->foreign = arg->foreign;
	return code < 0 ? code : return_text(r, &b, ret);
}

static int do_upper(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	(void)n; /* always one */
	return change_case(r, "upper", args, ret);
}

static int do_lower(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	(void)n; /* always one */
	return change_case(r, "lower", args, ret);
}

static int do_title(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	(void)n; /* always one */
	return change_case(r, "title", args, ret);
}

static int do_join(struct template_run *r, const struct template_value *args, size_t n,
		   struct template_value *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct template_value item = { .foreign = args[0].foreign };
	size_t i;

	(void)n; /* always two */
	if ((!json_is_array(args[0].v) && !json_is_null(args[0].v)) || !json_is_string(args[1].v))
		return template_fail(r, "error calling join: a list and a text are needed");
	json_array_foreach(args[0].v, i, item.v) {
		if (i > 0)
			template_print(r, &args[1], &b);
		template_print(r, &item, &b);
	}
	ret->foreign = false;
	return return_text(r, &b, ret);
}

static int do_split(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	const char *s = json_string_value(args[0].v), *separator = json_string_value(args[1].v);

	(void)n; /* always two */
	if (s == NULL || separator == NULL)
		return template_fail(r, "error calling split: two texts are needed");
	ret->v = json_array();
	ret->foreign = args[0].foreign;
	while (s != NULL) {
		const char *at = strstr(s, separator);
		size_t len = at != NULL ? (size_t)(at - s) : strlen(s);

		if (separator[0] == '\0') { /* into characters */
			for (len = s[0] != '\0'; ((unsigned char)s[len] & 0xc0) == 0x80;)
				len++;
			at = s + len;
			if (*s == '\0')
				break;
		}
		if (json_array_append_new(ret->v, json_stringn(s, len)) < 0)
			return -ENOMEM;
		s = at != NULL ? at + strlen(separator) : NULL;
	}
	return 0;
}

static int do_truncate(struct template_run *r, const struct template_value *args, size_t n,
		       struct template_value *ret)
{
	const char *s = json_string_value(args[0].v);
	size_t len = 0;
	int code = need_text(r, "truncate", args[0].v);

	(void)n; /* always two */
	if (code == 0)
		code = need_number(r, "truncate", args[1].v, SIZE_MAX / 2, &len);
	if (code < 0)
		return code;
	if (len > json_string_length(args[0].v))
		len = json_string_length(args[0].v);
	ret->v = json_stringn(s, character_start(s, json_string_length(args[0].v), len));
	ret->foreign = args[0].foreign;
	return ret->v != NULL ? 0 : -ENOMEM;
}

/* pad TEXT BEFORE BEHIND: blanks around it; an empty text stays empty. */
static int do_pad(struct template_run *r, const struct template_value *args, size_t n,
		  struct template_value *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t before = 0, behind = 0;
	int code = need_text(r, "pad", args[0].v);

	(void)n; /* always three */
	if (code == 0)
		code = need_number(r, "pad", args[1].v, WIDTH_MAX, &before);
	if (code == 0)
		code = need_number(r, "pad", args[2].v, WIDTH_MAX, &behind);
	if (code < 0)
		return code;
	if (json_string_length(args[0].v) > 0)
		(void)buf_printf(&b, "%*s%s%*s", (int)before, "", json_string_value(args[0].v),
				 (int)behind, ""); /* return_text() sees a failure */
	ret->foreign = args[0].foreign;
	return return_text(r, &b, ret);
}

static int do_print(struct template_run *r, const struct template_value *args, size_t n,
		    struct template_value *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !json_is_string(args[i].v) && !json_is_string(args[i - 1].v))
			(void)buf_putc(&b, ' '); /* return_text() sees a failure */
		template_print(r, &args[i], &b);
	}
	return return_text(r, &b, ret);
}

static int do_println(struct template_run *r, const struct template_value *args, size_t n,
		      struct template_value *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_putc(&b, ' '); /* return_text() sees a failure */
		template_print(r, &args[i], &b);
	}
	(void)buf_putc(&b, '\n');
	return return_text(r, &b, ret);
}

/* ---- printf -------------------------------------------------------------------------------------- */

struct directive {
	bool minus, plus, zero, blank, sharp;
	bool width_set, precision_set;
	size_t width, precision;
	char verb;
};

/* A number of a directive at *s. */
static bool take_number(const char **s, size_t *ret)
{
	bool any = false;

	for (*ret = 0; **s >= '0' && **s <= '9'; (*s)++) {
		any = true;
		*ret = *ret * 10 + (size_t)(**s - '0');
		if (*ret > WIDTH_MAX)
			*ret = WIDTH_MAX;
	}
	return any;
}

/* Behind the %: the directive; *s is moved behind it. */
static struct directive take_directive(const char **s)
{
	struct directive d = { .verb = '\0' };

	for (;; (*s)++) {
		if (**s == '-')
			d.minus = true;
		else if (**s == '+')
			d.plus = true;
		else if (**s == '0')
			d.zero = true;
		else if (**s == ' ')
			d.blank = true;
		else if (**s == '#')
			d.sharp = true;
		else
			break;
	}
	d.width_set = take_number(s, &d.width);
	if (**s == '.') {
		(*s)++;
		d.precision_set = true;
		(void)take_number(s, &d.precision); /* "%.f" is precision 0 */
	}
	d.verb = **s;
	if (**s != '\0')
		(*s)++;
	return d;
}

/* Append text filled up to the width. */
static void put_padded(struct buf *b, const struct directive *d, const char *text, size_t len,
		       bool number)
{
	size_t shown = 0;
	size_t sign = number && d->zero && len > 0 && (text[0] == '-' || text[0] == '+');

	for (size_t i = 0; i < len; i++)
		shown += ((unsigned char)text[i] & 0xc0) != 0x80;
	if (!d->minus && d->zero && number)
		(void)buf_append(b, text, sign); /* the caller checks b->err */
	else
		sign = 0;
	for (size_t i = shown; !d->minus && i < d->width; i++)
		(void)buf_putc(b, d->zero && number ? '0' : ' ');
	(void)buf_append(b, text + sign, len - sign);
	for (size_t i = shown; d->minus && i < d->width; i++)
		(void)buf_putc(b, ' ');
}

static void put_quoted(struct buf *b, const char *s, size_t len)
{
	static const char known[] = "\a\b\f\n\r\t\v\\\"", letters[] = "abfnrtv\\\"";

	(void)buf_putc(b, '"'); /* the caller checks b->err */
	for (size_t i = 0; i < len; i++) {
		const char *k = s[i] != '\0' ? strchr(known, s[i]) : NULL;

		if (k != NULL)
			(void)buf_printf(b, "\\%c", letters[k - known]);
		else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			(void)buf_printf(b, "\\x%02x", (unsigned int)(unsigned char)s[i]);
		else
			(void)buf_putc(b, s[i]);
	}
	(void)buf_putc(b, '"');
}

/* The value as the verb wants it, into b; false when the verb is not for such a value. */
static bool format_value(struct template_run *r, const struct directive *d,
			 const struct template_value *arg, struct buf *b)
{
	const json_t *v = arg->v;
	long long i = json_integer_value(v);
	const char *sign = i < 0 ? "-" : d->plus ? "+" : d->blank ? " " : "";
	unsigned long long size = i < 0 ? 0 - (unsigned long long)i : (unsigned long long)i;
	const char *text = json_string_value(v);
	size_t len = text != NULL ? json_string_length(v) : 0;

	if (text != NULL && d->precision_set && d->precision < len)
		len = character_start(text, len, d->precision);
	switch (d->verb) {
	case 'v':
	case 's':
		if (d->verb == 's' && (json_is_number(v) || json_is_boolean(v)))
			return false;
		if (text != NULL && (d->verb == 's' || !d->sharp) && !(r->escape && arg->foreign))
			(void)buf_append(b, text, len); /* do_printf() checks b->err */
		else if (text != NULL && r->escape && arg->foreign)
			(void)buf_puts_escaped(b, text, len);
		else if (text != NULL)
			put_quoted(b, text, len);
		else
			template_print(r, arg, b);
		return true;
	case 'q':
		if (text != NULL)
			put_quoted(b, text, len);
		return text != NULL;
	case 't':
		if (json_is_boolean(v))
			template_print(r, arg, b);
		return json_is_boolean(v);
	case 'd':
		if (json_is_integer(v))
			(void)buf_printf(b, "%s%llu", sign, size);
		return json_is_integer(v);
	case 'o':
		if (json_is_integer(v))
			(void)buf_printf(b, "%s%llo", sign, size);
		return json_is_integer(v);
	case 'x':
	case 'X':
		if (json_is_integer(v))
			(void)buf_printf(b, d->verb == 'x' ? "%s%s%llx" : "%s%s%llX", sign,
					 !d->sharp	? "" :
					 d->verb == 'x' ? "0x" :
							  "0X",
					 size);
		for (size_t k = 0; k < len; k++)
			(void)buf_printf(b, d->verb == 'x' ? "%02x" : "%02X",
					 (unsigned int)(unsigned char)text[k]);
		return json_is_integer(v) || text != NULL;
	case 'f':
	case 'F':
	case 'e':
	case 'g': {
		double f = json_real_value(v);
		int precision = d->precision_set ? (int)d->precision : 6;

		if (!json_is_real(v))
			return false;
		if (d->plus && f >= 0)
			(void)buf_putc(b, '+');
		if (d->verb == 'e')
			(void)buf_printf(b, "%.*e", precision, f);
		else if (d->verb == 'g' && !d->precision_set)
			template_print(r, arg, b);
		else if (d->verb == 'g')
			(void)buf_printf(b, "%.*g", precision, f);
		else
			(void)buf_printf(b, "%.*f", precision, f);
		return true;
	}
	default:
		return false;
	}
}

static const char *go_type(const json_t *v)
{
	return json_is_string(v)  ? "string" :
	       json_is_integer(v) ? "int" :
	       json_is_real(v)	  ? "float64" :
	       json_is_boolean(v) ? "bool" :
	       json_is_array(v)	  ? "[]interface {}" :
				    "map[string]interface {}";
}

/* One directive with its argument (NULL: there is none left). */
static void put_directive(struct template_run *r, const struct directive *d,
			  const struct template_value *arg, struct buf *b)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (d->verb == '\0') {
		(void)buf_puts(b, "%!(NOVERB)"); /* return_text() sees a failure */
	} else if (arg == NULL) {
		(void)buf_printf(b, "%%!%c(MISSING)", d->verb);
	} else if (format_value(r, d, arg, &text)) {
		put_padded(b, d, buf_str(&text), text.len, json_is_number(arg->v));
	} else if (json_is_null(arg->v)) {
		(void)buf_printf(b, "%%!%c(<nil>)", d->verb);
	} else {
		(void)buf_printf(b, "%%!%c(%s=", d->verb, go_type(arg->v));
		template_print(r, arg, b);
		(void)buf_putc(b, ')');
	}
}

static int do_printf(struct template_run *r, const struct template_value *args, size_t n,
		     struct template_value *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *s = json_string_value(args[0].v);
	int code = need_text(r, "printf", args[0].v);
	size_t next = 1;

	if (code < 0)
		return code;
	while (*s != '\0') {
		size_t len = strcspn(s, "%");
		struct directive d;

		if (r->escape && args[0].foreign)
			(void)buf_puts_escaped(&b, s, len); /* return_text() sees a failure */
		else
			(void)buf_append(&b, s, len);
		s += len;
		if (*s == '\0')
			break;
		s++;
		d = take_directive(&s);
		if ((d.verb & 0x80) != 0)
			return template_fail(r, "error calling printf: no such verb");
		if (d.verb == '%')
			(void)buf_putc(&b, '%');
		else
			put_directive(r, &d, next < n ? &args[next] : NULL, &b);
		next += d.verb != '%' && d.verb != '\0' && next < n;
	}
	if (next < n) {
		(void)buf_puts(&b, "%!(EXTRA ");
		for (size_t i = next; i < n; i++) {
			(void)buf_printf(&b, "%s%s=", i > next ? ", " : "", go_type(args[i].v));
			template_print(r, &args[i], &b);
		}
		(void)buf_putc(&b, ')');
	}
	return return_text(r, &b, ret);
}

/* ---- comparisons ------------------------------------------------------------------------------------- */

static int do_not(struct template_run *r, const struct template_value *args, size_t n,
		  struct template_value *ret)
{
	(void)r;
	(void)n; /* always one */
	return return_bool(!template_is_true(args[0].v), ret);
}

/* *ret: -1, 0 or 1; for what has no order 0 or 1. */
static int compare(struct template_run *r, const char *name, const json_t *a, const json_t *b,
		   int *ret)
{
	if (json_is_string(a) && json_is_string(b)) {
		int c = strcmp(json_string_value(a), json_string_value(b));

		*ret = (c > 0) - (c < 0);
	} else if (json_is_integer(a) && json_is_integer(b)) {
		*ret = (json_integer_value(a) > json_integer_value(b)) -
		       (json_integer_value(a) < json_integer_value(b));
	} else if (json_is_number(a) && json_is_number(b)) {
		*ret = (json_number_value(a) > json_number_value(b)) -
		       (json_number_value(a) < json_number_value(b));
	} else if (name[0] != 'e' && name[0] != 'n') {
		return template_fail(r, "error calling %s: incompatible types for comparison",
				     name);
	} else if (json_is_null(a) || json_is_null(b)) {
		*ret = json_typeof(a) != json_typeof(b);
	} else if (json_is_boolean(a) && json_is_boolean(b)) {
		*ret = json_typeof(a) != json_typeof(b);
	} else {
		return template_fail(r, "error calling %s: incompatible types for comparison",
				     name);
	}
	return 0;
}

/* True when the first equals any of the others. */
static int do_eq(struct template_run *r, const struct template_value *args, size_t n,
		 struct template_value *ret)
{
	for (size_t i = 1; i < n; i++) {
		int order = 0;
		int code = compare(r, "eq", args[0].v, args[i].v, &order);

		if (code < 0)
			return code;
		if (order == 0)
			return return_bool(true, ret);
	}
	return return_bool(false, ret);
}

#define COMPARISON(name, test)                                                                    \
	static int do_##name(struct template_run *r, const struct template_value *args, size_t n, \
			     struct template_value *ret)                                          \
	{                                                                                         \
		int order = 0;                                                                    \
		int code = compare(r, #name, args[0].v, args[1].v, &order);                       \
                                                                                                  \
		(void)n; /* always two */                                                         \
		return code < 0 ? code : return_bool(order test, ret);                            \
	}

COMPARISON(ne, != 0)
COMPARISON(lt, < 0)
COMPARISON(le, <= 0)
COMPARISON(gt, > 0)
COMPARISON(ge, >= 0)

const struct template_function *template_function_find(const char *name, size_t len)
{
	static const struct template_function functions[] = {
		{ "and", 1, -1, NULL },		{ "eq", 2, -1, do_eq },
		{ "ge", 2, 2, do_ge },		{ "gt", 2, 2, do_gt },
		{ "index", 2, -1, do_index },	{ "join", 2, 2, do_join },
		{ "json", 1, 1, do_json },	{ "le", 2, 2, do_le },
		{ "len", 1, 1, do_len },	{ "lower", 1, 1, do_lower },
		{ "lt", 2, 2, do_lt },		{ "ne", 2, 2, do_ne },
		{ "not", 1, 1, do_not },	{ "or", 1, -1, NULL },
		{ "pad", 3, 3, do_pad },	{ "print", 0, -1, do_print },
		{ "printf", 1, -1, do_printf }, { "println", 0, -1, do_println },
		{ "slice", 1, 3, do_slice },	{ "split", 2, 2, do_split },
		{ "title", 1, 1, do_title },	{ "truncate", 2, 2, do_truncate },
		{ "upper", 1, 1, do_upper },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strlen(functions[i].name) == len && memcmp(functions[i].name, name, len) == 0)
			return &functions[i];
	return NULL;
}
