/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of listings.
 *
 * Theory of operation
 *
 * What is listed (names, tags, commands, labels) was chosen by images and
 * registries, so every cell of a table is escaped: no control character of
 * an image reaches the terminal, and no newline fakes a row. Templates print
 * raw values to pipes and files, because programs read those, and escaped ones
 * to a terminal.
 *
 * Tables are aligned as Go's tabwriter does it for podman: a column is as wide
 * as its widest cell plus two, at least 12; the last one is not filled up. All
 * output is collected and written at once. A reader that closed its end (head)
 * ends it without an error message.
 */
#include "cmd/out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "cmd/template.h"
#include "cmd/when.h"

#define COLUMN_MIN 12
#define COLUMN_GAP 2

/* ---- values for people ------------------------------------------------------------- */

char *out_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	size_t u = 0;

	/* 999.5 would be printed as 1e+03. */
	while (value >= 999.5 && u + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		u++;
	}
	return str_printf("%.3g %s", value, units[u]);
}

static char *short_size(uint64_t bytes, double step, const char *const units[7])
{
	double value = (double)bytes;
	size_t u = 0;

	while (value >= step && u < 6) {
		value /= step;
		u++;
	}
	return str_printf("%.4g%s", value, units[u]);
}

char *out_bytes(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };

	return short_size(bytes, 1000, units);
}

char *out_bytes_binary(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

	return short_size(bytes, 1024, units);
}

char *out_nanoseconds(uint64_t ns)
{
	static const struct {
		uint64_t unit;
		int digits;
		const char *name;
	} units[] = { { 1000000000, 9, "s" }, { 1000000, 6, "ms" }, { 1000, 3, "\302\265s" } };
	uint64_t seconds = ns / 1000000000;
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (ns == 0)
		return strdup("0s");
	/* buf_steal() reports a failure */
	if (seconds >= 3600)
		(void)buf_printf(&b, "%lluh", (unsigned long long)(seconds / 3600));
	if (seconds >= 60)
		(void)buf_printf(&b, "%llum", (unsigned long long)(seconds / 60 % 60));
	if (seconds >= 60)
		ns %= UINT64_C(60) * 1000000000;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t whole;

		if (ns < units[i].unit && (i > 0 || seconds == 0))
			continue;
		(void)buf_printf(&b, "%llu", (unsigned long long)(ns / units[i].unit));
		whole = b.len;
		(void)buf_printf(&b, ".%0*llu", units[i].digits,
				 (unsigned long long)(ns % units[i].unit));
		while (b.err == 0 && b.len > whole &&
		       (b.data[b.len - 1] == '0' || b.data[b.len - 1] == '.')) {
			bool dot = b.data[b.len - 1] == '.';

			b.data[--b.len] = '\0';
			if (dot)
				break;
		}
		(void)buf_puts(&b, units[i].name);
		return buf_steal(&b);
	}
	return str_printf("%lluns", (unsigned long long)ns);
}

char *out_duration(time_t from, time_t now)
{
	long long seconds = (long long)now - (long long)from;
	long long minutes = seconds / 60;
	long long hours = (seconds + 1800) / 3600;

	if (seconds < 1)
		return str_printf("Less than a second");
	if (seconds == 1)
		return str_printf("1 second");
	if (seconds < 60)
		return str_printf("%lld seconds", seconds);
	if (minutes == 1)
		return str_printf("About a minute");
	if (minutes < 60)
		return str_printf("%lld minutes", minutes);
	if (hours == 1)
		return str_printf("About an hour");
	if (hours < 48)
		return str_printf("%lld hours", hours);
	if (hours < 24 * 7 * 2)
		return str_printf("%lld days", hours / 24);
	if (hours < 24 * 30 * 2)
		return str_printf("%lld weeks", hours / 24 / 7);
	if (hours < 24 * 365 * 2)
		return str_printf("%lld months", hours / 24 / 30);
	return str_printf("%lld years", hours / 24 / 365);
}

