/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt commit: an image made of a container.
 *
 * Theory of operation: what the container wrote lies in its upper directory. crt-pack
 * (storage/pack/helper-main.c), in its cage, as root of the namespace that containers have,
 * makes a layer of it: blob and unpacked tree, in a transaction. The configuration is that of
 * the container's image with what the container was told (command, environment, user, ...) and
 * what the options say; the manifest is the image's with the layer added. Both are written
 * into the transaction, whose commit (storage/txn.c) makes all of it appear at once: a crash
 * before leaves nothing, and nothing half ever has a name.
 *
 * The container may be running. Its volumes are no part of its upper directory. Base
 * configuration and manifest come from a registry and are parsed strictly; values of them are
 * handed on as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sha256.h"
#include "cmd/change.h"
#include "cmd/container.h"
#include "cmd/events.h"
#include "cmd/inside.h"
#include "cmd/opt.h"
#include "cmd/out.h"
#include "cmd/pause.h"
#include "cmd/verbs.h"
#include "cmd/view.h"

#define DIGEST_SIZE	(sizeof("sha256:") + SHA256_HEX)
#define OCI_MANIFEST	"application/vnd.oci.image.manifest.v1+json"
#define OCI_CONFIG	"application/vnd.oci.image.config.v1+json"
#define OCI_LAYER	"application/vnd.oci.image.layer.v1.tar"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_CONFIG	"application/vnd.docker.container.image.v1+json"
#define DOCKER_LAYER	"application/vnd.docker.image.rootfs.diff.tar"

struct options {
	const char *author, *format, *iidfile, *message;
	struct strv changes;
	bool include_volumes, quiet, squash;
	int pause;
};
#define AT(m) offsetof(struct options, m)

static const struct option_spec options[] = {
	{ "author", 'a', OPT_STRING, AT(author), .arg = "NAME", .help = "Who made the image" },
	{ "change", 'c', OPT_STRINGS, AT(changes), .arg = "INSTRUCTION",
	  .help = "Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, "
		  "STOPSIGNAL, USER, VOLUME or WORKDIR with a value" },
	{ "format", 'f', OPT_STRING, AT(format), .arg = "FORMAT",
	  .help = "Form of manifest and configuration: oci (default) or docker",
	  .complete = "oci|docker" },
	{ "iidfile", 0, OPT_STRING, AT(iidfile), .arg = "FILE",
	  .help = "Write the image's id to FILE", .complete = "file" },
	{ "include-volumes", 0, OPT_FLAG, AT(include_volumes),
	  .help = "The container's volumes become volumes of the image (not what is in them)" },
	{ "message", 'm', OPT_STRING, AT(message), .arg = "TEXT",
	  .help = "A comment in the image's history" },
	{ "pause", 'p', OPT_TRISTATE, AT(pause),
	  .help = "Pause the container meanwhile (default false)" },
	{ "quiet", 'q', OPT_FLAG, AT(quiet), .help = "Print nothing but the id" },
	{ "squash", 's', OPT_FLAG, AT(squash),
	  .help = "One layer with everything instead of one more layer" },
	OPTION_END
};

const struct cmd_verb cmd_verb_commit = {
	.name = "commit",
	.run = cmd_commit,
	.options = options,
	.usage = "[OPTIONS] CONTAINER [IMAGE]",
	.summary = "Make an image of a container",
	.operands = OPERANDS_CONTAINERS,
};

struct commit {
	const struct options *o;
	struct storage *s;
	struct container c;
	struct view view;
	struct storage_image base; /* empty with --rootfs */
	struct storage_txn *txn;
	bool whole;    /* one layer with everything */
	bool keep_ids; /* a range of ids is mapped */
	int helper_fd;
	/* from the child, by a pipe */
	struct storage_layer_made layer;
	int made_fd;
	json_t *config, *manifest;
	char config_digest[DIGEST_SIZE], manifest_digest[DIGEST_SIZE];
};

static bool is_docker(const struct options *o)
{
	return o->format != NULL && strcmp(o->format, "docker") == 0;
}

/* ---- the layer ------------------------------------------------------------------------------ */

