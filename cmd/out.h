/* SPDX-License-Identifier: Apache-2.0 */
/* Output: tables aligned as podman's, sizes and times for people, --format. */
#ifndef CMD_OUT_H
#define CMD_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"

/* "5.61 MB" (decimal, three digits). NULL on -ENOMEM. Caller frees. */
char *out_size(uint64_t bytes);
/* "2 hours", "About a minute", "3 weeks"; the future counts as now. Caller frees. */
char *out_duration(time_t from, time_t now);
/* Nanoseconds as Go prints a duration: "2.15ms", "1h2m3.5s", "0s". Caller frees. */
char *out_nanoseconds(uint64_t ns);
/* Four digits and no blank, as podman stats has them: "217.1kB", and by powers of two "212KiB". Caller frees. */
char *out_bytes(uint64_t bytes);
char *out_bytes_binary(uint64_t bytes);
/* RFC 3339 -> seconds since 1970. 0 or -EINVAL. */
int out_parse_time(const char *text, time_t *ret);
/*
 * What --filter until= takes: a duration before now ("10m", "1h30m", "2d"), seconds since
 * 1970, or RFC 3339. 0 or -EINVAL.
 */
int out_parse_until(const char *text, time_t now, time_t *ret);
/* "2001-02-03 04:05:06 +0000 UTC" as podman's CreatedAt. Caller frees. */
char *out_time(time_t t);
/* The first 12 digits of an id (borrowed from a copy the caller frees), the whole id with full. NULL on -ENOMEM. */
char *out_id(const char *id, bool full);

/*
 * Rows of a listing. Each row is two JSON objects: "fields", the strings that
 * tables and {{.Field}} show, and "data", what --format json and {{json .}}
 * print. Release with out_rows_fini().
 */
struct out_rows {
	json_t *fields; /* array */
	json_t *data;	/* array */
};
int out_rows_init(struct out_rows *rows); /* 0 or -ENOMEM */
void out_rows_fini(struct out_rows *rows);
/* Takes both references also on failure; NULL counts as -ENOMEM. */
int out_rows_add(struct out_rows *rows, json_t *fields, json_t *data);

/* A table as the verb shows it without --format. */
struct out_column {
	const char *heading; /* "CONTAINER ID" */
	const char *field;   /* key in fields */
};
/*
 * Print rows to standard output: format NULL = the table of columns (NULL-heading
 * ended), "json" = an array, "table TEMPLATE", or a template. Foreign text is
 * escaped in tables, and with templates when standard output is a terminal.
 * -EINVAL for a bad template. 0 or -errno.
 */
int out_print(const struct out_rows *rows, const struct out_column *columns, const char *format,
	      bool no_heading, struct error *e);

/* Append b to standard output; a reader that went away (head) is no error. 0 or -errno. */
int out_write(const struct buf *b, struct error *e);

#endif
