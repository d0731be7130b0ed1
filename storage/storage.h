/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The per-user store: images (an OCI image layout), unpacked layers, container
 * records and their writable layers, and the root file system made of them.
 *
 * Layout below the store root (DATA/crt, mode 0700):
 *   version                      format number, refused when newer than ours
 *   oci/oci-layout, oci/index.json, oci/blobs/sha256/<hex>
 *   layers/<diff-id hex>/fs      an unpacked layer, overlay whiteouts (c 0:0, user.overlay.opaque)
 *   containers/<id>/             record.json, upper/, work/, lock ("ID NAME"; held while it runs)
 *   networks/<name>.json         what crt network create made; networks.lock
 *   volumes/<name>/              record.json, _data/ (what containers see), lock, fresh (not used yet)
 *   names/<name>                 hard link to the container's lock
 *   pull.lock                    pulls of one image at the same time wait for each other (fetch.c)
 *   tmp/<boot>-<random>/         one running transaction, held by flock on its "lock" file
 *   skeleton/                    mount points for images that lack them
 *   trash/                       what is being deleted
 *
 * An image is listed only when index.json names it, and index.json is renamed
 * into place last: after blobs and layers were synced. Nothing else is stored
 * that could be derived.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

struct storage; /* an open store */

/*
 * Open the store. root NULL: $CRT_ROOT, else $XDG_DATA_HOME/crt, else
 * $HOME/.local/share/crt, else (no home) the passwd entry's home. create:
 * make it where missing; else a missing store gives a handle that is empty
 * (so that read-only verbs create nothing). Runs the boot check: stale
 * transactions go to trash. 0 or -errno.
 */
int storage_open(const char *root, bool create, struct storage **ret, struct error *e);
void storage_free(struct storage *s);		   /* accepts NULL */
const char *storage_root(const struct storage *s); /* borrowed absolute path */
int storage_root_fd(const struct storage *s);	   /* borrowed; -1 when the store does not exist */
/* Delete what lies in trash/ (needs a process that may: root of the user namespace). Best effort. */
void storage_trash_empty(struct storage *s);
bool storage_trash_pending(const struct storage *s);

/*
 * Images are also found in stores that are only read: a site's directory in our format, made by
 * storage_share(), or one of podman (storage driver overlay). Which: the directories of
 * CRT_IMAGE_STORES (separated by ":"), one a line of image-stores in $XDG_CONFIG_HOME/crt (else
 * ~/.config/crt) and /etc/crt, and additionalimagestores of containers-storage.conf(5). They may
 * belong to anybody, but only their owner may be able to write them. They are opened when an
 * image is not in the first store, or when all are listed.
 */
/* Let everybody run images of this store: root of the user namespace makes what is there readable. */
int storage_share(struct storage *s, struct error *e);
/* Was that done? Then it is to be done again after a pull. */
bool storage_is_shared(const struct storage *s);

/* ---- references ---------------------------------------------------------- */

/* A parsed image reference. Strings are owned; storage_ref_fini(). */
struct storage_ref {
	char *transport; /* "docker" (registry), "oci", "oci-archive", "docker-archive", "dir", "builtin" */
	char *domain;  /* "docker.io"; NULL when the name is short (see short) or not docker */
	char *path;    /* "library/busybox"; file or directory of the other transports */
	char *tag;     /* "latest"; NULL when a digest was given without a tag */
	char *digest;  /* "sha256:<hex>" or NULL */
	bool is_short; /* no domain was written: domain is to be found by registries.conf */
};
void storage_ref_fini(struct storage_ref *r);
/* Strict grammar of distribution/reference; error names the offending part. Pure. */
int storage_ref_parse(const char *text, struct storage_ref *ret, struct error *e);
/* Full text: "docker.io/library/busybox:latest", "localhost/x@sha256:…", "oci:/dir:tag". Caller frees; NULL = -ENOMEM. */
char *storage_ref_text(const struct storage_ref *r);
/*
 * Make the host path of "oci:" and "docker-archive:" absolute (lexically, from
 * the working directory), so that the text means the same in every directory;
 * images are stored under such names and storage_image_resolve() does it too.
 */
