/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system of a container: layers and a writable directory,
 * joined by the driver that works here.
 *
 * Theory of operation
 *
 * Runs in the keeper: root of its own user and mount namespace. Every
 * directory is opened once with O_PATH|O_NOFOLLOW, by its path, because an
 * overlay takes no directory of another mount namespace and the store may have
 * been opened before ours was made; it is handed to the driver as a descriptor
 * and as a path (fuse-overlayfs takes paths only). A layer that
 * an image names twice is used once, at its highest place: overlay refuses the
 * same directory twice, and whatever the lower one holds the higher one holds
 * as well. A read-only root of one layer gets the store's empty directory
 * below it, because an overlay needs two.
 *
 * A fresh writable directory has mode 0 (container.c); here it gets owner and
 * mode of the highest layer's root, because it becomes the root of the
 * container. Its owner may not be known to a fresh namespace (single id): then
 * it stays ours.
 *
 * fuse-overlayfs marks opaque directories in its own way, so a container that
 * it has written stays with it ("fuse" beside upper/).
 *
 * The lowest layer of all is the skeleton of mount points (store.c).
 *
 * A layer with a file "stand-ins" beside it was unpacked where whiteouts could
 * not be made: the kernel's overlay would show the deleted files again.
 *
 * A directory from outside the store (is_foreign) may hold the store itself,
 * so the skeleton is left out: overlay takes no layer inside of another. Two
 * things about it the kernel's overlay cannot bear and fuse-overlayfs can:
 * mounts below it that came from outside of our user namespace ("/" has many;
 * uncovering them is forbidden), and an owner without an id in the namespace,
 * whose files cannot be copied up: then everything is shown as root's. So it is with
 * layers of a store that is only read (extra.c).
 *
 * Without a wish of the user the driver is what the probe found (probe.c),
 * except that a shift of ids can be done by fuse-overlayfs only. When the
 * kernel refuses a mount that the probe had promised, the cached answer is
 * forgotten, so that the next run probes again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "storage/fetch-proto.h"
#include "storage/store.h"

#define UMOUNT_DETACH 2 /* MNT_DETACH; see native.c about the headers */
#define OVERFLOW_ID   65534

/* A plan and what it owns. */
struct rootfs {
	struct overlay_plan plan;
	int *fd; /* the lower ones */
	char *upper, *work, *empty, *skeleton;
	const char *squash; /* the mounted SquashFS that is the image; NULL = it has layers */
};

static void rootfs_fini(struct rootfs *r)
{
	for (size_t i = 0; i < r->plan.lower_n; i++)
		close_fd(&r->fd[i]);
	free(r->fd);
	free(r->plan.lower);
	close_fd(&r->plan.upper_fd);
	close_fd(&r->plan.work_fd);
	free(r->upper);
	free(r->work);
	free(r->empty);
	free(r->skeleton);
}

static int open_dir(const char *path, int *ret, const char *what, struct error *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? error_setf(e, -ENOENT, "%s %s is missing", what, path) :
					 error_set(e, -errno, "open %s %s", what, path);
	*ret = fd;
	return 0;
}

static bool is_repeated(const struct strv *layers, size_t i)
{
	for (size_t k = i + 1; k < layers->n; k++) {
		if (strcmp(layers->v[k], layers->v[i]) == 0)
			return true;
	}
	return false;
}

static int add_lower(struct rootfs *rf, const char *path, const char *what, struct error *e)
{
	size_t n = rf->plan.lower_n;
	int r = open_dir(path, &rf->fd[n], what, e);

	if (r == 0) {
		rf->plan.lower[n] = path;
		rf->plan.lower_n++;
	}
	return r;
}

static int open_lowers(struct storage *s, const struct storage_rootfs *q, struct rootfs *rf,
		       struct error *e)
{
	size_t n = q->layers != NULL ? q->layers->n : 0;
	int r;

