/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of TOML, as far as registries.conf needs it. */
#ifndef STORAGE_REGISTRY_TOML_H
#define STORAGE_REGISTRY_TOML_H

#include "base/json.h"

/*
 * Parse len bytes into a tree of objects, arrays, strings, integers and
 * booleans. Not read: dates, floating point numbers, multi-line strings.
 * what names the document; errors carry the line. New reference or NULL.
 */
json_t *toml_parse(const char *text, size_t len, const char *what, struct error *e);

#endif
