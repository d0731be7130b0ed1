/* SPDX-License-Identifier: Apache-2.0 */
/* One side of crt cp: files of the host, or those that a container sees. */
#ifndef CMD_CP_SIDE_H
#define CMD_CP_SIDE_H

#include <stdint.h>

#include "cmd/inside.h"
#include "cmd/view.h"

struct cp_side {
	char *path;	/* as given, without the container */
	bool is_stream; /* "-" */
	bool is_container;
	bool is_running;
	struct storage *s; /* borrowed */
	struct container c;
	struct view view;
	int root_fd;	     /* running: its root; the host: "/" ... */
	int start_fd;	     /* ... where a relative path begins */
	int user_fd;	     /* running: its user namespace; -1 = ours */
	int lock_fd;	     /* stopped, written to: it is not started meanwhile */
	struct strv volumes; /* stopped: SOURCE and DESTINATION one after the other */
	/* what everything gets that is copied into it */
	bool set_owner;
	uint32_t uid, gid;
};
#define CP_SIDE_INIT \
	((struct cp_side){ .root_fd = -1, .start_fd = -1, .user_fd = -1, .lock_fd = -1 })

/* "CONTAINER:PATH", a path of the host, or "-". 0 or -errno. */
int cp_side_init(struct storage *s, const char *text, bool is_target, struct cp_side *ret,
		 struct error *e);
void cp_side_fini(struct cp_side *p);
/* Does the child need the namespaces that containers have made for it? */
bool cp_side_is_here(const struct cp_side *p);
/* In the child: p->root_fd and start_fd are there afterwards. mount: for cp_side_leave(). */
int cp_side_enter(struct cp_side *p, bool writable, struct storage_rootfs_handle *mount,
		  struct error *e);

/* Something found below a side. */
struct cp_found {
	int dir_fd;	/* O_PATH: the directory that holds it, or it itself (name "") */
	char name[256]; /* its name there; "" = it is dir_fd */
	bool exists, is_dir;
};
/* Links are followed, those of containers inside them; also a last one that leads to nothing. 0 or -errno. */
int cp_side_find(const struct cp_side *p, const char *path, struct cp_found *ret, struct error *e);
/* The ids of the container's user. */
int cp_side_user(struct cp_side *p, struct error *e);

#endif
