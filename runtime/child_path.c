/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside the container's root, for the code between clone and exec.
 *
 * Theory of operation: the tree below root_fd belongs to the attacker (an
 * image, or another container that shares a volume and renames while we walk).
 * A path is resolved by the kernel alone, by openat2 with RESOLVE_IN_ROOT: a
 * link can lead nowhere but inside the root. What is missing is made one
 * component at a time: "done" is a prefix that holds neither links nor "..",
 * and is opened with RESOLVE_NO_SYMLINKS each time, so that a component which
 * somebody replaces by a link makes the step fail instead of leading away.
 * Dangling links lead to the making of their target (images do have
 * /etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf). mkdirat and
 * O_EXCL never follow a link at the last component. Nothing here allocates.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/child.h"
#include "runtime/sys.h"

#define MAX_LINKS   40
#define MAX_RETRIES 64

/* openat2 says EAGAIN when a rename made its ".." check uncertain. */
static int open_in(int root_fd, const char *rel, int flags, uint64_t resolve)
{
	int fd = -1;

	for (int i = 0; i < MAX_RETRIES; i++) {
		fd = sys_openat2(root_fd, rel, (uint64_t)flags, 0, resolve);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd >= 0 ? fd : -errno;
}

static const char *relative(const char *path)
{
	while (*path == '/')
		path++;
	return *path != '\0' ? path : ".";
}

int child_path_open(int root_fd, const char *path, int flags, bool strict)
{
	return open_in(root_fd, relative(path), flags,
		       strict ? SYS_RESOLVE_STRICT : SYS_RESOLVE_IN_ROOT);
}

/* Make the last component in parent_fd. 0 (also when it exists) or -errno. */
static int make_last(int parent_fd, const char *name, bool dir)
{
	int r;

	/* not by open(2): a descriptor for writing keeps the root from becoming read-only */
	if (dir)
		r = mkdirat(parent_fd, name, 0755);
	else
		r = mknodat(parent_fd, name, S_IFREG | 0644, 0);
	return r < 0 ? -errno : 0;
}

/* The path being walked: what is behind us and what is before us. */
struct walk {
	char done[PATH_MAX];
	char todo[PATH_MAX];
	char link[PATH_MAX];
	int links;
};

/* Take the next component off w->todo into name. False at the end. */
static bool next_component(struct walk *w, char name[NAME_MAX + 1], int *err)
{
	const char *s = w->todo, *end;
	size_t n;

	while (*s == '/')
		s++;
	for (end = s; *end != '\0' && *end != '/';)
		end++;
	n = (size_t)(end - s);
	*err = 0;
	if (n == 0)
		return false;
	if (n > NAME_MAX) {
		*err = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, s, n);
	name[n] = '\0';
	while (*end == '/')
		end++;
	memmove(w->todo, end, strlen(end) + 1);
	return true;
}

static void strip_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
	else
		path[0] = '\0';
}

/* A link was met at the end of w->done: its target goes before the rest. */
static int push_link(struct walk *w, int link_fd)
{
	ssize_t n = readlinkat(link_fd, "", w->link, sizeof(w->link) - 1);
	size_t rest = strlen(w->todo);

	if (n < 0)
		return -errno;
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	if ((size_t)n + 1 + rest + 1 > sizeof(w->todo) || (size_t)n == sizeof(w->link) - 1)
		return -ENAMETOOLONG;
	memmove(w->todo + n + 1, w->todo, rest + 1);
	memcpy(w->todo, w->link, (size_t)n);
	w->todo[n] = '/';
	if (w->link[0] == '/')
		w->done[0] = '\0';
	else
		strip_last(w->done);
	return 0;
}

