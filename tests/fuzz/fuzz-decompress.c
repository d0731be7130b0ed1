/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, zstd and plain data; the result does not depend on the pieces, and its size is bounded. */
#include <errno.h>

#include "storage/unpack/decompress.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX (64u << 20)

struct out {
	unsigned char room[65536];
	uint64_t n, sum;
};

static unsigned char *take_room(void *data, size_t *ret_cap)
{
	struct out *o = data;

	*ret_cap = sizeof(o->room);
	return o->n > OUT_MAX ? NULL : o->room;
}

static void take(void *data, size_t len)
{
	struct out *o = data;

	MUST(len <= sizeof(o->room));
	for (size_t i = 0; i < len; i++)
		o->sum = o->sum * 31 + o->room[i];
	o->n += len;
}

static int unpack(const uint8_t *data, size_t size, size_t piece, struct out *o)
{
	const struct decompress_sink sink = { .room = take_room, .done = take, .data = o };
	struct error e = ERROR_INIT;
	struct decompress *d;
	int r = 0;

	MUST(decompress_new(&sink, &d) == 0);
	for (size_t at = 0; r == 0 && at < size; at += piece)
		r = decompress_feed(d, data + at, size - at < piece ? size - at : piece, &e);
	if (r == 0)
		r = decompress_end(d, &e);
	if (r != -EPIPE)
		fuzz_check_result(r, &e);
	decompress_free(d);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct out a, b;

	a.n = a.sum = b.n = b.sum = 0;
	if (size == 0)
		return 0;
	if (unpack(data, size, size, &a) < 0 || a.n > (1u << 20))
		return 0;
	MUST(unpack(data, size, 7, &b) == 0);
	MUST(a.n == b.n && a.sum == b.sum);
	return 0;
}
