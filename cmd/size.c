/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much containers have written.
 *
 * Theory of operation: the files of the writable layer belong to subordinate ids and their
 * directories may be closed to us, so one child in a user namespace of the same map
 * walks all of them and leaves the sums in shared memory. The trees are hostile: they are
 * walked by descriptors without following links, not deeper than a limit, and they
 * change meanwhile, so that a sum is what was seen. Files are counted by their length, as podman does.
 */
#include "cmd/size.h"

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
#include "cmd/out.h"

#define DEPTH_MAX 400 /* each level holds a descriptor */

struct job {
	struct storage *s;
	const struct container *c;
	size_t n;
	uint64_t *sums; /* shared */
};

static uint64_t walk(int fd, int depth)
{
	DIR *d = fdopendir(fd); /* takes fd */
	struct dirent *de;
	struct stat st;
	uint64_t sum = 0;

	if (d == NULL) {
		(void)close(fd);
		return 0;
	}
	while ((de = readdir(d)) != NULL) {
		int sub;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
		if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
			continue;
		sub = openat(dirfd(d), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			sum += walk(sub, depth + 1);
	}
	(void)closedir(d);
	return sum;
}

static int measure(void *data, struct error *e)
{
	struct job *j = data;

	(void)e; /* what cannot be read is not counted */
	for (size_t i = 0; i < j->n; i++) {
		int dir_fd = storage_container_open(j->s, j->c[i].id, NULL);
		int fd = dir_fd < 0 ? -1 :
				      openat(dir_fd, "upper",
					     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			j->sums[i] = walk(fd, 0);
		if (dir_fd >= 0)
			(void)close(dir_fd);
	}
	return 0;
}

static uint64_t image_size(struct storage *s, const struct container *c)
{
	struct storage_image image = { 0 };
	uint64_t size;

	if (c->image_id[0] == '\0' ||
	    storage_image_resolve(s, c->image_id, &image, NULL) != STORAGE_FOUND)
		return 0;
	size = image.size;
	storage_image_fini(&image);
	return size;
}

int size_containers(struct storage *s, struct container *c, size_t n, struct error *e)
{
	size_t bytes = (n + 1) * sizeof(uint64_t);
	uint64_t *sums =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job j = { .s = s, .c = c, .n = n, .sums = sums };
	int r;

	if (sums == MAP_FAILED)
		return error_set(e, -errno, "measuring containers");
	r = n > 0 ? inside_run(measure, &j, e) : 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		c[i].size_rw = sums[i];
		c[i].size_image = image_size(s, &c[i]);
	}
	(void)munmap(sums, bytes); /* just mapped */
	return r;
}

/* As podman, which leaves the blank out here. */
static char *tight(uint64_t bytes)
{
	char *text = out_size(bytes), *blank = text != NULL ? strchr(text, ' ') : NULL;

	if (blank != NULL)
		memmove(blank, blank + 1, strlen(blank));
	return text;
}

char *size_text(const struct container *c)
{
	_cleanup_free_ char *rw = tight(c->size_rw), *all = tight(c->size_rw + c->size_image);

	return rw == NULL || all == NULL ? NULL : str_printf("%s (virtual %s)", rw, all);
}
