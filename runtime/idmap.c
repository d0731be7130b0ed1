/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id maps of the container's user namespace.
 *
 * Theory of operation: the kernel lets root of the parent namespace write any
 * map, and an ordinary user the single line "X his-own-id 1" after setgroups
 * was denied. Everything else goes through newuidmap and newgidmap, which are
 * looked for in fixed directories only and started side by side, because each
 * costs more than all our own work. The ranges are arithmetic-checked by the
 * spec parser before; the helpers check them against /etc/subuid.
 *
 * A crash of this process makes the child see end of file and end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/idmap.h"
#include "runtime/sys.h"

static int map_text(const struct id_range *r, size_t n, struct buf *b)
{
	for (size_t i = 0; i < n; i++)
		(void)buf_printf(b, "%u %u %u\n", r[i].inside, r[i].outside, r[i].count);
	return b->err;
}

static int write_file(int proc_fd, pid_t pid, const char *file, const char *text, struct error *e)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	r = procfs_write(proc_fd, path, text);
	if (r < 0)
		return error_set(e, r, "write /proc/%s", path);
	return 0;
}

static int write_direct(int proc_fd, pid_t pid, const struct id_map *map, bool deny,
			struct error *e)
{
	_cleanup_buf_ struct buf uid = BUF_INIT, gid = BUF_INIT;
	int r;

	if (map_text(map->uid, map->uid_n, &uid) < 0 || map_text(map->gid, map->gid_n, &gid) < 0)
		return error_set(e, -ENOMEM, "id map");
	r = write_file(proc_fd, pid, "uid_map", buf_str(&uid), e);
	if (r == 0 && deny)
		r = write_file(proc_fd, pid, "setgroups", "deny", e);
	if (r == 0)
		r = write_file(proc_fd, pid, "gid_map", buf_str(&gid), e);
	return r;
}

static int spawn_helper(const char *name, pid_t pid, const struct id_range *r, size_t n, pid_t *ret,
			struct error *e)
{
	_cleanup_strv_ struct strv argv = { .v = NULL };
	_cleanup_free_ char *path = NULL;
	struct proc_spawn s = { .path_fd = -1, .die_with_parent = true };
	struct proc_fd_map fds[] = { { 2, 2 } };
	int k;

	k = proc_find_program(name, &path);
	if (k < 0)
		return error_setf(
			e, k,
			"%s is not installed: install the package uidmap (shadow-utils), or map a single id",
			name);
	k = strv_add(&argv, name);
	if (k == 0)
		k = strv_addf(&argv, "%d", (int)pid);
	for (size_t i = 0; k == 0 && i < n; i++) {
		k = strv_addf(&argv, "%u", r[i].inside);
		if (k == 0)
			k = strv_addf(&argv, "%u", r[i].outside);
		if (k == 0)
			k = strv_addf(&argv, "%u", r[i].count);
	}
	if (k < 0)
		return error_set(e, k, "%s", name);
	s.path = path;
	s.argv = argv.v;
	s.fds = fds;
	s.fds_n = 1;
	return proc_spawn(&s, ret, NULL, e);
}

static int write_by_helpers(pid_t pid, const struct id_map *map, struct error *e)
{
	pid_t helper[2] = { -1, -1 };
	int r, status;

	r = spawn_helper("newuidmap", pid, map->uid, map->uid_n, &helper[0], e);
	if (r >= 0)
		r = spawn_helper("newgidmap", pid, map->gid, map->gid_n, &helper[1], e);
	for (int i = 0; i < 2; i++) {
		if (helper[i] < 0)
			continue;
		status = proc_wait(helper[i]);
		if (status != 0 && r >= 0)
			r = error_setf(e, -EPERM,
				       "%s refused the id map: check /etc/sub%s for this user",
				       i == 0 ? "newuidmap" : "newgidmap", i == 0 ? "uid" : "gid");
	}
	return r < 0 ? r : 0;
}

static bool is_single(const struct id_map *map, uid_t euid, gid_t egid)
{
	return map->uid_n == 1 && map->gid_n == 1 && map->uid[0].count == 1 &&
	       map->gid[0].count == 1 && map->uid[0].outside == euid && map->gid[0].outside == egid;
}