int storage_ref_make_absolute(struct storage_ref *r, struct error *e);
/* "sha256:" + 64 lower-case hex digits and nothing else. */
bool storage_digest_valid(const char *digest);

/* ---- images --------------------------------------------------------------- */

struct storage_image {
	char *name; /* the full name that was asked for, else the first, or NULL (dangling) */
	struct strv names; /* all names */
	char *id;	   /* image id: hex of the config digest */
	char *digest;	   /* manifest digest "sha256:…" */
	char *config;	   /* the image config JSON text as stored */
	size_t config_len;
	struct strv layers; /* absolute paths of the layer trees, LOWEST FIRST */
	uint64_t size;	    /* bytes of all unpacked layers as recorded at unpack time */
	char *created;	    /* RFC 3339 or NULL */
	char *architecture, *os;
	bool is_readonly; /* of an additional store: never changed or removed by us */
};
void storage_image_fini(struct storage_image *i);

enum storage_lookup {
	STORAGE_FOUND = 0,
	STORAGE_MISSING = 1,
};
/*
 * Find an image by reference text, full or short name, digest, or (prefix of
 * an) id. A short name matches localhost/NAME, then any stored name whose
 * last components equal it, docker.io/library first. STORAGE_FOUND,
 * STORAGE_MISSING (e says "NAME: image not known"), -EINVAL (bad or ambiguous), -errno.
 */
int storage_image_resolve(struct storage *s, const char *text, struct storage_image *ret,
			  struct error *e);
/*
 * "squashfs:FILE" is an image that is one file outside of the store (storage/squash.c): found
 * without the store; its id is its name, its one layer the file.
 *
 * Complete such a file: fd holds a SquashFS, the image's configuration is written behind it. 0 or -errno.
 */
int storage_squash_finish(int fd, const char *config, size_t len, struct error *e);
/*
 * One that the store keeps as a single file: make a file for it (the caller's, to be completed as above;
 * what is not added is deleted some time later), then list it with the names and the id of image.
 * fd or -errno; 0 or -errno.
 */
#define STORAGE_SQUASH_NAME 32
int storage_squash_create(struct storage *s, char ret_name[STORAGE_SQUASH_NAME], struct error *e);
int storage_squash_add(struct storage *s, int fd, const char *name,
		       const struct storage_image *image, struct error *e);
/* All images, newest first. Caller frees with storage_images_free(). */
int storage_image_list(struct storage *s, struct storage_image **ret, size_t *ret_n,
		       struct error *e);
void storage_images_free(struct storage_image *images, size_t n);
/* How to remove an image; together: with all names, also when a container uses it. */
enum {
	STORAGE_REMOVE_FORCE = 1, /* also when a container uses it; never the layers in use */
	STORAGE_REMOVE_NAMES = 2, /* by id or digest also when it has several names */
};
/*
 * Remove a name, and the image with its unshared blobs and layers when it was
 * the last. -EBUSY names the container that uses it, or says that there are other
 * names. Removed names and ids are added to *untagged and *deleted. The trees go to trash/.
 */
int storage_image_remove(struct storage *s, const char *text, unsigned int how,
			 struct strv *untagged, struct strv *deleted, struct error *e);
/*
 * Give an image further names; a short one becomes localhost/NAME, :latest where no tag is
 * written. A name leaves the image that had it. -ENOENT, -EINVAL (no name), -errno: then
 * none was given.
 */
int storage_image_tag(struct storage *s, const char *text, char *const *names, size_t n,
		      struct error *e);
/* The full name that a user's text means for a new name. Caller frees *ret. 0, -EINVAL, -ENOMEM. */
int storage_name_full(const char *text, char **ret, struct error *e);
/* Take these names (n 0: all) from an image, which stays. -ENOENT: no image, or not its name. */
int storage_image_untag(struct storage *s, const char *text, char *const *names, size_t n,
			struct error *e);
