/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people give them to --since and --until. */
#ifndef CMD_WHEN_H
#define CMD_WHEN_H

#include "base/error.h"

#define WHEN_TEXT 40

/*
 * A duration before now ("90s", "1h30m", "2d"), seconds since 1970 with an optional fraction, or RFC 3339
 * from which the end may be missing ("2001-02-03", "2001-02-03T04:05"; without a zone: local time).
 * ret: "2001-02-03T04:05:06.123456789", UTC, to be compared as text. 0 or -EINVAL.
 */
int when_parse(const char *text, char ret[WHEN_TEXT], struct error *e);
/* "90s", "1h30m", "1.5s", "200ms": nanoseconds. 0 or -EINVAL. */
int when_parse_duration(const char *text, long long *ret_ns);

#endif
