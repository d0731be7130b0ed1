/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 for programs that shall not link a library for it: crt starts in a millisecond,
 * and what a container start needs must not pay for what checks digests.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 64 /* digits of a digest */

struct sha256 {
	uint32_t state[8];
	uint64_t len;
	unsigned char block[64]; /* len % 64 bytes of it are used */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t len);
/* Lower-case hexadecimal digits and a NUL. h must be initialised again before it is used again. */
void sha256_end(struct sha256 *h, char ret[SHA256_HEX + 1]);
/* Of a file from its current position to its end. 0 or -errno. */
int sha256_file(int fd, char ret[SHA256_HEX + 1]);

#endif
