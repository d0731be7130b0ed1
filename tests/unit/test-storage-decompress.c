/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression: kinds by content, members and frames, pieces of every size, damage, bombs. */
#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "storage/unpack/decompress.h"

static unsigned char room[1000];
static struct buf got;
static uint64_t counted;
static bool gone;

static unsigned char *take_room(void *data, size_t *ret_cap)
{
	(void)data;
	*ret_cap = sizeof(room);
	return gone ? NULL : room;
}

static void take(void *data, size_t len)
{
	(void)data;
	counted += len;
	if (counted < (4u << 20))
		assert_int_equal(buf_append(&got, room, len), 0);
}

/* Feed in in pieces; the result is in got. */
static int unpack(const void *in, size_t len, size_t piece, enum decompress_kind want,
		  struct error *e)
{
	const struct decompress_sink sink = { .room = take_room, .done = take };
	struct decompress *d;
	int r = 0;

	buf_reset(&got);
	counted = 0;
	assert_int_equal(decompress_new(&sink, &d), 0);
	for (size_t at = 0; r == 0 && at < len; at += piece)
		r = decompress_feed(d, (const char *)in + at, len - at < piece ? len - at : piece,
				    e);
	if (r == 0)
		r = decompress_end(d, e);
	if (r == 0) {
		assert_int_equal(decompress_kind(d), want);
	}
	decompress_free(d);
	return r;
}

static const size_t pieces[] = { 1, 2, 3, 5, 8, 13, 100, 511, 4096, 1 << 20 };
#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

static void gzip(struct buf *b, const void *data, size_t len)
{
	struct isal_zstream s;
	size_t cap = len + len / 8 + 1000;
	char *to = buf_reserve(b, cap);

	assert_non_null(to);
	isal_deflate_stateless_init(&s);
	s.next_in = (uint8_t *)(uintptr_t)data;
	s.avail_in = (uint32_t)len;
	s.next_out = (uint8_t *)to;
	s.avail_out = (uint32_t)cap;
	s.end_of_stream = 1;
	s.gzip_flag = IGZIP_GZIP;
	assert_int_equal(isal_deflate_stateless(&s), COMP_OK);
	b->len += s.total_out;
}

static void zstd(struct buf *b, const void *data, size_t len)
{
	size_t cap = ZSTD_compressBound(len);
	char *to = buf_reserve(b, cap);
	size_t n;

	assert_non_null(to);
	n = ZSTD_compress(to, cap, data, len, 1);
	assert_false(ZSTD_isError(n));
	b->len += n;
}

/* Text that packs, but not to nothing. */
static void sample(struct buf *b, size_t lines)
{
	for (size_t i = 0; i < lines; i++)
		assert_int_equal(buf_printf(b, "line %zu of the sample, %zu\n", i, i * 7919 % 1013),
				 0);
}

static void expect(const struct buf *packed, const struct buf *plain, enum decompress_kind kind)
{
	for (size_t i = 0; i < PIECES; i++) {
		struct error e = ERROR_INIT;

		assert_int_equal(unpack(packed->data, packed->len, pieces[i], kind, &e), 0);
		assert_int_equal(got.len, plain->len);
		assert_memory_equal(got.data, plain->data, plain->len);
	}
}

static void test_kinds(void **state)
{
	_cleanup_buf_ struct buf plain = BUF_INIT;
	_cleanup_buf_ struct buf packed = BUF_INIT;

	(void)state;
	sample(&plain, 3000);
	expect(&plain, &plain, DECOMPRESS_PLAIN);
	gzip(&packed, plain.data, plain.len);
	expect(&packed, &plain, DECOMPRESS_GZIP);
	buf_reset(&packed);
	zstd(&packed, plain.data, plain.len);
	expect(&packed, &plain, DECOMPRESS_ZSTD);
}

static void test_members(void **state)
{
	static const char skippable[] = "\x5a\x2a\x4d\x18\x05\0\0\0hello";
	_cleanup_buf_ struct buf plain = BUF_INIT;
	_cleanup_buf_ struct buf packed = BUF_INIT;

	(void)state;
	sample(&plain, 500);
	/* small members, so that the look-ahead of one reaches into the next */
	for (size_t at = 0; at < plain.len; at += 37)
		gzip(&packed, plain.data + at, plain.len - at < 37 ? plain.len - at : 37);
	expect(&packed, &plain, DECOMPRESS_GZIP);
	assert_int_equal(buf_append(&packed, "\0\0\0\0\0", 5), 0);
	expect(&packed, &plain, DECOMPRESS_GZIP);
	buf_reset(&packed);
	assert_int_equal(buf_append(&packed, skippable, sizeof(skippable) - 1), 0);
	for (size_t at = 0; at < plain.len; at += 1000)
		zstd(&packed, plain.data + at, plain.len - at < 1000 ? plain.len - at : 1000);
	assert_int_equal(buf_append(&packed, skippable, sizeof(skippable) - 1), 0);
	expect(&packed, &plain, DECOMPRESS_ZSTD);
}

