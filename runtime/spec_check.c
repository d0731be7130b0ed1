/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The refusal rules: a config.json that parses but asks for what cannot or
 * must not be done is refused before anything is touched.
 *
 * Theory of operation: pure checks over struct spec. Most of them protect the
 * host from a configuration that pairs a namespaced setting with the host's
 * namespace (hostname without a UTS namespace would rename the machine,
 * kernel.shmmax without an IPC namespace would change it for everybody).
 * Messages use runc's words where callers are known to match them. A crash
 * here leaves nothing: no object exists yet.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

static int check_version(const struct spec *s, struct error *e)
{
	const char *v = s->oci_version;

	/* any 1.x is taken: minor versions only add optional fields */
	if (v[0] != '1' || v[1] != '.' || !isdigit((unsigned char)v[2]))
		return error_setf(e, -EINVAL,
				  "config.json: ociVersion: \"%.32s\" is not supported (1.x is)",
				  v);
	return 0;
}

static int check_sysctl(const struct spec *s, struct error *e)
{
	static const char *const ipc_keys[] = { "kernel.msgmax", "kernel.msgmnb",
						"kernel.msgmni", "kernel.sem",
						"kernel.shmall", "kernel.shmmax",
						"kernel.shmmni", "kernel.shm_rmid_forced" };
	const char *key;
	json_t *val;

	json_object_foreach(s->sysctl, key, val) {
		bool ipc = str_starts(key, "fs.mqueue.");

		(void)val;
		if (key[0] == '\0' || strstr(key, "..") != NULL || key[0] == '/' || key[0] == '.')
			return error_setf(e, -EINVAL, "linux.sysctl: \"%s\" is not a sysctl name",
					  key);
		for (size_t i = 0; i < sizeof(ipc_keys) / sizeof(ipc_keys[0]); i++)
			ipc = ipc || strcmp(key, ipc_keys[i]) == 0;
		if (ipc) {
			if (!s->ns[SPEC_NS_IPC].present)
				return error_setf(
					e, -EINVAL,
					"sysctl \"%s\" is not allowed in the hosts ipc namespace",
					key);
			continue;
		}
		if (str_starts(key, "net.") || str_starts(key, "net/")) {
			if (!s->ns[SPEC_NS_NETWORK].present)
				return error_setf(
					e, -EINVAL,
					"sysctl \"%s\" not allowed in host network namespace", key);
			continue;
		}
		if (str_starts(key, "user.") && s->ns[SPEC_NS_USER].present)
			continue;
		if (strcmp(key, "kernel.hostname") == 0)
			return error_setf(
				e, -EINVAL,
				"sysctl \"%s\" is not allowed as it conflicts with the field hostname",
				key);
		if (strcmp(key, "kernel.domainname") == 0) {
			if (!s->ns[SPEC_NS_UTS].present)
				return error_setf(
					e, -EINVAL,
					"sysctl \"%s\" is not allowed in the hosts uts namespace",
					key);
			if (s->domainname != NULL)
				return error_setf(
					e, -EINVAL,
					"sysctl \"%s\" conflicts with the field domainname", key);
			continue;
		}
		return error_setf(e, -EINVAL, "sysctl \"%s\" is not in a separate kernel namespace",
				  key);
	}
	return 0;
}

