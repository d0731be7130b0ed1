/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates of --format: the part of Go's text/template that scripts use, over JSON values.
 *
 * Known: fields (.A.B, $.A, $x.A, (...).A), $x := and =, pipes, if/else if/else,
 * range/else with one or two variables, break, continue, with, comments, trim markers
 * ({{- -}}), strings with Go's escapes and `raw` ones, characters, numbers; the functions
 * of template_func.c. .Label "key" is a method of whatever has Labels.
 */
#ifndef CMD_TEMPLATE_H
#define CMD_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct template;

/*
 * Parse text. Pure. In the text outside of actions \t and \n stand for a tab and a newline
 * as in podman's --format. 0, -EINVAL (e says what is not understood and where), -ENOMEM.
 */
int template_parse(const char *text, struct template **ret, struct error *e);
void template_free(struct template *t); /* accepts NULL */
#define _cleanup_template_ __attribute__((cleanup(template_cleanup_)))
static inline void template_cleanup_(struct template **t)
{
	template_free(*t);
}

/*
 * Append the text of one value to b. fields is what . means; data is what "json ." and
 * a plain "." print and where a field is looked up that fields lacks (NULL = fields).
 * With escape, text of the values (not of the template) is made harmless for terminals.
 * 0, -EINVAL (e names the field or function), -ENOMEM.
 */
int template_execute(const struct template *t, const json_t *fields, const json_t *data,
		     bool escape, struct buf *b, struct error *e);

/* Both steps, for a template that is used once. */
int template_run(const char *text, const json_t *fields, const json_t *data, bool escape,
		 struct buf *b, struct error *e);

#endif
