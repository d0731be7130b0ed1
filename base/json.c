/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict layer over jansson.
 *
 * Theory of operation
 *
 * Documents come from images, registries, bundles and state files; the first
 * three are hostile. jansson parses by recursion and would also accept what we
 * do not want. So a scan in constant stack runs first: it counts brackets
 * outside of strings against LIMIT_JSON_DEPTH and refuses NUL bytes. Only then
 * jansson sees the text; with duplicates rejected, nothing may follow the
 * document, invalid UTF-8 and \u0000 are errors. Depth is thus bounded for every
 * later walk over the tree too, including json_decref().
 *
 * jansson keeps integers in 64 signed bits, while OCI documents hold unsigned
 * ones: docker writes RLIM_INFINITY as 18446744073709551615. Integers from
 * 2^63 to 2^64-1 are rewritten in a copy as real numbers before parsing when
 * that loses nothing (multiples of 2048, and 2^64-1 itself, which becomes
 * 2^64); json_get_u64() turns them back. All others are refused by jansson.
 *
 * Most documents are plain: printable ASCII without escapes, integers of at
 * most 18 digits. These are read by a small parser of our own, because
 * jansson's takes 140 instructions for each byte, which was a sixth of a
 * container's start with a profile of system calls. It knows nothing else and
 * reports nothing: whatever it does not know, errors above all, is left to the
 * way above. So it may only accept what jansson reads as the same tree (the
 * fuzzer compares them).
 *
 * A tree is a thousand small blocks that live and die together. While a
 * document is parsed jansson gets them from slabs, in ten instructions instead
 * of some hundred; a slab is freed with its last block. Blocks from elsewhere,
 * such as the texts that callers free themselves, are malloc's as ever.
 *
 * Nothing is left behind when we crash. Not for threads.
 */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

#define TWO_63 9223372036854775808.0
#define TWO_64 18446744073709551616.0

struct scan {
	bool big; /* holds an integer beyond INT64_MAX */
	size_t line;
};

/* Length of the number at text[i]; *ret_value is set and true returned when it is an integer >= 2^63. */
static bool big_integer(const char *text, size_t len, size_t i, size_t *ret_len,
			uint64_t *ret_value)
{
	uint64_t value = 0;
	bool fits = true;
	size_t n = 0;

	while (i + n < len && str_is_digit(text[i + n])) {
		uint64_t digit = (uint64_t)(text[i + n] - '0');

		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			fits = false;
		n++;
	}
	*ret_len = n;
	*ret_value = value;
	if (i + n < len && (text[i + n] == '.' || text[i + n] == 'e' || text[i + n] == 'E'))
		return false;
	if (i > 0 && (text[i - 1] == '-' || text[i - 1] == '.' || text[i - 1] == '+'))
		return false;
	return fits && value > INT64_MAX && text[i] != '0';
}

/*
 * One pass over the text in constant stack. With out set, the text is copied
 * there with big integers rewritten.
 */
static int scan_text(const char *text, size_t len, struct scan *s, struct buf *out,
		     const char *what, struct error *e)
{
	size_t depth = 0, copied = 0;
	bool in_string = false;

	s->line = 1;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\0')
			return error_setf(e, -EINVAL, "%s: line %zu: NUL byte", what, s->line);
		if (c == '\n')
			s->line++;
		if (in_string) {
			if (c == '\\' && i + 1 < len && text[i + 1] != '\0')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LIMIT_JSON_DEPTH)
				return error_setf(e, -EINVAL,
						  "%s: line %zu: nested deeper than %d levels",
						  what, s->line, LIMIT_JSON_DEPTH);
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
		} else if (str_is_digit(c)) {
			uint64_t value;
			size_t n;

			if (big_integer(text, len, i, &n, &value) &&
			    (value % 2048 == 0 || value == UINT64_MAX)) {
				s->big = true;
				if (out != NULL) {
					(void)buf_append(out, text + copied,
							 i - copied); /* out->err is checked once */
					(void)buf_printf(out, "%" PRIu64 ".0", value);
					copied = i + n;
				}
			}
			i += n - 1;
		}
	}
	if (out != NULL)
		(void)buf_append(out, text + copied, len - copied); /* as above */
	return 0;
}

/* ---- slabs ------------------------------------------------------------------------------------ */

#define SLAB_FIRST \
	(32 * 1024) /* bytes; each further one is twice as large, so that they stay few */
#define SLAB_ITEM 1024
#ifdef CRT_SANITIZED
#define SLABS false /* a sanitizer has to see each block */
#else
#define SLABS true
#endif

