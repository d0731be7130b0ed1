/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pax records and sparse maps of tar archives.
 *
 * Theory of operation
 *
 * A pax header is a list of "LENGTH KEY=VALUE\n" records; LENGTH counts
 * itself. All of it is the attacker's text. A record must end exactly where
 * its length says and with a newline, keys must be non-empty; names must hold
 * no NUL. Values of keys that we do not know are skipped. The text buffer is
 * modified in place (newlines become NUL) so that values can be parsed as
 * strings; extended attributes are copied because they outlive the buffer.
 *
 * A sparse map says which ranges of the file are stored. The four spellings
 * are turned into one array and checked in one place (map_check): ascending,
 * not overlapping, inside the real size, and together exactly as long as the
 * data that is stored. A map is bounded by MAP_MAX extents.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "storage/unpack/tar-priv.h"

#define MAP_MAX	   (1u << 20)
#define XATTRS_MAX 256

static int map_add(struct tar_reader *t, uint64_t offset, uint64_t len, struct error *e)
{
	if (t->map_n == t->map_cap) {
		size_t cap = t->map_cap == 0 ? 16 : t->map_cap * 2;
		struct tar_extent *n;

		if (cap > MAP_MAX)
			return error_setf(e, -EFBIG, "a sparse map has more than %u pieces",
					  MAP_MAX);
		n = reallocarray(t->map, cap, sizeof(*n));
		if (n == NULL)
			return error_set(e, -ENOMEM, "read a sparse map");
		t->map = n;
		t->map_cap = cap;
	}
	t->map[t->map_n++] = (struct tar_extent){ .offset = offset, .len = len };
	return 0;
}

static int xattr_add(struct tar_reader *t, const char *name, const char *value, size_t len,
		     struct error *e)
{
	struct tar_xattr x = { .len = len };

	if (len > LIMIT_TAR_XATTR_BYTES || strlen(name) > 255 || t->xattrs_n >= XATTRS_MAX)
		return error_setf(e, -E2BIG,
				  "an entry has too many or too long extended attributes");
	if (t->xattrs_n == t->xattrs_cap) {
		size_t cap = t->xattrs_cap == 0 ? 8 : t->xattrs_cap * 2;
		struct tar_xattr *n = reallocarray(t->xattrs, cap, sizeof(*n));

		if (n == NULL)
			return error_set(e, -ENOMEM, "read extended attributes");
		t->xattrs = n;
		t->xattrs_cap = cap;
	}
	x.name = strdup(name);
	x.value = malloc(len + 1);
	if (x.name == NULL || x.value == NULL) {
		free(x.name);
		free(x.value);
		return error_set(e, -ENOMEM, "read extended attributes");
	}
	memcpy(x.value, value, len);
	x.value[len] = '\0';
	t->xattrs[t->xattrs_n++] = x;
	return 0;
}

static int decimal(const char *key, const char *value, size_t len, uint64_t max, uint64_t *ret,
		   struct error *e)
{
	unsigned long long v = 0;

	if (strlen(value) != len || str_to_u64(value, max, &v) < 0)
		return error_setf(e, -EINVAL, "the pax record \"%.40s\" is not a valid number",
				  key);
	*ret = v;
	return 0;
}

/* An id that does not fit is kept as "out of range": the caller squashes it. */
static int take_id(const char *value, size_t len, uint64_t *ret, bool *has)
{
	unsigned long long v = 0;

	if (strlen(value) != len || str_to_u64(value, UINT64_MAX, &v) < 0)
		v = UINT64_MAX;
	*ret = v;
	*has = true;
	return 0;
}

/* "[-]seconds[.fraction]" */
static int take_time(struct tar_reader *t, const char *value, size_t len, struct error *e)
{
	bool negative = value[0] == '-';
	const char *p = value + (negative ? 1 : 0);
	int64_t sec = 0;
	uint32_t ns = 0, scale = 100000000;

	if (strlen(value) != len || *p < '0' || *p > '9')
		goto bad;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (sec > INT64_MAX / 16)
			goto bad;
		sec = sec * 10 + (*p - '0');
	}
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			ns += (uint32_t)(*p - '0') * scale;
			scale /= 10;
		}
	if (*p != '\0')
		goto bad;
	if (negative) {
		sec = -sec;
		if (ns > 0) {
			sec--;
			ns = 1000000000 - ns;
		}
	}
	t->pax.has_mtime = true;
	t->pax.mtime = sec;
	t->pax.mtime_ns = ns;
	return 0;
