/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `features`: what this runtime can do, and `spec`: a configuration to start from.
 *
 * Theory of operation: both are documents made from the tables that the
 * parsers themselves use, so that the lists cannot differ from what is
 * accepted. By the specification they describe the program, not this host.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "runtime/mountopt.h"
#include "runtime/criu.h"
#include "runtime/runtime.h"
#include "runtime/seccomp.h"
#include "runtime/spec.h"

static json_t *names(const char *const *v)
{
	json_t *arr = json_array();

	for (; v != NULL && *v != NULL; v++)
		if (json_array_append_new(arr, json_string(*v)) < 0)
			break;
	return arr;
}

static json_t *linux_features(void)
{
	json_t *ns = json_array(), *caps = json_array();

	for (int i = 0; i < SPEC_NS_COUNT; i++)
		(void)json_array_append_new(ns, json_string(spec_ns_name((enum spec_ns)i)));
	for (int i = 0; runtime_cap_name(i) != NULL; i++)
		(void)json_array_append_new(caps, json_string(runtime_cap_name(i)));
	return json_pack(
		"{s:o,s:o,s:{s:b,s:b,s:b,s:b,s:b},s:{s:b,s:o,s:o,s:o,s:o,s:o},s:{s:b},s:{s:b},"
		"s:{s:b,s:b,s:b},s:{s:o,s:o},s:{s:b},s:{s:{s:b}}}",
		"namespaces", ns, "capabilities", caps, "cgroup", "v1", 1, "v2", 1, "systemd",
		RUNTIME_SYSTEMD, "systemdUser", RUNTIME_SYSTEMD, "rdma", 1, "seccomp", "enabled", 1,
		"actions", names(seccomp_action_names()), "operators",
		names(seccomp_operator_names()), "archs", names(seccomp_arch_names()), "knownFlags",
		names(seccomp_flag_names()), "supportedFlags", names(seccomp_flag_names()),
		"apparmor", "enabled", 1, "selinux", "enabled", 1, "intelRdt", "enabled", 0,
		"schemata", 0, "monitoring", 0, "memoryPolicy", "modes",
		names(spec_mempolicy_modes()), "flags", names(spec_mempolicy_flags()), "netDevices",
		"enabled", 0, "mountExtensions", "idmap", "enabled", 1);
}

int runtime_features(char **ret, struct error *e)
{
	_cleanup_json_ json_t *j = NULL;
	json_t *hooks = json_array(), *options = json_array();

	for (int i = 0; i < SPEC_HOOK_COUNT; i++)
		(void)json_array_append_new(hooks, json_string(spec_hook_names[i]));
	for (const struct mountopt *o = mountopt_table; o->name != NULL; o++)
		(void)json_array_append_new(options, json_string(o->name));
	j = json_pack("{s:s,s:s,s:o,s:o,s:o,s:{s:s,s:s},s:[s,s,s]}", "ociVersionMin", "1.0.0",
		      "ociVersionMax", "1.3.0", "hooks", hooks, "mountOptions", options, "linux",
		      linux_features(), "annotations", "org.opencontainers.runc.version",
		      CRT_VERSION, "org.opencontainers.runc.checkpoint.enabled",
		      criu_usable(NULL, NULL, NULL) == 0 ? "true" : "false",
		      "potentiallyUnsafeConfigAnnotations", "org.systemd.property.",
		      "run.oci.keep_original_groups", "run.oci.mount_context_type");
	*ret = j == NULL ? NULL : json_to_pretty(j);
	return *ret == NULL ? error_set(e, -ENOMEM, "features") : 0;
}

static const char template_text[] =
	"{'ociVersion':'1.0.2','process':{'terminal':true,'user':{'uid':0,'gid':0},'args':['sh'],"
	"'env':['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin','TERM=xterm'],'cwd':'/',"
	"'capabilities':{'bounding':['CAP_AUDIT_WRITE','CAP_KILL','CAP_NET_BIND_SERVICE'],"
	"'effective':['CAP_AUDIT_WRITE','CAP_KILL','CAP_NET_BIND_SERVICE'],"
	"'permitted':['CAP_AUDIT_WRITE','CAP_KILL','CAP_NET_BIND_SERVICE']},"
	"'rlimits':[{'type':'RLIMIT_NOFILE','hard':1024,'soft':1024}],'noNewPrivileges':true},"
	"'root':{'path':'rootfs','readonly':true},'hostname':'crt','mounts':["
	"{'destination':'/proc','type':'proc','source':'proc','options':['nosuid','noexec','nodev']},"
	"{'destination':'/dev','type':'tmpfs','source':'tmpfs','options':['nosuid','strictatime','mode=755','size=65536k']},"
	"{'destination':'/dev/pts','type':'devpts','source':'devpts','options':"
	"['nosuid','noexec','newinstance','ptmxmode=0666','mode=0620'%s]},"
	"{'destination':'/dev/shm','type':'tmpfs','source':'shm','options':['nosuid','noexec','nodev','mode=1777','size=65536k']},"
	"{'destination':'/dev/mqueue','type':'mqueue','source':'mqueue','options':['nosuid','noexec','nodev']},"
	"%s,{'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup','options':"
	"['nosuid','noexec','nodev','relatime','ro']}],'linux':{%s'namespaces':[{'type':'pid'},%s{'type':'ipc'},"
	"{'type':'uts'},{'type':'mount'},{'type':'cgroup'}],'maskedPaths':['/proc/acpi','/proc/asound','/proc/kcore',"
	"'/proc/keys','/proc/latency_stats','/proc/timer_list','/proc/timer_stats','/proc/sched_debug','/sys/firmware',"
	"'/proc/scsi'],'readonlyPaths':['/proc/bus','/proc/fs','/proc/irq','/proc/sys','/proc/sysrq-trigger']}}";

int runtime_spec_template(bool rootless, char **ret, struct error *e)
{
	_cleanup_json_ json_t *j = NULL;
	char maps[200], text[sizeof(template_text) + 600];

	(void)snprintf(maps, sizeof(maps),
		       "'uidMappings':[{'containerID':0,'hostID':%u,'size':1}],"
		       "'gidMappings':[{'containerID':0,'hostID':%u,'size':1}],",
		       geteuid(), getegid());
	(void)snprintf(text, sizeof(text), template_text, rootless ? "" : ",'gid=5'",
		       rootless ? "{'destination':'/sys','type':'none','source':'/sys','options':"
				  "['rbind','nosuid','noexec','nodev','ro']}" :
				  "{'destination':'/sys','type':'sysfs','source':'sysfs','options':"
				  "['nosuid','noexec','nodev','ro']}",
		       rootless ? maps :
				  "'resources':{'devices':[{'allow':false,'access':'rwm'}]},",
		       rootless ? "{'type':'user'}," : "{'type':'network'},");
	for (char *s = text; *s != '\0'; s++)
		if (*s == '\'')
			*s = '"';
	j = json_parse(text, strlen(text), "template", e);
	*ret = j == NULL ? NULL : json_to_pretty(j);
	return *ret == NULL ? error_set(e, -ENOMEM, "spec") : 0;
}
