/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt info: this host and this store, for bug reports and scripts.
 *
 * Theory of operation: everything is read and nothing made: no store, no runtime
 * directory, no namespace. What cannot be found out, for want of a home, of a store or
 * of subordinate ids, is said where it would stand, and the rest is printed: a user
 * for whom nothing works must get an answer. The tree has podman's keys; it is
 * printed as YAML, as JSON, or by a template, for which the keys get the names that podman's
 * fields have in Go. Texts of /etc/os-release and paths are the host's; YAML puts what is
 * not plain between quotes, escaped as in JSON.
 */
#include "cmd/info.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/procfs.h"
#include "cmd/container.h"
#include "cmd/out.h"
#include "cmd/template.h"
#include "cmd/verbs.h"
#include "net/net.h"
#include "storage/storage.h"
#include "userns/userns.h"

#define TEXT_MAX    65536
#define CGROUP_ROOT "/sys/fs/cgroup"

struct options {
	const char *format;
	bool debug;
};

static const struct option_spec options[] = {
	{ "debug", 'D', OPT_FLAG, offsetof(struct options, debug), .help = "Accepted for scripts" },
	{ "format", 'f', OPT_STRING, offsetof(struct options, format), .arg = "TEMPLATE",
	  .help = "json, or a template such as \"{{.Host.Arch}}\"", .complete = "json" },
	OPTION_END
};

const struct cmd_verb cmd_verb_info = {
	.name = "info",
	.run = cmd_info,
	.options = options,
	.usage = "[OPTIONS]",
	.summary = "Show what is known of this host and of the store",
};

/* ---- Go's names ------------------------------------------------------------------------------ */

static char *go_name(const char *key)
{
	static const char *const names[][2] = {
		{ "apparmorEnabled", "AppArmorEnabled" },
		{ "capabilities", "DefaultCapabilities" },
		{ "cgroupVersion", "CgroupsVersion" },
		{ "cpuUtilization", "CPUUtilization" },
		{ "cpus", "CPUs" },
		{ "gidmap", "GIDMap" },
		{ "idMappings", "IDMappings" },
		{ "ociRuntime", "OCIRuntime" },
		{ "os", "OS" },
		{ "seccompEnabled", "SECCOMPEnabled" },
		{ "seccompProfilePath", "SECCOMPProfilePath" },
		{ "selinuxEnabled", "SELinuxEnabled" },
		{ "slirp4netns", "Slirp4NetNS" },
		{ "uidmap", "UIDMap" },
	};
	char *name;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], key) == 0)
			return strdup(names[i][1]);
	name = strdup(key);
	if (name != NULL && name[0] >= 'a' && name[0] <= 'z')
		name[0] = (char)(name[0] - 'a' + 'A');
	return name;
}

json_t *info_go_names(const json_t *tree)
{
	json_t *copy, *v;
	const char *key;
	size_t i;

	if (json_is_array(tree)) {
		copy = json_array();
		json_array_foreach((json_t *)(uintptr_t)tree, i, v)
			if (json_array_append_new(copy, info_go_names(v)) < 0)
				goto failed;
		return copy;
	}
	if (!json_is_object(tree))
		return json_deep_copy(tree);
	copy = json_object();
	json_object_foreach((json_t *)(uintptr_t)tree, key, v) {
		_cleanup_free_ char *name = go_name(key);

		if (name == NULL || json_object_set_new(copy, name, info_go_names(v)) < 0)
			goto failed;
	}
	return copy;
failed:
	json_decref(copy);
	return NULL;
}

/* ---- the host ---------------------------------------------------------------------------------- */

static char *read_file(const char *path)
{
	char *text = NULL;

	return fd_read_file_at(AT_FDCWD, path, TEXT_MAX, &text, NULL, NULL) < 0 ? NULL : text;
}

/* A file of /proc, which has no size. */
static char *read_proc(const char *path)
{
	_cleanup_fd_ int proc_fd = procfs_open(NULL);
	char *text = NULL;

	return proc_fd < 0 || procfs_read(proc_fd, path, TEXT_MAX, &text) < 0 ? NULL : text;
}

static const char *arch_name(const char *machine)
{
	static const char *const names[][2] = { { "x86_64", "amd64" },
						{ "aarch64", "arm64" },
						{ "i686", "386" },
						{ "armv7l", "arm" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], machine) == 0)
			return names[i][1];
	return machine;
}

/* KEY=VALUE or KEY="VALUE" of os-release. Caller frees. */
static char *release_value(const char *text, const char *key)
{
	_cleanup_free_ char *head = str_printf("%s=", key);

	for (const char *s = text; head != NULL && s != NULL && *s != '\0';) {
		if (str_starts(s, head)) {
			const char *v = s + strlen(head);

			v += *v == '"';
			return strndup(v, strcspn(v, "\"\n"));
		}
		s = strchr(s, '\n');
		s = s != NULL ? s + 1 : NULL;
	}
	return strdup("");
}

