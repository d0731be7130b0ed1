/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a detached container.
 *
 * Theory of operation: what one read returned gets one time stamp; its lines are
 * copied behind their heads into a buffer, and the buffer is written when it
 * is full or the data is through, so that a line costs no system call.
 *
 *	k8s-file	2001-02-03T04:05:06.123456789+00:00 stdout F text
 *	json-file	{"log":"text\n","stream":"stdout","time":"2001-02-03T..."}
 *
 * "P" instead of "F" marks a piece whose newline is still to come; in JSON such
 * a piece has no "\n". A file that would grow beyond its limit is renamed to
 * NAME.1 (and NAME.1 to NAME.2 ...) or, where none is kept, emptied; readers
 * notice either.
 *
 * The bytes are the container's. In the k8s format they are kept as they are, as
 * every engine does; `crt logs` decides what a terminal sees. In JSON, control
 * characters and what is not UTF-8 are escaped.
 *
 * When the disk is full the rest of the buffer is dropped: a log that blocks
 * would stop the container.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/monitor_int.h"

#define HEAD_MAX 128 /* everything of a line that is not its text */

void monitor_log_init(struct monitor *m)
{
	struct stat st;

	if (m->life.log_fd >= 0 && fstat(m->life.log_fd, &st) == 0)
		m->log_size = st.st_size;
}

/* NAME.(n-1) -> NAME.n ... NAME -> NAME.1 */
static void shift_files(const struct monitor_life *l)
{
	char from[MONITOR_LOG_NAME + 16], to[MONITOR_LOG_NAME + 16];

	for (uint32_t i = l->log_max_files - 1; i > 0; i--) {
		(void)snprintf(to, sizeof(to), "%s.%u", l->log_name, i);
		if (i > 1)
			(void)snprintf(from, sizeof(from), "%s.%u", l->log_name, i - 1);
		else
			(void)snprintf(from, sizeof(from), "%s", l->log_name);
		(void)renameat(l->log_dir_fd, from, l->log_dir_fd, to); /* missing: fine */
	}
}

static void rotate(struct monitor *m)
{
	struct monitor_life *l = &m->life;
	int fd;

	if (l->log_max_files > 1) {
		shift_files(l);
		fd = openat(l->log_dir_fd, l->log_name,
			    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0) {
			(void)close(l->log_fd);
			l->log_fd = fd;
		}
	} else {
		if (ftruncate(l->log_fd, 0) < 0)
			return; /* it grows, which is no reason to lose lines */
	}
	m->log_size = 0;
}

static void flush(struct monitor *m)
{
	struct monitor_life *l = &m->life;

	if (m->log_len == 0)
		return;
	if (l->log_max_size > 0 && m->log_size > 0 &&
	    m->log_size + (int64_t)m->log_len > l->log_max_size)
		rotate(m);
	/* a full disk must not stop the container: see above */
	if (fd_write_all(l->log_fd, m->log_buf, m->log_len) == 0)
		m->log_size += (int64_t)m->log_len;
	m->log_len = 0;
}

/* Files end with a line, and are not larger than wished by more than one. */
static void line_end(struct monitor *m)
{
	if (m->life.log_max_size > 0 && m->log_size + (int64_t)m->log_len >= m->life.log_max_size)
		flush(m);
}

/* Room for n bytes, n <= HEAD_MAX. */
static char *room(struct monitor *m, size_t n)
{
	if (sizeof(m->log_buf) - m->log_len < n)
		flush(m);
	return m->log_buf + m->log_len;
}

static void put(struct monitor *m, const char *text, size_t len)
{
	while (len > 0) {
		size_t space = sizeof(m->log_buf) - m->log_len;
		size_t n = len < space ? len : space;

		memcpy(m->log_buf + m->log_len, text, n);
		m->log_len += n;
		text += n;
		len -= n;
		if (len > 0)
			flush(m);
	}
}

