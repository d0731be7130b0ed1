/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of the root file system, /dev, and the masked and read-only paths.
 *
 * Theory of operation: translation only, as mount.c. The default nodes and
 * links of /dev are those of the specification; nodes of the configuration
 * that repeat a default one replace it. The hierarchies of cgroup version 1
 * are read from our own mountinfo (not from /proc/cgroups: a controller may
 * be known and yet mounted nowhere), and our own groups in them from
 * /proc/self/cgroup.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/procfs.h"
#include "runtime/child.h"
#include "runtime/prepare.h"

static const struct {
	const char *path;
	unsigned int major;
	unsigned int minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 },	 { "/dev/zero", 1, 5 },	   { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct plan_link default_links[] = {
	{ "/proc/self/fd", "/dev/fd" },	      { "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" },
	{ "/proc/kcore", "/dev/core" },	      { "pts/ptmx", "/dev/ptmx" },
};

static void set_device(struct child_plan *plan, const struct plan_device *d)
{
	for (size_t i = 0; i < plan->devices_n; i++) {
		if (strcmp(plan->devices[i].path, d->path) == 0) {
			plan->devices[i] = *d;
			return;
		}
	}
	plan->devices[plan->devices_n++] = *d;
}

int prepare_devices(struct prepared *pr, const struct spec *s, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	const size_t defaults = sizeof(default_devices) / sizeof(default_devices[0]);

	if (!plan->own_dev)
		return 0; /* the configuration binds a /dev: it is complete */
	plan->devices = prepared_alloc(pr, defaults + s->devices_n, sizeof(*plan->devices));
	if (plan->devices == NULL)
		return error_set(e, -ENOMEM, "linux.devices");
	for (size_t i = 0; i < defaults; i++)
		set_device(plan, &(struct plan_device){ .path = default_devices[i].path,
							.mode = S_IFCHR | 0666,
							.dev = makedev(default_devices[i].major,
								       default_devices[i].minor),
							.fd = -1 });
	for (size_t i = 0; i < s->devices_n; i++) {
		const struct spec_device *d = &s->devices[i];

		if (child_path_is(d->path, "dev/ptmx") || child_path_is(d->path, "dev/console"))
			continue; /* these are ours: a link, and the terminal */
		set_device(plan, &(struct plan_device){ .path = d->path,
							.mode = d->type | d->mode,
							.dev = makedev(d->major, d->minor),
							.uid = d->uid,
							.gid = d->gid,
							.fd = -1 });
	}
	plan->links = default_links;
	plan->links_n = sizeof(default_links) / sizeof(default_links[0]);
	return 0;
}

/* The group of this process in the hierarchy with these controllers, as /proc/self/cgroup has it. */
static const char *own_group(struct prepared *pr, const char *self_cgroup, const char *options)
{
	const char *line = self_cgroup;

	while (line != NULL && *line != '\0') {
		const char *end = strchr(line, '\n'), *name = strchr(line, ':'), *path;
		size_t n;

		if (name != NULL && (path = strchr(name + 1, ':')) != NULL &&
		    (end == NULL || path < end)) {
			n = (size_t)(path - name - 1);
			if (n == strlen(options) && strncmp(name + 1, options, n) == 0)
				return prepared_printf(pr, "%.*s",
						       (int)(end != NULL ? end - path - 1 :
									   (long)strlen(path + 1)),
						       path + 1);
		}
		line = end != NULL ? end + 1 : NULL;
	}
	return NULL;
}

/* One line of mountinfo; true when it is a version 1 hierarchy. Cuts the line. */
static bool cgroup1_line(char *line, char **ret_point, char **ret_super)
{
	char *dash = strstr(line, " - "), *rest, *field = NULL;

	if (dash == NULL || strncmp(dash + 3, "cgroup ", 7) != 0)
		return false;
	*dash = '\0';
	rest = dash + 3;
	(void)strsep(&rest, " "); /* the type */
	(void)strsep(&rest, " "); /* the source */
	*ret_super = strsep(&rest, " ");
	rest = line;
	for (int i = 0; rest != NULL && i < 5; i++)
		field = strsep(&rest, " ");
	*ret_point = field;
	return *ret_super != NULL && field != NULL && strchr(field, '\\') == NULL;
}

int prepare_cgroup1(struct prepared *pr, struct error *e)
{
	_cleanup_free_ char *info = NULL, *self = NULL;
	struct child_plan *plan = &pr->plan;
	char *line, *rest, *point = NULL, *super = NULL;
	int r;

	if (plan->cgroup1 != NULL)
		return 0;
	plan->cgroup1 = prepared_alloc(pr, 32, sizeof(*plan->cgroup1));
	if (plan->cgroup1 == NULL)
		return error_set(e, -ENOMEM, "cgroup");
	r = procfs_read(plan->proc_fd, "self/mountinfo", 16 << 20, &info);
	if (r == 0)
		r = procfs_read(plan->proc_fd, "self/cgroup", 1 << 20, &self);
	if (r < 0)
		return error_set(e, r, "read /proc/self/mountinfo");
	rest = info;
	while ((line = strsep(&rest, "\n")) != NULL) {
		struct plan_cgroup1 c = { .name = NULL };
		const char *o;

		if (plan->cgroup1_n == 32 || !cgroup1_line(line, &point, &super))
			continue;
		/* "rw,cpu,cpuacct" or "rw,xattr,name=systemd" */
		o = strstr(super, "name=");
		if (o == NULL) {
			o = strchr(super, ',');
			o = o != NULL ? o + 1 : super;
			if (strncmp(o, "xattr,", 6) == 0)
				o += 6;
		}
		c.options = prepared_printf(pr, "%s", o);
		c.host = prepared_printf(pr, "%s", point);
		if (c.options == NULL || c.host == NULL)
			return error_set(e, -ENOMEM, "cgroup");
		c.name = strrchr(c.host, '/') + 1;
		c.path = own_group(pr, self, c.options);
		if (c.path != NULL)
			plan->cgroup1[plan->cgroup1_n++] = c;
	}
	return 0;
}

/* mountinfo writes blanks and the like as three octal digits behind a backslash. In place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

int prepare_no_pivot(struct prepared *pr, struct error *e)
{
	_cleanup_free_ char *info = NULL;
	struct child_plan *plan = &pr->plan;
	char *line, *rest;
	size_t n = 0;
	int r = procfs_read(plan->proc_fd, "self/mountinfo", 16 << 20, &info);

	if (r < 0)
		return error_set(e, r, "read /proc/self/mountinfo");
	for (const char *s = info; *s != '\0'; s++)
		n += *s == '\n';
	plan->host_proc = prepared_alloc(pr, n + 1, sizeof(*plan->host_proc));
	if (plan->host_proc == NULL)
		return error_set(e, -ENOMEM, "--no-pivot");
	rest = info;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *dash = strstr(line, " - "), *field = NULL, *words = line;

		if (dash == NULL ||
		    (strncmp(dash + 3, "proc ", 5) != 0 && strncmp(dash + 3, "sysfs ", 6) != 0))
			continue;
		for (int i = 0; words != NULL && i < 5; i++)
			field = strsep(&words, " ");
		if (field == NULL || plan->host_proc_n == n)
			continue;
		unescape(field);
		field = prepared_printf(pr, "%s", field);
		if (field == NULL)
			return error_set(e, -ENOMEM, "--no-pivot");
		plan->host_proc[plan->host_proc_n++] = field;
	}
	return 0;
}

static unsigned long propagation_flag(const char *p)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} table[] = {
		{ "shared", MS_SHARED | MS_REC },   { "rshared", MS_SHARED | MS_REC },
		{ "slave", MS_SLAVE | MS_REC },	    { "rslave", MS_SLAVE | MS_REC },
		{ "private", MS_PRIVATE | MS_REC }, { "rprivate", MS_PRIVATE | MS_REC },
		{ "unbindable", MS_UNBINDABLE },    { "runbindable", MS_UNBINDABLE | MS_REC },
	};

	for (size_t i = 0; p != NULL && i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].name, p) == 0)
			return table[i].flag;
	return 0;
}

int prepare_rootfs(struct prepared *pr, const struct spec *s, const char *bundle,
		   const struct prepare_host *h, struct error *e)
{
	struct child_plan *plan = &pr->plan;
	int r;

	(void)h;
	plan->rootfs = s->root_path[0] == '/' ? s->root_path :
						prepared_printf(pr, "%s/%s", bundle, s->root_path);
	if (plan->rootfs == NULL)
		return error_set(e, -ENOMEM, "root.path");
	plan->root_readonly = s->root_readonly;
	plan->root_propagation = propagation_flag(s->rootfs_propagation);
	plan->masked = s->masked;
	plan->masked_n = s->masked_n;
	plan->readonly = s->readonly;
	plan->readonly_n = s->readonly_n;
	r = prepare_mounts(pr, s, bundle, e);
	if (r < 0)
		return r;
	return prepare_devices(pr, s, e);
}
