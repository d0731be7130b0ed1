/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking an image in: the transaction directory and its commit.
 *
 * Theory of operation
 *
 * tmp/<boot>-<random>/ holds blobs/sha256/, layers/ and "lock", whose flock
 * says that the owner lives. crt-fetch, a caged process that reads hostile
 * bytes, writes blobs and layers there and nowhere else; the commit takes the
 * directory as something an attacker may have written: names are made from
 * checked digests only, blobs must be regular files and layers real
 * directories (a link would become a view of the host), nothing else is moved.
 *
 * Commit, and what a crash or power cut leaves after each step:
 *   1 manifest and config are read; blobs and layers checked   tmp/ entry, goes to trash
 *   2 syncfs: all data of the transaction is on the disk       the same
 *   3 index.lock; dead entries leave the list                  the same
 *   4 layers and blobs are renamed into place                  unreferenced, swept by the next gc
 *   5 their directories are synced                             the same
 *   6 index.json is replaced, synced                           the image is listed and complete
 *   7 the empty transaction goes to trash                      an empty directory in tmp/ or trash/
 * A failed sync is final for the transaction: the data is not trusted again.
 *
 * Another command may remove layers that the fetcher found in the store and
 * skipped: sweeping is put off while a transaction lives (gc.c), and step 4
 * checks under the lock that everything is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "base/procfs.h"
#include "storage/image/manifest.h"
#include "storage/store.h"

struct storage_txn {
	struct storage *s; /* borrowed */
	char name[64];	   /* below tmp/ */
	int fd;
	int lock_fd;
};

static void txn_free(struct storage_txn *t)
{
	close_fd(&t->fd);
	close_fd(&t->lock_fd);
	free(t);
}

int storage_txn_fd(const struct storage_txn *t)
{
	return t->fd;
}

const char *txn_name(const struct storage_txn *t)
{
	return t->name;
}

/* First eight digits of the boot id: for people who look into tmp/. */
static void boot_prefix(char ret[9])
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	char boot[37] = "00000000";

	if (proc_fd < 0 || procfs_boot_id(proc_fd, boot) < 0)
		memcpy(boot, "00000000", 9);
	memcpy(ret, boot, 8);
	ret[8] = '\0';
}

/* Make and lock the directory. 1, 0 when the boot check of another process took it away, -errno. */
static int txn_make(struct storage_txn *t, int tmp_fd, struct error *e)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256", "layers" };
	struct stat mine, named;

	if (mkdirat(tmp_fd, t->name, 0700) < 0)
		return error_set(e, -errno, "create %s/tmp/%s", t->s->root, t->name);
	t->fd = openat(tmp_fd, t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (t->fd < 0)
		return errno == ENOENT ?
			       0 :
			       error_set(e, -errno, "open %s/tmp/%s", t->s->root, t->name);
	t->lock_fd = lock_file_at(t->fd, "lock", true, STORE_LOCK_MS, e);
	if (t->lock_fd == -ENOENT) { /* it was not only taken away but deleted */
		if (e != NULL)
			*e = ERROR_INIT;
		return 0;
	}
	if (t->lock_fd < 0)
		return error_prefix(e, "%s/tmp/%s", t->s->root, t->name);
	if (fstat(t->fd, &mine) < 0)
		return error_set(e, -errno, "stat %s/tmp/%s", t->s->root, t->name);
	if (fstatat(tmp_fd, t->name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    named.st_ino != mine.st_ino)
		return 0;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (mkdirat(t->fd, dirs[i], 0700) < 0)
			return error_set(e, -errno, "create %s/tmp/%s/%s", t->s->root, t->name,
					 dirs[i]);
	}
	return 1;
}

