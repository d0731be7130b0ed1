/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the disk parts of the store take.
 *
 * Theory of operation: files of containers belong to subordinate ids and their directories may
 * be closed to us, so one child that is root of the namespace that containers have walks
 * all of them and leaves the sums in shared memory. The trees are hostile and change
 * meanwhile: they are walked by descriptors, without following links and without
 * crossing into other file systems, not deeper than a limit.
 */
#include "cmd/du.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/inside.h"

#define DEPTH_MAX 400 /* each level holds a descriptor */

/* Inodes with several names that were counted. */
struct seen {
	ino_t *inodes; /* a hash, 0 = free */
	size_t n, cap;
};

struct job {
	struct storage *s;
	const struct strv *paths;
	uint64_t *sizes; /* shared */
};

static size_t place(const ino_t *inodes, size_t cap, ino_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15ull) >> 20) & (cap - 1);

	while (inodes[i] != 0 && inodes[i] != ino)
		i = (i + 1) & (cap - 1);
	return i;
}

/* True when it was counted already. Without memory nothing is known of it. */
static bool was_seen(struct seen *s, ino_t ino)
{
	size_t i;

	if ((s->n + 1) * 2 > s->cap) {
		size_t cap = s->cap == 0 ? 256 : s->cap * 2;
		ino_t *more = calloc(cap, sizeof(*more));

		if (more == NULL)
			return false;
		for (i = 0; i < s->cap; i++)
			if (s->inodes[i] != 0)
				more[place(more, cap, s->inodes[i])] = s->inodes[i];
		free(s->inodes);
		s->inodes = more;
		s->cap = cap;
	}
	i = place(s->inodes, s->cap, ino);
	if (s->inodes[i] == ino)
		return true;
	s->inodes[i] = ino;
	s->n++;
	return false;
}

static uint64_t walk(int dir_fd, const char *name, dev_t dev, struct seen *seen, int depth)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	struct stat st;
	uint64_t sum;
	int fd;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (depth > 0 && st.st_dev != dev))
		return 0;
	sum = (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return st.st_nlink > 1 && was_seen(seen, st.st_ino) ? 0 : sum;
	if (depth >= DEPTH_MAX)
		return sum;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		close_fd(&fd);
		return sum;
	}
	while ((de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			sum += walk(dirfd(d), de->d_name, st.st_dev, seen, depth + 1);
	return sum;
}

static int measure(void *data, struct error *e)
{
	struct job *j = data;

	(void)e; /* what cannot be read counts nothing */
	for (size_t i = 0; i < j->paths->n; i++) {
		struct seen seen = { .inodes = NULL };

		j->sizes[i] = walk(storage_root_fd(j->s), j->paths->v[i], 0, &seen, 0);
		free(seen.inodes);
	}
	return 0;
}

int du_paths(struct storage *s, const struct strv *paths, uint64_t *sizes, struct error *e)
{
	size_t bytes = (paths->n + 1) * sizeof(uint64_t);
	uint64_t *shared =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job j = { .s = s, .paths = paths, .sizes = shared };
	int r;

	if (shared == MAP_FAILED)
		return error_set(e, -errno, "measuring the store");
	r = storage_root_fd(s) >= 0 ? inside_run(measure, &j, e) : 0;
	if (r == 0 && paths->n > 0)
		memcpy(sizes, shared, paths->n * sizeof(uint64_t));
	(void)munmap(shared, bytes);
	return r;
}
