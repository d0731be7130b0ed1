/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write tar archives.
 *
 * Theory of operation
 *
 * An entry is one ustar header wherever everything fits into it, so that every
 * reader understands it; what does not fit (long names, large ids and sizes, parts
 * of seconds, extended attributes, holes) goes into one pax header in front of
 * it, with the same entry's values cut to fit below. The same tree gives the same
 * bytes: nothing here depends on time or on the order of a hash.
 *
 * Names are bytes. pax asks for UTF-8, so a name in a pax record that is not gets
 * "hdrcharset=BINARY" in front of it, which libarchive obeys and others
 * ignore: all of them then take the bytes as they are. Sparse files are in
 * GNU's format 1.0: the map of the data is the beginning of the data.
 *
 * The attacker controls names, link targets and attributes. Each is written with
 * its length or padded to its field, so none can pretend to be another header.
 *
 * Bytes are gathered in one buffer and handed on when it is full; file data is
 * read straight into it (pack_room()).
 */
#include "storage/pack/write.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define BLOCK	    512
#define BUFFER_SIZE (512u << 10)
#define NAME_FIELD  100
#define PREFIX_MAX  155
#define OCTAL_ID    07777777u	 /* what 7 digits hold */
#define OCTAL_LONG  077777777777 /* 11 digits */

struct pack_writer {
	pack_write_fn write;
	void *data;
	unsigned char *buffer;
	size_t len;
	uint64_t missing; /* data of the entry */
	size_t pad;	  /* zeros behind it */
	struct buf pax;
};

int pack_writer_new(pack_write_fn write, void *data, struct pack_writer **ret)
{
	struct pack_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->buffer = malloc(BUFFER_SIZE);
	if (w->buffer == NULL) {
		free(w);
		return -ENOMEM;
	}
	w->write = write;
	w->data = data;
	*ret = w;
	return 0;
}

void pack_writer_free(struct pack_writer *w)
{
	if (w == NULL)
		return;
	buf_fini(&w->pax);
	free(w->buffer);
	free(w);
}

static int flush(struct pack_writer *w, struct error *e)
{
	int r = w->len > 0 ? w->write(w->data, w->buffer, w->len, e) : 0;

	w->len = 0;
	return r;
}

