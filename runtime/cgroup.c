/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's control groups: make, enter, freeze, kill, remove.
 *
 * Theory of operation: version 1 has one directory in each mounted hierarchy
 * (taken from mountinfo), version 2 a single one. linux.cgroupsPath is below
 * the hierarchy's mount when absolute, below our own group when relative, and
 * the container's id when missing; ".." is refused. The child enters by
 * writing "0" to files that we opened, before its cgroup namespace is made, so
 * that this shows the group as its root.
 *
 * An unprivileged user may have no group to work in: then the container stays
 * in its creator's groups, silently, unless a limit was demanded. What was
 * made is recorded in the state; removal walks it bottom up, kills what is
 * left, and is repeated by the next `delete` when it was interrupted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/sys.h"

#define REMOVE_TRIES 100 /* of 10 ms: dying processes leave a group a little later */
#define MAX_DEPTH    32

#define EXISTED	     1

/*
 * Make DIR and its missing parents below mount. cpuset groups start empty: fill them from above.
 * 0, EXISTED or -errno.
 */
static int make_dirs(const char *mount, const char *path, bool cpuset)
{
	_cleanup_free_ char *text = str_printf("%s%s%s", mount, path[0] == '/' ? "" : "/", path);
	_cleanup_free_ char *parent = NULL;
	size_t base = strlen(mount);

	if (text == NULL)
		return -ENOMEM;
	for (char *s = text + base + 1;; s++) {
		bool fresh;
		char c = *s;

		if (c != '/' && c != '\0')
			continue;
		*s = '\0';
		fresh = mkdir(text, 0755) == 0;
		if (!fresh && errno != EEXIST)
			return -errno;
		if (cpuset) {
			static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

			free(parent);
			parent = strndup(text, (size_t)(strrchr(text, '/') - text));
			for (int i = 0; parent != NULL && i < 2; i++) {
				_cleanup_free_ char *own = NULL, *above = NULL;

				if ((fresh ||
				     (cgroup_read(text, files[i], &own) == 0 && own[0] == '\n')) &&
				    cgroup_read(parent, files[i], &above) == 0)
					(void)cgroup_write(text, files[i],
							   above); /* entering will tell */
			}
		}
		if (c == '\0')
			return fresh ? 0 : EXISTED;
		*s = c;
	}
}

static bool path_is_clean(const char *path)
{
	for (const char *s = path; *s != '\0';) {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.')
			return false;
		s += n + (s[n] == '/');
	}
	return true;
}

/* Where the container's group is below a mount point, given our own group there. Caller frees. */
static char *group_path(const struct spec *s, const char *id, const char *own)
{
	const char *want = s->cgroups_path;
	const char *a, *b;

	if (want == NULL || want[0] == '\0')
		return str_printf("/%s", id);
	a = strchr(want, ':');
	b = a != NULL ? strchr(a + 1, ':') : NULL;
	if (b != NULL) /* a systemd name: slice:prefix:name */
		return str_printf("/%.*s/%.*s%s%s.scope", (int)(a - want), want, (int)(b - a - 1),
				  a + 1, b - a > 1 ? "-" : "", b + 1);
	if (want[0] == '/')
		return strdup(want);
	return str_printf("%s/%s", strcmp(own, "/") == 0 ? "" : own, want);
}

/* What the new process enters the group by. */
static int open_group(struct prepared *pr, const char *dir, int version, struct error *e)
{
	_cleanup_free_ char *file = version == 1 ? str_printf("%s/cgroup.procs", dir) : strdup(dir);
	struct child_plan *plan = &pr->plan;
	int fd;

	if (file == NULL)
		return error_set(e, -ENOMEM, "cgroup");
	fd = open(file, version == 1 ? O_WRONLY | O_CLOEXEC : O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -errno, "open %s", file);
	fd = prepared_own_fd(pr, fd);
	if (fd < 0 || plan->cgroup_fds_n == sizeof(plan->cgroup_fds) / sizeof(plan->cgroup_fds[0]))
		return error_set(e, -EMFILE, "cgroup");
	if (version == 1)
		plan->cgroup_fds[plan->cgroup_fds_n++] = fd;
	else
		plan->cgroup_dir_fd = fd;
	return 0;
}

