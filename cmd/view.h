/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a container or an image, mounted for a moment where nobody else sees them. */
#ifndef CMD_VIEW_H
#define CMD_VIEW_H

#include "cmd/container.h"
#include "storage/storage.h"

/* Where the files are. Release with view_fini(). */
struct view {
	struct strv layers; /* lowest first */
	char *upper;	    /* the container's writable directory; NULL = none */
	char *rootfs;	    /* --rootfs DIR: nothing is mounted, this is it */
	char *id;	    /* the container's; NULL = an image */
	bool is_foreign;    /* --rootfs DIR:O */
	bool fuse;	    /* upper was written by fuse-overlayfs */
};

int view_of_container(struct storage *s, const struct container *c, struct view *ret,
		      struct error *e);
/* image: name or id. -ENOENT when there is none. */
int view_of_image(struct storage *s, const char *image, struct view *ret, struct error *e);
void view_fini(struct view *v);

/*
 * In a child with a mount namespace of its own (inside_fork()): mount everything joined and open
 * the root directory. Not writable: layers and writable directory are read only, so that it can
 * be done while the container lives. Writable: nobody else may have it mounted. The mount goes
 * with the child; view_close() ends fuse-overlayfs. fd or -errno.
 */
int view_open(struct storage *s, const struct view *v, bool writable,
	      struct storage_rootfs_handle *ret, struct error *e);
void view_close(struct storage_rootfs_handle *h);
/* Mount it on a directory of the caller's choice; a view without --rootfs. 0 or -errno. */
int view_mount(struct storage *s, const struct view *v, bool writable, const char *dir,
	       struct storage_rootfs_handle *ret, struct error *e);
/* The same for the layers only: what the container began with. */
int view_open_below(struct storage *s, const struct view *v, struct storage_rootfs_handle *ret,
		    struct error *e);

#endif