static int put(struct pack_writer *w, const void *bytes, size_t len, struct error *e)
{
	const char *p = bytes;

	while (len > 0) {
		size_t room = BUFFER_SIZE - w->len, n = len < room ? len : room;

		memcpy(w->buffer + w->len, p, n);
		w->len += n;
		p += n;
		len -= n;
		if (w->len == BUFFER_SIZE) {
			int r = flush(w, e);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int put_pad(struct pack_writer *w, size_t len, struct error *e)
{
	static const char zeros[BLOCK * 2];

	assert(len <= sizeof(zeros));
	return put(w, zeros, len, e);
}

/* ---- data -------------------------------------------------------------------------------- */

/* Behind the last byte of an entry's data: padding is written with what follows. */
static int finish_data(struct pack_writer *w, struct error *e)
{
	size_t pad = w->pad;

	assert(w->missing == 0);
	w->pad = 0;
	return pad > 0 ? put_pad(w, pad, e) : 0;
}

void *pack_room(struct pack_writer *w, size_t *ret_len, struct error *e)
{
	size_t room;

	if (w->len == BUFFER_SIZE && flush(w, e) < 0)
		return NULL;
	room = BUFFER_SIZE - w->len;
	*ret_len = room < w->missing ? room : (size_t)w->missing;
	return w->buffer + w->len;
}

void pack_filled(struct pack_writer *w, size_t len)
{
	assert(len <= w->missing && len <= BUFFER_SIZE - w->len);
	w->len += len;
	w->missing -= len;
}

uint64_t pack_missing(const struct pack_writer *w)
{
	return w->missing;
}

int pack_data(struct pack_writer *w, const void *data, size_t len, struct error *e)
{
	assert(len <= w->missing);
	w->missing -= len;
	return put(w, data, len, e);
}

int pack_zeros(struct pack_writer *w, struct error *e)
{
	while (w->missing > 0) {
		size_t len;
		void *p = pack_room(w, &len, e);

		if (p == NULL)
			return e != NULL && e->code < 0 ? e->code : -EIO;
		memset(p, 0, len);
		pack_filled(w, len);
	}
	return 0;
}

/* ---- pax records --------------------------------------------------------------------------- */

static size_t digits(size_t n)
{
	size_t d = 1;

	while (n >= 10) {
		n /= 10;
		d++;
	}
	return d;
}

/* "LEN KEY=VALUE\n", where LEN counts itself */
static void record(struct pack_writer *w, const char *key, const void *value, size_t value_len)
{
	size_t rest = strlen(key) + value_len + 3; /* blank, "=", newline */
	size_t len = rest + digits(rest);

	if (digits(len) > digits(rest))
		len = rest + digits(len);
	(void)buf_printf(&w->pax, "%zu %s=", len, key); /* the caller sees pax.err */
	(void)buf_append(&w->pax, value, value_len);
	(void)buf_putc(&w->pax, '\n');
}

static void record_text(struct pack_writer *w, const char *key, const char *value)
{
	record(w, key, value, strlen(value));
}

static void record_number(struct pack_writer *w, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value); /* fits */
	record_text(w, key, text);
}

static void record_time(struct pack_writer *w, const struct tar_entry *n)
{
	char text[48];
	int64_t s = n->mtime;
	uint32_t ns = n->mtime_ns;

	/* -1.75 is second -2 and 0.25 behind it */
	if (s < 0 && ns > 0) {
		s++;
		ns = 1000000000u - ns;
		(void)snprintf(text, sizeof(text), "-%lld.%09u", (long long)-s, ns); /* fits */
	} else if (ns > 0) {
		(void)snprintf(text, sizeof(text), "%lld.%09u", (long long)s, ns);
	} else {
		(void)snprintf(text, sizeof(text), "%lld", (long long)s);
	}
	record_text(w, "mtime", text);
}

static bool is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s != '\0') {
		unsigned int n = *s < 0x80 ? 0 :
				 *s < 0xc2 ? 9 :
				 *s < 0xe0 ? 1 :
				 *s < 0xf0 ? 2 :
				 *s < 0xf5 ? 3 :
					     9;
		unsigned char first = *s++;

		if (n == 9)
			return false;
		if ((first == 0xe0 && *s < 0xa0) || (first == 0xed && *s > 0x9f) ||
		    (first == 0xf0 && *s < 0x90) || (first == 0xf4 && *s > 0x8f))
			return false;
		for (; n > 0; n--)
			if ((*s++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* ---- headers ----------------------------------------------------------------------------------- */

struct header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char sum[8];
	char type;
	char link[100];
	char magic[6], version[2];
	char user[32], group[32];
	char major[8], minor[8];
	char prefix[155];
	char rest[12];
};
static_assert(sizeof(struct header) == BLOCK, "a header is a block");

/* The field's size without its last byte, in octal. */
static void octal(char *field, size_t size, uint64_t value)
{
	for (size_t i = size - 1; i-- > 0;) {
		field[i] = (char)('0' + (value & 7));
		value >>= 3;
	}
	field[size - 1] = '\0';
}

static void field_text(char *field, size_t size, const char *text)
{
	size_t len = strlen(text);

	memcpy(field, text, len < size ? len : size);
}

static void checksum(struct header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned int sum = 0;

	memset(h->sum, ' ', sizeof(h->sum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += p[i];
	octal(h->sum, sizeof(h->sum) - 1, sum);
}

static void begin_header(struct header *h, char type, uint64_t size)
{
	memset(h, 0, sizeof(*h));
	h->type = type;
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	octal(h->size, sizeof(h->size), size <= OCTAL_LONG ? size : 0);
	octal(h->major, sizeof(h->major), 0);
	octal(h->minor, sizeof(h->minor), 0);
}

/* Name, or name and prefix. False when neither has room. */
static bool set_path(struct header *h, const char *path)
{
	size_t len = strlen(path);
	const char *slash;

	if (len <= NAME_FIELD) {
		field_text(h->name, sizeof(h->name), path);
		return true;
	}
	/* the first slash that leaves little enough behind it; not the last character of a directory */
	slash = strchr(path + len - NAME_FIELD - 1, '/');
	if (slash == NULL || slash == path || slash[1] == '\0' ||
	    (size_t)(slash - path) > PREFIX_MAX) {
		field_text(h->name, sizeof(h->name), path);
		return false;
	}
	memcpy(h->prefix, path, (size_t)(slash - path));
	field_text(h->name, sizeof(h->name), slash + 1);
	return true;
}

static char type_of(enum tar_type type)
{
	static const char letters[] = {
		[TAR_FILE] = '0',  [TAR_HARDLINK] = '1', [TAR_SYMLINK] = '2', [TAR_CHAR] = '3',
		[TAR_BLOCK] = '4', [TAR_DIR] = '5',	 [TAR_FIFO] = '6',    [TAR_OTHER] = '0',
	};

	static_assert(sizeof(letters) == TAR_TYPE_COUNT, "one letter each");
	return letters[type];
}

/* Fill the header and the pax records that it needs. */
static void describe(struct pack_writer *w, const struct tar_entry *n, struct header *h)
{
	bool in_name = n->sparse ? false : set_path(h, n->path);
	bool in_link = strlen(n->link) <= NAME_FIELD;

	if (n->sparse)
		field_text(h->name, sizeof(h->name), "GNUSparseFile.0/file");
	if ((!in_name && !is_utf8(n->path)) || (!in_link && !is_utf8(n->link)))
		record_text(w, "hdrcharset", "BINARY");
	if (!in_name)
		record_text(w, n->sparse ? "GNU.sparse.name" : "path", n->path);
	field_text(h->link, sizeof(h->link), n->link);
	if (!in_link)
		record_text(w, "linkpath", n->link);
	octal(h->mode, sizeof(h->mode), n->mode & 07777);
	octal(h->uid, sizeof(h->uid), n->uid <= OCTAL_ID ? n->uid : 0);
	octal(h->gid, sizeof(h->gid), n->gid <= OCTAL_ID ? n->gid : 0);
	if (n->uid > OCTAL_ID)
		record_number(w, "uid", n->uid);
	if (n->gid > OCTAL_ID)
		record_number(w, "gid", n->gid);
	if (n->mtime >= 0 && (uint64_t)n->mtime <= OCTAL_LONG)
		octal(h->mtime, sizeof(h->mtime), (uint64_t)n->mtime);
	else
		octal(h->mtime, sizeof(h->mtime), 0);
	if (n->mtime_ns != 0 || n->mtime < 0 || (uint64_t)n->mtime > OCTAL_LONG)
		record_time(w, n);
	octal(h->major, sizeof(h->major), n->dev_major);
	octal(h->minor, sizeof(h->minor), n->dev_minor);
	for (size_t i = 0; i < n->xattrs_n; i++) {
		_cleanup_free_ char *key = str_printf("SCHILY.xattr.%s", n->xattrs[i].name);

		if (key == NULL || strchr(key, '=') != NULL)
			continue; /* cannot be written down; no program makes such names */
		record(w, key, n->xattrs[i].value, n->xattrs[i].len);
	}
}

/* The pax header in front of an entry. */
static int put_pax(struct pack_writer *w, struct error *e)
{
	struct header h;
	size_t over = w->pax.len % BLOCK;
	int r;

	begin_header(&h, 'x', w->pax.len);
	field_text(h.name, sizeof(h.name), "PaxHeaders/entry");
	octal(h.mode, sizeof(h.mode), 0644);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.mtime, sizeof(h.mtime), 0);
	checksum(&h);
	r = put(w, &h, sizeof(h), e);
	if (r == 0)
		r = put(w, w->pax.data, w->pax.len, e);
	return r == 0 && over > 0 ? put_pad(w, BLOCK - over, e) : r;
}

/* The map of a sparse file as its data begins with it; padded to a block. */
static int sparse_map(const struct tar_extent *x, size_t n, struct buf *b)
{
	(void)buf_printf(b, "%zu\n", n); /* the caller sees b->err */
	for (size_t i = 0; i < n; i++)
		(void)buf_printf(b, "%llu\n%llu\n", (unsigned long long)x[i].offset,
				 (unsigned long long)x[i].len);
	while (b->err == 0 && b->len % BLOCK != 0)
		(void)buf_putc(b, '\0');
	return b->err;
}

int pack_entry(struct pack_writer *w, const struct tar_entry *n, const struct tar_extent *extents,
	       size_t extents_n, struct error *e)
{
	_cleanup_buf_ struct buf map = BUF_INIT;
	uint64_t size = n->type == TAR_FILE ? n->size : 0;
	struct header h;
	int r = finish_data(w, e);

	if (r < 0)
		return r;
	buf_reset(&w->pax);
	if (n->sparse) {
		r = sparse_map(extents, extents_n, &map);
		if (r < 0)
			return error_set(e, r, "writing the archive");
		record_text(w, "GNU.sparse.major", "1");
		record_text(w, "GNU.sparse.minor", "0");
		record_number(w, "GNU.sparse.realsize", n->size);
		size = map.len;
		for (size_t i = 0; i < extents_n; i++)
			size += extents[i].len;
	}
	begin_header(&h, type_of(n->type), size);
	describe(w, n, &h);
	if (size > OCTAL_LONG)
		record_number(w, "size", size);
	if (w->pax.err != 0) {
		r = w->pax.err;
		buf_fini(&w->pax);
		return error_set(e, r, "writing the archive");
	}
	checksum(&h);
	if (w->pax.len > 0)
		r = put_pax(w, e);
	if (r == 0)
		r = put(w, &h, sizeof(h), e);
	if (r == 0 && map.len > 0)
		r = put(w, map.data, map.len, e);
	w->missing = size - map.len;
	w->pad = (BLOCK - (size_t)(size % BLOCK)) % BLOCK;
	return r;
}

int pack_end(struct pack_writer *w, struct error *e)
{
	int r = finish_data(w, e);

	if (r == 0)
		r = put_pad(w, BLOCK * 2, e);
	return r == 0 ? flush(w, e) : r;
}
