/* SPDX-License-Identifier: Apache-2.0 */
/* --filter KEY=VALUE of the listings: one table of keys per verb. */
#ifndef CMD_FILTER_H
#define CMD_FILTER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct filter_spec {
	const char *key; /* "label", "label!"; NULL ends the table */
	bool all;	 /* every value must match; else, as podman, one of several is enough */
	/* 1, 0 or -errno (e set). item NULL: only say whether the value can be understood. */
	int (*match)(const void *item, const char *value, void *data, struct error *e);
};

/* Refuse what is not known, also when there is nothing to try it on. 0 or -EINVAL (or what match says). */
int filter_check(const struct filter_spec *specs, const struct strv *filters, void *data,
		 struct error *e);
/* 1: shown, 0: not, -errno. Different keys must all match. filter_check() was called. */
int filter_pass(const struct filter_spec *specs, const struct strv *filters, const void *item,
		void *data, struct error *e);
/* Is there a filter of this key? */
bool filter_has(const struct strv *filters, const char *key);
/* KEY or KEY=VALUE on an object of labels (NULL: none). A "*" at the end of KEY stands for anything. */
bool filter_label(const json_t *labels, const char *want);
/* Regular expression anywhere in text, as podman; one that is none is looked for as it is. */
bool filter_regex(const char *text, const char *want);
/* "true", "false": 1 or 0, or -EINVAL naming key. */
int filter_bool(const char *key, const char *value, struct error *e);

#endif