/* Somebody left a group behind that would stop the new process for ever. */
static bool is_frozen(const char *dir, const char *controllers)
{
	_cleanup_free_ char *text = NULL;

	if (controllers[0] == '\0')
		return cgroup_read(dir, "cgroup.events", &text) == 0 &&
		       strstr(text, "frozen 1") != NULL;
	return strstr(controllers, "freezer") != NULL &&
	       cgroup_read(dir, "freezer.state", &text) == 0 && strncmp(text, "THAWED", 6) != 0;
}

static int add_hierarchy(struct prepared *pr, const struct spec *s, const char *id,
			 const char *mount, const char *own, const char *controllers, json_t *paths,
			 struct error *e)
{
	_cleanup_free_ char *path = group_path(s, id, own), *dir = NULL, *procs = NULL;
	int r;

	if (path == NULL)
		return error_set(e, -ENOMEM, "cgroup");
	if (!path_is_clean(path))
		return error_setf(e, -EINVAL, "linux.cgroupsPath: \"..\" is not allowed");
	dir = str_printf("%s%s%s", mount, path[0] == '/' ? "" : "/", path);
	if (dir == NULL)
		return error_set(e, -ENOMEM, "cgroup");
	r = make_dirs(mount, path, strstr(controllers, "cpuset") != NULL && mount[0] != '\0');
	if (r < 0)
		return error_set(e, r, "create cgroup %s", dir);
	if (r == EXISTED && is_frozen(dir, controllers))
		return error_setf(e, -EBUSY, "container's cgroup unexpectedly frozen: %s", dir);
	/* engines give pods a group of their own above the containers' */
	if (r == EXISTED && json_object_size(paths) == 0 &&
	    cgroup_read(dir, "cgroup.procs", &procs) == 0 && procs[0] != '\0')
		log_warning("container's cgroup is not empty: %s has processes already", dir);
	if (json_object_set_new(paths, controllers, json_string(dir)) < 0)
		return error_set(e, -ENOMEM, "cgroup");
	return open_group(pr, dir, controllers[0] == '\0' ? 2 : 1, e);
}

/* Version 2: hand the controllers of each level down. Failure shows when a limit is written. */
static void enable_controllers(const char *mount, const char *path)
{
	static const char *const names[] = { "+cpu",  "+cpuset",  "+io",   "+memory",
					     "+pids", "+hugetlb", "+rdma", "+misc" };
	_cleanup_free_ char *text = str_printf("%s%s", mount, path);

	if (text == NULL)
		return;
	for (char *s = text + strlen(mount); s != NULL; s = strchr(s + 1, '/')) {
		char c = *s;

		*s = '\0';
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			(void)cgroup_write(text, "cgroup.subtree_control",
					   names[i]); /* see above */
		*s = c;
		if (c == '\0')
			break;
	}
}

/* The version 2 group of a process, from its file in procfs. */
static int group2_of(int proc_fd, const char *file, char **ret)
{
	_cleanup_free_ char *text = NULL;
	char *line, *end;
	int r = procfs_read(proc_fd, file, 1 << 20, &text);

	if (r < 0)
		return r;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (line == NULL)
		return -ENOENT;
	line = strchr(line, '/');
	if (line == NULL)
		return -ENOENT;
	end = strchr(line, '\n');
	*ret = end != NULL ? strndup(line, (size_t)(end - line)) : strdup(line);
	return *ret == NULL ? -ENOMEM : 0;
}

static int create_groups(struct prepared *pr, const struct spec *s, const char *id,
			 const struct prepare_host *h, json_t *paths, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	_cleanup_free_ char *own = NULL, *path = NULL;
	int r;

	if (h->cgroup2) {
		r = group2_of(plan->proc_fd, "self/cgroup", &own);
		if (r < 0)
			return error_set(e, r, "read /proc/self/cgroup");
		path = group_path(s, id, own);
		r = add_hierarchy(pr, s, id, "/sys/fs/cgroup", own, "", paths, e);
		if (r == 0 && path != NULL && path[0] == '/' && s->resources != NULL)
			enable_controllers("/sys/fs/cgroup", path);
		return r;
	}
	r = prepare_cgroup1(pr, e);
	for (size_t i = 0; r == 0 && i < plan->cgroup1_n; i++) {
		_cleanup_free_ char *group = group_path(s, id, plan->cgroup1[i].path);

		r = add_hierarchy(pr, s, id, plan->cgroup1[i].host, plan->cgroup1[i].path,
				  plan->cgroup1[i].options, paths, e);
		/* without a cgroup namespace this is what the container sees */
		plan->cgroup1[i].path =
			group == NULL ?
				NULL :
				prepared_printf(pr, "%s%s", group[0] == '/' ? "" : "/", group);
		if (r == 0 && plan->cgroup1[i].path == NULL)
			r = error_set(e, -ENOMEM, "cgroup");
	}
	return r;
}

