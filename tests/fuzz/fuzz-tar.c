/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of tar archives; what it says must not depend on the pieces in which bytes arrive. */
#include "base/limits.h"
#include "storage/unpack/tar.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tar-mutate.h"

static uint64_t sum(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* A number for all that was read. */
static uint64_t listing(const uint8_t *data, size_t size, size_t piece)
{
	struct pieces p = { .data = data, .len = size, .piece = piece };
	struct error e = ERROR_INIT;
	const struct tar_entry *n;
	struct tar_reader *t;
	uint64_t h = 0xcbf29ce484222325ull;
	unsigned int entries = 0;
	int r;

	MUST(tar_new(read_piece, NULL, &p, &t) == 0);
	while ((r = tar_next(t, &n, &e)) > 0) {
		uint64_t before = 0, offset = 0;
		const void *at;
		size_t len;
		int d;

		MUST(strlen(n->path) <= LIMIT_TAR_NAME && n->link != NULL);
		MUST(n->mode <= 07777 && n->mtime_ns < 1000000000u);
		h = sum(h, n->path, strlen(n->path) + 1);
		h = sum(h, n->link, strlen(n->link) + 1);
		h = sum(h, &n->type, sizeof(n->type));
		h = sum(h, &n->size, sizeof(n->size));
		for (size_t i = 0; i < n->xattrs_n; i++) {
			MUST(n->xattrs[i].len <= LIMIT_TAR_XATTR_BYTES);
			h = sum(h, n->xattrs[i].name, strlen(n->xattrs[i].name) + 1);
			h = sum(h, n->xattrs[i].value, n->xattrs[i].len);
		}
		if (entries++ % 4 == 3)
			continue; /* the data is skipped */
		while ((d = tar_data(t, &at, &len, &offset, &e)) > 0) {
			MUST(offset >= before && offset + len >= offset && offset + len <= n->size);
			before = offset + len;
			h = sum(h, at, len);
		}
		if (d < 0) {
			r = d;
			break;
		}
	}
	fuzz_check_result(r, &e);
	h = sum(h, &r, sizeof(r));
	tar_free(t);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole = listing(data, size, SIZE_MAX);

	MUST(listing(data, size, 509) == whole);
	if (size <= 4096)
		MUST(listing(data, size, 1) == whole);
	return 0;
}
