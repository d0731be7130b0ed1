/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming decompression of layers.
 *
 * Theory of operation
 *
 * The kind is taken from the first four bytes, never from the media type that
 * the manifest claims: the type is a string that anybody can write, and
 * registries do hold plain layers labelled gzip. Up to four bytes are kept
 * back until the kind is known.
 *
 * The attacker controls every byte. isa-l and libzstd run in the cage of
 * crt-fetch; here the amounts are bounded: LIMIT_LAYER_BYTES of output,
 * LIMIT_RATIO between output and input once the output is larger than
 * LIMIT_RATIO_MIN_BYTES, the smaller LIMIT_LARGE_RATIO from LIMIT_LARGE_BYTES
 * on (10 GiB of zeros in 10 MiB of gzip), and a zstd window of 2^LIMIT_ZSTD_WINDOW_LOG.
 *
 * gzip files may consist of several members one after the other (RFC 1952);
 * zero bytes after the last are allowed, anything else is an error. zstd
 * frames may follow each other too, skippable ones included. Inflate's
 * look-ahead may have swallowed the first bytes of the next member: they are
 * taken back out of the bit buffer (spill).
 */
#include "storage/unpack/decompress.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/limits.h"

struct decompress {
	struct decompress_sink sink;
	enum decompress_kind kind;
	unsigned char first[4];
	size_t first_n;
	uint64_t in, out;
	struct inflate_state *inflate;
	bool member_open;  /* inside a gzip member */
	bool member_ended; /* at least one is complete */
	ZSTD_DCtx *zstd;
	bool frame_open;
};

int decompress_new(const struct decompress_sink *sink, struct decompress **ret)
{
	struct decompress *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->sink = *sink;
	*ret = d;
	return 0;
}

void decompress_free(struct decompress *d)
{
	if (d == NULL)
		return;
	free(d->inflate);
	(void)ZSTD_freeDCtx(d->zstd); /* always 0 */
	free(d);
}

enum decompress_kind decompress_kind(const struct decompress *d)
{
	return d->kind;
}

static int count_out(struct decompress *d, size_t n, struct error *e)
{
	d->out += n;
	if (d->out > LIMIT_LAYER_BYTES)
		return error_setf(e, -EFBIG, "the layer unpacks to more than %llu bytes",
				  (unsigned long long)LIMIT_LAYER_BYTES);
	if (d->out > LIMIT_RATIO_MIN_BYTES && d->out / LIMIT_RATIO > d->in)
		return error_setf(e, -EFBIG, "the layer unpacks to more than %d times its size",
				  LIMIT_RATIO);
	if (d->out > LIMIT_LARGE_BYTES && d->out / LIMIT_LARGE_RATIO > d->in)
		return error_setf(e, -EFBIG,
				  "the layer unpacks to more than 1 GiB and more than %d times its "
				  "size",
				  LIMIT_LARGE_RATIO);
	d->sink.done(d->sink.data, n);
	return 0;
}

static int feed_plain(struct decompress *d, const unsigned char *p, size_t len, struct error *e)
{
	while (len > 0) {
		size_t cap = 0;
		unsigned char *room = d->sink.room(d->sink.data, &cap);
		size_t n = len < cap ? len : cap;
		int r;

		if (room == NULL)
			return -EPIPE;
		memcpy(room, p, n);
		r = count_out(d, n, e);
		if (r < 0)
			return r;
		p += n;
		len -= n;
	}
	return 0;
}

/* Run inflate over one piece; *ret_used < len only when a member ended. */
static int inflate_piece(struct decompress *d, const unsigned char *p, size_t len, struct error *e)
{
	struct inflate_state *s = d->inflate;

	/* the library does not write through next_in; its type only lacks the const */
	s->next_in = (uint8_t *)(uintptr_t)p;
	s->avail_in = (uint32_t)len;
	do {
		size_t cap = 0;
		unsigned char *room = d->sink.room(d->sink.data, &cap);
		int r;

		if (room == NULL)
			return -EPIPE;
		s->next_out = room;
		s->avail_out = (uint32_t)cap;
		r = isal_inflate(s);
		if (r != ISAL_DECOMP_OK)
			return error_setf(e, -EINVAL, "the gzip data is damaged (%s)",
					  r == ISAL_INCORRECT_CHECKSUM ? "wrong checksum" :
									 "invalid block or header");
		r = count_out(d, cap - s->avail_out, e);
		if (r < 0)
			return r;
	} while (s->block_state != ISAL_BLOCK_FINISH && (s->avail_in > 0 || s->avail_out == 0));
	return 0;
}