	if (n > LIMIT_LAYERS)
		return error_setf(e, -E2BIG, "%zu layers, at most %d are allowed", n, LIMIT_LAYERS);
	rf->plan.lower_fd = rf->fd = calloc(n + 2, sizeof(int));
	rf->plan.lower = calloc(n + 2, sizeof(char *));
	if (rf->fd == NULL || rf->plan.lower == NULL)
		return error_set(e, -ENOMEM, "root file system");
	for (size_t i = n; i-- > 0;) {
		if (is_repeated(q->layers, i))
			continue;
		r = add_lower(rf, rf->squash != NULL ? rf->squash : q->layers->v[i], "layer", e);
		if (r == -ENOENT)
			return error_hint(
				e,
				"; the image was removed meanwhile or is damaged, pull it again");
		if (r < 0)
			return r;
	}
	if (rf->plan.lower_n > 0 && rf->upper != NULL && !q->is_foreign) {
		rf->skeleton = str_printf("%s/skeleton", s->root);
		if (rf->skeleton == NULL)
			return error_set(e, -ENOMEM, "root file system");
		r = add_lower(rf, rf->skeleton, "directory", e);
		if (r < 0 && r != -ENOENT) /* an older store has none, and nothing depends on it */
			return r;
	}
	if (rf->plan.lower_n == 0 || (rf->plan.lower_n == 1 && rf->upper == NULL)) {
		rf->empty = str_printf("%s/empty", s->root);
		if (rf->empty == NULL)
			return error_set(e, -ENOMEM, "root file system");
		r = add_lower(rf, rf->empty, "directory", e);
		if (r < 0)
			return r;
	}
	if (rf->plan.lower_n == 1 && rf->upper == NULL)
		return error_setf(e, -EINVAL,
				  "a root file system needs a layer or a writable directory");
	return 0;
}

static int open_upper(struct storage *s, const struct storage_rootfs *q, struct rootfs *rf,
		      struct error *e)
{
	int r;

	if (q->container_id == NULL && q->upper_dir == NULL)
		return 0;
	if (q->upper_dir != NULL) {
		rf->upper = strdup(q->upper_dir);
		rf->work = q->work_dir != NULL ? strdup(q->work_dir) : NULL;
	} else {
		rf->upper = str_printf("%s/containers/%s/upper", s->root, q->container_id);
		rf->work = str_printf("%s/containers/%s/work", s->root, q->container_id);
	}
	if (rf->upper == NULL || rf->work == NULL)
		return error_set(e, rf->upper != NULL && q->upper_dir != NULL ? -EINVAL : -ENOMEM,
				 "writable directory");
	r = open_dir(rf->upper, &rf->plan.upper_fd, "writable directory", e);
	if (r == 0)
		r = open_dir(rf->work, &rf->plan.work_fd, "work directory", e);
	rf->plan.upper = rf->upper;
	rf->plan.work = rf->work;
	return r;
}

/* The root's owner and mode, once. */
static int fit_upper(const struct rootfs *rf, struct error *e)
{
	struct stat up, top;
	char path[32];

	if (rf->plan.upper_fd < 0)
		return 0;
	if (fstat(rf->plan.upper_fd, &up) < 0 || fstat(rf->plan.lower_fd[0], &top) < 0)
		return error_set(e, -errno, "stat %s", rf->upper);
	if ((up.st_mode & 07777) != 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
		       rf->plan.upper_fd); /* O_PATH takes no fchmod */
	if ((top.st_uid != up.st_uid || top.st_gid != up.st_gid) &&
	    chown(path, top.st_uid, top.st_gid) < 0 && errno != EINVAL && errno != EPERM)
		return error_set(e, -errno, "chown %s", rf->upper);
	if (rf->plan.lower[0] == rf->empty)
		top.st_mode = 0755;
	if (chmod(path, top.st_mode & 07777) < 0)
		return error_set(e, -errno, "chmod %s", rf->upper);
	return 0;
}

/* Note that upper/ has fuse-overlayfs's marks in it. */
static void mark_fuse(struct storage *s, const char *id)
{
	char path[STORE_PATH_MAX];

	/* Without the note a later kernel might be asked to read marks that it does not know: as before. */
	if (store_rel(path, "containers/%s/fuse", id) == 0 &&
	    symlinkat("-", s->root_fd, path) < 0 && errno != EEXIST)
		log_debug("container %.12s: note of the driver: %s", id, error_strerror(errno));
}

