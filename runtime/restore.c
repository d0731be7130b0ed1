/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing back a container that was saved with CRIU.
 *
 * Theory of operation: config.json says what the host gives anew (root
 * directory, bind mounts, namespaces that are joined, control groups), the
 * images hold all else. In a mount namespace of our own, so that a crash
 * leaves no mount behind, the root directory is mounted on itself, mount
 * points that a fresh root lacks are made, and criu is started in the new
 * control groups. It makes the process as a child of ours, reports "setup-
 * namespaces", when hooks run, "orphan-pts-master" with the terminal, and
 * "post-restore" before the process goes on: then the state is written.
 *
 * Trust: the images and their directory are given by the caller, and whoever
 * could write them decides what runs; criu believes them. descriptors.json is
 * parsed as hostile all the same: entries that do not look as we write them
 * are ignored. Mount points are made only below the root directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/criu.h"

#define ROOT_NAME	 "criu-root"
#define DESCRIPTORS_MAX	 65536
#define MOUNTINFO_MAX	 (16u << 20)
#define OPTS_CGROUP_ROOT 25
#define OPTS_RST_SIBLING 26
#define OPTS_INHERIT_FD	 27
#define OPTS_JOIN_NS	 39

struct restore {
	struct runtime_container *k;
	const struct runtime_create *c;
	const struct runtime_criu *o;
	struct criu criu;
	struct proc_fd_map fds[5];
	size_t fds_n;
	int net_fd;
	int pid_fd;
	char *root; /* where the root directory is mounted for criu */
	struct buf opts;
};

static void put_pair(struct restore *x, unsigned int field, const char *first, const char *second)
{
	_cleanup_buf_ struct buf m = BUF_INIT;

	criu_put_string(&m, 1, first);
	criu_put_string(&m, 2, second);
	criu_put_message(&x->opts, field, &m);
}

/* criu gets our fd under this number, for what was recorded under the key. */
static void give_fd(struct restore *x, int fd, int number, const char *key)
{
	_cleanup_buf_ struct buf m = BUF_INIT;

	x->fds[x->fds_n++] = (struct proc_fd_map){ .fd = fd, .target = number };
	criu_put_string(&m, 1, key);
	criu_put_int(&m, 2, number);
	criu_put_message(&x->opts, OPTS_INHERIT_FD, &m);
}

/* "pipe:[12]" and "file[1a:2b]" */
static bool is_stream(const char *s)
{
	if (str_starts(s, "pipe:["))
		s += strlen("pipe:[");
	else if (str_starts(s, "file["))
		s += strlen("file[");
	else
		return false;
	return s[0] != ']' && s[strspn(s, "0123456789abcdef:")] == ']' &&
	       s[strspn(s, "0123456789abcdef:") + 1] == '\0';
}

static int put_streams(struct restore *x, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *list = NULL;
	size_t len = 0;
	int r;

	r = fd_read_file_at(x->criu.image_fd, CRIU_DESCRIPTORS, DESCRIPTORS_MAX, &text, &len, e);
	if (r < 0)
		return error_prefix(e, "the image directory holds no checkpoint");
	list = json_parse(text, len, CRIU_DESCRIPTORS, e);
	if (list == NULL)
		return -EINVAL;
	if (!json_is_array(list))
		return error_setf(e, -EINVAL, CRIU_DESCRIPTORS ": expected an array");
	for (int i = 0; i < 3; i++) {
		const char *key = json_string_value(json_array_get(list, (size_t)i));

		int fd = x->c->stdio[i] >= 0 ? x->c->stdio[i] : i;

		if (key == NULL || !is_stream(key))
			continue;
		if (str_starts(key, "file[") && lseek(fd, 0, SEEK_CUR) < 0)
			return error_setf(
				e, -ESPIPE,
				"descriptor %d was a file when the container was saved: give it one again, not a pipe",
				i);
		give_fd(x, fd, CRIU_FD_FIRST + i, key);
	}
	return 0;
}

static int open_namespace(struct restore *x, enum spec_ns ns, int number, const char *key,
			  int *ret_fd, struct error *e)
{
	const struct spec_namespace *n = &x->k->spec.ns[ns];

	if (!n->present || n->path == NULL)
		return 0;
	*ret_fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*ret_fd < 0)
		return error_set(e, -errno, "open namespace %s", n->path);
	give_fd(x, *ret_fd, number, key);
	return 0;
}