/* Unpacked bytes of a layer as noted when it was unpacked; 0 when unknown. */
uint64_t storage_layer_size(struct storage *s, const char *diff_id);

/* ---- taking an image in (transactions) ------------------------------------ */

/*
 * A running ingest; its directory is exclusively ours. Its sub-directories
 * blobs/sha256 and layers exist already. Beside layers/<diff-id hex>/fs the
 * fetcher may write layers/<diff-id hex>/size: the unpacked bytes as decimal text, and
 * an empty "stand-ins" (rootfs.c).
 */
struct storage_txn;
int storage_txn_begin(struct storage *s, struct storage_txn **ret, struct error *e);
/* O_RDONLY|O_DIRECTORY fd of the transaction: crt-fetch writes blobs/sha256/<hex> and layers/<diff-id hex>/fs below it. */
int storage_txn_fd(const struct storage_txn *t);
/* True when the store holds this blob / this unpacked layer already, so that the fetcher may skip it. */
bool storage_has_blob(struct storage *s, const char *digest);
bool storage_has_layer(struct storage *s, const char *diff_id);
/* Open a stored blob for reading. fd or -errno. */
int storage_open_blob(struct storage *s, const char *digest, struct error *e);
/*
 * Commit: check that manifest, config and all layers are there (in the
 * transaction or the store), sync, rename blobs and layers into place, then
 * record manifest_digest under names (n may be 0: a dangling image). Frees t.
 */
int storage_txn_commit(struct storage_txn *t, const char *manifest_digest, char *const *names,
		       size_t names_n, struct error *e);
/* One of several images of a transaction. */
struct storage_commit {
	char *digest;	   /* of the manifest */
	struct strv names; /* may be empty */
};
/* The same for several: all of them or none. Frees t. */
int storage_txn_commit_all(struct storage_txn *t, const struct storage_commit *images, size_t n,
			   struct error *e);
void storage_txn_abort(struct storage_txn *t); /* moves it to trash and frees; accepts NULL */

/* ---- containers ------------------------------------------------------------ */

/*
 * The record is the caller's JSON object; the store itself reads one key of
 * it, "imageId" (hex of the config digest): that image is not removed without
 * force, and its layers never.
 *
 * Create containers/<id> with upper/ and work/ and the record (JSON text); id is hexadecimal, name may be NULL.
 * durable: fsync. *ret_lock_fd (may be NULL): the lock of storage_container_lock(), held from the
 * instant at which it can be listed. 0, -EEXIST (name taken; e says by whom).
 */
int storage_container_create(struct storage *s, const char *id, const char *name,
			     const char *record_json, bool durable, int *ret_lock_fd,
			     struct error *e);
/* Record and directory entry are on the disk when this returns; for what was created without durable. */
int storage_container_sync(struct storage *s, const char *id, struct error *e);
/* Another name, and the record that says so. 0, -EEXIST (taken; e says by whom), -EINVAL, -errno. */
int storage_container_rename(struct storage *s, const char *id, const char *name,
			     const char *record_json, struct error *e);
/* Replace the record. */
int storage_container_update(struct storage *s, const char *id, const char *record_json,
			     struct error *e);
/*
 * A lock that the keeper holds as long as the container lives; the fd is the
 * lock (inherited over clone). fd or -errno.
 */
int storage_container_lock(struct storage *s, const char *id, struct error *e);
bool storage_container_is_live(struct storage *s, const char *id);
/* Full id of a name, id or unique id prefix. STORAGE_FOUND/MISSING, -EINVAL (ambiguous). Caller frees *ret_id. */
int storage_container_find(struct storage *s, const char *text, char **ret_id, struct error *e);
/* Record text of one. Caller frees. */
int storage_container_record(struct storage *s, const char *id, char **ret_json, struct error *e);
int storage_container_list(struct storage *s, struct strv *ret_ids, struct error *e);
/* A further file of ours beside the record, replaced as a whole; its text (caller frees, -ENOENT). 0 or -errno. */
int storage_container_write(struct storage *s, const char *id, const char *name, const char *text,
			    struct error *e);
