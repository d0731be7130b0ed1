/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables: parsing and --help.
 *
 * Theory of operation
 *
 * argv is walked once. A word that starts with "-" is looked up in the verb's
 * table; its value is stored through the entry's type and offset, so that no
 * verb has a loop of its own and no option can be parsed that --help does not
 * know. Values stay where they are in argv; only lists are copied.
 *
 * Without stops_at_operand options may follow operands ("crt rm NAME -f").
 * Operands are then collected behind the options by a stable rotation in argv
 * itself, and the caller sees one block.
 *
 * The words come from the invoking user or a script of his and are trusted as
 * far as their author is; they are escaped by the log all the same. The texts of
 * the errors follow those of podman, because scripts and people know them.
 */
#include "cmd/opt.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/out.h"

static const struct option_spec *find_long(const struct cmd_verb *verb, const char *name,
					   size_t len)
{
	for (const struct option_spec *o = verb->options; o->name != NULL; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct option_spec *find_short(const struct cmd_verb *verb, char letter)
{
	for (const struct option_spec *o = verb->options; o->name != NULL; o++)
		if (o->letter == letter && letter != 0)
			return o;
	return NULL;
}

static bool takes_value(const struct option_spec *o)
{
	return o->type != OPT_FLAG && o->type != OPT_TRISTATE;
}

int opt_parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- storing values ----------------------------------------------------------------- */

static int parse_int(const char *text, long long *ret)
{
	unsigned long long n;
	bool negative = text[0] == '-';

	if (str_to_u64(negative ? text + 1 : text, LLONG_MAX, &n) < 0)
		return -EINVAL;
	*ret = negative ? -(long long)n : (long long)n;
	return 0;
}

static int add_list(struct strv *list, const char *value)
{
	for (;;) {
		size_t len = strcspn(value, ",");

		if (len > 0) {
			int r = strv_addf(list, "%.*s", (int)len, value);

			if (r < 0)
				return r;
		}
		if (value[len] == '\0')
			return 0;
		value += len + 1;
	}
}

/* what: "--name" or "-n, --name" for messages. */
static int store(const struct option_spec *o, void *data, const char *value, struct error *e)
{
	void *member = (char *)data + o->offset;
	const char *expected = "";
	unsigned long long n = 0;
	bool flag = true;
	int r = 0;

	switch (o->type) {
	case OPT_FLAG:
	case OPT_TRISTATE:
		if (value != NULL)
			r = opt_parse_bool(value, &flag);
		expected = "expected true or false";
		if (r == 0 && o->type == OPT_FLAG)
			*(bool *)member = flag;
		else if (r == 0)
			*(int *)member = flag;
		break;
	case OPT_STRING:
		*(const char **)member = value;
		break;
	case OPT_STRINGS:
		r = strv_add(member, value);
		break;
	case OPT_LIST:
		r = add_list(member, value);
		break;
	case OPT_INT:
		r = parse_int(value, member);
		expected = "expected a whole number";
		break;
	case OPT_UINT:
		r = str_to_u64(value, INT_MAX, &n);
		expected = "expected a whole number, 0 or more";
		if (r == 0)
			*(unsigned int *)member = (unsigned int)n;
		break;
	case OPT_SIZE:
		r = str_to_size(value, member);
		expected = "expected a size such as 64m or 1g";
		break;
	case OPT_CALL:
		return o->call(data, value, e);
	case OPT_TYPE_COUNT:
		r = -EINVAL;
		break;
	}
	if (r == -ENOMEM)
		return error_set(e, r, "reading the options");
	if (r < 0)
		return error_setf(e, -EINVAL, "invalid argument \"%s\" for \"--%s\": %s",
				  value != NULL ? value : "", o->name, expected);
	return 0;
}

/* ---- walking argv ---------------------------------------------------------------------- */

struct walker {
	const struct cmd_verb *verb;
	int argc;
	char **argv;
	int at; /* the word that is looked at */
	void *data;
	bool help;
};

static int walk_long(struct walker *w, struct error *e)
{
	const char *word = w->argv[w->at] + 2;
	const char *eq = strchr(word, '=');
	size_t len = eq != NULL ? (size_t)(eq - word) : strlen(word);
	const struct option_spec *o = find_long(w->verb, word, len);
	const char *value = eq != NULL ? eq + 1 : NULL;

	if (o == NULL && len == 4 && memcmp(word, "help", 4) == 0) {
		w->help = true;
		return 0;
	}
	if (o == NULL)
		return error_setf(e, -EINVAL, "unknown flag: --%.*s", (int)(len < 200 ? len : 200),
				  word);
	if (value == NULL && takes_value(o)) {
		if (w->at + 1 >= w->argc)
			return error_setf(e, -EINVAL, "flag needs an argument: --%s", o->name);
		value = w->argv[++w->at];
	}
	return store(o, w->data, value, e);
}

static int walk_cluster(struct walker *w, struct error *e)
{
	const char *word = w->argv[w->at];

	for (const char *p = word + 1; *p != '\0'; p++) {
		const struct option_spec *o = find_short(w->verb, *p);
		const char *value = NULL;
		int r;

		if (o == NULL && *p == 'h') {
			w->help = true;
			return 0;
		}
		if (o == NULL)
			return error_setf(e, -EINVAL, "unknown shorthand flag: '%c' in %.200s", *p,
					  word);
		if (p[1] == '=')
			value = p + 2;
		else if (takes_value(o) && p[1] != '\0')
			value = p + 1;
		else if (takes_value(o)) {
			if (w->at + 1 >= w->argc)
				return error_setf(e, -EINVAL,
						  "flag needs an argument: '%c' in %.200s", *p,
						  word);
			value = w->argv[++w->at];
		}
		r = store(o, w->data, value, e);
		if (r < 0 || value != NULL)
			return r;
	}
	return 0;
}

/* Move argv[from..to) down in front of argv[at]; what lay between comes behind. */
static void rotate(char **argv, int at, int from, int to)
{
	for (int i = from; i < to; i++, at++) {
		char *word = argv[i];

		memmove(&argv[at + 1], &argv[at], (size_t)(i - at) * sizeof(*argv));
		argv[at] = word;
	}
}

int opt_parse_quiet(const struct cmd_verb *verb, int argc, char **argv, void *data, struct error *e)
{
	struct walker w = { .verb = verb, .argc = argc, .argv = argv, .at = 1, .data = data };
	int operands = 1; /* argv[operands .. w.at) are operands seen so far */

	e->code = 0;
	while (w.at < argc) {
		int start = w.at;
		const char *word = argv[w.at];
		int r;

		if (word[0] != '-' || word[1] == '\0') {
			if (verb->stops_at_operand)
				break;
			w.at++;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			rotate(argv, operands, start, start + 1);
			operands++;
			break;
		}
		r = word[1] == '-' ? walk_long(&w, e) : walk_cluster(&w, e);
		if (r < 0)
			return -1;
		if (w.help)
			return -1;
		w.at++;
		rotate(argv, operands, start, w.at);
		operands += w.at - start;
	}
	return operands;
}

int opt_usage_error(const struct cmd_verb *verb, const char *fmt, ...)
{
	struct error e = ERROR_INIT;
	_cleanup_buf_ struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)buf_vprintf(&b, fmt, ap); /* what could be formatted is printed */
	va_end(ap);
	error_setf(&e, -EINVAL, "%s. See 'crt%s%s --help'", buf_str(&b),
		   verb->name[0] != '\0' ? " " : "", verb->name);
	log_error(&e);
	return EXIT_CRT;
}

int opt_parse(const struct cmd_verb *verb, int argc, char **argv, void *data, int *ret_code)
{
	struct error e = ERROR_INIT;
	int first = opt_parse_quiet(verb, argc, argv, data, &e);

	if (first >= 0)
		return first;
	if (e.code != 0) {
		*ret_code = opt_usage_error(verb, "%s", e.msg);
	} else {
		_cleanup_buf_ struct buf b = BUF_INIT;

		opt_help(verb, &b);
		*ret_code = 0;
		if (out_write(&b, &e) < 0) {
			log_error(&e);
			*ret_code = EXIT_CRT;
		}
	}
	return -1;
}

/* ---- --help -------------------------------------------------------------------------------- */

static void help_left(const struct option_spec *o, struct buf *b)
{
	if (o->letter != 0)
		(void)buf_printf(b, "  -%c, --%s", o->letter, o->name);
	else
		(void)buf_printf(b, "      --%s", o->name);
	if (takes_value(o))
		(void)buf_printf(b, " %s", o->arg != NULL ? o->arg : "VALUE");
}

static void help_verbs(const struct cmd_verb *group, struct buf *b)
{
	(void)buf_puts(b, "\nCommands:\n");
	for (size_t i = 0; group->verbs[i] != NULL; i++) {
		size_t len;
		const char *name = opt_name_in(group, group->verbs[i], &len);

		if (!group->verbs[i]->hidden)
			(void)buf_printf(b, "  %-12.*s %s\n", (int)len, name,
					 group->verbs[i]->summary);
	}
}

/* The option behind the one of that name in the order of the alphabet, which tables with shared parts do not have. */
static const struct option_spec *next_option(const struct cmd_verb *verb, const char *name)
{
	const struct option_spec *next = NULL;

	for (const struct option_spec *o = verb->options; o->name != NULL; o++)
		if (strcmp(o->name, name) > 0 && (next == NULL || strcmp(o->name, next->name) < 0))
			next = o;
	return next;
}

void opt_help(const struct cmd_verb *verb, struct buf *b)
{
	static const struct option_spec help = {
		.name = "help", .letter = 'h', .type = OPT_FLAG, .help = "Print this text"
	};
	size_t width = 0;
	bool own_help = find_long(verb, "help", 4) != NULL;

	/* Memory errors stay in b; the caller writes what is there. */
	(void)buf_printf(b, "%s\n\nUsage:\n  crt%s%s %s\n", verb->summary,
			 verb->name[0] != '\0' ? " " : "", verb->name, verb->usage);
	if (verb->alias != NULL)
		(void)buf_printf(b, "\nAlso called:\n  crt %s\n", verb->alias);
	if (verb->details != NULL)
		(void)buf_printf(b, "\n%s\n", verb->details);
	for (const struct option_spec *o = verb->options; o->name != NULL; o++) {
		_cleanup_buf_ struct buf left = BUF_INIT;

		help_left(o, &left);
		if (o->help != NULL && left.len > width && left.len <= 40)
			width = left.len;
	}
	if (verb->verbs != NULL)
		help_verbs(verb, b);
	(void)buf_puts(b, "\nOptions:\n");
	for (const struct option_spec *o = next_option(verb, "");; o = next_option(verb, o->name)) {
		_cleanup_buf_ struct buf left = BUF_INIT;
		bool end = o == NULL;
		const struct option_spec *shown = end ? &help : o;

		if (end && own_help)
			break;
		if (shown->help == NULL)
			continue;
		help_left(shown, &left);
		if (end && find_short(verb, 'h') != NULL) {
			buf_reset(&left);
			(void)buf_puts(&left, "      --help");
		}
		if (left.len > width)
			(void)buf_printf(b, "%s\n%*s  %s\n", buf_str(&left), (int)width, "",
					 shown->help);
		else
			(void)buf_printf(b, "%-*s  %s\n", (int)width, buf_str(&left), shown->help);
		if (end)
			break;
	}
}

/* ---- groups of verbs ---------------------------------------------------------------------- */

/* "volume ls" in the group "volume" is "ls"; NULL when the name does not begin with the group's. */
static const char *without_group(const struct cmd_verb *group, const char *name)
{
	size_t len = strlen(group->name);

	if (name == NULL || len == 0)
		return name;
	return strncmp(name, group->name, len) == 0 && name[len] == ' ' ? name + len + 1 : NULL;
}

const char *opt_name_in(const struct cmd_verb *group, const struct cmd_verb *verb, size_t *ret_len)
{
	const char *name = without_group(group, verb->name);

	if (name == NULL)
		name = verb->grouped != NULL ? verb->grouped : verb->name;
	*ret_len = strcspn(name, "|");
	return name;
}

/* Is word one of these names? */
static bool is_among(const char *names, const char *word)
{
	size_t len = strlen(word);

	for (; names != NULL && len > 0; names = strchr(names, '|')) {
		names += *names == '|';
		if (strncmp(names, word, len) == 0 && (names[len] == '|' || names[len] == '\0'))
			return true;
	}
	return false;
}

const struct cmd_verb *opt_find_verb(const struct cmd_verb *group, const char *word)
{
	for (size_t i = 0; group->verbs[i] != NULL; i++) {
		const struct cmd_verb *v = group->verbs[i];
		size_t len;

		if (is_among(opt_name_in(group, v, &len), word) ||
		    is_among(without_group(group, v->alias), word))
			return v;
	}
	return NULL;
}

int opt_run_group(const struct cmd_verb *group, int argc, char **argv, const struct cmd_global *g)
{
	const struct cmd_verb *v;
	int code;
	int first = opt_parse(group, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(group, "crt %s needs a command: %s", group->name,
				       group->usage);
	v = opt_find_verb(group, argv[first]);
	if (v == NULL)
		return opt_usage_error(group, "unknown command \"%s %s\"", group->name,
				       argv[first]);
	return v->run(argc - first, argv + first, g);
}