/* Open (or make) w->done, whose last component is name. An O_PATH fd that may be of a link, or -errno. */
static int step_into(int root_fd, const struct walk *w, const char *name, bool dir)
{
	struct walk parent;
	int fd = -ENOENT, parent_fd, r;

	for (int i = 0; i < MAX_RETRIES; i++) {
		fd = open_in(root_fd, w->done, O_PATH | O_NOFOLLOW, SYS_RESOLVE_STRICT);
		if (fd != -ENOENT)
			return fd;
		memcpy(parent.done, w->done, sizeof(parent.done));
		strip_last(parent.done);
		parent_fd = open_in(root_fd, relative(parent.done), O_PATH | O_DIRECTORY,
				    SYS_RESOLVE_STRICT);
		if (parent_fd < 0)
			return parent_fd;
		r = make_last(parent_fd, name, dir);
		child_close(parent_fd);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return fd;
}

/* Not inline: 28 KiB of stack, which stay untouched where nothing has to be walked. */
__attribute__((noinline)) static int walk_and_make(int root_fd, const char *path,
						   unsigned int flags)
{
	char name[NAME_MAX + 1];
	struct walk w;
	struct stat st;
	int fd, err;

	if (strlen(path) >= sizeof(w.todo))
		return -ENAMETOOLONG;
	memcpy(w.todo, path, strlen(path) + 1);
	w.done[0] = '\0';
	w.links = 0;
	while (next_component(&w, name, &err)) {
		bool last = w.todo[0] == '\0';

		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			strip_last(w.done);
			continue;
		}
		if (strlen(w.done) + 1 + strlen(name) + 1 > sizeof(w.done))
			return -ENAMETOOLONG;
		if (w.done[0] != '\0')
			(void)child_append(w.done + strlen(w.done), w.done + sizeof(w.done) - 1,
					   "/");
		(void)child_append(w.done + strlen(w.done), w.done + sizeof(w.done) - 1, name);
		fd = step_into(root_fd, &w, name, !last || (flags & CHILD_PATH_DIR) != 0);
		if (fd < 0)
			return fd;
		if (fstat(fd, &st) < 0)
			err = -errno;
		else if (S_ISLNK(st.st_mode) && !(last && (flags & CHILD_PATH_NOFOLLOW)))
			err = (flags & CHILD_PATH_STRICT) ? -ELOOP : push_link(&w, fd);
		child_close(fd);
		if (err < 0)
			return err;
	}
	if (err < 0)
		return err;
	return open_in(root_fd, relative(w.done), O_PATH | O_NOFOLLOW, SYS_RESOLVE_STRICT);
}

int child_path_target(int root_fd, const char *path, unsigned int flags)
{
	bool strict = (flags & CHILD_PATH_STRICT) != 0;
	int nofollow = (flags & CHILD_PATH_NOFOLLOW) ? O_NOFOLLOW : 0;
	const char *rel = relative(path), *slash;
	char parent[PATH_MAX];
	int fd, parent_fd, r;

	fd = open_in(root_fd, rel, O_PATH | nofollow,
		     strict ? SYS_RESOLVE_STRICT : SYS_RESOLVE_IN_ROOT);
	if (fd != -ENOENT)
		return fd;
	/* mostly only the last component is missing */
	slash = strrchr(rel, '/');
	if (slash != NULL && slash[1] != '\0' && slash - rel < (ptrdiff_t)sizeof(parent) &&
	    strcmp(slash + 1, "..") != 0 && strcmp(slash + 1, ".") != 0) {
		memcpy(parent, rel, (size_t)(slash - rel));
		parent[slash - rel] = '\0';
		parent_fd = open_in(root_fd, parent, O_PATH | O_DIRECTORY,
				    strict ? SYS_RESOLVE_STRICT : SYS_RESOLVE_IN_ROOT);
		if (parent_fd >= 0) {
			r = make_last(parent_fd, slash + 1, (flags & CHILD_PATH_DIR) != 0);
			fd = r == 0 ? open_in(parent_fd, slash + 1, O_PATH | O_NOFOLLOW,
					      SYS_RESOLVE_STRICT) :
				      r;
			child_close(parent_fd);
			if (fd != -EEXIST)
				return fd; /* EEXIST: a dangling link */
		}
	}
	return walk_and_make(root_fd, path, flags);
}

int child_path_parent(int root_fd, const char *path, const char **ret_name)
{
	const char *rel = relative(path), *slash = strrchr(rel, '/');
	char parent[PATH_MAX];

	if (slash == NULL) {
		*ret_name = rel;
		return open_in(root_fd, ".", O_PATH | O_DIRECTORY, SYS_RESOLVE_STRICT);
	}
	if (slash - rel >= (ptrdiff_t)sizeof(parent))
		return -ENAMETOOLONG;
	if (slash[1] == '\0')
		return -EINVAL;
	memcpy(parent, rel, (size_t)(slash - rel));
	parent[slash - rel] = '\0';
	*ret_name = slash + 1;
	return child_path_target(root_fd, parent, CHILD_PATH_DIR);
}

/* Past slashes and "." components. */
static const char *skip_empty(const char *path)
{
	for (;;) {
		if (path[0] == '/')
			path++;
		else if (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
			path++;
		else
			return path;
	}
}

bool child_path_is(const char *path, const char *want)
{
	for (;;) {
		size_t n, m;

		path = skip_empty(path);
		want = skip_empty(want);
		n = strcspn(path, "/");
		m = strcspn(want, "/");
		if (n != m || strncmp(path, want, n) != 0)
			return false;
		if (n == 0)
			return true;
		path += n;
		want += m;
	}
}
