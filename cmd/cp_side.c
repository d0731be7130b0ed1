/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of crt cp.
 *
 * Theory of operation
 *
 * Files are reached by a root directory's descriptor and names that are resolved below it by
 * the kernel (base/path.h), never by a path of the host:
 *
 *   running     /proc/PID/root of the first process, opened while the pidfd says that it
 *               is that process: so volumes, tmpfs and everything mounted inside are seen
 *               as the container sees them. The child enters the container's user
 *               namespace, whose root it becomes: ids are the container's. It enters no
 *               mount namespace and makes no mount;
 *   not running the root file system is mounted as for a run, in a mount namespace of the
 *               child, with the volumes and bound directories of its record on top. To
 *               write to it the container's lock is held, so that it is not started meanwhile;
 *   the host    the caller's own files, with the caller's ids, without a namespace.
 *
 * The attacker is the container: while names are looked up it may exchange directories and
 * links (openat2 keeps every step inside the root), its passwd file says what ids its user
 * has (numbers only). No program of it is run.
 */
#include "cmd/cp_side.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"
#include "cmd/compose.h"
#include "cmd/user.h"

#define LINKS_MAX 40

/* numbers of the kernel's interface, which libc headers may lack */
#ifndef SYS_open_tree
#define SYS_open_tree  428
#define SYS_move_mount 429
#endif
#define TREE_CLONE	1u
#define MOVE_FROM_EMPTY 0x04u
#define MOVE_TO_EMPTY	0x40u
#define TREE_RECURSIVE	0x8000u

void cp_side_fini(struct cp_side *p)
{
	free(p->path);
	container_fini(&p->c);
	view_fini(&p->view);
	close_fd(&p->root_fd);
	close_fd(&p->start_fd);
	close_fd(&p->user_fd);
	close_fd(&p->lock_fd);
	strv_fini(&p->volumes);
}

/* ---- what the words mean ------------------------------------------------------------------ */

static int open_running(struct cp_side *p, struct error *e)
{
	_cleanup_fd_ int pid_fd = container_pidfd(p->s, &p->c);
	_cleanup_fd_ int user_fd = -1;
	struct stat ours, theirs;
	char path[48];

	if (pid_fd < 0)
		return error_setf(e, -ESRCH, "container %s has just ended: try again", p->c.name);
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)p->c.pid); /* fits */
	p->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)p->c.pid); /* fits */
	user_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->root_fd < 0 || user_fd < 0 || fstat(user_fd, &theirs) < 0 ||
	    stat("/proc/self/ns/user", &ours) < 0)
		return error_set(e, -errno, "opening the root of container %s", p->c.name);
	/* the number was still its own when they were opened */
	if (proc_pidfd_send_signal(pid_fd, 0) < 0)
		return error_setf(e, -ESRCH, "container %s has just ended: try again", p->c.name);
	if (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev)
		p->user_fd = steal_fd(&user_fd);
	p->start_fd = fd_dup(p->root_fd);
	p->is_running = true;
	return p->start_fd < 0 ? error_set(e, p->start_fd, "opening the root") : 0;
}

/* Volumes and directories of the host, as the record has them: in the order in which they are mounted. */
static int take_volumes(struct cp_side *p, struct error *e)
{
	_cleanup_json_ json_t *list = container_volumes(&p->c);
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *from = json_string_value(json_object_get(one, "Source"));
		const char *to = json_string_value(json_object_get(one, "Destination"));
		const char *type = json_string_value(json_object_get(one, "Type"));

		if (from == NULL || to == NULL || from[0] != '/' || type == NULL ||
		    strcmp(type, "tmpfs") == 0)
			continue;
		if (strv_add(&p->volumes, from) < 0 || strv_add(&p->volumes, to) < 0)
			return error_set(e, -ENOMEM, "volumes of container %s", p->c.name);
	}
	return 0;
}

static int open_stopped(struct cp_side *p, bool is_target, struct error *e)
{
	int r = view_of_container(p->s, &p->c, &p->view, e);

	if (r == 0 && is_target) {
		p->lock_fd = storage_container_lock(p->s, p->c.id, e);
		r = p->lock_fd < 0 ? p->lock_fd : 0;
	}
	return r < 0 ? r : take_volumes(p, e);
}