static int put_namespaces(struct restore *x, struct error *e)
{
	static const enum spec_ns joined[] = { SPEC_NS_IPC, SPEC_NS_UTS, SPEC_NS_TIME };
	int r;

	if ((r = open_namespace(x, SPEC_NS_NETWORK, CRIU_FD_NET, CRIU_NET_KEY, &x->net_fd, e)) <
		    0 ||
	    (r = open_namespace(x, SPEC_NS_PID, CRIU_FD_PID, CRIU_PID_KEY, &x->pid_fd, e)) < 0)
		return r;
	for (size_t i = 0; i < sizeof(joined) / sizeof(joined[0]); i++) {
		const struct spec_namespace *n = &x->k->spec.ns[joined[i]];

		if (n->present && n->path != NULL)
			put_pair(x, OPTS_JOIN_NS, spec_ns_name(joined[i]), n->path);
	}
	return 0;
}

/* Nothing that we mount is seen by others, what others mount is still seen by us. */
static int make_root(struct restore *x, struct error *e)
{
	struct runtime_container *k = x->k;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_set(e, -errno, "make a mount namespace");
	if (mkdirat(k->state.dir_fd, ROOT_NAME, 0700) < 0)
		return error_set(e, -errno, "create the directory of the root file system");
	x->root = str_printf("%s/%s/" ROOT_NAME, x->c->state_root, k->id);
	if (x->root == NULL)
		return error_set(e, -ENOMEM, "restore");
	if (mount(k->state.rootfs, x->root, NULL, MS_BIND | MS_REC, NULL) < 0)
		return error_set(e, -errno, "mount %s", k->state.rootfs);
	return 0;
}

static void remove_root(struct restore *x)
{
	if (x->root == NULL)
		return;
	(void)umount2(x->root, MNT_DETACH); /* gone with our mount namespace otherwise */
	(void)unlinkat(x->k->state.dir_fd, ROOT_NAME, AT_REMOVEDIR); /* delete will try again */
}

/* The destination inside the root, links followed, as the images have it. Caller frees. */
static char *name_of(const struct restore *x, int fd)
{
	char link[32], target[4096];
	const char *rest = NULL;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return NULL;
	target[n] = '\0';
	return criu_path_below(target, x->root, &rest) && rest[0] == '/' ? strdup(rest) : NULL;
}

/* The mounts below an "rbind" source are separate ones for criu. */
static void put_submounts(struct restore *x, const char *info, const char *source, const char *to)
{
	_cleanup_free_ char *copy = strdup(info), *real = NULL;
	char *rest_of_info = copy, *line;

	if (path_canonical(source, &real) < 0)
		return;
	while (copy != NULL && (line = strsep(&rest_of_info, "\n")) != NULL) {
		_cleanup_free_ char *key = NULL;
		const char *below;
		int at = 0;

		(void)sscanf(line, "%*d %*d %*s %*s %n", &at);
		if (at == 0)
			continue;
		line[at + (int)strcspn(line + at, " ")] = '\0';
		criu_unescape(line + at);
		if (!criu_path_below(line + at, real, &below) || below[0] == '\0')
			continue;
		key = str_printf("%s%s", to, below);
		if (key != NULL)
			criu_put_mount(&x->opts, key, line + at);
	}
}

/* Is it below another mount, whose content criu brings back? */
static bool is_nested(const struct spec *s, size_t index, const char *destination)
{
	const char *rest;

	for (size_t i = 0; i < index; i++)
		if (criu_path_below(destination, s->mounts[i].destination, &rest) &&
		    strcmp(s->mounts[i].destination, "/") != 0)
			return true;
	return false;
}

static int put_mount(struct restore *x, int root_fd, size_t index, const char *info,
		     struct error *e)
{
	const struct spec_mount *m = &x->k->spec.mounts[index];
	_cleanup_free_ char *clean = path_clean(m->destination), *key = NULL, *source = NULL,
			    *real = NULL;
	bool bind = criu_mount_is_bind(m);
	struct stat st = { .st_mode = S_IFDIR };

	key = clean == NULL ? NULL : str_printf("%s%s", clean[0] == '/' ? "" : "/", clean);
	if (bind && m->source != NULL)
		source = m->source[0] == '/' ? strdup(m->source) :
					       str_printf("%s/%s", x->c->bundle, m->source);
	if (key == NULL || (bind && source == NULL))
		return error_set(e, -ENOMEM, "restore");
	if (bind && stat(source, &st) < 0)
		return error_set(e, -errno, "mounts: %s: source %s", m->destination, source);
	if (!is_nested(&x->k->spec, index, key)) {
		_cleanup_fd_ int fd = path_mkmountpoint_in(root_fd, key, S_ISDIR(st.st_mode), e);

		if (fd < 0)
			return error_prefix(e, "mounts: %s", m->destination);
		real = name_of(x, fd);
	}
	if (!bind)
		return 0;
	criu_put_mount(&x->opts, key, source);
	put_submounts(x, info, source, key);
	if (real != NULL && strcmp(real, key) != 0) {
		criu_put_mount(&x->opts, real, source);
		put_submounts(x, info, source, real);
	}
	return 0;
}

