/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt completion SHELL: the scripts of bash, zsh and fish; crt __complete: what they ask.
 *
 * Theory of operation
 *
 * The scripts hand the words typed so far to "crt __complete", which walks them with the
 * option tables and prints what may stand at the cursor: values of the option in front of
 * it, options when the word begins with "-", verbs, or names of images, containers and
 * volumes that exist. So all shells offer the same, and always what this crt knows.
 *
 * Lines are "WORD<tab>DESCRIPTION"; ":file" and ":dir" ask the shell for paths. Names are
 * foreign: one with other characters than names have is left out, so that nothing that
 * a shell could evaluate reaches it. Errors are silent: there is a prompt on the screen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/opt.h"
#include "cmd/networks.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_completion = {
	.name = "completion",
	.run = cmd_completion,
	.options = options,
	.usage = "bash|zsh|fish",
	.summary = "Print the completion script of a shell",
	.details = "To use it in this shell:  . <(crt completion bash)\n"
		   "                          crt completion fish | source",
	.operands = OPERANDS_WORDS,
	.words = "bash|zsh|fish",
};

const struct cmd_verb cmd_verb_complete = {
	.name = "__complete",
	.run = cmd_complete,
	.options = options,
	.usage = "-- WORD...",
	.summary = "Print what may stand for the last word (internal)",
	.stops_at_operand = true,
	.hidden = true,
};

/* What is being completed. */
struct completion {
	struct cmd_global global; /* with what the words say */
	const char *word;	  /* the part of it that candidates begin with */
	const char *before;	  /* printed in front of a candidate: "--pull=" */
	size_t before_len;
	struct buf out;
};

static void offer(struct completion *c, const char *word, const char *about)
{
	if (str_starts(word, c->word))
		(void)buf_printf(&c->out, "%.*s%s\t%s\n", (int)c->before_len, c->before, word,
				 about); /* out_write() sees a failure */
}

/* A foreign name. */
static void offer_name(struct completion *c, const char *name, const char *about)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/@-";

	if (name[0] != '\0' && name[0] != '-' && name[strspn(name, good)] == '\0')
		offer(c, name, about);
}

static void offer_words(struct completion *c, const char *words)
{
	while (words != NULL && *words != '\0') {
		size_t len = strcspn(words, "|");
		_cleanup_free_ char *word = strndup(words, len);

		if (word != NULL)
			offer(c, word, "");
		words += len + (words[len] == '|');
	}
}

