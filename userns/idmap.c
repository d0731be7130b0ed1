/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id maps: computing them and getting them written.
 *
 * Theory of operation
 *
 * The keeper's namespace shows the caller as 0 and the subordinate ids, in the
 * order in which they were granted, as 1, 2, 3 ... A container with keep-id or
 * nomap gets a namespace below the keeper's; its "outside" ids are therefore
 * those small numbers and not the host's.
 *
 *	keeper		0 (caller)   1 .. N (subordinate)
 *	keep-id U	0..U-1 -> 1..U,  U -> 0,  U+1..N -> U+1..N
 *	nomap		0..N-1 -> 1..N
 *
 * Only a set-id helper may write a map with more than the caller's own id.
 * newuidmap and newgidmap are independent of each other, so both are started
 * before either is awaited. What they print is kept for the error message.
 *
 * The map of the single id is written by ourselves. The kernel demands that
 * setgroups(2) is switched off in the namespace first: otherwise a process
 * could drop a group that denies it something (CVE-2014-8989).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "userns/private.h"

#define HELPER_OUTPUT_MAX 4096
#define IDS_END		  UINT32_MAX

/* ---- maps ------------------------------------------------------------------------- */

/* Sum of the subordinate ids, cut where 1 + sum would pass the last id. */
static uint32_t sum_ranges(const struct id_range *arr, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += arr[i].count;
	return sum > IDS_END - 1 ? IDS_END - 1 : (uint32_t)sum;
}

static int add(struct id_range **arr, size_t *n, uint32_t inside, uint32_t outside, uint32_t count)
{
	if (count == 0)
		return 0;
	return id_map_add(
		arr, n, (struct id_range){ .inside = inside, .outside = outside, .count = count });
}

static int default_half(uint32_t own, const struct id_range *sub, size_t sub_n,
			struct id_range **arr, size_t *n)
{
	uint64_t inside = 1;
	int r = add(arr, n, 0, own, 1);

	for (size_t i = 0; r == 0 && i < sub_n && inside < IDS_END; i++) {
		uint32_t count = sub[i].count;

		if (inside + count > IDS_END)
			count = (uint32_t)(IDS_END - inside);
		r = add(arr, n, (uint32_t)inside, sub[i].outside, count);
		inside += count;
	}
	return r;
}

int userns_map_default(const struct userns_caps *c, struct id_map *ret, struct error *e)
{
	struct id_map map = { 0 };
	bool range = c->kind == USERNS_KIND_RANGE;
	int r = 0;

	if (c->kind != USERNS_KIND_NONE) {
		r = default_half((uint32_t)c->uid, c->subuid, range ? c->subuid_n : 0, &map.uid,
				 &map.uid_n);
		if (r == 0)
			r = default_half((uint32_t)c->gid, c->subgid, range ? c->subgid_n : 0,
					 &map.gid, &map.gid_n);
	}
	if (r < 0) {
		id_map_fini(&map);
		return error_set(e, r, "making the id map");
	}
	*ret = map;
	return 0;
}

static int keep_half(uint32_t id, uint32_t subs, struct id_range **arr, size_t *n)
{
	uint32_t below = id < subs ? id : subs;
	int r = add(arr, n, 0, 1, below);

	if (r == 0)
		r = add(arr, n, id, 0, 1);
	if (r == 0 && subs > id)
		r = add(arr, n, id + 1, id + 1, subs - id);
	return r;
}

int userns_map_keep_id(const struct userns_caps *c, int64_t uid, int64_t gid, struct id_map *ret,
		       struct error *e)
{
	struct id_map map = { 0 };
	bool range = c->kind == USERNS_KIND_RANGE;
	int r;