static int create_scope(struct prepared *pr, const struct spec *s, const char *id,
			const struct prepare_host *h, json_t *record, struct error *e)
{
	if (!h->cgroup2)
		return error_setf(
			e, -ENOTSUP,
			"the systemd cgroup manager needs a host with cgroup version 2 only; use --cgroup-manager cgroupfs");
	return cgroup_systemd_create(pr, s, id, h->euid != 0 || h->in_userns, record, e);
}

static bool is_forbidden(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT || r == -ENOTSUP;
}

int cgroup_create(struct prepared *pr, const struct spec *s, const char *id, const char *manager,
		  bool strict, const struct prepare_host *h, json_t **ret_record, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	bool unprivileged = h->euid != 0 || h->in_userns, limits = cgroup_has_limits(s->resources);
	bool systemd = manager != NULL && strcmp(manager, "systemd") == 0;
	struct error why = ERROR_INIT;
	json_t *record, *paths;
	int r;

	if (manager != NULL && strcmp(manager, "disabled") == 0)
		return 0;
	/* nothing to gain: the user's own groups of version 1 are never delegated */
	if (unprivileged && !limits && (!h->cgroup2 || (s->cgroups_path == NULL && !systemd)))
		return 0;
	paths = json_object();
	record = json_pack("{s:i,s:o}", "version", h->cgroup2 ? 2 : 1, "paths", paths);
	if (record == NULL)
		return error_set(e, -ENOMEM, "cgroup");
	r = systemd ? create_scope(pr, s, id, h, record, &why) :
		      create_groups(pr, s, id, h, paths, &why);
	if (r == 0 && s->resources != NULL)
		r = cgroup_update(record, s->resources, &why);
	if (r == 0 && h->cgroup2 && !unprivileged && !plan->in_userns)
		r = cgroup_devices2(cgroup_path(record, ""),
				    json_object_get(s->resources, "devices"), &why);
	if (r < 0) {
		cgroup_remove(record);
		json_decref(record);
		plan->cgroup_fds_n = 0;
		plan->cgroup_dir_fd = plan->scope_fd = -1;
		/* read-only for everybody: root inside of another container, whose groups hold us, too */
		if (r == -EROFS && !limits && !systemd) {
			log_debug("no cgroup of its own: %s", why.msg);
			return 0;
		}
		if (unprivileged && !systemd && !strict && is_forbidden(r)) {
			if (limits)
				log_warning("resource limits are not applied: %s", why.msg);
			return 0;
		}
		if (e != NULL)
			*e = why;
		return r;
	}
	if (plan->clone_flags & CLONE_NEWCGROUP) {
		plan->clone_flags &= ~(uint64_t)CLONE_NEWCGROUP;
		plan->unshare_flags |= CLONE_NEWCGROUP;
	}
	*ret_record = record;
	return 0;
}

/*
 * A group that hands controllers down has no processes of its own: a container whose first process
 * did that moved it into a sub-group before, and that is where newcomers belong. Caller frees.
 */
static char *inner_group(const struct prepared *pr, const char *dir, pid_t first)
{
	_cleanup_free_ char *down = NULL, *group = NULL, *inner = NULL;
	size_t len = strlen(dir);
	char file[32];

	if (cgroup_read(dir, "cgroup.subtree_control", &down) < 0 || down[0] == '\0' ||
	    down[0] == '\n')
		return NULL;
	(void)snprintf(file, sizeof(file), "%d/cgroup", (int)first);
	if (group2_of(pr->plan.proc_fd, file, &group) < 0 || !path_is_clean(group))
		return NULL;
	inner = str_printf("/sys/fs/cgroup%s", group);
	return inner != NULL && strncmp(inner, dir, len) == 0 && inner[len] == '/' ?
		       steal_ptr(&inner) :
		       NULL;
}

