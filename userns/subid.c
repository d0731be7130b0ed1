/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which subordinate ids the caller has, and whether they can be used.
 *
 * Theory of operation
 *
 * Root with CAP_SYS_ADMIN and a full set of ids needs no user namespace. Everybody else gets the
 * ranges that /etc/subuid and /etc/subgid grant to the login name or to the
 * decimal uid (subid(5)). Where nsswitch.conf names another source (sss, a
 * site's plug-in) newuidmap asks only that one, so we ask it too, through
 * getsubids(1).
 *
 * The files are written by the administrator, but may be generated for
 * hundred thousand users, hold overlapping lines, or numbers that wrap. Each
 * line stands alone: one that does not parse or runs past 2^32-2 is skipped, as
 * newuidmap skips it. A map must not name an outside id twice, therefore
 * every accepted range is cut against the caller's own id and the ranges before.
 *
 * A range is worth nothing when newuidmap cannot write it. The defects that can
 * be seen from here are found now (missing, not setuid, nosuid mount,
 * no_new_privs), because the single-id map works without a question while a
 * late failure would not. No namespace is created by any of this.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "userns/private.h"

#define IDS_END	   UINT32_MAX /* exclusive end of all ids: 2^32-1 is none */
#define IDS_WANTED 65536      /* a namespace with fewer ids cannot hold the users of an image */

/* ---- ranges ------------------------------------------------------------------- */

static int append_range(struct id_range **arr, size_t *n, uint64_t start, uint64_t end)
{
	struct id_range *bigger;

	/* One line of the map is for the caller's own id. */
	if (*n >= LIMIT_ID_RANGES - 1)
		return 0;
	bigger = reallocarray(*arr, *n + 1, sizeof(**arr));
	if (bigger == NULL)
		return -ENOMEM;
	bigger[*n] =
		(struct id_range){ .outside = (uint32_t)start, .count = (uint32_t)(end - start) };
	*arr = bigger;
	(*n)++;
	return 0;
}

/* Add [start, end) without what own and the first "limit" ranges cover already. */
static int add_cut(struct id_range **arr, size_t *n, uint64_t start, uint64_t end, uint32_t own,
		   size_t limit)
{
	uint64_t cut_start = own;
	uint64_t cut_end = (uint64_t)own + 1;
	size_t i;

	for (i = 0; i <= limit; i++) {
		if (start < cut_end && cut_start < end)
			break;
		if (i < limit) {
			cut_start = (*arr)[i].outside;
			cut_end = cut_start + (*arr)[i].count;
		}
	}
	if (i > limit)
		return start < end ? append_range(arr, n, start, end) : 0;
	if (start < cut_start) {
		int r = add_cut(arr, n, start, cut_start, own, limit);

		if (r < 0)
			return r;
	}
	return cut_end < end ? add_cut(arr, n, cut_end, end, own, limit) : 0;
}

static int add_range(struct id_range **arr, size_t *n, unsigned long long start,
		     unsigned long long count, uint32_t own)
{
	if (count == 0 || start >= IDS_END || count > IDS_END - start)
		return 0; /* newuidmap would refuse it as well */
	return add_cut(arr, n, start, start + count, own, *n);
}

/* ---- parsing -------------------------------------------------------------------- */

/* The next line without its newline; false at the end of the text. */
static bool next_line(const char **text, size_t *left, const char **line, size_t *len)
{
	const char *nl;

	if (*left == 0)
		return false;
	nl = memchr(*text, '\n', *left);
	*line = *text;
	*len = nl != NULL ? (size_t)(nl - *text) : *left;
	*left -= nl != NULL ? *len + 1 : *len;
	*text += nl != NULL ? *len + 1 : *len;
	return true;
}

/* A decimal number of len bytes. */
static bool parse_number(const char *s, size_t len, unsigned long long *ret)
{
	char digits[24];

	if (len == 0 || len >= sizeof(digits) || memchr(s, '\0', len) != NULL)
		return false;
	memcpy(digits, s, len);
	digits[len] = '\0';
	return str_to_u64(digits, ULLONG_MAX, ret) == 0;
}

int subid_parse(const char *text, size_t len, const char *user, uint32_t uid, uint32_t own,
		struct id_range **arr, size_t *n)
{
	char number[16];
	const char *line;
	size_t line_len;

	(void)snprintf(number, sizeof(number), "%lu", (unsigned long)uid); /* fits */
	while (next_line(&text, &len, &line, &line_len)) {
		unsigned long long start, count;
		const char *first, *second;
		size_t name_len;
		int r;

		if (line_len > LIMIT_LINE)
			continue;
		first = memchr(line, ':', line_len);
		if (first == NULL)
			continue;
		name_len = (size_t)(first - line);
		if ((strlen(user) != name_len || memcmp(line, user, name_len) != 0) &&
		    (strlen(number) != name_len || memcmp(line, number, name_len) != 0))
			continue;
		first++;
		second = memchr(first, ':', line_len - name_len - 1);
		if (second == NULL || !parse_number(first, (size_t)(second - first), &start))
			continue;
		second++;
		if (!parse_number(second, (size_t)(line + line_len - second), &count))
			continue;
		r = add_range(arr, n, start, count, own);
		if (r < 0)
			return r;
	}
	return 0;
}

int subid_parse_getsubids(const char *text, size_t len, uint32_t own, struct id_range **arr,
			  size_t *n)
{
	const char *line;
	size_t line_len;

	/* "INDEX: NAME START COUNT": the name may hold anything but the last two words are ours. */
	while (next_line(&text, &len, &line, &line_len)) {
		unsigned long long start, count;
		const char *end = line + line_len;
		const char *last, *word;
		int r;

		if (line_len > LIMIT_LINE)
			continue;
		last = memrchr(line, ' ', line_len);
		if (last == NULL || last == line)
			continue;
		word = memrchr(line, ' ', (size_t)(last - line));
		if (word == NULL || !parse_number(word + 1, (size_t)(last - word - 1), &start) ||
		    !parse_number(last + 1, (size_t)(end - last - 1), &count))
			continue;
		r = add_range(arr, n, start, count, own);
		if (r < 0)
			return r;
	}
	return 0;
}

bool subid_has_foreign_source(const char *text, size_t len)
{
	const char *line;
	size_t line_len;

	while (next_line(&text, &len, &line, &line_len)) {
		size_t i = 0;

		while (i < line_len && (line[i] == ' ' || line[i] == '\t'))
			i++;
		if (line_len - i < 6 || memcmp(line + i, "subid:", 6) != 0)
			continue;
		for (i += 6; i < line_len && (line[i] == ' ' || line[i] == '\t');)
			i++;
		if (i == line_len || line[i] == '#')
			return false;
		return line_len - i < 5 || memcmp(line + i, "files", 5) != 0;
	}
	return false;
}

/* ---- asking the system ------------------------------------------------------------ */

static int read_ranges(const char *path, const struct userns_caps *c, uint32_t own,
		       struct id_range **arr, size_t *n)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	r = subid_read_etc(path, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return 0; /* no file: no ranges */
	return subid_parse(text, len, c->user, (uint32_t)c->uid, own, arr, n);
}

/* getsubids [-g] USER. What goes wrong there leaves us without ranges. */
static int ask_getsubids(const struct userns_caps *c, bool groups, uint32_t own,
			 struct id_range **arr, size_t *n)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char name[] = "getsubids", dash_g[] = "-g";
	char *argv[4] = { name, groups ? dash_g : c->user, groups ? c->user : NULL, NULL };

	if (subid_ask_program(argv, &out) < 0)
		return 0;
	return subid_parse_getsubids(buf_str(&out), out.len, own, arr, n);
}

