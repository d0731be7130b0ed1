/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct error: format once, prefix while rising.
 *
 * Theory of operation: the message lives in a fixed array inside the value, so
 * that reporting works when memory is short and the value can cross a pipe.
 * Text that does not fit is cut at the end and marked with "..."; prefixes are
 * put in front by moving the text, so that the innermost cause is what gets cut
 * last. The text of an errno comes from our own table: strerror(3) depends on
 * the locale, and callers of an OCI runtime match lower-case texts.
 */
#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct errno_text {
	int err;
	const char *text;
};

/* Only those whose wording callers match or where glibc's wording is unclear; else glibc's, lower-cased. */
static const struct errno_text errno_texts[] = {
	{ ENOENT, "no such file or directory" },
	{ EACCES, "permission denied" },
	{ EPERM, "operation not permitted" },
	{ ESRCH, "no such process" },
	{ EEXIST, "file exists" },
	{ ENOTDIR, "not a directory" },
	{ EISDIR, "is a directory" },
	{ EINVAL, "invalid argument" },
	{ ENOSPC, "no space left on device" },
	{ EDQUOT, "disk quota exceeded" },
	{ EROFS, "read-only file system" },
	{ EMFILE, "too many open files" },
	{ ENFILE, "too many open files in system" },
	{ ENOMEM, "cannot allocate memory" },
	{ EBUSY, "device or resource busy" },
	{ ELOOP, "too many levels of symbolic links" },
	{ ENAMETOOLONG, "file name too long" },
	{ EXDEV, "path leaves the tree it must stay in" },
	{ ENOEXEC, "exec format error" },
	{ ETXTBSY, "text file busy" },
	{ ENOSYS, "function not implemented" },
	{ EOPNOTSUPP, "operation not supported" },
	{ ENODEV, "no such device" },
	{ ENXIO, "no such device or address" },
	{ EIO, "input/output error" },
	{ EPIPE, "broken pipe" },
	{ EAGAIN, "resource temporarily unavailable" },
	{ ETIMEDOUT, "timed out" },
	{ ECONNREFUSED, "connection refused" },
	{ ECONNRESET, "connection reset by peer" },
	{ EADDRINUSE, "address already in use" },
	{ EADDRNOTAVAIL, "cannot assign requested address" },
	{ ENETUNREACH, "network is unreachable" },
	{ EHOSTUNREACH, "no route to host" },
	{ E2BIG, "argument list too long" },
	{ EFBIG, "file too large" },
	{ ENOTEMPTY, "directory not empty" },
	{ EINTR, "interrupted system call" },
	{ EBADF, "bad file descriptor" },
	{ ERANGE, "numerical result out of range" },
	{ EOVERFLOW, "value too large for defined data type" },
	{ ENOTCONN, "transport endpoint is not connected" },
	{ ENOTTY, "inappropriate ioctl for device" },
	{ ENOTSUP, "operation not supported" },
	{ ESTALE, "stale file handle" },
	{ EPROTO, "protocol error" },
	{ EBADMSG, "bad message" },
	{ EMLINK, "too many links" },
	{ ECHILD, "no child processes" },
	{ EUSERS, "too many users" },
};

const char *error_strerror(int err)
{
	static _Thread_local char lower[96];
	const char *text;

	if (err < 0)
		err = -err;
	for (size_t i = 0; i < sizeof(errno_texts) / sizeof(errno_texts[0]); i++)
		if (errno_texts[i].err == err)
			return errno_texts[i].text;
	text = strerrordesc_np(err);
	if (text == NULL)
		return "unknown error";
	(void)snprintf(lower, sizeof(lower), "%s", text); /* the longest has 50 */
	/* "No locks available", but not "RPC struct is bad" */
	if (lower[0] >= 'A' && lower[0] <= 'Z' && lower[1] >= 'a' && lower[1] <= 'z')
		lower[0] = (char)(lower[0] - 'A' + 'a');
	return lower;
}

/* Mark a text that snprintf had to cut. */
static void mark_cut(char *msg, size_t size)
{
	memcpy(msg + size - 4, "...", 4);
}

static void append(struct error *e, const char *text)
{
	size_t len = strnlen(e->msg, sizeof(e->msg));
	int n = snprintf(e->msg + len, sizeof(e->msg) - len, "%s", text);

	if (n < 0 || (size_t)n >= sizeof(e->msg) - len)
		mark_cut(e->msg, sizeof(e->msg));
}

/* An error is one line: whatever is formatted into it, newlines become blanks. */
static void one_line(char *msg)
{
	for (; *msg != '\0'; msg++)
		if (*msg == '\n' || *msg == '\r')
			*msg = ' ';
}

static int vset(struct error *e, int code, bool with_errno, const char *fmt, va_list ap)
{
	int n;

	if (code >= 0)
		code = -EINVAL;
	if (e == NULL)
		return code;
	e->code = code;
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (n < 0)
		e->msg[0] = '\0';
	else if ((size_t)n >= sizeof(e->msg))
		mark_cut(e->msg, sizeof(e->msg));
	if (with_errno) {
		append(e, ": ");
		append(e, error_strerror(code));
	}
	one_line(e->msg);
	return code;
}

int error_set(struct error *e, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vset(e, code, true, fmt, ap);
	va_end(ap);
	return r;
}

int error_setf(struct error *e, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vset(e, code, false, fmt, ap);
	va_end(ap);
	return r;
}

int error_prefix(struct error *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	int n;

	if (e == NULL)
		return -EINVAL;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		e->msg[0] = '\0';
	else if ((size_t)n >= sizeof(e->msg))
		mark_cut(e->msg, sizeof(e->msg));
	append(e, ": ");
	append(e, old);
	one_line(e->msg);
	return e->code < 0 ? e->code : -EINVAL;
}

int error_hint(struct error *e, const char *fmt, ...)
{
	char text[sizeof(e->msg)];
	va_list ap;

	if (e == NULL)
		return -EINVAL;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	append(e, text);
	one_line(e->msg);
	return e->code < 0 ? e->code : -EINVAL;
}
