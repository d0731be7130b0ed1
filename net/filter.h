/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: which of the container's frames libslirp gets to see. */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Judge one Ethernet frame. May change it in place (urgent data becomes
 * ordinary data). False: drop it.
 */
bool filter_frame(uint8_t *frame, size_t len);

#endif