int storage_txn_begin(struct storage *s, struct storage_txn **ret, struct error *e)
{
	_cleanup_fd_ int tmp_fd = -1;
	struct storage_txn *t;
	char boot[9], token[17];
	int r;

	r = store_need(s, e);
	if (r < 0)
		return r;
	tmp_fd = openat(s->root_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tmp_fd < 0)
		return error_set(e, -errno, "open %s/tmp", s->root);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return error_set(e, -ENOMEM, "begin a transaction");
	t->s = s;
	boot_prefix(boot);
	do {
		t->fd = t->lock_fd = -1;
		r = store_token(token);
		if (r < 0) {
			(void)error_set(e, r, "random name");
			break;
		}
		(void)snprintf(t->name, sizeof(t->name), "%s-%s", boot, token);
		r = txn_make(t, tmp_fd, e);
		if (r <= 0) {
			close_fd(&t->fd);
			close_fd(&t->lock_fd);
		}
	} while (r == 0);
	if (r < 0) {
		(void)store_trash(s, tmp_fd, t->name, NULL,
				  NULL); /* the boot check does it otherwise */
		txn_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* Give up the directory and t. */
static void txn_dispose(struct storage_txn *t)
{
	_cleanup_fd_ int tmp_fd =
		openat(t->s->root_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (tmp_fd >= 0)
		(void)store_discard(t->s, tmp_fd, t->name,
				    NULL); /* the next boot check does it otherwise */
	txn_free(t);
}

/* A removal that was put off because we were running. */
static void sweep_if_pending(struct storage *s)
{
	_cleanup_fd_ int lock = -1;
	_cleanup_json_ json_t *index = NULL;

	if (!gc_is_pending(s))
		return;
	lock = index_lock(s, NULL);
	if (lock >= 0 && index_load(s, &index, NULL) == 0)
		(void)gc_run(s, index, NULL, NULL); /* the mark stays for the next one */
}

void storage_txn_abort(struct storage_txn *t)
{
	struct storage *s;

	if (t == NULL)
		return;
	s = t->s;
	txn_dispose(t);
	sweep_if_pending(s);
}

/* ---- commit ----------------------------------------------------------------------- */

/* What a commit is about. */
struct ingest {
	const char *digest;
	size_t manifest_len;
	struct image_manifest manifest;
	struct image_config config;
	uint64_t unpacked;
};

static void ingest_fini(struct ingest *in)
{
	image_manifest_fini(&in->manifest);
	image_config_fini(&in->config);
}

static int ingest_read(struct storage_txn *t, struct ingest *in, struct error *e)
{
	_cleanup_free_ char *manifest = NULL;
	_cleanup_free_ char *config = NULL;
	size_t config_len = 0;
	int r;

	r = blob_read(t->s, t->fd, in->digest, &manifest, &in->manifest_len, e);
	if (r == 0)
		r = image_manifest_parse(manifest, in->manifest_len, "manifest", &in->manifest, e);
	if (r < 0)
		return r;
	r = blob_read(t->s, t->fd, in->manifest.config, &config, &config_len, e);
	if (r == 0)
		r = image_config_parse(config, config_len, "image config", &in->config, e);
	if (r < 0)
		return r;
	if (in->manifest.layers.n != in->config.diff_ids.n)
		return error_setf(e, -EBADMSG, "the manifest has %zu layers, the image config %zu",
				  in->manifest.layers.n, in->config.diff_ids.n);
	return 0;
}

/* Every layer is in the transaction or in the store; adds up the sizes. */
static int ingest_check(struct storage_txn *t, struct ingest *in, struct error *e)
{
	in->unpacked = 0;
	for (size_t i = 0; i < in->config.diff_ids.n; i++) {
		const char *id = in->config.diff_ids.v[i];
		int dir_fd = layer_exists_at(t->fd, id) ? t->fd : t->s->root_fd;

		if (dir_fd != t->fd && !layer_exists_at(dir_fd, id))
			return error_setf(
				e, -ENOENT,
				"layer %zu (%.19s...) is not there: another command removed it meanwhile, "
				"or the fetcher failed; try again",
				i, id);
		if (__builtin_add_overflow(in->unpacked, layer_size_at(dir_fd, id), &in->unpacked))
			in->unpacked = UINT64_MAX;
	}
	if (in->unpacked == 0)
		in->unpacked = in->manifest.packed;
	return 0;
}

/*
 * Rename dir/hex of the transaction into the store, unless the store has it.
 * 0, -ENOENT when neither has it, -errno.
 */
static int move_in(struct storage_txn *t, const char *from_dir, const char *to_dir, const char *hex,
		   struct error *e)
{
	char from[STORE_PATH_MAX], to[STORE_PATH_MAX];
	struct stat st;

	if (store_rel(from, "%s/%s", from_dir, hex) < 0 || store_rel(to, "%s/%s", to_dir, hex) < 0)
		return error_set(e, -ENAMETOOLONG, "%s", hex);
	if (fstatat(t->s->root_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (renameat(t->fd, from, t->s->root_fd, to) < 0)
		return error_set(e, -errno, "move %s into %s/%s", from, t->s->root, to_dir);
	return 0;
}

static int move_blob(struct storage_txn *t, const char *digest, struct error *e)
{
	return move_in(t, "blobs/sha256", "oci/blobs/sha256", blob_hex(digest), e);
}

static int sync_dir(struct storage *s, const char *name, struct error *e)
{
	_cleanup_fd_ int fd =
		openat(s->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_set(e, -errno, "sync %s/%s", s->root, name);
	return 0;
}

static int move_all(struct storage_txn *t, const struct ingest *in, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->config.diff_ids.n; i++)
		r = move_in(t, "layers", "layers", blob_hex(in->config.diff_ids.v[i]), e);
	/* The packed layers need not have been kept. */
	for (size_t i = 0; r == 0 && i < in->manifest.layers.n; i++) {
		if (blob_exists_at(t->fd, in->manifest.layers.v[i]))
			r = move_blob(t, in->manifest.layers.v[i], e);
	}
	if (r == 0)
		r = move_blob(t, in->manifest.config, e);
	if (r == 0)
		r = move_blob(t, in->digest, e);
	if (r == 0)
		r = sync_dir(t->s, "layers", e);
	if (r == 0)
		r = sync_dir(t->s, "oci/blobs/sha256", e);
	return r;
}

static int put_names(json_t *index, const struct ingest *in, const struct storage_commit *image,
		     struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < (image->names.n > 0 ? image->names.n : 1); i++)
		r = index_put(index, in->digest, in->manifest.media_type, in->manifest_len,
			      in->unpacked, image->names.n > 0 ? image->names.v[i] : NULL);
	return r < 0 ? error_set(e, r, "list of images") : 0;
}

/* Steps 3 to 6. */
static int commit_locked(struct storage_txn *t, struct ingest *in,
			 const struct storage_commit *images, size_t n, struct error *e)
{
	_cleanup_json_ json_t *index = NULL;
	int r;

	r = index_load(t->s, &index, e);
	if (r < 0)
		return r;
	(void)index_prune(t->s, index);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = ingest_check(t, &in[i], e);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = move_all(t, &in[i], e);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = put_names(index, &in[i], &images[i], e);
	return r < 0 ? r : index_save(t->s, index, e);
}

int storage_txn_commit_all(struct storage_txn *t, const struct storage_commit *images, size_t n,
			   struct error *e)
{
	struct ingest *in = calloc(n + 1, sizeof(*in));
	struct storage *s = t->s;
	int r = in != NULL ? 0 : error_set(e, -ENOMEM, "commit images");

	for (size_t i = 0; r == 0 && i < n; i++) {
		in[i].digest = images[i].digest;
		r = ingest_read(t, &in[i], e);
		if (r == 0)
			r = ingest_check(t, &in[i], e);
	}
	if (r == 0 && syncfs(t->fd) < 0)
		r = error_set(e, -errno, "sync %s", s->root);
	if (r == 0) {
		_cleanup_fd_ int lock = index_lock(s, e);

		r = lock < 0 ? lock : commit_locked(t, in, images, n, e);
	}
	for (size_t i = 0; in != NULL && i < n; i++)
		ingest_fini(&in[i]);
	free(in);
	txn_dispose(t);
	sweep_if_pending(s);
	return r;
}

int storage_txn_commit(struct storage_txn *t, const char *manifest_digest, char *const *names,
		       size_t names_n, struct error *e)
{
	/* both are only read */
	const struct storage_commit one = { .digest = (char *)(uintptr_t)manifest_digest,
					    .names = { .v = (char **)(uintptr_t)names,
						       .n = names_n } };

	return storage_txn_commit_all(t, &one, 1, e);
}
