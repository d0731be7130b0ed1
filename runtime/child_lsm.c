/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels that AppArmor and SELinux give to the program at its exec.
 *
 * Theory of operation: a label is text written to a file of our own process,
 * below the host's procfs that the parent verified, so that no /proc of an
 * image can receive it in the kernel's place. The kernel checks the text, and
 * what it refuses ends the container. With both modules in one kernel each has
 * its own file; kernels before 5.8 know only the shared one, where AppArmor is
 * asked for by the same words. Keys made from then on get the label, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/child.h"

static void write_label(const struct child_plan *p, const char *const files[2], const char *text)
{
	int fd = openat(p->proc_fd, files[0], O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && files[1] != NULL)
		fd = openat(p->proc_fd, files[1], O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		child_fail(STEP_LSM, 0, errno);
	(void)close(fd);
}

void child_lsm_exec(const struct child_plan *p)
{
	static const char *const apparmor[] = { "self/attr/apparmor/exec", "self/attr/exec" };
	static const char *const selinux[] = { "self/attr/exec", NULL };

	if (p->apparmor_exec != NULL)
		write_label(p, apparmor, p->apparmor_exec);
	if (p->selinux_label != NULL)
		write_label(p, selinux, p->selinux_label);
}

void child_lsm_keys(const struct child_plan *p)
{
	static const char *const files[] = { "self/attr/keycreate", NULL };

	if (p->selinux_label != NULL)
		write_label(p, files, p->selinux_label);
}
