/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 while streaming, in the "sha256:<hex>" form. */
#ifndef STORAGE_UNPACK_DIGEST_H
#define STORAGE_UNPACK_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_SIZE 72 /* "sha256:", 64 digits, NUL */

struct digest;
int digest_new(struct digest **ret); /* 0 or -ENOMEM */
void digest_free(struct digest *d);  /* accepts NULL */
void digest_add(struct digest *d, const void *data, size_t len);
/* Text of what was added; once. */
void digest_text(struct digest *d, char ret[DIGEST_TEXT_SIZE]);
/* Of a whole buffer. 0 or -ENOMEM. */
int digest_of(const void *data, size_t len, char ret[DIGEST_TEXT_SIZE]);
/* Exactly "sha256:" and 64 lower-case hex digits. */
bool digest_valid(const char *text);

#endif
