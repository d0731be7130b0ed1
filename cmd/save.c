/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt save: images of the store to an archive or a directory.
 *
 * Theory of operation: storage/save.c writes; here are the names and the target.
 * Standard output must not be a terminal, as an archive would garble it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/image_squash.h"
#include "cmd/opt.h"
#include "cmd/transport.h"
#include "cmd/verbs.h"

struct options {
	const char *format, *output;
	bool compress, multi, quiet;
};

static const struct option_spec options[] = {
	{ "compress", 0, OPT_FLAG, offsetof(struct options, compress),
	  .help = "Accepted for scripts: layers stay as they are" },
	{ "format", 0, OPT_STRING, offsetof(struct options, format), .arg = "FORMAT",
	  .help = "docker-archive (default), oci-archive, oci-dir, docker-dir or squashfs",
	  .complete = "docker-archive|oci-archive|oci-dir|docker-dir|squashfs" },
	{ "multi-image-archive", 'm', OPT_FLAG, offsetof(struct options, multi),
	  .help = "Accepted for scripts: several names are always several images" },
	{ "output", 'o', OPT_STRING, offsetof(struct options, output), .arg = "FILE",
	  .help = "File or directory to write (default: standard output)", .complete = "file" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet),
	  .help = "Accepted for scripts: there is no progress to show" },
	OPTION_END
};

const struct cmd_verb cmd_verb_save = {
	.name = "save",
	.run = cmd_save,
	.options = options,
	.usage = "[OPTIONS] IMAGE...",
	.summary = "Write images to an archive or a directory",
	.operands = OPERANDS_IMAGES,
};

static int parse_format(const char *text, enum storage_format *ret, struct error *e)
{
	static const struct {
		const char *name;
		enum storage_format format;
	} known[] = {
		{ "docker-archive", STORAGE_FORMAT_DOCKER_ARCHIVE },
		{ "oci-archive", STORAGE_FORMAT_OCI_ARCHIVE },
		{ "oci-dir", STORAGE_FORMAT_OCI_DIR },
		{ "docker-dir", STORAGE_FORMAT_DIR },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, text) == 0) {
			*ret = known[i].format;
			return 0;
		}
	}
	return error_setf(
		e, -EINVAL,
		"--format %s: must be docker-archive, oci-archive, oci-dir, docker-dir or squashfs",
		text);
}

static int write_out(const struct options *o, struct storage_bundle *const *bundles, size_t n,
		     enum storage_format format, struct error *e)
{
	if (o->output != NULL)
		return transport_write(bundles, n, format, o->output, e);
	if (format == STORAGE_FORMAT_OCI_DIR || format == STORAGE_FORMAT_DIR)
		return error_setf(e, -EINVAL, "--format %s needs --output DIR", o->format);
	if (isatty(STDOUT_FILENO) == 1)
		return error_setf(
			e, -EINVAL,
			"standard output is a terminal: name a file by --output, or redirect it");
	return storage_bundle_write(bundles, n, format, STDOUT_FILENO, e);
}

static int save(const struct options *o, const struct cmd_global *g, char **names, size_t n,
		struct error *e)
{
	struct storage_bundle **bundles = calloc(n, sizeof(struct storage_bundle *));
	enum storage_format format = STORAGE_FORMAT_DOCKER_ARCHIVE;
	struct storage *s = NULL;
	int r = bundles != NULL ? 0 : error_set(e, -ENOMEM, "save");

	if (r == 0 && o->format != NULL && strcmp(o->format, "squashfs") == 0) {
		free(bundles);
		return n == 1 && o->output != NULL ?
			       image_squash_write(g, names[0], o->output, e) :
			       error_setf(e, -EINVAL,
					  "--format squashfs needs one image and --output FILE");
	}
	if (r == 0 && o->format != NULL)
		r = parse_format(o->format, &format, e);
	if (r == 0)
		r = storage_open(g->root, false, &s, e);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = transport_bundle(s, names[i], &bundles[i], e);
	if (r == 0)
		r = write_out(o, bundles, n, format, e);
	for (size_t i = 0; bundles != NULL && i < n; i++)
		storage_bundle_free(bundles[i]);
	free(bundles);
	storage_free(s);
	return r;
}

int cmd_save(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_save, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(&cmd_verb_save, "crt save needs the name of an image");
	if (save(&o, g, argv + first, (size_t)(argc - first), &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
