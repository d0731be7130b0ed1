/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of tar entries: cleaning them, and finding the directory that holds one.
 *
 * Theory of operation
 *
 * The attacker chooses names and, with the entries before, what the components
 * of a name are. Cleaning is lexical: a leading "/" and "." components go, a
 * ".." component refuses the layer (no tool writes one, and what it means
 * depends on links). The directory is then found by openat2(2): first with
 * RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS, which is what ordinary layers need. When
 * a component is a symbolic link that this layer brought itself ("bin ->
 * usr/bin", then "bin/sh"), the path is resolved again with RESOLVE_IN_ROOT, so
 * that the link leads to the place inside the layer's own tree, as it would
 * after a chroot. There is no other writer in the tree, so what was resolved
 * stays true; nothing outside can be reached by either rule.
 *
 * The last directories are kept open in a small cache keyed by their name in
 * the tar. Replacing a directory by something else empties it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "storage/unpack/apply-priv.h"

int apply_name_set(struct apply_name *n, const char *path, const char *what, struct error *e)
{
	size_t len = 0;
	char *slash;

	while (*path != '\0') {
		size_t c = strcspn(path, "/");

		if (c == 0 || (c == 1 && path[0] == '.')) {
			path += c == 0 ? 1 : c;
			continue;
		}
		if (c == 2 && path[0] == '.' && path[1] == '.')
			return error_setf(e, -EINVAL, "%s has a \"..\" component", what);
		if (c > NAME_MAX || len + c + 2 > sizeof(n->text))
			return error_setf(e, -ENAMETOOLONG, "%s is too long", what);
		if (len > 0)
			n->text[len++] = '/';
		memcpy(n->text + len, path, c);
		len += c;
		path += c;
	}
	n->text[len] = '\0';
	slash = strrchr(n->text, '/');
	if (slash == NULL) {
		n->parent = "";
		n->name = n->text;
	} else {
		*slash = '\0';
		n->parent = n->text;
		n->name = slash + 1;
	}
	return 0;
}

void apply_cache_drop(struct apply *a)
{
	for (size_t i = 0; i < APPLY_CACHE; i++) {
		free(a->cache[i].path);
		a->cache[i].path = NULL;
		close_fd(&a->cache[i].fd);
	}
}

static int find_parent(struct apply *a, const char *parent, bool create, bool strict,
		       struct error *e)
{
	int fd = path_open_beneath(a->root_fd, parent, O_PATH | O_DIRECTORY, 0);

	if (fd < 0 && !strict && (fd == -ELOOP || fd == -ENOTDIR))
		fd = path_open_in(a->root_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT && create)
		return path_mkdir_in(a->root_fd, parent, 0755, e);
	if (fd < 0)
		return error_set(e, fd, "open the parent directory");
	return fd;
}

int apply_parent(struct apply *a, const char *parent, bool create, bool strict, struct error *e)
{
	struct apply_dir *oldest = &a->cache[0];
	char *copy;
	int fd;

	if (parent[0] == '\0')
		return a->root_fd;
	for (size_t i = 0; i < APPLY_CACHE; i++) {
		struct apply_dir *d = &a->cache[i];

		/* what was found through a link must not serve a strict look-up */
		if (!strict && d->path != NULL && strcmp(d->path, parent) == 0) {
			d->used = ++a->clock;
			return d->fd;
		}
		if (d->used < oldest->used)
			oldest = d;
	}
	fd = find_parent(a, parent, create, strict, e);
	if (fd < 0)
		return fd;
	copy = strdup(parent);
	if (copy == NULL) {
		close_fd(&fd);
		return error_set(e, -ENOMEM, "unpack");
	}
	free(oldest->path);
	close_fd(&oldest->fd);
	*oldest = (struct apply_dir){ .path = copy, .fd = fd, .used = ++a->clock };
	return fd;
}