/* n digits at *s as a number; -1 when they are not there. */
static int take_digits(const char **s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

int out_parse_time(const char *text, time_t *ret)
{
	struct tm tm = { 0 };
	int hours, minutes;
	bool minus;
	time_t t;

	tm.tm_year = take_digits(&text, 4) - 1900;
	if (!take_char(&text, '-'))
		return -EINVAL;
	tm.tm_mon = take_digits(&text, 2) - 1;
	if (!take_char(&text, '-'))
		return -EINVAL;
	tm.tm_mday = take_digits(&text, 2);
	if (!take_char(&text, 'T') && !take_char(&text, 't'))
		return -EINVAL;
	tm.tm_hour = take_digits(&text, 2);
	if (!take_char(&text, ':'))
		return -EINVAL;
	tm.tm_min = take_digits(&text, 2);
	if (!take_char(&text, ':'))
		return -EINVAL;
	tm.tm_sec = take_digits(&text, 2);
	if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
	    tm.tm_sec > 60)
		return -EINVAL;
	if (take_char(&text, '.')) {
		size_t n = strspn(text, "0123456789");

		if (n == 0)
			return -EINVAL;
		text += n;
	}
	t = timegm(&tm);
	if (take_char(&text, 'Z') || take_char(&text, 'z')) {
		*ret = t;
		return *text == '\0' ? 0 : -EINVAL;
	}
	minus = *text == '-';
	if (!take_char(&text, '+') && !take_char(&text, '-'))
		return -EINVAL;
	hours = take_digits(&text, 2);
	if (hours < 0 || hours > 23 || !take_char(&text, ':'))
		return -EINVAL;
	minutes = take_digits(&text, 2);
	if (minutes < 0 || minutes > 59 || *text != '\0')
		return -EINVAL;
	*ret = minus ? t + hours * 3600 + minutes * 60 : t - hours * 3600 - minutes * 60;
	return 0;
}

int out_parse_until(const char *text, time_t now, time_t *ret)
{
	unsigned long long seconds = 0;
	long long ns = 0;

	if (out_parse_time(text, ret) == 0)
		return 0;
	if (str_to_u64(text, INT64_MAX / 2, &seconds) == 0) {
		*ret = (time_t)seconds;
		return 0;
	}
	if (when_parse_duration(text, &ns) < 0)
		return -EINVAL;
	*ret = now - (time_t)(ns / 1000000000);
	return 0;
}

char *out_time(time_t t)
{
	struct tm tm;
	char text[64];

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S +0000 UTC", &tm) == 0)
		return strdup("");
	return strdup(text);
}

char *out_id(const char *id, bool full)
{
	return full ? strdup(id) : strndup(id, 12);
}

/* ---- rows --------------------------------------------------------------------------------- */

int out_rows_init(struct out_rows *rows)
{
	rows->fields = json_array();
	rows->data = json_array();
	if (rows->fields != NULL && rows->data != NULL)
		return 0;
	out_rows_fini(rows);
	return -ENOMEM;
}

void out_rows_fini(struct out_rows *rows)
{
	json_decref(rows->fields);
	json_decref(rows->data);
	rows->fields = NULL;
	rows->data = NULL;
}

int out_rows_add(struct out_rows *rows, json_t *fields, json_t *data)
{
	int a = json_array_append_new(rows->fields, fields);
	int b = json_array_append_new(rows->data, data);

	return a < 0 || b < 0 ? -ENOMEM : 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Number of columns on a terminal: bytes that do not continue a character. */
static size_t text_width(const char *s, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char)s[i] & 0xc0) != 0x80;
	return width;
}

