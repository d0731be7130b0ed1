/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict streaming reader of tar archives.
 *
 * Theory of operation
 *
 * Layers are tar streams that a stranger wrote. Every byte here is the
 * attacker's: numbers in octal, base 256 or decimal (pax), names with any
 * content, headers that describe the following header (GNU long names, pax
 * records), sparse maps. The general archive libraries translate names by the
 * locale, guess formats and apply metadata by path; none of that is wanted, so
 * this file parses what container tools write and refuses the rest:
 *
 *   - the header checksum must match, sizes are unsigned and at most
 *     LIMIT_LAYER_BYTES, names hold no NUL and at most LIMIT_TAR_NAME bytes;
 *   - at most META_MAX describing headers ("L", "K", "x", "g") in a row, each
 *     at most META_BYTES; global pax headers are read over, as the Go tools
 *     that make images do, so that both see the same tree;
 *   - a pax "size" replaces the header's; sparse maps (old GNU, pax 0.0, 0.1,
 *     1.0) must be ascending, inside the file and sum up to the stored bytes;
 *   - two zero blocks or the end of input at a header border end the archive.
 *     What follows the zero blocks is not looked at (the digest covers it).
 *
 * Bytes come in pieces of the caller's choice. Headers are copied into a block
 * of 512; file data is handed out in place. Nothing is written anywhere, so a
 * failure leaves nothing behind.
 */
#include "storage/unpack/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "storage/unpack/tar-priv.h"

#define META_MAX   16
#define META_BYTES (1u << 20)

int tar_new(tar_read_fn read, tar_skip_fn skip, void *data, struct tar_reader **ret)
{
	struct tar_reader *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->read = read;
	t->skip = skip;
	t->data = data;
	*ret = t;
	return 0;
}

static void entry_reset(struct tar_reader *t)
{
	buf_reset(&t->path);
	buf_reset(&t->link);
	for (size_t i = 0; i < t->xattrs_n; i++) {
		free(t->xattrs[i].name);
		free(t->xattrs[i].value);
	}
	t->xattrs_n = 0;
	t->map_n = 0;
	t->map_at = 0;
	t->map_done = 0;
	memset(&t->entry, 0, sizeof(t->entry));
	memset(&t->pax, 0, sizeof(t->pax));
}

void tar_free(struct tar_reader *t)
{
	if (t == NULL)
		return;
	entry_reset(t);
	buf_fini(&t->path);
	buf_fini(&t->link);
	free(t->xattrs);
	free(t->map);
	free(t);
}

/* Make sure that at least one byte is at hand. 1, 0 at the end of input, -errno. */
static int fill(struct tar_reader *t, struct error *e)
{
	const void *p = NULL;
	ssize_t n;

	if (t->avail > 0)
		return 1;
	n = t->read(t->data, &p, e);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return 0;
	t->at = p;
	t->avail = (size_t)n;
	return 1;
}

static void consume(struct tar_reader *t, size_t n)
{
	t->at += n;
	t->avail -= n;
	t->pos += n;
}

/* Read exactly len bytes. 1, 0 when the input ended before the first, -EINVAL when it ended later. */
static int read_exact(struct tar_reader *t, void *ret, size_t len, struct error *e)
{
	char *out = ret;
	size_t done = 0;

	while (done < len) {
		size_t n;
		int r = fill(t, e);

		if (r < 0)
			return r;
		if (r == 0) {
			if (done == 0)
				return 0;
			return error_setf(e, -EINVAL, "the archive ends in the middle of a header");
		}
		n = len - done < t->avail ? len - done : t->avail;
		memcpy(out + done, t->at, n);
		consume(t, n);
		done += n;
	}
	return 1;
}

static int skip_bytes(struct tar_reader *t, uint64_t len, struct error *e)
{
	while (len > 0) {
		size_t n;
		int r;

		if (t->avail == 0 && t->skip != NULL) {
			uint64_t s = t->skip(t->data, len);

			t->pos += s;
			len -= s;
			if (len == 0)
				break;
		}
		r = fill(t, e);
		if (r < 0)
			return r;
		if (r == 0)
			return error_setf(e, -EINVAL, "the archive ends in the middle of a file");
		n = len < t->avail ? (size_t)len : t->avail;
		consume(t, n);
		len -= n;
	}
	return 0;
}