static int layer_child(void *data, struct error *e)
{
	struct commit *k = data;
	struct storage_rootfs_handle mount = { .fuse_pid_fd = -1 };
	struct storage_layer_made made;
	_cleanup_fd_ int tree_fd =
		k->whole ? view_open(k->s, &k->view, false, &mount, e) :
			   open(k->view.upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct storage_layer_source source = {
		.helper_fd = k->helper_fd,
		.tree_fd = tree_fd,
		.txn_fd = storage_txn_fd(k->txn),
		.keep_ids = k->keep_ids,
	};
	int r;

	if (tree_fd < 0)
		return k->whole ? tree_fd : error_set(e, -errno, "opening %s", k->view.upper);
	r = storage_layer_make(&source, &made, e);
	view_close(&mount);
	if (r == 0) {
		r = fd_write_all(k->made_fd, &made, sizeof(made));
		if (r < 0)
			(void)error_set(e, r, "handing the layer on");
	}
	return r;
}

static int make_layer(struct commit *k, struct error *e)
{
	_cleanup_fd_ int from = -1, to = -1;
	struct inside child;
	int p[2];
	int r = fd_pipe(p);

	if (r < 0)
		return error_set(e, r, "making a pipe");
	from = p[0];
	to = k->made_fd = p[1];
	r = inside_start(false, layer_child, k, &child, e);
	close_fd(&to);
	if (r == 0)
		r = inside_finish(&child, e);
	if (r == 0 && fd_read_full(from, &k->layer, sizeof(k->layer)) != (ssize_t)sizeof(k->layer))
		r = error_setf(e, -EIO, "the layer was not handed on");
	return r;
}

/* ---- the configuration ---------------------------------------------------------------------- */

static json_t *now_json(void)
{
	char text[80] = "";
	struct timespec ts;
	struct tm tm;

	if (clock_gettime(CLOCK_REALTIME, &ts) == 0 && gmtime_r(&ts.tv_sec, &tm) != NULL)
		(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
			       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			       tm.tm_sec, ts.tv_nsec); /* fits */
	return json_string(text);
}

/* Variables that every container gets. */
static bool is_ours(const char *entry)
{
	static const char *const names[] = { "HOSTNAME=", "HOME=", "TERM=", "container=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_starts(entry, names[i]))
			return true;
	return false;
}

/* The command without its entry point. */
static json_t *cmd_of(const json_t *record, const json_t *entrypoint)
{
	const json_t *command = json_object_get(record, "command");
	json_t *list = json_array(), *word;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)command, i, word)
		if (i >= json_array_size(entrypoint))
			(void)json_array_append(list, word); /* the caller's set fails with NULL */
	return list;
}

static int set(json_t *obj, const char *key, json_t *value, struct error *e)
{
	return json_object_set_new(obj, key, value) < 0 ?
		       error_set(e, -ENOMEM, "composing the image") :
		       0;
}

static json_t *object_in(json_t *obj, const char *key)
{
	json_t *m = json_object_get(obj, key);

	if (json_is_object(m))
		return m;
	m = json_object();
	return json_object_set_new(obj, key, m) < 0 ? NULL : m;
}

static int set_volumes(const struct commit *k, json_t *config, struct error *e)
{
	const json_t *list = json_object_get(k->c.record, "volumes");
	json_t *volumes = object_in(config, "Volumes"), *one;
	size_t i;
	int r = volumes == NULL ? error_set(e, -ENOMEM, "composing the image") : 0;

	json_array_foreach((json_t *)(uintptr_t)list, i, one) {
		const char *to = json_string_value(json_object_get(one, "destination"));

		if (r == 0 && to != NULL)
			r = set(volumes, to, json_object(), e);
	}
	return r;
}

