/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt image squash: an image as one file, for shared file systems.
 *
 * Theory of operation: in a child that is root of the user namespace the image is mounted where
 * nobody else sees it (view.c), and mksquashfs packs what it sees, with the owners that
 * containers see; the image's configuration is written behind it (storage/squash.c). The
 * file gets its name when it is complete. mksquashfs reads an image's files, never runs them.
 *
 * crt pull --squash unpacks an image into a store of its own below TMPDIR, on a disk that knows
 * owners and links, packs it into one file of the user's store (storage/squash.c), and
 * deletes that other store. When it is killed, the directory crt-squash-* stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "cmd/image_squash.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/outfile.h"
#include "cmd/verbs.h"
#include "cmd/view.h"

#define PROGRAM "mksquashfs"
#define TREE_FD 10 /* where the program finds its descriptors */
#define OUT_FD	11

static const struct option_spec options[] = { OPTION_END };

const struct cmd_verb cmd_verb_image_squash = {
	.name = "image squash",
	.run = cmd_image_squash,
	.options = options,
	.usage = "IMAGE FILE",
	.summary = "Write an image as one SquashFS file",
	.details = "It is run by: crt run squashfs:FILE",
	.operands = OPERANDS_IMAGES,
};

struct job {
	struct storage *s;
	const struct view *view;
	int fd;
};

static int pack(int root_fd, int out_fd, struct error *e)
{
	_cleanup_free_ char *program = NULL;
	_cleanup_fd_ int rw_fd = -1;
	_cleanup_fd_ int pid_fd = -1;
	char tree[40], out[40], again[40];
	const struct proc_fd_map fds[] = { { root_fd, TREE_FD }, { 2, 2 }, { out_fd, OUT_FD } };
	pid_t pid = 0;
	int r;

	if (proc_find_program(PROGRAM, &program) < 0)
		return error_setf(e, -ENOENT,
				  PROGRAM " is not installed (Debian: package squashfs-tools)");
	(void)snprintf(tree, sizeof(tree), "/proc/self/fd/%d/.", TREE_FD);
	(void)snprintf(out, sizeof(out), "/proc/self/fd/%d", OUT_FD);
	(void)snprintf(again, sizeof(again), "/proc/self/fd/%d", out_fd);
	rw_fd = open(again, O_RDWR | O_CLOEXEC); /* is it one that can be opened? */
	if (rw_fd < 0)
		return error_set(e, -errno, "the file that is to be written");
	{
		char *argv[] = { program,
				 tree,
				 out,
				 (char[]){ "-noappend" },
				 (char[]){ "-no-progress" },
				 (char[]){ "-quiet" },
				 NULL };
		const struct proc_spawn spawn = {
			.path = program,
			.path_fd = -1,
			.argv = argv,
			.fds = fds,
			.fds_n = sizeof(fds) / sizeof(fds[0]),
			.die_with_parent = true,
		};

		r = proc_spawn(&spawn, &pid, &pid_fd, e);
	}
	if (r < 0)
		return r;
	r = proc_wait(pid);
	if (r < 0 || proc_status_code(r) != 0)
		return error_setf(e, -EIO, PROGRAM " failed");
	return 0;
}

static int work(void *data, struct error *e)
{
	struct job *j = data;
	struct storage_rootfs_handle mount;
	_cleanup_fd_ int root_fd = view_open(j->s, j->view, false, &mount, e);
	int r;

	if (root_fd < 0)
		return root_fd;
	r = pack(root_fd, j->fd, e);
	view_close(&mount);
	return r;
}

int image_squash_pack(struct storage *s, const struct storage_image *image, int fd, struct error *e)
{
	struct view view = { .upper = NULL };
	int r = view_of_image(s, image->id, &view, e);

	if (r == 0) {
		struct job j = { .s = s, .view = &view, .fd = fd };

		r = inside_fork(work, &j, e);
		if (r < 0)
			(void)error_prefix(e, "packing image %s",
					   image->name != NULL ? image->name : image->id);
	}
	if (r == 0)
		r = storage_squash_finish(fd, image->config, image->config_len, e);
	view_fini(&view);
	return r;
}

int image_squash_write(const struct cmd_global *g, const char *name, const char *file,
		       struct error *e)
{
	struct outfile out = OUTFILE_INIT;
	struct storage_image image = { 0 };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = storage_image_resolve(s, name, &image, e);
	if (r == STORAGE_MISSING)
		r = -ENOENT;
	if (r == 0)
		r = outfile_open(file, &out, e);
	if (r == 0 && out.path == NULL)
		r = error_setf(e, -EINVAL, "a SquashFS can be written to a regular file only");
	if (r == 0)
		r = image_squash_pack(s, &image, out.fd, e);
	if (r == 0)
		r = outfile_commit(&out, e);
	outfile_close(&out);
	storage_image_fini(&image);
	storage_free(s);
	return r;
}

/* ---- crt pull --squash ------------------------------------------------------------------------ */

/* A store for a moment, on a disk of this machine. */
struct scratch {
	char *dir;
	struct storage *s;
};

static int remove_in(void *data, struct error *e)
{
	const struct scratch *t = data;
	_cleanup_fd_ int fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_set(e, -errno, "open %s", t->dir) : path_remove_tree(fd, "s", e);
}

static void scratch_fini(struct scratch *t)
{
	struct error e = ERROR_INIT;

	storage_free(t->s);
	if (t->dir != NULL && (inside_run(remove_in, t, &e) < 0 || rmdir(t->dir) < 0))
		log_warning("%s is not removed: %s", t->dir, e.msg);
	free(t->dir);
}

static int scratch_init(struct scratch *t, struct error *e)
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *dir =
		str_printf("%s/crt-squash-XXXXXX", tmp != NULL && tmp[0] == '/' ? tmp : "/var/tmp");
	_cleanup_free_ char *root = NULL;

	if (dir == NULL)
		return error_set(e, -ENOMEM, "pull --squash");
	if (mkdtemp(dir) == NULL)
		return error_set(e, -errno, "create %s (another place: TMPDIR)", dir);
	t->dir = steal_ptr(&dir);
	root = str_printf("%s/s", t->dir);
	return root == NULL ? error_set(e, -ENOMEM, "pull --squash") :
			      storage_open(root, true, &t->s, e);
}

int image_squash_pull(struct storage *s, const char *text, const struct cmd_fetch_options *f,
		      bool quiet, char **ret_id, struct error *e)
{
	struct storage_image image = { 0 };
	struct scratch t = { .dir = NULL };
	char name[STORAGE_SQUASH_NAME];
	_cleanup_free_ char *ref = NULL;
	_cleanup_fd_ int fd = -1;
	int r = scratch_init(&t, e);

	if (r == 0)
		r = cmd_fetch_image(t.s, text, f, quiet, &ref, e);
	if (r == 0)
		r = storage_image_resolve(t.s, ref, &image, e);
	if (r == STORAGE_MISSING)
		r = -ENOENT;
	if (r == 0)
		r = fd = storage_squash_create(s, name, e);
	if (r >= 0)
		r = image_squash_pack(t.s, &image, fd, e);
	if (r == 0)
		r = storage_squash_add(s, fd, name, &image, e);
	if (r == 0) {
		*ret_id = image.id;
		image.id = NULL;
	}
	storage_image_fini(&image);
	scratch_fini(&t);
	return r;
}

int cmd_image_squash(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_image_squash, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (argc - first != 2)
		return opt_usage_error(&cmd_verb_image_squash,
				       "crt image squash needs an image and a file");
	if (image_squash_write(g, argv[first], argv[first + 1], &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