int tar_number(const char *field, size_t len, int64_t *ret)
{
	const unsigned char *p = (const unsigned char *)field;
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		/* base 256, two's complement, big endian; bit 6 of the first byte is the sign */
		bool negative = p[0] & 0x40;

		v = negative ? ~UINT64_C(0) : 0;
		for (i = 0; i < len; i++) {
			unsigned char c = i == 0 ? (unsigned char)(p[0] & 0x7f) : p[i];

			if (i == 0 && negative)
				c |= 0x80;
			if ((v >> 55) != (negative ? 0x1ff : 0))
				return -ERANGE;
			v = (v << 8) | c;
		}
		*ret = (int64_t)v;
		return 0;
	}
	while (i < len && (p[i] == ' ' || p[i] == '\0'))
		i++;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 60)
			return -ERANGE;
		v = v * 8 + (uint64_t)(p[i] - '0');
	}
	for (; i < len; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return -EINVAL;
	*ret = (int64_t)v;
	return 0;
}

static bool checksum_ok(const char *h)
{
	int64_t want;
	int64_t sum_u = 0, sum_s = 0;

	if (tar_number(h + TAR_OFF_CHKSUM, 8, &want) < 0)
		return false;
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		char c = i >= TAR_OFF_CHKSUM && i < TAR_OFF_CHKSUM + 8 ? ' ' : h[i];

		sum_u += (unsigned char)c;
		sum_s += (signed char)c;
	}
	return want == sum_u || want == sum_s;
}

static bool is_zero_block(const char *h)
{
	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
		if (h[i] != '\0')
			return false;
	return true;
}