int idmap_write(int proc_fd, pid_t pid, const struct id_map *map, uid_t euid, gid_t egid,
		struct error *e)
{
	static const struct id_range self_range = { .inside = 0, .count = 1 };
	struct id_range uid = self_range, gid = self_range;
	struct id_map own = { .uid = &uid, .uid_n = 1, .gid = &gid, .gid_n = 1 };

	if (map->uid_n == 0 && map->gid_n == 0) {
		/* none given: the caller is root of it */
		uid.outside = euid;
		gid.outside = egid;
		return write_direct(proc_fd, pid, &own, euid != 0, e);
	}
	if (euid == 0)
		return write_direct(proc_fd, pid, map, false, e);
	if (is_single(map, euid, egid))
		return write_direct(proc_fd, pid, map, true, e);
	return write_by_helpers(pid, map, e);
}

/* One number at *s, which then is behind it and behind the character end (0: the end, ';' or '#'). */
static int take_number(const char **s, char end, uint32_t *ret)
{
	size_t n = strspn(*s, "0123456789");
	char digits[16];
	unsigned long long v;

	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, *s, n);
	digits[n] = '\0';
	if (str_to_u64(digits, UINT32_MAX, &v) < 0)
		return -EINVAL;
	*s += n;
	if (end != '\0' && *(*s)++ != end)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

/* Where the container's ids from inside on are for the host; all of them must be in one range. */
static bool to_host(const struct id_range *r, size_t n, struct id_range *of)
{
	uint32_t last;

	if (!id_map_to_outside(r, n, of->outside + (of->count - 1), &last) ||
	    !id_map_to_outside(r, n, of->outside, &of->outside))
		return false;
	return last - of->outside == of->count - 1;
}

/* "A-B-N#A-B-N" up to the end or ';'. */
static int take_ranges(const char **s, const struct id_range *container, size_t container_n,
		       struct id_range **ret, size_t *ret_n)
{
	bool all_relative = **s == '@';

	for (;;) {
		bool relative = all_relative || **s == '@';
		struct id_range range;
		int r;

		*s += **s == '@';
		if (take_number(s, '-', &range.inside) < 0 ||
		    take_number(s, '-', &range.outside) < 0 ||
		    take_number(s, '\0', &range.count) < 0 || range.count == 0 ||
		    (relative && !to_host(container, container_n, &range)))
			return -EINVAL;
		r = id_map_add(ret, ret_n, range);
		if (r < 0)
			return r;
		if (**s != '#')
			return 0;
		(*s)++;
	}
}

int idmap_parse(const char *text, const struct id_map *container, struct id_map *ret)
{
	struct id_map map = { .uid = NULL };
	const char *s = text;
	int r = *s == '\0' ? -EINVAL : 0;

	while (r == 0 && *s != '\0') {
		bool uids = strncmp(s, "uids=", 5) == 0;

		if ((!uids && strncmp(s, "gids=", 5) != 0) || (uids ? map.uid_n : map.gid_n) > 0) {
			r = -EINVAL;
			break;
		}
		s += 5;
		r = uids ? take_ranges(&s, container->uid, container->uid_n, &map.uid, &map.uid_n) :
			   take_ranges(&s, container->gid, container->gid_n, &map.gid, &map.gid_n);
		if (r == 0 && *s != '\0' && *s++ != ';')
			r = -EINVAL;
	}
	if (r < 0)
		id_map_fini(&map);
	else
		*ret = map;
	return r;
}

int idmap_namespace(int proc_fd, const struct id_map *map, struct error *e)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char path[64];
	pid_t pid = sys_clone3(&args);
	int fd, r;

	if (pid < 0)
		return error_set(e, -errno, "clone a user namespace for an id-mapped mount");
	if (pid == 0)
		for (;;)
			(void)pause(); /* killed below */
	r = write_direct(proc_fd, pid, map, false, e);
	(void)snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
	/* a magic link by its nature: below the verified procfs */
	fd = r < 0 ? r : openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (r == 0 && fd < 0)
		fd = error_set(e, -errno, "open /proc/%s", path);
	(void)kill(pid, SIGKILL); /* ours, not yet reaped */
	(void)waitpid(pid, NULL, 0);
	return fd;
}