struct slab {
	struct slab *next;
	size_t size, used, live; /* bytes, bytes, blocks */
	max_align_t data[];
};

static struct slab *slabs; /* newest first; only that one is filled */
static bool slabs_open;

static void *slab_alloc(size_t size)
{
	size_t n = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	struct slab *s = slabs;
	void *p;

	if (!slabs_open || size > SLAB_ITEM)
		return malloc(size);
	if (s == NULL || s->size - s->used < n) {
		size_t bytes = s == NULL ? SLAB_FIRST : 2 * s->size;

		s = malloc(sizeof(*s) + bytes);
		if (s == NULL)
			return NULL;
		*s = (struct slab){ .next = slabs, .size = bytes };
		slabs = s;
	}
	p = (char *)s->data + s->used;
	s->used += n;
	s->live++;
	return p;
}

static void slab_free(void *p)
{
	for (struct slab **at = &slabs; *at != NULL; at = &(*at)->next) {
		struct slab *s = *at;

		/* numbers, because p may belong to another object */
		if ((uintptr_t)p - (uintptr_t)s->data >= s->used)
			continue;
		if (--s->live > 0)
			return;
		s->used = 0;
		if (!slabs_open || s != slabs) {
			*at = s->next;
			free(s);
		}
		return;
	}
	free(p);
}

/* Sanitizers want to see each block. */
static void slabs_begin(void)
{
	if (!SLABS)
		return;
	json_set_alloc_funcs(slab_alloc, slab_free);
	slabs_open = true;
}

static void slabs_end(void)
{
	slabs_open = false;
	/* nothing of it was kept */
	if (slabs != NULL && slabs->live == 0) {
		struct slab *s = slabs;

		slabs = s->next;
		free(s);
	}
}

/* ---- the parser of plain documents; NULL and false everywhere: not plain, or no memory ---- */

struct plain {
	const char *at, *end;
	unsigned int depth;
};

static json_t *plain_value(struct plain *p);

