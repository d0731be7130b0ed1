/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main of the crt-pack executable.
 *
 * Theory of operation
 *
 * A layer: the tree is walked once; its archive goes to three places at the same time, which
 * are threads with bounded queues between them:
 *
 *   main     tree -> tar, digest of it (the diff-id)
 *   blob     tar -> gzip -> digest, blob file
 *   tree     tar -> files, exactly as a pull of the blob would make them
 *
 * The names of blob and layer are their digests, which are known at the end: both are written
 * under other names in the transaction and renamed. A crash leaves a part of a transaction,
 * which the next start throws away.
 *
 * An archive: one thread reads and inflates it, main makes the files.
 *
 * The tree is that of a container, the archive anybody's: all of this happens in the cage
 * (unpack/cage.c), with one directory to write to and nothing else to reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "storage/fetch-proto.h"
#include "storage/pack/helper-proto.h"
#include "storage/storage.h"
#include "storage/unpack/apply.h"
#include "storage/unpack/cage.h"
#include "storage/unpack/decompress.h"
#include "storage/unpack/digest.h"
#include "storage/unpack/queue.h"

#define SLOTS	  6
#define SLOT_SIZE (512u << 10)
#define PART_BLOB "blobs/sha256/part"
#define PART_TREE "layers/part"

/* A queue's slots, filled one after the other. */
struct feed {
	struct queue *q;
	struct queue_slot *slot;
};

static unsigned char *feed_room(void *data, size_t *ret_cap)
{
	struct feed *f = data;

	if (f->slot == NULL)
		f->slot = queue_claim(f->q, true);
	if (f->slot == NULL)
		return NULL;
	*ret_cap = f->slot->cap - f->slot->len;
	return f->slot->data + f->slot->len;
}

static void feed_flush(struct feed *f)
{
	if (f->slot == NULL || f->slot->len == 0)
		return;
	f->slot = NULL;
	queue_publish(f->q);
}

static void feed_done(void *data, size_t len)
{
	struct feed *f = data;

	f->slot->len += len;
	if (f->slot->len == f->slot->cap)
		feed_flush(f);
}

/* -EPIPE when the consumer is gone. */
static int feed_bytes(struct feed *f, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		size_t cap, n;
		unsigned char *room = feed_room(f, &cap);

		if (room == NULL)
			return -EPIPE;
		n = len < cap ? len : cap;
		memcpy(room, p, n);
		feed_done(f, n);
		p += n;
		len -= n;
	}
	return 0;
}

/* A queue as the source of the tar reader. */
struct drain {
	struct queue *q;
	bool held, broken;
};

static ssize_t drain_read(void *data, const void **ret, struct error *e)
{
	struct drain *d = data;
	struct queue_slot *slot;

	if (d->held)
		queue_release(d->q);
	slot = queue_take(d->q, &d->broken);
	d->held = slot != NULL;
	if (slot == NULL && d->broken)
		return error_setf(e, -EPIPE, "the stream broke off");
	if (slot == NULL)
		return 0;
	*ret = slot->data;
	return (ssize_t)slot->len;
}

/* Every entry of the queue's archive into dir_fd, to the end of the stream. */
static int apply_all(struct queue *q, int dir_fd, const struct apply_options *o, uint64_t *ret_size,
		     unsigned int *ret_notes, struct error *e)
{
	struct drain d = { .q = q };
	struct tar_reader *t = NULL;
	struct apply *a = NULL;
	const struct tar_entry *n;
	const void *rest;
	int r;

	r = tar_new(drain_read, NULL, &d, &t);
	if (r == 0)
		r = apply_new(dir_fd, o, &a);
	if (r < 0) {
		(void)error_set(e, r, "unpacking");
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
		ssize_t got;

		while ((got = drain_read(&d, &rest, e)) > 0)
			;
		r = (int)got;
		*ret_size = apply_size(a);
		*ret_notes = apply_notes(a);
	}
out:
	queue_leave(q);
	apply_free(a);
	tar_free(t);
	return r;
}

/* ---- a layer ------------------------------------------------------------------------------- */

static const struct id_map all_ids = { .uid = NULL };

struct layer_job {
	int txn_fd, tree_fd;
	bool keep_ids;
	struct feed to_blob, to_tree;
	struct digest *plain;

	/* the blob thread's */
	struct digest *packed;
	uint64_t blob_size;
	struct error blob_error;

