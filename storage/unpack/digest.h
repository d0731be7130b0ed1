/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 while streaming, in the "sha256:<hex>" form. */
#ifndef STORAGE_UNPACK_DIGEST_H
#define STORAGE_UNPACK_DIGEST_H

#include <stddef.h>

struct digest;
int digest_new(struct digest **ret); /* 0 or -ENOMEM */
void digest_free(struct digest *d);  /* accepts NULL */
void digest_add(struct digest *d, const void *data, size_t len);
/* Text of what was added; once. */
void digest_text(struct digest *d, char ret[72]);
/* Of a whole buffer. 0 or -ENOMEM. */
int digest_of(const void *data, size_t len, char ret[72]);

#endif
