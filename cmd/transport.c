/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images between the store, registries, archives and directories.
 *
 * Theory of operation
 *
 * A copy has two halves. The first gets hold of the packed image: of the store
 * it is there already; anything else is read by crt-fetch in its cage into a
 * transaction, without unpacking a layer. The second writes it: to files from
 * this process, which only copies bytes by digest, or to a registry by another
 * crt-fetch. The digests of what arrives are those of what was there, unless
 * another form was asked for.
 *
 * An archive is written beside its name and renamed when it is complete. The
 * transaction of a copy is thrown away in the end; after a crash the next
 * command does it.
 */
#include "cmd/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmd/outfile.h"

int transport_parse(const char *text, bool docker, struct transport *ret, struct error *e)
{
	static const char *const files[] = { "oci:", "oci-archive:", "docker-archive:", "dir:",
					     "builtin:" };
	struct transport t = { .kind = docker ? TRANSPORT_REGISTRY : TRANSPORT_STORE,
			       .text = text,
			       .name = text };
	int r;

	if (str_starts(text, "containers-storage:")) {
		t.kind = TRANSPORT_STORE;
		t.name = text + strlen("containers-storage:");
	} else if (str_starts(text, "docker://")) {
		t.kind = TRANSPORT_REGISTRY;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (str_starts(text, files[i]))
			t.kind = TRANSPORT_FILES;
	if (str_starts(text, "docker-daemon:") || str_starts(text, "tarball:") ||
	    str_starts(text, "ostree:") || str_starts(text, "sif:"))
		return error_setf(
			e, -EPROTONOSUPPORT,
			"%.*s is a transport that crt does not have: docker://, oci:, oci-archive:, "
			"docker-archive:, dir: and names of the store are",
			(int)strcspn(text, ":"), text);
	r = t.kind == TRANSPORT_STORE ? 0 : storage_ref_parse(text, &t.ref, e);
	if (r < 0)
		return r;
	*ret = t;
	return 0;
}

void transport_fini(struct transport *t)
{
	storage_ref_fini(&t->ref);
}

int transport_retries(struct cmd_fetch_options *o, long long retry, const char *delay,
		      struct error *e)
{
	unsigned long long n = 0;
	size_t digits = delay != NULL ? strspn(delay, "0123456789") : 0;
	const char *unit = delay != NULL ? delay + digits : "";
	_cleanup_free_ char *number = delay != NULL ? strndup(delay, digits) : NULL;

	if (retry < -1 || retry > 100)
		return error_setf(e, -EINVAL, "a number of tries is 0 to 100");
	o->retries_given = retry >= 0;
	o->retries = retry >= 0 ? (unsigned int)retry : 0;
	if (delay == NULL)
		return 0;
	if (number == NULL || str_to_u64(number, 600000, &n) < 0 ||
	    (strcmp(unit, "ms") != 0 && strcmp(unit, "s") != 0 && strcmp(unit, "m") != 0 &&
	     unit[0] != '\0'))
		return error_setf(e, -EINVAL, "--retry-delay %s: not a duration as 2s", delay);
	n *= strcmp(unit, "ms") == 0 ? 1 : strcmp(unit, "m") == 0 ? 60000 : 1000;
	if (n > 600000)
		return error_setf(e, -EINVAL, "--retry-delay %s: more than ten minutes", delay);
	o->retry_delay_ms = n > 0 ? (unsigned int)n : 1;
	return 0;
}

/* ---- from --------------------------------------------------------------------------- */

bool transport_says_name(const char *name, const char *text)
{
	_cleanup_free_ char *with_tag = str_printf("%s:latest", text);
	size_t len = strlen(name);

	for (int i = 0; i < 2; i++) {
		const char *want = i == 0 ? text : with_tag;
		size_t n = want != NULL ? strlen(want) : 0;

		if (n > 0 && n <= len && strcmp(name + (len - n), want) == 0 &&
		    (n == len || name[len - n - 1] == '/'))
			return true;
	}
	return false;
}

int transport_bundle(struct storage *s, const char *text, struct storage_bundle **ret,
		     struct error *e)
{
	struct storage_image image = { 0 };
	struct storage_bundle *b = NULL;
	int r = storage_image_resolve(s, text, &image, e);

	if (r != STORAGE_FOUND)
		return r < 0 ? r : -ENOENT;
	r = storage_bundle_image(s, &image, &b, e);
	if (r < 0)
		(void)error_prefix(e, "%s", text);
	for (size_t i = 0; r == 0 && i < image.names.n; i++)
		if (transport_says_name(image.names.v[i], text))
			r = storage_bundle_add_name(b, image.names.v[i], e);
	storage_image_fini(&image);
	if (r < 0) {
		storage_bundle_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

static int fetch_packed(struct transfer *t, const struct transport *from,
			const struct cmd_fetch_options *o, bool all, bool quiet, struct error *e)
{
	struct storage_fetch_request request = cmd_fetch_request(o, &from->ref);
	_cleanup_free_ char *digest = NULL;
	int r;

	request.packed_only = true;
	request.all = all;
	r = storage_fetch_begin(t->s, &request, &t->fetch, e);
	if (r == 0)
		r = cmd_fetch_run(t->fetch, quiet, &digest, e);
	if (r == 0)
		r = storage_bundle_fetched(t->fetch, digest, &t->bundle, e);
	return r;
}

int transfer_from(struct transfer *t, struct storage *s, const struct transport *from,
		  const struct cmd_fetch_options *o, bool all, bool quiet, struct error *e)
{
	int r;

	*t = (struct transfer){ .s = s };
	r = from->kind == TRANSPORT_STORE ? transport_bundle(s, from->name, &t->bundle, e) :
					    fetch_packed(t, from, o, all, quiet, e);
	if (r < 0 && strstr(e->msg, from->text) == NULL)
		(void)error_prefix(e, "%s", from->text);
	return r;
}

void transfer_fini(struct transfer *t)
{
	storage_bundle_free(t->bundle);
	storage_fetch_free(t->fetch);
}

/* ---- to ----------------------------------------------------------------------------- */

static int write_directory(struct storage_bundle *const *bundles, size_t n,
			   enum storage_format format, const char *path, struct error *e)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return error_set(e, -errno, "create %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -errno, "open %s", path);
	r = storage_bundle_write(bundles, n, format, fd, e);
	return r < 0 ? error_prefix(e, "%s", path) : 0;
}

static int write_archive(struct storage_bundle *const *bundles, size_t n,
			 enum storage_format format, const char *path, struct error *e)
{
	_cleanup_free_ char *part = NULL;
	_cleanup_fd_ int fd = -1;
	int r;

	if (outfile_is_in_place(path)) {
		fd = open(path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			return error_set(e, -errno, "open %s", path);
		return storage_bundle_write(bundles, n, format, fd, e);
	}
	part = str_printf("%s.crt-%d", path, (int)getpid());
	if (part == NULL)
		return error_set(e, -ENOMEM, "write %s", path);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_set(e, -errno, "create %s", part);
	r = storage_bundle_write(bundles, n, format, fd, e);
	if (r == 0 && rename(part, path) < 0)
		r = error_set(e, -errno, "rename %s to %s", part, path);
	if (r < 0)
		(void)unlink(part); /* the first error counts */
	return r < 0 ? error_prefix(e, "%s", path) : 0;
}

int transport_write(struct storage_bundle *const *bundles, size_t n, enum storage_format format,
		    const char *path, struct error *e)
{
	return format == STORAGE_FORMAT_OCI_DIR || format == STORAGE_FORMAT_DIR ?
		       write_directory(bundles, n, format, path, e) :
		       write_archive(bundles, n, format, path, e);
}

static int to_files(struct transfer *t, const struct transport *to, struct error *e)
{
	static const struct {
		const char *transport;
		enum storage_format format;
	} kinds[] = {
		{ "oci", STORAGE_FORMAT_OCI_DIR },
		{ "oci-archive", STORAGE_FORMAT_OCI_ARCHIVE },
		{ "docker-archive", STORAGE_FORMAT_DOCKER_ARCHIVE },
		{ "dir", STORAGE_FORMAT_DIR },
	};
	struct storage_bundle *named = t->bundle;
	int r;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(to->ref.transport, kinds[i].transport) != 0)
			continue;
		r = storage_bundle_set_name(named, to->ref.tag, e);
		return r < 0 ? r : transport_write(&named, 1, kinds[i].format, to->ref.path, e);
	}
	return error_setf(e, -EINVAL, "nothing can be written to %s", to->text);
}

int transfer_to(struct transfer *t, const struct transport *to, const struct cmd_fetch_options *o,
		bool quiet, char **ret_digest, struct error *e)
{
	struct storage_fetch_request request = cmd_fetch_request(o, &to->ref);
	struct storage_fetch *f = NULL;
	int r;

	if (to->kind == TRANSPORT_REGISTRY) {
		r = storage_push_begin(t->s, t->bundle, &request, &f, e);
		if (r == 0)
			r = cmd_fetch_run(f, quiet, ret_digest, e);
		storage_fetch_free(f);
	} else {
		r = to_files(t, to, e);
		if (r == 0 && (*ret_digest = strdup(storage_bundle_digest(t->bundle))) == NULL)
			r = error_set(e, -ENOMEM, "copy an image");
	}
	if (r < 0 && strstr(e->msg, to->ref.path) == NULL)
		(void)error_prefix(e, "%s", to->text);
	return r;
}