	/* the tree thread's */
	uint64_t tree_size;
	unsigned int notes;
	struct error tree_error;
};

static int write_blob(struct layer_job *j, int fd, const unsigned char *bytes, size_t len,
		      struct error *e)
{
	int r = fd_write_all(fd, bytes, len);

	digest_add(j->packed, bytes, len);
	j->blob_size += len;
	return r < 0 ? error_set(e, r, "writing the layer's blob") : 0;
}

static int deflate_all(struct layer_job *j, struct isal_zstream *z, unsigned char *out, int fd,
		       struct error *e)
{
	bool broken = false, last = false;
	int r = 0;

	while (r == 0 && !last) {
		struct queue_slot *slot = queue_take(j->to_blob.q, &broken);

		last = slot == NULL;
		if (last && broken)
			return error_setf(e, -EPIPE, "the stream broke off");
		z->next_in = last ? NULL : slot->data;
		z->avail_in = last ? 0 : (uint32_t)slot->len;
		z->end_of_stream = last;
		do {
			z->next_out = out;
			z->avail_out = SLOT_SIZE;
			if (isal_deflate(z) != COMP_OK)
				r = error_setf(e, -EIO, "compressing failed");
			if (r == 0)
				r = write_blob(j, fd, out, SLOT_SIZE - z->avail_out, e);
		} while (r == 0 && z->avail_out == 0);
		if (!last)
			queue_release(j->to_blob.q);
	}
	return r;
}

static void *blob_main(void *data)
{
	struct layer_job *j = data;
	struct error *e = &j->blob_error;
	_cleanup_free_ struct isal_zstream *z = malloc(sizeof(*z));
	_cleanup_free_ unsigned char *out = malloc(SLOT_SIZE);
	_cleanup_free_ unsigned char *level = malloc(ISAL_DEF_LVL1_DEFAULT);
	_cleanup_fd_ int fd = openat(j->txn_fd, PART_BLOB,
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		(void)error_set(e, -errno, "creating the layer's blob");
	} else if (z == NULL || out == NULL || level == NULL) {
		(void)error_set(e, -ENOMEM, "compressing");
	} else {
		isal_deflate_init(z);
		z->gzip_flag = IGZIP_GZIP;
		z->level = 1;
		z->level_buf = level;
		z->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
		(void)deflate_all(j, z, out, fd, e); /* e says it */
	}
	queue_leave(j->to_blob.q);
	return NULL;
}