/* Does a directory belong to an id that our user namespace does not know? The kernel shows such as 65534. */
static bool is_unmapped(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_uid == OVERFLOW_ID || st.st_gid == OVERFLOW_ID);
}

/*
 * A layer whose files the container's root cannot own: a directory from outside of an owner
 * without an id, or a layer of a store that is only read and that somebody else than root unpacked
 * without the ids of the image. NULL = none.
 */
static const char *unowned_layer(const struct storage *s, const struct storage_rootfs *q)
{
	size_t len = strlen(s->root);

	for (size_t i = 0; q->layers != NULL && i < q->layers->n; i++) {
		const char *path = q->layers->v[i];
		struct stat st;

		if (q->is_foreign ?
			    is_unmapped(path) :
			    (strncmp(path, s->root, len) != 0 || path[len] != '/') &&
				    lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid != 0)
			return path;
	}
	return NULL;
}

/* The kernel's overlay cannot do it for the reason given: fuse-overlayfs instead, or an error that says both. */
static int need_fuse(struct storage_rootfs_handle *h, const char *dir, const char *reason,
		     struct error *e)
{
	struct error sub = ERROR_INIT;
	int r = overlay_fuse_usable(&sub);

	if (r < 0)
		return error_setf(e, r, "%s: the kernel's overlay cannot be used, %s; and %s", dir,
				  reason, sub.msg);
	(void)close(r);
	h->driver = STORAGE_DRIVER_FUSE;
	(void)snprintf(h->why, sizeof(h->why), "%s", reason); /* cut where too long */
	return 0;
}

/*
 * The layer whose deleted files are marked by names ".wh.*", because the unpacker was not allowed
 * to mark them as the kernel wants it (a file system or an outer container's filter that refuses
 * whiteouts). NULL when there is none.
 */
