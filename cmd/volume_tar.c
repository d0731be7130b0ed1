/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt volume export, crt volume import: the files of a volume as a tar archive.
 *
 * Theory of operation: a child that is root of the namespace that containers have packs or
 * unpacks, so that owners are those that containers see. The archive that is imported is
 * anybody's: crt-pack unpacks it in its cage. Into a volume that no container used yet it is
 * the first use (storage/volume.c): interrupted it leaves nothing that the next use would
 * find, and what the image has in that place is not copied over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "cmd/inside.h"
#include "cmd/outfile.h"
#include "cmd/volumes.h"

struct options {
	const char *output;
};

static const struct option_spec export_options[] = {
	{ "output", 'o', OPT_STRING, offsetof(struct options, output), .arg = "FILE",
	  .help = "Write to FILE instead of standard output", .complete = "file" },
	OPTION_END
};
static const struct option_spec import_options[] = { OPTION_END };

static int export_main(int argc, char **argv, const struct cmd_global *g);
static int import_main(int argc, char **argv, const struct cmd_global *g);

const struct cmd_verb volume_verb_export = {
	.name = "volume export",
	.run = export_main,
	.options = export_options,
	.usage = "[OPTIONS] NAME",
	.summary = "Write the files of a volume as a tar archive",
	.operands = OPERANDS_VOLUMES,
};

const struct cmd_verb volume_verb_import = {
	.name = "volume import",
	.run = import_main,
	.options = import_options,
	.usage = "NAME [FILE|-]",
	.summary = "Unpack a tar archive in a volume",
	.operands = OPERANDS_VOLUMES,
};

struct job {
	struct storage *s;
	const char *name;
	int fd;
	int helper_fd;
};

static int open_volume(const struct cmd_global *g, const char *text, struct storage **ret_s,
		       char **ret_name, struct error *e)
{
	int r = storage_open(g->root, false, ret_s, e);

	if (r == 0)
		r = storage_volume_find(*ret_s, text, ret_name, e);
	return r == STORAGE_MISSING ? -ENOENT : r;
}

/* ---- export ---------------------------------------------------------------------------------- */

static int pack(void *data, struct error *e)
{
	struct job *j = data;
	_cleanup_fd_ int dir_fd = storage_volume_open(j->s, j->name, e);
	struct storage_pack p = { .root_fd = dir_fd,
				  .with_top = true,
				  .write = storage_pack_to_fd,
				  .write_data = &j->fd };

	return dir_fd < 0 ? dir_fd : storage_pack(&p, e);
}

static int export_one(const struct options *o, const struct cmd_global *g, const char *text,
		      struct error *e)
{
	_cleanup_free_ char *name = NULL;
	struct outfile out = OUTFILE_INIT;
	struct job j = { .s = NULL };
	int r = open_volume(g, text, &j.s, &name, e);

	if (r == 0)
		r = outfile_open(o->output, &out, e);
	if (r == 0) {
		j.name = name;
		j.fd = out.fd;
		r = inside_fork(pack, &j, e);
		if (r < 0)
			(void)error_prefix(e, "exporting volume %s", name);
	}
	if (r == 0)
		r = outfile_commit(&out, e);
	outfile_close(&out);
	storage_free(j.s);
	return r;
}

static int export_main(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .output = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&volume_verb_export, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&volume_verb_export, "the name of one volume is needed");
	if (export_one(&o, g, argv[first], &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}

/* ---- import ---------------------------------------------------------------------------------- */

static int unpack(void *data, struct error *e)
{
	struct job *j = data;
	_cleanup_fd_ int lock_fd = -1;
	_cleanup_fd_ int dir_fd = -1;
	struct storage_untar u = {
		.helper_fd = j->helper_fd,
		.fd = j->fd,
		.keep_ids = true,
		.overwrite = true,
	};
	unsigned int notes = 0;
	const char *note;
	int first = storage_volume_first_use(j->s, j->name, &lock_fd, e);
	int r;

	if (first < 0)
		return first;
	u.dir_fd = dir_fd = storage_volume_open(j->s, j->name, e);
	if (dir_fd < 0)
		return dir_fd;
	r = storage_untar(&u, &notes, e);
	if (r == 0 && first > 0)
		r = storage_volume_used(j->s, j->name, e);
	while (r == 0 && (note = storage_untar_note(&notes)) != NULL)
		log_warning("%s", note);
	return r;
}

static int import_one(const struct cmd_global *g, const char *text, const char *file,
		      struct error *e)
{
	bool is_stdin = file == NULL || strcmp(file, "-") == 0;
	_cleanup_fd_ int fd = is_stdin ? fd_dup(STDIN_FILENO) :
					 open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_fd_ int helper_fd = -1;
	_cleanup_free_ char *name = NULL;
	struct job j = { .fd = fd };
	int r;

	if (fd < 0)
		return error_set(e, -errno, "opening %s", is_stdin ? "standard input" : file);
	helper_fd = j.helper_fd = storage_helper_open(e);
	if (helper_fd < 0)
		return helper_fd;
	r = open_volume(g, text, &j.s, &name, e);
	if (r == 0) {
		j.name = name;
		r = inside_fork(unpack, &j, e);
		if (r < 0)
			(void)error_prefix(e, "importing into volume %s", name);
	}
	storage_free(j.s);
	return r;
}

static int import_main(int argc, char **argv, const struct cmd_global *g)
{
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&volume_verb_import, argc, argv, NULL, &code);

	if (first < 0)
		return code;
	if (argc - first < 1 || argc - first > 2)
		return opt_usage_error(&volume_verb_import,
				       "a volume and at most one file are needed");
	if (import_one(g, argv[first], argc - first > 1 ? argv[first + 1] : NULL, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