/* Align text whose cells end with tabs and whose rows end with newlines. */
static void align(const char *text, struct buf *b)
{
	size_t widths[32] = { 0 };
	const size_t max = sizeof(widths) / sizeof(widths[0]);
	size_t col = 0;

	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, "\t\n");
		size_t width = text_width(p, len) + COLUMN_GAP;

		if (p[len] == '\t' && col < max && width > widths[col])
			widths[col] = width;
		col = p[len] == '\t' ? col + 1 : 0;
		p += len + (p[len] != '\0');
	}
	col = 0;
	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, "\t\n");

		(void)buf_append(b, p, len); /* out_write() sees a failure */
		if (p[len] == '\t') {
			size_t want = col < max && widths[col] > COLUMN_MIN ? widths[col] :
									      COLUMN_MIN;

			for (size_t width = text_width(p, len); width < want; width++)
				(void)buf_putc(b, ' ');
			col++;
		} else {
			(void)buf_putc(b, '\n');
			col = 0;
		}
		p += len + (p[len] != '\0');
	}
}

static void put_cell(const char *text, struct buf *b)
{
	(void)buf_puts_escaped(b, text, strlen(text)); /* out_write() sees a failure */
}

static void put_default_table(const struct out_rows *rows, const struct out_column *columns,
			      bool no_heading, struct buf *b)
{
	size_t i;
	json_t *row;

	for (const struct out_column *c = columns; !no_heading && c->heading != NULL; c++)
		(void)buf_printf(b, "%s%s", c->heading, c[1].heading != NULL ? "\t" : "\n");
	json_array_foreach(rows->fields, i, row) {
		for (const struct out_column *c = columns; c->heading != NULL; c++) {
			const json_t *value = json_object_get(row, c->field);
			const char *text = json_string_value(value);

			if (json_is_integer(value))
				(void)buf_printf(b, "%lld", (long long)json_integer_value(value));
			put_cell(text != NULL ? text : "", b);
			(void)buf_putc(b, c[1].heading != NULL ? '\t' : '\n');
		}
	}
}

/* What Go's names of fields become above a column: "CreatedAt" is "CREATED AT", "ImageID" "IMAGE ID". */
static int put_heading(json_t *names, const char *key)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (const char *p = key; *p != '\0'; p++) {
		bool upper = *p >= 'A' && *p <= 'Z';
		bool after_lower = p > key && p[-1] >= 'a' && p[-1] <= 'z';
		bool before_lower = p > key && p[1] >= 'a' && p[1] <= 'z';

		if (upper && (after_lower || before_lower))
			(void)buf_putc(&b, ' '); /* json_string() fails with what is not whole */
		(void)buf_putc(&b, *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p);
	}
	return json_object_set_new(names, key, json_string(buf_str(&b)));
}

/* The heading of a template: field names, or what the verb's own table calls them. */
static int put_template_heading(const struct out_rows *rows, const struct out_column *columns,
				const struct template *t, struct buf *b, struct error *e)
{
	_cleanup_json_ json_t *names = json_object();
	const json_t *row = json_array_get(rows->fields, 0);
	const char *key;
	json_t *value;

	if (names == NULL)
		return error_set(e, -ENOMEM, "making the table");
	json_object_foreach((json_t *)(uintptr_t)row, key, value)
		if (put_heading(names, key) < 0)
			return error_set(e, -ENOMEM, "making the table");
	for (const struct out_column *c = columns; c->heading != NULL; c++)
		if (json_object_set_new(names, c->field, json_string(c->heading)) < 0)
			return error_set(e, -ENOMEM, "making the table");
	return template_execute(t, names, NULL, true, b, e);
}

static int put_lines(const struct out_rows *rows, const struct template *t, bool escape,
		     struct buf *b, struct error *e)
{
	size_t i;
	json_t *row;
	int r = 0;

	json_array_foreach(rows->fields, i, row) {
		r = template_execute(t, row, json_array_get(rows->data, i), escape, b, e);
		if (r == 0)
			r = buf_putc(b, '\n');
		if (r < 0)
			break;
	}
	return r;
}

/*
 * As in podman, "table" makes every blank of the template a column, a newline is added
 * where the template has none at its end, and one that begins with {{range .}} sees
 * all rows at once.
 */
