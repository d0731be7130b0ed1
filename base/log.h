/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics. Modules report failures through struct error; the log is for
 * what is not a failure: one-line warnings about a missing optional feature,
 * and debug lines. Every message is escaped for terminals. main() chooses the
 * sink; the default is level WARNING to stderr as "crt: text".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

enum log_format {
	LOG_FORMAT_PLAIN, /* "NAME: msg" (warnings: "NAME: warning: msg") */
	LOG_FORMAT_TEXT,  /* time="RFC3339" level=error msg="..." */
	LOG_FORMAT_JSON,  /* {"level":"error","msg":"...","time":"RFC3339"} */
	LOG_FORMAT_COUNT
};

/* Program name in plain lines; borrowed, must live on. */
void log_set_name(const char *name);
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);
/* fd is borrowed; default 2. */
void log_set_fd(int fd);
bool log_enabled(enum log_level level);

void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Print a risen error, level ERROR. */
void log_error(const struct error *e);
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) \
	(log_enabled(LOG_LEVEL_DEBUG) ? log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)

#endif