int cgroup_enter(struct prepared *pr, const json_t *record, const char *sub, pid_t first,
		 struct error *e)
{
	const json_t *paths = json_object_get(record, "paths");
	const char *key;
	json_t *v;
	int r;

	if (sub != NULL && !path_is_clean(sub))
		return error_setf(e, -EINVAL, "--cgroup: %.64s is not a sub cgroup path", sub);
	/* a user may not move processes out of his session's group himself */
	if (json_is_true(json_object_get(record, "user")))
		return cgroup_systemd_enter(pr, record, sub, e);
	for (void *it = json_object_iter((json_t *)(uintptr_t)paths); it != NULL;
	     it = json_object_iter_next((json_t *)(uintptr_t)paths, it)) {
		_cleanup_free_ char *dir = NULL;
		const char *colon = sub != NULL ? strchr(sub, ':') : NULL;

		key = json_object_iter_key(it);
		v = json_object_iter_value(it);
		if (json_string_value(v) == NULL)
			continue;
		/* "memory:/child" changes one hierarchy, "/child" all */
		if (sub == NULL ||
		    (colon != NULL && (strncmp(key, sub, (size_t)(colon - sub)) != 0))) {
			if (key[0] == '\0')
				dir = inner_group(pr, json_string_value(v), first);
			if (dir == NULL)
				dir = strdup(json_string_value(v));
		} else
			dir = str_printf("%s/%s", json_string_value(v),
					 colon != NULL ? colon + 1 : sub);
		r = dir == NULL ? error_set(e, -ENOMEM, "cgroup") :
				  open_group(pr, dir, cgroup_version(record), e);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_attach(const json_t *record, const struct child_plan *plan, pid_t pid, struct error *e)
{
	json_t *paths = json_object_get(record, "paths"), *v;
	const char *key;
	char text[16];

	if (plan->scope_fd >= 0)
		return cgroup_systemd_attach(plan, pid, e);
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	json_object_foreach(paths, key, v) {
		const char *dir = json_string_value(v);
		int r = dir == NULL ? -EINVAL : cgroup_write(dir, "cgroup.procs", text);

		(void)key;
		if (r < 0)
			return error_set(e, r, "write %s/cgroup.procs", dir != NULL ? dir : "");
	}
	return 0;
}

/* Call fn for DIR and all groups below, deepest first. */
static void walk(const char *dir, int depth, void (*fn)(const char *dir, void *data), void *data)
{
	_cleanup_dir_ DIR *d = depth < MAX_DEPTH ? opendir(dir) : NULL;
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		_cleanup_free_ char *sub = NULL;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = str_printf("%s/%s", dir, de->d_name);
		if (sub != NULL)
			walk(sub, depth + 1, fn, data);
	}
	fn(dir, data);
}

struct pid_list {
	pid_t *v;
	size_t n;
	int err;
};

static void collect(const char *dir, void *data)
{
	_cleanup_free_ char *text = NULL;
	struct pid_list *l = data;
	char *s, *end;

	if (cgroup_read(dir, "cgroup.procs", &text) < 0)
		return;
	for (s = text; *s != '\0'; s = *end == '\n' ? end + 1 : end) {
		long pid = strtol(s, &end, 10);
		pid_t *more;

		if (end == s)
			break;
		more = reallocarray(l->v, l->n + 1, sizeof(*l->v));
		if (more == NULL) {
			l->err = -ENOMEM;
			return;
		}
		l->v = more;
		l->v[l->n++] = (pid_t)pid;
	}
}

/* The hierarchy that is asked about processes. */
static const char *main_path(const json_t *record)
{
	const char *dir = cgroup_path(record, "freezer");

	if (dir == NULL)
		dir = cgroup_path(record, "pids");
	if (dir == NULL)
		dir = cgroup_path(record, "memory");
	return dir;
}

int cgroup_pids(const json_t *record, pid_t **ret, size_t *ret_n, struct error *e)
{
	const char *dir = main_path(record);
	struct pid_list l = { .v = NULL };

	if (dir == NULL)
		return error_setf(e, -ENOENT, "the container has no cgroup of its own");
	walk(dir, 0, collect, &l);
	if (l.err < 0) {
		free(l.v);
		return error_set(e, l.err, "cgroup");
	}
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}

int cgroup_kill(const json_t *record, int sig, struct error *e)
{
	_cleanup_free_ pid_t *v = NULL;
	const char *dir = main_path(record);
	size_t n = 0;
	int r;

	if (sig == SIGKILL && dir != NULL && cgroup_version(record) == 2 &&
	    cgroup_write(dir, "cgroup.kill", "1") == 0)
		return 1;
	r = cgroup_pids(record, &v, &n, e);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (v[i] > 0)
			(void)kill(v[i], sig); /* in our container's group this instant */
	return r < 0 ? r : (int)n;
}

int cgroup_freeze(const json_t *record, bool frozen, struct error *e)
{
	const char *dir = cgroup_path(record, "freezer");
	int r;

	if (dir == NULL)
		return error_setf(e, -ENOTSUP, "cannot %s the container: it has no freezer cgroup",
				  frozen ? "pause" : "resume");
	if (cgroup_version(record) == 2) {
		r = cgroup_write(dir, "cgroup.freeze", frozen ? "1" : "0");
		return r < 0 ? error_set(e, r, "write %s/cgroup.freeze", dir) : 0;
	}
	for (int i = 0; i < 500; i++) {
		_cleanup_free_ char *now = NULL;
		const struct timespec ms = { .tv_nsec = 1000000 };

		r = cgroup_write(dir, "freezer.state", frozen ? "FROZEN" : "THAWED");
		if (r < 0)
			return error_set(e, r, "write %s/freezer.state", dir);
		if (cgroup_read(dir, "freezer.state", &now) == 0 &&
		    strncmp(now, frozen ? "FROZEN" : "THAWED", 6) == 0)
			return 0;
		(void)nanosleep(&ms, NULL); /* FREEZING: tasks that cannot stop at once */
	}
	return error_setf(e, -EBUSY, "freezing the container took too long");
}

bool cgroup_is_frozen(const json_t *record)
{
	_cleanup_free_ char *now = NULL;
	const char *dir = record != NULL ? cgroup_path(record, "freezer") : NULL;

	if (dir == NULL)
		return false;
	if (cgroup_version(record) == 2)
		return cgroup_read(dir, "cgroup.freeze", &now) == 0 && now[0] == '1';
	return cgroup_read(dir, "freezer.state", &now) == 0 && strncmp(now, "THAWED", 6) != 0;
}

static void remove_one(const char *dir, void *data)
{
	bool *busy = data;

	if (rmdir(dir) < 0 && errno != ENOENT)
		*busy = true;
}

void cgroup_remove(const json_t *record)
{
	json_t *paths = json_object_get(record, "paths");
	const struct timespec wait = { .tv_nsec = 10000000 };
	bool busy = paths != NULL;
	const char *scope_dir = json_string_value(json_object_get(paths, ""));
	struct error e = ERROR_INIT;

	/* it ends with its last process, mostly before we look */
	if (json_object_get(record, "scope") != NULL && scope_dir != NULL &&
	    access(scope_dir, F_OK) == 0) {
		(void)cgroup_kill(record, SIGKILL, NULL);
		if (cgroup_systemd_stop(record, &e) < 0)
			log_warning("%s", e.msg);
	}
	for (int i = 0; busy && i < REMOVE_TRIES; i++) {
		const char *key;
		json_t *v;

		busy = false;
		json_object_foreach(paths, key, v) {
			const char *dir = json_string_value(v);

			(void)key;
			if (dir == NULL)
				continue;
			/* mostly it is empty and has nothing below */
			if (rmdir(dir) < 0 && errno != ENOENT)
				walk(dir, 0, remove_one, &busy);
		}
		if (!busy)
			break;
		if (i == 1)
			(void)cgroup_kill(record, SIGKILL,
					  NULL); /* what outlived the first process */
		if (i > 0)
			(void)nanosleep(&wait, NULL);
	}
}
