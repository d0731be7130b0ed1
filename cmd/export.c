/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt export: the files of a container as a tar archive.
 *
 * Theory of operation: a child that is root of the namespace that containers have mounts the
 * container's files read only (cmd/view.c) and walks them (storage/pack/tree.c), so that owners
 * are the container's. A running container goes on; of its volumes and other mounts only
 * the mount points are seen, as with podman. No program of the container is run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/container.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/outfile.h"
#include "cmd/verbs.h"
#include "cmd/view.h"

struct options {
	const char *output;
};

static const struct option_spec options[] = {
	{ "output", 'o', OPT_STRING, offsetof(struct options, output), .arg = "FILE",
	  .help = "Write to FILE instead of standard output", .complete = "file" },
	OPTION_END
};

const struct cmd_verb cmd_verb_export = {
	.name = "export",
	.run = cmd_export,
	.options = options,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Write the files of a container as a tar archive",
	.operands = OPERANDS_CONTAINERS,
};

struct job {
	struct storage *s;
	const struct view *view;
	int fd;
};

static int work(void *data, struct error *e)
{
	struct job *j = data;
	struct storage_rootfs_handle mount;
	_cleanup_fd_ int root_fd = view_open(j->s, j->view, false, &mount, e);
	struct storage_pack p = { .root_fd = root_fd,
				  .use_override = true,
				  .write = storage_pack_to_fd,
				  .write_data = &j->fd };
	int r;

	if (root_fd < 0)
		return root_fd;
	r = storage_pack(&p, e);
	view_close(&mount);
	return r;
}

static int export_one(const struct options *o, const struct cmd_global *g, const char *name,
		      struct error *e)
{
	struct outfile out = OUTFILE_INIT;
	struct container c = { .id = NULL };
	struct view view = { .upper = NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = container_open(s, name, &c, e);
	if (r == 0)
		r = view_of_container(s, &c, &view, e);
	if (r == 0)
		r = outfile_open(o->output, &out, e);
	if (r == 0) {
		struct job j = { .s = s, .view = &view, .fd = out.fd };

		r = inside_fork(work, &j, e);
		if (r < 0)
			(void)error_prefix(e, "exporting container %s", c.name);
	}
	if (r == 0)
		r = outfile_commit(&out, e);
	outfile_close(&out);
	view_fini(&view);
	container_fini(&c);
	storage_free(s);
	return r;
}

int cmd_export(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .output = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_export, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return opt_usage_error(&cmd_verb_export,
				       "the name or id of one container is needed");
	if (export_one(&o, g, argv[first], &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