static int read_all_ranges(struct userns_caps *c)
{
	_cleanup_free_ char *nsswitch = NULL;
	size_t len = 0;
	int r;

	if (subid_read_etc("/etc/nsswitch.conf", &nsswitch, &len) == 0 &&
	    subid_has_foreign_source(nsswitch, len)) {
		r = ask_getsubids(c, false, (uint32_t)c->uid, &c->subuid, &c->subuid_n);
		if (r == 0 && c->subuid_n > 0)
			r = ask_getsubids(c, true, (uint32_t)c->gid, &c->subgid, &c->subgid_n);
		return r;
	}
	r = read_ranges("/etc/subuid", c, (uint32_t)c->uid, &c->subuid, &c->subuid_n);
	if (r == 0 && c->subuid_n > 0)
		r = read_ranges("/etc/subgid", c, (uint32_t)c->gid, &c->subgid, &c->subgid_n);
	return r;
}

const char *subid_helper_defect(const char *path, char *buf, size_t buf_len)
{
	struct statvfs vfs;
	struct stat st;
	bool set_id;

	if (stat(path, &st) < 0) {
		(void)snprintf(buf, buf_len, "%s: %s", path, error_strerror(errno));
		return buf;
	}
	set_id = (st.st_mode & S_ISUID) != 0 && st.st_uid == 0;
	if (!set_id && getxattr(path, "security.capability", NULL, 0) <= 0) {
		(void)snprintf(buf, buf_len, "%s is neither setuid root nor has file capabilities",
			       path);
		return buf;
	}
	if (statvfs(path, &vfs) == 0 && (vfs.f_flag & ST_NOSUID) != 0) {
		(void)snprintf(buf, buf_len, "%s is on a file system mounted nosuid", path);
		return buf;
	}
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
		(void)snprintf(buf, buf_len,
			       "no_new_privs is set, so %s cannot gain its privileges", path);
		return buf;
	}
	return "";
}

