/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json to struct spec: the top level, root, mounts, hooks and linux.
 *
 * Theory of operation: the text is hostile (whoever wrote the bundle may have
 * been fed by an image), so base/json.h has already capped size and depth and
 * refused duplicate keys and embedded NULs. Here every field is fetched by a
 * typed getter that names the JSON path when the type is wrong; fields that we
 * do not know are ignored, as the specification wants. Nothing is resolved or
 * opened: paths stay strings until mount.c and child*.c treat them. On any
 * failure everything is released and *ret is untouched. The process object
 * has a file of its own, spec_process.c, because exec parses it alone.
 */
#include <assert.h>
#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "runtime/spec.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

const char *const spec_hook_names[SPEC_HOOK_COUNT] = {
	[SPEC_HOOK_PRESTART] = "prestart",
	[SPEC_HOOK_CREATE_RUNTIME] = "createRuntime",
	[SPEC_HOOK_CREATE_CONTAINER] = "createContainer",
	[SPEC_HOOK_START_CONTAINER] = "startContainer",
	[SPEC_HOOK_POSTSTART] = "poststart",
	[SPEC_HOOK_POSTSTOP] = "poststop",
};

static const struct {
	const char *name;
	const char *file;
	uint64_t flag;
} ns_table[SPEC_NS_COUNT] = {
	[SPEC_NS_USER] = { "user", "user", CLONE_NEWUSER },
	[SPEC_NS_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
	[SPEC_NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[SPEC_NS_NETWORK] = { "network", "net", CLONE_NEWNET },
	[SPEC_NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[SPEC_NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[SPEC_NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[SPEC_NS_TIME] = { "time", "time", CLONE_NEWTIME },
};

const char *spec_ns_name(enum spec_ns ns)
{
	return ns_table[ns].name;
}

uint64_t spec_ns_flag(enum spec_ns ns)
{
	return ns_table[ns].flag;
}

const char *spec_ns_file(enum spec_ns ns)
{
	return ns_table[ns].file;
}

int spec_get_strings(const json_t *obj, const char *where, const char *key, const char ***ret,
		     size_t *ret_n, struct error *e)
{
	_cleanup_free_ const char **v = NULL;
	json_t *arr = NULL;
	size_t n, i;
	int r;

	r = json_get_array(obj, where, key, &arr, e);
	if (r < 0)
		return r;
	if (r == 0) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	n = json_array_size(arr);
	v = calloc(n + 1, sizeof(*v));
	if (v == NULL)
		return error_set(e, -ENOMEM, "%s.%s", where, key);
	for (i = 0; i < n; i++) {
		const json_t *item = json_array_get(arr, i);

		if (!json_is_string(item))
			return error_setf(e, -EINVAL, "%s%s%s[%zu]: expected a string", where,
					  where[0] != '\0' ? "." : "", key, i);
		v[i] = json_string_value(item);
	}
	*ret = steal_ptr(&v);
	*ret_n = n;
	return 0;
}

/* An array of objects: its size checked against max, its items handed to fn one by one. */
typedef int (*item_fn)(const json_t *item, const char *where, void *out, struct error *e);

static int get_objects(const json_t *obj, const char *where, const char *key, size_t max,
		       size_t item_size, item_fn fn, void **ret, size_t *ret_n, struct error *e)
{
	json_t *arr = NULL;
	char path[128];
	char *v;
	size_t n, i;
	int r;

	r = json_get_array(obj, where, key, &arr, e);
	if (r <= 0)
		return r;
	n = json_array_size(arr);
	if (n > max)
		return error_setf(e, -E2BIG, "%s.%s: %zu entries, at most %zu are allowed", where,
				  key, n, max);
	if (n == 0)
		return 0;
	v = calloc(n, item_size);
	if (v == NULL)
		return error_set(e, -ENOMEM, "%s.%s", where, key);
	/* handed over at once: the caller's fini releases half-filled items too */
	*ret = v;
	*ret_n = n;
	for (i = 0; i < n; i++) {
		const json_t *item = json_array_get(arr, i);

		(void)snprintf(path, sizeof(path), "%s%s%s[%zu]", where,
			       where[0] != '\0' ? "." : "", key, i);
		if (!json_is_object(item))
			return error_setf(e, -EINVAL, "%s: expected an object", path);
		r = fn(item, path, v + i * item_size, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_range(const json_t *item, const char *where, void *out, struct error *e)
{
	struct id_range *range = out;
	int r;

	r = json_get_u32(item, where, "containerID", &range->inside, e);
	if (r >= 0)
		r = json_get_u32(item, where, "hostID", &range->outside, e);
	if (r >= 0)
		r = json_get_u32(item, where, "size", &range->count, e);
	return r < 0 ? r : 0;
}

static int parse_ranges(const json_t *obj, const char *where, const char *key,
			struct id_range **ret, size_t *ret_n, struct error *e)
{
	void *raw_v = NULL;
	struct id_range *raw;
	size_t n = 0;
	int r;

	r = get_objects(obj, where, key, LIMIT_ID_RANGES, sizeof(struct id_range), parse_range,
			&raw_v, &n, e);
	raw = raw_v;
	for (size_t i = 0; r >= 0 && i < n; i++) {
		r = id_map_add(ret, ret_n, raw[i]);
		if (r < 0)
			error_setf(
				e, r,
				"%s.%s[%zu]: the range is empty, too large or overlaps another one",
				where, key, i);
	}
	free(raw_v);
	return r < 0 ? r : 0;
}

static int parse_idmap(const json_t *obj, const char *where, struct id_map *map, struct error *e)
{
	int r;

	r = parse_ranges(obj, where, "uidMappings", &map->uid, &map->uid_n, e);
	if (r < 0)
		return r;
	return parse_ranges(obj, where, "gidMappings", &map->gid, &map->gid_n, e);
}

static int parse_mount(const json_t *item, const char *where, void *out, struct error *e)
{
	struct spec_mount *m = out;
	int r;

	r = json_get_string(item, where, "destination", &m->destination, e);
	if (r < 0)
		return r;
	if (r == 0 || m->destination[0] == '\0')
		return error_setf(e, -EINVAL, "%s.destination: missing", where);
	if ((r = json_get_string(item, where, "type", &m->type, e)) < 0 ||
	    (r = json_get_string(item, where, "source", &m->source, e)) < 0 ||
	    (r = spec_get_strings(item, where, "options", &m->options, &m->options_n, e)) < 0)
		return r;
	return parse_idmap(item, where, &m->idmap, e);
}

static int parse_hook(const json_t *item, const char *where, void *out, struct error *e)
{
	struct spec_hook *h = out;
	int64_t timeout = 0;
	int r;

	r = json_get_string(item, where, "path", &h->path, e);
	if (r < 0)
		return r;
	if (r == 0 || h->path[0] != '/')
		return error_setf(e, -EINVAL, "%s.path: an absolute path is required", where);
	if ((r = spec_get_strings(item, where, "args", &h->args, &h->args_n, e)) < 0 ||
	    (r = spec_get_strings(item, where, "env", &h->env, &h->env_n, e)) < 0)
		return r;
	r = json_get_int(item, where, "timeout", 1, 1 << 20, &timeout, e);
	h->timeout = (int32_t)timeout;
	return r < 0 ? r : 0;
}

static int parse_hooks(struct spec *s, struct error *e)
{
	json_t *hooks = NULL;
	int r;

	r = json_get_object(s->tree, "", "hooks", &hooks, e);
	if (r <= 0)
		return r;
	for (int kind = 0; kind < SPEC_HOOK_COUNT; kind++) {
		void *v = NULL;

		r = get_objects(hooks, "hooks", spec_hook_names[kind], 4096,
				sizeof(struct spec_hook), parse_hook, &v, &s->hooks[kind].n, e);
		s->hooks[kind].v = v;
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_namespaces(struct spec *s, const json_t *lin, struct error *e)
{
	json_t *arr = NULL;
	char path[64];
	int r;

	r = json_get_array(lin, "linux", "namespaces", &arr, e);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < json_array_size(arr); i++) {
		const json_t *item = json_array_get(arr, i);
		const char *type = NULL, *ns_path = NULL;
		int k;

		(void)snprintf(path, sizeof(path), "linux.namespaces[%zu]", i);
		if (!json_is_object(item))
			return error_setf(e, -EINVAL, "%s: expected an object", path);
		if ((r = json_get_string(item, path, "type", &type, e)) < 0 ||
		    (r = json_get_string(item, path, "path", &ns_path, e)) < 0)
			return r;
		for (k = 0; k < SPEC_NS_COUNT; k++)
			if (type != NULL && strcmp(type, ns_table[k].name) == 0)
				break;
		if (k == SPEC_NS_COUNT)
			return error_setf(e, -EINVAL, "%s.type: unknown namespace \"%s\"", path,
					  type != NULL ? type : "");
		if (s->ns[k].present)
			return error_setf(e, -EINVAL, "%s: namespace \"%s\" is given twice", path,
					  type);
		s->ns[k].present = true;
		if (ns_path != NULL && ns_path[0] != '\0')
			s->ns[k].path = ns_path;
	}
	return 0;
}

static int parse_device(const json_t *item, const char *where, void *out, struct error *e)
{
	struct spec_device *d = out;
	const char *type = NULL;
	int64_t major = 0, minor = 0, mode = 0;
	uint32_t id = 0;
	int r;

	if ((r = json_get_string(item, where, "path", &d->path, e)) < 0 ||
	    (r = json_get_string(item, where, "type", &type, e)) < 0 ||
	    (r = json_get_int(item, where, "major", -1, 0xfff, &major, e)) < 0 ||
	    (r = json_get_int(item, where, "minor", -1, 0xfffff, &minor, e)) < 0)
		return r;
	if (d->path == NULL || d->path[0] != '/')
		return error_setf(e, -EINVAL, "%s.path: an absolute path is required", where);
	if (type == NULL || type[0] == '\0' || type[1] != '\0' || strchr("cubp", type[0]) == NULL)
		return error_setf(e, -EINVAL,
				  "%s.type: one of \"c\", \"u\", \"b\", \"p\" is required", where);
	d->type = type[0] == 'b' ? S_IFBLK : type[0] == 'p' ? S_IFIFO : S_IFCHR;
	d->major = (uint32_t)(major < 0 ? 0 : major);
	d->minor = (uint32_t)(minor < 0 ? 0 : minor);
	r = json_get_int(item, where, "fileMode", 0, 0177777, &mode, e);
	if (r < 0)
		return r;
	d->has_mode = r > 0;
	d->mode = (mode_t)(r > 0 ? mode & 07777 : 0666);
	r = json_get_u32(item, where, "uid", &id, e);
	if (r < 0)
		return r;
	d->uid = id;
	id = 0;
	r = json_get_u32(item, where, "gid", &id, e);
	d->gid = id;
	return r < 0 ? r : 0;
}

static int parse_time_offsets(struct spec *s, const json_t *lin, struct error *e)
{
	static const char *const names[] = { "monotonic", "boottime" };
	struct spec_time_offset *offs[] = { &s->monotonic, &s->boottime };
	json_t *obj = NULL;
	int r;

	r = json_get_object(lin, "linux", "timeOffsets", &obj, e);
	for (size_t i = 0; r > 0 && i < 2; i++) {
		json_t *o = NULL;
		int k;

		r = json_get_object(obj, "linux.timeOffsets", names[i], &o, e);
		if (r < 0)
			return r;
		if (r > 0) {
			offs[i]->present = true;
			k = json_get_int(o, "linux.timeOffsets", "secs", INT64_MIN, INT64_MAX,
					 &offs[i]->secs, e);
			if (k >= 0)
				k = json_get_u32(o, "linux.timeOffsets", "nanosecs",
						 &offs[i]->nanosecs, e);
			if (k < 0)
				return k;
		}
		r = 1;
	}
	return r < 0 ? r : 0;
}

/* An object whose values must all be strings (sysctl, annotations). */
static int get_string_map(const json_t *obj, const char *where, const char *key, json_t **ret,
			  struct error *e)
{
	const char *k;
	json_t *v;
	int r;

	r = json_get_object(obj, where, key, ret, e);
	if (r <= 0)
		return r;
	json_object_foreach(*ret, k, v)
		if (!json_is_string(v))
			return error_setf(e, -EINVAL, "%s%s%s[\"%s\"]: expected a string", where,
					  where[0] != '\0' ? "." : "", key, k);
	return 1;
}

static const char *const mempolicy_modes[] = { "MPOL_DEFAULT",
					       "MPOL_PREFERRED",
					       "MPOL_BIND",
					       "MPOL_INTERLEAVE",
					       "MPOL_LOCAL",
					       "MPOL_PREFERRED_MANY",
					       "MPOL_WEIGHTED_INTERLEAVE",
					       NULL };
static const char *const mempolicy_flags[] = { "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
					       "MPOL_F_STATIC_NODES", NULL };
static const int mempolicy_flag_bits[] = { 1 << 13, 1 << 14, 1 << 15 };

const char *const *spec_mempolicy_modes(void)
{
	return mempolicy_modes;
}

const char *const *spec_mempolicy_flags(void)
{
	return mempolicy_flags;
}

static int parse_mempolicy(struct spec *s, const json_t *lin, struct error *e)
{
	_cleanup_free_ const char **flags = NULL;
	const char *mode = NULL;
	json_t *obj = NULL;
	size_t n = 0;
	int i, r;

	r = json_get_object(lin, "linux", "memoryPolicy", &obj, e);
	if (r <= 0)
		return r;
	if ((r = json_get_string(obj, "linux.memoryPolicy", "mode", &mode, e)) < 0 ||
	    (r = json_get_string(obj, "linux.memoryPolicy", "nodes", &s->mempolicy_nodes, e)) < 0 ||
	    (r = spec_get_strings(obj, "linux.memoryPolicy", "flags", &flags, &n, e)) < 0)
		return r;
	for (i = 0; mempolicy_modes[i] != NULL; i++)
		if (mode != NULL && strcmp(mode, mempolicy_modes[i]) == 0)
			break;
	if (mempolicy_modes[i] == NULL)
		return error_setf(e, -EINVAL, "linux.memoryPolicy.mode: unknown mode \"%s\"",
				  mode != NULL ? mode : "");
	s->has_mempolicy = true;
	s->mempolicy_mode = i;
	for (size_t k = 0; k < n; k++) {
		for (i = 0; mempolicy_flags[i] != NULL; i++)
			if (strcmp(flags[k], mempolicy_flags[i]) == 0)
				break;
		if (mempolicy_flags[i] == NULL)
			return error_setf(e, -EINVAL,
					  "linux.memoryPolicy.flags[%zu]: unknown flag \"%s\"", k,
					  flags[k]);
		s->mempolicy_mode |= mempolicy_flag_bits[i];
	}
	return 0;
}

static int parse_personality(struct spec *s, const json_t *lin, struct error *e)
{
	_cleanup_free_ const char **flags = NULL;
	const char *domain = NULL;
	json_t *obj = NULL;
	size_t n = 0;
	int r;

	r = json_get_object(lin, "linux", "personality", &obj, e);
	if (r <= 0)
		return r;
	/* the specification reserves flags and defines none: their type is checked, as for all fields */
	if ((r = json_get_string(obj, "linux.personality", "domain", &domain, e)) < 0 ||
	    (r = spec_get_strings(obj, "linux.personality", "flags", &flags, &n, e)) < 0)
		return r;
	if (domain == NULL || (strcmp(domain, "LINUX") != 0 && strcmp(domain, "LINUX32") != 0))
		return error_setf(e, -EINVAL,
				  "linux.personality.domain: \"LINUX\" or \"LINUX32\" is required");
	s->has_personality = true;
	s->personality = strcmp(domain, "LINUX32") == 0 ? 0x0008 : 0; /* PER_LINUX32, PER_LINUX */
	return 0;
}

static int parse_linux(struct spec *s, struct error *e)
{
	json_t *lin = NULL;
	void *v = NULL;
	int r;

	r = json_get_object(s->tree, "", "linux", &lin, e);
	if (r <= 0)
		return r;
	if ((r = parse_namespaces(s, lin, e)) < 0 ||
	    (r = parse_idmap(lin, "linux", &s->idmap, e)) < 0 ||
	    (r = parse_time_offsets(s, lin, e)) < 0)
		return r;
	r = get_objects(lin, "linux", "devices", 65536, sizeof(struct spec_device), parse_device,
			&v, &s->devices_n, e);
	s->devices = v;
	if (r < 0)
		return r;
	if ((r = json_get_string(lin, "linux", "cgroupsPath", &s->cgroups_path, e)) < 0 ||
	    (r = json_get_object(lin, "linux", "resources", &s->resources, e)) < 0 ||
	    (r = get_string_map(lin, "linux", "sysctl", &s->sysctl, e)) < 0 ||
	    (r = json_get_object(lin, "linux", "seccomp", &s->seccomp, e)) < 0 ||
	    (r = json_get_object(lin, "linux", "intelRdt", &s->intel_rdt, e)) < 0 ||
	    (r = json_get_object(lin, "linux", "netDevices", &s->net_devices, e)) < 0 ||
	    (r = json_get_string(lin, "linux", "rootfsPropagation", &s->rootfs_propagation, e)) <
		    0 ||
	    (r = spec_get_strings(lin, "linux", "maskedPaths", &s->masked, &s->masked_n, e)) < 0 ||
	    (r = spec_get_strings(lin, "linux", "readonlyPaths", &s->readonly, &s->readonly_n, e)) <
		    0 ||
	    (r = json_get_string(lin, "linux", "mountLabel", &s->mount_label, e)) < 0 ||
	    (r = parse_personality(s, lin, e)) < 0)
		return r;
	return parse_mempolicy(s, lin, e);
}

static int parse_tree(struct spec *s, struct error *e)
{
	json_t *root = NULL, *process = NULL;
	void *v = NULL;
	int r;

	if ((r = json_get_string(s->tree, "", "ociVersion", &s->oci_version, e)) < 0)
		return r;
	if (r == 0)
		return error_setf(e, -EINVAL, "config.json: ociVersion: missing");
	if ((r = json_get_object(s->tree, "", "root", &root, e)) < 0)
		return r;
	if (r > 0 && ((r = json_get_string(root, "root", "path", &s->root_path, e)) < 0 ||
		      (r = json_get_bool(root, "root", "readonly", &s->root_readonly, e)) < 0))
		return r;
	if ((r = json_get_object(s->tree, "", "process", &process, e)) < 0)
		return r;
	if (r > 0) {
		s->has_process = true;
		r = spec_process_parse(process, "process", &s->process, e);
		if (r < 0)
			return r;
	}
	if ((r = json_get_string(s->tree, "", "hostname", &s->hostname, e)) < 0 ||
	    (r = json_get_string(s->tree, "", "domainname", &s->domainname, e)) < 0)
		return r;
	r = get_objects(s->tree, "", "mounts", LIMIT_MOUNTS, sizeof(struct spec_mount), parse_mount,
			&v, &s->mounts_n, e);
	s->mounts = v;
	if (r < 0)
		return r;
	if ((r = parse_hooks(s, e)) < 0 ||
	    (r = get_string_map(s->tree, "", "annotations", &s->annotations, e)) < 0)
		return r;
	return parse_linux(s, e);
}

/* Takes the tree over. */
static int from_tree(json_t *tree, struct spec *ret, struct error *e)
{
	struct spec s = { .tree = tree };
	int r;

	if (!json_is_object(s.tree))
		r = error_setf(e, -EINVAL, "config.json: expected an object at the top");
	else
		r = parse_tree(&s, e);
	if (r < 0) {
		spec_fini(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int spec_parse(const char *text, size_t len, struct spec *ret, struct error *e)
{
	json_t *tree;

	tree = json_parse(text, len, "config.json", e);
	if (tree == NULL)
		return e != NULL && e->code < 0 ? e->code : -EINVAL;
	return from_tree(tree, ret, e);
}

int spec_take(json_t *tree, const char *seccomp, struct spec *ret, struct error *e)
{
	json_t *profile = NULL;
	int r;

	if (seccomp != NULL) {
		profile = json_parse(seccomp, strlen(seccomp), "linux.seccomp", e);
		if (profile == NULL)
			return e != NULL && e->code < 0 ? e->code : -EINVAL;
	}
	r = from_tree(json_incref(tree), ret, e);
	if (r < 0) {
		json_decref(profile);
		return r;
	}
	if (profile != NULL)
		ret->seccomp = ret->seccomp_own = profile;
	return 0;
}

void spec_fini(struct spec *s)
{
	spec_process_fini(&s->process);
	for (size_t i = 0; i < s->mounts_n; i++) {
		free(s->mounts[i].options);
		id_map_fini(&s->mounts[i].idmap);
	}
	free(s->mounts);
	for (int kind = 0; kind < SPEC_HOOK_COUNT; kind++) {
		for (size_t i = 0; i < s->hooks[kind].n; i++) {
			free(s->hooks[kind].v[i].args);
			free(s->hooks[kind].v[i].env);
		}
		free(s->hooks[kind].v);
	}
	id_map_fini(&s->idmap);
	free(s->devices);
	free(s->masked);
	free(s->readonly);
	json_decref(s->tree);
	json_decref(s->seccomp_own);
	*s = (struct spec){ .tree = NULL };
}
