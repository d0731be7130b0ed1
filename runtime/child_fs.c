/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File systems made for the container: proc, tmpfs, devpts, sysfs, cgroup ...
 *
 * Theory of operation: fsopen, one fsconfig for each option, fsmount with the
 * mount's flags: the result is a detached mount that child_mount.c puts in
 * place. Options come from config.json and go to the kernel's own parsers.
 *
 * What the kernel refuses to a user namespace has one fall-back each: sysfs
 * needs a network namespace of ours, mqueue an IPC namespace, cgroup a cgroup
 * namespace, and proc a view that is not already partly masked; then the
 * host's tree is bound, read-only for /sys and cgroup. An optional mount that
 * is still impossible is left out. A crash leaves nothing: a detached mount
 * dies with its fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

/* Bind the host's own tree instead; read-only when asked. fd or -errno. */
static int bind_host(const struct child_plan *p, const char *path, bool read_only)
{
	int fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE);
	int r;

	if (fd < 0)
		return -errno;
	r = child_mount_attr(p, fd, false, true,
			     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
				     (read_only ? MOUNT_ATTR_RDONLY : 0),
			     0);
	if (r < 0 && read_only) {
		/* never the host's tree writable */
		child_close(fd);
		return r;
	}
	return fd;
}

static int fs_create(const char *type, const char *source, const struct plan_option *options,
		     size_t n, uint64_t attrs, size_t *ret_option)
{
	int fs_fd = sys_fsopen(type), fd = -1, r = 0;

	*ret_option = SIZE_MAX;
	if (fs_fd < 0)
		return -errno;
	if (source != NULL && source[0] != '\0')
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = sys_fsconfig(fs_fd,
				 options[i].value != NULL ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
				 options[i].key, options[i].value, 0);
		/* a flag that mount(2) takes from anybody, where few file systems have a use for it */
		if (r < 0 && errno == EINVAL && strcmp(options[i].key, "iversion") == 0)
			r = 0;
		if (r < 0)
			*ret_option = i;
	}
	if (r == 0)
		r = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r == 0)
		fd = sys_fsmount(fs_fd, (unsigned int)attrs);
	r = fd >= 0 ? fd : -errno;
	child_close(fs_fd);
	return r;
}

/* The host's own tree in place of a new mount: m becomes a bind, its flags are set as those of binds are. */
static int bind_instead(struct plan_mount *m, const char *path, bool read_only)
{
	int fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE);

	if (fd < 0)
		return -errno;
	m->kind = PLAN_MOUNT_BIND;
	m->rec_set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	if (read_only) {
		m->rec_set |= MOUNT_ATTR_RDONLY;
		m->attr_clr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	return fd;
}

static int fall_back(const struct child_plan *p, struct plan_mount *m, int err)
{
	if (err != -EPERM && err != -EBUSY && err != -EACCES && err != -ENODEV && err != -EINVAL)
		return err;
	if (!p->in_userns && err != -EBUSY && strcmp(m->type, "sysfs") != 0)
		return err;
	if (strcmp(m->type, "sysfs") == 0) {
		m->host_sys = true;
		return bind_instead(m, "/sys", true);
	}
	if (strcmp(m->type, "mqueue") == 0)
		return bind_instead(m, "/dev/mqueue", false);
	if (strcmp(m->type, "proc") == 0 && !(p->clone_flags & CLONE_NEWPID))
		return bind_instead(m, "/proc", false);
	if (strcmp(m->type, "cgroup2") == 0)
		return bind_instead(m, "/sys/fs/cgroup", true);
	return err;
}

/* Engines ask for the group "tty" where the id map may hold a single id: then terminals stay with root. */
static bool is_unmapped_tty(const struct child_plan *p, const struct plan_mount *m, size_t option)
{
	return p->in_userns && strcmp(m->type, "devpts") == 0 &&
	       strcmp(m->options[option].key, "gid") == 0;
}

static int set_label(int mount_fd, const char *label)
{
	int fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_fsetxattr, fd, "security.selinux", label, strlen(label) + 1, 0) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

