/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer with a cap, escaping for terminals, and overflow-checked sizes. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Always NUL-terminated when data != NULL; len does not count the NUL. An
 * append that fails sets err (-ENOMEM, or -E2BIG at the cap) and all later
 * appends do nothing: callers may append many times and check err once.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max; /* 0 = 1 GiB */
	int err;
};

#define BUF_INIT      ((struct buf){ .data = NULL })
#define _cleanup_buf_ __attribute__((cleanup(buf_fini)))

void buf_fini(struct buf *b);				     /* frees and zeroes */
void buf_reset(struct buf *b);				     /* len = 0, keeps the memory */
int buf_append(struct buf *b, const void *data, size_t len); /* 0 or b->err */
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Make room for len more bytes and return where they go (NULL: see err); add to len yourself. */
char *buf_reserve(struct buf *b, size_t len);
/* The string, owned by the caller; the buffer is empty afterwards. NULL when err is set (buffer freed). */
char *buf_steal(struct buf *b);
/* The string or "" — never NULL. Valid until the next append. */
const char *buf_str(const struct buf *b);

/*
 * Append s made harmless for terminals and logs: control characters, 0x7f-0x9f,
 * invalid UTF-8 and bidirectional controls become \xNN or \uNNNN.
 */
int buf_puts_escaped(struct buf *b, const char *s, size_t len);
/* The same as a new string, NULL on -ENOMEM. Caller frees. */
char *str_escape(const char *s);

/* printf into a new string; NULL when memory is short. Caller frees. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
static inline bool str_is_digit(char c)
{
	return c >= '0' && c <= '9';
}
/* Strict decimal: digits only, no sign, no blanks, no leading '+'. 0, -EINVAL or -ERANGE (> max). */
int str_to_u64(const char *s, unsigned long long max, unsigned long long *ret);
/* Size with optional suffix b,k,m,g,t (any case, optional "b"/"ib"), as docker's --shm-size. Bytes. */
int str_to_size(const char *s, unsigned long long *ret);

/* NULL-terminated string vector. */
struct strv {
	char **v; /* NULL when empty */
	size_t n;
};
#define _cleanup_strv_ __attribute__((cleanup(strv_fini)))
void strv_fini(struct strv *s);
int strv_add(struct strv *s, const char *str); /* copies; 0 or -ENOMEM */
int strv_add_take(struct strv *s,
		  char *str); /* takes ownership, frees on failure; NULL str = -ENOMEM */
int strv_addf(struct strv *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Value behind "key=" of the LAST matching entry, NULL when absent. Borrowed. */
const char *strv_env_get(const struct strv *s, const char *key);
/* Set or replace "key=value" (an entry "KEY=VALUE" whose key matches is replaced). */
int strv_env_set(struct strv *s, const char *entry);

static inline bool mul_size(size_t a, size_t b, size_t *ret)
{
	return !__builtin_mul_overflow(a, b, ret);
}
static inline bool add_size(size_t a, size_t b, size_t *ret)
{
	return !__builtin_add_overflow(a, b, ret);
}

#endif