/* Read the data of a describing header into b (with its padding consumed). */
static int read_meta(struct tar_reader *t, uint64_t size, struct buf *b, struct error *e)
{
	char *p;
	int r;

	if (size > META_BYTES)
		return error_setf(e, -EINVAL,
				  "an extended header of %llu bytes is too long (limit %u)",
				  (unsigned long long)size, META_BYTES);
	buf_reset(b);
	p = buf_reserve(b, (size_t)size + 1);
	if (p == NULL)
		return error_set(e, -ENOMEM, "read an extended header");
	if (size > 0) {
		r = read_exact(t, p, (size_t)size, e);
		if (r < 0)
			return r;
		if (r == 0)
			return error_setf(e, -EINVAL, "the archive ends in the middle of a header");
	}
	p[size] = '\0';
	b->len = (size_t)size;
	return skip_bytes(t, (TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE, e);
}

/* GNU long name or link: NUL-terminated, the NUL counted. */
static int take_long(struct tar_reader *t, uint64_t size, struct buf *ret, bool *set,
		     struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t len;
	int r;

	r = read_meta(t, size, &b, e);
	if (r < 0)
		return r;
	len = strnlen(buf_str(&b), b.len);
	if (len > LIMIT_TAR_NAME)
		return error_setf(e, -ENAMETOOLONG, "a name of %zu bytes is too long (limit %d)",
				  len, LIMIT_TAR_NAME);
	buf_reset(ret);
	if (buf_append(ret, buf_str(&b), len) < 0)
		return error_set(e, -ENOMEM, "read a long name");
	*set = true;
	return 0;
}

static int field_text(struct buf *b, const char *field, size_t len)
{
	return buf_append(b, field, strnlen(field, len));
}

/* Name and link from the header itself, where nothing longer was given before. */
static int take_names(struct tar_reader *t, const char *h, bool posix, bool have_path,
		      bool have_link, struct error *e)
{
	if (!have_path) {
		buf_reset(&t->path);
		if (posix && h[TAR_OFF_PREFIX] != '\0') {
			(void)field_text(&t->path, h + TAR_OFF_PREFIX,
					 155); /* a failure stays in the buffer */
			(void)buf_putc(&t->path, '/');
		}
		(void)field_text(&t->path, h, 100);
	}
	if (!have_link) {
		buf_reset(&t->link);
		(void)field_text(&t->link, h + TAR_OFF_LINK, 100);
	}
	if (t->path.err < 0 || t->link.err < 0)
		return error_set(e, -ENOMEM, "read a name");
	return 0;
}

static enum tar_type type_of(char c)
{
	switch (c) {
	case '\0':
	case '0':
	case '7':
	case 'S':
		return TAR_FILE;
	case '1':
		return TAR_HARDLINK;
	case '2':
		return TAR_SYMLINK;
	case '3':
		return TAR_CHAR;
	case '4':
		return TAR_BLOCK;
	case '5':
	case 'D':
		return TAR_DIR;
	case '6':
		return TAR_FIFO;
	default:
		return TAR_OTHER;
	}
}

static int number_field(const char *h, size_t off, size_t len, const char *what, int64_t min,
			int64_t *ret, struct error *e)
{
	if (tar_number(h + off, len, ret) < 0 || *ret < min)
		return error_setf(e, -EINVAL, "the %s field of a header is not a valid number",
				  what);
	return 0;
}

/* Fill t->entry from the block and what was said before it. */
static int take_entry(struct tar_reader *t, const char *h, uint64_t size, struct error *e)
{
	struct tar_entry *n = &t->entry;
	int64_t mode, uid, gid, mtime, major = 0, minor = 0;
	bool ustar = memcmp(h + TAR_OFF_MAGIC, "ustar", 5) == 0;

	if (number_field(h, 100, 8, "mode", 0, &mode, e) < 0 ||
	    number_field(h, 108, 8, "uid", INT64_MIN, &uid, e) < 0 ||
	    number_field(h, 116, 8, "gid", INT64_MIN, &gid, e) < 0 ||
	    number_field(h, 136, 12, "mtime", INT64_MIN, &mtime, e) < 0)
		return -EINVAL;
	n->raw_type = h[TAR_OFF_TYPE];
	n->type = type_of(n->raw_type);
	if (ustar && (n->type == TAR_CHAR || n->type == TAR_BLOCK) &&
	    (number_field(h, 329, 8, "major", 0, &major, e) < 0 ||
	     number_field(h, 337, 8, "minor", 0, &minor, e) < 0))
		return -EINVAL;
	n->mode = (uint32_t)mode & 07777;
	n->uid = t->pax.has_uid ? t->pax.uid : uid < 0 ? UINT64_MAX : (uint64_t)uid;
	n->gid = t->pax.has_gid ? t->pax.gid : gid < 0 ? UINT64_MAX : (uint64_t)gid;
	n->mtime = t->pax.has_mtime ? t->pax.mtime : mtime;
	n->mtime_ns = t->pax.has_mtime ? t->pax.mtime_ns : 0;
	n->dev_major = (uint32_t)major;
	n->dev_minor = (uint32_t)minor;
	n->stored = t->pax.has_size ? t->pax.size : size;
	/* only these kinds have data; links may carry a size that means nothing (old tars), unless pax gave it */
	if ((n->type == TAR_HARDLINK && !t->pax.has_size) || n->type == TAR_SYMLINK ||
	    n->type == TAR_CHAR || n->type == TAR_BLOCK || n->type == TAR_DIR ||
	    n->type == TAR_FIFO)
		n->stored = 0;
	if (n->stored > LIMIT_LAYER_BYTES)
		return error_setf(e, -EFBIG, "an entry of %llu bytes is too large",
				  (unsigned long long)n->stored);
	n->size = n->stored;
	if (n->type == TAR_FILE && t->path.len > 0 && buf_str(&t->path)[t->path.len - 1] == '/')
		n->type = TAR_DIR; /* v7 directories; their data, if any, is skipped */
	n->path = buf_str(&t->path);
	n->link = buf_str(&t->link);
	n->xattrs = t->xattrs;
	n->xattrs_n = t->xattrs_n;
	t->left = n->stored;
	t->pad = (TAR_BLOCK_SIZE - n->stored % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE;
	t->file_at = 0;
	return tar_sparse_begin(t, h, e);
}

/* For tar-pax.c: exact reads of the data of the current entry, counted. */
int tar_read_stored(struct tar_reader *t, void *ret, size_t len, struct error *e)
{
	int r;

	if (len > t->left)
		return error_setf(e, -EINVAL, "a sparse map runs past its entry");
	r = read_exact(t, ret, len, e);
	if (r == 0)
		return error_setf(e, -EINVAL, "the archive ends in the middle of a file");
	if (r > 0)
		t->left -= len;
	return r < 0 ? r : 0;
}

/* For tar-pax.c: blocks that belong to the header (old GNU sparse). */
int tar_read_block(struct tar_reader *t, char ret[TAR_BLOCK_SIZE], struct error *e)
{
	int r = read_exact(t, ret, TAR_BLOCK_SIZE, e);

	if (r == 0)
		return error_setf(e, -EINVAL, "the archive ends in the middle of a header");
	return r < 0 ? r : 0;
}

int tar_next(struct tar_reader *t, const struct tar_entry **ret, struct error *e)
{
	char h[TAR_BLOCK_SIZE];
	bool have_path = false, have_link = false;
	int r;

	if (t->ended)
		return 0;
	r = skip_bytes(t, t->left + t->pad, e);
	if (r < 0)
		return r;
	t->left = t->pad = 0;
	entry_reset(t);

	for (unsigned int meta = 0; meta <= META_MAX; meta++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		int64_t size;

		r = read_exact(t, h, sizeof(h), e);
		if (r < 0)
			return r;
		if (r == 0 || is_zero_block(h)) {
			if (meta > 0)
				return error_setf(e, -EINVAL,
						  "the archive ends after an extended header");
			t->ended = true;
			return 0;
		}
		if (!checksum_ok(h))
			return error_setf(
				e, -EINVAL,
				"not a tar archive, or damaged at byte %llu (header checksum)",
				(unsigned long long)(t->pos - TAR_BLOCK_SIZE));
		r = number_field(h, 124, 12, "size", 0, &size, e);
		if (r < 0)
			return r;
		switch (h[TAR_OFF_TYPE]) {
		case 'L':
			r = take_long(t, (uint64_t)size, &t->path, &have_path, e);
			break;
		case 'K':
			r = take_long(t, (uint64_t)size, &t->link, &have_link, e);
			break;
		case 'g':
			r = read_meta(t, (uint64_t)size, &b, e);
			break;
		case 'x':
		case 'X':
			r = read_meta(t, (uint64_t)size, &b, e);
			if (r == 0)
				r = tar_pax_parse(t, b.data, b.len, &have_path, &have_link, e);
			break;
		default:
			r = take_names(t, h, memcmp(h + TAR_OFF_MAGIC, "ustar\0", 6) == 0,
				       have_path, have_link, e);
			if (r == 0)
				r = take_entry(t, h, (uint64_t)size, e);
			if (r < 0)
				return r;
			t->entry.data_offset = t->pos;
			*ret = &t->entry;
			return 1;
		}
		if (r < 0)
			return r;
	}
	return error_setf(e, -EINVAL, "more than %d extended headers in a row", META_MAX);
}

int tar_data(struct tar_reader *t, const void **ret, size_t *ret_len, uint64_t *ret_offset,
	     struct error *e)
{
	uint64_t want = t->left;
	size_t n;
	int r;

	if (t->entry.sparse) {
		while (t->map_at < t->map_n && t->map_done == t->map[t->map_at].len) {
			t->map_at++;
			t->map_done = 0;
		}
		if (t->map_at == t->map_n)
			return 0;
		want = t->map[t->map_at].len - t->map_done;
	}
	if (want == 0)
		return 0;
	r = fill(t, e);
	if (r < 0)
		return r;
	if (r == 0)
		return error_setf(e, -EINVAL, "the archive ends in the middle of a file");
	n = want < t->avail ? (size_t)want : t->avail;
	*ret = t->at;
	*ret_len = n;
	if (t->entry.sparse) {
		*ret_offset = t->map[t->map_at].offset + t->map_done;
		t->map_done += n;
	} else {
		*ret_offset = t->file_at;
		t->file_at += n;
	}
	consume(t, n);
	t->left -= n;
	return 1;
}
