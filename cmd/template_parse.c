/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of --format: text to tree.
 *
 * Theory of operation
 *
 * Recursive descent over the words of the actions {{ }}; text between them becomes
 * a node of its own. A pure function: nothing is evaluated, nothing is read. All
 * nodes hang on one list, so that any failure frees them in one place.
 *
 * Variables are resolved here: each declaration gets the next free slot, a block
 * gives its slots back at its end. So an unknown variable or function is an error
 * before the first row is printed, as in Go.
 *
 * The template is the caller's own, but web forms and scripts build such texts
 * from less trusted parts: depth and counts are limited, and the parser has a fuzzer.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/template_tree.h"

enum word {
	WORD_CLOSE, /* }} */
	WORD_NAME,  /* function or keyword */
	WORD_FIELD, /* .Name */
	WORD_DOT,
	WORD_VARIABLE,
	WORD_TEXT, /* "..." or `...` */
	WORD_CHARACTER,
	WORD_NUMBER,
	WORD_OPEN_GROUP,
	WORD_CLOSE_GROUP,
	WORD_PIPE,
	WORD_COMMA,
	WORD_DECLARE, /* := */
	WORD_ASSIGN,  /* = */
	WORD_END_OF_TEMPLATE
};

struct parser {
	struct template *t;
	struct error *e;
	size_t at; /* behind the current word */
	int depth;
	int loops; /* ranges around us */
	bool trim; /* the last action ended with -}} */

	enum word word;
	size_t pos, len; /* of the current word */
	bool spaced;	 /* blanks in front of it */

	size_t var_pos[TEMPLATE_VARS], var_len[TEMPLATE_VARS];
	unsigned int vars;
};

static int fail(struct parser *p, size_t pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct parser *p, size_t pos, const char *fmt, ...)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t line = 1, column = pos;
	va_list ap;

	for (size_t i = 0; i < pos; i++) {
		if (p->t->text[i] == '\n') {
			line++;
			column = pos - i - 1;
		}
	}
	va_start(ap, fmt);
	(void)buf_vprintf(&b, fmt, ap); /* a shorter message is better than none */
	va_end(ap);
	return error_setf(p->e, -EINVAL, "template: format:%zu:%zu: %s", line, column, buf_str(&b));
}

#define SHOWN(p) (int)((p)->len < 100 ? (p)->len : 100), (p)->t->text + (p)->pos

static struct template_node *node(struct parser *p, enum template_kind kind)
{
	struct template_node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->kind = kind;
	n->pos = p->pos;
	n->len = p->len;
	n->all = p->t->all;
	p->t->all = n;
	return n;
}

/* ---- words ---------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_letter(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
}

static size_t name_length(const char *s)
{
	size_t n = 0;

	while (is_letter(s[n]) || str_is_digit(s[n]))
		n++;
	return n;
}

/* The length of the literal at s with its quotes; 0 when it has no end. */
static size_t quoted_length(const char *s)
{
	char quote = s[0];
	size_t n;

	for (n = 1; s[n] != '\0' && s[n] != quote; n++) {
		if (quote == '`')
			continue;
		if (s[n] == '\n')
			return 0;
		if (s[n] == '\\' && s[++n] == '\0')
			return 0;
	}
	return s[n] == quote ? n + 1 : 0;
}

/* "}}" or " -}}" at s: its length, 0 when it is neither. */
static size_t close_length(const char *s)
{
	size_t n = 0;

	if (strncmp(s, "}}", 2) == 0)
		return 2;
	while (is_blank(s[n]))
		n++;
	return n > 0 && strncmp(s + n, "-}}", 3) == 0 ? n + 3 : 0;
}