int storage_container_read(struct storage *s, const char *id, const char *name, char **ret,
			   struct error *e);
/* O_RDONLY|O_DIRECTORY fd of containers/<id>, for further files such as logs. fd or -errno. */
int storage_container_open(struct storage *s, const char *id, struct error *e);
/*
 * Remove the writable layer and the record. Works for a process that may
 * delete the files directly (root of the namespace); else they go to trash/.
 */
int storage_container_remove(struct storage *s, const char *id, struct error *e);

/* ---- networks: definitions of user-defined ones, JSON text of the caller's --------- */

/*
 * Held exclusively over "there is no such name or subnet" and the writing, and over "no record
 * names it" and the removal; shared over "it is there" and the record of a container. fd or -errno.
 */
int storage_network_lock(struct storage *s, bool exclusive, struct error *e);
int storage_network_write(struct storage *s, const char *name, const char *json, struct error *e);
/* STORAGE_FOUND, STORAGE_MISSING (no words) or -errno. */
int storage_network_read(struct storage *s, const char *name, char **ret_json, struct error *e);
int storage_network_list(struct storage *s, struct strv *ret_names, struct error *e); /* sorted */
int storage_network_remove(struct storage *s, const char *name, struct error *e);

/* ---- volumes ----------------------------------------------------------------- */

/*
 * Held shared while a volume is looked for or made and until the record of a
 * container names it; exclusive while it is removed because none does. fd or -errno.
 */
int storage_volume_lock(struct storage *s, bool exclusive, struct error *e);
/* Make an empty volume with this record (JSON text, the caller's). -EEXIST when there is one. */
int storage_volume_create(struct storage *s, const char *name, const char *record_json,
			  struct error *e);
/* Name, or unique beginning of one. STORAGE_FOUND/MISSING, -EINVAL (ambiguous). Caller frees. */
int storage_volume_find(struct storage *s, const char *text, char **ret_name, struct error *e);
int storage_volume_list(struct storage *s, struct strv *ret_names, struct error *e); /* sorted */
/* Record text of one, -ENOENT. Caller frees. */
int storage_volume_record(struct storage *s, const char *name, char **ret_json, struct error *e);
/* The absolute path of its data, whether it exists or not. Caller frees; NULL = -ENOMEM. */
char *storage_volume_path(const struct storage *s, const char *name);
/* O_RDONLY fd of its data. */
int storage_volume_open(struct storage *s, const char *name, struct error *e);
bool storage_volume_is_fresh(struct storage *s, const char *name); /* no container used it yet */
/*
 * 1: this is the first use: the volume is empty (what an interrupted first use left was
 * removed) and locked; fill it, call storage_volume_used(), close the lock. 0: it was
 * used before, *ret_lock_fd is untouched.
 */
int storage_volume_first_use(struct storage *s, const char *name, int *ret_lock_fd,
			     struct error *e);
int storage_volume_used(struct storage *s, const char *name, struct error *e);
/* As storage_container_remove(). -ENOENT. */
int storage_volume_remove(struct storage *s, const char *name, struct error *e);

/*
 * Copy what lies below one directory into another, empty one, with owners, modes and
 * times, those of the directory itself too. No link is followed. Owners that the
 * caller's user namespace does not map, devices and sockets are left out. 0 or -errno.
 */
int storage_tree_copy(int from_fd, int to_fd, struct error *e);
/* Give a directory and all below it another owner. No link is followed. */
int storage_tree_chown(int fd, uid_t uid, gid_t gid, struct error *e);

/* ---- trees as tar archives ---------------------------------------------------- */

/* What the archive says of an entry; a hook may change it. */
struct storage_pack_meta {
	uint64_t uid, gid;
	uint32_t mode; /* 07777 */
	uint32_t type; /* S_IFMT bits, as they will be written; read only */
};

