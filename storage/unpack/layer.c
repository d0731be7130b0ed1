/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer on its way into a transaction.
 *
 * Theory of operation
 *
 *   download or file --(queue)--> packed thread --(queue)--> tree thread
 *                                 sha256, blob,              tar, files
 *                                 inflate, sha256
 *
 * The packed thread takes the bytes as the registry or archive gave them,
 * counts and digests them, writes them to the blob file, unpacks them and
 * digests the result; the tree thread reads the tar and writes the files. So
 * the network, the processor and the file system work at the same time, and
 * two bounded queues limit the memory.
 *
 * The attacker controls the bytes. They are written and parsed before their
 * digest is known; that is safe because the transaction is thrown away unless
 * all of it succeeds: the amount must equal the descriptor's size, the packed
 * digest the manifest's, the unpacked one the config's diff_id. The tree thread
 * reads to the end of the stream even when the archive ended before, so that
 * every byte is digested.
 *
 * A thread that fails says so in its own error and ends the queues on both
 * sides of it; the neighbours then stop. Where both have an error the one of
 * the packed thread counts, unless it only met the closed queue. A crash
 * leaves files in the transaction directory, which nobody looks at.
 */
#include "storage/unpack/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "storage/unpack/tar.h"

#define IN_SLOTS   4
#define IN_SIZE	   (256u << 10)
#define OUT_SLOTS  6
#define OUT_SIZE   (512u << 10)
#define PUSH_BYTES (8u << 20)

/* State of the packed thread. */
struct packer {
	struct layer *l;
	int blob_fd;
	char blob_name[96];
	struct digest *packed, *plain;
	struct decompress *d;
	struct queue_slot *slot; /* claimed in l->out, partly filled */
	unsigned char *file_buf;
	uint64_t pushed; /* bytes of the blob whose writing was begun */
};

static unsigned char *sink_room(void *data, size_t *ret_cap)
{
	struct packer *p = data;

	if (p->slot == NULL)
		p->slot = queue_claim(p->l->out, true);
	if (p->slot == NULL)
		return NULL;
	*ret_cap = p->slot->cap - p->slot->len;
	return p->slot->data + p->slot->len;
}

static void sink_flush(struct packer *p)
{
	if (p->slot == NULL || p->slot->len == 0)
		return;
	p->slot = NULL;
	queue_publish(p->l->out);
}

static void sink_done(void *data, size_t len)
{
	struct packer *p = data;

	/* the digest of plain data is that of the packed bytes */
	if (decompress_kind(p->d) != DECOMPRESS_PLAIN)
		digest_add(p->plain, p->slot->data + p->slot->len, len);
	p->slot->len += len;
	if (p->slot->len == p->slot->cap)
		sink_flush(p);
}

static void packer_fini(struct packer *p)
{
	close_fd(&p->blob_fd);
	digest_free(p->packed);
	digest_free(p->plain);
	decompress_free(p->d);
	free(p->file_buf);
}

static int packer_init(struct packer *p, struct error *e)
{
	const struct decompress_sink sink = { .room = sink_room, .done = sink_done, .data = p };
	struct layer *l = p->l;

	if (digest_new(&p->packed) < 0 || digest_new(&p->plain) < 0 ||
	    decompress_new(&sink, &p->d) < 0)
		return error_set(e, -ENOMEM, "unpack a layer");
	if (!l->from_queue) {
		p->file_buf = malloc(IN_SIZE);
		if (p->file_buf == NULL)
			return error_set(e, -ENOMEM, "unpack a layer");
	}
	if (!l->want_blob)
		return 0;
	if (l->digest[0] != '\0')
		(void)snprintf(p->blob_name, sizeof(p->blob_name), "blobs/sha256/%.64s",
			       l->digest + 7); /* fits */
	else
		(void)snprintf(p->blob_name, sizeof(p->blob_name), "blobs/sha256/part-%u",
			       l->index); /* fits */
	p->blob_fd = openat(l->txn_fd, p->blob_name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->blob_fd < 0)
		return error_set(e, -errno, "create blob file %s", p->blob_name);
	return 0;
}

