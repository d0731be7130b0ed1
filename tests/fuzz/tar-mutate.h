/* SPDX-License-Identifier: Apache-2.0 */
/* For fuzzers of tar archives: a mutation keeps the checksums right, else nothing behind them is reached. */
#ifndef TESTS_FUZZ_TAR_MUTATE_H
#define TESTS_FUZZ_TAR_MUTATE_H

#include "tests/fuzz/fuzz.h"

#ifdef CRT_LIBFUZZER
static void repair_checksums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		uint8_t *h = data + at;
		unsigned int sum = 0;

		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += h[i];
		for (int i = 5; i >= 0; i--, sum /= 8)
			h[148 + i] = (uint8_t)('0' + sum % 8);
		h[154] = 0;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t blocks = size / 512;

	if (seed % 8 == 0 && blocks > 1) { /* exchange two blocks */
		uint8_t *a = data + seed / 8 % blocks * 512, *b = data + seed / 512 % blocks * 512;

		for (size_t i = 0; i < 512; i++) {
			uint8_t t = a[i];

			a[i] = b[i];
			b[i] = t;
		}
	} else {
		size = LLVMFuzzerMutate(data, size, max);
	}
	if (seed % 16 != 1)
		repair_checksums(data, size);
	return size;
}
#endif

/* Bytes handed out in pieces. */
struct pieces {
	const uint8_t *data;
	size_t len, at, piece;
};

static ssize_t read_piece(void *data, const void **ret, struct error *e)
{
	struct pieces *p = data;
	size_t n = p->len - p->at < p->piece ? p->len - p->at : p->piece;

	(void)e;
	*ret = p->data + p->at;
	p->at += n;
	return (ssize_t)n;
}

#endif
