/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt copy: an image from one place to another, as skopeo copy.
 *
 * Theory of operation: cmd/transport.c. A copy into the store is a pull under
 * another name; all others do not unpack anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/outfile.h"
#include "cmd/transport.h"
#include "cmd/verbs.h"

struct options {
	struct cmd_fetch_options src, dest;
	const char *authfile, *digestfile, *format, *policy, *retry_delay, *platform;
	long long retry;
	bool all, preserve_digests, quiet, remove_signatures;
};

static const struct option_spec options[] = {
	{ "all", 'a', OPT_FLAG, offsetof(struct options, all),
	  .help = "All platforms of an index, and the index" },
	{ "authfile", 0, OPT_STRING, offsetof(struct options, authfile), .arg = "FILE",
	  .help = "File with credentials", .complete = "file" },
	{ "dest-authfile", 0, OPT_STRING, offsetof(struct options, dest.authfile), .arg = "FILE",
	  .help = "The same for the destination", .complete = "file" },
	{ "dest-creds", 0, OPT_STRING, offsetof(struct options, dest.creds), .arg = "USER:PASSWORD",
	  .help = "Credentials for the destination (visible to other users)" },
	{ "dest-tls-verify", 0, OPT_TRISTATE, offsetof(struct options, dest.tls_verify),
	  .help = "Require HTTPS and a valid certificate at the destination" },
	{ "digestfile", 0, OPT_STRING, offsetof(struct options, digestfile), .arg = "FILE",
	  .help = "Write the digest of what was copied to a file", .complete = "file" },
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "FORMAT",
	  .help = "Form of the manifest: oci or v2s2 (default: as it is)", .complete = "oci|v2s2" },
	{ "platform", 0, OPT_STRING, offsetof(struct options, platform), .arg = "OS/ARCH[/VARIANT]",
	  .help = "Platform, if not this machine's",
	  .complete = "linux/amd64|linux/arm64|linux/386|linux/arm/v7" },
	{ "policy", 0, OPT_STRING, offsetof(struct options, policy), .arg = "FILE",
	  .help = "Which sources are allowed, instead of policy.json", .complete = "file" },
	{ "preserve-digests", 0, OPT_FLAG, offsetof(struct options, preserve_digests),
	  .help = "Fail when the digest would change" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show no progress" },
	{ "remove-signatures", 0, OPT_FLAG, offsetof(struct options, remove_signatures),
	  .help = "Accepted for scripts: signatures are never copied" },
	{ "retry-delay", 0, OPT_STRING, offsetof(struct options, retry_delay), .arg = "DURATION",
	  .help = "Pause before the first new try, as 2s; it doubles each time" },
	{ "retry-times", 0, OPT_INT, offsetof(struct options, retry), .arg = "N",
	  .help = "How often to try again after a failure that may pass (default 3)" },
	{ "src-authfile", 0, OPT_STRING, offsetof(struct options, src.authfile), .arg = "FILE",
	  .help = "The same as --authfile for the source", .complete = "file" },
	{ "src-creds", 0, OPT_STRING, offsetof(struct options, src.creds), .arg = "USER:PASSWORD",
	  .help = "Credentials for the source (visible to other users)" },
	{ "src-tls-verify", 0, OPT_TRISTATE, offsetof(struct options, src.tls_verify),
	  .help = "Require HTTPS and a valid certificate at the source" },
	OPTION_END
};

const struct cmd_verb cmd_verb_copy = {
	.name = "copy",
	.run = cmd_copy,
	.options = options,
	.usage = "[OPTIONS] SOURCE DESTINATION",
	.summary = "Copy an image between registries, archives, directories and the store",
	.details =
		"Either is docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME],\n"
		"dir:DIR, or a name of the store.",
	.operands = OPERANDS_IMAGES,
};