/* More than criu asks for does no harm. */
static int put_mounts(struct restore *x, struct error *e)
{
	static const char *const devices[] = { "/dev/null", "/dev/zero",   "/dev/full",
					       "/dev/tty",  "/dev/random", "/dev/urandom" };
	const struct spec *s = &x->k->spec;
	_cleanup_free_ char *info = NULL;
	_cleanup_fd_ int root_fd = open(x->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root_fd < 0 ?
			-errno :
			procfs_read(x->k->pr.plan.proc_fd, "self/mountinfo", MOUNTINFO_MAX, &info);

	if (r < 0)
		return error_set(e, r, "restore: open the root directory");
	for (size_t i = 0; i < s->mounts_n; i++)
		if ((r = put_mount(x, root_fd, i, info, e)) < 0)
			return r;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		criu_put_mount(&x->opts, devices[i], devices[i]);
	for (size_t i = 0; i < s->devices_n; i++)
		criu_put_mount(&x->opts, s->devices[i].path, s->devices[i].path);
	return 0;
}

/* The groups that criu is in, one for each hierarchy: the images' roots are moved there. */
static int put_cgroups(struct restore *x, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	char name[32], *rest, *line;
	int r;

	if (x->k->state.cgroup == NULL)
		return 0;
	r = cgroup_attach(x->k->state.cgroup, &x->k->pr.plan, x->criu.pid, e);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%d/cgroup", (int)x->criu.pid);
	r = procfs_read(x->k->pr.plan.proc_fd, name, 1 << 20, &text);
	if (r < 0)
		return error_set(e, r, "read /proc/%s", name);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		_cleanup_buf_ struct buf m = BUF_INIT;
		char *controllers = strchr(line, ':'),
		     *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

		if (path == NULL)
			continue;
		*path = '\0';
		if (controllers[1] != '\0')
			criu_put_string(&m, 1, controllers + 1);
		criu_put_string(&m, 2, path + 1);
		criu_put_message(&x->opts, OPTS_CGROUP_ROOT, &m);
	}
	return 0;
}

static int take_console(struct restore *x, int fd, struct error *e)
{
	int r;

	if (fd < 0)
		return error_setf(e, -EIO, "criu sent no terminal");
	if (x->c->console_sock_fd >= 0) {
		r = fd_send(x->c->console_sock_fd, "/dev/ptmx", strlen("/dev/ptmx"), &fd, 1);
		(void)close(fd);
		return r < 0 ? error_set(e, r, "send the terminal to the console socket") : 0;
	}
	if (x->c->ret_console_fd != NULL) {
		*x->c->ret_console_fd = fd;
		return 0;
	}
	(void)close(fd);
	return error_setf(e, -EINVAL,
			  "the container has a terminal: say where to with --console-socket");
}

/* In a process of its own, for it stays in the container's mount namespace. */
static _Noreturn void seal_root(int ns_fd)
{
	struct statvfs st;

	/* the flags of statvfs(3) are those of mount(2) */
	if (setns(ns_fd, CLONE_NEWNS) < 0 || statvfs("/", &st) < 0 ||
	    mount(NULL, "/", NULL,
		  MS_BIND | MS_REMOUNT | MS_RDONLY |
			  (st.f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)),
		  NULL) < 0)
		_exit(errno);
	_exit(0);
}

