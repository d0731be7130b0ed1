/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/ (crt-net): TCP acknowledgements that a later one makes superfluous. */
#ifndef NET_ACK_H
#define NET_ACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACK_MAX 128 /* headers only */

/* A TCP segment that does nothing but acknowledge: no data, no options, no other flag. */
bool ack_is_pure(const uint8_t *frame, size_t len);
/*
 * Is frame a pure acknowledgement of the same connection as old (which is
 * one), of more data? A repeated acknowledgement is not: TCP counts those.
 */
bool ack_supersedes(const uint8_t *frame, size_t len, const uint8_t *old, size_t old_len);

#endif