static int feed_gzip(struct decompress *d, const unsigned char *p, size_t len, struct error *e)
{
	struct inflate_state *s = d->inflate;

	while (len > 0) {
		unsigned char spill[8];
		size_t spill_n;
		int r;

		if (!d->member_open) {
			if (d->member_ended && *p == 0) { /* padding between or after members */
				p++;
				len--;
				continue;
			}
			isal_inflate_reset(s);
			s->crc_flag = ISAL_GZIP;
			d->member_open = true;
		}
		r = inflate_piece(d, p, len, e);
		if (r < 0)
			return r;
		if (s->block_state != ISAL_BLOCK_FINISH)
			return 0;
		d->member_open = false;
		d->member_ended = true;
		p += len - s->avail_in;
		len = s->avail_in;
		spill_n = s->read_in_length > 0 ? (size_t)s->read_in_length / 8 : 0;
		if (spill_n > 0) {
			uint64_t bits = s->read_in >> (s->read_in_length % 8);

			for (size_t i = 0; i < spill_n && i < sizeof(spill); i++)
				spill[i] = (unsigned char)(bits >> (8 * i));
			s->read_in_length = 0;
			r = feed_gzip(d, spill, spill_n, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int feed_zstd(struct decompress *d, const unsigned char *p, size_t len, struct error *e)
{
	ZSTD_inBuffer in = { .src = p, .size = len };
	bool full = false;

	while (in.pos < in.size || full) {
		ZSTD_outBuffer out = { .pos = 0 };
		size_t cap = 0, r;
		int c;

		out.dst = d->sink.room(d->sink.data, &cap);
		if (out.dst == NULL)
			return -EPIPE;
		out.size = cap;
		r = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(r))
			return error_setf(
				e, -EINVAL,
				"the zstd data is damaged or needs a window above %d MiB (%s)",
				(1 << LIMIT_ZSTD_WINDOW_LOG) >> 20, ZSTD_getErrorName(r));
		d->frame_open = r != 0;
		full = out.pos == out.size && r != 0;
		c = count_out(d, out.pos, e);
		if (c < 0)
			return c;
	}
	return 0;
}

static int feed_kind(struct decompress *d, const unsigned char *p, size_t len, struct error *e)
{
	switch (d->kind) {
	case DECOMPRESS_PLAIN:
		return feed_plain(d, p, len, e);
	case DECOMPRESS_GZIP:
		return feed_gzip(d, p, len, e);
	case DECOMPRESS_ZSTD:
		return feed_zstd(d, p, len, e);
	case DECOMPRESS_UNKNOWN:
	case DECOMPRESS_KIND_COUNT:
		break;
	}
	return error_setf(e, -EINVAL, "no data");
}

enum decompress_kind decompress_kind_of(const void *first, size_t len)
{
	static const unsigned char zstd_magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	const unsigned char *f = first;

	if (len >= 2 && f[0] == 0x1f && f[1] == 0x8b)
		return DECOMPRESS_GZIP;
	/* a frame, or a skippable one before it */
	if (len >= 4 && (memcmp(f, zstd_magic, 4) == 0 ||
			 ((f[0] & 0xf0) == 0x50 && f[1] == 0x2a && f[2] == 0x4d && f[3] == 0x18)))
		return DECOMPRESS_ZSTD;
	return DECOMPRESS_PLAIN;
}

static int choose(struct decompress *d, struct error *e)
{
	static const unsigned char xz_magic[4] = { 0xfd, '7', 'z', 'X' };

	if (d->first_n >= 3 && memcmp(d->first, "BZh", 3) == 0)
		return error_setf(
			e, -EPROTONOSUPPORT,
			"the layer is packed by bzip2: only gzip, zstd and plain tar are read");
	if (d->first_n == 4 && memcmp(d->first, xz_magic, 4) == 0)
		return error_setf(
			e, -EPROTONOSUPPORT,
			"the layer is packed by xz: only gzip, zstd and plain tar are read");
	d->kind = decompress_kind_of(d->first, d->first_n);
	if (d->kind == DECOMPRESS_GZIP) {
		d->inflate = malloc(sizeof(*d->inflate));
		if (d->inflate == NULL)
			return error_set(e, -ENOMEM, "unpack gzip data");
		isal_inflate_init(d->inflate);
	} else if (d->kind == DECOMPRESS_ZSTD) {
		d->zstd = ZSTD_createDCtx();
		if (d->zstd == NULL ||
		    ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax,
							LIMIT_ZSTD_WINDOW_LOG)))
			return error_set(e, -ENOMEM, "unpack zstd data");
	}
	return 0;
}

int decompress_feed(struct decompress *d, const void *data, size_t len, struct error *e)
{
	const unsigned char *p = data;
	int r;

	d->in += len;
	if (d->kind != DECOMPRESS_UNKNOWN)
		return feed_kind(d, p, len, e);
	while (len > 0 && d->first_n < sizeof(d->first)) {
		d->first[d->first_n++] = *p++;
		len--;
	}
	if (d->first_n < sizeof(d->first))
		return 0;
	r = choose(d, e);
	if (r == 0)
		r = feed_kind(d, d->first, d->first_n, e);
	return r < 0 ? r : feed_kind(d, p, len, e);
}

int decompress_end(struct decompress *d, struct error *e)
{
	int r;

	if (d->kind == DECOMPRESS_UNKNOWN) {
		r = choose(d, e);
		if (r == 0 && d->first_n > 0)
			r = feed_kind(d, d->first, d->first_n, e);
		if (r < 0)
			return r;
	}
	if ((d->kind == DECOMPRESS_GZIP && (d->member_open || !d->member_ended)) ||
	    (d->kind == DECOMPRESS_ZSTD && d->frame_open))
		return error_setf(e, -EINVAL, "the packed data ends in the middle");
	return 0;
}
