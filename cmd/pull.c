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
#include "base/json.h"
#include "base/log.h"
#include "cmd/fetch.h"
#include "cmd/image_squash.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/transport.h"
#include "cmd/verbs.h"
#include "storage/storage.h"

struct options {
	const char *arch, *os, *variant, *platform, *authfile, *creds;
	const char *policy, *signature_policy, *retry_delay;
	long long retry;
	int tls_verify;
	bool quiet, all_tags, squash;
};

static const struct option_spec options[] = {
	{ "all-tags", 'a', OPT_FLAG, offsetof(struct options, all_tags),
	  .help = "All tags of a repository" },
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
	{ "policy", 0, OPT_STRING, offsetof(struct options, policy), .arg = "POLICY",
	  .help = "Pull always (default), missing, never or newer",
	  .complete = "always|missing|never|newer" },
	{ "quiet", 'q', OPT_FLAG, offsetof(struct options, quiet), .help = "Show no progress" },
	{ "retry", 0, OPT_INT, offsetof(struct options, retry), .arg = "N",
	  .help = "How often to try again after a failure that may pass (default 3)" },
	{ "retry-delay", 0, OPT_STRING, offsetof(struct options, retry_delay), .arg = "DURATION",
	  .help = "Pause before the first of them, as 2s; it doubles each time" },
	{ "signature-policy", 0, OPT_STRING, offsetof(struct options, signature_policy),
	  .arg = "FILE", .help = "Which sources are allowed, instead of policy.json",
	  .complete = "file" },
	{ "squash", 0, OPT_FLAG, offsetof(struct options, squash),
	  .help = "Keep the image as one SquashFS file, for shared file systems" },
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
		"IMAGE is NAME[:TAG][@DIGEST], oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE,\ndir:DIR or builtin:busybox.",
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

/* present: one that is in the store will do; never: no other one will. */
static int pull_one(struct storage *s, const char *text, const struct cmd_fetch_options *f,
		    bool quiet, bool present, bool never, struct error *e)
{
	struct storage_image image = { 0 };
	_cleanup_free_ char *ref = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	r = storage_image_resolve(s, text, &image, NULL);
	if (r == STORAGE_FOUND && present) {
		ref = strdup(image.id);
		storage_image_fini(&image);
		r = ref != NULL ? 0 : error_set(e, -ENOMEM, "pull");
	} else {
		if (r == STORAGE_FOUND)
			storage_image_fini(&image);
		r = never ? error_setf(e, -ENOENT, "%s: image not known, and --policy is never",
				       text) :
			    cmd_fetch_image(s, text, f, quiet, &ref, e);
	}
	if (r < 0)
		return r;
	r = storage_image_resolve(s, ref, &image, e);
	if (r != STORAGE_FOUND)
		return r < 0 ? r : -ENOENT;
	(void)buf_printf(&b, "%s\n", image.id); /* out_write() sees a failure */
	storage_image_fini(&image);
	return out_write(&b, e);
}

static int pull_squashed(struct storage *s, const char *text, const struct cmd_fetch_options *f,
			 bool quiet, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *id = NULL;
	int r = image_squash_pull(s, text, f, quiet, &id, e);

	if (r < 0)
		return r;
	(void)buf_printf(&b, "%s\n", id); /* out_write() sees a failure */
	return out_write(&b, e);
}

/* Others read the store: what was pulled has to be readable, too. */
static int share(void *data, struct error *e)
{
	return storage_share(data, e);
}

/* The tags of a repository as JSON text; caller frees. */
static int list_tags(struct storage *s, const struct storage_ref *ref,
		     const struct cmd_fetch_options *f, char **ret, struct error *e)
{
	struct storage_fetch_request request = cmd_fetch_request(f, ref);
	struct storage_fetch *q = NULL;
	int r;

	if (strcmp(ref->transport, "docker") != 0)
		return error_setf(e, -EINVAL, "--all-tags is for images of registries");
	r = storage_query_begin(s, STORAGE_ASK_TAGS, NULL, 0, &request, &q, e);
	if (r == 0)
		r = cmd_fetch_run(q, true, ret, e);
	storage_fetch_free(q);
	return r;
}

static int pull_tags(struct storage *s, const char *text, const struct cmd_fetch_options *f,
		     bool quiet, struct error *e)
{
	struct storage_ref ref = { .transport = NULL };
	_cleanup_free_ char *answer = NULL;
	_cleanup_json_ json_t *list = NULL;
	json_t *tag;
	size_t i;
	int r = storage_ref_parse(text, &ref, e);

	if (r == 0)
		r = list_tags(s, &ref, f, &answer, e);
	if (r == 0)
		list = json_parse(answer, strlen(answer), "list of tags", e);
	if (r == 0 && json_array_size(list) == 0)
		r = error_setf(e, -ENOENT, "%s: there are no tags", text);
	json_array_foreach(list, i, tag) {
		_cleanup_free_ char *name = NULL;

		if (r < 0)
			break;
		free(ref.tag);
		ref.tag = json_string_value(tag) != NULL ? strdup(json_string_value(tag)) : NULL;
		name = ref.tag != NULL ? storage_ref_text(&ref) : NULL;
		r = name == NULL ? error_set(e, -ENOMEM, "pull") :
				   pull_one(s, name, f, quiet, false, false, e);
	}
	storage_ref_fini(&ref);
	return r;
}

/* --policy: newer is what a pull is anyway, as only changed layers are fetched. */
static int parse_policy(const char *text, bool *ret_present, bool *ret_never, struct error *e)
{
	const char *policy = text != NULL ? text : "always";

	*ret_never = strcmp(policy, "never") == 0;
	*ret_present = *ret_never || strcmp(policy, "missing") == 0 ||
		       strcmp(policy, "ifnotpresent") == 0;
	if (*ret_present || strcmp(policy, "always") == 0 || strcmp(policy, "newer") == 0 ||
	    strcmp(policy, "ifnewer") == 0)
		return 0;
	return error_setf(e, -EINVAL, "--policy %s: must be always, missing, never or newer",
			  policy);
}

static int pull(const struct options *o, const struct cmd_global *g, char **names, int n,
		struct error *e)
{
	_cleanup_free_ char *where = NULL;
	struct cmd_fetch_options f = { .tls_verify = o->tls_verify,
				       .authfile = o->authfile,
				       .creds = o->creds };
	bool present = false, never = false;
	struct storage *s = NULL;
	int r;

	if (o->squash && (o->all_tags || o->policy != NULL))
		return error_setf(e, -EINVAL,
				  "--squash cannot be combined with --all-tags and --policy");
	r = platform(o, &where, e);
	f.platform = where;
	f.policy = o->signature_policy;
	if (r == 0)
		r = transport_retries(&f, o->retry, o->retry_delay, e);
	if (r == 0)
		r = parse_policy(o->policy, &present, &never, e);
	if (r == 0)
		r = storage_open(g->root, true, &s, e);
	for (int i = 0; r == 0 && i < n; i++)
		r = o->squash	? pull_squashed(s, names[i], &f, o->quiet, e) :
		    o->all_tags ? pull_tags(s, names[i], &f, o->quiet, e) :
				  pull_one(s, names[i], &f, o->quiet, present, never, e);
	if (r == 0 && storage_is_shared(s))
		r = inside_run(share, s, e);
	if (s != NULL)
		inside_empty_trash(s);
	storage_free(s);
	return r;
}

int cmd_pull(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .tls_verify = -1, .retry = -1 };
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