/* What the container was told becomes what the image says. */
static int set_config(const struct commit *k, json_t *config, struct error *e)
{
	const json_t *told = json_object_get(k->c.record, "config");
	json_t *entrypoint = json_object_get(told, "entrypoint");
	json_t *labels = json_object_get(k->c.record, "labels");
	const char *user = json_string_value(json_object_get(told, "user"));
	const char *signal = json_string_value(json_object_get(told, "stopSignal"));
	json_t *cwd = json_object_get(told, "cwd"), *one;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(told, "env"), i, one)
		if (r == 0 && json_is_string(one) && !is_ours(json_string_value(one)) &&
		    change_set_env(config, json_string_value(one)) < 0)
			r = error_set(e, -ENOMEM, "composing the image");
	if (r == 0 && json_array_size(entrypoint) > 0)
		r = set(config, "Entrypoint", json_incref(entrypoint), e);
	else if (r == 0)
		(void)json_object_del(config, "Entrypoint"); /* not there is fine */
	if (r == 0)
		r = set(config, "Cmd", cmd_of(k->c.record, entrypoint), e);
	if (r == 0 && user != NULL && user[0] != '\0')
		r = set(config, "User", json_string(user), e);
	if (r == 0 && json_is_string(cwd) && strcmp(json_string_value(cwd), "/") != 0)
		r = set(config, "WorkingDir", json_incref(cwd), e);
	if (r == 0 && json_object_size(labels) > 0)
		r = set(config, "Labels", json_incref(labels), e);
	if (r == 0 && signal != NULL && strcmp(signal, "SIGTERM") != 0)
		r = set(config, "StopSignal", json_string(signal), e);
	if (r == 0 && k->o->include_volumes)
		r = set_volumes(k, config, e);
	return r == 0 ? change_apply_all(config, &k->o->changes, e) : r;
}

static int add_history(const struct commit *k, json_t *created, struct error *e)
{
	_cleanup_free_ char *command = container_command(&k->c);
	json_t *history = json_object_get(k->config, "history");
	json_t *one = json_pack("{s:O,s:s,s:s*,s:s*}", "created", created, "created_by",
				command != NULL ? command : "", "author", k->o->author, "comment",
				k->o->message);

	if (!json_is_array(history) || k->whole) {
		history = json_array();
		if (set(k->config, "history", history, e) < 0) {
			json_decref(one);
			return -ENOMEM;
		}
	}
	return json_array_append_new(history, one) < 0 ?
		       error_set(e, -ENOMEM, "composing the image") :
		       0;
}

/* Ours, as images call it. */
static const char *architecture(void)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },	  { "aarch64", "arm64" },
						{ "ppc64le", "ppc64le" }, { "s390x", "s390x" },
						{ "riscv64", "riscv64" }, { "i686", "386" } };
	struct utsname u;

	for (size_t i = 0; uname(&u) == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(u.machine, names[i][0]) == 0)
			return names[i][1];
	return "unknown";
}

static int make_config(struct commit *k, struct error *e)
{
	_cleanup_json_ json_t *created = now_json();
	json_t *rootfs, *ids, *config;
	int r;

	k->config = k->base.config == NULL ?
			    json_pack("{s:s,s:s}", "architecture", architecture(), "os", "linux") :
			    json_parse(k->base.config, k->base.config_len, "image config", e);
	if (k->config == NULL)
		return e->code < 0 ? e->code : error_set(e, -ENOMEM, "composing the image");
	config = object_in(k->config, "config");
	rootfs = object_in(k->config, "rootfs");
	ids = json_object_get(rootfs, "diff_ids");
	if (config == NULL || rootfs == NULL)
		return error_set(e, -ENOMEM, "composing the image");
	/* what speaks of another container */
	(void)json_object_del(k->config, "container"); /* not there is fine, as the next */
	(void)json_object_del(k->config, "container_config");
	r = set(k->config, "created", json_incref(created), e);
	if (r == 0 && k->o->author != NULL)
		r = set(k->config, "author", json_string(k->o->author), e);
	if (r == 0 && (!json_is_array(ids) || k->whole)) {
		ids = json_array();
		r = set(rootfs, "diff_ids", ids, e);
	}
	if (r == 0)
		r = set(rootfs, "type", json_string("layers"), e);
	if (r == 0 && json_array_append_new(ids, json_string(k->layer.diff_id)) < 0)
		r = error_set(e, -ENOMEM, "composing the image");
	if (r == 0)
		r = add_history(k, created, e);
	return r == 0 ? set_config(k, config, e) : r;
}

/* ---- the manifest --------------------------------------------------------------------------------- */

