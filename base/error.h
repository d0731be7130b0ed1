/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error value that every fallible function fills.
 *
 * A function that can fail returns 0 (or a useful non-negative value) or a
 * negative errno, and takes a struct error * as its last parameter. The
 * message is written once, where the failure happens, and gains prefixes as
 * it rises; only main() prints it. The value is flat: it needs no memory and
 * can be sent through a pipe.
 *
 * e may be NULL everywhere: the caller then wants only the return value.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

struct error {
	int code;      /* negative errno, 0 = no error */
	char msg[480]; /* one line, no newline at the end; cut with "..." when too long */
};

#define ERROR_INIT ((struct error){ .code = 0 })

/*
 * Store code and a formatted message and return code, so that a failing
 * function can say "return error_set(e, -errno, ...)". When code is a negative
 * errno the text ": strerror(code)" is appended; error_setf() appends nothing
 * (use it when the message already says why). A code >= 0 is an own bug and
 * becomes -EINVAL.
 */
int error_set(struct error *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_setf(struct error *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "prefix: " before the message; returns e->code (or -EINVAL when e is NULL or empty). */
int error_prefix(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append text behind the message (for "what to do" hints); returns e->code. */
int error_hint(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Text of an errno without locale: "no such file or directory" in lower case,
 * as the callers of an OCI runtime match it. Never NULL, never allocated.
 */
const char *error_strerror(int err);

#endif
