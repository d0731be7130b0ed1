/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt-oci checkpoint, and the options that it shares with restore.
 *
 * Theory of operation: options become struct runtime_criu; the two
 * directories are made where they are missing (0700: images hold the memory
 * of the container). runtime/ talks to criu. All input is the
 * caller's command line.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cmd/oci.h"

struct word {
	const char *name;
	int number;
};

static const struct word cgroup_modes[] = {
	{ "soft", RUNTIME_CRIU_CGROUPS_SOFT },
	{ "full", RUNTIME_CRIU_CGROUPS_FULL },
	{ "strict", RUNTIME_CRIU_CGROUPS_STRICT },
	{ "ignore", RUNTIME_CRIU_CGROUPS_IGNORE },
	{ "none", RUNTIME_CRIU_CGROUPS_NONE },
	{ "props", RUNTIME_CRIU_CGROUPS_PROPS },
	{ NULL, 0 },
};

static const struct word lock_methods[] = {
	{ "iptables", RUNTIME_CRIU_LOCK_IPTABLES },
	{ "nftables", RUNTIME_CRIU_LOCK_NFTABLES },
	{ "skip", RUNTIME_CRIU_LOCK_SKIP },
	{ NULL, 0 },
};

size_t oci_criu_options(struct oci_criu *o, bool restore, struct oci_option *to)
{
	const struct oci_option both[] = {
		{ .name = "--image-path", .value = &o->image_path },
		{ .name = "--work-path", .value = &o->work_path },
		{ .name = "--tcp-established", .flag = &o->c.tcp_established },
		{ .name = "--ext-unix-sk", .flag = &o->c.ext_unix_sk },
		{ .name = "--shell-job", .flag = &o->c.shell_job },
		{ .name = "--file-locks", .flag = &o->c.file_locks },
		{ .name = "--lazy-pages", .flag = &o->c.lazy_pages },
		{ .name = "--auto-dedup", .flag = &o->c.auto_dedup },
		{ .name = "--link-remap", .flag = &o->c.link_remap },
		{ .name = "--manage-cgroups-mode", .value = &o->cgroups_mode },
		{ .name = "--empty-ns", .value = &o->empty_ns },
		{ .name = "--network-lock", .value = &o->network_lock },
	};
	const struct oci_option dump[] = {
		{ .name = "--parent-path", .value = &o->c.parent_path },
		{ .name = "--leave-running", .letter = 'R', .flag = &o->c.leave_running },
		{ .name = "--pre-dump", .letter = 'P', .flag = &o->c.pre_dump },
		{ .name = "--page-server", .value = &o->page_server },
		{ .name = "--status-fd", .value = &o->status_fd },
		{ .name = "--tcp-skip-in-flight", .flag = &o->c.tcp_skip_in_flight },
	};
	const struct oci_option back[] = {
		{ .name = "--lsm-profile", .value = &o->c.lsm_profile },
		{ .name = "--lsm-mount-context", .value = &o->c.lsm_mount_context },
	};
	size_t n = sizeof(both) / sizeof(both[0]),
	       more = restore ? 2 : sizeof(dump) / sizeof(dump[0]);

	static_assert(sizeof(both) + sizeof(dump) <= OCI_CRIU_OPTIONS * sizeof(both[0]),
		      "room for the options of checkpoint");
	memcpy(to, both, sizeof(both));
	memcpy(to + n, restore ? back : dump, more * sizeof(*to));
	return n + more;
}

static int find_word(const struct word *w, const char *option, const char *text, int *ret,
		     struct error *e)
{
	if (text == NULL)
		return 0;
	for (; w->name != NULL; w++)
		if (strcmp(w->name, text) == 0) {
			*ret = w->number;
			return 0;
		}
	return error_setf(e, -EINVAL, "%s: \"%s\" is not known", option, text);
}

/* "ADDRESS:PORT"; the address may hold colons. */
static int parse_page_server(struct oci_criu *o, struct error *e)
{
	const char *colon = o->page_server != NULL ? strrchr(o->page_server, ':') : NULL;
	unsigned long long port;

	if (o->page_server == NULL || o->page_server[0] == '\0')
		return 0;
	if (colon == NULL || colon == o->page_server || str_to_u64(colon + 1, 65535, &port) < 0)
		return error_setf(e, -EINVAL, "--page-server: \"%s\" is not ADDRESS:PORT",
				  o->page_server);
	o->address = strndup(o->page_server, (size_t)(colon - o->page_server));
	if (o->address == NULL)
		return error_set(e, -ENOMEM, "--page-server");
	o->c.page_server_address = o->address;
	o->c.page_server_port = (int)port;
	return 0;
}

static int make_dir(const char *path, struct error *e)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_set(e, -errno, "create directory %s", path);
	return 0;
}

int oci_criu_open(struct oci_criu *o, const struct oci_global *g, bool restore, struct error *e)
{
	unsigned long long fd;
	int r;

	o->c.program = g->criu;
	/* before anything is made: who cannot do it at all is told why */
	if ((r = runtime_criu_usable(g->criu, e)) < 0 ||
	    (r = find_word(cgroup_modes, "--manage-cgroups-mode", o->cgroups_mode,
			   &o->c.cgroups_mode, e)) < 0 ||
	    (r = find_word(lock_methods, "--network-lock", o->network_lock, &o->c.network_lock,
			   e)) < 0 ||
	    (r = parse_page_server(o, e)) < 0)
		return r;
	if (o->empty_ns != NULL && strcmp(o->empty_ns, "network") != 0)
		return error_setf(e, -EINVAL,
				  "--empty-ns: \"%s\" is not \"network\", the only one there is",
				  o->empty_ns);
	o->c.empty_network = o->empty_ns != NULL;
	if (o->status_fd != NULL) {
		if (str_to_u64(o->status_fd, 65535, &fd) < 0 || fcntl((int)fd, F_GETFD) < 0)
			return error_setf(e, -EINVAL, "--status-fd: %s is no open descriptor",
					  o->status_fd);
		o->c.status_fd = (int)fd;
	}
	o->image = oci_absolute(o->image_path != NULL ? o->image_path : "checkpoint");
	o->work = o->image == NULL				  ? NULL :
		  o->work_path == NULL || o->work_path[0] == '\0' ? strdup(o->image) :
								    oci_absolute(o->work_path);
	if (o->work == NULL)
		return error_set(e, -ENOMEM, "--image-path");
	o->c.image_path = o->image;
	o->c.work_path = o->work;
	r = restore ? 0 : make_dir(o->image, e);
	return r < 0 || strcmp(o->work, o->image) == 0 ? r : make_dir(o->work, e);
}

void oci_criu_fini(struct oci_criu *o)
{
	free(o->image);
	free(o->work);
	free(o->address);
}

int oci_checkpoint(struct oci_global *g, int argc, char **argv, struct error *e)
{
	struct oci_criu o = { .c = RUNTIME_CRIU_INIT };
	struct oci_option opts[OCI_CRIU_OPTIONS];
	size_t n = oci_criu_options(&o, false, opts);
	int at = oci_options_anywhere(argc, argv, opts, n, e), r = at;

	if (at >= 0 && at + 1 != argc)
		r = error_setf(e, -EINVAL,
			       "checkpoint: \"checkpoint\" requires exactly 1 argument");
	if (r >= 0)
		r = oci_open_root(g, false, e);
	if (r >= 0)
		r = oci_criu_open(&o, g, false, e);
	if (r >= 0)
		r = runtime_checkpoint(g->state_root_fd, argv[at], &o.c, e);
	oci_criu_fini(&o);
	return r < 0 ? 1 : 0;
}
