/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages: questions read, answers written (RFC 1035, 6891).
 *
 * Theory of operation
 *
 * Pure functions from bytes to bytes. The questions come from containers and
 * are hostile: every length is checked against what is left before anything is
 * read; names in questions are taken only as plain labels (a compressed name
 * has nothing to point to there), so that no loop is possible; a name with
 * bytes that no host name has is not turned into text at all, as a dot or NUL
 * inside a label would make two different names look the same. Such questions
 * are "odd": they can be handed on but never match a name of ours.
 *
 * Answers are written into a buffer of the caller's. A record that does not
 * fit is left out and the answer marked as truncated: the peer asks again by
 * TCP. The record of the extension (OPT) is answered where it was sent, with
 * no option in it, and its space is kept free from the beginning.
 */
#include "net/dns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#define FLAG_ANSWER    0x8000u
#define FLAG_OPCODE    0x7800u
#define FLAG_AUTHORITY 0x0400u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION 0x0100u
#define FLAG_AVAILABLE 0x0080u
#define FLAG_DISABLED  0x0010u /* checking disabled: handed back as it came */
#define CLASS_IN       1u
#define LABEL_MAX      63u
#define OPT_LEN	       11u     /* root, type, class, ttl, length */
#define POINTER	       0xc00cu /* to the name in the question */
#define OUR_SIZE       1232u

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* ---- questions ---- */

static bool is_host_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The name at *at as text; *at moves behind it. 0 or -EBADMSG. */
static int parse_name(const uint8_t *msg, size_t len, size_t *at, struct dns_question *q)
{
	size_t i = *at, out = 0, wire = 0;

	for (;;) {
		size_t n;

		if (i >= len)
			return -EBADMSG;
		n = msg[i++];
		wire += n + 1;
		if (n > LABEL_MAX || n > len - i || wire > DNS_NAME_MAX)
			return -EBADMSG;
		if (n == 0)
			break;
		if (out != 0)
			q->name[out++] = '.';
		for (size_t k = 0; k < n; k++) {
			uint8_t c = msg[i + k];

			if (c >= 'A' && c <= 'Z')
				c = (uint8_t)(c + ('a' - 'A'));
			q->odd = q->odd || !is_host_byte(c);
			q->name[out++] = (char)c;
		}
		i += n;
	}
	q->name[q->odd ? 0 : out] = '\0';
	*at = i;
	return 0;
}

/* The extension's record, if that is what stands at the end; other records are not looked at. */
static void parse_opt(const uint8_t *msg, size_t len, struct dns_question *q)
{
	const uint8_t *p = msg + q->end;
	uint16_t size;

	if (get16(msg + 10) == 0 || len - q->end < OPT_LEN || p[0] != 0 ||
	    get16(p + 1) != DNS_TYPE_OPT)
		return;
	size = get16(p + 3);
	q->edns = true;
	q->udp_size = size < DNS_UDP_PLAIN ? DNS_UDP_PLAIN :
		      size > DNS_UDP_MAX   ? DNS_UDP_MAX :
					     size;
}

int dns_parse(const uint8_t *msg, size_t len, struct dns_question *ret)
{
	struct dns_question q = { .udp_size = DNS_UDP_PLAIN };
	size_t at = DNS_HEADER;
	uint16_t flags;

	if (len < DNS_HEADER || len > DNS_TCP_MAX)
		return -ENOMSG;
	flags = get16(msg + 2);
	if ((flags & FLAG_ANSWER) != 0)
		return -ENOMSG;
	if ((flags & FLAG_OPCODE) != 0)
		return -EOPNOTSUPP;
	if (get16(msg + 4) != 1 || get16(msg + 6) != 0 || get16(msg + 8) != 0 ||
	    parse_name(msg, len, &at, &q) < 0 || len - at < 4)
		return -EBADMSG;
	q.id = get16(msg);
	q.recursion = (flags & FLAG_RECURSION) != 0;
	q.type = get16(msg + at);
	q.class = get16(msg + at + 2);
	q.end = (uint16_t)(at + 4);
	parse_opt(msg, len, &q);
	if (q.class != CLASS_IN)
		q.odd = true; /* nothing of ours is there */
	*ret = q;
	return 0;
}

/* The hexadecimal digit or decimal number before the next dot; *text moves behind the dot. -1 = none. */
static int next_part(const char **text, unsigned int base, int max)
{
	const char *p = *text;
	int value = 0;

	for (; *p != '.' && *p != '\0'; p++) {
		int digit = *p >= '0' && *p <= '9' ? *p - '0' :
			    *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 :
						     99;

		if (digit >= (int)base || p - *text >= 3)
			return -1;
		value = value * (int)base + digit;
	}
	if (p == *text || *p != '.' || value > max)
		return -1;
	*text = p + 1;
	return value;
}