static int check_namespaces(const struct spec *s, struct error *e)
{
	bool user_new = s->ns[SPEC_NS_USER].present && s->ns[SPEC_NS_USER].path == NULL;

	if (!s->ns[SPEC_NS_MOUNT].present)
		return error_setf(e, -EINVAL, "linux.namespaces: a mount namespace is required");
	for (int k = 0; k < SPEC_NS_COUNT; k++)
		if (s->ns[k].path != NULL && s->ns[k].path[0] != '/')
			return error_setf(e, -EINVAL,
					  "linux.namespaces: the path \"%s\" of %s is not absolute",
					  s->ns[k].path, spec_ns_name((enum spec_ns)k));
	if (s->hostname != NULL && s->hostname[0] != '\0' && !s->ns[SPEC_NS_UTS].present)
		return error_setf(e, -EINVAL,
				  "unable to set hostname without a private UTS namespace");
	if (s->domainname != NULL && s->domainname[0] != '\0' && !s->ns[SPEC_NS_UTS].present)
		return error_setf(e, -EINVAL,
				  "unable to set domainname without a private UTS namespace");
	if (user_new && (s->idmap.uid_n == 0) != (s->idmap.gid_n == 0))
		return error_setf(e, -EINVAL,
				  "linux: uidMappings and gidMappings must be given together");
	if (!s->ns[SPEC_NS_USER].present && (s->idmap.uid_n > 0 || s->idmap.gid_n > 0))
		return error_setf(
			e, -EINVAL,
			"user namespace mappings specified, but user namespace isn't enabled in the config");
	if ((s->monotonic.present || s->boottime.present) && !s->ns[SPEC_NS_TIME].present)
		return error_setf(
			e, -EINVAL,
			"time namespace offsets specified, but time namespace isn't enabled in the config");
	if ((s->monotonic.present || s->boottime.present) && s->ns[SPEC_NS_TIME].path != NULL)
		return error_setf(
			e, -EINVAL,
			"time namespace offsets cannot be given together with a time namespace path");
	return 0;
}

int spec_process_check(const struct spec_process *p, struct error *e)
{
	if (p->args_n == 0)
		return error_setf(e, -EINVAL, "process.args must not be empty");
	if (p->args[0][0] == '\0')
		return error_setf(e, -EINVAL, "exec: \"\": executable file not found in $PATH");
	if (p->cwd == NULL || p->cwd[0] != '/')
		return error_setf(e, -EINVAL, "Cwd must be an absolute path");
	for (size_t i = 0; i < p->env_n; i++) {
		const char *eq = strchr(p->env[i], '=');

		if (eq == NULL || eq == p->env[i])
			return error_setf(e, -EINVAL, "process.env[%zu]: expected NAME=VALUE", i);
	}
	for (size_t i = 0; i < p->rlimits_n; i++)
		if (p->rlimits[i].soft > p->rlimits[i].hard)
			return error_setf(
				e, -EINVAL,
				"process.rlimits: %s: the soft limit is above the hard limit",
				p->rlimits[i].name);
	return 0;
}

static int check_propagation(const char *p, struct error *e)
{
	static const char *const known[] = { "shared",	"rshared",  "slave",	  "rslave",
					     "private", "rprivate", "unbindable", "runbindable" };

	if (p == NULL || p[0] == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(p, known[i]) == 0)
			return 0;
	return error_setf(e, -EINVAL, "linux.rootfsPropagation: unknown value \"%.64s\"", p);
}

int spec_check(const struct spec *s, struct error *e)
{
	int r;

	if ((r = check_version(s, e)) < 0)
		return r;
	if (s->root_path == NULL || s->root_path[0] == '\0')
		return error_setf(e, -EINVAL, "config.json: root.path: missing");
	if (!s->has_process)
		return error_setf(e, -EINVAL, "config.json: process: missing");
	if ((r = spec_process_check(&s->process, e)) < 0 || (r = check_namespaces(s, e)) < 0 ||
	    (r = check_sysctl(s, e)) < 0 || (r = check_propagation(s->rootfs_propagation, e)) < 0 ||
	    (r = cgroup_resources_check(s->resources, "linux.resources", e)) < 0)
		return r;
	for (size_t i = 0; i < s->masked_n; i++)
		if (s->masked[i][0] != '/')
			return error_setf(e, -EINVAL,
					  "linux.maskedPaths[%zu]: an absolute path is required",
					  i);
	for (size_t i = 0; i < s->readonly_n; i++)
		if (s->readonly[i][0] != '/')
			return error_setf(e, -EINVAL,
					  "linux.readonlyPaths[%zu]: an absolute path is required",
					  i);
	if (s->mount_label != NULL && s->mount_label[0] != '\0' &&
	    strchr(s->mount_label, '"') != NULL)
		return error_setf(e, -EINVAL, "linux.mountLabel: must not contain a quote");
	if (s->net_devices != NULL && json_object_size(s->net_devices) > 0)
		return error_setf(
			e, -ENOTSUP,
			"linux.netDevices: moving network devices is not supported by this runtime");
	if (s->intel_rdt != NULL && json_object_size(s->intel_rdt) > 0)
		return error_setf(e, -ENOTSUP,
				  "linux.intelRdt: resctrl is not supported by this runtime");
	return 0;
}
