/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tar archive of our own back into files.
 *
 * Theory of operation: bytes from a pipe through the reader of layers (unpack/tar.c) into the
 * one that makes files of entries (unpack/apply.c), which resolves every name inside the
 * destination, never follows a link at the end of one, and replaces rather than writes into
 * what is there. The names are hostile (they are those of a container's files), the destination
 * may be changed by a running container meanwhile: neither leads out of dir_fd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "storage/storage.h"
#include "storage/unpack/apply.h"

#define CHUNK (256u << 10)

struct source {
	int fd;
	char *buffer;
};

static ssize_t read_chunk(void *data, const void **ret, struct error *e)
{
	struct source *s = data;
	ssize_t n;

	do
		n = read(s->fd, s->buffer, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set(e, -errno, "reading the archive");
	*ret = s->buffer;
	return n;
}

/* What comes behind from in path; NULL when it is not from or below it. */
static const char *behind(const char *path, const char *from)
{
	size_t len = strlen(from);

	if (strncmp(path, from, len) != 0 || (path[len] != '\0' && path[len] != '/'))
		return NULL;
	while (path[len] == '/')
		len++;
	return path + len;
}

static char *renamed(const char *to, const char *rest)
{
	if (to == NULL)
		return strdup(rest);
	return rest[0] != '\0' ? str_printf("%s/%s", to, rest) : strdup(to);
}

static int put(const struct storage_unpack *u, struct apply *a, struct tar_reader *t,
	       const struct tar_entry *n, struct error *e)
{
	_cleanup_free_ char *path = NULL, *link = NULL;
	const char *rest = behind(n->path, u->from);
	struct tar_entry entry = *n;

	if (rest == NULL)
		return error_setf(e, -EBADMSG, "the archive has an entry of another name");
	if (rest[0] == '\0' && u->to == NULL)
		return 0; /* the directory exists */
	path = renamed(u->to, rest);
	entry.path = path;
	if (n->type == TAR_HARDLINK) {
		rest = behind(n->link, u->from);
		link = rest != NULL ? renamed(u->to, rest) : strdup("");
		entry.link = link;
	}
	if (path == NULL || entry.link == NULL)
		return error_set(e, -ENOMEM, "reading the archive");
	return apply_entry(a, t, &entry, e);
}

int storage_unpack(const struct storage_unpack *u, struct error *e)
{
	static const struct id_map all = { .uid = NULL };
	const struct apply_options o = {
		.keep_ids = u->keep_ids,
		.map = &all,
		.is_copy = true,
		.keep_kind = !u->overwrite,
		.set_owner = u->set_owner,
		.uid = u->uid,
		.gid = u->gid,
	};
	struct source s = { .fd = u->fd, .buffer = malloc(CHUNK) };
	struct tar_reader *t = NULL;
	struct apply *a = NULL;
	const struct tar_entry *n;
	int r;

	r = s.buffer == NULL ? -ENOMEM : tar_new(read_chunk, NULL, &s, &t);
	if (r == 0)
		r = apply_new(u->dir_fd, &o, &a);
	if (r < 0) {
		(void)error_set(e, r, "reading the archive");
	} else {
		while ((r = tar_next(t, &n, e)) > 0) {
			r = put(u, a, t, n, e);
			if (r < 0)
				break;
		}
		if (r == 0)
			r = apply_finish(a, e);
	}
	apply_free(a);
	tar_free(t);
	free(s.buffer);
	return r;
}

const char *storage_untar_note(unsigned int *notes)
{
	for (unsigned int i = 0; i < APPLY_NOTE_COUNT; i++)
		if ((*notes & (1u << i)) != 0) {
			*notes &= ~(1u << i);
			return apply_note_text((enum apply_note)i);
		}
	return NULL;
}
