/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt diff: what a container changed of its image, or the highest layer of an image.
 *
 * Theory of operation: everything that was written is in one directory, the upper one; what was
 * there before is the layers below, mounted read only where nobody sees it (cmd/view.c). A child that is
 * root of the namespace that containers have walks the upper one and asks for each entry
 * whether there was one: A (added), C (changed), D (deleted). Nothing is opened but directories, each by
 * its path below the top, without following links. Names are hostile and escaped when shown.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd/container.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "cmd/view.h"

struct options {
	const char *format;
	bool latest;
};

static const struct option_spec options[] = {
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "FORMAT",
	  .help = "Print json instead of lines", .complete = "json" },
	{ "latest", 'l', OPT_FLAG, offsetof(struct options, latest),
	  .help = "Of the newest container" },
	OPTION_END
};

const struct cmd_verb cmd_verb_diff = {
	.name = "diff",
	.run = cmd_diff,
	.options = options,
	.usage = "[OPTIONS] CONTAINER|IMAGE",
	.summary = "Show the files that a container changed, or the highest layer of an image",
	.operands = OPERANDS_BOTH,
};

struct change {
	char kind; /* 'A', 'C', 'D' */
	char *path;
};

struct walk {
	struct storage *s;
	const struct view *view;
	const struct options *o;
	int upper_fd, below_fd; /* below -1: there is nothing */
	struct strv todo;	/* directories of the upper one, relative */
	struct change *changes;
	size_t n, cap;
};

static int add(struct walk *w, char kind, const char *dir, const char *name)
{
	struct change *c;

	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 64 : w->cap * 2;

		c = reallocarray(w->changes, cap, sizeof(*c));
		if (c == NULL)
			return -ENOMEM;
		w->changes = c;
		w->cap = cap;
	}
	c = &w->changes[w->n];
	*c = (struct change){ kind, str_printf("/%s%s%s", dir, dir[0] != '\0' ? "/" : "", name) };
	if (c->path == NULL)
		return -ENOMEM;
	w->n++;
	return 0;
}

/* The directory of this path among what was there before; -1 when there is none. */
static int open_below(const struct walk *w, const char *path)
{
	int fd = w->below_fd < 0 ? -1 :
				   path_open_beneath(w->below_fd, path, O_RDONLY | O_DIRECTORY, 0);

	return fd < 0 ? -1 : fd;
}