int dns_parse_reverse(const char *name, struct in6_addr *ret)
{
	struct in6_addr a = { .s6_addr = { 0 } };
	const char *p = name;
	int part;

	for (int i = 3; i >= 0 && (part = next_part(&p, 10, 255)) >= 0; i--) {
		a.s6_addr[i] = (uint8_t)part;
		if (i == 0 && strcmp(p, "in-addr.arpa") == 0) {
			*ret = a;
			return AF_INET;
		}
	}
	p = name;
	memset(&a, 0, sizeof(a));
	for (int i = 31; i >= 0 && (part = next_part(&p, 16, 15)) >= 0; i--) {
		a.s6_addr[i / 2] = (uint8_t)(a.s6_addr[i / 2] | part << (i % 2 != 0 ? 0 : 4));
		if (i == 0 && strcmp(p, "ip6.arpa") == 0) {
			*ret = a;
			return AF_INET6;
		}
	}
	return 0;
}

/* ---- answers ---- */

void dns_answer_begin(struct dns_answer *a, uint8_t *buf, size_t cap, const uint8_t *query,
		      const struct dns_question *q, enum dns_code code)
{
	unsigned int flags = (get16(query + 2) & (FLAG_RECURSION | FLAG_DISABLED)) | FLAG_ANSWER |
			     FLAG_AUTHORITY | FLAG_AVAILABLE | (unsigned int)code;

	assert(cap >= DNS_UDP_PLAIN && q->end <= DNS_HEADER + DNS_NAME_MAX + 5);
	memcpy(buf, query, q->end);
	put16(buf + 2, flags);
	memset(buf + 6, 0, 6);
	*a = (struct dns_answer){
		.data = buf,
		.cap = q->edns ? cap - OPT_LEN : cap,
		.len = q->end,
		.edns = q->edns,
	};
}

/* Room for a record with len bytes of data, or NULL. */
static uint8_t *add_record(struct dns_answer *a, enum dns_type type, size_t len, uint32_t ttl)
{
	uint8_t *p = a->data + a->len;

	if (a->cap - a->len < 12 + len || a->records == UINT16_MAX) {
		a->truncated = true;
		return NULL;
	}
	put16(p, POINTER);
	put16(p + 2, type);
	put16(p + 4, CLASS_IN);
	put32(p + 6, ttl);
	put16(p + 10, (unsigned int)len);
	a->len += 12 + len;
	a->records++;
	return p + 12;
}

void dns_answer_address(struct dns_answer *a, int family, const void *addr, uint32_t ttl)
{
	size_t len = family == AF_INET ? 4 : 16;
	uint8_t *p = add_record(a, family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA, len, ttl);

	if (p != NULL)
		memcpy(p, addr, len);
}

void dns_answer_name(struct dns_answer *a, const char *name, uint32_t ttl)
{
	size_t len = strlen(name);
	uint8_t wire[DNS_NAME_MAX + 2];
	size_t label = 0; /* where the length of this one stands */
	uint8_t *p;

	if (len == 0 || len > DNS_NAME_MAX - 2)
		return;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '.') {
			wire[i + 1] = (uint8_t)name[i];
			continue;
		}
		if (i == label || i - label > LABEL_MAX)
			return; /* no such name can be */
		wire[label] = (uint8_t)(i - label);
		label = i + 1;
	}
	wire[len + 1] = 0;
	p = add_record(a, DNS_TYPE_PTR, len + 2, ttl);
	if (p != NULL)
		memcpy(p, wire, len + 2);
}

size_t dns_answer_end(struct dns_answer *a)
{
	uint8_t *p = a->data + a->len;

	put16(a->data + 6, a->records);
	if (a->truncated)
		put16(a->data + 2, get16(a->data + 2) | FLAG_TRUNCATED);
	if (!a->edns)
		return a->len;
	memset(p, 0, OPT_LEN);
	put16(p + 1, DNS_TYPE_OPT);
	put16(p + 3, OUR_SIZE);
	put16(a->data + 10, 1);
	a->len += OPT_LEN;
	return a->len;
}

size_t dns_refuse(uint8_t *buf, const uint8_t *query, enum dns_code code)
{
	unsigned int keep = FLAG_OPCODE | FLAG_RECURSION | FLAG_DISABLED;

	memcpy(buf, query, 2);
	put16(buf + 2,
	      (get16(query + 2) & keep) | FLAG_ANSWER | FLAG_AVAILABLE | (unsigned int)code);
	memset(buf + 4, 0, 8);
	return DNS_HEADER;
}

size_t dns_cut(uint8_t *msg, size_t len, size_t max)
{
	struct dns_question q;
	size_t at = DNS_HEADER;

	if (len <= max || len < DNS_HEADER)
		return len;
	put16(msg + 2, get16(msg + 2) | FLAG_TRUNCATED);
	memset(msg + 6, 0, 6);
	q.odd = false;
	if (get16(msg + 4) == 1 && parse_name(msg, len, &at, &q) == 0 && len - at >= 4 &&
	    at + 4 <= max)
		return at + 4;
	put16(msg + 4, 0);
	return DNS_HEADER;
}