static json_t *distribution_json(void)
{
	_cleanup_free_ char *text = read_file("/usr/lib/os-release");
	_cleanup_free_ char *id = NULL, *version = NULL, *codename = NULL;

	if (text == NULL)
		text = read_file("/etc/os-release");
	id = release_value(text, "ID");
	version = release_value(text, "VERSION_ID");
	codename = release_value(text, "VERSION_CODENAME");
	return json_pack("{s:s,s:s,s:s}", "codename", codename, "distribution",
			 id != NULL && id[0] != '\0' ? id : "unknown", "version", version);
}

/* Kibibytes behind KEY of meminfo, in bytes. */
static json_int_t meminfo(const char *text, const char *key)
{
	const char *at = text != NULL ? strstr(text, key) : NULL;

	return at != NULL ? (json_int_t)strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static bool is_v2(void)
{
	struct statfs fs;

	return statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Those of our own group (version 2), or all that are mounted. */
static json_t *controllers_json(bool v2)
{
	static const char *const names[] = { "cpuset", "cpu",	  "cpuacct", "blkio",
					     "memory", "devices", "freezer", "pids" };
	_cleanup_free_ char *self = v2 ? read_proc("self/cgroup") : NULL, *path = NULL,
			    *text = NULL;
	json_t *list = json_array();
	char *line = self != NULL ? strstr(self, "0::/") : NULL, *rest, *word;

	for (size_t i = 0; !v2 && i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *dir = str_printf(CGROUP_ROOT "/%s", names[i]);

		if (dir != NULL && access(dir, F_OK) == 0)
			(void)json_array_append_new(list, json_string(names[i]));
	}
	if (line == NULL)
		return list;
	line += strlen("0::");
	line[strcspn(line, "\n")] = '\0';
	path = str_printf(CGROUP_ROOT "%s/cgroup.controllers", line);
	text = path != NULL ? read_file(path) : NULL;
	rest = text;
	while ((word = strsep(&rest, " \n")) != NULL)
		if (word[0] != '\0')
			(void)json_array_append_new(list, json_string(word));
	return list;
}

static json_t *map_json(const struct id_range *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
			list, json_pack("{s:I,s:I,s:I}", "container_id", (json_int_t)v[i].inside,
					"host_id", (json_int_t)v[i].outside, "size",
					(json_int_t)v[i].count)); /* as in a pack */
	return list;
}

/* Also why there is but one id. */
static json_t *mappings_json(bool *ret_rootless)
{
	struct userns_caps caps = { .kind = USERNS_KIND_NONE };
	struct error e = ERROR_INIT;
	struct id_map map = { 0 };
	json_t *obj;

	*ret_rootless = geteuid() != 0;
	if (userns_probe(&caps, &e) < 0)
		return json_pack("{s:n,s:n,s:s}", "gidmap", "uidmap", "error", e.msg);
	*ret_rootless = caps.kind != USERNS_KIND_NONE;
	if (caps.kind == USERNS_KIND_NONE) {
		obj = json_pack("{s:n,s:n}", "gidmap", "uidmap");
	} else if (userns_map_default(&caps, &map, &e) < 0) {
		obj = json_pack("{s:n,s:n,s:s}", "gidmap", "uidmap", "error", e.msg);
	} else {
		obj = json_pack("{s:o,s:o}", "gidmap", map_json(map.gid, map.gid_n), "uidmap",
				map_json(map.uid, map.uid_n));
		if (obj != NULL && caps.kind == USERNS_KIND_SINGLE)
			(void)json_object_set_new(obj, "singleId", json_string(caps.reason));
	}
	id_map_fini(&map);
	userns_caps_fini(&caps);
	return obj;
}

static json_t *helper_json(const char *name, const char *version)
{
	_cleanup_free_ char *path = NULL;
	int fd = proc_find_helper(name, &path, NULL);

	close_fd(&fd);
	return json_pack("{s:s,s:s,s:s,s:s}", "name", name, "package", "", "path",
			 path != NULL ? path : "", "version", version);
}

static json_t *slirp_json(void)
{
	_cleanup_buf_ struct buf slirp = BUF_INIT;
	_cleanup_free_ char *path = NULL, *text = NULL;
	const char *advice;
	int fd = proc_find_helper("crt-net", &path, NULL);
	json_t *obj;

	close_fd(&fd);
	version_slirp(&slirp);
	advice = slirp.len > 0 ? net_slirp_advice(buf_str(&slirp)) : NULL;
	text = str_printf("crt-net %s\nlibslirp: %s", CRT_VERSION,
			  slirp.len > 0 ? buf_str(&slirp) : "unknown");
	obj = json_pack("{s:s,s:s,s:s}", "executable", path != NULL ? path : "", "package", "",
			"version", text);
	if (obj != NULL && advice != NULL)
		(void)json_object_set_new(obj, "warning", json_string(advice));
	return obj;
}

static json_t *security_json(bool rootless)
{
	return json_pack(
		"{s:b,s:s,s:b,s:b,s:s,s:b}", "apparmorEnabled",
		(int)(access("/sys/kernel/security/apparmor", F_OK) == 0), "capabilities",
		"CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_NET_BIND_SERVICE,"
		"CAP_SETFCAP,CAP_SETGID,CAP_SETPCAP,CAP_SETUID,CAP_SYS_CHROOT",
		"rootless", (int)rootless, "seccompEnabled",
		(int)(access("/proc/sys/kernel/seccomp", F_OK) == 0), "seccompProfilePath", "",
		"selinuxEnabled", (int)(access("/sys/fs/selinux/enforce", F_OK) == 0));
}

static char *uptime_text(void)
{
	_cleanup_free_ char *text = read_proc("uptime");
	double s = text != NULL ? strtod(text, NULL) : 0;
	int hours = (int)(s / 3600), minutes = (int)(s / 60) % 60;

	return str_printf("%dh %dm %.2fs (Approximately %.2f days)", hours, minutes,
			  s - hours * 3600.0 - minutes * 60.0, s / 86400);
}

static json_t *host_json(void)
{
	_cleanup_free_ char *memory = read_proc("meminfo"), *uptime = uptime_text();
	struct utsname u = { .sysname = "" };
	bool rootless, v2 = is_v2();
	json_t *mappings = mappings_json(&rootless);

	(void)uname(&u); /* cannot fail */
	return json_pack(
		"{s:s,s:s,s:o,s:s,s:s,s:i,s:o,s:s,s:s,s:o,s:s,s:s,s:s,s:I,s:I,s:s,s:o,s:s,s:o,s:b,s:o,s:I,"
		"s:I,s:s}",
		"arch", arch_name(u.machine), "buildahVersion", "", "cgroupControllers",
		controllers_json(v2), "cgroupManager", v2 && rootless ? "systemd" : "cgroupfs",
		"cgroupVersion", v2 ? "v2" : "v1", "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN),
		"distribution", distribution_json(), "eventLogger", "file", "hostname", u.nodename,
		"idMappings", mappings, "kernel", u.release, "linkmode", "static", "logDriver",
		"k8s-file", "memFree", meminfo(memory, "MemFree:"), "memTotal",
		meminfo(memory, "MemTotal:"), "networkBackend", "slirp", "ociRuntime",
		helper_json("crt-oci", "crt-oci " CRT_VERSION), "os", "linux", "security",
		security_json(rootless), "serviceIsRemote", 0, "slirp4netns", slirp_json(),
		"swapFree", meminfo(memory, "SwapFree:"), "swapTotal",
		meminfo(memory, "SwapTotal:"), "uptime", uptime);
}

/* ---- the store ------------------------------------------------------------------------------- */

static json_t *containers_json(struct storage *s)
{
	struct container *all = NULL;
	int running = 0, paused = 0;
	size_t n = 0;

	if (container_list(s, &all, &n, NULL) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		running += strcmp(all[i].state, "running") == 0;
		paused += strcmp(all[i].state, "paused") == 0;
	}
	containers_free(all, n);
	return json_pack("{s:i,s:i,s:i,s:i}", "number", (int)n, "paused", paused, "running",
			 running, "stopped", (int)n - running - paused);
}

static const char *driver_name(struct storage *s, char *why, size_t size)
{
	switch (storage_driver_cached(s, why, size)) {
	case STORAGE_DRIVER_OVERLAY:
		return "native";
	case STORAGE_DRIVER_FUSE:
		return "fuse-overlayfs";
	case STORAGE_DRIVER_AUTO:
	case STORAGE_DRIVER_COUNT:
	default:
		return "not chosen yet";
	}
}

static json_t *store_json(const struct cmd_global *g)
{
	struct storage_image *images = NULL;
	struct error e = ERROR_INIT;
	struct storage *s = NULL;
	struct statvfs fs = { .f_bsize = 0 };
	_cleanup_free_ char *volumes = NULL;
	char why[240] = "";
	size_t n = 0;
	json_t *obj;

	if (storage_open(g->root, false, &s, &e) < 0)
		return json_pack("{s:s,s:s}", "graphDriverName", "overlay", "error", e.msg);
	if (storage_root_fd(s) >= 0)
		(void)fstatvfs(storage_root_fd(s), &fs);
	if (storage_image_list(s, &images, &n, NULL) < 0)
		n = 0;
	storage_images_free(images, n);
	volumes = str_printf("%s/volumes", storage_root(s));
	obj = json_pack("{s:o,s:s,s:{},s:s,s:I,s:I,s:{s:s,s:s},s:{s:i},s:s,s:s}", "containerStore",
			containers_json(s), "graphDriverName", "overlay", "graphOptions",
			"graphRoot", storage_root(s), "graphRootAllocated",
			(json_int_t)((uint64_t)fs.f_blocks * fs.f_frsize), "graphRootUsed",
			(json_int_t)((uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize),
			"graphStatus", "Overlay", driver_name(s, why, sizeof(why)), "Reason", why,
			"imageStore", "number", (int)n, "runRoot",
			g->runroot != NULL		  ? g->runroot :
			getenv("XDG_RUNTIME_DIR") != NULL ? getenv("XDG_RUNTIME_DIR") :
							    "",
			"volumePath", volumes);
	storage_free(s);
	return obj;
}

/* ---- output ----------------------------------------------------------------------------------- */

/* Is this text the same without quotes? */
static bool is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    " _-./(),%+=";
	bool letter = (s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z') || s[0] == '/';

	return letter && s[strspn(s, plain)] == '\0' && s[strlen(s) - 1] != ' ' &&
	       strcmp(s, "true") != 0 && strcmp(s, "false") != 0 && strcmp(s, "null") != 0;
}

static void put_scalar(const json_t *v, struct buf *b)
{
	_cleanup_free_ char *text = NULL;

	if (json_is_string(v) && is_plain(json_string_value(v))) {
		(void)buf_puts(b, json_string_value(v)); /* out_write() sees a failure */
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	(void)buf_puts(b, text != NULL ? text : "null");
}

static bool is_empty(const json_t *v)
{
	return (json_is_object(v) && json_object_size(v) == 0) ||
	       (json_is_array(v) && json_array_size(v) == 0);
}

static void put_yaml(const json_t *v, int depth, struct buf *b);

/* What stands behind "key:" or "-". */
static void put_value(const json_t *v, int depth, bool in_list, struct buf *b)
{
	if (is_empty(v)) {
		(void)buf_puts(b, json_is_array(v) ? " []\n" : " {}\n");
	} else if (json_is_object(v) || json_is_array(v)) {
		(void)buf_puts(b, in_list ? " " : "\n");
		put_yaml(v, depth, b);
	} else {
		(void)buf_putc(b, ' ');
		put_scalar(v, b);
		(void)buf_putc(b, '\n');
	}
}

static void put_yaml(const json_t *v, int depth, struct buf *b)
{
	bool first = b->len > 0 && b->data[b->len - 1] == ' ';
	const char *key;
	json_t *item;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)v, i, item) {
		(void)buf_printf(b, "%*s-", depth, "");
		put_value(item, depth + 2, true, b);
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, item) {
		(void)buf_printf(b, "%*s%s:", first ? 0 : depth, "", key);
		first = false;
		put_value(item, json_is_array(item) ? depth : depth + 2, false, b);
	}
}

static json_t *info_json(const struct cmd_global *g)
{
	return json_pack("{s:o,s:{s:[s,s,s],s:[s,s,s,s],s:[s]},s:{},s:o,s:o}", "host", host_json(),
			 "plugins", "log", "k8s-file", "json-file", "none", "network", "slirp",
			 "host", "none", "container", "volume", "local", "registries", "store",
			 store_json(g), "version", version_json());
}

static int print(const json_t *tree, const char *format, struct error *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_json_ json_t *fields = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	if (format == NULL) {
		put_yaml(tree, 0, &b);
		return out_write(&b, e);
	}
	if (strcmp(format, "json") == 0) {
		text = json_to_pretty(tree);
		if (text == NULL)
			return error_set(e, -ENOMEM, "making the JSON text");
		(void)buf_puts(&b, text); /* out_write() sees a failure */
		return out_write(&b, e);
	}
	fields = info_go_names(tree);
	if (fields == NULL)
		return error_set(e, -ENOMEM, "making the output");
	r = template_run(format, fields, tree, isatty(STDOUT_FILENO) == 1, &b, e);
	if (r < 0)
		return r;
	(void)buf_putc(&b, '\n');
	return out_write(&b, e);
}

int cmd_info(int argc, char **argv, const struct cmd_global *g)
{
	struct options o = { .format = NULL };
	_cleanup_json_ json_t *tree = NULL;
	struct error e = ERROR_INIT;
	int code;
	int first = opt_parse(&cmd_verb_info, argc, argv, &o, &code);

	if (first < 0)
		return code;
	if (first < argc)
		return opt_usage_error(&cmd_verb_info, "crt info takes no arguments");
	tree = info_json(g);
	if (tree == NULL)
		(void)error_set(&e, -ENOMEM, "collecting what is known");
	if (tree != NULL && print(tree, o.format, &e) == 0)
		return 0;
	log_error(&e);
	return EXIT_CRT;
}
