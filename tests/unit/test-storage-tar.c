/* SPDX-License-Identifier: Apache-2.0 */
/* The tar reader: numbers, names, pax, sparse files, damage; fed in pieces of every size. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "storage/unpack/tar.h"
#include "storage/unpack/tar-priv.h"

/* Bytes handed out in pieces of a chosen size. */
struct pieces {
	const char *data;
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

static void put_header(struct buf *b, const char *name, char type, const char *size,
		       const char *link)
{
	char h[512] = { 0 };
	unsigned int sum = 0;

	(void)snprintf(h, 100, "%s", name);
	memcpy(h + 100, "0000644", 8);
	memcpy(h + 108, "0001750", 8);
	memcpy(h + 116, "0000144", 8);
	memcpy(h + 124, size, 12);
	memcpy(h + 136, "00000000017", 12);
	memset(h + 148, ' ', 8);
	h[156] = type;
	(void)snprintf(h + 157, 100, "%s", link);
	memcpy(h + 257, "ustar", 6);
	memcpy(h + 263, "00", 2);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	(void)snprintf(h + 148, 8, "%06o", sum);
	assert_int_equal(buf_append(b, h, sizeof(h)), 0);
}

static void put_data(struct buf *b, const char *data, size_t len)
{
	static const char zero[512];

	assert_int_equal(buf_append(b, data, len), 0);
	assert_int_equal(buf_append(b, zero, (512 - len % 512) % 512), 0);
}

static void put_file(struct buf *b, const char *name, const char *data)
{
	char size[32];

	(void)snprintf(size, sizeof(size), "%011zo", strlen(data));
	put_header(b, name, '0', size, "");
	put_data(b, data, strlen(data));
}

static void put_meta(struct buf *b, char type, const char *data, size_t len)
{
	char size[32];

	(void)snprintf(size, sizeof(size), "%011zo", len);
	put_header(b, "meta", type, size, "");
	put_data(b, data, len);
}

static void put_end(struct buf *b)
{
	static const char zero[1024];

	assert_int_equal(buf_append(b, zero, sizeof(zero)), 0);
}

/* Read everything and write what was read as text; -errno ends it. */
static int listing(const struct buf *in, size_t piece, struct buf *out, struct error *e)
{
	struct pieces p = { .data = in->data, .len = in->len, .piece = piece };
	const struct tar_entry *n;
	struct tar_reader *t;
	int r;

	assert_int_equal(tar_new(read_piece, NULL, &p, &t), 0);
	while ((r = tar_next(t, &n, e)) > 0) {
		uint64_t at;
		const void *data;
		size_t len;

		(void)buf_printf(out, "%d %s|%s %o %llu:%llu %lld.%u %llu", (int)n->type, n->path,
				 n->link, n->mode, (unsigned long long)n->uid,
				 (unsigned long long)n->gid, (long long)n->mtime, n->mtime_ns,
				 (unsigned long long)n->size);
		for (size_t i = 0; i < n->xattrs_n; i++)
			(void)buf_printf(out, " %s=%zu", n->xattrs[i].name, n->xattrs[i].len);
		(void)buf_puts(out, " [");
		while ((r = tar_data(t, &data, &len, &at, e)) > 0)
			(void)buf_append(out, data, len);
		(void)buf_puts(out, "]\n");
		if (r < 0)
			break;
	}
	tar_free(t);
	return r;
}

static void check(const struct buf *in, const char *want)
{
	static const size_t sizes[] = { 1, 7, 511, 512, 513, 4096, 1 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct error e = ERROR_INIT;

		assert_int_equal(listing(in, sizes[i], &out, &e), 0);
		assert_string_equal(buf_str(&out), want);
	}
}

static void check_bad(const struct buf *in, const char *message)
{
	static const size_t sizes[] = { 1, 512, 1 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct error e = ERROR_INIT;

		assert_true(listing(in, sizes[i], &out, &e) < 0);
		assert_non_null(strstr(e.msg, message));
	}
}

static void test_plain(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	put_header(&b, "d/", '5', "00000000000", "");
	put_file(&b, "d/file", "hello");
	put_header(&b, "d/link", '2', "00000000000", "file");
	put_header(&b, "v7dir/", '0', "00000000000", "");
	put_file(&b, "empty", "");
	put_end(&b);
	assert_int_equal(buf_puts(&b, "what follows the end is not looked at"), 0);
	check(&b, "5 d/| 644 1000:100 15.0 0 []\n"
		  "0 d/file| 644 1000:100 15.0 5 [hello]\n"
		  "2 d/link|file 644 1000:100 15.0 0 []\n"
		  "5 v7dir/| 644 1000:100 15.0 0 []\n"
		  "0 empty| 644 1000:100 15.0 0 []\n");
}

static void test_pax(void **state)
{
	static const char records[] = "18 path=long/name\n"
				      "15 uid=3000000\n"
				      "31 gid=99999999999999999999999\n"
				      "22 mtime=-1.250000000\n"
				      "29 SCHILY.xattr.user.a=x\0y=z\n"
				      "19 comment=ignored\n";
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	put_meta(&b, 'g', "20 path=not/applied\n", 20);
	put_meta(&b, 'x', records, sizeof(records) - 1);
	put_file(&b, "short", "x");
	put_file(&b, "next", "y"); /* the records were for one entry only */
	put_end(&b);
	check(&b, "0 long/name| 644 3000000:18446744073709551615 -2.750000000 1 user.a=5 [x]\n"
		  "0 next| 644 1000:100 15.0 1 [y]\n");
}

static void test_gnu_long(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char name[301];

	(void)state;
	memset(name, 'n', 300);
	name[300] = '\0';
	put_meta(&b, 'L', name, sizeof(name));
	put_meta(&b, 'K', "target", 7);
	put_header(&b, "x", '2', "00000000000", "y");
	put_end(&b);
	{
		_cleanup_buf_ struct buf want = BUF_INIT;

		(void)buf_printf(&want, "2 %s|target 644 1000:100 15.0 0 []\n", name);
		check(&b, buf_str(&want));
	}
}

static void test_sparse(void **state)
{
	static const char v01[] = "23 GNU.sparse.size=100\n30 GNU.sparse.map=10,3,50,2,99,0\n";
	static const char v00[] =
		"23 GNU.sparse.size=100\n24 GNU.sparse.offset=10\n25 GNU.sparse.numbytes=3\n"
		"24 GNU.sparse.offset=50\n25 GNU.sparse.numbytes=2\n";
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	/* the lengths of the records are part of the text */
	put_meta(&b, 'x', v00, sizeof(v00) - 1);
	put_file(&b, "a", "abcde");
	put_end(&b);
	check(&b, "0 a| 644 1000:100 15.0 100 [abcde]\n");
	buf_reset(&b);
	put_meta(&b, 'x', v01, sizeof(v01) - 1);
	put_file(&b, "a", "abcde");
	put_end(&b);
	check_bad(&b, "pax header is malformed"); /* its second length is wrong by one */
}

static void test_numbers(void **state)
{
	static const struct {
		const char *field;
		int result;
		int64_t value;
	} cases[] = {
		{ "00000000017", 0, 15 },
		{ "      17 \0\0", 0, 15 },
		{ "77777777777\0", 0, 077777777777 },
		{ "\0\0\0\0\0\0\0\0\0\0\0", 0, 0 },
		{ "\x80\0\0\0\0\0\0\0\0\0\x01\x02", 0, 258 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 0, -2 },
		{ "\x80\x01\0\0\0\0\0\0\0\0\0\0", -ERANGE, 0 },
		{ "0000000001x", -EINVAL, 0 },
		{ "-0000000001", -EINVAL, 0 },
		{ "00000000089", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t v = 0;

		assert_int_equal(tar_number(cases[i].field, 12, &v), cases[i].result);
		if (cases[i].result == 0)
			assert_true(v == cases[i].value);
	}
}

static void test_damage(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	put_file(&b, "x", "hello");
	b.data[3] = 'y';
	check_bad(&b, "header checksum");
	buf_reset(&b);
	put_header(&b, "x", '0', "0000000000x", "");
	check_bad(&b, "size field");
	buf_reset(&b);
	put_meta(&b, 'x', "12 path=a\0b\n", 12);
	put_file(&b, "x", "");
	check_bad(&b, "NUL");
	buf_reset(&b);
	put_meta(&b, 'x', "5 =x\n", 5);
	put_file(&b, "x", "");
	check_bad(&b, "malformed");
}

/* Cut at every byte: an error or a shorter listing, never a crash (run under the sanitizers). */
static void test_truncated(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t whole;

	(void)state;
	put_meta(&b, 'x', "18 path=long/name\n", 18);
	put_meta(&b, 'L', "name", 5);
	put_file(&b, "x", "hello");
	whole = b.len;
	for (b.len = 0; b.len < whole; b.len++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct error e = ERROR_INIT;

		(void)listing(&b, 100, &out, &e);
		assert_true(b.len == 0 || e.code < 0 || out.len > 0);
	}
}

/* Any byte of a header changed: the reader must survive it. */
static void test_flipped(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	(void)state;
	put_meta(&b, 'x', "23 GNU.sparse.size=100\n26 GNU.sparse.map=10,3,50,2\n", 49);
	put_file(&b, "x", "hello");
	put_end(&b);
	for (size_t i = 0; i < b.len; i += 3) {
		for (int v = 0; v < 256; v += 51) {
			_cleanup_buf_ struct buf out = BUF_INIT;
			char saved = b.data[i];

			b.data[i] = (char)v;
			(void)listing(&b, 600, &out, NULL);
			b.data[i] = saved;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	  cmocka_unit_test(test_pax),
		cmocka_unit_test(test_gnu_long),  cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_damage),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