static bool has_sys_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return (data[0].effective & (1u << CAP_SYS_ADMIN)) != 0;
}

/* Number of ids in a map file of ours ("INSIDE OUTSIDE COUNT" lines); 0 when it cannot be read. */
static uint64_t mapped_ids(int proc_fd, const char *path)
{
	_cleanup_free_ char *text = NULL;
	const char *p = NULL;
	const char *line;
	size_t left, len;
	uint64_t sum = 0;

	if (proc_fd < 0 || procfs_read(proc_fd, path, LIMIT_LINE, &text) < 0)
		return 0;
	p = text;
	left = strlen(text);
	while (next_line(&p, &left, &line, &len)) {
		const char *word = memrchr(line, ' ', len);
		unsigned long long count;

		if (word != NULL && parse_number(word + 1, (size_t)(line + len - word - 1), &count))
			sum += count;
	}
	return sum;
}

/*
 * Root with all rights needs no namespace of its own, unless it is root of a
 * small one that somebody made around us: there most owners of an image's
 * files do not exist, which is what the single-id map is for.
 */
static bool is_full_root(struct userns_caps *c)
{
	_cleanup_fd_ int proc_fd = -1;
	uint64_t uids, gids;

	if (c->uid != 0 || !has_sys_admin())
		return false;
	proc_fd = procfs_open(NULL);
	if (proc_fd < 0)
		return true; /* whatever follows will say that /proc is missing */
	uids = mapped_ids(proc_fd, "self/uid_map");
	gids = mapped_ids(proc_fd, "self/gid_map");
	if (uids >= IDS_WANTED && gids >= IDS_WANTED)
		return true;
	c->kind = USERNS_KIND_SINGLE;
	(void)snprintf(c->reason, sizeof(c->reason),
		       "root of a user namespace that holds only %llu user and %llu group ids",
		       (unsigned long long)uids, (unsigned long long)gids);
	return false;
}

/* Decide between RANGE and SINGLE; the reason of SINGLE is filled in. */
static int choose_kind(struct userns_caps *c)
{
	static const char *const names[2] = { "newuidmap", "newgidmap" };
	char **paths[2] = { &c->newuidmap, &c->newgidmap };
	int r;

	c->kind = USERNS_KIND_SINGLE;
	r = read_all_ranges(c);
	if (r < 0)
		return r;
	if (c->subuid_n == 0 || c->subgid_n == 0) {
		(void)snprintf(c->reason, sizeof(c->reason),
			       "no subordinate %s ids for %s in /etc/%s",
			       c->subuid_n == 0 ? "user" : "group", c->user,
			       c->subuid_n == 0 ? "subuid" : "subgid");
		return 0;
	}
	for (size_t i = 0; i < 2; i++) {
		char text[sizeof(c->reason)];

		r = proc_find_program(names[i], paths[i]);
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			(void)snprintf(c->reason, sizeof(c->reason),
				       "%s not found (package uidmap)", names[i]);
			return 0;
		}
		(void)snprintf(c->reason, sizeof(c->reason), "%s",
			       subid_helper_defect(*paths[i], text, sizeof(text)));
		if (c->reason[0] != '\0')
			return 0;
	}
	c->kind = USERNS_KIND_RANGE;
	return 0;
}

int userns_probe(struct userns_caps *ret, struct error *e)
{
	struct userns_caps c = { .kind = USERNS_KIND_NONE, .uid = geteuid(), .gid = getegid() };
	int r = 0;

	c.user = account_name(c.uid);
	if (c.user == NULL)
		r = -ENOMEM;
	else if (!is_full_root(&c) && c.kind == USERNS_KIND_NONE)
		r = choose_kind(&c);
	if (r < 0) {
		userns_caps_fini(&c);
		return error_set(e, r, "looking up subordinate ids");
	}
	if (c.kind == USERNS_KIND_SINGLE) {
		free(c.newuidmap);
		free(c.newgidmap);
		c.newuidmap = NULL;
		c.newgidmap = NULL;
	}
	*ret = c;
	return 0;
}

void userns_caps_fini(struct userns_caps *c)
{
	free(c->user);
	free(c->subuid);
	free(c->subgid);
	free(c->newuidmap);
	free(c->newgidmap);
	*c = (struct userns_caps){ .kind = USERNS_KIND_NONE };
}