/*
 * What is packed: everything below root_fd (name NULL), or one entry of it (name, a single
 * component) with all below it. Runs with the ids of its caller: as root of the namespace that
 * containers have (cmd/inside.h) the archive gets the container's owners. No link is followed
 * and nothing outside root_fd is reached, whoever writes in it meanwhile; what vanishes
 * meanwhile is left out, what shrinks is filled with zeros. proc, sysfs and the like are
 * empty directories. Names are sorted: the same tree gives the same bytes. Pointers borrowed.
 */
struct storage_pack {
	int root_fd;
	const char *name;
	const char *as; /* its name in the archive; of everything: the name of the top, NULL = none */
	bool with_top; /* everything: an entry for the top directory itself, too ("./" without as) */
	bool is_layer; /* an overlay's upper directory: its marks become ".wh." entries */
	bool use_override; /* user.containers.override_stat says owner, mode and kind (stores of one id) */
	bool with_fractions; /* times exact; else whole seconds, as layers have them */
	/* 0; 1: leave it out (a directory with all below it); -errno. path is that of the archive. */
	int (*hook)(void *data, const char *path, struct storage_pack_meta *m, struct error *e);
	void *hook_data;
	/* Where the archive goes: 0 or -errno with e filled. */
	int (*write)(void *data, const void *bytes, size_t len, struct error *e);
	void *write_data;
};
int storage_pack(const struct storage_pack *p, struct error *e);
/* For write: data points to an int, the file descriptor. */
int storage_pack_to_fd(void *data, const void *bytes, size_t len, struct error *e);

/*
 * The way back, for archives of storage_pack() (those of strangers go through crt-pack): what
 * is called from, and what is below it, becomes to and what is below that; to NULL: the
 * contents go into dir_fd itself. Every look-up stays inside dir_fd. A crash leaves a part.
 */
struct storage_unpack {
	int fd; /* the archive is read from here, to its end */
	int dir_fd;
	const char *from, *to;
	bool keep_ids;	/* owners as in the archive; else the caller's */
	bool set_owner; /* with keep_ids: these for everything */
	uint32_t uid, gid;
	bool overwrite; /* a directory may be replaced by something else, and the reverse */
};
int storage_unpack(const struct storage_unpack *u, struct error *e);

/* ---- crt-pack: what needs a cage or a compressor ---------------------------------------- */

/* Find it, in the host's mount namespace. fd or -errno. */
int storage_helper_open(struct error *e);
/*
 * Unpack a stranger's archive (plain, gzip or zstd) in a directory, confined to it. Runs where
 * dir_fd's ids are meant. Notes: bits of what was left out, for storage_untar_note().
 */
struct storage_untar {
	int helper_fd;
	int fd; /* the archive */
	int dir_fd;
	bool keep_ids, set_owner, overwrite; /* as in struct storage_unpack */
	uint32_t uid, gid;
};
int storage_untar(const struct storage_untar *u, unsigned int *ret_notes, struct error *e);
/* The next note of the bits as text (constant), which is removed from them; NULL = no more. */
const char *storage_untar_note(unsigned int *notes);

#define STORAGE_DIGEST_SIZE 72 /* "sha256:", 64 digits, NUL */
/*
 * Make a layer of an overlay's upper directory (or any tree): the packed blob and the unpacked
 * tree in the transaction. Runs as root of the namespace that containers have, in a mount
 * namespace of its own.
 */
struct storage_layer_source {
	int helper_fd;
	int tree_fd;
	int txn_fd;
	bool keep_ids; /* a range of ids is mapped */
};
struct storage_layer_made {
	char diff_id[STORAGE_DIGEST_SIZE];
	char digest[STORAGE_DIGEST_SIZE]; /* of the packed blob */
	uint64_t size;			  /* of it */
};
int storage_layer_make(const struct storage_layer_source *l, struct storage_layer_made *ret,
		       struct error *e);
/* Main of the crt-pack executable. */
int storage_helper_main(void);

/* ---- checking --------------------------------------------------------------- */