static void test_empty_and_short(void **state)
{
	(void)state;
	assert_int_equal(unpack("", 0, 1, DECOMPRESS_PLAIN, NULL), 0);
	assert_int_equal(unpack("abc", 3, 1, DECOMPRESS_PLAIN, NULL), 0);
	assert_int_equal(got.len, 3);
	assert_true(unpack("\x1f\x8b", 2, 1, DECOMPRESS_GZIP, NULL) < 0);
}

static void test_damage(void **state)
{
	_cleanup_buf_ struct buf plain = BUF_INIT;
	_cleanup_buf_ struct buf packed = BUF_INIT;
	_cleanup_buf_ struct buf other = BUF_INIT;

	(void)state;
	sample(&plain, 200);
	gzip(&packed, plain.data, plain.len);
	for (size_t cut = 2; cut < packed.len; cut += 11) {
		struct error e = ERROR_INIT;

		assert_true(unpack(packed.data, cut, 100, DECOMPRESS_GZIP, &e) < 0);
		assert_true(e.msg[0] != '\0');
	}
	packed.data[packed.len - 6] ^= 1; /* the checksum */
	assert_true(unpack(packed.data, packed.len, 100, DECOMPRESS_GZIP, NULL) < 0);
	packed.data[packed.len - 6] ^= 1;
	assert_int_equal(buf_puts(&packed, "garbage"), 0);
	assert_true(unpack(packed.data, packed.len, 100, DECOMPRESS_GZIP, NULL) < 0);
	zstd(&other, plain.data, plain.len);
	for (size_t cut = 4; cut < other.len; cut += 11)
		assert_true(unpack(other.data, cut, 100, DECOMPRESS_ZSTD, NULL) < 0);
	assert_true(unpack("BZh91AY", 7, 100, DECOMPRESS_PLAIN, NULL) == -EPROTONOSUPPORT);
	assert_true(unpack("\xfd"
			   "7zXZ\0",
			   6, 100, DECOMPRESS_PLAIN, NULL) == -EPROTONOSUPPORT);
}

static void test_bomb(void **state)
{
	_cleanup_buf_ struct buf packed = BUF_INIT;
	struct error e = ERROR_INIT;
	size_t size = 200u << 20;
	void *zeros = calloc(1, size);

	(void)state;
	assert_non_null(zeros);
	zstd(&packed, zeros, size);
	free(zeros);
	assert_int_equal(unpack(packed.data, packed.len, 4096, DECOMPRESS_ZSTD, &e), -EFBIG);
	assert_non_null(strstr(e.msg, "times its size"));
	assert_true(counted <= LIMIT_RATIO_MIN_BYTES + (1u << 20));
}

static unsigned char large_room[1 << 20];

static unsigned char *take_large(void *data, size_t *ret_cap)
{
	(void)data;
	*ret_cap = sizeof(large_room);
	return large_room;
}

static void count_large(void *data, size_t len)
{
	*(uint64_t *)data += len;
}

/* Zeros in members of gzip stay below LIMIT_RATIO for ever: the smaller ratio for large layers ends them. */
static void test_gzip_bomb(void **state)
{
	const size_t size = 64u << 20;
	_cleanup_buf_ struct buf packed = BUF_INIT;
	uint64_t out = 0;
	const struct decompress_sink sink = { .room = take_large,
					      .done = count_large,
					      .data = &out };
	struct decompress *d = NULL;
	struct error e = ERROR_INIT;
	void *zeros = calloc(1, size);
	int r = 0;

	(void)state;
	assert_non_null(zeros);
	gzip(&packed, zeros, size);
	free(zeros);
	assert_int_equal(decompress_new(&sink, &d), 0);
	for (size_t i = 0; r == 0 && i < 2 * LIMIT_LARGE_BYTES / size; i++)
		r = decompress_feed(d, (const unsigned char *)packed.data, packed.len, &e);
	decompress_free(d);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(e.msg, "more than 1 GiB and more than 500 times"));
	assert_true(out <= LIMIT_LARGE_BYTES + sizeof(large_room));
}

/* A window larger than the limit is refused before it is allocated. */
static void test_window(void **state)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	char in[100] = "x", out[1000];
	ZSTD_inBuffer i = { .src = in, .size = sizeof(in) };
	ZSTD_outBuffer o = { .dst = out, .size = sizeof(out) };

	(void)state;
	assert_non_null(c);
	assert_false(ZSTD_isError(
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, LIMIT_ZSTD_WINDOW_LOG + 1)));
	assert_false(ZSTD_isError(ZSTD_compressStream2(c, &o, &i, ZSTD_e_flush)));
	assert_false(ZSTD_isError(ZSTD_compressStream2(c, &o, &i, ZSTD_e_end)));
	ZSTD_freeCCtx(c);
	assert_int_equal(unpack(out, o.pos, 4096, DECOMPRESS_ZSTD, NULL), -EINVAL);
}

static void test_receiver_gone(void **state)
{
	(void)state;
	gone = true;
	assert_int_equal(unpack("plain text", 10, 100, DECOMPRESS_PLAIN, NULL), -EPIPE);
	gone = false;
}

static int fini(void **state)
{
	(void)state;
	buf_fini(&got);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_empty_and_short),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_gzip_bomb),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_receiver_gone),
	};

	return cmocka_run_group_tests(tests, NULL, fini);
}
