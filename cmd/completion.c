/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt completion bash: a completion script made of the option tables.
 *
 * Theory of operation
 *
 * The script has one function. It finds the verb among the words typed so far,
 * then offers: the values of the option in front of the cursor, the options when
 * the word starts with "-", else images or containers, which it asks crt for.
 * Only names from our own tables are written into the script; names of images
 * and containers are produced at completion time and go through compgen, which
 * does not evaluate them (they are passed with -W after quoting by printf %q).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_completion = {
	.name = "completion",
	.run = cmd_completion,
	.options = options,
	.usage = "bash",
	.summary = "Print the completion script for bash",
	.details = "To use it in this shell:  . <(crt completion bash)",
	.operands = OPERANDS_WORDS,
	.words = "bash",
};

/* "a|b|c" as "a b c" */
static void put_words(struct buf *b, const char *words)
{
	for (; *words != '\0'; words++)
		(void)buf_putc(b, *words == '|' ? ' ' : *words);
}

static void put_action(struct buf *b, const char *complete)
{
	if (complete == NULL)
		(void)buf_puts(b, "return");
	else if (strcmp(complete, "file") == 0)
		(void)buf_puts(b, "_crt_files -f; return");
	else if (strcmp(complete, "dir") == 0)
		(void)buf_puts(b, "_crt_files -d; return");
	else if (strcmp(complete, "image") == 0)
		(void)buf_puts(b, "_crt_images; return");
	else if (strcmp(complete, "container") == 0)
		(void)buf_puts(b, "_crt_containers; return");
	else {
		(void)buf_puts(b, "_crt_words '");
		put_words(b, complete);
		(void)buf_puts(b, "'; return");
	}
}

static bool has_value(const struct option_spec *o)
{
	return o->type != OPT_FLAG && o->type != OPT_TRISTATE;
}

/* The lines of one verb: values of its options, then the options, then its operands. */
static void put_verb(struct buf *b, const struct cmd_verb *v)
{
	(void)buf_puts(b, "\t\tcase $prev in\n");
	for (const struct option_spec *o = v->options; o->name != NULL; o++) {
		if (!has_value(o))
			continue;
		(void)buf_printf(b, "\t\t--%s", o->name);
		if (o->letter != 0)
			(void)buf_printf(b, " | -%c", o->letter);
		(void)buf_puts(b, ") ");
		put_action(b, o->complete);
		(void)buf_puts(b, " ;;\n");
	}
	(void)buf_puts(b, "\t\tesac\n\t\tif [[ $cur == -* ]]; then\n\t\t\t_crt_words '");
	for (const struct option_spec *o = v->options; o->name != NULL; o++)
		if (o->help != NULL)
			(void)buf_printf(b, "--%s ", o->name);
	(void)buf_puts(b, "--help'\n\t\t\treturn\n\t\tfi\n");
}

static void put_operands(struct buf *b, const struct cmd_verb *v)
{
	switch (v->operands) {
	case OPERANDS_IMAGE:
	case OPERANDS_IMAGES:
		(void)buf_puts(b, "\t\t_crt_images\n");
		break;
	case OPERANDS_CONTAINERS:
		(void)buf_puts(b, "\t\t_crt_containers\n");
		break;
	case OPERANDS_BOTH:
		(void)buf_puts(b, "\t\t_crt_containers\n\t\t_crt_images\n");
		break;
	case OPERANDS_VOLUMES:
		(void)buf_puts(b, "\t\t_crt_volumes\n");
		break;
	case OPERANDS_WORDS:
		(void)buf_puts(b, "\t\t_crt_words '");
		put_words(b, v->words);
		(void)buf_puts(b, "'\n");
		break;
	case OPERANDS_NONE:
	case OPERANDS_COUNT:
		break;
	}
}

