/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt pull: take images into the store.
 *
 * Theory of operation: cmd/fetch.c does the work in a caged process; progress
 * goes to standard error, the ids of the images to standard output, so that
 * id=$(crt pull X) works as with podman.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/fetch.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	const char *arch, *os, *variant, *platform, *authfile, *creds;
	int tls_verify;
	bool quiet;
};

static const struct option_spec options[] = {
	{ "arch", 0, OPT_STRING, offsetof(struct options, arch), .arg = "ARCH",
	  .help = "Architecture, if not this machine's",
	  .complete = "amd64|arm64|386|arm|ppc64le|riscv64|s390x" },
	{ "authfile", 0, OPT_STRING, offsetof(struct options, authfile), .arg = "FILE",
	  .help = "File with credentials", .complete = "file" },
	{ "creds", 0, OPT_STRING, offsetof(struct options, creds), .arg = "USER:PASSWORD",
	  .help = "Credentials for the registry (visible to other users: prefer --authfile)" },
	{ "os", 0, OPT_STRING, offsetof(struct options, os), .arg = "OS",
	  .help = "Operating system, if not linux" },
	{ "platform", 0, OPT_STRING, offsetof(struct options, platform), .arg = "OS/ARCH[/VARIANT]",
	  .help = "Platform, if not this machine's",
	  .complete = "linux/amd64|linux/arm64|linux/386|linux/arm/v7" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show no progress" },
	{ "tls-verify", 0, OPT_TRISTATE, offsetof(struct options, tls_verify),
	  .help = "Require HTTPS and a valid certificate (default true)" },
	{ "variant", 0, OPT_STRING, offsetof(struct options, variant), .arg = "VARIANT",
	  .help = "Variant of the architecture" },
	OPTION_END
};

const struct cmd_verb cmd_verb_pull = {
	.name = "pull",
	.run = cmd_pull,
	.options = options,
	.usage = "[OPTIONS] IMAGE...",
	.summary = "Fetch images from a registry, a directory or an archive",
	.details =
		"IMAGE is NAME[:TAG][@DIGEST], oci:DIR[:TAG], docker-archive:FILE or builtin:busybox.",
	.operands = OPERANDS_IMAGES,
};

/* --platform, or one made of --os, --arch and --variant. NULL in *ret: the host's. */
static int platform(const struct options *o, char **ret, struct error *e)
{
	bool parts = o->os != NULL || o->arch != NULL || o->variant != NULL;
	char *text;

	*ret = NULL;
	if (o->platform != NULL && parts)
		return error_setf(e, -EINVAL,
				  "--platform cannot be combined with --os, --arch and --variant");
	if (o->platform == NULL && !parts)
		return 0;
	if (o->platform == NULL && o->variant != NULL && o->arch == NULL)
		return error_setf(e, -EINVAL, "--variant needs --arch");
	if (o->platform != NULL)
		text = strdup(o->platform);
	else
		text = str_printf("%s%s%s%s%s", o->os != NULL ? o->os : "linux",
				  o->arch != NULL ? "/" : "", o->arch != NULL ? o->arch : "",
				  o->variant != NULL ? "/" : "",
				  o->variant != NULL ? o->variant : "");
	if (text == NULL)
		return error_set(e, -ENOMEM, "reading the options");
	*ret = text;
	return 0;
}

static int pull_one(struct storage *s, const char *text, const struct cmd_fetch_options *f,
		    bool quiet, struct error *e)
{
	struct storage_image image = { 0 };
	_cleanup_free_ char *ref = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	r = cmd_fetch_image(s, text, f, quiet, &ref, e);
	if (r < 0)
		return r;
	r = storage_image_resolve(s, ref, &image, e);
	if (r != STORAGE_FOUND)
		return r < 0 ? r : -ENOENT;
	(void)buf_printf(&b, "%s\n", image.id); /* out_write() sees a failure */
	storage_image_fini(&image);
	return out_write(&b, e);
}

/* Others read the store: what was pulled has to be readable, too. */
static int share(void *data, struct error *e)
{
	return storage_share(data, e);
}

static int pull(const struct options *o, const struct cmd_global *g, char **names, int n,
		struct error *e)
{
	_cleanup_free_ char *where = NULL;
	struct cmd_fetch_options f = { .tls_verify = o->tls_verify,
				       .authfile = o->authfile,
				       .creds = o->creds };
	struct storage *s = NULL;
	int r;

	r = platform(o, &where, e);
	f.platform = where;
	if (r == 0)
		r = storage_open(g->root, true, &s, e);
	for (int i = 0; r == 0 && i < n; i++)
		r = pull_one(s, names[i], &f, o->quiet, e);
	if (r == 0 && storage_is_shared(s))
		r = inside_run(share, s, e);
	if (s != NULL)
		inside_empty_trash(s);
	storage_free(s);
	return r;
}

int cmd_pull(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .tls_verify = -1 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_pull, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return opt_usage_error(&cmd_verb_pull, "crt pull needs the name of an image");
	(void)umask(022); /* as in cmd_run() */
	if (pull(&o, g, argv + first, argc - first, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