/* A document into the transaction. */
static int put_blob(struct commit *k, const json_t *doc, char digest[DIGEST_SIZE], size_t *ret_len,
		    struct error *e)
{
	_cleanup_free_ char *text = json_to_text(doc);
	struct sha256 h;
	char name[96];
	int r;

	if (text == NULL)
		return error_set(e, -ENOMEM, "composing the image");
	*ret_len = strlen(text);
	if (*ret_len > LIMIT_JSON_BYTES)
		return error_setf(e, -E2BIG, "the image's configuration is too large");
	sha256_init(&h);
	sha256_add(&h, text, *ret_len);
	memcpy(digest, "sha256:", 7);
	sha256_end(&h, digest + 7);
	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7); /* fits */
	r = fd_write_file_at(storage_txn_fd(k->txn), name, text, *ret_len, 0600, false, e);
	return r;
}

/* The media type of a layer in the form that is wanted. */
static json_t *layer_type(const char *type, bool docker)
{
	const char *packed = type == NULL	    ? "" :
			     str_ends(type, "gzip") ? "gzip" :
			     str_ends(type, "zstd") ? "zstd" :
						      "";
	char text[128];

	(void)snprintf(text, sizeof(text), "%s%s%s", docker ? DOCKER_LAYER : OCI_LAYER,
		       packed[0] == '\0' ? "" :
		       docker		 ? "." :
					   "+",
		       packed); /* fits */
	return json_string(text);
}

static int base_layers(struct commit *k, json_t *layers, struct error *e)
{
	_cleanup_fd_ int fd = storage_open_blob(k->s, k->base.digest, e);
	_cleanup_json_ json_t *manifest = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	json_t *one;
	size_t i;
	int r;

	if (fd < 0)
		return fd;
	r = fd_read_to_end(fd, &b, LIMIT_JSON_BYTES);
	if (r < 0)
		return error_set(e, r, "reading the image's manifest");
	manifest = json_parse(buf_str(&b), b.len, "manifest", e);
	if (manifest == NULL)
		return -EINVAL;
	json_array_foreach(json_object_get(manifest, "layers"), i, one) {
		json_t *copy = json_deep_copy(one);
		const char *type = json_string_value(json_object_get(one, "mediaType"));

		if (copy == NULL ||
		    json_object_set_new(copy, "mediaType", layer_type(type, is_docker(k->o))) < 0) {
			json_decref(copy);
			return error_set(e, -ENOMEM, "composing the image");
		}
		if (json_array_append_new(layers, copy) < 0)
			return error_set(e, -ENOMEM, "composing the image");
	}
	return 0;
}