void opt_bash_completion(const struct cmd_verb *global, const struct cmd_verb *const *verbs,
			 struct buf *b)
{
	(void)buf_puts(
		b,
		"# bash completion for crt, made by \"crt completion bash\"\n"
		"_crt_words() {\n"
		"\tlocal word\n"
		"\tfor word in $1; do\n"
		"\t\t[[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$word\")\n"
		"\tdone\n"
		"}\n"
		"_crt_files() {\n"
		"\tcompopt -o filenames 2>/dev/null\n"
		"\tlocal line\n"
		"\twhile IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen \"$1\" -- \"$cur\")\n"
		"}\n"
		"_crt_lines() {\n"
		"\tlocal line\n"
		"\twhile IFS= read -r line; do\n"
		"\t\t[[ $line == \"$cur\"* && $line != *[!a-zA-Z0-9_.:/@-]* ]] && COMPREPLY+=(\"$line\")\n"
		"\tdone\n"
		"\tdeclare -F __ltrimcolonacceptable >/dev/null && __ltrim_colon_completions \"$cur\"\n"
		"}\n"
		"_crt_images() {\n"
		"\t_crt_lines < <(\"${COMP_WORDS[0]}\" \"${globals[@]}\" images --format '{{.Repository}}:{{.Tag}}' "
		"2>/dev/null)\n"
		"}\n"
		"_crt_containers() {\n"
		"\t_crt_lines < <(\"${COMP_WORDS[0]}\" \"${globals[@]}\" ps -a --format '{{.Names}}' 2>/dev/null)\n"
		"}\n"
		"_crt_volumes() {\n"
		"\t_crt_lines < <(\"${COMP_WORDS[0]}\" \"${globals[@]}\" volume ls -q 2>/dev/null)\n"
		"}\n"
		"_crt() {\n"
		"\tlocal cur prev verb='' i word\n"
		"\tlocal -a globals=()\n"
		"\tCOMPREPLY=()\n"
		"\tcur=${COMP_WORDS[COMP_CWORD]}\n"
		"\tprev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tword=${COMP_WORDS[i]}\n"
		"\t\tcase $word in\n\t\t");
	for (const struct option_spec *o = global->options; o->name != NULL; o++)
		if (has_value(o))
			(void)buf_printf(b, "--%s | ", o->name);
	(void)buf_puts(b, "--none) globals+=(\"$word\" \"${COMP_WORDS[i + 1]}\"); ((i++)) ;;\n"
			  "\t\t-*) ;;\n"
			  "\t\t*) verb=$word; break ;;\n"
			  "\t\tesac\n"
			  "\tdone\n"
			  "\tcase $verb in\n");
	for (size_t i = 0; verbs[i] != NULL; i++) {
		(void)buf_printf(b, "\t%s", verbs[i]->name);
		if (verbs[i]->alias != NULL)
			(void)buf_printf(b, " | %s", verbs[i]->alias);
		(void)buf_puts(b, ")\n");
		put_verb(b, verbs[i]);
		put_operands(b, verbs[i]);
		(void)buf_puts(b, "\t\t;;\n");
	}
	(void)buf_puts(b, "\t'')\n");
	put_verb(b, global);
	(void)buf_puts(b, "\t\t_crt_words '");
	for (size_t i = 0; verbs[i] != NULL; i++)
		if (!verbs[i]->hidden)
			(void)buf_printf(b, "%s ", verbs[i]->name);
	(void)buf_puts(b, "help'\n\t\t;;\n\tesac\n}\ncomplete -F _crt crt\n");
}

int cmd_completion(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int code;
	int first = opt_parse(&cmd_verb_completion, argc, argv, NULL, &code);

	(void)g; /* the script is the same for all stores */
	if (first < 0)
		return code;
	if (argc - first != 1 || strcmp(argv[first], "bash") != 0)
		return opt_usage_error(&cmd_verb_completion,
				       "crt completion knows one shell: bash");
	opt_bash_completion(&cmd_verb_crt, cmd_verbs, &b);
	if (out_write(&b, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