enum storage_problem {
	STORAGE_PROBLEM_LIST,	   /* the list of images */
	STORAGE_PROBLEM_IMAGE,	   /* a listed image is not complete, or not what its digest says */
	STORAGE_PROBLEM_BLOB,	   /* a file of oci/blobs is not what its name says */
	STORAGE_PROBLEM_LAYER,	   /* an unpacked layer has lost data */
	STORAGE_PROBLEM_CONTAINER, /* no record, or its image is gone */
	STORAGE_PROBLEM_VOLUME,
	STORAGE_PROBLEM_LEFTOVER, /* harmless: what a crash left and the next removal sweeps */
	STORAGE_PROBLEM_COUNT
};
struct storage_finding {
	enum storage_problem kind;
	const char *object; /* "image localhost/x:latest", "layer 0123456789ab"; escaped, borrowed */
	const char *text;   /* what is wrong with it */
	bool repaired;
};
typedef void (*storage_finding_fn)(void *data, const struct storage_finding *finding);
enum {
	STORAGE_CHECK_REPAIR =
		1, /* remove what is damaged, so that it can be made or pulled again */
	STORAGE_CHECK_QUICK =
		2, /* read no contents: nothing but lists, records and whether files are there */
	STORAGE_CHECK_FORCE =
		4, /* with REPAIR: containers without a readable record go, too, with their files */
};
/*
 * Look for damage, as root of the user namespace (else contents of layers are not looked at).
 * Nothing is locked while contents are read. fn is called for each finding. 0: nothing is
 * wrong (any more), -EUCLEAN: e says how much still is, -EBUSY: no repair while an image is being
 * taken in, -errno: it could not be found out. Only what is surely damage is ever removed; what could
 * not be read for want of memory, descriptors or a working disk is reported.
 */
int storage_check(struct storage *s, unsigned int how, storage_finding_fn fn, void *data,
		  struct error *e);

/* ---- root file system ------------------------------------------------------- */

enum storage_driver {
	STORAGE_DRIVER_AUTO,
	STORAGE_DRIVER_OVERLAY, /* the kernel's, userxattr */
	STORAGE_DRIVER_FUSE,	/* fuse-overlayfs */
	STORAGE_DRIVER_COUNT
};

/* What to mount. Pointers borrowed. */
struct storage_rootfs {
	const struct strv *layers; /* lowest first */
	bool is_foreign; /* layers is one directory from outside the store (--rootfs DIR:O) */
	const char *container_id; /* whose upper/ and work/ are used; NULL: read-only */
	const char *
		upper_dir; /* instead of container_id: absolute upper and work (--rootfs DIR:O uses a container's) */
	const char *work_dir;
	int target_fd;	    /* O_PATH fd of the directory to mount on */
	const char *target; /* its path, for FUSE and messages */
	bool is_volatile;   /* the writable layer does not survive: no syncs */
	enum storage_driver driver;
	/*
	 * FUSE only: the map of the container's user namespace, a child of the
	 * keeper's (inside: the container's ids, outside: the keeper's), as
	 * --userns=keep-id makes it. A file that the image says belongs to N,
	 * stored as the keeper's N, is then seen by the container as N. NULL = none.
	 */
	const struct id_map *shift;
};
struct storage_rootfs_handle {
	enum storage_driver driver;
	pid_t fuse_pid; /* 0 = none */
	int fuse_pid_fd;
	char why[200]; /* reason of the choice, for --explain and errors */
};
/*
 * Which driver would be used for the store and why: the result of a probe
 * cached per store, boot and kernel. May be called in the host namespace: it
 * then answers from the cache only (AUTO when unknown).
 */
enum storage_driver storage_driver_cached(struct storage *s, char *why, size_t why_len);
/* Mount, inside the keeper (user + mount namespace, root there). 0 or -errno. */
int storage_rootfs_mount(struct storage *s, const struct storage_rootfs *r,
			 struct storage_rootfs_handle *ret, struct error *e);
/* Unmount and end the FUSE server. */
void storage_rootfs_umount(struct storage_rootfs_handle *h, const char *target);