static int packer_feed(struct packer *p, const unsigned char *data, size_t len, struct error *e)
{
	struct layer *l = p->l;
	int r;

	if (l->got_size == 0)
		l->got_kind = decompress_kind_of(data, len);
	l->got_size += len;
	if (l->size != LAYER_SIZE_UNKNOWN && l->got_size > l->size)
		return error_setf(e, -EBADMSG, "more bytes than the %llu that the manifest says",
				  (unsigned long long)l->size);
	digest_add(p->packed, data, len);
	if (p->blob_fd >= 0) {
		r = fd_write_all(p->blob_fd, data, len);
		if (r < 0)
			return error_set(e, r, "write blob file %s", p->blob_name);
		if (l->got_size - p->pushed >= PUSH_BYTES) {
			/* begin to write it back: the commit will have less to wait for; only a hint */
			(void)sync_file_range(p->blob_fd, (off_t)p->pushed,
					      (off_t)(l->got_size - p->pushed),
					      SYNC_FILE_RANGE_WRITE);
			p->pushed = l->got_size;
		}
	}
	if (l->want_tree) {
		r = decompress_feed(p->d, data, len, e);
		if (r < 0)
			return r;
	}
	atomic_store(&l->done, l->got_size);
	return 0;
}

static int packer_read_file(struct packer *p, struct error *e)
{
	struct layer *l = p->l;
	uint64_t at = 0;

	for (;;) {
		size_t want = l->size - at < IN_SIZE ? (size_t)(l->size - at) : IN_SIZE;
		ssize_t n;
		int r;

		if (want == 0)
			return 0;
		n = pread(l->source_fd, p->file_buf, want, (off_t)(l->source_offset + at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(e, -errno, "read");
		if (n == 0)
			return l->size == LAYER_SIZE_UNKNOWN ?
				       0 :
				       error_setf(e, -EBADMSG, "the file is too short");
		r = packer_feed(p, p->file_buf, (size_t)n, e);
		if (r < 0)
			return r;
		at += (uint64_t)n;
	}
}

static int packer_read_queue(struct packer *p, struct error *e)
{
	struct layer *l = p->l;
	bool broken = false;

	for (;;) {
		struct queue_slot *s = queue_take(l->in, &broken);
		int r;

		if (s == NULL)
			return broken ? -EPIPE : 0;
		r = packer_feed(p, s->data, s->len, e);
		queue_release(l->in);
		if (r < 0)
			return r;
	}
}

static int packer_check(struct packer *p, struct error *e)
{
	struct layer *l = p->l;
	char diff_id[DIGEST_TEXT_SIZE];
	int r;

	digest_text(p->packed, l->got_digest);
	if (l->size != LAYER_SIZE_UNKNOWN && l->got_size != l->size)
		return error_setf(e, -EBADMSG,
				  "%llu bytes instead of the %llu that the manifest says",
				  (unsigned long long)l->got_size, (unsigned long long)l->size);
	if (l->digest[0] != '\0' && strcmp(l->digest, l->got_digest) != 0)
		return error_setf(e, -EBADMSG, "digest mismatch: the content is %s", l->got_digest);
	if (!l->want_tree)
		return 0;
	r = decompress_end(p->d, e);
	if (r < 0)
		return r;
	sink_flush(p);
	if (decompress_kind(p->d) == DECOMPRESS_PLAIN)
		memcpy(diff_id, l->got_digest, sizeof(l->got_digest));
	else
		digest_text(p->plain, diff_id);
	if (strcmp(diff_id, l->diff_id) != 0)
		return error_setf(
			e, -EBADMSG,
			"digest mismatch: the unpacked layer is %s, the image config says %s",
			diff_id, l->diff_id);
	return 0;
}

static void thread_ends(struct layer *l)
{
	if (atomic_fetch_sub(&l->running, 1) == 1) {
		atomic_store(&l->finished, true);
		l->wake(l->wake_data);
	}
}

static void *packed_main(void *data)
{
	struct layer *l = data;
	struct packer p = { .l = l, .blob_fd = -1 };
	char name[96];
	int r;

	r = packer_init(&p, &l->error);
	if (r == 0)
		r = l->from_queue ? packer_read_queue(&p, &l->error) :
				    packer_read_file(&p, &l->error);
	if (r == 0)
		r = packer_check(&p, &l->error);
	if (r == 0 && p.blob_fd >= 0 && l->digest[0] == '\0') {
		(void)snprintf(name, sizeof(name), "blobs/sha256/%.64s",
			       l->got_digest + 7); /* fits */
		if (renameat(l->txn_fd, p.blob_name, l->txn_fd, name) < 0)
			r = error_set(&l->error, -errno, "rename blob file %s", p.blob_name);
	}
	if (r < 0 && l->error.code == 0)
		l->error.code = r; /* -EPIPE: the reason is the neighbour's */
	if (l->out != NULL)
		queue_end(l->out, r < 0);
	if (l->in != NULL)
		queue_leave(l->in);
	packer_fini(&p);
	thread_ends(l);
	return NULL;
}

/* Source of the tar reader: the output queue. */
struct tree_source {
	struct queue *q;
	bool held;
	bool broken;
};

static ssize_t tree_read(void *data, const void **ret, struct error *e)
{
	struct tree_source *s = data;
	struct queue_slot *slot;

	if (s->held)
		queue_release(s->q);
	slot = queue_take(s->q, &s->broken);
	s->held = slot != NULL;
	if (slot == NULL && s->broken)
		return error_setf(e, -EPIPE, "the stream broke off");
	if (slot == NULL)
		return 0;
	*ret = slot->data;
	return (ssize_t)slot->len;
}

static int tree_apply(struct layer *l, struct tree_source *src, int fs_fd, struct error *e)
{
	struct tar_reader *t = NULL;
	struct apply *a = NULL;
	const struct tar_entry *n;
	const void *rest;
	ssize_t got;
	int r;

	r = tar_new(tree_read, NULL, src, &t);
	if (r == 0)
		r = apply_new(fs_fd, &l->apply, &a);
	if (r < 0) {
		(void)error_set(e, r, "unpack a layer");
		goto out;
	}
	while ((r = tar_next(t, &n, e)) > 0) {
		r = apply_entry(a, t, n, e);
		if (r < 0)
			goto out;
	}
	if (r == 0)
		r = apply_finish(a, e);
	if (r == 0) {
		l->tree_size = apply_size(a);
		l->tree_exact = apply_size_is_exact(a);
		l->notes = apply_notes(a);
		/* what follows the archive belongs to the digest */
		while ((got = tree_read(src, &rest, e)) > 0)
			;
		r = got < 0 ? (int)got : 0;
	}
out:
	apply_free(a);
	tar_free(t);
	return r;
}

static int tree_open(struct layer *l, struct error *e)
{
	char name[96];
	int fd;

	(void)snprintf(name, sizeof(name), "layers/%.64s", l->diff_id + 7); /* fits */
	if (mkdirat(l->txn_fd, name, 0700) < 0)
		return error_set(e, -errno, "create %s", name);
	(void)snprintf(name, sizeof(name), "layers/%.64s/fs", l->diff_id + 7); /* fits */
	if (mkdirat(l->txn_fd, name, 0755) < 0)
		return error_set(e, -errno, "create %s", name);
	fd = openat(l->txn_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_set(e, -errno, "open %s", name) : fd;
}

static void *tree_main(void *data)
{
	struct layer *l = data;
	struct tree_source src = { .q = l->out };
	_cleanup_fd_ int fs_fd = tree_open(l, &l->tree_error);
	int r = fs_fd < 0 ? fs_fd : tree_apply(l, &src, fs_fd, &l->tree_error);

	if (r < 0 && l->tree_error.code == 0)
		l->tree_error.code = r;
	queue_leave(l->out);
	thread_ends(l);
	return NULL;
}

static void layer_release(struct layer *l)
{
	queue_free(l->in);
	queue_free(l->out);
	l->in = l->out = NULL;
}

int layer_start(struct layer *l, struct error *e)
{
	int r = 0;

	if (l->from_queue)
		r = queue_new(IN_SLOTS, IN_SIZE, l->wake, l->wake_data, &l->in);
	if (r == 0 && l->want_tree)
		r = queue_new(OUT_SLOTS, OUT_SIZE, NULL, NULL, &l->out);
	if (r < 0) {
		layer_release(l);
		return error_set(e, r, "unpack a layer");
	}
	atomic_store(&l->running, l->want_tree ? 2 : 1);
	if (l->want_tree) {
		r = pthread_create(&l->tree_thread, NULL, tree_main, l);
		l->tree_started = r == 0;
	}
	if (r == 0) {
		r = pthread_create(&l->packed_thread, NULL, packed_main, l);
		l->packed_started = r == 0;
	}
	if (r != 0) {
		if (l->tree_started) {
			queue_end(l->out, true);
			(void)pthread_join(l->tree_thread, NULL); /* our own joinable thread */
		}
		l->tree_started = false;
		layer_release(l);
		return error_set(e, -r, "start a thread");
	}
	return 0;
}

void layer_cancel(struct layer *l)
{
	if (l->in != NULL)
		queue_end(l->in, true);
	if (l->out != NULL)
		queue_leave(l->out);
}

int layer_join(struct layer *l)
{
	if (l->packed_started)
		(void)pthread_join(l->packed_thread, NULL); /* our own joinable threads */
	if (l->tree_started)
		(void)pthread_join(l->tree_thread, NULL);
	l->packed_started = l->tree_started = false;
	if (l->tree_error.code < 0 && l->tree_error.code != -EPIPE &&
	    (l->error.code == 0 || l->error.code == -EPIPE))
		l->error = l->tree_error;
	layer_release(l);
	return l->error.code;
}