	if (c->kind == USERNS_KIND_NONE)
		return error_setf(e, -EINVAL, "--userns=keep-id is for users other than root");
	if (uid == -1)
		uid = c->uid;
	if (gid == -1)
		gid = c->gid;
	if (uid < 0 || uid >= IDS_END || gid < 0 || gid >= IDS_END)
		return error_setf(
			e, -EINVAL,
			"--userns=keep-id: uid and gid must lie between 0 and 4294967294");
	r = keep_half((uint32_t)uid, range ? sum_ranges(c->subuid, c->subuid_n) : 0, &map.uid,
		      &map.uid_n);
	if (r == 0)
		r = keep_half((uint32_t)gid, range ? sum_ranges(c->subgid, c->subgid_n) : 0,
			      &map.gid, &map.gid_n);
	if (r < 0) {
		id_map_fini(&map);
		return error_set(e, r, "making the id map for --userns=keep-id");
	}
	*ret = map;
	return 0;
}

int userns_map_nomap(const struct userns_caps *c, struct id_map *ret, struct error *e)
{
	struct id_map map = { 0 };
	int r;

	if (c->kind == USERNS_KIND_NONE)
		return error_setf(e, -EINVAL, "--userns=nomap is for users other than root");
	if (c->kind == USERNS_KIND_SINGLE)
		return error_setf(e, -EINVAL, "--userns=nomap needs subordinate ids: %s",
				  c->reason);
	r = add(&map.uid, &map.uid_n, 0, 1, sum_ranges(c->subuid, c->subuid_n));
	if (r == 0)
		r = add(&map.gid, &map.gid_n, 0, 1, sum_ranges(c->subgid, c->subgid_n));
	if (r < 0) {
		id_map_fini(&map);
		return error_set(e, r, "making the id map for --userns=nomap");
	}
	*ret = map;
	return 0;
}

bool idmap_is_single(const struct userns_caps *c, const struct id_map *map)
{
	return map->uid_n == 1 && map->gid_n == 1 && map->uid[0].count == 1 &&
	       map->gid[0].count == 1 && map->uid[0].outside == (uint32_t)c->uid &&
	       map->gid[0].outside == (uint32_t)c->gid;
}

/* ---- the helpers ---------------------------------------------------------------------- */

/* "newuidmap PID INSIDE OUTSIDE COUNT ..." */
static int helper_argv(struct strv *argv, const char *name, pid_t pid, const struct id_range *arr,
		       size_t n)
{
	int r = strv_add(argv, name);

	if (r == 0)
		r = strv_addf(argv, "%ld", (long)pid);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = strv_addf(argv, "%lu", (unsigned long)arr[i].inside);
		if (r == 0)
			r = strv_addf(argv, "%lu", (unsigned long)arr[i].outside);
		if (r == 0)
			r = strv_addf(argv, "%lu", (unsigned long)arr[i].count);
	}
	return r;
}

/* The ends of one helper's error stream: ours is kept in child, the other is returned. */
static int open_stream(struct userns_child *child, size_t slot)
{
	int p[2];
	int r = fd_pipe(p);

	if (r < 0)
		return r;
	child->helper_err[slot] = p[0];
	return p[1];
}

int idmap_start_helpers(const struct userns_caps *c, const struct id_map *map,
			struct userns_child *child, struct error *e)
{
	_cleanup_strv_ struct strv uid_argv = { .v = NULL };
	_cleanup_strv_ struct strv gid_argv = { .v = NULL };
	_cleanup_fd_ int uid_stream = -1;
	_cleanup_fd_ int gid_stream = -1;
	struct proc_fd_map maps[2] = { { .target = 2 }, { .target = 2 } };
	struct proc_spawn s[2];
	int r;