/* criu needs a writable root to make, and forgets that it was not. The processes still wait. */
static int make_readonly(struct restore *x, pid_t pid, struct error *e)
{
	_cleanup_fd_ int ns_fd = -1;
	char name[32];
	int status;
	pid_t child;

	if (!x->k->spec.root_readonly)
		return 0;
	(void)snprintf(name, sizeof(name), "%d/ns/mnt", (int)pid);
	ns_fd = openat(x->k->pr.plan.proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (ns_fd < 0)
		return error_set(e, -errno, "open /proc/%s", name);
	child = fork();
	if (child == 0)
		seal_root(ns_fd);
	status = child < 0 ? -errno : proc_wait(child);
	if (status < 0)
		return error_set(e, status, "make the root file system read-only");
	status = proc_status_code(status);
	return status != 0 ? error_set(e, -status, "make the root file system read-only") : 0;
}

static int keep_state(struct restore *x, pid_t pid, struct error *e)
{
	struct runtime_container *k = x->k;
	int r;

	k->child.pid = pid;
	k->child.pid_fd = proc_pidfd_open(pid);
	if (k->child.pid_fd < 0)
		return error_set(e, k->child.pid_fd, "pidfd of process %d", (int)pid);
	k->state.pid = pid;
	r = procfs_start_time(k->pr.plan.proc_fd, pid, &k->state.start_time);
	if (r < 0)
		return error_set(e, r, "read the start time of process %d", (int)pid);
	return state_save(&k->state, e);
}

static int notify(void *data, const char *script, pid_t pid, int fd, struct error *e)
{
	struct restore *x = data;
	int r;

	if (strcmp(script, "orphan-pts-master") == 0)
		return take_console(x, fd, e);
	if (fd >= 0)
		(void)close(fd);
	if (strcmp(script, "setup-namespaces") == 0)
		return container_create_hooks(x->k, pid, e);
	if (strcmp(script, "post-restore") != 0)
		return 0;
	r = make_readonly(x, pid, e);
	return r < 0 ? r : keep_state(x, pid, e);
}

/*
 * With a user namespace criu reads the images as the container's root. Their
 * directory is his meanwhile, not open to all. *ret_old: what it was.
 */
static int lend_images(struct restore *x, struct stat *ret_old, bool *ret_lent, struct error *e)
{
	const struct id_map *map = &x->k->spec.idmap;
	uint32_t uid, gid;

	if (!x->k->spec.ns[SPEC_NS_USER].present ||
	    !id_map_to_outside(map->uid, map->uid_n, 0, &uid) ||
	    !id_map_to_outside(map->gid, map->gid_n, 0, &gid))
		return 0;
	if (fstat(x->criu.image_fd, ret_old) < 0)
		return error_set(e, -errno, "image directory");
	if ((ret_old->st_uid == uid && ret_old->st_gid == gid) || (ret_old->st_mode & S_IXOTH))
		return 0;
	if (fchown(x->criu.image_fd, uid, gid) < 0)
		return error_set(e, -errno, "give the image directory to the container's root");
	*ret_lent = true;
	return 0;
}

static int call_criu(struct restore *x, struct error *e)
{
	struct criu_answer a;
	struct stat old;
	bool lent = false;
	int r = lend_images(x, &old, &lent, e);

	if (r < 0)
		return r;
	/* not every criu brings it back; what criu is started with its children have */
	if (x->k->spec.process.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = error_set(e, -errno, "no_new_privs");
	criu_put_int(&x->opts, OPTS_RST_SIBLING, 1);
	if (r == 0)
		r = criu_put_common(&x->opts, &x->criu, x->o, x->root, RUNTIME_CRIU_RESTORE_LOG,
				    NULL, e);
	if (r == 0)
		r = criu_start(&x->criu, x->o, x->fds, x->fds_n, e);
	if (r == 0)
		r = put_cgroups(x, e);
	if (r == 0)
		r = criu_call(&x->criu, CRIU_RESTORE, &x->opts, notify, x, &a, e);
	if (lent)
		(void)!fchown(x->criu.image_fd, old.st_uid, old.st_gid); /* we can read it anyway */
	if (r == 0 && x->k->child.pid <= 0)
		r = error_setf(e, -EIO, "criu did not report the process");
	return r;
}

static int restore(struct restore *x, struct error *e)
{
	struct runtime_container *k = x->k;
	struct prepare_host host;
	int r = container_begin(k, x->c, e);

	if (r < 0 || (r = criu_check_spec(&k->spec, k->id, e)) < 0)
		return r;
	k->pr.plan.proc_fd = procfs_open(e);
	if (k->pr.plan.proc_fd < 0)
		return k->pr.plan.proc_fd;
	k->pr.plan.proc_fd = prepared_own_fd(&k->pr, k->pr.plan.proc_fd);
	if ((r = prepare_host_probe(k->pr.plan.proc_fd, &host, e)) < 0 ||
	    (r = cgroup_create(&k->pr, &k->spec, k->id, x->c->cgroup_manager, false, &host,
			       &k->state.cgroup, e)) < 0 ||
	    (r = make_root(x, e)) < 0 || (r = criu_open(x->o, &x->criu, e)) < 0 ||
	    (r = put_streams(x, e)) < 0 || (r = put_namespaces(x, e)) < 0 ||
	    (r = put_mounts(x, e)) < 0)
		return r;
	return call_criu(x, e);
}

int runtime_container_restore(const struct runtime_create *c, const struct runtime_criu *o,
			      struct runtime_container **ret, struct error *e)
{
	struct restore x = { .c = c, .o = o, .criu = CRIU_INIT, .net_fd = -1, .pid_fd = -1 };
	int r = criu_usable(o->program, NULL, e);

	if (r < 0)
		return r;
	x.k = container_new(c, e);
	if (x.k == NULL)
		return -EINVAL;
	r = restore(&x, e);
	criu_end(&x.criu);
	remove_root(&x);
	close_fd(&x.net_fd);
	close_fd(&x.pid_fd);
	free(x.root);
	buf_fini(&x.opts);
	if (r < 0) {
		runtime_container_destroy(x.k);
		return error_prefix(e, "restore container %s", c->id);
	}
	x.k->ran_start = true;
	*ret = x.k;
	return 0;
}