static void *tree_main(void *data)
{
	struct layer_job *j = data;
	const struct apply_options o = { .keep_ids = j->keep_ids, .map = &all_ids };
	_cleanup_fd_ int fd = -1;
	struct error *e = &j->tree_error;

	if (mkdirat(j->txn_fd, PART_TREE, 0700) < 0 ||
	    mkdirat(j->txn_fd, PART_TREE "/fs", 0755) < 0 ||
	    (fd = openat(j->txn_fd, PART_TREE "/fs",
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		(void)error_set(e, -errno, "creating the layer's tree");
	else
		(void)apply_all(j->to_tree.q, fd, &o, &j->tree_size, &j->notes, e); /* e says it */
	queue_leave(j->to_tree.q);
	return NULL;
}

static int layer_write(void *data, const void *bytes, size_t len, struct error *e)
{
	struct layer_job *j = data;

	digest_add(j->plain, bytes, len);
	if (feed_bytes(&j->to_blob, bytes, len) < 0 || feed_bytes(&j->to_tree, bytes, len) < 0)
		return error_setf(e, -EPIPE, "the stream broke off");
	return 0;
}

/* The place of --init's program is made by every run and is nobody's file. */
static int leave_out(void *data, const char *path, struct storage_pack_meta *m, struct error *e)
{
	(void)data;
	(void)e;
	return S_ISREG(m->type) && strcmp(path, "run/crt-init") == 0;
}

/* Walk the tree with both threads at work. */
static int layer_run(struct layer_job *j, struct error *e)
{
	struct storage_pack p = {
		.root_fd = j->tree_fd,
		.is_layer = true,
		.use_override = true,
		.hook = leave_out,
		.write = layer_write,
		.write_data = j,
	};
	struct stat st;
	pthread_t blob, tree;
	int r;

	if (fstat(j->tree_fd, &st) < 0)
		return error_set(e, -errno, "looking at the tree");
	/* that of a container that never ran has no mode yet (storage/container.c) */
	p.with_top = (st.st_mode & 07777) != 0;
	if (pthread_create(&blob, NULL, blob_main, j) != 0)
		return error_set(e, -EAGAIN, "starting a thread");
	if (pthread_create(&tree, NULL, tree_main, j) != 0) {
		queue_end(j->to_blob.q, true);
		(void)pthread_join(blob, NULL); /* our own joinable thread */
		return error_set(e, -EAGAIN, "starting a thread");
	}
	r = storage_pack(&p, e);
	if (r == 0) {
		feed_flush(&j->to_blob);
		feed_flush(&j->to_tree);
	}
	queue_end(j->to_blob.q, r < 0);
	queue_end(j->to_tree.q, r < 0);
	(void)pthread_join(blob, NULL); /* our own joinable threads */
	(void)pthread_join(tree, NULL);
	if (r < 0 && r != -EPIPE)
		return r;
	if (j->tree_error.code < 0 && j->tree_error.code != -EPIPE)
		*e = j->tree_error;
	else if (j->blob_error.code < 0)
		*e = j->blob_error;
	else if (j->tree_error.code < 0)
		*e = j->tree_error;
	else
		return r;
	return e->code;
}

/* Give blob and tree their names. */
static int layer_name(struct layer_job *j, const char *digest, const char *diff_id, struct error *e)
{
	char name[96], size[32];
	int r;

	(void)snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest + 7); /* fits */
	if (renameat(j->txn_fd, PART_BLOB, j->txn_fd, name) < 0)
		return error_set(e, -errno, "naming the layer's blob");
	(void)snprintf(size, sizeof(size), "%llu\n", (unsigned long long)j->tree_size); /* fits */
	r = fd_create_file_at(j->txn_fd, PART_TREE "/size", size, strlen(size), 0600, e);
	if (r == 0 && (j->notes & (1u << APPLY_NOTE_MARK)) != 0)
		r = fd_create_file_at(j->txn_fd, PART_TREE "/" STAND_INS, "", 0, 0600, e);
	(void)snprintf(name, sizeof(name), "layers/%.64s", diff_id + 7); /* fits */
	if (r == 0 && renameat(j->txn_fd, PART_TREE, j->txn_fd, name) < 0)
		r = error_set(e, -errno, "naming the layer's tree");
	return r;
}

static int make_layer(const json_t *request, json_t **ret, struct error *e)
{
	struct layer_job j = {
		.txn_fd = HELPER_FD_DIR,
		.tree_fd = HELPER_FD_SOURCE,
		.keep_ids = json_is_true(json_object_get(request, "keep_ids")),
	};
	char digest[DIGEST_TEXT_SIZE], diff_id[DIGEST_TEXT_SIZE];
	int r = cage_enter(&j.txn_fd, &j.tree_fd, false, e);

	if (r < 0)
		return r;
	if (digest_new(&j.plain) < 0 || digest_new(&j.packed) < 0 ||
	    queue_new(SLOTS, SLOT_SIZE, NULL, NULL, &j.to_blob.q) < 0 ||
	    queue_new(SLOTS, SLOT_SIZE, NULL, NULL, &j.to_tree.q) < 0)
		return error_set(e, -ENOMEM, "packing");
	r = layer_run(&j, e);
	if (r == 0) {
		digest_text(j.packed, digest);
		digest_text(j.plain, diff_id);
		r = layer_name(&j, digest, diff_id, e);
	}
	if (r == 0)
		*ret = json_pack("{s:i,s:I,s:s,s:s,s:I}", "code", 0, "notes", (json_int_t)j.notes,
				 "diff_id", diff_id, "digest", digest, "size",
				 (json_int_t)j.blob_size);
	queue_free(j.to_blob.q);
	queue_free(j.to_tree.q);
	digest_free(j.plain);
	digest_free(j.packed);
	return r;
}

/* ---- an archive ----------------------------------------------------------------------------------- */

struct untar_job {
	int fd;
	struct feed to_tree;
	struct error error;
};

static int inflate_all(struct untar_job *j, struct decompress *d, unsigned char *buffer,
		       struct error *e)
{
	for (;;) {
		ssize_t n = read(j->fd, buffer, SLOT_SIZE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(e, -errno, "reading the archive");
		r = n == 0 ? decompress_end(d, e) : decompress_feed(d, buffer, (size_t)n, e);
		if (r < 0 || n == 0)
			return r;
	}
}

static void *inflate_main(void *data)
{
	struct untar_job *j = data;
	const struct decompress_sink sink = { .room = feed_room,
					      .done = feed_done,
					      .data = &j->to_tree };
	_cleanup_free_ unsigned char *buffer = malloc(SLOT_SIZE);
	struct decompress *d = NULL;
	int r = -ENOMEM;

	if (buffer == NULL || decompress_new(&sink, &d) < 0)
		(void)error_set(&j->error, r, "reading the archive");
	else
		r = inflate_all(j, d, buffer, &j->error);
	if (r < 0 && j->error.code == 0)
		j->error.code = r; /* -EPIPE: the reason is the other's */
	if (r == 0)
		feed_flush(&j->to_tree);
	queue_end(j->to_tree.q, r < 0);
	decompress_free(d);
	return NULL;
}

static uint32_t id_of(const json_t *request, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(request, key));
}

static int unpack_archive(const json_t *request, json_t **ret, struct error *e)
{
	const struct apply_options o = {
		.keep_ids = json_is_true(json_object_get(request, "keep_ids")),
		.map = &all_ids,
		.is_copy = true,
		.keep_kind = !json_is_true(json_object_get(request, "overwrite")),
		.set_owner = json_is_true(json_object_get(request, "set_owner")),
		.uid = id_of(request, "uid"),
		.gid = id_of(request, "gid"),
	};
	struct untar_job j = { .fd = HELPER_FD_SOURCE };
	struct error sub = ERROR_INIT;
	int dir_fd = HELPER_FD_DIR;
	unsigned int notes = 0;
	uint64_t size = 0;
	pthread_t thread;
	int r = cage_enter_dir(&dir_fd, e);

	if (r < 0)
		return r;
	if (queue_new(SLOTS, SLOT_SIZE, NULL, NULL, &j.to_tree.q) < 0)
		return error_set(e, -ENOMEM, "unpacking");
	if (pthread_create(&thread, NULL, inflate_main, &j) != 0)
		return error_set(e, -EAGAIN, "starting a thread");
	r = apply_all(j.to_tree.q, dir_fd, &o, &size, &notes, &sub);
	if (r < 0 && r != -EPIPE) {
		/* the other one may wait for a pipe that nobody closes: it ends with the process */
		*e = sub;
		return r;
	}
	(void)pthread_join(thread, NULL); /* our own joinable thread */
	if (j.error.code < 0) {
		*e = j.error;
		return r < 0 ? r : j.error.code;
	}
	if (r == 0)
		*ret = json_pack("{s:i,s:I}", "code", 0, "notes", (json_int_t)notes);
	queue_free(j.to_tree.q);
	return r;
}

/* ---- both ---------------------------------------------------------------------------------------------- */

static int serve(json_t **ret, struct error *e)
{
	char message[HELPER_MESSAGE_MAX + 1];
	_cleanup_json_ json_t *request = NULL;
	const char *op;
	size_t no_fds = 0;
	ssize_t n = fd_recv(HELPER_FD_CONTROL, message, sizeof(message) - 1, NULL, &no_fds);

	if (n <= 0)
		return error_set(e, n < 0 ? (int)n : -EPIPE, "reading the request");
	request = json_parse(message, (size_t)n, "request", e);
	op = json_string_value(json_object_get(request, "op"));
	if (op != NULL && strcmp(op, "layer") == 0)
		return make_layer(request, ret, e);
	if (op != NULL && strcmp(op, "untar") == 0)
		return unpack_archive(request, ret, e);
	return error_setf(e, -EINVAL, "an unknown request");
}

int storage_helper_main(void)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_free_ char *text = NULL;
	struct error e = ERROR_INIT;
	struct stat st;
	int r;

	if (fd_sanitize_stdio() < 0 || fstat(HELPER_FD_CONTROL, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		static const char usage[] = "crt-pack: is started by crt, not by hand\n";

		(void)fd_write_all(STDERR_FILENO, usage, sizeof(usage) - 1); /* nobody to tell */
		return 125;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* cannot fail */
	(void)umask(0);
	proc_own_signals();
	r = serve(&answer, &e);
	if (r < 0)
		answer = json_pack("{s:i,s:s}", "code", r, "msg", e.msg);
	text = json_to_text(answer);
	if (text == NULL || fd_send(HELPER_FD_CONTROL, text, strlen(text), NULL, 0) < 0)
		_exit(1);
	/* a thread may wait in read() */
	_exit(r < 0 ? 1 : 0);
}
