/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt cp: files between the host and containers, and between containers.
 *
 * Theory of operation
 *
 * Two processes with a pipe between them, each with the ids and the view of its own side
 * (cmd/cp_side.c): the source finds what is to be copied, tells its name and kind, and writes
 * it as a tar archive; the target decides what it will be called, and unpacks. So the files of
 * the host are read and written as the caller and nothing else, and those of a container as its
 * root and nothing else. Every name is resolved inside a root directory's descriptor; no
 * temporary mount is made in a running container and no program of it is run.
 *
 * A tar archive from standard input is a stranger's: it is unpacked by crt-pack in its cage.
 *
 * The rules for names are those of podman and docker, see the manual.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/cp_side.h"
#include "cmd/opt.h"
#include "cmd/verbs.h"

#define TOP "x" /* what the copied thing is called in the pipe */

struct options {
	int archive; /* -1 = as by default: on */
	bool follow, overwrite, pause, quiet;
};

static const struct option_spec options[] = {
	{ "archive", 'a', OPT_TRISTATE, offsetof(struct options, archive),
	  .help = "What is copied into a container gets its user as owner (default true)" },
	{ "follow-link", 'L', OPT_FLAG, offsetof(struct options, follow),
	  .help = "Accepted for scripts: a link that is named is followed always" },
	{ "overwrite", 0, OPT_FLAG, offsetof(struct options, overwrite),
	  .help = "Replace a directory by a file, and a file by a directory" },
	{ "pause", 0, OPT_FLAG, offsetof(struct options, pause),
	  .help = "Accepted for scripts: there is no need to pause the container" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet),
	  .help = "Accepted for scripts: nothing is printed" },
	OPTION_END
};

const struct cmd_verb cmd_verb_cp = {
	.name = "cp",
	.run = cmd_cp,
	.options = options,
	.usage = "[OPTIONS] [CONTAINER:]SOURCE|- [CONTAINER:]TARGET|-",
	.summary = "Copy files between the host and containers",
	.operands = OPERANDS_CONTAINERS,
};

/* What the source says before the archive begins. */
struct announcement {
	bool is_dir;
	bool contents; /* "DIR/.": what is in it, not itself */
	char name[256];
};

struct job {
	const struct options *o;
	struct cp_side *side;
	const struct cp_side *other;
	int fd;	       /* the pipe, or standard output */
	int other_fd;  /* the pipe's other end, which must not stay open; -1 */
	int helper_fd; /* crt-pack, for an archive from standard input */
};

static bool ends_with_slash(const char *path)
{
	return path[strlen(path) - 1] == '/';
}

static bool means_contents(const char *path)
{
	return strcmp(path, ".") == 0 || str_ends(path, "/.");
}

static int fail(const struct cp_side *p, const char *what, struct error *e)
{
	_cleanup_free_ char *shown = str_escape(p->path);

	return error_setf(e, -EINVAL, "%s%s%s: %s", p->is_container ? p->c.name : "",
			  p->is_container ? ":" : "", shown != NULL ? shown : "", what);
}

/* ---- the source ---------------------------------------------------------------------------- */

/* The name of a directory that was named by "/", "." or "..": what the path says. */
static void name_of(const struct cp_side *p, const struct cp_found *f, char ret[256])
{
	const char *path = p->path;
	size_t end = strlen(path), start;

	if (f->name[0] != '\0') {
		(void)snprintf(ret, 256, "%s", f->name); /* as long */
		return;
	}
	while (end > 0 && (path[end - 1] == '/' ||
			   (path[end - 1] == '.' && (end == 1 || path[end - 2] == '/'))))
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (end == start || end - start > 255 || strncmp(path + start, "..", end - start) == 0)
		(void)snprintf(ret, 256, "root");
	else
		(void)snprintf(ret, 256, "%.*s", (int)(end - start), path + start);
}