/* The colon behind the container's name, or NULL for a path of the host. */
static const char *find_colon(const char *text)
{
	const char *colon = text[0] == '/' || text[0] == '.' ? NULL : strchr(text, ':');

	return colon != text ? colon : NULL;
}

int cp_side_init(struct storage *s, const char *text, bool is_target, struct cp_side *ret,
		 struct error *e)
{
	const char *colon = find_colon(text);
	_cleanup_free_ char *name = NULL;
	struct cp_side p = CP_SIDE_INIT;
	int r;

	p.s = s;
	p.is_stream = strcmp(text, "-") == 0;
	p.is_container = colon != NULL;
	p.path = strdup(colon != NULL ? colon + 1 : text);
	name = colon != NULL ? strndup(text, (size_t)(colon - text)) : NULL;
	if (p.path == NULL || (colon != NULL && name == NULL))
		r = error_set(e, -ENOMEM, "crt cp");
	else if (p.path[0] == '\0')
		r = error_setf(e, -EINVAL, "\"%s\": the path is empty", text);
	else
		r = colon == NULL ? 0 : container_open(s, name, &p.c, e);
	if (r == 0 && colon != NULL)
		r = container_is_running(&p.c) ? open_running(&p, e) :
						 open_stopped(&p, is_target, e);
	if (r < 0) {
		cp_side_fini(&p);
		return r;
	}
	*ret = p;
	return 0;
}

bool cp_side_is_here(const struct cp_side *p)
{
	return !p->is_container || p->is_running;
}

/* ---- in the child ------------------------------------------------------------------------------ */

static int enter_user(struct cp_side *p, struct error *e)
{
	if (p->user_fd < 0)
		return 0;
	if (setns(p->user_fd, CLONE_NEWUSER) < 0)
		return error_set(e, -errno, "entering the user namespace of container %s",
				 p->c.name);
	/* root of it where it has one; else what we are, with all capabilities */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return errno == EINVAL ? 0 : error_set(e, -errno, "becoming root of the container");
	return 0;
}

/*
 * One volume onto its place. A place that does not exist is made where we may write; else, when
 * the path lies in the volume, the volume is the root of it all. 0 or -errno.
 */
static int bind_volume(struct cp_side *p, const char *from, const char *to, bool writable,
		       struct error *e)
{
	_cleanup_fd_ int place = -1;
	_cleanup_fd_ int tree = -1;
	struct stat st;

	if (stat(from, &st) < 0)
		return errno == ENOENT ? 0 : error_set(e, -errno, "opening %s", from);
	place = writable ? path_mkmountpoint_in(p->root_fd, to, S_ISDIR(st.st_mode), e) :
			   path_open_in(p->root_fd, to, O_PATH, 0);
	if (place < 0 && writable)
		return place;
	if (place < 0) {
		_cleanup_free_ char *clean = path_clean(p->path);
		size_t len = strlen(to) - 1; /* a clean path has no slash in front */

		if (clean == NULL || strncmp(clean, to + 1, len) != 0 ||
		    (clean[len] != '/' && clean[len] != '\0') || !S_ISDIR(st.st_mode))
			return 0;
		close_fd(&p->root_fd);
		p->root_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		free(p->path);
		p->path = str_printf("/%s", clean[len] == '/' ? clean + len + 1 : "");
		if (p->root_fd < 0 || p->path == NULL)
			return error_set(e, p->path == NULL ? -ENOMEM : -errno, "opening %s", from);
		return 0;
	}
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, from, TREE_CLONE | O_CLOEXEC | TREE_RECURSIVE);
	if (tree < 0)
		return error_set(e, -errno, "opening %s", from);
	if (syscall(SYS_move_mount, tree, "", place, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) < 0)
		return error_set(e, -errno, "mounting %s", from);
	return 0;
}

int cp_side_enter(struct cp_side *p, bool writable, struct storage_rootfs_handle *mount,
		  struct error *e)
{
	int r = 0;

	*mount = (struct storage_rootfs_handle){ .fuse_pid_fd = -1 };
	if (p->is_stream)
		return 0;
	if (!p->is_container) {
		p->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		p->start_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return p->root_fd < 0 || p->start_fd < 0 ?
			       error_set(e, -errno, "opening the working directory") :
			       0;
	}
	if (p->is_running)
		return enter_user(p, e);
	p->root_fd = view_open(p->s, &p->view, writable, mount, e);
	if (p->root_fd < 0)
		return p->root_fd;
	for (size_t i = 0; r == 0 && i + 1 < p->volumes.n; i += 2)
		r = bind_volume(p, p->volumes.v[i], p->volumes.v[i + 1], writable, e);
	p->start_fd = r == 0 ? fd_dup(p->root_fd) : -1;
	return r < 0 ? r : p->start_fd < 0 ? error_set(e, p->start_fd, "opening the root") : 0;
}