static int prepare_template(const char *format, bool table, struct template **ret, struct error *e)
{
	_cleanup_free_ char *text = strdup(format);
	size_t len = strlen(format);
	bool inside = false;

	if (text == NULL)
		return error_set(e, -ENOMEM, "reading --format");
	if (str_ends(text, "\\n"))
		text[len - 2] = '\0';
	else if (str_ends(text, "\n"))
		text[len - 1] = '\0';
	for (char *p = text; table && *p != '\0'; p++) {
		if (p[0] == '{' && p[1] == '{')
			inside = true;
		else if (p[0] == '}' && p[1] == '}')
			inside = false;
		else if (*p == ' ' && !inside)
			*p = '\t';
	}
	return template_parse(text, ret, e);
}

static int put_templated(const struct out_rows *rows, const struct out_column *columns,
			 const char *format, bool no_heading, struct buf *b, struct error *e)
{
	bool table = str_starts(format, "table ") || str_starts(format, "table\t");
	const char *text = table ? format + 6 + strspn(format + 6, " \t") : format;
	bool escape = table || isatty(STDOUT_FILENO) == 1;
	_cleanup_template_ struct template *t = NULL;
	_cleanup_buf_ struct buf lines = BUF_INIT;
	int r = prepare_template(text, table, &t, e);

	if (r < 0)
		return r;
	if (table && !no_heading) {
		struct error ignored = ERROR_INIT;

		/* What counts or compares cannot be run on headings: there is none then. */
		if (put_template_heading(rows, columns, t, &lines, &ignored) < 0)
			buf_reset(&lines);
		else
			(void)buf_putc(&lines, '\n'); /* out_write() sees a failure */
	}
	if (str_starts(text, "{{range .}}") || str_starts(text, "{{range . }}")) {
		r = template_execute(t, rows->fields, rows->data, escape, &lines, e);
		if (r == 0 && json_array_size(rows->fields) > 0)
			r = buf_putc(&lines, '\n');
	} else {
		r = put_lines(rows, t, escape, &lines, e);
	}
	if (r < 0)
		return lines.err != 0 ? error_set(e, lines.err, "making the table") : r;
	if (table)
		align(buf_str(&lines), b);
	else
		(void)buf_append(b, buf_str(&lines), lines.len);
	return 0;
}

/* "json" and "{{json .}}", however many blanks there are. */
static bool is_json_format(const char *format)
{
	static const char *const words[] = { "{{", "json", ".", "}}" };
	const char *p = format + strspn(format, " \t\n");
	bool braces = str_starts(p, "{{");

	for (size_t i = braces ? 0 : 1; i < (braces ? 4 : 2); i++) {
		p += strspn(p, " \t\n");
		if (str_starts(p, words[i]))
			p += strlen(words[i]);
		else if (i != 2) /* the dot may be missing */
			return false;
	}
	return p[strspn(p, " \t\n")] == '\0';
}

int out_print(const struct out_rows *rows, const struct out_column *columns, const char *format,
	      bool no_heading, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *json = NULL;
	int r;

	if (format != NULL && is_json_format(format)) {
		json = json_to_pretty(rows->data);
		if (json == NULL)
			return error_set(e, -ENOMEM, "making the JSON text");
		(void)buf_puts(&b, json);
	} else if (format == NULL || strcmp(format, "table") == 0) {
		_cleanup_buf_ struct buf text = BUF_INIT;

		put_default_table(rows, columns, no_heading, &text);
		if (text.err != 0)
			return error_set(e, text.err, "making the table");
		align(buf_str(&text), &b);
	} else {
		r = put_templated(rows, columns, format, no_heading, &b, e);
		if (r < 0)
			return r;
	}
	return out_write(&b, e);
}

int out_write(const struct buf *b, struct error *e)
{
	int r;

	if (b->err != 0)
		return error_set(e, b->err, "making the output");
	r = fd_write_all(STDOUT_FILENO, buf_str(b), b->len);
	if (r < 0 && r != -EPIPE)
		return error_set(e, r, "writing to standard output");
	return 0;
}