static void offer_images(struct completion *c, struct storage *s)
{
	struct storage_image *images = NULL;
	size_t n = 0;

	if (storage_image_list(s, &images, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < images[i].names.n; k++)
			offer_name(c, images[i].names.v[k], "image");
	storage_images_free(images, n);
}

static void offer_containers(struct completion *c, struct storage *s)
{
	struct container *all = NULL;
	size_t n = 0;

	if (container_list(s, &all, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		offer_name(c, all[i].name, all[i].state);
	containers_free(all, n);
}

static void offer_volumes(struct completion *c, struct storage *s)
{
	_cleanup_strv_ struct strv names = { .v = NULL };

	if (storage_volume_list(s, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		offer_name(c, names.v[i], "volume");
}

static void offer_networks(struct completion *c, struct storage *s)
{
	_cleanup_strv_ struct strv names = { .v = NULL };

	if (networks_list(s, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		offer_name(c, names.v[i], "network");
}

/* "file", "dir", "image", "container", "network", or words */
static void offer_values(struct completion *c, const char *what)
{
	struct storage *s = NULL;

	if (what == NULL)
		return;
	if (strcmp(what, "file") == 0 || strcmp(what, "dir") == 0) {
		(void)buf_printf(&c->out, ":%s\n", what); /* out_write() sees a failure */
	} else if (strcmp(what, "image") == 0 || strcmp(what, "container") == 0 ||
		   strcmp(what, "network") == 0) {
		if (what[0] == 'n')
			offer_words(c, "slirp|host|none|container:|ns:");
		if (storage_open(c->global.root, false, &s, NULL) < 0)
			return;
		if (what[0] == 'i')
			offer_images(c, s);
		else if (what[0] == 'n')
			offer_networks(c, s);
		else
			offer_containers(c, s);
		storage_free(s);
	} else {
		offer_words(c, what);
	}
}

static void offer_operands(struct completion *c, const struct cmd_verb *v)
{
	struct storage *s = NULL;

	if (v->operands == OPERANDS_WORDS) {
		offer_words(c, v->words);
		return;
	}
	if (v->operands == OPERANDS_NONE || storage_open(c->global.root, false, &s, NULL) < 0)
		return;
	if (v->operands == OPERANDS_CONTAINERS || v->operands == OPERANDS_BOTH ||
	    v->operands == OPERANDS_NETWORK_CONTAINER)
		offer_containers(c, s);
	if (v->operands == OPERANDS_IMAGE || v->operands == OPERANDS_IMAGES ||
	    v->operands == OPERANDS_BOTH)
		offer_images(c, s);
	if (v->operands == OPERANDS_VOLUMES)
		offer_volumes(c, s);
	if (v->operands == OPERANDS_NETWORKS || v->operands == OPERANDS_NETWORK_CONTAINER)
		offer_networks(c, s);
	storage_free(s);
}

static void offer_options(struct completion *c, const struct cmd_verb *v)
{
	for (const struct option_spec *o = v->options; o->name != NULL; o++) {
		_cleanup_free_ char *word = o->help != NULL ? str_printf("--%s", o->name) : NULL;

		if (word != NULL)
			offer(c, word, o->help);
	}
	offer(c, "--help", "Print a summary");
}

static void offer_verbs(struct completion *c, const struct cmd_verb *group)
{
	for (size_t i = 0; group->verbs[i] != NULL; i++) {
		size_t len;
		const char *name = opt_name_in(group, group->verbs[i], &len);
		_cleanup_free_ char *word = strndup(name, len);

		if (!group->verbs[i]->hidden && word != NULL)
			offer(c, word, group->verbs[i]->summary);
	}
}

/* ---- walking the words ------------------------------------------------------------------- */

/* The option that word is, if it takes a value; NULL otherwise. */
static const struct option_spec *option_of(const struct cmd_verb *v, const char *word)
{
	size_t len = strcspn(word, "=");

	for (const struct option_spec *o = v->options; o->name != NULL; o++) {
		if (o->type == OPT_FLAG || o->type == OPT_TRISTATE)
			continue;
		if (word[0] == '-' && word[1] == '-' && strlen(o->name) == len - 2 &&
		    strncmp(o->name, word + 2, len - 2) == 0)
			return o;
		/* the last letter of a cluster: -itv */
		if (o->letter != 0 && word[0] == '-' && word[1] != '-' && len > 1 &&
		    word[len - 1] == o->letter)
			return o;
	}
	return NULL;
}

/* n words, the last of which is completed. */
static void complete(struct completion *c, char **words, int n)
{
	const struct cmd_verb *v = &cmd_verb_crt;
	const struct option_spec *value = NULL; /* what the current word is a value of */
	const char *eq;

	for (int i = 0; i < n - 1; i++) {
		if (value != NULL) {
			if (v == &cmd_verb_crt && strcmp(value->name, "root") == 0)
				c->global.root = words[i];
			value = NULL;
		} else if (words[i][0] == '-' && words[i][1] != '\0') {
			value = strchr(words[i], '=') == NULL ? option_of(v, words[i]) : NULL;
		} else if (v->verbs != NULL) {
			v = opt_find_verb(v, words[i]);
			if (v == NULL)
				return;
		} else if (v->stops_at_operand) {
			(void)buf_puts(&c->out, ":file\n"); /* the words of a command */
			return;
		}
	}
	eq = value == NULL && str_starts(c->word, "--") ? strchr(c->word, '=') : NULL;
	if (eq != NULL) {
		value = option_of(v, c->word);
		c->before = c->word;
		c->before_len = (size_t)(eq + 1 - c->word);
		c->word = eq + 1;
		if (value == NULL)
			return;
	}
	if (value != NULL)
		offer_values(c, value->complete);
	else if (c->word[0] == '-')
		offer_options(c, v);
	else if (v->verbs != NULL)
		offer_verbs(c, v);
	else
		offer_operands(c, v);
}

int cmd_complete(int argc, char **argv, const struct cmd_global *g)
{
	struct completion c = { .global = *g, .before = "", .out = BUF_INIT };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_complete, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	log_set_level(LOG_LEVEL_ERROR);
	c.word = first < argc ? argv[argc - 1] : "";
	complete(&c, argv + first, argc - first);
	code = out_write(&c.out, &e) < 0 ? EXIT_CRT : 0;
	buf_fini(&c.out);
	return code;
}

/* ---- the scripts ---------------------------------------------------------------------------- */

/* bash takes words apart at ":" and "="; they are joined, and what was joined is cut off the answers. */
static const char bash_script[] =
	"# bash completion for crt, made by \"crt completion bash\"\n"
	"_crt_files() {\n"
	"\tcompopt -o filenames 2>/dev/null\n"
	"\tlocal line\n"
	"\twhile IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
	"}\n"
	"_crt() {\n"
	"\tlocal i line word='' last='' joined=''\n"
	"\tlocal -a words=()\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ $i -gt 1 && ( $word == [:=] || $last == [:=] ) ]]; then\n"
	"\t\t\tjoined=${words[${#words[@]} - 1]}\n"
	"\t\t\t[[ $word == [:=] ]] && joined+=$word word=''\n"
	"\t\t\twords[${#words[@]} - 1]=$joined$word\n"
	"\t\telse\n"
	"\t\t\twords+=(\"$word\") joined=''\n"
	"\t\tfi\n"
	"\t\tlast=${COMP_WORDS[i]}\n"
	"\tdone\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase $line in\n"
	"\t\t:file) _crt_files -f ;;\n"
	"\t\t:dir) _crt_files -d ;;\n"
	"\t\t*) line=${line%%$'\\t'*}; COMPREPLY+=(\"${line#\"$joined\"}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(\"${COMP_WORDS[0]}\" __complete -- \"${words[@]}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _crt crt\n";

static const char zsh_script[] =
	"#compdef crt\n"
	"# zsh completion for crt, made by \"crt completion zsh\"\n"
	"_crt() {\n"
	"\tlocal line paths=''\n"
	"\tlocal -a names\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase $line in\n"
	"\t\t(:file|:dir) paths=$line ;;\n"
	"\t\t(*) names+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
	"\t\tesac\n"
	"\tdone < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"\tcase $paths in\n"
	"\t(:file) _files ;;\n"
	"\t(:dir) _files -/ ;;\n"
	"\tesac\n"
	"\t(( $#names )) && _describe -V crt names\n"
	"}\n"
	"if [[ ${funcstack[1]-} == _crt ]]; then\n"
	"\t_crt \"$@\"\n"
	"else\n"
	"\tcompdef _crt crt\n"
	"fi\n";

static const char fish_script[] =
	"# fish completion for crt, made by \"crt completion fish\"\n"
	"function __crt_complete\n"
	"\tset -l words (commandline -opc) (commandline -ct)\n"
	"\t$words[1] __complete -- $words[2..-1] 2>/dev/null | while read -l line\n"
	"\t\tswitch $line\n"
	"\t\t\tcase ':file' ':dir'\n"
	"\t\t\t\t__fish_complete_path (commandline -ct)\n"
	"\t\t\tcase '*'\n"
	"\t\t\t\techo $line\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c crt -f -a '(__crt_complete)'\n";

int cmd_completion(int argc, char **argv, const struct cmd_global *g)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_completion, argc, argv, NULL, &code);

	(void)g; /* the script is the same for all stores */
	if (first < 0)
		return code;
	for (size_t i = 0; argc - first == 1 && i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (strcmp(argv[first], scripts[i].shell) == 0)
			(void)buf_puts(&b, scripts[i].script); /* out_write() sees a failure */
	if (b.len == 0 && b.err == 0)
		return opt_usage_error(&cmd_verb_completion,
				       "crt completion needs a shell: bash, zsh or fish");
	if (out_write(&b, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
