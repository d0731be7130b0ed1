/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --filter of the listings.
 *
 * Theory of operation: podman's rule is that values of one key are alternatives and
 * different keys must all match, but that all labels must match. A verb has a table of
 * keys; here the texts are taken apart and the table is asked. Filters are the caller's
 * own; what they are compared with is foreign and only read. The regular expressions are
 * the caller's as well, so he may wait as long as he likes for a bad one.
 */
#include "cmd/filter.h"

#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/opt.h"

/* The table's line for "KEY=VALUE" and where VALUE begins; NULL when the key is not known. */
static const struct filter_spec *find(const struct filter_spec *specs, const char *filter,
				      const char **ret_value)
{
	const char *eq = strchr(filter, '=');

	for (; eq != NULL && specs->key != NULL; specs++) {
		if (strlen(specs->key) != (size_t)(eq - filter) || !str_starts(filter, specs->key))
			continue;
		*ret_value = eq + 1;
		return specs;
	}
	return NULL;
}

static int not_known(const struct filter_spec *specs, const char *filter, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (strchr(filter, '=') == NULL)
		return error_setf(e, -EINVAL, "invalid filter \"%s\": expected KEY=VALUE", filter);
	for (const struct filter_spec *s = specs; s->key != NULL; s++)
		(void)buf_printf(&b, "%s%s=", s == specs ? "" : ", ",
				 s->key); /* a shorter message is better than none */
	return error_setf(e, -EINVAL, "invalid filter \"%s\": the keys are %s", filter,
			  buf_str(&b));
}

int filter_check(const struct filter_spec *specs, const struct strv *filters, void *data,
		 struct error *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *value;
		const struct filter_spec *s = find(specs, filters->v[i], &value);
		int r = s != NULL ? s->match(NULL, value, data, e) :
				    not_known(specs, filters->v[i], e);

		if (r < 0)
			return s != NULL ? error_prefix(e, "filter \"%s\"", filters->v[i]) : r;
	}
	return 0;
}

/* The filters that are specs' line: does any of them (all with .all) match? */
static int pass_key(const struct filter_spec *specs, const struct filter_spec *key,
		    const struct strv *filters, const void *item, void *data, struct error *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *value;
		int r;

		if (find(specs, filters->v[i], &value) != key)
			continue;
		r = key->match(item, value, data, e);
		if (r < 0 || (r > 0) != key->all)
			return r;
	}
	return key->all;
}

int filter_pass(const struct filter_spec *specs, const struct strv *filters, const void *item,
		void *data, struct error *e)
{
	for (const struct filter_spec *s = specs; s->key != NULL; s++) {
		int r;

		if (!filter_has(filters, s->key))
			continue;
		r = pass_key(specs, s, filters, item, data, e);
		if (r <= 0)
			return r;
	}
	return 1;
}

bool filter_has(const struct strv *filters, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < filters->n; i++)
		if (str_starts(filters->v[i], key) && filters->v[i][len] == '=')
			return true;
	return false;
}

bool filter_label(const json_t *labels, const char *want)
{
	size_t len = strcspn(want, "=");
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)labels, key, value) {
		bool same = len > 0 && want[len - 1] == '*' ?
				    strncmp(key, want, len - 1) == 0 :
				    strlen(key) == len && strncmp(key, want, len) == 0;
		const char *text = json_string_value(value);

		if (same &&
		    (want[len] == '\0' || (text != NULL && strcmp(text, want + len + 1) == 0)))
			return true;
	}
	return false;
}

bool filter_regex(const char *text, const char *want)
{
	regex_t re;
	bool found;

	if (regcomp(&re, want, REG_EXTENDED | REG_NOSUB) != 0)
		return strstr(text, want) != NULL;
	found = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

int filter_bool(const char *key, const char *value, struct error *e)
{
	bool b;

	if (opt_parse_bool(value, &b) < 0)
		return error_setf(e, -EINVAL, "%s must be true or false", key);
	return b;
}
