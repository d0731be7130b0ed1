/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of capabilities.
 *
 * Theory of operation: one table indexed by the kernel's number. The kernel's
 * numbers never change, so the table is ours and not <linux/capability.h>'s
 * of the day; a static_assert tells when the kernel's header grew. The names
 * come from command lines and from config.json (which an attacker may have
 * written): they are only compared, never stored or printed here. Nothing is
 * allocated and no state is kept, so a crash leaves nothing.
 */
#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <strings.h>

#include "runtime/runtime.h"

static const char *const cap_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};
#define CAP_COUNT ((int)(sizeof(cap_names) / sizeof(cap_names[0])))

static_assert(sizeof(cap_names) / sizeof(cap_names[0]) == 41, "capabilities 0..40 have names");
static_assert(CAP_LAST_CAP >= 40, "kernel headers older than the table");

int runtime_cap_parse(const char *name)
{
	if (name == NULL)
		return -EINVAL;
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (int i = 0; i < CAP_COUNT; i++)
		if (strcasecmp(name, cap_names[i] + 4) == 0)
			return i;
	return -EINVAL;
}

const char *runtime_cap_name(int cap)
{
	return cap >= 0 && cap < CAP_COUNT ? cap_names[cap] : NULL;
}