	if (c->newuidmap == NULL || c->newgidmap == NULL)
		return error_setf(e, -EPERM,
				  "mapping more than one id needs newuidmap and newgidmap: %s",
				  c->reason);
	r = helper_argv(&uid_argv, "newuidmap", child->pid, map->uid, map->uid_n);
	if (r == 0)
		r = helper_argv(&gid_argv, "newgidmap", child->pid, map->gid, map->gid_n);
	if (r == 0)
		r = uid_stream = open_stream(child, 0);
	if (r >= 0)
		r = gid_stream = open_stream(child, 1);
	if (r < 0)
		return error_set(e, r, "starting newuidmap and newgidmap");
	maps[0].fd = uid_stream;
	maps[1].fd = gid_stream;
	s[0] = (struct proc_spawn){
		.path = c->newuidmap, .path_fd = -1, .argv = uid_argv.v, .fds = &maps[0], .fds_n = 1
	};
	s[1] = (struct proc_spawn){
		.path = c->newgidmap, .path_fd = -1, .argv = gid_argv.v, .fds = &maps[1], .fds_n = 1
	};
	return proc_spawn_many(s, 2, child->helper, child->helper_fd, e);
}

/* What the helper said, in one harmless line. */
static char *helper_words(int fd)
{
	_cleanup_buf_ struct buf raw = BUF_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT;
	size_t len;

	(void)fd_read_to_end(fd, &raw,
			     HELPER_OUTPUT_MAX); /* what came before a failure is good enough */
	len = raw.len;
	while (len > 0 && (raw.data[len - 1] == '\n' || raw.data[len - 1] == ' '))
		len--;
	for (size_t i = 0; i < len; i++)
		if (raw.data[i] == '\n')
			raw.data[i] = ' ';
	if (len > 0)
		(void)buf_puts_escaped(&out, raw.data, len); /* buf_steal() reports a failure */
	return buf_steal(&out);
}

int idmap_await_helpers(struct userns_child *child, struct error *e)
{
	static const char *const names[2] = { "newuidmap", "newgidmap" };
	static const char *const files[2] = { "/etc/subuid", "/etc/subgid" };
	int ret = 0;

	/* Both are reaped, even when the first has failed. */
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *words = NULL;
		int status;

		if (child->helper[i] <= 0)
			continue;
		words = helper_words(child->helper_err[i]);
		status = proc_wait(child->helper[i]);
		child->helper[i] = 0;
		close_fd(&child->helper_fd[i]);
		close_fd(&child->helper_err[i]);
		if (status == 0 || ret < 0)
			continue;
		if (words != NULL && words[0] != '\0')
			ret = error_setf(e, -EPERM,
					 "%s failed: %s (check %s and that %s is setuid root)",
					 names[i], words, files[i], names[i]);
		else
			ret = error_setf(
				e, -EPERM,
				"%s failed with status %d (check %s and that it is setuid root)",
				names[i], status < 0 ? -status : proc_status_code(status),
				files[i]);
	}
	return ret;
}

/* ---- our own writing ---------------------------------------------------------------------- */

static int write_one(int proc_fd, pid_t pid, const char *name, const char *value, struct error *e)
{
	_cleanup_free_ char *path = str_printf("%ld/%s", (long)pid, name);
	int r;

	if (path == NULL || value == NULL)
		return error_set(e, -ENOMEM, "writing the id map");
	r = procfs_write(proc_fd, path, value);
	if (r < 0)
		return error_set(e, r, "writing \"%s\" to /proc/%s", value, path);
	return 0;
}

int idmap_write_single(pid_t pid, const struct id_map *map, struct error *e)
{
	_cleanup_fd_ int proc_fd = procfs_open(e);
	_cleanup_free_ char *uid = NULL;
	_cleanup_free_ char *gid = NULL;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	uid = str_printf("%lu %lu 1", (unsigned long)map->uid[0].inside,
			 (unsigned long)map->uid[0].outside);
	gid = str_printf("%lu %lu 1", (unsigned long)map->gid[0].inside,
			 (unsigned long)map->gid[0].outside);
	r = write_one(proc_fd, pid, "setgroups", "deny", e);
	if (r == 0)
		r = write_one(proc_fd, pid, "gid_map", gid, e);
	if (r == 0)
		r = write_one(proc_fd, pid, "uid_map", uid, e);
	if (r == -EPERM || r == -EACCES) {
		const char *hint = diagnose_powerless();

		if (hint[0] != '\0')
			error_hint(e, "%s", hint);
	}
	return r;
}
