/* SPDX-License-Identifier: Apache-2.0 */
/* Private to storage/: the open store, the names inside it, and what its files ask of each other. */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/json.h"
#include "storage/storage.h"

#define STORE_VERSION "1"
#define STORE_PATH_MAX \
	512 /* longest name that we build below the root: directory + 64 digits + file */
#define STORE_LOCK_MS \
	60000 /* a lock of the store is held for milliseconds; longer is a hung process */
#define STORE_SHA256 "sha256:"
#define STORE_HEX    64

struct storage {
	char *root;  /* absolute path */
	int root_fd; /* O_RDONLY|O_DIRECTORY; -1 when the store does not exist */
	/* Read-only stores beside it, in the order in which they are asked (extra.c). */
	struct storage **extra;
	size_t extra_n;
	bool extra_loaded;
	bool is_extra; /* this is one of them: nothing in it is ever changed */
	bool is_podman;
};

/* ---- store.c ---------------------------------------------------------------- */

/* Format a name below the root. 0 or -ENAMETOOLONG. */
int store_rel(char ret[STORE_PATH_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* -EROFS style refusal of a verb that needs a store where there is none. */
int store_need(const struct storage *s, struct error *e);
/* Sixteen random digits for temporary names. 0 or -errno. */
int store_token(char ret[17]);
/*
 * Move dir_fd/name into trash/ under a new name. ret_name (may be NULL, room
 * for 17 bytes) is that name. -ENOENT when it is gone already. 0 or -errno.
 */
int store_trash(struct storage *s, int dir_fd, const char *name, char *ret_name, struct error *e);
/* Move to trash/ and delete what we may of it. Best effort: storage_trash_empty() does the rest. 0 or -errno of the move. */
int store_discard(struct storage *s, int dir_fd, const char *name, struct error *e);
/* Is there a transaction whose owner lives? Stale ones go to trash on the way. */
bool store_txn_live(struct storage *s, const char *except);
/*
 * Is -errno one of a document that is missing or nonsense, and will be tomorrow? Any other failure is
 * one of the machine (input/output, memory, descriptors) and says nothing about what is stored.
 */
bool store_is_damage(int r);
/* Directory without entries, from its link count alone where the file system counts links. */
bool store_dir_is_empty(const struct storage *s, const char *name);

/* ---- txn.c ------------------------------------------------------------------ */

const char *txn_name(const struct storage_txn *t); /* below tmp/; borrowed */

/* ---- blob.c ----------------------------------------------------------------- */

/* Digits of a valid "sha256:<hex>", NULL otherwise. Borrowed. */
const char *blob_hex(const char *digest);
/* Read a whole small blob (manifest, config) of the store or, first, of a transaction (txn_fd >= 0). */
int blob_read(struct storage *s, int txn_fd, const char *digest, char **ret, size_t *ret_len,
	      struct error *e);
/* It is certainly not in the store; an error of the file system does not say so. */
bool blob_is_gone(const struct storage *s, const char *digest);
/* Is it a regular file below dir_fd/blobs/sha256? */
bool blob_exists_at(int dir_fd, const char *digest);

/* ---- layer.c ---------------------------------------------------------------- */

/* Is layers/<hex>/fs a real directory below dir_fd? */
bool layer_exists_at(int dir_fd, const char *diff_id);
/* Unpacked bytes as crt-fetch noted them in layers/<hex>/size below dir_fd; 0 when unknown. */
uint64_t layer_size_at(int dir_fd, const char *diff_id);

/* As above, and *ret_exact: the bytes are those that the files must have (storage/check.c compares). */
uint64_t layer_size_exact_at(int dir_fd, const char *diff_id, bool *ret_exact);

/* ---- index.c: oci/index.json ------------------------------------------------- */

#define INDEX_REF_NAME "org.opencontainers.image.ref.name"
#define INDEX_UNPACKED "crt.unpacked-size"

/* The lock under which index.json, blobs and layers change. fd or -errno. */
int index_lock(struct storage *s, struct error *e);
/* New reference of a list without images. NULL = -ENOMEM. */
json_t *index_new(void);
/* New reference; an empty document where the file is missing. Entries that are no usable image are dropped. */
int index_load(struct storage *s, json_t **ret, struct error *e);
/* Replace the file durably. 0 or -errno. */
int index_save(struct storage *s, const json_t *index, struct error *e);
size_t index_count(const json_t *index);
const char *index_digest(const json_t *index, size_t i); /* never NULL */
const char *index_name(const json_t *index, size_t i);	 /* NULL = dangling */
uint64_t index_unpacked(const json_t *index, size_t i);
void index_drop(json_t *index, size_t i);
/* Take the name from an entry; without one it stays only when the image has no other entry. */
void index_unname(json_t *index, size_t i);
/* Drop the entries whose manifest blob is not in the store. True when something was dropped. */
bool index_prune(struct storage *s, json_t *index);
/* Give digest this name (NULL: keep it as a dangling image). The name leaves its former owner. 0 or -ENOMEM. */
int index_put(json_t *index, const char *digest, const char *media_type, size_t size,
	      uint64_t unpacked, const char *name);

/* ---- image.c ---------------------------------------------------------------- */

/*
 * Which image of the list a user's text means: its manifest digest, and the name that it was
 * found by (NULL: by id or digest). Caller frees both. As storage_image_resolve().
 */
int image_find(struct storage *s, const json_t *index, const char *text, char **ret_digest,
	       char **ret_name, struct error *e);

/* The same by its names only; digest and name are borrowed from the index. */
int image_find_name(const json_t *index, const char *text, const char **ret_digest,
		    const char **ret_name, struct error *e);
/* One entry of the list of this store, as storage_image_resolve() gives it. */
int image_read(struct storage *s, const json_t *index, const char *digest,
	       struct storage_image *ret, struct error *e);
/* Images of this store only. */
int image_resolve_in(struct storage *s, const char *text, struct storage_image *ret,
		     struct error *e);
/* Room for cap images in a list that grows. 0 or -ENOMEM. */
int image_list_grow(struct storage_image **list, size_t *cap, size_t n);

/* ---- squash.c: images that are one file ----------------------------------------- */

#define SQUASH_PREFIX "squashfs:"
bool squash_is_reference(const char *text);
int squash_resolve(const char *text, struct storage_image *ret, struct error *e);
/* Those of a store. As storage_image_resolve(); e is left alone when it is not there. */
int squash_find(struct storage *s, const char *text, struct storage_image *ret, struct error *e);
/* Add them to a list. 0 or -errno. */
int squash_list(struct storage *s, struct storage_image **list, size_t *n, size_t *cap,
		struct error *e);
/* With index.lock held. -ENOENT when there is none of this name or id. */
int squash_remove(struct storage *s, const char *text, bool force, struct strv *untagged,
		  struct strv *deleted, struct error *e);

/* ---- extra.c: read-only stores ------------------------------------------------ */

/* Find an image there. As storage_image_resolve(); e is left alone when it is not there. */
int extra_resolve(struct storage *s, const char *text, struct storage_image *ret, struct error *e);
/* Add their images to a list. 0 or -errno. */
int extra_list(struct storage *s, struct storage_image **list, size_t *n, size_t *cap,
	       struct error *e);
void extra_free(struct storage *s);

/* ---- podman.c: a store of podman, read ------------------------------------------ */

int podman_resolve(struct storage *s, const char *text, struct storage_image *ret, struct error *e);
int podman_list(struct storage *s, struct storage_image **list, size_t *n, size_t *cap,
		struct error *e);

/* ---- gc.c ------------------------------------------------------------------- */

/*
 * Mark and sweep, with the index lock held: blobs that no listed image needs
 * are unlinked, layers that neither an image nor a container needs go to
 * trash. Put off while another transaction (not except) runs. 0 or -errno.
 */
int gc_run(struct storage *s, const json_t *index, const char *except, struct error *e);
/* What listed images and containers need: objects used as sets of digests' digits. 0 or -errno. */
int gc_mark(struct storage *s, const json_t *index, json_t *blobs, json_t *layers, struct error *e);
bool gc_is_pending(const struct storage *s);
/* Shared: held while a container is made; exclusive: while layers are swept. fd or -errno. */
int gc_lock(struct storage *s, bool exclusive, struct error *e);

/* ---- container.c -------------------------------------------------------------- */

/* 1 and the full id (caller frees) of some container that was made of this image, 0 = none, -errno. */
int container_using_image(struct storage *s, const char *image_id, char **ret_id, struct error *e);
/* Add the image ids (hex of the config digest) of all containers to the set (an object used as a set). */
int container_mark_images(struct storage *s, json_t *set, struct error *e);

/* ---- overlay/ ----------------------------------------------------------------- */

/* How an overlay is described to the kernel, newest first. */
enum overlay_api {
	OVERLAY_API_FD,	    /* fsconfig with descriptors, Linux 6.13 */
	OVERLAY_API_STRING, /* fsconfig "lowerdir+", Linux 6.5 */
	OVERLAY_API_MOUNT,  /* mount(2), any */
	OVERLAY_API_COUNT
};

/* One overlay mount. All descriptors are O_PATH and borrowed. */
struct overlay_plan {
	const int *lower_fd;   /* HIGHEST FIRST */
	const char **lower;    /* their paths, for FUSE and messages */
	size_t lower_n;	       /* at least 1 */
	int upper_fd, work_fd; /* -1 both = read-only */
	const char *upper, *work;
	bool is_volatile;
	bool squash;		    /* FUSE only: everything is shown as root's */
	const struct id_map *shift; /* FUSE only */
};

/* native.c: mount the kernel's overlay on target_fd; api is the first one to try. 0 or -errno. */
int overlay_native_mount(const struct overlay_plan *p, int target_fd, enum overlay_api api,
			 struct error *e);
/* fuse.c: start fuse-overlayfs on target_fd. 0 or -errno. */
int overlay_fuse_mount(const struct overlay_plan *p, int target_fd, pid_t *ret_pid, int *ret_pid_fd,
		       struct error *e);
/*
 * A detached FUSE mount named for program, served by whoever holds device_fd; open: whoever reaches it
 * may try everything, the server decides. Mount fd or -errno.
 */
int overlay_fuse_make_mount(int device_fd, const char *program, bool read_only, bool open,
			    struct error *e);
/* open /dev/fuse for program. fd or -errno. */
int overlay_fuse_open_device(const char *program, struct error *e);
/* squash.c: mount a SquashFS file on target_fd by squashfuse_ll, which dies with us. 0 or -errno. */
int overlay_squash_mount(const char *path, int target_fd, pid_t *ret_pid, int *ret_pid_fd,
			 struct error *e);
/* Can it be started at all? 0 or -errno with the reason. */
int overlay_fuse_usable(struct error *e);
/* probe.c: what works for this store; the answer is cached in it. A driver, or -errno with the reason. */
int overlay_probe(struct storage *s, char *why, size_t why_len, struct error *e);
/* Forget the cached answer. */
void overlay_probe_forget(struct storage *s);

#endif