static bool was_there(int below, const char *name)
{
	struct stat st;

	return below >= 0 && fstatat(below, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_opaque(int fd)
{
	static const char *const names[] = { "user.overlay.opaque", "user.fuseoverlayfs.opaque" };
	char value[4];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fgetxattr(fd, names[i], value, sizeof(value)) == 1 && value[0] == 'y')
			return true;
	return faccessat(fd, ".wh..wh..opq", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An opaque directory hides all that was there and is not in it again. */
static int add_hidden(struct walk *w, int upper, int below, const char *dir)
{
	int fd = openat(below, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	int r = 0;

	while (d != NULL && r == 0 && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
		    faccessat(upper, de->d_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			r = add(w, 'D', dir, de->d_name);
	return r;
}

static int add_entry(struct walk *w, int upper, int below, const char *dir, const char *name)
{
	struct stat st;
	int r;

	if (strcmp(name, ".wh..wh..opq") == 0 || fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (str_starts(name, ".wh.") && was_there(below, name + 4))
		return add(w, 'D', dir, name + 4);
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return was_there(below, name) ? add(w, 'D', dir, name) : 0;
	/* the place of --init's program */
	if (strcmp(dir, "run") == 0 && strcmp(name, "crt-init") == 0)
		return 0;
	r = add(w, was_there(below, name) ? 'C' : 'A', dir, name);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = strv_add_take(&w->todo,
				  str_printf("%s%s%s", dir, dir[0] != '\0' ? "/" : "", name));
	return r;
}

static int walk_dir(struct walk *w, const char *dir, struct error *e)
{
	_cleanup_fd_ int below = open_below(w, dir);
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *de;
	int fd = path_open_beneath(w->upper_fd, dir, O_RDONLY | O_DIRECTORY, 0);
	int r = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR ?
			       0 : /* it went away meanwhile */
			       error_set(e, fd, "opening /%s", dir);
	d = fdopendir(fd);
	if (d == NULL) {
		close_fd(&fd);
		return error_set(e, -ENOMEM, "reading /%s", dir);
	}
	if (below >= 0 && is_opaque(dirfd(d)))
		r = add_hidden(w, dirfd(d), below, dir);
	while (r == 0 && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = add_entry(w, dirfd(d), below, dir, de->d_name);
	return r < 0 ? error_set(e, r, "comparing the files") : 0;
}

static int by_path(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int print_lines(const struct walk *w, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < w->n; i++) {
		(void)buf_printf(&b, "%c ", w->changes[i].kind); /* out_write() sees a failure */
		(void)buf_puts_escaped(&b, w->changes[i].path, strlen(w->changes[i].path));
		(void)buf_putc(&b, '\n');
	}
	return out_write(&b, e);
}

static int print_json(const struct walk *w, struct error *e)
{
	static const char *const keys[] = { "changed", "added", "deleted" };
	static const char kinds[] = "CAD";
	_cleanup_json_ json_t *obj = json_object();
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t k = 0; k < 3; k++) {
		json_t *list = json_array();

		for (size_t i = 0; i < w->n; i++) {
			_cleanup_free_ char *shown = str_escape(w->changes[i].path);

			if (w->changes[i].kind == kinds[k])
				(void)json_array_append_new(list,
							    json_string(shown)); /* text says it */
		}
		if (json_array_size(list) == 0)
			json_decref(list);
		else
			(void)json_object_set_new(obj, keys[k], list); /* text says it */
	}
	text = json_to_pretty(obj);
	(void)buf_puts(&b, text != NULL ? text : ""); /* out_write() sees a failure */
	return text == NULL ? error_set(e, -ENOMEM, "printing the files") : out_write(&b, e);
}

static int work(void *data, struct error *e)
{
	struct walk *w = data;
	struct storage_rootfs_handle mount = { .fuse_pid_fd = -1 };
	int r = 0;

	w->upper_fd = open(w->view->upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->upper_fd < 0)
		return error_set(e, -errno, "opening %s", w->view->upper);
	w->below_fd = -1;
	if (w->view->layers.n > 0) {
		w->below_fd = view_open_below(w->s, w->view, &mount, e);
		r = w->below_fd < 0 ? w->below_fd : 0;
	}
	if (r == 0)
		r = walk_dir(w, "", e);
	while (r == 0 && w->todo.n > 0) {
		_cleanup_free_ char *dir = w->todo.v[--w->todo.n];

		w->todo.v[w->todo.n] = NULL;
		r = walk_dir(w, dir, e);
	}
	if (r == 0 && w->n > 1)
		qsort(w->changes, w->n, sizeof(*w->changes), by_path);
	if (r == 0)
		r = w->o->format != NULL ? print_json(w, e) : print_lines(w, e);
	view_close(&mount);
	return r;
}

/* An image: the highest layer against the ones below. */
static int view_top(struct storage *s, const char *image, struct view *v, struct error *e)
{
	int r = view_of_image(s, image, v, e);

	if (r == 0 && v->layers.n > 0) {
		v->upper = v->layers.v[--v->layers.n];
		v->layers.v[v->layers.n] = NULL;
	}
	return r;
}

static int find(const struct options *o, struct storage *s, const char *name, struct view *v,
		struct error *e)
{
	struct container c = { .id = NULL }, *all = NULL;
	struct error sub = ERROR_INIT;
	size_t n = 0;
	int r;

	if (o->latest) {
		r = container_list(s, &all, &n, e);
		if (r == 0)
			r = n == 0 ? error_setf(e, -ENOENT, "there is no container") :
				     view_of_container(s, &all[0], v, e);
		containers_free(all, n);
		return r;
	}
	r = container_open(s, name, &c, &sub);
	if (r == 0)
		r = view_of_container(s, &c, v, e);
	else if (r != -ENOENT)
		*e = sub;
	else if (view_top(s, name, v, e) < 0)
		r = error_setf(e, -ENOENT, "no container or image with name or id \"%s\"", name);
	else
		r = 0;
	container_fini(&c);
	return r;
}

static int run(const struct options *o, const struct cmd_global *g, const char *name,
	       struct error *e)
{
	struct view v = { .upper = NULL };
	struct walk w = { .view = &v, .o = o };
	int r = storage_open(g->root, false, &w.s, e);

	if (r == 0)
		r = find(o, w.s, name, &v, e);
	if (r == 0 && v.upper == NULL)
		r = error_setf(
			e, -EINVAL,
			"a container of --rootfs without :O writes to that directory itself");
	if (r == 0)
		r = inside_fork(work, &w, e);
	view_fini(&v);
	storage_free(w.s);
	return r;
}

int cmd_diff(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .latest = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_diff, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != (o.latest ? 0 : 1))
		return opt_usage_error(&cmd_verb_diff, "one container or image is needed");
	if (o.format != NULL && strcmp(o.format, "json") != 0)
		return opt_usage_error(&cmd_verb_diff, "--format \"%s\" is not json", o.format);
	if (run(&o, g, argv[first], &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