int cp_side_user(struct cp_side *p, struct error *e)
{
	const char *user =
		json_string_value(json_object_get(json_object_get(p->c.record, "config"), "user"));
	_cleanup_free_ char *passwd = NULL, *group = NULL;
	struct user_identity u = { .uid = 0 };
	int r = compose_read_accounts(p->root_fd, "etc/passwd", &passwd, e);

	if (r == 0)
		r = compose_read_accounts(p->root_fd, "etc/group", &group, e);
	if (r == 0)
		r = user_resolve(user != NULL ? user : "", passwd, group, NULL, 0, &u, e);
	if (r < 0)
		return r;
	p->set_owner = true;
	p->uid = u.uid;
	p->gid = u.gid;
	user_identity_fini(&u);
	return 0;
}

/* ---- names ------------------------------------------------------------------------------------------ */

/* Open on a side: the host's as any program does, a container's inside it. */
static int open_at(const struct cp_side *p, const char *path, int flags)
{
	int fd;

	if (p->is_container)
		return path_open_in(p->root_fd, path, flags, 0);
	fd = openat(path[0] == '/' ? p->root_fd : p->start_fd, path[0] != '\0' ? path : ".",
		    flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Cut path at its last component, which is copied; slashes at the end are dropped before. */
static int split(char *path, char name[NAME_MAX + 1])
{
	size_t len = strlen(path);
	char *slash;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	if (strlen(slash != NULL ? slash + 1 : path) > NAME_MAX)
		return -ENAMETOOLONG;
	(void)snprintf(name, NAME_MAX + 1, "%s", slash != NULL ? slash + 1 : path); /* fits */
	if (slash == NULL)
		path[0] = '\0';
	else
		slash[slash == path] = '\0'; /* "/" stays */
	return 0;
}

/* Look at dir_fd/name. 0, 1 = it is a link and *target its text (caller frees), -errno. */
static int look(struct cp_found *f, const char *dir, char **target)
{
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(f->dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	f->exists = true;
	f->is_dir = S_ISDIR(st.st_mode);
	if (!S_ISLNK(st.st_mode))
		return 0;
	n = readlinkat(f->dir_fd, f->name, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	*target = text[0] == '/' ? strdup(text) :
		  dir[0] == '\0' ? strdup(text) :
				   str_printf("%s/%s", dir, text);
	return *target == NULL ? -ENOMEM : 1;
}

static bool is_dots(const char *name)
{
	return name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int cp_side_find(const struct cp_side *p, const char *path, struct cp_found *ret, struct error *e)
{
	_cleanup_free_ char *rest = strdup(path);
	struct cp_found f = { .dir_fd = -1 };
	int r = rest == NULL ? -ENOMEM : 1;

	for (int links = 0; r == 1; links++) {
		char *target = NULL;

		close_fd(&f.dir_fd);
		f.exists = f.is_dir = false;
		if (links > LINKS_MAX) {
			r = -ELOOP;
			break;
		}
		/* "/", "." and "..": the directory itself */
		f.dir_fd = open_at(p, rest, O_PATH | O_DIRECTORY);
		r = split(rest, f.name);
		if (r < 0)
			break;
		if (is_dots(f.name)) {
			r = f.dir_fd < 0 ? f.dir_fd : 0;
			f.name[0] = '\0';
			f.exists = f.is_dir = true;
			break;
		}
		close_fd(&f.dir_fd);
		f.dir_fd = open_at(p, rest, O_PATH | O_DIRECTORY);
		r = f.dir_fd < 0 ? f.dir_fd : look(&f, rest, &target);
		if (r == 1) {
			free(rest);
			rest = target;
		}
	}
	if (r < 0) {
		close_fd(&f.dir_fd);
		return error_set(e, r, "%s%s%s", p->is_container ? p->c.name : "",
				 p->is_container ? ":" : "", path);
	}
	*ret = f;
	return 0;
}