/* Into the store: a pull under that name. */
static int into_store(const struct options *o, struct storage *s, const struct transport *from,
		      const char *name, char **ret_digest, struct error *e)
{
	struct cmd_fetch_options f = o->src;
	struct storage_ref ref = { .transport = NULL };
	_cleanup_free_ char *full = NULL;
	int r;

	if (from->kind == TRANSPORT_STORE)
		return error_setf(e, -EINVAL, "%s and %s are both in the store: see crt tag",
				  from->text, name);
	if (o->all)
		return error_setf(e, -EINVAL,
				  "the store holds one platform of an image: without --all");
	if (o->format != NULL)
		return error_setf(e, -EINVAL,
				  "the store keeps images as they are: without --format");
	r = storage_ref_parse(name, &ref, e);
	if (r == 0 && (strcmp(ref.transport, "docker") != 0 || ref.digest != NULL))
		r = error_setf(e, -EINVAL, "%s is no name that an image can have", name);
	if (r == 0) {
		char *text = storage_ref_text(&ref);

		full = text != NULL && ref.domain == NULL ? str_printf("localhost/%s", text) :
							    steal_ptr(&text);
		free(text);
		if (full == NULL)
			r = error_set(e, -ENOMEM, "copy");
	}
	f.store_as = full;
	if (r == 0)
		r = cmd_fetch_image(s, from->text, &f, o->quiet, ret_digest, e);
	storage_ref_fini(&ref);
	inside_empty_trash(s);
	return r;
}

static int copy_packed(const struct options *o, struct storage *s, const struct transport *from,
		       const struct transport *to, char **ret_digest, struct error *e)
{
	_cleanup_free_ char *before = NULL;
	struct transfer t;
	int r;

	r = transfer_from(&t, s, from, &o->src, o->all, o->quiet, e);
	if (r == 0 && o->format != NULL) {
		before = strdup(storage_bundle_digest(t.bundle));
		r = storage_bundle_convert(t.bundle, o->format, e);
		if (r == 0 && o->preserve_digests &&
		    (before == NULL || strcmp(before, storage_bundle_digest(t.bundle)) != 0))
			r = error_setf(e, -EINVAL,
				       "--preserve-digests: the form %s would have another digest",
				       o->format);
	}
	if (r == 0)
		r = transfer_to(&t, to, &o->dest, o->quiet, ret_digest, e);
	transfer_fini(&t);
	return r;
}

static int copy(struct options *o, const struct cmd_global *g, char **names, struct error *e)
{
	struct transport from = { .kind = TRANSPORT_STORE }, to = { .kind = TRANSPORT_STORE };
	_cleanup_free_ char *digest = NULL;
	struct storage *s = NULL;
	int r;

	o->src.platform = o->platform;
	o->src.policy = o->policy;
	if (o->src.authfile == NULL)
		o->src.authfile = o->authfile;
	if (o->dest.authfile == NULL)
		o->dest.authfile = o->authfile;
	r = transport_retries(&o->src, o->retry, o->retry_delay, e);
	if (r == 0)
		r = transport_retries(&o->dest, o->retry, o->retry_delay, e);
	if (r == 0)
		r = transport_parse(names[0], false, &from, e);
	if (r == 0)
		r = transport_parse(names[1], false, &to, e);
	/* what comes from outside goes through a transaction of the store */
	if (r == 0)
		r = storage_open(g->root, from.kind != TRANSPORT_STORE, &s, e);
	if (r == 0)
		r = to.kind == TRANSPORT_STORE ? into_store(o, s, &from, to.name, &digest, e) :
						 copy_packed(o, s, &from, &to, &digest, e);
	if (r == 0 && o->digestfile != NULL)
		r = outfile_put(o->digestfile, digest, strlen(digest), e);
	transport_fini(&from);
	transport_fini(&to);
	storage_free(s);
	return r;
}

int cmd_copy(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .src = { .tls_verify = -1 },
			     .dest = { .tls_verify = -1 },
			     .retry = -1 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_copy, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (argc - first != 2)
		return opt_usage_error(&cmd_verb_copy, "crt copy needs a source and a destination");
	if (copy(&o, g, argv + first, &e) < 0) {
		log_error(&e);
		return EXIT_CRT;
	}
	return 0;
}
