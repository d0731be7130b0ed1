/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: pieces of the option parser that its unit test uses. */
#ifndef NET_PARSE_H
#define NET_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* "8000" or "8000-8010"; 1 to 65535 each, rising. 0 or -EINVAL. */
int parse_port_range(const char *text, size_t len, uint16_t *ret_first, uint16_t *ret_last);

#endif