static int make_manifest(struct commit *k, struct error *e)
{
	bool docker = is_docker(k->o);
	json_t *layers = json_array();
	size_t config_len, len;
	int r = put_blob(k, k->config, k->config_digest, &config_len, e);

	if (r == 0) {
		k->manifest = json_pack("{s:i,s:s,s:{s:s,s:s,s:I},s:O}", "schemaVersion", 2,
					"mediaType", docker ? DOCKER_MANIFEST : OCI_MANIFEST,
					"config", "mediaType", docker ? DOCKER_CONFIG : OCI_CONFIG,
					"digest", k->config_digest, "size", (json_int_t)config_len,
					"layers", layers);
		if (k->manifest == NULL)
			r = error_set(e, -ENOMEM, "composing the image");
	}
	if (r == 0 && !k->whole)
		r = base_layers(k, layers, e);
	if (r == 0 && json_array_append_new(layers, json_pack("{s:o,s:s,s:I}", "mediaType",
							      layer_type("gzip", docker), "digest",
							      k->layer.digest, "size",
							      (json_int_t)k->layer.size)) < 0)
		r = error_set(e, -ENOMEM, "composing the image");
	json_decref(layers);
	return r == 0 ? put_blob(k, k->manifest, k->manifest_digest, &len, e) : r;
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static int find(struct commit *k, const char *name, struct error *e)
{
	struct userns_caps caps = { .kind = USERNS_KIND_NONE };
	int r = container_open(k->s, name, &k->c, e);

	if (r == 0)
		r = view_of_container(k->s, &k->c, &k->view, e);
	if (r < 0)
		return r;
	r = userns_probe(&caps, e);
	if (r < 0)
		return r;
	k->keep_ids = caps.kind != USERNS_KIND_SINGLE;
	userns_caps_fini(&caps);
	k->whole = k->o->squash || k->view.rootfs != NULL || k->view.is_foreign;
	if (k->c.image_id[0] == '\0')
		return 0;
	r = storage_image_resolve(k->s, k->c.image_id, &k->base, e);
	return r == STORAGE_MISSING ? -ENOENT : r;
}

static int build(struct commit *k, const char *name, struct error *e)
{
	const char *rundir = json_string_value(json_object_get(k->c.record, "rundir"));
	bool pause = k->o->pause == 1 && container_is_running(&k->c) && rundir != NULL &&
		     strcmp(k->c.state, "paused") != 0;
	char *names[1] = { NULL };
	struct error sub = ERROR_INIT;
	int r;

	k->helper_fd = storage_helper_open(e);
	if (k->helper_fd < 0)
		return k->helper_fd;
	r = name != NULL ? storage_name_full(name, &names[0], e) : 0;
	if (r == 0)
		r = storage_txn_begin(k->s, &k->txn, e);
	if (r == 0 && pause)
		r = pause_begin(rundir, k->c.pid, e);
	if (r == 0)
		r = make_layer(k, e);
	if (pause && k->txn != NULL && pause_end(rundir, k->c.pid, &sub) < 0)
		log_error(&sub);
	if (r == 0)
		r = make_config(k, e);
	if (r == 0)
		r = make_manifest(k, e);
	if (r == 0) {
		struct storage_txn *txn = k->txn;

		k->txn = NULL;
		r = storage_txn_commit(txn, k->manifest_digest, names, name != NULL ? 1 : 0, e);
	}
	if (r == 0)
		events_container(k->s, "commit", &k->c, -1);
	free(names[0]);
	return r;
}

static int write_id(const struct commit *k, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *id = k->config_digest + strlen("sha256:");
	int r = 0;

	if (k->o->iidfile != NULL) {
		_cleanup_fd_ int fd =
			open(k->o->iidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		r = fd < 0 ? -errno : fd_write_all(fd, id, strlen(id));
		if (r < 0)
			return error_set(e, r, "--iidfile %s", k->o->iidfile);
	}
	(void)buf_printf(&b, "%s\n", id); /* out_write() sees a failure */
	return out_write(&b, e);
}

static int run(const struct options *o, const struct cmd_global *g, char **words, int n,
	       struct error *e)
{
	struct commit k = { .o = o, .helper_fd = -1, .made_fd = -1 };
	int r = storage_open(g->root, true, &k.s, e);

	if (r == 0)
		r = find(&k, words[0], e);
	if (r == 0) {
		r = build(&k, n > 1 ? words[1] : NULL, e);
		if (r < 0)
			(void)error_prefix(e, "committing container %s", k.c.name);
	}
	if (r == 0)
		r = write_id(&k, e);
	storage_txn_abort(k.txn);
	if (k.s != NULL)
		inside_empty_trash(k.s);
	close_fd(&k.helper_fd);
	json_decref(k.config);
	json_decref(k.manifest);
	storage_image_fini(&k.base);
	view_fini(&k.view);
	container_fini(&k.c);
	storage_free(k.s);
	return r;
}

int cmd_commit(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .pause = -1 };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_commit, argc, argv, &o, &code);

	if (first >= 0 && (argc - first < 1 || argc - first > 2)) {
		code = opt_usage_error(&cmd_verb_commit,
				       "a container and at most one name of an image are needed");
	} else if (first >= 0 && o.format != NULL && strcmp(o.format, "oci") != 0 &&
		   strcmp(o.format, "docker") != 0) {
		code = opt_usage_error(&cmd_verb_commit, "--format \"%s\" is not oci or docker",
				       o.format);
	} else if (first >= 0) {
		code = run(&o, g, argv + first, argc - first, &e) < 0 ? EXIT_CRT : 0;
		if (code != 0)
			log_error(&e);
	}
	strv_fini(&o.changes);
	return code;
}
