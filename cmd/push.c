/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt push: an image of the store to a registry.
 *
 * Theory of operation: cmd/transport.c does the work. What is pushed is what was
 * pulled, bit for bit: layers are kept packed, so no option changes their
 * compression. The digest of what arrived can be written to a file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/outfile.h"
#include "cmd/transport.h"
#include "cmd/verbs.h"

struct options {
	struct cmd_fetch_options f;
	const char *digestfile, *format, *compression_format, *retry_delay;
	unsigned int compression_level;
	long long retry;
	bool quiet, all, remove_signatures, compress;
};

static const struct option_spec options[] = {
	{ "all", 0, OPT_FLAG, offsetof(struct options, all),
	  .help = "Accepted for scripts: the store holds one platform of an image" },
	{ "authfile", 0, OPT_STRING, offsetof(struct options, f.authfile), .arg = "FILE",
	  .help = "File with credentials", .complete = "file" },
	{ "compress", 0, OPT_FLAG, offsetof(struct options, compress),
	  .help = "Accepted for scripts: layers stay as they are" },
	{ "compression-format", 0, OPT_STRING, offsetof(struct options, compression_format),
	  .arg = "FORMAT", .help = "Accepted for scripts: layers stay as they are",
	  .complete = "gzip|zstd" },
	{ "compression-level", 0, OPT_UINT, offsetof(struct options, compression_level),
	  .arg = "LEVEL", .help = "Accepted for scripts: layers stay as they are" },
	{ "creds", 0, OPT_STRING, offsetof(struct options, f.creds), .arg = "USER:PASSWORD",
	  .help = "Credentials for the registry (visible to other users: prefer --authfile)" },
	{ "digestfile", 0, OPT_STRING, offsetof(struct options, digestfile), .arg = "FILE",
	  .help = "Write the digest of what was pushed to a file", .complete = "file" },
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "FORMAT",
	  .help = "Form of the manifest: oci or v2s2 (default: as it is)", .complete = "oci|v2s2" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show no progress" },
	{ "remove-signatures", 0, OPT_FLAG, offsetof(struct options, remove_signatures),
	  .help = "Accepted for scripts: signatures are never copied" },
	{ "retry", 0, OPT_INT, offsetof(struct options, retry), .arg = "N",
	  .help = "How often to try again after a failure that may pass (default 3)" },
	{ "retry-delay", 0, OPT_STRING, offsetof(struct options, retry_delay), .arg = "DURATION",
	  .help = "Pause before the first of them, as 2s; it doubles each time" },
	{ "tls-verify", 0, OPT_TRISTATE, offsetof(struct options, f.tls_verify),
	  .help = "Require HTTPS and a valid certificate (default true)" },
	OPTION_END
};

const struct cmd_verb cmd_verb_push = {
	.name = "push",
	.run = cmd_push,
	.options = options,
	.usage = "[OPTIONS] IMAGE [DESTINATION]",
	.summary = "Send an image to a registry",
	.details =
		"DESTINATION is a name with its registry, or another transport (oci:DIR:TAG ...); default: IMAGE.",
	.operands = OPERANDS_IMAGES,
};

/* The name under which the image is known, when no destination was given. */
static int own_name(struct storage *s, const char *text, char **ret, struct error *e)
{
	struct storage_image image = { 0 };
	int r = storage_image_resolve(s, text, &image, e);

	if (r != STORAGE_FOUND)
		return r < 0 ? r : -ENOENT;
	for (size_t i = 0; i < image.names.n && *ret == NULL; i++)
		if (transport_says_name(image.names.v[i], text))
			*ret = strdup(image.names.v[i]);
	if (*ret == NULL)
		r = error_setf(e, -EINVAL, "%s: where to? Name a destination", text);
	storage_image_fini(&image);
	return r;
}

static int push_to(const struct options *o, struct storage *s, const struct transport *from,
		   const struct transport *to, struct error *e)
{
	_cleanup_free_ char *digest = NULL;
	struct transfer t;
	int r;

	r = transfer_from(&t, s, from, &o->f, false, o->quiet, e);
	if (r == 0 && o->format != NULL)
		r = storage_bundle_convert(
			t.bundle, strcmp(o->format, "docker") == 0 ? "v2s2" : o->format, e);
	if (r == 0)
		r = transfer_to(&t, to, &o->f, o->quiet, &digest, e);
	transfer_fini(&t);
	if (r == 0 && o->digestfile != NULL)
		r = outfile_put(o->digestfile, digest, strlen(digest), e);
	return r;
}

static int push(const struct options *o, const struct cmd_global *g, const char *image,
		const char *destination, struct error *e)
{
	_cleanup_free_ char *own = NULL;
	struct transport from = { .kind = TRANSPORT_STORE }, to = { .kind = TRANSPORT_STORE };
	struct storage *s = NULL;
	int r;

	r = storage_open(g->root, false, &s, e);
	if (r == 0)
		r = transport_parse(image, false, &from, e);
	if (r == 0 && from.kind != TRANSPORT_STORE)
		r = error_setf(e, -EINVAL, "%s is not in the store: see crt copy", image);
	if (r == 0 && destination == NULL)
		r = own_name(s, from.name, &own, e);
	if (r == 0)
		r = transport_parse(destination != NULL ? destination : own, true, &to, e);
	if (r == 0 && to.kind == TRANSPORT_STORE)
		r = error_setf(e, -EINVAL, "%s is no place to push to", destination);
	if (r == 0)
		r = push_to(o, s, &from, &to, e);
	transport_fini(&from);
	transport_fini(&to);
	storage_free(s);
	return r;
}

int cmd_push(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .f = { .tls_verify = -1 }, .retry = -1 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_push, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first < 1 || argc - first > 2)
		return opt_usage_error(&cmd_verb_push,
				       "crt push needs an image and perhaps a destination");
	if (transport_retries(&o.f, o.retry, o.retry_delay, &e) < 0 ||
	    push(&o, g, argv[first], first + 1 < argc ? argv[first + 1] : NULL, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
