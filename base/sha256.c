/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4).
 *
 * Theory of operation: data is cut into blocks of 64 bytes, each of which is mixed into the state
 * by 64 rounds. On x86 processors with the SHA instructions two rounds are one instruction,
 * which is some six times as fast; whether they are there is asked once. The input is foreign,
 * but nothing here depends on what it says: no allocation, no error but that of reading.
 */
#include "base/sha256.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#define BLOCK 64

static const uint32_t k[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2
};

static uint32_t rotate(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void mix(uint32_t state[8], const unsigned char *p)
{
	uint32_t s[8], w[64];

	memcpy(s, state, sizeof(s));
	for (unsigned int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (unsigned int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	for (unsigned int i = 0; i < 64; i++) {
		uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) +
			      ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
		uint32_t t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) +
			      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

		memmove(s + 1, s, 7 * sizeof(s[0]));
		s[4] += t1;
		s[0] = t1 + t2;
	}
	for (unsigned int i = 0; i < 8; i++)
		state[i] += s[i];
}

#if defined(__x86_64__)
#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))

static bool have_instructions(void)
{
	static int known = -1;

	if (known < 0) {
		unsigned int a = 0, b = 0, c = 0, d = 0;

		known = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0 &&
			__get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 19 & 1) != 0;
	}
	return known > 0;
}

/* Many blocks with the processor's instructions: the state is kept as two vectors, ABEF and CDGH. */
SHA_TARGET static void mix_fast(uint32_t state[8], const unsigned char *p, size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	__m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
	__m128i u = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)),
				      0x1b);
	__m128i abef = _mm_alignr_epi8(t, u, 8);
	__m128i cdgh = _mm_blend_epi16(u, t, 0xf0);

	for (; blocks > 0; blocks--, p += BLOCK) {
		const __m128i abef0 = abef, cdgh0 = cdgh;
		__m128i w[4];

		for (unsigned int i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(
				_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)), swap);
		for (unsigned int i = 0; i < 16; i++) {
			__m128i now = w[i % 4];
			__m128i x = _mm_add_epi32(
				now, _mm_load_si128((const __m128i *)(const void *)(k + 4 * i)));

			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, x);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(x, 0x0e));
			if (i >= 12)
				continue;
			/* the four words that are sixteen further on */
			t = _mm_add_epi32(_mm_sha256msg1_epu32(now, w[(i + 1) % 4]),
					  _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
			w[i % 4] = _mm_sha256msg2_epu32(t, w[(i + 3) % 4]);
		}
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}
	t = _mm_shuffle_epi32(abef, 0x1b);
	u = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(t, u, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(u, t, 8));
}
#else
static bool have_instructions(void)
{
	return false;
}

static void mix_fast(uint32_t state[8], const unsigned char *p, size_t blocks)
{
	for (; blocks > 0; blocks--, p += BLOCK)
		mix(state, p);
}
#endif

static void mix_blocks(uint32_t state[8], const unsigned char *p, size_t blocks)
{
	if (have_instructions()) {
		mix_fast(state, p, blocks);
		return;
	}
	for (; blocks > 0; blocks--, p += BLOCK)
		mix(state, p);
}

void sha256_init(struct sha256 *h)
{
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(h->state, start, sizeof(start));
	h->len = 0;
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t used = h->len % BLOCK;

	h->len += len;
	if (used > 0) {
		size_t n = BLOCK - used < len ? BLOCK - used : len;

		memcpy(h->block + used, p, n);
		p += n;
		len -= n;
		if (used + n < BLOCK)
			return;
		mix_blocks(h->state, h->block, 1);
	}
	mix_blocks(h->state, p, len / BLOCK);
	if (len % BLOCK > 0)
		memcpy(h->block, p + len - len % BLOCK, len % BLOCK);
}

void sha256_end(struct sha256 *h, char ret[SHA256_HEX + 1])
{
	static const unsigned char pad[BLOCK] = { 0x80 };
	static const char digits[] = "0123456789abcdef";
	uint64_t bits = h->len * 8;
	size_t used = h->len % BLOCK;
	unsigned char end[8];

	for (unsigned int i = 0; i < 8; i++)
		end[i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_add(h, pad, (used < 56 ? 56 : 56 + BLOCK) - used);
	sha256_add(h, end, sizeof(end));
	for (unsigned int i = 0; i < SHA256_HEX; i++)
		ret[i] = digits[h->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
	ret[SHA256_HEX] = '\0';
}

int sha256_file(int fd, char ret[SHA256_HEX + 1])
{
	unsigned char data[32768];
	struct sha256 h;
	ssize_t n;

	sha256_init(&h);
	while ((n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		sha256_add(&h, data, (size_t)n);
	}
	sha256_end(&h, ret);
	return 0;
}
