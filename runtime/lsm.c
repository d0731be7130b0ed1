/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of AppArmor and SELinux: what config.json asks for, and whether this host has it.
 *
 * Theory of operation: the text of a label is the kernel's to judge; here it
 * only must not hold control characters, which no label has. It is written by
 * child_lsm.c shortly before the exec. Both modules are looked for where they show
 * themselves in sysfs; without them the configuration is refused, because a
 * label that does not hold is worse than none. A crash leaves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/lsm.h"

#ifndef SELINUX_MAGIC
#define SELINUX_MAGIC 0xf97cff8c
#endif

static bool has_apparmor(void)
{
	_cleanup_fd_ int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char c = 'N';

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

static bool has_selinux(void)
{
	struct statfs sfs;

	return statfs("/sys/fs/selinux", &sfs) == 0 &&
	       (unsigned long)sfs.f_type == (unsigned long)SELINUX_MAGIC;
}

static bool is_label(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

int lsm_prepare(struct prepared *pr, const char *apparmor, const char *selinux, struct error *e)
{
	if (apparmor != NULL && apparmor[0] != '\0') {
		if (!is_label(apparmor))
			return error_setf(
				e, -EINVAL,
				"process.apparmorProfile: \"%.64s\" is not a profile's name",
				apparmor);
		if (has_apparmor()) {
			pr->plan.apparmor_exec = prepared_printf(pr, "exec %s", apparmor);
			if (pr->plan.apparmor_exec == NULL)
				return error_set(e, -ENOMEM, "process.apparmorProfile");
		} else if (strcmp(apparmor, "unconfined") != 0) {
			return error_setf(
				e, -ENOTSUP,
				"process.apparmorProfile: apparmor is not enabled on this host");
		}
	}
	if (selinux == NULL || selinux[0] == '\0')
		return 0;
	if (!is_label(selinux))
		return error_setf(e, -EINVAL, "process.selinuxLabel: \"%.64s\" is not a label",
				  selinux);
	if (!has_selinux())
		return error_setf(
			e, -ENOTSUP,
			"selinux label is specified in config, but selinux is disabled or not supported: process.selinuxLabel");
	pr->plan.selinux_label = selinux;
	return 0;
}

int lsm_mount_option(const struct spec *s, const char **ret, struct error *e)
{
	static const char *const names[] = { "context", "fscontext", "defcontext", "rootcontext" };
	const char *want =
		json_string_value(json_object_get(s->annotations, "run.oci.mount_context_type"));

	*ret = NULL;
	if (s->mount_label == NULL || s->mount_label[0] == '\0')
		return 0;
	if (!has_selinux())
		return error_setf(
			e, -ENOTSUP,
			"selinux label is specified in config, but selinux is disabled or not supported: linux.mountLabel");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (want == NULL || strcmp(want, names[i]) == 0) {
			*ret = names[i];
			return 0;
		}
	return error_setf(e, -EINVAL,
			  "annotation run.oci.mount_context_type: unknown type \"%.64s\"", want);
}
