/* SPDX-License-Identifier: Apache-2.0 */
/* Private to net/: a copy of the frames in a file (--network slirp:pcap=FILE). */
#ifndef NET_PCAP_H
#define NET_PCAP_H

#include <sys/uio.h>

#include "base/error.h"

/* Make the file, or empty it, as the caller. fd or -errno. */
int pcap_open(const char *path, struct error *e);
/* Write the head of the file. 0 or -errno. */
int pcap_begin(int fd);
/* Append a frame, in up to two parts. 0, or -errno when the file takes no more. */
int pcap_frame(int fd, const struct iovec *parts, size_t n);

#endif