static char plain_peek(struct plain *p)
{
	while (p->at < p->end &&
	       (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
	return p->at < p->end ? *p->at : '\0';
}

static bool plain_string(struct plain *p, const char **ret, size_t *ret_len)
{
	const char *s = p->at + 1;

	while (s < p->end && *s >= ' ' && *s <= '~' && *s != '"' && *s != '\\')
		s++;
	if (s == p->end || *s != '"')
		return false;
	*ret = p->at + 1;
	*ret_len = (size_t)(s - *ret);
	p->at = s + 1;
	return true;
}

static json_t *plain_integer(struct plain *p)
{
	bool negative = *p->at == '-';
	const char *first = p->at + negative, *s = first;
	json_int_t value = 0;

	while (s < p->end && str_is_digit(*s) && s - first < 18)
		value = value * 10 + (*s++ - '0');
	/* no number, "-0" and "01", longer ones, and fractions are not for us */
	if (s == first || (*first == '0' && (negative || s - first > 1)) ||
	    (s < p->end && (str_is_digit(*s) || *s == '.' || *s == 'e' || *s == 'E')))
		return NULL;
	p->at = s;
	return json_integer(negative ? -value : value);
}

static bool plain_word(struct plain *p, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
		return false;
	p->at += n;
	return true;
}

static bool plain_members(struct plain *p, json_t *object)
{
	const char *key;
	size_t len, n = 0;

	p->at++;
	if (plain_peek(p) == '}') {
		p->at++;
		return true;
	}
	for (;;) {
		if (plain_peek(p) != '"' || !plain_string(p, &key, &len) || plain_peek(p) != ':')
			return false;
		p->at++;
		if (json_object_setn_new_nocheck(object, key, len, plain_value(p)) < 0)
			return false;
		if (json_object_size(object) != ++n)
			return false; /* the same key again */
		switch (plain_peek(p)) {
		case ',':
			p->at++;
			break;
		case '}':
			p->at++;
			return true;
		default:
			return false;
		}
	}
}

static bool plain_items(struct plain *p, json_t *array)
{
	p->at++;
	if (plain_peek(p) == ']') {
		p->at++;
		return true;
	}
	for (;;) {
		if (json_array_append_new(array, plain_value(p)) < 0)
			return false;
		switch (plain_peek(p)) {
		case ',':
			p->at++;
			break;
		case ']':
			p->at++;
			return true;
		default:
			return false;
		}
	}
}

static json_t *plain_nested(struct plain *p)
{
	bool is_object = *p->at == '{', ok;
	json_t *j = is_object ? json_object() : json_array();

	ok = j != NULL && ++p->depth <= LIMIT_JSON_DEPTH &&
	     (is_object ? plain_members(p, j) : plain_items(p, j));
	p->depth--;
	if (ok)
		return j;
	json_decref(j);
	return NULL;
}

static json_t *plain_value(struct plain *p)
{
	const char *text;
	size_t len;

	switch (plain_peek(p)) {
	case '"':
		return plain_string(p, &text, &len) ? json_stringn_nocheck(text, len) : NULL;
	case '{':
	case '[':
		return plain_nested(p);
	case 't':
		return plain_word(p, "true") ? json_true() : NULL;
	case 'f':
		return plain_word(p, "false") ? json_false() : NULL;
	case 'n':
		return plain_word(p, "null") ? json_null() : NULL;
	default:
		return p->at < p->end ? plain_integer(p) : NULL;
	}
}

static json_t *parse_plain(const char *text, size_t len)
{
	struct plain p = { .at = text, .end = text + len };
	char first = plain_peek(&p);
	json_t *j = first == '{' || first == '[' ? plain_nested(&p) : NULL;

	(void)plain_peek(&p);
	if (j != NULL && p.at == p.end)
		return j;
	json_decref(j);
	return NULL;
}

/* ---- parsing -------------------------------------------------------------------------------- */

/* Random bytes that the kernel gave us at exec: jansson would open /dev/urandom for them. */
static void seed_hashes(void)
{
	const void *random =
		(const void *)getauxval(AT_RANDOM); /* NOLINT: an address by definition */
	size_t seed = 0;

	if (random != NULL)
		memcpy(&seed, random, sizeof(seed)); /* it is not aligned */
	json_object_seed(seed != 0 ? seed : 1);
}

bool json_is_text(const char *s)
{
	json_t *j = json_string(s);

	json_decref(j);
	return j != NULL;
}

static json_t *parse(const char *text, size_t len, const char *what, struct error *e)
{
	_cleanup_buf_ struct buf copy = BUF_INIT;
	struct scan s = { .big = false };
	json_error_t je;
	json_t *j;

	if (len > LIMIT_JSON_BYTES) {
		(void)error_setf(e, -E2BIG, "%s: %zu bytes of JSON, the limit is %u", what, len,
				 LIMIT_JSON_BYTES);
		return NULL;
	}
	if (len == 0) {
		(void)error_setf(e, -EINVAL, "%s: empty, expected a JSON document", what);
		return NULL;
	}
	seed_hashes();
	j = parse_plain(text, len);
	if (j != NULL)
		return j;
	if (scan_text(text, len, &s, NULL, what, e) < 0)
		return NULL;
	if (s.big) {
		if (scan_text(text, len, &s, &copy, what, e) < 0)
			return NULL;
		if (copy.err < 0) {
			(void)error_set(e, copy.err, "%s", what);
			return NULL;
		}
		text = copy.data;
		len = copy.len;
	}
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (j != NULL)
		return j;
	if (json_error_code(&je) == json_error_out_of_memory)
		(void)error_set(e, -ENOMEM, "%s", what);
	else
		(void)error_setf(e, -EINVAL, "%s: line %d, column %d: %s", what, je.line, je.column,
				 je.text);
	return NULL;
}

json_t *json_parse(const char *text, size_t len, const char *what, struct error *e)
{
	json_t *j;

	slabs_begin();
	j = parse(text, len, what, e);
	slabs_end();
	return j;
}

static const char *type_name(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "number";
	case JSON_REAL:
		return "number with a fraction or exponent";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		return "null";
	}
	return "something unknown";
}

static const char *dot(const char *where)
{
	return where[0] == '\0' ? "" : ".";
}

static int wrong_type(const json_t *j, const char *where, const char *key, const char *expected,
		      struct error *e)
{
	return error_setf(e, -EINVAL, "%s%s%s: expected %s, found %s", where, dot(where), key,
			  expected, type_name(j));
}

/* 1 and the member, 0 when it is missing or null, -EINVAL when obj is no object. */
static int member(const json_t *obj, const char *where, const char *key, json_t **ret,
		  struct error *e)
{
	json_t *j;

	if (obj == NULL || json_is_null(obj))
		return 0;
	if (!json_is_object(obj))
		return error_setf(e, -EINVAL, "%s: expected an object, found %s",
				  where[0] == '\0' ? "document" : where, type_name(obj));
	j = json_object_get(obj, key);
	if (j == NULL || json_is_null(j))
		return 0;
	*ret = j;
	return 1;
}

int json_get_string(const json_t *obj, const char *where, const char *key, const char **ret,
		    struct error *e)
{
	json_t *j = NULL;
	int r = member(obj, where, key, &j, e);

	if (r <= 0)
		return r;
	if (!json_is_string(j))
		return wrong_type(j, where, key, "a string", e);
	*ret = json_string_value(j);
	return 1;
}

int json_get_bool(const json_t *obj, const char *where, const char *key, bool *ret, struct error *e)
{
	json_t *j = NULL;
	int r = member(obj, where, key, &j, e);

	if (r <= 0)
		return r;
	if (!json_is_boolean(j))
		return wrong_type(j, where, key, "a boolean", e);
	*ret = json_is_true(j);
	return 1;
}

int json_get_int(const json_t *obj, const char *where, const char *key, int64_t min, int64_t max,
		 int64_t *ret, struct error *e)
{
	json_t *j = NULL;
	int r = member(obj, where, key, &j, e);
	json_int_t value;

	if (r <= 0)
		return r;
	if (!json_is_integer(j))
		return wrong_type(j, where, key, "an integer", e);
	value = json_integer_value(j);
	if (value < min || value > max)
		return error_setf(e, -EINVAL, "%s%s%s: %lld is out of range, expected %lld to %lld",
				  where, dot(where), key, (long long)value, (long long)min,
				  (long long)max);
	*ret = value;
	return 1;
}

int json_get_u32(const json_t *obj, const char *where, const char *key, uint32_t *ret,
		 struct error *e)
{
	int64_t value;
	int r = json_get_int(obj, where, key, 0, UINT32_MAX, &value, e);

	if (r == 1)
		*ret = (uint32_t)value;
	return r;
}

int json_get_u64(const json_t *obj, const char *where, const char *key, uint64_t *ret,
		 struct error *e)
{
	json_t *j = NULL;
	int r = member(obj, where, key, &j, e);

	if (r <= 0)
		return r;
	if (json_is_real(j) && json_real_value(j) >= TWO_63 && json_real_value(j) <= TWO_64) {
		*ret = json_real_value(j) >= TWO_64 ? UINT64_MAX : (uint64_t)json_real_value(j);
		return 1;
	}
	if (!json_is_integer(j))
		return wrong_type(j, where, key, "an integer", e);
	if (json_integer_value(j) < 0)
		return error_setf(e, -EINVAL, "%s%s%s: %lld is out of range, expected 0 or more",
				  where, dot(where), key, (long long)json_integer_value(j));
	*ret = (uint64_t)json_integer_value(j);
	return 1;
}

int json_get_object(const json_t *obj, const char *where, const char *key, json_t **ret,
		    struct error *e)
{
	json_t *j = NULL;
	int r = member(obj, where, key, &j, e);

	if (r <= 0)
		return r;
	if (!json_is_object(j))
		return wrong_type(j, where, key, "an object", e);
	*ret = j;
	return 1;
}

int json_get_array(const json_t *obj, const char *where, const char *key, json_t **ret,
		   struct error *e)
{
	json_t *j = NULL;
	int r = member(obj, where, key, &j, e);

	if (r <= 0)
		return r;
	if (!json_is_array(j))
		return wrong_type(j, where, key, "an array", e);
	*ret = j;
	return 1;
}

char *json_to_text(const json_t *j)
{
	return json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
}

char *json_to_pretty(const json_t *j)
{
	_cleanup_free_ char *text =
		json_dumps(j, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	_cleanup_buf_ struct buf b = BUF_INIT;

	/* DEL is ASCII, so the library leaves it */
	for (const char *p = text; p != NULL && *p != '\0';) {
		size_t plain = strcspn(p, "\177");

		(void)buf_append(&b, p, plain); /* failures are kept in b.err */
		p += plain;
		if (*p != '\0') {
			(void)buf_puts(&b, "\\u007F");
			p++;
		}
	}
	(void)buf_putc(&b, '\n');
	return text == NULL ? NULL : buf_steal(&b);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *json_sorted(const json_t *object)
{
	size_t n = json_object_size(object), i = 0;
	_cleanup_free_ const char **keys = calloc(n + 1, sizeof(*keys));
	json_t *sorted = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
		if (keys != NULL)
			keys[i++] = key;
	if (keys != NULL)
		qsort(keys, n, sizeof(*keys), by_key);
	for (i = 0; keys != NULL && sorted != NULL && i < n; i++)
		if (json_object_set(sorted, keys[i], json_object_get(object, keys[i])) < 0)
			break;
	if (keys == NULL || i < n) {
		json_decref(sorted);
		return NULL;
	}
	return sorted;
}

json_t *json_strings(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < list->n; i++)
		if (json_array_append_new(array, json_string(list->v[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}
