/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of streams.
 *
 * Theory of operation
 *
 * OpenSSL's EVP interface picks the fastest code for the processor (SHA
 * extensions, AVX2). After a digest object was made, adding bytes can only
 * fail by misuse; a failure is remembered and the text becomes one that equals
 * no digest, so that a check against it fails closed.
 */
#include "storage/unpack/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct digest {
	EVP_MD_CTX *ctx;
	bool failed;
};

int digest_new(struct digest **ret)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->ctx = EVP_MD_CTX_new();
	if (d->ctx == NULL || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
		digest_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	if (EVP_DigestUpdate(d->ctx, data, len) != 1)
		d->failed = true;
}

void digest_text(struct digest *d, char ret[DIGEST_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	memcpy(ret, "sha256:", 8);
	if (EVP_DigestFinal_ex(d->ctx, md, &n) != 1 || n != 32 || d->failed)
		return;
	for (unsigned int i = 0; i < n; i++) {
		ret[7 + 2 * i] = hex[md[i] >> 4];
		ret[8 + 2 * i] = hex[md[i] & 15];
	}
	ret[71] = '\0';
}

int digest_of(const void *data, size_t len, char ret[DIGEST_TEXT_SIZE])
{
	struct digest *d;
	int r = digest_new(&d);

	if (r < 0)
		return r;
	digest_add(d, data, len);
	digest_text(d, ret);
	digest_free(d);
	return 0;
}

bool digest_valid(const char *text)
{
	return strncmp(text, "sha256:", 7) == 0 && strlen(text) == 71 &&
	       strspn(text + 7, "0123456789abcdef") == 64;
}