/* ---- fetching: the store's side of crt-fetch --------------------------------- */

/* What to fetch. Pointers borrowed; zero-initialise with tls_verify = -1. */
struct storage_fetch_request {
	const struct storage_ref *ref;
	const char *platform; /* "os/arch[/variant]", NULL = the host's */
	int tls_verify;	      /* 1, 0, or -1 = as registries.conf says (default on) */
	const char *
		authfile; /* --authfile; NULL = REGISTRY_AUTH_FILE, auth.json, docker's config.json */
	const char *creds;  /* "user:password" or NULL */
	const char *policy; /* file; NULL = the user's or the system's policy.json */
	bool any_policy;    /* it does not matter: nothing is taken from there */
	bool retries_given;
	unsigned int
		retries; /* with retries_given: how often a failure that may pass is tried again */
	unsigned int retry_delay_ms; /* before the first time; 0 = default */
	const char *store_as;	     /* full name of the image, instead of what ref says; or NULL */
	bool all;		     /* with packed_only: every platform of an index */
	bool packed_only; /* take the packed image only, and leave it in the transaction: for storage_bundle_fetched() */
	bool keep_ids; /* the fetcher's namespace maps a range: chown to the tar's ids */
};

/* Progress as crt-fetch reports it; strings are escaped already and borrowed. */
struct storage_fetch_event {
	enum {
		STORAGE_FETCH_RESOLVED, /* text = what is being tried, e.g. "docker.io/library/x:latest" */
		STORAGE_FETCH_LAYER, /* digest; done of total bytes; state */
		STORAGE_FETCH_NOTE, /* text = one line for the user (skipped devices, squashed ids …) */
	} kind;
	const char *text;
	const char *digest;
	uint64_t done, total;
	enum {
		STORAGE_LAYER_WAITING,
		STORAGE_LAYER_DOWNLOADING,
		STORAGE_LAYER_UNPACKING,
		STORAGE_LAYER_DONE,
		STORAGE_LAYER_EXISTS,
		STORAGE_LAYER_UPLOADING
	} state;
};
typedef void (*storage_fetch_fn)(void *data, const struct storage_fetch_event *event);

struct storage_fetch;
/*
 * In crt, before cloning the fetcher's namespace: read registries.conf and the
 * auth files, begin a transaction, make the request. 0 or -errno (unknown
 * short name, blocked registry …).
 */
int storage_fetch_begin(struct storage *s, const struct storage_fetch_request *r,
			struct storage_fetch **ret, struct error *e);
/*
 * In the child made by userns_clone(), after userns_map_wait(): become
 * crt-fetch. Returns only on failure (which the caller reports by
 * storage_fetch_child_failed() and _exit()).
 */
int storage_fetch_exec(struct storage_fetch *f, struct error *e);
void storage_fetch_child_failed(struct storage_fetch *f, const struct error *e);
/*
 * In crt: read progress until crt-fetch reports its result, commit under the
 * reference's full name. *ret_image_ref: what storage_image_resolve() finds
 * the image by ("sha256:…" manifest digest). Caller frees. A fetcher that dies is an error
 * ("the fetcher died"). Frees nothing else. 0 or -errno.
 */
int storage_fetch_finish(struct storage_fetch *f, storage_fetch_fn fn, void *data,
			 char **ret_image_ref, struct error *e);
void storage_fetch_free(struct storage_fetch *f); /* aborts what was not committed; accepts NULL */
/*
 * Take in all images of an archive or a directory (OCI layout, docker save, dir:), packed as a
 * whole or not, that is open at fd (for reading; what is no regular file is copied into the
 * store's tmp/ first). Then as after storage_fetch_begin(), where storage_fetch_finish()
 * gives the names of the images, one a line ("sha256:<id>" of those without a name).
 */
int storage_load_begin(struct storage *s, int fd, const char *platform, bool keep_ids,
		       struct storage_fetch **ret, struct error *e);