static int next_word(struct parser *p)
{
	const char *text = p->t->text;
	const char *s;
	size_t close = close_length(text + p->at);

	p->spaced = false;
	if (close == 0)
		for (; is_blank(text[p->at]); p->at++)
			p->spaced = true;
	s = text + p->at;
	if (close == 0)
		close = close_length(s);
	p->pos = p->at;
	p->len = 1;
	if (*s == '\0')
		return fail(p, p->pos, "unclosed action: there is no }} behind {{");
	if (close > 0) {
		p->word = WORD_CLOSE;
		p->len = close;
		p->trim = close > 2;
	} else if (*s == '.' && is_letter(s[1])) {
		p->word = WORD_FIELD;
		p->len = 1 + name_length(s + 1);
	} else if (str_is_digit(*s) ||
		   ((*s == '-' || *s == '+' || *s == '.') && str_is_digit(s[1]))) {
		p->word = WORD_NUMBER;
		while (str_is_digit(s[p->len]) || is_letter(s[p->len]) || s[p->len] == '.' ||
		       ((s[p->len] == '-' || s[p->len] == '+') &&
			(s[p->len - 1] == 'e' || s[p->len - 1] == 'E')))
			p->len++;
	} else if (*s == '.') {
		p->word = WORD_DOT;
	} else if (*s == '$') {
		p->word = WORD_VARIABLE;
		p->len = 1 + name_length(s + 1);
	} else if (*s == '"' || *s == '`' || *s == '\'') {
		p->word = *s == '\'' ? WORD_CHARACTER : WORD_TEXT;
		p->len = quoted_length(s);
		if (p->len == 0)
			return fail(p, p->pos, "no end of the text in %.100s", s);
	} else if (is_letter(*s)) {
		p->word = WORD_NAME;
		p->len = name_length(s);
	} else if (*s == ':' && s[1] == '=') {
		p->word = WORD_DECLARE;
		p->len = 2;
	} else if (*s == '=') {
		p->word = WORD_ASSIGN;
	} else if (*s == '(') {
		p->word = WORD_OPEN_GROUP;
	} else if (*s == ')') {
		p->word = WORD_CLOSE_GROUP;
	} else if (*s == '|') {
		p->word = WORD_PIPE;
	} else if (*s == ',') {
		p->word = WORD_COMMA;
	} else {
		return fail(p, p->pos, "cannot understand \"%.100s\"", s);
	}
	p->at += p->len;
	return 0;
}

static bool is_name(const struct parser *p, const char *name)
{
	return p->word == WORD_NAME && strlen(name) == p->len &&
	       memcmp(p->t->text + p->pos, name, p->len) == 0;
}

/* ---- literals ---------------------------------------------------------------------------- */