/* The last component as it was written: a link that is named gives its own name to what it leads to. */
static void said_name(const struct cp_side *p, const struct cp_found *f, char ret[256])
{
	const char *path = p->path, *slash;
	size_t end = strlen(path);

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (slash = path + end; slash > path && slash[-1] != '/'; slash--)
		;
	if (end - (size_t)(slash - path) > 255 || means_contents(path) || strcmp(path, "/") == 0 ||
	    str_ends(path, ".."))
		name_of(p, f, ret);
	else
		(void)snprintf(ret, 256, "%.*s", (int)(path + end - slash), slash);
}

static int announce(const struct job *j, const struct cp_found *f, struct error *e)
{
	struct announcement a = { .is_dir = f->is_dir, .contents = means_contents(j->side->path) };
	int r;

	said_name(j->side, f, a.name);
	r = fd_write_all(j->fd, &a, sizeof(a));
	return r < 0 ? error_set(e, r, "copying") : 0;
}

/* Files of the host are the caller's, who is root in a container. */
static int host_ids(void *data, const char *path, struct storage_pack_meta *m, struct error *e)
{
	(void)data;
	(void)path;
	(void)e;
	if (geteuid() != 0)
		m->uid = m->gid = 0;
	return 0;
}

static int send_found(const struct job *j, const struct cp_found *f, struct error *e)
{
	struct cp_side *p = j->side;
	_cleanup_fd_ int dir_fd = -1;
	char as[256];
	struct storage_pack pack = {
		.as = TOP,
		.with_top = true,
		.with_fractions = true,
		.use_override = p->is_container,
		.hook = p->is_container ? NULL : host_ids,
		.write = storage_pack_to_fd,
		.write_data = (void *)(uintptr_t)&j->fd,
	};

	if (j->other->is_stream) {
		said_name(p, f, as);
		pack.as = as;
		pack.with_fractions = false;
		pack.with_top = !means_contents(p->path);
		if (!pack.with_top)
			pack.as = NULL;
	}
	/* an fd that can be read; the name "" means dir_fd itself */
	dir_fd = openat(f->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 && f->name[0] != '\0' && errno == EACCES)
		dir_fd = fd_dup(f->dir_fd); /* a directory that may be passed, not listed */
	if (f->is_dir && f->name[0] != '\0') {
		int sub =
			openat(f->dir_fd, f->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		close_fd(&dir_fd);
		dir_fd = sub;
	} else {
		pack.name = f->name[0] != '\0' ? f->name : NULL;
	}
	if (dir_fd < 0)
		return error_set(e, -errno, "opening %s", p->path);
	pack.root_fd = dir_fd;
	return storage_pack(&pack, e);
}

static int source_main(void *data, struct error *e)
{
	struct job *j = data;
	struct cp_found f = { .dir_fd = -1 };
	struct storage_rootfs_handle mount;
	int r;

	close_fd(&j->other_fd);
	r = cp_side_enter(j->side, false, &mount, e);

	if (r == 0)
		r = cp_side_find(j->side, j->side->path, &f, e);
	if (r == 0 && !f.exists)
		r = fail(j->side, "no such file or directory", e);
	if (r == 0 && !f.is_dir &&
	    (ends_with_slash(j->side->path) || means_contents(j->side->path)))
		r = fail(j->side, "not a directory", e);
	if (r == 0 && !j->other->is_stream)
		r = announce(j, &f, e);
	if (r == 0)
		r = send_found(j, &f, e);
	close_fd(&f.dir_fd);
	view_close(&mount);
	return r;
}

/* ---- the target ---------------------------------------------------------------------------------- */

static int open_below(const struct cp_found *f)
{
	return f->name[0] == '\0' ?
		       fd_dup(f->dir_fd) :
		       openat(f->dir_fd, f->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * Where it goes: *ret_fd the directory to unpack in, *ret_to the name there (borrowed from a or f),
 * NULL = the directory itself takes the contents.
 */
static int decide(const struct job *j, const struct announcement *a, const struct cp_found *f,
		  int *ret_fd, const char **ret_to, struct error *e)
{
	const char *path = j->side->path;
	int fd;

	if (f->exists && !f->is_dir && ends_with_slash(path))
		return fail(j->side, "not a directory", e);
	if (f->exists && !f->is_dir && a->is_dir && !j->o->overwrite)
		return fail(j->side, "cannot copy a directory over a file", e);
	if (!f->exists && !a->is_dir && ends_with_slash(path))
		return fail(j->side, "no such directory", e);
	if (f->exists && f->is_dir) {
		*ret_to = a->is_dir && a->contents ? NULL : a->name;
		fd = open_below(f);
	} else {
		*ret_to = f->name;
		fd = fd_dup(f->dir_fd);
	}
	if (fd < 0)
		return error_set(e, -errno, "opening %s", path);
	*ret_fd = fd;
	return 0;
}

static int receive(const struct job *j, const struct cp_found *f, struct error *e)
{
	const struct cp_side *p = j->side;
	struct announcement a;
	_cleanup_fd_ int dir_fd = -1;
	const char *to = NULL;
	ssize_t n = fd_read_full(j->fd, &a, sizeof(a));
	int r;

	if (n != (ssize_t)sizeof(a))
		return error_setf(e, -EPIPE, "the source ended");
	a.name[sizeof(a.name) - 1] = '\0';
	r = decide(j, &a, f, &dir_fd, &to, e);
	if (r == 0) {
		const struct storage_unpack u = {
			.fd = j->fd,
			.dir_fd = dir_fd,
			.from = TOP,
			.to = to,
			.keep_ids = p->is_container || geteuid() == 0,
			.set_owner = p->set_owner || (!p->is_container && j->o->archive != 0),
			.uid = p->is_container ? p->uid : geteuid(),
			.gid = p->is_container ? p->gid : getegid(),
			.overwrite = j->o->overwrite,
		};

		r = storage_unpack(&u, e);
	}
	return r;
}

/* A stranger's archive from standard input. */
static int receive_stream(const struct job *j, const struct cp_found *f, struct error *e)
{
	const struct cp_side *p = j->side;
	_cleanup_fd_ int dir_fd = -1;
	struct storage_untar u = {
		.helper_fd = j->helper_fd,
		.fd = j->fd,
		.keep_ids = true,
		.set_owner = p->set_owner,
		.uid = p->uid,
		.gid = p->gid,
		.overwrite = j->o->overwrite,
	};
	unsigned int notes = 0;
	const char *note;
	int r;

	if (!f->exists || !f->is_dir)
		return fail(p, f->exists ? "not a directory" : "no such directory", e);
	u.dir_fd = dir_fd = open_below(f);
	if (dir_fd < 0)
		return error_set(e, -errno, "opening %s", p->path);
	r = storage_untar(&u, &notes, e);
	while (r == 0 && (note = storage_untar_note(&notes)) != NULL)
		log_warning("%s", note);
	return r;
}

static int target_main(void *data, struct error *e)
{
	struct job *j = data;
	struct cp_found f = { .dir_fd = -1 };
	struct storage_rootfs_handle mount;
	int r = cp_side_enter(j->side, true, &mount, e);

	(void)umask(0); /* modes are those of the source */
	if (r == 0 && j->side->is_container && j->o->archive != 0)
		r = cp_side_user(j->side, e);
	if (r == 0)
		r = cp_side_find(j->side, j->side->path, &f, e);
	if (r == 0)
		r = j->other->is_stream ? receive_stream(j, &f, e) : receive(j, &f, e);
	close_fd(&f.dir_fd);
	view_close(&mount);
	return r;
}

/* ---- both ------------------------------------------------------------------------------------------- */

/* The reason is that of the side whose error is more than the other's closed pipe. */
static int reason(const struct error *source, const struct error *target, struct error *e)
{
	if (source->code == 0 && target->code == 0)
		return 0;
	if (e != NULL)
		*e = target->code == 0 || (target->code == -EPIPE && source->code != 0) ? *source :
											  *target;
	return source->code != 0 ? source->code : target->code;
}

static int copy(const struct options *o, struct cp_side *from, struct cp_side *to, struct error *e)
{
	struct error source_error = ERROR_INIT, target_error = ERROR_INIT;
	struct inside source = INSIDE_INIT, target = INSIDE_INIT;
	struct job give = { .o = o, .side = from, .other = to };
	struct job take = { .o = o, .side = to, .other = from };
	int p[2];
	int r = fd_pipe(p);

	if (r < 0)
		return error_set(e, r, "making a pipe");
	(void)fcntl(p[1], F_SETPIPE_SZ, 1 << 20); /* a larger one is only faster */
	give.fd = p[1];
	take.fd = give.other_fd = p[0];
	r = inside_start(cp_side_is_here(from), source_main, &give, &source, e);
	close_fd(&p[1]); /* not in the target */
	if (r == 0)
		r = inside_start(cp_side_is_here(to), target_main, &take, &target, e);
	close_fd(&p[0]);
	if (r == 0) {
		(void)inside_finish(&target, &target_error);
		(void)inside_finish(&source, &source_error);
		r = reason(&source_error, &target_error, e);
	}
	inside_fini(&target);
	inside_fini(&source);
	return r;
}

static int to_stdout(const struct options *o, struct cp_side *from, struct cp_side *to,
		     struct error *e)
{
	struct job give = { .o = o, .side = from, .other = to, .fd = STDOUT_FILENO, .other_fd = -1 };
	struct inside source;
	int r;

	if (isatty(STDOUT_FILENO))
		return error_setf(
			e, -EINVAL,
			"refusing to write an archive to a terminal: redirect the output");
	r = inside_start(cp_side_is_here(from), source_main, &give, &source, e);
	return r < 0 ? r : inside_finish(&source, e);
}

static int from_stdin(const struct options *o, struct cp_side *from, struct cp_side *to,
		      struct error *e)
{
	_cleanup_fd_ int helper_fd = storage_helper_open(e);
	struct job take = { .o = o,
			    .side = to,
			    .other = from,
			    .fd = STDIN_FILENO,
			    .other_fd = -1,
			    .helper_fd = helper_fd };
	struct inside target;
	int r;

	if (helper_fd < 0)
		return helper_fd;
	r = inside_start(cp_side_is_here(to), target_main, &take, &target, e);
	return r < 0 ? r : inside_finish(&target, e);
}

static int run(const struct options *o, const struct cmd_global *g, char **words, struct error *e)
{
	struct cp_side from = CP_SIDE_INIT, to = CP_SIDE_INIT;
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = cp_side_init(s, words[0], false, &from, e);
	if (r == 0)
		r = cp_side_init(s, words[1], true, &to, e);
	if (r == 0 && !from.is_container && !to.is_container)
		r = error_setf(e, -EINVAL,
			       "one of source and target must be in a container: "
			       "CONTAINER:PATH");
	if (r == 0 && from.is_container && to.is_container && strcmp(from.c.id, to.c.id) == 0 &&
	    !from.is_running)
		r = error_setf(e, -EBUSY,
			       "container %s is source and target and does not run: start it",
			       from.c.name);
	if (r == 0 && to.is_stream)
		r = to_stdout(o, &from, &to, e);
	else if (r == 0 && from.is_stream)
		r = from_stdin(o, &from, &to, e);
	else if (r == 0)
		r = copy(o, &from, &to, e);
	cp_side_fini(&from);
	cp_side_fini(&to);
	storage_free(s);
	return r;
}

int cmd_cp(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .archive = -1 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_cp, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 2)
		return opt_usage_error(&cmd_verb_cp, "a source and a target are needed");
	if (run(&o, g, argv + first, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