/* ---- credentials ------------------------------------------------------------------ */

/*
 * Keep a password for a registry ("host[:port]" or "host/namespace") in authfile (NULL: the
 * usual file), or in the credential helper that the file names. 0 or -errno.
 */
int storage_auth_set(const char *authfile, const char *registry, const char *user,
		     const char *password, struct error *e);
/* Forget it everywhere (registry NULL: all registries). -ENOENT: there is none. */
int storage_auth_remove(const char *authfile, const char *registry, struct error *e);
/* What is known; caller frees both, ret_password may be NULL. -ENOENT: nothing. */
int storage_auth_get(const char *authfile, const char *registry, char **ret_user,
		     char **ret_password, struct error *e);

/* ---- copying images elsewhere ------------------------------------------------- */

/* An image with all its documents and packed layers, bit for bit as they came. */
struct storage_bundle;
/* Of a stored image; -ENOENT when a packed layer was not kept. The store is borrowed. */
int storage_bundle_image(struct storage *s, const struct storage_image *image,
			 struct storage_bundle **ret, struct error *e);
/* Of what f (packed_only) has fetched; digest as storage_fetch_finish() said. f must live as long. */
int storage_bundle_fetched(struct storage_fetch *f, const char *digest, struct storage_bundle **ret,
			   struct error *e);
void storage_bundle_free(struct storage_bundle *b); /* accepts NULL */
/* What it is called in an archive; a full name. */
int storage_bundle_add_name(struct storage_bundle *b, const char *name, struct error *e);
/* Only this name, or none (NULL). */
int storage_bundle_set_name(struct storage_bundle *b, const char *name, struct error *e);
/* Digest of the manifest, or of the index above it. Borrowed. */
const char *storage_bundle_digest(const struct storage_bundle *b);
/*
 * Give the manifest the form "oci" or "v2s2" (docker's); layers and config stay as they are.
 * Its digest changes unless it has that form. -EPROTONOSUPPORT: v2s2 cannot say what it is.
 */
int storage_bundle_convert(struct storage_bundle *b, const char *format, struct error *e);

enum storage_format {
	STORAGE_FORMAT_DOCKER_ARCHIVE, /* with an OCI layout beside docker's manifest.json */
	STORAGE_FORMAT_OCI_ARCHIVE,
	STORAGE_FORMAT_OCI_DIR,
	STORAGE_FORMAT_DIR, /* dir: of other tools */
	STORAGE_FORMAT_COUNT
};
/*
 * Write images to fd: an archive to a file or pipe, or into a directory (fd of it; what an
 * OCI layout has already stays, an image of the same name is replaced). 0 or -errno.
 */
int storage_bundle_write(struct storage_bundle *const *bundles, size_t n,
			 enum storage_format format, int fd, struct error *e);

/*
 * Push to the registry that r->ref (transport docker) names; then as after
 * storage_fetch_begin(), where storage_fetch_finish() gives the digest. b is borrowed.
 */
int storage_push_begin(struct storage *s, struct storage_bundle *b,
		       const struct storage_fetch_request *r, struct storage_fetch **ret,
		       struct error *e);

enum storage_question {
	STORAGE_ASK_MANIFEST, /* the document as it came */
	STORAGE_ASK_TAGS,     /* JSON array of strings */
	STORAGE_ASK_SEARCH, /* JSON array of strings, or of objects (name, description, star_count, is_official) */
	STORAGE_ASK_LOGIN,  /* nothing: success is the answer */
	STORAGE_ASK_DELETE, /* the digest of what was removed */
	STORAGE_ASK_COUNT
};
/*
 * Ask the registry of r->ref; storage_fetch_finish() gives the answer's text. term and
 * limit (0 = none) belong to a search.
 */
int storage_query_begin(struct storage *s, enum storage_question question, const char *term,
			unsigned int limit, const struct storage_fetch_request *r,
			struct storage_fetch **ret, struct error *e);

/* Main of the crt-fetch executable. */
int storage_fetch_main(int argc, char **argv);

#endif