static void put_rune(struct buf *b, unsigned long c)
{
	if (c < 0x80) {
		(void)buf_putc(b, (char)c); /* the caller checks b->err */
	} else if (c < 0x800) {
		(void)buf_putc(b, (char)(0xc0 | (c >> 6)));
		(void)buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		(void)buf_putc(b, (char)(0xe0 | (c >> 12)));
		(void)buf_putc(b, (char)(0x80 | ((c >> 6) & 0x3f)));
		(void)buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		(void)buf_putc(b, (char)(0xf0 | (c >> 18)));
		(void)buf_putc(b, (char)(0x80 | ((c >> 12) & 0x3f)));
		(void)buf_putc(b, (char)(0x80 | ((c >> 6) & 0x3f)));
		(void)buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* n digits of base 8 or 16 at s; -1 when they are not there. */
static long digits(const char *s, int n, int base)
{
	long v = 0;

	for (int i = 0; i < n; i++) {
		int c = s[i] | 0x20;
		int d = str_is_digit(s[i]) ? s[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

		if (d >= base)
			return -1;
		v = v * base + d;
	}
	return v;
}

/* One escape sequence at s (the backslash) into b; its length, 0 when there is no such one. */
static size_t unescape(const char *s, struct buf *b)
{
	static const char letters[] = "abfnrtv\\\"'";
	static const char bytes[] = "\a\b\f\n\r\t\v\\\"'";
	const char *known = s[1] != '\0' ? strchr(letters, s[1]) : NULL;
	int n = s[1] == 'x' ? 2 : s[1] == 'u' ? 4 : s[1] == 'U' ? 8 : 0;
	long v;

	if (known != NULL) {
		(void)buf_putc(b, bytes[known - letters]); /* the caller checks b->err */
		return 2;
	}
	v = n > 0 ? digits(s + 2, n, 16) : digits(s + 1, 3, 8);
	if (v < 0 || v > 0x10ffff || (n >= 4 && v >= 0xd800 && v <= 0xdfff) || (n < 4 && v > 255))
		return 0;
	if (n >= 4)
		put_rune(b, (unsigned long)v);
	else
		(void)buf_putc(b, (char)v);
	return n > 0 ? (size_t)n + 2 : 4;
}

/* The current word, a literal in quotes, without them. */
static int unquote(struct parser *p, struct buf *b)
{
	const char *s = p->t->text + p->pos;
	const char *end = s + p->len - 1;
	bool raw = *s == '`';

	for (s++; s < end;) {
		size_t n = 1;

		if (*s != '\\' || raw)
			(void)buf_putc(b, *s); /* checked below */
		else
			n = unescape(s, b);
		if (n == 0 || s + n > end)
			return fail(p, p->pos, "no such escape in %.*s", SHOWN(p));
		s += n;
	}
	return b->err;
}

static int parse_text_literal(struct parser *p, json_t **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = unquote(p, &b);

	if (r < 0)
		return r;
	*ret = json_stringn(buf_str(&b), b.len);
	return *ret != NULL ? 0 : fail(p, p->pos, "this is no UTF-8 text: %.*s", SHOWN(p));
}

/* 'x': the number of a character. */
static int parse_character(struct parser *p, json_t **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_buf_ struct buf again = BUF_INIT;
	int r = unquote(p, &b);
	const unsigned char *s;
	unsigned long c;

	if (r < 0)
		return r;
	s = (const unsigned char *)buf_str(&b);
	c = s[0];
	if (c >= 0xf0 && b.len == 4)
		c = ((c & 7ul) << 18) | ((s[1] & 0x3ful) << 12) | ((s[2] & 0x3ful) << 6) |
		    (s[3] & 0x3ful);
	else if (c >= 0xe0 && b.len == 3)
		c = ((c & 15ul) << 12) | ((s[1] & 0x3ful) << 6) | (s[2] & 0x3ful);
	else if (c >= 0xc0 && b.len == 2)
		c = ((c & 31ul) << 6) | (s[1] & 0x3ful);
	put_rune(&again, c);
	if (b.len == 0 || again.len != b.len || memcmp(again.data, b.data, b.len) != 0)
		return fail(p, p->pos, "this is not one character: %.*s", SHOWN(p));
	*ret = json_integer((json_int_t)c);
	return *ret != NULL ? 0 : -ENOMEM;
}

static int parse_number(struct parser *p, json_t **ret)
{
	_cleanup_free_ char *s = strndup(p->t->text + p->pos, p->len);
	char *end;
	long long i;
	double d;

	if (s == NULL)
		return -ENOMEM;
	errno = 0;
	i = strtoll(s, &end, s[0] == '0' && s[1] != '\0' ? 0 : 10);
	if (*end == '\0' && errno == 0) {
		*ret = json_integer(i);
		return *ret != NULL ? 0 : -ENOMEM;
	}
	d = strtod(s, &end);
	*ret = *end == '\0' ? json_real(d) : NULL; /* NULL also for an infinite one */
	return *ret != NULL ? 0 : fail(p, p->pos, "bad number %.*s", SHOWN(p));
}

/* ---- pipes -------------------------------------------------------------------------------- */

static int parse_pipe(struct parser *p, enum word close, struct template_node **ret);

static int find_variable(struct parser *p, unsigned int *ret)
{
	const char *text = p->t->text;

	for (unsigned int i = p->vars; i-- > 0;) {
		bool root = i == 0 && p->len == 1;

		if (root || (i > 0 && p->var_len[i] == p->len &&
			     memcmp(text + p->var_pos[i], text + p->pos, p->len) == 0)) {
			*ret = i;
			return 0;
		}
	}
	return fail(p, p->pos, "undefined variable \"%.*s\"", SHOWN(p));
}

static int declare_variable(struct parser *p, unsigned int *ret)
{
	if (p->vars == TEMPLATE_VARS)
		return fail(p, p->pos, "too many variables at \"%.*s\"", SHOWN(p));
	p->var_pos[p->vars] = p->pos;
	p->var_len[p->vars] = p->len;
	*ret = p->vars++;
	return 0;
}

static int parse_name_operand(struct parser *p, struct template_node **ret)
{
	struct template_node *n = node(p, NODE_LITERAL);

	if (n == NULL)
		return -ENOMEM;
	if (is_name(p, "true") || is_name(p, "false")) {
		n->value = json_boolean(is_name(p, "true"));
	} else if (is_name(p, "nil")) {
		n->value = json_null();
	} else {
		n->kind = NODE_FUNCTION;
		n->function = template_function_find(p->t->text + p->pos, p->len);
		if (n->function == NULL)
			return fail(p, p->pos, "function \"%.*s\" not defined", SHOWN(p));
	}
	*ret = n;
	return next_word(p);
}

/* What comes first of an operand, without the fields behind it. */
static int parse_term(struct parser *p, struct template_node **ret)
{
	struct template_node *n;
	size_t pos = p->pos;
	int r = 0;

	if (p->word == WORD_NAME)
		return parse_name_operand(p, ret);
	if (p->word == WORD_OPEN_GROUP) {
		if (++p->depth > TEMPLATE_DEPTH)
			return fail(p, pos, "too many parentheses inside each other");
		r = next_word(p);
		if (r == 0)
			r = parse_pipe(p, WORD_CLOSE_GROUP, &n);
		p->depth--;
		if (r < 0)
			return r;
		n->pos = pos;
		n->len = p->pos + 1 - pos;
		*ret = n;
		return next_word(p);
	}
	n = node(p, NODE_LITERAL);
	if (n == NULL)
		return -ENOMEM;
	*ret = n;
	switch ((int)p->word) {
	case WORD_FIELD: /* the caller takes the name */
		n->kind = NODE_DOT;
		return 0;
	case WORD_DOT:
		n->kind = NODE_DOT;
		break;
	case WORD_VARIABLE:
		n->kind = NODE_VARIABLE;
		r = find_variable(p, &n->slot[0]);
		break;
	case WORD_TEXT:
		r = parse_text_literal(p, &n->value);
		break;
	case WORD_CHARACTER:
		r = parse_character(p, &n->value);
		break;
	case WORD_NUMBER:
		r = parse_number(p, &n->value);
		break;
	default:
		return fail(p, pos, "unexpected \"%.*s\"", SHOWN(p));
	}
	return r < 0 ? r : next_word(p);
}

/* A field name that is the current word, behind operand n. */
static int parse_field(struct parser *p, struct template_node *n, struct template_node **ret)
{
	*ret = node(p, NODE_NAME);
	if (*ret == NULL)
		return -ENOMEM;
	(*ret)->pos++; /* without its dot */
	(*ret)->len--;
	n->len = p->at - n->pos;
	return next_word(p);
}

static int parse_operand(struct parser *p, struct template_node **ret)
{
	bool field = p->word == WORD_FIELD;
	struct template_node **tail;
	int r = parse_term(p, ret);

	if (r < 0)
		return r;
	field = field || (((*ret)->kind == NODE_VARIABLE || (*ret)->kind == NODE_PIPE) &&
			  p->word == WORD_FIELD && !p->spaced);
	for (tail = &(*ret)->fields; field; tail = &(*tail)->next) {
		r = parse_field(p, *ret, tail);
		if (r < 0)
			return r;
		field = p->word == WORD_FIELD && !p->spaced;
	}
	/* "..Id" and "(.Id)x" */
	if (!p->spaced && p->word != WORD_CLOSE && p->word != WORD_PIPE &&
	    p->word != WORD_CLOSE_GROUP)
		return fail(p, p->pos, "unexpected \"%.*s\"", SHOWN(p));
	return 0;
}

static int parse_command(struct parser *p, bool first, struct template_node **ret)
{
	struct template_node *n = node(p, NODE_COMMAND);
	struct template_node **tail;
	size_t count = 0;

	if (n == NULL)
		return -ENOMEM;
	*ret = n;
	tail = &n->first;
	while (p->word != WORD_PIPE && p->word != WORD_CLOSE && p->word != WORD_CLOSE_GROUP) {
		int r = parse_operand(p, tail);

		if (r < 0)
			return r;
		n->len = (*tail)->pos + (*tail)->len - n->pos;
		tail = &(*tail)->next;
		if (++count > TEMPLATE_ARGS)
			return fail(p, p->pos, "too many arguments");
	}
	if (n->first == NULL)
		return fail(p, p->pos, "missing value for command");
	if (n->first->kind == NODE_LITERAL && n->first->next != NULL)
		return fail(p, n->pos, "can't give argument to non-function");
	if (n->first->kind == NODE_LITERAL && !first)
		return fail(p, n->pos, "non executable command in pipeline");
	return 0;
}

/* "$x :=", "$x =", "$i, $x :=": at most max variables. 1 when they were there, 0 when not. */
static int parse_declaration(struct parser *p, unsigned int max, struct template_node *n)
{
	const struct parser saved = *p;
	size_t pos[2], len[2];
	unsigned int count = 0;
	bool assign;

	while (p->word == WORD_VARIABLE && count < max) {
		int r;

		pos[count] = p->pos;
		len[count++] = p->len;
		r = next_word(p);
		if (r < 0)
			return r;
		if (p->word != WORD_COMMA || count == max)
			break;
		r = next_word(p);
		if (r < 0)
			return r;
	}
	if (count == 0 || (p->word != WORD_DECLARE && p->word != WORD_ASSIGN)) {
		if (p->word == WORD_COMMA)
			return fail(p, p->pos, "unexpected \",\"");
		*p = saved;
		return 0;
	}
	assign = p->word == WORD_ASSIGN;
	for (unsigned int i = 0; i < count; i++) {
		int r;

		p->pos = pos[i];
		p->len = len[i];
		r = assign ? find_variable(p, &n->slot[i]) : declare_variable(p, &n->slot[i]);
		if (r < 0)
			return r;
	}
	n->slots = count;
	n->declares = true;
	return next_word(p) < 0 ? -EINVAL : 1;
}

static int parse_commands(struct parser *p, enum word close, struct template_node *n)
{
	struct template_node **tail = &n->first;

	for (;;) {
		int r = parse_command(p, n->first == NULL, tail);

		if (r < 0)
			return r;
		tail = &(*tail)->next;
		if (p->word == close)
			break;
		if (p->word != WORD_PIPE)
			return fail(p, p->pos,
				    p->word == WORD_CLOSE ? "no ) for a (" :
							    "there is no ( for this )");
		r = next_word(p);
		if (r < 0)
			return r;
	}
	n->len = p->pos - n->pos;
	return 0;
}

/* A pipe up to close, which is the current word afterwards. */
static int parse_pipe(struct parser *p, enum word close, struct template_node **ret)
{
	struct template_node *n = node(p, NODE_PIPE);
	unsigned int vars = p->vars;
	int r;

	if (n == NULL)
		return -ENOMEM;
	*ret = n;
	r = parse_declaration(p, 1, n);
	if (r >= 0)
		r = parse_commands(p, close, n);
	if (close == WORD_CLOSE_GROUP)
		p->vars = vars;
	return r;
}

/* "range" may declare two; their slots are those of its body. */
static int parse_range_pipe(struct parser *p, struct template_node **ret)
{
	struct template_node *n = node(p, NODE_PIPE);
	int r;

	if (n == NULL)
		return -ENOMEM;
	*ret = n;
	r = parse_declaration(p, 2, n);
	return r < 0 ? r : parse_commands(p, WORD_CLOSE, n);
}

/* ---- blocks --------------------------------------------------------------------------------- */

enum stop {
	STOP_END_OF_TEXT,
	STOP_END,
	STOP_ELSE,
	STOP_ELSE_IF,
	STOP_ELSE_WITH
};

static int parse_list(struct parser *p, struct template_node **ret, enum stop *ret_stop);

/* if, with or range (the current word is behind the keyword) up to its {{end}}. */
static int parse_block_inner(struct parser *p, struct template_node *n)
{
	unsigned int vars = p->vars;
	enum stop stop;
	int r = n->kind == NODE_RANGE ? parse_range_pipe(p, &n->first) :
					parse_pipe(p, WORD_CLOSE, &n->first);

	p->loops += n->kind == NODE_RANGE;
	if (r == 0)
		r = parse_list(p, &n->body, &stop);
	p->loops -= n->kind == NODE_RANGE;
	if (r < 0)
		return r;
	if (stop == STOP_ELSE) {
		r = parse_list(p, &n->otherwise, &stop);
		if (r == 0 && stop != STOP_END && stop != STOP_END_OF_TEXT)
			return fail(p, p->pos, "expected {{end}}, found a second {{else}}");
	} else if (stop == STOP_ELSE_IF || stop == STOP_ELSE_WITH) {
		/* an {{if}} in the else part, which shares our {{end}} */
		struct template_node *inner = node(p, stop == STOP_ELSE_IF ? NODE_IF : NODE_WITH);

		if (inner == NULL)
			return -ENOMEM;
		if (n->kind == NODE_RANGE || (n->kind == NODE_IF) != (stop == STOP_ELSE_IF))
			return fail(p, p->pos, "unexpected \"%.*s\" behind else", SHOWN(p));
		n->otherwise = inner;
		if (++p->depth > TEMPLATE_DEPTH)
			return fail(p, p->pos, "too many blocks inside each other");
		r = next_word(p);
		if (r == 0)
			r = parse_block_inner(p, inner);
		p->depth--;
		p->vars = vars;
		return r;
	}
	p->vars = vars;
	if (r == 0 && stop != STOP_END)
		return fail(p, n->pos, "no {{end}} for \"%.*s\"", (int)n->len, p->t->text + n->pos);
	return r;
}

static int parse_block(struct parser *p, enum template_kind kind, struct template_node **ret)
{
	struct template_node *n = node(p, kind);
	int r;

	if (n == NULL)
		return -ENOMEM;
	*ret = n;
	if (++p->depth > TEMPLATE_DEPTH)
		return fail(p, n->pos, "too many blocks inside each other");
	r = next_word(p);
	if (r == 0)
		r = parse_block_inner(p, n);
	p->depth--;
	return r;
}

/* Behind "else": what follows it. */
static int parse_else(struct parser *p, enum stop *ret)
{
	int r = next_word(p);

	if (r < 0)
		return r;
	*ret = p->word == WORD_CLOSE ? STOP_ELSE :
	       is_name(p, "if")	     ? STOP_ELSE_IF :
	       is_name(p, "with")    ? STOP_ELSE_WITH :
				       STOP_END_OF_TEXT;
	return *ret != STOP_END_OF_TEXT ? 0 :
					  fail(p, p->pos, "unexpected \"%.*s\" in else", SHOWN(p));
}

static int parse_lonely(struct parser *p, enum template_kind kind, struct template_node **ret)
{
	*ret = node(p, kind);
	if (*ret == NULL)
		return -ENOMEM;
	if (p->loops == 0)
		return fail(p, p->pos, "{{%.*s}} outside {{range}}", SHOWN(p));
	return next_word(p);
}

/* The action whose first word is next. *ret stays NULL and *stop is set where it ends a list. */
static int parse_action(struct parser *p, struct template_node **ret, enum stop *stop, bool *over)
{
	size_t open = p->at - 2;
	int r = next_word(p);

	if (r < 0)
		return r;
	if (p->word == WORD_CLOSE)
		return fail(p, open, "missing value for command: nothing between the braces");
	if (is_name(p, "end") || is_name(p, "else")) {
		*over = true;
		*stop = STOP_END;
		r = is_name(p, "end") ? next_word(p) : parse_else(p, stop);
		if (r == 0 && *stop == STOP_END && p->word != WORD_CLOSE)
			r = fail(p, p->pos, "unexpected \"%.*s\" in end", SHOWN(p));
		return r;
	}
	if (is_name(p, "if"))
		return parse_block(p, NODE_IF, ret);
	if (is_name(p, "with"))
		return parse_block(p, NODE_WITH, ret);
	if (is_name(p, "range"))
		return parse_block(p, NODE_RANGE, ret);
	if (is_name(p, "break") || is_name(p, "continue")) {
		r = parse_lonely(p, is_name(p, "break") ? NODE_BREAK : NODE_CONTINUE, ret);
		if (r == 0 && p->word != WORD_CLOSE)
			r = fail(p, p->pos, "unexpected \"%.*s\"", SHOWN(p));
		return r;
	}
	if (is_name(p, "define") || is_name(p, "template") || is_name(p, "block"))
		return fail(p, p->pos, "{{%.*s}} is not supported: one template is all there is",
			    SHOWN(p));
	*ret = node(p, NODE_ACTION);
	return *ret != NULL ? parse_pipe(p, WORD_CLOSE, &(*ret)->first) : -ENOMEM;
}

/* The text up to the next action, len bytes at p->at. */
static int parse_text(struct parser *p, size_t len, bool trim_end, struct template_node **ret)
{
	const char *s = p->t->text + p->at;
	_cleanup_buf_ struct buf b = BUF_INIT;

	p->pos = p->at;
	p->len = len;
	p->at += len;
	for (; p->trim && len > 0 && is_blank(*s); len--)
		s++;
	while (trim_end && len > 0 && is_blank(s[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\' && i + 1 < len && (s[i + 1] == 't' || s[i + 1] == 'n'))
			(void)buf_putc(&b, s[++i] == 't' ? '\t' : '\n'); /* checked below */
		else
			(void)buf_putc(&b, s[i]);
	}
	if (b.err == 0 && b.len == 0)
		return 0;
	*ret = node(p, NODE_TEXT);
	if (*ret == NULL)
		return -ENOMEM;
	(*ret)->text_len = b.len;
	(*ret)->text = buf_steal(&b);
	return (*ret)->text != NULL ? 0 : -ENOMEM;
}

/* Behind "{{" or "{{- ": skip a comment with its braces. 1 when there was one. */
static int skip_comment(struct parser *p)
{
	const char *text = p->t->text;
	const char *end;
	size_t close;

	if (strncmp(text + p->at, "/*", 2) != 0)
		return 0;
	end = strstr(text + p->at + 2, "*/");
	if (end == NULL)
		return fail(p, p->at, "unclosed comment");
	close = close_length(end + 2);
	if (close == 0)
		return fail(p, p->at, "comment ends before closing delimiter");
	p->at = (size_t)(end - text) + 2 + close;
	p->trim = close > 2;
	return 1;
}

static int parse_list(struct parser *p, struct template_node **ret, enum stop *ret_stop)
{
	struct template_node **tail = ret;

	for (;;) {
		const char *s = p->t->text + p->at;
		const char *open = strstr(s, "{{");
		bool trim = open != NULL && open[2] == '-' && is_blank(open[3]);
		bool over = false;
		int r = parse_text(p, open != NULL ? (size_t)(open - s) : strlen(s), trim, tail);

		if (r < 0)
			return r;
		if (*tail != NULL)
			tail = &(*tail)->next;
		p->trim = false;
		if (open == NULL) {
			*ret_stop = STOP_END_OF_TEXT;
			return 0;
		}
		p->at += trim ? 4 : 2;
		r = skip_comment(p);
		if (r == 0)
			r = parse_action(p, tail, ret_stop, &over);
		if (r < 0 || over)
			return r < 0 ? r : 0;
		if (*tail != NULL)
			tail = &(*tail)->next;
	}
}

int template_parse(const char *text, struct template **ret, struct error *e)
{
	_cleanup_template_ struct template *t = calloc(1, sizeof(*t));
	struct parser p = { .t = t, .e = e, .vars = 1 };
	enum stop stop;
	int r;

	if (t == NULL || (t->text = strdup(text)) == NULL)
		return error_set(e, -ENOMEM, "--format");
	r = parse_list(&p, &t->body, &stop);
	if (r == 0 && stop != STOP_END_OF_TEXT)
		r = fail(&p, p.pos, "unexpected {{%s}}: there is no block before it",
			 stop == STOP_END ? "end" : "else");
	if (r == -ENOMEM)
		return error_set(e, r, "--format");
	if (r == 0)
		*ret = steal_ptr(&t);
	return r;
}

void template_free(struct template *t)
{
	if (t == NULL)
		return;
	while (t->all != NULL) {
		struct template_node *n = t->all;

		t->all = n->all;
		json_decref(n->value);
		free(n->text);
		free(n);
	}
	free(t->text);
	free(t);
}