bad:
	return error_setf(e, -EINVAL, "the pax record \"mtime\" is not a valid time");
}

static int take_name(struct buf *ret, const char *value, size_t len, bool *have, struct error *e)
{
	if (strlen(value) != len)
		return error_setf(e, -EINVAL, "a name holds a NUL byte");
	if (len > LIMIT_TAR_NAME)
		return error_setf(e, -ENAMETOOLONG, "a name of %zu bytes is too long (limit %d)",
				  len, LIMIT_TAR_NAME);
	buf_reset(ret);
	if (buf_append(ret, value, len) < 0)
		return error_set(e, -ENOMEM, "read a name");
	*have = len > 0; /* an empty value takes the record back */
	return 0;
}

/* "offset,length,offset,length..." of format 0.1 */
static int take_map_list(struct tar_reader *t, char *value, struct error *e)
{
	char *save = value;
	uint64_t offset = 0;
	bool second = false;

	t->map_n = 0;
	while (save != NULL && *save != '\0') {
		char *next = strchr(save, ',');
		uint64_t v = 0;
		int r;

		if (next != NULL)
			*next++ = '\0';
		r = decimal("GNU.sparse.map", save, strlen(save), INT64_MAX, &v, e);
		if (r == 0 && second)
			r = map_add(t, offset, v, e);
		if (r < 0)
			return r;
		offset = v;
		second = !second;
		save = next;
	}
	return second ? error_setf(e, -EINVAL, "a sparse map has an odd number of fields") : 0;
}

static int take_sparse(struct tar_reader *t, const char *key, char *value, size_t len,
		       bool *have_path, struct error *e)
{
	uint64_t v = 0;
	int r;

	t->pax.sparse = true;
	if (strcmp(key, "name") == 0)
		return take_name(&t->path, value, len, have_path, e);
	if (strcmp(key, "map") == 0)
		return strlen(value) == len ?
			       take_map_list(t, value, e) :
			       error_setf(e, -EINVAL, "a sparse map holds a NUL byte");
	r = decimal("GNU.sparse", value, len, INT64_MAX, &v, e);
	if (r < 0)
		return r;
	if (strcmp(key, "major") == 0) {
		t->pax.sparse_1 = v == 1;
	} else if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
		t->pax.has_real_size = true;
		t->pax.real_size = v;
	} else if (strcmp(key, "offset") == 0) {
		t->pax.has_offset = true;
		t->pax.offset = v;
	} else if (strcmp(key, "numbytes") == 0) {
		if (!t->pax.has_offset)
			return error_setf(e, -EINVAL,
					  "a sparse map has a length without an offset");
		t->pax.has_offset = false;
		return map_add(t, t->pax.offset, v, e);
	}
	return 0; /* numblocks, minor: nothing to learn */
}

static int take_record(struct tar_reader *t, const char *key, char *value, size_t len,
		       bool *have_path, bool *have_link, struct error *e)
{
	if (strcmp(key, "path") == 0)
		return take_name(&t->path, value, len, have_path, e);
	if (strcmp(key, "linkpath") == 0)
		return take_name(&t->link, value, len, have_link, e);
	if (strcmp(key, "size") == 0) {
		t->pax.has_size = true;
		return decimal(key, value, len, INT64_MAX, &t->pax.size, e);
	}
	if (strcmp(key, "uid") == 0)
		return take_id(value, len, &t->pax.uid, &t->pax.has_uid);
	if (strcmp(key, "gid") == 0)
		return take_id(value, len, &t->pax.gid, &t->pax.has_gid);
	if (strcmp(key, "mtime") == 0)
		return take_time(t, value, len, e);
	if (strncmp(key, "SCHILY.xattr.", 13) == 0 && key[13] != '\0')
		return xattr_add(t, key + 13, value, len, e);
	if (strncmp(key, "GNU.sparse.", 11) == 0)
		return take_sparse(t, key + 11, value, len, have_path, e);
	return 0;
}

int tar_pax_parse(struct tar_reader *t, char *text, size_t len, bool *have_path, bool *have_link,
		  struct error *e)
{
	size_t at = 0;

