/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of the template engine share: the tree, values, functions. */
#ifndef CMD_TEMPLATE_TREE_H
#define CMD_TEMPLATE_TREE_H

#include "cmd/template.h"

#define TEMPLATE_DEPTH 32 /* parentheses and blocks inside each other */
#define TEMPLATE_ARGS  32 /* arguments of one function */
#define TEMPLATE_VARS  64 /* variables that are visible at one place */

enum template_kind {
	NODE_TEXT,   /* text: to be printed as it is */
	NODE_ACTION, /* first: a pipe whose value is printed (unless it declares) */
	NODE_IF,     /* first: a pipe; body, otherwise */
	NODE_WITH,   /* the same */
	NODE_RANGE,  /* the same */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_PIPE,     /* first: commands; or an operand in parentheses */
	NODE_COMMAND,  /* first: operands */
	NODE_DOT,      /* operands; fields: names that follow */
	NODE_VARIABLE, /* slot[0] */
	NODE_LITERAL,  /* value */
	NODE_FUNCTION, /* function */
	NODE_NAME,     /* one field name: pos and len */
	NODE_COUNT
};

struct template_node {
	enum template_kind kind;
	size_t pos, len; /* where it stands in the template */
	struct template_node *next, *first, *body, *otherwise, *fields;
	struct template_node *all; /* the next one to free */
	char *text;		   /* NODE_TEXT, len text_len */
	size_t text_len;
	json_t *value;
	const struct template_function *function;
	unsigned int slot[2]; /* variables a pipe sets */
	unsigned int slots;   /* how many of them */
	bool declares;	      /* := or = */
};

struct template
{
	char *text;
	struct template_node *body;
	struct template_node *all;
};

/* A value while a template runs. */
struct template_value {
	json_t *v;	    /* owned; NULL = none */
	const json_t *data; /* borrowed: the JSON of a row, or NULL */
	const char *key;    /* borrowed: the name it was found under, or NULL */
	bool foreign;	    /* holds text that must be escaped for terminals */
};

struct template_run {
	const struct template *t;
	const struct template_node *at; /* for messages */
	struct template_value vars[TEMPLATE_VARS];
	bool escape;
	struct buf *out;
	struct error *e;
};

struct template_function {
	const char *name;
	int min, max; /* arguments; max -1 = any number */
	/* Sets ret->v (a new reference) and ret->foreign. NULL: "and" or "or", done by the evaluator. */
	int (*fn)(struct template_run *r, const struct template_value *args, size_t n,
		  struct template_value *ret);
};

/* NULL when there is no function of this name. */
const struct template_function *template_function_find(const char *name, size_t len);
/* -EINVAL with a message that names the place r->at. */
int template_fail(struct template_run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What Go takes for true: not zero, not empty. */
bool template_is_true(const json_t *v);
/* Append a value as Go prints it; escaped when it is foreign and the run escapes. */
void template_print(const struct template_run *r, const struct template_value *v, struct buf *b);

#endif
