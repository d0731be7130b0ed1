/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt mount, crt unmount: the files of containers as a directory.
 *
 * Theory of operation: only root can mount, and root of a user namespace only in a mount namespace
 * of that one: so it is for root and for a session of crt unshare, in which the mounts stay
 * until the session ends. The mount points are STORE/mnt/ID. What is mounted is asked of the kernel. A
 * container that does not run is mounted as for a run, and can be changed; a running one
 * read only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "cmd/each.h"
#include "cmd/out.h"
#include "cmd/verbs.h"
#include "cmd/view.h"

struct options {
	bool all, force, latest, no_trunc;
	const char *format;
};
#define AT(m) offsetof(struct options, m)

static const struct option_spec mount_options[] = {
	{ "all", 'a', OPT_FLAG, AT(all), .help = "All containers" },
	{ "format", 0, OPT_STRING, AT(format), .arg = "FORMAT",
	  .help = "Print what is mounted as json", .complete = "json" },
	{ "latest", 'l', OPT_FLAG, AT(latest), .help = "The newest container" },
	{ "notruncate", 0, OPT_FLAG, AT(no_trunc), .help = "Print whole ids" },
	OPTION_END
};

const struct cmd_verb cmd_verb_mount = {
	.name = "mount",
	.run = cmd_mount,
	.options = mount_options,
	.usage = "[OPTIONS] [CONTAINER...]",
	.summary = "Mount the files of containers (in crt unshare), or show what is mounted",
	.operands = OPERANDS_CONTAINERS,
};

static const struct option_spec unmount_options[] = {
	{ "all", 'a', OPT_FLAG, AT(all), .help = "All containers" },
	{ "force", 'f', OPT_FLAG, AT(force), .help = "Also when it is in use" },
	{ "latest", 'l', OPT_FLAG, AT(latest), .help = "The newest container" },
	OPTION_END
};

const struct cmd_verb cmd_verb_unmount = {
	.name = "unmount",
	.alias = "umount",
	.grouped = "unmount|umount",
	.run = cmd_unmount,
	.options = unmount_options,
	.usage = "[OPTIONS] CONTAINER...",
	.summary = "Unmount what crt mount mounted",
	.operands = OPERANDS_CONTAINERS,
};

static bool refused(const char *verb)
{
	if (geteuid() == 0)
		return false;
	log_error(&(struct error){
		.code = -EPERM,
		.msg = "only root can mount: run \"crt unshare\" first, and this in "
		       "its shell" });
	(void)verb;
	return true;
}

/* Where a container is mounted. Caller frees. */
static char *place_of(struct storage *s, const char *id)
{
	return str_printf("%s/mnt/%s", storage_root(s), id);
}

/* Is something mounted there? */
static bool is_mounted(const char *place)
{
	_cleanup_free_ char *parent = strdup(place);
	char *slash = parent != NULL ? strrchr(parent, '/') : NULL;
	struct statx a, b;

	if (slash == NULL)
		return false;
	*slash = '\0';
	return statx(AT_FDCWD, place, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &a) == 0 &&
	       statx(AT_FDCWD, parent, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &b) == 0 &&
	       a.stx_mnt_id != b.stx_mnt_id;
}

static int mount_view_at(struct storage *s, const struct container *c, const char *place,
			 struct error *e)
{
	struct storage_rootfs_handle handle = { .fuse_pid_fd = -1 };
	struct view v = { .upper = NULL };
	int r = view_of_container(s, c, &v, e);

	if (r == 0 && v.rootfs != NULL)
		r = mount(v.rootfs, place, NULL, MS_BIND | MS_REC, NULL) < 0 ?
			    error_set(e, -errno, "mounting %s", v.rootfs) :
			    0;
	else if (r == 0)
		r = view_mount(s, &v, !storage_container_is_live(s, c->id), place, &handle, e);
	if (r == 0 && handle.fuse_pid > 0) {
		storage_rootfs_umount(&handle, place);
		r = error_setf(
			e, -EOPNOTSUPP,
			"the files of container %s need fuse-overlayfs, which ends with this "
			"command: use crt cp or crt export",
			c->name);
	}
	view_fini(&v);
	return r;
}

