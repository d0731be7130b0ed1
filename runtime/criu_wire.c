/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few messages of criu's protocol.
 *
 * Theory of operation: a message is a sequence of fields, each a key (number
 * and type), then a value: an integer of seven bits per byte, or a length and
 * so many bytes. Requests are appended to a buffer; answers are read field by
 * field, every length is compared with what is left, unknown fields are
 * skipped by their type. The other side is the criu program that we started,
 * but the texts that it sends may come from the images: they are cut to our
 * size and escaped by whoever prints them. Nothing here does I/O.
 */
#include <errno.h>
#include <string.h>

#include "runtime/criu.h"

enum wire_type {
	WIRE_INT = 0,
	WIRE_64 = 1,
	WIRE_BYTES = 2,
	WIRE_32 = 5
};

/* Numbers of the fields of an answer. */
enum answer_field {
	ANSWER_TYPE = 1,
	ANSWER_SUCCESS = 2,
	ANSWER_RESTORE = 4,
	ANSWER_NOTIFY = 5,
	ANSWER_ERRNO = 7,
	ANSWER_MESSAGE = 9,
	ANSWER_VERSION = 10,
};

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		(void)buf_putc(b, (char)(unsigned char)(0x80 | (v & 0x7f)));
	(void)buf_putc(b, (char)v); /* b->err keeps a failure */
}

void criu_put_int(struct buf *b, unsigned int field, int64_t value)
{
	put_varint(b, (uint64_t)field << 3 | WIRE_INT);
	put_varint(b, (uint64_t)value);
}

static void put_bytes(struct buf *b, unsigned int field, const char *data, size_t len)
{
	put_varint(b, (uint64_t)field << 3 | WIRE_BYTES);
	put_varint(b, len);
	if (len > 0)
		(void)buf_append(b, data, len);
}

void criu_put_string(struct buf *b, unsigned int field, const char *value)
{
	put_bytes(b, field, value, strlen(value));
}

void criu_put_message(struct buf *b, unsigned int field, const struct buf *message)
{
	if (message->err < 0 && b->err == 0)
		b->err = message->err;
	put_bytes(b, field, buf_str(message), message->len);
}

struct reader {
	const unsigned char *at;
	const unsigned char *end;
};

struct field {
	unsigned int number;
	unsigned int type;
	uint64_t value;	   /* of integers */
	struct reader sub; /* of bytes */
};

static int take_varint(struct reader *r, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
		unsigned char c = *r->at++;

		v |= (uint64_t)(c & 0x7f) << shift;
		if ((c & 0x80) == 0) {
			*ret = v;
			return 0;
		}
	}
	return -EBADMSG;
}

static int skip(struct reader *r, uint64_t n)
{
	if (n > (uint64_t)(r->end - r->at))
		return -EBADMSG;
	r->at += n;
	return 0;
}

/* 1 with a field, 0 at the end. */
static int take_field(struct reader *r, struct field *ret)
{
	struct field f = { .number = 0 };
	uint64_t key, len;

	if (r->at == r->end)
		return 0;
	if (take_varint(r, &key) < 0 || key >> 3 == 0 || key >> 3 > 1u << 29)
		return -EBADMSG;
	f.number = (unsigned int)(key >> 3);
	f.type = (unsigned int)(key & 7);
	f.sub.at = f.sub.end = r->at;
	switch (f.type) {
	case WIRE_INT:
		if (take_varint(r, &f.value) < 0)
			return -EBADMSG;
		break;
	case WIRE_64:
	case WIRE_32:
		if (skip(r, f.type == WIRE_64 ? 8 : 4) < 0)
			return -EBADMSG;
		break;
	case WIRE_BYTES:
		if (take_varint(r, &len) < 0)
			return -EBADMSG;
		f.sub.at = r->at;
		if (skip(r, len) < 0)
			return -EBADMSG;
		f.sub.end = r->at;
		break;
	default:
		return -EBADMSG;
	}
	*ret = f;
	return 1;
}

static void copy_text(char *to, size_t size, const struct field *f)
{
	size_t n = (size_t)(f->sub.end - f->sub.at);

	if (n >= size)
		n = size - 1;
	memcpy(to, f->sub.at, n);
	to[n] = '\0';
}

static int parse_notify(struct reader r, struct criu_answer *a)
{
	struct field f;
	int more;

	while ((more = take_field(&r, &f)) > 0) {
		if (f.number == 1 && f.type == WIRE_BYTES)
			copy_text(a->script, sizeof(a->script), &f);
		else if (f.number == 2 && f.type == WIRE_INT)
			a->pid = (pid_t)(uint32_t)f.value;
	}
	return more;
}

static int parse_restore(struct reader r, struct criu_answer *a)
{
	struct field f;
	int more;

	while ((more = take_field(&r, &f)) > 0)
		if (f.number == 1 && f.type == WIRE_INT)
			a->pid = (pid_t)(uint32_t)f.value;
	return more;
}

/* major 1, minor 2, sublevel 4 */
static int parse_version(struct reader r, struct criu_answer *a)
{
	static const int weights[] = { 0, 10000, 100, 0, 1 };
	struct field f;
	int more;

	while ((more = take_field(&r, &f)) > 0)
		if (f.number < sizeof(weights) / sizeof(weights[0]) && f.type == WIRE_INT &&
		    f.value < 100)
			a->version += weights[f.number] * (int)f.value;
	return more;
}

int criu_answer_parse(const void *data, size_t len, struct criu_answer *ret)
{
	struct reader r = { .at = data, .end = (const unsigned char *)data + len };
	struct criu_answer a = { .type = -1 };
	struct field f;
	int more = 0;

	while (more >= 0 && (more = take_field(&r, &f)) > 0) {
		if (f.number == ANSWER_TYPE && f.type == WIRE_INT)
			a.type = (int)(f.value & 0xff);
		else if (f.number == ANSWER_SUCCESS && f.type == WIRE_INT)
			a.success = f.value != 0;
		else if (f.number == ANSWER_ERRNO && f.type == WIRE_INT)
			a.error = (int)(f.value & 0xffff);
		else if (f.number == ANSWER_MESSAGE && f.type == WIRE_BYTES)
			copy_text(a.message, sizeof(a.message), &f);
		else if (f.number == ANSWER_RESTORE && f.type == WIRE_BYTES)
			more = parse_restore(f.sub, &a);
		else if (f.number == ANSWER_NOTIFY && f.type == WIRE_BYTES)
			more = parse_notify(f.sub, &a);
		else if (f.number == ANSWER_VERSION && f.type == WIRE_BYTES)
			more = parse_version(f.sub, &a);
	}
	if (more < 0 || a.type < 0)
		return -EBADMSG;
	*ret = a;
	return 0;
}