	while (at < len) {
		size_t n = 0, i = at;
		char *eq, *end;
		int r;

		while (i < len && text[i] >= '0' && text[i] <= '9' && n <= len)
			n = n * 10 + (size_t)(text[i++] - '0');
		if (i == at || i >= len || text[i] != ' ' || n > len - at || n < i - at + 4 ||
		    text[at + n - 1] != '\n')
			return error_setf(e, -EINVAL, "a pax header is malformed");
		i++;
		end = text + at + n - 1;
		*end = '\0';
		eq = memchr(text + i, '=', (size_t)(end - (text + i)));
		if (eq == NULL || eq == text + i)
			return error_setf(e, -EINVAL, "a pax header is malformed");
		*eq = '\0';
		r = take_record(t, text + i, eq + 1, (size_t)(end - (eq + 1)), have_path, have_link,
				e);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

static int old_gnu_entries(struct tar_reader *t, const char *p, size_t n, struct error *e)
{
	for (size_t i = 0; i < n; i++, p += 24) {
		int64_t offset, len;
		int r;

		if (p[0] == '\0')
			break;
		if (tar_number(p, 12, &offset) < 0 || tar_number(p + 12, 12, &len) < 0 ||
		    offset < 0 || len < 0)
			return error_setf(e, -EINVAL, "a sparse map is malformed");
		r = map_add(t, (uint64_t)offset, (uint64_t)len, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int old_gnu(struct tar_reader *t, const char *h, struct error *e)
{
	char block[TAR_BLOCK_SIZE];
	bool more = h[482] != '\0';
	int64_t real;
	int r;

	if (tar_number(h + 483, 12, &real) < 0 || real < 0)
		return error_setf(e, -EINVAL, "the size of a sparse file is malformed");
	t->map_n = 0;
	t->pax.real_size = (uint64_t)real;
	t->pax.has_real_size = true;
	r = old_gnu_entries(t, h + 386, 4, e);
	while (r == 0 && more) {
		r = tar_read_block(t, block, e);
		if (r == 0)
			r = old_gnu_entries(t, block, 21, e);
		more = block[504] != '\0';
	}
	return r;
}

/* One decimal line of a 1.0 map. at counts the bytes taken, so that the caller can align. */
static int map_line(struct tar_reader *t, uint64_t *at, uint64_t *ret, struct error *e)
{
	uint64_t v = 0;

	for (int i = 0; i < 21; i++) {
		char c;
		int r = tar_read_stored(t, &c, 1, e);

		if (r < 0)
			return r;
		(*at)++;
		if (c == '\n' && i > 0) {
			*ret = v;
			return 0;
		}
		if (c < '0' || c > '9' || v > INT64_MAX / 10 - 1)
			break;
		v = v * 10 + (uint64_t)(c - '0');
	}
	return error_setf(e, -EINVAL, "a sparse map is malformed");
}

static int map_1_0(struct tar_reader *t, struct error *e)
{
	char pad[TAR_BLOCK_SIZE];
	uint64_t at = 0, n, offset, len;
	int r;

	t->map_n = 0;
	r = map_line(t, &at, &n, e);
	if (r == 0 && n > MAP_MAX)
		return error_setf(e, -EFBIG, "a sparse map has more than %u pieces", MAP_MAX);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		r = map_line(t, &at, &offset, e);
		if (r == 0)
			r = map_line(t, &at, &len, e);
		if (r == 0)
			r = map_add(t, offset, len, e);
	}
	if (r == 0 && at % TAR_BLOCK_SIZE != 0)
		r = tar_read_stored(t, pad, TAR_BLOCK_SIZE - (size_t)(at % TAR_BLOCK_SIZE), e);
	return r;
}

static int map_check(struct tar_reader *t, struct error *e)
{
	uint64_t end = 0, sum = 0;

	if (!t->pax.has_real_size || t->pax.real_size > LIMIT_LAYER_BYTES)
		return error_setf(e, -EFBIG, "a sparse file has no size or is too large");
	for (size_t i = 0; i < t->map_n; i++) {
		const struct tar_extent *x = &t->map[i];

		if (x->offset < end || x->len > t->pax.real_size ||
		    x->offset > t->pax.real_size - x->len)
			return error_setf(e, -EINVAL,
					  "a sparse map is not in order or leaves its file");
		end = x->offset + x->len;
		sum += x->len;
	}
	if (sum != t->left)
		return error_setf(e, -EINVAL, "a sparse map does not fit the stored data");
	t->entry.size = t->pax.real_size;
	t->entry.sparse = true;
	return 0;
}

int tar_sparse_begin(struct tar_reader *t, const char *h, struct error *e)
{
	int r = 0;

	if (t->entry.type != TAR_FILE)
		return 0;
	if (t->entry.raw_type == 'S')
		r = old_gnu(t, h, e);
	else if (!t->pax.sparse)
		return 0;
	else if (t->pax.sparse_1)
		r = map_1_0(t, e);
	return r < 0 ? r : map_check(t, e);
}