static int mount_one(struct storage *s, struct container *c, const char *said, void *data,
		     struct error *e)
{
	_cleanup_free_ char *place = place_of(s, c->id);
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = 0;

	(void)data;
	(void)said;
	if (place == NULL)
		return error_set(e, -ENOMEM, "mounting");
	if ((mkdirat(storage_root_fd(s), "mnt", 0700) < 0 && errno != EEXIST) ||
	    (mkdir(place, 0700) < 0 && errno != EEXIST))
		return error_set(e, -errno, "creating %s", place);
	if (!is_mounted(place))
		r = mount_view_at(s, c, place, e);
	if (r < 0) {
		(void)rmdir(place); /* it may be in use by another session */
		return r;
	}
	(void)buf_printf(&b, "%s\n", place); /* out_write() sees a failure */
	return out_write(&b, e);
}

/* What is mounted of all containers. */
static int show(const struct options *o, const struct cmd_global *g, struct error *e)
{
	static const struct out_column columns[] = { { "ID", "ID" },
						     { "PATH", "Path" },
						     { NULL, NULL } };
	struct out_rows rows = { NULL, NULL };
	_cleanup_strv_ struct strv ids = { .v = NULL };
	struct storage *s = NULL;
	int r = storage_open(g->root, false, &s, e);

	if (r == 0)
		r = storage_container_list(s, &ids, e);
	if (r == 0 && out_rows_init(&rows) < 0)
		r = error_set(e, -ENOMEM, "listing mounts");
	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		_cleanup_free_ char *place = place_of(s, ids.v[i]);
		_cleanup_free_ char *id = out_id(ids.v[i], o->no_trunc);
		json_t *data;

		if (place == NULL || id == NULL || !is_mounted(place))
			continue;
		data = json_pack("{s:s,s:s,s:s}", "ID", id, "Path", place, "mountpoint", place);
		if (out_rows_add(&rows, json_incref(data), data) < 0)
			r = error_set(e, -ENOMEM, "listing mounts");
	}
	if (r == 0)
		r = out_print(&rows, columns, o->format, true, e);
	out_rows_fini(&rows);
	storage_free(s);
	return r;
}

int cmd_mount(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_mount, argc, argv, &o, &code);
	struct each each = { .verb = &cmd_verb_mount, .global = g, .quiet = true, .fn = mount_one };

	if (first < 0)
		return code;
	if (refused("mount"))
		return EXIT_CRT;
	if (first == argc && !o.all && !o.latest) {
		if (show(&o, g, &e) == 0)
			return 0;
		log_error(&e);
		return EXIT_CRT;
	}
	each.all = o.all;
	each.latest = o.latest;
	return each_container(&each, argv + first, argc - first);
}

static int unmount_one(struct storage *s, struct container *c, const char *said, void *data,
		       struct error *e)
{
	const struct options *o = data;
	_cleanup_free_ char *place = place_of(s, c->id);

	(void)said;
	if (place == NULL)
		return error_set(e, -ENOMEM, "unmounting");
	if (!is_mounted(place))
		return o->all ? 0 : error_setf(e, -EINVAL, "container %s is not mounted", c->name);
	if (umount2(place, o->force ? MNT_DETACH : 0) < 0)
		return error_set(e, -errno, "unmounting %s", place);
	(void)rmdir(place); /* another session may use it */
	return 0;
}

int cmd_unmount(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .all = false };
	int code;
	int first = opt_parse(&cmd_verb_unmount, argc, argv, &o, &code);
	struct each each = { .verb = &cmd_verb_unmount, .global = g, .fn = unmount_one, .data = &o };

	if (first < 0)
		return code;
	if (refused("unmount"))
		return EXIT_CRT;
	each.all = o.all;
	each.latest = o.latest;
	each.quiet = o.all;
	return each_container(&each, argv + first, argc - first);
}
