/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzzers share. A fuzzer is a file fuzz-NAME.c with one function,
 * LLVMFuzzerTestOneInput(); it is linked with libFuzzer (-Dfuzz=true) or with
 * replay.c, which feeds it tests/corpus/NAME. Where a parser has more to say
 * than "no crash", MUST() says it.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef CRT_LIBFUZZER
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
#endif

#define MUST(condition)                                                                         \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			(void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
				      #condition);                                              \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* Bytes as a string of exactly their length, so that one byte beyond is noticed. Caller frees. */
static inline char *fuzz_text(const void *data, size_t size)
{
	char *s = malloc(size + 1);

	MUST(s != NULL);
	if (size != 0)
		memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

/* The next part of an input whose parts are separated by a line "---"; "" at the end. Caller frees. */
static inline char *fuzz_part(const uint8_t **data, size_t *size)
{
	const uint8_t *cut = memmem(*data, *size, "\n---\n", 5);
	size_t len = cut != NULL ? (size_t)(cut - *data) : *size;
	char *s = fuzz_text(*data, len);

	if (cut != NULL)
		len += 5;
	*data += len;
	*size -= len;
	return s;
}

/* A failure has a reason in one line, a success has none. */
static inline void fuzz_check_result(int r, const struct error *e)
{
	if (r < 0) {
		MUST(e->code < 0 && e->msg[0] != '\0');
		MUST(memchr(e->msg, '\0', sizeof(e->msg)) != NULL);
	}
}

#endif
