/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of mount options.
 *
 * Theory of operation: the specification's names (with rnodev, which it
 * forgot), and those that other runtimes added and engines send. A name that
 * is not here is passed to the file system unchanged. Names are hostile
 * strings but only compared. The table is also what `features` lists, so that
 * the list cannot differ from what is understood.
 */
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>

#include "runtime/mountopt.h"
#include "runtime/sys.h"

#define ATTR(n, set, clr)                  \
	{                                  \
		n, MOUNTOPT_ATTR, set, clr \
	}
#define REC(n, set, clr)                  \
	{                                 \
		n, MOUNTOPT_REC, set, clr \
	}
#define PROP(n, flags)                            \
	{                                         \
		n, MOUNTOPT_PROPAGATION, flags, 0 \
	}
#define SIMPLE(n, kind)       \
	{                     \
		n, kind, 0, 0 \
	}

const struct mountopt mountopt_table[] = {
	ATTR("async", 0, 0),
	ATTR("atime", 0, MOUNT_ATTR__ATIME),
	SIMPLE("bind", MOUNTOPT_BIND),
	SIMPLE("copy-symlink", MOUNTOPT_COPY_SYMLINK),
	SIMPLE("defaults", MOUNTOPT_IGNORE),
	SIMPLE("dest-nofollow", MOUNTOPT_DST_NOFOLLOW),
	ATTR("dev", 0, MOUNT_ATTR_NODEV),
	ATTR("diratime", 0, MOUNT_ATTR_NODIRATIME),
	SIMPLE("dirsync", MOUNTOPT_SB),
	ATTR("exec", 0, MOUNT_ATTR_NOEXEC),
	SIMPLE("idmap", MOUNTOPT_IDMAP),
	SIMPLE("iversion", MOUNTOPT_SB),
	SIMPLE("lazytime", MOUNTOPT_SB),
	SIMPLE("loud", MOUNTOPT_IGNORE),
	SIMPLE("mand", MOUNTOPT_SB),
	ATTR("noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
	ATTR("nodev", MOUNT_ATTR_NODEV, 0),
	ATTR("nodiratime", MOUNT_ATTR_NODIRATIME, 0),
	ATTR("noexec", MOUNT_ATTR_NOEXEC, 0),
	SIMPLE("noiversion", MOUNTOPT_IGNORE),
	SIMPLE("nolazytime", MOUNTOPT_IGNORE),
	SIMPLE("nomand", MOUNTOPT_IGNORE),
	ATTR("norelatime", 0, MOUNT_ATTR__ATIME),
	ATTR("nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
	ATTR("nosuid", MOUNT_ATTR_NOSUID, 0),
	ATTR("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0),
	PROP("private", MS_PRIVATE),
	REC("ratime", 0, MOUNT_ATTR__ATIME),
	SIMPLE("rbind", MOUNTOPT_RBIND),
	REC("rdev", 0, MOUNT_ATTR_NODEV),
	REC("rdiratime", 0, MOUNT_ATTR_NODIRATIME),
	ATTR("relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
	SIMPLE("remount", MOUNTOPT_REMOUNT),
	REC("rexec", 0, MOUNT_ATTR_NOEXEC),
	SIMPLE("ridmap", MOUNTOPT_RIDMAP),
	REC("rnoatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
	REC("rnodev", MOUNT_ATTR_NODEV, 0),
	REC("rnodiratime", MOUNT_ATTR_NODIRATIME, 0),
	REC("rnoexec", MOUNT_ATTR_NOEXEC, 0),
	REC("rnorelatime", 0, MOUNT_ATTR__ATIME),
	REC("rnostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
	REC("rnosuid", MOUNT_ATTR_NOSUID, 0),
	REC("rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0),
	ATTR("ro", MOUNT_ATTR_RDONLY, 0),
	PROP("rprivate", MS_PRIVATE | MS_REC),
	REC("rrelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME),
	REC("rro", MOUNT_ATTR_RDONLY, 0),
	REC("rrw", 0, MOUNT_ATTR_RDONLY),
	PROP("rshared", MS_SHARED | MS_REC),
	PROP("rslave", MS_SLAVE | MS_REC),
	REC("rstrictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
	REC("rsuid", 0, MOUNT_ATTR_NOSUID),
	REC("rsymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
	PROP("runbindable", MS_UNBINDABLE | MS_REC),
	ATTR("rw", 0, MOUNT_ATTR_RDONLY),
	PROP("shared", MS_SHARED),
	SIMPLE("silent", MOUNTOPT_IGNORE),
	PROP("slave", MS_SLAVE),
	SIMPLE("src-nofollow", MOUNTOPT_SRC_NOFOLLOW),
	ATTR("strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
	ATTR("suid", 0, MOUNT_ATTR_NOSUID),
	ATTR("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
	SIMPLE("sync", MOUNTOPT_SB),
	SIMPLE("tmpcopyup", MOUNTOPT_COPYUP),
	PROP("unbindable", MS_UNBINDABLE),
	SIMPLE(NULL, MOUNTOPT_IGNORE),
};

const struct mountopt *mountopt_find(const char *name)
{
	size_t lo = 0, hi = sizeof(mountopt_table) / sizeof(mountopt_table[0]) - 1;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(name, mountopt_table[mid].name);

		if (c == 0)
			return &mountopt_table[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
