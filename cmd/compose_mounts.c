/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts[], devices, masked and read-only paths of the OCI configuration.
 *
 * Theory of operation: first podman's default mounts, then the files that
 * describe the network, then what the user asked for, parents before children.
 * A mount of the user at the place of a default one replaces it. Some file
 * systems belong to a namespace: sysfs can be mounted only by the owner of the
 * network namespace, proc only by the owner of the pid namespace; where the
 * container keeps the host's (or the keeper's user namespace owns it), the
 * host's tree is bound instead.
 *
 * Devices: nobody in a user namespace can make a device node, so a device is
 * the host's node bound into the container; real root gets linux.devices.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/proc.h"
#include "cmd/compose.h"

/* Comma-separated options -> JSON list; NULL on lack of memory. */
static json_t *options_json(const char *text)
{
	json_t *list = json_array();

	while (list != NULL && *text != '\0') {
		size_t len = strcspn(text, ",");

		if (json_array_append_new(list, json_stringn(text, len)) < 0) {
			json_decref(list);
			return NULL;
		}
		text += len + (text[len] == ',');
	}
	return list;
}

/* Append one mount; options is stolen. */
static int push_mount(json_t *mounts, const char *dst, const char *type, const char *src,
		      json_t *options, struct error *e)
{
	json_t *m = json_object();

	if (json_object_set_new(m, "destination", json_string(dst)) < 0 ||
	    json_object_set_new(m, "type", json_string(type)) < 0 ||
	    json_object_set_new(m, "source", json_string(src)) < 0 ||
	    json_object_set_new(m, "options", options) < 0) {
		json_decref(m);
		return error_set(e, -ENOMEM, "composing the mount of %s", dst);
	}
	if (json_array_append_new(mounts, m) < 0)
		return error_set(e, -ENOMEM, "composing the mount of %s", dst);
	return 0;
}

static bool user_mounts_on(const struct run_request *req, const char *dst)
{
	for (size_t i = 0; i < req->mounts_n; i++)
		if (strcmp(req->mounts[i].destination, dst) == 0)
			return true;
	return false;
}

/* A default mount, unless the user put something else there. */
static int add_default(struct run_plan *p, json_t *mounts, const char *dst, const char *type,
		       const char *src, const char *options, struct error *e)
{
	if (user_mounts_on(p->req, dst))
		return 0;
	return push_mount(mounts, dst, type, src, options_json(options), e);
}

/* Is this gid usable in the container? tty is 5 on every distribution. */
static bool gid_mapped(const struct run_plan *p, uint32_t gid)
{
	const struct id_map *m = p->shift_map.gid_n > 0 ? &p->shift_map : &p->keeper_map;
	uint32_t out;

	if (p->caps.kind == USERNS_KIND_NONE)
		return userns_self_has_gid(gid);
	return id_map_to_outside(m->gid, m->gid_n, gid, &out);
}

static int add_sys(struct run_plan *p, json_t *mounts, struct error *e)
{
	const struct run_request *req = p->req;
	bool foreign_netns =
		p->caps.kind != USERNS_KIND_NONE &&
		(req->net.mode == NET_MODE_HOST || p->shift_map.uid_n > 0 || p->single_user);
	int r;

	if (foreign_netns)
		r = add_default(p, mounts, "/sys", "bind", "/sys",
				"rbind,rprivate,nosuid,noexec,nodev,rro", e);
	else
		r = add_default(p, mounts, "/sys", "sysfs", "sysfs",
				req->privileged ? "nosuid,noexec,nodev" : "nosuid,noexec,nodev,ro",
				e);
	if (r < 0)
		return r;
	return add_default(p, mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
			   "rprivate,nosuid,noexec,nodev,relatime,ro", e);
}