int child_fs_mount(struct child_plan *p, struct plan_mount *m, size_t index)
{
	uint64_t attrs = m->attr_set & ~(m->late_readonly ? (uint64_t)MOUNT_ATTR_RDONLY : 0);
	size_t option;
	int fd, r;

	if (m->kind == PLAN_MOUNT_CGROUP1)
		return fs_create("tmpfs", "cgroup", m->options, m->options_n,
				 attrs & ~(uint64_t)MOUNT_ATTR_RDONLY, &option);
	fd = fs_create(m->type, m->source, m->options, m->options_n, attrs, &option);
	if (fd == -EINVAL && option != SIZE_MAX && is_unmapped_tty(p, m, option)) {
		m->options[option] = m->options[--m->options_n];
		fd = fs_create(m->type, m->source, m->options, m->options_n, attrs, &option);
	}
	if (fd >= 0) {
		if (m->label != NULL && (r = set_label(fd, m->label)) < 0)
			child_fail(STEP_MOUNT, index, -r);
		return fd;
	}
	if (option != SIZE_MAX)
		child_fail_aux(STEP_MOUNT_OPTION, index, (unsigned int)option, -fd);
	r = fall_back(p, m, fd);
	if (r >= 0)
		return r;
	/* without the right to mount cgroups the container simply does not see any */
	if (p->in_userns && strcmp(m->type, "cgroup2") == 0)
		return -1;
	child_fail(STEP_MOUNT, index, -fd);
}

/* One hierarchy: its own view with a cgroup namespace, else our group of the host's tree. */
static int cgroup1_one(const struct child_plan *p, const struct plan_cgroup1 *c, bool read_only)
{
	struct plan_option opts[8];
	char text[256], path[4096];
	size_t n = 0, option;
	char *s, *end;
	int fd;

	if (p->cgroup_ns && strlen(c->options) < sizeof(text)) {
		(void)child_append(text, text + sizeof(text) - 1, c->options);
		for (s = text; *s != '\0' && n < sizeof(opts) / sizeof(opts[0]); s = end) {
			for (end = s; *end != '\0' && *end != ',';)
				end++;
			if (*end == ',')
				*end++ = '\0';
			opts[n].key = s;
			opts[n].value = strchr(s, '=');
			if (opts[n].value != NULL) {
				text[opts[n].value - text] = '\0';
				opts[n].value++;
			}
			n++;
		}
		fd = fs_create("cgroup", "cgroup", opts, n,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
				       (read_only ? MOUNT_ATTR_RDONLY : 0),
			       &option);
		if (fd >= 0)
			return fd;
	}
	if (p->cgroup_ns && p->in_userns)
		return -EPERM; /* the bind would show paths that the namespace hides */
	s = child_append(path, path + sizeof(path) - 1, c->host);
	(void)child_append(s, path + sizeof(path) - 1, c->path);
	return bind_host(p, path, read_only);
}

static bool sizes_programs(const char *options)
{
	return strncmp(options, "memory", 6) == 0 || strncmp(options, "cpu", 3) == 0 ||
	       strncmp(options, "pids", 4) == 0;
}

void child_fs_cgroup1(struct child_plan *p, int root_fd, struct plan_mount *m)
{
	int dir_fd = child_path_open(root_fd, m->destination, O_RDONLY | O_DIRECTORY, false);

	if (dir_fd < 0)
		child_fail(STEP_ATTACH, (size_t)(m - p->mounts), -dir_fd);
	for (size_t i = 0; i < p->cgroup1_n; i++) {
		const struct plan_cgroup1 *c = &p->cgroup1[i];
		int fd, target_fd;

		/* without groups of its own only what programs size themselves by is of use */
		if (p->in_userns && p->cgroup_fds_n == 0 && !sizes_programs(c->options))
			continue;
		fd = cgroup1_one(p, c, (m->attr_set & MOUNT_ATTR_RDONLY) != 0);
		if (fd < 0)
			continue; /* an optional view of the host's limits */
		target_fd = mkdirat(dir_fd, c->name, 0755) < 0 && errno != EEXIST ?
				    -errno :
				    child_path_open(dir_fd, c->name, O_PATH | O_DIRECTORY, true);
		if (target_fd < 0 || sys_attach(fd, target_fd) < 0)
			child_fail(STEP_ATTACH, (size_t)(m - p->mounts),
				   target_fd < 0 ? -target_fd : errno);
		/* "cpu" and "cpuacct" lead to the joint mount "cpu,cpuacct" */
		if (strchr(c->name, ',') != NULL) {
			const char *s = c->name;

			while (*s != '\0') {
				char word[64];
				size_t n = strcspn(s, ",");

				if (n > 0 && n < sizeof(word)) {
					memcpy(word, s, n);
					word[n] = '\0';
					(void)!symlinkat(c->name, dir_fd,
							 word); /* convenience only */
				}
				s += n + (s[n] == ',');
			}
		}
		child_close(target_fd);
		child_close(fd);
	}
	if (m->attr_set & MOUNT_ATTR_RDONLY)
		(void)child_mount_attr(p, m->fd, true, false, MOUNT_ATTR_RDONLY,
				       0); /* it is an empty tmpfs */
	child_close(dir_fd);
}
