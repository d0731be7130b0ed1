/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times as people give them.
 *
 * Theory of operation: three forms are tried in turn, each by its own strict
 * parser: Go's durations, numbers, dates. What fits none is refused.
 */
#include "cmd/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

#define NS 1000000000LL

/* Digits with an optional fraction, times unit; advances *p. */
static int take_number(const char **p, long long *ret_whole, long long *ret_nano)
{
	long long whole = 0, nano = 0, scale = NS / 10;
	const char *s = *p;

	if (!str_is_digit(*s))
		return -EINVAL;
	for (; str_is_digit(*s); s++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *s - '0', &whole))
			return -ERANGE;
	if (*s == '.') {
		s++;
		if (!str_is_digit(*s))
			return -EINVAL;
		for (; str_is_digit(*s); s++, scale /= 10)
			nano += (*s - '0') * scale;
	}
	*p = s;
	*ret_whole = whole;
	*ret_nano = nano;
	return 0;
}

int when_parse_duration(const char *text, long long *ret_ns)
{
	static const struct {
		const char *name;
		long long ns;
	} units[] = { { "ns", 1 },	   { "us", 1000 },	   { "ms", 1000000 },
		      { "s", NS },	   { "m", 60 * NS },	   { "h", 3600 * NS },
		      { "d", 86400 * NS }, { "w", 7 * 86400 * NS } };
	long long total = 0;

	if (*text == '\0')
		return -EINVAL;
	while (*text != '\0') {
		long long whole, nano, part;
		size_t len = 0, u = 0;

		if (take_number(&text, &whole, &nano) < 0)
			return -EINVAL;
		while (text[len] >= 'a' && text[len] <= 'z')
			len++;
		while (u < sizeof(units) / sizeof(units[0]) &&
		       (strlen(units[u].name) != len || strncmp(units[u].name, text, len) != 0))
			u++;
		if (u == sizeof(units) / sizeof(units[0]) ||
		    __builtin_mul_overflow(whole, units[u].ns, &part) ||
		    __builtin_add_overflow(total, part, &total))
			return -EINVAL;
		total += units[u].ns >= 1000 ? nano / 1000 * (units[u].ns / 1000) / 1000 : 0;
		text += len;
	}
	*ret_ns = total;
	return 0;
}

static int print(long long sec, long long nano, char ret[WHEN_TEXT])
{
	time_t t = (time_t)sec;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 8099)
		return -EINVAL;
	(void)snprintf(ret, WHEN_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%09lld",
		       (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		       tm.tm_min, tm.tm_sec, nano % NS);
	return 0;
}

/* "Z", "+01:00", "" (local). Seconds to subtract. */
static int take_zone(const char *text, struct tm *tm, time_t *ret)
{
	static const char form[] = "+00:00";
	int hours, minutes;

	if (*text == '\0') {
		tm->tm_isdst = -1;
		*ret = mktime(tm);
		return 0;
	}
	*ret = timegm(tm);
	if (strcmp(text, "Z") == 0)
		return 0;
	if ((*text != '+' && *text != '-') || strlen(text) != strlen(form))
		return -EINVAL;
	for (size_t i = 1; form[i] != '\0'; i++)
		if (form[i] == '0' ? !str_is_digit(text[i]) : text[i] != form[i])
			return -EINVAL;
	hours = (text[1] - '0') * 10 + text[2] - '0';
	minutes = (text[4] - '0') * 10 + text[5] - '0';
	if (hours > 23 || minutes > 59)
		return -EINVAL;
	*ret -= (*text == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
	return 0;
}

static int parse_date(const char *text, char ret[WHEN_TEXT])
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H",
					     "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { .tm_mday = 1 };
		const char *rest = strptime(text, forms[i], &tm);
		long long whole, nano = 0;
		time_t t;

		if (rest == NULL)
			continue;
		if (i == 0 && *rest == '.') {
			_cleanup_buf_ struct buf b = BUF_INIT;
			const char *p;

			(void)buf_printf(&b, "0%s", rest); /* a failure leaves "", refused below */
			p = buf_str(&b);
			if (take_number(&p, &whole, &nano) < 0)
				return -EINVAL;
			rest += p - buf_str(&b) - 1;
		}
		if (take_zone(rest, &tm, &t) < 0)
			continue;
		return print(t, nano, ret);
	}
	return -EINVAL;
}

int when_parse(const char *text, char ret[WHEN_TEXT], struct error *e)
{
	const char *p = text;
	long long ns, whole, nano;
	struct timespec now;

	if (when_parse_duration(text, &ns) == 0) {
		long long sec;

		(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
		sec = now.tv_sec - ns / NS;
		nano = now.tv_nsec - ns % NS;
		if (nano < 0) {
			nano += NS;
			sec--;
		}
		if (print(sec, nano, ret) == 0)
			return 0;
	} else if (take_number(&p, &whole, &nano) == 0 && *p == '\0') {
		if (print(whole, nano, ret) == 0)
			return 0;
	} else if (parse_date(text, ret) == 0) {
		return 0;
	}
	return error_setf(
		e, -EINVAL,
		"\"%.100s\" is no time: use a duration (10m), a date (2001-02-03T04:05:06Z) or seconds since 1970",
		text);
}