static int add_ipc(struct run_plan *p, json_t *mounts, struct error *e)
{
	_cleanup_free_ char *shm = NULL;
	int r;

	if (p->req->ipc_host) {
		r = access("/dev/mqueue", F_OK) < 0 ?
			    0 :
			    add_default(p, mounts, "/dev/mqueue", "bind", "/dev/mqueue",
					"rbind,rprivate,nosuid,noexec,nodev", e);
		return r < 0 ? r :
			       add_default(p, mounts, "/dev/shm", "bind", "/dev/shm",
					   "rbind,rprivate,nosuid,noexec,nodev", e);
	}
	r = add_default(p, mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev", e);
	shm = str_printf("nosuid,noexec,nodev,mode=1777,size=%llu",
			 (unsigned long long)p->req->shm_size);
	if (shm == NULL)
		return error_set(e, -ENOMEM, "composing the mount of /dev/shm");
	return r < 0 ? r : add_default(p, mounts, "/dev/shm", "tmpfs", "shm", shm, e);
}

static int add_pseudo(struct run_plan *p, json_t *mounts, struct error *e)
{
	bool bind_proc = p->req->pid_host && p->caps.kind != USERNS_KIND_NONE;
	int r;

	r = bind_proc ? add_default(p, mounts, "/proc", "bind", "/proc",
				    "rbind,rprivate,nosuid,noexec,nodev", e) :
			add_default(p, mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev", e);
	if (r == 0)
		r = add_default(p, mounts, "/dev", "tmpfs", "tmpfs",
				"nosuid,noexec,strictatime,mode=755,size=65536k", e);
	if (r == 0)
		r = add_sys(p, mounts, e);
	if (r == 0)
		r = add_default(p, mounts, "/dev/pts", "devpts", "devpts",
				gid_mapped(p, 5) ?
					"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" :
					"nosuid,noexec,newinstance,ptmxmode=0666,mode=0620",
				e);
	return r < 0 ? r : add_ipc(p, mounts, e);
}

static int add_file(struct run_plan *p, json_t *mounts, const char *dst, const char *name,
		    struct error *e)
{
	_cleanup_free_ char *src = str_printf("%s/%s", p->rundir, name);

	if (src == NULL)
		return error_set(e, -ENOMEM, "composing the mount of %s", dst);
	return add_default(p, mounts, dst, "bind", src, "bind,rprivate,nosuid,noexec,nodev", e);
}

static int add_files(struct run_plan *p, json_t *mounts, struct error *e)
{
	int r;

	r = add_file(p, mounts, "/etc/hosts", "hosts", e);
	if (r == 0)
		r = add_file(p, mounts, "/etc/hostname", "hostname", e);
	if (r == 0 && (p->req->net.mode != NET_MODE_NONE || p->req->net.members_n > 0) &&
	    !net_dns_is_none(&p->req->net))
		r = add_file(p, mounts, "/etc/resolv.conf", "resolv.conf", e);
	if (r == 0)
		r = add_file(p, mounts, "/run/.containerenv", ".containerenv", e);
	if (r == 0 && p->notify)
		r = add_file(p, mounts, NOTIFY_INSIDE, NOTIFY_DIR, e);
	return r;
}

static int add_init(struct run_plan *p, json_t *mounts, struct error *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int fd = -1;

	if (!p->req->init)
		return 0;
	fd = proc_find_helper("crt-init", &path, e);
	if (fd < 0)
		return error_prefix(e, "--init");
	return push_mount(mounts, COMPOSE_INIT, "bind", path,
			  options_json("bind,ro,rprivate,nosuid,nodev"), e);
}

/* --read-only keeps these writable (podman's --read-only-tmpfs). */
static int add_writable(struct run_plan *p, json_t *mounts, struct error *e)
{
	static const char *const dirs[] = { "/run", "/tmp", "/var/tmp" };
	int r = 0;

	if (!p->req->read_only)
		return 0;
	for (size_t i = 0; r == 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++)
		r = add_default(p, mounts, dirs[i], "tmpfs", "tmpfs",
				"rw,rprivate,nosuid,nodev,tmpcopyup", e);
	return r;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path != '\0'; path++)
		n += *path == '/';
	return n;
}

/* The user's mounts, parents before children and otherwise in the order given. */
static int add_user_mounts(struct run_plan *p, json_t *mounts, struct error *e)
{
	const struct run_request *req = p->req;
	size_t deepest = 0;

	for (size_t i = 0; i < req->mounts_n; i++)
		if (depth(req->mounts[i].destination) > deepest)
			deepest = depth(req->mounts[i].destination);
	for (size_t d = 1; d <= deepest; d++)
		for (size_t i = 0; i < req->mounts_n; i++) {
			const struct request_mount *m = &req->mounts[i];
			bool bind = m->type != REQUEST_MOUNT_TMPFS;
			_cleanup_free_ char *volume = NULL;
			json_t *options;

			if (depth(m->destination) != d)
				continue;
			if (m->type == REQUEST_MOUNT_VOLUME &&
			    (volume = storage_volume_path(p->store, m->source)) == NULL)
				return error_set(e, -ENOMEM, "composing the mount of %s",
						 m->destination);
			options = json_array();
			for (size_t k = 0; options != NULL && k < m->options.n; k++)
				if (json_array_append_new(options, json_string(m->options.v[k])) <
				    0)
					return error_set(e, -ENOMEM, "composing the mount of %s",
							 m->destination);
			if (push_mount(mounts, m->destination, bind ? "bind" : "tmpfs",
				       volume != NULL ? volume :
				       bind	      ? m->source :
							"tmpfs",
				       options, e) < 0)
				return -ENOMEM;
		}
	return 0;
}

/* ---- devices ----------------------------------------------------------------------------- */

/* A device node for real root. */
static int push_node(json_t *devices, const char *path, const struct stat *st, struct error *e)
{
	json_t *d = json_object();

	if (json_object_set_new(d, "path", json_string(path)) < 0 ||
	    json_object_set_new(d, "type", json_string(S_ISBLK(st->st_mode) ? "b" : "c")) < 0 ||
	    json_object_set_new(d, "major", json_integer(major(st->st_rdev))) < 0 ||
	    json_object_set_new(d, "minor", json_integer(minor(st->st_rdev))) < 0 ||
	    json_object_set_new(d, "fileMode", json_integer(st->st_mode & 07777)) < 0 ||
	    json_object_set_new(d, "uid", json_integer(st->st_uid)) < 0 ||
	    json_object_set_new(d, "gid", json_integer(st->st_gid)) < 0) {
		json_decref(d);
		return error_set(e, -ENOMEM, "composing the device %s", path);
	}
	return json_array_append_new(devices, d) < 0 ?
		       error_set(e, -ENOMEM, "composing the device %s", path) :
		       0;
}

static int add_node(struct run_plan *p, json_t *devices, const char *host, const char *dst,
		    bool writable, const struct stat *st, struct error *e)
{
	json_t *mounts = json_object_get(p->config, "mounts");

	if (p->caps.kind == USERNS_KIND_NONE)
		return push_node(devices, dst, st, e);
	return push_mount(mounts, dst, "bind", host,
			  options_json(writable ? "bind,rprivate,nosuid,noexec" :
						  "bind,rprivate,nosuid,noexec,ro"),
			  e);
}

/* What the container's own /dev has, or must not be the host's. */
static bool is_own_node(const char *name)
{
	static const char *const own[] = { "null",   "zero",	"full",	 "random", "urandom",
					   "tty",    "console", "ptmx",	 "pts",	   "shm",
					   "mqueue", "fd",	"stdin", "stdout", "stderr" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

/*
 * All devices below a host directory (--device DIR, --privileged). For a user
 * other than root only those that may be opened are of use.
 */
static int add_tree(struct run_plan *p, json_t *devices, const char *host, const char *dst,
		    int levels, struct error *e)
{
	_cleanup_dir_ DIR *dir = opendir(host);
	struct dirent *d;
	int r = 0;

	if (dir == NULL)
		return levels > 2 ? error_set(e, -errno, "device directory %s", host) : 0;
	while (r == 0 && (d = readdir(dir)) != NULL) {
		_cleanup_free_ char *from = NULL, *to = NULL;
		struct stat st;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    is_own_node(d->d_name))
			continue;
		from = str_printf("%s/%s", host, d->d_name);
		to = str_printf("%s/%s", dst, d->d_name);
		if (from == NULL || to == NULL)
			return error_set(e, -ENOMEM, "device %s", host);
		if (lstat(from, &st) < 0)
			continue; /* went away meanwhile */
		if (S_ISDIR(st.st_mode) && levels > 1)
			r = add_tree(p, devices, from, to, levels - 1, e);
		else if ((S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) &&
			 (p->caps.kind == USERNS_KIND_NONE || access(from, R_OK) == 0))
			r = add_node(p, devices, from, to, true, &st, e);
	}
	return r;
}

/* --device HOST[:CONTAINER][:rwm] */
static int add_device(struct run_plan *p, json_t *devices, const char *text, struct error *e)
{
	_cleanup_free_ char *host = strdup(text), *clean = NULL;
	char *dst = NULL, *perms = NULL;
	struct stat st;

	if (host == NULL)
		return error_set(e, -ENOMEM, "--device %s", text);
	dst = strchr(host, ':');
	if (dst != NULL) {
		*dst++ = '\0';
		perms = strchr(dst, ':');
		if (perms != NULL)
			*perms++ = '\0';
		if (perms == NULL && dst[0] != '/') {
			perms = dst;
			dst = NULL;
		}
	}
	if (perms != NULL && (*perms == '\0' || perms[strspn(perms, "rwm")] != '\0'))
		return error_setf(e, -EINVAL, "--device %s: invalid device mode \"%s\"", text,
				  perms);
	if (dst == NULL)
		dst = host;
	if (host[0] != '/' || dst[0] != '/')
		return error_setf(e, -EINVAL, "--device %s: a device path must be absolute", text);
	if (stat(host, &st) < 0)
		return error_set(e, -errno, "--device %s", text);
	clean = path_clean(dst);
	if (clean == NULL)
		return error_set(e, -ENOMEM, "--device %s", text);
	if (S_ISDIR(st.st_mode))
		return add_tree(p, devices, host, clean, 3, e);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_setf(e, -EINVAL, "--device %s: is not a device", text);
	return add_node(p, devices, host, clean, perms == NULL || strchr(perms, 'w') != NULL, &st,
			e);
}

int compose_devices(struct run_plan *p, json_t *linux_obj, struct error *e)
{
	json_t *devices = json_array();
	int r = 0;

	if (json_object_set(linux_obj, "devices", devices) < 0) {
		json_decref(devices);
		return error_set(e, -ENOMEM, "composing devices");
	}
	json_decref(devices); /* the tree holds it now */
	if (p->req->privileged)
		r = add_tree(p, devices, "/dev", "/dev", 3, e);
	for (size_t i = 0; r == 0 && i < p->req->devices.n; i++)
		r = add_device(p, devices, p->req->devices.v[i], e);
	if (r == 0 && json_array_size(devices) == 0)
		(void)json_object_del(linux_obj, "devices"); /* it was set above */
	return r;
}

/* ---- masked and read-only paths ----------------------------------------------------------------- */

static const char *const masked_paths[] = {
	"/proc/acpi",	       "/proc/asound",
	"/proc/kcore",	       "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list",
	"/proc/timer_stats",   "/proc/sched_debug",
	"/proc/scsi",	       "/proc/interrupts",
	"/sys/firmware",       "/sys/fs/selinux",
	"/sys/dev/block",      "/sys/devices/virtual/powercap",
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static bool is_unmasked(const struct run_request *req, const char *path)
{
	for (size_t i = 0; i < req->unmask.n; i++)
		if (strcasecmp(req->unmask.v[i], "all") == 0 ||
		    fnmatch(req->unmask.v[i], path, FNM_PATHNAME) == 0)
			return true;
	return false;
}

static int add_paths(const struct run_request *req, json_t *linux_obj, const char *key,
		     const char *const *paths, size_t n, const struct strv *more, struct error *e)
{
	json_t *list = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		if (!is_unmasked(req, paths[i]))
			r = json_array_append_new(list, json_string(paths[i]));
	for (size_t i = 0; r == 0 && more != NULL && i < more->n; i++)
		r = json_array_append_new(list, json_string(more->v[i]));
	if (r < 0) {
		json_decref(list);
		list = NULL;
	}
	return json_object_set_new(linux_obj, key, list) < 0 ?
		       error_set(e, -ENOMEM, "composing %s", key) :
		       0;
}

int compose_linux_paths(struct run_plan *p, json_t *linux_obj, struct error *e)
{
	const struct run_request *req = p->req;
	bool none = req->privileged;
	int r;

	r = add_paths(req, linux_obj, "maskedPaths", masked_paths,
		      none ? 0 : sizeof(masked_paths) / sizeof(masked_paths[0]), &req->mask, e);
	if (r == 0)
		r = add_paths(req, linux_obj, "readonlyPaths", readonly_paths,
			      none ? 0 : sizeof(readonly_paths) / sizeof(readonly_paths[0]), NULL,
			      e);
	return r;
}

int compose_mounts(struct run_plan *p, json_t *config, struct error *e)
{
	json_t *mounts = json_array();
	int r;

	if (json_object_set_new(config, "mounts", mounts) < 0)
		return error_set(e, -ENOMEM, "composing mounts");
	r = add_pseudo(p, mounts, e);
	if (r == 0)
		r = add_writable(p, mounts, e);
	if (r == 0)
		r = add_files(p, mounts, e);
	if (r == 0)
		r = add_init(p, mounts, e);
	if (r == 0)
		r = add_user_mounts(p, mounts, e);
	return r;
}