static const char *layer_with_stand_ins(const struct strv *layers)
{
	for (size_t i = 0; layers != NULL && i < layers->n; i++) {
		_cleanup_free_ char *mark = NULL;
		size_t len = strlen(layers->v[i]);

		if (!str_ends(layers->v[i], "/fs"))
			continue;
		mark = str_printf("%.*s" STAND_INS, (int)(len - strlen("fs")), layers->v[i]);
		if (mark != NULL && faccessat(AT_FDCWD, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return layers->v[i];
	}
	return NULL;
}

/* The image is one file (squash.c). */
static bool is_squash(const struct storage_rootfs *q)
{
	struct stat st;

	return q->layers != NULL && q->layers->n == 1 && !q->is_foreign &&
	       stat(q->layers->v[0], &st) == 0 && S_ISREG(st.st_mode);
}

/* Has our user namespace one id only? Then it can own nothing of an image but root's files. */
static bool has_single_id(void)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	_cleanup_free_ char *map = NULL;
	unsigned int inside = 0, outside = 0, count = 0;

	return proc_fd >= 0 && procfs_read(proc_fd, "self/uid_map", 4096, &map) == 0 &&
	       sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && count == 1 &&
	       strchr(map, '\n') == strrchr(map, '\n');
}

/* Which driver; why explains it. */
static int choose(struct storage *s, const struct storage_rootfs *q,
		  struct storage_rootfs_handle *h, struct error *e)
{
	const char *marked = q->is_foreign ? NULL : layer_with_stand_ins(q->layers);
	const char *unowned = unowned_layer(s, q);
	char path[STORE_PATH_MAX];
	bool was_fuse = false;
	int r;

	if (q->container_id != NULL && store_rel(path, "containers/%s/fuse", q->container_id) == 0)
		was_fuse = faccessat(s->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (q->shift != NULL) {
		if (q->driver == STORAGE_DRIVER_OVERLAY)
			return error_setf(
				e, -ENOTSUP,
				"the kernel's overlay cannot shift ids: use the driver \"fuse\"");
		h->driver = STORAGE_DRIVER_FUSE;
		(void)snprintf(h->why, sizeof(h->why), "the user namespace needs ids shifted");
	} else if (was_fuse && q->driver == STORAGE_DRIVER_AUTO) {
		h->driver = STORAGE_DRIVER_FUSE;
		(void)snprintf(h->why, sizeof(h->why),
			       "the container's files were written by fuse-overlayfs");
	} else if (marked != NULL && q->driver == STORAGE_DRIVER_AUTO) {
		return need_fuse(h, marked, "because its deleted files are marked by names", e);
	} else if (q->driver == STORAGE_DRIVER_AUTO && is_squash(q) && has_single_id()) {
		return need_fuse(h, q->layers->v[0],
				 "because its owners have no ids in the container's user namespace",
				 e);
	} else if (q->driver == STORAGE_DRIVER_AUTO && unowned != NULL) {
		return need_fuse(h, unowned,
				 "because its owner has no id in the container's user namespace",
				 e);
	} else if (q->driver != STORAGE_DRIVER_AUTO) {
		h->driver = q->driver;
		(void)snprintf(h->why, sizeof(h->why), "chosen by the user");
	} else {
		r = overlay_probe(s, h->why, sizeof(h->why), e);
		if (r < 0)
			return r;
		h->driver = (enum storage_driver)r;
	}
	return 0;
}

int storage_rootfs_mount(struct storage *s, const struct storage_rootfs *q,
			 struct storage_rootfs_handle *ret, struct error *e)
{
	_cleanup_(rootfs_fini) struct rootfs rf = { .plan = { .upper_fd = -1, .work_fd = -1 } };
	struct storage_rootfs_handle h = { .fuse_pid_fd = -1 };
	_cleanup_fd_ int squash_pid_fd = -1;
	pid_t squash_pid = 0;
	int r;

	rf.plan.is_volatile = q->is_volatile;
	rf.plan.shift = q->shift;
	r = store_need(s, e);
	if (r == 0)
		r = choose(s, q, &h, e);
	if (r == 0)
		r = open_upper(s, q, &rf, e);
	if (r == 0 && is_squash(q)) {
		/* mounted where the root file system will be mounted over it */
		r = overlay_squash_mount(q->layers->v[0], q->target_fd, &squash_pid, &squash_pid_fd,
					 e);
		rf.squash = q->target;
	}
	if (r == 0)
		r = open_lowers(s, q, &rf, e);
	if (r == 0)
		r = fit_upper(&rf, e);
	if (r < 0)
		return r;
	rf.plan.squash = q->shift == NULL && (rf.squash != NULL ? h.driver == STORAGE_DRIVER_FUSE :
								  unowned_layer(s, q) != NULL);
	if (h.driver == STORAGE_DRIVER_OVERLAY) {
		r = overlay_native_mount(&rf.plan, q->target_fd, OVERLAY_API_FD, e);
		if (r == -EINVAL && q->is_foreign && q->driver == STORAGE_DRIVER_AUTO)
			r = need_fuse(&h, q->layers->v[0],
				      "because there are mounts below it that a user namespace "
				      "may not uncover",
				      e);
		else if (r < 0 && q->driver == STORAGE_DRIVER_AUTO)
			overlay_probe_forget(s);
	}
	if (r == 0 && h.driver == STORAGE_DRIVER_FUSE) {
		if (q->container_id != NULL && !q->is_volatile)
			mark_fuse(s, q->container_id);
		r = overlay_fuse_mount(&rf.plan, q->target_fd, &h.fuse_pid, &h.fuse_pid_fd, e);
	}
	if (r < 0) {
		if (squash_pid > 0)
			proc_kill(squash_pid, squash_pid_fd);
		return r;
	}
	if (h.fuse_pid == 0 && squash_pid > 0) { /* else it ends with the mount namespace */
		h.fuse_pid = squash_pid;
		h.fuse_pid_fd = steal_fd(&squash_pid_fd);
	}
	*ret = h;
	return 0;
}

void storage_rootfs_umount(struct storage_rootfs_handle *h, const char *target)
{
	/* A mount that is gone already, or busy for a moment: the namespace's end takes it. */
	if (target != NULL && syscall(SYS_umount2, target, UMOUNT_DETACH) == 0)
		(void)syscall(SYS_umount2, target, UMOUNT_DETACH); /* a SquashFS may lie below */
	if (h->fuse_pid > 0)
		proc_kill(h->fuse_pid, h->fuse_pid_fd);
	close_fd(&h->fuse_pid_fd);
	h->fuse_pid = 0;
}
