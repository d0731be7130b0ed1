/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: labels of AppArmor and SELinux. */
#ifndef RUNTIME_LSM_H
#define RUNTIME_LSM_H

#include "base/error.h"
#include "runtime/prepare.h"
#include "runtime/spec.h"

/*
 * Put a process's AppArmor profile and SELinux label (either may be NULL) into
 * the plan. -ENOTSUP where the host does not have the module: a label that
 * does not hold is worse than none. "unconfined" is what such a host gives.
 */
int lsm_prepare(struct prepared *pr, const char *apparmor, const char *selinux, struct error *e);
/*
 * linux.mountLabel: the mount option that carries it, "context" unless the
 * annotation run.oci.mount_context_type names another; NULL when there is none.
 */
int lsm_mount_option(const struct spec *s, const char **ret, struct error *e);

#endif
