/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict layer over jansson: size and depth caps, no duplicate keys, no
 * trailing bytes, no NUL in strings; getters that name the JSON path
 * ("process.user.uid") in their errors. Trees are freed with json_decref().
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define _cleanup_json_ __attribute__((cleanup(json_cleanup_)))
static inline void json_cleanup_(json_t **j)
{
	json_decref(*j);
}

/* Can this stand in JSON, that is: is it valid UTF-8? Also false when memory is short. */
bool json_is_text(const char *s);

/* Parse len bytes. what names the document in errors. New reference or NULL (e set). */
json_t *json_parse(const char *text, size_t len, const char *what, struct error *e);

/*
 * Typed getters. obj is an object (NULL counts as empty), where its JSON path
 * ("" at the top). A missing key or JSON null leaves *ret at what the caller
 * set before and returns 0; a present one returns 1; a wrong type or range is
 * -EINVAL with "where.key: expected a string, found number". Results are
 * borrowed from the tree.
 */
int json_get_string(const json_t *obj, const char *where, const char *key, const char **ret,
		    struct error *e);
int json_get_bool(const json_t *obj, const char *where, const char *key, bool *ret,
		  struct error *e);
int json_get_int(const json_t *obj, const char *where, const char *key, int64_t min, int64_t max,
		 int64_t *ret, struct error *e);
int json_get_u32(const json_t *obj, const char *where, const char *key, uint32_t *ret,
		 struct error *e);
/*
 * 0 to 2^64-1. Integers of 2^63 and more are held as reals by the parser (only
 * 2^64-1 and multiples of 2048 are accepted); do not read them otherwise.
 */
int json_get_u64(const json_t *obj, const char *where, const char *key, uint64_t *ret,
		 struct error *e);
int json_get_object(const json_t *obj, const char *where, const char *key, json_t **ret,
		    struct error *e);
int json_get_array(const json_t *obj, const char *where, const char *key, json_t **ret,
		   struct error *e);

/* Compact text without escaped slashes and without a newline; NULL on -ENOMEM. Caller frees. */
char *json_to_text(const json_t *j);
/*
 * Indented text with a newline at the end (for people and config.json); all that is not
 * ASCII is escaped, so that it is harmless on terminals. Caller frees.
 */
char *json_to_pretty(const json_t *j);
/* A new object with the members of this one (or of null: none), ordered by key as Go prints maps; NULL = -ENOMEM. */
json_t *json_sorted(const json_t *object);

/* A new array of the strings; NULL = -ENOMEM. */
json_t *json_strings(const struct strv *list);

#endif
