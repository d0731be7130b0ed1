/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable buffer, string helpers, escaping.
 *
 * Theory of operation: sizes are doubled up to the cap; the first failure is
 * remembered in the buffer and makes later appends do nothing, so a caller
 * checks once at the end. Escaping decodes UTF-8 strictly (no surrogates, no
 * overlong forms, at most U+10FFFF): what a terminal could interpret (C0 and C1
 * controls, DEL, bidirectional controls) and what is not UTF-8 becomes visible
 * ASCII.
 */
#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define BUF_DEFAULT_MAX (1ul << 30)

void buf_fini(struct buf *b)
{
	int saved = errno;

	free(b->data);
	*b = BUF_INIT;
	errno = saved;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->err = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
	size_t max = b->max != 0 ? b->max : BUF_DEFAULT_MAX;
	size_t need, cap;
	char *bigger;

	if (b->err != 0)
		return NULL;
	if (!add_size(b->len, len, &need) || need >= max) {
		b->err = -E2BIG;
		return NULL;
	}
	need++; /* the NUL */
	if (need > b->cap) {
		cap = b->cap < 64 ? 64 : b->cap;
		while (cap < need)
			cap *= 2;
		bigger = realloc(b->data, cap);
		if (bigger == NULL) {
			b->err = -ENOMEM;
			return NULL;
		}
		b->data = bigger;
		b->cap = cap;
	}
	return b->data + b->len;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	char *p = buf_reserve(b, len);

	if (p == NULL)
		return b->err;
	if (len > 0)
		memcpy(p, data, len);
	p[len] = '\0';
	b->len += len;
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		b->err = -EINVAL;
		return b->err;
	}
	p = buf_reserve(b, (size_t)n);
	if (p == NULL)
		return b->err;
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap); /* same text, so the same length */
	b->len += (size_t)n;
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

char *buf_steal(struct buf *b)
{
	char *ret;

	if (b->err == 0 && b->data == NULL)
		(void)buf_append(b, "", 0);
	if (b->err != 0) {
		buf_fini(b);
		return NULL;
	}
	ret = b->data;
	b->data = NULL;
	buf_fini(b);
	return ret;
}

const char *buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}

/* Length of the well-formed UTF-8 sequence at s (1-4) and its code point, or 0. */
static size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *ret)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t c;

	if (s[0] < 0x80) {
		*ret = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		c = s[0] & 0x1fu;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		c = s[0] & 0x0fu;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		c = s[0] & 0x07u;
	} else {
		return 0;
	}
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

static bool harmful(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
		return true;
	/* bidirectional controls, line and paragraph separators, zero-width no-break space, tags */
	return c == 0x061c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

int buf_puts_escaped(struct buf *b, const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;

	while (len > 0) {
		uint32_t c = 0;
		size_t n = utf8_decode(s, len, &c);

		if (n == 0) {
			(void)buf_printf(b, "\\x%02x", s[0]);
			n = 1;
		} else if (!harmful(c)) {
			(void)buf_append(b, s, n);
		} else if (c < 0x100) {
			(void)buf_printf(b, "\\x%02x", c);
		} else if (c < 0x10000) {
			(void)buf_printf(b, "\\u%04x", c);
		} else {
			(void)buf_printf(b, "\\U%08x", c);
		}
		s += n;
		len -= n;
	}
	return b->err;
}

char *str_escape(const char *s)
{
	struct buf b = BUF_INIT;

	(void)buf_puts_escaped(&b, s, strlen(s));
	return buf_steal(&b);
}

char *str_printf(const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return buf_steal(&b);
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

int str_to_u64(const char *s, unsigned long long max, unsigned long long *ret)
{
	unsigned long long v = 0;

	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10ull, &v) ||
		    __builtin_add_overflow(v, (unsigned long long)(*s - '0'), &v) || v > max)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int str_to_size(const char *s, unsigned long long *ret)
{
	static const char units[] = "bkmgt";
	unsigned long long v;
	unsigned int shift = 0;
	size_t digits = strspn(s, "0123456789");
	const char *unit;
	_cleanup_free_ char *num = NULL;
	int r;

	num = strndup(s, digits);
	if (num == NULL)
		return -ENOMEM;
	r = str_to_u64(num, ULLONG_MAX, &v);
	if (r < 0)
		return r;
	s += digits;
	if (*s != '\0') {
		unit = strchr(units, tolower((unsigned char)*s));
		if (unit == NULL)
			return -EINVAL;
		shift = 10u * (unsigned int)(unit - units);
		s++;
		if (shift > 0 && strcasecmp(s, "ib") != 0 && strcasecmp(s, "b") != 0 && *s != '\0')
			return -EINVAL;
		if (shift == 0 && *s != '\0')
			return -EINVAL;
	}
	if (v > ULLONG_MAX >> shift)
		return -ERANGE;
	*ret = v << shift;
	return 0;
}

void strv_fini(struct strv *s)
{
	int saved = errno;

	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strv){ 0 };
	errno = saved;
}

int strv_add_take(struct strv *s, char *str)
{
	char **bigger;
	size_t size;

	if (str == NULL)
		return -ENOMEM;
	if (!mul_size(s->n + 2, sizeof(char *), &size) || (bigger = realloc(s->v, size)) == NULL) {
		free(str);
		return -ENOMEM;
	}
	bigger[s->n++] = str;
	bigger[s->n] = NULL;
	s->v = bigger;
	return 0;
}

int strv_add(struct strv *s, const char *str)
{
	return strv_add_take(s, strdup(str));
}

int strv_addf(struct strv *s, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return strv_add_take(s, buf_steal(&b));
}

static char **env_find(const struct strv *s, const char *key, size_t key_len)
{
	for (size_t i = s->n; i > 0; i--)
		if (strncmp(s->v[i - 1], key, key_len) == 0 && s->v[i - 1][key_len] == '=')
			return &s->v[i - 1];
	return NULL;
}

const char *strv_env_get(const struct strv *s, const char *key)
{
	char **entry = env_find(s, key, strlen(key));

	return entry != NULL ? *entry + strlen(key) + 1 : NULL;
}

int strv_env_set(struct strv *s, const char *entry)
{
	char **old = env_find(s, entry, strcspn(entry, "="));
	char *copy;

	if (old == NULL)
		return strv_add(s, entry);
	copy = strdup(entry);
	if (copy == NULL)
		return -ENOMEM;
	free(*old);
	*old = copy;
	return 0;
}
