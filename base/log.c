/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics to one fd.
 *
 * Theory of operation: one message is one line is one write(2), so that lines
 * of several processes on the same file (opened O_APPEND) do not mix. Texts
 * may hold bytes of foreign origin and are escaped here, at the last moment,
 * so that no caller can forget it. A message that cannot be written is lost:
 * there is nobody left to tell.
 */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"

static struct {
	const char *name;
	enum log_level level;
	enum log_format format;
	int fd;
} log_state = { "crt", LOG_LEVEL_WARNING, LOG_FORMAT_PLAIN, 2 };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVEL_COUNT,
	       "a name for each level");

void log_set_name(const char *name)
{
	log_state.name = name;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

void log_set_format(enum log_format format)
{
	log_state.format = format;
}

void log_set_fd(int fd)
{
	log_state.fd = fd;
}

bool log_enabled(enum log_level level)
{
	return level <= log_state.level;
}

/* RFC 3339 in UTC with nanoseconds, as Go's time package parses it. */
static void put_time(struct buf *b)
{
	struct timespec ts;
	struct tm tm;

	if (clock_gettime(CLOCK_REALTIME, &ts) < 0 || gmtime_r(&ts.tv_sec, &tm) == NULL)
		return;
	(void)buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec);
}

/* Put s between quotes: the escapes of Go's %q and of JSON that both sides read. */
static void put_quoted(struct buf *b, const char *s)
{
	(void)buf_putc(b, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			(void)buf_putc(b, '\\');
		(void)buf_putc(b, *s);
	}
	(void)buf_putc(b, '"');
}

/* JSON must be valid UTF-8 without raw control characters: \u00NN for what is neither. */
static void put_json_string(struct buf *b, const char *s)
{
	_cleanup_free_ char *safe = str_escape(s);

	put_quoted(b, safe != NULL ? safe : "");
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_buf_ struct buf line = BUF_INIT;
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	(void)buf_vprintf(&text, fmt, ap);
	va_end(ap);

	switch (log_state.format) {
	case LOG_FORMAT_JSON:
		(void)buf_printf(&line, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		put_json_string(&line, buf_str(&text));
		(void)buf_puts(&line, ",\"time\":\"");
		put_time(&line);
		(void)buf_puts(&line, "\"}");
		break;
	case LOG_FORMAT_TEXT:
		(void)buf_puts(&line, "time=\"");
		put_time(&line);
		(void)buf_printf(&line, "\" level=%s msg=", level_names[level]);
		put_json_string(&line, buf_str(&text));
		break;
	case LOG_FORMAT_PLAIN:
	case LOG_FORMAT_COUNT:
	default:
		(void)buf_printf(&line, "%s: ", log_state.name);
		if (level != LOG_LEVEL_ERROR)
			(void)buf_printf(&line, "%s: ", level_names[level]);
		(void)buf_puts_escaped(&line, buf_str(&text), text.len);
		break;
	}
	(void)buf_putc(&line, '\n');
	if (line.err == 0)
		(void)fd_write_all(log_state.fd, line.data, line.len);
}

void log_error(const struct error *e)
{
	log_msg(LOG_LEVEL_ERROR, "%s", e->msg);
}