/* The stamp without the fraction; made once a second. */
static const char *stamp(struct monitor *m, struct timespec *ret)
{
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, ret); /* cannot fail for this clock */
	if (ret->tv_sec != m->stamp_second && gmtime_r(&ret->tv_sec, &tm) != NULL) {
		(void)snprintf(m->stamp, sizeof(m->stamp), "%04d-%02d-%02dT%02d:%02d:%02d",
			       (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			       tm.tm_min, tm.tm_sec);
		m->stamp_second = ret->tv_sec;
	}
	return m->stamp;
}

static void write_k8s(struct monitor *m, const char *data, size_t len, bool is_err)
{
	char head[2][HEAD_MAX];
	int head_len = 0;
	struct timespec ts;
	const char *base = stamp(m, &ts);

	for (int i = 0; i < 2; i++)
		head_len = snprintf(head[i], sizeof(head[i]), "%s.%09ld+00:00 %s %c ", base,
				    ts.tv_nsec, is_err ? "stderr" : "stdout", i == 0 ? 'F' : 'P');
	while (len > 0) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl != NULL ? (size_t)(nl - data) : len;

		memcpy(room(m, HEAD_MAX), head[nl == NULL], (size_t)head_len);
		m->log_len += (size_t)head_len;
		put(m, data, n);
		put(m, "\n", 1);
		line_end(m);
		n += nl != NULL;
		data += n;
		len -= n;
	}
}

/* Bytes of the UTF-8 character at s, 0 when there is none. */
static size_t utf8_len(const unsigned char *s, size_t len)
{
	size_t n = s[0] < 0x80		       ? 1 :
		   s[0] >= 0xc2 && s[0] < 0xe0 ? 2 :
		   s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
		   s[0] >= 0xf0 && s[0] < 0xf5 ? 4 :
						 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_json(struct monitor *m, const char *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	while (len > 0) {
		const unsigned char *s = (const unsigned char *)data;
		size_t plain = 0, n;
		char esc[6] = { '\\', 'u', '0', '0', '0', '0' };

		while (plain < len && s[plain] >= 0x20 && s[plain] < 0x7f && s[plain] != '"' &&
		       s[plain] != '\\')
			plain++;
		if (plain == 0 && s[0] >= 0x80)
			plain = utf8_len(s, len);
		if (plain > 0) {
			put(m, data, plain);
			data += plain;
			len -= plain;
			continue;
		}
		n = 6;
		if (s[0] == '"' || s[0] == '\\') {
			esc[1] = data[0];
			n = 2;
		} else if (s[0] == '\n') {
			esc[1] = 'n';
			n = 2;
		} else if (s[0] >= 0x80) {
			memcpy(esc + 2, "fffd", 4);
		} else {
			esc[4] = hex[s[0] >> 4];
			esc[5] = hex[s[0] & 15];
		}
		put(m, esc, n);
		data++;
		len--;
	}
}

static void write_json(struct monitor *m, const char *data, size_t len, bool is_err)
{
	char tail[HEAD_MAX];
	struct timespec ts;
	const char *base = stamp(m, &ts);
	int tail_len = snprintf(tail, sizeof(tail),
				"\",\"stream\":\"%s\",\"time\":\"%s.%09ldZ\"}\n",
				is_err ? "stderr" : "stdout", base, ts.tv_nsec);

	while (len > 0) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl != NULL ? (size_t)(nl - data) + 1 : len;

		put(m, "{\"log\":\"", 8);
		put_json(m, data, n);
		put(m, tail, (size_t)tail_len);
		line_end(m);
		data += n;
		len -= n;
	}
}

void monitor_log_write(struct monitor *m, const char *data, size_t len, bool is_err)
{
	if (m->life.log == MONITOR_LOG_JOURNALD) {
		monitor_journal_write(m, data, len, is_err);
		return;
	}
	if (m->life.log_fd < 0 || m->life.log == MONITOR_LOG_NONE)
		return;
	if (m->life.log == MONITOR_LOG_JSON)
		write_json(m, data, len, is_err);
	else
		write_k8s(m, data, len, is_err);
	flush(m);
}
